//! What a process that serves says goes through the log: nothing else holds its streams.

use proc_macro2::TokenTree;
use tests::house::{Source, lines_of, sources};

/// Who may hold the streams of `std::io`: their locks are waited for, and a pipe that nobody reads
/// holds its writer. What a process that serves says goes through `host::log`.
const HOLDERS_OF_STREAMS: [&str; 4] = [
    "engine/host/src/log.rs",
    "engine/src/cli/output.rs",
    "loadgen/src/cli/output.rs",
    // Only asks whether it is a terminal.
    "loadgen/src/console.rs",
];

/// The word by which a source says something itself, where it may not.
fn says(source: &Source) -> Option<&'static str> {
    let code = source.code();
    if HOLDERS_OF_STREAMS.contains(&source.place.as_str()) {
        return None;
    }
    // `print` alone is a function of `cli::output` too.
    let macros = ["println", "eprintln", "eprint", "dbg"];
    let said = macros.into_iter().find(|word| !lines_of(&code, word).is_empty());
    said.or_else(|| ["stdout", "stderr"].into_iter().find(|word| is_called(&code, word)))
}

/// Whether a function of that name is called with nothing: `stdout()` holds a stream, while
/// `command.stdout(file)` gives a child one.
fn is_called(tokens: &[TokenTree], name: &str) -> bool {
    tokens.iter().enumerate().any(|(at, token)| match token {
        TokenTree::Group(group) => is_called(&group.stream().into_iter().collect::<Vec<_>>(), name),
        TokenTree::Ident(word) if word == name => {
            let next = tokens.get(at + 1);
            matches!(next, Some(TokenTree::Group(group)) if group.stream().is_empty())
        }
        _ => false,
    })
}

#[test]
fn nothing_that_serves_writes_to_its_output_itself() {
    for source in sources(&[
        "engine/src",
        "engine/dataplane/src",
        "engine/wire/src",
        "engine/host/src",
        "loadgen/src",
    ]) {
        let says = says(&source);
        let place = source.place;
        assert!(
            says.is_none(),
            "{place} holds {says:?}: say it by host::log, or print it by cli::output"
        );
    }
}

#[test]
fn a_line_said_past_the_log_is_seen() {
    let of = |place: &str, text: &str| says(&Source::of(place, text));
    assert_eq!(
        of("engine/dataplane/src/io/turn.rs", "fn f() { println!(\"x\"); }"),
        Some("println")
    );
    let behind_tests = "#[cfg(test)]\nmod tests;\nfn f() { stdout().lock(); }";
    assert_eq!(of("engine/dataplane/src/io/turn.rs", behind_tests), Some("stdout"));
    assert_eq!(of("engine/dataplane/src/io/turn.rs", "#[cfg(test)]\nfn f() { println!() }"), None);
}
