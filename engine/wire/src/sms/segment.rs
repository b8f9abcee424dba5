//! From content to segments: which alphabet a push gets, how many short messages it takes, and
//! those messages as SMS-SUBMITs (3GPP TS 23.040, 9.2.3.16 and 9.2.3.24; TS 23.038, clause 4).
//!
//! [`plan`] reads the content once and decides everything that a caller may want to know
//! beforehand; [`encode_submits`] carries the plan out. What the plan counts is what comes out.
//! Neither allocates.
//!
//! Invariants: a segment never ends inside an escape pair or a surrogate pair; every segment of a
//! message has the same reference, total and shift elements; a grapheme cluster is split only when
//! keeping it whole would take a further segment.

mod cluster;
mod deliver;
mod fragment;
mod national;
mod profile;
mod submit;
#[cfg(test)]
mod tests;
mod write;

pub use deliver::{DeliverTemplate, encode_delivers};
pub use fragment::{Fragment, Fragments};
pub use submit::{SubmitTemplate, encode_submits};
pub use write::EncodeError;

pub use super::limits::{SEGMENTS_MAX, SUBMITS_OCTETS_MAX};

use super::alphabet::{Alphabet, Coded, Shift, count_characters_and_pairs};
use super::coding_scheme::{CharacterSet, CodingGroup, CodingScheme};
use super::header::{self, Header, HeaderFault, identifier};
use super::limits::{CLIENT_HEADER_OCTETS_MAX, USER_DATA_OCTETS_MAX, USER_DATA_SEPTETS_MAX};
use super::septets;
use national::Languages;
use profile::TextProfile;

/// The highest septet.
const MAX_SEPTET: u8 = 0x7F;

/// What a push carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content<'a> {
    /// Text for a person.
    Text(&'a str),
    /// Octets for a device.
    Octets(&'a [u8]),
    /// What one segment holds, as it goes out: of 7-bit text a septet an octet, of UCS-2 its
    /// octets. Whoever cut it brings the header that says so: it may hold a concatenation element.
    Part(&'a [u8]),
}

/// What a push client and its registration have to say about the coding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PlanOptions<'a> {
    /// A whole user data header, its length octet first, to stand in every segment; or empty. It
    /// may not bring a concatenation element but with [`Content::Part`]. Shift elements in it fix
    /// the tables for 7-bit text.
    pub client_udh: &'a [u8],
    /// TP-DCS, if the client chose one. By default 04 for octets, 00 or 08 for text.
    pub dcs: Option<u8>,
    /// Whether national language tables may be used.
    pub national: bool,
}

/// The finer choices, for callers that are not the push gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Locking shift tables that may be used: bit `n` for language `n`.
    pub locking_languages: u16,
    /// Single shift tables that may be used: bit `n` for language `n`.
    pub single_languages: u16,
    /// Whether the concatenation reference takes 16 bits.
    pub wide_reference: bool,
    /// More segments than this are refused; 1 to 255.
    pub segments_max: u8,
    /// Whether a message without content may be sent: an indication of waiting messages needs none.
    pub empty: bool,
}

impl Rules {
    /// Every national table of TS 23.038.
    pub const ALL_LANGUAGES: u16 = 0x3ffe;

    /// 8-bit references, no national tables, up to `segments_max` segments.
    pub const fn plain(segments_max: u8) -> Self {
        Self {
            locking_languages: 0,
            single_languages: 0,
            wide_reference: false,
            segments_max,
            empty: false,
        }
    }

    /// The push gateway's rules: 8-bit references and at most [`SEGMENTS_MAX`] segments.
    pub const fn gateway(national: bool) -> Self {
        let languages = if national { Self::ALL_LANGUAGES } else { 0 };
        Self {
            locking_languages: languages,
            single_languages: languages,
            ..Self::plain(SEGMENTS_MAX)
        }
    }
}

/// How a content will be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    alphabet: Alphabet,
    dcs: u8,
    segments: u8,
    /// Octets of the header in every segment, UDHL included; 0 without a header.
    header_octets: u8,
    /// Septets, code units or octets that one segment holds.
    capacity: u8,
    /// Septets, code units or octets of content in all.
    units: u32,
    /// The text is made of octets that are their own septets, so that it needs no look-up.
    identity: bool,
    /// The shift elements are the client's own and need not be added.
    client_shift: bool,
    wide_reference: bool,
}

impl Plan {
    /// Segments, at least 1.
    pub fn segments(&self) -> u8 {
        self.segments
    }

    /// TP-DCS of every segment.
    pub fn dcs(&self) -> u8 {
        self.dcs
    }

    /// The alphabet of the text.
    pub fn alphabet(&self) -> Alphabet {
        self.alphabet
    }

