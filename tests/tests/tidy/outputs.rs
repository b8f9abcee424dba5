//! What a process that serves says goes through the log: nothing else holds its streams.

use tests::house::{Source, sources};

/// Who may hold the streams of `std::io`: their locks are waited for, and a pipe that nobody reads holds its writer.
/// What a process that serves says goes through `host::log`.
const HOLDERS_OF_STREAMS: [&str; 4] = [
    "engine/host/src/log.rs",
    "engine/src/cli/output.rs",
    "loadgen/src/cli/output.rs",
    // Only asks whether it is a terminal.
    "loadgen/src/console.rs",
];

/// The word by which a source says something itself, where it may not.
fn says(source: &Source) -> Option<&'static str> {
    // Tests may say what they like.
    if source.is_test() || HOLDERS_OF_STREAMS.contains(&source.place.as_str()) {
        return None;
    }
    let code = source.text.split("#[cfg(test)]").next().unwrap_or_default();
    ["io::stdout", "io::stderr", "println!", "eprint!", " print!"]
        .into_iter()
        .find(|word| code.contains(word))
}

#[test]
fn nothing_that_serves_writes_to_its_output_itself() {
    for source in sources(&["engine/src", "engine/wire/src", "engine/host/src", "loadgen/src"]) {
        let says = says(&source);
        let place = source.place;
        assert!(says.is_none(), "{place} holds {says:?}: say it by host::log, or print it by cli::output");
    }
}

#[test]
fn a_line_said_past_the_log_is_seen() {
    let of = |place: &str, text: &str| says(&Source::of(place, text));
    assert_eq!(of("engine/src/io/turn.rs", "    println!(\"x\");"), Some("println!"));
    assert_eq!(of("engine/src/io/turn.rs", "#[cfg(test)]\nfn f() { println!() }"), None);
}
