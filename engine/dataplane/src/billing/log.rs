//! The event log of one shard: events gather in memory and are written some together, beside the
//! journal's commits; refusals are counted. `day_file.rs` is one day's file, `stage.rs` what waits.
//!
//! Nothing here waits for a device once [`BillingLog::make_files_ahead`] was called: opening a
//! day's file and giving it room is another thread's then (`files.rs`). Before, at a start and in
//! tools, it is done at once.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::counts::RequestCounts;
use super::day_file::DayFile;
use super::event::{Event, EventKind};
use super::files::{BillingFiles, Line, Made};
use super::limits::{CLOSING_MS, COUNTS_PER_TURN_MAX, DAYS_OPEN_MAX, FILE_LOOK_MS, RETRY_MS};
use super::port::{BillingError, BillingSync, BillingWrite, Log, SYNC_FILES_MAX};
use super::read::{
    EventFile, file_name, files_of_all_shards, files_of_shard, read_events, version_of,
};
use super::stage::Stage;
use crate::journal::Write;
use host::directory::sync_directory;
use wire::terms::calendar::Day;
use wire::terms::time::WallMs;

/// One shard's billing event log, driven by the shard's thread alone. Appending stores an event in
/// memory. A full device takes no event: what was appended waits, in bounded room, and beyond that
/// the caller has it in the journal and appends it again later. Counts of refused and repeated
/// requests wait here too, in bounded room.
#[derive(Debug)]
pub struct BillingLog {
    directory: PathBuf,
    shard: u16,
    /// Events that stand in no file yet.
    stage: Stage,
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
    /// A write failed for want of room.
    lacked_room: bool,
    writing: bool,
    syncing: bool,
    /// Who opens files and gives them room; `None` where that is done here.
    line: Option<Line>,
    /// The day whose file is being opened, and when it is looked for next.
    opening: Option<(Day, WallMs)>,
    /// A file that takes no more events is being made durable.
    settling: bool,
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
            directory,
            shard,
            stage: Stage::new(),
            days: VecDeque::with_capacity(DAYS_OPEN_MAX),
            counts: RequestCounts::new(),
            open_from_ms: WallMs::ZERO,
            closes_at_ms: WallMs::ZERO,
            retry_at_ms: None,
            lacked_room: false,
            writing: false,
            syncing: false,
            line: None,
            opening: None,
            settling: false,
        };
        log.close_before(last.unwrap_or_else(|| Day::of(WallMs::ZERO)));
        log.note_time(now_ms);
        if log.open_from_ms > now_ms {
            let day = Day::of(log.open_from_ms);
            tracing::warn!(
                shard,
                %day,
                "the clock stands before the last day in the billing log: until it gets there all \
                 is entered in that day"
            );
        }
        Ok(log)
    }

    /// From now on files are opened and given room by that thread.
    pub fn make_files_ahead(&mut self, files: &BillingFiles) {
        let line = files.line(&self.directory, self.shard);
        line.prepare_next_day();
        self.line = Some(line);
    }

    /// Makes everything that was appended durable. Waits for the device.
    ///
    /// # Errors
    /// When it cannot be written, or a sync fails: that must end the engine; it proves nothing to
    /// try again.
    pub fn sync(&mut self) -> Result<(), BillingError> {
        for day in self.days.iter_mut().filter(|day| day.dirty) {
            day.sync()
                .map_err(|source| BillingError::Write { path: day.path().to_path_buf(), source })?;
        }
        Ok(())
    }

    /// Closes the days that are over. Days never open again, whatever the clock says later.
    fn note_time(&mut self, now_ms: WallMs) {
        if now_ms >= self.closes_at_ms {
            self.close_before(Day::of(now_ms.saturating_sub(CLOSING_MS)));
        }
    }

    fn close_before(&mut self, day: Day) {
        self.open_from_ms = self.open_from_ms.max(day.start_ms());
        self.closes_at_ms = Day::of(self.open_from_ms).next().start_ms() + CLOSING_MS;
    }

    /// Appends the count that was begun first; where the device takes nothing it stays where it is,
    /// so that it holds nothing up.
    fn append_first_count(&mut self, now_ms: WallMs) -> bool {
        let Some(event) = self.counts.first(self.shard) else { return false };
        let is_taken = !self.is_refused(now_ms) && self.stage.append(&event, now_ms);
        if is_taken {
            self.counts.remove_first();
        }
        is_taken
    }

    fn note_trouble(&mut self, error: &BillingError, now_ms: WallMs) {
        if self.retry_at_ms.is_none() {
            tracing::warn!(
                shard = self.shard,
                %error,
                "billing events wait in the journal until the device takes them"
            );
        }
        if let BillingError::Write { source, .. } = error {
            self.lacked_room |=
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        }
        self.retry_at_ms = Some(now_ms + RETRY_MS);
    }

    /// Brings the file of the day in which this moment lies to the front; `false` where it is not
    /// there yet.
    fn bring_to_front(&mut self, at_ms: WallMs, now_ms: WallMs) -> bool {
        if let Some(place) = self.days.iter().position(|day| day.covers(at_ms)) {
            self.days.swap(0, place);
            return true;
        }
        let day = Day::of(at_ms);
        let Some(line) = &self.line else {
            let opened = DayFile::open(&self.directory, self.shard, day);
            return self.take_opened(day, opened, now_ms);
        };
        if self.opening.is_none_or(|(opening, _)| opening != day) && !line.open(day) {
            return false;
        }
        self.opening = Some((day, now_ms + FILE_LOOK_MS));
        false
    }

    /// Takes what the thread that makes files has ready.
    fn take_made(&mut self, now_ms: WallMs) {
        while let Some(made) = self.line.as_ref().and_then(Line::next_made) {
            match made {
                Made::Opened(day, opened) => {
                    if self.opening.is_some_and(|(opening, _)| opening == day) {
                        self.opening = None;
                    }
                    self.take_opened(day, opened, now_ms);
                }
                Made::Grown(day, slots) => {
                    if let Some(file) = self.days.iter_mut().find(|file| file.day == day) {
                        file.note_room(slots);
                    }
                }
                Made::Settled => self.settling = false,
            }
        }
    }

    /// Whether a day's file is open.
    fn take_opened(&mut self, day: Day, opened: io::Result<DayFile>, now_ms: WallMs) -> bool {
        let opened = opened.and_then(|file| {
            if self.days.len() >= DAYS_OPEN_MAX {
                self.let_oldest_go()?
            }
            Ok(file)
        });
        match opened {
            Ok(file) => {
                self.days.push_front(file);
                true
            }
            Err(source) => {
                let path = self.directory.join(file_name(day));
                self.note_trouble(&BillingError::Write { path, source }, now_ms);
                false
            }
        }
    }

    /// Closes the file that was written to longest ago; what it holds is durable, or will be before
    /// the log is clean.
    fn let_oldest_go(&mut self) -> io::Result<()> {
        let Some(oldest) = self.days.back_mut().filter(|oldest| oldest.dirty) else {
            self.days.pop_back();
            return Ok(());
        };
        match &self.line {
            None => oldest.sync()?,
            Some(line) if !self.settling && line.settle(oldest) => self.settling = true,
            // Three days within a moment come only when the clock is set.
            Some(_) => return Err(io::ErrorKind::WouldBlock.into()),
        }
        self.days.pop_back();
        Ok(())
    }

    /// Carries out a write that has begun, and waits until that is done.
    pub(super) fn carry_out(&self, write: &mut BillingWrite) -> io::Result<()> {
        let Some(day) = self.days.front() else { unreachable!("its file was opened") };
        day.file().write_all_at(self.stage.encoded(), day.offset())?;
        write.write.advance(self.stage.encoded().len());
        Ok(())
    }

    /// Has the file that was just written to be given room, where it has little.
    fn give_room(&mut self) {
        if let Some(day) = self.days.front_mut()
            && let Some(line) = self.line.as_ref().filter(|_| day.wants_room())
        {
            day.grows = line.grow(day.growth());
        }
    }
}

