//! What rows have beside their msn: area, language, parameters. Rows have much of it in common, so
//! each different set is kept once and has a number.

use std::collections::HashMap;
use std::sync::Arc;

use wire::terms::municipality::Municipality;

use super::account::Refusal;
use crate::broadcast::limits::{
    AREA_OCTETS_MAX, LANGUAGE_OCTETS_MAX, LANGUAGES_MAX, OTHER_AREAS_MAX, PARAMETERS_MAX,
    PARAMETERS_OCTETS_MAX, SETS_MAX,
};

/// Stands between the values of a set of parameters.
pub(super) const PARAMETER_END: char = '\u{1f}';

/// An area by a small number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Area(pub(super) u32);

impl Area {
    /// None, or one that no system has.
    pub(super) const UNKNOWN: Self = Self(0);
    /// A delta does not say.
    pub(super) const ABSENT: Self = Self(u32::MAX);
    /// Numbers below are municipalities.
    const OTHERS: u32 = 100_000;

    pub(super) fn municipality(code: Municipality) -> Self {
        Self(code.number())
    }

    fn other(at: usize) -> Self {
        Self(Self::OTHERS + at as u32)
    }

    /// The place among areas that are no municipality.
    pub(super) fn other_place(self) -> Option<usize> {
        self.0.checked_sub(Self::OTHERS).map(|at| at as usize)
    }
}

/// What a row has beside its msn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Set {
    pub(super) area: Area,
    /// 0: none; 255: a delta does not say.
    pub(super) language: u8,
    /// 0: none; `u32::MAX`: a delta does not say.
    pub(super) parameters: u32,
}

impl Set {
    pub(super) const NOTHING: Self = Self { area: Area::UNKNOWN, language: 0, parameters: 0 };
    pub(super) const ABSENT: Self =
        Self { area: Area::ABSENT, language: u8::MAX, parameters: u32::MAX };

    /// This one with everything that `newer` says.
    pub(super) fn updated(self, newer: Self) -> Self {
        Self {
            area: if newer.area == Area::ABSENT { self.area } else { newer.area },
            language: if newer.language == u8::MAX { self.language } else { newer.language },
            parameters: if newer.parameters == u32::MAX {
                self.parameters
            } else {
                newer.parameters
            },
        }
    }

    /// What a row has that never was there before.
    pub(super) fn settled(self) -> Self {
        Self::NOTHING.updated(self)
    }
}

/// Texts, each with a number from 1.
#[derive(Default)]
pub(super) struct Texts {
    texts: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
    octets: usize,
}

impl Texts {
    pub(super) fn all(&self) -> &[Arc<str>] {
        &self.texts
    }

    /// As slices.
    pub(super) fn list(&self) -> Vec<&str> {
        self.texts.iter().map(|text| &**text).collect()
    }

    pub(super) fn text(&self, number: u32) -> &str {
        number.checked_sub(1).map_or("", |at| &self.texts[at as usize])
    }

    /// The number of a text; 0 for an empty one, `None` where it is new and there is no room.
    fn number(&mut self, text: &str, count_max: usize, octets_max: usize) -> Option<u32> {
        if text.is_empty() {
            return Some(0);
        }
        if let Some(&number) = self.places.get(text) {
            return Some(number);
        }
        if self.texts.len() == count_max || self.octets + text.len() > octets_max {
            return None;
        }
        self.octets += text.len();
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        let number = self.texts.len() as u32;
        self.places.insert(text, number);
        Some(number)
    }
}

/// All different sets of a list.
pub(super) struct Attributes {
    sets: Vec<Set>,
    numbers: HashMap<Set, u32>,
    pub(super) languages: Texts,
    pub(super) other_areas: Texts,
    pub(super) parameters: Texts,
}

impl Attributes {
    pub(super) fn new() -> Self {
        Self {
            sets: Vec::new(),
            numbers: HashMap::new(),
            languages: Texts::default(),
            other_areas: Texts::default(),
            parameters: Texts::default(),
        }
    }

    pub(super) fn sets(&self) -> &[Set] {
        &self.sets
    }

    pub(super) fn set(&self, number: u32) -> Set {
        self.sets[number as usize]
    }

