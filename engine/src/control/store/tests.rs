use super::*;
use crate::control::document::ClientChange;

fn open() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).expect("a store");
    (directory, store)
}

fn xpid(number: u64) -> Xpid {
    Xpid::from_value(number).expect("a legal XPID")
}

fn msn(number: u64) -> Msn {
    Msn::from_value(number).expect("a legal msn")
}

fn registration(number: u64) -> Registration {
    let change =
        ClientChange { client: Some(format!("Client {number}")), ..ClientChange::default() };
    change.create(xpid(number)).expect("valid")
}

fn register(store: &mut Store, numbers: std::ops::Range<u64>) {
    for number in numbers {
        store.add_registration(&registration(number)).expect("added");
    }
}

#[test]
fn every_field_of_a_registration_comes_back_after_a_restart() {
    let (directory, mut store) = open();
    let mut json = br#"{"client":"City of Ueda","token":"secret","suspended":true,
        "from":"2026-04-01","until":"2027-03-31","classes":["emergency","exercise"],
        "kinds":["text"],"senders":["110","City-1"],"segmentation":false,"svcinst":"11111",
        "notify":false,"notify_url":"http://127.0.0.1:9/n","notify_secrets":
        ["a-secret-of-16-or-more","another-secret-of-16"],"notify_connections":3,"notify_depth":7,
        "rate_per_second":8,"volume_per_day":9,"national_tables":true,"line_state":true,
        "in_doubt":"fail","broadcasts":"one","segment_price":"3.3","broadcast_rate":700,
        "next_token":"following","networks":["192.0.2.0/24","2001:db8::1"]}"#
        .to_vec();
    let change: ClientChange = simd_json::from_slice(&mut json).expect("a change");
    let full = change.create(xpid(1)).expect("valid");
    let plain = registration(2);
    store.add_registration(&full).expect("added");
    store.add_registration(&plain).expect("added");
    drop(store);
    let store = Store::open(directory.path()).expect("again");
    assert_eq!(store.registrations().expect("read"), [full.clone(), plain]);
    assert_eq!(store.registration(xpid(1)).expect("read"), full);
    assert!(matches!(store.registration(xpid(3)), Err(StoreError::NotRegistered(_))));
}

#[test]
fn adding_twice_is_refused_and_putting_replaces() {
    let (_directory, mut store) = open();
    register(&mut store, 1..2);
    assert!(matches!(store.add_registration(&registration(1)), Err(StoreError::Exists(_))));
    let mut changed = registration(1);
    changed.rate_per_second = 5;
    store.put_registration(Some(&registration(1)), &changed).expect("put");
    store.put_registration(None, &registration(2)).expect("put");
    assert_eq!(store.registrations().expect("read"), [changed, registration(2)]);
}

#[test]
fn a_registration_with_contracts_goes_only_with_them() {
    let (_directory, mut store) = open();
    register(&mut store, 1..3);
    store.add_contracts(&[(msn(5), xpid(1)), (msn(5), xpid(2)), (msn(6), xpid(1))]).expect("added");
    let refusal = store.remove_registration(xpid(1), false).expect_err("refused");
    assert!(matches!(refusal, StoreError::HasContracts { contracts: 2, .. }), "{refusal}");
    assert_eq!(
        store.contract_counts().expect("counted"),
        [(xpid(1), 2), (xpid(2), 1)],
        "a refusal changes nothing"
    );
    let removed = store.remove_registration(xpid(1), true).expect("removed");
    assert_eq!(removed, [(msn(5), xpid(1)), (msn(6), xpid(1))]);
    assert_eq!(store.contract_counts().expect("counted"), [(xpid(2), 1)]);
    assert!(matches!(store.remove_registration(xpid(1), true), Err(StoreError::NotRegistered(_))));
}

#[test]
fn the_eleventh_xpid_of_an_msn_is_refused_within_a_batch_and_across_batches() {
    let (_directory, mut store) = open();
    register(&mut store, 1..13);
    let rows: Vec<Contract> = (1..=11).map(|number| (msn(7), xpid(number))).collect();
    let outcomes = store.add_contracts(&rows).expect("added");
    assert!(outcomes[..10].iter().all(|outcome| *outcome == ContractOutcome::Added));
    assert_eq!(outcomes[10], ContractOutcome::TooManyXpids);
    let outcomes = store
        .add_contracts(&[(msn(7), xpid(12)), (msn(7), xpid(3)), (msn(8), xpid(12))])
        .expect("added");
    assert_eq!(
        outcomes,
        [ContractOutcome::TooManyXpids, ContractOutcome::AlreadyThere, ContractOutcome::Added]
    );
    store.remove_contracts(&[(msn(7), xpid(3))]).expect("removed");
    assert_eq!(
        store.add_contracts(&[(msn(7), xpid(12))]).expect("added"),
        [ContractOutcome::Added]
    );
}

