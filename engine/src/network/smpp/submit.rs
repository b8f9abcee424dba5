//! One segment as a submit_sm: addresses, coding, text and times.

use crate::network::port::AttemptSlot;
use crate::network::smpp::carrier::{Carrier, Validity};
use wire::smpp::address;
use wire::smpp::address::{OwnAddress, npi, ton};
use wire::smpp::coding::{EsmClass, data_coding_of};
use wire::smpp::limits::SHORT_MESSAGE_OCTETS_MAX;
use wire::smpp::pdu::Message;
use wire::smpp::time;
use wire::smpp::tlv::Tlvs;
use wire::sms::tpdu::Deliver;
use wire::sms::user_data::Payload;
use wire::terms::ids::Class;

/// registered_delivery: a receipt is wanted, however it ends.
const RECEIPT_WANTED: u8 = 1;

/// A submit_sm with room of its own for what it is made of.
pub(super) struct Submit {
    source: Option<OwnAddress>,
    destination: OwnAddress,
    text: [u8; SHORT_MESSAGE_OCTETS_MAX],
    text_octets: usize,
    validity: [u8; 16],
    validity_octets: usize,
    esm_class: u8,
    protocol_id: u8,
    data_coding: u8,
    priority: u8,
    receipt: u8,
}

impl Submit {
    /// Segment `segment` of the attempt, for this carrier, at `wall_ms`.
    ///
    /// # Panics
    /// Where the slot has no such segment: it holds SMS-DELIVERs that were made here.
    pub(super) fn new(slot: &AttemptSlot, segment: usize, carrier: &Carrier, wall_ms: u64) -> Self {
        let deliver = Deliver::decode(slot.tpdu(segment));
        let Ok(deliver) = deliver else { unreachable!("an SMS-DELIVER of our own reads") };
        let user_data = deliver.user_data;
        let source = address::source(slot.sender(), carrier.country, ton::INTERNATIONAL, npi::ISDN);
        let mut submit = Self {
            source,
            destination: address::destination(slot.msn, carrier.country, carrier.destination),
            text: [0; SHORT_MESSAGE_OCTETS_MAX],
            text_octets: 0,
            validity: [0; 16],
            validity_octets: 0,
            esm_class: if user_data.header_indicated { EsmClass::HEADER } else { 0 },
            protocol_id: deliver.protocol_identifier.0,
            data_coding: data_coding_of(user_data.coding_scheme.0, carrier.binary_coding),
            priority: if carrier.priority { priority_of(slot.class) } else { 0 },
            receipt: if carrier.receipts { RECEIPT_WANTED } else { 0 },
        };
        submit.put_text(&user_data, carrier.packs);
        let validity = match carrier.validity {
            Validity::Absolute => Some(time::absolute(slot.expires_ms)),
            Validity::Relative => Some(time::relative(slot.expires_ms.saturating_sub(wall_ms))),
            Validity::None => None,
        };
        if let Some(validity) = validity {
            (submit.validity, submit.validity_octets) = (validity, validity.len());
        }
        submit
    }

    /// The header as it is, then the text: one septet an octet where the carrier does not pack.
    fn put_text(&mut self, user_data: &wire::sms::user_data::UserData<'_>, packs: bool) {
        match user_data.payload() {
            Payload::Septets { octets, first, count, .. } if !packs => {
                let header = user_data.header_octets();
                self.text[..header].copy_from_slice(&octets[..header]);
                let text = &mut self.text[header..header + usize::from(count)];
                wire::sms::septets::unpack(octets, usize::from(first), text);
                self.text_octets = header + usize::from(count);
            }
            _ => {
                let octets = user_data.octets;
                self.text[..octets.len()].copy_from_slice(octets);
                self.text_octets = octets.len();
            }
        }
    }

    /// As a PDU has it.
    pub(super) fn message<'a>(&'a self, carrier: &'a Carrier) -> Message<'a> {
        Message {
            service_type: carrier.service_type.as_bytes(),
            source: self.source.as_ref().map(OwnAddress::as_address).unwrap_or_default(),
            destination: self.destination.as_address(),
            esm_class: EsmClass(self.esm_class),
            protocol_id: self.protocol_id,
            priority_flag: self.priority,
            schedule_delivery_time: &[],
            validity_period: &self.validity[..self.validity_octets],
            registered_delivery: self.receipt,
            replace_if_present_flag: 0,
            data_coding: self.data_coding,
            sm_default_msg_id: 0,
            short_message: &self.text[..self.text_octets],
            tlvs: Tlvs::NONE,
        }
    }
}

fn priority_of(class: Class) -> u8 {
    match class {
        Class::Standard | Class::Exercise => 0,
        Class::Urgent => 1,
        Class::Emergency => 3,
    }
}
