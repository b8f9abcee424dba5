//! Opening a shard: its journal is replayed into an empty message center, and what was unfinished goes on.

use super::Shard;
use super::books::{Home, Owed};
use super::endings::{identity, notice};
use super::figures::Counted;
use super::parked::ParkedNews;
use super::progress::{OpenProgress, OpenStage};
use super::waiting::WaitingScan;
use crate::billing::{BillingError, BillingLog, Lacking};
use crate::gateway::contracts::ContractTable;
use crate::gateway::fingerprint::{FingerprintKeys, Fingerprints};
use crate::gateway::registry::Registry;
use crate::journal::{
    AlertCancel, AppendError, ArchivedAccepted, ArchivedEnded, Held, Journal, JournalConfig, JournalError,
    Position, Record, RecoveryReport, SegmentFactory,
};
use crate::network::port::CoreNetwork;
use crate::smsc::alerts::AlertIdentity;
use crate::smsc::closed_alerts::ClosedAlert;
use crate::smsc::core::{Core, CoreLimits, NewPush};
use crate::smsc::pushes::PushIndex;
use crate::smsc::recovery::{RecoveredEnd, RecoveredHold, RecoveredProgress, Recovery};
use crate::smsc::state::State;
use crate::smsc::wait_reason::WaitReason;
use crate::testing::injection::Injection;
use crate::testing::kill_points::{KillPoint, kill_point};
use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use wire::sms::segment::SUBMITS_OCTETS_MAX;
use wire::terms::code::Code;
use wire::terms::durability::Durability;
use wire::terms::ids::{Kind, Msn, Reqid, Xpid};
use wire::terms::time::Pace;

/// What a shard is made of.
pub struct ShardConfig {
    /// This shard, from 0.
    pub number: usize,
    /// All shards.
    pub shards: usize,
    /// When answers may leave.
    pub durability: Durability,
    /// Bounds of the message center.
    pub limits: CoreLimits,
    /// The journal's sizes.
    pub journal: JournalConfig,
    /// Seed of the jitter.
    pub seed: u64,
    /// How many seconds of the message center's schedules pass in a real one; 1 but for rehearsals.
    pub time_scale: u64,
    /// How fingerprints are made, and were.
    pub fingerprints: FingerprintKeys,
    /// Faults to rehearse.
    pub injections: Vec<Injection>,
    /// Where the opening says how far it is.
    pub progress: Arc<OpenProgress>,
}

/// What recovery found.
#[derive(Debug)]
pub struct ShardReport {
    /// The journal's own report.
    pub journal: RecoveryReport,
    /// Pushes that go on.
    pub live: usize,
    /// Billing events that were missing and have been added.
    pub billed: u64,
}

/// Why a shard could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The billing log.
    #[error(transparent)]
    Billing(#[from] BillingError),
    /// More unfinished pushes than the configuration allows.
    #[error("the journal holds {0} more unfinished pushes than --pushes-max allows; start with a larger one")]
    TooManyPushes(u64),
    /// What was copied to another shard's journal cannot be made durable.
    #[error("the billing log or a journal cannot be made durable ({0}); check the device and start again")]
    Copy(std::io::Error),
    /// The device takes no billing events, and what is copied must have its own before.
    #[error(
        "{0} billing events cannot be written before the queue moves; free some disk space and start again"
    )]
    Unbilled(u64),
    /// What still matters does not fit into the new shards' journals.
    #[error("the queue does not fit into as many shards ({0})")]
    NoRoomToReshard(AppendError),
    /// The key of the fingerprints is not the one that the journal was written under.
    #[error(
        "the file `key` of the data directory is not the one that its journals were written with; put it back from a \
         backup: without it repeats would be sent twice and cancels find nothing"
    )]
    ForeignKey,
    /// A record whose checksum holds says something impossible.
    #[error("journal record {sequence} has an impossible {what}; keep the directory and report it")]
    Impossible {
        /// The record's sequence.
        sequence: u64,
        /// The field.
        what: &'static str,
    },
}

