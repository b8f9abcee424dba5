//! One customer's session: its PDUs in, answers and receipts out.
//!
//! Every request gets its place in the queue of answers at once. A place is filled now, when the
//! journal is durable, or when another shard has answered; only filled places at the front leave.
//! What a PDU means where the session stands `wire::smpp::session` knows, what a submit_sm means as
//! a push `wire::smpp::customer`.

mod answering;

use crate::gateway::certificate::CertificateDigest;
use crate::gateway::registry::Registered;
use crate::gateway::smpp::{PasswordDigest, Seats, SmppAccount};
use crate::io::gate::{Gate, Parting};
use crate::io::limits::{SMPP_ANSWER_OCTETS, SMPP_INPUT_OCTETS_MAX};
use crate::io::link::{Session as LinkSession, Takes};
use crate::io::marks::Marks;
use crate::io::pdu_trace::Tracer;
use crate::io::served::{Ending, Leaving, Lists, ServedSession};
use crate::io::serving::desk::CustomerDesk;
use crate::io::serving::multi::MultiUnderWay;
use crate::io::serving::placed::{Applicant, PlacedAnswer};
use crate::io::serving::question::Asker;
use answering::PendingPdu;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use wire::smpp::address::Country;
use wire::smpp::command::Command;
use wire::smpp::customer::{RECEIPT_OCTETS_MAX, Told, message_of, write_receipt};
use wire::smpp::limits::{CONTROL_OCTETS_MAX, CONTROLS_MAX};
use wire::smpp::oddities::Oddities;
use wire::smpp::pdu::{Bind, BindKind, Body, Destination, Message, Multi};
use wire::smpp::session::{CloseReason, Config, Event, RequestId, Session};
use wire::smpp::status::Status;
use wire::terms::ids::Xpid;
use wire::terms::time::SteadyMs;

/// Room for the PDUs that a session makes by itself.
const CONTROLS_OCTETS: usize = CONTROLS_MAX * CONTROL_OCTETS_MAX;
/// What this SMSC calls itself.
const SYSTEM_ID: &[u8] = b"Hayauma";

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
    /// What keeps the question of the applicant's password.
    asker: Option<Asker>,
    pub(super) member: Option<Member>,
    pending: VecDeque<PendingPdu>,
    /// Those of the pending ones that are destinations of a submit_multi, in the same order.
    multis: VecDeque<MultiUnderWay>,
    /// Where its PDUs are kept, while an operator looks at them.
    pub(super) tracer: Option<Tracer>,
    first_number: u64,
    /// Why it is over, once it is.
    closed: Option<CloseReason>,
    leaving: Leaving,
    /// Reading stopped at a bound of ours.
    blocked: bool,
    last_octet_ms: SteadyMs,
    /// Its end was taken note of.
    pub(super) has_parted: bool,
    lists: Lists,
}

impl Serving {
    pub(super) fn new(source: Option<IpAddr>, now_ms: SteadyMs) -> Self {
        Self {
            session: Session::new(Config::customer(), now_ms.ms()),
            output: Vec::new(),
            source,
            certificate: None,
            applicant: None,
            asker: None,
            member: None,
            pending: VecDeque::new(),
            multis: VecDeque::new(),
            tracer: None,
            first_number: 0,
            closed: None,
            leaving: Leaving::default(),
            blocked: false,
            last_octet_ms: now_ms,
            has_parted: false,
            lists: Lists::default(),
        }
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
            self.say(&pdu[..octets]);
        }
    }

    /// Gives the seat back; who had it.
    pub(super) fn leave(&mut self) -> Option<Member> {
        (self.applicant, self.asker) = (None, None);
        let member = self.member.take()?;
        member.seats.give_back();
        Some(member)
    }

    /// How many receipts may be sent now.
    pub(super) fn receipt_room(&self) -> usize {
        if self.member.as_ref().is_some_and(Member::receives) { self.session.room() } else { 0 }
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
                self.say(&pdu[..octets]);
                true
            }
            Err(_) => false,
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

    /// What it says goes into the output, and into the trace where there is one.
    pub(super) fn say(&mut self, pdus: &[u8]) {
        if let Some(tracer) = &self.tracer {
            tracer.sent(pdus);
        }
        self.output.extend_from_slice(pdus);
    }

    fn take_output(&mut self) {
        let mut pdus = [0; CONTROLS_OCTETS];
        loop {
            let octets = self.session.poll_output(&mut pdus);
            if octets == 0 {
                return;
            }
            self.say(&pdus[..octets]);
        }
    }

    /// Whether the peer was sent the last word and has not closed for too long.
    pub(super) fn lingers_too_long(&self, now_ms: SteadyMs) -> bool {
        now_ms >= self.leaving.until_ms()
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
        let asking = desk.ask_to_bind(bind, (self.source, self.certificate));
        (self.applicant, self.asker) = asking.unzip();
    }
}

impl LinkSession for Serving {
    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn due_ms(&self) -> SteadyMs {
        self.session.poll_deadline().map_or(SteadyMs::NEVER, SteadyMs::new)
    }

    fn wants_more(&self, unconsumed: usize, _most: usize) -> bool {
        let takes_more = unconsumed < SMPP_INPUT_OCTETS_MAX && self.session.is_reading();
        self.leaving.reads_on() && (self.closed.is_some() || takes_more)
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

impl ServedSession for Serving {
    fn lists(&mut self) -> &mut Lists {
        &mut self.lists
    }

    fn break_off(&mut self) {
        // Nobody is told any more whether it may bind.
        self.asker = None;
        self.session.handle_end();
    }

    fn ending(&mut self, unsent: usize, now_ms: SteadyMs) -> Ending {
        let is_over = self.closed.is_some() && unsent == 0;
        if is_over { self.leaving.end(now_ms) } else { Ending::Not }
    }

    fn waits_for_durable(&self) -> Option<u32> {
        self.pending.front()?.gate.awaited_place()
    }

    fn part_from(&mut self, place: u16, durable: &Marks) -> bool {
        let mut any = false;
        for pending in &mut self.pending {
            match pending.gate.part_from(place, durable) {
                Parting::Untouched => continue,
                Parting::Durable => pending.gate = Gate::Open,
                Parting::NotDurable => pending.fail(),
            }
            any = true;
        }
        any
    }

    fn fail_durable(&mut self) {
        for pending in &mut self.pending {
            if pending.gate.awaited_place().is_some() {
                pending.fail();
            }
        }
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
                self.leaving.drop_octets(octets.len() - at);
                return Some(octets.len());
            }
            if self.output.len() + self.pending.len() * SMPP_ANSWER_OCTETS >= room {
                self.blocked = true;
                return Some(at);
            }
            let taken = self.session.handle_octets(&octets[at..], now_ms.ms());
            if let Some(tracer) = &self.tracer {
                tracer.received(&octets[at..at + taken.octets]);
            }
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
        self.leaving.peer_ends();
        self.asker = None;
        self.session.handle_end();
        self.take_events(desk.lost());
    }
}
