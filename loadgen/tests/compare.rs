//! The comparison of reports through the executable, against responders of known delay.

mod quiet;

use loadgen::bare::{Bare, Behaviour};
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::time::Duration;

fn hayauma_load(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hayauma-load")).args(arguments).output().expect("the executable starts")
}

fn responder(behaviour: Behaviour) -> Bare {
    Bare::behaving(SocketAddr::from(([127, 0, 0, 1], 0)), &[], behaviour).expect("a loopback port")
}

fn plan(target: SocketAddr, rate_per_s: u64, seconds: f64) -> String {
    format!(
        "target = \"{target}\"\nmix = \"sample\"\nconnections = 32\npipeline = 64\n\
         [[phase]]\nkind = \"load\"\nrate_per_s = {rate_per_s}\nseconds = {seconds}\n"
    )
}

#[test]
fn two_runs_against_the_same_responder_do_not_differ_and_a_slower_one_does() {
    if !quiet::is_asked_for("two_runs_against_the_same_responder_do_not_differ_and_a_slower_one_does") {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let run = |name: &str, delay_ms: u64| {
        let bare = responder(Behaviour { delay: Duration::from_millis(delay_ms), ..Behaviour::default() });
        let (path, report) = (directory.path().join("plan.toml"), directory.path().join(name));
        std::fs::write(&path, plan(bare.address(), 1_000, 2.0)).expect("a writable directory");
        let report = report.to_str().expect("UTF-8").to_owned();
        let output = hayauma_load(&["run", path.to_str().expect("UTF-8"), "--report", &report]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        report
    };
    let (first, second, slower) = (run("first", 100), run("second", 100), run("slower", 160));
    let says =
        |other: &str| String::from_utf8(hayauma_load(&["compare", &first, other]).stdout).expect("UTF-8");
    let (same, different) = (says(&second), says(&slower));
    assert!(same.ends_with("the difference exceeds run-to-run noise: no\n"), "{same}");
    assert!(different.ends_with("the difference exceeds run-to-run noise: yes\n"), "{different}");
}
