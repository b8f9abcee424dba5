//! CAP: what an alert's elements decide.

use super::area::AreaSystem;
use super::draft::{Disposition, Hold, WarningAct};
use super::*;
use crate::terms::ids::Class;
use crate::terms::rfc3339::parse_rfc3339;

const TRIPLET: &str =
    "<urgency>Expected</urgency><severity>Severe</severity><certainty>Likely</certainty>";
const EXPIRES: &str = "<expires>2027-03-01T13:00:00+09:00</expires>";
const AREA: &str = "<area><areaDesc>山里町</areaDesc><geocode><valueName>JIS X0402</valueName>\
    <value>204226</value></geocode></area>";
const KIND: &str = "<msgType>Alert</msgType>";
const SCOPE: &str = "<scope>Public</scope>";

fn info(language: &str, headline: &str, severity: &str, code: &str) -> String {
    format!(
        "<info><language>{language}</language><event>e</event><urgency>Immediate</urgency>\
         <severity>{severity}</severity><certainty>Observed</certainty>{EXPIRES}\
         <headline>{headline}</headline><area><areaDesc>{language}</areaDesc>\
         <geocode><valueName>JIS X0402</valueName><value>{code}</value></geocode></area></info>"
    )
}

#[track_caller]
fn check_refused(text: &str, kind: RefusalKind, element: &str) {
    let refusal = refusal(text.as_bytes());
    assert_eq!((refusal.kind, refusal.element.as_str()), (kind, element), "{refusal}");
}

#[test]
fn a_plain_alert_is_a_draft_with_nothing_to_ask() {
    let draft = draft(&alert(&[]));
    assert_eq!((draft.act, draft.class), (WarningAct::NewChain, Some(Class::Emergency)));
    assert_eq!(draft.disposition, Disposition::Draft);
    assert_eq!(draft.deadline, parse_rfc3339("2027-03-01T13:00:00+09:00"));
    assert_eq!(draft.start, None);
    let [leg] = draft.legs.as_slice() else { panic!("one leg: {draft:?}") };
    let codes: Vec<_> = leg.area.codes.iter().collect();
    assert_eq!(codes.len(), 1);
    assert_eq!((&codes[0].system, codes[0].code.as_str()), (&AreaSystem::JisX0402, "20422"));
    let [variant] = leg.variants.as_slice() else { panic!("one text") };
    assert_eq!(variant.text, "土砂災害のおそれ 崖から離れてください。");
    assert_eq!((variant.alphabet.as_str(), variant.segments), ("UCS-2", 1));
    assert_eq!((draft.holds, draft.warnings.all()), (Vec::new(), &[][..]));
    let name = draft.alertid.expect("a new chain has a name");
    assert!(
        name.len() == 26
            && name.bytes().all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit())
    );
    assert_ne!(Some(&name), Some(&alertid("desk@town.test", "K-8")));
    // `printf a,b | sha256sum | xxd -r -p | base32`
    assert_eq!(name, alertid("desk@town.test", "K-7"));
    assert_eq!(alertid("a", "b"), "D234KTKSQMN372EUFLYLDRLLOQ");
}

#[test]
fn the_three_words_decide_the_class() {
    let class = |urgency: &str, severity: &str, certainty: &str| {
        let words = format!(
            "<urgency>{urgency}</urgency><severity>{severity}</severity><certainty>\
            {certainty}</certainty>"
        );
        draft(&alert(&[(TRIPLET, &words)])).class.map(Class::number)
    };
    for (urgency, severity, certainty, expected) in [
        ("Immediate", "Extreme", "Observed", Some(3)),
        ("Expected", "Severe", "Likely", Some(3)),
        ("Expected", "Severe", "Possible", Some(2)),
        ("Future", "Extreme", "Observed", Some(2)),
        ("Immediate", "Moderate", "Observed", Some(2)),
        ("Immediate", "Minor", "Observed", Some(1)),
        ("Unknown", "Unknown", "Unknown", Some(1)),
        ("", "", "", None),
        ("Immediate", "", "Observed", None),
        ("Soon", "Extreme", "Observed", None),
    ] {
        assert_eq!(
            class(urgency, severity, certainty),
            expected,
            "{urgency} {severity} {certainty}"
        );
    }
    let unknown = draft(&alert(&[(TRIPLET, "")]));
    check_held(&unknown, "no class can be told");
    assert_eq!(unknown.deadline, None);
}

