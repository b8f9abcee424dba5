//! What can be wrong with a PDU: in which field, at which octet, and how; and the status that says
//! so to the peer.

use std::fmt;

use super::status::Status;

/// A PDU that cannot be read, or a value that cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("{field} at octet {offset}: {fault}")]
pub struct PduError {
    /// The field.
    pub field: Field,
    /// Where it begins, from the PDU's first octet on.
    pub offset: u16,
    /// How it is wrong.
    pub fault: Fault,
}

/// How a field is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Fault {
    /// The PDU ends before the field does.
    #[error("the PDU ends in it")]
    Truncated,
    /// No NUL ends the text within its longest length.
    #[error("not ended within {max} octets")]
    Unterminated {
        /// Octets, the NUL included.
        max: u16,
    },
    /// The length of the message says more than there is.
    #[error("{announced} octets announced, {available} there")]
    Beyond {
        /// Octets that the length says.
        announced: u16,
        /// Octets that are there.
        available: u16,
    },
    /// A value that says what no specification knows, and without which nothing behind it can be
    /// read.
    #[error("neither an address nor a list")]
    Unknown,
    /// A message in short_message and in message_payload.
    #[error("beside a short_message")]
    TwoMessages,
    /// A value to write that is longer than its field may be, or has a NUL inside.
    #[error("longer than {max} octets, or a NUL inside")]
    TooLong {
        /// Octets, the NUL included.
        max: u16,
    },
    /// The buffer is too small for the PDU.
    #[error("no room for it")]
    NoRoom,
}

macro_rules! fields {
    ($($variant:ident $name:literal;)*) => {
        /// A field of a PDU, by its name in the specification.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Field { $(#[doc = concat!("`", $name, "`")] $variant,)* }

        impl Field {
            /// The specification's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

fields! {
    Header "header";
    SystemId "system_id";
    Password "password";
    SystemType "system_type";
    InterfaceVersion "interface_version";
    AddressTon "addr_ton";
    AddressNpi "addr_npi";
    AddressRange "address_range";
    ServiceType "service_type";
    SourceTon "source_addr_ton";
    SourceNpi "source_addr_npi";
    Source "source_addr";
    DestinationTon "dest_addr_ton";
    DestinationNpi "dest_addr_npi";
    Destination "destination_addr";
    EsmeTon "esme_addr_ton";
    EsmeNpi "esme_addr_npi";
    Esme "esme_addr";
    DestinationCount "number_of_dests";
    DestinationFlag "dest_flag";
    ListName "dl_name";
    EsmClass "esm_class";
    ProtocolId "protocol_id";
    PriorityFlag "priority_flag";
    ScheduleDeliveryTime "schedule_delivery_time";
    ValidityPeriod "validity_period";
    RegisteredDelivery "registered_delivery";
    ReplaceIfPresent "replace_if_present_flag";
    DataCoding "data_coding";
    DefaultMessageId "sm_default_msg_id";
    SmLength "sm_length";
    ShortMessage "short_message";
    MessageId "message_id";
    FinalDate "final_date";
    MessageState "message_state";
    ErrorCode "error_code";
    FailureCount "no_unsuccess";
    ErrorStatus "error_status_code";
    MessagePayload "message_payload";
    OptionalPart "optional part";
    Body "body";
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl PduError {
    /// The status that tells the peer of it.
    pub const fn status(self) -> Status {
        match (self.field, self.fault) {
            (Field::Header, _) => Status::INVALID_COMMAND_LENGTH,
            (Field::ShortMessage | Field::SmLength | Field::MessagePayload, _) => {
                Status::INVALID_MESSAGE_LENGTH
            }
            (Field::OptionalPart, _) => Status::INVALID_TLV_STREAM,
            (Field::DestinationFlag, Fault::Unknown) => Status::INVALID_DESTINATION_FLAG,
            _ => Status::INVALID_FIELD_LENGTH,
        }
    }
}
