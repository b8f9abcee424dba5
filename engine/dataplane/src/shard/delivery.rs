//! Attempts out to the core network and outcomes back: SMS-DELIVER, SMS-DELIVER-REPORT,
//! SMS-STATUS-REPORT.

use super::Shard;
use super::endings::held_record;
use super::records;
use crate::billing::Log;
use crate::journal::{Accepted, Held, Position};
use crate::network::port::{AttemptHandle, AttemptSlot, AttemptToken, Network};
use crate::network::routes::CORE_NETWORK;
use crate::smsc::core::Settlement;
use crate::smsc::mutation::CoreMutation;
use crate::smsc::outcome::AttemptResult;
use crate::smsc::pushes::{Push, PushIndex, flag};
use crate::smsc::retry;
use crate::smsc::row_ids::is_row;
use crate::smsc::state::State;
use crate::smsc::wait_reason::WaitReason;
use crate::testing::kill_points;
use crate::testing::kill_points::{KillPoint, kill_point};
use wire::sms::limits::TPDU_OCTETS_MAX;
use wire::sms::relay;
use wire::sms::relay::{OriginatingAddress, StatusReportView};
use wire::terms::domain::Domain;
use wire::terms::ids::{Msn, Xpid};
use wire::terms::time::WallMs;

impl<L: Log> Shard<L> {
    /// Hands pushes whose turn it is to the core network, as many as it has room for.
    pub(super) fn start_attempts(
        &mut self,
        network: &mut impl Network,
        now_ms: WallMs,
        budget: usize,
    ) -> bool {
        let mut busy = self.start_attempts_by(network, CORE_NETWORK, now_ms, budget);
        for route in CORE_NETWORK + 1..=network.last_route() {
            // What a carrier takes has to be written down.
            if self.journal.may_hand_over() && self.hands_out() {
                busy |= self.start_attempts_by(network, route, now_ms, budget);
            }
        }
        busy
    }

    #[inline]
    fn start_attempts_by(
        &mut self,
        network: &mut impl Network,
        route: u8,
        now_ms: WallMs,
        budget: usize,
    ) -> bool {
        let mut busy = false;
        for _ in 0..budget {
            let Some((handle, index)) = self.next_attempt(network, route, now_ms) else { break };
            let was_busy = std::mem::replace(&mut busy, true);
            if self.core.push(index).is_row() {
                self.attempt_row(network, handle, (index, route), now_ms);
                continue;
            }
            let begins =
                route != CORE_NETWORK && self.begins_for_good(network.slot(&handle), index);
            self.fill(network.slot(&handle), index);
            if let Some(carrier) = network.unfit(&handle)
                && let Some(other) = self.routes.passing_over(route, carrier)
            {
                network.release(handle);
                self.core.pass_over(index, other);
                continue;
            }
            if begins {
                network.release(handle);
                if !self.core.begin_for_good(index) {
                    return was_busy;
                }
                self.journal_begin(index, now_ms);
                continue;
            }
            network.submit(handle, self.pace.even(now_ms));
            self.by_carriers.in_flight += usize::from(route != CORE_NETWORK);
            self.in_flight += 1;
        }
        busy
    }

    /// Whether what a carrier is sent of this push is never to be sent again, and no record says so
    /// yet: the carrier is set up so, or the XPID.
    fn begins_for_good(&self, slot: &AttemptSlot, index: PushIndex) -> bool {
        let push = self.core.push(index);
        if push.has(flag::BEGUN_FOR_GOOD) {
            return false;
        }
        slot.doubt_is_final
            || self.by_carriers.any_for_good && {
                let accepted = self.journal.accepted(Position::from_bits(push.position));
                let registered =
                    Xpid::from_value(accepted.xpid).and_then(|x| self.registry.find(x));
                registered.is_some_and(|registered| registered.registration.doubt_is_final)
            }
    }

