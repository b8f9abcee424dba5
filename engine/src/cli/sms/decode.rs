//! `hayauma sms decode`: TPDUs field by field.

mod output;
mod parts;

use std::io::BufRead;

use super::input::{STANDARD_INPUT, for_each_line};
use super::{Report, json_of, octets_of};
use output::Output;
use parts::Parts;
use wire::sms::address::Address;
use wire::sms::error::{Fault, TpduError};
use wire::sms::limits::TPDU_OCTETS_MAX;
use wire::sms::time::TimeStamp;
use wire::sms::tpdu::{Direction, ReportContext, Tpdu, first_octet};

/// Arguments of `hayauma sms decode`.
#[derive(Clone, Debug, clap::Args)]
pub struct DecodeArguments {
    /// The TPDU in hexadecimal; blanks and colons do not matter. Several where each is whole by
    /// itself. `-`, or none at all: TPDUs from standard input, one a line. Parts of a concatenated
    /// message that are given together are joined.
    hex: Vec<String>,
    /// Who sent it: `mo`, the terminal, or `mt`, the service centre. Without it, what fits is
    /// shown, and of two that fit SMS-DELIVER, SMS-SUBMIT or SMS-STATUS-REPORT.
    #[arg(long, value_enum)]
    direction: Option<DirectionArgument>,
    /// The report came in an RP-ERROR, so a failure cause follows the first octet.
    #[arg(long, conflicts_with = "rp_ack")]
    rp_error: bool,
    /// The report came in an RP-ACK, so there is no failure cause.
    #[arg(long)]
    rp_ack: bool,
    /// A service centre's address with its length stands before the TPDU, as modems print it.
    /// Without it, such an address is found where the octets make no TPDU otherwise.
    #[arg(long)]
    smsc: bool,
    /// Print JSON, one line for each TPDU and for each message that was joined.
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

/// Decodes what the arguments or the lines of `input` hold. A TPDU that octets follow is shown, and
/// then complained of.
pub(super) fn run(arguments: &DecodeArguments, input: impl BufRead, report: &mut Report<'_>) {
    let mut parts = Parts::new(arguments.json);
    let given = arguments.hex.concat();
    if !arguments.hex.is_empty() && given != STANDARD_INPUT {
        for (number, hex) in given_tpdus(arguments, &given).enumerate() {
            separate(arguments, number, report);
            decode_one(arguments, hex, &mut parts, report);
        }
        return parts.finish(report);
    }
    let mut lines = 0;
    for_each_line(input, |number, line| {
        separate(arguments, lines, report);
        lines += 1;
        match line {
            Ok(hex) => decode_one(arguments, hex, &mut parts, &mut |result| {
                report(result.map_err(|sentence| format!("line {number}: {sentence}")))
            }),
            Err(sentence) => report(Err(format!("line {number}: {sentence}"))),
        }
    });
    if lines == 0 {
        report(Err("there is no TPDU on standard input; give one in hexadecimal".to_owned()));
    }
    parts.finish(report);
}

/// A blank line between two of them.
fn separate(arguments: &DecodeArguments, before: usize, report: &mut Report<'_>) {
    if before > 0 && !arguments.json {
        report(Ok(String::new()));
    }
}

/// The arguments as pieces of one TPDU, or each as one where the pieces make none and each does.
fn given_tpdus<'a>(
    arguments: &'a DecodeArguments,
    joined: &'a str,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let is_whole = |hex: &str| {
        octets_of(hex).is_ok_and(|octets| {
            Reading::of(arguments, &octets).is_ok_and(|it| it.trailing.is_empty())
        })
    };
    let several = arguments.hex.len() > 1
        && !is_whole(joined)
        && arguments.hex.iter().all(|hex| is_whole(hex));
    let one = (!several).then_some(joined);
    let each = arguments.hex.iter().filter(move |_| several).map(String::as_str);
    one.into_iter().chain(each)
}

/// Decodes one; whether somebody reads the next.
fn decode_one(
    arguments: &DecodeArguments,
    hex: &str,
    parts: &mut Parts,
    report: &mut Report<'_>,
) -> bool {
    let octets = match octets_of(hex) {
        Ok(octets) => octets,
        Err(sentence) => return report(Err(sentence)),
    };
    match Reading::of(arguments, &octets) {
        Ok(reading) => {
            let output = Output::new(&reading);
            let mut is_read =
                report(if arguments.json { json_of(&output) } else { Ok(output.text()) });
            if !reading.trailing.is_empty() {
                let count = reading.trailing.len();
                let octets =
                    if count == 1 { "1 octet follows" } else { &format!("{count} octets follow") };
                is_read =
                    report(Err(format!("{octets} the last field, and nothing announces more")));
            }
            parts.take(&reading.tpdu, report);
            is_read
        }
        Err(sentence) => report(Err(sentence)),
    }
}

/// A TPDU and what stood around it.
struct Reading<'a> {
    service_centre: Option<Address>,
    tpdu: Tpdu<'a>,
    /// The octets that the TPDU was read from.
    octets: &'a [u8],
    /// What follows them.
    trailing: &'a [u8],
}

