//! submit_sm and data_sm as pushes.
//!
//! What cannot be a push is refused with a status. What is one but holds content that cannot be
//! sent goes on as a submission whose content says why: the customer is told once its rights are
//! checked, as a push client of HTTP is.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::super::address::{Country, msn_of, ton};
use super::super::coding::{Alphabet, Coding, read_text, read_ucs2, write_text};
use super::super::limits::{ADDRESS_OCTETS_MAX, TIME_OCTETS_MAX};
use super::super::pdu::{Data, Message};
use super::super::status::Status;
use super::super::time::Time;
use super::super::tlv::{Tag, Tlvs};
use crate::push::limits::{ALERT_ID_OCTETS_MAX, LIFETIME_HOURS_MAX, SENDER_OCTETS_MAX};
use crate::sms::coding_scheme::{CharacterSet, CodingScheme};
use crate::sms::header::{Header, identifier};
use crate::sms::limits::{CLIENT_HEADER_OCTETS_MAX, USER_DATA_SEPTETS_MAX};
use crate::sms::segment::Content;
use crate::sms::septets;
use crate::submission::{Alert, Door, Receipts, ReceiptsAsked, Submission};
use crate::terms::code::Code;
use crate::terms::ids::{Class, Kind, Reqid, Xpid, is_a_type};

/// How long a push lives that says nothing of it.
pub const LIFETIME_HOURS_DEFAULT: u8 = 24;
/// The longest that it may live.
const LIFETIME_MS_MAX: u64 = LIFETIME_HOURS_MAX as u64 * 3_600_000;
/// The highest priority_flag (SMPP 3.4, 5.2.14).
const PRIORITY_MAX: u8 = 3;
/// The highest alertseq.
const ALERT_SEQUENCE_MAX: u8 = 99;
/// A concatenation header: its length, the element's identifier and length, reference, total,
/// number.
const CONCATENATION_OCTETS: usize = 6;
/// Seed of the digest: kept in journals, so it never changes.
const CONTENT_SEED: u64 = 3;

/// What a session's registration has to say to a submit_sm.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The contract.
    pub xpid: Xpid,
    /// What text of data_coding 0 is in.
    pub alphabet: Alphabet,
    /// The country of its phones.
    pub country: Country,
    /// Whether it may push as urgent.
    pub urgent: bool,
    /// Whether it may push as an emergency.
    pub emergency: bool,
}

/// Room to decode one message in, kept for all of them.
#[derive(Clone, Debug, Default)]
pub struct Room {
    text: String,
    octets: Vec<u8>,
    header: [u8; CONCATENATION_OCTETS],
}

/// data_sm as the submit_sm that it stands for: its text is message_payload.
pub fn message_of<'a>(data: &Data<'a>) -> Message<'a> {
    Message {
        service_type: data.service_type,
        source: data.source,
        destination: data.destination,
        esm_class: data.esm_class,
        registered_delivery: data.registered_delivery,
        data_coding: data.data_coding,
        tlvs: data.tlvs,
        ..Message::default()
    }
}

/// The push that a submit_sm asks for, at `now_ms` Unix milliseconds. `make_reqid` makes the id of
/// one that brings none. What had to be decoded lies in `room`.
///
/// # Errors
/// What to answer where there is no push in it.
pub fn submission<'a>(
    message: &Message<'a>,
    terms: &Terms,
    make_reqid: impl FnOnce() -> Reqid,
    now_ms: u64,
    room: &'a mut Room,
) -> Result<Submission<'a>, Status> {
    check_flags(message)?;
    let msn = msn_of(&message.destination, terms.country).ok_or(Status::INVALID_DESTINATION)?;
    let (lifetime_hours, expiry_ms) = validity(message, now_ms)?;
    let digest = digest(message);
    let Room { text, octets, header } = room;
    let parts = Parts::of(message, header)?;
    let (kind, coding_scheme, content) = parts.content(message.data_coding, terms, (text, octets));
    Ok(Submission {
        class: class_of(message.priority_flag, terms)?,
        kind,
        msn,
        xpid: terms.xpid,
        reqid: reqid_of(message.tlvs)?.unwrap_or_else(make_reqid),
        content,
        header: parts.header,
        protocol_identifier: Some(message.protocol_id).filter(|&pid| pid != 0),
        coding_scheme,
        sender: sender_of(message)?,
        lifetime_hours,
        expiry_ms,
        notify: None,
        alert: alert_of(message.tlvs)?,
        digest,
        door: Door::Smpp(ReceiptsAsked {
            receipts: Receipts::of(message.registered_delivery),
            reference: reference_of(message.tlvs),
            is_national: is_national(message),
        }),
    })
}

