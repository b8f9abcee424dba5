//! SMS-SUBMIT and SMS-DELIVER as options.

use std::io::Read;

use super::arguments::{AddressArguments, service_centre_of, time_of};
use super::content::ContentArguments;
use super::validity::ValidityArguments;
use wire::sms::protocol_identifier::ProtocolIdentifier;
use wire::sms::time::TimeStamp;
use wire::sms::tpdu::{Deliver, Submit, Tpdu};

/// Arguments of `hayauma sms encode submit`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SubmitArguments {
    #[command(flatten)]
    pub(super) content: ContentArguments,
    /// TP-DA: digits, with + before an international number, or text.
    #[arg(long)]
    pub(super) to: String,
    #[command(flatten)]
    pub(super) address: AddressArguments,
    /// TP-MR of the first segment; each further one counts up.
    #[arg(long, default_value_t = 0)]
    pub(super) message_reference: u8,
    #[command(flatten)]
    pub(super) validity: ValidityArguments,
    /// TP-SRR: ask for a status report.
    #[arg(long)]
    pub(super) report: bool,
    /// TP-RD: have duplicates rejected.
    #[arg(long)]
    pub(super) reject_duplicates: bool,
    /// TP-RP: set a reply path.
    #[arg(long)]
    pub(super) reply_path: bool,
    /// The service centre's number, to stand before each TPDU as modems want it; `none` for the one
    /// that the modem knows.
    #[arg(long, value_parser = service_centre_of)]
    pub(super) smsc: Option<String>,
}

impl SubmitArguments {
    pub(super) fn run(&self, input: impl Read) -> Result<String, String> {
        let destination_address = self.address.read(&self.to)?;
        let validity_period = self.validity.period()?;
        let prefix = self.smsc.as_deref().unwrap_or_default();
        self.content.segments(input, prefix, |number, _, user_data| {
            Tpdu::Submit(Submit {
                reject_duplicates: self.reject_duplicates,
                status_report_requested: self.report,
                reply_path: self.reply_path,
                message_reference: self.message_reference.wrapping_add(number),
                destination_address,
                protocol_identifier: ProtocolIdentifier(self.content.pid),
                validity_period,
                user_data,
            })
        })
    }
}

/// Arguments of `hayauma sms encode deliver`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DeliverArguments {
    #[command(flatten)]
    pub(super) content: ContentArguments,
    /// TP-OA: digits, with + before an international number, or text.
    #[arg(long)]
    pub(super) from: String,
    #[command(flatten)]
    pub(super) address: AddressArguments,
    /// TP-SCTS, as 2026-11-22T13:34:30+09:00.
    #[arg(long, value_parser = time_of)]
    pub(super) time: TimeStamp,
    /// TP-SRI: a status report goes back to the sender.
    #[arg(long)]
    pub(super) report: bool,
    /// TP-MMS of the last segment: further messages wait.
    #[arg(long)]
    pub(super) more_messages: bool,
    /// TP-LP: forwarded or spawned already.
    #[arg(long)]
    pub(super) loop_prevention: bool,
    /// TP-RP: a reply path is set.
    #[arg(long)]
    pub(super) reply_path: bool,
    /// The service centre's number, to stand before each TPDU as modems print it; `none` for an
    /// empty one.
    #[arg(long, value_parser = service_centre_of)]
    pub(super) smsc: Option<String>,
}

impl DeliverArguments {
    pub(super) fn run(&self, input: impl Read) -> Result<String, String> {
        let originating_address = self.address.read(&self.from)?;
        let prefix = self.smsc.as_deref().unwrap_or_default();
        self.content.segments(input, prefix, |_, more_segments, user_data| {
            Tpdu::Deliver(Deliver {
                reserved_type: false,
                more_messages: more_segments || self.more_messages,
                loop_prevention: self.loop_prevention,
                status_report_indication: self.report,
                reply_path: self.reply_path,
                originating_address,
                protocol_identifier: ProtocolIdentifier(self.content.pid),
                service_centre_time_stamp: self.time,
                user_data,
            })
        })
    }
}
