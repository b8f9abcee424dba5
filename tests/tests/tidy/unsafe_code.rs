//! `unsafe` code stands where ARCHITECTURE.md says, and nowhere else: tests and benches too.

use std::collections::BTreeSet;
use tests::house::{Source, lines_of, root, sources};

/// Whether a source, its tests included, holds the keyword.
fn has_unsafe(source: &Source) -> bool {
    !lines_of(&source.tokens(), "unsafe").is_empty()
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
    let places = found.into_iter().filter(has_unsafe);
    let places: BTreeSet<String> = places.map(|source| source.place).collect();
    assert_eq!(
        places,
        documented(),
        "where it stands, and where ARCHITECTURE.md says that it does"
    );
}

#[test]
fn the_keyword_is_found_where_it_is_one() {
    let has_unsafe = |text: &str| has_unsafe(&Source::of("engine/dataplane/src/io/turn.rs", text));
    for text in [
        "fn f() { unsafe { g() } }",
        "unsafe impl Send for X {}",
        "const A: char = '\"'; fn f() { unsafe { g() } }",
        "const A: &str = \"http://x\"; fn f() { unsafe { g() } }",
        "#[cfg(test)]\nmod tests { fn f() { unsafe { g() } } }",
    ] {
        assert!(has_unsafe(text), "{text}");
    }
    for text in [
        "// unsafe",
        "const UNSAFE: u8 = 1;",
        "const A: &str = \"unsafe\";",
        "#![deny(unsafe_op_in_unsafe_fn)]",
    ] {
        assert!(!has_unsafe(text), "{text}");
    }
}
