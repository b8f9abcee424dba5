//! What goes between nodes, logs, store and push clients, and how it is late, lost or doubled.

use super::desk::{LogOrder, StoreOrder};
use super::ledger::{Checked, Violation};
use super::part::Question;
use super::{Event, World};
use hayauma::cluster::limits::REPLAY_CHUNKS_MAX;
use hayauma::cluster::mutation::NodeMutation;
use hayauma::cluster::ports::{LogNews, Sight};

impl World {
    /// Carries what a node has ordered.
    pub(super) fn carry(&mut self, at: usize) -> Checked {
        let to_log = std::mem::take(&mut self.nodes[at].log.orders);
        let to_store = std::mem::take(&mut self.nodes[at].store.orders);
        if self.nodes[at].is_cut(self.now_ms) {
            return Ok(());
        }
        for order in to_log {
            let mut delay_ms = 1 + self.random.below(4);
            if matches!(order, LogOrder::Publish { .. } | LogOrder::Purge { .. }) {
                delay_ms += self.late_ms();
            }
            self.after(delay_ms, Event::ToLog { from: at, order });
        }
        if self.nodes[at].is_mute(self.now_ms) {
            return Ok(());
        }
        for order in to_store {
            let delay_ms = 1 + self.random.below(4);
            self.after(delay_ms, Event::ToStore { from: at, order });
        }
        Ok(())
    }

    /// How late a publish is, besides.
    fn late_ms(&mut self) -> u64 {
        let is_late = !self.are_faults_over() && self.random.below(1_000) < self.faults.late;
        if is_late { self.random.below(6_000) } else { 0 }
    }

    /// An answer of a log, which may be lost, late or doubled.
    fn answer_from_log(&mut self, to: usize, news: LogNews) {
        if self.nodes[to].is_cut(self.now_ms) {
            return;
        }
        let life = self.nodes[to].me.life;
        let is_fair = self.are_faults_over();
        let is_acknowledgement = matches!(news, LogNews::Stored { .. } | LogNews::Refused { .. });
        if is_acknowledgement && !is_fair {
            if self.random.below(1_000) < self.faults.lost {
                return;
            }
            if self.random.below(1_000) < self.faults.doubled {
                let delay_ms = self.random.below(2_000);
                self.after(delay_ms, Event::News { at: to, life, news: news.clone() });
            }
        }
        let late_ms = if is_acknowledgement { self.late_ms() / 2 } else { 0 };
        let delay_ms = 1 + self.random.below(4) + late_ms;
        self.after(delay_ms, Event::News { at: to, life, news });
    }

    pub(super) fn log_takes(&mut self, from: usize, order: LogOrder) -> Checked {
        let is_away = self.logs[usize::from(partition_of(&order))].away_until_ms > self.now_ms;
        match order {
            LogOrder::Publish { partition, .. } if is_away => {
                // It finds nobody, or waits for the next leader.
                if self.random.below(2) == 0 {
                    let until = self.logs[usize::from(partition)].away_until_ms;
                    let delay_ms = until - self.now_ms + self.random.below(50);
                    self.after(delay_ms, Event::ToLog { from, order });
                }
                Ok(())
            }
            LogOrder::Publish { partition, expected, octets } => {
                let log = &mut self.logs[usize::from(partition)];
                let is_free = self.options.mutation == NodeMutation::NoExpectation;
                let expectation = (!is_free).then_some(expected);
                match log.publish(self.now_ms, expectation, &octets) {
                    Ok(sequence) => {
                        let news = LogNews::Stored { partition, expected, sequence };
                        self.answer_from_log(from, news);
                    }
                    Err(None) => {
                        self.answer_from_log(from, LogNews::Refused { partition, expected });
                    }
                    Err(Some(found)) => return Err(Violation(found)),
                }
                Ok(())
            }
            LogOrder::ReadBehind { partition, sequence } => {
                self.read_behind(from, partition, sequence, is_away)
            }
            LogOrder::Replay { partition, from: first } => {
                self.replay(from, partition, first);
                Ok(())
            }
            LogOrder::LookAtEnd { partition } => {
                let last = self.some_replica(partition);
                self.answer_from_log(from, LogNews::End { partition, last });
                Ok(())
            }
            LogOrder::Purge { partition, below } => {
                if is_away {
                    return Ok(());
                }
                let log = &mut self.logs[usize::from(partition)];
                self.ledger.purging(log, below)?;
                log.purge(below);
                Ok(())
            }
        }
    }

    /// The last sequence that the replica knows which answers: any, as long as things go wrong.
    fn some_replica(&mut self, partition: u16) -> u64 {
        let log = &self.logs[usize::from(partition)];
        if self.are_faults_over() || self.random.below(1_000) >= self.faults.behind {
            return log.last();
        }
        let behind_ms = self.random.below(4_000);
        log.last_as_of(self.now_ms.saturating_sub(behind_ms))
    }

    fn read_behind(
        &mut self,
        from: usize,
        partition: u16,
        sequence: u64,
        is_away: bool,
    ) -> Checked {
        let is_anywhere = self.options.mutation == NodeMutation::DoubtAskedAnywhere;
        if is_away && !is_anywhere {
            return Ok(());
        }
        let end = if is_anywhere {
            self.some_replica(partition)
        } else {
            self.logs[usize::from(partition)].last()
        };
        let log = &self.logs[usize::from(partition)];
        let message = log.get(sequence).filter(|_| sequence <= end);
        if message.is_none() && log.get(sequence).is_some() {
            return Err(Violation(format!(
                "what became of a chunk is asked of a replica that is behind: sequence {sequence}"
            )));
        }
        let message = message.map(|stored| std::sync::Arc::clone(&stored.octets));
        self.answer_from_log(from, LogNews::Behind { partition, sequence, message, end });
        Ok(())
    }

