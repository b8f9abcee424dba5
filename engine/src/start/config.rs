//! The engine's typed configuration: defaults, then the file, then the environment, then the flags.
//!
//! One name everywhere: the flag `--request-timeout-ms`, the file's key `request_timeout_ms` and
//! the variable `HAYAUMA_REQUEST_TIMEOUT_MS` are the same setting. It is resolved once, before
//! anything starts; a [`Config`] in hand is valid ever after. Nothing here opens a port or a file
//! other than the configuration file.

mod checks;
pub mod cluster;
mod log_filter;
mod settings;
mod text;
mod values;

use ipnet::IpNet;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::io::guard;
use crate::io::tls::{CallingFiles, TlsFiles};
use crate::journal::{BUDGET_SEGMENTS_MIN, SEGMENT_OCTETS_DEFAULT, SEGMENT_OCTETS_MIN};
use crate::network::outcome_rates::OutcomeRates;
use crate::shard::Durability;

pub use crate::testing::injection::{Injection, InjectionKind};
pub use host::address::Address;
pub use host::cpu_list::CpuList;
pub use host::reading::{SETTINGS_FILE_OCTETS_MAX, read_bounded, read_settings_file};
pub use settings::{ENVIRONMENT_PREFIX, Settings};
pub use values::{Io, Octets};

/// Most shards in one engine.
pub const SHARDS_MAX: usize = 64;
/// A segment is a whole number of these, in octets.
pub const SEGMENT_OCTETS_STEP: u64 = 4096;
/// Most partitions of one data directory.
pub const PARTITIONS_MAX: usize = 256;
/// Default room for the whole queue on the device, in octets.
pub const QUEUE_OCTETS_DEFAULT: u64 = 8 << 30;
/// Unless told otherwise segments are so small that a shard's room holds at least this many: whole
/// segments are given back to the device, so the fewer there are, the more of the room is held by
/// what has ended.
pub const SEGMENTS_PER_SHARD_DEFAULT_MIN: u64 = 16;
/// Default bound of pushes kept at once in one engine.
pub const PUSHES_MAX_DEFAULT: u64 = 2_000_000;
/// The largest bound of pushes that may be asked for.
pub const PUSHES_MAX_LIMIT: u64 = 200_000_000;
/// Default bound of pushes waiting for one msn.
pub const WAITING_PER_MSN_MAX_DEFAULT: u32 = 100;
/// The largest bound of pushes waiting for one msn that may be asked for.
pub const WAITING_PER_MSN_MAX_LIMIT: u32 = 65_535;
/// Default of the longest wait for company before a group commit, in microseconds.
pub const COMMIT_DELAY_US_MAX_DEFAULT: u32 = 1_000;
/// The longest such wait that may be asked for, in microseconds.
pub const COMMIT_DELAY_US_MAX_LIMIT: u32 = 1_000_000;
/// The longest that an idle shard may be asked to look for work without sleeping, in microseconds.
pub const IDLE_POLL_US_LIMIT: u32 = 1_000_000;
/// Default bound of connections per shard.
pub const CONNECTIONS_MAX_DEFAULT: u32 = 4_096;
/// The largest bound of connections per shard that may be asked for.
pub const CONNECTIONS_MAX_LIMIT: u32 = 1_000_000;
/// Default time for a request to arrive whole, in milliseconds.
pub const REQUEST_TIMEOUT_MS_DEFAULT: u64 = 10_000;
/// Default time that a connection may be idle, in milliseconds.
pub const IDLE_TIMEOUT_MS_DEFAULT: u64 = 600_000;
/// Default time for draining at a stop, in milliseconds.
pub const DRAIN_TIMEOUT_MS_DEFAULT: u64 = 10_000;
/// Default time that rows of a broadcast are kept when it is over, in days.
pub const KEPT_DAYS_DEFAULT: u32 = 400;
/// Longest such time that can be set, in days.
pub const KEPT_DAYS_LIMIT: u32 = 36_500;
/// The longest of any of these times, in milliseconds.
pub const TIMEOUT_MS_LIMIT: u64 = 24 * 3_600_000;
/// Default latency of the simulated network, in milliseconds.
pub const NETWORK_LATENCY_MS_DEFAULT: u32 = 20;
/// Default spread of that latency to either side, in milliseconds.
pub const NETWORK_JITTER_MS_DEFAULT: u32 = 10;
/// Absent msns that the HLR of one shard remembers unless configured otherwise.
pub const NETWORK_ALERTS_MAX_DEFAULT: u32 = crate::network::limits::ALERTS_WAITING_DEFAULT as u32;
/// The most that may be asked for.
pub const NETWORK_ALERTS_MAX_LIMIT: u32 = 16_777_216;
/// The largest latency that may be asked for, in milliseconds.
pub const NETWORK_LATENCY_MS_LIMIT: u32 = 600_000;
/// Variables that are no settings which a warning names one by one.
const UNKNOWN_VARIABLES_TOLD_MAX: usize = 16;
/// Letters by which a variable may differ from the one that is meant.
const NEAR_EDITS_MAX: usize = 2;
/// The fastest that simulated time may run against real time.
pub const NETWORK_TIME_SCALE_LIMIT: f64 = 100_000.0;

