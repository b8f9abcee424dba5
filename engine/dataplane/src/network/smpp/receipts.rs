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

#[cfg(test)]
mod tests;

use crate::network::port::{ALL_SEGMENTS, CarrierReceipt, ReceiptReply, ReceiptSays};
use crate::network::smpp::awaited::{Awaited, AwaitedIds, IdKey};
use std::collections::{HashMap, VecDeque};
use wire::smpp::id::{IdForm, IdForms};
use wire::smpp::limits::MESSAGE_ID_OCTETS_MAX;
use wire::terms::time::SteadyMs;

/// How long a receipt of an unknown id is kept: its answer may be on its way.
const EARLY_KEPT_MS: u64 = 60_000;
/// How long its own answer waits for that.
const EARLY_UNANSWERED_MS: u64 = 2_000;
/// Receipts of unknown ids that are kept.
const EARLY_MAX: usize = 4_096;
/// Segments that are awaited under an id that a later one has too.
const DOUBLES_MAX: usize = 4_096;
/// Ids that are looked at in one turn once the operator has said how they are written.
const RENAMED_PER_TURN_MAX: usize = 1_024;
/// Entries of a queue that may be stale before they are looked for.
const STALE_MAX: usize = 1_024;
/// So many receipts in a row that match in other forms say that those are to be set.
const ELSEWISE_MAX: u32 = 20;

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

