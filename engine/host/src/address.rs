//! An address as people write it: `sms.example:8080`, `127.0.0.1:8080`, `[::1]:8080`, `:8080`; and
//! the listeners and connections that are made of it.
//!
//! A name is looked up when it is used, by the system's own look-up, which waits: never on a
//! shard's thread.

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

/// Longest host name, in octets (RFC 1123, section 2.1).
const NAME_OCTETS_MAX: usize = 253;
/// Connections that a listener keeps until they are taken; the kernel cuts it down to what
/// `net.core.somaxconn` allows.
const BACKLOG: i32 = 65_535;
/// How long one of several addresses of a name may take to answer a try.
const TRY_WITHIN: Duration = Duration::from_secs(2);

/// A host and a port.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    host: Host,
    port: u16,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Host {
    /// None was named: every address of this host, or the loopback one to connect to.
    Any,
    Ip(IpAddr),
    Name(String),
}

impl Address {
    /// The port; 0 lets the system choose.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same host with another port.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port }
    }

    /// Whether nobody but this host reaches it, as far as its text says: a name other than
    /// `localhost` may lead anywhere.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Any => false,
            Host::Ip(ip) => ip.is_loopback(),
            Host::Name(name) => name == "localhost",
        }
    }

    /// The host as it was named: an IP address without brackets, or a name; `None` where none was.
    pub fn host(&self) -> Option<String> {
        match &self.host {
            Host::Any => None,
            Host::Ip(ip) => Some(ip.to_string()),
            Host::Name(name) => Some(name.clone()),
        }
    }

    /// The host's name, if it was given by one.
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Name(name) => Some(name),
            _ => None,
        }
    }

    /// The host as a certificate names it: its name, or its IP address; `localhost` where none was
    /// named.
    pub fn host_name(&self) -> String {
        match &self.host {
            Host::Any => "localhost".to_owned(),
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => name.trim_end_matches('.').to_owned(),
        }
    }

    /// Where to connect: of several addresses of a name the first that takes a connection.
    ///
    /// # Errors
    /// When the name is unknown.
    pub fn resolve(&self) -> Result<SocketAddr> {
        let found = match &self.host {
            Host::Any => vec![SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))],
            Host::Ip(ip) => vec![SocketAddr::new(*ip, self.port)],
            Host::Name(name) => look_up(name, self.port)?,
        };
        let answers = |to: &&SocketAddr| TcpStream::connect_timeout(to, TRY_WITHIN).is_ok();
        let several = found.len() > 1;
        let answering = several.then(|| found.iter().find(answers)).flatten();
        let chosen = answering.or_else(|| found.first());
        chosen.copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// What to listen on, in turn; whether every one must be had. `:PORT` is every IPv6 and IPv4
    /// address, or every IPv4 address where the host has no IPv6.
    fn to_listen(&self) -> Result<Wanted> {
        let at = |ip: IpAddr| SocketAddr::new(ip, self.port);
        Ok(match &self.host {
            Host::Any => Wanted::First(vec![
                at(Ipv6Addr::UNSPECIFIED.into()),
                at(Ipv4Addr::UNSPECIFIED.into()),
            ]),
            Host::Ip(ip) => Wanted::Each(vec![at(*ip)]),
            Host::Name(name) => Wanted::Each(look_up(name, self.port)?),
        })
    }
}

/// Which of several addresses are listened on. One whose family the host lacks is passed over as
/// long as another is there.
enum Wanted {
    First(Vec<SocketAddr>),
    Each(Vec<SocketAddr>),
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{address}: {source}")]
pub struct ListenError {
    /// What was tried: the address, or the name that leads to none.
    pub address: String,
    /// What the system said.
    pub source: Error,
}

/// Listens on every address: one listener for each, several for a name with several addresses.
///
/// # Errors
/// The first that cannot be had; no listener is left open then.
pub fn listen_on(addresses: &[Address]) -> std::result::Result<Vec<TcpListener>, ListenError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let failed = |source| ListenError { address: address.to_string(), source };
        let (wanted, first_only) = match address.to_listen().map_err(failed)? {
            Wanted::First(wanted) => (wanted, true),
            Wanted::Each(wanted) => (wanted, false),
        };
        // `[::]` takes IPv4 too, unless that has a listener of its own.
        let any_v4 = |other: &Address| other.host == Host::Ip(Ipv4Addr::UNSPECIFIED.into());
        let apart = addresses.iter().any(|other| any_v4(other) && other.port == address.port);
        let mut lacking = None;
        let had = listeners.len();
        for to in wanted {
            match listen_at(to, apart) {
                Ok(listener) => listeners.push(listener),
                Err(source) if is_lack_of_family(&source) => lacking = Some((to, source)),
                Err(source) => return Err(ListenError { address: to.to_string(), source }),
            }
            if first_only && listeners.len() > had {
                break;
            }
        }
        if let Some((to, source)) = lacking.filter(|_| listeners.len() == had) {
            return Err(ListenError { address: to.to_string(), source });
        }
    }
    Ok(listeners)
}

/// Listens on one address; under `apart` an IPv6 one takes no IPv4 connections.
fn listen_at(address: SocketAddr, apart: bool) -> Result<TcpListener> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, apart)?;
    }
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

