//! What shards have a carrier asked about SMS that it has: cancel_sm and query_sm.
//!
//! Invariants: a question is put once, and never again unless it did not leave; what it does not
//! settle, the receipt or the end of the wait for it does; no more are taken than there is room
//! for, and of all shards alike; while SMS wait for a session, half of its window is theirs.

use super::{HAND_BITS, Home, SEGMENT_BITS};
use crate::network::port::{Asked, CarrierQuestion, ReceiptReply};
use crate::network::smpp::exchange::next;
use crate::network::smpp::outcome::receipt_of;
use crate::network::smpp::receipts::Arrived;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use wire::smpp::address;
use wire::smpp::address::OwnAddress;
use wire::smpp::command::Command;
use wire::smpp::pdu::{Body, Cancel, Query};
use wire::smpp::receipt::MessageState;
use wire::smpp::session::Session;
use wire::smpp::status::Status;
use wire::terms::time::SteadyMs;

/// Room for one of them.
const QUESTION_OCTETS_MAX: usize = 256;
/// Questions that wait for room on a session; beyond it they wait at their shards.
const QUESTIONS_MAX: usize = 4_096;
/// In the place of a permit: it is a question that was sent.
const NO_HAND: u64 = (1 << HAND_BITS) - 1;

/// The questions of one carrier.
#[derive(Default)]
pub(super) struct Questions {
    waiting: VecDeque<CarrierQuestion>,
    /// By token, with the session that it went by.
    sent: HashMap<u64, (usize, CarrierQuestion)>,
    number: u32,
    /// The shard whose turn it is to have one taken.
    turn: usize,
}

/// Whether it is a question that was sent with this token.
pub(super) fn is_question(token: u64) -> bool {
    token >> SEGMENT_BITS & NO_HAND == NO_HAND
}

impl Home {
    /// Takes what shards have the carrier asked, as far as it takes such questions.
    pub(super) fn take_questions(&mut self) {
        let exchange = Arc::clone(&self.exchange);
        let shards = exchange.shards();
        let mut empty = 0;
        while empty < shards && self.questions.waiting.len() < QUESTIONS_MAX {
            let owner = self.questions.turn % shards;
            self.questions.turn = owner + 1;
            let Some(question) = next(exchange.questions(owner)) else {
                empty += 1;
                continue;
            };
            empty = 0;
            let takes = match question.asked {
                Asked::Cancel => self.carrier.cancels,
                Asked::Query => self.carrier.queries,
            };
            if takes {
                self.questions.waiting.push_back(question);
            }
        }
        exchange.set_takes_questions(self.questions.waiting.len() < QUESTIONS_MAX);
    }

    /// Whether a question may go by a session: where SMS wait for it too they take turns.
    fn may_ask(&mut self, at: usize) -> bool {
        let place = &mut self.places[at];
        if place.waiting.is_empty() {
            return true;
        }
        match usize::from(self.carrier.window) / 2 {
            0 => !std::mem::take(&mut place.asked_last),
            half => place.asked < half,
        }
    }

    /// Puts questions on a session that is bound, as long as its window allows, and tells `written`
    /// of each; whether there were any. They are no SMS, and none of the rate is theirs.
    pub(super) fn ask(
        &mut self,
        at: usize,
        session: &mut Session,
        output: &mut Vec<u8>,
        written: &mut dyn FnMut(usize, u64),
        now_ms: SteadyMs,
    ) -> bool {
        let mut busy = false;
        while session.room() > 0
            && self.may_ask(at)
            && let Some(question) = self.questions.waiting.pop_front()
        {
            busy = true;
            self.exchange.set_takes_questions(true);
            let number = self.questions.number;
            self.questions.number = number.wrapping_add(1);
            let token = u64::from(number) << (SEGMENT_BITS + HAND_BITS) | NO_HAND << SEGMENT_BITS;
            let mut pdu = [0; QUESTION_OCTETS_MAX];
            let country = self.carrier.country;
            let (ton, npi) = (self.carrier.source_ton, self.carrier.source_npi);
            let sender = address::source(&question.sender, country, ton, npi);
            let source = sender.as_ref().map(OwnAddress::as_address).unwrap_or_default();
            let phone = address::destination(question.msn, country, self.carrier.destination);
            let message_id = &question.id[..];
            let (command, body) = match question.asked {
                Asked::Query => (Command::QUERY_SM, Body::Query(Query { message_id, source })),
                Asked::Cancel => {
                    let service_type = self.carrier.service_type.as_bytes();
                    let destination = phone.as_address();
                    let cancel = Cancel { service_type, message_id, source, destination };
                    (Command::CANCEL_SM, Body::Cancel(cancel))
                }
            };
            let Ok(octets) = session.request(&mut pdu, command, &body, token, now_ms.ms()) else {
                // What a session does not take, its receipt still says.
                self.exchange.figures.add(|figures| &figures.questions_let_go, 1);
                continue;
            };
            output.extend_from_slice(&pdu[..octets]);
            written(octets, token);
            let figures = &self.exchange.figures;
            match question.asked {
                Asked::Cancel => figures.add(|figures| &figures.cancels, 1),
                Asked::Query => figures.add(|figures| &figures.queries, 1),
            }
            self.places[at].asked += 1;
            self.places[at].asked_last = true;
            self.questions.sent.insert(token, (at, question));
        }
        busy
    }

    /// The answer to a question. What a query says of an SMS that has ended counts as its receipt;
    /// a cancel is settled by the receipt that follows.
    pub(super) fn question_answered(&mut self, token: u64, status: Status, body: &Body<'_>) {
        let Some(question) = self.take_sent(token) else { return };
        let Body::QueryResp(answer) = body else { return };
        if status != Status::OK {
            return;
        }
        let state = MessageState::from_number(u32::from(answer.message_state));
        let Some(says) = state.and_then(receipt_of) else { return };
        let carrier = self.exchange.number();
        let digits = question.msn.digits();
        self.receipts.receive_answer(Arrived {
            id: &question.id,
            says,
            numbers: [&digits, &[]],
            reply: ReceiptReply { carrier, session: (0, 0), request: None },
        });
    }

    /// A question has not left: it is the next again, on whichever session.
    pub(super) fn question_unsent(&mut self, token: u64) {
        let question = self.take_sent(token);
        question.into_iter().for_each(|question| self.questions.waiting.push_front(question));
    }

    /// A question has no answer.
    pub(super) fn question_lost(&mut self, token: u64) {
        if self.take_sent(token).is_some() {
            self.exchange.figures.add(|figures| &figures.questions_let_go, 1);
        }
    }

    fn take_sent(&mut self, token: u64) -> Option<CarrierQuestion> {
        let (at, question) = self.questions.sent.remove(&token)?;
        let asked = &mut self.places[at].asked;
        *asked = asked.saturating_sub(1);
        Some(question)
    }
}
