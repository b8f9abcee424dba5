//! Result codes and ends in SMPP's words.

use super::super::receipt::MessageState;
use super::super::session::VERSION_50;
use super::super::status::Status;
use crate::terms::code::Code;

/// What a request is answered that the gateway answers with this code; `version` is the peer's.
pub const fn status_of(code: Code, version: u8) -> Status {
    match code {
        Code::ACCEPTED | Code::REPEATED | Code::ALERT_KNOWN => Status::OK,
        Code::NOT_CONTRACTED => Status::INVALID_DESTINATION,
        Code::NO_ALPHABET | Code::BAD_DCS if version >= VERSION_50 => Status::INVALID_DATA_CODING,
        Code::TOO_MANY_SEGMENTS | Code::SEGMENTATION_OFF | Code::DATA_EMPTY => {
            Status::INVALID_MESSAGE_LENGTH
        }
        Code::BAD_UDH => Status::INVALID_ESM_CLASS,
        Code::ALREADY_EXPIRED => Status::INVALID_EXPIRY,
        Code::RATE => Status::THROTTLED,
        Code::OVERLOAD | Code::STORAGE_FULL | Code::TOO_MANY_WAITING => Status::QUEUE_FULL,
        Code::PUSH_NOT_FOUND => Status::INVALID_MESSAGE_ID,
        Code::ALREADY_DELIVERED | Code::ALREADY_CANCELLED | Code::ALREADY_ENDED => {
            Status::CANCEL_FAILED
        }
        Code::PAUSED | Code::INTERNAL | Code::NOT_DURABLE => Status::SYSTEM_ERROR,
        _ => Status::SUBMIT_FAILED,
    }
}

/// What became of a push that ended with this code.
pub const fn state_of(code: Code) -> MessageState {
    match code {
        Code::ACCEPTED => MessageState::Delivered,
        Code::EXPIRED | Code::EXPIRED_ABSENT | Code::EXPIRED_MEMORY_FULL | Code::EXPIRED_BUSY => {
            MessageState::Expired
        }
        Code::REPLACED | Code::CANCELLED_IN_PART | Code::WITHDRAWN_BY_OPERATOR => {
            MessageState::Deleted
        }
        Code::LINE_SUSPENDED
        | Code::SPAM_BLOCK
        | Code::USAGE_LIMIT
        | Code::PACKET_ROAMING_OUT
        | Code::INTERNATIONAL_ROAMING => MessageState::Rejected,
        Code::NO_RECEIPT => MessageState::Unknown,
        _ => MessageState::Undeliverable,
    }
}

/// `err` of a receipt: the first and the last two digits of the code; 000 for a delivery.
pub fn error_of(code: Code) -> [u8; 3] {
    let [first, _, third, last] = code.digits();
    [first, third, last]
}

/// error_code of query_sm_resp: the last two digits as a number.
pub fn query_error(code: Code) -> u8 {
    (code.number() % 100) as u8
}
