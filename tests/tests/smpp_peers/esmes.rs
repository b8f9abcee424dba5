//! Their clients bind to our SMSC.

use crate::peer::{Runner, Seen};
use loadgen::smpp::smsc::{ReceiptForm, Report, Settings, Smsc};
use std::net::SocketAddr;
use std::time::Duration;
use tests::wait;

/// Plain messages beside those of every kind.
const COUNT: u64 = 100;

fn settings() -> Settings {
    Settings {
        accounts: vec![("peer".into(), "secret".into())],
        receipt_delay: Duration::from_millis(5),
        ..Settings::default()
    }
}

pub(super) fn smsc(settings: Settings) -> Smsc {
    Smsc::start(SocketAddr::from(([127, 0, 0, 1], 0)), settings, &[]).expect("a loopback port")
}

/// Runs the peer's script against an SMSC; what either saw, or nothing where it is not installed.
#[track_caller]
fn converse(
    runner: Runner,
    package: &str,
    script: &str,
    settings: Settings,
) -> Option<(Seen, Report)> {
    let mut command = runner.script(package, script)?;
    let smsc = smsc(settings);
    let (port, count) = (smsc.address().port().to_string(), COUNT.to_string());
    let seen = Seen::by({
        command.args([port, count]);
        command
    });
    wait::until_true("the end of all sessions", || smsc.report().sessions == 0);
    Some((seen, smsc.report()))
}

/// Each of `seen`'s ids has its receipt with this state, and the SMSC says the same.
#[track_caller]
fn assert_receipted(seen: &Seen, book: &Report, state: &str) {
    let sent = seen.number("sent");
    let mut ids = seen.list("ids");
    ids.sort();
    let wanted: Vec<_> = ids.into_iter().map(|id| (id, state.to_owned())).collect();
    assert_eq!(seen.map("receipts"), wanted, "{book:?}");
    assert_eq!((wanted.len() as u64, book.submits, book.taken), (sent, sent, sent), "{book:?}");
    assert_eq!(
        (book.receipts_taken, book.receipts_waiting, book.taken_again),
        (sent, 0, 0),
        "{book:?}"
    );
    assert!(book.bad_requests == 0 && book.oddities.is_empty(), "{book:?}");
}

#[test]
fn python_smplib_binds_in_every_way_and_gets_every_receipt() {
    let peer = converse(Runner::Python("py"), "smpplib", "smpplib_esme.py", settings());
    let Some((seen, book)) = peer else { return };
    assert_receipted(&seen, &book, "DELIVRD");
    // A wrong password and an unknown name, each with its status.
    assert_eq!(seen.list("refused"), ["14", "15"]);
    // A transceiver, a receiver and a transmitter; a query that says delivered.
    assert_eq!((book.binds, book.unbinds, book.binds_refused), (3, 3, 2), "{book:?}");
    assert_eq!((seen.number("query"), book.queries), (2, 1));
    assert_eq!(seen.map("statuses"), []);
}

#[test]
fn node_smpp_submits_every_kind_of_message_and_is_told_what_there_is_not() {
    let Some((seen, book)) = converse(Runner::Node, "smpp", "node_esme.js", settings()) else {
        return;
    };
    assert_receipted(&seen, &book, "2");
    assert_eq!(seen.list("refused"), ["14", "15"]);
    // cancel_sm of what has ended, replace_sm, and a command that nobody knows.
    let answers = ["query", "cancel", "replace", "multi"].map(|name| seen.number(name));
    assert_eq!(answers, [2, 0x11, 0x13, 0x03]);
    assert_eq!((book.binds, book.unbinds, book.refused_requests), (1, 1, 1), "{book:?}");
}

#[test]
fn aiosmpplib_gets_every_receipt() {
    let peer = converse(Runner::Python("py"), "aiosmpplib", "aiosmpplib_esme.py", settings());
    let Some((seen, book)) = peer else { return };
    assert_receipted(&seen, &book, "DELIVRD");
    assert_eq!(seen.list("errors"), <[String; 0]>::default());
}

#[test]
fn smpp34_fills_its_window_and_gets_every_receipt() {
    let Some((seen, book)) = converse(Runner::Python("py"), "smpp34", "smpp34_esme.py", settings())
    else {
        return;
    };
    assert_eq!((seen.number("answers"), seen.number("receipts")), (COUNT, COUNT));
    assert_eq!((book.taken, book.receipts_taken, book.unbinds), (COUNT, COUNT, 1), "{book:?}");
    assert!(book.oddities.is_empty() && book.bad_requests == 0, "{book:?}");
}

#[test]
fn smpp_twisted_reads_our_pdus_by_its_strict_tables() {
    let peer = converse(Runner::Python("tw"), "smpp.twisted.client", "twisted_esme.py", settings());
    let Some((seen, book)) = peer else { return };
    assert_receipted(&seen, &book, "DELIVERED");
    assert_eq!(seen.list("refused"), ["SMPPTransactionError"]);
    assert_eq!(seen.list("errors"), <[String; 0]>::default());
}

#[test]
fn net_smpp_gets_every_receipt_and_reads_a_refused_bind() {
    let text = Settings { receipt_form: ReceiptForm::Text, ..settings() };
    let Some((seen, book)) = converse(Runner::Perl, "Net::SMPP", "netsmpp_esme.pl", text) else {
        return;
    };
    assert_receipted(&seen, &book, "DELIVRD");
    assert_eq!((seen.list("refused"), book.unbinds), (vec!["14".to_owned()], 1));
}
