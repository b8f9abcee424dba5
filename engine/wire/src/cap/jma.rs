//! JMA's disaster information XML (jmaxml1): a `Report` element as a message.
//!
//! The kinds of its items decide, not its title: a report of slight changes of the sea has the
//! title of a tsunami warning.

use std::collections::BTreeMap;

use super::area::{Area, AreaSystem, shown};
use super::document::Element;
use super::message::{Format, Gravity, Info, Kind, Message, Scope, Status, Warnings};
use super::refusal::WarningRefusal;
use crate::terms::ids::Class;
use crate::terms::rfc3339::parse_rfc3339;

const NAMESPACE: &str = "http://xml.kishou.go.jp/jmaxml1/";
const TSUNAMI: &str = "津波警報・注意報・予報";
const WEATHER: &str = "気象警報・注意報";

/// Whether an element of this name and namespace is a report of JMA.
pub(super) fn is_report(name: &str, namespace: Option<&str>) -> bool {
    name == "Report" && namespace == Some(NAMESPACE)
}

/// Reads a report; times are compared with nothing here.
pub(super) fn read(report: Element<'_, '_>) -> Result<Message, WarningRefusal> {
    let mut warnings = Warnings::default();
    let missing = |name: &str| WarningRefusal::alert(name, "it is missing: send the whole report");
    let control = report.one("Control", "")?.ok_or_else(|| missing("Control"))?;
    // Head and Body stand in namespaces of their own.
    let head = report.any("Head").ok_or_else(|| missing("Head"))?;
    let event = head.required("EventID", "Head/")?;
    let sent = head.required("ReportDateTime", "Head/")?;
    let sent_at = parse_rfc3339(&sent).ok_or_else(|| {
        WarningRefusal::alert(
            "Head/ReportDateTime",
            format!("{:?} is no date and time with an offset", shown(&sent)),
        )
    })?;
    let (kind_word, serial) =
        (head.required("InfoType", "Head/")?, head.text_of("Serial", "Head/")?);
    let kind = match kind_word.as_str() {
        "発表" => Kind::Alert,
        "訂正" => Kind::Update,
        "取消" => Kind::Cancel,
        // Late, a report of what was missed: a person decides what is still to be said.
        "遅延" => Kind::Note,
        other => {
            let sentence =
                format!("{:?} is none of 発表, 訂正, 取消, 遅延: correct it", shown(other));
            return Err(WarningRefusal::alert("Head/InfoType", sentence));
        }
    };
    let infos = if kind == Kind::Cancel { Vec::new() } else { infos(head, &mut warnings)? };
    Ok(Message {
        format: Format::Jma,
        sender: control.required("PublishingOffice", "Control/")?,
        identifier: format!("{event}-{sent}-{kind_word}-{serial}"),
        sent: sent_at,
        status: status(&control.required("Status", "Control/")?)?,
        kind,
        scope: Scope::Public,
        addresses: Vec::new(),
        references: Vec::new(),
        chain: Some(event),
        revision: None,
        infos,
        is_signed: report.any("Signature").is_some(),
        warnings,
    })
}

fn status(word: &str) -> Result<Status, WarningRefusal> {
    match word {
        "通常" => Ok(Status::Actual),
        "訓練" => Ok(Status::Exercise),
        "試験" => Ok(Status::Test),
        other => {
            let sentence = format!("{:?} is none of 通常, 訓練, 試験: correct it", shown(other));
            Err(WarningRefusal::alert("Control/Status", sentence))
        }
    }
}

/// One info for each gravity among the items, with the areas of all items of that gravity.
fn infos(head: Element<'_, '_>, warnings: &mut Warnings) -> Result<Vec<Info>, WarningRefusal> {
    let family = head.text_of("InfoKind", "Head/")?;
    let headline = head.one("Headline", "Head/")?;
    let text = headline.map(|headline| headline.text_of("Text", "Head/Headline/")).transpose()?;
    let text = text.unwrap_or_default();
    let mut found: BTreeMap<u8, (Gravity, Vec<String>, Area)> = BTreeMap::new();
    if let Some(information) =
        headline.map(|headline| chosen(headline, warnings)).transpose()?.flatten()
    {
        for item in information.all("Item") {
            let (gravity, name) = item_gravity(item, &family, warnings)?;
            let area = item_area(item)?;
            let entry = found.entry(order(gravity));
            let (_, names, all) = entry.or_insert_with(|| (gravity, Vec::new(), Area::default()));
            if !names.contains(&name) {
                names.push(name);
            }
            all.extend(area);
        }
    }
    if found.is_empty() {
        warnings
            .add("Head/Headline/Information", "it has no item: no class and no area can be told");
        found.insert(0, (Gravity::Unknown, Vec::new(), Area::default()));
    }
    Ok(found
        .into_values()
        .map(|(gravity, names, area)| info(gravity, &names, area, &text))
        .collect())
}

