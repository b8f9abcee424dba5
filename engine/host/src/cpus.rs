//! The CPUs that this process may use, and threads bound to them or kept off them.

/// The CPUs in the process's affinity mask, in ascending order; CPU 0 where procfs does not say.
pub fn cpus_allowed() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.and_then(|list| list.trim().parse::<crate::cpu_list::CpuList>().ok())
        .map_or_else(|| vec![0], |list| list.0)
}

/// The CPUs of the process's affinity mask that are none of `shard_cpus`, in ascending order.
pub fn cpus_beside(shard_cpus: &[usize]) -> Vec<usize> {
    let mut others = cpus_allowed();
    others.retain(|cpu| !shard_cpus.contains(cpu));
    others
}

/// CPUs as the kernel takes them; numbers beyond its range are left out.
pub fn cpu_set(cpus: &[usize]) -> libc::cpu_set_t {
    // SAFETY: an all-zero set is a valid one, and CPU_SET stays below CPU_SETSIZE.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        cpus.iter()
            .filter(|&&cpu| cpu < libc::CPU_SETSIZE as usize)
            .for_each(|&cpu| libc::CPU_SET(cpu, &mut set));
        set
    }
}

/// Has the calling thread run on [`cpus_beside`] `shard_cpus`; where there are none, or the kernel
/// refuses, it stays where it may run already.
pub fn leave_cpus(shard_cpus: &[usize]) {
    let others = cpus_beside(shard_cpus);
    if !shard_cpus.is_empty() && !others.is_empty() {
        run_on(&others);
    }
}

/// Has the calling thread run on these CPUs; where the kernel refuses it stays where it may run
/// already.
pub fn run_on(cpus: &[usize]) {
    let set = cpu_set(cpus);
    // SAFETY: the kernel only reads the set, which outlives the call.
    let _ = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_leaves_cpus_unless_none_would_be_left() {
        let allowed = cpus_allowed();
        let mask = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").expect("procfs");
            status.lines().find(|line| line.starts_with("Cpus_allowed_list:")).map(str::to_owned)
        };
        // On a thread of its own: whatever else the tests' thread runs keeps its CPUs.
        let seen = |cpus: &[usize]| {
            std::thread::scope(|scope| {
                let thread = scope.spawn(|| {
                    leave_cpus(cpus);
                    mask()
                });
                thread.join().expect("a thread that ends")
            })
        };
        assert_eq!(seen(&[]), mask());
        assert_eq!(seen(&allowed), mask());
        if let [first, second] = allowed[..] {
            assert_eq!(seen(&[first]), Some(format!("Cpus_allowed_list:\t{second}")));
        }
    }

    #[test]
    fn this_process_may_use_a_cpu() {
        assert!(!cpus_allowed().is_empty());
    }
}
