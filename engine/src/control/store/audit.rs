//! The audit beside the store: an act's line is written before the act, and the registry keeps how
//! much of the audit there is.

use rusqlite::{OptionalExtension as _, params};

use super::{Store, StoreError, integer};
use crate::control::audit::{Act, AuditLog, Head, Verdict, verify};
use host::clock;

fn tell_unrecorded(error: &impl std::fmt::Display) {
    tracing::error!(%error, "what was not done stands in the audit as done");
}

impl Store {
    /// Writes the line of an act, synced. To be called before the act.
    ///
    /// # Errors
    /// There is no line, and the act must not be done.
    pub fn record(&mut self, actor: &str, act: &Act) -> Result<(), StoreError> {
        let mut log = match self.audit.take() {
            Some(log) => log,
            None => AuditLog::open(self.data_dir(), self.audit_head()?)?,
        };
        let now_ms = clock::unix_ms();
        let head = log.append(now_ms, actor, act)?;
        let kept = self.keep_head(head);
        if let Err(error) = &kept {
            // The line stands and its act is not done: the next line says so.
            let not_done = act.failed(&error.to_string());
            let _ = log.append(now_ms, actor, &not_done).inspect_err(tell_unrecorded);
        }
        self.audit = Some(log);
        kept
    }

    fn keep_head(&self, head: Head) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT OR REPLACE INTO audit_head (one, lines, last_sha256) VALUES (1, ?1, ?2)",
            params![integer(head.lines), head.last_sha256],
        )?;
        Ok(())
    }

    /// Records an act, does it, and records where it was not done after all.
    ///
    /// # Errors
    /// No line could be written, or what `work` says.
    pub fn act<T, E: From<StoreError> + std::fmt::Display>(
        &mut self,
        actor: &str,
        act: &Act,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.act_in_steps(actor, act, |store, _| work(store))
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
        self.record(actor, act)?;
        let mut steps = 0;
        work(self, &mut steps).inspect_err(|error| {
            let why = error.to_string();
            let line = if steps == 0 { act.failed(&why) } else { act.done_in_part(&why) };
            let _ = self.record(actor, &line).inspect_err(tell_unrecorded);
        })
    }

    /// Whether the audit is what was written.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn verify_audit(&self) -> Result<Verdict, StoreError> {
        let known = self.audit_head()?;
        verify(self.data_dir(), known).map_err(StoreError::AuditUnreadable)
    }

    fn audit_head(&self) -> Result<Head, StoreError> {
        let read = |row: &rusqlite::Row<'_>| {
            let lines: i64 = row.get(0)?;
            Ok(Head { lines: lines.unsigned_abs(), last_sha256: row.get(1)? })
        };
        let found =
            self.connection.query_row("SELECT lines, last_sha256 FROM audit_head", [], read);
        Ok(found.optional()?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_the_registry_cannot_count_is_followed_by_one_that_says_it_was_not_done() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(directory.path()).expect("a store");
        let mut done = 0;
        let act = |store: &mut Store, done: &mut u64| -> Result<(), StoreError> {
            store.act("ada", &Act::new("stop"), |_| {
                *done += 1;
                Ok(())
            })
        };
        act(&mut store, &mut done).expect("recorded");
        let full = "CREATE TRIGGER full BEFORE INSERT ON audit_head
            BEGIN SELECT RAISE(ABORT, 'the device is full'); END";
        store.connection.execute_batch(full).expect("set up");
        assert!(act(&mut store, &mut done).is_err());
        store.connection.execute_batch("DROP TRIGGER full").expect("set up");
        act(&mut store, &mut done).expect("recorded");
        assert_eq!(done, 2);
        let audit = std::fs::read_to_string(directory.path().join("audit.jsonl"));
        let audit = audit.expect("readable");
        let acts: Vec<&str> = audit.lines().collect();
        assert_eq!(acts.len(), 4, "{audit}");
        assert!(acts[2].contains(r#""act":"not done: stop""#), "{audit}");
        assert_eq!(store.verify_audit().expect("readable").faults, Vec::<String>::new());
    }
}
