//! From what a document says to the draft of a broadcast.

use sha2::{Digest as _, Sha256};

use super::area::AreaSystem;
use super::draft::{Disposition, Draft, Hold, WarnedLeg, WarningAct};
use super::limits::{DEADLINE_MS_MAX, LEGS_MAX};
use super::message::{Gravity, Info, Kind, Message, Scope, Status, Warnings};
use super::profile::Profile;
use super::refusal::WarningRefusal;
use super::{script, variant};
use crate::terms::ids::Class;
use crate::terms::time::WallMs;

const HOUR_MS: u64 = 3_600_000;
/// Characters of an alert's name.
const ALERTID_CHARACTERS: usize = 26;

/// How a document is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// The source's own rules.
    pub profile: Profile,
    /// Now.
    pub now: WallMs,
    /// Short messages that a text may take, 1 to 10.
    pub segments_max: u8,
}

/// The name that a chain has on the air: 26 characters of base32 of a digest of its first message's
/// sender and identifier, as a reference names them.
pub fn alertid(sender: &str, identifier: &str) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = Sha256::digest(format!("{sender},{identifier}").as_bytes());
    let bit = |at: usize| digest[at / 8] >> (7 - at % 8) & 1;
    let character = |at: usize| {
        let value = (at * 5..at * 5 + 5).fold(0, |value, at| value << 1 | bit(at));
        char::from(ALPHABET[usize::from(value)])
    };
    (0..ALERTID_CHARACTERS).map(character).collect()
}

/// Judges a message.
pub(super) fn judge(message: Message, rules: &Rules) -> Result<Draft, WarningRefusal> {
    let mut warnings = message.warnings;
    let mut holds = Vec::new();
    let is_exercise = message.status == Status::Exercise;
    let disposition = disposition(message.status, message.kind, &message.infos);
    let mut infos = message.infos;
    let count = infos.len();
    infos.retain(|info| info.gravity != Gravity::Nothing);
    if infos.len() < count {
        warnings
            .add("info", format!("{} of them alarm nobody and are left out", count - infos.len()));
    }
    let event = infos.first().map(|info| info.event.clone()).unwrap_or_default();
    let act = act(message.kind, &infos, &mut holds);
    let is_sent = matches!(act, WarningAct::NewChain | WarningAct::Update | WarningAct::AllClear)
        && !infos.is_empty();
    let refers = !message.references.is_empty() || message.chain.is_some();
    if matches!(act, WarningAct::Update | WarningAct::Cancel | WarningAct::AllClear) && !refers {
        holds.push(Hold::NoReferences);
    }
    if message.status == Status::Draft {
        holds.push(Hold::NotReady);
    }
    if message.scope != Scope::Public {
        holds.push(Hold::NotPublic);
    }
    let is_clear = act == WarningAct::AllClear;
    let (mut start_at, mut deadline, mut legs, mut class) = (None, None, Vec::new(), None);
    if is_sent {
        start_at = start(&infos, rules.now, &mut warnings);
        let from = start_at.unwrap_or(rules.now);
        if !is_clear {
            expire(&mut infos, from, rules.profile, &mut warnings)?;
        }
        check_areas(&infos, is_clear, &mut holds)?;
        legs = self::legs(&infos, rules, is_exercise, &mut holds, &mut warnings)?;
        class = self::class(&legs, is_exercise, is_clear, &mut holds, &mut warnings);
        deadline = self::deadline(&infos, from, class, is_clear, &mut warnings);
    }
    let alertid = match (&message.chain, act) {
        (Some(chain), _) => Some(alertid(&message.sender, chain)),
        (None, WarningAct::NewChain) => Some(alertid(&message.sender, &message.identifier)),
        _ => None,
    };
    Ok(Draft {
        format: message.format,
        sender: message.sender,
        identifier: message.identifier,
        sent: message.sent,
        status: message.status,
        act,
        disposition,
        alertid,
        revision: message.revision,
        references: message.references,
        class,
        event,
        start: start_at,
        deadline,
        lists: message.addresses,
        legs,
        not_verified: match message.is_signed {
            true => "this build verifies no signatures",
            false => "the document has no signature",
        },
        holds,
        warnings,
    })
}

