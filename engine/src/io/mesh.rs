//! How shards speak: parcels on bounded rings, one pair of rings for each pair of shards.
//!
//! A parcel carries a request's binary form to the shard that owns the msn, and the answer back in
//! the same box. Each shard owns a fixed number of boxes for each peer, so nothing is allocated per
//! push once their buffers have grown, and a slow peer is felt as "no box left" (code 8002), never
//! as a growing queue. A batch of parcels costs one wake-up.
//!
//! Boxes are scarce like places, and given by the same rule: lower classes meet the bound sooner,
//! and an XPID takes no further box while it has eight times as many as its class has left. So one
//! that floods a peer leaves others theirs.

use crate::io::driver::Waker;
use crate::io::limits::{PARCEL_HOLDERS, parcels_per_peer};
use crate::shard::{SHARE_OF_FREE, admitted_percent};
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wire::push::response::Answer;
use wire::terms::code::Code;
use wire::terms::ids::{Class, Xpid};
use wire::terms::mix::mix;

/// Whose request it is: which answer of which connection of which shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Origin {
    pub(super) shard: u16,
    pub(super) connection: u32,
    pub(super) generation: u32,
    /// The number of the answer on its connection, counted from 0.
    pub(super) answer: u64,
    /// Set where several shards answer together (the cancel of a whole alert).
    pub(super) gathering: Option<u32>,
}

/// Who a parcel is sent for: what its box counts as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum For {
    /// A push client's request.
    Client(Xpid, Class),
    /// A shard, which goes on with what it has begun: it takes any box that is left.
    Shard,
}

/// A request on its way to the owner of its msn, or its answer on the way back.
pub(super) struct Parcel {
    pub(super) origin: Origin,
    /// The request's binary form (`wire::submission::form`); kept on the way back so that its
    /// memory serves the next request.
    pub(super) form: Vec<u8>,
    /// The answer, once there is one.
    pub(super) answer: Option<Answer>,
    /// Pushes withdrawn, for a whole alert's cancel.
    pub(super) count: u32,
    /// Of such a cancel: pushes of the alert wait in another shard.
    pub(super) found_elsewhere: bool,
    /// Whose share the box is of.
    holder: Option<u16>,
}

struct Lane {
    requests: ArrayQueue<Box<Parcel>>,
    answers: ArrayQueue<Box<Parcel>>,
}

/// The rings between all shards; shared by them.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    shards: usize,
    /// Which shards owe nobody anything while the engine drains.
    quiet: Vec<AtomicBool>,
}

impl Lanes {
    pub(super) fn new(shards: usize) -> Arc<Self> {
        let lane = || Lane {
            requests: ArrayQueue::new(parcels_per_peer(shards)),
            answers: ArrayQueue::new(parcels_per_peer(shards)),
        };
        Arc::new(Self {
            lanes: (0..shards * shards).map(|_| lane()).collect(),
            shards,
            quiet: (0..shards).map(|_| AtomicBool::new(false)).collect(),
        })
    }

    fn lane(&self, from: usize, to: usize) -> &Lane {
        &self.lanes[from * self.shards + to]
    }
}

/// One shard's end of the mesh.
pub(super) struct Mesh {
    shard: usize,
    lanes: Arc<Lanes>,
    wakers: Vec<Waker>,
    #[allow(
        clippy::vec_box,
        reason = "the boxes travel: their addresses are what the rings carry"
    )]
    free: Vec<Vec<Box<Parcel>>>,
    /// For each peer, how many of its boxes each holder has. Holders are XPIDs, a few of which may
    /// share a number.
    held: Vec<Vec<u16>>,
    /// The peers that are looked at first: each in turn, so that none waits for another's flood.
    request_turn: usize,
    answer_turn: usize,
    woken: Vec<bool>,
}

