//! A small SMSC that a carrier would have: it is bound to, takes SMS, sends receipts, and does what
//! real ones do wrong when it is told to.
//!
//! It speaks by `wire::smpp`'s server role over ordinary sockets, one thread for each connection.

mod served;

use crate::wait;
use rustls::ServerConfig;
use std::collections::VecDeque;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use wire::smpp::command::Command;

/// Who may bind.
pub const SYSTEM_ID: &str = "hayauma";
/// Its password.
pub const PASSWORD: &str = "secret";
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

    /// It does with the next SMS as with any other again.
    pub fn behave_as_usual(&self) {
        lock(&self.shared.manners).clear();
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
