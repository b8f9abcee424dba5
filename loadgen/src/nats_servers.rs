//! Three NATS servers of one's own, on free ports of loopback and in a temporary directory: what a
//! cluster's replicated log stands on in a test, a bench or a drill.
//!
//! The program is the one that `HAYAUMA_NATS_SERVER` names, that of `tests/peers/install`, or one
//! in the path. It must be as new as the engine asks for.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The oldest that the engine takes.
const VERSION_MIN: [u32; 3] = [2, 12, 3];
/// How many servers there are.
const SERVERS: usize = 3;
/// How long a look at a monitor may take.
const LOOK: Duration = Duration::from_secs(2);
/// How long servers are waited for.
const UP_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Why there are no servers.
#[derive(Debug, thiserror::Error)]
pub enum NatsServersError {
    /// No program.
    #[error("no nats-server from 2.12.3 on is here: tests/peers/install installs one")]
    NoProgram,
    /// Something of this machine is refused.
    #[error("NATS cannot be started ({0})")]
    Machine(#[from] std::io::Error),
    /// They did not come up.
    #[error("NATS has not elected within half a minute: see the logs in {0}")]
    Down(String),
}

/// A program that is new enough.
///
/// # Errors
/// None is here.
pub fn program() -> Result<PathBuf, NatsServersError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new("."));
    let peers = std::env::var_os("HAYAUMA_PEERS").map(PathBuf::from);
    let peers = peers.unwrap_or_else(|| "target/peers".into());
    let installed = root.join(peers).join("nats/bin/nats-server");
    let named = std::env::var_os("HAYAUMA_NATS_SERVER").map(PathBuf::from);
    let is_fit = |program: &PathBuf| {
        let told = Command::new(program).arg("--version").output();
        told.is_ok_and(|told| is_new_enough(&String::from_utf8_lossy(&told.stdout)))
    };
    let candidates = named.into_iter().chain([installed, "nats-server".into()]);
    candidates.into_iter().find(is_fit).ok_or(NatsServersError::NoProgram)
}

/// `nats-server: v2.15.1`.
fn is_new_enough(told: &str) -> bool {
    let version = told.trim().rsplit('v').next().unwrap_or_default();
    let numbers: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    numbers.len() == VERSION_MIN.len() && numbers[..] >= VERSION_MIN[..]
}

/// One server: where it listens, and the process while it runs.
#[derive(Debug)]
struct NatsServer {
    name: String,
    client: SocketAddr,
    route: SocketAddr,
    monitor: SocketAddr,
    child: Option<Child>,
}

/// Servers that keep streams together. They end with this value.
#[derive(Debug)]
pub struct NatsServers {
    program: PathBuf,
    directory: TempDir,
    servers: Vec<NatsServer>,
}

impl NatsServers {
    /// Three servers that are up and have elected. `free` gives addresses that nobody has.
    ///
    /// # Errors
    /// There is no program, or they do not come up.
    pub fn start(
        mut free: impl FnMut() -> std::io::Result<SocketAddr>,
    ) -> Result<Self, NatsServersError> {
        let program = program()?;
        let directory = tempfile::Builder::new().prefix("hayauma-nats-").tempdir()?;
        let mut servers = Vec::new();
        for number in 1..=SERVERS {
            servers.push(NatsServer {
                name: format!("n{number}"),
                client: free()?,
                route: free()?,
                monitor: free()?,
                child: None,
            });
        }
        let mut set = Self { program, directory, servers };
        for at in 0..SERVERS {
            set.spawn(at, "always")?;
        }
        set.wait()?;
        Ok(set)
    }

    /// Waits until all have elected and are up to date.
    fn wait(&self) -> Result<(), NatsServersError> {
        let deadline = Instant::now() + UP_WITHIN;
        while !self.servers.iter().all(|server| is_up(server.monitor)) {
            if Instant::now() > deadline {
                let place = self.directory.path().display().to_string();
                return Err(NatsServersError::Down(place));
            }
            std::thread::park_timeout(PAUSE);
        }
        Ok(())
    }

