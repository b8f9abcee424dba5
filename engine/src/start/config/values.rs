//! The kinds of value a setting can have, each read the same way from a flag, a variable and the
//! file.

use std::str::FromStr;

use serde::Deserialize;

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

/// A number in a file: as such, or as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
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
