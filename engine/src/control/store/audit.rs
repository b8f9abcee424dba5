//! The audit beside the store: an act's line is written before the act, and the registry keeps how
//! much of the audit there is.

use rusqlite::{OptionalExtension as _, params};

use super::{Store, StoreError, integer};
use crate::control::audit::{Act, AuditLog, Head, Verdict, verify};
use host::clock;

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
        let head = log.append(clock::unix_ms(), actor, act)?;
        self.connection.execute(
            "INSERT OR REPLACE INTO audit_head (one, lines, last_sha256) VALUES (1, ?1, ?2)",
            params![integer(head.lines), head.last_sha256],
        )?;
        self.audit = Some(log);
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
        self.record(actor, act)?;
        work(self).inspect_err(|error| {
            if let Err(unrecorded) = self.record(actor, &act.failed(&error.to_string())) {
                tracing::error!(%unrecorded, "what was not done stands in the audit as done");
            }
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
