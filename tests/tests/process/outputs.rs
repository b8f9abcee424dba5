//! Outputs that take nothing: a full device, a reader that has gone away, a reader that stands
//! still. An engine serves and stops as if nothing were the matter, a command says one sentence or
//! nothing, a run keeps its results.

use std::fs::OpenOptions;
use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tests::engine::{Engine, Finished};
use tests::push::{Body, XPID};
use tests::site::Site;
use tests::wait;

const MSN: &str = "09012345678";
/// A stop without anything to wait for; the drain's own patience is ten seconds.
const STOPS_WITHIN: Duration = Duration::from_secs(8);

fn site() -> Site {
    let mut site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &[MSN]);
    site.set("--log", "trace");
    site
}

fn full_device() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").expect("Linux has it").into()
}

/// A pipe whose reader has gone away.
fn gone() -> Stdio {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// A pipe that takes nothing more, and whose reader stands still as long as it is kept.
fn still() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().expect("a pipe");
    let octets = rustix::pipe::fcntl_setpipe_size(&writer, 4096).expect("a small pipe");
    writer.write_all(&vec![b'x'; octets]).expect("room");
    (reader, writer)
}

/// Pushes are answered, registrations change, and SIGTERM ends it.
#[track_caller]
fn check_serves_and_stops(site: &Site, mut engine: Engine) {
    for number in 0..20 {
        assert_eq!(
            engine.connect().ask(&Body::push(MSN, &format!("p-{number}")).request()).code(),
            "0000"
        );
    }
    site.must(&["client", "set", XPID, "--suspended"]);
    assert_eq!(engine.connect().ask(&Body::push(MSN, "late").request()).code(), "2004");
    assert!(engine.is_running());
    let begun = Instant::now();
    engine.ask_to_stop();
    let status = engine.wait();
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < STOPS_WITHIN, "a stop of {:?}", begun.elapsed());
}

/// The process's own counter.
fn log_lines_dropped(engine: &Engine) -> u64 {
    let page = engine.admin().request("GET", "/metrics", "").text();
    let line = page.lines().find_map(|line| line.strip_prefix("hayauma_log_lines_dropped_total "));
    line.and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no such figure in {page}"))
}

#[test]
fn an_engine_whose_log_device_is_full_serves_and_stops() {
    let site = site();
    let engine = site.start_with_streams(full_device(), full_device());
    wait::until_true("lines that were counted", || log_lines_dropped(&engine) > 0);
    check_serves_and_stops(&site, engine);
}

#[test]
fn an_engine_whose_logs_reader_has_gone_away_serves_and_stops() {
    let site = site();
    let engine = site.start_with_streams(gone(), gone());
    wait::until_true("lines that were counted", || log_lines_dropped(&engine) > 0);
    check_serves_and_stops(&site, engine);
}

#[test]
fn an_engine_whose_logs_reader_stands_still_serves_and_stops() {
    let site = site();
    let (reader, writer) = still();
    let other = writer.try_clone().expect("a descriptor");
    let engine = site.start_with_streams(other.into(), writer.into());
    check_serves_and_stops(&site, engine);
    drop(reader);
}

#[test]
fn an_engine_whose_logs_reader_stands_still_ends_with_its_fault_status() {
    let mut site = site();
    site.inject("sync-failure=3");
    let (reader, writer) = still();
    let other = writer.try_clone().expect("a descriptor");
    let mut engine = site.start_with_streams(other.into(), writer.into());
    let mut connection = engine.connect();
    let (begun, mut number) = (Instant::now(), 0);
    let ended = wait::until("the end", || {
        number += 1;
        let _ = connection.try_send(&Body::push(MSN, &format!("fails-{number}")).request());
        engine.ended()
    });
    assert_eq!(ended.code(), Some(20));
    assert!(begun.elapsed() < STOPS_WITHIN, "{:?}", begun.elapsed());
    drop(reader);
}