fn info(gravity: Gravity, names: &[String], area: Area, text: &str) -> Info {
    Info {
        language: "ja".to_owned(),
        gravity,
        effective: None,
        expires: None,
        event: names.join("・"),
        sender_name: String::new(),
        headline: text.to_owned(),
        instruction: String::new(),
        web: String::new(),
        parameters: Vec::new(),
        area,
    }
}

/// The gravest first.
fn order(gravity: Gravity) -> u8 {
    match gravity {
        Gravity::Class(class) => 9 - class.number().min(8),
        Gravity::Unknown => 9,
        Gravity::AllClear => 10,
        Gravity::Nothing => 11,
    }
}

/// The one `Information` that has the items. Weather reports say the same three or four times, by
/// ever smaller areas: the one by municipalities counts, because a larger area alarms too many.
fn chosen<'a, 'input>(
    headline: Element<'a, 'input>,
    warnings: &mut Warnings,
) -> Result<Option<Element<'a, 'input>>, WarningRefusal> {
    let all: Vec<Element<'a, 'input>> = headline.all("Information").collect();
    let by_municipality = |element: &&Element<'_, '_>| {
        element.attribute("type").is_some_and(|kind| kind.contains("市町村等"))
    };
    let finest = all.iter().find(by_municipality);
    match (all.as_slice(), finest) {
        ([], _) => Ok(None),
        ([only], _) => Ok(Some(*only)),
        (_, Some(finest)) => {
            warnings.add(
                "Head/Headline/Information",
                "the one by municipalities counts, the others do not",
            );
            Ok(Some(*finest))
        }
        (_, None) => Err(WarningRefusal::area(
            "Head/Headline/Information",
            "there are several, none by municipalities: which areas are meant cannot be told",
        )),
    }
}

/// The gravest of an item's kinds, with its name.
fn item_gravity(
    item: Element<'_, '_>,
    family: &str,
    warnings: &mut Warnings,
) -> Result<(Gravity, String), WarningRefusal> {
    let place = "Head/Headline/Information/Item/Kind/";
    let mut gravest: Option<(Gravity, String)> = None;
    for kind in item.all("Kind") {
        let (name, code) = (kind.text_of("Name", place)?, kind.text_of("Code", place)?);
        let gravity = gravity(family, &code);
        if gravity == Gravity::Unknown {
            let sentence = format!(
                "kind {:?} of {:?} is not known: no class can be told",
                shown(&code),
                shown(family)
            );
            warnings.add(place.trim_end_matches('/'), sentence);
        }
        if gravest.as_ref().is_none_or(|(known, _)| order(gravity) < order(*known)) {
            gravest = Some((gravity, name));
        }
    }
    gravest.ok_or_else(|| {
        WarningRefusal::alert(
            place.trim_end_matches('/'),
            "an item has none: send the whole report",
        )
    })
}

/// What a kind's code asks for, by the tables of JMA's handbook of element contents.
fn gravity(family: &str, code: &str) -> Gravity {
    let emergency = Gravity::Class(Class::Emergency);
    let urgent = Gravity::Class(Class::Urgent);
    match (family, code) {
        // Major warning, warning; advisory; either lifted; slight changes of the sea, or nothing.
        (TSUNAMI, "51" | "52" | "53") => emergency,
        (TSUNAMI, "62") => urgent,
        (TSUNAMI, "50" | "60") => Gravity::AllClear,
        (TSUNAMI, "00" | "71" | "72" | "73") => Gravity::Nothing,
        // Emergency warnings, warnings, advisories, all of them lifted.
        (WEATHER, "32" | "33" | "35" | "36" | "37" | "38") => emergency,
        (WEATHER, "02" | "03" | "04" | "05" | "06" | "07" | "08") => urgent,
        (
            WEATHER,
            "10" | "12" | "13" | "14" | "15" | "16" | "17" | "18" | "19" | "20" | "21" | "22"
            | "23" | "24" | "25" | "26" | "27",
        ) => Gravity::Class(Class::Standard),
        (WEATHER, "00") => Gravity::AllClear,
        _ => Gravity::Unknown,
    }
}

fn item_area(item: Element<'_, '_>) -> Result<Area, WarningRefusal> {
    let place = "Head/Headline/Information/Item/Areas/";
    let mut area = Area::default();
    for areas in item.all("Areas") {
        let code_type = areas.attribute("codeType").unwrap_or_default();
        let system = match code_type {
            "津波予報区" => AreaSystem::JmaTsunami,
            kind if kind.contains("市町村等") => AreaSystem::JmaMunicipality,
            kind if kind.starts_with("地震情報") => AreaSystem::JmaEarthquake,
            other => AreaSystem::Other(other.to_owned()),
        };
        for one in areas.all("Area") {
            area.names.push(one.text_of("Name", place)?);
            let code = one.text_of("Code", place)?;
            area.add_code(system.clone(), &code)
                .map_err(|why| WarningRefusal::area(format!("{place}Area/Code"), why))?;
        }
    }
    Ok(area)
}
