//! Admission: whether an identified push may go, and its SMS-SUBMITs.
//!
//! The checks come after the scanner's (1xxx), [`identify`](crate::gateway::registry::identify)'s
//! (2001 to 2004) and the shard's own (800x), and before the look at earlier pushes (3001, 0001,
//! 0002); first failure wins:
//!
//! 1. 2005: the msn is not contracted with the XPID.
//! 2. 2006: class, kind or sender is not the registration's.
//! 3. 2007: the day's volume is used up. Only looked at here;
//!    [`Meter::charge`](super::meter::Meter::charge) counts the push once it is accepted.
//! 4. 4003: `data` is empty; 4004: control data is not an even number of hex digits; 4008: already
//!    expired.
//! 5. What segmentation says: 4006 `udh` (a wrong length octet, an element that overruns, a
//!    concatenation element, no room left), 4007 `dcs` (reserved, compressed, 8-bit for text,
//!    anything else for control), 4005 a character that the chosen coding does not carry, 4001 over
//!    ten segments.
//! 6. 4002: over one segment where the XPID has segmentation off.
//!
//! Without `dcs` control is 04, and text 00 or 08 by its characters.

use super::limits::{CONTENT_OCTETS_MAX, HOUR_MS, SINGLE_ATTEMPT_MS_MAX, UDH_OCTETS_MAX};
use crate::gateway::registry::Registered;
use wire::push::entities::decode_entities;
use wire::push::limits::CONTROL_DATA_DIGITS_MAX;
use wire::push::scan::PushRequest;
use wire::sms::segment;
use wire::sms::segment::{Content, PlanError, PlanOptions, SubmitTemplate};
use wire::terms::code::Code;
use wire::terms::ids::Kind;
use wire::terms::time::WallMs;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

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
    /// Lifetime 00: one attempt, no retry.
    pub single_attempt: bool,
    /// Whether a notification is due at the end: asked for, and the registration has somewhere to
    /// send it.
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

/// Room to decode one push in, kept by the shard for all of them.
#[derive(Clone, Debug)]
pub struct Scratch {
    content: Vec<u8>,
    header: [u8; UDH_OCTETS_MAX],
}

impl Scratch {
    /// Room for the longest push.
    pub fn new() -> Self {
        Self { content: vec![0; CONTENT_OCTETS_MAX], header: [0; UDH_OCTETS_MAX] }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// Checks a push and writes its SMS-SUBMITs, each behind its length octet, into `submits`, for
/// which [`segment::SUBMITS_OCTETS_MAX`] octets always suffice.
///
/// # Errors
/// The first code of the order above that applies. 9001 only if `submits` is too small.
pub fn admit(
    registered: &Registered,
    contracted: bool,
    request: &PushRequest<'_>,
    references: References,
    now_ms: WallMs,
    scratch: &mut Scratch,
    submits: &mut [u8],
) -> Result<Admission, Code> {
    let sender_index = check_permission(registered, contracted, request, now_ms)?;
    let registration = &registered.registration;
    let decoded = Decoded::new(request, scratch)?;
    let (expires_ms, validity_relative) = expiry(request, now_ms)?;
    let options = PlanOptions {
        client_udh: decoded.header,
        dcs: request.coding_scheme,
        national: registration.national_tables && request.kind == Kind::Text,
    };
    let plan = segment::plan(decoded.content(), &options).map_err(|error| code_of(&error))?;
    //= push text segmentation
    if plan.segments() > 1 && !registration.segmentation {
        return Err(Code::SEGMENTATION_OFF);
    }
    let destination = request.msn.digits();
    let template = SubmitTemplate {
        destination: &destination,
        first_message_reference: references.message_reference,
        concatenation_reference: references.concatenation_reference,
        protocol_identifier: request.protocol_identifier.unwrap_or(0),
        validity_relative,
        status_report_requested: true,
        reject_duplicates: false,
    };
    let submits_octets =
        segment::encode_submits(&plan, decoded.content(), &options, &template, submits)
            .map_err(|_| Code::INTERNAL)?;
    let wanted = request.wants_notification.unwrap_or(registration.notify);
    Ok(Admission {
        segments: plan.segments(),
        submits_octets,
        sender_index,
        expires_ms,
        single_attempt: request.lifetime_hours == 0,
        //= push notify wanted
        wants_notification: wanted && registration.notify_url.is_some(),
    })
}

/// 2005 to 2007, and the position of the sender.
fn check_permission(
    registered: &Registered,
    contracted: bool,
    request: &PushRequest<'_>,
    now_ms: WallMs,
) -> Result<u8, Code> {
    let registration = &registered.registration;
    //= push right contract
    if !contracted {
        return Err(Code::NOT_CONTRACTED);
    }
    //= push right use
    if !registration.classes.contains(request.class) || !registration.kinds.contains(request.kind) {
        return Err(Code::NOT_ALLOWED);
    }
    let sender_index = match request.sender {
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

/// A push's content and header, decoded into the scratch.
struct Decoded<'a> {
    text: Option<&'a str>,
    octets: &'a [u8],
    header: &'a [u8],
}

impl<'a> Decoded<'a> {
    fn new(request: &PushRequest<'a>, scratch: &'a mut Scratch) -> Result<Self, Code> {
        //= push element data
        if request.data.is_empty() {
            return Err(Code::DATA_EMPTY);
        }
        let (text, octets) = match request.kind {
            Kind::Text => (Some(decode_entities(request.data, &mut scratch.content)?), &[][..]),
            Kind::Control => (None, decode_control(request.data, &mut scratch.content)?),
        };
        let header = match request.udh_hex {
            None => &[][..],
            Some(digits) => decode_hex(digits, &mut scratch.header).ok_or(Code::BAD_UDH)?,
        };
        Ok(Self { text, octets, header })
    }

    fn content(&self) -> Content<'a> {
        match self.text {
            Some(text) => Content::Text(text),
            None => Content::Octets(self.octets),
        }
    }
}

/// Control data: 4004 unless it is an even number of hex digits, then 4001 when no ten segments can
/// hold it.
//= push element data
fn decode_control<'a>(data: &[u8], target: &'a mut [u8]) -> Result<&'a [u8], Code> {
    let octets = decode_hex(data, target).ok_or(Code::NOT_EVEN_HEX)?;
    if data.len() > CONTROL_DATA_DIGITS_MAX { Err(Code::TOO_MANY_SEGMENTS) } else { Ok(octets) }
}

