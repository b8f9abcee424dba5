//! `hayauma broadcast`: what a manifest says before anybody sends it anywhere, and what is done
//! with broadcasts in a running engine (`broadcast_desk`).

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::broadcast::audience::AREA_PARAMETER;
use crate::broadcast::manifest::{Areas, Leg, Manifest};
use crate::broadcast::variants::{Cost, Text, Variants};

use super::broadcast_desk::{self, DeskCommand, read};
use super::output::Report;
use super::sms::{json_of, shown};
use super::table::plural;
use super::{CliError, Output, Place};

/// What to do with broadcasts.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum BroadcastCommand {
    /// Check a manifest: audiences, texts and what each costs, who has to approve it. With the
    /// identifier of a draft: make its dry run in the running engine.
    Check(CheckArguments),
    #[command(flatten)]
    Desk(DeskCommand),
}

/// Arguments of `hayauma broadcast check`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct CheckArguments {
    /// The manifest, in JSON (`-`: from standard input); or a draft's identifier, `bc-…`.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// What is printed of a manifest.
#[derive(Serialize)]
struct Checked {
    class: String,
    /// People who have to approve it where the registration says nothing else.
    two_people: bool,
    legs: Vec<CheckedLeg>,
}

#[derive(Serialize)]
struct CheckedLeg {
    list: String,
    areas: String,
    texts: Vec<CheckedText>,
}

#[derive(Serialize)]
struct CheckedText {
    language: String,
    /// Parameters that come from each area or row: the cost is without them.
    parameters: Vec<String>,
    /// It takes more short messages than the manifest allows.
    is_too_long: bool,
    #[serde(flatten)]
    cost: Cost,
}

/// Does it. Exit status 0: it can be checked against its lists; 1: something is wrong, and one
/// sentence on standard error says what and where.
pub(super) fn run(
    command: &BroadcastCommand,
    output: &mut Output<'_>,
) -> Result<ExitCode, CliError> {
    let arguments = match command {
        BroadcastCommand::Check(arguments) => arguments,
        BroadcastCommand::Desk(command) => {
            return broadcast_desk::run(command, output).map(|()| ExitCode::SUCCESS);
        }
    };
    if let Some(draft) = arguments.file.to_str().filter(|file| file.starts_with("bc-")) {
        let (place, json) = (&arguments.place, arguments.json);
        return broadcast_desk::check(draft, place, json, output).map(|()| ExitCode::SUCCESS);
    }
    output.report_all("hayauma broadcast", |report| check(arguments, report))
}

fn check(arguments: &CheckArguments, report: &mut Report<'_>) {
    let name = shown(&arguments.file.to_string_lossy());
    let checked = read(&arguments.file)
        .map_err(|error| unreadable(&error))
        .and_then(|octets| Manifest::read(&octets).map_err(|error| error.to_string()))
        .and_then(|manifest| checked(&manifest));
    let checked = match checked {
        Ok(checked) => checked,
        Err(why) => {
            report(Err(format!("{name}: {why}")));
            return;
        }
    };
    let goes_on = report(if arguments.json { json_of(&checked) } else { Ok(text_of(&checked)) });
    let texts = checked.legs.iter().flat_map(|leg| &leg.texts);
    for text in texts.filter(|text| goes_on && text.is_too_long) {
        let language = shown(&text.language);
        report(Err(format!(
            "{name}: the text in {language} takes too many short messages: shorten it"
        )));
    }
}

fn unreadable(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            "there is no such file: give one, or a draft's identifier, bc-…".to_owned()
        }
        _ => format!("it cannot be read: {error}"),
    }
}

fn checked(manifest: &Manifest) -> Result<Checked, String> {
    let legs = manifest.legs.iter().map(|leg| checked_leg(leg, manifest.segments_max));
    Ok(Checked {
        class: manifest.class.clone(),
        two_people: manifest.asks_for_two(),
        legs: legs.collect::<Result<_, String>>()?,
    })
}