const _: () = assert!((SEGMENT_OCTETS_MIN as u64).is_multiple_of(SEGMENT_OCTETS_STEP));
const _: () =
    assert!(SEGMENT_OCTETS_DEFAULT.is_power_of_two() && SEGMENT_OCTETS_MIN.is_power_of_two());
const _: () = assert!(SEGMENTS_PER_SHARD_DEFAULT_MIN >= BUDGET_SEGMENTS_MIN);
// The defaults hold together on every host, the largest too.
const _: () = assert!(
    QUEUE_OCTETS_DEFAULT
        >= SHARDS_MAX as u64 * SEGMENTS_PER_SHARD_DEFAULT_MIN * SEGMENT_OCTETS_MIN as u64
);
const _: () = assert!(NETWORK_JITTER_MS_DEFAULT <= NETWORK_LATENCY_MS_DEFAULT);

/// All that `serve` needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where push clients connect, at least one.
    pub listen: Vec<Address>,
    /// The certificate of the push port and its key; both or none.
    pub tls_cert: Option<PathBuf>,
    /// See `tls_cert`.
    pub tls_key: Option<PathBuf>,
    /// The authorities of client certificates, where every push client needs one.
    pub tls_client_ca: Option<PathBuf>,
    /// Where customers connect by SMPP, if they may.
    pub smpp: Vec<Address>,
    /// The certificate of the SMPP port and its key; both or none.
    pub smpp_tls_cert: Option<PathBuf>,
    /// See `smpp_tls_cert`.
    pub smpp_tls_key: Option<PathBuf>,
    /// The authorities of client certificates, where every customer needs one.
    pub smpp_tls_client_ca: Option<PathBuf>,
    /// Networks of this host and its links that notifications may go to.
    pub notify_allow: Vec<IpNet>,
    /// Authorities of notification servers beside the system's.
    pub notify_ca: Option<PathBuf>,
    /// What is shown to notification servers that ask for a certificate; both or none.
    pub notify_cert: Option<PathBuf>,
    /// See `notify_cert`.
    pub notify_key: Option<PathBuf>,
    /// Where the admin port listens, if there is to be one; loopback unless it speaks TLS, or
    /// `admin_open`.
    pub admin: Option<Address>,
    /// The certificate of the admin port and its key; both or none.
    pub admin_tls_cert: Option<PathBuf>,
    /// See `admin_tls_cert`.
    pub admin_tls_key: Option<PathBuf>,
    /// The authorities of client certificates, where whoever comes to the admin port needs one.
    pub admin_tls_client_ca: Option<PathBuf>,
    /// Names by which requests may call the admin port, beside that in `admin`.
    pub admin_names: Vec<String>,
    /// Whether an admin port in plain text may listen on an address that other hosts reach.
    pub admin_open: bool,
    /// Where probes are answered, if there is to be a port for them.
    pub health: Option<Address>,
    /// Where the pages and requests of broadcasts are, if they are to have a port of their own;
    /// with the push port's certificate where it has one.
    pub broadcast: Option<Address>,
    /// The directory of journal, registry and billing files.
    pub data_dir: PathBuf,
    /// How many shards, each a thread, 1 to [`SHARDS_MAX`].
    pub shards: usize,
    /// How many slices msn space has: a multiple of the shards, which share them evenly, at most
    /// [`PARTITIONS_MAX`]. The data directory is laid out for so many.
    pub partitions: usize,
    /// The file of the cluster of which this engine is a node, if it is one. No setting says so
    /// yet: that waits for the tests over whole engines.
    pub cluster: Option<PathBuf>,
    /// The CPUs that shards are pinned to, in turn; never empty, all of them in the process's
    /// affinity mask.
    pub cpus: Vec<usize>,
    /// What `0000` promises.
    pub durability: Durability,
    /// What carries octets.
    pub io: Io,
    /// Whether the demo client and its contracts are put into the store.
    pub demo: bool,
    /// No push is taken, and nothing begins.
    pub paused: bool,
    /// A copied directory takes the original's place.
    pub take_over: bool,
    /// Room for the queue on the device, all shards together, in octets.
    pub queue_octets: u64,
    /// Size of one journal segment, in octets.
    pub segment_octets: u64,
    /// Most pushes that wait to be delivered at once, all shards together.
    pub pushes_max: u64,
    /// Most pushes waiting for one msn.
    pub waiting_per_msn_max: u32,
    /// Longest wait for company before a group commit, in microseconds; of records that no answer
    /// waits for, a millisecond.
    pub commit_delay_us_max: u32,
    /// How long a shard looks for work without sleeping after it last had some, in microseconds.
    pub idle_poll_us: u32,
    /// Most connections per shard.
    pub connections_max: u32,
    /// Time for a request to arrive whole, in milliseconds.
    pub request_timeout_ms: u64,
    /// Time that a connection may be idle, in milliseconds.
    pub idle_timeout_ms: u64,
    /// Time for draining at a stop, in milliseconds.
    pub drain_timeout_ms: u64,
    /// How long rows of a broadcast are kept when it is over, in days.
    pub broadcasts_kept_days: u32,
    /// The simulated core network.
    pub network: NetworkConfig,
    /// How many seconds of the message center's schedules pass in a real one; 1 but for rehearsals.
    pub rehearsal_time_scale: u64,
    /// What is logged, as a tracing filter.
    pub log: String,
    /// Faults to rehearse.
    pub inject: Vec<Injection>,
    /// Variables of the environment that look like settings and are none.
    pub unknown_variables: Vec<String>,
}

