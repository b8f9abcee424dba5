//! Which rooms may name which libraries, and who may read a clock.

use tests::house::{Source, sources};

/// A name in the code, and the places that may hold it.
const ALLOWED: [(&str, &[&str]); 13] = [
    ("glommio::", &["engine/src/io/executor.rs"]),
    ("io_uring::", &["engine/src/io/driver/"]),
    ("axum::", &["engine/src/control/"]),
    ("hyper", &["engine/src/control/"]),
    ("tokio::", &["engine/src/control/"]),
    ("rusqlite::", &["engine/src/control/"]),
    ("prometheus_client::", &["engine/src/control/"]),
    ("ureq::", &["engine/src/cli/"]),
    ("httparse::", &["engine/wire/src/"]),
    ("rkyv::", &["engine/src/journal/"]),
    ("memmap2::", &["engine/src/journal/", "engine/src/billing/", "engine/host/src/"]),
    ("Instant::now(", &["engine/host/src/clock.rs"]),
    ("SystemTime::now(", &["engine/host/src/clock.rs"]),
];

/// Where the code of a source holds a name that it may not: `place:line name`.
fn misplaced(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    for (at, line) in source.code().iter().enumerate() {
        for (name, places) in ALLOWED {
            let allowed = places.iter().any(|place| source.place.starts_with(place));
            let begins =
                |at: usize| !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
            if !allowed && line.match_indices(name).any(|(at, _)| begins(at)) {
                wrong.push(format!("{}:{} {name}", source.place, at + 1));
            }
        }
    }
    wrong
}

#[test]
fn libraries_and_clocks_are_named_in_their_rooms_only() {
    let sources = sources(&["engine/src", "engine/wire/src", "engine/host/src"]);
    assert!(sources.len() > 200, "the sources are there");
    let wrong: Vec<String> = sources.iter().filter(|source| !source.is_test()).flat_map(misplaced).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_load_generator_knows_the_wire_and_the_host_and_nothing_else_of_the_engine() {
    let sources = sources(&["loadgen/src"]);
    let named: Vec<&str> = sources
        .iter()
        .filter(|source| source.code().iter().any(|line| line.contains("hayauma::")))
        .map(|source| source.place.as_str())
        .collect();
    assert_eq!(named, ["loadgen/src/main.rs"], "the program alone brings the engine along");
}

#[test]
fn a_library_in_the_wrong_room_and_a_clock_are_seen() {
    let places = |place: &str, text: &str| misplaced(&Source::of(place, text));
    for text in ["use axum::Router;", "let now = Instant::now();", "std::time::SystemTime::now();"] {
        assert_eq!(places("engine/src/shard/intake.rs", text).len(), 1, "{text}");
    }
    assert_eq!(places("engine/src/control/admin.rs", "use axum::Router;").len(), 0);
    assert_eq!(places("engine/src/shard/intake.rs", "// axum::Router\nlet a = \"axum::\";").len(), 0);
}
