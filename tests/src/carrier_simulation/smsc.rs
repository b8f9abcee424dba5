//! The SMSC of the simulation: what it takes, how it errs, and its end of each connection.

use super::{Station, World};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use wire::smpp::address::Address;
use wire::smpp::coding::EsmClass;
use wire::smpp::command::Command;
use wire::smpp::pdu::{Body as PduBody, Message, MessageResp};
use wire::smpp::session::{Event, RequestId, Session};
use wire::smpp::status::Status;

/// One SMS that the SMSC took.
pub(super) struct Copy {
    pub(super) delivered: bool,
    pub(super) receipt_lost: bool,
}

pub(super) struct Receipt {
    pub(super) due_ms: u64,
    pub(super) id: String,
    pub(super) delivered: bool,
    pub(super) phone: String,
}

/// A connection, both of its ends.
pub(super) struct Line {
    pub(super) client: Session,
    pub(super) server: Session,
    pub(super) to_server: Vec<u8>,
    pub(super) to_client: Vec<u8>,
    pub(super) was_bound: bool,
    /// Which of the connections it is.
    pub(super) generation: u32,
    /// SMS that the server has not answered: when it will.
    pub(super) late: Vec<(u64, RequestId, String)>,
    pub(super) under_way: HashMap<u64, Receipt>,
}

pub(super) struct Smsc {
    pub(super) copies: BTreeMap<String, Vec<Copy>>,
    pub(super) receipts: VecDeque<Receipt>,
    pub(super) next_id: u64,
    /// SMS that it has given ids.
    pub(super) named: u64,
    /// Phones that SMS came for.
    pub(super) seen: HashSet<String>,
    /// Phones whose SMS was sent too fast: how many had been seen then.
    pub(super) throttled: HashMap<String, usize>,
    /// The most phones that were seen first between such an SMS and its next try.
    pub(super) overtaken: usize,
    pub(super) still_until_ms: u64,
    pub(super) away_until_ms: u64,
}

impl World<'_> {
    /// The SMSC's end of a connection.
    pub(super) fn serve(&mut self, station: &mut Station, at: usize, faulty: bool) {
        let now_ms = self.now_ms;
        if now_ms < self.smsc.still_until_ms {
            return;
        }
        let Some(mut line) = station.lines[at].take() else { return };
        let mut read = 0;
        let input = std::mem::take(&mut line.to_server);
        loop {
            let taken = line.server.handle_octets(&input[read..], now_ms);
            read += taken.octets;
            let mut pdu = [0; 256];
            match taken.event {
                Some(Event::BindRequested { .. }) => {
                    let answered = line.server.answer_bind(&mut pdu, Status::OK, b"smsc", now_ms);
                    line.to_client.extend_from_slice(&pdu[..answered.expect("an answer")]);
                }
                Some(Event::Request { request, body: PduBody::Message(message), .. }) => {
                    self.take_sms(&mut line, request, &message, faulty);
                }
                Some(Event::Answer { token, status, .. }) if status == Status::OK => {
                    line.under_way.remove(&token);
                }
                _ => {}
            }
            if taken.octets == 0 {
                break;
            }
        }
        line.to_server = [&input[read..], &line.to_server].concat();
        let (due, late): (Vec<_>, Vec<_>) =
            line.late.drain(..).partition(|(due_ms, ..)| now_ms >= *due_ms);
        line.late = late;
        for (_, request, id) in due {
            line.server_answers(request, Status::OK, &id, now_ms);
        }
        while line.server.room() > 0
            && line.server.state().is_bound()
            && self.smsc.receipts.front().is_some_and(|receipt| now_ms >= receipt.due_ms)
        {
            let Some(receipt) = self.smsc.receipts.pop_front() else { break };
            line.send_receipt(receipt, self.smsc.next_id, now_ms);
            self.smsc.next_id += 1;
        }
        line.server.handle_time(now_ms);
        let mut own = [0; 512];
        let octets = line.server.poll_output(&mut own);
        line.to_client.extend_from_slice(&own[..octets]);
        while line.server.poll_event().is_some() {}
        station.lines[at] = Some(line);
    }

    fn take_sms(
        &mut self,
        line: &mut Line,
        request: RequestId,
        message: &Message<'_>,
        faulty: bool,
    ) {
        let now_ms = self.now_ms;
        let status = match self.chance.below(100) {
            0..5 if faulty => Status::THROTTLED,
            5..6 if faulty => Status::QUEUE_FULL,
            6..8 if faulty => Status::SYSTEM_ERROR,
            _ => Status::OK,
        };
        let phone = String::from_utf8_lossy(message.destination.digits).into_owned();
        self.smsc.see(&phone, status);
        if status != Status::OK {
            return line.server_answers(request, status, "", now_ms);
        }
        let id = self.smsc.name();
        let delivered = !self.chance.is(100);
        let receipt_lost = faulty && self.chance.is(20);
        self.met.lost_receipts += u64::from(receipt_lost);
        self.smsc.copies.entry(phone.clone()).or_default().push(Copy { delivered, receipt_lost });
        let copies = match self.chance.below(20) {
            _ if receipt_lost => 0,
            0 if faulty => 2,
            _ => 1,
        };
        // Some come before their answers.
        let early = faulty && self.chance.is(100);
        for _ in 0..copies {
            let due_ms = now_ms + if early { 0 } else { 10 + self.chance.below(5_000) };
            // Some do not say whom they are about.
            let phone = if self.chance.is(100) { String::new() } else { phone.clone() };
            let id = id.clone();
            self.smsc.receipts.push_back(Receipt { due_ms, id, delivered, phone });
        }
        self.smsc.receipts.make_contiguous().sort_by_key(|receipt| receipt.due_ms);
        match self.chance.below(100) {
            // Never answered.
            0..3 if faulty => line.late.push((u64::MAX, request, id)),
            3..6 if faulty => line.late.push((now_ms + self.chance.below(9_000), request, id)),
            _ if early => line.late.push((now_ms + 100, request, id)),
            _ => line.server_answers(request, Status::OK, &id, now_ms),
        }
    }
}

