//! One phone is taken out of every list, every version, and what became of broadcasts.
//!
//! **Never here:** the journals, whose records go as their segments are cleaned; copies of the
//! directory. **Invariants:** the number stands in no line of the audit; a broadcast that is under
//! way keeps its rows, and is named, so that somebody asks again; a crash leaves a file with the
//! phone or one without it, and all others as they were.

use std::fs::{self, File};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;

use super::check::hexadecimal;
use super::desk::{BroadcastDesk, takes_none_back};
use super::documents::{BroadcastDocument, Stage};
use super::handling::{Answer, Desk, beside};
use super::list_documents::{ForgetWanted, Forgotten};
use super::memory::SUPPRESSION;
use super::now::Now;
use super::refusal::{BroadcastRefusal, broken};
use super::shelf::{Part, RECIPIENTS, new_identifier, write};
use super::versions::version_word;
use crate::broadcast::lists::delta::Delta;
use crate::broadcast::lists::reader::ReaderOptions;
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
    let msn = Msn::parse(wanted.msn.as_bytes());
    let msn = msn.ok_or_else(|| AdminError::bad_request("msn is a phone's number, 11 digits"))?;
    caller.record(Act::new("list forget begins")).await?;
    let forgotten = beside(desk, move |desk| desk.forget(msn)).await;
    let line = match &forgotten {
        Ok(forgotten) => Act::new("list forget ends").after(forgotten),
        Err(refusal) => Act::new("list forget").failed(&refusal.sentence),
    };
    caller.note(line).await?;
    Ok(reply_json(StatusCode::OK, &forgotten?))
}

impl BroadcastDesk {
    /// Forgets a phone wherever it may be forgotten now.
    pub(super) fn forget(&self, msn: Msn) -> Result<Forgotten, BroadcastRefusal> {
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
                if self.forget_in_version((&list, version), msn)? {
                    forgotten.versions.push(version_word(&list, version));
                    had_it = true;
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
            self.forget_in_broadcast(&broadcast, msn, &mut forgotten)?;
        }
        Ok(forgotten)
    }

    /// Writes a version without it; whether it was there.
    fn forget_in_version(
        &self,
        (list, version): (&str, u32),
        msn: Msn,
    ) -> Result<bool, BroadcastRefusal> {
        let path = self.shelf.version(list, version);
        let Ok(file) = File::open(&path) else { return Ok(false) };
        let octets = Mapped::open(&file)?;
        let damaged = |error| broken(format!("{list}, version {version}: {error}"));
        let view = ListView::open(octets.as_ref()).map_err(damaged)?;
        self.forget_refused((list, version), msn)?;
        if view.find(msn).is_none() {
            return Ok(false);
        }
        view.verify().map_err(damaged)?;
        let parameters = view.parameter_names().iter().map(|name| (*name).to_owned()).collect();
        let options = ReaderOptions { parameters, ..ReaderOptions::default() };
        let part = Part::of(&path)?;
        let mut delta = Delta::new(options, &self.shelf.list(list))?;
        delta.feed(format!("{{\"op\":\"delete\",\"msn\":\"{msn}\"}}\n").as_bytes())?;
        let (rest, _) = delta.finish(&view, &part.file)?;
        let mut standing = self.standing();
        let Some(known) = standing.lists.get_mut(list) else { return Ok(false) };
        let mut without = known.clone();
        let found = without.versions.iter_mut().find(|known| known.version == version);
        // It was retired meanwhile, and its file with it.
        let Some(found) = found else { return Ok(false) };
        (found.digest, found.rows) = (hexadecimal(&rest.digest), rest.account.rows);
        part.keep()?;
        self.shelf.keep_list(list, &without)?;
        *known = without;
        Ok(true)
    }

    /// A refused line that has the number goes too.
    fn forget_refused(
        &self,
        (list, version): (&str, u32),
        msn: Msn,
    ) -> Result<(), BroadcastRefusal> {
        let path = self.shelf.refused_lines(list, version);
        let Ok(table) = fs::read_to_string(&path) else { return Ok(()) };
        let number = msn.to_string();
        if table.contains(&number) {
            let lines = table.split_inclusive('\n').filter(|line| !line.contains(&number));
            write(&path, lines.collect::<String>().as_bytes())?;
        }
        Ok(())
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
        let Ok(file) = File::open(path) else { return Ok(()) };
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
        let path = self.shelf.broadcast(broadcast).join(&file);
        let part = Part::of(&path)?;
        recipients.write_without(row, part.file.try_clone()?)?;
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
        if let Some(before) = before {
            fs::remove_file(self.shelf.broadcast(broadcast).join(before))?;
        }
        self.shelf.use_other_outcomes(broadcast)?;
        standing.entry(broadcast)?.watched.tally = None;
        Ok(())
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
