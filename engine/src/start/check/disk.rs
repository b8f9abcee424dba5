//! The data directory: writable, on what kind of file system, with how much room, and how fast a
//! sync is.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{FREE_OCTETS_MIN, Finding, READ_AHEAD_KIB_FAIR, SYNC_LATENCY_US_FAIR};
use crate::shard::Durability;
use crate::start::config::Config;
use crate::start::layout;
use host::clock;
use host::fatal::FatalReason;

/// Syncs that a measurement takes.
const SYNC_ROUNDS: usize = 64;
/// What each of them writes, in octets.
const SYNC_OCTETS: usize = 4_096;
/// The remedy of a full device on which an engine serves already.
const FREE_SPACE: &str =
    "free space on the device: pushes are accepted again then without a restart";

/// How long a sync of one dirty page takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncLatency {
    /// Median, in microseconds.
    pub median_us: u64,
    /// The slowest, in microseconds.
    pub slowest_us: u64,
}

/// A directory that exists is written to; of one that does not, the nearest parent that does.
pub(super) fn check_directory(config: &Config) -> Finding {
    const SUBJECT: &str = "data directory";
    let shown = config.data_dir.display();
    let standing = nearest_existing(&config.data_dir);
    if !standing.is_dir() {
        let message = format!("{} is not a directory", standing.display());
        return Finding::fatal(
            SUBJECT,
            FatalReason::DataDirUnusable,
            message,
            "choose another with --data-dir",
        );
    }
    match Probe::create(&standing) {
        Ok(_) if standing == config.data_dir => {
            Finding::good(SUBJECT, format!("{shown} is writable"))
        }
        Ok(_) => Finding::good(SUBJECT, format!("{shown} does not exist yet and can be made")),
        // The start says what it finds no room for; what was accepted is there.
        Err(error)
            if error.kind() == std::io::ErrorKind::StorageFull
                && !layout::is_fresh(&config.data_dir) =>
        {
            Finding::warning(
                SUBJECT,
                format!("nothing can be added to {shown} ({error})"),
                FREE_SPACE,
            )
        }
        Err(error) => {
            let reason = match error.kind() {
                std::io::ErrorKind::StorageFull => FatalReason::StorageFull,
                _ => FatalReason::DataDirUnusable,
            };
            Finding::fatal(
                SUBJECT,
                reason,
                format!("{} cannot be written ({error})", standing.display()),
                "correct its permissions or choose another with --data-dir",
            )
        }
    }
}

/// Whether syncing to this file system means what it says.
pub(super) fn check_file_system(config: &Config) -> Finding {
    const SUBJECT: &str = "file system";
    let Some(standing) = statistics(&nearest_existing(&config.data_dir)) else {
        return Finding::good(SUBJECT, "kind unknown");
    };
    let (name, keeps) = file_system_kind(standing.f_type);
    match (keeps, config.durability) {
        (true, _) | (false, Durability::Process) => Finding::good(SUBJECT, name),
        (false, Durability::Power) => Finding::warning(
            SUBJECT,
            format!("{name} does not keep what is synced to it as a local disk does"),
            "put --data-dir on ext4, XFS or btrfs, or say --durability process if that is meant",
        ),
    }
}

/// Whether there is room for the queue.
pub(super) fn check_room(config: &Config) -> Finding {
    const SUBJECT: &str = "free space";
    const MIB: u64 = 1 << 20;
    let Some(standing) = statistics(&nearest_existing(&config.data_dir)) else {
        return Finding::good(SUBJECT, "unknown");
    };
    let free = standing.f_bavail.saturating_mul(standing.f_frsize.unsigned_abs());
    // What the queue takes already is not needed once more.
    let needed = config.queue_octets.saturating_sub(octets_within(&config.data_dir));
    let message = format!("{} MiB free", free / MIB);
    if free < FREE_OCTETS_MIN && !layout::is_fresh(&config.data_dir) {
        // A directory that holds pushes is opened whatever room there is: they are delivered, and
        // that makes room.
        return Finding::warning(
            SUBJECT,
            format!(
                "only {message} where {} is: what was accepted is delivered, new pushes are \
                 refused (8003) once what the queue has is used",
                config.data_dir.display()
            ),
            FREE_SPACE,
        );
    }
    if free < FREE_OCTETS_MIN {
        return Finding::fatal(
            SUBJECT,
            FatalReason::StorageFull,
            format!("only {message} where {} is", config.data_dir.display()),
            "free space on the device or choose another --data-dir",
        );
    }
    if free < needed {
        return Finding::warning(
            SUBJECT,
            format!("{message}, the queue may grow by {} MiB", needed / MIB),
            format!("free space on the device or lower --queue-bytes to {} MiB", free / MIB / 2),
        );
    }
    Finding::good(SUBJECT, message)
}

