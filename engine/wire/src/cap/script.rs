//! Whether a text is written as its language is: a text under the wrong tag reaches the people who
//! cannot read it.

/// The scripts that matter here, by ranges of Unicode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Script {
    Latin,
    Kana,
    Han,
    Hangul,
    Cyrillic,
    Greek,
    Arabic,
    Hebrew,
    Thai,
    Devanagari,
    Other,
}

/// The script of most letters, where it is none that `language` is written in: its name. `None`
/// where it fits, where there are no letters, and for languages that are not known here.
pub fn foreign(text: &str, language: &str) -> Option<&'static str> {
    let primary = language.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let fitting: &[Script] = match primary.as_str() {
        // Words of the Latin alphabet stand in Japanese texts, but not alone.
        "ja" => &[Script::Kana, Script::Han],
        "zh" => &[Script::Han],
        "ko" => &[Script::Hangul, Script::Han],
        "ru" | "uk" | "bg" | "be" | "mk" => &[Script::Cyrillic],
        "el" => &[Script::Greek],
        "ar" | "fa" | "ur" => &[Script::Arabic],
        "he" => &[Script::Hebrew],
        "th" => &[Script::Thai],
        "hi" | "ne" | "mr" => &[Script::Devanagari],
        "en" | "fr" | "de" | "es" | "pt" | "it" | "nl" | "pl" | "cs" | "sv" | "da" | "nb"
        | "no" | "fi" | "tr" | "vi" | "id" | "ms" | "tl" | "fil" | "hu" | "ro" | "hr" | "sl"
        | "sk" | "et" | "lv" | "lt" | "is" | "ga" | "mt" => &[Script::Latin],
        _ => return None,
    };
    let mut counts: Vec<(Script, usize)> = Vec::new();
    for script in text.chars().filter(|character| character.is_alphabetic()).map(script_of) {
        match counts.iter_mut().find(|(known, _)| *known == script) {
            Some((_, count)) => *count += 1,
            None => counts.push((script, 1)),
        }
    }
    let letters: usize = counts.iter().map(|(_, count)| count).sum();
    let fits: usize =
        counts.iter().filter(|(script, _)| fitting.contains(script)).map(|(_, count)| count).sum();
    // A name in its own script may stand in any text.
    if letters == 0 || fits * 3 >= letters {
        return None;
    }
    counts
        .into_iter()
        .filter(|(script, _)| !fitting.contains(script))
        .max_by_key(|(_, count)| *count)
        .map(|(script, _)| match script {
            Script::Latin => "Latin",
            Script::Kana => "kana",
            Script::Han => "Chinese characters",
            Script::Hangul => "Hangul",
            Script::Cyrillic => "Cyrillic",
            Script::Greek => "Greek",
            Script::Arabic => "Arabic",
            Script::Hebrew => "Hebrew",
            Script::Thai => "Thai",
            Script::Devanagari => "Devanagari",
            Script::Other => "another script",
        })
}

fn script_of(letter: char) -> Script {
    match u32::from(letter) {
        0x41..=0x24f | 0x1e00..=0x1eff | 0xff21..=0xff5a => Script::Latin,
        0x370..=0x3ff | 0x1f00..=0x1fff => Script::Greek,
        0x400..=0x52f => Script::Cyrillic,
        0x590..=0x5ff => Script::Hebrew,
        0x600..=0x77f | 0xfb50..=0xfdff | 0xfe70..=0xfeff => Script::Arabic,
        0x900..=0x97f => Script::Devanagari,
        0xe00..=0xe7f => Script::Thai,
        0x1100..=0x11ff | 0xac00..=0xd7af => Script::Hangul,
        0x3040..=0x30ff | 0x31f0..=0x31ff | 0xff66..=0xff9f => Script::Kana,
        0x3005..=0x3007 | 0x3400..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff => Script::Han,
        _ => Script::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_fits_its_language_or_the_other_script_is_named() {
        for (text, language, expected) in [
            ("直ちに避難してください", "ja-JP", None),
            ("NHKを見てください", "ja", None),
            ("Evacuate now", "ja", Some("Latin")),
            ("直ちに避難", "en-US", Some("Chinese characters")),
            ("ひなんしてください", "en-US", Some("kana")),
            ("Evacuate to 見本小学校 at once, all of you", "en", None),
            ("지금 대피하십시오", "ko", None),
            ("Немедленно", "en", Some("Cyrillic")),
            ("Vent tempétueux", "fr-FR", None),
            ("110 119", "ja", None),
            ("Evacuate now", "xx", None),
        ] {
            assert_eq!(foreign(text, language), expected, "{text} as {language}");
        }
    }
}
