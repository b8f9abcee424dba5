//! `hayauma sms decode`: a TPDU field by field.

use serde::Serialize;

use super::{json_of, octets_of};
use crate::sms::address::Address;
use crate::sms::describe::{DescribedField, FieldValue, describe};
use crate::sms::error::TpduError;
use crate::sms::limits::TPDU_OCTETS_MAX;
use crate::sms::tpdu::{Direction, ReportContext, Tpdu, first_octet};

/// Arguments of `hayauma sms decode`.
#[derive(Clone, Debug, clap::Args)]
pub struct DecodeArguments {
    /// The TPDU in hexadecimal; blanks do not matter.
    #[arg(required = true, num_args = 1..)]
    hex: Vec<String>,
    /// Who sent it: `mo`, the terminal, or `mt`, the service centre. Without it, what fits is shown, and of two
    /// that fit SMS-DELIVER, SMS-SUBMIT or SMS-STATUS-REPORT.
    #[arg(long, value_enum)]
    direction: Option<DirectionArgument>,
    /// The report came in an RP-ERROR, so a failure cause follows the first octet.
    #[arg(long, conflicts_with = "rp_ack")]
    rp_error: bool,
    /// The report came in an RP-ACK, so there is no failure cause.
    #[arg(long)]
    rp_ack: bool,
    /// A service centre's address with its length stands before the TPDU, as modems print it.
    #[arg(long)]
    smsc: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Who sent a TPDU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum DirectionArgument {
    /// The terminal: mobile originated.
    Mo,
    /// The service centre: mobile terminated.
    Mt,
}

pub(super) fn run(arguments: &DecodeArguments) -> Result<String, String> {
    let octets = octets_of(&arguments.hex.concat())?;
    let (service_centre, tpdu_octets) = if arguments.smsc {
        let length = octets.first().map_or(0, |&length| 1 + usize::from(length));
        let (address, tpdu) =
            octets.split_at_checked(length).ok_or("the service centre's address is cut short")?;
        let address = Address::decode_service_centre(address).map_err(|error| error.to_string())?;
        (Some(address), tpdu)
    } else {
        (None, &octets[..])
    };
    let context = match (arguments.rp_error, arguments.rp_ack) {
        (true, _) => ReportContext::Error,
        (false, true) => ReportContext::Acknowledgement,
        (false, false) => ReportContext::Unknown,
    };
    let tpdu = decode(tpdu_octets, arguments.direction, context)?;
    let output = Output::new(&tpdu, tpdu_octets, service_centre);
    if arguments.json { json_of(&output) } else { Ok(output.text()) }
}

fn decode(
    octets: &[u8],
    direction: Option<DirectionArgument>,
    context: ReportContext,
) -> Result<Tpdu<'_>, String> {
    let sentence = |error: TpduError| format!("this is no TPDU: {error}");
    let (likely, other) = match direction {
        Some(DirectionArgument::Mo) => (Direction::FromTerminal, None),
        Some(DirectionArgument::Mt) => (Direction::ToTerminal, None),
        None => match octets.first().map(|first| first & first_octet::TYPE_MASK) {
            Some(first_octet::SUBMIT) => (Direction::FromTerminal, Some(Direction::ToTerminal)),
            _ => (Direction::ToTerminal, Some(Direction::FromTerminal)),
        },
    };
    let error = match (Tpdu::decode(octets, likely, context), other) {
        (Ok(tpdu), _) => return Ok(tpdu),
        (Err(error), None) => return Err(sentence(error)),
        (Err(error), Some(_)) => error,
    };
    let second = Tpdu::decode(octets, other.unwrap_or(likely), context);
    second.ok().filter(|tpdu| is_plain(tpdu, octets)).ok_or_else(|| sentence(error))
}

/// Whether the TPDU has no unused or reserved bit set: a report is so short that almost any octets can be read
/// as one, and whoever gave a damaged SMS-DELIVER wants to know what is wrong with it.
fn is_plain(tpdu: &Tpdu<'_>, octets: &[u8]) -> bool {
    let optional = match tpdu {
        Tpdu::DeliverReport(report) => Some(report.parameters),
        Tpdu::SubmitReport(report) => Some(report.parameters),
        Tpdu::StatusReport(report) => report.parameters,
        Tpdu::Deliver(_) | Tpdu::Submit(_) | Tpdu::Command(_) => None,
    };
    let mut out = [0; TPDU_OCTETS_MAX];
    let same = tpdu.encode(&mut out).is_ok_and(|length| &out[..length] == octets);
    same && optional.is_none_or(|optional| optional.reserved_bits == 0 && optional.extension.is_empty())
}

