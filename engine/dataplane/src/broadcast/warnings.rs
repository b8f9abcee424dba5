//! From a warning of another system to the manifest of a broadcast, on the terms of its source.
//!
//! **Never here:** a decision to send, the log of a source. **Invariants:** no area is added to
//! those that the warning names; what a warning says is text, and never a parameter's name;
//! whatever a person has to decide is said.

use std::collections::BTreeMap;

use wire::cap::area::{AreaCode, AreaSystem};
use wire::cap::draft::{Draft, Variant, WarnedLeg, WarningAct};
use wire::cap::{RefusalKind, Status, WarningRefusal, alertid, missing_prefix};
use wire::terms::rfc3339::rfc3339_of;

use super::areas::AreaCatalogue;
use super::areas::shapes::touched;
use super::limits::LEGS_MAX;
use super::manifest::{
    Areas, Audience, BroadcastNotify, Duplicates, Expect, Leg, Manifest, OtherBroadcast, Retry,
    RowPace, Texts, Within,
};
use super::outcomes::Outcome;
use super::templates::TemplateWanted;
use super::variants::{Cost, Text, Variants};

/// What a reqid of a warning begins with, and how many characters of its name follow.
const REQID_PREFIX: &str = "cap-";
const REQID_CHARACTERS: usize = 19;
/// The language of a text in several.
const SEVERAL_LANGUAGES: &str = "mul";
/// What stands round a parameter.
const PARAMETER_BEGIN: &str = "{{";
/// Those who have a text, or may have it.
pub const MAY_HAVE_IT: [Outcome; 5] = [
    Outcome::Delivered,
    Outcome::Partial,
    Outcome::HandedOver,
    Outcome::InFlight,
    Outcome::InDoubt,
];

/// On what terms a source's warnings are sent.
#[derive(Clone, Debug)]
pub struct SourceTerms<'a> {
    /// Whose contracts they stand on.
    pub xpid: &'a str,
    /// Who phones show as their sender.
    pub sender: &'a str,
    /// Identifiers and names of the lists of their recipients.
    pub lists: &'a [(String, String)],
    /// The texts that they are put into.
    pub template: Option<&'a TemplateWanted>,
    /// Seconds between a start and the first attempt.
    pub hold_seconds: u64,
    /// More recipients than that start nothing.
    pub recipients_max: Option<u64>,
    /// Short messages that a text may take.
    pub segments_max: u8,
}

/// A broadcast of a chain that was started: its lists with their versions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainBroadcast {
    /// Its identifier.
    pub broadcast: String,
    /// Whom it addressed.
    pub lists: Vec<(String, u32)>,
}

/// Where a warning stands in its chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainPlace {
    /// The chain's name.
    pub alertid: String,
    /// The number that follows those that were started.
    pub alertseq: u8,
    /// What was started of it, oldest first.
    pub started: Vec<ChainBroadcast>,
}

/// What a warning becomes.
#[derive(Clone, PartialEq, Debug)]
pub struct Proposal {
    /// The broadcast.
    pub manifest: Manifest,
    /// What a person has to decide.
    pub waits: Vec<String>,
    /// What was odd.
    pub warnings: Vec<String>,
}

/// What stands in each recipient's place of a reqid: the same for the same warning.
pub fn reqid_of(sender: &str, identifier: &str) -> String {
    let name = alertid(sender, identifier);
    format!("{REQID_PREFIX}{}", name.chars().take(REQID_CHARACTERS).collect::<String>())
}

/// Makes a manifest of a draft that is to be sent.
///
/// # Errors
/// An area that nobody knows, none at all, or too many legs.
pub fn propose(
    draft: &Draft,
    terms: &SourceTerms<'_>,
    catalogue: &AreaCatalogue,
    chain: &ChainPlace,
) -> Result<Proposal, WarningRefusal> {
    let (mut waits, mut warnings) = (Vec::new(), Vec::new());
    let lists = lists_of(draft, terms)?;
    let legs = if draft.act == WarningAct::AllClear {
        all_clear(draft, terms, chain, &mut waits)
    } else {
        let mut legs = Vec::new();
        for (at, leg) in draft.legs.iter().enumerate() {
            let (areas, within) = codes_of(leg, at, catalogue, &mut warnings)?;
            let texts = texts_of(&leg.variants, draft.status, terms, &mut waits, &mut warnings);
            legs.extend(lists.iter().map(|(list, _)| Leg {
                audience: Audience {
                    areas: Some(Areas::Codes(areas.clone())),
                    within: within.clone(),
                    ..audience(list, None)
                },
                texts: texts.clone(),
                waves: Vec::new(),
            }));
        }
        legs
    };
    if legs.is_empty() || legs.len() > LEGS_MAX {
        let count = legs.len();
        return Err(alert(
            "info",
            format!("it comes to {count} legs, and 1 to {LEGS_MAX} are sent"),
        ));
    }
    let manifest = Manifest {
        xpid: terms.xpid.to_owned(),
        sender: terms.sender.to_owned(),
        class: draft
            .class
            .map_or_else(|| "01".to_owned(), |class| format!("{:02}", class.number())),
        reqid: reqid_of(&draft.sender, &draft.identifier),
        legs,
        alertid: Some(chain.alertid.clone()),
        alertseq: Some(chain.alertseq),
        deadline: draft.deadline.map(rfc3339_of),
        lifetime: None,
        start: draft.start.map_or_else(|| "now".to_owned(), rfc3339_of),
        too_late_after: 900,
        hold_seconds: terms.hold_seconds,
        pace: RowPace::default(),
        retry: Retry::default(),
        on_doubt: None,
        notify: BroadcastNotify::default(),
        expect: Expect {
            recipients: terms.recipients_max.map(|most| [1, most]),
            ..Expect::default()
        },
        duplicates: Duplicates::default(),
        suppression: None,
        segments_max: terms.segments_max,
        retraction: None,
    };
    Ok(Proposal { manifest, waits, warnings })
}

