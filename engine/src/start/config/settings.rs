//! One layer of settings: what the file, the environment or the flags say, each setting there or
//! not.

use host::reading::read_settings_file;
use ipnet::IpNet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args as _, FromArgMatches as _};
use serde::Deserialize;

use super::ConfigError;
use super::values::{Io, Octets, one_or_several};
use crate::network::outcome_rates::OutcomeRates;
use crate::shard::Durability;
use crate::testing::injection::Injection;
use host::address::Address;
use host::cpu_list::CpuList;

/// A variable of the environment that begins so may be a setting; `HAYAUMA_CONFIG` names the file,
/// and those that begin with `HAYAUMA_LOAD_` or `HAYAUMA_TEST_` belong to other programs of the
/// house. What else begins so is nobody's, such as what Kubernetes tells of a service with this
/// name, and is passed over with a warning.
pub const ENVIRONMENT_PREFIX: &str = "HAYAUMA_";

/// Prefixes of variables that are not settings: other programs', and secrets of commands.
const ENVIRONMENT_FOREIGN: [&str; 4] =
    ["HAYAUMA_LOAD_", "HAYAUMA_TEST_", "HAYAUMA_ADMIN_TOKEN", "HAYAUMA_CLIENT_TOKEN"];

/// The variable that names the configuration file when no flag does.
const ENVIRONMENT_CONFIG: &str = "HAYAUMA_CONFIG";

