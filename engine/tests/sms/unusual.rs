//! Input that is legal but seldom seen, and input that is not: what TS 23.040 and TS 23.038 have a
//! receiver make of it. Composed by hand; every case names its clause.

use wire::sms::describe::{DescribedField, FieldValue, describe};
use wire::sms::error::{Fault, Field, TpduError};
use wire::sms::header::Header;
use wire::sms::tpdu::{Direction, ReportContext, Tpdu};

const MO: Direction = Direction::FromTerminal;
const MT: Direction = Direction::ToTerminal;

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    assert!(rest.is_empty(), "{hex}");
    pairs.iter().map(|[high, low]| high << 4 | low).collect()
}

fn fields(hex: &str, direction: Direction) -> Vec<DescribedField> {
    let octets = octets(hex);
    let tpdu = Tpdu::decode(&octets, direction, ReportContext::Unknown)
        .unwrap_or_else(|error| panic!("{hex}: {error}"));
    let mut out = [0; 164];
    let length = tpdu.encode(&mut out).expect("what was read can be written");
    assert_eq!(out[..length], octets, "{hex} is written as it was read");
    describe(&tpdu)
}

fn error(hex: &str, direction: Direction) -> TpduError {
    Tpdu::decode(&octets(hex), direction, ReportContext::Unknown).expect_err(hex)
}

/// The value of the field with this name, as it is printed; of several the last.
fn value(fields: &[DescribedField], name: &str) -> String {
    let field = fields.iter().rfind(|field| field.name == name);
    field.unwrap_or_else(|| panic!("no {name} in {fields:?}")).value.to_string()
}

fn meaning<'f>(fields: &'f [DescribedField], name: &str) -> &'f str {
    &fields.iter().rfind(|field| field.name == name).expect(name).meaning
}

fn detail(fields: &[DescribedField], name: &str, detail: &str) -> Option<FieldValue> {
    let field = fields.iter().rfind(|field| field.name == name).expect(name);
    field.details.iter().find(|(known, _)| *known == detail).map(|(_, value)| value.clone())
}

/// TP-UD of an SMS-DELIVER with this first octet, TP-DCS, and TP-UDL with TP-UD.
fn deliver(first: &str, scheme: &str, user_data: &str) -> Vec<DescribedField> {
    fields(&format!("{first} 04 81 2143 00 {scheme} 62112231430363 {user_data}"), MT)
}

/// Reference, total and sequence as a header says them.
fn concatenation(header: &str) -> Option<(u16, u8, u8)> {
    let header = octets(header);
    let header = Header::parse(&header).expect("well-formed");
    header.concatenation().map(|part| (part.reference, part.total, part.sequence))
}

/// 23.038, clause 4: every coding group says in its own way how the text is coded; reserved ones
/// are GSM 7-bit.
//= TS 23.040 9.2.3.10
//= TS 23.038 4 reserved
//= TS 23.038 4 compressed
//= TS 23.038 6.2.2
#[test]
fn each_coding_group_decides_how_text_is_read() {
    const SEPTETS: &str = "05 E8329BFD06";
    const UNITS: &str = "06 30423044 D842";
    const OCTETS: &str = "03 01FF80";
    for scheme in ["00", "03", "0C", "10", "11", "12", "13", "40", "5F", "80", "8F", "A8", "BC"]
        .into_iter()
        .chain(["C0", "C8", "CB", "CC", "D0", "D8", "DB", "F0", "F1", "F2", "F3", "F9"])
    {
        assert_eq!(value(&deliver("04", scheme, SEPTETS), "TP-UD"), "hello", "{scheme}");
    }
    for scheme in ["08", "09", "18", "19", "48", "5B", "E0", "E8", "EB", "EF"] {
        assert_eq!(value(&deliver("04", scheme, UNITS), "TP-UD"), "あい\u{fffd}", "{scheme}");
    }
    for scheme in ["04", "07", "14", "17", "44", "F4", "F5", "F6", "F7", "FC"] {
        assert_eq!(value(&deliver("04", scheme, OCTETS), "TP-UD"), "01FF80", "{scheme}");
    }
    // Compressed text counts octets and is kept as it is, whatever its alphabet.
    for scheme in ["20", "24", "28", "2C", "3F", "60", "78"] {
        let fields = deliver("04", scheme, OCTETS);
        assert_eq!(
            (value(&fields, "TP-UD").as_str(), meaning(&fields, "TP-UD")),
            ("01FF80", "compressed")
        );
    }
    let flash = deliver("04", "18", UNITS);
    assert_eq!(detail(&flash, "TP-DCS", "class"), Some(FieldValue::Number(0)));
    assert_eq!(meaning(&flash, "TP-DCS"), "UCS-2, class 0 (shown at once)");
    let waiting = deliver("04", "C8", SEPTETS);
    assert_eq!(detail(&waiting, "TP-DCS", "waiting_active"), Some(FieldValue::Flag(true)));
    assert_eq!(detail(&waiting, "TP-DCS", "class"), None);
}

