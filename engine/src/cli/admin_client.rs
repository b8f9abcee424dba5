//! The command line's side of the admin doors: documents out and in, by HTTP over the Unix socket
//! of an engine on this host or over the admin port of any.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::unversioned::resolver::DefaultResolver;

use super::CliError;
use super::admin_stream::AdminStream;
use super::admin_transport::{AdminConnector, AdminWay};
use super::remote::Remote;
use crate::control::admin::ORDER_HEADER;
use crate::journal::LockHolder;
use wire::json;

/// How long a change may take in a running engine; a large import is sent in pieces.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest answer that is read, in octets: a hundred thousand contracts or refused lines, ten
/// thousand parked notifications of each shard.
const ANSWER_OCTETS_MAX: u64 = 256 << 20;
/// What stands for the engine in a request's URL: the way leads to it, whatever its name.
const BASE: &str = "http://127.0.0.1";

/// Speaks to an admin door of a running engine.
pub(crate) struct AdminClient {
    agent: ureq::Agent,
    token: Option<String>,
    /// The door in words: `admin socket PATH`, `admin port URL`.
    door: String,
    /// What to say where it does not answer, before and behind the cause.
    silence: [String; 2],
}

/// Octets of a table that are handed on at once.
const TABLE_BLOCK_OCTETS: usize = 1 << 16;

/// No document is expected.
#[derive(serde::Deserialize)]
struct NothingAtAll {}

#[derive(serde::Deserialize)]
struct ErrorDocument {
    error: String,
}

impl AdminClient {
    /// A client of the engine that holds this data directory, connected to by `stream`; under a
    /// token it acts as that.
    pub(super) fn new(
        data_dir: &Path,
        stream: UnixStream,
        holder: LockHolder,
        token: Option<String>,
    ) -> Self {
        let way = AdminWay::Socket(data_dir.to_owned());
        let silence = [
            format!("{holder} holds the data directory but its {way}"),
            "wait until it has started or stopped, then try again".to_owned(),
        ];
        Self::by(way, AdminStream::Socket(stream), token, silence)
    }

    /// A client of the engine behind an admin port, as whoever the token is.
    ///
    /// # Errors
    /// It cannot be reached, or is not who it should be.
    pub(super) fn connect(remote: Remote, token: String) -> Result<Self, CliError> {
        let first = remote.connect()?;
        let way = AdminWay::Port(remote);
        let silence = [
            format!("the {way}"),
            "look whether what was asked is done, then try again".to_owned(),
        ];
        Ok(Self::by(way, first, Some(token), silence))
    }

