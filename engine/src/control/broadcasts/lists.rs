//! Lists: made, filled with versions by streams, shown, removed.

use std::collections::BTreeMap;
use std::fs::File;

use hyper::body::Bytes;
use serde::Serialize;
use tokio::sync::mpsc::Receiver;

use super::audited::AuditedImport;
use super::check::hexadecimal;
use super::desk::{BroadcastDesk, CHECK_HOLDS_MS};
use super::documents::{BroadcastDocument, Stage};
use super::list_documents::{ListDocument, ListWanted, VersionAccount, VersionDocument};
use super::memory::SUPPRESSION;
use super::now::Now;
use super::refusal::{BroadcastRefusal, LIST_NOT_READY, STATE, TOO_MANY_REFUSED, refused, unknown};
use super::shelf::{Part, new_identifier};
use super::sight::XpidSight;
use super::standing::Standing;
use crate::broadcast::limits::{LIST_XPIDS_MAX, PARAMETER_COLUMNS_MAX};
use crate::broadcast::lists::account::Account;
use crate::broadcast::lists::columns::is_own_column;
use crate::broadcast::lists::delta::{Changes, Delta};
use crate::broadcast::lists::import::{Import, Version};
use crate::broadcast::lists::reader::ReaderOptions;
use crate::broadcast::lists::view::ListView;
use crate::control::admin::reply::AdminError;
use crate::control::now::wall_now;
use host::mapped::Mapped;
use wire::terms::calendar;
use wire::terms::ids::Xpid;
use wire::terms::time::WallMs;

/// Versions of a list that are kept beside those that a live broadcast stands on.
const VERSIONS_KEPT: usize = 5;
/// So long after its end a broadcast keeps the versions that a retraction of it stands on, in
/// milliseconds.
const RETRACTABLE_MS: u64 = 7 * 24 * 3_600 * 1_000;
/// Lists that there may be.
const LISTS_MAX: usize = 1_000;
/// And of one XPID: nobody fills the places of all.
const LISTS_OF_ONE_MAX: usize = 200;

/// A piece of a file on its way in; without the end it was cut off.
pub(super) enum Piece {
    Octets(Bytes),
    End,
}

/// What an import did.
#[derive(Serialize)]
pub(super) struct Imported {
    list: String,
    version: u32,
    digest: String,
    /// More lines were refused than a list may have, or it has no row: it is not used.
    is_refused: bool,
    #[serde(flatten)]
    account: Account,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Changes>,
}

impl Imported {
    /// Whether it is not used.
    pub(super) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// The same without lines of the file.
    pub(super) fn audited(&self) -> AuditedImport {
        AuditedImport {
            list: self.list.clone(),
            version: self.version,
            digest: self.digest.clone(),
            is_refused: self.is_refused,
            rows: self.account.rows,
            refused: self.account.refused_count(),
        }
    }
}

/// Where an import goes, and how its file is read.
pub(super) struct ImportWanted {
    pub(super) list: String,
    /// The version that it changes; `None`: it is a whole list.
    pub(super) base: Option<u32>,
    /// A version without any row is meant.
    pub(super) may_be_empty: bool,
    pub(super) options: ReaderOptions,
    pub(super) by: String,
}

fn wrong(sentence: impl Into<String>) -> BroadcastRefusal {
    AdminError::bad_request(sentence).into()
}

impl BroadcastDesk {
    /// All lists that somebody sees, in the order in which they were made.
    pub(crate) fn lists(&self, sight: &XpidSight) -> Vec<ListDocument> {
        let standing = self.standing();
        standing.lists.values().filter(|list| sight.sees_list(list)).cloned().collect()
    }

    /// One list.
    pub(super) fn list(&self, list: &str) -> Result<ListDocument, BroadcastRefusal> {
        self.standing().lists.get(list).cloned().ok_or_else(|| unknown("list"))
    }

    /// Makes a list without versions.
    pub(super) fn make_list(&self, wanted: ListWanted) -> Result<ListDocument, BroadcastRefusal> {
        self.make_list_as(wanted, false)
    }

