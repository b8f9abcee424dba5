//! Starts that cannot be.

use super::{check_refusal, site, site_with_client};
use std::net::TcpListener;
use std::path::Path;
use tests::push::Body;

#[test]
fn a_data_directory_in_use_is_not_shared() {
    let site = site_with_client();
    let engine = site.start();
    let listen = tests::ports::free_address().to_string();
    let mut arguments = site.serve_arguments();
    arguments.retain(|argument| !argument.starts_with("--listen"));
    arguments.extend(["--listen".to_owned(), listen]);
    let finished = tests::engine::Finished::of(site.command(&arguments), "a second engine");
    let directory = site.data_dir().display().to_string();
    check_refusal("in use", &finished, 12, &[&directory, &engine.pid().to_string(), "--data-dir"]);
    assert!(engine.admin().is_healthy(), "the first one is not disturbed");
    engine.stop();
}

#[test]
fn ports_in_use_and_addresses_of_others_are_named() {
    let ports =
        [("--listen", "push port"), ("--admin", "admin port"), ("--health", "port of probes")];
    for (option, what) in ports {
        let mut site = site();
        site.must(&["token", "add", "tests", "--role", "read"]);
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("a bound listener").to_string();
        site.set(option, &address);
        let finished = site.serve_and_fail(&[]);
        check_refusal(what, &finished, 14, &[what, &address, "in use", option]);
        // An address for documentation, which no host has.
        site.set(option, "192.0.2.1:8080");
        let open: &[&str] = if option == "--admin" { &["--admin-open"] } else { &[] };
        let finished = site.serve_and_fail(open);
        check_refusal(what, &finished, 14, &[what, "192.0.2.1:8080", option]);
    }
    let mut site = site();
    site.set("--admin", "0.0.0.0:0");
    check_refusal(
        "an open admin port",
        &site.serve_and_fail(&[]),
        10,
        &["0.0.0.0:0", "--admin-open", "--admin-tls-cert"],
    );
    let finished = site.serve_and_fail(&["--admin-open"]);
    check_refusal("without a token", &finished, 10, &["0.0.0.0:0", "hayauma token add"]);
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let mut site = site();
    let file = site.path("file");
    std::fs::write(&file, "not a directory").expect("a writable directory");
    // Not even the superuser may write to procfs.
    for directory in [file.join("data"), file.clone(), Path::new("/proc/hayauma").to_owned()] {
        let shown = directory.display().to_string();
        site.set("--data-dir", &shown);
        let finished = site.serve_and_fail(&[]);
        let named =
            if shown.starts_with("/proc") { "/proc" } else { file.to_str().expect("UTF-8") };
        check_refusal(&shown, &finished, 13, &[named, "--data-dir"]);
    }
}

#[test]
fn a_queue_that_does_not_fit_into_as_many_shards_is_told_and_the_old_layout_still_serves() {
    let mut site = site_with_client();
    site.set("--network-default-line-state", "absent").set("--durability", "process");
    site.shards(2).set("--segment-bytes", "256KiB").set("--queue-bytes", "16MiB");
    let engine = site.start();
    let text = "a".repeat(1_500);
    let push = |number: u64| {
        Body::text(&format!("{:011}", 9_000_000_000 + number), &format!("fit-{number}"), &text)
    };
    let mut connection = engine.connect();
    for number in 0..600 {
        tests::wait::until_true("room", || {
            connection.ask(&push(number).request()).code() != "8002"
        });
    }
    engine.stop();
    site.shards(1).set("--queue-bytes", "1MiB");
    check_refusal(
        "no room",
        &site.serve_and_fail(&[]),
        17,
        &["does not fit", "--queue-bytes", "--shards 2"],
    );
    site.shards(2).set("--queue-bytes", "16MiB");
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..600 {
        assert_eq!(connection.ask(&push(number).request()).code(), "0001");
    }
    engine.stop();
}

#[test]
fn arguments_and_settings_that_make_no_sense_are_named() {
    let site = site();
    let unknown = site.serve_and_fail(&["--wings"]);
    assert_eq!(unknown.status, Some(2), "{}", unknown.stderr);
    assert!(
        unknown.refusal().contains("--help") && unknown.stderr.contains("--wings"),
        "{}",
        unknown.stderr
    );
    for (arguments, status, parts) in [
        (&["--request-timeout-ms", "5"][..], 10, &["request-timeout-ms = 5", "10 to"][..]),
        (&["--idle-timeout-ms", "5"], 10, &["idle-timeout-ms = 5"]),
        (&["--waiting-per-msn-max", "0"], 10, &["waiting-per-msn-max = 0"]),
        (
            &["--network-default-line-state", "flying"],
            10,
            &["network-default-line-state", "flying"],
        ),
        (&["--network-time-scale", "1.5"], 10, &["network-time-scale = 1.5"]),
    ] {
        let finished = site.serve_and_fail(arguments);
        check_refusal(arguments[0], &finished, status, parts);
    }
    for (name, value, part) in
        [("HAYAUMA_REQUEST_TIMEOUT_MS", "soon", "soon"), ("HAYAUMA_DURABILITY", "hope", "hope")]
    {
        let mut command = site.command(&site.serve_arguments());
        command.env(name, value);
        let finished = tests::engine::Finished::of(command, "serve");
        check_refusal(name, &finished, 10, &[name, part]);
    }
}

