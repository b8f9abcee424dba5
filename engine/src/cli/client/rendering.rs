//! Registrations as they are printed, and what is told with them.

use crate::cli::table::{self, grouped};
use crate::control::carriers::InDoubtSetting;
use crate::control::document::ClientDocument;

pub(super) fn render_one(document: &ClientDocument) -> String {
    let yes_no = |value: bool| if value { "yes" } else { "no" }.to_owned();
    let limit = |value: u64| if value == 0 { "no limit".to_owned() } else { grouped(value) };
    let term = match (&document.from, &document.until) {
        (None, None) => "open".to_owned(),
        (from, until) => {
            format!(
                "{} to {}",
                from.as_deref().unwrap_or("any day"),
                until.as_deref().unwrap_or("any day")
            )
        }
    };
    let notifications = match &document.notify_url {
        None => "nowhere".to_owned(),
        Some(url) => format!(
            "{url}, {}, {} connections per shard, depth {}",
            ["not signed", "signed", "signed under two secrets"][document.notify_signatures.min(2)],
            document.notify_connections,
            document.notify_depth
        ),
    };
    let networks = match document.networks.as_slice() {
        [] => "any".to_owned(),
        some => some.join(", "),
    };
    let certificates = match document.certificates.as_slice() {
        [] => "none".to_owned(),
        some => format!("required, SHA-256 {}", some.join(" or ")),
    };
    let rows = [
        ("xpid", document.xpid.clone()),
        ("client", document.client.clone()),
        ("token", ["none", "required", "required, one of two"][document.tokens.min(2)].to_owned()),
        ("certificates", certificates),
        ("networks", networks),
        ("suspended", yes_no(document.suspended)),
        ("term", term),
        ("classes", document.classes.join(", ")),
        ("kinds", document.kinds.join(", ")),
        ("senders", document.senders.join(", ")),
        ("segmentation", yes_no(document.segmentation)),
        ("svcinst", document.svcinst.clone()),
        ("notifications to", notifications),
        ("notified by default", yes_no(document.notify)),
        ("pushes per second", limit(u64::from(document.rate_per_second))),
        ("pushes per day", limit(document.volume_per_day)),
        ("broadcast rate", limit(u64::from(document.broadcast_rate))),
        ("national tables", yes_no(document.national_tables)),
        ("line state required", yes_no(document.line_state)),
        ("in doubt", doubt_text(document.in_doubt)),
        ("broadcasts", document.broadcasts.word().to_owned()),
        ("yen per segment", document.segment_price.clone().unwrap_or_else(|| "-".to_owned())),
        ("binds by SMPP", account_text(document)),
    ];
    table::render(&rows.map(|(name, value)| vec![name.to_owned(), value]), &[])
}

fn doubt_text(in_doubt: InDoubtSetting) -> String {
    match in_doubt {
        InDoubtSetting::Resend => "sent again",
        InDoubtSetting::Fail => "never sent again",
    }
    .to_owned()
}

fn account_text(document: &ClientDocument) -> String {
    let Some(account) = &document.smpp else { return "no".to_owned() };
    let alphabet = clap::ValueEnum::to_possible_value(&account.alphabet);
    format!(
        "as {}, {} {}, {}, {} at a time, window {}, text in {}, dates {} minutes off \
         UTC{}{}",
        account.system_id,
        account.passwords,
        table::plural(account.passwords as u64, "password", "passwords"),
        account.bind_types.join(" or "),
        account.binds_max,
        account.window,
        alphabet.map(|value| value.get_name().to_owned()).unwrap_or_default(),
        account.zone_minutes,
        if account.receipt_text { ", text in receipts" } else { "" },
        if account.from_anywhere { ", from anywhere" } else { "" }
    )
}

fn state(document: &ClientDocument) -> &'static str {
    match (document.suspended, document.is_open) {
        (true, _) => "suspended",
        (false, true) => "active, open",
        (false, false) => "active",
    }
}

/// A token that this XPID has lost and its client has not.
pub(super) fn warning_of_lost_token(document: &ClientDocument) -> Option<String> {
    let first = document.lost_token_still_at.first()?;
    let others = match document.lost_token_still_at.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    Some(format!(
        "warning: the token that {} has lost still opens it, by way of {first}{others} of the same \
         client: take it away there too",
        document.xpid
    ))
}

/// XPIDs that whoever reaches the push port may push with.
pub(super) fn warning_of_open(documents: &[ClientDocument]) -> Option<String> {
    let open: Vec<&str> =
        documents.iter().filter(|one| one.is_open).map(|one| &*one.xpid).collect();
    let first = open.first()?;
    let others = match open.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    Some(format!(
        "warning: {first}{others} may be used by whoever reaches the push port: give each a token \
         (--token-file), a certificate (--certificate) or networks (--network)"
    ))
}

pub(super) fn render_list(documents: &[ClientDocument]) -> String {
    let heads =
        ["XPID", "CLIENT", "STATE", "CLASSES", "KINDS", "SENDERS", "SVCINST", "NOTIFICATIONS TO"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for document in documents {
        rows.push(vec![
            document.xpid.clone(),
            document.client.clone(),
            state(document).to_owned(),
            document.classes.join(","),
            document.kinds.join(","),
            document.senders.join(","),
            document.svcinst.clone(),
            document.notify_url.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table::render(&rows, &[])
}
