//! A device that a test can fill: a small file system in memory.

use crate::site::Site;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A file system of some MiB in memory, mounted in a namespace of its own, which most hosts let
/// every user have; it lasts as long as this value.
#[derive(Debug)]
pub struct SmallDevice {
    holder: Child,
    mounted: PathBuf,
}

impl SmallDevice {
    /// With a copy of this place's data directory on it; `None`, and a word about it, where the
    /// host does not let us.
    ///
    /// # Panics
    /// When the place takes no directory.
    pub fn with_data_of(site: &Site, mebibytes: u32) -> Option<Self> {
        let mounted = site.path("mounted");
        std::fs::create_dir(&mounted).expect("a writable directory");
        let script = format!(
            "mount -t tmpfs -o size={mebibytes}m none \"$0\" && cp -a \"$1\" \"$0/data\" && echo \
             mounted && exec cat"
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
        let device = Self { holder, mounted };
        let enters = device.command().arg("true").status().is_ok_and(|status| status.success());
        if said.trim() != "mounted" || !enters {
            eprintln!("this host lets no user mount a small file system: not tested here");
            return None;
        }
        Some(device)
    }

    /// What runs a command where the file system is mounted.
    pub fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "--preserve-credentials",
            "-U",
            "-m",
            "-t",
            &self.holder.id().to_string(),
            "--",
        ]);
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
        format!("/proc/{}/root{mounted}/{name}", self.holder.id()).into()
    }

    /// The data directory on it, for whoever runs a [`Self::command`].
    pub fn data_dir(&self) -> PathBuf {
        self.mounted.join("data")
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
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
