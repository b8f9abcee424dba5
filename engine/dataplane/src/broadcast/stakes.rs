//! How a pace of all shards is split between them: by what each of them has left to do, so that one
//! that is done leaves its share to the others.
//!
//! Two atomics a broadcast, which each shard touches once a second. **Invariant:** rows that no
//! shard of this process has count as not begun: whoever has them has their share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the shards of a process have of a broadcast.
#[derive(Debug, Default)]
pub struct Stakes {
    /// Rows that they have.
    rows: AtomicU32,
    /// Of these, those that have had no turn.
    left: AtomicU32,
}

/// One shard's part of that; it is given back when it is dropped.
#[derive(Debug)]
pub struct Stake {
    of: Arc<Stakes>,
    /// Rows of the whole broadcast.
    all: u32,
    rows: u32,
    left: u32,
}

impl Stake {
    /// A shard has so many rows of all, and none has had its turn.
    pub fn new(of: &Arc<Stakes>, (rows, all): (u32, u32)) -> Self {
        of.rows.fetch_add(rows, Ordering::Relaxed);
        of.left.fetch_add(rows, Ordering::Relaxed);
        Self { of: Arc::clone(of), all, rows, left: rows }
    }

    /// So many of them are left.
    pub fn set_left(&mut self, left: u32) {
        let left = left.min(self.rows);
        let change = left.wrapping_sub(self.left);
        self.of.left.fetch_add(change, Ordering::Relaxed);
        self.left = left;
    }

    /// The shard's share of a pace; 0 is no bound.
    pub fn share(&self, per_second: u32) -> u32 {
        let elsewhere = self.all.saturating_sub(self.of.rows.load(Ordering::Relaxed));
        let left = u64::from(self.of.left.load(Ordering::Relaxed)) + u64::from(elsewhere);
        match per_second {
            0 => 0,
            pace => (u64::from(pace) * u64::from(self.left)).div_ceil(left.max(1)).max(1) as u32,
        }
    }
}

impl Drop for Stake {
    fn drop(&mut self) {
        self.of.rows.fetch_sub(self.rows, Ordering::Relaxed);
        self.of.left.fetch_sub(self.left, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_share_and_who_is_done_leaves_it_to_the_others() {
        let of = Arc::default();
        let mut shards: Vec<Stake> = [500, 300].map(|rows| Stake::new(&of, (rows, 1_000))).into();
        let shares = |shards: &[Stake]| shards.iter().map(|one| one.share(100)).collect::<Vec<_>>();
        assert_eq!(shares(&shards), [50, 30], "another process has the rest");
        shards.push(Stake::new(&of, (200, 1_000)));
        assert_eq!(shares(&shards), [50, 30, 20]);
        shards[1].set_left(0);
        assert_eq!(shares(&shards), [72, 1, 29], "of five and two");
        shards[1].set_left(300);
        assert_eq!(shares(&shards), [50, 30, 20]);
        shards.pop();
        assert_eq!(shares(&shards), [50, 30], "it went to another thread");
        assert_eq!(shards[0].share(0), 0, "no bound");
    }
}
