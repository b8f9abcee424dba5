//! Two sessions in virtual time: octets go between them late and in pieces of any size, answers
//! come in any order, late or never, and every message has to end once and rightly.

use std::collections::{BTreeMap, VecDeque};

use super::samples::submit;
use super::session::ensure;
use crate::smpp::command::Command;
use crate::smpp::frame::first_pdu;
use crate::smpp::limits::SEQUENCE_MAX;
use crate::smpp::pdu::{Bind, BindKind, Body, Message, MessageResp, decode};
use crate::smpp::session::{Config, Event, Refusal, RequestId, Session, SessionMutation, State};
use crate::smpp::status::Status;
use crate::smpp::tlv::{Tag, TlvWriter, Tlvs};
use crate::terms::mix::mix;

/// Virtual milliseconds after which nothing may be left to do.
const END_MS: u64 = 1_200_000;
/// Messages of a run.
const MESSAGES: u64 = 60;

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0) % bound
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// One side, with what has been received and not taken.
struct Side {
    session: Session,
    input: Vec<u8>,
    is_over: bool,
}

/// How one message fares.
#[derive(Default)]
struct Fate {
    /// What the SMSC's owner answered.
    answered: Option<Status>,
    /// How often the ESME was told of an end.
    ends: u32,
}

struct World {
    chance: Chance,
    now_ms: u64,
    sides: [Side; 2],
    /// Octets on their way to each side, with their time; in order.
    wires: [VecDeque<(u64, Vec<u8>)>; 2],
    /// Whether octets come one by one.
    is_chopped: bool,
    fates: BTreeMap<u64, Fate>,
    sent: u64,
    /// Requests that the SMSC's owner has, with the time of their answer; none: never.
    pending: Vec<(Option<u64>, RequestId, u64)>,
    version: u8,
    window: u16,
    inbound_window: u16,
    /// An unbind went out, so nothing new may.
    unbind_seen: bool,
    /// The SMSC's last word went out.
    farewell_seen: bool,
    cut_at_ms: Option<u64>,
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

/// A run of this seed; the sentence says what went wrong.
pub(super) fn run(seed: u64, mutation: SessionMutation) -> Result<u64, String> {
    World::new(seed, mutation).run().map_err(|sentence| format!("seed {seed}: {sentence}"))
}

impl World {
    fn new(seed: u64, mutation: SessionMutation) -> Self {
        let mut chance = Chance(mix(seed));
        let window = 1 + chance.below(20) as u16;
        let inbound_window = 1 + chance.below(30) as u16;
        let mut client = Session::new(Config { window, ..Config::carrier() }, 0);
        let mut server = Session::new(Config { inbound_window, ..Config::customer() }, 0);
        client.mutate(mutation);
        server.mutate(mutation);
        if chance.one_in(2) {
            client.set_next_sequence(SEQUENCE_MAX - chance.below(40) as u32);
        }
        let side = |session| Side { session, input: Vec::new(), is_over: false };
        let version = if chance.one_in(3) { 0x33 } else { 0x34 };
        let (is_chopped, cut) = (chance.one_in(3), chance.one_in(4));
        let cut_at_ms = cut.then(|| chance.below(20_000));
        Self {
            chance,
            now_ms: 0,
            sides: [side(client), side(server)],
            wires: [VecDeque::new(), VecDeque::new()],
            is_chopped,
            fates: BTreeMap::new(),
            sent: 0,
            pending: Vec::new(),
            version,
            window,
            inbound_window,
            unbind_seen: false,
            farewell_seen: false,
            cut_at_ms,
        }
    }

    fn run(mut self) -> Result<u64, String> {
        let bind = Bind {
            kind: BindKind::Transceiver,
            system_id: b"esme",
            password: b"secret",
            system_type: b"",
            interface_version: self.version,
            addr_ton: 0,
            addr_npi: 0,
            address_range: b"",
        };
        let mut out = [0; 200];
        let octets = self.sides[CLIENT]
            .session
            .bind(&mut out, &bind, 0)
            .map_err(|error| error.to_string())?;
        self.carry(SERVER, &out[..octets])?;
        let mut turns = 0;
        while !self.sides.iter().all(|side| side.is_over) {
            turns += 1;
            ensure!(turns < 200_000, "it goes round without getting on at {} ms", self.now_ms);
            ensure!(self.now_ms < END_MS, "not over by {END_MS} ms");
            self.turn()?;
        }
        for (token, fate) in &self.fates {
            ensure!(fate.ends == 1, "message {token} ended {} times", fate.ends);
        }
        Ok(self.fates.len() as u64)
    }