/// What is asked of the SMSC that this one does not do.
fn check_flags(message: &Message<'_>) -> Result<(), Status> {
    if !message.schedule_delivery_time.is_empty() {
        return Err(Status::INVALID_SCHEDULE);
    }
    if message.replace_if_present_flag != 0 {
        return Err(Status::INVALID_REPLACE_FLAG);
    }
    if message.sm_default_msg_id != 0 {
        return Err(Status::INVALID_DEFAULT_MESSAGE);
    }
    Ok(())
}

/// The lifetime in hours, and when the push expires whatever that says.
fn validity(message: &Message<'_>, now_ms: u64) -> Result<(u8, Option<u64>), Status> {
    let expiry_ms = if message.validity_period.is_empty() {
        None
    } else {
        let until_ms = match Time::parse(message.validity_period) {
            Some(Time::Absolute(at_ms)) => at_ms,
            Some(Time::Relative(period_ms)) => now_ms.saturating_add(period_ms),
            None => return Err(Status::INVALID_EXPIRY),
        };
        if until_ms <= now_ms {
            return Err(Status::INVALID_EXPIRY);
        }
        Some(until_ms.min(now_ms + LIFETIME_MS_MAX))
    };
    let hours = match expiry_ms {
        _ if message.esm_class.is_datagram() => 0,
        Some(_) => LIFETIME_HOURS_MAX,
        None => LIFETIME_HOURS_DEFAULT,
    };
    Ok((hours, expiry_ms))
}

/// The class of a priority, lowered to what the registration may.
fn class_of(priority: u8, terms: &Terms) -> Result<Class, Status> {
    match priority {
        0 => Ok(Class::Standard),
        2..=PRIORITY_MAX if terms.emergency => Ok(Class::Emergency),
        1..=PRIORITY_MAX if terms.urgent => Ok(Class::Urgent),
        1..=PRIORITY_MAX => Ok(Class::Standard),
        _ => Err(Status::INVALID_PRIORITY),
    }
}

fn reqid_of(tlvs: Tlvs<'_>) -> Result<Option<Reqid>, Status> {
    let Some(tlv) = tlvs.find(Tag::VENDOR_REQID) else { return Ok(None) };
    Reqid::parse(tlv.text()).map(Some).ok_or(Status::INVALID_TLV_VALUE)
}

fn alert_of(tlvs: Tlvs<'_>) -> Result<Option<Alert<'_>>, Status> {
    let Some(tlv) = tlvs.find(Tag::VENDOR_ALERT_ID) else { return Ok(None) };
    let id = tlv.text();
    let is_legal =
        (1..=ALERT_ID_OCTETS_MAX).contains(&id.len()) && id.iter().copied().all(is_a_type);
    let sequence = match tlvs.find(Tag::VENDOR_ALERT_SEQUENCE) {
        None => Some(0),
        Some(tlv) => match tlv.value {
            &[sequence @ 0..=ALERT_SEQUENCE_MAX] => Some(sequence),
            _ => None,
        },
    };
    let sequence = sequence.filter(|_| is_legal).ok_or(Status::INVALID_TLV_VALUE)?;
    Ok(Some(Alert { id, sequence }))
}

fn reference_of(tlvs: Tlvs<'_>) -> Option<u16> {
    tlvs.number(Tag::USER_MESSAGE_REFERENCE)?.try_into().ok()
}

/// The originating address, if the customer chose one. Whether it is one of the registration's, the
/// registration knows.
fn sender_of<'a>(message: &Message<'a>) -> Result<Option<&'a [u8]>, Status> {
    let sender = message.source.digits;
    if sender.is_empty() {
        return Ok(None);
    }
    let is_legal = sender.len() <= SENDER_OCTETS_MAX && sender.iter().copied().all(is_a_type);
    if is_legal { Ok(Some(sender)) } else { Err(Status::INVALID_SOURCE) }
}