    /// Septets, UTF-16 code units or octets that one segment holds behind its header.
    pub fn capacity(&self) -> u8 {
        self.capacity
    }

    /// Septets, UTF-16 code units or octets that the content takes, without headers.
    pub fn units(&self) -> u32 {
        self.units
    }

    /// Octets of the user data header in every segment, UDHL included; 0 without one.
    pub fn header_octets(&self) -> u8 {
        self.header_octets
    }
}

/// Why a content cannot be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// There is nothing to send.
    #[error("there is no content")]
    Empty,
    /// More segments than allowed.
    #[error("the content needs {needed} segments")]
    TooManySegments {
        /// Segments it would take.
        needed: u32,
    },
    /// The chosen coding scheme's alphabet lacks a character.
    #[error("the character {character:?} at octet {offset} is not in the chosen alphabet")]
    UnknownCharacter {
        /// The first such character.
        character: char,
        /// Octets of UTF-8 before it.
        offset: usize,
    },
    /// The client's user data header cannot be used.
    #[error("user data header: {fault}")]
    BadHeader {
        /// What is wrong with it.
        fault: HeaderFault,
    },
    /// The coding scheme is reserved, compressed, or not for this kind of content.
    #[error("the data coding scheme {dcs:02X} does not fit the content")]
    BadCodingScheme {
        /// TP-DCS as chosen.
        dcs: u8,
    },
}

/// Decides how `content` is sent under the push gateway's rules: at most [`SEGMENTS_MAX`] segments,
/// 8-bit concatenation references.
///
/// # Errors
/// The first [`PlanError`] that applies: header, coding scheme, emptiness, character, segments.
pub fn plan(content: Content<'_>, options: &PlanOptions<'_>) -> Result<Plan, PlanError> {
    plan_by_rules(content, options, &Rules::gateway(options.national))
}

/// Decides how `content` is sent under `rules`; `options.national` is not looked at.
///
/// # Errors
/// The first [`PlanError`] that applies: header, coding scheme, emptiness, character, segments.
///
/// # Panics
/// When `rules` allow no segment.
pub fn plan_by_rules(
    content: Content<'_>,
    options: &PlanOptions<'_>,
    rules: &Rules,
) -> Result<Plan, PlanError> {
    let is_part = matches!(content, Content::Part(_));
    let frame = Frame::new(options, rules, is_part)?;
    match content {
        Content::Octets(octets) => plan_octets(octets, options, &frame),
        Content::Part(octets) => plan_part(octets, options, &frame),
        Content::Text(text) => plan_text(text, options, &frame),
    }
}

/// What is settled before the content is looked at.
struct Frame<'a> {
    client_header: Option<Header<'a>>,
    /// Shift elements that the client's header brings.
    client_shift: Option<Shift>,
    rules: &'a Rules,
}

impl<'a> Frame<'a> {
    fn new(options: &PlanOptions<'a>, rules: &'a Rules, is_part: bool) -> Result<Self, PlanError> {
        assert!(rules.segments_max > 0, "a message has at least one segment");
        if options.client_udh.is_empty() {
            return Ok(Self { client_header: None, client_shift: None, rules });
        }
        let bad = |fault| PlanError::BadHeader { fault };
        if options.client_udh.len() > CLIENT_HEADER_OCTETS_MAX {
            return Err(bad(HeaderFault::NoRoom));
        }
        let header = Header::parse(options.client_udh).map_err(bad)?;
        let concatenation = [identifier::CONCATENATION_8, identifier::CONCATENATION_16];
        //= push text udh
        if let Some(octet) = header.position_of(&concatenation).filter(|_| !is_part) {
            return Err(bad(HeaderFault::Concatenation { octet }));
        }
        let shift = header.shift();
        let client_shift = (shift != Shift::DEFAULT).then_some(shift);
        Ok(Self { client_header: Some(header), client_shift, rules })
    }

    /// Octets of the header of a segment, UDHL included, when the shift elements take
    /// `shift_octets`.
    fn header_octets(&self, concatenated: bool, shift_octets: usize) -> usize {
        let client = self.client_header.map_or(0, |header| header.element_octets().len());
        let concatenation = match (concatenated, self.rules.wide_reference) {
            (false, _) => 0,
            (true, false) => header::CONCATENATION_8_OCTETS,
            (true, true) => header::CONCATENATION_16_OCTETS,
        };
        let elements = client + concatenation + shift_octets;
        // A client that sends an empty header of one octet gets it sent.
        if elements == 0 && self.client_header.is_none() { 0 } else { 1 + elements }
    }

