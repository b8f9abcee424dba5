//! Which rows come into the message center in a turn, and what else broadcasts need then.

use super::asking::{Earlier, Others, by_alert};
use super::by_route::{ByRoute, way_of};
use super::claiming::windows_of;
use super::places::{Fed, Look};
use super::registered_rates;
use super::{Broadcasts, Part, Shard, class_place};
use crate::billing::Log;
use crate::broadcast::life::{End, Life};
use crate::broadcast::limits::{ROWS_QUEUED_MAX, SEARCHES_PER_TURN_MAX, SWEPT_PER_TURN_MAX};
use crate::broadcast::outcomes::{HAD_IT, NO_TEXT, NOT_MEANT, Outcome, SUPPRESSED};
use crate::broadcast::recipients::Recipient;
use crate::broadcast::running::{RunningTerms, TextForm};
use crate::broadcast::slice::Order;
use crate::gateway::registry::Registered;
use crate::network::port::Network;
use crate::network::routes::CORE_NETWORK;
use crate::smsc::pushes::PushIndex;
use crate::smsc::row_ids::row_at;
use crate::smsc::rows::{NewRow, Withdrawal};
use crate::testing::kill_points::{KillPoint, kill_point};
use wire::terms::code::Code;
use wire::terms::ids::Class;
use wire::terms::time::WallMs;

/// Rows of one broadcast that are taken before the next one's turn is looked for.
const ROWS_AT_ONCE: usize = 16;
/// Rows that are put off in one turn, because their phones have too many waiting.
const PUT_OFF_MAX: u32 = 64;
/// Rows of one broadcast that wait for another's and are looked at again in a turn.
const LOOKED_AT_AGAIN_MAX: usize = 64;
/// How often a turn is wanted while rows wait for their pace.
const PACED_EVERY_MS: u64 = 5;
/// How often otherwise: a deadline and the end of a hold are no finer than that.
const IDLE_EVERY_MS: u64 = 50;
const SECOND_MS: u64 = 1_000;
/// Searches of one class in a turn.
const SEARCHES_OF_A_CLASS_MAX: usize = SEARCHES_PER_TURN_MAX / Class::BY_WEIGHT.len();

impl<L: Log> Shard<L> {
    /// Goes on with every broadcast; whether there was anything to do. `begins` is false in a
    /// drain: nothing new begins then.
    pub(in crate::shard) fn run_broadcasts(
        &mut self,
        network: &mut impl Network,
        now_ms: WallMs,
        begins: bool,
    ) -> bool {
        if self.broadcasts.is_empty() {
            return false;
        }
        let mut broadcasts = std::mem::take(&mut self.broadcasts);
        let durable = self.durable();
        let mut busy = false;
        for part in &mut broadcasts.parts {
            busy |= self.go_on(part, network, durable, now_ms);
        }
        broadcasts.drop_forgotten(&mut self.journal);
        if !begins {
            // A stop: what was claimed and has not begun is in no doubt at the next start, whatever
            // others wait for.
            let parts = broadcasts.parts.iter_mut();
            parts.filter(|part| !part.slice.is_under_way()).for_each(|part| part.slice.rest());
        }
        if begins {
            let mut promised = 0;
            let windows = windows_of(&broadcasts.parts);
            let by_route = &broadcasts.by_route;
            for part in &mut broadcasts.parts {
                match part.slice.life() {
                    // What a pause keeps waiting is in no doubt either.
                    Life::Paused if !part.slice.is_under_way() => part.slice.rest(),
                    _ => part.slice.end_rest(),
                }
                let window = windows[class_place(part.broadcast.terms.class)];
                self.claim(part, (by_route, window), &mut promised, now_ms);
            }
            if broadcasts.parts.iter().any(|part| !part.broadcast.terms.of.is_empty()) {
                // What became of other rows stands in the journal before what follows from that.
                for part in &mut broadcasts.parts {
                    busy |= self.flush(part, now_ms);
                }
            }
            if broadcasts.parts.iter().any(|part| part.carriers.is_some()) {
                broadcasts.by_route.see(&*network);
            }
            busy |= self.feed(&mut broadcasts, network.slots(), now_ms);
        }
        for part in &mut broadcasts.parts {
            busy |= self.flush(part, now_ms);
        }
        let has_carriers = !self.routes.choices().is_empty();
        let octets = broadcasts.parts.iter().map(|part| part.octets_promised(has_carriers));
        self.journal.promise_rows(octets.sum::<u64>());
        let due = broadcasts.parts.iter().filter_map(|part| part.looked_at_in_ms());
        broadcasts.due_ms = due.min().map(|in_ms| now_ms + in_ms);
        self.broadcasts = broadcasts;
        busy
    }

