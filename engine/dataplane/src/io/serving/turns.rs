//! Binds that wait for their passwords to be checked, each source in its turn: a check takes tens
//! of milliseconds, and whoever asks for many waits for them itself.
//!
//! Sources of one repute take turns with those of another, in each of these its nets, and in a net
//! its sources. So who has bound before waits for a few checks at most, however many strangers ask.
//! Where too many wait, those of the worst repute lose one: of the net that has most, and in it of
//! the source, the last that came, of which nothing is told. A question whose session is gone is
//! dropped when its turn comes.

use super::question::Question;
use super::repute::Repute;
use super::source::Source;
use crate::io::limits::BINDS_ASKED_MAX;
use std::collections::{HashMap, VecDeque};

/// A queue of questions.
trait Line: Default {
    /// One more, in the queue at the end of this path of queues within queues.
    fn put(&mut self, question: Question, path: &[u64]);
    /// Takes out the one whose turn it is.
    fn next(&mut self) -> Option<Question>;
    /// Takes out the last of whoever has most.
    fn drop_last(&mut self) -> Option<Question>;
    fn len(&self) -> usize;
}

impl Line for VecDeque<Question> {
    fn put(&mut self, question: Question, _path: &[u64]) {
        self.push_back(question);
    }

    fn next(&mut self) -> Option<Question> {
        self.pop_front()
    }

    fn drop_last(&mut self) -> Option<Question> {
        self.pop_back()
    }

    fn len(&self) -> usize {
        Self::len(self)
    }
}

/// Queues by number that are served in turn; none of them is empty.
struct Turns<L> {
    lines: HashMap<u64, L>,
    order: VecDeque<u64>,
    len: usize,
}

impl<L> Default for Turns<L> {
    fn default() -> Self {
        Self { lines: HashMap::new(), order: VecDeque::new(), len: 0 }
    }
}

impl<L: Line> Line for Turns<L> {
    fn put(&mut self, question: Question, path: &[u64]) {
        let Some((&number, path)) = path.split_first() else {
            unreachable!("a path is as long as queues are deep")
        };
        let Self { lines, order, len } = self;
        let line = lines.entry(number).or_insert_with(|| {
            order.push_back(number);
            L::default()
        });
        line.put(question, path);
        *len += 1;
    }

    fn next(&mut self) -> Option<Question> {
        let number = self.order.pop_front()?;
        let line = self.lines.get_mut(&number)?;
        let question = line.next()?;
        self.len -= 1;
        match line.len() {
            0 => drop(self.lines.remove(&number)),
            _ => self.order.push_back(number),
        }
        Some(question)
    }

    fn drop_last(&mut self) -> Option<Question> {
        let (&number, _) = self.lines.iter().max_by_key(|(_, line)| line.len())?;
        let line = self.lines.get_mut(&number)?;
        let question = line.drop_last()?;
        self.len -= 1;
        if line.len() == 0 {
            self.lines.remove(&number);
            self.order.retain(|&other| other != number);
        }
        Some(question)
    }

    fn len(&self) -> usize {
        self.len
    }
}

/// All that wait, at most [`BINDS_ASKED_MAX`].
#[derive(Default)]
pub(super) struct Waiting {
    /// By the reputes of their sources, the worst first.
    nets: [Turns<Turns<VecDeque<Question>>>; Repute::ALL.len()],
    /// Which of these comes next.
    turn: usize,
}

impl Waiting {
    /// How many.
    pub(super) fn len(&self) -> usize {
        self.nets.iter().map(Line::len).sum()
    }

    /// One waits from now on, and another no longer where that is one too many. Those of whom
    /// nobody knows where they come from share a turn.
    pub(super) fn put(&mut self, question: Question, repute: Repute) {
        let source = question.source.map(Source::of);
        let (net, number) = source.map_or((0, 0), |source| (source.net(), source.number()));
        self.nets[repute as usize].put(question, &[net, number]);
        if self.len() > BINDS_ASKED_MAX {
            self.nets.iter_mut().find_map(Line::drop_last);
        }
    }

