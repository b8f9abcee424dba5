//! The addresses of this host, as its interfaces have them at one moment: what is sent to one of
//! them stays here, whatever network it is of.
//!
//! The kernel is asked beside the shards, at the start and every few seconds; a shard only looks
//! into what it was given. Never here: whether anything may go there (`io::guard`).

use std::net::{IpAddr, SocketAddrV4};
use std::sync::Arc;

/// Addresses of this host, sorted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HostAddresses(Arc<[IpAddr]>);

impl HostAddresses {
    /// Asks the kernel. Where it does not say, none are known.
    pub fn read() -> Self {
        let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Self::default() };
        let address = |interface: nix::ifaddrs::InterfaceAddress| -> Option<IpAddr> {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|&v4| IpAddr::V4(*SocketAddrV4::from(v4).ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        };
        Self::of(interfaces.filter_map(address).collect())
    }

    /// These.
    pub fn of(addresses: Vec<IpAddr>) -> Self {
        let mut addresses: Vec<IpAddr> =
            addresses.into_iter().map(|address| address.to_canonical()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        Self(addresses.into())
    }

    /// Whether this is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.binary_search(&address.to_canonical()).is_ok()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

    #[test]
    fn what_this_host_sends_from_is_its_own_and_what_others_have_is_not() {
        let known = HostAddresses::read();
        assert!(known.contains(Ipv4Addr::LOCALHOST.into()), "{known:?}");
        assert!(known.contains(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into()));
        for other in ["192.0.2.213", "2001:db8::213"] {
            assert!(!known.contains(other.parse().expect("an address")), "{other}");
        }
        // A socket can be bound to each of them; one of a link needs that link named.
        for address in known.iter() {
            let is_of_link = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
            assert!(is_of_link || UdpSocket::bind((address, 0)).is_ok(), "{address}");
        }
        assert!(HostAddresses::of(vec![Ipv6Addr::LOCALHOST.into()]) != known);
    }
}
