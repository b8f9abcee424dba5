//! Deltas, held against a table.

use std::collections::BTreeMap;

use super::*;
use crate::broadcast::lists::delta::{Changes, Delta};
use crate::broadcast::lists::view::ListView;

type Row = (String, String, String);

fn delta(base: &[u8], text: &str) -> (Vec<u8>, Changes, Account) {
    let directory = directory();
    let path = directory.path().join("next");
    let options = ReaderOptions { parameters: vec!["shelter".to_owned()], ..Default::default() };
    let mut delta = Delta::new(options, directory.path()).expect("options");
    text.as_bytes().chunks(50).for_each(|octets| delta.feed(octets).expect("a delta"));
    let base = ListView::open(base).expect("the base");
    let (version, changes) = delta.finish(&base, &new_file(&path)).expect("a version");
    (std::fs::read(&path).expect("the version"), changes, version.account)
}

fn table(version: &[u8]) -> BTreeMap<String, Row> {
    let view = ListView::open(version).expect("a version");
    view.verify().expect("whole");
    let rows = (0..view.rows()).map(|number| {
        let row = view.row(number).expect("a row");
        let parameter = row.parameters.first().copied().unwrap_or_default().to_owned();
        (row.msn.to_string(), (row.area.unwrap_or_default(), row.language.to_owned(), parameter))
    });
    rows.collect()
}

fn base(text: &str) -> Vec<u8> {
    let options = ReaderOptions { parameters: vec!["shelter".to_owned()], ..Default::default() };
    import(text.as_bytes(), 1 << 20, &options).expect("a list").1
}

#[test]
fn a_put_changes_what_it_says_and_a_deletion_of_nobody_is_counted() {
    let base = base("msn,area,lang,shelter\n07000000001,20422,ja,School\n07000000002,20201,en,\n");
    let text = "{\"op\":\"put\",\"msn\":\"07000000001\"}\n\
        {\"msn\":\"07000000001\",\"lang\":\"en\"}\n\
        {\"op\":\"delete\",\"msn\":\"07000000002\"}\n{\"op\":\"delete\",\"msn\":\"07000000009\"}\n\
        {\"op\":\"put\",\"msn\":\"07000000003\",\"area\":\"13101\",\
        \"params\":{\"shelter\":\"Hall\"}}\n\
        {\"op\":\"move\",\"msn\":\"07000000001\"}\n";
    let (next, changes, account) = delta(&base, text);
    let row = |area: &str, language: &str, shelter: &str| {
        (area.to_owned(), language.to_owned(), shelter.to_owned())
    };
    let expected = [
        ("07000000001".to_owned(), row("20422", "en", "School")),
        ("07000000003".to_owned(), row("13101", "", "Hall")),
    ];
    assert_eq!(table(&next), BTreeMap::from(expected));
    assert_eq!(changes, Changes { added: 1, changed: 1, unchanged: 0, deleted: 1, unknown: 1 });
    assert_eq!(account.refused["json"], 1);
}

#[test]
fn random_deltas_make_the_same_versions_as_a_table() {
    for seed in 0..60 {
        let mut random = Seeded(seed);
        let mut version = base("msn,area,lang,shelter\n");
        let mut expected: BTreeMap<String, Row> = BTreeMap::new();
        for round in 0..6 {
            let mut text = String::new();
            let mut known = 0;
            for _ in 0..1 + random.below(40) {
                let msn = format!("070000000{:02}", random.below(30));
                if random.below(4) == 0 {
                    text += &format!("{{\"op\":\"delete\",\"msn\":\"{msn}\"}}\n");
                    known += u64::from(expected.remove(&msn).is_none());
                    continue;
                }
                let row = expected.entry(msn.clone()).or_default();
                text += &format!("{{\"msn\":\"{msn}\"");
                if random.below(2) == 0 {
                    row.0 = ["20422", "13101", "NUTS:AT1", ""][random.below(4)].to_owned();
                    text += &format!(",\"area\":\"{}\"", row.0);
                }
                if random.below(2) == 0 {
                    row.1 = ["ja", "en", ""][random.below(3)].to_owned();
                    text += &format!(",\"lang\":\"{}\"", row.1);
                }
                if random.below(2) == 0 {
                    row.2 = ["School", "Hall", ""][random.below(3)].to_owned();
                    text += &format!(",\"params\":{{\"shelter\":\"{}\"}}", row.2);
                }
                text += "}\n";
            }
            let (next, changes, account) = delta(&version, &text);
            assert_eq!(table(&next), expected, "seed {seed}, round {round}");
            assert_eq!((changes.unknown, account.rows), (known, expected.len() as u64));
            version = next;
        }
    }
}

#[test]
fn a_delta_is_no_csv_and_a_damaged_base_is_named() {
    let directory = directory();
    let mut csv = Delta::new(ReaderOptions::default(), directory.path()).expect("options");
    assert!(
        csv.feed(b"msn,area\n07000000001,20422\n")
            .is_err_and(|error| error.to_string().contains("NDJSON"))
    );
    let mut damaged = base("msn,area\n07000000001,20422\n");
    // Behind the head and one run stands the only row.
    damaged[4_096 + 24 + 5] = 0xff;
    let view = ListView::open(&damaged).expect("its head is whole");
    let mut delta = Delta::new(ReaderOptions::default(), directory.path()).expect("options");
    delta.feed(b"{\"op\":\"delete\",\"msn\":\"07000000001\"}\n").expect("a delta");
    let error = delta.finish(&view, &new_file(&directory.path().join("x"))).expect_err("damaged");
    assert!(error.to_string().contains("damaged at row 0"), "{error}");
}

#[test]
fn a_delta_without_an_end_is_given_up_before_it_fills_the_device() {
    let directory = directory();
    let delta = Delta::new(ReaderOptions::default(), directory.path()).expect("options");
    let mut delta = delta.of_at_most(10);
    let line = "{\"op\":\"delete\",\"msn\":\"09000000001\"}\n";
    let fed = (0..1_000).find_map(|_| delta.feed(line.repeat(3).as_bytes()).err());
    let error = fed.expect("it has an end").to_string();
    assert!(error.contains("50000000"), "{error}");
}
