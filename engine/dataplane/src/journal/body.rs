//! Writing records: straight into the place where they are to lie, without allocating.

use rkyv::api::low;
use rkyv::rancor::Failure;
use rkyv::ser::allocator::SubAllocator;
use rkyv::ser::writer::Buffer;

use super::frame::RecordKind;
use super::note::{ArchivedBroadcastNote, BroadcastNoteBody};
use super::record::{
    AcceptedBody, ArchivedAccepted, ArchivedCancelAccepted, ArchivedCleaned, ArchivedEnded,
    ArchivedHanded, ArchivedHeld, ArchivedKey, ArchivedNotified, ArchivedOpened, ArchivedProgress,
    CancelAccepted, Cleaned, Ended, HandedBody, Held, Key, Notified, Opened, Progress,
};

/// A record that can be written: its kind and an upper bound of its body's octets.
pub(super) trait Body {
    const KIND: RecordKind;
    fn body_octets_max(&self) -> usize;
    /// Writes the body at the start of `target`, which has room for `body_octets_max`; returns its
    /// octets.
    fn write(&self, target: &mut [u8]) -> usize;
}

macro_rules! fixed_bodies {
    ($($record:ty, $archived:ty, $kind:ident;)*) => {$(
        impl Body for $record {
            const KIND: RecordKind = RecordKind::$kind;
            fn body_octets_max(&self) -> usize {
                size_of::<$archived>()
            }
            fn write(&self, target: &mut [u8]) -> usize {
                let buffer = Buffer::from(target);
                written(low::to_bytes_in_with_alloc::<_, _, Failure>(
                    self,
                    buffer,
                    SubAllocator::empty(),
                ))
            }
        }
    )*};
}

fixed_bodies! {
    Progress, ArchivedProgress, Progress;
    Ended, ArchivedEnded, Ended;
    CancelAccepted, ArchivedCancelAccepted, CancelAccepted;
    Notified, ArchivedNotified, Notified;
    Key, ArchivedKey, Key;
    Opened, ArchivedOpened, Opened;
    Cleaned, ArchivedCleaned, Cleaned;
}

impl Body for Held {
    const KIND: RecordKind = RecordKind::Held;

    fn body_octets_max(&self) -> usize {
        size_of::<ArchivedHeld>()
    }

    fn write(&self, target: &mut [u8]) -> usize {
        written(low::to_bytes_in_with_alloc::<_, _, Failure>(
            &self.body(),
            Buffer::from(target),
            SubAllocator::empty(),
        ))
    }
}

impl Body for AcceptedBody<'_> {
    const KIND: RecordKind = RecordKind::Accepted;

    fn body_octets_max(&self) -> usize {
        // The fixed part follows the borrowed octets at the next multiple of 8.
        size_of::<ArchivedAccepted<'_>>()
            + self.sender.len()
            + self.alert_id.len()
            + self.submits.len()
            + 7
    }

    fn write(&self, target: &mut [u8]) -> usize {
        written(low::to_bytes_in_with_alloc::<_, _, Failure>(
            self,
            Buffer::from(target),
            SubAllocator::empty(),
        ))
    }
}

impl Body for HandedBody<'_> {
    const KIND: RecordKind = RecordKind::Handed;

    fn body_octets_max(&self) -> usize {
        size_of::<ArchivedHanded<'_>>() + self.ids_octets() + 7
    }

    fn write(&self, target: &mut [u8]) -> usize {
        written(low::to_bytes_in_with_alloc::<_, _, Failure>(
            self,
            Buffer::from(target),
            SubAllocator::empty(),
        ))
    }
}

impl Body for BroadcastNoteBody<'_> {
    const KIND: RecordKind = RecordKind::Broadcast;

    fn body_octets_max(&self) -> usize {
        size_of::<ArchivedBroadcastNote<'_>>() + self.noted_octets() + 7
    }

    fn write(&self, target: &mut [u8]) -> usize {
        written(low::to_bytes_in_with_alloc::<_, _, Failure>(
            self,
            Buffer::from(target),
            SubAllocator::empty(),
        ))
    }
}

fn written(outcome: Result<Buffer<'_>, Failure>) -> usize {
    match outcome {
        Ok(buffer) => buffer.len(),
        Err(Failure) => {
            unreachable!("the caller gave room for the largest body this record can have")
        }
    }
}

const _: () =
    assert!(align_of::<ArchivedAccepted<'static>>() <= super::limits::FRAME_ALIGNMENT_OCTETS);
const _: () = {
    use super::frame::frame_octets;
    let progress = frame_octets(size_of::<ArchivedProgress>());
    let held = frame_octets(size_of::<ArchivedHeld>());
    let cancel = frame_octets(size_of::<ArchivedCancelAccepted>());
    let end = frame_octets(size_of::<ArchivedEnded>());
    let notified = frame_octets(size_of::<ArchivedNotified>());
    let needed = progress + held + cancel + end + 2 * notified;
    assert!(
        needed <= super::limits::RESERVE_OCTETS_PER_PUSH as usize,
        "the reserve must take all that a push may need until it has left"
    );
    let handed = frame_octets(size_of::<ArchivedHanded<'static>>() + 7);
    assert!(
        handed <= super::limits::HANDING_OCTETS_PER_PUSH as usize,
        "the reserve of a push that carriers may take has room for a record without ids"
    );
    assert!(
        super::limits::HANDED_ID_OCTETS_MAX + handed
            <= super::limits::HANDING_OCTETS_PER_SEGMENT as usize,
        "and for one of each segment"
    );
    assert!(
        held == super::limits::HELD_FRAME_OCTETS as usize,
        "what a hold draws from the reserve is a frame"
    );
};
