//! Sorted pieces as a version's file.
//!
//! Each piece is sorted once, and its later rows of an msn win; then the runs are known, and each
//! piece is written to where its rows belong. What was written is read again for its checksums, so
//! that they hold for what the file has.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::order::unmix;
use sha2::{Digest as _, Sha256};
use wire::terms::ids::Msn;

use super::account::{Account, Conflict};
use super::attributes::{Area, Attributes};
use super::format::{HEAD_OCTETS, Head, ROW_OCTETS, Run, Word};
use super::pieces::{Entry, Pieces};
use crate::broadcast::limits::{
    CHECKED_OCTETS, LIST_ROWS_MAX, PARAMETERS_OF_AN_AREA_MAX, PIECES, SETS_MAX,
};

/// Why a version cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The disk.
    #[error(
        "the list cannot be written ({0}), and nothing of it is kept: free some space on the \
         device of the data directory, then import it again"
    )]
    Disk(#[from] io::Error),
    /// Too many rows.
    #[error("the list has more than {LIST_ROWS_MAX} recipients: split it")]
    Rows,
    /// Its rows have too many different things beside their msns.
    #[error(
        "the list has more than {SETS_MAX} different sets of area, language and parameters: take \
         out columns that differ for every recipient"
    )]
    Sets,
    /// An area has too many different parameters.
    #[error(
        "area {area} has more than {PARAMETERS_OF_AN_AREA_MAX} different sets of parameters: \
         take out columns that differ for every recipient"
    )]
    Parameters {
        /// The area.
        area: String,
    },
}

/// Sorts each piece and lets the last line of an msn win; the account gets all that is to be said
/// of rows. Gives the number of rows of each set of attributes.
pub(super) fn settle(
    pieces: &mut Pieces,
    attributes: &Attributes,
    account: &mut Account,
) -> Result<Vec<u32>, WriteError> {
    let mut counts = vec![0u32; attributes.sets().len()];
    for piece in 0..PIECES {
        let mut entries = pieces.take(piece)?;
        entries.sort_unstable();
        let count = entries.len();
        let mut kept = 0;
        for at in 0..count {
            let entry = entries[at];
            if kept > 0 && entries[kept - 1].key == entry.key {
                let earlier = entries[kept - 1];
                account.duplicates += 1;
                if earlier.attributes != entry.attributes {
                    let msn = unmix(entry.key);
                    account.conflict(Conflict { line: entry.line, earlier: earlier.line, msn });
                }
                kept -= 1;
            }
            entries[kept] = entry;
            kept += 1;
        }
        entries.truncate(kept);
        account.rows += kept as u64;
        entries.iter().for_each(|entry| counts[entry.attributes as usize] += 1);
        pieces.put_back(piece, entries)?;
    }
    if account.rows > u64::from(LIST_ROWS_MAX) {
        return Err(WriteError::Rows);
    }
    count(attributes, &counts, account);
    Ok(counts)
}

/// What a set of attributes is in the file.
#[derive(Clone, Copy, Default)]
struct Placed {
    run: u32,
    parameters: u16,
}

/// A version on its way into a file.
struct Layout {
    runs: Vec<Run>,
    /// For each set of attributes.
    placed: Vec<Placed>,
    dictionary: Vec<u8>,
}

/// Writes settled pieces, with these counts of rows by attributes, and syncs them.
pub(super) fn write(
    pieces: &mut Pieces,
    attributes: &Attributes,
    counts: &[u32],
    parameters: &[String],
    file: &File,
) -> Result<Head, WriteError> {
    let layout = lay_out(attributes, counts, parameters)?;
    let mut head = Head {
        rows: counts.iter().sum(),
        runs: layout.runs.len() as u32,
        dictionary_octets: layout.dictionary.len() as u64,
        ..Default::default()
    };
    file.set_len(head.file_octets())?;
    let runs: Vec<u8> = layout.runs.iter().flat_map(|run| run.to_octets()).collect();
    file.write_all_at(&runs, HEAD_OCTETS as u64)?;
    write_rows(pieces, attributes, &layout, &head, file)?;
    file.write_all_at(&layout.dictionary, head.dictionary_at())?;
    head.digest = write_checksums(&head, file)?;
    file.write_all_at(&head.to_octets(), 0)?;
    file.sync_all()?;
    Ok(head)
}

fn count(attributes: &Attributes, counts: &[u32], account: &mut Account) {
    for (set, &count) in attributes.sets().iter().zip(counts).filter(|(_, count)| **count > 0) {
        let language = match set.language {
            0 => "none",
            number => attributes.languages.text(u32::from(number)),
        };
        *account.areas.entry(attributes.area_name(set.area)).or_default() += u64::from(count);
        *account.languages.entry(language.to_owned()).or_default() += u64::from(count);
    }
}

