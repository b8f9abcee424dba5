//! Where notifications may not go, whatever a registration says: to the engine's own ports, never;
//! to this host's own addresses and to its links, unless the operator allows it.
//!
//! What is checked is the address that is connected to, after the look-up of its name, so a name
//! that leads elsewhere tomorrow is checked tomorrow.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// This host by its loopback addresses.
pub fn loopback() -> [IpNet; 2] {
    let v4 = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    [v4.into(), Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128).into()]
}

/// Why a notification may not go to an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Forbidden {
    /// The engine listens there.
    #[error(
        "{0} is a port of the engine itself, where no notification may go: register another URL"
    )]
    Own(SocketAddr),
    /// It leads to this host or to a neighbour on its link.
    #[error(
        "{0} is this host or its link, where no notification may go unless --notify-allow names \
         the network: register another URL, or start the engine with --notify-allow"
    )]
    Near(SocketAddr),
}

/// What is allowed.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Networks of this host and its links that notifications may go to.
    pub allowed: Vec<IpNet>,
    /// Where the engine listens.
    pub own: Vec<SocketAddr>,
}

impl Guard {
    /// Why no notification may go to this address; `None`: it may.
    pub fn refusal(&self, address: SocketAddr) -> Option<Forbidden> {
        let ip = address.ip().to_canonical();
        if self.own.iter().any(|&own| leads_to(address, own)) {
            return Some(Forbidden::Own(address));
        }
        let is_allowed = self.allowed.iter().any(|network| network.contains(&ip));
        (is_near(ip) && !is_allowed).then_some(Forbidden::Near(address))
    }
}

/// Whether it is this host's loopback, or no further than the next link. An address that is not
/// specified leads to this host.
fn is_near(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local(),
    }
}

/// Whether a connection to that address and port reaches a listener.
fn leads_to(address: SocketAddr, own: SocketAddr) -> bool {
    let own_ip = own.ip().to_canonical();
    let ip = address.ip().to_canonical();
    address.port() == own.port()
        && (ip == own_ip
            || ip.is_unspecified()
            || own_ip.is_unspecified() && is_of_this_host(address))
}

/// Whether an address is one of this host's: what is sent to it comes from it. That is asked of the
/// kernel's routes by a socket that sends nothing. The link of a link-local address counts.
fn is_of_this_host(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let (address, any): (SocketAddr, SocketAddr) = match (ip, address) {
        (IpAddr::V4(ip), _) => ((ip, address.port()).into(), (Ipv4Addr::UNSPECIFIED, 0).into()),
        (IpAddr::V6(_), _) => (address, (Ipv6Addr::UNSPECIFIED, 0).into()),
    };
    let source = || {
        let socket = UdpSocket::bind(any)?;
        socket.connect(address)?;
        socket.local_addr()
    };
    ip.is_loopback() || source().is_ok_and(|source| source.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn this_host_and_its_links_are_refused_in_every_spelling_unless_allowed() {
        let guard = Guard::default();
        for near in [
            "127.0.0.1:9000",
            "127.255.3.4:80",
            "0.0.0.0:80",
            "169.254.169.254:80",
            "[::1]:80",
            "[::]:80",
            "[fe80::1]:80",
            "[::ffff:127.0.0.1]:80",
            "[::ffff:169.254.169.254]:80",
        ] {
            let refusal = guard.refusal(address(near)).expect(near).to_string();
            assert!(refusal.contains("--notify-allow") && !refusal.contains('\n'), "{refusal}");
        }
        for far in ["192.0.2.1:80", "10.0.0.1:80", "[2001:db8::1]:443", "126.255.255.255:1"] {
            assert_eq!(guard.refusal(address(far)), None, "{far}");
        }
        let guard = Guard { allowed: loopback().to_vec(), own: Vec::new() };
        for allowed in ["127.0.0.1:9000", "127.9.9.9:1", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(guard.refusal(address(allowed)), None, "{allowed}");
        }
        assert!(guard.refusal(address("169.254.169.254:80")).is_some());
    }

    #[test]
    fn the_engines_own_ports_are_refused_whatever_is_allowed() {
        let guard = Guard {
            allowed: loopback().to_vec(),
            own: vec![address("127.0.0.1:8081"), address("0.0.0.0:8080")],
        };
        for own in [
            "127.0.0.1:8081",
            "[::ffff:127.0.0.1]:8081",
            "0.0.0.0:8081",
            "127.0.0.1:8080",
            "127.1.2.3:8080",
        ] {
            let refusal = guard.refusal(address(own));
            assert_eq!(refusal, Some(Forbidden::Own(address(own))), "{own}");
        }
        for other in ["127.0.0.1:8082", "127.0.0.2:8081", "192.0.2.1:8080"] {
            assert_eq!(guard.refusal(address(other)), None, "{other}");
        }
    }
}
