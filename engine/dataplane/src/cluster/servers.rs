//! Where a cluster's replicated log is, and what the cluster is called: what a node has to know
//! before it can ask anything. Plain data.

use std::fmt;
use std::path::PathBuf;

/// Octets of a cluster's name.
const CLUSTER_NAME_OCTETS_MAX: usize = 16;

/// A cluster's name: 1 to 16 of `a` to `z`, digits and hyphens. What stands for it in the log
/// begins with it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClusterName(String);

/// A name that no cluster can have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} is no cluster's name: 1 to 16 of a-z, 0-9 and hyphens, with a letter or digit in front"
)]
pub struct NotAClusterName(String);

impl ClusterName {
    /// Reads a name.
    ///
    /// # Errors
    /// It is empty, too long, or has other characters.
    pub fn parse(text: &str) -> Result<Self, NotAClusterName> {
        let is_fit =
            |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        let fits = !text.is_empty()
            && text.len() <= CLUSTER_NAME_OCTETS_MAX
            && !text.starts_with('-')
            && text.bytes().all(is_fit);
        if fits { Ok(Self(text.to_owned())) } else { Err(NotAClusterName(text.to_owned())) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The servers that hold the replicated log, and how they are spoken to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogServers {
    /// Their addresses: `nats://host:port`, or `tls://host:port`.
    pub addresses: Vec<String>,
    /// Where each shows what it is set to: `http://host:port`.
    pub monitors: Vec<String>,
    /// The file with what a user of them is known by.
    pub credentials: Option<PathBuf>,
    /// The authorities of their certificates, beside the system's.
    pub authorities: Option<PathBuf>,
    /// The certificate that is shown to them, and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_refused() {
        for text in ["kanto", "k", "0123456789abcdef", "a-b"] {
            assert_eq!(ClusterName::parse(text).expect("a name").as_str(), text);
        }
        for text in ["", "-a", "Kanto", "a b", "a.b", "a_b", "0123456789abcdefg", "関東"] {
            assert!(ClusterName::parse(text).is_err(), "{text:?}");
        }
    }
}
