//! What other people's programs find in the port: openssl's client, and a scan by sslyze where
//! tests/peers/install has installed it.

use crate::{MSN, site};
use simd_json::OwnedValue;
use simd_json::prelude::{ValueAsArray, ValueAsScalar, ValueObjectAccess};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tests::engine::Engine;
use tests::push::{Body, Request};
use tests::site::Site;
use tests::skips::skip;
use tests::tls::Authority;

/// What openssl's client said of one connection, and whether it was content.
struct Said {
    text: String,
    succeeded: bool,
}

/// openssl's client, connected to an engine of which it trusts the certificate.
struct Openssl<'a> {
    engine: &'a Engine,
    trusted: PathBuf,
}

impl<'a> Openssl<'a> {
    /// `None`, with a sentence, where there is no openssl.
    fn at(engine: &'a Engine, site: &Site, authority: &Authority) -> Option<Self> {
        let version = Command::new("openssl").arg("version").output();
        if !version.is_ok_and(|output| output.status.success()) {
            skip("there is no openssl here");
            return None;
        }
        let trusted = site.path("authority.pem");
        std::fs::write(&trusted, authority.pem()).expect("a writable directory");
        Some(Self { engine, trusted })
    }

    /// Connects, says this, and listens to the end.
    fn says(&self, more: &[&str], input: &[u8]) -> Said {
        let mut child = Command::new("openssl")
            .args(["s_client", "-verify_return_error", "-connect"])
            .arg(self.engine.push_address().to_string())
            .arg("-CAfile")
            .arg(&self.trusted)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl");
        // One that was refused does not read it.
        let _ = child.stdin.take().expect("a pipe").write_all(input);
        let output = child.wait_with_output().expect("it ends");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        Said { text, succeeded: output.status.success() }
    }
}

/// A push after which the engine ends the connection.
fn last_push(reqid: &str) -> Vec<u8> {
    let body = Body::push(MSN, reqid).octets();
    Request::post(&body).header("Connection", "close").octets()
}

#[test]
fn openssl_finds_tls13_alone_without_renegotiation_early_data_or_compression() {
    let authority = Authority::new();
    let site = site(&authority);
    let engine = site.start();
    let Some(openssl) = Openssl::at(&engine, &site, &authority) else { return };
    let ticket = site.path("ticket");
    let ticket = ticket.display().to_string();
    let fresh = openssl.says(&["-ign_eof", "-sess_out", &ticket], &last_push("fresh"));
    for part in [
        "<code>0000</code>",
        "TLSv1.3",
        "Verify return code: 0 (ok)",
        "Compression: NONE",
        "Early data was not sent",
        "Max Early Data: 0",
    ] {
        assert!(fresh.text.contains(part), "{part}: {}", fresh.text);
    }
    for version in ["-tls1", "-tls1_1", "-tls1_2"] {
        let refused = openssl.says(&["-ign_eof", "-cipher", "ALL@SECLEVEL=0", version], b"");
        assert!(!refused.succeeded, "{version}: {}", refused.text);
        assert!(!refused.text.contains("BEGIN CERTIFICATE"), "{version}: {}", refused.text);
    }
    let again = openssl.says(&["-ign_eof", "-sess_in", &ticket], &last_push("again"));
    assert!(again.text.contains("<code>0000</code>"), "{}", again.text);
    assert!(again.text.contains("Reused, TLSv1.3"), "{}", again.text);

    // A push as early data is not taken as one: it would come twice.
    let early = site.path("early");
    std::fs::write(&early, last_push("early")).expect("a writable directory");
    let early = early.display().to_string();
    let refused =
        openssl.says(&["-ign_eof", "-sess_in", &ticket, "-early_data", &early], &last_push("late"));
    assert!(!refused.text.contains("Early data was accepted"), "{}", refused.text);
    let lives = site.must(&["push", "show", MSN]);
    assert!(lives.contains("again") && !lives.contains("early"), "{lives}");

    // "R" on a line of its own asks for a renegotiation; TLS 1.3 has none.
    let renegotiated = openssl.says(&[], b"R\n");
    assert!(!renegotiated.text.contains("verify depth is 0\nRENEGOTIATED"));
    assert!(!renegotiated.succeeded, "{}", renegotiated.text);

    // A client that offers a key share which the engine lacks is told which it takes, and comes in
    // by one step more.
    let asked = openssl.says(&["-ign_eof", "-groups", "P-521:P-256"], &last_push("asked"));
    assert!(asked.text.contains("<code>0000</code>"), "{}", asked.text);
    engine.stop();
}

