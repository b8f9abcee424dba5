//! Whom a broadcast addresses, as one file that the shards read where it lies.
//!
//! ```text
//! head     4,096 octets: magic, version, rows, runs, where the tail lies, checksums
//! rows     8 octets each: msn 34 bits, text 14 bits, language 16 bits
//! order    4 octets each: the numbers of all rows in the order of `mix(msn)`
//! own      where rows have texts that no others have, version 3: those texts ([`own`])
//! tail     runs, 16 octets each: area, first row, rows, leg with its wave in the upper half; then
//!          areas and languages
//! ```
//!
//! Rows stand in runs by leg, area and wave, and within a run in the order of `mix(msn)`: so the
//! rows of a run that one shard owns are one piece, whatever the number of shards. A row's number
//! is its place. All numbers are little-endian.

mod order;
pub mod own;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use host::mapped::Mapped;
use wire::terms::ids::Msn;
use wire::terms::mix::mix;
use wire::terms::ownership::shard_of;

use super::claims::RunSlice;
use super::limits::{LEGS_MAX, TEXTS_MAX, WAVES_MAX};
use own::{OwnHead, OwnText, OwnTexts, OwnWriter};

const MAGIC: &[u8; 8] = b"HAYAROWS";
const VERSION: u32 = 2;
/// With texts of rows' own.
const WITH_OWN: u32 = 3;
/// Without the order: a phone's row is looked for in each run.
const WITHOUT_ORDER: u32 = 1;
const HEAD_OCTETS: usize = 4_096;
const ROW_OCTETS: usize = 8;
const RUN_OCTETS: usize = 16;
/// The bits of a run's leg below its wave's.
const WAVE_FROM: u32 = 16;
const MSN_BITS: u32 = 34;
const TEXT_BITS: u32 = 14;
/// Rows that are copied at once.
const ROWS_AT_ONCE: usize = 4_096;
const NO_TEXT: u64 = (1 << TEXT_BITS) - 1;
/// The text is the row's own.
const OWN_TEXT: u64 = NO_TEXT - 1;
const _: () = assert!(TEXTS_MAX < OWN_TEXT as usize && LEGS_MAX < 1 << WAVE_FROM);
/// Numbers of texts from here on are those of rows' own.
pub const OWN_FROM: u32 = 1 << 31;
/// Where a text's own half of the head begins.
const OWN_HEAD: usize = 40;

/// A recipient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recipient {
    /// The phone number.
    pub msn: Msn,
    /// The number of its text, from [`OWN_FROM`] on of one of its own; `None`: there is none in its
    /// language.
    pub text: Option<u32>,
    /// The number of its language; 0: none.
    pub language: u16,
}

impl Recipient {
    fn to_word(self) -> u64 {
        let text = match self.text {
            Some(own) if own >= OWN_FROM => OWN_TEXT,
            text => text.map_or(NO_TEXT, u64::from),
        };
        self.msn.value() | text << MSN_BITS | u64::from(self.language) << (MSN_BITS + TEXT_BITS)
    }

    fn of_word(word: u64) -> Option<Self> {
        let msn = Msn::from_value(word & ((1 << MSN_BITS) - 1))?;
        let text = word >> MSN_BITS & NO_TEXT;
        // Of a text of its own the file's part of these says which.
        let text = match text {
            NO_TEXT => None,
            OWN_TEXT => Some(OWN_FROM),
            text => Some(text as u32),
        };
        Some(Self { msn, text, language: (word >> (MSN_BITS + TEXT_BITS)) as u16 })
    }
}

/// The rows of one leg in one area.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecipientRun {
    /// The number of the area's name.
    pub area: u32,
    /// The number of its first row.
    pub first: u32,
    /// How many rows.
    pub rows: u32,
    /// The leg.
    pub leg: u32,
    /// The wave, from 0.
    pub wave: u8,
}

