//! An SMSC to try ESMEs against: it takes submits, answers them, sends receipts, and keeps a book.
//!
//! One thread serves all sessions. What it does to whom is fixed by its [`Settings`]: accounts,
//! windows, rates, how ids and receipts are written, and faults by share; what happens at a moment
//! is an [`Act`], from the settings' script or by [`Smsc::act`]. It delivers nothing anywhere: a
//! message ends when its receipt is due.
//!
//! **Never here:** a text kept longer than it takes to tell it from another one.
//! **Invariants:** every message that was taken has one receipt due, if it asked for one; a receipt
//! is sent again until it is acknowledged; the same submits in the same order fare alike.

mod book;
mod messages;
mod peer;
mod server;
mod submits;

pub use book::Report;

use super::faults::Faults;
use crate::os;
use book::Book;
use mio::Waker;
use server::Server;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use wire::smpp::id::IdForm;

/// How an SMSC is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may bind, by system_id and password; empty: everybody.
    pub accounts: Vec<(String, String)>,
    /// Sessions that an account may have at once; 0: any number.
    pub binds_max: usize,
    /// Receipts outstanding on a session, 1 to 2,048.
    pub window: u16,
    /// Submits of a session that are read before they are answered, 1 to 2,048.
    pub inbound_window: u16,
    /// Submits of an account a second, beyond which it answers ESME_RTHROTTLED; 0: any number.
    pub rate_per_s: u32,
    /// Messages of an account whose receipts are due, beyond which it answers ESME_RMSGQFUL; 0: any
    /// number.
    pub queue: usize,
    /// How message ids are written.
    pub ids: Ids,
    /// From the answer to the receipt.
    pub receipt_delay: Duration,
    /// So much later at most, by chance.
    pub receipt_spread: Duration,
    /// What a receipt holds.
    pub receipt_form: ReceiptForm,
    /// Without a word of a session it sends enquire_link after this; zero: never.
    pub enquire_link: Duration,
    /// What arrives is acknowledged at once: a peer that gathers small PDUs until then (Nagle's
    /// algorithm) waits for nothing.
    pub quick_ack: bool,
    /// What goes wrong.
    pub faults: Faults,
    /// What happens once so many submits have come, in ascending order.
    pub script: Vec<(u64, Act)>,
    /// Chooses who is hit by the faults.
    pub seed: u64,
}

/// How message ids are written. Each is a number of its own, from `first` on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ids {
    /// In answers: `Text` is ten digits with zeros before them, `Hex` eight.
    pub response: IdForm,
    /// In receipts: `Text` repeats the answer's.
    pub receipt: IdForm,
    /// The first number.
    pub first: u64,
}

/// What a receipt holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiptForm {
    /// The text of appendix B.
    Text,
    /// receipted_message_id and message_state, and no text.
    Tlv,
    /// Both.
    Both,
}

/// Something that happens to an SMSC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Every connection is cut.
    Cut,
    /// Nothing is read and nothing sent for so long, every connection being kept.
    StandStill(Duration),
    /// Every connection is cut and none is taken for so long.
    Down(Duration),
    /// The faults end.
    Heal,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            accounts: Vec::new(),
            binds_max: 0,
            window: 10,
            inbound_window: 2_048,
            rate_per_s: 0,
            queue: 0,
            ids: Ids { response: IdForm::Text, receipt: IdForm::Text, first: 1 },
            receipt_delay: Duration::ZERO,
            receipt_spread: Duration::ZERO,
            receipt_form: ReceiptForm::Both,
            enquire_link: Duration::from_secs(60),
            quick_ack: false,
            faults: Faults::default(),
            script: Vec::new(),
            seed: 1,
        }
    }
}

impl Act {
    /// Reads `cut`, `stand-still:5s`, `down:500ms` or `heal`; else a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, time) = text.split_once(':').unwrap_or((text, ""));
        let time = || crate::format::parse_time(time);
        match name {
            "cut" => Ok(Self::Cut),
            "heal" => Ok(Self::Heal),
            "stand-still" => time().map(Self::StandStill),
            "down" => time().map(Self::Down),
            _ => Err(format!(
                "\"{text}\" is nothing that can happen: choose cut, stand-still:TIME, \
                 down:TIME or heal."
            )),
        }
    }
}

/// A running SMSC; it ends when dropped.
pub struct Smsc {
    address: SocketAddr,
    shared: Arc<Shared>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread shares with its owner.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    acts: Mutex<Vec<Act>>,
    book: Mutex<Book>,
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acts(&self) -> MutexGuard<'_, Vec<Act>> {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Smsc {
    /// Listens at `address` (port 0: any) and serves from a thread that is bound to `cpus`, if
    /// there are any.
    ///
    /// # Errors
    /// The address, a poll or a thread cannot be had.
    pub fn start(address: SocketAddr, settings: Settings, cpus: &[usize]) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let server = Server::new(Arc::clone(&shared), listener, settings)?;
        let waker = server.waker();
        let cpus = cpus.to_vec();
        let thread = std::thread::Builder::new().name("smsc".to_owned()).spawn(move || {
            // An SMSC that may run anywhere is only slower.
            let _ = os::pin_thread(&cpus);
            server.run();
        })?;
        Ok(Self { address, shared, waker, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has `act` happen now.
    pub fn act(&self, act: Act) {
        self.shared.acts().push(act);
        // A thread that is ending needs no waking.
        let _ = self.waker.wake();
    }

    /// What it has done so far.
    pub fn report(&self) -> Report {
        self.shared.book().report()
    }
}

impl Drop for Smsc {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
