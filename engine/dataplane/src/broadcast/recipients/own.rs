//! Texts of rows' own: where rows have parameters that hardly two have in common, each text is
//! rendered at the dry run and encoded when a row has its turn.
//!
//! ```text
//! index    4 octets a row from the first on that was written behind such a text: its number from
//!          1; 0 where the row has none of its own
//! entries  16 octets a text: where it begins, its octets, short messages as it is and recoded,
//!          which alphabets of carriers have all of it
//! texts    the texts in UTF-8, one behind the other
//! ```
//!
//! **Never here:** which leg has such texts (`audience`), and encoding. **Invariant:** what is read
//! was summed as a whole when the file was opened.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::path::Path;

use super::{OWN_FROM, RecipientsError, number_at};
use crate::broadcast::limits::{OWN_OCTETS_MAX, OWN_TEXTS_MAX};
use crate::broadcast::lists::nameless;

const INDEX_OCTETS: usize = 4;
const ENTRY_OCTETS: usize = 16;
/// Octets that are copied at once.
const COPIED_AT_ONCE: usize = 1 << 16;
/// All carriers have all of it.
const ASCII: u8 = 1;
/// Those of ISO 8859-1 have.
const LATIN: u8 = 2;

/// A text of a row's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnText<'a> {
    /// What is said.
    pub text: &'a str,
    /// Short messages that it takes.
    pub segments: u8,
    /// As many as UCS-2; `None`: ten do not carry it so.
    pub recoded: Option<u8>,
    /// Every carrier can be given it as it is.
    pub is_ascii: bool,
    /// Carriers of ISO 8859-1 can.
    pub is_latin: bool,
}

/// Texts that are put aside until all rows are written.
pub(super) struct OwnWriter {
    /// The number of the first row of the index.
    from: u32,
    index: BufWriter<File>,
    texts: BufWriter<File>,
    entries: Vec<u8>,
    octets: u64,
}

impl OwnWriter {
    /// Rows from this number on may have one.
    pub(super) fn new(directory: &Path, from: u32) -> io::Result<Self> {
        let file = || nameless(directory).map(BufWriter::new);
        Ok(Self { from, index: file()?, texts: file()?, entries: Vec::new(), octets: 0 })
    }

    fn count(&self) -> u32 {
        (self.entries.len() / ENTRY_OCTETS) as u32
    }

    /// Puts a text aside; its number, from 0.
    pub(super) fn add(&mut self, own: &OwnText<'_>) -> io::Result<u32> {
        let (number, length) = (self.count(), own.text.len());
        let octets = self.octets + length as u64;
        if number == OWN_TEXTS_MAX || octets > OWN_OCTETS_MAX || length > usize::from(u16::MAX) {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!(
                    "rows have more than {OWN_TEXTS_MAX} texts of their own, or {OWN_OCTETS_MAX} \
                     octets of them: take out parameters, or make several broadcasts of it"
                ),
            ));
        }
        let mut entry = [0; ENTRY_OCTETS];
        entry[..8].copy_from_slice(&self.octets.to_le_bytes());
        entry[8..10].copy_from_slice(&(length as u16).to_le_bytes());
        entry[10] = own.segments;
        entry[11] = own.recoded.unwrap_or(0);
        entry[12] = if own.is_ascii { ASCII } else { 0 } | if own.is_latin { LATIN } else { 0 };
        self.entries.extend_from_slice(&entry);
        self.texts.write_all(own.text.as_bytes())?;
        self.octets = octets;
        Ok(number)
    }

    /// Rows were written with these numbers of texts.
    pub(super) fn rows(&mut self, texts: impl Iterator<Item = Option<u32>>) -> io::Result<()> {
        for text in texts {
            let own =
                text.filter(|text| *text >= OWN_FROM).map_or(0, |text| (text & !OWN_FROM) + 1);
            self.index.write_all(&own.to_le_bytes())?;
        }
        Ok(())
    }

    /// Writes all of it behind what is there.
    pub(super) fn finish(self, to: &mut impl Write) -> io::Result<OwnHead> {
        let (from, count, octets) = (self.from, self.count(), self.octets);
        let mut checksum = 0;
        let mut put = |octets: &[u8]| {
            checksum = crc32c::crc32c_append(checksum, octets);
            to.write_all(octets)
        };
        copy(self.index, &mut put)?;
        put(&self.entries)?;
        copy(self.texts, &mut put)?;
        Ok(OwnHead { from, count, octets, checksum })
    }
}

