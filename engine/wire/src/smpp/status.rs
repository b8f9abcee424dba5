//! How a request fared: `command_status` (SMPP 3.4, 5.1.3; 5.0, 4.7.6), and what it means for an
//! SMS that a carrier was given.

use std::fmt;

/// A `command_status`, known or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u32);

/// What a carrier's answer to submit_sm means for the SMS.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Consequence {
    /// The carrier has it.
    Taken,
    /// Too fast: the carrier's rate goes down, the SMS back to the front; no attempt.
    SlowDown,
    /// The carrier is full: it rests, the SMS goes back to the front; no attempt.
    QueueFull,
    /// The session is not what the peer thinks: the SMS goes back, the session is bound anew.
    Rebind,
    /// The carrier is out of order for a while: tried again by the schedule.
    SystemFailure,
    /// There is no such number.
    UnknownNumber,
    /// Refused for good.
    Final,
    /// Not of this specification: tried a few times, then refused.
    ProtocolError,
}

impl Consequence {
    /// Whether the same SMS may fare better later.
    pub const fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::SlowDown
                | Self::QueueFull
                | Self::Rebind
                | Self::SystemFailure
                | Self::ProtocolError
        )
    }
}

macro_rules! statuses {
    ($($constant:ident $number:literal $name:literal $consequence:ident $meaning:literal;)*) => {
        impl Status {
            $(#[doc = concat!($name, ": ", $meaning)] pub const $constant: Self = Self($number);)*

            /// Every status that the specifications name, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$constant),*];

            /// The name in the specification, as in `ESME_ROK`; `None` for a number that none has.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($number => Some($name),)* _ => None }
            }

            /// One phrase for logs and the operator.
            pub const fn meaning(self) -> &'static str {
                match self.0 {
                    $($number => $meaning,)*
                    0x400..=0x4FF => "the vendor's own",
                    _ => "reserved",
                }
            }

            /// What it means for an SMS that was to be submitted. Numbers below 400h that no
            /// specification names are final; the vendors' own and those above are errors of
            /// protocol.
            pub const fn consequence(self) -> Consequence {
                match self.0 {
                    $($number => Consequence::$consequence,)*
                    0..0x400 => Consequence::Final,
                    _ => Consequence::ProtocolError,
                }
            }
        }
    };
}

