//! What can be said on the command line.

use super::smpp::{SmppArguments, SmscArguments};
use crate::format::parse_time;
use crate::mix::Mix;
use crate::msns::Msns;
use crate::os;
use crate::target::Target;
use clap::{Args, Parser, Subcommand};
use host::address::Address;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use wire::terms::ids::{Class, Xpid};

/// Push clients, a notification sink and a ledger for the Hayauma SMS push gateway.
#[derive(Parser, Debug)]
#[command(
    name = "hayauma-load",
    bin_name = "hayauma-load",
    version,
    arg_required_else_help = true,
    max_term_width = 110,
    after_help = "Ctrl-C ends a run within seconds, with a report of what was carried out and exit \
        status 1."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Start an engine, send it a million pushes, wait for every notification, check the books
    Drill(Box<DrillArguments>),
    /// Send pushes to a running engine
    Push(Box<PushArguments>),
    /// Submit pushes to an SMSC by SMPP and take the receipts
    Smpp(Box<SmppArguments>),
    /// Carry out a plan written in TOML against a running engine: phases, arrivals, mixes
    Run(RunArguments),
    /// Find the highest rate at which a plan's answers stay below a limit
    Search(SearchArguments),
    /// Say whether runs differ by more than their noise: every report beside the first
    Compare {
        /// The reports' directories, two at least
        #[arg(required = true, num_args = 2..)]
        directories: Vec<PathBuf>,
        /// Print JSON instead of lines
        #[arg(long)]
        json: bool,
        /// Write a page on which the runs' curves lie over each other
        #[arg(long, value_name = "FILE")]
        page: Option<PathBuf>,
    },
    /// Draw the page of a report again
    Report {
        /// The report's directory
        directory: PathBuf,
    },
    /// Take notifications and count them
    Sink(SinkArguments),
    /// Be an SMSC: take submits, send receipts, misbehave as told, keep a book of it
    Smsc(Box<SmscArguments>),
    /// Answer every push request without looking at it: the wall to measure against
    Bare(BareArguments),
}

/// What drill and push have in common.
#[derive(Args, Debug)]
pub(super) struct Common {
    /// Open loop: send at this rate, in pushes per second, whatever the engine does [default:
    /// closed loop]
    #[arg(long, value_name = "R")]
    pub(super) rate: Option<u64>,
    /// TCP connections
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(super) connections: usize,
    /// Requests in flight on each connection
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(super) pipeline: usize,
    /// Sending threads [default: one for every two of the generator's CPUs]
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
    /// Look at the clock for so many microseconds before a send is due, instead of sleeping until
    /// then: sends leave on time, and the CPU is busy meanwhile
    #[arg(long, value_name = "US", default_value_t = 0)]
    pub(super) spin_us: u64,
    /// CPUs of the generator, such as 0-3,8
    #[arg(long, value_name = "LIST", value_parser = cpu_list)]
    pub(super) cpu: Option<Cpus>,
    /// Class of the pushes: standard, urgent, emergency or exercise
    #[arg(long, value_name = "CLASS", default_value = "standard", value_parser = class)]
    pub(super) class: Class,
    /// What the pushes carry: emergency, text, control or sample
    #[arg(long, value_name = "MIX", default_value = "emergency", value_parser = Mix::named)]
    pub(super) mix: Mix,
    /// Chooses texts and the order of phone numbers; the same seed sends the same pushes
    #[arg(long, value_name = "N", default_value_t = 20_261_122)]
    pub(super) seed: u64,
    /// Seconds without a further notification after which missing ones count as lost
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub(super) stall: u64,
    /// Write all figures to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write a report into this directory: a page, histograms (.hlog, .hgrm), JSON
    #[arg(long, value_name = "DIR")]
    pub(super) report: Option<PathBuf>,
}

