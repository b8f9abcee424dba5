//! Rows by carriers: which way a row goes and in which form, what carriers took of it, what came
//! back, and how a start finds again what they had.
//!
//! **Never here:** which carrier takes a row, or what its answer means; that is the network's and
//! the message center's. **Invariants:** what a carrier took of a row stands in the journal before
//! its receipt is acknowledged; carriers are bound to only once every row that they had is told of,
//! or nobody tells of it any more; a row that comes back untouched costs nothing.

use super::by_route::way_of;
use super::places::Places;
use super::{Broadcasts, Part, Shard};
use crate::billing::Log;
use crate::broadcast::limits::{
    HANDED_OCTETS_PER_ROW, HANDED_OCTETS_PER_SEGMENT, JOURNAL_OCTETS_PER_ROW, RETURNED_PER_TURN_MAX,
};
use crate::broadcast::outcomes::Outcome;
use crate::broadcast::running::TextForm;
use crate::broadcast::slice::{ARRIVED, HandedSegment, MAY_HAVE_IT, RowHanding};
use crate::gateway::registry::Registry;
use crate::network::port::{Asked, AttemptToken, AwaitedSegment, CarrierQuestion, Network};
use crate::network::routes::{CORE_NETWORK, Routes};
use crate::smsc::core::Core;
use crate::smsc::pushes::{Push, PushIndex, flag};
use crate::smsc::row_ids::{row_of, row_position};
use crate::smsc::rows::RowHanded;
use crate::smsc::state::State;
use std::collections::{HashMap, HashSet, VecDeque};
use wire::terms::code::Code;
use wire::terms::ids::{Class, Msn, Xpid};
use wire::terms::time::WallMs;

/// How long carriers wait for somebody to tell of the broadcasts whose rows they had.
const TOLD_WITHIN_MS: u64 = 30_000;

/// What a part knows of its rows by carriers.
#[derive(Default)]
pub(super) struct Carried {
    /// Rows in the message center of which carriers have something, by their places.
    indices: HashMap<u32, PushIndex>,
    /// Rows of which carriers had something before this start, and that nobody has told of since.
    pub(super) to_return: VecDeque<u32>,
    /// One bit for each row whose text went recoded; empty while there is none.
    recoded: Vec<u64>,
    /// The ways of rows that had turns, and places that are kept for some.
    pub(super) places: Places,
    /// All rows in the message center were looked at since the broadcast ends.
    pub(super) is_swept: bool,
}

impl Part {
    /// In which form a text goes by a route.
    pub(super) fn form_of(&self, routes: &Routes, text: Option<u32>, route: u8) -> TextForm {
        match route {
            CORE_NETWORK => TextForm::AsItIs,
            route => self.broadcast.form_in(text, routes.alphabet(route)),
        }
    }

    /// The form in which a row went last.
    fn form_sent(&self, place: u32) -> TextForm {
        let bits = self.carried.recoded.get(place as usize / 64).copied().unwrap_or_default();
        TextForm::from_number(bits >> (place % 64) & 1)
    }

    /// Whether something of a row that waits is out already, or was.
    pub(super) fn has_begun_before(&self, place: u32) -> bool {
        self.slice.handing(place).is_some() || self.slice.mark(place) & ARRIVED != 0
    }

    /// Segments of a row in that form.
    pub(super) fn segments_of(&self, place: u32) -> Option<u8> {
        let text = self.broadcast.recipients.row(self.number_of(place)).text;
        self.broadcast.segments_in(text, self.form_sent(place))
    }

    /// A row's text goes in this form from now on.
    pub(super) fn note_form(&mut self, place: u32, form: TextForm) {
        if form == TextForm::AsItIs && self.carried.recoded.is_empty() {
            return;
        }
        self.carried.recoded.resize(self.slice.words().len().div_ceil(64), 0);
        let bits = &mut self.carried.recoded[place as usize / 64];
        *bits &= !(1 << (place % 64));
        *bits |= u64::from(form == TextForm::Recoded) << (place % 64);
    }

    /// What carriers had of a row before it comes in.
    pub(super) fn handed_before(&self, place: u32) -> RowHanded {
        let Some(handing) = self.slice.handing(place) else { return RowHanded::default() };
        RowHanded {
            taken_mask: handing.taken_mask(),
            failed_mask: handing.failed_mask,
            code: Code::from_number(handing.code).filter(|_| handing.code != 0),
            avoided: handing.avoided,
        }
    }

