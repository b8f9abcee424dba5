//! The command line of `hayauma-load`.

mod arguments;
mod instruments;
mod output;
mod smpp;

use crate::bare::Bare;
use crate::console::Console;
use crate::drill::{BroadcastDrill, Drill};
use crate::format::grouped;
use crate::machine::Machine;
use crate::os;
use crate::plan::{Load, Plan};
use crate::report::Report;
use crate::run::Run;
use crate::sink::{Misbehaviour, Sink};
use crate::summary::Summary;
use crate::target::Target;
use crate::text;
use crate::tls::{TargetTls, TlsIdentity};
use crate::watched::{WatchedFigures, data_dir_of};
use arguments::{
    Arguments, BareArguments, Command, Cpus, DrillArguments, PushArguments, RunArguments,
    SinkArguments, TlsArguments,
};
use clap::{CommandFactory as _, Parser};
use host::log;
use host::log::Stream;
use instruments::read_scenario;
use output::print;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Exit status of a run that is not clean, or that could not be carried out.
const FAILED: u8 = 1;
/// Exit status for arguments that cannot be understood.
const USAGE: u8 = 2;

/// What a run says when it is interrupted.
pub(crate) const INTERRUPTED: &str = "interrupted: nothing more is sent, and the report follows \
    within seconds (again: ends at once, without a report)";

/// Its commands and their arguments, as `--help` shows them.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the program with these arguments, the program's own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error)
            if error.use_stderr()
                && error.kind()
                    != clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            log::last_words(&format!("hayauma-load: {}\n", sentence(&error)));
            return ExitCode::from(USAGE);
        }
        Err(error) => {
            // Help and version.
            return match output::unless_reader_gone(error.print()) {
                Err(sentence) if !error.use_stderr() => fail(&sentence),
                _ => ExitCode::from(if error.use_stderr() { USAGE } else { 0 }),
            };
        }
    };
    os::raise_file_limit();
    let outcome = match arguments.command {
        Command::Drill(arguments) => arguments.run(),
        Command::Push(arguments) => arguments.run(),
        Command::Smpp(arguments) => arguments.run(),
        Command::Run(arguments) => arguments.run(),
        Command::Search(arguments) => arguments.run(),
        Command::Compare { directories, json, page } => {
            instruments::compare(&directories, json, page.as_deref())
        }
        Command::Report { directory } => instruments::draw(&directory),
        Command::Sink(arguments) => arguments.run(),
        Command::Smsc(arguments) => arguments.run(),
        Command::Bare(arguments) => arguments.run(),
    };
    match outcome {
        Ok(status) => {
            log::settle();
            status
        }
        Err(sentence) => fail(&sentence),
    }
}

/// Says the sentence, to whoever reads it within a moment.
fn fail(sentence: &str) -> ExitCode {
    log::last_words(&format!("hayauma-load: {sentence}\n"));
    ExitCode::from(FAILED)
}

impl DrillArguments {
    fn run(self) -> Result<ExitCode, String> {
        if self.broadcast {
            return self.run_broadcast();
        }
        let common = self.common;
        let drill = Drill {
            pushes: self.pushes,
            contracts: self.contracts,
            durability: self.durability,
            io: (self.io != "auto").then_some(self.io),
            shards: self.shards,
            engine_cpus: cpus(self.engine_cpus),
            generator_cpus: cpus(common.cpu),
            connections: common.connections,
            pipeline: common.pipeline,
            window: self.window,
            load: load(common.rate),
            settle: Duration::ZERO,
            warm_up: 0,
            threads: common.threads,
            spin: Duration::from_micros(common.spin_us),
            class: common.class,
            mix: common.mix,
            seed: common.seed,
            stall_after: Duration::from_secs(common.stall),
            notify_connections: self.notify_connections,
            notify_depth: self.notify_depth,
            directory: self.data_dir,
            keep: self.keep,
            tls: self.tls,
            notify: true,
            report: common.report,
            engine_arguments: self.engine_arguments,
        };
        let summary = drill.carry_out(&interrupted()?).map_err(|error| error.to_string())?;
        report(&summary, common.json.as_deref())
    }

