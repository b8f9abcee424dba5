//! Attempts: which push is tried next, how its attempt went, and what makes a push due again.

use crate::smsc::core::{Beginning, Core};
use crate::smsc::interface::{Effect, Settlement};
use crate::smsc::lanes::Lanes;
use crate::smsc::limits::{BEGUN_AHEAD_MAX, BEGUN_PER_POLL_MAX, ENDED_PER_POLL_MAX};
use crate::smsc::mutation::CoreMutation;
use crate::smsc::outcome::{AttemptResult, Failure, HoldReason};
use crate::smsc::pushes::{Push, PushIndex, Pushes, flag};
use crate::smsc::retry;
use crate::smsc::state::State;
use crate::smsc::steady::TimerMs;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::{Class, Msn};
use wire::terms::time::CenterMs;

impl Core {
    /// Everything with a sequence below `durable` is durable: fresh pushes may be attempted, and so
    /// may those whose begin had to be recorded first. `accepted` is called once for each fresh
    /// one, in order, for its billing event.
    pub fn handle_durable(&mut self, durable: u64, mut accepted: impl FnMut(&Push)) {
        while let Some(&index) = self.fresh.front() {
            if self.pushes[index].push_id >= durable {
                break;
            }
            self.fresh.pop_front();
            accepted(&self.pushes[index]);
            let push = &mut self.pushes[index];
            if push.state == State::Received {
                push.state = push.state.moved_to(State::Accepted);
                self.make_ready(index);
            }
        }
        let begun = self.beginning.iter().take_while(|begun| begun.sequence < durable).count();
        for Beginning { index, push_id, by_carrier, .. } in self.beginning.drain(..begun) {
            self.begun_ahead -= usize::from(by_carrier);
            let push = &self.pushes[index];
            // It may have ended meanwhile, and its place be another's.
            let is_gone = push.push_id != push_id || push.state != State::Queued;
            if is_gone || push.has(flag::IN_LANE) {
                continue;
            }
            let lanes = &mut self.lanes[usize::from(push.route())];
            if push.route() == 0 {
                lanes.push(&mut self.pushes, index);
            } else {
                // A carrier takes few at a time. Those that have begun by their records go before
                // others, so that few are begun and not sent when the engine dies.
                lanes.push_behind(&mut self.pushes, index, Push::has_begun);
            }
        }
    }

    /// What this push, which was polled just now, sends is never to be sent again: it is attempted
    /// behind a durable record that says so, which is the caller's to append and to tell of.
    /// `false` where as many wait for that as may: it is the next of its lane again.
    pub fn begin_for_good(&mut self, index: PushIndex) -> bool {
        self.figures.attempts -= 1;
        let is_full = self.begun_ahead >= BEGUN_AHEAD_MAX;
        let push = &mut self.pushes[index];
        push.state = push.state.moved_to(State::Queued);
        let route = usize::from(push.route());
        if is_full {
            self.lanes[route].push_front(&mut self.pushes, index);
            return false;
        }
        push.set(flag::BEGUN_FOR_GOOD, true);
        push.set(flag::HOLD_RECORDED, false);
        true
    }

    /// The record that [`Effect::Begin`] asked for has this sequence.
    pub fn handle_begin_journaled(&mut self, index: PushIndex, sequence: u64) {
        let push = &self.pushes[index];
        let (push_id, by_carrier) = (push.push_id, push.route() != 0);
        self.begun_ahead += usize::from(by_carrier);
        self.beginning.push_back(Beginning { sequence, index, push_id, by_carrier });
    }

    /// The next push to attempt by this route; it is in flight from now on and must be handed to
    /// the network. A call that ends [`ENDED_PER_POLL_MAX`] pushes instead yields none and leaves
    /// the rest to the next turn.
    #[inline]
    pub fn poll_attempt(&mut self, route: u8, now_ms: CenterMs) -> Option<PushIndex> {
        self.poll_lane(route, Lanes::pop, now_ms)
    }

    /// As [`Core::poll_attempt`], of emergencies alone.
    pub fn poll_emergency(&mut self, route: u8, now_ms: CenterMs) -> Option<PushIndex> {
        self.poll_lane(route, Lanes::pop_emergency, now_ms)
    }