    /// The push of a row of which carriers have something.
    pub(super) fn index_at_carrier(&self, place: u32) -> Option<PushIndex> {
        self.carried.indices.get(&place).copied()
    }

    pub(super) fn note_at_carrier(&mut self, place: u32, index: PushIndex) {
        if self.slice.handing(place).is_some() {
            self.carried.indices.insert(place, index);
        }
    }

    /// A row has left the message center.
    pub(super) fn note_left(&mut self, place: u32) {
        if !self.carried.indices.is_empty() {
            self.carried.indices.remove(&place);
        }
    }

    /// Whether anything of it is left to send.
    pub(super) fn has_more_to_send(&self) -> bool {
        let counts = self.slice.counts();
        counts.open() > counts.of(Outcome::HandedOver)
    }

    /// Rows in the message center that are not only awaited receipts of.
    pub(super) fn in_center_to_send(&self) -> u32 {
        self.in_center.saturating_sub(self.slice.handed_over())
    }

    /// Octets of the journal that are kept for what is still to be said of its rows.
    pub(super) fn octets_promised(&self, by_carriers: bool) -> u64 {
        let all = self.open_rows() * JOURNAL_OCTETS_PER_ROW + self.slice.octets_of_receipts();
        if !by_carriers && self.slice.handed_over() == 0 {
            return all;
        }
        let segments = u64::from(self.broadcast.segments_max());
        let to_hand = HANDED_OCTETS_PER_ROW + HANDED_OCTETS_PER_SEGMENT * segments;
        all + u64::from(self.in_center_to_send()) * to_hand
    }

    /// What the journal had of rows at carriers goes on.
    pub(super) fn restore_handed(&mut self) {
        let handed: HashSet<u32> =
            self.slice.all_handed_over().chain(self.slice.all_handings()).collect();
        let mut handed: Vec<u32> = handed.into_iter().collect();
        handed.sort_unstable();
        for place in &handed {
            if self.slice.handing(*place).is_some_and(|handing| handing.recoded) {
                self.note_form(*place, TextForm::Recoded);
            }
        }
        self.carried.to_return = handed.into();
    }
}

impl Broadcasts {
    /// Whether all rows that carriers had before this start are told of, as far as anybody will
    /// tell of them soon.
    fn has_all_handed(&self) -> bool {
        // One of which somebody may still tell is waited for, though all others are told.
        let is_told = !self.untold.values().any(|notes| notes.has_handed());
        is_told && self.parts.iter().all(|part| part.carried.to_return.is_empty())
    }

    /// The push of a row in the message center, by its number.
    fn index_of_row(&self, core: &Core, push_id: u64) -> Option<PushIndex> {
        let (ordinal, number) = row_of(push_id)?;
        let part = self.find(ordinal)?;
        let place = part.place_of_number(number)?;
        let waits = || {
            let position = row_position(ordinal, place);
            let msn = part.broadcast.recipients.row(number).msn;
            core.waiting(msn).find(|at| core.push(*at).position == position)
        };
        part.index_at_carrier(place).or_else(waits)
    }

    /// The carriers that have any of these segments of a row, each once.
    pub(in crate::shard) fn carriers_of(&self, push: &Push, segments: u16) -> Vec<u8> {
        let handing = self.of_push_ref(push).and_then(|(part, place)| part.slice.handing(place));
        let taken = handing.into_iter().flat_map(|handing| &handing.taken);
        let of_these = taken.filter(|taken| segments >> taken.segment & 1 == 1);
        let mut carriers: Vec<u8> = of_these.map(|taken| taken.carrier).collect();
        carriers.sort_unstable();
        carriers.dedup();
        carriers
    }

    /// What carriers are asked about a row.
    pub(in crate::shard) fn questions_of<'a>(
        &'a self,
        push: &'a Push,
        awaited: u16,
        asked: Asked,
    ) -> impl Iterator<Item = CarrierQuestion> + 'a {
        let found = self.of_push_ref(push);
        let taken = found.and_then(|(part, place)| Some((part, part.slice.handing(place)?)));
        taken.into_iter().flat_map(move |(part, handing)| {
            let segments = handing.taken.iter();
            let awaited = segments.filter(move |segment| awaited >> segment.segment & 1 == 1);
            awaited.map(move |HandedSegment { carrier, id, .. }| CarrierQuestion {
                carrier: *carrier,
                asked,
                msn: push.msn(),
                sender: part.broadcast.terms.sender.as_bytes().into(),
                id: id.clone(),
            })
        })
    }
}

