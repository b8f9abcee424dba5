//! `hayauma audit`: who did what, and whether the record of it is what was written. Read from the
//! data directory, whether an engine runs or not.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Deserialize;
use simd_json::OwnedValue;
use simd_json::prelude::Writable as _;

use super::table::{grouped, plural};
use super::{CliError, Output, Place};
use crate::control::audit;
use crate::control::audit::AuditLine;
use crate::control::broadcasts::AuditExtract;
use crate::control::store::{STORE_FILE_NAME, Store};
use host::reading::read_bounded;
use wire::json;

/// A report, in octets.
const REPORT_OCTETS_MAX: u64 = 64 << 20;

/// Who did what to this engine, oldest first
///
/// A line is written, and synced, before its act is done; it holds the hash of the line before it.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct AuditCommand {
    #[command(subcommand)]
    what: Option<What>,
    /// Only the acts of this actor: uid:NAME, or a token's name
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Print the lines as they are kept, in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Say whether any octet was changed, or a line, an end or a file taken out
    Verify {
        /// And whether the lines in this report of a broadcast (report.json) are the audit's
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
}

impl AuditCommand {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let data_dir = self.place.data_dir()?;
        match self.what {
            Some(What::Verify { report }) => {
                verify(&data_dir, output)?;
                report.map_or(Ok(()), |report| verify_report(&data_dir, &report, output))
            }
            None => self.list(&data_dir, output),
        }
    }

    fn list(&self, data_dir: &Path, output: &mut Output<'_>) -> Result<(), CliError> {
        let unreadable = |error: std::io::Error| {
            CliError::new(format!(
                "the audit in {} cannot be read ({error}): name the data directory with --data-dir",
                data_dir.display()
            ))
        };
        for path in audit::files(data_dir).map_err(unreadable)? {
            for line in BufReader::new(File::open(&path).map_err(unreadable)?).lines() {
                let line = line.map_err(unreadable)?;
                let Ok(read) = json::read::<AuditLine>(&mut line.clone().into_bytes()) else {
                    output.note(&format!(
                        "a line of {} cannot be read: see `hayauma audit verify`",
                        path.display()
                    ));
                    continue;
                };
                if self.actor.as_ref().is_some_and(|actor| *actor != read.actor) {
                    continue;
                }
                output.print(&if self.json { line + "\n" } else { shown(&read) })?;
                if !output.has_reader() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn shown(line: &AuditLine) -> String {
    let nothing = OwnedValue::default();
    let change = match (line.before == nothing, line.after == nothing) {
        (true, true) => String::new(),
        (true, false) => format!(": {}", line.after.encode()),
        (false, true) => format!(": was {}", line.before.encode()),
        (false, false) => format!(": {} -> {}", line.before.encode(), line.after.encode()),
    };
    let text = format!("{} {} {}{change}", line.time, line.actor, line.act);
    text.chars().map(printable).collect::<String>() + "\n"
}

/// The character, or what stands for one that would move the cursor, end the line or turn it
/// round: a line is not to look like two, nor like another.
fn printable(character: char) -> String {
    let turns = matches!(character, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2066}'..='\u{2069}');
    if character.is_control() || turns {
        return character.escape_default().to_string();
    }
    character.to_string()
}

fn verify(data_dir: &Path, output: &mut Output<'_>) -> Result<(), CliError> {
    if !data_dir.join(STORE_FILE_NAME).exists() {
        return Err(CliError::new(format!(
            "there is no registry in {}: name the data directory with --data-dir",
            data_dir.display()
        )));
    }
    let verdict = Store::open(data_dir)?.verify_audit()?;
    for fault in &verdict.faults {
        output.note(fault);
    }
    if verdict.faults.is_empty() {
        return output.print(&format!(
            "{} {} in {} {}: every one follows on the one before it\n",
            grouped(verdict.lines),
            plural(verdict.lines, "line", "lines"),
            verdict.files,
            plural(verdict.files as u64, "file", "files")
        ));
    }
    Err(CliError::new(format!(
        "the audit is not what was written, in {} places: keep these files, and compare with a \
         copy",
        verdict.faults.len()
    )))
}

/// What a report says of the audit.
#[derive(Deserialize)]
struct ReportedAudit {
    audit: AuditExtract,
}

fn verify_report(data_dir: &Path, report: &Path, output: &mut Output<'_>) -> Result<(), CliError> {
    let named = report.display();
    let text = read_bounded(report, REPORT_OCTETS_MAX)
        .map_err(|error| CliError::new(format!("{named} cannot be read ({error})")))?;
    let ReportedAudit { audit: told } = json::read(&mut text.into_bytes()).map_err(|error| {
        CliError::new(format!("{named} is no report ({error}): take the one of report.json"))
    })?;
    let faults = audit::verify_extract(data_dir, (told.lines, &told.digest), &told.extract)
        .map_err(|error| CliError::new(format!("the audit cannot be read ({error})")))?;
    for fault in &faults {
        output.note(fault);
    }
    if !faults.is_empty() {
        return Err(CliError::new(format!("{named} does not say what the audit says")));
    }
    let lines = told.extract.len() as u64;
    output.print(&format!(
        "{named}: {} {} of the audit's first {}: each is what stands there\n",
        grouped(lines),
        plural(lines, "line", "lines"),
        grouped(told.lines)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_looks_like_one_and_like_itself_whatever_is_in_it() {
        let line = AuditLine {
            number: 1,
            time: "2026-11-01 12:00:00 +09:00".to_owned(),
            actor: "uid:ada".to_owned(),
            act: "token remove x\n2026-11-01 uid:eve stop\u{1b}[2K\u{202e}".to_owned(),
            before: OwnedValue::default(),
            after: OwnedValue::from("\u{9b}2K"),
            previous: String::new(),
        };
        assert_eq!(
            shown(&line),
            "2026-11-01 12:00:00 +09:00 uid:ada token remove x\\n2026-11-01 uid:eve \
             stop\\u{1b}[2K\\u{202e}: \"\\u{9b}2K\"\n"
        );
    }
}
