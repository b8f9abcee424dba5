//! Where a run sends to: an address, or a URL whose scheme says whether TLS is spoken.

use host::address::Address;
use std::net::SocketAddr;

/// The path that push requests go to.
const PATH: &str = "/smsgw/";

/// A target as it was named, its host looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Where to connect.
    pub address: SocketAddr,
    /// The host's name, or its address: what a certificate has to be made for.
    pub host: String,
    /// Whether it was named as `https://`.
    pub is_secure: bool,
}

impl Target {
    /// Reads `HOST:PORT`, `:PORT` on this host, `http://HOST[:PORT]` or `https://HOST[:PORT]`, and
    /// looks the host up. A path may be the interface's own.
    ///
    /// # Errors
    /// One sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (is_secure, rest, default_port) =
            match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
                (Some(rest), _) => (true, rest, Some(443)),
                (_, Some(rest)) => (false, rest, Some(80)),
                _ => (false, text, None),
            };
        let authority = match default_port {
            Some(_) => without_path(rest)?,
            None => rest,
        };
        if default_port.is_some() && (authority.is_empty() || authority.starts_with(':')) {
            return Err(format!("{text} names no host: use https://HOST:PORT."));
        }
        let named = match default_port {
            Some(port) if !has_port(authority) => format!("{authority}:{port}"),
            _ => authority.to_owned(),
        };
        let address: Address = named.parse()?;
        let found = address.resolve();
        let found =
            found.map_err(|error| format!("the host of {address} is not known ({error})."))?;
        Ok(Self { address: found, host: address.host_name(), is_secure })
    }
}

/// The host and port of what follows a URL's scheme.
fn without_path(rest: &str) -> Result<&str, String> {
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if ["", "/", PATH, PATH.trim_end_matches('/')].contains(&path) {
        Ok(authority)
    } else {
        Err(format!("pushes go to {PATH} of a gateway, not to {path}: leave the path away."))
    }
}

/// Whether a port is named behind the host.
fn has_port(authority: &str) -> bool {
    let behind_ipv6 = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    behind_ipv6.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_named_as_an_address_or_as_a_url() {
        for (text, address, host, is_secure) in [
            ("127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1", false),
            (":8080", "127.0.0.1:8080", "localhost", false),
            ("http://127.0.0.1", "127.0.0.1:80", "127.0.0.1", false),
            ("https://127.0.0.1", "127.0.0.1:443", "127.0.0.1", true),
            ("https://127.0.0.1:8443/smsgw/", "127.0.0.1:8443", "127.0.0.1", true),
            ("https://127.0.0.1/", "127.0.0.1:443", "127.0.0.1", true),
            ("https://[::1]", "[::1]:443", "::1", true),
            ("https://[::1]:9/smsgw", "[::1]:9", "::1", true),
        ] {
            let address = address.parse().expect("an address");
            let expected = Target { address, host: host.to_owned(), is_secure };
            assert_eq!(Target::parse(text), Ok(expected), "{text}");
        }
        let named = Target::parse("https://LocalHost:8443").expect("known");
        assert_eq!((named.host.as_str(), named.address.port()), ("localhost", 8443));
        for (text, part) in [
            ("127.0.0.1", "HOST:PORT"),
            ("https://127.0.0.1/other", "leave the path away"),
            ("https://", "HOST:PORT"),
            ("ftp://127.0.0.1:1", "HOST:PORT"),
            ("https://nowhere.invalid", "not known"),
        ] {
            let refused = Target::parse(text).expect_err(text);
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }
}
