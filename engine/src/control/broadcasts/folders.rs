//! The folders of lists and of broadcasts in a data directory.

/// Lists, a folder each.
pub(super) const LISTS: &str = "lists";
/// Broadcasts, a folder each.
pub(super) const BROADCASTS: &str = "broadcasts";
