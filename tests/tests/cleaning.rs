//! Pushes that are held for days must not pin old segments: what is needed moves forward, segments
//! go back into use, and what the journal takes stays within twice what it needs plus two segments,
//! in the middle of a flood too.

use tests::load::Load;
use tests::push::{Body, XPID};
use tests::site::Site;
use tests::wait;

const SEGMENT_OCTETS: u64 = 256 << 10;
/// Held for three days: their phones are absent.
const HELD: u64 = 4_096;
/// The first msn of the phones that are there.
const PRESENT: u64 = 9_100_000_000;
/// Pushes of the flood, which are delivered at once. Each leaves a key that is needed for a day.
const FLOOD: u64 = 40_000;

fn held(number: u64) -> Body {
    Body::push(&format!("{:011}", 9_000_000_000 + number), &format!("held-{number}"))
        .with("lifetime", "72")
}

fn flooding(number: u64) -> Body {
    Body::push(&format!("{:011}", PRESENT + number % 5_000), &format!("flood-{number}"))
}

/// What the journal takes and what it needs, in octets.
#[derive(Clone, Copy, Debug)]
struct Use {
    used: u64,
    needed: u64,
}

impl Use {
    fn of(engine: &tests::engine::Engine) -> Self {
        let totals = engine.admin().status().totals;
        Self { used: totals["journal_used_octets"], needed: totals["journal_needed_octets"] }
    }

    /// Segments beyond twice what is needed.
    fn segments_beyond(self) -> f64 {
        (self.used as f64 - 2.0 * self.needed as f64) / SEGMENT_OCTETS as f64
    }
}

#[test]
fn the_journal_takes_at_most_twice_what_it_needs_plus_two_segments() {
    let mut site = Site::new(tests::programs!());
    site.shards(1).set("--segment-bytes", "256KiB").set("--queue-bytes", "256MiB");
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &["09000000000-09000004095", "09100000000-09100004999"]);
    site.set_lines(&[("09000000000-09000004095", "absent")]);
    let engine = site.start();
    let first = Load::new(HELD as usize, held);
    first.send(engine.push_address());
    // A slow device makes segments later than they are asked for: 8003 until there are some.
    wait::until_true("half of them are held", || {
        first.send_again(engine.push_address());
        first.acked().len() as u64 > HELD / 2
    });
    let held = first.acked();
    let flood = Load::new(FLOOD as usize, flooding);
    let (mut worst, mut looks) = (Use::of(&engine), 0);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| flood.send(engine.push_address()));
        while !sender.is_finished() {
            let now = Use::of(&engine);
            looks += 1;
            if now.segments_beyond() > worst.segments_beyond() {
                worst = now;
            }
        }
    });
    let appended = engine.admin().figure("journal_appended");
    println!(
        "{looks} looks, {appended} records: worst {worst:?}, {:.2} segments beyond",
        worst.segments_beyond()
    );
    assert!(worst.segments_beyond() <= 2.0, "{worst:?}");
    // Once nothing more comes, and in the files that are there.
    wait::until_true("a quiet engine", || {
        engine.admin().figure("pushes_live") == held.len() as u64
    });
    wait::until_true("a clean journal", || Use::of(&engine).segments_beyond() <= 2.0);
    let rest = Use::of(&engine);
    println!("at the end {rest:?}");
    // None of those that wait was lost on the way.
    assert_eq!(first.count_unknown(engine.push_address(), &held), 0);
    engine.stop();
    let verified = site.must(&["queue", "verify"]);
    assert!(verified.contains("no damage"), "{verified}");
}
