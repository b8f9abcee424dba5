//! Who gets past the admin doors: every path under every role, bound tokens, rotation, the socket
//! and the port of probes.

use super::*;
use crate::control::roles::{Role, RoleSet};
use crate::control::token::{TokenDocument, TokenMade};
use axum::http::StatusCode;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

impl Port {
    /// Makes a token and gives its secret.
    pub(super) fn token(&self, name: &str, role: &str, xpids: &[&str]) -> String {
        let change = TokenChange {
            name: name.to_owned(),
            roles: vec![role.to_owned()],
            xpids: xpids.iter().map(|xpid| (*xpid).to_owned()).collect(),
        };
        let document = simd_json::to_string(&change).expect("a document");
        let (status, text) = self.send("POST", "/tokens", document);
        assert_eq!(status, 201, "{text}");
        read::<TokenMade>(&text).token
    }

    /// The status and the text of a request under this token.
    pub(super) fn send_as(
        &self,
        secret: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> (u16, String) {
        let bearer = format!("Bearer {secret}");
        self.send_to(self.address(), method, path, body, &[("Authorization", &bearer)])
    }

    /// Sends octets by the socket and gives what comes.
    fn send_by_socket(&self, request: &str) -> String {
        let mut stream = UnixStream::connect(self.directory.path().join("admin.sock"));
        let stream = stream.as_mut().expect("it listens");
        stream.write_all(request.as_bytes()).expect("taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }
}

pub(super) fn body_of(rule: &PathRule) -> &'static str {
    match (rule.method, rule.path) {
        ("POST", "/clients") => r#"{"xpid":"00100000001","client":"City"}"#,
        ("PUT" | "PATCH", "/clients/{xpid}") => r#"{"client":"City"}"#,
        (_, "/contracts") => r#"{"xpid":"00100000001","msns":["09012345678"]}"#,
        (_, "/network/lines") => r#"{"msns":["09012345678"],"state":"home"}"#,
        ("POST", "/carriers") => {
            r#"{"do":"add","name":"a","settings":{"hosts":["127.0.0.1:1"],"system_id":"a"}}"#
        }
        ("POST", "/tokens") => r#"{"name":"another","roles":["read"]}"#,
        ("POST", "/smpp/trace") => r#"{"xpid":"00100000001"}"#,
        ("POST", "/backups") => r#"{"target":"/mnt/copy"}"#,
        ("POST", "/lists") => r#"{"name":"All","purpose":"warnings","consent":"the law"}"#,
        ("POST", "/lists/forget") => r#"{"msn":"09012345678"}"#,
        ("PUT" | "POST", "/lists/{list}/versions") => "msn\n09012345678\n",
        ("POST", "/broadcasts") | ("PUT", "/broadcasts/{broadcast}") => MANIFEST,
        ("POST", path) if path.ends_with("/approve") || path.ends_with("/reject") => {
            r#"{"digest":"d"}"#
        }
        ("POST", path) if path.ends_with("/cancel") => r#"{"reason":"wrong town"}"#,
        ("PATCH", "/broadcasts/{broadcast}/pace") => r#"{"per_second":5}"#,
        ("POST", path) if path.ends_with("/wave") => r#"{"wave":2}"#,
        ("PUT", "/areas") => r#"{"type":"Feature","properties":{"code":"13101"}}"#,
        ("POST", "/areas/match") => r#"{"codes":["13101"]}"#,
        ("PUT", "/templates/{template}") => r#"{"variants":{"en":"Leave"}}"#,
        ("PUT", "/sources/{source}") => SOURCE,
        ("POST", path) if path.ends_with("/start") => r#"{"digest":"d","recipients":1}"#,
        ("POST", path) if path.ends_with("/retract") || path.ends_with("/update") => {
            r#"{"reqid":"r2","texts":{"variants":{"en":"All clear"},"fallback":["en"]}}"#
        }
        _ => "",
    }
}

const SOURCE: &str = r#"{"token":"town-cap","profile":"cap","xpid":"00100000001","sender":"Town",
    "lists":["li-1"]}"#;
const MANIFEST: &str = r#"{"xpid":"00100000001","sender":"Town","class":"02","reqid":"r","legs":[
    {"audience":{"list":"li-1","areas":"everywhere"},
    "texts":{"variants":{"en":"Leave"},"fallback":["en"]}}]}"#;

