//! The search through the executable, against a responder of known capacity.

mod quiet;

use loadgen::bare::{Bare, Behaviour};
use std::net::SocketAddr;
use std::process::{Command, Output};

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
fn the_search_finds_the_capacity_of_a_throttled_responder_within_five_per_cent_three_times() {
    if !quiet::is_asked_for(
        "the_search_finds_the_capacity_of_a_throttled_responder_within_five_per_cent_three_times",
    ) {
        return;
    }
    let bare = responder(Behaviour { rate_per_second: 4_000, ..Behaviour::default() });
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("plan.toml");
    std::fs::write(&path, plan(bare.address(), 3_000, 1.5)).expect("a writable directory");
    for _ in 0..3 {
        let arguments = ["search", path.to_str().expect("UTF-8"), "--p99", "60ms", "--json"];
        let mut output = hayauma_load(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: loadgen::search::Found = simd_json::from_slice(&mut output.stdout).expect("JSON");
        // A rate too high by 4 % makes the last answers of 1.5 s late by 60 ms.
        assert!((3_800.0..=4_200.0).contains(&found.held_per_s), "{found:?}");
    }
}
