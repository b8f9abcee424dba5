//! A broadcast that is over, for as long as requests may still mean it: its reqid stays its own for
//! a day, its alert's sequence counts, and who had its text is not sent the same again.

use std::sync::Arc;

use host::mapped::Mapped;
use wire::terms::ids::Msn;
use wire::terms::time::WallMs;

use super::outcomes::RowWord;
use super::running::RunningBroadcast;

/// How long after its end a broadcast is remembered, in milliseconds.
pub const REMEMBERED_MS: u64 = 24 * 3_600 * 1_000;

/// A broadcast that is over, with what became of its rows.
#[derive(Debug)]
pub struct PastBroadcast {
    /// What it was.
    pub running: Arc<RunningBroadcast>,
    /// The word of each row, by the number in the whole broadcast, little-endian.
    words: Mapped,
    /// Until when it is remembered.
    pub until_ms: WallMs,
    ended_ms: WallMs,
}

impl PastBroadcast {
    /// What is over, and until when it is remembered. `words` has four octets for each row, and may
    /// have more behind them; `None` where it has fewer.
    pub fn new(running: Arc<RunningBroadcast>, words: Mapped, until_ms: WallMs) -> Option<Self> {
        let needed = running.recipients.rows() as usize * 4;
        let ended_ms = WallMs::new(until_ms.ms().saturating_sub(REMEMBERED_MS));
        (words.as_ref().len() >= needed).then_some(Self { running, words, until_ms, ended_ms })
    }

    /// The same, remembered for longer: another broadcast is of its rows.
    #[must_use]
    pub fn for_longer(self, until_ms: WallMs) -> Self {
        Self { until_ms: self.until_ms.max(until_ms), ..self }
    }

    /// When it ended.
    pub fn ended_ms(&self) -> WallMs {
        self.ended_ms
    }

    /// What became of the row to this phone; `None` where there was none.
    pub fn word_of(&self, msn: Msn) -> Option<(u32, RowWord)> {
        let number = self.running.recipients.find(msn)?;
        let octets = self.words.as_ref().get(number as usize * 4..)?.first_chunk()?;
        RowWord::from_bits(u32::from_le_bytes(*octets)).map(|word| (number, word))
    }
}
