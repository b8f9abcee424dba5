//! What is true of one push: facts alone, the rules about them stand in the ledger.

use hayauma::smsc::outcome::AttemptResult;
use hayauma::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::ids::Class;

/// How a push ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct End {
    pub(super) state: State,
    pub(super) code: Code,
    pub(super) delivered_mask: u16,
    /// In the engine's own time of this life, and by the wall clock.
    pub(super) ended_ms: u64,
    pub(super) ended_real_ms: u64,
    /// The how-manieth end of the simulation.
    pub(super) order: u64,
    /// Crashes before it.
    pub(super) incarnation: u32,
}

/// All that is true of one push.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    // What the client wants.
    pub(super) client: u16,
    pub(super) line: u32,
    pub(super) shard: u8,
    pub(super) class: Class,
    pub(super) segments: u8,
    pub(super) control: bool,
    pub(super) wants_notification: bool,
    pub(super) single_attempt: bool,
    pub(super) lifetime_hours: u8,
    pub(super) expiry_ms: Option<u64>,
    pub(super) alert: Option<(u32, u8)>,
    // What the client knows.
    pub(super) answered: bool,
    pub(super) given_up: bool,
    pub(super) requests: u8,
    pub(super) cancel_answered: bool,
    pub(super) complete_received: u16,
    pub(super) complete_code: Option<Code>,
    pub(super) cancellation_received: u16,
    pub(super) cancellation_code: Option<Code>,
    // What the message center has taken.
    pub(super) push_id: Option<u64>,
    /// In the engine's own time of this life, and by the wall clock.
    pub(super) expires_ms: u64,
    pub(super) expires_real_ms: u64,
    pub(super) accepted_real_ms: u64,
    /// TP-MR of its first segment.
    pub(super) reference: u8,
    pub(super) cancel_accepted: bool,
    /// It was open when the cancel of its whole alert was answered.
    pub(super) alert_cancel_answered: bool,
    pub(super) in_flight: bool,
    pub(super) end: Option<End>,
    /// Where its Ended record stands.
    pub(super) end_sequence: u64,
    /// A notification is due and neither acknowledged nor parked.
    pub(super) owed: bool,
    pub(super) parked: bool,
    pub(super) ever_parked: bool,
    /// What was parked was let go for want of room.
    pub(super) let_go: bool,
    // What the message center was told since it last recovered.
    pub(super) reported_mask: u16,
    pub(super) last_result: Option<AttemptResult>,
    pub(super) holds: [u32; 6],
    /// The code of its expiry that a Held record said at the last start.
    pub(super) code_held: Option<Code>,
    pub(super) not_before_ms: u64,
    /// By when it is to be tried again.
    pub(super) due_by_ms: u64,
    /// Since when it may be attempted: it was durable then, or the engine was back.
    pub(super) ready_ms: u64,
    /// An alert, or a delivery to the line, came while an attempt was under way.
    pub(super) alerted: bool,
    /// It was the HLR's.
    pub(super) alerted_by_hlr: bool,
    /// No notification may go out before.
    pub(super) notify_not_before_ms: u64,
    /// The operator had it sent again after it had been parked.
    pub(super) replayed: bool,
    /// Crashes before its acceptance was billed, and before its end was.
    pub(super) billed_accepted: Option<u32>,
    pub(super) billed_end: Option<u32>,
    pub(super) settled_attempts: u32,
    /// Attempts that ever began.
    pub(super) attempts_begun: u32,
    /// A start has read that its one attempt had begun.
    pub(super) begun_recorded: bool,
    /// A cancel may be answered as one in part: nobody answered for a segment, or an attempt may
    /// have been under way at a crash for all that the journal says.
    pub(super) in_doubt: bool,
    /// The end of a push before it was lost in a crash, or the clock was set back: it may have been
    /// attempted although its records say that it waited.
    pub(super) unknowable: bool,
    /// By the clock of a start it had ended so long before that its key may be forgotten.
    pub(super) forgotten: bool,
    /// The message center knows of segments that nobody answered for.
    pub(super) unanswered: bool,
    // What the terminal has.
    pub(super) received_mask: u16,
    pub(super) received_after_cancel: bool,
}

impl Entry {
    /// A push of which nothing is known.
    pub(super) fn unknown() -> Self {
        Self {
            client: 0,
            line: 0,
            shard: 0,
            class: Class::Standard,
            segments: 1,
            control: false,
            wants_notification: false,
            single_attempt: false,
            lifetime_hours: 0,
            expiry_ms: None,
            alert: None,
            answered: false,
            given_up: false,
            requests: 0,
            cancel_answered: false,
            complete_received: 0,
            complete_code: None,
            cancellation_received: 0,
            cancellation_code: None,
            push_id: None,
            expires_ms: 0,
            expires_real_ms: 0,
            accepted_real_ms: 0,
            reference: 0,
            cancel_accepted: false,
            alert_cancel_answered: false,
            in_flight: false,
            end: None,
            end_sequence: 0,
            owed: false,
            parked: false,
            ever_parked: false,
            let_go: false,
            reported_mask: 0,
            last_result: None,
            holds: [0; 6],
            code_held: None,
            not_before_ms: 0,
            due_by_ms: 0,
            ready_ms: u64::MAX,
            alerted: false,
            alerted_by_hlr: false,
            notify_not_before_ms: 0,
            replayed: false,
            billed_accepted: None,
            billed_end: None,
            settled_attempts: 0,
            attempts_begun: 0,
            begun_recorded: false,
            in_doubt: false,
            unknowable: false,
            forgotten: false,
            unanswered: false,
            received_mask: 0,
            received_after_cancel: false,
        }
    }

    pub(super) fn full_mask(&self) -> u16 {
        ((1u32 << self.segments) - 1) as u16
    }

    /// Whether the message center holds it and it has not ended.
    pub(super) fn is_open(&self) -> bool {
        self.push_id.is_some() && self.end.is_none()
    }

    /// Its place in its msn's queue: emergency first, then in the order of acceptance.
    pub(super) fn rank(&self) -> (bool, Option<u64>) {
        (self.class != Class::Emergency, self.push_id)
    }

    pub(super) fn is_notification_due(&self) -> bool {
        self.cancel_accepted
            || (self.wants_notification
                && self.end.is_some_and(|end| end.state != State::Cancelled))
    }

    /// The HLR says that the phone is back: it is to be tried by then.
    pub(super) fn is_alerted(&mut self, due_by_ms: u64) {
        self.alerted_by_hlr = self.in_flight;
        if !self.in_flight {
            self.due_by_ms = self.due_by_ms.min(due_by_ms);
        }
    }

    pub(super) fn forget_what_was_told(&mut self) {
        self.in_doubt |= self.unanswered;
        self.in_flight = false;
        self.reported_mask = 0;
        self.last_result = None;
        self.holds = [0; 6];
        self.code_held = None;
        self.not_before_ms = 0;
        self.due_by_ms = 0;
        self.ready_ms = u64::MAX;
        self.alerted = false;
        self.alerted_by_hlr = false;
        self.unanswered = false;
        self.settled_attempts = 0;
    }
}