impl RecipientRun {
    fn leg_and_wave(&self) -> u32 {
        self.leg | u32::from(self.wave) << WAVE_FROM
    }
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum RecipientsError {
    /// The disk.
    #[error("the broadcast's recipients cannot be read ({0}): look at the disk")]
    Disk(#[from] io::Error),
    /// The file.
    #[error("the broadcast's recipients are damaged, {0}: restore the directory from a backup")]
    Damaged(&'static str),
}

/// Writes a file of recipients.
pub struct RecipientsWriter {
    file: BufWriter<File>,
    rows: u32,
    checksum: u32,
    runs: Vec<RecipientRun>,
    areas: Vec<String>,
    languages: Vec<String>,
    /// Where texts of rows' own are put aside until all rows are written.
    spool: Option<PathBuf>,
    own: Option<OwnWriter>,
}

impl RecipientsWriter {
    /// Begins an empty file.
    ///
    /// # Errors
    /// The disk's.
    pub fn new(file: File) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&[0; HEAD_OCTETS])?;
        let (runs, areas, languages) = (Vec::new(), Vec::new(), Vec::new());
        let (spool, own) = (None, None);
        Ok(Self { file, rows: 0, checksum: 0, runs, areas, languages, spool, own })
    }

    /// The same, of rows that may have texts of their own: these are put aside in nameless files of
    /// this directory.
    #[must_use]
    pub fn with_own(self, directory: &Path) -> Self {
        Self { spool: Some(directory.to_owned()), ..self }
    }

    /// Whether rows may have texts of their own.
    pub fn takes_own(&self) -> bool {
        self.spool.is_some()
    }

    /// A text of a row's own, or of some: its number.
    ///
    /// # Errors
    /// The disk's, or that there are too many.
    ///
    /// # Panics
    /// When rows may have none.
    pub fn own(&mut self, text: &OwnText<'_>) -> io::Result<u32> {
        let Some(spool) = &self.spool else { panic!("a writer that takes texts of rows' own") };
        let own = match self.own.take() {
            Some(own) => own,
            None => OwnWriter::new(spool, self.rows)?,
        };
        self.own.insert(own).add(text).map(|number| OWN_FROM | number)
    }

    /// What follows is of this leg and area, and of this wave.
    pub fn begin_run(&mut self, (leg, wave): (u32, u8), area: &str) {
        let area = number_of(&mut self.areas, area);
        self.runs.push(RecipientRun { area, first: self.rows, rows: 0, leg, wave });
    }

    /// The number of a language, from 1; 0 for none.
    pub fn language(&mut self, tag: &str) -> u16 {
        if tag.is_empty() { 0 } else { number_of(&mut self.languages, tag) as u16 + 1 }
    }

    /// Rows of the run, in the order of `mix(msn)`.
    ///
    /// # Errors
    /// The disk's.
    ///
    /// # Panics
    /// When no run has begun.
    pub fn push(&mut self, rows: &[Recipient]) -> io::Result<()> {
        let Some(run) = self.runs.last_mut() else { panic!("a run begins before its rows") };
        run.rows += rows.len() as u32;
        self.rows += rows.len() as u32;
        let mut octets = Vec::with_capacity(rows.len() * ROW_OCTETS);
        rows.iter().for_each(|row| octets.extend_from_slice(&row.to_word().to_le_bytes()));
        self.checksum = crc32c::crc32c_append(self.checksum, &octets);
        if let Some(own) = &mut self.own {
            own.rows(rows.iter().map(|row| row.text))?;
        }
        self.file.write_all(&octets)
    }

    /// Rows so far.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Nothing follows: writes tail and head, and syncs the file.
    ///
    /// # Errors
    /// The disk's.
    pub fn finish(mut self) -> io::Result<()> {
        self.runs.retain(|run| run.rows > 0);
        self.file.flush()?;
        let rows = self.file.get_ref().try_clone()?;
        let order = order::write(&rows, &self.runs, &mut self.file)?;
        let own = self.own.take().map(|own| own.finish(&mut self.file)).transpose()?;
        let mut tail = Vec::new();
        for run in &self.runs {
            for number in [run.area, run.first, run.rows, run.leg_and_wave()] {
                tail.extend_from_slice(&number.to_le_bytes());
            }
        }
        for texts in [&self.areas, &self.languages] {
            tail.extend_from_slice(&(texts.len() as u32).to_le_bytes());
            for text in texts {
                tail.extend_from_slice(&(text.len() as u32).to_le_bytes());
                tail.extend_from_slice(text.as_bytes());
            }
        }
        self.file.write_all(&tail)?;
        let mut head = [0; HEAD_OCTETS];
        head[..8].copy_from_slice(MAGIC);
        let numbers = [
            if own.is_some() { WITH_OWN } else { VERSION },
            0,
            self.rows,
            self.runs.len() as u32,
            tail.len() as u32,
            self.checksum,
            crc32c::crc32c(&tail),
            order,
        ];
        for (at, number) in numbers.into_iter().enumerate() {
            head[8 + 4 * at..12 + 4 * at].copy_from_slice(&number.to_le_bytes());
        }
        if let Some(own) = own {
            own.write(&mut head[OWN_HEAD..]);
        }
        let checksum = crc32c::crc32c(&head);
        head[12..16].copy_from_slice(&checksum.to_le_bytes());
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&head)?;
        file.sync_all()
    }
}