impl Mesh {
    pub(super) fn new(shard: usize, lanes: Arc<Lanes>, wakers: Vec<Waker>) -> Self {
        let shards = wakers.len();
        let parcel = || {
            let origin = Origin {
                shard: shard as u16,
                connection: 0,
                generation: 0,
                answer: 0,
                gathering: None,
            };
            Box::new(Parcel {
                origin,
                form: Vec::new(),
                answer: None,
                count: 0,
                found_elsewhere: false,
                holder: None,
            })
        };
        let boxes = |peer: usize| {
            let count = if peer == shard { 0 } else { parcels_per_peer(shards) };
            (0..count).map(|_| parcel()).collect()
        };
        Self {
            shard,
            lanes,
            wakers,
            free: (0..shards).map(boxes).collect(),
            held: vec![vec![0; PARCEL_HOLDERS]; shards],
            request_turn: 0,
            answer_turn: 0,
            woken: vec![false; shards],
        }
    }

    pub(super) fn shards(&self) -> usize {
        self.wakers.len()
    }

    /// The number under which an XPID's boxes are counted; `None`: it has its share of the peer's.
    fn holder(&self, peer: usize, xpid: Xpid, class: Class) -> Option<u16> {
        let holder = mix(xpid.value()) as usize % PARCEL_HOLDERS;
        let boxes = parcels_per_peer(self.shards());
        let under_way = boxes - self.free[peer].len();
        let left = (boxes * admitted_percent(class)).div_ceil(100).saturating_sub(under_way);
        let has = usize::from(self.held[peer][holder]);
        (left > 0 && has < SHARE_OF_FREE * left).then_some(holder as u16)
    }

    /// Sends `peer` a request, whose form `write` appends; `false` when there is no box for it: of
    /// all or of its client's share. Of a whole alert's cancel, `found_elsewhere` says that pushes
    /// of the alert wait in another shard than `peer`.
    pub(super) fn send_request(
        &mut self,
        peer: usize,
        (origin, whose): (Origin, For),
        found_elsewhere: bool,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let holder = match whose {
            For::Shard => None,
            For::Client(xpid, class) => match self.holder(peer, xpid, class) {
                None => return false,
                holder => holder,
            },
        };
        let Some(mut parcel) = self.free[peer].pop() else { return false };
        parcel.holder = holder;
        if let Some(holder) = holder {
            self.held[peer][usize::from(holder)] += 1;
        }
        parcel.origin = origin;
        parcel.answer = None;
        parcel.count = 0;
        parcel.found_elsewhere = found_elsewhere;
        parcel.form.clear();
        write(&mut parcel.form);
        let refused = self.lanes.lane(self.shard, peer).requests.push(parcel);
        assert!(refused.is_ok(), "there are as many boxes as places on the ring");
        self.woken[peer] = true;
        true
    }

    /// Sends an answered parcel back to where it came from.
    pub(super) fn send_answer(&mut self, parcel: Box<Parcel>) {
        let peer = usize::from(parcel.origin.shard);
        let refused = self.lanes.lane(peer, self.shard).answers.push(parcel);
        assert!(refused.is_ok(), "there are as many boxes as places on the ring");
        self.woken[peer] = true;
    }

    /// The next request from any peer.
    pub(super) fn next_request(&mut self) -> Option<Box<Parcel>> {
        let (from, shards) = (self.request_turn, self.shards());
        let mut in_turn = (0..shards).map(|step| (from + step) % shards);
        let (peer, parcel) = in_turn.find_map(|peer| {
            self.lanes.lane(peer, self.shard).requests.pop().map(|parcel| (peer, parcel))
        })?;
        self.request_turn = peer + 1;
        Some(parcel)
    }

    /// The next answer from any peer; hand the box back with [`Mesh::keep`].
    pub(super) fn next_answer(&mut self) -> Option<(usize, Box<Parcel>)> {
        let (from, shards) = (self.answer_turn, self.shards());
        let mut in_turn = (0..shards).map(|step| (from + step) % shards);
        let found = in_turn.find_map(|peer| {
            self.lanes.lane(self.shard, peer).answers.pop().map(|parcel| (peer, parcel))
        })?;
        self.answer_turn = found.0 + 1;
        Some(found)
    }

