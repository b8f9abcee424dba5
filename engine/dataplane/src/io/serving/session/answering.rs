//! The answers that a customer's session owes: each in its place, filled when it can be told, and
//! written when those before it are.

use super::Serving;
use crate::io::gate::Gate;
use crate::io::marks::Marks;
use crate::io::serving::multi::{ANSWER_OCTETS_MAX, Fared};
use crate::io::serving::placed::PlacedAnswer;
use crate::io::waits::{Moment, Waits};
use crate::shard::FoundPush;
use wire::push::response::Answer;
use wire::smpp::command::Command;
use wire::smpp::customer::status_of;
use wire::smpp::id::OwnId;
use wire::smpp::pdu::{Body, MessageResp, QueryResp};
use wire::smpp::session::{RequestId, VERSION_50};
use wire::smpp::status::Status;
use wire::smpp::time::absolute;
use wire::smpp::tlv::{Tag, TlvWriter, Tlvs};
use wire::terms::code::Code;
use wire::terms::time::SteadyMs;

/// Room for an answer, the words for its code with it.
const ANSWER_PDU_OCTETS_MAX: usize = 256;
/// An answer in its place.
pub(super) struct PendingPdu {
    request: RequestId,
    outcome: PlacedAnswer,
    pub(super) gate: Gate,
    /// Shards whose word is still to come.
    left: u16,
}

impl PendingPdu {
    /// What it tells cannot be made durable.
    pub(super) fn fail(&mut self) {
        self.gate = Gate::Open;
        match &mut self.outcome {
            PlacedAnswer::Submitted { code, .. } => *code = Code::NOT_DURABLE,
            PlacedAnswer::Queried { found, .. } | PlacedAnswer::Cancelled { found } => {
                found.code = Code::NOT_DURABLE;
            }
            PlacedAnswer::Refused(_) => {}
        }
    }
}

impl Serving {
    /// Whether the submit of the push with this key still waits for its answer here. The receipt
    /// comes behind that: before it the customer knows no push of that id.
    pub(in crate::io::serving) fn owes_answer_of(&self, key: u64) -> bool {
        let submitted = |pending: &PendingPdu| match pending.outcome {
            PlacedAnswer::Submitted { key, .. } => Some(key),
            _ => None,
        };
        self.pending.iter().any(|pending| submitted(pending) == Some(key))
            || self.multis.iter().any(|multi| multi.has(key))
    }

    /// The number that the next answer will have.
    pub(in crate::io::serving) fn next_number(&self) -> u64 {
        self.first_number + self.pending.len() as u64
    }

    /// Puts an answer into its place, which `left` shards are still to fill.
    pub(in crate::io::serving) fn put(
        &mut self,
        request: RequestId,
        outcome: PlacedAnswer,
        gate: Gate,
        left: u16,
    ) {
        self.pending.push_back(PendingPdu { request, outcome, gate, left });
    }

    /// Fills the place of an answer that another shard gave.
    pub(in crate::io::serving) fn fill(
        &mut self,
        number: u64,
        answer: Answer,
        found: Option<FoundPush>,
    ) {
        let Some(at) = number.checked_sub(self.first_number) else { return };
        let Some(pending) = self.pending.get_mut(at as usize) else { return };
        if pending.gate != Gate::Elsewhere {
            return;
        }
        pending.left = pending.left.saturating_sub(1);
        let is_last = pending.left == 0;
        match (&mut pending.outcome, found) {
            (PlacedAnswer::Submitted { code, .. }, _) => {
                *code = answer.code;
                pending.gate = Gate::Open;
            }
            (
                PlacedAnswer::Queried { found: place, .. }
                | PlacedAnswer::Cancelled { found: place },
                said,
            ) => {
                let said = said.unwrap_or(FoundPush { code: answer.code, ..FoundPush::NOTHING });
                let is_known = said.code != Code::PUSH_NOT_FOUND;
                if is_known {
                    *place = said;
                }
                if is_known || is_last {
                    pending.gate = Gate::Open;
                }
            }
            (PlacedAnswer::Refused(_), _) => {}
        }
    }

