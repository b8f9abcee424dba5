//! A file that takes its place as a whole: written under a name that nobody looks for, synced, and
//! renamed. A crash leaves what was there before, or what is new.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the name of a file ends that is being written.
const PART: &str = "part";
/// How the name of a file ends whose place another one takes, until that is sure.
const BEFORE: &str = "before";

/// Whether a file was left by a death: nobody looks for it.
pub(super) fn is_left(file: &Path) -> bool {
    file.extension().is_some_and(|found| found == PART || found == BEFORE)
}

/// A new file for reading and writing, under a name that nobody looks for. It goes when it gets no
/// other: on a full device what was not finished takes no room.
pub(super) struct Part {
    /// What is written.
    pub(super) file: File,
    name: PathBuf,
    to: PathBuf,
    /// What was not finished keeps its room.
    stays: bool,
}

impl Part {
    /// What is to stand at `path` once it is whole. Two of the same path are two files.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = path.with_extension(format!("{number}.{PART}"));
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&name)?;
        Ok(Self { file, name, to: path.to_owned(), stays: false })
    }

    /// As [`Self::of`], in the place of a file that is there for it, if it is.
    pub(super) fn in_room(room: &Path, path: &Path) -> io::Result<Self> {
        match File::options().read(true).write(true).open(room) {
            Ok(file) => {
                let (name, to) = (room.to_owned(), path.to_owned());
                Ok(Self { file, name, to, stays: true })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::of(path),
            Err(error) => Err(error),
        }
    }

    /// Gives the file, which was synced, the name of one that it takes the place of. Where it
    /// cannot be made sure that this lasts, the other has its name again: whoever is told that
    /// nothing was done finds nothing done at the next start.
    fn keep_or_undo(self, sync: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
        let before = self.name.with_extension(BEFORE);
        let linked = fs::hard_link(&self.to, &before);
        let folder = self.to.parent();
        if let Err(error) = fs::rename(&self.name, &self.to) {
            drop(linked.map(|()| fs::remove_file(&before)));
            return Err(error);
        }
        let kept = folder.map_or(Ok(()), &sync);
        if kept.is_ok() {
            // One that stays costs room and nothing else.
            drop(linked.map(|()| fs::remove_file(&before)));
            return kept;
        }
        let undone = match linked {
            Ok(()) => fs::rename(&before, &self.to),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::remove_file(&self.to),
            // A file system without links: what is there now stays.
            Err(error) => Err(error),
        };
        // The device may take that by now.
        let undone = undone.and_then(|()| folder.map_or(Ok(()), sync));
        if let Err(error) = undone {
            let path = self.to.display();
            tracing::error!(%path, %error, "what was not done may stand there at the next start");
        }
        kept
    }

    /// Gives the file, which was synced, its name.
    pub(super) fn keep(self) -> io::Result<()> {
        fs::rename(&self.name, &self.to)?;
        self.to.parent().map_or(Ok(()), sync)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.stays {
            // Under its new name it is not here any more.
            let _ = fs::remove_file(&self.name);
        }
    }
}

/// Writes a whole file in the place of another.
pub(super) fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut part = Part::of(path)?;
    part.file.write_all(octets)?;
    part.file.sync_all()?;
    part.keep_or_undo(sync)
}

pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        let files = fs::read_dir(folder).expect("a folder").flatten();
        let mut names: Vec<String> =
            files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_not_sure_to_last_is_undone_so_that_a_refused_start_is_none_later() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("broadcast.json");
        let put = |text: &str, fails: bool| -> io::Result<()> {
            let mut part = Part::of(&path)?;
            part.file.write_all(text.as_bytes())?;
            let fault = || io::Error::other("the device is gone");
            part.keep_or_undo(|_| if fails { Err(fault()) } else { Ok(()) })
        };
        assert!(put("draft", true).is_err());
        assert_eq!(names_in(directory.path()), Vec::<String>::new(), "it never was there");
        put("draft", false).expect("kept");
        assert!(put("started", true).is_err());
        assert_eq!(fs::read_to_string(&path).expect("there"), "draft");
        put("started", false).expect("kept");
        assert_eq!(fs::read_to_string(&path).expect("there"), "started");
        assert_eq!(names_in(directory.path()), ["broadcast.json"]);
        assert!(is_left(Path::new("x.1.before")) && is_left(Path::new("x.1.part")));
    }
}
