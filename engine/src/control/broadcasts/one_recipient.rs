//! One recipient of a broadcast: what became of the row, and its withdrawal.
//!
//! **Never here:** all words of a broadcast for the sake of one row.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::desk::BroadcastDesk;
use super::documents::{BroadcastDocument, Stage};
use super::places::Place;
use super::refusal::{BroadcastRefusal, STATE, disk, refused};
use crate::broadcast::outcomes::{Outcome, RowWord};
use crate::broadcast::recipients::Recipients;
use crate::broadcast::running::RunningBroadcast;
use crate::control::admin::AdminError;
use wire::terms::code::Code;
use wire::terms::ids::Msn;
use wire::terms::ownership::shard_of;

/// A row, as somebody asks for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecipientDocument {
    /// The phone.
    pub msn: String,
    /// Its area.
    pub area: String,
    /// Its language; empty for none.
    pub lang: String,
    /// The leg, from 0.
    pub leg: u32,
    /// The wave, from 1.
    pub wave: u8,
    /// What became of it.
    pub outcome: String,
    /// Four digits.
    pub code: String,
    /// Segments that arrived.
    pub segments: u8,
    /// Attempts; beyond 15 they count as 15.
    pub attempts: u8,
    /// Of its last outcome, from the start; for one that is held, when it is due.
    pub seconds: u32,
}

fn no_recipient() -> BroadcastRefusal {
    let sentence = "the broadcast does not address this number".to_owned();
    BroadcastRefusal { status: StatusCode::NOT_FOUND, code: 3002, sentence, place: None }
}

impl BroadcastDesk {
    /// A place to look for a row of this broadcast; `None` where none is needed, as its recipients
    /// are at hand. All of a file is summed before a row of it is believed.
    ///
    /// # Errors
    /// 503: as many rows are being looked for as may be.
    pub(super) fn place_to_search(
        &self,
        broadcast: &str,
        caller: &str,
    ) -> Result<Option<Place>, BroadcastRefusal> {
        if self.standing().entry(broadcast)?.running.is_some() {
            return Ok(None);
        }
        self.searches.take(caller).map(Some).ok_or_else(|| {
            let sentence = "as many rows of broadcasts that are over are being looked for as may \
                            be, or two by you: wait until one is found";
            AdminError::new(StatusCode::SERVICE_UNAVAILABLE, sentence).into()
        })
    }

    /// What became of the row to a phone.
    pub(super) fn recipient(
        &self,
        broadcast: &str,
        msn: Msn,
    ) -> Result<RecipientDocument, BroadcastRefusal> {
        let (document, running) = self.started_document(broadcast)?;
        let opened = match &running {
            Some(_) => None,
            None => Some(self.recipients_file(&document)?),
        };
        let running = running.as_ref().map(|running| &running.recipients);
        let recipients = running.or(opened.as_ref()).ok_or_else(not_started)?;
        let number = recipients.find(msn).ok_or_else(no_recipient)?;
        let word = self.word_of(&document, recipients, (number, msn))?;
        let row = recipients.row(number);
        let run = recipients.runs().iter().rfind(|run| run.first <= number);
        let (area, leg, wave) = run.map_or((0, 0, 0), |run| (run.area, run.leg, run.wave));
        Ok(RecipientDocument {
            msn: msn.to_string(),
            area: recipients.area(area).to_owned(),
            lang: recipients.language(row.language).to_owned(),
            leg,
            wave: wave + 1,
            outcome: word.outcome.word().to_owned(),
            code: format!("{:04}", word.code),
            segments: word.segments,
            attempts: word.attempts,
            seconds: word.seconds,
        })
    }

    /// Withdraws the row to a phone: nothing of it begins after the answer.
    pub(super) fn withdraw(&self, broadcast: &str, msn: Msn) -> Result<(), BroadcastRefusal> {
        let (document, _) = self.started_document(broadcast)?;
        let ordinal = document.started.as_ref().map(|start| start.ordinal);
        let ordinal = ordinal.ok_or_else(not_started)?;
        let code = self.engine.withdraw_recipient(ordinal, msn)?;
        let code = match code {
            Some(code) => code,
            // It is not addressed, or what it was addressed by is over for long.
            None => match self.recipient(broadcast, msn) {
                Ok(_) if document.stage == Stage::Ended => Code::ALREADY_ENDED,
                Ok(_) => return Err(refused(STATE, "a shard does not know the broadcast yet")),
                Err(refusal) => return Err(refusal),
            },
        };
        match code {
            Code::ACCEPTED => Ok(()),
            code => {
                let sentence = format!("nothing is withdrawn: {}", code.meaning());
                let status = StatusCode::CONFLICT;
                Err(BroadcastRefusal { status, code: code.number(), sentence, place: None })
            }
        }
    }

