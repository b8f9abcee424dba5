//! Codes 2005 to 2007 and 4001 to 4008, and what an admitted push becomes.

use super::{NOW_MS, only, registration, registry_of};
use crate::gateway::admit::{Admission, References, admit};
use crate::gateway::fingerprint::Fingerprints;
use crate::gateway::limits::HOUR_MS;
use crate::gateway::permissions::{ClassSet, KindSet};
use crate::gateway::registration::Registration;
use wire::push::samples::CANONICAL;
use wire::push::scan::{Alert, PushRequest, Request, scan};
use wire::push::submit::{Scratch, content_digest};
use wire::sms::relay;
use wire::sms::segment::SUBMITS_OCTETS_MAX;
use wire::terms::code::Code;
use wire::terms::ids::{Class, Kind};
use wire::terms::time::WallMs;

const NOW: WallMs = WallMs::new(NOW_MS);

const REFERENCES: References = References { message_reference: 250, concatenation_reference: 9 };

fn control() -> PushRequest<'static> {
    let Ok(Request::Push(push)) = scan(CANONICAL) else { panic!("the sample is a push") };
    push
}

fn text(data: &str) -> PushRequest<'_> {
    PushRequest { kind: Kind::Text, data: data.as_bytes(), ..control() }
}

fn admit_under(
    registration: Registration,
    request: &PushRequest<'_>,
) -> Result<(Admission, Vec<Vec<u8>>), Code> {
    let registry = registry_of(registration);
    let mut submits = [0; SUBMITS_OCTETS_MAX];
    let mut scratch = Scratch::new();
    let submission = request.submission(&mut scratch);
    let admission = admit(only(&registry), true, &submission, REFERENCES, NOW, &mut submits)?;
    let written =
        relay::submits(&submits[..admission.submits_octets]).map(<[u8]>::to_vec).collect();
    Ok((admission, written))
}

fn admitted(request: &PushRequest<'_>) -> (Admission, Vec<Vec<u8>>) {
    admit_under(registration(), request).expect("admitted")
}

/// TP-DCS of the only SMS-SUBMIT.
fn dcs_of(request: &PushRequest<'_>) -> u8 {
    let (_, submits) = admitted(request);
    assert_eq!(submits.len(), 1);
    submits[0][11]
}

fn refused(request: &PushRequest<'_>) -> Code {
    admit_under(registration(), request).expect_err("refused")
}

#[test]
fn the_sample_becomes_one_submit() {
    let (admission, submits) = admitted(&control());
    assert_eq!((admission.segments, admission.sender_index), (1, 0));
    assert_eq!(admission.expires_ms, NOW + 5 * HOUR_MS);
    assert!(admission.wants_notification);
    // First octet: SUBMIT, VPF relative, status report wanted. Then MR, DA, PID, DCS, VP, UDL, UD.
    let expected =
        [&[0x31, 250, 11, 0x81, 0x90, 0x10, 0x32, 0x54, 0x76, 0xf8, 0, 4, 59, 5][..], &[0xff; 5]]
            .concat();
    assert_eq!(submits, [expected]);
}

#[test]
fn segments_count_their_references_on() {
    let hex = "A5".repeat(300);
    let (admission, submits) = admitted(&PushRequest { data: hex.as_bytes(), ..control() });
    assert_eq!((admission.segments, submits.len()), (3, 3));
    for (position, submit) in submits.iter().enumerate() {
        assert_eq!(submit[0], 0x71, "the user data has a header");
        assert_eq!(submit[1], 250u8.wrapping_add(position as u8));
        assert_eq!(submit[14..20], [5, 0, 3, 9, 3, 1 + position as u8]);
    }
}

//= push right contract
#[test]
fn code_2005_no_contract() {
    let registry = registry_of(registration());
    let mut submits = [0; SUBMITS_OCTETS_MAX];
    let mut scratch = Scratch::new();
    let submission = PushRequest { data: b"", ..control() }.submission(&mut scratch);
    let refusal = admit(only(&registry), false, &submission, REFERENCES, NOW, &mut submits);
    assert_eq!(refusal.err(), Some(Code::NOT_CONTRACTED));
}

