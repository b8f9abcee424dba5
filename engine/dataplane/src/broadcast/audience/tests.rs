//! Who is addressed by which leg, and with what text.

use std::fs::File;

use host::mapped::Mapped;

use super::*;
use crate::broadcast::areas::features::{FeatureNames, FeatureReader};
use crate::broadcast::lists::import::Import;
use crate::broadcast::lists::reader::ReaderOptions;
use crate::broadcast::recipients::Recipients;
use crate::broadcast::running::{RunningBroadcast, RunningPace, RunningTerms, TextForm};
use crate::broadcast::slice::OnDoubt;
use wire::smpp::coding::Alphabet;
use wire::terms::ids::{Class, Kind, Xpid};
use wire::terms::time::WallMs;

fn version(text: &str, parameters: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("list");
    let parameters = parameters.iter().map(|&name| name.to_owned()).collect();
    let options = ReaderOptions { parameters, ..ReaderOptions::default() };
    let mut import = Import::new(options, directory.path()).expect("an import");
    import.feed(text.as_bytes()).expect("a list");
    let file = File::options().read(true).write(true).create_new(true).open(&path).expect("a file");
    import.finish(&file).expect("a version");
    std::fs::read(&path).expect("the version")
}

fn pinned<'a>(list: &str, octets: &'a [u8]) -> PinnedList<'a> {
    let view = ListView::open(octets).expect("a version");
    PinnedList { list: list.to_owned(), version: 1, digest: *view.digest(), view }
}

fn source(octets: &[u8]) -> LegSources<'_> {
    LegSources { list: pinned("li-1", octets), except: Vec::new(), only: None, waves: Vec::new() }
}

fn manifest(legs: &str) -> Manifest {
    let text = format!(
        r#"{{"xpid":"00100000001","sender":"Town","class":"02","reqid":"r","legs":[{legs}]}}"#
    );
    Manifest::read(text.as_bytes()).expect("a manifest")
}

/// An msn and its text.
type TextOfMsn = (String, Option<String>);

