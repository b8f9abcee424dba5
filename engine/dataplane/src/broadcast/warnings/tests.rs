//! What a warning becomes on a source's terms.

use wire::cap::{Profile, Rules, check_xml};
use wire::terms::rfc3339::parse_rfc3339;

use super::*;
use crate::broadcast::areas::features::{FeatureNames, FeatureReader};

fn alert_text(status: &str, infos: &str) -> String {
    format!(
        "<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"><identifier>K-1</identifier>\
         <sender>desk@town.test</sender><sent>2027-03-01T09:58:00+09:00</sent>\
         <status>{status}</status><msgType>Alert</msgType><scope>Public</scope>{infos}</alert>"
    )
}

fn info(language: &str, headline: &str, area: &str) -> String {
    format!(
        "<info><language>{language}</language><category>Geo</category><event>slide</event>\
         <urgency>Immediate</urgency><severity>Severe</severity><certainty>Likely</certainty>\
         <expires>2027-03-01T12:00:00+09:00</expires><headline>{headline}</headline>{area}</info>"
    )
}

fn code(system: &str, code: &str) -> String {
    format!(
        "<area><areaDesc>千代田</areaDesc><geocode><valueName>{system}</valueName>\
         <value>{code}</value></geocode></area>"
    )
}

fn draft(text: &str) -> Draft {
    let now = parse_rfc3339("2027-03-01T10:00:00+09:00").expect("an instant");
    let rules = Rules { profile: Profile::Cap, now, segments_max: 3 };
    check_xml(text.as_bytes(), &rules).unwrap_or_else(|refusal| panic!("{refusal}"))
}

fn lists() -> Vec<(String, String)> {
    vec![("li-1".to_owned(), "residents".to_owned()), ("li-2".to_owned(), "fire".to_owned())]
}

fn terms<'a>(
    lists: &'a [(String, String)],
    template: Option<&'a TemplateWanted>,
) -> SourceTerms<'a> {
    SourceTerms {
        xpid: "00100000001",
        sender: "Town",
        lists,
        template,
        hold_seconds: 30,
        recipients_max: Some(5_000),
        segments_max: 3,
    }
}

fn place() -> ChainPlace {
    ChainPlace { alertid: alertid("desk@town.test", "K-1"), alertseq: 0, started: Vec::new() }
}

fn proposed(text: &str, template: Option<&TemplateWanted>) -> Result<Proposal, WarningRefusal> {
    let lists = lists();
    propose(&draft(text), &terms(&lists, template), &AreaCatalogue::of_japan(), &place())
}

#[test]
fn a_warning_becomes_a_manifest_on_its_sources_terms() {
    let text = alert_text("Actual", &info("ja", "避難", &code("JIS X0402", "131016")));
    let proposal = proposed(&text, None).expect("a proposal");
    let manifest = proposal.manifest.clone().checked().expect("one that can be checked");
    assert_eq!((manifest.class.as_str(), manifest.legs.len()), ("03", 2), "a leg a list");
    assert_eq!(manifest.legs[1].audience.areas, Some(Areas::Codes(vec!["13101".to_owned()])));
    assert_eq!(manifest.legs[0].texts.variants["ja"], "避難");
    assert_eq!(manifest.deadline.as_deref(), Some("2027-03-01T12:00:00+09:00"));
    assert_eq!((manifest.hold_seconds, manifest.expect.recipients), (30, Some([1, 5_000])));
    assert_eq!(manifest.reqid, reqid_of("desk@town.test", "K-1"));
    assert_eq!((manifest.reqid.len(), proposal.waits.len()), (23, 0));
}

#[test]
fn an_area_that_nobody_knows_is_refused_with_the_nearest_names() {
    let text = alert_text("Actual", &info("ja", "避難", &code("FIPS6", "032013")));
    let refusal = proposed(&text, None).expect_err("unknown");
    assert_eq!(refusal.kind.code(), Some(7103));
    assert!(refusal.sentence.contains("13101 千代田区"), "{refusal}");
    let shape = "<area><areaDesc>x</areaDesc><polygon>35,139 36,139 36,140 35,139</polygon></area>";
    let refusal = proposed(&alert_text("Actual", &info("ja", "避難", shape)), None);
    assert!(refusal.expect_err("no boundary").sentence.contains("load boundaries"));
}

#[test]
fn a_shape_adds_what_it_reaches_to_the_codes() {
    let mut reader = FeatureReader::new(FeatureNames::default());
    let feature = r#"{"type":"Feature","properties":{"code":"13102","aliases":["FIPS6:032013"]},
        "geometry":{"type":"Polygon",
        "coordinates":[[[139,35],[140,35],[140,36],[139,36],[139,35]]]}}"#;
    reader.take(feature.replace('\n', "").as_bytes()).expect("an area");
    let catalogue = reader.finish().expect("a catalogue");
    let shape = "<area><areaDesc>x</areaDesc><polygon>35,139.9 36,139.9 36,141 35,141 35,139.9\
                 </polygon></area>";
    let area = code("JIS X0402", "13101") + shape;
    let lists = lists();
    let text = alert_text("Actual", &info("ja", "避難", &area));
    let found = propose(&draft(&text), &terms(&lists, None), &catalogue, &place());
    let found = found.expect("a proposal");
    let codes = Some(Areas::Codes(vec!["13101".to_owned(), "13102".to_owned()]));
    assert_eq!(found.manifest.legs[0].audience.areas, codes);
    assert!(found.warnings[0].contains("in part, 10.0 %"), "{:?}", found.warnings);
    // What it reaches in part it narrows, and not what is named by its code.
    let within = found.manifest.legs[0].audience.within.clone().expect("its shape");
    assert_eq!(within.areas, ["13102"]);
    assert_eq!(within.polygons.len(), 1, "{within:?}");
    found.manifest.checked().expect("one that can be checked");
    let named = alert_text("Actual", &info("ja", "避難", &(code("FIPS6", "032013") + shape)));
    let named = propose(&draft(&named), &terms(&lists, None), &catalogue, &place());
    assert_eq!(named.expect("a proposal").manifest.legs[0].audience.within, None);
    let alias = alert_text("Actual", &info("ja", "避難", &code("FIPS6", "032013")));
    let found = propose(&draft(&alias), &terms(&lists, None), &catalogue, &place());
    let codes = Some(Areas::Codes(vec!["13102".to_owned()]));
    assert_eq!(found.expect("a proposal").manifest.legs[0].audience.areas, codes);
}

