//! What a PDU asks or answers: `command_id` (SMPP 3.4, 5.1.2; 5.0, 4.7.5).

use std::fmt;

/// The bit that an answer has and a request has not.
const RESPONSE: u32 = 0x8000_0000;

/// A `command_id`, known or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Command(pub u32);

macro_rules! commands {
    ($($name:ident $number:literal $text:literal;)*) => {
        impl Command {
            $(#[doc = concat!("`", $text, "`")] pub const $name: Self = Self($number);)*

            /// Every command that the specifications name, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in the specification, in lower case; `None` for a number that none has.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($number => Some($text),)* _ => None }
            }
        }
    };
}

commands! {
    BIND_RECEIVER 0x0000_0001 "bind_receiver";
    BIND_TRANSMITTER 0x0000_0002 "bind_transmitter";
    QUERY_SM 0x0000_0003 "query_sm";
    SUBMIT_SM 0x0000_0004 "submit_sm";
    DELIVER_SM 0x0000_0005 "deliver_sm";
    UNBIND 0x0000_0006 "unbind";
    REPLACE_SM 0x0000_0007 "replace_sm";
    CANCEL_SM 0x0000_0008 "cancel_sm";
    BIND_TRANSCEIVER 0x0000_0009 "bind_transceiver";
    OUTBIND 0x0000_000B "outbind";
    ENQUIRE_LINK 0x0000_0015 "enquire_link";
    SUBMIT_MULTI 0x0000_0021 "submit_multi";
    ALERT_NOTIFICATION 0x0000_0102 "alert_notification";
    DATA_SM 0x0000_0103 "data_sm";
    BROADCAST_SM 0x0000_0111 "broadcast_sm";
    QUERY_BROADCAST_SM 0x0000_0112 "query_broadcast_sm";
    CANCEL_BROADCAST_SM 0x0000_0113 "cancel_broadcast_sm";
    GENERIC_NACK 0x8000_0000 "generic_nack";
    BIND_RECEIVER_RESP 0x8000_0001 "bind_receiver_resp";
    BIND_TRANSMITTER_RESP 0x8000_0002 "bind_transmitter_resp";
    QUERY_SM_RESP 0x8000_0003 "query_sm_resp";
    SUBMIT_SM_RESP 0x8000_0004 "submit_sm_resp";
    DELIVER_SM_RESP 0x8000_0005 "deliver_sm_resp";
    UNBIND_RESP 0x8000_0006 "unbind_resp";
    REPLACE_SM_RESP 0x8000_0007 "replace_sm_resp";
    CANCEL_SM_RESP 0x8000_0008 "cancel_sm_resp";
    BIND_TRANSCEIVER_RESP 0x8000_0009 "bind_transceiver_resp";
    ENQUIRE_LINK_RESP 0x8000_0015 "enquire_link_resp";
    SUBMIT_MULTI_RESP 0x8000_0021 "submit_multi_resp";
    DATA_SM_RESP 0x8000_0103 "data_sm_resp";
    BROADCAST_SM_RESP 0x8000_0111 "broadcast_sm_resp";
    QUERY_BROADCAST_SM_RESP 0x8000_0112 "query_broadcast_sm_resp";
    CANCEL_BROADCAST_SM_RESP 0x8000_0113 "cancel_broadcast_sm_resp";
}

impl Command {
    /// Whether it answers, generic_nack included; by its highest bit, so for unknown commands too.
    pub const fn is_response(self) -> bool {
        self.0 & RESPONSE != 0
    }

    /// The command that answers this request; generic_nack for what has no answer of its own
    /// (alert_notification, outbind) and for what nobody knows.
    pub const fn response(self) -> Self {
        match self {
            Self::ALERT_NOTIFICATION | Self::OUTBIND => Self::GENERIC_NACK,
            _ if self.name().is_none() || self.is_response() => Self::GENERIC_NACK,
            _ => Self(self.0 | RESPONSE),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "command {:08X}", self.0),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_the_response_of_its_name() {
        for &command in Command::ALL {
            let name = command.name().expect("a known command");
            if command.is_response() || matches!(name, "alert_notification" | "outbind") {
                assert_eq!(command.response(), Command::GENERIC_NACK, "{name}");
            } else {
                assert_eq!(command.response().name(), Some(format!("{name}_resp").as_str()));
            }
        }
        assert!(Command::ALL.is_sorted_by_key(|command| command.0));
        assert_eq!(Command(0x77).response(), Command::GENERIC_NACK);
        assert_eq!(format!("{:?}", Command(0x77)), "command 00000077");
    }
}
