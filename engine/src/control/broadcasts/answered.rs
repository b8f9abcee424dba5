//! Answers that were given to requests with a key of their own, so that one that is sent again gets
//! the same: a file each, whose name says when, to whom and under which key.
//!
//! **Invariants:** an answer stands on the device before it leaves; what is kept is bounded in
//! number, in octets and in time; whoever has most gives up its oldest.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedMutexGuard;

use super::now::Now;
use super::shelf;
use crate::control::limits::{ANSWERS_KEPT_MAX, ANSWERS_KEPT_OCTETS_MAX};
use host::reading::read_bounded;
use wire::json;
use wire::terms::time::{SteadyMs, WallMs};

/// How long an answer is kept, in milliseconds.
pub(super) const KEPT_MS: u64 = 24 * 3_600 * 1_000;
const ENDING: &str = "json";

/// A key of somebody's, as files are named.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct AnswerKey {
    caller: String,
    key: String,
}

impl AnswerKey {
    /// The key that somebody of this name gave.
    pub(super) fn of(caller: &str, key: &[u8]) -> Self {
        let digits = |octets: &[u8]| -> String {
            let digest = Sha256::digest(octets);
            digest.iter().take(16).map(|octet| format!("{octet:02x}")).collect()
        };
        Self { caller: digits(caller.as_bytes()), key: digits(key) }
    }
}

/// An answer, and to what it was given.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct KeptAnswer {
    /// SHA-256 of the request: its method, path and body.
    pub(super) request: String,
    /// How long its body was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) octets: Option<u64>,
    /// The HTTP status.
    pub(super) status: u16,
    /// What the body is.
    pub(super) content_type: String,
    /// The body.
    pub(super) text: String,
}

/// An answer that is kept: when it was given, and how long it is.
#[derive(Clone, Copy, Debug)]
struct Kept {
    at_ms: WallMs,
    /// It goes then, whatever the wall's clock is set to meanwhile.
    until: SteadyMs,
    octets: u64,
}

/// What was given at `at_ms` goes then.
fn kept_until(at_ms: WallMs, now: Now) -> SteadyMs {
    now.steady + KEPT_MS.saturating_sub(now.wall_ms.since(at_ms))
}

/// All that are kept, and who is being answered.
#[derive(Debug)]
pub(super) struct Answered {
    folder: PathBuf,
    kept: Mutex<BTreeMap<AnswerKey, Kept>>,
    turns: Mutex<HashMap<AnswerKey, Arc<tokio::sync::Mutex<()>>>>,
}

