//! The source itself: `unsafe` code stands where ARCHITECTURE.md says, and nowhere else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether a line of code holds the keyword: not in a comment, not in a text, not as part of a name.
fn has_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let mut texts = code.split('"').step_by(2);
    texts.any(|code| {
        code.split(|character: char| !(character.is_alphanumeric() || character == '_'))
            .any(|word| word == "unsafe")
    })
}

/// The files that ARCHITECTURE.md lists under its heading.
fn documented(root: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the map");
    let section = text.split("## Unsafe code\n").nth(1).expect("a section about it");
    let section = section.split("\n## ").next().unwrap_or_default();
    let entries = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    entries.map(str::to_owned).collect()
}

#[test]
fn unsafe_code_stands_in_the_documented_places_only() {
    let root = root();
    let mut found = Vec::new();
    for room in ["engine/src", "loadgen/src"] {
        sources(&root.join(room), &mut found);
    }
    assert!(found.len() > 100, "the sources are there");
    let mut places = BTreeSet::new();
    for path in found {
        let text = fs::read_to_string(&path).expect("readable");
        if text.lines().any(has_unsafe) {
            let place = path.strip_prefix(&root).expect("below the root");
            places.insert(place.to_string_lossy().into_owned());
        }
    }
    assert_eq!(places, documented(&root), "where it stands, and where ARCHITECTURE.md says that it does");
}

/// Who may hold the streams of `std::io`: their locks are waited for, and a pipe that nobody reads holds its writer.
/// What a process that serves says goes through `hayauma::log`.
const HOLDERS_OF_STREAMS: [&str; 4] = [
    "engine/src/log.rs",
    "engine/src/cli/output.rs",
    "loadgen/src/cli/output.rs",
    // Only asks whether it is a terminal.
    "loadgen/src/console.rs",
];

#[test]
fn nothing_that_serves_writes_to_its_output_itself() {
    let root = root();
    let mut found = Vec::new();
    for room in ["engine/src", "loadgen/src"] {
        sources(&root.join(room), &mut found);
    }
    for path in found {
        let place = path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("readable");
        // Tests may say what they like.
        if place.contains("/tests") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let says = ["io::stdout", "io::stderr", "println!", "eprint!", " print!"]
            .iter()
            .find(|word| code.contains(**word));
        assert!(
            says.is_none() || HOLDERS_OF_STREAMS.contains(&place.as_str()),
            "{place} holds {says:?}: say it by hayauma::log, or print it by cli::output"
        );
    }
}

#[test]
fn the_keyword_is_found_where_it_is_one() {
    for line in ["    unsafe { f() }", "unsafe impl Send for X {}", "let a = \"x\"; unsafe { b }"] {
        assert!(has_unsafe(line), "{line}");
    }
    for line in
        ["// unsafe", "let unsafe_code = 1;", "let a = \"unsafe\";", "#![deny(unsafe_op_in_unsafe_fn)]"]
    {
        assert!(!has_unsafe(line), "{line}");
    }
}
