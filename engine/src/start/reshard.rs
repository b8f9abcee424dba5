//! Laying a data directory out for another number of shards: what still matters in each old journal
//! is copied, record by record and unchanged, to the journals of the shards that own it from now
//! on.
//!
//! The new journals are built in a directory of their own and only then put in place of the old
//! ones (`layout`): a crash at any step leaves the old layout or the new one, and the next start
//! goes on from there.
//!
//! Invariants:
//! * of a push that lives, every record is copied, in the order in which they stand; of one that is
//!   done with, what remembers its key until 24 hours have gone by;
//! * a push keeps its number, its notifications keep their `ntfid`, and no number is ever given to
//!   another push: the sequences of every shard of every layout lie in a range of their own;
//! * before a record is copied its billing event is durable where it belongs, in the old shard's
//!   log, which stays where it is. So what was copied is never billed again.

use crate::billing::{BillingLog, Lacking, Log as _};
use crate::journal::{
    AppendError, Journal, JournalConfig, KEY_KEEP_MS, Position, Record, SegmentFactory, SegmentId,
};
use crate::shard::OpenError;
use crate::shard::books::EventHome;
use crate::shard::replay::replay_apart;
use crate::smsc::core::{Core, CoreLimits};
use crate::smsc::recovery::Recovery;
use crate::testing::kill_points::{KillPoint, kill_point};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;
use wire::terms::ids::Msn;
use wire::terms::ownership::shard_of;
use wire::terms::pace::Pace;
use wire::terms::time::WallMs;

/// How long a copy waits for the device to make a segment.
const SPARE_WAIT: Duration = Duration::from_secs(120);

/// What re-sharding copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Copied {
    /// Pushes that go on.
    pub pushes: u64,
    /// Records, of them and of keys that are remembered.
    pub records: u64,
}

/// A new shard's journal while it is filled.
pub struct Target {
    journal: Journal,
}

impl Target {
    /// Begins the journal in `directory`, which must be empty.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn begin(
        directory: &Path,
        config: JournalConfig,
        factory: &SegmentFactory,
    ) -> Result<Self, OpenError> {
        let (journal, _) = Journal::open(directory, config, factory, &mut |_, _, _| {})?;
        Ok(Self { journal })
    }

    /// Makes everything in it durable and closes it.
    ///
    /// # Errors
    /// When a sync fails.
    pub fn finish(mut self) -> Result<(), OpenError> {
        self.journal.commit_blocking().map_err(OpenError::Copy)
    }
}

/// An old shard: where it is and how it was kept.
pub struct Source<'a> {
    /// Its directory, with journal and billing log.
    pub directory: &'a Path,
    /// Its number.
    pub number: u16,
    /// Bounds for everything that it may hold.
    pub limits: CoreLimits,
    /// The journal's sizes.
    pub journal: JournalConfig,
    /// How many seconds pass in the message center in a real one.
    pub time_scale: u64,
}

/// Copies what still matters in `source` to the `targets`.
///
/// # Errors
/// When the old journal cannot be read, or a new one has no room for it.
pub fn copy(
    source: &Source<'_>,
    targets: &mut [Target],
    factory: &SegmentFactory,
    now_ms: WallMs,
) -> Result<Copied, OpenError> {
    let pace = Pace::new(source.time_scale, now_ms);
    let mut recovery = Recovery::new(Core::new(source.limits, pace.center(now_ms)), 0);
    let mut billing = BillingLog::open(source.directory, source.number, now_ms)?;
    let home = EventHome::new(source.journal.first_sequence, source.number);
    let (mut lacking, mut unread) = (Lacking::default(), None);
    let mut owners: HashMap<u64, usize> = HashMap::new();
    let mut segments: Vec<SegmentId> = Vec::new();
    let mut impossible = None;
    let directory = source.directory.join("journal");
    let (journal, _) =
        Journal::open(&directory, source.journal, factory, &mut |position, sequence, record| {
            if let Some((event, is_foreign)) = home.event(&record, sequence)
                && let Err(error) = lacking.check(&mut billing, &event, is_foreign, now_ms)
            {
                unread.get_or_insert(error);
            }
            if segments.last() != Some(&position.segment()) {
                segments.push(position.segment());
            }
            if let Record::Accepted(accepted) = &record
                && let Some(msn) = Msn::from_value(accepted.msn.to_native())
            {
                owners.insert(accepted.push_id.to_native(), shard_of(msn, targets.len()));
            }
            if let Err(what) = replay_apart(&mut recovery, pace, position, sequence, &record) {
                impossible.get_or_insert((sequence, what));
            }
        })?;
    if let Some((sequence, what)) = impossible {
        return Err(OpenError::Impossible { sequence, what });
    }
    if let Some(error) = unread {
        return Err(error.into());
    }
    let left = lacking.finish(&mut billing, now_ms)?.left + billing.events_refused();
    if left > 0 {
        return Err(OpenError::Unbilled(left));
    }
    billing.sync()?;
    if recovery.without_room() > 0 {
        return Err(OpenError::TooManyPushes(recovery.without_room()));
    }
    let live: Vec<Position> = recovery.live_positions().map(Position::from_bits).collect();
    let withdrawing = recovery.alerts_to_withdraw();
    drop(recovery);
    let mut kept = Kept { pushes: HashMap::with_capacity(live.len()), withdrawing };
    for position in live {
        let push_id = journal.accepted(position).push_id;
        kept.pushes.extend(owners.get(&push_id).map(|&owner| (push_id, owner)));
    }
    drop(owners);
    let mut copied = Copied { pushes: kept.pushes.len() as u64, records: 0 };
    for segment in segments {
        let mut outcome = Ok(());
        journal.visit(segment, &mut |position, _, record| {
            if outcome.is_ok() {
                outcome = copy_record(&journal, position, &record, &kept, targets, now_ms.ms())
                    .map(|records| copied.records += records);
            }
        });
        outcome?;
    }
    Ok(copied)
}

