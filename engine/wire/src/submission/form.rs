//! The binary form of submissions and cancellations: what shards send each other.
//!
//! Numbers are little-endian. A form is one fixed head and, behind it, the octets whose lengths the
//! head names, in the order of their lengths:
//!
//! | octets | what |
//! |---|---|
//! | 0–3 | checksum: the lower half of XXH3-64 over all that follows |
//! | 4 | 1 a submission, 2 the cancellation of a push, 3 that of a whole alert |
//! | 5 | flags: which optional values there are |
//! | 6–11 | class, kind, lifetime, TP-PID, TP-DCS, alertseq |
//! | 12–13 | the code for content that could not be decoded, 0 for none |
//! | 14–15 | octets of the content |
//! | 16–23, 24–31 | msn, XPID |
//! | 32–39, 40–47 | expiry in Unix milliseconds, digest |
//! | 48–51 | octets of reqid, alertid, sender and header |
//! | 52–55 | the door, as `Door::bits` gives it |
//!
//! A value that is not there is zero. Reading gives exactly what was written or refuses it: a form
//! that was cut, or in which a bit is another, is no form.

use super::{Alert, CancelTarget, Cancellation, Door, Notify, Submission};
use crate::push::limits::{
    ALERT_ID_OCTETS_MAX, LIFETIME_HOURS_MAX, SENDER_OCTETS_MAX, UDH_DIGITS_MAX,
};
use crate::sms::segment::Content;
use crate::terms::code::Code;
use crate::terms::ids::{Class, Kind, Msn, Reqid, Xpid};
use xxhash_rust::xxh3::xxh3_64;

/// Octets of the fixed head.
const HEAD_OCTETS: usize = 56;
/// Octets of a client's header.
const HEADER_OCTETS_MAX: usize = UDH_DIGITS_MAX / 2;

const SUBMISSION: u8 = 1;
const CANCEL_OF_PUSH: u8 = 2;
const CANCEL_OF_ALERT: u8 = 3;

const HAS_PID: u8 = 1;
const HAS_DCS: u8 = 2;
const HAS_EXPIRY: u8 = 4;
const HAS_NOTIFY: u8 = 8;
const NOTIFIES: u8 = 16;
const IS_PART: u8 = 32;

