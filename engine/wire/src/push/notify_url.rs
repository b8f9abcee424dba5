//! Where a push client wants its notifications: an `http` or `https` URL, checked once.

use super::limits::NOTIFY_URL_OCTETS_MAX;
use crate::push::response::CONTENT_TYPE;
use std::net::Ipv6Addr;

const HTTP: &str = "http://";
const HTTPS: &str = "https://";

/// A checked notification URL, `http[s]://host[:port][/path[?query]]`, in the pieces that a request
/// needs.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NotifyUrl {
    is_secure: bool,
    authority: String,
    host: String,
    port: u16,
    path: String,
    request_head: String,
}

impl NotifyUrl {
    /// Reads a URL. The port defaults to 80, or 443 for https, and the path to `/`; a query counts
    /// to the path.
    ///
    /// # Errors
    /// One sentence for the operator, naming what is wrong and what to give instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > NOTIFY_URL_OCTETS_MAX {
            return Err(format!(
                "the notification URL is longer than {NOTIFY_URL_OCTETS_MAX} octets; shorten it"
            ));
        }
        let is_secure = has_scheme(text, HTTPS);
        if !is_secure && !has_scheme(text, HTTP) {
            return Err("the notification URL must begin with https:// or http://, as in \
                 https://client.example/notify"
                .to_owned());
        }
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(
                "the notification URL may hold printable ASCII without blanks only; percent-encode \
                 the rest"
                    .to_owned(),
            );
        }
        if text.contains('#') {
            return Err(
                "the notification URL may not have a fragment; leave out the part from # on"
                    .to_owned(),
            );
        }
        let rest = &text[if is_secure { HTTPS.len() } else { HTTP.len() }..];
        let path_at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path_at);
        if authority.contains('@') {
            return Err(
                "the notification URL may not carry a user name or password; leave out the part \
                 before @"
                    .to_owned(),
            );
        }
        let (host, port) = split_authority(authority, if is_secure { 443 } else { 80 })?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let request_head = format!(
            "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: {CONTENT_TYPE}\r\n\
             Content-Length: "
        );
        Ok(Self {
            is_secure,
            authority: authority.to_owned(),
            host: host.to_owned(),
            port,
            path,
            request_head,
        })
    }

    /// Whether it is reached over TLS.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Host and port as the URL gave them: the value of `Host`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The name or address, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What every request to it begins with, up to the value of its last header, Content-Length.
    pub fn request_head(&self) -> &str {
        &self.request_head
    }

    /// The path with its query, beginning with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl std::fmt::Display for NotifyUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_secure { HTTPS } else { HTTP };
        write!(formatter, "{scheme}{}{}", self.authority, self.path)
    }
}

fn has_scheme(text: &str, scheme: &str) -> bool {
    text.as_bytes()
        .get(..scheme.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
}

fn split_authority(authority: &str, usual_port: u16) -> Result<(&str, u16), String> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| {
            "the notification URL's IPv6 address lacks its closing bracket".to_owned()
        })?;
        host.parse::<Ipv6Addr>()
            .map_err(|_| format!("{host} in the notification URL is not an IPv6 address"))?;
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':').unwrap_or("")) };
        (host, port)
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() || !host.bytes().all(is_host_octet) {
        return Err(
            "the notification URL needs a host name or address, as in http://127.0.0.1:9000/notify"
                .to_owned(),
        );
    }
    let port = match port {
        None => usual_port,
        Some(digits) => digits
            .bytes()
            .all(|digit| digit.is_ascii_digit())
            .then(|| digits.parse().ok())
            .flatten()
            .filter(|&port| port != 0)
            .ok_or_else(|| {
                "the notification URL's port must be a number from 1 to 65535".to_owned()
            })?,
    };
    Ok((host, port))
}

fn is_host_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_' | b':')
}

#[cfg(test)]
mod tests {
    use super::NotifyUrl;

    #[test]
    fn a_url_comes_apart_and_together() {
        for (text, host, port, path) in [
            ("http://127.0.0.1:9000/notify", "127.0.0.1", 9000, "/notify"),
            ("http://push.example", "push.example", 80, "/"),
            ("HTTP://push.example:8080", "push.example", 8080, "/"),
            ("http://[::1]:9000/a/b?c=d&e", "::1", 9000, "/a/b?c=d&e"),
            ("http://[2001:db8::1]", "2001:db8::1", 80, "/"),
            ("http://h?q", "h", 80, "/?q"),
            ("https://push.example", "push.example", 443, "/"),
            ("HTTPS://push.example:8443/a", "push.example", 8443, "/a"),
            ("https://[::1]/a", "::1", 443, "/a"),
        ] {
            let url = NotifyUrl::parse(text).expect(text);
            assert_eq!((url.host(), url.port(), url.path()), (host, port, path), "{text}");
            assert_eq!(NotifyUrl::parse(&url.to_string()).as_ref(), Ok(&url), "{text}");
        }
        let url = NotifyUrl::parse("http://[::1]:9000/a?b").expect("valid");
        assert_eq!(url.authority(), "[::1]:9000");
        let head = "POST /a?b HTTP/1.1\r\nHost: [::1]:9000\r\n\
            Content-Type: text/xml; charset=UTF-8\r\nContent-Length: ";
        assert_eq!(url.request_head(), head);
    }

    #[test]
    fn a_wrong_url_is_refused_in_one_sentence() {
        let long = format!("http://h/{}", "x".repeat(600));
        for wrong in [
            "",
            "notify",
            "https:/push.example/",
            "https://",
            "ftp://push.example/",
            "http://",
            "http:///notify",
            "http://:80/",
            "http://h:/",
            "http://h:0/",
            "http://h:65536/",
            "http://h:+80/",
            "http://h:80:80/",
            "http://user:pass@h/",
            "http://h/a b",
            "http://h/\r\nHost: x",
            "http://h/#f",
            "http://[::1",
            "http://[::1]x/",
            "http://[h]/",
            "http://日本/",
            long.as_str(),
        ] {
            let sentence = NotifyUrl::parse(wrong).expect_err(wrong);
            assert!(!sentence.is_empty() && !sentence.contains('\n'), "{sentence}");
        }
        assert!(NotifyUrl::parse("https://h/").is_ok_and(|url| url.is_secure()));
    }
}
