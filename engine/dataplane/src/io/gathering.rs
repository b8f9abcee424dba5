//! The cancel of a whole alert, in which every shard takes part.
//!
//! First each shard closes the alert if it knows pushes of it. Where one did, the shards that knew
//! none are told to close it too: pushes of it may come to them. Where none did, the cancel leaves
//! nothing behind in any shard, and is answered 3002.
//!
//! A cancel that breaks off in between was not answered. Its repeat finds the alert closed where
//! pushes of it waited, and closes it everywhere.
//!
//! Never here: connections, parcels, the alerts themselves.

use crate::io::portions::{Portion, Portions};
use crate::io::slots::Slots;
use wire::push::response::Answer;
use wire::terms::code::Code;

/// Where the answer belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Asker {
    pub(super) connection: u32,
    pub(super) generation: u32,
    /// The number of the answer on the connection.
    pub(super) answer: u64,
}

/// What one shard says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saying {
    pub(super) shard: usize,
    /// 0000, 0001, 3002, or why it did nothing.
    pub(super) code: Code,
    /// Pushes that it withdraws.
    pub(super) withdrawn: u32,
}

/// What is to be done when a part has come.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Next {
    /// Others are still to come.
    Wait,
    /// These shards are to close the alert, though they know no push of it.
    Close(Vec<usize>),
    /// The client is answered.
    Answer(Answer),
}

/// A cancel under way.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) asker: Asker,
    /// Whose it is, by the XPID's position in the registry.
    pub(super) client: u32,
    /// The request's binary form, for shards that are asked twice.
    pub(super) form: Vec<u8>,
    answer: Answer,
    /// Parts that have not come.
    left: usize,
    withdrawn: u32,
    /// A shard had answered this cancel before.
    repeated: bool,
    /// A shard could not be asked or refused: the client must ask again.
    failed: Option<Code>,
    /// Shards that know no push of the alert.
    unknowing: Vec<usize>,
    /// Those are closing it.
    closing: bool,
}

impl Gathering {
    /// One of this client in which so many shards take part; `answer` is the answer but for its
    /// code.
    pub(super) fn new(
        (asker, client): (Asker, u32),
        form: Vec<u8>,
        answer: Answer,
        shards: usize,
    ) -> Self {
        Self {
            asker,
            client,
            form,
            answer,
            left: shards,
            withdrawn: 0,
            repeated: false,
            failed: None,
            unknowing: Vec::new(),
            closing: false,
        }
    }

    /// Takes a shard's part.
    pub(super) fn take(&mut self, saying: Saying) -> Next {
        self.left -= 1;
        self.withdrawn += saying.withdrawn;
        match saying.code {
            Code::ACCEPTED => {}
            Code::REPEATED => self.repeated = true,
            Code::PUSH_NOT_FOUND if self.closing => {}
            Code::PUSH_NOT_FOUND => self.unknowing.push(saying.shard),
            code => self.failed = Some(code),
        }
        if self.left > 0 {
            return Next::Wait;
        }
        let found = self.withdrawn > 0 || self.repeated;
        if found && self.failed.is_none() && !self.unknowing.is_empty() {
            let unknowing = std::mem::take(&mut self.unknowing);
            (self.left, self.closing) = (unknowing.len(), true);
            return Next::Close(unknowing);
        }
        Next::Answer(Answer { code: self.code(), ..self.answer })
    }

    fn code(&self) -> Code {
        match self.failed {
            Some(code) => code,
            None if self.withdrawn > 0 => Code::ACCEPTED,
            None if self.repeated => Code::REPEATED,
            None => Code::PUSH_NOT_FOUND,
        }
    }
}

/// Cancels of whole alerts under way.
pub(super) struct Gatherings {
    pub(super) slots: Slots<Gathering>,
    portions: Portions,
}

