//! One partition at one node, happening by happening.

use super::*;
use crate::cluster::flights::Behind;

const BASE: u64 = (3 << 46) + 1;

fn name(text: &str) -> NodeName {
    NodeName::parse(text).expect("a name")
}

fn at(ms: u64) -> SteadyMs {
    SteadyMs::new(ms)
}

fn partition(node: &str) -> Ownership {
    let me = Incarnation { node: name(node), life: 1 };
    Ownership::new(me, 3, BASE, ClusterTimes::default())
}

fn flight(errand: Option<Errand>) -> Flight {
    match errand {
        Some(Errand::Publish(flight) | Errand::PublishAgain(flight)) => flight,
        errand => panic!("a publish was due, and not {errand:?}"),
    }
}

/// A partition whose term chunk is under way, of an empty log, since 1,500 ms.
fn opening(node: &str) -> (Ownership, Flight) {
    let mut partition = partition(node);
    assert_eq!(partition.told(at(0), Told::Take), Some(Errand::Bid));
    let bid_taken = Told::BidTaken { floor: 1, reached: 0 };
    assert_eq!(partition.told(at(0), bid_taken), Some(Errand::Replay(1)));
    assert_eq!(partition.told(at(0), Told::End(0)), None, "the end has to stand still");
    assert_eq!(partition.tick(at(250)), Some(Errand::LookAtEnd));
    assert_eq!(partition.told(at(260), Told::End(0)), None);
    assert_eq!(partition.tick(at(1_499)), Some(Errand::LookAtEnd));
    let flight = flight(partition.tick(at(1_500)));
    (partition, flight)
}

/// A partition that is owned since 1,510 ms, with the term 1.
fn owned(node: &str) -> Ownership {
    let (mut partition, flight) = opening(node);
    let stored = Told::Acknowledged { expected: flight.expected, sequence: 1 };
    let own = Some(Errand::Own { term: 1, first: BASE });
    assert_eq!(partition.told(at(1_510), stored), own);
    partition
}

fn offer(partition: &mut Ownership, ms: u64) -> Flight {
    let next = partition.next_record() + 2;
    flight(partition.offer(at(ms), b"two records", next))
}

fn stored(flight: &Flight) -> Told {
    Told::Acknowledged { expected: flight.expected, sequence: flight.expected + 1 }
}

fn chunk(flight: &Flight) -> Behind {
    Behind::Chunk(flight.head, flight.body)
}

#[test]
fn a_partition_is_bided_read_watched_and_opened() {
    let (_, flight) = opening("a");
    assert_eq!((flight.expected, flight.head.first, flight.head.kind), (0, BASE, ChunkKind::Term));
    let partition = owned("a");
    assert_eq!(partition.standing(), PartitionStanding::Owned(1));
    assert!(partition.may_act(at(1_600)) && partition.has_room());
}

#[test]
fn one_chunk_is_under_way_at_a_time_and_its_acknowledgement_counts_once() {
    let mut partition = owned("a");
    let first = offer(&mut partition, 1_600);
    assert_eq!((first.expected, first.head.term, first.head.number), (1, 1, 1));
    assert!(!partition.has_room() && partition.offer(at(1_601), b"more", BASE + 9).is_none());
    let release = Some(Errand::Release { next: BASE + 2, sequence: 2 });
    assert_eq!(partition.told(at(1_605), stored(&first)), release);
    assert_eq!(partition.told(at(1_606), stored(&first)), None, "the second answer");
    let second = offer(&mut partition, 1_610);
    assert_eq!((second.expected, second.head.number, second.head.first), (2, 2, BASE + 2));
    assert_eq!(second.head.link, first.head.checksum());
}

#[test]
fn an_answer_that_does_not_come_is_asked_for_and_the_same_chunk_is_sent_again() {
    let mut partition = owned("a");
    let sent = offer(&mut partition, 2_000);
    assert_eq!(partition.tick(at(2_299)), None);
    assert_eq!(partition.tick(at(2_300)), Some(Errand::Ask(2)));
    assert_eq!(partition.tick(at(2_400)), None);
    assert_eq!(partition.tick(at(2_600)), Some(Errand::Ask(2)), "nobody answers");
    let nothing = Told::Found(2, Behind::Nothing { end: 1 });
    let Some(Errand::PublishAgain(again)) = partition.told(at(2_610), nothing) else {
        panic!("nothing stands there: it is sent again");
    };
    assert_eq!((again.head, again.expected), (sent.head, sent.expected));
    assert_eq!(partition.told(at(2_620), Told::Found(2, chunk(&sent))), None, "a late answer");
    let refused = Told::Refused { expected: 1 };
    assert_eq!(partition.told(at(2_650), refused), Some(Errand::Ask(2)), "by its own twin");
    let found = Told::Found(2, chunk(&sent));
    let release = Some(Errand::Release { next: BASE + 2, sequence: 2 });
    assert_eq!(partition.told(at(2_660), found), release);
}

