//! Lives of pushes for a person's eyes.

use std::fmt::Write as _;

use super::life::{Event, PushDocument};
use crate::control::pushes::LivePushDocument;
use wire::terms::calendar;

/// Every push: a head, then a line for each event, times in Japan.
pub(super) fn text(documents: &[PushDocument]) -> String {
    let mut text = String::new();
    for document in documents {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", head(document));
        if document.carried_forward {
            text.push_str("  (moved by cleaning: what was recorded of it before is gone)\n");
        }
        for event in &document.events {
            let _ = writeln!(
                text,
                "  {}  {:15}  {}",
                event.at,
                name(event),
                detail(event, document.segments)
            );
        }
        if let Some(now) = &document.now {
            let _ = writeln!(
                text,
                "  {:30}  {:15}  {}",
                "now",
                present(now),
                outlook(now, document.segments)
            );
        }
    }
    // What has nothing to say behind its name ends there.
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn head(document: &PushDocument) -> String {
    let mut head = format!("push to {}", document.msn);
    for (name, value) in [("reqid", &document.reqid), ("xpid", &document.xpid)] {
        let _ = write!(head, " {name} {}", value.as_deref().unwrap_or("unknown"));
    }
    let kind = [document.class, document.kind].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let _ = write!(head, ": {kind}{}", if kind.is_empty() { "" } else { ", " });
    let _ = write!(head, "{}", segments(document.segments.into()));
    if let Some(sender) = &document.sender {
        let _ = write!(head, ", from {sender}");
    }
    if let (Some(alert), Some(sequence)) = (&document.alert, document.alert_sequence) {
        let _ = write!(head, ", alert {alert} {sequence:02}");
    }
    let _ = write!(head, " (shard {}, push {})", document.shard, document.push);
    head
}

fn name(event: &Event) -> String {
    event.event.replace('-', " ")
}

fn detail(event: &Event, all: u8) -> String {
    match event.event {
        "accepted" => accepted(event),
        "held" => held(event, all),
        "progress" => format!("{}, {}", arrived(event, all), attempts(event.attempts)),
        "handed-over" => handed(event, all),
        "goes-elsewhere" => {
            format!("carrier {} could not deliver it", event.carrier.unwrap_or_default())
        }
        "ended" => ended(event, all),
        "acknowledged" | "parked" | "let-go" => {
            let tries = event.tries.unwrap_or_default();
            let after = if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
            format!("{} after {after}", event.notification.unwrap_or("notification"))
        }
        _ => String::new(),
    }
}

fn accepted(event: &Event) -> String {
    let mut said = Vec::new();
    said.extend(
        event.expires_ms.map(|expires_ms| format!("expires {}", calendar::jst_text(expires_ms))),
    );
    said.extend(
        event.single_attempt.filter(|&single| single).map(|_| "one attempt only".to_owned()),
    );
    said.extend(
        event
            .notification_wanted
            .filter(|&wanted| !wanted)
            .map(|_| "no notification wanted".to_owned()),
    );
    said.join(", ")
}

fn held(event: &Event, all: u8) -> String {
    let mut said = vec![
        event
            .reason
            .as_deref()
            .map_or_else(|| "unknown reason".to_owned(), |reason| reason.replace('-', " ")),
    ];
    said.push(match event.domain {
        Some(domain) => format!("{} by {domain}", attempts(event.attempts)),
        None => "nothing was sent".to_owned(),
    });
    if event.arrived.is_some_and(|arrived| arrived > 0) {
        said.push(arrived(event, all));
    }
    said.extend(
        event.next_ms.map(|next_ms| format!("again {} or on alert", calendar::jst_text(next_ms))),
    );
    said.extend(event.code.as_ref().map(|code| format!("{code} if it expires")));
    said.join("; ")
}

/// What a carrier took, under which ids; or, where it names none, what its receipts said.
fn handed(event: &Event, all: u8) -> String {
    let mut said = Vec::new();
    let ids = event.message_ids.as_deref().unwrap_or_default();
    said.extend(
        event
            .carrier
            .filter(|_| !ids.is_empty())
            .map(|carrier| format!("carrier {carrier} has {}", ids.join(" "))),
    );
    if ids.is_empty() || event.arrived.is_some_and(|arrived| arrived > 0) {
        said.push(arrived(event, all));
    }
    said.extend(event.code.as_ref().map(|code| format!("{code} for what will not")));
    said.join(", ")
}

fn ended(event: &Event, all: u8) -> String {
    let state = event.state.as_deref().unwrap_or_default();
    let mut said = vec![format!("{state} {}", event.code.as_deref().unwrap_or_default())];
    said.extend(event.replaced_by.as_ref().map(|reqid| format!("by {reqid}")));
    said.extend(event.tp_status.as_ref().map(|status| format!("TP-Status {status}")));
    said.extend(event.domain.map(|domain| format!("by {domain}")));
    if event.arrived.is_some() {
        said.push(arrived(event, all));
    }
    said.extend(
        event
            .withdrawn
            .filter(|&count| count > 0)
            .map(|count| format!("{} withdrawn", segments(count.into()))),
    );
    said.extend(
        event.notification_due.filter(|&due| !due).map(|_| "nobody is to be told".to_owned()),
    );
    said.join(", ")
}

fn present(now: &LivePushDocument) -> String {
    match now.state.as_str() {
        "held" => "held".to_owned(),
        state => state.replace('-', " "),
    }
}

fn outlook(now: &LivePushDocument, all: u8) -> String {
    let mut said = Vec::new();
    said.extend(now.reason.as_ref().map(|reason| reason.replace('-', " ")));
    if now.ahead > 0 {
        said.push(format!("{} before it", now.ahead));
    }
    if let Some(notification) = &now.notification {
        said.push(match (now.under_way, now.tries) {
            (true, tries) => format!("{notification} is being sent, try {}", u32::from(tries) + 1),
            (false, 0) => format!("{notification} waits for its turn"),
            (false, 1) => format!("{notification} failed once"),
            (false, tries) => format!("{notification} failed {tries} times"),
        });
    } else {
        said.push(attempts(Some(now.attempts.into())));
        if now.arrived > 0 {
            said.push(format!("{} of {} arrived", now.arrived, segments(all.into())));
        }
    }
    if !now.under_way {
        said.extend(
            now.next_ms.map(|next_ms| format!("again {}", calendar::jst_text(next_ms.ms()))),
        );
    }
    if now.cancel_accepted {
        said.push("cancel accepted".to_owned());
    }
    said.join("; ")
}

fn arrived(event: &Event, all: u8) -> String {
    format!("{} of {} arrived", event.arrived.unwrap_or_default(), segments(all.into()))
}

fn segments(count: u32) -> String {
    if count == 1 { "1 segment".to_owned() } else { format!("{count} segments") }
}

fn attempts(count: Option<u16>) -> String {
    match count.unwrap_or_default() {
        0 => "not sent yet".to_owned(),
        1 => "sent once".to_owned(),
        count => format!("sent {count} times"),
    }
}
