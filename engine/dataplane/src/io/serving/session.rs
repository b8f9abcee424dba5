//! One customer's session: its PDUs in, answers and receipts out.
//!
//! Every request gets its place in the queue of answers at once. A place is filled now, when the
//! journal is durable, or when another shard has answered; only filled places at the front leave.
//! What a PDU means where the session stands `wire::smpp::session` knows, what a submit_sm means as
//! a push `wire::smpp::customer`.

use crate::gateway::certificate::CertificateDigest;
use crate::gateway::registry::Registered;
use crate::gateway::smpp::{PasswordDigest, Seats, SmppAccount};
use crate::io::connection::{Ending, Gate};
use crate::io::limits::{
    LINGER_MS_MAX, LINGER_OCTETS_MAX, SMPP_ANSWER_OCTETS, SMPP_INPUT_OCTETS_MAX,
};
use crate::io::link::{Session as LinkSession, Takes};
use crate::io::marks::Marks;
use crate::io::serving::desk::CustomerDesk;
use crate::io::serving::multi::{ANSWER_OCTETS_MAX, Fared, MultiUnderWay};
use crate::io::serving::placed::{Applicant, PlacedAnswer};
use crate::io::waits::{Moment, Waits};
use crate::shard::FoundPush;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use wire::push::response::Answer;
use wire::smpp::address::Country;
use wire::smpp::command::Command;
use wire::smpp::customer::{RECEIPT_OCTETS_MAX, Told, message_of, status_of, write_receipt};
use wire::smpp::id::OwnId;
use wire::smpp::limits::{CONTROL_OCTETS_MAX, CONTROLS_MAX};
use wire::smpp::oddities::Oddities;
use wire::smpp::pdu::{Bind, BindKind, Body, Destination, Message, MessageResp, Multi, QueryResp};
use wire::smpp::session::{CloseReason, Config, Event, RequestId, Session, VERSION_50};
use wire::smpp::status::Status;
use wire::smpp::time::absolute;
use wire::smpp::tlv::{Tag, TlvWriter};
use wire::terms::code::Code;
use wire::terms::ids::Xpid;
use wire::terms::time::SteadyMs;

/// Room for the PDUs that a session makes by itself.
const CONTROLS_OCTETS: usize = CONTROLS_MAX * CONTROL_OCTETS_MAX;
/// Room for an answer, the words for its code with it.
const ANSWER_PDU_OCTETS_MAX: usize = 256;
/// What this SMSC calls itself.
const SYSTEM_ID: &[u8] = b"Hayauma";

struct PendingPdu {
    request: RequestId,
    outcome: PlacedAnswer,
    gate: Gate,
    /// Shards whose word is still to come.
    left: u16,
}

