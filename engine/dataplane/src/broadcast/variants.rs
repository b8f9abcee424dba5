//! Texts in several languages, with parameters; which one a row gets, and what each costs.
//!
//! A text whose parameters come from the broadcast or from the row's area is rendered once for all
//! its recipients; one with parameters of the row's own is rendered at the row's turn. Nothing is
//! ever cut: a text that takes too many short messages is an error of the check.

use std::collections::BTreeMap;

use serde::Serialize;
use wire::sms::alphabet::Shift;
use wire::sms::segment::{Content, PlanOptions, plan};

use super::limits::{LANGUAGES_MAX, TEXT_CHARACTERS_MAX, TEXT_PARAMETERS_MAX};

/// What stands round the name of a parameter.
const OPEN: &str = "{{";
const CLOSE: &str = "}}";
/// Characters that keep a text out of GSM 7-bit which are named.
const FORCING_NAMED_MAX: usize = 10;

/// Why a text cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TextError {
    /// A parameter that does not end.
    #[error("{{{{ without }}}} at character {at}: write {{{{name}}}}")]
    Open {
        /// Where, from 1.
        at: usize,
    },
    /// A name that is none.
    #[error("{name:?} is no name of a parameter: use letters, digits, _ and -")]
    Name {
        /// The name.
        name: String,
    },
    /// Too many.
    #[error("a text has at most {TEXT_PARAMETERS_MAX} parameters")]
    TooMany,
    /// Too long before anything is put in.
    #[error("a text has at most {TEXT_CHARACTERS_MAX} characters")]
    TooLong,
    /// No value.
    #[error(
        "there is no value for {{{{{name}}}}}: give it in texts.parameters or \
         texts.area_parameters, or import the list with --parameter {name}"
    )]
    NoValue {
        /// The parameter.
        name: String,
    },
    /// Two texts of a language.
    #[error("there are two texts in {language}")]
    Twice {
        /// The language.
        language: String,
    },
    /// Too many languages, or none.
    #[error("there are {count} texts: give 1 to {LANGUAGES_MAX}")]
    Count {
        /// How many.
        count: usize,
    },
    /// A fallback that is no variant.
    #[error("the fallback {language} has no text")]
    Fallback {
        /// The language.
        language: String,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Literal(String),
    Parameter(String),
}

/// A text with places for parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    parts: Vec<Part>,
}

impl Text {
    /// Reads a text with `{{name}}`s.
    ///
    /// # Errors
    /// A parameter that is not well written, or too much of anything.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        if text.chars().nth(TEXT_CHARACTERS_MAX).is_some() {
            return Err(TextError::TooLong);
        }
        let (mut parts, mut rest, mut count) = (Vec::new(), text, 0);
        while let Some((literal, behind)) = rest.split_once(OPEN) {
            let at = 1 + text[..text.len() - behind.len() - OPEN.len()].chars().count();
            let (name, behind) = behind.split_once(CLOSE).ok_or(TextError::Open { at })?;
            let name = name.trim();
            let is_name = !name.is_empty()
                && name
                    .chars()
                    .all(|character| character.is_alphanumeric() || "_-".contains(character));
            if !is_name {
                return Err(TextError::Name { name: name.chars().take(40).collect() });
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            parts.push(Part::Parameter(name.to_owned()));
            count += 1;
            if count > TEXT_PARAMETERS_MAX {
                return Err(TextError::TooMany);
            }
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The names of its parameters, each as often as it stands there.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Parameter(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The text with the values that `value` has. A value is put in as it is: what looks like a
    /// parameter in it is none.
    ///
    /// # Errors
    /// A parameter without a value.
    pub fn render<'a>(
        &'a self,
        value: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<String, TextError> {
        let mut text = String::new();
        for part in &self.parts {
            text.push_str(match part {
                Part::Literal(literal) => literal,
                Part::Parameter(name) => {
                    value(name).ok_or_else(|| TextError::NoValue { name: name.clone() })?
                }
            });
        }
        Ok(text)
    }
}

/// The texts of a broadcast, by language.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Variants {
    texts: Vec<(String, Text)>,
    /// The places of the texts that stand in where a row's language has none.
    fallback: Vec<usize>,
}

impl Variants {
    /// Texts by language tag, and the order in which they stand in for others.
    ///
    /// # Errors
    /// A text that cannot be used, two of a language, a fallback that is none.
    pub fn new(texts: &BTreeMap<String, String>, fallback: &[String]) -> Result<Self, TextError> {
        if !(1..=LANGUAGES_MAX).contains(&texts.len()) {
            return Err(TextError::Count { count: texts.len() });
        }
        let mut parsed: Vec<(String, Text)> = Vec::new();
        for (language, text) in texts {
            if parsed.iter().any(|(known, _)| known.eq_ignore_ascii_case(language)) {
                return Err(TextError::Twice { language: language.clone() });
            }
            parsed.push((language.clone(), Text::parse(text)?));
        }
        let place = |language: &String| {
            let place = parsed.iter().position(|(known, _)| known.eq_ignore_ascii_case(language));
            place.ok_or_else(|| TextError::Fallback { language: language.clone() })
        };
        let fallback = fallback.iter().map(place).collect::<Result<_, _>>()?;
        Ok(Self { texts: parsed, fallback })
    }

    /// Of what has no texts.
    pub(super) fn none() -> Self {
        Self { texts: Vec::new(), fallback: Vec::new() }
    }

    /// The languages with their texts, in the order of their places.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Text)> {
        self.texts.iter().map(|(language, text)| (language.as_str(), text))
    }

    /// The place of the text for a row's language: the same tag; the tag without its last parts
    /// (RFC 4647 section 3.4); any text of the same language; the first fallback. `None`: the row
    /// is skipped, 7001.
    pub fn pick(&self, language: &str) -> Option<usize> {
        let place = |wanted: &str| {
            self.texts.iter().position(|(known, _)| known.eq_ignore_ascii_case(wanted))
        };
        let mut tag = language;
        while !tag.is_empty() {
            if let Some(place) = place(tag) {
                return Some(place);
            }
            tag = tag.rsplit_once('-').map_or("", |(front, _)| front);
        }
        let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let same = |(known, _): &(String, Text)| {
            !language.is_empty() && primary(known) == primary(language)
        };
        self.texts.iter().position(same).or_else(|| self.fallback.first().copied())
    }
}