/// The settings of one layer. A setting has one name: as a flag with hyphens, in the file with
/// underscores, in the environment in capitals behind [`ENVIRONMENT_PREFIX`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address that push clients connect to: HOST:PORT, or :PORT for every address of this host;
    /// may be repeated [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    #[serde(default, deserialize_with = "one_or_several")]
    pub listen: Option<Vec<Address>>,
    /// Certificate of the push port, PEM, with those that lead to its authority: the port speaks
    /// TLS 1.3 then and nothing else
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of that certificate, PEM; ECDSA P-256 is fast, RSA is slow
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Authorities of client certificates, PEM: with them every push client needs one
    #[arg(long, value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,
    /// Address that customers connect to by SMPP: HOST:PORT, or :PORT for every address of this
    /// host; may be repeated [default: none]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    #[serde(default, deserialize_with = "one_or_several")]
    pub smpp: Option<Vec<Address>>,
    /// Certificate of the SMPP port, PEM, with those that lead to its authority: the port speaks
    /// TLS 1.3 then and nothing else
    #[arg(long, value_name = "FILE")]
    pub smpp_tls_cert: Option<PathBuf>,
    /// Private key of that certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub smpp_tls_key: Option<PathBuf>,
    /// Authorities of client certificates, PEM: with them every customer of SMPP needs one
    #[arg(long, value_name = "FILE")]
    pub smpp_tls_client_ca: Option<PathBuf>,
    /// Network of this host or its links that notifications may go to, such as 127.0.0.0/8; may be
    /// repeated. No other loopback or link-local address is ever connected to
    #[arg(long, value_name = "NET")]
    pub notify_allow: Option<Vec<IpNet>>,
    /// Authorities of notification servers, PEM, beside those that this system trusts
    #[arg(long, value_name = "FILE")]
    pub notify_ca: Option<PathBuf>,
    /// Certificate that is shown to notification servers that ask for one, PEM
    #[arg(long, value_name = "FILE")]
    pub notify_cert: Option<PathBuf>,
    /// Private key of that certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub notify_key: Option<PathBuf>,
    /// Address of an admin port that wants a token of `hayauma token add`; with --admin-tls-cert
    /// any address, else a loopback one [default: none; the socket admin.sock in the data directory
    /// is always there]
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<Address>,
    /// Certificate of the admin port, PEM, with those that lead to its authority: the port speaks
    /// TLS 1.3 then and nothing else
    #[arg(long, value_name = "FILE")]
    pub admin_tls_cert: Option<PathBuf>,
    /// Private key of that certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub admin_tls_key: Option<PathBuf>,
    /// Authorities of client certificates, PEM: with them whoever comes to the admin port needs
    /// one, and a token besides
    #[arg(long, value_name = "FILE")]
    pub admin_tls_client_ca: Option<PathBuf>,
    /// Name by which requests may call the admin port, beside its addresses, localhost and the name
    /// in --admin; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub admin_name: Option<Vec<String>>,
    /// Let an admin port in plain text listen on an address that other hosts reach: for a network
    /// that is trusted
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub admin_open: Option<bool>,
    /// Address that answers /healthz and /readyz and nothing else, for probes [default: none]
    #[arg(long, value_name = "ADDRESS")]
    pub health: Option<Address>,
    /// Address of the port of broadcasts: their pages for browsers and their requests, with a token
    /// of `hayauma token add`; speaks TLS where the push port does [default: none]
    #[arg(long, value_name = "ADDRESS")]
    pub broadcast: Option<Address>,
    /// Directory of the journal, the registry and the billing files [default: ./hayauma-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Number of shards, each a thread with its own slice of the phone numbers [default: one per
    /// CPU]
    #[arg(long, value_name = "N")]
    pub shards: Option<usize>,
    /// Number of partitions: slices of the phone numbers, each with a queue of its own, shared
    /// evenly by the shards; the data directory is laid out for so many [default: one per shard]
    #[arg(long, value_name = "P")]
    pub partitions: Option<usize>,
    /// CPUs that shards are pinned to, such as 0-3,8 [default: all that this process may use]
    #[arg(long, value_name = "LIST")]
    pub cpus: Option<CpuList>,
    /// What the answer 0000 survives: the loss of power, or only the death of the process [default:
    /// power]
    #[arg(long, value_name = "WHAT")]
    pub durability: Option<Durability>,
    /// What carries octets: io_uring (uring), epoll and a committing thread for each shard (poll),
    /// or the first of the two that this host allows (auto) [default: auto]
    #[arg(long, value_name = "DRIVER")]
    pub io: Option<Io>,
    /// Register a demo client with contracts for 09012345678 and 09000000000-09000099999
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub demo: Option<bool>,
    /// Room for the queue on the device, all shards together [default: 8GiB]
    #[arg(long, value_name = "SIZE")]
    pub queue_bytes: Option<Octets>,
    /// Size of one journal segment [default: up to 64MiB, so that each shard's room holds 16]
    #[arg(long, value_name = "SIZE")]
    pub segment_bytes: Option<Octets>,
    /// Most pushes that wait to be delivered at once, all shards together; half as many more may
    /// wait for their notification to be taken [default: 2000000]
    #[arg(long, value_name = "N")]
    pub pushes_max: Option<u64>,
    /// Most pushes waiting for one phone number [default: 100]
    #[arg(long, value_name = "N")]
    pub waiting_per_msn_max: Option<u32>,
    /// Longest that a busy shard lets records gather for one sync, in microseconds; an idle one
    /// syncs at once what an answer waits for, and the rest within a millisecond or this, the
    /// shorter of both [default: 1000]
    #[arg(long, value_name = "US")]
    pub commit_delay_us_max: Option<u32>,
    /// How long a shard without work, or a commit under way, looks for more before it sleeps, in
    /// microseconds: a push does not wait for its CPU to wake up then, and the CPU is busy
    /// meanwhile [default: 0]
    #[arg(long, value_name = "US")]
    pub idle_poll_us: Option<u32>,
    /// Most connections per shard; fewer where the limit of open files leaves fewer [default: 4096]
    #[arg(long, value_name = "N")]
    pub connections_max: Option<u32>,
    /// Time for a request to arrive whole, in milliseconds [default: 10000]
    #[arg(long, value_name = "MS")]
    pub request_timeout_ms: Option<u64>,
    /// Time that a connection may be idle, in milliseconds [default: 600000]
    #[arg(long, value_name = "MS")]
    pub idle_timeout_ms: Option<u64>,
    /// Time for finishing what has begun when told to stop, in milliseconds [default: 10000]
    #[arg(long, value_name = "MS")]
    pub drain_timeout_ms: Option<u64>,
    /// How many days rows of a broadcast are kept when it is over; its report stays [default: 400]
    #[arg(long, value_name = "DAYS")]
    pub broadcasts_kept_days: Option<u32>,
    /// File of line states by phone number, for the simulated network
    #[arg(long, value_name = "FILE", help_heading = "Simulated network")]
    pub network_line_states: Option<PathBuf>,
    /// Line state of every phone number that the file does not name [default: home]
    #[arg(long, value_name = "STATE", help_heading = "Simulated network")]
    pub network_default_line_state: Option<String>,
    /// Mean time of one delivery attempt, in milliseconds [default: 20]
    #[arg(long, value_name = "MS", help_heading = "Simulated network")]
    pub network_latency_ms: Option<u32>,
    /// Spread of that time to either side, in milliseconds [default: 10]
    #[arg(long, value_name = "MS", help_heading = "Simulated network")]
    pub network_latency_jitter_ms: Option<u32>,
    /// How often an attempt fails, such as absent=0.05,memory-full=0.01 (also busy, failing,
    /// protocol-error, ps-failing, hlr-failing), and how often the reports of what arrived go
    /// astray (report-late, report-lost, report-twice, report-early)
    #[arg(long, value_name = "RATES", help_heading = "Simulated network")]
    pub network_outcomes: Option<OutcomeRates>,
    /// Absent phone numbers that each shard's HLR raises an alert for when they are back; 0: none
    /// [default: 131072]
    #[arg(long, value_name = "N", help_heading = "Simulated network")]
    pub network_alerts_max: Option<u32>,
    /// Seed of the network's chance [default: 1]
    #[arg(long, value_name = "N", help_heading = "Simulated network")]
    pub network_seed: Option<u64>,
    /// How many simulated seconds pass in a real one [default: 1]
    #[arg(long, value_name = "FACTOR", help_heading = "Simulated network")]
    pub network_time_scale: Option<f64>,
    /// Run the message center's schedules (retries, lifetimes, resends, parking, memory of keys)
    /// this many times as fast, in a data directory that never saw real traffic [default: 1]
    #[arg(long, value_name = "FACTOR", help_heading = "Rehearsal")]
    pub rehearsal_time_scale: Option<u64>,
    /// What is logged on stderr: off, error, warn, info, debug or trace, or levels of rooms such as
    /// info,hayauma::control=debug [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
    /// Fault to rehearse, KIND=N; may be repeated
    #[arg(long, value_name = "KIND=N", hide = true)]
    pub inject: Option<Vec<Injection>>,
}

