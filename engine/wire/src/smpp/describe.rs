//! A PDU in words: every field by its name in the specification, its value, and what the value
//! means.
//!
//! A pure function for people and for JSON; it allocates and is not for the data path. Passwords
//! are left out.

use super::address::Address;
use super::coding::{Alphabet, Coding, EsmClass, read_text, read_ucs2};
use super::command::Command;
use super::pdu::{
    Alert, Bind, Body, Cancel, Data, Destination, Message, Multi, MultiResp, Pdu, Replace,
};
use super::receipt::{MessageState, Receipt};
use super::time::Time;
use super::tlv::{Tag, Tlv, TlvKind, Tlvs};
use crate::sms::describe::{DescribedField, FieldValue};
use crate::terms::calendar::{Civil, jst_text};

/// All fields of `pdu`, the header's first, in the order in which they stand on the wire.
pub fn describe(pdu: &Pdu<'_>) -> Vec<DescribedField> {
    let mut list = List { fields: Vec::new() };
    list.number("command_length", pdu.header.length, "octets");
    list.number("command_id", pdu.header.command.0, pdu.header.command.name().unwrap_or("unknown"));
    let status = pdu.header.status;
    let named = status.name().map(|name| format!("{name}: {}", status.meaning()));
    list.number("command_status", status.0, named.unwrap_or_else(|| status.meaning().to_owned()));
    list.number("sequence_number", pdu.header.sequence, "");
    match &pdu.body {
        Body::Other(octets) if pdu.header.command == Command::OUTBIND => list.outbind(octets),
        body => list.body(body),
    }
    list.fields
}

/// What a receipt says, from its TLVs and its text together; empty where the PDU is none.
pub fn describe_receipt(body: &Body<'_>) -> Vec<DescribedField> {
    let receipt = match body {
        Body::Message(message) => Receipt::of_message(message),
        Body::Data(data) => Receipt::of_data(data),
        _ => None,
    };
    let Some(receipt) = receipt else { return Vec::new() };
    let mut list = List { fields: Vec::new() };
    let mut text = |name: &str, value: Option<&[u8]>| {
        if let Some(value) = value {
            list.text(name, value, "");
        }
    };
    text("id", receipt.id);
    text("stat", receipt.state.map(|state| state.word().as_bytes()).or(receipt.unknown_word));
    text("err", receipt.error);
    for (name, date) in [("submit date", receipt.submit_date()), ("done date", receipt.done_date())]
    {
        if let Some(date) = date {
            text(name, Some(date_text(date).as_bytes()));
        }
    }
    for (name, number) in [("sub", receipt.submitted()), ("dlvrd", receipt.delivered())] {
        if let Some(number) = number {
            list.number(name, number, "");
        }
    }
    if let Some(error) = receipt.network_error {
        list.number("network error", u32::from(error.code), format!("network {}", error.network));
    }
    list.fields
}

