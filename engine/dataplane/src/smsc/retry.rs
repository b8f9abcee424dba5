//! When a push that could not be delivered is tried again, and with which code it ends if it never
//! can.
//!
//! One table of schedules and one of endings; the message center looks up and does not calculate.
//!
//! Never here: a timer, a queue, an alert. An alert overrides a schedule: the caller then tries at
//! once, with up to [`ALERT_JITTER_MS_MAX`] of jitter. A push's lifetime caps every delay, and a
//! push of lifetime 00 is not tried again at all; both are the caller's to see to.

use crate::smsc::outcome::Failure;
use crate::smsc::outcome::HoldReason;
use wire::terms::code::Code;
use wire::terms::ids::Class;

/// The longest that the release of an msn's queue waits after an alert, in milliseconds.
//= delivery retry alert
pub const ALERT_JITTER_MS_MAX: u64 = 2_000;

/// Every timer is spread by up to this share of itself, to both sides, in per cent.
//= delivery retry jitter
pub const JITTER_PERCENT: u64 = 20;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Why a push waits, as the schedules see it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Cause {
    /// Absent subscriber: on alert, else by time.
    Absent = 0,
    /// Memory capacity exceeded: on alert, else by time.
    MemoryFull = 1,
    /// Subscriber busy.
    Busy = 2,
    /// System failure, timeout, congestion, and a failing HLR.
    SystemFailure = 3,
    /// Protocol error: a few tries, then 6005.
    ProtocolError = 4,
    /// Roams out of the packet network: changes by moving, as an absent subscriber does, so tried
    /// like one.
    PacketRoamingOut = 5,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 6] = [
        Self::Absent,
        Self::MemoryFull,
        Self::Busy,
        Self::SystemFailure,
        Self::ProtocolError,
        Self::PacketRoamingOut,
    ];

    /// The final code of a push whose lifetime ends while it waits for this.
    pub fn code_at_expiry(self) -> Code {
        match self {
            Self::Absent => Code::EXPIRED_ABSENT,
            Self::MemoryFull => Code::EXPIRED_MEMORY_FULL,
            Self::Busy | Self::SystemFailure => Code::EXPIRED_BUSY,
            Self::ProtocolError => Code::PROTOCOL_ERROR,
            Self::PacketRoamingOut => Code::PACKET_ROAMING_OUT,
        }
    }

    /// Whether an alert releases the push before its time.
    pub fn awaits_alert(self) -> bool {
        matches!(self, Self::Absent | Self::MemoryFull | Self::PacketRoamingOut)
    }

    fn plan(self, class: Class) -> &'static Plan {
        let (normal, emergency) = &PLANS[self as usize];
        if class == Class::Emergency { emergency } else { normal }
    }
}

impl From<HoldReason> for Cause {
    fn from(reason: HoldReason) -> Self {
        match reason {
            HoldReason::Absent => Self::Absent,
            HoldReason::MemoryFull => Self::MemoryFull,
            HoldReason::NetworkFailure | HoldReason::InDoubt => Self::SystemFailure,
            HoldReason::PacketRoamingOut => Self::PacketRoamingOut,
        }
    }
}

impl From<Failure> for Cause {
    /// A failure that is final has no schedule; a caller who waits all the same waits as for a
    /// system failure.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Absent => Self::Absent,
            Failure::MemoryFull => Self::MemoryFull,
            Failure::Busy => Self::Busy,
            Failure::ProtocolError => Self::ProtocolError,
            Failure::SystemFailure
            | Failure::Unknown
            | Failure::Barred
            | Failure::Illegal
            | Failure::NotEquipped
            | Failure::Rejected => Self::SystemFailure,
        }
    }
}

/// The delays between tries, and what comes after the last of them.
struct Plan {
    delays_ms: &'static [u64],
    then: Then,
}

enum Then {
    /// The last delay again and again.
    Repeat,
    /// The last delay, doubled each time, up to this many milliseconds.
    DoubleTo(u64),
    /// Nothing: the push ends.
    End,
}

