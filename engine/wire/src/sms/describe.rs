//! A TPDU in words: every field by its name in the standard, its value, what the value means, and
//! what it is made of.
//!
//! A pure function for people and for JSON; it allocates and is not for the data path.

mod fields;
mod user_data;

pub use user_data::alphabet_name;

use super::time::ValidityPeriod;
use super::tpdu::{
    Command, Deliver, DeliverReport, Parameters, StatusReport, Submit, SubmitReport, Tpdu,
};
use fields::{
    address, coding_scheme, failure_cause, protocol_identifier, status, time_stamp, validity_period,
};

/// One field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedField {
    /// The standard's abbreviation, as in TP-OA; elements of a header are named by their
    /// identifier.
    pub name: String,
    /// The value.
    pub value: FieldValue,
    /// What the value means, in a few words; empty where it speaks for itself.
    pub meaning: String,
    /// What the field is made of, by names of lower case letters: for programs, which shall not
    /// have to read the meaning.
    pub details: Vec<(&'static str, FieldValue)>,
}

impl DescribedField {
    /// Adds a detail.
    fn with(&mut self, name: &'static str, value: FieldValue) -> &mut Self {
        self.details.push((name, value));
        self
    }

    fn with_number(&mut self, name: &'static str, number: impl Into<u32>) -> &mut Self {
        self.with(name, FieldValue::Number(number.into()))
    }

    fn with_text(&mut self, name: &'static str, text: impl Into<String>) -> &mut Self {
        self.with(name, FieldValue::Text(text.into()))
    }

    fn with_flag(&mut self, name: &'static str, flag: bool) -> &mut Self {
        self.with(name, FieldValue::Flag(flag))
    }

    fn with_octets(&mut self, name: &'static str, octets: &[u8]) -> &mut Self {
        self.with(name, FieldValue::Octets(octets.to_vec()))
    }
}

/// The value of a field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FieldValue {
    /// A number, or a flag as the bit that is on the wire.
    Number(u32),
    /// Digits, text or a time.
    Text(String),
    /// Octets, shown in hexadecimal.
    Octets(Vec<u8>),
    /// Yes or no; only among the details.
    Flag(bool),
}

impl std::fmt::Display for FieldValue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Text(text) => formatter.write_str(text),
            Self::Octets(octets) => {
                octets.iter().try_for_each(|octet| write!(formatter, "{octet:02X}"))
            }
            Self::Flag(flag) => write!(formatter, "{flag}"),
        }
    }
}

/// All fields of `tpdu`, in the order in which they stand on the wire.
pub fn describe(tpdu: &Tpdu<'_>) -> Vec<DescribedField> {
    let mut list = List { fields: Vec::new() };
    match tpdu {
        Tpdu::Deliver(deliver) => describe_deliver(&mut list, deliver),
        Tpdu::DeliverReport(report) => describe_deliver_report(&mut list, report),
        Tpdu::Submit(submit) => describe_submit(&mut list, submit),
        Tpdu::SubmitReport(report) => describe_submit_report(&mut list, report),
        Tpdu::StatusReport(report) => describe_status_report(&mut list, report),
        Tpdu::Command(command) => describe_command(&mut list, command),
    }
    list.fields
}

/// Fields in the making.
struct List {
    fields: Vec<DescribedField>,
}

impl List {
    fn push(
        &mut self,
        name: impl Into<String>,
        value: FieldValue,
        meaning: impl Into<String>,
    ) -> &mut DescribedField {
        let at = self.fields.len();
        let details = Vec::new();
        self.fields.push(DescribedField {
            name: name.into(),
            value,
            meaning: meaning.into(),
            details,
        });
        &mut self.fields[at]
    }

    fn number(
        &mut self,
        name: &str,
        number: u8,
        meaning: impl Into<String>,
    ) -> &mut DescribedField {
        self.push(name, FieldValue::Number(number.into()), meaning)
    }

    /// A flag by its bit on the wire.
    fn flag(&mut self, name: &str, bit: bool, when_set: &str, when_clear: &str) {
        self.number(name, bit.into(), if bit { when_set } else { when_clear });
    }
}

fn describe_deliver(list: &mut List, deliver: &Deliver<'_>) {
    let kind = if deliver.reserved_type { "reserved, read as SMS-DELIVER" } else { "SMS-DELIVER" };
    list.number("TP-MTI", if deliver.reserved_type { 3 } else { 0 }, kind);
    more_messages(list, deliver.more_messages);
    loop_prevention(list, deliver.loop_prevention);
    list.flag(
        "TP-SRI",
        deliver.status_report_indication,
        "a status report goes back to the sender",
        "no status report goes back to the sender",
    );
    header_indicator(list, deliver.user_data.header_indicated);
    reply_path(list, deliver.reply_path);
    address(list, "TP-OA", &deliver.originating_address);
    protocol_identifier(list, deliver.protocol_identifier);
    coding_scheme(list, deliver.user_data.coding_scheme);
    time_stamp(list, "TP-SCTS", deliver.service_centre_time_stamp);
    user_data::describe(list, &deliver.user_data);
}

