use super::*;
use crate::control::acts;
use crate::control::document::ClientChange;
use crate::control::store::ContractOutcome;
use crate::control::token::TokenChange;
use crate::gateway::registration::Registration;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::terms::ids::Xpid;
use wire::terms::time::WallMs;

/// What befalls a put.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is made, and nobody says so.
    Silence,
    /// It is made, and the process ends.
    Crash,
    /// It is not made, and nobody says so.
    Loss,
}

/// A log that several stores share.
#[derive(Clone, Default)]
struct SharedLog {
    changes: Arc<Mutex<Vec<Vec<u8>>>>,
    /// What befalls the put of the change with this number, once.
    fault: Arc<Mutex<Option<(usize, Fault)>>>,
}

impl SharedLog {
    fn changes(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn len(&self) -> usize {
        self.changes().len()
    }

    fn fails_at(&self, number: usize, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, fault));
    }
}

impl ChangeOrder for SharedLog {
    fn put(&mut self, behind: u64, change: &[u8]) -> Result<bool, String> {
        let mut changes = self.changes();
        if changes.len() as u64 != behind {
            return Ok(false);
        }
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = fault.take_if(|(number, _)| *number == changes.len() + 1);
        let fault = fault.map(|(_, fault)| fault);
        if fault != Some(Fault::Loss) {
            changes.push(change.to_vec());
        }
        match fault {
            None => Ok(true),
            Some(Fault::Silence | Fault::Loss) => Err("nobody answers".to_owned()),
            Some(Fault::Crash) => panic!("between the log and the registry"),
        }
    }

    fn behind(&mut self, number: u64) -> Result<Vec<Vec<u8>>, String> {
        Ok(self.changes().iter().skip(number as usize).take(2).cloned().collect())
    }
}

fn node(place: &Path, log: &SharedLog) -> Store {
    let mut store = Store::open(place).expect("a store");
    store.follow_order(Box::new(log.clone())).expect("an order");
    store
}

fn xpid(number: u64) -> Xpid {
    Xpid::from_value(number).expect("an XPID")
}

fn msn(number: u64) -> Msn {
    Msn::from_value(number).expect("an msn")
}

fn registration(number: u64, client: &str) -> Registration {
    let change = ClientChange { client: Some(client.to_owned()), ..ClientChange::default() };
    change.create(xpid(number)).expect("legal")
}

fn contracts(store: &Store) -> Vec<Contract> {
    let mut all = Vec::new();
    store.for_each_contract(|msn, xpid| all.push((msn, xpid))).expect("readable");
    all
}

#[test]
fn what_one_node_changes_the_others_have_and_a_change_behind_anothers_is_tried_anew() {
    let (places, log) = ([tempfile::tempdir(), tempfile::tempdir()], SharedLog::default());
    let [first, second] = places.each_ref().map(|place| place.as_ref().expect("one").path());
    let (mut first, mut second) = (node(first, &log), node(second, &log));
    first.add_registration(&registration(1, "City")).expect("added");
    // This one has not looked yet: it takes in what came before, and is refused by it.
    let refused = second.add_registration(&registration(1, "Other")).expect_err("it is there");
    assert!(matches!(refused, StoreError::Exists(_)) && log.len() == 1);
    let city = registration(1, "City");
    second.put_registration(Some(&city), &registration(1, "Town")).expect("written");
    let rows: Vec<Contract> =
        (0..20_000).map(|number| (msn(9_000_000_000 + number), xpid(1))).collect();
    let outcomes = second.add_contracts(&rows).expect("added");
    assert!(outcomes.iter().all(|outcome| *outcome == ContractOutcome::Added));
    assert_eq!(log.len(), 2 + 3, "a message has room for so many rows");
    first.catch_up().expect("it reads");
    assert_eq!(first.registrations().expect("readable"), second.registrations().expect("readable"));
    assert_eq!(first.registration(xpid(1)).expect("there").client, "Town");
    assert_eq!(contracts(&first), contracts(&second));
    let untold = first.take_untold();
    assert!(untold.clients && untold.contracts.len() == 20_000);
    assert_eq!(first.remove_contracts(&rows[..10_000]).expect("removed").len(), 10_000);
    assert_eq!(second.remove_registration(xpid(1), true).expect("removed").len(), 10_000);
    first.catch_up().expect("it reads");
    assert!(contracts(&first).is_empty() && first.registrations().expect("readable").is_empty());
    let (there, gone) = first.there_of(&rows[..1]).expect("readable");
    assert_eq!((there.len(), gone.len()), (0, 1));
}

