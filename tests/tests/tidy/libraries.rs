//! Which rooms may name which libraries, and who may read a clock.

use proc_macro2::TokenTree;
use tests::house::{Source, is_mark, lines_of, paths, sources};

/// A library, and the places that may name it.
const LIBRARIES: [(&str, &[&str]); 16] = [
    ("glommio", &["engine/dataplane/src/io/executor.rs"]),
    ("io_uring", &["engine/dataplane/src/io/driver/"]),
    ("axum", &["engine/src/control/"]),
    ("hyper", &["engine/src/control/"]),
    ("hyper_util", &["engine/src/control/"]),
    ("tokio", &["engine/src/control/", "engine/src/nats/"]),
    ("async_nats", &["engine/src/nats/"]),
    ("futures_util", &["engine/src/nats/"]),
    ("tokio_rustls", &["engine/src/control/admin/"]),
    ("rusqlite", &["engine/src/control/"]),
    ("prometheus_client", &["engine/src/control/"]),
    ("ureq", &["engine/src/cli/", "engine/src/nats/monitor.rs"]),
    ("rkyv", &["engine/dataplane/src/journal/"]),
    ("rustls", &["engine/dataplane/src/io/tls", "engine/dataplane/src/io/link/tls"]),
    ("rustls_native_certs", &["engine/dataplane/src/io/tls"]),
    (
        "memmap2",
        &["engine/dataplane/src/journal/", "engine/dataplane/src/billing/", "engine/host/src/"],
    ),
];

/// The only file that asks the machine for the time.
const CLOCK: &str = "engine/host/src/clock.rs";

/// Where the code of a source names a library that it may not, or reads a clock: `place:line name`.
fn misplaced(source: &Source) -> Vec<String> {
    let code = source.code();
    let mut wrong = Vec::new();
    for (name, places) in LIBRARIES {
        if !places.iter().any(|place| source.place.starts_with(place)) {
            wrong.extend(lines_of(&code, name).into_iter().map(|line| (line, name)));
        }
    }
    if source.place != CLOCK {
        wrong.extend(clock_readings(&code));
    }
    wrong.into_iter().map(|(line, name)| format!("{}:{line} {name}", source.place)).collect()
}

/// Lines in which a clock is read, or its type gets a name under which nobody would notice.
fn clock_readings(code: &[TokenTree]) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for named in paths(code) {
        let words: Vec<&str> = named.path.iter().map(String::as_str).collect();
        let is_clock = |word: &&str| ["Instant", "SystemTime"].contains(word);
        if words.windows(2).any(|pair| is_clock(&pair[0]) && ["now", "elapsed"].contains(&pair[1]))
        {
            found.push((named.line, "now"));
        }
        if named.renamed.is_some_and(|name| name != "_") && words.last().is_some_and(is_clock) {
            found.push((named.line, "as"));
        }
    }
    found.extend(elapsed(code));
    found
}

/// Lines with `.elapsed`, which reads a clock too.
fn elapsed(code: &[TokenTree]) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (at, token) in code.iter().enumerate() {
        match token {
            TokenTree::Group(group) => {
                found.extend(elapsed(&group.stream().into_iter().collect::<Vec<_>>()));
            }
            TokenTree::Ident(word)
                if word == "elapsed" && at > 0 && is_mark(&code[at - 1], '.') =>
            {
                found.push((word.span().start().line, "elapsed"));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn libraries_and_clocks_are_named_in_their_rooms_only() {
    let sources =
        sources(&["engine/src", "engine/dataplane/src", "engine/wire/src", "engine/host/src"]);
    assert!(sources.len() > 200, "the sources are there");
    let wrong: Vec<String> = sources.iter().flat_map(misplaced).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

/// Places that name the engine, its data plane included.
fn names_the_engine(sources: &[Source]) -> Vec<&str> {
    let names = |source: &&Source| {
        ["hayauma", "dataplane"].iter().any(|name| !lines_of(&source.tokens(), name).is_empty())
    };
    sources.iter().filter(names).map(|source| source.place.as_str()).collect()
}

#[test]
fn the_load_generator_knows_the_wire_and_the_host_and_nothing_else_of_the_engine() {
    let sources = sources(&["loadgen/src"]);
    assert!(sources.len() > 40, "the sources are there");
    let named = names_the_engine(&sources);
    assert_eq!(named, ["loadgen/src/main.rs"], "the program alone brings the engine along");
}

#[test]
fn a_load_generator_that_knows_the_engine_is_seen() {
    for text in ["use hayauma::io::limits;", "fn f() { dataplane::journal::crc32c(&[]) }"] {
        let source = Source::of("loadgen/src/sender.rs", text);
        assert_eq!(names_the_engine(&[source]), ["loadgen/src/sender.rs"], "{text}");
    }
    let harmless = "use wire::http;\nuse host::cpus;\n// hayauma\nconst A: &str = \"hayauma\";";
    assert!(names_the_engine(&[Source::of("loadgen/src/sender.rs", harmless)]).is_empty());
}

#[test]
fn a_library_in_the_wrong_room_and_a_clock_are_seen() {
    let places = |place: &str, text: &str| misplaced(&Source::of(place, text));
    for text in [
        "use axum::Router;",
        "use glommio as g;",
        "fn f() { let now = Instant::now(); }",
        "fn f() { std::time::SystemTime::now() }",
        "fn f() { ORIGIN.get_or_init(Instant::now) }",
        "use std::time::Instant as I;",
        "fn f() { began.elapsed() }",
    ] {
        assert_eq!(places("engine/dataplane/src/shard/intake.rs", text).len(), 1, "{text}");
    }
    assert_eq!(places("engine/src/control/admin.rs", "use axum::Router;").len(), 0);
    let client = "use async_nats::Client;";
    assert_eq!(places("engine/dataplane/src/cluster/keeper.rs", client).len(), 1);
    assert_eq!(places("engine/src/nats/log.rs", client).len(), 0);
    let harmless = "// axum::Router\nconst A: &str = \"axum::Router\";\n\
                    #[cfg(test)]\nmod tests { fn f() { Instant::now(); } }";
    assert_eq!(places("engine/dataplane/src/shard/intake.rs", harmless).len(), 0);
}
