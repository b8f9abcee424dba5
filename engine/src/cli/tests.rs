//! Commands from their words to what they print, on a stopped engine's registry and through a
//! running engine.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::control::admin::{AdminServer, Doors, Keeping};
use crate::control::carrier_orders;
use crate::control::engine::Engine;
use crate::control::fake_engine::FakeEngine;
use crate::control::store::Store;
use crate::journal::DataDirLock;
use host::unix_socket;
use host::unix_socket::ADMIN_SOCKET;

fn parse(words: &[&str]) -> Result<Command, clap::Error> {
    Arguments::try_parse_from(["hayauma"].iter().chain(words)).map(|arguments| arguments.command)
}

/// What a command printed, and its notes.
struct Printed {
    wanted: String,
    notes: String,
}

fn try_in(directory: &Path, words: &[&str]) -> (Result<(), CliError>, Printed) {
    let directory = directory.to_str().expect("a plain path");
    let words: Vec<&str> = words.iter().copied().chain(["--data-dir", directory]).collect();
    let (mut wanted, mut notes) = (Vec::new(), Vec::new());
    let result = parse(&words).expect("legal arguments").run(&mut Output::new(
        &mut wanted,
        &mut notes,
        false,
    ));
    let text = |octets: Vec<u8>| String::from_utf8(octets).expect("text");
    (result.map(|_| ()), Printed { wanted: text(wanted), notes: text(notes) })
}

fn run_in(directory: &Path, words: &[&str]) -> String {
    let (result, printed) = try_in(directory, words);
    result.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    printed.wanted
}

fn refusal(directory: &Path, words: &[&str]) -> String {
    let error = try_in(directory, words).0.expect_err("must be refused");
    assert_ne!(error.status, 0);
    assert!(!error.sentence.contains('\n'), "one sentence: {}", error.sentence);
    error.sentence
}

/// A data directory that an engine holds, with its admin port open.
struct RunningEngine {
    directory: tempfile::TempDir,
    engine: Arc<FakeEngine>,
    server: Option<AdminServer>,
    _lock: DataDirLock,
}

impl RunningEngine {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        let lock = DataDirLock::take(directory.path()).expect("nobody has it");
        let engine = Arc::new(FakeEngine::default());
        let control: Arc<dyn Engine> = engine.clone();
        let socket = unix_socket::listen(directory.path(), ADMIN_SOCKET).expect("a socket");
        let doors = Doors { socket: Some(socket), ..Doors::default() };
        let keeping = Keeping { connections_max: 8, ..Keeping::default() };
        let more = carrier_orders::router(Arc::clone(&control));
        let server = AdminServer::start(doors, keeping, store, control, (more, Default::default()));
        let server = server.expect("started");
        Self { directory, engine, server: Some(server), _lock: lock }
    }
}

impl Drop for RunningEngine {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shut_down(std::time::Duration::from_secs(30));
        }
    }
}

#[test]
fn the_commands_hold_together() {
    command().debug_assert();
}

#[test]
fn every_setting_of_serve_is_a_flag() {
    let line = "serve --demo --listen 127.0.0.1:1 --admin 127.0.0.1:2 --data-dir d --shards 2 \
        --cpus 0 --durability process --queue-bytes 1GiB --segment-bytes 1MiB --inject \
        sync-failure=3 --inject overload=1 --network-outcomes absent=0.5,hlr-failing=1 \
        --admin-open --config c.toml --log debug";
    let words: Vec<&str> = line.split_whitespace().collect();
    assert!(matches!(parse(&words), Ok(Command::Serve(_))));
    for words in [
        ["serve", "--shards", "x"],
        ["serve", "--durability", "none"],
        ["serve", "--inject", "x=1"],
    ] {
        assert!(parse(&words).is_err(), "{words:?}");
    }
}

