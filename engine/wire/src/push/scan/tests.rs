use super::*;
use crate::push::samples::{CANONICAL, with};
use proptest::prelude::*;

fn code_of(body: &[u8]) -> Code {
    match scan(body) {
        Ok(_) => Code::ACCEPTED,
        Err(refusal) => refusal.code,
    }
}

fn push_of(body: &[u8]) -> PushRequest<'_> {
    match scan(body) {
        Ok(Request::Push(push)) => push,
        other => panic!("{other:?}"),
    }
}

/// The sample with `extra` elements before `data`.
fn with_extra(extra: &str) -> Vec<u8> {
    with("<data>", &format!("{extra}<data>"))
}

/// The sample as a text push with these octets as data.
fn text_push(data: &[u8]) -> Vec<u8> {
    let front = with("<ctrlflg>0", "<ctrlflg>1");
    let at =
        front.windows(10).position(|window| window == b"FFFFFFFFFF").expect("the sample's data");
    [&front[..at], data, &front[at + 10..]].concat()
}

const CANCEL: &str = "<?xml version=\"1.0\"?>\n<fncid>0201</fncid>\n<comway>1101</comway>\n\
    <msn>09012345678</msn>\n<reqid>r-1</reqid>\n<svcid>00100000001</svcid>\n";

//= push body canonical
#[test]
fn the_sample_is_read_by_both_paths() {
    let expected = PushRequest {
        class: Class::Standard,
        msn: Msn::parse(b"09012345678").expect("legal"),
        reqid: Reqid::parse(b"20261122223430-00000001").expect("legal"),
        xpid: Xpid::parse(b"00100000001").expect("legal"),
        lifetime_hours: 5,
        kind: Kind::Control,
        protocol_identifier: None,
        coding_scheme: None,
        udh_hex: None,
        sender: None,
        wants_notification: None,
        expiry_ms: None,
        alert: None,
        data: b"FFFFFFFFFF",
    };
    assert_eq!(canonical::scan(CANONICAL), Some(expected));
    assert_eq!(fields::scan(CANONICAL), Ok(Request::Push(expected)));
    assert_eq!(scan(CANONICAL), Ok(Request::Push(expected)));
}

#[test]
fn the_canonical_path_takes_the_common_variations() {
    for body in [
        with("</data>\r\n", "</data>"),
        with("</data>\r\n", "</data>\n"),
        with("20261122223430-00000001", "x"),
        with("<comway>1101", "<comway>1109"),
        with_extra("<dlvntf>1</dlvntf>\r\n<alertid>a</alertid>\n<alertseq>07</alertseq>"),
        text_push("地震".as_bytes()),
        with("FFFFFFFFFF", ""),
    ] {
        let push = canonical::scan(&body).expect("canonical");
        assert_eq!(
            fields::scan(&body),
            Ok(Request::Push(push)),
            "{}",
            String::from_utf8_lossy(&body)
        );
    }
}

#[test]
fn line_ends_and_declarations_may_differ() {
    let sample = str::from_utf8(CANONICAL).expect("ASCII");
    for line_end in ["", "\n", "\r\n"] {
        for declaration in
            ["<?xml version=\"1.0\"?>", "<?xml version = \"1.0\" encoding = \"UTF-8\" ?>"]
        {
            let body =
                sample.replace("\r\n", line_end).replace("<?xml version = \"1.0\" ?>", declaration);
            assert_eq!(push_of(body.as_bytes()), push_of(CANONICAL));
        }
    }
}

//= push body order
#[test]
fn elements_may_come_in_any_order_but_data_last() {
    let shuffled = "<?xml version=\"1.0\"?><ctrlflg>0</ctrlflg><svcid>00100000001</svcid>\
        <dcs>f5</dcs><lifetime>05</lifetime>\
        <msn>09012345678</msn><comway>1101</comway><reqid>20261122223430-00000001</reqid>\
        <fncid>0101</fncid>\
        <data>FFFFFFFFFF</data>";
    let expected = PushRequest { coding_scheme: Some(0xf5), ..push_of(CANONICAL) };
    assert_eq!(push_of(shuffled.as_bytes()), expected);
    assert_eq!(code_of(&with("</data>\r\n", "</data><pid>00</pid>")), Code::NOT_FLAT_FORM);
    assert_eq!(code_of(&with("</data>\r\n", "</data><color>red</color>")), Code::NOT_FLAT_FORM);
}

