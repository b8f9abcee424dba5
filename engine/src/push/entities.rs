//! Character references in text data: the five predefined entities and numeric references.
//!
//! A reference that is none of these, a bare `&` and a number that is no Unicode scalar value are bad values
//! (1003). Any scalar value is taken: whether an alphabet carries it is for segmentation to say (4005).

use crate::push::code::Code;
use memchr::memchr;

/// Longest reference looked at, `&` and `;` included: `&#x0010FFFF;`.
const REFERENCE_OCTETS_MAX: usize = 12;

/// The text that `data` stands for. Borrows `data` when it holds no reference; otherwise writes into
/// `scratch`, which must be as long as `data` (a decoded reference is never longer than its source).
///
/// # Errors
/// 1007 when `data` is not UTF-8, 1003 when a reference is bad, 9001 when `scratch` is too small.
pub fn decode_entities<'a>(data: &'a [u8], scratch: &'a mut [u8]) -> Result<&'a str, Code> {
    let text = str::from_utf8(data).map_err(|_| Code::NOT_UTF8)?;
    if memchr(b'&', data).is_none() {
        return Ok(text);
    }
    if scratch.len() < data.len() {
        return Err(Code::INTERNAL);
    }
    let mut written = 0;
    let mut rest = data;
    while let Some(plain) = memchr(b'&', rest) {
        scratch[written..written + plain].copy_from_slice(&rest[..plain]);
        written += plain;
        let (character, octets) = read_reference(&rest[plain..])?;
        written += character.encode_utf8(&mut scratch[written..]).len();
        rest = &rest[plain + octets..];
    }
    scratch[written..written + rest.len()].copy_from_slice(rest);
    written += rest.len();
    str::from_utf8(&scratch[..written]).map_err(|_| Code::INTERNAL)
}

/// Whether every `&` in `data` begins a good reference: what [`decode_entities`] would say, without decoding.
///
/// # Errors
/// 1003 when a reference is bad.
pub fn check_entities(data: &[u8]) -> Result<(), Code> {
    let mut rest = data;
    while let Some(plain) = memchr(b'&', rest) {
        let (_, octets) = read_reference(&rest[plain..])?;
        rest = &rest[plain + octets..];
    }
    Ok(())
}

/// Appends `text` to `out` with `&`, `<` and `>` as references: how a client writes text data.
pub fn encode_entities(out: &mut Vec<u8>, text: &str) {
    for &octet in text.as_bytes() {
        match octet {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            _ => out.push(octet),
        }
    }
}

/// The character and the octets of the reference that `text` begins with.
fn read_reference(text: &[u8]) -> Result<(char, usize), Code> {
    let window = &text[..text.len().min(REFERENCE_OCTETS_MAX)];
    let end = memchr(b';', window).ok_or(Code::BAD_VALUE)?;
    let character = match &window[1..end] {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x', digits @ ..] => numeric(digits, 16)?,
        [b'#', digits @ ..] => numeric(digits, 10)?,
        _ => return Err(Code::BAD_VALUE),
    };
    Ok((character, end + 1))
}

fn numeric(digits: &[u8], radix: u32) -> Result<char, Code> {
    if digits.is_empty() {
        return Err(Code::BAD_VALUE);
    }
    let mut value = 0u32;
    for &digit in digits {
        let digit = char::from(digit).to_digit(radix).ok_or(Code::BAD_VALUE)?;
        value = value.saturating_mul(radix).saturating_add(digit);
    }
    char::from_u32(value).ok_or(Code::BAD_VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(data: &str) -> Result<String, Code> {
        let mut scratch = vec![0; data.len()];
        let decoded = decode_entities(data.as_bytes(), &mut scratch).map(str::to_owned);
        if !matches!(decoded, Err(Code::NOT_UTF8)) {
            assert_eq!(check_entities(data.as_bytes()), decoded.as_ref().map(|_| ()).map_err(|&code| code));
        }
        decoded
    }

    #[test]
    fn predefined_and_numeric_references_are_decoded() {
        assert_eq!(
            decode("a &lt;b&gt; &amp;amp; &quot;c&quot; &apos;").as_deref(),
            Ok("a <b> &amp; \"c\" '")
        );
        assert_eq!(decode("&#22320;&#x9707;&#xe9;&#x1F600;&#x0010FFFF;").as_deref(), Ok("地震é😀\u{10ffff}"));
        assert_eq!(decode("地震 & 津波".replace('&', "&#38;").as_str()).as_deref(), Ok("地震 & 津波"));
        assert_eq!(decode("plain").as_deref(), Ok("plain"));
        assert_eq!(decode("").as_deref(), Ok(""));
    }

    #[test]
    fn a_bad_reference_is_a_bad_value() {
        for wrong in [
            "&",
            "a&b",
            "&;",
            "&nbsp;",
            "&AMP;",
            "&amp",
            "&#;",
            "&#x;",
            "&#xD800;",
            "&#x110000;",
            "&#X41;",
            "&#12a;",
            "&#-1;",
            "&#99999999999;",
            "&amp ;",
            "& amp;",
        ] {
            assert_eq!(decode(wrong), Err(Code::BAD_VALUE), "{wrong}");
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_1007_and_a_small_scratch_is_our_fault() {
        assert_eq!(decode_entities(b"\xff", &mut [0; 8]), Err(Code::NOT_UTF8));
        assert_eq!(decode_entities(b"&amp;", &mut [0; 4]), Err(Code::INTERNAL));
        assert_eq!(decode_entities(b"no reference", &mut []), Ok("no reference"));
    }

    #[test]
    fn encoding_then_decoding_gives_the_text_back() {
        let text = "a<b>&c;\"'&amp; 地震";
        let mut encoded = Vec::new();
        encode_entities(&mut encoded, text);
        let mut scratch = vec![0; encoded.len()];
        assert_eq!(decode_entities(&encoded, &mut scratch), Ok(text));
    }
}
