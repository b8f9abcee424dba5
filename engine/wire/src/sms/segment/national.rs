//! The cheapest pair of national language tables for a text.

use super::{Fit, Frame, profile};
use crate::sms::alphabet::{Alphabet, Language, Shift, membership_of};
use crate::sms::header::SHIFT_OCTETS;

/// Languages by number, and 0 for the default tables.
const TABLES: usize = 14;

/// The tables that may be used: bit `n` for language `n`.
#[derive(Clone, Copy)]
pub(super) struct Languages {
    pub(super) locking: u16,
    pub(super) single: u16,
}

impl Languages {
    pub(super) fn any(self) -> bool {
        self.locking | self.single != 0
    }
}

/// A pair of tables and what the text takes with it.
pub(super) struct Choice {
    pub(super) shift: Shift,
    pub(super) septets: usize,
    pub(super) shift_octets: usize,
}

/// The pair that holds all of `text` in the fewest segments, if it takes fewer than `cheaper_than`.
/// Among equals the plainest: a single shift table alone before a locking one alone before both,
/// then the lowest numbers.
pub(super) fn choose(
    text: &str,
    languages: Languages,
    frame: &Frame<'_>,
    cheaper_than: u32,
) -> Option<Choice> {
    let usable = Usable::of(text, languages);
    let mut best: Option<(u32, Choice)> = None;
    for (locking, single) in pairs_plainest_first() {
        if usable.single_with[locking] >> single & 1 == 0 {
            continue;
        }
        let shift = Shift { locking: language(locking), single: language(single) };
        let shift_octets = SHIFT_OCTETS * (usize::from(locking != 0) + usize::from(single != 0));
        let septets = usable.characters + usable.escaped_with[locking];
        let count = |capacity: usize| {
            if usable.escaped_with[locking] == 0 {
                return septets.div_ceil(capacity) as u32;
            }
            profile::count_by_walking(text, capacity, |character| {
                1 + u32::from(membership_of(character).locking >> locking & 1 == 0)
            })
        };
        let Ok(Fit { segments, .. }) =
            frame.fit(Alphabet::Gsm7(shift), shift_octets, septets, count)
        else {
            continue;
        };
        if segments < best.as_ref().map_or(cheaper_than, |(segments, _)| *segments) {
            best = Some((segments, Choice { shift, septets, shift_octets }));
        }
    }
    best.map(|(_, choice)| choice)
}

/// Which pairs hold every character of a text, and what each locking table leaves to the single
/// shift table.
struct Usable {
    /// By locking table: the single shift tables that hold all it lacks.
    single_with: [u16; TABLES],
    /// By locking table: characters that need an escape.
    escaped_with: [usize; TABLES],
    characters: usize,
}

impl Usable {
    fn of(text: &str, languages: Languages) -> Self {
        let mut usable =
            Self { single_with: [0; TABLES], escaped_with: [0; TABLES], characters: 0 };
        for locking in 0..TABLES {
            let has_table = language(locking).is_none_or(Language::has_locking_table);
            if has_table && (languages.locking | 1) >> locking & 1 == 1 {
                usable.single_with[locking] = languages.single | 1;
            }
        }
        // The default pair is not national.
        usable.single_with[0] &= !1;
        for character in text.chars() {
            let member = membership_of(character);
            usable.characters += 1;
            for locking in 0..TABLES {
                let plain = member.locking >> locking & 1 == 1;
                usable.single_with[locking] &= if plain { u16::MAX } else { member.single };
                usable.escaped_with[locking] += usize::from(!plain);
            }
        }
        usable
    }
}

fn pairs_plainest_first() -> impl Iterator<Item = (usize, usize)> {
    let single_alone = (1..TABLES).map(|single| (0, single));
    let locking_alone = (1..TABLES).map(|locking| (locking, 0));
    let both = (1..TABLES).flat_map(|locking| (1..TABLES).map(move |single| (locking, single)));
    single_alone.chain(locking_alone).chain(both)
}

fn language(number: usize) -> Option<Language> {
    Language::from_number(number as u8)
}
