//! What a container's seccomp profile, or an older kernel, keeps from a process: for the programs
//! under test, which forbid it to themselves before they do anything else. Their children inherit
//! it.

/// Names the profile: `no-io-uring`, `no-io-uring-enter`, `deadly-io-uring`, `no-dsync` or
/// `linux-5.4`.
pub const VARIABLE: &str = "HAYAUMA_TEST_SECCOMP";

/// What an engine says of a missing io_uring: started as this process is, or under a profile that
/// forbids it where `profiled`. None where there is one. Of two reasons the host's own is told.
pub fn why_without_io_uring(profiled: bool) -> Option<&'static str> {
    let switch = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    if switch.is_ok_and(|level| level.trim() == "2") {
        return Some("io_uring is switched off");
    }
    (profiled || is_forbidden_here()).then_some("seccomp")
}

/// Whether whoever started the tests forbade it to them too. A ring is asked for at no address,
/// which a kernel that has rings answers with EFAULT.
fn is_forbidden_here() -> bool {
    let nowhere = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the kernel refuses the call or the address, and touches no memory of this process.
    let outcome = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, nowhere) };
    assert!(outcome < 0, "there is no ring at no address");
    std::io::Error::last_os_error().raw_os_error() != Some(libc::EFAULT)
}

/// Calls from a number on up to another one, and the answer to each.
type Rule = (u32, u32, u32);
/// A name, and what is forbidden.
type Profile = (&'static str, &'static [Rule]);

/// The profiles.
const PROFILES: [Profile; 5] = [
    // As container engines do it by default.
    ("no-io-uring", &[(IO_URING_SETUP, IO_URING_REGISTER, REFUSED)]),
    // A ring can be had and is of no use.
    ("no-io-uring-enter", &[(IO_URING_ENTER, IO_URING_ENTER, REFUSED)]),
    // Whoever tries ends at once.
    ("deadly-io-uring", &[(IO_URING_SETUP, IO_URING_REGISTER, libc::SECCOMP_RET_KILL_PROCESS)]),
    // A kernel or a file system that does not sync as it writes.
    (
        "no-dsync",
        &[(libc::SYS_pwritev2 as u32, libc::SYS_pwritev2 as u32, UNSUPPORTED), NO_IO_URING],
    ),
    // The calls that came after Linux 5.4 are not there.
    ("linux-5.4", &[(FIRST_AFTER_5_4, u32::MAX, MISSING), NO_IO_URING]),
];

const IO_URING_SETUP: u32 = libc::SYS_io_uring_setup as u32;
const IO_URING_ENTER: u32 = libc::SYS_io_uring_enter as u32;
const IO_URING_REGISTER: u32 = libc::SYS_io_uring_register as u32;
const NO_IO_URING: Rule = (IO_URING_SETUP, IO_URING_REGISTER, MISSING);
/// Calls are numbered alike on all architectures from here on.
const FIRST_AFTER_5_4: u32 = libc::SYS_close_range as u32;
const REFUSED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const MISSING: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
const UNSUPPORTED: u32 = libc::SECCOMP_RET_ERRNO | libc::EOPNOTSUPP as u32;

/// Forbids this process, for good, what the environment names.
///
/// # Panics
/// When there is no such profile, or the kernel takes none.
pub fn obey_environment() {
    let Some(name) = std::env::var_os(VARIABLE) else { return };
    let profile = PROFILES.iter().find(|(known, _)| name == *known);
    let (_, rules) =
        profile.unwrap_or_else(|| panic!("{VARIABLE} is {name:?}, which is no profile"));
    if let Err(error) = forbid(rules) {
        panic!("{VARIABLE}={name:?} cannot be obeyed: {error}");
    }
}

fn forbid(rules: &[Rule]) -> std::io::Result<()> {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let unless = |comparison: u32, k: u32, skipped: (u8, u8)| libc::sock_filter {
        code: (libc::BPF_JMP | comparison | libc::BPF_K) as u16,
        jt: skipped.0,
        jf: skipped.1,
        k,
    };
    // The number of the call.
    let mut filter = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    for &(first, last, answer) in rules {
        filter.push(unless(libc::BPF_JGE, first, (0, 2)));
        filter.push(unless(libc::BPF_JGT, last, (1, 0)));
        filter.push(statement(libc::BPF_RET | libc::BPF_K, answer));
    }
    filter.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the kernel only reads the program and the filter it points to, which live over both
    // calls.
    let outcome = unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
    };
    if outcome == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
