//! `hayauma serve`: resolves the configuration, starts logging, checks the host and hands over to
//! the engine.

use std::path::PathBuf;

use super::CliError;
use crate::start::check;
use crate::start::config::{Config, Settings};
use crate::start::driver;
use crate::start::signals::Listener;
use host::fatal;
use host::fatal::{Fatal, FatalReason};
use host::log;
use host::log::LogLine;

// Arguments of one start, which no file and no variable sets: the name alone says yes, and
// `--name=false` no.
macro_rules! switches {
    ($($(#[$($doc:tt)*])* $name:ident,)*) => {
        #[derive(clap::Args, Debug)]
        struct Switches {
            $($(#[$($doc)*])*
            #[arg(
                long,
                num_args = 0..=1,
                require_equals = true,
                default_missing_value = "true",
                default_value_t = false,
                hide_default_value = true,
                value_name = "BOOL"
            )]
            $name: bool,)*
        }
    };
}

switches! {
    /// Look on: take no push, bind no carrier, begin no attempt, no notification and no broadcast
    paused,
    /// Go on with a copied data directory, or a backup, in the place of the original
    ///
    /// Without it a copy is only looked at. The original must not run any more: what waits in both
    /// would be sent twice.
    take_over,
}

/// Run the engine
///
/// It runs until SIGTERM, Ctrl-C or `POST /stop` on the admin port, then finishes what has begun
/// and exits 0.
///
/// Every setting can also stand in a TOML file (--config, with underscores: request_timeout_ms =
/// 5000) or in the environment (HAYAUMA_REQUEST_TIMEOUT_MS=5000). A flag wins over the environment,
/// the environment over the file.
#[derive(clap::Args, Debug)]
pub(super) struct ServeCommand {
    /// Configuration file in TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    switches: Switches,
    #[command(flatten)]
    settings: Settings,
}

impl ServeCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        // First: a start may be long, and a stop of it is no failure.
        let signals = Listener::start().map_err(|error| {
            Fatal::new(FatalReason::HostUnfit, format!("signals cannot be handled ({error})"))
        })?;
        let cpus = host::cpus::cpus_allowed();
        let config =
            Config::resolve(self.settings, self.config.as_deref(), std::env::vars_os(), &cpus)?;
        let Switches { paused, take_over } = self.switches;
        let config = Config { paused, take_over, ..config };
        start_logging(&config)?;
        if let Some(passed_over) = config.variables_passed_over() {
            tracing::warn!("{passed_over}");
        }
        fatal::install_mapping_guard().map_err(|error| {
            CliError::new(format!("the guard for mapped files cannot be set ({error})"))
        })?;
        // Raises the limit of open files, within which the driver is found.
        let findings = check::check_for_start(&config);
        let driver = driver::choose(config.io).map_err(|refusal| {
            Fatal::with_remedy(FatalReason::HostUnfit, refusal.message, refusal.remedy)
        })?;
        if let Some(fatal) = check::first_fatal(&findings) {
            return Err(fatal.into());
        }
        for finding in
            findings.iter().filter(|finding| finding.severity == check::Severity::Warning)
        {
            tracing::warn!(
                subject = finding.subject,
                remedy = finding.remedy,
                "{}",
                finding.message
            );
        }
        host::directory::make_data_dir(&config.data_dir).map_err(|error| {
            let cause = format!(
                "the data directory {} cannot be made ({error})",
                config.data_dir.display()
            );
            Fatal::new(FatalReason::DataDirUnusable, cause)
        })?;
        Ok(crate::start::serve::run(config, &driver, &signals)?)
    }
}

/// Logs go to stderr, so that stdout stays for what a person or a script asked for. No thread waits
/// for them.
fn start_logging(config: &Config) -> Result<(), CliError> {
    log::begin();
    let filter = tracing_subscriber::EnvFilter::try_new(config.log_filter()).map_err(|error| {
        CliError::new(format!("log = {} is not a filter ({error})", config.log))
    })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| LogLine)
        .log_internal_errors(false)
        .with_ansi(false);
    // A program that runs the engine in its own process may have its own subscriber.
    let _ = subscriber.try_init();
    Ok(())
}
