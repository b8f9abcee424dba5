//! TPDUs of every kind with every field, made at random, for the tests that need many of them.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wire::sms::address::Address;
use wire::sms::coding_scheme::CodingScheme;
use wire::sms::limits::TPDU_OCTETS_MAX;
use wire::sms::protocol_identifier::ProtocolIdentifier;
use wire::sms::septets;
use wire::sms::status::{CommandType, FailureCause, Status};
use wire::sms::time::{EnhancedPeriod, EnhancedValidity, LocalTime, TimeStamp, ValidityPeriod};
use wire::sms::tpdu::{
    Command, Deliver, DeliverReport, Parameters, StatusReport, Submit, SubmitReport, Tpdu,
};
use wire::sms::user_data::UserData;

/// What a TPDU is made from; owns the octets that the TPDU borrows.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) kind: Kind,
    pub(crate) flags: [bool; 6],
    pub(crate) numbers: [u8; 4],
    pub(crate) address: Address,
    pub(crate) stamps: [TimeStamp; 2],
    pub(crate) validity: ValidityPeriod,
    pub(crate) coding_scheme: u8,
    pub(crate) header: Option<Vec<(u8, Vec<u8>)>>,
    pub(crate) content: Vec<u8>,
    pub(crate) failure_cause: Option<u8>,
    pub(crate) optional: OptionalFields,
}

/// The six kinds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Deliver,
    DeliverReport,
    Submit,
    SubmitReport,
    StatusReport,
    Command,
}

/// Which fields TP-PI announces, and whether there is a TP-PI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OptionalFields {
    pub(crate) indicator: bool,
    pub(crate) protocol_identifier: bool,
    pub(crate) coding_scheme: bool,
    pub(crate) user_data: bool,
}

impl Recipe {
    /// Octets of user data that this kind of TPDU has room for with the longest address.
    fn room(&self) -> usize {
        match self.kind {
            Kind::Deliver | Kind::Submit => 140,
            Kind::DeliverReport => 158,
            Kind::SubmitReport => 151,
            Kind::StatusReport => 131,
            Kind::Command => 146,
        }
    }

    /// TP-UD and TP-UDL. Every octet of the content becomes a septet where the coding scheme counts
    /// septets.
    fn user_data(&self, scheme: CodingScheme) -> (Vec<u8>, u8) {
        let room = self.room();
        let mut header = Vec::new();
        if let Some(elements) = &self.header {
            header.push(0);
            for (identifier, data) in elements {
                if header.len() + 2 + data.len() > room {
                    break;
                }
                header.extend([*identifier, data.len() as u8]);
                header.extend(data);
            }
            header[0] = (header.len() - 1) as u8;
        }
        if !scheme.counts_septets() {
            let mut octets = header;
            octets.extend(&self.content);
            octets.truncate(room);
            let length = octets.len() as u8;
            return (octets, length);
        }
        let before = septets::septets_covering(header.len());
        let mut text = vec![0; before];
        text.extend(self.content.iter().map(|octet| octet & 0x7f));
        text.truncate((room * 8 / 7).max(before));
        let mut octets = vec![0; septets::octets_for(text.len())];
        septets::pack(&text, &mut octets);
        octets[..header.len()].copy_from_slice(&header);
        (octets, text.len() as u8)
    }

    fn parameters<'d>(
        &self,
        scheme: Option<CodingScheme>,
        user_data: UserData<'d>,
    ) -> Parameters<'d> {
        let announced = self.optional;
        Parameters {
            protocol_identifier: announced
                .protocol_identifier
                .then_some(ProtocolIdentifier(self.numbers[1])),
            coding_scheme: scheme,
            user_data: announced.user_data.then_some(user_data),
            ..Parameters::default()
        }
    }

    /// Hands the TPDU to `look`.
    pub(crate) fn with_tpdu<T>(&self, look: impl FnOnce(&Tpdu<'_>) -> T) -> T {
        let optional_scheme =
            self.optional.coding_scheme.then_some(CodingScheme(self.coding_scheme));
        let scheme = match self.kind {
            Kind::Deliver | Kind::Submit => CodingScheme(self.coding_scheme),
            _ => optional_scheme.unwrap_or_default(),
        };
        let (octets, length) = self.user_data(scheme);
        let header_indicated = self.header.is_some();
        let user_data =
            UserData { coding_scheme: scheme, header_indicated, length, octets: &octets };
        let parameters = self.parameters(optional_scheme, user_data);
        let failure_cause = self.failure_cause.map(FailureCause);
        let [first, second, third, fourth, ..] = self.flags;
        let protocol_identifier = ProtocolIdentifier(self.numbers[1]);
        let tpdu = match self.kind {
            Kind::Deliver => Tpdu::Deliver(Deliver {
                reserved_type: false,
                more_messages: first,
                loop_prevention: second,
                status_report_indication: third,
                reply_path: fourth,
                originating_address: self.address,
                protocol_identifier,
                service_centre_time_stamp: self.stamps[0],
                user_data,
            }),
            Kind::Submit => Tpdu::Submit(Submit {
                reject_duplicates: first,
                status_report_requested: third,
                reply_path: fourth,
                message_reference: self.numbers[0],
                destination_address: self.address,
                protocol_identifier,
                validity_period: self.validity,
                user_data,
            }),
            Kind::DeliverReport => Tpdu::DeliverReport(DeliverReport { failure_cause, parameters }),
            Kind::SubmitReport => Tpdu::SubmitReport(SubmitReport {
                failure_cause,
                service_centre_time_stamp: self.stamps[0],
                parameters,
            }),
            Kind::StatusReport => Tpdu::StatusReport(StatusReport {
                more_messages: first,
                loop_prevention: second,
                answers_command: third,
                message_reference: self.numbers[0],
                recipient_address: self.address,
                service_centre_time_stamp: self.stamps[0],
                discharge_time: self.stamps[1],
                status: Status(self.numbers[2]),
                parameters: self.optional.indicator.then_some(parameters),
            }),
            Kind::Command => Tpdu::Command(Command {
                header_indicated: false,
                status_report_requested: third,
                message_reference: self.numbers[0],
                protocol_identifier,
                command_type: CommandType(self.numbers[2]),
                message_number: self.numbers[3],
                destination_address: self.address,
                command_data: &self.content[..self.content.len().min(self.room())],
            }),
        };
        look(&tpdu)
    }

    /// The TPDU on the wire.
    pub(crate) fn octets(&self) -> Vec<u8> {
        self.with_tpdu(|tpdu| {
            let mut out = [0; TPDU_OCTETS_MAX];
            let length = tpdu.encode(&mut out).expect("a TPDU made from legal fields is legal");
            out[..length].to_vec()
        })
    }
}

