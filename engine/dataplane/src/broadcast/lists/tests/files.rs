//! What becomes of every line of a file.

use super::*;
use crate::broadcast::limits::LINE_OCTETS_MAX;
use crate::broadcast::lists::account::Conflict;
use crate::broadcast::lists::encoding::Charset;
use crate::broadcast::lists::view::ListView;

/// Msn, area, language and parameters.
type Row = (String, Option<String>, String, Vec<String>);

/// The rows of a version, in the order of their msns.
fn rows(version: &[u8]) -> Vec<Row> {
    let view = ListView::open(version).expect("a version");
    let mut rows: Vec<_> = (0..view.rows())
        .map(|number| {
            let row = view.row(number).expect("a row");
            let parameters = row.parameters.iter().map(|&value| value.to_owned()).collect();
            (row.msn.to_string(), row.area, row.language.to_owned(), parameters)
        })
        .collect();
    rows.sort();
    rows
}

fn read(octets: &[u8], options: &ReaderOptions) -> (Account, Vec<Row>) {
    let mut first = None;
    // However it is cut, it is the same file.
    for piece in [1, 2, 3, 7, 64, 1 << 20] {
        let (version, octets) = import(octets, piece, options).expect("a list");
        let found = (version.account, rows(&octets));
        let first = first.get_or_insert_with(|| found.clone());
        assert_eq!(*first, found, "pieces of {piece}");
    }
    first.expect("it was read")
}

fn plain(text: &str) -> (Account, Vec<Row>) {
    read(text.as_bytes(), &ReaderOptions::default())
}

fn row(msn: &str, area: &str, language: &str) -> Row {
    let area = Some(area).filter(|area| !area.is_empty()).map(str::to_owned);
    (msn.to_owned(), area, language.to_owned(), Vec::new())
}

#[test]
fn marks_line_ends_and_check_digits_make_no_difference() {
    let lines = ["msn,area,lang", "07000000001,204226,ja", "07000000002,20201,en"];
    let expected = [row("07000000001", "20422", "ja"), row("07000000002", "20201", "en")];
    for mark in ["", "\u{feff}"] {
        for end in ["\n", "\r\n", "\r"] {
            for last in ["", end] {
                let text = format!("{mark}{}{last}", lines.join(end));
                let (account, rows) = plain(&text);
                assert_eq!(rows, expected, "{text:?}");
                assert_eq!((account.lines, account.records, account.rows), (3, 2, 2), "{text:?}");
            }
        }
    }
}

#[test]
fn spellings_are_taken_off_and_counted() {
    let text = "電話番号;市区町村コード;言語\n070-0000-0001;２０４２２;JA\n+81 70 0000 0002;20422;ja-Hira\n\
        ０７００００００００３;;\n='x;20422;ja\n=\"07000000004\";99999;-\n";
    let (account, rows) = plain(text);
    let expected = [
        row("07000000001", "20422", "ja"),
        row("07000000002", "20422", "ja-Hira"),
        row("07000000003", "", ""),
        row("07000000004", "", ""),
    ];
    assert_eq!(rows, expected);
    let spellings: Vec<(&str, u64)> = account.spellings.into_iter().collect();
    assert_eq!(
        spellings,
        [("formula", 1), ("full_width", 1), ("international", 1), ("separated", 2)]
    );
    assert_eq!(account.refused_named[0].line, 5);
    assert_eq!(account.areas["unknown"], 2);
    assert_eq!(account.languages["none"], 2);
}

#[test]
fn line_ends_in_quotes_belong_to_their_field_and_lines_keep_their_numbers() {
    let text = "msn,area,note\n07000000001,20422,\"one\r\ntwo\n\rthree\"\n07000000002,20422,\"a \
        \"\"b\"\", c\"\n\
        bad,20422,\n\n07000000003,20422,x,,\n07000000004,20422,x,y\n";
    let (account, rows) = plain(text);
    assert_eq!(rows.len(), 3);
    assert_eq!(account.ignored_columns, ["note"]);
    let refused: Vec<(u64, &str)> =
        account.refused_named.iter().map(|line| (line.line, line.reason)).collect();
    assert_eq!(refused, [(7, "no_number"), (10, "fields")]);
    assert_eq!((account.lines, account.blank, account.records), (10, 1, 5));
}

