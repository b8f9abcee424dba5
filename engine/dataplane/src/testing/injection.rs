//! Faults that a test has the engine meet: which, and at which occasion.

use serde::Deserialize;
use std::str::FromStr;

/// A fault to rehearse: `KIND=N`, the N-th time that it could happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Injection {
    /// What happens.
    pub kind: InjectionKind,
    /// At which occurrence, counted from 1 in each shard.
    pub at: u64,
}

/// The faults that can be rehearsed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum InjectionKind {
    /// The N-th sync to the device fails.
    SyncFailure,
    /// The device never answers the N-th sync.
    SyncHangs,
    /// The N-th push is answered 9001.
    InternalError,
    /// The N-th push cannot be made durable and is answered 9002.
    NotDurable,
    /// The N-th push meets a full hand-over ring and is answered 8002.
    Overload,
    /// The N-th push meets a full journal and is answered 8003.
    StorageFull,
    /// The shard stops turning at the N-th push.
    Stall,
    /// The shard panics at the N-th push.
    Panic,
    /// Every look-up of a notification host's name hangs, whatever N is.
    NameLookUp,
}

impl FromStr for Injection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, at) = text.split_once('=').ok_or_else(|| format!("{text} is not KIND=N"))?;
        let kind = <InjectionKind as clap::ValueEnum>::from_str(kind.trim(), false)
            .map_err(|_| format!("{kind} is not a fault that can be rehearsed"))?;
        match at.trim().parse() {
            Ok(at) if at > 0 => Ok(Self { kind, at }),
            _ => Err(format!("{at} is not a count from 1 up")),
        }
    }
}

impl TryFrom<String> for Injection {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