fn number_of(texts: &mut Vec<String>, text: &str) -> u32 {
    // Areas come in their order, and languages are few.
    let place = texts.iter().rposition(|known| known == text).unwrap_or_else(|| {
        texts.push(text.to_owned());
        texts.len() - 1
    });
    place as u32
}

/// A shard's rows of one run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShardRun {
    /// The number of the first of them.
    pub first: u32,
    /// Where they stand among the shard's rows.
    pub slice: RunSlice,
}

/// The recipients of a broadcast.
#[derive(Debug)]
pub struct Recipients {
    octets: Mapped,
    rows: u32,
    /// Whether the order of all rows stands behind them.
    has_order: bool,
    runs: Vec<RecipientRun>,
    areas: Vec<String>,
    languages: Vec<String>,
    own: Option<OwnTexts>,
}

impl Recipients {
    /// Opens a file and checks every octet of it.
    ///
    /// # Errors
    /// The disk's, or that it is damaged.
    pub fn open(file: &File) -> Result<Self, RecipientsError> {
        Self::of(Mapped::open(file)?)
    }

    /// As [`Self::open`], of octets.
    ///
    /// # Errors
    /// That they are damaged.
    pub fn of(octets: Mapped) -> Result<Self, RecipientsError> {
        let all = octets.as_ref();
        let head: &[u8; HEAD_OCTETS] =
            all.first_chunk().ok_or(RecipientsError::Damaged("they are cut short"))?;
        let mut checked = *head;
        checked[12..16].fill(0);
        if &head[..8] != MAGIC || crc32c::crc32c(&checked) != number_at(head, 12) {
            return Err(RecipientsError::Damaged("their head is none"));
        }
        let version = number_at(head, 8);
        if ![VERSION, WITHOUT_ORDER, WITH_OWN].contains(&version) {
            return Err(RecipientsError::Damaged("a later program wrote them"));
        }
        let has_order = version != WITHOUT_ORDER;
        let (rows, runs) = (number_at(head, 16), number_at(head, 20) as usize);
        let order_at = HEAD_OCTETS + rows as usize * ROW_OCTETS;
        let order_octets = if has_order { rows as usize * order::NUMBER_OCTETS } else { 0 };
        let own_at = order_at + order_octets;
        let own = (version == WITH_OWN).then(|| OwnHead::read(&head[OWN_HEAD..]));
        let own = own.map(|head| OwnTexts::open(all, own_at, rows, &head)).transpose()?;
        let tail_at = own_at + own.as_ref().map_or(0, OwnTexts::octets);
        let tail = all.get(tail_at..).filter(|tail| tail.len() == number_at(head, 24) as usize);
        let tail = tail.ok_or(RecipientsError::Damaged("they are cut short"))?;
        let parts = [&all[HEAD_OCTETS..order_at], tail, &all[order_at..own_at]];
        let known = [28, 32, 36].map(|at| number_at(head, at));
        if parts.map(crc32c::crc32c) != known {
            return Err(RecipientsError::Damaged("a checksum does not match"));
        }
        let damaged = RecipientsError::Damaged("their tail is none");
        let (Some(of_runs), Some(texts)) =
            (tail.get(..runs * RUN_OCTETS), tail.get(runs * RUN_OCTETS..))
        else {
            return Err(damaged);
        };
        let run = |octets: &[u8]| RecipientRun {
            area: number_at(octets, 0),
            first: number_at(octets, 4),
            rows: number_at(octets, 8),
            leg: number_at(octets, 12) & ((1 << WAVE_FROM) - 1),
            wave: (number_at(octets, 12) >> WAVE_FROM).min(u32::from(u8::MAX)) as u8,
        };
        let runs: Vec<RecipientRun> = of_runs.chunks_exact(RUN_OCTETS).map(run).collect();
        let mut next = 0;
        for run in &runs {
            if run.first != next {
                return Err(damaged);
            }
            next += run.rows;
        }
        let mut texts = texts;
        let (areas, languages) = (table(&mut texts), table(&mut texts));
        let (Some(areas), Some(languages)) = (areas, languages) else { return Err(damaged) };
        let is_known = |run: &RecipientRun| {
            (run.area as usize) < areas.len() && usize::from(run.wave) < WAVES_MAX
        };
        let is_whole = next == rows && runs.iter().all(is_known);
        if !is_whole {
            return Err(damaged);
        }
        Ok(Self { octets, rows, has_order, runs, areas, languages, own })
    }