const fn plan(delays_ms: &'static [u64], then: Then) -> Plan {
    Plan { delays_ms, then }
}

//= delivery retry absent
const ABSENT: (Plan, Plan) = (
    plan(&[5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE, HOUR], Then::Repeat),
    plan(&[30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE], Then::Repeat),
);

/// By [`Cause`]: normal, emergency.
static PLANS: [(Plan, Plan); 6] = [
    ABSENT,
    (
        //= delivery retry memory
        plan(&[15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR], Then::Repeat),
        plan(&[MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE], Then::Repeat),
    ),
    (
        //= delivery retry busy
        plan(&[120 * SECOND], Then::DoubleTo(10 * MINUTE)),
        plan(&[10 * SECOND, 20 * SECOND, 40 * SECOND, 60 * SECOND], Then::Repeat),
    ),
    (
        //= delivery retry failure
        plan(&[30 * SECOND, 300 * SECOND], Then::DoubleTo(24 * HOUR)),
        plan(&[5 * SECOND, 10 * SECOND, 20 * SECOND, 40 * SECOND, 60 * SECOND], Then::Repeat),
    ),
    (
        //= delivery retry protocol
        plan(&[MINUTE, 5 * MINUTE, 15 * MINUTE], Then::End),
        plan(&[15 * SECOND, 60 * SECOND, 180 * SECOND], Then::End),
    ),
    ABSENT,
];

/// Milliseconds from now to the next try, jitter included; `None` when the schedule is at its end.
///
/// `attempts` counts the attempts so far, the one that just failed included, so it is at least 1.
/// `random` is any 64 random bits.
pub fn next_retry_ms(cause: Cause, attempts: u32, class: Class, random: u64) -> Option<u64> {
    base_delay_ms(cause, attempts, class).map(|delay_ms| with_jitter(delay_ms, random))
}

/// The delay before jitter.
fn base_delay_ms(cause: Cause, attempts: u32, class: Class) -> Option<u64> {
    let plan = cause.plan(class);
    let index = attempts.saturating_sub(1) as usize;
    if let Some(&delay_ms) = plan.delays_ms.get(index) {
        return Some(delay_ms);
    }
    let last_ms = plan.delays_ms[plan.delays_ms.len() - 1];
    match plan.then {
        Then::Repeat => Some(last_ms),
        Then::DoubleTo(most_ms) => {
            let doublings = (index + 1 - plan.delays_ms.len()).min(32);
            Some((last_ms << doublings).min(most_ms))
        }
        Then::End => None,
    }
}

/// `delay_ms` spread evenly by [`JITTER_PERCENT`] to both sides.
pub fn with_jitter(delay_ms: u64, random: u64) -> u64 {
    let spread_ms = delay_ms * JITTER_PERCENT / 100;
    delay_ms - spread_ms + below(random, 2 * spread_ms + 1)
}

/// The jitter of a retry whose time passed while nobody could make it, for a push that had
/// `waited_ms` to wait: an outage makes no storm of what the schedules had spread.
pub fn overdue_jitter_ms(waited_ms: u64, random: u64) -> u64 {
    below(random, waited_ms * JITTER_PERCENT / 100 + 1)
}

/// The jitter of a release by alert, below [`ALERT_JITTER_MS_MAX`].
pub fn alert_jitter_ms(random: u64) -> u64 {
    below(random, ALERT_JITTER_MS_MAX)
}

/// A number below `bound` of 64 uniform bits.
pub(super) fn below(random: u64, bound: u64) -> u64 {
    ((u128::from(random) * u128::from(bound)) >> 64) as u64
}

impl Failure {
    /// Whether the push ends with the first such attempt.
    //= TS 23.040 3.3
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Unknown | Self::Barred | Self::Illegal | Self::NotEquipped | Self::Rejected
        )
    }

    /// The result code of a push that this failure ends, at once or when its lifetime does.
    pub fn final_code(self) -> Code {
        match self {
            Self::Unknown => Code::UNKNOWN_SUBSCRIBER,
            Self::Barred => Code::BARRED,
            Self::Illegal | Self::NotEquipped => Code::ILLEGAL,
            Self::Absent => Code::EXPIRED_ABSENT,
            Self::MemoryFull => Code::EXPIRED_MEMORY_FULL,
            Self::Busy | Self::SystemFailure => Code::EXPIRED_BUSY,
            Self::ProtocolError | Self::Rejected => Code::PROTOCOL_ERROR,
        }
    }
}

