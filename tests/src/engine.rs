//! A running engine, and a command that has ended.

use crate::admin::Admin;
use crate::http::Connection;
use crate::wait;
use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How long an engine may take to come up, a command to end, a drain to finish.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// Where the executables are; made by [`programs!`](crate::programs).
#[derive(Clone, Copy, Debug)]
pub struct Programs {
    /// The engine.
    pub engine: &'static str,
    /// The load generator.
    pub load: &'static str,
}

/// A running engine; dropping it kills it. It also ends with the thread that started it.
#[derive(Debug)]
pub struct Engine {
    child: Child,
    push: SocketAddr,
    admin: Admin,
    log: PathBuf,
}

impl Engine {
    /// Starts `command` and waits until the engine at these addresses is healthy. What it prints is
    /// appended to files that begin with the path `files`.
    ///
    /// # Panics
    /// When it ends or does not come up in time.
    #[track_caller]
    pub(crate) fn start(
        mut command: Command,
        push: SocketAddr,
        admin: Admin,
        files: PathBuf,
    ) -> Self {
        print_to_files(&mut command, &files);
        Self::start_as_it_is(command, push, admin, files)
    }

    /// As [`Engine::start`]; it prints where `command` says.
    #[track_caller]
    pub(crate) fn start_as_it_is(
        mut command: Command,
        push: SocketAddr,
        admin: Admin,
        files: PathBuf,
    ) -> Self {
        let child = command.spawn().expect("the engine's executable");
        let admin = admin.of_process(child.id());
        let mut engine = Self { child, push, admin, log: files.with_extension("log") };
        wait::until_within(ENDS_WITHIN, "a healthy engine", || {
            if let Some(status) = engine.child.try_wait().expect("a child of this process") {
                panic!("the engine ended while it started ({status}): {}", engine.log());
            }
            engine.admin.is_healthy().then_some(())
        });
        engine
    }

    /// As [`Engine::start`], without waiting: it may be meant to end before it serves.
    pub(crate) fn spawn(
        mut command: Command,
        push: SocketAddr,
        admin: Admin,
        files: PathBuf,
    ) -> Self {
        print_to_files(&mut command, &files);
        let child = command.spawn().expect("the engine's executable");
        let admin = admin.of_process(child.id());
        Self { child, push, admin, log: files.with_extension("log") }
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// When the system does not know.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of this process")
    }

    /// Connects as a push client.
    ///
    /// # Panics
    /// When nobody listens.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.push)
    }

    /// Where push clients connect.
    pub fn push_address(&self) -> SocketAddr {
        self.push
    }

    /// The admin port.
    pub fn admin(&self) -> Admin {
        self.admin.clone()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What this engine and those before it in the same place have said on stderr.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it has not ended.
    ///
    /// # Panics
    /// When the system does not know.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child of this process").is_none()
    }

    /// Ends it by SIGKILL, between one instruction and the next.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn kill(mut self) {
        self.child.kill().expect("a child that may be killed");
        self.child.wait().expect("a child of this process");
    }

    /// Asks it to end by SIGTERM.
    pub fn ask_to_stop(&self) {
        self.signal(libc::SIGTERM);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: no memory is involved; the process is our child and not waited for, so the id is
        // its.
        unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it does not in time.
    #[track_caller]
    pub fn wait(mut self) -> ExitStatus {
        let child = &mut self.child;
        wait::until_within(ENDS_WITHIN, "the engine's end", || {
            child.try_wait().expect("a child of this process")
        })
    }

    /// Asks it to end by SIGTERM and waits.
    ///
    /// # Panics
    /// When it does not end with status 0.
    #[track_caller]
    pub fn stop(self) {
        self.ask_to_stop();
        let log = self.log.clone();
        let status = self.wait();
        assert!(status.success(), "{status}: {}", std::fs::read_to_string(log).unwrap_or_default());
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // An engine that has ended is already waited for, and both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    /// The exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Finished {
    /// Runs `command` to its end.
    ///
    /// # Panics
    /// When it does not end in time.
    #[track_caller]
    pub fn of(mut command: Command, name: &str) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        // Both pipes are emptied while it runs: one that is full would stop it.
        let read = |pipe: Option<Box<dyn std::io::Read + Send>>| {
            std::thread::spawn(move || {
                let mut text = String::new();
                pipe.map(|mut pipe| pipe.read_to_string(&mut text)).transpose().map(|_| text)
            })
        };
        let stdout = read(child.stdout.take().map(|pipe| Box::new(pipe) as _));
        let stderr = read(child.stderr.take().map(|pipe| Box::new(pipe) as _));
        let status = wait::until_within(ENDS_WITHIN, &format!("the end of {name}"), || {
            child.try_wait().expect("a child of this process")
        });
        let text = |thread: std::thread::JoinHandle<std::io::Result<String>>| {
            thread.join().expect("a reader does not panic").expect("output in UTF-8")
        };
        Self { status: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// The refusal that an operator reads: the last line on stderr, checked to be one sentence of
    /// this program and no word of a panic anywhere.
    ///
    /// # Panics
    /// When it is anything else, or the exit status is 0.
    #[track_caller]
    pub fn refusal(&self) -> &str {
        assert!(
            self.status.is_some_and(|status| status != 0),
            "ended with {:?}: {}",
            self.status,
            self.stderr
        );
        assert!(
            !self.stderr.contains("panicked") && !self.stderr.contains("RUST_BACKTRACE"),
            "{}",
            self.stderr
        );
        let mut lines = self.stderr.lines().rev().filter(|line| !line.is_empty());
        lines.next().unwrap_or_else(|| panic!("nothing was said; status {:?}", self.status))
    }
}

fn print_to_files(command: &mut Command, files: &Path) {
    let (out, log) = (files.with_extension("out"), files.with_extension("log"));
    command.stdout(append_to(&out)).stderr(append_to(&log));
}

fn append_to(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("a writable directory")
}
