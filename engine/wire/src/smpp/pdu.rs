//! PDUs: octets to values and back (SMPP 3.4, clause 4).
//!
//! A command says what a PDU is, its [`Body`] what it holds. Values borrow from the PDU; nothing is
//! copied and nothing allocated. Real peers depart from the specification in ways that cost nobody
//! anything: what was read around is told as [`Oddities`], and what makes a PDU unreadable as a
//! [`PduError`] with the status to answer.

mod bind;
mod manage;
mod message;
mod multi;

pub use bind::{Bind, BindKind, BindResp};
pub use manage::{Alert, Cancel, Query, QueryResp};
pub use message::{Data, Message, MessageResp, Replace};
pub use multi::{Destination, Destinations, Failures, Multi, MultiResp};

use super::command::Command;
use super::error::{Fault, Field, PduError};
use super::frame::Header;
use super::limits::{HEADER_OCTETS, SEQUENCE_MAX};
use super::oddities::Oddities;
use super::reader::Reader;
use super::status::Status;
use super::writer::Writer;

/// A PDU that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pdu<'a> {
    /// Its header.
    pub header: Header,
    /// Its fields.
    pub body: Body<'a>,
    /// What was read around.
    pub oddities: Oddities,
    /// What is wrong behind the fields that were read; only [`decode_leniently`] lets that pass.
    pub fault: Option<PduError>,
}

