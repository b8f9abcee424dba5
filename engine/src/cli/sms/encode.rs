//! `hayauma sms encode`: TPDUs from their fields.

use super::{hex_of, octet_of, octets_of};
use crate::sms::address::Address;
use crate::sms::coding_scheme::CodingScheme;
use crate::sms::limits::{CONCATENATED_SEGMENTS_MAX, TPDU_OCTETS_MAX, USER_DATA_OCTETS_MAX};
use crate::sms::protocol_identifier::ProtocolIdentifier;
use crate::sms::segment::{Content, Fragments, PlanOptions, Rules, plan_by_rules};
use crate::sms::status::{CommandType, FailureCause, Status};
use crate::sms::time::{LocalTime, TimeStamp, ValidityPeriod};
use crate::sms::tpdu::{
    Command, Deliver, DeliverReport, Parameters, StatusReport, Submit, SubmitReport, Tpdu,
};
use crate::sms::user_data::UserData;

/// Which TPDU to make.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum EncodeCommand {
    /// SMS-SUBMIT, one for each segment.
    Submit {
        /// The content.
        #[command(flatten)]
        content: ContentArguments,
        /// TP-DA: digits, with + before an international number, or text.
        #[arg(long, value_parser = address_of)]
        to: Address,
        /// TP-MR of the first segment; each further one counts up.
        #[arg(long, default_value_t = 0)]
        message_reference: u8,
        /// TP-VP in relative form, 0 to 255.
        #[arg(long)]
        validity: Option<u8>,
        /// TP-SRR: ask for a status report.
        #[arg(long)]
        report: bool,
        /// TP-RD: have duplicates rejected.
        #[arg(long)]
        reject_duplicates: bool,
    },
    /// SMS-DELIVER, one for each segment.
    Deliver {
        /// The content.
        #[command(flatten)]
        content: ContentArguments,
        /// TP-OA: digits, with + before an international number, or text.
        #[arg(long, value_parser = address_of)]
        from: Address,
        /// TP-SCTS, as 2026-11-22T13:34:30+09:00.
        #[arg(long, value_parser = time_of)]
        time: TimeStamp,
        /// TP-SRI: a status report goes back to the sender.
        #[arg(long)]
        report: bool,
    },
    /// SMS-DELIVER-REPORT.
    DeliverReport {
        /// TP-FCS in hexadecimal, for an RP-ERROR.
        #[arg(long, value_parser = octet_of)]
        cause: Option<u8>,
    },
    /// SMS-SUBMIT-REPORT.
    SubmitReport {
        /// TP-SCTS, as 2026-11-22T13:34:30+09:00.
        #[arg(long, value_parser = time_of)]
        time: TimeStamp,
        /// TP-FCS in hexadecimal, for an RP-ERROR.
        #[arg(long, value_parser = octet_of)]
        cause: Option<u8>,
    },
    /// SMS-STATUS-REPORT.
    StatusReport {
        /// TP-MR of the message.
        #[arg(long)]
        message_reference: u8,
        /// TP-RA: digits, with + before an international number, or text.
        #[arg(long, value_parser = address_of)]
        recipient: Address,
        /// TP-SCTS of the message, as 2026-11-22T13:34:30+09:00.
        #[arg(long, value_parser = time_of)]
        time: TimeStamp,
        /// TP-DT, as 2026-11-22T13:34:30+09:00.
        #[arg(long, value_parser = time_of)]
        discharge: TimeStamp,
        /// TP-ST in hexadecimal.
        #[arg(long, value_parser = octet_of)]
        status: u8,
    },
    /// SMS-COMMAND.
    Command {
        /// TP-MR.
        #[arg(long, default_value_t = 0)]
        message_reference: u8,
        /// TP-CT in hexadecimal: 00 enquiry, 01 cancel report request, 02 delete, 03 enable report request.
        #[arg(long, value_parser = octet_of)]
        command_type: u8,
        /// TP-MN: TP-MR of the message that the command is about.
        #[arg(long)]
        message_number: u8,
        /// TP-DA: digits, with + before an international number, or text.
        #[arg(long, value_parser = address_of)]
        to: Address,
        /// TP-PID in hexadecimal.
        #[arg(long, value_parser = octet_of, default_value = "00")]
        pid: u8,
        /// TP-CD in hexadecimal.
        #[arg(long, default_value = "")]
        data: String,
        /// TP-SRR: ask for a status report.
        #[arg(long)]
        report: bool,
    },
}

