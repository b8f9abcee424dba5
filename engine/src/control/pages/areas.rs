//! Areas as people know them: a name, and the code that tells two of one name apart.

use std::collections::BTreeMap;

use super::reader::Reader;
use super::tongue::Tongue;
use crate::broadcast::areas::AreaCatalogue;
use crate::broadcast::manifest::{Areas, Manifest};

/// Areas that are named one by one.
const NAMED_MAX: usize = 12;

/// An area's name with its code; its code alone where nobody knows it.
pub(super) fn named(catalogue: &AreaCatalogue, tongue: Tongue, code: &str) -> String {
    match catalogue.name(code, tongue.tag()) {
        Some(name) if name != code => format!("{name} ({code})"),
        _ => code.to_owned(),
    }
}

/// The areas that a broadcast addresses, in words.
pub(super) fn in_words(reader: &Reader, manifest: &Manifest) -> String {
    let mut codes: Vec<&str> = Vec::new();
    for leg in &manifest.legs {
        match &leg.audience.areas {
            Some(Areas::Word(_)) => return reader.say("everywhere", "全地域").to_owned(),
            Some(Areas::Codes(some)) => codes.extend(some.iter().map(String::as_str)),
            None => {}
        }
    }
    codes.sort_unstable();
    codes.dedup();
    let more = codes.len().saturating_sub(NAMED_MAX);
    let some = codes.iter().take(NAMED_MAX).map(|code| named(&reader.areas, reader.tongue, code));
    let some = some.collect::<Vec<_>>().join(", ");
    let some = match more {
        0 => some,
        more => format!("{some} + {more}"),
    };
    let narrows = manifest.legs.iter().any(|leg| leg.audience.within.is_some());
    let narrowed = reader.say("within the shapes that are drawn", "指定された図形の範囲内");
    if narrows { format!("{some}; {narrowed}") } else { some }
}

/// Counts by code, under the areas' names.
pub(super) fn named_counts(
    reader: &Reader,
    counts: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    let of = |code: &String| named(&reader.areas, reader.tongue, code);
    counts.iter().map(|(code, rows)| (of(code), *rows)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_is_named_with_its_code_and_one_that_nobody_knows_by_its_code() {
        let catalogue = AreaCatalogue::of_japan();
        for tongue in Tongue::ALL {
            assert_eq!(named(&catalogue, tongue, "13101"), "千代田区 (13101)");
            assert_eq!(named(&catalogue, tongue, "own:7"), "own:7");
        }
    }
}
