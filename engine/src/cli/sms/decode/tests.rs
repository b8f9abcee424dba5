//! What `hayauma sms decode` prints, and what it makes of input that is not quite a TPDU.

use super::*;

fn arguments(hex: &str) -> DecodeArguments {
    DecodeArguments {
        hex: vec![hex.to_owned()],
        direction: None,
        rp_error: false,
        rp_ack: false,
        smsc: false,
        json: false,
    }
}

/// What is printed, and what is complained of.
fn outcome(arguments: &DecodeArguments, input: &str) -> (Vec<String>, Vec<String>) {
    let (mut printed, mut complaints) = (Vec::new(), Vec::new());
    run(arguments, input.as_bytes(), &mut |result| {
        match result {
            Ok(text) => printed.push(text),
            Err(sentence) => complaints.push(sentence),
        }
        true
    });
    (printed, complaints)
}

fn printed(arguments: &DecodeArguments) -> String {
    let (printed, complaints) = outcome(arguments, "");
    assert_eq!(complaints, Vec::<String>::new());
    printed.concat()
}

fn refused(arguments: &DecodeArguments) -> String {
    let (printed, complaints) = outcome(arguments, "");
    assert_eq!(printed, Vec::<String>::new());
    complaints.concat()
}

const DELIVER: &str = "040B818100551512F20000621122314303630AE8329BFD4697D9EC37";
const SUBMIT: &str = "11000B819010325476F80000AA0AE8329BFD4697D9EC37";

//= TS 23.040 9.2.2.1
#[test]
fn a_deliver_is_printed_field_by_field() {
    let text = printed(&arguments(DELIVER));
    assert!(text.starts_with("SMS-DELIVER to the terminal, 28 octets\n"), "{text}");
    for line in [
        "TP-MMS   1 (01)                        no more messages wait",
        "TP-OA    18005551212",
        "TP-SCTS  2026-11-22T13:34:30+09:00",
        "TP-UD    hellohello                    GSM 7-bit",
    ] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
}

#[test]
fn json_holds_every_field_and_what_it_is_made_of() {
    let json = printed(&DecodeArguments { json: true, ..arguments(DELIVER) });
    for part in [
        concat!(
            r#""type":"SMS-DELIVER","direction":"mt","octets":28,"#,
            r#""fields":[{"name":"TP-MTI","value":0,"#
        ),
        concat!(
            r#""details":{"semi_octets":11,"type_of_number":0,"numbering_plan":1,"#,
            r#""octets":"0B818100551512F2"}"#
        ),
        concat!(
            r#"{"name":"TP-DCS","value":0,"meaning":"GSM 7-bit default alphabet","#,
            r#""details":{"character_set":"gsm7","#
        ),
        concat!(
            r#"{"name":"TP-SCTS","value":"2026-11-22T13:34:30+09:00","#,
            r#""details":{"octets":"62112231430363"}}"#
        ),
        concat!(
            r#"{"name":"TP-UD","value":"hellohello","meaning":"GSM 7-bit","#,
            r#""details":{"septets":10,"octets":"E8329BFD4697D9EC37"}}"#
        ),
    ] {
        assert!(json.contains(part), "{part}\n{json}");
    }
    assert!(!json.contains('\n'));
    // Two elements, a message class, 8-bit data and a relative validity.
    let hex = "51010B819010325476F800F6AA0F0B0003070201050423F40000C0FFEE";
    let json = printed(&DecodeArguments { json: true, ..arguments(hex) });
    for part in [
        r#"{"name":"IE 00","value":"070201","#,
        r#""details":{"identifier":0,"reference":7,"reference_bits":8,"total":2,"sequence":1}}"#,
        concat!(
            r#"destination 9204 (vCard), source 0","details":{"identifier":5,"#,
            r#""destination_port":9204,"source_port":0,"port_bits":16}}"#
        ),
        r#""details":{"character_set":"8bit","compressed":false,"class":2,"reserved":false}"#,
        r#"{"name":"TP-VP","value":170,"meaning":"4 days","details":{"seconds":345600}}"#,
        concat!(
            r#""value":"C0FFEE","meaning":"8-bit data","#,
            r#""details":{"content":"C0FFEE","octets":"0B0003070201050423F40000C0FFEE"}}"#
        ),
    ] {
        assert!(json.contains(part), "{part}\n{json}");
    }
}

