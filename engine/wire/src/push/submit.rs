//! From a push request to a [`Submission`]: references and hex digits decoded, and the digest of
//! the content as it was written.

use super::entities::decode_entities;
use super::limits::{BODY_OCTETS_MAX, CONTROL_DATA_DIGITS_MAX, UDH_DIGITS_MAX};
use super::scan::PushRequest;
use crate::sms::segment::Content;
use crate::submission::{Door, Notify, Submission};
use crate::terms::code::Code;
use crate::terms::ids::Kind;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Octets of text or control data that a body can hold, decoded: decoding never lengthens it.
const CONTENT_OCTETS_MAX: usize = BODY_OCTETS_MAX;
/// Octets of a client's user data header, the length octet included.
const UDH_OCTETS_MAX: usize = UDH_DIGITS_MAX / 2;

/// Room to decode one push in, kept for all of them.
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

impl<'a> PushRequest<'a> {
    /// The request as the gateway takes it. What had to be decoded lies in `scratch`; a text
    /// without references is borrowed from the body.
    pub fn submission<'b>(&self, scratch: &'b mut Scratch) -> Submission<'b>
    where
        'a: 'b,
    {
        let Scratch { content, header } = scratch;
        Submission {
            class: self.class,
            kind: self.kind,
            msn: self.msn,
            xpid: self.xpid,
            reqid: self.reqid,
            content: self.decode(content),
            header: self.udh_hex.and_then(|digits| decode_hex(digits, header)).unwrap_or_default(),
            protocol_identifier: self.protocol_identifier,
            coding_scheme: self.coding_scheme,
            sender: self.sender,
            lifetime_hours: self.lifetime_hours,
            expiry_ms: self.expiry_ms,
            notify: self.wants_notification.map(|wanted| match wanted {
                true => Notify::Everything,
                false => Notify::Nothing,
            }),
            alert: self.alert,
            digest: content_digest(self),
            door: Door::Http,
        }
    }

    fn decode<'b>(&self, target: &'b mut [u8]) -> Result<Content<'b>, Code>
    where
        'a: 'b,
    {
        //= push element data
        if self.data.is_empty() {
            return Err(Code::DATA_EMPTY);
        }
        match self.kind {
            Kind::Text => decode_entities(self.data, target).map(Content::Text),
            Kind::Control => decode_control(self.data, target).map(Content::Octets),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::samples::CANONICAL;
    use crate::push::scan::{Request, scan};

    fn control() -> PushRequest<'static> {
        let Ok(Request::Push(push)) = scan(CANONICAL) else { panic!("the sample is a push") };
        push
    }

    #[test]
    fn what_needs_no_decoding_is_borrowed_from_the_body() {
        let data = "\u{5730}\u{9707} plain".as_bytes();
        let push = PushRequest { kind: Kind::Text, data, ..control() };
        let mut scratch = Scratch::new();
        let Ok(Content::Text(text)) = push.submission(&mut scratch).content else {
            panic!("a text")
        };
        assert_eq!(text.as_ptr(), data.as_ptr());
    }

    #[test]
    fn content_that_cannot_be_decoded_is_told_with_the_submission() {
        let mut scratch = Scratch::new();
        let long_and_odd = "F".repeat(CONTROL_DATA_DIGITS_MAX + 1);
        let long = "F".repeat(CONTROL_DATA_DIGITS_MAX + 2);
        for (data, code) in [
            ("", Code::DATA_EMPTY),
            ("F", Code::NOT_EVEN_HEX),
            ("FG", Code::NOT_EVEN_HEX),
            (&long_and_odd, Code::NOT_EVEN_HEX),
            (&long, Code::TOO_MANY_SEGMENTS),
        ] {
            let push = PushRequest { data: data.as_bytes(), ..control() };
            assert_eq!(push.submission(&mut scratch).content, Err(code), "{data}");
        }
        let push = PushRequest { data: b"aAfF09", udh_hex: Some(b"0102"), ..control() };
        let submission = push.submission(&mut scratch);
        assert_eq!(submission.content, Ok(Content::Octets(&[0xaa, 0xff, 0x09])));
        assert_eq!(submission.header, [1, 2]);
    }
}