impl<L: Log> Shard<L> {
    /// A row's attempt by the core network is under way.
    pub(in crate::shard) fn note_row_out(&mut self) {
        self.broadcasts.in_flight += 1;
    }

    /// A row's attempt has come to its end; 0: by the core network.
    pub(in crate::shard) fn note_row_back(&mut self, carrier: u8) {
        let in_flight = &mut self.broadcasts.in_flight;
        *in_flight = in_flight.saturating_sub(usize::from(carrier == 0));
    }

    /// What a carrier's answer adds to what carriers have of a row: as it is once the message
    /// center has taken the outcome.
    pub(in crate::shard) fn row_taken(
        &mut self,
        index: PushIndex,
        (carrier, taken_mask): (u8, u16),
        ids: &[u8],
    ) -> Option<RowHanding> {
        let push = *self.core.push(index);
        let (part, place) = self.broadcasts.of_push(&push).filter(|_| taken_mask != 0)?;
        let mut handing = part.slice.handing(place).cloned().unwrap_or_default();
        handing.take(carrier, taken_mask, ids);
        self.counted.segments_taken += u64::from(taken_mask.count_ones());
        Some(handing)
    }

    /// An attempt of a row has come to its end, and the message center has taken its outcome.
    pub(in crate::shard) fn row_settled(
        &mut self,
        index: PushIndex,
        taken: Option<RowHanding>,
        now_ms: WallMs,
    ) {
        let state = self.core.push(index).state;
        if state == State::Queued {
            self.row_returned(index, taken.is_some(), now_ms);
        }
        let is_news = taken.is_some() || state == State::Handed;
        if is_news && !state.is_final() {
            self.note_handing(index, taken, now_ms);
        }
    }

    /// What carriers have of a row, or have said of it, is written down.
    pub(in crate::shard) fn note_handing(
        &mut self,
        index: PushIndex,
        taken: Option<RowHanding>,
        now_ms: WallMs,
    ) {
        let (push, now) = (*self.core.push(index), self.pace.center(now_ms));
        if push.state.is_final() {
            return;
        }
        let (taken_mask, failed_mask, code) = self.core.handing(index).unwrap_or_default();
        let avoided = self.core.avoided(index);
        let Some((part, place)) = self.broadcasts.of_push(&push) else { return };
        let known = taken.or_else(|| part.slice.handing(place).cloned());
        let mut handing = known.unwrap_or_default();
        // What goes elsewhere is at no carrier.
        handing.taken.retain(|segment| taken_mask >> segment.segment & 1 == 1);
        handing.is_over = push.state == State::Handed;
        handing.recoded = TextForm::from_number(push.key) == TextForm::Recoded;
        (handing.segments, handing.attempts) = (push.segments, push.attempts());
        (handing.failed_mask, handing.avoided) = (failed_mask, avoided);
        handing.code = code.map_or(0, Code::number);
        let doubt = if push.has(flag::IN_DOUBT) { MAY_HAVE_IT } else { 0 };
        part.slice.note_mark(place, push.delivered_mask | doubt);
        part.slice.hand(place, handing);
        part.note_at_carrier(place, index);
        let before = part.slice.word(place).outcome;
        if push.state == State::Handed && before != Outcome::HandedOver {
            let seconds = part.seconds(now);
            let delivered = push.delivered();
            part.slice.ended_with(place, (Outcome::HandedOver, None), delivered, seconds);
            if before == Outcome::Waiting {
                self.broadcasts.note_begun(&push);
            }
            if push.has(flag::CANCEL_ACCEPTED | flag::REPLACE_REQUESTED) {
                self.ask_carriers(index, Asked::Cancel);
            }
        }
    }

    /// A carrier took nothing of a row, or cannot carry it: it keeps its place and has not begun.
    /// One of which carriers have some has, whoever took that and whatever becomes of the rest.
    pub(in crate::shard) fn row_returned(
        &mut self,
        index: PushIndex,
        took_some: bool,
        now_ms: WallMs,
    ) {
        let (push, now) = (*self.core.push(index), self.pace.center(now_ms));
        let Some((part, place)) = self.broadcasts.of_push(&push) else { return };
        let doubt = if push.has(flag::IN_DOUBT) { MAY_HAVE_IT } else { 0 };
        part.slice.note_mark(place, push.delivered_mask | doubt);
        let had_some = part.slice.word(place).attempts <= 1 && part.slice.handing(place).is_some();
        if took_some || had_some {
            let (seconds, code) = (part.seconds(now), Some(push.code.number()));
            part.slice.ended_with(place, (Outcome::Held, code), push.delivered(), seconds);
            return;
        }
        if part.slice.returned(place, push.code.number()) == Outcome::Waiting {
            // Only what is sent is charged.
            if let Some(registered) = self.registry.find(part.broadcast.terms.xpid) {
                registered.meter.uncharge(now_ms);
            }
            self.broadcasts.note_queued(&push);
        }
    }

