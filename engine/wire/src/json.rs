//! JSON documents, read safely: the one way in for requests, answers and files of other programs.
//!
//! The parser below is recursive where a document nests, so a document is looked at before it is
//! parsed: one that nests deeper than [`NESTING_MAX`] is refused by one pass over its octets that
//! keeps a counter and no stack. A field that nobody asked for is refused too, whatever the type to
//! be read says about that.
//!
//! **Never here:** reading from a socket or file; how many octets there may be is the caller's to
//! bound.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_path_to_error::Segment;
use simd_json::ErrorType;

use crate::push::limits::NESTING_MAX;

/// Why octets are not the document that is wanted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DocumentError {
    /// It nests too deep.
    #[error("it nests deeper than {NESTING_MAX} levels")]
    TooDeep,
    /// A list or a single value where fields are wanted.
    #[error("it is no object: begin with {{")]
    NoObject,
    /// It ends before it is whole.
    #[error("it is cut off: a brace, bracket or quote is not closed")]
    CutOff,
    /// Not JSON, or not with these fields.
    #[error("{0}")]
    Content(String),
}

/// Reads a document of any shape; the octets are unescaped in place. A field that the type does not
/// know is passed over: a newer program may say more.
///
/// # Errors
/// It nests too deep, or is not JSON, or not of the type.
pub fn read<T: DeserializeOwned>(octets: &mut [u8]) -> Result<T, DocumentError> {
    check_nesting(octets)?;
    simd_json::from_slice(octets).map_err(|error| content(&error))
}

/// Reads an object that holds nothing but the fields of `T`.
///
/// # Errors
/// As [`read`], and where it is no object, or has a field that nobody asked for.
pub fn read_exact<T: DeserializeOwned>(octets: &mut [u8]) -> Result<T, DocumentError> {
    let open = open_levels(octets)?;
    // A derived type would also be read from a list of its fields' values.
    match octets.iter().find(|octet| !octet.is_ascii_whitespace()) {
        Some(b'{') | None => {}
        Some(_) => return Err(DocumentError::NoObject),
    }
    let mut again = octets.to_vec();
    match simd_json::from_slice::<NothingElse<T>>(octets) {
        Ok(document) => Ok(document.0),
        Err(error) => Err(placed::<T>(&mut again, &error, open > 0)),
    }
}

/// The cause with its place in the document: what is refused is read once more for that, as to
/// keep the place takes time.
fn placed<T: DeserializeOwned>(
    octets: &mut [u8],
    error: &simd_json::Error,
    is_cut_off: bool,
) -> DocumentError {
    let plain = content(error);
    let Ok(mut deserializer) = simd_json::Deserializer::from_slice(octets) else {
        return if is_cut_off { DocumentError::CutOff } else { plain };
    };
    let read = serde_path_to_error::deserialize::<_, NothingElse<T>>(&mut deserializer);
    let Err(found) = read else { return plain };
    let place: String = found.path().iter().map(pointer).collect();
    let DocumentError::Content(cause) = content(found.inner()) else { return plain };
    // A field that is unknown is named as it is.
    match place.is_empty() || cause.starts_with("unknown field") {
        true => DocumentError::Content(cause),
        false => DocumentError::Content(format!("{place}: {cause}")),
    }
}

/// A step of a place, as a JSON pointer has it.
fn pointer(step: &Segment) -> String {
    match step {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    }
}

/// The cause in the words of the type that was to be read, where it is the one that complains.
fn content(error: &simd_json::Error) -> DocumentError {
    let cause = match error.error() {
        ErrorType::Serde(cause) => return DocumentError::Content(cause.clone()),
        ErrorType::ExpectedArray => "a list is wanted",
        ErrorType::ExpectedMap => "an object is wanted",
        ErrorType::ExpectedBoolean => "true or false is wanted",
        ErrorType::ExpectedUnsigned => "a whole number from 0 on is wanted",
        ErrorType::ExpectedSigned | ErrorType::ExpectedInteger => "a whole number is wanted",
        ErrorType::ExpectedNumber | ErrorType::ExpectedFloat => "a number is wanted",
        ErrorType::ExpectedString | ErrorType::ExpectedEnum => "a text in quotes is wanted",
        ErrorType::Eof => "it is empty, or cut off",
        ErrorType::InvalidUtf8 => "it is not in UTF-8",
        _ => "it is not JSON",
    };
    DocumentError::Content(match error.index() {
        0 => cause.to_owned(),
        at => format!("{cause} (at octet {at})"),
    })
}

/// A value without a field that its type does not know, at any depth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NothingElse<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for NothingElse<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut unknown = None;
        let value = serde_ignored::deserialize(deserializer, |path| {
            unknown.get_or_insert_with(|| path.to_string());
        });
        let Some(path) = unknown else { return value.map(Self) };
        let error = match value.err().and_then(|error| missing_field(&error.to_string())) {
            // A misspelt field lacks under its right name.
            Some(missing) => format!("unknown field `{path}`, and `{missing}` is missing"),
            None => format!("unknown field `{path}`"),
        };
        Err(D::Error::custom(error))
    }
}

/// The field that an error says is missing.
fn missing_field(error: &str) -> Option<String> {
    let (_, name) = error.split_once("missing field `")?;
    name.split('`').next().map(str::to_owned)
}

