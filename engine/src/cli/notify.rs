//! `hayauma notify`: the notifications that no push client took for 24 hours, or that it answered
//! 410 Gone (6101): listed, sent again, let go. They are the running engine's: without one there is
//! nobody who could send them.

use clap::{Args, Subcommand};

use super::place::RegistryPlace;
use super::{CliError, Place, print};
use crate::control::parked::ParkedDocument;
use wire::terms::ids::Xpid;

/// List, replay or discard parked notifications
#[derive(Args, Debug)]
pub(super) struct NotifyCommand {
    #[command(subcommand)]
    what: What,
    /// Only those of this XPID
    #[arg(long, global = true, value_parser = parse_xpid)]
    xpid: Option<Xpid>,
    #[command(flatten)]
    place: Place,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Print what is parked, oldest push of each shard first
    List,
    /// Send what is parked again; what fails once more is parked again
    Replay,
    /// Let go of what is parked, for good: of one XPID, or of all
    Discard {
        /// Those of all XPIDs
        #[arg(long)]
        all: bool,
    },
}

impl NotifyCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let RegistryPlace::Running(engine) = self.place.registry_to_read()? else {
            return Err(CliError::new(
                "no engine holds the data directory: start it with serve, then ask again"
                    .to_owned(),
            ));
        };
        let query = self.xpid.map_or_else(String::new, |xpid| format!("?xpid={xpid}"));
        let parked: Vec<ParkedDocument> = match self.what {
            What::List => engine.get(&format!("/notifications{query}"))?,
            What::Replay => engine.post(&format!("/notifications/replay{query}"), &())?,
            What::Discard { all } if all == self.xpid.is_some() => {
                return Err(CliError::new(
                    "name whose notifications to discard: --xpid XPID, or --all".to_owned(),
                ));
            }
            What::Discard { all: true } => engine.post("/notifications/discard?all=true", &())?,
            What::Discard { all: false } => {
                engine.post(&format!("/notifications/discard{query}"), &())?
            }
        };
        let mut text = String::new();
        for one in &parked {
            let why = one.why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
            text.push_str(&format!(
                "{} {} {} {} {} {} ended {}{why}\n",
                one.msn, one.reqid, one.xpid, one.code, one.notifications, one.push, one.ended
            ));
        }
        let verb = match self.what {
            What::List => "parked",
            What::Replay => "sent again",
            What::Discard { .. } => "discarded",
        };
        text.push_str(&format!("{} {verb}\n", parked.len()));
        print(&text)
    }
}

fn parse_xpid(text: &str) -> Result<Xpid, String> {
    Xpid::parse(text.as_bytes()).ok_or_else(|| "an XPID is eleven digits".to_owned())
}