/// Content and coding of a short message.
#[derive(Clone, Debug, clap::Args)]
pub struct ContentArguments {
    /// The text, or octets in hexadecimal with --octets.
    data: String,
    /// The content is octets for a device, not text.
    #[arg(long)]
    octets: bool,
    /// TP-PID in hexadecimal.
    #[arg(long, value_parser = octet_of, default_value = "00")]
    pid: u8,
    /// TP-DCS in hexadecimal, instead of the cheapest alphabet.
    #[arg(long, value_parser = octet_of)]
    dcs: Option<u8>,
    /// A user data header in hexadecimal, its length octet first, that every segment carries.
    #[arg(long, default_value = "")]
    udh: String,
    /// Allow national language tables.
    #[arg(long)]
    national: bool,
    /// The concatenation reference, below 256 unless it is wide.
    #[arg(long, default_value_t = 0)]
    reference: u16,
    /// Use a 16-bit concatenation reference.
    #[arg(long)]
    wide_reference: bool,
}

pub(super) fn run(command: &EncodeCommand) -> Result<String, String> {
    match command {
        EncodeCommand::Submit { content, to, message_reference, validity, report, reject_duplicates } => {
            content.segments(|number, _, user_data| {
                Tpdu::Submit(Submit {
                    reject_duplicates: *reject_duplicates,
                    status_report_requested: *report,
                    reply_path: false,
                    message_reference: message_reference.wrapping_add(number),
                    destination_address: *to,
                    protocol_identifier: ProtocolIdentifier(content.pid),
                    validity_period: validity.map_or(ValidityPeriod::Absent, ValidityPeriod::Relative),
                    user_data,
                })
            })
        }
        EncodeCommand::Deliver { content, from, time, report } => {
            content.segments(|_, more_messages, user_data| {
                Tpdu::Deliver(Deliver {
                    reserved_type: false,
                    more_messages,
                    loop_prevention: false,
                    status_report_indication: *report,
                    reply_path: false,
                    originating_address: *from,
                    protocol_identifier: ProtocolIdentifier(content.pid),
                    service_centre_time_stamp: *time,
                    user_data,
                })
            })
        }
        EncodeCommand::DeliverReport { cause } => line_of(&Tpdu::DeliverReport(DeliverReport {
            failure_cause: cause.map(FailureCause),
            parameters: Parameters::default(),
        })),
        EncodeCommand::SubmitReport { time, cause } => line_of(&Tpdu::SubmitReport(SubmitReport {
            failure_cause: cause.map(FailureCause),
            service_centre_time_stamp: *time,
            parameters: Parameters::default(),
        })),
        EncodeCommand::StatusReport { message_reference, recipient, time, discharge, status } => {
            line_of(&Tpdu::StatusReport(StatusReport {
                more_messages: false,
                loop_prevention: false,
                answers_command: false,
                message_reference: *message_reference,
                recipient_address: *recipient,
                service_centre_time_stamp: *time,
                discharge_time: *discharge,
                status: Status(*status),
                parameters: None,
            }))
        }
        EncodeCommand::Command { message_reference, command_type, message_number, to, pid, data, report } => {
            line_of(&Tpdu::Command(Command {
                header_indicated: false,
                status_report_requested: *report,
                message_reference: *message_reference,
                protocol_identifier: ProtocolIdentifier(*pid),
                command_type: CommandType(*command_type),
                message_number: *message_number,
                destination_address: *to,
                command_data: &octets_of(data)?,
            }))
        }
    }
}

impl ContentArguments {
    /// One line of hexadecimal for every segment. `make` gets the segment's number from 0, whether more follow, and
    /// its user data.
    fn segments(&self, make: impl for<'d> Fn(u8, bool, UserData<'d>) -> Tpdu<'d>) -> Result<String, String> {
        let client_udh = octets_of(&self.udh)?;
        let octets = if self.octets { octets_of(&self.data)? } else { Vec::new() };
        let content = if self.octets { Content::Octets(&octets) } else { Content::Text(&self.data) };
        let options = PlanOptions { client_udh: &client_udh, dcs: self.dcs, national: self.national };
        if !self.wide_reference && self.reference > u16::from(u8::MAX) {
            return Err(format!("a reference of {} needs --wide-reference", self.reference));
        }
        let rules = Rules {
            wide_reference: self.wide_reference,
            segments_max: CONCATENATED_SEGMENTS_MAX,
            ..Rules::gateway(self.national)
        };
        let plan = plan_by_rules(content, &options, &rules).map_err(|error| error.to_string())?;
        let mut fragments = Fragments::new(&plan, content, &options, self.reference);
        let mut buffer = [0; USER_DATA_OCTETS_MAX];
        let mut lines = String::new();
        while let Some(fragment) = fragments.write_next(&mut buffer) {
            let user_data = UserData {
                coding_scheme: CodingScheme(plan.dcs()),
                header_indicated: plan.header_octets() > 0,
                length: fragment.user_data_length,
                octets: &buffer[..usize::from(fragment.octets)],
            };
            let more = fragment.sequence < plan.segments();
            lines.push_str(&line_of(&make(fragment.sequence - 1, more, user_data))?);
        }
        Ok(lines)
    }
}

