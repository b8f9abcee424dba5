//! `bench/micro/limits.toml`: how many instructions each operation may take, and which compiler
//! that was counted with.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// The compiler of this program.
pub(crate) const COMPILER: &str = env!("MICRO_RUSTC");

const HEAD: &str = "\
# Instructions for one operation of each hot path, counted by callgrind.
# `cargo run --profile counted -p micro -- check` fails when one takes more than headroom_percent
# above its count. `cargo run --profile counted -p micro -- renew` writes this file anew: do that
# when a change is worth its instructions, and say so in the commit. Counts depend on the compiler
# (and a little on the C library): with another rustc, or on a CPU without AVX2,
# foreign_headroom_percent counts instead.
";

/// The file.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// `rustc --version` of the compiler that the counts are of.
    pub(crate) rustc: String,
    /// The tool.
    pub(crate) valgrind: String,
    /// How far above its count an operation may come.
    pub(crate) headroom_percent: f64,
    /// The same where another compiler or a lesser CPU is at work.
    pub(crate) foreign_headroom_percent: f64,
    /// By case.
    pub(crate) instructions: BTreeMap<String, f64>,
}

/// Where the file is: beside the crate, which cargo names.
pub(crate) fn path() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from("bench/micro"), PathBuf::from)
        .join("limits.toml")
}

impl Limits {
    /// Reads the file.
    ///
    /// # Errors
    /// One sentence.
    pub(crate) fn read() -> Result<Self, String> {
        let path = path();
        let text = std::fs::read_to_string(&path).map_err(|error| {
            format!(
                "{} cannot be read ({error}): run \"micro renew\" from the checkout.",
                path.display()
            )
        })?;
        toml::from_str(&text)
            .map_err(|fault| format!("{} is wrong: {}", path.display(), fault.message()))
    }

    /// The file's text, cases in the order of `counted`.
    pub(crate) fn text(&self, counted: &[(&str, f64, &str)]) -> String {
        let mut text = format!(
            "{HEAD}rustc = \"{}\"\nvalgrind = \"{}\"\nheadroom_percent = {}\n\
             foreign_headroom_percent = {}\n\n[instructions]\n",
            self.rustc, self.valgrind, self.headroom_percent, self.foreign_headroom_percent
        );
        for (name, instructions, operation) in counted {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name} = {instructions:.1} # {operation}");
        }
        text
    }

    /// How far above its count an operation may come here, and why it is not the usual headroom.
    pub(crate) fn headroom(&self, compiler: &str, has_avx2: bool) -> (f64, Option<String>) {
        if compiler != self.rustc {
            let reason = format!("built by {compiler}, the limits are of {}", self.rustc);
            return (self.foreign_headroom_percent, Some(reason));
        }
        if !has_avx2 {
            return (self.foreign_headroom_percent, Some("this CPU has no AVX2".to_owned()));
        }
        (self.headroom_percent, None)
    }

    /// What is wrong with a count; `None` if nothing is.
    pub(crate) fn judge(&self, name: &str, counted: f64, headroom_percent: f64) -> Option<String> {
        let Some(&limit) = self.instructions.get(name) else {
            return Some(format!("{name} has no limit: run \"micro renew\"."));
        };
        let above_percent = (counted / limit - 1.0) * 100.0;
        (above_percent > headroom_percent).then(|| {
            format!(
                "{name} takes {counted:.1} instructions, {above_percent:.1} % above \
                 its {limit:.1}; {headroom_percent} % are allowed."
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            rustc: "rustc 1".to_owned(),
            valgrind: "valgrind-3".to_owned(),
            headroom_percent: 5.0,
            foreign_headroom_percent: 30.0,
            instructions: [("scan".to_owned(), 100.0)].into(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = limits().text(&[("scan", 100.0, "one body")]);
        assert_eq!(toml::from_str::<Limits>(&text), Ok(limits()));
    }

    #[test]
    fn more_than_the_headroom_is_a_fault_and_so_is_a_case_without_limit() {
        let limits = limits();
        assert_eq!(limits.judge("scan", 104.9, 5.0), None);
        assert!(
            limits
                .judge("scan", 105.1, 5.0)
                .is_some_and(|fault| fault.contains("5.1 % above its 100.0"))
        );
        assert!(limits.judge("other", 1.0, 5.0).is_some());
    }

    #[test]
    fn another_compiler_gets_the_wider_band() {
        assert_eq!(limits().headroom("rustc 1", true), (5.0, None));
        assert_eq!(limits().headroom("rustc 2", true).0, 30.0);
        assert_eq!(limits().headroom("rustc 1", false).0, 30.0);
    }
}
