//! `hayauma sms segments`: what a text costs, and why.

use serde::Serialize;

use super::{json_of, octet_of, octets_of};
use crate::sms::alphabet::{Alphabet, Coded, Shift};
use crate::sms::describe::alphabet_name;
use crate::sms::limits::{CONCATENATED_SEGMENTS_MAX, USER_DATA_OCTETS_MAX};
use crate::sms::segment::{Content, Fragments, Plan, PlanOptions, Rules, SEGMENTS_MAX, plan_by_rules};

/// Characters that are listed one by one before the list is cut off.
const LISTED_MAX: usize = 20;

/// Arguments of `hayauma sms segments`.
#[derive(Clone, Debug, clap::Args)]
pub struct SegmentsArguments {
    /// The text.
    text: String,
    /// Allow national language tables.
    #[arg(long)]
    national: bool,
    /// TP-DCS in hexadecimal, instead of the cheapest alphabet.
    #[arg(long, value_parser = octet_of)]
    dcs: Option<u8>,
    /// A user data header in hexadecimal, its length octet first, that every segment carries.
    #[arg(long, default_value = "")]
    udh: String,
    /// Use 16-bit concatenation references, which take one octet more.
    #[arg(long)]
    wide_reference: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is printed.
#[derive(Serialize)]
struct Output {
    alphabet: String,
    tp_dcs: u8,
    segments: usize,
    unit: &'static str,
    units: u32,
    capacity: u8,
    header_octets: u8,
    /// Characters for which the text cannot be GSM 7-bit, each once.
    outside_gsm7: Vec<char>,
    /// Characters that take two septets or two code units, each once.
    two_units: Vec<char>,
    parts: Vec<OutputPart>,
}

#[derive(Serialize)]
struct OutputPart {
    number: u8,
    units: u8,
    user_data_length: u8,
    text: String,
}

pub(super) fn run(arguments: &SegmentsArguments) -> Result<String, String> {
    let client_udh = octets_of(&arguments.udh)?;
    let options = PlanOptions { client_udh: &client_udh, dcs: arguments.dcs, national: arguments.national };
    let rules = Rules {
        wide_reference: arguments.wide_reference,
        segments_max: CONCATENATED_SEGMENTS_MAX,
        ..Rules::gateway(arguments.national)
    };
    let content = Content::Text(&arguments.text);
    let plan = plan_by_rules(content, &options, &rules).map_err(|error| error.to_string())?;
    let output = Output::new(&plan, &arguments.text, &options);
    if arguments.json { json_of(&output) } else { Ok(output.text()) }
}

impl Output {
    fn new(plan: &Plan, text: &str, options: &PlanOptions<'_>) -> Self {
        let mut fragments = Fragments::new(plan, Content::Text(text), options, 0);
        let mut buffer = [0; USER_DATA_OCTETS_MAX];
        let mut parts = Vec::new();
        while let Some(fragment) = fragments.write_next(&mut buffer) {
            parts.push(OutputPart {
                number: fragment.sequence,
                units: fragment.units,
                user_data_length: fragment.user_data_length,
                text: text[fragment.start..fragment.end].to_owned(),
            });
        }
        let takes_two = |character: char| match plan.alphabet() {
            Alphabet::Gsm7(shift) => matches!(shift.encode(character), Some(Coded::Escaped(_))),
            Alphabet::EightBit | Alphabet::Ucs2 => character.len_utf16() == 2,
        };
        Self {
            alphabet: alphabet_name(plan.alphabet()),
            tp_dcs: plan.dcs(),
            segments: parts.len(),
            unit: match plan.alphabet() {
                Alphabet::Gsm7(_) => "septets",
                Alphabet::EightBit | Alphabet::Ucs2 => "UTF-16 code units",
            },
            units: plan.units(),
            capacity: plan.capacity(),
            header_octets: plan.header_octets(),
            outside_gsm7: distinct(text, |character| Shift::DEFAULT.encode(character).is_none()),
            two_units: distinct(text, takes_two),
            parts,
        }
    }

