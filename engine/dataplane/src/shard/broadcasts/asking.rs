//! Rows as requests of push clients meet them: by the reqid that each recipient has, by the alert
//! that single pushes and broadcasts share, and by a cancel of either.
//!
//! **Never here:** a look at any row for a request that names neither. **Invariants:** a row that
//! is withdrawn is so from the answer on, over a crash too; of an alert the older text never
//! follows the newer, whichever way each is sent.

use super::by_route::{ByRoute, way_of};
use super::{Broadcasts, Part, Shard};
use crate::billing::Log;
use crate::broadcast::life::End;
use crate::broadcast::outcomes::{Outcome, RowWord};
use crate::broadcast::past::PastBroadcast;
use crate::broadcast::running::{RowsOf, RunningBroadcast, RunningTerms, TextForm};
use crate::broadcast::slice::{Order, WITHDRAWN};
use crate::broadcast::suppression::OptOuts;
use crate::gateway::fingerprint::Fingerprints;
use crate::smsc::alerts::AlertIdentity;
use crate::smsc::core::Core;
use crate::smsc::pushes::{PushIndex, ROUTES};
use crate::smsc::row_ids::row_position;
use crate::smsc::rows::Withdrawal;
use crate::smsc::state::State;
use std::cell::Cell;
use std::sync::Arc;
use wire::terms::code::Code;
use wire::terms::ids::{Class, Msn, Reqid, Xpid};
use wire::terms::time::WallMs;

/// What rows' turns would find now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RowsForeseen {
    /// Phones without a contract.
    pub uncontracted: u64,
    /// Phones that a carrier would be sent to, by an XPID that has to know the line.
    pub refused: u64,
    /// The others, by their routes; the first is the core network.
    pub by_route: [u64; ROUTES],
}

impl RowsForeseen {
    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.uncontracted += other.uncontracted;
        self.refused += other.refused;
        self.by_route.iter_mut().zip(other.by_route).for_each(|(rows, more)| *rows += more);
    }
}

/// Broadcasts that are over and still remembered; beyond that the oldest is forgotten early.
const PAST_MAX: usize = 1_024;

/// What is known of a row that a request names.
struct KnownRow<'a> {
    broadcast: &'a RunningBroadcast,
    word: RowWord,
    /// Its part and its place there, while the broadcast is live.
    live: Option<(u32, u32)>,
    mark: u16,
    /// It is withdrawn, or its broadcast ends or is paused.
    stops: bool,
    number: u32,
}

impl Part {
    /// The place of a phone's row among the shard's.
    pub(super) fn place_of(&self, msn: Msn) -> Option<u32> {
        self.place_of_number(self.broadcast.recipients.find(msn)?)
    }

    /// The place of a row among the shard's, by its number in the whole broadcast.
    pub(super) fn place_of_number(&self, number: u32) -> Option<u32> {
        let run = self.runs.partition_point(|run| run.first <= number).checked_sub(1)?;
        let run = &self.runs[run];
        let behind = number - run.first;
        (behind < run.slice.rows).then_some(run.slice.first + behind)
    }

    fn is_live_of(&self, (xpid, alertid): (Xpid, &[u8])) -> bool {
        let (terms, life) = (&self.broadcast.terms, self.slice.life());
        terms.xpid == xpid
            && terms.alertid.as_deref().is_some_and(|known| known.as_bytes() == alertid)
            && life.end().is_none()
            && !life.is_over()
    }

    fn known_row(&self, msn: Msn) -> Option<KnownRow<'_>> {
        let place = self.place_of(msn)?;
        let life = self.slice.life();
        let word = match (self.slice.word(place), life.end()) {
            // It ended by arithmetic, or does when its turn comes.
            (word @ RowWord { outcome: Outcome::Waiting, .. }, Some(end)) => {
                RowWord { outcome: end.into(), ..word }
            }
            (word, _) => word,
        };
        Some(KnownRow {
            broadcast: &self.broadcast,
            word,
            live: Some((self.ordinal(), place)),
            mark: self.slice.mark(place),
            stops: !life.retries_rows() || self.slice.mark(place) & WITHDRAWN != 0,
            number: self.number_of(place),
        })
    }
}

impl Broadcasts {
    /// Whether there is nothing that a request could mean.
    #[inline]
    pub(in crate::shard) fn are_none(&self) -> bool {
        self.parts.is_empty() && self.past.is_empty()
    }

    fn all(&self) -> Others<'_> {
        let Self { parts, past, suppression, searched, by_route, .. } = self;
        Others { live: [parts, &[]], past, suppression, searched, by_route }
    }

    fn row_by_reqid(&self, xpid: Xpid, msn: Msn, reqid: Reqid) -> Option<KnownRow<'_>> {
        let is_meant =
            |terms: &RunningTerms| terms.xpid == xpid && terms.reqid.as_bytes() == reqid.as_bytes();
        self.all().rows_to(msn, is_meant).next()
    }
}