#[test]
fn outcomes_come_in_the_order_of_the_rows_whatever_the_order_of_msns() {
    let (_directory, mut store) = open();
    register(&mut store, 1..2);
    let rows = [(msn(9), xpid(1)), (msn(3), xpid(4)), (msn(9), xpid(1)), (msn(1), xpid(1))];
    let outcomes = store.add_contracts(&rows).expect("added");
    use ContractOutcome::{Added, AlreadyThere, NotRegistered};
    assert_eq!(outcomes, [Added, NotRegistered, AlreadyThere, Added]);
    let mut loaded = Vec::new();
    assert_eq!(store.for_each_contract(|msn, xpid| loaded.push((msn, xpid))).expect("loaded"), 2);
    assert_eq!(loaded, [(msn(1), xpid(1)), (msn(9), xpid(1))]);
}

#[test]
fn removal_returns_what_was_there() {
    let (_directory, mut store) = open();
    register(&mut store, 1..3);
    store.add_contracts(&[(msn(1), xpid(1)), (msn(2), xpid(1)), (msn(2), xpid(2))]).expect("added");
    let removed = store.remove_contracts(&[(msn(1), xpid(1)), (msn(1), xpid(2))]).expect("removed");
    assert_eq!(removed, [(msn(1), xpid(1))]);
    assert_eq!(store.remove_contracts_of(xpid(1)).expect("removed"), [(msn(2), xpid(1))]);
    assert!(matches!(store.remove_contracts_of(xpid(9)), Err(StoreError::NotRegistered(_))));
}

#[test]
fn pages_follow_each_other_without_gap_or_repeat() {
    let (_directory, mut store) = open();
    register(&mut store, 1..4);
    let rows: Vec<Contract> =
        (0..10).flat_map(|at| (1..4).map(move |number| (msn(at), xpid(number)))).collect();
    store.add_contracts(&rows).expect("added");
    let mut filter = ContractFilter::default();
    let mut seen = Vec::new();
    loop {
        let page = store.contracts(&filter, 4).expect("a page");
        let Some(last) = page.last() else { break };
        filter.after = Some(*last);
        seen.extend(page);
    }
    assert_eq!(seen, rows);
    let filter = ContractFilter { xpid: Some(xpid(2)), after: Some((msn(7), xpid(2))), msn: None };
    assert_eq!(
        store.contracts(&filter, 9).expect("a page"),
        [(msn(8), xpid(2)), (msn(9), xpid(2))]
    );
    let filter = ContractFilter { msn: Some(msn(3)), ..ContractFilter::default() };
    assert_eq!(store.contracts(&filter, 9).expect("a page").len(), 3);
}

#[test]
fn a_newer_form_and_a_file_that_is_no_database_are_refused() {
    let (directory, store) = open();
    store.connection.pragma_update(None, "user_version", 99).expect("set");
    drop(store);
    let refusal = Store::open(directory.path()).err().expect("refused");
    assert!(matches!(refusal, StoreError::NewerForm { found: 99, .. }), "{refusal}");

    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(STORE_FILE_NAME), vec![b'x'; 4096]).expect("written");
    let refusal = Store::open(directory.path()).err().expect("refused");
    assert!(matches!(refusal, StoreError::Unopenable { .. }), "{refusal}");
}

#[test]
fn a_damaged_row_is_named() {
    let (_directory, mut store) = open();
    register(&mut store, 7..8);
    store.connection.execute("UPDATE client SET classes = 'high'", []).expect("damaged");
    let refusal = store.registrations().expect_err("refused").to_string();
    assert!(refusal.contains("XPID 7") && refusal.contains("high"), "{refusal}");
}

#[test]
fn a_second_writer_waits_for_the_first() {
    let (directory, mut store) = open();
    register(&mut store, 1..2);
    let path = directory.path().to_owned();
    let other = std::thread::spawn(move || {
        let mut store = Store::open(&path).expect("a second connection");
        for at in 0..200 {
            store.add_contracts(&[(msn(2 * at), xpid(1))]).expect("added beside the other");
        }
    });
    for at in 0..200 {
        store.add_contracts(&[(msn(2 * at + 1), xpid(1))]).expect("added beside the other");
    }
    other.join().expect("done");
    assert_eq!(store.contract_counts().expect("counted"), [(xpid(1), 400)]);
}

#[test]
fn those_who_may_send_broadcasts_are_found_without_reading_the_others() {
    let (_directory, mut store) = open();
    for number in 1..=30 {
        let mut one = registration(number);
        let may = number.is_multiple_of(3);
        one.broadcasts = if may { BroadcastRule::Class } else { BroadcastRule::No };
        store.add_registration(&one).expect("added");
    }
    let found = |xpids: &[Xpid], most: usize| -> Vec<u64> {
        let found = store.broadcasters(xpids, most).expect("readable");
        found.iter().map(|registration| registration.xpid.value()).collect()
    };
    assert_eq!(found(&[], 4), [3, 6, 9, 12]);
    assert_eq!(found(&[], 100).len(), 10);
    assert_eq!(found(&[xpid(2), xpid(6), xpid(77)], 100), [6]);
}
