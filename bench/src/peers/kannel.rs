//! Kannel as its Debian package installs it: bearerbox, smsbox and its fake SMSC, on a
//! configuration of our own in a temporary directory, ports of their own.
//!
//! Beside its fake SMSC it can have a real one, by SMPP with a window of 10.
//!
//! The other end of the fake SMSC's line is a thread here that reads what is delivered and counts
//! it, so that what the network costs is not Kannel's; the engine's simulated network is inside the
//! engine and is counted. The fake SMSC cannot be bound to one address; it is told to admit
//! loopback only. Everything else listens on loopback.

use super::client::Dialect;
use super::server::{Delivered, Server};
use loadgen::clock::Clock;
use loadgen::os;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// First argument that turns this executable into a child of the bench: bound to CPUs, ended with
/// the bench.
pub const CHILD_ARGUMENT: &str = "__child";

/// How long each part may take to listen.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long a box may take to end on SIGTERM before it is killed.
const STOPPED_WITHIN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);
/// Where Debian puts the boxes, which is not in everybody's PATH.
const PLACES: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// The two programs.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    bearerbox: PathBuf,
    smsbox: PathBuf,
    /// As it calls itself, such as `1.4.5`.
    pub(super) version: String,
}

/// Where Kannel keeps messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Store<'a> {
    /// `spool`, `file` or `none`.
    pub(super) kind: &'a str,
    /// Its directory is made in here, with configuration and logs.
    pub(super) place: &'a Path,
}

/// A running Kannel; dropping it ends it.
pub(super) struct Kannel {
    directory: tempfile::TempDir,
    boxes: Vec<(&'static str, Child)>,
    address: SocketAddr,
    dialect: Arc<KannelDialect>,
    /// Of the fake SMSC.
    network: Option<Network>,
}

/// Where Kannel's messages go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Out {
    /// To its fake SMSC.
    Fake,
    /// To an SMSC of SMPP.
    Smpp(SocketAddr),
}

struct KannelDialect {
    authority: String,
    /// The receipt's URL up to the message's number, encoded for a query.
    receipt: String,
    text: String,
}

/// The far side of the fake SMSC.
struct Network {
    delivered: Arc<AtomicU64>,
    last_ns: Arc<AtomicU64>,
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

struct Ports {
    admin: u16,
    boxes: u16,
    smsc: u16,
    send: u16,
}

impl Programs {
    /// Looks for both boxes.
    ///
    /// # Errors
    /// One sentence that says how to get them.
    pub(super) fn find() -> Result<Self, String> {
        let absent = || {
            "Kannel is not installed (bearerbox and smsbox are not found): bench/install-kannel.sh \
             installs it on Debian and Ubuntu."
                .to_owned()
        };
        let bearerbox = find("bearerbox").ok_or_else(absent)?;
        let smsbox = find("smsbox").ok_or_else(absent)?;
        let output = Command::new(&bearerbox).arg("--version").stdin(Stdio::null()).output();
        let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let version = text.split(['`', '\'']).nth(1).unwrap_or("unknown").to_owned();
        Ok(Self { bearerbox, smsbox, version })
    }
}

impl Kannel {
    /// Starts both boxes on `cpus` with this store; receipts go to `sink`.
    ///
    /// # Errors
    /// One sentence, with the end of the box's log.
    pub(super) fn start(
        programs: &Programs,
        (store, out): (Store<'_>, Out),
        cpus: &[usize],
        sink: SocketAddr,
        text: &str,
        clock: Clock,
    ) -> Result<Self, String> {
        let fault = |error: io::Error| format!("Kannel did not start ({error}).");
        let directory = tempfile::Builder::new()
            .prefix("hayauma-kannel-")
            .tempdir_in(store.place)
            .map_err(fault)?;
        let ports = Ports::free().map_err(fault)?;
        let config = directory.path().join("kannel.conf");
        std::fs::create_dir(directory.path().join("store")).map_err(fault)?;
        std::fs::write(&config, configuration(&ports, store.kind, out, directory.path()))
            .map_err(fault)?;
        let mut boxes = Vec::new();
        let mut start = |name: &'static str, program: &Path, port: u16| -> Result<(), String> {
            let log = directory.path().join(name).with_extension("log");
            boxes.push((name, spawn(program, &config, &log, cpus).map_err(fault)?));
            await_port(port)
                .map_err(|error| format!("{name} does not listen ({error}); {}", log_end(&log)))
        };
        start("bearerbox", &programs.bearerbox, ports.boxes)?;
        let network = match out {
            Out::Fake => {
                await_port(ports.smsc).map_err(fault)?;
                Some(Network::attach(ports.smsc, clock).map_err(fault)?)
            }
            Out::Smpp(_) => None,
        };
        start("smsbox", &programs.smsbox, ports.send)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.send));
        let dialect = KannelDialect {
            authority: address.to_string(),
            receipt: encoded(&format!("http://{sink}/dlr?type=%d&id=")),
            text: encoded(text),
        };
        Ok(Self { directory, boxes, address, dialect: Arc::new(dialect), network })
    }
}

