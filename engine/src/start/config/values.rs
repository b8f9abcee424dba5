//! The kinds of value a setting can have, each read the same way from a flag, a variable and the
//! file.

use std::str::FromStr;

use host::address::Address;
use serde::{Deserialize, Deserializer};

/// What carries octets between the engine and the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Io {
    /// io_uring where all that it needs is there, else `poll`.
    #[default]
    Auto,
    /// io_uring, or no start.
    Uring,
    /// An epoll and a committing thread beside each shard: where io_uring is forbidden or too old.
    Poll,
}

/// Addresses in a file: one, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrSeveral {
    One(String),
    Several(Vec<String>),
}

/// Reads one address or a list of them.
pub(super) fn one_or_several<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Vec<Address>>, D::Error> {
    let texts = match OneOrSeveral::deserialize(from)? {
        OneOrSeveral::One(text) => vec![text],
        OneOrSeveral::Several(texts) => texts,
    };
    let addresses: Result<Vec<Address>, String> = texts.iter().map(|text| text.parse()).collect();
    addresses.map(Some).map_err(serde::de::Error::custom)
}

/// A number in a file: as such, or as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl std::fmt::Display for Io {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Auto => "auto",
            Self::Uring => "uring",
            Self::Poll => "poll",
        })
    }
}

/// A size: `1048576`, `64MiB`, `8GiB`, or with KB, MB, GB for powers of ten.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "NumberOrText")]
pub struct Octets(pub u64);

const SIZE_UNITS: [(&str, u64); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

impl FromStr for Octets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (digits, factor) = SIZE_UNITS
            .iter()
            .find_map(|(unit, factor)| {
                text.strip_suffix(unit).map(|digits| (digits.trim_end(), *factor))
            })
            .unwrap_or((text, 1));
        let number: Option<u64> = digits.parse().ok();
        number.and_then(|number| number.checked_mul(factor)).map(Self).ok_or_else(|| {
            format!("{text} is not a size: use a number of octets, or one with KiB, MiB or GiB")
        })
    }
}

impl TryFrom<NumberOrText> for Octets {
    type Error = String;

    fn try_from(value: NumberOrText) -> Result<Self, String> {
        match value {
            NumberOrText::Number(number) => Ok(Self(number)),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}