fn date_text(date: Civil) -> String {
    let Civil { year, month, day, hour, minute, second } = date;
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Fields under way.
struct List {
    fields: Vec<DescribedField>,
}

impl List {
    fn push(&mut self, name: &str, value: FieldValue, meaning: impl Into<String>) {
        let (name, meaning) = (name.to_owned(), meaning.into());
        self.fields.push(DescribedField { name, value, meaning, details: Vec::new() });
    }

    fn number(&mut self, name: &str, number: impl Into<u32>, meaning: impl Into<String>) {
        self.push(name, FieldValue::Number(number.into()), meaning);
    }

    /// Text of the wire, mostly ASCII: other octets as ISO 8859-1 has them.
    fn text(&mut self, name: &str, text: &[u8], meaning: impl Into<String>) {
        let text = text.iter().map(|&octet| char::from(octet)).collect();
        self.push(name, FieldValue::Text(text), meaning);
    }

    fn octets(&mut self, name: &str, octets: &[u8], meaning: impl Into<String>) {
        self.push(name, FieldValue::Octets(octets.to_vec()), meaning);
    }

    fn body(&mut self, body: &Body<'_>) {
        match body {
            Body::Empty => {}
            Body::Bind(bind) => self.bind(bind),
            Body::BindResp(answer) => {
                self.text("system_id", answer.system_id, "");
                self.tlvs(answer.tlvs);
            }
            Body::Message(message) => self.message(message),
            Body::Data(data) => self.data(data),
            Body::MessageResp(answer) => {
                self.text("message_id", answer.message_id, "");
                self.tlvs(answer.tlvs);
            }
            Body::Multi(multi) => self.multi(multi),
            Body::MultiResp(answer) => self.multi_answer(answer),
            Body::Query(query) => {
                self.text("message_id", query.message_id, "");
                self.address("source_addr", &query.source);
            }
            Body::QueryResp(answer) => {
                self.text("message_id", answer.message_id, "");
                self.time("final_date", answer.final_date);
                let state = MessageState::from_number(u32::from(answer.message_state));
                self.number(
                    "message_state",
                    answer.message_state,
                    state.map_or("reserved", MessageState::word),
                );
                self.number("error_code", answer.error_code, "");
            }
            Body::Cancel(cancel) => self.cancel(cancel),
            Body::Replace(replace) => self.replace(replace),
            Body::Alert(alert) => self.alert(alert),
            Body::Other(octets) => self.octets("body", octets, "not read"),
        }
    }

    /// What is behind the first of two texts is a password, whatever else is wrong with it.
    fn outbind(&mut self, body: &[u8]) {
        let end = body.iter().position(|&octet| octet == 0);
        let (system_id, password) = body.split_at(end.unwrap_or(0));
        self.text("system_id", system_id, "");
        self.password(password.iter().filter(|&&octet| octet != 0).count());
    }

    fn password(&mut self, octets: usize) {
        self.push("password", FieldValue::Text("not shown".to_owned()), format!("{octets} octets"));
    }

    fn bind(&mut self, bind: &Bind<'_>) {
        self.text("system_id", bind.system_id, "");
        self.password(bind.password.len());
        self.text("system_type", bind.system_type, "");
        let version = bind.interface_version;
        self.number(
            "interface_version",
            version,
            format!("{:X}.{:X}", version >> 4, version & 0xF),
        );
        self.number("addr_ton", bind.addr_ton, ton_meaning(bind.addr_ton));
        self.number("addr_npi", bind.addr_npi, npi_meaning(bind.addr_npi));
        self.text("address_range", bind.address_range, "");
    }

    fn message(&mut self, message: &Message<'_>) {
        self.text("service_type", message.service_type, "");
        self.address("source_addr", &message.source);
        self.address("dest_addr", &message.destination);
        self.behind_addresses(message);
    }

    fn multi(&mut self, multi: &Multi<'_>) {
        let (message, destinations) = (multi.message(), multi.destinations());
        self.text("service_type", message.service_type, "");
        self.address("source_addr", &message.source);
        self.number("number_of_dests", destinations.count(), "");
        for destination in destinations.iter() {
            match destination {
                Destination::Phone(address) => self.address("dest_addr", &address),
                Destination::List(name) => self.text("dl_name", name, "a distribution list"),
            }
        }
        self.behind_addresses(&message);
    }

    fn multi_answer(&mut self, answer: &MultiResp<'_>) {
        self.text("message_id", answer.message_id, "");
        self.number("no_unsuccess", answer.failures.count(), "");
        for (address, status) in answer.failures.iter() {
            self.address("dest_addr", &address);
            let named = status.name().map(|name| format!("{name}: {}", status.meaning()));
            let meaning = named.unwrap_or_else(|| status.meaning().to_owned());
            self.number("error_status_code", status.0, meaning);
        }
        self.tlvs(answer.tlvs);
    }

    fn behind_addresses(&mut self, message: &Message<'_>) {
        self.esm_class(message.esm_class);
        self.number("protocol_id", message.protocol_id, "");
        self.number("priority_flag", message.priority_flag, "");
        self.time("schedule_delivery_time", message.schedule_delivery_time);
        self.time("validity_period", message.validity_period);
        self.registered_delivery(message.registered_delivery);
        self.number("replace_if_present_flag", message.replace_if_present_flag, "");
        self.data_coding(message.data_coding);
        self.number("sm_default_msg_id", message.sm_default_msg_id, "");
        self.number("sm_length", message.short_message.len() as u32, "");
        let text = text_of(message.short_message, message.esm_class, message.data_coding);
        self.octets("short_message", message.short_message, text);
        self.tlvs(message.tlvs);
    }

    fn data(&mut self, data: &Data<'_>) {
        self.text("service_type", data.service_type, "");
        self.address("source_addr", &data.source);
        self.address("dest_addr", &data.destination);
        self.esm_class(data.esm_class);
        self.registered_delivery(data.registered_delivery);
        self.data_coding(data.data_coding);
        self.tlvs(data.tlvs);
    }

    fn cancel(&mut self, cancel: &Cancel<'_>) {
        self.text("service_type", cancel.service_type, "");
        self.text("message_id", cancel.message_id, "");
        self.address("source_addr", &cancel.source);
        self.address("dest_addr", &cancel.destination);
    }

    fn replace(&mut self, replace: &Replace<'_>) {
        self.text("message_id", replace.message_id, "");
        self.address("source_addr", &replace.source);
        self.time("schedule_delivery_time", replace.schedule_delivery_time);
        self.time("validity_period", replace.validity_period);
        self.registered_delivery(replace.registered_delivery);
        self.number("sm_default_msg_id", replace.sm_default_msg_id, "");
        self.number("sm_length", replace.short_message.len() as u32, "");
        self.octets("short_message", replace.short_message, "");
        self.tlvs(replace.tlvs);
    }

    fn alert(&mut self, alert: &Alert<'_>) {
        self.address("source_addr", &alert.source);
        self.address("esme_addr", &alert.esme);
        self.tlvs(alert.tlvs);
    }

    fn address(&mut self, name: &str, address: &Address<'_>) {
        self.number(&format!("{name}_ton"), address.ton, ton_meaning(address.ton));
        self.number(&format!("{name}_npi"), address.npi, npi_meaning(address.npi));
        let name = if name == "dest_addr" { "destination_addr" } else { name };
        self.text(name, address.digits, "");
    }

    fn esm_class(&mut self, class: EsmClass) {
        let kind = match class.0 >> 2 & 0xF {
            0 => "message",
            1 => "receipt",
            2 => "acknowledgement of the phone",
            4 => "acknowledgement of the user",
            6 => "end of a conversation",
            8 => "receipt on the way",
            _ => "reserved",
        };
        let header = if class.has_header() { ", with user data header" } else { "" };
        let reply = if class.0 & 0x80 != 0 { ", with reply path" } else { "" };
        self.number("esm_class", class.0, format!("{kind}{header}{reply}"));
    }

    fn registered_delivery(&mut self, octet: u8) {
        let meaning = match octet & 3 {
            0 => "no receipt",
            1 => "receipt however it ends",
            2 => "receipt of failures",
            _ => "receipt of successes",
        };
        self.number("registered_delivery", octet, meaning);
    }

    fn data_coding(&mut self, data_coding: u8) {
        let meaning = match Coding::of(data_coding, Alphabet::Gsm) {
            Some(Coding::Text(Alphabet::Gsm)) => "the SMSC's alphabet",
            Some(Coding::Text(Alphabet::Ascii)) => "ASCII",
            Some(Coding::Text(_)) => "ISO 8859-1",
            Some(Coding::Ucs2) => "UCS-2",
            Some(Coding::Octets) => "octets",
            Some(Coding::TpDcs(_)) => "message class",
            None => "another coding",
        };
        self.number("data_coding", data_coding, meaning);
    }

    fn time(&mut self, name: &str, text: &[u8]) {
        let meaning = match Time::parse(text) {
            Some(Time::Absolute(unix_ms)) => jst_text(unix_ms),
            Some(Time::Relative(ms)) => format!("{} s from now", ms / 1000),
            None if text.is_empty() => String::new(),
            None => "no time".to_owned(),
        };
        self.text(name, text, meaning);
    }

    fn tlvs(&mut self, tlvs: Tlvs<'_>) {
        for tlv in tlvs.iter() {
            let name = tlv.tag.name().map_or_else(|| format!("{:04X}", tlv.tag.0), str::to_owned);
            let meaning = tlv_meaning(tlv);
            match (tlv.tag.kind(), tlv.number()) {
                (TlvKind::Text, _) => self.text(&name, tlv.text(), meaning),
                (TlvKind::Octet | TlvKind::Short | TlvKind::Long, Some(number)) => {
                    self.number(&name, number, meaning);
                }
                _ => self.octets(&name, tlv.value, meaning),
            }
        }
    }
}

fn tlv_meaning(tlv: Tlv<'_>) -> String {
    if !tlv.has_proper_length() {
        return format!("of {} octets", tlv.value.len());
    }
    let state = tlv.number().and_then(MessageState::from_number);
    match tlv.tag {
        Tag::MESSAGE_STATE => state.map_or("reserved", MessageState::word).to_owned(),
        Tag::MESSAGE_PAYLOAD => format!("{} octets", tlv.value.len()),
        _ => String::new(),
    }
}

/// The text of a message behind its header; empty where it is none that can be read without knowing
/// the SMSC.
fn text_of(octets: &[u8], class: EsmClass, data_coding: u8) -> String {
    let header = if class.has_header() {
        octets.first().map_or(0, |&length| 1 + usize::from(length))
    } else {
        0
    };
    let octets = octets.get(header..).unwrap_or_default();
    let mut text = String::new();
    let is_text = match Coding::of(data_coding, Alphabet::Gsm) {
        Some(Coding::Text(_)) if class.is_receipt() => {
            read_text(octets, Alphabet::Latin1, &mut text)
        }
        Some(Coding::Text(alphabet)) => read_text(octets, alphabet, &mut text),
        Some(Coding::Ucs2) => {
            read_ucs2(octets, &mut text);
            true
        }
        _ => false,
    };
    if is_text { text } else { String::new() }
}

const fn ton_meaning(ton: u8) -> &'static str {
    match ton {
        0 => "unknown",
        1 => "international",
        2 => "national",
        3 => "network specific",
        4 => "subscriber number",
        5 => "alphanumeric",
        6 => "abbreviated",
        _ => "reserved",
    }
}

