//! A push client's session: requests in, answers out in the order of the requests.
//!
//! Every request gets its place in the queue of answers at once; the place is filled now, when the
//! journal is durable, or when another shard has answered. Only filled places at the front leave.
//! Requests are parsed where the kernel put them; only an incomplete one is copied.
//!
//! A connection ends in two steps (`Leaving`), so that a client in the middle of a long body sees
//! why it was refused.

use crate::gateway::certificate::CertificateDigest;
use crate::gateway::registry::Credential;
use crate::io::gate::{Gate, Parting};
use crate::io::limits::{
    ANSWER_OCTETS, ANSWERS_OUTSTANDING_MAX, BLOCKED_INPUT_PART, FORESEEN_MAX,
    INPUT_PENDING_OCTETS_MAX,
};
use crate::io::link::{Session, Takes};
use crate::io::marks::Marks;
use crate::io::served::{Ending, Leaving, Lists, ServedSession};
use crate::io::waits::{Moment, Waits};
use crate::shard::retry_after_seconds;
use std::collections::VecDeque;
use std::net::IpAddr;
use wire::http::{CONTINUE, HeadMemory, HeadOutcome, HttpRefusal, RequestHead};
use wire::push::response::{Answer, AnswerHead, write_answer};
use wire::terms::code::Code;
use wire::terms::time::SteadyMs;

/// How a TLS client begins.
const TLS_HANDSHAKE: u8 = 22;

/// What a client is told that speaks TLS to a port that speaks plain HTTP.
const SPEAKS_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\
    Content-Length: 109\r\nConnection: close\r\n\r\n\
    This port speaks plain HTTP: use http:// and not https://, \
    or start the engine with --tls-cert and --tls-key\n";

struct PendingAnswer {
    answer: Answer,
    head: AnswerHead,
    gate: Gate,
}

/// What the connection asks of its shard for one request.
pub(super) trait Desk {
    /// A request that was read.
    type Foreseen<'body>;

    /// Reads a request, some time before it is taken.
    fn foresee<'body>(&self, body: &'body [u8]) -> Self::Foreseen<'body>;

    /// Has memory bring what a request will ask for.
    fn fetch(&self, foreseen: &Self::Foreseen<'_>);

    /// Steady milliseconds.
    fn now_ms(&self) -> SteadyMs;

    /// Takes a request; `number` is the answer's number on the connection. `None`: it is to come
    /// again when a box to its owner is free.
    fn request(
        &mut self,
        foreseen: &Self::Foreseen<'_>,
        authorization: Option<&[u8]>,
        credential: &mut Credential,
        number: u64,
    ) -> Option<(Answer, Gate)>;
}

/// What stands at the beginning of some octets.
enum Sight<'a, F> {
    Partial,
    Refused(HttpRefusal),
    /// A head without all of its body; whether the client waits to be told to send it.
    Headed(bool),
    Whole {
        head: RequestHead<'a>,
        foreseen: F,
    },
}

/// What was read ahead, in order.
struct Ahead<'a, F> {
    sights: [Option<Sight<'a, F>>; FORESEEN_MAX],
    taken: usize,
    filled: usize,
}

impl<F> Default for Ahead<'_, F> {
    fn default() -> Self {
        Self { sights: [const { None }; FORESEEN_MAX], taken: 0, filled: 0 }
    }
}

impl<'a, F> Ahead<'a, F> {
    /// The next one; `fill` reads on when there is none.
    fn next(&mut self, fill: impl FnOnce(&mut Self)) -> Sight<'a, F> {
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
            fill(self);
        }
        self.taken += 1;
        self.sights[self.taken - 1].take().unwrap_or(Sight::Partial)
    }

    fn push(&mut self, sight: Sight<'a, F>) {
        self.sights[self.filled] = Some(sight);
        self.filled += 1;
    }

    fn foreseen(&self) -> impl Iterator<Item = &F> {
        self.sights[..self.filled].iter().filter_map(|sight| match sight {
            Some(Sight::Whole { foreseen, .. }) => Some(foreseen),
            _ => None,
        })
    }
}

/// How long a client may take, in milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) request_ms: u64,
    pub(super) idle_ms: u64,
}