    /// The attempt that this push is due for. Its one caller is the shard's turn: outside of it, it
    /// costs 45 instructions a push more.
    #[inline(always)]
    fn fill(&mut self, slot: &mut AttemptSlot, index: PushIndex) {
        let push = self.core.push(index);
        let accepted = self.journal.accepted(Position::from_bits(push.position));
        let registered = Xpid::from_value(accepted.xpid).and_then(|x| self.registry.find(x));
        let originating = originating_address(registered, accepted.sender_index, accepted.sender);
        let scts = self.stamps.scts(WallMs::new(accepted.accepted_ms));
        slot.token = AttemptToken { partition: self.number as u32, push: index };
        slot.msn = push.msn();
        slot.class = push.class;
        slot.attempts_before = u16::from(push.attempts());
        slot.message_reference = accepted.message_reference;
        slot.scts = scts;
        slot.svcinst = registered.map_or_else(
            || records::svcinst(accepted.svcinst),
            |registered| registered.registration.svcinst,
        );
        if push.route() != CORE_NETWORK {
            slot.push_id = push.push_id;
            slot.expires_ms = WallMs::new(accepted.expires_ms);
            slot.leaves_by_ms = self.pace.steady(self.pace.real(push.expires_ms()));
            slot.doubt_is_final = push.has(flag::BEGUN_FOR_GOOD);
            slot.in_doubt = push.has(flag::IN_DOUBT);
            slot.set_sender(accepted.sender);
        }
        let (settled, last) = (self.core.settled_mask(index), usize::from(push.segments) - 1);
        for (segment, submit) in relay::submits(accepted.submits).enumerate() {
            if settled >> segment & 1 == 1 {
                continue;
            }
            let encoded = slot.encode(segment, |out| {
                //= TS 23.040 3.2.4
                relay::deliver_from_submit(submit, &originating, &scts, segment < last, out)
            });
            assert!(
                encoded.is_ok(),
                "a SUBMIT checked on acceptance becomes a DELIVER: {encoded:?}"
            );
        }
    }

    /// A place in the network and the push that takes it, where there are both. An emergency goes
    /// ahead of a carrier's rest.
    #[inline]
    fn next_attempt(
        &mut self,
        network: &mut impl Network,
        route: u8,
        now_ms: WallMs,
    ) -> Option<(AttemptHandle, PushIndex)> {
        let center_ms = self.pace.center(now_ms);
        let (handle, next) = match network.reserve(route) {
            Some(handle) => (handle, self.core.poll_attempt(route, center_ms)),
            None if route == CORE_NETWORK => return None,
            None => {
                let handle = network.reserve_for_emergency(route)?;
                (handle, self.core.poll_emergency(route, center_ms))
            }
        };
        match next {
            Some(index) => Some((handle, index)),
            None => {
                network.release(handle);
                None
            }
        }
    }

    /// Hands a row to the network, unless it is not to be attempted any more, or the carrier whose
    /// turn it is cannot carry it.
    fn attempt_row(
        &mut self,
        network: &mut impl Network,
        handle: AttemptHandle,
        (index, route): (PushIndex, u8),
        now_ms: WallMs,
    ) {
        if self.begin_row(index, network.slot(&handle), now_ms) {
            if route != CORE_NETWORK
                && let Some(carrier) = network.unfit(&handle)
                && let Some(other) = self.routes.passing_over(route, carrier)
            {
                network.release(handle);
                self.core.pass_over(index, other);
                return self.row_returned(index, false, now_ms);
            }
            network.submit(handle, self.pace.even(now_ms));
            self.in_flight += 1;
            if route == CORE_NETWORK {
                self.note_row_out();
            } else {
                self.by_carriers.in_flight += 1;
            }
            kill_point(KillPoint::RowOut);
        } else {
            network.release(handle);
        }
    }

    /// What of a push the terminal acknowledged, as status reports tell the gateway: a row has none
    /// of its own.
    fn acknowledged(&mut self, push: &Push, arrived_mask: u16, now_ms: WallMs) -> u16 {
        if push.is_row() {
            return arrived_mask;
        }
        let accepted = self.journal.accepted(Position::from_bits(push.position));
        report_delivered(&accepted, arrived_mask, now_ms, &mut self.stamps)
    }

