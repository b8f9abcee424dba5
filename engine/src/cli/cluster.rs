//! `hayauma cluster`: makes the replicated log of a cluster, and looks at it. Straight against
//! NATS: no engine has to run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::table::{grouped, plural};
use super::{CliError, Output, table};
use crate::billing::{Event, Gathered, gather_all};
use crate::cluster::node::NodeName;
use crate::nats::{
    BooksPiece, ClusterBooks, ClusterPlan, ClusterSurvey, LogState, NatsError, NodeSeen,
    ServerSeen, init, survey,
};
use crate::start::config::Octets;
use crate::start::config::cluster::ClusterConfig;
use crate::start::serve::events_of_chunk;

/// Octets of a partition's log, unless told otherwise.
const PARTITION_OCTETS_DEFAULT: &str = "1GiB";
/// A log with so much taken is worth a word, in hundredths.
const FULL_PERCENT: u64 = 80;
/// A clock that is off by so much is worth a word, in milliseconds.
const CLOCK_SKEW_MS: u64 = 2_000;
/// A round trip of so long is worth a word.
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// Make the replicated log of a cluster, and look at it
#[derive(clap::Subcommand, Debug)]
pub(super) enum ClusterCommand {
    /// Make the streams of a cluster; where they are, look whether all is there
    ///
    /// Refuses servers that could lose what they acknowledged: older than 2.12.3, fewer than
    /// three, or not syncing before they acknowledge.
    Init(InitCommand),
    /// Show a cluster's servers, nodes and partitions
    Status(StatusCommand),
    /// Check a cluster's servers, streams and clocks, and say how to mend what is amiss
    ///
    /// Exits 1 if a node should not be started.
    Doctor(ClusterDoctorCommand),
}

/// Which sync the servers must have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum SyncWanted {
    /// A power cut of all servers loses nothing: they sync before they acknowledge
    Power,
    /// The death of programs loses nothing
    Process,
}

#[derive(clap::Args, Debug)]
struct ClusterPlace {
    /// What the cluster is: its name, its NATS servers
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    config: PathBuf,
    /// What acknowledged pushes must survive
    #[arg(long, value_enum, default_value = "power")]
    durability: SyncWanted,
}

#[derive(clap::Args, Debug)]
pub(super) struct InitCommand {
    #[command(flatten)]
    place: ClusterPlace,
    /// Slices of msn space, a power of two from 16 to 256; never changed afterwards. About four a
    /// core of all nodes together [default: 16]
    #[arg(long, value_name = "COUNT")]
    partitions: Option<u16>,
    /// Room of each partition's log, about twice the share of --queue-bytes of its node
    #[arg(long, value_name = "SIZE", default_value = PARTITION_OCTETS_DEFAULT)]
    partition_bytes: Octets,
}

#[derive(clap::Args, Debug)]
pub(super) struct StatusCommand {
    #[command(flatten)]
    place: ClusterPlace,
    /// Show every partition too
    #[arg(long)]
    partitions: bool,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
pub(super) struct ClusterDoctorCommand {
    #[command(flatten)]
    place: ClusterPlace,
}

impl From<NatsError> for CliError {
    fn from(error: NatsError) -> Self {
        Self::new(error.to_string())
    }
}

impl ClusterPlace {
    fn read(&self) -> Result<ClusterConfig, CliError> {
        ClusterConfig::read(&self.config).map_err(|error| CliError::new(error.to_string()))
    }

    fn must_sync(&self) -> bool {
        self.durability == SyncWanted::Power
    }

    fn survey(&self) -> Result<(ClusterConfig, ClusterSurvey), CliError> {
        let config = self.read()?;
        let seen = survey(&config.servers, &config.name, config.times, self.must_sync())?;
        Ok((config, seen))
    }
}

impl ClusterCommand {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        match self {
            Self::Init(command) => command.run(output),
            Self::Status(command) => command.run(output),
            Self::Doctor(command) => command.run(output),
        }
    }
}

impl InitCommand {
    fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let config = self.place.read()?;
        let plan = ClusterPlan {
            partitions: self.partitions,
            times: config.times,
            partition_octets: self.partition_bytes.0,
            must_sync: self.place.must_sync(),
        };
        let done = init(&config.servers, &config.name, &plan)?;
        let (name, partitions, made) = (config.name, done.partitions, done.made);
        output.print(&if made == 0 {
            format!("{name} is there, whole, with {partitions} partitions\n")
        } else {
            format!("{name} has {partitions} partitions in {made} new streams\n")
        })
    }
}

