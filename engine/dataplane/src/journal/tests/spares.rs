//! When spare segments are made, and which of them are in memory.

use super::super::limits::{KEY_KEEP_MS, QUIET_MS, SPARES_AHEAD, WARM_SPARES};
use super::disk::{Crash, Disk};
use super::model::{Model, ended};
use wire::terms::time::EvenMs;

impl Model {
    /// Spares beside those that the reserve takes.
    fn spares_ahead(&self) -> usize {
        let reserve = self.journal.reserved_octets().div_ceil(self.journal.config.frames_octets());
        self.journal.spares_present() - reserve as usize
    }

    fn warm_spares(&self) -> usize {
        self.journal.spares.iter().take_while(|spare| spare.warm).count()
    }

    fn pass(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            self.now_ms += 1;
            self.journal.poll(EvenMs::new(self.now_ms));
        }
    }

    fn accept_some(&mut self, pushes: usize) {
        for _ in 0..pushes {
            self.accept(300).expect("there is room");
            self.pass(1);
            self.commit_all();
        }
    }
}

#[test]
fn a_busy_journal_orders_the_next_spare_and_a_quiet_one_more() {
    let mut model = Model::new(Disk::new(11, usize::MAX, false), 1_000);
    model.accept_some(200);
    model.pass(1);
    assert_eq!(model.spares_ahead(), 1, "under load");
    model.pass(QUIET_MS - 2);
    assert_eq!(model.spares_ahead(), 1, "not quiet yet");
    model.pass(6);
    assert_eq!(model.spares_ahead(), SPARES_AHEAD, "quiet");
    assert_eq!(model.warm_spares(), WARM_SPARES);
    let made = model.journal.next_segment;
    model.accept_some(30);
    assert_eq!(model.journal.next_segment, made, "the first of a burst make do with what is there");
    model.accept_some(200);
    assert!(model.journal.next_segment > made, "the others do not");
    assert!(model.warm_spares() >= 1, "the next one is in memory all the same");
}

#[test]
fn spares_ahead_stay_within_the_budget() {
    let mut model = Model::new(Disk::new(12, usize::MAX, false), 6);
    model.accept_some(5);
    model.pass(2 * QUIET_MS);
    let figures = model.journal.figures();
    assert_eq!(figures.segments + figures.spares, 6);
    assert!(figures.trouble.is_none(), "{figures:?}");
}

#[test]
fn a_device_without_room_for_spares_ahead_takes_pushes_while_one_is_left() {
    let mut model = Model::new(Disk::new(13, 5, false), 1_000);
    model.accept_some(2);
    model.pass(2 * QUIET_MS);
    assert!(model.journal.figures().trouble.is_some_and(|trouble| trouble.full));
    assert!((1..SPARES_AHEAD).contains(&model.spares_ahead()));
    model.accept_some(2);
}

#[test]
fn a_spare_that_comes_back_from_the_factory_after_its_turn_is_used_under_another_name() {
    let mut model = Model::new(Disk::new(14, usize::MAX, false), 1_000);
    let mut overtaken = 0;
    for _ in 0..20 {
        model.now_ms += 1;
        model.journal.poll(EvenMs::new(model.now_ms));
        let lent = model.journal.lent;
        let active =
            |model: &Model| model.journal.segments.back().expect("an active segment").header.id;
        // The shard does not look at the factory's answers while it fills segments, as far as there
        // is room.
        let begun = active(&model);
        while active(&model) < begun + 4
            && let Ok(push_id) = model.accept(300)
        {
            // Room stays reserved for none of them.
            model.end(push_id);
            model.notify(push_id);
        }
        overtaken += usize::from(lent.is_some_and(|id| id < active(&model)));
        model.commit_all();
        let spares: Vec<u32> = model.journal.spares.iter().map(|spare| spare.id).collect();
        assert!(spares.is_sorted() && spares.iter().all(|&id| id > active(&model)), "{spares:?}");
    }
    assert!(overtaken > 0, "one was lent when its turn came");
    assert!(model.journal.figures().trouble.is_none());
}

#[test]
fn a_spare_that_was_lent_when_its_turn_came_is_room_all_the_same_on_a_full_device() {
    for seed in 0..32 {
        fill_past_a_lent_spare(Model::new(Disk::new(seed, usize::MAX, true), 1_000));
    }
}