/// Runs a command with this stdout to its end.
#[track_caller]
fn run_with_stdout(mut command: Command, stdout: Stdio) -> (Option<i32>, String) {
    let child = command.stdout(stdout).stderr(Stdio::piped()).spawn().expect("an executable");
    let output = child.wait_with_output().expect("a child of this process");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

const SEGMENTS: [&str; 3] = ["sms", "segments", "hello"];

#[test]
fn a_command_whose_reader_has_gone_away_ends_quietly_and_on_a_full_device_with_one_sentence() {
    let site = site();
    let data_dir = site.data_dir().display().to_string();
    let of_directory = |words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned());
        words.chain(["--data-dir".to_owned(), data_dir.clone()]).collect::<Vec<String>>()
    };
    let mut commands: Vec<Vec<String>> = [
        &["client", "list"][..],
        &["client", "list", "--json"],
        &["contract", "list"],
        &["contract", "count"],
        &["billing", "day", "2026-11-01"],
        &["queue", "inspect"],
        &["doctor"],
    ]
    .map(of_directory)
    .to_vec();
    for words in [&SEGMENTS[..], &["--help"], &["--version"], &["serve", "--help"]] {
        commands.push(words.iter().map(|word| (*word).to_owned()).collect());
    }
    // Whatever it says of a directory without an engine, it says.
    assert_eq!(site.run(&["queue", "inspect"]).status, site.run(&["queue", "inspect"]).status);
    for arguments in commands {
        let normal = Finished::of(site.command(&arguments), "a command");
        if normal.stdout.is_empty() {
            continue;
        }
        let (status, said) = run_with_stdout(site.command(&arguments), gone());
        assert_eq!((status, said), (normal.status, normal.stderr.clone()), "{arguments:?}");
        let (status, said) = run_with_stdout(site.command(&arguments), full_device());
        assert_eq!(status, Some(1), "{arguments:?}: {said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("hayauma: ") && last.contains("cannot be written"),
            "{arguments:?}: {said}"
        );
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn decoding_line_by_line_ends_when_nobody_reads_on() {
    let site = site();
    let mut command = site.command(&["sms", "decode"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(gone())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the engine's executable");
    // Its input does not end.
    let mut input = child.stdin.take().expect("a pipe");
    input
        .write_all(b"040B818100551512F20000621122314303630AE8329BFD4697D9EC37\n")
        .expect("a reader");
    let status = wait::until("its end", || child.try_wait().expect("a child of this process"));
    drop(input);
    let said = std::io::read_to_string(child.stderr.take().expect("a pipe")).expect("text");
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn a_run_whose_output_takes_nothing_still_keeps_its_results() {
    let site = Site::new(tests::programs!());
    let drill = |name: &str| {
        let mut command = Command::new(tests::programs!().load);
        let arguments =
            ["drill", "--pushes", "500", "--json", name, "--", "--queue-bytes", "64MiB"];
        command.args(arguments).current_dir(site.directory()).stdin(Stdio::null());
        command
    };
    let mut quiet = drill("gone.json");
    let status = quiet.stdout(gone()).stderr(gone()).status().expect("the load generator");
    assert_eq!(status.code(), Some(0));
    let (status, said) = run_with_stdout(drill("full.json"), full_device());
    assert!(
        status == Some(1) && said.contains("the output cannot be written"),
        "{status:?} {said}"
    );
    let (reader, writer) = still();
    let mut stuck = drill("still.json");
    let status = stuck.stdout(Stdio::null()).stderr(writer).status().expect("the load generator");
    assert_eq!(status.code(), Some(0));
    drop(reader);
    for name in ["gone.json", "full.json", "still.json"] {
        let json = std::fs::read_to_string(site.path(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(json.contains("accepted 500 "), "{name}: {json}");
    }
    let mut help = Command::new(tests::programs!().load);
    help.arg("--help");
    assert_eq!(run_with_stdout(help, gone()), (Some(0), String::new()));
    let mut help = Command::new(tests::programs!().load);
    help.arg("--help");
    assert_eq!(run_with_stdout(help, full_device()).0, Some(1));
}
