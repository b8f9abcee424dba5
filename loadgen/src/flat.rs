//! The flat form of the push-client interface: a declaration, then `<name>text</name>` siblings
//! without a root.
//!
//! A reader of the instrument's own, so that a fault of the engine's scanner cannot hide itself.

use memchr::{memchr, memmem};

/// The declaration as the interface writes it.
pub(crate) const DECLARATION: &str = "<?xml version = \"1.0\" ?>\r\n";

/// The elements of a body in order; ends at the end of the body or at the first thing that is no
/// element, so a broken body simply lacks elements.
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// Over `body`, the declaration skipped.
    pub(crate) fn of(body: &'a [u8]) -> Self {
        let declaration = if body.starts_with(b"<?") {
            memmem::find(body, b"?>").map_or(0, |at| at + 2)
        } else {
            0
        };
        Self { rest: &body[declaration..] }
    }
}

impl<'a> Iterator for Elements<'a> {
    /// Name and text.
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let inner = self.rest.trim_ascii_start().strip_prefix(b"<")?;
        let name = &inner[..memchr(b'>', inner)?];
        let after = &inner[name.len() + 1..];
        let text = &after[..memchr(b'<', after)?];
        self.rest =
            after[text.len()..].strip_prefix(b"</")?.strip_prefix(name)?.strip_prefix(b">")?;
        Some((name, text))
    }
}

/// Reads 1 to 9 digits and nothing else.
pub(crate) fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0u32, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str) -> Vec<String> {
        Elements::of(body.as_bytes())
            .map(|(name, text)| {
                format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(text))
            })
            .collect()
    }

    #[test]
    fn elements_come_in_order_with_any_line_end_between_them() {
        let body = "<?xml version = \"1.0\" ?>\r\n<a>1</a>\r\n<bc>x</bc>\n<d></d><e>4</e>\r\n";
        assert_eq!(names(body), ["a=1", "bc=x", "d=", "e=4"]);
        assert_eq!(names("<a>1</a>"), ["a=1"]);
    }

    #[test]
    fn reading_stops_at_the_first_fault() {
        for body in [
            "<a>1</a><b>2</c><d>3</d>",
            "<a>1</a>junk<d>3</d>",
            "<a>1</a><b><c>2</c></b>",
            "<a>1</a><b>2",
        ] {
            assert_eq!(names(body), ["a=1"], "{body}");
        }
        assert_eq!(names(""), Vec::<String>::new());
    }
}
