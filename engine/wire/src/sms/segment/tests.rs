//! Capacities, choices and refusals of the planner.

use super::*;
use crate::sms::alphabet::Language;

fn capacity(content: Content<'_>, options: &PlanOptions<'_>, rules: &Rules) -> u8 {
    plan_by_rules(content, options, rules).expect("a plan").capacity()
}

//= TS 23.040 9.2.3.24.8
//= TS 23.040 9.2.3.24.16
//= push text capacity
#[test]
fn capacities_are_those_of_the_standard_for_every_mix_of_elements() {
    let wide = Rules { wide_reference: true, ..Rules::plain(255) };
    let turkish = |locking: u16, single: u16| Rules {
        locking_languages: locking << Language::Turkish.number(),
        single_languages: single << Language::Turkish.number(),
        ..Rules::plain(255)
    };
    let none = PlanOptions::default();
    let ports = PlanOptions { client_udh: &[6, 5, 4, 0, 1, 0, 2], ..none };
    let (latin, kana, octets) = ("x".repeat(300), "か".repeat(300), [0; 300]);
    let (lower, mixed) = ("ğ".repeat(300), "ğÀ".repeat(150));
    for (content, options, rules, one, several) in [
        (Content::Text(&latin), &none, Rules::plain(255), 160, 153),
        (Content::Text(&latin), &none, wide, 160, 152),
        (Content::Text(&latin), &ports, Rules::plain(255), 152, 146),
        (Content::Text(&kana), &none, Rules::plain(255), 70, 67),
        (Content::Text(&kana), &none, wide, 70, 66),
        (Content::Text(&kana), &ports, Rules::plain(255), 66, 64),
        (Content::Octets(&octets), &none, Rules::plain(255), 140, 134),
        (Content::Octets(&octets), &none, wide, 140, 133),
        (Content::Octets(&octets), &ports, Rules::plain(255), 133, 128),
        (Content::Text(&lower), &none, turkish(0, 1), 155, 149),
        (Content::Text(&lower), &none, turkish(1, 0), 155, 149),
    ] {
        assert_eq!(capacity(content, options, &rules), several, "{rules:?}");
        let short = match content {
            Content::Text(text) => Content::Text(&text[..text.len() / 300]),
            Content::Octets(octets) | Content::Part(octets) => Content::Octets(&octets[..1]),
        };
        assert_eq!(capacity(short, options, &rules), one, "{rules:?}");
    }
    // Turkish locked and Portuguese shifted: two elements more.
    let both = Rules {
        locking_languages: 1 << Language::Turkish.number(),
        single_languages: 1 << Language::Portuguese.number(),
        ..Rules::plain(255)
    };
    assert_eq!(capacity(Content::Text(&mixed), &none, &both), 146);
}

#[test]
fn a_part_goes_out_as_it_came_with_the_header_that_says_so() {
    let header = [5, 0, 3, 7, 2, 1];
    let part = |dcs| PlanOptions { client_udh: &header, dcs: Some(dcs), national: false };
    let septets = [b'a'; 153];
    for (content, dcs, units) in
        [(&septets[..], 0, 153), (&[0x80; 134][..], 4, 134), (&[0xD8; 134][..], 8, 67)]
    {
        let options = part(dcs);
        let content = Content::Part(content);
        let plan = plan(content, &options).expect("a plan");
        assert_eq!((plan.segments(), plan.units(), plan.dcs()), (1, units, dcs));
        let mut out = [0; 140];
        let fragment =
            Fragments::new(&plan, content, &options, 9).write_next(&mut out).expect("one");
        assert_eq!((&out[..6], fragment.octets), (&header[..], 140));
        let Content::Part(octets) = content else { unreachable!("a part") };
        if dcs != 0 {
            assert_eq!(&out[6..], octets);
        }
    }
    let too_long = [b'a'; 154];
    let refused = plan(Content::Part(&too_long), &part(0));
    assert_eq!(refused, Err(PlanError::TooManySegments { needed: 2 }));
    let unknown = PlanError::UnknownCharacter { character: '\u{80}', offset: 1 };
    assert_eq!(plan(Content::Part(&[0, 0x80]), &part(0)), Err(unknown));
    let odd = PlanError::BadCodingScheme { dcs: 8 };
    assert_eq!(plan(Content::Part(&[0; 3]), &part(8)), Err(odd));
    assert_eq!(plan(Content::Part(&[]), &part(0)), Err(PlanError::Empty));
}