impl PendingPdu {
    /// What it tells cannot be made durable.
    fn fail(&mut self) {
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

/// Who has bound.
pub(super) struct Member {
    pub(super) xpid: Xpid,
    pub(super) kind: BindKind,
    /// What its password is known by.
    pub(super) by: PasswordDigest,
    seats: Arc<Seats>,
    zone_minutes: i32,
}

impl Member {
    /// Its account's sessions.
    pub(super) fn seats(&self) -> &Seats {
        &self.seats
    }

    /// Whether receipts may be sent on its session.
    pub(super) fn receives(&self) -> bool {
        self.kind != BindKind::Transmitter
    }
}

pub(super) struct Serving {
    session: Session,
    output: Vec<u8>,
    pub(super) source: Option<IpAddr>,
    /// The certificate that the connection has proved to have.
    pub(super) certificate: Option<CertificateDigest>,
    pub(super) applicant: Option<Applicant>,
    pub(super) member: Option<Member>,
    pending: VecDeque<PendingPdu>,
    /// Those of the pending ones that are destinations of a submit_multi, in the same order.
    multis: VecDeque<MultiUnderWay>,
    first_number: u64,
    /// Why it is over, once it is.
    closed: Option<CloseReason>,
    /// When nothing more will be said.
    finished_ms: SteadyMs,
    dropped_octets: usize,
    peer_done: bool,
    /// Reading stopped at a bound of ours.
    blocked: bool,
    last_octet_ms: SteadyMs,
    pub(super) opened_ms: SteadyMs,
    /// Counts among the connections that have not bound.
    pub(super) counts_as_unbound: bool,
    /// Its end was taken note of.
    pub(super) has_parted: bool,
    /// Stands in the shard's list of sessions that wait for the durable mark.
    pub(super) listed: bool,
    /// Stands in the shard's list of sessions to look at in this turn.
    pub(super) touched: bool,
}

impl Serving {
    pub(super) fn new(source: Option<IpAddr>, now_ms: SteadyMs) -> Self {
        Self {
            session: Session::new(Config::customer(), now_ms.ms()),
            output: Vec::new(),
            source,
            certificate: None,
            applicant: None,
            member: None,
            pending: VecDeque::new(),
            multis: VecDeque::new(),
            first_number: 0,
            closed: None,
            finished_ms: SteadyMs::ZERO,
            dropped_octets: 0,
            peer_done: false,
            blocked: false,
            last_octet_ms: now_ms,
            opened_ms: now_ms,
            counts_as_unbound: false,
            has_parted: false,
            listed: false,
            touched: false,
        }
    }

    /// Whether nobody has bound, and still may.
    pub(super) fn is_unbound(&self) -> bool {
        self.member.is_none() && self.closed.is_none()
    }

    /// Why it is over; `None` while it is not.
    pub(super) fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// Lets a customer in.
    pub(super) fn admit(
        &mut self,
        (registered, account): (&Registered, &SmppAccount),
        kind: BindKind,
        by: PasswordDigest,
        now_ms: SteadyMs,
    ) {
        self.member = Some(Member {
            xpid: registered.registration.xpid,
            kind,
            by,
            seats: Arc::clone(&registered.seats),
            zone_minutes: i32::from(account.zone_minutes),
        });
        self.session.set_windows(account.window, account.window);
        self.answer_bind(Status::OK, now_ms);
    }

    /// Answers the bind under way; any status but ESME_ROK ends the session.
    pub(super) fn answer_bind(&mut self, status: Status, now_ms: SteadyMs) {
        self.applicant = None;
        let mut pdu = [0; CONTROL_OCTETS_MAX];
        let written = self.session.answer_bind(&mut pdu, status, SYSTEM_ID, now_ms.ms());
        if let Ok(octets) = written {
            self.output.extend_from_slice(&pdu[..octets]);
        }
    }

    /// Gives the seat back; who had it.
    pub(super) fn leave(&mut self) -> Option<Member> {
        self.applicant = None;
        let member = self.member.take()?;
        member.seats.give_back();
        Some(member)
    }

    /// How many receipts may be sent now.
    pub(super) fn receipt_room(&self) -> usize {
        if self.member.as_ref().is_some_and(Member::receives) { self.session.room() } else { 0 }
    }

    /// Whether the submit of the push with this key still waits for its answer here. The receipt
    /// comes behind that: before it the customer knows no push of that id.
    pub(super) fn owes_answer_of(&self, key: u64) -> bool {
        let submitted = |pending: &PendingPdu| match pending.outcome {
            PlacedAnswer::Submitted { key, .. } => Some(key),
            _ => None,
        };
        self.pending.iter().any(|pending| submitted(pending) == Some(key))
            || self.multis.iter().any(|multi| multi.has(key))
    }

    /// Sends a receipt, whose answer comes under this token; whether it could.
    pub(super) fn tell(&mut self, told: &Told, token: u64, now_ms: SteadyMs) -> bool {
        let zone_minutes = self.member.as_ref().map_or(0, |member| member.zone_minutes);
        let mut pdu = [0; RECEIPT_OCTETS_MAX];
        let written = write_receipt(told, Country::JAPAN, zone_minutes, |message| {
            let body = Body::Message(*message);
            self.session.request(&mut pdu, Command::DELIVER_SM, &body, token, now_ms.ms())
        });
        match written {
            Ok(octets) => {
                self.output.extend_from_slice(&pdu[..octets]);
                true
            }
            Err(_) => false,
        }
    }

    /// The number that the next answer will have.
    pub(super) fn next_number(&self) -> u64 {
        self.first_number + self.pending.len() as u64
    }

    /// Puts an answer into its place, which `left` shards are still to fill.
    pub(super) fn put(&mut self, request: RequestId, outcome: PlacedAnswer, gate: Gate, left: u16) {
        self.pending.push_back(PendingPdu { request, outcome, gate, left });
    }

    /// Fills the place of an answer that another shard gave.
    pub(super) fn fill(&mut self, number: u64, answer: Answer, found: Option<FoundPush>) {
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
    pub(super) fn write_answers(
        &mut self,
        durable: &Marks,
        waits: &mut Waits,
        leaves: Moment,
        now_ms: SteadyMs,
    ) {
        while let Some(front) = self.pending.front() {
            match front.gate {
                Gate::Open => {}
                Gate::Durable(place, sequence, arrived)
                    if durable.have_reached(place, sequence) =>
                {
                    waits.answered(usize::from(place), arrived, leaves);
                }
                _ => break,
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
            self.output.extend_from_slice(&pdu[..octets]);
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
            self.output.extend_from_slice(&pdu[..octets]);
        }
    }

    /// Turns every answer that waits for the device into an error: the sync failed.
    pub(super) fn fail_durable(&mut self) {
        for pending in &mut self.pending {
            if matches!(pending.gate, Gate::Durable(..)) {
                pending.fail();
            }
        }
    }

    /// The shard in this place leaves the thread: nothing waits for it any more, and what its mark
    /// has not reached is an error. Whether any answer waited for it.
    pub(super) fn part_from(&mut self, place: u16, durable: &Marks) -> bool {
        let mut any = false;
        for pending in &mut self.pending {
            match pending.gate {
                Gate::Durable(its, sequence, _) if its == place => {
                    any = true;
                    match durable.have_reached(place, sequence) {
                        true => pending.gate = Gate::Open,
                        false => pending.fail(),
                    }
                }
                _ => {}
            }
        }
        any
    }

    /// The place of the shard for whose durable mark the front answer waits.
    pub(super) fn waits_for_durable(&self) -> Option<u32> {
        match self.pending.front()?.gate {
            Gate::Durable(place, ..) => Some(u32::from(place)),
            Gate::Open | Gate::Elsewhere => None,
        }
    }

    /// Whether no answer of ours, and none of the peer's to a receipt, is outstanding.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.session.outstanding() == 0
    }

    /// Whether what was not consumed is to be taken now.
    pub(super) fn resumes(&self, unconsumed: usize) -> bool {
        (self.blocked || unconsumed > 0) && self.session.is_reading()
    }

    /// Begins to part: unbinds where somebody is bound.
    pub(super) fn unbind(&mut self, now_ms: SteadyMs) {
        if self.closed.is_none() {
            self.session.unbind(now_ms.ms());
        }
    }

    /// Ends at once.
    pub(super) fn end_session(&mut self) {
        self.session.handle_end();
    }

    /// Does what is due by now; whether anything was.
    pub(super) fn keep_time(&mut self, now_ms: SteadyMs) -> bool {
        let is_due = self.session.poll_deadline().is_some_and(|due_ms| now_ms.ms() >= due_ms);
        if is_due {
            self.session.handle_time(now_ms.ms());
        }
        is_due
    }

    /// Takes note of receipts in doubt, which go into `lost` by their tokens, and of the end; what
    /// the session says by itself goes into the output.
    pub(super) fn take_events(&mut self, lost: &mut Vec<u64>) {
        self.take_output();
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::InDoubt { token } => lost.push(token),
                Event::Closed { reason } => self.closed = Some(reason),
                _ => {}
            }
        }
    }

    fn take_output(&mut self) {
        let mut pdus = [0; CONTROLS_OCTETS];
        loop {
            let octets = self.session.poll_output(&mut pdus);
            if octets == 0 {
                return;
            }
            self.output.extend_from_slice(&pdus[..octets]);
        }
    }

    /// Whether it ends now; `unsent` octets of what it said are on their way.
    pub(super) fn ending(&mut self, unsent: usize, now_ms: SteadyMs) -> Ending {
        if self.closed.is_none() || unsent > 0 {
            return Ending::Not;
        }
        if self.peer_done || self.dropped_octets >= LINGER_OCTETS_MAX {
            return Ending::AtOnce;
        }
        if self.finished_ms != SteadyMs::ZERO {
            return Ending::Not;
        }
        self.finished_ms = now_ms.max(SteadyMs::new(1));
        Ending::ByHalf
    }

    /// Whether the peer was sent the last word and has not closed for too long.
    pub(super) fn lingers_too_long(&self, now_ms: SteadyMs) -> bool {
        self.finished_ms != SteadyMs::ZERO && now_ms >= self.finished_ms + LINGER_MS_MAX
    }

    /// Whether nothing has come, and nothing is to be answered, since so long.
    pub(super) fn is_quiet_since(&self, since_ms: SteadyMs) -> bool {
        self.pending.is_empty() && self.last_octet_ms <= since_ms
    }

    fn request(
        &mut self,
        request: RequestId,
        body: &Body<'_>,
        oddities: Oddities,
        desk: &mut CustomerDesk<'_>,
    ) {
        desk.note_oddities(oddities);
        let Some(member) = &self.member else { unreachable!("only who has bound is heard") };
        let (xpid, number) = (member.xpid, self.next_number());
        let (outcome, gate, left) = match body {
            Body::Message(message) => desk.submit(xpid, message, number, None),
            Body::Data(data) => desk.submit(xpid, &message_of(data), number, None),
            Body::Multi(multi) => return self.submit_multi(request, multi, desk),
            Body::Query(query) => desk.query(xpid, query, number),
            Body::Cancel(cancel) => desk.cancel(xpid, cancel, number),
            _ => (PlacedAnswer::Refused(Status::INVALID_COMMAND), Gate::Open, 0),
        };
        self.put(request, outcome, gate, left);
    }

    /// Each destination is a push of its own, all of one reqid: a phone that is named twice has
    /// one.
    fn submit_multi(&mut self, request: RequestId, multi: &Multi<'_>, desk: &mut CustomerDesk<'_>) {
        let Some(xpid) = self.member.as_ref().map(|member| member.xpid) else { return };
        let (message, destinations) = (multi.message(), multi.destinations());
        self.multis.push_back(MultiUnderWay::new(destinations, self.session.peer_version()));
        if destinations.count() == 0 {
            let refused = PlacedAnswer::Refused(Status::INVALID_DESTINATION_COUNT);
            return self.put(request, refused, Gate::Open, 0);
        }
        let reqid = Some(desk.next_reqid());
        for destination in destinations.iter() {
            let number = self.next_number();
            let (outcome, gate, left) = match destination {
                Destination::Phone(address) => {
                    let message = Message { destination: address, ..message };
                    desk.submit(xpid, &message, number, reqid)
                }
                Destination::List(_) => {
                    (PlacedAnswer::Refused(Status::INVALID_LIST_NAME), Gate::Open, 0)
                }
            };
            self.put(request, outcome, gate, left);
        }
    }

    fn handle_bind(&mut self, bind: &Bind<'_>, desk: &mut CustomerDesk<'_>) {
        self.applicant = desk.ask_to_bind(bind, self.source);
    }
}

/// The code and its meaning in words, for peers of 5.0.
fn words_of(code: Code, space: &mut [u8]) -> wire::smpp::tlv::Tlvs<'_> {
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

impl LinkSession for Serving {
    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn due_ms(&self) -> SteadyMs {
        self.session.poll_deadline().map_or(SteadyMs::NEVER, SteadyMs::new)
    }