fn alert(element: &str, sentence: impl Into<String>) -> WarningRefusal {
    let (element, sentence) = (element.to_owned(), sentence.into());
    WarningRefusal { kind: RefusalKind::Alert, element, sentence }
}

fn audience(list: &str, version: Option<u32>) -> Audience {
    Audience {
        list: list.to_owned(),
        version,
        areas: None,
        within: None,
        languages: Vec::new(),
        conditions: BTreeMap::new(),
        except: Vec::new(),
        of: None,
    }
}

/// The source's lists; of a warning that is not for everybody, those that it addresses.
fn lists_of(
    draft: &Draft,
    terms: &SourceTerms<'_>,
) -> Result<Vec<(String, String)>, WarningRefusal> {
    let is_addressed = |(list, name): &&(String, String)| {
        draft.lists.is_empty() || draft.lists.contains(list) || draft.lists.contains(name)
    };
    let lists: Vec<(String, String)> = terms.lists.iter().filter(is_addressed).cloned().collect();
    if lists.is_empty() {
        let why = "none of them is a list of the source's: address one by its name or identifier";
        return Err(alert("addresses", why));
    }
    Ok(lists)
}

/// The areas of a leg: those that are named, and those that its shapes reach; and the shapes that
/// narrow those that they reach in part.
fn codes_of(
    leg: &WarnedLeg,
    at: usize,
    catalogue: &AreaCatalogue,
    warnings: &mut Vec<String>,
) -> Result<(Vec<String>, Option<Within>), WarningRefusal> {
    let refuse = |sentence: String| WarningRefusal {
        kind: RefusalKind::Area,
        element: format!("leg[{}]/area", at + 1),
        sentence,
    };
    let mut codes: Vec<String> = Vec::new();
    for code in &leg.area.codes {
        let text = match code {
            AreaCode { system: AreaSystem::JisX0402, code } => code.clone(),
            AreaCode { system, code } => format!("{system}:{code}"),
        };
        let resolved = catalogue.resolve(&text).map_err(|unknown| {
            // The name is nearer to a person than a code of somebody else's.
            let nearest = leg.area.names.first().map(|name| catalogue.nearest(name));
            let nearest = nearest.unwrap_or(unknown.nearest).join(", ");
            refuse(format!(
                "the catalogue has no area {text:?}; nearest are {nearest}: load the alias with \
                 `hayauma area load`"
            ))
        })?;
        codes.extend(resolved);
    }
    let reached = touched(catalogue, &leg.area, None).map_err(|dear| refuse(dear.to_string()))?;
    let has_shapes = !leg.area.polygons.is_empty() || !leg.area.circles.is_empty();
    if has_shapes && reached.is_empty() {
        let sentence = "its polygons and circles reach no boundary of the catalogue";
        if codes.is_empty() {
            return Err(refuse(format!("{sentence}: load boundaries, or send codes")));
        }
        warnings.push(format!("{sentence}: its codes count alone"));
    }
    for one in &reached {
        if one.share < 0.5 && !codes.contains(&one.code) {
            let name = catalogue.name(&one.code, "").unwrap_or_default();
            let share = one.share * 100.0;
            warnings.push(format!("{} {name} is reached in part, {share:.1} %", one.code));
        }
    }
    // What is named by its code is meant as a whole.
    let in_part = reached.iter().filter(|one| !one.is_whole() && !codes.contains(&one.code));
    let in_part: Vec<String> = in_part.map(|one| one.code.clone()).collect();
    let within = match in_part.is_empty() {
        true => None,
        false => {
            let within = Within::of(&leg.area, in_part);
            if within.is_none() {
                let sentence = "its shapes have too many points to be held against the cells in \
                                which people live: areas that they reach in part count whole";
                warnings.push(sentence.to_owned());
            }
            within
        }
    };
    codes.extend(reached.into_iter().map(|one| one.code));
    codes.sort_unstable();
    codes.dedup();
    Ok((codes, within))
}

