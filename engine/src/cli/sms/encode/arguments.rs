//! Addresses and times as they are written on the command line.

use super::octet_of;
use wire::sms::address::{Address, TypeOfNumber};
use wire::sms::time::{LocalTime, TimeStamp};

/// How an address is to be read.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct AddressArguments {
    /// The type of address octet in hexadecimal, for an address of 0-9*#abc or, with an
    /// alphanumeric type, of text. Without it: + and digits is international (91), digits alone are
    /// unknown (81), anything else is text (D0).
    #[arg(long, value_parser = octet_of)]
    pub(super) address_type: Option<u8>,
}

impl AddressArguments {
    pub(super) fn read(self, text: &str) -> Result<Address, String> {
        let address = match self.address_type {
            None => Address::parse(text),
            Some(octet) if TypeOfNumber::from_bits(octet >> 4) == TypeOfNumber::Alphanumeric => {
                Address::alphanumeric(text).map(|address| address.with_type(octet))
            }
            Some(octet) => Address::numeric(octet, text.as_bytes()),
        };
        address.map_err(|error| format!("address '{text}': {error}"))
    }
}

/// A service centre's address as it stands before a TPDU where modems carry it (3GPP TS 27.005,
/// 3.1): the octets that follow, the type of address and the digits; `none` is a single zero.
pub(super) fn service_centre_of(text: &str) -> Result<String, String> {
    if text == "none" {
        return Ok("00".to_owned());
    }
    let address = Address::parse(text).map_err(|error| error.to_string())?;
    if address.type_of_number() == TypeOfNumber::Alphanumeric {
        return Err(format!("'{text}' is not the number of a service centre"));
    }
    let field = &address.as_octets()[1..];
    Ok(super::hex_of(&[field.len() as u8]) + &super::hex_of(field))
}

/// `YYYY-MM-DDThh:mm:ss` and a zone as `+hh:mm`, `-hh:mm` or `Z`.
pub(super) fn time_of(text: &str) -> Result<TimeStamp, String> {
    let wrong = || {
        format!("'{text}' is not a time like 2026-11-22T13:34:30+09:00 of the years 1990 to 2089")
    };
    let (moment, zone) = text.split_at_checked(19).ok_or_else(wrong)?;
    let digits = |digits: &str| -> Result<u16, String> {
        let decimal = digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse().ok().filter(|_| decimal).ok_or_else(wrong)
    };
    let number = |from: usize, to: usize| digits(moment.get(from..to).unwrap_or_default());
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, separator)| moment.as_bytes()[at] != separator) {
        return Err(wrong());
    }
    let zone_quarters = match (zone.get(..1), zone.get(1..3), zone.get(3..4), zone.get(4..)) {
        (Some("Z"), None, ..) if zone == "Z" => 0,
        (Some(sign @ ("+" | "-")), Some(hours), Some(":"), Some(minutes)) if minutes.len() == 2 => {
            let minutes = digits(hours)? * 60 + digits(minutes)?;
            let quarters = i8::try_from(minutes / 15).ok().filter(|_| minutes.is_multiple_of(15));
            let quarters = quarters.ok_or_else(wrong)?;
            if sign == "-" { -quarters } else { quarters }
        }
        _ => return Err(wrong()),
    };
    let two = |from| number(from, from + 2).map(|number| number as u8);
    let time = LocalTime {
        year: number(0, 4)?,
        month: two(5)?,
        day: two(8)?,
        hour: two(11)?,
        minute: two(14)?,
        second: two(17)?,
        zone_quarters,
    };
    TimeStamp::new(time).ok_or_else(wrong)
}