#[test]
fn an_update_names_its_chain_whatever_its_blanks_and_offsets() {
    let references = "<references>desk@town.test,K-5,2027-03-01T00:00:00-00:00  \n\t\
        desk@town.test,K-6,2027-03-01T09:30:00+09:00\n desk@town.test,K-5,\
        2027-03-01T09:00:00+09:00 \
        broken desk@town.test,K-4,yesterday</references>";
    let scope = format!("{SCOPE}{references}");
    let update = draft(&alert(&[(KIND, "<msgType>Update</msgType>"), (SCOPE, &scope)]));
    assert_eq!((update.act, update.alertid.as_deref()), (WarningAct::Update, None));
    let names: Vec<&str> =
        update.references.iter().map(|known| known.identifier.as_str()).collect();
    assert_eq!(names, ["K-5", "K-6", "K-4"]);
    assert_eq!(update.references[0].sent, parse_rfc3339("2027-03-01T09:00:00+09:00"));
    assert_eq!(update.references[2].sent, None);
    check_warned(&update, "\"broken\" is not sender,identifier,sent");
    check_warned(&update, "\"yesterday\" cannot be read");
    assert_eq!(update.holds, []);
    for empty in ["", "<references></references>", "<references> \n </references>"] {
        let scope = format!("{SCOPE}{empty}");
        let update = draft(&alert(&[(KIND, "<msgType>Update</msgType>"), (SCOPE, &scope)]));
        assert_eq!(update.holds, [Hold::NoReferences], "it never starts by itself");
    }
}

#[test]
fn a_cancel_needs_no_info_and_sends_nothing_of_its_own() {
    let text = alert(&[(KIND, "<msgType>Cancel</msgType>")]);
    let (head, _) = text.split_once("<info>").expect("an info");
    let references = "<references>desk@town.test,K-5,2027-03-01T09:00:00+09:00</references>";
    let cancel = draft(&format!("{head}<note>誤報</note>{references}</alert>"));
    assert_eq!((cancel.act, cancel.legs.len(), cancel.holds.len()), (WarningAct::Cancel, 0, 0));
    assert_eq!((cancel.class, cancel.deadline), (None, None));
    assert_eq!(draft(&format!("{head}</alert>")).holds, [Hold::NoReferences]);
    let alert = head.replace("Cancel", "Alert");
    check_refused(&format!("{alert}</alert>"), RefusalKind::Alert, "info");
}

#[test]
fn an_all_clear_is_urgent_and_may_be_expired_when_it_comes() {
    let past = "<urgency>Past</urgency><severity>Unknown</severity><certainty>Unlikely</certainty>";
    let references =
        format!("{SCOPE}<references>desk@town.test,K-5,2027-03-01T09:00:00+09:00</references>");
    let changes = [
        (KIND, "<msgType>Update</msgType>"),
        (SCOPE, references.as_str()),
        (TRIPLET, past),
        (EXPIRES, "<expires>2027-03-01T09:58:00+09:00</expires>"),
        ("Shelter", "None"),
        (AREA, ""),
    ];
    let clear = draft(&alert(&changes));
    assert_eq!((clear.act, clear.class), (WarningAct::AllClear, Some(Class::Urgent)));
    assert_eq!(clear.deadline, Some(NOW + 6 * 3_600_000));
    assert_eq!(clear.holds, []);
    let by_response = draft(&alert(&[("Shelter", "AllClear")]));
    assert_eq!(by_response.act, WarningAct::AllClear);
    assert_eq!(by_response.holds, [Hold::NoReferences], "nobody knows what is over");
    let both =
        alert(&[(INFO_END, &format!("{INFO_END}{}", info("ja", "高波", "Severe", "20201")))])
            .replace("<responseType>Shelter", "<responseType>AllClear");
    check_held(&draft(&both), "both that a danger holds");
}