#[test]
fn somebody_elses_chunk_in_the_place_ends_the_ownership_for_certain() {
    let mut partition = owned("a");
    offer(&mut partition, 2_000);
    partition.told(at(2_010), Told::Refused { expected: 1 });
    let (_, foreign) = opening("b");
    let lost = partition.told(at(2_020), Told::Found(2, chunk(&foreign)));
    assert_eq!(lost, Some(Errand::Lost { is_refused: true }));
    assert_eq!(partition.standing(), PartitionStanding::Elsewhere);
    assert!(!partition.may_act(at(2_020)) && !partition.has_room());
}

#[test]
fn something_unreadable_in_the_place_may_have_been_the_chunk_itself() {
    let mut partition = owned("a");
    offer(&mut partition, 2_000);
    partition.told(at(2_010), Told::Refused { expected: 1 });
    let lost = partition.told(at(2_020), Told::Found(2, Behind::Unreadable));
    assert_eq!(lost, Some(Errand::Lost { is_refused: false }));
}

#[test]
fn what_was_purged_by_somebody_else_ends_the_ownership_in_doubt() {
    let mut partition = owned("a");
    offer(&mut partition, 2_000);
    partition.tick(at(2_300));
    let lost = partition.told(at(2_310), Told::Found(2, Behind::Nothing { end: 90 }));
    assert_eq!(lost, Some(Errand::Lost { is_refused: false }));
}

#[test]
fn a_log_that_has_lost_what_it_acknowledged_stops_the_partition() {
    let mut partition = owned("a");
    offer(&mut partition, 2_000);
    let mut now = 2_300;
    let last = loop {
        partition.tick(at(now));
        match partition.told(at(now + 10), Told::Found(2, Behind::Nothing { end: 0 })) {
            None => now += 300,
            Some(errand) => break errand,
        }
    };
    assert_eq!(last, Errand::Stop(LogBreak::Short { end: 0, reached: 1 }));
    assert!(now > 2_300 + 11_000, "a replica may be behind for as long as an election takes");
}

#[test]
fn nobody_acts_on_a_chunk_that_was_sent_long_ago_however_late_its_answer_is() {
    let mut partition = owned("a");
    assert!(partition.may_act(at(2_499)) && !partition.may_act(at(2_500)));
    let sent = offer(&mut partition, 3_000);
    assert!(!partition.may_act(at(3_001)), "sent is not acknowledged");
    partition.tick(at(3_300));
    partition.told(at(3_310), Told::Found(2, Behind::Nothing { end: 1 }));
    partition.told(at(3_900), stored(&sent));
    assert!(
        partition.may_act(at(3_999)) && !partition.may_act(at(4_000)),
        "from the first sending"
    );
}

#[test]
fn whoever_wants_to_take_over_gives_up_when_somebody_writes() {
    let mut log = owned("a");
    let (_, term) = opening("a");
    let records = offer(&mut log, 2_000);
    let mut heir = partition("b");
    heir.told(at(0), Told::Take);
    heir.told(at(0), Told::BidTaken { floor: 1, reached: 1 });
    heir.told(at(1), Told::Chunk(1, term.head, term.body));
    assert_eq!(heir.told(at(2), Told::End(1)), None);
    assert_eq!(heir.told(at(900), Told::End(2)), Some(Errand::Replay(2)));
    let written = heir.told(at(901), Told::Chunk(2, records.head, records.body));
    assert_eq!(written, Some(Errand::GiveUp));
    assert_eq!(heir.standing(), PartitionStanding::Elsewhere);
}

#[test]
fn an_end_that_was_seen_to_stand_still_beforehand_saves_the_waiting() {
    let (_, term) = opening("a");
    let mut heir = partition("b");
    heir.told(at(100), Told::End(1));
    heir.told(at(1_000), Told::End(1));
    heir.told(at(1_400), Told::Take);
    heir.told(at(1_401), Told::BidTaken { floor: 1, reached: 1 });
    heir.told(at(1_450), Told::Chunk(1, term.head, term.body));
    assert_eq!(heir.told(at(1_500), Told::End(1)), None);
    let opened = flight(heir.tick(at(1_600)));
    assert_eq!((opened.expected, opened.head.first), (1, BASE + RECORD_JUMP));
    assert_eq!(opened.head.link, term.head.checksum());
}

#[test]
fn a_log_that_is_shorter_than_it_was_is_not_opened() {
    let mut heir = partition("b");
    heir.told(at(0), Told::Take);
    heir.told(at(0), Told::BidTaken { floor: 1, reached: 5 });
    let mut now = 0;
    let last = loop {
        match heir.told(at(now), Told::End(0)) {
            None => now += 1_000,
            Some(errand) => break errand,
        }
    };
    assert_eq!(last, Errand::Stop(LogBreak::Short { end: 0, reached: 5 }));
    assert_eq!(now, 12_000);
    assert_eq!(heir.told(at(now), Told::Take), None, "it stays stopped");
}