    /// What is due by itself: figures, the end of the hold, the deadline, rows that are to end.
    fn go_on(
        &mut self,
        part: &mut Part,
        network: &mut impl Network,
        durable: u64,
        now_ms: WallMs,
    ) -> bool {
        part.slice.durable(durable.saturating_sub(1));
        self.bill_rows(part, durable, now_ms);
        let (now, terms) = (self.pace.center(now_ms), &part.broadcast.terms);
        let life = part.slice.life();
        if life == Life::Holding && now.since(part.started) >= terms.hold_ms {
            part.slice.order(Order::Start);
        }
        let is_open = matches!(life, Life::Holding | Life::Running | Life::Paused);
        if now >= part.expires && is_open && part.has_more_to_send() {
            part.slice.order(Order::End(End::Expired));
        }
        if self.return_handed(part, network, now_ms) {
            return true;
        }
        let tells = self.tell_deadline(part);
        tells
            | match part.slice.life() {
                Life::Closing(end) => self.sweep(part, end, now_ms),
                // Before that they would only be parked again.
                Life::Running if part.slice.is_awake() => self.return_parked(part, network, now_ms),
                _ => false,
            }
    }

    /// The rows in the message center hear of another deadline, some in a turn.
    fn tell_deadline(&mut self, part: &mut Part) -> bool {
        let Some(from) = part.respite.map(|from| from as usize) else { return false };
        let to = (from + SWEPT_PER_TURN_MAX).min(self.core.indices_used());
        for index in from as PushIndex..to as PushIndex {
            if self.is_row_of(index, part) {
                self.core.set_row_expiry(index, part.expires);
            }
        }
        part.respite = (to < self.core.indices_used()).then_some(to as PushIndex);
        part.respite.is_some()
    }

    fn is_row_of(&self, index: PushIndex, part: &Part) -> bool {
        self.core.live_at(index).is_some_and(|push| {
            row_at(push.position).is_some_and(|(ordinal, _)| ordinal == part.ordinal())
        })
    }

    /// Ends the rows in the message center of a broadcast that ends, some in a turn.
    fn sweep(&mut self, part: &mut Part, end: End, now_ms: WallMs) -> bool {
        let now = self.pace.center(now_ms);
        // What waits for its first turn is done with by that turn; so is what was parked.
        let seconds = part.seconds(now);
        part.slice.look_again(SWEPT_PER_TURN_MAX);
        let _ = part.slice.take_ready(seconds);
        let parked = part.parked.len();
        for _ in 0..SWEPT_PER_TURN_MAX {
            let Some(place) = part.parked.pop_front() else { break };
            if !part.slice.word(place).outcome.is_final() {
                part.slice.begin(place, seconds);
            }
        }
        // What carriers have whole is looked at once: their receipts decide.
        if part.in_center_to_send() == 0 && (part.in_center == 0 || part.carried.is_swept) {
            return parked > 0 || part.slice.deferred().0 > 0;
        }
        let why = withdrawal(end);
        let from = part.sweep.unwrap_or_default() as usize;
        let to = (from + SWEPT_PER_TURN_MAX).min(self.core.indices_used());
        for index in from as PushIndex..to as PushIndex {
            if self.is_row_of(index, part) {
                self.core.withdraw_row(index, why, now);
            }
        }
        // In flight rows are left; they settle, and are looked at once more in the next round.
        let is_through = to == self.core.indices_used();
        part.carried.is_swept |= is_through;
        part.sweep = Some(if is_through { 0 } else { to as PushIndex });
        !is_through || !part.parked.is_empty()
    }

