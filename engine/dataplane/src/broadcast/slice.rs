//! One shard's part of a broadcast: claims, turns, outcomes, orders, checkpoints and recovery, as a
//! pure machine.
//!
//! Whoever drives it appends the records that it asks for, tells it their sequences
//! ([`Slice::appended`]) and up to where they are durable ([`Slice::durable`]), and attempts what
//! it gives a turn. A turn goes so: [`Slice::poll_record`] until there is none; then
//! [`Slice::next_turn`] while there is room, and [`Slice::retry`] for what was held; each attempt's
//! end comes back by [`Slice::ended`].
//!
//! **Never here:** files, clocks, the queue of pushes. **Invariants:** no row is attempted before
//! its claim is durable; figures change when their records are durable; the sum of all outcomes is
//! the number of rows; once an end is ordered no row begins; after a crash a row that may have been
//! sent is in doubt and is counted so; what is read twice says nothing new.

pub mod codec;
mod deferred;
mod handed;
mod marks;
mod record;
mod recovery;
mod shifts;
mod standing;
mod waves;

use std::collections::{BTreeMap, VecDeque};

use super::claims::{Expansion, Piece};
use super::life::{End, Life, Step};
use super::mutation::RowMutation;
use super::outcomes::{Counts, Outcome, RowWord};

use deferred::Deferred;
pub use deferred::{DEFERRED, RECALLED};
pub use handed::{HANDED_OCTETS_MAX, HandedSegment, RowHanding};
use marks::Waking;
pub use marks::{ARRIVED, MARKS_OF_A_RECORD_MAX, MAY_HAVE_IT, WITHDRAWN};
pub use record::{OnDoubt, Order, Plan, SliceRecord, Turn};
use shifts::{Release, Shift};
pub use standing::Checkpoint;
pub use waves::WaveFigures;
use waves::WavesOpen;

/// Outcomes that one record has at most.
pub const OUTCOMES_OF_A_RECORD_MAX: usize = 400;
/// Pieces that one record claims at most.
pub const PIECES_OF_A_RECORD_MAX: usize = 300;

/// One shard's part of a broadcast.
#[derive(Clone, Debug)]
pub struct Slice {
    alertseq: u8,
    mutation: RowMutation,
    life: Life,
    expansion: Expansion,
    /// As [`RowWord::to_bits`] has them.
    words: Vec<u32>,
    counts: Counts,
    shifts: VecDeque<Shift>,
    releases: VecDeque<Release>,
    /// Records to be appended.
    orders: VecDeque<SliceRecord>,
    to_claim: Vec<Piece>,
    staged: Vec<(u32, RowWord)>,
    /// See [`Self::mark`].
    marks: BTreeMap<u32, u16>,
    /// Rows whose marks are to be written down.
    marked: Vec<u32>,
    /// See [`Self::handing`].
    handings: BTreeMap<u32, RowHanding>,
    /// See [`Self::octets_of_receipts`].
    handed_octets: u64,
    /// Rows of which it is to be written down what carriers have.
    newly_handed: Vec<u32>,
    /// Rows that are handed over.
    handed_over: u32,
    /// The last record says that nothing is under way, or is to.
    rests: bool,
    wants_rest: bool,
    waking: Waking,
    /// Claims that are appended and not durable.
    claims: VecDeque<(u64, Vec<Piece>)>,
    /// The claim that was asked for and has no sequence yet.
    asked: Option<Vec<Piece>>,
    /// Rows whose turn has come.
    ready: VecDeque<u32>,
    /// Rows that wait for what becomes of others.
    deferred: Deferred,
    /// Rows whose attempts are under way.
    under_way: u32,
    doubts: u32,
    waves: WavesOpen,
}

impl Slice {
    /// A part that has not started.
    pub fn new(plan: Plan) -> Self {
        let waves = WavesOpen::new(&plan.runs);
        let expansion = Expansion::new(plan.runs);
        let rows = expansion.rows();
        Self {
            alertseq: plan.alertseq,
            mutation: plan.mutation,
            life: Life::Holding,
            words: vec![RowWord::WAITING.to_bits(); rows as usize],
            counts: Counts::waiting(rows),
            expansion,
            shifts: VecDeque::new(),
            releases: VecDeque::new(),
            orders: VecDeque::new(),
            to_claim: Vec::new(),
            staged: Vec::new(),
            marks: BTreeMap::new(),
            marked: Vec::new(),
            handings: BTreeMap::new(),
            handed_octets: 0,
            newly_handed: Vec::new(),
            handed_over: 0,
            rests: false,
            wants_rest: false,
            waking: Waking::Awake,
            claims: VecDeque::new(),
            asked: None,
            ready: VecDeque::new(),
            deferred: Deferred::default(),
            under_way: 0,
            doubts: 0,
            waves,
        }
    }