#[test]
fn an_empty_or_wrongly_coded_content_is_refused() {
    let none = PlanOptions::default();
    let dcs = |dcs| PlanOptions { dcs: Some(dcs), ..none };
    assert_eq!(plan(Content::Text(""), &none), Err(PlanError::Empty));
    assert_eq!(plan(Content::Octets(&[]), &none), Err(PlanError::Empty));
    let unknown = PlanError::UnknownCharacter { character: 'か', offset: 1 };
    assert_eq!(plan(Content::Text("aか"), &dcs(0x11)), Err(unknown));
    for wrong in [0x04, 0x20, 0x0c, 0x80, 0xf4] {
        assert_eq!(
            plan(Content::Text("a"), &dcs(wrong)),
            Err(PlanError::BadCodingScheme { dcs: wrong })
        );
    }
    for wrong in [0x00, 0x08, 0x24, 0xc0] {
        assert_eq!(
            plan(Content::Octets(&[1]), &dcs(wrong)),
            Err(PlanError::BadCodingScheme { dcs: wrong })
        );
    }
    assert_eq!(plan(Content::Octets(&[1]), &dcs(0xf6)).map(|plan| plan.dcs()), Ok(0xf6));
    assert_eq!(
        plan(Content::Text("a"), &dcs(0x18)).map(|plan| plan.alphabet()),
        Ok(Alphabet::Ucs2)
    );
}

#[test]
fn a_message_without_content_is_one_segment_where_the_rules_allow_it() {
    let rules = Rules { empty: true, ..Rules::plain(1) };
    let waiting = PlanOptions { client_udh: &[4, 1, 2, 0x80, 3], dcs: Some(0xc8), national: false };
    for (content, options, octets) in [
        (Content::Text(""), PlanOptions::default(), &[][..]),
        (Content::Octets(&[]), PlanOptions::default(), &[]),
        // 40 bits of header take six septets, so two fill bits follow and an octet for them.
        (Content::Text(""), waiting, &[4, 1, 2, 0x80, 3, 0]),
    ] {
        assert_eq!(plan(content, &options), Err(PlanError::Empty));
        let plan = plan_by_rules(content, &options, &rules).expect("a plan");
        assert_eq!((plan.segments(), plan.units()), (1, 0));
        let mut out = [0xee; 140];
        let mut fragments = Fragments::new(&plan, content, &options, 0);
        let fragment = fragments.write_next(&mut out).expect("a segment");
        assert_eq!(&out[..usize::from(fragment.octets)], octets);
        assert!(fragments.write_next(&mut out).is_none());
    }
}

//= TS 23.040 9.2.3.24.1 unsplit
#[test]
fn more_than_ten_segments_are_refused_with_their_number() {
    let none = PlanOptions::default();
    assert_eq!(plan(Content::Text(&"x".repeat(1530)), &none).map(|plan| plan.segments()), Ok(10));
    let needed = PlanError::TooManySegments { needed: 11 };
    assert_eq!(plan(Content::Text(&"x".repeat(1531)), &none), Err(needed));
    assert_eq!(plan(Content::Octets(&[0; 1341]), &none), Err(needed));
    // An escape pair that does not fit at the end of a segment moves to the next.
    let pairs = "€".repeat(765);
    assert_eq!(plan(Content::Text(&pairs), &none), Err(needed));
}

#[test]
fn a_clients_header_is_checked_and_its_shift_is_kept() {
    let with = |client_udh| PlanOptions { client_udh, ..PlanOptions::default() };
    let bad = |fault| Err(PlanError::BadHeader { fault });
    let text = Content::Text("ğ");
    assert_eq!(
        plan(text, &with(&[5, 0, 3, 1, 2, 1])),
        bad(HeaderFault::Concatenation { octet: 1 })
    );
    assert_eq!(
        plan(text, &with(&[3, 0x70])),
        bad(HeaderFault::Length { announced: 3, available: 1 })
    );
    assert_eq!(plan(text, &with(&[2, 0x70, 1])), bad(HeaderFault::ElementOverrun { octet: 1 }));
    assert_eq!(plan(text, &with(&[0; 135])), bad(HeaderFault::NoRoom));
    let shift = Shift { locking: None, single: Some(Language::Turkish) };
    let planned = plan(text, &with(&[3, 0x24, 1, 1])).expect("a plan");
    assert_eq!((planned.alphabet(), planned.header_octets()), (Alphabet::Gsm7(shift), 4));
    let planned = plan(Content::Text("か"), &with(&[3, 0x24, 1, 1])).expect("a plan");
    assert_eq!(planned.alphabet(), Alphabet::Ucs2);
}
