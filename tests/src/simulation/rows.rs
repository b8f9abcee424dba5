//! What is true of every row of every broadcast, kept beside the engine and never read by it, with
//! the rules that must hold.
//!
//! The engine's decisions are known from its journal alone: claims, outcomes, doubts. What arrived
//! is known from the phones. The rules: nothing is attempted before its claim is durable, after
//! the answer to a stop, between the answers to a pause and the order to go on, before the hold is
//! over, before its wave was opened, or behind the deadline; one attempt at a phone; each row has
//! one end, which is what its phone says; a text comes twice only to whom the engine told of as in
//! doubt; of a chain the older text never follows the newer.

use super::ledger::{Checked, EntryIndex, Violation, rule};
use hayauma::billing::{Column, Event, EventKind, column_of_end};
use hayauma::broadcast::life::Life;
use hayauma::broadcast::outcomes::{Counts, NOT_MEANT, OUTCOMES, Outcome, RowWord};
use hayauma::broadcast::recipients::ShardRun;
use hayauma::broadcast::slice::{MAY_HAVE_IT, Order, SliceRecord};
use std::collections::HashMap;
use wire::terms::ids::Class;
use wire::terms::time::CenterMs;

/// What tells rows from pushes.
const ROWS: EntryIndex = 1 << 31;
const ROW_BITS: u32 = 16;
/// In the place of a row where a text is meant, which is the same for all rows.
const TEXT: u32 = (1 << ROW_BITS) - 1;

/// A row of a broadcast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RowName {
    pub(super) cast: usize,
    pub(super) row: usize,
}

impl RowName {
    /// The row that an attempt is of; `None`: it is of a push.
    pub(super) fn of(entry: EntryIndex) -> Option<Self> {
        let (cast, row) = ((entry & !ROWS) >> ROW_BITS, entry & TEXT);
        (entry & ROWS != 0).then_some(Self { cast: cast as usize, row: row as usize })
    }

    /// Back from [`Self::of`].
    pub(super) fn entry(self) -> EntryIndex {
        ROWS | (self.cast as u32) << ROW_BITS | self.row as u32
    }

    /// What a broadcast's text is marked with.
    pub(super) fn text_mark(cast: usize) -> EntryIndex {
        Self { cast, row: TEXT as usize }.entry()
    }
}

/// All that is true of one row.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) line: u32,
    pub(super) shard: usize,
    /// Its place among the shard's rows.
    place: u32,
    wave: u8,
    /// The segments that its phone has.
    pub(super) received: u16,
    /// Those that the engine knows to have arrived, in this life.
    told: u16,
    in_flight: bool,
    /// That is its first attempt in this life, and it was not held before.
    is_first: bool,
    /// It was attempted in this life.
    has_begun: bool,
    /// A record said that it waits for another attempt.
    was_held: bool,
    /// A segment came twice.
    repeated: bool,
    /// Nobody answered for a segment, at some time.
    unanswered: bool,
    /// A record told of it as in doubt.
    doubted: bool,
    /// Its last word, and the sequence of the record that says so.
    end: Option<(u64, RowWord)>,
    /// What was durable of that when the engine ended.
    kept: Option<RowWord>,
}

impl Row {
    /// It may have the text for all that anybody knows.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubted || self.unanswered
    }
}

