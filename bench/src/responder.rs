//! What only answers, over HTTP the bare responder and over SMPP the load generator's SMSC, in a
//! process of its own, so that its CPU time can be told from everybody else's.

use loadgen::bare::Bare;
use loadgen::os;
use loadgen::smpp::smsc::{Settings, Smsc};
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// First argument that turns this executable into the bare responder.
pub const RESPONDER_ARGUMENT: &str = "__responder";
/// First argument that turns it into the SMSC.
pub const SMSC_ARGUMENT: &str = "__smsc";
/// The same for one that acknowledges all at once.
pub const QUICK_SMSC_ARGUMENT: &str = "__quick_smsc";

/// A responder; dropping it ends it.
pub(crate) struct Responder {
    child: Child,
    address: SocketAddr,
}

impl Responder {
    /// On any free port of loopback, its one thread on the first of `cpus`.
    pub(crate) fn start(cpus: &[usize]) -> io::Result<Self> {
        Self::start_as(RESPONDER_ARGUMENT, cpus)
    }

    /// The SMSC likewise: everybody may bind, and receipts come at once.
    pub(crate) fn smsc(cpus: &[usize]) -> io::Result<Self> {
        Self::start_as(SMSC_ARGUMENT, cpus)
    }

    /// The same for ESMEs that gather small PDUs until theirs are acknowledged, as Kannel does: it
    /// acknowledges all at once.
    pub(crate) fn quick_smsc(cpus: &[usize]) -> io::Result<Self> {
        Self::start_as(QUICK_SMSC_ARGUMENT, cpus)
    }

    fn start_as(argument: &str, cpus: &[usize]) -> io::Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .arg(argument)
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
pub fn respond(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match Bare::start(LOOPBACK, &cpus_of(arguments)) {
        Ok(bare) => serve(bare.address()),
        Err(_) => ExitCode::FAILURE,
    }
}

/// The SMSC's process, likewise; whether it acknowledges all that arrives at once.
pub fn be_smsc(arguments: impl Iterator<Item = OsString>, quick_ack: bool) -> ExitCode {
    let settings = Settings { window: 100, quick_ack, ..Settings::default() };
    match Smsc::start(LOOPBACK, settings, &cpus_of(arguments)) {
        Ok(smsc) => serve(smsc.address()),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Any free port of loopback.
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn cpus_of(mut arguments: impl Iterator<Item = OsString>) -> Vec<usize> {
    arguments.next().and_then(|list| os::parse_cpus(list.to_str()?).ok()).unwrap_or_default()
}

fn serve(address: SocketAddr) -> ExitCode {
    os::end_with_parent();
    println!("{address}");
    let mut rest = String::new();
    let _ = io::stdin().read_line(&mut rest);
    ExitCode::SUCCESS
}
