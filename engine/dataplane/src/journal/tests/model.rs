//! What an engine does with its journal, and what must be true of it afterwards, whatever happened
//! in between: nothing that was durable is lost, nothing that ended comes back to life, nothing is
//! invented.

use std::collections::{BTreeMap, HashMap};

use super::super::*;
use super::disk::{Crash, Disk, Random, nowhere};
use super::replayed::{Mark, PARKED, Push, Replayed};
use super::roundtrip::accepted;
use crate::journal::storage::Found;
use wire::terms::time::{EvenMs, WallMs};

pub(super) const SEGMENT_OCTETS: u32 = 16 * 1024;
/// More attempts than this do not happen to one push.
const ATTEMPTS_MAX: u16 = 3;
/// Those with more than this are neither cancelled nor parked: what is reserved for a push takes
/// either those records or so many of progress.
const ATTEMPTS_BEFORE_OTHERS_MAX: u16 = 1;
/// The outcome of a Notified record that ends its push.
const ACKNOWLEDGED: u8 = 0;
/// More steps than cleaning everything ever takes.
const CLEANING_STEPS_MAX: usize = 100_000;

/// An engine and its journal on a simulated disk.
pub(super) struct Model {
    pub(super) disk: Disk,
    pub(super) journal: Journal,
    pub(super) now_ms: u64,
    config: JournalConfig,
    pushes: BTreeMap<u64, Push>,
    /// Everything ever appended, by sequence.
    written: HashMap<u64, (RecordKind, u64)>,
    commit: Option<Commit>,
    cleaning: Option<(SegmentId, Cursor)>,
    /// Pushes accepted and not ended, in no order.
    live: Vec<u64>,
    /// Pushes ended and not released, in no order.
    unnotified: Vec<u64>,
}

impl Model {
    pub(super) fn new(disk: Disk, segments_max: u64) -> Self {
        let budget_octets = segments_max * u64::from(SEGMENT_OCTETS);
        let config = JournalConfig {
            segment_octets: SEGMENT_OCTETS,
            ..JournalConfig::new(3, budget_octets)
        };
        let (journal, _) =
            Journal::recover(nowhere(), config, disk.supply(), Vec::new(), &mut |_, _, _| {})
                .expect("an empty journal opens");
        let mut model = Self {
            disk,
            journal,
            now_ms: 1_800_000_000_000,
            config,
            pushes: BTreeMap::new(),
            written: HashMap::new(),
            commit: None,
            cleaning: None,
            live: Vec::new(),
            unnotified: Vec::new(),
        };
        model.note_opened();
        model
    }

    pub(super) fn live(&self) -> &[u64] {
        &self.live
    }

    pub(super) fn unnotified(&self) -> &[u64] {
        &self.unnotified
    }

    /// Accepts a push whose SMS-SUBMITs take so many octets; whether the journal took it.
    pub(super) fn accept(&mut self, octets: usize) -> Result<u64, AppendError> {
        let push_id = self.journal.next_sequence();
        let submits = content(push_id, octets);
        let (position, sequence) = self.journal.append_accepted(&accepted(push_id, &submits))?;
        self.written.insert(sequence, (RecordKind::Accepted, push_id));
        let push = Push {
            position: Some(position),
            submits,
            attempts: 0,
            progressed: 0,
            attempts_durable: 0,
            accepted: Mark { sequence, durable: false },
            cancelled: None,
            ended: None,
            parked: None,
            notified: None,
            ended_ms: 0,
        };
        self.pushes.insert(push_id, push);
        self.live.push(push_id);
        Ok(push_id)
    }

    pub(super) fn progress(&mut self, push_id: u64) {
        let push = self.pushes.get_mut(&push_id).expect("a known push");
        if push.attempts < ATTEMPTS_MAX && push.cancelled.is_none() {
            push.attempts += 1;
            self.write_progress(push_id);
        }
    }

    /// Accepts the cancel of a push that lives.
    pub(super) fn cancel(&mut self, push_id: u64) {
        let push = self.pushes.get_mut(&push_id).expect("a known push");
        if push.cancelled.is_some() || push.attempts > ATTEMPTS_BEFORE_OTHERS_MAX {
            return;
        }
        let cancel = CancelAccepted::of_push(push_id, self.now_ms, push_id, true);
        let (_, sequence) = self.journal.append_cancel(&cancel).expect("the reserve takes it");
        push.cancelled = Some(Mark { sequence, durable: false });
        self.written.insert(sequence, (RecordKind::CancelAccepted, push_id));
    }

