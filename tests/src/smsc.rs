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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wire::smpp::address::Address;
use wire::smpp::coding::EsmClass;
use wire::smpp::command::Command;
use wire::smpp::pdu::{Body, Message, MessageResp};
use wire::smpp::session::{Config, Event, RequestId, Session};
use wire::smpp::status::Status;

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
    /// The status that it was answered with; `None` where it was not answered.
    pub status: Option<u32>,
}

/// What it does with the next SMS, instead of taking it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Answers with this status.
    Status(u32),
    /// Does not answer.
    Silent,
    /// Takes it and ends the connection before it has answered.
    HangUp,
    /// Takes it, and sends its receipt before it answers.
    ReceiptFirst,
}

/// A receipt to be sent.
#[derive(Clone, Debug)]
struct Receipt {
    id: String,
    state: String,
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
    streams: Mutex<Vec<TcpStream>>,
    /// Connections are taken and nothing is ever said on them.
    dead: AtomicBool,
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
            streams: Mutex::default(),
            dead: AtomicBool::new(false),
        });
        let server = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if server.stop.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
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
        lock(&self.shared.receipts)
            .push_back(Receipt { id: id.to_owned(), state: stat.to_owned() });
    }

    /// Whether it takes connections and says nothing.
    pub fn play_dead(&self, dead: bool) {
        self.shared.dead.store(dead, Ordering::Relaxed);
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
        let mut served =
            Served { stream, session, began: Instant::now(), next_token: 1, counted: false };
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
            if !self.take(&mut served, &mut input) || !self.send_receipts_by(&mut served) {
                break;
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
                    }
                    answered.is_ok_and(|octets| served.write(&pdu[..octets]))
                }
                Some(Event::Request { request, body: Body::Message(message), .. }) => {
                    self.take_sms(served, request, &message)
                }
                Some(Event::Answer { token, status, .. }) => {
                    if status == Status::OK {
                        self.acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                    lock(&self.under_way).retain(|(other, _)| *other != token);
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

    fn take_sms(&self, served: &mut Served, request: RequestId, message: &Message<'_>) -> bool {
        let manner = lock(&self.manners).pop_front();
        let id = format!("{:08X}", 0x00B8_BE00 + self.next_id.fetch_add(1, Ordering::Relaxed));
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let status = match manner {
            None | Some(Manner::ReceiptFirst) => Some(0),
            Some(Manner::Status(status)) => Some(status),
            Some(Manner::Silent | Manner::HangUp) => None,
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
            status,
        });
        let receipt = lock(&self.at_once).clone().map(|state| Receipt { id: id.clone(), state });
        match manner {
            Some(Manner::HangUp) => return false,
            Some(Manner::Silent) => return true,
            Some(Manner::Status(status)) => return served.answer(request, Status(status), ""),
            Some(Manner::ReceiptFirst) => {
                if let Some(receipt) = receipt
                    && !self.send(served, receipt)
                {
                    return false;
                }
            }
            None => lock(&self.receipts).extend(receipt),
        }
        served.answer(request, Status::OK, &id)
    }

    /// Sends the receipts that wait; whether the connection goes on.
    fn send_receipts_by(&self, served: &mut Served) -> bool {
        while served.session.room() > 0 {
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
        let message = Message {
            source: Address { ton: 1, npi: 1, digits: b"819012345678" },
            destination: Address { ton: 1, npi: 1, digits: b"8190" },
            esm_class: EsmClass::RECEIPT,
            short_message: text.as_bytes(),
            ..Message::default()
        };
        // Tokens are the SMSC's own: sessions end, and what was not acknowledged goes on.
        let token = self.next_id.fetch_add(1, Ordering::Relaxed) << 16 | served.next_token & 0xFFFF;
        served.next_token += 1;
        lock(&self.under_way).push((token, receipt));
        served.request(&Body::Message(message), token)
    }
}