/// 9.2.3.24: what of a header is used, and where the text behind it starts in any case.
//= TS 23.040 9.2.3.24 overrun
//= TS 23.040 9.2.3.24 unknown
//= TS 23.040 9.2.3.24 last
//= TS 23.040 9.2.3.24.1 ignored
#[test]
fn headers_are_used_ignored_or_passed_over_as_the_clause_says() {
    // Without elements: one octet, and six fill bits.
    assert_eq!(value(&deliver("44", "00", "07 0000BACC66BF01"), "TP-UD"), "hello");
    // Both references: the last counts, and so does the last of two.
    let both = deliver("44", "04", "0D 0B 0003010201 080412340302 EE");
    assert_eq!(
        meaning(&both, "IE 08").rsplit_once(": ").map(|(_, told)| told),
        Some("reference 4660, part 2 of 3")
    );
    assert_eq!(concatenation("0B 0003010201 080412340302"), Some((0x1234, 3, 2)));
    assert_eq!(concatenation("0B 080412340302 0003010201"), Some((1, 2, 1)));
    assert_eq!(concatenation("0F 0003070201 0003080202 0003090201"), Some((9, 2, 1)));
    // A part of none, a part nought, a part beyond the last, and an element of another length say
    // nothing.
    for nonsense in
        ["05 0003070000", "05 0003070200", "05 0003070203", "04 00020102", "06 080400010001"]
    {
        assert_eq!(concatenation(nonsense), None, "{nonsense}");
    }
    // What said something before them still counts.
    assert_eq!(concatenation("0A 0003070201 0003080203"), Some((7, 2, 1)));
    // Elements that do not fill the header: ignored whole, the text stands where it stood.
    let overrun = deliver("44", "04", "06 03 000301 AABB");
    assert!(meaning(&overrun, "TP-UDH").starts_with("ignored"));
    assert_eq!(
        (value(&overrun, "TP-UDH"), value(&overrun, "TP-UD")),
        ("03000301".into(), "AABB".into())
    );
    // A header longer than the user data leaves no text.
    assert_eq!(value(&deliver("44", "00", "05 2800030102"), "TP-UD"), "");
    assert_eq!(value(&deliver("44", "08", "00"), "TP-UD"), "");
    // A reserved language is the default table (23.038, 6.2.1.2.4).
    let shifted = deliver("44", "00", "09 0324010E D89CC30C");
    assert!(meaning(&shifted, "IE 24").ends_with("ignored, its content makes no sense"));
    assert_eq!(value(&shifted, "TP-UD"), "gaø");
    // Ports that 9.2.3.24.3 reserves are told of.
    assert!(meaning(&deliver("44", "04", "05 04 04020A14"), "IE 04").contains("reserved"));
    assert!(!meaning(&deliver("44", "04", "05 04 0402F0F1"), "IE 04").contains("reserved"));
    // Unknown elements stay.
    assert_eq!(value(&deliver("44", "04", "06 05 5B03010203"), "IE 5B"), "010203");
}

