//! PDUs of our own making, cut at every octet and with every octet changed; and what real peers
//! send otherwise.

use super::samples::{self, NUMBER, SENDER, submit, written};
use crate::smpp::address::Address;
use crate::smpp::coding::EsmClass;
use crate::smpp::command::Command;
use crate::smpp::error::{Fault, Field};
use crate::smpp::frame::{Foreign, Header, first_pdu};
use crate::smpp::oddities::Oddities;
use crate::smpp::pdu::{Body, Message, Pdu, decode, decode_leniently, encode};
use crate::smpp::status::Status;
use crate::smpp::tlv::{Tag, TlvWriter};

/// Every value of a body that borrows, so that a slice beyond the PDU would be seen.
fn touch(body: &Body<'_>) -> usize {
    let mut out = [0; 20_000];
    // What was read can be written, but for a text of 255 octets and more that no field of ours
    // holds.
    let command = match body {
        Body::Bind(bind) => bind.kind.request(),
        Body::BindResp(_) => Command::BIND_TRANSCEIVER_RESP,
        Body::Message(_) => Command::SUBMIT_SM,
        Body::Data(_) => Command::DATA_SM,
        Body::MessageResp(_) => Command::SUBMIT_SM_RESP,
        Body::Query(_) => Command::QUERY_SM,
        Body::QueryResp(_) => Command::QUERY_SM_RESP,
        Body::Cancel(_) => Command::CANCEL_SM,
        Body::Replace(_) => Command::REPLACE_SM,
        Body::Alert(_) => Command::ALERT_NOTIFICATION,
        Body::Multi(_) => Command::SUBMIT_MULTI,
        Body::MultiResp(_) => Command::SUBMIT_MULTI_RESP,
        Body::Empty | Body::Other(_) => Command::ENQUIRE_LINK,
    };
    encode(&mut out, command, Status::OK, 1, body, true).expect("what was read can be written")
}

/// The PDU with its length made to fit.
fn with_length(mut pdu: Vec<u8>) -> Vec<u8> {
    let length = pdu.len() as u32;
    pdu[..4].copy_from_slice(&length.to_be_bytes());
    pdu
}

#[test]
fn every_sample_is_read_back_as_it_was_written() {
    let mut seen = 0;
    samples::for_each(|command, status, sequence, body| {
        let octets = written(command, status, sequence, body);
        let pdu = decode(&octets).expect("it is a PDU");
        let length = octets.len() as u32;
        let status = Status(status);
        assert_eq!(pdu.header, Header { length, command, status, sequence });
        assert_eq!(pdu.body, *body, "{command}");
        assert_eq!(pdu.oddities, Oddities::NONE, "{command}");
        seen += 1;
    });
    assert_eq!(seen, 27);
}

#[test]
fn a_pdu_cut_anywhere_is_an_error_or_less_of_the_same_and_never_more() {
    samples::for_each(|command, status, sequence, body| {
        let octets = written(command, status, sequence, body);
        for cut in 0..octets.len() {
            // Of a stream: the rest is still to come.
            assert_eq!(first_pdu(&octets[..cut]), Ok(None), "{command} cut at {cut}");
            assert_eq!(decode(&octets[..cut]).map(|_| ()).expect_err("cut").field, Field::Header);
            if cut < 16 {
                continue;
            }
            // A whole PDU that ends early.
            let shorter = with_length(octets[..cut].to_vec());
            match decode(&shorter) {
                Ok(pdu) => {
                    assert!(
                        touch(&pdu.body) <= cut + 1,
                        "{command} cut at {cut} holds more than there is"
                    );
                    let told = !pdu.oddities.is_empty() || command.is_response();
                    let whole =
                        matches!(pdu.body, Body::Other(_)) || ends_between_tlvs(&octets, cut);
                    assert!(told || whole, "{command} cut at {cut} is told of");
                }
                Err(error) => {
                    assert!(usize::from(error.offset) <= cut, "{error}");
                    assert_ne!(error.status(), Status::OK);
                    assert!(!command.is_response(), "an answer is never refused: {error}");
                }
            }
        }
    });
}

