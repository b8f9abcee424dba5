//! What was answered to repeats, cancels and bad requests, beside what must be.

use crate::acts::Deed;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The answers to the requests of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Answers {
    /// `repeat`, `cancel`, or the fault of a bad request.
    pub request: &'static str,
    /// The code they must get, where there is only one.
    pub expected: Option<String>,
    /// Those answered as they must be.
    pub right: u64,
    /// The others.
    pub wrong: u64,
    /// How often each code came.
    pub codes: BTreeMap<String, u64>,
}

/// All of them. Bounded by the kinds of requests and the codes there are; plain pushes never come
/// here.
#[derive(Default)]
pub(super) struct Asked(Mutex<BTreeMap<&'static str, Answers>>);

impl Asked {
    /// Enters an answer.
    pub(super) fn note(&self, deed: Deed, code: String, right: bool) {
        let (request, expected) = deed.name();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = all.entry(request).or_insert_with(|| Answers {
            request,
            expected: expected.map(|code| format!("{code:04}")),
            ..Answers::default()
        });
        *(if right { &mut answers.right } else { &mut answers.wrong }) += 1;
        *answers.codes.entry(code).or_default() += 1;
    }

    /// Every kind that was answered.
    pub(super) fn answers(&self) -> Vec<Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// How many were answered otherwise than they must be.
    pub(super) fn wrong(&self) -> u64 {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .map(|answers| answers.wrong)
            .sum()
    }
}
