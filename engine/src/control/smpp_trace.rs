//! PDUs of one carrier or one customer, for an operator who looks for what goes wrong between the
//! two: `POST /smpp/trace` begins a trace in place of the one before, `GET /smpp/trace?after=N`
//! reads it. It ends by itself.
//!
//! Never shown: a password. Texts, and numbers of phones but for their last four digits, are shown
//! where an administrator has asked for that.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use wire::smpp::describe::describe;
use wire::smpp::pdu::decode_leniently;
use wire::sms::describe::{DescribedField, FieldValue};
use wire::terms::calendar::jst_text;
use wire::terms::ids::Xpid;

use super::admin::{AdminError, Caller, Document, Parameters, reply_json};
use super::audit::Act;
use super::engine::Engine;
use super::roles::Role;
use crate::io::pdu_trace::{PduTrace, TRACE_SECONDS_MAX, TracedPdu, TracedPeer};

/// PDUs in one answer.
const PAGE_MAX: usize = 512;
/// How long a trace takes unless somebody says otherwise, seconds.
pub const TRACE_SECONDS: u32 = 60;
/// Texts that say nothing of whom a message is for, or what it says.
const SHOWN: [&str; 12] = [
    "system_id",
    "password",
    "system_type",
    "address_range",
    "service_type",
    "schedule_delivery_time",
    "validity_period",
    "message_id",
    "final_date",
    "receipted_message_id",
    "additional_status_info_text",
    "dl_name",
];

/// What is to be traced: a carrier, or the customer with an XPID.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceOrder {
    /// The carrier's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// The customer's XPID, eleven digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xpid: Option<String>,
    /// For how long; absent: a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    /// Texts and whole numbers of phones too.
    pub content: bool,
}

/// A trace has begun.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TraceBegun {
    /// Whose PDUs are kept.
    pub peer: String,
    /// For how long.
    pub seconds: u32,
}

/// A part of a trace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TraceDocument {
    /// Whose PDUs they are; empty where nobody has asked for any.
    pub peer: String,
    /// In the order in which they came and went.
    pub pdus: Vec<TracedDocument>,
    /// What to give as `after` for those behind.
    pub next: usize,
    /// PDUs that found no room.
    pub lost: u64,
    /// There are no more, and there will be none.
    pub is_over: bool,
}

/// One PDU of a trace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TracedDocument {
    /// When, in Japan's time.
    pub at: String,
    /// `to` the peer, or `from` it.
    pub way: String,
    /// On which of its sessions.
    pub session: u32,
    /// Fields by their names in the specification, and their values.
    pub fields: Vec<(String, String)>,
}

/// Which part is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TraceQuery {
    #[serde(default)]
    after: usize,
}

fn words_of(peer: &TracedPeer) -> String {
    match peer {
        TracedPeer::Carrier(name) => format!("the carrier {name}"),
        TracedPeer::Customer(xpid) => format!("the customer {xpid}"),
    }
}

/// A field's value as it may be shown.
fn value_of(field: &DescribedField, shows_content: bool) -> String {
    let meant =
        if field.meaning.is_empty() { String::new() } else { format!(" ({})", field.meaning) };
    match &field.value {
        FieldValue::Number(_) | FieldValue::Flag(_) => format!("{}{meant}", field.value),
        FieldValue::Text(text) if shows_content || SHOWN.contains(&field.name.as_str()) => {
            format!("{text}{meant}")
        }
        FieldValue::Octets(_) if shows_content => format!("{}{meant}", field.value),
        FieldValue::Text(text) if field.name.ends_with("_addr") => {
            let last: String = text.chars().rev().take(4).collect();
            let last: String = last.chars().rev().collect();
            // Peers write a plus or blanks too. Short codes and names are nobody's phone.
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            if digits > 6 { format!("…{last}") } else { text.clone() }
        }
        FieldValue::Text(text) => format!("{} characters", text.chars().count()),
        FieldValue::Octets(octets) => format!("{} octets", octets.len()),
    }
}

impl TracedDocument {
    fn of(traced: &TracedPdu, shows_content: bool) -> Self {
        let fields = match decode_leniently(&traced.octets) {
            Ok(pdu) => describe(&pdu)
                .iter()
                .map(|field| (field.name.clone(), value_of(field, shows_content)))
                .collect(),
            Err(error) => vec![("unreadable".to_owned(), error.to_string())],
        };
        Self {
            at: jst_text(traced.at_ms),
            way: if traced.is_sent { "to" } else { "from" }.to_owned(),
            session: traced.session,
            fields,
        }
    }
}

impl TraceDocument {
    /// What has content is shown without it to who may not see that, whoever began the trace.
    fn of(trace: Option<&PduTrace>, after: usize, may_see_content: bool) -> Self {
        let Some(trace) = trace else {
            let (peer, pdus) = (String::new(), Vec::new());
            return Self { peer, pdus, next: 0, lost: 0, is_over: true };
        };
        let page = trace.page(after, PAGE_MAX);
        let shows_content = trace.shows_content && may_see_content;
        let shown = page.pdus.iter().map(|pdu| TracedDocument::of(pdu, shows_content));
        Self {
            peer: words_of(&trace.peer),
            next: page.first + page.pdus.len(),
            pdus: shown.collect(),
            lost: page.lost,
            is_over: page.is_over,
        }
    }
}

/// The routes.
pub fn router(control: Arc<dyn Engine>) -> Router {
    Router::new().route("/smpp/trace", get(show).post(begin)).with_state(control)
}

