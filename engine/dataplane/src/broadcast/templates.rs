//! Templates: texts by language that are written, read over and kept before anything happens, with
//! what is said when they are taken back and when it is over.
//!
//! **Never here:** files. **Invariants:** a version never changes; a retraction or a release that
//! is there says something in every language that the text does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::limits::TEMPLATE_NAME_OCTETS_MAX;
use super::variants::{Cost, Text, TextError, Variants};

/// Short messages that no text ever takes more than.
const SEGMENTS_MAX: u8 = 10;
/// What stands between a template's name and its version.
const VERSION_MARK: char = '@';

/// What a person writes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateWanted {
    /// Texts by language.
    pub variants: BTreeMap<String, String>,
    /// Languages that stand in for others, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<String>,
    /// What takes them back, by language.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub retraction: BTreeMap<String, String>,
    /// What says that it is over, by language.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub release: BTreeMap<String, String>,
}

/// A version of a template.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TemplateVersion {
    /// From 1.
    pub version: u32,
    /// Who wrote it.
    pub by: String,
    /// When, in Japan.
    pub at: String,
    /// What it says.
    #[serde(flatten)]
    pub texts: TemplateWanted,
}

/// A template as it is kept and shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TemplateDocument {
    /// Its name.
    pub template: String,
    /// Its versions, oldest first.
    pub versions: Vec<TemplateVersion>,
}

/// Which of a template's texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TemplatePart {
    /// The text.
    #[default]
    Variants,
    /// What takes it back.
    Retraction,
    /// What says that it is over.
    Release,
}

impl TemplatePart {
    /// Whether it is the text itself.
    pub fn is_variants(&self) -> bool {
        *self == Self::Variants
    }
}

/// Why a template cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TemplateError {
    /// One of its texts.
    #[error("the {part} cannot be used: {error}")]
    Text {
        /// Which of them.
        part: &'static str,
        /// Why.
        error: TextError,
    },
    /// A language has no such text.
    #[error("the {part} has no text in {language}, as the template has: write it")]
    Lacks {
        /// Which of them.
        part: &'static str,
        /// The language.
        language: String,
    },
    /// A text is too long before anything is put in.
    #[error("the {part} in {language} takes more than ten short messages by itself: shorten it")]
    TooLong {
        /// Which of them.
        part: &'static str,
        /// The language.
        language: String,
    },
}

impl TemplateWanted {
    /// Checks all of it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), TemplateError> {
        check_part("text", &self.variants, &self.fallback)?;
        for (part, texts) in [("retraction", &self.retraction), ("release", &self.release)] {
            if texts.is_empty() {
                continue;
            }
            let fallback: &[String] = &[];
            check_part(part, texts, fallback)?;
            if let Some(language) = self.variants.keys().find(|known| !texts.contains_key(*known)) {
                return Err(TemplateError::Lacks { part, language: language.clone() });
            }
        }
        Ok(())
    }

    /// The texts of a part, by language; `None` where the template has none of it.
    pub fn part(&self, part: TemplatePart) -> Option<&BTreeMap<String, String>> {
        let texts = match part {
            TemplatePart::Variants => &self.variants,
            TemplatePart::Retraction => &self.retraction,
            TemplatePart::Release => &self.release,
        };
        (!texts.is_empty()).then_some(texts)
    }
}

fn check_part(
    part: &'static str,
    texts: &BTreeMap<String, String>,
    fallback: &[String],
) -> Result<(), TemplateError> {
    let variants =
        Variants::new(texts, fallback).map_err(|error| TemplateError::Text { part, error })?;
    for (language, text) in variants.all() {
        // With nothing put in it is as short as it ever is.
        let least = text.render(|_| Some("")).unwrap_or_default();
        if Cost::of(&least).segments.is_none_or(|segments| segments > SEGMENTS_MAX) {
            return Err(TemplateError::TooLong { part, language: language.to_owned() });
        }
    }
    Ok(())
}

/// The name and, behind `@`, the version that a manifest asks for. `None`: it is no name.
pub fn name_and_version(text: &str) -> Option<(&str, Option<u32>)> {
    match text.split_once(VERSION_MARK) {
        None => is_name(text).then_some((text, None)),
        Some((name, version)) => {
            let version = version.parse().ok().filter(|version| *version > 0)?;
            is_name(name).then_some((name, Some(version)))
        }
    }
}

/// Whether a template may have this name.
pub fn is_name(name: &str) -> bool {
    (1..=TEMPLATE_NAME_OCTETS_MAX).contains(&name.len())
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}

/// The names of the parameters of some texts, each once.
pub fn parameters_of(texts: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<String> = texts
        .values()
        .filter_map(|text| Text::parse(text).ok())
        .flat_map(|text| text.parameters().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Result<TemplateWanted, String> {
        wire::json::read_exact(&mut text.as_bytes().to_vec()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_template_says_in_every_language_what_takes_it_back() {
        let whole = wanted(
            r#"{"variants":{"ja":"{{shelter}}へ避難","en":"Go to {{shelter}}"},"fallback":["en"],
            "retraction":{"ja":"誤報です","en":"That was wrong","fr":"Erreur"}}"#,
        )
        .expect("a template");
        assert_eq!(whole.check(), Ok(()));
        assert_eq!(parameters_of(&whole.variants), ["shelter"]);
        assert_eq!(whole.part(TemplatePart::Retraction).map(BTreeMap::len), Some(3));
        assert_eq!(whole.part(TemplatePart::Release), None);
        let lacking = wanted(r#"{"variants":{"ja":"a","en":"b"},"retraction":{"ja":"c"}}"#);
        let error = lacking.expect("a template").check().expect_err("no English");
        assert!(matches!(&error, TemplateError::Lacks { language, .. } if language == "en"));
    }

    #[test]
    fn what_cannot_be_a_text_is_named_by_its_part() {
        for (text, part) in [
            (r#"{"variants":{}}"#.to_owned(), "the text cannot"),
            (r#"{"variants":{"en":"{{x"}}"#.to_owned(), "the text cannot"),
            (r#"{"variants":{"en":"x"},"fallback":["ja"]}"#.to_owned(), "the text cannot"),
            (r#"{"variants":{"en":"x"},"release":{"en":"{{"}}"#.to_owned(), "the release cannot"),
            (format!(r#"{{"variants":{{"ja":"{}"}}}}"#, "避".repeat(1_000)), "more than ten"),
        ] {
            let error = wanted(&text).expect("JSON").check().expect_err(part);
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(wanted(r#"{"variants":{"en":"x"},"texts":{}}"#).is_err(), "an unknown field");
    }

    #[test]
    fn a_name_may_carry_a_version() {
        assert_eq!(name_and_version("flood"), Some(("flood", None)));
        assert_eq!(name_and_version("flood@3"), Some(("flood", Some(3))));
        for wrong in
            ["", "a b", "flood@", "flood@0", "flood@x", "@1", "../x", "a_b", &"a".repeat(41)]
        {
            assert_eq!(name_and_version(wrong), None, "{wrong}");
        }
    }
}
