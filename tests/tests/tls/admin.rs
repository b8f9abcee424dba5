//! The admin port over TLS: commands from another host, whom they do not trust, and who does not
//! get in.

use crate::{MSN, site};
use std::net::SocketAddr;
use tests::engine::Finished;
use tests::push::XPID;
use tests::site::Site;
use tests::tls::{Authority, Certified, Made, NAME};
use tests::wait;

/// An engine with an admin port over TLS, and a token for it.
struct Far {
    site: Site,
    address: SocketAddr,
    token: String,
}

impl Far {
    fn new(authority: &Authority, certified: &Certified) -> Self {
        let mut site = site(authority);
        let address = tests::ports::free_address();
        let token = site.must(&["token", "add", "far-away", "--role", "admin"]);
        let token = site.token_file(token.trim());
        site.set("--admin", &address.to_string());
        let mut far = Self { site, address, token };
        far.use_certificate(certified);
        let files = [("--admin-tls-cert", "admin.pem"), ("--admin-tls-key", "admin.key.pem")];
        for (flag, name) in files {
            let path = far.site.path(name).display().to_string();
            far.site.set(flag, &path);
        }
        far.trust("ca", authority);
        far
    }

    fn use_certificate(&self, certified: &Certified) {
        certified.write(self.site.directory(), "admin");
    }

    /// A file with this authority, under a name.
    fn trust(&self, name: &str, authority: &Authority) -> String {
        let path = self.site.path(&format!("{name}.pem"));
        std::fs::write(&path, authority.pem()).expect("a writable directory");
        path.display().to_string()
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.address.port())
    }

    /// Runs a command with these further arguments, and no data directory.
    fn run(&self, arguments: &[&str], more: &[&str]) -> Finished {
        Finished::of(self.site.command(&[arguments, more].concat()), &arguments.join(" "))
    }

    /// Runs a command at the port as it should be.
    #[track_caller]
    fn must(&self, arguments: &[&str]) -> String {
        let ca = self.site.path("ca.pem").display().to_string();
        let url = self.url("localhost");
        let more = ["--admin", &url, "--admin-ca", &ca, "--admin-token", &self.token];
        let finished = self.run(arguments, &more);
        assert_eq!(finished.status, Some(0), "{arguments:?}: {finished:?}");
        finished.stdout
    }

    /// What `client list` says under these arguments, which must refuse it.
    #[track_caller]
    fn refusal(&self, more: &[&str]) -> String {
        let finished = self.run(&["client", "list"], more);
        assert_eq!(finished.stdout, "", "{more:?}");
        finished.refusal().to_owned()
    }
}

fn good(authority: &Authority) -> Certified {
    authority.certify(&["localhost", "127.0.0.1"], Made::Well)
}