/// How far the system reads ahead on the device: one such read is what a commit may have to wait
/// for.
pub(super) fn check_read_ahead(config: &Config) -> Finding {
    const SUBJECT: &str = "read-ahead";
    let queue = std::fs::metadata(nearest_existing(&config.data_dir)).ok().and_then(|metadata| {
        let device = std::os::unix::fs::MetadataExt::dev(&metadata);
        queue_of(rustix::fs::major(device), rustix::fs::minor(device))
    });
    let told =
        queue.as_ref().and_then(|queue| std::fs::read_to_string(queue.join("read_ahead_kb")).ok());
    match (queue, told.and_then(|told| told.trim().parse().ok())) {
        (Some(queue), Some(kib)) => judge_read_ahead(SUBJECT, &queue, kib),
        _ => Finding::good(SUBJECT, "unknown"),
    }
}

fn judge_read_ahead(subject: &'static str, queue: &Path, kib: u64) -> Finding {
    let message = format!("{kib} KiB");
    if kib <= READ_AHEAD_KIB_FAIR {
        return Finding::good(subject, message);
    }
    Finding::warning(
        subject,
        format!(
            "{message}: while anybody reads on this device, answers wait behind reads of that \
             length"
        ),
        format!("lower it with `echo 128 > {}`", queue.join("read_ahead_kb").display()),
    )
}

/// Where the kernel shows the settings of a device; of a partition, those of the device that it is
/// a part of.
fn queue_of(major: u32, minor: u32) -> Option<PathBuf> {
    let device = std::fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    [device.join("queue"), device.parent()?.join("queue")].into_iter().find(|queue| queue.is_dir())
}

pub(super) fn check_sync_latency(config: &Config) -> Finding {
    const SUBJECT: &str = "sync latency";
    match SyncLatency::measure(&nearest_existing(&config.data_dir)) {
        Err(error) => Finding::warning(
            SUBJECT,
            format!("a sync failed ({error})"),
            "check the device before trusting it with pushes",
        ),
        Ok(SyncLatency { median_us, slowest_us }) => {
            let message =
                format!("median {median_us} us, slowest {slowest_us} us of {SYNC_ROUNDS}");
            if median_us <= SYNC_LATENCY_US_FAIR {
                return Finding::good(SUBJECT, message);
            }
            Finding::warning(
                SUBJECT,
                format!("{message}: every answer waits for one"),
                "put --data-dir on a device with a faster or battery-backed write cache",
            )
        }
    }
}

impl SyncLatency {
    /// Writes and syncs some pages of a file in `directory`, which is gone afterwards.
    pub fn measure(directory: &Path) -> std::io::Result<Self> {
        let mut probe = Probe::create(directory)?;
        let page = [0x5a; SYNC_OCTETS];
        probe.file.write_all(&page)?;
        probe.file.sync_all()?;
        let mut rounds_ns = [0u64; SYNC_ROUNDS];
        for round_ns in &mut rounds_ns {
            probe.file.seek(SeekFrom::Start(0))?;
            probe.file.write_all(&page)?;
            let begun_ns = clock::monotonic_ns();
            probe.file.sync_data()?;
            *round_ns = clock::monotonic_ns() - begun_ns;
        }
        rounds_ns.sort_unstable();
        let in_us = |ns: u64| ns / 1_000;
        Ok(Self {
            median_us: in_us(rounds_ns[SYNC_ROUNDS / 2]),
            slowest_us: in_us(rounds_ns[SYNC_ROUNDS - 1]),
        })
    }
}

/// A file that exists only while it is looked at.
struct Probe {
    file: File,
    path: PathBuf,
}