/// TP-Status (TS 23.040 9.2.3.15): received by the SME.
pub const TP_STATUS_DELIVERED: u8 = 0x00;
/// TP-Status: remote procedure error.
pub const TP_STATUS_REMOTE_PROCEDURE_ERROR: u8 = 0x40;
/// TP-Status: incompatible destination.
pub const TP_STATUS_INCOMPATIBLE_DESTINATION: u8 = 0x41;
/// TP-Status: not obtainable.
pub const TP_STATUS_NOT_OBTAINABLE: u8 = 0x43;
/// TP-Status: no interworking available.
pub const TP_STATUS_NO_INTERWORKING: u8 = 0x45;
/// TP-Status: validity period expired.
pub const TP_STATUS_EXPIRED: u8 = 0x46;
/// TP-Status: deleted by the originating SME.
pub const TP_STATUS_DELETED_BY_ORIGINATOR: u8 = 0x47;
/// TP-Status: deleted by the service center's administration.
pub const TP_STATUS_DELETED_BY_OPERATOR: u8 = 0x48;
/// TP-Status: congestion, not tried any more.
pub const TP_STATUS_CONGESTION: u8 = 0x60;
/// TP-Status: no response from the SME, not tried any more.
pub const TP_STATUS_NO_RESPONSE: u8 = 0x62;
/// TP-Status: service rejected, not tried any more.
pub const TP_STATUS_SERVICE_REJECTED: u8 = 0x63;
/// TP-Status: error in the SME, not tried any more.
pub const TP_STATUS_ERROR_IN_SME: u8 = 0x65;

/// TP-Status for each code that ends a push.
//= TS 23.040 9.2.3.15 end
const TP_STATUS: [(Code, u8); 21] = [
    (Code::ACCEPTED, TP_STATUS_DELIVERED),
    (Code::REPLACED, TP_STATUS_DELETED_BY_ORIGINATOR),
    (Code::CANCELLED_IN_PART, TP_STATUS_DELETED_BY_ORIGINATOR),
    // The line's services may change, but the message center has given up: a temporary error.
    (Code::LINE_SUSPENDED, TP_STATUS_SERVICE_REJECTED),
    (Code::SPAM_BLOCK, TP_STATUS_SERVICE_REJECTED),
    (Code::USAGE_LIMIT, TP_STATUS_SERVICE_REJECTED),
    (Code::INTERNATIONAL_ROAMING, TP_STATUS_SERVICE_REJECTED),
    (Code::PACKET_ROAMING_OUT, TP_STATUS_EXPIRED),
    (Code::EXPIRED, TP_STATUS_EXPIRED),
    (Code::EXPIRED_ABSENT, TP_STATUS_EXPIRED),
    (Code::EXPIRED_MEMORY_FULL, TP_STATUS_EXPIRED),
    (Code::EXPIRED_BUSY, TP_STATUS_EXPIRED),
    (Code::UNKNOWN_SUBSCRIBER, TP_STATUS_NOT_OBTAINABLE),
    (Code::BARRED, TP_STATUS_NO_INTERWORKING),
    (Code::ILLEGAL, TP_STATUS_INCOMPATIBLE_DESTINATION),
    (Code::PROTOCOL_ERROR, TP_STATUS_REMOTE_PROCEDURE_ERROR),
    (Code::SINGLE_TRY_FAILED, TP_STATUS_NO_RESPONSE),
    (Code::WITHDRAWN_BY_OPERATOR, TP_STATUS_DELETED_BY_OPERATOR),
    (Code::PARTIAL, TP_STATUS_ERROR_IN_SME),
    (Code::CARRIER_FAILED, TP_STATUS_REMOTE_PROCEDURE_ERROR),
    (Code::NO_RECEIPT, TP_STATUS_REMOTE_PROCEDURE_ERROR),
];