fn disposition(status: Status, kind: Kind, infos: &[Info]) -> Disposition {
    let why = match (status, kind) {
        (Status::Test | Status::System, _) => {
            "a test of the way, or for the systems on it, is judged only"
        }
        (_, Kind::Note) => "it is one system's word to another",
        (_, Kind::Cancel) => return Disposition::Draft,
        _ if infos.iter().all(|info| info.gravity == Gravity::Nothing) => "its kinds alarm nobody",
        _ => return Disposition::Draft,
    };
    Disposition::NothingIsSent(why.to_owned())
}

fn act(kind: Kind, infos: &[Info], holds: &mut Vec<Hold>) -> WarningAct {
    let clear = infos.iter().filter(|info| info.gravity == Gravity::AllClear).count();
    match kind {
        Kind::Cancel => WarningAct::Cancel,
        Kind::Note => WarningAct::Note,
        _ if clear > 0 && clear == infos.len() => WarningAct::AllClear,
        kind => {
            if clear > 0 {
                holds.push(Hold::BothWays);
            }
            if kind == Kind::Update { WarningAct::Update } else { WarningAct::NewChain }
        }
    }
}

/// The first instant at which an info holds, if it is later than now.
fn start(infos: &[Info], now: WallMs, warnings: &mut Warnings) -> Option<WallMs> {
    let starts = || infos.iter().map(|info| info.effective.unwrap_or(now).max(now));
    let first = starts().min().filter(|start| *start > now);
    if starts().any(|start| start > first.unwrap_or(now)) {
        warnings.add(
            "info/effective",
            "the infos begin at different times: the earliest counts for all",
        );
    }
    first
}

/// Takes out what is expired; refused where nothing is left.
fn expire(
    infos: &mut Vec<Info>,
    from: WallMs,
    profile: Profile,
    warnings: &mut Warnings,
) -> Result<(), WarningRefusal> {
    if profile.requires_expires() && infos.iter().any(|info| info.expires.is_none()) {
        let why = "it is missing, and the source's profile requires it: send it";
        return Err(WarningRefusal::alert("info/expires", why));
    }
    let count = infos.len();
    infos.retain(|info| info.expires.is_none_or(|expires| expires > from));
    if infos.is_empty() {
        return Err(WarningRefusal::alert(
            "info/expires",
            "it is past: send the alert with a later one",
        ));
    }
    if infos.len() < count {
        warnings
            .add("info/expires", format!("{} infos are expired and left out", count - infos.len()));
    }
    Ok(())
}

fn check_areas(
    infos: &[Info],
    is_clear: bool,
    holds: &mut Vec<Hold>,
) -> Result<(), WarningRefusal> {
    for (at, info) in infos.iter().enumerate() {
        // An all clear goes to whom the chain may have reached.
        if info.area.is_empty() && !is_clear {
            return Err(WarningRefusal::area(
                format!("info[{}]/area", at + 1),
                "it is missing or empty, and no area is never everywhere: name the areas",
            ));
        }
        for code in &info.area.codes {
            if let AreaSystem::Other(system) = &code.system {
                let hold = Hold::UnknownSystem { system: system.clone() };
                if !holds.contains(&hold) {
                    holds.push(hold);
                }
            }
        }
    }
    Ok(())
}