impl Log for BillingLog {
    fn append(&mut self, event: &Event, now_ms: WallMs) -> bool {
        self.stage.append(event, now_ms)
    }

    fn begin_write(&mut self, now_ms: WallMs) -> Option<BillingWrite> {
        // Files come and go only while none is being written to or synced.
        if self.writing || self.syncing {
            return None;
        }
        if self.line.is_some() {
            self.take_made(now_ms);
        }
        if self.is_refused(now_ms) || !self.stage.is_due(now_ms) {
            return None;
        }
        self.note_time(now_ms);
        let open_from_ms = self.open_from_ms;
        let at_ms = self.stage.first()?.own_ms().max(open_from_ms);
        if !self.bring_to_front(at_ms, now_ms) {
            return None;
        }
        let day = self.days.front_mut()?;
        let is_of_day = |event: &Event| day.covers(event.own_ms().max(open_from_ms));
        let octets = self.stage.encode(day.next_slot, is_of_day);
        let write = Write::of_octets(Some(day.descriptor()), day.offset(), octets);
        self.writing = true;
        Some(BillingWrite { write })
    }

    fn finish_write(&mut self, write: &BillingWrite, outcome: io::Result<()>, now_ms: WallMs) {
        assert!(self.writing, "a write is finished once, after it was begun");
        self.writing = false;
        let written = self.stage.remove_written(write.write.octets_left(), now_ms);
        let Some(day) = self.days.front_mut() else { unreachable!("its file was open") };
        day.next_slot += written;
        day.dirty |= written > 0;
        match outcome {
            Ok(()) => self.retry_at_ms = None,
            Err(source) => {
                let path = day.path().to_path_buf();
                self.note_trouble(&BillingError::Write { path, source }, now_ms);
            }
        }
        self.give_room();
    }

