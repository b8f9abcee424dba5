//! The device without a journal: a file that was filled with zeros before, written at ascending
//! offsets, each write followed by fdatasync. What the file system and the device allow a program
//! that does nothing else.

use super::{FILL_OCTETS, PAGE_OCTETS};
use std::fs::File;
use std::io::{Result, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Syncs that tell the device's median.
const SINGLE_SYNCS: u64 = 2_000;

/// How long writing and syncing one page takes, milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct SyncTimes {
    pub(super) p50_ms: f64,
    pub(super) p999_ms: f64,
}

impl SyncTimes {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default()
        };
        Self { p50_ms: at(0.5), p999_ms: at(0.999) }
    }
}

/// The file.
pub(super) struct Device {
    file: File,
    octets: u64,
}

impl Device {
    /// A file of so many octets, filled with zeros.
    pub(super) fn open(path: &Path, octets: u64) -> Result<Self> {
        let mut file =
            File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        for _ in 0..octets / FILL_OCTETS as u64 {
            file.write_all(&[0; FILL_OCTETS])?;
        }
        file.sync_all()?;
        Ok(Self { file, octets })
    }

    /// Writes and syncs so many octets at a time, for so long; octets per second.
    pub(super) fn write_for(&self, octets: u64, length: Duration) -> Result<f64> {
        let data = vec![0x5au8; octets as usize];
        let (begun, mut written) = (Instant::now(), 0);
        let mut offset = 0;
        while begun.elapsed() < length {
            if offset + octets > self.octets {
                offset = 0;
            }
            self.file.write_all_at(&data, offset)?;
            self.file.sync_data()?;
            offset += octets;
            written += octets;
        }
        Ok(written as f64 / begun.elapsed().as_secs_f64())
    }

    /// One page after the other, without a pause.
    pub(super) fn single_syncs(&self) -> Result<SyncTimes> {
        let times = (0..SINGLE_SYNCS).map(|number| {
            let begun = Instant::now();
            self.sync_page(number)?;
            Ok(begun.elapsed().as_secs_f64() * 1e3)
        });
        times.collect::<Result<_>>().map(SyncTimes::of)
    }

    /// One page at each tick of `rate_per_s`, timed from the tick: the thread sleeps between them,
    /// but for `spin` before the tick, and what comes late for whatever reason counts as late.
    pub(super) fn paced_syncs(
        &self,
        rate_per_s: u64,
        syncs: u64,
        spin: Duration,
    ) -> Result<SyncTimes> {
        let begun = Instant::now();
        let times = (0..syncs).map(|number| {
            let due = Duration::from_nanos(number * 1_000_000_000 / rate_per_s.max(1));
            std::thread::sleep(due.saturating_sub(begun.elapsed() + spin));
            while begun.elapsed() < due {
                std::thread::yield_now();
            }
            self.sync_page(number)?;
            Ok(begun.elapsed().saturating_sub(due).as_secs_f64() * 1e3)
        });
        times.collect::<Result<_>>().map(SyncTimes::of)
    }

    fn sync_page(&self, number: u64) -> Result<()> {
        let offset = number * PAGE_OCTETS as u64 % self.octets;
        self.file.write_all_at(&[number as u8; PAGE_OCTETS], offset)?;
        self.file.sync_data()
    }
}
