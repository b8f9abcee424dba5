//! The power-cut rig: a disk whose content can be photographed at any instant, without a kernel module.
//!
//! A file on this host's disk holds an XFS with reflinks, mounted by a loop device; on it lies `disk.img`, and in that,
//! by a second loop device, an ext4 with the engine's data directory. `cp --reflink=always disk.img photo.img` is then
//! what the "disk" held at that instant: what the engine had stored and the file system not yet written is not in it.
//!
//! Everything is mounted in a mount namespace of the calling thread alone, so that nothing stays behind however the
//! test ends. It takes the superuser, loop devices, and `mkfs.xfs`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::seeded::Seeded;

/// Room of the outer file; it takes only what is written.
const OUTER_OCTETS: u64 = 4 << 30;
/// Room of the engine's disk.
const DISK_OCTETS: u64 = 512 << 20;
/// What a device writes whole or not at all.
const SECTOR_OCTETS: usize = 512;

/// The rig.
#[derive(Debug)]
pub struct Rig {
    root: tempfile::TempDir,
    photos: u32,
}

/// The disk as it was at one instant, mounted.
#[derive(Debug)]
pub struct Photo {
    image: PathBuf,
    mounted: PathBuf,
}

impl Rig {
    /// Sets up the rig for the calling thread and whatever it starts from now on; `Err` says what this host lacks.
    ///
    /// # Errors
    /// The sentence to print when the tests are skipped.
    pub fn set_up() -> Result<Self, String> {
        for tool in ["mkfs.xfs", "mkfs.ext4", "losetup"] {
            let found = Command::new(tool).arg("-V").output();
            found.map_err(|error| format!("{tool} cannot be run ({error})"))?;
        }
        if !Path::new("/dev/loop-control").exists() {
            return Err("this host has no loop devices".to_owned());
        }
        // SAFETY: no memory is involved; the thread gets a mount namespace of its own, which its children inherit.
        if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
            let error = std::io::Error::last_os_error();
            return Err(format!("this user may not mount file systems ({error})"));
        }
        run("mount", &["--make-rprivate", "/"])?;
        let root = tempfile::Builder::new().prefix("hayauma-rig-").tempdir();
        let root = root.map_err(|error| format!("no temporary directory ({error})"))?;
        let rig = Self { root, photos: 0 };
        let (outer, disk) = (rig.path("outer.img"), rig.path("outer/disk.img"));
        make_file(&outer, OUTER_OCTETS)?;
        run("mkfs.xfs", &["-q", "-m", "reflink=1", &text(&outer)])?;
        mount(&outer, &rig.path("outer"))?;
        make_file(&disk, DISK_OCTETS)?;
        run("mkfs.ext4", &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", &text(&disk)])?;
        mount(&disk, &rig.disk())?;
        Ok(rig)
    }

    /// Where the disk is mounted.
    pub fn disk(&self) -> PathBuf {
        self.path("disk")
    }

    /// What the disk holds at this instant, the device's power cut, and mounted again: the file system has recovered.
    ///
    /// # Panics
    /// When the rig breaks down.
    pub fn cut(&mut self) -> Photo {
        let image = self.photograph();
        self.develop(image)
    }

    /// As [`Rig::cut`], of a disk on which the device had got any sectors of `directories`' files onto the medium that
    /// the file system would have written next, in any order. The engine must stand still meanwhile, so that none of
    /// that was ever acknowledged. Also returns how many sectors were torn out of how many.
    ///
    /// # Panics
    /// When the rig breaks down.
    pub fn cut_and_tear(&mut self, directories: &[&str], chance: &mut Seeded) -> (Photo, u64, u64) {
        let before = self.photograph();
        run("sync", &["-f", &text(&self.disk())]).expect("a sync of the rig's disk");
        let behind = self.photograph();
        let (photo, later) = (self.develop(before), self.develop(behind));
        let (mut torn, mut dirty) = (0, 0);
        for directory in directories {
            let names = fs::read_dir(photo.path().join(directory)).expect("a directory of the disk");
            for name in names.map(|entry| entry.expect("an entry").file_name()) {
                let paths = [&photo, &later].map(|photo| photo.path().join(directory).join(&name));
                let [Ok(mut held), Ok(next)] = paths.each_ref().map(fs::read) else { continue };
                if held.len() != next.len() {
                    continue;
                }
                // Every third file's sectors nearly all arrive, every third's hardly any.
                let odds = [1, 8, 15][chance.below(3) as usize];
                for (at, sector) in (0..).step_by(SECTOR_OCTETS).zip(next.chunks(SECTOR_OCTETS)) {
                    if held[at..at + sector.len()] != *sector {
                        dirty += 1;
                        if chance.below(16) < odds {
                            held[at..at + sector.len()].copy_from_slice(sector);
                        } else {
                            torn += 1;
                        }
                    }
                }
                let file = File::options().write(true).open(&paths[0]).expect("a writable file");
                file.write_all_at(&held, 0).expect("room for what is there already");
            }
        }
        (photo, torn, dirty)
    }

    fn photograph(&mut self) -> PathBuf {
        self.photos += 1;
        let image = self.path(&format!("outer/photo-{}.img", self.photos));
        let disk = text(&self.path("outer/disk.img"));
        run("cp", &["--reflink=always", &disk, &text(&image)]).expect("a photograph of the disk");
        image
    }

    fn develop(&self, image: PathBuf) -> Photo {
        let mounted = self.path(&image.file_stem().unwrap_or_default().to_string_lossy());
        mount(&image, &mounted).expect("a file system that recovers from the loss of power");
        Photo { image, mounted }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for mounted in [self.disk(), self.path("outer")] {
            let _ = run("umount", &["-l", &text(&mounted)]);
        }
    }
}

impl Photo {
    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.mounted
    }
}

impl Drop for Photo {
    fn drop(&mut self) {
        let _ = run("umount", &[&text(&self.mounted)]);
        let _ = fs::remove_file(&self.image);
        let _ = fs::remove_dir(&self.mounted);
    }
}

fn make_file(path: &Path, octets: u64) -> Result<(), String> {
    File::create(path)
        .and_then(|file| file.set_len(octets))
        .map_err(|error| format!("{} cannot be made ({error})", path.display()))
}

fn mount(image: &Path, directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    run("mount", &["-o", "loop", &text(image), &text(directory)])
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program} cannot be run ({error})"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
