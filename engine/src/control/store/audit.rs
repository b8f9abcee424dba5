//! The audit beside the store: an act's line is written before the act, and the registry keeps how
//! much of the audit there is.
//!
//! Four steps, each synced: the registry is told the hash of the line that follows; the line is
//! written; the act's transaction, which counts the line too; for an act that has none, a
//! transaction of its own before it. A process that ends in between leaves a line that does not
//! count, whose act was not done.
//!
//! What has happened already, or was not done after all, has a line too. Where the device has no
//! room for it, the line is owed: the next act waits until it is written. Where there is still none
//! at the end of the process it is lost to the audit; the log has who did what, and the process
//! does not end as one that did all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Store, StoreError, integer};
use crate::control::audit::{Act, AuditKnown, AuditLog, Head, Verdict, verify};
use crate::control::limits::AUDIT_LINES_OWED_MAX;
use crate::control::now::wall_now;

/// Who writes the lines that nobody asked for.
const ENGINE_ACTOR: &str = "engine";
/// How often the audit is looked at again where it was written to meanwhile.
const LOOKS_MAX: usize = 8;

/// A line that could not be written when its time was.
pub(super) struct OwedLine {
    actor: String,
    act: Act,
    /// It says what became of the last line of all.
    of_last: bool,
}

/// How many lines the audit lacks for good, for whoever asks when the store is gone.
#[derive(Clone, Default)]
pub struct LostLines(Arc<LineCounts>);

#[derive(Default)]
struct LineCounts {
    lost: AtomicU64,
    owed: AtomicU64,
}

impl LostLines {
    /// How many.
    pub fn count(&self) -> u64 {
        self.0.lost.load(Ordering::Acquire)
    }

    /// How many at the end, with those that are owed still: a store whose device stands does not
    /// come to write them.
    pub fn count_at_end(&self) -> u64 {
        self.count() + self.0.owed.load(Ordering::Acquire)
    }

    fn add(&self) {
        self.0.lost.fetch_add(1, Ordering::AcqRel);
    }

    fn owe(&self, lines: usize) {
        self.0.owed.store(lines as u64, Ordering::Release);
    }
}

impl Store {
    /// Writes the line of an act, synced, and counts it. To be called before an act that is none of
    /// the registry.
    ///
    /// # Errors
    /// There is no line, or none that counts, and the act must not be done.
    pub fn record(&mut self, actor: &str, act: &Act) -> Result<(), StoreError> {
        let head = self.write_line(actor, act)?;
        self.count(head)
    }

    /// From now on the line that was written last counts. Where it does not it is read again, and
    /// said not to be done.
    fn count(&mut self, head: Head) -> Result<(), StoreError> {
        keep(&self.connection, AuditKnown { head, next_sha256: None })
            .inspect_err(|_| self.audit = None)
    }

    /// Records an act that is none of the registry, does it, and records where it was not done
    /// after all.
    ///
    /// # Errors
    /// No line could be written, or what `work` says.
    pub fn act_elsewhere<T, E: From<StoreError> + std::fmt::Display>(
        &mut self,
        actor: &str,
        act: &Act,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.record(actor, act)?;
        work().inspect_err(|error| self.record_failure(actor, act.failed(&error.to_string())))
    }

    /// Writes a line about what has happened: nobody is refused any more where it cannot be
    /// written. Then it is owed, and no act is done before it stands.
    pub fn note(&mut self, actor: &str, line: Act) {
        self.note_after(actor, line, false);
    }

    /// Writes that an act did not come to its end, because the engine ended in it.
    pub fn note_interrupted(&mut self, act: String) {
        self.note(ENGINE_ACTOR, Act::new(act).interrupted());
    }

    fn record_failure(&mut self, actor: &str, line: Act) {
        self.note_after(actor, line, true);
    }

