//! Segments as a submit_sm: addresses, coding, text and times.
//!
//! A push of several segments goes as the carrier wants it: each segment with its user data header,
//! each with sar_msg_ref_num and its kin instead, or all of it in message_payload. A header that
//! has anything but the concatenation is the push client's own and goes as it is.

use crate::network::port::{ALL_SEGMENTS, AttemptSlot};
use crate::network::smpp::carrier::{Carrier, Long, Validity};
use wire::smpp::address;
use wire::smpp::address::OwnAddress;
use wire::smpp::coding::{Alphabet, EsmClass, write_text};
use wire::smpp::pdu::Message;
use wire::smpp::time;
use wire::smpp::tlv::{Tag, TlvWriter, Tlvs};
use wire::sms::alphabet::Shift;
use wire::sms::alphabet::ucs2_units;
use wire::sms::coding_scheme::CodingScheme;
use wire::sms::header::Header;
use wire::sms::tpdu::Deliver;
use wire::sms::user_data::{Payload, UserData};
use wire::terms::ids::Class;
use wire::terms::time::WallMs;

/// registered_delivery: a receipt is wanted, however it ends.
const RECEIPT_WANTED: u8 = 1;
/// The longest text: ten segments of 160 septets, an octet each.
const TEXT_OCTETS_MAX: usize = 1_600;
/// The most octets of one segment, its header among them.
const SMS_OCTETS_MAX: usize = 140;
/// The most septets of one segment.
const SEPTETS_MAX: usize = 160;
/// Room for the optional parameters of one message.
const TLVS_OCTETS_MAX: usize = TEXT_OCTETS_MAX + 32;
/// Room for one submit_sm.
const SUBMIT_OCTETS_MAX: usize = 1_024 + TLVS_OCTETS_MAX;

/// A place among the segments of a push.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Part {
    reference: u16,
    total: u8,
    number: u8,
}

impl Part {
    /// Of a segment whose header is the concatenation alone.
    fn of(user_data: &UserData<'_>) -> Option<Self> {
        if !user_data.header_indicated {
            return None;
        }
        match *user_data.octets {
            [5, 0, 3, reference, total, number, ..] => {
                Some(Self { reference: u16::from(reference), total, number })
            }
            [6, 8, 4, high, low, total, number, ..] => {
                Some(Self { reference: u16::from_be_bytes([high, low]), total, number })
            }
            _ => None,
        }
    }
}

/// Room for one submit_sm and what it is made of: kept, since to clear it takes as long as to write
/// one.
pub(super) struct SubmitSpace {
    pub(super) text: [u8; TEXT_OCTETS_MAX],
    pub(super) tlvs: [u8; TLVS_OCTETS_MAX],
    pub(super) pdu: [u8; SUBMIT_OCTETS_MAX],
}

impl SubmitSpace {
    pub(super) fn new() -> Box<Self> {
        let (text, tlvs) = ([0; TEXT_OCTETS_MAX], [0; TLVS_OCTETS_MAX]);
        Box::new(Self { text, tlvs, pdu: [0; SUBMIT_OCTETS_MAX] })
    }
}

/// A submit_sm; its text stands in room that is lent to it.
pub(super) struct Submit<'t> {
    source: Option<OwnAddress>,
    destination: OwnAddress,
    text: &'t mut [u8; TEXT_OCTETS_MAX],
    text_octets: usize,
    in_payload: bool,
    part: Option<Part>,
    validity: [u8; 16],
    validity_octets: usize,
    esm_class: u8,
    protocol_id: u8,
    data_coding: u8,
    priority: u8,
    receipt: u8,
    reference: u16,
}

/// # Panics
/// Where the slot has no such segment: it holds SMS-DELIVERs that were made here.
fn deliver(slot: &AttemptSlot, segment: usize) -> Deliver<'_> {
    let deliver = Deliver::decode(slot.tpdu(segment));
    let Ok(deliver) = deliver else { unreachable!("an SMS-DELIVER of our own reads") };
    deliver
}

fn segments(slot: &AttemptSlot) -> impl Iterator<Item = usize> {
    let mask = slot.mask();
    (0..u16::BITS as usize).filter(move |segment| mask >> segment & 1 == 1)
}

