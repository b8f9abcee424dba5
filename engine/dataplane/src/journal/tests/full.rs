//! Full budgets and full devices.

use super::super::*;
use super::disk::{Crash, Disk};
use super::model::Model;
use wire::terms::time::{EvenMs, WallMs};

fn accept_until_refused(model: &mut Model) -> (Vec<u64>, AppendError) {
    let mut taken = Vec::new();
    loop {
        match model.accept(300) {
            Ok(push_id) => taken.push(push_id),
            Err(AppendError::NoSpare) if model.journal.figures().trouble.is_none() => {
                model.journal.wait_for_spares(std::time::Duration::from_secs(1));
            }
            Err(error) => return (taken, error),
        }
    }
}

fn everything_ends_and_space_comes_back(mut model: Model, taken: Vec<u64>) {
    assert!(taken.len() > 20, "only {} pushes fit", taken.len());
    for &push_id in &taken {
        for _ in 0..3 {
            model.progress(push_id);
            model.clean(64);
            model.commit_all();
        }
        model.end(push_id);
    }
    let mut model = model.crash(Crash::Power);
    for push_id in model.unnotified().to_vec() {
        model.notify(push_id);
        model.clean(64);
        model.commit_all();
    }
    model.now_ms += KEY_KEEP_MS + 1;
    model.clean_everything();
    let (again, _) = accept_until_refused(&mut model);
    assert!(
        again.len() >= taken.len() - 30,
        "{} pushes fit at first, {} now",
        taken.len(),
        again.len()
    );
}

#[test]
fn a_full_budget_refuses_new_pushes_and_finishes_the_accepted_ones() {
    let mut model = Model::new(Disk::new(1, usize::MAX, false), 16);
    let (taken, refusal) = accept_until_refused(&mut model);
    assert_eq!(refusal, AppendError::Full);
    assert!(model.disk.files() <= 16 + 2);
    everything_ends_and_space_comes_back(model, taken);
}

#[test]
fn holds_find_room_in_a_full_journal_and_never_take_what_is_reserved_for_other_records() {
    let mut model = Model::new(Disk::new(5, usize::MAX, false), 16);
    let first = model.accept(300).expect("there is room");
    assert!(model.hold(first));
    let (taken, refusal) = accept_until_refused(&mut model);
    assert_eq!(refusal, AppendError::Full);
    // Each push has room for one. What is left beside that is less than a push needs: a few records
    // more fit in, and then none.
    let recorded = (0..100_000).take_while(|_| model.hold(first)).count();
    let room = taken.len() + 1..taken.len() + 20;
    assert!(room.contains(&recorded), "{recorded} holds of {} pushes were recorded", taken.len());
    everything_ends_and_space_comes_back(model, taken);
}

#[test]
fn what_cleaning_gains_counts_as_free_until_half_of_what_is_kept_is_taken() {
    let mut model = Model::new(Disk::new(6, usize::MAX, false), 60);
    let nothing = || 0;
    let mut refuses = [None; 3];
    while let Ok(push_id) = model.accept(300) {
        if push_id % 2 == 0 {
            model.end(push_id);
            model.notify(push_id);
        }
        model.commit_all();
        model.journal.wait_for_spares(std::time::Duration::from_secs(1));
        let journal = &model.journal;
        let dead = journal.dead_octets(WallMs::new(model.now_ms));
        let filled =
            [journal.is_filled_to(80, nothing), journal.is_filled_to(80, || dead), dead == 0];
        for (since, is_filled) in refuses.iter_mut().zip(filled) {
            *since = if is_filled { since.or(Some(journal.figures().free_octets)) } else { None };
        }
        if filled[0] && !filled[1] {
            // It is gained, too.
            assert!(journal.cleaning_candidate(WallMs::new(model.now_ms)).is_some());
        }
    }
    let [without, with, none_dead] = refuses;
    let (without, with) = (without.expect("it is full"), with.expect("it is full"));
    assert_eq!(none_dead, None, "a third of it is dead");
    let reserved = model.journal.figures().reserved_octets;
    assert!(
        without > with + reserved / 8,
        "refused at {without} octets free, {with} with what is dead"
    );
}

#[test]
fn a_full_device_refuses_new_pushes_and_finishes_the_accepted_ones() {
    let mut model = Model::new(Disk::new(2, 12, false), 1000);
    let (taken, refusal) = accept_until_refused(&mut model);
    assert_eq!(refusal, AppendError::Full);
    assert!(model.journal.figures().trouble.is_some());
    everything_ends_and_space_comes_back(model, taken);
}

#[test]
fn space_freed_by_others_is_used_without_a_restart() {
    let mut model = Model::new(Disk::new(3, 8, false), 1000);
    let (taken, _) = accept_until_refused(&mut model);
    model.disk.set_files_max(20);
    for _ in 0..3 {
        model.journal.poll(EvenMs::new(model.now_ms));
        model.now_ms += 5_000;
    }
    let (more, _) = accept_until_refused(&mut model);
    assert!(more.len() > taken.len() / 2, "{} at first, then {}", taken.len(), more.len());
}

/// A Key record's frame.
const KEY_OCTETS: u64 = 80;

/// The frame of a push of this test.
fn held_octets(model: &mut Model) -> u64 {
    let before = model.journal.figures().live_octets;
    let push_id = model.accept(300).expect("there is room");
    let octets = model.journal.figures().live_octets - before;
    model.end(push_id);
    model.notify(push_id);
    octets
}

#[test]
fn long_held_pushes_do_not_pin_old_segments() {
    let mut model = Model::new(Disk::new(4, usize::MAX, false), 60);
    let mut held = Vec::new();
    let frame = held_octets(&mut model) + 64;
    let mut ends = Vec::new();
    for round in 0..4000 {
        model.journal.wait_for_spares(std::time::Duration::from_secs(1));
        let push_id = model.accept(300).expect("there is room");
        if round % 100 == 0 {
            held.push(push_id);
        } else {
            model.end(push_id);
            model.notify(push_id);
            ends.push(model.now_ms);
        }
        // Half a day goes by in the whole run's third: keys count and then do not.
        model.now_ms += KEY_KEEP_MS / 1000;
        while model.clean(64) {
            model.commit_all();
        }
        // All along: twice what is needed, and two segments.
        let keys =
            ends.iter().filter(|&&ended_ms| model.now_ms < ended_ms + KEY_KEEP_MS).count() as u64;
        let needed = held.len() as u64 * frame + keys * KEY_OCTETS;
        let used = model.journal.figures().used_octets;
        let bound = 2 * needed + 2 * u64::from(super::model::SEGMENT_OCTETS);
        assert!(used <= bound, "round {round}: {used} octets used, {needed} needed");
    }
    assert_eq!(model.live().len(), held.len());
    let model = model.crash(Crash::Kill);
    assert_eq!(model.live().len(), held.len());
}
