//! The network port: all that the message center knows of whatever delivers its pushes.
//!
//! A network belongs to a thread. The thread lends it to its shard for a turn: a network's slots
//! are large, and there is one set of them however many shards a thread may have. An
//! [`AttemptToken`] says which push of which shard an attempt is for.
//!
//! Order of calls, for one attempt:
//! 1. [`Network::reserve`] a slot; none means the network is full and the push waits
//!    (backpressure);
//! 2. fill it through [`Network::slot`]: what the push is, and an SMS-DELIVER for each segment to
//!    send;
//! 3. [`Network::submit`] it, or [`Network::release`] it unused;
//! 4. [`Network::poll`] until it yields nothing: each attempt submitted comes back once, as an
//!    [`AttemptOutcome`];
//! 5. [`Network::reports`] until it yields nothing: SMS-STATUS-REPORTs that did not come with an
//!    outcome, be it before it, after it, once more, or in another life of the engine;
//! 6. [`Network::reachable`] until it yields nothing: lines whose waiting pushes may be tried
//!    again.
//!
//! `next_due_ms` tells when polling is worth while again. Time comes from the caller; it is even:
//! nobody sets it.
//!
//! Never here: a queue per msn, a retry, the order of pushes, or what only a simulated network has.
//! One attempt at a time per msn is the caller's care.

use crate::network::gmsc::Terms;
use crate::network::limits::{
    DELIVER_REPORT_OCTETS_MAX, DELIVER_TPDU_OCTETS_MAX, SEGMENTS_MAX, SENDER_OCTETS_MAX,
};
use crate::network::routes::MEMBERS_MAX;
use crate::smsc::outcome::AttemptResult;
use wire::smpp::session::RequestId;
use wire::sms::limits::TIME_OCTETS;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::{Class, Msn};
use wire::terms::svcinst::Svcinst;
use wire::terms::time::{EvenMs, SteadyMs, WallMs};

/// Which push an attempt is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttemptToken {
    /// The shard's number.
    pub partition: u32,
    /// The message center's index of the push in that shard.
    pub push: u32,
}

impl AttemptToken {
    /// No push: what an empty slot carries.
    pub const NONE: Self = Self { partition: u32::MAX, push: u32::MAX };
}

/// What a carrier's receipt says of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiptSays {
    /// It arrived.
    Delivered,
    /// It will not, and this is the code.
    Failed(Code),
}

/// Whom a carrier's receipt is answered to: the network's to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiptReply {
    /// The carrier.
    pub carrier: u8,
    /// Its session, and which life of it.
    pub session: (u32, u32),
    /// The receipt's PDU; `None` where it has been answered already.
    pub request: Option<RequestId>,
}

/// Of a receipt: it is for every segment that was submitted with the others in one message.
pub const ALL_SEGMENTS: u8 = u8::MAX;

/// A carrier's receipt, or its answer to an SMS that was in doubt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CarrierReceipt {
    /// Whose segment it is.
    pub token: AttemptToken,
    /// The push's number: the index of the token may be another's by now.
    pub push_id: u64,
    /// The segment, from 0, or [`ALL_SEGMENTS`].
    pub segment: u8,
    /// What has become of it; `None` where nothing is known but that the carrier has it.
    pub says: Option<ReceiptSays>,
    /// The carrier took it in an attempt that was settled as in doubt: its id.
    pub late_id: Option<Box<[u8]>>,
    /// Whom to answer to.
    pub reply: ReceiptReply,
    /// It came with the outcome of its attempt: it is answered, and nobody waits for the word that
    /// it is recorded.
    pub is_answered: bool,
}

/// What a carrier is asked about an SMS that it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// To deliver it no more.
    Cancel,
    /// What has become of it: its receipt has not come.
    Query,
}

/// A question to a carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CarrierQuestion {
    /// The carrier.
    pub carrier: u8,
    /// What it is asked.
    pub asked: Asked,
    /// Where the SMS goes.
    pub msn: Msn,
    /// Who sent it.
    pub sender: Box<[u8]>,
    /// What the carrier calls it.
    pub id: Box<[u8]>,
}

