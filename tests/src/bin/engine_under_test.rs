//! The engine as the tests start it: the very program, which ends with the test that started it, and on demand without
//! io_uring as some containers have it.

use std::process::ExitCode;

/// Set: the process may not use io_uring.
const WITHOUT_IO_URING: &str = "HAYAUMA_TEST_WITHOUT_IO_URING";

fn main() -> ExitCode {
    loadgen::os::end_with_parent();
    if std::env::var_os(WITHOUT_IO_URING).is_some()
        && let Err(error) = forbid_io_uring()
    {
        eprintln!("io_uring could not be forbidden: {error}");
        return ExitCode::from(99);
    }
    hayauma::cli::run(std::env::args_os())
}

/// Has the kernel answer EPERM to io_uring_setup from now on, as a container's seccomp profile does.
fn forbid_io_uring() -> std::io::Result<()> {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let filter = [
        // The number of the call.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
            jt: 0,
            jf: 1,
            k: libc::SYS_io_uring_setup as u32,
        },
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the kernel only reads the program and the filter it points to, which live over both calls.
    let outcome = unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
    };
    if outcome == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
