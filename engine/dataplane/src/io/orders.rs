//! Broadcasts as the control plane tells of them, and its answers, which wait for the journal.

use crate::billing::Log;
use crate::broadcast::past::PastBroadcast;
use crate::broadcast::running::{RunningBroadcast, RunningPace};
use crate::broadcast::slice::Order;
use crate::broadcast::suppression::OptOuts;
use crate::shard::{RowsForeseen, Shard, SliceFigures};
use crossbeam::channel::Sender;
use std::collections::VecDeque;
use std::sync::Arc;
use wire::terms::code::Code;
use wire::terms::ids::{Class, Msn, Xpid};
use wire::terms::time::WallMs;

/// What a shard can be told of broadcasts.
pub enum BroadcastMessage {
    /// One was started, and this was ordered of it since, while these wanted none; the answer comes
    /// when that is durable.
    Started {
        broadcast: Arc<RunningBroadcast>,
        behind: Vec<Order>,
        suppression: Arc<OptOuts>,
        reply: Sender<bool>,
    },
    /// Of those that were started before this start of the engine none but these may still be told
    /// of.
    AllTold(Vec<u32>),
    /// Orders; the answer, whether there is such a broadcast, comes when they are durable.
    Ordered { ordinal: u32, orders: Vec<Order>, reply: Sender<bool> },
    /// Another pace; the answer says whether there is such a broadcast.
    Paced { ordinal: u32, pace: RunningPace, reply: Sender<bool> },
    /// The row of a phone is withdrawn, by its reqid; the answer comes when that is durable.
    Withdrawn { ordinal: u32, msn: Msn, reply: Sender<Option<Code>> },
    /// Its outcomes are kept elsewhere; with `remembered`, where a shard remembers it.
    Forget { ordinal: u32, remembered: bool },
    /// It is over, and requests may still mean it.
    Over(Arc<PastBroadcast>),
    /// Who wants none.
    Suppressed(Arc<OptOuts>),
    /// How many of these phones have no contract, and which way the others go.
    Foresee { xpid: Xpid, class: Class, msns: Vec<Msn>, reply: Sender<RowsForeseen> },
    /// The highest ordinal that the journal had something of at the start; 0: it had nothing.
    Highest(Sender<u32>),
    /// Where each stands.
    Figures(Sender<Vec<SliceFigures>>),
    /// Words of rows.
    Words { ordinal: u32, from: u32, most: u32, reply: Sender<Vec<u32>> },
}

/// Answers that wait for what they say to be durable.
#[derive(Default)]
pub(super) struct WaitingOrders {
    waiting: VecDeque<(u64, Waiting)>,
}

/// Who waits, and for what.
enum Waiting {
    /// That something is known.
    Known(Sender<bool>),
    /// What a withdrawal is answered.
    Code(Sender<Option<Code>>, Code),
}

impl WaitingOrders {
    /// Takes a message.
    pub(super) fn take<L: Log>(
        &mut self,
        message: BroadcastMessage,
        shard: &mut Shard<L>,
        now_ms: WallMs,
    ) {
        match message {
            BroadcastMessage::Started { broadcast, behind, suppression, reply } => {
                shard.suppress(suppression);
                let ordinal = broadcast.terms.ordinal;
                let sequence = shard.tell_broadcast(&broadcast, now_ms);
                let ordered = shard.order_broadcast(ordinal, &behind, now_ms);
                self.waiting.push_back((ordered.unwrap_or(sequence), Waiting::Known(reply)));
            }
            BroadcastMessage::AllTold(may_follow) => shard.all_broadcasts_told(&may_follow),
            BroadcastMessage::Ordered { ordinal, orders, reply } => {
                match shard.order_broadcast(ordinal, &orders, now_ms) {
                    Some(sequence) => self.waiting.push_back((sequence, Waiting::Known(reply))),
                    // A control plane that gave up waiting is no concern of the shard.
                    None => drop(reply.try_send(false)),
                }
            }
            BroadcastMessage::Paced { ordinal, pace, reply } => {
                let _ = reply.try_send(shard.pace_broadcast(ordinal, pace, now_ms));
            }
            BroadcastMessage::Withdrawn { ordinal, msn, reply } => {
                match shard.withdraw_recipient(ordinal, msn, now_ms) {
                    Some((code, sequence)) => {
                        self.waiting.push_back((sequence, Waiting::Code(reply, code)));
                    }
                    None => drop(reply.try_send(None)),
                }
            }
            BroadcastMessage::Forget { ordinal, remembered } => {
                shard.forget_broadcast(ordinal, remembered, now_ms);
            }
            BroadcastMessage::Over(past) => shard.remember_broadcast(past, now_ms),
            BroadcastMessage::Suppressed(suppression) => shard.suppress(suppression),
            BroadcastMessage::Foresee { xpid, class, msns, reply } => {
                let _ = reply.try_send(shard.foresee_rows(xpid, class, &msns));
            }
            BroadcastMessage::Highest(reply) => drop(reply.try_send(shard.highest_broadcast())),
            BroadcastMessage::Figures(reply) => drop(reply.try_send(shard.broadcast_figures())),
            BroadcastMessage::Words { ordinal, from, most, reply } => {
                drop(reply.try_send(shard.broadcast_words(ordinal, from, most)));
            }
        }
    }

    /// Everything below `durable` is durable.
    pub(super) fn settle(&mut self, durable: u64) {
        while self.waiting.front().is_some_and(|(sequence, _)| *sequence <= durable) {
            match self.waiting.pop_front() {
                Some((_, Waiting::Known(reply))) => {
                    let _ = reply.try_send(true);
                }
                Some((_, Waiting::Code(reply, code))) => drop(reply.try_send(Some(code))),
                None => {}
            }
        }
    }
}
