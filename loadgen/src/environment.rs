//! How a run was carried out, beside the machine itself: no figure without it.

use serde::Serialize;
use std::process::{Command, Stdio};

/// What every report says about the run's surroundings.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Environment {
    /// The program's arguments, without its own name and without tokens.
    pub arguments: Vec<String>,
    /// The revision of the checkout that the run was started in, with `+` where it had changes;
    /// `None` outside one.
    pub revision: Option<String>,
    /// The machine's name.
    pub host: String,
    /// The frequency governor of the first CPU; `None` where the kernel offers none.
    pub governor: Option<String>,
    /// What the kernel's clock reads.
    pub clock_source: Option<String>,
    /// How much memory this process may lock, as the kernel puts it.
    pub locked_memory_limit: Option<String>,
    /// The load average of the last minute, of 100ths of a running thread.
    pub load_average_percent: u64,
}

impl Environment {
    /// The surroundings of this process.
    pub fn here() -> Self {
        let read =
            |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let load =
            read("/proc/loadavg").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
        Self {
            arguments: without_tokens(std::env::args().skip(1)),
            revision: revision(),
            host: read("/proc/sys/kernel/hostname").unwrap_or_default(),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            clock_source: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            locked_memory_limit: read("/proc/self/limits").and_then(|text| locked_memory_in(&text)),
            load_average_percent: (load.unwrap_or_default() * 100.0) as u64,
        }
    }
}

/// The soft limit in the line of /proc/self/limits.
fn locked_memory_in(limits: &str) -> Option<String> {
    let rest = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"))?;
    let mut words = rest.split_ascii_whitespace();
    let soft = words.next()?;
    Some(soft.parse().map_or_else(|_| soft.to_owned(), crate::format::octets))
}

/// The revision of the checkout that holds the working directory.
pub fn revision() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])
        .is_some_and(|text| !text.is_empty());
    Some(if changed { revision + "+" } else { revision })
}

pub(crate) fn without_tokens(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut hide_next = false;
    let hidden = || "***".to_owned();
    arguments
        .map(|argument| match argument {
            _ if std::mem::take(&mut hide_next) => hidden(),
            argument if argument == "--token" => {
                hide_next = true;
                argument
            }
            argument if argument.starts_with("--token=") => format!("--token={}", hidden()),
            argument => argument,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_locked_memory_is_read() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\n\
            Max locked memory         8388608   8388608   bytes\n";
        assert_eq!(locked_memory_in(limits), Some("8.00 MiB".to_owned()));
        assert_eq!(
            locked_memory_in("Max locked memory unlimited unlimited bytes"),
            Some("unlimited".to_owned())
        );
    }

    #[test]
    fn a_token_is_in_no_report() {
        let arguments =
            ["push", "--token", "secret", "--token=secret", "--rate", "5"].map(str::to_owned);
        let kept = without_tokens(arguments.into_iter());
        assert_eq!(kept, ["push", "--token", "***", "--token=***", "--rate", "5"]);
    }
}