#[test]
fn two_languages_are_two_texts_and_one_of_both_for_everybody_else() {
    let area = code("JIS X0402", "13101");
    let infos = info("fr-CA", "vent violent", &area) + &info("en-CA", "storm", &area);
    let proposal = proposed(&alert_text("Actual", &infos), None).expect("a proposal");
    let texts = &proposal.manifest.legs[0].texts;
    let languages: Vec<&String> = texts.variants.keys().collect();
    assert_eq!(languages, ["en-CA", "fr-CA", "mul"]);
    assert_eq!(
        (texts.variants["mul"].as_str(), &texts.fallback[..]),
        ("vent violent / storm", &["mul".to_owned()][..])
    );
    let long = info("fr-CA", &"é".repeat(350), &area) + &info("en-CA", &"a".repeat(300), &area);
    let proposal = proposed(&alert_text("Actual", &long), None).expect("a proposal");
    assert_eq!(proposal.manifest.legs[0].texts.fallback, ["fr-CA"], "both do not fit");
}

#[test]
fn what_a_source_says_is_never_read_as_a_parameter() {
    let area = code("JIS X0402", "13101");
    let text = alert_text("Exercise", &info("ja", "{{secret}}へ", &area));
    let proposal = proposed(&text, None).expect("a proposal");
    let texts = &proposal.manifest.legs[0].texts;
    assert_eq!(rendered(&texts.variants["ja"], &texts.parameters), "【訓練】{{secret}}へ");
    let template = TemplateWanted {
        variants: [("ja".to_owned(), "{{headline}}。{{ shelter }}へ（{{senderName}}）".to_owned())]
            .into(),
        ..TemplateWanted::default()
    };
    let proposal = proposed(&text, Some(&template)).expect("a proposal");
    let texts = &proposal.manifest.legs[0].texts;
    assert_eq!(
        texts.variants["ja"],
        "【訓練】{{headline-ja}}。{{ shelter }}へ（{{senderName-ja}}）"
    );
    assert_eq!(texts.parameters["headline-ja"], "{{secret}}へ");
    let english = alert_text("Actual", &info("en", "Leave", &area));
    let proposal = proposed(&english, Some(&template)).expect("a proposal");
    assert!(proposal.waits[0].contains("no text in en"), "{:?}", proposal.waits);
}

#[test]
fn an_all_clear_goes_to_those_whom_the_chain_may_have_reached() {
    let clear = info("ja", "解除", "").replace("Immediate", "Past");
    let text = alert_text("Actual", &clear).replace(
        "<scope>Public</scope>",
        "<scope>Public</scope><references>desk@town.test,K-0,2027-03-01T09:00:00+09:00\
         </references>",
    );
    let text = text.replace("<msgType>Alert", "<msgType>Update");
    let started = |broadcast: &str, list: &str| ChainBroadcast {
        broadcast: broadcast.to_owned(),
        lists: vec![(list.to_owned(), 3)],
    };
    let chain = ChainPlace {
        alertid: "A".to_owned(),
        alertseq: 2,
        started: vec![started("bc-1", "li-1"), started("bc-2", "li-2")],
    };
    let lists = lists();
    let draft = draft(&text);
    let proposal = propose(&draft, &terms(&lists, None), &AreaCatalogue::of_japan(), &chain);
    let manifest = proposal.expect("a proposal").manifest;
    assert_eq!((manifest.class.as_str(), manifest.alertseq), ("02", Some(2)));
    let of: Vec<&str> = manifest
        .legs
        .iter()
        .filter_map(|leg| leg.audience.of.as_ref())
        .map(|of| of.broadcast.as_str())
        .collect();
    assert_eq!(of, ["bc-1", "bc-2"]);
    assert_eq!(manifest.legs[0].audience.version, Some(3));
    let nobody = propose(&draft, &terms(&lists, None), &AreaCatalogue::of_japan(), &place());
    assert!(nobody.expect_err("nobody was reached").sentence.contains("0 legs"));
}

#[test]
fn a_warning_for_some_goes_to_the_lists_that_it_addresses() {
    let text = alert_text("Actual", &info("ja", "避難", &code("JIS X0402", "13101")))
        .replace("<scope>Public</scope>", "<scope>Restricted</scope><addresses>fire</addresses>");
    let proposal = proposed(&text, None).expect("a proposal");
    let lists: Vec<&str> =
        proposal.manifest.legs.iter().map(|leg| leg.audience.list.as_str()).collect();
    assert_eq!(lists, ["li-2"]);
    let stranger = proposed(&text.replace(">fire<", ">police<"), None).expect_err("no list");
    assert_eq!(stranger.element, "addresses");
}
