//! Which push a receipt is about: by the message id of its answer, by the reference that the
//! receipt repeats, or by the answer that is still to come.

use crate::limits::EARLY_RECEIPTS_MAX;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use wire::smpp::id::IdForms;
use wire::smpp::receipt::MessageState;

/// What a receipt says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    /// A hash of the message's id.
    pub(crate) id: u64,
    pub(crate) state: MessageState,
    pub(crate) at_ns: u64,
}

/// Message ids and the pushes that they were given for. The pushes' indices fit 32 bits, as
/// `limits::PUSHES_MAX` says.
pub(crate) struct Matching {
    forms: IdForms,
    pushes: HashMap<u64, u32, BuildHasherDefault<AsIs>>,
    /// Receipts whose ids no answer has named yet.
    early: HashMap<u64, Told, BuildHasherDefault<AsIs>>,
    /// Receipts that found no room there.
    dropped: u64,
}

impl Matching {
    pub(crate) fn new(forms: IdForms) -> Self {
        Self { forms, pushes: HashMap::default(), early: HashMap::default(), dropped: 0 }
    }

    /// The hash of an id in a receipt.
    pub(crate) fn hash(&self, id: &[u8]) -> u64 {
        self.forms.of_receipt(id).hash()
    }

    /// Push `index` was answered with this id; gives the receipt that has come before.
    pub(crate) fn answered(&mut self, id: &[u8], index: u64) -> Option<Told> {
        let id = self.forms.of_response(id).hash();
        self.pushes.insert(id, index as u32);
        self.early.remove(&id)
    }

    /// The push that was given the id of this hash.
    pub(crate) fn push_of(&self, id: u64) -> Option<u64> {
        self.pushes.get(&id).map(|&index| u64::from(index))
    }

    /// Keeps a receipt until an answer names its message.
    pub(crate) fn keep(&mut self, told: Told) {
        if self.early.len() < EARLY_RECEIPTS_MAX {
            self.early.insert(told.id, told);
        } else {
            self.dropped += 1;
        }
    }

    /// Receipts of messages that no answer has named, once; the count begins anew.
    pub(crate) fn take_strangers(&mut self) -> u64 {
        std::mem::take(&mut self.dropped) + self.early.drain().count() as u64
    }
}

/// What is a hash already is not hashed again.
#[derive(Default)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers of 64 bits are kept");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::smpp::id::IdForm;

    #[test]
    fn a_receipt_finds_its_push_before_and_after_the_answer_in_either_form() {
        let forms = IdForms { response: IdForm::Hex, receipt: IdForm::Decimal };
        let mut matching = Matching::new(forms);
        let told = |matching: &Matching, id: &[u8]| Told {
            id: matching.hash(id),
            state: MessageState::Delivered,
            at_ns: 5,
        };
        let early = told(&matching, b"48879");
        assert_eq!(matching.push_of(early.id), None);
        matching.keep(early);
        assert_eq!(matching.answered(b"0000BEEF", 7), Some(early));
        assert_eq!(matching.push_of(early.id), Some(7));
        assert_eq!((matching.answered(b"beef", 7), matching.take_strangers()), (None, 0));
        let stranger = told(&matching, b"1");
        matching.keep(stranger);
        assert_eq!((matching.take_strangers(), matching.take_strangers()), (1, 0));
    }
}
