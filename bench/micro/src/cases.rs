//! The hot paths, each as a loop over one operation. What a loop needs is made before it, so that
//! it stays out of the difference between a long and a short loop, which is what is counted.

mod shard;
mod smpp;

use dataplane::gateway::admit::{References, admit};
use dataplane::gateway::contracts::ContractTable;
use dataplane::gateway::registration::Registration;
use dataplane::gateway::registry::Registry;
use dataplane::io::HandOver;
use dataplane::journal::{Accepted, Journal, SegmentFactory};
use dataplane::smsc::timer_wheel::TimerWheel;
use hdrhistogram::Histogram;
use std::hint::black_box;
use wire::push::client::{PushContent, PushFields, write_push};
use wire::push::notify_url::NotifyUrl;
use wire::push::response::{Answer, AnswerHead, write_answer};
use wire::push::scan::{PushRequest, Request, scan};
use wire::push::submit::Scratch;
use wire::sms::segment::SUBMITS_OCTETS_MAX;
use wire::submission::form;
use wire::terms::code::Code;
use wire::terms::ids::{Msn, Xpid};
use wire::terms::time::WallMs;

/// One hot path.
pub(crate) struct Case {
    /// What it is called in the limits.
    pub(crate) name: &'static str,
    /// What one operation is.
    pub(crate) operation: &'static str,
    /// Does so many operations.
    pub(crate) run: fn(u64),
}

/// All of them.
pub(crate) const CASES: [Case; 19] = [
    Case {
        name: "scan-sample",
        operation: "the sample push's body, by the canonical path",
        run: scan_sample,
    },
    Case {
        name: "scan-text",
        operation: "a Japanese text push's body, by the general path",
        run: scan_text,
    },
    Case { name: "contracts", operation: "a look-up among 65,536 contracts", run: contracts },
    Case {
        name: "admit-control",
        operation: "the sample push to its SMS-SUBMIT",
        run: admit_control,
    },
    Case {
        name: "admit-text",
        operation: "a Japanese text to its two SMS-SUBMITs",
        run: admit_text,
    },
    Case { name: "answer", operation: "one push response, head and body", run: answer },
    Case {
        name: "journal-append",
        operation: "one Accepted record of one segment",
        run: journal_append,
    },
    Case {
        name: "hand-over",
        operation: "a push's form to the owner's shard, read there, and home",
        run: hand_over,
    },
    Case {
        name: "timer-start-stop",
        operation: "a timer of an hour started and stopped",
        run: timer_start_stop,
    },
    Case {
        name: "timer-expire",
        operation: "a timer of a second started and expired",
        run: timer_expire,
    },
    Case { name: "histogram", operation: "one latency recorded, three digits", run: histogram },
    Case {
        name: "intake",
        operation: "a shard takes the sample push: scan to journal",
        run: shard::intake,
    },
    Case {
        name: "intake-elsewhere",
        operation: "the same, where another shard than the one it came to takes it",
        run: shard::intake_elsewhere,
    },
    Case {
        name: "lifecycle",
        operation: "a push through a shard: intake to acknowledged E5",
        run: shard::lifecycle,
    },
    Case {
        name: "lifecycle-text",
        operation: "the same with a text of two segments",
        run: shard::lifecycle_text,
    },
    Case { name: "smpp-submit", operation: "a submit_sm written", run: smpp::encode_submit },
    Case { name: "smpp-answer", operation: "its answer read", run: smpp::decode_answer },
    Case {
        name: "smpp-receipt",
        operation: "a receipt with its text read",
        run: smpp::decode_receipt,
    },
    Case {
        name: "smpp-session",
        operation: "a submit_sm and its answer through a session",
        run: smpp::session,
    },
];

/// 2026-11-22 22:34:30 JST.
const NOW_MS: u64 = 1_795_354_470_000;
const FIRST_MSN: u64 = 9_000_000_000;
const REFERENCES: References = References { message_reference: 1, concatenation_reference: 7 };
const SAMPLE: &[u8] = b"<?xml version = \"1.0\" ?>\r\n<fncid>0101</fncid>\r\n\
    <comway>1101</comway>\r\n<msn>09012345678</msn>\r\n<reqid>20261122223430-00000001</reqid>\r\n\
    <svcid>00100000001</svcid>\r\n<lifetime>05</lifetime>\r\n<ctrlflg>0</ctrlflg>\r\n\
    <data>FFFFFFFFFF</data>\r\n";
/// 84 UCS-2 characters: two segments.
const TEXT: &str = "緊急地震速報。まもなく強い揺れが来ます。丈夫な机の下など安全な場所で身を守ってください。\
    火の始末は揺れがおさまってから落ち着いて行ってください。海岸から離れてください。";

fn xpid() -> Xpid {
    Xpid::from_value(100_000_001).expect("a legal XPID")
}

fn msn(number: u64) -> Msn {
    Msn::from_value(FIRST_MSN + number).expect("a legal msn")
}

fn registry() -> Registry {
    let notify_url = NotifyUrl::parse("http://127.0.0.1:9000/notify").expect("a legal URL");
    Registry::new(vec![Registration {
        notify_url: Some(notify_url),
        ..Registration::new(xpid(), "micro")
    }])
}

/// The body of a text push.
fn text_body(msn: Msn, reqid: &[u8]) -> Vec<u8> {
    let fields = PushFields {
        lifetime_hours: 24,
        ..PushFields::new(xpid(), msn, reqid, PushContent::Text(TEXT))
    };
    let mut body = Vec::new();
    write_push(&mut body, &fields);
    body
}

fn push(body: &[u8]) -> PushRequest<'_> {
    match scan(body) {
        Ok(Request::Push(push)) => push,
        other => panic!("a push, not {other:?}"),
    }
}

