//! The pages in a headless Chromium, by keyboard alone; skipped where there is none.
//!
//! `HAYAUMA_SHOTS=FOLDER` keeps the pictures there.

use super::Office;
use simd_json::OwnedValue;
use simd_json::prelude::{ValueAsArray as _, ValueAsScalar as _, ValueObjectAccess as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tests::broadcasts::{Broadcaster, rows};
use tests::push::XPID;
use tests::skips::skip;

/// Recipients of each broadcast.
const ROWS: u64 = 3_000;
/// What a Chromium is called.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

fn packages() -> PathBuf {
    let named = std::env::var_os("HAYAUMA_PEERS").map(PathBuf::from);
    root().join(named.unwrap_or_else(|| "target/peers".into())).join("node/node_modules")
}

fn runs(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// A Chromium and a node that drives it; `None`, with a sentence, where one lacks.
fn driver() -> Option<Command> {
    let found = NAMES.into_iter().find(|name| runs(Command::new(name).arg("--version")));
    let Some(chromium) = found else {
        skip("there is no Chromium; tests/peers/install installs it");
        return None;
    };
    let found = Command::new("which").arg(chromium).output().expect("an answer").stdout;
    let mut node = Command::new("node");
    node.env("NODE_PATH", packages());
    node.env("CHROMIUM", String::from_utf8_lossy(&found).trim());
    let mut probe = Command::new("node");
    probe.env("NODE_PATH", packages());
    if !runs(probe.args(["-e", "require('puppeteer-core'); require('axe-core')"])) {
        skip("puppeteer-core and axe-core are not installed, tests/peers/install does");
        return None;
    }
    Some(node)
}

#[test]
fn the_whole_life_goes_by_keyboard_in_a_browser_small_and_wide_dark_and_light() {
    let Some(mut node) = driver() else { return };
    let office = Office::new();
    let people = Broadcaster::new(&office.site, ROWS);
    let classes = ["--class", "urgent", "--class", "emergency", "--class", "exercise"];
    office.site.must(&[&["client", "set", XPID][..], &classes].concat());
    let engine = office.site.start();
    people.list(&rows(ROWS));
    let kept = std::env::var_os("HAYAUMA_SHOTS").map(PathBuf::from);
    let shots = kept.unwrap_or_else(|| office.site.path("shots"));
    std::fs::create_dir_all(&shots).expect("a folder");
    node.arg(root().join("tests/browser/life.js"))
        .env("BASE", format!("http://{}", office.address))
        .env("AUTHOR", &office.author)
        .env("APPROVER", &office.approver)
        .env("LIST_ROWS", ROWS.to_string())
        .env("XPID", XPID)
        .env("SHOTS", &shots);
    let done = node.output().expect("node runs");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{text}{error}");
    let mut text = text.into_bytes();
    let seen: OwnedValue = simd_json::from_slice(&mut text).expect("what it saw");
    println!("{seen}");
    for nothing in ["findings", "wide"] {
        let found = seen.get(nothing).and_then(|found| found.as_array());
        assert!(found.is_some_and(|found| found.is_empty()), "{nothing}: {seen}");
    }
    let count = |name: &str| seen.get(name).and_then(|count| count.as_u64()).unwrap_or_default();
    assert_eq!(["moved", "stale", "reloads"].map(count), [2, 2, 2], "{seen}");
    assert!(count("pages") >= 30, "{seen}");
    engine.stop();
}
