//! What a node does when it is awake: it hears of what has happened, and goes on with its pushes.

use super::World;
use super::ledger::{Attempted, Checked, Violation, rule};
use super::part::{Known, ModelPart, Question, Said};
use hayauma::cluster::chunk::Chunk;
use hayauma::cluster::happening::Happening;
use hayauma::cluster::mutation::NodeMutation;

/// Between two batches of billing events.
const BATCH_MS: u64 = 1_500;
/// Chunks after which a log is cleaned.
const CLEANED_CHUNKS: u64 = 12;
/// A lease by the slowest clock: who was cut off until then is suspected yet.
const LEASE_MS: u64 = 3_000;
/// After a suspicion somebody was gone at most so long ago: a lease by the slowest clock, and what
/// follows upon it.
const SUSPECTED_WITHIN_MS: u64 = 9_000;

impl World {
    /// Node `at` looks at what has come in, and goes on.
    pub(super) fn wake(&mut self, at: usize) -> Checked {
        let node = &mut self.nodes[at];
        if !node.is_awake(self.now_ms) {
            return Ok(());
        }
        let clock = node.clock(self.now_ms);
        node.keeper.tick(clock, &mut node.log, &mut node.store);
        self.hear(at)?;
        for partition in 0..self.options.partitions {
            if self.nodes[at].owns(partition) {
                self.work(at, partition)?;
            }
        }
        self.hear(at)?;
        self.let_leave(at);
        self.carry(at)
    }

    /// A node that has given everything away tells the others that it goes, and goes.
    fn let_leave(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.keeper.has_departed() {
            node.is_up = false;
        } else if node.keeper.is_drained() {
            node.keeper.depart(&mut node.store);
        }
    }

    fn hear(&mut self, at: usize) -> Checked {
        while let Some(happening) = self.nodes[at].keeper.happening() {
            if self.options.is_told {
                eprintln!("{} ms, {}: {happening:?}", self.now_ms, self.nodes[at].me.node);
            }
            self.heard(at, happening)?;
        }
        Ok(())
    }

    fn heard(&mut self, at: usize, happening: Happening) -> Checked {
        let node = &mut self.nodes[at];
        match happening {
            Happening::Begin(partition) => {
                node.parts[usize::from(partition)] = ModelPart::new(partition);
            }
            Happening::Read(partition, sequence, octets) => {
                let part = &mut node.parts[usize::from(partition)];
                rule!(sequence > part.reached, "chunk {sequence} of {partition} is read twice");
                if let Ok(chunk) = Chunk::read(&octets, partition) {
                    part.read(sequence, &chunk);
                }
            }
            Happening::Drop(partition) => {
                self.ledger.counts.given_up += 1;
                node.parts[usize::from(partition)] = ModelPart::new(partition);
            }
            Happening::Owned { partition, term, first } => {
                self.ledger.counts.opened += 1;
                let billing = &self.billing[usize::from(partition)];
                let part = &mut node.parts[usize::from(partition)];
                (part.term, part.next, part.reached) = (term, first, term);
                (part.batch.last, part.batch.through) = (billing.last, billing.through);
                if self.options.mutation != NodeMutation::BillWithoutThrough {
                    part.unbilled.retain(|(sequence, _)| *sequence > billing.through);
                }
            }
            Happening::Released { partition, next, sequence } => {
                return self.released(at, partition, next, sequence);
            }
            Happening::Resent(partition) => self.resent(at, partition),
            Happening::Full(partition) => {
                rule!(false, "the log of partition {partition} has room");
            }
            Happening::Closing(partition) => {
                let part = &mut node.parts[usize::from(partition)];
                (part.is_closing, part.closing_since_ms) = (true, self.now_ms);
            }
            Happening::Staying(partition) => {
                node.parts[usize::from(partition)].is_closing = false;
            }
            Happening::Given(partition, _) => {
                self.ledger.counts.given += 1;
                node.parts[usize::from(partition)] = ModelPart::new(partition);
            }
            Happening::Lost { partition, is_refused } => {
                self.ledger.counts.fenced += 1;
                let part = &mut node.parts[usize::from(partition)];
                if is_refused && self.options.mutation == NodeMutation::None {
                    let log = &self.logs[usize::from(partition)];
                    self.ledger.refused(&part.under_way, log)?;
                }
                *part = ModelPart::new(partition);
            }
            Happening::Stopped(partition, found) => {
                return Err(Violation(format!("partition {partition} stops: {found}")));
            }
            Happening::Bidding(_, owner) => return self.suspected(at, owner),
        }
        Ok(())
    }

