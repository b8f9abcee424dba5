//! What things are called in NATS. The names are part of the format: streams `HY_<cluster>_P007`,
//! `_BILLING` and `_REGISTRY`, the bucket `HY_<cluster>`.

use crate::cluster::node::NodeName;
use crate::cluster::servers::ClusterName;

/// In front of every bucket's stream.
const BUCKET_STREAM: &str = "KV_";
/// In front of every stream and bucket of this program.
const MARK: &str = "HY_";

/// The names of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Names {
    cluster: String,
}

/// What a key of the bucket is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    /// What the cluster is.
    Cluster,
    /// A node's beat.
    Node(NodeName),
    /// Who has a partition.
    Part(u16),
}

impl Names {
    pub(super) fn new(cluster: &ClusterName) -> Self {
        Self { cluster: cluster.as_str().to_owned() }
    }

    /// The stream of a partition.
    pub(super) fn part_stream(&self, partition: u16) -> String {
        format!("{MARK}{}_P{partition:03}", self.cluster)
    }

    /// The subject of a partition's chunks.
    pub(super) fn part_subject(&self, partition: u16) -> String {
        format!("hayauma.{}.part.{partition:03}", self.cluster)
    }

    /// The stream of billing events, and its subjects.
    pub(super) fn billing(&self) -> (String, String) {
        (format!("{MARK}{}_BILLING", self.cluster), format!("hayauma.{}.billing.>", self.cluster))
    }

    /// The subject of a partition's billing events.
    pub(super) fn billing_subject(&self, partition: u16) -> String {
        format!("hayauma.{}.billing.{partition:03}", self.cluster)
    }

    /// The stream of changes of the registry, and its subject.
    pub(super) fn registry(&self) -> (String, String) {
        (format!("{MARK}{}_REGISTRY", self.cluster), format!("hayauma.{}.registry", self.cluster))
    }

    /// The bucket.
    pub(super) fn bucket(&self) -> String {
        format!("{MARK}{}", self.cluster)
    }

    /// The bucket's stream.
    pub(super) fn bucket_stream(&self) -> String {
        format!("{BUCKET_STREAM}{}", self.bucket())
    }

    /// The subject of all keys.
    pub(super) fn all_keys(&self) -> String {
        format!("$KV.{}.>", self.bucket())
    }

    /// The subject of a key.
    pub(super) fn key(&self, key: Key) -> String {
        let bucket = self.bucket();
        match key {
            Key::Cluster => format!("$KV.{bucket}.cluster"),
            Key::Node(node) => format!("$KV.{bucket}.node.{node}"),
            Key::Part(partition) => format!("$KV.{bucket}.part.{partition:03}"),
        }
    }

    /// The key of a subject; none for a key of a later program.
    pub(super) fn key_of(&self, subject: &str) -> Option<Key> {
        let key = subject.strip_prefix("$KV.")?.strip_prefix(&self.bucket())?.strip_prefix('.')?;
        match key.split_once('.') {
            None if key == "cluster" => Some(Key::Cluster),
            Some(("node", name)) => NodeName::parse(name).ok().map(Key::Node),
            Some(("part", number)) => number.parse().ok().map(Key::Part),
            _ => None,
        }
    }
}

/// The cluster that a stream belongs to, if it is one of this program's.
pub(super) fn cluster_of(stream: &str) -> Option<ClusterName> {
    let name = stream.strip_prefix(BUCKET_STREAM).unwrap_or(stream).strip_prefix(MARK)?;
    ClusterName::parse(name.split('_').next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_of_keys_read_back() {
        let names = Names::new(&ClusterName::parse("kanto").expect("a name"));
        let node = NodeName::parse("node-1").expect("a name");
        for key in [Key::Cluster, Key::Node(node), Key::Part(0), Key::Part(255)] {
            assert_eq!(names.key_of(&names.key(key)), Some(key), "{key:?}");
        }
        for subject in ["$KV.HY_kant.cluster", "$KV.HY_kanto.clusters", "$KV.HY_kanto.part.x", ""] {
            assert_eq!(names.key_of(subject), None, "{subject}");
        }
    }

    #[test]
    fn a_stream_tells_whose_it_is() {
        let names = Names::new(&ClusterName::parse("kanto").expect("a name"));
        assert_eq!(names.part_stream(7), "HY_kanto_P007");
        for stream in
            [names.part_stream(7), names.billing().0, names.registry().0, names.bucket_stream()]
        {
            assert_eq!(cluster_of(&stream).expect("a cluster").as_str(), "kanto", "{stream}");
        }
        for stream in ["ORDERS", "KV_x", "HY_", "KV_HY_"] {
            assert_eq!(cluster_of(stream), None, "{stream}");
        }
    }
}
