//! Where a command works: on the data directory itself, through the admin socket of the engine that
//! holds it, or through the admin port of any engine; and in whose name.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::CliError;
use super::admin_client::AdminClient;
use super::remote::{AdminUrl, Remote};
use super::secret::secret;
use crate::control::admin::user_actor;
use crate::control::audit::Act;
use crate::control::roles::Role;
use crate::control::store::{Contract, ContractOutcome, STORE_FILE_NAME, Store, StoreError};
use crate::control::token;
use crate::journal::{DataDirLock, LockError, read_holder};
use crate::start::config::{Config, Settings};
use host::clock;
use host::unix_socket;
use host::unix_socket::ADMIN_SOCKET;

/// The variable that holds a token of the admin doors.
pub(crate) const ADMIN_TOKEN_VARIABLE: &str = "HAYAUMA_ADMIN_TOKEN";
/// How long a command waits for an engine that is starting or another command, in nanoseconds.
const LOCK_WAIT_NS: u64 = 10_000_000_000;
/// Between two looks.
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// The data directory that a command is about.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Place {
    /// Directory of the journal, the registry and the billing files [default: ./hayauma-data]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// Configuration file that may name the data directory
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// File whose first line is a token of `hayauma token add`, or `-` for standard input: the
    /// command acts under its name and roles, not as this user. HAYAUMA_ADMIN_TOKEN holds one too
    #[arg(long, value_name = "FILE", global = true)]
    admin_token: Option<PathBuf>,
    /// Admin port of an engine on whatever host, https://HOST:PORT, instead of a data directory; in
    /// plain http:// to this host alone. It wants a token
    #[arg(long, value_name = "URL", global = true, help_heading = "Another host's engine")]
    admin: Option<AdminUrl>,
    /// Authorities that may have issued that port's certificate, PEM [default: those that this
    /// system trusts]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Another host's engine")]
    admin_ca: Option<PathBuf>,
    /// Certificate to show to a port that asks for one, PEM
    #[arg(long, value_name = "FILE", global = true, help_heading = "Another host's engine")]
    admin_cert: Option<PathBuf>,
    /// Private key of that certificate, PEM
    #[arg(long, value_name = "FILE", global = true, help_heading = "Another host's engine")]
    admin_key: Option<PathBuf>,
}

/// What a command works on.
pub(crate) enum RegistryPlace {
    /// An engine holds the directory: it makes the change.
    Running(AdminClient),
    /// None does: the store is used directly.
    Stopped(Box<HeldStore>),
}

/// The store, and while it is changed the lock that keeps an engine from starting on what it has
/// not seen.
pub(crate) struct HeldStore {
    store: Store,
    /// In whose name: what the audit has.
    actor: String,
    _lock: Option<DataDirLock>,
}

impl RegistryPlace {
    fn stopped(store: HeldStore) -> Self {
        Self::Stopped(Box::new(store))
    }
}

impl HeldStore {
    /// Opens the store; under a token only as one that may change everything.
    fn open(
        data_dir: &Path,
        secret: Option<&str>,
        lock: Option<DataDirLock>,
    ) -> Result<Self, CliError> {
        let store = Store::open(data_dir)?;
        let actor = match secret {
            None => user_actor(rustix::process::getuid().as_raw()),
            Some(secret) => {
                let tokens = store.tokens()?;
                let found = token::find(&tokens, secret).filter(|found| found.xpids.is_empty());
                let found = found.filter(|found| found.roles.allow(Role::Admin));
                let name = found.map(|found| found.name.clone());
                name.ok_or_else(|| {
                    CliError::new(
                        "no engine runs, and on its directory a token acts only with the role \
                         admin: leave the token away, or start the engine",
                    )
                })?
            }
        };
        Ok(Self { store, actor, _lock: lock })
    }

    /// Records an act and does it.
    pub(crate) fn act<T>(
        &mut self,
        act: &Act,
        work: impl FnOnce(&mut Store) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        self.store.act(&self.actor, act, work)
    }

    /// Adds a batch of an import whose act is recorded.
    pub(crate) fn add_contracts_of_import(
        &mut self,
        rows: &[Contract],
    ) -> Result<Vec<ContractOutcome>, CliError> {
        Ok(self.store.add_contracts(rows)?)
    }

    /// Records an act that others are to follow.
    pub(crate) fn record(&mut self, act: &Act) -> Result<(), CliError> {
        Ok(self.store.record(&self.actor, act)?)
    }
}

impl std::ops::Deref for HeldStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Place {
    /// The directory, from the flag, the environment or the configuration file.
    pub(crate) fn data_dir(&self) -> Result<PathBuf, CliError> {
        if let Some(url) = &self.admin {
            return Err(CliError::new(format!(
                "this command reads the data directory itself, which {url} does not hand out: run \
                 it on the engine's host, without --admin"
            )));
        }
        let settings = Settings { data_dir: self.data_dir.clone(), ..Settings::default() };
        let cpus = host::cpus::cpus_allowed();
        Ok(Config::resolve(settings, self.config.as_deref(), std::env::vars_os(), &cpus)?.data_dir)
    }

    /// The registry for a look; where there is none, a sentence says so and nothing is made.
    pub(crate) fn registry_to_read(&self) -> Result<RegistryPlace, CliError> {
        if let Some(engine) = self.engine_behind_port()? {
            return Ok(RegistryPlace::Running(engine));
        }
        let data_dir = self.existing_data_dir()?;
        let token = self.token()?;
        match engine_that_holds(&data_dir, token.as_deref())? {
            Some(engine) => Ok(RegistryPlace::Running(engine)),
            None => HeldStore::open(&data_dir, token.as_deref(), None).map(RegistryPlace::stopped),
        }
    }

