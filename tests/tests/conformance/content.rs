//! 4001 to 4008: what no SMS can carry, or not any more.

use super::{Case, MSN, ask, check, check_answer, site};
use tests::push::{Body, expiry_in};

//= push body text line ends
#[test]
fn a_line_end_counts_as_it_is_written() {
    let site = site();
    let engine = site.start();
    for (number, (text, segments)) in [
        ("a".repeat(159) + "\n", "1"),
        ("a".repeat(159) + "\r\n", "2"),
        ("a".repeat(158) + "\r\n", "1"),
        ("a".repeat(159) + "&#10;", "1"),
        ("a".repeat(159) + "&#13;&#10;", "2"),
        ("\n".repeat(160), "1"),
        ("\u{3042}".repeat(69) + "\n", "1"),
        ("\u{3042}".repeat(69) + "\r\n", "2"),
        ("\u{3042}".repeat(69) + "\t", "1"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = ask(&engine, &Body::text(MSN, &format!("line-end-{number}"), &text).request());
        assert_eq!(answer.code(), "0000", "{text:?}");
        assert_eq!(answer.elements().get("sepmaxnum"), segments, "{text:?}");
    }
    engine.stop();
}

#[test]
fn leading_zeros_of_a_reference_are_no_error() {
    let site = site();
    let engine = site.start();
    let zeros = "0".repeat(1_000);
    for (number, text) in
        ["&#0000000065;", "&#x00000000041;", &format!("&#{zeros}65;&#x{zeros}3042;")]
            .iter()
            .enumerate()
    {
        let answer = ask(&engine, &Body::text(MSN, &format!("zeros-{number}"), text).request());
        assert_eq!(
            (answer.code().as_str(), answer.elements().get("sepmaxnum")),
            ("0000", "1"),
            "{text}"
        );
    }
    engine.stop();
}

pub(super) const CODES: &[&str] = &["4001", "4002", "4003", "4004", "4005", "4006", "4007", "4008"];

const WHOLE_ONLY: &str = "00100000009";

#[test]
fn what_no_sms_can_carry_gets_its_code_and_status() {
    let site = site();
    site.add_client(WHOLE_ONLY, &["--no-segmentation"]);
    site.add_contracts(WHOLE_ONLY, &[MSN]);
    let engine = site.start();
    let text = |text: &str| Body::text(MSN, "content", text);
    let hex = |hex: &str| Body::push(MSN, "content").with("data", hex);
    let wide = "\u{3042}";
    let mut cases = Vec::new();
    let mut refused = |name: &str, body: Body, code: &'static str| {
        cases.push(Case::new(name, body.request(), 422, code));
    };
    refused("text of 1531 septets", text(&"a".repeat(1531)), "4001");
    refused("text of 671 units", text(&wide.repeat(671)), "4001");
    refused("control data of 1341 octets", hex(&"00".repeat(1341)), "4001");
    refused("text of 161 septets", text(&"a".repeat(161)).with("svcid", WHOLE_ONLY), "4002");
    refused("text of 71 units", text(&wide.repeat(71)).with("svcid", WHOLE_ONLY), "4002");
    refused("control data of 141 octets", hex(&"00".repeat(141)).with("svcid", WHOLE_ONLY), "4002");
    refused("no control data", hex(""), "4003");
    refused("no text", text(""), "4003");
    refused("an odd digit", hex("FFF"), "4004");
    refused("no hex digit", hex("GG"), "4004");
    refused("a blank in hex", hex("FF FF"), "4004");
    refused("kanji in GSM 7-bit", text("\u{6f22}").with("dcs", "00"), "4005");
    refused("a udh that overruns", hex("00").with("udh", "0605041580"), "4006");
    refused("a concatenation element", hex("00").with("udh", "050003010101"), "4006");
    refused(
        "a udh that leaves no room",
        hex("00").with("udh", &format!("8B70{}{}", "89", "00".repeat(137))[..268]),
        "4006",
    );
    refused("8-bit for text", text("a").with("dcs", "04"), "4007");
    refused("GSM 7-bit for control", hex("00").with("dcs", "00"), "4007");
    refused("a reserved coding", hex("00").with("dcs", "80"), "4007");
    refused("expired a second ago", hex("00").with("expiry", &expiry_in(-1)), "4008");
    refused("expired long ago", hex("00").with("expiry", "20000101000000"), "4008");
    let seen = check(&engine, &cases);
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), CODES);
    // Nothing but the probe was accepted.
    super::await_figure(&engine, "pushes_accepted", 1);
    engine.stop();
}

#[test]
fn the_longest_that_an_sms_can_carry_is_taken_whole() {
    let site = site();
    site.add_client(WHOLE_ONLY, &["--no-segmentation"]);
    site.add_contracts(WHOLE_ONLY, &[MSN]);
    let engine = site.start();
    let text = |text: &str| Body::text(MSN, "", text);
    let hex = |hex: &str| Body::push(MSN, "").with("data", hex);
    let wide = "\u{3042}";
    for (number, (name, body, segments)) in [
        ("160 septets", text(&"a".repeat(160)).with("svcid", WHOLE_ONLY), "1"),
        ("70 units", text(&wide.repeat(70)).with("svcid", WHOLE_ONLY), "1"),
        ("140 octets", hex(&"00".repeat(140)).with("svcid", WHOLE_ONLY), "1"),
        ("161 septets", text(&"a".repeat(161)), "2"),
        ("71 units", text(&wide.repeat(71)), "2"),
        ("141 octets", hex(&"00".repeat(141)), "2"),
        ("1530 septets", text(&"a".repeat(1530)), "10"),
        ("670 units", text(&wide.repeat(670)), "10"),
        ("1340 octets", hex(&"00".repeat(1340)), "10"),
        (
            "80 euro signs are 160 septets",
            text(&"\u{20ac}".repeat(80)).with("svcid", WHOLE_ONLY),
            "1",
        ),
        ("81 euro signs", text(&"\u{20ac}".repeat(81)), "2"),
        ("35 surrogate pairs", text(&"\u{1f6a8}".repeat(35)), "1"),
        ("references", text("&amp;&lt;&gt;&quot;&apos;&#x3042;&#12354;"), "1"),
        ("small hex digits", hex("ffeeaa"), "1"),
        ("a port header", hex("00").with("udh", "06050415811581"), "1"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = ask(&engine, &body.with("reqid", &format!("fits-{number}")).request());
        check_answer(name, &answer, 200, "0000");
        assert_eq!(answer.elements().get("sepmaxnum"), segments, "{name}");
    }
    engine.stop();
}