#[test]
fn no_area_is_never_everywhere() {
    check_refused(&alert(&[(AREA, "")]), RefusalKind::Area, "info[1]/area");
    check_refused(
        &alert(&[(AREA, "<area><areaDesc>全域</areaDesc></area>")]),
        RefusalKind::Area,
        "info[1]/area",
    );
    let empty = "<area><areaDesc>x</areaDesc><polygon/></area>";
    check_refused(&alert(&[(AREA, empty)]), RefusalKind::Area, "info[1]/area");
    let wrong_digit = alert(&[("204226", "204227")]);
    check_refused(&wrong_digit, RefusalKind::Area, "info[1]/area[1]/geocode");
    let unheard = draft(&alert(&[("JIS X0402", "townlist")]));
    check_held(&unheard, "\"townlist\"");
}

#[test]
fn a_polygon_is_read_with_its_oddities_and_refused_where_its_inside_cannot_be_told() {
    let with =
        |polygon: &str| alert(&[(AREA, &AREA.replace("</area>", &format!("{polygon}</area>")))]);
    let odd = draft(&with(
        "<polygon>+36.10,138.0 +36.2,138.1 36.0,+138.2, +36.10,138.0 </polygon><polygon></polygon>",
    ));
    check_warned(&odd, "comma");
    check_warned(&odd, "empty");
    assert_eq!((odd.legs[0].area.polygons.len(), odd.legs[0].area.polygons[0].len()), (1, 4));
    assert_eq!(odd.legs[0].area.polygons[0][2].longitude_e7, 1_382_000_000);
    check_warned(&draft(&with("<polygon>36,138 36,139 37,139</polygon>")), "not closed");
    let circle = draft(&with("<circle>36.5,138.5 12.5</circle>"));
    assert_eq!(circle.legs[0].area.circles[0].radius_m, 12_500);
    for (shape, element) in [
        ("<polygon>36,138 37,139 36,139 37,138 36,138</polygon>", "polygon"),
        ("<polygon>36,138 36,139</polygon>", "polygon"),
        ("<polygon>96,138 36,139 37,139 96,138</polygon>", "polygon"),
        ("<polygon>36 138 36 139 37 139 36 138</polygon>", "polygon"),
        ("<polygon>nan,138 36,139 37,139 nan,138</polygon>", "polygon"),
        ("<circle>36,138</circle>", "circle"),
        ("<circle>36,138 -1</circle>", "circle"),
    ] {
        check_refused(&with(shape), RefusalKind::Area, &format!("info[1]/area[1]/{element}"));
    }
}

#[test]
fn the_costliest_polygons_are_read_in_bounded_time() {
    // Each side reaches across all others: the most comparisons that a polygon can ask for.
    let corners = |number: usize| format!("{}.{:04},{}", 30, number, 130 + number % 2 * 10);
    let points: Vec<String> = (0..9_000).map(corners).collect();
    // Back round the outside, so that nothing crosses and the search never ends early.
    let polygon =
        format!("<polygon>{} 31,140 31,129 29,129 {}</polygon>", points.join(" "), points[0]);
    let text = alert(&[(AREA, &AREA.replace("</area>", &format!("{polygon}</area>")))]);
    check_warned(&draft(&text), "too many points");
    let many = "<polygon>36,138 36,139 37,139 36,138</polygon>".repeat(101);
    let text = alert(&[(AREA, &AREA.replace("</area>", &format!("{many}</area>")))]);
    check_refused(&text, RefusalKind::Area, "info[1]/area[1]/polygon");
}

