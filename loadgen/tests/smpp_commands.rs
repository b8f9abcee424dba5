//! `hayauma-load smsc` and `hayauma-load smpp` as people start them: one beside the other.

use simd_json::OwnedValue;
use simd_json::prelude::{ValueAsScalar, ValueObjectAccess};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_hayauma-load");

/// A child that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn json(path: &Path) -> OwnedValue {
    let mut octets = std::fs::read(path).expect("written");
    simd_json::to_owned_value(&mut octets).expect("JSON")
}

fn number(value: &OwnedValue, path: &[&str]) -> u64 {
    let at = path.iter().try_fold(value, |value, name| value.get(*name));
    at.and_then(|value| value.as_u64()).unwrap_or_else(|| panic!("no {path:?}"))
}

#[test]
fn an_smsc_and_a_client_are_started_and_both_write_their_books() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = |name: &str| directory.path().join(name);
    std::fs::write(place("accounts"), "other:word\nload:secret\n").expect("written");
    let mut smsc = Command::new(BINARY)
        .args(["smsc", "--listen", "127.0.0.1:0", "--rate", "2000", "--account-file"])
        .arg(place("accounts"))
        .args(["--fault", "status:0x45=10%", "--response-ids", "hex", "--receipt-ids", "decimal"])
        .args(["--first-id", "48879", "--receipt-form", "text", "--json"])
        .arg(place("book.json"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map(Running)
        .expect("the program starts");
    let mut line = String::new();
    let words = smsc.0.stderr.take().expect("piped");
    BufReader::new(words).read_line(&mut line).expect("a line");
    let address = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:"));
    let address = address.unwrap_or_else(|| panic!("it says {line:?}"));

    std::fs::write(place("password"), "secret\n").expect("written");
    let run = Command::new(BINARY)
        .args(["smpp", "--target", address, "--system-id", "load", "--pushes", "300"])
        .args(["--response-ids", "hex", "--receipt-ids", "decimal", "--connections", "2"])
        .args(["--pipeline", "10", "--stall", "10", "--source", "Hayauma", "--password-file"])
        .arg(place("password"))
        .arg("--json")
        .arg(place("run.json"))
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{text} {}", String::from_utf8_lossy(&run.stderr));
    assert!(text.contains("× ESME_RSUBMITFAIL"), "{text}");

    let id = smsc.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
    assert!(smsc.0.wait().expect("a child").success());
    let (book, run) = (json(&place("book.json")), json(&place("run.json")));
    let accepted = number(&run, &["ledger", "accepted"]);
    assert_eq!(number(&book, &["taken"]), accepted);
    assert_eq!(number(&book, &["receipts_taken"]), number(&run, &["ledger", "notified"]));
    let refused = number(&run, &["smpp_statuses", "ESME_RSUBMITFAIL"]);
    assert_eq!((accepted + refused, number(&book, &["unbinds"])), (300, 2));
}

#[test]
fn a_file_of_accounts_that_cannot_be_used_is_refused_without_showing_what_it_holds() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("accounts");
    for (text, says) in [("good:word\nlost-secret\n", "line 2 of"), ("\n", "names nobody")] {
        std::fs::write(&path, text).expect("written");
        let run = Command::new(BINARY)
            .args(["smsc", "--listen", "127.0.0.1:0", "--account-file"])
            .arg(&path)
            .output()
            .expect("the program starts");
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(!run.status.success() && said.contains(says), "{said}");
        assert!(said.contains("ID:PASSWORD") && !said.contains("lost-secret"), "{said}");
    }
}
