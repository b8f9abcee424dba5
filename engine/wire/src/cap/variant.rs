//! The text of an info: which elements it is made of, on one line, and what it costs.

use super::draft::{Parts, Variant};
use super::message::Info;
use super::profile::Profile;
use crate::sms::alphabet::Alphabet;
use crate::sms::segment::{Content, PlanOptions, plan};

/// Octets between `<` and `>` that still may be a tag of HTML.
const MARKUP_OCTETS_MAX: usize = 64;

/// The text of an info: the profile's own parameter, or headline and instruction.
pub(super) fn of(info: &Info, profile: Profile, is_exercise: bool) -> (Variant, bool) {
    let parameter = profile.text_parameters().iter().find_map(|name| {
        let mut parameters = info.parameters.iter();
        parameters.find(|parameter| parameter.name.ends_with(name) && !parameter.value.is_empty())
    });
    let (text, made_of) = match parameter {
        Some(parameter) => (on_one_line(&parameter.value), vec![parameter.name.clone()]),
        None => {
            let first = match info.headline.is_empty() {
                false => ("headline", &info.headline),
                true => ("event", &info.event),
            };
            let parts = [first, ("instruction", &info.instruction)];
            let used = parts.into_iter().filter(|(_, text)| !text.is_empty());
            let (names, texts): (Vec<&str>, Vec<String>) =
                used.map(|(name, text)| (name, on_one_line(text))).unzip();
            // A word for what happens is a subject, not a text.
            match names.as_slice() {
                ["event"] => (String::new(), Vec::new()),
                _ => (texts.join(" "), names.iter().map(|&name| name.to_owned()).collect()),
            }
        }
    };
    let prefix = if is_exercise { missing_prefix(&text, &info.language) } else { None };
    let has_prefix = prefix.is_some() && !text.is_empty();
    let text = if has_prefix { prefix.unwrap_or_default().to_owned() + &text } else { text };
    let language = info.language.clone();
    let (alphabet, segments) = cost(&text);
    let parts = Parts {
        event: on_one_line(&info.event),
        sender_name: on_one_line(&info.sender_name),
        headline: on_one_line(&info.headline),
        instruction: on_one_line(&info.instruction),
        web: on_one_line(&info.web),
        area_desc: on_one_line(&info.area.names.join(", ")),
    };
    (Variant { language, text, made_of, alphabet, segments, parts }, has_prefix)
}

/// The alphabet, and the short messages it takes; 0 where they are more than ten.
fn cost(text: &str) -> (String, u8) {
    if text.is_empty() {
        return (String::new(), 0);
    }
    match plan(Content::Text(text), &PlanOptions::default()) {
        Ok(plan) => {
            let alphabet = if plan.alphabet() == Alphabet::Ucs2 { "UCS-2" } else { "GSM 7-bit" };
            (alphabet.to_owned(), plan.segments())
        }
        Err(_) => (String::new(), 0),
    }
}

/// The word that every text of an exercise begins with, where it does not.
pub fn missing_prefix(text: &str, language: &str) -> Option<&'static str> {
    let primary = language.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let (word, prefix) = match primary.as_str() {
        "ja" => ("訓練", "【訓練】"),
        "fr" => ("EXERCICE", "EXERCICE: "),
        _ => ("EXERCISE", "EXERCISE: "),
    };
    let start = text.trim_start_matches(|character: char| !character.is_alphanumeric());
    let begins = start.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    (!begins).then_some(prefix)
}

/// The text with markup and line ends as blanks, and no two blanks in a row.
fn on_one_line(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = markup_length(rest);
        plain.push(if length > 0 { ' ' } else { '<' });
        rest = &rest[length.max(1)..];
    }
    plain.push_str(rest);
    let is_blank = |character: char| character.is_ascii_whitespace() || character.is_control();
    plain.split(is_blank).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The length of a tag such as `<br/>` that a text begins with; 0 where it is none.
fn markup_length(text: &str) -> usize {
    let begin = text.as_bytes().get(1).copied().unwrap_or_default();
    let end = text.bytes().take(MARKUP_OCTETS_MAX).position(|octet| octet == b'>');
    match end {
        Some(end) if begin.is_ascii_alphabetic() || begin == b'/' => end + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_line_ends_become_one_blank() {
        for (text, expected) in [
            ("MOVE UP TO\nHIGHER\r\n  GROUND.", "MOVE UP TO HIGHER GROUND."),
            ("a<br/>b <b>c</b>", "a b c"),
            ("水位 < 3 m, 風 > 20 m", "水位 < 3 m, 風 > 20 m"),
            ("見本　市", "見本　市"),
            (" \n ", ""),
            ("<", "<"),
        ] {
            assert_eq!(on_one_line(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_exercise_says_so_first_in_its_own_language() {
        for (text, language, expected) in [
            ("避難指示", "ja-JP", Some("【訓練】")),
            ("【訓練】避難指示", "ja-JP", None),
            ("訓練です", "ja", None),
            ("避難訓練", "ja", Some("【訓練】")),
            ("Evacuate", "en", Some("EXERCISE: ")),
            ("*** Exercise *** Evacuate", "en-CA", None),
            ("Evacuez", "fr-CA", Some("EXERCICE: ")),
            ("EXERCISE", "fr", Some("EXERCICE: ")),
            ("é", "fr", Some("EXERCICE: ")),
        ] {
            assert_eq!(missing_prefix(text, language), expected, "{text}");
        }
    }
}
