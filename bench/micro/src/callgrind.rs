//! Counts the instructions of an operation: this program runs one case under callgrind twice, with
//! many operations and with few, and the difference is what the operations cost. Starting,
//! preparing and ending cancel out.
//!
//! Only the first thread is counted: others (the segment factory) work ahead at a time of their
//! own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// First argument that makes this program run one case and nothing else.
pub(crate) const RUN_ARGUMENT: &str = "__run";
/// Operations of the short run and of the long one: multiples of the largest batch.
const FEW: u64 = 512;
const MANY: u64 = 2560;

/// How valgrind calls itself; `None` where there is none.
pub(crate) fn version() -> Option<String> {
    let output = Command::new("valgrind").arg("--version").stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Instructions for one operation of each of `names`, in the same order. All CPUs work on it:
/// counting instructions is not disturbed by company.
///
/// # Errors
/// One sentence, with what valgrind or the case said.
pub(crate) fn count(names: &[&str]) -> Result<Vec<f64>, String> {
    let runs: Vec<(&str, u64)> =
        names.iter().flat_map(|name| [(*name, FEW), (*name, MANY)]).collect();
    let place = tempfile::tempdir()
        .map_err(|error| format!("there is no place for callgrind's files ({error})."))?;
    let next = AtomicUsize::new(0);
    let totals = Mutex::new(vec![Ok(0); runs.len()]);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let at = next.fetch_add(1, Relaxed)
                    && let Some(&(name, operations)) = runs.get(at)
                {
                    let total = run(name, operations, &place.path().join(at.to_string()));
                    totals.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[at] = total;
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let totals: Vec<u64> = totals.into_iter().collect::<Result<_, String>>()?;
    let each = |pair: &[u64]| pair[1].saturating_sub(pair[0]) as f64 / (MANY - FEW) as f64;
    Ok(totals.chunks(2).map(each).collect())
}

/// Instructions of the first thread in one run.
fn run(name: &str, operations: u64, out: &Path) -> Result<u64, String> {
    let mut out_file = std::ffi::OsString::from("--callgrind-out-file=");
    out_file.push(out);
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--separate-threads=yes", "--quiet"])
        .arg(out_file)
        .arg(
            std::env::current_exe()
                .map_err(|error| format!("this program is not to be found ({error})."))?,
        )
        .args([RUN_ARGUMENT, name, &operations.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind cannot be started ({error})."))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("{name} failed under callgrind ({}): {said}", output.status));
    }
    let mut first = out.as_os_str().to_owned();
    first.push("-01");
    let path = PathBuf::from(first);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("callgrind left no counts ({error})."))?;
    total(&text).ok_or_else(|| "callgrind's file has no total.".to_owned())
}

/// The sum that a callgrind file states.
fn total(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read() {
        assert_eq!(total("version: 1\nevents: Ir\nfn=x\n1 2\ntotals: 12345\n"), Some(12_345));
        assert_eq!(total("events: Ir\nsummary: 7\n"), Some(7));
        assert_eq!(total("events: Ir\n"), None);
    }
}
