//! The data directory: open to its user only, and looked at as a whole when an engine starts in it.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tests::broadcasts::{Broadcaster, manifest};
use tests::engine::Finished;
use tests::push::{Body, XPID};
use tests::site::Site;
use tests::wait;

const MSN: &str = "09012345678";
const PUSHES: u64 = 20;

fn push(number: u64) -> Body {
    Body::push(MSN, &format!("kept-{number}"))
}

/// A stopped engine's place, with pushes that wait.
fn filled(shards: usize) -> Site {
    let mut site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &[MSN]);
    site.set("--network-default-line-state", "absent");
    if shards > 1 {
        site.shards(shards);
    }
    let engine = site.start();
    for number in 0..PUSHES {
        assert_eq!(engine.connect().ask(&push(number).request()).code(), "0000");
    }
    engine.stop();
    site
}

/// The start succeeds, and every push is known.
#[track_caller]
fn check_all_kept(site: &Site) {
    let engine = site.start();
    for number in 0..PUSHES {
        assert_eq!(
            engine.connect().ask(&push(number).request()).code(),
            "0001",
            "{}",
            engine.log()
        );
    }
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[track_caller]
fn check_refused(site: &Site, status: i32, parts: &[&str]) {
    let finished = site.serve_and_fail(&[]);
    let refusal = finished.refusal();
    assert_eq!(finished.status, Some(status), "{refusal}");
    for part in parts {
        assert!(refusal.contains(part), "{part:?} in {refusal}");
    }
    assert!(!refusal.contains("--data-dir"), "the queue is in this one: {refusal}");
}

fn everything(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            everything(&path, found);
        }
        found.push(path);
    }
}

/// What others may do, of everything in the directory and the directory itself.
fn open_to_others(site: &Site) -> Vec<PathBuf> {
    let mut found = vec![site.data_dir()];
    everything(&site.data_dir(), &mut found);
    assert!(found.len() > 8, "{found:?}");
    found.retain(|path| fs::metadata(path).expect("it stands").permissions().mode() & 0o077 != 0);
    found
}

#[test]
fn every_file_is_its_users_only_whatever_the_mask_and_however_the_directory_was_made() {
    let mut site = Site::new(tests::programs!());
    fs::create_dir(site.data_dir()).expect("writable");
    fs::set_permissions(site.data_dir(), Permissions::from_mode(0o755)).expect("ours");
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &[MSN]);
    let engine = site.start();
    assert_eq!(engine.connect().ask(&push(0).request()).code(), "0000");
    assert_eq!(open_to_others(&site), Vec::<PathBuf>::new());
    let backup = site.path("backup");
    let data = site.data_dir().display().to_string();
    site.must(&["queue", "backup", &data, &backup.display().to_string()]);
    let mut copied = vec![backup.clone()];
    everything(&backup, &mut copied);
    for path in copied {
        let mode = fs::metadata(&path).expect("it stands").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
    engine.stop();
    // As a directory stands that another build made.
    let mut found = Vec::new();
    everything(&site.data_dir(), &mut found);
    for path in found {
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
    }
    site.set("--log", "warn");
    let said = |log: &str| log.lines().filter(|line| line.contains("other users")).count();
    let before = said(&fs::read_to_string(site.path("engine.log")).expect("a log"));
    let engine = site.start();
    assert_eq!(open_to_others(&site), Vec::<PathBuf>::new());
    wait::until_true("a word about it", || said(&engine.log()) > before);
    engine.stop();
    site.start().stop();
    let after = said(&fs::read_to_string(site.path("engine.log")).expect("a log"));
    assert_eq!(after, before + 1, "it is said once");
}

#[test]
fn a_registry_that_is_missing_or_empty_beside_a_queue_is_named_and_nothing_is_refused_for_good() {
    let site = filled(1);
    let registry = site.data_dir().join("registry.sqlite");
    let kept = site.path("kept.sqlite");
    fs::copy(&registry, &kept).expect("writable");
    fs::write(&registry, "").expect("writable");
    check_refused(&site, 15, &["registry.sqlite is empty", "restore", "hayauma client add"]);
    assert_eq!(
        fs::metadata(&registry).expect("it stands").len(),
        0,
        "nothing was made in its place"
    );
    for journal in ["registry.sqlite-wal", "registry.sqlite-shm"] {
        let _ = fs::remove_file(site.data_dir().join(journal));
    }
    fs::remove_file(&registry).expect("ours");
    check_refused(&site, 15, &["registry.sqlite is missing", "restore", "hayauma client add"]);
    for look in
        [&["client", "list"][..], &["contract", "count"], &["client", "set", XPID, "--suspended"]]
    {
        let finished = site.run(look);
        assert!(finished.refusal().contains("is missing"), "{}", finished.stderr);
    }
    assert!(!registry.exists());
    fs::copy(&kept, &registry).expect("writable");
    check_all_kept(&site);
    // Or all clients are registered again.
    fs::remove_file(&registry).expect("ours");
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &[MSN]);
    check_all_kept(&site);
}