#[derive(serde::Serialize)]
struct StatusDocument {
    cluster: String,
    partitions: u16,
    nodes: Vec<NodeDocument>,
    parts: Vec<PartDocument>,
}

#[derive(serde::Serialize)]
struct NodeDocument {
    node: String,
    state: &'static str,
    partitions: usize,
    beat_age_ms: u64,
}

#[derive(serde::Serialize)]
struct PartDocument {
    partition: u16,
    owner: Option<String>,
    term: u64,
    first: u64,
    last: u64,
    octets: u64,
    leader: Option<String>,
    copies: usize,
}

impl StatusCommand {
    fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let (config, seen) = self.place.survey()?;
        if self.json {
            return output.print_json(&StatusDocument {
                cluster: config.name.to_string(),
                partitions: seen.partitions,
                nodes: nodes(&seen),
                parts: parts(&seen),
            });
        }
        let servers = seen.servers.iter().flatten().count();
        let nodes_there = seen.nodes.len();
        let synced = if seen.servers.iter().flatten().all(|server| server.is_synced) {
            "synced"
        } else {
            "not synced"
        };
        let head = format!(
            "{} · {} partitions · nats {} × {servers}, {synced} · {nodes_there} {}\n",
            config.name,
            seen.partitions,
            versions(&seen),
            plural(nodes_there as u64, "node", "nodes"),
        );
        let mut text = head + &table::render(&node_rows(&seen), &[2]);
        if self.partitions {
            text += "\n";
            text += &table::render(&part_rows(&seen), &[0, 2, 3, 4, 5]);
        }
        output.print(&text)
    }
}

/// Makes books of all that a cluster's log has of them, and of these nodes'.
pub(super) fn gather_books(
    file: &Path,
    nodes: &[PathBuf],
    into: &Path,
) -> Result<Gathered, CliError> {
    let config = ClusterConfig::read(file).map_err(|error| CliError::new(error.to_string()))?;
    let books = ClusterBooks::open(&config.servers, &config.name)?;
    let mut of_log = |partition: u16, each: &mut dyn FnMut(&Event)| {
        let mut broken = None;
        let read = books.read(partition, |piece| {
            let of_chunk;
            let events = match piece {
                BooksPiece::Events(octets) => octets,
                BooksPiece::Chunk(octets) => match events_of_chunk(partition, octets) {
                    Ok(events) => {
                        of_chunk = events;
                        &of_chunk[..]
                    }
                    Err(error) => return broken = Some(error),
                },
            };
            events
                .as_chunks()
                .0
                .iter()
                .filter_map(Event::from_octets)
                .for_each(|event| each(&event));
        });
        read.map_err(std::io::Error::other)?;
        broken.map_or(Ok(()), |error| {
            Err(std::io::Error::other(format!("the log of partition {partition}: {error}")))
        })
    };
    gather_all(nodes, into, books.partitions, &mut of_log)
        .map_err(|error| CliError::new(error.to_string()))
}

/// The versions of the servers, each once.
fn versions(seen: &ClusterSurvey) -> String {
    let mut versions: Vec<&str> =
        seen.servers.iter().flatten().map(|server| server.version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    if versions.is_empty() { "?".to_owned() } else { versions.join(", ") }
}

/// What a node does, in a word.
fn state(seen: &NodeSeen) -> &'static str {
    match (seen.beats, seen.beat.is_draining) {
        (false, _) => "DOWN",
        (true, true) => "draining",
        (true, false) => "up",
    }
}

fn owned(seen: &ClusterSurvey, node: NodeName) -> usize {
    seen.parts.values().filter(|entry| entry.owner == node).count()
}

fn nodes(seen: &ClusterSurvey) -> Vec<NodeDocument> {
    let node = |(node, there): (&NodeName, &NodeSeen)| NodeDocument {
        node: node.to_string(),
        state: state(there),
        partitions: owned(seen, *node),
        beat_age_ms: there.age_ms,
    };
    seen.nodes.iter().map(node).collect()
}

