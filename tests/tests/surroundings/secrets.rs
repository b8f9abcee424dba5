//! What is nobody's business stands in no log, however much is logged.

use super::ask_port;
use tests::esme::{Esme, Submit, command};
use tests::ports::free_address;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::smsc;
use tests::smsc::Smsc;
use tests::wait;

const MSN: &str = "09010000001";
const SYSTEM_ID: &str = "customer1";

/// A file with this secret.
fn file(site: &Site, name: &str, secret: &str) -> String {
    let path = site.path(name);
    std::fs::write(&path, secret).expect("a writable directory");
    path.display().to_string()
}

#[test]
fn no_text_token_password_or_secret_stands_in_a_log_at_its_lowest_level() {
    let (recorder, peer) = (Recorder::start(), Smsc::start());
    let mut site = Site::new(tests::programs!());
    let smpp = free_address();
    site.set("--smpp", &smpp.to_string()).set("--log", "trace");
    let admin = free_address();
    site.set("--admin", &admin.to_string());
    let own = [("push-token", "marker-1-token"), ("password", "marker-2")];
    let [token, password] = own.map(|(name, secret)| file(&site, name, secret));
    let signing = file(&site, "signing", "marker-3-of-the-signature-of-notices");
    let account = ["--system-id", SYSTEM_ID, "--smpp-password-file", &password];
    let more = ["--network", "127.0.0.0/8", "--notify-url", &recorder.url()];
    let proofs = ["--token-file", &token, "--notify-secret-file", &signing];
    site.add_client(XPID, &[&account[..], &more, &proofs].concat());
    site.add_contracts(XPID, &["09010000000-09010000999"]);
    let admin_token = site.must(&["token", "add", "boss", "--role", "admin"]);
    let engine = site.start();

    // Orders that have secrets, on a running engine.
    let next = file(&site, "next", "marker-4-token");
    site.must(&["client", "set", XPID, "--next-token-file", &next]);
    let carrier = file(&site, "carrier", smsc::PASSWORD);
    let host = peer.address().to_string();
    let account = ["--host", &host, "--system-id", smsc::SYSTEM_ID, "--password-file", &carrier];
    site.must(&[&["carrier", "add", "alpha"][..], &account].concat());
    site.must(&["carrier", "route", "add", "0901", "alpha"]);
    wait::until_true("a bound carrier", || peer.bound() > 0);

    // Pushes by HTTP: with the right token, with a wrong one, and malformed.
    let text = Body::text(MSN, "by-http", "marker-6 text");
    let ask = |octets: Vec<u8>| engine.connect().ask(&octets).code();
    assert_eq!(ask(text.request_with_token("marker-1-token")), "0000");
    assert_eq!(ask(text.request_with_token("marker-7-token")), "2001");
    let malformed = text.with("reqid", "no reqid");
    assert_ne!(ask(malformed.request_with_token("marker-1-token")), "0000");

    // By SMPP: a wrong password, a right one, a text.
    let kind = command::BIND_TRANSCEIVER;
    let mut esme = Esme::connect(smpp);
    assert_ne!(esme.bind(kind, SYSTEM_ID, "marker-9", 0x34).status, 0);
    let mut esme = Esme::bound(smpp, kind, SYSTEM_ID, "marker-2");
    esme.accepted(&Submit::text(MSN, "marker-10 text"));
    peer.await_sms(2);
    recorder.await_count(1);

    // At the admin port: its token, and one that is none.
    let ask = |token| ask_port(admin, "GET", "/clients", "", Some(token)).status();
    assert_eq!([admin_token.trim(), "marker-11-token"].map(ask), [200, 401]);
    engine.admin().await_durable();
    let log = engine.log();
    assert!(log.lines().any(|line| line.contains("TRACE") || line.contains("DEBUG")), "{log}");
    engine.stop();
    for line in log.lines() {
        assert!(!line.contains("marker-"), "{line}");
        assert!(!line.contains(admin_token.trim()) && !line.contains(smsc::PASSWORD), "{line}");
    }
}

/// Arguments whose values would be secrets that everybody on the host sees.
fn shown_secrets(command: &clap::Command) -> Vec<String> {
    let of_subcommands = command.get_subcommands().flat_map(shown_secrets);
    let own = command.get_arguments().filter(|argument| argument.get_action().takes_values());
    let own = own.filter_map(|argument| {
        let values: Vec<&str> = argument
            .get_value_names()
            .unwrap_or_default()
            .iter()
            .map(|name| name.as_str())
            .collect();
        let text = format!("{} {values:?}", argument.get_id()).to_lowercase();
        let words = ["token", "password", "secret", "key", "credential"];
        let is_secret = words.iter().any(|word| text.contains(word));
        // Where it stands, or the name of a token.
        let is_named = ["FILE", "VARIABLE", "NAME"].iter().any(|name| values == [*name]);
        (is_secret && !is_named).then(|| format!("{} {text}", command.get_name()))
    });
    of_subcommands.chain(own).collect()
}

#[test]
fn no_command_takes_a_secret_but_from_a_file_or_a_variable() {
    for command in [hayauma::cli::command(), loadgen::cli::command()] {
        assert_eq!(shown_secrets(&command), Vec::<String>::new(), "{}", command.get_name());
    }
}

#[test]
fn an_argument_that_would_show_a_secret_is_seen_in_whatever_command() {
    let argument = |id: &'static str, value: &'static str| {
        clap::Arg::new(id).long(id).value_name(value).action(clap::ArgAction::Set)
    };
    let command = clap::Command::new("x").subcommand(
        clap::Command::new("y")
            .arg(argument("password", "TEXT"))
            .arg(argument("proof", "TOKEN"))
            .arg(argument("token-file", "FILE"))
            .arg(argument("text", "TEXT")),
    );
    assert_eq!(shown_secrets(&command), ["y password [\"text\"]", "y proof [\"token\"]"]);
}