#[test]
fn every_command_of_the_admin_door_speaks_to_an_admin_port_over_tls() {
    let authority = Authority::new();
    let far = Far::new(&authority, &good(&authority));
    let engine = far.site.start();
    // It serves before it says so.
    let printed = || std::fs::read_to_string(far.site.path("engine.out")).expect("readable");
    let url = format!("admin: https://{}", far.address);
    wait::until_true("the port in words", || printed().contains(&url));
    let other = "00100000009";
    far.must(&["client", "add", other, "--client", "far"]);
    far.must(&["client", "set", other, "--rate", "9"]);
    assert!(far.must(&["client", "show", other]).contains("far"));
    assert!(far.must(&["client", "list"]).contains(XPID));
    assert_eq!(far.must(&["contract", "add", other, MSN]), "added 1, already there 0\n");
    let file = far.site.path("contracts.csv");
    std::fs::write(&file, format!("msn,xpid\n09000000001,{other}\n")).expect("writable");
    assert!(far.must(&["contract", "import", &file.display().to_string()]).contains("imported 1"));
    assert!(far.must(&["contract", "list", "--xpid", other]).contains(MSN));
    assert!(far.must(&["contract", "count"]).contains(other));
    assert_eq!(far.must(&["contract", "remove", other, MSN]), "removed 1, not there 0\n");
    assert!(far.must(&["token", "add", "second", "--role", "read"]).starts_with("hayauma-"));
    assert!(far.must(&["token", "list"]).contains("far-away"));
    assert_eq!(far.must(&["token", "remove", "second"]), "removed 1\n");
    assert!(far.must(&["queue"]).contains("WAITS"));
    assert!(far.must(&["queue", "show", "--json"]).starts_with('{'));
    assert_eq!(far.must(&["notify", "list"]), "0 parked\n");
    assert_eq!(far.must(&["notify", "replay"]), "0 sent again\n");
    assert_eq!(far.must(&["notify", "discard", "--all"]), "0 discarded\n");
    assert_eq!(far.must(&["network", "set", "absent", MSN]), "changed 1\n");
    far.must(&["client", "remove", other, "--with-contracts"]);
    let audit = far.site.must(&["audit", "--actor", "far-away"]);
    assert!(audit.lines().count() >= 11, "each in the token's name: {audit}");
    assert!(!engine.log().contains("hayauma-"), "no secret is logged: {}", engine.log());
    // The environment holds the token as well as a file.
    let (ca, url) = (far.site.path("ca.pem").display().to_string(), far.url("127.0.0.1"));
    let mut command = far.site.command(&["client", "list", "--admin", &url, "--admin-ca", &ca]);
    command.env("HAYAUMA_ADMIN_TOKEN", std::fs::read_to_string(&far.token).expect("a token"));
    let finished = Finished::of(command, "client list");
    assert_eq!(finished.status, Some(0), "{finished:?}");
    engine.stop();
}

#[test]
fn an_admin_port_that_is_not_who_it_should_be_is_refused_with_a_sentence_and_told_nothing() {
    let (authority, others) = (Authority::new(), Authority::new());
    let far = Far::new(&authority, &good(&authority));
    let engine = far.site.start();
    let ca = far.site.path("ca.pem").display().to_string();
    let other = far.trust("others", &others);
    let url = far.url("localhost");
    let under = |url: &str, ca: &str| {
        far.refusal(&["--admin", url, "--admin-ca", ca, "--admin-token", &far.token])
    };
    let nothing = "nothing was sent";
    let check = |sentence: &str, parts: &[&str]| {
        for part in parts {
            assert!(sentence.contains(part), "{part:?} in {sentence}");
        }
    };
    check(&under(&url, &other), &[nothing, "no authority that is trusted", "--admin-ca"]);
    let without = far.refusal(&["--admin", &url, "--admin-token", &far.token]);
    check(&without, &[nothing, "no authority that is trusted", "--admin-ca"]);
    for (certified, part) in [
        (authority.certify(&[NAME], Made::Well), "made for another name"),
        (authority.certify(&["localhost"], Made::Expired), "has expired"),
        (self_signed(), "no authority that is trusted"),
    ] {
        far.use_certificate(&certified);
        engine.signal(libc::SIGHUP);
        wait::until_true(part, || under(&url, &ca).contains(part));
        check(&under(&url, &ca), &[nothing, part]);
    }
    far.use_certificate(&good(&authority));
    engine.signal(libc::SIGHUP);
    wait::until_true("a good certificate", || {
        let more = ["--admin", &url, "--admin-ca", &ca, "--admin-token", &far.token];
        far.run(&["client", "list"], &more).status == Some(0)
    });
    // Plain text, wrong tokens, none, and what a URL may not be.
    let plain = format!("http://{}", far.address);
    check(&far.refusal(&["--admin", &plain, "--admin-token", &far.token]), &["status 400"]);
    let missing = far.refusal(&["--admin", &url, "--admin-ca", &ca]);
    check(&missing, &["wants a token", "--admin-token", "HAYAUMA_ADMIN_TOKEN"]);
    let wrong = far.site.token_file("hayauma-0");
    let wrong = far.refusal(&["--admin", &url, "--admin-ca", &ca, "--admin-token", &wrong]);
    check(&wrong, &["none of this engine's"]);
    let push = format!("https://{}", tests::ports::free_address());
    check(&under(&push, &ca), &["cannot be reached", "--admin"]);
    let both = ["--data-dir", ".", "--admin", &url, "--admin-token", &far.token];
    check(&far.refusal(&both), &["--data-dir", "leave one of them out"]);
    for (url, part) in
        [("http://192.0.2.1:1", "use https://"), ("https://a:b@localhost:1", "no secret")]
    {
        let finished = far.run(&["client", "list"], &["--admin", url]);
        assert!(finished.status == Some(2) && finished.stderr.contains(part), "{finished:?}");
    }
    // What reads the directory itself says so.
    for command in [&["audit"][..], &["billing", "reconcile"], &["push", "show", MSN]] {
        let finished = far.run(command, &["--admin", &url]);
        assert!(finished.refusal().contains("on the engine's host"), "{finished:?}");
    }
    assert!(!far.site.must(&["audit"]).contains("far-away client"), "nothing was done");
    engine.stop();
}

