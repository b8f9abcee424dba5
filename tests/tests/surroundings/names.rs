//! The data directory is deleted or moved while the engine serves.

use super::{MSN, ask_port, site};
use std::path::Path;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;

/// Accepts a push, has `lose` take the files away, and looks at all that follows.
fn check_loss(name: &str, lose: impl Fn(&Path)) {
    let recorder = Recorder::start();
    let mut site = site();
    site.add_client(XPID, &["--notify-url", &recorder.url()]);
    site.add_contracts(XPID, &[MSN]);
    site.set("--durability", "power");
    // The socket's name goes with the directory; a port stays.
    let admin = tests::ports::free_address();
    let token = site.must(&["token", "add", "tests", "--role", "operator"]);
    site.set("--admin", &admin.to_string());
    let ask = |method: &str, path: &str, body: &str| {
        ask_port(admin, method, path, body, Some(token.trim()))
    };
    let line = |state: &str| format!("{{\"msns\": [\"{MSN}\"], \"state\": \"{state}\"}}");
    let engine = site.start();
    assert_eq!(ask("PUT", "/network/lines", &line("absent")).status(), 200, "{name}");
    let mut connection = engine.connect();
    let push = |number: u32| Body::push(MSN, &format!("name-{number}"));
    assert_eq!(connection.ask(&push(0).request()).code(), "0000", "{name}");
    lose(&site.data_dir());
    // From here on nobody is told that a push is durable, not even the first one.
    let codes: Vec<String> =
        (1..20).map(|number| connection.ask(&push(number).request()).code()).collect();
    assert!(codes.iter().all(|code| code == "9002" || code == "8003"), "{name}: {codes:?}");
    let refused = connection.ask(&push(20).request());
    assert_eq!((refused.status(), refused.code().as_str()), (503, "8003"), "{name}: {refused:?}");
    assert!(refused.header("Retry-After").is_some(), "{name}");
    let repeat = connection.ask(&push(0).request());
    assert_eq!(repeat.code(), "8003", "{name}: what was accepted may be gone: {repeat:?}");
    tests::wait::until_true("not ready", || ask("GET", "/readyz", "").status() == 503);
    // What was accepted before is in this process alone: it goes on.
    let changed = ask("PUT", "/network/lines", &line("home"));
    assert_eq!(changed.status(), 200, "{name}: {changed:?}");
    assert_eq!(recorder.await_about("name-0", 1)[0].gist().1, "0000", "{name}: delivered");
    let log = engine.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("deleted or moved")).collect();
    assert_eq!(told.len(), 1, "{name}: {log}");
    engine.ask_to_stop();
    assert_eq!(engine.wait().code(), Some(13), "{name}: the next start needs somebody to look");
}

#[test]
fn nothing_is_accepted_once_the_data_directory_is_deleted_and_what_was_goes_on() {
    check_loss("all of it deleted", |data| std::fs::remove_dir_all(data).expect("deleted"));
}

#[test]
fn nothing_is_accepted_once_the_data_directory_or_a_file_of_the_journal_is_moved() {
    let within = |data: &Path| data.with_file_name("aside");
    check_loss("a segment moved", |data| {
        let journal = data.join("shard-000/journal");
        let segments = std::fs::read_dir(&journal).expect("a journal");
        let mut names: Vec<_> = segments.flatten().map(|entry| entry.file_name()).collect();
        names.retain(|name| name.to_string_lossy().starts_with("segment-"));
        names.sort();
        std::fs::rename(journal.join(&names[0]), within(data)).expect("moved");
        // The kernel's word is on its way, a fraction of a millisecond: with load it may come after
        // the next answer.
        std::thread::park_timeout(std::time::Duration::from_millis(200));
    });
}
