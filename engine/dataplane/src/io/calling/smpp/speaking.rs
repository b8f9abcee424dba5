//! The session on one connection to a carrier: what comes is handed to the carrier's home, and what
//! is said is kept until it has left.
//!
//! Never here: a socket, or a decision about a push.

use crate::io::link::{Session as LinkSession, Takes};
use crate::io::now::Now;
use crate::io::pdu_trace::Tracer;
use crate::network::port::ReceiptReply;
use crate::network::smpp::home::Home;
use std::collections::VecDeque;
use wire::smpp::limits::{CONTROL_OCTETS_MAX, CONTROLS_MAX, PDU_OCTETS_MAX};
use wire::smpp::pdu::{Body, MessageResp};
use wire::smpp::session::{CloseReason, Event, RequestId, Session, State};
use wire::smpp::status::Status;
use wire::terms::time::SteadyMs;

/// Room for the PDUs that a session makes by itself.
const CONTROLS_OCTETS: usize = CONTROLS_MAX * CONTROL_OCTETS_MAX;
/// Room for a bind or the answer to a message.
pub(super) const SHORT_PDU_OCTETS_MAX: usize = 256;
/// While so much waits to be sent to a carrier nothing is read from it.
pub(super) const OUTPUT_OCTETS_MAX: usize = 256 * 1024;

/// The session on a connection.
pub(super) struct Speaking {
    pub(super) session: Session,
    pub(super) output: Vec<u8>,
    name: (u32, u32),
    pub(super) was_bound: bool,
    pub(super) closed: Option<CloseReason>,
    /// It is over, and what had not left yet was taken back.
    cut: bool,
    /// Octets that were ever put into `output`.
    pub(super) written: u64,
    /// SMS in `output`, or that were at the last look: where each ends, and its token.
    pub(super) leaving: VecDeque<(u64, u64)>,
    /// Where its PDUs are kept, while an operator looks at them.
    pub(super) tracer: Option<Tracer>,
}

/// What a session asks for while it takes octets.
pub(super) struct Desk<'a> {
    pub(super) home: &'a mut Home,
    pub(super) now: Now,
}

impl Speaking {
    /// A session that nothing was said on; `name` is its connection's place and generation.
    pub(super) fn new(session: Session, name: (u32, u32)) -> Self {
        Self {
            session,
            output: Vec::new(),
            name,
            was_bound: false,
            closed: None,
            cut: false,
            written: 0,
            leaving: VecDeque::new(),
            tracer: None,
        }
    }

    /// The connection has ended.
    pub(super) fn hang_up(&mut self) {
        self.session.handle_end();
    }

    pub(super) fn say(&mut self, octets: &[u8]) {
        if let Some(tracer) = &self.tracer {
            tracer.sent(octets);
        }
        self.output.extend_from_slice(octets);
        self.written += octets.len() as u64;
    }

    /// Octets that were handed on to be sent: nobody knows how far they came.
    fn left(&self) -> u64 {
        self.written - self.output.len() as u64
    }

    pub(super) fn forget_what_has_left(&mut self) {
        let left = self.left();
        while self.leaving.front().is_some_and(|(end, _)| *end <= left) {
            self.leaving.pop_front();
        }
    }

    pub(super) fn take_events(&mut self, home: &mut Home, now: Now) {
        if self.session.state() == State::Closed && !std::mem::replace(&mut self.cut, true) {
            self.forget_what_has_left();
            // What has not left yet never does: it may be submitted elsewhere.
            (self.written, _) = (self.left(), self.output.clear());
        }
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::InDoubt { token } => {
                    if self.leaving.iter().any(|(_, leaving)| *leaving == token) {
                        home.handle_unsent(token);
                    } else {
                        home.handle_doubt(token, now.steady_ms);
                    }
                }
                Event::Closed { reason } => self.closed = Some(reason),
                _ => {}
            }
        }
    }

    /// What the session says by itself.
    pub(super) fn take_output(&mut self) {
        let mut pdus = [0; CONTROLS_OCTETS];
        let octets = self.session.poll_output(&mut pdus);
        self.say(&pdus[..octets]);
    }

    pub(super) fn answer(&mut self, request: RequestId, now: Now) {
        let mut pdu = [0; SHORT_PDU_OCTETS_MAX];
        let body = Body::MessageResp(MessageResp::default());
        let answered =
            self.session.answer(&mut pdu, request, Status::OK, &body, now.steady_ms.ms());
        if let Ok(octets) = answered {
            self.say(&pdu[..octets]);
        }
    }
}

impl LinkSession for Speaking {
    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn due_ms(&self) -> SteadyMs {
        self.session.poll_deadline().map_or(SteadyMs::NEVER, SteadyMs::new)
    }

    fn wants_more(&self, unconsumed: usize, _most: usize) -> bool {
        unconsumed < 2 * PDU_OCTETS_MAX
            && self.output.len() < OUTPUT_OCTETS_MAX
            && self.session.is_reading()
    }

    fn held(&self) -> usize {
        self.output.capacity()
    }

    fn shrink(&mut self) {
        if self.output.is_empty() {
            self.output = Vec::new();
        }
    }
}

impl Takes<Desk<'_>> for Speaking {
    fn take(&mut self, octets: &[u8], _room: usize, desk: &mut Desk<'_>) -> Option<usize> {
        let (mut at, now_ms) = (0, desk.now.steady_ms);
        loop {
            if self.output.len() >= OUTPUT_OCTETS_MAX {
                // It takes nothing of what it is answered: what it sent waits.
                return Some(at);
            }
            let taken = self.session.handle_octets(&octets[at..], now_ms.ms());
            if let Some(tracer) = &self.tracer {
                tracer.received(&octets[at..at + taken.octets]);
            }
            at += taken.octets;
            let is_done = taken.octets == 0;
            match taken.event {
                Some(Event::Answer { token, status, body, oddities, waited_ms }) => {
                    let times = (waited_ms, now_ms);
                    if desk.home.handle_answer(token, status, &body, oddities, times) {
                        self.session.close();
                    }
                }
                Some(Event::Alert { body }) => desk.home.handle_alert(&body),
                Some(Event::LateAnswer { token, status, body }) => {
                    desk.home.handle_late_answer(token, status, &body);
                }
                Some(Event::Request { request, body, oddities }) => {
                    let carrier = desk.home.carrier().number;
                    let reply =
                        ReceiptReply { carrier, session: self.name, request: Some(request) };
                    if desk.home.handle_message(&body, oddities, reply, now_ms) {
                        self.answer(request, desk.now);
                    }
                }
                _ => {}
            }
            self.take_events(desk.home, desk.now);
            self.take_output();
            if is_done || self.closed.is_some() {
                return Some(at);
            }
        }
    }

    fn end(&mut self, _unconsumed: &[u8], desk: &mut Desk<'_>) {
        self.session.handle_end();
        self.take_events(desk.home, desk.now);
    }
}