impl Server for Kannel {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn dialect(&self) -> Arc<dyn Dialect> {
        Arc::<KannelDialect>::clone(&self.dialect)
    }

    fn processes(&self) -> Vec<(&'static str, u32)> {
        self.boxes.iter().map(|(name, child)| (*name, child.id())).collect()
    }

    fn delivered(&self) -> Option<Delivered> {
        let Network { delivered, last_ns, .. } = self.network.as_ref()?;
        Some(Delivered { count: delivered.load(Relaxed), last_ns: last_ns.load(Relaxed) })
    }

    fn log_end(&self) -> String {
        self.boxes
            .iter()
            .map(|(name, _)| log_end(&self.directory.path().join(name).with_extension("log")))
            .collect()
    }

    fn stop(self: Box<Self>) -> Result<(), String> {
        Ok(())
    }
}

impl Drop for Kannel {
    fn drop(&mut self) {
        // smsbox first: bearerbox waits for its boxes.
        while let Some((_, mut child)) = self.boxes.pop() {
            super::server::terminate(&child);
            let begun = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && begun.elapsed() < STOPPED_WITHIN {
                std::thread::park_timeout(LOOK);
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Dialect for KannelDialect {
    fn request(&self, number: u64, out: &mut Vec<u8>) {
        let Self { authority, receipt, text } = self;
        // Writing to a Vec cannot fail.
        let _ = write!(
            out,
            "GET /cgi-bin/sendsms?username=bench&password=bench&from=Hayauma&to={:011}&text={text}\
             &dlr-mask=1&dlr-url={receipt}{number} HTTP/1.1\r\nHost: {authority}\r\n\r\n",
            super::FIRST_MSN + number
        );
    }

    fn accepts(&self, status: u16, body: &[u8]) -> bool {
        status == 202 && body.starts_with(b"0:")
    }
}

impl Network {
    fn attach(port: u16, clock: Clock) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        let mut reader = stream.try_clone()?;
        let (delivered, last_ns) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (delivered_here, last_here) = (Arc::clone(&delivered), Arc::clone(&last_ns));
        let thread = std::thread::Builder::new().name("network".to_owned()).spawn(move || {
            // One line a message.
            let mut input = vec![0; 64 * 1024];
            while let Ok(octets @ 1..) = reader.read(&mut input) {
                let lines = input[..octets].iter().filter(|&&octet| octet == b'\n').count();
                last_here.store(clock.now_ns(), Relaxed);
                delivered_here.fetch_add(lines as u64, Relaxed);
            }
        })?;
        Ok(Self { delivered, last_ns, stream, thread: Some(thread) })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Ports {
    fn free() -> io::Result<Self> {
        let listeners: Vec<TcpListener> = (0..4)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .collect::<io::Result<_>>()?;
        let port = |at: usize| listeners[at].local_addr().map(|address| address.port());
        Ok(Self { admin: port(0)?, boxes: port(1)?, smsc: port(2)?, send: port(3)? })
    }
}

fn configuration(ports: &Ports, store: &str, out: Out, directory: &Path) -> String {
    let Ports { admin, boxes, smsc, send } = ports;
    let place = directory.join(if store == "file" { "store/messages" } else { "store" });
    let store = match store {
        "none" => String::new(),
        kind => format!("store-type = {kind}\nstore-location = {}\n", place.display()),
    };
    let out = match out {
        Out::Fake => format!("smsc = fake\nport = {smsc}\nconnect-allow-ip = 127.0.0.1\n"),
        Out::Smpp(at) => format!(
            "smsc = smpp\nhost = {}\nport = {}\nsmsc-username = bench\nsmsc-password = bench\n\
             system-type = bench\ntransceiver-mode = true\nmax-pending-submits = 10\n",
            at.ip(),
            at.port()
        ),
    };
    format!(
        "group = core\nadmin-port = {admin}\nadmin-interface = 127.0.0.1\nadmin-password = bench\n\
         admin-allow-ip = 127.0.0.1\nsmsbox-port = {boxes}\nsmsbox-interface = 127.0.0.1\n\
         box-allow-ip = 127.0.0.1\n{store}dlr-storage = internal\nlog-level = 4\n\n\
         group = smsc\nsmsc-id = bench\n{out}\n\
         group = smsbox\nbearerbox-host = 127.0.0.1\nbearerbox-port = {boxes}\n\
         sendsms-port = {send}\nsendsms-interface = 127.0.0.1\nlog-level = 4\n\n\
         group = sendsms-user\nusername = bench\npassword = bench\n\n\
         group = sms-service\nkeyword = default\ntext = \"none\"\nmax-messages = 0\n"
    )
}

/// A program that is started through this executable, which binds itself to the CPUs, and then
/// becomes it.
pub(crate) fn child(program: &Path, cpus: &[usize]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(CHILD_ARGUMENT).arg(os::format_cpus(cpus)).arg(program);
    command
}

/// Starts a box on these CPUs.
fn spawn(program: &Path, config: &Path, log: &Path, cpus: &[usize]) -> io::Result<Child> {
    let log = File::create(log)?;
    child(program, cpus)
        .args(["-v", "4"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// Becomes the program that the arguments name: CPUs, program, its arguments.
pub fn become_child(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    os::end_with_parent();
    let cpus =
        arguments.next().and_then(|list| os::parse_cpus(list.to_str()?).ok()).unwrap_or_default();
    let Some(program) = arguments.next() else { return ExitCode::FAILURE };
    if let Err(error) = os::pin_thread(&cpus) {
        eprintln!("cannot be bound to its CPUs ({error})");
        return ExitCode::FAILURE;
    }
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("{} cannot be started ({error})", program.display());
    ExitCode::FAILURE
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(PLACES.map(PathBuf::from));
    places.map(|place| place.join(name)).find(|program| program.is_file())
}

fn await_port(port: u16) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(()),
            Err(error) if begun.elapsed() > READY_WITHIN => return Err(error),
            Err(_) => std::thread::park_timeout(LOOK),
        }
    }
}

fn log_end(path: &Path) -> String {
    let text = std::fs::read(path)
        .map(|octets| String::from_utf8_lossy(&octets).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(4)..].join("\n  ")
}

/// `text` as a value in a query.
fn encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut encoded, octet| {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{octet:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_carries_text_number_and_the_receipts_url() {
        let dialect = KannelDialect {
            authority: "127.0.0.1:13013".to_owned(),
            receipt: encoded("http://127.0.0.1:1/dlr?type=%d&id="),
            text: encoded("a b&c"),
        };
        let mut request = Vec::new();
        dialect.request(42, &mut request);
        let request = String::from_utf8(request).expect("ASCII");
        assert!(request.contains("&to=09000000042&text=a%20b%26c&"), "{request}");
        assert!(request.contains(
            "dlr-url=http%3A%2F%2F127.0.0.1%3A1%2Fdlr%3Ftype%3D%25d%26id%3D42 HTTP/1.1\r\n"
        ));
        assert!(
            dialect.accepts(202, b"0: Accepted for delivery")
                && !dialect.accepts(202, b"3: Queued")
        );
    }

    #[test]
    fn without_a_store_the_configuration_names_none() {
        let ports = Ports { admin: 1, boxes: 2, smsc: 3, send: 4 };
        let of = |store, out| configuration(&ports, store, out, Path::new("d"));
        assert!(!of("none", Out::Fake).contains("store-type"));
        assert!(of("spool", Out::Fake).contains("store-type = spool\nstore-location = d/store\n"));
        assert!(of("none", Out::Fake).contains("smsc = fake\nport = 3\n"));
        let real = of("none", Out::Smpp(([127, 0, 0, 1], 2775).into()));
        assert!(real.contains("smsc = smpp\nhost = 127.0.0.1\nport = 2775\n"), "{real}");
    }
}
