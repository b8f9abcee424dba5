//! The whole of it: this package's executable starts the engine, drills it and closes the books.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn hayauma_load(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hayauma-load"))
        .args(arguments)
        .output()
        .expect("the executable starts")
}

fn drill(arguments: &[&str]) -> (Output, String) {
    let output = hayauma_load(&[&["drill"], arguments].concat());
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    (output, text)
}

fn verdict(pushes: u64) -> String {
    format!(
        "attempted {pushes} · accepted {pushes} · delivered {pushes} · notified {pushes} · lost 0 \
         · duplicated 0 · unexpected 0"
    )
}

#[test]
fn a_small_drill_closes_with_clean_books_and_a_complete_report() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let json = directory.path().join("report.json");
    let data = directory.path().join("drill");
    let (json_path, data_path) = (json.to_str().expect("UTF-8"), data.to_str().expect("UTF-8"));
    let arguments =
        ["--pushes", "3000", "--contracts", "700", "--json", json_path, "--data-dir", data_path];
    let (output, text) = drill(&arguments);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.lines().last(), Some(&verdict(3_000)[..]));
    for part in [
        "durability power",
        "µs of CPU per push",
        "3,000 × 0000 delivered",
        "700 contracts imported",
        "billed",
    ] {
        assert!(text.contains(part), "\"{part}\" is missing in\n{text}");
    }
    let mut report = std::fs::read(&json).expect("a report");
    let report = simd_json::to_owned_value(&mut report).expect("JSON");
    assert_eq!(report["ledger"]["accepted"], 3_000);
    assert_eq!(report["billing"]["segments"], report["segments_delivered"]);
    assert_eq!(report["segments_delivered"], report["plan"]["composition"]["segments"]);
    assert_eq!(report["clean"], true);
    assert!(Path::new(data_path).join("engine.log").exists());
}

#[test]
fn an_open_loop_drill_under_process_durability_is_clean_and_leaves_nothing_behind() {
    let (output, text) =
        drill(&["--pushes", "1000", "--rate", "2000", "--durability", "process", "--mix", "text"]);
    let steps = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}\n{steps}");
    assert_eq!(text.lines().last(), Some(&verdict(1_000)[..]));
    assert!(text.contains("open loop at 2,000 /s") && text.contains("lateness"), "{text}");
    let directory = steps
        .lines()
        .find_map(|line| line.trim().strip_prefix("starting the engine in "))
        .expect("a place");
    assert!(!Path::new(directory).exists(), "{directory} is still there");
}

#[test]
fn an_engine_that_cannot_start_is_reported_with_what_it_said() {
    let (output, text) = drill(&["--pushes", "10", "--", "--shards-of-glass", "1"]);
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), &text[..]), (Some(1), ""));
    assert!(
        sentence.contains("the engine ended by itself") && sentence.contains("--shards-of-glass"),
        "{sentence}"
    );
}

#[test]
fn bad_arguments_and_used_directories_get_one_sentence() {
    let output = hayauma_load(&["drill", "--pushes", "many"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
    let output = hayauma_load(&["drill", "--rate", "0"]);
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), sentence.lines().count()), (Some(1), 1), "{sentence}");
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("mine"), "").expect("a writable directory");
    let output = hayauma_load(&["drill", "--data-dir", directory.path().to_str().expect("UTF-8")]);
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), sentence.lines().count()), (Some(1), 1), "{sentence}");
    assert!(sentence.contains("is not empty"), "{sentence}");
}

#[test]
fn a_push_run_without_an_engine_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let address = listener.local_addr().expect("a bound listener").to_string();
    drop(listener);
    let output = hayauma_load(&["push", "--target", &address]);
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        sentence.contains("is the engine running") && sentence.lines().count() == 1,
        "{sentence}"
    );
}

#[test]
fn an_interrupted_drill_stops_its_engine_and_reports_how_far_it_came() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hayauma-load"))
        .args(["drill", "--pushes", "1000000", "--contracts", "100", "--rate", "500"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the executable starts");
    let steps = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut steps = steps.lines().map(|line| line.expect("UTF-8"));
    assert!(steps.any(|line| line.contains("contracts imported in")), "the load begins");
    interrupt(child.id());
    // The rest is read, or the child would wait for a reader.
    steps.for_each(drop);
    let output = child.wait_with_output().expect("the child ends");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{text}");
    let last = text.lines().last().expect("a verdict line");
    assert!(
        last.starts_with("INTERRUPTED after ") && last.contains(" of 1000000 · attempted "),
        "{text}"
    );
    assert!(!text.contains("not clean") && text.contains("billed"), "{text}");
}

/// As Ctrl-C at a terminal does.
fn interrupt(process: u32) {
    let signal = format!("kill -INT {process}");
    assert!(Command::new("sh").args(["-c", &signal]).status().expect("a shell").success());
}