fn node_rows(seen: &ClusterSurvey) -> Vec<Vec<String>> {
    let mut rows = vec![["NODE", "STATE", "PARTS", "BEAT"].map(str::to_owned).to_vec()];
    for NodeDocument { node, state, partitions, beat_age_ms } in nodes(seen) {
        let beat = format!("{}.{} s", beat_age_ms / 1_000, beat_age_ms % 1_000 / 100);
        rows.push(vec![node, state.to_owned(), partitions.to_string(), beat]);
    }
    let unowned = (0..seen.partitions).filter(|part| !seen.parts.contains_key(part)).count();
    if unowned > 0 {
        let nobody = ["-", "nobody's"].map(str::to_owned);
        rows.push(nobody.into_iter().chain([unowned.to_string(), "-".to_owned()]).collect());
    }
    rows
}

fn parts(seen: &ClusterSurvey) -> Vec<PartDocument> {
    let part = |partition: u16| {
        let entry = seen.parts.get(&partition);
        let log = seen.logs.get(usize::from(partition)).and_then(|log| log.as_ref().ok());
        PartDocument {
            partition,
            owner: entry.map(|entry| entry.owner.to_string()),
            term: entry.map_or(0, |entry| entry.term),
            first: log.map_or(0, |log| log.first),
            last: log.map_or(0, |log| log.last),
            octets: log.map_or(0, |log| log.octets),
            leader: log.and_then(|log| log.leader.clone()),
            copies: log.map_or(0, |log| log.current),
        }
    };
    (0..seen.partitions).map(part).collect()
}

