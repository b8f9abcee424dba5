//! SMPP senders against the SMSC, each holding its own book: what one did the other counted.

use loadgen::machine::Machine;
use loadgen::plan::{Load, Plan};
use loadgen::report::Report as Page;
use loadgen::run::{Outcome, run};
use loadgen::scenario::Scenario;
use loadgen::smpp::account::Account;
use loadgen::smpp::faults::Faults;
use loadgen::smpp::smsc::{Act, Ids, ReceiptForm, Report, Settings, Smsc};
use loadgen::summary::Summary;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use wire::smpp::address::Address;
use wire::smpp::command::Command;
use wire::smpp::frame::Header;
use wire::smpp::id::{IdForm, IdForms};
use wire::smpp::pdu::{Bind, BindKind, Body, Cancel, Message, Query, decode, encode};
use wire::smpp::receipt::{MessageState, Receipt};
use wire::smpp::status::Status;

fn smsc(settings: Settings) -> Smsc {
    Smsc::start(SocketAddr::from(([127, 0, 0, 1], 0)), settings, &[]).expect("a loopback port")
}

fn plan(smsc: &Smsc, pushes: u64) -> Plan {
    let mut plan = Plan {
        pushes,
        connections: 2,
        pipeline: 10,
        smpp: Some(Account::new("load", "secret")),
        ..Plan::new(smsc.address())
    };
    plan.patience.stall_after = Duration::from_secs(5);
    plan
}

fn faults(all: &[&str]) -> Faults {
    let mut faults = Faults { late_by: Duration::from_millis(5), ..Faults::default() };
    all.iter().for_each(|fault| faults.add(fault).expect("a fault"));
    faults
}

fn carry_out(plan: Plan) -> Outcome {
    run(plan, None).expect("the SMSC is up")
}

/// What the SMSC has done once its sessions are over.
fn book(smsc: &Smsc) -> Report {
    let deadline = Instant::now() + Duration::from_secs(5);
    while smsc.report().sessions > 0 {
        assert!(Instant::now() < deadline, "{:?}", smsc.report());
        std::thread::park_timeout(Duration::from_millis(5));
    }
    smsc.report()
}

#[test]
fn every_push_is_answered_and_receipted_once_over_several_sessions_and_threads() {
    let smsc =
        smsc(Settings { accounts: vec![("load".into(), "secret".into())], ..Settings::default() });
    let outcome = carry_out(Plan { threads: 2, connections: 4, ..plan(&smsc, 3_000) });
    let (tally, book) = (outcome.tally, book(&smsc));
    assert!(outcome.is_clean(), "{tally} {:?}", outcome.sent);
    assert_eq!((tally.accepted, tally.delivered, tally.lost), (3_000, 3_000, Some(0)));
    assert!(book.is_settled(), "{book:?}");
    assert_eq!((book.binds, book.unbinds, book.taken, book.receipts_taken), (4, 4, 3_000, 3_000));
    assert_eq!(
        (outcome.sent.answer_times.count(), outcome.notification_times.count()),
        (3_000, 3_000)
    );
    assert!(book.oddities.is_empty() && book.ends.is_empty(), "{book:?}");
}

#[test]
fn ids_and_receipts_match_in_every_form() {
    let hex = IdForms { response: IdForm::Hex, receipt: IdForm::Decimal };
    let text = IdForms::default();
    for (forms, form) in [
        (hex, ReceiptForm::Text),
        (hex, ReceiptForm::Tlv),
        (text, ReceiptForm::Text),
        (text, ReceiptForm::Both),
    ] {
        let ids = Ids { response: forms.response, receipt: forms.receipt, first: 40_000_000_000 };
        let smsc = smsc(Settings { ids, receipt_form: form, ..Settings::default() });
        let account = Account { ids: forms, references: false, ..Account::new("load", "") };
        let outcome = carry_out(Plan { smpp: Some(account), ..plan(&smsc, 200) });
        assert!(outcome.is_clean(), "{forms:?} {form:?}: {}", outcome.tally);
        assert!(book(&smsc).is_settled());
    }
}

#[test]
fn a_throttled_push_comes_again_until_it_is_taken() {
    let smsc = smsc(Settings { rate_per_s: 400, ..Settings::default() });
    let outcome = carry_out(Plan { load: Load::Open { rate_per_second: 600 }, ..plan(&smsc, 600) });
    let book = book(&smsc);
    assert!(outcome.is_clean(), "{}", outcome.tally);
    let throttled = outcome.sent.statuses[&Status::THROTTLED.0];
    assert!(throttled > 20, "{throttled} of 600");
    assert_eq!(book.answers["ESME_RTHROTTLED"], throttled);
    assert_eq!((outcome.sent.retried, book.taken, book.taken_again), (throttled, 600, 0));
}