#[test]
fn a_quote_that_does_not_end_spoils_one_line() {
    let good: String = (0..500).map(|number| format!("0700000{number:04},20422\n")).collect();
    for (at, tail) in [
        ("\"07011111111,20422\n", ""),
        ("\"07011111111,20422\r\n", "x\n"),
        ("\"07011111111,20422\r", ""),
    ] {
        let (account, rows) = plain(&format!("msn,area\n{at}{good}{tail}"));
        assert_eq!(rows.len(), 500, "{at:?}");
        assert_eq!(
            (account.refused_named[0].line, account.refused_named[0].reason),
            (2, "open_quote")
        );
    }
    let (account, rows) =
        plain("msn,area\n07000000001,20422\n\"07000000002,20422\n07000000003,20422");
    assert_eq!((rows.len(), account.refused_count()), (2, 1), "at the end of the file too");
    let (account, _) = plain("msn,area\n\"07000000002,20422");
    assert_eq!(account.refused["open_quote"], 1);
}

#[test]
fn an_endless_line_is_refused_once_and_not_kept() {
    let long = "7".repeat(3 * LINE_OCTETS_MAX);
    let (account, rows) =
        plain(&format!("msn\n07000000001\n{long}\n07000000002\n\"{long}\n07000000003\n"));
    assert_eq!((rows.len(), account.refused["line_too_long"], account.lines), (3, 2, 6));
}

#[test]
fn one_msn_is_one_row_and_its_last_line_wins() {
    let text = "msn,area,lang\n07000000001,20422,ja\n070-0000-0001,20201,ja\n+817000000001,20422,\
        en\n\
        07000000002,20422,ja\n07000000002,20422,ja\n";
    let (account, rows) = plain(text);
    assert_eq!(rows, [row("07000000001", "20422", "en"), row("07000000002", "20422", "ja")]);
    assert_eq!((account.rows, account.duplicates, account.conflicts), (2, 3, 2));
    let named = |line, earlier| Conflict { line, earlier, msn: 7_000_000_001 };
    assert_eq!(account.conflicts_named, [named(3, 2), named(4, 3)]);
}

#[test]
fn each_thing_that_is_no_mobile_has_its_reason() {
    let text = "msn\n0422112233\n118\n02011112222\n0709876543\n070987654321\n+447911123456\n\
        7.1E+09\n\
        7098765432\n-\nx\n";
    let (account, rows) = plain(text);
    assert_eq!(rows, [row("02011112222", "", "")]);
    let names = [
        "digits_lost",
        "empty",
        "fixed_line",
        "foreign",
        "no_number",
        "short_code",
        "too_long",
        "too_short",
        "zero_lost",
    ];
    assert_eq!(account.refused.keys().copied().collect::<Vec<_>>(), names);
    assert_eq!(account.refused_count(), 9);
    assert!(account.is_refused(), "more than were taken");
    let ten = format!("msn\n{}{}", "x\n".repeat(10), "07000000001\n".repeat(10));
    assert!(!super::account(&ten).is_refused(), "ten lines are no reason");
    let repairs = ReaderOptions { puts_zero_back: true, ..Default::default() };
    let (account, rows) = read(text.as_bytes(), &repairs);
    assert_eq!((rows.len(), account.repaired), (2, 1));
    let many = format!("msn\n{}{}", "x\n".repeat(11), "07000000001\n".repeat(1_000));
    assert!(super::account(&many).is_refused());
    let few = format!("msn\n{}{}", "x\n".repeat(11), "07000000001\n".repeat(2_000));
    assert!(!super::account(&few).is_refused());
}

