//! A build without the feature `cluster`: it is no cluster's node.

use super::opening::Opening;
use crate::control::store::Store;
use crate::gateway::fingerprint::FingerprintKeys;
use crate::io::neighbours::Neighbourhood;
use crate::shard::Durability;
use crate::start::config::Config;
use host::fatal::{Fatal, FatalReason};
use std::path::Path;

/// The file of a node's data directory that names its cluster and itself.
pub(super) const MEMBER_FILE: &str = "cluster";

/// There is none.
#[derive(Clone, Copy, Debug)]
pub(super) enum Member {}

/// There is none.
pub(super) enum Node {}

impl Member {
    pub(super) fn join(config: Config) -> Result<(Config, Option<Self>), Fatal> {
        if config.cluster.is_none() {
            return Ok((config, None));
        }
        let cause = "this program was built without the feature `cluster`";
        let remedy = "leave --cluster out, or take a program that has it";
        Err(Fatal::with_remedy(FatalReason::Configuration, cause, remedy))
    }

    pub(super) fn durability(&self) -> Durability {
        match *self {}
    }

    pub(super) fn neighbours(&self) -> Neighbourhood {
        match *self {}
    }

    pub(super) fn take_directory(&mut self, _: &Path) -> Result<FingerprintKeys, Fatal> {
        match *self {}
    }

    pub(super) fn take_registry(&self, _: &mut Store) -> Result<(), Fatal> {
        match *self {}
    }

    pub(super) fn words(&self) -> String {
        match *self {}
    }
}

impl Node {
    pub(super) fn start(member: Member, _: Opening) -> Result<Self, Fatal> {
        match member {}
    }

    pub(super) fn end(self) {
        match self {}
    }
}