//= TS 23.040 9.2.3.1 direction
#[test]
fn the_direction_is_found_or_taken_as_told() {
    let report = "0000";
    assert!(printed(&arguments(report)).starts_with("SMS-DELIVER-REPORT from"));
    let told = DecodeArguments { direction: Some(DirectionArgument::Mt), ..arguments(report) };
    assert!(refused(&told).contains("TP-OA"));
    let cut_short = "440B916105224431F700007060217175830AA0050003000201";
    assert!(refused(&arguments(cut_short)).contains("TP-UD at octet 19: needs 140 octets"));
    assert!(refused(&arguments("")).contains("TP-MTI at octet 0: needs 1 octet, none is there"));
    // Each kind by itself: SMS-SUBMIT-REPORT, SMS-COMMAND, SMS-STATUS-REPORT.
    for (hex, kind) in [
        ("010062112231430363", "SMS-SUBMIT-REPORT to"),
        ("01C50062112231430363", "SMS-SUBMIT-REPORT to"),
        ("0201000234048121430100", "SMS-COMMAND from"),
        ("060104812143621122314303636211223143036300", "SMS-STATUS-REPORT to"),
        (SUBMIT, "SMS-SUBMIT from"),
    ] {
        assert!(printed(&arguments(hex)).starts_with(kind), "{hex}");
    }
}

#[test]
fn a_service_centres_address_is_taken_off_when_told_and_found_when_not() {
    let hex = "07919130079229F0010000";
    let error = refused(&DecodeArguments { smsc: true, ..arguments(hex) });
    assert!(error.contains("TP-DA"), "{error}");
    assert!(
        refused(&DecodeArguments { smsc: true, ..arguments("09912143") }).contains("cut short")
    );
    for smsc in [false, true] {
        for (prefix, line) in [
            ("07911891000000F1", "service centre +81190000001\n"),
            ("00", "service centre: none is named\n"),
        ] {
            for (tpdu, kind) in [(DELIVER, "SMS-DELIVER to"), (SUBMIT, "SMS-SUBMIT from")] {
                let text =
                    printed(&DecodeArguments { smsc, ..arguments(&format!("{prefix}{tpdu}")) });
                assert!(text.starts_with(kind) && text.contains(line), "{text}");
            }
        }
    }
    // An SMS-SUBMIT behind a zero that would be an SMS-DELIVER without it, from 17 digits and of no
    // time.
    let text = printed(&arguments("0011EB12811122334455667788000000AA0461626300"));
    assert!(
        text.starts_with("SMS-SUBMIT from the terminal, 21 octets\nservice centre: none"),
        "{text}"
    );
    // A time stamp of noughts is no reason to look for an address where there is none.
    let nought = DELIVER.replace("62112231430363", "00000000000000");
    assert!(
        printed(&arguments(&nought)).contains("TP-SCTS  00000000000000                not a time")
    );
    // A broken TPDU is told of as it stands, not as what might be behind an address.
    assert!(refused(&arguments(&SUBMIT[..20])).contains("TP-PID at octet 10"));
}

#[test]
fn a_modems_pdu_is_read_however_odd_its_time_stamp() {
    for odd in
        ["00000000000000", "FFFFFFFFFFFFFF", "99999999999999", "62312231430363", "A2112231430363"]
    {
        let tpdu = DELIVER.replace("62112231430363", odd);
        for prefix in ["07911891000000F1", "0791180945123490"] {
            let text = printed(&arguments(&format!("{prefix}{tpdu}")));
            assert!(
                text.starts_with("SMS-DELIVER to the terminal, 28 octets\nservice centre +81"),
                "{odd}: {text}"
            );
            assert!(text.contains("TP-OA    18005551212"), "{odd}: {text}");
        }
        assert!(
            printed(&arguments(&tpdu))
                .starts_with("SMS-DELIVER to the terminal, 28 octets\n  TP-MTI")
        );
    }
}

