//! One phone is taken out of every list, every version, and what became of broadcasts.
//!
//! **Never here:** the journals, whose records go as their segments are cleaned; copies of the
//! directory. **Invariants:** the number stands in no line of the audit; a broadcast that is under
//! way keeps its rows, and is named, so that somebody asks again; a crash leaves a file with the
//! phone or one without it, and all others as they were.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Arc, TryLockError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;

use super::check::hexadecimal;
use super::desk::{BroadcastDesk, takes_none_back};
use super::documents::{BroadcastDocument, Stage};
use super::handling::{Answer, Desk, beside, stopping};
use super::list_documents::{ForgetWanted, Forgotten};
use super::memory::SUPPRESSION;
use super::now::Now;
use super::refusal::{BroadcastRefusal, broken};
use super::shelf::{Part, RECIPIENTS, new_identifier, write};
use super::versions::version_word;
use crate::broadcast::lists::delta::Delta;
use crate::broadcast::lists::reader::ReaderOptions;
use crate::broadcast::lists::refused::without_number;
use crate::broadcast::lists::view::ListView;
use crate::broadcast::recipients::Recipients;
use crate::control::admin::reply::{AdminError, reply_json};
use crate::control::admin::{Caller, Document};
use crate::control::audit::Act;
use host::mapped::Mapped;
use wire::terms::ids::Msn;

/// The routes of forgetting.
pub(super) fn router(desk: Arc<BroadcastDesk>) -> Router {
    Router::new().route("/lists/forget", post(forget)).with_state(desk)
}

async fn forget(
    State(desk): Desk,
    caller: Caller,
    Document(wanted): Document<ForgetWanted>,
) -> Answer {
    // Of no phone is "every phone" the number.
    let msn = Msn::parse(wanted.msn.as_bytes()).filter(|msn| *msn != Msn::ALL);
    let msn = msn.ok_or_else(|| AdminError::bad_request("msn is a phone's number, 11 digits"))?;
    // What has begun comes to its end, and that is a line, whether the asker is still there or not.
    let task = tokio::spawn(async move {
        caller.record(Act::new("list forget begins")).await?;
        let forgotten = beside(desk, move |desk| desk.forget(msn)).await;
        let line = match &forgotten {
            Ok(forgotten) => Act::new("list forget ends").after(forgotten),
            Err(refusal) => Act::new("list forget").failed(&refusal.sentence),
        };
        caller.note(line).await?;
        forgotten
    });
    let forgotten = task.await.unwrap_or_else(|_| Err(stopping()))?;
    Ok(reply_json(StatusCode::OK, &forgotten))
}

