//! Whose segments a carrier's ids are, and receipts whose ids are not known yet.
//!
//! A receipt may come before the answer that names its id, on another session, or not at all. One
//! that comes early is kept for a minute; its own answer waits two seconds for the id. An id that
//! the carrier gives a second time while the first is awaited stands for both: the receipt's own
//! number says for which of them it is.
//!
//! Invariants: what is awaited goes for its own receipt, or as the oldest beyond the bound, and for
//! nothing else; what is kept has a bound, beyond which the oldest is let go; what is done in a
//! turn does not grow with what is kept.

use crate::network::port::{ALL_SEGMENTS, AttemptToken, CarrierReceipt, ReceiptReply, ReceiptSays};
use std::collections::{HashMap, VecDeque};
use wire::smpp::id::{Id, IdForm, IdForms};
use wire::smpp::limits::MESSAGE_ID_OCTETS_MAX;
use wire::terms::ids::Msn;
use wire::terms::time::SteadyMs;

/// How long a receipt of an unknown id is kept: its answer may be on its way.
const EARLY_KEPT_MS: u64 = 60_000;
/// How long its own answer waits for that.
const EARLY_UNANSWERED_MS: u64 = 2_000;
/// Receipts of unknown ids that are kept.
const EARLY_MAX: usize = 4_096;
/// Segments that are awaited under an id that a later one has too.
const DOUBLES_MAX: usize = 4_096;
/// Entries of a queue that may be stale before they are looked for.
const STALE_MAX: usize = 1_024;
/// So many receipts in a row that match in other forms say that those are to be set.
const ELSEWISE_MAX: u32 = 20;
/// Last digits by which a receipt's number is compared with an msn: national and international
/// forms have them alike.
const COMPARED_DIGITS: usize = 8;

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

/// What ids are compared by wrongly on purpose, for tests that show that this would be noticed.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IdMutation {
    /// By nothing: they are compared as they are.
    #[default]
    None,
    /// Their first octets alone count.
    Prefix,
    /// Zeros before them do not count.
    ZerosStripped,
}

impl IdMutation {
    fn apply(self, id: IdKey) -> IdKey {
        match (self, id) {
            (Self::Prefix, IdKey::Text(text)) => {
                IdKey::Text(text[..text.len().saturating_sub(1)].into())
            }
            (Self::ZerosStripped, IdKey::Text(text)) => {
                let zeros = text.iter().take_while(|&&octet| octet == b'0').count();
                IdKey::Text(text[zeros..].into())
            }
            (_, id) => id,
        }
    }
}

/// Whose segment an id is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Awaited {
    pub(super) token: AttemptToken,
    pub(super) push_id: u64,
    pub(super) segment: u8,
    pub(super) msn: Msn,
}

impl Awaited {
    /// Whether one of these numbers is that of the phone.
    pub(super) fn is_about(&self, numbers: [&[u8]; 2]) -> bool {
        let msn = self.msn.digits();
        let tail = &msn[msn.len() - COMPARED_DIGITS..];
        numbers.iter().any(|number| number.ends_with(tail))
    }
}

/// Which of what was ever awaited or kept an entry is.
type Serial = u64;

/// A receipt whose id is not known yet.
#[derive(Debug)]
struct Early {
    says: ReceiptSays,
    reply: ReceiptReply,
    serial: Serial,
}

/// A receipt that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived<'a> {
    pub(super) id: &'a [u8],
    pub(super) says: ReceiptSays,
    /// Its addresses: one of them is the phone's.
    pub(super) numbers: [&'a [u8]; 2],
    pub(super) reply: ReceiptReply,
}

/// What becomes of a receipt that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Received {
    /// It is one that is awaited: its shard is to be told.
    Matched,
    /// Its id is not known yet.
    Kept,
    /// It is kept already, or can be nobody's: it is to be answered at once.
    Useless,
}