    /// Parks the notification of a push that has ended.
    pub(super) fn park(&mut self, push_id: u64) {
        let push = self.pushes.get_mut(&push_id).expect("a known push");
        if push.parked.is_some() || push.attempts > ATTEMPTS_BEFORE_OTHERS_MAX {
            return;
        }
        let parked = notified(push_id, self.now_ms, PARKED);
        let (_, sequence) = self.journal.append_notified(&parked).expect("the reserve takes it");
        push.parked = Some(Mark { sequence, durable: false });
        self.written.insert(sequence, (RecordKind::Notified, push_id));
    }

    pub(super) fn end(&mut self, push_id: u64) {
        self.pushes.get_mut(&push_id).expect("a known push").ended_ms = self.now_ms;
        let (_, sequence) =
            self.journal.append_ended(&ended(push_id, self.now_ms)).expect("the reserve takes it");
        self.written.insert(sequence, (RecordKind::Ended, push_id));
        self.pushes.get_mut(&push_id).expect("a known push").ended =
            Some(Mark { sequence, durable: false });
        self.live.retain(|&live| live != push_id);
        self.unnotified.push(push_id);
    }

    pub(super) fn notify(&mut self, push_id: u64) {
        let notified = notified(push_id, self.now_ms, ACKNOWLEDGED);
        let (_, sequence) = self.journal.append_notified(&notified).expect("the reserve takes it");
        self.written.insert(sequence, (RecordKind::Notified, push_id));
        let push = self.pushes.get_mut(&push_id).expect("a known push");
        push.notified = Some(Mark { sequence, durable: false });
        let position = push.position.take().expect("held until now");
        self.journal.release(position);
        self.unnotified.retain(|&ended| ended != push_id);
    }

    pub(super) fn begin_commit(&mut self, sync_at_once: bool) {
        if self.commit.is_none() {
            self.commit = self.journal.begin_commit();
            if let Some(commit) = self.commit.as_ref().filter(|_| sync_at_once) {
                self.disk.sync(&mut self.journal, commit);
            }
        }
    }

    /// Some of the commit under way reaches the file system, and the kernel writes back some page
    /// or other.
    pub(super) fn write_something(&mut self) {
        if let Some(commit) = &self.commit {
            self.disk.write_something(&mut self.journal, commit);
        }
        self.disk.write_back_something(&self.journal);
    }

    pub(super) fn finish_commit(&mut self) {
        let Some(commit) = self.commit.take() else { return };
        self.disk.sync(&mut self.journal, &commit);
        self.journal.finish_commit(&commit);
        let durable = self.journal.durable();
        for push in self.pushes.values_mut() {
            let marks =
                [&mut push.cancelled, &mut push.ended, &mut push.parked, &mut push.notified];
            for mark in marks.into_iter().flatten().chain([&mut push.accepted]) {
                mark.durable |= mark.sequence < durable;
            }
            if push.progressed < durable {
                push.attempts_durable = push.attempts;
            }
        }
        while self.journal.retire_cleaned().is_some() {}
    }

    /// A commit whose sync fails: the engine ends, and so does power.
    pub(super) fn fail_commit(mut self) -> Self {
        if self.commit.is_none() {
            self.begin_commit(false);
        }
        if let Some(commit) = &self.commit {
            self.disk.fail_sync(&mut self.journal, commit);
        }
        self.crash(Crash::Power)
    }

    pub(super) fn commit_all(&mut self) {
        while self.journal.durable() < self.journal.appended() {
            self.begin_commit(false);
            self.finish_commit();
        }
    }

    /// Cleans up to `steps` records; whether there was anything to do.
    pub(super) fn clean(&mut self, steps: usize) -> bool {
        while self.journal.retire_cleaned().is_some() {}
        let Some((segment, mut cursor)) = self.cleaning.take() else {
            let Some(segment) = self.journal.cleaning_candidate(WallMs::new(self.now_ms)) else {
                return false;
            };
            self.cleaning = Some((segment, self.journal.cursor(segment)));
            return true;
        };
        for _ in 0..steps {
            let Some((position, _)) = self.journal.step(&mut cursor) else {
                let sequence = self.journal.next_sequence();
                self.journal.cleaned(segment);
                self.written.insert(sequence, (RecordKind::Cleaned, 0));
                return true;
            };
            self.keep_if_needed(position);
        }
        self.cleaning = Some((segment, cursor));
        true
    }

