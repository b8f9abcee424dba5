//! Concatenated messages put together again (3GPP TS 23.040, 9.2.3.24.1): parts in any order, some
//! twice, some never.
//!
//! Parts belong together when they have the same originator, reference, reference width and total.
//! The content is joined before it is decoded, so that a character or escape pair that another
//! sender split reads right.
//!
//! Bounded: a fixed number of messages wait at a time. When another one comes, or when one has
//! waited too long, the oldest is given up; [`Reassembler::poll_lost`] hands out what there was of
//! it.

use std::collections::VecDeque;

use super::address::Address;
use super::alphabet::{Shift, decode_ucs2};
use super::coding_scheme::CodingScheme;
use super::header::{Concatenation, Header};
use super::limits::REPORT_USER_DATA_SEPTETS_MAX;
use super::septets;
use super::user_data::{Payload, UserData};

/// Holds the parts of messages that are not complete yet.
///
/// Call [`handle_part`](Self::handle_part) for every message received, then
/// [`poll_lost`](Self::poll_lost) until it returns `None`.
#[derive(Debug)]
pub struct Reassembler {
    waiting: Vec<Waiting>,
    lost: VecDeque<Message>,
    messages_max: usize,
    wait_ms_max: u64,
}

/// What a part that came in led to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// It was a message of its own, or the last part that was missing.
    Complete(Message),
    /// Parts are still missing.
    Waiting {
        /// How many.
        missing: u8,
    },
    /// The very same part is there already.
    Repeated {
        /// How many parts are still missing.
        missing: u8,
    },
}

/// A message, complete or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Who sent it.
    pub originator: Address,
    /// The parts in their order; `None` for those that never came.
    pub parts: Vec<Option<Part>>,
}

/// The user data of one part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    coding_scheme: CodingScheme,
    header_indicated: bool,
    length: u8,
    octets: Vec<u8>,
}

#[derive(Debug)]
struct Waiting {
    key: Concatenation,
    message: Message,
    missing: u8,
    since_ms: u64,
}

impl Reassembler {
    /// `messages_max` messages, at least 1, wait at a time, each no longer than `wait_ms_max`
    /// milliseconds after its first part.
    ///
    /// # Panics
    /// When `messages_max` is 0.
    pub fn new(messages_max: usize, wait_ms_max: u64) -> Self {
        assert!(messages_max > 0, "a reassembler that holds nothing reassembles nothing");
        Self { waiting: Vec::new(), lost: VecDeque::new(), messages_max, wait_ms_max }
    }

    /// Takes in one message's user data. `now_ms` never goes backwards from call to call.
    ///
    /// A part whose place is taken by a different one shows that the reference has come round: what
    /// was there is given up and a new message begins.
    pub fn handle_part(
        &mut self,
        originator: Address,
        user_data: &UserData<'_>,
        now_ms: u64,
    ) -> Arrival {
        self.give_up_old(now_ms);
        let part = Part::of(user_data);
        let Some(concatenation) = user_data.sound_header().and_then(Header::concatenation) else {
            return Arrival::Complete(Message { originator, parts: vec![Some(part)] });
        };
        let key = Concatenation { sequence: 1, ..concatenation };
        let at = usize::from(concatenation.sequence) - 1;
        //= TS 23.040 9.2.3.24.1 together
        let known = self
            .waiting
            .iter()
            .position(|other| other.key == key && other.message.originator == originator);
        let known = match known {
            Some(index) => match &self.waiting[index].message.parts[at] {
                Some(there) if *there == part => {
                    return Arrival::Repeated { missing: self.waiting[index].missing };
                }
                Some(_) => {
                    self.give_up(index);
                    None
                }
                None => Some(index),
            },
            None => None,
        };
        let index = known.unwrap_or_else(|| self.open(key, originator, now_ms));
        let waiting = &mut self.waiting[index];
        waiting.message.parts[at] = Some(part);
        waiting.missing -= 1;
        match waiting.missing {
            0 => Arrival::Complete(self.waiting.remove(index).message),
            missing => Arrival::Waiting { missing },
        }
    }

    /// The next message that was given up incomplete by now.
    pub fn poll_lost(&mut self, now_ms: u64) -> Option<Message> {
        self.give_up_old(now_ms);
        self.lost.pop_front()
    }