/// A message of three parts, as a service centre delivers it.
fn three_parts() -> (String, Vec<String>) {
    let text = format!("{}\u{20ac}{}", "a".repeat(152), "b".repeat(200));
    let command = wire::sms::segment::PlanOptions::default();
    let content = wire::sms::segment::Content::Text(&text);
    let plan = wire::sms::segment::plan(content, &command).expect("a plan");
    let mut fragments = wire::sms::segment::Fragments::new(&plan, content, &command, 7);
    let mut parts = Vec::new();
    let mut out = [0; 140];
    while let Some(fragment) = fragments.write_next(&mut out) {
        let user_data: String = super::super::hex_of(&out[..usize::from(fragment.octets)]);
        let length = fragment.user_data_length;
        parts.push(format!("440B818100551512F2000062112231430363{length:02X}{user_data}"));
    }
    (text, parts)
}

#[test]
fn parts_that_are_given_together_are_joined() {
    let (text, parts) = three_parts();
    assert_eq!(parts.len(), 3);
    let from_input = DecodeArguments { hex: Vec::new(), ..arguments("") };
    let lines = format!("{}\n{SUBMIT}\n{}\n{}\n", parts[2], parts[0], parts[1]);
    let as_arguments = DecodeArguments { hex: parts.clone(), ..arguments("") };
    for (arguments, input) in [(&from_input, lines.as_str()), (&as_arguments, "")] {
        let (printed, complaints) = outcome(arguments, input);
        assert_eq!(complaints, Vec::<String>::new());
        let joined = printed.last().expect("something");
        assert_eq!(joined, &format!("\njoined   3 parts, 18005551212\n  text     {text}\n"));
    }
    let json = DecodeArguments { json: true, ..from_input.clone() };
    let (printed, _) = outcome(&json, &lines);
    let expected =
        format!(r#"{{"type":"joined","address":"18005551212","parts":3,"text":"{text}"}}"#);
    assert_eq!((printed.len(), printed.last()), (5, Some(&expected)));
    // What lacks is named, and what is there is shown.
    let (printed, complaints) = outcome(&from_input, &format!("{}\n{}\n", parts[0], parts[2]));
    assert_eq!(complaints, Vec::<String>::new());
    let joined = printed.last().expect("something");
    assert!(
        joined.starts_with("\njoined   3 parts, 18005551212\n  missing  2\n  text     aaa"),
        "{joined}"
    );
    // One part alone, even given twice, is shown as what it is.
    for input in [parts[0].clone(), format!("{0}\n{0}", parts[0])] {
        assert!(!outcome(&from_input, &input).0.concat().contains("joined"));
    }
}

#[test]
fn octets_that_nothing_announces_are_shown_and_complained_of() {
    for (smsc, prefix) in [(false, ""), (true, "00")] {
        let hex = format!("{prefix}{DELIVER}FFFF");
        let (printed, complaints) = outcome(&DecodeArguments { smsc, ..arguments(&hex) }, "");
        assert!(
            printed[0].contains("TP-UD    hellohello")
                && printed[0].ends_with("trailing octets FFFF\n")
        );
        assert_eq!(complaints, ["2 octets follow the last field, and nothing announces more"]);
    }
    let json = outcome(&DecodeArguments { json: true, ..arguments(&format!("{DELIVER}00")) }, "")
        .0
        .concat();
    assert!(json.ends_with(r#","trailing":"00"}"#), "{json}");
}

#[test]
fn hexadecimal_may_come_in_pieces_in_either_case_and_from_standard_input() {
    let pieces = DecodeArguments {
        hex: vec!["04 0b 81".to_owned(), DELIVER[6..].to_lowercase()],
        ..arguments("")
    };
    assert_eq!(printed(&pieces), printed(&arguments(DELIVER)));
    for hex in [vec![], vec!["-".to_owned()]] {
        let from_input = DecodeArguments { hex, json: true, ..arguments("") };
        let (lines, complaints) = outcome(&from_input, &format!("{DELIVER}\n\nxyz\n{SUBMIT}\n"));
        assert_eq!((lines.len(), complaints.len()), (2, 1));
        assert!(lines[1].contains("SMS-SUBMIT"));
        assert!(complaints[0].starts_with("line 3: 'x' is not"), "{complaints:?}");
        assert_eq!(outcome(&from_input, "\n").1.len(), 1);
    }
}

#[test]
fn a_service_centres_digits_may_be_nonsense_without_a_panic() {
    for hex in [
        "00",
        "0100",
        "FF",
        "07",
        "0C91000000000000000000000000",
        "0B9100000000000000000000",
        "0200",
    ] {
        for smsc in [false, true] {
            let _ = outcome(&DecodeArguments { smsc, ..arguments(hex) }, "");
        }
    }
}
