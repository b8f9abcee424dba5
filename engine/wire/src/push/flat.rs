//! The flat form: a declaration and then `<name>text</name>` siblings without a root.
//!
//! Strict: no DOCTYPE, comment, CDATA section, processing instruction, attribute, nesting,
//! self-closing tag or blank inside a tag. Between elements, before the first and after the last
//! stands LF, CRLF or nothing; a blank line or any other white space there is not the flat form.
//! Nothing may precede the declaration, a byte order mark included. The text of an element is
//! everything up to the next `<`, taken as it is.

use memchr::memchr;

/// One sibling: both slices point into the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Element<'a> {
    pub(super) name: &'a [u8],
    pub(super) text: &'a [u8],
}

/// Why a body is not the flat form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FlatError {
    /// The form itself is broken.
    Form,
    /// The declaration names an encoding that is not UTF-8.
    Encoding,
}

/// Walks the elements of a body from left to right.
#[derive(Clone, Copy)]
pub(super) struct FlatReader<'a> {
    rest: &'a [u8],
}

impl<'a> FlatReader<'a> {
    /// Reads the declaration: `<?xml version="1.0"?>`, with or without `encoding="UTF-8"`, with or
    /// without blanks round `=` and before `?>`.
    //= push body declaration
    pub(super) fn open(body: &'a [u8]) -> Result<Self, FlatError> {
        let rest = body.strip_prefix(b"<?xml").ok_or(FlatError::Form)?;
        let rest = skip_some_blanks(rest)
            .and_then(|rest| rest.strip_prefix(b"version"))
            .ok_or(FlatError::Form)?;
        let (version, rest) = quoted_value(rest).ok_or(FlatError::Form)?;
        if version != b"1.0" {
            return Err(FlatError::Form);
        }
        let mut rest = rest;
        let mut encoding_is_other = false;
        if let Some(after) = skip_some_blanks(rest).and_then(|rest| rest.strip_prefix(b"encoding"))
        {
            let (encoding, after) = quoted_value(after).ok_or(FlatError::Form)?;
            encoding_is_other = !encoding.eq_ignore_ascii_case(b"UTF-8");
            rest = after;
        }
        let rest = skip_blanks(rest).strip_prefix(b"?>").ok_or(FlatError::Form)?;
        if encoding_is_other {
            return Err(FlatError::Encoding);
        }
        Ok(Self { rest: skip_line_end(rest) })
    }

    /// Goes on in the middle of a body, at the `<` of an element.
    pub(super) fn resume(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The next element and the line end behind it; `None` at the end of the body.
    #[inline]
    //= push body flat
    pub(super) fn next(&mut self) -> Result<Option<Element<'a>>, FlatError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let after_bracket = self.rest.strip_prefix(b"<").ok_or(FlatError::Form)?;
        let name_octets = after_bracket.iter().take_while(|&&octet| is_name_octet(octet)).count();
        let (name, rest) = after_bracket.split_at(name_octets);
        if name.is_empty() || !name[0].is_ascii_alphabetic() {
            return Err(FlatError::Form);
        }
        let rest = rest.strip_prefix(b">").ok_or(FlatError::Form)?;
        let text_octets = memchr(b'<', rest).ok_or(FlatError::Form)?;
        let (text, rest) = rest.split_at(text_octets);
        let rest = rest
            .strip_prefix(b"</")
            .and_then(|rest| rest.strip_prefix(name))
            .ok_or(FlatError::Form)?;
        self.rest = skip_line_end(rest.strip_prefix(b">").ok_or(FlatError::Form)?);
        Ok(Some(Element { name, text }))
    }
}

fn is_name_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.')
}

fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|&&octet| is_blank(octet)).count();
    &text[blanks..]
}

/// At least one blank, as between the words of a declaration.
fn skip_some_blanks(text: &[u8]) -> Option<&[u8]> {
    text.first().is_some_and(|&octet| is_blank(octet)).then(|| skip_blanks(text))
}

