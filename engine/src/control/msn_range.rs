//! Msns as an operator names them: one, or a range `09000000000-09000099999` with both ends in it.

use super::limits::CONTRACT_CHANGE_MSNS_MAX;
use wire::terms::ids::Msn;

/// All msns that the words name, in their order; refuses with one sentence.
pub fn parse_msns(words: &[impl AsRef<str>]) -> Result<Vec<Msn>, String> {
    let mut msns = Vec::new();
    for word in words.iter().map(AsRef::as_ref) {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (first, last) = (parse(first)?.value(), parse(last)?.value());
        if first > last {
            return Err(format!(
                "the range {word} ends before it begins: name the lower msn first"
            ));
        }
        if last - first + 1 + msns.len() as u64 > CONTRACT_CHANGE_MSNS_MAX {
            return Err(format!(
                "more than {CONTRACT_CHANGE_MSNS_MAX} msns at once: use `hayauma contract import`, \
                 or several ranges"
            ));
        }
        msns.extend((first..=last).filter_map(Msn::from_value));
    }
    Ok(msns)
}

/// One msn; 00000000000, which stands for all msns in a cancellation, is nobody's.
fn parse(text: &str) -> Result<Msn, String> {
    Msn::parse(text.as_bytes())
        .filter(|msn| *msn != Msn::ALL)
        .ok_or_else(|| format!("{text} is not an msn: use 11 digits, the first 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_msns_and_ranges_are_counted_out() {
        let msns = parse_msns(&["09012345678", "09000000008-09000000011"]).expect("legal");
        let texts: Vec<String> = msns.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            ["09012345678", "09000000008", "09000000009", "09000000010", "09000000011"]
        );
    }

    #[test]
    fn wrong_words_and_endless_ranges_are_refused() {
        for (word, hint) in [
            ("9012345678", "not an msn"),
            ("00000000000", "not an msn"),
            ("09000000002-09000000001", "ends before"),
            ("00000000001-09999999999", "at once"),
            ("09000000001-", "not an msn"),
        ] {
            let sentence = parse_msns(&[word]).expect_err(word);
            assert!(sentence.contains(hint), "{word}: {sentence}");
        }
        let most = format!("09000000000-{:011}", 9_000_000_000 + CONTRACT_CHANGE_MSNS_MAX - 1);
        assert_eq!(parse_msns(&[&most]).expect("just fits").len() as u64, CONTRACT_CHANGE_MSNS_MAX);
        assert!(parse_msns(&[most.as_str(), "09012345678"]).is_err());
    }
}
