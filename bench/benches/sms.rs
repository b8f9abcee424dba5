//! What the codec costs for each message: planning, encoding, relaying and reading.
//!
//! Budgets: a one-segment 7-bit SMS-DELIVER 60 ns, one of 70 UCS-2 characters 80 ns, a ten-segment
//! text 1 µs.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use wire::sms::relay::{OriginatingAddress, deliver_from_submit, scts_jst, submits};
use wire::sms::segment::{
    Content, DeliverTemplate, PlanOptions, SUBMITS_OCTETS_MAX, SubmitTemplate, encode_delivers,
    encode_submits, plan,
};
use wire::sms::tpdu::Deliver;

fn texts() -> [(&'static str, String); 5] {
    let latin = "The quick brown fox jumps over the lazy dog. ";
    let mixed = "Grüße aus Köln für 5 $ @ home_1 {€} ";
    let japanese = "漢字かな交じり文の試験。";
    let take = |text: &str, characters: usize| text.chars().cycle().take(characters).collect();
    [
        ("gsm7_160", take(latin, 160)),
        ("gsm7_mixed_140", take(mixed, 140)),
        ("ucs2_70", take(japanese, 70)),
        ("gsm7_1530", take(latin, 1530)),
        ("ucs2_670", take(japanese, 670)),
    ]
}

fn codec(criterion: &mut Criterion) {
    let originating = OriginatingAddress::parse("Hayauma").expect("eleven characters at most");
    let scts = scts_jst(2026, 11, 22, 13, 34, 30);
    let options = PlanOptions::default();
    let deliver = DeliverTemplate {
        originating: &originating,
        scts,
        concatenation_reference: 7,
        protocol_identifier: 0,
        status_report_indication: true,
        more_messages: false,
    };
    let submit = SubmitTemplate {
        destination: b"09012345678",
        first_message_reference: 1,
        concatenation_reference: 7,
        protocol_identifier: 0,
        validity_relative: Some(59),
        status_report_requested: true,
        reject_duplicates: false,
    };
    let mut out = [0; SUBMITS_OCTETS_MAX];
    for (name, text) in texts() {
        let content = Content::Text(&text);
        let planned = plan(content, &options).expect("ten segments at most");
        criterion.bench_function(&format!("plan/{name}"), |bencher| {
            bencher.iter(|| plan(black_box(content), &options));
        });
        criterion.bench_function(&format!("encode_deliver/{name}"), |bencher| {
            bencher.iter(|| {
                encode_delivers(
                    black_box(&planned),
                    black_box(content),
                    &options,
                    &deliver,
                    &mut out,
                )
            });
        });
        criterion.bench_function(&format!("encode_submit/{name}"), |bencher| {
            bencher.iter(|| {
                encode_submits(black_box(&planned), black_box(content), &options, &submit, &mut out)
            });
        });
        let length = encode_submits(&planned, content, &options, &submit, &mut out)
            .expect("the buffer suffices");
        let first = submits(&out[..length]).next().expect("a segment").to_vec();
        let mut delivered = [0; 164];
        criterion.bench_function(&format!("relay/{name}"), |bencher| {
            bencher.iter(|| {
                deliver_from_submit(black_box(&first), &originating, &scts, false, &mut delivered)
            });
        });
        let length = deliver_from_submit(&first, &originating, &scts, false, &mut delivered)
            .expect("it was just written");
        criterion.bench_function(&format!("decode_deliver/{name}"), |bencher| {
            bencher.iter(|| Deliver::decode(black_box(&delivered[..length])));
        });
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
