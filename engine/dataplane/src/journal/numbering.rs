//! Sequence numbers across layouts: the part that names a layout, and what was copied at a
//! re-sharding.

/// Sequences of one layout: 2 to the power of this.
pub const LAYOUT_BITS: u32 = 54;

/// Sequences of one shard of a layout: 2 to the power of this; at half a million records a second
/// they last four years.
pub const SHARD_BITS: u32 = 46;

/// Sequences of the records that were copied when the layout was made: 2 to the power of this.
pub const COPIED_BITS: u32 = 40;

/// Whether the record of this sequence was copied from another layout's journal: its billing event
/// stands in the log of the shard that it came from.
pub fn is_copied(sequence: u64) -> bool {
    sequence >> LAYOUT_BITS > 0 && sequence & ((1 << SHARD_BITS) - 1) < 1 << COPIED_BITS
}

/// The shard that gave a push its number, among those of its layout.
pub fn origin(push_id: u64) -> u8 {
    (push_id >> SHARD_BITS) as u8
}

/// The layout in which a record was numbered, or a push accepted.
pub fn generation(sequence: u64) -> u64 {
    sequence >> LAYOUT_BITS
}
