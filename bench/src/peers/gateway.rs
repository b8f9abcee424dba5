//! The engine in the comparison: a fresh directory, one registration, a contract for every
//! message's msn, and a simulated network that answers at once, as Kannel's fake SMSC does.

use super::FIRST_MSN;
use super::client::Dialect;
use super::server::{Delivered, Server};
use loadgen::drill::engine::{Engine, Start, run_command};
use std::ffi::OsStr;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use wire::push::client::{PushContent, PushFields, read_answer, write_push, write_request};
use wire::terms::code::Code;
use wire::terms::ids::{Msn, Xpid};

const XPID: u64 = 100_000_001;

/// A running engine; dropping it kills it.
pub(super) struct Gateway {
    _directory: tempfile::TempDir,
    engine: Engine,
    dialect: Arc<GatewayDialect>,
}

struct GatewayDialect {
    authority: String,
    xpid: Xpid,
    text: String,
}

impl Gateway {
    /// Starts an engine on `cpus`, a shard each; notifications go to `sink` over `connections`, one
    /// at a time on each.
    ///
    /// # Errors
    /// One sentence, with what the engine said.
    pub(super) fn start(
        durability: &str,
        cpus: &[usize],
        sink: SocketAddr,
        connections: usize,
        messages: u64,
        text: &str,
    ) -> Result<Self, String> {
        let directory = tempfile::Builder::new()
            .prefix("hayauma-peer-")
            .tempdir()
            .map_err(|error| format!("there is no place for the engine's data ({error})."))?;
        let data_dir = directory.path().join("data");
        let at_once =
            ["--network-latency-ms", "0", "--network-latency-jitter-ms", "0"].map(str::to_owned);
        let start = Start {
            data_dir: &data_dir,
            log: &directory.path().join("engine.log"),
            durability,
            io: None,
            shards: cpus.len().max(1),
            cpus,
            tls: None,
            more: &at_once,
        };
        let engine = Engine::start(&start).map_err(|error| error.to_string())?;
        register(&data_dir, sink, connections)?;
        import(directory.path(), &data_dir, messages)?;
        let xpid = Xpid::from_value(XPID).ok_or("the XPID is legal")?;
        let dialect =
            GatewayDialect { authority: engine.listen.to_string(), xpid, text: text.to_owned() };
        Ok(Self { _directory: directory, engine, dialect: Arc::new(dialect) })
    }
}

impl Server for Gateway {
    fn address(&self) -> SocketAddr {
        self.engine.listen
    }

    fn dialect(&self) -> Arc<dyn Dialect> {
        Arc::<GatewayDialect>::clone(&self.dialect)
    }

    fn processes(&self) -> Vec<(&'static str, u32)> {
        vec![("hayauma", self.engine.process())]
    }

    fn delivered(&self) -> Option<Delivered> {
        None
    }

    fn log_end(&self) -> String {
        let text =
            std::fs::read_to_string(self._directory.path().join("engine.log")).unwrap_or_default();
        text.lines().last().unwrap_or_default().to_owned()
    }

    fn stop(self: Box<Self>) -> Result<(), String> {
        self.engine.stop().map(|_| ()).map_err(|error| error.to_string())
    }
}

impl Dialect for GatewayDialect {
    fn request(&self, number: u64, out: &mut Vec<u8>) {
        let reqid = format!("{number:013}");
        let msn = Msn::from_value(FIRST_MSN + number).unwrap_or(Msn::ALL);
        let fields = PushFields {
            wants_notification: Some(true),
            ..PushFields::new(self.xpid, msn, reqid.as_bytes(), PushContent::Text(&self.text))
        };
        let mut body = Vec::with_capacity(512);
        write_push(&mut body, &fields);
        write_request(out, &self.authority, None, &body);
    }

    fn accepts(&self, status: u16, body: &[u8]) -> bool {
        status == 200 && read_answer(body).is_ok_and(|answer| answer.code == Code::ACCEPTED)
    }
}

fn register(data_dir: &Path, sink: SocketAddr, connections: usize) -> Result<(), String> {
    let (xpid, url) = (format!("{XPID:011}"), format!("http://{sink}/notify"));
    let connections = connections.to_string();
    let words =
        ["client", "add", &xpid, "--client", "bench", "--sender", "Hayauma", "--notify-url", &url];
    let more = ["--notify-connections", &connections, "--notify-depth", "1", "--data-dir"];
    let arguments: Vec<&OsStr> =
        words.iter().chain(&more).map(OsStr::new).chain([data_dir.as_os_str()]).collect();
    run_command(&arguments).map(|_| ()).map_err(|error| error.to_string())
}

fn import(directory: &Path, data_dir: &Path, messages: u64) -> Result<(), String> {
    let path = directory.join("contracts.csv");
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::new(std::fs::File::create(&path)?);
        writeln!(file, "msn,xpid")?;
        (0..messages)
            .try_for_each(|number| writeln!(file, "{:011},{XPID:011}", FIRST_MSN + number))?;
        file.flush()
    };
    write().map_err(|error| format!("the contracts cannot be written ({error})."))?;
    let words = ["contract", "import"].map(OsStr::new);
    let place = [OsStr::new("--data-dir"), data_dir.as_os_str()];
    run_command(&[&words[..], &[path.as_os_str()], &place].concat())
        .map(|_| ())
        .map_err(|error| error.to_string())
}
