//! One session of either role: octets and time in, PDUs, events and one deadline out.
//!
//! A session begins when its connection is there and ends once. Its owner has the socket and the
//! clock (in milliseconds, and it never goes back), and goes by this order:
//! 1. After each receive, [`Session::handle_octets`] until it takes nothing more; what it leaves is
//!    handed in again in front of what comes next. While [`Session::is_reading`] says no, nothing
//!    is received: TCP holds the peer back.
//! 2. [`Session::request`], [`Session::answer`], [`Session::bind`] and [`Session::answer_bind`]
//!    write PDUs into the owner's output, [`Session::poll_output`] those that the session makes by
//!    itself. All go out in that order.
//! 3. At [`Session::poll_deadline`], or later, [`Session::handle_time`].
//! 4. [`Session::poll_event`] until it has no more. After [`Event::Closed`] the connection is
//!    closed.
//!
//! **Never here:** sockets, clocks, passwords (a bind is written and forgotten), a decision about a
//! message.
//! **Invariants:** every token ends once, by an answer or in doubt; no more requests are
//! outstanding than the window allows, either way; a request of the peer is answered by its owner's
//! word alone; sequence numbers go from 1 to 7FFFFFFF and begin again; nothing new is sent once an
//! unbind went either way.

mod config;
mod controls;
mod event;
mod mutation;
mod receive;
mod state;
mod timers;
mod window;

pub use config::{Config, VERSION_34, VERSION_50};
pub use event::{CloseReason, Event, Refusal, RequestId};
pub use mutation::SessionMutation;
pub use receive::Taken;
pub use state::{Role, State, Verdict, may_send, verdict};

use std::collections::VecDeque;

use super::command::Command;
use super::error::PduError;
use super::limits::{CONTROL_OCTETS_MAX, SEQUENCE_MAX, UNBIND_MS, WINDOW_PDUS_MAX};
use super::pdu::{Bind, BindKind, BindResp, Body, encode};
use super::status::Status;
use super::tlv::{Tag, TlvWriter};
use controls::{Control, Controls};
use window::{Outstanding, Window};

/// The version that peers without optional parameters count as.
const VERSION_33: u8 = 0x33;

/// A bind under way, on either side.
#[derive(Clone, Copy, Debug)]
struct BindUnderWay {
    sequence: u32,
    kind: BindKind,
    /// The version that the client says it speaks.
    version: u8,
}

/// An unbind under way.
#[derive(Clone, Copy, Debug)]
struct UnbindUnderWay {
    until_ms: u64,
    /// The number of our own unbind.
    ours: Option<u32>,
    /// The peer's unbind, which is answered when everything else is.
    theirs: Option<u32>,
}

/// What a session counted, for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Answers that nobody waited for, late ones among them.
    pub unexpected_answers: u64,
    /// Requests that could not be read.
    pub bad_requests: u64,
    /// Requests that did not belong here, now or ever.
    pub refused_requests: u64,
}

/// A session. See the head of this module for the order of calls.
#[derive(Clone, Debug)]
pub struct Session {
    config: Config,
    state: State,
    peer_version: u8,
    next_sequence: u32,
    window: Window,
    controls: Controls,
    /// Requests of the peer that its owner has not answered.
    inbound: u32,
    bind: Option<BindUnderWay>,
    unbind: Option<UnbindUnderWay>,
    /// The enquire_link that waits for its answer, and since when.
    enquiry: Option<(u32, u64)>,
    /// Octets that were left of the last hand-in.
    unread: usize,
    partial_since_ms: Option<u64>,
    now_ms: u64,
    opened_ms: u64,
    received_ms: u64,
    /// Since when requests have been outstanding without a break.
    waiting_since_ms: u64,
    /// Requests that were told of as in doubt, the oldest first: their answers may still come.
    overdue: VecDeque<Outstanding>,
    /// When the last request or answer went either way.
    busy_ms: u64,
    bad_in_a_row: u32,
    unanswered_in_a_row: u32,
    closing: Option<CloseReason>,
    /// What it counted.
    counts: Counts,
    mutation: SessionMutation,
}