/// What a PDU holds beside its header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// Nothing: enquire_link, unbind, generic_nack and most answers that say no.
    Empty,
    /// bind_transmitter, bind_receiver, bind_transceiver.
    Bind(Bind<'a>),
    /// Their answers.
    BindResp(BindResp<'a>),
    /// submit_sm, deliver_sm.
    Message(Message<'a>),
    /// data_sm.
    Data(Data<'a>),
    /// submit_multi.
    Multi(Multi<'a>),
    /// submit_multi_resp.
    MultiResp(MultiResp<'a>),
    /// submit_sm_resp, deliver_sm_resp, data_sm_resp.
    MessageResp(MessageResp<'a>),
    /// query_sm.
    Query(Query<'a>),
    /// query_sm_resp.
    QueryResp(QueryResp<'a>),
    /// cancel_sm.
    Cancel(Cancel<'a>),
    /// replace_sm.
    Replace(Replace<'a>),
    /// alert_notification.
    Alert(Alert<'a>),
    /// A command that is not read here: its octets.
    Other(&'a [u8]),
}

impl<'a> Body<'a> {
    /// The message_id of an answer that names one.
    pub fn message_id(&self) -> Option<&'a [u8]> {
        match self {
            Self::MessageResp(answer) => answer.id(),
            Self::MultiResp(answer) => Some(answer.message_id).filter(|id| !id.is_empty()),
            _ => None,
        }
    }

    /// Peculiarities of the values that were read around: texts in addresses, lengths of times and
    /// of TLVs.
    pub fn oddities(&self) -> Oddities {
        match self {
            Self::Message(message) => message.oddities(),
            Self::Data(data) => data.tlvs.oddities(),
            Self::Multi(multi) => multi.message().oddities(),
            Self::MessageResp(answer) => answer.tlvs.oddities(),
            _ => Oddities::NONE,
        }
    }
}

/// Reads a PDU of exactly its command_length, as [`super::frame::first_pdu`] gives it.
///
/// A body that cannot be read never matters in an answer: it is left out, and told as an oddity
/// where the answer says that all went well (SMPP 5.0, 3.2.1.3: an answer with an error has no
/// body; many peers send one).
///
/// # Errors
/// A request whose fields do not end within it, or a length that is not the slice's.
#[inline]
pub fn decode(pdu: &[u8]) -> Result<Pdu<'_>, PduError> {
    read(pdu, true)
}

/// The same, but a message whose octets or TLVs go beyond the end is read as far as it goes, and
/// told beside it: a receipt can be understood all the same.
///
/// # Errors
/// See [`decode`]; of a message, a fault before its octets.
#[inline]
pub fn decode_leniently(pdu: &[u8]) -> Result<Pdu<'_>, PduError> {
    read(pdu, false)
}

#[inline]
fn read(pdu: &[u8], is_strict: bool) -> Result<Pdu<'_>, PduError> {
    let Some(header) = Header::read(pdu) else {
        return Err(PduError { field: Field::Header, offset: 0, fault: Fault::Truncated });
    };
    if header.length as usize != pdu.len() {
        return Err(wrong_length(&header, pdu));
    }
    read_framed(header, pdu, is_strict)
}

/// A PDU whose header was read already, by the session that asked what to do with it; see
/// [`decode_leniently`].
#[inline]
pub(super) fn decode_framed(header: Header, pdu: &[u8]) -> Result<Pdu<'_>, PduError> {
    debug_assert_eq!(header.length as usize, pdu.len(), "it was framed by its length");
    read_framed(header, pdu, false)
}

#[cold]
fn wrong_length(header: &Header, pdu: &[u8]) -> PduError {
    let announced = u16::try_from(header.length).unwrap_or(u16::MAX);
    let available = u16::try_from(pdu.len()).unwrap_or(u16::MAX);
    PduError { field: Field::Header, offset: 0, fault: Fault::Beyond { announced, available } }
}

/// The commonest of all is read where it is wanted: an answer of an id and no more. Everything else
/// takes many times as long, and its fields are not in the way here.
#[inline]
fn read_framed(header: Header, pdu: &[u8], is_strict: bool) -> Result<Pdu<'_>, PduError> {
    if is_message_answer(header.command)
        && let Some(answer) = pdu.get(HEADER_OCTETS..).and_then(MessageResp::of_an_id)
    {
        let oddities = Oddities::NONE.with_if(is_odd(header.sequence), Oddities::SEQUENCE);
        return Ok(Pdu { header, body: Body::MessageResp(answer), oddities, fault: None });
    }
    read_any(header, pdu, is_strict)
}

#[inline(never)]
fn read_any(header: Header, pdu: &[u8], is_strict: bool) -> Result<Pdu<'_>, PduError> {
    let mut reader = Reader::new(pdu, HEADER_OCTETS);
    // Read where it goes to: it is large, and each hand that it passes through copies it.
    if matches!(header.command, Command::SUBMIT_SM | Command::DELIVER_SM) {
        let (message, fault) = Message::read(&mut reader)?;
        if let Some(fault) = fault.filter(|_| is_strict) {
            return Err(fault);
        }
        let oddities = oddities_of(&header, &reader);
        return Ok(Pdu { header, body: Body::Message(message), oddities, fault });
    }
    if header.command.is_response() {
        let body = read_answer(&header, &mut reader);
        let oddities = oddities_of(&header, &reader);
        return Ok(Pdu { header, body, oddities, fault: None });
    }
    let (body, fault) = read_request(header.command, &mut reader)?;
    if let Some(fault) = fault.filter(|_| is_strict) {
        return Err(fault);
    }
    let oddities = oddities_of(&header, &reader);
    Ok(Pdu { header, body, oddities, fault })
}

#[inline]
const fn is_odd(sequence: u32) -> bool {
    sequence == 0 || sequence > SEQUENCE_MAX
}

#[inline]
fn oddities_of(header: &Header, reader: &Reader<'_>) -> Oddities {
    reader.oddities.with_if(is_odd(header.sequence), Oddities::SEQUENCE)
}

/// A body, and what is wrong behind those of its fields that were read.
type Read<'a> = (Body<'a>, Option<PduError>);

fn read_request<'a>(command: Command, reader: &mut Reader<'a>) -> Result<Read<'a>, PduError> {
    let (body, fault) = match command {
        Command::DATA_SM => {
            let (data, fault) = Data::read(reader)?;
            (Body::Data(data), fault)
        }
        Command::SUBMIT_MULTI => {
            let (multi, fault) = Multi::read(reader)?;
            (Body::Multi(multi), fault)
        }
        Command::REPLACE_SM => {
            let (replace, fault) = Replace::read(reader)?;
            (Body::Replace(replace), fault)
        }
        Command::ALERT_NOTIFICATION => {
            let (alert, fault) = Alert::read(reader)?;
            (Body::Alert(alert), fault)
        }
        Command::QUERY_SM => (Body::Query(Query::read(reader)?), None),
        Command::CANCEL_SM => (Body::Cancel(Cancel::read(reader)?), None),
        Command::ENQUIRE_LINK | Command::UNBIND => {
            reader.end();
            (Body::Empty, None)
        }
        _ => match BindKind::of_request(command) {
            Some(kind) => (Body::Bind(Bind::read(kind, reader)?), None),
            None => (Body::Other(reader.rest()), None),
        },
    };
    Ok((body, fault))
}

#[inline]
const fn is_message_answer(command: Command) -> bool {
    matches!(command, Command::SUBMIT_SM_RESP | Command::DELIVER_SM_RESP | Command::DATA_SM_RESP)
}

/// An answer, with its body where that can be read.
fn read_answer<'a>(header: &Header, reader: &mut Reader<'a>) -> Body<'a> {
    let read = match header.command {
        Command::QUERY_SM_RESP => QueryResp::read(reader).map(Body::QueryResp),
        Command::SUBMIT_MULTI_RESP => MultiResp::read(reader).map(Body::MultiResp),
        command if is_message_answer(command) => MessageResp::read(reader).map(Body::MessageResp),
        command => match (BindKind::of_answer(command), command.name()) {
            (Some(_), _) => BindResp::read(reader).map(Body::BindResp),
            (None, Some(_)) => {
                reader.end();
                return Body::Empty;
            }
            (None, None) => return Body::Other(reader.rest()),
        },
    };
    read.unwrap_or_else(|| without_body(header, reader))
}