impl Settings {
    /// The flags over the environment over the file, and the variables that are no settings.
    pub(super) fn gather(
        flags: Self,
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(Self, Vec<String>), ConfigError> {
        let found = Self::from_environment(environment)?;
        let from_file = match file.map(Path::to_owned).or(found.file) {
            Some(path) => Self::from_file(&path)?,
            None => Self::default(),
        };
        Ok((flags.over(found.settings).over(from_file), found.unknown))
    }

    /// The names of all settings, as flags.
    pub(super) fn names() -> Vec<String> {
        let command = Self::command();
        let longs = command.get_arguments().filter_map(|argument| argument.get_long());
        longs.map(str::to_owned).collect()
    }

    /// What a setting is for, by its name as a flag.
    pub(super) fn help_of(name: &str) -> Option<String> {
        let command = Self::command();
        let mut arguments = command.get_arguments();
        let argument = arguments.find(|argument| argument.get_long() == Some(name))?;
        argument.get_help().map(ToString::to_string)
    }

    fn command() -> clap::Command {
        let command = clap::Command::new("environment");
        Self::augment_args(command.no_binary_name(true).disable_help_flag(true))
    }

    fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = read_settings_file(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let bad = |detail: String| ConfigError::BadFile { path: path.to_owned(), detail };
        let settings: Self = toml::from_str(&text).map_err(|error| {
            let line = error
                .span()
                .map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            bad(format!("line {line}: {}", error.message()))
        })?;
        Ok(settings)
    }

    fn from_environment(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Environment, ConfigError> {
        let mut found = Environment::default();
        for (name, value) in environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(ENVIRONMENT_PREFIX))
            else {
                continue;
            };
            if name == ENVIRONMENT_CONFIG {
                found.file = Some(PathBuf::from(value));
            } else if !ENVIRONMENT_FOREIGN.iter().any(|prefix| name.starts_with(prefix)) {
                match Self::from_variable(name, &value)? {
                    Some(settings) => found.settings = settings.over(found.settings),
                    None => found.unknown.push(name.to_owned()),
                }
            }
        }
        found.unknown.sort();
        Ok(found)
    }

