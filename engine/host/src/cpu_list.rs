//! A list of CPU numbers, as settings and the kernel write it: `0-3,8`.

use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// CPU numbers in ascending order, each once: `0-3,8`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "ListOrText")]
pub struct CpuList(pub Vec<usize>);

/// The highest CPU number that a list may name.
pub const CPU_NUMBER_MAX: usize = 4_095;

/// Values as a settings file has them: a list, or what a flag would say.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum ListOrText {
    /// `[0, 2]`.
    List(Vec<usize>),
    /// `"0-2,5"`.
    Text(String),
}

impl TryFrom<ListOrText> for CpuList {
    type Error = String;

    fn try_from(value: ListOrText) -> Result<Self, String> {
        match value {
            ListOrText::List(cpus) => Self::from_numbers(cpus),
            ListOrText::Text(text) => text.parse(),
        }
    }
}

impl CpuList {
    fn from_numbers(mut cpus: Vec<usize>) -> Result<Self, String> {
        cpus.sort_unstable();
        cpus.dedup();
        match cpus.last() {
            Some(&last) if last > CPU_NUMBER_MAX => Err(format!("there is no CPU {last}")),
            _ => Ok(Self(cpus)),
        }
    }
}

impl FromStr for CpuList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text} is not a list of CPUs: use numbers and ranges, such as 0-3,8");
        let mut cpus = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first: usize = first.parse().map_err(|_| wrong())?;
            let last: usize = last.parse().map_err(|_| wrong())?;
            if first > last || last > CPU_NUMBER_MAX {
                return Err(wrong());
            }
            cpus.extend(first..=last);
        }
        Self::from_numbers(cpus)
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = &self.0[..];
        let mut separator = "";
        while let Some(&first) = rest.first() {
            let run = rest.iter().enumerate().take_while(|(at, cpu)| **cpu == first + at).count();
            match run {
                1 => write!(formatter, "{separator}{first}")?,
                _ => write!(formatter, "{separator}{first}-{}", first + run - 1)?,
            }
            separator = ",";
            rest = &rest[run..];
        }
        Ok(())
    }
}
