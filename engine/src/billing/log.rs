//! The event log of one shard: appending, counting refusals, syncing. `day_file.rs` is one day's
//! file.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use super::counts::RequestCounts;
use super::day_file::DayFile;
use super::event::{Event, EventKind};
use super::limits::{CLOSING_MS, COUNTS_PER_TURN_MAX, DAYS_OPEN_MAX, RETRY_MS};
use super::port::{BillingError, BillingSync, Log, SYNC_FILES_MAX};
use super::read::{
    EventFile, file_name, files_of_all_shards, files_of_shard, read_events, version_of,
};
use host::directory::sync_directory;
use wire::terms::calendar::Day;
use wire::terms::time::WallMs;

/// One shard's billing event log, driven by the shard's thread alone. Appending writes 64 octets of
/// memory; every 4,096 events it also grows the file, which takes some ten microseconds. A full
/// device takes no event: the caller has it in the journal and appends it again later. Counts of
/// refused and repeated requests wait here, in bounded room.
#[derive(Debug)]
pub struct BillingLog {
    directory: PathBuf,
    directory_file: File,
    directory_is_new: bool,
    shard: u16,
    /// The day last written first.
    days: VecDeque<DayFile>,
    counts: RequestCounts,
    /// The first moment of the oldest day that still takes events; the days before it are closed
    /// for good.
    open_from_ms: WallMs,
    /// When that day is closed.
    closes_at_ms: WallMs,
    /// When a write is tried again after one has failed.
    retry_at_ms: Option<WallMs>,
    syncing: bool,
}

impl BillingLog {
    /// Opens the log in a shard's directory (`DATA/shard-NNN`); its own directory there is made if
    /// it is missing. Days before the last one that any shard has written to are closed, and so are
    /// those before `now_ms`.
    ///
    /// # Errors
    /// When the directory cannot be made or read, or holds a file of a later version.
    pub fn open(shard_directory: &Path, shard: u16, now_ms: WallMs) -> Result<Self, BillingError> {
        let directory = shard_directory.join("billing");
        let failed = |source| BillingError::Write { path: directory.clone(), source };
        if !directory.is_dir() {
            fs::create_dir_all(&directory).map_err(failed)?;
            if let Some(parent) = directory.parent() {
                sync_directory(parent).map_err(failed)?;
            }
        }
        let unread = |source| BillingError::Read { path: directory.clone(), source };
        for file in files_of_shard(&directory, shard).map_err(unread)? {
            if let Some(version) = version_of(&file.path).map_err(unread)? {
                return Err(BillingError::Version { path: file.path, version });
            }
        }
        let last =
            files_of_all_shards(&directory).map_err(unread)?.iter().map(|file| file.day).max();
        let mut log = Self {
            directory_file: File::open(&directory).map_err(failed)?,
            directory,
            directory_is_new: false,
            shard,
            days: VecDeque::with_capacity(DAYS_OPEN_MAX),
            counts: RequestCounts::new(),
            open_from_ms: WallMs::ZERO,
            closes_at_ms: WallMs::ZERO,
            retry_at_ms: None,
            syncing: false,
        };
        log.close_before(last.unwrap_or_else(|| Day::of(0)));
        log.note_time(now_ms);
        if log.open_from_ms > now_ms {
            let day = Day::of(log.open_from_ms.ms());
            tracing::warn!(
                shard,
                %day,
                "the clock stands before the last day in the billing log: until it gets there all \
                 is entered in that day"
            );
        }
        Ok(log)
    }

    /// Syncs everything that was appended. Waits for the device.
    ///
    /// # Errors
    /// When a sync fails: it must end the engine; it proves nothing to try again.
    pub fn sync(&mut self) -> Result<(), BillingError> {
        for day in self.days.iter_mut().filter(|day| day.is_dirty()) {
            day.sync()
                .map_err(|source| BillingError::Write { path: day.path().to_path_buf(), source })?;
        }
        if self.directory_is_new {
            let failed = |source| BillingError::Write { path: self.directory.clone(), source };
            self.directory_file.sync_all().map_err(failed)?;
            self.directory_is_new = false;
        }
        Ok(())
    }

    /// Closes the days that are over. Days never open again, whatever the clock says later.
    fn note_time(&mut self, now_ms: WallMs) {
        if now_ms >= self.closes_at_ms {
            self.close_before(Day::of(now_ms.saturating_sub(CLOSING_MS).ms()));
        }
    }

    fn close_before(&mut self, day: Day) {
        self.open_from_ms = self.open_from_ms.max(WallMs::new(day.start_ms()));
        self.closes_at_ms =
            WallMs::new(Day::of(self.open_from_ms.ms()).next().start_ms()) + CLOSING_MS;
    }

    fn write_first_count(&mut self, now_ms: WallMs) -> bool {
        let Some(event) = self.counts.first(self.shard) else { return false };
        let is_written = self.may_write(now_ms) && self.try_write(&event, now_ms);
        if is_written {
            self.counts.remove_first();
        }
        is_written
    }

    fn try_write(&mut self, event: &Event, now_ms: WallMs) -> bool {
        match self.write(event) {
            Ok(()) => {
                self.retry_at_ms = None;
                true
            }
            Err(error) => {
                if self.retry_at_ms.is_none() {
                    tracing::warn!(
                        shard = self.shard,
                        %error,
                        "billing events wait in the journal until the device takes them"
                    );
                }
                self.retry_at_ms = Some(now_ms + RETRY_MS);
                false
            }
        }
    }