/// The ids of one carrier, and its receipts.
pub(super) struct Receipts {
    forms: IdForms,
    awaited: HashMap<IdKey, (Awaited, Serial)>,
    /// Older ones whose id was given again.
    doubles: HashMap<IdKey, Vec<Awaited>>,
    doubles_held: usize,
    /// The order in which they came, and some that are not awaited any more.
    order: VecDeque<(IdKey, Serial)>,
    awaited_max: usize,
    early: HashMap<IdKey, Early>,
    /// When each came, and some that are not kept any more: those not answered, and all.
    unanswered: VecDeque<(SteadyMs, IdKey, Serial)>,
    kept: VecDeque<(SteadyMs, IdKey, Serial)>,
    next_serial: Serial,
    /// For shards.
    pub(super) matched: VecDeque<CarrierReceipt>,
    /// To be answered.
    pub(super) replies: VecDeque<ReceiptReply>,
    /// Let go without ever being matched.
    pub(super) unmatched: u64,
    /// Ids that were given again while they were awaited.
    pub(super) given_again: u64,
    /// Receipts in a row that match nothing, and would in these other forms.
    elsewise: (IdForms, u32),
    advice: Option<&'static str>,
    mutation: IdMutation,
}

impl Receipts {
    /// Ids in these forms, at most so many awaited.
    pub(super) fn new(forms: IdForms, awaited_max: usize) -> Self {
        Self {
            forms,
            awaited: HashMap::new(),
            doubles: HashMap::new(),
            doubles_held: 0,
            order: VecDeque::new(),
            awaited_max: awaited_max.max(1),
            early: HashMap::new(),
            unanswered: VecDeque::new(),
            kept: VecDeque::new(),
            next_serial: 0,
            matched: VecDeque::new(),
            replies: VecDeque::new(),
            unmatched: 0,
            given_again: 0,
            elsewise: (forms, 0),
            advice: None,
            mutation: IdMutation::None,
        }
    }

    /// Ids are in these forms from now on. What is awaited under a text is awaited under what that
    /// means now; of a number nobody knows any more how it was written.
    pub(super) fn set_forms(&mut self, forms: IdForms) {
        if self.forms == forms {
            return;
        }
        self.forms = forms;
        let rekeyed = |key: IdKey| match key {
            IdKey::Text(text) => IdKey::of(forms.of_response(&text)),
            number @ IdKey::Number(_) => number,
        };
        let awaited = std::mem::take(&mut self.awaited);
        self.awaited = awaited.into_iter().map(|(key, whose)| (rekeyed(key), whose)).collect();
        let doubles = std::mem::take(&mut self.doubles);
        self.doubles = doubles.into_iter().map(|(key, older)| (rekeyed(key), older)).collect();
        let order = std::mem::take(&mut self.order);
        self.order = order.into_iter().map(|(key, serial)| (rekeyed(key), serial)).collect();
    }

    /// Makes an error on purpose, for tests.
    pub(super) fn mutate(&mut self, mutation: IdMutation) {
        self.mutation = mutation;
    }

    /// Segments that are awaited.
    pub(super) fn awaited(&self) -> usize {
        self.awaited.len() + self.doubles_held
    }

    fn serial(&mut self) -> Serial {
        self.next_serial += 1;
        self.next_serial
    }

    /// The carrier took a segment under this id. Whether its receipt has come already.
    pub(super) fn await_id(&mut self, id: &[u8], awaited: Awaited) -> bool {
        let key = self.mutation.apply(IdKey::of(self.forms.of_response(id)));
        let serial = self.serial();
        let older = self.awaited.insert(key.clone(), (awaited, serial)).map(|(older, _)| older);
        if let Some(older) = older.filter(|older| older.push_id == awaited.push_id) {
            if older.segment != awaited.segment {
                // One message carried all of them.
                let whole = Awaited { segment: ALL_SEGMENTS, ..awaited };
                self.awaited.insert(key.clone(), (whole, serial));
            }
        } else if let Some(older) = older {
            self.given_again += 1;
            if self.doubles_held < DOUBLES_MAX {
                self.doubles_held += 1;
                self.doubles.entry(key.clone()).or_default().push(older);
            }
        }
        self.order.push_back((key.clone(), serial));
        self.keep_to_bound();
        let Some(Early { says, reply, .. }) = self.early.remove(&key) else { return false };
        self.pass_on(&key, [&[]; 2], says, reply)
    }

