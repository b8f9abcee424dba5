//! CPUs kept clear of the kernel's own threads, so that what runs there answers in time: a memory
//! monitor that takes a core for a millisecond twice a second is all that one sees in the last
//! thousandth of the answers.
//!
//! [`plan`] says which threads to move, [`Shield`] moves them and, when it is dropped, lets them
//! back. It never touches a program's thread, nor one that the kernel has bound to its CPUs, and it
//! changes nothing but affinities. There is one shield a machine at a time: a second would take the
//! first one's affinities for the kernel's own. Threads that the kernel starts while it is up are
//! not kept off.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use rustix::io::Errno;
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

use crate::cpu_list::CpuList;

/// The name that the one shield of a machine holds, among abstract sockets: it goes with its
/// process.
const HELD_NAME: &[u8] = b"hayauma-shield";
/// The CPUs that are there, as a list.
const ONLINE: &str = "/sys/devices/system/cpu/online";
/// A task's flags in procfs: a kernel thread, and one whose CPUs nobody may change
/// (`include/linux/sched.h`).
const PF_KTHREAD: u64 = 0x0020_0000;
const PF_NO_SETAFFINITY: u64 = 0x0400_0000;
/// Where the flags stand, counted in fields behind the name (`proc_pid_stat(5)`, field 9).
const FLAGS_BEHIND_NAME: usize = 6;

/// Why the CPUs cannot be kept clear.
#[derive(Debug, thiserror::Error)]
pub enum ShieldError {
    /// A CPU that is not there.
    #[error("there is no CPU {cpu} here: choose from {online}")]
    NoSuchCpu {
        /// The CPU asked for.
        cpu: usize,
        /// Those that are there.
        online: CpuList,
    },
    /// All of them.
    #[error("no CPU would be left for the kernel's threads: leave out at least one of {online}")]
    NoneLeft {
        /// Those that are there.
        online: CpuList,
    },
    /// Another process has the machine's shield.
    #[error("another process keeps CPUs clear already: end it first, or name all CPUs there")]
    Held,
    /// The kernel lets only a privileged user move its threads.
    #[error("only root may move the kernel's threads: run it with sudo")]
    Refused,
    /// A container shows its own processes only.
    #[error("no kernel thread is to be seen here: run it on the host, not in a container")]
    NothingSeen,
    /// What the system said.
    #[error("the kernel's threads cannot be looked through ({0})")]
    System(#[from] io::Error),
}

/// A thread of the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KernelThread {
    /// Its process id.
    pub process: i32,
    /// Its name, such as `kdamond.0`.
    pub name: String,
    /// Whether its CPUs are the kernel's choice alone.
    pub is_bound: bool,
    /// Where it may run, ascending.
    pub cpus: Vec<usize>,
}

/// A thread of the kernel and where it is to run instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Move {
    /// The thread, as it was.
    pub thread: KernelThread,
    /// Where it runs from now on, ascending, at least one.
    pub cpus: Vec<usize>,
}

/// The moves that clear `shielded`. A thread that is bound, that runs elsewhere anyhow or that
/// would have no CPU left stays.
pub fn plan(threads: Vec<KernelThread>, shielded: &[usize]) -> Vec<Move> {
    let moved = threads.into_iter().filter(|thread| !thread.is_bound).map(|thread| {
        let cpus = thread.cpus.iter().copied().filter(|cpu| !shielded.contains(cpu)).collect();
        Move { thread, cpus }
    });
    moved.filter(|moved| !moved.cpus.is_empty() && moved.cpus != moved.thread.cpus).collect()
}

/// CPUs that are kept clear until this is dropped.
#[derive(Debug)]
pub struct Shield {
    moved: Vec<Move>,
    staying: Vec<String>,
    _held: UnixListener,
}

impl Shield {
    /// Moves what can be moved off `cpus`.
    ///
    /// # Errors
    /// See [`ShieldError`]; nothing has been moved then.
    pub fn raise(cpus: &[usize]) -> Result<Self, ShieldError> {
        check(cpus, online()?)?;
        let name = SocketAddr::from_abstract_name(HELD_NAME)?;
        let held = UnixListener::bind_addr(&name).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => ShieldError::Held,
            _ => ShieldError::System(error),
        })?;
        let threads = kernel_threads()?;
        if threads.is_empty() {
            return Err(ShieldError::NothingSeen);
        }
        let on_them = |thread: &KernelThread| thread.cpus.iter().any(|cpu| cpus.contains(cpu));
        let there: Vec<String> =
            threads.iter().filter(|thread| on_them(thread)).map(name_of).collect();
        let mut shield = Self { moved: Vec::new(), staying: there, _held: held };
        for wanted in plan(threads, cpus) {
            match set_cpus(wanted.thread.process, &wanted.cpus) {
                Ok(()) => shield.note(wanted),
                // The same for all of them: what was moved so far, nothing, goes back with the
                // shield.
                Err(Errno::PERM) => return Err(ShieldError::Refused),
                // It has ended, or it is bound after all.
                Err(_) => {}
            }
        }
        Ok(shield)
    }

    /// Names of the threads that were moved.
    pub fn moved(&self) -> Vec<String> {
        self.moved.iter().map(|moved| name_of(&moved.thread)).collect()
    }

    /// Names of the threads that may still run on the shielded CPUs: the kernel has bound them.
    pub fn staying(&self) -> &[String] {
        &self.staying
    }

    fn note(&mut self, moved: Move) {
        if let Some(at) = self.staying.iter().position(|name| *name == moved.thread.name) {
            self.staying.remove(at);
        }
        self.moved.push(moved);
    }
}

