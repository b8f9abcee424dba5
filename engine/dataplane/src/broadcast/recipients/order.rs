//! The numbers of all rows in the order of `mix(msn)`, so that one phone's row is found by halving,
//! however many runs there are.

use super::{HEAD_OCTETS, Recipient, RecipientRun, word_at};
use host::mapped::Mapped;
use std::fs::File;
use std::io::{self, Write};
use wire::terms::mix::mix;

/// Octets of a number.
pub(super) const NUMBER_OCTETS: usize = 4;
/// Rows that are put in order at once, more or less.
const ROWS_AT_ONCE: u32 = 1 << 17;

fn key_at(octets: &[u8], number: u32) -> io::Result<u64> {
    let row = Recipient::of_word(word_at(octets, number)).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "a row is not what was written")
    })?;
    Ok(mix(row.msn.value()))
}

/// Writes the order of the rows that a file has, whose runs these are; its checksum. Each run is in
/// order already, so one piece after the other is, in the memory of one.
pub(super) fn write(rows: &File, runs: &[RecipientRun], to: &mut impl Write) -> io::Result<u32> {
    let octets = Mapped::open(rows)?;
    let octets = &octets.as_ref()[HEAD_OCTETS..];
    let total: u32 = runs.iter().map(|run| run.rows).sum();
    let bits = (total / ROWS_AT_ONCE + 1).next_power_of_two().ilog2();
    let mut cursors: Vec<u32> = runs.iter().map(|run| run.first).collect();
    let (mut piece, mut numbers, mut checksum) = (Vec::new(), Vec::new(), 0);
    for at in 0..1u64 << bits {
        piece.clear();
        for (run, cursor) in runs.iter().zip(&mut cursors) {
            while *cursor < run.first + run.rows {
                let key = key_at(octets, *cursor)?;
                if bits > 0 && key >> (u64::BITS - bits) > at {
                    break;
                }
                piece.push((key, *cursor));
                *cursor += 1;
            }
        }
        piece.sort_unstable();
        numbers.clear();
        piece.iter().for_each(|(_, number)| numbers.extend_from_slice(&number.to_le_bytes()));
        checksum = crc32c::crc32c_append(checksum, &numbers);
        to.write_all(&numbers)?;
    }
    Ok(checksum)
}
