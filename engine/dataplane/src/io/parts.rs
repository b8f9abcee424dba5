//! The shards of a thread: a bounded table of parts, which take their turns in an order that moves
//! on by one each turn.
//!
//! A part is found by its place, by its shard's number, or by its name. A name tells it from one
//! that had the place before: what is under way elsewhere when a part leaves finds nobody then.

use crate::gateway::registry::Registry;
use crate::io::gated::Gated;
use crate::io::limits::PARTS_PER_THREAD_MAX;
use crate::io::marks::Marks;
use crate::io::now::Now;
use crate::io::part::Part;
use crate::io::replica::Replica;
use crate::io::shard_status::ShardStatus;
use crate::io::slots::Slots;
use crate::network::smpp::port::CarrierPort;
use crate::shard::{NotificationOrder, NotificationResult, Shard};
use std::sync::Arc;

/// A shard that is not here.
const NOT_HERE: u16 = u16::MAX;
const _: () = assert!(PARTS_PER_THREAD_MAX < NOT_HERE as usize);

/// Which part, of which generation of its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PartName {
    place: u32,
    generation: u32,
}

/// A notification order, and the part whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PartOrder {
    pub(super) part: PartName,
    pub(super) order: NotificationOrder,
}

struct Named {
    generation: u32,
    part: Box<Part>,
}

/// The parts of a thread.
pub(super) struct Parts {
    slots: Slots<Named>,
    /// The places in use, in the order of their turns.
    order: Vec<u32>,
    /// By the shard's number: its place.
    places: Vec<u16>,
    /// What waits for no mark: it leaves in this turn.
    pub(super) loose: Vec<Gated>,
    marks: Marks,
    registry: Arc<Registry>,
    /// No attempt and no notification begins in any of them.
    look_on: bool,
}

impl Parts {
    /// None, of so many shards in all.
    pub(super) fn new(shards: usize, registry: Arc<Registry>) -> Self {
        Self {
            slots: Slots::with_capacity(PARTS_PER_THREAD_MAX),
            order: Vec::with_capacity(PARTS_PER_THREAD_MAX),
            places: vec![NOT_HERE; shards],
            loose: Vec::new(),
            marks: Marks::default(),
            registry,
            look_on: false,
        }
    }

    /// The same, where nothing begins in any of them.
    pub(super) fn looking_on(self, look_on: bool) -> Self {
        Self { look_on, ..self }
    }

    /// Whether nothing begins in any of them, nor in one that comes.
    pub(super) fn looks_on(&self) -> bool {
        self.look_on
    }

    /// Whether no further one finds a place.
    pub(super) fn is_full(&self) -> bool {
        self.slots.is_full()
    }

    /// Whether there is a shard of this number in the engine, and it is not here.
    pub(super) fn expects(&self, shard: usize) -> bool {
        self.places.get(shard) == Some(&NOT_HERE)
    }

    /// A shard comes to the thread; its place, if there is one.
    pub(super) fn open(
        &mut self,
        shard: Shard,
        carriers: CarrierPort,
        status: Arc<ShardStatus>,
        replica: Option<Arc<Replica>>,
    ) -> Option<u32> {
        let (number, look_on) = (shard.number(), self.look_on);
        let place = self.slots.insert(|place, generation| {
            let mut part = Box::new(Part::new(place, shard, carriers, status, replica));
            part.looks_on = look_on;
            Named { generation, part }
        })?;
        self.places[number] = place as u16;
        self.order.push(place);
        Some(place)
    }

    /// A shard leaves the thread.
    pub(super) fn close(&mut self, place: u32) -> Option<Box<Part>> {
        let part = self.slots.remove(place)?.part;
        self.places[part.shard.number()] = NOT_HERE;
        self.order.retain(|&other| other != place);
        self.marks.set(place as usize, 0);
        Some(part)
    }

    /// How many there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The next one comes first.
    #[inline]
    pub(super) fn rotate(&mut self) {
        if self.order.len() > 1 {
            self.order.rotate_left(1);
        }
    }

    /// The one whose turn is the n-th.
    #[inline]
    pub(super) fn at(&mut self, nth: usize) -> Option<&mut Part> {
        let place = *self.order.get(nth)?;
        self.get_mut(place)
    }

    /// The part in this place.
    #[inline]
    pub(super) fn get(&self, place: u32) -> Option<&Part> {
        self.slots.get(place).map(|named| &*named.part)
    }

    /// The part in this place.
    #[inline]
    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Part> {
        self.slots.get_mut(place).map(|named| &mut *named.part)
    }

    /// The part with this name, if it is still here.
    #[inline]
    pub(super) fn named(&mut self, name: PartName) -> Option<&mut Part> {
        let named = self.slots.of_generation(name.place, name.generation)?;
        Some(&mut *named.part)
    }

    /// The name of the part whose turn is the n-th.
    #[inline]
    pub(super) fn name_at(&self, nth: usize) -> Option<PartName> {
        let place = *self.order.get(nth)?;
        let generation = self.slots.get(place)?.generation;
        Some(PartName { place, generation })
    }

    /// The name of the shard with this number, if it is here.
    pub(super) fn name_of(&self, shard: usize) -> Option<PartName> {
        let place = self.place_of(shard)?;
        let generation = self.slots.get(place)?.generation;
        Some(PartName { place, generation })
    }

    /// The place of the shard with this number, if it is here.
    #[inline]
    pub(super) fn place_of(&self, shard: usize) -> Option<u32> {
        let place = *self.places.get(shard)?;
        (place != NOT_HERE).then_some(u32::from(place))
    }

    /// The shard with this number, if it is here.
    #[inline]
    pub(super) fn of_number(&mut self, shard: usize) -> Option<&mut Part> {
        let place = self.place_of(shard)?;
        self.get_mut(place)
    }

    /// The place of the one that reads what no shard, or none here, owns.
    #[inline]
    pub(super) fn reader(&self) -> Option<u32> {
        self.order.first().copied()
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Part> {
        self.order.iter().filter_map(|&place| self.get(place))
    }

    /// Does this with each of them.
    pub(super) fn for_each(&mut self, mut does: impl FnMut(&mut Part)) {
        for nth in 0..self.order.len() {
            if let Some(part) = self.at(nth) {
                does(part);
            }
        }
    }

    /// Looks how far each one's journal is durable.
    pub(super) fn see_marks(&mut self) {
        for nth in 0..self.order.len() {
            let place = self.order[nth];
            if let Some(named) = self.slots.get(place) {
                self.marks.set(place as usize, named.part.shard.answerable());
            }
        }
    }

    /// The marks as they were looked at last.
    pub(super) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// The registrations in force.
    pub(super) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Every one takes new registrations.
    pub(super) fn set_registry(&mut self, registry: Arc<Registry>) {
        self.for_each(|part| part.shard.set_registry(Arc::clone(&registry)));
        self.registry = registry;
    }

    /// Tells the shard how a notification fared; one that has left learns it where it is now.
    pub(super) fn settle(&mut self, due: PartOrder, result: NotificationResult, now: Now) {
        if let Some(part) = self.named(due.part) {
            part.shard.settle_notification(due.order, result, now.wall_ms);
        }
    }
}
