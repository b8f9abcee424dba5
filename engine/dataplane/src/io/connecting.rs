//! Sockets that call somebody, and the addresses they call, as the kernel reads them.
//!
//! Never here: whom to call, or what is said then.

use crate::io::driver::{Driver, Operation};
use crate::io::stream::Stream;
use std::net::SocketAddr;
use std::os::fd::{FromRawFd, OwnedFd};

/// An address as the kernel reads it.
pub(super) struct RawAddress {
    storage: libc::sockaddr_storage,
    octets: u32,
}

/// Begins to connect a stream. Whoever owns both frees them only when the stream is quiet, that is,
/// after the connect has completed: the kernel reads the address until then.
pub(super) fn connect(stream: &mut Stream, address: &RawAddress, driver: &mut Driver) {
    stream.set_other_under_way(true);
    let token = stream.token(Operation::Connect);
    let (storage, octets) = (&raw const address.storage, address.octets);
    // SAFETY: the address is boxed and its owner is freed only when the stream is quiet, that is,
    // after the connect has completed.
    unsafe { driver.connect(stream.descriptor(), storage.cast(), octets, token) };
}

impl RawAddress {
    /// The address as the kernel reads it.
    pub(super) fn of(address: &SocketAddr) -> Box<Self> {
        Box::new(raw_address(address))
    }
}

pub(super) fn new_socket(address: &SocketAddr) -> Option<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: socket takes integers and returns a new descriptor or -1.
    let socket = unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    // SAFETY: the descriptor was just created and nobody else owns it.
    (socket >= 0).then(|| unsafe { OwnedFd::from_raw_fd(socket) })
}

fn raw_address(address: &SocketAddr) -> RawAddress {
    // SAFETY: sockaddr_storage is plain data for which all zeroes is a value.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let octets = match address {
        SocketAddr::V4(address) => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is larger than and aligned for every socket address.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in>().write(raw) };
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(address) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as u16,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            };
            // SAFETY: as above.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in6>().write(raw) };
            size_of::<libc::sockaddr_in6>()
        }
    };
    RawAddress { storage, octets: octets as u32 }
}
