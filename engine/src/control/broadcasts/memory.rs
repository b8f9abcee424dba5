//! What the shards are to know beside what runs: broadcasts that are over and that requests may
//! still mean, and who wants none.

use std::fs::File;
use std::sync::Arc;

use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, Stage};
use super::refusal::BroadcastRefusal;
use crate::broadcast::lists::view::ListView;
use crate::broadcast::past::{PastBroadcast, REMEMBERED_MS};
use crate::broadcast::suppression::OptOuts;
use host::clock;
use host::mapped::Mapped;
use wire::terms::ids::Msn;
use wire::terms::time::WallMs;

/// The purpose of a list of those who want no broadcasts.
pub(super) const SUPPRESSION: &str = "suppression";

impl BroadcastDesk {
    /// A broadcast that is over, as the shards remember it; `None` where that is too long ago, or
    /// it never began.
    fn past_of(
        &self,
        document: &BroadcastDocument,
    ) -> Result<Option<Arc<PastBroadcast>>, BroadcastRefusal> {
        let Some(end) = document.ended.as_ref().filter(|_| document.started.is_some()) else {
            return Ok(None);
        };
        let until_ms = end.at_ms.saturating_add(REMEMBERED_MS);
        if until_ms <= clock::unix_ms() {
            return Ok(None);
        }
        let running = self.running(document)?;
        let words = Mapped::open(&File::open(self.shelf.outcomes(&document.broadcast))?)?;
        let past = PastBroadcast::new(running, words, WallMs::new(until_ms));
        Ok(past.map(Arc::new))
    }

    /// At a start: the shards hear of what ended lately.
    pub(super) fn remember_past(&self) {
        let standing = self.standing();
        let documents = standing.broadcasts.values().map(|entry| &entry.document);
        let ended = documents.filter(|document| document.stage == Stage::Ended);
        ended.for_each(|document| self.remember(document));
    }

    /// The shards hear of one that is over.
    pub(super) fn remember(&self, document: &BroadcastDocument) {
        match self.past_of(document) {
            Ok(past) => past.into_iter().for_each(|past| self.engine.remember_broadcast(past)),
            Err(refusal) => {
                let (broadcast, error) = (&document.broadcast, refusal.sentence);
                tracing::warn!(broadcast, error, "requests do not find its rows any more");
            }
        }
    }

    /// The shards hear of those who want no broadcasts: of the newest usable versions of all lists
    /// of that purpose. Where none is usable the newest counts: who was understood wants none.
    pub(super) fn publish_suppression(&self) {
        let files: Vec<(String, u32)> = {
            let standing = self.standing();
            let lists = standing.lists.values().filter(|list| list.purpose == SUPPRESSION);
            let newest = lists.filter_map(|list| {
                let version = list.newest().or_else(|| list.versions.last())?;
                Some((list.list.clone(), version.version))
            });
            newest.collect()
        };
        let mut msns = Vec::new();
        for (list, version) in files {
            let read = File::open(self.shelf.version(&list, version))
                .and_then(|file| Mapped::open(&file))
                .map_err(BroadcastRefusal::from)
                .and_then(|octets| read_msns(&octets, &mut msns));
            if let Err(refusal) = read {
                let error = refusal.sentence;
                tracing::error!(
                    list,
                    error,
                    "a suppression list cannot be read and does not count"
                );
            }
        }
        self.engine.suppress(Arc::new(OptOuts::of(msns)));
    }
}

fn read_msns(octets: &Mapped, msns: &mut Vec<Msn>) -> Result<(), BroadcastRefusal> {
    let view =
        ListView::open(octets.as_ref()).map_err(|error| super::refusal::disk(error.to_string()))?;
    msns.extend((0..view.rows()).filter_map(|row| view.plain(row)).map(|(msn, ..)| msn));
    Ok(())
}
