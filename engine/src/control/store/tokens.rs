//! The table of the admin doors' tokens.

use rusqlite::{Row, Transaction, params};

use super::ordered::{Effect, Table, hex};
use super::{Store, StoreError, integer, xpid_of};
use crate::control::document::words;
use crate::control::limits::{TOKENS_MAX, TOKENS_PER_NAME_MAX};
use crate::control::roles::RoleSet;
use crate::control::token::AccessToken;
use wire::terms::time::WallMs;

impl Store {
    /// Every token, oldest of each name first.
    pub fn tokens(&self) -> Result<Vec<AccessToken>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT * FROM admin_token ORDER BY name, made_ms, sha256")?;
        let mut found = statement.query([])?;
        let mut tokens = Vec::new();
        while let Some(row) = found.next()? {
            tokens.push(read(row)?);
        }
        Ok(tokens)
    }

    /// Adds a token beside the one that its name has.
    ///
    /// # Errors
    /// The name has two, or there are too many in all.
    pub fn add_token(&mut self, token: &AccessToken) -> Result<(), StoreError> {
        self.change(|transaction, effects| {
            insert(transaction, token)?;
            effects.note_row(transaction, Table::Token, &token.sha256)
        })
    }

    /// Removes the tokens of a name, or the older of two; the SHA-256 of each. Reads nothing else
    /// of their rows: a damaged one goes like any other.
    ///
    /// # Errors
    /// The name has none, or, for the older, no two.
    pub fn remove_tokens(
        &mut self,
        name: &str,
        older_only: bool,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        self.change(|transaction, effects| {
            let removed = delete(transaction, name, older_only)?;
            if removed.is_empty() {
                return Err(StoreError::NoSuchToken { name: name.to_owned(), older_only });
            }
            removed.iter().for_each(|sha256| effects.note(|| Effect::TokenRemoved(hex(sha256))));
            Ok(removed)
        })
    }
}

/// Writes the row of a token that there is room for.
fn insert(transaction: &Transaction<'_>, token: &AccessToken) -> Result<(), StoreError> {
    let count = |sql: &str, name: &str| -> rusqlite::Result<i64> {
        transaction.query_row(sql, [name], |row| row.get(0))
    };
    let of_name = count("SELECT count(*) FROM admin_token WHERE name = ?1", &token.name)?;
    let in_all = count("SELECT count(*) FROM admin_token WHERE name <> ?1", "")?;
    if of_name as usize >= TOKENS_PER_NAME_MAX {
        return Err(StoreError::TooManyTokens(token.name.clone()));
    }
    if in_all as usize >= TOKENS_MAX {
        return Err(StoreError::TooManyTokensInAll);
    }
    let xpids: Vec<String> = token.xpids.iter().map(ToString::to_string).collect();
    transaction.execute(
        "INSERT INTO admin_token (sha256, name, roles, xpids, made_ms)
                VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            token.sha256,
            token.name,
            token.roles.to_string(),
            xpids.join(","),
            integer(token.made_ms.ms())
        ],
    )?;
    Ok(())
}

/// Deletes the tokens of a name, or the older of two; the SHA-256 of each.
fn delete(
    transaction: &Transaction<'_>,
    name: &str,
    older_only: bool,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT sha256 FROM admin_token WHERE name = ?1 ORDER BY made_ms, sha256",
    )?;
    let digests = statement.query_map([name], |row| row.get::<_, Vec<u8>>(0))?;
    let mut digests = digests.collect::<Result<Vec<_>, _>>()?;
    match (older_only, digests.len()) {
        (true, 0 | 1) => digests.clear(),
        (true, _) => digests.truncate(1),
        (false, _) => {}
    }
    for digest in &digests {
        transaction.execute("DELETE FROM admin_token WHERE sha256 = ?1", [digest])?;
    }
    Ok(digests)
}

fn read(row: &Row<'_>) -> Result<AccessToken, StoreError> {
    let (name, roles, xpids): (String, String, String) =
        (row.get("name")?, row.get("roles")?, row.get("xpids")?);
    let damaged = |detail: String| StoreError::DamagedToken { name: name.clone(), detail };
    let xpid = |text: String| {
        let number = text.parse().ok().and_then(xpid_of);
        number.ok_or_else(|| damaged(format!("{text:?} is no XPID")))
    };
    Ok(AccessToken {
        sha256: row.get("sha256")?,
        roles: RoleSet::parse(&words(&roles)).map_err(damaged)?,
        xpids: words(&xpids).into_iter().map(xpid).collect::<Result<_, _>>()?,
        made_ms: WallMs::new(row.get::<_, i64>("made_ms")?.unsigned_abs()),
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::token::TokenChange;

    #[test]
    fn a_name_has_two_tokens_at_a_time_and_the_older_goes_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(directory.path()).expect("a store");
        let change = TokenChange {
            name: "ops".to_owned(),
            roles: vec!["operator".to_owned(), "billing".to_owned()],
            xpids: vec!["00100000001".to_owned()],
        };
        let made = [1, 2, 3].map(|made_ms| change.make(WallMs::new(made_ms)).expect("legal").0);
        store.add_token(&made[0]).expect("the first");
        let refused = store.remove_tokens("ops", true).expect_err("it is the only one");
        assert!(refused.to_string().contains("no two tokens"), "{refused}");
        store.add_token(&made[1]).expect("the second");
        let refused = store.add_token(&made[2]).expect_err("a third");
        assert!(refused.to_string().contains("--older"), "{refused}");
        assert_eq!(store.tokens().expect("readable"), made[..2]);
        let removed = store.remove_tokens("ops", true).expect("removed");
        assert_eq!(removed, [made[0].sha256.to_vec()]);
        assert_eq!(store.tokens().expect("readable"), made[1..2]);
        assert_eq!(store.remove_tokens("ops", false).expect("removed").len(), 1);
        assert!(store.remove_tokens("ops", false).is_err());
    }

    #[test]
    fn a_damaged_row_goes_by_its_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(directory.path()).expect("a store");
        let insert = "INSERT INTO admin_token (sha256, name, roles, xpids, made_ms)
            VALUES (zeroblob(32), 'ops', 'no such role', '', 1)";
        store.connection.execute(insert, []).expect("inserted");
        let refused = store.tokens().expect_err("damaged");
        assert!(refused.to_string().contains("hayauma token remove ops"), "{refused}");
        assert_eq!(store.remove_tokens("ops", false).expect("removed"), [vec![0; 32]]);
        assert!(store.tokens().expect("readable").is_empty());
    }
}