#[test]
fn flags_that_undo_each_other_are_refused_together() {
    for pair in [
        ["--segmentation", "--no-segmentation"],
        ["--suspended", "--resumed"],
        ["--notify", "--no-notify"],
    ] {
        let words = ["client", "set", "00100000001", pair[0], pair[1]];
        assert!(parse(&words).is_err(), "{pair:?}");
    }
    assert!(parse(&["client", "show", "1"]).is_err());
    assert!(parse(&["contract", "remove", "00100000001"]).is_err());
    assert!(parse(&["contract", "remove", "00100000001", "--all", "09000000001"]).is_err());
}

/// Every command of `client` and `contract` in a row, and what each prints: the same with and
/// without an engine.
fn go_through_the_registry(path: &Path) {
    let add =
        ["client", "add", "00100000001", "--client", "City", "--class", "urgent", "--kind", "text"];
    assert!(run_in(path, &add).contains("classes              standard, urgent\n"));
    let set = [
        "client",
        "set",
        "00100000001",
        "--suspended",
        "--until",
        "2030-01-01",
        "--rate",
        "5",
        "--json",
    ];
    let document = run_in(path, &set);
    assert!(
        document.contains(r#""suspended":true,"from":null,"until":"2030-01-01""#),
        "{document}"
    );
    assert_eq!(run_in(path, &["client", "show", "00100000001", "--json"]), document);
    assert_eq!(run_in(path, &["client", "list"]).lines().count(), 2);

    let add = ["contract", "add", "00100000001", "09012345678", "09000000000-09000000009"];
    assert_eq!(run_in(path, &add), "added 11, already there 0\n");
    assert_eq!(
        run_in(path, &["contract", "add", "00100000001", "09012345678"]),
        "added 0, already there 1\n"
    );
    let remove = ["contract", "remove", "00100000001", "09000000000", "09000000099"];
    assert_eq!(run_in(path, &remove), "removed 1, not there 1\n");
    let list = run_in(path, &["contract", "list", "--xpid", "00100000001", "--limit", "2"]);
    assert_eq!(list, "09000000001,00100000001\n09000000002,00100000001\n");
    let list = run_in(path, &["contract", "list", "--msn", "09012345678", "--json"]);
    assert_eq!(list, "[{\"msn\":\"09012345678\",\"xpid\":\"00100000001\"}]\n");
    assert_eq!(
        run_in(path, &["contract", "count"]),
        "XPID         CONTRACTS\n00100000001         10\nall                 10\n"
    );

    assert!(refusal(path, &["client", "remove", "00100000001"]).contains("--with-contracts"));
    assert!(refusal(path, &["client", "show", "00100000002"]).contains("client add"));
    assert!(
        refusal(path, &["contract", "add", "00100000002", "09012345678"])
            .contains("not registered")
    );
    assert!(
        refusal(path, &["client", "add", "00100000001", "--client", "City"]).contains("client set")
    );
    assert_eq!(
        run_in(path, &["contract", "remove", "00100000001", "--all"]),
        "removed 10, not there 0\n"
    );
    assert_eq!(
        run_in(path, &["client", "remove", "00100000001"]),
        "removed XPID 00100000001 and 0 contracts\n"
    );
}

#[test]
fn a_stopped_engines_registry_is_changed_directly() {
    let directory = tempfile::tempdir().expect("a directory");
    go_through_the_registry(directory.path());
}

#[test]
fn a_running_engine_makes_the_change_and_works_by_it() {
    let running = RunningEngine::start();
    let path = running.directory.path();
    go_through_the_registry(path);
    assert!(running.engine.published.lock().expect("no panic").is_empty());
    run_in(path, &["client", "add", "00100000001", "--client", "City"]);
    run_in(path, &["contract", "add", "00100000001", "09012345678"]);
    assert_eq!(running.engine.published.lock().expect("no panic").len(), 1);
    assert_eq!(running.engine.contracts(), ["09012345678,00100000001"]);
}

#[test]
fn a_change_of_more_msns_than_one_request_takes_goes_in_several() {
    let running = RunningEngine::start();
    let path = running.directory.path();
    run_in(path, &["client", "add", "00100000001", "--client", "City"]);
    let msns: Vec<String> =
        (0..33_000).map(|at| format!("{:011}", 9_000_000_000u64 + at)).collect();
    let words =
        ["contract", "add", "00100000001"].into_iter().chain(msns.iter().map(String::as_str));
    assert_eq!(run_in(path, &words.collect::<Vec<_>>()), "added 33,000, already there 0\n");
    assert_eq!(running.engine.contracts().len(), 33_000);
}

#[test]
fn failures_name_cause_and_remedy() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    assert!(refusal(path, &["client", "list"]).contains("--data-dir"));
    assert!(!path.join("registry.sqlite").exists(), "a look makes nothing");
    assert!(refusal(path, &["client", "add", "00100000001"]).contains("--client"));
    run_in(path, &["client", "add", "00100000001", "--client", "City"]);
    assert!(refusal(path, &["client", "set", "00100000001"]).contains("--help"));
    assert!(
        refusal(path, &["contract", "import", "/nonexistent.csv"]).contains("/nonexistent.csv")
    );
    let _lock = DataDirLock::take(path).expect("free");
    let listener = unix_socket::listen(path, ADMIN_SOCKET).expect("a socket");
    let server = std::thread::spawn(move || drop(listener.accept().expect("a client")));
    let sentence = refusal(path, &["client", "list"]);
    assert!(sentence.contains("does not answer") && sentence.contains("admin.sock"), "{sentence}");
    server.join().expect("no panic");
    assert_eq!(run_in(path, &["client", "list"]).lines().count(), 2, "a command may hold it");
}