/// A certificate that nobody but itself vouches for.
fn self_signed() -> Certified {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    Certified { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

#[test]
fn an_admin_port_that_asks_for_client_certificates_takes_no_token_without_one() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let mut far = Far::new(&authority, &good(&authority));
    let asked = far.trust("clients", &clients);
    far.site.set("--admin-tls-client-ca", &asked);
    let engine = far.site.start();
    let (ca, url) = (far.site.path("ca.pem").display().to_string(), far.url("localhost"));
    let more = ["--admin", &url, "--admin-ca", &ca, "--admin-token", &far.token];
    let refused = far.refusal(&more);
    assert!(refused.contains("ertificate"), "{refused}");
    for (issuer, let_in) in [(&authority, false), (&clients, true)] {
        let (shown, key) = issuer.certify(&["ops"], Made::Well).write(far.site.directory(), "ops");
        let (shown, key) = (shown.display().to_string(), key.display().to_string());
        let showing = [&more[..], &["--admin-cert", &shown, "--admin-key", &key]].concat();
        let finished = far.run(&["client", "list"], &showing);
        assert_eq!(finished.status == Some(0), let_in, "{finished:?}");
    }
    wait::until_true("a word about it", || {
        engine.log().contains("a TLS handshake at the admin port failed")
    });
    let half = far.refusal(&[&more[..], &["--admin-cert", &ca]].concat());
    assert!(half.contains("belong together"), "{half}");
    engine.stop();
}

#[test]
fn an_admin_port_for_other_hosts_wants_a_certificate_or_says_that_it_is_open() {
    let authority = Authority::new();
    let mut far = Far::new(&authority, &good(&authority));
    far.site.set("--admin", &format!("0.0.0.0:{}", far.address.port()));
    let engine = far.site.start();
    assert!(far.must(&["client", "list"]).contains(XPID));
    assert!(!engine.log().contains("plain text"), "{}", engine.log());
    engine.stop();
    far.site.unset("--admin-tls-cert").unset("--admin-tls-key");
    let refused = far.site.serve_and_fail(&[]);
    assert_eq!(refused.status, Some(10), "{refused:?}");
    for part in ["--admin-tls-cert", "--admin-open"] {
        assert!(refused.refusal().contains(part), "{refused:?}");
    }
    far.site.set("--admin-open", "true");
    let engine = far.site.start();
    assert!(engine.log().contains("speaks plain text to other hosts"), "{}", engine.log());
    engine.stop();
}

#[test]
fn an_admin_port_for_other_hosts_is_not_opened_while_nobody_has_a_token_for_it() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().expect("a directory");
    let certified = good(&authority).write(directory.path(), "admin");
    let pair = [("--admin-tls-cert", &certified.0), ("--admin-tls-key", &certified.1)];
    for is_secure in [false, true] {
        let mut site = Site::new(tests::programs!());
        site.set("--admin", &format!("0.0.0.0:{}", tests::ports::free_address().port()));
        match is_secure {
            true => pair.iter().for_each(|(name, path)| {
                site.set(name, &path.display().to_string());
            }),
            false => drop(site.set("--admin-open", "true")),
        }
        let refused = site.serve_and_fail(&[]);
        assert_eq!(refused.status, Some(10), "{refused:?}");
        for part in ["nobody has a token for it", "hayauma token add"] {
            assert!(refused.refusal().contains(part), "{refused:?}");
        }
        site.must(&["token", "add", "boss", "--role", "admin"]);
        site.start().stop();
    }
}