fn fill_past_a_lent_spare(mut model: Model) {
    let kept = model.accept(300).expect("there is room");
    while model.journal.lent.is_none() {
        model.pass(1);
    }
    let lent = model.journal.lent.expect("the factory brings one into memory");
    // Others take the rest of the device: what is on order fails from now on.
    model.disk.set_files_max(0);
    let active =
        |model: &Model| model.journal.segments.back().expect("an active segment").header.id;
    // What was promised is taken, and the shard does not look at the factory's answers meanwhile.
    let end = |model: &mut Model| {
        let ended = ended(kept, model.now_ms);
        model.journal.append_ended(&ended).expect("what was promised is there");
    };
    while active(&model) <= lent {
        end(&mut model);
    }
    assert_eq!(model.journal.lent, Some(lent), "its turn has come, and the factory has it");
    let begun = |model: &Model| model.journal.segments.len() as u64;
    let segments = model.journal.present_octets() / model.journal.config.frames_octets();
    let until = begun(&model) + segments;
    while begun(&model) < until {
        end(&mut model);
    }
}

#[test]
fn a_spare_beyond_the_reserve_gives_its_room_to_others_and_is_not_ordered_again_meanwhile() {
    let mut model = Model::new(Disk::new(16, usize::MAX, false), 1_000);
    model.accept_some(5);
    model.pass(2 * QUIET_MS);
    assert_eq!(model.spares_ahead(), SPARES_AHEAD);
    let files = model.disk.files();
    for given in 1..=SPARES_AHEAD {
        model.journal.make_room();
        model.pass(2 * QUIET_MS);
        assert_eq!(model.disk.files(), files - given, "given back, and not made again");
    }
    // What is reserved stays, however often others ask.
    for _ in 0..20 {
        model.journal.make_room();
        model.pass(1);
        let figures = model.journal.figures();
        assert!(model.journal.present_octets() >= figures.reserved_octets, "{figures:?}");
    }
    model.journal.take_room();
    model.pass(2 * QUIET_MS);
    assert_eq!(model.spares_ahead(), SPARES_AHEAD);
    model.accept_some(5);
}

#[test]
fn cleaning_leaves_what_pushes_were_promised_until_the_files_it_gave_back_are_there_again() {
    // The device takes fewer files than the budget.
    let mut model = Model::new(Disk::new(17, 16, false), 1_000);
    // Of three pushes one waits, and nothing of the others is needed any more.
    let mut accepted = 0;
    while let Ok(push_id) = model.accept(300) {
        accepted += 1;
        if accepted % 3 > 0 {
            model.end(push_id);
            model.notify(push_id);
        }
        model.pass(1);
    }
    model.now_ms += KEY_KEEP_MS + 1;
    model.commit_all();
    assert!(model.journal.figures().trouble.is_some_and(|trouble| trouble.full));
    // The factory is busy elsewhere: nothing that is retired comes back.
    let oldest = |model: &Model| model.journal.segments[0].header.id;
    let first = oldest(&model);
    while model.clean(1) {
        model.commit_all();
        let (present, promised) = (model.journal.present_octets(), model.journal.promised_octets());
        assert!(present >= promised, "{present} octets where pushes need {promised}");
    }
    assert!(oldest(&model) > first, "there was something to clean");
    // A crash now leaves all those files as they were, and the device as full.
    let mut model = model.crash(Crash::Kill);
    for push_id in model.live().to_vec() {
        model.end(push_id);
    }
    for push_id in model.unnotified().to_vec() {
        model.notify(push_id);
    }
}

#[test]
fn crashes_before_the_factory_took_files_back_use_up_no_room_however_many_they_are() {
    for seed in 0..8 {
        let mut model = Model::new(Disk::new(seed, 16, false), 1_000);
        let mut accepted = 0;
        while let Ok(push_id) = model.accept(300 + 200 * seed as usize) {
            accepted += 1;
            if accepted % 3 > 0 {
                model.end(push_id);
                model.notify(push_id);
            }
            model.pass(1);
        }
        model.now_ms += KEY_KEEP_MS + 1;
        model.commit_all();
        let waiting = model.live().len();
        // Each run cleans what it can, and ends before the factory has done any of its orders.
        for _ in 0..1_000 {
            while model.clean(64) {
                model.commit_all();
            }
            model = model.crash(Crash::Kill);
        }
        assert_eq!(model.live().len(), waiting);
        let (present, promised) = (model.journal.present_octets(), model.journal.promised_octets());
        assert!(present >= promised, "{present} octets where pushes need {promised}");
        for push_id in model.live().to_vec() {
            model.end(push_id);
        }
        for push_id in model.unnotified().to_vec() {
            model.notify(push_id);
        }
    }
}