#[test]
fn a_configuration_file_that_is_wrong_is_named_with_the_line() {
    let site = site();
    let path = site.path("hayauma.toml");
    let shown = path.display().to_string();
    let finished = site.serve_and_fail(&["--config", &shown]);
    check_refusal("no file", &finished, 10, &[&shown, "cannot be read", "--config"]);
    for (text, parts) in [
        ("durability = \"power\"\nwings = 2\n", &["line 2", "wings"][..]),
        ("\n\ndurability = power\n", &["line 3"]),
        ("durability = \"hope\"\n", &["line 1", "hope"]),
        ("idle_timeout_ms = -1\n", &["line 1"]),
        ("network_outcomes = { busy = 2.0 }\n", &["busy", "2"]),
        ("\u{0}", &["line 1"]),
    ] {
        std::fs::write(&path, text).expect("a writable directory");
        let finished = site.serve_and_fail(&["--config", &shown]);
        check_refusal(text, &finished, 10, &[&[&shown[..]], parts].concat());
    }
    std::fs::write(&path, "waiting_per_msn_max = 0\n").expect("a writable directory");
    let finished = site.serve_and_fail(&["--config", &shown]);
    check_refusal("out of range", &finished, 10, &["waiting-per-msn-max = 0"]);
}

#[test]
fn a_configuration_file_that_is_right_is_used() {
    let mut site = site();
    let path = site.path("hayauma.toml");
    let (push, admin) = (site.push_address(), tests::ports::free_address());
    let text = format!(
        "listen = \"{push}\"\nadmin = \"{admin}\"\nshards = 2\nqueue_bytes = \"32MiB\"\n\
         segment_bytes = 1048576\ndata_dir = \"{}\"\n",
        site.data_dir().display()
    );
    std::fs::write(&path, text).expect("a writable directory");
    for option in ["--listen", "--shards", "--queue-bytes", "--segment-bytes", "--data-dir"] {
        site.unset(option);
    }
    site.set("--config", &path.display().to_string());
    let engine = site.start();
    assert_eq!(engine.admin().status().shards.len(), 2);
    engine.stop();
}

#[test]
fn line_states_that_cannot_be_read_are_named() {
    let mut site = site();
    let path = site.path("lines.csv");
    let shown = path.display().to_string();
    site.set("--network-line-states", &shown);
    let finished = site.serve_and_fail(&[]);
    check_refusal("no file", &finished, 10, &[&shown, "cannot be read"]);
    std::fs::write(&path, "msn,state\n09000000000,home\n0900000000,home\n09000000002,flying\n")
        .expect("writable");
    let finished = site.serve_and_fail(&[]);
    finished.refusal();
    for part in [&shown[..], "line 3", "line 4", "flying"] {
        assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
    }
    assert_eq!(finished.status, Some(10));
}

#[test]
fn a_host_that_lacks_the_driver_that_was_asked_for_is_told_so() {
    let mut site = site();
    site.set("--io", "uring");
    let mut command = site.command(&site.serve_arguments());
    command.env(tests::seccomp::VARIABLE, "no-io-uring");
    let finished = tests::engine::Finished::of(command, "serve");
    let why = tests::seccomp::why_without_io_uring(true).expect("a reason");
    check_refusal("no io_uring", &finished, 11, &["io_uring", why, "--io poll"]);
    assert!(!site.data_dir().exists(), "nothing was begun");
}

#[test]
fn a_registry_that_is_no_database_is_named_and_left_alone() {
    let site = site_with_client();
    site.start().stop();
    let path = site.data_dir().join("registry.sqlite");
    let nonsense = vec![0x5a; 20_000];
    std::fs::write(&path, &nonsense).expect("a writable directory");
    let finished = site.serve_and_fail(&[]);
    check_refusal("no database", &finished, 15, &["registry.sqlite"]);
    assert_eq!(std::fs::read(&path).expect("readable"), nonsense);
}
