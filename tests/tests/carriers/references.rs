//! The reference by which a phone puts the segments of a long push together: as it arrives.

use super::{accepted, await_bound, msn, site};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use tests::engine::Engine;
use tests::push::Body;
use tests::recorder::Recorder;
use tests::smsc::Smsc;

const PHONES: u64 = 256;
/// Segments of each push.
const SEGMENTS: usize = 2;
/// Phones of which two pushes in different lives of an engine may have one reference: by chance one
/// in 256, so 1 of these 256.
const BY_CHANCE_MAX: usize = 16;

fn send_to_all(engine: &Engine, name: &str) {
    let text = "\u{5730}\u{9707}".repeat(50);
    for phone in 0..PHONES {
        accepted(engine, &Body::text(&msn(phone), &format!("{name}-{phone}"), &text));
    }
}

/// The reference of the newest push to each phone; all segments of one carry the same.
fn references(smsc: &Smsc, pushes: usize) -> BTreeMap<String, u8> {
    let sms = smsc.await_sms(pushes * PHONES as usize * SEGMENTS);
    let mut found = BTreeMap::new();
    for sms in &sms[sms.len() - PHONES as usize * SEGMENTS..] {
        assert_eq!(sms.text[..3], [5, 0, 3], "a concatenation header in front");
        assert_eq!(usize::from(sms.text[4]), SEGMENTS);
        match found.entry(sms.to.clone()) {
            Entry::Vacant(place) => drop(place.insert(sms.text[3])),
            Entry::Occupied(known) => assert_eq!(*known.get(), sms.text[3], "{}", sms.to),
        }
    }
    assert_eq!(found.len() as u64, PHONES);
    found
}

fn same(one: &BTreeMap<String, u8>, other: &BTreeMap<String, u8>) -> usize {
    one.iter().filter(|(phone, reference)| other[*phone] == **reference).count()
}

#[test]
fn two_long_pushes_that_follow_each_other_to_a_phone_have_different_references() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &[]);
    let mut before: Option<BTreeMap<String, u8>> = None;
    let mut pushes = 0;
    for life in 0..3 {
        let engine = site.start();
        await_bound(&engine, "alpha", 1);
        send_to_all(&engine, &format!("first-{life}"));
        let first = references(&smsc, pushes + 1);
        send_to_all(&engine, &format!("second-{life}"));
        let second = references(&smsc, pushes + 2);
        pushes += 2;
        assert_eq!(same(&first, &second), 0, "in life {life}");
        // What the last life gave nobody remembers; it does not begin at the same place again.
        if let Some(before) = &before {
            let same = same(before, &first);
            assert!(same <= BY_CHANCE_MAX, "{same} of {PHONES} phones behind a restart");
        }
        before = Some(second);
        recorder.await_count(pushes * PHONES as usize);
        engine.stop();
    }
}