    fn note_after(&mut self, actor: &str, act: Act, of_last: bool) {
        let Err(error) = self.record(actor, &act) else { return };
        if self.owed.len() == AUDIT_LINES_OWED_MAX {
            return self.lose(&OwedLine { actor: actor.to_owned(), act, of_last });
        }
        tracing::warn!(
            %error, actor, act = act.words(),
            "the audit lacks this line for now: no order is taken without it"
        );
        self.owed.push_back(OwedLine { actor: actor.to_owned(), act, of_last });
        self.lost_lines.owe(self.owed.len());
    }

    fn lose(&self, line: &OwedLine) {
        tracing::error!(
            actor = line.actor,
            act = line.act.words(),
            "the audit lacks this line for good: keep the log, which has it"
        );
        self.lost_lines.add();
    }

    /// Writes what is owed, and tells which lines are lost where there is still no room. To be
    /// called at the end.
    pub fn settle_at_end(&mut self) {
        let Err(error) = self.settle_audit() else { return };
        tracing::error!(%error, lines = self.owed.len(), "the audit is not whole");
        let lost = std::mem::take(&mut self.owed);
        lost.iter().for_each(|line| self.lose(line));
        self.lost_lines.owe(0);
    }

    /// What tells how many lines are lost, also when the store is gone.
    pub fn lost_lines(&self) -> LostLines {
        self.lost_lines.clone()
    }

    /// Opens the audit, and says of the last act before a crash that it was not done, if that is
    /// so. To be called at a start; the first act does it otherwise.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn settle_audit(&mut self) -> Result<(), StoreError> {
        self.open_audit()?;
        while let Some(OwedLine { actor, act, .. }) = self.owed.front() {
            let (actor, act) = (actor.clone(), act.clone());
            let head = self.append_line(&actor, &act)?;
            self.count(head)?;
            self.owed.pop_front();
            self.lost_lines.owe(self.owed.len());
        }
        Ok(())
    }

    fn open_audit(&mut self) -> Result<(), StoreError> {
        if self.audit.is_some() {
            return Ok(());
        }
        let known = self.audit_known()?;
        let mut log = AuditLog::open(self.data_dir(), known)?;
        if let Some(line) = log.take_undone() {
            // Whoever did not do it knows why better.
            let owed = self.owed.front().filter(|owed| owed.of_last);
            let (actor, act) = match owed {
                Some(owed) => (owed.actor.clone(), owed.act.clone()),
                None => (ENGINE_ACTOR.to_owned(), Act::undone(&line)),
            };
            let is_owed = owed.is_some();
            let written = self.follow(&mut log, &actor, &act);
            // Where that cannot be written either, the next opening is to know as much.
            let head = written.inspect_err(|_| drop(keep(&self.connection, known)))?;
            keep(&self.connection, AuditKnown { head, next_sha256: None })?;
            if is_owed {
                self.owed.pop_front();
                self.lost_lines.owe(self.owed.len());
            }
        }
        if log.is_broken_off() {
            tracing::error!(
                lines = known.head.lines,
                "the audit does not end with the line that the registry knows: see `hayauma audit \
                 verify`, and put back what is missing"
            );
        }
        self.audit = Some(log);
        Ok(())
    }

    /// Writes the line of an act, synced; it does not count yet.
    fn write_line(&mut self, actor: &str, act: &Act) -> Result<Head, StoreError> {
        self.settle_audit()?;
        self.append_line(actor, act)
    }

    fn append_line(&mut self, actor: &str, act: &Act) -> Result<Head, StoreError> {
        // Gone after an error: what stands in the file is read again.
        let Some(mut log) = self.audit.take() else { unreachable!("it was opened") };
        let head = self.follow(&mut log, actor, act)?;
        self.audit = Some(log);
        Ok(head)
    }

    fn follow(&self, log: &mut AuditLog, actor: &str, act: &Act) -> Result<Head, StoreError> {
        let next = log.next(wall_now(), actor, act);
        let known = AuditKnown { head: log.head(), next_sha256: Some(next.head().last_sha256) };
        keep(&self.connection, known)?;
        Ok(log.append(next)?)
    }

    /// Records an act of the registry, does it, and records where it was not done after all.
    ///
    /// # Errors
    /// No line could be written, or what `work` says.
    pub fn act<T, E: From<StoreError> + std::fmt::Display>(
        &mut self,
        actor: &str,
        act: &Act,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.act_in_steps(actor, act, |store, step| {
            let done = work(store)?;
            *step += 1;
            Ok(done)
        })
    }

    /// As [`Self::act`] for an act in several steps. `work` counts the steps that stand; where it
    /// fails behind the first, the second line says that the act was done in part.
    ///
    /// # Errors
    /// No line could be written, or what `work` says.
    pub fn act_in_steps<T, E: From<StoreError> + std::fmt::Display>(
        &mut self,
        actor: &str,
        act: &Act,
        work: impl FnOnce(&mut Self, &mut u64) -> Result<T, E>,
    ) -> Result<T, E> {
        // The first transaction of the act counts the line.
        self.uncounted = Some(self.write_line(actor, act)?);
        let mut steps = 0;
        let done = work(self, &mut steps);
        match &done {
            Ok(_) => self.count_line()?,
            Err(error) => {
                self.uncounted = None;
                let why = error.to_string();
                let line = if steps == 0 { act.failed(&why) } else { act.done_in_part(&why) };
                self.record_failure(actor, line);
            }
        }
        done
    }

    /// Counts the line of an act that is done, where no transaction of it has.
    fn count_line(&mut self) -> Result<(), StoreError> {
        match self.uncounted.take() {
            Some(head) if self.audit_known()?.head != head => {
                keep(&self.connection, AuditKnown { head, next_sha256: None })
            }
            _ => Ok(()),
        }
    }

    /// Whether the audit is what was written.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn verify_audit(&self) -> Result<Verdict, StoreError> {
        for _ in 1..LOOKS_MAX {
            let known = self.audit_known()?;
            let verdict = verify(self.data_dir(), known).map_err(StoreError::AuditUnreadable)?;
            // An engine goes on meanwhile: it may have written a line, or begun a file.
            if verdict.faults.is_empty() || self.audit_known()? == known {
                return Ok(verdict);
            }
        }
        verify(self.data_dir(), self.audit_known()?).map_err(StoreError::AuditUnreadable)
    }

    pub(super) fn audit_known(&self) -> Result<AuditKnown, StoreError> {
        known(&self.connection)
    }
}