    /// Takes a box back for the next request to `peer`.
    pub(super) fn keep(&mut self, peer: usize, mut parcel: Box<Parcel>) {
        if let Some(holder) = parcel.holder.take() {
            self.held[peer][usize::from(holder)] -= 1;
        }
        self.free[peer].push(parcel);
    }

    /// Says whether this shard owes nobody anything; returns whether that is so of every shard.
    pub(super) fn all_quiet(&self, quiet: bool) -> bool {
        self.lanes.quiet[self.shard].store(quiet, Ordering::SeqCst);
        self.lanes.quiet.iter().all(|quiet| quiet.load(Ordering::SeqCst))
    }

    /// Whether anything waits for this shard.
    pub(super) fn has_arrivals(&self) -> bool {
        (0..self.shards()).any(|peer| {
            !self.lanes.lane(peer, self.shard).requests.is_empty()
                || !self.lanes.lane(self.shard, peer).answers.is_empty()
        })
    }

    /// Peers, a bit each, got something by another way: they are woken with the others.
    pub(super) fn note_called(&mut self, peers: u64) {
        for (peer, woken) in self.woken.iter_mut().enumerate() {
            *woken |= peer != self.shard && peers >> (peer % 64) & 1 == 1;
        }
    }

    /// Wakes the peers that got something since the last call: one wake-up a batch.
    pub(super) fn wake_peers(&mut self) {
        for (peer, woken) in self.woken.iter_mut().enumerate() {
            if std::mem::take(woken) {
                self.wakers[peer].wake();
            }
        }
    }
}

/// Two shards' ends of a mesh with nobody behind them: the hand-over by itself, for measurements
/// and tests.
pub struct HandOver {
    ends: [Mesh; 2],
}

impl HandOver {
    /// Two ends whose wake-ups go nowhere.
    ///
    /// # Errors
    /// When the kernel gives no eventfds.
    pub fn new() -> std::io::Result<Self> {
        let lanes = Lanes::new(2);
        let wakers = vec![Waker::into_the_void()?, Waker::into_the_void()?];
        let end = |shard| Mesh::new(shard, Arc::clone(&lanes), wakers.clone());
        Ok(Self { ends: [end(0), end(1)] })
    }

