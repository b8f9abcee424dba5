//! The load generator as an HTTP client, against small servers that each do one thing: what they
//! answer is counted as what it is, what they close is obeyed, and what is no push gateway ends the
//! run with a sentence.

use loadgen::ledger::Tally;
use loadgen::plan::Plan;
use loadgen::run::{Outcome, run};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const PUSHES: u64 = 300;
/// No run of these takes as long, were it to wait for anything.
const SOON: Duration = Duration::from_secs(8);

/// What a server does with a request: the octets to answer with, and whether it keeps the
/// connection.
type Reaction = (Vec<u8>, bool);

/// A server on a port of its own; `requests` counts what it read.
struct Server {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
}

/// A push request as it came: the run's number of the push, its msn and reqid.
struct Request {
    index: u64,
    msn: String,
    reqid: String,
}

impl Server {
    /// Greets each connection with `greeting`; `None`: closes it at once. `react` gets the request
    /// and its number on the connection.
    fn start(
        greeting: Option<&'static [u8]>,
        react: impl Fn(&Request, u64) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
        let address = listener.local_addr().expect("a bound listener");
        let (requests, react) = (Arc::new(AtomicU64::new(0)), Arc::new(react));
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (counted, react) = (Arc::clone(&counted), Arc::clone(&react));
                std::thread::spawn(move || serve(stream, greeting, &counted, &*react));
            }
        });
        Self { address, requests }
    }

    fn answering(react: impl Fn(&Request, u64) -> Reaction + Send + Sync + 'static) -> Self {
        Self::start(Some(b""), react)
    }

    fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }
}

fn serve(
    stream: TcpStream,
    greeting: Option<&[u8]>,
    counted: &AtomicU64,
    react: &dyn Fn(&Request, u64) -> Reaction,
) {
    let (Ok(mut writer), Some(greeting)) = (stream.try_clone(), greeting) else { return };
    if writer.write_all(greeting).is_err() {
        return;
    }
    let mut reader = BufReader::new(stream);
    for number in 0.. {
        let Some(request) = read_request(&mut reader) else { return };
        counted.fetch_add(1, Relaxed);
        let (octets, keeps) = react(&request, number);
        if writer.write_all(&octets).is_err() {
            return;
        }
        if !keeps {
            // A close with requests unread would reset the connection, answer and all.
            let _ = writer.shutdown(Shutdown::Write);
            let _ = std::io::copy(&mut reader, &mut std::io::sink());
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&octets| octets > 0)?;
        match line.strip_prefix("Content-Length: ") {
            Some(value) => length = value.trim().parse().expect("a number"),
            None if line == "\r\n" => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).expect("UTF-8");
    let element = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>")).expect("the element");
        rest.split_once("</").expect("the element's end").0.to_owned()
    };
    let reqid = element("reqid");
    let index = reqid[reqid.len() - 13..].parse().expect("the push's number");
    Some(Request { index, msn: element("msn"), reqid })
}

fn body(request: &Request, code: &str) -> String {
    format!(
        "<?xml version = \"1.0\" ?>\r\n<msn>{}</msn>\r\n<reqid>{}</reqid>\r\n\
         <svcid>00100000001</svcid>\r\n<sepmaxnum>1</sepmaxnum>\r\n<code>{code}</code>\r\n",
        request.msn, request.reqid
    )
}