    /// Rows that a pause kept, from before this start, or for which there was no place, wait in the
    /// message center again, some in a turn.
    fn return_parked(
        &mut self,
        part: &mut Part,
        network: &mut impl Network,
        now_ms: WallMs,
    ) -> bool {
        let (now, even_ms) = (self.pace.center(now_ms), self.pace.even(now_ms));
        let mut busy = false;
        for _ in 0..ROWS_QUEUED_MAX {
            if part.parked.is_empty() || !self.has_place_for_row() {
                break;
            }
            let Some(place) = part.parked.pop_front() else { break };
            if part.slice.word(place).outcome.is_final() {
                // Somebody withdrew it meanwhile.
                continue;
            }
            let due = part.started + u64::from(part.slice.word(place).seconds) * SECOND_MS;
            let way = self.way_for(part, place);
            let row = part.new_row(place, way);
            if let Some(row) = row.filter(NewRow::has_arrived) {
                part.slice.ended(place, Outcome::Delivered, row.segments, part.seconds(now));
            } else if let Some(row) = row {
                let index = self.core.enter_held_row(&row, due, now);
                part.note_form(place, way.1);
                part.note_at_carrier(place, index);
                part.in_center += 1;
                busy = true;
                if part.restored > 0 {
                    // The network knows nothing of what waited before this start.
                    part.restored -= 1;
                    network.await_reachable(row.msn, even_ms);
                }
            }
        }
        busy
    }

    /// Puts rows into the message center: by class, by turns of the broadcasts, by their paces, and
    /// no more than their share of the network's slots.
    fn feed(&mut self, broadcasts: &mut Broadcasts, slots: usize, now_ms: WallMs) -> bool {
        let mut busy = false;
        broadcasts.slots = slots;
        broadcasts.by_route.see_rooms(self.pace.steady(now_ms));
        broadcasts.keep_places();
        for class in Class::BY_WEIGHT {
            let place = class_place(class);
            // Each has its own: what one class looks for costs no other its turn.
            broadcasts.searched.set(0);
            // What waits in lower classes is attempted later, and takes nothing from this one.
            let before_it = broadcasts.queued[..=place].iter().sum::<usize>();
            let mut begun = broadcasts.in_flight + before_it;
            let room = ROWS_QUEUED_MAX.saturating_sub(broadcasts.queued[place]);
            let Broadcasts {
                parts,
                shares,
                queued,
                by_route,
                past,
                suppression,
                searched,
                wants,
                ..
            } = &mut *broadcasts;
            let by_route = &*by_route;
            let searched = &*searched;
            for part in parts.iter_mut().filter(|part| part.broadcast.terms.class == class) {
                self.take_tokens(part, room as u32, by_route, now_ms);
            }
            let steady = self.pace.steady(now_ms);
            registered_rates::take((parts, wants), &self.registry, class, steady);
            let (mut left, mut put_off) = (room, 0);
            while left > 0
                && self.has_place_for_row()
                && put_off < PUT_OFF_MAX
                && searched.get() < SEARCHES_OF_A_CLASS_MAX
            {
                let has_row = |ordinal| {
                    let part = parts.iter().find(|part| part.ordinal() == ordinal);
                    part.is_some_and(|part| part.may_begin(slots, begun) > 0)
                };
                let Some(ordinal) = shares[place].next(has_row) else { break };
                let at = parts.iter().position(|part| part.ordinal() == ordinal);
                let Some((before, [part, behind @ ..])) =
                    at.and_then(|at| parts.split_at_mut_checked(at))
                else {
                    break;
                };
                let others =
                    Others { live: [before, behind], past, suppression, searched, by_route };
                let most = left.min(ROWS_AT_ONCE).min(part.may_begin(slots, begun));
                let fed = self.feed_some(part, others, most, now_ms);
                if fed.spent > 0 {
                    shares[place].spend(ordinal, fed.spent.min(255) as u8);
                } else {
                    shares[place].pass_over(ordinal);
                }
                queued[place] += fed.entered;
                begun += fed.entered;
                left = left.saturating_sub((fed.entered + fed.carried).max(1));
                put_off += fed.put_off;
                // What is put off waits for its phone, not for the next turn.
                busy |= fed.spent > 0;
            }
            self.give_unused_back(parts, class);
        }
        busy
    }