/// What is known beside one part.
#[derive(Clone, Copy)]
pub(super) struct Others<'a> {
    /// The live ones before and behind it.
    pub(super) live: [&'a [Part]; 2],
    pub(super) past: &'a [Arc<PastBroadcast>],
    pub(super) suppression: &'a OptOuts,
    /// How often lists of recipients were searched for a phone.
    pub(super) searched: &'a Cell<usize>,
    /// Rows that wait for carriers.
    pub(super) by_route: &'a ByRoute,
}

impl<'a> Others<'a> {
    /// The rows to a phone of those broadcasts that `is_meant`, the latest of what is over first.
    fn rows_to(
        self,
        msn: Msn,
        is_meant: impl Fn(&RunningTerms) -> bool + Copy,
    ) -> impl Iterator<Item = KnownRow<'a>> {
        let live = self.live.into_iter().flatten().filter(|part| !part.is_forgotten);
        let live = live.filter(move |part| is_meant(&part.broadcast.terms));
        let past = self.past.iter().rev().filter(move |past| is_meant(&past.running.terms));
        let past = past.filter_map(move |past| past_row(past, msn));
        live.filter_map(move |part| part.known_row(msn)).chain(past)
    }

    /// Whether a row is for a phone, by what became of another broadcast's; `None`: nothing yet.
    pub(super) fn is_meant(self, of: RowsOf, msn: Msn) -> Option<bool> {
        self.count_searches(1);
        let row = self.rows_to(msn, |terms| terms.ordinal == of.ordinal).next()?;
        let outcome = row.word.outcome;
        // Who takes back what a carrier has does not wait for its receipt; all others do.
        let is_meant_now = outcome == Outcome::HandedOver && of.takes(outcome);
        (outcome.is_final() || is_meant_now).then(|| of.takes(outcome))
    }

    /// The broadcasts of an XPID that may have brought a phone a text since that time.
    pub(super) fn earlier(self, xpid: Xpid, since_ms: WallMs) -> Vec<Earlier<'a>> {
        let live = self.live.into_iter().flatten();
        let live = live.filter(|part| !part.is_forgotten && part.broadcast.terms.xpid == xpid);
        let past = self.past.iter().rev();
        let past =
            past.filter(|past| past.ended_ms() >= since_ms && past.running.terms.xpid == xpid);
        let looked_at = (self.live[0].len() + self.live[1].len() + self.past.len()).div_ceil(16);
        self.count_searches(looked_at);
        live.map(Earlier::Live).chain(past.map(|past| Earlier::Over(past))).collect()
    }

    /// Whether a phone has this text already, or is about to, since that time: a row that is held,
    /// or that waits in the message center for its attempt, is sent when the phone is back. Only
    /// those are looked into that have the text; what that costs is counted.
    pub(super) fn had_text(
        self,
        (earlier, core): (&[Earlier<'a>], &Core),
        own: &RunningBroadcast,
        (msn, text): (Msn, Option<u32>),
        since_ms: WallMs,
    ) -> bool {
        let Some(digest) = own.digest(text) else { return false };
        earlier.iter().any(|other| {
            if !other.broadcast().has_digest(digest) {
                return false;
            }
            self.count_searches(other.broadcast().recipients.searches());
            let row = match other {
                Earlier::Live(part) => part.known_row(msn),
                Earlier::Over(past) => past_row(past, msn),
            };
            row.is_some_and(|row| {
                let text = row.broadcast.recipients.row(row.number).text;
                let at_ms = row.broadcast.terms.started_ms + u64::from(row.word.seconds) * 1_000;
                row.broadcast.digest(text) == Some(digest)
                    && (row.word.outcome.may_have_arrived() && at_ms >= since_ms
                        || is_about_to_be_sent(core, &row, msn))
            })
        })
    }

    fn count_searches(self, more: usize) {
        self.searched.set(self.searched.get().saturating_add(more));
    }
}

/// Another broadcast, of which a phone may have the text already.
pub(super) enum Earlier<'a> {
    Live(&'a Part),
    Over(&'a PastBroadcast),
}

impl Earlier<'_> {
    fn broadcast(&self) -> &RunningBroadcast {
        match self {
            Self::Live(part) => &part.broadcast,
            Self::Over(past) => &past.running,
        }
    }
}

/// Whether a live broadcast's row has had its turn and waits for an attempt, the first or another.
fn is_about_to_be_sent(core: &Core, row: &KnownRow<'_>, msn: Msn) -> bool {
    let Some((ordinal, place)) = row.live else { return false };
    if row.stops {
        return false;
    }
    match row.word.outcome {
        Outcome::Held => true,
        Outcome::Waiting => {
            let position = row_position(ordinal, place);
            core.waiting(msn).any(|at| core.push(at).position == position)
        }
        _ => false,
    }
}

/// The row of a broadcast that is over to a phone.
fn past_row(past: &PastBroadcast, msn: Msn) -> Option<KnownRow<'_>> {
    let (number, word) = past.word_of(msn)?;
    Some(KnownRow { broadcast: &past.running, word, live: None, mark: 0, stops: true, number })
}

