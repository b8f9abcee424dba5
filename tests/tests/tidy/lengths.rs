//! Files have at most 600 lines: a longer one is about more than one thing.

use tests::house::{Source, sources};

const LINES_MAX: usize = 600;
const FOLDERS: [&str; 5] = ["engine", "loadgen", "bench", "tests", "examples"];

/// The places of files that are too long.
fn long(sources: &[Source]) -> Vec<&str> {
    let is_long = |source: &&Source| source.text.lines().count() > LINES_MAX;
    sources.iter().filter(is_long).map(|source| source.place.as_str()).collect()
}

#[test]
fn no_file_has_more_than_six_hundred_lines() {
    assert_eq!(long(&sources(&FOLDERS)), [""; 0]);
}

#[test]
fn a_long_file_is_seen_and_one_that_fits_is_not() {
    let of = |place: &str, lines: usize| Source::of(place, &"\n".repeat(lines));
    let sources = [of("engine/src/cli/a.rs", LINES_MAX + 1), of("engine/src/cli/b.rs", LINES_MAX)];
    assert_eq!(long(&sources), ["engine/src/cli/a.rs"]);
}