impl Session {
    /// A session whose connection has just been made or accepted. Allocates its window and nothing
    /// afterwards.
    ///
    /// # Panics
    /// When a window is not 1 to 2,048.
    pub fn new(config: Config, now_ms: u64) -> Self {
        check_windows(&config);
        Self {
            config,
            state: State::Open,
            peer_version: VERSION_33,
            next_sequence: 1,
            window: Window::new(usize::from(config.window) + 1),
            controls: Controls::new(),
            inbound: 0,
            bind: None,
            unbind: None,
            enquiry: None,
            unread: 0,
            partial_since_ms: None,
            now_ms,
            opened_ms: now_ms,
            received_ms: now_ms,
            waiting_since_ms: now_ms,
            overdue: VecDeque::with_capacity(usize::from(config.window)),
            busy_ms: now_ms,
            bad_in_a_row: 0,
            unanswered_in_a_row: 0,
            closing: None,
            counts: Counts::default(),
            mutation: SessionMutation::None,
        }
    }

    /// Makes an error on purpose, for tests.
    pub fn mutate(&mut self, mutation: SessionMutation) {
        self.mutation = mutation;
    }

    /// Begins the numbers of our requests here, for tests: 1 to 7FFFFFFF.
    pub fn set_next_sequence(&mut self, sequence: u32) {
        assert!((1..=SEQUENCE_MAX).contains(&sequence));
        self.next_sequence = sequence;
    }

