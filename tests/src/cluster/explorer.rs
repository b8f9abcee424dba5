//! Every order of happenings of two owners of one partition, within bounds: the engine's own
//! ownership over a log, messages that are late, lost or doubled, readers that are behind, nodes
//! that stand still.
//!
//! A message may be delivered at any later time, or never: that is late and lost. An answer may be
//! delivered twice. A reader is given any prefix of the log. A node looks at its clock when it
//! happens to: that is a pause. Either node may want the partition at any time, whether or not the
//! other is there. Time goes in steps.
//!
//! What must hold in every state: the log reads as one owner after the other; what an owner is told
//! to be acknowledged is its own chunk at that place; and nobody may act behind somebody else's
//! term chunk.

use super::node::name;
use hayauma::cluster::chunk::{ChunkBody, ChunkHead};
use hayauma::cluster::flights::Behind;
use hayauma::cluster::mutation::NodeMutation;
use hayauma::cluster::node::Incarnation;
use hayauma::cluster::ownership::{ClusterTimes, Ownership, PartitionStanding};
use hayauma::cluster::succession::Succession;
use hayauma::cluster::words::{Errand, Told};
use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use wire::terms::time::SteadyMs;

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Chunks of records, of both nodes together.
    pub chunks: u8,
    /// Steps of time behind the first ownership.
    pub steps: u64,
    /// How often a node may want the partition.
    pub takes: u8,
    /// Whether acknowledgements may come twice.
    pub doubled: bool,
    /// States to look at, at most.
    pub states_max: usize,
    /// A deliberate fault.
    pub mutation: NodeMutation,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Whether all that the bounds allow were looked at.
    pub is_whole: bool,
    /// The broken rule and the shortest way to it.
    pub counterexample: Option<(String, Vec<String>)>,
    /// In how many states the other node had opened behind the first.
    pub taken_over: usize,
}

const STEP_MS: u64 = 500;
const TIMES: ClusterTimes = ClusterTimes { lease_ms: 2_500, act_ms: 1_000, settle_ms: 0 };
const PARTITION: u16 = 0;

/// Something on its way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Message {
    Publish {
        from: usize,
        chunk: usize,
    },
    /// An answer, and whether it may come once more.
    Answer {
        to: usize,
        answer: usize,
        again: bool,
    },
    Tail {
        to: usize,
        from: u64,
    },
    Look {
        to: usize,
    },
}

/// Chunks and answers by number, so that states are small: the same one has the same number.
#[derive(Default)]
struct Names {
    chunks: Vec<(u64, ChunkHead, ChunkBody)>,
    answers: Vec<Told>,
}

fn number_of<T: PartialEq>(all: &mut Vec<T>, one: T) -> usize {
    all.iter().position(|known| *known == one).unwrap_or_else(|| {
        all.push(one);
        all.len() - 1
    })
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    now_ms: u64,
    log: Vec<usize>,
    nodes: [Ownership; 2],
    takes: [u8; 2],
    chunks: u8,
    messages: Vec<Message>,
}

impl State {
    fn now(&self) -> SteadyMs {
        SteadyMs::new(self.now_ms)
    }

    fn send(&mut self, message: Message) {
        // A question that nobody has answered is the same when it is asked again.
        let is_question = matches!(message, Message::Tail { .. } | Message::Look { .. });
        let most = if is_question { 1 } else { 2 };
        if self.messages.iter().filter(|known| **known == message).count() < most {
            self.messages.push(message);
            self.messages.sort_unstable();
        }
    }

    /// The newest term in the log.
    fn term(&self, names: &Names) -> u64 {
        let terms = self.log.iter().rposition(|chunk| names.chunks[*chunk].1.term == 0);
        terms.map_or(0, |at| at as u64 + 1)
    }
}

type Reached = Result<State, String>;

/// What leads from one state to the next.
#[derive(Clone, Copy, Debug)]
enum Action {
    Begins,
    Later(u64),
    LooksAtClock(usize),
    TakesOver(usize),
    Publishes(usize),
    LogTakes { from: usize, chunk: usize },
    IsTold { to: usize, answer: usize },
    Reads { to: usize, from: u64, end: u64 },
    SeesEnd { to: usize, end: u64 },
}

impl Action {
    fn words(self, names: &Names) -> String {
        match self {
            Self::Begins => "node 0 owns the partition".to_owned(),
            Self::Later(ms) => format!("it is {ms} ms"),
            Self::LooksAtClock(at) => format!("node {at} looks at its clock"),
            Self::TakesOver(at) => format!("node {at} wants the partition"),
            Self::Publishes(at) => format!("node {at} publishes records"),
            Self::LogTakes { from, chunk } => {
                let (expected, head, _) = names.chunks[chunk];
                format!("the log is given {:?} of node {from}, expecting {expected}", head.kind)
            }
            Self::IsTold { to, answer } => format!("node {to}: {:?}", names.answers[answer]),
            Self::Reads { to, from, end } => format!("node {to} reads from {from} to {end}"),
            Self::SeesEnd { to, end } => format!("node {to} sees the log end at {end}"),
        }
    }
}

