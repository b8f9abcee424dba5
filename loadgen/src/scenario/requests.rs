//! The `[[request]]` tables of a plan: what is sent, in which shares.

use crate::acts::{Act, Fault};
use crate::mix::{Mix, Shape, control_data};
use serde::Deserialize;
use wire::terms::ids::{Class, Kind};

/// Shapes that a range of lengths is spread over, at most.
const LENGTHS_MAX: usize = 24;
/// Weights are multiplied by this before they are divided among the lengths: every number up to 24
/// goes in evenly enough.
const WEIGHT_SCALE: u32 = 5_040;
/// Largest weight of a request.
const WEIGHT_MAX: u32 = 10_000;
/// Most request tables of a plan.
const REQUESTS_MAX: usize = 64;
/// SMS segments of one push, at most.
const SEGMENTS_MAX: usize = 10;
/// Octets of one control SMS.
const CONTROL_OCTETS_MAX: usize = 140;
/// Requests between a push and its repeat or cancel where the plan names no number.
const AFTER_DEFAULT: u64 = 10;

/// One table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    kind: String,
    weight: Option<u32>,
    alphabet: Option<String>,
    characters: Option<Lengths>,
    octets: Option<Lengths>,
    class: Option<String>,
    pub(super) xpid: Option<String>,
    after: Option<u64>,
    fault: Option<String>,
}

/// A length, or the shortest and the longest.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Lengths {
    One(usize),
    Range([usize; 2]),
}

/// The alphabet of generated texts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    /// The default alphabet's basic table: one septet a character.
    Gsm7,
    /// With characters of the extension table: two septets each.
    Gsm7Extended,
    /// Japanese: UCS-2.
    Ucs2,
    /// Characters of two UCS-2 units.
    Emoji,
}

/// The mix that the tables make; `client_of` finds an XPID among the plan's clients.
pub(super) fn mix(
    requests: &[Request],
    client_of: impl Fn(Option<&str>) -> Result<usize, String>,
) -> Result<Mix, String> {
    if requests.len() > REQUESTS_MAX {
        return Err(format!(
            "{} requests are too many: write at most {REQUESTS_MAX}.",
            requests.len()
        ));
    }
    let (mut shapes, mut acts) = (Vec::new(), Vec::new());
    for request in requests {
        let weight = request.weight.unwrap_or(1);
        if weight == 0 || weight > WEIGHT_MAX {
            return Err(format!("a weight of {weight} will not do: choose 1 to {WEIGHT_MAX}."));
        }
        request.check()?;
        let after = request.after.unwrap_or(AFTER_DEFAULT);
        match request.kind.as_str() {
            "text" | "control" => {
                let client = client_of(request.xpid.as_deref())?;
                shapes.extend(request.shapes(weight * WEIGHT_SCALE, client)?);
            }
            "repeat" => acts.push((Act::Repeat { after }, weight * WEIGHT_SCALE)),
            "cancel" => acts.push((Act::Cancel { after }, weight * WEIGHT_SCALE)),
            "bad" => {
                let fault = request.fault.as_deref().ok_or("a bad request needs its fault.")?;
                acts.push((Act::Bad(Fault::named(fault)?), weight * WEIGHT_SCALE));
            }
            other => {
                return Err(format!(
                    "\"{other}\" is no kind of request: choose text, control, repeat, cancel or \
                     bad."
                ));
            }
        }
    }
    if shapes.is_empty() {
        return Err(
            "the requests hold no push: add one of kind \"text\" or \"control\".".to_owned()
        );
    }
    Ok(Mix::with("of the plan", shapes, &acts))
}

/// The class with this name.
pub(super) fn class(name: &str) -> Result<Class, String> {
    match name {
        "standard" => Ok(Class::Standard),
        "urgent" => Ok(Class::Urgent),
        "emergency" => Ok(Class::Emergency),
        "exercise" => Ok(Class::Exercise),
        _ => {
            Err(format!("\"{name}\" is no class: choose standard, urgent, emergency or exercise."))
        }
    }
}

impl Request {
    /// Keys that the kind does not have are mistakes.
    fn check(&self) -> Result<(), String> {
        let push = matches!(self.kind.as_str(), "text" | "control");
        let keys = [
            ("alphabet", self.alphabet.is_some(), self.kind == "text"),
            ("characters", self.characters.is_some(), self.kind == "text"),
            ("octets", self.octets.is_some(), self.kind == "control"),
            ("class", self.class.is_some(), push),
            ("xpid", self.xpid.is_some(), push),
            ("after", self.after.is_some(), matches!(self.kind.as_str(), "repeat" | "cancel")),
            ("fault", self.fault.is_some(), self.kind == "bad"),
        ];
        let stray = keys.into_iter().find(|(_, present, fits)| *present && !fits);
        stray.map_or(Ok(()), |(key, ..)| {
            Err(format!("a request of kind \"{}\" has no {key}: leave it away.", self.kind))
        })
    }

