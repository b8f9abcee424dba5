//! A node's two ports: what it orders lies here until the world carries it, and what comes in until
//! the node looks.

use hayauma::cluster::beats::Beat;
use hayauma::cluster::node::NodeName;
use hayauma::cluster::ports::{Liveness, LogNews, PartEntry, ReplicatedLog, Sight};
use std::collections::VecDeque;
use std::sync::Arc;

/// An order to a log.
#[derive(Clone, Debug)]
pub(super) enum LogOrder {
    Publish { partition: u16, expected: u64, octets: Arc<[u8]> },
    ReadBehind { partition: u16, sequence: u64 },
    Replay { partition: u16, from: u64 },
    LookAtEnd { partition: u16 },
    Purge { partition: u16, below: u64 },
}

/// An order to the store.
#[derive(Clone, Copy, Debug)]
pub(super) enum StoreOrder {
    Beat(NodeName, Beat),
    Leave(NodeName),
    Take { partition: u16, entry: PartEntry, revision: u64 },
}

/// The port of the logs.
#[derive(Debug, Default)]
pub(super) struct LogDesk {
    pub(super) orders: Vec<LogOrder>,
    pub(super) news: VecDeque<LogNews>,
}

/// The port of the store.
#[derive(Debug, Default)]
pub(super) struct StoreDesk {
    pub(super) orders: Vec<StoreOrder>,
    pub(super) sights: VecDeque<Sight>,
}

impl ReplicatedLog for LogDesk {
    fn publish(&mut self, partition: u16, expected: u64, octets: Arc<[u8]>) {
        self.orders.push(LogOrder::Publish { partition, expected, octets });
    }

    fn read_behind(&mut self, partition: u16, sequence: u64) {
        self.orders.push(LogOrder::ReadBehind { partition, sequence });
    }

    fn replay(&mut self, partition: u16, from: u64) {
        self.orders.push(LogOrder::Replay { partition, from });
    }

    fn look_at_end(&mut self, partition: u16) {
        self.orders.push(LogOrder::LookAtEnd { partition });
    }

    fn purge(&mut self, partition: u16, below: u64) {
        self.orders.push(LogOrder::Purge { partition, below });
    }

    fn news(&mut self) -> Option<LogNews> {
        self.news.pop_front()
    }
}

impl Liveness for StoreDesk {
    fn beat(&mut self, node: NodeName, beat: Beat) {
        self.orders.push(StoreOrder::Beat(node, beat));
    }

    fn leave(&mut self, node: NodeName) {
        self.orders.push(StoreOrder::Leave(node));
    }

    fn take(&mut self, partition: u16, entry: PartEntry, revision: u64) {
        self.orders.push(StoreOrder::Take { partition, entry, revision });
    }

    fn seen(&mut self) -> Option<Sight> {
        self.sights.pop_front()
    }
}
