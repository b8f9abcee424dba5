//! A small SMSC that a carrier would have: it is bound to, takes SMS, sends receipts, and does what
//! real ones do wrong when it is told to.
//!
//! It speaks by `wire::smpp`'s server role over ordinary sockets, one thread for each connection.

use crate::tls::Wire;
use crate::wait;
use rustls::ServerConfig;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wire::smpp::address::Address;
use wire::smpp::coding::EsmClass;
use wire::smpp::command::Command;
use wire::smpp::pdu::{Alert, Body, Message, MessageResp, QueryResp};
use wire::smpp::session::{Config, Event, RequestId, Session, State};
use wire::smpp::status::Status;
use wire::smpp::tlv::{Tag, TlvWriter, Tlvs};

/// Who may bind.
pub const SYSTEM_ID: &str = "hayauma";
/// Its password.
pub const PASSWORD: &str = "secret";
/// How long a connection's thread waits for octets before it looks for receipts to send.
const LOOK: Duration = Duration::from_millis(2);

/// One SMS that came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sms {
    /// The id that it was or would be answered with.
    pub id: String,
    /// destination_addr.
    pub to: String,
    /// source_addr.
    pub from: String,
    /// esm_class.
    pub esm_class: u8,
    /// data_coding.
    pub data_coding: u8,
    /// priority_flag.
    pub priority: u8,
    /// registered_delivery.
    pub registered_delivery: u8,
    /// short_message.
    pub text: Vec<u8>,
    /// validity_period.
    pub validity: String,
    /// user_message_reference.
    pub reference: Option<u16>,
    /// The status that it was answered with; `None` where it was not answered.
    pub status: Option<u32>,
    /// When it came.
    pub at: Instant,
    /// Whether it came on a session that receives nothing.
    pub by_transmitter: bool,
}

/// What it does with the next SMS, instead of taking it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Takes it as any other.
    Take,
    /// Answers with this status.
    Status(u32),
    /// Does not answer.
    Silent,
    /// Takes it and ends the connection before it has answered.
    HangUp,
    /// Takes it, and sends its receipt before it answers.
    ReceiptFirst,
    /// Takes it, and answers when it is told to by [`Smsc::answer_late`].
    Late,
}

/// A receipt to be sent.
#[derive(Clone, Debug)]
struct Receipt {
    id: String,
    state: String,
    /// The addresses of the SMS.
    to: String,
    from: String,
    reference: Option<u16>,
}

struct Shared {
    tls: Option<Arc<ServerConfig>>,
    stop: AtomicBool,
    next_id: AtomicU64,
    sms: Mutex<Vec<Sms>>,
    manners: Mutex<VecDeque<Manner>>,
    /// `stat` of the receipt that every SMS gets at once; `None`: none.
    at_once: Mutex<Option<String>>,
    receipts: Mutex<VecDeque<Receipt>>,
    acknowledged: AtomicU64,
    /// Receipts that are not sent any more once they were; what is not acknowledged comes again.
    under_way: Mutex<Vec<(u64, Receipt)>>,
    bound: AtomicU64,
    binds: AtomicU64,
    /// Transmitters, receivers, transceivers.
    kinds: [AtomicU64; 3],
    streams: Mutex<Vec<TcpStream>>,
    /// Answers that wait for [`Smsc::answer_late`] are sent.
    answers_late: AtomicBool,
    /// Connections end at once.
    away: AtomicBool,
    /// SMS that it takes in a second; 0: all.
    rate: AtomicU64,
    /// Which second it is, and how many it has taken in it.
    second: Mutex<(u64, u64)>,
    began: Instant,
    /// Connections are taken and nothing is ever said on them.
    dead: AtomicBool,
    /// query_sm and cancel_sm that came, with the ids that they name.
    questions: Mutex<Vec<(Command, String)>>,
    /// message_state that a query_sm is answered with; 0: it is refused.
    queried_state: AtomicU8,
    /// Phones that are to be said to be reachable again.
    reachable: Mutex<VecDeque<String>>,
    /// The next session that has nothing more to say is to be unbound.
    unbinds: AtomicBool,
}

/// The SMSC; dropping it ends it.
pub struct Smsc {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<std::thread::JoinHandle<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Smsc {
    /// Listens on any free port and sends a receipt DELIVRD for every SMS.
    ///
    /// # Panics
    /// When the system has no port to give.
    pub fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// As [`Smsc::start`], over TLS.
    ///
    /// # Panics
    /// As [`Smsc::start`].
    pub fn secure(tls: Arc<ServerConfig>) -> Self {
        Self::start_with(SocketAddr::from(([127, 0, 0, 1], 0)), Some(tls))
    }

    /// Listens at `address`.
    ///
    /// # Panics
    /// When the port is taken.
    pub fn start_at(address: SocketAddr) -> Self {
        Self::start_with(address, None)
    }