#[test]
fn a_full_queue_refuses_until_receipts_are_taken() {
    let queue =
        Settings { queue: 5, receipt_delay: Duration::from_millis(20), ..Settings::default() };
    let smsc = smsc(queue);
    let outcome = carry_out(Plan { window: Some(20), ..plan(&smsc, 60) });
    assert!(outcome.is_clean(), "{}", outcome.tally);
    assert!(outcome.sent.statuses[&Status::QUEUE_FULL.0] > 0);
    assert_eq!(book(&smsc).taken, 60);
}

#[test]
fn what_is_refused_for_good_is_neither_retried_nor_lost() {
    let smsc = smsc(Settings { faults: faults(&["status:0x45=1/4"]), ..Settings::default() });
    let outcome = carry_out(plan(&smsc, 400));
    let refused = outcome.tally.refused;
    assert!((60..140).contains(&refused), "{refused}");
    assert_eq!(outcome.sent.statuses[&0x45], refused);
    assert_eq!((outcome.tally.accepted, outcome.tally.lost), (400 - refused, Some(0)));
    assert_eq!(book(&smsc).taken, 400 - refused);
}

#[test]
fn answers_that_never_come_or_are_cut_off_cost_doubt_and_no_push() {
    let all = ["no-answer=2%", "cut=0.5%", "late-answer=3%", "undelivered=10%"];
    let smsc = smsc(Settings { faults: faults(&all), ..Settings::default() });
    let load = Load::Open { rate_per_second: 500 };
    let mut plan = Plan { load, ..plan(&smsc, 1_000) };
    plan.patience.answer_within = Duration::from_millis(300);
    let outcome = carry_out(plan);
    let (tally, book) = (outcome.tally, book(&smsc));
    assert!(outcome.is_clean(), "{tally}");
    assert_eq!((tally.accepted, tally.notified, tally.lost), (1_000, 1_000, Some(0)));
    assert!(outcome.sent.resent >= book.in_doubt && book.in_doubt > 10, "{book:?}");
    assert!(outcome.sent.connections_lost >= book.cut && book.cut > 2, "{book:?}");
    // What was taken twice is what the phone has twice: both books say how often.
    assert_eq!(book.taken, 1_000 + book.taken_again);
    assert!(tally.taken_twice > 0 && tally.taken_twice <= book.taken_again, "{tally} {book:?}");
    assert!((850..950).contains(&tally.delivered), "{tally}");
    assert!(book.receipts_waiting == 0 && book.late > 10, "{book:?}");
}

#[test]
fn a_receipt_that_never_comes_is_lost_and_one_that_comes_twice_is_not_another() {
    let all = ["lost-receipt=5%", "double-receipt=10%", "early-receipt=20%"];
    let smsc = smsc(Settings { faults: faults(&all), window: 100, ..Settings::default() });
    let mut plan = plan(&smsc, 1_000);
    plan.patience.stall_after = Duration::from_millis(300);
    let outcome = carry_out(plan);
    let (tally, book) = (outcome.tally, book(&smsc));
    assert!(!outcome.is_clean());
    assert_eq!(tally.lost, Some(book.receipts_lost), "{tally} {book:?}");
    assert_eq!((tally.resent, tally.duplicated), (book.receipts_doubled, 0), "{tally} {book:?}");
    assert!(
        book.receipts_lost > 20 && book.receipts_doubled > 50 && book.receipts_early > 100,
        "{book:?}"
    );
    assert_eq!(tally.unexpected, 0);
}

#[test]
fn a_message_without_an_id_is_found_by_its_reference_and_lost_without_one() {
    let bodyless = || Settings { faults: faults(&["bodyless=10%"]), ..Settings::default() };
    let smsc = smsc(bodyless());
    let outcome = carry_out(plan(&smsc, 500));
    assert!(outcome.is_clean(), "{}", outcome.tally);
    assert_eq!(outcome.sent.nameless, book(&smsc).bodyless);
    assert!(outcome.sent.nameless > 20);

    let smsc = self::smsc(bodyless());
    let account = Account { references: false, ..Account::new("load", "") };
    let mut plan = Plan { smpp: Some(account), ..plan(&smsc, 500) };
    plan.patience.stall_after = Duration::from_millis(300);
    let outcome = carry_out(plan);
    assert_eq!(outcome.tally.lost, Some(outcome.sent.nameless), "{}", outcome.tally);
    assert_eq!(outcome.tally.unexpected, outcome.sent.nameless);
}

