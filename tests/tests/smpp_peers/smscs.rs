//! Our senders bind to their servers.

use crate::peer::{Listening, Runner};
use loadgen::plan::Plan;
use loadgen::run::{Outcome, run};
use loadgen::smpp::account::Account;
use std::net::SocketAddr;
use std::time::Duration;
use tests::ports::free_address;
use wire::smpp::id::{IdForm, IdForms};
use wire::smpp::status::Status;

const PUSHES: u64 = 300;

fn plan(target: SocketAddr) -> Plan {
    let mut plan = Plan {
        pushes: PUSHES,
        connections: 2,
        pipeline: 10,
        smpp: Some(Account::new("load", "secret")),
        ..Plan::new(target)
    };
    plan.patience.stall_after = Duration::from_secs(10);
    plan
}

#[track_caller]
fn carry_out(plan: Plan) -> Outcome {
    run(plan, None).expect("the peer lets us bind")
}

#[track_caller]
fn assert_all_told(outcome: &Outcome) {
    let tally = &outcome.tally;
    assert!(
        outcome.is_clean(),
        "{tally} {:?} {:?}",
        outcome.sent.statuses,
        outcome.sent.last_fault
    );
    assert_eq!((tally.accepted, tally.delivered, tally.lost), (PUSHES, PUSHES, Some(0)), "{tally}");
}

/// node smpp's server with these faults.
fn node(words: &[&str]) -> Option<Listening> {
    let mut command = Runner::Node.script("smpp", "node_smsc.js")?;
    command.args(words);
    Some(Listening::start(command))
}

#[test]
fn node_smpp_takes_every_push_and_sends_every_receipt() {
    let Some(smsc) = node(&["enquire=50"]) else { return };
    let outcome = carry_out(plan(smsc.address));
    assert_all_told(&outcome);
    assert_eq!((outcome.sent.connections_lost, outcome.sent.resent), (0, 0));
}

#[test]
fn ids_in_hex_and_decimal_and_receipts_before_their_answers_match() {
    let Some(smsc) = node(&["hex=1", "early=1", "throttle=50"]) else { return };
    let ids = IdForms { response: IdForm::Hex, receipt: IdForm::Decimal };
    let account = Account { ids, ..Account::new("load", "secret") };
    let outcome = carry_out(Plan { smpp: Some(account), ..plan(smsc.address) });
    assert_all_told(&outcome);
    assert!(outcome.sent.statuses[&Status::THROTTLED.0] >= PUSHES / 50);
}

#[test]
fn receipts_of_text_alone_on_another_session_match() {
    let Some(smsc) = node(&["notlv=1", "other=1"]) else { return };
    assert_all_told(&carry_out(plan(smsc.address)));
}

#[test]
fn submits_without_an_answer_and_a_cut_connection_lose_no_push() {
    let Some(smsc) = node(&["silent=60", "drop=100"]) else { return };
    let mut plan = plan(smsc.address);
    plan.patience.answer_within = Duration::from_millis(500);
    let outcome = carry_out(plan);
    assert_all_told(&outcome);
    // Neither what is silent nor what is cut has taken the message.
    assert!(
        outcome.sent.resent >= 5 && outcome.sent.connections_lost >= 1,
        "{:?}",
        outcome.sent.resent
    );
    assert_eq!(outcome.tally.unexpected, 0);
}

#[test]
fn a_wrong_password_at_node_smpp_ends_the_run_with_a_sentence() {
    let Some(smsc) = node(&[]) else { return };
    let plan = Plan { smpp: Some(Account::new("load", "wrong")), ..plan(smsc.address) };
    let sentence = run(plan, None).map(|_| ()).expect_err("refused").to_string();
    assert!(sentence.contains("ESME_RINVPASWD"), "{sentence}");
}

#[test]
fn smpp34_as_an_smsc_throttles_and_loses_nothing() {
    let Some(mut command) = Runner::Python("py").script("smpp34", "smpp34_smsc.py") else { return };
    command.args([free_address().port().to_string(), "20".to_owned()]);
    let smsc = Listening::start(command);
    let outcome = carry_out(plan(smsc.address));
    assert_all_told(&outcome);
    assert!(outcome.sent.statuses[&Status::THROTTLED.0] >= PUSHES / 20);
}

#[test]
fn smpp_twisted_as_an_smsc_reads_every_submit_by_its_strict_tables() {
    let Some(command) = Runner::Python("tw").script("smpp.twisted.server", "twisted_smsc.py")
    else {
        return;
    };
    let smsc = Listening::start(command);
    let outcome = carry_out(Plan { notify: false, ..plan(smsc.address) });
    assert!(outcome.is_clean(), "{} {:?}", outcome.tally, outcome.sent.statuses);
    let sent = &outcome.sent;
    assert_eq!(
        (outcome.tally.accepted, sent.connections_lost),
        (PUSHES, 0),
        "{:?} {:?}",
        sent.statuses,
        sent.last_fault
    );
}
