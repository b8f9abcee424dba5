//! `hayauma sms segments`: what a text costs, and why.

use std::io::Read;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization as _;

use super::input::text_of;
use super::{json_of, octet_of, octets_of, shown};
use wire::sms::alphabet::{Alphabet, Coded, Language, Shift};
use wire::sms::describe::alphabet_name;
use wire::sms::limits::{CONCATENATED_SEGMENTS_MAX, USER_DATA_OCTETS_MAX};
use wire::sms::segment::{
    Content, Fragments, Plan, PlanOptions, Rules, SEGMENTS_MAX, plan_by_rules,
};

/// Characters that are listed one by one before the list is cut off.
const LISTED_MAX: usize = 20;

/// Arguments of `hayauma sms segments`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SegmentsArguments {
    /// The text, or `-` for standard input. A line end counts as it is written: LF is one
    /// character, CRLF are two.
    text: String,
    /// Allow all national language tables.
    #[arg(long, conflicts_with_all = ["locking_shift", "single_shift"])]
    national: bool,
    /// Allow the locking shift tables of these languages only, by number from 1 to 13, as 1,3.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=13))]
    locking_shift: Vec<u8>,
    /// Allow the single shift tables of these languages only, by number from 1 to 13, as 1,3.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=13))]
    single_shift: Vec<u8>,
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
    /// How it would cost less.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    parts: Vec<OutputPart>,
}

#[derive(Serialize)]
struct OutputPart {
    number: u8,
    units: u8,
    user_data_length: u8,
    text: String,
}

pub(super) fn run(arguments: &SegmentsArguments, input: impl Read) -> Result<String, String> {
    let text = text_of(&arguments.text, input)?;
    let client_udh = octets_of(&arguments.udh)?;
    let options =
        PlanOptions { client_udh: &client_udh, dcs: arguments.dcs, national: arguments.national };
    let all = Rules::gateway(arguments.national);
    let rules = Rules {
        locking_languages: all.locking_languages | mask_of(&arguments.locking_shift),
        single_languages: all.single_languages | mask_of(&arguments.single_shift),
        wide_reference: arguments.wide_reference,
        segments_max: CONCATENATED_SEGMENTS_MAX,
        empty: true,
    };
    let composed: String = text.nfc().collect();
    let composed =
        plan_by_rules(Content::Text(&composed), &options, &rules).ok().filter(|_| composed != text);
    let plan =
        plan_by_rules(Content::Text(&text), &options, &rules).map_err(|error| match &composed {
            Some(_) => format!("{error}; with its accents composed (Unicode NFC) the text fits"),
            None => error.to_string(),
        })?;
    let mut output = Output::new(&plan, &text, &options);
    output.hint = composed.and_then(|composed| hint_to_compose(&plan, &composed));
    if arguments.json { json_of(&output) } else { Ok(output.text()) }
}

/// What composing the accents (Unicode NFC) would save: many keyboards and file systems write them
/// as characters of their own, which no 7-bit alphabet has.
fn hint_to_compose(plan: &Plan, composed: &Plan) -> Option<String> {
    let (now, then) = (plan.segments(), composed.segments());
    let leaves_ucs2 = plan.alphabet() == Alphabet::Ucs2 && composed.alphabet() != Alphabet::Ucs2;
    (leaves_ucs2 || then < now).then(|| {
        let alphabet = alphabet_name(composed.alphabet());
        format!("with accents composed (Unicode NFC): {alphabet}, {then} instead of {now} segments")
    })
}

