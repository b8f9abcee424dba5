//! The billing events of a push: made from its records, the same whether the push lives or is read
//! again.

use crate::billing::{Event, EventKind};
use crate::journal::{Accepted, Ended};
use wire::terms::time::WallMs;

/// The billing event of an acceptance.
pub fn accepted_event(accepted: &Accepted<'_>, shard: u16) -> Event {
    Event {
        kind: EventKind::Accepted,
        push_id: accepted.push_id,
        at_ms: WallMs::new(accepted.accepted_ms),
        accepted_ms: WallMs::new(accepted.accepted_ms),
        msn: accepted.msn,
        xpid: accepted.xpid,
        code: 0,
        class: accepted.class,
        push_kind: accepted.kind,
        state: 0,
        segments: accepted.segments,
        delivered: 0,
        withdrawn: 0,
        domain: 0,
        shard,
        count: 0,
    }
}

/// The billing event of a final state.
pub(super) fn ended_event(ended: &Ended, shard: u16) -> Event {
    Event {
        kind: EventKind::Final,
        push_id: ended.push_id,
        at_ms: WallMs::new(ended.ended_ms),
        accepted_ms: WallMs::new(ended.accepted_ms),
        msn: ended.msn,
        xpid: ended.xpid,
        code: ended.code,
        class: ended.class,
        push_kind: ended.kind,
        state: ended.state,
        segments: ended.segments,
        delivered: ended.delivered,
        withdrawn: ended.withdrawn,
        domain: ended.domain,
        shard,
        count: 0,
    }
}
