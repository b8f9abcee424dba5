//! Every rule of `docs/clauses.md` is cited where it is obeyed and where it is shown, and every
//! citation names a rule. Each rule of the check itself is broken once.

use std::path::Path;
use tests::clauses::{self, Kept, List, Report, Use, citations, mentions};

const LIST: &str = "\
## TS 23.040

| id | rule | asked |
|---|---|---|
| 9.2.3.9 | A whole clause. | |
| 9.2.3.16 unit | One rule of a clause. | |
| 9.2.3.17 | Without a test. | no test: nothing shows it |
| 9.2.3.25 | For others. | not here: no message comes in |
";

/// With a margin, so that it is no source of this file's own.
const CODE: &str = "\
> /// TP-PID (TS 23.040, 9.2.3.9).
> fn identifier() {}
>
> fn length() {
>     //= TS 23.040 9.2.3.16 unit
>     //= TS 23.040 9.2.3.17
> }
";

const TESTS: &str = "\
> /// 9.2.3.9: what an octet asks for.
> #[test]
> fn an_octet_has_a_meaning() {}
>
> #[test]
> fn a_length_has_a_unit() {
>     //= TS 23.040 9.2.3.16 unit
> }
";

/// A text without its margin.
fn plain(text: &str) -> String {
    text.lines().map(|line| line.get(2..).unwrap_or_default().to_owned() + "\n").collect()
}

/// What is wrong with a list, code and tests like these.
fn faults(list: &str, code: &str, tests: &str) -> Vec<String> {
    let mut cited = citations("engine/src/sms/length.rs", &plain(code));
    cited.extend(citations("engine/tests/sms/length.rs", &plain(tests)));
    Report::of(List::parse(list), cited).faults()
}

/// The one fault of a case that is right but for `from`, which is `to`.
fn fault_with(from: &str, to: &str) -> String {
    let texts = [LIST, CODE, TESTS];
    assert_eq!(texts.iter().filter(|text| text.contains(from)).count(), 1, "{from}");
    let [list, code, tests] = texts.map(|text| text.replacen(from, to, 1));
    let mut faults = faults(&list, &code, &tests);
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.remove(0)
}

#[test]
fn every_rule_is_cited_and_every_citation_names_a_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let report = clauses::read(&root).expect("the list and the sources");
    let faults = report.faults();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let (both, _, _) = report.counts();
    assert!(both > 150, "the sources were found: {both} rules have code and tests");
}

#[test]
fn a_list_with_code_and_tests_for_each_rule_has_no_fault() {
    assert_eq!(faults(LIST, CODE, TESTS), [""; 0]);
}

#[test]
fn a_citation_of_no_rule_is_told_with_its_place() {
    let told = "engine/src/sms/length.rs:6 cites TS 23.040 9.2.3.17x, which is no rule of the list";
    let faults = faults(LIST, &CODE.replace("9.2.3.17", "9.2.3.17x"), TESTS);
    assert_eq!(faults, [told, "no code cites TS 23.040 9.2.3.17"]);
    // A clause that has rules with names is no rule itself.
    let code = CODE.to_owned() + "> //= TS 23.040 9.2.3.16\n";
    assert_eq!(self::faults(LIST, &code, TESTS).len(), 1);
}

#[test]
fn a_clause_named_in_passing_that_the_list_has_not_is_told() {
    let code = CODE.to_owned() + "> /// TP-MTI (9.2.3.1), and TP-UDL (9.2.3.16).\n";
    let told = "engine/src/sms/length.rs:8 names TS 23.040 9.2.3.1, which is no clause of the list";
    assert_eq!(faults(LIST, &code, TESTS), [told]);
}

#[test]
fn a_rule_without_code_is_told() {
    let line = ">     //= TS 23.040 9.2.3.17\n";
    assert_eq!(fault_with(line, ""), "no code cites TS 23.040 9.2.3.17");
    assert_eq!(fault_with("(TS 23.040, 9.2.3.9)", ""), "no code cites TS 23.040 9.2.3.9");
}

#[test]
fn a_rule_without_a_test_is_told_unless_the_list_says_why() {
    assert_eq!(fault_with("/// 9.2.3.9: what", "/// What"), "no test cites TS 23.040 9.2.3.9");
    assert_eq!(fault_with("no test: nothing shows it ", ""), "no test cites TS 23.040 9.2.3.17");
}

#[test]
fn an_exception_that_is_none_any_more_is_told() {
    let cited = |id: &str| format!("{TESTS}> //= TS 23.040 {id}\n> #[test]\n> fn another() {{}}\n");
    let told = "a test cites TS 23.040 9.2.3.17, which has none";
    assert_eq!(faults(LIST, CODE, &cited("9.2.3.17")), [told]);
    let told = "a test cites TS 23.040 9.2.3.25, which is not here";
    assert_eq!(faults(LIST, CODE, &cited("9.2.3.25")), [told]);
    let code = CODE.to_owned() + "> // TP-RD (TS 23.040 9.2.3.25).\n";
    assert_eq!(faults(LIST, &code, TESTS), ["code cites TS 23.040 9.2.3.25, which is not here"]);
}

#[test]
fn a_citation_among_tests_that_is_at_no_test_is_told() {
    let tests = TESTS.to_owned() + "> //= TS 23.040 9.2.3.9\n> fn helper() {}\n";
    assert_eq!(
        faults(LIST, CODE, &tests),
        ["engine/tests/sms/length.rs:9 cites TS 23.040 9.2.3.9 at no test"]
    );
}

