//! A device that a test can fill: a small file system in memory.

use crate::site::Site;
use crate::skips::skip;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where a host has a small file system that everybody may write to, unless this variable names
/// another: a container's shared memory has 64 MiB.
const GIVEN_VARIABLE: &str = "HAYAUMA_TEST_SMALL_DEVICE";
const GIVEN: &str = "/dev/shm";
/// What is larger is no small one: filling it takes memory that others need.
const GIVEN_MEBIBYTES_MAX: u64 = 256;
const MEBIBYTE: u64 = 1 << 20;
/// What [`SmallDevice::take`] leaves.
pub const TAKEN: &str = "taken";

/// A file system of some MiB in memory; it lasts as long as this value. It is mounted in a
/// namespace of its own, which most hosts let every user have; where this one does not, as in a
/// container, it is what is left of one that is there.
#[derive(Debug)]
pub struct SmallDevice {
    /// Of what was mounted.
    holder: Option<Child>,
    /// Of what was there: others wait.
    _given: Option<(tempfile::TempDir, File)>,
    mounted: PathBuf,
}

impl SmallDevice {
    /// With a copy of this place's data directory on it, if there is one; `None`, and a word about
    /// it, where the host does not let us.
    ///
    /// # Panics
    /// When the place takes no directory.
    pub fn with_data_of(site: &Site, mebibytes: u32) -> Option<Self> {
        let is_given = std::env::var_os(GIVEN_VARIABLE).is_some();
        let mounted = if is_given { None } else { Self::mount(site, mebibytes) };
        let device = mounted.or_else(|| Self::of_what_is_there(site, u64::from(mebibytes)));
        if device.is_none() {
            skip("this host lets no user mount a small file system, and has none");
        }
        device
    }

    fn mount(site: &Site, mebibytes: u32) -> Option<Self> {
        let mounted = site.path("mounted");
        std::fs::create_dir(&mounted).expect("a writable directory");
        let script = format!(
            "mount -t tmpfs -o size={mebibytes}m none \"$0\" && \
             if [ -e \"$1\" ]; then cp -a \"$1\" \"$0/data\"; rm -f \"$0/data/origin\"; fi \
             && echo mounted && exec cat"
        );
        let mut holder = Command::new("unshare")
            .args(["-rm", "sh", "-c", &script])
            .args([&mounted, &site.data_dir()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut said = String::new();
        let mut out = std::io::BufReader::new(holder.stdout.take().expect("a pipe"));
        std::io::BufRead::read_line(&mut out, &mut said).expect("a line or the end");
        let device = Self { holder: Some(holder), _given: None, mounted };
        let enters = device.command().arg("true").status().is_ok_and(|status| status.success());
        (said.trim() == "mounted" && enters).then_some(device)
    }

    /// A directory of a small file system that is there, with all but so many MiB of it taken.
    fn of_what_is_there(site: &Site, mebibytes: u64) -> Option<Self> {
        let place = std::env::var_os(GIVEN_VARIABLE).unwrap_or_else(|| GIVEN.into());
        let place = Path::new(&place);
        let lock = File::open(place).ok()?;
        lock.lock().ok()?;
        let room = statvfs(place).ok()?;
        let octets = |blocks: u64| blocks * room.f_frsize;
        // Its own tables have taken a little.
        let is_enough = octets(room.f_bavail) >= mebibytes * MEBIBYTE * 15 / 16;
        if octets(room.f_blocks) > GIVEN_MEBIBYTES_MAX * MEBIBYTE || !is_enough {
            return None;
        }
        let directory = tempfile::Builder::new().prefix("hayauma-").tempdir_in(place).ok()?;
        let more = octets(room.f_bavail).saturating_sub(mebibytes * MEBIBYTE);
        if more > 0 {
            let file = File::create(directory.path().join("others")).ok()?;
            fallocate(&file, FallocateFlags::empty(), 0, more).ok()?;
        }
        let mounted = directory.path().to_owned();
        if site.data_dir().exists() {
            let mut copy = Command::new("cp");
            let copied = copy.arg("-a").args([&site.data_dir(), &mounted.join("data")]).status();
            assert!(copied.is_ok_and(|status| status.success()), "a copy of the data directory");
            // It takes the original's place.
            let _ = std::fs::remove_file(mounted.join("data").join("origin"));
        }
        Some(Self { holder: None, _given: Some((directory, lock)), mounted })
    }

    /// What runs a command where the file system is mounted.
    pub fn command(&self) -> Command {
        let Some(holder) = &self.holder else { return Command::new("env") };
        let mut command = Command::new("nsenter");
        command.args(["--preserve-credentials", "-U", "-m", "-t", &holder.id().to_string(), "--"]);
        command
    }

    /// `serve` of this place with its data there.
    pub fn serve(&self, site: &Site) -> Command {
        let mut arguments = site.serve_arguments();
        arguments.retain(|argument| !argument.starts_with("--data-dir"));
        let mut command = self.command();
        command.arg(site.command::<&str>(&[]).get_program()).args(arguments);
        command.arg("--data-dir").arg(self.mounted.join("data"));
        command
    }

    /// A place on it, as it is seen from outside.
    pub fn path(&self, name: &str) -> PathBuf {
        let mounted = self.mounted.display();
        match &self.holder {
            Some(holder) => format!("/proc/{}/root{mounted}/{name}", holder.id()).into(),
            None => self.mounted.join(name),
        }
    }

    /// The data directory on it, for whoever runs a [`Self::command`].
    pub fn data_dir(&self) -> PathBuf {
        self.mounted.join("data")
    }

    /// Somebody else takes so many MiB.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn take(&self, mebibytes: u64) {
        let file = File::create(self.path(TAKEN)).expect("room for a name");
        let taken = fallocate(&file, FallocateFlags::empty(), 0, mebibytes * MEBIBYTE);
        taken.expect("room for so many");
    }

    /// Takes all the room that is left, once more as often as it is called; the file that does.
    ///
    /// # Panics
    /// When there is no room for its name.
    pub fn fill_up(&self) -> PathBuf {
        let path = self.path("ballast");
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).open(&path).expect("room for a name");
        for octets in [1 << 16, 1 << 12] {
            while file.write_all(&vec![1; octets]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDevice {
    fn drop(&mut self) {
        if let Some(holder) = &mut self.holder {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}
