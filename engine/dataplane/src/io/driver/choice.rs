//! Which driver this host allows, and why not the other.

use super::uring::Ring;
use std::collections::VecDeque;
use std::fmt;
use std::io;

/// The drivers there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DriverKind {
    /// The shard's own io_uring.
    Uring,
    /// An epoll, and a committing thread beside each shard.
    Poll,
}

impl DriverKind {
    /// One word for settings and figures.
    pub fn word(self) -> &'static str {
        match self {
            Self::Uring => "uring",
            Self::Poll => "poll",
        }
    }
}

impl fmt::Display for DriverKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// Why this host has no io_uring that would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DriverRefusal {
    /// What was found, a clause.
    pub message: String,
    /// What to do about it.
    pub remedy: &'static str,
}

const MORE_LOCKED_MEMORY: &str =
    "raise the limit of locked memory with `ulimit -l 8192` or LimitMEMLOCK=8M";
const MORE_OPEN_FILES: &str =
    "raise the limit of open files with `ulimit -n 65536` or LimitNOFILE=65536";

/// Why a shard cannot have a ring here; `None`: it can. Sets up one of the very kind: no kernel
/// that lacks a part of it (multishot receive since 6.0, deferred task run since 6.1) does that. A
/// turn of it shows that it may be entered, which a profile may forbid by itself.
pub(crate) fn ring_refusal() -> Option<DriverRefusal> {
    let error = Ring::new().and_then(|mut ring| ring.turn(&mut VecDeque::new())).err()?;
    Some(refusal_of(error.raw_os_error(), &error.to_string(), ring_disabled().as_deref()))
}

/// Why the executor does not start where a ring can be had, from what it says. It asks for more
/// locked memory than a kernel takes that counts rings otherwise, and has descriptors of its own.
pub(crate) fn executor_refusal(error: &str) -> DriverRefusal {
    let message = format!("the executor finds io_uring unfit ({error})");
    let remedy = if error.contains("memlock") || error.contains("os error 12") {
        MORE_LOCKED_MEMORY
    } else if error.contains("os error 24") {
        MORE_OPEN_FILES
    } else {
        "use Linux 6.1 or later, outside a container or with a profile that allows io_uring"
    };
    DriverRefusal { message, remedy }
}

/// Why the driver `poll` cannot work here; `None`: it can.
pub fn poll_refusal() -> Option<io::Error> {
    super::poll::Poller::new(0).err()
}

fn ring_disabled() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
        .ok()
        .map(|text| text.trim().to_owned())
}

/// Why the kernel gave no ring, and the remedy; `disabled` is the content of the sysctl, where it
/// exists.
fn refusal_of(errno: Option<i32>, error: &str, disabled: Option<&str>) -> DriverRefusal {
    let (message, remedy) = match (errno, disabled) {
        (Some(libc::EPERM), Some(level @ ("1" | "2"))) => (
            format!("io_uring is switched off on this host (kernel.io_uring_disabled is {level})"),
            "switch it on with `sysctl kernel.io_uring_disabled=0`",
        ),
        (Some(libc::EPERM | libc::EACCES), _) => (
            "io_uring is forbidden here, most likely by a container's seccomp profile".to_owned(),
            "run outside the container or with a profile that allows io_uring_setup, \
             io_uring_enter and io_uring_register",
        ),
        (Some(libc::ENOSYS), _) => (
            "this kernel has no io_uring, or the container's seccomp profile hides it".to_owned(),
            "use Linux 6.1 or later and a profile that allows io_uring",
        ),
        (Some(libc::EINVAL), _) => {
            ("this kernel's io_uring is too old for it".to_owned(), "use Linux 6.1 or later")
        }
        (Some(libc::ENOMEM), _) => {
            ("the limit of locked memory is too low for io_uring".to_owned(), MORE_LOCKED_MEMORY)
        }
        (Some(libc::EMFILE), _) => {
            ("the limit of open files leaves none for io_uring".to_owned(), MORE_OPEN_FILES)
        }
        _ => (
            format!("io_uring cannot be set up ({error})"),
            "use Linux 6.1 or later with io_uring switched on",
        ),
    };
    DriverRefusal { message, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_having_no_ring_has_its_own_remedy() {
        let refusals = [
            refusal_of(Some(libc::EPERM), "", Some("2")),
            refusal_of(Some(libc::EPERM), "", Some("0")),
            refusal_of(Some(libc::ENOSYS), "", None),
            refusal_of(Some(libc::EINVAL), "", None),
            refusal_of(Some(libc::ENOMEM), "", None),
            refusal_of(Some(libc::EMFILE), "", None),
        ];
        let messages: std::collections::HashSet<&str> =
            refusals.iter().map(|refusal| refusal.message.as_str()).collect();
        assert_eq!(messages.len(), refusals.len());
        assert!(refusals[0].remedy.contains("sysctl") && !refusals[1].remedy.contains("sysctl"));
        assert!(
            refusals[4].remedy.contains("LimitMEMLOCK")
                && refusals[5].remedy.contains("LimitNOFILE")
        );
    }

    #[test]
    fn an_executor_that_does_not_start_gets_the_remedy_of_its_own_error() {
        let remedies = [
            executor_refusal("The memlock resource limit is too low: 65536 (recommended 524288)")
                .remedy,
            executor_refusal("Too many open files (os error 24)").remedy,
            executor_refusal("Operation not permitted (os error 1)").remedy,
        ];
        let words = ["LimitMEMLOCK", "LimitNOFILE", "profile"];
        for (remedy, word) in remedies.iter().zip(words) {
            assert!(remedy.contains(word), "{remedy}");
        }
    }
}