/// Which of the receipts that were ever kept one is.
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
    awaited: AwaitedIds,
    /// Older ones whose id was given again.
    doubles: HashMap<IdKey, Vec<Awaited>>,
    doubles_held: usize,
    awaited_max: usize,
    early: HashMap<IdKey, Early>,
    /// When each came, and some that are not kept any more: those not answered, and all.
    unanswered: VecDeque<(SteadyMs, IdKey, Serial)>,
    kept: VecDeque<(SteadyMs, IdKey, Serial)>,
    next_serial: Serial,
    /// When the carrier took the segment whose receipt matched last.
    pub(super) last_since_ms: SteadyMs,
    /// For shards.
    pub(super) matched: VecDeque<CarrierReceipt>,
    /// To be answered.
    pub(super) replies: VecDeque<ReceiptReply>,
    /// Came with an id that is not awaited.
    pub(super) unknown: u64,
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
            awaited: AwaitedIds::new(awaited_max.max(1)),
            doubles: HashMap::new(),
            doubles_held: 0,
            awaited_max: awaited_max.max(1),
            early: HashMap::new(),
            unanswered: VecDeque::new(),
            kept: VecDeque::new(),
            next_serial: 0,
            last_since_ms: SteadyMs::ZERO,
            matched: VecDeque::new(),
            replies: VecDeque::new(),
            unknown: 0,
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
        self.awaited.rename_all();
        for (key, older) in std::mem::take(&mut self.doubles) {
            self.doubles.entry(rekeyed(key)).or_default().extend(older);
        }
    }

    /// Looks at some ids that were awaited when the forms changed. A receipt of one that is not
    /// looked at yet is kept, as one that comes early, until it is.
    fn rename_some(&mut self) {
        for _ in 0..RENAMED_PER_TURN_MAX {
            if !self.awaited.is_renaming() {
                return;
            }
            let Some((index, text)) = self.awaited.next_to_rename() else { continue };
            let key = IdKey::of(self.forms.of_response(&text));
            if let Some(older) = self.awaited.rename(index, &key) {
                self.put_double(&key, older);
            }
            if let Some(Early { says, reply, .. }) = self.early.remove(&key) {
                self.pass_on(&key, [&[]; 2], says, reply);
            }
        }
    }

    /// The id is awaited for another too.
    fn put_double(&mut self, key: &IdKey, older: Awaited) {
        self.given_again += 1;
        if self.doubles_held < DOUBLES_MAX {
            self.doubles_held += 1;
            self.doubles.entry(key.clone()).or_default().push(older);
        }
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

    /// The carrier took a segment under this id. Its receipt, where that has come already.
    #[must_use]
    pub(super) fn await_id(&mut self, id: &[u8], awaited: Awaited) -> Option<CarrierReceipt> {
        let key = self.mutation.apply(IdKey::of(self.forms.of_response(id)));
        let older = self.awaited.insert(key.clone(), awaited);
        if let Some(older) = older.filter(|older| older.push_id == awaited.push_id) {
            if older.segment != awaited.segment {
                // One message carried all of them.
                let whole = Awaited { segment: ALL_SEGMENTS, ..awaited };
                self.awaited.insert(key.clone(), whole);
            }
        } else if let Some(older) = older {
            self.put_double(&key, older);
        }
        while self.awaited.len() > self.awaited_max {
            self.awaited.remove_oldest();
        }
        if self.early.is_empty() {
            return None;
        }
        let Early { says, reply, .. } = self.early.remove(&key)?;
        self.matching(&key, [&[]; 2], says, reply)
    }

    /// A receipt came.
    pub(super) fn receive(&mut self, arrived: Arrived<'_>, now_ms: SteadyMs) -> Received {
        let Arrived { id, says, numbers, reply } = arrived;
        if id.len() >= MESSAGE_ID_OCTETS_MAX {
            // No answer names such an id.
            self.unknown += 1;
            self.unmatched += 1;
            return Received::Useless;
        }
        let key = self.mutation.apply(IdKey::of(self.forms.of_receipt(id)));
        if self.pass_on(&key, numbers, says, reply) {
            self.elsewise.1 = 0;
            return Received::Matched;
        }
        self.unknown += 1;
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
            |text: String| self.awaited.get(&IdKey::Text(text.into_bytes().into())).is_some();
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
        let receipt = self.matching(key, numbers, says, reply);
        let is_awaited = receipt.is_some();
        self.matched.extend(receipt);
        is_awaited
    }

    /// The receipt as its shard takes it.
    fn matching(
        &mut self,
        key: &IdKey,
        numbers: [&[u8]; 2],
        says: ReceiptSays,
        reply: ReceiptReply,
    ) -> Option<CarrierReceipt> {
        let Awaited { token, push_id, segment, since_ms, .. } = self.take_awaited(key, numbers)?;
        self.last_since_ms = since_ms;
        let (says, late_id, is_answered) = (Some(says), None, false);
        Some(CarrierReceipt { token, push_id, segment, says, late_id, reply, is_answered })
    }

    /// Whose receipt it is, who is awaited no longer. Where an id was given again its number
    /// decides, and where that says nothing the older one.
    fn take_awaited(&mut self, key: &IdKey, numbers: [&[u8]; 2]) -> Option<Awaited> {
        if !self.doubles.is_empty()
            && let Some(older) = self.doubles.get_mut(key)
        {
            let newest = self.awaited.get(key).is_some_and(|newest| newest.is_about(numbers));
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
        self.awaited.remove(key)
    }

    /// A receipt of this id, which is not awaited, is for a segment that was in doubt: its shard is
    /// told that the carrier took it, and what has become of it.
    pub(super) fn settle_doubt(&mut self, arrived: &Arrived<'_>, whose: Awaited) {
        let Awaited { token, push_id, segment, .. } = whose;
        let (says, late_id) = (Some(arrived.says), Some(arrived.id.into()));
        let (reply, is_answered) = (arrived.reply, false);
        let told = CarrierReceipt { token, push_id, segment, says, late_id, reply, is_answered };
        self.matched.push_back(told);
    }

    /// The carrier answered after all that it took a segment which was in doubt. A receipt that has
    /// come already is told with that: it may be answered, and both are recorded at once then.
    pub(super) fn await_late(&mut self, carrier: u8, id: &[u8], awaited: Awaited) {
        let Awaited { token, push_id, segment, .. } = awaited;
        let early = self.await_id(id, awaited);
        let says = early.as_ref().and_then(|early| early.says);
        let nobody = ReceiptReply { carrier, session: (0, 0), request: None };
        let reply = early.map_or(nobody, |early| early.reply);
        let (late_id, is_answered) = (Some(id.into()), false);
        let told = CarrierReceipt { token, push_id, segment, says, late_id, reply, is_answered };
        self.matched.push_back(told);
    }

    /// Whether a receipt of this id is awaited.
    pub(super) fn awaits(&self, id: &[u8]) -> bool {
        let key = self.mutation.apply(IdKey::of(self.forms.of_receipt(id)));
        self.awaited.get(&key).is_some() || self.doubles.contains_key(&key)
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
        self.rename_some();
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
        if self.awaited.is_renaming() {
            return Some(SteadyMs::ZERO);
        }
        let unanswered = self.unanswered.front().map(|(since, ..)| *since + EARLY_UNANSWERED_MS);
        let kept = self.kept.front().map(|(since, ..)| *since + EARLY_KEPT_MS);
        unanswered.into_iter().chain(kept).min()
    }
}

fn is_kept(early: &HashMap<IdKey, Early>, key: &IdKey, serial: Serial) -> bool {
    early.get(key).is_some_and(|early| early.serial == serial)
}