    /// How many there are.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The runs.
    pub fn runs(&self) -> &[RecipientRun] {
        &self.runs
    }

    /// The leg that a row is of.
    pub fn leg_of(&self, number: u32) -> Option<u32> {
        let behind = self.runs.partition_point(|run| run.first <= number);
        behind.checked_sub(1).map(|at| self.runs[at].leg)
    }

    /// The name of an area; empty where it is unknown.
    pub fn area(&self, number: u32) -> &str {
        self.areas.get(number as usize).map_or("", String::as_str)
    }

    /// The tag of a language; empty for none.
    pub fn language(&self, number: u16) -> &str {
        let place = usize::from(number).checked_sub(1);
        place.and_then(|place| self.languages.get(place)).map_or("", String::as_str)
    }

    /// The recipient with this number.
    ///
    /// # Panics
    /// When there is none: the file was checked as a whole.
    #[inline]
    pub fn row(&self, number: u32) -> Recipient {
        assert!(number < self.rows, "row {number} of {}", self.rows);
        let word = word_at(&self.octets.as_ref()[HEAD_OCTETS..], number);
        let Some(row) = Recipient::of_word(word) else {
            panic!("row {number} of a broadcast is not what was checked: the file was changed")
        };
        if row.text == Some(OWN_FROM) { self.with_own_text(number, row) } else { row }
    }

    /// Which text of its own a row has.
    #[cold]
    fn with_own_text(&self, number: u32, row: Recipient) -> Recipient {
        let own = self.own.as_ref().and_then(|own| own.number_of(self.octets.as_ref(), number));
        Recipient { text: own.map(|own| OWN_FROM | own), ..row }
    }