/// A broadcast that was started.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) rows: Vec<Row>,
    of_line: HashMap<u32, usize>,
    /// By shard.
    runs: Vec<Vec<ShardRun>>,
    pub(super) chain: u32,
    pub(super) alertseq: u8,
    pub(super) class: Class,
    pub(super) segments: u8,
    pub(super) reference: u8,
    /// Slots of a shard's network that it begins rows in.
    pub(super) slots_max: usize,
    /// By shard: when the hold is over and the deadline comes, since it was told in this life.
    times: Vec<Option<(CenterMs, CenterMs)>>,
    /// By shard: its journal says that the hold is over.
    has_begun: Vec<bool>,
    /// A stop was answered, or that a newer one began.
    pub(super) is_stopped: bool,
    /// Waves that somebody has opened.
    pub(super) waves_open: u8,
    /// A pause was answered and nobody asked for it to go on.
    pub(super) is_paused: bool,
    /// By shard: the sequence of a claim, its run, the place behind it.
    claims: Vec<Vec<(u64, u32, u32)>>,
    /// By shard: the figures that were shown last.
    shown: Vec<Option<Counts>>,
    /// Its outcomes are kept.
    pub(super) is_kept: bool,
    /// Rows that the books have, by the events' numbers: accepted and final.
    billed: [HashMap<u64, (u32, Column)>; 2],
    /// Rows that the books are to have.
    owed: u32,
    /// How many of them arrived whole.
    owed_delivered: u32,
    /// The broadcast of whose rows it is for some.
    pub(super) of: Option<usize>,
    /// What became of its rows, once that is kept.
    words: Vec<RowWord>,
}

impl Cast {
    /// Nothing happened yet.
    pub(super) fn new(lines: &[u32], runs: Vec<Vec<ShardRun>>, chain: (u32, u8)) -> Self {
        let mut rows: Vec<Row> = lines.iter().map(|&line| Row { line, ..Row::default() }).collect();
        for (shard, run) in
            runs.iter().enumerate().flat_map(|(s, runs)| runs.iter().map(move |r| (s, r)))
        {
            for behind in 0..run.slice.rows {
                let row = &mut rows[(run.first + behind) as usize];
                (row.shard, row.place) = (shard, run.slice.first + behind);
                row.wave = run.slice.wave;
            }
        }
        let shards = runs.len();
        Self {
            of_line: lines.iter().enumerate().map(|(row, line)| (*line, row)).collect(),
            rows,
            chain: chain.0,
            alertseq: chain.1,
            class: Class::Standard,
            segments: 1,
            reference: 0,
            slots_max: usize::MAX,
            times: vec![None; shards],
            has_begun: vec![false; shards],
            is_stopped: false,
            is_paused: false,
            waves_open: 1,
            claims: vec![Vec::new(); shards],
            shown: vec![None; shards],
            is_kept: false,
            billed: Default::default(),
            owed: 0,
            owed_delivered: 0,
            of: None,
            words: Vec::new(),
            runs,
        }
    }

    /// A shard is told of it: when its hold is over there, and when its deadline comes. A hold that
    /// was over in an earlier life is so whatever the clock was set to since.
    pub(super) fn told(&mut self, shard: usize, begins: CenterMs, ends: CenterMs) {
        let begins = if self.has_begun[shard] { CenterMs::default() } else { begins };
        self.times[shard].get_or_insert((begins, ends));
    }

    fn number_of(&self, shard: usize, place: u32) -> usize {
        let runs = &self.runs[shard];
        let run = &runs[runs.partition_point(|run| run.slice.first <= place) - 1];
        (run.first + (place - run.slice.first)) as usize
    }

    fn is_claimed(&self, row: &Row, durable: u64) -> bool {
        let runs = &self.runs[row.shard];
        let run = runs.partition_point(|run| run.slice.first <= row.place) as u32 - 1;
        let covers =
            |claim: &&(u64, u32, u32)| claim.0 < durable && claim.1 == run && claim.2 > row.place;
        self.claims[row.shard].iter().find(covers).is_some()
    }
}

/// Every row and the rules.
#[derive(Default, Debug)]
pub(super) struct Rows {
    /// By ordinal, from 1.
    pub(super) casts: Vec<Option<Cast>>,
    /// Lines with an attempt of a row under way.
    busy: HashMap<u32, RowName>,
    /// What happened, for whoever asks whether anything did.
    pub(super) counts: RowCounts,
}

