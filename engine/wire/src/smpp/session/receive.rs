//! What a session does with what it receives.

use super::super::command::Command;
use super::super::error::PduError;
use super::super::frame::{Header, first_pdu};
use super::super::limits::{BAD_REQUESTS_MAX, UNBIND_MS};
use super::super::oddities::Oddities;
use super::super::pdu::{BindKind, Body, Pdu, decode_framed};
use super::super::receipt::Receipt;
use super::super::status::Status;
use super::event::{CloseReason, Event, RequestId};
use super::mutation::SessionMutation;
use super::state::{Role, State, Verdict, verdict};
use super::window::Outstanding;
use super::{BindUnderWay, Session, UnbindUnderWay};

/// What was taken of the octets that were handed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken<'a> {
    /// How many octets are done with; 0 where more have to come, or nothing is read for a while.
    pub octets: usize,
    /// What they say to the session's owner.
    pub event: Option<Event<'a>>,
}

impl Session {
    /// Takes at most one PDU from the front of `input`, which holds everything that was received
    /// and not taken. To be called until it takes nothing.
    pub fn handle_octets<'a>(&mut self, input: &'a [u8], now_ms: u64) -> Taken<'a> {
        self.now_ms = self.now_ms.max(now_ms);
        if self.state == State::Closed {
            return Taken { octets: input.len(), event: None };
        }
        if input.len() > self.unread {
            self.received_ms = self.now_ms;
        }
        self.unread = input.len();
        if !self.is_reading() {
            return Taken { octets: 0, event: None };
        }
        match first_pdu(input) {
            Ok(Some(pdu)) => {
                self.partial_since_ms = None;
                self.unread -= pdu.len();
                Taken { octets: pdu.len(), event: self.handle_pdu(pdu) }
            }
            Ok(None) => {
                if !input.is_empty() {
                    self.partial_since_ms.get_or_insert(self.now_ms);
                }
                Taken { octets: 0, event: None }
            }
            Err(error) => {
                if self.mutation == SessionMutation::SkipBadLength {
                    self.unread = 0;
                    return Taken { octets: input.len(), event: None };
                }
                // Where the next PDU begins, nobody can tell any more.
                self.push(Command::GENERIC_NACK, Status::INVALID_COMMAND_LENGTH, error.sequence);
                self.end(CloseReason::NoPdu(error));
                Taken { octets: input.len(), event: None }
            }
        }
    }

    fn handle_pdu<'a>(&mut self, pdu: &'a [u8]) -> Option<Event<'a>> {
        let header = Header::read(pdu)?;
        if header.command.is_response() {
            return self.handle_answer(&decode_framed(header, pdu).ok()?);
        }
        let early =
            self.mutation == SessionMutation::RefuseEarlyEnquire && self.state == State::Open;
        match verdict(self.config.role, self.state, header.command) {
            Verdict::Own if early => self.refuse(&header, Status::INVALID_BIND_STATE),
            Verdict::Own if header.command == Command::ENQUIRE_LINK => {
                self.push(Command::ENQUIRE_LINK_RESP, Status::OK, header.sequence);
                None
            }
            Verdict::Own => self.handle_unbind(header.sequence),
            Verdict::Decide => self.handle_bind(&header, pdu),
            Verdict::Take => self.handle_request(&header, pdu),
            Verdict::Refuse(status) => self.refuse(&header, status),
            Verdict::Nack => {
                self.counts.refused_requests += 1;
                self.push(Command::GENERIC_NACK, Status::INVALID_COMMAND, header.sequence);
                if self.mutation == SessionMutation::UnknownCloses {
                    self.end(CloseReason::Closed);
                }
                None
            }
            Verdict::Ignore => {
                self.counts.refused_requests += 1;
                None
            }
        }
    }

    fn refuse(&mut self, header: &Header, status: Status) -> Option<Event<'static>> {
        self.counts.refused_requests += 1;
        self.push(header.command.response(), status, header.sequence);
        None
    }

    /// A PDU that is framed well and filled badly costs an answer; ten in a row cost the session.
    fn refuse_bad(&mut self, header: &Header, error: PduError) {
        self.counts.bad_requests += 1;
        self.bad_in_a_row += 1;
        if header.command != Command::ALERT_NOTIFICATION {
            self.push(header.command.response(), error.status(), header.sequence);
        }
        if self.bad_in_a_row >= BAD_REQUESTS_MAX && self.mutation != SessionMutation::ForgiveBad {
            self.end(CloseReason::BadRequests(error));
        }
    }

    fn handle_bind<'a>(&mut self, header: &Header, pdu: &'a [u8]) -> Option<Event<'a>> {
        let Some(kind) = BindKind::of_request(header.command) else {
            unreachable!("decided by the table")
        };
        match decode_framed(*header, pdu) {
            Ok(Pdu { body: Body::Bind(bind), .. }) => {
                self.note_version(bind.interface_version);
                self.bad_in_a_row = 0;
                let (sequence, version) = (header.sequence, bind.interface_version);
                self.bind = Some(BindUnderWay { sequence, kind, version });
                self.state = State::Binding;
                Some(Event::BindRequested { bind })
            }
            Ok(_) => unreachable!("a bind's body is a bind"),
            Err(error) => {
                self.refuse_bad(header, error);
                None
            }
        }
    }

    fn handle_unbind(&mut self, sequence: u32) -> Option<Event<'static>> {
        if let Some(unbind) = &mut self.unbind {
            if unbind.theirs.is_none() {
                unbind.theirs = Some(sequence);
                self.finish_peers_unbind();
            } else {
                // The first one still gets its answer.
                self.push(Command::UNBIND_RESP, Status::OK, sequence);
            }
            return None;
        }
        let until_ms = self.now_ms + UNBIND_MS;
        self.unbind = Some(UnbindUnderWay { until_ms, ours: None, theirs: Some(sequence) });
        self.state = State::Unbinding;
        self.finish_peers_unbind();
        Some(Event::Unbinding)
    }

    fn handle_request<'a>(&mut self, header: &Header, pdu: &'a [u8]) -> Option<Event<'a>> {
        let pdu = match decode_framed(*header, pdu) {
            Ok(pdu @ Pdu { fault: None, .. }) => pdu,
            Ok(pdu) if self.is_readable_receipt(&pdu.body) => {
                Pdu { oddities: pdu.oddities.with(Oddities::MESSAGE_CUT), ..pdu }
            }
            Ok(Pdu { fault: Some(error), .. }) | Err(error) => {
                self.refuse_bad(header, error);
                return None;
            }
        };
        self.bad_in_a_row = 0;
        self.busy_ms = self.now_ms;
        let Pdu { body, oddities, .. } = pdu;
        if header.command == Command::ALERT_NOTIFICATION {
            return Some(Event::Alert { body });
        }
        self.inbound += 1;
        if self.mutation == SessionMutation::AcknowledgeEarly {
            self.push(header.command.response(), Status::OK, header.sequence);
        }
        let request = RequestId { command: header.command, sequence: header.sequence };
        Some(Event::Request { request, body, oddities: oddities.with(body.oddities()) })
    }

    /// As a client, whatever else is wrong with a message, a receipt that can be understood is
    /// taken: an SMSC sends it again for ever otherwise.
    fn is_readable_receipt(&self, body: &Body<'_>) -> bool {
        let receipt = match body {
            Body::Message(message) => Receipt::of_message(message),
            Body::Data(data) => Receipt::of_data(data),
            _ => None,
        };
        let readable =
            receipt.is_some_and(|receipt| receipt.id.is_some() && receipt.state.is_some());
        readable && self.config.role == Role::Client
    }

    fn handle_answer<'a>(&mut self, pdu: &Pdu<'a>) -> Option<Event<'a>> {
        let Pdu { header, body, oddities, .. } = *pdu;
        let is_nack = header.command == Command::GENERIC_NACK;
        let is_bind = is_nack || BindKind::of_answer(header.command).is_some();
        let ours = self.bind.filter(|bind| bind.sequence == header.sequence);
        if let Some(bind) = ours.filter(|_| is_bind && self.config.role == Role::Client) {
            return self.handle_bind_answer(bind, pdu);
        }
        let is_alive = header.command == Command::ENQUIRE_LINK_RESP;
        if let Some((sequence, _)) = self.enquiry.filter(|_| is_nack || is_alive) {
            let is_its = sequence == header.sequence;
            // Some peers answer with another number; they are there all the same.
            self.counts.unexpected_answers += u64::from(is_alive && !is_its);
            if is_its || is_alive {
                self.enquiry = None;
                return None;
            }
        }
        let unbind = self.unbind.and_then(|unbind| unbind.ours);
        if unbind == Some(header.sequence) && (is_nack || header.command == Command::UNBIND_RESP) {
            self.end(CloseReason::Unbound);
            return None;
        }
        self.handle_windowed(header, body, oddities)
    }

    /// The answer to a request that went through the window.
    fn handle_windowed<'a>(
        &mut self,
        header: Header,
        body: Body<'a>,
        oddities: Oddities,
    ) -> Option<Event<'a>> {
        let is_nack = header.command == Command::GENERIC_NACK;
        let asked = match self.mutation {
            SessionMutation::MatchOldest => self.window.oldest(),
            _ => self.window.peek(header.sequence),
        };
        let answers = |command: Command| is_nack || command.response() == header.command;
        let sequence = asked.filter(|asked| answers(asked.command)).map(|asked| asked.sequence);
        // A nack that says that all is well does not say that the request was done.
        let empty_nack = is_nack && header.status == Status::OK;
        let status = if empty_nack && self.mutation != SessionMutation::NackIsSuccess {
            Status::INVALID_COMMAND
        } else {
            header.status
        };
        let Some(request) = sequence.and_then(|sequence| self.window.remove(sequence)) else {
            self.counts.unexpected_answers += 1;
            let is_its =
                |late: &Outstanding| late.sequence == header.sequence && answers(late.command);
            let at = self.overdue.iter().position(is_its)?;
            let Outstanding { token, .. } = self.overdue.remove(at)?;
            return Some(Event::LateAnswer { token, status, body });
        };
        self.unanswered_in_a_row = 0;
        self.busy_ms = self.now_ms;
        let waited_ms = self.now_ms.saturating_sub(request.sent_ms);
        let oddities = oddities.with(body.oddities());
        Some(Event::Answer { token: request.token, status, body, oddities, waited_ms })
    }

    fn handle_bind_answer<'a>(&mut self, bind: BindUnderWay, pdu: &Pdu<'a>) -> Option<Event<'a>> {
        self.bind = None;
        let is_nack = pdu.header.command == Command::GENERIC_NACK;
        if pdu.header.status != Status::OK || is_nack {
            self.end(CloseReason::Refused(pdu.header.status));
            return None;
        }
        let (system_id, version) = match pdu.body {
            Body::BindResp(answer) => (answer.system_id, answer.interface_version()),
            _ => (&[][..], None),
        };
        // Who binds as 3.3 keeps to 3.3.
        self.note_version(version.unwrap_or(self.config.unsaid_version).min(bind.version));
        self.enter_bound(bind.kind);
        Some(Event::Bound { system_id })
    }
}