    /// Fits content of `units` in one segment or several. `count` says how many segments of a given
    /// capacity it takes.
    fn fit(
        &self,
        alphabet: Alphabet,
        shift_octets: usize,
        units: usize,
        count: impl Fn(usize) -> u32,
    ) -> Result<Fit, PlanError> {
        let header_octets = self.header_octets(false, shift_octets);
        let capacity = capacity_of(alphabet, header_octets);
        if units <= capacity {
            return Ok(Fit { header_octets, capacity, segments: 1 });
        }
        let header_octets = self.header_octets(true, shift_octets);
        let capacity = capacity_of(alphabet, header_octets);
        // Room for an escape pair or a surrogate pair, or content could not advance.
        if capacity < 2 {
            return Err(PlanError::BadHeader { fault: HeaderFault::NoRoom });
        }
        Ok(Fit { header_octets, capacity, segments: count(capacity) })
    }
}

/// What one way of coding takes.
#[derive(Clone, Copy)]
struct Fit {
    header_octets: usize,
    capacity: usize,
    segments: u32,
}

/// One way of coding the content.
#[derive(Clone, Copy)]
struct Candidate {
    alphabet: Alphabet,
    units: usize,
    fit: Fit,
    identity: bool,
}

impl Candidate {
    fn plan(self, scheme: CodingScheme, frame: &Frame<'_>) -> Result<Plan, PlanError> {
        //= push text segments
        if self.fit.segments > u32::from(frame.rules.segments_max) {
            return Err(PlanError::TooManySegments { needed: self.fit.segments });
        }
        Ok(Plan {
            alphabet: self.alphabet,
            dcs: scheme.0,
            segments: self.fit.segments as u8,
            header_octets: self.fit.header_octets as u8,
            capacity: self.fit.capacity as u8,
            units: self.units as u32,
            identity: self.identity,
            client_shift: frame.client_shift.is_some(),
            wide_reference: frame.rules.wide_reference,
        })
    }
}

fn plan_octets(
    octets: &[u8],
    options: &PlanOptions<'_>,
    frame: &Frame<'_>,
) -> Result<Plan, PlanError> {
    let scheme = options.dcs.map_or(CodingScheme::EIGHT_BIT, CodingScheme);
    if !is_usable(scheme) || scheme.character_set() != CharacterSet::EightBit {
        return Err(PlanError::BadCodingScheme { dcs: scheme.0 });
    }
    if octets.is_empty() && !frame.rules.empty {
        return Err(PlanError::Empty);
    }
    let (alphabet, units) = (Alphabet::EightBit, octets.len());
    let fit = frame.fit(alphabet, 0, units, |capacity| units.div_ceil(capacity) as u32)?;
    Candidate { alphabet, units, fit, identity: false }.plan(scheme, frame)
}

/// One segment that somebody else has cut.
fn plan_part(
    octets: &[u8],
    options: &PlanOptions<'_>,
    frame: &Frame<'_>,
) -> Result<Plan, PlanError> {
    let scheme = options.dcs.map_or(CodingScheme::GSM7, CodingScheme);
    if !is_usable(scheme) {
        return Err(PlanError::BadCodingScheme { dcs: scheme.0 });
    }
    if octets.is_empty() && !frame.rules.empty {
        return Err(PlanError::Empty);
    }
    let (alphabet, units) = match scheme.character_set() {
        CharacterSet::Gsm7 => {
            if let Some(offset) = octets.iter().position(|&septet| septet > MAX_SEPTET) {
                let character = char::from(octets[offset]);
                return Err(PlanError::UnknownCharacter { character, offset });
            }
            (Alphabet::Gsm7(Shift::DEFAULT), octets.len())
        }
        CharacterSet::EightBit => (Alphabet::EightBit, octets.len()),
        CharacterSet::Ucs2 if octets.len().is_multiple_of(2) => (Alphabet::Ucs2, octets.len() / 2),
        CharacterSet::Ucs2 => return Err(PlanError::BadCodingScheme { dcs: scheme.0 }),
    };
    let header_octets = frame.header_octets(false, 0);
    let capacity = capacity_of(alphabet, header_octets);
    if units > capacity {
        return Err(PlanError::TooManySegments { needed: 2 });
    }
    let fit = Fit { header_octets, capacity, segments: 1 };
    Candidate { alphabet, units, fit, identity: false }.plan(scheme, frame)
}

