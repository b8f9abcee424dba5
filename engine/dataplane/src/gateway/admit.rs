//! Admission: whether an identified push may go, and its SMS-SUBMITs.
//!
//! It takes a [`Submission`] and knows nothing of the door that made it. The checks come after the
//! door's own (1xxx), [`identify`](crate::gateway::registry::identify)'s
//! (2001 to 2004) and the shard's own (800x), and before the look at earlier pushes (3001, 0001,
//! 0002); first failure wins:
//!
//! 1. 2005: the msn is not contracted with the XPID.
//! 2. 2006: class, kind or sender is not the registration's.
//! 3. 2007: the day's volume is used up. Only looked at here;
//!    [`Meter::charge`](super::meter::Meter::charge) counts the push once it is accepted.
//! 4. What the door found wrong with the content (of the push interface 4003: `data` is empty;
//!    4004: control data is not an even number of hex digits); 4008: already expired.
//! 5. What segmentation says: 4006 `udh` (a wrong length octet, an element that overruns, a
//!    concatenation element, no room left), 4007 `dcs` (reserved, compressed, 8-bit for text,
//!    anything else for control), 4005 a character that the chosen coding does not carry, 4001 over
//!    ten segments.
//! 6. 4002: over one segment where the XPID has segmentation off.
//!
//! Without `dcs` control is 04, and text 00 or 08 by its characters.

use super::limits::{HOUR_MS, SINGLE_ATTEMPT_MS_MAX};
use crate::gateway::registry::Registered;
use wire::sms::segment;
use wire::sms::segment::{PlanError, PlanOptions, SubmitTemplate};
use wire::submission::{Door, Notify, Receipts, Submission};
use wire::terms::code::Code;
use wire::terms::ids::Kind;
use wire::terms::time::WallMs;

/// What an admitted push becomes.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    /// SMS-SUBMITs that the content takes, 1 to 10.
    pub segments: u8,
    /// Octets written into `submits`.
    pub submits_octets: usize,
    /// Position of the originating address in the registration's senders.
    pub sender_index: u8,
    /// When the message center gives up: the earlier of lifetime and `expiry`, Unix milliseconds. A
    /// lifetime of 00 leaves an hour for the single attempt to come about.
    pub expires_ms: WallMs,
    /// Whether a notification is due at the end: asked for, and over HTTP the registration has
    /// somewhere to send it.
    pub wants_notification: bool,
}

/// The numbers that a push's segments take, drawn by the shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct References {
    /// TP-Message-Reference of the first segment; the others count on from it.
    pub message_reference: u8,
    /// The reference in the concatenation header of every segment.
    pub concatenation_reference: u8,
}

/// Checks a push and writes its SMS-SUBMITs, each behind its length octet, into `submits`, for
/// which [`segment::SUBMITS_OCTETS_MAX`] octets always suffice.
///
/// # Errors
/// The first code of the order above that applies. 9001 only if `submits` is too small.
pub fn admit(
    registered: &Registered,
    contracted: bool,
    submission: &Submission<'_>,
    references: References,
    now_ms: WallMs,
    submits: &mut [u8],
) -> Result<Admission, Code> {
    let sender_index = check_permission(registered, contracted, submission, now_ms)?;
    let registration = &registered.registration;
    let content = submission.content?;
    let (expires_ms, validity_relative) = expiry(submission, now_ms)?;
    let options = PlanOptions {
        client_udh: submission.header,
        dcs: submission.coding_scheme,
        national: registration.national_tables && submission.kind == Kind::Text,
    };
    let plan = segment::plan(content, &options).map_err(|error| code_of(&error))?;
    //= push text segmentation
    if plan.segments() > 1 && !registration.segmentation {
        return Err(Code::SEGMENTATION_OFF);
    }
    let destination = submission.msn.digits();
    let template = SubmitTemplate {
        destination: &destination,
        first_message_reference: references.message_reference,
        concatenation_reference: references.concatenation_reference,
        protocol_identifier: submission.protocol_identifier.unwrap_or(0),
        validity_relative,
        status_report_requested: true,
        reject_duplicates: false,
    };
    let submits_octets = segment::encode_submits(&plan, content, &options, &template, submits)
        .map_err(|_| Code::INTERNAL)?;
    //= push notify wanted
    let wants_notification = match submission.door {
        Door::Smpp(asked) => asked.receipts != Receipts::Nothing,
        Door::Http => {
            let wanted = submission
                .notify
                .map_or(registration.notify, |notify| notify == Notify::Everything);
            wanted && registration.notify_url.is_some()
        }
    };
    Ok(Admission {
        segments: plan.segments(),
        submits_octets,
        sender_index,
        expires_ms,
        wants_notification,
    })
}