/// Which segments of the slot the next message has, `first` among them: that one, or
/// [`ALL_SEGMENTS`] where the carrier wants the push in one and nothing of it is sent yet.
pub(super) fn next_of(slot: &AttemptSlot, unsent_mask: u16, carrier: &Carrier) -> u8 {
    let first = unsent_mask.trailing_zeros() as u8;
    let is_whole = carrier.long == Long::Payload
        && unsent_mask == slot.mask()
        && unsent_mask.count_ones() > 1
        && segments(slot).all(|segment| {
            let user_data = deliver(slot, segment).user_data;
            // What is left of an attempt before this one cannot be told from a whole push, but for
            // its parts.
            Part::of(&user_data)
                .is_some_and(|part| u32::from(part.total) == unsent_mask.count_ones())
        });
    if is_whole { ALL_SEGMENTS } else { first }
}

/// Whether the carrier can be sent all of it. Text that was made for another alphabet may have no
/// room in one SMS of this carrier's, where it is a part or has a header.
pub(super) fn is_writable(slot: &AttemptSlot, carrier: &Carrier) -> bool {
    if !matches!(carrier.alphabet, Alphabet::Latin1 | Alphabet::Ascii) {
        return true;
    }
    let is_whole = next_of(slot, slot.mask(), carrier) == ALL_SEGMENTS;
    let mut text = [0; TEXT_OCTETS_MAX];
    let mut has_room = |segment: usize| {
        !deliver(slot, segment).user_data.header_indicated
            || Submit::new(slot, segment as u8, carrier, WallMs::ZERO, &mut text).is_some()
    };
    is_whole || segments(slot).all(&mut has_room)
}

impl<'t> Submit<'t> {
    /// Segment `segment` of the attempt, or all, for this carrier, at `wall_ms`. A text that was
    /// made before the carrier was its, and has characters that the carrier's alphabet lacks, goes
    /// as UCS-2; `None` where that has no room for it.
    pub(super) fn new(
        slot: &AttemptSlot,
        segment: u8,
        carrier: &Carrier,
        wall_ms: WallMs,
        text: &'t mut [u8; TEXT_OCTETS_MAX],
    ) -> Option<Self> {
        let whole = segment == ALL_SEGMENTS;
        let first = if whole { 0 } else { usize::from(segment) };
        let deliver = deliver(slot, first);
        let user_data = deliver.user_data;
        let part = if carrier.long == Long::Sar { Part::of(&user_data) } else { None };
        let is_bare = whole || part.is_some();
        let (ton, npi) = (carrier.source_ton, carrier.source_npi);
        let source = address::source(slot.sender(), carrier.country, ton, npi);
        let has_header = user_data.header_indicated && !is_bare;
        let mut submit = Self {
            source,
            destination: address::destination(slot.msn, carrier.country, carrier.destination),
            text,
            text_octets: 0,
            in_payload: whole,
            part,
            validity: [0; 16],
            validity_octets: 0,
            esm_class: carrier.mode | if has_header { EsmClass::HEADER } else { 0 },
            protocol_id: deliver.protocol_identifier.0,
            data_coding: carrier.data_coding(user_data.coding_scheme.0),
            priority: if carrier.priority { priority_of(slot.class) } else { 0 },
            receipt: if carrier.receipts { RECEIPT_WANTED } else { 0 },
            reference: reference_of(slot.push_id),
        };
        if whole {
            segments(slot).for_each(|segment| submit.put_bare(slot, segment));
        } else if part.is_some() {
            submit.put_bare(slot, first);
        } else {
            submit.put_text(&user_data, carrier.alphabet == Alphabet::GsmPacked);
        }
        match carrier.alphabet {
            Alphabet::GsmPacked if is_bare => submit.pack(&user_data),
            Alphabet::Latin1 | Alphabet::Ascii if user_data.coding_scheme.0 == 0 => {
                let header = if has_header { user_data.header_octets() } else { 0 };
                let shift = user_data.sound_header().map(Header::shift).unwrap_or_default();
                submit.rewrite(header, shift, carrier)?;
            }
            _ => {}
        }
        let validity = match carrier.validity {
            Validity::Absolute => Some(time::absolute(slot.expires_ms.ms())),
            Validity::Relative => Some(time::relative(slot.expires_ms.since(wall_ms))),
            Validity::None => None,
        };
        if let Some(validity) = validity {
            (submit.validity, submit.validity_octets) = (validity, validity.len());
        }
        Some(submit)
    }