fn part_rows(seen: &ClusterSurvey) -> Vec<Vec<String>> {
    let heads = ["PART", "OWNER", "TERM", "FIRST", "LAST", "OCTETS", "LEADER", "COPIES"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for part in parts(seen) {
        rows.push(vec![
            part.partition.to_string(),
            or_none(part.owner),
            part.term.to_string(),
            part.first.to_string(),
            part.last.to_string(),
            grouped(part.octets),
            or_none(part.leader),
            part.copies.to_string(),
        ]);
    }
    rows
}

/// One thing that `doctor` found: how bad it is, what it is about, and a sentence.
type ClusterFinding = (&'static str, String, String);

impl ClusterDoctorCommand {
    fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let (config, seen) = self.place.survey()?;
        let mut findings = server_findings(&seen);
        findings.push(match &seen.times {
            Ok(()) => {
                ("good", "times".to_owned(), "lease_ms and act_ms are the cluster's".to_owned())
            }
            Err(error) => ("fatal", "times".to_owned(), error.to_string()),
        });
        findings.extend(log_findings(&seen));
        findings.push(trip_finding(seen.round_trip));
        findings.push(node_finding(&config, &seen));
        let row = |(severity, subject, sentence): &ClusterFinding| {
            vec![(*severity).to_owned(), subject.clone(), sentence.clone()]
        };
        let rows: Vec<Vec<String>> = findings.iter().map(row).collect();
        output.print(&table::render(&rows, &[]))?;
        match findings.iter().filter(|(severity, ..)| *severity == "fatal").count() {
            0 => Ok(()),
            _ => Err(CliError::new("no node should be started: mend what is marked `fatal` above")),
        }
    }
}

fn server_findings(seen: &ClusterSurvey) -> Vec<ClusterFinding> {
    let mut findings = Vec::new();
    for server in &seen.servers {
        findings.push(match server {
            Ok(server) => server_finding(server),
            Err(error) => ("warning", "server".to_owned(), error.to_string()),
        });
    }
    let subject = "servers".to_owned();
    findings.push(match &seen.fitness {
        Ok(()) => ("good", subject, "can hold the cluster's log".to_owned()),
        Err(error) => ("fatal", subject, error.to_string()),
    });
    findings
}

fn server_finding(server: &ServerSeen) -> ClusterFinding {
    let subject = format!("server {}", server.name);
    let synced = if server.is_synced { "syncs" } else { "does not sync" };
    let sentence = format!(
        "NATS {}, {synced} before it acknowledges, messages of up to {} octets, clock {} ms off",
        server.version,
        grouped(server.payload_octets_max),
        server.clock_skew_ms
    );
    if server.clock_skew_ms < CLOCK_SKEW_MS {
        return ("good", subject, sentence);
    }
    ("warning", subject, sentence + ": set this machine's clock and that one's by NTP")
}

fn log_findings(seen: &ClusterSurvey) -> Vec<ClusterFinding> {
    let mut findings = Vec::new();
    let mut whole = 0;
    for log in &seen.logs {
        match log {
            Ok(LogState { name, amiss: Some(amiss), .. }) => {
                findings.push(("fatal", format!("stream {name}"), amiss.clone()));
            }
            Ok(log) if log.leader.is_none() => findings.push((
                "fatal",
                format!("stream {}", log.name),
                "nobody leads it: start the servers that are down, an election takes up to 9 s"
                    .to_owned(),
            )),
            Ok(log) if log.current < log.copies => findings.push((
                "warning",
                format!("stream {}", log.name),
                format!(
                    "{} of {} copies are current: look after the server that is missing",
                    log.current, log.copies
                ),
            )),
            Ok(log) if is_filling(log) => findings.push((
                "warning",
                format!("stream {}", log.name),
                format!(
                    "{} octets of {} are taken: raise max_bytes of the stream",
                    grouped(log.octets),
                    grouped(log.octets_max)
                ),
            )),
            Ok(_) => whole += 1,
            Err(error) => findings.push(("fatal", "stream".to_owned(), error.to_string())),
        }
    }
    let sentence = format!("{whole} of {} have a leader and all copies", seen.logs.len());
    findings.push(("good", "streams".to_owned(), sentence));
    findings
}

/// Whether a log has little room left.
fn is_filling(log: &LogState) -> bool {
    log.octets_max > 0 && log.octets.saturating_mul(100) >= log.octets_max * FULL_PERCENT
}

fn trip_finding(trip: Duration) -> ClusterFinding {
    let sentence =
        format!("{} µs to the leader of a stream and back", grouped(trip.as_micros() as u64));
    if trip < ROUND_TRIP {
        return ("good", "round trip".to_owned(), sentence);
    }
    let remedy = ": every acknowledgement takes longer than that, put the servers nearer";
    ("warning", "round trip".to_owned(), sentence + remedy)
}

fn node_finding(config: &ClusterConfig, seen: &ClusterSurvey) -> ClusterFinding {
    let subject = format!("node {}", config.node);
    match seen.nodes.get(&config.node) {
        Some(there) if there.beats => {
            ("warning", subject, "a program beats under this name: start no second one".to_owned())
        }
        _ => ("good", subject, "nobody beats under this name: it may be started".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(current: usize, octets: u64) -> Result<LogState, NatsError> {
        Ok(LogState {
            name: "HY_kanto_P000".to_owned(),
            leader: Some("n1".to_owned()),
            copies: 3,
            current,
            first: 1,
            last: 9,
            octets,
            octets_max: 1_000,
            amiss: None,
        })
    }

    fn found(log: Result<LogState, NatsError>) -> Vec<&'static str> {
        let seen = ClusterSurvey {
            partitions: 16,
            times: Ok(()),
            servers: Vec::new(),
            fitness: Ok(()),
            nodes: std::collections::BTreeMap::new(),
            parts: std::collections::BTreeMap::new(),
            logs: vec![log],
            round_trip: Duration::ZERO,
        };
        log_findings(&seen).into_iter().map(|(severity, ..)| severity).collect()
    }

    #[test]
    fn a_stream_without_leader_copies_or_room_is_told() {
        assert_eq!(found(log(3, 1)), ["good"]);
        assert_eq!(found(log(2, 1)), ["warning", "good"]);
        assert_eq!(found(log(3, 800)), ["warning", "good"]);
        let leaderless = log(0, 1).map(|log| LogState { leader: None, ..log });
        assert_eq!(found(leaderless), ["fatal", "good"]);
        let other = log(3, 1).map(|log| LogState { amiss: Some("discard = Old".into()), ..log });
        assert_eq!(found(other), ["fatal", "good"]);
        assert_eq!(found(Err(NatsError::StreamGone("x".to_owned()))), ["fatal", "good"]);
    }

    #[test]
    fn a_slow_way_to_the_servers_is_told() {
        assert_eq!(trip_finding(Duration::from_millis(1)).0, "good");
        assert_eq!(trip_finding(Duration::from_millis(20)).0, "warning");
    }
}
