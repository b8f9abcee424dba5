//! How threads speak: parcels on bounded rings, one pair of rings for each pair of threads.
//!
//! A parcel carries a request's binary form to the thread that holds the shard of the msn, and the
//! answer back in the same box. It names the shard: a thread has several. Each thread owns a fixed
//! number of boxes for each peer, so nothing is allocated per push once their buffers have grown,
//! and a slow peer is felt as "no box left", never as a growing queue. A batch of parcels costs one
//! wake-up.
//!
//! The boxes have portions (`io::portions`): a client that has its own under way waits for them to
//! come home, and takes no other client's. Some are kept for what cannot wait. A peer's parcels are
//! taken in turn with those of all others.

use crate::io::driver::Waker;
use crate::io::limits::{URGENT_PARCELS_PART, parcels_per_peer};
use crate::io::portions::{Portion, Portions};
use crate::shard::{FoundPush, Seek};
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wire::push::response::Answer;
use wire::terms::code::Code;
use wire::terms::ownership::{Holder, Holders};

/// Whose request it is: which answer of which connection of which thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Origin {
    pub(super) thread: u16,
    pub(super) connection: u32,
    pub(super) generation: u32,
    /// The number of the answer on its connection, counted from 0.
    pub(super) answer: u64,
    /// Set where several shards answer together (the cancel of a whole alert).
    pub(super) gathering: Option<u32>,
    /// The connection is a customer's, not a push client's.
    pub(super) is_customer: bool,
}

/// A request on its way to the owner of its msn, or its answer on the way back.
pub(super) struct Parcel {
    pub(super) origin: Origin,
    /// The shard that it is for.
    pub(super) shard: usize,
    /// Whose portion of the boxes it is of.
    client: u32,
    /// The request's binary form (`wire::submission::form`); kept on the way back so that its
    /// memory serves the next request.
    pub(super) form: Vec<u8>,
    /// The answer, once there is one.
    pub(super) answer: Option<Answer>,
    /// Pushes withdrawn, for a whole alert's cancel.
    pub(super) count: u32,
    /// Of such a cancel: pushes of the alert wait in another shard.
    pub(super) found_elsewhere: bool,
    /// A push that is sought by its message id, in place of a form.
    pub(super) seek: Option<Seek>,
    /// What was found of it.
    pub(super) found: Option<FoundPush>,
}

impl Parcel {
    /// By the XPID's position in the registry: whose portion of the boxes it is of.
    pub(super) fn client(&self) -> u32 {
        self.client
    }
}

struct Lane {
    requests: ArrayQueue<Box<Parcel>>,
    answers: ArrayQueue<Box<Parcel>>,
}

/// The rings between all threads; shared by them.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    threads: usize,
    /// Which threads owe nobody anything while the engine drains.
    quiet: Vec<AtomicBool>,
}

impl Lanes {
    pub(super) fn new(threads: usize) -> Arc<Self> {
        let lane = || Lane {
            requests: ArrayQueue::new(parcels_per_peer(threads)),
            answers: ArrayQueue::new(parcels_per_peer(threads)),
        };
        Arc::new(Self {
            lanes: (0..threads * threads).map(|_| lane()).collect(),
            threads,
            quiet: (0..threads).map(|_| AtomicBool::new(false)).collect(),
        })
    }

    fn lane(&self, from: usize, to: usize) -> &Lane {
        &self.lanes[from * self.threads + to]
    }
}

/// Whose request a parcel is to carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sender {
    /// By the XPID's position in the registry.
    pub(super) client: u32,
    /// It is an emergency push or the cancel of a whole alert: boxes are kept for it.
    pub(super) is_urgent: bool,
}

/// A thread's boxes for one peer.
struct Boxes {
    #[allow(
        clippy::vec_box,
        reason = "the boxes travel: their addresses are what the rings carry"
    )]
    home: Vec<Box<Parcel>>,
    /// Of the others.
    portions: Portions,
    /// So many are for urgent requests alone.
    kept: usize,
}

/// To whom a request goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Addressee {
    /// The thread that holds the shard.
    pub(super) thread: usize,
    /// The shard.
    pub(super) shard: usize,
}

/// One thread's end of the mesh.
pub(super) struct Mesh {
    thread: usize,
    lanes: Arc<Lanes>,
    holders: Arc<Holders>,
    wakers: Vec<Waker>,
    boxes: Vec<Boxes>,
    woken: Vec<bool>,
    /// Who takes what other nodes of a cluster hold.
    link: Option<usize>,
    /// The peer of which a request, and of which an answer, is taken next if there is one.
    next: (usize, usize),
}