    #[inline]
    fn poll_lane(
        &mut self,
        route: u8,
        pop: impl Fn(&mut Lanes, &mut Pushes) -> Option<PushIndex>,
        now_ms: CenterMs,
    ) -> Option<PushIndex> {
        let (mut ended, mut begun) = (0, 0);
        self.poll_cut_short &= route != 0;
        while let Some(index) = pop(&mut self.lanes[usize::from(route)], &mut self.pushes) {
            if self.pushes[index].has(flag::GONE) {
                self.free_place(index);
                continue;
            }
            if self.pushes[index].state != State::Queued {
                continue;
            }
            if !self.queues.is_head(&self.pushes, index) {
                // An emergency push has gone ahead of it.
                let push = &mut self.pushes[index];
                push.state = push.state.moved_to(State::Accepted);
                continue;
            }
            let is_expired = now_ms >= self.pushes[index].expires_ms()
                && self.mutation != CoreMutation::SkipExpiry;
            let is_withdrawn = self.is_of_closed_alert(index);
            if is_expired || is_withdrawn {
                self.time.see(now_ms);
                if is_withdrawn {
                    self.withdraw(index, now_ms);
                } else {
                    self.expire(index, now_ms);
                }
                ended += 1;
                if ended == ENDED_PER_POLL_MAX {
                    self.poll_cut_short |= route == 0;
                    return None;
                }
                continue;
            }
            let push = &mut self.pushes[index];
            if push.has(flag::RECORD_BEGIN) && self.mutation != CoreMutation::BeginUnrecorded {
                if route != 0 && self.begun_ahead + begun >= BEGUN_AHEAD_MAX {
                    self.lanes[usize::from(route)].push_front(&mut self.pushes, index);
                    return None;
                }
                push.set(flag::RECORD_BEGIN | flag::HOLD_RECORDED, false);
                self.effects.push_back(Effect::Begin(index));
                begun += 1;
                if begun == BEGUN_PER_POLL_MAX {
                    self.poll_cut_short |= route == 0;
                    return None;
                }
                continue;
            }
            push.state = push.state.moved_to(State::InFlight);
            self.figures.attempts += 1;
            return Some(index);
        }
        None
    }

    /// An engine that ends in good order attempts nothing more: what has begun by its record and
    /// was never sent has not begun after all. Whether that is so of this push; a record that says
    /// it is the caller's to append.
    pub fn take_back_begin(&mut self, index: PushIndex) -> bool {
        let Some(push) = self.pushes.live_at(index) else { return false };
        let waits = matches!(push.state, State::Accepted | State::Queued);
        if !waits || push.is_row() || !push.has_begun() {
            return false;
        }
        let push = &mut self.pushes[index];
        push.unbegin();
        true
    }

    /// The carrier whose turn it was cannot carry this push, which was polled just now: it waits
    /// for those of another route.
    pub fn pass_over(&mut self, index: PushIndex, route: u8) {
        self.figures.attempts -= 1;
        let push = &mut self.pushes[index];
        push.state = push.state.moved_to(State::Queued);
        push.set_route(route);
        self.lanes[usize::from(route)].push(&mut self.pushes, index);
    }

