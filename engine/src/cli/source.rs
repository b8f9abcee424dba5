//! `hayauma source`: systems that may send warnings to a running engine, and what of that may start
//! by itself.

use crate::control::sources::{SourceDocument, SourceSettings};

use super::area::in_query;
use super::broadcast_desk::running;
use super::sms::shown;
use super::table::render;
use super::{CliError, Output, Place};
use crate::control::broadcasts::LoggedDocument;

/// What to do with sources.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum SourceCommand {
    /// Register a source, or write its registration anew.
    Set(Box<SetArguments>),
    /// Show sources.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Remove a source; its log stays.
    Remove {
        /// Its name.
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Show what a source has said last, and what was answered.
    Log {
        /// Its name.
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// Arguments of `hayauma source set`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SetArguments {
    /// Its name: letters, digits and hyphens.
    name: String,
    /// The name of the token by which it posts, of the role `source`.
    #[arg(long, value_name = "NAME")]
    token: String,
    /// What it sends: cap, ipaws, cap-cp, cap-au, meteoalarm, jma, lalert.
    #[arg(long, default_value = "cap")]
    profile: String,
    /// Whose contracts its broadcasts stand on.
    #[arg(long)]
    xpid: String,
    /// Who phones show as their sender.
    #[arg(long)]
    sender: String,
    /// A list of their recipients, `li-…`; may be given often.
    #[arg(long = "list", value_name = "LIST", required = true)]
    lists: Vec<String>,
    /// A name by which it calls itself in its warnings; all of them are one sender. None:
    /// whatever it says.
    #[arg(long = "alias", value_name = "SENDER")]
    senders: Vec<String>,
    /// The template that its texts are put into.
    #[arg(long)]
    template: Option<String>,
    /// A class whose warnings start by themselves: 01, 02, 03, 09. None: every one is a draft.
    #[arg(long = "start", value_name = "CLASS")]
    starts: Vec<String>,
    /// Seconds between such a start and the first attempt.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    hold_seconds: u64,
    /// More recipients than that start nothing by themselves.
    #[arg(long, value_name = "RECIPIENTS")]
    recipients_max: Option<u64>,
    /// Its exercises become broadcasts of class 09; otherwise they are judged only.
    #[arg(long)]
    exercises: bool,
    /// Short messages that a text may take.
    #[arg(long, default_value_t = 3)]
    segments_max: u8,
    #[command(flatten)]
    place: Place,
}

/// Does it.
pub(super) fn run(command: SourceCommand, output: &mut Output<'_>) -> Result<(), CliError> {
    match command {
        SourceCommand::Set(arguments) => set(*arguments, output),
        SourceCommand::List { json, place } => {
            let sources: Vec<SourceDocument> = running(&place)?.get("/sources")?;
            if json { output.print_json(&sources) } else { output.print(&table_of(&sources)) }
        }
        SourceCommand::Remove { name, place } => {
            let path = format!("/sources/{name}");
            let removed: SourceDocument = running(&place)?.delete(&path)?;
            output.print(&format!("{} is removed\n", shown(&removed.source)))
        }
        SourceCommand::Log { name, json, place } => {
            let path = format!("/warnings?source={}", in_query(&name));
            let log: Vec<LoggedDocument> = running(&place)?.get(&path)?;
            if json { output.print_json(&log) } else { output.print(&log_of(&log)) }
        }
    }
}

fn set(arguments: SetArguments, output: &mut Output<'_>) -> Result<(), CliError> {
    let settings = SourceSettings {
        token: arguments.token,
        profile: arguments.profile,
        xpid: arguments.xpid,
        sender: arguments.sender,
        lists: arguments.lists,
        senders: arguments.senders,
        template: arguments.template,
        starts: arguments.starts,
        hold_seconds: arguments.hold_seconds,
        recipients_max: arguments.recipients_max,
        exercises: arguments.exercises,
        segments_max: arguments.segments_max,
        registered_by: String::new(),
    };
    // Refused here as it would be there.
    settings.check()?;
    let path = format!("/sources/{}", arguments.name);
    let set: SourceDocument = running(&arguments.place)?.put(&path, &settings)?;
    let starts = match set.settings.starts.as_slice() {
        [] => "nothing of it starts by itself".to_owned(),
        classes => format!("class {} starts by itself", classes.join(", ")),
    };
    output.print(&format!("{} is registered; {starts}\n", shown(&set.source)))
}

fn table_of(sources: &[SourceDocument]) -> String {
    let heads = ["NAME", "PROFILE", "TOKEN", "XPID", "STARTS", "LISTS"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(sources.iter().map(|source| {
        let settings = &source.settings;
        let starts = match settings.starts.is_empty() {
            true => "nothing".to_owned(),
            false => settings.starts.join(","),
        };
        vec![
            shown(&source.source),
            shown(&settings.profile),
            shown(&settings.token),
            settings.xpid.clone(),
            starts,
            settings.lists.len().to_string(),
        ]
    }));
    render(&rows, &[5])
}

fn log_of(log: &[LoggedDocument]) -> String {
    let heads = ["AT", "IDENTIFIER", "EVENT", "STATE", "BROADCAST", "CHAIN", "WHY"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(log.iter().map(|line| {
        let answer = &line.answer;
        vec![
            line.at.clone(),
            shown(&answer.identifier),
            shown(&line.event),
            answer.state.clone(),
            answer.broadcast.clone().unwrap_or_default(),
            answer.chain.clone().unwrap_or_default(),
            // What was taken has its reasons in its draft.
            match answer.state.as_str() {
                "refused" => answer.warnings.first().map(|why| shown(&why.sentence)),
                _ => None,
            }
            .unwrap_or_default(),
        ]
    }));
    render(&rows, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_what_starts_by_itself() {
        let settings = SourceSettings { token: "t".to_owned(), ..SourceSettings::default() };
        let starting = SourceSettings { starts: vec!["03".to_owned()], ..settings.clone() };
        let documents = [("town", settings), ("county", starting)]
            .map(|(source, settings)| SourceDocument { source: source.to_owned(), settings });
        let table = table_of(&documents);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].contains("nothing") && lines[2].contains("03"), "{table}");
    }
}
