//! What the client and the sink of one run know together: when each message was sent, and which
//! were receipted.

use loadgen::clock::Clock;
use loadgen::latency::Latencies;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// The book of one run. Messages are numbered; those below `counted_from` are warm-up.
pub(super) struct Book {
    clock: Clock,
    counted_from: u64,
    messages: Box<[Message]>,
    receipts: AtomicU64,
    surplus: AtomicU64,
    last_receipt_ns: AtomicU64,
    receipt_times: Mutex<Latencies>,
}

#[derive(Default)]
struct Message {
    sent_ns: AtomicU64,
    receipted: AtomicBool,
}

impl Book {
    /// For `warm_up` messages and `counted` more.
    pub(super) fn new(warm_up: u64, counted: u64) -> Self {
        Self {
            clock: Clock::start(),
            counted_from: warm_up,
            messages: (0..warm_up + counted).map(|_| Message::default()).collect(),
            receipts: AtomicU64::new(0),
            surplus: AtomicU64::new(0),
            last_receipt_ns: AtomicU64::new(0),
            receipt_times: Mutex::default(),
        }
    }

    /// The book's clock.
    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// Nanoseconds on the book's clock.
    pub(super) fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// Message `number` is about to be sent.
    pub(super) fn note_sent(&self, number: u64, now_ns: u64) {
        self.messages[number as usize].sent_ns.store(now_ns, Relaxed);
    }

    /// The receipt of message `number` has come. A second one, and one for no message of the run,
    /// are surplus.
    pub(super) fn note_receipt(&self, number: Option<u64>) {
        let message = number
            .and_then(|number| self.messages.get(number as usize).map(|message| (number, message)));
        let Some((number, message)) =
            message.filter(|(_, message)| !message.receipted.swap(true, Relaxed))
        else {
            self.surplus.fetch_add(1, Relaxed);
            return;
        };
        let now_ns = self.now_ns();
        if number >= self.counted_from {
            self.last_receipt_ns.store(now_ns, Relaxed);
            let latency_ns = now_ns.saturating_sub(message.sent_ns.load(Relaxed));
            self.receipt_times.lock().unwrap_or_else(PoisonError::into_inner).record(latency_ns);
        }
        self.receipts.fetch_add(1, Relaxed);
    }

    /// Messages receipted, those of the warm-up too.
    pub(super) fn receipts(&self) -> u64 {
        self.receipts.load(Relaxed)
    }

    /// Receipts beyond the first of a message, or for none.
    pub(super) fn surplus(&self) -> u64 {
        self.surplus.load(Relaxed)
    }

    /// When the last counted message was receipted.
    pub(super) fn last_receipt_ns(&self) -> u64 {
        self.last_receipt_ns.load(Relaxed)
    }

    /// From the send to the receipt.
    pub(super) fn receipt_times(&self) -> Latencies {
        self.receipt_times.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_receipted_once_and_warm_up_is_not_counted() {
        let book = Book::new(2, 3);
        for number in [0, 2, 2, 4] {
            book.note_receipt(Some(number));
        }
        book.note_receipt(Some(5));
        book.note_receipt(None);
        assert_eq!((book.receipts(), book.surplus()), (3, 3));
        assert_eq!(book.receipt_times().count(), 2);
    }
}
