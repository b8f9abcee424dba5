//! CAP 1.0 to 1.2: an `alert` element as a message.
//!
//! What other programs are known to write and everybody understands is read, with a warning: signs
//! and trailing commas in polygons, an empty polygon beside a code, elements of no known name. What
//! could be understood in two ways is refused.

use super::area::{Area, AreaSystem, crosses_itself, shown, tests_of_a_document};
use super::document::Element;
use super::limits::{INFOS_MAX, REFERENCES_MAX};
use super::message::{
    Format, Gravity, Info, Kind, Message, Parameter, Reference, Scope, Status, Warnings,
};
use super::refusal::WarningRefusal;
use crate::terms::ids::Class;
use crate::terms::rfc3339::parse_rfc3339;
use crate::terms::time::WallMs;

/// The namespaces of CAP 1.0, 1.1 and 1.2.
const NAMESPACES: [&str; 3] = [
    "http://www.incident.com/cap/1.0",
    "urn:oasis:names:tc:emergency:cap:1.1",
    "urn:oasis:names:tc:emergency:cap:1.2",
];
/// The language of an info that names none (CAP 1.2 section 3.2.2).
const LANGUAGE_DEFAULT: &str = "en-US";
const INFO_ELEMENTS: [&str; 20] = [
    "language",
    "category",
    "event",
    "responseType",
    "urgency",
    "severity",
    "certainty",
    "audience",
    "eventCode",
    "effective",
    "onset",
    "expires",
    "senderName",
    "headline",
    "description",
    "instruction",
    "web",
    "contact",
    "parameter",
    "area",
];

/// Whether an element of this name and namespace is an alert.
pub(super) fn is_alert(name: &str, namespace: Option<&str>) -> bool {
    name == "alert" && namespace.is_some_and(|namespace| NAMESPACES.contains(&namespace))
}

/// Reads an alert; times are compared with nothing here.
pub(super) fn read(alert: Element<'_, '_>) -> Result<Message, WarningRefusal> {
    let mut warnings = Warnings::default();
    let kind = kind(&alert.required("msgType", "")?)?;
    let sent = alert.required("sent", "")?;
    let message = Message {
        format: Format::Cap,
        sender: name(alert, "sender", &mut warnings)?,
        identifier: name(alert, "identifier", &mut warnings)?,
        sent: instant("sent", &sent)?,
        status: status(&alert.required("status", "")?)?,
        kind,
        scope: scope(&alert.required("scope", "")?)?,
        addresses: addresses(&alert.text_of("addresses", "")?),
        references: references(alert, &mut warnings)?,
        chain: None,
        revision: None,
        infos: infos(alert, &mut warnings)?,
        is_signed: alert.any("Signature").is_some(),
        warnings,
    };
    if message.scope != Scope::Public && message.addresses.is_empty() {
        return Err(WarningRefusal::alert(
            "addresses",
            "an alert that is not Public names nobody: address a list",
        ));
    }
    if message.infos.is_empty() && matches!(kind, Kind::Alert | Kind::Update) {
        return Err(WarningRefusal::alert(
            "info",
            "it is missing: only a Cancel, an Ack or an Error may lack it",
        ));
    }
    Ok(message)
}

/// A sender or an identifier: references can name neither with a blank or a comma in it.
fn name(
    alert: Element<'_, '_>,
    element: &'static str,
    warnings: &mut Warnings,
) -> Result<String, WarningRefusal> {
    let name = alert.required(element, "")?;
    if name.contains(|character: char| character.is_whitespace() || character == ',') {
        warnings.add(element, "it holds a blank or a comma: no later message can refer to it");
    }
    Ok(name)
}

fn unknown_word(element: &str, word: &str, known: &str) -> WarningRefusal {
    WarningRefusal::alert(element, format!("{:?} is none of {known}: correct it", shown(word)))
}

fn kind(word: &str) -> Result<Kind, WarningRefusal> {
    match word {
        "Alert" => Ok(Kind::Alert),
        "Update" => Ok(Kind::Update),
        "Cancel" => Ok(Kind::Cancel),
        "Ack" | "Error" => Ok(Kind::Note),
        _ => Err(unknown_word("msgType", word, "Alert, Update, Cancel, Ack, Error")),
    }
}

