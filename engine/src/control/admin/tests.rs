//! The admin port through a real socket, with an engine that only writes down what it is told.

mod access;
mod acts;
mod bound;
mod browsers;
mod contents;
mod lists;
mod once;
mod secure;
mod sending;
mod versions;

use std::io::{Read as _, Write as _};
use std::sync::atomic::Ordering;

use super::*;
use crate::control::broadcasts::BroadcastDesk;
use crate::control::document::ClientDocument;
use crate::control::fake_engine::FakeEngine;
use crate::control::limits::ADMIN_BODY_OCTETS_MAX;
use crate::control::token::TokenChange;
use wire::terms::time::WallMs;

const CLIENT: &str =
    r#"{"xpid":"00100000001","client":"City","token":"secret","classes":["urgent"]}"#;

/// Connections that the port takes at a time.
const CONNECTIONS: usize = 8;
/// The secret of the token that every request brings unless it says otherwise.
const SECRET: &str = "secret-of-the-tests";

struct Port {
    server: Option<AdminServer>,
    engine: Arc<FakeEngine>,
    agent: ureq::Agent,
    directory: tempfile::TempDir,
}

impl Port {
    fn open() -> Self {
        Self::open_with(Router::new())
    }

    /// With further routes.
    fn open_with(further: Router) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        let engine = Arc::new(FakeEngine::default());
        let listen = || vec![TcpListener::bind("127.0.0.1:0").expect("a port")];
        let control: Arc<dyn Engine> = engine.clone();
        let socket = host::unix_socket::listen(directory.path(), "admin.sock").expect("a socket");
        let doors =
            Doors { socket: Some(socket), port: listen(), health: listen(), ..Doors::default() };
        let desk = BroadcastDesk::open(directory.path(), control.clone(), 400).expect("a shelf");
        let change = TokenChange {
            name: "tests".to_owned(),
            roles: vec!["admin".to_owned()],
            ..TokenChange::default()
        };
        let keeping = Keeping {
            connections_max: CONNECTIONS,
            own_token: change.token(SECRET, WallMs::ZERO).ok(),
            gauges: desk.gauges(),
            ..Keeping::default()
        };
        let engine_routes = crate::control::routes(&control).merge(further);
        let more = (engine_routes, crate::control::broadcast_routes(&desk));
        let server = AdminServer::start(doors, keeping, store, control, more).expect("started");
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        // A connection that the port has closed meanwhile is none to send an order by.
        let agent = config.max_idle_connections(0).build().new_agent();
        Self { server: Some(server), engine, agent, directory }
    }

    fn address(&self) -> SocketAddr {
        self.server.as_ref().and_then(AdminServer::port).expect("a port")
    }

    fn send(&self, method: &str, path: &str, body: impl AsRef<[u8]>) -> (u16, String) {
        self.send_with(method, path, body, &[])
    }

    fn send_with(
        &self,
        method: &str,
        path: &str,
        body: impl AsRef<[u8]>,
        headers: &[(&str, &str)],
    ) -> (u16, String) {
        let bearer = format!("Bearer {SECRET}");
        let headers = [&[("Authorization", bearer.as_str())], headers].concat();
        self.send_to(self.address(), method, path, body, &headers)
    }

    /// Sends these headers, and that of an order where it is one.
    fn send_to(
        &self,
        address: SocketAddr,
        method: &str,
        path: &str,
        body: impl AsRef<[u8]>,
        headers: &[(&str, &str)],
    ) -> (u16, String) {
        let order: &[_] = if method == "GET" { &[] } else { &[(ORDER_HEADER, "1")] };
        self.send_exactly(address, method, path, body, &[headers, order].concat())
    }

    /// Sends exactly these headers.
    fn send_exactly(
        &self,
        address: SocketAddr,
        method: &str,
        path: &str,
        body: impl AsRef<[u8]>,
        headers: &[(&str, &str)],
    ) -> (u16, String) {
        let url = format!("http://{address}{path}");
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.as_ref().to_vec()).expect("a request");
        let config = self.agent.configure_request(request).allow_non_standard_methods(true);
        let mut response = self.agent.run(config.build()).expect("an answer");
        (response.status().as_u16(), response.body_mut().read_to_string().expect("a body"))
    }

    fn contracts(&self) -> Vec<String> {
        self.engine.contracts()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shut_down(Duration::from_secs(30));
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    simd_json::from_slice(&mut text.as_bytes().to_vec()).expect(text)
}