//= push element pid and dcs
//= push element udh
//= push element oadr
//= push element dlvntf
//= push element expiry
//= push element alert
#[test]
fn optional_elements_are_read() {
    let body = with_extra(
        "<pid>7f</pid><dcs>F6</dcs><udh>0605040B8423F0</udh><oadr>Hayauma.1_-</oadr>\
         <dlvntf>0</dlvntf>\
         <expiry>20261122223430</expiry><alertid>quake-1</alertid><alertseq>99</alertseq>",
    );
    let push = push_of(&body);
    assert_eq!((push.protocol_identifier, push.coding_scheme), (Some(0x7f), Some(0xf6)));
    assert_eq!(
        (push.udh_hex, push.sender),
        (Some(&b"0605040B8423F0"[..]), Some(&b"Hayauma.1_-"[..]))
    );
    assert_eq!((push.wants_notification, push.expiry_ms), (Some(false), Some(1_795_354_470_000)));
    assert_eq!(push.alert, Some(Alert { id: b"quake-1", sequence: 99 }));
}

//= push body flat
#[test]
fn code_1001_anything_but_the_flat_form() {
    for body in [
        b"".to_vec(),
        b"{\"fncid\":\"0101\"}".to_vec(),
        with("<?xml version = \"1.0\" ?>\r\n", ""),
        with("<?xml version = \"1.0\" ?>\r\n", "<?xml version = \"1.0\" ?>\r\n<push>\r\n"),
        with("<msn>", "<msn kind=\"a\">"),
        with("<msn>", "<!-- msn --><msn>"),
        with("<fncid>", "<!DOCTYPE a><fncid>"),
        with("<fncid>", "<?target?><fncid>"),
        with("FFFFFFFFFF", "<![CDATA[FF]]>"),
        with("FFFFFFFFFF", "<b>FF</b>"),
        with("</data>", ""),
        with("</msn>", "</reqid>"),
        with("</msn>\r\n", "</msn>\r\n\r\n"),
        with("</msn>\r\n", "</msn> "),
        with("<data>FFFFFFFFFF</data>", "<data/>"),
    ] {
        assert_eq!(code_of(&body), Code::NOT_FLAT_FORM, "{}", String::from_utf8_lossy(&body));
    }
}

//= push body elements
#[test]
fn code_1002_each_required_element() {
    for element in ["fncid", "comway", "msn", "reqid", "svcid", "lifetime", "ctrlflg", "data"] {
        let sample = str::from_utf8(CANONICAL).expect("ASCII");
        let from = sample.find(&format!("<{element}>")).expect("in the sample");
        let end = format!("</{element}>\r\n");
        let to = sample.find(&end).expect("in the sample") + end.len();
        let body = [&sample[..from], &sample[to..]].concat();
        assert_eq!(code_of(body.as_bytes()), Code::ELEMENT_MISSING, "{element}");
    }
    assert_eq!(code_of(b"<?xml version=\"1.0\"?>"), Code::ELEMENT_MISSING);
    assert_eq!(code_of(&with_extra("<alertid>a</alertid>")), Code::ELEMENT_MISSING);
    assert_eq!(code_of(&with_extra("<alertseq>01</alertseq>")), Code::ELEMENT_MISSING);
}

