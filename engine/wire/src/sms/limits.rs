//! The sizes that 3GPP TS 23.040 and TS 23.038 fix, and those this room adds. Units come last.

/// Octets a TP-User-Data field holds at most (TS 23.040, 9.2.3.24).
pub const USER_DATA_OCTETS_MAX: usize = 140;
/// Septets a TP-User-Data field holds at most.
pub const USER_DATA_SEPTETS_MAX: usize = USER_DATA_OCTETS_MAX * 8 / 7;
/// UTF-16 code units a TP-User-Data field holds at most.
pub const USER_DATA_UNITS_MAX: usize = USER_DATA_OCTETS_MAX / 2;
/// Octets of a user data header that leaves room for one concatenation element and one septet.
pub const CLIENT_HEADER_OCTETS_MAX: usize = 134;
/// Digits in an address field at most (TS 23.040, 9.1.2.5).
pub const ADDRESS_DIGITS_MAX: usize = 20;
/// Characters of an alphanumeric address at most: 11 septets in 10 octets (9.1.2.5).
pub const ALPHANUMERIC_CHARACTERS_MAX: usize = 11;
/// Octets of an address field: length, type, and ten of value (9.1.2.5).
pub const ADDRESS_OCTETS_MAX: usize = 12;
/// Octets of a time stamp (9.2.3.11) and of a full validity period (9.2.3.12).
pub const TIME_OCTETS: usize = 7;
/// Octets of an SMS-SUBMIT at most (9.2.2.2).
pub const SUBMIT_OCTETS_MAX: usize =
    2 + ADDRESS_OCTETS_MAX + 2 + TIME_OCTETS + 1 + USER_DATA_OCTETS_MAX;
/// Octets of an SMS-DELIVER at most (9.2.2.1).
pub const DELIVER_OCTETS_MAX: usize =
    1 + ADDRESS_OCTETS_MAX + 2 + TIME_OCTETS + 1 + USER_DATA_OCTETS_MAX;
/// Octets of any TPDU at most: what the longest SMS-SUBMIT takes, and what the reports and
/// SMS-COMMAND are cut to (9.2.2.1a, 9.2.2.2a, 9.2.2.3: 159 octets of user data behind the shortest
/// report).
pub const TPDU_OCTETS_MAX: usize = 164;
/// Octets of TP-User-Data in a report at most: SMS-DELIVER-REPORT in an RP-ACK (9.2.2.1a).
pub const REPORT_USER_DATA_OCTETS_MAX: usize = 159;
/// Septets that those octets hold.
pub const REPORT_USER_DATA_SEPTETS_MAX: usize = REPORT_USER_DATA_OCTETS_MAX * 8 / 7;
/// Segments a push may need at most; what the push-client interface promises.
pub const SEGMENTS_MAX: u8 = 10;
/// Segments a concatenated short message can have at all: the element counts them in one octet
/// (9.2.3.24.1).
pub const CONCATENATED_SEGMENTS_MAX: u8 = 255;
/// Octets that the SMS-SUBMITs of one push take at most, each with its length octet before it.
pub const SUBMITS_OCTETS_MAX: usize = SEGMENTS_MAX as usize * (1 + SUBMIT_OCTETS_MAX);
/// National language identifiers run from 1 to this (TS 23.038, 6.2.1.2.4).
pub const LANGUAGE_NUMBER_MAX: u8 = 13;

const _: () = assert!(USER_DATA_SEPTETS_MAX == 160, "140 octets are 160 septets");
const _: () = assert!(USER_DATA_UNITS_MAX == 70, "140 octets are 70 UTF-16 code units");
const _: () = assert!(
    CLIENT_HEADER_OCTETS_MAX + 5 < USER_DATA_OCTETS_MAX,
    "a client's header, a concatenation element and one octet of content fit"
);
const _: () = assert!(SUBMIT_OCTETS_MAX <= u8::MAX as usize, "one octet holds a SUBMIT's length");
const _: () =
    assert!(SUBMIT_OCTETS_MAX <= TPDU_OCTETS_MAX && DELIVER_OCTETS_MAX <= TPDU_OCTETS_MAX);
const _: () = assert!(
    REPORT_USER_DATA_SEPTETS_MAX <= u8::MAX as usize,
    "TP-UDL counts the septets of the longest report in one octet"
);
const _: () = assert!(
    ALPHANUMERIC_CHARACTERS_MAX * 7 <= (ADDRESS_OCTETS_MAX - 2) * 8,
    "an alphanumeric address fits the address field"
);
