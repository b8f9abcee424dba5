//! Reasons to end the process: the exit status, what is intact, and what repairs it.
//!
//! Two ways lead here. At start a command returns a [`Fatal`] and `main` prints it; while the
//! engine runs, a thread that finds going on unsafe calls [`Fatal::end_process`]. A panic is always
//! a bug: the hook that [`install_panic_hook`] sets prints one line and ends the process at once,
//! on whichever thread it happened, so that no half-dead engine goes on answering. What was
//! answered `0000` is in the journal in every case.

use crate::log;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Somebody is ending the process.
static ENDING: AtomicBool = AtomicBool::new(false);
/// Longer than the first one who ends the process takes.
const END_WITHIN: Duration = Duration::from_secs(1);
/// How long the handler of a lost page may stand in its write, in seconds.
const LOST_PAGE_WRITE_SECONDS: u32 = 1;

/// Why the process ends. The discriminant is the exit status; 0 to 2 stay with the command line
/// (done, refused, wrong arguments).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum FatalReason {
    /// The configuration does not hold together.
    Configuration = 10,
    /// The host lacks what the engine is built on (io_uring, kernel, memory limits).
    HostUnfit = 11,
    /// Another engine holds the data directory.
    DataDirInUse = 12,
    /// The data directory cannot be made, read or written.
    DataDirUnusable = 13,
    /// A port cannot be bound.
    PortUnavailable = 14,
    /// The registry store cannot be opened, read or written.
    StoreUnusable = 15,
    /// The journal cannot be opened or recovered.
    JournalUnusable = 16,
    /// No room on the device for what must be there at start.
    StorageFull = 17,
    /// A sync to the device failed: what was written since the last good one may be lost, so it is
    /// never retried.
    SyncFailed = 20,
    /// A shard did not turn for too long and could not be woken.
    ShardStalled = 21,
    /// The control plane ended by itself.
    ControlPlaneEnded = 22,
    /// A bug: an assertion or a panic.
    Bug = 23,
    /// A mapped file lost its page: the device failed or somebody truncated the file.
    MappingLost = 24,
}

impl FatalReason {
    /// Every reason there is.
    pub const ALL: &'static [Self] = &[
        Self::Configuration,
        Self::HostUnfit,
        Self::DataDirInUse,
        Self::DataDirUnusable,
        Self::PortUnavailable,
        Self::StoreUnusable,
        Self::JournalUnusable,
        Self::StorageFull,
        Self::SyncFailed,
        Self::ShardStalled,
        Self::ControlPlaneEnded,
        Self::Bug,
        Self::MappingLost,
    ];

    /// The exit status of a process that ends for this reason.
    pub fn exit_status(self) -> u8 {
        self as u8
    }

    /// What is not harmed, as a clause without a full stop.
    pub fn intact(self) -> &'static str {
        match self {
            Self::Configuration
            | Self::HostUnfit
            | Self::DataDirInUse
            | Self::DataDirUnusable
            | Self::PortUnavailable
            | Self::StorageFull => "nothing was started or changed",
            Self::StoreUnusable => "the journal of accepted pushes is untouched",
            Self::JournalUnusable => "registrations and contracts are untouched",
            Self::SyncFailed | Self::MappingLost => {
                "every push answered 0000 under durability power is on the device"
            }
            Self::ShardStalled | Self::ControlPlaneEnded | Self::Bug => {
                "every push answered 0000 is in the journal"
            }
        }
    }

    /// What repairs it when the cause alone does not say so, as a clause without a full stop.
    pub fn repair(self) -> &'static str {
        match self {
            Self::Configuration => "correct the setting and start again",
            Self::HostUnfit => "run `hayauma doctor` to see each finding with its remedy",
            Self::DataDirInUse => "stop that engine or choose another --data-dir",
            Self::DataDirUnusable => "give this user a writable directory with --data-dir",
            Self::PortUnavailable => {
                "stop the program that holds the port or choose another address"
            }
            Self::StoreUnusable => {
                "restore registry.sqlite from a copy, or correct its permissions, and start again"
            }
            Self::JournalUnusable => "check the device and the files' permissions and start again",
            Self::StorageFull => "free space on the device or lower --queue-bytes",
            Self::SyncFailed | Self::MappingLost => "check the device, then start again",
            Self::ShardStalled | Self::ControlPlaneEnded | Self::Bug => {
                "start again, nothing needs repair, and please report this line"
            }
        }
    }
}

/// A reason with its cause: all that an operator needs in one sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fatal {
    /// Why the process ends.
    pub reason: FatalReason,
    /// What happened and where, as a clause without a full stop.
    pub cause: String,
    /// What to do, when it is known more exactly than [`FatalReason::repair`] says; empty when the
    /// cause says it.
    pub remedy: Option<String>,
}

impl Fatal {
    /// A fatal with the reason's own remedy.
    pub fn new(reason: FatalReason, cause: impl Into<String>) -> Self {
        Self { reason, cause: cause.into(), remedy: None }
    }

    /// A fatal whose remedy is known more exactly than the reason says.
    pub fn with_remedy(
        reason: FatalReason,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { reason, cause: cause.into(), remedy: Some(remedy.into()) }
    }