fn is_lack_of_family(error: &Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

fn look_up(name: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let mut found: Vec<SocketAddr> = Vec::new();
    for address in (name, port).to_socket_addrs()? {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    Ok(found)
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { host: Host::Ip(address.ip()), port: address.port() }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let refused = |why: &str| {
            format!(
                "{text:?} is not an address ({why}): use HOST:PORT, 127.0.0.1:8080, [::1]:8080 or \
                 :8080"
            )
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(|| refused("it names no port"))?;
        let port = Some(port).filter(|port| port.bytes().all(|octet| octet.is_ascii_digit()));
        let port = port.and_then(|port| port.parse().ok());
        let port = port.ok_or_else(|| refused("the port is no number up to 65535"))?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = match bracketed {
            Some(ip) => {
                let ip: Ipv6Addr = ip.parse().map_err(|_| refused("in brackets stands no IPv6"))?;
                Host::Ip(ip.into())
            }
            None if host.is_empty() => Host::Any,
            None if host.contains(':') => return Err(refused("IPv6 stands in brackets")),
            None => match host.parse::<Ipv4Addr>() {
                Ok(ip) => Host::Ip(ip.into()),
                Err(_) if is_name(host) => Host::Name(host.to_ascii_lowercase()),
                Err(_) => return Err(refused("the host is neither a name nor an IP address")),
            },
        };
        Ok(Self { host, port })
    }
}

/// Whether the text can be a host name: labels of letters, digits, `-` and `_`, and not digits
/// alone.
fn is_name(text: &str) -> bool {
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(legal) && !label.starts_with('-')
    };
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    text.len() <= NAME_OCTETS_MAX
        && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
        && !last.bytes().all(|octet| octet.is_ascii_digit())
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Any => write!(formatter, ":{}", self.port),
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(formatter),
            Host::Name(name) => write!(formatter, "{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn addresses_print_what_they_read_and_others_are_refused() {
        let same = ["127.0.0.1:8080", "[::]:8080", "[::1]:0", ":80", "sms.example:8080", "a_b:1"];
        for text in same {
            assert_eq!(address(text).to_string(), text);
        }
        assert_eq!(address("SMS.Example:1").to_string(), "sms.example:1");
        for text in [
            "",
            "8080",
            "127.0.0.1",
            "::1:8080",
            "[::1]",
            "[127.0.0.1]:1",
            "a:b",
            "a:70000",
            "a:+1",
            "1.2.3:8080",
            "300.1.1.1:80",
            "a b:1",
            "-a:1",
            "a..b:1",
            "http://a:1",
            "[::1:80",
        ] {
            let refused = text.parse::<Address>().expect_err(text);
            assert!(refused.contains("use HOST:PORT"), "{text}: {refused}");
        }
    }

    #[test]
    fn only_what_stays_on_this_host_is_loopback() {
        for (text, loopback) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("localhost:1", true),
            (":1", false),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("localhost.example:1", false),
        ] {
            assert_eq!(address(text).is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn a_listener_of_every_address_takes_both_families_and_names_lead_to_theirs() {
        let reach = |listener: &TcpListener, ip: IpAddr| {
            let port = listener.local_addr().expect("bound").port();
            TcpStream::connect((ip, port)).is_ok()
        };
        let (v4, v6): (IpAddr, IpAddr) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
        let has_v6 = TcpListener::bind((v6, 0)).is_ok();
        for text in [":0", "[::]:0"].iter().filter(|text| has_v6 || **text == ":0") {
            let any = listen_on(&[address(text)]).expect("every host has an address");
            assert_eq!(any.len(), 1, "{text}");
            assert!(reach(&any[0], v4), "{text}");
            assert_eq!(reach(&any[0], v6), has_v6, "{text}");
        }
        let named = listen_on(&[address("localhost:0")]).expect("every host knows itself");
        assert!(
            named.iter().all(|listener| listener.local_addr().expect("bound").ip().is_loopback())
        );
        let both = listen_on(&[address("127.0.0.1:0"), address("127.0.0.2:0")]).expect("two");
        assert_eq!(both.len(), 2);
        let to = address("localhost:1").with_port(both[0].local_addr().expect("bound").port());
        assert_eq!(to.resolve().expect("known"), both[0].local_addr().expect("bound"));
    }

    #[test]
    fn every_address_of_both_families_can_be_named_beside_each_other() {
        if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
            eprintln!("skipped: this host has no IPv6");
            return;
        }
        let port =
            TcpListener::bind("0.0.0.0:0").and_then(|one| one.local_addr()).expect("a port").port();
        let both = [address("[::]:0").with_port(port), address("0.0.0.0:0").with_port(port)];
        assert_eq!(listen_on(&both).expect("apart from each other").len(), 2);
    }

    #[test]
    fn what_cannot_be_listened_on_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = Address::from(taken.local_addr().expect("bound"));
        let refused = listen_on(&[address("127.0.0.1:0"), at.clone()]).expect_err("taken");
        assert_eq!(
            (refused.address, refused.source.kind()),
            (at.to_string(), ErrorKind::AddrInUse)
        );
        let refused = listen_on(&[address("nowhere.invalid:1")]).expect_err("unknown");
        assert_eq!(refused.address, "nowhere.invalid:1");
        let refused = listen_on(&[address("192.0.2.1:1")]).expect_err("another's");
        assert_eq!(refused.address, "192.0.2.1:1");
    }
}