/// How many lines of the audit a registry counts.
pub(super) fn lines_known(connection: &Connection) -> Result<u64, StoreError> {
    Ok(known(connection)?.head.lines)
}

fn known(connection: &Connection) -> Result<AuditKnown, StoreError> {
    let read = |row: &rusqlite::Row<'_>| {
        let lines: i64 = row.get(0)?;
        let head = Head { lines: lines.unsigned_abs(), last_sha256: row.get(1)? };
        Ok(AuditKnown { head, next_sha256: row.get(2)? })
    };
    let query = "SELECT lines, last_sha256, next_sha256 FROM audit_head";
    Ok(connection.query_row(query, [], read).optional()?.unwrap_or_default())
}

/// Has the registry, or a transaction of it, know this much of the audit.
pub(super) fn keep(connection: &Connection, known: AuditKnown) -> Result<(), StoreError> {
    connection.execute(
        "INSERT OR REPLACE INTO audit_head (one, lines, last_sha256, next_sha256)
            VALUES (1, ?1, ?2, ?3)",
        params![integer(known.head.lines), known.head.last_sha256, known.next_sha256],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::document::ClientChange;
    use crate::gateway::registration::Registration;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use wire::terms::ids::Xpid;
    use wire::terms::time::WallMs;

    fn registration() -> Registration {
        let change = ClientChange { client: Some("City".to_owned()), ..ClientChange::default() };
        change.create(Xpid::from_value(1).expect("an XPID")).expect("legal")
    }

    fn acts(store: &Store) -> Vec<String> {
        let text = std::fs::read_to_string(store.data_dir().join("audit.jsonl")).expect("an audit");
        let act = |line: &str| {
            let rest = line.split(r#""act":""#).nth(1).expect("an act");
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        text.lines().map(act).collect()
    }

    fn is_intact(store: &Store) {
        assert_eq!(store.verify_audit().expect("readable").faults, Vec::<String>::new());
    }

    #[test]
    fn an_act_whose_line_the_registry_takes_not_is_not_done_and_has_no_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(directory.path()).expect("a store");
        let mut done = 0;
        let act = |store: &mut Store, done: &mut u64| -> Result<(), StoreError> {
            store.record("ada", &Act::new("stop"))?;
            *done += 1;
            Ok(())
        };
        act(&mut store, &mut done).expect("recorded");
        let full = "CREATE TRIGGER full BEFORE INSERT ON audit_head
            BEGIN SELECT RAISE(ABORT, 'the device is full'); END";
        store.connection.execute_batch(full).expect("set up");
        assert!(act(&mut store, &mut done).is_err());
        store.connection.execute_batch("DROP TRIGGER full").expect("set up");
        act(&mut store, &mut done).expect("recorded");
        assert_eq!((done, acts(&store)), (2, vec!["stop".to_owned(); 2]));
        is_intact(&store);
    }

    #[test]
    fn a_line_that_the_registry_cannot_count_is_followed_by_one_that_says_it_was_not_done() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(directory.path()).expect("a store");
        store.record("ada", &Act::new("pause")).expect("recorded");
        // It is told of the line, and does not take it as counted.
        let full = "CREATE TRIGGER full BEFORE INSERT ON audit_head WHEN NEW.next_sha256 IS NULL
            BEGIN SELECT RAISE(ABORT, 'the device is full'); END";
        store.connection.execute_batch(full).expect("set up");
        assert!(store.record("ada", &Act::new("stop")).is_err());
        is_intact(&store);
        store.connection.execute_batch("DROP TRIGGER full").expect("set up");
        store.record("ada", &Act::new("resume")).expect("recorded");
        assert_eq!(acts(&store), ["pause", "stop", "not done: stop", "resume"]);
        is_intact(&store);
    }

    #[test]
    fn an_act_that_a_crash_kept_from_being_done_is_said_not_to_be_done_at_the_next_opening() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(directory.path()).expect("a store");
        let act = Act::new("client add");
        let crash = || {
            store.act("ada", &act, |_| -> Result<(), StoreError> { panic!("between line and act") })
        };
        assert!(catch_unwind(AssertUnwindSafe(crash)).is_err());
        drop(store);
        let mut store = Store::open(directory.path()).expect("a store");
        is_intact(&store);
        store.settle_audit().expect("settled");
        assert_eq!(acts(&store), ["client add", "not done: client add"]);
        is_intact(&store);
        // One that was done is not said to be undone, whenever the crash comes.
        let crash = || {
            store.act("ada", &act, |store| -> Result<(), StoreError> {
                store.add_registration(&registration())?;
                panic!("behind the act")
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(crash)).is_err());
        drop(store);
        let mut store = Store::open(directory.path()).expect("a store");
        store.settle_audit().expect("settled");
        assert_eq!(acts(&store), ["client add", "not done: client add", "client add"]);
        assert_eq!(store.registrations().expect("readable").len(), 1);
        is_intact(&store);
    }

    /// From now on no line of the audit can be counted; by another connection, as a full device is
    /// none of the store's doing.
    fn fill_device(directory: &std::path::Path) {
        let other = Connection::open(directory.join("registry.sqlite")).expect("a registry");
        let full = "CREATE TRIGGER full BEFORE INSERT ON audit_head
            BEGIN SELECT RAISE(ABORT, 'the device is full'); END";
        other.execute_batch(full).expect("set up");
    }

    fn make_room(directory: &std::path::Path) {
        let other = Connection::open(directory.join("registry.sqlite")).expect("a registry");
        other.execute_batch("DROP TRIGGER full").expect("set up");
    }

    #[test]
    fn a_line_about_what_has_happened_is_owed_while_there_is_no_room_and_no_act_comes_before_it() {
        let place = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(place.path()).expect("a store");
        store.record("ada", &Act::new("contract import begins")).expect("recorded");
        fill_device(place.path());
        store.note("ada", Act::new("contract import ends"));
        assert!(store.record("ada", &Act::new("stop")).is_err(), "no act without that line");
        make_room(place.path());
        store.record("ada", &Act::new("pause")).expect("recorded");
        assert_eq!(acts(&store), ["contract import begins", "contract import ends", "pause"]);
        is_intact(&store);
    }

    #[test]
    fn what_is_still_owed_at_the_end_is_counted_as_lost_and_only_that() {
        let place = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(place.path()).expect("a store");
        let lost = store.lost_lines();
        fill_device(place.path());
        store.note("ada", Act::new("broadcast pause"));
        // As when its thread stands in the device, and nobody waits for it any longer.
        assert_eq!((lost.count(), lost.count_at_end()), (0, 1));
        make_room(place.path());
        store.settle_at_end();
        assert_eq!(lost.count_at_end(), 0);
        assert_eq!((acts(&store), lost.count()), (vec!["broadcast pause".to_owned()], 0));
        fill_device(place.path());
        // More than may be owed: the first one too many is lost at once.
        (0..=AUDIT_LINES_OWED_MAX).for_each(|_| store.note("ada", Act::new("broadcast cancel")));
        assert_eq!(lost.count(), 1);
        store.settle_at_end();
        drop(store);
        assert_eq!(lost.count(), AUDIT_LINES_OWED_MAX as u64 + 1);
        assert_eq!(lost.count_at_end(), lost.count(), "each once");
    }

    #[test]
    fn an_act_that_a_full_device_kept_from_being_done_is_said_not_to_be_once_there_is_room() {
        let place = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(place.path()).expect("a store");
        let refusal = || StoreError::AuditUnreadable(std::io::ErrorKind::StorageFull.into());
        // One that is none of the registry: its line counts before it is done.
        let done = store.act_elsewhere("ada", &Act::new("list create"), || {
            fill_device(place.path());
            Err::<(), _>(refusal())
        });
        assert!(done.is_err());
        make_room(place.path());
        // One of the registry: its line counts with it.
        let done = store.act("ada", &Act::new("client add"), |_| {
            fill_device(place.path());
            Err::<(), _>(refusal())
        });
        assert!(done.is_err());
        make_room(place.path());
        store.record("ada", &Act::new("pause")).expect("recorded");
        let wanted =
            ["list create", "not done: list create", "client add", "not done: client add", "pause"];
        assert_eq!(acts(&store), wanted);
        is_intact(&store);
    }

    #[test]
    fn a_line_that_was_put_behind_the_last_one_is_found_and_never_taken_in() {
        use std::io::Write as _;
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(directory.path()).expect("a store");
        store.record("ada", &Act::new("pause")).expect("recorded");
        let known = store.audit_known().expect("readable");
        drop(store);
        let log = AuditLog::open(directory.path(), known).expect("readable");
        // One with the right number and the right hash, which everybody can make.
        let forged =
            log.next(WallMs::new(1_793_502_000_000), "bob", &Act::new("client remove 00100000001"));
        let mut file = std::fs::OpenOptions::new();
        let mut file = file.append(true).open(directory.path().join("audit.jsonl")).expect("there");
        file.write_all(forged.text().as_bytes()).expect("writable");
        let mut store = Store::open(directory.path()).expect("a store");
        let faults = store.verify_audit().expect("readable").faults;
        assert!(faults.iter().any(|fault| fault.contains("it was put there")), "{faults:?}");
        store.record("ada", &Act::new("resume")).expect("recorded");
        assert_ne!(store.verify_audit().expect("readable").faults, Vec::<String>::new());
    }
}
