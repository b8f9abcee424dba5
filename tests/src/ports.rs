//! Ports that an engine can keep over several starts.
//!
//! They lie below the range from which the kernel takes the ports of outgoing connections: while an
//! engine is down between two starts nobody else gets its port by chance, and a client that knocks
//! meanwhile is not connected to itself.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 12_000;
const COUNT: u32 = 18_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A loopback address that was free just now and that no other caller of this process gets.
///
/// # Panics
/// When none is free.
pub fn free_address() -> SocketAddr {
    // Test processes that run beside each other begin at different places.
    let start = std::process::id().wrapping_mul(613);
    for _ in 0..COUNT {
        let port = FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port as u16));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port from {FIRST} to {} is free", FIRST + COUNT);
}
