//! The ledger of ten million pushes with notifications and planned arrivals fits two hundred
//! megabytes, and the rest of the generator with it. A binary of its own: what is measured is the
//! whole process.

use loadgen::bare::Bare;
use loadgen::os::memory_of;
use loadgen::plan::{Load, Plan};
use loadgen::run::Run;
use loadgen::schedule::{Schedule, Stretch};
use loadgen::sink::Sink;
use std::net::SocketAddr;

const PUSHES: u64 = 10_000_000;
const OCTETS_MAX: u64 = 200_000_000;

#[test]
fn ten_million_pushes_fit_two_hundred_megabytes() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (bare, sink) =
        (Bare::start(any, &[]).expect("a port"), Sink::start(any, &[]).expect("a port"));
    let stretch = Stretch::Poisson { rate_per_s: 50_000.0, seconds: 210.0 };
    let schedule = Schedule::of(&[stretch], 7);
    assert!(schedule.pushes().is_some_and(|pushes| pushes >= PUSHES));
    let plan = Plan { pushes: PUSHES, load: Load::Planned(schedule), ..Plan::new(bare.address()) };
    let run = Run::start(plan, Some(&sink)).expect("the responder is up");
    // Every octet of the book is written when it is opened; a few thousand pushes set the rest to
    // work.
    while run.progress().accepted < 5_000 {
        std::thread::yield_now();
    }
    run.stopper().stop();
    run.stopper().give_up();
    let outcome = run.wait();
    assert!(outcome.tally.attempted >= 5_000);
    let peak = memory_of(std::process::id()).expect("a Linux /proc").peak_octets;
    println!("peak memory {} octets", peak);
    assert!(peak <= OCTETS_MAX, "{peak} octets");
}
