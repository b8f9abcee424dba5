//! Reading the flat messages that are no requests: answers, notifications and their
//! acknowledgements.

use super::flat::FlatReader;
use thiserror::Error;

/// Why a message of the other side cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum MessageError {
    /// Not the declaration and flat elements.
    #[error("the message is not the flat form of the interface")]
    NotFlatForm,
    /// A required element is absent.
    #[error("the message has no element {0}")]
    Missing(&'static str),
    /// An element occurs twice.
    #[error("the message has the element {0} twice")]
    Repeated(&'static str),
    /// An element's text is outside its type.
    #[error("the message's element {0} has a value outside its type")]
    BadValue(&'static str),
}

/// The texts of the elements that a message must or may have; others are passed over, so that a
/// newer peer can say more than this side knows.
pub(super) struct Message<'a, const N: usize> {
    names: &'static [&'static str; N],
    texts: [Option<&'a [u8]>; N],
}

impl<'a, const N: usize> Message<'a, N> {
    pub(super) fn read(
        body: &'a [u8],
        names: &'static [&'static str; N],
    ) -> Result<Self, MessageError> {
        let mut reader = FlatReader::open(body).map_err(|_| MessageError::NotFlatForm)?;
        let mut texts = [None; N];
        while let Some(element) = reader.next().map_err(|_| MessageError::NotFlatForm)? {
            let Some(at) = names.iter().position(|name| name.as_bytes() == element.name) else {
                continue;
            };
            if texts[at].replace(element.text).is_some() {
                return Err(MessageError::Repeated(names[at]));
            }
        }
        Ok(Self { names, texts })
    }

    /// The element at `index` of the names, read by `parse`.
    pub(super) fn required<T>(
        &self,
        index: usize,
        parse: impl FnOnce(&'a [u8]) -> Option<T>,
    ) -> Result<T, MessageError> {
        let text = self.texts[index].ok_or(MessageError::Missing(self.names[index]))?;
        parse(text).ok_or(MessageError::BadValue(self.names[index]))
    }

    /// As [`Self::required`], but the element may be absent.
    pub(super) fn optional<T>(
        &self,
        index: usize,
        parse: impl FnOnce(&'a [u8]) -> Option<T>,
    ) -> Result<Option<T>, MessageError> {
        match self.texts[index] {
            None => Ok(None),
            Some(text) => parse(text).map(Some).ok_or(MessageError::BadValue(self.names[index])),
        }
    }

    /// As [`Self::optional`], but an empty element counts as an absent one.
    pub(super) fn unless_empty<T>(
        &self,
        index: usize,
        parse: impl FnOnce(&'a [u8]) -> Option<T>,
    ) -> Result<Option<T>, MessageError> {
        if self.texts[index] == Some(b"") { Ok(None) } else { self.optional(index, parse) }
    }
}

/// Decimal digits, 1 to 9 of them.
pub(super) fn parse_number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 9 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
}

/// Two hex digits.
pub(super) fn parse_octet(text: &[u8]) -> Option<u8> {
    let &[high, low] = text else { return None };
    let digit = |octet: u8| char::from(octet).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// The two hex digits of an octet, upper case.
pub(super) fn octet_digits(octet: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    [DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]
}
