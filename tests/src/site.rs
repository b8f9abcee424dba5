//! A place for one engine after another: a directory, ports and serve options that outlive each of
//! them.

use crate::admin::Admin;
use crate::engine::{Engine, Finished, Programs};
use crate::{cpus, ports, seccomp};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names the driver of every engine under test: `uring` or `poll`; without it they take what the
/// host allows.
const DRIVER_VARIABLE: &str = "HAYAUMA_TEST_IO";
/// So many partitions a thread have all engines that are not told how many.
const PARTITIONS_VARIABLE: &str = "HAYAUMA_TEST_PARTITIONS";

/// The place.
#[derive(Debug)]
pub struct Site {
    programs: Programs,
    directory: tempfile::TempDir,
    push: SocketAddr,
    options: BTreeMap<String, String>,
    repeated: Vec<(String, String)>,
    partitions_a_thread: usize,
}

impl Site {
    /// A fresh directory and free ports; one shard, a small queue and a fast network until told
    /// otherwise.
    ///
    /// # Panics
    /// When the system has no directory or port to give.
    pub fn new(programs: Programs) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("hayauma-test-")
            .tempdir()
            .expect("a temporary directory");
        let push = ports::free_address();
        let partitions = std::env::var(PARTITIONS_VARIABLE).ok();
        let mut site = Self {
            programs,
            directory,
            push,
            options: BTreeMap::new(),
            repeated: Vec::new(),
            partitions_a_thread: partitions.map_or(1, |count| count.parse().expect("a count")),
        };
        let cpu = cpus::spread().to_string();
        for (name, value) in [
            ("--listen", push.to_string().as_str()),
            ("--shards", "1"),
            ("--cpus", &cpu),
            ("--queue-bytes", "64MiB"),
            ("--segment-bytes", "1MiB"),
            ("--pushes-max", "100000"),
            ("--notify-allow", "127.0.0.0/8"),
            ("--network-latency-ms", "2"),
            ("--network-latency-jitter-ms", "1"),
        ] {
            site.set(name, value);
        }
        site.set("--data-dir", &site.data_dir().display().to_string());
        if let Ok(driver) = std::env::var(DRIVER_VARIABLE) {
            site.set("--io", &driver);
        }
        site
    }

    /// Sets an option of `serve` for the starts that follow.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.options.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Takes an option away.
    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.options.remove(name);
        self
    }

    /// Several shards over all CPUs there are.
    pub fn shards(&mut self, count: usize) -> &mut Self {
        self.set("--shards", &count.to_string()).set("--cpus", &cpus::all())
    }

    /// Gives each thread so many slices of the phone numbers.
    ///
    /// # Panics
    /// When there are to be none.
    pub fn partitions_a_thread(&mut self, count: usize) -> &mut Self {
        assert!(count > 0, "a thread has at least one");
        self.partitions_a_thread = count;
        self
    }

    /// How many slices the phone numbers have at the next start: each with a queue of its own.
    ///
    /// # Panics
    /// When an option is no count.
    pub fn partitions(&self) -> usize {
        let count =
            |name| self.options.get(name).map(|count| count.parse::<usize>().expect("a count"));
        let dealt = || count("--shards").unwrap_or(1) * self.partitions_a_thread;
        count("--partitions").unwrap_or_else(dealt)
    }

    /// Rehearses a fault at the next starts; may be said several times.
    pub fn inject(&mut self, fault: &str) -> &mut Self {
        self.repeated.push(("--inject".to_owned(), fault.to_owned()));
        self
    }

    /// Rehearses none any more.
    pub fn inject_nothing(&mut self) -> &mut Self {
        self.repeated.clear();
        self
    }

    /// The directory of everything.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The engine's data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The data directory that the next start would serve.
    fn served_data_dir(&self) -> PathBuf {
        self.options.get("--data-dir").map_or_else(|| self.data_dir(), PathBuf::from)
    }

    /// Where push clients connect.
    pub fn push_address(&self) -> SocketAddr {
        self.push
    }

    /// The admin socket.
    pub fn admin(&self) -> Admin {
        Admin { data_dir: self.served_data_dir() }
    }

    /// A path inside the place.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Uses a line-state file with these lines from the next start on.
    pub fn set_lines<M: std::fmt::Display>(&mut self, lines: &[(M, &str)]) -> &mut Self {
        let path = self.path("lines.csv");
        crate::lines::write(&path, lines);
        self.set("--network-line-states", &path.display().to_string())
    }

    /// The arguments of `serve`.
    pub fn serve_arguments(&self) -> Vec<String> {
        let options =
            self.options.iter().chain(self.repeated.iter().map(|(name, value)| (name, value)));
        let mut arguments = vec!["serve".to_owned()];
        arguments.extend(options.map(|(name, value)| format!("{name}={value}")));
        if self.partitions_a_thread > 1 && !self.options.contains_key("--partitions") {
            arguments.push(format!("--partitions={}", self.partitions()));
        }
        arguments
    }

    /// Starts an engine and waits until it serves.
    ///
    /// # Panics
    /// When it does not come up; what it said is told.
    #[track_caller]
    pub fn start(&self) -> Engine {
        self.start_command(self.command(&self.serve_arguments()))
    }

    /// Starts an engine that may not use what this seccomp profile forbids, and waits until it
    /// serves.
    ///
    /// # Panics
    /// As [`Site::start`].
    #[track_caller]
    pub fn start_without(&self, profile: &str) -> Engine {
        let mut command = self.command(&self.serve_arguments());
        command.env(seccomp::VARIABLE, profile);
        self.start_command(command)
    }

    /// Starts an engine by a command that ends in this place's `serve` and waits until it serves.
    ///
    /// # Panics
    /// As [`Site::start`].
    #[track_caller]
    pub fn start_command(&self, command: Command) -> Engine {
        let admin = admin_of(&command).unwrap_or_else(|| self.admin());
        Engine::start(command, self.push, admin, self.path("engine"))
    }

    /// Starts an engine with these variables in its environment and does not wait until it serves:
    /// it may be meant to die before.
    ///
    /// # Panics
    /// When there is no executable.
    pub fn spawn(&self, environment: &[(&str, &OsStr)]) -> Engine {
        let mut command = self.command(&self.serve_arguments());
        command.envs(environment.iter().copied());
        Engine::spawn(command, self.push, self.admin(), self.path("engine"))
    }

    /// Starts an engine with these streams in place of files and waits until it serves.
    ///
    /// # Panics
    /// As [`Site::start`].
    #[track_caller]
    pub fn start_with_streams(&self, stdout: Stdio, stderr: Stdio) -> Engine {
        let mut command = self.command(&self.serve_arguments());
        command.stdout(stdout).stderr(stderr);
        Engine::start_as_it_is(command, self.push, self.admin(), self.path("engine"))
    }

    /// Runs `serve` where it is expected to end by itself, with `more` arguments behind the usual
    /// ones.
    ///
    /// # Panics
    /// When it does not end in time.
    #[track_caller]
    pub fn serve_and_fail(&self, more: &[&str]) -> Finished {
        let mut arguments = self.serve_arguments();
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        Finished::of(self.command(&arguments), "serve")
    }

    /// Runs another command of the engine on the data directory.
    ///
    /// # Panics
    /// When it does not end in time.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = self.command(arguments);
        command.arg("--data-dir").arg(self.data_dir());
        Finished::of(command, &arguments.join(" "))
    }

    /// Runs another command of the engine, which must succeed, and gives its output.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn must(&self, arguments: &[&str]) -> String {
        let finished = self.run(arguments);
        assert_eq!(finished.status, Some(0), "{}: {}", arguments.join(" "), finished.stderr);
        finished.stdout
    }

    /// Registers the XPID with these further arguments of `client add`.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn add_client(&self, xpid: &str, more: &[&str]) {
        let of_broadcasts = ["--broadcasts", "class"];
        let arguments = [
            &["client", "add", xpid, "--client", "tests", "--sender", "Hayauma"],
            &of_broadcasts[..],
            more,
        ]
        .concat();
        self.must(&arguments);
    }

    /// A file that holds this token, for `--token-file`.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn token_file(&self, token: &str) -> String {
        let path = self.path(&format!("token-{token}"));
        std::fs::write(&path, token).expect("a writable directory");
        path.display().to_string()
    }

    /// Contracts the XPID with msns and ranges of msns.
    ///
    /// # Panics
    /// When they are refused.
    #[track_caller]
    pub fn add_contracts(&self, xpid: &str, msns: &[&str]) {
        self.must(&[&["contract", "add", xpid], msns].concat());
    }

    /// The engine's executable with these arguments, its environment free of settings.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(self.programs.engine);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HAYAUMA_") {
                command.env_remove(name);
            }
        }
        command.args(arguments).current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }
}

/// The admin socket in the data directory that a command names last.
fn admin_of(command: &Command) -> Option<Admin> {
    let arguments: Vec<&str> = command.get_args().filter_map(OsStr::to_str).collect();
    let named = arguments.iter().enumerate().rev().find_map(|(at, argument)| {
        let next = || arguments.get(at + 1).copied().filter(|_| *argument == "--data-dir");
        argument.strip_prefix("--data-dir=").or_else(next)
    });
    named.map(|data_dir| Admin { data_dir: data_dir.into() })
}