    /// What a class had for this turn and did not use, for it does not gather.
    fn give_unused_back(&self, parts: &mut [Part], class: Class) {
        for part in parts.iter_mut().filter(|part| part.broadcast.terms.class == class) {
            let left = std::mem::take(&mut part.tokens);
            part.bucket.give_back(left);
            if let Some(registered) = self.registry.find(part.broadcast.terms.xpid) {
                registered.meter.give_rows_back(left);
            }
        }
    }

    /// What the pace lets through in this turn, where the registration lets any.
    fn take_tokens(&mut self, part: &mut Part, room: u32, by_route: &ByRoute, now_ms: WallMs) {
        part.is_dealt = false;
        if !part.slice.life().begins_rows() {
            part.tokens = 0;
            return;
        }
        part.is_starved |= part.slice.has_none_claimed()
            && part.slice.claimable() > 0
            && part.has_use_for_more(by_route);
        let looks = part.looks_again(by_route, self.pace.steady(now_ms));
        part.slice.look_again(if looks { LOOKED_AT_AGAIN_MAX } else { 0 });
        let terms = &part.broadcast.terms;
        let registered = self.registry.find(terms.xpid);
        if let Err(code) = may_send(registered, terms, now_ms) {
            part.stop(code);
            part.tokens = 0;
            return;
        }
        let ready = (part.slice.claimed_ahead() + part.slice.deferred().1) as u32;
        let wanted = room.min(ready).saturating_sub(part.tokens);
        if wanted > 0 {
            part.tokens += part.bucket.take(self.pace.steady(now_ms), wanted);
        }
    }

    /// Puts up to `most` rows of a broadcast in.
    fn feed_some(
        &mut self,
        part: &mut Part,
        others: Others<'_>,
        most: usize,
        now_ms: WallMs,
    ) -> Fed {
        let (now, steady) = (self.pace.center(now_ms), self.pace.steady(now_ms));
        let seconds = part.seconds(now);
        let mut taken = [(0u32, None); ROWS_AT_ONCE];
        let mut count = 0;
        while count < most
            && let Some(place) = part.slice.take_ready(seconds)
        {
            let recipient = part.broadcast.recipients.row(part.number_of(place));
            self.contracts.prefetch(recipient.msn);
            self.core.prefetch(0, recipient.msn);
            taken[count] = (place, Some(recipient));
            count += 1;
        }
        let mut fed = Fed::default();
        let skips = part.broadcast.terms.skips_had_within_ms.map(|within_ms| {
            let since_ms = WallMs::new(now_ms.ms().saturating_sub(within_ms));
            (others.earlier(part.broadcast.terms.xpid, since_ms), since_ms)
        });
        for (place, recipient) in &taken[..count] {
            let Some(recipient) = recipient else { continue };
            let look = self.look_in_turn(part, (others, &skips), (*place, recipient), steady);
            if self.waits(part, (*place, &look), (others.by_route, &mut fed), now_ms) {
                continue;
            }
            match look {
                Look::PutOff | Look::Full(_) | Look::Defer => continue,
                Look::End(outcome, code) => part.end_row(*place, (outcome, code), seconds),
                Look::Arrived(segments) => {
                    part.slice.ended(*place, Outcome::Delivered, segments, seconds);
                }
                Look::Stop(end) => part.slice.change_to_end(*place, end, seconds),
                Look::Enter(row, older) => {
                    kill_point(KillPoint::RowTurn);
                    fed.spent += u32::from(row.segments) - 1;
                    let index = self.core.enter_row(&row, now);
                    part.in_center += 1;
                    part.note_form(*place, TextForm::from_number(row.form.into()));
                    part.note_at_carrier(*place, index);
                    if row.route == CORE_NETWORK {
                        fed.entered += 1;
                    } else {
                        others.by_route.enter(row.route);
                        fed.carried += 1;
                    }
                    if let Some(older) = older {
                        self.core.withdraw_row(older, Withdrawal::Replaced, now);
                    }
                }
            }
            fed.spent += 1;
            part.note_turn(*place);
            part.tokens = part.tokens.saturating_sub(1);
        }
        part.fed.0 += (fed.entered + fed.carried) as u32;
        fed
    }