    /// Beyond the bound the oldest is let go; stale entries of the order are dropped now and then.
    fn keep_to_bound(&mut self) {
        while self.awaited.len() > self.awaited_max {
            let Some((oldest, serial)) = self.order.pop_front() else { break };
            if self.awaited.get(&oldest).is_some_and(|(_, its)| *its == serial) {
                self.awaited.remove(&oldest);
            }
        }
        if self.order.len() > 2 * self.awaited.len() + STALE_MAX {
            let awaited = &self.awaited;
            self.order
                .retain(|(key, serial)| awaited.get(key).is_some_and(|(_, its)| its == serial));
        }
    }

    /// A receipt came.
    pub(super) fn receive(&mut self, arrived: Arrived<'_>, now_ms: SteadyMs) -> Received {
        let Arrived { id, says, numbers, reply } = arrived;
        if id.len() >= MESSAGE_ID_OCTETS_MAX {
            // No answer names such an id.
            self.unmatched += 1;
            return Received::Useless;
        }
        let key = self.mutation.apply(IdKey::of(self.forms.of_receipt(id)));
        if self.pass_on(&key, numbers, says, reply) {
            self.elsewise.1 = 0;
            return Received::Matched;
        }
        self.note_elsewise(id);
        if self.early.contains_key(&key) {
            return Received::Useless;
        }
        while self.early.len() >= EARLY_MAX {
            let Some((_, oldest, serial)) = self.kept.pop_front() else { break };
            self.let_go(&oldest, serial);
        }
        let serial = self.serial();
        self.unanswered.push_back((now_ms, key.clone(), serial));
        self.kept.push_back((now_ms, key.clone(), serial));
        self.early.insert(key, Early { says, reply, serial });
        for queue in [&mut self.unanswered, &mut self.kept] {
            if queue.len() > 2 * self.early.len() + STALE_MAX {
                let early = &self.early;
                queue.retain(|(_, key, serial)| is_kept(early, key, *serial));
            }
        }
        Received::Kept
    }

    /// A receipt matches nothing: would it, were ids written otherwise?
    fn note_elsewise(&mut self, id: &[u8]) {
        if self.elsewise.1 >= ELSEWISE_MAX || self.forms != IdForms::default() {
            return;
        }
        let Ok(text) = std::str::from_utf8(id) else { return };
        let awaits =
            |text: String| self.awaited.contains_key(&IdKey::Text(text.into_bytes().into()));
        let as_hex = text
            .parse::<u128>()
            .ok()
            .is_some_and(|number| awaits(format!("{number:x}")) || awaits(format!("{number:08x}")));
        let as_decimal = u128::from_str_radix(text, 16)
            .ok()
            .is_some_and(|number| awaits(number.to_string()) || awaits(format!("{number:010}")));
        let (hex, decimal) = (IdForm::Hex, IdForm::Decimal);
        let forms = match (as_hex, as_decimal) {
            (true, _) => IdForms { response: hex, receipt: decimal },
            (false, true) => IdForms { response: decimal, receipt: hex },
            (false, false) => return self.elsewise.1 = 0,
        };
        let (before, count) = self.elsewise;
        self.elsewise = (forms, if before == forms { count + 1 } else { 1 });
        if self.elsewise.1 == ELSEWISE_MAX {
            self.advice = Some(match as_hex {
                true => "set --response-ids hex --receipt-ids decimal",
                false => "set --response-ids decimal --receipt-ids hex",
            });
        }
    }