#[test]
fn a_registration_is_added_shown_changed_replaced_and_removed_and_the_engine_knows_each_time() {
    let port = Port::open();
    assert_eq!(port.send("POST", "/clients", CLIENT).0, 201);
    assert_eq!(port.engine.published.lock().expect("no panic").len(), 1);
    let (status, text) = port.send("GET", "/clients/00100000001", "");
    assert_eq!(status, 200);
    assert!(!text.contains("secret"), "a token is never shown");
    let document: ClientDocument = read(&text);
    assert_eq!((document.client.as_str(), document.has_token), ("City", true));

    let (status, text) = port.send("PATCH", "/clients/00100000001", r#"{"suspended":true}"#);
    let document: ClientDocument = read(&text);
    assert_eq!(status, 200);
    assert!(document.suspended && document.has_token, "a change keeps the rest");
    assert!(port.engine.published.lock().expect("no panic")[0].suspended);

    let (status, text) = port.send("PUT", "/clients/00100000001", r#"{"client":"Town"}"#);
    let document: ClientDocument = read(&text);
    assert_eq!(status, 200);
    assert!(!document.suspended && !document.has_token, "the whole is replaced");
    assert_eq!(read::<Vec<ClientDocument>>(&port.send("GET", "/clients", "").1), [document]);

    let (status, text) = port.send("DELETE", "/clients/00100000001", "");
    assert_eq!((status, text.as_str()), (200, "{\"removed\":\"00100000001\",\"contracts\":0}\n"));
    assert!(port.engine.published.lock().expect("no panic").is_empty());
    assert_eq!(port.send("GET", "/clients/00100000001", "").0, 404);
}

#[test]
fn wrong_requests_get_a_status_and_a_sentence() {
    let port = Port::open();
    port.send("POST", "/clients", CLIENT);
    for (method, path, body, status) in [
        ("POST", "/clients", CLIENT, 409),
        ("POST", "/clients", "{", 400),
        ("POST", "/clients", r#"{"client":"A"}"#, 400),
        ("POST", "/clients", r#"{"xpid":"1","client":"A"}"#, 400),
        ("POST", "/clients", r#"{"xpid":"00100000002","client":"A","colour":"red"}"#, 400),
        ("PATCH", "/clients/00100000001", r#"{"classes":["high"]}"#, 400),
        ("PATCH", "/clients/00100000001", r#"{"xpid":"00100000002"}"#, 400),
        ("PATCH", "/clients/00100000009", r#"{"suspended":true}"#, 404),
        ("GET", "/clients/12", "", 400),
        ("DELETE", "/clients/00100000009", "", 404),
        ("POST", "/contracts", r#"{"xpid":"00100000009","msns":["09000000001"]}"#, 404),
        ("POST", "/contracts", r#"{"xpid":"00100000001","msns":["9"]}"#, 400),
        ("DELETE", "/contracts", r#"{"xpid":"00100000001"}"#, 400),
        ("GET", "/contracts?after=x", "", 400),
        ("GET", "/contracts?msm=09000000001", "", 400),
        ("GET", "/nothing", "", 404),
        ("POST", "/healthz", "", 405),
    ] {
        let (found, text) = port.send(method, path, body);
        assert_eq!(found, status, "{method} {path} {body}: {text}");
        assert!(!text.is_empty(), "{method} {path}");
    }
    let too_long = vec![b' '; ADMIN_BODY_OCTETS_MAX + 1];
    assert_eq!(port.send("POST", "/clients", too_long).0, 413);
    assert_eq!(port.send("GET", "/healthz", ""), (200, "ok\n".to_owned()), "the port goes on");
}

#[test]
fn health_is_the_shards_turns_and_readiness_is_all_that_stands_in_the_way() {
    let port = Port::open();
    assert_eq!(port.send("GET", "/readyz", ""), (200, "ready\n".to_owned()));
    port.engine.classes_refused.store(2, Ordering::Relaxed);
    let only = (200, "ready for emergency, urgent only\n".to_owned());
    assert_eq!(port.send("GET", "/readyz", ""), only);
    assert_eq!(port.send("GET", "/readyz?class=urgent", ""), (200, "ready\n".to_owned()));
    port.engine.note_troubles(vec!["the list li-1 cannot be read".to_owned()]);
    let (status, text) = port.send("GET", "/readyz?class=urgent", "");
    assert_eq!((status, &*text), (200, "ready\nbroadcasts: the list li-1 cannot be read\n"));
    let (status, text) = port.send("GET", "/readyz?class=standard", "");
    assert!(status == 503 && text.contains("kept for emergency and urgent"), "{text}");
    assert!(text.contains(r#""reasons":["room_kept"]"#), "{text}");
    assert_eq!(port.send("GET", "/readyz?class=loud", "").0, 400);
    assert_eq!(port.send("POST", "/pause", "").0, 200);
    assert_eq!(port.send("GET", "/healthz", "").0, 200, "a paused engine lives");
    let (status, text) = port.send("GET", "/readyz", "");
    assert!(
        status == 503 && text.contains(r#""reasons":["paused"]"#) && text.contains("/resume"),
        "{text}"
    );
    port.engine.stalled.store(true, Ordering::Relaxed);
    let (status, text) = port.send("GET", "/healthz", "");
    assert!(status == 503 && text.contains("shards: 1"), "{text}");
    let (status, text) = port.send("GET", "/readyz", "");
    assert!(status == 503 && text.contains(r#""reasons":["paused","stalled"]"#), "{text}");
}

#[test]
fn idle_connections_shut_nobody_out_and_one_with_a_request_under_way_stays() {
    let port = Port::open();
    let address = port.address();
    let mut working = std::net::TcpStream::connect(address).expect("a connection");
    let head = format!(
        "POST /clients HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {SECRET}\r\n\
         X-Hayauma-Order: 1\r\nContent-Type: application/json\r\n"
    );
    let body = format!("Content-Length: {}\r\n\r\n", CLIENT.len());
    working.write_all((head + &body + &CLIENT[..9]).as_bytes()).expect("written");
    let idle: Vec<_> =
        (0..4 * CONNECTIONS).map(|_| std::net::TcpStream::connect(address)).collect();
    assert!(idle.iter().all(Result::is_ok));
    assert_eq!(port.send("GET", "/healthz", "").0, 200);
    working.write_all(&CLIENT.as_bytes()[9..]).expect("written");
    let mut answer = [0; 12];
    working.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 201");
}

#[test]
fn an_engine_that_stops_refuses_the_change() {
    let port = Port::open();
    port.engine.refusing.store(true, Ordering::Relaxed);
    let (status, text) = port.send("POST", "/clients", CLIENT);
    assert_eq!(status, 503);
    assert!(text.contains("next start"), "{text}");
}

#[test]
fn contracts_are_added_listed_counted_and_removed() {
    let port = Port::open();
    port.send("POST", "/clients", CLIENT);
    let (_, text) = port.send(
        "POST",
        "/contracts",
        r#"{"xpid":"00100000001","msns":["09012345678","09000000000-09000000003"]}"#,
    );
    assert_eq!(read::<ContractChanged>(&text).changed, 5);
    assert_eq!(port.contracts().len(), 5);
    let (_, text) =
        port.send("POST", "/contracts", r#"{"xpid":"00100000001","msns":["09012345678"]}"#);
    assert_eq!(read::<ContractChanged>(&text).unchanged, 1);

    let page: ContractsPage = read(&port.send("GET", "/contracts?limit=4", "").1);
    assert_eq!((page.contracts.len(), page.next.as_deref()), (4, Some("09000000003-00100000001")));
    let page: ContractsPage =
        read(&port.send("GET", "/contracts?limit=4&after=09000000003-00100000001", "").1);
    assert_eq!((page.contracts.len(), page.next), (1, None));
    let page: ContractsPage =
        read(&port.send("GET", "/contracts?msn=09000000002&xpid=00100000001", "").1);
    assert_eq!(page.contracts[0].msn, "09000000002");
    let counts: Vec<CountRow> = read(&port.send("GET", "/contracts/count", "").1);
    assert_eq!(counts[0].contracts, 5);

    let body = r#"{"xpid":"00100000001","msns":["09000000000","09000000009"]}"#;
    let changed: ContractChanged = read(&port.send("DELETE", "/contracts", body).1);
    assert_eq!((changed.changed, changed.unchanged), (1, 1));
    assert_eq!(port.contracts().len(), 4);
    assert_eq!(
        port.send("DELETE", "/clients/00100000001", "").0,
        409,
        "a client with contracts stays"
    );
    let (status, text) = port.send("DELETE", "/clients/00100000001?contracts=true", "");
    assert_eq!((status, text.as_str()), (200, "{\"removed\":\"00100000001\",\"contracts\":4}\n"));
    assert!(port.contracts().is_empty());
}

#[test]
fn an_import_names_the_lines_it_refuses_and_gives_the_engine_only_new_rows() {
    let port = Port::open();
    port.send("POST", "/clients", CLIENT);
    let csv = "msn,xpid\n09000000001,00100000001\nbad,00100000001\n09000000001,00100000001\n\
        09000000002,00100000002\n09000000003,00100000001";
    let reply: ImportReply = read(&port.send("POST", "/contracts/import", csv).1);
    assert_eq!((reply.imported, reply.already_there, reply.refused), (2, 1, 2));
    assert_eq!(reply.lines.iter().map(|line| line.line).collect::<Vec<_>>(), [3, 5]);
    assert!(reply.lines[1].reason.contains("not registered"), "{:?}", reply.lines);
    assert_eq!(port.contracts(), ["09000000001,00100000001", "09000000003,00100000001"]);

    let reply: ImportReply =
        read(&port.send("POST", "/contracts/import?first_line=70&lines=1", "x\ny\n").1);
    assert_eq!((reply.refused, reply.lines.len(), reply.lines[0].line), (2, 1, 70));
}

#[test]
fn an_import_longer_than_any_other_body_is_taken_in_batches() {
    let port = Port::open();
    port.send("POST", "/clients", CLIENT);
    let rows = 120_000;
    let csv: String = (0..rows)
        .map(|at| format!("{:011},00100000001{}\n", 9_000_000_000u64 + at, " ".repeat(300)))
        .collect();
    assert!(csv.len() > ADMIN_BODY_OCTETS_MAX);
    let reply: ImportReply = read(&port.send("POST", "/contracts/import", csv).1);
    assert_eq!((reply.imported, reply.refused), (rows, 0));
    assert_eq!(port.contracts().len() as u64, rows);
}

#[test]
fn orders_reach_the_engine_and_show_in_the_status() {
    let port = Port::open();
    let status: EngineStatus = read(&port.send("GET", "/status", "").1);
    assert_eq!((status.paused, status.shards.len(), status.pid), (false, 2, std::process::id()));
    assert_eq!((status.totals["accepted"], status.totals["queue_pushes"]), (21, 10));
    assert_eq!(status.shards[1].figures["accepted"], 11);
    assert!(read::<EngineStatus>(&port.send("POST", "/pause", "").1).paused);
    assert!(port.engine.paused.load(Ordering::Relaxed));
    assert!(!read::<EngineStatus>(&port.send("POST", "/resume", "").1).paused);
    assert!(!port.engine.paused.load(Ordering::Relaxed));
    port.engine.looks_on.store(true, Ordering::Relaxed);
    let status: EngineStatus = read(&port.send("GET", "/status", "").1);
    assert!(status.paused && status.looks_on, "who looks on answers each push 8004");
    assert_eq!(port.send("POST", "/stop", "").0, 202);
    assert!(port.engine.stopped.load(Ordering::Relaxed));
}

#[test]
fn the_metrics_page_has_a_line_per_figure_and_shard() {
    let port = Port::open();
    let (status, page) = port.send("GET", "/metrics", "");
    assert_eq!(status, 200);
    for line in [
        "# HELP hayauma_accepted Pushes accepted",
        "# TYPE hayauma_accepted counter",
        "hayauma_accepted_total{shard=\"0\"} 10",
        "hayauma_accepted_total{shard=\"1\"} 11",
        "# TYPE hayauma_queue_pushes gauge",
        "hayauma_queue_pushes{shard=\"1\"} 5",
        "# TYPE hayauma_commit_seconds histogram",
        "hayauma_commit_seconds_sum{shard=\"0\"} 2.5",
        "hayauma_commit_seconds_count{shard=\"1\"} 7",
        "hayauma_commit_seconds_bucket{le=\"0.0005\",shard=\"0\"} 3",
        "hayauma_commit_seconds_bucket{le=\"0.001\",shard=\"0\"} 5",
        "hayauma_commit_seconds_bucket{le=\"+Inf\",shard=\"1\"} 7",
        "# TYPE hayauma_waiting_pushes gauge",
        "hayauma_waiting_pushes{shard=\"0\",state=\"held\",reason=\"absent\",class=\"standard\"} 7",
        "hayauma_waiting_pushes_by_age{shard=\"0\",age=\"below_1h\"} 7",
        "hayauma_waiting_oldest_seconds{shard=\"0\"} 1000",
        "hayauma_waiting_oldest_seconds{shard=\"1\"} 0",
        "# EOF",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    assert!(page.contains("hayauma_process_cpu_seconds_total "), "{page}");
    let list = port.list("news");
    port.draft(&list, "a");
    let page = port.send("GET", "/metrics", "").1;
    let line = r#"hayauma_broadcast_count{state="draft",class="standard"} 1"#;
    assert!(page.contains(line), "{page}");
}

#[test]
fn a_page_of_another_site_cannot_give_orders() {
    let port = Port::open();
    let (status, _) =
        port.send_with("POST", "/stop", "", &[("Origin", "http://elsewhere.example")]);
    assert_eq!(status, 403);
    let (status, text) = port.send_with("GET", "/status", "", &[("Host", "rebound.example:8081")]);
    assert_eq!(status, 403);
    assert!(text.contains("--admin-name"), "{text}");
    assert!(!port.engine.stopped.load(Ordering::Relaxed));
}

#[test]
fn a_port_of_a_name_with_several_addresses_is_open_at_each() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).expect("a store");
    let listeners = ["127.0.0.1:0", "127.0.0.2:0"].map(|at| TcpListener::bind(at).expect("a port"));
    let addresses = listeners.each_ref().map(|port| port.local_addr().expect("an address"));
    let doors = Doors { port: listeners.into(), ..Doors::default() };
    assert!(doors.addresses().eq(addresses), "no notification goes to any of them");
    let keeping = Keeping { connections_max: CONNECTIONS, ..Keeping::default() };
    let engine: Arc<dyn Engine> = Arc::new(FakeEngine::default());
    let server =
        AdminServer::start(doors, keeping, store, engine, Default::default()).expect("started");
    for address in addresses {
        let mut stream = std::net::TcpStream::connect(address).expect("a connection");
        let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    server.shut_down(Duration::from_secs(10));
}

#[test]
fn a_registration_that_is_put_again_as_it_stands_has_the_same_password_to_its_sessions() {
    let port = Port::open();
    let put = |password: &str| {
        let document = format!(
            r#"{{"client":"City","smpp":{{"system_id":"city1","passwords":["{password}"],
                "from_anywhere":true}}}}"#
        );
        let (status, body) = port.send("PUT", "/clients/00100000001", document);
        assert_eq!(status, 200, "{body}");
        let published = port.engine.published.lock().expect("no panic");
        published[0].smpp.as_ref().expect("an account").passwords.clone()
    };
    let first = put("secret");
    assert_eq!(put("secret"), first, "sessions that are bound stay");
    assert_ne!(put("another"), first);
}
