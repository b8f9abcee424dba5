use super::*;
use crate::smsc::pushes::flag;
use std::collections::{BTreeMap, VecDeque};
use wire::terms::mix::mix;

fn ended(push_id: u64, msn: u64, client: u16) -> EndedPush {
    let mut push = Push { push_id, client, flags: flag::WANTS_NOTIFICATION, ..Push::EMPTY };
    push.set_msn(Msn::from_value(msn).expect("a legal msn"));
    push.set_ended(State::Delivered, Code::ACCEPTED, CenterMs::new(push_id), 0);
    EndedPush::of(&push)
}

#[test]
fn a_push_that_ended_says_the_same_as_before() {
    let push = ended(7, 9_999_999_999, 3);
    assert_eq!((push.push_id, push.msn().value(), push.ended_ms().ms()), (7, 9_999_999_999, 7));
    assert_eq!((push.state, push.due()), (State::Delivered, Some(NotificationKind::Complete)));
}

/// The places beside lists of the obvious kind: one for each msn and client, and one for each
/// client.
#[test]
fn the_rings_and_the_clients_lists_do_what_lists_do() {
    const PLACES: usize = 3_000;
    let mut places = EndedPushes::new(PLACES);
    let mut rings: BTreeMap<(u64, u16), VecDeque<u64>> = BTreeMap::new();
    let mut lists: BTreeMap<u16, VecDeque<u64>> = BTreeMap::new();
    let mut random = 17u64;
    for step in 0..60_000u64 {
        random = mix(random.wrapping_add(1));
        let (msn, client) = (9_000_000_000 + random % 7, (random >> 16) as u16 % 5);
        let ring = rings.entry((msn, client)).or_default();
        // Floods and lulls.
        if (random >> 32) % 100 < [70, 40][(step >> 13 & 1) as usize] && !places.is_full() {
            let index = places.insert(ended(step, msn, client));
            assert_eq!(places.join_ring(index), ring.is_empty(), "step {step}");
            assert_eq!(places.at(places.id(index)), Some(index));
            ring.push_back(step);
            lists.entry(client).or_default().push_back(step);
        } else if let Some(first) = ring.pop_front() {
            let index = places.find(first).expect("it stands here");
            let id = places.id(index);
            let (push, next) = places.remove(index);
            assert_eq!(push.push_id, first);
            assert_eq!(next.map(|next| places[next].push_id), ring.front().copied(), "step {step}");
            assert_eq!((places.at(id), places.find(first)), (None, None));
            lists.entry(client).or_default().retain(|&other| other != first);
        }
        let of_ring = places.of(Msn::from_value(msn).expect("legal"), client, PLACES);
        if step % 16 == 0 {
            assert!(
                of_ring
                    .iter()
                    .map(|&index| places[index].push_id)
                    .eq(rings[&(msn, client)].iter().copied())
            );
        }
        assert_eq!(places.len(), lists.values().map(VecDeque::len).sum::<usize>());
        let most = lists.values().map(VecDeque::len).max().unwrap_or(0);
        if let Some(index) = places.gives_up(client) {
            let (push_id, client) = (places[index].push_id, places[index].client);
            assert_eq!(lists[&client].front(), Some(&push_id), "step {step}");
            assert!(lists[&client].len() * 2 > most || most < 16, "step {step}");
        }
    }
    assert_eq!(places.iter().count(), places.len());
}