    /// What becomes of a row whose turn has come, as everything stands now.
    #[inline]
    pub(super) fn look_at(
        &self,
        part: &Part,
        (others, skips): (Others<'_>, &Option<(Vec<Earlier<'_>>, WallMs)>),
        (place, recipient): (u32, &Recipient),
    ) -> Look {
        let (terms, msn) = (&part.broadcast.terms, recipient.msn);
        let (end, older) = by_alert((&self.fingerprints, &self.core), terms, msn);
        if let Some(end) = end {
            return Look::Stop(end);
        }
        if let Some(of) = part.rows_of(place) {
            match others.is_meant(of, msn) {
                Some(true) => {}
                Some(false) => return Look::End(Outcome::Skipped, NOT_MEANT),
                None => return Look::Defer,
            }
        }
        if !terms.ignores_suppression && others.suppression.contains(msn) {
            return Look::End(Outcome::Skipped, SUPPRESSED);
        }
        if !self.contracts.contains(msn, terms.xpid) {
            return Look::End(Outcome::Refused, Code::NOT_CONTRACTED.number());
        }
        let of = (terms.xpid, terms.class);
        let Some(route) = way_of((&*self.routes, &*self.registry), of, msn) else {
            return Look::End(Outcome::Refused, Code::NOT_ALLOWED.number());
        };
        // Of what is out already the rest goes in the same form.
        let way = match part.has_begun_before(place) {
            true => self.way_for(part, place),
            false => (route, part.form_of(&self.routes, recipient.text, route)),
        };
        let route = way.0;
        let Some(row) = part.new_row(place, way) else {
            return Look::End(Outcome::Skipped, NO_TEXT);
        };
        if row.has_arrived() {
            return Look::Arrived(row.segments);
        }
        if let Some((earlier, since_ms)) = skips
            && others.had_text(
                (earlier.as_slice(), &self.core),
                &part.broadcast,
                (msn, recipient.text),
                *since_ms,
            )
        {
            return Look::End(Outcome::Skipped, HAD_IT);
        }
        let may_go = route == CORE_NETWORK || self.journal.may_hand_over();
        if !may_go || !self.core.may_wait_for(msn) || !self.has_place_for_row() {
            return Look::PutOff;
        }
        if route != CORE_NETWORK && !others.by_route.has_place(route) {
            return Look::Full(route);
        }
        Look::Enter(row, older)
    }
}