fn line_of(tpdu: &Tpdu<'_>) -> Result<String, String> {
    let mut out = [0; TPDU_OCTETS_MAX];
    let length = tpdu.encode(&mut out).map_err(|error| error.to_string())?;
    Ok(hex_of(&out[..length]) + "\n")
}

fn address_of(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| error.to_string())
}

/// `YYYY-MM-DDThh:mm:ss` and a zone as `+hh:mm`, `-hh:mm` or `Z`.
fn time_of(text: &str) -> Result<TimeStamp, String> {
    let wrong = || format!("'{text}' is not a time like 2026-11-22T13:34:30+09:00 of the years 1990 to 2089");
    let (moment, zone) = text.split_at_checked(19).ok_or_else(wrong)?;
    let number = |from: usize, to: usize| -> Result<u16, String> {
        moment.get(from..to).and_then(|digits| digits.parse().ok()).ok_or_else(wrong)
    };
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, separator)| moment.as_bytes()[at] != separator) {
        return Err(wrong());
    }
    let zone_quarters = match zone.as_bytes() {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), hours @ .., b':', tens, units] if hours.len() == 2 => {
            let digits = |digits: &[u8]| {
                std::str::from_utf8(digits)
                    .ok()
                    .and_then(|digits| digits.parse::<i16>().ok())
                    .ok_or_else(wrong)
            };
            let minutes = digits(hours)? * 60 + digits(&[*tens, *units])?;
            if minutes % 15 != 0 {
                return Err(wrong());
            }
            let quarters = i8::try_from(minutes / 15).map_err(|_| wrong())?;
            if *sign == b'-' { -quarters } else { quarters }
        }
        _ => return Err(wrong()),
    };
    let two = |from| number(from, from + 2).map(|number| number as u8);
    let time = LocalTime {
        year: number(0, 4)?,
        month: two(5)?,
        day: two(8)?,
        hour: two(11)?,
        minute: two(14)?,
        second: two(17)?,
        zone_quarters,
    };
    TimeStamp::new(time).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(data: &str) -> ContentArguments {
        ContentArguments {
            data: data.to_owned(),
            octets: false,
            pid: 0,
            dcs: None,
            udh: String::new(),
            national: false,
            reference: 9,
            wide_reference: false,
        }
    }

    #[test]
    fn every_segment_is_a_line() {
        let submit = |content| EncodeCommand::Submit {
            content,
            to: Address::parse("09012345678").expect("legal"),
            message_reference: 255,
            validity: Some(59),
            report: true,
            reject_duplicates: false,
        };
        let one = run(&submit(content("hellohello"))).expect("encodes");
        assert_eq!(one, "31FF0B819010325476F800003B0AE8329BFD4697D9EC37\n");
        let two = run(&submit(content(&"x".repeat(161)))).expect("encodes");
        let lines: Vec<&str> = two.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].starts_with("71000B819010325476F800003B0F050003090202"), "{}", lines[1]);
        assert!(run(&submit(ContentArguments { reference: 256, ..content("x") })).is_err());
    }

    #[test]
    fn times_read_with_their_zone_or_are_refused() {
        assert_eq!(
            time_of("2026-11-22T13:34:30+09:00"),
            Ok(TimeStamp([0x62, 0x11, 0x22, 0x31, 0x43, 0x03, 0x63]))
        );
        assert_eq!(time_of("2011-02-28T11:50:50-05:00").map(|stamp| stamp.0[6]), Ok(0x0a));
        assert_eq!(time_of("2011-02-28T11:50:50Z").map(|stamp| stamp.0[6]), Ok(0));
        for wrong in ["", "2026-11-22T13:34:30", "2026-11-22T13:34:30+09:07", "2026-13-22T13:34:30Z", "あ"] {
            assert!(time_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reports_and_commands_take_one_line() {
        let report = EncodeCommand::DeliverReport { cause: Some(0xd3) };
        assert_eq!(run(&report).as_deref(), Ok("00D300\n"));
        let command = EncodeCommand::Command {
            message_reference: 0x42,
            command_type: 2,
            message_number: 0x34,
            to: Address::parse("+6391").expect("legal"),
            pid: 0,
            data: String::new(),
            report: false,
        };
        assert_eq!(run(&command).as_deref(), Ok("02420002340491361900\n"));
    }
}
