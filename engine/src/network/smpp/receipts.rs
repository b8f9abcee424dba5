//! Whose segments a carrier's ids are, and receipts whose ids are not known yet.
//!
//! A receipt may come before the answer that names its id, on another session, or not at all. One
//! that comes early is kept for a minute; its own answer waits two seconds for the id. What is kept
//! has a bound, beyond which the oldest is let go.

use crate::network::port::{CarrierReceipt, ReceiptReply, ReceiptSays, Token};
use std::collections::{HashMap, VecDeque};
use wire::smpp::id::{Id, IdForms};

/// How long a receipt of an unknown id is kept: its answer may be on its way.
const EARLY_KEPT_MS: u64 = 60_000;
/// How long its own answer waits for that.
const EARLY_UNANSWERED_MS: u64 = 2_000;
/// Receipts of unknown ids that are kept.
const EARLY_MAX: usize = 4_096;

/// An id as it is compared: see [`wire::smpp::id`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum IdKey {
    Number(u128),
    Text(Box<[u8]>),
}

impl IdKey {
    fn of(id: Id<'_>) -> Self {
        match id {
            Id::Number(number) => Self::Number(number),
            Id::Text(text) => Self::Text(text.to_ascii_lowercase().into()),
        }
    }
}

/// Whose segment an id is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaited {
    pub(super) token: Token,
    pub(super) push_id: u64,
    pub(super) segment: u8,
}

/// A receipt whose id is not known yet.
#[derive(Debug)]
struct Early {
    says: ReceiptSays,
    reply: ReceiptReply,
    since_ms: u64,
}

/// What becomes of a receipt that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Received {
    /// It is one that is awaited: its shard is to be told.
    Matched,
    /// Its id is not known yet.
    Kept,
    /// It is kept already, and this one is to be answered at once.
    Again,
}

/// The ids of one carrier, and its receipts.
pub(super) struct Receipts {
    forms: IdForms,
    awaited: HashMap<IdKey, Awaited>,
    /// The order in which they came, and some that are not awaited any more.
    order: VecDeque<IdKey>,
    awaited_max: usize,
    early: HashMap<IdKey, Early>,
    early_order: VecDeque<(u64, IdKey)>,
    /// For shards.
    pub(super) matched: VecDeque<CarrierReceipt>,
    /// To be answered.
    pub(super) replies: VecDeque<ReceiptReply>,
    /// Let go without ever being matched.
    pub(super) unmatched: u64,
}

impl Receipts {
    /// Ids in these forms, at most so many awaited.
    pub(super) fn new(forms: IdForms, awaited_max: usize) -> Self {
        Self {
            forms,
            awaited: HashMap::new(),
            order: VecDeque::new(),
            awaited_max,
            early: HashMap::new(),
            early_order: VecDeque::new(),
            matched: VecDeque::new(),
            replies: VecDeque::new(),
            unmatched: 0,
        }
    }

    /// Segments that are awaited.
    pub(super) fn awaited(&self) -> usize {
        self.awaited.len()
    }

    /// The carrier took a segment under this id. Whether its receipt has come already.
    pub(super) fn await_id(&mut self, id: &[u8], awaited: Awaited) -> bool {
        let key = IdKey::of(self.forms.of_response(id));
        self.awaited.insert(key.clone(), awaited);
        self.order.push_back(key.clone());
        while self.awaited.len() > self.awaited_max || self.order.len() > 2 * self.awaited_max {
            let Some(oldest) = self.order.pop_front() else { break };
            self.awaited.remove(&oldest);
        }
        let Some(Early { says, reply, .. }) = self.early.remove(&key) else { return false };
        self.pass_on(&key, says, reply)
    }

    /// A receipt of this id came.
    pub(super) fn receive(
        &mut self,
        id: &[u8],
        says: ReceiptSays,
        reply: ReceiptReply,
        now_ms: u64,
    ) -> Received {
        let key = IdKey::of(self.forms.of_receipt(id));
        if self.pass_on(&key, says, reply) {
            return Received::Matched;
        }
        if self.early.contains_key(&key) {
            return Received::Again;
        }
        if self.early.len() >= EARLY_MAX
            && let Some((_, oldest)) = self.early_order.pop_front()
        {
            self.let_go(&oldest);
        }
        self.early_order.push_back((now_ms, key.clone()));
        self.early.insert(key, Early { says, reply, since_ms: now_ms });
        Received::Kept
    }

    fn pass_on(&mut self, key: &IdKey, says: ReceiptSays, reply: ReceiptReply) -> bool {
        let Some(Awaited { token, push_id, segment }) = self.awaited.remove(key) else {
            return false;
        };
        self.matched.push_back(CarrierReceipt { token, push_id, segment, says, reply });
        true
    }

    fn let_go(&mut self, key: &IdKey) {
        if let Some(early) = self.early.remove(key) {
            self.unmatched += 1;
            self.replies.extend(early.reply.request.map(|_| early.reply));
        }
    }