pub(super) struct Connection {
    patience: Patience,
    output: Vec<u8>,
    answers: VecDeque<PendingAnswer>,
    first_number: u64,
    credential: Credential,
    head_memory: HeadMemory,
    skip_octets: usize,
    continue_sent: bool,
    /// The client waits for leave to send its body, and answers stand before that.
    continue_due: bool,
    ends_after_answers: bool,
    leaving: Leaving,
    /// Parsing stopped at a bound, not for want of octets.
    blocked: bool,
    /// The bound was its client's portion of the boxes to another shard.
    awaits_box: bool,
    /// Since when a request is half there; 0: none is.
    half_since_ms: SteadyMs,
    last_octet_ms: SteadyMs,
    opened_ms: SteadyMs,
    lists: Lists,
    /// Stands in the shard's list of connections that wait for a box.
    pub(super) is_boxless: bool,
}

impl Connection {
    /// As a connection from this address, which some registrations ask for.
    pub(super) fn coming_from(self, peer: Option<IpAddr>) -> Self {
        Self { credential: Credential::of_peer(peer), ..self }
    }

    pub(super) fn new(patience: Patience, now_ms: SteadyMs) -> Self {
        Self {
            patience,
            output: Vec::new(),
            answers: VecDeque::new(),
            first_number: 0,
            credential: Credential::default(),
            head_memory: HeadMemory::new(),
            skip_octets: 0,
            continue_sent: false,
            continue_due: false,
            ends_after_answers: false,
            leaving: Leaving::default(),
            blocked: false,
            awaits_box: false,
            half_since_ms: SteadyMs::ZERO,
            last_octet_ms: now_ms,
            opened_ms: now_ms,
            lists: Lists::default(),
            is_boxless: false,
        }
    }

    /// Whether what was not consumed is to be taken now: answers have left, for which it waited.
    pub(super) fn resumes(&mut self, now_ms: SteadyMs) -> bool {
        if self.continue_due && self.answers.is_empty() && !self.ends_after_answers {
            self.invite(true);
            // The time to send the body begins now.
            self.half_since_ms = now_ms;
        }
        let has_room = self.answers.len() <= ANSWERS_OUTSTANDING_MAX / 2;
        self.blocked && (self.awaits_box && !self.is_boxless || !self.awaits_box && has_room)
    }

    /// Whether the next request waits for a box to the shard that owns its msn.
    pub(super) fn awaits_box(&self) -> bool {
        self.awaits_box
    }

    /// Fills the place of an answer that another shard gave.
    pub(super) fn fill(&mut self, number: u64, answer: Answer) {
        let Some(at) = number.checked_sub(self.first_number) else { return };
        if let Some(pending) = self.answers.get_mut(at as usize) {
            pending.head.retry_after_seconds = retry_after_seconds(answer.code);
            pending.answer = answer;
            pending.gate = Gate::Open;
        }
    }

    /// Writes every answer at the front that may leave into the output, which is at the moment
    /// `leaves`.
    //= push http in order
    pub(super) fn write_answers(
        &mut self,
        durable: &Marks,
        date: &[u8; 29],
        waits: &mut Waits,
        leaves: Moment,
    ) {
        while let Some(front) = self.answers.front() {
            if !front.gate.lets_go(durable, waits, leaves) {
                break;
            }
            write_answer(&mut self.output, date, &front.answer, &front.head);
            self.answers.pop_front();
            self.first_number += 1;
        }
    }

    /// Whether the peer was sent its last answer and has not closed.
    pub(super) fn lingers(&self) -> bool {
        self.leaving.has_finished()
    }

    /// The engine takes no further request on this connection: what was asked is still answered.
    pub(super) fn end_after_answers(&mut self) {
        self.ends_after_answers = true;
    }

    /// Whether no answer is outstanding, where so many octets of others are on their way.
    pub(super) fn is_idle(&self, unsent: usize) -> bool {
        self.answers.is_empty() && unsent == 0
    }

    /// Whether nothing has come, and nothing is to be answered, since so long.
    pub(super) fn is_quiet_since(&self, since_ms: SteadyMs) -> bool {
        self.answers.is_empty() && self.last_octet_ms <= since_ms
    }

    /// Whether the peer has not asked anything yet.
    fn is_new(&self) -> bool {
        self.first_number == 0 && self.answers.is_empty()
    }

    /// Whether the peer has asked nothing yet that a registered client may ask: requests of nobody,
    /// and of those whose proof is wrong, are as good as none.
    pub(super) fn is_unknown(&self) -> bool {
        !self.credential.is_known()
    }

    /// The client can be heard from now on: its time for a first request begins.
    pub(super) fn opens(&mut self, now_ms: SteadyMs) {
        self.opened_ms = now_ms;
    }

    /// Since when the client can be heard, steady milliseconds.
    pub(super) fn opened_ms(&self) -> SteadyMs {
        self.opened_ms
    }

