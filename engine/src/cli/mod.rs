//! The command line: reads the arguments, does what they say, and turns every failure into one
//! sentence on stderr and an exit status.
//!
//! Commands about registrations and contracts go through the admin socket when an engine holds the
//! data directory, and into the store when none does; under `--admin` through the admin port that
//! it names. Output is plain text, or JSON where a script
//! would want it.

mod admin_client;
mod admin_stream;
mod admin_transport;
mod area;
mod audit;
pub mod billing;
mod broadcast;
mod broadcast_desk;
mod broadcast_texts;
mod cap;
mod carrier;
mod client;
#[cfg(feature = "cluster")]
mod cluster;
mod config;
mod contract;
mod contract_import;
mod doctor;
mod list;
mod network;
mod notify;
mod output;
mod place;
mod push;
pub mod queue;
mod queue_waiting;
mod remote;
mod secret;
mod serve;
mod shield;
mod smpp;
pub mod sms;
mod source;
mod table;
mod template;
mod token;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use rustix::fs::Mode;

use crate::control::store::StoreError;
use crate::start::config::ConfigError;
use host::fatal;
use host::fatal::Fatal;
use host::log;

pub(crate) use output::{Output, print};
pub(crate) use place::Place;

/// An SMS push gateway and message center: pushes come in over HTTP, SMS go out, the push client is
/// told.
#[derive(Parser, Debug)]
#[command(
    name = "hayauma",
    bin_name = "hayauma",
    version,
    arg_required_else_help = true,
    max_term_width = 110
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Serve(Box<serve::ServeCommand>),
    #[command(subcommand)]
    Client(Box<client::ClientCommand>),
    #[command(subcommand)]
    Contract(contract::ContractCommand),
    #[command(subcommand)]
    Carrier(carrier::CarrierCommand),
    #[command(subcommand)]
    Token(token::TokenCommand),
    Audit(audit::AuditCommand),
    Billing(billing::BillingCommand),
    Push(push::PushCommand),
    /// Look at the queue of pushes, and back it up
    Queue(queue::QueueCommand),
    /// List and replay parked notifications
    Notify(notify::NotifyCommand),
    Network(network::NetworkCommand),
    /// Look into SMS TPDUs, make them, see how many segments a text takes
    #[command(subcommand)]
    Sms(sms::SmsCommand),
    /// Look into SMPP PDUs
    #[command(subcommand)]
    Smpp(smpp::SmppCommand),
    /// Check warnings of other systems: CAP, JMA, L-Alert
    #[command(subcommand)]
    Cap(cap::CapCommand),
    /// Write broadcasts, check, approve, start and stop them, see what becomes of them
    #[command(subcommand)]
    Broadcast(broadcast::BroadcastCommand),
    /// Make and fill lists of recipients, check their files
    #[command(subcommand)]
    List(list::ListCommand),
    /// Look into the catalogue of areas, load it, see which areas a shape reaches
    #[command(subcommand)]
    Area(area::AreaCommand),
    /// Register systems that may send warnings, and see what they sent
    #[command(subcommand)]
    Source(source::SourceCommand),
    /// Keep texts ready for broadcasts
    #[command(subcommand)]
    Template(template::TemplateCommand),
    Doctor(Box<doctor::DoctorCommand>),
    #[cfg(feature = "cluster")]
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    Shield(shield::ShieldCommand),
}

/// Why a command failed: one sentence with cause and remedy, and the exit status.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct CliError {
    /// Cause and remedy.
    pub sentence: String,
    /// Exit status; 1 unless the cause has its own.
    pub status: u8,
}

impl CliError {
    /// A failure with exit status 1.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), status: 1 }
    }
}

impl From<String> for CliError {
    fn from(sentence: String) -> Self {
        Self::new(sentence)
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self {
            sentence: error.to_string(),
            status: fatal::FatalReason::Configuration.exit_status(),
        }
    }
}

impl From<Fatal> for CliError {
    fn from(fatal: Fatal) -> Self {
        Self { sentence: fatal.to_string(), status: fatal.exit_status() }
    }
}

/// Its commands and their arguments, as `--help` shows them.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the program with these arguments, the program's own name first, and gives the exit status.
///
/// Sets the process's panic hook, so that a bug prints one line and ends the process, and its mask
/// of permissions: what it makes is open to this user only.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    fatal::install_panic_hook();
    // Pushes, registrations and backups of them are nobody else's to read, in whatever file they
    // are written.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(refused) => {
            // Help and version come this way too, and are what was asked for then.
            return match output::unless_reader_gone(refused.print()) {
                Err(error) if !refused.use_stderr() => fail(&error),
                _ => ExitCode::from(u8::try_from(refused.exit_code()).unwrap_or(2)),
            };
        }
    };
    match output::with_standard_output(|output| arguments.command.run(output)) {
        Ok(status) => {
            log::settle();
            status
        }
        Err(error) => fail(&error),
    }
}

/// Says the sentence, to whoever reads it within a moment, and gives the exit status.
fn fail(error: &CliError) -> ExitCode {
    log::last_words(&format!("hayauma: {}\n", error.sentence.trim_end()));
    ExitCode::from(error.status)
}

impl Command {
    fn run(self, output: &mut Output<'_>) -> Result<ExitCode, CliError> {
        match self {
            Self::Serve(command) => command.run(),
            Self::Client(command) => command.run(output),
            Self::Contract(command) => command.run(output),
            Self::Carrier(command) => command.run(output),
            Self::Token(command) => command.run(output),
            Self::Audit(command) => command.run(output),
            Self::Billing(command) => command.run(),
            Self::Push(command) => command.run(),
            Self::Queue(command) => command.run(),
            Self::Notify(command) => command.run(),
            Self::Network(command) => command.run(),
            Self::Sms(command) => return sms::run(command, output),
            Self::Smpp(command) => return smpp::run(&command, output),
            Self::Cap(command) => return cap::run(&command, output),
            Self::Broadcast(command) => return broadcast::run(&command, output),
            Self::List(command) => return list::run(&command, output),
            Self::Area(command) => area::run(command, output),
            Self::Source(command) => source::run(command, output),
            Self::Template(command) => template::run(command, output),
            Self::Doctor(command) => command.run(output),
            #[cfg(feature = "cluster")]
            Self::Cluster(command) => command.run(output),
            Self::Config(command) => command.run(output),
            Self::Shield(command) => command.run(output),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests;