    pub(super) fn clean_everything(&mut self) {
        for _ in 0..CLEANING_STEPS_MAX {
            if !self.clean(64) {
                self.commit_all();
                self.journal.poll(EvenMs::new(self.now_ms));
                if !self.clean(64) {
                    return;
                }
            }
        }
        panic!("cleaning does not come to an end: {:?}", self.journal);
    }

    fn keep_if_needed(&mut self, position: Position) {
        let (_, record) = self.journal.read(position).expect("it was stepped to");
        let Some(push_id) = record.push_id() else { return };
        let held = self.pushes.get(&push_id).and_then(|push| push.position);
        match record.key() {
            _ if held == Some(position) => self.move_forward(push_id, position),
            Some(key) if held.is_none() && self.now_ms < key.ended_ms + KEY_KEEP_MS => {
                let (_, sequence) = self.journal.append_key(&key).expect("the reserve takes it");
                self.written.insert(sequence, (RecordKind::Key, push_id));
            }
            _ => {}
        }
    }

    fn move_forward(&mut self, push_id: u64, position: Position) {
        let push = &self.pushes[&push_id];
        let reached = if push.ended.is_some() {
            let parked = push.parked.map(|_| notified(push_id, self.now_ms, PARKED));
            Reached::End(ended(push_id, push.ended_ms), [parked, None])
        } else if push.attempts > 0 {
            Reached::Attempt(self.progress_of(push_id))
        } else {
            Reached::Acceptance
        };
        let cancel =
            push.cancelled.map(|_| CancelAccepted::of_push(push_id, self.now_ms, push_id, true));
        let mut kinds = vec![RecordKind::Accepted];
        kinds.extend(cancel.map(|_| RecordKind::CancelAccepted));
        match &reached {
            Reached::End(_, parked) => {
                kinds.push(RecordKind::Ended);
                kinds.extend(parked.iter().flatten().map(|_| RecordKind::Notified));
            }
            Reached::Attempt(_) => kinds.push(RecordKind::Progress),
            Reached::Acceptance | Reached::Hold(_) => {}
        }
        let sequence = self.journal.next_sequence();
        let trail = Trail { cancel, reached };
        let moved = self.journal.move_forward(position, &trail).expect("the reserve takes it");
        self.written.extend((sequence..).zip(kinds.into_iter().map(|kind| (kind, push_id))));
        let push = self.pushes.get_mut(&push_id).expect("a known push");
        push.position = Some(moved.expect("it was stepped to").position);
    }

    fn write_progress(&mut self, push_id: u64) {
        let progress = self.progress_of(push_id);
        let (_, sequence) = self.journal.append_progress(&progress).expect("the reserve takes it");
        self.written.insert(sequence, (RecordKind::Progress, push_id));
        self.pushes.get_mut(&push_id).expect("a known push").progressed = sequence;
    }

    fn progress_of(&self, push_id: u64) -> Progress {
        Progress {
            push_id,
            at_ms: self.now_ms,
            delivered_mask: 0,
            attempts: self.pushes[&push_id].attempts,
            code: 6006,
            in_doubt: false,
            begun: Progress::NOT_BEGUN,
        }
    }

    /// Records a hold where there is room; whether there was.
    pub(super) fn hold(&mut self, push_id: u64) -> bool {
        let sequence = self.journal.next_sequence();
        let attempts = self.pushes[&push_id].attempts;
        let (at_ms, next_ms) = (self.now_ms, self.now_ms + 300_000);
        let recorded = self.journal.append_held(&Held {
            push_id,
            at_ms,
            next_ms,
            delivered_mask: 0,
            attempts,
            code: 6006,
            reason: 1,
            domain: 0,
            holds: [1, 0, 0],
            in_doubt: false,
        });
        if recorded {
            self.written.insert(sequence, (RecordKind::Held, push_id));
        }
        recorded
    }

    fn note_opened(&mut self) {
        self.written.insert(self.journal.next_sequence() - 1, (RecordKind::Opened, 0));
    }

    /// Crashes, opens the journal again, and checks what was recovered.
    pub(super) fn crash(self, crash: Crash) -> Self {
        let Self { disk, journal, now_ms, config, pushes, written, commit, .. } = self;
        let highest = journal.next_sequence();
        let found = disk.crash(journal, commit, crash);
        Self::reopen(disk, found, now_ms, config, pushes, written, highest, crash)
    }

