//! Kannel, the most used ESME there is: bearerbox and smsbox against our SMSC.

use crate::esmes::smsc;
use crate::peer::Running;
use loadgen::smpp::faults::{Faults, Share};
use loadgen::smpp::smsc::{Ids, Settings, Smsc};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::ports::free_address;
use tests::skips::skip;
use tests::wait;
use wire::smpp::id::IdForm;
use wire::smpp::status::Status;

/// Plain messages beside those of every kind.
pub(super) const COUNT: usize = 200;
/// What Kannel calls a message that was delivered, and one that the SMSC has taken.
pub(super) const DELIVERED: &str = "1";
const AT_SMSC: &str = "8";

/// Where Debian puts the boxes.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(own).map(|place| place.join(name)).find(|file| file.exists())
}

const CONFIG: &str = "kannel.conf";
/// The name by which smsbox makes itself known to bearerbox.
const BOX: &str = "hayauma";
/// How much of the end of a log a failed test shows, in lines.
const LOG_LINES: usize = 40;

/// Both boxes, and a server that takes their delivery reports. A test that fails shows the ends of
/// their logs.
pub(super) struct Kannel {
    send: SocketAddr,
    pub(super) reports: Reports,
    // smsbox before bearerbox, which waits for it.
    smsbox: Option<Running>,
    bearerbox: Option<Running>,
    directory: tempfile::TempDir,
}

impl Kannel {
    /// `None`, with a sentence, where it is not installed.
    fn start(smsc: &Smsc, more: &str) -> Option<Self> {
        Self::bind_to(smsc.address(), || smsc.report().sessions == 1, more)
    }

    /// The same with any SMSC that says whether somebody is bound.
    pub(super) fn bind_to(
        smsc: SocketAddr,
        is_bound: impl FnMut() -> bool,
        more: &str,
    ) -> Option<Self> {
        let (Some(bearerbox), Some(smsbox)) = (find("bearerbox"), find("smsbox")) else {
            skip("Kannel is not installed, tests/peers/install installs it");
            return None;
        };
        let directory = tempfile::tempdir().expect("a directory");
        let (admin, boxes, send) = (free_address(), free_address(), free_address());
        let text = configuration(smsc.port(), [admin, boxes, send].map(|one| one.port()), more);
        std::fs::write(directory.path().join(CONFIG), text).expect("written");
        let bearerbox = Some(start(&bearerbox, directory.path()));
        let mut kannel =
            Self { send, reports: Reports::listen(), smsbox: None, bearerbox, directory };
        wait::until_true("bearerbox listens", || TcpStream::connect(boxes).is_ok());
        wait::until_true("the bind", is_bound);
        kannel.smsbox = Some(start(&smsbox, kannel.directory.path()));
        kannel.wait_for_smsbox(admin);
        Some(kannel)
    }

    /// Waits until smsbox can take a request. It listens long before, and answers one without a
    /// name; one that has a name ends it while it has no connection to bearerbox yet ("PANIC:
    /// lock_out: Assertion `conn != NULL' failed"). Last of all it tells bearerbox its name.
    fn wait_for_smsbox(&self, admin: SocketAddr) {
        let name = format!("smsbox:{BOX},");
        let is_known = || ask(admin, "/status.txt").is_ok_and(|status| status.contains(&name));
        wait::until_true("bearerbox knows smsbox", is_known);
    }

    /// The last lines of each box's log, and how a box has ended.
    fn ends_of_logs(&mut self) -> String {
        let boxes = [("smsbox", &mut self.smsbox), ("bearerbox", &mut self.bearerbox)];
        let end = |(name, running): (&str, &mut Option<Running>)| {
            let ended = running.as_mut().and_then(|running| running.0.try_wait().ok().flatten());
            let state = ended.map_or_else(|| "runs".to_owned(), |status| status.to_string());
            let log = std::fs::read(self.directory.path().join(name).with_extension("log"));
            let log = String::from_utf8_lossy(&log.unwrap_or_default()).into_owned();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
            format!("{name} ({state}), the end of its log:\n{last}\n")
        };
        boxes.map(end).concat()
    }

