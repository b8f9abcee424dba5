//! The pushes of a plan as submit_sm.
//!
//! Text goes in the GSM alphabet where that has its characters, else as UCS-2; control data as
//! octets. What does not fit one SMS goes as message_payload, so that one push is one submit_sm.

use super::account::Account;
use crate::acts::Deed;
use crate::mix::{Mix, Shape};
use crate::msns::Destinations;
use crate::plan::Plan;
use crate::reqid::{REQID_OCTETS, RunId};
use wire::smpp::address::{Country, DestinationForm, OwnAddress, destination};
use wire::smpp::coding::{Alphabet, EsmClass, write_text};
use wire::smpp::pdu::Message;
use wire::smpp::time::relative;
use wire::smpp::tlv::{Tag, TlvWriter};
use wire::terms::ids::{Class, Kind};

/// Septets of one SMS (TS 23.040, 9.2.3.24).
const SMS_SEPTETS: usize = 160;
/// Octets of one SMS.
const SMS_OCTETS: usize = 140;
/// The longest text that is tried in the GSM alphabet.
const SEPTETS_MAX: usize = 2_048;
/// data_coding of octets and of UCS-2 (SMPP 3.4, 5.2.19).
const OCTETS: u8 = 4;
const UCS2: u8 = 8;
/// Octets of the optional parameters beside the longest text.
const TLV_OCTETS_MAX: usize = 8 * 1024;
const HOUR_MS: u64 = 3_600_000;

/// Everything a submit_sm is a function of, beside its push's index.
pub(crate) struct Composer {
    contents: Vec<Content>,
    mix: Mix,
    seed: u64,
    destinations: Destinations,
    run: RunId,
    source: Option<OwnAddress>,
    class: Class,
    validity: Option<[u8; 16]>,
    receipts: bool,
    references: bool,
}

/// What a shape of the mix says.
struct Content {
    data_coding: u8,
    octets: Box<[u8]>,
    is_payload: bool,
    class: Option<Class>,
}

impl Composer {
    pub(crate) fn new(plan: &Plan, account: &Account) -> Self {
        let hours = u64::from(plan.lifetime_hours);
        Self {
            contents: plan.mix.shapes().iter().map(Content::of).collect(),
            mix: plan.mix.clone(),
            seed: plan.seed,
            destinations: Destinations::new(plan.msns.clone(), plan.order, plan.seed),
            run: plan.run,
            source: account.address(),
            class: plan.class,
            validity: (hours > 0).then(|| relative(hours * HOUR_MS)),
            receipts: plan.notify,
            references: account.references,
        }
    }

    /// Gives the message of push `index` to `with`: the same one whenever it is asked for.
    pub(crate) fn with_message<T>(&self, index: u64, with: impl FnOnce(&Message<'_>) -> T) -> T {
        let Deed::Push { shape } = self.mix.deed(self.seed, index) else {
            unreachable!("a plan for an SMSC has plain pushes only")
        };
        let content = &self.contents[shape];
        let to = destination(
            self.destinations.of(index),
            Country::JAPAN,
            DestinationForm::International,
        );
        let mut space = [0; TLV_OCTETS_MAX];
        let mut tlvs = TlvWriter::new(&mut space);
        if self.references {
            let mut reqid = [0; REQID_OCTETS];
            self.run.write(index, &mut reqid);
            tlvs.short(Tag::USER_MESSAGE_REFERENCE, index as u16).octets(Tag::VENDOR_REQID, &reqid);
        }
        if content.is_payload {
            tlvs.octets(Tag::MESSAGE_PAYLOAD, &content.octets);
        }
        let message = Message {
            source: self.source.as_ref().map(OwnAddress::as_address).unwrap_or_default(),
            destination: to.as_address(),
            // A lifetime of nothing is sent once (SMPP 3.4, 5.2.12: datagram).
            esm_class: EsmClass(u8::from(self.validity.is_none())),
            priority_flag: priority(content.class.unwrap_or(self.class)),
            validity_period: self.validity.as_ref().map_or(&[], |validity| &validity[..]),
            registered_delivery: u8::from(self.receipts),
            data_coding: content.data_coding,
            short_message: if content.is_payload { &[] } else { &content.octets },
            tlvs: tlvs.finish().unwrap_or_default(),
            ..Message::default()
        };
        with(&message)
    }
}

fn priority(class: Class) -> u8 {
    match class {
        Class::Standard | Class::Exercise => 0,
        Class::Urgent => 1,
        Class::Emergency => 3,
    }
}

impl Content {
    fn of(shape: &Shape) -> Self {
        let (data_coding, octets) = match shape.kind {
            Kind::Control => (OCTETS, from_hex(&shape.data)),
            Kind::Text => text(&shape.data),
        };
        let fits = if data_coding == 0 { SMS_SEPTETS } else { SMS_OCTETS };
        let is_payload = octets.len() > fits;
        Self { data_coding, octets: octets.into_boxed_slice(), is_payload, class: shape.class }
    }
}

fn text(text: &str) -> (u8, Vec<u8>) {
    let mut septets = vec![0; SEPTETS_MAX];
    match write_text(text, Alphabet::Gsm, &mut septets) {
        Some(count) => {
            septets.truncate(count);
            (0, septets)
        }
        None => (UCS2, text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    }
}

fn from_hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.filter_map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn each_shape_has_its_coding_and_what_is_long_goes_as_payload() {
        let plan = Plan::new(SocketAddr::from(([127, 0, 0, 1], 1)));
        let composer = Composer::new(&plan, &Account::new("load", ""));
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..500 {
            composer.with_message(index, |message| {
                let content = message.content().expect("one of the two");
                let is_payload = message.short_message.is_empty();
                seen.insert((message.data_coding, is_payload));
                assert_eq!(is_payload, content.len() > SMS_OCTETS, "{message:?}");
                assert_eq!(message.tlvs.number(Tag::USER_MESSAGE_REFERENCE), Some(index as u32));
                assert_eq!((message.destination.ton, message.registered_delivery), (1, 1));
                assert!(message.destination.digits.starts_with(b"8190"));
                assert_eq!(message.validity_period, b"000001000000000R");
            });
        }
        assert_eq!(Vec::from_iter(seen), [(4, false), (8, false), (8, true)]);
        assert_eq!(text("Hello @"), (0, vec![b'H', b'e', b'l', b'l', b'o', b' ', 0]));
        assert_eq!(text("早"), (8, vec![0x65, 0xE9]));
        assert_eq!(from_hex("0aFF"), [0x0A, 0xFF]);
    }
}