/// What a run met of broadcasts.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct RowCounts {
    /// Rows of broadcasts that were started.
    pub rows: u64,
    /// By outcome.
    pub ended: [u64; OUTCOMES.len()],
    /// Orders that were answered.
    pub orders: u64,
    /// Rows in doubt.
    pub doubts: u64,
    /// Rows of which something came twice.
    pub repeated: u64,
    /// Planned stops.
    pub stops: u64,
    /// Rows of retractions.
    pub retracted: u64,
    /// Records of broadcasts that cleaning moved, or that were lost in crashes.
    pub notes_lost: u64,
}

impl RowCounts {
    /// Adds another run's counts.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        for (sum, count) in self.ended.iter_mut().zip(other.ended) {
            *sum += count;
        }
        self.orders += other.orders;
        self.doubts += other.doubts;
        self.repeated += other.repeated;
        self.stops += other.stops;
        self.retracted += other.retracted;
        self.notes_lost += other.notes_lost;
    }
}

impl Rows {
    /// A broadcast that was started.
    pub(super) fn cast(&mut self, cast: usize) -> Option<&mut Cast> {
        self.casts.get_mut(cast)?.as_mut()
    }

    /// The row of a broadcast to a line.
    pub(super) fn row_to(&self, cast: usize, line: u32) -> Option<RowName> {
        let known = self.casts.get(cast)?.as_ref()?;
        known.of_line.get(&line).map(|&row| RowName { cast, row })
    }

    /// What became of the row that a retraction's row is for, as far as that is known.
    fn meant_by(&self, name: RowName) -> Option<RowWord> {
        let cast = self.casts[name.cast].as_ref()?;
        let other = self.casts.get(cast.of?)?.as_ref()?;
        let row = *other.of_line.get(&cast.rows[name.row].line)?;
        other.words.get(row).copied().or_else(|| other.rows[row].end.map(|(_, word)| word))
    }

    /// The line of a row.
    pub(super) fn line_of(&self, name: RowName) -> u32 {
        self.casts[name.cast].as_ref().map_or(0, |cast| cast.rows[name.row].line)
    }

    /// The row whose attempt is under way at a line.
    pub(super) fn at_line(&self, line: u32) -> Option<RowName> {
        self.busy.get(&line).copied()
    }

    /// Whether a broadcast may have rows in the message center.
    pub(super) fn are_live(&self) -> bool {
        self.casts.iter().flatten().any(|cast| !cast.is_kept)
    }

    /// A shard hands over an attempt of these segments, at this moment of its time; everything
    /// below `durable` is.
    pub(super) fn attempted(
        &mut self,
        name: RowName,
        sent: u16,
        durable: u64,
        center_ms: CenterMs,
    ) -> Checked {
        let RowName { cast: number, row: place } = name;
        let meant_by = self.meant_by(name);
        let Some(cast) = self.casts[number].as_mut() else {
            unreachable!("a row has its broadcast");
        };
        let row = &cast.rows[place];
        let what = format!("row {place} of broadcast {number}");
        rule!(cast.is_claimed(row, durable), "{what} was attempted before its claim was durable");
        rule!(row.end.is_none(), "{what} was attempted after its end {:?}", row.end);
        rule!(!cast.is_kept, "{what} was attempted after its broadcast's end");
        rule!(!cast.is_stopped, "{what} was attempted after the answer to a stop");
        rule!(row.wave < cast.waves_open, "{what} was attempted before its wave was opened");
        rule!(!cast.is_paused, "{what} was attempted after the answer to a pause");
        let is_meant = meant_by.is_some_and(|word| word.outcome.may_have_arrived());
        rule!(cast.of.is_none() || is_meant, "{what} was attempted, and the other is {meant_by:?}");
        let full = ((1u32 << cast.segments) - 1) as u16;
        rule!(
            sent != 0 && sent & !full == 0 && sent & row.told == 0,
            "{what}: segments {sent:b} are sent, {:b} were reported",
            row.told
        );
        let Some((begins, ends)) = cast.times[row.shard] else {
            return Err(Violation(format!(
                "{what} was attempted in a life that was not told of it"
            )));
        };
        rule!(center_ms >= begins, "{what} was attempted while its broadcast held");
        rule!(center_ms < ends, "{what} was attempted behind its deadline");
        let other = self.busy.insert(row.line, name);
        rule!(other.is_none(), "{what} was attempted beside {other:?}, at the same phone");
        let row = &mut cast.rows[place];
        let shard = row.shard;
        row.is_first = !row.has_begun && !row.was_held;
        (row.in_flight, row.has_begun) = (true, true);
        let begun =
            cast.rows.iter().filter(|row| row.shard == shard && row.in_flight && row.is_first);
        let begun = begun.count();
        rule!(begun <= cast.slots_max, "{what} takes more than its share of the network: {begun}");
        Ok(())
    }

