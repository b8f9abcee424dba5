//! `hayauma smpp`: the codec of SMPP at the command line, to look into PDUs.

use std::io::{BufRead, Read};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use wire::smpp::describe::{describe, describe_receipt};
use wire::smpp::frame::first_pdu;
use wire::smpp::pdu::{Pdu, decode_leniently};
use wire::sms::describe::{DescribedField, FieldValue};

use super::output::Report;
use super::place::{Place, RegistryPlace};
use super::sms::{hex_of, json_of, octets_of, shown};
use super::{CliError, Output};
use crate::control::smpp_trace::{
    TRACE_SECONDS, TraceBegun, TraceDocument, TraceOrder, TracedDocument,
};

/// Octets that are read from standard input at most.
const INPUT_OCTETS_MAX: u64 = 64 * 1024 * 1024;
/// Between two looks at a trace.
const TRACE_LOOK: Duration = Duration::from_millis(200);
/// The argument that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// What to do with SMPP.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum SmppCommand {
    /// Print every field of PDUs by its name in the specification, and what a receipt says.
    Decode(DecodeArguments),
    /// Print what a carrier or a customer says to a running engine and is told, PDU by PDU, for a
    /// while.
    ///
    /// No password is shown; texts and whole numbers of phones are with --content, which takes the
    /// role admin.
    Trace(Box<TraceArguments>),
}

/// Arguments of `hayauma smpp trace`.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "peer", required = true, multiple = false, args = ["carrier", "customer"])]
pub(super) struct TraceArguments {
    /// The carrier's name.
    #[arg(long, value_name = "NAME")]
    carrier: Option<String>,
    /// The customer's XPID.
    #[arg(long, value_name = "XPID")]
    customer: Option<String>,
    /// How long.
    #[arg(long, value_name = "SECONDS", default_value_t = TRACE_SECONDS)]
    seconds: u32,
    /// Show texts and whole numbers of phones.
    #[arg(long)]
    content: bool,
    #[command(flatten)]
    place: Place,
}

/// Arguments of `hayauma smpp decode`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DecodeArguments {
    /// PDUs in hexadecimal, one behind the other; blanks and colons do not matter. `-`, or none at
    /// all: from standard input, as they are on the wire or in hexadecimal, where each line begins
    /// with a PDU.
    hex: Vec<String>,
    /// Print JSON, one line for each PDU.
    #[arg(long)]
    json: bool,
}

/// Does it. Exit status 0: done; 1: something that was given is wrong, and one sentence on standard
/// error says how.
pub(super) fn run(command: &SmppCommand, output: &mut Output<'_>) -> Result<ExitCode, CliError> {
    match command {
        SmppCommand::Decode(arguments) => output.report_all("hayauma smpp", |report| {
            decode(arguments, std::io::stdin().lock(), report)
        }),
        SmppCommand::Trace(arguments) => trace(arguments, output).map(|()| ExitCode::SUCCESS),
    }
}

/// Begins a trace and prints it to its end.
fn trace(arguments: &TraceArguments, output: &mut Output<'_>) -> Result<(), CliError> {
    let RegistryPlace::Running(engine) = arguments.place.registry_to_read()? else {
        return Err(CliError::new(
            "no engine holds the data directory: start it, there are no PDUs without it",
        ));
    };
    let begun: TraceBegun = engine.post(
        "/smpp/trace",
        &TraceOrder {
            carrier: arguments.carrier.clone(),
            xpid: arguments.customer.clone(),
            seconds: Some(arguments.seconds),
            content: arguments.content,
        },
    )?;
    let TraceBegun { peer, seconds } = begun;
    output.print(&format!("{peer} is traced for {seconds} s\n"))?;
    let mut after = 0;
    loop {
        let part: TraceDocument = engine.get(&format!("/smpp/trace?after={after}"))?;
        after = part.next;
        for pdu in &part.pdus {
            output.print(&line_of(pdu))?;
        }
        if part.is_over || part.peer != peer {
            let lost = part.lost;
            let more =
                if lost > 0 { format!("{lost} PDUs more found no room\n") } else { String::new() };
            return output.print(&more);
        }
        if part.pdus.is_empty() {
            #[expect(clippy::disallowed_methods, reason = "a command, not the engine")]
            std::thread::sleep(TRACE_LOOK);
        }
    }
}

/// One PDU, on one line: what a peer writes says nothing to the terminal.
fn line_of(pdu: &TracedDocument) -> String {
    let TracedDocument { at, way, session, fields } = pdu;
    let fields = fields.iter().map(|(name, value)| format!("{name}={}", shown(value)));
    format!("{at} {way} session {session}: {}\n", fields.collect::<Vec<_>>().join(" "))
}

