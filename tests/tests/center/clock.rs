//! The wall clock is set while the engine serves. The clock is faked (libfaketime); where it is not
//! installed these tests say so and check nothing.

use super::{accepted, await_figure, msn};
use std::path::{Path, PathBuf};
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;

/// Where distributions put the library.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// A wall clock that a test sets.
struct Clock {
    library: &'static str,
    file: PathBuf,
}

impl Clock {
    fn new(site: &Site) -> Option<Self> {
        let Some(library) = LIBRARIES.into_iter().find(|library| Path::new(library).exists())
        else {
            println!(
                "skipped: no libfaketime on this machine, so no test can set the clock of an engine"
            );
            return None;
        };
        let clock = Self { library, file: site.path("clock") };
        clock.set("+0");
        Some(clock)
    }

    /// Sets it to so much from the real time.
    fn set(&self, offset: &str) {
        let fresh = self.file.with_extension("new");
        std::fs::write(&fresh, format!("{offset}\n")).expect("a writable directory");
        std::fs::rename(&fresh, &self.file).expect("a writable directory");
    }

    fn start(&self, site: &Site) -> tests::engine::Engine {
        let mut command = site.command(&site.serve_arguments());
        command
            .env("LD_PRELOAD", self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        site.start_command(command)
    }
}

#[test]
fn a_clock_that_is_set_forgets_no_key_stops_no_rate_and_holds_up_no_delivery() {
    let recorder = Recorder::start();
    let mut site = Site::new(tests::programs!());
    site.set("--network-latency-ms", "20");
    let Some(clock) = Clock::new(&site) else { return };
    site.add_client(XPID, &["--notify-url", &recorder.url(), "--rate", "5"]);
    site.add_contracts(XPID, &[&format!("{}-{}", msn(0), msn(99))]);
    let engine = clock.start(&site);
    let mut connection = engine.connect();
    for (number, offset) in ["+0", "-1h", "+26h", "-30h"].into_iter().enumerate() {
        clock.set(offset);
        let push = Body::push(&msn(number as u64), "once").with("lifetime", "02").request();
        // The rate has room again within a second, whatever the clock shows.
        let answer = tests::wait::until("a push that is taken", || {
            let answer = connection.ask(&push);
            (answer.code() != "8001").then_some(answer)
        });
        accepted(&answer);
        await_figure(&engine, "pushes_delivered", number as u64 + 1);
        assert_eq!(recorder.await_count(number + 1)[number].gist(), ("0301", "0000"));
        for before in 0..=number {
            let repeat = Body::push(&msn(before as u64), "once").with("lifetime", "02").request();
            let answer = connection.ask(&repeat);
            assert_eq!(
                answer.code(),
                "0001",
                "push {before} again, the clock at {offset}: {answer:?}"
            );
        }
    }
    engine.stop();
}
