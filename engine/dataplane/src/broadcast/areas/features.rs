//! Areas as an operator loads them: GeoJSON, a feature a line.
//!
//! A line is a `Feature`, with or without a comma behind it, so that both GeoJSON text sequences
//! and collections with a feature a line are read. Other lines of a collection, such as its first,
//! are passed over; anything else is refused with its number.

use std::collections::BTreeMap;

use serde::Deserialize;
use wire::json;

use super::shapes::{Boundary, GeometryDocument};
use super::{AreaCatalogue, KnownArea, key_of};
use crate::broadcast::limits::{
    AREA_ALIASES_MAX, AREA_NAME_CHARACTERS_MAX, AREA_OCTETS_MAX, BOUNDARY_POINTS_MAX,
    CATALOGUE_AREAS_MAX, FEATURE_OCTETS_MAX, LANGUAGES_MAX,
};

/// Which properties of a feature say what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeatureNames {
    /// The property that is the code.
    pub code: String,
    /// The property that is the name.
    pub name: String,
}

impl Default for FeatureNames {
    fn default() -> Self {
        Self { code: "code".to_owned(), name: "name".to_owned() }
    }
}

/// Why lines are no areas.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {sentence}")]
pub struct FeatureError {
    /// The line, from 1.
    pub line: u64,
    /// Cause and remedy.
    pub sentence: String,
}

