use super::*;
use clap::CommandFactory as _;

fn parse(words: &[&str]) -> Result<Command, clap::Error> {
    Arguments::try_parse_from(["hayauma"].iter().chain(words)).map(|arguments| arguments.command)
}

fn run_in(directory: &std::path::Path, words: &[&str]) -> Result<(), CliError> {
    let directory = directory.to_str().expect("a plain path");
    let words: Vec<&str> = words.iter().copied().chain(["--data-dir", directory]).collect();
    parse(&words).expect("legal arguments").run()
}

fn refusal(directory: &std::path::Path, words: &[&str]) -> String {
    let error = run_in(directory, words).expect_err("must be refused");
    assert_ne!(error.status, 0);
    assert!(!error.sentence.contains('\n'), "one sentence: {}", error.sentence);
    error.sentence
}

#[test]
fn the_commands_hold_together() {
    Arguments::command().debug_assert();
}

#[test]
fn every_setting_of_serve_is_a_flag() {
    let words = [
        "serve",
        "--demo",
        "--listen",
        "127.0.0.1:1",
        "--admin",
        "127.0.0.1:2",
        "--data-dir",
        "d",
        "--shards",
        "2",
        "--cpus",
        "0",
        "--durability",
        "process",
        "--queue-bytes",
        "1GiB",
        "--inject",
        "sync-failure=3",
        "--inject",
        "overload=1",
        "--network-outcomes",
        "absent=0.5,hlr-failing=1",
        "--admin-open",
        "--config",
        "c.toml",
    ];
    assert!(matches!(parse(&words), Ok(Command::Serve(_))));
    for words in [["serve", "--shards", "x"], ["serve", "--durability", "none"], ["serve", "--inject", "x=1"]]
    {
        assert!(parse(&words).is_err(), "{words:?}");
    }
}

#[test]
fn flags_that_undo_each_other_are_refused_together() {
    for pair in
        [["--segmentation", "--no-segmentation"], ["--suspended", "--resumed"], ["--notify", "--no-notify"]]
    {
        let words = ["client", "set", "00100000001", pair[0], pair[1]];
        assert!(parse(&words).is_err(), "{pair:?}");
    }
    assert!(parse(&["client", "show", "1"]).is_err());
    assert!(parse(&["contract", "remove", "00100000001"]).is_err());
    assert!(parse(&["contract", "remove", "00100000001", "--all", "09000000001"]).is_err());
}

#[test]
fn a_stopped_engines_registry_is_changed_directly() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    run_in(
        path,
        &["client", "add", "00100000001", "--client", "City", "--class", "urgent", "--kind", "text"],
    )
    .expect("added");
    run_in(path, &["client", "set", "00100000001", "--suspended", "--until", "2030-01-01"]).expect("changed");
    run_in(path, &["client", "show", "00100000001", "--json"]).expect("shown");
    run_in(path, &["contract", "add", "00100000001", "09012345678", "09000000000-09000000009"])
        .expect("added");
    run_in(path, &["contract", "remove", "00100000001", "09000000000"]).expect("removed");
    run_in(path, &["contract", "list", "--xpid", "00100000001", "--limit", "3"]).expect("listed");
    run_in(path, &["contract", "count"]).expect("counted");
    let store = crate::ops::store::Store::open(path).expect("a store");
    let registrations = store.registrations().expect("read");
    assert!(registrations[0].suspended && registrations[0].valid_until_ms < u64::MAX);
    assert_eq!(store.contract_counts().expect("counted")[0].1, 10);
}

#[test]
fn failures_name_cause_and_remedy() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    assert!(refusal(path, &["client", "list"]).contains("--data-dir"));
    assert!(!path.join("registry.sqlite").exists(), "a look makes nothing");
    assert!(refusal(path, &["client", "add", "00100000001"]).contains("--client"));
    run_in(path, &["client", "add", "00100000001", "--client", "City"]).expect("added");
    assert!(refusal(path, &["client", "add", "00100000001", "--client", "City"]).contains("client set"));
    assert!(refusal(path, &["client", "set", "00100000001"]).contains("--help"));
    assert!(refusal(path, &["client", "show", "00100000002"]).contains("client add"));
    assert!(refusal(path, &["contract", "add", "00100000002", "09012345678"]).contains("not registered"));
    assert!(refusal(path, &["contract", "import", "/nonexistent.csv"]).contains("/nonexistent.csv"));
}

#[test]
fn an_import_writes_every_refused_line_to_the_errors_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    run_in(path, &["client", "add", "00100000001", "--client", "City"]).expect("added");
    let (csv, errors) = (path.join("contracts.csv"), path.join("errors.csv"));
    let good: String =
        (0..120_000).map(|at| format!("{:011},00100000001\n", 9_000_000_000u64 + at)).collect();
    let bad: String = (0..150).map(|at| format!("bad{at},00100000001\n")).collect();
    std::fs::write(&csv, format!("msn,xpid\n{good}{bad}")).expect("written");
    let (csv, errors_word) = (csv.to_str().expect("plain"), errors.to_str().expect("plain"));
    let sentence = refusal(path, &["contract", "import", csv, "--errors", errors_word]);
    assert!(sentence.contains("150 lines"), "{sentence}");
    let text = std::fs::read_to_string(&errors).expect("written");
    assert_eq!(text.lines().count(), 151);
    assert!(
        text.lines().nth(1).expect("a line").starts_with("120002,\"\"\"bad0\"\" is not an msn"),
        "{text}"
    );
    let store = crate::ops::store::Store::open(path).expect("a store");
    assert_eq!(store.contract_counts().expect("counted")[0].1, 120_000);
}