    /// What a carrier could not deliver of a row goes by another, behind a record that says so.
    pub(in crate::shard) fn row_goes_elsewhere(&mut self, index: PushIndex, now_ms: WallMs) {
        self.counted.pushes_elsewhere += 1;
        self.note_handing(index, None, now_ms);
        let (push, now) = (*self.core.push(index), self.pace.center(now_ms));
        let Some((part, place)) = self.broadcasts.of_push(&push) else { return };
        if part.slice.word(place).outcome == Outcome::HandedOver {
            let (code, seconds) = (Some(push.code.number()), part.seconds(now));
            part.slice.ended_with(place, (Outcome::Held, code), push.delivered(), seconds);
        }
    }

    /// An answer came late: a carrier took a segment of a row.
    pub(in crate::shard) fn row_taken_late(
        &mut self,
        index: PushIndex,
        (carrier, segment): (u8, u8),
        id: &[u8],
        now_ms: WallMs,
    ) {
        let taken = self.row_taken(index, (carrier, 1 << segment), id);
        if !self.core.push(index).state.is_final() {
            self.note_handing(index, taken, now_ms);
        }
    }

    /// The push that a carrier speaks of; a row may have another place in the message center by
    /// now.
    pub(in crate::shard) fn index_spoken_of(&self, named: PushIndex, push_id: u64) -> PushIndex {
        self.broadcasts.index_of_row(&self.core, push_id).unwrap_or(named)
    }

    /// A receipt of a row that is not in the message center now: what arrived is not sent again,
    /// and its turn finds what is left.
    pub(in crate::shard) fn note_row_arrived(&mut self, push_id: u64, segment: u8) {
        let Some((ordinal, number)) = row_of(push_id) else { return };
        let Some(part) = self.broadcasts.find_mut(ordinal) else { return };
        let place = part.place_of_number(number);
        if let Some(place) = place.filter(|place| !part.slice.word(*place).outcome.is_final()) {
            part.slice.note_mark(place, 1 << segment & ARRIVED);
        }
    }

    /// As [`Self::note_row_arrived`], where a carrier says that the segment will not arrive, or all
    /// of its segments will not.
    pub(in crate::shard) fn note_row_failed(&mut self, push_id: u64, segment: u8, code: Code) {
        let Some((ordinal, number)) = row_of(push_id) else { return };
        let Some(part) = self.broadcasts.find_mut(ordinal) else { return };
        let Some(place) = part.place_of_number(number) else { return };
        let Some(handing) = part.slice.handing(place) else { return };
        let (bit, arrived) = (1 << segment, part.slice.mark(place) & ARRIVED);
        let settled = !handing.taken_mask() | handing.failed_mask | arrived;
        if settled & bit == 0 {
            let failed_mask = handing.failed_mask | bit;
            let handing = RowHanding { failed_mask, code: code.number(), ..handing.clone() };
            part.slice.hand(place, handing);
        }
    }

    /// The segments of a row that carriers were given, should it not be in the message center now.
    pub(in crate::shard) fn segments_of_row(&self, push_id: u64) -> u8 {
        let handing = row_of(push_id).and_then(|(ordinal, number)| {
            let part = self.broadcasts.find(ordinal)?;
            part.slice.handing(part.place_of_number(number)?)
        });
        handing.map_or(0, |handing| handing.segments)
    }

    /// Says what is to be said of rows, at once: whoever waits for it is told when it is durable.
    pub(in crate::shard) fn flush_rows(&mut self, now_ms: WallMs) {
        let mut broadcasts = std::mem::take(&mut self.broadcasts);
        for part in &mut broadcasts.parts {
            self.flush(part, now_ms);
        }
        self.broadcasts = broadcasts;
    }