/// A character that keeps a text out of GSM 7-bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Forcing {
    /// The character.
    pub character: char,
    /// Its place, from 1.
    pub at: usize,
    /// What could stand for it.
    pub instead: Option<&'static str>,
}

/// What a text costs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Cost {
    /// `GSM 7-bit` or `UCS-2`.
    pub alphabet: &'static str,
    /// Short messages; `None` where ten are not enough.
    pub segments: Option<u8>,
    /// The first characters that force UCS-2.
    pub forcing: Vec<Forcing>,
    /// Short messages with all of them replaced, where that is possible and cheaper.
    pub segments_replaced: Option<u8>,
}

impl Cost {
    /// The cost of a text that has no parameters left.
    pub fn of(text: &str) -> Self {
        let segments = segments(text);
        let default = Shift::default();
        let foreign = |(_, character): &(usize, char)| default.encode(*character).is_none();
        let all: Vec<Forcing> = text
            .chars()
            .enumerate()
            .filter(foreign)
            .map(|(at, character)| Forcing { character, at: at + 1, instead: instead(character) })
            .collect();
        let is_replaceable = !all.is_empty() && all.iter().all(|forcing| forcing.instead.is_some());
        let replaced = is_replaceable.then(|| {
            let mut replaced = String::new();
            for character in text.chars() {
                match instead(character).filter(|_| default.encode(character).is_none()) {
                    Some(other) => replaced.push_str(other),
                    None => replaced.push(character),
                }
            }
            replaced
        });
        let cheaper = |then: &u8| segments.is_none_or(|now| *then < now);
        Self {
            alphabet: if all.is_empty() { "GSM 7-bit" } else { "UCS-2" },
            segments,
            segments_replaced: replaced.and_then(|text| self::segments(&text)).filter(cheaper),
            forcing: all.into_iter().take(FORCING_NAMED_MAX).collect(),
        }
    }
}

/// Short messages that a text takes; `None` where ten are not enough.
pub fn segments(text: &str) -> Option<u8> {
    plan(Content::Text(text), &PlanOptions::default()).ok().map(|plan| plan.segments())
}