    /// A phone takes segments.
    pub(super) fn received(&mut self, name: RowName, mask: u16) -> Checked {
        let Some(own) = self.casts[name.cast].as_ref() else { return Ok(()) };
        let (line, chain, alertseq) = (own.rows[name.row].line, own.chain, own.alertseq);
        let newer = self.casts.iter().flatten().find(|other| {
            let row = other.of_line.get(&line).map(|&row| &other.rows[row]);
            (other.chain, other.alertseq > alertseq) == (chain, true)
                && row.is_some_and(|row| row.received != 0)
        });
        rule!(mask == 0 || newer.is_none(), "{name:?} came after a newer text of its chain");
        let Some(cast) = self.casts[name.cast].as_mut() else { return Ok(()) };
        let row = &mut cast.rows[name.row];
        row.repeated |= row.received & mask != 0;
        row.received |= mask;
        Ok(())
    }

    /// The message center is told how an attempt went.
    pub(super) fn settled(&mut self, name: RowName, mask: u16, unanswered: u16) {
        let Some(cast) = self.casts[name.cast].as_mut() else { return };
        let row = &mut cast.rows[name.row];
        row.told |= mask;
        row.unanswered |= unanswered != 0;
        row.in_flight = false;
        self.busy.remove(&row.line);
    }

    /// What a shard has written down; the lines that it knows to be there by that.
    pub(super) fn noted(
        &mut self,
        shard: usize,
        (ordinal, sequence): (u32, u64),
        record: &SliceRecord,
    ) -> Result<Vec<u32>, Violation> {
        let number = ordinal as usize - 1;
        let Some(cast) = self.cast(number) else { return Ok(Vec::new()) };
        let mut there = Vec::new();
        match record {
            SliceRecord::Claimed(pieces) => {
                let claims =
                    pieces.iter().map(|piece| (sequence, piece.run, piece.first + piece.rows));
                cast.claims[shard].extend(claims);
            }
            SliceRecord::Marks(entries) => {
                for (place, _) in entries.iter().filter(|(_, mark)| mark & MAY_HAVE_IT != 0) {
                    let row = cast.number_of(shard, *place);
                    cast.rows[row].doubted = true;
                }
            }
            SliceRecord::Outcomes(entries) => {
                for (place, word) in entries {
                    let row = cast.number_of(shard, *place);
                    let row = &mut cast.rows[row];
                    row.was_held |= word.outcome == Outcome::Held;
                    if !word.outcome.is_final() {
                        continue;
                    }
                    row.doubted |= word.outcome == Outcome::InDoubt;
                    there.extend((word.outcome == Outcome::Delivered).then_some(row.line));
                    let before = row.end.get_or_insert((sequence, *word)).1;
                    rule!(
                        before.outcome == word.outcome,
                        "row {place} of shard {shard} and broadcast {number} ended twice: \
                         {before:?} and {word:?}"
                    );
                }
            }
            SliceRecord::Order(Order::Start) => cast.has_begun[shard] = true,
            SliceRecord::Stands(life) => cast.has_begun[shard] |= *life != Life::Holding,
            _ => {}
        }
        Ok(there)
    }