/// Those whom the chain may have reached hear that it is over.
fn all_clear(
    draft: &Draft,
    terms: &SourceTerms<'_>,
    chain: &ChainPlace,
    waits: &mut Vec<String>,
) -> Vec<Leg> {
    let mut variants: Vec<Variant> = Vec::new();
    for variant in draft.legs.iter().flat_map(|leg| &leg.variants) {
        if variants.iter().all(|known| known.language != variant.language) {
            variants.push(variant.clone());
        }
    }
    let texts = texts_of(&variants, draft.status, terms, waits, &mut Vec::new());
    let mut legs = Vec::new();
    for known in &chain.started {
        legs.extend(known.lists.iter().map(|(list, version)| Leg {
            audience: Audience {
                areas: Some(Areas::Word("everywhere".to_owned())),
                of: Some(OtherBroadcast {
                    broadcast: known.broadcast.clone(),
                    outcomes: MAY_HAVE_IT.to_vec(),
                    leg: None,
                }),
                ..audience(list, Some(*version))
            },
            texts: texts.clone(),
            waves: Vec::new(),
        }));
    }
    legs
}

/// The texts of a leg. What the source says is put in as a value wherever it could be taken for the
/// name of a parameter.
fn texts_of(
    variants: &[Variant],
    status: Status,
    terms: &SourceTerms<'_>,
    waits: &mut Vec<String>,
    warnings: &mut Vec<String>,
) -> Texts {
    let mut texts = Texts::default();
    for variant in variants {
        let written = match terms.template {
            Some(template) => of_template(variant, template, &mut texts.parameters),
            None => None,
        };
        let language = &variant.language;
        if terms.template.is_some() && written.is_none() {
            waits.push(format!("the template has no text in {language}: write it"));
        }
        let text = written.unwrap_or_else(|| {
            literal(&variant.text, &format!("text-{language}"), &mut texts.parameters)
        });
        let prefix = match status {
            // By the words that a phone shows.
            Status::Exercise => missing_prefix(&rendered(&text, &texts.parameters), language),
            _ => None,
        };
        texts.variants.insert(language.clone(), prefix.unwrap_or_default().to_owned() + &text);
    }
    let first = variants.first().map(|variant| variant.language.clone());
    texts.fallback.extend(first);
    let plain: Vec<&str> = variants.iter().map(|variant| variant.text.as_str()).collect();
    let both = plain.join(" / ");
    let fits = Cost::of(&both).segments.is_some_and(|segments| segments <= terms.segments_max);
    if terms.template.is_none() && plain.len() > 1 && fits && plain.iter().all(|t| !t.is_empty()) {
        let text = literal(&both, "text-mul", &mut texts.parameters);
        texts.variants.insert(SEVERAL_LANGUAGES.to_owned(), text);
        texts.fallback = vec![SEVERAL_LANGUAGES.to_owned()];
        warnings.push("who has none of its languages gets all of its texts in one".to_owned());
    }
    texts
}

/// A text as it is, or, where it holds what looks like a parameter, the name of one whose value it
/// is: values are never read again.
fn literal(text: &str, name: &str, parameters: &mut BTreeMap<String, String>) -> String {
    if !text.contains(PARAMETER_BEGIN) {
        return text.to_owned();
    }
    parameters.insert(name.to_owned(), text.to_owned());
    format!("{{{{{name}}}}}")
}

/// The template's text of a language, with what the source says in its places; `None` where the
/// template has none.
fn of_template(
    variant: &Variant,
    template: &TemplateWanted,
    parameters: &mut BTreeMap<String, String>,
) -> Option<String> {
    let known = Variants::new(&template.variants, &template.fallback).ok()?;
    let place = known.pick(&variant.language)?;
    let (language, _) = known.all().nth(place)?;
    let mut text = template.variants.get(language)?.clone();
    let read = Text::parse(&text).ok()?;
    let names: Vec<String> = read.parameters().map(str::to_owned).collect();
    for (name, value) in variant.parts.named() {
        if names.iter().any(|known| known == name) {
            let own = format!("{name}-{}", variant.language);
            text = renamed(&text, name, &own);
            parameters.insert(own, value.to_owned());
        }
    }
    Some(text)
}

/// A text whose parameter of this name has another one.
fn renamed(text: &str, name: &str, other: &str) -> String {
    let mut written = String::new();
    let mut rest = text;
    while let Some((front, behind)) = rest.split_once(PARAMETER_BEGIN) {
        let (inside, after) = behind.split_once("}}").unwrap_or((behind, ""));
        let inside = if inside.trim() == name { other } else { inside };
        written += &format!("{front}{{{{{inside}}}}}");
        rest = after;
    }
    written + rest
}

fn rendered(text: &str, parameters: &BTreeMap<String, String>) -> String {
    let Ok(read) = Text::parse(text) else { return String::new() };
    let rendered = read.render(|name| Some(parameters.get(name).map_or("", String::as_str)));
    rendered.unwrap_or_default()
}

#[cfg(test)]
mod tests;
