//! The session with a notification server: requests out, responses in, each read once and in the
//! order of the requests.
//!
//! Never here: sockets, and which connection carries what. An acknowledgement counts only for the
//! push that it names.

use crate::io::limits::{ACKNOWLEDGEMENT_OCTETS_MAX, NOTIFIER_IDLE_MS_MAX, RESPONSE_OCTETS_MAX};
use crate::io::link::{Session, Takes};
use crate::io::now::Now;
use crate::io::parts::{PartOrder, Parts};
use crate::shard::NotificationResult;
use std::collections::VecDeque;
use wire::push::notify::{
    Arrival, Body, ResponseOutcome, Subject, read_acknowledgement, read_response,
};
use wire::terms::time::SteadyMs;

/// The HTTP status by which a push client says that it wants no notification there any more.
const GONE: u16 = 410;

/// A notification that was sent.
pub(super) struct UnderWay {
    pub(super) order: PartOrder,
    pub(super) subject: Subject,
    pub(super) deadline_ms: SteadyMs,
}

/// The session with a notification server: notifications out, responses in.
pub(super) struct Notifying {
    pub(super) output: Vec<u8>,
    pub(super) under_way: VecDeque<UnderWay>,
    /// A response has arrived in part, and how far.
    partial: Option<Arrival>,
    /// The peer announced that it closes: nothing more is sent on it.
    pub(super) closes: bool,
    /// The endpoint has no use for it any more: it ends with its last answer, which says nothing
    /// about the endpoint.
    pub(super) retired: bool,
    /// Whether the peer has answered anything.
    pub(super) answered: bool,
    /// The status of its last answer, where that acknowledged nothing.
    pub(super) refused: Option<u16>,
    /// Whether its first answer kept the connection, until the endpoint has learnt it.
    pub(super) first_kept: Option<bool>,
    /// When it last had something under way or began.
    pub(super) used_ms: SteadyMs,
}

/// What a response is settled with.
pub(super) struct Settling<'a> {
    pub(super) parts: &'a mut Parts,
    pub(super) now: Now,
}

impl Session for Notifying {
    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// When its oldest notification must be answered; one that carries nothing ends a while after
    /// it last did.
    fn due_ms(&self) -> SteadyMs {
        match self.under_way.front() {
            Some(sent) => sent.deadline_ms,
            None if self.ends() => SteadyMs::NEVER,
            None => self.used_ms + NOTIFIER_IDLE_MS_MAX,
        }
    }

    fn wants_more(&self, _unconsumed: usize, _most: usize) -> bool {
        true
    }

    fn held(&self) -> usize {
        self.output.capacity() + self.under_way.capacity() * size_of::<UnderWay>()
    }

    fn shrink(&mut self) {
        if self.output.is_empty() {
            self.output = Vec::new();
        }
        if self.under_way.is_empty() {
            self.under_way = VecDeque::new();
        }
    }
}

impl Takes<Settling<'_>> for Notifying {
    /// `None` too when the connection is done: the peer announced its close and everything asked
    /// was answered, or a response is longer than any.
    fn take(&mut self, octets: &[u8], _room: usize, desk: &mut Settling<'_>) -> Option<usize> {
        if let Some(arrival) = &mut self.partial
            && !arrival.is_over(octets)
        {
            return (octets.len() <= RESPONSE_OCTETS_MAX).then_some(0);
        }
        let consumed = self.take_responses(octets, false, desk.parts, desk.now)?;
        let left = octets.len() - consumed;
        self.partial = (left > 0).then(Arrival::default);
        let is_done = self.ends() && self.under_way.is_empty();
        (left <= RESPONSE_OCTETS_MAX && !is_done).then_some(consumed)
    }

    fn end(&mut self, unconsumed: &[u8], desk: &mut Settling<'_>) {
        if !unconsumed.is_empty() {
            let _ = self.take_responses(unconsumed, true, desk.parts, desk.now);
        }
    }
}

impl Notifying {
    pub(super) fn new(now_ms: SteadyMs) -> Self {
        Self {
            output: Vec::new(),
            under_way: VecDeque::new(),
            partial: None,
            closes: false,
            retired: false,
            answered: false,
            refused: None,
            first_kept: None,
            used_ms: now_ms,
        }
    }

    /// Whether nothing more is sent on it.
    pub(super) fn ends(&self) -> bool {
        self.closes || self.retired
    }

    /// Reads whole responses; returns the octets done with, or `None` when the peer speaks
    /// something else.
    fn take_responses(
        &mut self,
        octets: &[u8],
        at_end: bool,
        parts: &mut Parts,
        now: Now,
    ) -> Option<usize> {
        let mut at = 0;
        while at < octets.len() {
            match read_response(&octets[at..], at_end) {
                ResponseOutcome::Partial => return Some(at),
                ResponseOutcome::Malformed => return None,
                ResponseOutcome::Complete(response) => {
                    let UnderWay { order, subject, .. } = self.under_way.pop_front()?;
                    if !std::mem::replace(&mut self.answered, true) {
                        self.first_kept = Some(response.keep_alive);
                    }
                    self.used_ms = now.steady_ms;
                    let acknowledged = (200..300).contains(&response.status)
                        && says_done(&response.body, &subject);
                    self.refused = (!acknowledged).then_some(response.status);
                    let result = if acknowledged {
                        NotificationResult::Acknowledged
                    } else if response.status == GONE {
                        NotificationResult::Gone
                    } else {
                        let retry_after_seconds = response.retry_after_seconds(now.wall_ms.ms());
                        NotificationResult::Failed { retry_after_seconds }
                    };
                    parts.settle(order, result, now);
                    self.closes |= !response.keep_alive;
                    at += response.octets;
                }
            }
        }
        Some(at)
    }
}

/// Whether the body is an E6 or E8 with code 0000 that names the push of the notification.
fn says_done(body: &Body<'_>, subject: &Subject) -> bool {
    let mut scratch = [0; ACKNOWLEDGEMENT_OCTETS_MAX];
    let body = body.joined(&mut scratch);
    body.filter(|body| body.len() <= ACKNOWLEDGEMENT_OCTETS_MAX)
        .and_then(|body| read_acknowledgement(body).ok())
        //= push notify acknowledged
        .is_some_and(|said| said.code_number == 0 && subject.is_named_by(&said))
}
