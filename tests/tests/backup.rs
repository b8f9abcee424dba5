//! `queue backup` while the engine is at work: everything acknowledged before it began is in the
//! copy, and the copy is a data directory like any other.

use hayauma::control::broadcasts::ProgressDocument;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use tests::broadcasts::{Broadcaster, manifest, msn, rows};
use tests::load::Load;
use tests::push::{Body, XPID};
use tests::site::Site;
use tests::wait;

/// Backups in one run.
const BACKUPS: u64 = 4;
/// So many of the latest pushes are asked for, and as many of those before.
const ASKED_OF_LATEST: usize = 4_000;
/// Push clients.
const SENDERS: usize = 2;

fn push(number: u64) -> Body {
    Body::push(&format!("{:011}", 9_000_000_000 + number % 5_000), &format!("kept-{number}"))
}

fn site() -> Site {
    let mut site = Site::new(tests::programs!());
    // Small segments: some are begun, cleaned and given back while the copy is made.
    site.shards(2)
        .set("--segment-bytes", "128KiB")
        .set("--queue-bytes", "64MiB")
        .set("--log", "warn");
    site
}

#[test]
fn a_backup_under_load_holds_everything_acknowledged_before_it_began_and_serves() {
    let site = site();
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &["09000000000-09000004999"]);
    let engine = site.start();
    let load = Load::new(400_000, push);
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| load.send(engine.push_address()));
        }
        let _ended = load.ends_with_this();
        for number in 0..BACKUPS {
            load.await_more(1_500);
            let (acked, target) = (asked_for(load.acked()), site.path(&format!("copy-{number}")));
            let arguments = [
                "queue",
                "backup",
                &site.data_dir().display().to_string(),
                &target.display().to_string(),
            ];
            let finished = tests::engine::Finished::of(site.command(&arguments), "queue backup");
            assert_eq!(finished.status, Some(0), "{}", finished.stderr);
            assert!(finished.stdout.contains("found intact"), "{}", finished.stdout);
            load.pause(true);
            check(&target, &load, &acked);
            load.pause(false);
        }
    });
    let again = site.run(&[
        "queue",
        "backup",
        &site.data_dir().display().to_string(),
        &site.path("copy-0").display().to_string(),
    ]);
    assert_eq!(again.status, Some(1));
    assert!(again.refusal().contains("is there already"), "{}", again.stderr);
    engine.stop();
}

/// The pushes that the copy is asked for: the latest, and some of those before, so that a slow
/// machine is not asked for ever more.
fn asked_for(acked: Vec<u64>) -> Vec<u64> {
    let latest = acked.len().saturating_sub(ASKED_OF_LATEST);
    let step = (latest / ASKED_OF_LATEST).max(1);
    let before = acked[..latest].iter().step_by(step);
    before.chain(&acked[latest..]).copied().collect()
}

/// An engine serves from the copy, knows every push, finishes what was not, and its books add up.
fn check(target: &std::path::Path, load: &Load, acked: &[u64]) {
    let mut copy = site();
    symlink(target, copy.data_dir()).expect("a writable directory");
    assert!(copy.must(&["queue", "verify"]).contains("no damage"));
    copy.set("--take-over", "true");
    let engine = copy.start();
    assert_eq!(
        load.count_unknown(engine.push_address(), acked),
        0,
        "acknowledged before and not in the copy"
    );
    wait::until_true("an empty queue", || {
        engine.admin().figure("contracts") > 0 && engine.admin().figure("pushes_live") == 0
    });
    assert!(
        !engine.log().contains("damaged") && !engine.log().contains("torn"),
        "{}",
        engine.log()
    );
    engine.stop();
    let proof = copy.must(&["billing", "reconcile"]);
    assert!(proof.contains("open pushes: 0") && proof.contains("the books add up"), "{proof}");
}