    fn start_with(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let shared = Arc::new(Shared {
            tls,
            stop: AtomicBool::new(false),
            next_id: AtomicU64::new(1),
            sms: Mutex::default(),
            manners: Mutex::default(),
            at_once: Mutex::new(Some("DELIVRD".to_owned())),
            receipts: Mutex::default(),
            acknowledged: AtomicU64::new(0),
            under_way: Mutex::default(),
            bound: AtomicU64::new(0),
            binds: AtomicU64::new(0),
            kinds: Default::default(),
            streams: Mutex::default(),
            answers_late: AtomicBool::new(false),
            away: AtomicBool::new(false),
            rate: AtomicU64::new(0),
            second: Mutex::default(),
            began: Instant::now(),
            dead: AtomicBool::new(false),
            questions: Mutex::default(),
            queried_state: AtomicU8::new(0),
            reachable: Mutex::default(),
            unbinds: AtomicBool::new(false),
        });
        let server = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if server.stop.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                if server.away.load(Ordering::Relaxed) {
                    continue;
                }
                let Ok(second) = stream.try_clone() else { continue };
                lock(&server.streams).push(second);
                let server = Arc::clone(&server);
                std::thread::spawn(move || server.serve(stream));
            }
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on every SMS gets a receipt with this `stat` at once, or none.
    pub fn send_receipts(&self, stat: Option<&str>) {
        *lock(&self.shared.at_once) = stat.map(str::to_owned);
    }

    /// What it does with the next SMS, one after the other.
    pub fn behave(&self, manners: &[Manner]) {
        lock(&self.shared.manners).extend(manners);
    }

    /// Sends a receipt.
    pub fn send_receipt(&self, id: &str, stat: &str) {
        let known = self.sms().into_iter().find(|sms| sms.id == id);
        let (to, from) = known.map_or_else(Default::default, |sms| (sms.to, sms.from));
        let (id, state) = (id.to_owned(), stat.to_owned());
        lock(&self.shared.receipts).push_back(Receipt { id, state, to, from, reference: None });
    }

    /// Sends a receipt for an SMS that was not answered, which repeats its user_message_reference.
    pub fn send_receipt_with_reference(&self, sms: &Sms, stat: &str) {
        lock(&self.shared.receipts).push_back(Receipt {
            id: sms.id.clone(),
            state: stat.to_owned(),
            to: sms.to.clone(),
            from: sms.from.clone(),
            reference: sms.reference,
        });
    }

    /// Answers what came by [`Manner::Late`].
    pub fn answer_late(&self) {
        self.shared.answers_late.store(true, Ordering::Relaxed);
    }

    /// Whether it takes connections and says nothing.
    pub fn play_dead(&self, dead: bool) {
        self.shared.dead.store(dead, Ordering::Relaxed);
    }

    /// From now on it takes so many SMS in each second of its clock, and says ESME_RTHROTTLED to
    /// the others.
    pub fn limit(&self, rate: u64) {
        self.shared.rate.store(rate, Ordering::Relaxed);
    }

    /// From now on a query_sm is answered with this message_state; 0: it is refused.
    pub fn answer_queries(&self, state: u8) {
        self.shared.queried_state.store(state, Ordering::Relaxed);
    }

    /// Says by alert_notification that this phone is reachable again.
    pub fn say_reachable(&self, phone: &str) {
        lock(&self.shared.reachable).push_back(phone.to_owned());
    }

    /// Unbinds a session, behind the receipts that are to be sent.
    pub fn unbind(&self) {
        self.shared.unbinds.store(true, Ordering::Relaxed);
    }

    /// query_sm and cancel_sm so far, with the ids that they name.
    pub fn questions(&self) -> Vec<(Command, String)> {
        lock(&self.shared.questions).clone()
    }

    /// Whether it is away, as one that was killed: connections end, and others end at once. What it
    /// took it remembers.
    pub fn go_away(&self, away: bool) {
        self.shared.away.store(away, Ordering::Relaxed);
        if away {
            self.hang_up();
        }
    }

    /// Ends every connection.
    pub fn hang_up(&self) {
        for stream in lock(&self.shared.streams).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Every SMS so far.
    pub fn sms(&self) -> Vec<Sms> {
        lock(&self.shared.sms).clone()
    }

    /// Waits until so many SMS have come.
    ///
    /// # Panics
    /// When they do not.
    #[track_caller]
    pub fn await_sms(&self, count: usize) -> Vec<Sms> {
        wait::until(&format!("{count} SMS at the carrier"), || {
            Some(self.sms()).filter(|sms| sms.len() >= count)
        })
    }

    /// Sessions that are bound.
    pub fn bound(&self) -> u64 {
        self.shared.bound.load(Ordering::Relaxed)
    }

    /// Binds so far.
    pub fn binds(&self) -> u64 {
        self.shared.binds.load(Ordering::Relaxed)
    }

    /// Transmitters, receivers and transceivers that were bound so far.
    pub fn kinds(&self) -> [u64; 3] {
        [0, 1, 2].map(|kind: usize| self.shared.kinds[kind].load(Ordering::Relaxed))
    }

    /// Receipts that were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }
}

impl Drop for Smsc {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
        self.hang_up();
    }
}

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
    fn serve(&self, stream: TcpStream) {
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