//= push right use
#[test]
fn code_2006_class_kind_or_sender() {
    for class in [Class::Urgent, Class::Emergency, Class::Exercise] {
        let request = PushRequest { class, ..control() };
        assert_eq!(refused(&request), Code::NOT_ALLOWED);
        let classes = ClassSet::default().with(class);
        assert!(admit_under(Registration { classes, ..registration() }, &request).is_ok());
    }
    let kinds = KindSet::NONE.with(Kind::Text);
    let refusal = admit_under(Registration { kinds, ..registration() }, &control());
    assert_eq!(refusal.err(), Some(Code::NOT_ALLOWED));
    assert!(admit_under(Registration { kinds, ..registration() }, &text("a")).is_ok());
    assert_eq!(
        refused(&PushRequest { sender: Some(b"0399999999"), ..control() }),
        Code::NOT_ALLOWED
    );
    assert_eq!(refused(&PushRequest { sender: Some(b"hayauma"), ..control() }), Code::NOT_ALLOWED);
    assert_eq!(admitted(&PushRequest { sender: Some(b"Hayauma"), ..control() }).0.sender_index, 1);
    assert_eq!(
        admitted(&PushRequest { sender: Some(b"0312345678"), ..control() }).0.sender_index,
        0
    );
}

//= push right use
#[test]
fn code_2007_the_volume_comes_before_the_content() {
    let registry = registry_of(Registration { volume_per_day: 1, ..registration() });
    let mut submits = [0; SUBMITS_OCTETS_MAX];
    let mut ask = |data: &'static [u8], now_ms| {
        let mut scratch = Scratch::new();
        let submission = PushRequest { data, ..control() }.submission(&mut scratch);
        admit(only(&registry), true, &submission, REFERENCES, now_ms, &mut submits).err()
    };
    assert_eq!(ask(b"FF", NOW), None);
    only(&registry).meter.charge(NOW);
    assert_eq!(ask(b"FF", NOW), Some(Code::VOLUME_USED_UP));
    assert_eq!(ask(b"", NOW), Some(Code::VOLUME_USED_UP));
    assert_eq!(ask(b"FF", NOW + 24 * HOUR_MS), None);
}

//= push text segments
#[test]
fn code_4001_over_ten_segments() {
    let hex = |octets: usize| "5A".repeat(octets);
    for (request, segments) in [
        (PushRequest { data: hex(140).as_bytes(), ..control() }, 1),
        (PushRequest { data: hex(141).as_bytes(), ..control() }, 2),
        (PushRequest { data: hex(1340).as_bytes(), ..control() }, 10),
        (text(&"a".repeat(160)), 1),
        (text(&"a".repeat(161)), 2),
        (text(&"a".repeat(1530)), 10),
        (text(&"震".repeat(70)), 1),
        (text(&"震".repeat(670)), 10),
    ] {
        assert_eq!(admitted(&request).0.segments, segments);
    }
    for request in [
        PushRequest { data: hex(1341).as_bytes(), ..control() },
        PushRequest { data: hex(8000).as_bytes(), ..control() },
        PushRequest { data: hex(1340).as_bytes(), udh_hex: Some(b"0605040B8423F0"), ..control() },
        text(&"a".repeat(1531)),
        text(&"震".repeat(671)),
        text(&"震".repeat(5000)),
    ] {
        assert_eq!(refused(&request), Code::TOO_MANY_SEGMENTS);
    }
}

//= push text segmentation
#[test]
fn code_4002_segmentation_is_off() {
    let off = || Registration { segmentation: false, ..registration() };
    let long = "a".repeat(161);
    assert_eq!(admit_under(off(), &text(&long)).err(), Some(Code::SEGMENTATION_OFF));
    assert!(admit_under(off(), &text(&long[..160])).is_ok());
    let too_long = "a".repeat(1531);
    assert_eq!(admit_under(off(), &text(&too_long)).err(), Some(Code::TOO_MANY_SEGMENTS));
}

//= push element data
#[test]
fn code_4003_no_data() {
    assert_eq!(refused(&PushRequest { data: b"", ..control() }), Code::DATA_EMPTY);
    assert_eq!(refused(&text("")), Code::DATA_EMPTY);
}

//= push element data
#[test]
fn code_4004_not_even_hex() {
    for data in [
        &b"F"[..],
        b"FFF",
        b"GG",
        b"F ",
        b" FF",
        b"0xFF",
        b"FF\xff\xff",
        "ＦＦ".as_bytes(),
        b"&#70;F",
    ] {
        assert_eq!(refused(&PushRequest { data, ..control() }), Code::NOT_EVEN_HEX);
    }
    let long_and_odd = "F".repeat(2681);
    assert_eq!(
        refused(&PushRequest { data: long_and_odd.as_bytes(), ..control() }),
        Code::NOT_EVEN_HEX
    );
    let (_, submits) = admitted(&PushRequest { data: b"aAfF09", ..control() });
    assert!(submits[0].ends_with(&[3, 0xaa, 0xff, 0x09]));
}

