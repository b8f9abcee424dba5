//! Binds that wait for their passwords to be checked, each source in its turn: a check takes tens
//! of milliseconds, and whoever asks for many waits for them itself.
//!
//! Nets take turns, and in a net its sources. Where too many wait, the net that has most loses one,
//! and in it the source: the last that came, of which nothing is told.

use super::question::Question;
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
    nets: Turns<Turns<VecDeque<Question>>>,
}

impl Waiting {
    /// How many.
    pub(super) fn len(&self) -> usize {
        self.nets.len()
    }

    /// One waits from now on, and another no longer where that is one too many. Those of whom
    /// nobody knows where they come from share a turn.
    pub(super) fn put(&mut self, question: Question) {
        let source = question.source.map(Source::of);
        let (net, number) = source.map_or((0, 0), |source| (source.net(), source.number()));
        self.nets.put(question, &[net, number]);
        if self.len() > BINDS_ASKED_MAX {
            self.nets.drop_last();
        }
    }

    /// Whose turn it is.
    pub(super) fn next(&mut self) -> Option<Question> {
        self.nets.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::serving::question::Password;

    fn put(waiting: &mut Waiting, session: u32, source: &str) {
        waiting.put(Question {
            shard: 0,
            session: (session, 0),
            source: Some(source.parse().expect("an address")),
            digests: Vec::new(),
            password: Password::new(b"secret08").expect("short enough"),
        });
    }

    #[test]
    fn of_too_many_the_net_that_has_most_loses_one_and_nobody_else() {
        let mut waiting = Waiting::default();
        put(&mut waiting, 0, "192.0.2.1");
        let strangers = (1..).take(2 * BINDS_ASKED_MAX);
        strangers.for_each(|number| put(&mut waiting, number, &format!("2001:db8:0:{number:x}::")));
        put(&mut waiting, 9_000, "198.51.100.1");
        assert_eq!(waiting.len(), BINDS_ASKED_MAX);
        let turns: Vec<u32> =
            std::iter::from_fn(|| waiting.next()).map(|question| question.session.0).collect();
        assert_eq!((turns[0], turns[2]), (0, 9_000), "each net has its turn");
        assert_eq!((turns.len(), waiting.len()), (BINDS_ASKED_MAX, 0));
        assert!(waiting.nets.lines.is_empty() && waiting.nets.order.is_empty());
    }

    #[test]
    fn whoever_asks_for_many_waits_for_them_itself() {
        let mut waiting = Waiting::default();
        let mut asks = |session: u32, source: &str| put(&mut waiting, session, source);
        // A host of IPv6 with sources without end, another that asks twice, and a customer.
        (0..100).for_each(|number| asks(number, &format!("2001:db8:0:{number:x}::1")));
        (100..102).for_each(|number| asks(number, "192.0.2.1"));
        asks(102, "192.0.2.2");
        asks(103, "198.51.100.1");
        assert_eq!(waiting.len(), 104);
        let turns: Vec<u32> =
            std::iter::from_fn(|| waiting.next()).map(|question| question.session.0).collect();
        assert_eq!(turns[..7], [0, 100, 103, 1, 102, 2, 101]);
        assert_eq!((turns.len(), waiting.len()), (104, 0));
        assert!(turns[7..].is_sorted() && waiting.nets.lines.is_empty());
    }
}
