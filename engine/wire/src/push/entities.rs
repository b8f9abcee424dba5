//! Text data: which characters it may hold, and its character references, the five predefined
//! entities and numeric ones with any number of leading zeros.
//!
//! A reference that is none of these, a bare `&` and a character that XML 1.0 does not have
//! (section 2.2: control characters but for tab, LF and CR, U+FFFE, U+FFFF), written as it is or by
//! reference, are bad values (1003). Whether an alphabet carries a character is for segmentation to
//! say (4005).
//!
//! A line end counts as it is written: LF is one character, CRLF are two, and both reach the phone.
//! Nothing is normalised, because the form of the interface is no XML document.

use crate::terms::code::Code;
use memchr::memchr;

/// The text that `data` stands for. Borrows `data` when it holds no reference; otherwise writes
/// into `scratch`, which must be as long as `data` (a decoded reference is never longer than its
/// source).
///
/// # Errors
/// 1007 when `data` is not UTF-8, 1003 when a reference is bad, 9001 when `scratch` is too small.
//= push body text line ends
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

/// Whether `text`, which is UTF-8, holds XML 1.0's characters only, references aside.
//= push body characters
pub(super) fn check_characters(text: &[u8]) -> Result<(), Code> {
    // One pass without a branch for each octet; a text with a line end or a fullwidth form is
    // looked at again.
    let suspect =
        text.iter().fold(false, |suspect, &octet| suspect | (octet < b' ') | (octet == 0xef));
    if suspect && !text.iter().enumerate().all(|(at, &octet)| is_xml_at(text, at, octet)) {
        return Err(Code::BAD_VALUE);
    }
    Ok(())
}

/// Whether the character that begins with this octet of a UTF-8 text is one of XML 1.0.
fn is_xml_at(text: &[u8], at: usize, octet: u8) -> bool {
    match octet {
        0..b' ' => matches!(octet, b'\t' | b'\n' | b'\r'),
        0xef => !matches!(text[at + 1..], [0xbf, 0xbe | 0xbf, ..]),
        _ => true,
    }
}

/// Whether every `&` in `data` begins a good reference: what [`decode_entities`] would say, without
/// decoding.
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
//= push body entities
fn read_reference(text: &[u8]) -> Result<(char, usize), Code> {
    let end = memchr(b';', text).ok_or(Code::BAD_VALUE)?;
    let character = match &text[1..end] {
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
    char::from_u32(value).filter(|&character| is_xml(character)).ok_or(Code::BAD_VALUE)
}

/// XML 1.0, production Char.
fn is_xml(character: char) -> bool {
    !matches!(
        character,
        '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(data: &str) -> Result<String, Code> {
        let mut scratch = vec![0; data.len()];
        let decoded = decode_entities(data.as_bytes(), &mut scratch).map(str::to_owned);
        if !matches!(decoded, Err(Code::NOT_UTF8)) {
            assert_eq!(
                check_entities(data.as_bytes()),
                decoded.as_ref().map(|_| ()).map_err(|&code| code)
            );
        }
        decoded
    }

    //= push body entities
    #[test]
    fn predefined_and_numeric_references_are_decoded() {
        assert_eq!(
            decode("a &lt;b&gt; &amp;amp; &quot;c&quot; &apos;").as_deref(),
            Ok("a <b> &amp; \"c\" '")
        );
        assert_eq!(
            decode("&#22320;&#x9707;&#xe9;&#x1F600;&#x0010FFFF;").as_deref(),
            Ok("地震é😀\u{10ffff}")
        );
        assert_eq!(
            decode("地震 & 津波".replace('&', "&#38;").as_str()).as_deref(),
            Ok("地震 & 津波")
        );
        assert_eq!(decode("&#9;&#10;&#13;&#x7f;&#x1FFFE;").as_deref(), Ok("\t\n\r\u{7f}\u{1fffe}"));
        let zeros = "0".repeat(10_000);
        assert_eq!(decode(&format!("&#{zeros}65;&#x{zeros}42;")).as_deref(), Ok("AB"));
        assert_eq!(decode("plain").as_deref(), Ok("plain"));
        assert_eq!(decode("").as_deref(), Ok(""));
    }

    //= push body entities
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
            "&#0;",
            "&#x0;",
            "&#1;",
            "&#8;",
            "&#11;",
            "&#x1f;",
            "&#xFFFE;",
            "&#x00FFFF;",
            "&#00000000000000000000;",
        ] {
            assert_eq!(decode(wrong), Err(Code::BAD_VALUE), "{wrong}");
        }
    }

    //= push body characters
    #[test]
    fn characters_that_xml_does_not_have_are_bad_values_as_they_are() {
        for text in [
            "",
            "a\tb\r\nc\n",
            "\u{ff01}\u{ffe6}\u{fffd}",
            "\u{ef}\u{bf}",
            "\u{10ffff}\u{7f}",
            "\u{ffbe}",
        ] {
            assert_eq!(check_characters(text.as_bytes()), Ok(()), "{text:?}");
        }
        for wrong in
            ['\0', '\u{1}', '\u{8}', '\u{b}', '\u{c}', '\u{1b}', '\u{1f}', '\u{fffe}', '\u{ffff}']
        {
            for text in [format!("{wrong}"), format!("\u{ff01}{wrong}"), format!("{wrong}\n")] {
                assert_eq!(check_characters(text.as_bytes()), Err(Code::BAD_VALUE), "{text:?}");
            }
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