    /// Everything that is due now, and then on to the next time that something is.
    fn turn(&mut self) -> Result<(), String> {
        if self.cut_at_ms.is_some_and(|at| self.now_ms >= at) {
            self.cut_at_ms = None;
            self.sides.iter_mut().for_each(|side| side.session.handle_end());
            self.wires.iter_mut().for_each(VecDeque::clear);
        }
        for to in [CLIENT, SERVER] {
            while self.wires[to].front().is_some_and(|(due, _)| *due <= self.now_ms) {
                let (_, octets) = self.wires[to].pop_front().expect("there");
                self.sides[to].input.extend(octets);
                self.read(to)?;
            }
            self.read(to)?;
        }
        self.submit()?;
        self.answer()?;
        for at in [CLIENT, SERVER] {
            self.sides[at].session.handle_time(self.now_ms);
            self.settle(at)?;
        }
        let due = |due: &(u64, Vec<u8>)| due.0;
        let wires = self.wires.iter().filter_map(|wire| wire.front().map(due));
        let deadlines = self.sides.iter().filter_map(|side| side.session.poll_deadline());
        let answers = self.pending.iter().filter_map(|(due, ..)| *due);
        let next = wires.chain(deadlines).chain(answers).chain(self.cut_at_ms).min();
        let is_idle = self.sides[CLIENT].session.room() > 0 && self.sent < MESSAGES;
        let soonest = if is_idle { self.now_ms + 20 } else { END_MS };
        self.now_ms = next.unwrap_or(soonest).min(soonest).max(self.now_ms);
        Ok(())
    }

