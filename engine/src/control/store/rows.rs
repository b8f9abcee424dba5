//! A registration as a row of the table `client`: sets and lists as readable words with commas
//! between them.

use rusqlite::{Row, Transaction, named_params};

use super::{StoreError, integer, xpid_of};
use crate::control::certificates::parse_certificates;
use crate::control::document::{parse_classes, parse_kinds, parse_networks, parse_svcinst, words};
use crate::control::smpp_account;
use crate::gateway::broadcasting::BroadcastRule;
use crate::gateway::price::Price;
use crate::gateway::registration::Registration;
use wire::push::notify_url::NotifyUrl;
use wire::push::sign::Secret;
use wire::terms::time::WallMs;

/// Every row, in the order of XPIDs.
pub(super) const SELECT_ALL: &str = "SELECT * FROM client ORDER BY xpid";
/// The first rows, in the same order, of those who may send broadcasts: the word of who may not,
/// and how many.
pub(super) const SELECT_BROADCASTERS: &str =
    "SELECT * FROM client WHERE broadcasts <> ?1 ORDER BY xpid LIMIT ?2";
/// The row of one XPID.
pub(super) const SELECT_ONE: &str = "SELECT * FROM client WHERE xpid = ?1";

/// Writes the row, in place of one with its XPID.
pub(super) fn write(
    transaction: &Transaction<'_>,
    registration: &Registration,
) -> Result<(), StoreError> {
    let secrets: Vec<&str> = registration.notify_secrets.iter().map(Secret::reveal).collect();
    let mut statement = transaction.prepare_cached(
        "INSERT OR REPLACE INTO client (xpid, client, token_sha256, suspended, valid_from_ms,
            valid_until_ms, classes, kinds, senders, segmentation, svcinst, notify, notify_url,
            notify_connections, notify_depth, rate_per_second, volume_per_day, national_tables,
            second_token_sha256, networks, certificate, notify_secrets,
             smpp, line_state, doubt_is_final, broadcasts, segment_price, broadcast_rate)
         VALUES (:xpid, :client, :token_sha256, :suspended, :valid_from_ms, :valid_until_ms,
            :classes, :kinds, :senders, :segmentation, :svcinst, :notify, :notify_url,
            :notify_connections, :notify_depth, :rate_per_second, :volume_per_day,
            :national_tables, :second_token_sha256, :networks, :certificate, :notify_secrets,
             :smpp, :line_state, :doubt_is_final, :broadcasts, :segment_price, :broadcast_rate)",
    )?;
    let networks: Vec<String> = registration.networks.iter().map(ToString::to_string).collect();
    let certificates: Vec<String> =
        registration.certificates.iter().map(ToString::to_string).collect();
    statement.execute(named_params! {
        ":xpid": integer(registration.xpid.value()),
        ":client": registration.client,
        ":token_sha256": registration.token_sha256,
        ":suspended": registration.suspended,
        ":valid_from_ms":
            (registration.valid_from_ms > WallMs::ZERO)
                .then(|| integer(registration.valid_from_ms.ms())),
        ":valid_until_ms":
            (registration.valid_until_ms < WallMs::NEVER)
                .then(|| integer(registration.valid_until_ms.ms())),
        ":classes": registration.classes.to_string(),
        ":kinds": registration.kinds.to_string(),
        ":senders": registration.senders.join(","),
        ":segmentation": registration.segmentation,
        ":svcinst": registration.svcinst.to_string(),
        ":notify": registration.notify,
        ":notify_url": registration.notify_url.as_ref().map(ToString::to_string),
        ":notify_connections": registration.notify_connections,
        ":notify_depth": registration.notify_depth,
        ":rate_per_second": registration.rate_per_second,
        // A limit beyond SQLite's range is no limit that a day could reach.
        ":volume_per_day": i64::try_from(registration.volume_per_day).unwrap_or(i64::MAX),
        ":national_tables": registration.national_tables,
        ":second_token_sha256": registration.second_token_sha256,
        ":networks": networks.join(","),
        ":certificate": (!certificates.is_empty()).then(|| certificates.join(",")),
        ":notify_secrets": secrets.join(" "),
        ":smpp": registration.smpp.as_ref().map(smpp_account::to_text),
        ":line_state": registration.line_state,
        ":doubt_is_final": registration.doubt_is_final,
        ":broadcasts": registration.broadcasts.word(),
        ":segment_price": registration.segment_price.map(Price::hundredths),
        ":broadcast_rate": registration.broadcast_rate,
    })?;
    Ok(())
}

