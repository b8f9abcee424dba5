//! Append and commit: the journal works as in the engine, it appends while the commit before is
//! written and synced, and recycles its segments. The device has the same octets for each sync, and
//! they take turns.

use super::device::Device;
use super::{Append, DEVICE_OCTETS, SEGMENT_OCTETS, SEGMENTS};
use crate::spread::Rounds;
use hayauma::journal::{Accepted, Commit, Journal, JournalConfig, SegmentFactory};
use loadgen::os;
use serde::Serialize;
use std::io::{Error, Result};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use wire::terms::time::{EvenMs, WallMs};

/// Octets of the SMS-SUBMITs of a record: one segment of a short text.
const SUBMITS: [u8; 100] = [0x5a; 100];
/// How long the journal waits for a segment to come back from recycling.
const SPARE_WAIT: Duration = Duration::from_secs(30);

/// One case of appending.
#[derive(Clone, Debug, Serialize)]
pub struct CommitFigures {
    /// Records of a commit.
    pub records: u64,
    /// Octets of a commit.
    pub octets: u64,
    /// Records per second.
    pub records_per_s: Rounds,
    /// Octets per second.
    pub octets_per_s: Rounds,
    /// Octets per second of the device: write and sync of as many octets, one after the other.
    pub device_octets_per_s: Rounds,
    /// The journal's over the device's, round by round.
    pub ratio: Rounds,
}