impl Probe {
    fn create(directory: &Path) -> std::io::Result<Self> {
        let path = directory.join(format!(".hayauma-probe-{}", std::process::id()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        Ok(Self { file, path })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Nothing is lost if a probe of no content stays behind.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The path itself, or the nearest parent that exists.
fn nearest_existing(path: &Path) -> PathBuf {
    let parents = path
        .ancestors()
        .map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    let mut standing = parents.filter(|parent| parent.exists());
    standing.next().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// The name of a file system by its number, and whether a sync to it reaches a local device.
fn file_system_kind(number: i64) -> (String, bool) {
    let known = match number {
        0xEF53 => ("ext4", true),
        0x5846_5342 => ("XFS", true),
        0x9123_683E => ("btrfs", true),
        0xF2F5_2010 => ("F2FS", true),
        0x2FC1_2FC1 => ("ZFS", true),
        0x794C_7630 => ("overlayfs", true),
        0x0102_1994 => ("tmpfs", false),
        0x8584_58F6 => ("ramfs", false),
        0x6969 => ("NFS", false),
        0x6573_5546 => ("a FUSE file system", false),
        0x0102_1997 => ("9P", false),
        0xFF53_4D42 | 0xFE53_4D42 => ("SMB", false),
        _ => return (format!("file system {number:#x}"), true),
    };
    (known.0.to_owned(), known.1)
}

fn statistics(path: &Path) -> Option<libc::statfs> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: statfs is plain numbers, for which all zeros is a value.
    let mut statistics: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: `path` ends in a zero octet and `statistics` is valid for writing; both live over the
    // call.
    let status = unsafe { libc::statfs(path.as_ptr(), &raw mut statistics) };
    (status == 0).then_some(statistics)
}

/// Octets of the files directly in the directory and one level below, where journal segments lie.
fn octets_within(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let of_entry = |entry: &std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => std::fs::read_dir(entry.path()).map_or(0, |inner| {
            inner
                .flatten()
                .filter_map(|file| file.metadata().ok())
                .map(|metadata| metadata.len())
                .sum()
        }),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(|entry| of_entry(&entry)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::start::check::Severity;

    #[test]
    fn a_missing_directory_is_judged_by_the_parent_that_exists() {
        let directory = tempfile::tempdir().expect("a directory");
        let config = Config::defaults(&directory.path().join("a/b"), &[0]);
        assert_eq!(check_directory(&config).severity, Severity::Good);
        assert!(!directory.path().join("a").exists(), "a check makes no directory");
        assert_eq!(nearest_existing(Path::new("no-such-place/x")), PathBuf::from("."));
    }

    #[test]
    fn a_file_in_place_of_the_directory_is_fatal() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        std::fs::write(&file, "x").expect("written");
        let finding = check_directory(&Config::defaults(&file, &[0]));
        assert_eq!(finding.severity, Severity::Fatal);
        assert!(finding.message.contains("not a directory"), "{finding:?}");
    }

    #[test]
    fn a_queue_larger_than_the_device_is_a_warning() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut config = Config::defaults(directory.path(), &[0]);
        config.queue_octets = u64::MAX;
        assert_eq!(check_room(&config).severity, Severity::Warning);
    }

    #[test]
    fn a_file_system_in_memory_is_no_place_for_power_durability() {
        assert_eq!(file_system_kind(0x0102_1994), ("tmpfs".to_owned(), false));
        assert!(file_system_kind(0xEF53).1);
        assert_eq!(file_system_kind(7).0, "file system 0x7");
    }

    #[test]
    fn a_long_read_ahead_is_a_warning_with_the_file_that_sets_it() {
        let queue = Path::new("/sys/devices/block/vda/queue");
        assert_eq!(judge_read_ahead("read-ahead", queue, 512).severity, Severity::Good);
        let finding = judge_read_ahead("read-ahead", queue, 8_192);
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.remedy.is_some_and(|remedy| remedy.contains("/vda/queue/read_ahead_kb")));
    }

    #[test]
    fn syncs_are_measured_and_leave_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let latency = SyncLatency::measure(directory.path()).expect("measured");
        assert!(latency.slowest_us >= latency.median_us);
        assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 0);
    }
}
