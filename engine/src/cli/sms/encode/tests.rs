//! What `hayauma sms encode` writes: by hand where that is short, else by what the codec reads
//! back.

use super::arguments::{AddressArguments, service_centre_of, time_of};
use super::command::CommandArguments;
use super::content::{ContentArguments, OptionalArguments};
use super::messages::{DeliverArguments, SubmitArguments};
use super::reports::{DeliverReportArguments, StatusReportArguments, SubmitReportArguments};
use super::validity::ValidityArguments;
use super::*;
use wire::sms::time::{EnhancedPeriod, TimeStamp};

fn submit(data: &str) -> SubmitArguments {
    SubmitArguments {
        content: ContentArguments {
            data: data.to_owned(),
            reference: 9,
            ..ContentArguments::default()
        },
        to: "09012345678".to_owned(),
        message_reference: 255,
        ..SubmitArguments::default()
    }
}

fn lines(arguments: SubmitArguments) -> Vec<String> {
    let text = run(&EncodeCommand::Submit(arguments), std::io::empty()).expect("encodes");
    text.lines().map(str::to_owned).collect()
}

const TIME: &str = "2026-11-22T13:34:30+09:00";

#[test]
fn every_segment_is_a_line() {
    let one = SubmitArguments {
        validity: ValidityArguments { validity: Some(59), ..ValidityArguments::default() },
        report: true,
        ..submit("hellohello")
    };
    assert_eq!(lines(one.clone()), ["31FF0B819010325476F800003B0AE8329BFD4697D9EC37"]);
    let two = SubmitArguments {
        content: ContentArguments { data: "x".repeat(161), ..one.content.clone() },
        ..one
    };
    let two = lines(two);
    assert_eq!(two.len(), 2);
    assert!(two[1].starts_with("71000B819010325476F800003B0F050003090202"), "{}", two[1]);
    let wide = ContentArguments { reference: 256, ..submit("x").content };
    let refused = EncodeCommand::Submit(SubmitArguments { content: wide, ..submit("x") });
    assert!(run(&refused, std::io::empty()).expect_err("refused").contains("--wide-reference"));
}

#[test]
fn every_form_of_validity_period_can_be_asked_for() {
    let with = |validity| lines(SubmitArguments { validity, ..submit("a") }).concat();
    let none = ValidityArguments::default();
    assert_eq!(with(none.clone()), "01FF0B819010325476F800000161");
    let until = ValidityArguments { validity_until: time_of(TIME).ok(), ..none.clone() };
    assert_eq!(with(until), "19FF0B819010325476F80000621122314303630161");
    let seconds =
        ValidityArguments { validity_for: Some(EnhancedPeriod::Seconds(90)), ..none.clone() };
    assert_eq!(with(seconds), "09FF0B819010325476F80000025A00000000000161");
    let hours = EnhancedPeriod::HoursMinutesSeconds(36, 0, 5);
    let hours = ValidityArguments { validity_for: Some(hours), single_shot: true, ..none.clone() };
    assert_eq!(with(hours), "09FF0B819010325476F80000436300500000000161");
    let relative = ValidityArguments { validity: Some(167), single_shot: true, ..none.clone() };
    assert_eq!(with(relative), "09FF0B819010325476F8000041A700000000000161");
    let once = ValidityArguments { single_shot: true, ..none };
    assert_eq!(with(once), "09FF0B819010325476F80000400000000000000161");
}

#[test]
fn flags_address_types_empty_texts_and_the_modems_prefix_are_written() {
    let flags = SubmitArguments {
        reject_duplicates: true,
        reply_path: true,
        report: true,
        to: "*100#".to_owned(),
        address: AddressArguments { address_type: Some(0xa1) },
        smsc: service_centre_of("+81190000001").ok(),
        ..submit("")
    };
    assert_eq!(lines(flags), ["07911891000000F1A5FF05A11A00FB000000"]);
    assert_eq!(service_centre_of("none").as_deref(), Ok("00"));
    assert!(service_centre_of("Hayauma").is_err());
    let wrong = SubmitArguments { to: "1".repeat(21), ..submit("a") };
    assert!(
        run(&EncodeCommand::Submit(wrong), std::io::empty()).expect_err("refused").contains("20")
    );
    // Nothing but an indication: DCS C8 and a header.
    let waiting =
        ContentArguments { dcs: Some(0xc8), udh: "0401028003".to_owned(), ..submit("").content };
    let waiting = SubmitArguments { content: waiting, ..submit("") };
    assert_eq!(lines(waiting), ["41FF0B819010325476F800C806040102800300"]);
}