/// 200 and the push response, with further header lines.
fn accepted(request: &Request, fields: &str) -> Vec<u8> {
    let body = body(request, "0000");
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn plan(target: SocketAddr) -> Plan {
    let mut plan = Plan { pushes: PUSHES, notify: false, pipeline: 8, ..Plan::new(target) };
    plan.patience.reconnect_for = Duration::from_millis(400);
    plan
}

fn drive(server: &Server) -> Outcome {
    carry_out(plan(server.address))
}

fn carry_out(plan: Plan) -> Outcome {
    let begun = Instant::now();
    let outcome = run(plan, None).expect("the server is up");
    assert!(begun.elapsed() < SOON, "the run took {:?}", begun.elapsed());
    outcome
}

fn all_accepted() -> Tally {
    Tally { attempted: PUSHES, accepted: PUSHES, ..Tally::default() }
}

#[test]
fn a_proxys_page_is_an_error_of_its_status_and_its_push_is_not_sent_again() {
    let page = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n\
        <html>bad</html";
    let server = Server::answering(|request, _| match request.index % 3 {
        0 => (page.to_vec(), true),
        _ => (accepted(request, ""), true),
    });
    let outcome = drive(&server);
    assert_eq!(server.requests(), PUSHES);
    assert_eq!(outcome.ledger.http_errors(), [(502, PUSHES / 3)]);
    let expected =
        Tally { accepted: PUSHES - PUSHES / 3, http_errors: PUSHES / 3, ..all_accepted() };
    assert_eq!(outcome.tally, expected);
    assert!(!outcome.is_clean());
    assert_eq!(
        (outcome.sent.connections_lost, outcome.sent.malformed, outcome.sent.resent),
        (0, 0, 0)
    );
    assert_eq!(
        outcome.tally.to_string(),
        "attempted 300 · accepted 200 · HTTP errors 100 · no notification awaited"
    );
}

#[test]
fn a_connection_that_the_target_closes_as_it_said_is_closed_and_not_lost() {
    let server =
        Server::answering(|request, _| (accepted(request, "Connection: close\r\n"), false));
    let outcome = drive(&server);
    assert_eq!(outcome.tally, all_accepted());
    assert!(outcome.is_clean());
    let sent = &outcome.sent;
    assert_eq!((sent.connections_lost, sent.connections_closed), (0, PUSHES));
    // Only what was pipelined before the first answer on each of the four connections goes out a
    // second time.
    assert!(sent.resent <= 4 * 7, "{} sent again", sent.resent);
    assert_eq!(server.requests(), PUSHES, "the target took no push twice");
}

#[test]
fn a_target_that_ends_a_connection_now_and_then_gets_what_was_behind_that_answer_again() {
    let server = Server::answering(|request, number| match number {
        9 => (accepted(request, "connection: Close\r\n"), false),
        _ => (accepted(request, ""), true),
    });
    let outcome = drive(&server);
    assert_eq!(outcome.tally, all_accepted());
    let sent = &outcome.sent;
    assert_eq!((sent.connections_lost, sent.malformed), (0, 0));
    assert!(
        (PUSHES / 10 - 4..=PUSHES / 10).contains(&sent.connections_closed),
        "{}",
        sent.connections_closed
    );
}

#[test]
fn answers_of_every_framing_are_read() {
    let server = Server::answering(|request, _| {
        let body = body(request, "0000");
        let length = body.len();
        let (front, back) = body.split_at(60);
        let chunks =
            format!("{:X}\r\n{front}\r\n{:x};x=y\r\n{back}\r\n0\r\n\r\n", front.len(), back.len());
        let (text, keeps) = match request.index % 7 {
            0 => (format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"), true),
            1 => (format!("HTTP/1.1 200 OK\r\nServer: x\r\n\r\n{body}"), false),
            2 => (
                format!(
                    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\
                     \r\n{body}"
                ),
                true,
            ),
            3 => (
                format!(
                    "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nCONTENT-LENGTH: {length}\r\n\r\n\
                     {body}"
                ),
                true,
            ),
            4 => (format!("HTTP/1.1 200\ncontent-length: {length}\nx: y\n\n{body}"), true),
            5 => (format!("HTTP/1.0 200 OK\r\n\r\n{body}"), false),
            _ => (
                format!("HTTP/1.1 200 OK\r\ncontent-length:{length}\r\nDate: x\r\n\r\n{body}"),
                true,
            ),
        };
        (text.into_bytes(), keeps)
    });
    // One at a time: a server that closes with requests unread resets the connection, and that is a
    // lost one.
    let outcome = carry_out(Plan { pipeline: 1, ..plan(server.address) });
    assert_eq!(outcome.tally, all_accepted());
    assert!(outcome.is_clean());
    assert_eq!((outcome.sent.connections_lost, outcome.sent.malformed), (0, 0));
}

#[test]
fn what_is_no_push_gateway_ends_the_run_at_once_and_is_named() {
    let nothing: fn(&Request, u64) -> Reaction = |_, _| (Vec::new(), true);
    let foreign: fn(&Request, u64) -> Reaction = |request, _| {
        let other = Request {
            reqid: "another-client-0000001".to_owned(),
            msn: request.msn.clone(),
            index: 0,
        };
        (accepted(&other, ""), true)
    };
    for (greeting, react, said) in [
        (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], nothing, "began with \"SSH-2.0-OpenSSH_9.2\""),
        (b"\x15\x03\x01\x00\x02\x02\x46", nothing, "speaks TLS"),
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03", nothing, "speaks HTTP/2"),
        (b"HTTP/1.1 2x0 OK\r\n", nothing, "breaks the protocol"),
        (b"", foreign, "belongs to no request"),
    ] {
        let server = Server::start(Some(greeting), react);
        let outcome = drive(&server);
        let sentence = outcome.sent.failure.clone().expect("the run gave up");
        assert!(
            sentence.contains(said) && sentence.contains(&server.address.to_string()),
            "{sentence}"
        );
        assert!(sentence.ends_with("name the engine's port for push clients."), "{sentence}");
        assert!(!outcome.is_clean() && server.requests() <= 4 * 8);
    }
}

#[test]
fn a_target_that_takes_connections_and_closes_them_ends_the_run() {
    let server = Server::start(None, |_, _| (Vec::new(), false));
    let outcome = drive(&server);
    let sentence = outcome.sent.failure.clone().expect("the run gave up");
    assert!(sentence.contains("takes connections and has answered nothing for"), "{sentence}");
    assert_eq!(outcome.tally.accepted, 0);
    // One that reads the request first as well.
    let server = Server::answering(|_, _| (Vec::new(), false));
    let sentence = drive(&server).sent.failure.expect("the run gave up");
    assert!(sentence.contains("closed the connection without an answer"), "{sentence}");
}

#[test]
fn a_target_that_reads_and_never_answers_ends_the_run() {
    let server = Server::answering(|_, _| (Vec::new(), true));
    let mut plan = plan(server.address);
    plan.patience.answer_within = Duration::from_millis(300);
    let begun = Instant::now();
    let sentence =
        run(plan, None).expect("the server is up").sent.failure.expect("the run gave up");
    assert!(sentence.contains("no answer in time") && begun.elapsed() < SOON, "{sentence}");
}

#[test]
fn a_push_at_which_the_target_hangs_up_is_given_up_and_the_others_are_answered() {
    let server = Server::answering(|request, _| match request.index {
        41 => (Vec::new(), false),
        _ => (accepted(request, ""), true),
    });
    let outcome = drive(&server);
    assert_eq!(outcome.tally, Tally { accepted: PUSHES - 1, unanswered: 1, ..all_accepted() });
    assert!(!outcome.is_clean());
}

/// Interrupts `hayauma-load push` once `server` has read fifty requests; its exit status, its text
/// and its report's files.
fn interrupted(server: &Server, more: &[&str]) -> (Option<i32>, String, String, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let json = directory.path().join("figures.json");
    let target = server.address.to_string();
    let child = Command::new(env!("CARGO_BIN_EXE_hayauma-load"))
        .args(["push", "--target", &target, "--pushes", "100000", "--rate", "2000"])
        .args(more)
        .args([std::ffi::OsStr::new("--json"), json.as_os_str()])
        .args([std::ffi::OsStr::new("--report"), directory.path().as_os_str()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the executable starts");
    while server.requests() < 50 {
        std::thread::yield_now();
    }
    let begun = Instant::now();
    interrupt(child.id());
    let output = child.wait_with_output().expect("the child ends");
    assert!(begun.elapsed() < SOON, "the end took {:?}", begun.elapsed());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let json = std::fs::read_to_string(json).expect("the figures");
    let page = std::fs::read_to_string(directory.path().join("report.html")).expect("the page");
    (output.status.code(), text, json, page)
}

#[test]
fn a_run_that_is_interrupted_reports_within_seconds_how_far_it_came() {
    // Every other answer says "come again in a minute", and no notification ever comes.
    let server = Server::answering(|request, _| {
        if request.index.is_multiple_of(2) {
            return (accepted(request, ""), true);
        }
        let body = body(request, "8002");
        let head =
            format!("HTTP/1.1 503 x\r\nRetry-After: 60\r\nContent-Length: {}\r\n\r\n", body.len());
        ((head + &body).into_bytes(), true)
    });
    for more in [&["--sink", "127.0.0.1:0"][..], &[]] {
        server.requests.store(0, Relaxed);
        let (status, text, json, page) = interrupted(&server, more);
        assert_eq!(status, Some(1), "{text}");
        let last = text.lines().last().expect("a verdict line");
        assert!(
            last.starts_with("INTERRUPTED after ") && last.contains(" of 100000 · attempted "),
            "{last}"
        );
        assert!(!last.contains("lost"), "{last}");
        assert_eq!(last.contains("not awaited"), !more.is_empty(), "{last}");
        assert!(text.contains("of 100,000 requests were sent"), "{text}");
        let mut octets = json.into_bytes();
        let figures = simd_json::to_owned_value(&mut octets).expect("JSON");
        assert_eq!(figures["trust"]["verdict"], "INTERRUPTED");
        assert_eq!(figures["cut_short"]["requests_planned"], 100_000);
        assert_eq!(figures["cut_short"]["requests_sent"], figures["ledger"]["attempted"]);
        assert!(
            page.contains("<strong>INTERRUPTED</strong>") && page.contains("of 100,000 requests"),
            "{page}"
        );
        assert!(!page.contains("Nothing was lost"), "nobody waited for it");
    }
}

#[test]
fn nothing_is_said_about_lost_pushes_where_no_notification_was_asked_for() {
    let server = Server::answering(|request, _| (accepted(request, ""), true));
    let outcome = drive(&server);
    assert_eq!((outcome.tally.lost, outcome.cut_short), (None, None));
    assert_eq!(outcome.tally.to_string(), "attempted 300 · accepted 300 · no notification awaited");
}

/// As Ctrl-C at a terminal does.
fn interrupt(process: u32) {
    let signal = format!("kill -INT {process}");
    assert!(Command::new("sh").args(["-c", &signal]).status().expect("a shell").success());
}
