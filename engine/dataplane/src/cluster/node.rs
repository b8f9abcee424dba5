//! Names of nodes, and of one life of a node.

use super::limits::NODE_NAME_OCTETS_MAX;
use std::fmt;

/// A node's name: 1 to 16 octets of `a` to `z`, digits and hyphens, the same over all its lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName([u8; NODE_NAME_OCTETS_MAX]);

/// A name that no node can have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} is no node's name: 1 to 16 of a-z, 0-9 and hyphens, with a letter or digit in front"
)]
pub struct NotANodeName(String);

impl NodeName {
    /// Reads a name.
    ///
    /// # Errors
    /// It is empty, too long, or has other characters.
    pub fn parse(text: &str) -> Result<Self, NotANodeName> {
        let octets = text.as_bytes();
        let is_fit =
            |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || *octet == b'-';
        if octets.is_empty()
            || octets.len() > NODE_NAME_OCTETS_MAX
            || octets[0] == b'-'
            || !octets.iter().all(is_fit)
        {
            return Err(NotANodeName(text.to_owned()));
        }
        let mut name = [0; NODE_NAME_OCTETS_MAX];
        name[..octets.len()].copy_from_slice(octets);
        Ok(Self(name))
    }

    /// Its octets with zeros behind them, as a chunk carries them.
    pub fn octets(self) -> [u8; NODE_NAME_OCTETS_MAX] {
        self.0
    }

    /// The name that a chunk carries; none if no node has it.
    pub fn from_octets(octets: [u8; NODE_NAME_OCTETS_MAX]) -> Option<Self> {
        let length = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
        let name = std::str::from_utf8(&octets[..length]).ok()?;
        Self::parse(name).ok().filter(|name| name.0 == octets)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.0.iter().position(|octet| *octet == 0).unwrap_or(self.0.len());
        formatter.write_str(std::str::from_utf8(&self.0[..length]).unwrap_or("?"))
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// One life of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Incarnation {
    /// Whose.
    pub node: NodeName,
    /// A number above those of its earlier lives: beats of a lower one are taken for old.
    pub life: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_refused() {
        for text in ["a", "tokyo-1", "0123456789abcdef"] {
            let name = NodeName::parse(text).expect("a name");
            assert_eq!(name.to_string(), text);
            assert_eq!(NodeName::from_octets(name.octets()), Some(name));
        }
        for text in ["", "-a", "A", "a b", "0123456789abcdefg", "東"] {
            assert!(NodeName::parse(text).is_err(), "{text:?}");
        }
        let mut octets = NodeName::parse("ab").expect("a name").octets();
        octets[9] = b'x';
        assert_eq!(NodeName::from_octets(octets), None, "something behind the name's end");
        assert_eq!(NodeName::from_octets([0; 16]), None);
    }
}
