//! SMS-COMMAND as options.

use super::arguments::AddressArguments;
use super::{line_of, octet_of, octets_of};
use wire::sms::protocol_identifier::ProtocolIdentifier;
use wire::sms::status::CommandType;
use wire::sms::tpdu::{Command, Tpdu};

/// Arguments of `hayauma sms encode command`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CommandArguments {
    /// TP-MR.
    #[arg(long, default_value_t = 0)]
    pub(super) message_reference: u8,
    /// TP-CT in hexadecimal: 00 enquiry, 01 cancel report request, 02 delete, 03 enable report
    /// request.
    #[arg(long, value_parser = octet_of)]
    pub(super) command_type: u8,
    /// TP-MN: TP-MR of the message that the command is about.
    #[arg(long)]
    pub(super) message_number: u8,
    /// TP-DA: digits, with + before an international number, or text.
    #[arg(long)]
    pub(super) to: String,
    #[command(flatten)]
    pub(super) address: AddressArguments,
    /// TP-PID in hexadecimal.
    #[arg(long, value_parser = octet_of, default_value = "00")]
    pub(super) pid: u8,
    /// TP-CD in hexadecimal.
    #[arg(long, default_value = "")]
    pub(super) data: String,
    /// TP-UDHI: the data starts with a user data header.
    #[arg(long)]
    pub(super) header: bool,
    /// TP-SRR: ask for a status report.
    #[arg(long)]
    pub(super) report: bool,
}

impl CommandArguments {
    pub(super) fn run(&self) -> Result<String, String> {
        line_of(&Tpdu::Command(Command {
            header_indicated: self.header,
            status_report_requested: self.report,
            message_reference: self.message_reference,
            protocol_identifier: ProtocolIdentifier(self.pid),
            command_type: CommandType(self.command_type),
            message_number: self.message_number,
            destination_address: self.address.read(&self.to)?,
            command_data: &octets_of(&self.data)?,
        }))
    }
}