    /// Says 408 to a peer that left a request half sent, if nothing else is being said.
    pub(super) fn write_request_timeout(&mut self) {
        if self.half_since_ms != SteadyMs::ZERO && self.answers.is_empty() {
            const TIMEOUT: &[u8] =
                b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            self.output.extend_from_slice(TIMEOUT);
        }
        self.half_since_ms = SteadyMs::ZERO;
        self.ends_after_answers = true;
    }

    /// Parses as many requests as are complete and allowed, and have room for their answers;
    /// returns the octets done with.
    fn take_requests(&mut self, octets: &[u8], room: usize, desk: &mut impl Desk) -> usize {
        let mut at = 0;
        let mut ahead = Ahead::default();
        (self.blocked, self.awaits_box) = (false, false);
        while at < octets.len() {
            if self.ends_after_answers {
                return octets.len();
            }
            if self.answers.len() >= ANSWERS_OUTSTANDING_MAX
                || self.output.len() + self.answers.len() * ANSWER_OCTETS >= room
            {
                self.blocked = true;
                return at;
            }
            if self.skip_octets > 0 {
                let skipped = self.skip_octets.min(octets.len() - at);
                self.skip_octets -= skipped;
                at += skipped;
                continue;
            }
            match ahead.next(|ahead| self.look_ahead(ahead, &octets[at..], desk)) {
                Sight::Partial => return at,
                Sight::Refused(_) if self.is_new() && octets[at] == TLS_HANDSHAKE => {
                    self.output.extend_from_slice(SPEAKS_TLS);
                    self.ends_after_answers = true;
                }
                Sight::Refused(refusal) => self.refuse(&refusal),
                Sight::Headed(expect_continue) => {
                    self.invite(expect_continue);
                    return at;
                }
                Sight::Whole { head, foreseen } => {
                    let number = self.first_number + self.answers.len() as u64;
                    let credential = &mut self.credential;
                    let taken = desk.request(&foreseen, head.authorization, credential, number);
                    let Some((answer, gate)) = taken else {
                        (self.blocked, self.awaits_box) = (true, true);
                        return at;
                    };
                    let answer_head = AnswerHead {
                        retry_after_seconds: retry_after_seconds(answer.code),
                        ..AnswerHead::of_request(&head)
                    };
                    self.answers.push_back(PendingAnswer { answer, head: answer_head, gate });
                    self.ends_after_answers = !head.keep_alive;
                    (self.continue_sent, self.continue_due) = (false, false);
                    at += head.head_octets + head.body_octets;
                }
            }
        }
        at
    }

    /// Reads the requests that stand at the beginning of these octets, of which there is at least
    /// one.
    fn look_ahead<'a, D: Desk>(
        &mut self,
        ahead: &mut Ahead<'a, D::Foreseen<'a>>,
        octets: &'a [u8],
        desk: &D,
    ) {
        let mut at = 0;
        while ahead.filled < FORESEEN_MAX && at < octets.len() {
            let sight = self.sight(&octets[at..], desk);
            let whole = match &sight {
                Sight::Whole { head, .. } => head.head_octets + head.body_octets,
                _ => 0,
            };
            ahead.push(sight);
            if whole == 0 {
                break;
            }
            at += whole;
        }
        ahead.foreseen().for_each(|foreseen| desk.fetch(foreseen));
    }

    fn sight<'a, D: Desk>(&mut self, octets: &'a [u8], desk: &D) -> Sight<'a, D::Foreseen<'a>> {
        match self.head_memory.read(octets) {
            HeadOutcome::Partial => Sight::Partial,
            HeadOutcome::Refused(refusal) => Sight::Refused(refusal),
            HeadOutcome::Complete(head) => {
                match octets.get(head.head_octets..head.head_octets + head.body_octets) {
                    Some(body) => Sight::Whole { head, foreseen: desk.foresee(body) },
                    None => Sight::Headed(head.expect_continue),
                }
            }
        }
    }

    fn refuse(&mut self, refusal: &HttpRefusal) {
        let (answer, head) = (Answer::bare(refusal.code), AnswerHead::of_refusal(refusal));
        self.answers.push_back(PendingAnswer { answer, head, gate: Gate::Open });
        match refusal.skip_octets {
            Some(octets) if !refusal.close => self.skip_octets = octets,
            _ => self.ends_after_answers = true,
        }
    }

    /// Tells a client that waits for it to send the body, or keeps it in mind while answers are due
    /// before that.
    fn invite(&mut self, expected: bool) {
        if !expected || self.continue_sent {
            return;
        }
        self.continue_due = !self.answers.is_empty();
        if !self.continue_due {
            self.continue_sent = true;
            self.output.extend_from_slice(CONTINUE);
        }
    }

    /// Whether a request has been half there since then or longer, and the client may send the
    /// rest.
    pub(super) fn is_half_since(&self, since_ms: SteadyMs) -> bool {
        self.half_since_ms != SteadyMs::ZERO && self.half_since_ms <= since_ms && !self.continue_due
    }

    /// Notes since when a request is half there. Progress starts the time anew: what is half now is
    /// another one.
    fn note_half(&mut self, progressed: bool, unconsumed: usize, now_ms: SteadyMs) {
        let may_go_on = !self.blocked && !self.leaving.is_peer_done();
        let half = may_go_on && (unconsumed > 0 || self.skip_octets > 0);
        if !half {
            self.half_since_ms = SteadyMs::ZERO;
        } else if progressed || self.half_since_ms == SteadyMs::ZERO {
            self.half_since_ms = now_ms;
        }
    }
}