/// Start an engine as a process of its own in a fresh directory, register a client, import the
/// contracts, send the pushes, wait for the last notification, stop the engine, compare ledger and
/// bill, print the figures.
#[derive(Args, Debug)]
pub(super) struct DrillArguments {
    /// One broadcast in place of pushes: a list, a start, and how long until everybody has an
    /// outcome
    #[arg(long)]
    pub(super) broadcast: bool,
    /// Recipients of the broadcast
    #[arg(long, value_name = "N", default_value_t = 10_000_000, requires = "broadcast")]
    pub(super) recipients: u64,
    /// Recipients a second; 0: as fast as it goes
    #[arg(long, value_name = "N", default_value_t = 0, requires = "broadcast")]
    pub(super) per_second: u32,
    /// Leave out what is looked at beside the broadcast: single pushes, pauses, a cancel, shares
    #[arg(long, requires = "broadcast")]
    pub(super) no_beside: bool,
    /// Pushes to send
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(super) pushes: u64,
    /// Contracts to import, each for one phone number [default: as many as pushes, at most 1000000]
    #[arg(long, value_name = "N")]
    pub(super) contracts: Option<u64>,
    /// What the answer 0000 survives: power or process
    #[arg(long, value_name = "WHAT", default_value = "power", value_parser = ["power", "process"])]
    pub(super) durability: String,
    /// What carries the engine's octets: auto, uring or poll
    #[arg(
        long,
        value_name = "DRIVER",
        default_value = "auto",
        value_parser = ["auto", "uring", "poll"]
    )]
    pub(super) io: String,
    /// Shards of the engine [default: one for each of its CPUs]
    #[arg(long, value_name = "N")]
    pub(super) shards: Option<usize>,
    /// CPUs of the engine, such as 0-3 [default: the first half]
    #[arg(long, value_name = "LIST", value_parser = cpu_list)]
    pub(super) engine_cpus: Option<Cpus>,
    /// Pushes sent and not yet notified, at most
    #[arg(long, value_name = "N", default_value_t = 16_384)]
    pub(super) window: u64,
    /// Connections per shard on which the engine sends notifications
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(super) notify_connections: usize,
    /// Notifications in flight on each of those
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(super) notify_depth: usize,
    /// Work in this new directory and keep it [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Keep the temporary directory
    #[arg(long)]
    pub(super) keep: bool,
    /// Send the pushes over TLS 1.3, with a certificate that the drill makes for itself
    #[arg(long)]
    pub(super) tls: bool,
    #[command(flatten)]
    pub(super) common: Common,
    /// More arguments for the engine, after --
    #[arg(last = true, value_name = "ENGINE ARGUMENTS")]
    pub(super) engine_arguments: Vec<String>,
}

/// With whom TLS is spoken.
#[derive(Args, Debug)]
pub(super) struct TlsArguments {
    /// Speak TLS 1.3 with the target, as with one that is named https://
    #[arg(long)]
    pub(super) tls: bool,
    /// Authorities that are trusted beside those of this system, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) tls_ca: Option<PathBuf>,
    /// Certificate to show to a target that asks for one, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,
}

/// Send pushes to a running engine and account for them. With --sink the pushes ask for
/// notifications, and the registration's notification URL must lead to that address.
#[derive(Args, Debug)]
pub(super) struct PushArguments {
    /// The engine's address for push clients: HOST:PORT, :PORT on this host, or https://HOST:PORT
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8080",
        value_parser = Target::parse
    )]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) tls: TlsArguments,
    /// The registration to push under
    #[arg(long, value_name = "XPID", default_value = "00100000001", value_parser = xpid)]
    pub(super) xpid: Xpid,
    /// Variable of the environment that holds the registration's bearer token
    #[arg(long, value_name = "VARIABLE")]
    pub(super) token_env: Option<String>,
    /// File whose first line is the token, or `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "token_env")]
    pub(super) token_file: Option<PathBuf>,
    /// Phone numbers: FIRST:COUNT or FIRST-LAST
    #[arg(
        long,
        value_name = "RANGE",
        default_value = "09000000000:100000",
        value_parser = Msns::parse
    )]
    pub(super) msns: Msns,
    /// Pushes to send
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(super) pushes: u64,
    /// Hours the message center may keep a push, 0 to 72
    #[arg(long, value_name = "H", default_value_t = 24)]
    pub(super) lifetime: u8,
    /// Listen here for the notifications, e.g. 127.0.0.1:9000; without it none are asked for
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(super) sink: Option<SocketAddr>,
    /// Pushes sent and not yet notified (without --sink: answered), at most [default: no bound]
    #[arg(long, value_name = "N")]
    pub(super) window: Option<u64>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Scale a plan's rates, step by step, until its answers' 99 % value exceeds the limit; halve the
