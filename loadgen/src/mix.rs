//! What the requests of a run are: pushes of several shapes, and where a plan asks for them
//! repeats, cancels and bad requests, chosen for each request by its index.
//!
//! Invariant: what request `i` is depends on the seed and `i` alone, so that ledger, senders and
//! sink agree without telling each other.

use crate::acts::{Act, Deed, SUBJECT_STEPS_MAX};
use crate::random::below;
use crate::texts;
use wire::terms::ids::{Class, Kind};

/// One kind of push: what goes into `ctrlflg` and `data`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Control or text.
    pub kind: Kind,
    /// What goes into the `data` element: even hex digits, or text.
    pub data: String,
    /// SMS segments the data takes.
    pub segments: u8,
    /// Its share of the requests, relative to the other weights.
    pub weight: u32,
    /// Its class; `None`: the plan's.
    pub class: Option<Class>,
    /// Which of the plan's clients sends it: 0 is the plan's own XPID, 1 the first of the others.
    pub client: usize,
}

/// The requests of a run and their shares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mix {
    name: &'static str,
    shapes: Vec<Shape>,
    /// What is not a plain push.
    acts: Vec<Act>,
    /// The upper bound of each shape's and then each act's share of `0..total`.
    bounds: Vec<u32>,
}

/// Lengths, in octets, of the control SMS of the mixes.
const CONTROL_OCTETS: [usize; 4] = [5, 20, 64, 140];

impl Mix {
    /// The drill's mix: 60 % Japanese emergency texts, a sixth of them of two to four segments, and
    /// 40 % control SMS.
    pub fn emergency() -> Self {
        let mut shapes = Vec::new();
        push_texts(&mut shapes, texts::SINGLE, 1, 5_000);
        push_texts(&mut shapes, texts::DOUBLE, 2, 600);
        push_texts(&mut shapes, texts::TRIPLE, 3, 300);
        push_texts(&mut shapes, texts::QUADRUPLE, 4, 100);
        push_controls(&mut shapes, 4_000);
        Self::of("emergency", shapes)
    }

    /// Single-segment texts only.
    pub fn text() -> Self {
        let mut shapes = Vec::new();
        push_texts(&mut shapes, texts::SINGLE, 1, 10_000);
        Self::of("text", shapes)
    }

    /// Control SMS of 5 to 140 octets only.
    pub fn control() -> Self {
        let mut shapes = Vec::new();
        push_controls(&mut shapes, 10_000);
        Self::of("control", shapes)
    }

    /// The one push of the interface's sample: control, `FFFFFFFFFF`.
    pub fn sample() -> Self {
        let data = "FFFFFFFFFF".to_owned();
        let shape =
            Shape { kind: Kind::Control, data, segments: 1, weight: 1, class: None, client: 0 };
        Self::of("sample", vec![shape])
    }

    /// A mix of the caller's own shapes; at least one, with weights above zero.
    pub fn of(name: &'static str, shapes: Vec<Shape>) -> Self {
        Self::with(name, shapes, &[])
    }

