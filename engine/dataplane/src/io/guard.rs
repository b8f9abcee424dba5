//! Where notifications may not go, whatever a registration says: to the engine's own ports, never;
//! to this host's own addresses and to its links, unless the operator allows it.
//!
//! What is checked is the address that is connected to, after the look-up of its name, so a name
//! that leads elsewhere tomorrow is checked tomorrow. An IPv4 address counts as what it is in
//! whatever IPv6 address it is written, that of a translator (NAT64) or of a tunnel (6to4) too.
//!
//! Never here: a question to the kernel. Where a published port of a container leads back to this
//! engine by an address that is another host's, nobody here knows.

use crate::io::host_addresses::HostAddresses;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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
    /// It leads to this host, by whichever of its addresses, or to a neighbour on its link.
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
    /// Why no notification may go to this address, on a host that has these; `None`: it may.
    pub fn refusal(&self, address: SocketAddr, host: &HostAddresses) -> Option<Forbidden> {
        let ip = address.ip().to_canonical();
        let meant = [Some(ip), translated(ip)].into_iter().flatten();
        let is_own = |ip| self.own.iter().any(|&own| leads_to(ip, address.port(), own, host));
        if meant.clone().any(is_own) {
            return Some(Forbidden::Own(address));
        }
        let is_allowed = |ip| self.allowed.iter().any(|network| network.contains(&ip));
        let is_refused = |ip| (is_near(ip) || host.contains(ip)) && !is_allowed(ip);
        meant.clone().any(is_refused).then_some(Forbidden::Near(address))
    }
}

/// The IPv4 address that a translator (RFC 6052 section 2.1, RFC 8215) or a tunnel (RFC 3056)
/// reaches by this one, or that it is in the oldest spelling of such addresses (RFC 4291 section
/// 2.5.5.1).
fn translated(ip: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(ip) = ip else { return None };
    let (high, low) = match ip.segments() {
        [0x64, 0xff9b, 0 | 1, _, _, _, high, low] => (high, low),
        [0x2002, high, low, ..] => (high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high > 0 => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)).into())
}

/// Whether it is a loopback address, or no further than the next link. An address that is not
/// specified leads to this host.
fn is_near(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local(),
    }
}

/// Whether a connection to that address and port reaches a listener.
fn leads_to(ip: IpAddr, port: u16, own: SocketAddr, host: &HostAddresses) -> bool {
    let own_ip = own.ip().to_canonical();
    let is_of_this_host = ip.is_loopback() || host.contains(ip);
    port == own.port()
        && (ip == own_ip || ip.is_unspecified() || own_ip.is_unspecified() && is_of_this_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    /// A host with these addresses beside its loopback.
    fn host() -> HostAddresses {
        let addresses = ["10.0.0.5", "2001:db8::5", "fe80::5"];
        HostAddresses::of(addresses.map(|text| text.parse().expect("an address")).to_vec())
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
            "[64:ff9b::a9fe:a9fe]:80",
            "10.0.0.5:6379",
            "[::ffff:10.0.0.5]:6379",
            "[64:ff9b::10.0.0.5]:6379",
            "[2001:db8::5]:6379",
            "[64:ff9b:1::169.254.169.254]:80",
            "[64:ff9b:1:2:3:4:7f00:1]:80",
            "[2002:7f00:1::1]:80",
            "[2002:a00:5::]:6379",
            "[::127.0.0.1]:80",
        ] {
            let refusal = guard.refusal(address(near), &host()).expect(near).to_string();
            assert!(refusal.contains("--notify-allow") && !refusal.contains('\n'), "{refusal}");
        }
        for far in [
            "192.0.2.1:80",
            "10.0.0.1:80",
            "[64:ff9b::c000:201]:80",
            "[2001:db8::1]:443",
            "[2002:c000:201::1]:443",
            "126.255.255.255:1",
        ] {
            assert_eq!(guard.refusal(address(far), &host()), None, "{far}");
        }
        let guard = Guard { allowed: loopback().to_vec(), own: Vec::new() };
        for allowed in ["127.0.0.1:9000", "127.9.9.9:1", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(guard.refusal(address(allowed), &host()), None, "{allowed}");
        }
        assert!(guard.refusal(address("169.254.169.254:80"), &host()).is_some());
    }

    #[test]
    fn the_engines_own_ports_are_refused_whatever_is_allowed() {
        let guard = Guard {
            allowed: vec!["0.0.0.0/0".parse().expect("a network"), "::/0".parse().expect("one")],
            own: vec![address("127.0.0.1:8081"), address("0.0.0.0:8080"), address("[::]:8083")],
        };
        for own in [
            "127.0.0.1:8081",
            "[::ffff:127.0.0.1]:8081",
            "0.0.0.0:8081",
            "127.0.0.1:8080",
            "127.1.2.3:8080",
            "10.0.0.5:8080",
            "[64:ff9b::10.0.0.5]:8080",
            "[2001:db8::5]:8083",
            "[fe80::5%3]:8083",
        ] {
            let refusal = guard.refusal(address(own), &host());
            assert_eq!(refusal, Some(Forbidden::Own(address(own))), "{own}");
        }
        for other in ["127.0.0.1:8082", "127.0.0.2:8081", "192.0.2.1:8080"] {
            assert_eq!(guard.refusal(address(other), &host()), None, "{other}");
        }
    }
}
