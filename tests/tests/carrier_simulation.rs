//! A carrier with its faults in virtual time, many seeds, and proof that a broken engine is
//! noticed.

use hayauma::broadcast::mutation::RowMutation;
use hayauma::network::smpp::home::IdMutation;
use hayauma::smsc::mutation::CoreMutation;
use tests::carrier_simulation::{Met, Options, run};
use wire::smpp::session::SessionMutation;

/// Seeds of the everyday run.
const SEEDS: u64 = 40;
/// Seeds within which a deliberate fault must be noticed.
const SEEDS_TO_NOTICE: u64 = 60;

fn options(seed: u64) -> Options {
    let (session, core, cast) = (SessionMutation::None, CoreMutation::None, RowMutation::None);
    // Every fourth seed has a push client that wants nothing sent twice.
    let never_twice = seed.is_multiple_of(4);
    let (ids, stops) = (IdMutation::None, false);
    Options { seed, pushes: 150, rows: 100, session, core, cast, ids, never_twice, stops }
}

fn run_in_place(options: Options) -> Result<Met, String> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let run = || run(directory.path(), options);
    // A broken engine may notice it itself.
    std::panic::catch_unwind(run).unwrap_or_else(|_| Err("the engine panicked".to_owned()))
}

#[test]
fn nothing_is_lost_and_each_push_ends_as_the_smsc_knows_it() {
    let mut all = Met::default();
    for seed in 1..=SEEDS {
        let met =
            run_in_place(options(seed)).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        all.kills += met.kills;
        all.cuts += met.cuts;
        all.throttled += met.throttled;
        all.in_doubt += met.in_doubt;
        all.exposed += met.exposed;
        all.twice += met.twice;
        all.lost_receipts += met.lost_receipts;
        all.given_up += met.given_up;
    }
    println!("{all:?}");
    let Met { kills, cuts, throttled, in_doubt, exposed, twice, lost_receipts, given_up, .. } = all;
    let each = [kills, cuts, throttled, in_doubt, exposed, twice, lost_receipts, given_up];
    assert!(each.iter().all(|&count| count > 20), "every fault is met: {all:?}");
}

#[test]
fn stops_in_good_order_give_up_nothing_but_what_a_carrier_did_not_answer() {
    let mut all = Met::default();
    for seed in 1..=SEEDS / 2 {
        let options = Options { never_twice: true, stops: true, ..options(seed) };
        let met = run_in_place(options).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        all.stops += met.stops;
        all.in_doubt += met.in_doubt;
    }
    println!("{all:?}");
    assert!(all.stops > 20 && all.in_doubt > 20, "{all:?}");
}

#[test]
fn a_broken_engine_is_noticed() {
    let sessions = [
        SessionMutation::AcknowledgeEarly,
        SessionMutation::ForgetAtClose,
        SessionMutation::MatchOldest,
        SessionMutation::OverrunWindow,
    ];
    let broken = sessions
        .into_iter()
        .map(|session| Options { session, ..options(0) })
        .chain(CoreMutation::OF_CARRIERS.into_iter().map(|core| Options { core, ..options(0) }))
        .chain(
            [IdMutation::Prefix, IdMutation::ZerosStripped]
                .into_iter()
                .map(|ids| Options { ids, ..options(0) }),
        )
        .chain(
            [RowMutation::ForgetHanded, RowMutation::ForgetClaims]
                .into_iter()
                .map(|cast| Options { cast, ..options(0) }),
        );
    for broken in broken {
        let noticed = (1..=SEEDS_TO_NOTICE).find_map(|seed| {
            run_in_place(Options { seed, never_twice: seed.is_multiple_of(4), ..broken }).err()
        });
        assert!(noticed.is_some(), "{broken:?} is not noticed");
        let Options { session, core, ids, cast, .. } = broken;
        println!("{session:?} {core:?} {ids:?} {cast:?}: {}", noticed.unwrap_or_default());
    }
}
