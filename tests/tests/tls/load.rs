//! The load generator over TLS of its own: a drill, pushes to a target that is named https, and
//! targets that it does not trust.

use crate::{ask_for_certificates, site};
use std::process::Command;
use tests::engine::Finished;
use tests::push::XPID;
use tests::site::Site;
use tests::tls::{Authority, Made};
use tests::wait;

/// Runs the load generator in the place's directory.
#[track_caller]
fn load(site: &Site, arguments: &[&str]) -> Finished {
    let mut command = Command::new(tests::programs!().load);
    command.args(arguments).current_dir(site.directory()).stdin(std::process::Stdio::null());
    Finished::of(command, &arguments.join(" "))
}

/// What is said of a clean run of so many pushes.
fn accepted(pushes: u32) -> String {
    format!("attempted {pushes} · accepted {pushes} ·")
}

#[test]
fn a_drill_over_tls_is_clean_and_says_so() {
    let site = Site::new(tests::programs!());
    let arguments =
        ["drill", "--tls", "--pushes", "5000", "--json", "drill.json", "--data-dir", "drill"];
    let finished = load(&site, &[&arguments[..], &["--", "--queue-bytes", "256MiB"]].concat());
    assert_eq!(finished.status, Some(0), "{finished:?}");
    let verdict = "attempted 5000 · accepted 5000 · delivered 5000 · notified 5000 · lost 0 · \
        duplicated 0 · unexpected 0";
    assert!(finished.stdout.contains(verdict), "{}", finished.stdout);
    assert!(finished.stdout.contains("over TLS 1.3"), "{}", finished.stdout);
    let json = std::fs::read_to_string(site.path("drill.json")).expect("the figures");
    assert!(json.contains("\"interface\": \"https\""), "{json}");
    let key = std::fs::metadata(site.path("drill/key.pem")).expect("its key");
    let mode = std::os::unix::fs::PermissionsExt::mode(&key.permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn pushes_and_plans_go_to_an_https_target_that_is_trusted_with_a_certificate_if_asked() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let mut site = site(&authority);
    site.add_contracts(XPID, &["09000000000-09000000999"]);
    let named = authority.certify(&["localhost"], Made::Well);
    crate::use_certificate(&mut site, &named);
    ask_for_certificates(&mut site, &clients);
    let engine = site.start();
    std::fs::write(site.path("ca.pem"), authority.pem()).expect("a writable directory");
    clients.certify(&["load"], Made::Well).write(site.directory(), "load");
    let target = format!("https://localhost:{}/smsgw/", engine.push_address().port());
    let tls = ["--tls-ca", "ca.pem", "--tls-cert", "load.pem", "--tls-key", "load.key.pem"];
    let push = ["push", "--pushes", "2000", "--msns", "09000000000:1000", "--target", &target];
    let finished = load(&site, &[&push[..], &tls].concat());
    assert!(finished.stdout.contains(&accepted(2_000)), "{finished:?}");
    assert_eq!(finished.status, Some(0), "{finished:?}");
    let shaken = engine.admin().figure("tls_handshakes");
    assert_eq!(shaken, 16, "each connection is kept");

    let plan = format!(
        "target = \"{target}\"\ntls_ca = \"ca.pem\"\ntls_cert = \"load.pem\"\n\
         tls_key = \"load.key.pem\"\n[msns]\nrange = \"09000000000:1000\"\n[[phase]]\n\
         kind = \"load\"\nrate_per_s = 500\nseconds = 1\n"
    );
    std::fs::write(site.path("plan.toml"), plan).expect("a writable directory");
    let finished = load(&site, &["run", "plan.toml"]);
    assert!(finished.stdout.contains(&accepted(500)), "{finished:?}");

    // A client that shows no certificate is told why, and so is one that does not trust.
    let finished = load(&site, &[&push[..], &tls[..2]].concat());
    assert_eq!(finished.status, Some(1), "{finished:?}");
    assert!(finished.stdout.contains("CertificateRequired"), "{finished:?}");
    let finished = load(&site, &push);
    assert!(finished.stderr.contains("--tls-ca"), "{finished:?}");
    assert_eq!(finished.stderr.trim().lines().count(), 1, "{finished:?}");
    engine.stop();
}

#[test]
fn connections_that_the_engine_ends_are_made_again_by_a_ticket_and_lose_nothing() {
    let authority = Authority::new();
    let mut site = site(&authority);
    site.add_contracts(XPID, &["09000000000-09000000999"]);
    let named = authority.certify(&["localhost"], Made::Well);
    crate::use_certificate(&mut site, &named);
    let engine = site.start();
    std::fs::write(site.path("ca.pem"), authority.pem()).expect("a writable directory");
    let target = format!("https://localhost:{}", engine.push_address().port());
    let mut command = Command::new(tests::programs!().load);
    let arguments = ["push", "--pushes", "3000", "--rate", "1000", "--msns", "09000000000:1000"];
    command.args(arguments).args(["--target", &target, "--tls-ca", "ca.pem"]);
    command.current_dir(site.directory()).stdin(std::process::Stdio::null());
    let running = std::thread::spawn(move || Finished::of(command, "push"));
    wait::until_true("some pushes", || engine.admin().figure("pushes_accepted") > 300);
    let engine = {
        engine.kill();
        site.start()
    };
    let finished = running.join().expect("no panic");
    assert!(finished.stdout.contains(&accepted(3_000)), "{finished:?}");
    assert!(engine.admin().figure("tls_handshakes") >= 16, "every one was made again");
    engine.stop();
}

#[test]
fn a_demo_over_tls_prints_what_can_be_pasted() {
    let authority = Authority::new();
    let mut site = Site::new(tests::programs!());
    crate::use_certificate(&mut site, &authority.certify(&["localhost"], Made::Well));
    let mut command = site.command(&site.serve_arguments());
    command.arg("--demo");
    let engine = site.start_command(command);
    let printed = || std::fs::read_to_string(site.path("engine.out")).unwrap_or_default();
    wait::until_true("the invitation", || printed().contains("Ctrl-C"));
    let said = printed();
    let url = format!("https://{}/smsgw/", engine.push_address());
    assert_eq!(said.matches(&url).count(), 2, "{said}");
    assert!(said.contains("--cacert ") && !said.contains("http://127"), "{said}");
    engine.stop();
}