/// sslyze, in the environment that tests/peers/install makes.
fn sslyze() -> Option<Command> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let packages = std::env::var_os("HAYAUMA_PEERS").map(PathBuf::from);
    let packages = root.join(packages.unwrap_or_else(|| "target/peers".into()));
    let python = packages.join("tls/bin/python");
    let probe = Command::new(&python).args(["-c", "import sslyze"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        skip("sslyze is not installed, tests/peers/install installs it");
        return None;
    }
    let mut command = Command::new(python);
    command.args(["-B", "-m", "sslyze"]);
    Some(command)
}

/// The value behind these names.
fn at<'a>(value: &'a OwnedValue, names: &[&str]) -> &'a OwnedValue {
    names.iter().fold(value, |value, name| {
        value.get(*name).unwrap_or_else(|| panic!("no {name} of {names:?} in {value}"))
    })
}

#[test]
fn a_scan_by_sslyze_finds_nothing_amiss() {
    let Some(mut command) = sslyze() else { return };
    let authority = Authority::new();
    let site = site(&authority);
    let engine = site.start();
    let report = site.path("scan.json");
    let scans = [
        "--sslv2",
        "--sslv3",
        "--tlsv1",
        "--tlsv1_1",
        "--tlsv1_2",
        "--tlsv1_3",
        "--reneg",
        "--early_data",
        "--compression",
        "--resum",
        "--heartbleed",
        "--robot",
        "--openssl_ccs",
        "--fallback",
        "--elliptic_curves",
        "--ems",
    ];
    let output = command
        .args(scans)
        .arg("--json_out")
        .arg(&report)
        .arg(engine.push_address().to_string())
        .output()
        .expect("sslyze");
    let mut text = std::fs::read(&report)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let document = simd_json::to_owned_value(&mut text).expect("JSON");
    let servers = at(&document, &["server_scan_results"]).as_array().expect("a list");
    let found = at(&servers[0], &["scan_result"]);
    let accepted = |scan: &str| {
        let suites = at(found, &[scan, "result", "accepted_cipher_suites"]);
        suites.as_array().expect("a list").len()
    };
    for older in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2"] {
        assert_eq!(accepted(&format!("{older}_cipher_suites")), 0, "{older}");
    }
    assert!(accepted("tls_1_3_cipher_suites") >= 2);
    let says = |names: &[&str]| at(found, names).as_bool();
    assert_eq!(says(&["tls_1_3_early_data", "result", "supports_early_data"]), Some(false));
    assert_eq!(says(&["tls_compression", "result", "supports_compression"]), Some(false));
    assert_eq!(says(&["heartbleed", "result", "is_vulnerable_to_heartbleed"]), Some(false));
    assert_eq!(
        says(&["openssl_ccs_injection", "result", "is_vulnerable_to_ccs_injection"]),
        Some(false)
    );
    let renegotiation =
        ["session_renegotiation", "result", "is_vulnerable_to_client_renegotiation_dos"];
    assert_eq!(says(&renegotiation), Some(false));
    let robot = at(found, &["robot", "result", "robot_result"]).as_str().unwrap_or_default();
    assert!(robot.starts_with("NOT_VULNERABLE"), "{robot}");
    // The engine has been asked a hundred odd things, and goes on.
    let mut client = tests::tls::Secure::open(engine.push_address(), &authority.client(None))
        .expect("a handshake");
    assert_eq!(client.ask(&Body::push(MSN, "scanned").request()).code(), "0000");
    engine.stop();
}