/// TP-Status of the status report for a push that ends with `code`; congestion for a code that ends
/// none.
pub fn tp_status_of(code: Code) -> u8 {
    TP_STATUS
        .iter()
        .find(|(ending, _)| *ending == code)
        .map_or(TP_STATUS_CONGESTION, |&(_, status)| status)
}

/// As [`tp_status_of`] for a push that went by a carrier, of which no more is known than that it
/// was delivered, expired, deleted or not delivered.
pub fn tp_status_by_carrier(code: Code) -> u8 {
    match tp_status_of(code) {
        status @ (TP_STATUS_DELIVERED
        | TP_STATUS_EXPIRED
        | TP_STATUS_DELETED_BY_ORIGINATOR
        | TP_STATUS_DELETED_BY_OPERATOR) => status,
        _ => TP_STATUS_REMOTE_PROCEDURE_ERROR,
    }
}

/// How long a push waits of which a carrier did not say whether it took it, when it has been held
/// for that or a failing system so often: each time twice as long, so that a carrier that takes and
/// never answers does not send the same to a phone again and again.
pub fn in_doubt_hold_ms(class: Class, holds: u32) -> u64 {
    let (first_ms, longest_ms) = match class {
        Class::Emergency => (10 * SECOND, 10 * MINUTE),
        _ => (MINUTE, 4 * HOUR),
    };
    (first_ms << holds.min(16)).min(longest_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = SECOND;
    const M: u64 = MINUTE;
    const H: u64 = HOUR;

    fn assert_row(cause: Cause, normal: &[u64], emergency: &[u64]) {
        for (classes, delays) in [
            (&[Class::Standard, Class::Urgent, Class::Exercise][..], normal),
            (&[Class::Emergency][..], emergency),
        ] {
            for &class in classes {
                for (index, &delay_ms) in delays.iter().enumerate() {
                    let attempts = index as u32 + 1;
                    assert_eq!(
                        base_delay_ms(cause, attempts, class),
                        Some(delay_ms),
                        "{attempts} {class:?}"
                    );
                }
            }
        }
    }

    //= delivery retry absent
    #[test]
    fn absent_subscriber_row() {
        assert_row(
            Cause::Absent,
            &[5 * M, 10 * M, 20 * M, 40 * M, H, H, H],
            &[30 * S, M, 2 * M, 5 * M, 10 * M, 10 * M],
        );
        assert_row(
            Cause::PacketRoamingOut,
            &[5 * M, 10 * M, 20 * M, 40 * M, H, H],
            &[30 * S, M, 2 * M, 5 * M, 10 * M, 10 * M],
        );
        assert!(Cause::Absent.awaits_alert());
    }

    //= delivery retry memory
    #[test]
    fn memory_capacity_row() {
        assert_row(
            Cause::MemoryFull,
            &[15 * M, 30 * M, H, 2 * H, 4 * H, 4 * H],
            &[M, 2 * M, 5 * M, 15 * M, 15 * M],
        );
        assert!(Cause::MemoryFull.awaits_alert());
    }

    //= delivery retry busy
    #[test]
    fn subscriber_busy_row() {
        assert_row(
            Cause::Busy,
            &[120 * S, 240 * S, 480 * S, 600 * S, 600 * S],
            &[10 * S, 20 * S, 40 * S, 60 * S, 60 * S],
        );
        assert!(!Cause::Busy.awaits_alert());
    }

    //= delivery retry failure
    #[test]
    fn system_failure_row() {
        let normal =
            [30, 300, 600, 1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 76_800, 86_400, 86_400];
        assert_row(
            Cause::SystemFailure,
            &normal.map(|seconds| seconds * S),
            &[5 * S, 10 * S, 20 * S, 40 * S, 60 * S, 60 * S],
        );
        assert_eq!(base_delay_ms(Cause::SystemFailure, u32::MAX, Class::Standard), Some(24 * H));
        assert!(!Cause::SystemFailure.awaits_alert());
    }

    //= delivery retry protocol
    #[test]
    fn protocol_error_row_ends_with_6005() {
        assert_row(Cause::ProtocolError, &[M, 5 * M, 15 * M], &[15 * S, 60 * S, 180 * S]);
        for class in [Class::Standard, Class::Emergency] {
            assert_eq!(next_retry_ms(Cause::ProtocolError, 4, class, 0), None);
        }
        assert_eq!(Cause::ProtocolError.code_at_expiry(), Code::PROTOCOL_ERROR);
    }

    //= TS 23.040 3.3
    #[test]
    fn final_failures_end_at_once_with_their_code() {
        for (failure, code, tp_status) in [
            (Failure::Unknown, Code::UNKNOWN_SUBSCRIBER, 0x43),
            (Failure::Barred, Code::BARRED, 0x45),
            (Failure::Illegal, Code::ILLEGAL, 0x41),
            (Failure::NotEquipped, Code::ILLEGAL, 0x41),
            (Failure::Rejected, Code::PROTOCOL_ERROR, 0x40),
        ] {
            assert!(failure.is_final());
            assert_eq!(failure.final_code(), code);
            assert_eq!(tp_status_of(code), tp_status);
        }
    }

    //= TS 23.040 3.3
    #[test]
    fn passing_failures_end_with_the_code_of_their_cause() {
        for failure in Failure::ALL.into_iter().filter(|failure| !failure.is_final()) {
            assert_eq!(Cause::from(failure).code_at_expiry(), failure.final_code(), "{failure:?}");
        }
    }

    //= delivery retry jitter
    //= delivery retry alert
    #[test]
    fn jitter_stays_within_twenty_per_cent_and_reaches_both_ends() {
        for delay_ms in [1, 7, 5 * S, 5 * M, 24 * H] {
            let spread_ms = delay_ms / 5;
            assert_eq!(with_jitter(delay_ms, 0), delay_ms - spread_ms);
            assert_eq!(with_jitter(delay_ms, u64::MAX), delay_ms + spread_ms);
            assert!(with_jitter(delay_ms, u64::MAX / 2).abs_diff(delay_ms) <= 1);
        }
        assert_eq!(next_retry_ms(Cause::Absent, 1, Class::Standard, 0), Some(4 * M));
        assert_eq!(next_retry_ms(Cause::Absent, 1, Class::Standard, u64::MAX), Some(6 * M));
        assert!(alert_jitter_ms(u64::MAX) < ALERT_JITTER_MS_MAX);
    }

    #[test]
    fn holds_expire_with_the_code_of_the_decision_table() {
        for (reason, code) in [
            (HoldReason::NetworkFailure, Code::EXPIRED_BUSY),
            (HoldReason::Absent, Code::EXPIRED_ABSENT),
            (HoldReason::MemoryFull, Code::EXPIRED_MEMORY_FULL),
            (HoldReason::PacketRoamingOut, Code::PACKET_ROAMING_OUT),
        ] {
            assert_eq!(Cause::from(reason).code_at_expiry(), code);
            assert_eq!(tp_status_of(code), TP_STATUS_EXPIRED);
        }
        assert_eq!(
            Cause::from(HoldReason::NetworkFailure),
            Cause::SystemFailure,
            "the network timer"
        );
    }

    //= TS 23.040 9.2.3.15 end
    #[test]
    fn every_code_that_ends_a_push_has_a_status_of_its_kind() {
        let ends_a_push = |code: &&Code| code.http_status() == 0 && **code != Code::PARKED;
        for &code in Code::ALL.iter().filter(ends_a_push) {
            assert!(TP_STATUS.iter().any(|&(ending, _)| ending == code), "{code:?} has no status");
            let status = tp_status_of(code);
            assert!(matches!(status, 0x40..=0x48 | 0x60..=0x65), "{code:?} has {status:02x}");
        }
        assert_eq!(tp_status_of(Code::ACCEPTED), 0);
    }
}