    /// A request's form goes to the other end, which `take`s and answers it, and comes home in the
    /// same box; the code of the answer, or `None` if every box was under way.
    pub fn round_trip(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>),
        take: impl FnOnce(&[u8]) -> Answer,
    ) -> Option<Code> {
        let xpid = Xpid::from_value(1)?;
        let [home, owner] = &mut self.ends;
        let origin = Origin { shard: 0, connection: 1, generation: 1, answer: 0, gathering: None };
        let whose = For::Client(xpid, Class::Standard);
        if !home.send_request(1, (origin, whose), false, write) {
            return None;
        }
        let mut parcel = owner.next_request()?;
        parcel.answer = Some(take(&parcel.form));
        owner.send_answer(parcel);
        let (peer, parcel) = home.next_answer()?;
        let code = parcel.answer.map(|answer| answer.code);
        home.keep(peer, parcel);
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_serves_as_often_as_it_comes_home() {
        let mut hand_over = HandOver::new().expect("eventfds");
        for length in 0..3 * parcels_per_peer(2) {
            let form = vec![b'x'; length % 700];
            let take = |arrived: &[u8]| {
                assert_eq!(arrived, form, "it arrives whole");
                Answer::bare(Code::OVERLOAD)
            };
            let write = |target: &mut Vec<u8>| target.extend_from_slice(&form);
            assert_eq!(hand_over.round_trip(write, take), Some(Code::OVERLOAD));
        }
        assert!(hand_over.ends.iter().all(|end| !end.has_arrivals()));
    }

    fn origin() -> Origin {
        Origin { shard: 0, connection: 1, generation: 1, answer: 0, gathering: None }
    }

    /// An end that sends to another one which takes nothing, and how many boxes it has.
    fn sender(shards: usize) -> (Mesh, usize) {
        let wakers = (0..shards).map(|_| Waker::into_the_void().expect("an eventfd")).collect();
        (Mesh::new(0, Lanes::new(shards), wakers), parcels_per_peer(shards))
    }

    fn send(mesh: &mut Mesh, peer: usize, xpid: u64, class: Class) -> bool {
        let xpid = Xpid::from_value(xpid).expect("legal");
        mesh.send_request(peer, (origin(), For::Client(xpid, class)), false, |_| ())
    }

    #[test]
    fn a_client_that_floods_a_peer_leaves_boxes_to_others_and_an_emergency_always_finds_one() {
        let (mut mesh, boxes) = sender(2);
        let flood = |mesh: &mut Mesh, xpid, class| {
            (0..=boxes).take_while(|_| send(mesh, 1, xpid, class)).count()
        };
        let of_loud = flood(&mut mesh, 1, Class::Standard);
        assert!(of_loud <= boxes * 9 / 10 * 8 / 9 + 3, "{of_loud} of {boxes}");
        assert!(of_loud > boxes * 3 / 4, "one alone gets most of them: {of_loud} of {boxes}");
        // Another one finds its own, and so does one behind that.
        assert!(flood(&mut mesh, 2, Class::Standard) > boxes / 20);
        assert!(flood(&mut mesh, 3, Class::Emergency) > boxes / 20);
        // All of them flood, and an emergency of somebody else is taken.
        for xpid in 4..40 {
            flood(&mut mesh, xpid, Class::Standard);
        }
        for xpid in 4..8 {
            flood(&mut mesh, xpid, Class::Urgent);
        }
        assert!(!send(&mut mesh, 1, 50, Class::Standard));
        assert!(send(&mut mesh, 1, 50, Class::Emergency));
        // A shard goes on with what it has begun.
        assert!(mesh.send_request(1, (origin(), For::Shard), true, |_| ()));
    }

    #[test]
    fn boxes_that_come_home_count_no_more() {
        let (mut mesh, boxes) = sender(2);
        for _ in 0..3 {
            let sent = (0..boxes).take_while(|_| send(&mut mesh, 1, 1, Class::Standard)).count();
            assert!(sent > boxes / 2 && !send(&mut mesh, 1, 1, Class::Standard));
            while let Some(parcel) = mesh.lanes.lane(0, 1).requests.pop() {
                mesh.keep(1, parcel);
            }
            assert_eq!(mesh.free[1].len(), boxes);
        }
        assert!(mesh.held.iter().flatten().all(|&held| held == 0));
    }

    #[test]
    fn no_peer_waits_for_the_flood_of_another() {
        let lanes = Lanes::new(3);
        let mut ends: Vec<Mesh> = (0..3)
            .map(|shard| {
                let wakers = (0..3).map(|_| Waker::into_the_void().expect("an eventfd")).collect();
                Mesh::new(shard, Arc::clone(&lanes), wakers)
            })
            .collect();
        let from = |shard: u16| Origin { shard, ..origin() };
        for shard in [0, 0, 0, 0, 1] {
            let end = &mut ends[usize::from(shard)];
            assert!(end.send_request(2, (from(shard), For::Shard), false, |_| ()));
        }
        let taken: Vec<u16> = std::iter::from_fn(|| ends[2].next_request())
            .map(|parcel| {
                let shard = parcel.origin.shard;
                ends_answer(&lanes, parcel);
                shard
            })
            .collect();
        assert_eq!(taken, [0, 1, 0, 0, 0]);
    }

    /// Puts a parcel back on the ring that leads home.
    fn ends_answer(lanes: &Arc<Lanes>, parcel: Box<Parcel>) {
        let home = usize::from(parcel.origin.shard);
        assert!(lanes.lane(home, 2).answers.push(parcel).is_ok());
    }
}
