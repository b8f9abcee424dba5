//! `hayauma config`: the configuration as a file, what a start would take, and whether it holds
//! together. Nothing is started or made.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{CliError, Output};
use crate::start::config::{Config, Settings};

/// Print and check the configuration of `serve`
#[derive(Subcommand, Debug)]
pub(super) enum ConfigCommand {
    /// Print a configuration file with every setting at its default, and what each is for
    Default,
    /// Say whether the configuration holds together; exit status 10 if it does not
    ///
    /// Takes the settings of `serve`: a file by --config, the environment, and flags.
    Check(Box<GivenCommand>),
    /// Print the configuration that `serve` would take, as a file
    ///
    /// Takes the settings of `serve`: a file by --config, the environment, and flags.
    Show(Box<GivenCommand>),
}

#[derive(Args, Debug)]
pub(super) struct GivenCommand {
    /// Configuration file in TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl ConfigCommand {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        match self {
            Self::Default => {
                let cpus = host::cpus::cpus_allowed();
                let config = Config::defaults(Path::new("./hayauma-data"), &cpus);
                output.print(&config.to_toml(true))
            }
            Self::Check(given) => {
                given.resolve(output)?;
                output.print("the configuration holds together\n")
            }
            Self::Show(given) => {
                let config = given.resolve(output)?;
                output.print(&config.to_toml(false))
            }
        }
    }
}

impl GivenCommand {
    /// The configuration that a start would take; what was passed over is noted.
    fn resolve(self, output: &mut Output<'_>) -> Result<Config, CliError> {
        let (file, environment) = (self.config.as_deref(), std::env::vars_os());
        let cpus = host::cpus::cpus_allowed();
        let config = Config::resolve(self.settings, file, environment, &cpus)?;
        if let Some(passed_over) = config.variables_passed_over() {
            output.note(&format!("warning: {passed_over}"));
        }
        Ok(config)
    }
}
