//! A thread that stands back behind all others, for CPU and device.

/// The lowest priority of those that every scheduler of CPUs goes on serving.
pub const NICENESS_OF_BACKGROUND: i32 = 19;

/// `IOPRIO_CLASS_BE` at its lowest level: after everybody else at the device, and served in bounded
/// time. (The idle class is served when the device has nothing else to do; beside commits that is,
/// with mq-deadline, once in ten seconds.)
pub const IO_PRIORITY_OF_BACKGROUND: libc::c_int = 2 << 13 | 7;

/// Has the calling thread stand back behind all others, for CPU and device: for work that nobody
/// waits for. It cannot be taken back. Where the kernel refuses nothing changes.
pub fn step_back() {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    // SAFETY: plain numbers, about the calling thread alone: no memory is touched.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS_OF_BACKGROUND);
        libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IO_PRIORITY_OF_BACKGROUND);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_steps_back_is_the_least_of_all_and_the_others_stay() {
        let niceness = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("procfs");
            let behind_name = stat.rsplit(") ").next().expect("fields").to_owned();
            behind_name.split(' ').nth(16).expect("a niceness").to_owned()
        };
        let before = niceness();
        let stepped_back = std::thread::spawn(move || {
            step_back();
            niceness()
        });
        assert_eq!(stepped_back.join().expect("a thread that ends"), "19");
        assert_eq!(niceness(), before);
    }
}