pub(super) fn target_of(rule: &PathRule) -> String {
    let path = rule.path.replace("{xpid}", "00100000001").replace("{name}", "another");
    let path = path.replace("{list}", "li-1").replace("{broadcast}", "br-1");
    let path = path.replace("{template}", "flood").replace("{source}", "town");
    let path = path.replace("{msn}", "09012345678").replace("{version}", "1");
    match rule.path {
        "/lists/{list}/versions" if rule.method == "POST" => path + "?base=1",
        "/warnings" => path + "?source=town",
        "/lists/{list}/versions/{version}/rows" => path + "?msn=09012345678",
        "/pushes" => path + "?msn=09012345678",
        "/notifications/discard" => path + "?xpid=00100000001",
        _ => path,
    }
}

use super::super::paths::PathRule;

/// Every path.
pub(super) fn api_or_pages() -> impl Iterator<Item = &'static PathRule> {
    PATHS.iter()
}

/// The paths of scripts; those of browsers have tests of their own.
pub(super) fn api() -> impl Iterator<Item = &'static PathRule> {
    PATHS.iter().filter(|rule| !rule.is_page)
}

#[test]
fn every_path_is_let_through_to_its_roles_and_refused_to_all_others() {
    for role in Role::ALL {
        let port = Port::open();
        let secret = port.token("caller", role.word(), &[]);
        port.send("POST", "/clients", CLIENT);
        for rule in api() {
            let (target, body) = (target_of(rule), body_of(rule));
            let what = format!("{} {} as {}", rule.method, rule.path, role.word());
            let unknown = port.send_to(port.address(), rule.method, &target, body, &[]).0;
            let wrong = port.send_as("hayauma-0", rule.method, &target, body).0;
            let (status, text) = port.send_as(&secret, rule.method, &target, body);
            let Some(needs) = rule.needs else {
                assert_eq!([unknown, wrong, status], [200; 3], "{what}");
                continue;
            };
            assert_eq!([unknown, wrong], [401; 2], "{what}");
            if RoleSet::default().with(role).allow(needs) {
                assert!(status < 300 || [404, 409].contains(&status), "{what}: {status} {text}");
            } else {
                assert_eq!(status, 403, "{what}: {text}");
                assert!(text.contains("caller") && text.contains(needs.word()), "{what}: {text}");
                assert!(text.contains(r#""code":7112"#), "{what}: {text}");
            }
        }
    }
}

/// The statuses of every method of every path that the router has, without the guard before it.
fn routed(router: Router) -> Vec<(String, &'static str, StatusCode)> {
    // The router tells its paths by its `Debug` alone.
    let shown = format!("{router:?}");
    let mut paths: Vec<String> = shown
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|text| text.starts_with('/') && !text.contains("__private"))
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    let service = TowerToHyperService::new(router);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut found = Vec::new();
    for path in paths {
        let target = path.replace(['{', '}'], "");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let request = axum::http::Request::builder().method(method).uri(&target);
            let request = request.body(axum::body::Body::empty()).expect("a request");
            let answer = runtime.block_on(service.call(request)).expect("no error");
            found.push((path.clone(), method, answer.status()));
        }
    }
    found
}

#[test]
fn every_route_of_the_doors_has_a_rule_and_no_rule_is_of_a_path_that_is_not_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).expect("a store");
    let control: Arc<dyn Engine> = Arc::new(FakeEngine::default());
    let desk = BroadcastDesk::open(directory.path(), control.clone(), 400).expect("a shelf");
    let (store, _thread) = StoreHandle::start(store, control.clone()).expect("a thread");
    let access = Arc::new(caller::Access::new(None, Vec::new()));
    let state = Arc::new(AdminState::new(store, control.clone(), access, Default::default()));
    let router = routes(&state)
        .merge(crate::control::routes(&control))
        .merge(crate::control::broadcast_routes(&desk));
    let found = routed(router);
    let there: Vec<(&str, &str)> = found
        .iter()
        .filter(|(path, _, status)| {
            // What answers for paths that are not there stands at the root.
            let is_there = path != "/" || *status != StatusCode::NOT_FOUND;
            is_there && *status != StatusCode::METHOD_NOT_ALLOWED
        })
        .map(|(path, method, _)| (*method, path.as_str()))
        .collect();
    for (method, path) in &there {
        let is_ruled = PATHS.iter().any(|rule| (rule.method, rule.path) == (*method, *path));
        assert!(is_ruled, "{method} {path} is a route without a rule: nobody can use it");
    }
    for rule in PATHS {
        assert!(there.contains(&(rule.method, rule.path)), "{} {}", rule.method, rule.path);
    }
    assert_eq!(there.len(), PATHS.len());
    // Whom the guard has not let through the handlers of orders do not know.
    for (path, method, status) in &found {
        let rule = PATHS.iter().find(|rule| (rule.method, rule.path) == (*method, path.as_str()));
        if rule.is_some_and(PathRule::is_order) {
            assert!(status.is_client_error(), "{method} {path} acts for nobody: {status}");
        }
    }
}