#[test]
fn a_row_that_is_no_rule_is_told() {
    for (row, told) in [
        ("| 9.2.3.9 | A whole clause. | |", "the list has TS 23.040 9.2.3.9 twice"),
        ("| 9.2.3.1 |  | |", "without a heading, a name or a sentence"),
        ("|9.2.3.1||", "the list has a row that is no rule"),
        ("| 9.2.3.1 | No third cell. |", "the list has a row that is no rule"),
        ("| 9.2.3.1 | For no reason. | no test: |", "asks what cannot be asked"),
        ("| 9.2.3.1 | Otherwise. | later: perhaps |", "asks what cannot be asked"),
    ] {
        let list = List::parse(&format!("{LIST}{row}\n"));
        assert_eq!(list.faults.len(), 1, "{row}");
        assert!(list.faults[0].contains(told), "{:?}", list.faults);
        assert_eq!(Report::of(list, Vec::new()).faults().len(), 1 + 3, "and what no code cites");
    }
}

#[test]
fn a_row_under_no_heading_is_told() {
    let list = List::parse("| 9.2.3.9 | A whole clause. | |\n");
    assert_eq!((list.rules.len(), list.faults.len()), (0, 1), "{:?}", list.faults);
}

#[test]
fn a_row_says_what_is_asked() {
    let list = List::parse(LIST);
    let kept: Vec<Kept> = list.rules.iter().map(|rule| rule.kept.clone()).collect();
    let reason = str::to_owned;
    let expected = [
        Kept::CodeAndTest,
        Kept::CodeAndTest,
        Kept::NoTest(reason("nothing shows it")),
        Kept::NotHere(reason("no message comes in")),
    ];
    assert_eq!(kept, expected);
    assert!(list.has("TS 23.040 9.2.3.16 unit") && !list.has("TS 23.040 9.2.3.16"));
    assert!(list.has_clause("TS 23.040 9.2.3.16") && !list.has_clause("TS 23.040 9.2.3"));
}

#[test]
fn a_comment_names_clauses_by_their_document_or_by_numbers_that_only_it_has() {
    for (comment, named) in [
        ("TP-PID (3GPP TS 23.040, 9.2.3.9).", &["TS 23.040 9.2.3.9"][..]),
        ("(9.2.3.24.1, 9.2.3.24.8)", &["TS 23.040 9.2.3.24.1", "TS 23.040 9.2.3.24.8"]),
        ("9.2.2.1a: reports", &["TS 23.040 9.2.2.1a"]),
        ("TS 23.040, 3.2.7", &["TS 23.040 3.2.7"]),
        ("TS 23.038, clause 4: groups", &["TS 23.038 4"]),
        ("(TS 23.038, 6.2.1)", &["TS 23.038 6.2.1"]),
        ("Language 1 (A.3.1).", &["TS 23.038 A.3"]),
        ("TS 24.011, 8.2.5.1", &[]),
        ("TS 27.005, 3.1", &[]),
        ("TS 23.040, 9.2.3.9, but not TS 24.008, 9.2.3.1", &["TS 23.040 9.2.3.9"]),
        ("RFC 3986 section 6.2.2.2", &[]),
        ("clause 4 of the contract, version 9.2, at 127.0.0.1, 3.2 s", &[]),
    ] {
        assert_eq!(mentions(comment), named, "{comment}");
    }
}

#[test]
fn a_citation_stands_at_code_or_at_the_test_before_or_around_which_it_is() {
    let file = "\
> //= a
> fn code() {}
> let url = \"//= none\"; // 9.2.3.9
> #[cfg(test)]
> mod tests {
>     /// Words.
>     //= b
>     #[test]
>     fn before() {
>         //= c
>     }
>
>     //= d
>     const OF_A_TEST: u8 = 1;
> }
";
    let found = citations("engine/src/sms/length.rs", &plain(file));
    let at = found.iter().map(|found| (&found.id[..], found.line, found.at.clone()));
    let before = || Use::Test("before".to_owned());
    let in_tests = [("b", 7, before()), ("c", 10, before()), ("d", 13, Use::Nothing)];
    let expected = [("a", 1, Use::Code)].into_iter().chain(in_tests);
    assert!(at.eq(expected), "{found:?}");
    let helper = citations("engine/src/sms/length/tests.rs", "//= a\nfn helper() {}\n");
    assert_eq!(helper[0].at, Use::Nothing);
}

#[test]
fn a_text_picks_the_rules_that_have_it_in_their_id_or_sentence() {
    let list = "\
## TS 23.040
| id | rule | kept |
|---|---|---|
| 9.2.3.1 | The message type stands in two bits. | |
| 9.2.3.2 more | More messages are told. | |
";
    let cited = citations("engine/src/x.rs", "//= TS 23.040 9.2.3.1\nfn code() {}\n");
    let report = Report::of(List::parse(list), cited);
    let ids = |text: &str| {
        let found = report.about(text);
        found.rules().iter().map(|rule| rule.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids("9.2.3.1"), ["TS 23.040 9.2.3.1"]);
    assert_eq!(ids("MORE MESS"), ["TS 23.040 9.2.3.2 more"]);
    assert_eq!(ids("ts 23.040").len(), 2);
    assert_eq!(ids("nothing"), Vec::<String>::new());
    let found = report.about("9.2.3.1");
    assert_eq!(found.code(&found.rules()[0]).count(), 1);
}
