//! What the operating system is asked for: CPU lists and pinning, CPU time, memory, file limits, a
//! fine alarm.

use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Reads a CPU list such as `0-3,8`; else a sentence.
pub fn parse_cpus(text: &str) -> Result<Vec<usize>, String> {
    let refuse =
        || format!("\"{text}\" is not a list of CPUs: write numbers and ranges, e.g. 0-3,8.");
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.trim().parse().map_err(|_| refuse())?;
        let last: usize = last.trim().parse().map_err(|_| refuse())?;
        if first > last || last >= libc::CPU_SETSIZE as usize {
            return Err(refuse());
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(cpus)
}

/// Writes ascending CPUs as a list that `parse_cpus` reads: `0-3,8`.
pub fn format_cpus(cpus: &[usize]) -> String {
    let mut text = String::new();
    for run in cpus.chunk_by(|a, b| a + 1 == *b) {
        let separator = if text.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = match run {
            [first, .., last] => write!(text, "{separator}{first}-{last}"),
            [only] => write!(text, "{separator}{only}"),
            [] => Ok(()),
        };
    }
    text
}

/// The CPUs this process may run on.
pub fn available_cpus() -> Vec<usize> {
    match cpus_of(0) {
        none if none.is_empty() => vec![0],
        cpus => cpus,
    }
}

/// The CPUs that `process` may run on; 0 is this one; none where there is no such process.
pub fn cpus_of(process: u32) -> Vec<usize> {
    // SAFETY: an all-zero cpu_set_t is a valid, empty set, and the kernel writes no more than its
    // size.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(process as libc::pid_t, size_of::<libc::cpu_set_t>(), &mut set)
            != 0
        {
            return Vec::new();
        }
        set
    };
    // SAFETY: every index is below CPU_SETSIZE.
    (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

/// Binds the calling thread to `cpus`; an empty list leaves it as it is.
pub fn pin_thread(cpus: &[usize]) -> io::Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    // SAFETY: an all-zero cpu_set_t is a valid, empty set; CPU_SET ignores nothing below
    // CPU_SETSIZE, and larger numbers are left out; the kernel only reads the set.
    let outcome = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for &cpu in cpus.iter().filter(|&&cpu| cpu < libc::CPU_SETSIZE as usize) {
            libc::CPU_SET(cpu, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The CPUs of either list, ascending, each once.
pub fn joined(some: &[usize], others: &[usize]) -> Vec<usize> {
    let mut all = [some, others].concat();
    all.sort_unstable();
    all.dedup();
    all
}

/// The CPUs that this process may use beside these.
pub fn cpus_beside(taken: &[usize]) -> Vec<usize> {
    available_cpus().into_iter().filter(|cpu| !taken.contains(cpu)).collect()
}

/// Keeps these CPUs busy for so long. What else runs on this machine, and may run on other CPUs,
/// moves there and, as long as they have time for it, stays.
pub fn keep_busy(cpus: &[usize], time: Duration) {
    std::thread::scope(|scope| {
        for cpu in cpus {
            scope.spawn(move || {
                let begun = Instant::now();
                if pin_thread(std::slice::from_ref(cpu)).is_ok() {
                    while begun.elapsed() < time {
                        std::hint::spin_loop();
                    }
                }
            });
        }
    });
}

/// Has everything that was written to files written back, by whomever it was written.
pub fn sync() {
    // SAFETY: the call takes nothing and touches no memory of this process.
    unsafe { libc::sync() }
}

/// CPU time that all threads of this process have used.
pub fn own_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time that the calling thread has used.
pub fn own_thread_cpu_time() -> Duration {
    cpu_clock(libc::CLOCK_THREAD_CPUTIME_ID).unwrap_or_default()
}

/// CPU time that another process has used, all its threads, to the nanosecond; `None` where there
/// is no such process.
pub fn fine_cpu_time_of(process: u32) -> Option<Duration> {
    let mut clock = 0;
    // SAFETY: the call writes one clockid_t.
    let outcome = unsafe { libc::clock_getcpuclockid(process as libc::pid_t, &mut clock) };
    if outcome == 0 { cpu_clock(clock) } else { None }
}

fn cpu_clock(clock: libc::clockid_t) -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec.
    let outcome = unsafe { libc::clock_gettime(clock, &mut time) };
    (outcome == 0).then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// CPU time that another process has used, user and system together, to the kernel's tick.
pub fn cpu_time_of(process: u32) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is the name in parentheses, which may itself hold blanks; utime and stime
    // are fields 14 and 15.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|&at| fields.get(at)?.parse::<u64>().ok()).sum();
    // SAFETY: sysconf only reads its argument.
    let ticks_per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64;
    Ok(Duration::from_nanos(ticks * 1_000_000_000 / ticks_per_second))
}

/// Whether the calling thread runs under one of the kernel's real-time policies, as below `chrt -f
/// 1`.
pub fn is_real_time() -> bool {
    // SAFETY: the call takes and gives integers.
    let policy = unsafe { libc::sched_getscheduler(0) };
    policy == libc::SCHED_FIFO || policy == libc::SCHED_RR
}

/// A process's memory, in octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Memory {
    /// Highest resident set so far (`VmHWM`), mapped files included.
    pub peak_octets: u64,
    /// Resident memory that is no file's (`RssAnon`).
    pub anonymous_octets: u64,
    /// Resident pages of mapped files (`RssFile` and `RssShmem`).
    pub file_octets: u64,
}

/// The memory of `process`.
pub fn memory_of(process: u32) -> io::Result<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let octets = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        Some(line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    };
    Ok(Memory {
        peak_octets: octets("VmHWM:").unwrap_or_default(),
        anonymous_octets: octets("RssAnon:").unwrap_or_default(),
        file_octets: octets("RssFile:").unwrap_or_default()
            + octets("RssShmem:").unwrap_or_default(),
    })
}

/// Octets that `process` has read from devices and written to them.
pub fn device_octets_of(process: u32) -> io::Result<u64> {
    let counts = std::fs::read_to_string(format!("/proc/{process}/io"))?;
    let devices = counts
        .lines()
        .filter(|line| line.starts_with("read_bytes") || line.starts_with("write_bytes"));
    Ok(devices.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}

/// Raises this process's limit of open files as far as it may.
pub fn raise_file_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes and then reads one rlimit.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// Has this process ended by SIGTERM when the one that started it ends: an engine does not outlive
/// its drill.
pub fn end_with_parent() {
    // SAFETY: no memory is involved; the call only sets an attribute of this process.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as libc::c_ulong) };
}

/// A timer that a poll can wait for, finer than the poll's own milliseconds.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: OwnedFd,
}

impl Alarm {
    /// A timer that is not set.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the descriptor is new and has no other owner.
        let timer = unsafe {
            let descriptor =
                libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC);
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(descriptor)
        };
        Ok(Self { timer })
    }

    /// Rings once, `after_ns` (at least one) from now; replaces an earlier setting.
    pub(crate) fn set(&self, after_ns: u64) -> io::Result<()> {
        let after_ns = after_ns.max(1);
        let setting = libc::itimerspec {
            it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: libc::timespec {
                tv_sec: (after_ns / 1_000_000_000) as libc::time_t,
                tv_nsec: (after_ns % 1_000_000_000) as libc::c_long,
            },
        };
        // SAFETY: the kernel reads one itimerspec and is asked for no old value.
        let outcome = unsafe {
            libc::timerfd_settime(self.timer.as_raw_fd(), 0, &setting, std::ptr::null_mut())
        };
        if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl AsRawFd for Alarm {
    fn as_raw_fd(&self) -> i32 {
        self.timer.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_are_read_and_written() {
        assert_eq!(parse_cpus("3,0-1,1").expect("legal"), [0, 1, 3]);
        assert_eq!(format_cpus(&[0, 1, 3, 5, 6, 7]), "0-1,3,5-7");
        assert_eq!(format_cpus(&[]), "");
        for wrong in ["", "a", "3-1", "0-", "99999"] {
            assert!(parse_cpus(wrong).expect_err(wrong).ends_with('.'));
        }
    }

    #[test]
    fn a_process_reads_its_own_time_and_memory() {
        let own = std::process::id();
        assert!(memory_of(own).expect("a Linux /proc").peak_octets > 1 << 20);
        assert!(cpu_time_of(own).is_ok() && own_cpu_time() > Duration::ZERO);
        assert!(fine_cpu_time_of(own).is_some_and(|time| time >= own_thread_cpu_time()));
        let cpus = available_cpus();
        assert!(!cpus.is_empty());
        std::thread::spawn(move || pin_thread(&cpus[..1]))
            .join()
            .expect("no panic")
            .expect("an allowed CPU");
    }
}