#[test]
fn a_request_that_says_twice_who_asks_or_whom_is_refused() {
    let port = Port::open();
    let head = |more: &str| {
        format!("GET /clients HTTP/1.1\r\nHost: localhost\r\n{more}Connection: close\r\n\r\n")
    };
    assert!(port.send_by_socket(&head("")).starts_with("HTTP/1.1 200"));
    for (name, more) in [
        ("host", "Host: rebound.example\r\n"),
        ("host", "Host: localhost\r\n"),
        ("origin", "Origin: http://localhost\r\nOrigin: http://elsewhere.example\r\n"),
        ("authorization", "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"),
    ] {
        let answer = port.send_by_socket(&head(more));
        assert!(answer.starts_with("HTTP/1.1 400"), "{more}: {answer}");
        assert!(answer.contains(&format!("the header {name} stands twice")), "{answer}");
    }
    for (target, status) in [
        ("http://localhost/clients", "200"),
        ("http://rebound.example/clients", "403"),
        ("http://somebody@localhost/clients", "403"),
    ] {
        let head = head("").replacen("/clients", target, 1);
        let answer = port.send_by_socket(&head);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{target}: {answer}");
    }
    // A length that two readers would take for two lengths.
    let smuggled = "POST /pause HTTP/1.1\r\nHost: localhost\r\nX-Hayauma-Order: 1\r\n\
                    Content-Length: 0\r\nContent-Length: 5\r\n\r\n\
                    POST /stop HTTP/1.1\r\nHost: localhost\r\nX-Hayauma-Order: 1\r\n\
                    Connection: close\r\n\r\n";
    let answer = port.send_by_socket(smuggled);
    assert!(answer.starts_with("HTTP/1.1 400") && !answer.contains("HTTP/1.1 2"), "{answer}");
    assert!(!port.engine.stopped.load(Ordering::Relaxed));
}

#[test]
fn a_path_that_the_table_lacks_is_refused_whoever_asks() {
    let port = Port::open();
    assert_eq!(port.send("GET", "/nothing", "").0, 404);
    assert_eq!(port.send_to(port.address(), "GET", "/nothing", "", &[]).0, 401);
    assert_eq!(port.send("DELETE", "/status", "").0, 405);
    assert_eq!(port.send("HEAD", "/status", "").0, 200);
    // A route that was added and has no rule yet is nobody's.
    let port = Port::open_with(Router::new().route("/figures", get(|| async { "all of them" })));
    assert_eq!(port.send("GET", "/figures", "").0, 405);
    assert_eq!(port.send_to(port.address(), "GET", "/figures", "", &[]).0, 401);
}

/// The router tells a handler before which path it stands; of a service that is nested as a whole
/// it tells nothing, and no rule could be found for it.
#[test]
fn what_is_put_in_without_a_path_that_a_rule_could_name_is_reached_by_nobody() {
    let all_of_them = || get(|| async { "all of them" });
    let port = Port::open_with(Router::new().nest_service("/figures", all_of_them()));
    let reader = port.token("reader", "read", &[]);
    for path in ["/figures", "/figures/", "/figures/of/today"] {
        // The place itself has a path that the router names, and no rule.
        let refused = if path == "/figures/of/today" { [404; 2] } else { [404, 405] };
        for (status, text) in [port.send("GET", path, ""), port.send_as(&reader, "GET", path, "")] {
            assert!(refused.contains(&status), "{path}: {status} {text}");
            assert!(!text.contains("all of them"), "{path}: {text}");
        }
        assert_eq!(port.send_to(port.address(), "GET", path, "", &[]).0, 401, "{path}");
    }
    let port = Port::open_with(Router::new().route("/figures/{*rest}", all_of_them()));
    assert_eq!(port.send("GET", "/figures/of/today", "").0, 405);
    let port =
        Port::open_with(Router::new().nest("/old", Router::new().route("/x", all_of_them())));
    assert_eq!(port.send("GET", "/old/x", "").0, 405);
}