/// Reads the row back.
pub(super) fn read(row: &Row<'_>) -> Result<Registration, StoreError> {
    let key: i64 = row.get("xpid")?;
    let damaged = |detail: String| StoreError::DamagedRow { xpid: key, detail };
    let xpid = xpid_of(key).ok_or_else(|| damaged("the XPID is out of range".to_owned()))?;
    let list = |column: &str| -> Result<Vec<String>, StoreError> {
        let text: String = row.get(column)?;
        Ok(words(&text))
    };
    let number = |column: &str| -> Result<u64, StoreError> {
        let value: Option<i64> = row.get(column)?;
        Ok(value.map_or(0, i64::unsigned_abs))
    };
    let time = |column: &str, absent: WallMs| -> Result<WallMs, StoreError> {
        let value: Option<i64> = row.get(column)?;
        Ok(value.map_or(absent, |ms| WallMs::new(ms.unsigned_abs())))
    };
    let client: String = row.get("client")?;
    let svcinst: String = row.get("svcinst")?;
    let notify_url: Option<String> = row.get("notify_url")?;
    let mut registration = Registration::new(xpid, client);
    registration.token_sha256 = row.get("token_sha256")?;
    registration.second_token_sha256 = row.get("second_token_sha256")?;
    registration.networks = parse_networks(&list("networks")?).map_err(damaged)?;
    let certificates: Option<String> = row.get("certificate")?;
    registration.certificates =
        parse_certificates(&words(&certificates.unwrap_or_default())).map_err(damaged)?;
    registration.suspended = row.get("suspended")?;
    registration.valid_from_ms = time("valid_from_ms", WallMs::ZERO)?;
    registration.valid_until_ms = time("valid_until_ms", WallMs::NEVER)?;
    registration.classes = parse_classes(&list("classes")?).map_err(damaged)?;
    registration.kinds = parse_kinds(&list("kinds")?).map_err(damaged)?;
    registration.senders = list("senders")?;
    registration.segmentation = row.get("segmentation")?;
    registration.svcinst = parse_svcinst(&svcinst).map_err(damaged)?;
    registration.notify = row.get("notify")?;
    registration.notify_url =
        notify_url.as_deref().map(NotifyUrl::parse).transpose().map_err(damaged)?;
    let secrets: String = row.get("notify_secrets")?;
    let secrets: Result<_, _> = secrets.split_ascii_whitespace().map(Secret::new).collect();
    registration.notify_secrets = secrets.map_err(damaged)?;
    let smpp: Option<String> = row.get("smpp")?;
    registration.smpp = smpp.map(smpp_account::from_text).transpose().map_err(damaged)?;
    registration.notify_connections = row.get("notify_connections")?;
    registration.notify_depth = row.get("notify_depth")?;
    registration.rate_per_second = row.get("rate_per_second")?;
    registration.volume_per_day = number("volume_per_day")?;
    registration.national_tables = row.get("national_tables")?;
    registration.line_state = row.get("line_state")?;
    registration.doubt_is_final = row.get("doubt_is_final")?;
    let broadcasts: String = row.get("broadcasts")?;
    registration.broadcasts = BroadcastRule::parse(&broadcasts).map_err(damaged)?;
    let price: Option<u32> = row.get("segment_price")?;
    registration.segment_price = price.and_then(Price::from_hundredths);
    registration.broadcast_rate = row.get("broadcast_rate")?;
    registration.check().map_err(|error| damaged(error.to_string()))?;
    Ok(registration)
}