    /// A fatal whose cause is a whole sentence that names the remedy too.
    pub fn told(reason: FatalReason, sentence: impl Into<String>) -> Self {
        Self { reason, cause: sentence.into(), remedy: Some(String::new()) }
    }

    /// The reason's exit status.
    pub fn exit_status(&self) -> u8 {
        self.reason.exit_status()
    }

    /// Prints the sentence on stderr and ends the process with the reason's exit status, without
    /// running destructors: nothing may touch the journal after this. An output that stands still
    /// delays the end by half a second at most.
    pub fn end_process(&self) -> ! {
        // The first one's sentence and status count; a bug in the printing ends the process all the
        // same.
        if ENDING.swap(true, Ordering::SeqCst) {
            #[expect(clippy::disallowed_methods, reason = "the process ends")]
            std::thread::sleep(END_WITHIN);
        } else {
            log::last_words(&format!("hayauma: {self}\n"));
        }
        // SAFETY: _exit takes an integer and returns to nobody.
        unsafe { libc::_exit(i32::from(self.exit_status())) }
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = self.remedy.as_deref().unwrap_or_else(|| self.reason.repair());
        if remedy.is_empty() {
            return write!(formatter, "{}.", self.cause.trim_end_matches('.'));
        }
        match self.reason {
            FatalReason::SyncFailed
            | FatalReason::ShardStalled
            | FatalReason::ControlPlaneEnded
            | FatalReason::Bug
            | FatalReason::MappingLost
            | FatalReason::StoreUnusable
            | FatalReason::JournalUnusable => {
                write!(formatter, "{}; {}: {remedy}.", self.cause, self.reason.intact())
            }
            _ => write!(formatter, "{}: {remedy}.", self.cause),
        }
    }
}

impl std::error::Error for Fatal {}

/// Ends the process with status 0, without running destructors: somebody asked for it, and what is
/// under way may be broken off as by a crash. What was logged is written before, within half a
/// second.
pub fn end_as_asked() -> ! {
    if ENDING.swap(true, Ordering::SeqCst) {
        #[expect(clippy::disallowed_methods, reason = "another thread ends the process meanwhile")]
        std::thread::sleep(END_WITHIN);
    } else {
        log::settle();
    }
    // SAFETY: _exit takes an integer and returns to nobody.
    unsafe { libc::_exit(0) }
}

/// Makes every panic print one line and end the process with [`FatalReason::Bug`]'s exit status.
///
/// In a test harness, where a panic is a failed assertion to be caught, do not install it.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|information| {
        let place = information
            .location()
            .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let payload = information.payload();
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        let message = message.replace('\n', " ");
        Fatal::new(FatalReason::Bug, format!("a bug ended the process{place} ({message})"))
            .end_process();
    }));
}

/// Makes a lost page of a mapped file (SIGBUS) print one line and end the process with
/// [`FatalReason::MappingLost`]'s exit status.
///
/// # Errors
///
/// The error of `sigaction`, which on a working host does not occur.
pub fn install_mapping_guard() -> std::io::Result<()> {
    // SAFETY: the handler only calls poll(2), signal(2), alarm(2), write(2) on a static text and
    // _exit(2), all of them async-signal-safe.
    let installed = unsafe {
        signal_hook::low_level::register(libc::SIGBUS, || {
            // An output that stands still is not waited for; one that does so between the look and
            // the write ends with the process's alarm.
            let mut output =
                libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
            if libc::poll(&raw mut output, 1, 0) == 1 {
                libc::signal(libc::SIGALRM, libc::SIG_DFL);
                libc::alarm(LOST_PAGE_WRITE_SECONDS);
                libc::write(
                    libc::STDERR_FILENO,
                    MAPPING_LOST_LINE.as_ptr().cast(),
                    MAPPING_LOST_LINE.len(),
                );
            }
            libc::_exit(i32::from(FatalReason::MappingLost.exit_status()));
        })
    };
    installed.map(|_| ())
}

const MAPPING_LOST_LINE: &str = "hayauma: a mapped journal file lost a page, because the device \
    failed or the file was truncated; every push answered 0000 under durability power is on the \
    device: check the device, then start again.\n";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_reason_has_its_own_exit_status_outside_the_command_lines() {
        let statuses: HashSet<u8> =
            FatalReason::ALL.iter().map(|reason| reason.exit_status()).collect();
        assert_eq!(statuses.len(), FatalReason::ALL.len());
        // 3 to 9 stay free, and shells use 126 and up.
        assert!(statuses.iter().all(|status| (10..126).contains(status)));
    }

    #[test]
    fn a_fatal_is_one_sentence_with_cause_and_remedy() {
        for &reason in FatalReason::ALL {
            let sentence = Fatal::new(reason, "something happened").to_string();
            assert!(sentence.starts_with("something happened"), "{sentence}");
            assert!(sentence.contains(reason.repair()), "{sentence}");
            assert!(sentence.ends_with('.') && !sentence.contains('\n'), "{sentence}");
        }
        let exact =
            Fatal::with_remedy(FatalReason::PortUnavailable, "port 1 is taken", "use port 2");
        assert_eq!(exact.to_string(), "port 1 is taken: use port 2.");
        let told = Fatal::told(FatalReason::StoreUnusable, "the file is damaged: restore it");
        assert_eq!(told.to_string(), "the file is damaged: restore it.");
    }
}