/// What single pushes of a broadcast's alert say of its row to a phone: how that ends, if it does,
/// and the push whose text is older.
pub(super) fn by_alert(
    (fingerprints, core): (&Fingerprints, &Core),
    terms: &RunningTerms,
    msn: Msn,
) -> (Option<End>, Option<PushIndex>) {
    let Some(alertid) = terms.alertid.as_deref() else { return (None, None) };
    let alert = AlertIdentity {
        key: fingerprints.alert_key(terms.xpid, msn, alertid.as_bytes()),
        alert: fingerprints.alert(terms.xpid, alertid.as_bytes()),
        sequence: terms.alertseq,
    };
    // Whoever has what was wrong is told so, though nothing new is said of the alert.
    if !terms.takes_back && core.closed_alert(alert.alert).is_some() {
        return (Some(End::Cancelled), None);
    }
    if core.knows_alert(&alert) {
        return (Some(End::Replaced), None);
    }
    (None, core.alert_push(alert.key))
}

impl<L: Log> Shard<L> {
    /// A broadcast is over: it is remembered for a day, or for as long as another is of its rows.
    pub fn remember_broadcast(&mut self, past: Arc<PastBroadcast>, now_ms: WallMs) {
        let known = &mut self.broadcasts.past;
        // Who may not have heard of it is told once more.
        let ordinal = past.running.terms.ordinal;
        let is_other = |other: &Arc<PastBroadcast>| other.running.terms.ordinal != ordinal;
        known.retain(|other| other.until_ms > now_ms && is_other(other));
        if known.len() >= PAST_MAX
            && let Some((first, _)) = known.iter().enumerate().min_by_key(|(_, o)| o.until_ms)
        {
            known.remove(first);
        }
        // In the order of their ends.
        let place = known.partition_point(|other| other.ended_ms() <= past.ended_ms());
        known.insert(place, past);
    }

    /// How many of these phones have no contract, and which way the others go: what a row's turn
    /// would find now.
    pub fn foresee_rows(&self, xpid: Xpid, class: Class, msns: &[Msn]) -> RowsForeseen {
        let mut foreseen = RowsForeseen::default();
        for msn in msns {
            if !self.contracts.contains(*msn, xpid) {
                foreseen.uncontracted += 1;
                continue;
            }
            match way_of((&*self.routes, &*self.registry), (xpid, class), *msn) {
                Some(route) => foreseen.by_route[usize::from(route)] += 1,
                None => foreseen.refused += 1,
            }
        }
        foreseen
    }

    /// Whether a recipient of a broadcast has this reqid: a single push under it is another's.
    #[inline]
    pub(in crate::shard) fn is_reqid_of_row(&self, xpid: Xpid, msn: Msn, reqid: Reqid) -> bool {
        !self.broadcasts.are_none() && self.broadcasts.row_by_reqid(xpid, msn, reqid).is_some()
    }

    /// Whether a broadcast of this alert has a row to the phone, of this sequence or a higher one.
    #[inline]
    pub(in crate::shard) fn has_newer_row(
        &self,
        (xpid, alertid): (Xpid, &[u8]),
        msn: Msn,
        sequence: u8,
    ) -> bool {
        if self.broadcasts.are_none() {
            return false;
        }
        let is_meant = |terms: &RunningTerms| {
            terms.xpid == xpid
                && terms.alertid.as_deref().is_some_and(|known| known.as_bytes() == alertid)
                && terms.alertseq >= sequence
        };
        // What was skipped or refused never was a push.
        let was_push =
            |row: KnownRow<'_>| !matches!(row.word.outcome, Outcome::Skipped | Outcome::Refused);
        self.broadcasts.all().rows_to(msn, is_meant).any(was_push)
    }

    /// Withdraws a row by its recipient's reqid; what that is answered, and its segments. `None`:
    /// there is no such row.
    pub(in crate::shard) fn cancel_row(
        &mut self,
        (xpid, msn, reqid): (Xpid, Msn, Reqid),
        now_ms: WallMs,
    ) -> Option<(Code, u8)> {
        if self.broadcasts.are_none() {
            return None;
        }
        let is_meant =
            |terms: &RunningTerms| terms.xpid == xpid && terms.reqid.as_bytes() == reqid.as_bytes();
        self.cancel_row_of(msn, is_meant, now_ms)
    }