    /// Takes what the core network has settled.
    pub(super) fn take_outcomes(
        &mut self,
        network: &mut impl Network,
        now_ms: WallMs,
        budget: usize,
    ) -> bool {
        let mut busy = false;
        for _ in 0..budget {
            let random = self.next_random();
            let Some(outcome) = network.poll(self.pace.even(now_ms)) else { break };
            busy = true;
            assert_eq!(outcome.token.partition, self.number as u32, "an outcome of another shard");
            self.in_flight -= 1;
            self.by_carriers.in_flight -= usize::from(outcome.carrier != 0);
            let index: PushIndex = outcome.token.push;
            let (result, unanswered_mask) = (outcome.result, outcome.unanswered_mask);
            let domain = outcome.domain;
            let push = *self.core.push(index);
            let push_id = push.push_id;
            kill_points::arrived(self.number, push_id, outcome.delivered_mask);
            kill_point(KillPoint::Outcome);
            // What the terminal acknowledged goes back to the gateway as a status report for each
            // segment, and what the gateway reads there is what counts.
            let delivered_mask = self.acknowledged(&push, outcome.delivered_mask, now_ms);
            let news = delivered_mask & !push.delivered_mask;
            let before = Known::of(&push);
            self.counted.segments_delivered += u64::from(news.count_ones());
            let unanswered_mask =
                if self.mutation == CoreMutation::DropUnanswered { 0 } else { unanswered_mask };
            let (taken_mask, carrier) = (outcome.taken_mask, outcome.carrier);
            let taken = if push.is_row() {
                self.note_row_back(carrier);
                self.row_taken(index, (carrier, taken_mask), outcome.ids)
            } else {
                None
            };
            if taken_mask != 0 && !push.is_row() {
                self.ids.note(index, carrier, taken_mask, outcome.ids);
            }
            if let Some(token) = network.next_token() {
                self.core.prefetch_push(token.push);
            }
            let settlement =
                Settlement { result, delivered_mask, unanswered_mask, taken_mask, domain };
            self.core.handle_outcome(index, settlement, self.pace.center(now_ms), random);
            if push.is_row() {
                self.row_settled(index, taken, now_ms);
            } else if taken_mask != 0 {
                self.note_taken(index, carrier, taken_mask, now_ms);
            }
            self.note_if_held(index, before, result, domain, now_ms);
            self.carry_out_effects(now_ms);
            if result == AttemptResult::Returned {
                self.take_back_returned(index, now_ms);
            }
            if !is_row(push_id) {
                let appended = self.journal.appended();
                kill_points::appended(self.number, appended, push_id, delivered_mask);
            }
        }
        busy |= self.take_status_reports(network, now_ms, budget);
        // A hundred thousand lines may come back in one second: each turn takes its share of them.
        for _ in 0..budget {
            let Some(msn) = network.reachable(self.pace.even(now_ms)) else { break };
            let random = self.next_random();
            self.core.handle_alert(msn, self.pace.center(now_ms), random);
            busy = true;
        }
        busy
    }

    /// The attempt that just ended holds the push, unless it ended it: the journal and whoever
    /// looks are told why and until when. Without room for that the journal is told what is new of
    /// the push's segments, if anything is.
    fn note_if_held(
        &mut self,
        index: PushIndex,
        before: Known,
        result: AttemptResult,
        domain: Option<Domain>,
        now_ms: WallMs,
    ) {
        if self.core.push(index).state != State::Held {
            return;
        }
        // Sent and acknowledged, but not all of it: something is missing as if the network had
        // failed.
        let reason = match WaitReason::of(result).unwrap_or(WaitReason::SystemFailure) {
            WaitReason::SystemFailure if domain == Some(Domain::Carrier) => WaitReason::Carrier,
            reason => reason,
        };
        self.core.note_hold_reason(index, reason.number());
        let push = self.core.push(index);
        let next_ms = self.core.due_ms(index).map_or(now_ms, |due_ms| self.pace.real(due_ms));
        let domain = Domain::number_of(domain);
        let held = Held { domain, ..held_record(push, now_ms, Some(next_ms)) };
        self.counted.holds += 1;
        if push.is_row() {
            return self.note_row_held(index, next_ms);
        }
        if self.journal.append_held(&held) {
            return self.core.note_hold_recorded(index);
        }
        self.counted.holds_unrecorded += 1;
        if Known::of(push) != before {
            self.journal_progress(index, now_ms);
        }
    }

    /// Takes the SMS-STATUS-REPORTs that came by themselves: late, early, or once more.
    fn take_status_reports(
        &mut self,
        network: &mut impl Network,
        now_ms: WallMs,
        budget: usize,
    ) -> bool {
        let mut busy = false;
        for _ in 0..budget {
            let Some(report) = network.reports(self.pace.even(now_ms)) else { break };
            busy = true;
            self.counted.status_reports += 1;
            let domain = report.domain;
            let view = relay::read_status_report(report.tpdu).ok();
            let whose = view.and_then(|view| self.match_report(&view).map(|whose| (view, whose)));
            let Some((view, (index, segment))) = whose else {
                self.counted.status_reports_unmatched += 1;
                continue;
            };
            if view.status != retry::TP_STATUS_DELIVERED {
                // What did not arrive is the outcome's and the schedule's business.
                continue;
            }
            let push = self.core.push(index);
            let news = 1u16 << segment & !push.delivered_mask;
            self.counted.segments_delivered += u64::from(news.count_ones());
            let push_id = push.push_id;
            self.core.handle_late_report(
                index,
                push_id,
                1 << segment,
                domain,
                self.pace.center(now_ms),
            );
            self.carry_out_effects(now_ms);
        }
        busy
    }