/// What a form holds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum FormOrder<'a> {
    /// A push.
    Push(Submission<'a>),
    /// A cancellation.
    Cancel(Cancellation<'a>),
}

/// Why octets are no form.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FormError {
    /// Cut off, or longer than it says.
    #[error("a submission of {0} octets is not as long as it says: it was cut on its way")]
    Length(usize),
    /// Altered.
    #[error("a submission's checksum does not fit: it was altered on its way")]
    Checksum,
    /// A value that no version of this program writes.
    #[error("a submission's {0} cannot be: it was written by a newer version")]
    Value(&'static str),
}

/// Appends the form of a submission.
///
/// # Panics
/// When a part is longer than its type allows.
pub fn write_submission(submission: &Submission<'_>, form: &mut Vec<u8>) {
    let (code, content) = match submission.content {
        Ok(Content::Text(text)) => (0, text.as_bytes()),
        Ok(Content::Octets(octets) | Content::Part(octets)) => (0, octets),
        Err(code) => (code.number(), &[][..]),
    };
    let alert_id = submission.alert.map_or(&[][..], |alert| alert.id);
    let sender = submission.sender.unwrap_or_default();
    let mut head = [0; HEAD_OCTETS];
    head[4] = SUBMISSION;
    head[5] = flags_of(submission);
    head[6] = submission.class.number();
    head[7] = submission.kind.number();
    head[8] = submission.lifetime_hours;
    head[9] = submission.protocol_identifier.unwrap_or(0);
    head[10] = submission.coding_scheme.unwrap_or(0);
    head[11] = submission.alert.map_or(0, |alert| alert.sequence);
    head[12..14].copy_from_slice(&code.to_le_bytes());
    head[14..16].copy_from_slice(&length_of(content).to_le_bytes());
    head[16..24].copy_from_slice(&submission.msn.value().to_le_bytes());
    head[24..32].copy_from_slice(&submission.xpid.value().to_le_bytes());
    head[32..40].copy_from_slice(&submission.expiry_ms.unwrap_or(0).to_le_bytes());
    head[40..48].copy_from_slice(&submission.digest.to_le_bytes());
    head[52..56].copy_from_slice(&submission.door.bits().to_le_bytes());
    let parts = [submission.reqid.as_bytes(), alert_id, sender, submission.header];
    finish(head, parts, content, form);
}

/// Appends the form of a cancellation.
///
/// # Panics
/// When the alertid is longer than its type allows.
pub fn write_cancellation(cancellation: &Cancellation<'_>, form: &mut Vec<u8>) {
    let mut head = [0; HEAD_OCTETS];
    let (kind, msn, reqid, alert_id) = match &cancellation.target {
        CancelTarget::Push { msn, reqid } => (CANCEL_OF_PUSH, *msn, reqid, &[][..]),
        CancelTarget::Alert { reqid, alert_id } => (CANCEL_OF_ALERT, Msn::ALL, reqid, *alert_id),
    };
    head[4] = kind;
    head[16..24].copy_from_slice(&msn.value().to_le_bytes());
    head[24..32].copy_from_slice(&cancellation.xpid.value().to_le_bytes());
    finish(head, [reqid.as_bytes(), alert_id, &[], &[]], &[], form);
}

/// Reads a form.
///
/// # Errors
/// Why it is none.
pub fn read(form: &[u8]) -> Result<FormOrder<'_>, FormError> {
    let Some((head, rest)) = form.split_first_chunk::<HEAD_OCTETS>() else {
        return Err(FormError::Length(form.len()));
    };
    if checksum(&form[4..]) != head[..4] {
        return Err(FormError::Checksum);
    }
    let lengths = [48, 49, 50, 51].map(|at| usize::from(head[at]));
    let content_octets = usize::from(u16::from_le_bytes([head[14], head[15]]));
    if lengths.iter().sum::<usize>() + content_octets != rest.len() {
        return Err(FormError::Length(form.len()));
    }
    let (reqid, rest) = rest.split_at(lengths[0]);
    let (alert_id, rest) = rest.split_at(lengths[1]);
    let (sender, rest) = rest.split_at(lengths[2]);
    let (header, content) = rest.split_at(lengths[3]);
    let reqid = Reqid::parse(reqid).ok_or(FormError::Value("reqid"))?;
    let msn = Msn::from_value(number(head, 16)).ok_or(FormError::Value("msn"))?;
    let xpid = Xpid::from_value(number(head, 24)).ok_or(FormError::Value("svcid"))?;
    if alert_id.len() > ALERT_ID_OCTETS_MAX {
        return Err(FormError::Value("alertid"));
    }
    let target = match head[4] {
        CANCEL_OF_PUSH => CancelTarget::Push { msn, reqid },
        CANCEL_OF_ALERT => CancelTarget::Alert { reqid, alert_id },
        SUBMISSION => {
            let fronts = (msn, xpid, reqid);
            return read_submission(head, fronts, [alert_id, sender, header], content)
                .map(FormOrder::Push);
        }
        _ => return Err(FormError::Value("kind of request")),
    };
    Ok(FormOrder::Cancel(Cancellation { xpid, target }))
}

fn read_submission<'a>(
    head: &[u8; HEAD_OCTETS],
    (msn, xpid, reqid): (Msn, Xpid, Reqid),
    [alert_id, sender, header]: [&'a [u8]; 3],
    content: &'a [u8],
) -> Result<Submission<'a>, FormError> {
    let has = |flag| head[5] & flag != 0;
    let class = Class::from_number(head[6]).ok_or(FormError::Value("class"))?;
    let kind = Kind::from_number(head[7]).ok_or(FormError::Value("kind"))?;
    if head[8] > LIFETIME_HOURS_MAX {
        return Err(FormError::Value("lifetime"));
    }
    if sender.len() > SENDER_OCTETS_MAX || header.len() > HEADER_OCTETS_MAX {
        return Err(FormError::Value("sender or header"));
    }
    let content = match (u16::from_le_bytes([head[12], head[13]]), kind) {
        (0, _) if has(IS_PART) => Ok(Content::Part(content)),
        (0, Kind::Text) => {
            let text = str::from_utf8(content).map_err(|_| FormError::Value("text"))?;
            Ok(Content::Text(text))
        }
        (0, Kind::Control) => Ok(Content::Octets(content)),
        (code, _) => Err(Code::from_number(code).ok_or(FormError::Value("code"))?),
    };
    let notify = if has(NOTIFIES) { Notify::Everything } else { Notify::Nothing };
    let alert = Alert { id: alert_id, sequence: head[11] };
    Ok(Submission {
        class,
        kind,
        msn,
        xpid,
        reqid,
        content,
        header,
        protocol_identifier: has(HAS_PID).then_some(head[9]),
        coding_scheme: has(HAS_DCS).then_some(head[10]),
        sender: (!sender.is_empty()).then_some(sender),
        lifetime_hours: head[8],
        expiry_ms: has(HAS_EXPIRY).then(|| number(head, 32)),
        notify: has(HAS_NOTIFY).then_some(notify),
        alert: (!alert_id.is_empty()).then_some(alert),
        digest: number(head, 40),
        door: Door::from_bits(u32::from_le_bytes([head[52], head[53], head[54], head[55]])),
    })
}