#[test]
fn a_damaged_log_stops_who_reads_it() {
    let (_, term) = opening("a");
    let reading = || {
        let mut heir = partition("b");
        heir.told(at(0), Told::Take);
        heir.told(at(0), Told::BidTaken { floor: 1, reached: 0 });
        heir
    };
    let unreadable = reading().told(at(1), Told::Unreadable(1));
    assert_eq!(unreadable, Some(Errand::Stop(LogBreak::Chunk(1))));
    // An owner that is there after all may have cut the log while it was read, for a while.
    let mut heir = partition("b");
    for round in 0..4 {
        heir.told(at(round), Told::Take);
        heir.told(at(round), Told::BidTaken { floor: 1, reached: 0 });
        let ahead = heir.told(at(round), Told::Chunk(2, term.head, term.body));
        let stop = Errand::Stop(LogBreak::Sequence { due: 1, found: 2 });
        assert_eq!(ahead, Some(if round < 3 { Errand::GiveUp } else { stop }), "{round}");
    }
}

#[test]
fn a_partition_that_is_given_away_is_opened_at_once_by_whom_it_was_closed_for() {
    let mut giver = owned("a");
    let (_, term) = opening("a");
    let mut taker = partition("b");
    assert_eq!(taker.told(at(1_600), Told::Follow { floor: 1 }), Some(Errand::Replay(1)));
    taker.told(at(1_601), Told::Chunk(1, term.head, term.body));
    taker.told(at(1_602), Told::End(1));
    assert_eq!(taker.standing(), PartitionStanding::Following(true));
    assert_eq!(taker.tick(at(9_000)), Some(Errand::LookAtEnd), "it never opens by itself");
    let closed = flight(giver.told(at(9_000), Told::Close(name("b"))));
    assert_eq!(giver.standing(), PartitionStanding::Closing);
    assert!(!giver.may_act(at(9_000)) && !giver.has_room());
    taker.told(at(9_010), Told::Chunk(2, closed.head, closed.body));
    let opened = flight(taker.told(at(9_011), Told::End(2)));
    assert_eq!(opened.expected, 2);
    let given = giver.told(at(9_012), stored(&closed));
    assert_eq!(given, Some(Errand::Given(name("b"))));
}

#[test]
fn who_reads_along_takes_over_when_the_giver_dies_and_stops_when_the_move_is_off() {
    let (_, term) = opening("a");
    let following = || {
        let mut taker = partition("b");
        taker.told(at(0), Told::Follow { floor: 1 });
        taker.told(at(1), Told::Chunk(1, term.head, term.body));
        taker.told(at(2), Told::End(1));
        taker
    };
    let mut taker = following();
    assert_eq!(taker.told(at(5), Told::Take), Some(Errand::Bid));
    assert_eq!(taker.standing(), PartitionStanding::Taking);
    let mut taker = following();
    assert_eq!(taker.told(at(5), Told::Beaten), Some(Errand::GiveUp));
    assert_eq!(taker.standing(), PartitionStanding::Elsewhere);
}

#[test]
fn a_term_chunk_whose_answer_is_lost_is_known_again_and_a_strangers_is_not() {
    let (mut partition, sent) = opening("a");
    assert_eq!(partition.tick(at(1_800)), Some(Errand::Ask(1)));
    let own = Some(Errand::Own { term: 1, first: BASE });
    assert_eq!(partition.told(at(1_810), Told::Found(1, chunk(&sent))), own);
    assert!(partition.may_act(at(2_499)) && !partition.may_act(at(2_500)), "from its sending on");
    let (mut loser, _) = opening("b");
    loser.told(at(1_510), Told::Refused { expected: 0 });
    let foreign = loser.told(at(1_520), Told::Found(1, chunk(&sent)));
    assert_eq!(foreign, Some(Errand::GiveUp));
}

#[test]
fn a_bid_that_nobody_answers_and_one_that_loses_are_given_up() {
    let mut bidder = partition("a");
    bidder.told(at(0), Told::Take);
    assert_eq!(bidder.tick(at(999)), None);
    assert_eq!(bidder.tick(at(1_000)), Some(Errand::GiveUp));
    bidder.told(at(2_000), Told::Take);
    assert_eq!(bidder.told(at(2_001), Told::Beaten), Some(Errand::GiveUp));
    let late = Told::BidTaken { floor: 1, reached: 0 };
    assert_eq!(bidder.told(at(2_002), late), None, "it is no bid any more");
}

#[test]
fn who_opens_once_more_does_not_take_its_older_term_chunk_for_the_new_one() {
    let (_, older) = opening("a");
    let (mut again, _) = opening("a");
    let refused = again.told(at(1_510), Told::Refused { expected: 0 });
    assert_eq!(refused, Some(Errand::Ask(1)));
    again.told(at(1_520), Told::Found(1, Behind::Unreadable));
    // A reader that is behind shows an empty log once more.
    again.told(at(2_000), Told::Take);
    again.told(at(2_000), Told::BidTaken { floor: 1, reached: 0 });
    let newer = flight(again.told(at(2_001), Told::End(0)));
    assert_eq!(newer.expected, older.expected);
    again.told(at(4_001), Told::Refused { expected: 0 });
    assert_eq!(again.told(at(4_002), Told::Found(1, chunk(&older))), Some(Errand::GiveUp));
}
