//! Optional parameters: tag, length, value (SMPP 3.4, 3.2.4 and 5.3).

use std::fmt;

use super::error::{Fault, Field, PduError};
use super::limits::TLV_HEADER_OCTETS;
use super::oddities::Oddities;
use super::reader::Reader;
use super::words::first_zero;

/// The tag of an optional parameter, known or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(pub u16);

macro_rules! tags {
    ($($constant:ident $number:literal $name:literal $kind:ident;)*) => {
        impl Tag {
            $(#[doc = concat!("`", $name, "`")] pub const $constant: Self = Self($number);)*

            /// The specification's name; `None` for a tag that it does not have.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($number => Some($name),)* _ => None }
            }

            /// What its value is; octets for a tag that nobody knows.
            pub const fn kind(self) -> TlvKind {
                match self.0 { $($number => TlvKind::$kind,)* _ => TlvKind::Octets }
            }
        }
    };
}

/// What a TLV's value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlvKind {
    /// A number of one octet.
    Octet,
    /// A number of two octets, the high one first.
    Short,
    /// A number of four octets, the high one first.
    Long,
    /// Text with a NUL behind it.
    Text,
    /// Octets, in number and meaning as the tag says.
    Octets,
    /// None: that the tag is there says it.
    Empty,
}

tags! {
    DEST_ADDR_SUBUNIT 0x0005 "dest_addr_subunit" Octet;
    DEST_NETWORK_TYPE 0x0006 "dest_network_type" Octet;
    DEST_BEARER_TYPE 0x0007 "dest_bearer_type" Octet;
    DEST_TELEMATICS_ID 0x0008 "dest_telematics_id" Short;
    SOURCE_ADDR_SUBUNIT 0x000D "source_addr_subunit" Octet;
    SOURCE_NETWORK_TYPE 0x000E "source_network_type" Octet;
    SOURCE_BEARER_TYPE 0x000F "source_bearer_type" Octet;
    SOURCE_TELEMATICS_ID 0x0010 "source_telematics_id" Octet;
    QOS_TIME_TO_LIVE 0x0017 "qos_time_to_live" Long;
    PAYLOAD_TYPE 0x0019 "payload_type" Octet;
    ADDITIONAL_STATUS_INFO_TEXT 0x001D "additional_status_info_text" Text;
    RECEIPTED_MESSAGE_ID 0x001E "receipted_message_id" Text;
    MS_MSG_WAIT_FACILITIES 0x0030 "ms_msg_wait_facilities" Octet;
    PRIVACY_INDICATOR 0x0201 "privacy_indicator" Octet;
    SOURCE_SUBADDRESS 0x0202 "source_subaddress" Octets;
    DEST_SUBADDRESS 0x0203 "dest_subaddress" Octets;
    USER_MESSAGE_REFERENCE 0x0204 "user_message_reference" Short;
    USER_RESPONSE_CODE 0x0205 "user_response_code" Octet;
    SOURCE_PORT 0x020A "source_port" Short;
    DESTINATION_PORT 0x020B "destination_port" Short;
    SAR_MSG_REF_NUM 0x020C "sar_msg_ref_num" Short;
    LANGUAGE_INDICATOR 0x020D "language_indicator" Octet;
    SAR_TOTAL_SEGMENTS 0x020E "sar_total_segments" Octet;
    SAR_SEGMENT_SEQNUM 0x020F "sar_segment_seqnum" Octet;
    SC_INTERFACE_VERSION 0x0210 "sc_interface_version" Octet;
    CALLBACK_NUM_PRES_IND 0x0302 "callback_num_pres_ind" Octet;
    CALLBACK_NUM_ATAG 0x0303 "callback_num_atag" Octets;
    NUMBER_OF_MESSAGES 0x0304 "number_of_messages" Octet;
    CALLBACK_NUM 0x0381 "callback_num" Octets;
    DPF_RESULT 0x0420 "dpf_result" Octet;
    SET_DPF 0x0421 "set_dpf" Octet;
    MS_AVAILABILITY_STATUS 0x0422 "ms_availability_status" Octet;
    NETWORK_ERROR_CODE 0x0423 "network_error_code" Octets;
    MESSAGE_PAYLOAD 0x0424 "message_payload" Octets;
    DELIVERY_FAILURE_REASON 0x0425 "delivery_failure_reason" Octet;
    MORE_MESSAGES_TO_SEND 0x0426 "more_messages_to_send" Octet;
    MESSAGE_STATE 0x0427 "message_state" Octet;
    CONGESTION_STATE 0x0428 "congestion_state" Octet;
    USSD_SERVICE_OP 0x0501 "ussd_service_op" Octet;
    DISPLAY_TIME 0x1201 "display_time" Octet;
    SMS_SIGNAL 0x1203 "sms_signal" Short;
    MS_VALIDITY 0x1204 "ms_validity" Octets;
    ALERT_ON_MESSAGE_DELIVERY 0x130C "alert_on_message_delivery" Empty;
    ITS_REPLY_TYPE 0x1380 "its_reply_type" Octet;
    ITS_SESSION_INFO 0x1383 "its_session_info" Octets;
    VENDOR_REQID 0x1501 "reqid" Octets;
    VENDOR_ALERT_ID 0x1502 "alertid" Octets;
    VENDOR_ALERT_SEQUENCE 0x1503 "alertseq" Octets;
    VENDOR_MESSAGE_IDS 0x1504 "message_ids" Octets;
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "tag {:04X}", self.0),
        }
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// One optional parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tlv<'a> {
    /// Which one.
    pub tag: Tag,
    /// Its value, 0 to 65,535 octets.
    pub value: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// The value as a number, the high octet first: of one to four octets, whatever length its kind
    /// should have. `None` for others.
    pub fn number(self) -> Option<u32> {
        let fits = (1..=4).contains(&self.value.len());
        fits.then(|| self.value.iter().fold(0, |number, &octet| number << 8 | u32::from(octet)))
    }

    /// The value as text: up to its first NUL, or all of it where it has none.
    pub fn text(self) -> &'a [u8] {
        &self.value[..first_zero(self.value).unwrap_or(self.value.len())]
    }

    /// Whether the value has the length of its kind.
    pub fn has_proper_length(self) -> bool {
        match self.tag.kind() {
            TlvKind::Octet => self.value.len() == 1,
            TlvKind::Short => self.value.len() == 2,
            TlvKind::Long => self.value.len() == 4,
            TlvKind::Empty => self.value.is_empty(),
            TlvKind::Text => self.value.last() == Some(&0),
            TlvKind::Octets => true,
        }
    }
}