/// What a person would take for the same: signs that word processors put in place of typed ones.
fn instead(character: char) -> Option<&'static str> {
    Some(match character {
        '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{2032}' | '\u{b4}' | '`' => "'",
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2033}' | '«' | '»' => "\"",
        '\u{2010}'..='\u{2015}' | '\u{2212}' => "-",
        '\u{2026}' => "...",
        '\u{2022}' | '\u{b7}' => "*",
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}' | '\t' => " ",
        '\u{200b}' | '\u{feff}' | '\u{ad}' => "",
        '\u{2044}' => "/",
        'ç' => "Ç",
        'á' | 'â' | 'ã' => "a",
        'ê' | 'ë' => "e",
        'í' | 'î' | 'ï' => "i",
        'ó' | 'ô' | 'õ' => "o",
        'ú' | 'û' => "u",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variants(texts: &[(&str, &str)], fallback: &[&str]) -> Result<Variants, TextError> {
        let texts =
            texts.iter().map(|(language, text)| ((*language).to_owned(), (*text).to_owned()));
        let fallback: Vec<String> = fallback.iter().map(|&language| language.to_owned()).collect();
        Variants::new(&texts.collect(), &fallback)
    }

    #[test]
    fn a_row_gets_its_language_or_the_nearest_or_the_fallback() {
        let texts = [("en", "e"), ("ja", "j"), ("ja-Hira", "h"), ("pt-BR", "p"), ("zh-Hans", "z")];
        let known = variants(&texts, &["en"]).expect("texts");
        for (language, expected) in [
            ("ja", "ja"),
            ("JA-hira", "ja-Hira"),
            ("ja-JP", "ja"),
            ("ja-Hira-JP", "ja-Hira"),
            ("pt", "pt-BR"),
            ("pt-PT", "pt-BR"),
            ("zh-Hans-CN", "zh-Hans"),
            ("ko", "en"),
            ("", "en"),
        ] {
            let place = known.pick(language).expect("a text");
            assert_eq!(
                known.all().nth(place).map(|(language, _)| language),
                Some(expected),
                "{language}"
            );
        }
        let strict = variants(&texts, &[]).expect("texts");
        assert_eq!((strict.pick("ko"), strict.pick("")), (None, None), "7001");
    }

    #[test]
    fn parameters_are_put_in_and_are_never_read_again() {
        let text = Text::parse("Go to {{ shelter }} now, {{name}}.").expect("a text");
        assert_eq!(text.parameters().collect::<Vec<_>>(), ["shelter", "name"]);
        let value = |name: &str| match name {
            "shelter" => Some("{{name}}"),
            "name" => Some("Aoi"),
            _ => None,
        };
        assert_eq!(text.render(value), Ok("Go to {{name}} now, Aoi.".to_owned()));
        let none = text.render(|name| (name == "name").then_some(""));
        assert_eq!(none, Err(TextError::NoValue { name: "shelter".to_owned() }));
        assert_eq!(Text::parse("a } b { c").expect("a text").parameters().count(), 0);
    }

    #[test]
    fn a_text_that_cannot_be_used_says_why() {
        assert_eq!(Text::parse("早 {{x"), Err(TextError::Open { at: 3 }));
        assert!(matches!(Text::parse("{{}}"), Err(TextError::Name { .. })));
        assert!(matches!(Text::parse("{{a b}}"), Err(TextError::Name { .. })));
        assert_eq!(Text::parse(&"{{a}}".repeat(TEXT_PARAMETERS_MAX + 1)), Err(TextError::TooMany));
        assert_eq!(Text::parse(&"x".repeat(TEXT_CHARACTERS_MAX + 1)), Err(TextError::TooLong));
        assert_eq!(variants(&[], &[]), Err(TextError::Count { count: 0 }));
        assert!(matches!(variants(&[("en", "a"), ("EN", "b")], &[]), Err(TextError::Twice { .. })));
        assert!(matches!(variants(&[("en", "a")], &["ja"]), Err(TextError::Fallback { .. })));
    }

    #[test]
    fn the_character_that_makes_a_text_dear_is_named_with_its_place_and_its_remedy() {
        let dear = "A".repeat(150) + "\u{2019}";
        let cost = Cost::of(&dear);
        assert_eq!(
            (cost.alphabet, cost.segments, cost.segments_replaced),
            ("UCS-2", Some(3), Some(1))
        );
        assert_eq!(cost.forcing, [Forcing { character: '\u{2019}', at: 151, instead: Some("'") }]);
        let plain = Cost::of("Leave now");
        assert_eq!(
            (plain.alphabet, plain.segments, plain.forcing.len()),
            ("GSM 7-bit", Some(1), 0)
        );
        let japanese = Cost::of(&"避難".repeat(36));
        assert_eq!((japanese.segments, japanese.segments_replaced), (Some(2), None));
        assert_eq!(japanese.forcing.len(), FORCING_NAMED_MAX);
        assert_eq!(Cost::of("It\u{2019}s").segments_replaced, None, "one is as cheap as one");
        assert_eq!(Cost::of(&"避".repeat(1_000)).segments, None);
    }
}
