//! The admin port under hostile requests: every path that it has, with documents that nest, swell,
//! hold what nobody asked for or are none. Each is refused with a sentence, and the engine goes on.

use hayauma::control::admin::PATHS;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use tests::engine::Engine;
use tests::http::Answer;
use tests::push::{Body, XPID};
use tests::site::Site;

const MSN: &str = "09012345678";
/// The longest body that is read.
const BODY_OCTETS_MAX: usize = 1 << 20;

/// What a route reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Nothing: a body is left unread.
    Nothing,
    /// A JSON object; a right one of it.
    Document(&'static str),
    /// A JSON object about something that is not there; a right one of it.
    DocumentOfNothing(&'static str),
    /// Parameters in the query; right ones of them.
    Parameters(&'static str),
    /// Lines of any number.
    Lines,
    /// A form from a page of its own, and nothing else.
    Form,
}

const MANIFEST: &str = concat!(
    r#"{"xpid":"00100000001","sender":"tests","class":"02","reqid":"a","legs":[{"audience":"#,
    r#"{"list":"l","areas":["13101"]},"texts":{"variants":{"en":"x"}}}]}"#
);
const SOURCE: &str = concat!(
    r#"{"token":"town-cap","profile":"cap","xpid":"00100000001","sender":"tests","#,
    r#""lists":["li-0"]}"#
);
const FOLLOWER: &str = r#"{"reqid":"b","texts":{"variants":{"en":"x"}}}"#;

/// Every route, by the path that the source gives it.
const ROUTES: &[(&str, &str, Takes)] = &[
    ("GET", "/healthz", Takes::Nothing),
    ("GET", "/readyz", Takes::Parameters("class=standard")),
    ("GET", "/metrics", Takes::Nothing),
    ("GET", "/status", Takes::Nothing),
    ("POST", "/pause", Takes::Nothing),
    ("POST", "/resume", Takes::Nothing),
    ("POST", "/stop", Takes::Nothing),
    ("GET", "/clients", Takes::Nothing),
    ("POST", "/clients", Takes::Document(r#"{"xpid":"00100000002","client":"A"}"#)),
    ("GET", "/clients/{xpid}", Takes::Nothing),
    ("PUT", "/clients/{xpid}", Takes::Document(r#"{"client":"tests"}"#)),
    ("PATCH", "/clients/{xpid}", Takes::Document(r#"{"client":"tests"}"#)),
    ("DELETE", "/clients/{xpid}", Takes::Parameters("contracts=false")),
    ("GET", "/contracts", Takes::Parameters("limit=1")),
    ("POST", "/contracts", Takes::Document(r#"{"xpid":"00100000001","msns":["09012345678"]}"#)),
    ("DELETE", "/contracts", Takes::Document(r#"{"xpid":"00100000001","msns":["09000000001"]}"#)),
    ("GET", "/contracts/count", Takes::Nothing),
    ("POST", "/contracts/import", Takes::Lines),
    ("GET", "/carriers", Takes::Nothing),
    (
        "POST",
        "/carriers",
        Takes::Document(
            r#"{"do":"add","name":"a","settings":{"hosts":["127.0.0.1:1"],"system_id":"a"}}"#,
        ),
    ),
    ("POST", "/smpp/trace", Takes::Document(r#"{"xpid":"00100000001"}"#)),
    ("GET", "/smpp/trace", Takes::Parameters("after=0")),
    ("GET", "/tokens", Takes::Nothing),
    ("POST", "/tokens", Takes::Document(r#"{"name":"ops","roles":["read"]}"#)),
    ("DELETE", "/tokens/{name}", Takes::Parameters("older=false")),
    ("POST", "/backups", Takes::Document(r#"{"target":"/mnt/copy"}"#)),
    ("GET", "/queue", Takes::Nothing),
    ("GET", "/pushes", Takes::Parameters("msn=09012345678")),
    ("GET", "/notifications", Takes::Parameters("xpid=00100000001")),
    ("POST", "/notifications/replay", Takes::Parameters("xpid=00100000001")),
    ("POST", "/notifications/discard", Takes::Parameters("xpid=00100000001")),
    ("GET", "/lists", Takes::Nothing),
    ("POST", "/lists", Takes::Document(r#"{"name":"everybody"}"#)),
    ("GET", "/lists/{list}", Takes::Nothing),
    ("DELETE", "/lists/{list}", Takes::Nothing),
    ("PUT", "/lists/{list}/versions", Takes::Lines),
    ("POST", "/lists/{list}/versions", Takes::Lines),
    ("GET", "/lists/{list}/versions/{version}", Takes::Nothing),
    ("GET", "/lists/{list}/versions/{version}/refused", Takes::Nothing),
    ("GET", "/lists/{list}/versions/{version}/rows", Takes::Parameters("msn=09012345678")),
    ("POST", "/lists/{list}/versions/{version}/take", Takes::Nothing),
    ("POST", "/lists/forget", Takes::Document(r#"{"msn":"09000000001"}"#)),
    ("GET", "/broadcasts", Takes::Nothing),
    ("POST", "/broadcasts", Takes::Document(MANIFEST)),
    ("GET", "/broadcasts/{broadcast}", Takes::Nothing),
    ("PUT", "/broadcasts/{broadcast}", Takes::DocumentOfNothing(MANIFEST)),
    ("POST", "/broadcasts/{broadcast}/check", Takes::Nothing),
    ("POST", "/broadcasts/{broadcast}/approve", Takes::DocumentOfNothing(r#"{"digest":"00"}"#)),
    ("POST", "/broadcasts/{broadcast}/reject", Takes::DocumentOfNothing(r#"{"digest":"00"}"#)),
    (
        "POST",
        "/broadcasts/{broadcast}/start",
        Takes::DocumentOfNothing(r#"{"digest":"00","recipients":1}"#),
    ),
    ("POST", "/broadcasts/{broadcast}/pause", Takes::Nothing),
    ("POST", "/broadcasts/{broadcast}/resume", Takes::Nothing),
    ("POST", "/broadcasts/{broadcast}/cancel", Takes::DocumentOfNothing(r#"{"reason":"x"}"#)),
    ("PATCH", "/broadcasts/{broadcast}/pace", Takes::DocumentOfNothing(r#"{"per_second":5}"#)),
    ("POST", "/broadcasts/{broadcast}/wave", Takes::DocumentOfNothing(r#"{"wave":2}"#)),
    ("GET", "/broadcasts/{broadcast}/recipients/{msn}", Takes::Nothing),
    ("DELETE", "/broadcasts/{broadcast}/recipients/{msn}", Takes::Nothing),
    ("POST", "/broadcasts/{broadcast}/retract", Takes::DocumentOfNothing(FOLLOWER)),
    ("POST", "/broadcasts/{broadcast}/update", Takes::DocumentOfNothing(FOLLOWER)),
    ("GET", "/broadcasts/{broadcast}/results", Takes::Parameters("format=csv")),
    ("GET", "/areas", Takes::Parameters("find=13101")),
    ("PUT", "/areas", Takes::Lines),
    ("POST", "/areas/match", Takes::Document(r#"{"codes":["13101"]}"#)),
    ("GET", "/templates", Takes::Nothing),
    ("GET", "/templates/{template}", Takes::Nothing),
    ("PUT", "/templates/{template}", Takes::Document(r#"{"variants":{"en":"x"}}"#)),
    ("GET", "/sources", Takes::Nothing),
    ("PUT", "/sources/{source}", Takes::Document(SOURCE)),
    ("DELETE", "/sources/{source}", Takes::Nothing),
    ("POST", "/cap", Takes::Lines),
    ("POST", "/jmaxml", Takes::Lines),
    ("POST", "/lalert", Takes::Lines),
    ("GET", "/warnings", Takes::Parameters("source=town")),
    ("GET", "/broadcasts/{broadcast}/events", Takes::Nothing),
    ("GET", "/broadcasts/{broadcast}/report.json", Takes::Nothing),
    ("GET", "/broadcasts/{broadcast}/report", Takes::Parameters("lang=en")),
    ("GET", "/", Takes::Nothing),
    ("GET", "/login", Takes::Nothing),
    ("POST", "/login", Takes::Form),
    ("POST", "/logout", Takes::Nothing),
    ("GET", "/dashboard/style.css", Takes::Nothing),
    ("GET", "/dashboard/live.js", Takes::Nothing),
    ("GET", "/dashboard/icon.svg", Takes::Nothing),
    ("GET", "/dashboard", Takes::Parameters("all=true")),
    ("GET", "/dashboard/new", Takes::Parameters("lang=en")),
    ("POST", "/dashboard/new", Takes::Form),
    ("GET", "/dashboard/{broadcast}", Takes::Parameters("lang=en")),
    ("GET", "/dashboard/{broadcast}/live", Takes::Nothing),
    ("GET", "/dashboard/{broadcast}/confirm", Takes::Parameters("act=start")),
    ("POST", "/dashboard/{broadcast}/check", Takes::Form),
    ("POST", "/dashboard/{broadcast}/approve", Takes::Form),
    ("POST", "/dashboard/{broadcast}/reject", Takes::Form),
    ("POST", "/dashboard/{broadcast}/start", Takes::Form),
    ("POST", "/dashboard/{broadcast}/pause", Takes::Form),
    ("POST", "/dashboard/{broadcast}/resume", Takes::Form),
    ("POST", "/dashboard/{broadcast}/cancel", Takes::Form),
    ("POST", "/dashboard/{broadcast}/pace", Takes::Form),
    ("POST", "/dashboard/{broadcast}/wave", Takes::Form),
    ("POST", "/dashboard/{broadcast}/retract", Takes::Form),
    ("PUT", "/network/lines", Takes::Document(r#"{"msns":["09012345678"],"state":"home"}"#)),
];

fn site() -> Site {
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &[MSN]);
    site
}

/// Sends a request; `None` when the port closes without a word.
fn ask(engine: &Engine, method: &str, target: &str, body: &[u8]) -> Option<Answer> {
    let mut connection = engine.admin().try_connect()?;
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         X-Hayauma-Order: 1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.send(head.as_bytes());
    // A body that nobody wants may be refused before its end.
    let _ = connection.try_send(body);
    connection.try_answer().ok().flatten()
}

/// The request is refused with one of these statuses and one sentence as JSON.
#[track_caller]
fn check_refused(
    engine: &Engine,
    method: &str,
    target: &str,
    name: &str,
    body: &[u8],
    statuses: &[u16],
) {
    let answer = ask(engine, method, target, body);
    let answer = answer.unwrap_or_else(|| panic!("{method} {target} {name}: no answer"));
    assert!(statuses.contains(&answer.status()), "{method} {target} {name}: {answer:?}");
    assert_eq!(answer.header("Content-Type"), Some("application/json"), "{method} {target} {name}");
    let text = answer.text();
    assert!(
        text.starts_with(r#"{"error":""#) && text.len() < 1_000,
        "{method} {target} {name}: {text}"
    );
}

fn target(path: &str) -> String {
    path.replace("{xpid}", XPID)
        .replace("{name}", "ops")
        .replace("{list}", "li-0")
        .replace("{version}", "1")
        .replace("{broadcast}", "bc-0")
        .replace("{template}", "flood")
        .replace("{msn}", "09012345678")
        .replace("{source}", "town")
}

/// What no document may be, beside the right one.
fn hostile_documents(right: &str) -> Vec<(String, Vec<u8>)> {
    let inside = |more: &str| {
        format!("{},{more}}}", right.strip_suffix('}').expect("an object")).into_bytes()
    };
    let mut bodies: Vec<(String, Vec<u8>)> = vec![
        ("nothing".to_owned(), Vec::new()),
        ("no JSON".to_owned(), b"hello".to_vec()),
        ("a half".to_owned(), right.as_bytes()[..right.len() / 2].to_vec()),
        ("two of them".to_owned(), right.repeat(2).into_bytes()),
        ("a list of values".to_owned(), br#"[["09012345678"],"home"]"#.to_vec()),
        ("null".to_owned(), b"null".to_vec()),
        ("a number".to_owned(), b"1e400".to_vec()),
        (
            "not UTF-8".to_owned(),
            [&inside("")[..right.len() - 1], b",\"client\":\"\xff\"}"].concat(),
        ),
        ("half a surrogate pair".to_owned(), inside(r#""client":"\ud800""#)),
        ("a zero octet".to_owned(), [right.as_bytes(), b"\0"].concat()),
        ("an unknown field".to_owned(), inside(r#""colour":"red""#)),
        ("an unknown field of depth".to_owned(), inside(r#""colour":{"a":[1,{"b":2}]}"#)),
    ];
    for levels in [17, 16_000, 100_000] {
        bodies.push((format!("{levels} levels"), "[".repeat(levels).into_bytes()));
        let closed = "[".repeat(levels) + &"]".repeat(levels);
        for field in ["colour", "msns", "client", "classes"] {
            bodies.push((
                format!("{levels} levels in {field}"),
                inside(&format!("\"{field}\":{closed}")),
            ));
        }
        let objects = "{\"a\":".repeat(levels) + "1" + &"}".repeat(levels);
        bodies.push((format!("{levels} objects"), inside(&format!("\"colour\":{objects}"))));
    }
    // Each field of the right document with what it cannot be.
    for wrong in ["null", "{}", "[[]]", "-1", "true", "[1]"] {
        for at in right.match_indices("\":").map(|(at, _)| at + 2) {
            let end = value_end(&right.as_bytes()[at..]) + at;
            let body = [&right[..at], wrong, &right[end..]].concat();
            bodies.push((format!("{wrong} at {at}"), body.into_bytes()));
        }
    }
    bodies
}

/// Where the value that these octets begin with ends. No text in it has an escape.
fn value_end(octets: &[u8]) -> usize {
    let (mut depth, mut is_text) = (0, false);
    for (at, octet) in octets.iter().enumerate() {
        match octet {
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => depth += 1,
            b']' | b'}' if !is_text && depth > 0 => depth -= 1,
            b',' | b'}' if !is_text && depth == 0 => return at,
            _ => continue,
        }
        if depth == 0 && !is_text && *octet != b',' {
            return at + 1;
        }
    }
    panic!("a whole value")
}

#[test]
fn every_path_of_the_source_stands_in_the_table_here_and_reads_in_the_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .join("engine/src/control");
    let mut files = vec![root.join("admin.rs")];
    for directory in [&root, &root.join("admin"), &root.join("broadcasts")] {
        for entry in fs::read_dir(directory).expect("a readable directory") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                files.push(path);
            }
        }
    }
    let mut found = BTreeSet::new();
    for path in files {
        let text = fs::read_to_string(&path).expect("readable");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        found.extend(
            code.split(".route(\"")
                .skip(1)
                .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())),
        );
        // Bodies and queries are read by `Document` and `Parameters`, JSON by `wire::json`.
        if !path.ends_with("reading.rs") && !path.ends_with("json.rs") {
            for word in ["simd_json::from", "body::to_bytes", " to_bytes("] {
                assert!(!code.contains(word), "{word} in {}", path.display());
            }
            for line in code.lines().filter(|line| line.starts_with("use axum::")) {
                let mut words = line.split(|letter: char| !letter.is_alphanumeric());
                let wrong =
                    words.find(|word| ["Bytes", "Query", "Json", "Form", "Path"].contains(word));
                assert_eq!(wrong, None, "{line} in {}", path.display());
            }
        }
    }
    let known: BTreeSet<String> = ROUTES.iter().map(|(_, path, _)| (*path).to_owned()).collect();
    assert_eq!(found, known, "paths in the source, and paths that hostile requests are sent to");
    let asked: BTreeSet<(&str, &str)> =
        ROUTES.iter().map(|&(method, path, _)| (method, path)).collect();
    let ruled = PATHS.iter().map(|rule| (rule.method, rule.path)).collect();
    assert_eq!(asked, ruled, "paths here, and those that the table of roles has");
}

#[test]
fn no_document_and_no_query_ends_the_engine() {
    let site = site();
    let mut engine = site.start();
    let too_long = [b"{\"client\":\"", b"a".repeat(BODY_OCTETS_MAX).as_slice(), b"\"}"].concat();
    for (method, path, takes) in ROUTES {
        let target = target(path);
        if let Takes::Document(right) | Takes::DocumentOfNothing(right) = takes {
            for (name, body) in hostile_documents(right) {
                // A change of nothing: null is an absent field.
                if *method == "PATCH" && name.starts_with("null at") {
                    continue;
                }
                // What can be read is about something that is not there.
                let statuses: &[u16] = match takes {
                    Takes::DocumentOfNothing(_) => &[400, 404, 422],
                    _ => &[400, 422],
                };
                check_refused(&engine, method, &target, &name, &body, statuses);
            }
            check_refused(&engine, method, &target, "too long", &too_long, &[413]);
            let whole = ask(&engine, method, &target, right.as_bytes()).expect("an answer");
            let is_there = matches!(takes, Takes::Document(_));
            assert!(
                if is_there { whole.status() < 300 } else { whole.status() == 404 },
                "{method} {target}: {whole:?}"
            );
        }
        if let Takes::Parameters(right) = takes {
            for (name, query) in [
                ("unknown", format!("{right}&colour=red")),
                ("twice", format!("{right}&{right}")),
                ("not UTF-8", format!("{right}&%ff=%ff")),
            ] {
                check_refused(&engine, method, &format!("{target}?{query}"), name, b"", &[400]);
            }
        }
        if *takes == Takes::Form {
            for (name, body) in [
                ("none", Vec::new()),
                ("fields without end", b"a=1&".repeat(100_000)),
                ("not UTF-8", b"word=%ff\xff&%=".to_vec()),
                ("another session's", b"word=hayauma-0&token=x&reason=x".to_vec()),
            ] {
                check_refused(&engine, method, &target, name, &body, &[400, 403]);
            }
            check_refused(&engine, method, &target, "too long", &too_long, &[403, 413]);
        }
        if path.contains("{xpid}") {
            for wrong in ["x", "%ff", "%00", "0010000000100100000001", "..%2f"] {
                let target = path.replace("{xpid}", wrong);
                let body: &[u8] =
                    if let Takes::Document(right) = takes { right.as_bytes() } else { b"" };
                check_refused(&engine, method, &target, "path", body, &[400]);
            }
        }
    }
    check_unread_bodies(&engine);
    let lines = [b"[".repeat(3 << 20), b"\xff\n\0\n".repeat(1_000)].concat();
    let import = ask(&engine, "POST", "/contracts/import?lines=3", &lines).expect("an answer");
    assert_eq!(import.status(), 200, "{import:?}");
    assert!(import.text().contains("longer than 4096 octets"), "{import:?}");
    assert!(engine.is_running());
    assert_eq!(engine.connect().ask(&Body::push(MSN, "after-all").request()).code(), "0000");
    engine.stop();
}

/// Where no body is wanted one is not read, however it looks.
fn check_unread_bodies(engine: &Engine) {
    for (method, path, _) in
        ROUTES.iter().filter(|(_, path, takes)| *takes == Takes::Nothing && *path != "/stop")
    {
        let _ = ask(engine, method, &target(path), &b"[".repeat(100_000));
    }
    assert!(engine.admin().is_healthy());
    let _ = ask(engine, "POST", "/resume", b"");
}

#[test]
fn bodies_of_32_mib_are_refused_to_the_reader_and_take_no_memory() {
    let site = site();
    let engine = site.start();
    let before = peak_kib(&engine);
    let body = b"[".repeat(32 << 20);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope
                .spawn(|| check_refused(&engine, "PUT", "/network/lines", "32 MiB", &body, &[413]));
        }
    });
    let grown = peak_kib(&engine) - before;
    assert!(grown < 32 * 1024, "the engine took {grown} KiB for six bodies of 32 MiB");
    engine.stop();
}

/// The most memory that the process has had.
fn peak_kib(engine: &Engine) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", engine.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