/// An answer whose body is not there or cannot be read; where it says that all went well, that is
/// odd.
fn without_body<'a>(header: &Header, reader: &mut Reader<'a>) -> Body<'a> {
    let is_missing = reader.rest().is_empty();
    let oddity = if is_missing { Oddities::MISSING_BODY } else { Oddities::UNREADABLE_BODY };
    reader.oddities = reader.oddities.with_if(header.status == Status::OK, oddity);
    Body::Empty
}

/// Writes a PDU and gives its octets. `with_tlvs` says whether the peer knows optional parameters:
/// one below 3.4 does not and is sent none (SMPP 3.4, 3.5).
///
/// # Errors
/// A field that is longer than the specification allows or holds a NUL, or a buffer that is too
/// small. What was written of the PDU until then is left in the buffer.
///
/// # Panics
/// When the body is not the command's: a bug of the caller.
pub fn encode(
    out: &mut [u8],
    command: Command,
    status: Status,
    sequence: u32,
    body: &Body<'_>,
    with_tlvs: bool,
) -> Result<usize, PduError> {
    let mut writer = Writer::new(out);
    match body {
        Body::Message(message) => {
            assert!(matches!(command, Command::SUBMIT_SM | Command::DELIVER_SM), "{command}");
            message.write(&mut writer, with_tlvs)?;
        }
        Body::MessageResp(answer) => {
            assert!(command.is_response(), "{command}");
            answer.write(&mut writer, with_tlvs)?;
        }
        other => write_other(&mut writer, command, other, with_tlvs)?,
    }
    writer.finish(command, status, sequence)
}

fn write_other(
    writer: &mut Writer<'_>,
    command: Command,
    body: &Body<'_>,
    with_tlvs: bool,
) -> Result<(), PduError> {
    let expected = match body {
        Body::Bind(bind) => bind.kind.request(),
        Body::Data(_) => Command::DATA_SM,
        Body::Multi(_) => Command::SUBMIT_MULTI,
        Body::MultiResp(_) => Command::SUBMIT_MULTI_RESP,
        Body::Query(_) => Command::QUERY_SM,
        Body::QueryResp(_) => Command::QUERY_SM_RESP,
        Body::Cancel(_) => Command::CANCEL_SM,
        Body::Replace(_) => Command::REPLACE_SM,
        Body::Alert(_) => Command::ALERT_NOTIFICATION,
        _ => command,
    };
    assert_eq!(command, expected, "the body is another command's");
    match body {
        Body::Empty => Ok(()),
        Body::Bind(bind) => bind.write(writer),
        Body::BindResp(answer) => {
            assert!(BindKind::of_answer(command).is_some(), "{command}");
            answer.write(writer, with_tlvs)
        }
        Body::Data(data) => data.write(writer),
        Body::Multi(multi) => multi.write(writer),
        Body::MultiResp(answer) => answer.write(writer, with_tlvs),
        Body::Query(query) => query.write(writer),
        Body::QueryResp(answer) => answer.write(writer),
        Body::Cancel(cancel) => cancel.write(writer),
        Body::Replace(replace) => replace.write(writer, with_tlvs),
        Body::Alert(alert) => alert.write(writer, with_tlvs),
        Body::Other(octets) => writer.bytes(Field::Body, octets),
        Body::Message(_) | Body::MessageResp(_) => unreachable!("written by the caller"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn an_answer_is_read_at_once_as_it_is_field_by_field(
            body in vec(prop_oneof![0_u8..3, any::<u8>()], 0..80),
            ends in any::<bool>(),
            command in prop_oneof![
                Just(Command::SUBMIT_SM_RESP),
                Just(Command::DELIVER_SM_RESP),
                Just(Command::DATA_SM_RESP),
            ],
            sequence in prop_oneof![Just(0), any::<u32>()],
        ) {
            let body: Vec<u8> = body.into_iter().chain(ends.then_some(0)).collect();
            let mut pdu = vec![0; HEADER_OCTETS];
            pdu.extend_from_slice(&body);
            let length = pdu.len() as u32;
            pdu[..4].copy_from_slice(&length.to_be_bytes());
            pdu[4..8].copy_from_slice(&command.0.to_be_bytes());
            pdu[12..16].copy_from_slice(&sequence.to_be_bytes());
            let header = Header::read(&pdu).expect("sixteen octets");
            prop_assert_eq!(decode(&pdu), read_any(header, &pdu, true));
            prop_assert_eq!(decode_framed(header, &pdu), read_any(header, &pdu, false));
        }
    }
}