#[test]
fn a_lost_number_of_shards_is_found_from_the_journals() {
    for shards in [1, 2] {
        let mut site = filled(shards);
        let path = site.data_dir().join("shards");
        for lost in [None, Some("")] {
            match lost {
                None => fs::remove_file(&path).expect("ours"),
                Some(text) => fs::write(&path, text).expect("writable"),
            }
            check_all_kept(&site);
            assert_eq!(fs::read_to_string(&path).expect("it stands"), format!("{shards} 0\n"));
        }
        // Laid out anew, its numbers begin elsewhere; and a start for another number of shards
        // moves the queue.
        site.shards(3 - shards);
        check_all_kept(&site);
        fs::write(&path, "\n").expect("writable");
        check_all_kept(&site);
        assert_eq!(fs::read_to_string(&path).expect("it stands"), format!("{} 1\n", 3 - shards));
        fs::remove_file(&path).expect("ours");
        site.shards(shards);
        check_all_kept(&site);
        assert_eq!(fs::read_to_string(&path).expect("it stands"), format!("{shards} 2\n"));
    }
}

#[test]
fn a_number_of_shards_that_makes_no_sense_is_named_with_the_right_one() {
    let site = filled(1);
    let path = site.data_dir().join("shards");
    for text in ["many\n", "0\n", "1 0 0\n"] {
        fs::write(&path, text).expect("writable");
        check_refused(
            &site,
            13,
            &[&path.display().to_string(), "not a number of shards", "write `1 0`"],
        );
        assert_eq!(fs::read_to_string(&path).expect("readable"), text);
    }
    fs::write(&path, "1 0\n").expect("writable");
    check_all_kept(&site);
}

#[test]
fn a_journal_that_is_missing_among_others_is_named() {
    let site = filled(2);
    fs::remove_file(site.data_dir().join("shards")).expect("ours");
    let aside = site.path("aside");
    fs::rename(site.data_dir().join("shard-000/journal"), &aside).expect("ours");
    check_refused(&site, 13, &["one is missing", "backup"]);
    fs::rename(&aside, site.data_dir().join("shard-000/journal")).expect("ours");
    check_all_kept(&site);
}

#[test]
fn where_a_directory_was_made_is_noted_where_there_is_room_and_holds_no_start_up() {
    let site = filled(1);
    let origin = site.data_dir().join("origin");
    fs::remove_file(&origin).expect("a program before this one had none");
    // What would be written first cannot be.
    fs::create_dir(origin.with_extension("new")).expect("writable");
    let engine = site.start();
    assert!(engine.log().contains("it cannot be noted where"), "{}", engine.log());
    engine.stop();
    fs::remove_dir(origin.with_extension("new")).expect("writable");
    check_all_kept(&site);
    assert!(origin.exists(), "noted at the next start");
}

/// The same place with a list, areas, a template, and a broadcast that runs.
fn fill_desk(site: &Site) {
    let engine = site.start();
    let file = |name: &str, text: &str| {
        let path = site.path(name);
        fs::write(&path, text).expect("writable");
        path.display().to_string()
    };
    let list = site.must(&["list", "create", "everybody"]).trim().to_owned();
    site.must(&[
        "list",
        "import",
        &list,
        &file("rows.csv", &format!("msn,area,lang\n{MSN},13101,ja\n")),
    ]);
    let area = r#"{"type":"Feature","properties":{"code":"13101"},"geometry":null}"#;
    site.must(&["area", "load", &file("areas.geojsonl", &format!("{area}\n"))]);
    let template = r#"{"variants":{"en":"Leave"}}"#;
    site.must(&["template", "put", "flood", &file("template.json", template)]);
    let people = Broadcaster::of(site);
    people.started(&manifest(&list, "01", "desk", ""));
    engine.stop();
}

#[test]
fn small_files_that_a_power_cut_left_empty_cost_nothing() {
    let site = filled(1);
    fill_desk(&site);
    let mut found = Vec::new();
    everything(&site.data_dir(), &mut found);
    let small = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        path.is_file()
            && !["registry.sqlite", "key"].contains(&name)
            && !name.starts_with("segment-")
    };
    found.retain(small);
    let has = |name: &str| found.iter().any(|path| path.ends_with(name));
    for name in ["ordinals.json", "broadcast.json", "list.json", "areas.json", "flood.json"] {
        assert!(has(name), "{name} in {found:?}");
    }
    found.extend(["shards.tmp", "rehearsal"].map(|name| site.data_dir().join(name)));
    for path in found {
        fs::write(&path, "").expect("writable");
        check_all_kept(&site);
    }
}

#[test]
fn a_token_comes_from_a_file_or_standard_input() {
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &[MSN]);
    let engine = site.start();
    let file = site.path("token");
    fs::write(&file, "of-a-file\n").expect("writable");
    site.must(&["client", "set", XPID, "--token-file", &file.display().to_string()]);
    assert_eq!(engine.connect().ask(&push(0).request()).code(), "2001");
    assert_eq!(engine.connect().ask(&push(0).request_with_token("of-a-file")).code(), "0000");
    let mut command = site.command(&["client", "set", XPID, "--token-file", "-", "--data-dir"]);
    command.arg(site.data_dir()).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().expect("the engine's executable");
    child.stdin.take().expect("a pipe").write_all(b"of-the-input\nmore\n").expect("a reader");
    assert!(child.wait().expect("a child").success());
    assert_eq!(engine.connect().ask(&push(1).request_with_token("of-the-input")).code(), "0000");
    fs::write(&file, "\n").expect("writable");
    let refused: Finished =
        site.run(&["client", "set", XPID, "--token-file", &file.display().to_string()]);
    assert!(refused.refusal().contains("begins with no token"), "{}", refused.stderr);
    engine.stop();
}
