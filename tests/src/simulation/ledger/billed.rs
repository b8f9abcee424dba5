//! The rules of the books.

use super::{Checked, EntryIndex, Ledger, rule};
use hayauma::billing::{Event, EventKind};

impl Ledger {
    /// The push's acceptance is entered in the books.
    pub(in crate::simulation) fn accepted_billed(&mut self, index: EntryIndex) -> Checked {
        let incarnation = self.incarnation;
        rule!(
            (index as usize) < self.entries.len(),
            "the acceptance of a push that nobody made up is billed"
        );
        let entry = self.entry(index);
        let before = entry.billed_accepted.replace(incarnation);
        rule!(
            before.is_none(),
            "the acceptance of push {index} is billed twice, first in life {before:?}"
        );
        Ok(())
    }

    /// The push's end is entered in the books.
    pub(in crate::simulation) fn end_billed(
        &mut self,
        index: EntryIndex,
        event: &Event,
    ) -> Checked {
        let incarnation = self.incarnation;
        rule!(
            (index as usize) < self.entries.len(),
            "the end of a push that nobody made up is billed"
        );
        let entry = self.entry(index);
        rule!(
            entry.billed_accepted.is_some(),
            "the end of push {index} is billed before its acceptance"
        );
        let end = entry.end;
        rule!(
            end.is_some_and(
                |end| end.code.number() == event.code && end.state.number() == event.state
            ),
            "the end of push {index} is billed as {event:?}: {end:?}"
        );
        let before = entry.billed_end.replace(incarnation);
        rule!(
            before.is_none(),
            "the end of push {index} is billed twice, first in life {before:?}"
        );
        Ok(())
    }

    /// An event was not on the device when power was lost.
    pub(in crate::simulation) fn event_lost(&mut self, index: EntryIndex, event: &Event) {
        let entry = self.entry(index);
        match event.kind {
            EventKind::Accepted => entry.billed_accepted = None,
            EventKind::Final => entry.billed_end = None,
            EventKind::Rejected
            | EventKind::Replayed
            | EventKind::AcceptedMany
            | EventKind::FinalMany => {}
        }
    }
}