    fn started_document(
        &self,
        broadcast: &str,
    ) -> Result<(BroadcastDocument, Option<Arc<RunningBroadcast>>), BroadcastRefusal> {
        let mut standing = self.standing();
        let entry = standing.entry(broadcast)?;
        if entry.document.started.is_none() {
            return Err(not_started());
        }
        Ok((entry.document.clone(), entry.running.clone()))
    }

    fn recipients_file(
        &self,
        document: &BroadcastDocument,
    ) -> Result<Recipients, BroadcastRefusal> {
        if document.rows_are_gone {
            let sentence = "its rows are gone, and its report is kept: `broadcast report` shows it";
            return Err(refused(STATE, sentence));
        }
        let check = document.check.as_ref().ok_or_else(not_started)?;
        let file = File::open(self.shelf.broadcast(&document.broadcast).join(&check.file))?;
        Recipients::open(&file).map_err(|error| disk(error.to_string()))
    }

    fn word_of(
        &self,
        document: &BroadcastDocument,
        recipients: &Recipients,
        (number, msn): (u32, Msn),
    ) -> Result<RowWord, BroadcastRefusal> {
        if document.stage == Stage::Ended {
            let mut octets = [0; 4];
            let file = File::open(self.shelf.outcomes(&document.broadcast))?;
            file.read_exact_at(&mut octets, u64::from(number) * 4)?;
            let damaged = || disk("the outcomes are damaged: restore the directory from a backup");
            return RowWord::from_bits(u32::from_le_bytes(octets)).ok_or_else(damaged);
        }
        let ordinal = document.started.as_ref().map_or(0, |start| start.ordinal);
        let shards = self.engine.shards();
        let shard = shard_of(msn, shards);
        let runs = recipients.of_shard(shard, shards);
        let run = runs.iter().find(|run| (run.first..run.first + run.slice.rows).contains(&number));
        let place = run.map_or(0, |run| run.slice.first + (number - run.first));
        let words = self.engine.broadcast_words(shard, ordinal, place..place + 1)?;
        let unknown = || refused(STATE, "a shard does not know the broadcast");
        let word = words.first().and_then(|bits| RowWord::from_bits(*bits)).ok_or_else(unknown)?;
        let figures = self.engine.broadcast_figures()?;
        let of_shard = figures.get(shard).into_iter().flatten();
        let life =
            of_shard.filter(|figures| figures.ordinal == ordinal).map(|figures| figures.life);
        // Rows that never began ended by arithmetic.
        Ok(match (word.outcome, life.filter_map(|life| life.end()).next()) {
            (Outcome::Waiting, Some(end)) => word.becoming(end.into(), 0),
            _ => word,
        })
    }
}

fn not_started() -> BroadcastRefusal {
    refused(STATE, "the broadcast was never started")
}

#[cfg(test)]
mod tests {
    use super::super::tests::Bench;

    #[test]
    fn rows_of_what_is_over_are_looked_for_a_few_at_once_and_by_nobody_alone() {
        let bench = Bench::new(1, 10);
        let broadcast = bench.started("a", "");
        for _ in 0..10 {
            let live = bench.desk.place_to_search(&broadcast, "script").expect("at hand");
            assert!(live.is_none(), "its recipients are at hand");
        }
        bench.desk.standing().entry(&broadcast).expect("there").running = None;
        let search = |caller: &str| bench.desk.place_to_search(&broadcast, caller);
        let own = [search("script").expect("one"), search("script").expect("two")];
        let refusal = search("script").expect_err("two are its share");
        assert_eq!(refusal.status.as_u16(), 503, "{}", refusal.sentence);
        let other = search("desk").expect("others have places");
        drop(own);
        search("script").expect("they are given back");
        drop(other);
    }
}
