//! One session of a sender, and the connections it has one after the other.

use super::{Esme, Link};
use crate::limits::RECONNECT_PAUSE_NS_MAX;
use crate::smpp::link::Received;
use std::sync::atomic::Ordering::Relaxed;
use wire::smpp::session::{CloseReason, Event, State};

/// See the module's head.
#[derive(Default)]
pub(super) struct Line {
    /// `None` between two connections.
    pub(super) link: Option<Link>,
    pub(super) is_bound: bool,
    /// Nothing is connected any more.
    pub(super) is_ending: bool,
    pub(super) retry_at_ns: u64,
    /// Answers that came on it.
    pub(super) answered: u64,
}

impl Line {
    /// How many submits may be added.
    pub(super) fn room(&self) -> usize {
        match &self.link {
            Some(link) if link.output.has_room() => link.session.room(),
            _ => 0,
        }
    }

    /// Whether the bind waits for its answer.
    pub(super) fn is_binding(&self) -> bool {
        self.link.is_some() && !self.is_bound
    }
}

impl Esme {
    /// Sends what was written on line `at`.
    pub(super) fn flush(&mut self, at: usize) {
        let Some(link) = &mut self.lines[at].link else { return };
        if let Err(error) = link.flush() {
            self.lose(at, &error.to_string(), false);
        }
    }

    /// Reads, answers and writes on line `at`.
    pub(super) fn serve(&mut self, at: usize) {
        loop {
            let Some(mut link) = self.lines.get_mut(at).and_then(|line| line.link.take()) else {
                return;
            };
            let ended = self.take_pdus(at, &mut link);
            let flushed = link.flush();
            let may_read = link.session.is_reading() && link.output.has_room();
            let received = if ended.is_none() && flushed.is_ok() && may_read {
                link.receive()
            } else {
                Ok(Received::Rest)
            };
            if matches!(received, Ok(Received::End) | Err(_)) {
                link.session.handle_end();
            }
            let ended = ended.or_else(|| self.take_pdus(at, &mut link));
            let flushed = flushed.and_then(|()| link.flush());
            self.lines[at].link = Some(link);
            match (ended, flushed, received) {
                (Some(reason), ..) => {
                    return self.lose(at, &reason.to_string(), reason == CloseReason::Unbound);
                }
                (None, Err(error), _) => return self.lose(at, &error.to_string(), false),
                (None, Ok(()), Ok(Received::More)) => {}
                (None, Ok(()), _) => return,
            }
        }
    }

    /// Takes every whole PDU that has arrived; gives why the session is over, if it is.
    fn take_pdus(&mut self, at: usize, link: &mut Link) -> Option<CloseReason> {
        loop {
            let now_ms = self.now_ms();
            let Link { session, input, output, .. } = link;
            if !output.has_room() {
                return None;
            }
            let taken = session.handle_octets(input.octets(), now_ms);
            let octets = taken.octets;
            match taken.event {
                Some(Event::Bound { .. }) => {
                    self.lines[at].is_bound = true;
                    self.bound += 1;
                }
                Some(Event::Answer { token, status, body, .. }) => {
                    self.settle(at, token, status, &body);
                }
                Some(Event::Request { request, body, .. }) => {
                    let status = self.take_delivery(&body);
                    let space = output.space();
                    let none = wire::smpp::pdu::Body::MessageResp(Default::default());
                    let answer = session.answer(space, request, status, &none, now_ms);
                    output.wrote(answer.unwrap_or_default());
                }
                _ => {}
            }
            let mut ended = None;
            while let Some(event) = session.poll_event() {
                match event {
                    Event::InDoubt { token } => self.doubt(token),
                    Event::Closed { reason } => ended = Some(reason),
                    _ => {}
                }
            }
            input.take(octets);
            if ended.is_some() || octets == 0 {
                return ended;
            }
        }
    }

    /// The connection of line `at` is over: what it owed is in doubt and goes out again.
    pub(super) fn lose(&mut self, at: usize, why: &str, in_order: bool) {
        let now_ns = self.now_ns();
        let line = &mut self.lines[at];
        let Some(mut link) = line.link.take() else { return };
        let was_bound = std::mem::take(&mut line.is_bound);
        let is_ending = line.is_ending || link.session.state() == State::Unbinding;
        line.retry_at_ns = now_ns + RECONNECT_PAUSE_NS_MAX;
        link.session.handle_end();
        while let Some(event) = link.session.poll_event() {
            if let Event::InDoubt { token } = event {
                self.doubt(token);
            }
        }
        if was_bound {
            self.bound -= 1;
        }
        if is_ending {
            return;
        }
        if in_order {
            self.sent.connections_closed += 1;
        } else {
            self.sent.last_fault = Some(why.to_owned());
            if was_bound {
                self.sent.connections_lost += 1;
                self.shared.connections_lost.fetch_add(1, Relaxed);
            }
        }
    }
}