impl Session for Connection {
    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    //= push http time
    fn due_ms(&self) -> SteadyMs {
        if self.leaving.has_finished() {
            return self.leaving.until_ms();
        }
        let waits_for_leave = self.continue_due;
        let half = self.half_since_ms != SteadyMs::ZERO && !waits_for_leave;
        let half_ms =
            if half { self.half_since_ms + self.patience.request_ms } else { SteadyMs::NEVER };
        let idle = self.answers.is_empty();
        let idle_ms =
            if idle { self.last_octet_ms + self.patience.idle_ms } else { SteadyMs::NEVER };
        half_ms.min(idle_ms)
    }

    /// What a client sends while its answers wait is left to the kernel, the sooner the less it may
    /// hold here.
    fn wants_more(&self, unconsumed: usize, most: usize) -> bool {
        let pending_max =
            if self.blocked { most / BLOCKED_INPUT_PART } else { INPUT_PENDING_OCTETS_MAX };
        unconsumed <= pending_max && self.leaving.reads_on()
    }

    fn held(&self) -> usize {
        self.output.capacity() + self.answers.capacity() * size_of::<PendingAnswer>()
    }

    fn certify(&mut self, certificate: Option<CertificateDigest>) {
        self.credential.certify(certificate);
    }

    fn shrink(&mut self) {
        if self.output.is_empty() {
            self.output = Vec::new();
        }
        if self.answers.is_empty() {
            self.answers = VecDeque::new();
        }
    }
}

impl ServedSession for Connection {
    fn lists(&mut self) -> &mut Lists {
        &mut self.lists
    }

    fn ending(&mut self, unsent: usize, now_ms: SteadyMs) -> Ending {
        let ends = self.ends_after_answers || self.leaving.is_peer_done() && !self.blocked;
        if ends && self.is_idle(unsent) { self.leaving.end(now_ms) } else { Ending::Not }
    }

    fn waits_for_durable(&self) -> Option<u32> {
        self.answers.front()?.gate.awaited_place()
    }

    fn part_from(&mut self, place: u16, durable: &Marks) -> bool {
        let mut any = false;
        for pending in &mut self.answers {
            let parting = pending.gate.part_from(place, durable);
            if parting == Parting::Untouched {
                continue;
            }
            any = true;
            pending.gate = Gate::Open;
            if parting == Parting::NotDurable {
                pending.answer.code = Code::NOT_DURABLE;
            }
        }
        any
    }

    fn fail_durable(&mut self) {
        for pending in &mut self.answers {
            if pending.gate.awaited_place().is_some() {
                pending.answer.code = Code::NOT_DURABLE;
                pending.gate = Gate::Open;
            }
        }
    }
}

impl<D: Desk> Takes<D> for Connection {
    fn take(&mut self, octets: &[u8], room: usize, desk: &mut D) -> Option<usize> {
        let now_ms = desk.now_ms();
        self.last_octet_ms = now_ms;
        if self.ends_after_answers {
            self.leaving.drop_octets(octets.len());
            return Some(octets.len());
        }
        let consumed = self.take_requests(octets, room, desk);
        self.note_half(consumed > 0, octets.len() - consumed, now_ms);
        Some(consumed)
    }

    /// What the client asked, read or not yet read, is still answered.
    fn end(&mut self, _unconsumed: &[u8], _desk: &mut D) {
        self.leaving.peer_ends();
    }
}
