//! A version of a list as a file; all numbers are little-endian.
//!
//! ```text
//! head          4,096 octets: magic, version, counts, where the sections lie, digest, own CRC32C
//! runs          24 octets each: area, first row, rows, where its parameters lie and how many
//! rows          8 octets each: msn 34 bits, language 10, flags 4, place of its parameters 16
//! index         4 octets each: the numbers of all rows in the order of `mix(msn)`
//! dictionary    languages, areas that are no municipality, names of parameters, parameters
//! checksums     CRC32C of each MiB from the runs to the dictionary
//! ```
//!
//! Rows stand in runs by area and within a run in the order of `mix(msn)`: so the rows of a run
//! that one shard owns are one piece, whatever the number of shards. A row's number is its place.

use wire::terms::ids::Msn;

use crate::broadcast::limits::CHECKED_OCTETS;

pub(super) const MAGIC: &[u8; 8] = b"HAYALIST";
/// The version of the format.
pub(super) const VERSION: u32 = 1;
pub(super) const HEAD_OCTETS: usize = 4_096;
pub(super) const RUN_OCTETS: usize = 24;
pub(super) const ROW_OCTETS: usize = 8;
pub(super) const INDEX_OCTETS: usize = 4;
pub(super) const DIGEST_OCTETS: usize = 32;

const MSN_BITS: u32 = 34;
const LANGUAGE_BITS: u32 = 10;
const FLAG_BITS: u32 = 4;
const _: () = assert!(MSN_BITS + LANGUAGE_BITS + FLAG_BITS + 16 == 64);
const _: () = assert!(1u64 << MSN_BITS > 9_999_999_999);

/// The head.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Head {
    pub(super) rows: u32,
    pub(super) runs: u32,
    pub(super) dictionary_octets: u64,
    /// SHA-256 of everything from the runs to the dictionary.
    pub(super) digest: [u8; DIGEST_OCTETS],
}

impl Head {
    pub(super) fn rows_at(&self) -> u64 {
        (HEAD_OCTETS + self.runs as usize * RUN_OCTETS) as u64
    }

    pub(super) fn index_at(&self) -> u64 {
        self.rows_at() + u64::from(self.rows) * ROW_OCTETS as u64
    }

    pub(super) fn dictionary_at(&self) -> u64 {
        self.index_at() + u64::from(self.rows) * INDEX_OCTETS as u64
    }

    pub(super) fn checksums_at(&self) -> u64 {
        self.dictionary_at() + self.dictionary_octets
    }

    /// MiBs with a checksum each.
    pub(super) fn checksums(&self) -> u64 {
        (self.checksums_at() - HEAD_OCTETS as u64).div_ceil(CHECKED_OCTETS as u64)
    }

    pub(super) fn file_octets(&self) -> u64 {
        self.checksums_at() + self.checksums() * 4
    }

    pub(super) fn to_octets(self) -> [u8; HEAD_OCTETS] {
        let mut octets = [0; HEAD_OCTETS];
        octets[..8].copy_from_slice(MAGIC);
        octets[8..12].copy_from_slice(&VERSION.to_le_bytes());
        octets[16..20].copy_from_slice(&self.rows.to_le_bytes());
        octets[20..24].copy_from_slice(&self.runs.to_le_bytes());
        octets[24..32].copy_from_slice(&self.dictionary_octets.to_le_bytes());
        octets[32..32 + DIGEST_OCTETS].copy_from_slice(&self.digest);
        let checksum = crc32c::crc32c(&octets);
        octets[12..16].copy_from_slice(&checksum.to_le_bytes());
        octets
    }

    /// Reads a head; the error is what is wrong with the file.
    pub(super) fn read(file: &[u8]) -> Result<Self, &'static str> {
        let octets: &[u8; HEAD_OCTETS] =
            file.first_chunk().ok_or("it is shorter than a list's head")?;
        if &octets[..8] != MAGIC {
            return Err("it is no list");
        }
        if u32_at(octets, 8) != VERSION {
            return Err("a later program wrote it");
        }
        let mut checked = *octets;
        checked[12..16].fill(0);
        if crc32c::crc32c(&checked) != u32_at(octets, 12) {
            return Err("its head is damaged");
        }
        let mut digest = [0; DIGEST_OCTETS];
        digest.copy_from_slice(&octets[32..32 + DIGEST_OCTETS]);
        Ok(Self {
            rows: u32_at(octets, 16),
            runs: u32_at(octets, 20),
            dictionary_octets: u64_at(octets, 24),
            digest,
        })
    }
}

/// The rows of one area.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    pub(super) area: u32,
    pub(super) first: u32,
    pub(super) rows: u32,
    pub(super) parameters: u32,
    /// Where its parameters begin in the dictionary.
    pub(super) parameters_at: u64,
}

impl Run {
    pub(super) fn to_octets(self) -> [u8; RUN_OCTETS] {
        let mut octets = [0; RUN_OCTETS];
        octets[..4].copy_from_slice(&self.area.to_le_bytes());
        octets[4..8].copy_from_slice(&self.first.to_le_bytes());
        octets[8..12].copy_from_slice(&self.rows.to_le_bytes());
        octets[12..16].copy_from_slice(&self.parameters.to_le_bytes());
        octets[16..].copy_from_slice(&self.parameters_at.to_le_bytes());
        octets
    }

    pub(super) fn read(octets: &[u8]) -> Self {
        Self {
            area: u32_at(octets, 0),
            first: u32_at(octets, 4),
            rows: u32_at(octets, 8),
            parameters: u32_at(octets, 12),
            parameters_at: u64_at(octets, 16),
        }
    }
}

/// A row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Word {
    pub(super) msn: Msn,
    /// The number of a language in the dictionary, from 1; 0: none.
    pub(super) language: u8,
    /// The number of its parameters among its run's, from 1; 0: none.
    pub(super) parameters: u16,
}

impl Word {
    pub(super) fn to_word(self) -> u64 {
        let parameters = u64::from(self.parameters) << (MSN_BITS + LANGUAGE_BITS + FLAG_BITS);
        self.msn.value() | u64::from(self.language) << MSN_BITS | parameters
    }

    /// `None` where no such row was ever written.
    pub(super) fn read(word: u64) -> Option<Self> {
        let msn = Msn::from_value(word & ((1 << MSN_BITS) - 1))?;
        let language = word >> MSN_BITS & ((1 << LANGUAGE_BITS) - 1);
        let flags = word >> (MSN_BITS + LANGUAGE_BITS) & ((1 << FLAG_BITS) - 1);
        let parameters = (word >> (MSN_BITS + LANGUAGE_BITS + FLAG_BITS)) as u16;
        let language = u8::try_from(language).ok()?;
        (flags == 0).then_some(Self { msn, language, parameters })
    }
}

pub(super) fn u32_at(octets: &[u8], at: usize) -> u32 {
    octets[at..].first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

pub(super) fn u64_at(octets: &[u8], at: usize) -> u64 {
    octets[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}
