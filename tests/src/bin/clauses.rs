//! `clauses`: the rules of the standards and of the push interface, with the code and the tests
//! that cite them.
//!
//! `cargo run -p tests --bin clauses` prints them all; its exit status is 1 where list, code and
//! tests disagree.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use tests::clauses;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let report = match clauses::read(&root) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    // Whoever reads the first lines and goes away has what it wanted.
    let _ = write!(std::io::stdout().lock(), "{report}");
    let faults = report.faults();
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