fn is_national(message: &Message<'_>) -> bool {
    let destination = message.destination;
    destination.ton != ton::INTERNATIONAL && !destination.digits.starts_with(b"+")
}

/// A message taken apart.
struct Parts<'a> {
    /// The user data header, its length octet first; or empty.
    header: &'a [u8],
    /// Whether the customer has cut a longer message, of which this is a part.
    is_part: bool,
    /// Whether the header is what the message should begin with and does not.
    is_header_bad: bool,
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(message: &Message<'a>, made: &'a mut [u8; CONCATENATION_OCTETS]) -> Result<Self, Status> {
        let content = message.content().map_err(|_| Status::INVALID_MESSAGE_LENGTH)?;
        let sar = sar_of(message.tlvs);
        if !message.esm_class.has_header() {
            let Some([reference, total, number]) = sar else {
                let header = &[][..];
                return Ok(Self { header, is_part: false, is_header_bad: false, body: content });
            };
            *made = [
                CONCATENATION_OCTETS as u8 - 1,
                identifier::CONCATENATION_8,
                3,
                reference,
                total,
                number,
            ];
            return Ok(Self { header: made, is_part: true, is_header_bad: false, body: content });
        }
        if sar.is_some() {
            return Err(Status::INVALID_ESM_CLASS);
        }
        let octets = content.first().map_or(0, |&length| 1 + usize::from(length));
        let Some((header, body)) = content.split_at_checked(octets).filter(|_| octets > 0) else {
            let header = &[][..];
            return Ok(Self { header, is_part: false, is_header_bad: true, body: content });
        };
        let sound = Header::parse(header);
        let concatenation = [identifier::CONCATENATION_8, identifier::CONCATENATION_16];
        let is_part = sound.is_ok_and(|header| header.position_of(&concatenation).is_some());
        let is_header_bad = sound.is_err() || header.len() > CLIENT_HEADER_OCTETS_MAX;
        let header = if is_header_bad { &[] } else { header };
        Ok(Self { header, is_part, is_header_bad, body })
    }

    /// Kind, TP-DCS and content by the data_coding.
    fn content<'r>(
        &self,
        data_coding: u8,
        terms: &Terms,
        (text, octets): (&'r mut String, &'r mut Vec<u8>),
    ) -> (Kind, Option<u8>, Result<Content<'r>, Code>)
    where
        'a: 'r,
    {
        let Some(coding) = Coding::of(data_coding, terms.alphabet) else {
            return (Kind::Text, None, Err(Code::BAD_DCS));
        };
        let (set, alphabet, dcs) = match coding {
            Coding::Text(alphabet) => (CharacterSet::Gsm7, alphabet, None),
            Coding::Ucs2 => (CharacterSet::Ucs2, Alphabet::Gsm, None),
            Coding::Octets => (CharacterSet::EightBit, Alphabet::Gsm, None),
            Coding::TpDcs(dcs) => {
                (CodingScheme(dcs).character_set(), terms.alphabet, Some(CodingScheme(dcs)))
            }
        };
        let kind = if set == CharacterSet::EightBit { Kind::Control } else { Kind::Text };
        if self.is_header_bad {
            return (kind, None, Err(Code::BAD_UDH));
        }
        if self.body.is_empty() {
            return (kind, None, Err(Code::DATA_EMPTY));
        }
        let dcs = dcs.map(|scheme| scheme.0);
        if let Some(part) = self.as_part(set, alphabet, (text, octets)) {
            return (kind, Some(dcs.unwrap_or_else(|| plain(set))), part.map(Content::Part));
        }
        let content = match set {
            CharacterSet::EightBit => Ok(Content::Octets(self.body)),
            CharacterSet::Ucs2 => {
                text.clear();
                read_ucs2(self.body, text);
                Ok(Content::Text(text))
            }
            CharacterSet::Gsm7 => {
                text.clear();
                let is_text = read_text(self.body, alphabet, text);
                is_text.then_some(Content::Text(text)).ok_or(Code::NO_ALPHABET)
            }
        };
        (kind, dcs, content)
    }

    /// The octets of a message that goes out as it came: a part that the customer has cut, or one
    /// SMS of 7-bit text. `None` for what is to be decoded.
    fn as_part<'r>(
        &self,
        set: CharacterSet,
        alphabet: Alphabet,
        (text, octets): (&mut String, &'r mut Vec<u8>),
    ) -> Option<Result<&'r [u8], Code>>
    where
        'a: 'r,
    {
        if set == CharacterSet::Gsm7 && alphabet == Alphabet::Gsm {
            let is_one = self.header.is_empty() && self.body.len() <= USER_DATA_SEPTETS_MAX;
            if !self.is_part && !is_one {
                return None;
            }
            let is_text = self.body.iter().all(|&septet| septet < 0x80);
            return Some(is_text.then_some(self.body).ok_or(Code::NO_ALPHABET));
        }
        if !self.is_part {
            return None;
        }
        if set != CharacterSet::Gsm7 {
            return Some(Ok(self.body));
        }
        octets.clear();
        octets.resize(USER_DATA_SEPTETS_MAX, 0);
        let count = if alphabet == Alphabet::GsmPacked {
            self.unpack(octets)
        } else {
            text.clear();
            let is_text = read_text(self.body, alphabet, text);
            is_text.then(|| write_text(text, Alphabet::Gsm, octets)).flatten()
        };
        Some(count.and_then(|count| octets.get(..count)).ok_or(Code::NO_ALPHABET))
    }

    /// Septets behind a header begin at the next whole one, with bits to fill the gap.
    fn unpack(&self, out: &mut [u8]) -> Option<usize> {
        let before = self.header.len();
        let skipped = septets::septets_covering(before);
        let mut packed = [0; USER_DATA_SEPTETS_MAX];
        let all = packed.get_mut(..before + self.body.len())?;
        all[before..].copy_from_slice(self.body);
        let count = (all.len() * 8 / 7).checked_sub(skipped)?;
        septets::unpack(all, skipped, out.get_mut(..count)?);
        Some(count)
    }
}