/// Goes through every state within the bounds, the nearest first.
pub fn explore(bounds: &Bounds) -> Explored {
    let mut names = Names::default();
    let first = begin(bounds, &mut names);
    let end_ms = first.now_ms + bounds.steps * STEP_MS;
    let mut seen = HashSet::from([fingerprint(&first)]);
    let mut ways = vec![(0, Action::Begins)];
    let mut open = VecDeque::from([(0, first)]);
    let mut taken_over = 0;
    while let Some((way, state)) = open.pop_front() {
        for (action, reached) in successors(&state, bounds, end_ms, &mut names) {
            ways.push((way, action));
            let this = ways.len() - 1;
            let broken = match reached {
                Err(broken) => Some(broken),
                Ok(next) => {
                    let broken = broken_rule(&next, &names);
                    if broken.is_none() && seen.insert(fingerprint(&next)) {
                        taken_over += usize::from(next.term(&names) > 1);
                        open.push_back((this, next));
                    } else if broken.is_none() {
                        ways.pop();
                    }
                    broken
                }
            };
            if let Some(broken) = broken {
                let counterexample = Some((broken, way_to(&ways, this, &names)));
                return Explored {
                    states: seen.len(),
                    is_whole: false,
                    counterexample,
                    taken_over,
                };
            }
        }
        if seen.len() > bounds.states_max {
            let counterexample = None;
            return Explored { states: seen.len(), is_whole: false, counterexample, taken_over };
        }
    }
    Explored { states: seen.len(), is_whole: true, counterexample: None, taken_over }
}

