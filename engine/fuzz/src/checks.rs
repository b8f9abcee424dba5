//! What must hold of the SMS codec, of a journal segment, and of what comes in before a broadcast,
//! for any octets whatever. Each
//! function panics when it does not.

use hayauma::broadcast::areas::features::{FeatureNames, FeatureReader};
use hayauma::broadcast::lists::import::Import;
use hayauma::broadcast::lists::reader::ReaderOptions;
use hayauma::broadcast::manifest::Manifest;
use hayauma::journal::{Record, examine, segment_of};
use wire::cap::draft::{Draft, WarningAct};
use wire::cap::{Profile, Rules as WarningRules, WarningRefusal, check_lalert, check_xml};
use wire::sms::address::Address;
use wire::sms::alphabet::{Language, Shift, decode_ucs2};
use wire::sms::coding_scheme::CodingScheme;
use wire::sms::describe::describe;
use wire::sms::header::Header;
use wire::sms::limits::TPDU_OCTETS_MAX;
use wire::sms::reassemble::{Arrival, Reassembler};
use wire::sms::relay;
use wire::sms::relay::OriginatingAddress;
use wire::sms::segment::{Content, Fragments, PlanOptions, Rules, plan_by_rules};
use wire::sms::tpdu::{Direction, ReportContext, Tpdu};
use wire::sms::user_data::UserData;
use wire::terms::time::WallMs;

/// A TPDU decodes or errs in both directions and every context; what decodes is written as it was
/// read, but for unused bits of the first octet.
pub fn check_tpdu(octets: &[u8]) {
    for direction in [Direction::FromTerminal, Direction::ToTerminal] {
        for context in
            [ReportContext::Acknowledgement, ReportContext::Error, ReportContext::Unknown]
        {
            let Ok(tpdu) = Tpdu::decode(octets, direction, context) else { continue };
            assert!(!describe(&tpdu).is_empty());
            let mut out = [0; TPDU_OCTETS_MAX];
            let length = tpdu.encode(&mut out).expect("what was read can be written");
            assert_eq!(out[1..length], octets[1..]);
            assert_eq!(Tpdu::decode(&out[..length], direction, context), Ok(tpdu));
        }
    }
    let originating = OriginatingAddress::from_digits(b"0312345678").expect("digits");
    let mut out = [0; TPDU_OCTETS_MAX];
    let relayed = relay::deliver_from_submit(octets, &originating, &[0; 7], false, &mut out);
    let submitted = Tpdu::decode(octets, Direction::FromTerminal, ReportContext::Unknown);
    assert_eq!(
        relayed.is_ok(),
        matches!(submitted, Ok(Tpdu::Submit(_))),
        "both ways of reading agree"
    );
    if let (Ok(length), Ok(Tpdu::Submit(submit))) = (relayed, submitted) {
        let delivered = Tpdu::decode(&out[..length], Direction::ToTerminal, ReportContext::Unknown);
        let Ok(Tpdu::Deliver(deliver)) = delivered else { panic!("{delivered:?}") };
        assert_eq!(deliver.user_data, submit.user_data);
    }
    let _ = relay::read_deliver_report(octets, true);
    let _ = relay::read_status_report(octets);
    let _ = relay::submits(octets).map(<[u8]>::len).sum::<usize>();
}

/// A header is read without going beyond it, and text behind it is found whether it is sound or
/// not. The first two octets choose the coding scheme and TP-UDL.
pub fn check_header(octets: &[u8]) {
    let [scheme, length, user_data @ ..] = octets else { return };
    let (header, taken) = Header::read(user_data);
    assert!(taken <= user_data.len());
    if let Ok(header) = header {
        assert_eq!(header.octets(), taken);
        assert_eq!(
            header.elements().map(|element| 2 + element.data.len()).sum::<usize>() + 1,
            taken
        );
        assert_eq!(Header::parse(&user_data[..taken]), Ok(header));
        let _ = (header.concatenation(), header.ports(), header.shift());
    }
    let coding_scheme = CodingScheme(*scheme);
    let user_data =
        UserData { coding_scheme, header_indicated: true, length: *length, octets: user_data };
    let text = user_data.text();
    let mut reassembler = Reassembler::new(1, 0);
    let originator = Address::alphanumeric("fuzz").expect("four characters");
    match reassembler.handle_part(originator, &user_data, 0) {
        Arrival::Complete(message) => assert_eq!(message.text(), text),
        Arrival::Waiting { missing } => {
            assert_eq!(
                reassembler.handle_part(originator, &user_data, 0),
                Arrival::Repeated { missing }
            );
            assert_eq!(reassembler.poll_lost(1).and_then(|message| message.text()), text);
        }
        Arrival::Repeated { .. } => panic!("nothing came before"),
    }
}

/// Septets and code units decode; text that is sent arrives, in as many segments as were counted.
/// The first two octets choose the languages.
pub fn check_alphabet(octets: &[u8]) {
    let [locking, single, rest @ ..] = octets else { return };
    let shift = Shift {
        locking: Language::from_number(locking % 14),
        single: Language::from_number(single % 14),
    };
    let mut text = String::new();
    shift.decode(rest, &mut text);
    assert!(text.chars().count() <= rest.len());
    decode_ucs2(rest, &mut text);
    check_segments(&text);
    check_segments(&String::from_utf8_lossy(rest));
}