    /// Asks smsbox to send; `fields` are of a query. The reports name the message `number`.
    pub(super) fn send(&self, number: usize, fields: &str) {
        let reports = self.reports.address;
        let path = format!(
            "/cgi-bin/sendsms?username=u&password=p&from=Hayauma&to=%2B8190{number:08}&dlr-mask=31&\
             dlr-url=http%3A%2F%2F{}%3A{}%2F%3Fn%3D{number}%26s%3D%25d&{fields}",
            reports.ip(),
            reports.port()
        );
        let answer = ask(self.send, &path).expect("smsbox listens");
        assert!(answer.contains(" 202 "), "{answer}");
    }
}

impl Drop for Kannel {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.ends_of_logs());
        }
    }
}

/// Starts a box with the configuration in `directory`.
fn start(program: &Path, directory: &Path) -> Running {
    let mut command = Command::new(program);
    command.args(["-v", "4", CONFIG]).current_dir(directory);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Running(child.expect("the box starts"))
}

/// What a box answers to a request for `path`.
fn ask(at: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(at)?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn configuration(smsc: u16, [admin, boxes, send]: [u16; 3], more: &str) -> String {
    format!(
        "group = core\nadmin-port = {admin}\nadmin-password = x\nadmin-interface = 127.0.0.1\n\
         smsbox-port = {boxes}\nsmsbox-interface = 127.0.0.1\nbox-allow-ip = 127.0.0.1\n\
         log-file = bearerbox.log\nlog-level = 1\ndlr-storage = internal\n\
         sms-resend-freq = 1\n\n\
         group = smsc\nsmsc = smpp\nsmsc-id = haya\nhost = 127.0.0.1\nport = {smsc}\n\
         smsc-username = peer\nsmsc-password = secret\nsystem-type = test\n\
         transceiver-mode = true\nenquire-link-interval = 2\nmax-pending-submits = 10\n\
         reconnect-delay = 1\n{more}\n\
         group = smsbox\nsmsbox-id = {BOX}\nbearerbox-host = 127.0.0.1\nsendsms-port = {send}\n\
         sendsms-interface = 127.0.0.1\nlog-file = smsbox.log\nlog-level = 1\n\n\
         group = sendsms-user\nusername = u\npassword = p\nmax-messages = 10\n\
         concatenation = true\n"
    )
}

/// Takes delivery reports: for each number what was told of it.
pub(super) struct Reports {
    address: SocketAddr,
    told: Arc<Mutex<BTreeMap<usize, Vec<String>>>>,
}

impl Reports {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("bound");
        let told = Arc::new(Mutex::new(BTreeMap::<_, Vec<_>>::new()));
        let book = Arc::clone(&told);
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let book = Arc::clone(&book);
                std::thread::spawn(move || take_reports(stream, &book));
            }
        });
        Self { address, told }
    }

    /// How many numbers were told this.
    pub(super) fn count(&self, state: &str) -> usize {
        let told = self.told.lock().expect("no panic");
        told.values().filter(|states| states.iter().any(|one| one == state)).count()
    }
}

/// Answers the requests of one connection.
fn take_reports(mut stream: TcpStream, book: &Mutex<BTreeMap<usize, Vec<String>>>) {
    let (mut octets, mut space) = (Vec::new(), [0; 4096]);
    loop {
        while let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&octets[..end]).into_owned();
            octets.drain(..end + 4);
            let path = head.split(' ').nth(1).unwrap_or_default();
            let field =
                |name: &str| path.split(['?', '&']).find_map(|field| field.strip_prefix(name));
            let number = field("n=").and_then(|number| number.parse().ok());
            if let (Some(number), Some(state)) = (number, field("s=")) {
                book.lock().expect("no panic").entry(number).or_default().push(state.to_owned());
            }
            if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                return;
            }
        }
        match stream.read(&mut space) {
            Ok(0) | Err(_) => return,
            Ok(count) => octets.extend_from_slice(&space[..count]),
        }
    }
}