//= push element msn
//= push element reqid
//= push element svcid
//= push element lifetime
//= push element ctrlflg
//= push element pid and dcs
//= push element udh
//= push element oadr
//= push element dlvntf
//= push element expiry
//= push element alert
#[test]
fn code_1003_each_value_outside_its_type() {
    let long_id = "a".repeat(33);
    let mut wrong = vec![
        with("<msn>09012345678", "<msn>19012345678"),
        with("<msn>09012345678", "<msn>0901234567"),
        with("<msn>09012345678", "<msn>00000000000"),
        with("<msn>09012345678", "<msn>"),
        with("<msn>09012345678", "<msn> 9012345678"),
        with("<msn>09012345678", "<msn>090&#49;2345678"),
        with("20261122223430-00000001", "20261122223430-000000012"),
        with("20261122223430-00000001", ""),
        with("20261122223430-00000001", "a b"),
        with("20261122223430-00000001", "\u{e9}"),
        with("00100000001", "0010000000"),
        with("00100000001", "0010000000x"),
        with("<lifetime>05", "<lifetime>5"),
        with("<lifetime>05", "<lifetime>73"),
        with("<lifetime>05", "<lifetime>-1"),
        with("<ctrlflg>0", "<ctrlflg>2"),
        with("<ctrlflg>0", "<ctrlflg>"),
        text_push(b"a & b"),
        text_push(b"&nbsp;"),
        text_push(b"&#xD800;"),
    ];
    for extra in [
        "<pid>0</pid>",
        "<pid>0g</pid>",
        "<dcs>000</dcs>",
        "<udh></udh>",
        "<udh>0</udh>",
        "<udh>050</udh>",
        "<udh>0x</udh>",
        "<oadr></oadr>",
        "<oadr>twelve.chars</oadr>",
        "<oadr>a+b</oadr>",
        "<dlvntf>2</dlvntf>",
        "<dlvntf>true</dlvntf>",
        "<expiry>20260230000000</expiry>",
        "<expiry>2026112222343</expiry>",
        "<alertid></alertid><alertseq>01</alertseq>",
        "<alertid>a b</alertid><alertseq>01</alertseq>",
        "<alertid>a</alertid><alertseq>1</alertseq>",
    ] {
        wrong.push(with_extra(extra));
    }
    wrong.push(with_extra(&format!("<alertid>{long_id}</alertid><alertseq>01</alertseq>")));
    wrong.push(with_extra(&format!("<udh>{}</udh>", "0".repeat(270))));
    for body in wrong {
        assert_eq!(code_of(&body), Code::BAD_VALUE, "{}", String::from_utf8_lossy(&body));
    }
}

//= push element lifetime
//= push element udh
//= push element oadr
//= push element alert
#[test]
fn values_at_the_edge_of_their_type_are_good() {
    for body in [
        with("<lifetime>05", "<lifetime>00"),
        with("<lifetime>05", "<lifetime>72"),
        with_extra("<oadr>eleven.char</oadr>"),
        with_extra(&format!("<udh>{}</udh>", "0".repeat(268))),
        with_extra(&format!("<alertid>{}</alertid><alertseq>00</alertseq>", "a".repeat(32))),
        with("FFFFFFFFFF", ""),
        with("FFFFFFFFFF", "odd digits and no hex are for admission"),
    ] {
        assert_eq!(code_of(&body), Code::ACCEPTED, "{}", String::from_utf8_lossy(&body));
    }
}

//= push element fncid
#[test]
fn code_1004_an_unknown_fncid() {
    for fncid in ["0301", "0102", "9999", "", "101"] {
        assert_eq!(
            code_of(&with("<fncid>0101", &format!("<fncid>{fncid}"))),
            Code::UNKNOWN_FNCID,
            "{fncid}"
        );
    }
}

//= push element comway
#[test]
fn code_1005_an_unknown_comway() {
    for comway in ["2101", "1201", "1100", "1104", "1108", "", "11010"] {
        let body = with("<comway>1101", &format!("<comway>{comway}"));
        assert_eq!(code_of(&body), Code::UNKNOWN_COMWAY, "{comway}");
    }
    for (comway, class) in [
        ("1101", Class::Standard),
        ("1102", Class::Urgent),
        ("1103", Class::Emergency),
        ("1109", Class::Exercise),
    ] {
        assert_eq!(push_of(&with("<comway>1101", &format!("<comway>{comway}"))).class, class);
    }
}

