//! The SMSC's book: what came, what was answered, which receipts were sent and taken.

use super::super::matching::AsIs;
use crate::limits::MESSAGES_WATCHED_MAX;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasherDefault;
use wire::smpp::oddities::Oddities;
use wire::smpp::pdu::Message;
use wire::smpp::status::Status;
use wire::terms::mix::mix;

/// What an SMSC has done so far.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Report {
    /// Binds that were taken.
    pub binds: u64,
    /// Binds that were refused.
    pub binds_refused: u64,
    /// Sessions that are bound now.
    pub sessions: u64,
    /// Unbinds by the other side.
    pub unbinds: u64,
    /// Connections that it cut on purpose.
    pub cut: u64,
    /// Why sessions ended, beside unbinds.
    pub ends: BTreeMap<String, u64>,
    /// submit_sm and data_sm that came.
    pub submits: u64,
    /// Of those, the ones it took: it has the message, whatever became of the answer.
    pub taken: u64,
    /// Of those, the ones that it had taken before: the same addresses, text and parameters.
    pub taken_again: u64,
    /// Whether more came than can be told from each other.
    pub too_many_to_tell: bool,
    /// Answers by their status.
    pub answers: BTreeMap<String, u64>,
    /// Answers without a body, on purpose.
    pub bodyless: u64,
    /// Answers that came late, on purpose.
    pub late: u64,
    /// Messages whose sender got no answer: not given on purpose, or the connection was gone.
    pub in_doubt: u64,
    /// Messages that want a receipt.
    pub receipts_due: u64,
    /// Receipts that are not acknowledged, sent or not.
    pub receipts_waiting: u64,
    /// deliver_sm that were sent, repeats and doubles included.
    pub receipts_sent: u64,
    /// Receipts that were sent again because they were not acknowledged.
    pub receipts_again: u64,
    /// Receipts that were acknowledged with ESME_ROK.
    pub receipts_taken: u64,
    /// Receipts that the other side wants no more of.
    pub receipts_declined: u64,
    /// Receipts that were not sent, on purpose.
    pub receipts_lost: u64,
    /// Receipts that were sent twice, on purpose.
    pub receipts_doubled: u64,
    /// Receipts that were sent before the answer, on purpose.
    pub receipts_early: u64,
    /// Messages that were cancelled.
    pub cancelled: u64,
    /// query_sm.
    pub queries: u64,
    /// Requests that could not be read.
    pub bad_requests: u64,
    /// Requests that did not belong there.
    pub refused_requests: u64,
    /// Answers that nobody waited for.
    pub unexpected_answers: u64,
    /// What the other side does otherwise than the specification.
    pub oddities: BTreeMap<String, u64>,
}

impl Report {
    /// Whether all that was taken came once, and every receipt that was due is accounted for.
    pub fn is_settled(&self) -> bool {
        self.taken_again == 0 && self.receipts_waiting == 0 && !self.too_many_to_tell
    }
}

/// The report under way.
#[derive(Default)]
pub(super) struct Book {
    /// All but what is counted below.
    pub(super) counts: Report,
    answers: BTreeMap<u32, u64>,
    seen: HashSet<u64, BuildHasherDefault<AsIs>>,
}

impl Book {
    pub(super) fn report(&self) -> Report {
        let mut report = self.counts.clone();
        let name = |number: u32| Status(number).to_string();
        report.answers =
            self.answers.iter().map(|(&number, &count)| (name(number), count)).collect();
        report
    }

    /// An answer with this status.
    pub(super) fn note_answer(&mut self, status: Status) {
        *self.answers.entry(status.0).or_default() += 1;
    }

    pub(super) fn note_oddities(&mut self, oddities: Oddities) {
        for name in oddities.names() {
            *self.counts.oddities.entry(name.to_owned()).or_default() += 1;
        }
    }

    pub(super) fn note_end(&mut self, reason: &str) {
        *self.counts.ends.entry(reason.to_owned()).or_default() += 1;
    }

    /// A message was taken.
    pub(super) fn note_taken(&mut self, message: &Message<'_>) {
        self.counts.taken += 1;
        if self.seen.len() >= MESSAGES_WATCHED_MAX {
            self.counts.too_many_to_tell = true;
        } else if !self.seen.insert(fingerprint(message)) {
            self.counts.taken_again += 1;
        }
    }
}

/// 64 bits that no two different messages share, for all that matters here.
fn fingerprint(message: &Message<'_>) -> u64 {
    let pieces = [
        message.source.digits,
        message.destination.digits,
        message.short_message,
        message.tlvs.octets(),
    ];
    let mut hash = u64::from(message.data_coding) << 8 | u64::from(message.esm_class.0);
    for piece in pieces {
        let (words, rest) = piece.as_chunks::<8>();
        hash = words.iter().fold(hash, |hash, word| mix(hash ^ u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = mix(hash ^ u64::from_le_bytes(last)).rotate_left(5) ^ piece.len() as u64;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::smpp::address::Address;

    #[test]
    fn a_message_is_the_same_only_where_all_that_is_sent_is() {
        let number = |digits| Address { ton: 1, npi: 1, digits };
        let message = |digits, short_message| Message {
            destination: number(digits),
            short_message,
            ..Message::default()
        };
        let first = message(b"819012345678", b"hello");
        let mut book = Book::default();
        for (message, again) in [
            (first, 0),
            (message(b"819012345678", b"hello!"), 0),
            (message(b"819012345679", b"hello"), 0),
            (message(b"819012345678h", b"ello"), 0),
            (Message { data_coding: 8, ..first }, 0),
            (first, 1),
        ] {
            book.note_taken(&message);
            assert_eq!(book.counts.taken_again, again, "{message:?}");
        }
        assert_eq!(book.report().taken, 6);
    }
}
