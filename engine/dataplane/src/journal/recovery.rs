//! What a segment's octets mean after a crash: the table of cases, and the walk that applies it.
//!
//! Pure: octets in, verdicts and records out. A torn end is normal. Damage in the middle is
//! reported with its place, and what is intact behind it is still recovered.

use std::ops::ControlFlow;

use super::checksum::crc32c;
use super::frame::{
    FrameHeader, HeaderSight, RecordKind, SEALED, frame_octets, read_u32, read_u64,
};
use super::limits::{
    FRAME_ALIGNMENT_OCTETS, FRAME_HEADER_OCTETS, HEADER_PAGE_OCTETS, SEQUENCE_END,
};
use super::record::{ArchivedCleaned, Record};

/// A frame's sequence against the one that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    /// The one that is due, or the first of a new run of the engine.
    Next,
    /// A later one: records are missing.
    Ahead,
    /// One that was there already.
    Behind,
}

/// What can be seen at the place where the next frame is due. Conditions behind the first one that
/// fails cannot be seen: they are `false` and `Behind`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Conditions {
    /// Thirty-two zero octets.
    pub(super) zero: bool,
    /// The header's checksum is right.
    pub(super) header: bool,
    /// Segment, epoch and shard are this segment's.
    pub(super) current: bool,
    /// The kind is known and the body ends within the segment.
    pub(super) length: bool,
    /// The body's checksum is right and it validates as a record of its kind.
    pub(super) body: bool,
    /// The sequence.
    pub(super) order: Order,
    /// Records that are due here or later were written behind: in this segment, or in the ones
    /// after it.
    pub(super) followed: bool,
}

/// What recovery does with what it sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// A record.
    Take,
    /// A record, but some before it are missing: damage.
    TakeAfterGap,
    /// The end: nothing was being written.
    CleanEnd,
    /// The end: a write was cut short, as a crash may.
    TornEnd,
    /// Damage, with intact records behind it.
    Corrupt,
    /// Cannot be: a defect of this program.
    Impossible,
}

/// One row: `None` matches either.
pub(super) struct Row {
    label: &'static str,
    zero: Option<bool>,
    header: Option<bool>,
    current: Option<bool>,
    length: Option<bool>,
    body: Option<bool>,
    order: Option<Order>,
    followed: Option<bool>,
    pub(super) verdict: Verdict,
}

const ANY: Option<bool> = None;
const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);

#[expect(clippy::too_many_arguments, reason = "one for each column of the table")]
const fn row(
    label: &'static str,
    zero: Option<bool>,
    header: Option<bool>,
    current: Option<bool>,
    length: Option<bool>,
    body: Option<bool>,
    order: Option<Order>,
    followed: Option<bool>,
    verdict: Verdict,
) -> Row {
    Row { label, zero, header, current, length, body, order, followed, verdict }
}

