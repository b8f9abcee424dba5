//! `hayauma contract import`: a CSV file of any length, through the running engine or straight into
//! the store.

use std::fs::File;
use std::io::{BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use super::admin_client::AdminClient;
use super::place::{HeldStore, Place, RegistryPlace};
use super::table::{grouped, plural};
use super::{CliError, Output};
use crate::control::acts;
use crate::control::admin::ImportReply;
use crate::control::import::{ContractImport, ImportTotals};
use crate::control::limits::{
    IMPORT_BLOCK_OCTETS, IMPORT_LINE_OCTETS_MAX, REFUSED_LINES_SHOWN_DEFAULT,
    REFUSED_LINES_SHOWN_MAX,
};
use host::clock;

/// Import contracts from a CSV file of `msn,xpid` lines, with or without a header.
///
/// Each line is checked: the forms of msn and XPID, that the XPID is registered, that the msn has
/// no more than ten. Contracts that are there already are passed over. Refused lines are named with
/// number and reason, the others are imported; the exit status is 1 if there were any.
#[derive(clap::Args, Debug)]
pub(super) struct ImportCommand {
    /// The CSV file, or - for stdin
    file: PathBuf,
    /// File to write every refused line to, as CSV of line,reason
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    /// Print the totals as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(serde::Serialize)]
struct Summary {
    imported: u64,
    already_there: u64,
    refused: u64,
    seconds: f64,
}

impl ImportCommand {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let mut file = self.open()?;
        let mut refused = RefusedLines::new(self.errors.as_deref(), output)?;
        let registry = self.place.registry_to_change()?;
        let begun_ns = clock::monotonic_ns();
        let totals = match registry {
            RegistryPlace::Running(engine) => import_through(&engine, &mut file, &mut refused)?,
            RegistryPlace::Stopped(mut store) => import_into(&mut store, &mut file, &mut refused)?,
        };
        refused.finish()?;
        let seconds = (clock::monotonic_ns() - begun_ns) as f64 / 1e9;
        self.report(totals, seconds, output)
    }

    fn open(&self) -> Result<Box<dyn Read>, CliError> {
        if self.file.as_os_str() == "-" {
            return Ok(Box::new(std::io::stdin()));
        }
        let file = File::open(&self.file).map_err(|error| {
            CliError::new(format!(
                "{} cannot be read ({error}): correct the path",
                self.file.display()
            ))
        })?;
        Ok(Box::new(file))
    }

    fn report(
        &self,
        totals: ImportTotals,
        seconds: f64,
        output: &mut Output<'_>,
    ) -> Result<(), CliError> {
        let ImportTotals { imported, already_there, refused } = totals;
        if self.json {
            output.print_json(&Summary { imported, already_there, refused, seconds })?;
        } else {
            let lines = imported + already_there + refused;
            output.print(&format!(
                "imported {}, already there {}, refused {} of {} lines in {seconds:.1} s ({} \
                 lines/s)\n",
                grouped(imported),
                grouped(already_there),
                grouped(refused),
                grouped(lines),
                grouped((lines as f64 / seconds.max(1e-9)) as u64),
            ))?;
        }
        match refused {
            0 => Ok(()),
            _ => Err(CliError::new(format!(
                "{} {} refused: correct and import the file again, what is there is passed over",
                grouped(refused),
                plural(refused, "line was", "lines were")
            ))),
        }
    }
}

fn import_into(
    store: &mut HeldStore,
    file: &mut dyn Read,
    refused: &mut RefusedLines<'_, '_>,
) -> Result<ImportTotals, CliError> {
    let mut import = ContractImport::new(1);
    store.record(&acts::import_begun())?;
    let ended = take_all(store, &mut import, file, refused);
    let sum = import.sum();
    let line = if ended.is_ok() { acts::import_ended(&sum) } else { acts::import_broken(&sum) };
    let recorded = store.record(&line);
    ended?;
    recorded?;
    Ok(import.totals())
}

fn take_all(
    store: &mut HeldStore,
    import: &mut ContractImport,
    file: &mut dyn Read,
    refused: &mut RefusedLines<'_, '_>,
) -> Result<(), CliError> {
    let mut block = vec![0; IMPORT_BLOCK_OCTETS];
    // Octets of the line that has not ended, and whether it holds a CR.
    let (mut open, mut has_cr) = (0, false);
    loop {
        let octets = read_block(file, &mut block)?;
        match block[..octets].iter().rposition(|octet| *octet == b'\n') {
            Some(end) => (open, has_cr) = (octets - end - 1, false),
            None => open += octets,
        }
        has_cr |= block[octets - open.min(octets)..octets].contains(&b'\r');
        if open > IMPORT_BLOCK_OCTETS + IMPORT_LINE_OCTETS_MAX {
            return Err(no_line_end(import.next_line(), has_cr));
        }
        import.feed(&block[..octets]);
        if octets == 0 {
            import.finish();
        }
        if octets == 0 || import.has_full_batch() {
            let batch = import.take_batch();
            let outcomes = store.add_contracts_of_import(&batch.rows())?;
            let mut failure = Ok(());
            import.record(batch, &outcomes, |line| {
                if failure.is_ok() {
                    failure = refused.take(line.line, &line.refusal.to_string());
                }
            });
            failure?;
            refused.output.progress(&format!("{} lines", grouped(import.next_line() - 1)));
        }
        if octets == 0 {
            return Ok(());
        }
    }
}

/// Sends the file in pieces of whole lines, so that every refused line can be named in an answer of
/// bounded length.
fn import_through(
    engine: &AdminClient,
    file: &mut dyn Read,
    refused: &mut RefusedLines<'_, '_>,
) -> Result<ImportTotals, CliError> {
    let mut totals = ImportTotals::default();
    let mut first_line = 1;
    let mut piece: Vec<u8> = Vec::with_capacity(2 * IMPORT_BLOCK_OCTETS);
    let mut block = vec![0; IMPORT_BLOCK_OCTETS];
    loop {
        let octets = read_block(file, &mut block)?;
        piece.extend_from_slice(&block[..octets]);
        let is_last = octets == 0;
        let whole = match piece.iter().rposition(|octet| *octet == b'\n') {
            _ if is_last => piece.len(),
            Some(end) => end + 1,
            None if piece.len() <= IMPORT_BLOCK_OCTETS + IMPORT_LINE_OCTETS_MAX => 0,
            None => return Err(no_line_end(first_line, piece.contains(&b'\r'))),
        };
        let mut rest = &piece[..whole];
        while !rest.is_empty() {
            let (lines, octets) = lines_of_one_request(rest);
            let path = format!(
                "/contracts/import?first_line={first_line}&lines={REFUSED_LINES_SHOWN_MAX}"
            );
            let reply: ImportReply = engine.post_csv(&path, &rest[..octets])?;
            totals.imported += reply.imported;
            totals.already_there += reply.already_there;
            totals.refused += reply.refused;
            for line in &reply.lines {
                refused.take(line.line, &line.reason)?;
            }
            first_line += lines;
            rest = &rest[octets..];
            refused.output.progress(&format!("{} lines", grouped(first_line - 1)));
        }
        piece.drain(..whole);
        if is_last {
            return Ok(totals);
        }
    }
}

/// A line goes on for ever.
fn no_line_end(line: u64, has_cr: bool) -> CliError {
    if has_cr {
        let sentence = "the file's lines end in CR alone: save it with LF or CRLF, then import it \
                        again";
        return CliError::new(sentence);
    }
    CliError::new(format!(
        "line {line} has no end within {IMPORT_BLOCK_OCTETS} octets: is this a CSV file?"
    ))
}

/// As many lines as one answer can refuse, and their octets.
fn lines_of_one_request(lines: &[u8]) -> (u64, usize) {
    let ends = lines.iter().enumerate().filter(|(_, octet)| **octet == b'\n').map(|(at, _)| at + 1);
    let (count, end) =
        ends.take(REFUSED_LINES_SHOWN_MAX).fold((0, 0), |(count, _), end| (count + 1, end));
    if (count as usize) < REFUSED_LINES_SHOWN_MAX { (count, lines.len()) } else { (count, end) }
}

fn read_block(file: &mut dyn Read, block: &mut [u8]) -> Result<usize, CliError> {
    loop {
        match file.read(block) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => {
                return other.map_err(|error| {
                    CliError::new(format!("the file cannot be read further ({error})"))
                });
            }
        }
    }
}