    fn by(way: AdminWay, first: AdminStream, token: Option<String>, silence: [String; 2]) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(REQUEST_TIMEOUT))
            // No proxy of the environment is shown a token.
            .proxy(None)
            .max_redirects(0)
            .build();
        let door = way.to_string();
        let connector = AdminConnector::new(way, first);
        let agent = ureq::Agent::with_parts(config, connector, DefaultResolver::default());
        Self { agent, token, door, silence }
    }

    /// GETs a document.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.document(self.as_caller(self.agent.get(self.url(path))).call())
    }

    /// POSTs a document and reads the answer's.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, CliError> {
        let body = to_json(document)?;
        let request = self.as_order(self.agent.post(self.url(path)));
        self.document(request.content_type("application/json").send(&body[..]))
    }

    /// PUTs a document and reads the answer's.
    pub(crate) fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, CliError> {
        let body = to_json(document)?;
        let request = self.as_order(self.agent.put(self.url(path)));
        self.document(request.content_type("application/json").send(&body[..]))
    }

    /// PATCHes a document and reads the answer's.
    pub(crate) fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, CliError> {
        let body = to_json(document)?;
        let request = self.as_order(self.agent.patch(self.url(path)));
        self.document(request.content_type("application/json").send(&body[..]))
    }

    /// DELETEs, telling what by path alone.
    pub(crate) fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.document(self.as_order(self.agent.delete(self.url(path))).call())
    }

    /// DELETEs what the document names.
    pub(crate) fn delete_named<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, CliError> {
        let body = to_json(document)?;
        let request = self.as_order(self.agent.delete(self.url(path))).force_send_body();
        self.document(request.content_type("application/json").send(&body[..]))
    }

    /// POSTs CSV lines.
    pub(crate) fn post_csv<T: DeserializeOwned>(
        &self,
        path: &str,
        lines: &[u8],
    ) -> Result<T, CliError> {
        let request = self.as_order(self.agent.post(self.url(path)));
        self.document(request.content_type("text/csv").send(lines))
    }

    /// PUTs or POSTs what a reader gives, as it comes.
    pub(crate) fn send_file<T: DeserializeOwned>(
        &self,
        path: &str,
        is_whole: bool,
        file: &mut dyn Read,
    ) -> Result<T, CliError> {
        let url = self.url(path);
        let request = if is_whole { self.agent.put(url) } else { self.agent.post(url) };
        let request = self.as_order(request).content_type("application/octet-stream");
        self.document(request.send(ureq::SendBody::from_reader(file)))
    }

    /// POSTs parts of a form, as a reader gives them.
    pub(super) fn send_parts<T: DeserializeOwned>(
        &self,
        path: &str,
        boundary: &str,
        parts: &mut dyn Read,
    ) -> Result<T, CliError> {
        let kind = format!("multipart/form-data; boundary={boundary}");
        let request = self.as_order(self.agent.post(self.url(path))).content_type(kind);
        self.document(request.send(ureq::SendBody::from_reader(parts)))
    }

    /// GETs a table of any length and hands it on as it comes.
    pub(crate) fn get_table(
        &self,
        path: &str,
        take: &mut dyn FnMut(&[u8]) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let answer = self.as_caller(self.agent.get(self.url(path))).call();
        let mut answer = match answer {
            Ok(answer) if answer.status().is_success() => answer,
            refused => return self.document::<NothingAtAll>(refused).map(drop),
        };
        let mut reader = answer.body_mut().as_reader();
        let (mut octets, mut rest) = (vec![0; TABLE_BLOCK_OCTETS], Vec::new());
        loop {
            let read = reader.read(&mut octets).map_err(|error| {
                CliError::new(format!("the engine's answer broke off ({error}): ask again"))
            })?;
            if read == 0 {
                return take(&rest);
            }
            rest.extend_from_slice(&octets[..read]);
            // Whole lines only: a character may be cut anywhere.
            if let Some(end) = rest.iter().rposition(|octet| *octet == b'\n') {
                take(&rest[..=end])?;
                rest.drain(..=end);
            }
        }
    }

    /// The request under the token, if there is one.
    fn as_caller<Body>(&self, request: ureq::RequestBuilder<Body>) -> ureq::RequestBuilder<Body> {
        match &self.token {
            Some(token) => request.header("Authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    /// The request as an order: of whatever changes something.
    fn as_order<Body>(&self, request: ureq::RequestBuilder<Body>) -> ureq::RequestBuilder<Body> {
        self.as_caller(request).header(ORDER_HEADER, "1")
    }

    fn url(&self, path: &str) -> String {
        format!("{BASE}{path}")
    }

    fn document<T: DeserializeOwned>(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, CliError> {
        let unreachable = |error: ureq::Error| {
            let [subject, remedy] = &self.silence;
            CliError::new(format!("{subject} does not answer ({error}): {remedy}"))
        };
        let mut answer = answer.map_err(unreachable)?;
        let refused = !answer.status().is_success();
        let mut octets = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_OCTETS_MAX)
            .read_to_vec()
            .map_err(unreachable)?;
        if refused {
            let status = answer.status();
            return Err(match json::read::<ErrorDocument>(&mut octets) {
                Ok(document) => CliError::new(document.error),
                Err(_) => CliError::new(format!(
                    "the {} answered with status {status} and no sentence: is it an engine's?",
                    self.door
                )),
            });
        }
        json::read(&mut octets).map_err(|error| {
            CliError::new(format!(
                "the engine's answer is not what this program expects ({error}): use the same \
                 version for both"
            ))
        })
    }
}

fn to_json(document: &impl Serialize) -> Result<Vec<u8>, CliError> {
    simd_json::to_vec(document)
        .map_err(|error| CliError::new(format!("the request cannot be written as JSON ({error})")))
}