    /// Which forms of ids are to be set, once that is plain.
    pub(super) fn take_advice(&mut self) -> Option<&'static str> {
        self.advice.take()
    }

    /// A question was answered with what a receipt would say; its id is one of an answer.
    pub(super) fn receive_answer(&mut self, arrived: Arrived<'_>) {
        let key = IdKey::of(self.forms.of_response(arrived.id));
        self.pass_on(&key, arrived.numbers, arrived.says, arrived.reply);
    }

    fn pass_on(
        &mut self,
        key: &IdKey,
        numbers: [&[u8]; 2],
        says: ReceiptSays,
        reply: ReceiptReply,
    ) -> bool {
        let Some(whose) = self.take_awaited(key, numbers) else { return false };
        let Awaited { token, push_id, segment, .. } = whose;
        let receipt =
            CarrierReceipt { token, push_id, segment, says: Some(says), late_id: None, reply };
        self.matched.push_back(receipt);
        true
    }

    /// Whose receipt it is, who is awaited no longer. Where an id was given again its number
    /// decides, and where that says nothing the older one.
    fn take_awaited(&mut self, key: &IdKey, numbers: [&[u8]; 2]) -> Option<Awaited> {
        if !self.doubles.is_empty()
            && let Some(older) = self.doubles.get_mut(key)
        {
            let newest = self.awaited.get(key).is_some_and(|(newest, _)| newest.is_about(numbers));
            let at = older.iter().position(|older| older.is_about(numbers));
            if at.is_some() || !newest {
                let taken = older.remove(at.unwrap_or(0));
                self.doubles_held -= 1;
                if older.is_empty() {
                    self.doubles.remove(key);
                }
                return Some(taken);
            }
        }
        self.awaited.remove(key).map(|(awaited, _)| awaited)
    }

    /// A receipt of this id, which is not awaited, is for a segment that was in doubt: its shard is
    /// told that the carrier took it, and what has become of it.
    pub(super) fn settle_doubt(&mut self, arrived: &Arrived<'_>, whose: Awaited) {
        let Awaited { token, push_id, segment, .. } = whose;
        let (says, late_id) = (Some(arrived.says), Some(arrived.id.into()));
        let reply = arrived.reply;
        self.matched.push_back(CarrierReceipt { token, push_id, segment, says, late_id, reply });
    }

    /// The carrier answered after all that it took a segment which was in doubt.
    pub(super) fn await_late(&mut self, carrier: u8, id: &[u8], awaited: Awaited) {
        let Awaited { token, push_id, segment, .. } = awaited;
        let reply = ReceiptReply { carrier, session: (0, 0), request: None };
        let late_id = Some(id.into());
        let told = CarrierReceipt { token, push_id, segment, says: None, late_id, reply };
        self.matched.push_back(told);
        self.await_id(id, awaited);
    }

    /// Whether a receipt of this id is awaited.
    pub(super) fn awaits(&self, id: &[u8]) -> bool {
        let key = self.mutation.apply(IdKey::of(self.forms.of_receipt(id)));
        self.awaited.contains_key(&key) || self.doubles.contains_key(&key)
    }

    fn let_go(&mut self, key: &IdKey, serial: Serial) {
        if !is_kept(&self.early, key, serial) {
            return;
        }
        if let Some(early) = self.early.remove(key) {
            self.unmatched += 1;
            self.replies.extend(early.reply.request.map(|_| early.reply));
        }
    }

    /// Receipts whose ids have stayed unknown are answered after two seconds, and let go after a
    /// minute.
    pub(super) fn handle_time(&mut self, now_ms: SteadyMs) {
        while let Some((since_ms, _, _)) = self.unanswered.front()
            && now_ms >= *since_ms + EARLY_UNANSWERED_MS
        {
            let Some((_, key, serial)) = self.unanswered.pop_front() else { break };
            let Some(early) = self.early.get_mut(&key) else { continue };
            if early.serial == serial
                && let Some(request) = early.reply.request.take()
            {
                self.replies.push_back(ReceiptReply { request: Some(request), ..early.reply });
            }
        }
        while let Some((since_ms, _, _)) = self.kept.front()
            && now_ms >= *since_ms + EARLY_KEPT_MS
        {
            let Some((_, key, serial)) = self.kept.pop_front() else { break };
            self.let_go(&key, serial);
        }
    }

    /// When [`Self::handle_time`] has something to do.
    pub(super) fn next_due_ms(&self) -> Option<SteadyMs> {
        let unanswered = self.unanswered.front().map(|(since, ..)| *since + EARLY_UNANSWERED_MS);
        let kept = self.kept.front().map(|(since, ..)| *since + EARLY_KEPT_MS);
        unanswered.into_iter().chain(kept).min()
    }
}

