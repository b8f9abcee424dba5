//! The catalogue of areas: which codes there are, what other systems call them, what lies within
//! what, and where.
//!
//! Prefectures and municipalities of Japan come with the program, as the Ministry of Internal
//! Affairs publishes their codes (全国地方公共団体コード). Everything else is the operator's:
//! aliases of other systems, areas of its own, and boundaries ([`features`]).
//!
//! **Never here:** files, sockets, phone numbers. **Invariants:** a selection is never larger than
//! what was named and what lies within that; a code that nobody knows selects nothing, and is said.

pub mod features;
pub mod mesh;
pub mod shapes;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use wire::cap::area::AreaSystem;
use wire::terms::municipality::Municipality;

use super::limits::{AREA_OCTETS_MAX, NEAREST_NAMED};
use shapes::Boundary;

/// A line a prefecture: its two digits and name, then the last three digits and the name of each
/// municipality.
const MUNICIPALITIES: &str = include_str!("areas/municipalities.txt");
/// Wards of a designated city stand behind it, in the hundreds; those of Tokyo are municipalities.
const TOKYO: u32 = 13;

/// One area.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct KnownArea {
    /// Its name.
    pub name: String,
    /// Its names in other languages, by tag.
    pub names: BTreeMap<String, String>,
    /// The code of the area that it lies in.
    pub parent: Option<String>,
    /// What other systems call it: `system:code`.
    pub aliases: Vec<String>,
    /// Where it is.
    pub boundary: Option<Boundary>,
}

/// An area as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AreaDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its names in other languages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// The area that it lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// What other systems call it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Points of its boundary; 0: it has none.
    pub points: usize,
}

/// A code that the catalogue does not know, and the names that are nearest.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the catalogue has no area {code:?}; nearest are {}: name one of its own, or load the area",
    nearest.join(", ")
)]
pub struct UnknownArea {
    /// The code as it was written.
    pub code: String,
    /// Codes with their names.
    pub nearest: Vec<String>,
}

/// The areas that there are.
#[derive(Clone, Debug, Default)]
pub struct AreaCatalogue {
    areas: BTreeMap<String, KnownArea>,
    /// Codes by alias.
    aliases: HashMap<String, BTreeSet<String>>,
    children: HashMap<String, BTreeSet<String>>,
}

impl AreaCatalogue {
    /// The prefectures and municipalities of Japan.
    pub fn of_japan() -> Self {
        let mut catalogue = Self::default();
        for line in MUNICIPALITIES.lines() {
            let mut words = line.split(' ');
            let Some((digits, name)) = words.next().and_then(|word| word.split_at_checked(2))
            else {
                continue;
            };
            let prefecture = format!("{digits}000");
            let area = |name: &str, parent: Option<String>| KnownArea {
                name: name.to_owned(),
                parent,
                ..KnownArea::default()
            };
            catalogue.put(prefecture.clone(), area(name, None));
            for (code, name) in words.filter_map(|word| word.split_at_checked(3)) {
                let parent = Some(prefecture.clone());
                catalogue.put(format!("{digits}{code}"), area(name, parent));
            }
        }
        catalogue
    }