    fn replay(&mut self, to: usize, partition: u16, first: u64) {
        let last = self.some_replica(partition);
        let log = &self.logs[usize::from(partition)];
        let messages: Vec<LogNews> = log
            .from(first, last, REPLAY_CHUNKS_MAX)
            .map(|(sequence, stored)| LogNews::Message {
                partition,
                sequence,
                octets: std::sync::Arc::clone(&stored.octets),
            })
            .collect();
        if self.nodes[to].is_cut(self.now_ms) {
            return;
        }
        // A stream's messages come in their order.
        let life = self.nodes[to].me.life;
        let delay_ms = 1 + self.random.below(20);
        for news in messages {
            self.after(delay_ms, Event::News { at: to, life, news });
        }
        let news = LogNews::End { partition, last };
        self.after(delay_ms, Event::News { at: to, life, news });
    }

    pub(super) fn store_takes(&mut self, from: usize, order: StoreOrder) {
        if self.store.ill_until_ms > self.now_ms {
            return;
        }
        match order {
            StoreOrder::Beat(node, beat) => {
                self.store.beats.insert(node, beat);
                self.tell_all(Sight::Beat(node, beat));
            }
            StoreOrder::Leave(node) => {
                self.store.beats.remove(&node);
                self.tell_all(Sight::Left(node));
            }
            StoreOrder::Take { partition, entry, revision } => {
                let Some(taken) = self.store.take(partition, entry, revision) else {
                    return self.tell(from, Sight::NotTaken { partition, revision });
                };
                self.tell_all(Sight::Entry { partition, entry, revision: taken });
                self.tell(from, Sight::Taken { partition, entry, revision: taken });
            }
        }
    }

    fn tell_all(&mut self, sight: Sight) {
        for at in 0..self.nodes.len() {
            self.tell(at, sight);
        }
    }

    fn tell(&mut self, at: usize, sight: Sight) {
        if self.nodes[at].is_mute(self.now_ms) {
            return;
        }
        let slow = !self.are_faults_over() && self.random.below(1_000) < 30;
        let delay_ms = 1 + self.random.below(if slow { 150 } else { 4 });
        let life = self.nodes[at].me.life;
        self.after(delay_ms, Event::Sight { at, life, sight });
    }

    /// A node that comes, or comes back, sees all that there is.
    pub(super) fn reconnect(&mut self, at: usize) {
        if self.nodes[at].is_mute(self.now_ms) {
            return;
        }
        let beats: Vec<_> = self.store.beats.iter().map(|(node, beat)| (*node, *beat)).collect();
        for (node, beat) in beats {
            self.tell(at, Sight::Beat(node, beat));
        }
        let entries: Vec<_> = self.store.entries.iter().map(|(at, entry)| (*at, *entry)).collect();
        for (partition, (entry, revision)) in entries {
            self.tell(at, Sight::Entry { partition, entry, revision });
        }
    }

    /// A push client sends its push, to any node, until it is answered 0000.
    pub(super) fn client(&mut self, push: u64) {
        if self.ledger.accepted.contains_key(&push) {
            return;
        }
        let retry_ms = 300 + self.random.below(900);
        self.after(retry_ms, Event::Client { push });
        let partition = (push % u64::from(self.options.partitions)) as u16;
        let entry = self.random.below(self.nodes.len() as u64) as usize;
        let node = &self.nodes[entry];
        if !node.is_awake(self.now_ms) {
            return;
        }
        let owner = node.keeper.owner(partition);
        let Some(at) = self.nodes.iter().position(|node| Some(node.me.node) == owner) else {
            return;
        };
        let is_alone = |at: usize| self.nodes[at].alone_until_ms > self.now_ms;
        if at != entry && (is_alone(at) || is_alone(entry)) {
            return;
        }
        let delay_ms = 1 + self.random.below(4);
        self.after(delay_ms, Event::Asked { at, push, is_request: true });
    }

    /// A push client asks whoever thinks that it has the push.
    pub(super) fn ask(&mut self, push: u64) {
        let partition = (push % u64::from(self.options.partitions)) as u16;
        for at in 0..self.nodes.len() {
            if self.nodes[at].is_up && self.nodes[at].owns(partition) {
                self.after(1, Event::Asked { at, push, is_request: false });
            }
        }
    }

    pub(super) fn asked(&mut self, at: usize, push: u64, is_request: bool) -> Checked {
        let partition = (push % u64::from(self.options.partitions)) as u16;
        let node = &mut self.nodes[at];
        if node.is_up && node.paused_until_ms > self.now_ms {
            let delay_ms = node.paused_until_ms - self.now_ms;
            self.after(delay_ms, Event::Asked { at, push, is_request });
            return Ok(());
        }
        if !node.is_up || !node.owns(partition) {
            return Ok(());
        }
        let question = Question { push, is_request, asked_ms: self.now_ms };
        node.parts[usize::from(partition)].questions.push(question);
        self.wake(at)
    }
}

fn partition_of(order: &LogOrder) -> u16 {
    match order {
        LogOrder::Publish { partition, .. }
        | LogOrder::ReadBehind { partition, .. }
        | LogOrder::Replay { partition, .. }
        | LogOrder::LookAtEnd { partition }
        | LogOrder::Purge { partition, .. } => *partition,
    }
}
