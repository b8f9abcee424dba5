//! The three reports as options.

use super::arguments::{AddressArguments, time_of};
use super::content::OptionalArguments;
use super::{line_of, octet_of};
use wire::sms::status::{FailureCause, Status};
use wire::sms::time::TimeStamp;
use wire::sms::tpdu::{DeliverReport, Parameters, StatusReport, SubmitReport, Tpdu};

/// Arguments of `hayauma sms encode deliver-report`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DeliverReportArguments {
    /// TP-FCS in hexadecimal, for an RP-ERROR.
    #[arg(long, value_parser = octet_of)]
    pub(super) cause: Option<u8>,
    #[command(flatten)]
    pub(super) optional: OptionalArguments,
}

impl DeliverReportArguments {
    pub(super) fn run(&self) -> Result<String, String> {
        self.optional.with_parameters(|parameters| {
            let failure_cause = self.cause.map(FailureCause);
            line_of(&Tpdu::DeliverReport(DeliverReport { failure_cause, parameters }))
        })
    }
}

/// Arguments of `hayauma sms encode submit-report`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SubmitReportArguments {
    /// TP-SCTS, as 2026-11-22T13:34:30+09:00.
    #[arg(long, value_parser = time_of)]
    pub(super) time: TimeStamp,
    /// TP-FCS in hexadecimal, for an RP-ERROR.
    #[arg(long, value_parser = octet_of)]
    pub(super) cause: Option<u8>,
    #[command(flatten)]
    pub(super) optional: OptionalArguments,
}

impl SubmitReportArguments {
    pub(super) fn run(&self) -> Result<String, String> {
        self.optional.with_parameters(|parameters| {
            line_of(&Tpdu::SubmitReport(SubmitReport {
                failure_cause: self.cause.map(FailureCause),
                service_centre_time_stamp: self.time,
                parameters,
            }))
        })
    }
}

/// Arguments of `hayauma sms encode status-report`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct StatusReportArguments {
    /// TP-MR of the message.
    #[arg(long)]
    pub(super) message_reference: u8,
    /// TP-RA: digits, with + before an international number, or text.
    #[arg(long)]
    pub(super) recipient: String,
    #[command(flatten)]
    pub(super) address: AddressArguments,
    /// TP-SCTS of the message, as 2026-11-22T13:34:30+09:00.
    #[arg(long, value_parser = time_of)]
    pub(super) time: TimeStamp,
    /// TP-DT, as 2026-11-22T13:34:30+09:00.
    #[arg(long, value_parser = time_of)]
    pub(super) discharge: TimeStamp,
    /// TP-ST in hexadecimal.
    #[arg(long, value_parser = octet_of)]
    pub(super) status: u8,
    /// TP-SRQ: answers an SMS-COMMAND.
    #[arg(long)]
    pub(super) answers_command: bool,
    /// TP-MMS: further messages wait.
    #[arg(long)]
    pub(super) more_messages: bool,
    /// TP-LP: forwarded or spawned already.
    #[arg(long)]
    pub(super) loop_prevention: bool,
    #[command(flatten)]
    pub(super) optional: OptionalArguments,
}

impl StatusReportArguments {
    pub(super) fn run(&self) -> Result<String, String> {
        let recipient_address = self.address.read(&self.recipient)?;
        self.optional.with_parameters(|parameters| {
            line_of(&Tpdu::StatusReport(StatusReport {
                more_messages: self.more_messages,
                loop_prevention: self.loop_prevention,
                answers_command: self.answers_command,
                message_reference: self.message_reference,
                recipient_address,
                service_centre_time_stamp: self.time,
                discharge_time: self.discharge,
                status: Status(self.status),
                // TP-PI is only there when it announces something.
                parameters: (parameters != Parameters::default()).then_some(parameters),
            }))
        })
    }
}