/// The runs, in the order of their areas, and where each set's rows and parameters go.
fn lay_out(
    attributes: &Attributes,
    counts: &[u32],
    parameters: &[String],
) -> Result<Layout, WriteError> {
    let mut by_area: BTreeMap<Area, Vec<usize>> = BTreeMap::new();
    for (at, set) in attributes.sets().iter().enumerate().filter(|(at, _)| counts[*at] > 0) {
        by_area.entry(set.area).or_default().push(at);
    }
    let mut dictionary = Vec::new();
    let names: Vec<&str> = parameters.iter().map(String::as_str).collect();
    for texts in [attributes.languages.list(), attributes.other_areas.list(), names] {
        dictionary.extend_from_slice(&(texts.len() as u32).to_le_bytes());
        texts.into_iter().for_each(|text| put_text(text, &mut dictionary));
    }
    let mut placed = vec![Placed::default(); counts.len()];
    let mut runs = Vec::with_capacity(by_area.len());
    let mut first = 0;
    for (area, sets) in by_area {
        let mut numbers: BTreeMap<u32, u16> = BTreeMap::new();
        let parameters_at = dictionary.len() as u64;
        for at in &sets {
            let parameters = attributes.sets()[*at].parameters;
            let next = numbers.len() + 1;
            let number = match parameters {
                0 => 0,
                _ => *numbers.entry(parameters).or_insert_with(|| {
                    put_text(attributes.parameters.text(parameters), &mut dictionary);
                    next as u16
                }),
            };
            if numbers.len() >= PARAMETERS_OF_AN_AREA_MAX {
                return Err(WriteError::Parameters { area: attributes.area_name(area) });
            }
            placed[*at] = Placed { run: runs.len() as u32, parameters: number };
        }
        let rows = sets.iter().map(|at| counts[*at]).sum();
        runs.push(Run {
            area: area.0,
            first,
            rows,
            parameters: numbers.len() as u32,
            parameters_at,
        });
        first += rows;
    }
    Ok(Layout { runs, placed, dictionary })
}

fn put_text(text: &str, octets: &mut Vec<u8>) {
    octets.extend_from_slice(&(text.len() as u32).to_le_bytes());
    octets.extend_from_slice(text.as_bytes());
}

/// Writes rows to their runs, and the index in the order of the pieces.
fn write_rows(
    pieces: &mut Pieces,
    attributes: &Attributes,
    layout: &Layout,
    head: &Head,
    file: &File,
) -> Result<(), WriteError> {
    let mut next: Vec<u32> = layout.runs.iter().map(|run| run.first).collect();
    let mut index_at = head.index_at();
    let mut index = Vec::new();
    for piece in 0..PIECES {
        let entries = pieces.take(piece)?;
        let run_of = |entry: &Entry| layout.placed[entry.attributes as usize].run as usize;
        let before = next.clone();
        index.clear();
        for entry in &entries {
            let row = &mut next[run_of(entry)];
            index.extend_from_slice(&row.to_le_bytes());
            *row += 1;
        }
        file.write_all_at(&index, index_at)?;
        index_at += index.len() as u64;
        // Rows of a run follow each other: they are put side by side, and written by one call.
        let mut places = Vec::with_capacity(next.len());
        let mut octets = vec![0; entries.len() * ROW_OCTETS];
        let mut start = 0;
        for (from, to) in before.iter().zip(&next) {
            places.push(start);
            start += (to - from) as usize * ROW_OCTETS;
        }
        let starts = places.clone();
        for entry in &entries {
            let place = &mut places[run_of(entry)];
            let word = word_of(entry, attributes, layout).to_le_bytes();
            octets[*place..*place + ROW_OCTETS].copy_from_slice(&word);
            *place += ROW_OCTETS;
        }
        for ((first, from), to) in before.iter().zip(starts).zip(places) {
            if to > from {
                let at = u64::from(*first) * ROW_OCTETS as u64;
                file.write_all_at(&octets[from..to], head.rows_at() + at)?;
            }
        }
    }
    assert_eq!(index_at, head.dictionary_at(), "every row has its place in the index");
    Ok(())
}

fn word_of(entry: &Entry, attributes: &Attributes, layout: &Layout) -> u64 {
    let set = attributes.set(entry.attributes);
    let parameters = layout.placed[entry.attributes as usize].parameters;
    let Some(msn) = Msn::from_value(unmix(entry.key)) else {
        unreachable!("a key is the mix of an msn")
    };
    Word { msn, language: set.language, parameters }.to_word()
}

/// Reads the sections again and writes their checksums; gives the digest.
fn write_checksums(head: &Head, file: &File) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut checksums = Vec::new();
    let mut octets = vec![0; CHECKED_OCTETS];
    let mut at = HEAD_OCTETS as u64;
    while at < head.checksums_at() {
        let length = (head.checksums_at() - at).min(CHECKED_OCTETS as u64) as usize;
        file.read_exact_at(&mut octets[..length], at)?;
        digest.update(&octets[..length]);
        checksums.extend_from_slice(&crc32c::crc32c(&octets[..length]).to_le_bytes());
        at += length as u64;
    }
    file.write_all_at(&checksums, head.checksums_at())?;
    Ok(digest.finalize().into())
}
