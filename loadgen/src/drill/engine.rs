//! The engine of a drill: this very executable, started a second time as `hayauma`, and its other
//! commands.

use super::DrillError;
use super::certificate::OwnCertificate;
use crate::os::{self, Memory};
use host::unix_socket;
use host::unix_socket::ADMIN_SOCKET;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// First argument that turns this executable into the engine.
pub const ENGINE_ARGUMENT: &str = "__engine";

/// How long an engine may take to become healthy: on a new directory it fills its journal with
/// zeros.
const HEALTHY_WITHIN: Duration = Duration::from_secs(120);
/// How long it may take to drain and end.
const STOPPED_WITHIN: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(5);
/// Octets of an admin port's answer that are read.
const ANSWER_OCTETS_MAX: u64 = 1 << 20;
/// Lines of the engine's log that an error shows.
const LOG_LINES: usize = 8;

/// A running engine; dropping it kills it.
pub struct Engine {
    child: Child,
    pub listen: SocketAddr,
    data_dir: PathBuf,
    pub started_within: Duration,
    log: PathBuf,
}

/// How the engine is started.
pub struct Start<'a> {
    pub data_dir: &'a Path,
    pub log: &'a Path,
    pub durability: &'a str,
    pub io: Option<&'a str>,
    pub shards: usize,
    pub cpus: &'a [usize],
    /// What its push port speaks TLS with, if it does.
    pub tls: Option<&'a OwnCertificate>,
    pub more: &'a [String],
}

impl Engine {
    /// Starts an engine on free ports and waits until it is healthy.
    pub fn start(start: &Start<'_>) -> Result<Self, DrillError> {
        let begun = Instant::now();
        let listen = free_address()
            .map_err(|source| DrillError::System { doing: "find a free port", source })?;
        let shards = start.shards.to_string();
        let mut command = command();
        command.args(["serve", "--listen", &listen.to_string()]);
        command.arg("--data-dir").arg(start.data_dir);
        command.args(["--durability", start.durability, "--shards", &shards]);
        // The sink of a drill is on this host.
        command.args(["--notify-allow", "127.0.0.0/8", "--notify-allow", "::1/128"]);
        if let Some(io) = start.io {
            command.args(["--io", io]);
        }
        if !start.more.iter().any(|argument| argument == "--log") {
            command.args(["--log", "warn"]);
        }
        if !start.cpus.is_empty() {
            command.args(["--cpus", &os::format_cpus(start.cpus)]);
        }
        if let Some(own) = start.tls {
            command.arg("--tls-cert").arg(&own.certificate).arg("--tls-key").arg(&own.key);
        }
        command.args(start.more);
        let child = log_into(start.log)
            .and_then(|(stdout, stderr)| {
                // A process group of its own: Ctrl-C is for the load generator, which then stops
                // the engine in order.
                command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0).spawn()
            })
            .map_err(|source| DrillError::System { doing: "start the engine's process", source })?;
        let mut engine = Self {
            child,
            listen,
            data_dir: start.data_dir.to_owned(),
            started_within: Duration::ZERO,
            log: start.log.to_owned(),
        };
        engine.await_health()?;
        engine.started_within = begun.elapsed();
        Ok(engine)
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// What the engine said of its driver, where it found io_uring unfit and took another.
    pub fn instead_of_uring(&self) -> Option<String> {
        instead_of_uring(&std::fs::read_to_string(&self.log).unwrap_or_default())
    }

    /// CPU time used so far.
    pub fn cpu_time(&self) -> Duration {
        os::fine_cpu_time_of(self.child.id()).unwrap_or_default()
    }

    /// Memory now and at its peak.
    pub fn memory(&self) -> Memory {
        os::memory_of(self.child.id()).unwrap_or_default()
    }

