//! The rings between a carrier's home and the shards whose pushes it takes: permits there and back,
//! receipts one way, and the word that a receipt is recorded the other way.
//!
//! Invariants: as many permits as places; a receipt is taken only behind the permit whose answer it
//! is about; a ring that is full holds up its carrier's session and nothing else.

use crate::network::port::{AttemptSlot, CarrierReceipt, ReceiptReply, Token};
use crate::network::smpp::carrier::Carrier;
use crate::network::smpp::outcome::Verdict;
use crossbeam::queue::ArrayQueue;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Receipts under way from a carrier to one shard; also those recorded and not answered.
pub(super) const RECEIPTS_UNDER_WAY_MAX: usize = 2_048;

/// Leave to submit one push, filled with it; comes back with what the carrier answered.
pub(super) struct Permit {
    pub(super) owner: usize,
    pub(super) slot: AttemptSlot,
    pub(super) verdict: Verdict,
    /// The carrier's ids of the segments taken, in their order, each behind its length.
    pub(super) ids: Vec<u8>,
}

/// A segment that a carrier took in an earlier life of the engine.
#[derive(Clone, Debug)]
pub(super) struct AwaitedSegment {
    pub(super) token: Token,
    pub(super) push_id: u64,
    pub(super) segment: u8,
    pub(super) id: Box<[u8]>,
}

/// What passes between the home and one shard.
struct Lane {
    permits: ArrayQueue<Box<Permit>>,
    settled: ArrayQueue<Box<Permit>>,
    receipts: ArrayQueue<CarrierReceipt>,
    recorded: ArrayQueue<ReceiptReply>,
    /// What the shard awaits at its start, once; taken by the home.
    awaited: Mutex<Option<Vec<AwaitedSegment>>>,
}

macro_rules! figures {
    ($($field:ident $name:literal $rises:literal $help:literal;)*) => {
        /// What a carrier's home counts.
        #[derive(Default, Debug)]
        pub struct CarrierFigures {
            $(#[doc = $help] pub $field: AtomicU64,)*
        }

        impl CarrierFigures {
            fn values(&self) -> Vec<CarrierFigure> {
                let value = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
                vec![$(CarrierFigure {
                    name: concat!("carrier_", $name),
                    help: $help,
                    only_rises: $rises,
                    value: value(&self.$field),
                },)*]
            }
        }
    };
}

figures! {
    sessions_bound "sessions_bound" false "Sessions that are bound";
    binds "binds" true "Binds that were taken";
    bind_refusals "bind_refusals" true "Binds that were refused";
    submits "submits" true "SMS submitted";
    taken "taken" true "SMS that the carrier took";
    refused "refused" true "SMS that the carrier refused, for good or for now";
    throttled "throttled" true "Answers that said too fast, or that the carrier's queue is full";
    in_doubt "in_doubt" true "SMS sent and not answered";
    in_hand "in_hand" false "Pushes under way";
    awaited "receipts_awaited" false "Segments whose receipts are awaited";
    receipts "receipts" true "Final receipts of segments that were awaited";
    early "receipts_early" true "Receipts that came before their answer";
    unmatched "receipts_unmatched" true "Receipts of ids that nobody awaits";
    oddities "peer_oddities" true "PDUs in which something was read around";
    messages "messages" true "Messages of phones, which are acknowledged and kept nowhere";
}

/// One figure of a carrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CarrierFigure {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// Whether it only ever rises.
    pub only_rises: bool,
    /// Its value.
    pub value: u64,
}

/// A carrier as its operators see it.
#[derive(Clone, Debug)]
pub struct CarrierState {
    /// Its name.
    pub name: String,
    /// Every figure, the same of each carrier.
    pub figures: Vec<CarrierFigure>,
}

impl CarrierState {
    /// How it is with this carrier now.
    pub fn of(exchange: &Exchange) -> Self {
        Self { name: exchange.carrier.name.clone(), figures: exchange.figures.values() }
    }
}

impl CarrierFigures {
    pub(super) fn add(&self, figure: impl FnOnce(&Self) -> &AtomicU64, count: u64) {
        // The home alone writes.
        let figure = figure(self);
        figure.store(figure.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }
}

/// One carrier between its home and all shards.
pub struct Exchange {
    /// What the carrier is set up with.
    pub carrier: Carrier,
    /// What its home counts.
    pub figures: CarrierFigures,
    home: usize,
    lanes: Vec<Lane>,
    dealing: AtomicBool,
}

impl Exchange {
    /// Between so many shards.
    pub fn new(carrier: Carrier, shards: usize) -> Arc<Self> {
        let permits = carrier.permits(shards);
        let lane = |_| Lane {
            permits: ArrayQueue::new(permits),
            settled: ArrayQueue::new(permits),
            receipts: ArrayQueue::new(RECEIPTS_UNDER_WAY_MAX),
            recorded: ArrayQueue::new(RECEIPTS_UNDER_WAY_MAX),
            awaited: Mutex::new(None),
        };
        let home = carrier.home(shards);
        Arc::new(Self {
            carrier,
            figures: CarrierFigures::default(),
            home,
            lanes: (0..shards).map(lane).collect(),
            dealing: AtomicBool::new(false),
        })
    }

    /// The shard whose thread is the carrier's home.
    pub fn home(&self) -> usize {
        self.home
    }

    pub(super) fn shards(&self) -> usize {
        self.lanes.len()
    }

    /// Whether the carrier takes pushes now.
    pub fn is_dealing(&self) -> bool {
        self.dealing.load(Ordering::Relaxed)
    }

    pub(super) fn set_dealing(&self, dealing: bool) {
        self.dealing.store(dealing, Ordering::Relaxed);
    }

    pub(super) fn permits(&self, owner: usize) -> &ArrayQueue<Box<Permit>> {
        &self.lanes[owner].permits
    }

    pub(super) fn settled(&self, owner: usize) -> &ArrayQueue<Box<Permit>> {
        &self.lanes[owner].settled
    }

    pub(super) fn receipts(&self, owner: usize) -> &ArrayQueue<CarrierReceipt> {
        &self.lanes[owner].receipts
    }

    pub(super) fn recorded(&self, owner: usize) -> &ArrayQueue<ReceiptReply> {
        &self.lanes[owner].recorded
    }

    /// Shard `owner` has started: these it awaits.
    pub(super) fn announce(&self, owner: usize, awaited: Vec<AwaitedSegment>) {
        let mut place = self.lanes[owner].awaited.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(awaited);
    }

    /// What a shard awaits, once it has said so.
    pub(super) fn take_announced(&self, owner: usize) -> Option<Vec<AwaitedSegment>> {
        self.lanes[owner].awaited.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether anything waits for shard `owner`.
    pub fn has_for(&self, owner: usize) -> bool {
        !self.settled(owner).is_empty() || !self.receipts(owner).is_empty()
    }

    /// Whether anything waits for the home.
    pub fn has_for_home(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.permits.is_empty() || !lane.recorded.is_empty())
    }
}