    /// Adds an area, or more of one that is there: names, aliases and boundary come to those that
    /// it has.
    pub fn put(&mut self, code: String, area: KnownArea) {
        for alias in &area.aliases {
            self.aliases.entry(key_of(alias)).or_default().insert(code.clone());
        }
        if let Some(parent) = &area.parent {
            self.children.entry(key_of(parent)).or_default().insert(code.clone());
        }
        let known = self.areas.entry(code).or_default();
        if !area.name.is_empty() {
            known.name = area.name;
        }
        known.names.extend(area.names);
        known.parent = area.parent.or_else(|| known.parent.take());
        for alias in area.aliases {
            if !known.aliases.contains(&alias) {
                known.aliases.push(alias);
            }
        }
        match (&mut known.boundary, area.boundary) {
            (Some(known), Some(more)) => known.extend(more),
            (known @ None, more) => *known = more,
            (Some(_), None) => {}
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.areas.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    /// The areas in the order of their codes.
    pub fn all(&self) -> impl Iterator<Item = (&str, &KnownArea)> {
        self.areas.iter().map(|(code, area)| (code.as_str(), area))
    }

    /// The area of this code.
    pub fn get(&self, code: &str) -> Option<&KnownArea> {
        self.areas.get(&key_of(code))
    }

    /// An area's name in a language, or its own.
    pub fn name(&self, code: &str, language: &str) -> Option<&str> {
        let area = self.get(code)?;
        let primary = language.split('-').next().unwrap_or_default();
        let named = area.names.get(language).or_else(|| area.names.get(primary));
        Some(named.map_or(area.name.as_str(), String::as_str))
    }

    /// The codes that a code or an alias means: its own, or those of the areas that another system
    /// calls so.
    ///
    /// # Errors
    /// Nobody knows it.
    pub fn resolve(&self, code: &str) -> Result<Vec<String>, UnknownArea> {
        let key = key_of(code);
        if self.areas.contains_key(&key) || self.city_of_ward(&key).is_some() {
            return Ok(vec![key]);
        }
        match self.aliases.get(&key) {
            Some(codes) => Ok(codes.iter().cloned().collect()),
            None => Err(UnknownArea { code: code.to_owned(), nearest: self.nearest(code) }),
        }
    }

    /// Everything that these codes select among the areas that rows have. `own` are areas that the
    /// list itself has: such a code is known, whether the catalogue has it or not.
    ///
    /// # Errors
    /// The place of the first code that nobody knows.
    pub fn select(
        &self,
        codes: &[String],
        own: &BTreeSet<String>,
    ) -> Result<AreaSelection<'_>, (usize, UnknownArea)> {
        let mut keys = BTreeSet::new();
        for (at, code) in codes.iter().enumerate() {
            match self.resolve(code) {
                Ok(resolved) => resolved.into_iter().for_each(|code| self.add(code, &mut keys)),
                Err(_) if own.contains(&key_of(code)) => {}
                Err(unknown) => return Err((at, unknown)),
            }
            // Rows may have the alias itself.
            keys.insert(key_of(code));
        }
        Ok(AreaSelection { keys, catalogue: self })
    }

    /// An area with all that lies within it, under every name that rows may have for it.
    fn add(&self, code: String, keys: &mut BTreeSet<String>) {
        let mut open = vec![code];
        while let Some(code) = open.pop() {
            if let Some(area) = self.areas.get(&code) {
                keys.extend(area.aliases.iter().map(|alias| key_of(alias)));
            }
            let within = self.children.get(&code).into_iter().flatten();
            // A circle of parents, which an operator may load, ends where it began.
            if keys.insert(code.clone()) {
                open.extend(within.cloned());
            }
        }
    }

    /// The designated city of a ward that the catalogue does not list: its code is the last one
    /// with a 0 at its end before the ward's, in the same hundred.
    fn city_of_ward(&self, code: &str) -> Option<String> {
        let number = Municipality::parse(code.as_bytes())?.number();
        let (prefecture, rest) = (number / 1_000, number % 1_000);
        if prefecture == TOKYO || !(101..=199).contains(&rest) || self.areas.contains_key(code) {
            return None;
        }
        let cities = (100..=rest / 10 * 10).rev().step_by(10);
        let city = |last: u32| format!("{:05}", prefecture * 1_000 + last);
        cities.map(city).find(|city| self.areas.contains_key(city))
    }

    /// The areas whose code or name is nearest to a text, best first.
    pub fn nearest(&self, text: &str) -> Vec<String> {
        // A code of another system is compared by its digits, a name by its letters.
        let wanted: String = text.chars().take(AREA_OCTETS_MAX).collect();
        let wanted = wanted.rsplit(':').next().unwrap_or_default().to_owned();
        let distance = |code: &str, area: &KnownArea| {
            let by_code = strsim::normalized_levenshtein(&wanted, code);
            by_code.max(strsim::normalized_levenshtein(&wanted, &area.name))
        };
        let mut all: Vec<(f64, &str, &str)> = self
            .all()
            .map(|(code, area)| (distance(code, area), code, area.name.as_str()))
            .collect();
        // As near as another one: the smaller code.
        all.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(other.1)));
        all.truncate(NEAREST_NAMED);
        all.into_iter().map(|(_, code, name)| format!("{code} {name}")).collect()
    }

    /// The area as it is shown.
    pub fn document(&self, code: &str) -> Option<AreaDocument> {
        let area = self.areas.get(code)?;
        Some(AreaDocument {
            code: code.to_owned(),
            name: area.name.clone(),
            names: area.names.clone(),
            parent: area.parent.clone(),
            aliases: area.aliases.clone(),
            points: area.boundary.as_ref().map_or(0, Boundary::points),
        })
    }
}

/// What some codes select.
#[derive(Clone, Debug)]
pub struct AreaSelection<'a> {
    keys: BTreeSet<String>,
    catalogue: &'a AreaCatalogue,
}

impl AreaSelection<'_> {
    /// Whether rows of this area are in it.
    pub fn takes(&self, area: &str) -> bool {
        let key = key_of(area);
        self.keys.contains(&key)
            || self.catalogue.city_of_ward(&key).is_some_and(|city| self.keys.contains(&city))
    }
}

/// How many rows a list has, by area as it is compared.
#[derive(Clone, Debug, Default)]
pub struct RowsByArea(HashMap<String, u64>);

impl AreaCatalogue {
    /// The rows of a list's areas, ready to be counted by selection.
    pub fn rows(&self, areas: impl Iterator<Item = (Option<String>, u32)>) -> RowsByArea {
        let mut rows = RowsByArea::default();
        for (area, count) in areas {
            let Some(key) = area.map(|area| key_of(&area)) else { continue };
            *rows.0.entry(key).or_default() += u64::from(count);
        }
        rows
    }

    /// How many rows these codes select.
    ///
    /// # Errors
    /// As [`Self::select`].
    pub fn count(&self, codes: &[String], rows: &RowsByArea) -> Result<u64, (usize, UnknownArea)> {
        let selection = self.select(codes, &BTreeSet::new())?;
        let of_ward = |key: &String| self.city_of_ward(key);
        let taken = rows.0.iter().filter(|(key, _)| {
            selection.keys.contains(*key)
                || of_ward(key).is_some_and(|city| selection.keys.contains(&city))
        });
        Ok(taken.map(|(_, count)| count).sum())
    }
}

/// A code as it is compared: five digits of a municipality however it is written, and
/// `SYSTEM:code` with the system's letters and digits in capitals.
pub fn key_of(code: &str) -> String {
    let code = code.trim();
    let plain = |digits: &str| Municipality::parse(digits.as_bytes()).map(|code| code.to_string());
    if let Some(code) = plain(code) {
        return code;
    }
    match code.rsplit_once(':') {
        Some((system, code)) => match AreaSystem::of(system) {
            AreaSystem::JisX0402 => plain(code.trim()).unwrap_or_else(|| code.trim().to_owned()),
            system => format!("{}:{}", capitals(&system.to_string()), code.trim()),
        },
        None => code.to_owned(),
    }
}

fn capitals(text: &str) -> String {
    let words = text.chars().filter(|character| character.is_alphanumeric());
    words.flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests;
