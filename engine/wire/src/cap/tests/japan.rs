//! JMA's reports and messages of L-Alert.

use super::area::AreaSystem;
use super::draft::{Disposition, Hold, WarningAct};
use super::*;
use crate::terms::ids::Class;

const CONTROL: &str = "<Control><Title>津波情報</Title><DateTime>2027-03-01T00:59:00Z</DateTime>\
    <Status>通常</Status><PublishingOffice>気象庁</PublishingOffice></Control>";

fn item(kind: &str, code_type: &str, area: &str) -> String {
    format!(
        "<Item><Kind><Name>種類{kind}</Name><Code>{kind}</Code></Kind><Areas \
        codeType=\"{code_type}\">\
         <Area><Name>海岸</Name><Code>{area}</Code></Area></Areas></Item>"
    )
}

fn report(info_type: &str, serial: &str, family: &str, information: &str) -> String {
    format!(
        "<Report xmlns=\"http://xml.kishou.go.jp/jmaxml1/\">{CONTROL}\
         <Head xmlns=\"http://xml.kishou.go.jp/jmaxml1/informationBasis1/\"><Title>表題</Title>\
         <ReportDateTime>2027-03-01T09:59:00+09:00</ReportDateTime><EventID>\
         20270301095800</EventID>\
         <InfoType>{info_type}</InfoType><Serial>{serial}</Serial><InfoKind>{family}</InfoKind>\
         <Headline><Text>津波のおそれがあります。\n海岸から離れてください。</Text>{information}</Headline></Head>\
         <Body xmlns=\"http://xml.kishou.go.jp/jmaxml1/body/seismology1/\"/></Report>"
    )
}

const SEA: &str = "津波警報・注意報・予報";

fn tsunami(info_type: &str, kinds: &[(&str, &str)]) -> String {
    let items: String = kinds.iter().map(|(kind, area)| item(kind, "津波予報区", area)).collect();
    report(
        info_type,
        "",
        SEA,
        &format!("<Information type=\"津波予報領域表現\">{items}</Information>"),
    )
}

#[test]
fn the_kinds_of_a_report_decide_item_by_item() {
    let draft =
        draft(&tsunami("発表", &[("71", "310"), ("62", "801"), ("52", "802"), ("51", "803")]));
    assert_eq!((draft.act, draft.class), (WarningAct::NewChain, Some(Class::Emergency)));
    let legs: Vec<(Option<Class>, Vec<&str>)> = draft
        .legs
        .iter()
        .map(|leg| (leg.class, leg.area.codes.iter().map(|code| code.code.as_str()).collect()))
        .collect();
    assert_eq!(
        legs,
        [(Some(Class::Emergency), vec!["802", "803"]), (Some(Class::Urgent), vec!["801"])],
        "a slight change of the sea alarms nobody"
    );
    check_warned(&draft, "1 of them alarm nobody");
    assert!(
        draft
            .legs
            .iter()
            .flat_map(|leg| &leg.area.codes)
            .all(|code| code.system == AreaSystem::JmaTsunami)
    );
    assert_eq!(draft.legs[0].variants[0].text, "津波のおそれがあります。 海岸から離れてください。");
    assert_eq!(draft.deadline, Some(NOW + 3_600_000));
    let slight = super::draft(&tsunami("発表", &[("71", "310")]));
    assert_eq!(slight.disposition, Disposition::NothingIsSent("its kinds alarm nobody".to_owned()));
    assert_eq!(slight.legs, []);
}

#[test]
fn a_correction_and_a_recall_belong_to_the_events_chain() {
    let first = draft(&tsunami("発表", &[("62", "801")]));
    let corrected = draft(&tsunami("訂正", &[("51", "801")]).replace("<Serial>", "<Serial>2"));
    let recalled = draft(&report("取消", "", SEA, ""));
    assert_eq!((corrected.act, recalled.act), (WarningAct::Update, WarningAct::Cancel));
    assert!(first.alertid.is_some());
    assert_eq!((&corrected.alertid, &recalled.alertid), (&first.alertid, &first.alertid));
    assert_ne!(corrected.identifier, first.identifier);
    assert!(corrected.holds.is_empty() && recalled.holds.is_empty() && recalled.legs.is_empty());
    let lifted = draft(&tsunami("発表", &[("60", "801"), ("71", "310")]));
    assert_eq!((lifted.act, lifted.class), (WarningAct::AllClear, Some(Class::Urgent)));
    let late = draft(&tsunami("遅延", &[("51", "801")]));
    assert!(late.act == WarningAct::Note && late.disposition != Disposition::Draft);
}

#[test]
fn a_drill_is_never_real() {
    let drill = draft(&tsunami("発表", &[("52", "801")]).replace("通常", "訓練"));
    assert_eq!(drill.class, Some(Class::Exercise));
    assert!(drill.legs[0].variants[0].text.starts_with("【訓練】津波"));
    let test = draft(&tsunami("発表", &[("52", "801")]).replace("通常", "試験"));
    assert_ne!(test.disposition, Disposition::Draft);
}

