//! The power-cut rig: a disk whose content can be photographed at any instant, without a kernel
//! module.
//!
//! A file on this host's disk holds an XFS with reflinks, mounted by a loop device; on it lies
//! `disk.img`, and in that, by a second loop device, an ext4 with the engine's data directory. `cp
//! --reflink=always disk.img photo.img` is then what the "disk" held at that instant: what the
//! engine had stored and the file system not yet written is not in it.
//!
//! Everything is mounted in a mount namespace of the calling thread alone, so that nothing stays
//! behind however the test ends. It takes the superuser and loop devices. Where there is no
//! `mkfs.xfs` the outer file system is an ext4, which stands still while `disk.img` is copied.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::seeded::Seeded;

/// Room of the outer file; it takes only what is written.
const OUTER_OCTETS: u64 = 4 << 30;
/// Room of the engine's disk.
const DISK_OCTETS: u64 = 512 << 20;
/// The longest that the device stands still.
const FROZEN_SECONDS_MAX: u32 = 20;
/// What a device writes whole or not at all.
const SECTOR_OCTETS: usize = 512;
/// Tries for a picture of a device that stands still.
const PICTURES_MAX: u32 = 3;

/// Files by their paths on the disk, and what they hold.
type Contents = Vec<(PathBuf, Vec<u8>)>;

/// The rig.
#[derive(Debug)]
pub struct Rig {
    root: tempfile::TempDir,
    photos: u32,
    /// Whether a photograph costs no copy.
    reflinks: bool,
}

/// The disk as it was at one instant, mounted.
#[derive(Debug)]
pub struct Photo {
    image: PathBuf,
    mounted: PathBuf,
}