    /// As [`Self::crash`], by loss of power, with everything under commit, and `choose` deciding
    /// over each dirty page.
    pub(super) fn crash_choosing(mut self, choose: &mut dyn FnMut(u32, usize) -> u8) -> Self {
        self.begin_commit(false);
        let Self { disk, journal, now_ms, config, pushes, written, commit, .. } = self;
        let highest = journal.next_sequence();
        let found = disk.crash_choosing(journal, commit, choose);
        Self::reopen(disk, found, now_ms, config, pushes, written, highest, Crash::Power)
    }

    #[expect(clippy::too_many_arguments, reason = "the remains of a model, taken apart")]
    fn reopen(
        disk: Disk,
        found: Vec<Found>,
        now_ms: u64,
        config: JournalConfig,
        mut pushes: BTreeMap<u64, Push>,
        written: HashMap<u64, (RecordKind, u64)>,
        highest: u64,
        crash: Crash,
    ) -> Self {
        let mut found = Some(found);
        // Where the device fails while the journal is recovered, the process ends and the next one
        // tries again.
        let (mut journal, replayed) = loop {
            let segments = found.take().unwrap_or_else(|| disk.found());
            match Self::recover(&disk, segments, config, &pushes, &written) {
                Ok(recovered) => break recovered,
                Err(JournalError::Io { .. }) => {
                    assert_eq!(
                        crash,
                        Crash::Power,
                        "the device fails where the tests make it fail"
                    );
                    disk.fail_after(None);
                }
                Err(error) => panic!("a crash is no reason not to open: {error}"),
            }
        };
        assert!(journal.next_sequence() > highest, "a sequence would be given twice");
        let (mut live, mut unnotified) = (Vec::new(), Vec::new());
        pushes.retain(|push_id, push| {
            replayed.check(*push_id, push, now_ms);
            let (is_accepted, is_ended) = replayed.resume(*push_id, push);
            match push.position {
                Some(_) if is_ended => unnotified.push(*push_id),
                Some(_) => live.push(*push_id),
                None => {}
            }
            is_accepted || is_ended
        });
        for position in pushes.values().filter_map(|push| push.position) {
            journal.hold(position);
        }
        journal.give_back_cleaned();
        let (commit, cleaning) = (None, None);
        let mut model = Self {
            disk,
            journal,
            now_ms,
            config,
            pushes,
            written,
            commit,
            cleaning,
            live,
            unnotified,
        };
        model.note_opened();
        model
    }

    /// One recovery, and what it handed out.
    fn recover(
        disk: &Disk,
        segments: Vec<Found>,
        config: JournalConfig,
        pushes: &BTreeMap<u64, Push>,
        written: &HashMap<u64, (RecordKind, u64)>,
    ) -> Result<(Journal, Replayed), JournalError> {
        let mut replayed = Replayed::default();
        let (journal, report) = Journal::recover(
            nowhere(),
            config,
            disk.supply(),
            segments,
            &mut |position, sequence, record| {
                replayed.take(position, sequence, record, written, pushes);
            },
        )?;
        assert_eq!(report.damages, [], "power takes nothing that was durable");
        Ok((journal, replayed))
    }
}

pub(super) fn ended(push_id: u64, ended_ms: u64) -> Ended {
    Ended {
        push_id,
        key_fingerprint: push_id,
        content_digest: 0,
        alert_key_fingerprint: 0,
        msn: 1,
        xpid: 1,
        accepted_ms: 1,
        ended_ms,
        code: 0,
        state: 4,
        class: 1,
        kind: 1,
        segments: 1,
        delivered: 1,
        withdrawn: 0,
        domain: 2,
        tp_status: 0,
        alert_sequence: 0,
        notification_due: true,
        end_number: 1,
    }
}

fn notified(push_id: u64, at_ms: u64, outcome: u8) -> Notified {
    Notified { push_id, at_ms, tries: 1, outcome, cancellation: false }
}

/// Octets that nobody else would have written.
fn content(push_id: u64, octets: usize) -> Vec<u8> {
    let mut random = Random::new(push_id);
    let mut submits = Vec::with_capacity(octets + 8);
    while submits.len() < octets {
        submits.extend_from_slice(&random.next().to_le_bytes());
    }
    submits.truncate(octets);
    submits
}