#[test]
fn languages_of_one_area_are_texts_of_one_leg() {
    let shapes = "<polygon>36,138 36,139 37,139 36,138</polygon><circle>36,138 5</circle></area>";
    let tags = [("fr-CA", "Tempête"), ("en-CA", "Storm"), ("de", "Sturm")];
    let infos =
        tags.map(|(tag, text)| info(tag, text, "Severe", "20201").replace("</area>", shapes));
    let text = alert(&[(INFO_END, &(INFO_END.to_owned() + &infos.concat()))]);
    let draft = draft(&text);
    assert_eq!(draft.legs.len(), 2);
    let leg = &draft.legs[1];
    let languages: Vec<&str> =
        leg.variants.iter().map(|variant| variant.language.as_str()).collect();
    assert_eq!(languages, ["fr-CA", "en-CA", "de"]);
    assert_eq!(leg.area.names, ["fr-CA", "en-CA", "de"]);
    assert_eq!(
        (leg.area.polygons.len(), leg.area.circles.len()),
        (1, 1),
        "one place, three languages"
    );
    check_warned(&draft, "languages that others lack");
}

#[test]
fn the_gravest_leg_comes_first_and_what_is_said_twice_counts_once() {
    let grave = info("ja", "直ちに避難", "Extreme", "20201");
    let text = alert(&[("Severe", "Moderate"), (INFO_END, &format!("{INFO_END}{grave}{grave}"))]);
    let draft = draft(&text);
    let classes: Vec<Option<u8>> =
        draft.legs.iter().map(|leg| leg.class.map(Class::number)).collect();
    assert_eq!(
        (classes.as_slice(), draft.class),
        (&[Some(3), Some(2)][..], Some(Class::Emergency))
    );
    check_warned(&draft, "counts once");
    check_warned(&draft, "lower class");
}

#[test]
fn a_text_is_held_against_its_language() {
    check_warned(&draft(&alert(&[("<language>ja</language>", "")])), "en-US is written in");
    let same = info("en", "Leave now", "Severe", "20422").replace("<instruction>", "");
    let other = same.replace("<language>en", "<language>de");
    let text = alert(&[(INFO_END, &format!("{INFO_END}{same}{other}"))]);
    check_warned(&draft(&text), "have the same text");
}

#[test]
fn an_exercise_says_so_and_a_test_goes_nowhere() {
    let exercise = draft(&alert(&[("Actual", "Exercise")]));
    assert_eq!(exercise.class, Some(Class::Exercise));
    assert_eq!(
        exercise.legs[0].variants[0].text,
        "【訓練】土砂災害のおそれ 崖から離れてください。"
    );
    check_warned(&exercise, "put in front");
    let said = draft(&alert(&[("Actual", "Exercise"), ("土砂災害のおそれ", "（訓練）土砂災害")]));
    assert_eq!(said.warnings.all(), []);
    for status in ["Test", "System"] {
        let test = draft(&alert(&[("Actual", status)]));
        assert!(matches!(test.disposition, Disposition::NothingIsSent(_)), "{status}");
    }
    assert_eq!(draft(&alert(&[("Actual", "Draft")])).holds, [Hold::NotReady]);
    for kind in ["Ack", "Error"] {
        let note = draft(&alert(&[(KIND, &format!("<msgType>{kind}</msgType>"))]));
        assert!(note.act == WarningAct::Note && note.disposition != Disposition::Draft, "{kind}");
    }
}

#[test]
fn a_deadline_is_the_expiry_or_the_classs_and_never_for_ever() {
    let hour_ms = 3_600_000;
    for (severity, hours) in [("Severe", 1), ("Moderate", 6), ("Minor", 24)] {
        let draft = draft(&alert(&[(EXPIRES, ""), ("Severe", severity)]));
        assert_eq!(draft.deadline, Some(NOW + hours * hour_ms), "{severity}");
        check_warned(&draft, "missing");
    }
    for expires in ["2027-03-01T09:59:00+09:00", "2027-03-01T01:00:00Z"] {
        let text = alert(&[("2027-03-01T13:00:00+09:00", expires)]);
        check_refused(&text, RefusalKind::Alert, "info/expires");
    }
    let far = draft(&alert(&[("2027-03-01T13", "2027-03-09T13")]));
    assert_eq!(far.deadline, Some(NOW + 72 * hour_ms));
    let later =
        draft(&alert(&[("<event>", "<effective>2027-03-01T11:00:00+09:00</effective><event>")]));
    assert_eq!(later.start, Some(NOW + hour_ms));
    let text = alert(&[(EXPIRES, "")]);
    for profile in [Profile::Ipaws, Profile::CapAu] {
        let refusal =
            check_xml(text.as_bytes(), &Rules { profile, ..rules() }).expect_err("required");
        assert_eq!(refusal.element, "info/expires");
    }
}

