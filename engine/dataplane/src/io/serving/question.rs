//! A bind whose password is to be checked, on its way to the thread that does so.

use crate::gateway::smpp::PasswordDigest;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

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

/// What the session that asked holds: where it is dropped, nobody waits for the verdict any more,
/// and the password need not be checked.
pub(super) struct Asker(Arc<()>);

impl Asker {
    pub(super) fn new() -> Self {
        Self(Arc::new(()))
    }

    /// What its question is told by whether it is still there.
    pub(super) fn seen(&self) -> AskerSeen {
        AskerSeen(Arc::downgrade(&self.0))
    }
}

/// An [`Asker`], as its question sees it.
pub(super) struct AskerSeen(Weak<()>);

impl AskerSeen {
    fn is_there(&self) -> bool {
        self.0.strong_count() > 0
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
    pub(super) asker: AskerSeen,
}

impl Question {
    /// Whether somebody waits for the verdict.
    pub(super) fn is_asked(&self) -> bool {
        self.asker.is_there()
    }
}