//= push text alphabet
fn plan_text(text: &str, options: &PlanOptions<'_>, frame: &Frame<'_>) -> Result<Plan, PlanError> {
    let scheme = options.dcs.map(CodingScheme);
    if let Some(scheme) = scheme
        && (!is_usable(scheme) || scheme.character_set() == CharacterSet::EightBit)
    {
        return Err(PlanError::BadCodingScheme { dcs: scheme.0 });
    }
    if text.is_empty() && !frame.rules.empty {
        return Err(PlanError::Empty);
    }
    match scheme {
        Some(scheme) if scheme.character_set() == CharacterSet::Ucs2 => {
            ucs2_candidate(text, frame)?.plan(scheme, frame)
        }
        Some(scheme) => septet_candidate(text, frame)?.plan(scheme, frame),
        None => match septet_candidate(text, frame) {
            Ok(septets) if frame.client_shift.is_some() || !is_national(septets.alphabet) => {
                septets.plan(CodingScheme::GSM7, frame)
            }
            // Behind a long header of the client's the shift elements may cost more than they save.
            Ok(national) => match ucs2_candidate(text, frame) {
                Ok(ucs2) if ucs2.fit.segments < national.fit.segments => {
                    ucs2.plan(CodingScheme::UCS2, frame)
                }
                _ => national.plan(CodingScheme::GSM7, frame),
            },
            Err(PlanError::UnknownCharacter { .. }) => {
                ucs2_candidate(text, frame)?.plan(CodingScheme::UCS2, frame)
            }
            Err(error) => Err(error),
        },
    }
}

fn ucs2_candidate(text: &str, frame: &Frame<'_>) -> Result<Candidate, PlanError> {
    let (characters, pairs) = count_characters_and_pairs(text);
    let (alphabet, units) = (Alphabet::Ucs2, characters + pairs);
    let count = |capacity: usize| match pairs {
        0 => units.div_ceil(capacity) as u32,
        _ => profile::count_by_walking(text, capacity, |character| character.len_utf16() as u32),
    };
    let fit = frame.fit(alphabet, 0, units, count)?;
    Ok(Candidate { alphabet, units, fit, identity: false })
}

/// The cheapest way that takes septets.
fn septet_candidate(text: &str, frame: &Frame<'_>) -> Result<Candidate, PlanError> {
    if let Some(shift) = frame.client_shift {
        let septets = profile::count_septets(text, shift)?;
        return shifted_candidate(text, frame, shift, septets, 0);
    }
    let profile = TextProfile::of(text);
    let alphabet = Alphabet::Gsm7(Shift::DEFAULT);
    let plain = match profile.foreign {
        None => {
            let count = |capacity| profile.segments(text, capacity);
            Some(frame.fit(alphabet, 0, profile.septets, count)?)
        }
        Some(_) => None,
    };
    let languages =
        Languages { locking: frame.rules.locking_languages, single: frame.rules.single_languages };
    // One segment cannot be beaten, nor can text without escapes.
    let worth_a_search = plain.is_none_or(|fit| fit.segments > 1 && profile.escapes);
    if worth_a_search && languages.any() {
        let cheaper_than = plain.map_or(u32::MAX, |fit| fit.segments);
        if let Some(choice) = national::choose(text, languages, frame, cheaper_than) {
            return shifted_candidate(
                text,
                frame,
                choice.shift,
                choice.septets,
                choice.shift_octets,
            );
        }
    }
    match (plain, profile.foreign) {
        (Some(fit), _) => {
            Ok(Candidate { alphabet, units: profile.septets, fit, identity: profile.identity })
        }
        (None, foreign) => {
            let (offset, character) = foreign.unwrap_or((0, char::REPLACEMENT_CHARACTER));
            Err(PlanError::UnknownCharacter { character, offset })
        }
    }
}

fn shifted_candidate(
    text: &str,
    frame: &Frame<'_>,
    shift: Shift,
    units: usize,
    shift_octets: usize,
) -> Result<Candidate, PlanError> {
    let alphabet = Alphabet::Gsm7(shift);
    let count = |capacity| {
        profile::count_by_walking(text, capacity, |character| {
            shift.encode(character).map_or(1, Coded::septets)
        })
    };
    let fit = frame.fit(alphabet, shift_octets, units, count)?;
    Ok(Candidate { alphabet, units, fit, identity: false })
}

fn is_national(alphabet: Alphabet) -> bool {
    alphabet != Alphabet::Gsm7(Shift::DEFAULT)
}

/// Whether a client may choose the scheme: not reserved, and not compressed, which this room does
/// not write.
//= push text dcs
fn is_usable(scheme: CodingScheme) -> bool {
    !scheme.is_compressed() && !scheme.is_reserved() && scheme.group() != CodingGroup::Reserved
}

/// Septets, code units or octets behind a header of `header_octets` octets.
//= push text capacity
fn capacity_of(alphabet: Alphabet, header_octets: usize) -> usize {
    let room = USER_DATA_OCTETS_MAX.saturating_sub(header_octets);
    match alphabet {
        Alphabet::Gsm7(_) => {
            USER_DATA_SEPTETS_MAX.saturating_sub(septets::septets_covering(header_octets))
        }
        Alphabet::EightBit => room,
        Alphabet::Ucs2 => room / 2,
    }
}
