//! Message ids: what a carrier answers and what its receipts name, which are not always written
//! alike.

use crate::terms::mix::mix;

/// Digits of the longest id of ours.
const OWN_DIGITS_MAX: usize = 19;
/// The highest number that an id of ours has.
const OWN_MAX: u64 = i64::MAX as u64;

/// How a carrier writes an id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum IdForm {
    /// Octets as they are; letters of either case.
    #[default]
    Text,
    /// A number in hexadecimal.
    Hex,
    /// A number in decimal.
    Decimal,
}

/// How a carrier writes ids in its answers and in its receipts.
///
/// Where both are text, ids are equal when their octets are, letters in either case, and **no zero
/// is ever left out**. Where one is a number, they are equal when their numbers are, the other one
/// read to the same base; an id that is no number then is text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct IdForms {
    /// In submit_sm_resp.
    pub response: IdForm,
    /// In receipts.
    pub receipt: IdForm,
}

/// An id in a form in which answers and receipts are compared.
#[derive(Clone, Copy, Debug)]
pub enum Id<'a> {
    /// A number of 128 bits.
    Number(u128),
    /// Octets, letters in either case.
    Text(&'a [u8]),
}

impl IdForms {
    /// The id of an answer.
    pub fn of_response(self, id: &[u8]) -> Id<'_> {
        Id::read(id, base(self.response, self.receipt))
    }

    /// The id of a receipt.
    pub fn of_receipt(self, id: &[u8]) -> Id<'_> {
        Id::read(id, base(self.receipt, self.response))
    }
}

/// The base that ids of `form` are read to, where the other side's form is `other`.
const fn base(form: IdForm, other: IdForm) -> Option<u32> {
    match (form, other) {
        (IdForm::Hex, _) | (IdForm::Text, IdForm::Hex) => Some(16),
        (IdForm::Decimal, _) | (IdForm::Text, IdForm::Decimal) => Some(10),
        (IdForm::Text, IdForm::Text) => None,
    }
}

impl<'a> Id<'a> {
    fn read(id: &'a [u8], base: Option<u32>) -> Self {
        base.and_then(|base| number_of(id, base)).map_or(Self::Text(id), Self::Number)
    }

    /// 64 bits that equal ids share: for an index, whose owner compares the whole ids afterwards.
    pub fn hash(self) -> u64 {
        match self {
            Self::Number(number) => mix(mix(number as u64) ^ (number >> 64) as u64),
            Self::Text(text) => text.iter().fold(text.len() as u64, |hash, octet| {
                mix(hash ^ u64::from(octet.to_ascii_lowercase()))
            }),
        }
    }
}

impl PartialEq for Id<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(two)) => one == two,
            (Self::Text(one), Self::Text(two)) => one.eq_ignore_ascii_case(two),
            _ => false,
        }
    }
}

fn number_of(id: &[u8], base: u32) -> Option<u128> {
    if id.is_empty() {
        return None;
    }
    id.iter().try_fold(0_u128, |number, &octet| {
        let digit = char::from(octet).to_digit(base)?;
        number.checked_mul(u128::from(base))?.checked_add(u128::from(digit))
    })
}

/// An id of ours: 1 to 19 decimal digits without a leading zero, which reads the same as text, as a
/// number and in an i64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OwnId {
    digits: [u8; OWN_DIGITS_MAX],
    first: u8,
}

impl OwnId {
    /// The id of the low 63 bits of `key`.
    pub fn new(key: u64) -> Self {
        let mut number = key & OWN_MAX;
        let mut digits = [b'0'; OWN_DIGITS_MAX];
        let mut first = OWN_DIGITS_MAX;
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { digits, first: first as u8 };
            }
        }
    }

    /// Its digits.
    pub fn digits(&self) -> &[u8] {
        &self.digits[usize::from(self.first)..]
    }

    /// The 63 bits that an id names; `None` for what is no id of ours.
    pub fn parse(id: &[u8]) -> Option<u64> {
        let legal = id.len() <= OWN_DIGITS_MAX && (id.len() == 1 || id.first() != Some(&b'0'));
        let number = number_of(id, 10).filter(|_| legal)?;
        u64::try_from(number).ok().filter(|&number| number <= OWN_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(forms: IdForms, response: &str, receipt: &str) -> bool {
        let (one, two) =
            (forms.of_response(response.as_bytes()), forms.of_receipt(receipt.as_bytes()));
        assert!(one != two || one.hash() == two.hash(), "equal ids have equal hashes");
        one == two
    }

    #[test]
    fn text_ids_are_equal_as_they_are_written_and_no_zero_is_left_out() {
        let text = IdForms::default();
        assert!(matches(text, "0e99-AB", "0E99-ab"));
        assert!(matches(text, "00B8BE19", "00b8be19"));
        assert!(!matches(text, "00B8BE19", "B8BE19"), "zeros are part of an id");
        assert!(!matches(text, "1234", "123"), "a prefix is another id");
        assert!(!matches(text, "123", "1234"));
        assert!(!matches(text, "10", "16"));
    }

    #[test]
    fn numeric_ids_are_equal_as_numbers() {
        let forms = |response, receipt| IdForms { response, receipt };
        let mixed = forms(IdForm::Hex, IdForm::Decimal);
        assert!(matches(mixed, "B8BE19", "12107289"));
        assert!(matches(mixed, "00b8be19", "0012107289"));
        assert!(!matches(mixed, "B8BE19", "1210728"), "a prefix is another number");
        assert!(!matches(mixed, "12107289", "12107289"));
        assert!(matches(forms(IdForm::Decimal, IdForm::Hex), "12107289", "B8BE19"));
        assert!(matches(forms(IdForm::Hex, IdForm::Text), "00B8BE19", "b8be19"));
        assert!(matches(forms(IdForm::Text, IdForm::Decimal), "0012", "12"));
        assert!(
            matches(forms(IdForm::Hex, IdForm::Hex), "xyz", "XYZ"),
            "what is no number is text"
        );
        assert!(!matches(mixed, "", "0"));
        let long = "F".repeat(32);
        assert!(matches(mixed, &long, &u128::MAX.to_string()));
        assert!(!matches(mixed, &(long + "F"), &u128::MAX.to_string()));
    }

    #[test]
    fn an_id_of_ours_is_digits_that_every_client_reads_alike() {
        for (key, digits) in [
            (0, "0"),
            (7, "7"),
            (OWN_MAX, "9223372036854775807"),
            (u64::MAX, "9223372036854775807"),
            (1 << 63, "0"),
        ] {
            let id = OwnId::new(key);
            assert_eq!(id.digits(), digits.as_bytes());
            assert_eq!(OwnId::parse(id.digits()), Some(key & OWN_MAX));
        }
        for wrong in ["", "07", "-1", "9223372036854775808", "12345678901234567890", "1a"] {
            assert_eq!(OwnId::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