/// What of the old shard goes on.
struct Kept {
    /// The numbers of its live pushes, and their owners from now on.
    pushes: HashMap<u64, usize>,
    /// The cancelled alerts of which some of them are still to be withdrawn.
    withdrawing: HashSet<u64>,
}

/// Copies a record to whom it concerns; how many copies that made.
fn copy_record(
    journal: &Journal,
    position: Position,
    record: &Record<'_>,
    kept: &Kept,
    targets: &mut [Target],
    now_ms: u64,
) -> Result<u64, OpenError> {
    let every = 0..targets.len();
    let owned = |msn: u64| match Msn::from_value(msn).map(|msn| shard_of(msn, every.len())) {
        Some(owner) => owner..owner + 1,
        None => every.clone(),
    };
    let Some(push_id) = record.push_id() else {
        return match record {
            // About the old journal itself.
            Record::Opened(_) | Record::Cleaned(_) => Ok(0),
            // Of what is over: nothing is laid out anew while one is under way.
            Record::Broadcast(_) => Ok(0),
            // An alert that is open again: its pushes may be newer than the cancel. While some are
            // still to be withdrawn it is not open, however long ago the cancel was.
            Record::CancelAccepted(cancel)
                if now_ms >= cancel.at_ms().saturating_add(KEY_KEEP_MS)
                    && cancel
                        .whole_alert()
                        .is_none_or(|cancel| !kept.withdrawing.contains(&cancel.fingerprint)) =>
            {
                Ok(0)
            }
            // What concerns no single push concerns every shard.
            _ => to_each(targets, |target| journal.copy_to(position, target)),
        };
    };
    if let Some(&owner) = kept.pushes.get(&push_id) {
        return to_each(&mut targets[owner..=owner], |target| journal.copy_to(position, target));
    }
    if record.key().is_none_or(|key| now_ms >= key.ended_ms.saturating_add(KEY_KEEP_MS)) {
        return Ok(0);
    }
    match record {
        Record::Ended(ended) => {
            let owners = owned(ended.msn.to_native());
            to_each(&mut targets[owners], |target| journal.copy_to(position, target))
        }
        // A key is a fingerprint and does not say whose it is: each shard remembers it.
        _ => to_each(targets, |target| journal.copy_to(position, target)),
    }
}

