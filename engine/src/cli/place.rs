//! Where a command works: on the data directory itself, or through the admin port of the engine
//! that holds it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CliError;
use crate::control::store::{STORE_FILE_NAME, Store, StoreError};
use crate::journal::{DataDirLock, LockError, read_holder};
use crate::start::config::{Config, Settings};
use host::clock;
use wire::json;

/// How long a change may take in a running engine; a large import is sent in pieces.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a command waits for an engine that is starting or another command, in nanoseconds.
const LOCK_WAIT_NS: u64 = 10_000_000_000;
/// Between two looks.
const LOCK_RETRY: Duration = Duration::from_millis(50);
/// Longest answer that is read, in octets: a hundred thousand contracts or refused lines, ten
/// thousand parked notifications of each shard.
const ANSWER_OCTETS_MAX: u64 = 256 << 20;

/// The data directory that a command is about.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Place {
    /// Directory of the journal, the registry and the billing files [default: ./hayauma-data]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// Configuration file that may name the data directory
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

/// What a command works on.
pub(crate) enum Registry {
    /// An engine holds the directory: it makes the change.
    Running(AdminClient),
    /// None does: the store is used directly.
    Stopped(HeldStore),
}

/// The store, and while it is changed the lock that keeps an engine from starting on what it has
/// not seen.
pub(crate) struct HeldStore {
    store: Store,
    _lock: Option<DataDirLock>,
}

impl std::ops::Deref for HeldStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl std::ops::DerefMut for HeldStore {
    fn deref_mut(&mut self) -> &mut Store {
        &mut self.store
    }
}

impl Place {
    /// The directory, from the flag, the environment or the configuration file.
    pub(crate) fn data_dir(&self) -> Result<PathBuf, CliError> {
        let settings = Settings { data_dir: self.data_dir.clone(), ..Settings::default() };
        let cpus = host::cpus::cpus_allowed();
        Ok(Config::resolve(settings, self.config.as_deref(), std::env::vars_os(), &cpus)?.data_dir)
    }

    /// The registry for a look; where there is none, a sentence says so and nothing is made.
    pub(crate) fn registry_to_read(&self) -> Result<Registry, CliError> {
        let data_dir = self.existing_data_dir()?;
        match engine_that_holds(&data_dir)? {
            Some(engine) => Ok(Registry::Running(engine)),
            None => {
                Ok(Registry::Stopped(HeldStore { store: Store::open(&data_dir)?, _lock: None }))
            }
        }
    }

    /// The registry for a change; where there is none, a sentence says so and nothing is made.
    pub(crate) fn registry_to_change(&self) -> Result<Registry, CliError> {
        open_for_change(&self.existing_data_dir()?)
    }

    /// The registry for a change; it is made if there is none.
    pub(crate) fn registry_to_make(&self) -> Result<Registry, CliError> {
        let data_dir = self.data_dir()?;
        host::directory::make_data_dir(&data_dir).map_err(|error| {
            CliError::new(format!(
                "the data directory {} cannot be made ({error}): choose another with --data-dir",
                data_dir.display()
            ))
        })?;
        open_for_change(&data_dir)
    }

    /// The engine that holds the data directory, if one does.
    pub(crate) fn running_engine(&self) -> Result<Option<AdminClient>, CliError> {
        engine_that_holds(&self.data_dir()?)
    }

    fn existing_data_dir(&self) -> Result<PathBuf, CliError> {
        let data_dir = self.data_dir()?;
        if let Some(lost) = StoreError::lost(&data_dir) {
            return Err(lost.into());
        }
        if data_dir.join(STORE_FILE_NAME).exists() {
            return Ok(data_dir);
        }
        Err(CliError::new(format!(
            "there is no registry in {}: name the data directory with --data-dir, or add a client \
             first",
            data_dir.display()
        )))
    }
}