    /// A text of rows' own by its number; `None` where the number is of another.
    pub fn own_text(&self, number: u32) -> Option<OwnText<'_>> {
        let own = self.own.as_ref().filter(|_| number >= OWN_FROM)?;
        own.text(self.octets.as_ref(), number & !OWN_FROM)
    }

    /// The most short messages that a text of a row's own takes, in whatever form; `None` where no
    /// row has one.
    pub fn own_segments_max(&self) -> Option<u8> {
        self.own.as_ref().map(OwnTexts::segments_max)
    }

    /// One shard's rows, a piece of each run. Empty pieces are there too, so that a run's number is
    /// its place.
    pub fn of_shard(&self, shard: usize, shards: usize) -> Vec<ShardRun> {
        let mut next = 0;
        let pieces = self.runs.iter().map(|run| {
            let bound = |owner: usize| {
                let (mut low, mut high) = (run.first, run.first + run.rows);
                while low < high {
                    let middle = low + (high - low) / 2;
                    if shard_of(self.row(middle).msn, shards) < owner {
                        low = middle + 1;
                    } else {
                        high = middle;
                    }
                }
                low
            };
            let (first, end) = (bound(shard), bound(shard + 1));
            let slice = RunSlice { first: next, rows: end - first, wave: run.wave };
            next += slice.rows;
            ShardRun { first, slice }
        });
        pieces.collect()
    }

    /// The number of an msn's row, in whatever run it stands: by halving, where the file has the
    /// order of all rows; else so in each run.
    pub fn find(&self, msn: Msn) -> Option<u32> {
        let wanted = mix(msn.value());
        if self.has_order {
            return self.halve((0, self.rows), wanted, |place| self.in_order(place));
        }
        let mut runs = self.runs.iter();
        runs.find_map(|run| self.halve((run.first, run.first + run.rows), wanted, |place| place))
    }

    /// Writes the same recipients without one of them; those behind it move up. Texts of rows' own
    /// are put aside in a nameless file of the directory.
    ///
    /// # Errors
    /// The disk's.
    pub fn write_without(&self, number: u32, file: File, spool: &Path) -> io::Result<()> {
        let mut writer = RecipientsWriter::new(file)?.with_own(spool);
        let (mut rows, mut own) = (Vec::new(), HashMap::new());
        for run in &self.runs {
            writer.begin_run((run.leg, run.wave), self.area(run.area));
            for at in (run.first..run.first + run.rows).filter(|at| *at != number) {
                let row = self.row(at);
                let language = writer.language(self.language(row.language));
                // A text that only the other one had goes with it.
                let text = match row.text.and_then(|text| Some((text, self.own_text(text)?))) {
                    None => row.text,
                    Some((text, known)) => Some(match own.get(&text) {
                        Some(again) => *again,
                        None => *own.entry(text).or_insert(writer.own(&known)?),
                    }),
                };
                rows.push(Recipient { text, language, ..row });
                if rows.len() == ROWS_AT_ONCE {
                    writer.push(&rows)?;
                    rows.clear();
                }
            }
            writer.push(&rows)?;
            rows.clear();
        }
        writer.finish()
    }

    /// How many times a look-up halves something: what it costs.
    pub fn searches(&self) -> usize {
        if self.has_order { 1 } else { self.runs.len() }
    }

    /// The number of the row at this place of the order.
    fn in_order(&self, place: u32) -> u32 {
        let order = HEAD_OCTETS + self.rows as usize * ROW_OCTETS;
        number_at(self.octets.as_ref(), order + place as usize * order::NUMBER_OCTETS)
    }

    /// The row with this key among places whose rows, as `number` has them, are in order.
    fn halve(
        &self,
        (mut low, mut high): (u32, u32),
        wanted: u64,
        number: impl Fn(u32) -> u32,
    ) -> Option<u32> {
        while low < high {
            let middle = low + (high - low) / 2;
            let row = number(middle);
            match mix(self.row(row).msn.value()).cmp(&wanted) {
                std::cmp::Ordering::Equal => return Some(row),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

fn table(octets: &mut &[u8]) -> Option<Vec<String>> {
    let mut number = || -> Option<u32> {
        let (number, behind) = octets.split_first_chunk()?;
        *octets = behind;
        Some(u32::from_le_bytes(*number))
    };
    let count = number()?;
    let mut texts = Vec::new();
    for _ in 0..count {
        let (length, behind) = octets.split_first_chunk()?;
        let (text, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        texts.push(std::str::from_utf8(text).ok()?.to_owned());
        *octets = behind;
    }
    Some(texts)
}

/// The word of the row with this number, in octets that begin with the first one's.
fn word_at(octets: &[u8], number: u32) -> u64 {
    let at = number as usize * ROW_OCTETS;
    octets[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

fn number_at(octets: &[u8], at: usize) -> u32 {
    octets[at..].first_chunk().map_or(0, |number| u32::from_le_bytes(*number))
}

#[cfg(test)]
mod tests;
