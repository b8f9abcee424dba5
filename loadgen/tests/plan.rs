//! A plan with every kind of request against a real engine: each is answered as it must be, and the
//! books are clean.

use loadgen::drill::ENGINE_ARGUMENT;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_hayauma-load");

/// A running engine, ended when dropped.
struct Engine(Child);

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn hayauma(arguments: &[&str], data: &str) -> Output {
    let output = Command::new(BINARY)
        .arg(ENGINE_ARGUMENT)
        .args(arguments)
        .args(["--data-dir", data])
        .output()
        .expect("the executable starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a loopback port")
}

fn is_healthy(data: &Path) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = host::unix_socket::connect(data, host::unix_socket::ADMIN_SOCKET)?;
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// An engine with the two registrations and the contracts that `examples/plan.toml` needs.
fn start(data: &str, listen: SocketAddr, sink: SocketAddr) -> Engine {
    let child = Command::new(BINARY)
        .args([ENGINE_ARGUMENT, "serve", "--listen", &listen.to_string()])
        .args(["--data-dir", data, "--shards", "1", "--log", "warn", "--durability", "process"])
        .args(["--queue-bytes", "64MiB", "--notify-allow", "127.0.0.0/8"])
        .stdout(Stdio::null())
        .spawn()
        .expect("the executable starts");
    let engine = Engine(child);
    let begun = Instant::now();
    while !is_healthy(Path::new(data)) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the engine does not become healthy");
        std::thread::yield_now();
    }
    let url = format!("http://{sink}/notify");
    let client = ["client", "add", "00100000001", "--client", "example", "--notify-url", &url];
    hayauma(&client, data);
    let other = ["client", "add", "00100000002", "--client", "example", "--notify-url", &url];
    hayauma(&[&other[..], &["--class", "urgent"]].concat(), data);
    for xpid in ["00100000001", "00100000002"] {
        hayauma(&["contract", "add", xpid, "09000000000-09000000999"], data);
    }
    engine
}

fn carry_out(directory: &Path, more: &str) -> (Output, simd_json::OwnedValue) {
    let (listen, sink) = (free_address(), free_address());
    let data = directory.join("data").to_str().expect("UTF-8").to_owned();
    let engine = start(&data, listen, sink);
    let plan = include_str!("../../examples/plan.toml")
        .replace("# target = \"127.0.0.1:8080\"", &format!("target = \"{listen}\""))
        .replace("sink = \"127.0.0.1:9000\"", &format!("sink = \"{sink}\""))
        .replace("# engine_process = 4711", &format!("engine_process = {}", engine.0.id()));
    let (path, report) = (directory.join("plan.toml"), directory.join("report"));
    std::fs::write(&path, plan + more).expect("a writable directory");
    let output = Command::new(BINARY)
        .args(["run", path.to_str().expect("UTF-8"), "--report", report.to_str().expect("UTF-8")])
        .output()
        .expect("the executable starts");
    let mut summary = std::fs::read(report.join("summary.json")).expect("a summary");
    (output, simd_json::to_owned_value(&mut summary).expect("JSON"))
}

#[test]
fn every_kind_of_request_is_answered_as_it_must_be_and_the_books_are_clean() {
    let mut more = String::new();
    for (fault, name, _) in loadgen::acts::FAULTS {
        use loadgen::acts::Fault;
        if !matches!(fault, Fault::OddHex | Fault::NotContracted) {
            more.push_str(&format!(
                "\n[[request]]\nkind = \"bad\"\nweight = 1\nfault = \"{name}\"\n"
            ));
        }
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (output, summary) = carry_out(directory.path(), &more);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.trim_end().ends_with("· wrongly answered 0 · accepted twice 0"), "{text}");
    use simd_json::prelude::{ValueAsArray, ValueAsScalar};
    let answers = summary["answers"].as_array().expect("a list");
    assert_eq!(answers.len(), loadgen::acts::FAULTS.len() + 2, "a kind was not sent: {answers:?}");
    for answer in answers {
        assert!(answer["right"].as_u64().is_some_and(|right| right > 0), "{answer:?}");
    }
    assert!(summary["ledger"]["withdrawn"].as_u64().is_some_and(|count| count > 0), "{text}");
    assert_eq!(summary["plan"]["xpids"], simd_json::json!(["00100000001", "00100000002"]));
    // A figure is worth nothing without where and how it was measured.
    for (name, part) in [("durability", "process"), ("arguments", "serve")] {
        assert!(summary["engine_process"][name].to_string().contains(part), "{name}");
    }
    for name in ["kernel", "cpu_model", "file_system"] {
        assert!(summary["machine"][name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
    for stage in
        ["answer", "service", "delivery", "notification", "notification-service", "lateness"]
    {
        assert!(directory.path().join(format!("report/{stage}.hgrm")).exists(), "{stage}");
    }
}