/// A file that may not be there.
fn opened(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Forgotten {
    /// What may have the phone still.
    fn note_remaining(&mut self, what: String, refusal: &BroadcastRefusal) {
        let error = &refusal.sentence;
        tracing::warn!(what, error, "a phone could not be forgotten there");
        self.remaining.push(what);
    }
}

impl BroadcastDesk {
    /// Forgets a phone wherever it may be forgotten now. What cannot be read is named, and keeps
    /// nothing else.
    pub(super) fn forget(&self, msn: Msn) -> Result<Forgotten, BroadcastRefusal> {
        // Of two that write a file without a phone each, the second would have the first one's.
        let _turn = match self.forgetting.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let sentence = "another phone is being forgotten: ask again when it is";
                return Err(AdminError::new(StatusCode::SERVICE_UNAVAILABLE, sentence).into());
            }
        };
        let mut forgotten = Forgotten::default();
        let lists: Vec<(String, Vec<u32>)> = {
            let standing = self.standing();
            let lists = standing.lists.values();
            let versions = lists.map(|list| {
                (list.list.clone(), list.versions.iter().map(|version| version.version).collect())
            });
            versions.collect()
        };
        for (list, versions) in lists {
            let mut had_it = false;
            for version in versions {
                let word = version_word(&list, version);
                // Whatever became of the one, the other is looked at.
                let of_lines = self.forget_refused((&list, version), msn);
                let of_rows = self.forget_in_version((&list, version), msn);
                had_it |= matches!(of_rows, Ok(true));
                match (of_lines, of_rows) {
                    (Err(refusal), _) | (_, Err(refusal)) => {
                        forgotten.note_remaining(word, &refusal);
                    }
                    (Ok(false), Ok(false)) => {}
                    (Ok(_), Ok(_)) => forgotten.versions.push(word),
                }
            }
            let is_suppression =
                self.list(&list).is_ok_and(|document| document.purpose == SUPPRESSION);
            if had_it && is_suppression {
                forgotten.suppression.push(list);
            }
        }
        if !forgotten.suppression.is_empty() {
            self.read_suppression_anew(Now::read().steady);
        }
        let broadcasts: Vec<String> = self.standing().broadcasts.keys().cloned().collect();
        for broadcast in broadcasts {
            if let Err(refusal) = self.forget_in_broadcast(&broadcast, msn, &mut forgotten) {
                forgotten.note_remaining(broadcast, &refusal);
            }
        }
        // Nobody knows which files are theirs.
        let standing = self.standing();
        let damaged = standing.damaged_lists.keys().chain(standing.damaged.keys());
        forgotten.remaining.extend(damaged.cloned());
        Ok(forgotten)
    }

    /// Writes a version without it; whether it was there.
    fn forget_in_version(
        &self,
        (list, version): (&str, u32),
        msn: Msn,
    ) -> Result<bool, BroadcastRefusal> {
        let path = self.shelf.version(list, version);
        let Some(file) = opened(&path)? else { return Ok(false) };
        let octets = Mapped::open(&file)?;
        let damaged = |error| broken(format!("{list}, version {version}: {error}"));
        let view = ListView::open(octets.as_ref()).map_err(damaged)?;
        // One word that cannot be read may hide any phone; and what is damaged is never named as
        // if it were whole.
        view.verify().map_err(damaged)?;
        if view.find(msn).is_none() {
            // A crash may have come between its file and its document.
            self.name_version((list, version), (view.digest(), view.rows().into()), None)?;
            return Ok(false);
        }
        let parameters = view.parameter_names().iter().map(|name| (*name).to_owned()).collect();
        let options = ReaderOptions { parameters, ..ReaderOptions::default() };
        let part = Part::of(&path)?;
        let mut delta = Delta::new(options, &self.shelf.list(list))?;
        delta.feed(format!("{{\"op\":\"delete\",\"msn\":\"{msn}\"}}\n").as_bytes())?;
        let (rest, _) = delta.finish(&view, &part.file)?;
        self.name_version((list, version), (&rest.digest, rest.account.rows), Some(part))
    }

    /// Has a list's document say what the file of a version is, which is this one from now on where
    /// there is one; whether it said something else.
    fn name_version(
        &self,
        (list, version): (&str, u32),
        (digest, rows): (&[u8; 32], u64),
        part: Option<Part>,
    ) -> Result<bool, BroadcastRefusal> {
        let mut standing = self.standing();
        let Some(known) = standing.lists.get_mut(list) else { return Ok(false) };
        let mut named = known.clone();
        let found = named.versions.iter_mut().find(|known| known.version == version);
        // It was retired meanwhile, and its file with it.
        let Some(found) = found else { return Ok(false) };
        (found.digest, found.rows) = (hexadecimal(digest), rows);
        part.map_or(Ok(()), Part::keep)?;
        if named == *known {
            return Ok(false);
        }
        self.shelf.keep_list(list, &named)?;
        *known = named;
        Ok(true)
    }

    /// A refused line that has the number goes too; whether there was one.
    fn forget_refused(
        &self,
        (list, version): (&str, u32),
        msn: Msn,
    ) -> Result<bool, BroadcastRefusal> {
        let path = self.shelf.refused_lines(list, version);
        let Some(file) = opened(&path)? else { return Ok(false) };
        let Some(rest) = without_number(&io::read_to_string(file)?, msn) else { return Ok(false) };
        write(&path, rest.as_bytes())?;
        Ok(true)
    }

    fn forget_in_broadcast(
        &self,
        broadcast: &str,
        msn: Msn,
        forgotten: &mut Forgotten,
    ) -> Result<(), BroadcastRefusal> {
        let Ok(document) = self.standing().entry(broadcast).map(|entry| entry.document.clone())
        else {
            return Ok(());
        };
        let Some(check) = document.check.as_ref().filter(|_| !document.rows_are_gone) else {
            return Ok(());
        };
        let path = self.shelf.broadcast(broadcast).join(&check.file);
        let Some(file) = opened(&path)? else { return Ok(()) };
        let recipients = Recipients::open(&file);
        let recipients = recipients.map_err(|error| broken(format!("{broadcast}: {error}")))?;
        let Some(row) = recipients.find(msn) else { return Ok(()) };
        let broadcast = broadcast.to_owned();
        match document.stage {
            Stage::Draft | Stage::Checked | Stage::Approved if self.uncheck(&broadcast)? => {
                forgotten.drafts.push(broadcast);
            }
            Stage::Ended if document.started.is_some() => {
                self.forget_row(&document, &recipients, row)?;
                forgotten.broadcasts.push(broadcast);
            }
            Stage::Ended => {
                drop(fs::remove_file(self.shelf.broadcast(&broadcast).join(&check.file)))
            }
            _ => forgotten.remaining.push(broadcast),
        }
        Ok(())
    }

    /// A draft has no dry run any more; not what takes another broadcast back.
    fn uncheck(&self, broadcast: &str) -> Result<bool, BroadcastRefusal> {
        let mut standing = self.standing();
        if takes_none_back(&standing, broadcast).is_err() {
            return Ok(false);
        }
        let mut file = None;
        let mut is_draft = false;
        self.alter_in(&mut standing, broadcast, |document| {
            is_draft = matches!(document.stage, Stage::Draft | Stage::Checked | Stage::Approved);
            if is_draft {
                document.stage = Stage::Draft;
                file = document.check.take().map(|check| check.file);
                document.approvals.clear();
            }
            Ok(())
        })?;
        if let Some(file) = file {
            let _ = fs::remove_file(self.shelf.broadcast(broadcast).join(file));
        }
        Ok(is_draft)
    }

    /// What became of one row of a broadcast that is over is not known any more.
    fn forget_row(
        &self,
        document: &BroadcastDocument,
        recipients: &Recipients,
        row: u32,
    ) -> Result<(), BroadcastRefusal> {
        let broadcast = &document.broadcast;
        let (_, mut words) = self.words(broadcast)?;
        words.remove(row as usize);
        let file = new_identifier(RECIPIENTS);
        let folder = self.shelf.broadcast(broadcast);
        let path = folder.join(&file);
        let part = Part::of(&path)?;
        recipients.write_without(row, part.file.try_clone()?, &folder)?;
        part.keep()?;
        self.shelf.write_other_outcomes(broadcast, &words)?;
        let mut before = None;
        let mut standing = self.standing();
        // This rename decides which of the two counts; a start makes up for the next.
        let kept = self.alter_in(&mut standing, broadcast, |document| {
            document.forgotten += 1;
            before = document.check.as_mut().map(|check| std::mem::replace(&mut check.file, file));
            Ok(())
        });
        if let Err(refusal) = kept {
            let _ = fs::remove_file(path);
            return Err(refusal);
        }
        // The phone goes first; what cannot go now does at the next start.
        let before = before.map(|before| self.shelf.broadcast(broadcast).join(before));
        let gone = before.map_or(Ok(()), fs::remove_file);
        self.shelf.use_other_outcomes(broadcast)?;
        let watched = &mut standing.entry(broadcast)?.watched;
        (watched.tally, watched.is_last_look) = (None, false);
        Ok(gone?)
    }

    /// At a start: outcomes that a crash kept from their name get it, where the document has the
    /// recipients that they are of.
    pub(super) fn settle_forgotten(&self) {
        for document in self.standing().broadcasts.values().map(|entry| &entry.document) {
            let broadcast = &document.broadcast;
            let other = self.shelf.other_outcomes(broadcast);
            let Ok(found) = fs::metadata(&other) else { continue };
            let check = document.check.as_ref();
            let file = check.map(|check| self.shelf.broadcast(broadcast).join(&check.file));
            let recipients = file.and_then(|file| File::open(file).ok());
            let rows = recipients.and_then(|file| Recipients::open(&file).ok());
            let octets = rows.map(|recipients| u64::from(recipients.rows()) * 4 + 4);
            let settled = if octets == Some(found.len()) {
                self.shelf.remove_other_recipients(document);
                self.shelf.use_other_outcomes(broadcast)
            } else {
                fs::remove_file(other)
            };
            if let Err(error) = settled {
                tracing::warn!(broadcast, %error, "what was forgotten of it is not yet");
            }
        }
    }
}