/// gap; confirm by repeating.
#[derive(Args, Debug)]
pub(super) struct SearchArguments {
    /// The plan
    #[arg(value_name = "PLAN")]
    pub(super) plan: PathBuf,
    /// Longest 99 % answer time, such as 5ms
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(super) p99: Duration,
    /// Print JSON instead of lines
    #[arg(long)]
    pub(super) json: bool,
}

/// Carry out a plan: its phases say when pushes are sent, its mix what they carry.
#[derive(Args, Debug)]
pub(super) struct RunArguments {
    /// The plan
    #[arg(value_name = "PLAN")]
    pub(super) plan: PathBuf,
    /// Write a report into this directory: a page, histograms (.hlog, .hgrm), JSON
    #[arg(long, value_name = "DIR")]
    pub(super) report: Option<PathBuf>,
    /// Write all figures to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
}

/// Listen for notifications, answer them, and print a line a second while any come.
#[derive(Args, Debug)]
pub(super) struct SinkArguments {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000", value_parser = address)]
    pub(super) listen: SocketAddr,
    /// CPUs to run on
    #[arg(long, value_name = "LIST", value_parser = cpu_list)]
    pub(super) cpu: Option<Cpus>,
    /// Answer this much later
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(super) delay_ms: u64,
    /// Answer every N-th notification with status 500
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) fail_every: u64,
    /// Close the connection on every N-th notification
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) close_every: u64,
    /// Be down for this long from the start
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(super) down: u64,
}

#[derive(Args, Debug)]
pub(super) struct BareArguments {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    pub(super) listen: SocketAddr,
    /// CPUs to run on
    #[arg(long, value_name = "LIST", value_parser = cpu_list)]
    pub(super) cpu: Option<Cpus>,
}

/// A list of CPUs; a type of its own because a `Vec` would mean an argument that may be repeated.
#[derive(Clone, Debug)]
pub(super) struct Cpus(pub(super) Vec<usize>);

pub(super) fn cpu_list(text: &str) -> Result<Cpus, String> {
    let cpus = os::parse_cpus(text)?;
    let available = os::available_cpus();
    match cpus.iter().find(|cpu| !available.contains(cpu)) {
        Some(cpu) => Err(format!(
            "CPU {cpu} is not this process's to use: choose from {}.",
            os::format_cpus(&available)
        )),
        None => Ok(Cpus(cpus)),
    }
}

fn xpid(text: &str) -> Result<Xpid, String> {
    Xpid::parse(text.as_bytes())
        .ok_or_else(|| format!("\"{text}\" is not an XPID: write eleven digits."))
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let address: Address = text.parse()?;
    let found = address.resolve();
    found.map_err(|error| format!("the host of {address} is not known ({error})."))
}

fn class(text: &str) -> Result<Class, String> {
    match text {
        "standard" => Ok(Class::Standard),
        "urgent" => Ok(Class::Urgent),
        "emergency" => Ok(Class::Emergency),
        "exercise" => Ok(Class::Exercise),
        _ => {
            Err(format!("\"{text}\" is no class: choose standard, urgent, emergency or exercise."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_named_as_people_name_it() {
        assert_eq!(address("127.0.0.1:8080"), Ok(SocketAddr::from(([127, 0, 0, 1], 8080))));
        assert_eq!(address(":8080"), Ok(SocketAddr::from(([127, 0, 0, 1], 8080))));
        assert!(address("localhost:8080").is_ok_and(|found| found.ip().is_loopback()));
        assert!(address("[::1]:8080").is_ok_and(|found| found.is_ipv6()));
        for (text, part) in [("127.0.0.1", "HOST:PORT"), ("nowhere.invalid:1", "not known")] {
            let refused = address(text).expect_err(text);
            assert!(refused.contains(part), "{refused}");
        }
    }
}
