//! Nothing is allocated per push on the way in: counted, not believed.

use super::{NOW_MS, registration, registry_of};
use crate::gateway::admit::{References, admit};
use crate::gateway::contracts::ContractTable;
use crate::gateway::registration::Registration;
use crate::gateway::registry::{Credential, identify, token_sha256};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use wire::http::{HeadMemory, HeadOutcome, read_head};
use wire::push::client;
use wire::push::client::{PushContent, PushFields};
use wire::push::notify;
use wire::push::notify::Notification;
use wire::push::response::{Answer, AnswerHead, write_answer};
use wire::push::samples;
use wire::push::scan::{PushRequest, Request, scan};
use wire::push::submit::Scratch;
use wire::sms::segment::SUBMITS_OCTETS_MAX;
use wire::terms::calendar;
use wire::terms::code::Code;
use wire::terms::time::SteadyMs;
use wire::terms::time::WallMs;

/// The system's allocator, counting what each thread asks for.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static OCTETS: Cell<i64> = const { Cell::new(0) };
}

/// Octets that this thread has asked for and not given back.
pub(crate) fn octets_held() -> i64 {
    OCTETS.get()
}

fn note_octets(octets: i64) {
    let _ = OCTETS.try_with(|held| held.set(held.get() + octets));
}

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting neither allocates nor
// unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        note_octets(layout.size() as i64);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        note_octets(layout.size() as i64);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note_octets(-(layout.size() as i64));
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, octets: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        note_octets(octets as i64 - layout.size() as i64);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.realloc(pointer, layout, octets) }
    }
}

fn allocations_of(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// Control, text with references, long text, a header and every option, a bad value, a bad body.
fn requests(registration: &Registration) -> Vec<Vec<u8>> {
    let msn = wire::terms::ids::Msn::parse(b"09012345678").expect("legal");
    let push = |content| PushFields::new(registration.xpid, msn, b"r-1", content);
    let long = "地震です。".repeat(100);
    let pushes = [
        PushFields {
            user_data_header: Some(&[6, 5, 4, 0x0b, 0x84, 0x23, 0xf0]),
            ..push(PushContent::Octets(&[7; 500]))
        },
        PushFields {
            sender: Some(b"Hayauma"),
            expiry_ms: Some(NOW_MS + 9000),
            ..push(PushContent::Text("a < b & c"))
        },
        push(PushContent::Text(&long)),
    ];
    let mut bodies = vec![
        samples::CANONICAL.to_vec(),
        samples::with("<ctrlflg>0", "<ctrlflg>7"),
        b"{}".to_vec(),
    ];
    for push in &pushes {
        let mut body = Vec::new();
        client::write_push(&mut body, push);
        bodies.push(body);
    }
    let request = |body: Vec<u8>| {
        let mut request = Vec::new();
        client::write_request(&mut request, "127.0.0.1:8080", Some("secret"), &body);
        request
    };
    bodies.into_iter().map(request).collect()
}

fn answer_to(push: &PushRequest<'_>, judged: Result<u8, Code>) -> Answer {
    let (code, segments) =
        judged.map_or_else(|code| (code, 0), |segments| (Code::ACCEPTED, segments));
    Answer { code, msn: Some(push.msn), reqid: Some(push.reqid), xpid: Some(push.xpid), segments }
}

#[test]
fn a_push_allocates_nothing_from_its_head_to_its_answer() {
    let registration = Registration {
        token_sha256: Some(token_sha256(b"secret")),
        rate_per_second: 1_000_000,
        volume_per_day: 1_000_000,
        national_tables: true,
        ..registration()
    };
    let requests = requests(&registration);
    let registry = registry_of(registration.clone());
    let mut contracts = ContractTable::with_capacity(10);
    let msn = wire::terms::ids::Msn::parse(b"09012345678").expect("legal");
    contracts.insert(msn, registration.xpid).expect("room for one");
    let mut memory = HeadMemory::new();
    let mut credential = Credential::new();
    let mut scratch = Scratch::new();
    let mut submits = [0; SUBMITS_OCTETS_MAX];
    let mut out = Vec::with_capacity(64 * 1024);
    let references = References { message_reference: 0, concatenation_reference: 0 };
    let (now, mut codes) = (WallMs::new(NOW_MS), [Code::INTERNAL; 6]);
    let mut pass = || {
        for (request, code) in requests.iter().zip(&mut codes) {
            let HeadOutcome::Complete(head) = memory.read(request) else { continue };
            assert_eq!(read_head(request), HeadOutcome::Complete(head));
            let body = &request[head.head_octets..];
            let judge = |push: &PushRequest<'_>,
                         credential: &mut Credential,
                         scratch: &mut Scratch,
                         submits: &mut [u8]| {
                let registered =
                    identify(&registry, head.authorization, credential, push.xpid, now)?;
                if !registered.meter.rate(SteadyMs::new(NOW_MS)) {
                    return Err(Code::RATE);
                }
                let contracted = contracts.contains(push.msn, push.xpid);
                let submission = push.submission(scratch);
                let admission =
                    admit(registered, contracted, &submission, references, now, submits)?;
                registered.meter.charge(now);
                Ok(admission.segments)
            };
            let answer = match scan(body) {
                Ok(Request::Push(push)) => {
                    answer_to(&push, judge(&push, &mut credential, &mut scratch, &mut submits))
                }
                Ok(Request::Cancel(_)) => Answer::bare(Code::INTERNAL),
                Err(refusal) => refusal.answer(),
            };
            *code = answer.code;
            let answer_head = AnswerHead::of_request(&head);
            write_answer(&mut out, &calendar::http_date(NOW_MS), &answer, &answer_head);
        }
        out.clear();
    };
    // The first pass proves the token and fills the connection's memories.
    pass();
    assert_eq!(allocations_of(pass), 0);
    let expected = [
        Code::ACCEPTED,
        Code::BAD_VALUE,
        Code::NOT_FLAT_FORM,
        Code::ACCEPTED,
        Code::ACCEPTED,
        Code::ACCEPTED,
    ];
    assert_eq!(codes, expected);
}

#[test]
fn a_notification_allocates_nothing() {
    let registration = registration();
    let url = registration.notify_url.as_ref().expect("the registration has one");
    let response =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n\
        89\r\n<?xml version = \"1.0\" ?>\r\n<msn>09012345678</msn>\r\n\
        <reqid>20261122223430-00000001</reqid>\r\n\
        <svcid>00100000001</svcid>\r\n<code>0000</code>\r\n\r\n0\r\n\r\n";
    let mut out = Vec::with_capacity(4096);
    let mut scratch = [0; 1024];
    let mut octets = 0;
    let count = allocations_of(|| {
        let notification = Notification {
            cancellation: false,
            class: wire::terms::ids::Class::Standard,
            msn: wire::terms::ids::Msn::ALL,
            reqid: b"r-1",
            xpid: registration.xpid,
            segments: 1,
            code: Code::ACCEPTED,
            delivered: 1,
            withdrawn: 0,
            completed_ms: NOW_MS,
            notification_id: b"1",
            try_number: 1,
            domain: None,
            tp_status: Some(0),
            alert_id: None,
        };
        notify::write_notification(&mut out, url, &notification);
        if let notify::ResponseOutcome::Complete(response) = notify::read_response(response, false)
            && let Some(body) = response.body.joined(&mut scratch)
        {
            octets = body.len();
            let _ = notify::read_acknowledgement(body);
        }
    });
    assert_eq!((count, octets), (0, 0x89));
}
