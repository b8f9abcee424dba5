//! Who has which partition, by rendezvous hashing: each node has a score for each partition, and
//! the highest has it. Nobody has to ask anybody, and a node that goes or comes changes only what
//! it had or will have.

use super::node::NodeName;
use wire::terms::mix::mix;

/// A node's score for a partition; higher is nearer.
fn score(node: NodeName, partition: u16) -> u64 {
    let octets = node.octets();
    let halves = octets.as_chunks::<8>().0.iter().map(|half| u64::from_le_bytes(*half));
    let name = halves.fold(0x6861_7961_756d_6121, |sum, half| mix(sum ^ half));
    mix(name ^ mix(u64::from(partition) + 1))
}

/// The node that has the partition among these; none where there is none.
pub fn home_of(partition: u16, nodes: &[NodeName]) -> Option<NodeName> {
    // The name decides between equal scores, so that all nodes decide alike.
    nodes.iter().copied().max_by_key(|node| (score(*node, partition), *node))
}

/// The node that comes next after `owner`.
pub fn heir_of(partition: u16, nodes: &[NodeName], owner: NodeName) -> Option<NodeName> {
    let others = nodes.iter().copied().filter(|node| *node != owner);
    others.max_by_key(|node| (score(*node, partition), *node))
}

/// The next partition that a node should give away, and to whom: the lowest of those that it owns
/// and that another of these nodes has by its score.
pub fn next_move(
    me: NodeName,
    owned: impl IntoIterator<Item = u16>,
    nodes: &[NodeName],
) -> Option<(u16, NodeName)> {
    let away = |partition: u16| Some((partition, home_of(partition, nodes)?));
    owned.into_iter().filter_map(away).find(|(_, home)| *home != me)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: usize) -> Vec<NodeName> {
        (0..count).map(|n| NodeName::parse(&format!("node-{n}")).expect("a name")).collect()
    }

    fn homes(nodes: &[NodeName]) -> Vec<NodeName> {
        (0..256).map(|partition| home_of(partition, nodes).expect("a node")).collect()
    }

    #[test]
    fn every_node_has_about_its_share() {
        for count in [1, 3, 7] {
            let nodes = nodes(count);
            let homes = homes(&nodes);
            for node in &nodes {
                let share = homes.iter().filter(|home| *home == node).count();
                let even = 256 / count;
                assert!(share > even / 2 && share <= even * 3 / 2, "{node}: {share} of {even}");
            }
        }
    }

    #[test]
    fn a_node_that_goes_changes_only_what_it_had() {
        let all = nodes(5);
        let before = homes(&all);
        let left: Vec<NodeName> = all.iter().copied().filter(|node| *node != all[2]).collect();
        for (partition, (before, after)) in before.iter().zip(homes(&left)).enumerate() {
            assert!(*before == after || *before == all[2]);
            if *before == all[2] {
                assert_eq!(heir_of(partition as u16, &all, all[2]), Some(after));
            }
        }
    }

    #[test]
    fn the_order_of_the_names_changes_nothing() {
        let all = nodes(6);
        let turned: Vec<NodeName> = all.iter().rev().copied().collect();
        assert_eq!(homes(&all), homes(&turned));
        assert_eq!(home_of(0, &[]), None);
        assert_eq!(heir_of(0, &all[..1], all[0]), None);
    }

    #[test]
    fn a_node_gives_away_what_is_not_its_own_one_after_the_other() {
        let all = nodes(3);
        let homes = homes(&all);
        let mut owned: Vec<u16> = (0..256).collect();
        while let Some((partition, to)) = next_move(all[0], owned.iter().copied(), &all) {
            assert_eq!(to, homes[usize::from(partition)]);
            owned.retain(|one| *one != partition);
        }
        assert!(owned.iter().all(|partition| homes[usize::from(*partition)] == all[0]));
        assert_eq!(next_move(all[0], 0..256, &[]), None, "nobody is there to take");
    }
}
