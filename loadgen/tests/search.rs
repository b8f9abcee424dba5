//! The search through the executable, against a responder of known capacity.

mod judged;

use judged::judge;
use loadgen::bare::{Bare, Behaviour};
use loadgen::search::Found;
use std::net::SocketAddr;
use std::process::Command;

const CAPACITY_PER_S: u64 = 4_000;

fn search(seconds: f64) -> Found {
    let behaviour = Behaviour { rate_per_second: CAPACITY_PER_S, ..Behaviour::default() };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let bare = Bare::behaving(any, &[], behaviour).expect("a loopback port");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("plan.toml");
    let plan = format!(
        "target = \"{}\"\nmix = \"sample\"\nconnections = 32\npipeline = 64\n\
         [[phase]]\nkind = \"load\"\nrate_per_s = 3000\nseconds = {seconds}\n",
        bare.address()
    );
    std::fs::write(&path, plan).expect("a writable directory");
    let mut output = Command::new(env!("CARGO_BIN_EXE_hayauma-load"))
        .args(["search", path.to_str().expect("UTF-8"), "--p99", "60ms", "--json"])
        .output()
        .expect("the executable starts");
    println!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
    simd_json::from_slice(&mut output.stdout).expect("JSON")
}

/// Within five per cent of the capacity.
fn is_right(found: &Found) -> bool {
    (found.held_per_s / CAPACITY_PER_S as f64 - 1.0).abs() <= 0.05
}

#[test]
fn the_search_finds_the_capacity_of_a_throttled_responder_within_five_per_cent() {
    judge("a search", || {
        let found = search(0.6);
        if is_right(&found) { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

/// Takes two minutes and a quiet machine: only when it is asked for.
#[test]
fn the_search_finds_it_three_times_in_a_row() {
    if std::env::var_os("HAYAUMA_TEST_TIMING").is_none() {
        println!("skipped: three searches in a row; set HAYAUMA_TEST_TIMING=1 on a quiet machine");
        return;
    }
    for _ in 0..3 {
        let found = search(1.5);
        println!("held {} per second of {CAPACITY_PER_S}", found.held_per_s);
        assert!(is_right(&found), "{found:?}");
    }
}