/// Whether the octets behind `cut` are whole TLVs.
fn ends_between_tlvs(octets: &[u8], cut: usize) -> bool {
    let mut rest = &octets[cut..];
    while let Some((header, behind)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let Some((_, behind)) = behind.split_at_checked(length) else { return false };
        rest = behind;
    }
    rest.is_empty()
}

#[test]
fn a_pdu_with_any_octet_changed_never_panics_nor_reads_beyond_its_end() {
    samples::for_each(|command, status, sequence, body| {
        let octets = written(command, status, sequence, body);
        // What follows is another PDU, which must stay what it is.
        let next = written(Command::ENQUIRE_LINK, 0, 99, &Body::Empty);
        for at in 4..octets.len() {
            for value in
                [0, 1, 0x20, 0x7F, 0x80, 0xFE, 0xFF, octets[at] ^ 1, octets[at].wrapping_add(1)]
            {
                let mut stream = octets.clone();
                stream[at] = value;
                stream.extend(&next);
                let pdu = first_pdu(&stream).expect("framed well").expect("whole");
                assert_eq!(pdu.len(), octets.len(), "framing is by the length alone");
                if let Ok(Pdu { body, .. }) = decode_leniently(pdu) {
                    // An unterminated last text is written with its NUL.
                    assert!(touch(&body) <= pdu.len() + 1, "{command} octet {at}");
                }
                assert_eq!(first_pdu(&stream[pdu.len()..]), Ok(Some(&next[..])));
            }
        }
    });
}

#[test]
fn a_length_that_no_pdu_has_is_told_at_its_fourth_octet() {
    for (first, foreign) in [
        (&b"GET / HTTP/1.1\r\n"[..], Some(Foreign::Http)),
        (b"POST", Some(Foreign::Http)),
        (b"HTTP/1.1 400 Bad", Some(Foreign::Http)),
        (&[0x16, 0x03, 0x01, 0x02], Some(Foreign::Tls)),
        (&[0, 0, 0, 15], None),
        (&[0, 0, 0x40, 0x01], None),
        (&[0xFF; 4], None),
    ] {
        let error = first_pdu(first).expect_err("no PDU");
        assert_eq!(error.foreign, foreign);
        assert_eq!(first_pdu(&first[..3]), Ok(None), "three octets say nothing");
    }
    let mut header = [0; 16];
    header[3] = 15;
    header[15] = 9;
    assert_eq!(first_pdu(&header).expect_err("no PDU").sequence, 9);
    assert_eq!(first_pdu(&header[..15]).expect_err("no PDU").sequence, 0);
    assert_eq!(first_pdu(&[0, 0, 0x40, 0]), Ok(None), "16 KiB may come");
}

#[test]
fn a_bad_field_is_answered_with_the_status_that_names_it() {
    let message = submit();
    let octets = written(Command::SUBMIT_SM, 0, 1, &Body::Message(message));
    let text_at = octets.len() - message.short_message.len();
    let mut beyond = octets.clone();
    beyond[text_at - 1] += 1;
    let error = decode(&beyond).expect_err("beyond the end");
    assert_eq!(
        (error.field, error.status()),
        (Field::ShortMessage, Status::INVALID_MESSAGE_LENGTH)
    );
    let fault = Fault::Beyond { announced: 13, available: 12 };
    assert_eq!((error.fault, usize::from(error.offset)), (fault, text_at));

    let long = [b'1'; 21];
    let mut unended = octets[..16].to_vec();
    unended.extend([0, 1, 1]);
    unended.extend(long);
    unended.extend(&octets[20..]);
    let error = decode(&with_length(unended)).expect_err("21 octets without a NUL");
    assert_eq!((error.field, error.status()), (Field::Source, Status::INVALID_FIELD_LENGTH));
    assert_eq!(error.fault, Fault::Unterminated { max: 21 });

    let mut overlong = octets.clone();
    overlong.extend([0x04, 0x27, 0, 2, 2]);
    let error = decode(&with_length(overlong.clone())).expect_err("a TLV beyond the end");
    assert_eq!((error.field, error.status()), (Field::OptionalPart, Status::INVALID_TLV_STREAM));
    let overlong = with_length(overlong);
    let pdu = decode_leniently(&overlong).expect("the message is there");
    assert_eq!((pdu.body, pdu.fault), (Body::Message(message), Some(error)));

    let mut space = [0; 16];
    let mut tlvs = TlvWriter::new(&mut space);
    tlvs.octets(Tag::MESSAGE_PAYLOAD, b"twice");
    let both = Message { tlvs: tlvs.finish().expect("room"), ..message };
    let error = both.content().expect_err("two messages");
    assert_eq!(error.status(), Status::INVALID_MESSAGE_LENGTH);
}