    /// Routes have changed: a row that waits follows, in the form that its text has there, unless
    /// something of it is out.
    pub(in crate::shard) fn reroute_row(&mut self, index: PushIndex) {
        let push = *self.core.push(index);
        let avoided = self.core.avoided(index);
        let (routes, registry) = (&*self.routes, &*self.registry);
        let Some((part, place)) = self.broadcasts.of_push(&push) else { return };
        let terms = &part.broadcast.terms;
        let route =
            route_avoiding((routes, registry), (terms.xpid, terms.class, push.msn()), avoided);
        let text = part.broadcast.recipients.row(part.number_of(place)).text;
        let form = part.form_of(routes, text, route);
        let is_untouched = push.attempts() == 0 && push.delivered_mask == 0;
        if is_untouched
            && push.state != State::InFlight
            && part.slice.handing(place).is_none()
            && let Some(segments) = part.broadcast.segments_in(text, form)
        {
            self.core.set_row_form(index, form.number(), segments);
            part.note_form(place, form);
        }
        if part.slice.word(place).outcome == Outcome::Waiting {
            self.broadcasts.note_begun(&push);
            self.core.set_route(index, route);
            let push = *self.core.push(index);
            return self.broadcasts.note_queued(&push);
        }
        self.core.set_route(index, route);
    }

    /// Rows that carriers had before this start are in the message center again, some in a turn,
    /// and their carriers' receipts are awaited.
    pub(super) fn return_handed(
        &mut self,
        part: &mut Part,
        network: &mut impl Network,
        now_ms: WallMs,
    ) -> bool {
        let now = self.pace.center(now_ms);
        let mut busy = false;
        for _ in 0..RETURNED_PER_TURN_MAX {
            if !self.core.has_place_for_handed_row() {
                break;
            }
            let Some(place) = part.carried.to_return.pop_front() else { break };
            busy = true;
            let outcome = part.slice.word(place).outcome;
            let row = part.new_row(place, self.way_for(part, place));
            let Some(row) = row.filter(|_| !outcome.is_final()) else { continue };
            let mut push = PushIndex::MAX;
            if outcome == Outcome::HandedOver {
                push = self.core.enter_handed_row(&row, now);
                part.in_center += 1;
                part.carried.indices.insert(place, push);
            }
            let partition = self.number as u32;
            for HandedSegment { segment, carrier, id } in
                part.slice.handing(place).into_iter().flat_map(|handing| &handing.taken)
            {
                network.await_receipt(AwaitedSegment {
                    token: AttemptToken { partition, push },
                    push_id: row.push_id,
                    msn: row.msn,
                    carrier: *carrier,
                    segment: *segment,
                    id,
                });
            }
        }
        if busy && self.by_carriers.has_announced {
            network.all_awaited();
        }
        busy
    }

    /// Carriers may be bound to once all that they had is told of.
    pub(in crate::shard) fn announce_awaited(
        &mut self,
        network: &mut impl Network,
        now_ms: WallMs,
    ) {
        if self.by_carriers.has_announced || self.by_carriers.awaits_from.is_some() {
            return;
        }
        let even = self.pace.even(now_ms);
        let by = *self.by_carriers.announces_by.get_or_insert(even + TOLD_WITHIN_MS);
        let is_late = even >= by;
        if is_late {
            tracing::warn!(
                shard = self.number,
                "carriers are bound to though nobody has told of a broadcast whose rows they had: \
                 receipts of those are lost"
            );
        }
        if is_late || self.broadcasts.has_all_handed() {
            network.all_awaited();
            self.by_carriers.has_announced = true;
        }
    }

    /// Where a row goes now, and in which form: what is out of it already keeps its own.
    pub(super) fn way_for(&self, part: &Part, place: u32) -> (u8, TextForm) {
        let terms = &part.broadcast.terms;
        let recipient = part.broadcast.recipients.row(part.number_of(place));
        let handing = part.slice.handing(place);
        let avoided = handing.map_or(0, |handing| handing.avoided);
        let of = (terms.xpid, terms.class, recipient.msn);
        let route = route_avoiding((&*self.routes, &*self.registry), of, avoided);
        let form = match part.has_begun_before(place) {
            true => part.form_sent(place),
            false => part.form_of(&self.routes, recipient.text, route),
        };
        (route, form)
    }
}

/// The route of a row that goes on, around the carrier that could not deliver it, if there was one.
fn route_avoiding(
    known: (&Routes, &Registry),
    (xpid, class, msn): (Xpid, Class, Msn),
    avoided: u8,
) -> u8 {
    let route = way_of(known, (xpid, class), msn).unwrap_or(CORE_NETWORK);
    let elsewhere = if avoided == 0 { None } else { known.0.elsewhere_of(route, avoided) };
    elsewhere.unwrap_or(route)
}