    fn hurry(&mut self) {
        self.stage.hurry();
    }

    fn flush(&mut self, now_ms: WallMs) -> bool {
        while !self.stage.is_empty() {
            self.stage.hurry();
            let Some(mut write) = self.begin_write(now_ms) else { return false };
            let outcome = self.carry_out(&mut write);
            self.finish_write(&write, outcome, now_ms);
        }
        true
    }

    fn is_written(&self) -> bool {
        !self.writing && self.stage.is_empty()
    }

    fn events_unwritten(&self) -> u64 {
        self.stage.push_events()
    }

    fn events_refused(&self) -> u64 {
        if self.retry_at_ms.is_some() { self.stage.push_events() } else { 0 }
    }

    fn has_lacked_room(&mut self) -> bool {
        std::mem::take(&mut self.lacked_room)
    }

    fn count_request(&mut self, kind: EventKind, xpid: u64, code: u16, now_ms: WallMs) {
        self.counts.note(kind, xpid, code, now_ms);
    }

    fn write_due_counts(&mut self, now_ms: WallMs) -> bool {
        let mut budget = COUNTS_PER_TURN_MAX;
        while budget > 0 && self.counts.is_due(now_ms) && self.append_first_count(now_ms) {
            budget -= 1;
        }
        budget < COUNTS_PER_TURN_MAX
    }

    fn write_all_counts(&mut self, now_ms: WallMs) -> bool {
        while self.counts.requests() > 0 && self.append_first_count(now_ms) {}
        self.counts.requests() == 0
    }

    fn requests_unwritten(&self) -> u64 {
        self.counts.requests() + self.stage.requests()
    }

    fn has_room(&self) -> bool {
        self.stage.has_room()
    }

    fn is_refused(&self, now_ms: WallMs) -> bool {
        // A clock that was set back must not put the next try off.
        self.retry_at_ms
            .is_some_and(|retry_at_ms| now_ms < retry_at_ms && now_ms + RETRY_MS >= retry_at_ms)
    }

    fn retry_now(&mut self) {
        self.retry_at_ms = None;
    }

    fn next_due_ms(&self, owes: bool) -> Option<WallMs> {
        let retry_ms = self.retry_at_ms.unwrap_or(WallMs::ZERO);
        let look_ms = self.opening.map_or(WallMs::ZERO, |(_, look_ms)| look_ms);
        let stage_ms = self.stage.due_ms().filter(|_| !self.writing && !self.syncing);
        let stage_ms = stage_ms.map(|due_ms| due_ms.max(retry_ms).max(look_ms));
        let counts_ms = self.counts.next_due_ms().map(|due_ms| due_ms.max(retry_ms));
        [stage_ms, counts_ms, owes.then_some(retry_ms)].into_iter().flatten().min()
    }

    fn is_clean(&self) -> bool {
        // Counts hold nothing up.
        let is_written = !self.writing && self.stage.push_events() == 0;
        is_written && !self.syncing && !self.settling && self.days.iter().all(|day| !day.dirty)
    }

    fn begin_sync(&mut self) -> Option<BillingSync> {
        if self.writing || self.syncing || self.stage.push_events() > 0 {
            return None;
        }
        let mut sync = BillingSync { files: [None; SYNC_FILES_MAX] };
        for (place, day) in sync.files.iter_mut().zip(self.days.iter_mut().filter(|day| day.dirty))
        {
            *place = Some(day.begin_sync());
        }
        self.syncing = sync.files[0].is_some();
        self.syncing.then_some(sync)
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
