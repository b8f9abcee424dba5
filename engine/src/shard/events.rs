//! The billing events of a push: made from its records, the same whether the push lives or is read again.

use crate::billing::{Event, EventKind};
use crate::journal::{ArchivedAccepted, ArchivedEnded};
use crate::smsc::pushes::Push;

/// The billing event of an acceptance.
pub fn accepted_event(accepted: &ArchivedAccepted<'_>, shard: u16) -> Event {
    Event {
        kind: EventKind::Accepted,
        push_id: accepted.push_id.to_native(),
        at_ms: accepted.accepted_ms.to_native(),
        accepted_ms: accepted.accepted_ms.to_native(),
        msn: accepted.msn.to_native(),
        xpid: accepted.xpid.to_native(),
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
pub fn final_event(push: &Push, accepted: &ArchivedAccepted<'_>, ended_ms: u64, shard: u16) -> Event {
    Event {
        kind: EventKind::Final,
        state: push.state.number(),
        at_ms: ended_ms,
        code: push.code.number(),
        delivered: push.delivered(),
        withdrawn: push.withdrawn(),
        domain: push.domain(),
        ..accepted_event(accepted, shard)
    }
}

/// The billing event of a final state that the journal tells.
pub fn ended_event(ended: &ArchivedEnded, shard: u16) -> Event {
    Event {
        kind: EventKind::Final,
        push_id: ended.push_id.to_native(),
        at_ms: ended.ended_ms.to_native(),
        accepted_ms: ended.accepted_ms.to_native(),
        msn: ended.msn.to_native(),
        xpid: ended.xpid.to_native(),
        code: ended.code.to_native(),
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
