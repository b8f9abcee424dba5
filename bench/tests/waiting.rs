//! The large bench at a size for every day: pushes that wait stay within their memory, and a killed
//! engine has them all.

use std::process::Command;

const WAITING: u64 = 200_000;

/// The number behind `name` on the line that begins with `line`.
fn figure(output: &str, line: &str, name: &str) -> f64 {
    let words: Vec<&str> = output
        .lines()
        .find(|text| text.starts_with(line))
        .map(|text| text.split(' ').collect())
        .unwrap_or_default();
    let at = words.iter().position(|&word| word == name);
    let value = at.and_then(|at| words.get(at + 1)?.parse().ok());
    value.unwrap_or_else(|| panic!("no {name} on a line {line} in:\n{output}"))
}

#[test]
fn two_hundred_thousand_waiting_pushes_survive_a_kill_and_keep_to_their_memory() {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["waiting", "--waiting", &WAITING.to_string(), "--few", "1000"])
        .args(["--burst", "10000", "--rounds", "1", "--unrecorded"])
        .output()
        .expect("the bench starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let output_text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{output_text}");
    assert_eq!(figure(&output_text, "restart", "lost"), 0.0);
    // What the engine has however few pushes wait, and a contract for each of them, come on top of
    // 96 octets.
    let octets = figure(&output_text, "memory", "anonymous_octets");
    let fixed = 120.0 * 1024.0 * 1024.0;
    assert!(octets <= fixed + WAITING as f64 * (96.0 + 30.0), "{octets} octets of its own");
    assert!(figure(&output_text, "restart", "first_accepted_s") < 15.0);
}
