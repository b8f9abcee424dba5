use super::*;

#[test]
fn a_log_is_cut_behind_the_last_chunk_of_which_nothing_is_needed() {
    let mut reaches = Reaches::default();
    // A term, records up to 20, one without any, records up to 30 and 40.
    for (sequence, next) in [(1, 10), (2, 20), (3, 20), (4, 30), (5, 40)] {
        reaches.note(sequence, next);
    }
    assert_eq!(reaches.cut(9), None);
    assert_eq!(reaches.cut(29), Some(4), "what has records of 20 to 29 stays");
    assert_eq!(reaches.cut(29), None, "that was said");
    assert_eq!(reaches.cut(30), Some(5));
    assert_eq!(reaches.cut(u64::MAX), Some(6));
}

#[test]
fn places_of_a_long_log_are_remembered_within_a_bound_and_never_cut_too_far() {
    let mut reaches = Reaches::default();
    for chunk in 1..=100_000 {
        reaches.note(chunk, chunk * 10);
        assert!(reaches.0.len() <= REACHES_MAX + 1);
    }
    for needed_from in (0..1_000_000).step_by(9_973) {
        if let Some(below) = reaches.cut(needed_from) {
            assert!(
                (below - 1) * 10 <= needed_from,
                "{below} is cut where {needed_from} is needed"
            );
        }
    }
    assert_eq!(reaches.cut(1_000_000), Some(100_001), "the last is always known");
}
