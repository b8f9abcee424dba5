//! A peer's program: found, started, listened to.

use simd_json::OwnedValue;
use simd_json::prelude::{ValueAsArray, ValueAsObject, ValueAsScalar, ValueObjectAccess};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;
use tests::skips::skip;
use tests::wait;

/// How long a script may take in all.
const ENDS_WITHIN: Duration = Duration::from_secs(90);

/// A program that runs scripts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Runner {
    /// Python in the environment of this name.
    Python(&'static str),
    Node,
    Perl,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// Where the packages are.
fn packages() -> PathBuf {
    let named = std::env::var_os("HAYAUMA_PEERS").map(PathBuf::from);
    root().join(named.unwrap_or_else(|| "target/peers".into()))
}

impl Runner {
    /// A command that runs `script` of `tests/peers`; `None`, with a sentence, where `package` is
    /// not installed.
    pub(super) fn script(self, package: &str, script: &str) -> Option<Command> {
        let packages = packages();
        let (mut command, check) = match self {
            Self::Python(environment) => {
                let mut command = Command::new(packages.join(environment).join("bin/python"));
                // Nothing is written beside the scripts.
                command.arg("-B");
                (command, ["-c".to_owned(), format!("import {package}")])
            }
            Self::Node => {
                let mut command = Command::new("node");
                command.env("NODE_PATH", packages.join("node/node_modules"));
                (command, ["-e".to_owned(), format!("require('{package}')")])
            }
            Self::Perl => (Command::new("perl"), [format!("-M{package}"), "-e1".to_owned()]),
        };
        let mut probe = Command::new(command.get_program());
        probe.args(check).envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let found = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            skip(format_args!("{package} is not installed, tests/peers/install installs it"));
            return None;
        }
        command.arg(root().join("tests/peers").join(script)).current_dir(root());
        Some(command)
    }
}

/// What an ESME's script saw.
#[derive(Debug)]
pub(super) struct Seen(OwnedValue);

impl Seen {
    /// Runs `command` to its end and reads its last line.
    #[track_caller]
    pub(super) fn by(mut command: Command) -> Self {
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = Running(child.expect("the program starts"));
        // Its words are few: no pipe fills up.
        wait::until_within(ENDS_WITHIN, "the script's end", || {
            child.0.try_wait().expect("a child")
        });
        let (mut text, mut errors) = (String::new(), String::new());
        child.0.stdout.take().expect("piped").read_to_string(&mut text).expect("UTF-8");
        child.0.stderr.take().expect("piped").read_to_string(&mut errors).expect("UTF-8");
        let line = text.lines().next_back().unwrap_or_default().to_owned();
        match simd_json::to_owned_value(&mut line.into_bytes()) {
            Ok(value) => Self(value),
            Err(fault) => panic!("{fault}: {text} {errors}"),
        }
    }

    /// The number under `name`.
    #[track_caller]
    pub(super) fn number(&self, name: &str) -> u64 {
        let value = self.0.get(name).and_then(|value| value.as_u64());
        value.unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// The texts in the list under `name`.
    #[track_caller]
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let list = self.0.get(name).and_then(|value| value.as_array()).expect(name);
        list.iter().map(word).collect()
    }

    /// The names and texts under `name`, ascending.
    #[track_caller]
    pub(super) fn map(&self, name: &str) -> Vec<(String, String)> {
        let map = self.0.get(name).and_then(|value| value.as_object()).expect(name);
        let mut all: Vec<_> = map.iter().map(|(key, value)| (key.clone(), word(value))).collect();
        all.sort();
        all
    }
}

fn word(value: &OwnedValue) -> String {
    value.as_str().map_or_else(|| value.as_u64().unwrap_or_default().to_string(), str::to_owned)
}

/// A child that is killed when dropped.
#[derive(Debug)]
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A peer's SMSC, which ends with its input.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    child: Running,
    input: Option<ChildStdin>,
}

impl Listening {
    /// Starts `command` and waits until it says where it listens.
    #[track_caller]
    pub(super) fn start(mut command: Command) -> Self {
        let child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = Running(child.expect("the program starts"));
        let input = child.0.stdin.take();
        let mut line = String::new();
        let mut output = BufReader::new(child.0.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("UTF-8");
        let port = line.trim().strip_prefix("listening ").and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("it says {line:?}"));
        Self { address: SocketAddr::from(([127, 0, 0, 1], port)), child, input }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        drop(self.input.take());
        // Given a moment it ends in order; else it is killed.
        let deadline = std::time::Instant::now() + Duration::from_secs(2);
        while matches!(self.child.0.try_wait(), Ok(None)) && std::time::Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}
