//! Parts of concatenated messages that were given together, joined as a terminal joins them.

use serde::Serialize;

use super::super::{Report, hex_of, json_of, shown};
use wire::sms::reassemble::{Arrival, Message, Reassembler};
use wire::sms::tpdu::Tpdu;

/// Messages of which parts are missing that are kept at a time; the oldest is told of when there
/// are more.
const MESSAGES_MAX: usize = 1_024;

/// The parts given so far.
pub(super) struct Parts {
    reassembler: Reassembler,
    json: bool,
}

/// A message of several parts as it is printed.
#[derive(Serialize)]
struct Joined {
    #[serde(rename = "type")]
    kind: &'static str,
    address: String,
    parts: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    octets: Option<String>,
}

impl Parts {
    pub(super) fn new(json: bool) -> Self {
        Self { reassembler: Reassembler::new(MESSAGES_MAX, 0), json }
    }

    /// Takes a part in; prints the message that it completes.
    pub(super) fn take(&mut self, tpdu: &Tpdu<'_>, report: &mut Report<'_>) {
        let (address, user_data) = match tpdu {
            Tpdu::Deliver(deliver) => (deliver.originating_address, &deliver.user_data),
            Tpdu::Submit(submit) => (submit.destination_address, &submit.user_data),
            _ => return,
        };
        if let Arrival::Complete(message) = self.reassembler.handle_part(address, user_data, 0)
            && message.parts.len() > 1
        {
            self.print(&message, report);
        }
        while let Some(message) = self.reassembler.poll_lost(0) {
            self.print(&message, report);
        }
    }

    /// Prints what there is of messages that stayed incomplete; one part by itself has been shown
    /// already.
    pub(super) fn finish(&mut self, report: &mut Report<'_>) {
        while let Some(message) = self.reassembler.poll_lost(1) {
            if message.parts.iter().flatten().count() > 1 {
                self.print(&message, report);
            }
        }
    }

    fn print(&self, message: &Message, report: &mut Report<'_>) {
        let joined = Joined::of(message);
        report(if self.json { json_of(&joined) } else { Ok(joined.text()) });
    }
}

impl Joined {
    fn of(message: &Message) -> Self {
        let missing = message.parts.iter().enumerate().filter(|(_, part)| part.is_none());
        let text = message.text();
        let octets =
            if text.is_none() { message.octets().map(|octets| hex_of(&octets)) } else { None };
        Self {
            kind: "joined",
            address: message.originator.text(),
            parts: message.parts.len(),
            missing: missing.map(|(at, _)| at + 1).collect(),
            text,
            octets,
        }
    }

    fn text(&self) -> String {
        let Self { address, parts, .. } = self;
        let mut text = format!("\njoined   {parts} parts, {address}\n");
        if !self.missing.is_empty() {
            let numbers: Vec<String> = self.missing.iter().map(ToString::to_string).collect();
            text.push_str(&format!("  missing  {}\n", numbers.join(", ")));
        }
        match (&self.text, &self.octets) {
            (Some(content), _) => text.push_str(&format!("  text     {}\n", shown(content))),
            (None, Some(octets)) => text.push_str(&format!("  octets   {octets}\n")),
            (None, None) => text.push_str("  the parts are not of one kind\n"),
        }
        text
    }
}