    /// Hands in what has come, once or an octet at a time.
    fn read(&mut self, at: usize) -> Result<(), String> {
        loop {
            let Side { session, input, .. } = &mut self.sides[at];
            let octets = std::mem::take(input);
            let taken = session.handle_octets(&octets, self.now_ms);
            let count = taken.octets;
            if let Some(event) = taken.event {
                self.handle(at, &event)?;
            }
            self.sides[at].input = octets[count..].to_vec();
            self.settle(at)?;
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn handle(&mut self, at: usize, event: &Event<'_>) -> Result<(), String> {
        match *event {
            Event::BindRequested { bind } => {
                ensure!(bind.system_id == b"esme" && at == SERVER, "another's bind");
                let mut out = [0; 100];
                let session = &mut self.sides[SERVER].session;
                let answered = session.answer_bind(&mut out, Status::OK, b"smsc", self.now_ms);
                let octets = answered.map_err(|error| error.to_string())?;
                self.carry(CLIENT, &out[..octets])
            }
            Event::Request { request, body: Body::Message(message), .. } => {
                ensure!(at == SERVER, "the ESME gets no requests here");
                let token = message
                    .short_message
                    .iter()
                    .fold(0, |token, digit| token * 10 + u64::from(digit - b'0'));
                let due = match self.chance.below(20) {
                    0 => None,
                    1 => Some(self.now_ms + 55_000 + self.chance.below(20_000)),
                    2 => Some(self.now_ms),
                    _ => Some(self.now_ms + self.chance.below(300)),
                };
                self.pending.push((due, request, token));
                let held = self.pending.len();
                ensure!(
                    held <= usize::from(self.inbound_window),
                    "{held} requests are read at once"
                );
                Ok(())
            }
            Event::Answer { token, status, body, .. } => {
                let fate = self.fates.get_mut(&token).ok_or("an answer to nothing")?;
                fate.ends += 1;
                ensure!(fate.answered == Some(status), "{token}: {status} for {:?}", fate.answered);
                let id = format!("M{token}");
                let right = status != Status::OK || body.message_id() == Some(id.as_bytes());
                ensure!(right, "{token} has another's id");
                Ok(())
            }
            Event::InDoubt { token } => {
                self.fates.get_mut(&token).ok_or("a doubt about nothing")?.ends += 1;
                Ok(())
            }
            Event::Closed { .. } => {
                ensure!(!self.sides[at].is_over, "it ends twice");
                self.sides[at].is_over = true;
                // The other side's connection ends when what is on its way has come.
                if !self.sides[1 - at].is_over && self.cut_at_ms.is_none() {
                    let last = self.wires[1 - at].back().map_or(self.now_ms, |(due, _)| *due);
                    self.cut_at_ms = Some(last + 1);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Sends what there is room for; unbinds behind the last.
    fn submit(&mut self) -> Result<(), String> {
        if !self.sides[CLIENT].session.state().is_bound() {
            return Ok(());
        }
        while self.sent < MESSAGES && !self.chance.one_in(4) {
            let token = self.sent;
            let digits = token.to_string();
            let mut space = [0; 16];
            let mut tlvs = TlvWriter::new(&mut space);
            tlvs.short(Tag::USER_MESSAGE_REFERENCE, token as u16);
            let tlvs = tlvs.finish().map_err(|error| error.to_string())?;
            let body =
                Body::Message(Message { short_message: digits.as_bytes(), tlvs, ..submit() });
            let mut out = [0; 300];
            let session = &mut self.sides[CLIENT].session;
            match session.request(&mut out, Command::SUBMIT_SM, &body, token, self.now_ms) {
                Ok(octets) => {
                    self.sent += 1;
                    self.fates.insert(token, Fate::default());
                    self.carry(SERVER, &out[..octets])?;
                }
                Err(Refusal::WindowFull) => break,
                Err(refusal) => return Err(refusal.to_string()),
            }
            let outstanding = self.sides[CLIENT].session.outstanding();
            ensure!(outstanding <= usize::from(self.window), "{outstanding} are outstanding");
        }
        if self.sent == MESSAGES {
            self.sides[CLIENT].session.unbind(self.now_ms);
            self.settle(CLIENT)?;
        }
        Ok(())
    }

    /// Gives the answers that are due.
    fn answer(&mut self) -> Result<(), String> {
        while let Some(at) =
            self.pending.iter().position(|(due, ..)| due.is_some_and(|due| due <= self.now_ms))
        {
            let (_, request, token) = self.pending.swap_remove(at);
            let status = if self.chance.one_in(8) { Status::THROTTLED } else { Status::OK };
            let id = format!("M{token}");
            let body =
                Body::MessageResp(MessageResp { message_id: id.as_bytes(), tlvs: Tlvs::NONE });
            let mut out = [0; 100];
            let session = &mut self.sides[SERVER].session;
            if session.state() != State::Closed {
                self.fates.get_mut(&token).ok_or("nobody sent it")?.answered = Some(status);
            }
            let answered = session.answer(&mut out, request, status, &body, self.now_ms);
            let octets = answered.map_err(|error| error.to_string())?;
            self.carry(CLIENT, &out[..octets])?;
            self.settle(SERVER)?;
        }
        Ok(())
    }

    /// What a session made by itself, and what it tells.
    fn settle(&mut self, at: usize) -> Result<(), String> {
        let mut out = [0; 300];
        let octets = self.sides[at].session.poll_output(&mut out);
        self.carry(1 - at, &out[..octets])?;
        while let Some(event) = self.sides[at].session.poll_event() {
            self.handle(at, &event)?;
        }
        Ok(())
    }

    /// Checks PDUs and puts them on the wire, in pieces.
    fn carry(&mut self, to: usize, octets: &[u8]) -> Result<(), String> {
        let mut rest = octets;
        while let Ok(Some(octets)) = first_pdu(rest) {
            let pdu = decode(octets).map_err(|error| error.to_string())?;
            let sequence = pdu.header.sequence;
            ensure!((1..=SEQUENCE_MAX).contains(&sequence), "number {sequence}");
            let command = pdu.header.command;
            ensure!(
                !self.unbind_seen || command != Command::SUBMIT_SM,
                "a submit_sm behind an unbind"
            );
            self.unbind_seen |= command == Command::UNBIND;
            ensure!(to == SERVER || !self.farewell_seen, "{command} behind the unbind_resp");
            self.farewell_seen |= command == Command::UNBIND_RESP;
            if let Body::Message(message) = pdu.body {
                let is_old = self.version < 0x34;
                ensure!(!is_old || message.tlvs.is_empty(), "TLVs on an old session");
            }
            rest = &rest[octets.len()..];
        }
        ensure!(rest.is_empty(), "half a PDU is written");
        let mut due = self.now_ms.max(self.wires[to].back().map_or(0, |(due, _)| *due));
        let mut at = 0;
        while at < octets.len() {
            let most = if self.is_chopped { 1 } else { 400 };
            let piece = (1 + self.chance.below(most) as usize).min(octets.len() - at);
            due += self.chance.below(if self.is_chopped { 2 } else { 40 });
            self.wires[to].push_back((due, octets[at..at + piece].to_vec()));
            at += piece;
        }
        Ok(())
    }
}

#[test]
fn every_message_ends_once_and_rightly_whatever_comes_late_in_pieces_or_never() {
    let (mut messages, runs) = (0, 300);
    for seed in 0..runs {
        messages +=
            run(seed, SessionMutation::None).unwrap_or_else(|sentence| panic!("{sentence}"));
    }
    assert!(messages > runs * MESSAGES / 2, "{messages} messages are many");
}
