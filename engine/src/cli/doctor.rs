//! `hayauma doctor`: prints every finding about this host with its remedy.

use std::path::PathBuf;

use super::{CliError, Output, table};
use crate::start::check;
use crate::start::check::{Finding, Severity};
use crate::start::config::{Config, Settings};

/// Check whether this host can run the engine, and say how to mend what is amiss
///
/// Looks at kernel, io_uring, limits, ports, certificates, data directory and sync latency; exits 1
/// if the engine could not run. Takes the settings of `serve`, so that what is checked is what
/// would be run.
#[derive(clap::Args, Debug)]
pub(super) struct DoctorCommand {
    /// Configuration file in TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(serde::Serialize)]
struct FindingDocument<'a> {
    subject: &'a str,
    severity: &'a str,
    message: &'a str,
    remedy: Option<&'a str>,
}

impl DoctorCommand {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let cpus = host::cpus::cpus_allowed();
        let config =
            Config::resolve(self.settings, self.config.as_deref(), std::env::vars_os(), &cpus)?;
        let findings = check::examine(&config);
        if self.json {
            let documents: Vec<FindingDocument<'_>> = findings.iter().map(document).collect();
            output.print_json(&documents)?;
        } else {
            output.print(&render(&findings))?;
        }
        match findings.iter().filter(|finding| finding.severity == Severity::Fatal).count() {
            0 => Ok(()),
            1 => {
                Err(CliError::new("the engine cannot run here: mend what is marked `fatal` above"))
            }
            count => Err(CliError::new(format!(
                "the engine cannot run here: mend the {count} things marked `fatal` above"
            ))),
        }
    }
}

fn document(finding: &Finding) -> FindingDocument<'_> {
    FindingDocument {
        subject: finding.subject,
        severity: word(finding.severity),
        message: &finding.message,
        remedy: finding.remedy.as_deref(),
    }
}

fn render(findings: &[Finding]) -> String {
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|finding| {
            let sentence = match &finding.remedy {
                Some(remedy) => format!("{}: {remedy}", finding.message),
                None => finding.message.clone(),
            };
            vec![word(finding.severity).to_owned(), finding.subject.to_owned(), sentence]
        })
        .collect();
    table::render(&rows, &[])
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Good => "good",
        Severity::Warning => "warning",
        Severity::Fatal => "fatal",
    }
}