impl Answered {
    /// Those of a folder, which is made with the first.
    pub(super) fn open(folder: &Path, now: Now) -> io::Result<Self> {
        let mut kept = BTreeMap::new();
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            entries => entries.into_iter().flatten(),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some((at_ms, key)) = name.to_str().and_then(read_name) else { continue };
            let octets = entry.metadata()?.len();
            let until = kept_until(at_ms, now);
            let (known, read) = (kept.get(&key).copied(), Kept { at_ms, until, octets });
            // An older one of the key could not be removed, and may be now.
            let older = known.map(|known: Kept| known.at_ms.min(at_ms));
            older.map(|at_ms| fs::remove_file(path_in(folder, at_ms, &key))).transpose().ok();
            if known.is_none_or(|known| known.at_ms < at_ms) {
                kept.insert(key, read);
            }
        }
        let (kept, turns) = (Mutex::new(kept), Mutex::default());
        Ok(Self { folder: folder.to_owned(), kept, turns })
    }

    /// The turn of a key: of two requests with the same one the second waits for the first.
    pub(super) async fn turn(&self, key: &AnswerKey) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(key.clone()).or_default())
        };
        turn.lock_owned().await
    }

    /// The answer that a key got.
    pub(super) fn find(&self, key: &AnswerKey, now: Now) -> io::Result<Option<KeptAnswer>> {
        self.let_go(now.steady);
        let Some(kept) = self.kept().get(key).copied() else { return Ok(None) };
        let path = self.path(kept.at_ms, key);
        let text = match read_bounded(&path, ANSWERS_KEPT_OCTETS_MAX) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let wrong = |error| {
            let text = format!("{}: {error}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        json::read(&mut text.into_bytes()).map(Some).map_err(wrong)
    }

    /// Keeps an answer; returns when a crash would leave it.
    pub(super) fn keep(&self, key: &AnswerKey, answer: &KeptAnswer, now: Now) -> io::Result<()> {
        let octets = simd_json::to_vec(answer).map_err(io::Error::other)?;
        if !self.folder.exists() {
            fs::create_dir_all(&self.folder)?;
            self.folder.parent().map_or(Ok(()), shelf::sync)?;
        }
        self.make_room(&key.caller, octets.len() as u64);
        let at_ms = now.wall_ms;
        shelf::write(&self.path(at_ms, key), &octets)?;
        let until = kept_until(at_ms, now);
        let kept = Kept { at_ms, until, octets: octets.len() as u64 };
        self.kept().insert(key.clone(), kept);
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<AnswerKey, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, at_ms: WallMs, key: &AnswerKey) -> PathBuf {
        path_in(&self.folder, at_ms, key)
    }

    /// What is old goes.
    fn let_go(&self, now: SteadyMs) {
        let mut kept = self.kept();
        let old = kept.extract_if(.., |_, kept| kept.until <= now);
        for (key, kept) in old {
            // One that stays costs room, and goes at the next start.
            let _ = fs::remove_file(self.path(kept.at_ms, &key));
        }
    }

    /// Makes room for another answer to a caller.
    fn make_room(&self, caller: &str, octets: u64) {
        let mut kept = self.kept();
        loop {
            let total: u64 = kept.values().map(|kept| kept.octets).sum();
            let has_octets = total + octets <= ANSWERS_KEPT_OCTETS_MAX;
            if kept.len() < ANSWERS_KEPT_MAX && has_octets {
                return;
            }
            let oldest = match has_octets {
                true => oldest_of_the_greediest(&kept, caller, |_| 1),
                false => oldest_of_the_greediest(&kept, caller, |kept| kept.octets),
            };
            let Some(oldest) = oldest else { return };
            if let Some(gone) = kept.remove(&oldest) {
                let _ = fs::remove_file(self.path(gone.at_ms, &oldest));
            }
        }
    }
}

/// The oldest answer of whoever has most of what each counts for; of two who have as much, of the
/// one who asks.
fn oldest_of_the_greediest(
    kept: &BTreeMap<AnswerKey, Kept>,
    asking: &str,
    counts_for: impl Fn(&Kept) -> u64,
) -> Option<AnswerKey> {
    let mut counts: HashMap<&str, (u64, bool)> = HashMap::new();
    for (key, kept) in kept {
        let count = counts.entry(&key.caller).or_insert((0, key.caller == asking));
        count.0 += counts_for(kept);
    }
    let (greediest, _) = counts.into_iter().max_by_key(|(caller, count)| (*count, *caller))?;
    let own = kept.iter().filter(|(key, _)| key.caller == greediest);
    own.min_by_key(|(key, kept)| (kept.until, *key)).map(|(key, _)| key.clone())
}

fn path_in(folder: &Path, at_ms: WallMs, key: &AnswerKey) -> PathBuf {
    folder.join(format!("{at_ms}-{}-{}.{ENDING}", key.caller, key.key))
}

/// Back from [`path_in`].
fn read_name(name: &str) -> Option<(WallMs, AnswerKey)> {
    let mut parts = name.strip_suffix(ENDING)?.strip_suffix('.')?.splitn(3, '-');
    let at_ms = WallMs::new(parts.next()?.parse().ok()?);
    let (caller, key) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    Some((at_ms, AnswerKey { caller, key }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> KeptAnswer {
        let (request, content_type) = ("00".to_owned(), "application/json".to_owned());
        KeptAnswer { request, octets: None, status: 201, content_type, text: text.to_owned() }
    }

    #[test]
    fn an_answer_is_there_for_a_day_over_a_restart_and_for_nobody_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let folder = directory.path().join("answers");
        let now = Now::read();
        let answered = Answered::open(&folder, now).expect("nothing yet");
        let (own, other) = (AnswerKey::of("a", b"1"), AnswerKey::of("b", b"1"));
        assert_eq!(answered.find(&own, now).expect("readable"), None);
        answered.keep(&own, &answer("first"), now).expect("kept");
        let answered = Answered::open(&folder, now.later(1)).expect("one");
        for now in [now.later(1), now.set_forward(2 * KEPT_MS), now.set_back(2 * KEPT_MS)] {
            let found = answered.find(&own, now).expect("readable");
            assert_eq!(found, Some(answer("first")), "a step of the clock forgets none");
        }
        assert_eq!(answered.find(&other, now).expect("readable"), None);
        assert_eq!(answered.find(&own, now.later(KEPT_MS + 1)).expect("readable"), None);
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 0, "its file went");
    }

    #[test]
    fn whoever_has_most_gives_up_its_oldest() {
        let directory = tempfile::tempdir().expect("a directory");
        let now = Now::read();
        let answered = Answered::open(directory.path(), now).expect("nothing yet");
        let few = AnswerKey::of("few", b"1");
        answered.keep(&few, &answer("few"), now).expect("kept");
        let key = |number: usize| AnswerKey::of("many", number.to_string().as_bytes());
        for number in 0..ANSWERS_KEPT_MAX + 1 {
            let now = now.later(1 + number as u64);
            answered.keep(&key(number), &answer("many"), now).expect("kept");
        }
        assert_eq!(answered.kept().len(), ANSWERS_KEPT_MAX);
        let is_there = |key: &AnswerKey| answered.find(key, now).expect("readable").is_some();
        assert!(is_there(&few) && !is_there(&key(0)) && !is_there(&key(1)) && is_there(&key(2)));
        let files = fs::read_dir(directory.path()).expect("a folder").count();
        assert_eq!(files, ANSWERS_KEPT_MAX);
    }

    #[test]
    fn whoever_has_most_octets_makes_room_for_octets() {
        let directory = tempfile::tempdir().expect("a directory");
        let now = Now::read();
        let answered = Answered::open(directory.path(), now).expect("nothing yet");
        let (large, small) = (AnswerKey::of("large", b"1"), |number: u64| {
            AnswerKey::of("small", number.to_string().as_bytes())
        });
        let long = "x".repeat(ANSWERS_KEPT_OCTETS_MAX as usize - 4_096);
        answered.keep(&large, &answer(&long), now).expect("kept");
        (0..60).for_each(|number| {
            let now = now.later(1 + number);
            answered.keep(&small(number), &answer("small"), now).expect("kept");
        });
        let is_there =
            |key: &AnswerKey| answered.find(key, now.later(99)).expect("readable").is_some();
        assert!((0..60).all(|number| is_there(&small(number))) && !is_there(&large));
    }

    #[test]
    fn of_two_files_of_a_key_the_newer_counts() {
        let directory = tempfile::tempdir().expect("a directory");
        let key = AnswerKey::of("a", b"1");
        let now = Now::read();
        for ago in [30, 10, 20] {
            let path = path_in(directory.path(), now.wall_ms - ago, &key);
            let text = simd_json::to_vec(&answer(&ago.to_string())).expect("JSON");
            fs::write(path, text).expect("written");
        }
        let answered = Answered::open(directory.path(), now).expect("readable");
        assert_eq!(answered.find(&key, now).expect("readable"), Some(answer("10")));
        let files = fs::read_dir(directory.path()).expect("a folder").count();
        assert_eq!(files, 1, "the older ones went");
    }
}
