//! What a carrier's words mean for a push.

use crate::network::port::ReceiptSays;
use crate::smsc::outcome::{AttemptResult, Failure, HoldReason};
use wire::smpp::receipt::MessageState;
use wire::smpp::status::Consequence;
use wire::terms::code::Code;

/// What is known of the segments of one permit.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Verdict {
    /// Taken, and a receipt will come.
    pub(super) taken_mask: u16,
    /// Taken by a carrier that sends no receipts.
    pub(super) delivered_mask: u16,
    /// Sent and not answered.
    pub(super) doubt_mask: u16,
    /// Something was not sent, or came back for load.
    pub(super) returned: bool,
    /// The carrier refused a segment.
    pub(super) failure: Option<Failure>,
    /// What was sent and not answered is not to be sent again.
    pub(super) doubt_is_final: bool,
}

impl Verdict {
    /// How the attempt ended.
    pub(super) fn result(&self) -> AttemptResult {
        if self.doubt_mask != 0 && self.doubt_is_final {
            return AttemptResult::Doubted;
        }
        if self.doubt_mask != 0 {
            return AttemptResult::Held(HoldReason::InDoubt, Code::EXPIRED_BUSY);
        }
        match self.failure {
            Some(failure) => AttemptResult::Failed(failure),
            None if self.returned => AttemptResult::Returned,
            None if self.taken_mask == 0 => AttemptResult::Delivered,
            None => AttemptResult::HandedOver,
        }
    }

    /// Whether anything was sent that counts as an attempt.
    pub(super) fn is_attempt(&self) -> bool {
        let masks = self.taken_mask | self.delivered_mask | self.doubt_mask;
        masks != 0 || self.failure.is_some()
    }
}

/// The failure that an answer tells of; `None` where it is none of the push's.
pub(super) fn failure_of(consequence: Consequence) -> Option<Failure> {
    match consequence {
        Consequence::Taken
        | Consequence::SlowDown
        | Consequence::QueueFull
        | Consequence::Rebind => None,
        Consequence::SystemFailure => Some(Failure::SystemFailure),
        Consequence::UnknownNumber => Some(Failure::Unknown),
        Consequence::Final => Some(Failure::Rejected),
        Consequence::ProtocolError => Some(Failure::ProtocolError),
    }
}

/// What a receipt's state says; `None` where the SMS goes on.
pub(super) fn receipt_of(state: MessageState) -> Option<ReceiptSays> {
    Some(match state {
        MessageState::Delivered => ReceiptSays::Delivered,
        MessageState::Expired => ReceiptSays::Failed(Code::EXPIRED),
        MessageState::Deleted => ReceiptSays::Failed(Code::WITHDRAWN_BY_OPERATOR),
        MessageState::Undeliverable | MessageState::Rejected | MessageState::Skipped => {
            ReceiptSays::Failed(Code::CARRIER_FAILED)
        }
        MessageState::Unknown => ReceiptSays::Failed(Code::NO_RECEIPT),
        MessageState::Scheduled | MessageState::Enroute | MessageState::Accepted => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_comes_before_failure_and_failure_before_what_came_back() {
        let all = Verdict {
            taken_mask: 1,
            delivered_mask: 0,
            doubt_mask: 2,
            returned: true,
            failure: Some(Failure::SystemFailure),
            doubt_is_final: false,
        };
        let in_doubt = AttemptResult::Held(HoldReason::InDoubt, Code::EXPIRED_BUSY);
        assert_eq!(all.result(), in_doubt);
        let never_again = Verdict { doubt_is_final: true, ..all };
        assert_eq!(never_again.result(), AttemptResult::Doubted);
        let failed = Verdict { doubt_mask: 0, ..all };
        assert_eq!(failed.result(), AttemptResult::Failed(Failure::SystemFailure));
        let returned = Verdict { failure: None, ..failed };
        assert_eq!(returned.result(), AttemptResult::Returned);
        let taken = Verdict { returned: false, ..returned };
        assert_eq!(taken.result(), AttemptResult::HandedOver);
        let delivered = Verdict { delivered_mask: 1, ..Verdict::default() };
        assert_eq!(delivered.result(), AttemptResult::Delivered);
        assert!(!Verdict { returned: true, ..Verdict::default() }.is_attempt());
    }
}