    /// A shard's engine ends; everything below `durable` is.
    pub(super) fn ended(&mut self, shard: usize, durable: u64) {
        self.busy.clear();
        for cast in self.casts.iter_mut().flatten() {
            (cast.times[shard], cast.has_begun[shard]) = (None, false);
            let before = cast.claims[shard].len();
            cast.claims[shard].clear();
            self.counts.notes_lost += before as u64;
            for row in cast.rows.iter_mut().filter(|row| row.shard == shard) {
                (row.told, row.in_flight) = (0, false);
                (row.has_begun, row.was_held) = (false, false);
                let end = row.end.take().filter(|(sequence, _)| *sequence < durable);
                row.kept = end.map(|(_, word)| word);
            }
        }
    }

    /// All that a shard's journal has was noted again.
    pub(super) fn recovered(&mut self, shard: usize) -> Checked {
        for (number, cast) in self.casts.iter_mut().enumerate() {
            let Some(cast) = cast.as_mut().filter(|cast| !cast.is_kept) else { continue };
            // What has an outcome had been claimed.
            for at in 0..cast.rows.len() {
                let row = &mut cast.rows[at];
                if row.shard != shard {
                    continue;
                }
                let kept = row.kept.take().map(|word| word.outcome);
                let found = row.end.map(|(_, word)| word.outcome);
                rule!(
                    kept.is_none() || kept == found,
                    "row {at} of broadcast {number} had ended durably as {kept:?} and is {found:?}"
                );
            }
        }
        Ok(())
    }

    /// The figures of a shard's part are shown: nothing that was shown is taken back.
    pub(super) fn shown(&mut self, number: usize, shard: usize, counts: &Counts) -> Checked {
        let Some(cast) = self.cast(number) else { return Ok(()) };
        let rows = cast.rows.iter().filter(|row| row.shard == shard).count();
        rule!(
            counts.sum() as usize == rows,
            "the figures of broadcast {number} are {counts:?}, of {rows} rows"
        );
        if let Some(before) = &cast.shown[shard] {
            for outcome in OUTCOMES.into_iter().filter(|outcome| outcome.is_final()) {
                let (before, now) = (before.of(outcome), counts.of(outcome));
                rule!(
                    now >= before,
                    "{before} rows of broadcast {number} were shown as {outcome:?}, and now {now}"
                );
            }
        }
        cast.shown[shard] = Some(*counts);
        Ok(())
    }

    /// It is over and its outcomes are kept: each must follow from what its phone has.
    pub(super) fn kept(&mut self, number: usize, words: &[RowWord], doubts: u32) -> Checked {
        for (row, word) in words.iter().enumerate().filter(|(_, word)| word.code == NOT_MEANT) {
            let other = self.meant_by(RowName { cast: number, row });
            let is_another = other.is_some_and(|other| !other.outcome.may_have_arrived());
            rule!(
                is_another,
                "row {row} of broadcast {number} is {word:?}, the other is {other:?}"
            );
        }
        let Some(cast) = self.casts[number].as_mut() else { return Ok(()) };
        let full = ((1u32 << cast.segments) - 1) as u16;
        let (mut repeated, mut unanswered) = (0, 0);
        for (at, (row, word)) in cast.rows.iter().zip(words).enumerate() {
            let right = match word.outcome {
                Outcome::Delivered => row.received == full,
                Outcome::Partial => row.received != 0,
                Outcome::InDoubt => row.is_doubtful(),
                Outcome::Skipped => word.code == NOT_MEANT && row.received == 0,
                outcome => outcome.is_final() && row.received == 0,
            };
            rule!(right, "row {at} of broadcast {number} is {word:?}: {row:?}");
            rule!(!row.in_flight, "row {at} of broadcast {number} is {word:?} and under way");
            rule!(
                !row.repeated || row.is_doubtful(),
                "row {at} of broadcast {number} came twice and was never in doubt: {row:?}"
            );
            if let Some((_, said)) = row.end {
                rule!(
                    said.outcome == word.outcome,
                    "row {at} of broadcast {number} is {word:?}, and its record says {said:?}"
                );
            }
            repeated += u32::from(row.repeated);
            unanswered += u32::from(row.unanswered);
            cast.owed += u32::from(is_billed(*word));
            cast.owed_delivered += u32::from(word.outcome == Outcome::Delivered);
            self.counts.ended[word.outcome as usize] += 1;
        }
        rule!(
            repeated <= doubts + unanswered,
            "{repeated} rows of broadcast {number} came twice, {doubts} doubts were counted"
        );
        cast.is_kept = true;
        cast.words = words.to_vec();
        self.counts.rows += cast.rows.len() as u64;
        self.counts.doubts += u64::from(doubts);
        self.counts.repeated += u64::from(repeated);
        Ok(())
    }

