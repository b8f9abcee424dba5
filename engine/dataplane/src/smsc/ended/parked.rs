//! What was given up, after a day or for want of a place, and is kept for the operator.

use super::EndedPush;
use crate::smsc::shares::Shares;
use std::collections::BTreeMap;

/// The pushes of which something is parked and nothing due, by their numbers.
#[derive(Default)]
pub(in crate::smsc) struct Parked {
    pushes: BTreeMap<u64, EndedPush>,
    shares: Shares,
}

impl Parked {
    pub(in crate::smsc) fn len(&self) -> usize {
        self.pushes.len()
    }

    pub(in crate::smsc) fn find(&self, push_id: u64) -> Option<&EndedPush> {
        self.pushes.get(&push_id)
    }

    pub(in crate::smsc) fn find_mut(&mut self, push_id: u64) -> Option<&mut EndedPush> {
        self.pushes.get_mut(&push_id)
    }

    /// Those from this number on, oldest first.
    pub(in crate::smsc) fn from(&self, push_id: u64) -> impl Iterator<Item = &EndedPush> + '_ {
        self.pushes.range(push_id..).map(|(_, push)| push)
    }

    pub(in crate::smsc) fn insert(&mut self, push: EndedPush) {
        self.shares.add(push.client);
        let before = self.pushes.insert(push.push_id, push);
        assert!(before.is_none(), "a push is parked once");
    }

    pub(in crate::smsc) fn remove(&mut self, push_id: u64) -> Option<EndedPush> {
        let push = self.pushes.remove(&push_id)?;
        self.shares.take(push.client);
        Some(push)
    }

    /// Whether this client has most of what is parked, or more than half as much.
    pub(in crate::smsc) fn are_mostly_of(&self, client: u16) -> bool {
        self.shares.gives_up(client) == Some(client)
    }
}
