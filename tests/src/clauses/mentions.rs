//! Clauses of TS 23.040 and TS 23.038 that a comment names in passing.

/// Which document the numbers of a comment belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Document {
    /// None was named: only a number that no other document has counts.
    Unnamed,
    Sms,
    Alphabets,
    Other,
}

/// The clauses that one line of a comment names, as `TS 23.040 9.2.3.9`. Tables of an annex count
/// for the annex.
pub fn mentions(comment: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut document = Document::Unnamed;
    let mut before = "";
    for word in comment.split_whitespace() {
        let word = word.trim_matches(|character: char| !character.is_alphanumeric());
        match word {
            "23.040" => document = Document::Sms,
            "23.038" => document = Document::Alphabets,
            "RFC" | "SMPP" | "section" => document = Document::Other,
            _ if is_another_specification(word) => document = Document::Other,
            _ => found.extend(clause(document, before, word)),
        }
        before = word;
    }
    found
}

/// `24.011` and the like.
fn is_another_specification(word: &str) -> bool {
    let octets = word.as_bytes();
    octets.len() == 6
        && octets[2] == b'.'
        && octets.iter().enumerate().all(|(at, octet)| at == 2 || octet.is_ascii_digit())
}

fn clause(document: Document, before: &str, word: &str) -> Option<String> {
    let parts: Vec<&str> = word.split('.').collect();
    let is_digit = |octet: u8| octet.is_ascii_digit();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(is_digit);
    let (first, rest) = parts.split_first()?;
    let is_annex = *first == "A" && !rest.is_empty();
    // The last number may have a letter, as in 9.2.2.1a.
    let (last, middle) = parts.split_last()?;
    let last = last.strip_suffix(|letter: char| letter.is_ascii_lowercase()).unwrap_or(last);
    let numbers_after = if is_annex { &middle[1..] } else { middle };
    if !is_number(last) || !numbers_after.iter().all(|part| is_number(part)) {
        return None;
    }
    let depth = parts.len();
    let of_sms = matches!(*first, "3" | "9") && depth >= 2;
    let is_whole = before == "clause" && depth == 1;
    let of_alphabets = matches!(*first, "4" | "5" | "6") && depth >= 2 || is_whole;
    let is_telling = word.starts_with("9.1.") || word.starts_with("9.2.");
    match document {
        Document::Sms if of_sms => Some(format!("TS 23.040 {word}")),
        Document::Alphabets if of_alphabets => Some(format!("TS 23.038 {word}")),
        Document::Sms | Document::Other => None,
        _ if is_annex => Some(format!("TS 23.038 A.{}", parts[1])),
        Document::Unnamed if is_telling => Some(format!("TS 23.040 {word}")),
        Document::Unnamed if *first == "6" && depth >= 4 => Some(format!("TS 23.038 {word}")),
        _ => None,
    }
}