#[inline]
//= push body line ends
fn skip_line_end(text: &[u8]) -> &[u8] {
    match text {
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => rest,
        _ => text,
    }
}

/// ` = "value"`: the value and what follows it.
fn quoted_value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = skip_blanks(skip_blanks(text).strip_prefix(b"=")?);
    let (&quote, text) = text.split_first()?;
    if quote != b'"' && quote != b'\'' {
        return None;
    }
    let end = memchr(quote, text)?;
    let value = &text[..end];
    (!value.contains(&b'<')).then_some((value, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(body: &[u8]) -> Result<Vec<(String, String)>, FlatError> {
        let mut reader = FlatReader::open(body)?;
        let mut elements = Vec::new();
        while let Some(element) = reader.next()? {
            let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
            elements.push((text(element.name), text(element.text)));
        }
        Ok(elements)
    }

    //= push body declaration
    #[test]
    fn the_declaration_may_have_blanks_quotes_and_utf8() {
        for declaration in [
            "<?xml version = \"1.0\" ?>",
            "<?xml version=\"1.0\"?>",
            "<?xml version='1.0' encoding='utf-8'?>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
            "<?xml  version\t=\r\n\"1.0\"\n encoding = \"UTF-8\" ?>",
        ] {
            assert_eq!(walk(declaration.as_bytes()), Ok(vec![]), "{declaration}");
        }
        for (declaration, error) in [
            ("", FlatError::Form),
            (" <?xml version=\"1.0\"?>", FlatError::Form),
            ("\u{feff}<?xml version=\"1.0\"?>", FlatError::Form),
            ("<?xml?>", FlatError::Form),
            ("<?xmlversion=\"1.0\"?>", FlatError::Form),
            ("<?xml version=\"1.1\"?>", FlatError::Form),
            ("<?xml version=1.0?>", FlatError::Form),
            ("<?xml version=\"1.0'?>", FlatError::Form),
            ("<?xml version=\"1.0\"encoding=\"UTF-8\"?>", FlatError::Form),
            ("<?xml version=\"1.0\" standalone=\"yes\"?>", FlatError::Form),
            ("<?xml version=\"1.0\">", FlatError::Form),
            ("<?xml version=\"1.0\" encoding=\"Shift_JIS\"?>", FlatError::Encoding),
            ("<?XML version=\"1.0\"?>", FlatError::Form),
        ] {
            assert_eq!(walk(declaration.as_bytes()), Err(error), "{declaration}");
        }
    }

    //= push body line ends
    #[test]
    fn line_ends_between_elements_are_lf_crlf_or_nothing() {
        let expected = Ok(vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]);
        for line_end in ["", "\n", "\r\n"] {
            let body =
                format!("<?xml version=\"1.0\"?>{line_end}<a>1</a>{line_end}<b></b>{line_end}");
            assert_eq!(walk(body.as_bytes()), expected);
        }
        for line_end in ["\r", " ", "\t", "\n\n", "\r\r\n", "\n\r"] {
            let body = format!("<?xml version=\"1.0\"?>{line_end}<a>1</a>");
            assert_eq!(walk(body.as_bytes()), Err(FlatError::Form), "{line_end:?}");
        }
    }

    //= push body flat
    #[test]
    fn anything_but_flat_siblings_is_refused() {
        for tail in [
            "<!DOCTYPE a>",
            "<!-- c -->",
            "<a><![CDATA[1]]></a>",
            "<?pi?>",
            "<a b=\"1\">1</a>",
            "<a>1<b>2</b></a>",
            "<a/>",
            "<a>1</b>",
            "<a>1</a >",
            "<a >1</a>",
            "<a>1</aa>",
            "<a>1",
            "<a",
            "<",
            "<>1</>",
            "<1>1</1>",
            "text",
            "<a>1</a>text",
            "<x:a>1</x:a>",
            "<\u{e9}>1</\u{e9}>",
            "</a>",
        ] {
            let body = format!("<?xml version=\"1.0\"?>\n{tail}");
            assert_eq!(walk(body.as_bytes()), Err(FlatError::Form), "{tail}");
        }
    }
}