    /// Whose turn it is, of those that somebody still waits for.
    pub(super) fn next(&mut self) -> Option<Question> {
        for _ in 0..self.nets.len() {
            let line = &mut self.nets[self.turn];
            self.turn = (self.turn + 1) % Repute::ALL.len();
            // No more than wait at all.
            while let Some(question) = line.next() {
                if question.is_asked() {
                    return Some(question);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::serving::question::{Asker, Password};

    fn put_of(waiting: &mut Waiting, session: u32, source: &str, repute: Repute) -> Asker {
        let asker = Asker::new();
        let question = Question {
            shard: 0,
            session: (session, 0),
            source: Some(source.parse().expect("an address")),
            digests: Vec::new(),
            password: Password::new(b"secret08").expect("short enough"),
            asker: asker.seen(),
        };
        waiting.put(question, repute);
        asker
    }

    fn put(waiting: &mut Waiting, session: u32, source: &str) -> Asker {
        put_of(waiting, session, source, Repute::New)
    }

    fn turns(waiting: &mut Waiting) -> Vec<u32> {
        std::iter::from_fn(|| waiting.next()).map(|question| question.session.0).collect()
    }

    fn is_empty(waiting: &Waiting) -> bool {
        waiting.len() == 0
            && waiting.nets.iter().all(|nets| nets.lines.is_empty() && nets.order.is_empty())
    }

    #[test]
    fn of_too_many_the_net_that_has_most_loses_one_and_nobody_else() {
        let mut waiting = Waiting::default();
        let mut askers = vec![put(&mut waiting, 0, "192.0.2.1")];
        let strangers = (1..).take(2 * BINDS_ASKED_MAX);
        askers.extend(
            strangers.map(|number| put(&mut waiting, number, &format!("2001:db8:0:{number:x}::"))),
        );
        askers.push(put(&mut waiting, 9_000, "198.51.100.1"));
        assert_eq!(waiting.len(), BINDS_ASKED_MAX);
        let turns = turns(&mut waiting);
        assert_eq!((turns[0], turns[2]), (0, 9_000), "each net has its turn");
        assert_eq!((turns.len(), is_empty(&waiting)), (BINDS_ASKED_MAX, true));
    }

    #[test]
    fn whoever_asks_for_many_waits_for_them_itself() {
        let mut waiting = Waiting::default();
        let mut asks = |session: u32, source: &str| put(&mut waiting, session, source);
        // A host of IPv6 with sources without end, another that asks twice, and a customer.
        let hosts = (0..100).map(|number| (number, format!("2001:db8:0:{number:x}::1")));
        let mut askers: Vec<Asker> = hosts.map(|(number, host)| asks(number, &host)).collect();
        askers.extend((100..102).map(|number| asks(number, "192.0.2.1")));
        askers.push(asks(102, "192.0.2.2"));
        askers.push(asks(103, "198.51.100.1"));
        assert_eq!(waiting.len(), 104);
        let turns = turns(&mut waiting);
        assert_eq!(turns[..7], [0, 100, 103, 1, 102, 2, 101]);
        assert_eq!((turns.len(), is_empty(&waiting)), (104, true));
        assert!(turns[7..].is_sorted());
    }

    #[test]
    fn who_has_bound_from_there_before_waits_for_few_of_the_strangers_and_is_never_dropped() {
        let mut waiting = Waiting::default();
        // Each stranger has a net of its own.
        let stranger = |waiting: &mut Waiting, number: u32| {
            put(waiting, number, &format!("2001:{:x}:{:x}::", number >> 16, number & 0xFFFF))
        };
        let mut askers: Vec<Asker> =
            (0..100).map(|number| stranger(&mut waiting, number)).collect();
        // The net that has most of all is a customer's.
        askers
            .extend((0..9).map(|at| put_of(&mut waiting, 9_000 + at, "192.0.2.1", Repute::Bound)));
        askers.extend(
            (100..BINDS_ASKED_MAX as u32 + 500).map(|number| stranger(&mut waiting, number)),
        );
        assert_eq!(waiting.len(), BINDS_ASKED_MAX);
        let turns = turns(&mut waiting);
        let at = |session: u32| turns.iter().position(|&turn| turn == session);
        assert!(at(9_000).is_some_and(|at| at < 4), "{:?}", &turns[..8]);
        assert!(at(9_008).is_some_and(|at| at < 9 * 4), "{:?}", &turns[..40]);
    }

    #[test]
    fn a_session_that_is_gone_takes_its_question_along() {
        let mut waiting = Waiting::default();
        let gone: Vec<Asker> = (0..BINDS_ASKED_MAX as u32 - 1)
            .map(|number| put(&mut waiting, number, &format!("2001:db8:{number:x}::")))
            .collect();
        let _asker = put(&mut waiting, 9_000, "192.0.2.1");
        drop(gone);
        assert_eq!(turns(&mut waiting), [9_000]);
        assert!(is_empty(&waiting));
    }
}
