//! What is measured in memory: PDUs written and read, and two sessions that talk to each other.

use loadgen::os::own_thread_cpu_time;
use std::hint::black_box;
use std::time::Duration;
use wire::smpp::address::Address;
use wire::smpp::coding::EsmClass;
use wire::smpp::command::Command;
use wire::smpp::pdu::{Bind, BindKind, Body, Message, MessageResp, Pdu, decode, encode};
use wire::smpp::receipt::{MessageState, Receipt, ReceiptText};
use wire::smpp::session::{Config, Event, RequestId, Session, VERSION_34};
use wire::smpp::status::Status;
use wire::smpp::tlv::{Tag, TlvWriter};

/// Submits in flight between the two sessions.
const WINDOW: u64 = 10;
const SPACE_OCTETS: usize = 4 * 1024;
const TEXT: &[u8; 140] = &[0x4E; 140];
const MESSAGE_ID: &[u8] = b"1234567890123456789";

/// One thing to measure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    WriteSubmit,
    ReadSubmit,
    WriteAnswer,
    ReadAnswer,
    WriteReceipt,
    ReadReceipt,
    SessionPair,
}

impl Piece {
    pub(super) const ALL: [Self; 7] = [
        Self::WriteSubmit,
        Self::ReadSubmit,
        Self::WriteAnswer,
        Self::ReadAnswer,
        Self::WriteReceipt,
        Self::ReadReceipt,
        Self::SessionPair,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WriteSubmit => "submit_sm written",
            Self::ReadSubmit => "submit_sm read",
            Self::WriteAnswer => "submit_sm_resp written",
            Self::ReadAnswer => "submit_sm_resp read",
            Self::WriteReceipt => "receipt with text written",
            Self::ReadReceipt => "receipt with text read",
            Self::SessionPair => "two sessions, submit and answer",
        }
    }

    /// Does it `count` times; nanoseconds each.
    pub(super) fn measure_ns(self, count: u64) -> f64 {
        let mut space = [0; 64];
        let mut tlvs = TlvWriter::new(&mut space);
        tlvs.short(Tag::USER_MESSAGE_REFERENCE, 7);
        let number = |digits| Address { ton: 1, npi: 1, digits };
        let submit = Body::Message(Message {
            source: Address { ton: 5, npi: 0, digits: b"Hayauma" },
            destination: number(b"819012345678"),
            validity_period: b"000001000000000R",
            registered_delivery: 1,
            data_coding: 8,
            short_message: TEXT,
            tlvs: tlvs.finish().expect("one TLV fits"),
            ..Message::default()
        });
        let answer =
            Body::MessageResp(MessageResp { message_id: MESSAGE_ID, ..MessageResp::default() });
        match self {
            Self::WriteSubmit => writing(count, Command::SUBMIT_SM, &submit),
            Self::ReadSubmit => reading(count, Command::SUBMIT_SM, &submit),
            Self::WriteAnswer => writing(count, Command::SUBMIT_SM_RESP, &answer),
            Self::ReadAnswer => reading(count, Command::SUBMIT_SM_RESP, &answer),
            Self::WriteReceipt => timed(count, || with_receipt(&mut [0; SPACE_OCTETS])),
            Self::ReadReceipt => {
                let mut pdu = [0; SPACE_OCTETS];
                let octets = with_receipt(&mut pdu);
                timed(count, || {
                    let pdu = decode(black_box(&pdu[..octets])).expect("ours");
                    let Body::Message(message) = &pdu.body else { unreachable!("a deliver_sm") };
                    Receipt::of_message(message)
                        .map_or(0, |receipt| receipt.id.map_or(0, <[u8]>::len))
                })
            }
            Self::SessionPair => pair(count, &submit, &answer),
        }
    }
}

/// CPU time since `begun`, for each: what else runs on the machine is no part of it.
fn each_ns(begun: Duration, count: u64) -> f64 {
    own_thread_cpu_time().saturating_sub(begun).as_nanos() as f64 / count.max(1) as f64
}

fn timed(count: u64, mut each: impl FnMut() -> usize) -> f64 {
    let begun = own_thread_cpu_time();
    for _ in 0..count {
        black_box(each());
    }
    each_ns(begun, count)
}

fn writing(count: u64, command: Command, body: &Body<'_>) -> f64 {
    let mut out = [0; SPACE_OCTETS];
    timed(count, || {
        encode(&mut out, command, Status::OK, 1, black_box(body), true).expect("it fits")
    })
}

