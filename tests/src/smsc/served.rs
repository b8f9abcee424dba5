//! A connection of the small SMSC: what comes on it, and what is answered or sent.

use super::{Manner, PASSWORD, Receipt, SYSTEM_ID, Shared, Sms, lock};
use crate::tls::Wire;
use std::io::{ErrorKind, Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use wire::smpp::address::Address;
use wire::smpp::coding::EsmClass;
use wire::smpp::command::Command;
use wire::smpp::pdu::{Alert, Body, Message, MessageResp, QueryResp};
use wire::smpp::session::{Config, Event, RequestId, Session, State};
use wire::smpp::status::Status;
use wire::smpp::tlv::{Tag, TlvWriter, Tlvs};

/// How long a connection's thread waits for octets before it looks for receipts to send.
const LOOK: Duration = Duration::from_millis(2);

/// One connection.
struct Served {
    stream: Wire,
    session: Session,
    began: Instant,
    next_token: u64,
    counted: bool,
    unanswered: Vec<(RequestId, String)>,
}

impl Served {
    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn write(&mut self, octets: &[u8]) -> bool {
        self.stream.write_all(octets).is_ok()
    }

    fn request(&mut self, body: &Body<'_>, token: u64) -> bool {
        let mut pdu = [0; 2_048];
        let now_ms = self.now_ms();
        match self.session.request(&mut pdu, Command::DELIVER_SM, body, token, now_ms) {
            Ok(octets) => self.write(&pdu[..octets]),
            Err(_) => false,
        }
    }

    fn answer(&mut self, request: RequestId, status: Status, id: &str) -> bool {
        let mut pdu = [0; 256];
        let body =
            Body::MessageResp(MessageResp { message_id: id.as_bytes(), ..MessageResp::default() });
        let now_ms = self.now_ms();
        let octets = self.session.answer(&mut pdu, request, status, &body, now_ms);
        octets.is_ok_and(|octets| self.write(&pdu[..octets]))
    }
}

impl Shared {
    pub(super) fn serve(&self, stream: TcpStream) {
        if stream.set_read_timeout(Some(LOOK)).is_err() || stream.set_nodelay(true).is_err() {
            return;
        }
        let stream = Wire::of(stream, self.tls.as_ref());
        let config = Config { window: 100, ..Config::customer() };
        let session = Session::new(config, 0);
        let mut served = Served {
            stream,
            session,
            began: Instant::now(),
            next_token: 1,
            counted: false,
            unanswered: Vec::new(),
        };
        let mut input = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let mut octets = [0; 16_384];
            match served.stream.read(&mut octets) {
                Ok(0) => break,
                Ok(count) => input.extend_from_slice(&octets[..count]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
            if self.dead.load(Ordering::Relaxed) {
                continue;
            }
            if !self.take(&mut served, &mut input)
                || !self.send_receipts_by(&mut served)
                || !self.unbind_if_asked(&mut served)
            {
                break;
            }
            if self.answers_late.load(Ordering::Relaxed) {
                for (request, id) in std::mem::take(&mut served.unanswered) {
                    served.answer(request, Status::OK, &id);
                }
            }
        }
        if served.counted {
            self.bound.fetch_sub(1, Ordering::Relaxed);
        }
        // What was not acknowledged is sent again by another session.
        let mut under_way = lock(&self.under_way);
        lock(&self.receipts).extend(under_way.drain(..).map(|(_, receipt)| receipt));
        let _ = served.stream.socket().shutdown(Shutdown::Both);
    }

    /// Takes what has come; whether the connection goes on.
    fn take(&self, served: &mut Served, input: &mut Vec<u8>) -> bool {
        loop {
            let now_ms = served.now_ms();
            let mut session = served.session.clone();
            let taken = session.handle_octets(input, now_ms);
            let octets = taken.octets;
            served.session = session;
            let goes_on = match taken.event {
                Some(Event::BindRequested { bind }) => {
                    let is_known = bind.system_id == SYSTEM_ID.as_bytes();
                    let status = match is_known && bind.password == PASSWORD.as_bytes() {
                        true => Status::OK,
                        false => Status::INVALID_PASSWORD,
                    };
                    let mut pdu = [0; 256];
                    let answered = served.session.answer_bind(&mut pdu, status, b"smsc", now_ms);
                    if status == Status::OK {
                        served.counted = true;
                        self.bound.fetch_add(1, Ordering::Relaxed);
                        self.binds.fetch_add(1, Ordering::Relaxed);
                        let kind = match served.session.state() {
                            State::BoundTx => 0,
                            State::BoundRx => 1,
                            _ => 2,
                        };
                        self.kinds[kind].fetch_add(1, Ordering::Relaxed);
                    }
                    answered.is_ok_and(|octets| served.write(&pdu[..octets]))
                }
                Some(Event::Request { request, body: Body::Message(message), .. }) => {
                    self.take_sms(served, request, &message)
                }
                Some(Event::Request { request, body, .. }) => {
                    self.take_question(served, request, &body)
                }
                Some(Event::Answer { token, status, .. }) => {
                    let mut under_way = lock(&self.under_way);
                    let at = under_way.iter().position(|(other, _)| *other == token);
                    let receipt = at.map(|at| under_way.remove(at).1);
                    if status == Status::OK {
                        self.acknowledged.fetch_add(1, Ordering::Relaxed);
                    } else {
                        // It comes again, on whichever session.
                        lock(&self.receipts).extend(receipt);
                    }
                    true
                }
                _ => true,
            };
            input.drain(..octets);
            let mut own = [0; 1_024];
            let count = served.session.poll_output(&mut own);
            if !goes_on || !served.write(&own[..count]) {
                return false;
            }
            while let Some(event) = served.session.poll_event() {
                if matches!(event, Event::Closed { .. }) {
                    return false;
                }
            }
            if octets == 0 {
                return true;
            }
        }
    }

    /// Answers a query_sm as it was told to. What is cancelled is deleted, and its receipt says so.
    fn take_question(&self, served: &mut Served, request: RequestId, body: &Body<'_>) -> bool {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let (id, status, answer) = match body {
            Body::Query(query) => {
                let message_state = self.queried_state.load(Ordering::Relaxed);
                let answer = QueryResp {
                    message_id: query.message_id,
                    final_date: &[],
                    message_state,
                    error_code: 0,
                };
                let status = if message_state == 0 { Status::QUERY_FAILED } else { Status::OK };
                (text(query.message_id), status, Body::QueryResp(answer))
            }
            Body::Cancel(cancel) => {
                let (id, state) = (text(cancel.message_id), "DELETED".to_owned());
                let (to, from) = (text(cancel.destination.digits), text(cancel.source.digits));
                let receipt = Receipt { id: id.clone(), state, to, from, reference: None };
                lock(&self.receipts).push_back(receipt);
                (id, Status::OK, Body::Empty)
            }
            _ => return true,
        };
        lock(&self.questions).push((request.command, id));
        let mut pdu = [0; 256];
        let now_ms = served.now_ms();
        let octets = served.session.answer(&mut pdu, request, status, &answer, now_ms);
        octets.is_ok_and(|octets| served.write(&pdu[..octets]))
    }

    /// Whether the connection goes on.
    fn unbind_if_asked(&self, served: &mut Served) -> bool {
        let is_due = served.session.state().is_bound() && lock(&self.receipts).is_empty();
        if is_due && self.unbinds.swap(false, Ordering::Relaxed) {
            served.session.unbind(served.now_ms());
            let mut unbind = [0; 64];
            let octets = served.session.poll_output(&mut unbind);
            return served.write(&unbind[..octets]);
        }
        served.session.state() != State::Closed
    }

    fn is_too_fast(&self) -> bool {
        let rate = self.rate.load(Ordering::Relaxed);
        let (second, taken) = &mut *lock(&self.second);
        let now = self.began.elapsed().as_secs();
        if std::mem::replace(second, now) != now {
            *taken = 0;
        }
        *taken += 1;
        rate != 0 && *taken > rate
    }

    fn take_sms(&self, served: &mut Served, request: RequestId, message: &Message<'_>) -> bool {
        let throttled = self.is_too_fast().then_some(Manner::Status(0x58));
        let manner = throttled.or_else(|| lock(&self.manners).pop_front());
        let id = format!("{:08X}", 0x00B8_BE00 + self.next_id.fetch_add(1, Ordering::Relaxed));
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let reference =
            message.tlvs.number(Tag::USER_MESSAGE_REFERENCE).map(|number| number as u16);
        let status = match manner {
            None | Some(Manner::Take | Manner::ReceiptFirst) => Some(0),
            Some(Manner::Status(status)) => Some(status),
            Some(Manner::Silent | Manner::HangUp | Manner::Late) => None,
        };
        lock(&self.sms).push(Sms {
            id: id.clone(),
            to: text(message.destination.digits),
            from: text(message.source.digits),
            esm_class: message.esm_class.0,
            data_coding: message.data_coding,
            priority: message.priority_flag,
            registered_delivery: message.registered_delivery,
            text: message.short_message.to_vec(),
            validity: text(message.validity_period),
            reference,
            status,
            at: Instant::now(),
            by_transmitter: served.session.state() == State::BoundTx,
        });
        let (to, from) = (text(message.destination.digits), text(message.source.digits));
        let receipt = lock(&self.at_once).clone().map(|state| Receipt {
            id: id.clone(),
            state,
            to,
            from,
            reference: None,
        });
        match manner {
            Some(Manner::HangUp) => return false,
            Some(Manner::Silent) => return true,
            Some(Manner::Late) => {
                served.unanswered.push((request, id));
                return true;
            }
            Some(Manner::Status(status)) => return served.answer(request, Status(status), ""),
            Some(Manner::ReceiptFirst) => {
                if let Some(receipt) = receipt
                    && !self.send(served, receipt)
                {
                    return false;
                }
            }
            None | Some(Manner::Take) => lock(&self.receipts).extend(receipt),
        }
        served.answer(request, Status::OK, &id)
    }

    /// Sends the receipts that wait; whether the connection goes on.
    fn send_receipts_by(&self, served: &mut Served) -> bool {
        if served.session.state() == State::BoundTrx
            && let Some(phone) = lock(&self.reachable).pop_front()
        {
            let source = Address { ton: 1, npi: 1, digits: phone.as_bytes() };
            let esme = Address { ton: 5, npi: 0, digits: b"Hayauma" };
            let body = Body::Alert(Alert { source, esme, tlvs: Tlvs::NONE });
            let (mut pdu, now_ms) = ([0; 256], served.now_ms());
            let command = Command::ALERT_NOTIFICATION;
            let octets = served.session.request(&mut pdu, command, &body, 0, now_ms);
            if !octets.is_ok_and(|octets| served.write(&pdu[..octets])) {
                return false;
            }
        }
        while served.session.room() > 0 && served.session.state() != State::BoundTx {
            let Some(receipt) = lock(&self.receipts).pop_front() else { return true };
            if !self.send(served, receipt) {
                return false;
            }
        }
        true
    }

    fn send(&self, served: &mut Served, receipt: Receipt) -> bool {
        let text = format!(
            "id:{} sub:001 dlvrd:001 submit date:2611290900 done date:2611290901 stat:{} \
             err:000 text:",
            receipt.id, receipt.state
        );
        let mut space = [0; 16];
        let mut tlvs = TlvWriter::new(&mut space);
        if let Some(reference) = receipt.reference {
            tlvs.short(Tag::USER_MESSAGE_REFERENCE, reference);
        }
        let message = Message {
            source: Address { ton: 1, npi: 1, digits: receipt.to.as_bytes() },
            destination: Address { ton: 5, npi: 0, digits: receipt.from.as_bytes() },
            esm_class: EsmClass::RECEIPT,
            short_message: text.as_bytes(),
            tlvs: tlvs.finish().unwrap_or_default(),
            ..Message::default()
        };
        // Tokens are the SMSC's own: sessions end, and what was not acknowledged goes on.
        let token = self.next_id.fetch_add(1, Ordering::Relaxed) << 16 | served.next_token & 0xFFFF;
        served.next_token += 1;
        let sent = served.request(&Body::Message(message), token);
        lock(&self.under_way).push((token, receipt));
        sent
    }
}
