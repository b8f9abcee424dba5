//! A version's file, looked at where it lies: rows by number, and one phone's row by interpolation.

use wire::terms::ids::Msn;
use wire::terms::mix::mix;

use super::attributes::{Area, PARAMETER_END};
use super::format::{
    HEAD_OCTETS, Head, INDEX_OCTETS, ROW_OCTETS, RUN_OCTETS, Run, Word, u32_at, u64_at,
};
use crate::broadcast::limits::CHECKED_OCTETS;

/// Why a file is not looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the list's file cannot be used, {0}: import the list again, or restore the file")]
pub struct ViewError(&'static str);

/// A recipient.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowView<'a> {
    /// The phone number.
    pub msn: Msn,
    /// The area's code; `None` where it is unknown.
    pub area: Option<String>,
    /// The language tag; empty where there is none.
    pub language: &'a str,
    /// The values of the list's parameters; none where the row has none of its own.
    pub parameters: Vec<&'a str>,
}

/// The rows of one area.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunView {
    /// Which of the runs.
    pub number: usize,
    /// The area's code; `None` where it is unknown.
    pub area: Option<String>,
    /// The number of its first row.
    pub first: u32,
    /// How many rows.
    pub rows: u32,
}

/// A version of a list.
pub struct ListView<'a> {
    octets: &'a [u8],
    head: Head,
    runs: Vec<Run>,
    languages: Vec<&'a str>,
    other_areas: Vec<&'a str>,
    parameter_names: Vec<&'a str>,
    /// For each run, where each of its parameters lies.
    parameters: Vec<Vec<&'a str>>,
}

impl<'a> ListView<'a> {
    /// Looks at a file: checks its head, its runs and its dictionary, and that all of it is there.
    ///
    /// # Errors
    /// What is wrong with it. [`Self::verify`] checks the rows.
    pub fn open(octets: &'a [u8]) -> Result<Self, ViewError> {
        let head = Head::read(octets).map_err(ViewError)?;
        // A head that is whole may still have numbers that no file has.
        let is_whole = head.dictionary_octets <= octets.len() as u64
            && head.file_octets() == octets.len() as u64;
        if !is_whole {
            return Err(ViewError("it is cut short or has something behind its end"));
        }
        let runs: Vec<Run> = octets[HEAD_OCTETS..head.rows_at() as usize]
            .chunks_exact(RUN_OCTETS)
            .map(Run::read)
            .collect();
        let mut first = 0u32;
        for run in &runs {
            first = (run.first == first)
                .then(|| first.checked_add(run.rows))
                .flatten()
                .ok_or(ViewError("its runs do not follow each other"))?;
        }
        if first != head.rows {
            return Err(ViewError("its runs are not all of its rows"));
        }
        let dictionary = &octets[head.dictionary_at() as usize..head.checksums_at() as usize];
        let mut reader = Texts { octets: dictionary, at: 0 };
        let (languages, other_areas) = (reader.table()?, reader.table()?);
        let parameter_names = reader.table()?;
        let mut parameters = Vec::with_capacity(runs.len());
        for run in &runs {
            reader.at = usize::try_from(run.parameters_at).map_err(|_| DICTIONARY)?;
            parameters.push(reader.texts(run.parameters)?);
        }
        Ok(Self { octets, head, runs, languages, other_areas, parameter_names, parameters })
    }

    /// Checks every octet by its checksum.
    ///
    /// # Errors
    /// That one does not match.
    pub fn verify(&self) -> Result<(), ViewError> {
        let (from, to) = (HEAD_OCTETS, self.head.checksums_at() as usize);
        let checked = self.octets[from..to].chunks(CHECKED_OCTETS);
        let stored = self.octets[to..].chunks_exact(4).map(|octets| u32_at(octets, 0));
        match checked.map(crc32c::crc32c).eq(stored) {
            true => Ok(()),
            false => Err(ViewError("a checksum does not match")),
        }
    }

    /// Recipients.
    pub fn rows(&self) -> u32 {
        self.head.rows
    }

    /// SHA-256 of all but the head.
    pub fn digest(&self) -> &[u8; 32] {
        &self.head.digest
    }

    /// The names of the list's parameters.
    pub fn parameter_names(&self) -> &[&'a str] {
        &self.parameter_names
    }

    /// The areas with the number of their rows, in the order of their rows.
    pub fn areas(&self) -> impl Iterator<Item = (Option<String>, u32)> {
        self.runs.iter().map(|run| (self.area_name(run.area), run.rows))
    }