#[test]
fn a_standstill_counts_for_every_push_that_was_meant_to_be_sent_in_it() {
    let still = Duration::from_millis(600);
    let script = vec![(300, Act::StandStill(still))];
    let smsc = smsc(Settings { script, ..Settings::default() });
    let outcome =
        carry_out(Plan { load: Load::Open { rate_per_second: 1_000 }, ..plan(&smsc, 1_500) });
    assert!(outcome.is_clean(), "{}", outcome.tally);
    let over = |limit_ms: u64| {
        let histogram = outcome.sent.answer_times.histogram();
        histogram.count_between(limit_ms * 1_000_000, u64::MAX)
    };
    // Of the 600 that fell due meanwhile, about half waited for more than half of it.
    assert!(over(300) >= 250, "{}", over(300));
    assert!(outcome.sent.answer_times.percentile_ns(100.0) >= 500_000_000);
    assert!(outcome.sent.held_back > 500, "{}", outcome.sent.held_back);
}

#[test]
fn an_smsc_that_is_down_for_a_while_costs_no_push() {
    let script =
        vec![(200, Act::Down(Duration::from_millis(400))), (600, Act::Cut), (700, Act::Heal)];
    let faults = faults(&["no-answer=1%"]);
    let smsc = smsc(Settings { script, faults, ..Settings::default() });
    let mut plan = plan(&smsc, 1_000);
    plan.patience.answer_within = Duration::from_millis(300);
    let outcome = carry_out(plan);
    let (tally, book) = (outcome.tally, book(&smsc));
    assert!(outcome.is_clean(), "{tally}");
    assert_eq!((tally.accepted, tally.lost), (1_000, Some(0)));
    assert!(book.binds >= 6 && book.cut >= 4, "{book:?}");
    assert_eq!(book.receipts_waiting, 0, "{book:?}");
}

#[test]
fn a_bind_that_is_refused_ends_the_run_with_a_sentence() {
    let accounts = vec![("load".to_owned(), "secret".to_owned())];
    let smsc = smsc(Settings { accounts, binds_max: 1, ..Settings::default() });
    for (account, connections, part) in [
        (Account::new("nobody", "secret"), 1, "ESME_RINVSYSID"),
        (Account::new("load", "wrong"), 1, "ESME_RINVPASWD"),
    ] {
        let plan = Plan { smpp: Some(account), connections, ..plan(&smsc, 1) };
        let sentence = run(plan, None).map(|_| ()).expect_err(part).to_string();
        assert!(sentence.contains(part) && sentence.ends_with('.'), "{sentence}");
    }
    assert_eq!(smsc.report().binds_refused, 2);
    // One bind too many is a connection that is missing.
    let outcome = carry_out(plan(&smsc, 50));
    assert_eq!((outcome.sent.connections_missing, outcome.tally.accepted), (1, 50));
}

#[test]
fn without_receipts_none_is_asked_for() {
    let smsc = smsc(Settings::default());
    let outcome = carry_out(Plan { notify: false, ..plan(&smsc, 200) });
    assert!(outcome.is_clean() && outcome.tally.lost.is_none(), "{}", outcome.tally);
    assert_eq!((book(&smsc).receipts_due, book(&smsc).taken), (0, 200));
}

#[test]
fn the_plan_of_the_examples_is_carried_out_and_its_report_tells_of_an_smsc() {
    let smsc = smsc(Settings {
        faults: faults(&["status:0x45=1%", "bodyless=1%"]),
        ..Settings::default()
    });
    let text = include_str!("../../examples/plan-smpp.toml")
        .replace("127.0.0.1:2775", &smsc.address().to_string())
        .replace("rate_per_s = 1000", "rate_per_s = 400");
    let plan = Scenario::parse(&text).expect("a plan").plan;
    let outcome = carry_out(plan.clone());
    assert!(outcome.is_clean(), "{}", outcome.tally);
    let summary = Summary::new("run", &plan, &outcome, Machine::here(None));
    assert!(summary.clean && summary.smpp_nameless > 0, "{:?}", summary.faults);
    assert_eq!(summary.smpp_statuses["ESME_RSUBMITFAIL"], summary.ledger.refused);
    let text = loadgen::text::render(&summary);
    for part in ["ESME_RSUBMITFAIL", "taken without an id", "the last receipt"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let page = Page::write(directory.path(), &summary, &outcome.sent.phases).expect("written");
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.contains("ESME_RSUBMITFAIL"), "the page names what the SMSC answered");
}

