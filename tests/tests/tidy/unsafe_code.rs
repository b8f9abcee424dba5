//! `unsafe` code stands where ARCHITECTURE.md says, and nowhere else: tests and benches too.

use std::collections::BTreeSet;
use tests::house::{root, sources};

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
fn documented() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map");
    let section = text.split("## Unsafe code\n").nth(1).expect("a section about it");
    let section = section.split("\n## ").next().unwrap_or_default();
    let entries = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    entries.map(str::to_owned).collect()
}

#[test]
fn unsafe_code_stands_in_the_documented_places_only() {
    let found = sources(&["engine", "loadgen", "bench", "tests"]);
    assert!(found.len() > 100, "the sources are there");
    let places = found.into_iter().filter(|source| source.text.lines().any(has_unsafe));
    let places: BTreeSet<String> = places.map(|source| source.place).collect();
    assert_eq!(places, documented(), "where it stands, and where ARCHITECTURE.md says that it does");
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
