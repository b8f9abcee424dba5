//! The journal beside the device: append and commit against writing and syncing the same octets one after the other; and
//! the engine's answer beside the time that one sync takes.
//!
//! The journal works as in the engine: it appends while the commit before is written and synced, and recycles its
//! segments. The device is a file that was filled with zeros before, written at ascending offsets, each write followed by fdatasync: what the
//! file system and the device allow a program that does nothing else. Both have the same octets for each sync, and take
//! turns.

use crate::cpus::Sides;
use crate::results::{Beginning, Recording};
use crate::spread::Rounds;
use clap::Args;
use hayauma::journal::{Accepted, Commit, Journal, JournalConfig, SegmentFactory};
use loadgen::drill::Drill;
use loadgen::mix::Mix;
use loadgen::os;
use loadgen::plan::Load;
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Records of one commit, case by case: from a quiet hour's to a flood's.
const COMMIT_RECORDS: [u64; 4] = [16, 128, 1024, 8192];
/// Octets of the SMS-SUBMITs of a record: one segment of a short text.
const SUBMITS: [u8; 100] = [0x5a; 100];
/// Segments of the journal, and their size: what is appended in a round goes round in them several times.
const SEGMENTS: u64 = 8;
const SEGMENT_OCTETS: u32 = 16 << 20;
/// Octets of the file that is written for comparison.
const DEVICE_OCTETS: u64 = SEGMENTS * SEGMENT_OCTETS as u64;
/// Octets of one write while it is filled with zeros, as the journal's own segments are.
const FILL_OCTETS: usize = 256 << 10;
/// How long the journal waits for a segment to come back from recycling.
const SPARE_WAIT: Duration = Duration::from_secs(30);
/// Syncs of the smallest kind that tell the device's median.
const SINGLE_SYNCS: usize = 2_000;
const PAGE_OCTETS: usize = 4096;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct Append {
    /// Rounds of each case
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: usize,
    /// How long each side appends or writes in a round, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_000)]
    pub round_ms: u64,
    /// Pushes per second of the answer's open loop; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub rate: u64,
    /// Pushes of a round of the answer's open loop, behind a second's worth of warm-up
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub pushes: u64,
    /// Directory on the device [default: the system's for temporary files]
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    #[command(flatten)]
    sides: Sides,
    #[command(flatten)]
    recording: Recording,
}

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

/// The answer beside one sync.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerFigures {
    /// Pushes per second, open loop.
    pub rate_per_s: u64,
    /// Pushes of a round.
    pub pushes: u64,
    /// From the intended send to the answer, milliseconds.
    pub p50_ms: Rounds,
    /// 99 in 100.
    pub p99_ms: Rounds,
    /// 999 in 1,000.
    pub p999_ms: Rounds,
    /// The device's median: one page written and synced, milliseconds.
    pub sync_p50_ms: Rounds,
    /// Its 99.9th percentile.
    pub sync_p999_ms: Rounds,
    /// The answer's 99.9th percentile over the device's median, round by round.
    pub ratio: Rounds,
    /// CPU microseconds of the engine per push.
    pub engine_us: Rounds,
}

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Rounds of each case.
    pub rounds: usize,
    /// Append and commit.
    pub commits: Vec<CommitFigures>,
    /// The answer.
    pub answer: Option<AnswerFigures>,
}

impl Append {
    /// Measures, prints a line a case, and keeps the record.
    ///
    /// # Errors
    /// One sentence.
    pub fn run(&self) -> Result<(), String> {
        let beginning = Beginning::of("append");
        let place = self.directory.as_ref().map_or_else(tempfile::tempdir, tempfile::tempdir_in);
        let place = place.map_err(|error| format!("a directory cannot be made ({error})."))?;
        let mut commits = Vec::new();
        for records in COMMIT_RECORDS {
            let case = || self.commit_case(place.path(), records);
            // A thread of its own: it is pinned.
            let figures = std::thread::scope(|scope| scope.spawn(case).join());
            let figures =
                figures.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(|error| {
                    format!("the journal or the file beside it could not be written ({error}).")
                })?;
            if !self.recording.json {
                println!("{}", commit_line(&figures));
            }
            commits.push(figures);
        }
        let answer = if self.rate > 0 { Some(self.answer_case(place.path())?) } else { None };
        if let Some(answer) = answer.as_ref().filter(|_| !self.recording.json) {
            println!("{}", answer_line(answer));
        }
        self.recording.keep(&beginning.into_record(Figures { rounds: self.rounds, commits, answer }))
    }

