//! A push as the gateway takes it, whichever door it came through.
//!
//! A door reads its own form, decodes the content, and makes a [`Submission`]: [`crate::push`] from
//! the flat form, [`crate::smpp::customer`] from a submit_sm. The gateway's checks and the message
//! center know nothing of XML, hex digits or PDUs. [`form`] is a submission's binary form: parcels
//! between shards carry it, so that no body is read twice.
//!
//! **Never here:** a door's own form, or a look at a registration. **Invariant:** a submission
//! borrows from the octets it was read from; making one allocates nothing.

mod door;
pub mod form;

pub use door::{Door, Receipts, ReceiptsAsked};

use crate::sms::segment::Content;
use crate::terms::code::Code;
use crate::terms::ids::{Class, Kind, Msn, Reqid, Xpid};

/// A push to be admitted. Every value is inside its type; nothing is looked up yet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Submission<'a> {
    /// Its class.
    pub class: Class,
    /// Control or text.
    pub kind: Kind,
    /// The destination, never 00000000000.
    pub msn: Msn,
    /// The contract that it is pushed under.
    pub xpid: Xpid,
    /// The push client's id of this push.
    pub reqid: Reqid,
    /// What it carries, decoded. `Err`: why the door could not decode it (400x). The client is told
    /// once its rights are checked, as the order of the result codes asks.
    pub content: Result<Content<'a>, Code>,
    /// A user data header of the client's, its length octet first; or empty.
    pub header: &'a [u8],
    /// TP-PID, if the client chose one.
    pub protocol_identifier: Option<u8>,
    /// TP-DCS, if the client chose one.
    pub coding_scheme: Option<u8>,
    /// The originating address, if the client chose one: 1 to 11 octets of type A.
    pub sender: Option<&'a [u8]>,
    /// Hours, 0 to 72; 0 is one attempt.
    pub lifetime_hours: u8,
    /// When it expires whatever the lifetime says, Unix milliseconds.
    pub expiry_ms: Option<u64>,
    /// Which ends the client wants to be told of; `None` leaves that to its registration.
    pub notify: Option<Notify>,
    /// The alert it belongs to.
    pub alert: Option<Alert<'a>>,
    /// The content's digest, as the door that took it makes it of the content as it was written.
    pub digest: u64,
    /// The door that took it.
    pub door: Door,
}

impl Submission<'_> {
    /// Whether it is tried once and then given up.
    pub fn is_single_attempt(&self) -> bool {
        self.lifetime_hours == 0
    }
}

/// Which ends of a push its client wants to be told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notify {
    /// None.
    Nothing,
    /// All.
    Everything,
}

/// The alert that a push belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alert<'a> {
    /// 1 to 32 octets of type A.
    pub id: &'a [u8],
    /// 0 to 99; a higher one replaces undelivered lower ones to the same msn.
    pub sequence: u8,
}

/// A cancellation.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cancellation<'a> {
    /// The contract that was pushed under.
    pub xpid: Xpid,
    /// What is cancelled.
    pub target: CancelTarget<'a>,
}

/// What a cancellation names.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum CancelTarget<'a> {
    /// One push.
    Push {
        /// Its destination.
        msn: Msn,
        /// Its id.
        reqid: Reqid,
    },
    /// Every push of an alert that is not yet delivered (msn 00000000000 on the wire).
    Alert {
        /// The cancellation's own id.
        reqid: Reqid,
        /// 1 to 32 octets of type A.
        alert_id: &'a [u8],
    },
}