//= push text characters
#[test]
fn code_4005_a_character_that_the_coding_does_not_carry() {
    assert_eq!(
        refused(&PushRequest { coding_scheme: Some(0x00), ..text("震") }),
        Code::NO_ALPHABET
    );
    assert_eq!(dcs_of(&PushRequest { coding_scheme: Some(0x08), ..text("震") }), 0x08);
    assert_eq!(dcs_of(&text("震")), 0x08);
    assert_eq!(dcs_of(&text("a&#x20AC;")), 0x00);
    assert_eq!(dcs_of(&text("&#22320;")), 0x08);
}

//= push text udh
#[test]
fn code_4006_the_client_header() {
    for udh in [
        &b"05"[..],
        b"0505040B8423F0",
        b"0705040B8423F0",
        b"0605050B8423F0",
        b"0500030102010605040B8423F0",
        b"050003010201",
        b"06080400010201",
        b"0B05040B8423F00003010201",
    ] {
        let request = PushRequest { udh_hex: Some(udh), ..control() };
        assert_eq!(refused(&request), Code::BAD_UDH, "{}", String::from_utf8_lossy(udh));
    }
    let (admission, submits) =
        admitted(&PushRequest { udh_hex: Some(b"0605040b8423f0"), ..control() });
    assert_eq!(admission.segments, 1);
    assert!(
        submits[0].ends_with(&[12, 6, 5, 4, 0x0b, 0x84, 0x23, 0xf0, 0xff, 0xff, 0xff, 0xff, 0xff])
    );
}

//= push text dcs
#[test]
fn code_4007_the_coding_scheme() {
    let with =
        |coding_scheme, request| PushRequest { coding_scheme: Some(coding_scheme), ..request };
    for scheme in [0x0c, 0x20, 0x24, 0x1f, 0x80, 0xbf, 0xcc, 0xdc, 0xec, 0xf8, 0xfd] {
        assert_eq!(refused(&with(scheme, control())), Code::BAD_DCS, "{scheme:02X}");
        assert_eq!(refused(&with(scheme, text("a"))), Code::BAD_DCS, "{scheme:02X}");
    }
    for scheme in [0x04, 0x15, 0x44, 0xf4, 0xf5, 0xf6] {
        assert_eq!(refused(&with(scheme, text("a"))), Code::BAD_DCS, "{scheme:02X}");
        assert_eq!(dcs_of(&with(scheme, control())), scheme);
    }
    for scheme in [0x00, 0x08, 0x10, 0x18, 0xc0, 0xd0, 0xe0, 0xf0, 0xf1] {
        assert_eq!(refused(&with(scheme, control())), Code::BAD_DCS, "{scheme:02X}");
        assert_eq!(dcs_of(&with(scheme, text("a"))), scheme);
    }
}

//= push time earlier
#[test]
fn code_4008_already_expired() {
    for (expiry_ms, code) in [
        (NOW_MS - 1, Some(Code::ALREADY_EXPIRED)),
        (NOW_MS, Some(Code::ALREADY_EXPIRED)),
        (NOW_MS + 1, None),
    ] {
        for lifetime_hours in [0, 5] {
            let request = PushRequest { expiry_ms: Some(expiry_ms), lifetime_hours, ..control() };
            assert_eq!(admit_under(registration(), &request).err(), code);
        }
    }
}

//= push time earlier
#[test]
fn the_earlier_of_lifetime_and_expiry_counts() {
    let expires = |lifetime_hours, expiry_ms| {
        let (admission, submits) =
            admitted(&PushRequest { lifetime_hours, expiry_ms, ..control() });
        // First octet: whether there is a relative validity period.
        let validity = (submits[0][0] & 0x18 == 0x10).then(|| submits[0][12]);
        (admission.expires_ms.since(NOW), validity)
    };
    assert_eq!(expires(5, Some(NOW_MS + 6 * HOUR_MS)), (5 * HOUR_MS, Some(59)));
    assert_eq!(expires(5, Some(NOW_MS + 4 * HOUR_MS)), (4 * HOUR_MS, Some(47)));
    assert_eq!(expires(5, Some(NOW_MS + 1000)), (1000, Some(0)));
    assert_eq!(expires(0, None), (HOUR_MS, None));
    assert_eq!(expires(0, Some(NOW_MS + 1000)), (1000, None));
}