/// The table. Every combination of conditions matches exactly one row; a test proves it.
///
/// | row | what it is |
/// | --- | --- |
/// | @A | the normal end: the end mark, or what never was written |
/// | @B | zero where a record was: its page never reached the device, a later one did |
/// | @C | zero octets have no valid checksum |
/// | @D | the last write was cut short |
/// | @E | a record's header is damaged, or its page never reached the device |
/// | @F | what the recycled file held before: nothing of ours was written here |
/// | @G | as @F, but records of ours follow: a page kept its old content |
/// | @H | a sound header whose length or kind this version never writes, at the end |
/// | @I | as @H, in the middle |
/// | @J | header written, body cut short |
/// | @K | a record's body is damaged, or one of its pages never reached the device |
/// | @L | the normal case |
/// | @M | sound, but records before it are missing |
/// | @N | sound, but its turn was over: copied here by somebody else, at the end |
/// | @O | as @N, in the middle |
#[rustfmt::skip]
pub(super) const TABLE: [Row; 15] = [
    //        zero header current length body  order                followed
    row("@A", YES, NO,    ANY,    ANY,   ANY,  None,                NO,  Verdict::CleanEnd),
    row("@B", YES, NO,    ANY,    ANY,   ANY,  None,                YES, Verdict::Corrupt),
    row("@C", YES, YES,   ANY,    ANY,   ANY,  None,                ANY, Verdict::Impossible),
    row("@D", NO,  NO,    ANY,    ANY,   ANY,  None,                NO,  Verdict::TornEnd),
    row("@E", NO,  NO,    ANY,    ANY,   ANY,  None,                YES, Verdict::Corrupt),
    row("@F", NO,  YES,   NO,     ANY,   ANY,  None,                NO,  Verdict::CleanEnd),
    row("@G", NO,  YES,   NO,     ANY,   ANY,  None,                YES, Verdict::Corrupt),
    row("@H", NO,  YES,   YES,    NO,    ANY,  None,                NO,  Verdict::TornEnd),
    row("@I", NO,  YES,   YES,    NO,    ANY,  None,                YES, Verdict::Corrupt),
    row("@J", NO,  YES,   YES,    YES,   NO,   None,                NO,  Verdict::TornEnd),
    row("@K", NO,  YES,   YES,    YES,   NO,   None,                YES, Verdict::Corrupt),
    row("@L", NO,  YES,   YES,    YES,   YES,  Some(Order::Next),   ANY, Verdict::Take),
    row("@M", NO,  YES,   YES,    YES,   YES,  Some(Order::Ahead),  ANY, Verdict::TakeAfterGap),
    row("@N", NO,  YES,   YES,    YES,   YES,  Some(Order::Behind), NO,  Verdict::TornEnd),
    row("@O", NO,  YES,   YES,    YES,   YES,  Some(Order::Behind), YES, Verdict::Corrupt),
];

impl Row {
    fn matches(&self, seen: &Conditions) -> bool {
        let fits = |wanted: Option<bool>, is: bool| wanted.is_none_or(|wanted| wanted == is);
        fits(self.zero, seen.zero)
            && fits(self.header, seen.header)
            && fits(self.current, seen.current)
            && fits(self.length, seen.length)
            && fits(self.body, seen.body)
            && self.order.is_none_or(|order| order == seen.order)
            && fits(self.followed, seen.followed)
    }
}

/// The row that these conditions match.
pub(super) fn decide(seen: &Conditions) -> &'static Row {
    match TABLE.iter().find(|row| row.matches(seen)) {
        Some(row) => row,
        None => unreachable!("every combination matches a row"),
    }
}

/// Whose frames are ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) shard: u16,
    pub(super) segment: u32,
    /// `None` while the segment's header page is lost: the first intact frame tells it.
    pub(super) epoch: Option<u32>,
}

impl Owner {
    fn owns(&self, header: &FrameHeader) -> bool {
        header.shard == self.shard
            && header.segment == self.segment
            && self.epoch.is_none_or(|epoch| epoch == header.epoch)
    }
}

/// A damaged range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) offset: usize,
    pub(super) octets: usize,
    /// The first missing sequence and how many are missing.
    pub(super) sequence: u64,
    pub(super) missing: u64,
    /// The row of the table.
    pub(super) case: &'static str,
}

/// What a walk comes upon, in the order of the file.
pub(super) enum Sighting<'a> {
    /// A sound frame.
    Frame(Taken<'a>),
    /// A damaged range.
    Fault(Fault),
}

/// How a segment's frames end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct End {
    pub(super) tail: usize,
    pub(super) torn: bool,
}

/// A frame that was taken: where it stands, its header and what it holds.
pub(super) struct Taken<'a> {
    pub(super) offset: usize,
    pub(super) header: FrameHeader,
    pub(super) content: Content<'a>,
}

/// What a sound frame holds.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    /// A record.
    Record(Record<'a>),
    /// A range that an earlier recovery found damaged, and how many sequences are missing in it.
    Sealed(u64),
    /// The number of a segment that was cleaned.
    Cleaned(u32),
}