    /// Makes one that comes with a broadcast; the oldest such that nothing stands on makes room.
    pub(super) fn make_list_of_one(
        &self,
        wanted: ListWanted,
    ) -> Result<ListDocument, BroadcastRefusal> {
        if self.has_room_for_list(&wanted.xpids).is_err()
            && let Some(oldest) = self.lists_over(wall_now()).first()
        {
            self.remove_list(oldest, &XpidSight::whole())?;
        }
        self.make_list_as(wanted, true)
    }

    /// Whether there may be one more list, of these XPIDs.
    fn has_room_for_list(&self, xpids: &[String]) -> Result<(), BroadcastRefusal> {
        let standing = self.standing();
        let is_of_one = |list: &&ListDocument| list.xpids.iter().any(|xpid| xpids.contains(xpid));
        if standing.lists.len() >= LISTS_MAX {
            return Err(refused(STATE, format!("there are {LISTS_MAX} lists: remove one")));
        }
        if standing.lists.values().filter(is_of_one).count() >= LISTS_OF_ONE_MAX {
            let sentence = format!("an XPID has {LISTS_OF_ONE_MAX} lists at most: remove one");
            return Err(refused(STATE, sentence));
        }
        Ok(())
    }

    /// At a start: a list that came with a broadcast and has no version was being taken in when the
    /// engine died, and nobody goes on with it.
    pub(super) fn remove_unfilled_lists(&self) {
        let unfilled: Vec<String> = {
            let standing = self.standing();
            let lists = standing.lists.values();
            let unfilled = lists.filter(|list| list.is_of_one && list.versions.is_empty());
            unfilled.map(|list| list.list.clone()).collect()
        };
        for list in unfilled {
            if let Err(refusal) = self.remove_list(&list, &XpidSight::whole()) {
                let error = refusal.sentence;
                tracing::warn!(list, error, "a list that was not taken in stays for now");
            }
        }
    }

    /// Lists that came with a broadcast and are not needed any more, the oldest first.
    pub(super) fn lists_over(&self, now_ms: WallMs) -> Vec<String> {
        let standing = self.standing();
        let documents = || standing.broadcasts.values().map(|entry| &entry.document);
        let is_needed = |list: &ListDocument| {
            documents().any(|document| {
                stands_on_lists(document, now_ms) && names_list(document, &list.list)
            })
        };
        // What is being taken in, or was a moment ago, is about to be stood on.
        let is_young = |list: &ListDocument| {
            let at_ms = list.versions.last().map_or(WallMs::NEVER, |last| last.at_ms);
            now_ms.since(at_ms) <= CHECK_HOLDS_MS
        };
        let lists = standing.lists.values().filter(|list| list.is_of_one);
        let over = lists.filter(|list| !is_young(list) && !is_needed(list));
        over.map(|list| list.list.clone()).collect()
    }

    fn make_list_as(
        &self,
        wanted: ListWanted,
        is_of_one: bool,
    ) -> Result<ListDocument, BroadcastRefusal> {
        let ListWanted { name, purpose, consent, parameters, xpids } = wanted;
        if name.is_empty() || name.chars().nth(100).is_some() || name.chars().any(is_hidden) {
            return Err(wrong("give the list a name of 1 to 100 characters that can be seen"));
        }
        if let Some(name) = parameters.iter().find(|name| is_own_column(name)) {
            let sentence =
                format!("{name} is a column of every list: name the parameter otherwise");
            return Err(wrong(sentence));
        }
        if parameters.len() > PARAMETER_COLUMNS_MAX {
            return Err(wrong(format!("a list has at most {PARAMETER_COLUMNS_MAX} parameters")));
        }
        if resembles_suppression(&purpose) {
            let sentence = "this purpose keeps nobody from broadcasts: write suppression for a \
                            list of those who want none, or another word";
            return Err(wrong(sentence));
        }
        check_xpids(&xpids, &purpose)?;
        self.has_room_for_list(&xpids)?;
        let list = new_identifier("li");
        let versions = Vec::new();
        let document =
            ListDocument { list, name, purpose, consent, parameters, xpids, is_of_one, versions };
        let mut standing = self.standing();
        self.shelf.begin_list(&document.list, &document)?;
        standing.lists.insert(document.list.clone(), document.clone());
        Ok(document)
    }