#[test]
fn a_copy_is_looked_at_until_somebody_takes_over_and_sends_nothing_by_itself() {
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    let people = Broadcaster::new(&site, 200);
    let engine = site.start();
    let list = people.list(&rows(100));
    let broadcast = people.started(&manifest(&list, "02", "slow", r#""pace":{"per_second":10},"#));
    let delivered = |site: &Site| {
        let text = site.must(&["broadcast", "status", &broadcast, "--json"]);
        let progress: ProgressDocument =
            simd_json::from_slice(&mut text.into_bytes()).expect("a document");
        progress.counts["delivered"]
    };
    wait::until_true("some rows", || delivered(&site) > 5);
    let target = site.path("copy");
    let [data, copy] = [site.data_dir(), target.clone()].map(|path| path.display().to_string());
    site.must(&["queue", "backup", &data, &copy]);
    site.must(&["broadcast", "cancel", &broadcast]);
    engine.stop();
    let mut copied = Site::new(tests::programs!());
    copied.shards(2);
    symlink(&target, copied.data_dir()).expect("a writable directory");
    let engine = copied.start();
    assert!(engine.log().contains("LOOKING ON"), "{}", engine.log());
    let ask = |method, path| engine.admin().try_request(method, path, "").expect("an answer");
    let ready = ask("GET", "/readyz");
    assert_eq!(ready.status(), 503);
    assert!(ready.text().contains("--take-over"), "{}", ready.text());
    let push = Body::push(&msn(150), "single").request();
    assert_eq!(engine.connect().ask(&push).code(), "8004", "nothing is taken");
    assert_ne!(ask("POST", "/resume").status(), 200);
    let resumed = copied.run(&["broadcast", "resume", &broadcast]);
    assert!(resumed.refusal().contains("--take-over"), "{resumed:?}");
    let told = copied.must(&["broadcast", "status", &broadcast]);
    assert!(told.contains("only looks on"), "{told}");
    let before = delivered(&copied);
    engine.admin().await_durable();
    let figures = || engine.admin().figure("attempts");
    assert_eq!((figures(), delivered(&copied)), (0, before), "nothing begins");
    engine.stop();
    let found = copied.run(&["doctor"]);
    assert!(found.stdout.contains("only looks on at it"), "{found:?}");
    // As beside the original, whose ports are taken.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let health = format!("--health={}", taken.local_addr().expect("a bound listener"));
    let refused = copied.serve_and_fail(&["--take-over", &health]);
    assert_eq!(refused.status, Some(14), "{refused:?}");
    let engine = copied.start();
    let log = engine.log();
    assert_eq!(log.matches("LOOKING ON").count(), 2, "it has taken nothing over: {log}");
    engine.stop();
    copied.set("--take-over", "true");
    let engine = copied.start();
    wait::until_true("it goes on", || delivered(&copied) > before);
    engine.stop();
    // From then on it is the original.
    copied.set("--take-over", "false");
    let engine = copied.start();
    let looks = engine.log().matches("LOOKING ON").count();
    assert_eq!(looks, 2, "those of the first starts alone: {}", engine.log());
    engine.stop();
}

#[test]
fn a_stopped_directory_is_copied_too_and_what_is_none_is_named() {
    let mut site = Site::new(tests::programs!());
    site.add_client(XPID, &["--token-file", &site.token_file("secret")]);
    let empty = site.path("empty");
    std::fs::create_dir(&empty).expect("a writable directory");
    let [empty, copy, data] =
        [empty, site.path("copy"), site.data_dir()].map(|path| path.display().to_string());
    let finished = site.run(&["queue", "backup", &empty, &copy]);
    assert_eq!(finished.status, Some(1));
    assert!(finished.refusal().contains(&empty), "{}", finished.stderr);
    site.start().stop();
    site.must(&["queue", "backup", &data, &copy]);
    let clients = site.must(&["client", "list", "--json"]);
    site.set("--data-dir", &copy);
    let finished = tests::engine::Finished::of(
        site.command(&["client", "list", "--json", "--data-dir", &copy]),
        "client list",
    );
    assert_eq!(finished.stdout, clients, "registrations are in the copy");
    site.start().stop();
}
