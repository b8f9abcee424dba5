//! `hayauma network`: changes lines of the simulated core network while the engine runs, for
//! rehearsals: a subscriber goes absent, comes back, fills up.

use clap::{Args, Subcommand};

use super::place::RegistryPlace;
use super::{CliError, Place, print};
use crate::control::limits::MSN_WORDS_PER_REQUEST_MAX;
use crate::control::lines::{LineChange, LinesChanged};

/// Change lines of the simulated core network of a running engine
#[derive(Args, Debug)]
pub(super) struct NetworkCommand {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    place: Place,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Put lines into a state from now on; one that becomes reachable, or has memory again, raises
    /// the HLR's alert
    Set {
        /// In the words of a line-state file, such as home, absent, memory-full, busy,
        /// roaming-ps+no-cs
        #[arg(value_name = "STATE")]
        state: String,
        /// Phone numbers, or ranges such as 09000000000-09000000999
        #[arg(value_name = "MSN", required = true)]
        msns: Vec<String>,
    },
}

impl NetworkCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let RegistryPlace::Running(engine) = self.place.registry_to_read()? else {
            return Err(CliError::new(
                "no engine holds the data directory: start it with serve, then ask again",
            ));
        };
        let What::Set { state, msns } = self.what;
        let mut all = 0;
        for msns in msns.chunks(MSN_WORDS_PER_REQUEST_MAX) {
            let change = LineChange { msns: msns.to_vec(), state: state.clone() };
            let changed: LinesChanged = engine.put("/network/lines", &change)?;
            all += changed.changed;
        }
        print(&format!("changed {all}\n"))
    }
}