/// Makes, lists, uses and removes a token, and gives its secret.
fn go_through_the_tokens(path: &Path) -> String {
    let add = ["token", "add", "ops", "--role", "operator", "--xpid", "00100000001"];
    let secret = run_in(path, &add);
    assert!(secret.starts_with("hayauma-") && secret.lines().count() == 1, "{secret}");
    let list = run_in(path, &["token", "list"]);
    assert!(list.contains("operator") && list.contains("00100000001"), "{list}");
    assert!(!list.contains(secret.trim()), "{list}");
    run_in(path, &add);
    assert!(refusal(path, &add).contains("--older"));
    assert_eq!(run_in(path, &["token", "remove", "ops", "--older"]), "removed 1\n");
    assert!(refusal(path, &["token", "remove", "ops", "--older"]).contains("no two tokens"));
    assert_eq!(run_in(path, &["token", "remove", "ops"]), "removed 1\n");
    assert!(refusal(path, &["token", "remove", "ops"]).contains("token list"));
    assert!(refusal(path, &["token", "add", "a b", "--role", "read"]).contains("name"));
    run_in(path, &["token", "add", "reader", "--role", "read"])
}

#[test]
fn tokens_are_made_listed_and_removed_with_and_without_an_engine() {
    let (stopped, running) = (tempfile::tempdir().expect("a directory"), RunningEngine::start());
    for path in [stopped.path(), running.directory.path()] {
        let secret = go_through_the_tokens(path);
        let file = path.join("token");
        std::fs::write(&file, secret).expect("writable");
        let file = file.to_str().expect("plain");
        let add = ["client", "add", "00100000001", "--client", "A", "--admin-token", file];
        let sentence = refusal(path, &add);
        assert!(sentence.contains("role"), "{sentence}");
        std::fs::write(file, "hayauma-0\n").expect("writable");
        let sentence = refusal(path, &["client", "list", "--admin-token", file]);
        assert!(sentence.contains("token"), "{sentence}");
    }
}

