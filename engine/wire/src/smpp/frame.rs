//! Where a PDU ends: by its command_length alone, so that no PDU ever touches the next (SMPP 3.4,
//! 3.2 and 3.3).

use super::command::Command;
use super::limits::{HEADER_OCTETS, PDU_OCTETS_MAX};
use super::status::Status;

/// The header of a PDU (SMPP 3.4, 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Octets of the whole PDU, this header included.
    pub length: u32,
    /// What it asks or answers.
    pub command: Command,
    /// How the request fared; 0 in requests.
    pub status: Status,
    /// Matches answers with requests: 1 to 7FFFFFFF, and whatever else peers send.
    pub sequence: u32,
}

impl Header {
    /// Reads a header; any octets are one. `None` where there are fewer than 16.
    #[inline]
    pub fn read(octets: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_OCTETS] = octets.first_chunk()?;
        let ([length, command, status, sequence], []) = header.as_chunks::<4>() else {
            return None;
        };
        Some(Self {
            length: u32::from_be_bytes(*length),
            command: Command(u32::from_be_bytes(*command)),
            status: Status(u32::from_be_bytes(*status)),
            sequence: u32::from_be_bytes(*sequence),
        })
    }
}

/// What the octets at a PDU's place are instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Foreign {
    /// A request or an answer of HTTP.
    Http,
    /// The hello of TLS.
    Tls,
}

/// A length that no PDU has: the stream cannot be read on, and the connection ends with a
/// generic_nack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a command_length of {length} octets")]
pub struct FrameError {
    /// What stands in the place of the length.
    pub length: u32,
    /// The sequence number of the header; 0 where that has not come yet.
    pub sequence: u32,
    /// What the peer speaks instead, where that can be told.
    pub foreign: Option<Foreign>,
}

/// The first PDU of `input` as a slice of exactly its command_length; `None` where octets of it are
/// still to come.
///
/// # Errors
/// A length below 16 or above [`PDU_OCTETS_MAX`], told as soon as the first four octets are there.
#[inline]
pub fn first_pdu(input: &[u8]) -> Result<Option<&[u8]>, FrameError> {
    let Some(first) = input.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*first);
    if !(HEADER_OCTETS as u32..=PDU_OCTETS_MAX as u32).contains(&length) {
        let sequence = Header::read(input).map_or(0, |header| header.sequence);
        return Err(FrameError { length, sequence, foreign: foreign(first) });
    }
    Ok(input.get(..length as usize))
}

fn foreign(first: &[u8; 4]) -> Option<Foreign> {
    match first {
        b"HTTP" | b"GET " | b"POST" | b"HEAD" | b"PUT " | b"OPTI" => Some(Foreign::Http),
        [0x16, 0x03, ..] => Some(Foreign::Tls),
        _ => None,
    }
}