#[test]
fn a_change_of_a_registration_that_another_node_has_changed_meanwhile_is_refused() {
    let (places, log) = ([tempfile::tempdir(), tempfile::tempdir()], SharedLog::default());
    let [first, second] = places.each_ref().map(|place| place.as_ref().expect("one").path());
    let (mut first, mut second) = (node(first, &log), node(second, &log));
    let (city, town) = (registration(1, "City"), registration(1, "Town"));
    first.put_registration(None, &city).expect("added");
    // What the second one begins with it has looked up, and then the first one comes before it.
    second.catch_up().expect("it reads");
    let before = second.registration(xpid(1)).expect("there");
    first.put_registration(Some(&city), &town).expect("changed");
    let mut after = before.clone();
    after.suspended = true;
    let refused = second.put_registration(Some(&before), &after).expect_err("it has changed");
    assert!(matches!(refused, StoreError::ChangedMeanwhile(_)), "{refused}");
    let refused = second.put_registration(None, &after).expect_err("it is there");
    assert!(matches!(refused, StoreError::ChangedMeanwhile(_)), "{refused}");
    first.remove_registration(xpid(1), false).expect("removed");
    let refused = second.put_registration(Some(&town), &after).expect_err("it is gone");
    assert!(matches!(refused, StoreError::ChangedMeanwhile(_)), "{refused}");
    assert_eq!(log.len(), 3, "nothing of it was put there");
    second.put_registration(None, &after).expect("added");
}

#[test]
fn what_a_log_has_taken_and_not_said_so_is_made_with_what_comes_next() {
    let (place, log) = (tempfile::tempdir().expect("a directory"), SharedLog::default());
    let mut store = node(place.path(), &log);
    log.fails_at(1, Fault::Silence);
    let error = store.add_registration(&registration(1, "City")).expect_err("nobody knows");
    assert!(error.to_string().contains("nobody answers"), "{error}");
    assert!(store.registrations().expect("readable").is_empty());
    let error = store.add_registration(&registration(1, "City")).expect_err("it was made");
    assert!(matches!(error, StoreError::Exists(_)), "{error}");
    assert_eq!((log.len(), store.registrations().expect("readable").len()), (1, 1));
}

#[test]
fn a_node_that_comes_later_or_was_away_has_all_of_it_and_the_shards_are_told_nothing_of_before() {
    let (log, places) = (SharedLog::default(), [tempfile::tempdir(), tempfile::tempdir()]);
    let [first, second] = places.each_ref().map(|place| place.as_ref().expect("one").path());
    let mut store = node(first, &log);
    for number in 1..=7 {
        store.add_registration(&registration(number, "City")).expect("added");
    }
    let change = TokenChange {
        name: "ops".to_owned(),
        roles: vec!["operator".to_owned()],
        xpids: Vec::new(),
    };
    let (token, _) = change.make(WallMs::new(1)).expect("legal");
    store.add_token(&token).expect("added");
    let mut later = node(second, &log);
    assert_eq!(later.tokens().expect("readable"), [token]);
    assert_eq!(later.registrations().expect("readable").len(), 7);
    assert!(!later.take_untold().clients);
    assert_eq!(later.take_untold_tokens().expect("readable"), None);
    drop(later);
    assert_eq!(store.remove_tokens("ops", false).expect("removed").len(), 1);
    store.remove_registration(xpid(3), false).expect("removed");
    let mut later = node(second, &log);
    assert!(later.tokens().expect("readable").is_empty());
    assert_eq!(later.registrations().expect("readable").len(), 6);
    // It goes on from where it was, and none of it is made twice.
    later.add_registration(&registration(3, "Town")).expect("added");
    store.catch_up().expect("it reads");
    assert!(store.take_untold().clients);
    assert_eq!(store.registration(xpid(3)).expect("there").client, "Town");
}

#[test]
fn the_registry_of_an_engine_becomes_the_clusters_and_a_second_one_is_refused() {
    let (log, places) = (SharedLog::default(), [tempfile::tempdir(), tempfile::tempdir()]);
    let [first, second] = places.each_ref().map(|place| place.as_ref().expect("one").path());
    for (place, client) in [(first, "City"), (second, "Town")] {
        let mut alone = Store::open(place).expect("a store");
        alone.add_registration(&registration(1, client)).expect("added");
        alone.add_contracts(&[(msn(9_000_000_001), xpid(1))]).expect("added");
    }
    let store = node(first, &log);
    assert_eq!((log.len(), contracts(&store).len()), (2, 1));
    drop(store);
    assert_eq!(contracts(&node(first, &log)).len(), 1, "it is the cluster's from now on");
    let mut stopped = Store::open(first).expect("a store");
    let error = stopped.remove_registration(xpid(1), true).expect_err("not behind its back");
    assert!(error.to_string().contains("that of a cluster's node"), "{error}");
    drop(stopped);
    assert_eq!(log.len(), 2);
    let mut other = Store::open(second).expect("a store");
    let error = other.follow_order(Box::new(log.clone())).expect_err("both have rows");
    assert!(error.to_string().contains("has registrations of its own"), "{error}");
    let fresh = tempfile::tempdir().expect("a directory");
    assert_eq!(contracts(&node(fresh.path(), &log)).len(), 1);
}

#[test]
fn an_engine_of_its_own_has_no_order_and_a_change_that_does_nothing_is_none() {
    let place = tempfile::tempdir().expect("a directory");
    let mut alone = Store::open(place.path()).expect("a store");
    assert!(!alone.is_ordered() && alone.catch_up().is_ok());
    alone.add_registration(&registration(1, "City")).expect("added");
    let (other, log) = (tempfile::tempdir().expect("a directory"), SharedLog::default());
    let mut store = node(other.path(), &log);
    assert!(store.remove_contracts(&[(msn(9_000_000_001), xpid(1))]).expect("none").is_empty());
    assert_eq!(log.len(), 0);
}