    fn text(&self) -> String {
        let Self { alphabet, tp_dcs, segments, unit, units, capacity, header_octets, .. } = self;
        let mut text = format!("alphabet   {alphabet} (TP-DCS {tp_dcs:02X})\n");
        if !self.outside_gsm7.is_empty() {
            text.push_str(&format!(
                "           not in the GSM 7-bit default alphabet: {}\n",
                list(&self.outside_gsm7)
            ));
        }
        text.push_str(&format!("content    {units} {unit}\n"));
        if !self.two_units.is_empty() {
            text.push_str(&format!("           two {unit} each: {}\n", list(&self.two_units)));
        }
        text.push_str(&format!("segments   {segments}, each holds {capacity} {unit}"));
        if *header_octets > 0 {
            text.push_str(&format!(" behind {header_octets} octets of header"));
        }
        text.push('\n');
        if *segments > usize::from(SEGMENTS_MAX) {
            text.push_str(&format!("           a push may have {SEGMENTS_MAX}\n"));
        }
        for part in &self.parts {
            let number = format!("{}/{segments}", part.number);
            text.push_str(&format!(
                "{number:<9}  {:>3} {unit}  \"{}\"\n",
                part.units,
                part.text.escape_debug()
            ));
        }
        text
    }
}

/// The characters of `text` that fulfil `condition`, each once, in the order in which they come.
fn distinct(text: &str, condition: impl Fn(char) -> bool) -> Vec<char> {
    let mut found = Vec::new();
    for character in text.chars() {
        if condition(character) && !found.contains(&character) {
            found.push(character);
        }
    }
    found
}

fn list(characters: &[char]) -> String {
    let mut text: Vec<String> =
        characters.iter().take(LISTED_MAX).map(|character| character.escape_debug().to_string()).collect();
    if characters.len() > LISTED_MAX {
        text.push(format!("and {} more", characters.len() - LISTED_MAX));
    }
    text.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> SegmentsArguments {
        SegmentsArguments {
            text: text.to_owned(),
            national: false,
            dcs: None,
            udh: String::new(),
            wide_reference: false,
            json: false,
        }
    }

    #[test]
    fn the_culprits_are_named() {
        let text = run(&arguments(&format!("{}“quoted”", "a".repeat(130)))).expect("plans");
        assert!(text.starts_with("alphabet   UCS-2 (TP-DCS 08)\n"), "{text}");
        assert!(text.contains("not in the GSM 7-bit default alphabet: “ ”\n"), "{text}");
        assert!(
            text.contains("segments   3, each holds 67 UTF-16 code units behind 6 octets of header\n"),
            "{text}"
        );
        assert!(text.contains("3/3          4 UTF-16 code units  \"ted”\"\n"), "{text}");
        let text = run(&arguments("10 € {}")).expect("plans");
        assert!(text.contains("content    10 septets\n           two septets each: € { }\n"), "{text}");
        assert!(text.contains("segments   1, each holds 160 septets\n"), "{text}");
    }

    #[test]
    fn options_change_the_plan() {
        let turkish = SegmentsArguments { national: true, json: true, ..arguments(&"ş".repeat(100)) };
        let json = run(&turkish).expect("plans");
        assert!(json.contains("\"alphabet\":\"GSM 7-bit, Turkish locking shift\""), "{json}");
        let forced = SegmentsArguments { dcs: Some(0), ..arguments("ş") };
        assert!(run(&forced).expect_err("refused").contains("'ş'"));
        let ported = SegmentsArguments { udh: "06050400010002".to_owned(), ..arguments("hello") };
        assert!(run(&ported).expect("plans").contains("holds 152 septets behind 7 octets"));
        assert!(run(&SegmentsArguments { udh: "0605".to_owned(), ..arguments("hello") }).is_err());
    }
}