    /// Receipts whose ids have stayed unknown are answered after two seconds, and let go after a
    /// minute.
    pub(super) fn handle_time(&mut self, now_ms: u64) {
        while let Some((since_ms, key)) = self.early_order.front() {
            let is_kept = self.early.get(key).is_some_and(|early| early.since_ms == *since_ms);
            if is_kept && now_ms < since_ms + EARLY_KEPT_MS {
                break;
            }
            let Some((_, key)) = self.early_order.pop_front() else { break };
            if is_kept {
                self.let_go(&key);
            }
        }
        for (since_ms, key) in &self.early_order {
            if now_ms < since_ms + EARLY_UNANSWERED_MS {
                break;
            }
            let Some(early) = self.early.get_mut(key) else { continue };
            if let Some(request) = early.reply.request.take() {
                self.replies.push_back(ReceiptReply { request: Some(request), ..early.reply });
            }
        }
    }

    /// When [`Self::handle_time`] has something to do.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.early_order.front().map(|(since_ms, _)| since_ms + EARLY_UNANSWERED_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::smpp::command::Command;
    use wire::smpp::id::IdForm;
    use wire::smpp::session::RequestId;

    fn reply(sequence: u32) -> ReceiptReply {
        let request = RequestId { command: Command::DELIVER_SM, sequence };
        ReceiptReply { carrier: 1, session: (0, 1), request: Some(request) }
    }

    fn awaited(push_id: u64) -> Awaited {
        Awaited { token: Token { partition: 0, push: 1 }, push_id, segment: 0 }
    }

    const SAYS: ReceiptSays = ReceiptSays::Delivered;

    #[test]
    fn a_receipt_finds_its_segment_in_the_forms_of_the_carrier_and_once() {
        let forms = IdForms { response: IdForm::Hex, receipt: IdForm::Decimal };
        let mut receipts = Receipts::new(forms, 10);
        assert!(!receipts.await_id(b"00B8BE19", awaited(7)));
        assert_eq!(receipts.receive(b"12107289", SAYS, reply(1), 0), Received::Matched);
        assert_eq!(receipts.matched.pop_front().map(|receipt| receipt.push_id), Some(7));
        assert_eq!(receipts.receive(b"12107289", SAYS, reply(2), 0), Received::Kept);
        // No zero is left out where ids are text.
        let mut receipts = Receipts::new(IdForms::default(), 10);
        receipts.await_id(b"00b8be19", awaited(7));
        assert_eq!(receipts.receive(b"B8BE19", SAYS, reply(1), 0), Received::Kept);
        assert_eq!(receipts.receive(b"00B8BE19", SAYS, reply(2), 0), Received::Matched);
    }

    #[test]
    fn one_that_comes_early_is_matched_when_its_id_is_known_and_answered_in_two_seconds() {
        let mut receipts = Receipts::new(IdForms::default(), 10);
        assert_eq!(receipts.receive(b"1", SAYS, reply(1), 0), Received::Kept);
        assert_eq!(receipts.receive(b"1", SAYS, reply(2), 1), Received::Again);
        receipts.handle_time(EARLY_UNANSWERED_MS - 1);
        assert!(receipts.replies.is_empty());
        receipts.handle_time(EARLY_UNANSWERED_MS);
        receipts.handle_time(EARLY_UNANSWERED_MS + 1);
        assert_eq!(receipts.replies.pop_front(), Some(reply(1)), "once");
        assert!(receipts.replies.is_empty());
        assert!(receipts.await_id(b"1", awaited(7)));
        let matched = receipts.matched.pop_front().expect("it is passed on");
        assert_eq!((matched.push_id, matched.reply.request), (7, None), "it is answered already");
        // Beyond a minute it is let go, answered and counted.
        assert_eq!(receipts.receive(b"2", SAYS, reply(3), 5_000), Received::Kept);
        receipts.handle_time(5_000 + EARLY_KEPT_MS);
        assert_eq!((receipts.unmatched, receipts.replies.pop_front()), (1, Some(reply(3))));
        assert!(!receipts.await_id(b"2", awaited(8)));
    }

    #[test]
    fn what_is_kept_has_bounds() {
        let mut receipts = Receipts::new(IdForms::default(), 10);
        for number in 0..100u64 {
            receipts.await_id(number.to_string().as_bytes(), awaited(number));
        }
        assert_eq!((receipts.awaited(), receipts.order.len()), (10, 10));
        for number in 1_000..1_000 + 2 * EARLY_MAX as u32 {
            receipts.receive(number.to_string().as_bytes(), SAYS, reply(number), 0);
        }
        assert_eq!((receipts.early.len(), receipts.early_order.len()), (EARLY_MAX, EARLY_MAX));
        assert_eq!(receipts.replies.len(), EARLY_MAX, "who is let go is answered");
    }
}