/// The simulated core network: HLR, terminals and their habits.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkConfig {
    /// File of line states by msn, if any.
    pub line_states: Option<PathBuf>,
    /// State of every msn that the file does not name, in the file's own notation.
    pub default_line_state: String,
    /// Mean time of one delivery attempt, in milliseconds.
    pub latency_ms: u32,
    /// Spread to either side, in milliseconds; never more than `latency_ms`.
    pub latency_jitter_ms: u32,
    /// How often an attempt ends otherwise than delivered.
    pub outcome_rates: OutcomeRates,
    /// Absent msns that the HLR of one shard raises an alert for when they are back.
    pub alerts_max: u32,
    /// Seed of the network's chance.
    pub seed: u64,
    /// How many simulated seconds pass in a real one; a whole number from 1 up.
    pub time_scale: f64,
}

/// Why a configuration is refused; each message is one sentence with its remedy.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "the configuration file {} cannot be read ({source}): correct --config or the file's \
         permissions",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What reading it said.
        source: std::io::Error,
    },
    /// The file is not TOML or has an unknown key or a wrong value.
    #[error("the configuration file {} is not valid ({detail}): correct it", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// Line and cause.
        detail: String,
    },
    /// A variable of the environment has a wrong value.
    #[error("the environment variable {name} {detail}: correct or unset it")]
    BadVariable {
        /// Its name.
        name: String,
        /// What is wrong.
        detail: String,
    },
    /// A value is out of range or does not fit another one.
    #[error("{0}")]
    Unfit(String),
}

impl Config {
    /// What is logged, as a filter over the crates' own names.
    pub fn log_filter(&self) -> String {
        log_filter::expanded(&self.log)
    }

    /// Lays the flags over the environment over the file over the defaults, and checks the whole.
    ///
    /// `environment` is what `std::env::vars_os` gives; `cpus_allowed` is the process's affinity
    /// mask, never empty.
    pub fn resolve(
        flags: Settings,
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        cpus_allowed: &[usize],
    ) -> Result<Self, ConfigError> {
        let (settings, unknown_variables) = Settings::gather(flags, file, environment)?;
        let config = Self { unknown_variables, ..Self::with_defaults(settings, cpus_allowed) };
        config.check(cpus_allowed)?;
        Ok(config)
    }

    /// The defaults alone, on this data directory, with one shard per CPU of `cpus_allowed`: for
    /// tests and tools.
    pub fn defaults(data_dir: &Path, cpus_allowed: &[usize]) -> Self {
        let settings = Settings { data_dir: Some(data_dir.to_owned()), ..Settings::default() };
        Self::with_defaults(settings, cpus_allowed)
    }