#[test]
fn other_encodings_are_read_by_their_mark_or_as_it_is_said() {
    let text = "携帯番号\t市区町村コード\t言語\r\n07000000001\t20422\tja\r\n";
    let expected = [row("07000000001", "20422", "ja")];
    for is_big in [false, true] {
        let units: Vec<u16> = format!("\u{feff}{text}").encode_utf16().collect();
        let octets: Vec<u8> = units
            .iter()
            .flat_map(|unit| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect();
        assert_eq!(read(&octets, &ReaderOptions::default()).1, expected);
    }
    for (charset, encoding) in
        [(Charset::ShiftJis, encoding_rs::SHIFT_JIS), (Charset::EucJp, encoding_rs::EUC_JP)]
    {
        let options = ReaderOptions { charset, ..Default::default() };
        assert_eq!(read(&encoding.encode(text).0, &options).1, expected);
    }
    // A first octet of two, with a line end behind it.
    let options = ReaderOptions { charset: Charset::ShiftJis, ..Default::default() };
    let (account, rows) =
        read(b"msn,area\n07000000001,20422\n07000000002,\x82\n07000000003,\n", &options);
    assert_eq!((rows.len(), account.refused["encoding"]), (2, 1));
    let spoilt = b"msn,area\n07000000001,20422\n07000000002,\xff\xfe\n07000000003,20422\n";
    let (account, rows) = read(spoilt, &ReaderOptions::default());
    assert_eq!((rows.len(), account.refused["encoding"]), (2, 1));
}

#[test]
fn a_file_without_a_header_is_no_list() {
    for text in ["", "\n", "07000000001,20422\n", "name,area\nx,y\n", "\nmsn\n07000000001\n"] {
        let error = import(text.as_bytes(), 3, &ReaderOptions::default()).expect_err("no list");
        assert!(error.to_string().contains("line 1 names no column"), "{text:?}: {error}");
    }
}

#[test]
fn a_first_line_that_is_too_long_says_so() {
    let columns = format!("msn{}\n07000000001\n", ",x".repeat(LINE_OCTETS_MAX));
    let object = format!("{{\"msn\":\"07000000001\",\"x\":\"{}\"}}\n", "x".repeat(5_000));
    for text in [columns, object] {
        let error = import(text.as_bytes(), 64, &ReaderOptions::default()).expect_err("no list");
        assert!(error.to_string().contains("line 1 is longer than"), "{error}");
    }
}

#[test]
fn a_header_in_another_charset_says_so() {
    // 電話番号,市区町村コード in Shift_JIS.
    let header = b"\x93d\x98\x62\x94\xd4\x8d\x86,\x8e\x73\x8b\xe6\x92\xac\x91\xba\x83R\x81[\x83h\n\
        07000000001,20422\n";
    let error = import(header, 3, &ReaderOptions::default()).expect_err("no list");
    assert!(error.to_string().contains("--charset shift_jis"), "{error}");
}

#[test]
fn objects_of_json_are_rows_too() {
    let options = ReaderOptions { parameters: vec!["shelter".to_owned()], ..Default::default() };
    let text = "{\"msn\":\"070-0000-0001\",\"area\":\"20422\",\"lang\":\"ja\",\
        \"params\":{\"shelter\":\"A,\\n\\\"B\\\"\",\"x\":\"1\"}}\n\n\
        {\"op\":\"put\",\"携帯番号\":\"07000000002\",\"more\":{}}\n{\"op\":\"delete\",\
        \"msn\":\"07000000003\"}\n\
        [\"07000000004\"]\n{\"msn\":7000000005}\n";
    let (account, rows) = read(text.as_bytes(), &options);
    let mut first = row("07000000001", "20422", "ja");
    first.3 = vec!["A,\n\"B\"".to_owned()];
    assert_eq!(rows, [first, row("07000000002", "", "")]);
    assert_eq!((account.refused["deletion"], account.refused["json"]), (1, 2));
    assert_eq!((account.lines, account.blank), (6, 1));
    assert_eq!(account.ignored_columns, ["params.x"]);
}

#[test]
fn parameters_are_kept_in_the_lists_order() {
    let options = ReaderOptions {
        parameters: vec!["room".to_owned(), "shelter".to_owned()],
        ..Default::default()
    };
    let text = "shelter,msn,area,room\nSchool,07000000001,20422,\n,07000000002,20422,\nHall,\
        07000000003,20201,3\n";
    let (_, rows) = read(text.as_bytes(), &options);
    let parameters: Vec<Vec<String>> = rows.into_iter().map(|row| row.3).collect();
    let of = |values: [&str; 2]| values.map(str::to_owned).to_vec();
    assert_eq!(parameters, [of(["", "School"]), Vec::new(), of(["3", "Hall"])]);
    let nine = ReaderOptions { parameters: vec![String::new(); 9], ..Default::default() };
    assert!(import(b"msn\n", 1, &nine).is_err());
}
