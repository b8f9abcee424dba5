//! `hayauma area`: the catalogue of areas of a running engine, and what a shape reaches.

use std::fs::File;
use std::path::PathBuf;

use crate::control::broadcasts::{AreasLoaded, MatchDocument, MatchWanted};

use super::broadcast_desk::running;
use super::sms::shown;
use super::table::{grouped, plural, render};
use super::{CliError, Output, Place};
use crate::broadcast::areas::AreaDocument;

/// What to do with areas.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum AreaCommand {
    /// Show areas: all of them, or those with this code, alias or part of a name.
    List {
        /// A code, `system:code`, or a part of a name.
        find: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Load names, aliases and boundaries in place of those that were loaded before.
    ///
    /// GeoJSON with a feature a line (ogr2ogr -f GeoJSONSeq). Prefectures and municipalities are
    /// there already; properties are code, name, names, parent and aliases.
    Load {
        /// The file.
        file: PathBuf,
        /// The property that is the code.
        #[arg(long, value_name = "PROPERTY", default_value = "code")]
        code_property: String,
        /// The property that is the name.
        #[arg(long, value_name = "PROPERTY", default_value = "name")]
        name_property: String,
        #[command(flatten)]
        place: Place,
    },
    /// Say which areas codes and shapes reach, and how many rows of lists that is.
    Match {
        /// A code or an alias; may be given often.
        #[arg(long = "code", value_name = "CODE")]
        codes: Vec<String>,
        /// A polygon, `lat,lon lat,lon …`; may be given often.
        #[arg(long = "polygon", value_name = "POINTS")]
        polygons: Vec<String>,
        /// A circle, `lat,lon radius` in km; may be given often.
        #[arg(long = "circle", value_name = "CIRCLE")]
        circles: Vec<String>,
        /// Only areas of which the shapes cover this share.
        #[arg(long, value_name = "SHARE")]
        covers: Option<f64>,
        /// A list whose rows are counted; may be given often.
        #[arg(long = "list", value_name = "LIST")]
        lists: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// Does it.
pub(super) fn run(command: AreaCommand, output: &mut Output<'_>) -> Result<(), CliError> {
    match command {
        AreaCommand::List { find, json, place } => {
            let path = match &find {
                Some(text) => format!("/areas?find={}", in_query(text)),
                None => "/areas".to_owned(),
            };
            let areas: Vec<AreaDocument> = running(&place)?.get(&path)?;
            if json { output.print_json(&areas) } else { output.print(&table_of(&areas)) }
        }
        AreaCommand::Load { file, code_property, name_property, place } => {
            let (code, name) = (in_query(&code_property), in_query(&name_property));
            let path = format!("/areas?code={code}&name={name}");
            let called = shown(&file.to_string_lossy());
            let mut file = File::open(&file)
                .map_err(|error| CliError::new(format!("{called} cannot be opened: {error}")))?;
            let loaded: AreasLoaded = running(&place)?.send_file(&path, true, &mut file)?;
            output.print(&format!(
                "{} {}, {} without a code; {}\n",
                loaded.features,
                plural(loaded.features, "feature", "features"),
                loaded.without_code,
                areas(loaded.areas)
            ))
        }
        AreaCommand::Match { codes, polygons, circles, covers, lists, json, place } => {
            let heads = lists.clone();
            let wanted = MatchWanted { codes, polygons, circles, covers, lists };
            let found: MatchDocument = running(&place)?.post("/areas/match", &wanted)?;
            if json { output.print_json(&found) } else { output.print(&text_of(&found, &heads)) }
        }
    }
}

/// A text as it stands in a query: everything but letters and digits by its octets.
pub(super) fn in_query(text: &str) -> String {
    let octet = |octet: u8| match octet {
        plain if plain.is_ascii_alphanumeric() => char::from(plain).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(octet).collect()
}

fn areas(count: usize) -> String {
    format!("{count} {}", plural(count as u64, "area", "areas"))
}

fn table_of(areas: &[AreaDocument]) -> String {
    let mut rows =
        vec![["CODE", "NAME", "WITHIN", "POINTS", "ALIASES"].map(str::to_owned).to_vec()];
    rows.extend(areas.iter().map(|area| {
        vec![
            shown(&area.code),
            shown(&area.name),
            shown(area.parent.as_deref().unwrap_or_default()),
            grouped(area.points as u64),
            shown(&area.aliases.join(" ")),
        ]
    }));
    render(&rows, &[3])
}

fn text_of(found: &MatchDocument, lists: &[String]) -> String {
    let mut heads = ["CODE", "NAME", "SHARE"].map(str::to_owned).to_vec();
    heads.extend(lists.iter().cloned());
    let mut rows = vec![heads];
    let counted = |rows: &[u64]| rows.iter().map(|count| grouped(*count)).collect::<Vec<_>>();
    for area in &found.areas {
        let share = format!("{:.1} %", area.share * 100.0);
        let mut row = vec![shown(&area.code), shown(&area.name), share];
        row.extend(counted(&area.rows));
        rows.push(row);
    }
    let mut all = vec![areas(found.areas.len()), String::new(), String::new()];
    all.extend(counted(&found.rows));
    rows.push(all);
    let right: Vec<usize> = (2..3 + lists.len()).collect();
    let mut text = render(&rows, &right);
    for warning in &found.warnings {
        text += &format!("odd: {}\n", shown(warning));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::broadcasts::MatchedArea;

    #[test]
    fn a_text_stands_in_a_query_by_its_octets() {
        assert_eq!(in_query("a b&c=JIS:1区"), "a%20b%26c%3DJIS%3A1%E5%8C%BA");
    }

    #[test]
    fn a_match_says_the_share_and_the_rows_of_each_list() {
        let area = MatchedArea {
            code: "13101".to_owned(),
            name: "千代田区".to_owned(),
            share: 0.25,
            rows: vec![1_200],
        };
        let warnings = vec!["the polygon was not closed".to_owned()];
        let found = MatchDocument { areas: vec![area], rows: vec![1_200], warnings };
        let text = text_of(&found, &["li-1".to_owned()]);
        for part in ["25.0 %", "1,200", "1 area ", "li-1", "odd: the polygon"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