//= TS 23.040 9.2.3.12.1
//= delivery validity
#[test]
fn every_lifetime_has_the_tabled_validity_period() {
    for hours in 1..=72u8 {
        let expected = match hours {
            1..=12 => hours * 12 - 1,
            13..=24 => 143 + (hours - 12) * 2,
            _ => 166 + hours.div_ceil(24),
        };
        let (_, submits) = admitted(&PushRequest { lifetime_hours: hours, ..control() });
        assert_eq!((submits[0][0], submits[0][12]), (0x31, expected), "{hours} hours");
    }
    // Without a validity period the field is absent and the format bits are 0.
    let (_, submits) = admitted(&PushRequest { lifetime_hours: 0, ..control() });
    assert_eq!((submits[0][0], submits[0].len()), (0x21, 18));
}

//= push notify wanted
#[test]
fn a_notification_is_due_when_asked_for_and_somebody_listens() {
    for (wanted, default, has_url, due) in [
        (None, true, true, true),
        (None, false, true, false),
        (Some(true), false, true, true),
        (Some(false), true, true, false),
        (Some(true), true, false, false),
    ] {
        let notify_url = registration().notify_url.filter(|_| has_url);
        let registration = Registration { notify: default, notify_url, ..registration() };
        let request = PushRequest { wants_notification: wanted, ..control() };
        assert_eq!(
            admit_under(registration, &request).expect("admitted").0.wants_notification,
            due
        );
    }
}

//= TS 23.040 9.2.3.9
#[test]
fn pid_goes_out_as_given() {
    let (_, submits) = admitted(&PushRequest { protocol_identifier: Some(0x7f), ..control() });
    assert_eq!(submits[0][10], 0x7f);
}

//= push once key
#[test]
fn every_element_of_the_content_changes_the_digest_and_the_key_does_not() {
    let base = PushRequest {
        udh_hex: Some(b"0605040B8423F0"),
        sender: Some(b"Hayauma"),
        alert: Some(Alert { id: b"a", sequence: 1 }),
        ..control()
    };
    let others = [
        PushRequest { class: Class::Urgent, ..base },
        PushRequest { lifetime_hours: 6, ..base },
        PushRequest { kind: Kind::Text, ..base },
        PushRequest { protocol_identifier: Some(0), ..base },
        PushRequest { protocol_identifier: Some(1), ..base },
        PushRequest { coding_scheme: Some(0), ..base },
        PushRequest { coding_scheme: Some(4), ..base },
        PushRequest { udh_hex: None, ..base },
        PushRequest { udh_hex: Some(b"0605040B8423F1"), ..base },
        PushRequest { sender: None, ..base },
        PushRequest { sender: Some(b"Hayaum"), ..base },
        PushRequest {
            sender: Some(b"Hayaum"),
            alert: Some(Alert { id: b"aa", sequence: 1 }),
            ..base
        },
        PushRequest { wants_notification: Some(true), ..base },
        PushRequest { wants_notification: Some(false), ..base },
        PushRequest { expiry_ms: Some(0), ..base },
        PushRequest { expiry_ms: Some(NOW_MS), ..base },
        PushRequest { alert: None, ..base },
        PushRequest { alert: Some(Alert { id: b"b", sequence: 1 }), ..base },
        PushRequest { alert: Some(Alert { id: b"a", sequence: 2 }), ..base },
        PushRequest { data: b"FFFFFFFFFE", ..base },
        base,
    ];
    let mut digests: Vec<_> = others.iter().map(content_digest).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), others.len());
    let msn = wire::terms::ids::Msn::from_value(1).expect("legal");
    assert_eq!(content_digest(&PushRequest { msn, ..base }), content_digest(&base));
}

/// Journals keep these numbers: a change here would forget every key that is remembered.
#[test]
fn fingerprints_from_before_there_was_a_key_and_digests_never_change() {
    let push = control();
    let open = Fingerprints::open();
    let fingerprints = [
        open.push_key(push.xpid, push.msn, push.reqid),
        open.alert_key(push.xpid, push.msn, b"quake-1"),
        open.alert(push.xpid, b"quake-1"),
        content_digest(&push),
    ];
    let expected = [0x599ac4182990e991, 0xb6cd9bf9e343d2ef, 0x190c9db305679c58, 0x8edaec21252443e4];
    assert_eq!(fingerprints, expected);
}