fn decode(arguments: &DecodeArguments, input: impl BufRead, report: &mut Report<'_>) {
    let mut count = 0;
    let given = arguments.hex.concat();
    if !given.is_empty() && given != STANDARD_INPUT {
        match octets_of(&given) {
            Ok(octets) => {
                decode_stream(arguments, &octets, &mut count, report);
            }
            Err(sentence) => {
                report(Err(sentence));
            }
        }
        return;
    }
    let mut octets = Vec::new();
    if let Err(error) = input.take(INPUT_OCTETS_MAX + 1).read_to_end(&mut octets) {
        report(Err(format!("standard input cannot be read: {error}")));
        return;
    }
    if octets.len() as u64 > INPUT_OCTETS_MAX {
        report(Err(format!(
            "standard input is longer than {INPUT_OCTETS_MAX} octets; give less of it"
        )));
        return;
    }
    // The length that every PDU begins with has a zero in front, and no hexadecimal text has one.
    if octets.first() == Some(&0) {
        decode_stream(arguments, &octets, &mut count, report);
        return;
    }
    let text = String::from_utf8_lossy(&octets);
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mut is_empty = true;
    for (at, line) in lines {
        is_empty = false;
        let number = at + 1;
        let mut report = |result: Result<String, String>| {
            report(result.map_err(|why| format!("line {number}: {why}")))
        };
        let goes_on = match octets_of(line) {
            Ok(octets) => decode_stream(arguments, &octets, &mut count, &mut report),
            Err(sentence) => report(Err(sentence)),
        };
        if !goes_on {
            return;
        }
    }
    if is_empty {
        report(Err(
            "there is no PDU on standard input; give one as it is or in hexadecimal".to_owned()
        ));
    }
}

/// Decodes PDUs that stand one behind the other; whether somebody reads what comes.
fn decode_stream(
    arguments: &DecodeArguments,
    octets: &[u8],
    count: &mut usize,
    report: &mut Report<'_>,
) -> bool {
    let mut rest = octets;
    while !rest.is_empty() {
        let pdu = match first_pdu(rest) {
            Ok(Some(pdu)) => pdu,
            Ok(None) => {
                return report(Err(format!(
                    "the last PDU is cut short: {} octets of it are there",
                    rest.len()
                )));
            }
            Err(error) => return report(Err(format!("this is no PDU: {error}"))),
        };
        rest = &rest[pdu.len()..];
        if *count > 0 && !arguments.json {
            report(Ok(String::new()));
        }
        *count += 1;
        let goes_on = match decode_leniently(pdu) {
            Ok(read) => {
                let printed = Printed::new(&read);
                let goes_on =
                    report(if arguments.json { json_of(&printed) } else { Ok(printed.text()) });
                goes_on
                    && read
                        .fault
                        .is_none_or(|fault| report(Err(format!("the PDU is cut short: {fault}"))))
            }
            Err(error) => report(Err(format!("this PDU cannot be read: {error}"))),
        };
        if !goes_on {
            return false;
        }
    }
    true
}

/// What is printed of a PDU.
#[derive(Serialize)]
struct Printed {
    #[serde(rename = "type")]
    kind: String,
    octets: u32,
    fields: Vec<PrintedField>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    receipt: Vec<PrintedField>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    oddities: Vec<&'static str>,
}