/// `None` for an odd number of digits, for anything that is no hex digit, and when `target` is too
/// small.
fn decode_hex<'a>(digits: &[u8], target: &'a mut [u8]) -> Option<&'a [u8]> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let target = target.get_mut(..pairs.len())?;
    let mut bad = 0;
    for (octet, &[high, low]) in target.iter_mut().zip(pairs) {
        let (high, low) = (HEX_VALUES[usize::from(high)], HEX_VALUES[usize::from(low)]);
        bad |= high | low;
        *octet = high << 4 | low;
    }
    (bad & NO_HEX_DIGIT == 0).then_some(target)
}

const NO_HEX_DIGIT: u8 = 0x80;

/// The value of every octet as a hex digit.
static HEX_VALUES: [u8; 256] = {
    let mut values = [NO_HEX_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        values[b"0123456789abcdef"[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

/// When the push expires, and TP-Validity-Period for what is left until then; 4008 if that is now
/// or past.
//= push time earlier
fn expiry(request: &PushRequest<'_>, now_ms: WallMs) -> Result<(WallMs, Option<u8>), Code> {
    let expiry_ms = request.expiry_ms.map(WallMs::new);
    if expiry_ms.is_some_and(|expiry_ms| expiry_ms <= now_ms) {
        return Err(Code::ALREADY_EXPIRED);
    }
    let single_attempt = request.lifetime_hours == 0;
    let lifetime_ms = if single_attempt {
        SINGLE_ATTEMPT_MS_MAX
    } else {
        u64::from(request.lifetime_hours) * HOUR_MS
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

/// Seed of the digest. Digests are kept in journals: neither may ever change.
const CONTENT_SEED: u64 = 2;

/// Everything that makes a push's content, in 64 bits: all elements but the key and `fncid`, as
/// they were written. The same meaning in other words (`pid` 00 or none, hex digits in the other
/// case, another reference for the same character) is other content: a repeat is the same request
/// again.
//= push once key
pub fn content_digest(request: &PushRequest<'_>) -> u64 {
    let option = |value: Option<u8>| value.map_or([0, 0], |value| [1, value]);
    let (alert_id, alert_sequence) =
        request.alert.map_or((&[][..], None), |alert| (alert.id, Some(alert.sequence)));
    let [pid, pid_value] = option(request.protocol_identifier);
    let [dcs, dcs_value] = option(request.coding_scheme);
    let [alert, alert_value] = option(alert_sequence);
    let small = [
        request.class.number(),
        request.kind.number(),
        request.lifetime_hours,
        pid,
        pid_value,
        dcs,
        dcs_value,
        request.wants_notification.map_or(2, u8::from),
        alert,
        alert_value,
    ];
    let digest_of = |text: Option<&[u8]>| text.map_or(0, xxh3_64).to_le_bytes();
    digest(
        CONTENT_SEED,
        &[
            &small,
            &request.expiry_ms.unwrap_or(u64::MAX).to_le_bytes(),
            &digest_of(request.udh_hex),
            &digest_of(Some(request.data)),
            &[request.sender.map_or(0, |sender| sender.len() as u8)],
            request.sender.unwrap_or_default(),
            alert_id,
        ],
    )
}

/// Hashes the parts put together. Every part but the last has a fixed length or its length before
/// it.
fn digest(seed: u64, parts: &[&[u8]]) -> u64 {
    const OCTETS_MAX: usize = 128;
    let mut octets = [0; OCTETS_MAX];
    let mut length = 0;
    for part in parts {
        octets[length..length + part.len()].copy_from_slice(part);
        length += part.len();
    }
    xxh3_64_with_seed(&octets[..length], seed)
}