#[test]
fn a_token_that_is_bound_to_xpids_sees_and_changes_theirs_alone() {
    let port = Port::open();
    port.send("POST", "/clients", CLIENT);
    port.send("POST", "/clients", r#"{"xpid":"00100000002","client":"Town"}"#);
    let secret = port.token("city", "admin", &["00100000001"]);
    for (method, path, body, allowed) in [
        ("GET", "/clients/00100000001", "", true),
        ("PATCH", "/clients/00100000001", r#"{"rate_per_second":5}"#, true),
        ("GET", "/clients/00100000002", "", false),
        ("PATCH", "/clients/00100000002", r#"{"rate_per_second":5}"#, false),
        ("GET", "/clients", "", false),
        ("POST", "/contracts", r#"{"xpid":"00100000002","msns":["09012345678"]}"#, false),
        ("GET", "/contracts?xpid=00100000001", "", true),
        ("GET", "/contracts?xpid=00100000002", "", false),
        ("GET", "/contracts?limit=5", "", false),
        ("GET", "/contracts?%78pid=00100000002", "", false),
        ("GET", "/contracts?xpid=00100000001&%78pid=00100000002", "", false),
        ("GET", "/notifications?xpid=00100000001", "", true),
        ("POST", "/notifications/discard?all=true", "", false),
        ("GET", "/pushes?msn=09012345678", "", false),
        ("GET", "/status", "", false),
        ("POST", "/stop", "", false),
        ("POST", "/tokens", r#"{"name":"more","roles":["admin"]}"#, false),
    ] {
        let (status, text) = port.send_as(&secret, method, path, body);
        assert_eq!(status == 200, allowed, "{method} {path}: {status} {text}");
    }
    assert!(!port.engine.stopped.load(Ordering::Relaxed));
}

#[test]
fn a_token_is_exchanged_for_another_without_a_gap() {
    let port = Port::open();
    let status_of = |secret: &str| port.send_as(secret, "GET", "/status", "").0;
    let first = port.token("metrics", "read", &[]);
    let second = port.token("metrics", "read", &[]);
    assert_eq!([status_of(&first), status_of(&second)], [200; 2]);
    let third = r#"{"name":"metrics","roles":["read"]}"#;
    assert_eq!(port.send("POST", "/tokens", third).0, 409);
    assert_eq!(port.send("DELETE", "/tokens/metrics?older=true", "").0, 200);
    assert_eq!([status_of(&first), status_of(&second)], [401, 200]);
    let (_, text) = port.send("GET", "/tokens", "");
    assert!(!text.contains(&second), "a secret is never shown again");
    let documents: Vec<TokenDocument> = read(&text);
    assert_eq!((documents.len(), documents[0].name.as_str()), (1, "metrics"));
    assert_eq!(port.send("DELETE", "/tokens/metrics", "").0, 200);
    assert_eq!(status_of(&second), 401);
    assert_eq!(port.send("DELETE", "/tokens/metrics", "").0, 404);
}

#[test]
fn a_user_of_this_host_comes_in_by_the_socket_and_under_a_token_as_that() {
    let port = Port::open();
    let secret = port.token("metrics", "read", &[]);
    let request = |more: &str| {
        format!(
            "POST /pause HTTP/1.1\r\nHost: localhost\r\nX-Hayauma-Order: 1\r\n{more}Connection: \
             close\r\n\r\n"
        )
    };
    let under = |secret: &str| request(&format!("Authorization: Bearer {secret}\r\n"));
    assert!(port.send_by_socket(&under(&secret)).starts_with("HTTP/1.1 403"));
    assert!(port.send_by_socket(&under("hayauma-0")).starts_with("HTTP/1.1 401"));
    assert!(!port.engine.paused.load(Ordering::Relaxed));
    assert!(port.send_by_socket(&request("")).starts_with("HTTP/1.1 200"));
    assert!(port.engine.paused.load(Ordering::Relaxed));
}

#[test]
fn the_port_of_probes_answers_its_two_questions_and_nothing_else() {
    let port = Port::open();
    let health = port.server.as_ref().and_then(AdminServer::health).expect("a port");
    let send = |method: &str, path: &str| {
        port.send_to(health, method, path, "", &[("Host", "sms.example")]).0
    };
    assert_eq!([send("GET", "/healthz"), send("GET", "/readyz")], [200; 2]);
    port.engine.paused.store(true, Ordering::Relaxed);
    assert_eq!([send("GET", "/healthz"), send("GET", "/readyz")], [200, 503]);
    for rule in api().filter(|rule| rule.needs.is_some()) {
        assert_eq!(send(rule.method, &target_of(rule)), 404, "{} {}", rule.method, rule.path);
    }
}

#[test]
fn a_token_that_is_bound_to_xpids_cannot_join_them_to_another_client() {
    let port = Port::open();
    port.send("POST", "/clients", CLIENT);
    port.send("POST", "/clients", r#"{"xpid":"00100000002","client":"Town","token":"theirs"}"#);
    port.send("POST", "/clients", r#"{"xpid":"00100000003","client":"Both"}"#);
    port.send("POST", "/clients", r#"{"xpid":"00100000004","client":"Both"}"#);
    let bound = ["00100000001", "00100000003", "00100000005"];
    let secret = port.token("city", "admin", &bound);
    for (method, xpid, body, status) in [
        ("PATCH", "00100000001", r#"{"client":"Town","token":"mine"}"#, 403),
        ("PATCH", "00100000001", r#"{"client":"Town"}"#, 403),
        ("PUT", "00100000001", r#"{"client":"Town","token":"mine"}"#, 403),
        // One that is not registered yet.
        ("PUT", "00100000005", r#"{"client":"Town","token":"mine"}"#, 403),
        // Its own XPID of a client that has another.
        ("PATCH", "00100000003", r#"{"token":"mine"}"#, 403),
        ("PATCH", "00100000003", r#"{"next_token":"mine"}"#, 403),
        ("PATCH", "00100000003", r#"{"rate_per_second":5}"#, 200),
        ("PATCH", "00100000001", r#"{"token":"mine"}"#, 200),
        ("PUT", "00100000005", r#"{"client":"City","token":"mine"}"#, 200),
    ] {
        let (found, text) = port.send_as(&secret, method, &format!("/clients/{xpid}"), body);
        assert_eq!(found, status, "{method} {xpid} {body}: {text}");
    }
    let published = port.engine.published.lock().expect("no panic");
    let of_town = published.iter().filter(|registration| registration.client == "Town");
    assert_eq!(of_town.count(), 1);
}

#[test]
fn strangers_who_are_refused_and_still_write_hold_no_place() {
    let port = Port::open();
    let request = "POST /clients HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{";
    let strangers: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let mut stranger = TcpStream::connect(port.address()).expect("a connection");
            stranger.write_all(request.as_bytes()).expect("written");
            stranger
        })
        .collect();
    assert_eq!(port.send("GET", "/status", "").0, 200);
    // One at least had to go before it was answered.
    let answered = strangers.into_iter().filter(|mut stranger| {
        let mut octet = [0];
        matches!(stranger.read(&mut octet), Ok(1))
    });
    assert!(answered.count() < CONNECTIONS);
}

#[test]
fn a_token_that_an_xpid_loses_and_its_client_keeps_is_told_of() {
    let port = Port::open();
    let registration = |xpid: &str, token: &str| {
        let document = format!(r#"{{"xpid":"{xpid}","client":"City","token":"{token}"}}"#);
        assert_eq!(port.send("POST", "/clients", document).0, 201);
    };
    registration("00100000001", "old");
    registration("00100000002", "old");
    registration("00100000003", "other");
    let change = r#"{"next_token":"new","retire_token":false}"#;
    assert!(!port.send("PATCH", "/clients/00100000001", change).1.contains("lost_token"));
    let retired = r#"{"retire_token":true}"#;
    let (_, text) = port.send("PATCH", "/clients/00100000001", retired);
    assert!(text.contains(r#""lost_token_still_at":["00100000002"]"#), "{text}");
    let (_, text) = port.send("PATCH", "/clients/00100000002", r#"{"token":"new"}"#);
    assert!(!text.contains("lost_token"), "{text}");
}

/// A header, and what it says.
type Header = (&'static str, &'static str);

#[test]
fn no_order_is_done_without_its_header_nor_for_a_page_of_another_site() {
    let port = Port::open();
    assert_eq!(port.send("POST", "/clients", CLIENT).0, 201);
    let before = port.audit();
    let order = (ORDER_HEADER, "1");
    let bearer = format!("Bearer {SECRET}");
    let send = |rule: &PathRule, headers: &[Header]| {
        let token = [("Authorization", bearer.as_str())];
        let headers = [&token[..], headers].concat();
        let (target, body) = (target_of(rule), body_of(rule));
        port.send_exactly(port.address(), rule.method, &target, body, &headers)
    };
    let orders = || api().filter(|rule| rule.is_order());
    assert!(orders().count() > 10);
    for rule in orders() {
        let what = format!("{} {}", rule.method, rule.path);
        let (status, text) = send(rule, &[("Content-Type", "text/plain")]);
        assert!(status == 403 && text.contains("X-Hayauma-Order"), "{what}: {status} {text}");
        for (header, part) in [
            (("Origin", "http://elsewhere.example"), "other sites"),
            (("Origin", "null"), "other sites"),
            (("Sec-Fetch-Site", "cross-site"), "other sites"),
            (("Sec-Fetch-Site", "same-site"), "other sites"),
            (("Host", "rebound.example"), "rebound.example"),
        ] {
            let (status, text) = send(rule, &[header, order]);
            assert!(status == 403 && text.contains(part), "{what} {header:?}: {status} {text}");
        }
    }
    assert_eq!(port.audit(), before, "nothing was done");
    assert!(!port.engine.stopped.load(Ordering::Relaxed));
    assert!(!port.engine.paused.load(Ordering::Relaxed));
    for rule in orders() {
        let status = send(rule, &[order, ("Sec-Fetch-Site", "none")]).0;
        assert!(status < 300 || [404, 409].contains(&status), "{} {status}", rule.path);
    }
    for rule in api().filter(|rule| !rule.is_order()) {
        assert_ne!(send(rule, &[]).0, 403, "{} takes no such header", rule.path);
    }
}

#[test]
fn an_order_by_the_socket_takes_its_header_too() {
    let port = Port::open();
    let request = "POST /stop HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = port.send_by_socket(request);
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("X-Hayauma-Order"), "{answer}");
    assert!(!port.engine.stopped.load(Ordering::Relaxed));
}

#[test]
fn an_answer_that_is_still_leaving_is_not_cut_off_by_strangers() {
    let port = Port::open();
    assert_eq!(port.send("POST", "/clients", CLIENT).0, 201);
    let contracts = r#"{"xpid":"00100000001","msns":["09000000000-09000099999"]}"#;
    assert_eq!(port.send("POST", "/contracts", contracts).0, 200);
    let mut reader = TcpStream::connect(port.address()).expect("a connection");
    let request = format!(
        "GET /contracts?limit=100000 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \
         {SECRET}\r\nConnection: close\r\n\r\n"
    );
    reader.write_all(request.as_bytes()).expect("taken");
    let mut answer = vec![0; 1 << 16];
    let begun = reader.read(&mut answer).expect("its beginning");
    answer.truncate(begun);
    // More than there are places, and each of them gets one.
    for _ in 0..4 * CONNECTIONS {
        let mut stranger = TcpStream::connect(port.address()).expect("a connection");
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stranger.write_all(request).expect("taken");
        let mut told = String::new();
        stranger.read_to_string(&mut told).expect("an answer");
        assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    }
    let idle: Vec<TcpStream> = (0..4 * CONNECTIONS)
        .map(|_| TcpStream::connect(port.address()).expect("a connection"))
        .collect();
    assert_eq!(port.send("GET", "/healthz", "").0, 200);
    reader.read_to_end(&mut answer).expect("the rest");
    let text = String::from_utf8(answer).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    assert_eq!(length.and_then(|length| length.parse().ok()), Some(body.len()));
    assert!(body.len() > 4 << 20, "more than the kernel keeps: {}", body.len());
    drop(idle);
}

#[test]
fn a_document_that_trickles_in_does_not_hold_its_place_for_ever() {
    let port = Port::open();
    let mut slow = TcpStream::connect(port.address()).expect("a connection");
    let head = format!(
        "PUT /network/lines HTTP/1.1\r\nHost: localhost\r\nX-Hayauma-Order: 1\r\nAuthorization: \
         Bearer {SECRET}\r\nContent-Length: 1000000\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).expect("taken");
    slow.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
    let mut answer = vec![0; 512];
    let octets = loop {
        // Never silent for as long as a body may be.
        if slow.write_all(b" ").is_err() {
            break slow.read(&mut answer).expect("an answer");
        }
        if let Ok(octets) = slow.read(&mut answer) {
            break octets;
        }
    };
    let answer = String::from_utf8_lossy(&answer[..octets]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("did not come"), "{answer}");
}