impl Mesh {
    pub(super) fn new(
        thread: usize,
        lanes: Arc<Lanes>,
        holders: Arc<Holders>,
        wakers: Vec<Waker>,
    ) -> Self {
        let threads = wakers.len();
        let parcel = || {
            let origin = Origin {
                thread: thread as u16,
                connection: 0,
                generation: 0,
                answer: 0,
                gathering: None,
                is_customer: false,
            };
            Box::new(Parcel {
                origin,
                shard: 0,
                client: 0,
                form: Vec::new(),
                answer: None,
                count: 0,
                found_elsewhere: false,
                seek: None,
                found: None,
            })
        };
        let boxes = |peer: usize| {
            let count = if peer == thread { 0 } else { parcels_per_peer(threads) };
            Boxes {
                home: (0..count).map(|_| parcel()).collect(),
                portions: Portions::default(),
                kept: count / URGENT_PARCELS_PART,
            }
        };
        Self {
            thread,
            lanes,
            holders,
            wakers,
            boxes: (0..threads).map(boxes).collect(),
            woken: vec![false; threads],
            link: None,
            next: (0, 0),
        }
    }

    /// The same, with one among the threads that takes what other nodes of a cluster hold.
    pub(super) fn with_link(self, link: Option<usize>) -> Self {
        Self { link, ..self }
    }

    /// Who holds a shard.
    pub(super) fn holder(&self, shard: usize) -> Holder {
        self.holders.of(shard)
    }

    /// This thread.
    pub(super) fn thread(&self) -> usize {
        self.thread
    }

    fn threads(&self) -> usize {
        self.wakers.len()
    }

    /// Shards in all, wherever they are.
    pub(super) fn shards(&self) -> usize {
        self.holders.partitions()
    }

    /// Where a shard is, if another thread of this engine holds it, or another node.
    pub(super) fn addressee(&self, shard: usize) -> Option<Addressee> {
        let thread = match self.holders.of(shard) {
            Holder::Thread(thread) => usize::from(thread),
            Holder::Node(_) => self.link?,
            Holder::Nobody => return None,
        };
        (thread != self.thread && thread < self.threads()).then_some(Addressee { thread, shard })
    }

    /// From now on this thread holds the shard, or holds it no more.
    pub(super) fn show_held(&self, shard: usize, is_held: bool) {
        let own = Holder::Thread(self.thread as u16);
        if is_held {
            self.holders.set(shard, own);
        } else if self.holders.of(shard) == own {
            self.holders.set(shard, Holder::Nobody);
        }
    }

