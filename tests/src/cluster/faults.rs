//! What befalls a simulated cluster.

use super::{Event, FAULTS_MS, World};
use crate::seeded::Seeded;

/// One thing that befalls it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// A node dies, and comes again after so long.
    Dies { at: usize, away_ms: u64 },
    /// A node stands still for so long, and does not know.
    Pauses { at: usize, for_ms: u64 },
    /// A node is cut off from logs and store.
    IsCut { at: usize, for_ms: u64 },
    /// A node is cut off from the store alone: others think that it is gone, and it goes on.
    IsMute { at: usize, for_ms: u64 },
    /// A node is cut off from its peers.
    IsAlone { at: usize, for_ms: u64 },
    /// A log's leader dies: nobody answers until there is another.
    LeaderDies { partition: u16, for_ms: u64 },
    /// The server dies which leads all logs and the store.
    ServerDies { for_ms: u64 },
    /// The store answers nobody.
    StoreIll { for_ms: u64 },
    /// A node gives away what it has.
    Drains { at: usize },
    /// A node that was not there yet comes.
    Joins { at: usize },
}

/// How much goes wrong, in thousandths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    /// Of publishes, that arrive seconds late.
    pub(super) late: u64,
    /// Of acknowledgements, that are lost.
    pub(super) lost: u64,
    /// Of acknowledgements, that come twice.
    pub(super) doubled: u64,
    /// Of answers, that come from a replica which is behind.
    pub(super) behind: u64,
    count: u64,
}

impl Faults {
    pub(super) fn draw(random: &mut Seeded) -> Self {
        Self {
            late: *random.choose(&[0, 5, 40]),
            lost: *random.choose(&[0, 20, 150]),
            doubled: *random.choose(&[0, 100]),
            behind: *random.choose(&[0, 100, 400]),
            count: random.below(7),
        }
    }

    /// When what befalls it.
    pub(super) fn drawn(&self, random: &mut Seeded, nodes: usize) -> Vec<(u64, Fault)> {
        let mut drawn = Vec::new();
        if random.below(3) == 0 {
            drawn.push((0, Fault::Joins { at: nodes - 1 }));
        }
        if nodes > 3 && random.below(4) == 0 {
            drawn.push((8_000 + random.below(10_000), Fault::Drains { at: 0 }));
        }
        for _ in 0..self.count {
            let at = random.below(nodes as u64) as usize;
            let at_ms = 4_000 + random.below(FAULTS_MS - 8_000);
            // Nothing lasts longer than the faults.
            let for_ms = (200 + random.below(8_000)).min(FAULTS_MS - at_ms);
            let fault = match random.below(11) {
                0 | 1 => Fault::Dies { at, away_ms: for_ms },
                2 | 3 => Fault::Pauses { at, for_ms },
                4 | 5 => Fault::IsCut { at, for_ms },
                6 => Fault::IsAlone { at, for_ms },
                7 => Fault::LeaderDies { partition: at as u16, for_ms },
                8 | 9 => Fault::IsMute { at, for_ms },
                _ if random.below(2) == 0 => Fault::StoreIll { for_ms },
                _ => Fault::ServerDies { for_ms },
            };
            drawn.push((at_ms, fault));
        }
        drawn
    }
}

impl World {
    pub(super) fn befall(&mut self, fault: Fault) {
        let now_ms = self.now_ms;
        if self.options.is_told {
            eprintln!("{now_ms} ms: {fault:?}");
        }
        match fault {
            Fault::Dies { at, away_ms } => {
                if self.nodes[at].is_up {
                    self.ledger.counts.disturbances += 1;
                    self.nodes[at].is_up = false;
                    self.nodes[at].disturb(now_ms + away_ms);
                    self.after(away_ms, Event::Restart { at });
                }
            }
            Fault::Pauses { at, for_ms } => {
                self.ledger.counts.disturbances += 1;
                let node = &mut self.nodes[at];
                node.paused_until_ms = node.paused_until_ms.max(now_ms + for_ms);
                node.disturb(now_ms + for_ms);
            }
            Fault::IsCut { at, for_ms } => {
                self.ledger.counts.disturbances += 1;
                let node = &mut self.nodes[at];
                node.cut_until_ms = node.cut_until_ms.max(now_ms + for_ms);
                node.disturb(now_ms + for_ms);
                self.after(for_ms, Event::Reconnect { at });
            }
            Fault::IsMute { at, for_ms } => {
                self.ledger.counts.disturbances += 1;
                let node = &mut self.nodes[at];
                node.mute_until_ms = node.mute_until_ms.max(now_ms + for_ms);
                node.disturb(now_ms + for_ms);
                self.after(for_ms, Event::Reconnect { at });
            }
            Fault::IsAlone { at, for_ms } => self.nodes[at].alone_until_ms = now_ms + for_ms,
            Fault::LeaderDies { partition, for_ms } => {
                let partitions = self.logs.len();
                self.logs[usize::from(partition) % partitions].away_until_ms = now_ms + for_ms;
            }
            Fault::ServerDies { for_ms } => {
                self.store.ill_until_ms = now_ms + for_ms;
                for log in &mut self.logs {
                    log.away_until_ms = now_ms + for_ms;
                }
            }
            Fault::StoreIll { for_ms } => self.store.ill_until_ms = now_ms + for_ms,
            Fault::Drains { at } => self.nodes[at].keeper.drain(),
            Fault::Joins { at } => {
                let away_ms = 5_000 + self.random.below(6_000);
                self.nodes[at].is_up = false;
                self.nodes[at].disturb(now_ms + away_ms);
                self.after(away_ms, Event::Restart { at });
            }
        }
    }
}
