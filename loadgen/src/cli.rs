//! The command line of `hayauma-load`.

use crate::bare::Bare;
use crate::console::Console;
use crate::drill::Drill;
use crate::format::grouped;
use crate::machine::Machine;
use crate::mix::Mix;
use crate::msns::Msns;
use crate::os;
use crate::plan::{Load, Plan};
use crate::run::Run;
use crate::sink::{Misbehaviour, Sink};
use crate::summary::Summary;
use crate::text;
use clap::{Args, Parser, Subcommand};
use hayauma::ids::{Class, Xpid};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Exit status of a run that is not clean, or that could not be carried out.
const FAILED: u8 = 1;
/// Exit status for arguments that cannot be understood.
const USAGE: u8 = 2;

/// Push clients, a notification sink and a ledger for the Hayauma SMS push gateway.
#[derive(Parser, Debug)]
#[command(
    name = "hayauma-load",
    bin_name = "hayauma-load",
    version,
    arg_required_else_help = true,
    max_term_width = 110
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Start an engine, send it a million pushes, wait for every notification, check the books
    Drill(Box<DrillArguments>),
    /// Send pushes to a running engine
    #[command(alias = "run")]
    Push(Box<PushArguments>),
    /// Take notifications and count them
    Sink(SinkArguments),
    /// Answer every push request without looking at it: the wall to measure against
    Bare(BareArguments),
}