fn status(word: &str) -> Result<Status, WarningRefusal> {
    match word {
        "Actual" => Ok(Status::Actual),
        "Exercise" => Ok(Status::Exercise),
        "System" => Ok(Status::System),
        "Test" => Ok(Status::Test),
        "Draft" => Ok(Status::Draft),
        _ => Err(unknown_word("status", word, "Actual, Exercise, System, Test, Draft")),
    }
}

fn scope(word: &str) -> Result<Scope, WarningRefusal> {
    match word {
        "Public" => Ok(Scope::Public),
        "Restricted" => Ok(Scope::Restricted),
        "Private" => Ok(Scope::Private),
        _ => Err(unknown_word("scope", word, "Public, Restricted, Private")),
    }
}

fn instant(element: &str, text: &str) -> Result<WallMs, WarningRefusal> {
    parse_rfc3339(text).ok_or_else(|| {
        let text = shown(text);
        WarningRefusal::alert(
            element,
            format!("{text:?} is no date and time with an offset, as 2026-11-28T19:00:00+09:00"),
        )
    })
}

fn instant_of(
    info: Element<'_, '_>,
    element: &'static str,
    place: &str,
) -> Result<Option<WallMs>, WarningRefusal> {
    let text = info.text_of(element, place)?;
    (!text.is_empty()).then(|| instant(&format!("{place}{element}"), &text)).transpose()
}

/// Addressees stand apart by blanks; one with blanks in it stands in quotes.
fn addresses(text: &str) -> Vec<String> {
    let pieces = text.split('"').enumerate();
    let split = pieces.flat_map(|(at, piece)| match at % 2 {
        0 => piece.split_whitespace().map(str::to_owned).collect(),
        _ => vec![piece.to_owned()],
    });
    split.filter(|address| !address.is_empty()).collect()
}

/// `sender,identifier,sent` apart by blanks and line ends.
fn references(
    alert: Element<'_, '_>,
    warnings: &mut Warnings,
) -> Result<Vec<Reference>, WarningRefusal> {
    let text = alert.one("references", "")?.map(Element::text).unwrap_or_default();
    let mut references: Vec<Reference> = Vec::new();
    for triple in text.split_whitespace() {
        let mut parts = triple.split(',');
        let (Some(sender), Some(identifier), Some(sent), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            let triple = shown(triple);
            warnings.add(
                "references",
                format!("{triple:?} is not sender,identifier,sent: passed over"),
            );
            continue;
        };
        let sent_at = parse_rfc3339(sent);
        if sent_at.is_none() {
            warnings.add("references", format!("the time {:?} cannot be read", shown(sent)));
        }
        let is_known = |known: &Reference| known.sender == sender && known.identifier == identifier;
        if references.iter().any(is_known) {
            continue;
        }
        if references.len() == REFERENCES_MAX {
            return Err(WarningRefusal::alert(
                "references",
                format!("there are more than {REFERENCES_MAX}: name those that still hold"),
            ));
        }
        references.push(Reference {
            sender: sender.to_owned(),
            identifier: identifier.to_owned(),
            sent: sent_at,
        });
    }
    Ok(references)
}

fn infos(alert: Element<'_, '_>, warnings: &mut Warnings) -> Result<Vec<Info>, WarningRefusal> {
    let mut infos: Vec<Info> = Vec::new();
    let mut tests = tests_of_a_document();
    for (at, element) in alert.all("info").enumerate() {
        if at == INFOS_MAX {
            return Err(WarningRefusal::alert(
                "info",
                format!("there are more than {INFOS_MAX}: split the alert"),
            ));
        }
        let place = format!("info[{}]/", at + 1);
        let info = info(element, &place, &mut tests, warnings)?;
        // Some programs repeat what they say: each counts once.
        if infos.contains(&info) {
            warnings.add(
                place.trim_end_matches('/'),
                "it is the same as an earlier one and counts once",
            );
        } else {
            infos.push(info);
        }
    }
    Ok(infos)
}