#[test]
fn an_answer_that_nests_deep_is_refused_and_ends_no_process() {
    use std::io::{Read as _, Write as _};
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    run_in(path, &["client", "add", "00100000001", "--client", "City"]);
    let listener = unix_socket::listen(path, ADMIN_SOCKET).expect("a socket");
    let _lock = DataDirLock::take(path).expect("free");
    let deep = "[".repeat(500_000) + &"]".repeat(500_000);
    let body = format!("[{{\"more\":{deep}}}]");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let _ = stream.read(&mut [0; 4_096]).expect("a request");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).expect("taken");
    });
    let sentence = refusal(path, &["client", "list"]);
    assert!(sentence.contains("deeper than 16 levels"), "{sentence}");
    server.join().expect("no panic");
}

/// 120,000 good lines, so that there is more than one batch, between them and after them bad ones.
fn import_file(directory: &Path) -> std::path::PathBuf {
    let good: String =
        (0..120_000).map(|at| format!("{:011},00100000001\n", 9_000_000_000u64 + at)).collect();
    let bad: String = (0..150).map(|at| format!("bad{at},00100000001\n")).collect();
    let file = directory.join("contracts.csv");
    std::fs::write(&file, format!("msn,xpid\nx,y\n{good}{bad}09012345678,00100000001"))
        .expect("written");
    file
}