/// Walks a segment's `octets` from its first frame on and hands every intact frame and every
/// damaged range to `see`. `expected` is the sequence that is due and is moved along;
/// `continued_at` is the sequence at which the segments behind go on, if there are any. A fault
/// that `see` breaks off at is where the segment ends.
pub(super) fn walk<'a>(
    octets: &'a [u8],
    mut owner: Owner,
    expected: &mut u64,
    continued_at: Option<u64>,
    see: &mut dyn FnMut(Sighting<'a>) -> ControlFlow<()>,
) -> End {
    let mut offset = HEADER_PAGE_OCTETS;
    loop {
        let (mut seen, frame) = examine(octets, offset, &owner, *expected);
        let mut follower = None;
        if !matches!(decide(&seen).verdict, Verdict::Take | Verdict::TakeAfterGap) {
            if continued_at == Some(*expected) {
                return End { tail: offset, torn: false };
            }
            follower = find_frame(octets, offset + FRAME_ALIGNMENT_OCTETS, &owner, *expected);
            seen.followed = follower.is_some() || continued_at.is_some_and(|at| at > *expected);
        }
        let row = decide(&seen);
        let case = row.label;
        match row.verdict {
            Verdict::Take | Verdict::TakeAfterGap => {
                let Some(taken) = frame else { unreachable!("an intact frame was seen") };
                let due = due_before(&taken, *expected);
                if due > *expected {
                    let fault = Fault {
                        offset,
                        octets: 0,
                        sequence: *expected,
                        missing: due - *expected,
                        case,
                    };
                    if see(Sighting::Fault(fault)).is_break() {
                        return End { tail: offset, torn: true };
                    }
                }
                owner.epoch = Some(taken.header.epoch);
                *expected = taken.header.sequence + taken.sequences();
                offset += frame_octets(taken.header.length as usize);
                let _ = see(Sighting::Frame(taken));
            }
            Verdict::CleanEnd => return End { tail: offset, torn: false },
            Verdict::TornEnd => return End { tail: offset, torn: true },
            Verdict::Corrupt => {
                let (end, due) = match follower {
                    Some((at, due)) => (at, due),
                    None => (octets.len(), continued_at.unwrap_or(*expected)),
                };
                let missing = due.saturating_sub(*expected);
                let fault =
                    Fault { offset, octets: end - offset, sequence: *expected, missing, case };
                if see(Sighting::Fault(fault)).is_break() {
                    return End { tail: offset, torn: true };
                }
                *expected = due.max(*expected);
                if follower.is_none() {
                    return End { tail: offset, torn: true };
                }
                offset = end;
            }
            Verdict::Impossible => {
                unreachable!("zero octets with a valid checksum at offset {offset}")
            }
        }
    }
}

/// Looks at one place.
fn examine<'a>(
    octets: &'a [u8],
    offset: usize,
    owner: &Owner,
    expected: u64,
) -> (Conditions, Option<Taken<'a>>) {
    let mut seen = Conditions {
        zero: false,
        header: false,
        current: false,
        length: false,
        body: false,
        order: Order::Behind,
        followed: false,
    };
    let place = &octets[offset.min(octets.len())..];
    if place.len() < FRAME_HEADER_OCTETS {
        // No room for another frame: as good as the end mark.
        seen.zero = true;
        return (seen, None);
    }
    let header = match FrameHeader::sight(place) {
        HeaderSight::Zero => {
            seen.zero = true;
            return (seen, None);
        }
        HeaderSight::Unreadable => return (seen, None),
        HeaderSight::Readable(header) => header,
    };
    seen.header = true;
    seen.current = owner.owns(&header);
    if !seen.current {
        return (seen, None);
    }
    seen.length = header.fits(place.len());
    if !seen.length {
        return (seen, None);
    }
    let Some(content) = read_content(place, &header) else {
        return (seen, None);
    };
    let taken = Taken { offset, header, content };
    seen.body = true;
    seen.order = match due_before(&taken, expected) {
        due if due == expected => Order::Next,
        due if due > expected => Order::Ahead,
        _ => Order::Behind,
    };
    (seen, Some(taken))
}

impl Taken<'_> {
    /// How many sequences the frame accounts for.
    fn sequences(&self) -> u64 {
        match self.content {
            Content::Record(_) | Content::Cleaned(_) => 1,
            Content::Sealed(missing) => missing,
        }
    }
}

/// The sequence that was due when this frame was written: its own, or, where a run of the engine
/// begins, the one at which the run before it ended.
fn due_before(taken: &Taken<'_>, expected: u64) -> u64 {
    let sequence = taken.header.sequence;
    match taken.content {
        Content::Record(Record::Opened(opened)) if sequence != expected => {
            opened.previous_end.to_native().min(sequence)
        }
        _ => sequence,
    }
}