    /// The text behind so many octets of header, which is of this pair of tables, in the carrier's
    /// own alphabet, or as UCS-2 where that lacks a character. A phone would read the carrier's
    /// alphabet by the tables of the header: text of national ones is UCS-2 too, which they are not
    /// for.
    fn rewrite(&mut self, header: usize, shift: Shift, carrier: &Carrier) -> Option<()> {
        let mut text = String::with_capacity(TEXT_OCTETS_MAX);
        shift.decode(&self.text[header..self.text_octets], &mut text);
        let mut written = [0; TEXT_OCTETS_MAX];
        let own = Some(carrier.alphabet).filter(|_| shift == Shift::DEFAULT);
        let octets = match own.and_then(|alphabet| write_text(&text, alphabet, &mut written)) {
            Some(octets) => octets,
            None => {
                self.data_coding = carrier.data_coding(CodingScheme::UCS2.0);
                let may_be_long = header == 0 && self.part.is_none();
                self.in_payload |= may_be_long && 2 * ucs2_units(&text) > SMS_OCTETS_MAX;
                let most = if self.in_payload { TEXT_OCTETS_MAX } else { SMS_OCTETS_MAX - header };
                write_ucs2(&text, written.get_mut(..most)?)?
            }
        };
        self.text[header..header + octets].copy_from_slice(&written[..octets]);
        self.text_octets = header + octets;
        Some(())
    }

    /// The header as it is, then the text: one septet an octet where the carrier does not pack.
    fn put_text(&mut self, user_data: &UserData<'_>, packs: bool) {
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

    /// Behind what is there the text of a segment without its header, a septet an octet.
    fn put_bare(&mut self, slot: &AttemptSlot, segment: usize) {
        let user_data = deliver(slot, segment).user_data;
        let at = self.text_octets;
        match user_data.payload() {
            Payload::Septets { octets, first, count, .. } => {
                let text = &mut self.text[at..at + usize::from(count)];
                wire::sms::septets::unpack(octets, usize::from(first), text);
                self.text_octets += usize::from(count);
            }
            Payload::Octets(octets) | Payload::Ucs2(octets) | Payload::Compressed(octets) => {
                self.text[at..at + octets.len()].copy_from_slice(octets);
                self.text_octets += octets.len();
            }
        }
    }

    /// Eight septets in seven octets, where the text is of septets.
    fn pack(&mut self, user_data: &UserData<'_>) {
        if !matches!(user_data.payload(), Payload::Septets { .. }) {
            return;
        }
        let mut packed = [0; TEXT_OCTETS_MAX];
        let septets = &self.text[..self.text_octets];
        debug_assert!(septets.len() <= 10 * SEPTETS_MAX);
        self.text_octets = wire::sms::septets::pack(septets, &mut packed);
        *self.text = packed;
    }

    /// The optional parameters, written into `space` of [`TLVS_OCTETS_MAX`] octets.
    pub(super) fn tlvs<'a>(&self, carrier: &Carrier, space: &'a mut [u8]) -> Tlvs<'a> {
        let mut tlvs = TlvWriter::new(space);
        if carrier.tlvs {
            tlvs.short(Tag::USER_MESSAGE_REFERENCE, self.reference);
        }
        if let Some(Part { reference, total, number }) = self.part {
            tlvs.short(Tag::SAR_MSG_REF_NUM, reference);
            tlvs.octet(Tag::SAR_TOTAL_SEGMENTS, total);
            tlvs.octet(Tag::SAR_SEGMENT_SEQNUM, number);
        }
        if self.in_payload {
            tlvs.octets(Tag::MESSAGE_PAYLOAD, &self.text[..self.text_octets]);
        }
        tlvs.finish().unwrap_or_default()
    }

    /// As a PDU has it.
    pub(super) fn message<'a>(&'a self, carrier: &'a Carrier, tlvs: Tlvs<'a>) -> Message<'a> {
        let text = if self.in_payload { &[][..] } else { &self.text[..self.text_octets] };
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
            short_message: text,
            tlvs,
        }
    }
}

/// Writes the text as UTF-16, the high octet first; `None` where there is no room for it.
fn write_ucs2(text: &str, out: &mut [u8]) -> Option<usize> {
    let mut at = 0;
    for unit in text.encode_utf16() {
        out.get_mut(at..at + 2)?.copy_from_slice(&unit.to_be_bytes());
        at += 2;
    }
    Some(at)
}

/// user_message_reference of a push's SMS.
pub(super) fn reference_of(push_id: u64) -> u16 {
    push_id as u16
}

fn priority_of(class: Class) -> u8 {
    match class {
        Class::Standard | Class::Exercise => 0,
        Class::Urgent => 1,
        Class::Emergency => 3,
    }
}