/// Bit `n` for language `n`; those without the table in question are never chosen.
fn mask_of(languages: &[u8]) -> u16 {
    let known = languages.iter().filter_map(|&number| Language::from_number(number));
    known.fold(0, |mask, language| mask | 1 << language.number())
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
            hint: None,
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
        if let Some(hint) = &self.hint {
            text.push_str(&format!("           {hint}\n"));
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
                shown(&part.text)
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
    let mut text: Vec<String> = characters
        .iter()
        .take(LISTED_MAX)
        .map(|character| character.escape_debug().to_string())
        .collect();
    if characters.len() > LISTED_MAX {
        text.push(format!("and {} more", characters.len() - LISTED_MAX));
    }
    text.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> SegmentsArguments {
        SegmentsArguments { text: text.to_owned(), ..SegmentsArguments::default() }
    }

    fn run(arguments: &SegmentsArguments) -> Result<String, String> {
        super::run(arguments, std::io::empty())
    }

    #[test]
    fn the_culprits_are_named() {
        let text = run(&arguments(&format!("{}“quoted”", "a".repeat(130)))).expect("plans");
        assert!(text.starts_with("alphabet   UCS-2 (TP-DCS 08)\n"), "{text}");
        assert!(text.contains("not in the GSM 7-bit default alphabet: “ ”\n"), "{text}");
        assert!(
            text.contains(
                "segments   3, each holds 67 UTF-16 code units behind 6 octets of header\n"
            ),
            "{text}"
        );
        assert!(text.contains("3/3          4 UTF-16 code units  \"ted”\"\n"), "{text}");
        let text = run(&arguments("10 € {}")).expect("plans");
        assert!(
            text.contains("content    10 septets\n           two septets each: € { }\n"),
            "{text}"
        );
        assert!(text.contains("segments   1, each holds 160 septets\n"), "{text}");
    }

    #[test]
    fn standard_input_and_a_text_without_characters_count_too() {
        let text = super::run(&arguments("-"), &b"it's\ntwo\n"[..]).expect("plans");
        assert!(text.ends_with("1/1          8 septets  \"it's\\ntwo\"\n"), "{text}");
        let text = run(&arguments("")).expect("plans");
        assert!(
            text.contains("segments   1, each holds 160 septets\n1/1          0 septets  \"\"\n"),
            "{text}"
        );
    }

    #[test]
    fn accents_that_stand_by_themselves_get_the_hint_to_compose_them() {
        let decomposed = "Cafe\u{301} ".repeat(14);
        let text = run(&arguments(&decomposed)).expect("plans");
        assert!(text.starts_with("alphabet   UCS-2"), "{text}");
        let hint = "with accents composed (Unicode NFC): GSM 7-bit, 1 instead of 2 segments";
        assert!(text.contains(&format!("           {hint}\n")), "{text}");
        let json = run(&SegmentsArguments { json: true, ..arguments(&decomposed) }).expect("plans");
        assert!(json.contains(&format!("\"hint\":\"{hint}\"")), "{json}");
        // Where it helps nothing there is none: composed already, or UCS-2 either way and no
        // shorter.
        for text in ["Caf\u{e9}", "\u{6f22}e\u{301}", "a\u{30b}"] {
            let said = run(&arguments(text)).expect("plans");
            assert!(!said.contains("NFC"), "{said}");
        }
        let forced = SegmentsArguments { dcs: Some(0), ..arguments("Cafe\u{301}") };
        assert!(run(&forced).expect_err("refused").contains("NFC"));
    }

    #[test]
    fn options_change_the_plan() {
        let turkish =
            SegmentsArguments { national: true, json: true, ..arguments(&"ş".repeat(100)) };
        let json = run(&turkish).expect("plans");
        assert!(json.contains("\"alphabet\":\"GSM 7-bit, Turkish locking shift\""), "{json}");
        let single = SegmentsArguments { single_shift: vec![1], ..arguments(&"ş".repeat(77)) };
        assert!(
            run(&single)
                .expect("plans")
                .contains("segments   1, each holds 155 septets behind 4 octets")
        );
        let other = SegmentsArguments { single_shift: vec![2, 3], ..arguments(&"ş".repeat(77)) };
        assert!(run(&other).expect("plans").starts_with("alphabet   UCS-2"));
        let forced = SegmentsArguments { dcs: Some(0), ..arguments("ş") };
        assert!(run(&forced).expect_err("refused").contains("'ş'"));
        let ported = SegmentsArguments { udh: "06050400010002".to_owned(), ..arguments("hello") };
        assert!(run(&ported).expect("plans").contains("holds 152 septets behind 7 octets"));
        assert!(run(&SegmentsArguments { udh: "0605".to_owned(), ..arguments("hello") }).is_err());
    }
}