    fn shapes(&self, weight: u32, client: usize) -> Result<Vec<Shape>, String> {
        let class = self.class.as_deref().map(class).transpose()?;
        let (kind, lengths) = if self.kind == "text" {
            (Kind::Text, self.characters.unwrap_or(Lengths::Range([10, 70])))
        } else {
            (Kind::Control, self.octets.unwrap_or(Lengths::Range([5, CONTROL_OCTETS_MAX])))
        };
        let alphabet = self.alphabet.as_deref().map_or(Ok(Alphabet::Ucs2), Alphabet::named)?;
        let lengths = lengths.spread()?;
        let share = weight / lengths.len() as u32;
        let shape = |length: &usize| {
            let (data, segments) = match kind {
                Kind::Text => {
                    let text = alphabet.text(*length);
                    let segments = alphabet.segments(&text);
                    (text, segments)
                }
                Kind::Control => (control_data(*length), length.div_ceil(CONTROL_OCTETS_MAX)),
            };
            if segments > SEGMENTS_MAX || (kind == Kind::Control && *length > CONTROL_OCTETS_MAX) {
                return Err(format!(
                    "a {} of {length} is too long: at most {SEGMENTS_MAX} segments of text \
                     or {CONTROL_OCTETS_MAX} octets.",
                    self.kind
                ));
            }
            Ok(Shape { kind, data, segments: segments as u8, weight: share, class, client })
        };
        lengths.iter().map(shape).collect()
    }
}

impl Lengths {
    /// At most `LENGTHS_MAX` lengths evenly spread, the ends among them.
    fn spread(self) -> Result<Vec<usize>, String> {
        let [shortest, longest] = match self {
            Self::One(length) => [length, length],
            Self::Range(ends) => ends,
        };
        if shortest == 0 || shortest > longest || longest > 16_384 {
            return Err(format!(
                "lengths from {shortest} to {longest} will not do: write [SHORTEST, LONGEST] \
                 from 1 on."
            ));
        }
        let count = (longest - shortest + 1).min(LENGTHS_MAX);
        let at = |step: usize| shortest + (longest - shortest) * step / (count - 1).max(1);
        Ok((0..count).map(at).collect())
    }
}

impl Alphabet {
    fn named(name: &str) -> Result<Self, String> {
        match name {
            "gsm7" => Ok(Self::Gsm7),
            "gsm7-extended" => Ok(Self::Gsm7Extended),
            "ucs2" => Ok(Self::Ucs2),
            "emoji" => Ok(Self::Emoji),
            _ => Err(format!(
                "\"{name}\" is no alphabet: choose gsm7, gsm7-extended, ucs2 or emoji."
            )),
        }
    }

    /// A text of so many characters.
    fn text(self, characters: usize) -> String {
        let cycle = match self {
            Self::Gsm7 => "Evacuate now. Leave the coast and go to higher ground. ",
            Self::Gsm7Extended => "{Level 4} [North] ~evacuate~ 10€ | 2^3 \\ ",
            Self::Ucs2 => "避難指示。海岸から離れ、高台に避難してください。",
            Self::Emoji => "🌊🏃🏠⛰",
        };
        let text: String = cycle.chars().cycle().take(characters).collect();
        // A blank at the end would be the plan's to explain.
        let trimmed = text.trim_end();
        format!("{trimmed}{}", ".".repeat(text.len() - trimmed.len()))
    }

    /// Units that a character takes: septets, or UCS-2 units.
    fn units(self, character: char) -> usize {
        match self {
            Self::Gsm7 | Self::Gsm7Extended => {
                if "^{}\\[~]|€".contains(character) {
                    2
                } else {
                    1
                }
            }
            Self::Ucs2 | Self::Emoji => character.len_utf16(),
        }
    }

    /// SMS segments that the text takes: a character of two units is not split.
    fn segments(self, text: &str) -> usize {
        let (alone, of_several) =
            if matches!(self, Self::Gsm7 | Self::Gsm7Extended) { (160, 153) } else { (70, 67) };
        let units = || text.chars().map(|character| self.units(character));
        if units().sum::<usize>() <= alone {
            return 1;
        }
        let (mut segments, mut filled) = (1, 0);
        for unit in units() {
            if filled + unit > of_several {
                (segments, filled) = (segments + 1, 0);
            }
            filled += unit;
        }
        segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::sms::segment::{Content, PlanError, PlanOptions, plan};

    #[test]
    fn the_segments_of_generated_texts_are_those_that_the_engine_makes() {
        for alphabet in [Alphabet::Gsm7, Alphabet::Gsm7Extended, Alphabet::Ucs2, Alphabet::Emoji] {
            for characters in 1..400 {
                let text = alphabet.text(characters);
                assert_eq!(text.chars().count(), characters);
                let segments = match plan(Content::Text(&text), &PlanOptions::default()) {
                    Ok(plan) => usize::from(plan.segments()),
                    Err(PlanError::TooManySegments { needed }) => needed as usize,
                    Err(fault) => panic!("{fault}: {text}"),
                };
                assert_eq!(alphabet.segments(&text), segments, "{text}");
            }
        }
    }

    #[test]
    fn lengths_are_spread_from_end_to_end() {
        assert_eq!(Lengths::One(7).spread(), Ok(vec![7]));
        assert_eq!(Lengths::Range([3, 5]).spread(), Ok(vec![3, 4, 5]));
        let spread = Lengths::Range([1, 670]).spread().expect("legal");
        assert_eq!((spread.len(), spread.first(), spread.last()), (24, Some(&1), Some(&670)));
        assert!(Lengths::Range([5, 3]).spread().is_err() && Lengths::One(0).spread().is_err());
    }
}