    fn spawn(&mut self, at: usize, sync: &str) -> Result<(), NatsServersError> {
        let routes: Vec<String> =
            self.servers.iter().map(|server| format!("nats://{}", server.route)).collect();
        let server = &mut self.servers[at];
        let place = self.directory.path();
        let NatsServer { name, client, route, monitor, .. } = server;
        let configuration = format!(
            "server_name: {name}\nlisten: \"{client}\"\nhttp: \"{monitor}\"\nmax_payload: 8MB\n\
             jetstream {{ store_dir: \"{}\", sync_interval: {sync}, max_file_store: 4GB }}\n\
             cluster {{ name: own, listen: \"{route}\", routes: [{}] }}\n",
            place.join(&*name).display(),
            routes.join(", ")
        );
        let path = place.join(format!("{name}.conf"));
        File::create(&path)?.write_all(configuration.as_bytes())?;
        let said = place.join(format!("{name}.log"));
        let said = File::options().create(true).append(true).open(said)?;
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()?;
        server.child = Some(child);
        Ok(())
    }

    /// Where clients connect.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.client).collect()
    }

    /// Where each shows what it is set to.
    pub fn monitors(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.monitor).collect()
    }

    /// A cluster.toml for node `node` of the cluster `name`.
    pub fn cluster_toml(&self, name: &str, node: &str) -> String {
        cluster_toml(name, node, &self.addresses(), &self.monitors())
    }

    /// A path in their directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The place of the server of this name among the others.
    pub fn number_of(&self, name: &str) -> Option<usize> {
        self.servers.iter().position(|server| server.name == name)
    }

    /// The process of a server, while it runs.
    pub fn process(&self, at: usize) -> Option<&Child> {
        self.servers[at].child.as_ref()
    }

    /// Ends a server by SIGKILL.
    pub fn kill(&mut self, at: usize) {
        if let Some(mut child) = self.servers[at].child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts a server again with this `sync_interval`, and waits until all are up to date.
    ///
    /// # Errors
    /// It does not come up.
    pub fn restart(&mut self, at: usize, sync: &str) -> Result<(), NatsServersError> {
        self.kill(at);
        self.spawn(at, sync)?;
        self.wait()
    }
}

impl Drop for NatsServers {
    fn drop(&mut self) {
        for at in 0..self.servers.len() {
            self.kill(at);
        }
    }
}

/// An address of loopback that nobody has at the moment.
///
/// # Errors
/// The system has none.
pub fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// A cluster.toml with these servers.
pub fn cluster_toml(
    name: &str,
    node: &str,
    addresses: &[SocketAddr],
    monitors: &[SocketAddr],
) -> String {
    let list = |scheme: &str, addresses: &[SocketAddr]| -> String {
        let quoted = addresses.iter().map(|address| format!("\"{scheme}://{address}\""));
        quoted.collect::<Vec<_>>().join(", ")
    };
    format!(
        "[cluster]\nname = \"{name}\"\nnode = \"{node}\"\nnats = [{}]\nnats_monitor = [{}]\n",
        list("nats", addresses),
        list("http", monitors)
    )
}

/// Whether the server is up, has elected with the others, and has all that they have.
fn is_up(monitor: SocketAddr) -> bool {
    let meta = get(monitor, "/jsz").unwrap_or_default();
    get(monitor, "/healthz").is_some_and(|told| told.contains("\"ok\""))
        && meta.contains(&format!("\"cluster_size\": {SERVERS}"))
        && !meta.contains("\"leader\": \"\"")
}

/// What a monitor says; none while nobody answers.
pub fn get(monitor: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&monitor, LOOK).ok()?;
    stream.set_read_timeout(Some(LOOK)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {monitor}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_is_not_taken() {
        for (told, is_taken) in [
            ("nats-server: v2.15.1\n", true),
            ("nats-server: v2.12.3", true),
            ("nats-server: v2.12.2", false),
            ("nats-server: v2.9.10", false),
            ("something else", false),
        ] {
            assert_eq!(is_new_enough(told), is_taken, "{told}");
        }
    }
}