    /// The waiting push and the segment whose SMS-SUBMIT had this recipient, reference and time
    /// stamp. Both may come again, references after 256 segments and times where the clock is set
    /// back: what was never sent is not reported on, and if several pushes match, the one that was
    /// attempted it is, and if that does not tell them apart, none. O(pushes that wait for the
    /// msn).
    //= TS 23.040 3.2.9
    fn match_report(&self, view: &StatusReportView) -> Option<(PushIndex, u8)> {
        let msn = Msn::parse(view.recipient_digits().as_bytes())?;
        let matching = |index: &PushIndex| {
            let push = self.core.push(*index);
            let (first, scts) = self.row_reference(push).unwrap_or_else(|| {
                let accepted = self.journal.accepted(Position::from_bits(push.position));
                (accepted.message_reference, records::scts(WallMs::new(accepted.accepted_ms)))
            });
            //= TS 23.040 9.2.3.6 report
            let segment = view.message_reference.wrapping_sub(first);
            let same_time = scts == view.scts;
            (same_time && segment < push.segments).then_some((*index, segment))
        };
        let attempted = |index: &PushIndex| {
            let push = self.core.push(*index);
            push.attempts() > 0 || push.state == State::InFlight
        };
        // Of what was there before this start nobody knows what the network had.
        let may_be_sent = |index: &PushIndex| {
            let push = self.core.push(*index);
            push.is_row() || push.push_id < self.first_of_run || attempted(index)
        };
        let mut any =
            self.core.waiting(msn).filter(may_be_sent).filter_map(|index| matching(&index));
        let first = any.next()?;
        if any.next().is_none() {
            return Some(first);
        }
        let mut tried =
            self.core.waiting(msn).filter(attempted).filter_map(|index| matching(&index));
        tried.next().filter(|_| tried.next().is_none())
    }
}

/// What an attempt may tell of a push's segments.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    delivered_mask: u16,
    in_doubt: bool,
}

impl Known {
    fn of(push: &Push) -> Self {
        Self { delivered_mask: push.delivered_mask, in_doubt: push.has(flag::IN_DOUBT) }
    }
}

/// The registration's address of this sender, prepared; built anew if the registration changed
/// since.
fn originating_address(
    registered: Option<&crate::gateway::registry::Registered>,
    sender_index: u8,
    sender: &[u8],
) -> OriginatingAddress {
    if let Some(registered) = registered
        && let Some((text, address)) = registered.senders.get(usize::from(sender_index))
        && text.as_bytes() == sender
    {
        return *address;
    }
    records::originating_address(sender)
}

/// Builds the SMS-STATUS-REPORT of every segment that arrived, reads each as the gateway does, and
/// returns the mask of those whose TP-Status says delivered and whose TP-MR and TP-SCTS are the
/// segment's own.
//= TS 23.040 3.2.9
fn report_delivered(
    accepted: &Accepted<'_>,
    arrived_mask: u16,
    now_ms: WallMs,
    stamps: &mut records::Stamps,
) -> u16 {
    let scts = stamps.scts(WallMs::new(accepted.accepted_ms));
    let discharge = stamps.scts(now_ms);
    let mut report = [0u8; TPDU_OCTETS_MAX];
    let mut mask = 0;
    for (segment, submit) in relay::submits(accepted.submits).enumerate() {
        if arrived_mask >> segment & 1 == 0 {
            continue;
        }
        let Ok(octets) = relay::status_report(
            submit,
            &scts,
            &discharge,
            retry::TP_STATUS_DELIVERED,
            &mut report,
        ) else {
            unreachable!("a SUBMIT checked on acceptance has what a status report repeats");
        };
        let reference = accepted.message_reference.wrapping_add(segment as u8);
        match relay::read_status_report(&report[..octets]) {
            Ok(view)
                if view.message_reference == reference
                    && view.scts == scts
                    && view.status == retry::TP_STATUS_DELIVERED =>
            {
                mask |= 1 << segment;
            }
            other => {
                unreachable!("the message center's own status report reads otherwise: {other:?}")
            }
        }
    }
    mask
}
