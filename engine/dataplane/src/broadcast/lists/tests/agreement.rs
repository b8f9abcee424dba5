//! The fast way and the general way agree, on random lists; in how many pieces they come makes no
//! difference. `HAYAUMA_LISTS=1000000` is the heavy run.

use super::*;
use crate::broadcast::lists::attributes::Set;
use crate::broadcast::lists::pieces::Pieces;
use crate::broadcast::lists::reader::{ListReader, Row};

/// Random lists that a usual run reads.
const LISTS: u64 = 5_000;

fn text(random: &mut Seeded) -> String {
    let headers =
        ["msn,area,lang", "msn,area", "msn", "msn,lang", "area,msn", "msn;area", "msn,note,area"];
    let header = headers[random.below(headers.len())];
    let separator = if header.contains(';') { ';' } else { ',' };
    let ends = ["\n", "\r\n", "\r"];
    let usual_end = ends[random.below(3)];
    let mut text = header.to_owned() + usual_end;
    for _ in 0..random.below(12) {
        let fields: Vec<String> = header
            .split(separator)
            .map(|column| match column {
                "msn" => msn(random),
                "area" => area(random),
                "lang" => {
                    ["ja", "en", "JA", "x_y", "", "ja-Hira", "zh-Hans"][random.below(7)].to_owned()
                }
                _ => ["", "a", "\"a,\nb\"", "\"open", "q\"q", "\"\""][random.below(6)].to_owned(),
            })
            .collect();
        text += &fields.join(separator.encode_utf8(&mut [0; 4]));
        text += match random.below(12) {
            0 => "",
            1 => ends[random.below(3)],
            2 => ",,\n",
            3 => "\n\n",
            _ => usual_end,
        };
    }
    text
}

fn msn(random: &mut Seeded) -> String {
    // Few numbers, so that some come twice.
    let digits = format!("0700000000{}", random.below(6));
    match random.below(12) {
        0 => format!("\"{digits}\""),
        1 => format!(" {digits}"),
        2 => digits.replace("0700", "070-0"),
        3 => digits[1..].to_owned(),
        4 => format!("{digits}0"),
        5 => digits.replace('7', "７"),
        6 => "\"".to_owned(),
        _ => digits,
    }
}

fn area(random: &mut Seeded) -> String {
    ["20422", "204226", "20201", "00000", "99999", "", "2042", "x:1", "\"20422\"", "20422 "]
        [random.below(10)]
    .to_owned()
}

/// The rows and the account, with the file cut at random.
fn rows_of(
    text: &str,
    random: &mut Seeded,
    goes_general_way: bool,
) -> (Vec<Row>, Vec<Set>, Account) {
    let options = ReaderOptions { goes_general_way, ..Default::default() };
    let mut reader = ListReader::new(options).expect("options");
    let mut rows = Vec::new();
    for piece in pieces(text, random) {
        reader.feed(piece.as_bytes(), &mut |row| rows.push(row)).expect("a list");
    }
    let (account, attributes) = reader.finish(&mut |row| rows.push(row)).expect("a list");
    (rows, attributes.sets().to_vec(), account)
}

/// The text cut at random, between two characters.
fn pieces<'a>(text: &'a str, random: &mut Seeded) -> Vec<&'a str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let at = rest.ceil_char_boundary(1 + random.below(rest.len().min(80)));
        pieces.push(&rest[..at]);
        rest = &rest[at..];
    }
    pieces
}

fn imported(
    text: &str,
    random: &mut Seeded,
    goes_general_way: bool,
    held: usize,
) -> (Version, Vec<u8>) {
    let directory = directory();
    let path = directory.path().join("list");
    let options = ReaderOptions { goes_general_way, ..Default::default() };
    let mut import = Import::on(options, Pieces::holding(directory.path(), held)).expect("options");
    for piece in pieces(text, random) {
        import.feed(piece.as_bytes()).expect("a list");
    }
    let version = import.finish(&new_file(&path)).expect("a version");
    (version, std::fs::read(&path).expect("the version"))
}

#[test]
fn both_ways_agree_on_random_lists() {
    let lists =
        std::env::var("HAYAUMA_LISTS").ok().and_then(|lists| lists.parse().ok()).unwrap_or(LISTS);
    let mut fast_rows = 0;
    for seed in 0..lists {
        let mut random = Seeded(seed);
        let text = text(&mut random);
        let general = rows_of(&text, &mut random, true);
        let fast = rows_of(&text, &mut random, false);
        assert_eq!(fast, general, "seed {seed}: {text:?}");
        fast_rows += fast.0.len();
        let (rows, _, account) = fast;
        assert_eq!(
            account.records,
            rows.len() as u64 + account.refused_count(),
            "seed {seed}: {text:?}"
        );
        let physical = text.replace("\r\n", "\n").replace('\r', "\n");
        let unended = u64::from(!physical.ends_with('\n'));
        let lines = physical.matches('\n').count() as u64 + unended;
        assert_eq!(account.lines, lines, "seed {seed}: {text:?}");
    }
    assert!(fast_rows as u64 > lists, "the lists have rows");
}

#[test]
fn versions_of_random_lists_are_the_same_by_both_ways_and_through_files() {
    for seed in 0..40 {
        let mut random = Seeded(seed);
        let text = text(&mut random);
        let general = imported(&text, &mut random, true, 1_000);
        assert_eq!(imported(&text, &mut random, false, 1_000), general, "seed {seed}: {text:?}");
        assert_eq!(
            imported(&text, &mut random, false, 2),
            general,
            "seed {seed}, in files: {text:?}"
        );
    }
}