/// A segment that a carrier took in an earlier life of the engine.
#[derive(Clone, Copy, Debug)]
pub struct AwaitedSegment<'a> {
    /// Whose segment it is.
    pub token: AttemptToken,
    /// The push's number.
    pub push_id: u64,
    /// Where the push goes.
    pub msn: Msn,
    /// The carrier.
    pub carrier: u8,
    /// The segment, from 0.
    pub segment: u8,
    /// What the carrier calls it.
    pub id: &'a [u8],
}

/// A network that delivers.
pub trait Network {
    /// The highest number of a route: 0 is the core network, others are carriers.
    fn last_route(&self) -> u8 {
        0
    }

    /// The carriers of a route that take pushes now.
    fn dealers(&self, _route: u8) -> Dealers {
        Dealers::default()
    }

    /// Attempts that the core network carries at a time for this shard; `usize::MAX`: nobody knows.
    fn slots(&self) -> usize {
        usize::MAX
    }

    /// Takes a free slot of a route, emptied; `None` when it carries as many attempts as it can, or
    /// takes none now.
    fn reserve(&mut self, route: u8) -> Option<AttemptHandle>;

    /// As [`Network::reserve`], for an emergency where that yields none: there may be room kept for
    /// it, or a carrier that takes nothing else.
    fn reserve_for_emergency(&mut self, _route: u8) -> Option<AttemptHandle> {
        None
    }

    /// The carrier that this slot, which is filled, would go to, where that cannot carry what is in
    /// it.
    fn unfit(&mut self, _handle: &AttemptHandle) -> Option<u8> {
        None
    }

    /// The message center has accepted a cancel of this push of the caller's, or of several: what
    /// has not been sent comes back. By its [`AttemptToken::push`].
    fn recall(&mut self, _push: Option<u32>) {}

    /// Whether everything that was recalled has been sent before or has come back.
    fn has_recalled(&self) -> bool {
        true
    }

    /// The slot behind `handle`, to be filled.
    fn slot(&mut self, handle: &AttemptHandle) -> &mut AttemptSlot;

    /// Starts the attempt that the slot describes, at `now_ms`. The slot must hold at least one
    /// segment; it comes back once, by `poll`.
    fn submit(&mut self, handle: AttemptHandle, now_ms: EvenMs);

    /// Gives a slot back unused.
    fn release(&mut self, handle: AttemptHandle);

    /// The next attempt that has come to its end by `now_ms`.
    fn poll(&mut self, now_ms: EvenMs) -> Option<AttemptOutcome<'_>>;

    /// The token of the attempt that probably comes to its end next: whoever is told fetches early
    /// what it will need. `None` where nobody can tell.
    fn next_token(&self) -> Option<AttemptToken> {
        None
    }

    /// The next SMS-STATUS-REPORT that comes by itself. Whose it is only its TPDU says: TP-MR,
    /// TP-RA and TP-SCTS.
    fn reports(&mut self, now_ms: EvenMs) -> Option<StatusReport<'_>>;

    /// The message center starts with a push that an earlier attempt found absent or without
    /// memory: the HLR is to report the line when it is ready. A network whose HLR outlives the
    /// engine has that in its message waiting data.
    //= TS 23.040 3.2.6
    fn await_reachable(&mut self, _msn: Msn, _now_ms: EvenMs) {}

    /// The next line that the HLR reports as reachable again, or as having memory free.
    //= TS 23.040 3.2.7
    fn reachable(&mut self, now_ms: EvenMs) -> Option<Msn>;

    /// The next receipt of a carrier, each behind the outcome that says that the segment was taken.
    fn receipts(&mut self) -> Option<CarrierReceipt> {
        None
    }

    /// What a receipt changed is durable: the carrier is told that it came.
    fn acknowledge(&mut self, _reply: ReceiptReply) {}