/// What is printed.
#[derive(Serialize)]
struct Output<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    direction: &'a str,
    octets: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_centre: Option<String>,
    fields: Vec<OutputField>,
}

#[derive(Serialize)]
struct OutputField {
    name: String,
    value: OutputValue,
    #[serde(skip_serializing_if = "String::is_empty")]
    meaning: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum OutputValue {
    Number(u32),
    Text(String),
}

impl Output<'_> {
    fn new(tpdu: &Tpdu<'_>, octets: &[u8], service_centre: Option<Address>) -> Self {
        let direction = match tpdu.direction() {
            Direction::FromTerminal => "mo",
            Direction::ToTerminal => "mt",
        };
        Self {
            kind: tpdu.name(),
            direction,
            octets: octets.len(),
            service_centre: service_centre.map(|address| address.text()),
            fields: describe(tpdu).into_iter().map(OutputField::from).collect(),
        }
    }

    fn text(&self) -> String {
        let direction = if self.direction == "mo" { "from" } else { "to" };
        let mut text = format!("{} {direction} the terminal, {} octets\n", self.kind, self.octets);
        if let Some(address) = &self.service_centre {
            text.push_str(&format!("service centre {address}\n"));
        }
        let rendered: Vec<(&str, String, &str)> = self
            .fields
            .iter()
            .map(|field| {
                let value = match &field.value {
                    OutputValue::Number(number) => format!("{number} ({number:02X})"),
                    OutputValue::Text(text) => text.escape_debug().to_string(),
                };
                (field.name.as_str(), value, field.meaning.as_str())
            })
            .collect();
        let name_width = rendered.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
        for (name, value, meaning) in rendered {
            let line = format!("  {name:name_width$}  {value:<28}  {meaning}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

impl From<DescribedField> for OutputField {
    fn from(field: DescribedField) -> Self {
        let value = match field.value {
            FieldValue::Number(number) => OutputValue::Number(number),
            value => OutputValue::Text(value.to_string()),
        };
        Self { name: field.name, value, meaning: field.meaning }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(hex: &str) -> DecodeArguments {
        DecodeArguments {
            hex: vec![hex.to_owned()],
            direction: None,
            rp_error: false,
            rp_ack: false,
            smsc: false,
            json: false,
        }
    }

    #[test]
    fn a_deliver_is_printed_field_by_field() {
        let hex = "040B818100551512F20000621122314303630AE8329BFD4697D9EC37";
        let text = run(&arguments(hex)).expect("decodes");
        assert!(text.starts_with("SMS-DELIVER to the terminal, 28 octets\n"), "{text}");
        for line in [
            "TP-MMS   1 (01)                        no more messages wait",
            "TP-OA    18005551212",
            "TP-SCTS  2026-11-22T13:34:30+09:00",
            "TP-UD    hellohello                    GSM 7-bit",
        ] {
            assert!(text.contains(line), "{line:?} in\n{text}");
        }
        let json = run(&DecodeArguments { json: true, ..arguments(hex) }).expect("decodes");
        assert!(json.contains("\"name\":\"TP-UD\"") && json.contains("\"value\":\"hellohello\""), "{json}");
    }

    #[test]
    fn the_direction_is_found_or_taken_as_told() {
        let report = "0000";
        assert!(run(&arguments(report)).expect("decodes").starts_with("SMS-DELIVER-REPORT from"));
        let told = DecodeArguments { direction: Some(DirectionArgument::Mt), ..arguments(report) };
        assert!(run(&told).expect_err("refused").contains("TP-OA"));
        assert!(run(&arguments("")).is_err());
        let cut_short = "440B916105224431F700007060217175830AA0050003000201";
        assert!(
            run(&arguments(cut_short)).expect_err("refused").contains("TP-UD at octet 19: needs 140 octets")
        );
    }

    #[test]
    fn a_service_centres_address_is_taken_off_when_told() {
        let hex = "07919130079229F0010000";
        let error = run(&DecodeArguments { smsc: true, ..arguments(hex) }).expect_err("too short");
        assert!(error.contains("TP-DA"), "{error}");
        assert!(run(&DecodeArguments { smsc: true, ..arguments("09912143") }).is_err());
    }
}