    /// Nobody is suspected whom nothing has befallen.
    fn suspected(&self, at: usize, owner: Option<hayauma::cluster::node::NodeName>) -> Checked {
        let me = self.nodes[at].me.node;
        let Some(owner) = owner.filter(|owner| *owner != me) else { return Ok(()) };
        let node = self.nodes.iter().find(|node| node.me.node == owner);
        let disturbed_ms = node.and_then(|node| node.disturbed_ms);
        rule!(
            disturbed_ms.is_some_and(|at| at + SUSPECTED_WITHIN_MS >= self.now_ms),
            "{me} suspects {owner} at {}, which was disturbed last at {disturbed_ms:?}",
            self.now_ms
        );
        Ok(())
    }

    fn released(&mut self, at: usize, partition: u16, next: u64, sequence: u64) -> Checked {
        let part = &mut self.nodes[at].parts[usize::from(partition)];
        let log = &self.logs[usize::from(partition)];
        part.reached = sequence;
        for said in part.release(next) {
            if said.is_copy {
                continue;
            }
            part.unbilled.push((sequence, (said.push, said.is_end)));
            let Some(known) = part.pushes.get_mut(&said.push) else { continue };
            if said.is_end {
                known.ended = Some(true);
                continue;
            }
            known.is_durable = true;
            if part.unanswered.remove(&said.push) {
                self.ledger.answered(self.now_ms, said.push, log)?;
            }
        }
        if let Some((number, below)) = part.cleaning
            && number < next
        {
            part.cleaning = None;
            part.clean_below = below;
        }
        Ok(())
    }

    /// A chunk was sent again. The fault puts into it what has been staged meanwhile.
    fn resent(&mut self, at: usize, partition: u16) {
        self.ledger.counts.resent += 1;
        let node = &mut self.nodes[at];
        let part = &mut node.parts[usize::from(partition)];
        let is_other = self.options.mutation == NodeMutation::ResendOther;
        if is_other && !part.staged.is_empty() && !part.under_way.is_empty() {
            let staged = std::mem::take(&mut part.staged);
            part.under_way.extend(staged);
            let frames = part.frames(&part.under_way);
            node.keeper.replace(&mut node.log, partition, &frames, part.next);
        }
    }

    /// Goes on with one partition that the node takes for its own.
    fn work(&mut self, at: usize, partition: u16) -> Checked {
        let clock = self.nodes[at].clock(self.now_ms);
        let mut wants_proof = self.answer(at, partition)?;
        wants_proof |= self.attempt(at, partition)?;
        self.clean(at, partition)?;
        self.bill(at, partition);
        self.offer(at, partition)?;
        let node = &mut self.nodes[at];
        let part = &mut node.parts[usize::from(partition)];
        if wants_proof && part.staged.is_empty() && node.keeper.has_room(partition) {
            node.keeper.offer(clock, &mut node.log, partition, &[], part.next);
        }
        let is_idle = part.staged.is_empty() && part.under_way.is_empty();
        let has_waited = self.now_ms >= part.closing_since_ms + 1_000;
        let in_flight = part.pushes.values().any(|known| known.in_flight);
        if part.is_closing && is_idle && (!in_flight || has_waited) {
            node.keeper.close(clock, &mut node.log, partition);
        }
        Ok(())
    }

    fn offer(&mut self, at: usize, partition: u16) -> Checked {
        let clock = self.nodes[at].clock(self.now_ms);
        let node = &mut self.nodes[at];
        let part = &mut node.parts[usize::from(partition)];
        if part.staged.is_empty() || !node.keeper.has_room(partition) {
            return Ok(());
        }
        let frames = part.take_staged();
        let (next, reached) = (part.next, part.reached);
        node.keeper.offer(clock, &mut node.log, partition, &frames, next);
        if self.options.mutation == NodeMutation::SentIsAcknowledged {
            self.released(at, partition, next, reached)?;
        }
        Ok(())
    }

    /// Answers what push clients ask; whether the log has to be asked first.
    fn answer(&mut self, at: usize, partition: u16) -> Result<bool, Violation> {
        let node = &mut self.nodes[at];
        let clock = node.clock(self.now_ms);
        let may_act = node.keeper.may_act(clock, partition);
        let may_deny = may_act || self.options.mutation == NodeMutation::NoActRuleForDenials;
        let me = node.me;
        let part = &mut node.parts[usize::from(partition)];
        let mut wants_proof = false;
        for question in std::mem::take(&mut part.questions) {
            let Question { push, is_request, asked_ms } = question;
            match part.pushes.get(&push) {
                Some(known) if is_request && known.is_durable => {
                    self.ledger.answered(self.now_ms, push, &self.logs[usize::from(partition)])?;
                }
                Some(_) => {}
                None if is_request && part.is_closing => {}
                None if is_request => {
                    let number = part.stage(Said { push, is_end: false, is_copy: false });
                    let known = Known { is_durable: false, in_flight: false, ended: None };
                    part.pushes.insert(push, known);
                    part.unanswered.insert(push);
                    self.ledger.numbered(number, push, me)?;
                }
                None if may_deny => self.ledger.denied(push, asked_ms)?,
                None => {
                    wants_proof = true;
                    part.questions.push(question);
                }
            }
        }
        Ok(wants_proof)
    }