    /// How many questions a carrier has room for now; one that takes none, or is gone, has for all.
    fn room_for_questions(&self, _carrier: u8) -> usize {
        usize::MAX
    }

    /// Asks a carrier about an SMS that it has, where it takes such questions; what it says of the
    /// SMS comes as a receipt does.
    fn ask(&mut self, _question: CarrierQuestion) {}

    /// A carrier is not asked about so many, for too many waited: it is counted.
    fn let_go_of_questions(&mut self, _carrier: u8, _count: u64) {}

    /// The message center starts with a segment that a carrier took under this id.
    fn await_receipt(&mut self, _segment: AwaitedSegment<'_>) {}

    /// It has told of all such segments, and receipts may come. Again: of those that it told of
    /// since.
    fn all_awaited(&mut self) {}

    /// The earliest time at which `poll`, `reports` or `reachable` may yield something; `None`
    /// while nothing is under way.
    fn next_due_ms(&self) -> Option<EvenMs>;
}

/// Carriers that share a route's pushes, by weight.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Dealers {
    /// Number and weight; a weight of 0 is no carrier.
    of: [(u8, u8); MEMBERS_MAX],
}

impl Dealers {
    /// These, with their weights; more than a route can have are left out.
    pub fn of(carriers: &[(u8, u8)]) -> Self {
        let mut of = [(0, 0); MEMBERS_MAX];
        of.iter_mut().zip(carriers).for_each(|(place, carrier)| *place = *carrier);
        Self { of }
    }

    /// Number and weight of each.
    pub fn iter(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        self.of.iter().copied().filter(|(_, weight)| *weight > 0)
    }
}

/// A reserved slot. It goes back by `submit` or `release`; a handle that is dropped instead costs
/// the network that slot for good.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a slot goes back by submit or release"]
pub struct AttemptHandle(pub(crate) u32);

impl AttemptHandle {
    /// The handle of a network's slot with this number.
    pub fn of_slot(number: u32) -> Self {
        Self(number)
    }

    /// The number of the slot.
    pub fn slot(&self) -> u32 {
        self.0
    }
}

/// One attempt: what the push is and the SMS-DELIVER of each segment to send. What every attempt is
/// asked for stands in its first cache line.
#[repr(C, align(64))]
pub struct AttemptSlot {
    /// Whose attempt it is; comes back in the outcome.
    pub token: AttemptToken,
    /// Where to: TP-DA of the SMS-SUBMITs (TS 23.040, 9.2.3.8).
    pub msn: Msn,
    /// The XPID's service instruction values.
    pub svcinst: Svcinst,
    /// The push's class.
    pub class: Class,
    /// Attempts made before this one.
    pub attempts_before: u16,
    /// TP-MR of the first segment's SMS-SUBMIT, 0 to 255; each following segment has the next
    /// number, modulo 256 (TS 23.040, 9.2.3.6).
    pub message_reference: u8,
    /// TP-SCTS that the SMS-SUBMITs were answered with, as on the wire (TS 23.040, 9.2.3.11).
    pub scts: [u8; TIME_OCTETS],
    mask: u16,
    lengths: [u8; SEGMENTS_MAX],
    tpdus: [[u8; DELIVER_TPDU_OCTETS_MAX]; SEGMENTS_MAX],
    /// Of an attempt by a carrier: the push's number.
    pub push_id: u64,
    /// Of an attempt by a carrier: when the push expires.
    pub expires_ms: WallMs,
    /// Of an attempt by a carrier: the same by the steady clock, which nobody sets.
    pub leaves_by_ms: SteadyMs,
    /// Of an attempt by a carrier: what is sent and not answered is not sent again.
    pub doubt_is_final: bool,
    /// Of an attempt by a carrier: some carrier may have it from before.
    pub in_doubt: bool,
    sender: [u8; SENDER_OCTETS_MAX],
    sender_octets: u8,
}