    fn commit_case(&self, place: &Path, records: u64) -> Result<CommitFigures, std::io::Error> {
        let length = Duration::from_millis(self.round_ms);
        let (server, client) = self.sides.cpus();
        os::pin_thread(&server)?;
        let mut journal = Bench::open(&place.join(format!("journal-{records}")), client)?;
        // Once round, so that every segment is one that was used before.
        while journal.octets < DEVICE_OCTETS * 5 / 4 {
            journal.append_for(records.max(1024), Duration::from_millis(50))?;
        }
        let octets = journal.octets_of(records)?;
        let device = Device::open(&place.join("device"))?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..self.rounds.max(1) {
            if round % 2 == 0 {
                ours.push(journal.append_for(records, length)?);
                theirs.push(device.write_for(octets, length)?);
            } else {
                theirs.push(device.write_for(octets, length)?);
                ours.push(journal.append_for(records, length)?);
            }
        }
        let ratio = ours.iter().zip(&theirs).map(|(ours, theirs)| ours.1 / theirs).collect();
        Ok(CommitFigures {
            records,
            octets,
            records_per_s: Rounds::of(ours.iter().map(|round| round.0).collect()),
            octets_per_s: Rounds::of(ours.iter().map(|round| round.1).collect()),
            device_octets_per_s: Rounds::of(theirs),
            ratio: Rounds::of(ratio),
        })
    }

    fn answer_case(&self, place: &Path) -> Result<AnswerFigures, String> {
        let (server, client) = self.sides.cpus();
        let written = |error| format!("the file beside the journal could not be written ({error}).");
        let device = Device::open(&place.join("device")).map_err(written)?;
        let mut answers = Vec::new();
        let mut syncs = Vec::new();
        for round in 0..self.rounds.max(1) {
            let drill = Drill {
                pushes: self.pushes + self.rate,
                warm_up: self.rate,
                engine_cpus: server.clone(),
                generator_cpus: client.clone(),
                load: Load::Open { rate_per_second: self.rate },
                threads: Some(1),
                mix: Mix::sample(),
                ..Drill::default()
            };
            let sync = |syncs: &mut Vec<(f64, f64)>| device.single_syncs().map(|times| syncs.push(times));
            if round % 2 == 0 {
                sync(&mut syncs).map_err(written)?;
            }
            let summary =
                drill.carry_out(&Arc::new(AtomicBool::new(false))).map_err(|error| error.to_string())?;
            if !summary.clean {
                return Err(format!("the engine's books are not clean: {}", summary.faults.join(" ")));
            }
            let engine_us = summary.engine.as_ref().map_or(0.0, |engine| engine.cpu_us_per_push);
            answers.push((summary.answer_times, engine_us));
            if round % 2 == 1 {
                sync(&mut syncs).map_err(written)?;
            }
        }
        let of = |figure: &dyn Fn(usize) -> f64| Rounds::of((0..answers.len()).map(figure).collect());
        Ok(AnswerFigures {
            rate_per_s: self.rate,
            pushes: self.pushes,
            p50_ms: of(&|round| answers[round].0.p50_ms),
            p99_ms: of(&|round| answers[round].0.p99_ms),
            p999_ms: of(&|round| answers[round].0.p999_ms),
            sync_p50_ms: of(&|round| syncs[round].0),
            sync_p999_ms: of(&|round| syncs[round].1),
            ratio: of(&|round| answers[round].0.p999_ms / syncs[round].0),
            engine_us: of(&|round| answers[round].1),
        })
    }
}

fn commit_line(figures: &CommitFigures) -> String {
    format!(
        "commit records {} octets {} records_per_s {:.0} octets_per_s {:.0} device_octets_per_s {:.0} ratio {:.2} spread {:.2}",
        figures.records,
        figures.octets,
        figures.records_per_s.median,
        figures.octets_per_s.median,
        figures.device_octets_per_s.median,
        figures.ratio.median,
        figures.ratio.spread
    )
}

fn answer_line(figures: &AnswerFigures) -> String {
    format!(
        "answer rate_per_s {} p50_ms {:.3} p99_ms {:.3} p999_ms {:.3} sync_p50_ms {:.3} sync_p999_ms {:.3} ratio {:.2} \
         spread {:.2} engine_us {:.2}",
        figures.rate_per_s,
        figures.p50_ms.median,
        figures.p99_ms.median,
        figures.p999_ms.median,
        figures.sync_p50_ms.median,
        figures.sync_p999_ms.median,
        figures.ratio.median,
        figures.ratio.spread,
        figures.engine_us.median
    )
}

/// The journal, driven as a shard drives it: while a commit is written and synced the next one fills.
struct Bench {
    journal: Journal,
    /// Ends with its channel.
    _factory: SegmentFactory,
    commits: SyncSender<Commit>,
    synced: Receiver<(Commit, std::io::Result<()>)>,
    under_way: bool,
    octets: u64,
    now_ms: u64,
}