//= push body elements
#[test]
fn code_1006_a_repeated_or_unknown_element() {
    for body in [
        with_extra("<msn>09012345678</msn>"),
        with_extra("<pid>00</pid><pid>00</pid>"),
        with_extra("<color>red</color>"),
        with_extra("<MSN>09012345678</MSN>"),
        with("</data>", "</data><data>FF</data>"),
        [CANCEL, "<lifetime>05</lifetime>"].concat().into_bytes(),
        [CANCEL, "<data>FF</data>"].concat().into_bytes(),
        [CANCEL, "<alertid>a</alertid>"].concat().into_bytes(),
    ] {
        assert_eq!(code_of(&body), Code::UNKNOWN_ELEMENT, "{}", String::from_utf8_lossy(&body));
    }
}

//= push body characters
#[test]
fn code_1007_text_that_is_not_utf8() {
    for data in [
        &b"\xff"[..],
        b"\xe5\x9c",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        "\u{5730}".as_bytes().split_at(2).0,
    ] {
        assert_eq!(code_of(&text_push(data)), Code::NOT_UTF8);
    }
    assert_eq!(
        code_of(&with("version = \"1.0\"", "version = \"1.0\" encoding=\"Shift_JIS\"")),
        Code::NOT_UTF8
    );
}

#[test]
fn octets_outside_ascii_in_other_elements_are_bad_values_and_in_control_data_for_admission() {
    let mut body = with("20261122223430-00000001", "@");
    let at = body.iter().position(|&octet| octet == b'@').expect("the changed octet");
    body[at] = 0xff;
    assert_eq!(code_of(&body), Code::BAD_VALUE);
    let mut body = with("FFFFFFFFFF", "FF@FF");
    let at = body.iter().position(|&octet| octet == b'@').expect("the changed octet");
    body[at] = 0xff;
    assert_eq!(push_of(&body).data, b"FF\xffFF");
}

#[test]
fn the_order_of_the_checks_is_the_documented_one() {
    let everything_wrong =
        "<?xml version=\"1.0\"?><fncid>0909</fncid><comway>9999</comway><msn>1</msn><msn>2</msn>";
    let steps = [
        (everything_wrong.to_owned() + "<", Code::NOT_FLAT_FORM),
        (everything_wrong.to_owned(), Code::UNKNOWN_FNCID),
        (everything_wrong.replace("0909", "0101"), Code::UNKNOWN_COMWAY),
        (everything_wrong.replace("0909", "0101").replace("9999", "1101"), Code::UNKNOWN_ELEMENT),
        (
            everything_wrong
                .replace("0909", "0101")
                .replace("9999", "1101")
                .replace("<msn>2</msn>", ""),
            Code::ELEMENT_MISSING,
        ),
    ];
    for (body, code) in steps {
        assert_eq!(code_of(body.as_bytes()), code, "{body}");
    }
    let mut bad_value_and_not_utf8 = text_push(b"\xff");
    assert_eq!(code_of(&bad_value_and_not_utf8), Code::NOT_UTF8);
    let at =
        bad_value_and_not_utf8.windows(5).position(|window| window == b"<msn>").expect("an msn")
            + 5;
    bad_value_and_not_utf8[at] = b'1';
    assert_eq!(code_of(&bad_value_and_not_utf8), Code::BAD_VALUE);
}

//= push cancel alert
#[test]
fn cancellations_are_read() {
    let reqid = Reqid::parse(b"r-1").expect("legal");
    let xpid = Xpid::parse(b"00100000001").expect("legal");
    let msn = Msn::parse(b"09012345678").expect("legal");
    let one = Cancellation { xpid, target: CancelTarget::Push { msn, reqid } };
    assert_eq!(scan(CANCEL.as_bytes()), Ok(Request::Cancel(one)));
    let all = CANCEL.replace("09012345678", "00000000000");
    assert_eq!(code_of(all.as_bytes()), Code::ELEMENT_MISSING);
    let of_alert = all + "<alertid>quake-1</alertid>";
    let target = CancelTarget::Alert { reqid, alert_id: b"quake-1" };
    assert_eq!(scan(of_alert.as_bytes()), Ok(Request::Cancel(Cancellation { target, ..one })));
    for element in ["comway", "msn", "reqid", "svcid"] {
        let from = CANCEL.find(&format!("<{element}>")).expect("in the sample");
        let end = format!("</{element}>\n");
        let to = CANCEL.find(&end).expect("in the sample") + end.len();
        let body = [&CANCEL[..from], &CANCEL[to..]].concat();
        assert_eq!(code_of(body.as_bytes()), Code::ELEMENT_MISSING, "{element}");
    }
    assert_eq!(code_of(CANCEL.replace("1101", "1104").as_bytes()), Code::UNKNOWN_COMWAY);
    assert_eq!(code_of(CANCEL.replace("r-1", "").as_bytes()), Code::BAD_VALUE);
}

