//! The networks of many registrations together: whether an address is in any of them is asked of
//! each connection, and takes no longer however many there are.

use ipnet::IpNet;
use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

/// Networks, kept by their lengths: an address is in one if its own first bits are.
#[derive(Debug, Default)]
pub(super) struct Networks {
    networks: HashSet<IpNet>,
    lengths: BTreeSet<u8>,
    /// Somebody names none, and may come from anywhere.
    all: bool,
}

impl Networks {
    /// Those of one registration; none: from anywhere.
    pub(super) fn add(&mut self, networks: &[IpNet]) {
        self.all |= networks.is_empty();
        for network in networks {
            self.lengths.insert(network.prefix_len());
            self.networks.insert(network.trunc());
        }
    }

    /// Whether this address is in one. An IPv4 one that came in as IPv6 counts as what it is.
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        // A length of IPv6 is none of an IPv4 address.
        let around = |&length: &u8| IpNet::new(address, length).ok().map(|network| network.trunc());
        self.all || self.lengths.iter().filter_map(around).any(|net| self.networks.contains(&net))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_network_of_anybodys_or_in_none() {
        let mut networks = Networks::default();
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(!networks.contain(address("192.0.2.1")), "there is nobody");
        let some = ["192.0.2.77/24", "10.0.0.0/8", "2001:db8::/48", "198.51.100.7/32"];
        networks.add(&some.map(|text| text.parse().expect("a network")));
        for text in ["192.0.2.1", "::ffff:192.0.2.1", "10.255.0.1", "2001:db8::1", "198.51.100.7"] {
            assert!(networks.contain(address(text)), "{text}");
        }
        for text in ["192.0.3.1", "11.0.0.1", "2001:db8:1::1", "198.51.100.8", "::10.0.0.1"] {
            assert!(!networks.contain(address(text)), "{text}");
        }
        networks.add(&[]);
        assert!(networks.contain(address("203.0.113.1")), "one may come from anywhere");
    }
}