fn scan_sample(count: u64) {
    for _ in 0..count {
        assert!(scan(black_box(SAMPLE)).is_ok());
    }
}

fn scan_text(count: u64) {
    // An element that the sample's order does not have: the general path.
    let body = String::from_utf8(text_body(msn(0), b"r-1")).expect("UTF-8");
    let body = body.replace("<data>", "<dlvntf>1</dlvntf>\r\n<data>");
    for _ in 0..count {
        assert!(scan(black_box(body.as_bytes())).is_ok());
    }
}

fn contracts(count: u64) {
    const CONTRACTS: u64 = 1 << 16;
    let mut table = ContractTable::with_capacity(CONTRACTS as usize);
    for number in 0..CONTRACTS {
        table.insert(msn(number), xpid()).expect("room");
    }
    for number in 0..count {
        // Every other one is not contracted.
        let asked = msn(number.wrapping_mul(7_919) % (2 * CONTRACTS));
        black_box(table.contains(black_box(asked), xpid()));
    }
}

fn admit_control(count: u64) {
    admit_often(&push(SAMPLE), count);
}

fn admit_text(count: u64) {
    let body = text_body(msn(0), b"r-1");
    admit_often(&push(&body), count);
}

fn admit_often(push: &PushRequest<'_>, count: u64) {
    let registry = registry();
    let registered = registry.iter().next().expect("one registration");
    let (mut scratch, mut submits) = (Scratch::new(), [0; SUBMITS_OCTETS_MAX]);
    for _ in 0..count {
        let submission = black_box(push).submission(&mut scratch);
        let admission =
            admit(registered, true, &submission, REFERENCES, WallMs::new(NOW_MS), &mut submits);
        assert!(admission.is_ok());
        black_box(&submits);
    }
}

fn answer(count: u64) {
    let request = push(SAMPLE);
    let answer = Answer {
        code: Code::ACCEPTED,
        msn: Some(request.msn),
        reqid: Some(request.reqid),
        xpid: Some(request.xpid),
        segments: 1,
    };
    let date = wire::terms::calendar::http_date(NOW_MS);
    let mut out = Vec::with_capacity(4096);
    for _ in 0..count {
        out.clear();
        write_answer(&mut out, &date, black_box(&answer), &AnswerHead::default());
        black_box(&out);
    }
}

fn journal_append(count: u64) {
    let request = push(SAMPLE);
    let registry = registry();
    let registered = registry.iter().next().expect("one registration");
    let (mut scratch, mut submits) = (Scratch::new(), [0; SUBMITS_OCTETS_MAX]);
    let submission = request.submission(&mut scratch);
    let admission =
        admit(registered, true, &submission, REFERENCES, WallMs::new(NOW_MS), &mut submits)
            .expect("the sample is admitted");
    let place = tempfile::tempdir().expect("a place for temporary files");
    let factory = SegmentFactory::start().expect("a thread");
    let opened = Journal::open(place.path(), shard::journal_config(), &factory, &mut |_, _, _| {});
    let mut journal = opened.expect("a fresh journal").0;
    let mut reqid = [0; 23];
    reqid.copy_from_slice(request.reqid.as_bytes());
    for number in 1..=count {
        let accepted = Accepted {
            push_id: journal.next_sequence(),
            key_fingerprint: number,
            content_digest: number,
            msn: request.msn.value(),
            xpid: request.xpid.value(),
            accepted_ms: NOW_MS,
            expires_ms: admission.expires_ms.ms(),
            alert_key_fingerprint: 0,
            alert_fingerprint: 0,
            reqid,
            reqid_length: 23,
            class: 1,
            kind: 0,
            wants_notification: true,
            single_attempt: false,
            segments: 1,
            message_reference: 1,
            concatenation_reference: 7,
            svcinst: 0,
            sender_index: 0,
            alert_sequence: 0,
            door: 0,
            sender: b"Hayauma",
            alert_id: b"",
            submits: &submits[..admission.submits_octets],
        };
        let (position, _) = journal.append_accepted(black_box(&accepted)).expect("room");
        journal.release(position);
        if number % 128 == 0 {
            journal.commit_blocking().expect("a device that writes");
        }
    }
}

fn hand_over(count: u64) {
    let mut hand_over = HandOver::new().expect("a /dev/null");
    let (request, mut scratch) = (push(SAMPLE), Scratch::new());
    let submission = request.submission(&mut scratch);
    for _ in 0..count {
        let write = |form: &mut Vec<u8>| form::write_submission(black_box(&submission), form);
        let take = |form: &[u8]| {
            assert!(form::read(form).is_ok());
            Answer::bare(Code::ACCEPTED)
        };
        assert_eq!(hand_over.round_trip(write, take), Some(Code::ACCEPTED));
    }
}

fn timer_start_stop(count: u64) {
    let mut wheel = TimerWheel::new(1 << 16, 0);
    for number in 0..count {
        wheel.start(number as u32 & 0xFFFF, 3_600_000 + number);
        assert!(wheel.stop(number as u32 & 0xFFFF));
    }
}

fn timer_expire(count: u64) {
    let mut wheel = TimerWheel::new(1 << 16, 0);
    for number in 0..count {
        let now_ms = number * 2;
        wheel.start(number as u32 & 0xFFFF, now_ms + 1_000);
        while let Some(index) = wheel.expire_one(now_ms) {
            black_box(index);
        }
    }
}

fn histogram(count: u64) {
    let mut histogram =
        Histogram::<u64>::new_with_bounds(100, 600_000_000_000, 3).expect("legal bounds");
    for number in 0..count {
        histogram.saturating_record(black_box(1_000 + number.wrapping_mul(7_919) % 50_000_000));
    }
    assert_eq!(histogram.len(), count);
}