    /// The row of this number; `None` beyond the last, and where the file is damaged.
    pub fn row(&self, number: u32) -> Option<RowView<'a>> {
        let (word, run) = (self.word(number)?, self.run_of(number)?);
        let parameters = match word.parameters {
            0 => Vec::new(),
            place => {
                let text = self.parameters[run].get(usize::from(place) - 1)?;
                text.split(PARAMETER_END).collect()
            }
        };
        let language = match word.language {
            0 => "",
            place => self.languages.get(usize::from(place) - 1)?,
        };
        Some(RowView {
            msn: word.msn,
            area: self.area_name(self.runs[run].area),
            language,
            parameters,
        })
    }

    /// The runs: each area's rows, in the order of their areas.
    pub fn runs(&self) -> impl ExactSizeIterator<Item = RunView> + '_ {
        self.runs.iter().enumerate().map(|(number, run)| RunView {
            number,
            area: self.area_name(run.area),
            first: run.first,
            rows: run.rows,
        })
    }

    /// A row as it lies there: the msn, the number of its language and that of its parameters; 0
    /// where it has none. `None` beyond the last, and where the file is damaged.
    #[inline]
    pub fn plain(&self, number: u32) -> Option<(Msn, u8, u16)> {
        self.word(number).map(|word| (word.msn, word.language, word.parameters))
    }

    /// The languages, in the order of their numbers, which begin with 1.
    pub fn languages(&self) -> &[&'a str] {
        &self.languages
    }

    /// The values of a run's parameters of this number, in the order of their names; none for 0.
    pub fn parameters_of(&self, run: usize, number: u16) -> Vec<&'a str> {
        match number {
            0 => Vec::new(),
            _ => self.parameters_text(run, number).split(PARAMETER_END).collect(),
        }
    }

    /// How many different sets of parameters a run has.
    pub fn parameters_in(&self, run: usize) -> u16 {
        self.parameters.get(run).map_or(0, |sets| sets.len().min(usize::from(u16::MAX)) as u16)
    }

    /// The number of an msn's row. The order of `mix` is as even as chance, so a guess by
    /// proportion is near: about five rows are looked at.
    pub fn find(&self, msn: Msn) -> Option<u32> {
        let wanted = mix(msn.value());
        let (mut low, mut high) = (0, self.head.rows);
        let (mut low_key, mut high_key) = (0, u64::MAX);
        let mut bisects = false;
        while low < high {
            let share = u128::from(wanted - low_key) * u128::from(high - low)
                / (u128::from(high_key - low_key) + 1);
            // In turns with halving, so that no list takes long, whatever its numbers are.
            let offset = if bisects { (high - low) / 2 } else { share as u32 };
            bisects = !bisects;
            let place = low + offset.min(high - low - 1);
            let row = self.in_order(place)?;
            let key = mix(self.word(row)?.msn.value());
            match key.cmp(&wanted) {
                std::cmp::Ordering::Equal => return Some(row),
                std::cmp::Ordering::Less => (low, low_key) = (place + 1, key),
                std::cmp::Ordering::Greater => (high, high_key) = (place, key),
            }
        }
        None
    }

    /// The number of the row at this place in the order of `mix`.
    pub(super) fn in_order(&self, place: u32) -> Option<u32> {
        let at = self.head.index_at() as usize + place as usize * INDEX_OCTETS;
        (place < self.head.rows).then(|| u32_at(self.octets, at))
    }

    /// A row as it lies there, and the place of its run.
    pub(super) fn word(&self, number: u32) -> Option<Word> {
        let at = self.head.rows_at() as usize + number as usize * ROW_OCTETS;
        (number < self.head.rows).then(|| Word::read(u64_at(self.octets, at))).flatten()
    }

    pub(super) fn run_of(&self, number: u32) -> Option<usize> {
        self.runs.partition_point(|run| run.first <= number).checked_sub(1)
    }

    pub(super) fn area_text(&self, run: usize) -> String {
        self.area_name(self.runs[run].area).unwrap_or_default()
    }

    pub(super) fn parameters_text(&self, run: usize, place: u16) -> &'a str {
        let at = usize::from(place).checked_sub(1);
        at.and_then(|at| self.parameters[run].get(at)).copied().unwrap_or_default()
    }

    pub(super) fn language_text(&self, place: u8) -> &'a str {
        let at = usize::from(place).checked_sub(1);
        at.and_then(|at| self.languages.get(at)).copied().unwrap_or_default()
    }

    fn area_name(&self, area: u32) -> Option<String> {
        let area = Area(area);
        match area.other_place() {
            _ if area == Area::UNKNOWN => None,
            Some(at) => self.other_areas.get(at).map(|&name| name.to_owned()),
            None => Some(format!("{:05}", area.0)),
        }
    }
}

const DICTIONARY: ViewError = ViewError("its dictionary is damaged");

/// Reads texts with their lengths.
struct Texts<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Texts<'a> {
    fn table(&mut self) -> Result<Vec<&'a str>, ViewError> {
        let count = self.number()?;
        self.texts(count)
    }

    fn texts(&mut self, count: u32) -> Result<Vec<&'a str>, ViewError> {
        // Each text takes four octets at least: a count that cannot be asks for no memory.
        if self.octets.len() / 4 < count as usize {
            return Err(DICTIONARY);
        }
        (0..count).map(|_| self.text()).collect()
    }

    fn text(&mut self) -> Result<&'a str, ViewError> {
        let length = self.number()? as usize;
        let text =
            self.octets.get(self.at..).and_then(|rest| rest.get(..length)).ok_or(DICTIONARY)?;
        self.at += length;
        std::str::from_utf8(text).map_err(|_| DICTIONARY)
    }

    fn number(&mut self) -> Result<u32, ViewError> {
        let octets = self.octets.get(self.at..).and_then(|rest| rest.get(..4)).ok_or(DICTIONARY)?;
        self.at += 4;
        Ok(u32_at(octets, 0))
    }
}