fn copy(file: BufWriter<File>, put: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    let mut octets = vec![0; COPIED_AT_ONCE];
    loop {
        match file.read(&mut octets)? {
            0 => return Ok(()),
            count => put(&octets[..count])?,
        }
    }
}

/// What the head of a file says of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OwnHead {
    from: u32,
    count: u32,
    octets: u64,
    checksum: u32,
}

impl OwnHead {
    pub(super) fn write(self, head: &mut [u8]) {
        head[..4].copy_from_slice(&self.from.to_le_bytes());
        head[4..8].copy_from_slice(&self.count.to_le_bytes());
        head[8..16].copy_from_slice(&self.octets.to_le_bytes());
        head[16..20].copy_from_slice(&self.checksum.to_le_bytes());
    }

    pub(super) fn read(head: &[u8]) -> Self {
        let octets = u64::from(number_at(head, 8)) | u64::from(number_at(head, 12)) << 32;
        let [from, count, checksum] = [0, 4, 16].map(|at| number_at(head, at));
        Self { from, count, octets, checksum }
    }
}

/// Where they lie in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OwnTexts {
    from: u32,
    rows: u32,
    count: u32,
    index_at: usize,
    entries_at: usize,
    texts_at: usize,
    end: usize,
    segments_max: u8,
}

impl OwnTexts {
    /// Looks at those of a file of so many rows, and sums them.
    pub(super) fn open(
        all: &[u8],
        index_at: usize,
        rows: u32,
        head: &OwnHead,
    ) -> Result<Self, RecipientsError> {
        let damaged = || RecipientsError::Damaged("their own texts are none");
        let OwnHead { from, count, octets, checksum } = *head;
        if from > rows || count > OWN_TEXTS_MAX || octets > OWN_OCTETS_MAX {
            return Err(damaged());
        }
        let entries_at = index_at + (rows - from) as usize * INDEX_OCTETS;
        let texts_at = entries_at + count as usize * ENTRY_OCTETS;
        let end = texts_at + octets as usize;
        let part = all.get(index_at..end).ok_or(RecipientsError::Damaged("they are cut short"))?;
        if crc32c::crc32c(part) != checksum {
            return Err(RecipientsError::Damaged("a checksum does not match"));
        }
        let entries = &all[entries_at..texts_at];
        let entries = entries.chunks_exact(ENTRY_OCTETS);
        let segments_max = entries.map(|entry| entry[10].max(entry[11])).max().unwrap_or(1);
        Ok(Self { from, rows, count, index_at, entries_at, texts_at, end, segments_max })
    }

    /// Octets of all of them.
    pub(super) fn octets(&self) -> usize {
        self.end - self.index_at
    }

    pub(super) fn segments_max(&self) -> u8 {
        self.segments_max
    }

    /// The number of a row's text, from 0.
    pub(super) fn number_of(&self, all: &[u8], row: u32) -> Option<u32> {
        let place = row.checked_sub(self.from).filter(|_| row < self.rows)?;
        let number = number_at(all, self.index_at + place as usize * INDEX_OCTETS);
        number.checked_sub(1).filter(|number| *number < self.count)
    }

    /// A text by its number.
    pub(super) fn text<'a>(&self, all: &'a [u8], number: u32) -> Option<OwnText<'a>> {
        if number >= self.count {
            return None;
        }
        let at = self.entries_at + number as usize * ENTRY_OCTETS;
        let entry: &[u8; ENTRY_OCTETS] = all[at..].first_chunk()?;
        let begins = u64::from(number_at(entry, 0)) | u64::from(number_at(entry, 4)) << 32;
        let length = usize::from(u16::from_le_bytes([entry[8], entry[9]]));
        let from = self.texts_at.checked_add(begins as usize)?;
        let text = all[..self.end].get(from..from.checked_add(length)?)?;
        Some(OwnText {
            text: std::str::from_utf8(text).ok()?,
            segments: entry[10],
            recoded: (entry[11] > 0).then_some(entry[11]),
            is_ascii: entry[12] & ASCII != 0,
            is_latin: entry[12] & LATIN != 0,
        })
    }
}
