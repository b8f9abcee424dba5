//! The signals of an engine: SIGTERM and SIGINT drain it, or end a start that is not done yet;
//! SIGHUP has it read its certificates anew, and those that other programs take as a message mean
//! nothing to it and never end it.
//!
//! SIGQUIT and the signals of faults keep what the system does: a person who asks for a core gets
//! one.

use crate::control::engine::Engine;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::{Arc, OnceLock};

/// Those that end a process that says nothing about them; the real-time signals do too. With
/// SIGXFSZ ignored, a file that may not grow is an error of the write; with SIGTTOU, a terminal
/// does not stop an engine that logs to it.
const IGNORED: [i32; 11] = [
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGPIPE,
    libc::SIGSTKFLT,
    libc::SIGTTOU,
    libc::SIGXFSZ,
];

/// The thread that hears signals; it lives as long as the process.
pub struct Listener {
    engine: Arc<OnceLock<Arc<dyn Engine>>>,
    reload: Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>,
}

impl Listener {
    /// Begins to hear. Until there is an engine to drain, SIGTERM and SIGINT end the process at
    /// once, with status 0: nothing was begun that the next start does not find, and whatever a
    /// start changes in the directory it may be interrupted at, as by a crash.
    ///
    /// # Errors
    /// What the system said.
    pub fn start() -> io::Result<Self> {
        ignore_messages();
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        let engine: Arc<OnceLock<Arc<dyn Engine>>> = Arc::default();
        let drained = Arc::clone(&engine);
        let reload: Arc<OnceLock<Box<dyn Fn() + Send + Sync>>> = Arc::default();
        let reloaded = Arc::clone(&reload);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                match (signal, drained.get()) {
                    (SIGHUP, _) => match reloaded.get() {
                        Some(reload) => reload(),
                        None => tracing::warn!(
                            "SIGHUP: there is nothing to reload; settings count from the next \
                             start on"
                        ),
                    },
                    // The order first: nothing that is said may hold it up.
                    (_, Some(engine)) => {
                        engine.stop();
                        tracing::info!("draining");
                    }
                    (_, None) => {
                        tracing::info!("stopped before the start was done");
                        host::fatal::end_as_asked();
                    }
                }
            }
        })?;
        Ok(Self { engine, reload })
    }

    /// From now on SIGHUP does this, on the thread that hears signals.
    pub fn reloads(&self, reload: impl Fn() + Send + Sync + 'static) {
        let _ = self.reload.set(Box::new(reload));
    }

    /// From now on SIGTERM and SIGINT drain this engine.
    pub fn drains(&self, engine: Arc<dyn Engine>) {
        let _ = self.engine.set(engine);
    }
}

fn ignore_messages() {
    for signal in IGNORED.into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX()) {
        // SAFETY: ignoring a signal runs no code of ours; one that the system refuses stays as it
        // is.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}