    /// Removes a list, unless a broadcast stands on it that is live or may have to be taken back.
    pub(super) fn remove_list(
        &self,
        list: &str,
        sight: &XpidSight,
    ) -> Result<ListDocument, BroadcastRefusal> {
        self.remove_list_at(list, sight, wall_now())
    }

    /// As [`Self::remove_list`], at that time.
    pub(super) fn remove_list_at(
        &self,
        list: &str,
        sight: &XpidSight,
        now_ms: WallMs,
    ) -> Result<ListDocument, BroadcastRefusal> {
        let mut standing = self.standing();
        let document = standing.lists.get(list).cloned().ok_or_else(|| unknown("list"))?;
        let documents = standing.broadcasts.values().map(|entry| &entry.document);
        let mut pinning = documents
            .filter(|document| stands_on_lists(document, now_ms) && names_list(document, list));
        if let Some(document) = pinning.next() {
            let is_seen = sight.sees_broadcast(document);
            let broadcast = if is_seen { document.broadcast.as_str() } else { "a broadcast" };
            let sentence = match document.stage {
                Stage::Ended => format!(
                    "{broadcast} stands on the list and may have to be taken back: remove it seven \
                     days after its end"
                ),
                _ => format!("{broadcast} stands on the list: end that first"),
            };
            return Err(refused(STATE, sentence));
        }
        self.shelf.remove(&self.shelf.list(list))?;
        standing.lists.remove(list);
        drop(standing);
        self.publish_suppression(Now::read().steady);
        Ok(document)
    }

    /// Takes a version in, piece by piece. What is cut off leaves nothing.
    pub(super) fn import(
        &self,
        wanted: ImportWanted,
        pieces: Receiver<Piece>,
    ) -> Result<Imported, BroadcastRefusal> {
        let document = self.list(&wanted.list)?;
        let folder = self.shelf.list(&wanted.list);
        let number = document.versions.last().map_or(1, |last| last.version + 1);
        let path = self.shelf.version(&wanted.list, number);
        let options = ReaderOptions { parameters: document.parameters.clone(), ..wanted.options };
        let part = Part::of(&path)?;
        let (version, changes) = match wanted.base {
            None => (whole(options, &folder, pieces, &part.file)?, None),
            Some(base) => {
                let base = self.version_to_change(&document, base)?;
                let files = (&Mapped::open(&base)?, &part.file);
                let (version, changes) = changed(options, &folder, pieces, files)?;
                (version, Some(changes))
            }
        };
        let Version { account, digest } = version;
        let digest = hexadecimal(&digest);
        let is_refused = account.is_refused() || (account.rows == 0 && !wanted.may_be_empty);
        let mut standing = self.standing();
        let list = standing.lists.get_mut(&wanted.list).ok_or_else(|| unknown("list"))?;
        if list.versions.last().is_some_and(|last| last.version >= number) {
            return Err(refused(STATE, "another import of the list came first: import again"));
        }
        if digest_in(&document.versions, wanted.base) != digest_in(&list.versions, wanted.base) {
            return Err(refused(
                STATE,
                "the version that it changes is another by now: send again",
            ));
        }
        part.keep()?;
        let (mut longer, now_ms) = (list.clone(), wall_now());
        longer.versions.push(VersionDocument {
            version: number,
            digest: digest.clone(),
            rows: account.rows,
            refused: account.refused_count(),
            is_refused,
            by: wanted.by,
            at: calendar::jst_text(now_ms.ms()),
            at_ms: now_ms,
            taken_by: None,
        });
        let (refused, kept) = (account.refused_lines.table(), account_of(&account));
        let kept = self.shelf.keep_account((&wanted.list, number), &kept, &refused);
        kept.and_then(|()| self.shelf.keep_list(&wanted.list, &longer)).inspect_err(|_| {
            // A version that no document names takes no room.
            self.shelf.remove_version(&wanted.list, number);
        })?;
        *list = longer;
        drop(standing);
        self.retire_versions(&wanted.list, &[]);
        self.publish_suppression(Now::read().steady);
        let list = wanted.list;
        Ok(Imported { list, version: number, digest, is_refused, account, changes })
    }