    /// Sets the windows, where who binds decides them: of our requests, and of the peer's.
    ///
    /// # Panics
    /// When a window is not 1 to 2,048, or a request of ours is outstanding.
    pub fn set_windows(&mut self, window: u16, inbound_window: u16) {
        assert_eq!(self.window.len(), 0, "windows are set before they are used");
        let config = Config { window, inbound_window, ..self.config };
        check_windows(&config);
        self.config = config;
        self.window = Window::new(usize::from(window) + 1);
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The peer's version of SMPP: 33h, which knows no optional parameters, to 50h. Known when
    /// bound.
    pub fn peer_version(&self) -> u8 {
        self.peer_version
    }

    /// Whether the peer knows optional parameters.
    pub fn peer_knows_tlvs(&self) -> bool {
        self.peer_version >= VERSION_34 || self.mutation == SessionMutation::TlvsToAll
    }

    /// What it counted.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Requests of ours without an answer.
    pub fn outstanding(&self) -> usize {
        self.window.len()
    }

    /// How many more requests may be sent now.
    pub fn room(&self) -> usize {
        let extra = usize::from(self.mutation == SessionMutation::OverrunWindow);
        let room = (usize::from(self.config.window) + extra).saturating_sub(self.window.len());
        if self.state.is_bound() { room } else { 0 }
    }

    /// Whether octets of the peer are read: not while as many of its requests wait for their
    /// answers as may, nor while what the session made by itself has not been written.
    pub fn is_reading(&self) -> bool {
        let full = self.inbound >= u32::from(self.config.inbound_window);
        self.controls.has_room()
            && self.state != State::Closed
            && (!full || self.mutation == SessionMutation::ReadOn)
    }

    /// Binds: a client's first request. Gives the octets that were written to `out`.
    ///
    /// # Errors
    /// [`Refusal::NotBound`] where the session is not open any more, or a field that cannot be
    /// written.
    ///
    /// # Panics
    /// On a server's session.
    pub fn bind(&mut self, out: &mut [u8], bind: &Bind<'_>, now_ms: u64) -> Result<usize, Refusal> {
        assert_eq!(self.config.role, Role::Client, "a client binds");
        self.now_ms = self.now_ms.max(now_ms);
        if self.state != State::Open {
            return Err(Refusal::NotBound);
        }
        let (command, sequence) = (bind.kind.request(), self.next_sequence);
        let octets = encode(out, command, Status::OK, sequence, &Body::Bind(*bind), false)?;
        self.take_sequence();
        let version = bind.interface_version;
        self.bind = Some(BindUnderWay { sequence, kind: bind.kind, version });
        self.state = State::Binding;
        Ok(octets)
    }

    /// Answers the bind of [`Event::BindRequested`]; with another status than `ESME_ROK` the
    /// session ends. Gives the octets that were written to `out`, none where the session is over.
    ///
    /// # Errors
    /// A `system_id` of more than 15 octets, or no room in `out`.
    pub fn answer_bind(
        &mut self,
        out: &mut [u8],
        status: Status,
        system_id: &[u8],
        now_ms: u64,
    ) -> Result<usize, PduError> {
        self.now_ms = self.now_ms.max(now_ms);
        let Some(BindUnderWay { sequence, kind, .. }) =
            self.bind.filter(|_| self.state == State::Binding)
        else {
            return Ok(0);
        };
        let mut space = [0; CONTROL_OCTETS_MAX];
        let mut tlvs = TlvWriter::new(&mut space);
        tlvs.octet(Tag::SC_INTERFACE_VERSION, self.peer_version);
        let answer = BindResp { system_id, tlvs: tlvs.finish()? };
        let body = if status == Status::OK { Body::BindResp(answer) } else { Body::Empty };
        let command = kind.request().response();
        let octets = encode(out, command, status, sequence, &body, self.peer_knows_tlvs())?;
        self.bind = None;
        if status == Status::OK {
            self.enter_bound(kind);
        } else {
            self.end(CloseReason::Refused(status));
        }
        Ok(octets)
    }

    /// Sends a request. `token` is what its answer or doubt will be told with; numbers may be used
    /// again afterwards. Optional parameters are left out where the peer does not know them. Gives
    /// the octets that were written to `out`.
    ///
    /// # Errors
    /// See [`Refusal`]; nothing is outstanding then.
    pub fn request(
        &mut self,
        out: &mut [u8],
        command: Command,
        body: &Body<'_>,
        token: u64,
        now_ms: u64,
    ) -> Result<usize, Refusal> {
        self.now_ms = self.now_ms.max(now_ms);
        let late =
            self.mutation == SessionMutation::SendAfterUnbind && self.state == State::Unbinding;
        if !may_send(self.config.role, self.state, command) && !late {
            return Err(Refusal::NotBound);
        }
        if self.room() == 0 && !late {
            return Err(Refusal::WindowFull);
        }
        let with_tlvs = self.peer_knows_tlvs();
        if !with_tlvs && needs_tlvs(body) {
            return Err(Refusal::NeedsTlvs);
        }
        let sequence = self.next_sequence;
        let octets = encode(out, command, Status::OK, sequence, body, with_tlvs)?;
        self.take_sequence();
        self.busy_ms = now_ms;
        if command.response() == Command::GENERIC_NACK {
            return Ok(octets);
        }
        if self.window.len() == 0 {
            self.waiting_since_ms = now_ms;
        }
        let fits = self.window.insert(Outstanding { sequence, command, token, sent_ms: now_ms });
        assert!(fits || late, "the window has room");
        Ok(octets)
    }

    /// Answers a request of the peer, in whatever order. With another status than `ESME_ROK` the
    /// body is left out (SMPP 5.0, 3.2.1.3), but for peers of 5.0, which may be told more of the
    /// error. Gives the octets that were written to `out`, none where the session is over.
    ///
    /// # Errors
    /// A field that cannot be written, or no room in `out`; the request still waits for its answer
    /// then.
    ///
    /// # Panics
    /// When more answers are given than there were requests: a bug of the owner.
    pub fn answer(
        &mut self,
        out: &mut [u8],
        request: RequestId,
        status: Status,
        body: &Body<'_>,
        now_ms: u64,
    ) -> Result<usize, PduError> {
        self.now_ms = self.now_ms.max(now_ms);
        if self.state == State::Closed {
            return Ok(0);
        }
        assert!(self.inbound > 0, "every request is answered once");
        let command = request.command.response();
        let keeps_body = status == Status::OK || self.peer_version >= VERSION_50;
        let body = if keeps_body { body } else { &Body::Empty };
        let octets = encode(out, command, status, request.sequence, body, self.peer_knows_tlvs())?;
        self.inbound -= 1;
        self.busy_ms = now_ms;
        self.finish_peers_unbind();
        Ok(octets)
    }

    /// Unbinds: nothing new is sent, and what is outstanding has five seconds more. A session that
    /// is not bound ends at once.
    pub fn unbind(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        if self.state.is_bound() {
            let sequence = self.take_sequence();
            self.push(Command::UNBIND, Status::OK, sequence);
            let until_ms = now_ms + UNBIND_MS;
            self.unbind = Some(UnbindUnderWay { until_ms, ours: Some(sequence), theirs: None });
            self.state = State::Unbinding;
        } else if self.state != State::Unbinding {
            self.end(CloseReason::Closed);
        }
    }

    /// Ends the session without another word: what is outstanding is in doubt.
    pub fn close(&mut self) {
        self.end(CloseReason::Closed);
    }

    /// The connection has ended; what was not written is lost.
    pub fn handle_end(&mut self) {
        self.controls.clear();
        let is_unbound = self.state == State::Unbinding;
        self.end(if is_unbound { CloseReason::Unbound } else { CloseReason::Ended });
    }

    /// Writes PDUs that the session made by itself, as many as fit, and gives their octets.
    pub fn poll_output(&mut self, out: &mut [u8]) -> usize {
        let mut at = 0;
        while let Some(Control { command, status, sequence }) = self.controls.front() {
            let written = encode(&mut out[at..], command, status, sequence, &Body::Empty, false);
            let Ok(octets) = written else { break };
            self.controls.pop();
            at += octets;
        }
        at
    }

    /// What happened beside what came in: requests in doubt, and the end. To be called after every
    /// other call.
    pub fn poll_event(&mut self) -> Option<Event<'static>> {
        if let Some(token) = self.take_expired() {
            return Some(Event::InDoubt { token });
        }
        if self.state != State::Closed {
            return None;
        }
        if self.mutation != SessionMutation::ForgetAtClose
            && let Some(request) = self.window.remove_oldest()
        {
            return Some(Event::InDoubt { token: request.token });
        }
        // What is left to be written goes before the connection is closed.
        let reason = self.closing.filter(|_| self.controls.is_empty())?;
        self.closing = None;
        Some(Event::Closed { reason })
    }