    /// Reads one variable exactly as its flag would be read; `None` where there is no such flag.
    fn from_variable(name: &str, value: &OsString) -> Result<Option<Self>, ConfigError> {
        let bad = |detail: &str| ConfigError::BadVariable {
            name: name.to_owned(),
            detail: detail.to_owned(),
        };
        let flag = name[ENVIRONMENT_PREFIX.len()..].to_ascii_lowercase().replace('_', "-");
        let command = Self::command();
        if !command.get_arguments().any(|argument| argument.get_long() == Some(&flag)) {
            return Ok(None);
        }
        let mut argument = OsString::from(format!("--{flag}="));
        argument.push(value);
        let matches =
            command.try_get_matches_from([argument]).map_err(|error| bad(&value_error(&error)))?;
        Self::from_arg_matches(&matches).map(Some).map_err(|error| bad(&value_error(&error)))
    }

    /// This layer where it says something, else the one below.
    fn over(self, below: Self) -> Self {
        Self {
            listen: self.listen.or(below.listen),
            tls_cert: self.tls_cert.or(below.tls_cert),
            tls_key: self.tls_key.or(below.tls_key),
            tls_client_ca: self.tls_client_ca.or(below.tls_client_ca),
            smpp: self.smpp.or(below.smpp),
            smpp_tls_cert: self.smpp_tls_cert.or(below.smpp_tls_cert),
            smpp_tls_key: self.smpp_tls_key.or(below.smpp_tls_key),
            smpp_tls_client_ca: self.smpp_tls_client_ca.or(below.smpp_tls_client_ca),
            notify_allow: self.notify_allow.or(below.notify_allow),
            notify_ca: self.notify_ca.or(below.notify_ca),
            notify_cert: self.notify_cert.or(below.notify_cert),
            notify_key: self.notify_key.or(below.notify_key),
            admin: self.admin.or(below.admin),
            admin_tls_cert: self.admin_tls_cert.or(below.admin_tls_cert),
            admin_tls_key: self.admin_tls_key.or(below.admin_tls_key),
            admin_tls_client_ca: self.admin_tls_client_ca.or(below.admin_tls_client_ca),
            admin_name: self.admin_name.or(below.admin_name),
            admin_open: self.admin_open.or(below.admin_open),
            health: self.health.or(below.health),
            broadcast: self.broadcast.or(below.broadcast),
            data_dir: self.data_dir.or(below.data_dir),
            shards: self.shards.or(below.shards),
            partitions: self.partitions.or(below.partitions),
            cpus: self.cpus.or(below.cpus),
            durability: self.durability.or(below.durability),
            io: self.io.or(below.io),
            demo: self.demo.or(below.demo),
            queue_bytes: self.queue_bytes.or(below.queue_bytes),
            segment_bytes: self.segment_bytes.or(below.segment_bytes),
            pushes_max: self.pushes_max.or(below.pushes_max),
            waiting_per_msn_max: self.waiting_per_msn_max.or(below.waiting_per_msn_max),
            commit_delay_us_max: self.commit_delay_us_max.or(below.commit_delay_us_max),
            idle_poll_us: self.idle_poll_us.or(below.idle_poll_us),
            connections_max: self.connections_max.or(below.connections_max),
            request_timeout_ms: self.request_timeout_ms.or(below.request_timeout_ms),
            idle_timeout_ms: self.idle_timeout_ms.or(below.idle_timeout_ms),
            drain_timeout_ms: self.drain_timeout_ms.or(below.drain_timeout_ms),
            broadcasts_kept_days: self.broadcasts_kept_days.or(below.broadcasts_kept_days),
            network_line_states: self.network_line_states.or(below.network_line_states),
            network_default_line_state: self
                .network_default_line_state
                .or(below.network_default_line_state),
            network_latency_ms: self.network_latency_ms.or(below.network_latency_ms),
            network_latency_jitter_ms: self
                .network_latency_jitter_ms
                .or(below.network_latency_jitter_ms),
            network_outcomes: self.network_outcomes.or(below.network_outcomes),
            network_alerts_max: self.network_alerts_max.or(below.network_alerts_max),
            network_seed: self.network_seed.or(below.network_seed),
            network_time_scale: self.network_time_scale.or(below.network_time_scale),
            rehearsal_time_scale: self.rehearsal_time_scale.or(below.rehearsal_time_scale),
            log: self.log.or(below.log),
            inject: self.inject.or(below.inject),
        }
    }
}

/// What the environment says.
#[derive(Default)]
struct Environment {
    settings: Settings,
    file: Option<PathBuf>,
    /// Variables with the prefix that are nobody's.
    unknown: Vec<String>,
}

/// The cause in clap's words, without its "error:" and without its hints.
fn value_error(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let cause = first.strip_prefix("error: ").unwrap_or(first);
    format!("has a wrong value ({cause})")
}