fn flags_of(submission: &Submission<'_>) -> u8 {
    let when = |is_so: bool, flag: u8| if is_so { flag } else { 0 };
    when(submission.protocol_identifier.is_some(), HAS_PID)
        | when(submission.coding_scheme.is_some(), HAS_DCS)
        | when(submission.expiry_ms.is_some(), HAS_EXPIRY)
        | when(submission.notify.is_some(), HAS_NOTIFY)
        | when(submission.notify == Some(Notify::Everything), NOTIFIES)
        | when(matches!(submission.content, Ok(Content::Part(_))), IS_PART)
}

/// Writes lengths and checksum into the head, and appends it with what stands behind it.
fn finish(mut head: [u8; HEAD_OCTETS], parts: [&[u8]; 4], content: &[u8], form: &mut Vec<u8>) {
    for (length, part) in head[48..52].iter_mut().zip(parts) {
        assert!(part.len() <= usize::from(u8::MAX), "a part of {} octets", part.len());
        *length = part.len() as u8;
    }
    let begins = form.len();
    form.extend_from_slice(&head);
    parts.into_iter().for_each(|part| form.extend_from_slice(part));
    form.extend_from_slice(content);
    let checksum = checksum(&form[begins + 4..]);
    form[begins..begins + 4].copy_from_slice(&checksum);
}

fn length_of(content: &[u8]) -> u16 {
    assert!(content.len() <= usize::from(u16::MAX), "content of {} octets", content.len());
    content.len() as u16
}

fn checksum(octets: &[u8]) -> [u8; 4] {
    (xxh3_64(octets) as u32).to_le_bytes()
}

