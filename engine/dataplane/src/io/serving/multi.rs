//! The answer to a submit_multi: each destination is a push of its own, with a place of its own
//! among the answers, and the PDU is answered when all of them are.

use std::collections::VecDeque;
use wire::smpp::address::Address;
use wire::smpp::customer::status_of;
use wire::smpp::id::OwnId;
use wire::smpp::limits::PDU_OCTETS_MAX;
use wire::smpp::pdu::{Body, Destination, Destinations, Failures, MultiResp};
use wire::smpp::status::Status;
use wire::smpp::tlv::{Tag, TlvWriter};
use wire::terms::code::Code;

/// What became of one destination.
pub(super) enum Fared {
    /// Of its push: the key, and the code.
    Told { key: u64, code: Code },
    /// There was no push in it.
    Refused(Status),
}

/// One submit_multi whose destinations are not all answered.
pub(super) struct MultiUnderWay {
    /// Its destinations as they came, those that are not answered at the end.
    destinations: VecDeque<Box<[u8]>>,
    version: u8,
    /// Keys of those that were taken.
    keys: Vec<u64>,
    /// Their ids, with a comma behind each destination but the last.
    ids: Vec<u8>,
    failures: Vec<u8>,
    failed: u8,
    /// How the first fared that was not taken.
    first_failure: Status,
}

impl MultiUnderWay {
    /// To these; one without any is refused with this status.
    pub(super) fn new(destinations: Destinations<'_>, version: u8) -> Self {
        let named = |destination: Destination<'_>| {
            let Address { ton, npi, digits } = destination.address();
            [&[ton, npi], digits].concat().into_boxed_slice()
        };
        Self {
            destinations: destinations.iter().map(named).collect(),
            version,
            keys: Vec::new(),
            ids: Vec::new(),
            failures: Vec::new(),
            failed: 0,
            first_failure: Status::OK,
        }
    }

    /// Octets that it holds.
    pub(super) fn held(&self) -> usize {
        let places = self.destinations.len() * (size_of::<Box<[u8]>>() + size_of::<u64>());
        places + self.ids.capacity() + self.failures.capacity()
    }

    /// Whether the push with this key was taken by it.
    pub(super) fn has(&self, key: u64) -> bool {
        self.keys.contains(&key)
    }

    /// The next destination has fared so; whether it was the last.
    pub(super) fn note(&mut self, fared: &Fared) -> bool {
        let status = match *fared {
            Fared::Told { code, .. } => status_of(code, self.version),
            Fared::Refused(status) => status,
        };
        if let (Status::OK, &Fared::Told { key, .. }) = (status, fared) {
            self.keys.push(key);
            self.ids.extend_from_slice(OwnId::new(key).digits());
        }
        let Some(octets) = self.destinations.pop_front() else {
            self.first_failure = status;
            return true;
        };
        if status != Status::OK
            && let &[ton, npi, ref digits @ ..] = &octets[..]
        {
            let address = Address { ton, npi, digits };
            Failures::put(&mut self.failures, &address, status);
            self.failed = self.failed.saturating_add(1);
            if self.first_failure == Status::OK {
                self.first_failure = status;
            }
        }
        let is_last = self.destinations.is_empty();
        if !is_last {
            self.ids.push(b',');
        }
        is_last
    }

    /// Has `write` take the answer: with an id where any was taken, and else the status of the
    /// first.
    pub(super) fn answer<T>(&self, write: impl FnOnce(Status, &Body<'_>) -> T) -> T {
        let Some(&first) = self.keys.first() else {
            return write(self.first_failure, &Body::Empty);
        };
        let mut space = vec![0; self.ids.len() + 8];
        let mut tlvs = TlvWriter::new(&mut space);
        tlvs.octets(Tag::VENDOR_MESSAGE_IDS, &self.ids);
        let id = OwnId::new(first);
        write(
            Status::OK,
            &Body::MultiResp(MultiResp {
                message_id: id.digits(),
                failures: Failures::new(&self.failures, self.failed),
                tlvs: tlvs.finish().unwrap_or_default(),
            }),
        )
    }
}

/// Room for the longest answer.
pub(super) const ANSWER_OCTETS_MAX: usize = PDU_OCTETS_MAX;

/// An id has at most 19 digits and a comma behind it, an address in unsuccess_sme 27 octets with
/// its status; there are 255 destinations.
const _: () = assert!(256 * (20 + 27) < ANSWER_OCTETS_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use wire::smpp::pdu::{decode, encode};
    use wire::smpp::session::VERSION_34;

    const TWO: &[u8] = b"\x01\x01\x01819012345678\x00\x02friends\x00";

    fn told(key: u64, code: Code) -> Fared {
        Fared::Told { key, code }
    }

    #[test]
    fn what_was_taken_has_ids_in_its_place_and_what_was_not_is_named() {
        let mut multi = MultiUnderWay::new(Destinations::new(TWO, 2), VERSION_34);
        assert!(!multi.note(&told(7, Code::ACCEPTED)));
        assert!(multi.has(7) && !multi.has(8));
        assert!(multi.note(&Fared::Refused(Status::INVALID_LIST_NAME)));
        multi.answer(|status, body| {
            let Body::MultiResp(answer) = body else { panic!("{body:?}") };
            assert_eq!((status, answer.message_id), (Status::OK, &b"7"[..]));
            let ids = answer.tlvs.find(Tag::VENDOR_MESSAGE_IDS).map(|tlv| tlv.value);
            assert_eq!(ids, Some(&b"7,"[..]));
            let failed: Vec<_> =
                answer.failures.iter().map(|(address, _)| address.digits).collect();
            assert_eq!(failed, [b"friends"]);
        });
    }

    #[test]
    fn where_none_is_taken_the_answer_is_the_first_ones_status() {
        let mut multi = MultiUnderWay::new(Destinations::new(TWO, 2), VERSION_34);
        multi.note(&told(7, Code::RATE));
        multi.note(&told(8, Code::OVERLOAD));
        multi.answer(|status, body| assert_eq!((status, body), (Status::THROTTLED, &Body::Empty)));
        let mut none = MultiUnderWay::new(Destinations::new(&[], 0), VERSION_34);
        assert!(none.note(&Fared::Refused(Status::INVALID_DESTINATION_COUNT)));
        none.answer(|status, _| assert_eq!(status, Status::INVALID_DESTINATION_COUNT));
    }

    #[test]
    fn the_longest_answer_is_one_pdu() {
        let one = b"\x01\x01\x0181901234567890123456\x00";
        let all = one.repeat(255);
        let mut multi = MultiUnderWay::new(Destinations::new(&all, 255), VERSION_34);
        for at in 0..255_u64 {
            let code = if at % 2 == 0 { Code::ACCEPTED } else { Code::RATE };
            assert_eq!(multi.note(&told(u64::MAX >> 1, code)), at == 254);
        }
        let mut pdu = vec![0; ANSWER_OCTETS_MAX];
        let octets = multi.answer(|status, body| {
            let command = wire::smpp::command::Command::SUBMIT_MULTI_RESP;
            encode(&mut pdu, command, status, 1, body, true)
        });
        assert!(decode(&pdu[..octets.expect("room")]).is_ok());
    }
}
