//! Three real NATS servers for a test, and what befalls them.

use crate::skips::skip;
use crate::{ports, wait};
use loadgen::nats_servers::{NatsServersError, program};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::time::Duration;

pub use loadgen::nats_servers::{cluster_toml, get};

/// The servers; each is killed with this value.
#[derive(Debug)]
pub struct NatsServers(loadgen::nats_servers::NatsServers);

impl Deref for NatsServers {
    type Target = loadgen::nats_servers::NatsServers;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl NatsServers {
    /// Three servers that are up and have elected; none, and a sentence, where no program is here.
    ///
    /// # Panics
    /// When they do not come up.
    pub fn start() -> Option<Self> {
        if let Err(error @ NatsServersError::NoProgram) = program() {
            skip(error);
            return None;
        }
        let started = loadgen::nats_servers::NatsServers::start(|| Ok(ports::free_address()));
        Some(Self(started.expect("three servers")))
    }

    /// Ends a server by SIGKILL.
    pub fn kill(&mut self, at: usize) {
        self.0.kill(at);
    }

    /// Starts a server again with this `sync_interval`.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&mut self, at: usize, sync: &str) {
        self.0.restart(at, sync).expect("a server that comes up again");
    }

    /// Stops a server in the middle of what it does.
    pub fn pause(&self, at: usize) {
        self.signal(at, Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self, at: usize) {
        self.signal(at, Signal::CONT);
    }

    fn signal(&self, at: usize, signal: Signal) {
        let child = self.process(at).expect("a running server");
        kill_process(Pid::from_child(child), signal).expect("a process of ours");
    }

    /// What the first server answers to an order of NATS' own interface, such as
    /// `STREAM.CREATE.name`: what an operator's tool would send.
    ///
    /// # Panics
    /// When it says nothing.
    pub fn order(&self, order: &str, body: &str) -> String {
        let patience = Duration::from_secs(20);
        let address = self.addresses()[0];
        let mut stream = TcpStream::connect_timeout(&address, patience).expect("a server");
        stream.set_read_timeout(Some(patience)).expect("a patience");
        write!(
            stream,
            "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB $JS.API.{order} answer {}\r\n\
             {body}\r\n",
            body.len()
        )
        .expect("an order");
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let _ = lines.find(|line| line.starts_with("MSG answer "));
        lines.next().expect("an answer")
    }

    /// The server that leads a partition's stream, and one that does not.
    ///
    /// # Panics
    /// When nobody leads it for long.
    pub fn leader_and_follower(&self, stream: &str) -> (usize, usize) {
        let leader = wait::until("a leader", || {
            let told = get(self.monitors()[0], "/jsz?streams=true")?;
            let from = told.find(&format!("\"name\": \"{stream}\""))?;
            let leader = told[from..].split("\"leader\": \"").nth(1)?.split('"').next()?;
            self.number_of(leader)
        });
        (leader, (0..3).find(|at| *at != leader).expect("another one"))
    }
}

/// Addresses as the settings have them.
pub fn urls(scheme: &str, addresses: &[SocketAddr]) -> Vec<String> {
    addresses.iter().map(|address| format!("{scheme}://{address}")).collect()
}