    /// Messages of which parts are missing.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn open(&mut self, key: Concatenation, originator: Address, now_ms: u64) -> usize {
        if self.waiting.len() == self.messages_max {
            self.give_up(0);
        }
        let parts = vec![None; usize::from(key.total)];
        let message = Message { originator, parts };
        self.waiting.push(Waiting { key, message, missing: key.total, since_ms: now_ms });
        self.waiting.len() - 1
    }

    /// The messages wait in the order in which they began.
    fn give_up_old(&mut self, now_ms: u64) {
        while let Some(oldest) = self.waiting.first() {
            if now_ms.saturating_sub(oldest.since_ms) <= self.wait_ms_max {
                return;
            }
            self.give_up(0);
        }
    }

    fn give_up(&mut self, index: usize) {
        // A caller that never asks for lost messages does not make them pile up.
        if self.lost.len() == self.messages_max {
            self.lost.pop_front();
        }
        self.lost.push_back(self.waiting.remove(index).message);
    }
}

impl Message {
    /// Whether every part is there.
    pub fn is_complete(&self) -> bool {
        self.parts.iter().all(Option::is_some)
    }

    /// The text of the parts that are there; `None` if one is not text. Neighbours in the same
    /// alphabet are joined before they are decoded.
    pub fn text(&self) -> Option<String> {
        let mut text = String::new();
        let mut run = Run::Nothing;
        for part in &self.parts {
            // Across a gap nothing may join.
            let Some(part) = part else {
                run.flush(&mut text);
                continue;
            };
            match (part.user_data().payload(), &mut run) {
                (Payload::Septets { octets, first, count, shift }, _) => {
                    if !matches!(&run, Run::Septets(other, _) if *other == shift) {
                        run.flush(&mut text);
                        run = Run::Septets(shift, Vec::new());
                    }
                    if let Run::Septets(_, joined) = &mut run {
                        let mut buffer = [0; REPORT_USER_DATA_SEPTETS_MAX];
                        let septets = &mut buffer[..usize::from(count)];
                        septets::unpack(octets, usize::from(first), septets);
                        joined.extend_from_slice(septets);
                    }
                }
                (Payload::Ucs2(octets), Run::Units(joined)) => joined.extend_from_slice(octets),
                (Payload::Ucs2(octets), _) => {
                    run.flush(&mut text);
                    run = Run::Units(octets.to_vec());
                }
                (Payload::Octets(_) | Payload::Compressed(_), _) => return None,
            }
        }
        run.flush(&mut text);
        Some(text)
    }

    /// The octets behind the headers of the parts that are there, joined; `None` if one of them is
    /// 7-bit text.
    pub fn octets(&self) -> Option<Vec<u8>> {
        let mut joined = Vec::new();
        for part in self.parts.iter().flatten() {
            match part.user_data().payload() {
                Payload::Ucs2(octets) | Payload::Octets(octets) | Payload::Compressed(octets) => {
                    joined.extend_from_slice(octets);
                }
                Payload::Septets { .. } => return None,
            }
        }
        Some(joined)
    }
}

impl Part {
    fn of(user_data: &UserData<'_>) -> Self {
        Self {
            coding_scheme: user_data.coding_scheme,
            header_indicated: user_data.header_indicated,
            length: user_data.length,
            octets: user_data.octets.to_vec(),
        }
    }

    /// The part as user data.
    pub fn user_data(&self) -> UserData<'_> {
        UserData {
            coding_scheme: self.coding_scheme,
            header_indicated: self.header_indicated,
            length: self.length,
            octets: &self.octets,
        }
    }
}

/// Content of neighbouring parts that is decoded as one.
enum Run {
    Nothing,
    Septets(Shift, Vec<u8>),
    Units(Vec<u8>),
}