/// Infos of one area and class with different languages are one leg.
fn legs(
    infos: &[Info],
    rules: &Rules,
    is_exercise: bool,
    holds: &mut Vec<Hold>,
    warnings: &mut Warnings,
) -> Result<Vec<WarnedLeg>, WarningRefusal> {
    let mut legs: Vec<WarnedLeg> = Vec::new();
    for info in infos {
        let class = match info.gravity {
            Gravity::Class(class) => Some(class),
            Gravity::AllClear => Some(Class::Urgent),
            Gravity::Unknown | Gravity::Nothing => None,
        };
        let (variant, was_prefixed) = variant::of(info, rules.profile, is_exercise);
        let language = &variant.language;
        if was_prefixed {
            warnings.add(
                "info/headline",
                format!("the word for an exercise was put in front of the text in {language}"),
            );
        }
        if let Some(script) = script::foreign(&variant.text, language) {
            warnings.add("info/language", format!("the text in {language} is written in {script}"));
        }
        let fits = |leg: &WarnedLeg| {
            leg.area == info.area
                && leg.class == class
                && leg.variants.iter().all(|known| known.language != *language)
        };
        if let Some(at) = legs.iter().position(fits) {
            legs[at].area.extend(info.area.clone());
            legs[at].variants.push(variant);
            continue;
        }
        if legs.len() == LEGS_MAX {
            let why = format!("it comes to more than {LEGS_MAX} legs: split it");
            return Err(WarningRefusal::alert("info", why));
        }
        legs.push(WarnedLeg { class, area: info.area.clone(), variants: vec![variant] });
    }
    // The gravest first; Exercise comes from the status and is none of these.
    legs.sort_by_key(|leg| std::cmp::Reverse(leg.class.map_or(0, Class::number)));
    check_texts(&legs, rules.segments_max, holds, warnings);
    Ok(legs)
}

fn check_texts(
    legs: &[WarnedLeg],
    segments_max: u8,
    holds: &mut Vec<Hold>,
    warnings: &mut Warnings,
) {
    for leg in legs {
        for (at, variant) in leg.variants.iter().enumerate() {
            let language = variant.language.clone();
            if variant.text.is_empty() {
                holds.push(Hold::NoText { language });
            } else if variant.segments == 0 || variant.segments > segments_max {
                holds.push(Hold::TooLong {
                    language,
                    segments: variant.segments,
                    most: segments_max,
                });
            }
            let earlier = leg.variants[..at].iter().find(|other| other.text == variant.text);
            if let Some(other) = earlier.filter(|_| !variant.text.is_empty()) {
                let other = &other.language;
                warnings.add(
                    "info/language",
                    format!("{} and {other} have the same text", variant.language),
                );
            }
        }
    }
    let languages = |leg: &WarnedLeg| {
        let mut languages: Vec<String> =
            leg.variants.iter().map(|variant| variant.language.clone()).collect();
        languages.sort_unstable();
        languages
    };
    if legs.windows(2).any(|pair| languages(&pair[0]) != languages(&pair[1])) {
        warnings.add("info/language", "some areas have texts in languages that others lack");
    }
}

/// The class of the whole: the gravest of its legs.
fn class(
    legs: &[WarnedLeg],
    is_exercise: bool,
    is_clear: bool,
    holds: &mut Vec<Hold>,
    warnings: &mut Warnings,
) -> Option<Class> {
    if is_exercise {
        return Some(Class::Exercise);
    }
    if is_clear {
        return Some(Class::Urgent);
    }
    if legs.iter().any(|leg| leg.class.is_none()) {
        holds.push(Hold::ClassUnknown);
        return None;
    }
    let class = legs.first().and_then(|leg| leg.class);
    if legs.iter().any(|leg| leg.class != class) {
        warnings
            .add("info/severity", "some areas ask for a lower class than the alert as a whole has");
    }
    class
}

fn deadline(
    infos: &[Info],
    from: WallMs,
    class: Option<Class>,
    is_clear: bool,
    warnings: &mut Warnings,
) -> Option<WallMs> {
    let hours = match class? {
        Class::Emergency | Class::Exercise => 1,
        Class::Urgent => 6,
        Class::Standard => 24,
    };
    let by_class = from + hours * HOUR_MS;
    if is_clear {
        return Some(from + 6 * HOUR_MS);
    }
    let expiries = || infos.iter().filter_map(|info| info.expires);
    let Some(first) = expiries().min() else {
        warnings.add(
            "info/expires",
            format!("it is missing: the deadline is {hours} h after the start"),
        );
        return Some(by_class);
    };
    if expiries().any(|expires| expires > first) || expiries().count() < infos.len() {
        warnings.add(
            "info/expires",
            "the infos expire at different times: the earliest counts for all",
        );
    }
    let latest = from + DEADLINE_MS_MAX;
    if first > latest {
        warnings.add("info/expires", "it is more than 72 h after the start: the deadline is 72 h");
    }
    Some(first.min(latest))
}