/// 2005 to 2007, and the position of the sender.
fn check_permission(
    registered: &Registered,
    contracted: bool,
    submission: &Submission<'_>,
    now_ms: WallMs,
) -> Result<u8, Code> {
    let registration = &registered.registration;
    //= push right contract
    if !contracted {
        return Err(Code::NOT_CONTRACTED);
    }
    //= push right use
    if !registration.classes.contains(submission.class)
        || !registration.kinds.contains(submission.kind)
    {
        return Err(Code::NOT_ALLOWED);
    }
    let sender_index = match submission.sender {
        None => 0,
        Some(sender) => {
            let known = registered.senders.iter().position(|(text, _)| text.as_bytes() == sender);
            known.ok_or(Code::NOT_ALLOWED)?
        }
    };
    //= push right use
    if !registered.meter.has_volume(now_ms) {
        return Err(Code::VOLUME_USED_UP);
    }
    Ok(sender_index as u8)
}

/// When the push expires, and TP-Validity-Period for what is left until then; 4008 if that is now
/// or past.
//= push time earlier
fn expiry(submission: &Submission<'_>, now_ms: WallMs) -> Result<(WallMs, Option<u8>), Code> {
    let expiry_ms = submission.expiry_ms.map(WallMs::new);
    if expiry_ms.is_some_and(|expiry_ms| expiry_ms <= now_ms) {
        return Err(Code::ALREADY_EXPIRED);
    }
    let single_attempt = submission.is_single_attempt();
    let lifetime_ms = if single_attempt {
        SINGLE_ATTEMPT_MS_MAX
    } else {
        u64::from(submission.lifetime_hours) * HOUR_MS
    };
    let expires_ms = (now_ms + lifetime_ms).min(expiry_ms.unwrap_or(WallMs::NEVER));
    let validity = (!single_attempt).then(|| relative_validity(expires_ms.since(now_ms)));
    Ok((expires_ms, validity))
}

/// TP-Validity-Period in the relative format (3GPP TS 23.040, 9.2.3.12.1): the shortest period that
/// holds `period_ms`, in steps of 5 minutes to 12 hours, of 30 minutes to 24 hours, and of days
/// above.
//= delivery validity
fn relative_validity(period_ms: u64) -> u8 {
    const FIVE_MINUTES_MS: u64 = HOUR_MS / 12;
    let value = if period_ms <= 12 * HOUR_MS {
        period_ms.div_ceil(FIVE_MINUTES_MS).max(1) - 1
    } else if period_ms <= 24 * HOUR_MS {
        143 + (period_ms - 12 * HOUR_MS).div_ceil(HOUR_MS / 2)
    } else {
        166 + period_ms.div_ceil(24 * HOUR_MS).min(30)
    };
    value as u8
}

fn code_of(error: &PlanError) -> Code {
    match error {
        PlanError::Empty => Code::DATA_EMPTY,
        PlanError::TooManySegments { .. } => Code::TOO_MANY_SEGMENTS,
        PlanError::UnknownCharacter { .. } => Code::NO_ALPHABET,
        PlanError::BadHeader { .. } => Code::BAD_UDH,
        PlanError::BadCodingScheme { .. } => Code::BAD_DCS,
    }
}