    /// An error if the engine has ended by itself.
    pub fn check(&mut self) -> Result<(), DrillError> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(DrillError::EngineEnded {
                status: status.to_string(),
                log: last_lines(&self.log),
            }),
            _ => Ok(()),
        }
    }

    /// Asks it to end by SIGTERM and waits; exit status 0 is the only good one.
    pub fn stop(mut self) -> Result<Duration, DrillError> {
        self.check()?;
        let begun = Instant::now();
        // SAFETY: no memory is involved, and the process is our child and not yet waited for, so
        // the id is its.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        while begun.elapsed() < STOPPED_WITHIN {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(begun.elapsed()),
                Ok(Some(_)) => self.check()?,
                _ => std::thread::park_timeout(LOOK),
            }
        }
        Err(DrillError::EngineHangs {
            seconds: STOPPED_WITHIN.as_secs(),
            log: last_lines(&self.log),
        })
    }

    /// Kills it without a word, as `kill -9` does, and waits until it is gone.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The sum over all shards of the gauge or counter with this name (as `/metrics` has it);
    /// `None` where the engine does not tell it.
    pub fn metric(&self, name: &str) -> Option<u64> {
        let page = self.metrics();
        let values = page.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let is_it = series == name
                || series.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
            is_it.then(|| value.parse::<f64>().ok()).flatten()
        });
        values.map(|value| value as u64).reduce(|sum, value| sum + value)
    }

    /// The page of metrics; empty where the engine does not answer.
    pub(super) fn metrics(&self) -> String {
        ask(&self.data_dir, "/metrics")
            .map_or_else(|_| String::new(), |page| String::from_utf8_lossy(&page).into_owned())
    }

    fn await_health(&mut self) -> Result<(), DrillError> {
        let deadline = Instant::now() + HEALTHY_WITHIN;
        while Instant::now() < deadline {
            self.check()?;
            if is_healthy(&self.data_dir) {
                return Ok(());
            }
            std::thread::park_timeout(LOOK);
        }
        Err(DrillError::EngineUnhealthy {
            seconds: HEALTHY_WITHIN.as_secs(),
            log: last_lines(&self.log),
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // An engine that was stopped has been waited for, and both calls do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The driver that carries the engine's octets, by its page of metrics; `None` where it does not
/// say.
pub(super) fn driver(metrics: &str) -> Option<String> {
    let build = metrics.lines().find_map(|line| line.strip_prefix("hayauma_build_info{"))?;
    build.split_once("driver=\"")?.1.split_once('"').map(|(driver, _)| driver.to_owned())
}

/// Runs another command of the engine to its end and returns what it printed.
pub fn run_command<A: AsRef<OsStr>>(arguments: &[A]) -> Result<String, DrillError> {
    let output = command()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| DrillError::System { doing: "start an engine command", source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words: Vec<_> =
        arguments.iter().map(|argument| argument.as_ref().to_string_lossy()).collect();
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(DrillError::Command { command: words.join(" "), status: output.status.to_string(), said })
}

/// This executable as the engine.
fn command() -> Command {
    // The link in /proc leads to this executable even if its file was replaced meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("hayauma").arg(ENGINE_ARGUMENT);
    command
}

fn log_into(path: &Path) -> std::io::Result<(File, File)> {
    let log = OpenOptions::new().create(true).append(true).open(path)?;
    Ok((log.try_clone()?, log))
}

/// An address of loopback that was free just now.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn is_healthy(data_dir: &Path) -> bool {
    ask(data_dir, "/healthz").is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}

/// Asks by the admin socket of a data directory, head and body of the answer.
pub(super) fn ask(data_dir: &Path, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = unix_socket::connect(data_dir, ADMIN_SOCKET)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_OCTETS_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}

/// Gives an order by the admin socket of a data directory: an error where it is refused.
pub(super) fn order(data_dir: &Path, path: &str) -> Result<(), DrillError> {
    let failed = |source| DrillError::System { doing: "give an order", source };
    let mut stream = unix_socket::connect(data_dir, ADMIN_SOCKET).map_err(failed)?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nX-Hayauma-Order: 1\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    );
    stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(failed)?;
    stream.write_all(head.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_OCTETS_MAX).read_to_end(&mut answer).map_err(failed)?;
    if answer.starts_with(b"HTTP/1.1 2") {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&answer).into_owned();
    let status = said.lines().next().unwrap_or_default().to_owned();
    Err(DrillError::Command { command: path.to_owned(), status, said })
}

/// The engine's line `driver: poll (...), because ...`. Without a reason the driver is the one that
/// was asked for, or the usual one, and nothing is to be said.
fn instead_of_uring(log: &str) -> Option<String> {
    log.lines()
        .find(|line| line.starts_with("driver: ") && line.contains(", because "))
        .map(str::to_owned)
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n  ");
    if tail.is_empty() {
        "its log is empty".to_owned()
    } else {
        format!("its log ends with\n  {tail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_reason_for_another_driver_is_found_in_its_log() {
        let line = "driver: poll (epoll carries sockets), because io_uring is switched off";
        let log = format!("hayauma takes pushes\n{line}\n");
        assert_eq!(instead_of_uring(&log).as_deref(), Some(line));
        assert_eq!(instead_of_uring("driver: uring (io_uring carries sockets)\n"), None);
        assert_eq!(instead_of_uring("driver: poll (epoll), as --io says\n"), None);
    }

    #[test]
    fn the_driver_is_read_from_the_metrics() {
        let page = "# TYPE hayauma_build_info gauge\n\
            hayauma_build_info{version=\"1\",driver=\"poll\"} 1\n";
        assert_eq!(driver(page), Some("poll".to_owned()));
        assert_eq!(driver("hayauma_accepted_total{shard=\"0\"} 7\n"), None);
    }
}