    /// The same for a node of a cluster of so many partitions: segments are so small that each has
    /// room for enough of them.
    ///
    /// # Errors
    /// The room for the queue is too small for so many.
    pub fn with_partitions(mut self, partitions: usize) -> Result<Self, ConfigError> {
        if ![self.shards, partitions].contains(&self.partitions) {
            return Err(ConfigError::Unfit(format!(
                "partitions = {} and the cluster has {partitions}: leave it out",
                self.partitions
            )));
        }
        self.partitions = partitions;
        let enough = default_segment_octets(self.queue_octets, partitions);
        self.segment_octets = self.segment_octets.min(enough);
        self.check_queue()?;
        Ok(self)
    }

    /// One sentence about the variables that are no settings, with the settings that they may have
    /// been meant for; `None` where there are none.
    pub fn variables_passed_over(&self) -> Option<String> {
        if self.unknown_variables.is_empty() {
            return None;
        }
        let names = Settings::names();
        let told = self.unknown_variables.iter().take(UNKNOWN_VARIABLES_TOLD_MAX).map(|variable| {
            match nearest(variable, &names) {
                Some(meant) => format!("{variable} (is {meant} meant?)"),
                None => variable.clone(),
            }
        });
        let mut told = told.collect::<Vec<_>>().join(", ");
        let more = self.unknown_variables.len().saturating_sub(UNKNOWN_VARIABLES_TOLD_MAX);
        if more > 0 {
            told += &format!(" and {more} more");
        }
        Some(format!("the environment holds {told}: no settings of hayauma, and passed over"))
    }

    fn with_defaults(settings: Settings, cpus_allowed: &[usize]) -> Self {
        let cpus = settings.cpus.map_or_else(|| cpus_allowed.to_vec(), |list| list.0);
        let latency_ms = settings.network_latency_ms.unwrap_or(NETWORK_LATENCY_MS_DEFAULT);
        let shards = settings.shards.unwrap_or_else(|| cpus.len().clamp(1, SHARDS_MAX));
        let partitions = settings.partitions.unwrap_or(shards);
        let queue_octets = settings.queue_bytes.map_or(QUEUE_OCTETS_DEFAULT, |octets| octets.0);
        let segment_octets = || default_segment_octets(queue_octets, partitions);
        let waiting_max = settings.waiting_per_msn_max.unwrap_or(WAITING_PER_MSN_MAX_DEFAULT);
        let home = || "home".to_owned();
        let delay_us = settings.commit_delay_us_max.unwrap_or(COMMIT_DELAY_US_MAX_DEFAULT);
        Self {
            listen: settings.listen.unwrap_or_else(|| vec![loopback(8080)]),
            tls_cert: settings.tls_cert,
            tls_key: settings.tls_key,
            tls_client_ca: settings.tls_client_ca,
            smpp: settings.smpp.unwrap_or_default(),
            smpp_tls_cert: settings.smpp_tls_cert,
            smpp_tls_key: settings.smpp_tls_key,
            smpp_tls_client_ca: settings.smpp_tls_client_ca,
            notify_allow: settings.notify_allow.unwrap_or_default(),
            notify_ca: settings.notify_ca,
            notify_cert: settings.notify_cert,
            notify_key: settings.notify_key,
            admin: settings.admin,
            admin_tls_cert: settings.admin_tls_cert,
            admin_tls_key: settings.admin_tls_key,
            admin_tls_client_ca: settings.admin_tls_client_ca,
            admin_names: settings.admin_name.unwrap_or_default(),
            admin_open: settings.admin_open.unwrap_or(false),
            health: settings.health,
            broadcast: settings.broadcast,
            data_dir: settings.data_dir.unwrap_or_else(default_data_dir),
            shards,
            partitions,
            cluster: None,
            cpus,
            durability: settings.durability.unwrap_or(Durability::Power),
            io: settings.io.unwrap_or_default(),
            demo: settings.demo.unwrap_or(false),
            paused: false,
            take_over: false,
            queue_octets,
            segment_octets: settings.segment_bytes.map_or_else(segment_octets, |octets| octets.0),
            pushes_max: settings.pushes_max.unwrap_or(PUSHES_MAX_DEFAULT),
            waiting_per_msn_max: waiting_max,
            commit_delay_us_max: delay_us,
            idle_poll_us: settings.idle_poll_us.unwrap_or(0),
            connections_max: settings.connections_max.unwrap_or(CONNECTIONS_MAX_DEFAULT),
            request_timeout_ms: settings.request_timeout_ms.unwrap_or(REQUEST_TIMEOUT_MS_DEFAULT),
            idle_timeout_ms: settings.idle_timeout_ms.unwrap_or(IDLE_TIMEOUT_MS_DEFAULT),
            drain_timeout_ms: settings.drain_timeout_ms.unwrap_or(DRAIN_TIMEOUT_MS_DEFAULT),
            broadcasts_kept_days: settings.broadcasts_kept_days.unwrap_or(KEPT_DAYS_DEFAULT),
            network: NetworkConfig {
                line_states: settings.network_line_states,
                default_line_state: settings.network_default_line_state.unwrap_or_else(home),
                latency_ms,
                latency_jitter_ms: settings
                    .network_latency_jitter_ms
                    .unwrap_or_else(|| NETWORK_JITTER_MS_DEFAULT.min(latency_ms)),
                outcome_rates: settings.network_outcomes.unwrap_or_default(),
                alerts_max: settings.network_alerts_max.unwrap_or(NETWORK_ALERTS_MAX_DEFAULT),
                seed: settings.network_seed.unwrap_or(1),
                time_scale: settings.network_time_scale.unwrap_or(1.0),
            },
            rehearsal_time_scale: settings.rehearsal_time_scale.unwrap_or(1),
            log: settings.log.unwrap_or_else(|| "info".to_owned()),
            inject: settings.inject.unwrap_or_default(),
            unknown_variables: Vec::new(),
        }
    }