/// The TP-DCS of this alphabet without a message class.
const fn plain(set: CharacterSet) -> u8 {
    match set {
        CharacterSet::Gsm7 => CodingScheme::GSM7.0,
        CharacterSet::EightBit => CodingScheme::EIGHT_BIT.0,
        CharacterSet::Ucs2 => CodingScheme::UCS2.0,
    }
}

/// Reference, total and number of a part; `None` where it is no part, or an impossible one.
fn sar_of(tlvs: Tlvs<'_>) -> Option<[u8; 3]> {
    let octet = |tag| tlvs.number(tag).and_then(|number| u8::try_from(number).ok());
    let reference = tlvs.number(Tag::SAR_MSG_REF_NUM)? as u8;
    let total = octet(Tag::SAR_TOTAL_SEGMENTS)?;
    let number = octet(Tag::SAR_SEGMENT_SEQNUM)?;
    (total > 1 && (1..=total).contains(&number)).then_some([reference, total, number])
}

/// Everything that makes the push's content but the key, as it was written.
//= push once key
fn digest(message: &Message<'_>) -> u64 {
    const FIXED_OCTETS: usize = 40;
    let mut octets = [0; FIXED_OCTETS + ADDRESS_OCTETS_MAX + TIME_OCTETS_MAX];
    let source = message.source.digits;
    let small = [
        message.esm_class.0,
        message.protocol_id,
        message.priority_flag,
        message.registered_delivery,
        message.data_coding,
        source.len() as u8,
        message.validity_period.len() as u8,
        u8::from(message.short_message.is_empty()),
    ];
    octets[..8].copy_from_slice(&small);
    octets[8..16].copy_from_slice(&xxh3_64(message.short_message).to_le_bytes());
    octets[16..24].copy_from_slice(&xxh3_64(message.tlvs.octets()).to_le_bytes());
    let mut at = 24;
    for piece in [source, message.validity_period] {
        let Some(place) = octets.get_mut(at..at + piece.len()) else { continue };
        place.copy_from_slice(piece);
        at += piece.len();
    }
    xxh3_64_with_seed(&octets[..at], CONTENT_SEED)
}
