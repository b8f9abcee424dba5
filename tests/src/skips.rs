//! Tests that this host lacks something for: each says what, and stands in the list of whoever
//! asked for one. A test that checked nothing is not one that passed.

use std::fs::OpenOptions;
use std::io::Write as _;

/// The file that each skipped test has a line in, where this is set.
const LIST: &str = "HAYAUMA_TEST_SKIPS";

/// The test that runs here checks nothing, or less than it could, for this reason.
///
/// # Panics
/// When the list takes no line.
pub fn skip(reason: impl std::fmt::Display) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    println!("skipped: {test}: {reason}");
    let Some(path) = std::env::var_os(LIST) else { return };
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("a list");
    // In one piece: others append too.
    file.write_all(format!("{test}: {reason}\n").as_bytes()).expect("room in the list");
}
