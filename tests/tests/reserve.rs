//! A journal that is full or has much to move: what is reserved for its pushes goes to what is new
//! of them, and cleaning does a small part of its work in each turn.
//!
//! The shard is the engine's own, with its journal, driven in virtual time.

use hayauma::journal::{Cursor, JournalConfig, RecordKind};
use hayauma::shard::TurnBudget;
use tests::lone_shard::{BUDGET, LoneShard, PHONES, START_MS, Setup, msn};
use tests::push::Body;
use wire::terms::code::Code;

const CLIENT: &str = "00100000001";
const HOUR_MS: u64 = 3_600_000;
/// Between two turns.
const STEP_MS: u64 = 10_000;
/// Records that a turn of one of many shards of a thread may look at.
const RECORDS: usize = 16;

/// A push that waits three days for an absent phone.
fn push(number: u64) -> Body {
    Body::push(&msn(number % PHONES), &format!("waits-{number}"))
        .with("comway", "1103")
        .with("lifetime", "72")
}

/// A client that is told nothing, and absent phones.
fn setup() -> Setup {
    let mut setup = Setup::new(&[CLIENT]);
    setup.clients[0].notified = false;
    setup
}

/// Reads a journal's records as they are appended.
struct Reader {
    cursor: Cursor,
    next: u64,
}

impl Reader {
    /// From what is appended next.
    fn of(lone: &LoneShard) -> Self {
        let journal = lone.shard.journal();
        Self { cursor: journal.cursor_before(journal.appended()), next: journal.appended() }
    }

    /// How many records of each of these kinds came since the last look.
    fn look<const KINDS: usize>(
        &mut self,
        lone: &LoneShard,
        kinds: [RecordKind; KINDS],
    ) -> [u64; KINDS] {
        let journal = lone.shard.journal();
        let mut counts = [0; KINDS];
        while let Some((position, kind)) = journal.step_on(&mut self.cursor) {
            let (sequence, _) = journal.read(position).expect("what was just appended");
            if sequence >= self.next {
                let which = kinds.iter().position(|known| *known == kind);
                which.into_iter().for_each(|at| counts[at] += 1);
            }
        }
        self.next = journal.appended();
        counts
    }
}

#[test]
fn a_full_journal_gives_its_reserve_to_nothing_that_says_nothing_new() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut setup = setup();
    setup.journal =
        JournalConfig { segment_octets: 64 << 10, budget_octets: 1 << 20, ..setup.journal };
    let mut lone = LoneShard::open(directory.path(), &setup, START_MS);
    let mut accepted = 0;
    let full = loop {
        match lone.ask_patiently(&push(accepted), START_MS) {
            Code::ACCEPTED => accepted += 1,
            code => break code,
        }
        if accepted % 32 == 0 {
            lone.work(START_MS);
        }
    };
    assert_eq!(full, Code::STORAGE_FULL);
    assert!(accepted > 300, "{accepted} pushes");
    // Three days in which nobody comes back: each push is tried again and again.
    let mut reader = Reader::of(&lone);
    let (mut now_ms, mut progress) = (START_MS, 0);
    while now_ms < START_MS + 73 * HOUR_MS {
        now_ms += STEP_MS;
        lone.keep_time(now_ms, now_ms - START_MS);
        lone.work(now_ms);
        progress += reader.look(&lone, [RecordKind::Progress])[0];
    }
    let (holds, unrecorded) = (lone.figure("holds"), lone.figure("holds_unrecorded"));
    println!("{accepted} pushes, {holds} holds, {unrecorded} of them without a record");
    assert!(holds > 20 * accepted && unrecorded > 0, "the journal was full");
    assert_eq!(progress, 0, "nothing arrived, and nothing was in doubt");
    assert_eq!(lone.figure("pushes_live"), 0, "all have ended");
    // What they took is free again.
    assert_eq!(lone.ask_patiently(&push(accepted), now_ms), Code::ACCEPTED);
}

#[test]
fn a_turn_of_cleaning_moves_no_more_than_its_share_however_much_there_is_to_move() {
    const PUSHES: u64 = 8_000;
    let directory = tempfile::tempdir().expect("a directory");
    let mut setup = setup();
    setup.journal.segment_octets = 1 << 20;
    let mut lone = LoneShard::open(directory.path(), &setup, START_MS);
    let now_ms = START_MS + 1;
    for number in 0..PUSHES {
        assert_eq!(lone.ask_patiently(&push(number), START_MS), Code::ACCEPTED, "push {number}");
        if number % 64 == 0 {
            lone.work(START_MS);
        }
    }
    let mut reader = Reader::of(&lone);
    // Three in four are withdrawn within one turn: most of the journal is dead at once.
    for number in (0..PUSHES).filter(|number| number % 4 != 0) {
        let cancel = Body::cancel(&msn(number % PHONES), &format!("waits-{number}"));
        assert_eq!(lone.ask_patiently(&cancel, now_ms), Code::ACCEPTED, "cancel {number}");
    }
    assert_eq!(reader.look(&lone, [RecordKind::Accepted]), [0]);
    let (mut moved, mut most) = (0, 0);
    for turn in 1..500 {
        lone.work_within(&TurnBudget { records: RECORDS, ..BUDGET }, now_ms + turn);
        let [copies] = reader.look(&lone, [RecordKind::Accepted]);
        (moved, most) = (moved + copies, most.max(copies));
    }
    println!("{moved} pushes were moved, {most} in one turn at most");
    assert!(moved > 500, "{moved} of {PUSHES} pushes were moved");
    // Of the records one in four is of a push that waits.
    assert!(most <= RECORDS as u64 / 2, "{most} in one turn");
}