//= push element echo
#[test]
fn a_refusal_repeats_what_is_legal_of_what_was_read() {
    let body = with("<ctrlflg>0", "<ctrlflg>7");
    let refusal = scan(&body).expect_err("a bad value");
    let expected =
        Echo { msn: b"09012345678", reqid: b"20261122223430-00000001", svcid: b"00100000001" };
    assert_eq!((refusal.code, refusal.echo), (Code::BAD_VALUE, expected));
    assert_eq!(refusal.answer().msn, Msn::parse(b"09012345678"));

    let body = with("<msn>09012345678", "<msn>1");
    let refusal = scan(&body).expect_err("a bad value");
    assert_eq!(refusal.echo, Echo { msn: b"", ..expected });

    let refusal = scan(&CANONICAL[..130]).expect_err("cut off");
    assert_eq!(refusal.code, Code::NOT_FLAT_FORM);
    assert_eq!(refusal.echo, Echo { msn: b"09012345678", ..Echo::default() });
    assert_eq!(scan(b"").expect_err("empty").echo, Echo::default());
}

#[test]
fn every_cut_of_the_sample_is_refused_or_the_sample() {
    for octets in 0..CANONICAL.len() {
        let result = scan(&CANONICAL[..octets]);
        // Without its last line end, and only then, the sample is whole.
        let whole = octets == CANONICAL.len() - 2;
        assert_eq!(result.is_ok(), whole, "{octets} octets");
    }
}

/// A request that is near enough to the canonical one to reach deep into the fast path.
fn near_canonical() -> impl Strategy<Value = Vec<u8>> {
    let extra = prop::sample::select(vec![
        "",
        "<pid>00</pid>\r\n",
        "<dcs>08</dcs>",
        "<dlvntf>1</dlvntf>\n",
        "<oadr>a</oadr><oadr>b</oadr>",
        "<expiry>1</expiry>",
        "<alertid>a</alertid>",
        "<alertid>a</alertid><alertseq>01</alertseq>",
        "<msn>09012345678</msn>",
        "<color>1</color>",
    ]);
    let data =
        prop::sample::select(vec!["FFFFFFFFFF", "", "0", "地震", "a&amp;b", "a&b", "zz", "a>b"]);
    let parts = (
        0u8..12,
        extra,
        data,
        0u8..3,
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    );
    parts.prop_map(|(class, extra, data, kind, changes)| {
        let mut body = with_extra(extra);
        for (from, to) in [
            (b"<comway>1101".as_slice(), format!("<comway>11{class:02}")),
            (b"<ctrlflg>0", format!("<ctrlflg>{kind}")),
            (b"FFFFFFFFFF", data.to_owned()),
        ] {
            let at =
                body.windows(from.len()).position(|window| window == from).expect("in the sample");
            body.splice(at..at + from.len(), to.into_bytes());
        }
        for (index, octet) in changes {
            let at = index.index(body.len());
            match octet % 4 {
                0 => body[at] = octet,
                1 => body.insert(at, octet),
                2 => drop(body.remove(at)),
                _ => body[at] = b"0<>/ \r\n9"[usize::from(octet / 4 % 8)],
            }
        }
        body
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    //= push body canonical
    #[test]
    fn the_canonical_path_never_says_what_the_general_path_does_not(body in near_canonical()) {
        if let Some(push) = canonical::scan(&body) {
            prop_assert_eq!(fields::scan(&body), Ok(Request::Push(push)));
        }
    }
}