fn to_each(
    targets: &mut [Target],
    mut append: impl FnMut(&mut Journal) -> Result<(), AppendError>,
) -> Result<u64, OpenError> {
    for target in &mut *targets {
        target.journal.wait_for_spares(SPARE_WAIT);
        append(&mut target.journal).map_err(OpenError::NoRoomToReshard)?;
        kill_point(KillPoint::ReshardRecord);
    }
    Ok(targets.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::numbering::LAYOUT_BITS;
    use crate::journal::{Accepted, CancelAccepted, Reached, SEGMENT_OCTETS_MIN, Trail};

    const NOW_MS: u64 = 1_800_000_000_000;
    const LIMITS: CoreLimits =
        CoreLimits { pushes_max: 100, waiting_per_msn_max: 10, ended_keys_max: 100 };

    fn config(first_sequence: u64) -> JournalConfig {
        let budget_octets = 8 * u64::from(SEGMENT_OCTETS_MIN);
        let segment_octets = SEGMENT_OCTETS_MIN;
        JournalConfig { segment_octets, first_sequence, ..JournalConfig::new(0, budget_octets) }
    }

    /// Appends the Accepted record of a push.
    fn accept(journal: &mut Journal) -> (Position, u64) {
        let push_id = journal.next_sequence();
        let accepted = Accepted {
            push_id,
            key_fingerprint: push_id * 31,
            content_digest: 1,
            msn: 9_012_345_678,
            xpid: 100_000_001,
            accepted_ms: NOW_MS,
            expires_ms: NOW_MS + 3_600_000,
            alert_key_fingerprint: 0,
            alert_fingerprint: 0,
            reqid: *b"abc....................",
            reqid_length: 3,
            class: 3,
            kind: 1,
            wants_notification: true,
            single_attempt: false,
            segments: 1,
            message_reference: 17,
            concatenation_reference: 0,
            svcinst: 0,
            sender_index: 0,
            alert_sequence: 0,
            door: 0,
            sender: b"CITY",
            alert_id: b"",
            submits: b"",
        };
        let appended = journal.append_accepted(&accepted);
        appended.unwrap_or_else(|error| panic!("{error}"))
    }

    /// An old journal: a push whose cancel was accepted, then its copy behind which a crash left
    /// nothing, then what the next run took.
    fn write_source(directory: &Path, factory: &SegmentFactory) {
        let directory = directory.join("journal");
        let open = || Journal::open(&directory, config(1), factory, &mut |_, _, _| {});
        let (mut journal, _) = open().unwrap_or_else(|error| panic!("{error}"));
        let (position, push_id) = accept(&mut journal);
        let cancel = CancelAccepted::of_push(push_id, NOW_MS, push_id * 31, true);
        journal.append_cancel(&cancel).unwrap_or_else(|error| panic!("{error}"));
        let torn = Trail { cancel: None, reached: Reached::Acceptance };
        let moved = journal.move_forward(position, &torn).map(|moved| moved.is_ok());
        assert_eq!(moved, Ok(true));
        journal.commit_blocking().unwrap_or_else(|error| panic!("{error}"));
        drop(journal);
        let (mut journal, _) = open().unwrap_or_else(|error| panic!("{error}"));
        accept(&mut journal);
        journal.commit_blocking().unwrap_or_else(|error| panic!("{error}"));
    }

    #[test]
    fn a_copy_that_a_crash_tore_stays_torn_in_another_layout() {
        let place = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let factory = SegmentFactory::start().unwrap_or_else(|error| panic!("{error}"));
        write_source(place.path(), &factory);
        let target_at = place.path().join("target");
        let copied_first = (1 << LAYOUT_BITS) + 1;
        let target = Target::begin(&target_at, config(copied_first), &factory);
        let mut targets = [target.unwrap_or_else(|error| panic!("{error}"))];
        let (limits, journal) = (LIMITS, config(1));
        let source = Source { directory: place.path(), number: 0, limits, journal, time_scale: 1 };
        let copied = copy(&source, &mut targets, &factory, WallMs::new(NOW_MS));
        let copied = copied.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(copied, Copied { pushes: 2, records: 4 });
        let [target] = targets;
        target.finish().unwrap_or_else(|error| panic!("{error}"));

        let pace = Pace::new(1, WallMs::new(NOW_MS));
        let center_ms = pace.center(WallMs::new(NOW_MS));
        let mut recovery = Recovery::new(Core::new(LIMITS, center_ms), 0);
        let mut copies = Vec::new();
        Journal::open(
            &target_at,
            config(copied_first),
            &factory,
            &mut |position, sequence, record| {
                if let Record::Accepted(_) = record {
                    copies.push(position.to_bits());
                }
                assert_eq!(replay_apart(&mut recovery, pace, position, sequence, &record), Ok(()));
            },
        )
        .unwrap_or_else(|error| panic!("{error}"));
        // Behind the torn copy stands no cancel: were the push there, the one in front of it would
        // be cleaned away as dead.
        assert_eq!(copies.len(), 3);
        assert!(recovery.live_positions().eq([copies[0], copies[2]]));
    }
}
