//! `hayauma template`: texts that are kept ready in a running engine.

use std::path::PathBuf;

use crate::broadcast::templates::{TemplateDocument, TemplateWanted, parameters_of};
use crate::broadcast::variants::{Cost, Text};

use super::broadcast_desk::{document, running};
use super::sms::shown;
use super::table::render;
use super::{CliError, Output, Place};

/// What to do with templates.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum TemplateCommand {
    /// Keep a template's next version, and print what it costs.
    Put {
        /// Its name: letters, digits and hyphens.
        name: String,
        /// JSON with `variants`, and perhaps `fallback`, `retraction` and `release`. `-`: from
        /// standard input.
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Show one with its versions, as JSON.
    Show {
        /// Its name.
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// List all of them.
    List {
        #[command(flatten)]
        place: Place,
    },
}

/// Does it.
pub(super) fn run(command: TemplateCommand, output: &mut Output<'_>) -> Result<(), CliError> {
    match command {
        TemplateCommand::Put { name, file, place } => {
            let wanted: TemplateWanted = document(&file)?;
            let path = format!("/templates/{name}");
            let kept: TemplateDocument = running(&place)?.put(&path, &wanted)?;
            output.print(&text_of(&kept))
        }
        TemplateCommand::Show { name, place } => {
            let shown: TemplateDocument = running(&place)?.get(&format!("/templates/{name}"))?;
            output.print_json(&shown)
        }
        TemplateCommand::List { place } => {
            let all: Vec<TemplateDocument> = running(&place)?.get("/templates")?;
            let mut rows = vec![["NAME", "VERSION", "LANGUAGES", "RETRACTION", "RELEASE"]];
            let mut rows: Vec<Vec<String>> =
                rows.drain(..).map(|row| row.map(str::to_owned).to_vec()).collect();
            rows.extend(all.iter().filter_map(row_of));
            output.print(&render(&rows, &[1]))
        }
    }
}

fn row_of(template: &TemplateDocument) -> Option<Vec<String>> {
    let last = template.versions.last()?;
    let languages: Vec<&str> = last.texts.variants.keys().map(String::as_str).collect();
    let is_there = |texts: usize| if texts > 0 { "yes" } else { "no" }.to_owned();
    Some(vec![
        shown(&template.template),
        last.version.to_string(),
        shown(&languages.join(" ")),
        is_there(last.texts.retraction.len()),
        is_there(last.texts.release.len()),
    ])
}

fn text_of(template: &TemplateDocument) -> String {
    let Some(last) = template.versions.last() else { return String::new() };
    let mut text = format!("{} version {}\n", shown(&template.template), last.version);
    let parts = [
        ("text", &last.texts.variants),
        ("retraction", &last.texts.retraction),
        ("release", &last.texts.release),
    ];
    for (part, texts) in parts {
        for (language, written) in texts {
            // What is put in is not known here: the rest of the text is the least.
            let least = Text::parse(written).ok().and_then(|text| text.render(|_| Some("")).ok());
            let cost = Cost::of(&least.unwrap_or_default());
            let segments =
                cost.segments.map_or_else(|| "over 10".to_owned(), |count| count.to_string());
            let alphabet = cost.alphabet;
            text += &format!("  {part} {}: {alphabet}, {segments} SMS\n", shown(language));
        }
        let names = parameters_of(texts);
        if !names.is_empty() {
            text += &format!("    without {}\n", shown(&names.join(", ")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::templates::TemplateVersion;

    #[test]
    fn a_template_is_printed_with_what_it_costs_without_its_parameters() {
        let texts = TemplateWanted {
            variants: [("en".to_owned(), "Go to {{shelter}}".to_owned())].into(),
            retraction: [("en".to_owned(), "\u{2019}".to_owned())].into(),
            ..TemplateWanted::default()
        };
        let version = TemplateVersion { version: 2, by: "a".into(), at: "b".into(), texts };
        let document = TemplateDocument { template: "flood".into(), versions: vec![version] };
        let text = text_of(&document);
        for line in [
            "flood version 2\n",
            "  text en: GSM 7-bit, 1 SMS\n    without shelter\n",
            "  retraction en: UCS-2, 1 SMS\n",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
        assert_eq!(row_of(&document).expect("a row")[1..], ["2", "en", "yes", "no"]);
    }
}