    /// The number of a set.
    ///
    /// # Errors
    /// It is new, and there is no room.
    pub(super) fn number(&mut self, set: Set) -> Result<u32, Refusal> {
        if let Some(&number) = self.numbers.get(&set) {
            return Ok(number);
        }
        if self.sets.len() == SETS_MAX {
            return Err(Refusal::Attributes);
        }
        let number = self.sets.len() as u32;
        self.numbers.insert(set, number);
        self.sets.push(set);
        Ok(number)
    }

    /// An area as it is written: a municipality's code, or `system:code`. Anything else is unknown.
    pub(super) fn area(&mut self, text: &str) -> Result<Area, Refusal> {
        let plain: String = text.trim().chars().map(narrow).collect();
        if let Some(code) = Municipality::parse(plain.as_bytes()) {
            return Ok(Area::municipality(code));
        }
        let is_other = plain.len() <= AREA_OCTETS_MAX
            && plain
                .split_once(':')
                .is_some_and(|(system, code)| !system.is_empty() && !code.is_empty())
            && !plain.contains(char::is_control);
        if !is_other {
            return Ok(Area::UNKNOWN);
        }
        let number = self.other_areas.number(&plain, OTHER_AREAS_MAX, usize::MAX);
        Ok(Area::other(number.ok_or(Refusal::Attributes)? as usize - 1))
    }

    /// A language tag as it is written; 0 where it is none.
    pub(super) fn language(&mut self, text: &str) -> Result<u8, Refusal> {
        let tag = text.trim();
        let is_tag = tag.len() <= LANGUAGE_OCTETS_MAX
            && tag.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
            && tag.bytes().next().is_some_and(|octet| octet.is_ascii_alphabetic());
        if !is_tag {
            return Ok(0);
        }
        // The language in small letters, what stands behind as it is: ja-JP, zh-Hans.
        let (language, rest) = tag.split_at(tag.find('-').unwrap_or(tag.len()));
        let tag = language.to_ascii_lowercase() + rest;
        self.languages
            .number(&tag, LANGUAGES_MAX, usize::MAX)
            .map(|number| number as u8)
            .ok_or(Refusal::Languages)
    }

    /// The values of a row's parameters, in the list's order.
    pub(super) fn parameters<'a>(
        &mut self,
        values: impl Iterator<Item = &'a str>,
    ) -> Result<u32, Refusal> {
        let mut text = String::new();
        for (at, value) in values.enumerate() {
            if at > 0 {
                text.push(PARAMETER_END);
            }
            text.extend(value.chars().filter(|character| *character != PARAMETER_END));
        }
        if text.chars().all(|character| character == PARAMETER_END) {
            return Ok(0);
        }
        self.packed_parameters(&text)
    }

    /// As [`Self::parameters`], of values that are put together already.
    pub(super) fn packed_parameters(&mut self, text: &str) -> Result<u32, Refusal> {
        let number = self.parameters.number(text, PARAMETERS_MAX, PARAMETERS_OCTETS_MAX);
        number.ok_or(Refusal::Attributes)
    }

    /// An area for a person to read.
    pub(super) fn area_name(&self, area: Area) -> String {
        match (area, area.other_place()) {
            (Area::UNKNOWN, _) => "unknown".to_owned(),
            (_, Some(at)) => self.other_areas.all()[at].to_string(),
            (Area(number), None) => format!("{number:05}"),
        }
    }
}

/// Signs of full width as those of ASCII.
fn narrow(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_differ_for_every_recipient_come_to_an_end() {
        let mut attributes = Attributes::new();
        for number in 0..PARAMETERS_MAX {
            let text = number.to_string();
            attributes.packed_parameters(&text).expect("there is room");
        }
        assert_eq!(attributes.packed_parameters("one more"), Err(Refusal::Attributes));
        assert_eq!(attributes.packed_parameters("17"), Ok(18), "what is known is no more");
    }

    #[test]
    fn sets_of_attributes_come_to_an_end() {
        let mut attributes = Attributes::new();
        for parameters in 0..SETS_MAX as u32 {
            attributes.number(Set { parameters, ..Set::NOTHING }).expect("there is room");
        }
        let one_more = Set { language: 1, ..Set::NOTHING };
        assert_eq!(attributes.number(one_more), Err(Refusal::Attributes));
        assert_eq!(attributes.number(Set { parameters: 17, ..Set::NOTHING }), Ok(17));
    }
}