fn import_names_every_refused_line(path: &Path) {
    run_in(path, &["client", "add", "00100000001", "--client", "City"]);
    let scratch = tempfile::tempdir().expect("a directory");
    let (csv, errors) = (import_file(scratch.path()), scratch.path().join("errors.csv"));
    let (csv, errors_word) = (csv.to_str().expect("plain"), errors.to_str().expect("plain"));
    let (result, printed) = try_in(path, &["contract", "import", csv, "--errors", errors_word]);
    let sentence = result.expect_err("lines were refused").sentence;
    assert!(sentence.contains("151 lines"), "{sentence}");
    let totals = "imported 120,001, already there 0, refused 151 of 120,152 lines in ";
    assert!(printed.wanted.starts_with(totals), "{}", printed.wanted);
    assert_eq!(printed.notes.lines().count(), 101);
    assert!(printed.notes.starts_with("line 2: \"x\" is not an msn"), "{}", printed.notes);
    assert!(printed.notes.ends_with("and 51 more\n"), "{}", printed.notes);
    let text = std::fs::read_to_string(&errors).expect("written");
    assert_eq!(text.lines().count(), 152);
    assert!(
        text.lines().nth(2).expect("a line").starts_with("120003,\"\"\"bad0\"\" is not an msn"),
        "{text}"
    );

    let again = try_in(path, &["contract", "import", csv, "--json"]).1.wanted;
    assert!(again.starts_with(r#"{"imported":0,"already_there":120001,"refused":151,"#), "{again}");
}

#[test]
fn an_import_into_the_store_names_every_refused_line() {
    let directory = tempfile::tempdir().expect("a directory");
    import_names_every_refused_line(directory.path());
}

#[test]
fn an_import_through_a_running_engine_names_every_refused_line() {
    let running = RunningEngine::start();
    import_names_every_refused_line(running.directory.path());
    assert_eq!(running.engine.contracts().len(), 120_001);
}

#[test]
fn the_doctor_prints_a_line_per_finding_and_json_for_scripts() {
    let directory = tempfile::tempdir().expect("a directory");
    let ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let text = try_in(directory.path(), &[&["doctor"][..], &ports].concat()).1.wanted;
    assert!(text.lines().count() >= 11, "{text}");
    assert!(text.contains("io_uring") && text.contains("sync latency"), "{text}");
    let json = try_in(directory.path(), &[&["doctor", "--json"][..], &ports].concat()).1.wanted;
    assert!(json.starts_with(r#"[{"subject":"kernel","severity":"good""#), "{json}");
}

#[test]
fn every_change_stands_in_the_audit_by_whichever_door_and_a_changed_line_is_found() {
    let (stopped, running) = (tempfile::tempdir().expect("a directory"), RunningEngine::start());
    for path in [stopped.path(), running.directory.path()] {
        go_through_the_registry(path);
        run_in(path, &["token", "add", "ops", "--role", "read"]);
        let text = run_in(path, &["audit"]);
        let acts: Vec<&str> = text.lines().filter_map(|line| line.split(" uid:").nth(1)).collect();
        assert_eq!(acts.len(), text.lines().count(), "each in the name of a user: {text}");
        for part in [
            " client add 00100000001: {",
            " client set 00100000001: {",
            " contract add 00100000001: {\"msns\":2,\"first\":[\"09012345678\",\"09000000000-",
            " not done: client remove 00100000001: \"XPID 00100000001 still has 10 contracts",
            " contract remove 00100000001, all of them",
            " token add ops: {\"name\":\"ops\",\"roles\":[\"read\"]",
        ] {
            assert!(acts.iter().any(|act| act.contains(part)), "{part}: {text}");
        }
        assert!(run_in(path, &["audit", "verify"]).contains("1 file:"));
        assert_eq!(run_in(path, &["audit", "--actor", "nobody"]), "");
        assert!(run_in(path, &["audit", "--json"]).starts_with("{\"number\":1,"));
        let file = path.join("audit.jsonl");
        let kept = std::fs::read_to_string(&file).expect("an audit");
        std::fs::write(&file, kept.replacen("client set", "client get", 1)).expect("writable");
        let (result, printed) = try_in(path, &["audit", "verify"]);
        assert!(result.expect_err("changed").sentence.contains("not what was written"));
        assert!(printed.notes.contains("does not follow"), "{}", printed.notes);
    }
}

/// The command words of everything below a command that `clap` knows, without their arguments.
fn command_words(command: &clap::Command, before: &str, into: &mut Vec<String>) {
    let mut has_any = false;
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        has_any = true;
        command_words(below, format!("{before} {}", below.get_name()).trim(), into);
    }
    if !has_any {
        into.push(before.to_owned());
    }
}

/// What each command leaves in the audit; those that are not named here change nothing that is
/// kept.
const RECORDED: [(&str, &str); 17] = [
    ("client add", "client add 00100000001"),
    ("client set", "client set 00100000001"),
    ("contract add", "contract add 00100000001"),
    ("contract import", "contract import begins"),
    ("contract remove", "contract remove 00100000001"),
    ("carrier add", "carrier add alpha"),
    ("carrier set", "carrier set alpha, its password too"),
    ("carrier pause", "carrier pause alpha"),
    ("carrier resume", "carrier resume alpha"),
    ("carrier route add", "carrier route add 0909"),
    ("carrier route remove", "carrier route remove 0909"),
    ("carrier remove", "carrier remove alpha"),
    ("carrier import", "carrier add beta"),
    ("token add", "token add ops"),
    ("token remove", "token remove ops"),
    ("client remove", "client remove 00100000001"),
    ("queue backup", "queue backup"),
];
/// Orders to a running engine, whose acts the table of paths holds.
const ENGINES_ALONE: [&str; 28] = [
    "area load",
    "broadcast approve",
    "broadcast cancel",
    "broadcast change",
    "broadcast create",
    "broadcast pace",
    "broadcast pause",
    "broadcast reject",
    "broadcast resume",
    "broadcast retract",
    "broadcast send",
    "broadcast start",
    "broadcast update",
    "broadcast wave",
    "broadcast withdraw",
    "cap send",
    "carrier rebind",
    "list create",
    "list forget",
    "list import",
    "list take",
    "network set",
    "notify discard",
    "notify replay",
    "smpp trace",
    "source remove",
    "source set",
    "template put",
];
/// Makes what is kept by other servers, before any engine has a directory and an audit.
const ELSEWHERE: &str = "cluster init";
/// Commands that change nothing that is kept.
const LOOKS: [&str; 46] = [
    "area list",
    "area match",
    "audit verify",
    "billing day",
    "billing gather",
    "billing month",
    "billing reconcile",
    "broadcast check",
    "broadcast recipient",
    "broadcast results",
    "broadcast status",
    "cap check",
    "carrier list",
    "carrier route check",
    "carrier route list",
    "carrier show",
    "carrier test",
    "client list",
    "client show",
    "cluster doctor",
    "cluster status",
    "config check",
    "config default",
    "config show",
    "contract count",
    "contract list",
    "doctor",
    "list check",
    "list refused",
    "list row",
    "list show",
    "notify list",
    "push show",
    "queue inspect",
    "queue show",
    "queue verify",
    "serve",
    "shield",
    "sms decode",
    "sms segments",
    "smpp decode",
    "source list",
    "source log",
    "template list",
    "template show",
    "token list",
];

#[test]
fn every_command_that_changes_something_leaves_a_line_of_the_audit() {
    let mut words = Vec::new();
    command_words(&command(), "", &mut words);
    let known = |word: &String| {
        RECORDED.iter().any(|(command, _)| command == word)
            || ENGINES_ALONE.contains(&word.as_str())
            || LOOKS.contains(&word.as_str())
            || word == ELSEWHERE
            || word.starts_with("sms encode ")
    };
    let unknown: Vec<&String> = words.iter().filter(|word| !known(word)).collect();
    assert!(
        unknown.is_empty(),
        "commands of which this test does not know what they do: {unknown:?}"
    );
    let (stopped, running) = (tempfile::tempdir().expect("a directory"), RunningEngine::start());
    for path in [stopped.path(), running.directory.path()] {
        let scratch = tempfile::tempdir().expect("a directory");
        let file = |name: &str, text: &str| {
            let file = scratch.path().join(name);
            std::fs::write(&file, text).expect("writable");
            file.to_str().expect("plain").to_owned()
        };
        let secret = file("secret", "topsecre\n");
        let csv = file("contracts.csv", "09000000001,00100000001\n");
        let carriers = file(
            "carriers.toml",
            "[[carrier]]\nname = \"beta\"\nhosts = [\"127.0.0.1:1\"]\nsystem_id = \"us\"\n",
        );
        let copy = scratch.path().join("copy").to_str().expect("plain").to_owned();
        let directory = path.to_str().expect("plain");
        std::fs::create_dir_all(path.join("shard-000/journal")).expect("writable");
        let arguments: [(&str, &[&str]); 17] = [
            ("client add", &["00100000001", "--client", "City"]),
            ("client set", &["00100000001", "--rate", "5"]),
            ("contract add", &["00100000001", "09012345678"]),
            ("contract import", &[&csv]),
            ("contract remove", &["00100000001", "09012345678"]),
            ("carrier add", &["alpha", "--host", "127.0.0.1:1", "--system-id", "us"]),
            ("carrier set", &["alpha", "--password-file", &secret]),
            ("carrier pause", &["alpha"]),
            ("carrier resume", &["alpha"]),
            ("carrier route add", &["0909", "alpha"]),
            ("carrier route remove", &["0909"]),
            ("carrier remove", &["alpha"]),
            ("carrier import", &[&carriers]),
            ("token add", &["ops", "--role", "read"]),
            ("token remove", &["ops"]),
            ("client remove", &["00100000001", "--with-contracts"]),
            ("queue backup", &[directory, &copy]),
        ];
        for ((command, more), (recorded, act)) in arguments.into_iter().zip(RECORDED) {
            assert_eq!(command, recorded);
            let before = run_in(path, &["audit"]).lines().count();
            let words: Vec<&str> = command.split(' ').chain(more.iter().copied()).collect();
            let (result, _) = try_in(path, &words);
            // A copy of a directory without pushes ends otherwise; it is recorded before.
            assert!(result.is_ok() || command == "queue backup", "{command}: {result:?}");
            let text = run_in(path, &["audit"]);
            let new: Vec<&str> = text.lines().skip(before).collect();
            assert!(new.first().is_some_and(|line| line.contains(act)), "{command}: {new:?}");
        }
        let text = run_in(path, &["audit", "--json"]);
        assert!(!text.contains("topsecre") && !text.contains("hayauma-"), "{text}");
        assert!(run_in(path, &["audit", "verify"]).contains("1 file:"));
    }
}
