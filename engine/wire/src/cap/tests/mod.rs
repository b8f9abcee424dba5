//! Documents of our own, made of shapes that other programs are known to write.

mod alerts;
mod documents;
mod japan;

use super::draft::Draft;
use super::*;
use crate::terms::time::WallMs;

/// 2027-03-01T10:00:00+09:00, the moment at which everything here is judged.
const NOW: WallMs = WallMs::new(1_803_862_800_000);

fn rules() -> Rules {
    Rules { profile: Profile::Cap, now: NOW, segments_max: 3 }
}

/// An alert with one info; each change replaces the first part by the second.
fn alert(changes: &[(&str, &str)]) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"><identifier>K-7</identifier>\
        <sender>desk@town.test</sender><sent>2027-03-01T09:58:00+09:00</sent><status>\
        Actual</status>\
        <msgType>Alert</msgType><scope>Public</scope><info><language>ja</language>\
        <category>Geo</category><event>土砂災害</event><responseType>Shelter</responseType>\
        <urgency>Expected</urgency><severity>Severe</severity><certainty>Likely</certainty>\
        <expires>2027-03-01T13:00:00+09:00</expires><headline>土砂災害のおそれ</headline>\
        <instruction>崖から離れてください。</instruction>\
        <area><areaDesc>山里町</areaDesc><geocode><valueName>JIS X0402</valueName>\
        <value>204226</value></geocode></area></info></alert>"
        .to_owned();
    for (part, other) in changes {
        assert!(text.contains(part), "{part:?} is there to be changed");
        text = text.replacen(part, other, 1);
    }
    text
}

const INFO_END: &str = "</info>";

#[track_caller]
fn draft(text: &str) -> Draft {
    check_xml(text.as_bytes(), &rules()).unwrap_or_else(|refusal| panic!("{refusal}"))
}

#[track_caller]
fn refusal(octets: &[u8]) -> WarningRefusal {
    check_xml(octets, &rules()).expect_err("a refusal")
}

#[track_caller]
fn check_warned(draft: &Draft, part: &str) {
    let warnings = draft.warnings.all();
    assert!(
        warnings.iter().any(|warning| warning.sentence.contains(part)),
        "{part:?} in {warnings:?}"
    );
}

#[track_caller]
fn check_held(draft: &Draft, part: &str) {
    let holds: Vec<String> = draft.holds.iter().map(ToString::to_string).collect();
    assert!(holds.iter().any(|hold| hold.contains(part)), "{part:?} in {holds:?}");
}