impl Bench {
    fn open(directory: &Path, committer_cpus: Vec<usize>) -> std::io::Result<Self> {
        let factory = SegmentFactory::start()?;
        let mut config = JournalConfig::new(0, SEGMENTS * u64::from(SEGMENT_OCTETS));
        config.segment_octets = SEGMENT_OCTETS;
        let opened = Journal::open(directory, config, &factory, &mut |_, _, _| {});
        let (journal, _) = opened.map_err(std::io::Error::other)?;
        let (commits, inbox) = sync_channel::<Commit>(1);
        let (outbox, synced) = sync_channel(1);
        std::thread::spawn(move || {
            // Where it cannot be pinned it runs where it likes: slower, if anything.
            let _ = os::pin_thread(&committer_cpus);
            while let Ok(mut commit) = inbox.recv() {
                let outcome = commit.carry_out();
                if outbox.send((commit, outcome)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { journal, _factory: factory, commits, synced, under_way: false, octets: 0, now_ms: 1 })
    }

    /// Octets of the frames of one commit.
    fn octets_of(&mut self, records: u64) -> std::io::Result<u64> {
        let before = self.octets;
        self.append(records)?;
        self.commit()?;
        Ok(self.octets - before)
    }

    /// Appends and commits for so long; records and octets per second that became durable.
    fn append_for(&mut self, records: u64, length: Duration) -> std::io::Result<(f64, f64)> {
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

    fn append(&mut self, records: u64) -> std::io::Result<()> {
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
    fn commit(&mut self) -> std::io::Result<()> {
        self.settle()?;
        if let Some(commit) = self.journal.begin_commit() {
            self.under_way = true;
            self.commits.send(commit).map_err(std::io::Error::other)?;
        }
        Ok(())
    }

    /// Waits for the commit under way, and gives back what it has made dispensable.
    fn settle(&mut self) -> std::io::Result<()> {
        if self.under_way {
            let (commit, outcome) = self.synced.recv().map_err(std::io::Error::other)?;
            outcome?;
            self.under_way = false;
            self.journal.finish_commit(&commit);
        }
        self.now_ms += 1;
        self.journal.poll(self.now_ms);
        self.journal.retire_cleaned();
        if let Some(segment) = self.journal.cleaning_candidate(self.now_ms) {
            self.journal.cleaned(segment);
        }
        Ok(())
    }

    /// The device takes segments more slowly than they come.
    fn await_segment(&mut self) -> std::io::Result<()> {
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
        sender: b"Hayauma",
        alert_id: b"",
        submits: &SUBMITS,
    }
}

/// The file that is written for comparison.
struct Device {
    file: File,
}

impl Device {
    fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        for _ in 0..DEVICE_OCTETS / FILL_OCTETS as u64 {
            file.write_all(&[0; FILL_OCTETS])?;
        }
        file.sync_all()?;
        Ok(Self { file })
    }

    /// Writes and syncs so many octets at a time, for so long; octets per second.
    fn write_for(&self, octets: u64, length: Duration) -> std::io::Result<f64> {
        let data = vec![0x5au8; octets as usize];
        let (begun, mut written) = (Instant::now(), 0);
        let mut offset = 0;
        while begun.elapsed() < length {
            if offset + octets > DEVICE_OCTETS {
                offset = 0;
            }
            self.file.write_all_at(&data, offset)?;
            self.file.sync_data()?;
            offset += octets;
            written += octets;
        }
        Ok(written as f64 / begun.elapsed().as_secs_f64())
    }

    /// Median and 99.9th percentile of writing and syncing one page, milliseconds.
    fn single_syncs(&self) -> std::io::Result<(f64, f64)> {
        let mut times = Vec::with_capacity(SINGLE_SYNCS);
        for number in 0..SINGLE_SYNCS {
            let begun = Instant::now();
            let offset = (number * PAGE_OCTETS) as u64 % DEVICE_OCTETS;
            self.file.write_all_at(&[number as u8; PAGE_OCTETS], offset)?;
            self.file.sync_data()?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        Ok((times[SINGLE_SYNCS / 2], times[SINGLE_SYNCS * 999 / 1000]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_goes_round_in_its_segments_and_both_sides_sync_the_same_octets() {
        let place = tempfile::tempdir().expect("a place for temporary files");
        let mut bench = Bench::open(&place.path().join("journal"), os::available_cpus()).expect("a journal");
        let before = bench.journal.figures();
        let octets = bench.octets_of(100).expect("it takes records");
        bench.settle().expect("a device that syncs");
        let after = bench.journal.figures();
        assert_eq!(octets, 100 * RECORD_OCTETS);
        assert_eq!(after.durable, after.next_sequence);
        assert_eq!(before.free_octets - after.free_octets, octets, "the record is as long as is reckoned");
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
            commit_line(&commit),
            "commit records 16 octets 5376 records_per_s 100000 octets_per_s 33600000 device_octets_per_s 40000000 \
             ratio 0.84 spread 0.00"
        );
    }
}