fn settings() -> Settings {
    Settings {
        accounts: vec![("peer".into(), "secret".into())],
        receipt_delay: Duration::from_millis(20),
        ..Settings::default()
    }
}

/// Sends each kind of message and `COUNT` plain ones; every one is delivered, and its report says
/// so.
fn all_kinds(settings: Settings, more: &str) {
    let smsc = smsc(settings);
    let Some(kannel) = Kannel::start(&smsc, more) else { return };
    kannel.send(1, "text=Hello+from+Kannel");
    kannel.send(2, &format!("text={}", "a".repeat(200)));
    kannel.send(3, "coding=2&charset=UTF-8&text=%E6%97%A9%E9%A6%AC");
    kannel.send(4, "coding=1&udh=%06%05%04%15%8A%00%00&text=%01%02%03");
    for number in 0..COUNT {
        kannel.send(100 + number, "text=plain");
    }
    wait::until_true("every report", || kannel.reports.count(DELIVERED) == COUNT + 4);
    assert_eq!(kannel.reports.count(AT_SMSC), COUNT + 4, "the answer is a report of its own");
    let told = kannel.reports.told.lock().expect("no panic").clone();
    assert!(told.values().all(|states| states.iter().filter(|one| *one == DELIVERED).count() == 1));
    drop(kannel);
    wait::until_true("the unbind", || smsc.report().sessions == 0);
    let book = smsc.report();
    // Two parts of the long one, of which Kannel wants a receipt for the first alone.
    assert_eq!((book.taken, book.receipts_due), (COUNT as u64 + 5, COUNT as u64 + 4), "{book:?}");
    assert_eq!((book.receipts_waiting, book.taken_again), (0, 0), "{book:?}");
    assert!(book.bad_requests == 0 && book.oddities.is_empty(), "{book:?}");
}

#[test]
fn a_failed_test_shows_the_ends_of_both_logs() {
    let smsc = smsc(settings());
    let Some(mut kannel) = Kannel::start(&smsc, "") else { return };
    let killed = kannel.smsbox.as_mut().expect("started").0.kill();
    killed.expect("it ran");
    // Its port is shut before it has ended.
    wait::until_true("smsbox is gone", || kannel.ends_of_logs().contains("smsbox (signal"));
    let ends = kannel.ends_of_logs();
    let box_came = "Client connected from";
    for said in ["smsbox (signal: 9", "Set up send sms service", "bearerbox (runs)", box_came] {
        assert!(ends.contains(said), "{said} lacks: {ends}");
    }
}

#[test]
fn kannel_matches_every_receipt_of_ids_of_nineteen_digits() {
    let ids =
        Ids { response: IdForm::Decimal, receipt: IdForm::Text, first: 9_223_372_036_854_000_000 };
    all_kinds(Settings { ids, ..settings() }, "");
}

#[test]
fn kannel_matches_hexadecimal_answers_with_decimal_receipts() {
    let ids = Ids { response: IdForm::Hex, receipt: IdForm::Decimal, first: 48_879 };
    all_kinds(Settings { ids, ..settings() }, "msg-id-type = 1\n");
}

#[test]
fn kannel_sends_again_what_is_throttled_and_loses_nothing() {
    let faults =
        Faults { statuses: vec![(Status::THROTTLED, Share::one_in(100))], ..Faults::default() };
    let smsc = smsc(Settings { faults, ..settings() });
    let Some(kannel) = Kannel::start(&smsc, "") else { return };
    (0..COUNT).for_each(|number| kannel.send(100 + number, "text=plain"));
    wait::until_true("every report", || kannel.reports.count(DELIVERED) == COUNT);
    let book = smsc.report();
    assert!(book.answers["ESME_RTHROTTLED"] > 0, "{book:?}");
    assert_eq!((book.taken, book.taken_again), (COUNT as u64, 0), "{book:?}");
}