impl Gatherings {
    /// So many at a time; a client has its portion of them.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { slots: Slots::with_capacity(capacity), portions: Portions::default() }
    }

    /// Begins one, where its client may have one more.
    pub(super) fn begin(&mut self, gathering: Gathering) -> Option<u32> {
        let client = gathering.client;
        let free = self.slots.capacity() - self.slots.len();
        let portion = self.portions.of(client, free, 0);
        let index = match portion {
            Portion::Free => self.slots.insert(|_, _| gathering)?,
            Portion::Used | Portion::Nothing => return None,
        };
        self.portions.take(client);
        Some(index)
    }

    /// Ends one.
    pub(super) fn end(&mut self, index: u32) -> Option<Gathering> {
        let gathering = self.slots.remove(index)?;
        self.portions.give_back(gathering.client);
        Some(gathering)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKER: Asker = Asker { connection: 1, generation: 2, answer: 3 };

    /// What follows from these parts, shard by shard.
    fn after(parts: &[(Code, u32)]) -> (Gathering, Next) {
        let mut gathering =
            Gathering::new((ASKER, 0), Vec::new(), Answer::bare(Code::INTERNAL), parts.len());
        let mut next = Next::Wait;
        for (shard, &(code, withdrawn)) in parts.iter().enumerate() {
            assert_eq!(next, Next::Wait);
            next = gathering.take(Saying { shard, code, withdrawn });
        }
        (gathering, next)
    }

    fn answered(code: Code) -> Next {
        Next::Answer(Answer::bare(code))
    }

    #[test]
    fn an_alert_that_no_shard_knows_is_closed_in_none() {
        let nothing = (Code::PUSH_NOT_FOUND, 0);
        assert_eq!(after(&[nothing, nothing]).1, answered(Code::PUSH_NOT_FOUND));
    }

    #[test]
    fn where_one_shard_knows_it_the_others_close_it_before_the_answer() {
        let nothing = (Code::PUSH_NOT_FOUND, 0);
        for (known, code) in
            [((Code::ACCEPTED, 4), Code::ACCEPTED), ((Code::REPEATED, 0), Code::REPEATED)]
        {
            let (mut gathering, next) = after(&[nothing, known, nothing]);
            assert_eq!(next, Next::Close(vec![0, 2]));
            // A push of it came to a shard in between, or had been cancelled there.
            let saying = Saying { shard: 0, code: Code::REPEATED, withdrawn: 0 };
            assert_eq!(gathering.take(saying), Next::Wait);
            let saying = Saying { shard: 2, code: Code::PUSH_NOT_FOUND, withdrawn: 0 };
            assert_eq!(gathering.take(saying), answered(code));
        }
    }

    #[test]
    fn a_shard_that_cannot_be_asked_is_what_the_client_is_told() {
        let (_, next) =
            after(&[(Code::ACCEPTED, 4), (Code::OVERLOAD, 0), (Code::PUSH_NOT_FOUND, 0)]);
        assert_eq!(next, answered(Code::OVERLOAD), "and the client asks again");
    }

    #[test]
    fn a_client_that_cancels_again_and_again_leaves_others_their_cancels() {
        const PLACES: usize = 1_000;
        let mut gatherings = Gatherings::with_capacity(PLACES);
        let of =
            |client| Gathering::new((ASKER, client), Vec::new(), Answer::bare(Code::OVERLOAD), 2);
        let begin_all = |gatherings: &mut Gatherings, client| -> Vec<u32> {
            std::iter::from_fn(|| gatherings.begin(of(client))).collect()
        };
        let loud = begin_all(&mut gatherings, 1);
        assert!((PLACES / 2..PLACES / 10 * 9).contains(&loud.len()), "{}", loud.len());
        let second = begin_all(&mut gatherings, 2).len();
        assert!(second >= PLACES / 20, "{second}");
        assert!(gatherings.end(loud[0]).is_some_and(|ended| ended.client == 1));
        assert!(gatherings.end(loud[0]).is_none(), "it has ended");
        assert!(gatherings.begin(of(3)).is_some());
    }
}