    fn cancel_row_of(
        &mut self,
        msn: Msn,
        is_meant: impl Fn(&RunningTerms) -> bool + Copy,
        now_ms: WallMs,
    ) -> Option<(Code, u8)> {
        let row = self.broadcasts.all().rows_to(msn, is_meant).next()?;
        let text = row.broadcast.recipients.row(row.number).text;
        let segments = row.broadcast.segments_in(text, TextForm::AsItIs).unwrap_or(0);
        // Of a live one it is known in which form it went.
        let part =
            row.live.and_then(|(ordinal, place)| Some((self.broadcasts.find(ordinal)?, place)));
        let sent = part.and_then(|(part, place)| part.segments_of(place));
        let segments = sent.unwrap_or(segments);
        let refusal = match row.word.outcome {
            Outcome::Delivered => Some(Code::ALREADY_DELIVERED),
            Outcome::Cancelled => Some(Code::ALREADY_CANCELLED),
            _ if row.mark & WITHDRAWN != 0 => Some(Code::ALREADY_CANCELLED),
            outcome if outcome.is_final() => Some(Code::ALREADY_ENDED),
            _ => None,
        };
        match (refusal, row.live) {
            (None, Some((ordinal, place))) => {
                self.withdraw_row(ordinal, place, msn, now_ms);
                Some((Code::ACCEPTED, segments))
            }
            (refusal, _) => Some((refusal.unwrap_or(Code::ALREADY_ENDED), segments)),
        }
    }

    /// As `cancel_row`, for an operator, of the broadcast with this ordinal: what that is
    /// answered, once everything below the sequence is durable.
    pub fn withdraw_recipient(
        &mut self,
        ordinal: u32,
        msn: Msn,
        now_ms: WallMs,
    ) -> Option<(Code, u64)> {
        let is_meant = |terms: &RunningTerms| terms.ordinal == ordinal;
        let (code, _) = self.cancel_row_of(msn, is_meant, now_ms)?;
        Some((code, self.await_journal()))
    }

    fn withdraw_row(&mut self, ordinal: u32, place: u32, msn: Msn, now_ms: WallMs) {
        let now = self.pace.center(now_ms);
        let position = row_position(ordinal, place);
        let waiting = self.core.waiting(msn).find(|&at| self.core.push(at).position == position);
        let at_carrier =
            || self.broadcasts.find(ordinal).and_then(|part| part.index_at_carrier(place));
        let index = waiting.or_else(at_carrier);
        let is_out = |index| matches!(self.core.push(index).state, State::InFlight | State::Handed);
        let is_out = index.is_some_and(is_out);
        if is_out {
            self.want_back(index);
        }
        if let Some(part) = self.broadcasts.find_mut(ordinal) {
            let seconds = part.seconds(now);
            let outcome = part.slice.word(place).outcome;
            match index {
                Some(index) if !is_out && !self.core.is_at_carrier(index) => {}
                None if outcome == Outcome::Held => {
                    part.slice.change_to_end(place, End::Cancelled, seconds);
                }
                // Its turn, or its attempt's end, does the rest; a crash does not undo it.
                _ => part.slice.note_mark(place, WITHDRAWN),
            }
        }
        if let Some(index) = index {
            self.core.withdraw_row(index, Withdrawal::Cancelled, now);
            self.carry_out_effects(now_ms);
        }
        let mut broadcasts = std::mem::take(&mut self.broadcasts);
        if let Some(part) = broadcasts.find_mut(ordinal) {
            self.flush(part, now_ms);
        }
        broadcasts.due_ms = Some(now_ms);
        self.broadcasts = broadcasts;
    }

    /// Whether a live broadcast belongs to an alert.
    pub(in crate::shard) fn has_broadcast_of(&self, alert: (Xpid, &[u8])) -> bool {
        self.broadcasts.parts.iter().any(|part| part.is_live_of(alert))
    }

    /// A whole alert is cancelled: its live broadcasts are, but not what takes one of them back.
    pub(in crate::shard) fn cancel_broadcasts_of(&mut self, alert: (Xpid, &[u8]), now_ms: WallMs) {
        if self.broadcasts.is_empty() {
            return;
        }
        self.want_back(None);
        let mut broadcasts = std::mem::take(&mut self.broadcasts);
        let ends = |part: &&mut Part| part.is_live_of(alert) && !part.broadcast.terms.takes_back;
        for part in broadcasts.parts.iter_mut().filter(ends) {
            part.slice.order(Order::End(End::Cancelled));
            self.flush(part, now_ms);
        }
        broadcasts.due_ms = Some(now_ms);
        self.broadcasts = broadcasts;
    }
}