/// 9.1.2.5: the length counts semi-octets, whatever stands in them.
//= TS 23.040 9.1.2.5 length
//= TS 23.040 9.1.2.5 text
#[test]
fn addresses_of_every_type_and_length_are_read_by_their_length() {
    for (address, text) in [
        ("00 91", ""),
        ("00 81", ""),
        ("01 91 F7", "+7"),
        ("02 81 21", "12"),
        ("03 A1 BAF1", "*#1"),
        ("0A 81 DC0E1A3254", "abc0*12345"),
        ("14 91 21436587092143658709", "+12345678901234567890"),
        // A filler where a digit is due ends the number.
        ("04 81 21F3", "123"),
        // Text: 13 semi-octets are seven characters, 14 are eight.
        ("0D D0 C8703E5C6F8701", "Hayauma"),
        ("0E D0 C8703E5C6F8701", "Hayauma@"),
        ("0B D0 C7F7FBCC2E03", "Google"),
    ] {
        let fields = fields(&format!("04 {address} 00 00 62112231430363 00"), MT);
        assert_eq!(value(&fields, "TP-OA"), text, "{address}");
    }
    let long = error("04 15 91 2143658709214365870921 00 00 62112231430363 00", MT);
    assert_eq!((long.field, long.octet), (Field::OriginatingAddress, 1));
    assert_eq!(long.fault, Fault::TooLarge { value: 21, max: 20 });
}

/// 9.2.3.11 and 9.2.3.12.
//= TS 23.040 9.2.3.3
//= TS 23.040 9.2.3.12
//= TS 23.040 9.2.3.12.2
//= TS 23.040 9.2.3.12.3 octets
//= TS 23.040 9.2.3.12.3 format
#[test]
fn times_and_periods_of_every_form_are_read() {
    let stamp = |stamp: &str| fields(&format!("04 04 81 2143 00 00 {stamp} 00"), MT);
    for (octets, text) in [
        ("62112231430363", "2026-11-22T13:34:30+09:00"),
        ("6211223143036B", "2026-11-22T13:34:30-09:00"),
        ("62112231430300", "2026-11-22T13:34:30+00:00"),
        ("98211332959518", "2089-12-31T23:59:59-00:15"),
        ("09211332959501", "1990-12-31T23:59:59+02:30"),
        ("62F1223143C363", "2026-10-22T13:34:30+09:00"),
        ("00000000000000", "00000000000000"),
        ("FFFFFFFFFFFFFF", "FFFFFFFFFFFFFF"),
    ] {
        assert_eq!(value(&stamp(octets), "TP-SCTS"), text, "{octets}");
    }
    let submit = |first: &str, validity: &str| {
        fields(&format!("{first} 07 04 81 2143 00 00 {validity} 00"), MO)
    };
    for (first, validity, told, seconds) in [
        ("11", "00", "5 min", Some(300)),
        ("11", "8F", "12 h", Some(43_200)),
        ("11", "90", "12 h 30 min", Some(45_000)),
        ("11", "A7", "1 day", Some(86_400)),
        ("11", "A8", "2 days", Some(172_800)),
        ("11", "C4", "30 days", Some(2_592_000)),
        ("11", "C5", "5 weeks", Some(3_024_000)),
        ("11", "FF", "63 weeks", Some(38_102_400)),
        ("09", "00000000000000", "no period", None),
        ("09", "40000000000000", "no period, tried once", None),
        ("09", "01A70000000000", "1 day", Some(86_400)),
        ("09", "025A0000000000", "1 min 30 s", Some(90)),
        ("09", "02000000000000", "reserved format", None),
        ("09", "43630050000000", "36 h 5 s, tried once", Some(129_605)),
        ("09", "03AA0000000000", "reserved format", None),
        ("09", "04123400000000", "reserved format", None),
        ("09", "82003C00000000", "1 min", Some(60)),
        ("09", "FFFFFFFFFFFFFF", "reserved format, tried once", None),
    ] {
        let fields = submit(first, validity);
        assert_eq!(meaning(&fields, "TP-VP"), told, "{validity}");
        assert_eq!(
            detail(&fields, "TP-VP", "seconds"),
            seconds.map(FieldValue::Number),
            "{validity}"
        );
    }
    assert_eq!(value(&submit("19", "62112231430363"), "TP-VP"), "2026-11-22T13:34:30+09:00");
    assert!(submit("01", "").iter().all(|field| field.name != "TP-VP"));
}