/// Waits a while for an engine that is starting or another command that is at work.
fn open_for_change(data_dir: &Path) -> Result<Registry, CliError> {
    let begun_ns = clock::monotonic_ns();
    loop {
        if let Some(engine) = engine_that_holds(data_dir)? {
            return Ok(Registry::Running(engine));
        }
        match DataDirLock::take(data_dir) {
            Ok(lock) => {
                let store = Store::open(data_dir)?;
                return Ok(Registry::Stopped(HeldStore { store, _lock: Some(lock) }));
            }
            Err(LockError::HeldBy { .. }) if clock::monotonic_ns() - begun_ns < LOCK_WAIT_NS => {
                std::thread::sleep(LOCK_RETRY);
            }
            Err(LockError::HeldBy { pid, .. }) => {
                return Err(CliError::new(format!(
                    "process {pid} holds the data directory {} and has not opened an admin port: \
                     wait until it has started or finished, then try again",
                    data_dir.display()
                )));
            }
            Err(error) => return Err(CliError::new(error.to_string())),
        }
    }
}

fn engine_that_holds(data_dir: &Path) -> Result<Option<AdminClient>, CliError> {
    let holder = read_holder(data_dir).map_err(|error| {
        CliError::new(format!(
            "the lock of the data directory {} cannot be read ({error}): correct its permissions",
            data_dir.display()
        ))
    })?;
    Ok(holder.and_then(|holder| Some(AdminClient::new(holder.admin?, holder.pid))))
}

/// Speaks to the admin port of a running engine.
pub(crate) struct AdminClient {
    agent: ureq::Agent,
    base: String,
    pid: u32,
}

#[derive(serde::Deserialize)]
struct ErrorDocument {
    error: String,
}

impl AdminClient {
    /// A client of the admin port at `address` of the engine with this process id.
    pub(crate) fn new(address: SocketAddr, pid: u32) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(REQUEST_TIMEOUT))
            // The engine is on this host: a proxy from the environment has no part in it.
            .proxy(None)
            .max_redirects(0)
            .build()
            .new_agent();
        Self { agent, base: format!("http://{address}"), pid }
    }

    /// GETs a document.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.document(self.agent.get(self.url(path)).call())
    }

    /// POSTs a document and reads the answer's.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, CliError> {
        let body = to_json(document)?;
        self.document(
            self.agent.post(self.url(path)).content_type("application/json").send(&body[..]),
        )
    }

    /// PUTs a document and reads the answer's.
    pub(crate) fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, CliError> {
        let body = to_json(document)?;
        self.document(
            self.agent.put(self.url(path)).content_type("application/json").send(&body[..]),
        )
    }

    /// PATCHes a document and reads the answer's.
    pub(crate) fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, CliError> {
        let body = to_json(document)?;
        self.document(
            self.agent.patch(self.url(path)).content_type("application/json").send(&body[..]),
        )
    }

    /// DELETEs, telling what by path alone.
    pub(crate) fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.document(self.agent.delete(self.url(path)).call())
    }

    /// DELETEs what the document names.
    pub(crate) fn delete_named<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, CliError> {
        let body = to_json(document)?;
        let request =
            self.agent.delete(self.url(path)).force_send_body().content_type("application/json");
        self.document(request.send(&body[..]))
    }

    /// POSTs CSV lines.
    pub(crate) fn post_csv<T: DeserializeOwned>(
        &self,
        path: &str,
        lines: &[u8],
    ) -> Result<T, CliError> {
        self.document(self.agent.post(self.url(path)).content_type("text/csv").send(lines))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn document<T: DeserializeOwned>(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, CliError> {
        let unreachable = |error: ureq::Error| {
            CliError::new(format!(
                "the engine with process id {} holds the data directory but its admin port {} does \
                 not answer ({error}): wait until it has started or stopped, then try again",
                self.pid, self.base
            ))
        };
        let mut answer = answer.map_err(unreachable)?;
        let refused = !answer.status().is_success();
        let mut octets = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_OCTETS_MAX)
            .read_to_vec()
            .map_err(unreachable)?;
        if refused {
            let status = answer.status();
            return Err(match json::read::<ErrorDocument>(&mut octets) {
                Ok(document) => CliError::new(document.error),
                Err(_) => CliError::new(format!(
                    "the engine answered with status {status}: is {} its admin port?",
                    self.base
                )),
            });
        }
        json::read(&mut octets).map_err(|error| {
            CliError::new(format!(
                "the engine's answer is not what this program expects ({error}): use the same \
                 version for both"
            ))
        })
    }
}

fn to_json(document: &impl Serialize) -> Result<Vec<u8>, CliError> {
    simd_json::to_vec(document)
        .map_err(|error| CliError::new(format!("the request cannot be written as JSON ({error})")))
}
