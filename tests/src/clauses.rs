//! Which rules of the standards and of the interface stand in the code, and which tests show them.
//!
//! `docs/clauses.md` lists the rules. A comment line `//= ID` cites one, at the code that obeys it
//! or at the test that shows it. What a comment names in passing, as this code always did, cites a
//! rule too where the list has the clause as a whole: the number behind "TS 23.040" or "TS 23.038",
//! or a number that only one of the two has.
//!
//! **Never here:** a directory's name that decides what is code: only `tests` in a path does, and
//! `#[cfg(test)]`. Files may move.

mod list;
mod mentions;
mod report;
mod sources;

pub use list::{Kept, List, Rule};
pub use mentions::mentions;
pub use report::Report;
pub use sources::{Citation, Use, citations, sources};

use std::fs;
use std::path::Path;

/// The list, below the root of the workspace.
pub const LIST: &str = "docs/clauses.md";

/// Reads the list and every source of the workspace at `root`.
///
/// # Errors
/// One sentence: a file that cannot be read.
pub fn read(root: &Path) -> Result<Report, String> {
    let named = |path: &Path, error| format!("{}: {error}", path.display());
    let text = |path: &Path| fs::read_to_string(path).map_err(|error| named(path, error));
    let list = List::parse(&text(&root.join(LIST))?);
    let mut cited = Vec::new();
    for path in sources(root)? {
        let place = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        cited.extend(citations(&place, &text(&path)?));
    }
    Ok(Report::of(list, cited))
}