    /// Sends `to` a request, whose form `write` appends, where the sender may have a box for it;
    /// it is under way if [`Portion::Free`] is given. Of a whole alert's cancel, `found_elsewhere`
    /// says that pushes of the alert wait in another shard.
    pub(super) fn send_request(
        &mut self,
        to: Addressee,
        origin: Origin,
        sender: Sender,
        found_elsewhere: bool,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Portion {
        let mut parcel = match self.take_box(to, sender) {
            Ok(parcel) => parcel,
            Err(portion) => return portion,
        };
        parcel.origin = origin;
        parcel.answer = None;
        parcel.count = 0;
        parcel.found_elsewhere = found_elsewhere;
        (parcel.seek, parcel.found) = (None, None);
        parcel.form.clear();
        write(&mut parcel.form);
        self.post(to.thread, parcel);
        Portion::Free
    }

    /// Asks `to` for a push by its message id, where the sender may have a box for it.
    pub(super) fn send_seek(
        &mut self,
        to: Addressee,
        origin: Origin,
        sender: Sender,
        seek: Seek,
    ) -> Portion {
        let mut parcel = match self.take_box(to, sender) {
            Ok(parcel) => parcel,
            Err(portion) => return portion,
        };
        parcel.origin = origin;
        (parcel.answer, parcel.seek, parcel.found) = (None, Some(seek), None);
        parcel.form.clear();
        self.post(to.thread, parcel);
        Portion::Free
    }

    /// A box for this sender; why there is none.
    fn take_box(&mut self, to: Addressee, sender: Sender) -> Result<Box<Parcel>, Portion> {
        let boxes = &mut self.boxes[to.thread];
        let kept = if sender.is_urgent { 0 } else { boxes.kept };
        let portion = boxes.portions.of(sender.client, boxes.home.len(), kept);
        if portion != Portion::Free {
            return Err(portion);
        }
        let mut parcel = boxes.home.pop().ok_or(Portion::Nothing)?;
        boxes.portions.take(sender.client);
        (parcel.client, parcel.shard) = (sender.client, to.shard);
        Ok(parcel)
    }

    fn post(&mut self, peer: usize, parcel: Box<Parcel>) {
        let refused = self.lanes.lane(self.thread, peer).requests.push(parcel);
        assert!(refused.is_ok(), "there are as many boxes as places on the ring");
        self.woken[peer] = true;
    }

    /// Sends an answered parcel back to where it came from.
    pub(super) fn send_answer(&mut self, parcel: Box<Parcel>) {
        let peer = usize::from(parcel.origin.thread);
        let refused = self.lanes.lane(peer, self.thread).answers.push(parcel);
        assert!(refused.is_ok(), "there are as many boxes as places on the ring");
        self.woken[peer] = true;
    }

    /// The next request from any peer: theirs are taken in turn.
    pub(super) fn next_request(&mut self) -> Option<Box<Parcel>> {
        let mut peer = self.next.0;
        for _ in 0..self.threads() {
            let behind = self.behind(peer);
            if peer != self.thread
                && let Some(parcel) = self.lanes.lane(peer, self.thread).requests.pop()
            {
                self.next.0 = behind;
                return Some(parcel);
            }
            peer = behind;
        }
        None
    }

    /// The thread whose turn comes after this one's.
    fn behind(&self, thread: usize) -> usize {
        if thread + 1 == self.threads() { 0 } else { thread + 1 }
    }

    /// The next answer from any peer, theirs in turn; hand the box back with [`Mesh::keep`].
    pub(super) fn next_answer(&mut self) -> Option<(usize, Box<Parcel>)> {
        let mut peer = self.next.1;
        for _ in 0..self.threads() {
            let behind = self.behind(peer);
            if peer != self.thread
                && let Some(parcel) = self.lanes.lane(self.thread, peer).answers.pop()
            {
                self.next.1 = behind;
                return Some((peer, parcel));
            }
            peer = behind;
        }
        None
    }

    /// Takes a box back for the next request to `peer`.
    pub(super) fn keep(&mut self, peer: usize, parcel: Box<Parcel>) {
        let boxes = &mut self.boxes[peer];
        boxes.portions.give_back(parcel.client);
        boxes.home.push(parcel);
    }

    /// Says whether this thread owes nobody anything; returns whether that is so of every thread.
    pub(super) fn all_quiet(&self, quiet: bool) -> bool {
        self.lanes.quiet[self.thread].store(quiet, Ordering::SeqCst);
        self.lanes.quiet.iter().all(|quiet| quiet.load(Ordering::SeqCst))
    }

    /// Whether anything waits for this thread.
    pub(super) fn has_arrivals(&self) -> bool {
        (0..self.threads()).any(|peer| {
            !self.lanes.lane(peer, self.thread).requests.is_empty()
                || !self.lanes.lane(self.thread, peer).answers.is_empty()
        })
    }

    /// Peers, a bit each, got something by another way: they are woken with the others.
    pub(super) fn note_called(&mut self, peers: u64) {
        for (peer, woken) in self.woken.iter_mut().enumerate() {
            *woken |= peer != self.thread && peers >> (peer % 64) & 1 == 1;
        }
    }

    /// As above for threads of shards: a bit each, the 64th after the first has the same.
    pub(super) fn note_called_shards(&mut self, shards: u64) {
        if shards == 0 {
            return;
        }
        for shard in (0..self.shards()).filter(|shard| shards >> (shard % 64) & 1 == 1) {
            if let Some(Addressee { thread, .. }) = self.addressee(shard) {
                self.woken[thread] = true;
            }
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

/// Two threads' ends of a mesh with nobody behind them: the hand-over by itself, for measurements
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
        let holders = Arc::new(Holders::dealt(2, 2));
        let end =
            |thread| Mesh::new(thread, Arc::clone(&lanes), Arc::clone(&holders), wakers.clone());
        Ok(Self { ends: [end(0), end(1)] })
    }

    /// A request's form goes to the other end, which `take`s and answers it, and comes home in the
    /// same box; the code of the answer, or `None` if every box was under way.
    pub fn round_trip(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>),
        take: impl FnOnce(&[u8]) -> Answer,
    ) -> Option<Code> {
        let [home, owner] = &mut self.ends;
        let origin = Origin {
            thread: 0,
            connection: 1,
            generation: 1,
            answer: 0,
            gathering: None,
            is_customer: false,
        };
        let sender = Sender { client: 0, is_urgent: false };
        let to = Addressee { thread: 1, shard: 1 };
        if home.send_request(to, origin, sender, false, write) != Portion::Free {
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

    fn ends(threads: usize) -> Vec<Mesh> {
        let lanes = Lanes::new(threads);
        let waker = || Waker::into_the_void().expect("an eventfd");
        let wakers: Vec<Waker> = (0..threads).map(|_| waker()).collect();
        let holders = Arc::new(Holders::dealt(2 * threads, threads));
        let end =
            |thread| Mesh::new(thread, Arc::clone(&lanes), Arc::clone(&holders), wakers.clone());
        (0..threads).map(end).collect()
    }

    /// The first shard of a thread.
    fn first_of(thread: usize) -> Addressee {
        Addressee { thread, shard: thread }
    }

    #[test]
    fn a_parcel_names_the_shard_and_goes_to_the_thread_that_holds_it_at_that_moment() {
        let [mut home, mut owner] = ends(2).try_into().unwrap_or_else(|_| unreachable!("two"));
        assert_eq!((home.addressee(2), home.addressee(4)), (None, None), "its own, and none");
        let to = home.addressee(3).expect("the other thread holds it");
        assert_eq!(to, Addressee { thread: 1, shard: 3 });
        let origin = Origin {
            thread: 0,
            connection: 0,
            generation: 0,
            answer: 0,
            gathering: None,
            is_customer: false,
        };
        let sender = Sender { client: 0, is_urgent: false };
        assert_eq!(home.send_request(to, origin, sender, false, |_| {}), Portion::Free);
        assert_eq!(owner.next_request().map(|parcel| parcel.shard), Some(3));
        owner.show_held(3, false);
        assert_eq!(home.addressee(3), None, "nobody holds it");
        home.show_held(3, true);
        owner.show_held(3, false);
        assert_eq!(owner.addressee(3), Some(Addressee { thread: 0, shard: 3 }));
        home.wake_peers();
        home.note_called_shards(1 << 1 | 1 << 2);
        assert_eq!(home.woken, [false, true], "of the threads that hold them");
    }

    /// Sends a peer as many requests of this thread as the sender may; what stops it.
    fn flood(home: &mut Mesh, peer: usize, sender: Sender) -> (usize, Portion) {
        let origin = Origin {
            thread: home.thread as u16,
            connection: 0,
            generation: 0,
            answer: 0,
            gathering: None,
            is_customer: false,
        };
        let mut sent = 0;
        loop {
            match home.send_request(first_of(peer), origin, sender, false, |_| {}) {
                Portion::Free => sent += 1,
                stopped => return (sent, stopped),
            }
        }
    }

    #[test]
    fn a_clients_flood_leaves_other_clients_boxes_and_some_to_emergencies_alone() {
        let [mut home, mut owner] = ends(2).try_into().unwrap_or_else(|_| unreachable!("two"));
        let all = parcels_per_peer(2);
        let of = |client, is_urgent| Sender { client, is_urgent };
        let (loud, stopped) = flood(&mut home, 1, of(7, false));
        assert!(loud >= all / 2 && loud <= all / 10 * 8, "{loud} of {all}");
        assert_eq!(stopped, Portion::Used, "it waits for its own");
        let (second, _) = flood(&mut home, 1, of(8, false));
        assert!(second >= all / 16, "{second} of {all}");
        for client in 9..64 {
            let (sent, stopped) = flood(&mut home, 1, of(client, false));
            assert!(sent > 0 || stopped == Portion::Nothing);
        }
        let (urgent, _) = flood(&mut home, 1, of(1_000, true));
        assert!(urgent >= all / URGENT_PARCELS_PART / 2, "{urgent} of {all}");
        // What comes home is the client's again whose it was.
        let mut parcel = owner.next_request().expect("a request");
        parcel.answer = Some(Answer::bare(Code::ACCEPTED));
        owner.send_answer(parcel);
        let (peer, parcel) = home.next_answer().expect("its answer");
        assert_eq!((peer, parcel.client), (1, 7));
        home.keep(peer, parcel);
        assert_eq!(home.boxes[1].home.len() + home.lanes.lane(0, 1).requests.len(), all);
    }

    #[test]
    fn no_peers_flood_makes_those_of_another_wait() {
        let mut ends = ends(3);
        let sender = Sender { client: 0, is_urgent: false };
        let (flooding, _) = flood(&mut ends[0], 2, sender);
        let origin = Origin {
            thread: 1,
            connection: 0,
            generation: 0,
            answer: 0,
            gathering: None,
            is_customer: false,
        };
        assert_eq!(ends[1].send_request(first_of(2), origin, sender, false, |_| {}), Portion::Free);
        let mut from = Vec::new();
        for _ in 0..3 {
            let mut parcel = ends[2].next_request().expect("more than three wait");
            from.push(parcel.origin.thread);
            parcel.answer = Some(Answer::bare(Code::ACCEPTED));
            ends[2].send_answer(parcel);
        }
        assert!(from.contains(&1), "{flooding} wait before it: {from:?}");
    }
}
