//! Which areas there are, what they are called, and what a shape reaches.

use std::fmt::Write as _;

use wire::cap::area::{Area as WarnedArea, AreaSystem};

use super::features::{FeatureNames, FeatureReader};
use super::shapes::{TooDear, touched};
use super::*;

#[test]
fn every_prefecture_and_municipality_of_japan_is_known_with_its_name() {
    let japan = AreaCatalogue::of_japan();
    assert_eq!(japan.len(), 47 + 1_741);
    let mut kinds: BTreeMap<char, usize> = BTreeMap::new();
    for (code, area) in japan.all() {
        assert!(Municipality::parse(code.as_bytes()).is_some(), "{code}");
        assert_eq!(area.parent.is_none(), code.ends_with("000"), "{code}");
        if area.parent.is_some() {
            *kinds.entry(area.name.chars().last().expect("a name")).or_default() += 1;
        }
    }
    let counts = ['市', '町', '村', '区'].map(|kind| kinds[&kind]);
    assert_eq!(counts, [792, 743, 183, 23], "cities, towns, villages, wards of Tokyo");
    for (code, name) in [("131016", "千代田区"), ("01202", "函館市"), ("47000", "沖縄県")]
    {
        assert_eq!(japan.name(code, "ja"), Some(name));
    }
}

#[test]
fn a_code_means_the_same_however_it_is_written() {
    for (one, other) in [
        ("131016", "13101"),
        (" 13101 ", "JIS X0402:131016"),
        ("NUTS3:AT130", "NUTS2:AT130"),
        ("profile:CAP-CP:Location:0.3:3537064", "profile:CAP-CP:Location:0.4:3537064"),
        ("JMA tsunami:802", "jma-tsunami:802"),
        ("津波予報区:802", "津波予報区:802"),
    ] {
        assert_eq!(key_of(one), key_of(other), "{one} and {other}");
    }
    assert_ne!(key_of("SAME:032013"), key_of("UGC:032013"));
}

fn loaded(lines: &[&str]) -> Result<AreaCatalogue, features::FeatureError> {
    let mut reader = FeatureReader::new(FeatureNames::default());
    lines.iter().try_for_each(|line| reader.take(line.as_bytes()))?;
    reader.finish()
}

/// A square of one degree, whose corner in the south-west is at this longitude and latitude 35.
fn square(code: &str, west: f64, more: &str) -> String {
    let east = west + 1.0;
    format!(
        r#"{{"type":"Feature","properties":{{"code":"{code}"{more}}},"geometry":{{"type":"Polygon",
        "coordinates":[[[{west},35],[{east},35,12.5],[{east},36],[{west},36],[{west},35]]]}}}}"#
    )
    .replace('\n', "")
}

#[test]
fn an_operator_adds_names_aliases_and_boundaries() {
    let names = r#","names":{"en":"Chiyoda"},"aliases":["JMA tsunami:310","county:7"],"x":[1,{}]"#;
    let coast =
        r#"{"type":"Feature","properties":{"code":"coast:1","name":"湾岸"},"geometry":null},"#;
    let beach = r#"{"type":"Feature","properties":{"code":13102,"parent":"coast:1"}}"#;
    let lines = [
        r#"{"type":"FeatureCollection","features":["#,
        &format!("{},", square("131016", 139.0, names)),
        &square("13101", 145.0, ""),
        coast,
        beach,
        r#"{"type":"Feature","properties":{"code":null},"geometry":null}"#,
        "]}",
    ];
    let japan = loaded(&lines).expect("a catalogue");
    assert_eq!(japan.len(), 47 + 1_741 + 1);
    assert_eq!(japan.name("13101", "en-GB"), Some("Chiyoda"));
    assert_eq!(japan.name("13101", "fr"), Some("千代田区"));
    assert_eq!(japan.document("13101").expect("an area").points, 10, "two pieces");
    assert_eq!(japan.resolve("COUNTY:7"), Ok(vec!["13101".to_owned()]));
    assert_eq!(japan.resolve("JMATSUNAMI:310"), Ok(vec!["13101".to_owned()]));
    let coast = ["coast:1".to_owned()];
    let selected = japan.select(&coast, &BTreeSet::new()).expect("an area");
    assert!(selected.takes("13102") && selected.takes("coast:1") && !selected.takes("13101"));
    let by_alias = ["county:7".to_owned()];
    let selected = japan.select(&by_alias, &BTreeSet::new()).expect("an area");
    assert!(selected.takes("13101") && selected.takes("jma tsunami:310"));
}