impl Drop for Shield {
    /// Lets each thread back that is still there and still where it was put.
    fn drop(&mut self) {
        for Move { thread, cpus } in &self.moved {
            let now = kernel_thread(thread.process);
            if now.is_some_and(|now| now.name == thread.name && now.cpus == *cpus) {
                let _ = set_cpus(thread.process, &thread.cpus);
            }
        }
    }
}

fn name_of(thread: &KernelThread) -> String {
    thread.name.clone()
}

fn check(cpus: &[usize], online: CpuList) -> Result<(), ShieldError> {
    match cpus.iter().find(|cpu| !online.0.contains(cpu)) {
        Some(&cpu) => Err(ShieldError::NoSuchCpu { cpu, online }),
        None if online.0.iter().all(|cpu| cpus.contains(cpu)) => {
            Err(ShieldError::NoneLeft { online })
        }
        None => Ok(()),
    }
}

fn online() -> Result<CpuList, ShieldError> {
    let list = std::fs::read_to_string(ONLINE)?;
    list.trim().parse().map_err(|sentence: String| ShieldError::System(io::Error::other(sentence)))
}

fn kernel_threads() -> io::Result<Vec<KernelThread>> {
    let mut threads = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let process = entry?.file_name().to_str().and_then(|name| name.parse().ok());
        threads.extend(process.and_then(kernel_thread));
    }
    Ok(threads)
}

/// `None` for a program's process, and for one that is not there.
fn kernel_thread(process: i32) -> Option<KernelThread> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (name, flags) = name_and_flags(&stat)?;
    if flags & PF_KTHREAD == 0 {
        return None;
    }
    let set = sched_getaffinity(Pid::from_raw(process)).ok()?;
    let cpus = (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect();
    Some(KernelThread { process, name, is_bound: flags & PF_NO_SETAFFINITY != 0, cpus })
}

/// Of a line of `/proc/PROCESS/stat`; the name may hold blanks and parentheses.
fn name_and_flags(stat: &str) -> Option<(String, u64)> {
    let (before, behind) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let flags = behind.split_whitespace().nth(FLAGS_BEHIND_NAME)?.parse().ok()?;
    Some((name.to_owned(), flags))
}

fn set_cpus(process: i32, cpus: &[usize]) -> Result<(), Errno> {
    let mut set = CpuSet::new();
    cpus.iter().filter(|&&cpu| cpu < CpuSet::MAX_CPU).for_each(|&cpu| set.set(cpu));
    sched_setaffinity(Pid::from_raw(process), &set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(name: &str, is_bound: bool, cpus: &[usize]) -> KernelThread {
        KernelThread { process: 77, name: name.to_owned(), is_bound, cpus: cpus.to_vec() }
    }

    #[test]
    fn what_may_run_on_the_shielded_cpus_and_elsewhere_is_moved() {
        let threads = vec![
            thread("kdamond.0", false, &[0, 1, 2]),
            thread("ksoftirqd/1", true, &[1]),
            thread("kworker/u9:0", true, &[0, 1, 2]),
            thread("kcompactd0", false, &[0, 2]),
            thread("irq/24", false, &[1]),
        ];
        let moves = plan(threads, &[1]);
        let moves: Vec<_> =
            moves.iter().map(|moved| (moved.thread.name.as_str(), &moved.cpus[..])).collect();
        assert_eq!(moves, [("kdamond.0", &[0, 2][..])]);
    }

    #[test]
    fn a_name_with_blanks_and_parentheses_is_read_to_its_end() {
        let stat = "77 (k (a) b) S 2 0 0 0 -1 2097216 0 0 0 0 0 0 1 2 3 4";
        assert_eq!(name_and_flags(stat), Some(("k (a) b".to_owned(), 2_097_216)));
        assert_eq!(name_and_flags("77 (bash) S 2 0 0 0"), None);
    }

    #[test]
    fn cpus_that_are_not_there_and_all_that_are_there_are_refused() {
        let here = || CpuList(vec![0, 1, 3]);
        assert!(check(&[3], here()).is_ok());
        let sentence = |cpus: &[usize]| check(cpus, here()).expect_err("refused").to_string();
        assert!(
            sentence(&[1, 2]).contains("no CPU 2 here: choose from 0-1,3"),
            "{}",
            sentence(&[1, 2])
        );
        assert!(
            sentence(&[0, 1, 3]).contains("leave out at least one"),
            "{}",
            sentence(&[0, 1, 3])
        );
    }

    #[test]
    fn a_programs_process_is_none_of_the_kernels_threads() {
        let own = i32::try_from(std::process::id()).expect("a process id");
        assert_eq!(kernel_thread(own), None);
    }
}