    fn wants_more(&self, unconsumed: usize, _most: usize) -> bool {
        if self.peer_done || self.dropped_octets >= LINGER_OCTETS_MAX {
            return false;
        }
        self.closed.is_some() || unconsumed < SMPP_INPUT_OCTETS_MAX && self.session.is_reading()
    }

    fn held(&self) -> usize {
        let multis: usize = self.multis.iter().map(MultiUnderWay::held).sum();
        self.output.capacity() + self.pending.capacity() * size_of::<PendingPdu>() + multis
    }

    fn shrink(&mut self) {
        if self.output.is_empty() {
            self.output = Vec::new();
        }
        if self.pending.is_empty() {
            self.pending = VecDeque::new();
        }
    }

    fn certify(&mut self, certificate: Option<CertificateDigest>) {
        self.certificate = certificate;
    }
}

impl Takes<CustomerDesk<'_>> for Serving {
    fn take(&mut self, octets: &[u8], room: usize, desk: &mut CustomerDesk<'_>) -> Option<usize> {
        let now_ms = desk.now_ms();
        self.last_octet_ms = now_ms;
        self.blocked = false;
        let mut at = 0;
        loop {
            if self.closed.is_some() {
                self.dropped_octets += octets.len() - at;
                return Some(octets.len());
            }
            if self.output.len() + self.pending.len() * SMPP_ANSWER_OCTETS >= room {
                self.blocked = true;
                return Some(at);
            }
            let taken = self.session.handle_octets(&octets[at..], now_ms.ms());
            at += taken.octets;
            match taken.event {
                Some(Event::BindRequested { bind }) => self.handle_bind(&bind, desk),
                Some(Event::Request { request, body, oddities }) => {
                    self.request(request, &body, oddities, desk);
                }
                Some(Event::Answer { token, status, .. }) => desk.note_answer(token, status),
                _ => {}
            }
            self.take_events(desk.lost());
            if taken.octets == 0 {
                return Some(at);
            }
        }
    }

    /// A session ends with its connection.
    fn end(&mut self, _unconsumed: &[u8], desk: &mut CustomerDesk<'_>) {
        self.peer_done = true;
        self.session.handle_end();
        self.take_events(desk.lost());
    }
}