statuses! {
    OK 0x00 "ESME_ROK" Taken "no error";
    INVALID_MESSAGE_LENGTH 0x01 "ESME_RINVMSGLEN" Final "the message length is invalid";
    INVALID_COMMAND_LENGTH 0x02 "ESME_RINVCMDLEN" ProtocolError "the command length is invalid";
    INVALID_COMMAND 0x03 "ESME_RINVCMDID" ProtocolError "the command is unknown";
    INVALID_BIND_STATE 0x04 "ESME_RINVBNDSTS" Rebind "not possible in this bind state";
    ALREADY_BOUND 0x05 "ESME_RALYBND" Final "already bound";
    INVALID_PRIORITY 0x06 "ESME_RINVPRTFLG" Final "the priority flag is invalid";
    INVALID_REGISTERED_DELIVERY 0x07 "ESME_RINVREGDLVFLG" Final
        "the registered delivery flag is invalid";
    SYSTEM_ERROR 0x08 "ESME_RSYSERR" SystemFailure "system error";
    INVALID_SOURCE 0x0A "ESME_RINVSRCADR" Final "the source address is invalid";
    INVALID_DESTINATION 0x0B "ESME_RINVDSTADR" UnknownNumber "the destination address is invalid";
    INVALID_MESSAGE_ID 0x0C "ESME_RINVMSGID" Final "the message id is invalid";
    BIND_FAILED 0x0D "ESME_RBINDFAIL" Rebind "the bind failed";
    INVALID_PASSWORD 0x0E "ESME_RINVPASWD" Rebind "the password is invalid";
    INVALID_SYSTEM_ID 0x0F "ESME_RINVSYSID" Rebind "the system id is invalid";
    CANCEL_FAILED 0x11 "ESME_RCANCELFAIL" Final "cancel_sm failed";
    REPLACE_FAILED 0x13 "ESME_RREPLACEFAIL" Final "replace_sm failed";
    QUEUE_FULL 0x14 "ESME_RMSGQFUL" QueueFull "the message queue is full";
    INVALID_SERVICE_TYPE 0x15 "ESME_RINVSERTYP" Final "the service type is invalid";
    INVALID_DESTINATION_COUNT 0x33 "ESME_RINVNUMDESTS" Final
        "the number of destinations is invalid";
    INVALID_LIST_NAME 0x34 "ESME_RINVDLNAME" Final "the distribution list is unknown";
    INVALID_DESTINATION_FLAG 0x40 "ESME_RINVDESTFLAG" Final "the destination flag is invalid";
    INVALID_SUBMIT_REPLACE 0x42 "ESME_RINVSUBREP" Final "submit with replace is not possible";
    INVALID_ESM_CLASS 0x43 "ESME_RINVESMCLASS" Final "the esm_class is invalid";
    LIST_NOT_SUBMITTED 0x44 "ESME_RCNTSUBDL" Final "cannot submit to the distribution list";
    SUBMIT_FAILED 0x45 "ESME_RSUBMITFAIL" Final "the submission failed";
    INVALID_SOURCE_TON 0x48 "ESME_RINVSRCTON" Final "the source's type of number is invalid";
    INVALID_SOURCE_NPI 0x49 "ESME_RINVSRCNPI" Final "the source's numbering plan is invalid";
    INVALID_DESTINATION_TON 0x50 "ESME_RINVDSTTON" Final
        "the destination's type of number is invalid";
    INVALID_DESTINATION_NPI 0x51 "ESME_RINVDSTNPI" Final
        "the destination's numbering plan is invalid";
    INVALID_SYSTEM_TYPE 0x53 "ESME_RINVSYSTYP" Final "the system type is invalid";
    INVALID_REPLACE_FLAG 0x54 "ESME_RINVREPFLAG" Final "the replace_if_present flag is invalid";
    INVALID_MESSAGE_COUNT 0x55 "ESME_RINVNUMMSGS" Final "the number of messages is invalid";
    THROTTLED 0x58 "ESME_RTHROTTLED" SlowDown "more messages than allowed";
    INVALID_SCHEDULE 0x61 "ESME_RINVSCHED" Final "the scheduled delivery time is invalid";
    INVALID_EXPIRY 0x62 "ESME_RINVEXPIRY" Final "the validity period is invalid";
    INVALID_DEFAULT_MESSAGE 0x63 "ESME_RINVDFTMSGID" Final "the predefined message is unknown";
    RECEIVER_TEMPORARY 0x64 "ESME_RX_T_APPN" SystemFailure "the receiver has a temporary error";
    RECEIVER_PERMANENT 0x65 "ESME_RX_P_APPN" Final "the receiver has a permanent error";
    RECEIVER_REJECTED 0x66 "ESME_RX_R_APPN" Final "the receiver rejects the message";
    QUERY_FAILED 0x67 "ESME_RQUERYFAIL" Final "query_sm failed";
    INVALID_TLV_STREAM 0xC0 "ESME_RINVOPTPARSTREAM" Final "the optional part is invalid";
    TLV_NOT_ALLOWED 0xC1 "ESME_ROPTPARNOTALLWD" Final "the optional parameter is not allowed";
    INVALID_FIELD_LENGTH 0xC2 "ESME_RINVPARLEN" Final "a parameter's length is invalid";
    MISSING_TLV 0xC3 "ESME_RMISSINGOPTPARAM" Final "an optional parameter is missing";
    INVALID_TLV_VALUE 0xC4 "ESME_RINVOPTPARAMVAL" Final "an optional parameter's value is invalid";
    DELIVERY_FAILURE 0xFE "ESME_RDELIVERYFAILURE" SystemFailure "the delivery failed";
    UNKNOWN_ERROR 0xFF "ESME_RUNKNOWNERR" SystemFailure "unknown error";
    SERVICE_UNAUTHORISED 0x100 "ESME_RSERTYPUNAUTH" Final "not authorised for the service type";
    PROHIBITED 0x101 "ESME_RPROHIBITED" Final "the operation is prohibited";
    SERVICE_UNAVAILABLE 0x102 "ESME_RSERTYPUNAVAIL" Final "the service type is unavailable";
    SERVICE_DENIED 0x103 "ESME_RSERTYPDENIED" Final "the service type is denied";
    INVALID_DATA_CODING 0x104 "ESME_RINVDCS" Final "the data coding is invalid";
    INVALID_SOURCE_SUBUNIT 0x105 "ESME_RINVSRCADDRSUBUNIT" Final "the source's subunit is invalid";
    INVALID_DESTINATION_SUBUNIT 0x106 "ESME_RINVDSTADDRSUBUNIT" Final
        "the destination's subunit is invalid";
    INVALID_BROADCAST_INTERVAL 0x107 "ESME_RINVBCASTFREQINT" Final
        "the broadcast interval is invalid";
    INVALID_BROADCAST_ALIAS 0x108 "ESME_RINVBCASTALIAS_NAME" Final "the broadcast alias is invalid";
    INVALID_BROADCAST_AREA 0x109 "ESME_RINVBCASTAREAFMT" Final
        "the broadcast area's format is invalid";
    INVALID_BROADCAST_AREAS 0x10A "ESME_RINVNUMBCAST_AREAS" Final
        "the number of broadcast areas is invalid";
    INVALID_BROADCAST_CONTENT 0x10B "ESME_RINVBCASTCNTTYPE" Final
        "the broadcast content type is invalid";
    INVALID_BROADCAST_CLASS 0x10C "ESME_RINVBCASTMSGCLASS" Final
        "the broadcast message class is invalid";
    BROADCAST_FAILED 0x10D "ESME_RBCASTFAIL" Final "broadcast_sm failed";
    BROADCAST_QUERY_FAILED 0x10E "ESME_RBCASTQUERYFAIL" Final "query_broadcast_sm failed";
    BROADCAST_CANCEL_FAILED 0x10F "ESME_RBCASTCANCELFAIL" Final "cancel_broadcast_sm failed";
    INVALID_BROADCAST_REPEATS 0x110 "ESME_RINVBCAST_REP" Final
        "the number of broadcasts is invalid";
    INVALID_BROADCAST_GROUP 0x111 "ESME_RINVBCASTSRVGRP" Final
        "the broadcast service group is invalid";
    INVALID_BROADCAST_CHANNEL 0x112 "ESME_RINVBCASTCHANIND" Final
        "the broadcast channel is invalid";
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "status {:08X}", self.0),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of what a carrier answers, as it is documented for operators.
    #[test]
    fn what_a_status_means_for_an_sms_is_what_operators_are_told() {
        let consequence = |number: u32| Status(number).consequence();
        assert_eq!(consequence(0), Consequence::Taken);
        assert_eq!(
            (consequence(0x58), consequence(0x14)),
            (Consequence::SlowDown, Consequence::QueueFull)
        );
        for number in [0x04, 0x0D, 0x0E, 0x0F] {
            assert_eq!(consequence(number), Consequence::Rebind, "{number:02X}");
        }
        for number in [0x08, 0x64, 0xFE, 0xFF] {
            assert_eq!(consequence(number), Consequence::SystemFailure, "{number:02X}");
        }
        assert_eq!(consequence(0x0B), Consequence::UnknownNumber);
        let listed = [0x0A, 0x01, 0x45, 0x65, 0x66, 0x61, 0x62, 0x43, 0x104, 0x17, 0x3FF];
        for number in listed.into_iter().chain(0x48..=0x53).chain(0xC0..=0xC4) {
            assert_eq!(consequence(number), Consequence::Final, "{number:02X}");
            assert!(!consequence(number).is_temporary());
        }
        for number in [0x02, 0x03, 0x400, 0x4FF, 0x500, u32::MAX] {
            assert_eq!(consequence(number), Consequence::ProtocolError, "{number:02X}");
        }
        assert!(Status::ALL.is_sorted_by_key(|status| status.0));
        assert!(
            Status::ALL
                .iter()
                .all(|status| status.name().is_some() && !status.meaning().is_empty())
        );
        assert_eq!(
            format!("{} {:?}", Status(0x58), Status(0x421)),
            "ESME_RTHROTTLED status 00000421"
        );
    }
}