#[derive(Serialize)]
struct PrintedField {
    name: String,
    value: PrintedValue,
    #[serde(skip_serializing_if = "String::is_empty")]
    meaning: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum PrintedValue {
    Number(u32),
    Text(String),
}

impl Printed {
    fn new(pdu: &Pdu<'_>) -> Self {
        let printed =
            |fields: Vec<DescribedField>| fields.into_iter().map(PrintedField::from).collect();
        Self {
            kind: pdu.header.command.to_string(),
            octets: pdu.header.length,
            fields: printed(describe(pdu)),
            receipt: printed(describe_receipt(&pdu.body)),
            oddities: pdu.oddities.with(pdu.body.oddities()).names().collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{}, {} octets\n", self.kind, self.octets);
        lines_of(&self.fields, &mut text);
        if !self.receipt.is_empty() {
            text.push_str("receipt\n");
            lines_of(&self.receipt, &mut text);
        }
        if !self.oddities.is_empty() {
            text.push_str(&format!("read around: {}\n", self.oddities.join(", ")));
        }
        text
    }
}

fn lines_of(fields: &[PrintedField], text: &mut String) {
    let width = fields.iter().map(|field| field.name.len()).max().unwrap_or_default();
    for PrintedField { name, value, meaning } in fields {
        let value = match value {
            PrintedValue::Number(number) => format!("{number} ({number:02X})"),
            PrintedValue::Text(text) => shown(text),
        };
        let line = format!("  {name:width$}  {value:<28}  {}", shown(meaning));
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

impl From<DescribedField> for PrintedField {
    fn from(field: DescribedField) -> Self {
        let value = match field.value {
            FieldValue::Number(number) => PrintedValue::Number(number),
            FieldValue::Flag(flag) => PrintedValue::Number(u32::from(flag)),
            FieldValue::Text(text) => PrintedValue::Text(text),
            FieldValue::Octets(octets) => PrintedValue::Text(hex_of(&octets)),
        };
        Self { name: field.name, value, meaning: field.meaning }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A submit_sm, and the 16 octets of an ESME_RTHROTTLED.
    const SUBMIT: &str = "00000046 00000004 00000000 00000007 00 0500 486179 61756D6100 0101 \
        38313930313233343536373800 400000 00 00 01 00 00 00 0C 05000309020168656C6C6F21 02040002 \
        0007";
    const THROTTLED: &str = "00000010 80000004 00000058 00000007";
    const RECEIPT_TEXT: &str = "id:4711 sub:001 dlvrd:001 stat:DELIVRD err:000 text:";

    fn outcome(hex: &[&str], json: bool, input: &[u8]) -> (Vec<String>, Vec<String>) {
        let arguments =
            DecodeArguments { hex: hex.iter().map(|hex| (*hex).to_owned()).collect(), json };
        let (mut printed, mut complaints) = (Vec::new(), Vec::new());
        decode(&arguments, input, &mut |result| {
            match result {
                Ok(text) => printed.push(text),
                Err(sentence) => complaints.push(sentence),
            }
            true
        });
        (printed, complaints)
    }

    #[test]
    fn a_traced_pdu_is_one_line_whatever_the_peer_has_written() {
        let fields = vec![("system_id".to_owned(), "a\u{1b}[2J\nforged".to_owned())];
        let (at, way) = ("2026-11-30 19:00:00".to_owned(), "from".to_owned());
        let line = line_of(&TracedDocument { at, way, session: 3, fields });
        let expected = "2026-11-30 19:00:00 from session 3: system_id=a\\u{1b}[2J\\nforged\n";
        assert_eq!(line, expected);
    }

    fn deliver() -> Vec<u8> {
        let mut pdu =
            octets_of("00000000 00000005 00000000 00000001 00 000000 000000 040000 0000 00000000")
                .expect("hexadecimal");
        pdu.push(RECEIPT_TEXT.len() as u8);
        pdu.extend(RECEIPT_TEXT.as_bytes());
        pdu[3] = pdu.len() as u8;
        pdu
    }

    #[test]
    fn a_submit_sm_is_printed_field_by_field() {
        let (printed, complaints) = outcome(&[SUBMIT], false, b"");
        assert_eq!(complaints, Vec::<String>::new());
        let text = printed.concat();
        assert!(text.starts_with("submit_sm, 70 octets\n"), "{text}");
        for line in [
            "  command_status           0 (00)                        ESME_ROK: no error\n",
            "  source_addr_ton          5 (05)                        alphanumeric\n",
            "  destination_addr         819012345678\n",
            "  esm_class                64 (40)                       message, with user data \
             header\n",
            "  short_message            05000309020168656C6C6F21      hello!\n",
            "  user_message_reference   7 (07)\n",
        ] {
            assert!(text.contains(line), "{line:?} in\n{text}");
        }
    }

    #[test]
    fn pdus_are_read_from_lines_and_as_they_are_on_the_wire() {
        let (from_arguments, complaints) = outcome(&[SUBMIT, THROTTLED], true, b"");
        assert_eq!((from_arguments.len(), complaints.len()), (2, 0));
        assert!(from_arguments[1].contains("ESME_RTHROTTLED"), "{from_arguments:?}");
        let lines = format!("{}\n\n{THROTTLED}\n", SUBMIT.replace('\n', ""));
        assert_eq!(outcome(&["-"], true, lines.as_bytes()).0, from_arguments);
        let wire = [octets_of(SUBMIT).expect("hex"), octets_of(THROTTLED).expect("hex")].concat();
        assert_eq!(outcome(&[], true, &wire).0, from_arguments);
    }

    #[test]
    fn a_receipt_is_told_and_so_is_what_was_read_around() {
        let mut pdu = deliver();
        let text = outcome(&[], false, &pdu).0.concat();
        for line in ["receipt\n", "  id     4711\n", "  stat   DELIVRD\n", "  err    000\n"] {
            assert!(text.contains(line), "{line:?} in\n{text}");
        }
        pdu.push(0);
        pdu[3] += 1;
        let json = outcome(&[], true, &pdu).0.concat();
        assert!(json.contains(r#""oddities":["surplus_octet"]"#), "{json}");
        assert!(json.contains(r#"{"name":"id","value":"4711"}"#), "{json}");
    }

    #[test]
    fn what_is_no_pdu_is_complained_of_in_one_sentence() {
        let mut cut = deliver();
        let last = cut.len() - RECEIPT_TEXT.len() - 1;
        cut[last] += 1;
        for (input, sentence) in [
            (&b"GET / HTTP/1.1"[..], "line 1: 'G' is not a hexadecimal digit"),
            (b"", "there is no PDU on standard input"),
            (b"0000000F", "line 1: this is no PDU: a command_length of 15 octets"),
            (&[0, 0, 0, 16, 0], "the last PDU is cut short: 5 octets of it are there"),
            (&[0, 0, 0, 17, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, b'x'], "system_id at octet 16"),
            (&cut, "the PDU is cut short: short_message at octet"),
        ] {
            let (_, complaints) = outcome(&[], false, input);
            let [complaint] = &complaints[..] else { panic!("{complaints:?}") };
            assert!(complaint.contains(sentence), "{complaint}");
        }
    }
}
