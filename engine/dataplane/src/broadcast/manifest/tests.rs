//! What a manifest may say, and what it may not.

use super::*;
use crate::broadcast::limits::MANIFEST_OCTETS_MAX;

const MANIFEST: &str = r#"{"xpid":"00100000001","sender":"Town","class":"03","reqid":"flood-1",
    "lifetime":3600,"legs":[{"audience":{"list":"li-1","areas":["20422","NUTS:AT1"]},
    "texts":{"variants":{"ja":"避難","en":"Leave {{place}}"},"fallback":["en"]}}]}"#;

fn read(changes: &[(&str, &str)]) -> Result<Manifest, ManifestError> {
    let mut text = MANIFEST.to_owned();
    for (part, other) in changes {
        assert!(text.contains(part), "{part:?} is there to be changed");
        text = text.replacen(part, other, 1);
    }
    Manifest::read(text.as_bytes())
}

#[test]
fn a_manifest_says_what_it_says_and_the_rest_is_cautious() {
    let manifest = read(&[]).expect("a manifest");
    assert_eq!((manifest.class(), manifest.on_doubt()), (Some(Class::Emergency), OnDoubt::Again));
    assert_eq!((manifest.start.as_str(), manifest.too_late_after), ("now", 900));
    assert_eq!((manifest.pace.share_max, manifest.pace.weight), (90, 1));
    assert_eq!((manifest.segments_max, manifest.duplicates.action), (3, DuplicateAction::Warn));
    assert!(manifest.asks_for_two());
    let standard = read(&[("\"03\"", "\"01\"")]).expect("a manifest");
    assert_eq!((standard.on_doubt(), standard.asks_for_two()), (OnDoubt::Leave, false));
    let everywhere = read(&[("\"03\"", "\"01\""), (r#"["20422","NUTS:AT1"]"#, r#""everywhere""#)]);
    assert!(everywhere.expect("a manifest").asks_for_two());
}

#[test]
fn each_thing_that_is_wrong_is_named_with_its_place() {
    for (part, other, place) in [
        ("00100000001", "1", "/xpid"),
        ("Town", "", "/sender"),
        ("\"03\"", "\"3\"", "/class"),
        ("\"03\"", "\"04\"", "/class"),
        ("flood-1", "flood 1", "/reqid"),
        ("\"lifetime\":3600,", "", "/deadline"),
        ("3600", "0", "/lifetime"),
        ("3600", "300000", "/lifetime"),
        ("3600", "3600,\"deadline\":\"2027-01-01T00:00:00Z\"", "/lifetime"),
        ("\"lifetime\":3600", "\"deadline\":\"tomorrow\"", "/deadline"),
        (
            "\"lifetime\":3600",
            "\"start\":\"2027-01-02T00:00:00Z\",\"deadline\":\"2027-01-01T00:00:00Z\"",
            "/deadline",
        ),
        ("\"lifetime\"", "\"alertid\":\"a\",\"lifetime\"", "/alertid"),
        ("\"lifetime\"", "\"alertseq\":1,\"lifetime\"", "/alertid"),
        ("\"lifetime\"", "\"alertid\":\"a\",\"alertseq\":100,\"lifetime\"", "/alertseq"),
        ("\"lifetime\"", "\"hold_seconds\":601,\"lifetime\"", "/hold_seconds"),
        ("\"lifetime\"", "\"pace\":{\"weight\":0},\"lifetime\"", "/pace/weight"),
        ("\"lifetime\"", "\"pace\":{\"share_max\":101},\"lifetime\"", "/pace/share_max"),
        ("\"lifetime\"", "\"expect\":{\"recipients\":[2,1]},\"lifetime\"", "/expect/recipients"),
        ("\"lifetime\"", "\"segments_max\":11,\"lifetime\"", "/segments_max"),
        ("\"03\"", "\"02\",\"suppression\":\"ignored\"", "/suppression"),
        ("li-1", "", "/legs/0/audience/list"),
        ("\"en\"]", "\"fr\"]", "/legs/0/texts"),
        ("{{place}}", "{{place", "/legs/0/texts"),
        ("\"fallback\":[\"en\"]", "\"control\":\"00\"", "/legs/0/texts"),
        ("\"fallback\":[\"en\"]", "\"pid\":64", "/legs/0/texts"),
        ("\"lifetime\"", "\"life_time\"", ""),
        ("\"lifetime\"", "\"retraction\":{\"reqid\":\"x\"},\"lifetime\"", "/retraction/texts"),
        ("\"lifetime\"", "\"retraction\":{\"reqid\":\"?\"},\"lifetime\"", "/retraction/reqid"),
    ] {
        let error = read(&[(part, other)]).expect_err(other);
        assert_eq!((error.place.as_str(), error.code), (place, None), "{other}: {error}");
    }
    for (waves, place) in [
        (r#"[{"rows":5}]"#, "/legs/0/waves"),
        (r#"[{"rows":5},{}]"#, "/legs/0/waves/1"),
        (r#"[{"rows":5},{"after_order":true,"after_seconds":9}]"#, "/legs/0/waves/1"),
        (r#"[{"rows":5,"after_seconds":9},{"after_order":true}]"#, "/legs/0/waves/0"),
        (r#"[{"rows":5},{"after_percent":101}]"#, "/legs/0/waves/1"),
        (r#"[{},{"after_order":true}]"#, "/legs/0/waves/0"),
        (r#"[{"rows":0},{"after_order":true}]"#, "/legs/0/waves/0"),
        (r#"[{"rows":5,"lists":["li-2"]},{"after_order":true}]"#, "/legs/0/waves/0"),
        (r#"[{"rows":5},{"rows":5,"after_order":true}]"#, "/legs/0/waves/1"),
    ] {
        let with = format!("]}},\"waves\":{waves}}}]}}");
        assert_eq!(read(&[("]}}]}", &with)]).expect_err(waves).place, place, "{waves}");
    }
    let good = r#"[{"lists":["li-2"]},{"rows":5,"after_percent":80},{"after_order":true}]"#;
    let with = format!("]}},\"waves\":{good}}}]}}");
    assert_eq!(read(&[("]}}]}", &with)]).expect("waves").waves().len(), 3);
    assert!(Manifest::read(&vec![b' '; MANIFEST_OCTETS_MAX + 1]).is_err());
}

#[test]
fn no_area_is_never_everywhere() {
    let areas = r#"["20422","NUTS:AT1"]"#;
    for (other, place) in [
        ("[]", "/legs/0/audience/areas"),
        ("\"\"", "/legs/0/audience/areas"),
        ("\"all\"", "/legs/0/audience/areas"),
        ("[\"20422\",\"2042\"]", "/legs/0/audience/areas/1"),
        ("null", "/legs/0/audience/areas"),
    ] {
        let error = read(&[(areas, other)]).expect_err(other);
        assert_eq!((error.place.as_str(), error.code), (place, Some(7103)), "{error}");
    }
    let silent = read(&[(",\"areas\":[\"20422\",\"NUTS:AT1\"]", "")]).expect_err("no areas");
    assert_eq!(silent.code, Some(7103));
}

#[test]
fn the_digest_changes_with_everything_that_was_approved() {
    let manifest = read(&[]).expect("a manifest");
    let lists = [("li-1".to_owned(), [7; 32])];
    let digest = manifest.digest(&lists, &[10, 2]);
    let spaced = read(&[("\"xpid\":", "\n  \"xpid\" : ")]).expect("a manifest");
    assert_eq!(spaced.digest(&lists, &[10, 2]), digest, "how it is written does not matter");
    let others = [
        read(&[("Leave", "Stay at")]).expect("a manifest").digest(&lists, &[10, 2]),
        read(&[("3600", "3601")]).expect("a manifest").digest(&lists, &[10, 2]),
        manifest.digest(&[("li-1".to_owned(), [8; 32])], &[10, 2]),
        manifest.digest(&[("li-2".to_owned(), [7; 32])], &[10, 2]),
        manifest.digest(&lists, &[10, 3]),
        manifest.digest(&lists, &[10]),
    ];
    for (at, other) in others.iter().enumerate() {
        assert!(*other != digest && !others[..at].contains(other), "{at}");
    }
}

#[test]
fn shapes_narrow_areas_that_are_named_and_what_is_no_shape_has_its_place() {
    let within = |shape: &str| format!("\"areas\":[\"20422\"],\"within\":{{{shape}}}");
    let areas = r#""areas":["20422","NUTS:AT1"]"#;
    for (shape, place) in [
        ("", "/legs/0/audience/within"),
        (r#""polygons":["35,139"]"#, "/legs/0/audience/within/polygons/0"),
        (r#""circles":["35,139 1","x"]"#, "/legs/0/audience/within/circles/1"),
        (r#""circles":["35,139 1"],"areas":["x"]"#, "/legs/0/audience/within/areas/0"),
    ] {
        let error = read(&[(areas, &within(shape))]).expect_err(shape);
        assert_eq!(error.place, place, "{error}");
    }
    read(&[(areas, &within(r#""circles":["35,139 1"]"#))]).expect("a manifest");
    let everywhere = within(r#""circles":["35,139 1"]"#).replace(r#"["20422"]"#, "\"everywhere\"");
    assert!(read(&[(areas, &everywhere)]).is_err(), "everywhere is not narrowed");
}