    /// The rows of a version that a change stands on: a change makes no usable list of one that
    /// nobody took as it is.
    fn version_to_change(&self, list: &ListDocument, base: u32) -> Result<File, BroadcastRefusal> {
        if list.versions.iter().any(|known| known.version == base && known.is_refused) {
            let sentence = format!(
                "too many lines of version {base} were refused: change another, or import a whole \
                 list"
            );
            return Err(refused(TOO_MANY_REFUSED, sentence));
        }
        File::open(self.shelf.version(&list.list, base)).map_err(|_| {
            refused(LIST_NOT_READY, format!("the list has no version {base} to change"))
        })
    }

    /// Removes the oldest versions, but those that something stands on. Refused ones take no place
    /// of those that are used: the last of all versions is kept, refused or not. Those that are old
    /// go however few there are.
    pub(super) fn retire_versions(&self, list: &str, old: &[u32]) {
        let mut standing = self.standing();
        let pinned = pinned_versions(&standing, list, wall_now());
        let Some(document) = standing.lists.get_mut(list) else { return };
        let usable = document.versions.iter().filter(|version| !version.is_refused).count();
        let too_many = usable.saturating_sub(VERSIONS_KEPT);
        let last = document.versions.last().map(|last| last.version);
        let newest = document.newest().map(|newest| newest.version);
        let (mut place, mut gone) = (0, Vec::new());
        let mut shorter = document.clone();
        shorter.versions.retain(|version| {
            place += usize::from(!version.is_refused);
            let is_old = old.contains(&version.version);
            let is_over = version.is_refused || is_old || place <= too_many;
            let is_kept = [last, newest].contains(&Some(version.version))
                || pinned.contains(&version.version);
            let goes = is_over && !is_kept;
            if goes {
                gone.push(version.version);
            }
            !goes
        });
        if gone.is_empty() {
            return;
        }
        // A document never names a version that is not there.
        if self.shelf.keep_list(list, &shorter).is_err() {
            return tracing::warn!(list, "the list keeps versions that are not needed any more");
        }
        *document = shorter;
        for version in gone {
            self.shelf.remove_version(list, version);
        }
    }
}

/// What tells a version from what it was: a phone may have been forgotten since.
fn digest_in(versions: &[VersionDocument], wanted: Option<u32>) -> Option<&str> {
    let found = versions.iter().find(|known| Some(known.version) == wanted)?;
    Some(&found.digest)
}

fn check_xpids(xpids: &[String], purpose: &str) -> Result<(), BroadcastRefusal> {
    if let Some(xpid) = xpids.iter().find(|xpid| Xpid::parse(xpid.as_bytes()).is_none()) {
        return Err(wrong(format!("{xpid:?} is no XPID: give 11 digits")));
    }
    if xpids.len() > LIST_XPIDS_MAX {
        return Err(wrong(format!(
            "a list is of {LIST_XPIDS_MAX} XPIDs at most: name none for all"
        )));
    }
    if !xpids.is_empty() && purpose == SUPPRESSION {
        return Err(wrong("a suppression list holds for all XPIDs: name none"));
    }
    Ok(())
}

/// Versions of a list that something stands on.
pub(super) fn pinned_versions(standing: &Standing, list: &str, now_ms: WallMs) -> Vec<u32> {
    let documents = standing.broadcasts.values().map(|entry| &entry.document);
    let standing_on = documents.filter(|document| stands_on_lists(document, now_ms));
    let lists = standing_on.filter_map(|document| document.check.as_ref());
    let lists = lists.flat_map(|check| &check.lists).filter(|(known, ..)| known == list);
    lists.map(|(_, version, _)| *version).collect()
}

