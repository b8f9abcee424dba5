//! Who has to agree to a broadcast, as its registration says.

use super::*;
use crate::control::broadcasts::refusal::{APPROVAL, CHECK_OUTDATED};
use crate::gateway::broadcasting::{BroadcastRule, People};

impl Bench {
    fn rule(&self, rule: BroadcastRule) {
        let mut registration =
            self.engine.registration(Xpid::parse(b"00100000001").expect("an XPID"));
        registration.broadcasts = rule;
        *self.engine.published.lock().expect("no panic") = vec![registration];
    }

    /// A draft with its dry run, of class 01 and of one area unless it is an emergency.
    fn asked(&self, reqid: &str, is_emergency: bool) -> (String, String, People) {
        let mut manifest = self.manifest(reqid, "");
        manifest.class = if is_emergency { "03" } else { "01" }.to_owned();
        let codes = vec!["13101".to_owned()];
        manifest.legs[0].audience.areas = Some(crate::broadcast::manifest::Areas::Codes(codes));
        let new = BroadcastDesk::next_identifier();
        let draft = self.desk.create(new, manifest, "author").expect("a draft").broadcast;
        let check = self.desk.check(&draft).expect("a dry run").check.expect("a dry run");
        assert_eq!(check.needs_approval, check.people != People::None);
        (draft, check.digest, check.people)
    }
}

#[test]
fn a_registration_says_how_many_people_stand_behind_a_broadcast() {
    let bench = Bench::new(1, 10);
    let mut number = 0;
    let mut tried = |rule: BroadcastRule, is_emergency: bool| {
        bench.rule(rule);
        number += 1;
        let (draft, digest, people) = bench.asked(&format!("r{number}"), is_emergency);
        let start = || bench.desk.start(&draft, &digest, 10, "operator");
        let unagreed = start();
        if people == People::None {
            unagreed.expect("nobody has to agree");
            return people;
        }
        assert_eq!(unagreed.expect_err("nobody agreed").code, APPROVAL);
        let own = bench.desk.approve(&draft, &digest, "author");
        if people == People::Two {
            assert_eq!(own.expect_err("its own work").code, APPROVAL);
            bench.desk.approve(&draft, &digest, "approver").expect("agreed");
        } else {
            own.expect("one is enough");
        }
        start().expect("started");
        people
    };
    assert_eq!(tried(BroadcastRule::Class, false), People::None);
    assert_eq!(tried(BroadcastRule::Class, true), People::Two);
    assert_eq!(tried(BroadcastRule::Two, false), People::Two);
    assert_eq!(tried(BroadcastRule::One, true), People::One);
    assert_eq!(tried(BroadcastRule::None, true), People::None);
}

#[test]
fn a_rule_that_asks_for_more_people_since_the_dry_run_outdates_it() {
    let bench = Bench::new(1, 10);
    bench.rule(BroadcastRule::None);
    let (draft, digest, _) = bench.asked("a", false);
    bench.rule(BroadcastRule::One);
    let refusal = bench.desk.start(&draft, &digest, 10, "operator").expect_err("more people");
    assert_eq!(refusal.code, CHECK_OUTDATED);
    bench.rule(BroadcastRule::No);
    let refusal = bench.desk.start(&draft, &digest, 10, "operator").expect_err("none at all");
    assert!(refusal.sentence.contains("may not send broadcasts"), "{}", refusal.sentence);
    // What asks for fewer changes nothing: it was agreed to.
    bench.rule(BroadcastRule::Two);
    let (draft, digest, _) = bench.asked("b", false);
    bench.desk.approve(&draft, &digest, "approver").expect("agreed");
    bench.rule(BroadcastRule::None);
    bench.desk.start(&draft, &digest, 10, "operator").expect("started");
}