fn number(head: &[u8; HEAD_OCTETS], at: usize) -> u64 {
    let mut octets = [0; 8];
    octets.copy_from_slice(&head[at..at + 8]);
    u64::from_le_bytes(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    /// Octets of type A, so many at most.
    fn name(octets_max: usize) -> impl Strategy<Value = Vec<u8>> {
        vec(proptest::sample::select(b"0123456789abcXYZ._-".as_slice()), 1..=octets_max)
    }

    fn class() -> impl Strategy<Value = Class> {
        proptest::sample::select(Class::BY_WEIGHT.as_slice())
    }

    /// An alertid and its alertseq.
    type OwnedAlert = (Vec<u8>, u8);

    /// What a submission is made of, owning its octets.
    #[derive(Clone, Debug)]
    struct Parts {
        names: (Vec<u8>, Option<OwnedAlert>, Option<Vec<u8>>, Vec<u8>),
        numbers: (u64, u64, u64, Option<u64>),
        small: (Class, u8, Option<u8>, Option<u8>, Option<bool>),
        content: Result<Result<String, Vec<u8>>, bool>,
        is_part: bool,
        door: u32,
    }

    impl Parts {
        fn submission(&self) -> Submission<'_> {
            let (reqid, alert, sender, header) = &self.names;
            let (msn, xpid, digest, expiry_ms) = self.numbers;
            let (class, lifetime_hours, protocol_identifier, coding_scheme, notify) = self.small;
            let (kind, content) = match &self.content {
                Ok(Ok(text)) => (Kind::Text, Ok(Content::Text(text))),
                Ok(Err(octets)) if self.is_part => (Kind::Text, Ok(Content::Part(octets))),
                Ok(Err(octets)) => (Kind::Control, Ok(Content::Octets(octets))),
                Err(true) => (Kind::Text, Err(Code::DATA_EMPTY)),
                Err(false) => (Kind::Control, Err(Code::NOT_EVEN_HEX)),
            };
            Submission {
                class,
                kind,
                msn: Msn::from_value(msn).expect("in its range"),
                xpid: Xpid::from_value(xpid).expect("in its range"),
                reqid: Reqid::parse(reqid).expect("of type A"),
                content,
                header,
                protocol_identifier,
                coding_scheme,
                sender: sender.as_deref(),
                lifetime_hours,
                expiry_ms,
                notify: notify.map(|all| if all { Notify::Everything } else { Notify::Nothing }),
                alert: alert.as_ref().map(|(id, sequence)| Alert { id, sequence: *sequence }),
                digest,
                door: Door::from_bits(self.door),
            }
        }
    }

    fn parts() -> impl Strategy<Value = Parts> {
        let alert = option::of((name(ALERT_ID_OCTETS_MAX), 0..100u8));
        let header = vec(any::<u8>(), 0..=HEADER_OCTETS_MAX);
        let names = (name(23), alert, option::of(name(SENDER_OCTETS_MAX)), header);
        let numbers =
            (1..10_000_000_000u64, 0..100_000_000_000u64, any::<u64>(), any::<Option<u64>>());
        let optional = (any::<Option<u8>>(), any::<Option<u8>>(), any::<Option<bool>>());
        let small = (class(), 0..=LIFETIME_HOURS_MAX, optional)
            .prop_map(|(class, hours, (pid, dcs, notify))| (class, hours, pid, dcs, notify));
        let content = prop_oneof![
            ".{0,200}".prop_map(|text| Ok(Ok(text))),
            vec(any::<u8>(), 0..1_400).prop_map(|octets| Ok(Err(octets))),
            any::<bool>().prop_map(Err),
        ];
        let door = (any::<bool>(), any::<u32>());
        (names, numbers, small, content, door).prop_map(
            |(names, numbers, small, content, (is_part, door))| Parts {
                names,
                numbers,
                small,
                content,
                is_part,
                door,
            },
        )
    }

    /// Every form that is shorter or has another bit is refused.
    fn check_strict(form: &[u8]) {
        for octets in 0..form.len() {
            assert!(read(&form[..octets]).is_err(), "{octets} of {} octets", form.len());
        }
        let mut longer = form.to_vec();
        longer.push(0);
        assert!(read(&longer).is_err());
        let mut altered = form.to_vec();
        for bit in 0..8 * form.len() {
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&altered).is_err(), "bit {bit}");
            altered[bit / 8] ^= 1 << (bit % 8);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn a_submission_comes_out_as_it_went_in_or_not_at_all(parts in parts()) {
            let submission = parts.submission();
            let mut form = Vec::new();
            write_submission(&submission, &mut form);
            prop_assert_eq!(read(&form), Ok(FormOrder::Push(submission)));
            check_strict(&form);
        }

        #[test]
        fn a_cancellation_comes_out_as_it_went_in_or_not_at_all(
            reqid in name(23),
            alert_id in name(ALERT_ID_OCTETS_MAX),
            msn in 1..10_000_000_000u64,
            xpid in 0..100_000_000_000u64,
        ) {
            let reqid = Reqid::parse(&reqid).expect("of type A");
            let msn = Msn::from_value(msn).expect("in its range");
            let xpid = Xpid::from_value(xpid).expect("in its range");
            let of_alert = CancelTarget::Alert { reqid, alert_id: &alert_id };
            for target in [CancelTarget::Push { msn, reqid }, of_alert] {
                let cancellation = Cancellation { xpid, target };
                let mut form = Vec::new();
                write_cancellation(&cancellation, &mut form);
                prop_assert_eq!(read(&form), Ok(FormOrder::Cancel(cancellation)));
                check_strict(&form);
            }
        }

        #[test]
        fn any_octets_are_read_without_a_panic(mut octets in vec(any::<u8>(), 0..300)) {
            let _ = read(&octets);
            // The same with a checksum that fits, and lengths that do.
            if octets.len() >= HEAD_OCTETS {
                let rest = octets.len() - HEAD_OCTETS;
                octets[48..52].fill(0);
                octets[48] = rest.min(23) as u8;
                let content = (rest - rest.min(23)) as u16;
                octets[14..16].copy_from_slice(&content.to_le_bytes());
                let checksum = checksum(&octets[4..]);
                octets[..4].copy_from_slice(&checksum);
                let _ = read(&octets);
            }
        }
    }
}
