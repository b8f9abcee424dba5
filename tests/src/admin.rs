//! The admin socket as an operator's script uses it.

use crate::http::{Answer, Connection};
use crate::wait;
use hayauma::control::admin::EngineStatus;
use std::path::PathBuf;

/// Speaks to the admin socket of an engine, one connection for each request.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The engine's data directory, in which the socket is.
    pub data_dir: PathBuf,
}

impl Admin {
    /// As this process sees its data directory, which may be in a mount namespace of its own.
    pub(crate) fn of_process(&self, process: u32) -> Self {
        let data_dir = format!("/proc/{process}/root{}", self.data_dir.display()).into();
        Self { data_dir }
    }

    /// Whether the engine says that it is healthy.
    pub fn is_healthy(&self) -> bool {
        self.try_request("GET", "/healthz", "").is_some_and(|answer| answer.status() == 200)
    }

    /// Connects; `None` when nobody listens.
    pub fn try_connect(&self) -> Option<Connection> {
        Connection::try_open_admin(&self.data_dir).ok()
    }

    /// Sends a request and reads the answer; `None` when nobody answers.
    pub fn try_request(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        let mut connection = self.try_connect()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             X-Hayauma-Order: 1\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.try_send(request.as_bytes()).ok()?;
        connection.try_answer().ok().flatten()
    }

    /// Sends a request that must succeed.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, body: &str) -> Answer {
        let answer = self.try_request(method, path, body);
        let answer =
            answer.unwrap_or_else(|| panic!("the admin port does not answer {method} {path}"));
        assert!(
            (200..300).contains(&answer.status()),
            "{method} {path}: {} {}",
            answer.status_line,
            answer.text()
        );
        answer
    }

    /// The engine's state.
    ///
    /// # Panics
    /// When the admin port does not tell it.
    #[track_caller]
    pub fn status(&self) -> EngineStatus {
        read_status(&self.request("GET", "/status", ""))
    }

    /// The engine's state; `None` when nobody answers.
    ///
    /// # Panics
    /// When something else comes than a state.
    #[track_caller]
    pub fn try_status(&self) -> Option<EngineStatus> {
        self.try_request("GET", "/status", "").map(|answer| read_status(&answer))
    }

    /// Waits until everything that the engine has appended to its journal outlives its death.
    ///
    /// # Panics
    /// When that does not come.
    #[track_caller]
    pub fn await_durable(&self) {
        wait::until_true("a durable journal", || {
            let totals = self.status().totals;
            totals
                .get("journal_appended")
                .is_some_and(|appended| totals.get("journal_durable") == Some(appended))
        });
    }

    /// One figure, all shards added up.
    ///
    /// # Panics
    /// When there is no such figure.
    #[track_caller]
    pub fn figure(&self, name: &str) -> u64 {
        let status = self.status();
        let value = status.totals.get(name);
        *value.unwrap_or_else(|| panic!("no figure {name} in {:?}", status.totals.keys()))
    }
}

#[track_caller]
fn read_status(answer: &Answer) -> EngineStatus {
    simd_json::from_slice(&mut answer.body.clone())
        .unwrap_or_else(|error| panic!("/status: {error}"))
}
