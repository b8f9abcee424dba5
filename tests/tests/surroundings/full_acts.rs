//! What an administrator does while the device is full: it is refused with 507 and a sentence that
//! names the remedy, nothing of it is done, and it is taken again by itself once there is room.

use super::site;
use tests::broadcasts::{Broadcaster, manifest, rows};
use tests::engine::Engine;
use tests::http::Answer;
use tests::push::XPID;
use tests::small_device::SmallDevice;

const MEBIBYTES: u32 = 48;
/// Acts of one kind within which a full device refuses one: what is left of pages that are there
/// already takes some.
const ACTS_MAX: u64 = 400;
/// Recipients of a list.
const RECIPIENTS: u64 = 3_000;

/// One kind of act.
struct Kind {
    name: &'static str,
    method: &'static str,
    path: String,
    /// The body of the act with this number, and a word of it that shows once it is done.
    body: Box<dyn Fn(u64) -> (String, String)>,
    /// Where what was done shows.
    shown: String,
}

fn ask(engine: &Engine, kind: &Kind, number: u64) -> Answer {
    let body = (kind.body)(number).0;
    let answer = engine.admin().try_request(kind.method, &kind.path, &body);
    answer.unwrap_or_else(|| panic!("{}: no answer", kind.name))
}

fn shows(engine: &Engine, kind: &Kind, number: u64) -> bool {
    let word = (kind.body)(number).1;
    engine.admin().request("GET", &kind.shown, "").text().contains(&word)
}

/// Acts of this kind until one is refused, each of which is done wholly or not at all.
fn act_until_refused(device: &SmallDevice, engine: &Engine, kind: &Kind) -> u64 {
    for number in 0..ACTS_MAX {
        device.fill_up();
        let answer = ask(engine, kind, number);
        let (status, name, text) = (answer.status(), kind.name, answer.text());
        if status == 507 {
            assert!(text.contains("free some space"), "{name}: no remedy in {text}");
            assert!(!shows(engine, kind, number), "{name} {number} was refused and is done");
            return number;
        }
        assert!((200..300).contains(&status), "{name} {number}: {status} {text}");
        assert!(shows(engine, kind, number), "{name} {number} was taken and is not done");
    }
    panic!("a full device took {ACTS_MAX} acts of the kind {}", kind.name);
}

fn kinds(list: &str) -> Vec<Kind> {
    let list_of_broadcasts = list.to_owned();
    let manifest =
        move |number: u64| manifest(&list_of_broadcasts, "01", &format!("full-{number}"), "");
    let kind = |name, method, path: &str, shown: &str, body| Kind {
        name,
        method,
        path: path.to_owned(),
        body,
        shown: shown.to_owned(),
    };
    vec![
        kind("client", "POST", "/clients", "/clients", {
            Box::new(|number| {
                let xpid = format!("001{:08}", 1_000 + number);
                (format!(r#"{{"xpid":"{xpid}","client":"{}"}}"#, "c".repeat(60)), xpid)
            })
        }),
        kind("contract", "POST", "/contracts", "/contracts?limit=10000", {
            Box::new(|number| {
                let msn = format!("{:011}", 9_100_000_000 + number);
                (format!(r#"{{"xpid":"{XPID}","msns":["{msn}"]}}"#), msn)
            })
        }),
        kind("token", "POST", "/tokens", "/tokens", {
            Box::new(|number| {
                let name = format!("token-{number:04}");
                (format!(r#"{{"name":"{name}","roles":["read"]}}"#), name)
            })
        }),
        kind("list", "POST", "/lists", "/lists", {
            Box::new(|number| {
                let name = format!("list-{number:04}");
                (format!(r#"{{"name":"{name}"}}"#), name)
            })
        }),
        kind("list's version", "PUT", &format!("/lists/{list}/versions"), "/lists", {
            Box::new(|number| (rows(RECIPIENTS), format!(r#""version":{},"#, number + 2)))
        }),
        kind("broadcast", "POST", "/broadcasts", "/broadcasts", {
            Box::new(move |number| (manifest(number), format!(r#""full-{number}""#)))
        }),
    ]
}

#[test]
fn an_act_on_a_full_device_is_refused_with_507_leaves_nothing_and_is_taken_when_there_is_room() {
    let mut site = site();
    site.set("--segment-bytes", "1MiB").set("--queue-bytes", "16MiB").shards(1);
    {
        let broadcaster = Broadcaster::new(&site, RECIPIENTS);
        let engine = site.start();
        broadcaster.list(&rows(10));
        engine.stop();
    }
    let Some(device) = SmallDevice::with_data_of(&site, MEBIBYTES) else { return };
    let engine = site.start_command(device.serve(&site));
    let lists = engine.admin().request("GET", "/lists", "").text();
    let list = lists.split(r#""list":""#).nth(1).and_then(|rest| rest.split('"').next());
    let kinds = kinds(list.expect("a list"));
    let refused: Vec<u64> =
        kinds.iter().map(|kind| act_until_refused(&device, &engine, kind)).collect();
    // Whoever looks is answered all the while.
    for path in ["/status", "/clients", "/tokens", "/lists", "/broadcasts"] {
        engine.admin().request("GET", path, "");
    }
    std::fs::remove_file(device.path("ballast")).expect("the ballast");
    for (kind, number) in kinds.iter().zip(refused) {
        let answer = ask(&engine, kind, number);
        assert!((200..300).contains(&answer.status()), "{}: {}", kind.name, answer.text());
        assert!(shows(&engine, kind, number), "{}", kind.name);
    }
    let mut verify = device.command();
    verify.arg(site.command::<&str>(&[]).get_program()).args(["audit", "verify"]);
    verify.arg("--data-dir").arg(device.data_dir());
    let verified = tests::engine::Finished::of(verify, "audit verify");
    assert_eq!(verified.status, Some(0), "{verified:?}");
    engine.stop();
}
