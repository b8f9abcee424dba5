//! What the push clients write and read: requests whose content says whose they are, and
//! notifications.

use super::ledger::{Entry, EntryIndex};
use super::network::msn_of;
use hayauma::network::port::AttemptSlot;
use std::io::Write as _;
use wire::sms::tpdu::Deliver;
use wire::terms::calendar;
use wire::terms::code::Code;
use wire::terms::ids::{Reqid, Xpid};

/// Octets of a segment's content where there are several.
const PART_OCTETS: usize = 134;
/// Hexadecimal digits of the mark at the beginning of each segment: eight of the push's number and
/// one of the segment's.
const MARK_DIGITS: usize = 9;
/// The first of the sixteen characters that stand for digits in a text; none of them is in the
/// default alphabet.
const FIRST_DIGIT: u32 = 0x4E00;

/// The XPID of a client.
pub(super) fn xpid_of(client: u16) -> Xpid {
    match Xpid::from_value(100_000_001 + u64::from(client)) {
        Some(xpid) => xpid,
        None => unreachable!("a simulation has fewer clients than there are numbers"),
    }
}

/// The push with this reqid.
pub(super) fn entry_of(reqid: &[u8]) -> Option<EntryIndex> {
    std::str::from_utf8(reqid.strip_prefix(b"p")?).ok()?.parse().ok()
}

/// The request of a push; `altered`: with other content.
pub(super) fn push_body(index: EntryIndex, entry: &Entry, altered: bool, out: &mut Vec<u8>) {
    let class = entry.class.number();
    put(
        out,
        format_args!(
            "<?xml version = \"1.0\" ?>\r\n<fncid>0101</fncid>\r\n<comway>11{class:02}</comway>\r\n"
        ),
    );
    put_names(index, entry, out);
    let (lifetime, kind) = (entry.lifetime_hours, u8::from(!entry.control));
    put(out, format_args!("<lifetime>{lifetime:02}</lifetime>\r\n<ctrlflg>{kind}</ctrlflg>\r\n"));
    put(out, format_args!("<dlvntf>{}</dlvntf>\r\n", u8::from(entry.wants_notification)));
    if let Some(expiry_ms) = entry.expiry_ms {
        let digits = calendar::jst_digits(expiry_ms);
        put(out, format_args!("<expiry>{}</expiry>\r\n", String::from_utf8_lossy(&digits)));
    }
    if let Some((alert, sequence)) = entry.alert {
        put(
            out,
            format_args!("<alertid>a{alert}</alertid>\r\n<alertseq>{sequence:02}</alertseq>\r\n"),
        );
    }
    out.extend_from_slice(b"<data>");
    for segment in 0..entry.segments {
        put_mark(index, segment, entry.control, altered, out);
        if segment + 1 < entry.segments {
            put_filling(entry.control, out);
        } else if segment > 0 {
            // A little more than fits into one segment fewer, which would have no header.
            put_mark(index, segment, entry.control, altered, out);
        }
    }
    out.extend_from_slice(b"</data>\r\n");
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Into a vector nothing fails.
    let _ = out.write_fmt(text);
}

fn put_names(index: EntryIndex, entry: &Entry, out: &mut Vec<u8>) {
    let (msn, xpid) = (msn_of(entry.line).value(), xpid_of(entry.client).value());
    put(
        out,
        format_args!(
            "<msn>{msn:011}</msn>\r\n<reqid>p{index}</reqid>\r\n<svcid>{xpid:011}</svcid>\r\n"
        ),
    );
}

/// Nine digits and one that pads them: in hexadecimal for control data, as characters for text.
fn put_mark(index: EntryIndex, segment: u8, control: bool, altered: bool, out: &mut Vec<u8>) {
    let digits = u64::from(index) << 4 | u64::from(segment);
    for place in (0..MARK_DIGITS).rev() {
        put_digit((digits >> (4 * place) & 15) as u32, control, out);
    }
    put_digit(u32::from(altered), control, out);
}

fn put_digit(digit: u32, control: bool, out: &mut Vec<u8>) {
    if control {
        out.push(b"0123456789ABCDEF"[digit as usize]);
    } else if let Some(character) = char::from_u32(FIRST_DIGIT + digit) {
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// The rest of a segment behind its mark.
fn put_filling(control: bool, out: &mut Vec<u8>) {
    let places = if control { 2 * PART_OCTETS } else { PART_OCTETS / 2 };
    for _ in MARK_DIGITS + 1..places {
        put_digit(0, control, out);
    }
}

/// A text with this mark, as a broadcast has it.
pub(super) fn row_text(mark: EntryIndex, segments: u8) -> String {
    let mut text = Vec::new();
    for segment in 0..segments {
        put_mark(mark, segment, false, false, &mut text);
        if segment + 1 < segments {
            put_filling(false, &mut text);
        } else if segment > 0 {
            put_mark(mark, segment, false, false, &mut text);
        }
    }
    String::from_utf8(text).unwrap_or_default()
}

/// The push or the broadcast of which all SMS-DELIVERs of an attempt are.
pub(super) fn marked_entry(slot: &AttemptSlot) -> Option<EntryIndex> {
    let mut entry = None;
    for segment in (0..10).filter(|segment| slot.mask() >> segment & 1 == 1) {
        let deliver = Deliver::decode(slot.tpdu(segment)).ok()?;
        let data = deliver.user_data;
        let content = data.octets.get(data.header_octets()..)?;
        let digit = |place: usize| {
            if data.coding_scheme.0 == 8 {
                content.get(2 * place + 1).copied()
            } else {
                content.get(place / 2).map(|octet| octet >> (4 * (1 - place % 2)) & 15)
            }
        };
        let mut mark = 0u64;
        for place in 0..MARK_DIGITS {
            mark = mark << 4 | u64::from(digit(place)? & 15);
        }
        let of = (mark >> 4) as EntryIndex;
        if (mark & 15) as usize != segment || entry.is_some_and(|known| known != of) {
            return None;
        }
        entry = Some(of);
    }
    entry
}

/// The request that cancels a push.
pub(super) fn cancel_body(index: EntryIndex, entry: &Entry, out: &mut Vec<u8>) {
    put(
        out,
        format_args!(
            "<?xml version = \"1.0\" ?>\r\n<fncid>0201</fncid>\r\n<comway>1101</comway>\r\n"
        ),
    );
    put_names(index, entry, out);
}

/// The request that cancels a whole alert.
pub(super) fn cancel_alert_body(alert: u32, client: u16, number: u32, out: &mut Vec<u8>) {
    let xpid = xpid_of(client).value();
    put(
        out,
        format_args!(
            "<?xml version = \"1.0\" ?>\r\n<fncid>0201</fncid>\r\n<comway>1101</comway>\r\n"
        ),
    );
    put(out, format_args!("<msn>00000000000</msn>\r\n<reqid>c{number}</reqid>\r\n"));
    put(out, format_args!("<svcid>{xpid:011}</svcid>\r\n<alertid>a{alert}</alertid>\r\n"));
}

/// What a notification says: of which push, and its code.
pub(super) fn read_notification(request: &[u8]) -> Option<(EntryIndex, Code)> {
    let text = std::str::from_utf8(request).ok()?;
    let element = |begin: &str| {
        let (_, behind) = text.split_once(begin)?;
        behind.split_once("</").map(|(value, _)| value)
    };
    let reqid = element("<reqid>")?;
    Reqid::parse(reqid.as_bytes())?;
    Some((entry_of(reqid.as_bytes())?, Code::from_number(element("<code>")?.parse().ok()?)?))
}