/// Every kind of TPDU with every field.
pub(crate) fn recipe() -> impl Strategy<Value = Recipe> {
    let kind = prop_oneof![
        Just(Kind::Deliver),
        Just(Kind::DeliverReport),
        Just(Kind::Submit),
        Just(Kind::SubmitReport),
        Just(Kind::StatusReport),
        Just(Kind::Command),
    ];
    let coding_scheme = prop_oneof![Just(0), Just(4), Just(8), any::<u8>()];
    let element = (any::<u8>(), vec(any::<u8>(), 0..8));
    let known_element = prop_oneof![
        (Just(0x00), vec(any::<u8>(), 3)),
        (Just(0x08), vec(any::<u8>(), 4)),
        (Just(0x04), vec(any::<u8>(), 2)),
        (Just(0x05), vec(any::<u8>(), 4)),
        (Just(0x24), vec(1..14u8, 1)),
        (Just(0x25), vec(1..14u8, 1)),
        element,
    ];
    let optional =
        any::<[bool; 4]>().prop_map(|[indicator, first, second, third]| OptionalFields {
            indicator,
            protocol_identifier: first,
            coding_scheme: second,
            user_data: third,
        });
    (
        (kind, any::<[bool; 6]>(), any::<[u8; 4]>(), address(), [time_stamp(), time_stamp()]),
        validity(),
        coding_scheme,
        option::of(vec(known_element, 0..4)),
        vec(any::<u8>(), 0..170),
        option::of(0x80..=0xffu8),
        optional,
    )
        .prop_map(
            |(fixed, validity, coding_scheme, header, content, failure_cause, optional)| {
                let (kind, flags, numbers, address, stamps) = fixed;
                Recipe {
                    kind,
                    flags,
                    numbers,
                    address,
                    stamps,
                    validity,
                    coding_scheme,
                    header,
                    content,
                    failure_cause,
                    optional,
                }
            },
        )
}

/// Numbers of every type and plan, and text.
pub(crate) fn address() -> impl Strategy<Value = Address> {
    let type_of_address = (0..8u8, 0..16u8)
        .prop_filter("text has its own form", |&(number, _)| number != 5)
        .prop_map(|(number, plan)| 0x80 | number << 4 | plan);
    let numeric = (type_of_address, "[0-9*#abc]{0,20}").prop_map(|(type_of_address, digits)| {
        Address::numeric(type_of_address, digits.as_bytes()).expect("legal digits")
    });
    let text = "[A-Za-z0-9 _.@$Δäöü]{1,11}"
        .prop_map(|text| Address::alphanumeric(&text).expect("legal text"));
    prop_oneof![3 => numeric, 1 => text]
}

/// Any moment with any zone.
pub(crate) fn time_stamp() -> impl Strategy<Value = TimeStamp> {
    (1990..2090u16, 1..=12u8, 1..=28u8, 0..24u8, (0..60u8, 0..60u8), -48..=56i8).prop_map(
        |(year, month, day, hour, (minute, second), zone_quarters)| {
            let time = LocalTime { year, month, day, hour, minute, second, zone_quarters };
            TimeStamp::new(time).expect("in range")
        },
    )
}

/// Every form of validity period.
pub(crate) fn validity() -> impl Strategy<Value = ValidityPeriod> {
    let enhanced = prop_oneof![
        Just(EnhancedPeriod::Absent),
        any::<u8>().prop_map(EnhancedPeriod::Relative),
        (1..=255u8).prop_map(EnhancedPeriod::Seconds),
        (0..100u8, 0..60u8, 0..60u8).prop_map(|(hours, minutes, seconds)| {
            EnhancedPeriod::HoursMinutesSeconds(hours, minutes, seconds)
        }),
    ];
    prop_oneof![
        Just(ValidityPeriod::Absent),
        any::<u8>().prop_map(ValidityPeriod::Relative),
        time_stamp().prop_map(ValidityPeriod::Absolute),
        (enhanced, any::<bool>()).prop_map(|(period, once)| {
            ValidityPeriod::Enhanced(EnhancedValidity::new(period, once).expect("in range"))
        }),
    ]
}
