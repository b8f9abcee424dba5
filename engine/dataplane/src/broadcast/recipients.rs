//! Whom a broadcast addresses, as one file that the shards read where it lies.
//!
//! ```text
//! head     4,096 octets: magic, version, rows, runs, where the tail lies, checksums
//! rows     8 octets each: msn 34 bits, text 14 bits, language 16 bits
//! order    4 octets each: the numbers of all rows in the order of `mix(msn)`
//! tail     runs, 16 octets each: area, first row, rows, leg with its wave in the upper half; then
//!          areas and languages
//! ```
//!
//! Rows stand in runs by leg, area and wave, and within a run in the order of `mix(msn)`: so the
//! rows of a run that one shard owns are one piece, whatever the number of shards. A row's number
//! is its place. All numbers are little-endian.

mod order;

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use host::mapped::Mapped;
use wire::terms::ids::Msn;
use wire::terms::mix::mix;
use wire::terms::ownership::shard_of;

use super::claims::RunSlice;
use super::limits::{LEGS_MAX, TEXTS_MAX, WAVES_MAX};

const MAGIC: &[u8; 8] = b"HAYAROWS";
const VERSION: u32 = 2;
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
const _: () = assert!(TEXTS_MAX < NO_TEXT as usize && LEGS_MAX < 1 << WAVE_FROM);

/// A recipient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recipient {
    /// The phone number.
    pub msn: Msn,
    /// The number of its text; `None`: there is none in its language.
    pub text: Option<u16>,
    /// The number of its language; 0: none.
    pub language: u16,
}

impl Recipient {
    fn to_word(self) -> u64 {
        let text = self.text.map_or(NO_TEXT, u64::from);
        self.msn.value() | text << MSN_BITS | u64::from(self.language) << (MSN_BITS + TEXT_BITS)
    }