    /// The registry in the directory itself for a look, whether an engine holds it or not: what no
    /// engine hands out is for whoever may read its files.
    pub(crate) fn store_beside_engine(&self) -> Result<Store, CliError> {
        Ok(Store::open(&self.existing_data_dir()?)?)
    }

    /// The registry for a change; where there is none, a sentence says so and nothing is made.
    pub(crate) fn registry_to_change(&self) -> Result<RegistryPlace, CliError> {
        if let Some(engine) = self.engine_behind_port()? {
            return Ok(RegistryPlace::Running(engine));
        }
        open_for_change(&self.existing_data_dir()?, self.token()?.as_deref())
    }

    /// The registry for a change; it is made if there is none.
    pub(crate) fn registry_to_make(&self) -> Result<RegistryPlace, CliError> {
        if let Some(engine) = self.engine_behind_port()? {
            return Ok(RegistryPlace::Running(engine));
        }
        let data_dir = self.data_dir()?;
        host::directory::make_data_dir(&data_dir).map_err(|error| {
            CliError::new(format!(
                "the data directory {} cannot be made ({error}): choose another with --data-dir",
                data_dir.display()
            ))
        })?;
        open_for_change(&data_dir, self.token()?.as_deref())
    }

    /// The same under another data directory.
    pub(crate) fn at(&self, data_dir: &Path) -> Self {
        Self { data_dir: Some(data_dir.to_owned()), ..self.clone() }
    }

    /// The engine that holds the data directory, if one does, or the one that is named.
    pub(crate) fn running_engine(&self) -> Result<Option<AdminClient>, CliError> {
        if let Some(engine) = self.engine_behind_port()? {
            return Ok(Some(engine));
        }
        engine_that_holds(&self.data_dir()?, self.token()?.as_deref())
    }

    /// The engine behind the admin port that is named, if one is.
    fn engine_behind_port(&self) -> Result<Option<AdminClient>, CliError> {
        let shown = match (&self.admin_cert, &self.admin_key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            _ => {
                return Err(CliError::new(
                    "--admin-cert and --admin-key belong together: give both or none",
                ));
            }
        };
        let Some(url) = &self.admin else {
            if self.admin_ca.is_none() && shown.is_none() {
                return Ok(None);
            }
            return Err(CliError::new(
                "--admin-ca, --admin-cert and --admin-key are for an admin port: name it with \
                 --admin https://HOST:PORT",
            ));
        };
        if self.data_dir.is_some() {
            return Err(CliError::new(
                "--admin and --data-dir name two engines: leave one of them out",
            ));
        }
        let remote = Remote::new(url.clone(), self.admin_ca.clone(), shown)?;
        let token = self.token()?.ok_or_else(|| {
            CliError::new(format!(
                "{url} wants a token of `hayauma token add`: name the file that holds it with \
                 --admin-token, or set {ADMIN_TOKEN_VARIABLE}"
            ))
        })?;
        AdminClient::connect(remote, token).map(Some)
    }

    fn token(&self) -> Result<Option<String>, CliError> {
        secret(self.admin_token.as_deref(), ADMIN_TOKEN_VARIABLE)
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
fn open_for_change(data_dir: &Path, token: Option<&str>) -> Result<RegistryPlace, CliError> {
    let begun_ns = clock::monotonic_ns();
    loop {
        if let Some(engine) = engine_that_holds(data_dir, token)? {
            return Ok(RegistryPlace::Running(engine));
        }
        match DataDirLock::take(data_dir) {
            Ok(lock) => {
                return HeldStore::open(data_dir, token, Some(lock)).map(RegistryPlace::stopped);
            }
            Err(LockError::HeldBy { .. }) if clock::monotonic_ns() - begun_ns < LOCK_WAIT_NS => {
                #[expect(clippy::disallowed_methods, reason = "a command, not the engine")]
                std::thread::sleep(LOCK_RETRY);
            }
            Err(LockError::HeldBy { holder, .. }) => {
                return Err(CliError::new(format!(
                    "{holder} holds the data directory {} and has not opened its admin \
                     socket: wait until it has started or finished, then try again",
                    data_dir.display()
                )));
            }
            Err(error) => return Err(CliError::new(error.to_string())),
        }
    }
}

fn engine_that_holds(
    data_dir: &Path,
    token: Option<&str>,
) -> Result<Option<AdminClient>, CliError> {
    let shown = data_dir.display();
    let holder = read_holder(data_dir).map_err(|error| {
        CliError::new(format!(
            "the lock of the data directory {shown} cannot be read ({error}): correct its \
             permissions"
        ))
    })?;
    let Some(holder) = holder else { return Ok(None) };
    match unix_socket::connect(data_dir, ADMIN_SOCKET) {
        Ok(stream) => {
            let token = token.map(str::to_owned);
            Ok(Some(AdminClient::new(data_dir, stream, holder, token)))
        }
        // It has not come so far, or is a command that holds the directory.
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            Ok(None)
        }
        Err(error) => Err(CliError::new(format!(
            "the admin socket of the data directory {shown} cannot be reached ({error}): run the \
             command as the user whose engine it is"
        ))),
    }
}