fn read_content<'a>(place: &'a [u8], header: &FrameHeader) -> Option<Content<'a>> {
    let body = place.get(FRAME_HEADER_OCTETS..FRAME_HEADER_OCTETS + header.checked_octets())?;
    if crc32c(body) != header.body_checksum {
        return None;
    }
    if header.kind == SEALED {
        let missing = read_u64(body, 0);
        let ends = header.sequence.checked_add(missing).is_some_and(|end| end <= SEQUENCE_END);
        return ends.then_some(Content::Sealed(missing));
    }
    match RecordKind::from_number(header.kind)? {
        RecordKind::Cleaned => ArchivedCleaned::read(body).map(Content::Cleaned),
        kind => Record::read(kind, body).map(Content::Record),
    }
}

/// Whether an intact frame of ours from `from` on says that `sequence` was durable when it was
/// written.
pub(super) fn durability_claimed(
    octets: &[u8],
    mut from: usize,
    owner: &Owner,
    sequence: u64,
) -> bool {
    while let Some((offset, _)) = find_frame(octets, from, owner, sequence) {
        let HeaderSight::Readable(header) = FrameHeader::sight(&octets[offset..]) else {
            return false;
        };
        if header.durable_below() > sequence {
            return true;
        }
        from = offset + frame_octets(header.length as usize);
    }
    false
}

/// The highest sequence, `at_least` or above, of any intact frame of ours.
pub(super) fn highest_sequence(octets: &[u8], owner: &Owner, at_least: u64) -> u64 {
    let (mut highest, mut from) = (at_least, HEADER_PAGE_OCTETS);
    while let Some((offset, _)) = find_frame(octets, from, owner, at_least) {
        let HeaderSight::Readable(header) = FrameHeader::sight(&octets[offset..]) else { break };
        highest = highest.max(header.sequence);
        from = offset + frame_octets(header.length as usize);
    }
    highest
}

/// The first intact frame of ours from `from` on that is due at `expected` or later: its offset and
/// the sequence that was due when it was written.
pub(super) fn find_frame(
    octets: &[u8],
    from: usize,
    owner: &Owner,
    expected: u64,
) -> Option<(usize, u64)> {
    let last = octets.len().checked_sub(FRAME_HEADER_OCTETS)?;
    for offset in (from..=last).step_by(FRAME_ALIGNMENT_OCTETS) {
        if read_u32(octets, offset + 8) != owner.segment {
            continue;
        }
        let (seen, frame) = examine(octets, offset, owner, expected);
        if let Some(taken) = frame
            && seen.order != Order::Behind
        {
            return Some((offset, due_before(&taken, expected)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_combination() -> impl Iterator<Item = Conditions> {
        (0..64u8).flat_map(|bits| {
            [Order::Next, Order::Ahead, Order::Behind].map(|order| Conditions {
                zero: bits & 1 != 0,
                header: bits & 2 != 0,
                current: bits & 4 != 0,
                length: bits & 8 != 0,
                body: bits & 16 != 0,
                order,
                followed: bits & 32 != 0,
            })
        })
    }

    #[test]
    fn every_combination_of_conditions_matches_exactly_one_row() {
        let mut used = [0; TABLE.len()];
        for seen in every_combination() {
            let rows: Vec<usize> =
                (0..TABLE.len()).filter(|&at| TABLE[at].matches(&seen)).collect();
            assert_eq!(rows.len(), 1, "{seen:?} matches {rows:?}");
            used[rows[0]] += 1;
        }
        assert!(used.iter().all(|&times| times > 0), "a row that nothing matches: {used:?}");
    }

    #[test]
    fn only_a_sound_frame_is_taken_and_damage_needs_a_follower() {
        for seen in every_combination() {
            let sound = !seen.zero && seen.header && seen.current && seen.length && seen.body;
            match decide(&seen).verdict {
                Verdict::Take => assert!(sound && seen.order == Order::Next),
                Verdict::TakeAfterGap => assert!(sound && seen.order == Order::Ahead),
                Verdict::Corrupt => assert!(seen.followed),
                Verdict::CleanEnd | Verdict::TornEnd => assert!(!seen.followed),
                Verdict::Impossible => assert!(seen.zero && seen.header),
            }
        }
    }
}