fn checked_leg(leg: &Leg, segments_max: u8) -> Result<CheckedLeg, String> {
    let areas = match &leg.audience.areas {
        Some(Areas::Codes(codes)) => {
            let count = codes.len();
            format!("{count} {}", plural(count as u64, "area", "areas"))
        }
        Some(Areas::Word(word)) => word.clone(),
        None => String::new(),
    };
    let mut texts = Vec::new();
    if !leg.texts.variants.is_empty() {
        let variants = Variants::new(&leg.texts.variants, &leg.texts.fallback);
        let variants = variants.map_err(|error| error.to_string())?;
        for (language, text) in variants.all() {
            texts.push(checked_text(language, text, leg, segments_max)?);
        }
    }
    Ok(CheckedLeg { list: leg.audience.list.clone(), areas, texts })
}

fn checked_text(
    language: &str,
    text: &Text,
    leg: &Leg,
    segments_max: u8,
) -> Result<CheckedText, String> {
    let known = |name: &str| leg.texts.parameters.get(name).map(String::as_str);
    let mut parameters: Vec<String> =
        text.parameters().filter(|name| needs_value(name, known)).map(str::to_owned).collect();
    parameters.sort();
    parameters.dedup();
    // What comes from an area or a row is not known here: the rest of the text is the least.
    let rendered = text.render(|name| Some(known(name).unwrap_or_default()));
    let cost = Cost::of(&rendered.map_err(|error| error.to_string())?);
    let is_too_long = cost.segments.is_none_or(|segments| segments > segments_max);
    Ok(CheckedText { language: language.to_owned(), parameters, is_too_long, cost })
}

/// Whether somebody has to give a parameter: an area's name comes from the catalogue.
fn needs_value<'a>(name: &str, known: impl Fn(&str) -> Option<&'a str>) -> bool {
    name != AREA_PARAMETER && known(name).is_none()
}