/// A client of nothing but the codec, which asks one thing after the other.
struct Asking {
    stream: TcpStream,
    sequence: u32,
}

impl Asking {
    /// Bound as a transceiver.
    fn to(smsc: &Smsc) -> Self {
        let stream = TcpStream::connect(smsc.address()).expect("it listens");
        let mut asking = Self { stream, sequence: 0 };
        let bind = Bind {
            kind: BindKind::Transceiver,
            system_id: b"asking",
            password: b"",
            system_type: b"",
            interface_version: 0x34,
            addr_ton: 0,
            addr_npi: 0,
            address_range: b"",
        };
        let bound = asking.ask(Command::BIND_TRANSCEIVER, &Body::Bind(bind));
        assert_eq!(Header::read(&bound).expect("a header").status, Status::OK);
        asking
    }

    /// Sends a request and gives the next PDU that comes.
    fn ask(&mut self, command: Command, body: &Body<'_>) -> Vec<u8> {
        let mut out = [0; 1_024];
        self.sequence += 1;
        let octets = encode(&mut out, command, Status::OK, self.sequence, body, true);
        self.stream.write_all(&out[..octets.expect("it fits")]).expect("written");
        self.next()
    }

    fn next(&mut self) -> Vec<u8> {
        let mut pdu = vec![0; 16];
        self.stream.read_exact(&mut pdu).expect("a header");
        let length = Header::read(&pdu).expect("a header").length as usize;
        pdu.resize(length, 0);
        self.stream.read_exact(&mut pdu[16..]).expect("the rest");
        pdu
    }
}

#[test]
fn a_message_that_waits_is_on_its_way_and_ends_by_its_cancel() {
    let smsc = smsc(Settings { receipt_delay: Duration::from_secs(600), ..Settings::default() });
    let mut asking = Asking::to(&smsc);
    let submit = Message { registered_delivery: 1, short_message: b"hello", ..Message::default() };
    let answer = asking.ask(Command::SUBMIT_SM, &Body::Message(submit));
    let id = decode(&answer).expect("ours").body.message_id().expect("an id").to_owned();
    let address = Address::default();
    let query = Body::Query(Query { message_id: &id, source: address });
    let state = |pdu: &[u8]| match decode(pdu).expect("ours").body {
        Body::QueryResp(answer) => MessageState::from_number(answer.message_state.into()),
        other => panic!("{other:?}"),
    };
    assert_eq!(state(&asking.ask(Command::QUERY_SM, &query)), Some(MessageState::Enroute));
    let cancel =
        Cancel { service_type: b"", message_id: &id, source: address, destination: address };
    let answer = asking.ask(Command::CANCEL_SM, &Body::Cancel(cancel));
    assert_eq!(Header::read(&answer).expect("a header").status, Status::OK);
    let receipt = asking.next();
    let Body::Message(message) = decode(&receipt).expect("ours").body else { panic!("no receipt") };
    let receipt = Receipt::of_message(&message).expect("a receipt");
    assert_eq!((receipt.id, receipt.state), (Some(&id[..]), Some(MessageState::Deleted)));
    let unknown = Body::Query(Query { message_id: b"0000009999", source: address });
    let answer = asking.ask(Command::QUERY_SM, &unknown);
    assert_eq!(Header::read(&answer).expect("a header").status, Status::QUERY_FAILED);
    assert_eq!((smsc.report().cancelled, smsc.report().queries), (1, 2));
}

#[test]
fn a_connection_that_ends_with_its_last_octets_is_seen_to_end() {
    let smsc = smsc(Settings::default());
    for _ in 0..100 {
        let mut asking = Asking::to(&smsc);
        // An answer that nobody waits for: the SMSC has nothing to say to it, so that nothing but
        // the end itself tells of the end.
        let (mut out, nothing) = ([0; 16], &Body::Empty);
        let octets = encode(&mut out, Command::ENQUIRE_LINK_RESP, Status::OK, 9, nothing, true);
        asking.stream.write_all(&out[..octets.expect("it fits")]).expect("written");
    }
    assert_eq!(book(&smsc).binds, 100);
}