impl Shard {
    /// Opens the shard in `directory` (its own folder of the data directory).
    pub fn open(
        directory: &Path,
        config: &ShardConfig,
        factory: &SegmentFactory,
        network: Box<dyn CoreNetwork + Send>,
        registry: Arc<Registry>,
        now_ms: u64,
    ) -> Result<(Self, ShardReport), OpenError> {
        let pace = Pace::new(config.time_scale, now_ms);
        let center_ms = pace.center(now_ms);
        let mut recovery = Recovery::new(Core::new(config.limits, center_ms), config.seed);
        let shard = config.number as u16;
        let mut billing = BillingLog::open(directory, shard, now_ms)?;
        let home = Home::new(config.journal.first_sequence, shard);
        let (mut lacking, mut unread) = (Lacking::default(), None);
        let mut impossible = None;
        let progress = &*config.progress;
        progress.set_octets_in_all(octets_in_use(&directory.join("journal")));
        let (mut records, mut segments_before, mut last) = (0, 0, None::<Position>);
        let mut waiting = WaitingScan::default();
        let mut foreign = KeyCheck::new(&config.fingerprints);
        let (journal, report) = Journal::open(
            &directory.join("journal"),
            config.journal,
            factory,
            &mut |position, sequence, record| {
                if let Record::Accepted(accepted) = &record {
                    foreign.look(accepted);
                    waiting.marks.note(accepted.push_id.to_native(), accepted.accepted_ms.to_native());
                }
                // The crash may have come between the record and its event.
                if let Some((event, is_foreign)) = home.event(&record, sequence)
                    && let Err(error) = lacking.check(&mut billing, &event, is_foreign, now_ms)
                {
                    unread.get_or_insert(error);
                }
                if let Err(what) = replay(&mut recovery, pace, position, &record) {
                    impossible.get_or_insert((sequence, what));
                }
                records += 1;
                if last.is_some_and(|last| last.segment() != position.segment()) {
                    segments_before += u64::from(config.journal.segment_octets);
                }
                last = Some(position);
                progress.note_record(records, segments_before + u64::from(position.offset()));
            },
        )?;
        if let Some((sequence, what)) = impossible {
            return Err(OpenError::Impossible { sequence, what });
        }
        if foreign.is_found() {
            return Err(OpenError::ForeignKey);
        }
        if let Some(error) = unread {
            return Err(error.into());
        }
        let entered = lacking.finish(&mut billing, now_ms)?;
        let billed = entered.events;
        progress.enter(OpenStage::Restoring);
        let mut journal = journal;
        for position in recovery.live_positions() {
            journal.hold(Position::from_bits(position));
        }
        let core = recovery.finish(center_ms).map_err(OpenError::TooManyPushes)?;
        let mut shard = Self {
            number: config.number,
            shards: config.shards,
            durability: config.durability,
            pace,
            registry,
            contracts: ContractTable::with_capacity(0),
            fingerprints: config.fingerprints.keyed,
            alerts_had_older: config.fingerprints.older_until_ms.is_some(),
            older_until_ms: config.fingerprints.older_until_ms.filter(|&until_ms| now_ms < until_ms),
            core,
            journal,
            billing,
            owed: (entered.left > 0).then(|| Owed::at_start(entered.left, entered.known)),
            moved_ends: VecDeque::new(),
            network,
            intake_paused: false,
            names: Arc::default(),
            names_lost: false,
            message_reference: 0,
            concatenation_reference: 0,
            reference_seed: std::hash::RandomState::new().hash_one(config.seed),
            scratch: Box::default(),
            submits: Box::new([0; SUBMITS_OCTETS_MAX]),
            ended: VecDeque::with_capacity(1024),
            notifications: VecDeque::with_capacity(1024),
            cleaning: None,
            cleaning_looked: Default::default(),
            appended_at_last_turn: 0,
            cleaning_owed: 0,
            awaited: 0,
            journal_polled_ms: 0,
            random: config.seed | 1,
            injections: config.injections.clone(),
            pushes_seen: 0,
            counted: Counted::default(),
            parked_news: ParkedNews::default(),
            waiting,
        };
        shard.carry_out_effects(now_ms);
        shard.await_alerts(now_ms);
        kill_point(KillPoint::RecoverOpened);
        let live = shard.core.live();
        progress.enter(OpenStage::Done);
        Ok((shard, ShardReport { journal: report, live, billed }))
    }
}

