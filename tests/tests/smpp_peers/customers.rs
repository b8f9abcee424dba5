//! Their clients bind to a running engine as its customers.

use crate::kannel::{COUNT, DELIVERED, Kannel};
use crate::peer::{Runner, Seen};
use std::net::SocketAddr;
use tests::bill::Bill;
use tests::engine::Engine;
use tests::ports::free_address;
use tests::push::XPID;
use tests::site::Site;
use tests::wait;

/// Plain messages beside those of every kind.
const PLAIN: u64 = 100;

/// An engine, and the account that the peers' scripts bind with.
struct Gateway {
    site: Site,
    engine: Engine,
    smpp: SocketAddr,
}

impl Gateway {
    fn start() -> Self {
        let mut site = Site::new(tests::programs!());
        let smpp = free_address();
        site.set("--smpp", &smpp.to_string()).shards(2);
        let file = site.path("password");
        std::fs::write(&file, "secret").expect("a writable directory");
        let file = file.display().to_string();
        let account = ["--system-id", "peer", "--smpp-password-file", &file];
        site.add_client(XPID, &[&account[..], &["--network", "127.0.0.0/8"]].concat());
        site.add_contracts(XPID, &["09000000000-09000000999"]);
        let engine = site.start();
        Self { site, engine, smpp }
    }

    fn figure(&self, name: &str) -> u64 {
        self.engine.admin().figure(name)
    }

    /// Stops the engine; every push that was taken was delivered, and the books say so.
    #[track_caller]
    fn close(self, pushes: u64) {
        wait::until_true("the end of all sessions", || self.figure("smpp_sessions") == 0);
        assert_eq!(self.figure("smpp_receipts_failed"), 0);
        assert_eq!(self.figure("smpp_customer_oddities"), 0);
        self.engine.stop();
        let bill = Bill::of_these_days(&self.site);
        assert_eq!(["accepted", "delivered"].map(|column| bill.sum(XPID, column)), [pushes; 2]);
        assert!(self.site.must(&["billing", "reconcile"]).contains("the books add up"));
    }
}

/// Runs a script as a customer; what it saw, or nothing where it is not installed.
#[track_caller]
fn serve(runner: Runner, package: &str, script: &str) -> Option<(Seen, Gateway)> {
    let mut command = runner.script(package, script)?;
    let gateway = Gateway::start();
    command.args([gateway.smpp.port().to_string(), PLAIN.to_string()]);
    Some((Seen::by(command), gateway))
}

/// Each of `seen`'s ids has its receipt with this state.
#[track_caller]
fn assert_receipted(seen: &Seen, state: &str) -> u64 {
    let mut ids = seen.list("ids");
    ids.sort();
    let wanted: Vec<_> = ids.into_iter().map(|id| (id, state.to_owned())).collect();
    assert_eq!(seen.map("receipts"), wanted);
    assert_eq!(wanted.len() as u64, seen.number("sent"));
    seen.number("sent")
}

#[test]
fn python_smpplib_is_a_customer() {
    let peer = serve(Runner::Python("py"), "smpplib", "smpplib_esme.py");
    let Some((seen, gateway)) = peer else { return };
    let sent = assert_receipted(&seen, "DELIVRD");
    assert_eq!(seen.list("refused"), ["14", "15"]);
    assert_eq!((seen.number("query"), seen.map("statuses")), (2, Vec::new()));
    assert_eq!(gateway.figure("smpp_binds"), 3);
    gateway.close(sent);
}

#[test]
fn node_smpp_is_a_customer() {
    let Some((seen, gateway)) = serve(Runner::Node, "smpp", "node_esme.js") else { return };
    let sent = assert_receipted(&seen, "2");
    assert_eq!(seen.list("refused"), ["14", "15"]);
    let answers = ["query", "cancel", "replace", "multi"].map(|name| seen.number(name));
    // A submit_multi to nobody is told so.
    assert_eq!(answers, [2, 0x11, 0x13, 0x33]);
    gateway.close(sent);
}

#[test]
fn aiosmpplib_is_a_customer() {
    let peer = serve(Runner::Python("py"), "aiosmpplib", "aiosmpplib_esme.py");
    let Some((seen, gateway)) = peer else { return };
    let sent = assert_receipted(&seen, "DELIVRD");
    assert_eq!(seen.list("errors"), <[String; 0]>::default());
    gateway.close(sent);
}

#[test]
fn smpp34_is_a_customer() {
    let peer = serve(Runner::Python("py"), "smpp34", "smpp34_esme.py");
    let Some((seen, gateway)) = peer else { return };
    assert_eq!((seen.number("answers"), seen.number("receipts")), (PLAIN, PLAIN));
    gateway.close(PLAIN);
}

#[test]
fn smpp_twisted_is_a_customer() {
    let peer = serve(Runner::Python("tw"), "smpp.twisted.client", "twisted_esme.py");
    let Some((seen, gateway)) = peer else { return };
    let sent = assert_receipted(&seen, "DELIVERED");
    assert_eq!(seen.list("refused"), ["SMPPTransactionError"]);
    gateway.close(sent);
}

#[test]
fn net_smpp_is_a_customer() {
    let peer = serve(Runner::Perl, "Net::SMPP", "netsmpp_esme.pl");
    let Some((seen, gateway)) = peer else { return };
    let sent = assert_receipted(&seen, "DELIVRD");
    assert_eq!(seen.list("refused"), ["14"]);
    gateway.close(sent);
}

#[test]
fn kannel_is_a_customer() {
    let gateway = Gateway::start();
    let is_bound = || gateway.figure("smpp_sessions") == 1;
    let Some(kannel) = Kannel::bind_to(gateway.smpp, is_bound, "") else { return };
    kannel.send(1, "text=Hello+from+Kannel");
    kannel.send(2, &format!("text={}", "a".repeat(200)));
    kannel.send(3, "coding=2&charset=UTF-8&text=%E6%97%A9%E9%A6%AC");
    kannel.send(4, "coding=1&udh=%06%05%04%15%8A%00%00&text=%01%02%03");
    for number in 0..COUNT {
        kannel.send(100 + number, "text=plain");
    }
    wait::until_true("every report", || kannel.reports.count(DELIVERED) == COUNT + 4);
    drop(kannel);
    // Two parts of the long one.
    gateway.close(COUNT as u64 + 5);
}