#[test]
fn what_cannot_be_written_is_refused() {
    let mut out = [0; 400];
    let mut refused = |message: Message<'_>| {
        let body = Body::Message(message);
        encode(&mut out, Command::SUBMIT_SM, Status::OK, 1, &body, true).expect_err("refused").field
    };
    let digits = [b'1'; 21];
    let source = Address { digits: &digits, ..NUMBER };
    assert_eq!(refused(Message { source, ..submit() }), Field::Source);
    assert_eq!(refused(Message { service_type: b"A\0B", ..submit() }), Field::ServiceType);
    assert_eq!(refused(Message { short_message: &[1; 256], ..submit() }), Field::ShortMessage);
    let whole = written(Command::SUBMIT_SM, 0, 1, &Body::Message(submit()));
    for room in 0..whole.len() {
        let mut out = vec![0; room];
        let body = Body::Message(submit());
        let error =
            encode(&mut out, Command::SUBMIT_SM, Status::OK, 1, &body, true).expect_err("no room");
        assert_eq!(error.fault, Fault::NoRoom, "{room}");
    }
    let mut space = [0; 4];
    let mut tlvs = TlvWriter::new(&mut space);
    tlvs.octet(Tag::MESSAGE_STATE, 1);
    assert!(tlvs.finish().is_err());
}

/// Each of these comes from a real peer and costs nobody a message.
#[test]
fn what_peers_do_otherwise_is_read_around_and_told() {
    let oddities = |octets: &[u8]| {
        let pdu = decode(octets).expect("read around");
        pdu.oddities.with(pdu.body.oddities())
    };
    let submit_octets = written(Command::SUBMIT_SM, 0, 1, &Body::Message(submit()));
    let surplus = with_length([&submit_octets[..], &[0]].concat());
    assert_eq!(oddities(&surplus), Oddities::SURPLUS_OCTET);
    let short = Message { validity_period: b"261122133430", ..submit() };
    assert_eq!(
        oddities(&written(Command::SUBMIT_SM, 0, 1, &Body::Message(short))),
        Oddities::TIME_LENGTH
    );
    let latin = Address { digits: b"Caf\xe9", ..SENDER };
    let latin = Message { source: latin, ..submit() };
    assert_eq!(
        oddities(&written(Command::SUBMIT_SM, 0, 1, &Body::Message(latin))),
        Oddities::ADDRESS_OCTETS
    );
    let mut space = [0; 64];
    let mut tlvs = TlvWriter::new(&mut space);
    tlvs.short(Tag::MESSAGE_STATE, 2).octets(Tag::RECEIPTED_MESSAGE_ID, b"no NUL");
    let odd = Message { tlvs: tlvs.finish().expect("room"), ..submit() };
    assert_eq!(
        oddities(&written(Command::SUBMIT_SM, 0, 1, &Body::Message(odd))),
        Oddities::TLV_LENGTH
    );
    let enquire =
        with_length([&written(Command::ENQUIRE_LINK_RESP, 0, 1, &Body::Empty)[..], b"x"].concat());
    assert_eq!(oddities(&enquire), Oddities::SURPLUS_OCTET);
    let bodyless = written(Command::SUBMIT_SM_RESP, 0, 1, &Body::Empty);
    assert_eq!(oddities(&bodyless), Oddities::MISSING_BODY);
    assert_eq!(decode(&bodyless).expect("read").body.message_id(), None);
    let unended = with_length([&bodyless[..], b"4711"].concat());
    assert_eq!(oddities(&unended), Oddities::UNTERMINATED);
    assert_eq!(decode(&unended).expect("read").body.message_id(), Some(&b"4711"[..]));
    let unreadable = with_length([&bodyless[..], &[b'7'; 70]].concat());
    assert_eq!(oddities(&unreadable), Oddities::UNREADABLE_BODY);
    let zero = written(Command::ENQUIRE_LINK, 0, 0, &Body::Empty);
    assert_eq!(oddities(&zero), Oddities::SEQUENCE);
    // An error's body never matters.
    let mut error = unreadable;
    error[11] = 0x58;
    let pdu = decode(&error).expect("read");
    assert_eq!((pdu.body, pdu.oddities), (Body::Empty, Oddities::NONE));
}

