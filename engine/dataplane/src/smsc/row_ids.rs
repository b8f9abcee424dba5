//! How rows of broadcasts are told from pushes of their own: by their numbers and places.

use crate::smsc::pushes::Push;

/// Numbers of rows begin here: no sequence of a journal reaches it.
const ROWS_FROM: u64 = 1 << 62;
/// Where rows stand, in the place of their Accepted record.
const ROW_POSITION: u64 = 1 << 63;
/// The number of a row as a push: of the broadcast with this ordinal, below 2^30.
pub fn row_id(ordinal: u32, row: u32) -> u64 {
    assert!(ordinal < 1 << 30, "a broadcast's number has 30 bits");
    ROWS_FROM | u64::from(ordinal) << 32 | u64::from(row)
}

/// Back from [`row_id`]: the broadcast's ordinal and the row's number; `None` where it is no row's.
#[inline]
pub fn row_of(push_id: u64) -> Option<(u32, u32)> {
    let ordinal = (push_id & !ROWS_FROM) >> 32;
    is_row(push_id).then_some((ordinal as u32, push_id as u32))
}

/// Whether a push's number is a row's.
#[inline]
pub fn is_row(push_id: u64) -> bool {
    push_id >= ROWS_FROM
}

/// Where a row stands: the broadcast's ordinal, and the row's place among its shard's.
pub fn row_position(ordinal: u32, place: u32) -> u64 {
    ROW_POSITION | u64::from(ordinal) << 32 | u64::from(place)
}

/// Back from [`row_position`]; `None` where it is that of an Accepted record.
#[inline]
pub fn row_at(position: u64) -> Option<(u32, u32)> {
    let ordinal = (position & !ROW_POSITION) >> 32;
    (position & ROW_POSITION != 0).then_some((ordinal as u32, position as u32))
}

impl Push {
    /// Whether it is a row of a broadcast.
    #[inline]
    pub fn is_row(&self) -> bool {
        is_row(self.push_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_row_stands_is_told_from_where_a_record_lies() {
        assert_eq!(row_at(row_position((1 << 30) - 1, u32::MAX)), Some(((1 << 30) - 1, u32::MAX)));
        assert_eq!(row_at(u64::from(u32::MAX >> 1) << 32 | 5), None);
        assert!(is_row(row_id(0, 0)) && !is_row(ROWS_FROM - 1));
        assert_eq!(row_of(row_id((1 << 30) - 1, 9)), Some(((1 << 30) - 1, 9)));
        assert_eq!(row_of(ROWS_FROM - 1), None);
    }
}