    /// The next number of a request of ours, none that is outstanding.
    fn take_sequence(&mut self) -> u32 {
        let sequence = self.next_sequence;
        loop {
            self.next_sequence = match self.next_sequence {
                SEQUENCE_MAX if self.mutation == SessionMutation::SequenceZero => 0,
                SEQUENCE_MAX => 1,
                number => number + 1,
            };
            if !self.window.has(self.next_sequence) {
                return sequence;
            }
        }
    }

    fn push(&mut self, command: Command, status: Status, sequence: u32) {
        self.controls.push(Control { command, status, sequence });
    }

    fn enter_bound(&mut self, kind: BindKind) {
        self.state = State::bound(kind);
        self.busy_ms = self.now_ms;
    }

    /// Takes note of a peer's version: 00 and 33 are accepted, above 50 counts as 50.
    fn note_version(&mut self, version: u8) {
        self.peer_version = version.clamp(VERSION_33, VERSION_50);
    }

    /// The peer's unbind is answered when its requests are.
    fn finish_peers_unbind(&mut self) {
        let Some(UnbindUnderWay { ours, theirs: Some(sequence), .. }) = self.unbind else { return };
        if self.inbound > 0 && self.mutation != SessionMutation::UnbindOvertakes {
            return;
        }
        self.push(Command::UNBIND_RESP, Status::OK, sequence);
        if let Some(unbind) = &mut self.unbind {
            unbind.theirs = None;
        }
        if ours.is_none() {
            self.end(CloseReason::Unbound);
        }
    }

    fn end(&mut self, reason: CloseReason) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.closing = Some(reason);
            self.enquiry = None;
            self.bind = None;
        }
    }
}

fn check_windows(config: &Config) {
    for window in [config.window, config.inbound_window] {
        let is_legal = (1..=WINDOW_PDUS_MAX).contains(&usize::from(window));
        assert!(is_legal, "a window of {window}");
    }
}

/// Whether a message is nothing without its optional parameters.
fn needs_tlvs(body: &Body<'_>) -> bool {
    match body {
        Body::Data(_) => true,
        Body::Message(message) => message.tlvs.find(Tag::MESSAGE_PAYLOAD).is_some(),
        _ => false,
    }
}
