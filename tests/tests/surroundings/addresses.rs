//! Addresses, the environment and the configuration as an operator meets them.

use super::{MSN, ask_port, check_refusal, site, site_with_client};
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::process::Command;
use tests::engine::Finished;
use tests::http::Connection;
use tests::push::Body;
use tests::skips::skip;

#[test]
fn pushes_come_in_at_every_address_that_is_named() {
    let mut site = site_with_client();
    let (second, third) = (tests::ports::free_address(), tests::ports::free_address());
    let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let any = if has_v6 { "[::]" } else { "0.0.0.0" };
    let first = site.push_address();
    let named = format!("{first},localhost:{},{any}:{}", second.port(), third.port());
    site.set("--listen", &named);
    let engine = site.start();
    let mut reached = vec![first, second, third];
    if has_v6 {
        reached.push(SocketAddr::from((Ipv6Addr::LOCALHOST, third.port())));
    }
    for (number, address) in reached.into_iter().enumerate() {
        let push = Body::push(MSN, &format!("address-{number}"));
        assert_eq!(Connection::open(address).ask(&push.request()).code(), "0000", "{address}");
    }
    engine.stop();
}

#[test]
fn the_admin_port_and_that_of_probes_take_names_and_every_address_too() {
    let mut site = site_with_client();
    let token = site.must(&["token", "add", "tests", "--role", "read"]);
    let (admin, health) = (tests::ports::free_address(), tests::ports::free_address());
    site.set("--admin", &format!("localhost:{}", admin.port()));
    site.set("--health", &format!(":{}", health.port()));
    let engine = site.start();
    assert_eq!(ask_port(admin, "GET", "/status", "", Some(token.trim())).status(), 200);
    assert_eq!(ask_port(health, "GET", "/readyz", "", None).text(), "ready\n");
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        let health = SocketAddr::from((Ipv6Addr::LOCALHOST, health.port()));
        assert_eq!(ask_port(health, "GET", "/readyz", "", None).text(), "ready\n");
    }
    engine.stop();
}

#[test]
fn a_name_that_nobody_knows_is_named() {
    let mut site = site();
    site.set("--listen", "nowhere.invalid:8080");
    let finished = site.serve_and_fail(&[]);
    check_refusal("no name", &finished, 14, &["nowhere.invalid:8080", "--listen"]);
    site.set("--listen", "127.0.0.1");
    let finished = site.serve_and_fail(&[]);
    assert_eq!(finished.status, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("HOST:PORT"), "{}", finished.stderr);
}

/// As anybody else than the superuser meets it.
#[test]
fn port_80_without_the_right_says_which_right_lacks() {
    let free_from = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let free_from: u16 = free_from.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1024);
    let mut site = site();
    site.set("--listen", "127.0.0.1:80");
    let served = site.command(&site.serve_arguments());
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-net_bind_service", "--inh-caps", "-net_bind_service"]);
    command.arg(served.get_program()).args(served.get_args()).current_dir(site.directory());
    if free_from <= 80 || Command::new("setpriv").arg("--version").output().is_err() {
        skip("this host has no setpriv, or anybody may bind port 80");
        return;
    }
    let finished = Finished::of(command, "serve");
    let parts = ["127.0.0.1:80", "may not bind", "CAP_NET_BIND_SERVICE", "--listen"];
    check_refusal("port 80", &finished, 14, &parts);
}

#[test]
fn variables_of_a_kubernetes_service_are_told_once_and_end_nothing() {
    let mut site = site_with_client();
    site.set("--log", "warn");
    let engine = site.spawn(&[
        ("HAYAUMA_PORT", "tcp://10.0.0.1:8080".as_ref()),
        ("HAYAUMA_SERVICE_HOST", "10.0.0.1".as_ref()),
        ("HAYAUMA_SHARD", "3".as_ref()),
    ]);
    tests::wait::until_true("a healthy engine", || engine.admin().is_healthy());
    let log = engine.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("HAYAUMA_")).collect();
    assert_eq!(told.len(), 1, "{log}");
    for part in
        ["HAYAUMA_PORT,", "HAYAUMA_SERVICE_HOST", "HAYAUMA_SHARD (is HAYAUMA_SHARDS meant?)"]
    {
        assert!(told[0].contains(part), "{part}: {log}");
    }
    engine.stop();
}

#[test]
fn a_filter_of_the_log_that_does_not_exist_is_refused_and_times_carry_their_zone() {
    let mut site = site_with_client();
    for filter in ["inof", "info,hayauma::contrl=debug"] {
        site.set("--log", filter);
        let parts = [filter, "debug", "hayauma::control"];
        check_refusal(filter, &site.serve_and_fail(&[]), 10, &parts);
    }
    site.set("--log", "warn,hayauma::start=info,hayauma::control=info");
    let engine = site.start();
    engine.stop();
    let log = std::fs::read_to_string(site.path("engine.log")).expect("a log");
    assert!(log.lines().count() > 1, "{log}");
    for line in log.lines() {
        let time = line.split_whitespace().next().unwrap_or_default();
        assert!(time.starts_with("20") && time.ends_with('Z'), "a time with its zone: {line}");
    }
}

#[test]
fn the_configuration_is_printed_checked_and_read_again() {
    let site = site();
    let run = |arguments: &[&str]| Finished::of(site.command(arguments), "config");
    let default = run(&["config", "default"]);
    assert_eq!(default.status, Some(0), "{default:?}");
    assert!(default.stdout.contains("\nlisten = [\"127.0.0.1:8080\"]\n"), "{}", default.stdout);
    let path = site.path("printed.toml");
    std::fs::write(&path, &default.stdout).expect("a writable directory");
    let file = path.display().to_string();
    let checked = run(&["config", "check", "--config", &file]);
    assert_eq!((checked.status, checked.stderr.as_str()), (Some(0), ""), "{checked:?}");
    let shown = run(&["config", "show", "--config", &file, "--listen", ":9000"]);
    assert!(shown.stdout.contains("listen = [\":9000\"]\n"), "{shown:?}");
    let mut command = site.command(&["config", "check"]);
    command.env("HAYAUMA_SHARD", "1");
    let warned = Finished::of(command, "config");
    assert!(warned.status == Some(0) && warned.stderr.contains("HAYAUMA_SHARDS"), "{warned:?}");
    let refused = run(&["config", "check", "--shards", "0"]);
    check_refusal("no shards", &refused, 10, &["shards = 0"]);
    assert!(!site.data_dir().exists(), "nothing was made");
}
