//! The comparison of reports through the executable, against responders of known delay.

mod judged;

use judged::judge;
use loadgen::bare::{Bare, Behaviour};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

fn hayauma_load(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hayauma-load"))
        .args(arguments)
        .output()
        .expect("the executable starts")
}

/// A report of a run against a responder with this delay.
fn report(directory: &Path, name: &str, delay_ms: u64) -> String {
    let behaviour = Behaviour { delay: Duration::from_millis(delay_ms), ..Behaviour::default() };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let bare = Bare::behaving(any, &[], behaviour).expect("a loopback port");
    let plan = directory.join("plan.toml");
    let text = format!(
        "target = \"{}\"\nmix = \"sample\"\nconnections = 32\npipeline = 64\n\
         [[phase]]\nkind = \"load\"\nrate_per_s = 1000\nseconds = 2\n",
        bare.address()
    );
    std::fs::write(&plan, text).expect("a writable directory");
    let report = directory.join(name).to_str().expect("UTF-8").to_owned();
    let output = hayauma_load(&["run", plan.to_str().expect("UTF-8"), "--report", &report]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    report
}

#[test]
fn two_runs_against_the_same_responder_do_not_differ_and_a_slower_one_does() {
    judge("a comparison", || {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str, delay_ms: u64| report(directory.path(), name, delay_ms);
        let (first, second, slower) = (at("first", 100), at("second", 100), at("slower", 160));
        let says = |other: &str| {
            String::from_utf8(hayauma_load(&["compare", &first, other]).stdout).expect("UTF-8")
        };
        let (same, different) = (says(&second), says(&slower));
        if !same.ends_with("the difference exceeds run-to-run noise: no\n") {
            return Err(same);
        }
        if !different.ends_with("the difference exceeds run-to-run noise: yes\n") {
            return Err(different);
        }
        Ok(())
    });
}

#[test]
fn the_page_of_a_comparison_lays_all_runs_over_each_other_and_needs_no_other_file() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let reports = ["a", "b", "c"].map(|name| report(directory.path(), name, 2));
    let page = directory.path().join("compare.html");
    let mut arguments = vec!["compare", "--page", page.to_str().expect("UTF-8")];
    arguments.extend(reports.iter().map(String::as_str));
    let output = hayauma_load(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = std::fs::read_to_string(page).expect("a page");
    for part in
        ["Answer by percentile", "Answer over time, 99 %", "run-to-run noise", ">a<", ">b<", ">c<"]
    {
        assert!(page.contains(part), "{part}");
    }
    for forbidden in ["<script", "http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

/// Takes a minute or two and a quiet machine: only when it is asked for.
#[test]
fn runs_of_the_same_build_do_not_differ_in_nine_of_ten_pairs() {
    if std::env::var_os("HAYAUMA_TEST_TIMING").is_none() {
        println!("skipped: eleven drills in a row; set HAYAUMA_TEST_TIMING=1 on a quiet machine");
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let drill = |number: u32, more: &[&str]| {
        let report = directory.path().join(number.to_string()).to_str().expect("UTF-8").to_owned();
        let arguments = ["drill", "--pushes", "300000", "--report", &report];
        let output = hayauma_load(&[&arguments[..], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        report
    };
    let reports: Vec<String> = (0..11).map(|number| drill(number, &[])).collect();
    let same = |first: &str, other: &str| {
        let said =
            String::from_utf8(hayauma_load(&["compare", first, other]).stdout).expect("UTF-8");
        println!("{said}");
        said.ends_with("the difference exceeds run-to-run noise: no\n")
    };
    let alike = reports.windows(2).filter(|pair| same(&pair[0], &pair[1])).count();
    assert!(alike >= 9, "{alike} of 10 pairs are alike");
    // And an engine that works otherwise is told from them: here one that does not gather records
    // for a commit.
    let other = drill(11, &["--", "--commit-delay-us-max", "0"]);
    assert!(!same(&reports[0], &other), "another engine is not told from the others");
}