/// The texts that msns get, `None` where there is none, in the order of the msns.
fn addressed(
    manifest: &Manifest,
    sources: &[LegSources<'_>],
) -> Result<(Vec<TextOfMsn>, Addressed), AudienceError> {
    addressed_in(&AreaCatalogue::of_japan(), manifest, sources)
}

fn addressed_in(
    catalogue: &AreaCatalogue,
    manifest: &Manifest,
    sources: &[LegSources<'_>],
) -> Result<(Vec<TextOfMsn>, Addressed), AudienceError> {
    let file = tempfile::tempfile()?;
    let mut writer = RecipientsWriter::new(file.try_clone()?)?;
    let found = address(manifest, sources, catalogue, &mut writer)?;
    writer.finish()?;
    let recipients = Recipients::of(Mapped::open(&file)?).expect("recipients");
    let mut texts: Vec<TextOfMsn> = (0..recipients.rows())
        .map(|number| {
            let row = recipients.row(number);
            let text = row.text.map(|text| found.texts[text as usize].text.clone());
            (row.msn.to_string(), text)
        })
        .collect();
    texts.sort();
    Ok((texts, found))
}

const LIST: &str = "msn,area,lang,shelter\n09000000001,13101,ja,\n09000000002,13101,en,North\n\
                    09000000003,27100,en,South\n09000000004,27100,fr,\n09000000005,,ja,\n";

fn text(word: &str) -> Option<String> {
    Some(word.to_owned())
}

#[test]
fn rows_get_the_text_of_their_language_with_their_values() {
    let octets = version(LIST, &["shelter"]);
    let texts = r#"{"variants":{"ja":"J","en":"Go {{shelter}}"}}"#;
    let all = manifest(&format!(
        r#"{{"audience":{{"list":"li-1","areas":"everywhere"}},"texts":{texts}}}"#
    ));
    let (rows, found) = addressed(&all, &[source(&octets)]).expect("addressed");
    let wanted = [
        ("1", text("J")),
        ("2", text("Go North")),
        ("3", text("Go South")),
        ("4", None),
        ("5", text("J")),
    ];
    let wanted = wanted.map(|(digit, text)| (format!("0900000000{digit}"), text));
    assert_eq!(rows, wanted);
    assert_eq!((found.targeted, found.without_text, found.segments), (5, 1, 4));
    assert_eq!(found.areas.get("unknown"), Some(&1));
    assert_eq!(found.languages.get("en"), Some(&2));
}

#[test]
fn areas_languages_values_and_exceptions_narrow_an_audience() {
    let (octets, some) = (version(LIST, &["shelter"]), version("msn\n09000000003\n", &[]));
    let narrowed = |audience: &str, except: bool| {
        let leg = format!(
            r#"{{"audience":{{"list":"li-1",{audience}}},
            "texts":{{"variants":{{"en":"x"}},"fallback":["en"]}}}}"#
        );
        let mut source = source(&octets);
        if except {
            source.except.push(pinned("li-2", &some));
        }
        let (rows, _) = addressed(&manifest(&leg), &[source]).expect("addressed");
        rows.into_iter().map(|(msn, _)| msn[10..].to_owned()).collect::<String>()
    };
    assert_eq!(narrowed(r#""areas":["271004"]"#, false), "34", "six digits are the same area");
    assert_eq!(narrowed(r#""areas":"everywhere","languages":["en"]"#, false), "23");
    assert_eq!(narrowed(r#""areas":"everywhere","where":{"shelter":["North"]}"#, false), "2");
    assert_eq!(narrowed(r#""areas":"everywhere""#, true), "1245");
}

#[test]
fn a_recipient_of_two_legs_gets_the_first_ones_text() {
    let (octets, other) =
        (version(LIST, &[]), version("msn\n09000000001\n09000000009\n09000000003\n", &[]));
    let leg = |areas: &str, text: &str| {
        format!(
            r#"{{"audience":{{"list":"l","areas":{areas}}},
            "texts":{{"variants":{{"en":"{text}"}},"fallback":["en"]}}}}"#
        )
    };
    let both = manifest(&[leg(r#"["13101"]"#, "A"), leg(r#""everywhere""#, "B")].join(","));
    let (rows, found) = addressed(&both, &[source(&octets), source(&other)]).expect("addressed");
    let wanted = [("1", "A"), ("2", "A"), ("3", "B"), ("9", "B")];
    let wanted = wanted.map(|(digit, word)| (format!("0900000000{digit}"), text(word)));
    assert_eq!((rows, found.legs), (wanted.to_vec(), vec![2, 2]));
}

#[test]
fn what_cannot_be_sent_as_it_is_is_named_with_its_place() {
    let octets = version(LIST, &["shelter"]);
    for (texts, place) in [
        (r#"{"variants":{"en":"Go {{shelter}}"},"fallback":["en"]}"#, "/legs/0/texts/variants/en"),
        (r#"{"template":"t"}"#, "/legs/0/texts"),
    ] {
        let leg =
            format!(r#"{{"audience":{{"list":"li-1","areas":"everywhere"}},"texts":{texts}}}"#);
        let error = addressed(&manifest(&leg), &[source(&octets)]).expect_err("an error");
        let AudienceError::Manifest(error) = error else { panic!("{error}") };
        assert_eq!(error.place, place);
    }
}

#[test]
fn a_prefecture_is_all_that_lies_in_it_and_a_city_all_its_wards() {
    let list = "msn,area\n09000000001,13101\n09000000002,14103\n09000000003,14100\n\
                09000000004,14131\n09000000005,13000\n09000000006,NUTS:AT1\n";
    let octets = version(list, &[]);
    let who = |areas: &str| {
        let leg = format!(
            r#"{{"audience":{{"list":"li-1","areas":{areas}}},
            "texts":{{"variants":{{"en":"x"}},"fallback":["en"]}}}}"#
        );
        addressed(&manifest(&leg), &[source(&octets)]).map(|(rows, _)| {
            rows.into_iter().map(|(msn, _)| msn[10..].to_owned()).collect::<String>()
        })
    };
    assert_eq!(who(r#"["13000"]"#).expect("rows"), "15");
    assert_eq!(who(r#"["14100"]"#).expect("rows"), "23", "Kawasaki's wards are not Yokohama's");
    assert_eq!(who(r#"["14103"]"#).expect("rows"), "2");
    assert_eq!(who(r#"["14000"]"#).expect("rows"), "234");
    assert_eq!(who(r#"["13101"]"#).expect("rows"), "1", "the prefecture is not in its ward");
    assert_eq!(who(r#"["nuts:AT1"]"#).expect("rows"), "6", "the list itself knows it");
    let AudienceError::Manifest(error) = who(r#"["13101","13191"]"#).expect_err("unknown") else {
        panic!("a manifest's error")
    };
    assert_eq!((error.code, error.place.as_str()), (Some(7103), "/legs/0/audience/areas/1"));
    assert!(error.sentence.contains("nearest are 13101 千代田区"), "{error}");
}

#[test]
fn a_text_takes_values_of_the_row_before_the_areas_before_the_broadcasts() {
    let octets = version(LIST, &["shelter"]);
    let leg = r#"{"audience":{"list":"li-1","areas":["13101","27100"]},"texts":{
        "variants":{"ja":"{{area}}{{shelter}}","en":"{{area}} {{shelter}}"},"fallback":["en"],
        "parameters":{"shelter":"Hall"},"area_parameters":{"131016":{"shelter":"East"}}}}"#;
    let (rows, _) = addressed(&manifest(leg), &[source(&octets)]).expect("addressed");
    let wanted = [
        ("1", "千代田区East"),
        ("2", "千代田区 North"),
        ("3", "大阪市 South"),
        ("4", "大阪市 Hall"),
    ];
    let wanted = wanted.map(|(digit, word)| (format!("0900000000{digit}"), text(word)));
    assert_eq!(rows, wanted);
}

#[test]
fn each_row_is_in_one_wave_and_counted_waves_take_a_share_of_every_area() {
    let lines: String = (0..90)
        .map(|number| format!("090000000{number:02},{},ja\n", ["13101", "27100"][number % 3 / 2]))
        .collect();
    let octets = version(&format!("msn,area,lang\n{lines}"), &[]);
    let responders = version("msn\n09000000007\n09000000008\n09000000999\n", &[]);
    let waves = r#"[{"lists":["li-2"]},{"rows":30,"after_percent":80},{"after_order":true}]"#;
    let leg = format!(
        r#"{{"audience":{{"list":"li-1","areas":["13101","27100"]}},
        "texts":{{"variants":{{"ja":"J"}}}},"waves":{waves}}}"#
    );
    let waves = vec![vec![pinned("li-2", &responders)], Vec::new(), Vec::new()];
    let sources = [LegSources { waves, ..source(&octets) }];
    let file = tempfile::tempfile().expect("a file");
    let mut writer = RecipientsWriter::new(file.try_clone().expect("another")).expect("begun");
    let catalogue = AreaCatalogue::of_japan();
    let found = address(&manifest(&leg), &sources, &catalogue, &mut writer).expect("addressed");
    writer.finish().expect("finished");
    let recipients = Recipients::of(Mapped::open(&file).expect("mapped")).expect("recipients");
    assert_eq!((found.targeted, recipients.rows()), (90, 90));
    assert_eq!(found.areas.values().copied().collect::<Vec<_>>(), [60, 30]);
    let rows = |area: &str, wave: u8| {
        let mut runs = recipients.runs().iter();
        let run = runs.find(|run| recipients.area(run.area) == area && run.wave == wave);
        run.map_or(0, |run| run.rows)
    };
    // Phone 7 lives in the first area, phone 8 in the other.
    assert_eq!([0, 1, 2].map(|wave| rows("13101", wave)), [1, 20, 39]);
    assert_eq!([0, 1, 2].map(|wave| rows("27100", wave)), [1, 10, 19]);
    let mut msns: Vec<u64> = (0..90).map(|row| recipients.row(row).msn.value()).collect();
    msns.sort_unstable();
    msns.dedup();
    assert_eq!(msns.len(), 90, "each once");
}

#[test]
fn a_wave_that_counts_has_as_many_as_it_asks_for_of_whom_the_leg_addresses() {
    // One area of many, and of that all but the first ten.
    let lines: String =
        (0..4_000).map(|number| format!("0900000{number:04},{}\n", 13_101 + number % 20)).collect();
    let octets = version(&format!("msn,area\n{lines}"), &[]);
    let except: String = (0..10).map(|number| format!("0900000{:04}\n", number * 20)).collect();
    let except = version(&format!("msn\n{except}"), &[]);
    let leg = r#"{"audience":{"list":"li-1","areas":["13101"],"except":["li-2"]},
        "texts":{"variants":{"ja":"J"},"fallback":["ja"]},
        "waves":[{"rows":100},{"after_order":true}]}"#;
    let waves = vec![Vec::new(), Vec::new()];
    let sources = [LegSources { waves, except: vec![pinned("li-2", &except)], ..source(&octets) }];
    let file = tempfile::tempfile().expect("a file");
    let mut writer = RecipientsWriter::new(file.try_clone().expect("another")).expect("begun");
    let catalogue = AreaCatalogue::of_japan();
    let found = address(&manifest(leg), &sources, &catalogue, &mut writer).expect("addressed");
    writer.finish().expect("finished");
    assert_eq!((found.targeted, found.waves), (190, vec![100, 90]));
    let recipients = Recipients::of(Mapped::open(&file).expect("mapped")).expect("recipients");
    // Each shard has its share of it, and of what follows.
    for shard in 0..4 {
        let runs = recipients.of_shard(shard, 4);
        let of_wave = |wave: u8| {
            let runs = runs.iter().filter(|run| run.slice.wave == wave);
            runs.map(|run| run.slice.rows).sum::<u32>()
        };
        let [first, rest] = [0, 1].map(of_wave);
        assert!((15..36).contains(&first), "shard {shard}: {first} of 100, then {rest}");
    }
}

/// Two municipalities beside each other, a degree wide each.
fn two_areas() -> AreaCatalogue {
    let mut reader = FeatureReader::new(FeatureNames::default());
    for (code, west) in [("13101", 139), ("13102", 140)] {
        let east = west + 1;
        let feature = format!(
            r#"{{"type":"Feature","properties":{{"code":"{code}"}},"geometry":{{"type":"Polygon",
            "coordinates":[[[{west},35],[{east},35],[{east},36],[{west},36],[{west},35]]]}}}}"#
        );
        reader.take(feature.replace('\n', " ").as_bytes()).expect("an area");
    }
    reader.finish().expect("a catalogue")
}

#[test]
fn where_a_shape_cuts_an_area_rows_with_a_mesh_are_matched_one_by_one() {
    // 1 within, 2 outside, 3 of no cell, 4 of what is none; 5 and 6 of the other area, which the
    // shape has as a whole, one of them with a cell elsewhere; 7 of no area.
    let list = "msn,area,mesh\n09000000001,13101,53394611\n09000000002,13101,53390000\n\
        09000000003,13101,\n09000000004,13101,5339\n09000000005,13102,53400000\n\
        09000000006,13102,53390000\n09000000007,,53394611\n";
    let octets = version(list, &["mesh"]);
    let found = |audience: &str, waves: &str, octets: &[u8]| {
        let leg = format!(
            r#"{{"audience":{{"list":"li-1",{audience}}},
            "texts":{{"variants":{{"en":"x"}},"fallback":["en"]}}{waves}}}"#
        );
        let (rows, found) =
            addressed_in(&two_areas(), &manifest(&leg), &[source(octets)]).expect("addressed");
        let rows: String = rows.into_iter().map(|(msn, _)| msn[10..].to_owned()).collect();
        (rows, found.outside, found.unplaced)
    };
    // Half of the first area, and all of the second.
    let shape = r#""polygons":["35,139.5 35,141 36,141 36,139.5"]"#;
    let areas = r#""areas":["13101","13102"]"#;
    let narrowed = format!(r#"{areas},"within":{{{shape}}}"#);
    assert_eq!(found(areas, "", &octets), ("123456".to_owned(), 0, 0));
    assert_eq!(found(&narrowed, "", &octets), ("13456".to_owned(), 1, 2));
    // In waves the same are addressed and counted.
    let waves = r#","waves":[{"rows":2},{"after_order":true}]"#;
    assert_eq!(found(&narrowed, waves, &octets), ("13456".to_owned(), 1, 2));
    // What another area is narrowed by does not narrow this one.
    let other = format!(r#"{areas},"within":{{{shape},"areas":["13102"]}}"#);
    assert_eq!(found(&other, "", &octets), ("123456".to_owned(), 0, 0));
    // A list without the column counts by areas.
    let plain = version("msn,area\n09000000001,13101\n09000000002,13101\n", &[]);
    assert_eq!(found(&narrowed, "", &plain), ("12".to_owned(), 0, 2));
}

fn running(recipients: Recipients, texts: &[String]) -> RunningBroadcast {
    let terms = RunningTerms {
        ordinal: 3,
        xpid: Xpid::parse(b"00100000001").expect("an XPID"),
        class: Class::Urgent,
        kind: Kind::Text,
        sender: "Town".to_owned(),
        started_ms: WallMs::new(1_803_862_800_000),
        hold_ms: 0,
        deadline_ms: WallMs::NEVER,
        alertseq: 0,
        on_doubt: OnDoubt::Again,
        pace: RunningPace::unlimited(),
        once: false,
        reqid: "r".to_owned(),
        alertid: None,
        ignores_suppression: false,
        skips_had_within_ms: None,
        takes_back: false,
        of: Vec::new(),
    };
    RunningBroadcast::new(terms, recipients, texts).expect("texts")
}

#[test]
fn rows_of_more_values_than_texts_can_be_ready_for_have_texts_that_are_encoded_at_their_turn() {
    let rows = TEXTS_MAX as u64 + 50;
    let code = |number: u64| match number % 3 {
        0 => format!("К-{number}"),
        1 => format!("{}{number}", "x".repeat(160)),
        _ => format!("é{number}"),
    };
    let mut list = "msn,area,lang,code\n09100000000,27100,en,\n".to_owned();
    for number in 0..rows {
        list += &format!("{:011},13101,en,{}\n", 9_000_000_000 + number, code(number));
    }
    list += "09200000000,13101,en,\n";
    let octets = version(&list, &["code"]);
    let leg = |area: &str, text: &str| {
        format!(
            r#"{{"audience":{{"list":"li-1","areas":["{area}"]}},"texts":{{
            "variants":{{"en":"{text}"}},"fallback":["en"],"parameters":{{"code":"none"}}}}}}"#
        )
    };
    let manifest =
        manifest(&[leg("27100", "Plain {{code}}"), leg("13101", "Code {{code}}")].join(","));
    let error = addressed(&manifest, &[source(&octets), source(&octets)]).expect_err("too many");
    assert!(error.to_string().contains("different texts"), "{error}");
    let spool = tempfile::tempdir().expect("a directory");
    let file = tempfile::tempfile().expect("a file");
    let writer = RecipientsWriter::new(file.try_clone().expect("another")).expect("it begins");
    let mut writer = writer.with_own(spool.path());
    let sources = [source(&octets), source(&octets)];
    let found = address(&manifest, &sources, &AreaCatalogue::of_japan(), &mut writer);
    let found = found.expect("addressed");
    writer.finish().expect("finished");
    // The first leg has few values: its texts are ready.
    let shown: Vec<(&str, bool, u64)> =
        found.texts.iter().map(|text| (&*text.text, text.is_own, text.recipients)).collect();
    let own = ("Code {{code}}", true, rows + 1);
    assert_eq!(shown, [("Plain none", false, 1), own]);
    let in_all: u64 = (0..rows).map(|number| if number % 3 == 1 { 2 } else { 1 }).sum();
    assert_eq!((found.targeted, found.segments), (rows + 2, in_all + 2));
    let recipients = Recipients::open(&file).expect("whole");
    let ready = ["Plain none", "-"].map(str::to_owned);
    let own = running(recipients, &ready);
    for number in (0..rows).step_by(101).chain([0, 1, 2]) {
        let msn = Msn::from_value(9_000_000_000 + number).expect("an msn");
        let row = own.recipients.find(msn).expect("it is addressed");
        let text = own.recipients.row(row).text;
        let known = format!("Code {}", code(number));
        // As one whose text is ready has it, to the octet.
        let other = Recipients::open(&file).expect("whole");
        let other = running(other, std::slice::from_ref(&known));
        assert_eq!(own.digest(text), other.digest(Some(0)));
        assert!(own.has_digest(own.digest(text).expect("one")));
        for form in [TextForm::AsItIs, TextForm::Recoded] {
            let (mine, its) = (own.text_in(text, form), other.text_in(Some(0), form));
            assert_eq!(mine.as_deref(), its.as_deref(), "{known}");
            assert_eq!(own.segments_in(text, form), its.map(|text| text.segments()), "{known}");
        }
        for alphabet in [Alphabet::Gsm, Alphabet::Latin1, Alphabet::Ascii] {
            assert_eq!(own.form_in(text, alphabet), other.form_in(Some(0), alphabet), "{known}");
        }
    }
    assert_eq!(own.segments_max(), 2, "the longest, which every carrier takes as it is");
}