/// Refuses a document that nests too deep. Exact for JSON; what is none may count as anything, and
/// is refused by the parser before it descends.
///
/// # Errors
/// [`DocumentError`] beyond 16 levels.
pub fn check_nesting(octets: &[u8]) -> Result<(), DocumentError> {
    open_levels(octets).map(drop)
}

/// How many levels, a text among them, are not closed at the end: more than none, and the rest of
/// it is somewhere else.
fn open_levels(octets: &[u8]) -> Result<usize, DocumentError> {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for &octet in octets {
        match (in_text, octet) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > NESTING_MAX {
                    return Err(DocumentError::TooDeep);
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(depth + usize::from(in_text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, PartialEq, Debug)]
    struct Inner {
        a: u8,
    }

    #[derive(Deserialize, PartialEq, Debug)]
    struct Outer {
        inner: Inner,
        #[serde(default)]
        texts: Vec<String>,
    }

    fn exact(text: &str) -> Result<Outer, String> {
        read_exact(&mut text.as_bytes().to_vec()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, place) in [
            (r#"{"inner":{"a":-1}}"#, "/inner/a: "),
            (r#"{"inner":{"a":1},"texts":["x",2]}"#, "/texts/1: "),
        ] {
            let error = exact(text).expect_err("it is wrong");
            assert!(error.starts_with(place), "{text}: {error}");
        }
        let error = exact(r#"{"texts":[]}"#).expect_err("a field lacks");
        assert!(error.starts_with("missing field `inner`"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_told_in_words() {
        for (text, words) in [
            (r#"{"inner":{"a":"x"}}"#, "/inner/a: a whole number"),
            (r#"{"inner":{"a":1},"texts":7}"#, "/texts: a list"),
            (r#"{"inner":{"a":1},"texts":[7]}"#, "/texts/0: a text"),
            ("", "it is "),
            ("{root:x:0:0}", "it is not JSON"),
            ("{", "it is cut off"),
            (r#"{"inner":{"a":1},"texts":["x}"#, "it is cut off"),
        ] {
            let error = exact(text).expect_err("it is wrong");
            assert!(error.starts_with(words), "{text}: {error}");
        }
    }

    #[test]
    fn a_misspelt_field_is_named_beside_the_one_that_lacks() {
        for (text, words) in [
            (r#"{"iner":{"a":1}}"#, "unknown field `iner`, and `inner` is missing"),
            (r#"{"inner":{"aa":1}}"#, "unknown field `inner.aa`, and `a` is missing"),
            (r#"{"inner":{"a":1},"text":[]}"#, "unknown field `text`"),
        ] {
            assert_eq!(exact(text), Err(words.to_owned()), "{text}");
        }
    }

    #[test]
    fn depth_counts_outside_texts_only() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(check_nesting(deep(NESTING_MAX).as_bytes()), Ok(()));
        assert_eq!(check_nesting(deep(NESTING_MAX + 1).as_bytes()), Err(DocumentError::TooDeep));
        assert_eq!(check_nesting("[],".repeat(1_000).as_bytes()), Ok(()));
        let text = format!(r#"{{"a":"{}\"{}"}}"#, "[".repeat(100), "{".repeat(100));
        assert_eq!(check_nesting(text.as_bytes()), Ok(()));
        let behind_text = format!(r#"["\\",{}"#, "{\"a\":".repeat(NESTING_MAX));
        assert_eq!(check_nesting(behind_text.as_bytes()), Err(DocumentError::TooDeep));
    }

    #[test]
    fn what_is_deep_ends_no_process_however_it_is_wrapped() {
        const LEVELS: usize = 1_000_000;
        for (opening, closing) in [("[", "]"), ("{\"a\":", "}"), ("[{\"b\":", "}]"), ("\\\"[", "]")]
        {
            for tail in [String::new(), closing.repeat(LEVELS)] {
                let text = format!("{{\"more\":{}{tail}}}", opening.repeat(LEVELS));
                assert!(exact(&text).is_err());
                assert!(read::<simd_json::OwnedValue>(&mut text.into_bytes()).is_err());
            }
        }
    }

    #[test]
    fn an_unknown_field_is_refused_at_any_depth_and_without_the_types_own_word() {
        assert_eq!(
            exact(r#"{"inner":{"a":1}}"#),
            Ok(Outer { inner: Inner { a: 1 }, texts: Vec::new() })
        );
        assert_eq!(
            exact(r#"{"inner":{"a":1,"b":[[1]]}}"#),
            Err("unknown field `inner.b`".to_owned())
        );
        assert!(
            exact(r#"{"colour":1,"inner":{"a":1}}"#).is_err_and(|error| error.contains("colour"))
        );
        assert_eq!(exact(r#"[{"a":1}]"#), Err("it is no object: begin with {".to_owned()));
        for wrong in [
            "",
            " ",
            "{",
            "null",
            "1",
            r#"{"inner":{"a":1}} {}"#,
            r#"{"inner":{"a":1},"inner":{"a":1}}"#,
        ] {
            assert!(exact(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read::<Inner>(&mut br#"{"a":1,"b":2}"#.to_vec()), Ok(Inner { a: 1 }));
    }
}