impl Shard {
    /// Lines whose pushes were held as absent or full before this start are to be reported when they are ready.
    fn await_alerts(&mut self, now_ms: u64) {
        for index in 0..self.core.indices_used() as PushIndex {
            let Some(push) = self.core.live_at(index).filter(|push| push.state == State::Held) else {
                continue;
            };
            if WaitReason::from_number(push.hold_reason()).is_some_and(|reason| reason.cause().awaits_alert())
            {
                self.network.await_alert(push.msn(), now_ms);
            }
        }
    }
}

/// Accepted records whose fingerprints are calculated again at a start.
const CHECKED_MAX: u32 = 256;

/// Looks whether a journal's fingerprints were made under the key that there is.
struct KeyCheck {
    made_by: [Fingerprints; 2],
    left: u32,
    is_foreign: bool,
}

impl KeyCheck {
    fn new(keys: &FingerprintKeys) -> Self {
        Self { made_by: [keys.keyed, Fingerprints::open()], left: CHECKED_MAX, is_foreign: false }
    }

    fn look(&mut self, accepted: &ArchivedAccepted<'_>) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let (xpid, msn) =
            (Xpid::from_value(accepted.xpid.to_native()), Msn::from_value(accepted.msn.to_native()));
        let (Some(xpid), Some(msn), Some(reqid)) = (xpid, msn, Reqid::parse(accepted.reqid())) else {
            return;
        };
        let known = accepted.key_fingerprint.to_native();
        self.is_foreign |= self.made_by.iter().all(|by| by.push_key(xpid, msn, reqid) != known);
    }

    fn is_found(&self) -> bool {
        self.is_foreign
    }
}

/// Octets of the files in a directory; 0 where it is not there yet.
pub(super) fn octets_of_files(directory: &Path) -> u64 {
    octets_of(directory, |_| true)
}

/// As [`octets_of_files`], without the spares of a journal, which begin with zeros.
fn octets_in_use(directory: &Path) -> u64 {
    octets_of(directory, |entry| {
        let mut first = [0];
        let read = std::fs::File::open(entry.path()).and_then(|mut file| file.read(&mut first));
        read.is_ok() && first[0] != 0
    })
}

fn octets_of(directory: &Path, counts: impl Fn(&std::fs::DirEntry) -> bool) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten().filter(counts);
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

pub(crate) fn replay(
    recovery: &mut Recovery,
    pace: Pace,
    position: Position,
    record: &Record<'_>,
) -> Result<(), &'static str> {
    match record {
        Record::Accepted(accepted) => recovery.restore_accepted(new_push(accepted, pace, position)?),
        Record::Progress(progress) => recovery.restore_progress(
            progress.push_id.to_native(),
            RecoveredProgress {
                delivered_mask: progress.delivered_mask.to_native(),
                attempts: progress.attempts.to_native(),
                in_doubt: progress.in_doubt,
                begun: progress.begun,
            },
        ),
        Record::Held(held) => {
            let held = held.to_native();
            recovery.restore_held(held.push_id, &hold_of(&held, pace)?);
        }
        Record::CancelAccepted(cancel) => match cancel.whole_alert() {
            Some(cancel) => recovery.restore_alert_cancel(cancel.fingerprint, closed_alert(&cancel, pace)),
            None => recovery.restore_cancel(cancel.push_id().unwrap_or_default(), cancel.told()),
        },
        Record::Ended(ended) => recovery.restore_ended(end_of(ended, pace)?, ended.delivered),
        Record::Notified(notified) => {
            recovery.restore_notified(notified.push_id.to_native(), notice(notified));
        }
        Record::Key(key) => recovery.restore_key(RecoveredEnd {
            push_id: key.push_id.to_native(),
            key: key.fingerprint.to_native(),
            client: None,
            content_digest: key.content_digest.to_native(),
            state: State::from_number(key.state).filter(|state| state.is_final()).ok_or("state")?,
            code: Code::from_number(key.code.to_native()).ok_or("code")?,
            ended_ms: pace.center(key.ended_ms.to_native()),
            segments: key.segments,
            withdrawn: 0,
            domain: 0,
            tp_status: 0,
            alert: remembered_alert(key.alert_key_fingerprint.to_native(), key.alert_sequence),
            number: 0,
        }),
        Record::Opened(_) => {}
    }
    Ok(())
}

