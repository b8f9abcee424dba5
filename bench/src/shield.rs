//! `hayauma shield` in a process of its own: however this one ends, the kernel's threads go back.

use loadgen::drill::ENGINE_ARGUMENT;
use loadgen::os;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// CPUs that the kernel's threads are kept off; dropping it lets them back.
pub(crate) struct Shield {
    child: Child,
    told: Shielded,
}

/// What was kept off, as the command tells it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shielded {
    /// The CPUs, as a list.
    pub cpus: String,
    /// Names of the threads that were moved.
    pub moved: Vec<String>,
    /// Names of those that the kernel has bound to these CPUs.
    pub staying: Vec<String>,
}

impl Shield {
    /// Moves what can be moved off `cpus`; `None` where that is refused, and stderr says why.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn raise(cpus: &[usize]) -> io::Result<Option<Self>> {
        // A process group of its own: what ends this one's group all at once leaves the shield to
        // put things back.
        let mut child = Command::new("/proc/self/exe")
            .args([ENGINE_ARGUMENT, "shield", "--json", "--cpus", &os::format_cpus(cpus)])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut text = Vec::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_until(b'\n', &mut text)?;
        }
        if text.is_empty() {
            child.wait()?;
            return Ok(None);
        }
        let told = simd_json::from_slice(&mut text).map_err(io::Error::other)?;
        Ok(Some(Self { child, told }))
    }

    /// What was kept off.
    pub(crate) fn told(&self) -> &Shielded {
        &self.told
    }
}

impl Shielded {
    /// The line that a script reads.
    pub(crate) fn line(shielded: Option<&Self>) -> String {
        shielded.map_or_else(
            || "shield none".to_owned(),
            |told| {
                format!(
                    "shield cpus {} moved {} staying {}",
                    told.cpus,
                    told.moved.len(),
                    told.staying.len()
                )
            },
        )
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        // Not waited for yet, so the id is still the child's.
        if let Some(child) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(child, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}