async fn begin(
    caller: Caller,
    Document(order): Document<TraceOrder>,
) -> Result<Response, AdminError> {
    if order.content && !caller.may(Role::Admin) {
        let sentence = "texts and whole numbers are shown to who has the role admin alone";
        return Err(AdminError::new(StatusCode::FORBIDDEN, sentence));
    }
    let seconds = order.seconds.unwrap_or(TRACE_SECONDS);
    if !(1..=TRACE_SECONDS_MAX).contains(&seconds) {
        return Err(AdminError::bad_request(format!(
            "a trace takes 1 to {TRACE_SECONDS_MAX} seconds"
        )));
    }
    let peer = match (&order.carrier, &order.xpid) {
        (Some(name), None) => TracedPeer::Carrier(name.clone()),
        (None, Some(xpid)) => {
            let known = Xpid::parse(xpid.as_bytes());
            TracedPeer::Customer(known.ok_or_else(|| {
                AdminError::bad_request(format!("{xpid:?} is no XPID of 11 digits"))
            })?)
        }
        _ => {
            return Err(AdminError::bad_request("name a carrier, or the XPID of a customer"));
        }
    };
    let known = peer.clone();
    caller
        .look(move |store| match known {
            TracedPeer::Carrier(name) => store.carrier(&name).map(drop),
            TracedPeer::Customer(xpid) => store.registration(xpid).map(drop),
        })
        .await??;
    let begun = TraceBegun { peer: words_of(&peer), seconds };
    let content = if order.content { ", with texts and numbers" } else { "" };
    let act = Act::new(format!("smpp trace of {} for {seconds} s{content}", begun.peer));
    let trace = PduTrace::new(peer, order.content, seconds);
    caller.act(act, move |control| Ok(control.trace(trace)?)).await?;
    Ok(reply_json(StatusCode::OK, &begun))
}

async fn show(
    caller: Caller,
    State(control): State<Arc<dyn Engine>>,
    Parameters(query): Parameters<TraceQuery>,
) -> Result<Response, AdminError> {
    let (trace, may_see_content) = (control.traced(), caller.may(Role::Admin));
    let document = TraceDocument::of(trace.as_deref(), query.after, may_see_content);
    Ok(reply_json(StatusCode::OK, &document))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::smpp::address::Address;
    use wire::smpp::command::Command;
    use wire::smpp::pdu::{Bind, BindKind, Body, Message, encode};
    use wire::smpp::status::Status;

    fn shown(command: Command, body: &Body<'_>, shows_content: bool) -> String {
        let mut pdu = [0; 512];
        let octets = encode(&mut pdu, command, Status::OK, 7, body, true).expect("room");
        let traced = TracedPdu {
            at_ms: 1_800_000_000_000,
            is_sent: true,
            session: 0,
            octets: pdu[..octets].into(),
        };
        format!("{:?}", TracedDocument::of(&traced, shows_content))
    }

    #[test]
    fn an_administrators_trace_shows_no_content_to_who_is_none() {
        let trace = PduTrace::new(TracedPeer::Carrier("alpha".to_owned()), true, 60);
        let mut pdu = [0; 512];
        let body = Body::Message(Message { short_message: b"meet me", ..Message::default() });
        let command = Command::SUBMIT_SM;
        let octets = encode(&mut pdu, command, Status::OK, 7, &body, true).expect("room");
        trace.keep(true, 0, &pdu[..octets]);
        for (may_see_content, is_shown) in [(true, true), (false, false)] {
            let shown = format!("{:?}", TraceDocument::of(Some(&trace), 0, may_see_content));
            assert_eq!(shown.contains("meet me"), is_shown, "{shown}");
        }
    }

    #[test]
    fn no_password_is_ever_shown_and_texts_and_numbers_only_where_they_are_asked_for() {
        let bind = Body::Bind(Bind {
            kind: BindKind::Transceiver,
            system_id: b"hayauma1",
            password: b"s3cret08",
            system_type: b"",
            interface_version: 0x34,
            addr_ton: 0,
            addr_npi: 0,
            address_range: b"",
        });
        for shows_content in [false, true] {
            let bind = shown(Command::BIND_TRANSCEIVER, &bind, shows_content);
            assert!(bind.contains("hayauma1") && !bind.contains("s3cret08"), "{bind}");
        }
        let message = Body::Message(Message {
            source: Address { ton: 5, npi: 0, digits: b"Ueda" },
            destination: Address { ton: 1, npi: 1, digits: b"819012345678" },
            short_message: b"meet me at nine",
            ..Message::default()
        });
        let masked = shown(Command::SUBMIT_SM, &message, false);
        for part in ["Ueda", "…5678", "15 octets", "submit_sm"] {
            assert!(masked.contains(part), "{part}: {masked}");
        }
        assert!(!masked.contains("8190123") && !masked.contains("meet me"), "{masked}");
        for digits in [&b"+819012345678"[..], b"+81 90-1234-5678"] {
            let source = Address { ton: 1, npi: 1, digits };
            let message = Body::Message(Message { source, ..Message::default() });
            let masked = shown(Command::SUBMIT_SM, &message, false);
            assert!(masked.contains("…5678") && !masked.contains("1234"), "{masked}");
        }
        let whole = shown(Command::SUBMIT_SM, &message, true);
        assert!(whole.contains("819012345678") && whole.contains("meet me at nine"), "{whole}");
    }
}