impl AttemptSlot {
    /// An empty slot.
    pub fn new() -> Self {
        Self {
            token: AttemptToken::NONE,
            msn: Msn::ALL,
            svcinst: Svcinst::EMERGENCY,
            class: Class::Standard,
            attempts_before: 0,
            message_reference: 0,
            scts: [0; TIME_OCTETS],
            mask: 0,
            lengths: [0; SEGMENTS_MAX],
            tpdus: [[0; DELIVER_TPDU_OCTETS_MAX]; SEGMENTS_MAX],
            push_id: 0,
            expires_ms: WallMs::ZERO,
            leaves_by_ms: SteadyMs::ZERO,
            doubt_is_final: false,
            in_doubt: false,
            sender: [0; SENDER_OCTETS_MAX],
            sender_octets: 0,
        }
    }

    /// Of an attempt by a carrier: who sends it, digits or letters.
    pub fn set_sender(&mut self, sender: &[u8]) {
        let octets = sender.len().min(SENDER_OCTETS_MAX);
        self.sender[..octets].copy_from_slice(&sender[..octets]);
        self.sender_octets = octets as u8;
    }

    /// See [`Self::set_sender`].
    pub fn sender(&self) -> &[u8] {
        &self.sender[..usize::from(self.sender_octets)]
    }

    /// Forgets every segment.
    pub fn clear(&mut self) {
        self.mask = 0;
    }

    /// Lets `encode` write the SMS-DELIVER of segment `index` (from 0) and return its octets. The
    /// segment is to be sent once this succeeds; on an error the slot is as before.
    ///
    /// # Errors
    /// What `encode` says.
    ///
    /// # Panics
    /// When `index` is not below [`SEGMENTS_MAX`], or `encode` tells of more octets than it was
    /// given room for.
    pub fn encode<E>(
        &mut self,
        index: usize,
        encode: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let octets = encode(&mut self.tpdus[index])?;
        assert!(octets <= DELIVER_TPDU_OCTETS_MAX, "an encoder wrote past its buffer");
        self.lengths[index] = octets as u8;
        self.mask |= 1 << index;
        Ok(())
    }

    /// The segments to send: bit 0 is the first.
    pub fn mask(&self) -> u16 {
        self.mask
    }

    /// The SMS-DELIVER of segment `index` (TS 23.040, 9.2.2.1), from 0 to below [`SEGMENTS_MAX`].
    /// Meaningful where the mask has the segment.
    pub fn tpdu(&self, index: usize) -> &[u8] {
        &self.tpdus[index][..usize::from(self.lengths[index])]
    }

    /// What the GMSC's decision needs.
    pub fn terms(&self) -> Terms {
        Terms { svcinst: self.svcinst, class: self.class, attempts_before: self.attempts_before }
    }
}

impl Default for AttemptSlot {
    fn default() -> Self {
        Self::new()
    }
}

/// One attempt's end.
#[derive(Debug)]
pub struct AttemptOutcome<'a> {
    /// The token of the slot.
    pub token: AttemptToken,
    /// Where to.
    pub msn: Msn,
    /// How it ended.
    pub result: AttemptResult,
    /// The domain last tried; `None` when nothing was sent.
    pub domain: Option<Domain>,
    /// The row of the decision table ([`crate::network::gmsc`]), 1 to 15; 0 by a carrier.
    pub row: u8,
    /// The segments acknowledged in this attempt: bit 0 is the first.
    pub delivered_mask: u16,
    /// The segments sent for which no answer came in time. They may have arrived; their reports may
    /// still come.
    pub unanswered_mask: u16,
    /// The segments that a carrier took, whose receipts will come.
    pub taken_mask: u16,
    /// The carrier's number; 0 for the core network.
    pub carrier: u8,
    /// The carrier's ids of the segments taken, in their order, each behind an octet that says its
    /// length.
    pub ids: &'a [u8],
    /// The SMS-DELIVER-REPORT of each segment that was answered.
    pub reports: &'a Reports,
}