/// What drill and push have in common.
#[derive(Args, Debug)]
struct Common {
    /// Open loop: send at this rate, in pushes per second, whatever the engine does [default: closed loop]
    #[arg(long, value_name = "R")]
    rate: Option<u64>,
    /// TCP connections
    #[arg(long, value_name = "N", default_value_t = 16)]
    connections: usize,
    /// Requests in flight on each connection
    #[arg(long, value_name = "N", default_value_t = 64)]
    pipeline: usize,
    /// Sending threads [default: one for every two of the generator's CPUs]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// CPUs of the generator, such as 0-3,8
    #[arg(long, value_name = "LIST", value_parser = cpu_list)]
    cpu: Option<Cpus>,
    /// Class of the pushes: standard, urgent, emergency or exercise
    #[arg(long, value_name = "CLASS", default_value = "standard", value_parser = class)]
    class: Class,
    /// What the pushes carry: emergency, text, control or sample
    #[arg(long, value_name = "MIX", default_value = "emergency", value_parser = Mix::named)]
    mix: Mix,
    /// Chooses texts and the order of phone numbers; the same seed sends the same pushes
    #[arg(long, value_name = "N", default_value_t = 20_261_122)]
    seed: u64,
    /// Seconds without a further notification after which missing ones count as lost
    #[arg(long, value_name = "S", default_value_t = 60)]
    stall: u64,
    /// Write all figures to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Start an engine as a process of its own in a fresh directory, register a client, import the contracts, send the
/// pushes, wait for the last notification, stop the engine, compare ledger and bill, print the figures.
#[derive(Args, Debug)]
struct DrillArguments {
    /// Pushes to send
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pushes: u64,
    /// Contracts to import, each for one phone number [default: as many as pushes, at most 1000000]
    #[arg(long, value_name = "N")]
    contracts: Option<u64>,
    /// What the answer 0000 survives: power or process
    #[arg(long, value_name = "WHAT", default_value = "power", value_parser = ["power", "process"])]
    durability: String,
    /// Shards of the engine [default: one for each of its CPUs]
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
    /// CPUs of the engine, such as 0-3 [default: the first half]
    #[arg(long, value_name = "LIST", value_parser = cpu_list)]
    engine_cpus: Option<Cpus>,
    /// Pushes sent and not yet notified, at most
    #[arg(long, value_name = "N", default_value_t = 16_384)]
    window: u64,
    /// Connections per shard on which the engine sends notifications
    #[arg(long, value_name = "N", default_value_t = 4)]
    notify_connections: usize,
    /// Notifications in flight on each of those
    #[arg(long, value_name = "N", default_value_t = 16)]
    notify_depth: usize,
    /// Work in this new directory and keep it [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Keep the temporary directory
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    common: Common,
    /// More arguments for the engine, after --
    #[arg(last = true, value_name = "ENGINE ARGUMENTS")]
    engine_arguments: Vec<String>,
}

/// Send pushes to a running engine and account for them. With --sink the pushes ask for notifications, and the
/// registration's notification URL must lead to that address.
#[derive(Args, Debug)]
struct PushArguments {
    /// The engine's address for push clients
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    target: SocketAddr,
    /// The registration to push under
    #[arg(long, value_name = "XPID", default_value = "00100000001", value_parser = xpid)]
    xpid: Xpid,
    /// The registration's bearer token
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Phone numbers: FIRST:COUNT or FIRST-LAST
    #[arg(long, value_name = "RANGE", default_value = "09000000000:100000", value_parser = Msns::parse)]
    msns: Msns,
    /// Pushes to send
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pushes: u64,
    /// Hours the message center may keep a push, 0 to 72
    #[arg(long, value_name = "H", default_value_t = 24)]
    lifetime: u8,
    /// Listen here for the notifications, e.g. 127.0.0.1:9000; without it none are asked for
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    sink: Option<SocketAddr>,
    /// Pushes sent and not yet notified (without --sink: answered), at most [default: no bound]
    #[arg(long, value_name = "N")]
    window: Option<u64>,
    #[command(flatten)]
    common: Common,
}

/// Listen for notifications, answer them, and print a line a second while any come.
#[derive(Args, Debug)]
struct SinkArguments {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000", value_parser = address)]
    listen: SocketAddr,
    /// CPUs to run on
    #[arg(long, value_name = "LIST", value_parser = cpu_list)]
    cpu: Option<Cpus>,
    /// Answer this much later
    #[arg(long, value_name = "MS", default_value_t = 0)]
    delay_ms: u64,
    /// Answer every N-th notification with status 500
    #[arg(long, value_name = "N", default_value_t = 0)]
    fail_every: u64,
    /// Close the connection on every N-th notification
    #[arg(long, value_name = "N", default_value_t = 0)]
    close_every: u64,
    /// Be down for this long from the start
    #[arg(long, value_name = "S", default_value_t = 0)]
    down: u64,
}

#[derive(Args, Debug)]
struct BareArguments {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
    /// CPUs to run on
    #[arg(long, value_name = "LIST", value_parser = cpu_list)]
    cpu: Option<Cpus>,
}

/// A list of CPUs; a type of its own because a `Vec` would mean an argument that may be repeated.
#[derive(Clone, Debug)]
struct Cpus(Vec<usize>);

/// Runs the program with these arguments, the program's own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error)
            if error.use_stderr()
                && error.kind() != clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            eprintln!("hayauma-load: {}", sentence(&error));
            return ExitCode::from(USAGE);
        }
        Err(error) => {
            // Help and version; a closed terminal is no reason to fail.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    os::raise_file_limit();
    let outcome = match arguments.command {
        Command::Drill(arguments) => arguments.run(),
        Command::Push(arguments) => arguments.run(),
        Command::Sink(arguments) => arguments.run(),
        Command::Bare(arguments) => arguments.run(),
    };
    outcome.unwrap_or_else(|sentence| {
        eprintln!("hayauma-load: {sentence}");
        ExitCode::from(FAILED)
    })
}