fn text_of(checked: &Checked) -> String {
    // In the words of the dry run, which knows the registration.
    let who = if checked.two_people { "somebody else has" } else { "nobody has" };
    let mut text = format!(
        "class {}\napproval: {who} to approve it, unless the registration says otherwise\n",
        checked.class
    );
    for (at, leg) in checked.legs.iter().enumerate() {
        text.push_str(&format!("leg {at}: list {}, {}\n", shown(&leg.list), shown(&leg.areas)));
        for variant in &leg.texts {
            let cost = &variant.cost;
            let segments =
                cost.segments.map_or_else(|| "over 10".to_owned(), |count| count.to_string());
            let language = shown(&variant.language);
            text.push_str(&format!("  {language}: {}, {segments} SMS\n", cost.alphabet));
            if !variant.parameters.is_empty() {
                text.push_str(&format!(
                    "    without {}: needs a value, from the list, its area or texts.parameters\n",
                    shown(&variant.parameters.join(", "))
                ));
            }
            if let Some(segments) = cost.segments_replaced {
                text.push_str(&format!("    {segments} SMS with these replaced:\n"));
                for forcing in &cost.forcing {
                    let character = u32::from(forcing.character);
                    let instead = forcing.instead.unwrap_or_default();
                    text.push_str(&format!(
                        "    character {}: U+{character:04X} by {instead:?}\n",
                        forcing.at
                    ));
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(content: &str, json: bool) -> (String, Vec<String>) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("manifest.json");
        std::fs::write(&file, content).expect("a file");
        let (mut printed, mut complaints) = (String::new(), Vec::new());
        check(&CheckArguments { file, json, place: Place::default() }, &mut |result| {
            match result {
                Ok(text) => printed.push_str(&text),
                Err(sentence) => complaints.push(sentence),
            }
            true
        });
        (printed, complaints)
    }

    fn manifest(texts: &str) -> String {
        format!(
            r#"{{"xpid":"00100000001","sender":"Town","class":"03","reqid":"r","lifetime":600,
            "legs":[{{"audience":{{"list":"li-1","areas":["20422"]}},"texts":{texts}}}]}}"#
        )
    }

    #[test]
    fn a_manifest_is_printed_with_what_each_text_costs_and_why() {
        let dear = "A".repeat(150) + "\u{2019}";
        let texts = format!(
            r#"{{"variants":{{"en":"{dear}","ja":"{{{{town}}}}{{{{shelter}}}}へ"}},
            "parameters":{{"town":"山里町"}}}}"#
        );
        let (text, complaints) = outcome(&manifest(&texts), false);
        assert_eq!(complaints, Vec::<String>::new());
        for line in [
            "class 03\napproval: somebody else has to approve it, unless the registration says \
            otherwise\n",
            "leg 0: list li-1, 1 area\n",
            "  en: UCS-2, 3 SMS\n    1 SMS with these replaced:\n    character 151: U+2019 by \
            \"'\"\n",
            "  ja: UCS-2, 1 SMS\n    without shelter: needs a value, from the list, its area or \
            texts.parameters\n",
        ] {
            assert!(text.contains(line), "{line:?} in\n{text}");
        }
        let (json, _) = outcome(&manifest(&texts), true);
        assert!(
            json.contains(r#""two_people":true"#) && json.contains(r#""segments":3"#),
            "{json}"
        );
    }

    #[test]
    fn the_manifest_of_the_documents_lacks_nothing() {
        let document = include_str!("../../../docs/broadcast.md");
        let section = document.split("\n## A manifest\n").nth(1).expect("the section");
        let block = section.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
        let (text, complaints) = outcome(block.expect("the example"), false);
        assert_eq!(complaints, Vec::<String>::new());
        assert!(!text.contains("without"), "{text}");
    }

    #[test]
    fn the_manifest_of_the_examples_lacks_nothing() {
        let (text, complaints) = outcome(include_str!("../../../examples/manifest.json"), false);
        assert_eq!(complaints, Vec::<String>::new());
        assert!(!text.contains("without"), "{text}");
    }

    #[test]
    fn an_exercise_asks_nobody_and_an_areas_own_name_needs_no_value() {
        let texts = r#"{"variants":{"ja":"{{area}}の訓練"}}"#;
        let exercise = manifest(texts).replace(r#""class":"03""#, r#""class":"09""#);
        let (text, complaints) = outcome(&exercise, false);
        assert_eq!(complaints, Vec::<String>::new());
        assert!(text.contains("approval: nobody has to approve it, unless"), "{text}");
        assert!(!text.contains("without"), "{text}");
    }

    #[test]
    fn a_misspelt_field_and_a_misspelt_file_are_named_with_a_remedy() {
        let texts = r#"{"template":"t"}"#;
        let (_, complaints) = outcome(&manifest(texts).replace("sender", "sendr"), false);
        let wanted = "it is no manifest (unknown field `sendr`, and `sender` is missing): correct";
        assert!(complaints[0].contains(wanted), "{complaints:?}");
        assert!(!complaints[0].contains(": :"), "{complaints:?}");
        let (_, complaints) = outcome("{", false);
        assert!(complaints[0].contains("it is cut off"), "{complaints:?}");
        let mut complaints = Vec::new();
        let file = PathBuf::from("/nonexistent/01M8PZ");
        let arguments = CheckArguments { file, json: false, place: Place::default() };
        check(&arguments, &mut |result| {
            complaints.extend(result.err());
            true
        });
        assert!(complaints[0].contains("a draft's identifier, bc-…"), "{complaints:?}");
    }

    #[test]
    fn what_is_wrong_is_complained_of_with_its_place() {
        let long = format!(r#"{{"variants":{{"ja":"{}"}}}}"#, "避難".repeat(120));
        let (_, complaints) = outcome(&manifest(&long), false);
        assert!(complaints[0].contains("takes too many short messages"), "{complaints:?}");
        let nowhere = manifest(r#"{"template":"t"}"#).replace(r#"["20422"]"#, "[]");
        let (_, complaints) = outcome(&nowhere, false);
        assert!(complaints[0].contains("/legs/0/audience/areas: give 1 to"), "{complaints:?}");
    }
}