    /// Begins attempts; whether the log has to be asked first.
    fn attempt(&mut self, at: usize, partition: u16) -> Result<bool, Violation> {
        let node = &self.nodes[at];
        let may_act = node.keeper.may_act(node.clock(self.now_ms), partition);
        let part = &node.parts[usize::from(partition)];
        let waits = |known: &Known| known.is_durable && !known.in_flight && known.ended.is_none();
        let waiting: Vec<u64> = part
            .pushes
            .iter()
            .filter(|(_, known)| waits(known) && !part.is_closing)
            .map(|(push, _)| *push)
            .collect();
        if !may_act || waiting.is_empty() {
            return Ok(!waiting.is_empty());
        }
        let attempt = Attempted { by: node.me, term: part.term, at_ms: self.now_ms };
        for push in waiting {
            let nodes = &self.nodes;
            let was_disturbed = |before: &Attempted| {
                let owner = nodes.iter().find(|node| node.me.node == before.by.node);
                owner.is_some_and(|owner| {
                    owner.me.life > before.by.life
                        || owner.disturbed_ms.is_some_and(|until| until + LEASE_MS >= before.at_ms)
                })
            };
            let log = &self.logs[usize::from(partition)];
            self.ledger.attempt(push, attempt, log, was_disturbed)?;
            let known = self.nodes[at].parts[usize::from(partition)].pushes.get_mut(&push);
            if let Some(known) = known {
                known.in_flight = true;
            }
            let delay_ms = 20 + self.random.below(400);
            self.after(delay_ms, super::Event::AttemptEnds { at, by: attempt, partition, push });
        }
        Ok(false)
    }

    /// An attempt has ended.
    pub(super) fn attempt_ends(
        &mut self,
        at: usize,
        by: Attempted,
        partition: u16,
        push: u64,
    ) -> Checked {
        let node = &mut self.nodes[at];
        let part = &mut node.parts[usize::from(partition)];
        if node.me != by.by || part.term != by.term {
            return Ok(());
        }
        let Some(known) = part.pushes.get_mut(&push) else { return Ok(()) };
        known.in_flight = false;
        known.ended = Some(false);
        let number = part.stage(Said { push, is_end: true, is_copy: false });
        let me = node.me;
        self.ledger.numbered(number, push, me)?;
        self.wake(at)
    }

    /// Moves what matters forward, so that the log may be cut.
    fn clean(&mut self, at: usize, partition: u16) -> Checked {
        let mutation = self.options.mutation;
        let node = &mut self.nodes[at];
        let me = node.me;
        let part = &mut node.parts[usize::from(partition)];
        let is_due = part.reached >= part.cleaned + CLEANED_CHUNKS;
        if is_due && part.cleaning.is_none() && part.clean_below == 0 && !part.is_closing {
            part.cleaned = part.reached;
            let below = part.reached;
            for number in part.stage_copies() {
                self.ledger.numbered(number, u64::MAX, me)?;
            }
            let part = &mut self.nodes[at].parts[usize::from(partition)];
            part.cleaning = Some((part.next - 1, below));
            if mutation == NodeMutation::PurgeBeforeAcknowledged {
                (part.cleaning, part.clean_below) = (None, below);
            }
        }
        let node = &mut self.nodes[at];
        let part = &mut node.parts[usize::from(partition)];
        let is_billed = part.batch.through + 1 >= part.clean_below;
        if part.clean_below > 0 && (is_billed || mutation == NodeMutation::PurgeUnbilled) {
            node.keeper.purge(partition, part.clean_below);
            part.clean_below = 0;
        }
        Ok(())
    }

    /// Publishes a batch of billing events.
    fn bill(&mut self, at: usize, partition: u16) {
        if self.nodes[at].is_cut(self.now_ms) {
            return;
        }
        let billing = &mut self.billing[usize::from(partition)];
        let part = &mut self.nodes[at].parts[usize::from(partition)];
        let batch = &mut part.batch;
        let is_needed =
            part.clean_below > 0 && self.options.mutation != NodeMutation::PurgeUnbilled;
        let is_due = is_needed || self.now_ms >= batch.made_ms + BATCH_MS;
        if part.unbilled.is_empty() && part.clean_below == 0 || !is_due {
            return;
        }
        batch.made_ms = self.now_ms;
        let events: Vec<_> = part.unbilled.iter().map(|(_, event)| *event).collect();
        if billing.publish(batch.last, &events, part.reached) {
            (batch.last, batch.through) = (billing.last, billing.through);
            part.unbilled.clear();
            return;
        }
        // Somebody else has billed meanwhile: what that includes is not billed again.
        (batch.last, batch.through) = (billing.last, billing.through);
        let through = batch.through;
        part.unbilled.retain(|(sequence, _)| *sequence > through);
    }
}