/// An SMS-STATUS-REPORT that came by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusReport<'a> {
    /// The SMS-STATUS-REPORT (TS 23.040, 9.2.2.3).
    pub tpdu: &'a [u8],
    /// The domain that delivered, which no TPDU says.
    pub domain: Domain,
}

/// The SMS-DELIVER-REPORTs of one attempt.
#[derive(Debug)]
pub struct Reports {
    answered_mask: u16,
    error_mask: u16,
    lengths: [u8; SEGMENTS_MAX],
    octets: [[u8; DELIVER_REPORT_OCTETS_MAX]; SEGMENTS_MAX],
}

/// The answer to one segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentReport<'a> {
    /// The segment, from 0 to below [`SEGMENTS_MAX`].
    pub segment: usize,
    /// The report came in an RP-ERROR and so carries a TP-FCS.
    pub in_rp_error: bool,
    /// The SMS-DELIVER-REPORT (TS 23.040, 9.2.2.1a), at most [`DELIVER_REPORT_OCTETS_MAX`] octets.
    pub tpdu: &'a [u8],
}

impl Reports {
    /// No reports.
    pub fn new() -> Self {
        Self {
            answered_mask: 0,
            error_mask: 0,
            lengths: [0; SEGMENTS_MAX],
            octets: [[0; DELIVER_REPORT_OCTETS_MAX]; SEGMENTS_MAX],
        }
    }

    /// Forgets every report.
    pub fn clear(&mut self) {
        self.answered_mask = 0;
        self.error_mask = 0;
    }

    /// Keeps the report that `encode` writes for `segment`; a later one for the same segment
    /// replaces it.
    ///
    /// # Panics
    /// When `segment` is not below [`SEGMENTS_MAX`], or `encode` tells of more octets than it was
    /// given room for.
    pub fn put(
        &mut self,
        segment: usize,
        in_rp_error: bool,
        encode: impl FnOnce(&mut [u8]) -> usize,
    ) {
        let octets = encode(&mut self.octets[segment]);
        assert!(octets <= DELIVER_REPORT_OCTETS_MAX, "a report was written past its buffer");
        self.lengths[segment] = octets as u8;
        self.answered_mask |= 1 << segment;
        self.error_mask = self.error_mask & !(1 << segment) | u16::from(in_rp_error) << segment;
    }

    /// The reports in the order of their segments.
    pub fn iter(&self) -> impl Iterator<Item = SegmentReport<'_>> {
        (0..SEGMENTS_MAX).filter(|segment| self.answered_mask >> segment & 1 == 1).map(|segment| {
            SegmentReport {
                segment,
                in_rp_error: self.error_mask >> segment & 1 == 1,
                tpdu: &self.octets[segment][..usize::from(self.lengths[segment])],
            }
        })
    }
}

impl Default for Reports {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_whose_encoder_fails_is_not_sent() {
        let mut slot = AttemptSlot::new();
        assert_eq!(slot.encode(0, |_| Err("no")), Err("no"));
        assert_eq!(slot.mask(), 0);
        slot.encode(3, |out| {
            out[..2].copy_from_slice(&[7, 8]);
            Ok::<_, ()>(2)
        })
        .expect("it fits");
        assert_eq!(slot.mask(), 0b1000);
        assert_eq!(slot.tpdu(3), &[7, 8]);
        slot.clear();
        assert_eq!(slot.mask(), 0);
    }

    //= TS 23.040 9.2.3.22 cause
    #[test]
    fn a_second_report_for_a_segment_replaces_the_first() {
        let mut reports = Reports::new();
        let write = |octet: u8| {
            move |out: &mut [u8]| {
                out[0] = octet;
                1
            }
        };
        reports.put(1, true, write(1));
        reports.put(1, false, write(2));
        reports.put(0, true, write(3));
        let seen: Vec<_> = reports.iter().map(|r| (r.segment, r.in_rp_error, r.tpdu[0])).collect();
        assert_eq!(seen, [(0, true, 3), (1, false, 2)]);
    }
}