    /// An event of many rows stands in the books.
    pub(super) fn billed(&mut self, event: &Event) -> Checked {
        let number = (event.push_id >> 41 & 0xF_FFFF) as usize - 1;
        let Some(cast) = self.cast(number) else { return Ok(()) };
        let billed = &mut cast.billed[usize::from(event.kind == EventKind::FinalMany)];
        let of = (event.count, column_of_end(event));
        let (before, _) = *billed.entry(event.push_id).or_insert(of);
        rule!(
            before == event.count,
            "an event of broadcast {number} is of {before} rows and of {}: {event:?}",
            event.count
        );
        Ok(())
    }

    /// The books have lost an event.
    pub(super) fn event_lost(&mut self, event: &Event) {
        let number = (event.push_id >> 41 & 0xF_FFFF) as usize - 1;
        if let Some(cast) = self.cast(number) {
            cast.billed[usize::from(event.kind == EventKind::FinalMany)].remove(&event.push_id);
        }
    }

    /// Everything must have come to its end.
    pub(super) fn check_finished(&self) -> Checked {
        for (number, cast) in self.casts.iter().enumerate() {
            let Some(cast) = cast else { continue };
            rule!(cast.is_kept, "broadcast {number} never ended");
            let other = cast.of.and_then(|other| self.casts[other].as_ref());
            let may_have = other.into_iter().flat_map(|other| other.rows.iter().zip(&other.words));
            for (row, word) in may_have.filter(|(_, word)| word.outcome.may_have_arrived()) {
                let is_told = cast.of_line.contains_key(&row.line);
                rule!(is_told, "line {} has a text ({word:?}) that {number} takes back", row.line);
            }
            let rows_of = |events: &HashMap<u64, (u32, Column)>| -> u32 {
                events.values().map(|(rows, _)| rows).sum()
            };
            let [accepted, ended] = cast.billed.each_ref().map(rows_of);
            rule!(
                (accepted, ended) == (cast.owed, cast.owed),
                "the books have {accepted} and {ended} rows of broadcast {number}, of {}",
                cast.owed
            );
            let arrived = cast.billed[1].values().filter(|(_, of)| *of == Column::Delivered);
            let arrived = arrived.map(|(rows, _)| rows).sum::<u32>();
            rule!(
                arrived == cast.owed_delivered,
                "the books have {arrived} rows of broadcast {number} as delivered, of {}",
                cast.owed_delivered
            );
        }
        Ok(())
    }
}

/// Whether the books get a row with this last word: it was a push.
fn is_billed(word: RowWord) -> bool {
    match word.outcome {
        Outcome::Cancelled | Outcome::Expired | Outcome::Replaced => word.attempts > 0,
        Outcome::Refused => word.code != 2005,
        Outcome::Skipped => false,
        _ => true,
    }
}