fn fingerprint(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

fn way_to(ways: &[(usize, Action)], mut at: usize, names: &Names) -> Vec<String> {
    let mut way = vec![ways[at].1.words(names)];
    while at != 0 {
        at = ways[at].0;
        way.push(ways[at].1.words(names));
    }
    way.reverse();
    way
}

/// The first node owns the partition, and nothing is under way.
fn begin(bounds: &Bounds, names: &mut Names) -> State {
    let node = |number: usize| {
        let me = Incarnation { node: name(number), life: 1 };
        Ownership::new(me, PARTITION, 1, TIMES).with(bounds.mutation)
    };
    let mut state = State {
        now_ms: 0,
        log: Vec::new(),
        nodes: [node(0), node(1)],
        takes: [bounds.takes, bounds.takes],
        chunks: bounds.chunks,
        messages: Vec::new(),
    };
    let owner = &mut state.nodes[0];
    owner.told(SteadyMs::ZERO, Told::Take);
    owner.told(SteadyMs::ZERO, Told::BidTaken { floor: 1, reached: 0 });
    let now = SteadyMs::new(TIMES.act_ms);
    let opened = owner.told(SteadyMs::ZERO, Told::End(0)).or_else(|| owner.tick(now));
    let Some(Errand::Publish(flight)) = opened else {
        unreachable!("an empty log whose end stood still is opened: {opened:?}")
    };
    state.log.push(number_of(&mut names.chunks, (0, flight.head, flight.body)));
    owner.told(now, Told::Acknowledged { expected: 0, sequence: 1 });
    state.now_ms = TIMES.act_ms;
    state
}

/// A rule that does not hold here.
fn broken_rule(state: &State, names: &Names) -> Option<String> {
    let term = state.term(names);
    for (at, node) in state.nodes.iter().enumerate() {
        if let PartitionStanding::Owned(own) = node.standing()
            && node.may_act(state.now())
            && own < term
        {
            return Some(format!("node {at} may act with term {own} behind term {term}"));
        }
    }
    None
}

fn successors(
    state: &State,
    bounds: &Bounds,
    end_ms: u64,
    names: &mut Names,
) -> Vec<(Action, Reached)> {
    let mut next = Vec::new();
    if state.now_ms < end_ms {
        let mut later = state.clone();
        later.now_ms += STEP_MS;
        next.push((Action::Later(later.now_ms), Ok(later)));
    }
    for at in 0..2 {
        let mut ticked = state.clone();
        let errand = ticked.nodes[at].tick(state.now());
        if ticked.nodes[at] != state.nodes[at] || errand.is_some() {
            let reached = carry(ticked, at, errand, names);
            next.push((Action::LooksAtClock(at), reached));
        }
        if state.takes[at] > 0 && state.nodes[at].standing() == PartitionStanding::Elsewhere {
            let mut taking = state.clone();
            taking.takes[at] -= 1;
            taking.nodes[at].told(state.now(), Told::Take);
            let bid_taken = Told::BidTaken { floor: 1, reached: 0 };
            let errand = taking.nodes[at].told(state.now(), bid_taken);
            next.push((Action::TakesOver(at), carry(taking, at, errand, names)));
        }
        if state.chunks > 0 && state.nodes[at].has_room() {
            let mut offering = state.clone();
            offering.chunks -= 1;
            let record = offering.nodes[at].next_record() + 1;
            let errand = offering.nodes[at].offer(state.now(), b"a record", record);
            next.push((Action::Publishes(at), carry(offering, at, errand, names)));
        }
    }
    for index in 0..state.messages.len() {
        // Of equal messages one is enough.
        if index > 0 && state.messages[index] == state.messages[index - 1] {
            continue;
        }
        deliver(state, index, bounds, names, &mut next);
    }
    next
}

/// Delivers one message in every way in which it can be.
fn deliver(
    state: &State,
    index: usize,
    bounds: &Bounds,
    names: &mut Names,
    next: &mut Vec<(Action, Reached)>,
) {
    let mut without = state.clone();
    let message = without.messages.remove(index);
    match message {
        Message::Publish { from, chunk } => {
            let reached = store(without, from, chunk, bounds, names);
            next.push((Action::LogTakes { from, chunk }, reached));
        }
        Message::Answer { to, answer, again } => {
            let told = names.answers[answer];
            if again {
                without.send(Message::Answer { to, answer, again: false });
            }
            let errand = without.nodes[to].told(state.now(), told);
            next.push((Action::IsTold { to, answer }, carry(without, to, errand, names)));
        }
        Message::Look { to } => {
            for end in state.nodes[to].read_up_to()..=state.log.len() as u64 {
                let mut looking = without.clone();
                let errand = looking.nodes[to].told(state.now(), Told::End(end));
                next.push((Action::SeesEnd { to, end }, carry(looking, to, errand, names)));
            }
        }
        Message::Tail { to, from } => {
            for end in from - 1..=state.log.len() as u64 {
                let reached = read(without.clone(), to, from, end, names);
                next.push((Action::Reads { to, from, end }, reached));
            }
        }
    }
}

/// The log takes or refuses a chunk.
fn store(
    mut state: State,
    from: usize,
    chunk: usize,
    bounds: &Bounds,
    names: &mut Names,
) -> Reached {
    let (expected, head, body) = names.chunks[chunk];
    let last = state.log.len() as u64;
    let is_free = bounds.mutation == NodeMutation::NoExpectation;
    let told = if last == expected || is_free {
        let mut reader = Succession::from_floor(1);
        for (at, stored) in state.log.iter().enumerate() {
            let (_, head, body) = names.chunks[*stored];
            reader.take(at as u64 + 1, head, &body).map_err(|found| found.to_string())?;
        }
        reader.take(last + 1, head, &body).map_err(|found| found.to_string())?;
        state.log.push(chunk);
        Told::Acknowledged { expected, sequence: last + 1 }
    } else {
        Told::Refused { expected }
    };
    let answer = number_of(&mut names.answers, told);
    state.send(Message::Answer { to: from, answer, again: bounds.doubled });
    Ok(state)
}

/// A node reads from a replica that knows the log as far as `end`.
fn read(mut state: State, to: usize, from: u64, end: u64, names: &mut Names) -> Reached {
    for sequence in from..=end {
        let (_, head, body) = names.chunks[state.log[sequence as usize - 1]];
        let errand = state.nodes[to].told(state.now(), Told::Chunk(sequence, head, body));
        state = carry(state, to, errand, names)?;
    }
    let errand = state.nodes[to].told(state.now(), Told::End(end));
    carry(state, to, errand, names)
}

/// Carries a node's errand out.
fn carry(mut state: State, at: usize, errand: Option<Errand>, names: &mut Names) -> Reached {
    let Some(errand) = errand else { return Ok(state) };
    match errand {
        Errand::Bid | Errand::Given(_) | Errand::Lost { .. } | Errand::GiveUp => {}
        Errand::Replay(from) => state.send(Message::Tail { to: at, from }),
        Errand::LookAtEnd => state.send(Message::Look { to: at }),
        Errand::Publish(flight) | Errand::PublishAgain(flight) => {
            let chunk = number_of(&mut names.chunks, (flight.expected, flight.head, flight.body));
            state.send(Message::Publish { from: at, chunk });
        }
        Errand::Ask(sequence) => {
            let stored = state.log.get(sequence as usize - 1);
            let behind = match stored.map(|chunk| names.chunks[*chunk]) {
                Some((_, head, body)) => Behind::Chunk(head, body),
                None => Behind::Nothing { end: state.log.len() as u64 },
            };
            let answer = number_of(&mut names.answers, Told::Found(sequence, behind));
            state.send(Message::Answer { to: at, answer, again: false });
        }
        Errand::Own { term, .. } => is_own(&state, at, term, 0, names)?,
        Errand::Release { sequence, .. } => {
            let PartitionStanding::Owned(term) = state.nodes[at].standing() else {
                return Ok(state);
            };
            is_own(&state, at, sequence, term, names)?;
        }
        Errand::Stop(found) => return Err(format!("node {at} stops: {found}")),
    }
    Ok(state)
}

/// Whether the chunk at this sequence is one of this term, and none of a later term stands in front
/// of it.
fn is_own(state: &State, at: usize, sequence: u64, term: u64, names: &Names) -> Result<(), String> {
    let stored = state.log.get(sequence as usize - 1).map(|chunk| names.chunks[*chunk].1);
    if stored.is_some_and(|head| head.term == term) {
        return Ok(());
    }
    Err(format!("node {at} is told that sequence {sequence} is its own of term {term}: {stored:?}"))
}