fn reading(count: u64, command: Command, body: &Body<'_>) -> f64 {
    let mut out = [0; SPACE_OCTETS];
    let octets = encode(&mut out, command, Status::OK, 1, body, true).expect("it fits");
    // Read where it lies, as a session does: to move what was read is none of reading.
    timed(count, || match &decode(black_box(&out[..octets])) {
        Ok(Pdu { body: Body::Message(message), .. }) => message.short_message.len(),
        Ok(pdu) => pdu.body.message_id().map_or(0, <[u8]>::len),
        Err(error) => unreachable!("ours: {error}"),
    })
}

/// Writes a receipt with its text and TLVs; gives the octets.
fn with_receipt(out: &mut [u8; SPACE_OCTETS]) -> usize {
    let receipt = ReceiptText {
        id: MESSAGE_ID,
        submitted: 1,
        delivered: 1,
        submit_ms: 1_800_000_000_000,
        done_ms: 1_800_000_001_000,
        zone_minutes: 540,
        state: MessageState::Delivered,
        error: *b"000",
        text: b"",
    };
    let (mut text, mut space) = ([0; 192], [0; 64]);
    let length = receipt.write(&mut text).expect("it fits");
    let mut tlvs = TlvWriter::new(&mut space);
    tlvs.text(Tag::RECEIPTED_MESSAGE_ID, MESSAGE_ID);
    tlvs.octet(Tag::MESSAGE_STATE, MessageState::Delivered.number());
    let message = Message {
        esm_class: EsmClass::RECEIPT,
        short_message: &text[..length],
        tlvs: tlvs.finish().expect("both fit"),
        ..Message::default()
    };
    let body = Body::Message(message);
    encode(out, Command::DELIVER_SM, Status::OK, 1, &body, true).expect("it fits")
}

/// A client and a server that hand each other octets.
struct Pair {
    client: Session,
    server: Session,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    space: Box<[u8; SPACE_OCTETS]>,
}

/// `count` submits and their answers, [`WINDOW`] at a time.
fn pair(count: u64, submit: &Body<'_>, answer: &Body<'_>) -> f64 {
    let mut pair = Pair::bound();
    let begun = own_thread_cpu_time();
    let mut done = 0;
    while done < count {
        let turn = WINDOW.min(count - done);
        for token in 0..turn {
            let space = &mut pair.space[..];
            let octets = pair.client.request(space, Command::SUBMIT_SM, submit, token, 0);
            pair.to_server.extend_from_slice(&pair.space[..octets.expect("room in the window")]);
        }
        pair.serve(answer);
        assert_eq!(pair.take_answers(), turn, "every submit is answered");
        done += turn;
    }
    each_ns(begun, count)
}

impl Pair {
    fn bound() -> Self {
        let mut pair = Self {
            client: Session::new(Config::carrier(), 0),
            server: Session::new(Config::customer(), 0),
            to_server: Vec::new(),
            to_client: Vec::new(),
            space: Box::new([0; SPACE_OCTETS]),
        };
        let bind = Bind {
            kind: BindKind::Transceiver,
            system_id: b"bench",
            password: b"",
            system_type: b"",
            interface_version: VERSION_34,
            addr_ton: 0,
            addr_npi: 0,
            address_range: b"",
        };
        let octets = pair.client.bind(&mut pair.space[..], &bind, 0).expect("open");
        let taken = pair.server.handle_octets(&pair.space[..octets], 0);
        assert!(matches!(taken.event, Some(Event::BindRequested { .. })));
        let octets =
            pair.server.answer_bind(&mut pair.space[..], Status::OK, b"smsc", 0).expect("bound");
        let taken = pair.client.handle_octets(&pair.space[..octets], 0);
        assert!(matches!(taken.event, Some(Event::Bound { .. })));
        pair
    }

    /// The server takes all submits and answers them.
    fn serve(&mut self, answer: &Body<'_>) {
        let mut at = 0;
        loop {
            let taken = self.server.handle_octets(&self.to_server[at..], 0);
            at += taken.octets;
            let request: RequestId = match taken.event {
                Some(Event::Request { request, .. }) => request,
                _ => break,
            };
            let octets = self.server.answer(&mut self.space[..], request, Status::OK, answer, 0);
            self.to_client.extend_from_slice(&self.space[..octets.expect("it fits")]);
        }
        self.to_server.clear();
    }

    /// The client takes all answers; gives how many there were.
    fn take_answers(&mut self) -> u64 {
        let (mut at, mut count) = (0, 0);
        while let taken = self.client.handle_octets(&self.to_client[at..], 0)
            && taken.octets > 0
        {
            at += taken.octets;
            count +=
                u64::from(matches!(taken.event, Some(Event::Answer { status: Status::OK, .. })));
        }
        self.to_client.clear();
        count
    }
}