    /// Writes every answer at the front that may leave into the output, at the moment `leaves`.
    pub(in crate::io::serving) fn write_answers(
        &mut self,
        durable: &Marks,
        waits: &mut Waits,
        leaves: Moment,
        now_ms: SteadyMs,
    ) {
        while let Some(front) = self.pending.front() {
            if !front.gate.lets_go(durable, waits, leaves) {
                break;
            }
            let (request, outcome) = (front.request, front.outcome);
            self.pending.pop_front();
            self.first_number += 1;
            if request.command == Command::SUBMIT_MULTI {
                self.note_destination(request, outcome, now_ms);
            } else {
                self.write_answer(request, outcome, now_ms);
            }
        }
        self.take_output();
    }

    /// One destination of the submit_multi at the front is answered: with the last of them the PDU.
    fn note_destination(&mut self, request: RequestId, outcome: PlacedAnswer, now_ms: SteadyMs) {
        let Some(multi) = self.multis.front_mut() else { return };
        let fared = match outcome {
            PlacedAnswer::Submitted { key, code } => Fared::Told { key, code },
            PlacedAnswer::Refused(status) => Fared::Refused(status),
            PlacedAnswer::Queried { .. } | PlacedAnswer::Cancelled { .. } => {
                unreachable!("a destination is a push or refused")
            }
        };
        if !multi.note(&fared) {
            return;
        }
        let mut pdu = vec![0; ANSWER_OCTETS_MAX];
        let session = &mut self.session;
        let written = multi
            .answer(|status, body| session.answer(&mut pdu, request, status, body, now_ms.ms()));
        if let Ok(octets) = written {
            self.say(&pdu[..octets]);
        }
        self.multis.pop_front();
    }

    fn write_answer(&mut self, request: RequestId, outcome: PlacedAnswer, now_ms: SteadyMs) {
        let version = self.session.peer_version();
        let mut pdu = [0; ANSWER_PDU_OCTETS_MAX];
        let mut space = [0; ANSWER_PDU_OCTETS_MAX / 2];
        let (id, date);
        let (status, body) = match outcome {
            PlacedAnswer::Submitted { key, code } => {
                let status = status_of(code, version);
                id = OwnId::new(key);
                let mut answer = MessageResp::default();
                if status == Status::OK {
                    answer.message_id = id.digits();
                } else if version >= VERSION_50 {
                    answer.tlvs = words_of(code, &mut space);
                }
                let has_body = status == Status::OK || version >= VERSION_50;
                (status, if has_body { Body::MessageResp(answer) } else { Body::Empty })
            }
            PlacedAnswer::Refused(status) => (status, Body::Empty),
            PlacedAnswer::Queried { id: sought, found } => {
                id = OwnId::new(sought);
                date = absolute(found.ended_ms);
                let answer = QueryResp {
                    message_id: id.digits(),
                    final_date: if found.ended_ms == 0 { &[][..] } else { &date[..] },
                    message_state: found.state.number(),
                    error_code: found.error,
                };
                match found.code {
                    Code::ACCEPTED => (Status::OK, Body::QueryResp(answer)),
                    Code::PUSH_NOT_FOUND => (Status::QUERY_FAILED, Body::Empty),
                    code => (status_of(code, version), Body::Empty),
                }
            }
            PlacedAnswer::Cancelled { found } => (status_of(found.code, version), Body::Empty),
        };
        if let Ok(octets) = self.session.answer(&mut pdu, request, status, &body, now_ms.ms()) {
            self.say(&pdu[..octets]);
        }
    }
}

/// The code and its meaning in words, for peers of 5.0.
fn words_of(code: Code, space: &mut [u8]) -> Tlvs<'_> {
    let mut words = [0; 96];
    let digits = code.digits();
    let pieces: [&[u8]; 3] = [&digits, b" ", code.meaning().as_bytes()];
    let mut at = 0;
    for piece in pieces {
        let piece = &piece[..piece.len().min(words.len() - at)];
        words[at..at + piece.len()].copy_from_slice(piece);
        at += piece.len();
    }
    let mut tlvs = TlvWriter::new(space);
    tlvs.text(Tag::ADDITIONAL_STATUS_INFO_TEXT, &words[..at]);
    tlvs.finish().unwrap_or_default()
}