/// A whole alert's cancel as the message center keeps it.
pub(super) fn closed_alert(cancel: &AlertCancel, pace: Pace) -> ClosedAlert {
    ClosedAlert {
        sequence: cancel.sequence,
        at_ms: pace.center(cancel.at_ms),
        share: cancel.share,
        found: cancel.found,
        told: cancel.told,
    }
}

fn new_push(
    accepted: &ArchivedAccepted<'_>,
    pace: Pace,
    position: Position,
) -> Result<NewPush, &'static str> {
    let (msn, class) = identity(accepted).ok_or("msn or class")?;
    if !(1..=10).contains(&accepted.segments) {
        return Err("number of segments");
    }
    let xpid = Xpid::from_value(accepted.xpid.to_native()).ok_or("XPID")?;
    let alert_key = accepted.alert_key_fingerprint.to_native();
    let alert = (alert_key != 0).then(|| AlertIdentity {
        key: alert_key,
        alert: accepted.alert_fingerprint.to_native(),
        sequence: accepted.alert_sequence,
    });
    Ok(NewPush {
        push_id: accepted.push_id.to_native(),
        position: position.to_bits(),
        key: accepted.key_fingerprint.to_native(),
        content_digest: accepted.content_digest.to_native(),
        msn,
        class,
        segments: accepted.segments,
        expires_ms: pace.center(accepted.expires_ms.to_native()),
        control: accepted.kind == Kind::Control.number(),
        client: xpid.value(),
        wants_notification: accepted.wants_notification,
        single_attempt: accepted.single_attempt,
        alert,
    })
}

fn end_of(ended: &ArchivedEnded, pace: Pace) -> Result<RecoveredEnd, &'static str> {
    Ok(RecoveredEnd {
        push_id: ended.push_id.to_native(),
        key: ended.key_fingerprint.to_native(),
        client: Some(ended.xpid.to_native()),
        content_digest: ended.content_digest.to_native(),
        state: State::from_number(ended.state).filter(|state| state.is_final()).ok_or("state")?,
        code: Code::from_number(ended.code.to_native()).ok_or("code")?,
        ended_ms: pace.center(ended.ended_ms.to_native()),
        segments: ended.segments,
        withdrawn: ended.withdrawn,
        domain: ended.domain,
        tp_status: ended.tp_status,
        alert: remembered_alert(ended.alert_key_fingerprint.to_native(), ended.alert_sequence),
        number: ended.end_number.to_native(),
    })
}

fn hold_of(held: &Held, pace: Pace) -> Result<RecoveredHold, &'static str> {
    Ok(RecoveredHold {
        progress: RecoveredProgress {
            delivered_mask: held.delivered_mask,
            attempts: held.attempts,
            in_doubt: held.in_doubt,
            begun: false,
        },
        at_ms: pace.center(held.at_ms),
        next_ms: pace.center(held.next_ms),
        code: Code::from_number(held.code).ok_or("code")?,
        cause: WaitReason::from_number(held.reason).ok_or("reason")?.cause(),
        reason: held.reason,
        domain: held.domain,
        holds: held.holds,
    })
}

fn remembered_alert(key: u64, sequence: u8) -> Option<(u64, u8)> {
    (key != 0).then_some((key, sequence))
}
