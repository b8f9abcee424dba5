//! A wall clock that a test sets under a running engine, by libfaketime. Steady time goes on evenly
//! meanwhile.

use crate::engine::Engine;
use crate::site::Site;
use crate::skips::skip;
use std::path::{Path, PathBuf};

/// Where distributions put the library.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// The clock.
#[derive(Clone, Debug)]
pub struct Clock {
    library: &'static str,
    file: PathBuf,
}

impl Clock {
    /// A clock that shows the real time; `None`, and a word about it, where the library is not
    /// installed.
    pub fn new(site: &Site) -> Option<Self> {
        let Some(library) = LIBRARIES.into_iter().find(|library| Path::new(library).exists())
        else {
            skip("no libfaketime here, so nobody can set the clock of an engine");
            return None;
        };
        let clock = Self { library, file: site.path("clock") };
        clock.set("+0");
        Some(clock)
    }

    /// Sets it to so much from the real time: `-1h`, `+30d`, `+0`.
    ///
    /// # Panics
    /// When the place takes no file.
    pub fn set(&self, offset: &str) {
        let fresh = self.file.with_extension("new");
        std::fs::write(&fresh, format!("{offset}\n")).expect("a writable directory");
        std::fs::rename(&fresh, &self.file).expect("a writable directory");
    }

    /// Starts an engine under this clock.
    ///
    /// # Panics
    /// As [`Site::start`].
    #[track_caller]
    pub fn start(&self, site: &Site) -> Engine {
        let mut command = site.command(&site.serve_arguments());
        command
            .env("LD_PRELOAD", self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        site.start_command(command)
    }
}