impl<'a> Reading<'a> {
    fn of(arguments: &DecodeArguments, octets: &'a [u8]) -> Result<Self, String> {
        let context = match (arguments.rp_error, arguments.rp_ack) {
            (true, _) => ReportContext::Error,
            (false, true) => ReportContext::Acknowledgement,
            (false, false) => ReportContext::Unknown,
        };
        let decode = |octets| decode(octets, arguments.direction, context);
        let whole =
            |service_centre, tpdu, octets| Self { service_centre, tpdu, octets, trailing: &[] };
        if arguments.smsc {
            let (address, tpdu_octets) = split_service_centre(octets)?;
            return match decode(tpdu_octets) {
                Ok(tpdu) => Ok(whole(Some(address), tpdu, tpdu_octets)),
                Err(error) => Self::without_trailing(Some(address), tpdu_octets, error, decode),
            };
        }
        let plain = decode(octets);
        if let Ok(tpdu) = plain
            && is_likely(&tpdu)
        {
            return Ok(whole(None, tpdu, octets));
        }
        // A modem's PDU: its addresses are any, whatever stands where its time should be.
        let plain_is_possible = plain.is_ok_and(|tpdu| has_proper_address(&tpdu));
        let prefixed = split_service_centre(octets).ok().and_then(|(address, tpdu_octets)| {
            let tpdu = decode(tpdu_octets).ok()?;
            let likely = is_proper(&address)
                && address_of(&tpdu).is_some()
                && has_proper_address(&tpdu)
                && (is_likely(&tpdu) || !plain_is_possible);
            likely.then(|| whole(Some(address), tpdu, tpdu_octets))
        });
        match (plain, prefixed) {
            (_, Some(reading)) => Ok(reading),
            (Ok(tpdu), None) => Ok(whole(None, tpdu, octets)),
            (Err(error), None) => Self::without_trailing(None, octets, error, decode),
        }
    }

    /// What remains when the octets that nothing announces are left out.
    fn without_trailing(
        service_centre: Option<Address>,
        octets: &'a [u8],
        error: TpduError,
        decode: impl Fn(&'a [u8]) -> Result<Tpdu<'a>, TpduError>,
    ) -> Result<Self, String> {
        let sentence = format!("this is no TPDU: {error}");
        let Fault::Trailing { octets: count } = error.fault else { return Err(sentence) };
        let (octets, trailing) = octets.split_at(octets.len() - usize::from(count));
        let tpdu = decode(octets).map_err(|_| sentence)?;
        Ok(Self { service_centre, tpdu, octets, trailing })
    }
}

/// A service centre's address and what stands behind it.
fn split_service_centre(octets: &[u8]) -> Result<(Address, &[u8]), String> {
    let length = octets.first().map_or(0, |&length| 1 + usize::from(length));
    let (address, tpdu) =
        octets.split_at_checked(length).ok_or("the service centre's address is cut short")?;
    let address = Address::decode_service_centre(address)
        .map_err(|error| format!("the service centre's address cannot be read: {error}"))?;
    Ok((address, tpdu))
}

fn decode(
    octets: &[u8],
    direction: Option<DirectionArgument>,
    context: ReportContext,
) -> Result<Tpdu<'_>, TpduError> {
    let (likely, other) = match direction {
        Some(DirectionArgument::Mo) => (Direction::FromTerminal, None),
        Some(DirectionArgument::Mt) => (Direction::ToTerminal, None),
        None => match octets.first().map(|first| first & first_octet::TYPE_MASK) {
            Some(first_octet::SUBMIT) => (Direction::FromTerminal, Some(Direction::ToTerminal)),
            _ => (Direction::ToTerminal, Some(Direction::FromTerminal)),
        },
    };
    let error = match Tpdu::decode(octets, likely, context) {
        Ok(tpdu) => return Ok(tpdu),
        Err(error) => error,
    };
    let second = other.and_then(|other| Tpdu::decode(octets, other, context).ok());
    second.filter(|tpdu| is_plain(tpdu, octets)).ok_or(error)
}

/// Whether the TPDU has no unused or reserved bit set: a report is so short that almost any octets
/// can be read as one, and whoever gave a damaged SMS-DELIVER wants to know what is wrong with it.
fn is_plain(tpdu: &Tpdu<'_>, octets: &[u8]) -> bool {
    let optional = match tpdu {
        Tpdu::DeliverReport(report) => Some(report.parameters),
        Tpdu::SubmitReport(report) => Some(report.parameters),
        Tpdu::StatusReport(report) => report.parameters,
        Tpdu::Deliver(_) | Tpdu::Submit(_) | Tpdu::Command(_) => None,
    };
    let mut out = [0; TPDU_OCTETS_MAX];
    let same = tpdu.encode(&mut out).is_ok_and(|length| &out[..length] == octets);
    same && optional
        .is_none_or(|optional| optional.reserved_bits == 0 && optional.extension.is_empty())
}

fn address_of(tpdu: &Tpdu<'_>) -> Option<Address> {
    match tpdu {
        Tpdu::Deliver(deliver) => Some(deliver.originating_address),
        Tpdu::Submit(submit) => Some(submit.destination_address),
        Tpdu::StatusReport(report) => Some(report.recipient_address),
        Tpdu::Command(command) => Some(command.destination_address),
        Tpdu::DeliverReport(_) | Tpdu::SubmitReport(_) => None,
    }
}

/// Whether the addresses and times in the TPDU are any: octets that are something else can seldom
/// be read as such.
fn is_likely(tpdu: &Tpdu<'_>) -> bool {
    let is_time = |stamp: TimeStamp| stamp.is_decimal() && stamp.local_time().is_some();
    let times = match tpdu {
        Tpdu::Deliver(deliver) => is_time(deliver.service_centre_time_stamp),
        Tpdu::StatusReport(report) => is_time(report.service_centre_time_stamp),
        _ => true,
    };
    times && has_proper_address(tpdu)
}

fn has_proper_address(tpdu: &Tpdu<'_>) -> bool {
    address_of(tpdu).is_none_or(|address| is_proper(&address))
}

/// Bit 7 of the type of address is always set (9.1.2.5); octets that are something else may have it
/// clear.
fn is_proper(address: &Address) -> bool {
    address.type_of_address() & 0x80 != 0
}

#[cfg(test)]
mod tests;
