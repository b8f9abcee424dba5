//! Answers in the order of the requests on a pipelined connection, although the msns belong to
//! different shards, some requests are refused at once and others wait for the device or for every
//! shard.

use std::collections::BTreeMap;
use tests::engine::Engine;
use tests::http::{Answer, Connection};
use tests::push::{Body, Request, XPID};
use tests::seeded::Seeded;
use tests::site::Site;

const SEED: u64 = 20_261_122;
/// Requests on each connection.
const REQUESTS: usize = 3_000;
/// Connections that are busy at the same time.
const CONNECTIONS: usize = 4;
/// The lowest contracted msn.
const FIRST_MSN: u64 = 9_000_000_000;
/// Lines that are home; as many above them are absent.
const LINES: u64 = 500;

/// What is asked, and what has to come back.
struct Asked {
    request: Vec<u8>,
    /// msn and reqid that the answer repeats; empty where nothing of the request was read.
    msn: String,
    reqid: String,
    code: &'static str,
}

fn site(partitions_a_thread: usize) -> Site {
    let mut site = Site::new(tests::programs!());
    site.partitions_a_thread(partitions_a_thread);
    site.add_client(XPID, &[]);
    let absent = format!("{:011}-{:011}", FIRST_MSN + LINES, FIRST_MSN + 2 * LINES - 1);
    site.add_contracts(XPID, &[&format!("{FIRST_MSN:011}-{:011}", FIRST_MSN + 2 * LINES - 1)]);
    site.set_lines(&[(absent, "absent")]).shards(3).set("--waiting-per-msn-max", "1000");
    site
}

//= push http in order
#[test]
fn answers_come_in_the_order_of_the_requests_whichever_shard_gives_them() {
    talk_on_several_connections(1);
}

#[test]
fn answers_come_in_the_order_of_the_requests_with_several_partitions_a_thread() {
    talk_on_several_connections(4);
}

fn talk_on_several_connections(partitions_a_thread: usize) {
    let site = site(partitions_a_thread);
    let engine = site.start();
    let codes: BTreeMap<String, u64> = std::thread::scope(|scope| {
        let talks: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let engine = &engine;
                scope.spawn(move || talk(engine, &plan(number), number))
            })
            .collect();
        let mut codes = BTreeMap::new();
        for talk in talks {
            for (code, count) in talk.join().expect("a talk that went as planned") {
                *codes.entry(code).or_default() += count;
            }
        }
        codes
    });
    for code in ["0000", "0001", "1003", "1011", "2002", "2005", "3001", "3002", "3004", "4004"] {
        assert!(codes.get(code).is_some_and(|&count| count > 20), "{code} is rare: {codes:?}");
    }
    let shards = engine.admin().status().shards;
    assert_eq!(shards.len(), site.partitions());
    assert!(shards.iter().all(|shard| shard.figures["pushes_accepted"] > 0), "{shards:?}");
    engine.stop();
}

#[test]
fn one_client_that_sends_everything_before_it_reads_gets_every_answer_in_order() {
    send_everything_first(1);
}

#[test]
fn one_client_that_reads_last_gets_every_answer_in_order_of_several_partitions_a_thread() {
    send_everything_first(4);
}

fn send_everything_first(partitions_a_thread: usize) {
    let site = site(partitions_a_thread);
    let engine = site.start();
    let asked = plan(99);
    let mut connection = engine.connect();
    let mut second = connection.try_clone();
    // The engine stops reading while answers wait, so the sending must not wait for the reading to
    // begin.
    std::thread::scope(|scope| {
        scope.spawn(move || {
            second.send(&asked.iter().flat_map(|asked| asked.request.clone()).collect::<Vec<u8>>())
        });
        for asked in plan(99) {
            check(&connection.answer(), &asked);
        }
    });
    engine.stop();
}

/// Sends the plan in pieces of any size, never waiting for an answer, while another thread reads
/// them.
fn talk(engine: &Engine, plan: &[Asked], number: usize) -> BTreeMap<String, u64> {
    let mut connection: Connection = engine.connect();
    let mut sending = connection.try_clone();
    let stream: Vec<u8> = plan.iter().flat_map(|asked| asked.request.iter().copied()).collect();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut chance = Seeded::new(SEED + number as u64);
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let (piece, after) =
                    rest.split_at(rest.len().min(1 + chance.below(40_000) as usize));
                sending.send(piece);
                rest = after;
            }
        });
        let mut codes = BTreeMap::new();
        for asked in plan {
            let answer = connection.answer();
            check(&answer, asked);
            *codes.entry(answer.code()).or_default() += 1;
        }
        codes
    })
}

#[track_caller]
fn check(answer: &Answer, asked: &Asked) {
    let elements = answer.elements();
    let said = (elements.get("msn"), elements.get("reqid"), elements.get("code"));
    assert_eq!(said, (&asked.msn[..], &asked.reqid[..], asked.code), "{answer:?}");
}

/// A mixture of everything that has one right answer whatever the other connections do.
fn plan(number: usize) -> Vec<Asked> {
    let mut chance = Seeded::new(SEED ^ number as u64);
    let mut plan = Vec::new();
    while plan.len() < REQUESTS {
        let reqid = format!("{number}-{}", plan.len());
        let home = format!("{:011}", FIRST_MSN + chance.below(LINES));
        let absent = format!("{:011}", FIRST_MSN + LINES + chance.below(LINES));
        let strange = "08011112222";
        let push = Body::push(&home, &reqid);
        let of = |body: &Body, msn: &str, code| Asked {
            request: body.request(),
            msn: msn.to_owned(),
            reqid: reqid.clone(),
            code,
        };
        match chance.below(10) {
            0..4 => plan.push(of(&push, &home, "0000")),
            4 => {
                plan.push(of(&push, &home, "0000"));
                plan.push(of(&push, &home, "0001"));
                plan.push(of(&push.clone().with("data", "00"), &home, "3001"));
            }
            5 => {
                // What waits can be withdrawn once.
                plan.push(of(&Body::push(&absent, &reqid), &absent, "0000"));
                plan.push(of(&Body::cancel(&absent, &reqid), &absent, "0000"));
                plan.push(of(&Body::cancel(&absent, &reqid), &absent, "3004"));
            }
            6 => {
                let alert =
                    Body::push(&absent, &reqid).with("alertid", &reqid).with("alertseq", "01");
                plan.push(of(&alert, &absent, "0000"));
                plan.push(of(&Body::cancel_alert(&reqid, &reqid), "00000000000", "0000"));
                plan.push(of(&Body::cancel(&home, &reqid), &home, "3002"));
            }
            7 => plan.push(of(&push.with("lifetime", "99"), &home, "1003")),
            8 => {
                plan.push(of(&push.clone().with("svcid", "99999999999"), &home, "2002"));
                plan.push(of(&Body::push(strange, &reqid), strange, "2005"));
            }
            _ => {
                plan.push(of(&push.clone().with("data", "F"), &home, "4004"));
                let elsewhere =
                    Request::post(&push.octets()).line("POST /elsewhere HTTP/1.1").octets();
                let nothing = Asked {
                    request: elsewhere,
                    msn: String::new(),
                    reqid: String::new(),
                    code: "1011",
                };
                plan.push(nothing);
            }
        }
    }
    plan
}
