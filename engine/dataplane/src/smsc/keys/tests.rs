use super::*;
use crate::smsc::pushes::Push;
use wire::terms::code::Code;
use wire::terms::mix::mix;

fn ended(key: u64, push_id: u64, ended_ms: u64) -> EndedKey {
    let ended_ms = CenterMs::new(ended_ms);
    EndedKey::new(key, push_id, 7, State::Delivered, 1, ended_ms)
}

struct Held {
    pushes: Pushes,
    clients: Clients,
    keys: Keys,
}

impl Held {
    fn new(ended_max: usize) -> Self {
        let keys = Keys::new(10, ended_max);
        Self { pushes: Pushes::with_capacity(10), clients: Clients::default(), keys }
    }

    fn live(&mut self, key: u64, push_id: u64) -> PushIndex {
        let client = self.clients.enter(1);
        self.clients.add_live(client);
        let index = self.pushes.insert(Push { key, push_id, client, ..Push::EMPTY }).expect("room");
        self.keys.insert_new(&self.pushes, index);
        index
    }

    fn retire(&mut self, index: PushIndex, ended_ms: u64) {
        let ended_ms = CenterMs::new(ended_ms);
        self.pushes[index].set_ended(State::Delivered, Code::ACCEPTED, ended_ms, 0);
        self.keys.retire(&self.pushes, index, 7, &mut self.clients, ended_ms);
        self.clients.take_live(self.pushes[index].client);
        self.pushes.remove(index);
    }

    fn restore(&mut self, key: EndedKey, push_id: u64, owner: u64) {
        self.keys.restore_ended(&self.pushes, key, push_id, owner, &mut self.clients);
    }

    fn forget(&mut self, now_ms: u64, budget: usize) {
        self.keys.forget_expired(&mut self.clients, CenterMs::new(now_ms), budget);
    }

    fn ended(&self, key: u64) -> Option<&EndedKey> {
        self.keys.find_ended(key)
    }
}

//= push once remembered
#[test]
fn a_key_is_remembered_for_a_day_after_the_end() {
    let mut held = Held::new(10);
    let index = held.live(1, 1);
    assert_eq!(held.keys.find_live(&held.pushes, 1), Some(index));
    held.retire(index, 1000);
    assert!(held.keys.find_live(&held.pushes, 1).is_none());
    held.forget(1000 + KEY_RETENTION_MS - 1, 10);
    let known = held.ended(1).expect("remembered");
    assert!(known.is_of(1) && known.has_content(7) && !known.has_content(8));
    assert_eq!((known.state(), known.segments()), (State::Delivered, 1));
    held.forget(1000 + KEY_RETENTION_MS, 10);
    assert!(held.ended(1).is_none() && held.keys.is_empty());
    assert_eq!(held.clients.find(1), None, "nothing counts for the client any more");
}

#[test]
#[should_panic(expected = "a live push has this key")]
fn a_key_that_a_live_push_has_is_not_new() {
    let mut held = Held::new(10);
    held.live(1, 1);
    held.live(1, 2);
}

#[test]
fn a_key_used_again_is_remembered_for_a_day_after_its_second_end() {
    let mut held = Held::new(10);
    held.restore(ended(1, 1, 1000), 1, 1);
    let index = held.live(1, 2);
    held.retire(index, 5000);
    held.restore(ended(1, 1, 1000), 1, 1);
    held.forget(1000 + KEY_RETENTION_MS, 10);
    assert!(held.ended(1).is_some_and(|known| known.is_of(2)));
    held.forget(5000 + KEY_RETENTION_MS, 10);
    assert!(held.keys.is_empty());
}

#[test]
fn at_the_bound_the_oldest_ended_key_goes_and_live_keys_stay() {
    let mut held = Held::new(2);
    held.live(9, 9);
    for key in 1..=3 {
        let index = held.live(key, key);
        held.retire(index, key);
    }
    assert!(held.ended(1).is_none());
    assert!(held.ended(2).is_some() && held.ended(3).is_some());
    assert!(held.keys.find_live(&held.pushes, 9).is_some());
    assert_eq!(held.keys.forgotten_early, 1);
}

#[test]
fn one_clients_flood_forgets_its_own_keys_and_no_others() {
    const MAX: u64 = 100 * CHUNK_KEYS as u64;
    let mut held = Held::new(MAX as usize);
    for key in 0..MAX / 4 {
        held.restore(ended(mix(key), key, 1000), key, 2);
    }
    for key in MAX..4 * MAX {
        held.restore(ended(mix(key), key, 2000), key, 1);
    }
    assert!((0..MAX / 4).all(|key| held.ended(mix(key)).is_some()));
    assert!(
        (4 * MAX - MAX / 2..4 * MAX).all(|key| held.ended(mix(key)).is_some()),
        "its latest stay"
    );
    assert_eq!(held.keys.forgotten_early, 3 * MAX - (MAX - MAX / 4));
    // Whoever comes now takes from the flood.
    for key in MAX / 4..MAX / 3 {
        held.restore(ended(mix(key), key, 3000), key, 3);
    }
    assert!((0..MAX / 3).all(|key| held.ended(mix(key)).is_some()));
}

#[test]
fn keys_of_many_clients_go_when_each_ones_time_is_over_and_give_their_memory_back() {
    const CLIENTS: u64 = 300;
    const KEYS: u64 = 100 * CLIENTS;
    let mut held = Held::new(KEYS as usize);
    for key in 0..KEYS {
        // The clients' keys end at other times, and the earlier of a client's first.
        held.restore(ended(mix(key), key, 1000 * (key + key % CLIENTS * 7)), key, key % CLIENTS);
    }
    for key in 0..2 * KEYS {
        let now_ms = 1000 * (key + 1) + KEY_RETENTION_MS;
        held.forget(now_ms, usize::MAX);
        let is_due = |key: u64| 1000 * (key + key % CLIENTS * 7) + KEY_RETENTION_MS <= now_ms;
        for key in (key.saturating_sub(3000)..key + 10).step_by(7).filter(|&key| key < KEYS) {
            assert_eq!(held.ended(mix(key)).is_none(), is_due(key), "key {key} at {now_ms}");
        }
    }
    assert!(held.keys.is_empty());
    assert!(held.keys.ended.chunks.iter().all(|chunk| chunk.keys.is_none()));
    held.forget(u64::from(u32::MAX), usize::MAX);
    assert!(held.keys.ended.expiries.is_empty());
}

#[test]
fn chunks_are_used_again_for_ever() {
    const KEYS: u64 = 3 * CHUNK_KEYS as u64;
    let mut held = Held::new(KEYS as usize);
    for key in 0..40 * KEYS {
        held.restore(ended(mix(key), key, key), key, 1);
        if key >= KEYS {
            assert!(held.ended(mix(key - KEYS + 1)).is_some(), "at {key}");
            assert!(held.ended(mix(key - KEYS)).is_none(), "at {key}");
        }
    }
    assert!(held.keys.ended.chunks.len() <= 5);
}

#[test]
fn of_two_uses_of_a_key_the_later_one_is_known_even_where_numbers_wrap() {
    let mut held = Held::new(10);
    let edge = 1u64 << PUSH_ID_BITS;
    held.restore(ended(1, edge - 1, 1000), edge - 1, 1);
    held.restore(ended(1, edge + 5, 2000), edge + 5, 1);
    held.restore(ended(1, edge - 1, 1000), edge - 1, 1);
    assert!(held.ended(1).is_some_and(|known| known.is_of(edge + 5)));
}