fn info(
    element: Element<'_, '_>,
    place: &str,
    tests: &mut usize,
    warnings: &mut Warnings,
) -> Result<Info, WarningRefusal> {
    for child in element.children().map(Element::name) {
        if !INFO_ELEMENTS.contains(&child) && child != "resource" {
            warnings
                .add(format!("{place}{}", shown(child)), "CAP has no such element: passed over");
        }
    }
    let language = element.text_of("language", place)?;
    let mut area = Area::default();
    for (at, part) in element.all("area").enumerate() {
        area.extend(area_of(part, &format!("{place}area[{}]/", at + 1), tests, warnings)?);
    }
    let parameters = element.all("parameter").map(|parameter| {
        let (name, value) =
            (parameter.text_of("valueName", place)?, parameter.text_of("value", place)?);
        Ok(Parameter { name, value })
    });
    Ok(Info {
        language: if language.is_empty() { LANGUAGE_DEFAULT.to_owned() } else { language },
        gravity: gravity(element, place, warnings)?,
        effective: instant_of(element, "effective", place)?,
        expires: instant_of(element, "expires", place)?,
        event: element.text_of("event", place)?,
        sender_name: element.text_of("senderName", place)?,
        headline: element.text_of("headline", place)?,
        instruction: element.text_of("instruction", place)?,
        web: element.text_of("web", place)?,
        parameters: parameters.collect::<Result<_, WarningRefusal>>()?,
        area,
    })
}

/// The class that urgency, severity and certainty ask for.
fn gravity(
    info: Element<'_, '_>,
    place: &str,
    warnings: &mut Warnings,
) -> Result<Gravity, WarningRefusal> {
    let urgency = info.text_of("urgency", place)?;
    let severity = info.text_of("severity", place)?;
    let certainty = info.text_of("certainty", place)?;
    let responses: Vec<String> = info.all("responseType").map(Element::text).collect();
    let responds = |word: &str| responses.iter().any(|response| response == word);
    if urgency == "Past" || responds("AllClear") {
        return Ok(Gravity::AllClear);
    }
    // CAP 1.0 calls Likely also Very Likely.
    let known: [(&str, &str, &[&str]); 3] = [
        ("urgency", &urgency, &["Immediate", "Expected", "Future", "Unknown"]),
        ("severity", &severity, &["Extreme", "Severe", "Moderate", "Minor", "Unknown"]),
        (
            "certainty",
            &certainty,
            &["Observed", "Likely", "Very Likely", "Possible", "Unlikely", "Unknown"],
        ),
    ];
    let mut is_told = true;
    for (element, word, words) in known {
        if !words.contains(&word) {
            is_told = false;
            let word = shown(word);
            warnings.add(
                format!("{place}{element}"),
                format!("{word:?} is no word of CAP: no class can be told"),
            );
        }
    }
    if !is_told {
        return Ok(Gravity::Unknown);
    }
    let is_near = matches!(urgency.as_str(), "Immediate" | "Expected");
    let is_certain = matches!(certainty.as_str(), "Observed" | "Likely" | "Very Likely");
    Ok(Gravity::Class(match severity.as_str() {
        "Extreme" | "Severe" if is_near && is_certain => Class::Emergency,
        "Extreme" | "Severe" | "Moderate" => Class::Urgent,
        _ => Class::Standard,
    }))
}

fn area_of(
    element: Element<'_, '_>,
    place: &str,
    tests: &mut usize,
    warnings: &mut Warnings,
) -> Result<Area, WarningRefusal> {
    let mut area = Area::default();
    area.names.extend(Some(element.text_of("areaDesc", place)?).filter(|name| !name.is_empty()));
    for code in element.all("geocode") {
        let (system, value) = (code.text_of("valueName", place)?, code.text_of("value", place)?);
        let refused = |why| WarningRefusal::area(format!("{place}geocode"), why);
        area.add_code(AreaSystem::of(&system), &value).map_err(refused)?;
    }
    for circle in element.all("circle").map(Element::text).filter(|text| !text.is_empty()) {
        area.add_circle(&circle)
            .map_err(|why| WarningRefusal::area(format!("{place}circle"), why))?;
    }
    let polygon_place = format!("{place}polygon");
    for polygon in element.all("polygon").map(Element::text) {
        if polygon.is_empty() {
            warnings.add(&polygon_place, "it is empty and was passed over");
            continue;
        }
        let odd = area.add_polygon(&polygon);
        for odd in odd.map_err(|why| WarningRefusal::area(&polygon_place, why))? {
            warnings.add(&polygon_place, odd);
        }
        let points = area.polygons.last().map(Vec::as_slice).unwrap_or_default();
        match crosses_itself(points, tests) {
            Some(false) => {}
            Some(true) => {
                let why =
                    "it crosses itself, so its inside cannot be told: correct it at the source";
                return Err(WarningRefusal::area(polygon_place, why));
            }
            None => warnings
                .add(&polygon_place, "it has too many points to find whether it crosses itself"),
        }
    }
    Ok(area)
}