/// What is kept of an account: nobody's number.
fn account_of(account: &Account) -> VersionAccount {
    let owned = |counts: &BTreeMap<&'static str, u64>| {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    VersionAccount {
        lines: account.lines,
        records: account.records,
        blank: account.blank,
        duplicates: account.duplicates,
        conflicts: account.conflicts,
        repaired: account.repaired,
        spellings: owned(&account.spellings),
        refused: owned(&account.refused),
        areas: account.areas.clone(),
        languages: account.languages.clone(),
        ignored_columns: account.ignored_columns.clone(),
    }
}

/// Whether a broadcast needs the versions that its dry run found: it may be started, is live, or
/// may have to be taken back.
fn stands_on_lists(document: &BroadcastDocument, now_ms: WallMs) -> bool {
    let is_within = |at_ms: WallMs, ms: u64| now_ms.since(at_ms) <= ms;
    match document.stage {
        Stage::Draft => false,
        Stage::Checked | Stage::Approved => {
            document.check.as_ref().is_some_and(|check| is_within(check.at_ms, CHECK_HOLDS_MS))
        }
        Stage::Scheduled | Stage::Started => true,
        Stage::Ended => {
            let ended = document.ended.as_ref().filter(|_| document.started.is_some());
            ended.is_some_and(|end| is_within(end.at_ms, RETRACTABLE_MS))
        }
    }
}

/// Whether a character is not seen, or turns round what stands beside it.
fn is_hidden(one: char) -> bool {
    one.is_control()
        || matches!(one, '\u{200e}' | '\u{200f}')
        || matches!(one, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a broadcast's dry run has looked into a list.
fn names_list(document: &BroadcastDocument, list: &str) -> bool {
    let mut lists = document.check.iter().flat_map(|check| &check.lists);
    let mut except = document.manifest.legs.iter().flat_map(|leg| &leg.audience.except);
    lists.any(|(known, ..)| known == list) || except.any(|known| known == list)
}

/// Whether a purpose is not the word of suppression lists, and is likely meant to be.
fn resembles_suppression(purpose: &str) -> bool {
    let letters: String =
        purpose.chars().filter(|one| one.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let means_it =
        ["suppress", "optout", "optedout", "unsubscri", "donot", "blocklist", "blacklist"]
            .iter()
            .any(|word| letters.contains(word));
    purpose != SUPPRESSION && (means_it || letters == "stop" || letters.contains("配信停止"))
}

/// The next piece; `None` at the end, an error where it was cut off.
fn next(pieces: &mut Receiver<Piece>) -> Result<Option<Bytes>, BroadcastRefusal> {
    match pieces.blocking_recv() {
        Some(Piece::Octets(octets)) => Ok(Some(octets)),
        Some(Piece::End) => Ok(None),
        None => Err(wrong("the list was cut off, and nothing of it is kept: send it again")),
    }
}

fn whole(
    options: ReaderOptions,
    folder: &std::path::Path,
    mut pieces: Receiver<Piece>,
    file: &File,
) -> Result<Version, BroadcastRefusal> {
    let mut import = Import::new(options, folder)?;
    while let Some(octets) = next(&mut pieces)? {
        import.feed(&octets)?;
    }
    Ok(import.finish(file)?)
}

fn changed(
    options: ReaderOptions,
    folder: &std::path::Path,
    mut pieces: Receiver<Piece>,
    (base, file): (&Mapped, &File),
) -> Result<(Version, Changes), BroadcastRefusal> {
    // A damaged list and its changes would make one whose checksums are right.
    let view = ListView::open(base.as_ref())
        .and_then(|view| view.verify().map(|()| view))
        .map_err(|error| refused(LIST_NOT_READY, error.to_string()))?;
    let mut delta = Delta::new(options, folder)?;
    while let Some(octets) = next(&mut pieces)? {
        delta.feed(&octets)?;
    }
    Ok(delta.finish(&view, file)?)
}