    /// As `of`, with acts beside the plain pushes, each with its weight.
    pub fn with(name: &'static str, shapes: Vec<Shape>, acts: &[(Act, u32)]) -> Self {
        assert!(shapes.iter().any(|shape| shape.weight > 0), "a mix needs a shape with a weight");
        let weights =
            shapes.iter().map(|shape| shape.weight).chain(acts.iter().map(|(_, weight)| *weight));
        let bounds = weights
            .scan(0u32, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        Self { name, shapes, acts: acts.iter().map(|(act, _)| *act).collect(), bounds }
    }

    /// The mix with this name; else a sentence.
    pub fn named(name: &str) -> Result<Self, String> {
        match name {
            "emergency" => Ok(Self::emergency()),
            "text" => Ok(Self::text()),
            "control" => Ok(Self::control()),
            "sample" => Ok(Self::sample()),
            other => {
                Err(format!("\"{other}\" is no mix: choose emergency, text, control or sample."))
            }
        }
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Every shape.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// Whether every request is a push of its own.
    pub fn is_plain(&self) -> bool {
        self.acts.is_empty()
    }

    /// What request `index` is under `seed`.
    pub fn deed(&self, seed: u64, index: u64) -> Deed {
        let position = self.choose(seed, index);
        let Some(act) = position.checked_sub(self.shapes.len()).map(|act| self.acts[act]) else {
            return Deed::Push { shape: position };
        };
        let (after, cancels) = match act {
            Act::Bad(fault) => return Deed::Bad(fault),
            Act::Repeat { after } => (after, false),
            Act::Cancel { after } => (after, true),
        };
        // The push that it is about: the nearest one at least `after` requests earlier.
        let candidates =
            (0..SUBJECT_STEPS_MAX).map_while(|step| index.checked_sub(after.max(1) + step));
        let subject = candidates
            .map(|of| (of, self.choose(seed, of)))
            .find(|(_, position)| *position < self.shapes.len());
        match subject {
            Some((of, shape)) if cancels => Deed::Cancel { of, shape },
            Some((of, shape)) => Deed::Repeat { of, shape },
            // At the beginning there is nothing yet to repeat or cancel.
            None => Deed::Push { shape: below(seed, index, self.shapes.len() as u64) as usize },
        }
    }

    /// The position of request `index` under `seed` among the shapes and then the acts.
    fn choose(&self, seed: u64, index: u64) -> usize {
        let total = self.bounds.last().copied().unwrap_or(1);
        let ticket = below(seed, index, u64::from(total)) as u32;
        self.bounds.partition_point(|&bound| bound <= ticket)
    }

    /// What the first `requests` requests are made of.
    pub fn composition(&self, seed: u64, requests: u64) -> Composition {
        let mut composition = Composition::default();
        for index in 0..requests {
            match self.deed(seed, index) {
                Deed::Push { shape } => {
                    let shape = &self.shapes[shape];
                    composition.pushes += 1;
                    composition.segments += u64::from(shape.segments);
                    composition.texts += u64::from(shape.kind == Kind::Text);
                    composition.segmented += u64::from(shape.segments > 1);
                }
                Deed::Repeat { .. } => composition.repeats += 1,
                Deed::Cancel { .. } => composition.cancels += 1,
                Deed::Bad(_) => composition.bad += 1,
            }
        }
        composition
    }
}

/// Counts over a run's requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Composition {
    /// Repeats of earlier pushes.
    pub repeats: u64,
    /// Cancels of earlier pushes.
    pub cancels: u64,
    /// Bad requests.
    pub bad: u64,
    /// All pushes.
    pub pushes: u64,
    /// Text pushes; the others are control pushes.
    pub texts: u64,
    /// Pushes of more than one segment.
    pub segmented: u64,
    /// SMS segments of all pushes.
    pub segments: u64,
}

fn push_texts(shapes: &mut Vec<Shape>, texts: &[&str], segments: u8, share: u32) {
    let weight = share / texts.len() as u32;
    shapes.extend(texts.iter().map(|&text| Shape {
        kind: Kind::Text,
        data: text.to_owned(),
        segments,
        weight,
        class: None,
        client: 0,
    }));
}

/// Hex digits of so many octets.
pub(crate) fn control_data(octets: usize) -> String {
    (0..octets).map(|at| format!("{:02X}", 0xff_u8.wrapping_sub((at * 7) as u8))).collect()
}

fn push_controls(shapes: &mut Vec<Shape>, share: u32) {
    for octets in CONTROL_OCTETS {
        let data = control_data(octets);
        shapes.push(Shape {
            kind: Kind::Control,
            data,
            segments: 1,
            weight: share / CONTROL_OCTETS.len() as u32,
            class: None,
            client: 0,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UCS-2: 70 units alone, 67 in a segment of several; our texts have no surrogate pairs to keep
    /// together.
    fn ucs2_segments(text: &str) -> u8 {
        let units = text.encode_utf16().count();
        assert!(text.chars().all(|character| character.len_utf16() == 1), "{text}");
        if units <= 70 { 1 } else { units.div_ceil(67) as u8 }
    }

    #[test]
    fn each_shape_takes_the_segments_it_states_and_needs_no_escaping() {
        for mix in [Mix::emergency(), Mix::text(), Mix::control(), Mix::sample()] {
            for shape in mix.shapes() {
                match shape.kind {
                    Kind::Text => {
                        assert_eq!(ucs2_segments(&shape.data), shape.segments, "{}", shape.data);
                        assert!(
                            !shape.data.contains(['<', '>', '&', '\'', '"', '\n', ' ']),
                            "{}",
                            shape.data
                        );
                    }
                    Kind::Control => {
                        assert_eq!((shape.data.len() % 2, shape.segments), (0, 1));
                        assert!(
                            shape.data.len() <= 280
                                && shape.data.bytes().all(|o| o.is_ascii_hexdigit())
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_emergency_mix_has_about_six_texts_in_ten_and_one_push_in_ten_segmented() {
        let composition = Mix::emergency().composition(20_261_122, 100_000);
        assert!((59_000..61_000).contains(&composition.texts), "{composition:?}");
        assert!((9_500..10_500).contains(&composition.segmented), "{composition:?}");
        let control_first =
            Mix::emergency().shapes().iter().filter(|shape| shape.kind == Kind::Control).count();
        assert_eq!(control_first, CONTROL_OCTETS.len());
    }

    #[test]
    fn a_push_has_the_same_shape_whenever_it_is_asked_for() {
        let mix = Mix::emergency();
        let first: Vec<usize> = (0..1_000).map(|index| mix.choose(1, index)).collect();
        assert_eq!(first, (0..1_000).map(|index| mix.choose(1, index)).collect::<Vec<_>>());
        assert_ne!(first, (0..1_000).map(|index| mix.choose(2, index)).collect::<Vec<_>>());
    }

    #[test]
    fn an_unknown_mix_is_refused_in_one_sentence() {
        assert_eq!(
            Mix::named("x").expect_err("no such mix"),
            "\"x\" is no mix: choose emergency, text, control or sample."
        );
    }
}