    /// The core network settled an attempt. `random` is uniform and jitters the next retry.
    pub fn handle_outcome(
        &mut self,
        index: PushIndex,
        settlement: Settlement,
        now_ms: CenterMs,
        random: u64,
    ) {
        let Settlement { result, delivered_mask, unanswered_mask, taken_mask, domain } = settlement;
        self.time.see(now_ms);
        let push = &mut self.pushes[index];
        assert_eq!(
            push.state,
            State::InFlight,
            "an outcome for a push that has no attempt under way"
        );
        assert_eq!(
            (delivered_mask | unanswered_mask | taken_mask) & !push.full_mask(),
            0,
            "an outcome for segments that the push does not have"
        );
        push.delivered_mask |= delivered_mask;
        if unanswered_mask & !push.delivered_mask != 0 {
            push.set(flag::IN_DOUBT, true);
        }
        if domain.is_some() {
            // What never left for the terminal uses up nobody's one try.
            push.set_domain(domain);
            let attempts = push.attempts().saturating_add(1);
            push.set_attempts(attempts);
        }
        if push.is_complete() {
            // Be it by reports of an earlier attempt that came while this one failed.
            return self.end_delivered(index, now_ms);
        }
        if taken_mask != 0 {
            self.handings.take(index, taken_mask);
        }
        if self.handings.has(index) && self.is_out_of_hand(index, result) {
            return self.hand_over(index, now_ms);
        }
        match result {
            AttemptResult::Returned => self.put_back(index, now_ms),
            AttemptResult::Held(HoldReason::InDoubt, _) => {
                self.hold_in_doubt(index, now_ms, random)
            }
            AttemptResult::Doubted => {
                self.end_short(index, State::Expired, Code::EXPIRED_BUSY, now_ms)
            }
            AttemptResult::Delivered | AttemptResult::HandedOver => {
                self.hold(index, Failure::SystemFailure.into(), now_ms, random)
            }
            AttemptResult::Refused(code) => self.end_short(index, State::Refused, code, now_ms),
            AttemptResult::Failed(failure) if failure.is_final() => {
                self.end_short(index, State::Failed, failure.final_code(), now_ms);
            }
            AttemptResult::Failed(failure) => self.hold(index, failure.into(), now_ms, random),
            AttemptResult::Held(reason, _) => self.hold(index, reason.into(), now_ms, random),
        }
    }

    /// A report says that segments arrived in an attempt that was settled without it: they are not
    /// sent again, and the push has ended if they were the last. `push_id` guards against an index
    /// handed out again.
    pub fn handle_late_report(
        &mut self,
        index: PushIndex,
        push_id: u64,
        delivered_mask: u16,
        domain: Domain,
        now_ms: CenterMs,
    ) {
        self.time.see(now_ms);
        let known = self.pushes.find(index);
        if known.is_none_or(|push| push.push_id != push_id || push.state.is_final()) {
            self.figures.reports_too_late += 1;
            return;
        }
        if self.mutation == CoreMutation::DropLateReport {
            return;
        }
        let push = &mut self.pushes[index];
        let news = delivered_mask & push.full_mask() & !push.delivered_mask;
        if news == 0 {
            return;
        }
        push.delivered_mask |= news;
        push.set_domain(Some(domain));
        match push.state {
            // The outcome of the attempt under way decides, with these segments counted in.
            State::InFlight => {}
            _ if push.is_complete() => self.end_delivered(index, now_ms),
            _ => self.effects.push_back(Effect::Progress(index)),
        }
    }

    /// The HLR says that `msn` is reachable, or has memory, again: its queue is released with
    /// jitter. Alerts that follow change nothing: a line that comes and goes does not put its own
    /// release off.
    //= TS 23.040 3.2.7
    pub fn handle_alert(&mut self, msn: Msn, now_ms: CenterMs, random: u64) {
        self.time.see(now_ms);
        if self.mutation == CoreMutation::IgnoreAlert {
            return;
        }
        let due_ms = now_ms + retry::alert_jitter_ms(random);
        let mut next = self.queues.head(&self.pushes, msn);
        while let Some(index) = next {
            let push = &mut self.pushes[index];
            match push.state {
                State::Held if !push.has(flag::ALERTED) => {
                    push.set(flag::ALERTED, true);
                    let due_ms = due_ms.min(push.expires_ms().max(now_ms));
                    // A retry that comes sooner by itself is not put off.
                    let scheduled_ms = self.timers.due_ms(index).unwrap_or(u64::MAX);
                    if self.time.timer_of(due_ms) < TimerMs(scheduled_ms) {
                        self.pushes[index].begin_sooner();
                        self.start_timer(index, due_ms);
                    }
                }
                // The subscriber came back while an attempt was finding it absent.
                State::InFlight => push.set(flag::ALERTED, true),
                _ => {}
            }
            // Behind emergency pushes that went ahead, the push that was tried before them may be
            // held.
            let overtakes = self.pushes[index].class == Class::Emergency;
            next = self.queues.behind(&self.pushes, index).filter(|_| overtakes);
        }
    }
}
