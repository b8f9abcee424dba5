//! Bad surroundings: a start that cannot be says why in one sentence and leaves everything as it
//! was; damage on the device is told with its place and costs no more than it must.

mod addresses;
mod damage;
mod device;
mod doors;
mod full_acts;
mod full_load;
mod names;
mod secrets;
mod start;

use std::net::SocketAddr;
use tests::engine::Finished;
use tests::http::{Answer, Connection};
use tests::push::XPID;
use tests::site::Site;

const MSN: &str = "09012345678";

/// A place whose engines say nothing on stderr but what ends them.
fn site() -> Site {
    let mut site = Site::new(tests::programs!());
    site.set("--log", "error");
    site
}

fn site_with_client() -> Site {
    let site = site();
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &[MSN, "09000000000-09000000999"]);
    site
}

/// One sentence on stderr that names all of `parts`, this exit status, nothing on stdout.
#[track_caller]
fn check_refusal(name: &str, finished: &Finished, status: i32, parts: &[&str]) {
    let refusal = finished.refusal();
    assert_eq!(finished.status, Some(status), "{name}: {}", finished.stderr);
    assert_eq!(finished.stderr.lines().count(), 1, "{name}: {}", finished.stderr);
    assert!(refusal.starts_with("hayauma: "), "{name}: {refusal}");
    for part in parts {
        assert!(refusal.contains(part), "{name}: {part:?} in {refusal}");
    }
    assert_eq!(finished.stdout, "", "{name}");
}

/// Asks an admin port, under this token if there is one.
fn ask_port(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
    token: Option<&str>,
) -> Answer {
    let token =
        token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{token}Connection: close\r\n\
         X-Hayauma-Order: 1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Connection::open(address).ask(request.as_bytes())
}