/// The optional part of a PDU: whole TLVs one behind the other, in any order, known or not.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Tlvs<'a> {
    octets: &'a [u8],
}

impl<'a> Tlvs<'a> {
    /// None at all.
    pub const NONE: Self = Self { octets: &[] };

    /// All optional parameters in the order in which they stand.
    pub fn iter(self) -> TlvIter<'a> {
        TlvIter { rest: self.octets }
    }

    /// The first with this tag.
    #[inline]
    pub fn find(self, tag: Tag) -> Option<Tlv<'a>> {
        self.iter().find(|tlv| tlv.tag == tag)
    }

    /// The number of the first with this tag; see [`Tlv::number`].
    pub fn number(self, tag: Tag) -> Option<u32> {
        self.find(tag)?.number()
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.octets.is_empty()
    }

    /// As they are on the wire.
    pub const fn octets(self) -> &'a [u8] {
        self.octets
    }

    /// Whether one has another length than its kind.
    pub fn oddities(self) -> Oddities {
        let proper = self.iter().all(Tlv::has_proper_length);
        Oddities::NONE.with_if(!proper, Oddities::TLV_LENGTH)
    }

    /// Takes what is left of a PDU. One octet too many is read around; a TLV that goes beyond the
    /// end is left out and told, together with those that stand before it.
    #[inline]
    pub(super) fn read(reader: &mut Reader<'a>) -> (Self, Option<PduError>) {
        let octets = reader.rest();
        let mut at = 0;
        while octets.len() - at >= TLV_HEADER_OCTETS {
            let length = usize::from(u16::from_be_bytes([octets[at + 2], octets[at + 3]]));
            let end = at + TLV_HEADER_OCTETS + length;
            if end > octets.len() {
                break;
            }
            at = end;
        }
        let tlvs = Self { octets: reader.octets_up_to(at) };
        let fault = match octets.len() - at {
            0 => None,
            1 => {
                reader.oddities = reader.oddities.with(Oddities::SURPLUS_OCTET);
                None
            }
            available => {
                let announced = octets.get(at + 2..at + TLV_HEADER_OCTETS);
                let announced =
                    announced.map_or(0, |length| u16::from_be_bytes([length[0], length[1]]));
                let available = available.saturating_sub(TLV_HEADER_OCTETS) as u16;
                let fault = match available {
                    0 if announced == 0 => Fault::Truncated,
                    _ => Fault::Beyond { announced, available },
                };
                Some(reader.error(Field::OptionalPart, fault))
            }
        };
        (tlvs, fault)
    }
}