impl DrillArguments {
    fn run(self) -> Result<ExitCode, String> {
        let common = self.common;
        let drill = Drill {
            pushes: self.pushes,
            contracts: self.contracts,
            durability: self.durability,
            shards: self.shards,
            engine_cpus: cpus(self.engine_cpus),
            generator_cpus: cpus(common.cpu),
            connections: common.connections,
            pipeline: common.pipeline,
            window: self.window,
            load: load(common.rate),
            threads: common.threads,
            class: common.class,
            mix: common.mix,
            seed: common.seed,
            stall_after: Duration::from_secs(common.stall),
            notify_connections: self.notify_connections,
            notify_depth: self.notify_depth,
            directory: self.data_dir,
            keep: self.keep,
            engine_arguments: self.engine_arguments,
        };
        let summary = drill.carry_out(&interrupted()?).map_err(|error| error.to_string())?;
        report(&summary, common.json.as_deref())
    }
}

impl PushArguments {
    fn run(self) -> Result<ExitCode, String> {
        let common = self.common;
        let cpus = cpus(common.cpu);
        let threads = common.threads.unwrap_or_else(|| cpus.len().div_ceil(2)).max(1);
        let plan = Plan {
            xpid: self.xpid,
            token: self.token,
            class: common.class,
            lifetime_hours: self.lifetime,
            msns: self.msns,
            pushes: self.pushes,
            mix: common.mix,
            load: load(common.rate),
            connections: common.connections,
            pipeline: common.pipeline,
            window: self.window,
            notify: self.sink.is_some(),
            threads,
            cpus: cpus.clone(),
            seed: common.seed,
            ..Plan::new(self.target)
        };
        let mut plan = plan;
        plan.patience.stall_after = Duration::from_secs(common.stall);
        let listen = |address| {
            Sink::start(address, &cpus).map_err(|error| {
                format!("the sink cannot listen on {address} ({error}): name a free address with --sink.")
            })
        };
        let sink = self.sink.map(listen).transpose()?;
        let stop = interrupted()?;
        let run = Run::start(plan.clone(), sink.as_ref()).map_err(|error| error.to_string())?;
        let stopper = run.stopper();
        let mut console = Console::new(plan.pushes, plan.notify);
        let outcome = run.wait_and_watch(|progress| {
            console.show(progress);
            if stop.load(Relaxed) {
                stopper.stop();
            }
        });
        console.finish();
        report(&Summary::new("push", &plan, &outcome, Machine::here(None)), common.json.as_deref())
    }
}

impl SinkArguments {
    fn run(self) -> Result<ExitCode, String> {
        let sink = Sink::start(self.listen, &cpus(self.cpu)).map_err(|error| {
            format!("the sink cannot listen on {} ({error}): name a free address with --listen.", self.listen)
        })?;
        let misbehaviour = Misbehaviour {
            delay: Duration::from_millis(self.delay_ms),
            fail_every: self.fail_every,
            close_every: self.close_every,
            down: self.down > 0,
        };
        sink.misbehave(misbehaviour);
        Console::step(&format!("taking notifications at {} (Ctrl-C ends)", sink.url()));
        let stop = interrupted()?;
        let began = Instant::now();
        let mut before = sink.received();
        while !stop.load(Relaxed) {
            std::thread::park_timeout(Duration::from_secs(1));
            if misbehaviour.down && began.elapsed().as_secs() >= self.down {
                sink.misbehave(Misbehaviour { down: false, ..misbehaviour });
            }
            let now = sink.received();
            if now != before {
                let rate = now.notifications - before.notifications;
                println!(
                    "{:>9} /s · {} in all · {} failed on purpose",
                    grouped(rate),
                    grouped(now.notifications),
                    grouped(now.failed)
                );
            }
            before = now;
        }
        println!(
            "notifications {} · failed {} · malformed {}",
            before.notifications, before.failed, before.malformed
        );
        Ok(ExitCode::SUCCESS)
    }
}