    /// Where it stands.
    pub fn life(&self) -> Life {
        self.life
    }

    /// Rows by outcome, as far as records are durable.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Rows that crashes left in doubt, each time it happened.
    pub fn doubts(&self) -> u32 {
        self.doubts
    }

    /// A row's word.
    pub fn word(&self, row: u32) -> RowWord {
        known(self.words[row as usize])
    }

    /// Every row's word, as [`RowWord::to_bits`] has it.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    fn set_word(&mut self, row: u32, word: RowWord) {
        self.words[row as usize] = word.to_bits();
    }

    /// Rows that are claimed and have not begun.
    pub fn claimed_ahead(&self) -> usize {
        let waiting = self.claims.iter().flat_map(|(_, pieces)| pieces);
        let rows: u32 = waiting.chain(&self.to_claim).map(|piece| piece.rows).sum();
        self.ready.len() + rows as usize
    }

    /// Rows that are not claimed.
    pub fn unclaimed(&self) -> u32 {
        self.expansion.unclaimed()
    }

    /// Rows that are not claimed and whose waves have their turns.
    pub fn claimable(&self) -> u32 {
        self.expansion.unclaimed_of(self.waves.open())
    }

    /// Which waves have their turns, and how far the last of them is.
    pub fn wave(&self) -> WaveFigures {
        let unopened = self.expansion.unclaimed() - self.claimable();
        WaveFigures { unopened, ..self.waves.figures() }
    }

    /// Rows that are claimed.
    pub fn claimed(&self) -> u32 {
        self.expansion.rows() - self.expansion.unclaimed()
    }

    /// Takes an order. It holds from this moment on; it is answered when its record is durable.
    /// Orders that the state does not allow, and those of a lower alertseq, change nothing.
    pub fn order(&mut self, order: Order) {
        if self.obey(order) {
            self.orders.push_back(SliceRecord::Order(order));
        }
    }

    /// Claims up to `rows_max` further rows of the waves that have their turns.
    pub fn claim(&mut self, rows_max: u32) {
        self.claim_within(rows_max, |_, rows| rows);
    }

    /// The same, of each run no more than `granted` gives of what is wanted.
    pub fn claim_within(&mut self, rows_max: u32, granted: impl FnMut(u32, u32) -> u32) {
        if self.life.begins_rows() {
            let open = self.waves.open();
            self.to_claim.extend(self.expansion.next_within(rows_max, open, granted));
        }
    }

    /// The next record to append; [`Self::appended`] follows before anything else.
    pub fn poll_record(&mut self) -> Option<SliceRecord> {
        assert!(self.asked.is_none(), "the record before has its sequence");
        if let Some(record) = self.orders.pop_front() {
            self.break_rest();
            return Some(record);
        }
        if let Some(record) = self.poll_marks() {
            self.break_rest();
            return Some(record);
        }
        if let Some(record) = self.poll_handed() {
            self.break_rest();
            return Some(record);
        }
        if !self.staged.is_empty() || !self.to_claim.is_empty() {
            self.break_rest();
        }
        if !self.staged.is_empty() {
            let count = self.staged.len().min(OUTCOMES_OF_A_RECORD_MAX);
            return Some(SliceRecord::Outcomes(self.staged.drain(..count).collect()));
        }
        if self.to_claim.is_empty() {
            return self.poll_rest();
        }
        let count = self.to_claim.len().min(PIECES_OF_A_RECORD_MAX);
        let pieces: Vec<Piece> = self.to_claim.drain(..count).collect();
        self.asked = Some(pieces.clone());
        Some(SliceRecord::Claimed(pieces))
    }

    /// The record that was asked for last has this sequence.
    pub fn appended(&mut self, sequence: u64) {
        if let Some(pieces) = self.asked.take() {
            self.claims.push_back((sequence, pieces));
            if self.mutation == RowMutation::ClaimNotAwaited {
                self.release_claims(sequence);
            }
        }
        self.waking.appended(sequence, self.orders.is_empty());
        if self.marked.is_empty() {
            self.deferred.appended(sequence);
        }
        // Figures of what is still to be appended have a later record before them.
        if self.staged.is_empty() && self.orders.is_empty() {
            let unnamed = self.shifts.iter_mut().rev().take_while(|shift| shift.sequence.is_none());
            unnamed.for_each(|shift| shift.sequence = Some(sequence));
            let unnamed = self.releases.iter_mut().filter(|release| release.sequence.is_none());
            unnamed.for_each(|release| release.sequence = Some(sequence));
        }
    }

    /// All records up to this one are durable.
    pub fn durable(&mut self, sequence: u64) {
        self.waking.durable(sequence);
        self.release_claims(sequence);
        self.go_on_recalled(sequence);
        self.show_durable(sequence);
        if self.is_settled()
            && let Ok(life) = self.life.after(Step::Settled)
        {
            self.life = life;
        }
    }

    /// The next row whose first turn has come: it is attempted now. `None` while there is none.
    pub fn next_turn(&mut self, seconds: u32) -> Option<u32> {
        while let Some(row) = self.take_ready(seconds) {
            if self.begin(row, seconds) == Turn::Attempt {
                return Some(row);
            }
        }
        None
    }

    /// The next row whose first turn has come, for whoever puts it into a phone's queue first:
    /// [`Self::begin`] says whether it may still be attempted, when it comes to that. Behind all
    /// others come those that are deferred, as many as [`Self::look_again`] lets through.
    pub fn take_ready(&mut self, seconds: u32) -> Option<u32> {
        loop {
            let may_begin = self.may_begin();
            if !may_begin && !matches!(self.life, Life::Closing(_)) {
                return None;
            }
            let row = self.ready.pop_front().or_else(|| self.deferred.take())?;
            match self.life {
                Life::Closing(end) if !may_begin => self.change_to_end(row, end, seconds),
                _ if self.is_withdrawn(row) => self.change_to_end(row, End::Cancelled, seconds),
                _ => return Some(row),
            }
        }
    }

    /// A row is about to be attempted: one that was taken, or one that was held.
    ///
    /// # Panics
    /// When it is neither.
    pub fn begin(&mut self, row: u32, seconds: u32) -> Turn {
        let outcome = self.word(row).outcome;
        if outcome == Outcome::Held {
            return self.retry(row, seconds);
        }
        assert_eq!(outcome, Outcome::Waiting, "what has begun does not begin");
        match self.life {
            _ if self.may_begin() => {
                self.change_live(row, Outcome::InFlight, seconds);
                Turn::Attempt
            }
            Life::Closing(end) => {
                self.change_to_end(row, end, seconds);
                Turn::Ended
            }
            _ => Turn::NotNow,
        }
    }

    /// A row that was taken has not begun: it is the next again.
    pub fn give_back(&mut self, row: u32) {
        assert_eq!(self.word(row).outcome, Outcome::Waiting, "only what has not begun goes back");
        self.ready.push_front(row);
    }

    /// A row that was taken cannot begin yet: others come first.
    pub fn put_off(&mut self, row: u32) {
        assert_eq!(self.word(row).outcome, Outcome::Waiting, "only what has not begun goes back");
        self.ready.push_back(row);
    }

    /// Whether a row waits to be taken.
    pub fn has_ready(&self) -> bool {
        (!self.ready.is_empty() || self.deferred.has_looks()) && self.may_begin()
    }

    /// Whether none of what is claimed waits to be taken.
    pub fn has_none_claimed(&self) -> bool {
        self.ready.is_empty()
    }

    fn may_begin(&self) -> bool {
        match self.mutation {
            RowMutation::CancelAtClaimOnly => !matches!(self.life, Life::Paused | Life::Holding),
            _ => self.life.begins_rows() && self.is_awake(),
        }
    }

    /// Whether rows may be attempted, for the first time or again.
    pub fn goes_on(&self) -> bool {
        self.life.begins_rows() && self.life.retries_rows() && self.is_awake()
    }

    /// A row that is held is due, or its broadcast is closed.
    ///
    /// Until its time it stays held: its record is all that a start has to tell by whether an
    /// attempt may have been under way. [`Self::release`] brings the time forward.
    ///
    /// # Panics
    /// When it is not held.
    pub fn retry(&mut self, row: u32, seconds: u32) -> Turn {
        assert_eq!(self.word(row).outcome, Outcome::Held, "only what is held is tried again");
        let is_due = self.word(row).seconds <= seconds;
        let goes_on = self.life.retries_rows() && self.is_awake()
            || (self.mutation == RowMutation::RetryWhilePaused && self.life == Life::Paused);
        match self.life {
            _ if goes_on && is_due => {
                self.change_live(row, Outcome::InFlight, seconds);
                Turn::Attempt
            }
            Life::Closing(end) => {
                self.change_to_end(row, end, seconds);
                Turn::Ended
            }
            _ => Turn::NotNow,
        }
    }

    /// A row's attempt has ended, or its turn came to something without one. For a row that is held
    /// `seconds` is when it is due.
    ///
    /// # Panics
    /// When the table of outcomes does not allow it.
    pub fn ended(&mut self, row: u32, outcome: Outcome, segments: u8, seconds: u32) {
        self.ended_with(row, (outcome, None), segments, seconds);
    }

    /// As [`Self::ended`], with the code that goes with the outcome.
    ///
    /// # Panics
    /// As there.
    pub fn ended_with(
        &mut self,
        row: u32,
        (outcome, code): (Outcome, Option<u16>),
        segments: u8,
        seconds: u32,
    ) {
        self.change_live(row, outcome, seconds);
        let word = self.word(row);
        let code = code.unwrap_or(word.code);
        self.set_word(row, RowWord { segments, code, ..word });
        self.staged.push((row, self.word(row)));
    }

    /// Entries of the record that was polled last that found no room in it: they are the next.
    pub fn stage_again(&mut self, entries: Vec<(u32, RowWord)>) {
        self.staged.splice(0..0, entries);
    }

    /// Does what an order says; whether it changes anything.
    fn obey(&mut self, order: Order) -> bool {
        if let Order::Wave { open } = order {
            // One that is finished here shows where the waves of the others stand.
            return self.life.end().is_none() && self.waves.open_to(open);
        }
        let before = self.life;
        let obeyed = self.obey_life(order);
        if obeyed
            && !matches!(before, Life::Closing(_) | Life::Ended(_))
            && let Life::Closing(end) | Life::Ended(end) = self.life
        {
            // Rows that never began end by arithmetic, and claims that are not appended are none.
            let unappended = std::mem::take(&mut self.to_claim);
            let rows =
                unappended.iter().map(|piece| piece.rows).sum::<u32>() + self.expansion.unclaimed();
            let mut cursors = self.expansion.cursors().to_vec();
            unappended.iter().for_each(|piece| cursors[piece.run as usize] -= piece.rows);
            self.expansion.unclaim_to(&cursors);
            self.shifts.push_back(Shift {
                sequence: None,
                from: Outcome::Waiting,
                to: end.into(),
                rows,
                wave: 0,
            });
        }
        obeyed
    }

    fn obey_life(&mut self, order: Order) -> bool {
        if let Order::Wave { open } = order {
            return self.waves.open_to(open);
        }
        if let Order::Chain { alertseq } = order {
            let is_replaced = match self.mutation {
                RowMutation::AlertseqWrongWay => alertseq < self.alertseq,
                _ => alertseq > self.alertseq,
            };
            if !is_replaced {
                return false;
            }
        }
        match order.step().map(|step| self.life.after(step)) {
            Some(Ok(life)) => {
                self.life = life;
                true
            }
            _ => false,
        }
    }

    /// Rows of durable claims have their turns.
    fn release_claims(&mut self, sequence: u64) {
        while self.claims.front().is_some_and(|(claim, _)| *claim <= sequence) {
            if let Some((_, pieces)) = self.claims.pop_front() {
                self.ready.extend(pieces.into_iter().flat_map(Piece::numbers));
            }
        }
    }

    /// A change that has its record.
    fn change(&mut self, row: u32, outcome: Outcome, seconds: u32) {
        self.change_live(row, outcome, seconds);
        self.staged.push((row, self.word(row)));
    }

    fn change_live(&mut self, row: u32, outcome: Outcome, seconds: u32) {
        if outcome.is_final() {
            self.marks.remove(&row);
            self.forget_handing(row);
        }
        let from = self.word(row).outcome;
        self.under_way += u32::from(outcome == Outcome::InFlight);
        self.under_way -= u32::from(from == Outcome::InFlight);
        self.handed_over += u32::from(outcome == Outcome::HandedOver);
        self.handed_over -= u32::from(from == Outcome::HandedOver);
        self.set_word(row, self.word(row).becoming(outcome, seconds));
        self.note_shift(row, from, outcome);
    }

    fn is_settled(&self) -> bool {
        let is_begun = !matches!(self.life, Life::Holding) && self.claimed_ahead() == 0;
        let has_all = self.counts.open() == 0 && self.staged.is_empty() && self.shifts.is_empty();
        is_begun && has_all
    }
}

/// A word that was written here, or checked when it was read.
fn known(bits: u32) -> RowWord {
    RowWord::from_bits(bits).unwrap_or(RowWord::WAITING)
}

#[cfg(test)]
mod tests;
