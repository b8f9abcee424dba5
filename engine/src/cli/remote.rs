//! The admin port of an engine on another host, or on this one: its URL, and connections to it.
//!
//! A token is shown to nobody but the engine that the URL names: over TLS after its certificate was
//! found good, in plain text to this host alone.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::CliError;
use super::admin_stream::AdminStream;
use crate::io::tls::{AdminTrust, CallingFiles};
use host::address::Address;

/// How long a connection, and each step of its handshake, may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Ports where a URL names none.
const PORTS: [(&str, u16); 2] = [("https://", 443), ("http://", 80)];

/// `https://HOST:PORT`, or `http://` to this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct AdminUrl {
    secure: bool,
    host: String,
    address: Address,
}

impl FromStr for AdminUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{why}: use https://HOST:PORT");
        let found =
            PORTS.iter().find_map(|(scheme, port)| Some((text.strip_prefix(scheme)?, port)));
        let (authority, default) = found.ok_or_else(|| wrong("this is no URL of an admin port"))?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains('@') {
            return Err(wrong("a URL holds no secret, which belongs into a file"));
        }
        if authority.contains(['/', '?', '#']) {
            return Err(wrong("an admin port's URL ends with the port"));
        }
        let has_port = authority.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
        let address: Result<Address, String> =
            if has_port { authority.parse() } else { format!("{authority}:{default}").parse() };
        let address = address?;
        let host = address.host().ok_or_else(|| wrong("this URL names no host"))?;
        let secure = text.starts_with("https://");
        if !secure && !address.is_loopback() {
            return Err("over http:// the token would be seen by whoever sees the network: use \
                        https://, and http:// to 127.0.0.1, [::1] or localhost alone"
                .to_owned());
        }
        Ok(Self { secure, host, address })
    }
}

impl std::fmt::Display for AdminUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(formatter, "{scheme}://{}", self.address)
    }
}

/// An admin port, and whom a command trusts there.
pub(super) struct Remote {
    url: AdminUrl,
    trust: Option<AdminTrust>,
}

impl Remote {
    /// Reads the files that say whom to trust and what to show.
    ///
    /// # Errors
    /// One that cannot be used.
    pub(super) fn new(
        url: AdminUrl,
        authorities: Option<PathBuf>,
        shown: Option<(PathBuf, PathBuf)>,
    ) -> Result<Self, CliError> {
        if !url.secure && (authorities.is_some() || shown.is_some()) {
            return Err(CliError::new(format!(
                "{url} speaks plain text, in which there are no certificates: use https://, or \
                 leave --admin-ca, --admin-cert and --admin-key out"
            )));
        }
        let files = CallingFiles { authorities, shown };
        let trust = url.secure.then(|| AdminTrust::read(&files)).transpose();
        let trust = trust.map_err(|error| CliError::new(error.to_string()))?;
        Ok(Self { url, trust })
    }

    /// The URL.
    pub(super) fn url(&self) -> &AdminUrl {
        &self.url
    }

    /// Connects; over TLS to the engine that the URL names, or not at all.
    ///
    /// # Errors
    /// Cause and remedy.
    pub(super) fn connect(&self) -> Result<AdminStream, CliError> {
        let url = &self.url;
        let unreachable = |error: std::io::Error| {
            CliError::new(format!(
                "the admin port {url} cannot be reached ({error}): check host and port, and that \
                 the engine was started with --admin there"
            ))
        };
        let to = url.address.resolve().map_err(unreachable)?;
        let socket = TcpStream::connect_timeout(&to, CONNECT_WITHIN).map_err(unreachable)?;
        let Some(trust) = &self.trust else { return Ok(AdminStream::Plain(socket)) };
        let limit = Some(CONNECT_WITHIN);
        socket
            .set_read_timeout(limit)
            .and_then(|()| socket.set_write_timeout(limit))
            .map_err(unreachable)?;
        trust
            .secure(&self.url.host, socket)
            .map(|stream| AdminStream::Secure(stream.into()))
            .map_err(|error| {
                let cause = match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => "it does not answer".to_owned(),
                    _ => error.to_string(),
                };
                CliError::new(format!(
                    "nothing was sent to {url}, for {cause}: call it by the name that its \
                     certificate is made for, name the certificate's authority with --admin-ca, or \
                     renew the certificate"
                ))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_admin_ports_print_what_they_read_and_others_are_refused_in_one_sentence() {
        for (text, printed) in [
            ("https://sms.example:8443", "https://sms.example:8443"),
            ("https://SMS.example:8443/", "https://sms.example:8443"),
            ("https://sms.example", "https://sms.example:443"),
            ("https://[2001:db8::1]:9", "https://[2001:db8::1]:9"),
            ("https://[::1]", "https://[::1]:443"),
            ("http://localhost:8081", "http://localhost:8081"),
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
            ("http://[::1]:8081", "http://[::1]:8081"),
        ] {
            assert_eq!(text.parse::<AdminUrl>().map(|url| url.to_string()), Ok(printed.into()));
        }
        for (text, part) in [
            ("sms.example:8443", "https://HOST:PORT"),
            ("ftp://sms.example", "https://HOST:PORT"),
            ("https://", "no host"),
            ("https://:8443", "no host"),
            ("https://me:secret@sms.example:1", "no secret"),
            ("https://sms.example:1/status", "ends with the port"),
            ("https://sms.example:1?token=a", "ends with the port"),
            ("https://sms.example:99999", "65535"),
            ("http://sms.example:8081", "use https://"),
            ("http://192.0.2.1:8081", "use https://"),
            ("http://0.0.0.0:8081", "use https://"),
            ("http://localhost.example:8081", "use https://"),
        ] {
            let refused = text.parse::<AdminUrl>().expect_err(text);
            assert!(refused.contains(part), "{text}: {refused}");
            assert!(!refused.contains("secret@") && !refused.contains('\n'), "{refused}");
        }
    }
}
