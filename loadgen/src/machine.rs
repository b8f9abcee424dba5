//! The machine a figure was measured on: no figure without it.

use crate::os;
use std::path::Path;

/// What every report says about the machine.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu_model: String,
    /// CPUs this process may use.
    pub cpus: usize,
    /// Memory in octets.
    pub memory_octets: u64,
    /// Kernel name and release.
    pub kernel: String,
    /// Type of the file system of the data directory, where there is one.
    pub file_system: Option<String>,
    /// Device of that file system.
    pub device: Option<String>,
}

impl Machine {
    /// This machine, and the file system that holds `data_dir`.
    pub fn here(data_dir: Option<&Path>) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpu_model =
            field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_owned());
        let memory_kib = field(&read("/proc/meminfo"), "MemTotal")
            .and_then(|value| value.split_ascii_whitespace().next()?.parse::<u64>().ok())
            .unwrap_or_default();
        let mount = data_dir.and_then(|directory| {
            let directory = directory.canonicalize().ok()?;
            mount_of(&directory, &read("/proc/self/mounts"))
        });
        let (file_system, device) = mount.unzip();
        Self {
            cpu_model,
            cpus: os::available_cpus().len(),
            memory_octets: memory_kib * 1024,
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            file_system,
            device,
        }
    }
}

/// Whether `directory` is on a file system that keeps nothing when the power goes.
pub(crate) fn is_volatile(directory: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let kind = directory.canonicalize().ok().and_then(|directory| mount_of(&directory, &mounts));
    kind.is_some_and(|(kind, _)| matches!(kind.as_str(), "tmpfs" | "ramfs"))
}

/// The value behind `name` and a colon.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Type and device of the mount that holds `directory`: the one with the longest mount point above
/// it.
fn mount_of(directory: &Path, mounts: &str) -> Option<(String, String)> {
    let mut best: Option<(usize, &str, &str)> = None;
    for line in mounts.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(device), Some(point), Some(kind)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        // A later mount on the same point hides the earlier one.
        if directory.starts_with(point) && best.is_none_or(|(length, ..)| point.len() >= length) {
            best = Some((point.len(), kind, device));
        }
    }
    best.map(|(_, kind, device)| (kind.to_owned(), device.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_belongs_to_the_mount_nearest_above_it() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /mnt tmpfs rw 0 0\n/dev/b /mnt/x xfs rw 0 0\n\
            /dev/c /mn btrfs rw 0 0\n";
        let kind = |path: &str| mount_of(Path::new(path), mounts).map(|(kind, _)| kind);
        assert_eq!(kind("/home"), Some("ext4".to_owned()));
        assert_eq!(kind("/mnt/y"), Some("tmpfs".to_owned()));
        assert_eq!(kind("/mnt/x/y"), Some("xfs".to_owned()));
        assert_eq!(kind("/mntx"), Some("ext4".to_owned()));
    }

    #[test]
    fn this_machine_can_be_described() {
        let machine = Machine::here(Some(Path::new(".")));
        assert!(
            machine.cpus > 0
                && machine.kernel.len() > "Linux ".len()
                && machine.file_system.is_some()
        );
    }
}