/// Names the first refused lines in notes and writes all of them to the file that was asked for.
struct RefusedLines<'o, 'w> {
    output: &'o mut Output<'w>,
    shown: usize,
    all: u64,
    file: Option<(BufWriter<File>, PathBuf)>,
}

impl<'o, 'w> RefusedLines<'o, 'w> {
    fn new(path: Option<&Path>, output: &'o mut Output<'w>) -> Result<Self, CliError> {
        let Some(path) = path else { return Ok(Self { output, shown: 0, all: 0, file: None }) };
        let file = File::create(path).map_err(|error| unwritable(path, &error))?;
        let mut file = BufWriter::new(file);
        file.write_all(b"line,reason\n").map_err(|error| unwritable(path, &error))?;
        Ok(Self { output, shown: 0, all: 0, file: Some((file, path.to_owned())) })
    }

    fn take(&mut self, line: u64, reason: &str) -> Result<(), CliError> {
        self.all += 1;
        if self.shown < REFUSED_LINES_SHOWN_DEFAULT {
            self.shown += 1;
            self.output.note(&format!("line {line}: {reason}"));
        }
        let Some((file, path)) = &mut self.file else { return Ok(()) };
        let quoted = reason.replace('"', "\"\"");
        writeln!(file, "{line},\"{quoted}\"").map_err(|error| unwritable(path, &error))
    }

    fn finish(&mut self) -> Result<(), CliError> {
        let more = self.all - self.shown as u64;
        if more > 0 {
            let hint = if self.file.is_some() { "" } else { "; --errors FILE names them all" };
            self.output.note(&format!("and {} more{hint}", grouped(more)));
        }
        let Some((file, path)) = &mut self.file else { return Ok(()) };
        file.flush().map_err(|error| unwritable(path, &error))
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(format!(
        "{} cannot be written ({error}): choose another file with --errors",
        path.display()
    ))
}