fn of_geometry(geometry: &str) -> String {
    let feature = r#"{"type":"Feature","properties":{"code":"13101"},"geometry":{"type":"#;
    format!("{feature}{geometry}}}}}")
}

#[test]
fn what_is_no_area_is_refused_with_its_line() {
    for (line, part) in [
        ("hello".to_owned(), "no feature"),
        (r#"{"type":"Polygon"}"#.to_owned(), "not Feature"),
        (square("1310", 139.0, ""), "\"1310\" is no code"),
        (square("13101", 139.0, r#","aliases":["x"]"#), "no alias"),
        (square("13101", 239.0, ""), "outside the earth"),
        (of_geometry(r#""Polygon","coordinates":[[[1,2],[3,4],[1,2]]]"#), "three corners"),
        (of_geometry(r#""Point","coordinates":[1,2]"#), "no feature"),
        (format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), "nests deeper"),
        ("x".repeat(crate::broadcast::limits::FEATURE_OCTETS_MAX + 1), "longer than"),
    ] {
        let error = loaded(&[&square("13101", 139.0, ""), &line]).expect_err(part);
        assert!(error.to_string().contains(part) && error.line == 2, "{part}: {error}");
    }
    let nothing = loaded(&[r#"{"type":"Feature","properties":{"N03_007":"13101"}}"#]);
    assert!(nothing.expect_err("no code").to_string().contains("name the property"));
}

fn warned(polygon: &str) -> WarnedArea {
    let mut area = WarnedArea::default();
    area.add_polygon(polygon).expect("a polygon");
    area
}

/// Three squares in a row.
fn three() -> AreaCatalogue {
    let lines = [("13101", 139.0), ("13102", 140.0), ("13103", 141.0)];
    let lines = lines.map(|(code, west)| square(code, west, ""));
    loaded(&lines.each_ref().map(String::as_str)).expect("a catalogue")
}

#[test]
fn a_shape_reaches_what_it_has_a_part_of_and_says_how_much() {
    let areas = three();
    let of = |area: &WarnedArea, covers| -> Vec<(String, u32)> {
        let found = touched(&areas, area, covers).expect("cheap");
        found.into_iter().map(|one| (one.code, (one.share * 1_000.0).round() as u32)).collect()
    };
    // The western half of the second, and all of the first but a strip.
    let shape = warned("35,139.1 35,140.5 36,140.5 36,139.1 35,139.1");
    assert_eq!(of(&shape, None), [("13101".to_owned(), 900), ("13102".to_owned(), 500)]);
    assert_eq!(of(&shape, Some(0.6)), [("13101".to_owned(), 900)]);
    let own = warned("35,140 35,141 36,141 36,140 35,140");
    assert_eq!(of(&own, None), [("13102".to_owned(), 1_000)], "a border is no part");
    let mut twice = shape.clone();
    twice.extend(own);
    assert_eq!(of(&twice, None)[1], ("13102".to_owned(), 1_000), "what lies twice counts once");
    assert_eq!(of(&warned("10,10 10,11 11,11 10,10"), None), []);
    let mut circle = WarnedArea::default();
    circle.add_circle("35.5,140.0 1").expect("a circle");
    let found = of(&circle, None);
    assert_eq!(found.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>(), ["13101", "13102"]);
    circle.add_circle("35.5,141.5 300").expect("a circle");
    assert_eq!(of(&circle, Some(0.99)).len(), 3, "a large one covers all three");
    circle.add_code(AreaSystem::JisX0402, "01202").expect("a code");
    assert_eq!(of(&circle, None).len(), 3, "codes are resolved elsewhere");
}

#[test]
fn the_costliest_shapes_are_compared_in_bounded_time() {
    let mut reader = FeatureReader::new(FeatureNames::default());
    for number in 0..1_500u32 {
        let code = format!("x:{number}");
        reader.take(square(&code, 139.0, "").as_bytes()).expect("an area");
    }
    let areas = reader.finish().expect("a catalogue");
    // Teeth along the whole width, as many points as a polygon may have.
    let mut text = String::from("34,139 ");
    for number in 0..9_990 {
        let east = 139.0 + f64::from(number) / 9_990.0;
        let _ = write!(text, "{},{east} ", if number % 2 == 0 { 35.2 } else { 35.8 });
    }
    text += "34,140 34,139";
    assert_eq!(touched(&areas, &warned(&text), None), Err(TooDear));
}
