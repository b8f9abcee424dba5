//! A node that dies: another one owns its partitions within five seconds, and knows all that was
//! acknowledged.

use crate::{CLUSTER, PARTITIONS, cluster};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tests::nats::NatsServers;
use tests::wait;

/// From the death of a node until all of its partitions are another's.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(5);
/// So long a node is there before partitions are moved to it.
const SETTLE_MS: u64 = 1_500;

/// What a process said of each partition.
#[derive(Clone, Debug, Default)]
struct Said {
    /// What it has read of those that it opened.
    owned: BTreeMap<u16, u64>,
    acknowledged: BTreeMap<u16, u64>,
}

/// A node as a process of its own.
struct NodeProcess {
    child: Child,
    said: Arc<Mutex<Said>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl NodeProcess {
    fn start(servers: &NatsServers, node: &str, life: u64, settle_ms: u64) -> Self {
        let file = servers.path(&format!("{node}.toml"));
        std::fs::write(&file, servers.cluster_toml(CLUSTER, node)).expect("a file");
        let mut child = Command::new(env!("CARGO_BIN_EXE_cluster_node"))
            .arg(file)
            .args([u64::from(PARTITIONS), life, settle_ms].map(|number| number.to_string()))
            .stdout(Stdio::piped())
            .spawn()
            .expect("a node");
        let said: Arc<Mutex<Said>> = Arc::default();
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let kept = Arc::clone(&said);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let words: Vec<&str> = line.split(' ').collect();
                let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
                let (Some(partition), Some(last)) = (number(1), number(words.len() - 1)) else {
                    continue;
                };
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let table =
                    if words[0] == "owned" { &mut kept.owned } else { &mut kept.acknowledged };
                table.insert(partition as u16, last);
            }
        });
        Self { child, said, reader: Some(reader) }
    }

    fn said(&self) -> Said {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Kills it; all that it said until then.
    fn kill(&mut self) -> Said {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.said()
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn a_node_that_is_killed_has_successors_within_five_seconds_that_know_all_it_acknowledged() {
    let Some(servers) = cluster() else { return };
    let mut first = NodeProcess::start(&servers, "a", 1, SETTLE_MS);
    let second = NodeProcess::start(&servers, "b", 1, SETTLE_MS);
    let partitions = usize::from(PARTITIONS);
    wait::until_true("every partition to be somebody's and to go on", || {
        let (first, second) = (first.said(), second.said());
        first.owned.len() + second.owned.len() == partitions
            && first.acknowledged.len() + second.acknowledged.len() == partitions
            && first.owned.len() > 2
    });
    let begun = Instant::now();
    let dead = first.kill();
    wait::until_true("the other to have all", || second.said().owned.len() == partitions);
    let took = begun.elapsed();
    println!("{} partitions were taken over within {} ms", dead.owned.len(), took.as_millis());
    assert!(took < TAKEN_OVER_WITHIN, "{took:?}");
    let heirs = second.said().owned;
    for (partition, acknowledged) in &dead.acknowledged {
        let read = heirs[partition];
        assert!(read >= *acknowledged, "partition {partition}: {read} of {acknowledged}");
    }
    moves(&servers);
}

/// A node that comes back is given its share, and goes on where the other one ended.
fn moves(servers: &NatsServers) {
    let back = NodeProcess::start(servers, "a", 2, SETTLE_MS);
    wait::until_true("the node that is back to have some", || {
        let said = back.said();
        said.owned.len() >= 2 && said.owned.keys().all(|part| said.acknowledged.contains_key(part))
    });
}