fn check_segments(text: &str) {
    let content = Content::Text(text);
    for national in [false, true] {
        let options = PlanOptions { national, ..PlanOptions::default() };
        let rules = Rules { segments_max: 255, ..Rules::gateway(national) };
        let Ok(plan) = plan_by_rules(content, &options, &rules) else { continue };
        let mut fragments = Fragments::new(&plan, content, &options, 1);
        let mut reassembler = Reassembler::new(1, 0);
        let originator = Address::alphanumeric("fuzz").expect("four characters");
        let (mut count, mut arrived) = (0, None);
        let mut out = [0; 140];
        while let Some(fragment) = fragments.write_next(&mut out) {
            count += 1;
            let user_data = UserData {
                coding_scheme: CodingScheme(plan.dcs()),
                header_indicated: plan.header_octets() > 0,
                length: fragment.user_data_length,
                octets: &out[..usize::from(fragment.octets)],
            };
            assert_eq!(user_data.text().as_deref(), Some(&text[fragment.start..fragment.end]));
            if let Arrival::Complete(message) = reassembler.handle_part(originator, &user_data, 0) {
                arrived = message.text();
            }
        }
        assert_eq!(count, plan.segments());
        assert_eq!(arrived.as_deref(), Some(text));
    }
}

/// An address field decodes or errs and keeps its octets; an address that is parsed from text reads
/// back.
pub fn check_address(octets: &[u8]) {
    if let Ok(address) = Address::decode(octets) {
        assert_eq!(address.as_octets(), octets);
        assert!(address.digits().as_str().len() <= 20);
        let _ = address.text();
    }
    if let Ok(address) = Address::decode_service_centre(octets) {
        let _ = address.text();
    }
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Ok(address) = Address::parse(text) {
        assert_eq!(address.text(), text);
        assert_eq!(Address::decode(address.as_octets()), Ok(address));
    }
}

/// Any octets open as a journal segment without a panic, the same way twice; so do frames around
/// any bodies whose checksums are right. The first octet says which of the two: octets as they are,
/// or a list of frames, each a kind, a length in two octets, and the body.
pub fn check_segment(octets: &[u8]) {
    let [mode, rest @ ..] = octets else { return };
    let built;
    let segment = if mode & 1 == 0 {
        rest
    } else {
        let mut rest = rest;
        let frames = std::iter::from_fn(move || {
            let [kind, low, high, behind @ ..] = rest else { return None };
            let length = usize::from(u16::from_le_bytes([*low, *high])).min(behind.len());
            let (body, next) = behind.split_at(length);
            rest = next;
            Some((*kind, body))
        });
        built = segment_of(frames);
        &built[..]
    };
    let mut last = 0;
    let mut look = |sequence: u64, record: &Record<'_>| {
        assert!(sequence >= last, "sequences ascend");
        last = sequence;
        let _ = (record.kind(), record.push_id(), record.key());
        if let Record::Accepted(accepted) = record {
            assert!((1..=23).contains(&accepted.reqid().len()));
            let _ = relay::submits(&accepted.submits).map(<[u8]>::len).sum::<usize>();
        }
    };
    let examined = examine(segment, &mut look);
    assert!(examined.tail >= 4096 && examined.tail <= segment.len().next_multiple_of(16).max(4096));
    assert_eq!(examine(segment, &mut |_, _| ()), examined);
}

/// Any octets are a warning or are refused, the same way twice; what is read of one is bounded, and
/// nobody is addressed by silence.
pub fn check_warning(octets: &[u8]) {
    let rules = WarningRules {
        profile: Profile::Ipaws,
        now: WallMs::new(1_803_862_800_000),
        segments_max: 3,
    };
    for profile in [Profile::Cap, Profile::Ipaws, Profile::CapCp] {
        let rules = WarningRules { profile, ..rules };
        let draft = check_xml(octets, &rules);
        assert_eq!(draft, check_xml(octets, &rules));
        check_draft(draft);
    }
    check_draft(check_lalert(octets, &rules));
}

fn check_draft(draft: Result<Draft, WarningRefusal>) {
    match draft {
        Ok(draft) => {
            assert!(draft.legs.len() <= 64 && draft.warnings.all().len() <= 100);
            for leg in &draft.legs {
                assert!(!leg.area.is_empty() || draft.act == WarningAct::AllClear);
                assert!(leg.variants.iter().all(|variant| variant.segments <= 10));
            }
            let is_sent = matches!(draft.act, WarningAct::NewChain | WarningAct::Update);
            let ends = draft.class.is_none() == draft.deadline.is_none();
            assert!(ends || !is_sent || draft.legs.is_empty(), "what has a class has an end");
        }
        Err(refusal) => assert!(!refusal.sentence.is_empty() && !refusal.element.is_empty()),
    }
}

/// Any octets are a recipients' file whose every line is accounted for, in one piece or in many.
pub fn check_list(octets: &[u8]) {
    let folder = std::env::temp_dir();
    let account = |pieces: usize| {
        let mut import =
            Import::new(ReaderOptions::default(), &folder).map_err(|e| e.to_string())?;
        for piece in octets.chunks(pieces.max(1)) {
            import.feed(piece).map_err(|error| error.to_string())?;
        }
        import.account().map_err(|error| error.to_string())
    };
    let whole = account(octets.len());
    assert_eq!(whole, account(1 + octets.len() / 3));
    if let Ok(account) = whole {
        assert!(account.adds_up(), "every line is accounted for: {account:?}");
    }
}

/// Any octets are a manifest or are refused; one that is read can be written and read again.
pub fn check_manifest(octets: &[u8]) {
    if let Ok(manifest) = Manifest::read(octets) {
        let written = simd_json::to_vec(&manifest).expect("what was read can be written");
        assert_eq!(Manifest::read(&written), Ok(manifest));
    }
    let mut reader = FeatureReader::new(FeatureNames::default());
    let _ = octets.split(|octet| *octet == b'\n').try_for_each(|line| reader.take(line));
}