/// 9.2.2.1a, 9.2.2.2a, 9.2.2.3 and 9.2.3.27: what TP-PI announces is there, and what a reserved bit
/// announces is discarded.
//= TS 23.040 9.2.3.22 error
//= TS 23.040 9.2.3.27 announced
//= TS 23.040 9.2.3.27 discarded
//= TS 23.040 9.2.3.27 extension
//= TS 23.040 9.2.3.27 alphabet
#[test]
fn reports_are_read_with_all_that_their_indicator_announces() {
    let report = "06 2A 04 81 2143 62112231430363 62112232430363 46";
    let plain = fields(report, MT);
    assert_eq!((value(&plain, "TP-MR").as_str(), value(&plain, "TP-ST").as_str()), ("42", "70"));
    assert!(plain.iter().all(|field| field.name != "TP-PI"));
    let whole = fields(&format!("{report} 07 7F F4 02 BEEF"), MT);
    assert_eq!(
        (value(&whole, "TP-PID").as_str(), value(&whole, "TP-UD").as_str()),
        ("127", "BEEF")
    );
    // Bits 3 to 6, and extension octets that say anything, announce more.
    for (indicator, discarded) in
        [("08", "AABB"), ("0C 00", "AABB"), ("40", "00"), ("80 01", "FF"), ("80 80 02", "EE")]
    {
        let fields = fields(&format!("{report} {indicator} {discarded}"), MT);
        assert_eq!(value(&fields, "discarded"), discarded, "{indicator}");
    }
    let trailing = error(&format!("{report} 00 AABB"), MT);
    assert_eq!((trailing.field, trailing.fault), (Field::End, Fault::Trailing { octets: 2 }));
    assert_eq!(error(&format!("{report} 80"), MT).field, Field::ParameterIndicator);
    // Without TP-DCS the text is in the default alphabet.
    assert_eq!(value(&fields("00 04 05 E8329BFD06", MO), "TP-UD"), "hello");
    let refused = fields("01 C5 05 62112231430363 00 05 E8329BFD06", MT);
    assert_eq!(
        (value(&refused, "TP-FCS").as_str(), value(&refused, "TP-UD").as_str()),
        ("197", "hello")
    );
    assert_eq!(
        meaning(&fields("00 C9 00", MO), "TP-FCS"),
        "reserved, read as unspecified error cause"
    );
    // 159 octets in an RP-ACK, 158 behind a failure cause: 164 in all.
    let data = "5A".repeat(159);
    assert_eq!(value(&fields(&format!("00 07 00 04 9F {data}"), MO), "TP-UDL"), "159");
    assert_eq!(error(&format!("00 07 00 04 A0 {data}"), MO).field, Field::UserDataLength);
    assert_eq!(error(&format!("00 D3 07 00 04 9F {data}"), MO).field, Field::End);
}

/// 9.2.2.4 and 9.2.3.23: command data, with a header if TP-UDHI says so.
//= TS 23.040 9.2.3.18
//= TS 23.040 9.2.3.19
//= TS 23.040 9.2.3.20
//= TS 23.040 9.2.3.21
#[test]
fn commands_carry_data_with_or_without_a_header() {
    let plain = fields("22 07 00 02 2A 04 81 2143 02 BEEF", MO);
    assert_eq!((value(&plain, "TP-CT").as_str(), value(&plain, "TP-CD").as_str()), ("2", "BEEF"));
    let headed = fields("62 07 00 E0 2A 04 81 2143 06 04 7002AABB CC", MO);
    assert_eq!(
        (value(&headed, "IE 70").as_str(), value(&headed, "TP-CD").as_str()),
        ("AABB", "CC")
    );
    assert_eq!(meaning(&headed, "TP-CT"), "value specific to each SC");
    let broken = fields("42 07 00 00 2A 04 81 2143 03 04 7002", MO);
    assert!(meaning(&broken, "TP-UDH").starts_with("ignored"));
    let short = error("02 07 00 00 2A 04 81 2143 03 BEEF", MO);
    assert_eq!((short.field, short.octet), (Field::CommandData, 10));
    assert_eq!(error("02 07 00 00 2A 04 81 2143 00 BEEF", MO).fault, Fault::Trailing { octets: 2 });
}

/// 9.2.3.1: the reserved type is an SMS-DELIVER to a terminal and nothing to a service centre.
//= TS 23.040 9.2.3.1 reserved
#[test]
fn the_reserved_type_is_a_deliver_to_a_terminal_only() {
    let hex = "07 04 81 2143 00 00 62112231430363 00";
    assert_eq!(meaning(&fields(hex, MT), "TP-MTI"), "reserved, read as SMS-DELIVER");
    assert_eq!(error(hex, MO).fault, Fault::Illegal { value: 7 });
}