const fn npi_meaning(npi: u8) -> &'static str {
    match npi {
        0 => "unknown",
        1 => "ISDN",
        3 => "data",
        4 => "telex",
        6 => "land mobile",
        8 => "national",
        9 => "private",
        10 => "ERMES",
        14 => "Internet",
        18 => "WAP client id",
        _ => "reserved",
    }
}

#[cfg(test)]
mod tests {
    use super::super::pdu::decode_leniently;
    use super::*;

    #[test]
    fn an_outbind_is_shown_without_its_password_however_it_is_written() {
        for (body, shown) in [
            (&b"smsc\0s3cret\0"[..], ["smsc", "6 octets"]),
            (b"smsc\0s3cret", ["smsc", "6 octets"]),
            (b"s3cret", ["", "6 octets"]),
            (b"", ["", "0 octets"]),
        ] {
            let head = [16 + body.len() as u32, Command::OUTBIND.0, 0, 1].map(u32::to_be_bytes);
            let octets = [head.as_flattened(), body].concat();
            let fields = describe(&decode_leniently(&octets).expect("a PDU"));
            assert!(!format!("{fields:?}").contains("s3cret"), "{fields:?}");
            let [.., system_id, password] = &fields[..] else { panic!("{fields:?}") };
            assert_eq!([&system_id.value.to_string(), &password.meaning], shown);
        }
    }
}