impl fmt::Debug for Tlvs<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tags and lengths alone: the values are content.
        formatter.debug_map().entries(self.iter().map(|tlv| (tlv.tag, tlv.value.len()))).finish()
    }
}

/// Goes through [`Tlvs`].
#[derive(Clone, Debug)]
pub struct TlvIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for TlvIter<'a> {
    type Item = Tlv<'a>;

    #[inline]
    fn next(&mut self) -> Option<Tlv<'a>> {
        let (header, rest) = self.rest.split_first_chunk::<TLV_HEADER_OCTETS>()?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let (value, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Tlv { tag: Tag(u16::from_be_bytes([header[0], header[1]])), value })
    }
}

/// Writes optional parameters into the caller's buffer, for [`Tlvs`] to borrow.
#[derive(Debug)]
pub struct TlvWriter<'a> {
    out: &'a mut [u8],
    at: usize,
    overflowed: bool,
}

impl<'a> TlvWriter<'a> {
    /// Begins at the buffer's start.
    pub fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0, overflowed: false }
    }

    /// Adds one with these octets as its value.
    pub fn octets(&mut self, tag: Tag, value: &[u8]) -> &mut Self {
        self.put(tag, value, &[])
    }

    /// Adds one with a number of one octet.
    pub fn octet(&mut self, tag: Tag, value: u8) -> &mut Self {
        self.put(tag, &[value], &[])
    }

    /// Adds one with a number of two octets.
    pub fn short(&mut self, tag: Tag, value: u16) -> &mut Self {
        self.put(tag, &value.to_be_bytes(), &[])
    }

    /// Adds one with text, of which a NUL is made the end.
    pub fn text(&mut self, tag: Tag, value: &[u8]) -> &mut Self {
        self.put(tag, value, &[0])
    }

    fn put(&mut self, tag: Tag, value: &[u8], end: &[u8]) -> &mut Self {
        let length = value.len() + end.len();
        let total = TLV_HEADER_OCTETS + length;
        match (self.out.get_mut(self.at..self.at + total), u16::try_from(length)) {
            (Some(target), Ok(length)) => {
                target[..2].copy_from_slice(&tag.0.to_be_bytes());
                target[2..4].copy_from_slice(&length.to_be_bytes());
                target[4..4 + value.len()].copy_from_slice(value);
                target[4 + value.len()..].copy_from_slice(end);
                self.at += total;
            }
            _ => self.overflowed = true,
        }
        self
    }

    /// What was written.
    ///
    /// # Errors
    /// One did not fit the buffer, or had more than 65,535 octets.
    pub fn finish(self) -> Result<Tlvs<'a>, PduError> {
        let Self { out, at, overflowed } = self;
        if overflowed {
            return Err(PduError {
                field: Field::OptionalPart,
                offset: at as u16,
                fault: Fault::NoRoom,
            });
        }
        Ok(Tlvs { octets: &out[..at] })
    }
}
