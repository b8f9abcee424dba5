//! Neither the codec nor a session allocates once it is made: counted, not believed.

use crate::counting::allocations_of;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use wire::smpp::command::Command;
use wire::smpp::dial::Dialler;
use wire::smpp::id::{IdForm, IdForms, OwnId};
use wire::smpp::pace::CarrierPace;
use wire::smpp::pdu::{Bind, BindKind, Body, Message, MessageResp, decode, encode};
use wire::smpp::receipt::{MessageState, Receipt, ReceiptText};
use wire::smpp::session::{Config, Event, Session};
use wire::smpp::status::Status;

use crate::recipe::recipe;

#[test]
fn reading_and_writing_any_pdu_allocates_nothing() {
    let mut runner = TestRunner::deterministic();
    let strategy = recipe();
    let mut receipts = 0;
    for _ in 0..500 {
        let recipe = strategy.new_tree(&mut runner).expect("the strategy rejects little").current();
        let octets = recipe.octets();
        let counted = allocations_of(|| {
            let pdu = decode(&octets).expect("a PDU of ours");
            if let Body::Message(message) = pdu.body {
                receipts += u32::from(Receipt::of_message(&message).is_some());
            }
            let header = pdu.header;
            let mut out = [0; 1024];
            let written =
                encode(&mut out, header.command, header.status, header.sequence, &pdu.body, true);
            assert_eq!(written, Ok(octets.len()));
            assert_eq!(out[..octets.len()], octets[..]);
            // What is cut short is an error, which is as cheap.
            let _ = decode(&octets[..octets.len() - 1]);
        });
        assert_eq!(counted, 0, "{recipe:?}");
    }
    assert!(receipts > 50, "{receipts} of them are receipts");
    let counted = allocations_of(|| {
        let forms = IdForms { response: IdForm::Hex, receipt: IdForm::Decimal };
        assert!(forms.of_response(b"B8BE19") == forms.of_receipt(b"12107289"));
        let id = OwnId::new(7);
        let text = ReceiptText {
            id: id.digits(),
            submitted: 1,
            delivered: 1,
            submit_ms: 0,
            done_ms: 0,
            zone_minutes: 540,
            state: MessageState::Delivered,
            error: *b"000",
            text: b"",
        };
        text.write(&mut [0; 200])
    });
    assert_eq!(counted, 0);
}

#[test]
fn a_session_allocates_its_window_and_nothing_more() {
    let mut client = Session::new(Config::carrier(), 0);
    let mut server = Session::new(Config::customer(), 0);
    let mut out = [0; 4096];
    let mut pace = CarrierPace::new(100, 0);
    let counted = allocations_of(|| {
        let bind = Bind {
            kind: BindKind::Transceiver,
            system_id: b"esme",
            password: b"secret",
            system_type: b"",
            interface_version: 0x34,
            addr_ton: 0,
            addr_npi: 0,
            address_range: b"",
        };
        let octets = client.bind(&mut out, &bind, 0).expect("open");
        server.handle_octets(&out[..octets], 0);
        let octets = server.answer_bind(&mut out, Status::OK, b"smsc", 0).expect("room");
        client.handle_octets(&out[..octets], 0);
        let message = Body::Message(Message { short_message: b"hello", ..Message::default() });
        for now_ms in 0..10_000 {
            let octets = client.request(&mut out, Command::SUBMIT_SM, &message, now_ms, now_ms);
            let taken = server.handle_octets(&out[..octets.expect("room")], now_ms);
            let Some(Event::Request { request, .. }) = taken.event else { panic!("{taken:?}") };
            let answer =
                Body::MessageResp(MessageResp { message_id: b"4711", ..MessageResp::default() });
            let octets =
                server.answer(&mut out, request, Status::OK, &answer, now_ms).expect("room");
            let taken = client.handle_octets(&out[..octets], now_ms);
            assert!(matches!(taken.event, Some(Event::Answer { token, .. }) if token == now_ms));
        }
        client.handle_time(50_000);
        let octets = client.poll_output(&mut out);
        server.handle_octets(&out[..octets], 50_000);
        assert!(server.poll_output(&mut out) > 0 && server.poll_deadline().is_some());
        pace.take(5, 10);
        Dialler::new(2, 0).poll(0, 0)
    });
    assert_eq!(counted, 0);
}
