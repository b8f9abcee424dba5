//! `hayauma push show`: the life of every push to a phone, event by event, from the journal of a
//! running engine or of a stopped one; beside it, what a running engine knows at this moment.
//! Changes nothing, and never shows a text or data.

mod life;
mod render;
mod wanted;

use crate::cli::push::wanted::Wanted;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use self::life::Lives;
use super::admin_client::AdminClient;
use super::place::RegistryPlace;
use super::queue::{journals, parse_msn, parse_reqid};
use super::{CliError, Place, print};
use crate::control::document::ClientDocument;
use crate::control::pushes::LivePushDocument;
use crate::gateway::fingerprint::Fingerprints;
use crate::journal::survey;
use crate::start::fingerprint_key;
use wire::terms::ids::{Msn, Reqid, Xpid};

/// Readings of the journal at most, where a running engine goes on while it is read.
const READINGS_MAX: usize = 3;

/// Follow pushes from acceptance to the last acknowledgement
#[derive(Args, Debug)]
pub(super) struct PushCommand {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    place: Place,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Print all that happened to the pushes to a phone number, in their order
    Show {
        /// The phone number
        #[arg(value_parser = parse_msn)]
        msn: Msn,
        /// Only the push with this request id
        #[arg(value_parser = parse_reqid)]
        reqid: Option<Reqid>,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

impl PushCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let What::Show { msn, reqid, json } = self.what;
        let shards = journals(&self.place.data_dir()?)?;
        let keys = match reqid {
            Some(reqid) => keys_of(&self.place, &self.place.data_dir()?, msn, reqid)?,
            None => HashMap::new(),
        };
        let wanted = Wanted { msn, reqid, keys };
        let documents = match self.place.running_engine()? {
            Some(engine) => of_running(&engine, &shards, &wanted)?,
            None => read(&shards, &wanted)?.into_documents(Vec::new()),
        };
        if documents.is_empty() {
            let with_reqid =
                reqid.map_or_else(String::new, |reqid| format!(" with the request id {reqid:?}"));
            return Err(CliError::new(format!(
                "no push to {msn}{with_reqid} is known: what has ended is remembered for 24 hours \
                 and what was refused is not recorded; check the number, or name another --data-dir"
            )));
        }
        if json {
            return super::output::with_standard_output(|output| output.print_json(&documents));
        }
        print(&render::text(&documents))
    }
}

/// The journal and the engine's memory together. The engine goes on meanwhile: when its memory,
/// asked last, does not fit what was read, the journal is read once more.
fn of_running(
    engine: &AdminClient,
    shards: &BTreeMap<u16, PathBuf>,
    wanted: &Wanted,
) -> Result<Vec<life::PushDocument>, CliError> {
    for reading in 1.. {
        let lives = read(shards, wanted)?;
        let live: Vec<LivePushDocument> = engine.get(&format!("/pushes?msn={}", wanted.msn))?;
        if reading == READINGS_MAX || lives.agree_with(&live, wanted.reqid.is_none()) {
            return Ok(lives.into_documents(live));
        }
    }
    unreachable!("the last reading is taken as it is")
}

fn read(shards: &BTreeMap<u16, PathBuf>, wanted: &Wanted) -> Result<Lives, CliError> {
    let mut lives = Lives::default();
    for (&shard, directory) in shards {
        lives.begin_shard(shard);
        read_shard(&mut lives, directory, wanted)?;
        // Cleaning has carried a push behind records of it: now that its number is known, they are
        // read too.
        if lives.has_missed() {
            lives.begin_again();
            read_shard(&mut lives, directory, wanted)?;
        }
    }
    Ok(lives)
}

fn read_shard(lives: &mut Lives, directory: &Path, wanted: &Wanted) -> Result<(), CliError> {
    survey(directory, &mut |_, sequence, record| lives.take(wanted, sequence, &record))
        .map(|_| ())
        .map_err(|error| CliError::new(error.to_string()))
}

fn keys_of(
    place: &Place,
    data_dir: &Path,
    msn: Msn,
    reqid: Reqid,
) -> Result<HashMap<u64, Xpid>, CliError> {
    let xpids: Vec<Xpid> = match place.registry_to_read() {
        Ok(RegistryPlace::Running(engine)) => {
            let documents: Vec<ClientDocument> = engine.get("/clients")?;
            documents.iter().filter_map(|document| Xpid::parse(document.xpid.as_bytes())).collect()
        }
        Ok(RegistryPlace::Stopped(store)) => {
            store.registrations()?.iter().map(|registration| registration.xpid).collect()
        }
        // A journal without a registry, such as a copy, is looked at all the same.
        Err(_) => Vec::new(),
    };
    let keyed = fingerprint_key::look(data_dir).map(|keys| keys.keyed);
    let methods: Vec<Fingerprints> = keyed.into_iter().chain([Fingerprints::open()]).collect();
    let of = |xpid| methods.iter().map(move |method| (method.push_key(xpid, msn, reqid), xpid));
    Ok(xpids.into_iter().flat_map(of).collect())
}
