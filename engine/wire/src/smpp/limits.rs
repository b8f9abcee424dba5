//! Every bound of SMPP, units last. Lengths of C-octet strings count their NUL, as the
//! specification does.

/// The header of every PDU (SMPP 3.4, 3.2).
pub const HEADER_OCTETS: usize = 16;
/// The longest PDU that is taken or sent: what a peer announces beyond it costs the connection.
pub const PDU_OCTETS_MAX: usize = 16 * 1024;
/// The highest sequence number; the lowest is 1 (SMPP 3.4, 5.1.4).
pub const SEQUENCE_MAX: u32 = 0x7FFF_FFFF;

/// `system_id` (SMPP 3.4, 5.2.1).
pub const SYSTEM_ID_OCTETS_MAX: usize = 16;
/// `password` (SMPP 3.4, 5.2.2).
pub const PASSWORD_OCTETS_MAX: usize = 9;
/// `system_type` (SMPP 3.4, 5.2.3).
pub const SYSTEM_TYPE_OCTETS_MAX: usize = 13;
/// `address_range` (SMPP 3.4, 5.2.7).
pub const ADDRESS_RANGE_OCTETS_MAX: usize = 41;
/// `service_type` (SMPP 3.4, 5.2.11).
pub const SERVICE_TYPE_OCTETS_MAX: usize = 6;
/// `source_addr` and `destination_addr` of a short message (SMPP 3.4, 5.2.8 and 5.2.9).
pub const ADDRESS_OCTETS_MAX: usize = 21;
/// The same in data_sm and alert_notification (SMPP 3.4, 4.7.1 and 4.12.1).
pub const LONG_ADDRESS_OCTETS_MAX: usize = 65;
/// `schedule_delivery_time`, `validity_period` and `final_date` (SMPP 3.4, 7.1.1).
pub const TIME_OCTETS_MAX: usize = 17;
/// `message_id` (SMPP 3.4, 5.2.23).
pub const MESSAGE_ID_OCTETS_MAX: usize = 65;
/// `short_message` as 3.4 has it (5.2.22); 5.0 and some peers of 3.4 go to 255, which is read.
pub const SHORT_MESSAGE_OCTETS_MAX: usize = 254;
/// What one octet of `sm_length` can say.
pub const SM_LENGTH_MAX: usize = 255;
/// Tag and length of a TLV (SMPP 3.4, 3.2.4.1).
pub const TLV_HEADER_OCTETS: usize = 4;

/// The longest PDU that a session makes by itself: a bind_resp with its sc_interface_version.
pub const CONTROL_OCTETS_MAX: usize = HEADER_OCTETS + SYSTEM_ID_OCTETS_MAX + TLV_HEADER_OCTETS + 1;
/// PDUs of its own that a session keeps until somebody writes them; while so many wait it reads
/// nothing.
pub const CONTROLS_MAX: usize = 16;
/// Requests that a session may have outstanding, either way.
pub const WINDOW_PDUS_MAX: usize = 2048;
/// Requests in a row that cannot be read, until the connection is closed.
pub const BAD_REQUESTS_MAX: u32 = 10;
/// Requests in a row without an answer, until the connection is closed.
pub const UNANSWERED_REQUESTS_MAX: u32 = 3;

/// With requests outstanding and nothing received for so long, an enquire_link goes out at once.
pub const SILENCE_PROBE_MS: u64 = 5_000;
/// With requests outstanding and nothing received for so long, a session counts as down for
/// dealing.
pub const SILENCE_DOWN_MS: u64 = 10_000;
/// How long an enquire_link waits for its answer.
pub const ENQUIRE_ANSWER_MS: u64 = 10_000;
/// How long an unbind waits for its answer, and a peer's unbind for our last answers.
pub const UNBIND_MS: u64 = 5_000;
/// How long a PDU may take from its first octet to its last.
pub const PARTIAL_PDU_MS: u64 = 10_000;
/// How long a connection may be unbound.
pub const SESSION_INIT_MS: u64 = 10_000;
/// How long a request waits for its answer.
pub const RESPONSE_MS: u64 = 60_000;
/// After so long without an octet an enquire_link goes to a carrier.
pub const ENQUIRE_CARRIER_MS: u64 = 30_000;
/// After so long without an octet an enquire_link goes to a customer.
pub const ENQUIRE_CUSTOMER_MS: u64 = 60_000;
/// How long a connection may take to be made.
pub const CONNECT_MS: u64 = 5_000;

/// Octets of the whole text of a receipt that is written: the fields of appendix B and 20 octets of
/// text.
pub const RECEIPT_TEXT_OCTETS_MAX: usize = 192;
/// Octets of the text that a receipt repeats (SMPP 3.4, appendix B).
pub const RECEIPT_REPEATED_OCTETS_MAX: usize = 20;
/// Characters of `err` in a receipt's text; appendix B has 3.
pub const RECEIPT_ERROR_OCTETS_MAX: usize = 8;

const _: () = assert!(CONTROL_OCTETS_MAX < PDU_OCTETS_MAX);
const _: () = assert!(SHORT_MESSAGE_OCTETS_MAX < SM_LENGTH_MAX);
const _: () =
    assert!(RECEIPT_TEXT_OCTETS_MAX < SHORT_MESSAGE_OCTETS_MAX, "a receipt is one short message");
const _: () = assert!(SILENCE_PROBE_MS < SILENCE_DOWN_MS);
const _: () = assert!(WINDOW_PDUS_MAX < u16::MAX as usize, "places of the window are 16 bits");
const _: () = assert!(PDU_OCTETS_MAX < u16::MAX as usize, "offsets in a PDU are 16 bits");