#[test]
fn a_process_that_ends_between_log_and_registry_makes_its_change_later_and_its_line_counts() {
    let (place, log) = (tempfile::tempdir().expect("a directory"), SharedLog::default());
    let mut store = node(place.path(), &log);
    log.fails_at(1, Fault::Crash);
    let added = registration(1, "City");
    let act = acts::client_added(&added);
    let crash = || store.act("ada", &act, |store| store.add_registration(&added));
    assert!(catch_unwind(AssertUnwindSafe(crash)).is_err());
    drop(store);
    let lines = || {
        let text = std::fs::read_to_string(place.path().join("audit.jsonl")).expect("an audit");
        text.lines().filter(|line| line.contains("client add")).count()
    };
    let mut store = node(place.path(), &log);
    assert_eq!(store.registrations().expect("readable"), [added]);
    store.settle_audit().expect("settled");
    assert_eq!(lines(), 1, "nobody says that it was not done");
    assert_eq!(store.verify_audit().expect("readable").faults, Vec::<String>::new());
    // Where the log has not got it, it was not done.
    log.fails_at(2, Fault::Crash);
    let other = registration(2, "Town");
    let crash =
        || store.act("ada", &acts::client_added(&other), |store| store.add_registration(&other));
    assert!(catch_unwind(AssertUnwindSafe(crash)).is_err());
    log.changes().pop();
    drop(store);
    let mut store = node(place.path(), &log);
    store.settle_audit().expect("settled");
    assert_eq!((lines(), store.registrations().expect("readable").len()), (3, 1));
    assert_eq!(store.verify_audit().expect("readable").faults, Vec::<String>::new());
}

#[test]
fn a_registry_that_was_given_in_part_when_the_process_ended_is_given_to_its_end() {
    let (log, places) = (SharedLog::default(), [tempfile::tempdir(), tempfile::tempdir()]);
    let [first, second] = places.each_ref().map(|place| place.as_ref().expect("one").path());
    let mut alone = Store::open(first).expect("a store");
    for number in 1..=5 {
        alone.add_registration(&registration(number, "City")).expect("added");
    }
    alone.add_contracts(&[(msn(9_000_000_001), xpid(1))]).expect("added");
    drop(alone);
    for (number, fault) in [(3, Fault::Loss), (4, Fault::Silence)] {
        log.fails_at(number, fault);
        let mut given = Store::open(first).expect("a store");
        let error = given.follow_order(Box::new(log.clone())).expect_err("nobody answers");
        assert!(error.to_string().contains("nobody answers"), "{error}");
    }
    let mut store = node(first, &log);
    assert_eq!((log.len(), store.applied().expect("readable")), (6, Some(6)));
    let mut later = node(second, &log);
    assert_eq!(later.registrations().expect("readable"), store.registrations().expect("readable"));
    assert_eq!(contracts(&later), contracts(&store));
    later.add_registration(&registration(9, "Town")).expect("added");
    store.catch_up().expect("it reads");
    assert_eq!(store.registrations().expect("readable").len(), 6);
}

#[test]
fn rows_before_one_that_fails_stand_and_the_shards_are_told_of_them() {
    let (place, log) = (tempfile::tempdir().expect("a directory"), SharedLog::default());
    let mut store = node(place.path(), &log);
    store.add_registration(&registration(1, "City")).expect("added");
    let rows: Vec<Contract> =
        (0..20_000).map(|number| (msn(9_000_000_000 + number), xpid(1))).collect();
    log.fails_at(3, Fault::Loss);
    store.add_contracts(&rows).expect_err("the second part is lost");
    assert_eq!(contracts(&store), rows[..ORDERED_ROWS_MAX]);
    assert_eq!(store.take_untold().contracts, rows[..ORDERED_ROWS_MAX]);
    store.add_contracts(&rows).expect("added");
    assert_eq!(log.len(), 4);
    log.fails_at(6, Fault::Loss);
    store.remove_contracts(&rows).expect_err("the second part is lost");
    assert_eq!(contracts(&store), rows[ORDERED_ROWS_MAX..]);
    assert_eq!(store.take_untold().contracts, rows[..ORDERED_ROWS_MAX]);
}

#[test]
fn a_node_that_has_followed_an_empty_log_changes_nothing_without_it() {
    let (place, log) = (tempfile::tempdir().expect("a directory"), SharedLog::default());
    drop(node(place.path(), &log));
    let mut stopped = Store::open(place.path()).expect("a store");
    let refused = stopped.add_registration(&registration(1, "City")).expect_err("not without it");
    assert!(matches!(refused, StoreError::OfCluster), "{refused}");
    drop(stopped);
    let mut store = node(place.path(), &log);
    store.add_registration(&registration(1, "City")).expect("added");
}
