//! Rows with parameters of their own, more than texts can be ready for: each phone gets its own
//! text, whatever dies meanwhile.

use hayauma::control::broadcasts::ProgressDocument;
use std::collections::BTreeMap;
use std::path::Path;
use tests::broadcasts::{Broadcaster, manifest, msn};
use tests::carriers::{add_carrier, await_bound};
use tests::engine::Engine;
use tests::site::Site;
use tests::smsc::Smsc;
use tests::terminals::Terminals;
use tests::wait;

/// More than a broadcast has ready texts.
const ROWS: u64 = 4_500;
/// A text of two short messages, in which the code stands.
const LONG: usize = 170;

fn count(progress: &ProgressDocument, outcome: &str) -> u64 {
    progress.counts.get(outcome).copied().unwrap_or_default()
}

/// What a phone is to get instead of the code: of each third one it takes two short messages.
fn code(number: u64) -> String {
    let short = format!("K-{number}");
    if number.is_multiple_of(3) { format!("{short}{}", "x".repeat(LONG)) } else { short }
}

fn text(number: u64) -> String {
    format!("Code {}", code(number))
}

fn segments(number: u64) -> u64 {
    if number.is_multiple_of(3) { 2 } else { 1 }
}

/// A list with the codes; a manifest of its texts.
fn written(site: &Site, people: &Broadcaster<'_>, reqid: &str, more: &str) -> String {
    let made = site.must(&["list", "create", "codes", "--parameter", "code"]);
    let list = made.trim();
    let mut rows = "msn,area,lang,code\n".to_owned();
    (0..ROWS).for_each(|number| rows += &format!("{},13101,en,{}\n", msn(number), code(number)));
    people.fill(list, &rows);
    let texts = r#"{"variants":{"ja":"避難してください","en":"Leave now"}}"#;
    let own = r#"{"variants":{"en":"Code {{code}}"},"fallback":["en"]}"#;
    manifest(list, "02", reqid, more).replace(texts, own)
}

#[test]
fn each_phone_gets_its_own_text_by_a_carrier_before_and_behind_a_death() {
    let alpha = Smsc::start();
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    add_carrier(&site, "alpha", alpha.address(), &["--rate", "1500"]);
    site.must(&["carrier", "route", "add", "0900", "alpha"]);
    let people = Broadcaster::new(&site, ROWS);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let broadcast = people.draft(&written(&site, &people, "codes", ""));
    let check = people.check(&broadcast);
    let all: u64 = (0..ROWS).map(segments).sum();
    assert_eq!((check.addressed.targeted, check.addressed.segments), (ROWS, all));
    let shown = &check.addressed.texts;
    assert_eq!((shown.len(), shown[0].is_own, shown[0].segments), (1, true, 2), "{shown:?}");
    assert_eq!(shown[0].text, "Code {{code}}");
    people.start(&broadcast);
    wait::until_true("some by the carrier", || alpha.sms().len() > 800);
    engine.kill();
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let progress = people.ended(&broadcast);
    assert_eq!(count(&progress, "delivered"), ROWS, "{:?}", progress.counts);
    // Segments of a long text come one by one, in the order of their numbers.
    let mut got: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for sms in alpha.sms().into_iter().filter(|sms| sms.status == Some(0)) {
        // A part of a long text has a header of five octets and their number.
        let header = if sms.text.starts_with(&[5, 0, 3]) { 6 } else { 0 };
        let (pieces, piece) = (got.entry(sms.to).or_default(), sms.text[header..].to_vec());
        if !pieces.contains(&piece) {
            pieces.push(piece);
        }
    }
    for number in 0..ROWS {
        let pieces = &got[&format!("81{}", &msn(number)[1..])];
        let whole = text(number);
        assert_eq!(pieces.len() as u64, segments(number), "{number}");
        for piece in pieces {
            let piece = String::from_utf8_lossy(piece);
            assert!(whole.contains(&*piece), "{number}: {piece:?} of {whole:?}");
        }
        let length: usize = pieces.iter().map(Vec::len).sum();
        assert_eq!(length, whole.len(), "{number}");
    }
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

fn serve(site: &Site, book: &Path) -> Engine {
    let engine = site.spawn(&[("HAYAUMA_TEST_TERMINALS", book.as_os_str())]);
    wait::until_true("a healthy engine", || engine.admin().is_healthy());
    engine
}

#[test]
fn deaths_under_rows_of_their_own_texts_lose_none_and_send_as_many_short_messages_as_each_takes() {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set("--queue-bytes", "128MiB");
    let people = Broadcaster::new(&site, ROWS);
    let book = site.path("terminals");
    let mut engine = serve(&site, &book);
    let broadcast =
        people.started(&written(&site, &people, "kills", r#""pace":{"per_second":1500},"#));
    for reached in [600, 2_000] {
        wait::until_true("some rows", || count(&people.status(&broadcast), "delivered") > reached);
        engine.kill();
        engine = serve(&site, &book);
    }
    let progress = people.ended(&broadcast);
    assert_eq!(count(&progress, "delivered"), ROWS, "{:?}", progress.counts);
    let results = site.must(&["broadcast", "results", &broadcast]);
    let mut lines: Vec<&str> = results.lines().skip(1).collect();
    lines.sort_unstable();
    for (number, line) in (0..ROWS).zip(&lines) {
        let fields: Vec<&str> = line.split(',').collect();
        let wanted = segments(number).to_string();
        assert_eq!(
            (fields[0], fields[6], fields[7]),
            (&*msn(number), &*wanted, &*wanted),
            "{line}"
        );
    }
    engine.stop();
    let book = Terminals::read(&book);
    assert!(book.repeated.is_empty(), "{:?}", book.repeated);
    assert_eq!(book.segments, (0..ROWS).map(segments).sum::<u64>(), "{book:?}");
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}