#[test]
fn what_no_table_knows_is_held_and_what_is_unclear_is_refused() {
    let unknown = draft(&tsunami("発表", &[("99", "801")]));
    assert_eq!(unknown.holds, [Hold::ClassUnknown]);
    check_warned(&unknown, "\"99\"");
    let code = item("62", "津波予報区", "8010");
    let wrong = report("発表", "1", SEA, &format!("<Information>{code}</Information>"));
    assert_eq!(refusal(wrong.as_bytes()).kind, RefusalKind::Area);
    let strange = report(
        "発表",
        "1",
        SEA,
        &format!("<Information>{}</Information>", item("62", "漁区", "1")),
    );
    check_held(&draft(&strange), "漁区");
    let none = report("発表", "1", SEA, "");
    assert_eq!(refusal(none.as_bytes()).kind, RefusalKind::Area);
    for (part, other) in
        [("発表", "予告"), ("通常", "平常"), ("+09:00", ""), ("<EventID>", "<Event>")]
    {
        let text = tsunami("発表", &[("62", "801")]).replacen(part, other, 1);
        let text =
            text.replace("</EventID>", if part == "<EventID>" { "</Event>" } else { "</EventID>" });
        assert_eq!(refusal(text.as_bytes()).kind, RefusalKind::Alert, "{part}");
    }
}

#[test]
fn of_one_weather_warning_in_several_sizes_the_smallest_areas_count() {
    let family = "気象警報・注意報";
    let by = |kind: &str, code_type: &str, area: &str| {
        format!("<Information type=\"{kind}\">{}</Information>", item("33", code_type, area))
    };
    let wide = by("気象警報・注意報（府県予報区等）", "気象情報／府県予報区・細分区域等", "200000");
    let wider = wide.replace("府県予報区等", "一次細分区域等");
    let fine = by("気象警報・注意報（市町村等）", "気象・地震・火山情報／市町村等", "2042200");
    let rain = draft(&report("発表", "1", family, &format!("{wide}{wider}{fine}")));
    let codes: Vec<&str> = rain.legs[0].area.codes.iter().map(|code| code.code.as_str()).collect();
    assert_eq!((codes, rain.class), (vec!["2042200"], Some(Class::Emergency)));
    check_warned(&rain, "by municipalities");
    let unclear = report("発表", "1", family, &format!("{wide}{wider}"));
    assert_eq!(refusal(unclear.as_bytes()).kind, RefusalKind::Area);
}

fn lalert(text: &str) -> Result<Draft, WarningRefusal> {
    check_lalert(text.as_bytes(), &rules())
}

const MESSAGE: &str = r#"{"docid":"d-1","revision":"3","mode":"本番","citycode":"204226",
    "status":"更新","kind":"避難情報","level":"4","text":"高齢者等は避難","more":[1]}"#;

#[test]
fn a_message_of_l_alert_keeps_its_chain_through_its_revisions() {
    let update = lalert(MESSAGE).expect("read");
    assert_eq!(
        (update.act, update.revision, update.class),
        (WarningAct::Update, Some(3), Some(Class::Emergency))
    );
    assert_eq!(
        (update.holds.len(), update.legs[0].variants[0].text.as_str()),
        (0, "高齢者等は避難")
    );
    for ended in ["取消", "無効化"] {
        let end = lalert(&MESSAGE.replace("更新", ended).replace("\"3\"", "4")).expect("read");
        assert_eq!(
            (end.act, end.revision, &end.alertid),
            (WarningAct::Cancel, Some(4), &update.alertid)
        );
    }
    let other_town = lalert(&MESSAGE.replace("204226", "20201")).expect("read");
    let drill = lalert(&MESSAGE.replace("本番", "訓練")).expect("read");
    assert_eq!(drill.class, Some(Class::Exercise));
    assert!(other_town.alertid != update.alertid && drill.alertid != update.alertid);
    assert_ne!(
        lalert(&MESSAGE.replace("本番", "テスト")).expect("read").disposition,
        Disposition::Draft
    );
    for (level, class) in [("5", 3), ("3", 2), ("2", 1)] {
        let level = MESSAGE.replace("\"level\":\"4\"", &format!("\"level\":\"{level}\""));
        assert_eq!(lalert(&level).expect("read").class.map(Class::number), Some(class));
    }
    let no_text = lalert(&MESSAGE.replace("高齢者等は避難", "")).expect("read");
    check_held(&no_text, "no text in ja");
}

#[test]
fn a_message_of_l_alert_that_cannot_be_told_is_refused_by_its_field() {
    for (part, other, element) in [
        ("本番", "演習", "mode"),
        ("更新", "改", "status"),
        ("204226", "204220", "citycode"),
        ("\"3\"", "\"three\"", "revision"),
        ("\"3\"", "\"-3\"", "revision"),
        ("\"4\"", "\"x\"", "level"),
        ("d-1", "", "docid"),
        ("\"docid\"", "\"id\"", "document"),
        ("}", "", "document"),
    ] {
        let refusal = lalert(&MESSAGE.replacen(part, other, 1)).expect_err(part);
        assert_eq!(refusal.element, element, "{refusal}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(lalert(&deep).is_err());
}
