//! Where a segment had better end: between grapheme clusters (Unicode Standard Annex #29), so that
//! a terminal which shows segments one by one breaks no accent off its letter.

mod classes;

use classes::{CONSONANT, CONTROL, JOINING, LINKER, PICTOGRAPHIC, PREPEND};

const ZERO_WIDTH_JOINER: char = '\u{200d}';
const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';

/// The last place at or before `end`, and behind `start`, at which no grapheme cluster of `text` is
/// split; `None` when there is none, so that a single cluster fills the segment.
///
/// `start` and `end` must lie between characters.
pub(super) fn last_boundary(text: &str, start: usize, end: usize) -> Option<usize> {
    let mut at = end;
    while at > start {
        if is_boundary(text, at) {
            return Some(at);
        }
        at -= text[..at].chars().next_back().map_or(1, char::len_utf8);
    }
    None
}

/// Whether a grapheme cluster of `text` ends at `at`, which must lie between two characters.
pub(super) fn is_boundary(text: &str, at: usize) -> bool {
    let (before, after) = text.split_at(at);
    let (Some(previous), Some(next)) = (before.chars().next_back(), after.chars().next()) else {
        return true;
    };
    // The numbers are those of the annex's rules.
    if previous == '\r' && next == '\n' {
        return false; // GB3
    }
    if is_plain(previous) && is_plain(next) {
        return true;
    }
    if CONTROL.contains(previous) || CONTROL.contains(next) {
        return true; // GB4, GB5
    }
    let joined = is_hangul_syllable(previous, next)
        || JOINING.contains(next) // GB9, GB9a
        || PREPEND.contains(previous) // GB9b
        || is_conjunct(before, next)
        || is_joined_picture(before, next)
        || is_flag(before, next);
    !joined
}

/// Whether the character belongs to one of the large ranges in which nothing joins its neighbour,
/// carriage return and line feed apart: Latin, Greek, Cyrillic, kana, Chinese characters. Saves
/// looking it up in every class.
fn is_plain(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{2ff}'
            | '\u{370}'..='\u{482}'
            | '\u{48a}'..='\u{590}'
            | '\u{2010}'..='\u{2027}'
            | '\u{3000}'..='\u{3029}'
            | '\u{3030}'..='\u{3098}'
            | '\u{309b}'..='\u{a66e}'
            | '\u{ff01}'..='\u{ff9d}'
    )
}

/// GB6 to GB8: leading consonants, vowels and trailing consonants of one syllable.
fn is_hangul_syllable(previous: char, next: char) -> bool {
    let leading = |c| matches!(c, '\u{1100}'..='\u{115f}' | '\u{a960}'..='\u{a97c}');
    let vowel = |c| {
        matches!(
            c,
            '\u{1160}'..='\u{11a7}'
                | '\u{d7b0}'..='\u{d7c6}'
                | '\u{16d63}'
                | '\u{16d67}'..='\u{16d6a}'
        )
    };
    let trailing = |c| matches!(c, '\u{11a8}'..='\u{11ff}' | '\u{d7cb}'..='\u{d7fb}');
    let syllable = |c| matches!(c, '\u{ac00}'..='\u{d7a3}');
    // Every 28th precomposed syllable has no trailing consonant yet.
    let open_syllable = |c| syllable(c) && (c as u32 - 0xac00).is_multiple_of(28);
    leading(previous) && (leading(next) || vowel(next) || syllable(next))
        || (vowel(previous) || open_syllable(previous)) && (vowel(next) || trailing(next))
        || (trailing(previous) || syllable(previous)) && trailing(next)
}

/// GB9c: a consonant, marks among which at least one links it to what follows, and another
/// consonant.
fn is_conjunct(before: &str, next: char) -> bool {
    if !CONSONANT.contains(next) {
        return false;
    }
    let mut linked = false;
    for character in before.chars().rev() {
        if LINKER.contains(character) {
            linked = true;
        } else if character == ZERO_WIDTH_NON_JOINER || !JOINING.contains(character) {
            return linked && CONSONANT.contains(character);
        }
    }
    false
}

/// GB11: a picture, marks, a joiner, and another picture.
fn is_joined_picture(before: &str, next: char) -> bool {
    if !before.ends_with(ZERO_WIDTH_JOINER) || !PICTOGRAPHIC.contains(next) {
        return false;
    }
    let base = before.chars().rev().find(|&character| !JOINING.contains(character));
    base.is_some_and(|base| PICTOGRAPHIC.contains(base))
}

/// GB12 and GB13: the second of two regional indicators.
fn is_flag(before: &str, next: char) -> bool {
    is_regional(next)
        && before.chars().rev().take_while(|&character| is_regional(character)).count() % 2 == 1
}

fn is_regional(character: char) -> bool {
    matches!(character, '\u{1f1e6}'..='\u{1f1ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clusters(text: &str) -> Vec<&str> {
        let mut clusters = Vec::new();
        let mut start = 0;
        for at in 1..=text.len() {
            if text.is_char_boundary(at) && is_boundary(text, at) {
                clusters.push(&text[start..at]);
                start = at;
            }
        }
        clusters
    }

    #[test]
    fn clusters_are_what_people_take_for_one_character() {
        for whole in [
            "\r\n",
            "e\u{301}",
            "か\u{3099}",
            "👨‍👩‍👧‍👦",
            "👍🏽",
            "🇯🇵",
            "한",
            "\u{1112}\u{1161}\u{11ab}",
            "क्षि",
            "葛\u{e0100}",
            "1\u{fe0f}\u{20e3}",
            "❤\u{fe0f}",
            "👨🏻\u{200d}⚕\u{fe0f}",
        ] {
            assert_eq!(clusters(whole), [whole]);
            assert_eq!(clusters(&whole.repeat(2)), [whole, whole]);
        }
    }

    #[test]
    fn plain_characters_are_in_no_class_that_joins() {
        for character in ('\0'..='\u{10ffff}').filter(|&character| is_plain(character)) {
            assert!(!JOINING.contains(character) && !PREPEND.contains(character), "{character:?}");
            assert!(!CONSONANT.contains(character) && !is_regional(character), "{character:?}");
            assert!(!is_hangul_syllable(character, character), "{character:?}");
        }
    }

    #[test]
    fn text_without_joining_characters_breaks_everywhere() {
        let text = "abc\n\rñ漢字カタカナ。\u{1f600}";
        assert_eq!(clusters(text).len(), text.chars().count());
        assert_eq!(clusters("क\u{200c}ष"), ["क\u{200c}", "ष"]);
        assert_eq!(clusters("\n\u{301}"), ["\n", "\u{301}"]);
    }

    #[test]
    fn the_last_boundary_lies_before_the_cluster_that_the_end_would_split() {
        let text = "ab👨‍👩‍👧cd";
        let family = 2..text.len() - 2;
        for end in family.clone().filter(|&end| text.is_char_boundary(end)) {
            assert_eq!(last_boundary(text, 0, end), Some(2));
        }
        assert_eq!(last_boundary(text, 0, family.end), Some(family.end));
        assert_eq!(last_boundary(text, 2, family.end - 4), None);
        assert_eq!(last_boundary(text, 0, text.len()), Some(text.len()));
    }
}