    /// The files of the admin port's TLS; none where it is plain.
    pub fn admin_tls_files(&self) -> Option<TlsFiles> {
        let (certificate, key) = (self.admin_tls_cert.clone()?, self.admin_tls_key.clone()?);
        Some(TlsFiles { certificate, key, client_ca: self.admin_tls_client_ca.clone() })
    }

    /// The files of the SMPP port's TLS; none where it is plain.
    pub fn smpp_tls_files(&self) -> Option<TlsFiles> {
        let (certificate, key) = (self.smpp_tls_cert.clone()?, self.smpp_tls_key.clone()?);
        Some(TlsFiles { certificate, key, client_ca: self.smpp_tls_client_ca.clone() })
    }

    /// The files of the broadcast port's TLS, without authorities of clients: those are browsers.
    pub fn broadcast_tls_files(&self) -> Option<TlsFiles> {
        let files = self.broadcast.is_some().then(|| self.tls_files()).flatten()?;
        Some(TlsFiles { client_ca: None, ..files })
    }

    /// The files of the push port's TLS; none where it is plain.
    pub fn tls_files(&self) -> Option<TlsFiles> {
        let (certificate, key) = (self.tls_cert.clone()?, self.tls_key.clone()?);
        Some(TlsFiles { certificate, key, client_ca: self.tls_client_ca.clone() })
    }

    /// The files of notifications over TLS.
    pub fn calling_files(&self) -> CallingFiles {
        CallingFiles {
            authorities: self.notify_ca.clone(),
            shown: self.notify_cert.clone().zip(self.notify_key.clone()),
        }
    }

    /// Networks of this host and its links that notifications may go to; in a demo this host.
    pub fn notify_allowed(&self) -> Vec<IpNet> {
        let demo = guard::loopback().into_iter().filter(|_| self.demo);
        self.notify_allow.iter().copied().chain(demo).collect()
    }
}

/// The largest usual segment, a power of two, of which a shard's room holds enough.
fn default_segment_octets(queue_octets: u64, partitions: usize) -> u64 {
    let enough = queue_octets / partitions.max(1) as u64 / SEGMENTS_PER_SHARD_DEFAULT_MIN;
    let power = enough.checked_ilog2().map_or(0, |exponent| 1u64 << exponent);
    power.clamp(SEGMENT_OCTETS_MIN.into(), SEGMENT_OCTETS_DEFAULT.into())
}

/// The data directory when nothing names another one.
pub fn default_data_dir() -> PathBuf {
    PathBuf::from("./hayauma-data")
}

fn loopback(port: u16) -> Address {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()
}

/// The variable of the setting that this one is most like, if it is like any.
fn nearest(variable: &str, names: &[String]) -> Option<String> {
    let given = variable.strip_prefix(ENVIRONMENT_PREFIX)?.to_ascii_lowercase().replace('_', "-");
    let far = |name: &String| strsim::damerau_levenshtein(&given, name);
    let name = names.iter().min_by_key(|name| far(name))?;
    // A third of a short name may be another word altogether.
    let is_near = far(name) <= (name.len() / 3).min(NEAR_EDITS_MAX);
    is_near.then(|| format!("{ENVIRONMENT_PREFIX}{}", name.to_ascii_uppercase().replace('-', "_")))
}

#[cfg(test)]
mod tests;
