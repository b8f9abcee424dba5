//! `clauses`: the rules of the standards and of the push interface, with the code and the tests
//! that cite them.
//!
//! `cargo run -p tests --bin clauses` prints them all, `… -- TEXT` those with that text in their id
//! or sentence; its exit status is 1 where list, code and tests disagree, or nothing has the text.

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
    let text = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    let shown = if text.is_empty() { report.clone() } else { report.about(&text) };
    if shown.rules().is_empty() {
        eprintln!("no rule has \"{text}\" in its id or sentence: try fewer words");
        return ExitCode::FAILURE;
    }
    // Whoever reads the first lines and goes away has what it wanted.
    let _ = write!(std::io::stdout().lock(), "{shown}");
    let faults = report.faults();
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
