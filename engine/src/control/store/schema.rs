//! The store's form and the steps from each form to the next.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// One step per form; `user_version` counts the steps taken. A step, once released, is never
/// edited.
const STEPS: [&str; 13] = [
    "
CREATE TABLE client (
    xpid INTEGER PRIMARY KEY CHECK (xpid BETWEEN 0 AND 99999999999),
    client TEXT NOT NULL,
    token_sha256 BLOB CHECK (length(token_sha256) = 32),
    suspended INTEGER NOT NULL CHECK (suspended IN (0, 1)),
    valid_from_ms INTEGER,
    valid_until_ms INTEGER,
    classes TEXT NOT NULL,
    kinds TEXT NOT NULL,
    senders TEXT NOT NULL,
    segmentation INTEGER NOT NULL CHECK (segmentation IN (0, 1)),
    svcinst TEXT NOT NULL,
    notify INTEGER NOT NULL CHECK (notify IN (0, 1)),
    notify_url TEXT,
    notify_connections INTEGER NOT NULL,
    notify_depth INTEGER NOT NULL,
    rate_per_second INTEGER NOT NULL,
    volume_per_day INTEGER NOT NULL,
    national_tables INTEGER NOT NULL CHECK (national_tables IN (0, 1))
) STRICT;
CREATE TABLE contract (
    msn INTEGER NOT NULL CHECK (msn BETWEEN 0 AND 9999999999),
    xpid INTEGER NOT NULL CHECK (xpid BETWEEN 0 AND 99999999999),
    PRIMARY KEY (msn, xpid)
) STRICT, WITHOUT ROWID;
",
    "
CREATE TABLE admin_token (
    sha256 BLOB PRIMARY KEY CHECK (length(sha256) = 32),
    name TEXT NOT NULL,
    roles TEXT NOT NULL,
    xpids TEXT NOT NULL,
    made_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    lines INTEGER NOT NULL,
    last_sha256 BLOB NOT NULL CHECK (length(last_sha256) = 32)
) STRICT;
ALTER TABLE client ADD COLUMN second_token_sha256 BLOB CHECK (length(second_token_sha256) = 32);
ALTER TABLE client ADD COLUMN networks TEXT NOT NULL DEFAULT '';
ALTER TABLE client ADD COLUMN certificate TEXT;
",
    "
CREATE TABLE carrier (
    number INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 7),
    name TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL
) STRICT;
CREATE TABLE carrier_route (
    prefix TEXT NOT NULL,
    xpid INTEGER NOT NULL,
    class INTEGER NOT NULL,
    carrier INTEGER NOT NULL,
    PRIMARY KEY (prefix, xpid, class)
) STRICT, WITHOUT ROWID;
",
    "
ALTER TABLE client ADD COLUMN notify_secrets TEXT NOT NULL DEFAULT '';
",
    "
ALTER TABLE audit_head ADD COLUMN next_sha256 BLOB CHECK (length(next_sha256) = 32);
",
    "
ALTER TABLE carrier RENAME TO carrier_before;
CREATE TABLE carrier (
    number INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 255),
    name TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL
) STRICT;
INSERT INTO carrier SELECT number, name, settings FROM carrier_before;
DROP TABLE carrier_before;
CREATE TABLE carrier_last_number (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL
) STRICT;
INSERT INTO carrier_last_number SELECT 1, coalesce(max(number), 0) FROM carrier;
ALTER TABLE carrier_route ADD COLUMN choice TEXT NOT NULL DEFAULT '';
",
    "
ALTER TABLE client ADD COLUMN smpp TEXT;
",
    "
CREATE TABLE source (
    name TEXT PRIMARY KEY,
    settings TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE warning (
    source TEXT NOT NULL,
    sender TEXT NOT NULL,
    identifier TEXT NOT NULL,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    sent_ms INTEGER NOT NULL,
    chain TEXT,
    revision INTEGER,
    event TEXT NOT NULL,
    answer TEXT NOT NULL,
    taken_ms INTEGER NOT NULL,
    PRIMARY KEY (source, sender, identifier)
) STRICT, WITHOUT ROWID;
CREATE INDEX warning_chain ON warning (source, chain);
CREATE INDEX warning_taken ON warning (source, taken_ms);
",
    "
ALTER TABLE client ADD COLUMN line_state INTEGER NOT NULL DEFAULT 0 CHECK (line_state IN (0, 1));
",
    "
ALTER TABLE client ADD COLUMN doubt_is_final INTEGER NOT NULL DEFAULT 0
    CHECK (doubt_is_final IN (0, 1));
",
    // Who is registered by then may go on with what was for everybody.
    "
ALTER TABLE client ADD COLUMN broadcasts TEXT NOT NULL DEFAULT 'class';
ALTER TABLE client ADD COLUMN segment_price INTEGER;
",
    "
ALTER TABLE client ADD COLUMN broadcast_rate INTEGER NOT NULL DEFAULT 0;
",
    "
CREATE TABLE cluster_registry (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    applied INTEGER NOT NULL
) STRICT;
",
];

/// Takes the steps that the file has not seen, all or none.
pub(super) fn bring_up_to_date(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let form: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = STEPS.len() as i64;
    if form < 0 || form > known {
        return Err(StoreError::NewerForm { path: path.to_owned(), found: form, known });
    }
    for step in &STEPS[form as usize..] {
        transaction.execute_batch(step)?;
    }
    if form < known {
        transaction.pragma_update(None, "user_version", known)?;
    }
    Ok(transaction.commit()?)
}
