//! A bind whose password is to be checked, on its way to the thread that does so.

use crate::gateway::smpp::PasswordDigest;
use std::net::IpAddr;

/// Octets of the longest password that a bind carries.
const PASSWORD_OCTETS: usize = wire::smpp::limits::PASSWORD_OCTETS_MAX - 1;

/// A password on its way to be checked.
#[derive(Clone, Copy)]
pub(super) struct Password {
    octets: [u8; PASSWORD_OCTETS],
    length: u8,
}

impl Password {
    /// `None` where it is longer than any.
    pub(super) fn new(octets: &[u8]) -> Option<Self> {
        let mut password = Self { octets: [0; PASSWORD_OCTETS], length: octets.len() as u8 };
        password.octets.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(password)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

/// A bind whose password is to be checked.
pub(super) struct Question {
    pub(super) shard: usize,
    /// Index and generation of the session.
    pub(super) session: (u32, u32),
    pub(super) source: Option<IpAddr>,
    pub(super) digests: Vec<PasswordDigest>,
    pub(super) password: Password,
}