    fn write(&mut self, event: &Event) -> Result<(), BillingError> {
        let at_ms = event.own_ms().max(self.open_from_ms.ms());
        let at_front = self.days.front().is_some_and(|day| day.covers(at_ms));
        if !at_front {
            self.bring_to_front(at_ms)?;
        }
        let Some(day) = self.days.front_mut() else { unreachable!("the event's day was opened") };
        day.append(event)
            .map_err(|source| BillingError::Write { path: day.path().to_path_buf(), source })
    }

    fn bring_to_front(&mut self, at_ms: u64) -> Result<(), BillingError> {
        if let Some(place) = self.days.iter().position(|day| day.covers(at_ms)) {
            self.days.swap(0, place);
            return Ok(());
        }
        let day = Day::of(at_ms);
        let path = self.directory.join(file_name(day));
        let failed = |source| BillingError::Write { path: path.clone(), source };
        if self.days.len() >= DAYS_OPEN_MAX
            && let Some(oldest) = self.days.back_mut()
        {
            if oldest.is_dirty() || self.syncing {
                oldest.sync().map_err(failed)?;
            }
            if self.syncing {
                // Its descriptor is named by the sync under way: it must stay open. Two days at
                // once beside a third happen only when the clock was set; wait for the next append.
                return Err(failed(io::Error::from(io::ErrorKind::WouldBlock)));
            }
            self.days.pop_back();
        }
        let is_new = !path.exists();
        let file = DayFile::open(path.clone(), self.shard, day).map_err(failed)?;
        self.directory_is_new |= is_new;
        self.days.push_front(file);
        Ok(())
    }
}

impl Log for BillingLog {
    fn append(&mut self, event: &Event, now_ms: WallMs) -> bool {
        self.note_time(now_ms);
        self.may_write(now_ms) && self.try_write(event, now_ms)
    }

    fn count_request(&mut self, kind: EventKind, xpid: u64, code: u16, now_ms: WallMs) {
        self.counts.note(kind, xpid, code, now_ms);
    }

    fn write_due_counts(&mut self, now_ms: WallMs) -> bool {
        self.note_time(now_ms);
        let mut budget = COUNTS_PER_TURN_MAX;
        while budget > 0 && self.counts.is_due(now_ms) && self.write_first_count(now_ms) {
            budget -= 1;
        }
        budget < COUNTS_PER_TURN_MAX
    }

    fn write_all_counts(&mut self, now_ms: WallMs) -> bool {
        self.note_time(now_ms);
        while self.counts.requests() > 0 && self.write_first_count(now_ms) {}
        self.counts.requests() == 0
    }

    fn requests_unwritten(&self) -> u64 {
        self.counts.requests()
    }

    fn may_write(&self, now_ms: WallMs) -> bool {
        // A clock that was set back must not put the next try off.
        self.retry_at_ms
            .is_none_or(|retry_at_ms| now_ms >= retry_at_ms || now_ms + RETRY_MS < retry_at_ms)
    }

    fn retry_now(&mut self) {
        self.retry_at_ms = None;
    }

    fn next_due_ms(&self, owes: bool) -> Option<WallMs> {
        let retry_ms = self.retry_at_ms.unwrap_or(WallMs::ZERO);
        let counts_ms = self.counts.next_due_ms().map(|due_ms| due_ms.max(retry_ms));
        [counts_ms, owes.then_some(retry_ms)].into_iter().flatten().min()
    }

    fn is_clean(&self) -> bool {
        !self.syncing && !self.directory_is_new && self.days.iter().all(|day| !day.is_dirty())
    }

    fn begin_sync(&mut self) -> Option<BillingSync> {
        if self.syncing || self.is_clean() {
            return None;
        }
        let mut sync = BillingSync { files: [None; SYNC_FILES_MAX] };
        let mut places = sync.files.iter_mut();
        for day in self.days.iter_mut().filter(|day| day.is_dirty()) {
            if let Some(place) = places.next() {
                *place = Some(day.begin_sync());
            }
        }
        if self.directory_is_new
            && let Some(place) = places.next()
        {
            *place = Some(self.directory_file.as_raw_fd());
        }
        self.directory_is_new = false;
        self.syncing = true;
        Some(sync)
    }

    fn finish_sync(&mut self, _sync: &BillingSync) {
        assert!(self.syncing, "a sync is finished once, after it was begun");
        self.syncing = false;
    }

    fn events_of(&self, day: Day, view: &mut dyn FnMut(&Event)) -> Result<(), BillingError> {
        let path = self.directory.join(file_name(day));
        match read_events(&path, view) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(BillingError::Read { path, source })
            }
            _ => Ok(()),
        }
    }

    fn events_from(
        &self,
        first: Day,
        of_all_shards: bool,
        view: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<(), BillingError> {
        let directory = &self.directory;
        let files = if of_all_shards {
            files_of_all_shards(directory)
        } else {
            files_of_shard(directory, self.shard)
        };
        let mut files =
            files.map_err(|source| BillingError::Read { path: directory.clone(), source })?;
        files.retain(|file| file.day >= first);
        for EventFile { path, .. } in files {
            let mut flow = ControlFlow::Continue(());
            let read = read_events(&path, &mut |event| {
                if flow.is_continue() {
                    flow = view(event);
                }
            });
            read.map_err(|source| BillingError::Read { path, source })?;
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }
}
