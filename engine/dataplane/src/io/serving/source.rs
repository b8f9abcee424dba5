//! Where a connection comes from, as a number that strangers are counted by.
//!
//! An address of IPv4 is one source, and so are the first 64 bits of one of IPv6: whoever has one
//! address there has them all. Whoever has several sources mostly has neighbours: the first 24 bits
//! of IPv4 and 48 of IPv6 are the net around a source.

use std::net::IpAddr;
use wire::terms::mix::mix;

/// A source, and the net around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Source {
    number: u64,
    net: u64,
}

/// Bits of IPv4 that are the net around a source, and of IPv6.
const NET_BITS: (u32, u32) = (24, 48);
/// Bits of IPv6 that are one source.
const SOURCE_BITS: u32 = 64;
/// Tells IPv6 from IPv4.
const IS_IPV6: u64 = 1 << 63;

impl Source {
    /// An IPv4 address that came in as IPv6 counts as what it is.
    pub(super) fn of(address: IpAddr) -> Self {
        let (source, net) = match address.to_canonical() {
            IpAddr::V4(address) => {
                let bits = u64::from(address.to_bits());
                (bits, bits >> (u32::BITS - NET_BITS.0))
            }
            IpAddr::V6(address) => {
                let upper = |bits: u32| (address.to_bits() >> (u128::BITS - bits)) as u64;
                (upper(SOURCE_BITS) | IS_IPV6, upper(NET_BITS.1) | IS_IPV6)
            }
        };
        let [number, net] = [source, net].map(|bits| mix(bits.wrapping_add(1)));
        Self { number, net }
    }

    /// The source's number.
    pub(super) fn number(self) -> u64 {
        self.number
    }

    /// The number of the net around it.
    pub(super) fn net(self) -> u64 {
        self.net
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Source {
        Source::of(text.parse().expect("an address"))
    }

    #[test]
    fn an_address_of_ipv4_is_one_source_however_it_is_written() {
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1").number(), of("192.0.2.2").number());
    }

    #[test]
    fn addresses_of_one_host_of_ipv6_are_one_source_and_neighbours_share_a_net() {
        let (one, two) = (of("2001:db8::1"), of("2001:db8::2"));
        assert_eq!(one, two);
        let (beside, far) = (of("2001:db8:0:1::1"), of("2001:db8:1::1"));
        assert!(one.number() != beside.number() && one.net() == beside.net());
        assert_ne!(one.net(), far.net());
        assert_eq!(of("192.0.2.1").net(), of("192.0.2.200").net());
        assert_ne!(of("192.0.2.1").net(), of("192.0.3.1").net());
    }
}