fn is_kept(early: &HashMap<IdKey, Early>, key: &IdKey, serial: Serial) -> bool {
    early.get(key).is_some_and(|early| early.serial == serial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::smpp::command::Command;
    use wire::smpp::session::RequestId;

    fn reply(sequence: u32) -> ReceiptReply {
        let request = RequestId { command: Command::DELIVER_SM, sequence };
        ReceiptReply { carrier: 1, session: (0, 1), request: Some(request) }
    }

    fn awaited(push_id: u64) -> Awaited {
        let msn = Msn::from_value(9_010_000_000 + push_id).expect("a legal msn");
        Awaited { token: AttemptToken { partition: 0, push: 1 }, push_id, segment: 0, msn }
    }

    const SAYS: ReceiptSays = ReceiptSays::Delivered;

    fn receive(receipts: &mut Receipts, id: &str, sequence: u32, now_ms: u64) -> Received {
        let (id, reply, now_ms) = (id.as_bytes(), reply(sequence), SteadyMs::new(now_ms));
        receipts.receive(Arrived { id, says: SAYS, numbers: [b"", b"12345"], reply }, now_ms)
    }

    fn next(receipts: &mut Receipts) -> Option<u64> {
        receipts.matched.pop_front().map(|receipt| receipt.push_id)
    }

    #[test]
    fn receipts_that_would_match_in_other_forms_say_which_are_to_be_set() {
        let mut receipts = Receipts::new(IdForms::default(), 100);
        for number in 0..40u64 {
            receipts.await_id(format!("{:08X}", 0xB8BE00 + number).as_bytes(), awaited(number));
        }
        for number in 0..19 {
            receive(&mut receipts, &(0xB8BE00 + number).to_string(), 1, 0);
        }
        receive(&mut receipts, "nobody's", 1, 0);
        assert_eq!(receipts.take_advice(), None, "twenty in a row");
        for number in 0..20 {
            receive(&mut receipts, &(0xB8BE00 + number).to_string(), 1, 0);
        }
        let advice = receipts.take_advice().expect("plain by now");
        assert!(advice.contains("--response-ids hex --receipt-ids decimal"), "{advice}");
        receive(&mut receipts, &0xB8BE00.to_string(), 1, 0);
        assert_eq!(receipts.take_advice(), None, "once");
    }

    #[test]
    fn a_receipt_finds_its_segment_in_the_forms_of_the_carrier_and_once() {
        let forms = IdForms { response: IdForm::Hex, receipt: IdForm::Decimal };
        let mut receipts = Receipts::new(forms, 10);
        assert!(!receipts.await_id(b"00B8BE19", awaited(7)));
        assert_eq!(receive(&mut receipts, "12107289", 1, 0), Received::Matched);
        assert_eq!(next(&mut receipts), Some(7));
        assert_eq!(receive(&mut receipts, "12107289", 2, 0), Received::Kept);
        // No zero is left out where ids are text.
        let mut receipts = Receipts::new(IdForms::default(), 10);
        receipts.await_id(b"00b8be19", awaited(7));
        assert_eq!(receive(&mut receipts, "B8BE19", 1, 0), Received::Kept);
        assert_eq!(receive(&mut receipts, "00B8BE19", 2, 0), Received::Matched);
    }

    #[test]
    fn ids_awaited_as_text_are_found_when_the_operator_says_that_they_are_numbers() {
        let mut receipts = Receipts::new(IdForms::default(), 10);
        receipts.await_id(b"00B8BE19", awaited(7));
        receipts.set_forms(IdForms { response: IdForm::Hex, receipt: IdForm::Decimal });
        assert_eq!(receive(&mut receipts, "12107289", 1, 0), Received::Matched);
    }

    #[test]
    fn one_that_comes_early_is_matched_when_its_id_is_known_and_answered_in_two_seconds() {
        let mut receipts = Receipts::new(IdForms::default(), 10);
        assert_eq!(receive(&mut receipts, "1", 1, 0), Received::Kept);
        assert_eq!(receive(&mut receipts, "1", 2, 1), Received::Useless);
        receipts.handle_time(SteadyMs::new(EARLY_UNANSWERED_MS - 1));
        assert!(receipts.replies.is_empty());
        receipts.handle_time(SteadyMs::new(EARLY_UNANSWERED_MS));
        receipts.handle_time(SteadyMs::new(EARLY_UNANSWERED_MS + 1));
        assert_eq!(receipts.replies.pop_front(), Some(reply(1)), "once");
        assert!(receipts.replies.is_empty());
        let now_ms = SteadyMs::new(EARLY_UNANSWERED_MS);
        assert!(receipts.next_due_ms() > Some(now_ms), "nothing is due for now");
        assert!(receipts.await_id(b"1", awaited(7)));
        let matched = receipts.matched.pop_front().expect("it is passed on");
        assert_eq!((matched.push_id, matched.reply.request), (7, None), "it is answered already");
        // Beyond a minute it is let go, answered and counted.
        assert_eq!(receive(&mut receipts, "2", 3, 5_000), Received::Kept);
        receipts.handle_time(SteadyMs::new(5_000 + EARLY_KEPT_MS));
        assert_eq!((receipts.unmatched, receipts.replies.pop_front()), (1, Some(reply(3))));
        assert!(!receipts.await_id(b"2", awaited(8)));
        // No answer names an id so long.
        assert_eq!(receive(&mut receipts, &"9".repeat(65), 4, 0), Received::Useless);
        assert_eq!(receipts.unmatched, 2);
    }

    #[test]
    fn what_is_kept_has_bounds() {
        let mut receipts = Receipts::new(IdForms::default(), 10);
        for number in 0..100u64 {
            receipts.await_id(number.to_string().as_bytes(), awaited(number));
        }
        assert_eq!((receipts.awaited(), receipts.order.len()), (10, 10));
        for number in 1_000..1_000 + 2 * EARLY_MAX as u32 {
            receive(&mut receipts, &number.to_string(), number, 0);
        }
        assert_eq!((receipts.early.len(), receipts.kept.len()), (EARLY_MAX, EARLY_MAX));
        assert_eq!(receipts.replies.len(), EARLY_MAX, "who is let go is answered");
    }

    #[test]
    fn receipts_that_come_early_and_are_matched_leave_nothing_behind_one_that_is_not() {
        let mut receipts = Receipts::new(IdForms::default(), 10);
        receive(&mut receipts, "nobody's", 1, 0);
        for number in 0..20_000u32 {
            let id = number.to_string();
            assert_eq!(receive(&mut receipts, &id, number, 1), Received::Kept);
            assert!(receipts.await_id(id.as_bytes(), awaited(1)));
        }
        assert_eq!(receipts.early.len(), 1);
        assert!(receipts.kept.len() <= 2 + STALE_MAX && receipts.unanswered.len() <= 2 + STALE_MAX);
    }

    #[test]
    fn a_receipt_is_awaited_however_many_others_come_and_go_meanwhile() {
        let mut receipts = Receipts::new(IdForms::default(), 10);
        receipts.await_id(b"late", awaited(7));
        for number in 0..10_000u32 {
            let id = format!("id-{number}");
            receipts.await_id(id.as_bytes(), awaited(8));
            assert_eq!(receive(&mut receipts, &id, number, 0), Received::Matched);
            next(&mut receipts);
        }
        assert!(receipts.order.len() <= 2 + STALE_MAX, "{}", receipts.order.len());
        assert_eq!(receive(&mut receipts, "late", 1, 0), Received::Matched);
        assert_eq!(next(&mut receipts), Some(7));
    }

    #[test]
    fn of_two_segments_with_one_id_the_receipts_number_says_which_it_is_for() {
        let of = |receipts: &mut Receipts, number: &[u8]| {
            let numbers = [number, b"Hayauma"];
            let arrived = Arrived { id: b"1", says: SAYS, numbers, reply: reply(1) };
            assert_eq!(receipts.receive(arrived, SteadyMs::ZERO), Received::Matched);
            next(receipts)
        };
        let mut receipts = Receipts::new(IdForms::default(), 10);
        for push_id in [7, 8, 9] {
            receipts.await_id(b"1", awaited(push_id));
        }
        assert_eq!((receipts.awaited(), receipts.given_again), (3, 2));
        assert_eq!(of(&mut receipts, b"819010000009"), Some(9));
        receipts.await_id(b"1", awaited(9));
        assert_eq!(of(&mut receipts, b"09010000008"), Some(8));
        assert_eq!(of(&mut receipts, b"somebody"), Some(7), "the oldest");
        assert_eq!((of(&mut receipts, b"somebody"), receipts.awaited()), (Some(9), 0));
    }
}