impl CommitFigures {
    /// Measures commits of so many records, on a thread of its own, because it is pinned.
    pub(super) fn measure(append: &Append, place: &Path, records: u64) -> Result<Self> {
        std::thread::scope(|scope| {
            let case = scope.spawn(|| Self::measure_here(append, place, records));
            case.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn measure_here(append: &Append, place: &Path, records: u64) -> Result<Self> {
        let length = Duration::from_millis(append.round_ms);
        let (server, client) = append.sides.cpus();
        os::pin_thread(&server)?;
        let mut journal = Bench::open(&place.join(format!("journal-{records}")), client)?;
        // Once round, so that every segment is one that was used before.
        while journal.octets < DEVICE_OCTETS * 5 / 4 {
            journal.append_for(records.max(1024), Duration::from_millis(50))?;
        }
        let octets = journal.octets_of(records)?;
        let device = Device::open(&place.join("device"), DEVICE_OCTETS)?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..append.rounds.max(1) {
            if round % 2 == 0 {
                ours.push(journal.append_for(records, length)?);
                theirs.push(device.write_for(octets, length)?);
            } else {
                theirs.push(device.write_for(octets, length)?);
                ours.push(journal.append_for(records, length)?);
            }
        }
        let ratio = ours.iter().zip(&theirs).map(|(ours, theirs)| ours.1 / theirs).collect();
        Ok(Self {
            records,
            octets,
            records_per_s: Rounds::of(ours.iter().map(|round| round.0).collect()),
            octets_per_s: Rounds::of(ours.iter().map(|round| round.1).collect()),
            device_octets_per_s: Rounds::of(theirs),
            ratio: Rounds::of(ratio),
        })
    }

    /// The line that a script reads.
    pub(super) fn line(&self) -> String {
        format!(
            "commit records {} octets {} records_per_s {:.0} octets_per_s {:.0} \
             device_octets_per_s {:.0} ratio {:.2} spread {:.2}",
            self.records,
            self.octets,
            self.records_per_s.median,
            self.octets_per_s.median,
            self.device_octets_per_s.median,
            self.ratio.median,
            self.ratio.spread
        )
    }
}

/// The journal, driven as a shard drives it: while a commit is written and synced the next one
/// fills.
struct Bench {
    journal: Journal,
    /// Ends with its channel.
    _factory: SegmentFactory,
    commits: SyncSender<Commit>,
    synced: Receiver<(Commit, Result<()>)>,
    under_way: bool,
    octets: u64,
    now_ms: u64,
}

impl Bench {
    fn open(directory: &Path, committer_cpus: Vec<usize>) -> Result<Self> {
        let factory = SegmentFactory::start()?;
        let mut config = JournalConfig::new(0, SEGMENTS * u64::from(SEGMENT_OCTETS));
        config.segment_octets = SEGMENT_OCTETS;
        let opened = Journal::open(directory, config, &factory, &mut |_, _, _| {});
        let (journal, _) = opened.map_err(Error::other)?;
        let (commits, inbox) = sync_channel::<Commit>(1);
        let (outbox, synced) = sync_channel(1);
        std::thread::spawn(move || {
            // Where it cannot be pinned it runs where it likes: slower, if anything.
            let _ = os::pin_thread(&committer_cpus);
            while let Ok(mut commit) = inbox.recv() {
                // SAFETY: the journal finishes the commit when it is sent back, and lives until
                // then.
                let outcome = unsafe { commit.carry_out() };
                if outbox.send((commit, outcome)).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            journal,
            _factory: factory,
            commits,
            synced,
            under_way: false,
            octets: 0,
            now_ms: 1,
        })
    }

    /// Octets of the frames of one commit.
    fn octets_of(&mut self, records: u64) -> Result<u64> {
        let before = self.octets;
        self.append(records)?;
        self.commit()?;
        Ok(self.octets - before)
    }

    /// Appends and commits for so long; records and octets per second that became durable.
    fn append_for(&mut self, records: u64, length: Duration) -> Result<(f64, f64)> {
        let (begun, before) = (Instant::now(), self.octets);
        let mut appended = 0;
        while begun.elapsed() < length {
            self.append(records)?;
            self.commit()?;
            appended += records;
        }
        self.settle()?;
        let seconds = begun.elapsed().as_secs_f64();
        Ok((appended as f64 / seconds, (self.octets - before) as f64 / seconds))
    }

    fn append(&mut self, records: u64) -> Result<()> {
        for _ in 0..records {
            let position = loop {
                let record = accepted(self.journal.next_sequence());
                match self.journal.append_accepted(&record) {
                    Ok((position, _)) => break position,
                    Err(_) => self.await_segment()?,
                }
            };
            self.octets += RECORD_OCTETS;
            // Its push is over at once: what was appended can be recycled when it is durable.
            self.journal.release(position);
        }
        Ok(())
    }

    /// Begins a commit of what was appended, when the one before is durable.
    fn commit(&mut self) -> Result<()> {
        self.settle()?;
        if let Some(commit) = self.journal.begin_commit() {
            self.under_way = true;
            self.commits.send(commit).map_err(Error::other)?;
        }
        Ok(())
    }

    /// Waits for the commit under way, and gives back what it has made dispensable.
    fn settle(&mut self) -> Result<()> {
        if self.under_way {
            let (commit, outcome) = self.synced.recv().map_err(Error::other)?;
            outcome?;
            self.under_way = false;
            self.journal.finish_commit(&commit);
        }
        self.now_ms += 1;
        self.journal.poll(EvenMs::new(self.now_ms));
        self.journal.retire_cleaned();
        if let Some(segment) = self.journal.cleaning_candidate(WallMs::new(self.now_ms)) {
            self.journal.cleaned(segment);
        }
        Ok(())
    }

    /// The device takes segments more slowly than they come.
    fn await_segment(&mut self) -> Result<()> {
        self.commit()?;
        self.settle()?;
        self.journal.wait_for_spares(SPARE_WAIT);
        Ok(())
    }
}

/// Octets of the frame of [`accepted`]'s record.
const RECORD_OCTETS: u64 = 32 + 272;

fn accepted(push_id: u64) -> Accepted<'static> {
    Accepted {
        push_id,
        key_fingerprint: push_id,
        content_digest: push_id,
        msn: 9_012_345_678,
        xpid: 100_000_001,
        accepted_ms: 1,
        expires_ms: 2,
        alert_key_fingerprint: 0,
        alert_fingerprint: 0,
        reqid: *b"hmws1tdjb.0000000000000",
        reqid_length: 23,
        class: 1,
        kind: 1,
        wants_notification: true,
        single_attempt: false,
        segments: 1,
        message_reference: push_id as u8,
        concatenation_reference: 0,
        svcinst: 0,
        sender_index: 0,
        alert_sequence: 0,
        door: 0,
        sender: b"Hayauma",
        alert_id: b"",
        submits: &SUBMITS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_goes_round_in_its_segments_and_both_sides_sync_the_same_octets() {
        let place = tempfile::tempdir().expect("a place for temporary files");
        let mut bench =
            Bench::open(&place.path().join("journal"), os::available_cpus()).expect("a journal");
        let before = bench.journal.figures();
        let octets = bench.octets_of(100).expect("it takes records");
        bench.settle().expect("a device that syncs");
        let after = bench.journal.figures();
        assert_eq!(octets, 100 * RECORD_OCTETS);
        assert_eq!(after.durable, after.next_sequence);
        assert_eq!(
            before.free_octets - after.free_octets,
            octets,
            "the record is as long as is reckoned"
        );
        while bench.octets < DEVICE_OCTETS + DEVICE_OCTETS / 4 {
            bench.append_for(1024, Duration::from_millis(1)).expect("segments come back");
        }
        assert!(bench.journal.figures().used_octets <= DEVICE_OCTETS);
    }

    #[test]
    fn a_case_is_one_line_of_names_and_numbers() {
        let one = |value: f64| Rounds::of(vec![value]);
        let commit = CommitFigures {
            records: 16,
            octets: 5_376,
            records_per_s: one(100_000.0),
            octets_per_s: one(33_600_000.0),
            device_octets_per_s: one(40_000_000.0),
            ratio: one(0.84),
        };
        assert_eq!(
            commit.line(),
            "commit records 16 octets 5376 records_per_s 100000 octets_per_s 33600000 \
             device_octets_per_s 40000000 ratio 0.84 spread 0.00"
        );
    }
}
