//! `hayauma sms encode`: TPDUs from their fields.

mod arguments;
mod command;
mod content;
mod messages;
mod reports;
#[cfg(test)]
mod tests;
mod validity;

use std::io::Read;

use super::{hex_of, octet_of, octets_of};
use wire::sms::limits::TPDU_OCTETS_MAX;
use wire::sms::tpdu::Tpdu;

/// Which TPDU to make.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum EncodeCommand {
    /// SMS-SUBMIT, one for each segment.
    Submit(messages::SubmitArguments),
    /// SMS-DELIVER, one for each segment.
    Deliver(messages::DeliverArguments),
    /// SMS-DELIVER-REPORT.
    DeliverReport(reports::DeliverReportArguments),
    /// SMS-SUBMIT-REPORT.
    SubmitReport(reports::SubmitReportArguments),
    /// SMS-STATUS-REPORT.
    StatusReport(reports::StatusReportArguments),
    /// SMS-COMMAND.
    Command(command::CommandArguments),
}

/// One line of hexadecimal for each TPDU. A text that is `-` is read from `input`.
pub(super) fn run(command: &EncodeCommand, input: impl Read) -> Result<String, String> {
    match command {
        EncodeCommand::Submit(arguments) => arguments.run(input),
        EncodeCommand::Deliver(arguments) => arguments.run(input),
        EncodeCommand::DeliverReport(arguments) => arguments.run(),
        EncodeCommand::SubmitReport(arguments) => arguments.run(),
        EncodeCommand::StatusReport(arguments) => arguments.run(),
        EncodeCommand::Command(arguments) => arguments.run(),
    }
}

fn line_of(tpdu: &Tpdu<'_>) -> Result<String, String> {
    let mut out = [0; TPDU_OCTETS_MAX];
    let length = tpdu.encode(&mut out).map_err(|error| error.to_string())?;
    Ok(hex_of(&out[..length]) + "\n")
}