/// A property that is text, or a number that is a code.
#[derive(Deserialize)]
#[serde(untagged)]
enum Word {
    Text(String),
    Number(u64),
    Nothing(()),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Property {
    Word(Word),
    Words(Vec<String>),
    Names(BTreeMap<String, String>),
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct FeatureDocument {
    #[serde(rename = "type")]
    kind: String,
    properties: Option<BTreeMap<String, Property>>,
    geometry: Option<GeometryDocument>,
}

/// Reads lines into a catalogue.
pub struct FeatureReader {
    names: FeatureNames,
    catalogue: AreaCatalogue,
    line: u64,
    points: usize,
    /// Features without a code, as boundaries of no municipality are.
    pub without_code: u64,
    /// Features that were taken.
    pub taken: u64,
}

impl FeatureReader {
    /// Begins with what comes with the program.
    pub fn new(names: FeatureNames) -> Self {
        let catalogue = AreaCatalogue::of_japan();
        Self { names, catalogue, line: 0, points: 0, without_code: 0, taken: 0 }
    }

    /// Takes the next line, without its end.
    ///
    /// # Errors
    /// It is none that can be read, or there is too much of anything.
    pub fn take(&mut self, line: &[u8]) -> Result<(), FeatureError> {
        self.line += 1;
        let wrong = |sentence: String| FeatureError { line: self.line, sentence };
        // GeoJSON text sequences may have a mark in front of each.
        let plain = line.strip_prefix(b"\x1e").unwrap_or(line).trim_ascii();
        if plain.len() > FEATURE_OCTETS_MAX {
            return Err(wrong(format!(
                "it is longer than {FEATURE_OCTETS_MAX} octets: write a feature a line \
                 (ogr2ogr -f GeoJSONSeq), and simplify boundaries"
            )));
        }
        if is_of_collection(plain) {
            return Ok(());
        }
        let plain = plain.strip_suffix(b",").unwrap_or(plain);
        let feature: FeatureDocument = json::read(&mut plain.to_vec()).map_err(|error| {
            wrong(format!("it is no feature of GeoJSON ({error}): write a feature a line"))
        })?;
        if feature.kind != "Feature" {
            return Err(wrong("its type is not Feature: write a feature a line".to_owned()));
        }
        let properties = feature.properties.unwrap_or_default();
        let Some(code) = word(&properties, &self.names.code) else {
            self.without_code += 1;
            return Ok(());
        };
        let is_code = code.len() <= AREA_OCTETS_MAX
            && !code.contains(char::is_control)
            && (wire::terms::municipality::Municipality::parse(code.as_bytes()).is_some()
                || code.split_once(':').is_some_and(|(one, other)| {
                    !one.trim().is_empty() && !other.trim().is_empty()
                }));
        if !is_code {
            return Err(wrong(format!(
                "{:?} is no code: give a municipality's, or system:code",
                code.chars().take(48).collect::<String>()
            )));
        }
        let area = area(&properties, &self.names.name).map_err(wrong)?;
        let boundary = feature.geometry.map(Boundary::read).transpose().map_err(wrong)?;
        self.points += boundary.as_ref().map_or(0, Boundary::points);
        let area = KnownArea { boundary, ..area };
        if self.points > BOUNDARY_POINTS_MAX {
            return Err(wrong(format!(
                "the boundaries have more than {BOUNDARY_POINTS_MAX} points: simplify them, to \
                 about 100 m"
            )));
        }
        self.catalogue.put(key_of(&code), area);
        if self.catalogue.len() > CATALOGUE_AREAS_MAX {
            return Err(wrong(format!("there are more than {CATALOGUE_AREAS_MAX} areas")));
        }
        self.taken += 1;
        Ok(())
    }

    /// Nothing follows.
    ///
    /// # Errors
    /// No line was an area.
    pub fn finish(self) -> Result<AreaCatalogue, FeatureError> {
        if self.taken == 0 {
            let sentence = format!(
                "no feature has a code in its property {:?}: name the property that it is in",
                self.names.code
            );
            return Err(FeatureError { line: self.line, sentence });
        }
        Ok(self.catalogue)
    }
}

/// Lines that stand round the features of a collection.
fn is_of_collection(line: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 5] = [
        b"\"type\": \"FeatureCollection\"",
        b"\"type\":\"FeatureCollection\"",
        b"\"name\"",
        b"\"crs\"",
        b"\"features\"",
    ];
    matches!(line, b"" | b"{" | b"}" | b"]" | b"]}" | b"],")
        || BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
        || (line.ends_with(b"[") && line.starts_with(b"{"))
}

fn word(properties: &BTreeMap<String, Property>, name: &str) -> Option<String> {
    match properties.get(name)? {
        Property::Word(Word::Text(text)) => {
            Some(text.trim().to_owned()).filter(|text| !text.is_empty())
        }
        Property::Word(Word::Number(number)) => Some(format!("{number:05}")),
        Property::Word(Word::Nothing(())) | Property::Words(_) | Property::Names(_) => None,
        Property::Other(_) => None,
    }
}

/// What the properties say, without a boundary. The error is the end of a sentence.
fn area(properties: &BTreeMap<String, Property>, name: &str) -> Result<KnownArea, String> {
    let names = match properties.get("names") {
        Some(Property::Names(names)) => names.clone(),
        _ => BTreeMap::new(),
    };
    let aliases = match properties.get("aliases") {
        Some(Property::Words(aliases)) => aliases.clone(),
        _ => Vec::new(),
    };
    let area = KnownArea {
        name: word(properties, name).unwrap_or_default(),
        names,
        parent: word(properties, "parent").map(|parent| key_of(&parent)),
        aliases,
        boundary: None,
    };
    if area.aliases.len() > AREA_ALIASES_MAX || area.names.len() > LANGUAGES_MAX {
        return Err(format!(
            "an area has at most {AREA_ALIASES_MAX} aliases and names in {LANGUAGES_MAX} languages"
        ));
    }
    let is_alias = |alias: &&String| {
        alias.len() <= AREA_OCTETS_MAX
            && alias
                .rsplit_once(':')
                .is_some_and(|(system, code)| !system.trim().is_empty() && !code.trim().is_empty())
    };
    if let Some(wrong) = area.aliases.iter().find(|alias| !is_alias(alias)) {
        let shown: String = wrong.chars().take(48).collect();
        return Err(format!("{shown:?} is no alias: write system:code"));
    }
    let too_long = |name: &&String| name.chars().nth(AREA_NAME_CHARACTERS_MAX).is_some();
    if area.names.values().chain([&area.name]).any(|name| too_long(&name)) {
        return Err(format!("a name has at most {AREA_NAME_CHARACTERS_MAX} characters"));
    }
    Ok(area)
}