#[test]
fn a_profiles_own_text_comes_before_the_headline_and_sound_is_passed_over() {
    let sound = "QUJD".repeat(40_000);
    let extra = format!(
        "<parameter><valueName>CMAMtext</valueName><value>Leave the valley\n now</value>\
        </parameter>\
         <resource><resourceDesc>x</resourceDesc><derefUri>{sound}</derefUri></resource><area>"
    );
    let text = alert(&[("<area>", &extra)]);
    let rules = Rules { profile: Profile::Ipaws, ..rules() };
    let ipaws = check_xml(text.as_bytes(), &rules).expect("read");
    assert_eq!(ipaws.legs[0].variants[0].text, "Leave the valley now");
    assert_eq!(ipaws.legs[0].variants[0].made_of, ["CMAMtext"]);
    let plain = draft(&text);
    assert_eq!(plain.legs[0].variants[0].made_of, ["headline", "instruction"]);
    assert!(format!("{plain:?}").len() < 10_000, "what is embedded is not kept");
}

#[test]
fn nothing_is_cut_and_nothing_is_made_up() {
    let long = draft(&alert(&[("崖から離れてください。", &"避難".repeat(120))]));
    check_held(&long, "takes 4 short messages and 3 are allowed");
    let longest = draft(&alert(&[("崖から離れてください。", &"避難".repeat(2_000))]));
    check_held(&longest, "short messages");
    check_refused(
        &alert(&[("崖から離れてください。", &"避".repeat(8_001))]),
        RefusalKind::Alert,
        "info[1]/instruction",
    );
    let silent =
        alert(&[("<headline>土砂災害のおそれ</headline>", ""), ("崖から離れてください。", "")]);
    check_held(&draft(&silent), "no text in ja");
}

#[test]
fn an_element_that_is_missing_doubled_or_of_no_meaning_is_refused_by_name() {
    for element in ["identifier", "sender", "sent", "status", "msgType", "scope"] {
        let text = alert(&[]);
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        let (from, to) = (text.find(&open).expect("there"), text.find(&close).expect("there"));
        let whole = text[from..to + close.len()].to_owned();
        check_refused(&text.replace(&whole, ""), RefusalKind::Alert, element);
        check_refused(&text.replace(&whole, &whole.repeat(2)), RefusalKind::Alert, element);
        let empty = text.replace(&text[from + open.len()..to].to_owned(), " ");
        check_refused(&empty, RefusalKind::Alert, element);
    }
    for (part, other, element) in [
        ("Actual", "actual", "status"),
        ("<msgType>Alert", "<msgType>Alarm", "msgType"),
        ("Public", "Everybody", "scope"),
        ("2027-03-01T09:58:00+09:00", "2027-03-01T09:58:00", "sent"),
        ("2027-03-01T13:00:00+09:00", "at one", "info[1]/expires"),
        ("Public", "Private", "addresses"),
    ] {
        check_refused(&alert(&[(part, other)]), RefusalKind::Alert, element);
    }
    let addressed = "<scope>Restricted</scope><addresses>fire \"coast guard\"</addresses>";
    let draft = draft(&alert(&[(SCOPE, addressed)]));
    assert_eq!(
        (draft.lists.as_slice(), draft.holds.as_slice()),
        (&["fire".to_owned(), "coast guard".to_owned()][..], &[Hold::NotPublic][..])
    );
}

#[test]
fn a_signature_is_told_and_proves_nothing() {
    let signed =
        alert(&[("</alert>", "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"/></alert>")]);
    assert!(draft(&signed).not_verified.contains("verifies no signatures"));
    assert!(draft(&alert(&[])).not_verified.contains("no signature"));
}