impl Rig {
    /// Sets up the rig for the calling thread and whatever it starts from now on; `Err` says what
    /// this host lacks.
    ///
    /// # Errors
    /// The sentence to print when the tests are skipped.
    pub fn set_up() -> Result<Self, String> {
        for tool in ["mkfs.ext4", "losetup", "fsfreeze"] {
            let found = Command::new(tool).arg("-V").output();
            found.map_err(|error| format!("{tool} cannot be run ({error})"))?;
        }
        if !Path::new("/dev/loop-control").exists() {
            return Err("this host has no loop devices".to_owned());
        }
        // SAFETY: no memory is involved; the thread gets a mount namespace of its own, which its
        // children inherit.
        if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
            let error = std::io::Error::last_os_error();
            return Err(format!("this user may not mount file systems ({error})"));
        }
        run("mount", &["--make-rprivate", "/"])?;
        let root = tempfile::Builder::new().prefix("hayauma-rig-").tempdir();
        let root = root.map_err(|error| format!("no temporary directory ({error})"))?;
        let reflinks = has_xfs();
        let rig = Self { root, photos: 0, reflinks };
        let (outer, disk) = (rig.path("outer.img"), rig.path("outer/disk.img"));
        make_file(&outer, OUTER_OCTETS)?;
        let outer_text = text(&outer);
        match reflinks {
            true => run("mkfs.xfs", &["-q", "-m", "reflink=1", &outer_text])?,
            false => run("mkfs.ext4", &["-q", "-F", &outer_text])?,
        }
        mount(&outer, &rig.path("outer"))?;
        make_file(&disk, DISK_OCTETS)?;
        run(
            "mkfs.ext4",
            &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", &text(&disk)],
        )?;
        mount(&disk, &rig.disk())?;
        Ok(rig)
    }

    /// Where the disk is mounted.
    pub fn disk(&self) -> PathBuf {
        self.path("disk")
    }

    /// What the disk holds at this instant, the device's power cut, and mounted again: the file
    /// system has recovered.
    ///
    /// # Panics
    /// When the rig breaks down.
    pub fn cut(&mut self) -> Photo {
        let image = self.photograph();
        self.develop(image)
    }

    /// As [`Rig::cut`], of a disk on which the device had got any sectors of `directories`' files
    /// onto the medium that were on their way to it, in any order: first the device stops where it
    /// is, so that what is written from then on stands in the file system's memory alone, and no
    /// sync of it comes back. Also returns how many sectors were torn out of how many. `look` is
    /// called last while it stands, again if the picture has to be: what is acknowledged by then
    /// must be in it.
    ///
    /// # Panics
    /// When the rig breaks down.
    pub fn cut_and_tear(
        &mut self,
        directories: &[&str],
        chance: &mut Seeded,
        look: &mut dyn FnMut(),
    ) -> (Photo, u64, u64) {
        let taken = (0..PICTURES_MAX).find_map(|_| self.standing_still(directories, look));
        let (image, written) = taken.expect("a picture while the device stands still");
        let photo = self.develop(image);
        let (mut torn, mut dirty) = (0, 0);
        for (name, next) in written {
            let path = photo.path().join(name);
            let Ok(mut held) = fs::read(&path) else { continue };
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
            let file = File::options().write(true).open(&path).expect("a writable file");
            file.write_all_at(&held, 0).expect("room for what is there already");
        }
        (photo, torn, dirty)
    }

    /// The disk's image while the device stands still, and what the file system's memory then holds
    /// of the directories' files. `None`, and nothing kept: it took so long that the device went on
    /// by itself, for a file whose page was not in memory after all has to be waited for until
    /// then.
    fn standing_still(
        &mut self,
        directories: &[&str],
        look: &mut dyn FnMut(),
    ) -> Option<(PathBuf, Contents)> {
        self.photos += 1;
        let image = self.path(&format!("photo-{}.img", self.photos));
        // Opened before: while the device stands still, whoever changes a directory keeps it
        // locked.
        let open: Vec<(PathBuf, File)> =
            directories.iter().flat_map(|name| self.files(name)).collect();
        // Read before, too: what is not in memory yet no device that stands still would bring.
        for (_, file) in &open {
            content(file);
        }
        let mut frozen = Frozen::new(self.path("outer"));
        let disk = text(&self.path("outer/disk.img"));
        run("cp", &["--sparse=always", &disk, &text(&image)]).expect("room for a copy of the disk");
        let written = open.into_iter().map(|(name, file)| (name, content(&file))).collect();
        look();
        if frozen.still_stands() {
            return Some((image, written));
        }
        eprintln!("a picture took so long that the device went on by itself; it is taken again");
        fs::remove_file(&image).expect("the picture's file");
        None
    }

    /// The files in a directory of the disk, opened, each with its path on the disk. Those with
    /// temporary names are left out: what they hold is of no value, and is written past the memory
    /// that the others are read from.
    fn files(&self, directory: &str) -> Vec<(PathBuf, File)> {
        let names = fs::read_dir(self.disk().join(directory)).expect("a directory of the disk");
        let paths =
            names.map(|entry| Path::new(directory).join(entry.expect("an entry").file_name()));
        let paths =
            paths.filter(|path| path.extension().is_none_or(|extension| extension != "tmp"));
        // One that is gone by now is no loss.
        paths
            .filter_map(|path| Some((path.clone(), open_quietly(&self.disk().join(path)).ok()?)))
            .collect()
    }

    fn photograph(&mut self) -> PathBuf {
        self.photos += 1;
        let disk = text(&self.path("outer/disk.img"));
        if self.reflinks {
            let image = self.path(&format!("outer/photo-{}.img", self.photos));
            let copied = run("cp", &["--reflink=always", &disk, &text(&image)]);
            copied.expect("a photograph of the disk");
            return image;
        }
        let image = self.path(&format!("photo-{}.img", self.photos));
        let mut frozen = Frozen::new(self.path("outer"));
        run("cp", &["--sparse=always", &disk, &text(&image)]).expect("room for a copy of the disk");
        assert!(frozen.still_stands(), "a copy took so long that the device went on by itself");
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

/// A file system that takes nothing until this goes, or until its time is over: nothing hangs on it
/// for ever.
struct Frozen {
    mounted: PathBuf,
    guard: Child,
}

impl Frozen {
    fn new(mounted: PathBuf) -> Self {
        let thaw = format!("sleep {FROZEN_SECONDS_MAX}; exec fsfreeze -u '{}'", mounted.display());
        let guard = Command::new("sh").args(["-c", &thaw]).spawn().expect("a shell");
        run("fsfreeze", &["-f", &text(&mounted)]).expect("a file system that can be frozen");
        Self { mounted, guard }
    }

    /// Whether its time is not over yet.
    fn still_stands(&mut self) -> bool {
        matches!(self.guard.try_wait(), Ok(None))
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = run("fsfreeze", &["-u", &text(&self.mounted)]);
        let _ = self.guard.kill();
        let _ = self.guard.wait();
    }
}

/// Opens a file so that reading it changes nothing, not even the time of the last access: that
/// would wait for the device.
fn open_quietly(path: &Path) -> std::io::Result<File> {
    File::options().read(true).custom_flags(libc::O_NOATIME).open(path)
}

fn content(mut file: &File) -> Vec<u8> {
    let mut octets = Vec::new();
    file.rewind().expect("a file that can be read again");
    file.read_to_end(&mut octets).expect("a readable file");
    octets
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

/// Whether there is a file system of which a copy costs nothing. `HAYAUMA_TEST_RIG=ext4` goes
/// without.
fn has_xfs() -> bool {
    let is_unwanted = std::env::var_os("HAYAUMA_TEST_RIG").is_some_and(|kind| kind == "ext4");
    !is_unwanted && Command::new("mkfs.xfs").arg("-V").output().is_ok()
}

fn make_file(path: &Path, octets: u64) -> Result<(), String> {
    File::create(path)
        .and_then(|file| file.set_len(octets))
        .map_err(|error| format!("{} cannot be made ({error})", path.display()))
}

fn mount(image: &Path, directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    // Without access times: a file is read while the device stands still.
    run("mount", &["-o", "loop,noatime", &text(image), &text(directory)])
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program} cannot be run ({error})"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{program} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
