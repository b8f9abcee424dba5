//! SMS of which a carrier did not say whether it took them: who they were, should an answer or a
//! receipt come all the same.
//!
//! A late answer is known by what the SMS was sent with; a receipt by user_message_reference, which
//! is 16 bits of the push's number, and the phone. What is kept has a bound in number and time.

use crate::network::smpp::awaited::Awaited;
use crate::network::smpp::submit::reference_of;
use std::collections::VecDeque;
use wire::terms::time::SteadyMs;

/// SMS in doubt that are kept.
const DOUBTS_MAX: usize = 2_048;
/// How long: longer than the first two holds of a push in doubt.
const DOUBTS_KEPT_MS: u64 = 300_000;

struct Doubt {
    token: u64,
    since_ms: SteadyMs,
    awaited: Awaited,
}

/// The SMS in doubt of one carrier, the oldest first.
#[derive(Default)]
pub(super) struct Doubts {
    kept: VecDeque<Doubt>,
}

impl Doubts {
    /// This one was sent and not answered.
    pub(super) fn note(&mut self, token: u64, awaited: Awaited, now_ms: SteadyMs) {
        let is_old = |doubt: &Doubt| now_ms >= doubt.since_ms + DOUBTS_KEPT_MS;
        while self.kept.len() >= DOUBTS_MAX || self.kept.front().is_some_and(is_old) {
            self.kept.pop_front();
        }
        self.kept.push_back(Doubt { token, since_ms: now_ms, awaited });
    }

    /// Whose it was that was sent with this token; once.
    pub(super) fn take(&mut self, token: u64) -> Option<Awaited> {
        let at = self.kept.iter().position(|doubt| doubt.token == token)?;
        self.kept.remove(at).map(|doubt| doubt.awaited)
    }

    /// Whose it was that had this reference, and a number of these; once.
    pub(super) fn take_by_reference(
        &mut self,
        reference: u16,
        numbers: [&[u8]; 2],
    ) -> Option<Awaited> {
        let is_its = |doubt: &Doubt| {
            reference_of(doubt.awaited.push_id) == reference && doubt.awaited.is_about(numbers)
        };
        let at = self.kept.iter().position(is_its)?;
        self.kept.remove(at).map(|doubt| doubt.awaited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::port::AttemptToken;
    use wire::terms::ids::Msn;

    #[test]
    fn doubts_are_found_by_token_or_reference_and_number_and_are_bounded() {
        let awaited = |push_id: u64| Awaited {
            token: AttemptToken { partition: 0, push: 1 },
            push_id,
            segment: 0,
            msn: Msn::from_value(9_010_000_000 + push_id).expect("a legal msn"),
            since_ms: SteadyMs::ZERO,
        };
        let mut doubts = Doubts::default();
        doubts.note(70, awaited(7), SteadyMs::ZERO);
        doubts.note(80, awaited(8), SteadyMs::ZERO);
        let phone: [&[u8]; 2] = [b"819010000008", b"Hayauma"];
        assert_eq!(doubts.take_by_reference(7, phone), None, "another phone's");
        assert_eq!(doubts.take_by_reference(8, phone), Some(awaited(8)));
        assert_eq!(doubts.take_by_reference(8, phone), None, "once");
        assert_eq!((doubts.take(70), doubts.take(70)), (Some(awaited(7)), None));
        for number in 0..2 * DOUBTS_MAX as u64 {
            doubts.note(number, awaited(number), SteadyMs::ZERO);
        }
        assert_eq!(doubts.kept.len(), DOUBTS_MAX);
        doubts.note(1, awaited(1), SteadyMs::new(DOUBTS_KEPT_MS));
        assert_eq!(doubts.kept.len(), 1);
    }
}
