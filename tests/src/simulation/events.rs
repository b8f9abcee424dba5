//! What happens in the simulated world, and when.

use super::ledger::EntryIndex;
use hayauma::network::gmsc::Route;
use hayauma::network::port::AttemptToken;
use hayauma::shard::NotificationOrder;
use hayauma::smsc::outcome::AttemptResult;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use wire::terms::code::Code;

/// An attempt in the simulated core network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) shard: u8,
    /// Crashes before it: what an engine of another life started is nobody's business.
    pub(super) life: u32,
    /// The shard's own name for the push.
    pub(super) token: AttemptToken,
    pub(super) entry: EntryIndex,
    pub(super) sent: u16,
    /// TP-MR of the push's first segment, and TP-SCTS.
    pub(super) reference: u8,
    pub(super) scts: [u8; 7],
}

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A client makes up a push.
    NextPush,
    /// A push request arrives; `altered`: with other content than the first.
    Request { entry: EntryIndex, altered: bool },
    /// The client has waited long enough for its answer.
    Overdue { entry: EntryIndex },
    /// A cancellation request arrives.
    Cancel { entry: EntryIndex, tries: u8 },
    /// The cancellation request of a whole alert arrives.
    CancelAlert { alert: u32, tries: u8 },
    /// It reaches one shard.
    CancelAlertPart { number: u32, shard: u8, life: u32 },
    /// The device has what the shard's commit names.
    Synced { shard: u8, life: u32 },
    /// The books' files have the events that were on their way, or refuse them.
    BooksWritten { shard: u8, life: u32 },
    /// The device has the books.
    BooksSynced { shard: u8, life: u32 },
    /// A timer may be due.
    Wake { shard: u8, life: u32 },
    /// The terminal is reached, or not.
    Reach { attempt: Attempt, route: Route, row: u8 },
    /// The network tells the message center how an attempt went.
    Outcome { attempt: Attempt, result: AttemptResult, mask: u16, unanswered: u16, domain: u8 },
    /// A report comes after all.
    LateReport { attempt: Attempt, mask: u16, domain: u8 },
    /// A line changes its state.
    LineChange { line: u32 },
    /// The HLR says that a line is ready again.
    Alert { line: u32 },
    /// A notification arrives at its sink or fails.
    Notification { shard: u8, life: u32, order: NotificationOrder, entry: EntryIndex, code: Code },
    /// A sink changes its mood.
    SinkChange { client: u16 },
    /// The wall clock is set.
    ClockStep,
    /// The engine dies.
    Crash,
    /// The engine starts again.
    Restart,
    /// The device of the journals and books is full, or has room again.
    DiskChange,
    /// The operator has what is parked sent again.
    Replay,
    /// The operator starts a broadcast.
    CastStart { cast: usize },
    /// The operator orders something of a broadcast.
    CastOrder { cast: usize },
    /// What the desk hands to every shard reaches one of them.
    DeskPart { script: u32, shard: u8, life: u32 },
    /// The desk looks at what runs.
    DeskLook,
    /// Somebody stops the engine.
    Stop,
    /// It is looked whether nothing is under way any more.
    StopLook { looks: u8, life: u32 },
    /// From now on everything works.
    FaultsEnd,
}

#[derive(Debug)]
struct Due {
    at_ms: u64,
    number: u64,
    /// Where the event itself is: the heap moves what it orders about.
    place: u32,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// The earliest is the greatest; among equals the first that was scheduled.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ms, other.number).cmp(&(self.at_ms, self.number))
    }
}

/// The events to come, in the order of their times.
#[derive(Default, Debug)]
pub(super) struct Events {
    heap: BinaryHeap<Due>,
    places: Vec<Event>,
    free: Vec<u32>,
    scheduled: u64,
}

impl Events {
    pub(super) fn schedule(&mut self, at_ms: u64, event: Event) {
        self.scheduled += 1;
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place as usize] = event;
                place
            }
            None => {
                self.places.push(event);
                self.places.len() as u32 - 1
            }
        };
        self.heap.push(Due { at_ms, number: self.scheduled, place });
    }

    pub(super) fn next(&mut self) -> Option<(u64, Event)> {
        let Due { at_ms, place, .. } = self.heap.pop()?;
        self.free.push(place);
        Some((at_ms, self.places[place as usize]))
    }
}
