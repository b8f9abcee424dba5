//! What a seed makes of a run: how many shards, lines and clients there are and how much goes
//! wrong.

use super::random::Random;
use hayauma::smsc::core::CoreLimits;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// The parameters of a run. Shares are in thousandths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    pub(super) shards: usize,
    pub(super) lines: u32,
    pub(super) clients: u16,
    pub(super) limits: CoreLimits,
    /// Whether only what is synced survives a crash.
    pub(super) power: bool,
    /// How long a sync of the journal takes at most: a device may be very slow.
    pub(super) sync_ms_max: u64,
    /// Over which the clients make up their pushes.
    pub(super) horizon_ms: u64,
    /// Attempts that a shard may have in the network.
    pub(super) attempts_max: usize,
    pub(super) crashes: u64,
    pub(super) crash_at_turn_of: u64,
    pub(super) clock_steps: u64,
    pub(super) line_change_ms: u64,
    pub(super) sink_change_ms: u64,
    pub(super) hlr_failure: u64,
    pub(super) attempt_failure: u64,
    pub(super) report_lost: u64,
    pub(super) cancel: u64,
    pub(super) alert: u64,
    pub(super) emergency: u64,
    pub(super) repeat: u64,
    pub(super) answer_lost: u64,
    /// Octets of a journal segment, and of a shard's journal.
    pub(super) segment_octets: u32,
    pub(super) journal_octets: u64,
    /// Whether segments may be late.
    pub(super) lazy_disk: bool,
    /// Whether the device becomes full now and then.
    pub(super) disk_changes: bool,
    /// Steps of the clock of up to a month.
    pub(super) wide_steps: bool,
    /// Crashes after which the engine is not back for hours.
    pub(super) long_outage: u64,
    /// A client whose sink takes nothing until the faults end.
    pub(super) dead_client: Option<u16>,
}

impl Scenario {
    pub(super) fn draw(random: &mut Random, pushes: u64) -> Self {
        let clients = random.between(1, 4) as u16;
        let long = random.chance(250);
        let span_ms =
            if long { HOUR_MS * random.between(1, 40) } else { MINUTE_MS * random.between(1, 60) };
        // However many pushes there are, a phone gets some tens of them.
        let lines = random.between(2, 12).max(pushes / 40) as u32;
        let tight = random.chance(150);
        // However many pushes there are, some tens of segments hold them.
        let segment_octets =
            (16_384 << random.below(3)).max((pushes * 16).next_power_of_two()) as u32;
        let segments = if random.chance(150) { random.between(6, 12) } else { 128 };
        Self {
            shards: random.between(1, 3) as usize,
            lines,
            clients,
            limits: CoreLimits {
                pushes_max: if tight { random.between(8, 60) } else { 300 + pushes } as usize,
                waiting_per_msn_max: if tight { random.between(2, 20) } else { 1_000 } as u32,
                ended_keys_max: 10_000_000,
            },
            power: random.chance(700),
            sync_ms_max: [20, 500, 30_000][random.below(3) as usize],
            horizon_ms: span_ms,
            attempts_max: random.between(1, 60) as usize,
            crashes: if random.chance(700) { random.between(1, 8) } else { 0 },
            crash_at_turn_of: if random.chance(500) { pushes * 6 } else { 0 },
            clock_steps: if random.chance(400) { random.between(1, 5) } else { 0 },
            line_change_ms: (span_ms / random.between(2, 20)).max(1_000),
            sink_change_ms: (span_ms / random.between(1, 10)).max(1_000),
            hlr_failure: random.below(60),
            attempt_failure: random.below(250),
            report_lost: random.below(120),
            cancel: random.below(200),
            alert: random.below(400),
            emergency: random.below(200),
            repeat: random.below(200),
            answer_lost: random.below(60),
            segment_octets,
            journal_octets: segments * u64::from(segment_octets),
            lazy_disk: random.chance(300),
            disk_changes: random.chance(100),
            wide_steps: random.chance(300),
            long_outage: if random.chance(150) { random.below(500) } else { 0 },
            dead_client: (long && random.chance(400))
                .then(|| random.below(u64::from(clients)) as u16),
        }
    }
}