impl BareArguments {
    fn run(self) -> Result<ExitCode, String> {
        let bare = Bare::start(self.listen, &cpus(self.cpu)).map_err(|error| {
            format!("cannot listen on {} ({error}): name a free address with --listen.", self.listen)
        })?;
        Console::step(&format!("answering at {} (Ctrl-C ends)", bare.address()));
        let stop = interrupted()?;
        while !stop.load(Relaxed) {
            std::thread::park_timeout(Duration::from_secs(1));
        }
        println!("answered {} · CPU {:.3} s", bare.answered(), os::own_cpu_time().as_secs_f64());
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints the summary and writes the JSON file.
fn report(summary: &Summary, json: Option<&Path>) -> Result<ExitCode, String> {
    print!("{}", text::render(summary));
    if let Some(path) = json {
        std::fs::write(path, summary.to_json() + "\n")
            .map_err(|error| format!("{} cannot be written ({error}): correct the path.", path.display()))?;
    }
    Ok(if summary.clean { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// A flag that the first Ctrl-C or SIGTERM raises; the second one ends the process at once.
fn interrupted() -> Result<Arc<AtomicBool>, String> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(FAILED), Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .map_err(|error| format!("signals cannot be watched ({error})."))?;
    }
    Ok(flag)
}

/// What clap says, without its hints: one sentence.
fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let more: Vec<&str> =
        text.lines().skip(1).take_while(|line| line.starts_with("  ")).map(str::trim).collect();
    let sentence = if more.is_empty() { first.to_owned() } else { format!("{first} {}", more.join(" ")) };
    if sentence.ends_with('.') { sentence } else { format!("{sentence}; see --help.") }
}

fn load(rate: Option<u64>) -> Load {
    rate.map_or(Load::Closed, |rate_per_second| Load::Open { rate_per_second })
}

fn cpus(cpus: Option<Cpus>) -> Vec<usize> {
    cpus.map(|cpus| cpus.0).unwrap_or_default()
}

fn cpu_list(text: &str) -> Result<Cpus, String> {
    os::parse_cpus(text).map(Cpus)
}

fn xpid(text: &str) -> Result<Xpid, String> {
    Xpid::parse(text.as_bytes()).ok_or_else(|| format!("\"{text}\" is not an XPID: write eleven digits."))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not an address: write IP and port, e.g. 127.0.0.1:8080."))
}

fn class(text: &str) -> Result<Class, String> {
    match text {
        "standard" => Ok(Class::Standard),
        "urgent" => Ok(Class::Urgent),
        "emergency" => Ok(Class::Emergency),
        "exercise" => Ok(Class::Exercise),
        _ => Err(format!("\"{text}\" is no class: choose standard, urgent, emergency or exercise.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(arguments: &[&str]) -> String {
        let all = std::iter::once("hayauma-load").chain(arguments.iter().copied());
        sentence(&Arguments::try_parse_from(all).expect_err("bad arguments"))
    }

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn bad_arguments_get_one_sentence() {
        for (arguments, part) in [
            (&["drill", "--rate", "x"][..], "--rate"),
            (&["drill", "--durability", "hope"], "power, process"),
            (&["drill", "--cpu", "a"], "is not a list of CPUs"),
            (&["push", "--target", "nowhere"], "is not an address"),
            (&["push", "--msns", "0"], "is not a range of msns"),
            (&["push", "--class", "vip"], "is no class"),
            (&["push", "--mix", "tutti"], "is no mix"),
            (&["fly"], "fly"),
            (&["drill", "--wings"], "--wings"),
        ] {
            let sentence = refusal(arguments);
            assert!(
                sentence.contains(part) && !sentence.contains('\n') && sentence.ends_with('.'),
                "{sentence}"
            );
        }
    }

    #[test]
    fn what_follows_two_hyphens_is_the_engines() {
        let all = ["hayauma-load", "drill", "--pushes", "5", "--", "--queue-bytes", "1GiB"];
        let arguments = Arguments::try_parse_from(all).expect("legal");
        let Command::Drill(drill) = arguments.command else { unreachable!("the command is drill") };
        assert_eq!(
            (drill.pushes, &drill.engine_arguments[..]),
            (5, &["--queue-bytes".to_owned(), "1GiB".to_owned()][..])
        );
    }
}