impl Smsc {
    pub(super) fn new() -> Self {
        Self {
            copies: BTreeMap::new(),
            receipts: VecDeque::new(),
            next_id: 1,
            named: 0,
            seen: HashSet::new(),
            throttled: HashMap::new(),
            overtaken: 0,
            still_until_ms: 0,
            away_until_ms: 0,
        }
    }

    /// Two of them differ in the zeros before them alone, sixteen in their last digit.
    fn name(&mut self) -> String {
        self.named += 1;
        let number = self.named / 2;
        match self.named % 2 {
            0 => format!("{number:08X}"),
            _ => format!("{:X}", number + 1),
        }
    }

    /// An SMS came that is answered so.
    fn see(&mut self, phone: &str, status: Status) {
        self.seen.insert(phone.to_owned());
        let seen = self.seen.len();
        if let Some(before) = self.throttled.remove(phone) {
            self.overtaken = self.overtaken.max(seen - before);
        }
        if status == Status::THROTTLED {
            self.throttled.insert(phone.to_owned(), seen);
        }
    }
}

impl Line {
    pub(super) fn answer(&mut self, request: RequestId, now_ms: u64) {
        let mut pdu = [0; 256];
        let body = PduBody::MessageResp(MessageResp::default());
        if let Ok(octets) = self.client.answer(&mut pdu, request, Status::OK, &body, now_ms) {
            self.to_server.extend_from_slice(&pdu[..octets]);
        }
    }

    fn server_answers(&mut self, request: RequestId, status: Status, id: &str, now_ms: u64) {
        let mut pdu = [0; 256];
        let answer = MessageResp { message_id: id.as_bytes(), ..MessageResp::default() };
        let body = PduBody::MessageResp(answer);
        if let Ok(octets) = self.server.answer(&mut pdu, request, status, &body, now_ms) {
            self.to_client.extend_from_slice(&pdu[..octets]);
        }
    }

    fn send_receipt(&mut self, receipt: Receipt, token: u64, now_ms: u64) {
        let stat = if receipt.delivered { "DELIVRD" } else { "UNDELIV" };
        let text = format!("id:{} stat:{stat} err:000 text:", receipt.id);
        let message = Message {
            source: Address { ton: 1, npi: 1, digits: receipt.phone.as_bytes() },
            destination: Address { ton: 5, npi: 0, digits: b"Hayauma" },
            esm_class: EsmClass::RECEIPT,
            short_message: text.as_bytes(),
            ..Message::default()
        };
        let mut pdu = [0; 512];
        let body = PduBody::Message(message);
        let sent = self.server.request(&mut pdu, Command::DELIVER_SM, &body, token, now_ms);
        if let Ok(octets) = sent {
            self.to_client.extend_from_slice(&pdu[..octets]);
        }
        self.under_way.insert(token, receipt);
    }
}
