//! A text as a field of CSV that a spreadsheet reads.

use std::borrow::Cow;

/// A text as a field of CSV (RFC 4180). What a spreadsheet would take for a formula stands behind
/// an apostrophe.
pub fn csv_field(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !is_formula && !text.contains([',', '"', '\n', '\r', ';']) {
        return Cow::Borrowed(text);
    }
    let front = if is_formula { "'" } else { "" };
    Cow::Owned(format!("\"{front}{}\"", text.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_one_field_whatever_is_in_it() {
        assert_eq!(csv_field("13101"), "13101");
        assert_eq!(csv_field("x:a,b"), "\"x:a,b\"");
        assert_eq!(csv_field("x:\"y"), "\"x:\"\"y\"");
        assert_eq!(csv_field("=HYPERLINK(1):1"), "\"'=HYPERLINK(1):1\"");
    }
}