#[test]
fn tlvs_are_left_out_for_peers_that_do_not_know_them() {
    samples::for_each(|command, _, _, body| {
        if matches!(body, Body::Data(_)) {
            return;
        }
        let mut out = [0; 1024];
        let octets =
            encode(&mut out, command, Status::OK, 1, body, false).expect("it can be written");
        let Pdu { body, .. } = decode_leniently(&out[..octets]).expect("a PDU");
        let tlvs = match body {
            Body::BindResp(answer) => answer.tlvs,
            Body::Message(message) => message.tlvs,
            Body::MessageResp(answer) => answer.tlvs,
            Body::Replace(replace) => replace.tlvs,
            Body::Alert(alert) => alert.tlvs,
            _ => return,
        };
        assert!(tlvs.is_empty(), "{command}");
    });
}

#[test]
fn nothing_that_is_printed_for_a_log_shows_a_password_a_number_or_a_text() {
    samples::for_each(|command, _, _, body| {
        let shown = format!("{body:?}");
        for secret in ["secret", "819012345678", "hello", "115, 101, 99"] {
            assert!(!shown.contains(secret), "{command}: {shown}");
        }
    });
    assert_eq!(format!("{:?}", EsmClass(4)), "04");
    assert_eq!(format!("{NUMBER:?}"), "1/1 of 12 octets");
}

#[test]
fn a_message_that_cannot_be_written_names_its_field_whatever_room_there_is() {
    let address = |digits| Address { ton: 1, npi: 1, digits };
    let good = Message {
        source: address(b"Hayauma"),
        destination: address(b"819012345678"),
        validity_period: b"261122133430000+",
        short_message: b"text",
        ..Message::default()
    };
    let cases = [
        (Field::ServiceType, 16, Message { service_type: b"A\0", ..good }),
        (Field::ServiceType, 16, Message { service_type: b"ABCDEF", ..good }),
        (Field::Source, 19, Message { source: address(b"1234\x005678"), ..good }),
        (Field::Source, 19, Message { source: address(&[b'1'; 21]), ..good }),
        (
            Field::Destination,
            29,
            Message { destination: address(b"12345678901234567\x0090"), ..good },
        ),
        (Field::ScheduleDeliveryTime, 45, Message { schedule_delivery_time: &[b'0'; 17], ..good }),
        (Field::ValidityPeriod, 46, Message { validity_period: b"0\0", ..good }),
    ];
    for (field, offset, message) in cases {
        for room in [100, 1_000] {
            let mut out = vec![0; room];
            let body = Body::Message(message);
            let error = encode(&mut out, Command::SUBMIT_SM, Status::OK, 1, &body, true)
                .expect_err("no field may be so");
            assert_eq!((error.field, error.offset), (field, offset), "{error} of {room}");
        }
    }
    for room in 0..100 {
        let mut out = vec![0; room];
        let body = Body::Message(good);
        let fits = encode(&mut out, Command::SUBMIT_SM, Status::OK, 1, &body, true).is_ok();
        assert_eq!(fits, room >= 72, "{room}");
    }
}