impl Run {
    fn flush(&mut self, text: &mut String) {
        match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => {}
            Self::Septets(shift, septets) => shift.decode(&septets, text),
            Self::Units(octets) => decode_ucs2(&octets, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sms::segment::{Content, Fragments, PlanOptions, plan};

    const WAIT_MS: u64 = 1000;

    fn parts_of(text: &str, reference: u16) -> Vec<(CodingScheme, u8, Vec<u8>)> {
        let options = PlanOptions { national: true, ..PlanOptions::default() };
        let plan = plan(Content::Text(text), &options).expect("a plan");
        let mut fragments = Fragments::new(&plan, Content::Text(text), &options, reference);
        let mut out = [0; 140];
        let mut parts = Vec::new();
        while let Some(fragment) = fragments.write_next(&mut out) {
            let octets = out[..usize::from(fragment.octets)].to_vec();
            parts.push((CodingScheme(plan.dcs()), fragment.user_data_length, octets));
        }
        parts
    }

    fn hand_in(
        reassembler: &mut Reassembler,
        (coding_scheme, length, octets): &(CodingScheme, u8, Vec<u8>),
        now_ms: u64,
    ) -> Arrival {
        let (coding_scheme, length) = (*coding_scheme, *length);
        let user_data = UserData { coding_scheme, header_indicated: true, length, octets };
        let originator = Address::parse("+819012345678").expect("legal");
        reassembler.handle_part(originator, &user_data, now_ms)
    }

    fn completed(arrival: Arrival) -> Message {
        let Arrival::Complete(message) = arrival else { panic!("not complete: {arrival:?}") };
        message
    }

    //= TS 23.040 9.2.3.24.1 together
    //= TS 23.040 9.2.3.24.15
    #[test]
    fn parts_in_any_order_and_twice_make_the_text() {
        for text in ["{euro} € ".repeat(60), "漢字😀".repeat(60), "ığdır şöyle ".repeat(40)]
        {
            let parts = parts_of(&text, 200);
            assert!(parts.len() >= 3);
            let mut reassembler = Reassembler::new(4, WAIT_MS);
            for part in parts.iter().skip(1).rev() {
                assert!(matches!(hand_in(&mut reassembler, part, 0), Arrival::Waiting { .. }));
                assert!(matches!(hand_in(&mut reassembler, part, 0), Arrival::Repeated { .. }));
            }
            let message = completed(hand_in(&mut reassembler, &parts[0], 0));
            assert_eq!(message.text(), Some(text));
            assert_eq!((reassembler.waiting(), reassembler.poll_lost(0)), (0, None));
        }
    }

    #[test]
    fn a_message_that_stays_incomplete_is_handed_out_with_what_came() {
        let text = "x".repeat(153) + &"y".repeat(153) + "z";
        let parts = parts_of(&text, 1);
        let mut reassembler = Reassembler::new(4, WAIT_MS);
        hand_in(&mut reassembler, &parts[0], 0);
        hand_in(&mut reassembler, &parts[2], 10);
        assert_eq!(reassembler.poll_lost(WAIT_MS), None);
        let lost = reassembler.poll_lost(WAIT_MS + 1).expect("lost");
        assert!(!lost.is_complete());
        assert_eq!(lost.text(), Some("x".repeat(153) + "z"));
    }

    //= TS 23.040 9.2.3.24.1 together
    #[test]
    fn a_reference_that_comes_round_begins_a_new_message() {
        let mut reassembler = Reassembler::new(4, WAIT_MS);
        let (old, new) = (parts_of(&"o".repeat(200), 7), parts_of(&"n".repeat(200), 7));
        hand_in(&mut reassembler, &old[0], 0);
        hand_in(&mut reassembler, &new[0], 1);
        let message = completed(hand_in(&mut reassembler, &new[1], 2));
        assert_eq!(message.text(), Some("n".repeat(200)));
        assert_eq!(reassembler.poll_lost(2).and_then(|lost| lost.text()), Some("o".repeat(153)));
    }

    #[test]
    fn only_so_many_messages_wait_and_the_oldest_gives_way() {
        let mut reassembler = Reassembler::new(2, WAIT_MS);
        for reference in 0..3 {
            hand_in(
                &mut reassembler,
                &parts_of(&format!("{reference}").repeat(200), reference)[0],
                0,
            );
        }
        assert_eq!(reassembler.waiting(), 2);
        assert_eq!(reassembler.poll_lost(0).and_then(|lost| lost.text()), Some("0".repeat(153)));
        assert_eq!(reassembler.poll_lost(0), None);
    }

    #[test]
    fn a_pair_that_a_sender_split_reads_right_once_joined() {
        let part = |sequence: u8, unit: [u8; 2]| {
            let octets = [&[5, 0, 3, 9, 2, sequence][..], &unit].concat();
            (CodingScheme::UCS2, octets.len() as u8, octets)
        };
        let mut reassembler = Reassembler::new(1, WAIT_MS);
        hand_in(&mut reassembler, &part(2, [0xde, 0x00]), 0);
        let message = completed(hand_in(&mut reassembler, &part(1, [0xd8, 0x3d]), 0));
        assert_eq!(message.text().as_deref(), Some("😀"));
        assert_eq!(message.octets(), Some(vec![0xd8, 0x3d, 0xde, 0x00]));
    }

    #[test]
    fn a_message_without_parts_is_complete_at_once() {
        let user_data = UserData::of_octets(&[1, 2, 3]);
        let originator = Address::parse("Hayauma").expect("legal");
        let arrival = Reassembler::new(1, WAIT_MS).handle_part(originator, &user_data, 0);
        let message = completed(arrival);
        assert_eq!((message.text(), message.octets()), (None, Some(vec![1, 2, 3])));
    }
}