#[test]
fn a_deliver_carries_what_it_is_told() {
    let deliver = DeliverArguments {
        content: ContentArguments {
            data: "-".to_owned(),
            pid: 0x41,
            ..ContentArguments::default()
        },
        from: "Hayauma".to_owned(),
        time: time_of(TIME).expect("a time"),
        report: true,
        more_messages: true,
        loop_prevention: true,
        reply_path: true,
        ..DeliverArguments::default()
    };
    let command = EncodeCommand::Deliver(deliver.clone());
    let text = run(&command, &b"hellohello\n"[..]).expect("encodes");
    assert_eq!(text, "A80DD0C8703E5C6F87014100621122314303630AE8329BFD4697D9EC37\n");
    let last = EncodeCommand::Deliver(DeliverArguments { more_messages: false, ..deliver });
    let text = run(&last, "x".repeat(161).as_bytes()).expect("encodes");
    let firsts: Vec<&str> = text.lines().map(|line| &line[..2]).collect();
    assert_eq!(firsts, ["E8", "EC"], "only the last segment has no more messages behind it");
}

#[test]
fn times_read_with_their_zone_or_are_refused() {
    assert_eq!(time_of(TIME), Ok(TimeStamp([0x62, 0x11, 0x22, 0x31, 0x43, 0x03, 0x63])));
    assert_eq!(time_of("2011-02-28T11:50:50-05:00").map(|stamp| stamp.0[6]), Ok(0x0a));
    assert_eq!(time_of("2011-02-28T11:50:50Z").map(|stamp| stamp.0[6]), Ok(0));
    for wrong in [
        "",
        "2026-11-22T13:34:30",
        "2026-11-22T13:34:30+09:07",
        "2026-11-22T13:34:30+9:00",
        "2026-11-22T13:34:30Z0",
        "2026-11-22T13:34:30+40:00",
        "2026-11-22T13:34:+1Z",
        "2026-13-22T13:34:30Z",
        "あ",
        "2026-11-22T13:34:30あ",
    ] {
        assert!(time_of(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn reports_and_commands_take_one_line() {
    let encode = |command| run(&command, std::io::empty());
    let report = DeliverReportArguments { cause: Some(0xd3), ..DeliverReportArguments::default() };
    assert_eq!(encode(EncodeCommand::DeliverReport(report)).as_deref(), Ok("00D300\n"));
    let optional = OptionalArguments {
        pid: Some(0x7f),
        dcs: Some(0xf6),
        octets: Some("027100".to_owned()),
        ..OptionalArguments::default()
    };
    let report = DeliverReportArguments { cause: None, optional };
    assert_eq!(encode(EncodeCommand::DeliverReport(report)).as_deref(), Ok("00077FF603027100\n"));
    let optional =
        OptionalArguments { text: Some("hi".to_owned()), ..OptionalArguments::default() };
    let report =
        SubmitReportArguments { time: time_of(TIME).expect("a time"), cause: Some(0xc5), optional };
    assert_eq!(
        encode(EncodeCommand::SubmitReport(report)).as_deref(),
        Ok("01C5046211223143036302E834\n")
    );
    let status = StatusReportArguments {
        message_reference: 7,
        recipient: "+6391".to_owned(),
        time: time_of(TIME).expect("a time"),
        discharge: time_of(TIME).expect("a time"),
        status: 0x46,
        answers_command: true,
        ..StatusReportArguments::default()
    };
    assert_eq!(
        encode(EncodeCommand::StatusReport(status)).as_deref(),
        Ok("260704913619621122314303636211223143036346\n")
    );
    let command = CommandArguments {
        message_reference: 0x42,
        command_type: 2,
        message_number: 0x34,
        to: "+6391".to_owned(),
        ..CommandArguments::default()
    };
    assert_eq!(encode(EncodeCommand::Command(command)).as_deref(), Ok("02420002340491361900\n"));
    let lone = OptionalArguments { udh: "0101".to_owned(), ..OptionalArguments::default() };
    let lone = DeliverReportArguments { cause: None, optional: lone };
    assert!(encode(EncodeCommand::DeliverReport(lone)).is_err());
}
