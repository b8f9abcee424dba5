//! Sources of warnings, and the log of what each has said.

use rusqlite::{OptionalExtension as _, params};
use wire::json;

use super::{Store, StoreError, integer};
use crate::broadcast::limits::{SOURCE_WARNINGS_KEPT, SOURCES_MAX};
use crate::control::sources::SourceSettings;
use wire::terms::time::WallMs;

/// A warning as its source's log keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoggedWarning {
    /// The source.
    pub source: String,
    /// Who sent it there.
    pub sender: String,
    /// Its name at the sender.
    pub identifier: String,
    /// SHA-256 of its octets.
    pub sha256: [u8; 32],
    /// When it says that it was sent.
    pub sent_ms: WallMs,
    /// The chain that it belongs to.
    pub chain: Option<String>,
    /// The source's own number of it in that chain.
    pub revision: Option<u32>,
    /// What happens, in the source's word.
    pub event: String,
    /// What was answered, in JSON.
    pub answer: String,
    /// When it came.
    pub taken_ms: WallMs,
}

const COLUMNS: &str =
    "source, sender, identifier, sha256, sent_ms, chain, revision, event, answer, taken_ms";

impl Store {
    /// Every source, in the order of their names.
    pub fn sources(&self) -> Result<Vec<(String, SourceSettings)>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT name, settings FROM source ORDER BY name")?;
        let mut found = statement.query([])?;
        let mut sources = Vec::new();
        while let Some(row) = found.next()? {
            let (name, settings): (String, String) = (row.get(0)?, row.get(1)?);
            let settings = json::read(&mut settings.into_bytes()).map_err(|error| {
                StoreError::DamagedSource { name: name.clone(), detail: error.to_string() }
            })?;
            sources.push((name, settings));
        }
        Ok(sources)
    }

    /// Writes a source's settings in place of those under its name, or adds it.
    ///
    /// # Errors
    /// There are too many, or another one has its token.
    pub fn put_source(&mut self, name: &str, settings: &SourceSettings) -> Result<(), StoreError> {
        let sources = self.sources()?;
        let mut others = sources.iter().filter(|(other, _)| other != name);
        if let Some((other, _)) = others.find(|(_, known)| known.token == settings.token) {
            let token = settings.token.clone();
            return Err(StoreError::TokenOfAnotherSource { token, source_name: other.clone() });
        }
        if sources.len() >= SOURCES_MAX && sources.iter().all(|(other, _)| other != name) {
            return Err(StoreError::TooManySources);
        }
        let text = simd_json::to_string(settings).map_err(|error| StoreError::DamagedSource {
            name: name.to_owned(),
            detail: error.to_string(),
        })?;
        let transaction = self.begin()?;
        transaction.execute(
            "INSERT OR REPLACE INTO source (name, settings) VALUES (?1, ?2)",
            params![name, text],
        )?;
        Ok(transaction.commit()?)
    }

    /// Removes a source; its log stays.
    ///
    /// # Errors
    /// There is none.
    pub fn remove_source(&mut self, name: &str) -> Result<(), StoreError> {
        let transaction = self.begin()?;
        if transaction.execute("DELETE FROM source WHERE name = ?1", [name])? == 0 {
            return Err(StoreError::NoSource(name.to_owned()));
        }
        Ok(transaction.commit()?)
    }

    /// The warning of this name.
    pub fn warning(
        &self,
        source: &str,
        sender: &str,
        identifier: &str,
    ) -> Result<Option<LoggedWarning>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM warning WHERE source = ?1 AND sender = ?2 AND identifier = ?3"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row([source, sender, identifier], read).optional()?)
    }

    /// Whether the source has told of a chain.
    pub fn knows_chain(&self, source: &str, chain: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM warning WHERE source = ?1 AND chain = ?2)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([source, chain], |row| row.get(0))?)
    }

    /// The highest revision of a chain that the source has told of.
    pub fn revision_of(&self, source: &str, chain: &str) -> Result<Option<u32>, StoreError> {
        let sql = "SELECT max(revision) FROM warning WHERE source = ?1 AND chain = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([source, chain], |row| row.get(0))?)
    }

    /// What a source has said last, the newest first.
    pub fn warnings(&self, source: &str, most: u32) -> Result<Vec<LoggedWarning>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM warning WHERE source = ?1 ORDER BY taken_ms DESC, identifier \
             LIMIT ?2"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found = statement.query_map(params![source, most], read)?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// Adds a warning to its source's log. Beyond what is kept the oldest go.
    pub fn log_warning(&mut self, warning: &LoggedWarning) -> Result<(), StoreError> {
        let transaction = self.begin()?;
        let values = "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10";
        transaction.execute(
            &format!("INSERT OR REPLACE INTO warning ({COLUMNS}) VALUES ({values})"),
            params![
                warning.source,
                warning.sender,
                warning.identifier,
                warning.sha256,
                integer(warning.sent_ms.ms()),
                warning.chain,
                warning.revision,
                warning.event,
                warning.answer,
                integer(warning.taken_ms.ms())
            ],
        )?;
        transaction.execute(
            "DELETE FROM warning WHERE source = ?1 AND taken_ms < (SELECT taken_ms FROM warning \
             WHERE source = ?1 ORDER BY taken_ms DESC LIMIT 1 OFFSET ?2)",
            params![warning.source, integer(SOURCE_WARNINGS_KEPT)],
        )?;
        Ok(transaction.commit()?)
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<LoggedWarning> {
    Ok(LoggedWarning {
        source: row.get(0)?,
        sender: row.get(1)?,
        identifier: row.get(2)?,
        sha256: row.get(3)?,
        sent_ms: WallMs::new(row.get::<_, i64>(4)?.unsigned_abs()),
        chain: row.get(5)?,
        revision: row.get(6)?,
        event: row.get(7)?,
        answer: row.get(8)?,
        taken_ms: WallMs::new(row.get::<_, i64>(9)?.unsigned_abs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(token: &str) -> SourceSettings {
        SourceSettings { token: token.to_owned(), ..SourceSettings::default() }
    }

    fn warning(identifier: &str, revision: u32, taken_ms: u64) -> LoggedWarning {
        LoggedWarning {
            source: "town".to_owned(),
            sender: "desk".to_owned(),
            identifier: identifier.to_owned(),
            sha256: [7; 32],
            sent_ms: WallMs::new(1),
            chain: Some("C".to_owned()),
            revision: Some(revision),
            event: "flood".to_owned(),
            answer: "{}".to_owned(),
            taken_ms: WallMs::new(taken_ms),
        }
    }

    #[test]
    fn a_source_has_a_token_of_its_own() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(directory.path()).expect("a store");
        store.put_source("town", &settings("t")).expect("the first");
        store.put_source("town", &settings("t")).expect("again");
        let refused = store.put_source("county", &settings("t")).expect_err("another's token");
        assert!(refused.to_string().contains("\"town\""), "{refused}");
        store.put_source("county", &settings("c")).expect("its own");
        let names: Vec<String> =
            store.sources().expect("sources").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["county", "town"]);
        store.remove_source("town").expect("removed");
        assert!(store.remove_source("town").is_err());
    }

    #[test]
    fn a_log_knows_what_was_said_and_the_highest_revision_of_a_chain() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(directory.path()).expect("a store");
        for (identifier, revision, taken_ms) in [("a", 1, 10), ("b", 5, 20), ("c", 3, 30)] {
            store.log_warning(&warning(identifier, revision, taken_ms)).expect("logged");
        }
        let found = store.warning("town", "desk", "b").expect("readable").expect("there");
        assert_eq!(found, warning("b", 5, 20));
        assert_eq!(store.warning("town", "desk", "z").expect("readable"), None);
        assert_eq!(store.revision_of("town", "C").expect("readable"), Some(5));
        assert_eq!(store.revision_of("town", "D").expect("readable"), None);
        let knows = |chain| store.knows_chain("town", chain).expect("readable");
        assert!(knows("C") && !knows("D"));
        let newest = store.warnings("town", 2).expect("readable");
        assert_eq!(
            newest.iter().map(|one| one.identifier.as_str()).collect::<Vec<_>>(),
            ["c", "b"]
        );
    }
}
