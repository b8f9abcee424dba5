//! Binds that wait for their passwords to be checked, each source in its turn: a check takes tens
//! of milliseconds, and whoever asks for many waits for them itself.
//!
//! Nets take turns, and in a net its sources.

use super::question::Question;
use super::source::Source;
use std::collections::{HashMap, VecDeque};

/// A queue of questions.
trait Line: Default {
    fn next(&mut self) -> Option<Question>;
    fn is_empty(&self) -> bool;
}

impl Line for VecDeque<Question> {
    fn next(&mut self) -> Option<Question> {
        self.pop_front()
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

/// Queues by number that are served in turn; none of them is empty.
struct Turns<L> {
    lines: HashMap<u64, L>,
    order: VecDeque<u64>,
}

impl<L> Default for Turns<L> {
    fn default() -> Self {
        Self { lines: HashMap::new(), order: VecDeque::new() }
    }
}

impl<L: Line> Turns<L> {
    /// The queue with this number, into which something goes at once.
    fn line(&mut self, number: u64) -> &mut L {
        self.lines.entry(number).or_insert_with(|| {
            self.order.push_back(number);
            L::default()
        })
    }
}

impl<L: Line> Line for Turns<L> {
    fn next(&mut self) -> Option<Question> {
        let number = self.order.pop_front()?;
        let line = self.lines.get_mut(&number)?;
        let question = line.next();
        match line.is_empty() {
            true => drop(self.lines.remove(&number)),
            false => self.order.push_back(number),
        }
        question
    }

    fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

/// All that wait.
#[derive(Default)]
pub(super) struct Waiting {
    nets: Turns<Turns<VecDeque<Question>>>,
    len: usize,
}

impl Waiting {
    /// How many.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// One waits from now on. Those of whom nobody knows where they come from share a turn.
    pub(super) fn put(&mut self, question: Question) {
        let source = question.source.map(Source::of);
        let (net, number) = source.map_or((0, 0), |source| (source.net(), source.number()));
        self.nets.line(net).line(number).push_back(question);
        self.len += 1;
    }

    /// Whose turn it is.
    pub(super) fn next(&mut self) -> Option<Question> {
        let question = self.nets.next()?;
        self.len -= 1;
        Some(question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::serving::question::Password;

    #[test]
    fn whoever_asks_for_many_waits_for_them_itself() {
        let mut waiting = Waiting::default();
        let mut asks = |session: u32, source: &str| {
            waiting.put(Question {
                shard: 0,
                session: (session, 0),
                source: Some(source.parse().expect("an address")),
                digests: Vec::new(),
                password: Password::new(b"secret08").expect("short enough"),
            });
        };
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
