//! The admin doors of a whole engine: the socket whatever its path, the port with its token, the
//! port of probes, and the audit over a kill.

use super::{MSN, ask_port, site_with_client};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use tests::engine::Finished;
use tests::http::Answer;
use tests::push::XPID;

/// The answer to a GET, under this token if there is one.
fn get(address: SocketAddr, path: &str, token: Option<&str>) -> Answer {
    ask_port(address, "GET", path, "", token)
}

#[test]
fn a_demo_writes_a_token_for_its_admin_port_and_probes_need_none() {
    let mut site = site_with_client();
    let (admin, health) = (tests::ports::free_address(), tests::ports::free_address());
    site.set("--demo", "true").set("--admin", &admin.to_string());
    site.set("--health", &health.to_string());
    let engine = site.start();
    let file = site.data_dir().join("admin.token");
    let mode = std::fs::metadata(&file).expect("a token").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = std::fs::read_to_string(&file).expect("readable");
    let token = token.trim();
    let statuses =
        [None, Some("hayauma-0"), Some(token)].map(|token| get(admin, "/status", token).status());
    assert_eq!(statuses, [401, 401, 200]);
    assert_eq!(get(admin, "/status", None).header("WWW-Authenticate"), Some("Bearer"));
    assert_eq!(get(health, "/readyz", None).text(), "ready\n");
    assert_eq!(
        [get(health, "/status", None).status(), get(health, "/metrics", Some(token)).status()],
        [404; 2]
    );
    let printed = std::fs::read_to_string(site.path("engine.out")).expect("readable");
    assert!(printed.contains("admin.token") && !printed.contains(token), "{printed}");
    assert!(!engine.log().contains(token));
    engine.stop();
    assert!(
        !file.exists() && !site.data_dir().join("admin.sock").exists(),
        "what was the engine's goes"
    );
}

#[test]
fn commands_reach_an_engine_however_long_its_path_is() {
    let mut site = site_with_client();
    let deep = site.path(&"d".repeat(100)).join("e".repeat(100));
    std::fs::create_dir_all(&deep).expect("a writable directory");
    let data = deep.join("data").display().to_string();
    site.set("--data-dir", &data);
    let engine = site.start();
    assert_eq!(engine.admin().status().shards.len(), 1);
    let arguments = ["client", "add", XPID, "--client", "deep", "--data-dir", &data];
    let added = Finished::of(site.command(&arguments), "client add");
    assert_eq!(added.status, Some(0), "{added:?}");
    let answer = engine.admin().request("GET", "/clients", "");
    assert!(answer.text().contains("deep"), "the engine has it: {answer:?}");
    engine.stop();
}

#[test]
fn a_command_acts_under_the_token_that_it_is_given() {
    let site = site_with_client();
    let engine = site.start();
    let token = site.must(&["token", "add", "watcher", "--role", "read"]);
    let under = |arguments: &[&str]| {
        let mut command = site.command(arguments);
        command.arg("--data-dir").arg(site.data_dir()).env("HAYAUMA_ADMIN_TOKEN", token.trim());
        Finished::of(command, "a command under a token")
    };
    assert_eq!(under(&["queue"]).status, Some(0));
    for refused in
        [&["client", "set", XPID, "--suspended"][..], &["contract", "list"], &["token", "list"]]
    {
        let finished = under(refused);
        assert!(finished.refusal().contains("watcher has not the role"), "{finished:?}");
    }
    assert_eq!(site.must(&["token", "remove", "watcher"]), "removed 1\n");
    assert!(under(&["queue"]).refusal().contains("none of this engine's"));
    assert!(!engine.log().contains(token.trim()));
    engine.stop();
}

#[test]
fn the_audit_outlives_a_kill_goes_into_a_backup_and_tells_a_cut_end() {
    let site = site_with_client();
    let engine = site.start();
    site.must(&["client", "set", XPID, "--rate", "7"]);
    engine.kill();
    site.must(&["contract", "add", XPID, "09000001000"]);
    let engine = site.start();
    let line = format!("{{\"msns\":[\"{MSN}\"],\"state\":\"absent\"}}");
    engine.admin().request("PUT", "/network/lines", &line);
    let listed = site.must(&["audit"]);
    for part in
        ["client set 00100000001", "\"rate_per_second\":7", "contract add", "network set absent"]
    {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    assert!(listed.lines().all(|line| line.contains("+09:00 uid:")), "{listed}");
    assert!(site.must(&["audit", "verify"]).contains("1 file:"));
    let copy = site.path("copy").display().to_string();
    site.must(&["queue", "backup", &site.data_dir().display().to_string(), &copy]);
    let in_copy = Finished::of(site.command(&["audit", "verify", "--data-dir", &copy]), "verify");
    assert_eq!(in_copy.status, Some(0), "{in_copy:?}");
    engine.stop();
    let file = site.data_dir().join("audit.jsonl");
    let text = std::fs::read_to_string(&file).expect("an audit");
    let end = text.trim_end().rfind('\n').expect("several lines") + 1;
    std::fs::write(&file, &text[..end]).expect("writable");
    let cut = site.run(&["audit", "verify"]);
    assert!(cut.refusal().contains("not what was written"), "{cut:?}");
    assert!(cut.stderr.contains("its end was cut"), "{cut:?}");
}
