//! Times on the wire: TP-SCTS and TP-DT (3GPP TS 23.040, 9.2.3.11, 9.2.3.13) and TP-VP (9.2.3.12).

/// The zone octet of Japan Standard Time: 36 quarters of an hour east.
pub const JST_ZONE: u8 = 0x63;

/// Two decimal digits as two semi-octets, the first in the low one.
pub const fn swapped_digits(number: u8) -> u8 {
    ((number % 10) << 4) | (number / 10)
}