fn describe_submit(list: &mut List, submit: &Submit<'_>) {
    list.number("TP-MTI", 1, "SMS-SUBMIT");
    list.flag(
        "TP-RD",
        submit.reject_duplicates,
        "reject a duplicate of a message that is still held",
        "accept duplicates",
    );
    let (format, meaning) = match submit.validity_period {
        ValidityPeriod::Absent => (0, "TP-VP not present"),
        ValidityPeriod::Enhanced(_) => (1, "TP-VP in enhanced format"),
        ValidityPeriod::Relative(_) => (2, "TP-VP in relative format"),
        ValidityPeriod::Absolute(_) => (3, "TP-VP in absolute format"),
    };
    list.number("TP-VPF", format, meaning);
    status_report_request(list, submit.status_report_requested);
    header_indicator(list, submit.user_data.header_indicated);
    reply_path(list, submit.reply_path);
    list.number("TP-MR", submit.message_reference, "");
    address(list, "TP-DA", &submit.destination_address);
    protocol_identifier(list, submit.protocol_identifier);
    coding_scheme(list, submit.user_data.coding_scheme);
    validity_period(list, submit.validity_period);
    user_data::describe(list, &submit.user_data);
}

fn describe_deliver_report(list: &mut List, report: &DeliverReport<'_>) {
    list.number("TP-MTI", 0, "SMS-DELIVER-REPORT");
    header_indicator(list, has_header(&report.parameters));
    if let Some(cause) = report.failure_cause {
        failure_cause(list, cause);
    }
    indicator(list, &report.parameters);
    parameters(list, &report.parameters);
}

fn describe_submit_report(list: &mut List, report: &SubmitReport<'_>) {
    list.number("TP-MTI", 1, "SMS-SUBMIT-REPORT");
    header_indicator(list, has_header(&report.parameters));
    if let Some(cause) = report.failure_cause {
        failure_cause(list, cause);
    }
    indicator(list, &report.parameters);
    time_stamp(list, "TP-SCTS", report.service_centre_time_stamp);
    parameters(list, &report.parameters);
}

fn describe_status_report(list: &mut List, report: &StatusReport<'_>) {
    list.number("TP-MTI", 2, "SMS-STATUS-REPORT");
    more_messages(list, report.more_messages);
    loop_prevention(list, report.loop_prevention);
    list.flag("TP-SRQ", report.answers_command, "answers an SMS-COMMAND", "answers an SMS-SUBMIT");
    header_indicator(list, report.parameters.as_ref().is_some_and(has_header));
    list.number("TP-MR", report.message_reference, "");
    address(list, "TP-RA", &report.recipient_address);
    time_stamp(list, "TP-SCTS", report.service_centre_time_stamp);
    time_stamp(list, "TP-DT", report.discharge_time);
    status(list, report.status);
    if let Some(optional) = &report.parameters {
        indicator(list, optional);
        parameters(list, optional);
    }
}

fn describe_command(list: &mut List, command: &Command<'_>) {
    list.number("TP-MTI", 2, "SMS-COMMAND");
    status_report_request(list, command.status_report_requested);
    header_indicator(list, command.header_indicated);
    list.number("TP-MR", command.message_reference, "");
    protocol_identifier(list, command.protocol_identifier);
    list.number("TP-CT", command.command_type.0, command.command_type.meaning());
    list.number(
        "TP-MN",
        command.message_number,
        "the TP-MR of the message that the command is about",
    );
    address(list, "TP-DA", &command.destination_address);
    list.number("TP-CDL", command.command_data.len() as u8, "octets of command data");
    let (header, data) = command.split_data();
    user_data::describe_header(list, header, command.command_data);
    list.push("TP-CD", FieldValue::Octets(data.to_vec()), "");
}

fn indicator(list: &mut List, parameters: &Parameters<'_>) {
    let mut announced = Vec::new();
    let names = [
        (parameters.protocol_identifier.is_some(), "TP-PID"),
        (parameters.coding_scheme.is_some(), "TP-DCS"),
        (parameters.user_data.is_some(), "TP-UDL"),
        (parameters.reserved_bits != 0, "reserved bits"),
        (!parameters.extension.is_empty(), "extension"),
    ];
    announced.extend(names.into_iter().filter_map(|(present, name)| present.then_some(name)));
    let meaning =
        if announced.is_empty() { "nothing follows".to_owned() } else { announced.join(", ") };
    list.number("TP-PI", parameters.indicator(), meaning);
    if !parameters.extension.is_empty() {
        let octets = FieldValue::Octets(parameters.extension.to_vec());
        list.push("TP-PI extension", octets, "reserved");
    }
}

fn parameters(list: &mut List, parameters: &Parameters<'_>) {
    if let Some(identifier) = parameters.protocol_identifier {
        protocol_identifier(list, identifier);
    }
    if let Some(scheme) = parameters.coding_scheme {
        coding_scheme(list, scheme);
    }
    if let Some(user_data) = &parameters.user_data {
        user_data::describe(list, user_data);
    }
    if !parameters.discarded.is_empty() {
        let octets = FieldValue::Octets(parameters.discarded.to_vec());
        list.push("discarded", octets, "announced by a reserved bit of TP-PI");
    }
}

fn has_header(parameters: &Parameters<'_>) -> bool {
    parameters.user_data.is_some_and(|user_data| user_data.header_indicated)
}

fn more_messages(list: &mut List, more_messages: bool) {
    list.flag("TP-MMS", !more_messages, "no more messages wait", "more messages wait");
}

fn loop_prevention(list: &mut List, set: bool) {
    list.flag("TP-LP", set, "forwarded or spawned already", "not forwarded and not spawned");
}

fn status_report_request(list: &mut List, set: bool) {
    list.flag("TP-SRR", set, "a status report is requested", "no status report is requested");
}

fn header_indicator(list: &mut List, set: bool) {
    list.flag("TP-UDHI", set, "the user data starts with a header", "no header");
}

fn reply_path(list: &mut List, set: bool) {
    list.flag("TP-RP", set, "a reply path is set", "no reply path");
}
