//! A document's octets as text: five encodings, by byte order mark and declaration.
//!
//! A document that declares one encoding and is in another is refused: whoever guesses may send
//! the wrong text to a city.

use std::borrow::Cow;

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS, UTF_16BE, UTF_16LE};

use super::limits::DOCUMENT_OCTETS_MAX;
use super::refusal::WarningRefusal;

/// A declaration stands in the first octets or nowhere.
const DECLARATION_OCTETS_MAX: usize = 256;
const ACCEPTED: &str = "save it as UTF-8, UTF-16, ISO-8859-1, Shift_JIS or EUC-JP";

/// The text of a document. Costs nothing where there are too many octets.
pub(super) fn decode(octets: &[u8]) -> Result<Cow<'_, str>, WarningRefusal> {
    if octets.len() > DOCUMENT_OCTETS_MAX {
        return Err(WarningRefusal::document(format!(
            "it is longer than {} MiB: send the warning without what is embedded in it",
            DOCUMENT_OCTETS_MAX >> 20
        )));
    }
    for (mark, encoding) in [(&b"\xff\xfe"[..], UTF_16LE), (b"\xfe\xff", UTF_16BE)] {
        if let Some(rest) = octets.strip_prefix(mark) {
            let text = decode_by(rest, encoding)?;
            let head: String = text.chars().take(DECLARATION_OCTETS_MAX).collect();
            return match declared(head.as_bytes()).as_deref() {
                None | Some("utf-16" | "utf-16le" | "utf-16be") => Ok(text),
                Some(other) => Err(contradiction(other, "UTF-16")),
            };
        }
    }
    let (octets, has_mark) = match octets.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (rest, true),
        None => (octets, false),
    };
    let declared = declared(octets);
    match declared.as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii") => utf_8(octets),
        Some(other) if has_mark => Err(contradiction(other, "UTF-8")),
        Some("iso-8859-1" | "latin1" | "iso_8859-1") => latin_1(octets),
        Some("shift_jis" | "shift-jis" | "windows-31j" | "sjis") => decode_by(octets, SHIFT_JIS),
        Some("euc-jp") => decode_by(octets, EUC_JP),
        Some(other @ ("utf-16" | "utf-16le" | "utf-16be")) => {
            Err(contradiction(other, "without the byte order mark of UTF-16"))
        }
        Some(other) => Err(WarningRefusal::document(format!(
            "its encoding is {}: {ACCEPTED}",
            other.escape_debug()
        ))),
    }
}

fn contradiction(declared: &str, found: &str) -> WarningRefusal {
    WarningRefusal::document(format!(
        "it declares the encoding {} and is {found}: {ACCEPTED}, and declare that",
        declared.escape_debug()
    ))
}

fn utf_8(octets: &[u8]) -> Result<Cow<'_, str>, WarningRefusal> {
    let text = std::str::from_utf8(octets).map_err(|error| {
        let at = error.valid_up_to();
        WarningRefusal::document(format!(
            "octet {at} is not UTF-8, which it says it is in: {ACCEPTED}"
        ))
    })?;
    Ok(Cow::Borrowed(text))
}

fn latin_1(octets: &[u8]) -> Result<Cow<'_, str>, WarningRefusal> {
    if octets.is_ascii() {
        return utf_8(octets);
    }
    // A text of UTF-8 that is declared as Latin-1 reads as rubbish, and no text of Latin-1 is all
    // UTF-8: there each letter with an accent would have to be followed by the right signs.
    if std::str::from_utf8(octets).is_ok() {
        return Err(contradiction("iso-8859-1", "UTF-8"));
    }
    if octets.iter().any(|octet| (0x80..0xa0).contains(octet)) {
        return Err(contradiction("iso-8859-1", "something else, such as windows-1252"));
    }
    Ok(encoding_rs::mem::decode_latin1(octets))
}

fn decode_by<'a>(
    octets: &'a [u8],
    encoding: &'static Encoding,
) -> Result<Cow<'a, str>, WarningRefusal> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(octets);
    let text = text.ok_or_else(|| contradiction(encoding.name(), "something else"))?;
    // Katakana of half width in a row, where UTF-8 of Japanese is read as Shift_JIS.
    let is_utf_8 =
        encoding == SHIFT_JIS && !octets.is_ascii() && std::str::from_utf8(octets).is_ok();
    if is_utf_8 { Err(contradiction(encoding.name(), "UTF-8")) } else { Ok(text) }
}

/// The encoding that the XML declaration names, in small letters.
fn declared(octets: &[u8]) -> Option<String> {
    let head = &octets[..octets.len().min(DECLARATION_OCTETS_MAX)];
    let head = head.strip_prefix(b"<?xml")?;
    let end = memchr::memmem::find(head, b"?>")?;
    let at = memchr::memmem::find(&head[..end], b"encoding")?;
    let value =
        head[at + b"encoding".len()..end].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first()?;
    let length = memchr::memchr(*quote, value)?;
    matches!(quote, b'"' | b'\'')
        .then(|| String::from_utf8_lossy(&value[..length]).to_ascii_lowercase())
}