impl Part {
    /// When a turn is wanted for it, if nothing else asks for one.
    fn looked_at_in_ms(&self) -> Option<u64> {
        let life = self.slice.life();
        if life.is_over() && !self.is_forgotten {
            return None;
        }
        let waits = self.slice.has_ready() || self.slice.deferred().0 > 0;
        let has_rows = waits || self.slice.claimable() > 0;
        let is_sent = life == Life::Running && has_rows;
        let ends = matches!(life, Life::Closing(_))
            && (self.in_center_to_send() > 0 || !self.carried.is_swept);
        let returns = !self.carried.to_return.is_empty();
        Some(if is_sent || ends || returns { PACED_EVERY_MS } else { IDLE_EVERY_MS })
    }

    /// Rows that may come into the message center now, where so many of all broadcasts take a slot
    /// of the network's or wait for one.
    fn may_begin(&self, slots: usize, begun: usize) -> usize {
        if !self.slice.has_ready() || self.has_passed_many() {
            return 0;
        }
        let of_network = self.slots_max(slots).saturating_sub(begun);
        let room = if self.goes_by_carriers() { usize::MAX } else { of_network };
        room.min(self.tokens as usize)
    }

    /// The network's slots that rows may take for it to begin some.
    pub(super) fn slots_max(&self, slots: usize) -> usize {
        let percent = usize::from(self.broadcast.terms.pace.share_max);
        // One always may, or a small network would take none.
        (slots.saturating_mul(percent) / 100).max(1)
    }

    /// A row that was taken waits for what becomes of another's.
    pub(super) fn defer(&mut self, place: u32) {
        if !self.slice.is_deferred(place) {
            self.note_turn(place);
        }
        self.slice.defer(place);
    }

    /// A row's turn comes to nothing, for this reason; one that may have arrived is in doubt.
    fn end_row(&mut self, place: u32, (outcome, code): (Outcome, u16), seconds: u32) {
        let segments = self.segments_of(place).unwrap_or(u8::MAX);
        self.slice.end_unsent((place, segments), (outcome, code), seconds);
    }

    /// A row that was claimed has had its turn.
    fn note_turn(&mut self, place: u32) {
        if self.areas.is_some() {
            let run = self.run_of(place) as u32;
            self.areas.iter_mut().for_each(|areas| areas.note_turn(run));
        }
    }

    /// A row that was taken has not begun: it is the next again.
    pub(super) fn give_back(&mut self, place: u32) {
        self.slice.give_back(place);
        if self.areas.is_some() {
            let run = self.run_of(place) as u32;
            self.areas.iter_mut().for_each(|areas| areas.note_back(run));
        }
    }

    /// Rows of which something is still to be written down.
    pub(super) fn open_rows(&self) -> u64 {
        let claimed = self.slice.claimed_ahead() + self.slice.deferred().0 + self.parked.len();
        u64::from(self.in_center) + claimed as u64
    }
}

/// How a row is taken back whose broadcast ends so.
pub(super) fn withdrawal(end: End) -> Withdrawal {
    match end {
        End::Cancelled => Withdrawal::Cancelled,
        End::Expired => Withdrawal::Expired,
        End::Replaced => Withdrawal::Replaced,
    }
}

/// Whether the registration lets it go on.
fn may_send(
    registered: Option<&Registered>,
    terms: &RunningTerms,
    now_ms: WallMs,
) -> Result<(), Code> {
    let registered = registered.ok_or(Code::NOT_REGISTERED)?;
    let registration = &registered.registration;
    let term = registration.valid_from_ms..registration.valid_until_ms;
    if registration.suspended || !term.contains(&now_ms) {
        return Err(Code::SUSPENDED_CLIENT);
    }
    let has_sender = registration.senders.contains(&terms.sender);
    if !registration.classes.contains(terms.class)
        || !registration.kinds.contains(terms.kind)
        || !has_sender
    {
        return Err(Code::NOT_ALLOWED);
    }
    if registered.meter.has_volume(now_ms) { Ok(()) } else { Err(Code::VOLUME_USED_UP) }
}
