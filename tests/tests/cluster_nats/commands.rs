//! `hayauma cluster init|status|doctor` against real servers, and what they refuse.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use tests::engine::Finished;
use tests::nats::{NatsServers, cluster_toml};
use tests::site::Site;
use tests::wait;

struct Commands {
    site: Site,
}

impl Commands {
    fn write(&self, text: &str) {
        std::fs::write(self.site.path("cluster.toml"), text).expect("a file");
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let arguments: Vec<&str> = [&["cluster"], arguments].concat();
        Finished::of(self.site.command(&arguments), "cluster")
    }

    #[track_caller]
    fn succeeds(&self, arguments: &[&str], words: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!(done.status, Some(0), "{arguments:?}: {}{}", done.stdout, done.stderr);
        for words in words {
            assert!(done.stdout.contains(words), "{words:?} in {}", done.stdout);
        }
        done.stdout
    }

    #[track_caller]
    fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let done = self.run(arguments);
        assert_eq!(done.status, Some(1), "{arguments:?}: {}{}", done.stdout, done.stderr);
        for words in words {
            assert!(done.stderr.contains(words), "{words:?} in {}", done.stderr);
        }
        assert_eq!(done.stderr.matches('\n').count(), 1, "one sentence: {}", done.stderr);
    }
}

const INIT: &[&str] = &["init", "--partitions", "16", "--partition-bytes", "64MiB"];

#[test]
fn a_cluster_is_made_once_shown_and_checked_and_what_could_lose_pushes_is_refused() {
    let Some(mut servers) = NatsServers::start() else { return };
    let commands = Commands { site: Site::new(tests::programs!()) };
    refuses_servers(&commands, &mut servers);
    makes_a_cluster(&commands, &servers);
    shows_it(&commands, &mut servers);
}

fn refuses_servers(commands: &Commands, servers: &mut NatsServers) {
    let (addresses, monitors) = (servers.addresses(), servers.monitors());
    let with =
        |monitors: &[SocketAddr]| commands.write(&cluster_toml("kanto", "a", &addresses, monitors));
    commands.refuses(INIT, &["cluster.toml cannot be read"]);
    with(&[]);
    commands.refuses(INIT, &["`nats_monitor` is missing"]);
    with(&monitors[..2]);
    commands.refuses(INIT, &["2 NATS servers are one too few to keep three copies"]);
    let old = old_server();
    with(&[monitors[0], monitors[1], old]);
    commands.refuses(INIT, &["n9 is NATS 2.9.10", "use 2.12.3 or newer"]);
    servers.restart(2, "2m");
    with(&monitors);
    commands.refuses(INIT, &["n3 acknowledges before its disk has it", "sync_interval: always"]);
    commands.refuses(&["status"], &["there is no cluster kanto", "hayauma cluster init"]);
    servers.restart(2, "always");
    commands.refuses(&["init", "--partitions", "24"], &["24 partitions cannot be"]);
}

fn makes_a_cluster(commands: &Commands, servers: &NatsServers) {
    // One that somebody has made by hand, and that would throw away what is oldest.
    let made = servers.order(
        "STREAM.CREATE.HY_kanto_P003",
        r#"{"name":"HY_kanto_P003","subjects":["hayauma.kanto.part.003"],"storage":"file",
            "retention":"limits","discard":"old","num_replicas":3,"deny_delete":true,
            "max_bytes":1000000}"#,
    );
    assert!(made.contains("\"did_create\":true"), "{made}");
    commands.refuses(INIT, &["the stream HY_kanto_P003 has discard = Old", "has New"]);
    servers.order("STREAM.DELETE.HY_kanto_P003", "");
    // Those before it are there already.
    commands.succeeds(INIT, &["kanto has 16 partitions in 16 new streams"]);
    commands.succeeds(INIT, &["kanto is there, whole, with 16 partitions"]);
    commands.succeeds(&["init"], &["kanto is there, whole, with 16 partitions"]);
    commands.refuses(&["init", "--partitions", "32"], &["kanto has 16 partitions, which never"]);
    commands.write(&servers.cluster_toml("tohoku", "a"));
    commands.refuses(INIT, &["these NATS servers hold the cluster kanto"]);
    commands.refuses(&["status"], &["there is no cluster tohoku"]);
    let times = servers.cluster_toml("kanto", "a") + "act_ms = 1000\n";
    commands.write(&times);
    commands.refuses(INIT, &["lease_ms = 2500 and act_ms = 1500", "two nodes would act at once"]);
    let doctor = commands.run(&["doctor"]);
    assert_eq!(doctor.status, Some(1), "other times are fatal: {}", doctor.stdout);
    commands.write(&servers.cluster_toml("kanto", "a"));
}

fn shows_it(commands: &Commands, servers: &mut NatsServers) {
    commands.succeeds(
        &["status", "--partitions"],
        &["kanto · 16 partitions · nats ", " × 3, synced · 0 nodes", "nobody's     16", "COPIES"],
    );
    let told = commands.succeeds(&["status", "--json"], &["\"cluster\":\"kanto\""]);
    assert_eq!(told.matches("\"copies\":3").count(), 16, "{told}");
    commands.succeeds(&["doctor"], &["19 of 19 have a leader and all copies", "server n1"]);
    // With one server down nothing is lost, and once the others have elected a node may be started.
    servers.kill(2);
    let told = wait::until("an election", || {
        let doctor = commands.run(&["doctor"]);
        (doctor.status == Some(0)).then_some(doctor.stdout)
    });
    assert!(told.contains("2 of 3 copies are current"), "{told}");
    assert!(told.contains("does not say what the server is set to"), "{told}");
    commands.refuses(INIT, &["does not say what the server is set to"]);
}

/// The monitor of a server that is too old.
fn old_server() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for _ in ["varz", "jsz"] {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut octets = [0; 1_024];
            let _ = stream.read(&mut octets);
            let body = "{\"server_id\":\"N9\",\"server_name\":\"n9\",\"version\":\"2.9.10\",\
                        \"max_payload\":1048576,\"now\":\"2026-01-01T00:00:00Z\",\"config\":\
                        {\"max_memory\":1},\"meta_cluster\":{\"cluster_size\":3}}";
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}
