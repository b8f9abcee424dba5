//! How the process's descriptors are shared out, so that no kind of connection takes what files or
//! another kind need.
//!
//! Files come first: every segment of the journal may be open. So do the engine's own calls: to
//! carriers, which may be added while it runs, and to servers of broadcasts. Of the rest the admin
//! doors have a small share, customers of SMPP an eighth where there is a port for them, and
//! notification connections a quarter; push clients have what is left, up to `--connections-max`.

use crate::control::webhooks::CALLS_MAX;
use crate::io::limits::SMPP_SESSIONS_MAX;
use crate::network::smpp::carrier::{CARRIERS_MAX, SESSIONS_MAX};
use crate::start::config::Config;

/// Descriptors of the process itself: its store, logs, ports, threads.
const PROCESS_FILES: u64 = 40;
/// Descriptors of one shard's thread: rings, wake-ups.
const THREAD_FILES: u64 = 10;
/// Descriptors of one partition beside its segments: billing logs.
const PARTITION_FILES: u64 = 6;
/// Sockets of all the carriers that there can be, a transmitter and a receiver for each session,
/// and of the calls to servers that are told of broadcasts.
const OUTGOING: u64 = (CARRIERS_MAX * SESSIONS_MAX as usize * 2 + CALLS_MAX) as u64;
/// Connections of each admin door where there are descriptors enough.
const ADMIN_CONNECTIONS_MAX: u64 = 64;
/// The door of broadcasts has so many times as many: pages listen for long.
pub const BROADCAST_DOOR_SHARES: u32 = 4;
/// One part in so many of what files leave is the admin doors', if that is less.
const ADMIN_PART: u64 = 8;
const ADMIN_CONNECTIONS_MIN: u64 = 4;
/// One part in so many of what is left then is the customers'.
const CUSTOMER_PART: u64 = 8;
/// One part in so many of the rest is the notifications'.
const NOTIFICATION_PART: u64 = 4;

/// The shares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DescriptorShares {
    /// Push clients' connections of one shard.
    pub push_per_shard: u32,
    /// Customers' sessions of one shard.
    pub customers_per_shard: u32,
    /// Notification connections of one shard.
    pub notification_per_shard: u32,
    /// Connections of each admin door.
    pub admin: u32,
}

impl DescriptorShares {
    /// The shares under the process's limit of open files.
    pub fn of(config: &Config) -> Self {
        Self::under(super::limit_of(libc::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft), config)
    }

    /// The shares of so many descriptors.
    fn under(descriptors: u64, config: &Config) -> Self {
        let shards = config.shards as u64;
        let left = descriptors.saturating_sub(files_of(config));
        let doors = admin_doors(config);
        let admin = left / ADMIN_PART / doors;
        let admin = admin.clamp(ADMIN_CONNECTIONS_MIN, ADMIN_CONNECTIONS_MAX);
        let left = left.saturating_sub(admin * doors);
        let customers_per_shard = match config.smpp.is_empty() {
            true => 0,
            false => (left / CUSTOMER_PART / shards).clamp(1, SMPP_SESSIONS_MAX as u64),
        };
        let left = left.saturating_sub(customers_per_shard * shards);
        let share = |of: u64| (of / shards).clamp(1, u64::from(config.connections_max)) as u32;
        let notification_per_shard = share(left / NOTIFICATION_PART);
        let push_per_shard = share(left.saturating_sub(u64::from(notification_per_shard) * shards));
        let customers_per_shard = customers_per_shard as u32;
        Self { push_per_shard, customers_per_shard, notification_per_shard, admin: admin as u32 }
    }
}

/// Descriptors with which no connection is held back.
pub(super) fn wanted(config: &Config) -> u64 {
    let connections = config.shards as u64 * u64::from(config.connections_max);
    let customers = match config.smpp.is_empty() {
        true => 0,
        false => config.shards as u64 * SMPP_SESSIONS_MAX as u64,
    };
    files_of(config)
        + customers
        + ADMIN_CONNECTIONS_MAX * admin_doors(config)
        + connections * NOTIFICATION_PART / (NOTIFICATION_PART - 1)
}

/// The socket, and the ports that are asked for, in shares.
fn admin_doors(config: &Config) -> u64 {
    let of_broadcasts = u64::from(config.broadcast.is_some()) * u64::from(BROADCAST_DOOR_SHARES);
    1 + u64::from(config.admin.is_some()) + u64::from(config.health.is_some()) + of_broadcasts
}

fn files_of(config: &Config) -> u64 {
    let segments = config.queue_octets.div_ceil(config.segment_octets.max(1));
    let threads = THREAD_FILES * config.shards as u64;
    PROCESS_FILES + threads + PARTITION_FILES * config.partitions as u64 + segments + OUTGOING
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(shards: usize, connections_max: u32) -> Config {
        let cpus: Vec<usize> = (0..shards).collect();
        let mut config = Config::defaults(std::path::Path::new("/nowhere"), &cpus);
        (config.shards, config.partitions) = (shards, shards);
        config.connections_max = connections_max;
        (config.queue_octets, config.segment_octets) = (64 << 20, 1 << 20);
        config
    }

    /// With every admin door there is.
    fn with_all_doors(mut config: Config) -> Config {
        let address = || Some("127.0.0.1:0".parse().expect("an address"));
        (config.admin, config.health, config.broadcast) = (address(), address(), address());
        config.smpp = address().into_iter().collect();
        config
    }

    #[test]
    fn with_enough_descriptors_nobody_is_held_back() {
        for (shards, connections_max) in [(1, 4_096), (8, 4_096), (64, 100_000)] {
            let config = with_all_doors(config(shards, connections_max));
            let shares = DescriptorShares::under(wanted(&config), &config);
            assert_eq!(
                (shares.push_per_shard, shares.admin),
                (connections_max, 64),
                "{shards} shards"
            );
        }
    }

    #[test]
    fn all_shares_together_never_take_what_files_need() {
        for descriptors in [200, 256, 300, 1_024, 4_096, 20_000, 1 << 20] {
            for shards in [1, 2, 8] {
                let config = with_all_doors(config(shards, 4_096));
                if descriptors < files_of(&config) + 28 + 4 * shards as u64 {
                    continue;
                }
                let shares = DescriptorShares::under(descriptors, &config);
                let connections = shares.push_per_shard + shares.notification_per_shard;
                let connections = u64::from(connections + shares.customers_per_shard);
                let admin = admin_doors(&config) * u64::from(shares.admin);
                let segments = config.queue_octets / config.segment_octets;
                // Seven carriers of eight sessions in pairs, and the calls of broadcasts.
                let others = 40 + 16 * shards as u64 + segments + 7 * 16 + 16;
                let all = others + connections * shards as u64 + admin;
                assert!(all <= descriptors, "{all} of {descriptors}: {shares:?}");
                assert!(shares.push_per_shard >= shares.notification_per_shard, "{shares:?}");
            }
        }
    }
}
