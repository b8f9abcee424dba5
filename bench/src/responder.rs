//! The bare responder in a process of its own, so that its CPU time can be told from everybody
//! else's.

use loadgen::bare::Bare;
use loadgen::os;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// First argument that turns this executable into the bare responder.
pub const RESPONDER_ARGUMENT: &str = "__responder";

/// A responder; dropping it ends it.
pub(crate) struct Responder {
    child: Child,
    address: SocketAddr,
}

impl Responder {
    /// On any free port of loopback, its one thread on the first of `cpus`.
    pub(crate) fn start(cpus: &[usize]) -> io::Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .arg(RESPONDER_ARGUMENT)
            .arg(os::format_cpus(&cpus[..1]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut text = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut text)?;
        }
        let address = text.trim().parse().map_err(io::Error::other)?;
        Ok(Self { child, address })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// CPU time used so far.
    pub(crate) fn cpu_time(&self) -> Duration {
        os::fine_cpu_time_of(self.child.id()).unwrap_or_default()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The responder's process: says where it listens and answers until its input ends.
pub fn respond(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    os::end_with_parent();
    let cpus =
        arguments.next().and_then(|list| os::parse_cpus(list.to_str()?).ok()).unwrap_or_default();
    let Ok(bare) = Bare::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &cpus) else {
        return ExitCode::FAILURE;
    };
    println!("{}", bare.address());
    let mut rest = String::new();
    let _ = io::stdin().read_line(&mut rest);
    ExitCode::SUCCESS
}
