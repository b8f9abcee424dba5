//! `hayauma list`: what a recipients' file would become, line by line; lists in a running engine.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::broadcast::lists::account::Account;
use crate::broadcast::lists::encoding::Charset;
use crate::broadcast::lists::import::Import;
use crate::broadcast::lists::reader::ReaderOptions;

use super::broadcast_desk::{Nothing, running};
use super::output::Report;
use super::sms::{json_of, shown};
use super::table::{grouped, render};
use super::{CliError, Output, Place};
use crate::control::broadcasts::{ForgetWanted, Forgotten, ListDocument, ListWanted};
use simd_json::prelude::ValueObjectAccessAsScalar as _;

/// Octets that are read at a time.
const BLOCK_OCTETS: usize = 1 << 20;
/// The argument that stands for standard input.
const STANDARD_INPUT: &str = "-";
/// Areas and languages that are printed, the largest first.
const COUNTS_SHOWN_MAX: usize = 20;

/// What to do with lists of recipients.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum ListCommand {
    /// Account for every line of a recipients' file: taken, taken twice, or refused and why.
    Check(CheckArguments),
    /// Make a list without recipients, and print its identifier.
    Create {
        /// What people call it.
        name: String,
        /// What its recipients are told.
        #[arg(long, default_value = "")]
        purpose: String,
        /// Why they may be.
        #[arg(long, default_value = "")]
        consent: String,
        /// A column that holds a parameter of the text; may be given eight times.
        #[arg(long = "parameter", value_name = "NAME")]
        parameters: Vec<String>,
        /// An XPID that may use it; may be given several times. Without one all may, and no token
        /// that is bound to XPIDs sees it.
        #[arg(long = "xpid", value_name = "XPID")]
        xpids: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Fill a list with a new version; every line is accounted for.
    Import {
        /// The list's identifier, `li-…`.
        list: String,
        /// As for `list check`.
        file: PathBuf,
        /// What the file is in, where it has no byte order mark.
        #[arg(long, default_value = "utf-8")]
        charset: String,
        /// Put a lost leading zero back.
        #[arg(long, value_parser = ["leading-zero"])]
        repair: Option<String>,
        /// The file holds changes of this version, in NDJSON.
        #[arg(long, value_name = "VERSION")]
        base: Option<u32>,
        /// The version is meant to have no recipient: without this such a one is not used.
        #[arg(long)]
        empty: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Use a version of which too many lines were refused, as it is.
    Take {
        /// The list's identifier, `li-…`.
        list: String,
        /// The version.
        version: u32,
        #[command(flatten)]
        place: Place,
    },
    /// Print the lines of a version's file that were refused, as CSV.
    Refused {
        /// The list's identifier, `li-…`.
        list: String,
        /// The version.
        version: u32,
        #[command(flatten)]
        place: Place,
    },
    /// Show one phone's row in a version, as JSON.
    Row {
        /// The list's identifier, `li-…`.
        list: String,
        /// The version.
        version: u32,
        /// The number.
        msn: String,
        #[command(flatten)]
        place: Place,
    },
    /// Take one phone out of every list, every version, and what became of broadcasts.
    Forget {
        /// The number.
        msn: String,
        #[command(flatten)]
        place: Place,
    },
    /// Show lists with their versions, as JSON.
    Show {
        /// One of them.
        list: Option<String>,
        /// One of its versions, with what became of the lines of its file.
        #[arg(long, requires = "list")]
        version: Option<u32>,
        #[command(flatten)]
        place: Place,
    },
}

/// Arguments of `hayauma list check`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct CheckArguments {
    /// CSV whose first line names the columns (msn, area, lang, parameters), or NDJSON. `-`: from
    /// standard input.
    file: PathBuf,
    /// What the file is in, where it has no byte order mark: utf-8, shift_jis, euc-jp, iso-8859-1.
    #[arg(long, default_value = "utf-8", value_parser = charset_of)]
    charset: Charset,
    /// A column that holds a parameter of the text; may be given eight times.
    #[arg(long = "parameter", value_name = "NAME")]
    parameters: Vec<String>,
    /// Put a lost leading zero back.
    #[arg(long, value_parser = ["leading-zero"])]
    repair: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn charset_of(name: &str) -> Result<Charset, String> {
    let names = || Charset::ALL.map(|(name, _)| name).join(", ");
    Charset::from_name(name).ok_or_else(|| format!("give one of {}", names()))
}

/// Does it. Exit status 0: the list can be used as it is; 1: it is none, or too many of its lines
/// are refused.
pub(super) fn run(command: &ListCommand, output: &mut Output<'_>) -> Result<ExitCode, CliError> {
    let arguments = match command {
        ListCommand::Check(arguments) => arguments,
        ListCommand::Create { name, purpose, consent, parameters, xpids, place } => {
            let (name, purpose) = (name.clone(), purpose.clone());
            let (consent, parameters) = (consent.clone(), parameters.clone());
            let xpids = xpids.clone();
            let wanted = ListWanted { name, purpose, consent, parameters, xpids };
            let made: ListDocument = running(place)?.post("/lists", &wanted)?;
            return output.print(&format!("{}\n", made.list)).map(|()| ExitCode::SUCCESS);
        }
        ListCommand::Import { list, file, charset, repair, base, empty, place } => {
            let mut path = format!("/lists/{list}/versions?charset={charset}");
            path += &repair.as_ref().map_or_else(String::new, |way| format!("&repair={way}"));
            path += &base.map_or_else(String::new, |base| format!("&base={base}"));
            path += if *empty { "&empty=true" } else { "" };
            let name = shown(&file.to_string_lossy());
            let mut file = open(file)
                .map_err(|error| CliError::new(format!("{name} cannot be opened: {error}")))?;
            let imported: simd_json::OwnedValue =
                running(place)?.send_file(&path, base.is_none(), &mut file)?;
            output.print_json(&imported)?;
            if imported.get_bool("is_refused") == Some(true) {
                return Err(CliError::new(format!(
                    "the version is kept and not used, as too many of its lines are refused or it \
                     has no recipient: look at it with hayauma list check {name}, or give --empty \
                     where none is meant"
                )));
            }
            return Ok(ExitCode::SUCCESS);
        }
        ListCommand::Forget { msn, place } => return forget(msn, place, output),
        other => return look(other, output),
    };
    output.report_all("hayauma list", |report| check(arguments, report))
}

/// Looks into a running engine's lists, or has one of their versions used.
fn look(command: &ListCommand, output: &mut Output<'_>) -> Result<ExitCode, CliError> {
    match command {
        ListCommand::Take { list, version, place } => {
            let path = format!("/lists/{list}/versions/{version}/take");
            let taken: ListDocument = running(place)?.post(&path, &Nothing {})?;
            output.print_json(&taken).map(|()| ExitCode::SUCCESS)
        }
        ListCommand::Refused { list, version, place } => {
            let path = format!("/lists/{list}/versions/{version}/refused");
            let mut take = |octets: &[u8]| output.print(&String::from_utf8_lossy(octets));
            running(place)?.get_table(&path, &mut take).map(|()| ExitCode::SUCCESS)
        }
        ListCommand::Row { list, version, msn, place } => {
            let path = format!("/lists/{list}/versions/{version}/rows?msn={msn}");
            let row: simd_json::OwnedValue = running(place)?.get(&path)?;
            output.print_json(&row).map(|()| ExitCode::SUCCESS)
        }
        ListCommand::Show { list, version, place } => {
            let mut path = "/lists".to_owned();
            path += &list.as_ref().map_or_else(String::new, |list| format!("/{list}"));
            path += &version.map_or_else(String::new, |version| format!("/versions/{version}"));
            let shown: simd_json::OwnedValue = running(place)?.get(&path)?;
            output.print_json(&shown).map(|()| ExitCode::SUCCESS)
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Where it is still, exit status 1 says.
fn forget(msn: &str, place: &Place, output: &mut Output<'_>) -> Result<ExitCode, CliError> {
    let wanted = ForgetWanted { msn: msn.to_owned() };
    let forgotten: Forgotten = running(place)?.post("/lists/forget", &wanted)?;
    output.print_json(&forgotten)?;
    if forgotten.remaining.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(CliError::new(format!(
        "these may have it still, forget it again when the broadcasts among them are over and what \
         cannot be read is mended, as the log says: {}",
        forgotten.remaining.join(", ")
    )))
}

fn check(arguments: &CheckArguments, report: &mut Report<'_>) {
    let account = match account_of(arguments) {
        Ok(account) => account,
        Err(sentence) => {
            report(Err(sentence));
            return;
        }
    };
    let printed = if arguments.json { json_of(&account) } else { Ok(text_of(&account)) };
    let goes_on = report(printed);
    if goes_on && account.is_refused() {
        let (refused, records) = (account.refused_count(), account.records);
        report(Err(format!(
            "{refused} of {records} lines are refused, more than one in a hundred: look at the \
            reasons \
             before the list is used"
        )));
    } else if goes_on && account.rows == 0 {
        let sentence = "no line is a recipient: import it with --empty if that is meant";
        report(Err(sentence.to_owned()));
    }
}

fn account_of(arguments: &CheckArguments) -> Result<Account, String> {
    let name = shown(&arguments.file.to_string_lossy());
    let options = ReaderOptions {
        charset: arguments.charset,
        parameters: arguments.parameters.clone(),
        puts_zero_back: arguments.repair.is_some(),
        ..Default::default()
    };
    let mut import =
        Import::new(options, &std::env::temp_dir()).map_err(|error| error.to_string())?;
    let mut file =
        open(&arguments.file).map_err(|error| format!("{name}: it cannot be opened: {error}"))?;
    let mut octets = vec![0; BLOCK_OCTETS];
    loop {
        let read = file
            .read(&mut octets)
            .map_err(|error| format!("{name}: it cannot be read: {error}"))?;
        if read == 0 {
            break;
        }
        import.feed(&octets[..read]).map_err(|error| format!("{name}: {error}"))?;
    }
    import.account().map_err(|error| format!("{name}: {error}"))
}

fn open(file: &Path) -> std::io::Result<Box<dyn Read>> {
    match file.to_str() {
        Some(STANDARD_INPUT) => Ok(Box::new(std::io::stdin().lock())),
        _ => Ok(Box::new(File::open(file)?)),
    }
}

fn text_of(account: &Account) -> String {
    let row = |name: &str, count: u64| vec![name.to_owned(), grouped(count)];
    let mut rows = vec![
        row("lines", account.lines),
        row("blank", account.blank),
        row("records", account.records),
        row("recipients", account.rows),
        row("duplicates", account.duplicates),
        row("conflicts", account.conflicts),
        row("refused", account.refused_count()),
    ];
    rows.extend(account.refused.iter().map(|(name, count)| row(&format!("  {name}"), *count)));
    rows.extend(
        account.spellings.iter().map(|(name, count)| row(&format!("spelling {name}"), *count)),
    );
    for (kind, counts) in [("area", &account.areas), ("language", &account.languages)] {
        let mut counts: Vec<(&String, &u64)> = counts.iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let others = counts.len().saturating_sub(COUNTS_SHOWN_MAX);
        let shown_counts = counts.iter().take(COUNTS_SHOWN_MAX);
        rows.extend(
            shown_counts.map(|(name, count)| row(&format!("{kind} {}", shown(name)), **count)),
        );
        if others > 0 {
            let count = counts[COUNTS_SHOWN_MAX..].iter().map(|(_, count)| **count).sum();
            rows.push(row(&format!("{others} more of {kind}"), count));
        }
    }
    let mut text = render(&rows, &[1]);
    for name in &account.ignored_columns {
        text.push_str(&format!("column not read: {}\n", shown(name)));
    }
    for line in &account.refused_named {
        text.push_str(&format!("line {}: {} ({})\n", line.line, line.sentence, shown(&line.text)));
    }
    for conflict in &account.conflicts_named {
        let (line, earlier, msn) = (conflict.line, conflict.earlier, conflict.msn);
        text.push_str(&format!(
            "line {line}: says other things of {msn:011} than line {earlier}, and counts\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(content: &[u8], json: bool) -> (String, Vec<String>) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("list.csv");
        std::fs::write(&file, content).expect("a file");
        let arguments = CheckArguments {
            file,
            charset: Charset::Unicode,
            parameters: Vec::new(),
            repair: None,
            json,
        };
        let (mut printed, mut complaints) = (String::new(), Vec::new());
        check(&arguments, &mut |result| {
            match result {
                Ok(text) => printed.push_str(&text),
                Err(sentence) => complaints.push(sentence),
            }
            true
        });
        (printed, complaints)
    }

    const LIST: &str =
        "msn,area,lang,note\n07000000001,20422,ja,\n070-0000-0001,20201,ja,\n\n118,20422,ja,\n";

    #[test]
    fn every_line_of_a_file_is_accounted_for() {
        let (text, complaints) = outcome(LIST.as_bytes(), false);
        assert_eq!(complaints, Vec::<String>::new());
        for line in [
            "lines               5\n",
            "recipients          1\n",
            "duplicates          1\n",
            "  short_code        1\n",
            "spelling separated  1\n",
            "area 20201          1\n",
            "column not read: note\n",
            "line 5: it is a short code (118,20422,ja,)\n",
            "line 3: says other things of 07000000001 than line 2, and counts\n",
        ] {
            assert!(text.contains(line), "{line:?} in\n{text}");
        }
        let (json, _) = outcome(LIST.as_bytes(), true);
        for part in [r#""rows":1"#, r#""refused":{"short_code":1}"#, r#""msn":"07000000001""#] {
            assert!(json.contains(part), "{part} in {json}");
        }
    }

    #[test]
    fn the_recipients_of_the_examples_are_all_taken() {
        let file = include_str!("../../../examples/recipients.csv");
        let (text, complaints) = outcome(file.as_bytes(), false);
        assert_eq!(complaints, Vec::<String>::new());
        assert!(text.contains("area 13101") && text.contains("language zh-Hans"), "{text}");
    }

    #[test]
    fn what_cannot_be_used_as_it_is_is_complained_of() {
        let (text, complaints) = outcome(format!("msn\n{}", "x\n".repeat(11)).as_bytes(), false);
        assert!(text.contains("no_number") && complaints[0].contains("11 of 11 lines are refused"));
        let (text, complaints) = outcome(b"07000000001\n", false);
        assert!(text.is_empty() && complaints[0].contains("line 1 names no column of numbers"));
    }
}
