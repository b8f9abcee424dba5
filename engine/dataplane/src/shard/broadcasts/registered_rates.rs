//! What a registration's broadcasts may send together in a second, dealt to them by their weights.
//!
//! **Never here:** how much that is: the registration's meter says it. **Invariants:** no more is
//! dealt than the meter gave, none gets more than it wanted, and what one does not want the others
//! have. What rounding keeps from one now is owed to it in the next turn.

use super::Part;
use crate::gateway::registry::Registry;
use wire::terms::ids::Class;
use wire::terms::time::SteadyMs;

/// A row, in the millionths that are owed.
const ROW: i64 = 1_000_000;

/// One of the broadcasts that are dealt to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    weight: u16,
    wanted: u32,
    /// Millionths of a row that rounding kept from it so far, or gave it too much.
    owed: i64,
    given: u32,
    /// It has all that it wants.
    is_served: bool,
}

impl Want {
    fn new(weight: u16, wanted: u32, owed: i64) -> Self {
        Self { weight, wanted, owed, given: 0, is_served: false }
    }

    fn weight(&self) -> i64 {
        i64::from(self.weight.max(1))
    }

    /// Its share of so many rows, in millionths of one, among some of these weights together.
    fn share(&self, rows: u32, weights: i64) -> i64 {
        i64::from(rows) * ROW * self.weight() / weights
    }

    fn take(&mut self, rows: u32) {
        self.given += rows;
        self.owed -= i64::from(rows) * ROW;
    }
}

/// Deals so many rows, which are at most what all want together.
fn deal(rows: u32, wants: &mut [Want]) {
    let (mut left, mut weights) = (rows, wants.iter().map(Want::weight).sum::<i64>());
    // Who wants no more than its share has that, and saves nothing up. What it leaves is shared by
    // the others, of whom some may have enough then.
    loop {
        let (rest, among) = (left, weights);
        for want in wants.iter_mut().filter(|want| !want.is_served) {
            if i64::from(want.wanted) * ROW <= want.share(rest, among) {
                (want.given, want.owed, want.is_served) = (want.wanted, want.owed.min(0), true);
                (left, weights) = (left - want.wanted, weights - want.weight());
            }
        }
        if weights == among {
            break;
        }
    }
    let rest = left;
    for want in wants.iter_mut().filter(|want| !want.is_served) {
        want.owed += want.share(rest, weights);
        let share = u32::try_from(want.owed / ROW).unwrap_or(0);
        let given = share.min(want.wanted).min(left);
        want.take(given);
        left -= given;
    }
    // What rounding leaves is less than a row or two for each.
    while left > 0 {
        let wanting = wants.iter_mut().filter(|want| want.given < want.wanted);
        let Some(want) = wanting.max_by_key(|want| want.owed) else { break };
        want.take(1);
        left -= 1;
    }
    wants.iter_mut().for_each(|want| want.owed = want.owed.clamp(-ROW, ROW));
    assert!(wants.iter().map(|want| want.given).sum::<u32>() <= rows, "no more than there is");
    assert!(wants.iter().all(|want| want.given <= want.wanted), "no more than is wanted");
}

/// Takes what the broadcasts of a class want from the meters of their registrations; what these do
/// not give goes back to each broadcast's own pace.
pub(super) fn take(
    (parts, wants): (&mut [Part], &mut Vec<Want>),
    registry: &Registry,
    class: Class,
    steady: SteadyMs,
) {
    for first in 0..parts.len() {
        let xpid = parts[first].broadcast.terms.xpid;
        let wants_now = |part: &Part| {
            let terms = &part.broadcast.terms;
            terms.class == class && terms.xpid == xpid && part.tokens > 0 && !part.is_dealt
        };
        let registered = registry.find(xpid);
        let Some(of) = registered.filter(|of| wants_now(&parts[first]) && of.meter.bounds_rows())
        else {
            continue;
        };
        wants.clear();
        let wanting = parts[first..].iter().filter(|part| wants_now(part));
        wants.extend(wanting.map(|part| {
            Want::new(part.broadcast.terms.pace.weight, part.tokens, part.owed_of_rate)
        }));
        let wanted = wants.iter().fold(0u32, |sum, want| sum.saturating_add(want.wanted));
        deal(of.meter.take_rows(steady, wanted), wants);
        let dealt = parts[first..].iter_mut().filter(|part| wants_now(part));
        for (part, want) in dealt.zip(wants.iter()) {
            part.bucket.give_back(part.tokens - want.given);
            part.tokens = want.given;
            part.owed_of_rate = want.owed;
            part.is_dealt = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(of: &[(u16, u32)]) -> Vec<Want> {
        of.iter().map(|&(weight, wanted)| Want::new(weight, wanted, 0)).collect()
    }

    /// What each had after so many turns with so many rows each.
    fn dealt(of: &[(u16, u32)], turns: u32, rows: u32) -> Vec<u32> {
        let mut wants = wants(of);
        let mut had = vec![0; of.len()];
        for _ in 0..turns {
            again(&mut wants);
            deal(rows, &mut wants);
            wants.iter().zip(&mut had).for_each(|(want, had)| *had += want.given);
        }
        had
    }

    /// The same broadcasts want as much as before, in another turn.
    fn again(wants: &mut [Want]) {
        wants.iter_mut().for_each(|want| *want = Want::new(want.weight, want.wanted, want.owed));
    }

    #[test]
    fn rows_that_come_one_at_a_time_are_dealt_by_weight() {
        assert_eq!(dealt(&[(1, 16), (1, 16)], 1_000, 1), [500, 500]);
        assert_eq!(dealt(&[(3, 16), (1, 16)], 1_000, 1), [750, 250]);
        assert_eq!(dealt(&[(1, 16), (1, 16), (1, 16)], 999, 1), [333; 3]);
    }

    #[test]
    fn what_one_does_not_want_the_others_have() {
        assert_eq!(dealt(&[(1, 2), (1, 100)], 100, 10), [200, 800]);
        assert_eq!(dealt(&[(1, 0), (9, 5)], 10, 5), [0, 50]);
        // And it saves nothing up for when it wants more.
        let mut wants = wants(&[(1, 0), (1, 10)]);
        for _ in 0..1_000 {
            deal(10, &mut wants);
            again(&mut wants);
        }
        wants[0].wanted = 10;
        deal(10, &mut wants);
        assert!((4..=6).contains(&wants[0].given), "{wants:?}");
    }

    #[test]
    fn what_one_leaves_is_dealt_to_the_others_by_their_weights() {
        assert_eq!(dealt(&[(10, 1), (1, 100), (1, 100)], 1_000, 10), [1_000, 4_500, 4_500]);
        assert_eq!(dealt(&[(10, 0), (3, 100), (1, 100)], 1_000, 8), [0, 6_000, 2_000]);
        // One has enough of what another leaves, and the third has what is left then.
        assert_eq!(dealt(&[(8, 1), (1, 2), (1, 100)], 100, 10), [100, 200, 700]);
    }

    #[test]
    fn many_are_dealt_at_once_as_well_and_none_is_lost() {
        assert_eq!(dealt(&[(1, 10_000), (1, 10_000)], 10, 10_000), [50_000, 50_000]);
        assert_eq!(dealt(&[(1, 7), (1, 8)], 1, 15), [7, 8]);
        assert_eq!(dealt(&[(1, 7), (1, 8)], 1, 0), [0, 0]);
    }
}