    fn run_broadcast(self) -> Result<ExitCode, String> {
        let drill = BroadcastDrill {
            recipients: self.recipients,
            per_second: self.per_second,
            durability: self.durability,
            io: (self.io != "auto").then_some(self.io),
            shards: self.shards,
            engine_cpus: cpus(self.engine_cpus),
            directory: self.data_dir,
            keep: self.keep,
            report: self.common.report,
            beside: !self.no_beside,
            engine_arguments: self.engine_arguments,
        };
        let figures = drill.carry_out().map_err(|error| error.to_string())?;
        print(&figures.text())?;
        if let Some(path) = self.common.json {
            let json = simd_json::to_string(&figures)
                .map_err(|error| format!("the figures cannot be written ({error})."))?;
            std::fs::write(&path, json + "\n").map_err(|error| {
                format!("{} cannot be written ({error}): correct the path.", path.display())
            })?;
        }
        Ok(if figures.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }
}

impl PushArguments {
    fn run(self) -> Result<ExitCode, String> {
        let common = self.common;
        let cpus = cpus(common.cpu);
        let threads = common.threads.unwrap_or_else(|| cpus.len().div_ceil(2)).max(1);
        let plan = Plan {
            xpid: self.xpid,
            token: token(self.token_file.as_deref(), self.token_env.as_deref())?,
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
            spin: Duration::from_micros(common.spin_us),
            cpus,
            seed: common.seed,
            tls: self.tls.read(&self.target)?,
            ..Plan::new(self.target.address)
        };
        let mut plan = plan;
        plan.patience.stall_after = Duration::from_secs(common.stall);
        carry_out("push", &plan, self.sink, common.report.as_deref(), common.json.as_deref())
    }
}

impl TlsArguments {
    /// What TLS is spoken with; none where the target is spoken to plainly.
    fn read(self, target: &Target) -> Result<Option<TargetTls>, String> {
        let shown = self.tls_cert.zip(self.tls_key);
        if !self.tls && !target.is_secure {
            let is_plain = self.tls_ca.is_none() && shown.is_none();
            let refused = "certificates are given and the target is plain: name it https://, or \
                           add --tls.";
            return if is_plain { Ok(None) } else { Err(refused.to_owned()) };
        }
        let identity = TlsIdentity { authorities: self.tls_ca, shown };
        TargetTls::read(&identity, &target.host).map(Some).map_err(|fault| fault.to_string())
    }
}

impl RunArguments {
    fn run(self) -> Result<ExitCode, String> {
        let scenario = read_scenario(&self.plan)?;
        carry_out(
            "run",
            &scenario.plan,
            scenario.sink,
            self.report.as_deref(),
            self.json.as_deref(),
        )
    }
}

/// Sends the pushes of `plan` and reports.
fn carry_out(
    command: &'static str,
    plan: &Plan,
    sink: Option<SocketAddr>,
    directory: Option<&Path>,
    json: Option<&Path>,
) -> Result<ExitCode, String> {
    let listen = |address| {
        Sink::start(address, &plan.cpus).map_err(|error| {
            format!("the sink cannot listen on {address} ({error}): name a free address for it.")
        })
    };
    let sink = sink.map(listen).transpose()?;
    let stop = interrupted()?;
    let run = Run::start(plan.clone(), sink.as_ref()).map_err(|error| error.to_string())?;
    let stopper = run.stopper();
    let mut console = Console::new(plan.pushes, plan.notify);
    let mut stopping = false;
    let outcome = run.wait_and_look(|run| {
        console.show(run);
        if stop.load(Relaxed) && !std::mem::replace(&mut stopping, true) {
            console.note(INTERRUPTED);
            stopper.interrupt();
        }
    });
    console.finish();
    let data_dir = plan.watched.and_then(data_dir_of);
    let mut summary = Summary::new(command, plan, &outcome, Machine::here(data_dir.as_deref()));
    summary.engine_process = plan.watched.map(|process| WatchedFigures::of(process, &outcome));
    if let Some(directory) = directory {
        let page = Report::write(directory, &summary, &outcome.sent.phases)
            .map_err(|error| error.to_string())?;
        Console::step(&format!("the report is in {}", page.display()));
    }
    report(&summary, json)
}

impl SinkArguments {
    fn run(self) -> Result<ExitCode, String> {
        let sink = Sink::start(self.listen, &cpus(self.cpu)).map_err(|error| {
            format!(
                "the sink cannot listen on {} ({error}): name a free address with --listen.",
                self.listen
            )
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
        while wait_a_second(&stop) {
            if misbehaviour.down && began.elapsed().as_secs() >= self.down {
                sink.misbehave(Misbehaviour { down: false, ..misbehaviour });
            }
            let now = sink.received();
            if now != before {
                let rate = now.notifications - before.notifications;
                // A sink goes on whether anybody reads this or not.
                let line = format!(
                    "{:>9} /s · {} in all · {} failed on purpose\n",
                    grouped(rate),
                    grouped(now.notifications),
                    grouped(now.failed)
                );
                log::say(Stream::Stdout, &line);
            }
            before = now;
        }
        log::settle();
        print(&format!(
            "notifications {} · failed {} · malformed {}\n",
            before.notifications, before.failed, before.malformed
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl BareArguments {
    fn run(self) -> Result<ExitCode, String> {
        let bare = Bare::start(self.listen, &cpus(self.cpu)).map_err(|error| {
            format!(
                "cannot listen on {} ({error}): name a free address with --listen.",
                self.listen
            )
        })?;
        Console::step(&format!("answering at {} (Ctrl-C ends)", bare.address()));
        let stop = interrupted()?;
        while wait_a_second(&stop) {}
        print(&format!(
            "answered {} · CPU {:.3} s\n",
            bare.answered(),
            os::own_cpu_time().as_secs_f64()
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes the JSON file and prints the summary: a run's results are kept, whatever becomes of the
/// output.
fn report(summary: &Summary, json: Option<&Path>) -> Result<ExitCode, String> {
    let written = json.map_or(Ok(()), |path| {
        std::fs::write(path, summary.to_json() + "\n").map_err(|error| {
            format!("{} cannot be written ({error}): correct the path.", path.display())
        })
    });
    print(&text::render(summary))?;
    written?;
    Ok(if summary.succeeded() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// The token in a file or in a variable of the environment: others see the command line.
fn token(file: Option<&Path>, variable: Option<&str>) -> Result<Option<String>, String> {
    let Some(variable) = variable else { return file.map(first_line).transpose() };
    let held = std::env::var(variable);
    let missing = |_| format!("the environment holds no {variable}: export it with the token.");
    held.map(Some).map_err(missing)
}

/// The first line of a file, or of standard input for `-`.
fn first_line(path: &Path) -> Result<String, String> {
    let read = if path == Path::new("-") {
        std::io::stdin().lines().next().unwrap_or_else(|| Ok(String::new()))
    } else {
        std::fs::read_to_string(path).map(|text| text.lines().next().unwrap_or_default().to_owned())
    };
    let line =
        read.map_err(|error| format!("{} cannot be read ({error}): name a file.", path.display()))?;
    if line.is_empty() {
        return Err(format!(
            "{} begins with no token: write it into the first line.",
            path.display()
        ));
    }
    Ok(line)
}

/// A flag that the first Ctrl-C or SIGTERM raises; the second one ends the process at once.
fn interrupted() -> Result<Arc<AtomicBool>, String> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(
            signal,
            i32::from(FAILED),
            Arc::clone(&flag),
        )
        .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
        .map_err(|error| format!("signals cannot be watched ({error})."))?;
    }
    Ok(flag)
}

/// Lets a second pass; false as soon as `stop` is raised.
fn wait_a_second(stop: &AtomicBool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(1);
    while !stop.load(Relaxed) && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(50));
    }
    !stop.load(Relaxed)
}

/// What clap says, without its hints: one sentence.
fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let more: Vec<&str> =
        text.lines().skip(1).take_while(|line| line.starts_with("  ")).map(str::trim).collect();
    let sentence =
        if more.is_empty() { first.to_owned() } else { format!("{first} {}", more.join(" ")) };
    if sentence.ends_with('.') { sentence } else { format!("{sentence}; see --help.") }
}

fn load(rate: Option<u64>) -> Load {
    rate.map_or(Load::Closed, |rate_per_second| Load::Open { rate_per_second })
}

fn cpus(cpus: Option<Cpus>) -> Vec<usize> {
    cpus.map(|cpus| cpus.0).unwrap_or_default()
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
        command().debug_assert();
    }

    #[test]
    fn bad_arguments_get_one_sentence() {
        for (arguments, part) in [
            (&["drill", "--rate", "x"][..], "--rate"),
            (&["drill", "--durability", "hope"], "power, process"),
            (&["drill", "--cpu", "a"], "is not a list of CPUs"),
            (&["drill", "--engine-cpus", "0-1023"], "choose from"),
            (&["push", "--target", "nowhere"], "is not an address"),
            (&["push", "--target", "https://h/other"], "leave the path away"),
            (&["push", "--tls", "--tls-cert", "cert.pem"], "--tls-key"),
            (&["push", "--msns", "0"], "is not a range of msns"),
            (&["push", "--class", "vip"], "is no class"),
            (&["push", "--mix", "tutti"], "is no mix"),
            (&["smsc", "--fault", "fly=1%"], "is no fault"),
            (&["smsc", "--at", "10"], "COUNT=ACT"),
            (&["smsc", "--account", "load:secret"], "--account"),
            (&["smsc", "--receipt-ids", "roman"], "text, hex, decimal"),
            (&["smpp", "--system-id", "x", "--window", "0"], "--window"),
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