    fn of_word(word: u64) -> Option<Self> {
        let msn = Msn::from_value(word & ((1 << MSN_BITS) - 1))?;
        let text = word >> MSN_BITS & NO_TEXT;
        let text = (text != NO_TEXT).then_some(text as u16);
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
        Ok(Self { file, rows: 0, checksum: 0, runs, areas, languages })
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
            VERSION,
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
        if ![VERSION, WITHOUT_ORDER].contains(&version) {
            return Err(RecipientsError::Damaged("a later program wrote them"));
        }
        let has_order = version == VERSION;
        let (rows, runs) = (number_at(head, 16), number_at(head, 20) as usize);
        let order_at = HEAD_OCTETS + rows as usize * ROW_OCTETS;
        let order_octets = if has_order { rows as usize * order::NUMBER_OCTETS } else { 0 };
        let tail_at = order_at + order_octets;
        let tail = all.get(tail_at..).filter(|tail| tail.len() == number_at(head, 24) as usize);
        let tail = tail.ok_or(RecipientsError::Damaged("they are cut short"))?;
        let parts = [&all[HEAD_OCTETS..order_at], tail, &all[order_at..tail_at]];
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
        Ok(Self { octets, rows, has_order, runs, areas, languages })
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
        row
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

    /// Writes the same recipients without one of them; those behind it move up.
    ///
    /// # Errors
    /// The disk's.
    pub fn write_without(&self, number: u32, file: File) -> io::Result<()> {
        let mut writer = RecipientsWriter::new(file)?;
        let mut rows = Vec::new();
        for run in &self.runs {
            writer.begin_run((run.leg, run.wave), self.area(run.area));
            for at in (run.first..run.first + run.rows).filter(|at| *at != number) {
                let row = self.row(at);
                let language = writer.language(self.language(row.language));
                rows.push(Recipient { language, ..row });
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
mod tests {
    use super::*;

    /// Recipients in two areas, so many in each.
    fn written(rows: u64) -> Vec<u8> {
        let file = tempfile::tempfile().expect("a temporary file");
        let mut writer =
            RecipientsWriter::new(file.try_clone().expect("another")).expect("it begins");
        let language = writer.language("ja");
        for (leg, area) in [(0, "13101"), (1, "27100")] {
            writer.begin_run((leg, leg as u8), area);
            let mut of_run: Vec<Recipient> = (0..rows)
                .map(|number| Recipient {
                    msn: Msn::from_value(9_000_000_000 + u64::from(leg) * rows + number)
                        .expect("an msn"),
                    text: (number % 3 > 0).then_some(leg as u16),
                    language,
                })
                .collect();
            of_run.sort_by_key(|row| mix(row.msn.value()));
            writer.push(&of_run).expect("written");
        }
        writer.finish().expect("finished");
        let mapped = Mapped::open(&file).expect("mapped");
        mapped.as_ref().to_vec()
    }

    #[test]
    fn every_recipient_is_some_shards_and_no_two_have_the_same() {
        let octets = written(1_000);
        let recipients = Recipients::of(Mapped::copied(octets)).expect("whole");
        assert_eq!((recipients.rows(), recipients.runs().len()), (2_000, 2));
        for shards in [1, 2, 3, 7] {
            let mut seen = vec![0; 2_000];
            for shard in 0..shards {
                for run in recipients.of_shard(shard, shards) {
                    for number in run.first..run.first + run.slice.rows {
                        assert_eq!(shard_of(recipients.row(number).msn, shards), shard);
                        seen[number as usize] += 1;
                    }
                }
            }
            assert!(seen.iter().all(|count| *count == 1), "{shards} shards");
        }
        for number in [0, 17, 999, 1_000, 1_999] {
            assert_eq!(recipients.find(recipients.row(number).msn), Some(number));
        }
        assert_eq!(recipients.find(Msn::from_value(1).expect("an msn")), None);
        assert_eq!(recipients.language(recipients.row(5).language), "ja");
        assert_eq!(recipients.area(recipients.runs()[1].area), "27100");
        let of_waves = recipients.of_shard(0, 2);
        assert_eq!([0, 1].map(|run| of_waves[run].slice.wave), [0, 1]);
        assert_eq!(recipients.runs()[1].leg, 1);
    }

    #[test]
    fn a_row_is_found_in_one_look_however_many_runs_there_are() {
        let file = tempfile::tempfile().expect("a temporary file");
        let mut writer =
            RecipientsWriter::new(file.try_clone().expect("another")).expect("it begins");
        let msn = |number: u64| Msn::from_value(9_000_000_000 + number).expect("an msn");
        // More than are put in order at once.
        let runs = 300u64;
        let of_run = 1_000u64;
        for run in 0..runs {
            writer.begin_run((0, 0), &format!("{run:05}"));
            let mut rows: Vec<Recipient> = (0..of_run)
                .map(|row| Recipient { msn: msn(row * runs + run), text: None, language: 0 })
                .collect();
            rows.sort_by_key(|row| mix(row.msn.value()));
            writer.push(&rows).expect("written");
        }
        writer.finish().expect("finished");
        let recipients = Recipients::open(&file).expect("whole");
        assert_eq!((recipients.runs().len() as u64, recipients.searches()), (runs, 1));
        for number in (0..runs * of_run).step_by(997) {
            let found = recipients.find(msn(number)).expect("it is there");
            assert_eq!(recipients.row(found).msn, msn(number));
        }
        assert_eq!(recipients.find(msn(runs * of_run)), None);
    }

    #[test]
    fn a_row_that_is_left_out_is_all_that_is() {
        let whole = Recipients::of(Mapped::copied(written(40))).expect("whole");
        let file = tempfile::tempfile().expect("a temporary file");
        whole.write_without(41, file.try_clone().expect("another")).expect("written");
        let rest = Recipients::open(&file).expect("whole");
        assert_eq!(rest.rows(), whole.rows() - 1);
        for number in (0..whole.rows()).filter(|number| *number != 41) {
            let row = whole.row(number);
            let found = rest.find(row.msn).expect("it is there");
            assert_eq!(found, number - u32::from(number > 41));
            let other = rest.row(found);
            let language = rest.language(other.language);
            assert_eq!((other.text, language), (row.text, whole.language(row.language)));
        }
        assert_eq!(rest.find(whole.row(41).msn), None);
        let (areas, of): (Vec<_>, _) = ([0, 1].map(|at| rest.runs()[at]).to_vec(), whole.runs());
        assert!(
            areas.iter().zip(of).all(|(one, other)| one.leg_and_wave() == other.leg_and_wave())
        );
    }

    #[test]
    fn a_file_of_an_earlier_version_is_read_without_its_order() {
        let octets = written(40);
        let (rows, order) = (HEAD_OCTETS + 80 * ROW_OCTETS, 80 * order::NUMBER_OCTETS);
        let mut older = [&octets[..rows], &octets[rows + order..]].concat();
        older[8..12].copy_from_slice(&WITHOUT_ORDER.to_le_bytes());
        older[36..40].fill(0);
        older[12..16].fill(0);
        let checksum = crc32c::crc32c(&older[..HEAD_OCTETS]);
        older[12..16].copy_from_slice(&checksum.to_le_bytes());
        let recipients = Recipients::of(Mapped::copied(older)).expect("whole");
        assert_eq!(recipients.searches(), 2);
        let msn = recipients.row(41).msn;
        assert_eq!(recipients.find(msn), Some(41));
    }

    #[test]
    fn a_file_with_one_octet_changed_is_not_read() {
        let octets = written(40);
        let order_at = HEAD_OCTETS + 80 * ROW_OCTETS;
        for at in [0, 9, 17, HEAD_OCTETS + 3, order_at, octets.len() - 1] {
            let mut changed = octets.clone();
            changed[at] ^= 4;
            assert!(Recipients::of(Mapped::copied(changed)).is_err(), "octet {at}");
        }
        for length in [0, 100, HEAD_OCTETS, octets.len() - 1] {
            let cut = octets[..length].to_vec();
            assert!(Recipients::of(Mapped::copied(cut)).is_err(), "{length} octets");
        }
    }
}
