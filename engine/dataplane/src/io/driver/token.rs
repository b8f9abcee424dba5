//! Who asked the kernel for what: travels with an operation, and comes back with its completion.

use std::io;

/// Whose connection, or what else, an operation belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Owner {
    /// A push client's connection.
    Front = 1,
    /// A connection to a push client's notification server.
    Notifier,
    /// The shard itself: its files, its wake-ups.
    Turn,
    /// A session with a carrier.
    Carrier,
    /// A customer's session.
    Customer,
}

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Operation {
    Connect = 1,
    Receive,
    Send,
    /// The peer has ended the connection or its half of it.
    HangUp,
    /// A write of a commit.
    Commit,
    /// The billing log's sync.
    BillingSync,
    Cancel,
    /// Another thread called.
    Call,
    /// A write to the billing log.
    BillingWrite,
}

/// Which operation of which connection: the generation tells a reused slot from its predecessor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token {
    pub(crate) owner: Owner,
    pub(crate) operation: Operation,
    pub(crate) generation: u32,
    pub(crate) index: u32,
}

/// Generations count in 24 bits.
pub(crate) const GENERATION_MASK: u32 = 0x00FF_FFFF;

impl Token {
    pub(crate) fn new(owner: Owner, operation: Operation, index: u32, generation: u32) -> Self {
        Self { owner, operation, generation: generation & GENERATION_MASK, index }
    }

    /// An operation of the shard itself, and which of several it is.
    pub(crate) fn of_turn(operation: Operation, index: u32) -> Self {
        Self::new(Owner::Turn, operation, index, 0)
    }

    pub(super) fn pack(self) -> u64 {
        (self.owner as u64) << 60
            | (self.operation as u64) << 56
            | u64::from(self.generation) << 32
            | u64::from(self.index)
    }

    pub(super) fn unpack(user_data: u64) -> Option<Self> {
        let owner = match user_data >> 60 {
            1 => Owner::Front,
            2 => Owner::Notifier,
            3 => Owner::Turn,
            4 => Owner::Carrier,
            5 => Owner::Customer,
            _ => return None,
        };
        let operation = match user_data >> 56 & 0xF {
            1 => Operation::Connect,
            2 => Operation::Receive,
            3 => Operation::Send,
            4 => Operation::HangUp,
            5 => Operation::Commit,
            6 => Operation::BillingSync,
            7 => Operation::Cancel,
            8 => Operation::Call,
            9 => Operation::BillingWrite,
            _ => return None,
        };
        let generation = (user_data >> 32) as u32 & GENERATION_MASK;
        Some(Self { owner, operation, generation, index: user_data as u32 })
    }
}

/// A completed operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    pub(crate) token: Token,
    /// What the system call would have returned; negative: an errno.
    pub(crate) result: i32,
    /// The buffer that a receive filled.
    pub(crate) buffer: Option<u16>,
    /// Whether a receive goes on.
    pub(crate) more: bool,
}

impl Completion {
    /// One that no buffer and nothing more comes with.
    pub(super) fn last(token: Token, result: i32) -> Self {
        Self { token, result, buffer: None, more: false }
    }

    /// The result as the standard library would give it.
    pub(crate) fn outcome(&self) -> io::Result<usize> {
        usize::try_from(self.result).map_err(|_| io::Error::from_raw_os_error(-self.result))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_from_the_kernel_as_it_went() {
        use {Operation::*, Owner::*};
        for owner in [Front, Notifier, Turn, Carrier, Customer] {
            for operation in
                [Connect, Receive, Send, HangUp, Commit, BillingSync, Cancel, Call, BillingWrite]
            {
                let token = Token::new(owner, operation, u32::MAX - 7, GENERATION_MASK - 3);
                assert_eq!(Token::unpack(token.pack()), Some(token));
            }
        }
        assert_eq!(Token::unpack(0), None);
    }
}