/// What the first octet of a TPDU says, in the order of its bits; TP-MMS says that nothing more
/// waits.
fn flags_of(tpdu: &Tpdu<'_>) -> Vec<bool> {
    match tpdu {
        Tpdu::Deliver(tpdu) => vec![
            !tpdu.more_messages,
            tpdu.loop_prevention,
            tpdu.status_report_indication,
            tpdu.user_data.header_indicated,
            tpdu.reply_path,
        ],
        Tpdu::Submit(tpdu) => vec![
            tpdu.reject_duplicates,
            tpdu.status_report_requested,
            tpdu.user_data.header_indicated,
            tpdu.reply_path,
        ],
        Tpdu::StatusReport(tpdu) => {
            vec![!tpdu.more_messages, tpdu.loop_prevention, tpdu.answers_command]
        }
        other => panic!("{other:?}"),
    }
}

//= TS 23.040 9.2.3.2
//= TS 23.040 9.2.3.4
//= TS 23.040 9.2.3.5
//= TS 23.040 9.2.3.17
//= TS 23.040 9.2.3.23
//= TS 23.040 9.2.3.25
//= TS 23.040 9.2.3.26
//= TS 23.040 9.2.3.28
#[test]
fn each_flag_of_the_first_octet_is_its_bit() {
    for (kind, direction, rest, bits) in [
        (0x00, MT, "04 81 2143 00 00 62112231430363 00", &[0x04, 0x08, 0x20, 0x40, 0x80][..]),
        (0x01, MO, "07 04 81 2143 00 00 00", &[0x04, 0x20, 0x40, 0x80]),
        (0x02, MT, "2A 04 81 2143 62112231430363 62112232430363 00", &[0x04, 0x08, 0x20]),
    ] {
        for &bit in bits {
            let octets = [&[kind | bit][..], &octets(rest)].concat();
            let tpdu = Tpdu::decode(&octets, direction, ReportContext::Unknown).expect("legal");
            let expected: Vec<bool> = bits.iter().map(|&other| other == bit).collect();
            assert_eq!(flags_of(&tpdu), expected, "{kind} {bit:02X}");
            let mut out = [0; 164];
            let length = tpdu.encode(&mut out).expect("what was read can be written");
            assert_eq!(out[..length], octets, "{kind} {bit:02X}");
        }
    }
}

/// 9.2.3.16: what TP-UDL promises must be there, and no more than the field holds.
//= TS 23.040 9.2.3.16 whole
//= TS 23.038 6.2.1.1 twice
#[test]
fn user_data_is_as_long_as_its_length_says_or_the_tpdu_is_refused() {
    let head = "04 04 81 2143 00";
    let stamp = "62112231430363";
    for (scheme, length, data, fault) in [
        ("00", "A0", 139, Fault::Truncated { needed: 140, available: 139 }),
        ("00", "A1", 141, Fault::TooLarge { value: 141, max: 140 }),
        ("04", "8D", 141, Fault::TooLarge { value: 141, max: 140 }),
        ("08", "02", 1, Fault::Truncated { needed: 2, available: 1 }),
        ("00", "08", 8, Fault::Trailing { octets: 1 }),
        ("00", "00", 1, Fault::Trailing { octets: 1 }),
    ] {
        let hex = format!("{head} {scheme} {stamp} {length} {}", "00".repeat(data));
        assert_eq!(error(&hex, MT).fault, fault, "{scheme} {length}");
    }
    let full = fields(&format!("{head} 00 {stamp} A0 {}", "00".repeat(140)), MT);
    assert_eq!(value(&full, "TP-UD"), "@".repeat(160));
    // Seven and eight septets take seven octets: TP-UDL alone tells whether an @ is text.
    for (length, text) in [("07", "aaaaaaa"), ("08", "aaaaaaa@")] {
        let fields = fields(&format!("{head} 00 {stamp} {length} E170381C0E8701"), MT);
        assert_eq!(value(&fields, "TP-UD"), text);
    }
    // Two escapes are a space, so is one at the end (23.038, 6.2.1.1).
    let escapes = fields(&format!("{head} 00 {stamp} 07 E1CD66C3136F00"), MT);
    assert_eq!(value(&escapes, "TP-UD"), "a [b ");
}
