//! Handshakes, records in pieces, and what breaks a connection.

use super::*;
use crate::io::tls::TlsFiles;
use rcgen::generate_simple_self_signed;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{Read as _, Write as _};
use std::sync::Arc;

/// A side that accepts, and a client that trusts it.
fn pair() -> (Tls, ClientConnection) {
    pair_where(false)
}

/// The same; the client may have to show a certificate, and has none.
fn pair_where(clients_are_certified: bool) -> (Tls, ClientConnection) {
    let made = generate_simple_self_signed(["gateway".to_owned()]).expect("a certificate");
    let place = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = place.path().join(name);
        std::fs::write(&path, text).expect("a writable directory");
        path
    };
    let files = TlsFiles {
        certificate: write("cert.pem", &made.cert.pem()),
        key: write("key.pem", &made.signing_key.serialize_pem()),
        client_ca: clients_are_certified.then(|| place.path().join("cert.pem")),
    };
    let acceptance = Acceptance::read(&files, None).expect("good files");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(made.cert.der().to_vec())).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("gateway").expect("a name");
    (Tls::accepting(acceptance), ClientConnection::new(Arc::new(config), name).expect("a client"))
}

/// What the client has to send.
fn said(client: &mut ClientConnection) -> Vec<u8> {
    let mut octets = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut octets).expect("a vector takes all");
    }
    octets
}

/// Hands the client what the other side has sealed; what it reads of it.
fn heard(client: &mut ClientConnection, tls: &mut Tls) -> Vec<u8> {
    let sealed = std::mem::take(tls.sealed());
    let (mut rest, mut plain) = (&sealed[..], Vec::new());
    while !rest.is_empty() {
        client.read_tls(&mut rest).expect("a slice");
        client.process_new_packets().expect("good records");
        let mut buffer = [0; 1 << 16];
        while let Ok(octets @ 1..) = client.reader().read(&mut buffer) {
            plain.extend_from_slice(&buffer[..octets]);
        }
    }
    plain
}

/// Takes octets in pieces of that length, a step of the handshake whenever one is due.
fn take(tls: &mut Tls, octets: &[u8], piece: usize, plain: &mut Vec<u8>) -> Opened {
    let mut opened = Opened::Goes;
    for octets in octets.chunks(piece) {
        tls.put(octets);
        if !tls.is_shaking() || tls.step_is_due() {
            opened = tls.open(plain);
        }
    }
    opened
}

/// Shakes hands, in pieces of that length.
fn shake_hands(tls: &mut Tls, client: &mut ClientConnection, piece: usize) {
    let mut plain = Vec::new();
    assert_eq!(take(tls, &said(client), piece, &mut plain), Opened::Goes);
    assert!(heard(client, tls).is_empty() && tls.is_shaking());
    assert_eq!(take(tls, &said(client), piece, &mut plain), Opened::Goes);
    assert!(!tls.is_shaking() && !client.is_handshaking() && plain.is_empty());
}

#[test]
fn what_comes_in_pieces_of_any_length_is_what_was_said() {
    for piece in [1, 2, 3, 4, 5, 6, 7, 100, 1_000, 1 << 20] {
        let (mut tls, mut client) = pair();
        shake_hands(&mut tls, &mut client, piece);
        let mut plain = Vec::new();
        for word in [&b"one"[..], b"", b"another", &[7; 40_000]] {
            client.writer().write_all(word).expect("room");
        }
        assert_eq!(take(&mut tls, &said(&mut client), piece, &mut plain), Opened::Goes);
        assert_eq!(plain, [&b"oneanother"[..], &[7; 40_000]].concat(), "pieces of {piece}");
        assert!(tls.records.is_empty());
    }
}

#[test]
fn a_hello_in_many_records_is_put_together() {
    for piece in [1, 3, 50] {
        let (mut tls, mut client) = pair();
        let hello = said(&mut client);
        let mut steps = 0;
        for octets in hello[RECORD_HEAD_OCTETS..].chunks(piece) {
            let head = [&hello[..3], &(octets.len() as u16).to_be_bytes()].concat();
            for octets in [&head, octets] {
                tls.put(octets);
                steps += usize::from(tls.step_is_due());
                if tls.step_is_due() {
                    assert_eq!(tls.open(&mut Vec::new()), Opened::Goes);
                }
                assert!(!tls.step_is_due(), "nothing new has come");
            }
        }
        assert!(steps >= hello.len() / piece, "{steps} steps");
        heard(&mut client, &mut tls);
        assert_eq!(take(&mut tls, &said(&mut client), 7, &mut Vec::new()), Opened::Goes);
        assert!(!tls.is_shaking() && !client.is_handshaking());
    }
}

#[test]
fn a_record_that_is_cut_anywhere_waits_for_its_rest() {
    let (mut tls, mut client) = pair();
    shake_hands(&mut tls, &mut client, 1 << 20);
    let record = |client: &mut ClientConnection| {
        client.writer().write_all(b"a word").expect("room");
        said(client)
    };
    let mut plain = Vec::new();
    let length = record(&mut client).len();
    // The first one was not sent: another number of the sequence would not be opened.
    let (mut tls, mut client) = pair();
    shake_hands(&mut tls, &mut client, 1 << 20);
    for at in 1..length {
        let octets = record(&mut client);
        tls.put(&octets[..at]);
        assert_eq!(tls.open(&mut plain), Opened::Goes);
        assert!(plain.is_empty(), "cut at {at}");
        tls.put(&octets[at..]);
        assert_eq!(tls.open(&mut plain), Opened::Goes);
        assert_eq!(std::mem::take(&mut plain), b"a word", "cut at {at}");
    }
}

#[test]
fn an_answer_of_any_length_is_sealed_piece_by_piece_and_read_whole() {
    let (mut tls, mut client) = pair();
    shake_hands(&mut tls, &mut client, 1 << 20);
    let answer: Vec<u8> = (0..300_000u32).map(|number| number as u8).collect();
    let (mut output, mut read, mut pieces) = (answer.clone(), Vec::new(), 0);
    while !output.is_empty() {
        let before = output.len();
        tls.seal(&mut output, &mut Vec::new());
        assert!(before - output.len() <= SEAL_OCTETS_MAX);
        pieces += 1;
        read.extend(heard(&mut client, &mut tls));
    }
    assert_eq!((read == answer, pieces), (true, 5));
    assert!(tls.held() < 3 * SEAL_OCTETS_MAX, "{}", tls.held());
    tls.shrink();
    assert_eq!(tls.held(), TLS_STATE_OCTETS);
}

#[test]
fn nothing_is_said_before_the_handshake_is_over() {
    let (mut tls, mut client) = pair();
    let mut output = b"too early".to_vec();
    tls.seal(&mut output, &mut Vec::new());
    assert!(tls.sealed().is_empty() && output == b"too early");
    shake_hands(&mut tls, &mut client, 1 << 20);
    tls.seal(&mut output, &mut Vec::new());
    assert_eq!(heard(&mut client, &mut tls), b"too early");
}

#[test]
fn a_goodbye_is_said_and_heard_and_what_was_said_before_it_counts() {
    let (mut tls, mut client) = pair();
    shake_hands(&mut tls, &mut client, 1 << 20);
    client.writer().write_all(b"the last word").expect("room");
    client.send_close_notify();
    let mut plain = Vec::new();
    assert!(!tls.is_closed_by_peer());
    assert_eq!(take(&mut tls, &said(&mut client), 1 << 20, &mut plain), Opened::Ended);
    assert!(tls.is_closed_by_peer() && plain == b"the last word");
    tls.seal(&mut b"an answer".to_vec(), &mut plain);
    tls.say_goodbye(&mut plain);
    assert_eq!(heard(&mut client, &mut tls), b"an answer");
    let state = client.process_new_packets().expect("good records");
    assert!(state.peer_has_closed());
}

#[test]
fn plain_http_and_noise_are_refused_in_words_that_the_client_understands() {
    let (mut tls, _) = pair();
    tls.put(b"POST /smsgw/ HTTP/1.1");
    assert!(tls.step_is_due());
    assert_eq!(tls.open(&mut Vec::new()), Opened::Broken);
    let said = String::from_utf8(tls.sealed().clone()).expect("text");
    let (head, body) = said.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 400 ") && body.contains("https://"), "{said}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{said}");
    let (mut tls, _) = pair();
    tls.put(&[22, 3, 1, 0, 4, 1, 0, 0, 0]);
    assert_eq!(tls.open(&mut Vec::new()), Opened::Broken);
    assert_eq!(tls.sealed()[0], 21, "an alert");
    assert!(!tls.step_is_due() && tls.open(&mut Vec::new()) == Opened::Broken);
}

/// Seeded noise: whatever a peer sends, it breaks its own connection and nothing else. A panic
/// here would end the engine.
#[test]
fn records_that_are_changed_cut_doubled_or_made_up_break_nothing_but_the_connection() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below.max(1)
    };
    let mut broken = 0;
    for round in 0..600 {
        let (mut tls, mut client) = pair_where(round % 3 == 0);
        for flight in 0..4 {
            if flight >= 2 && !client.is_handshaking() {
                let _ = client.writer().write_all(&vec![7; random(20_000)]);
            }
            let mut octets = said(&mut client);
            match random(6) {
                0 => octets.truncate(random(octets.len())),
                1 => {
                    let from = random(octets.len());
                    octets.extend_from_within(from..);
                }
                2 if !octets.is_empty() => {
                    let at = random(octets.len());
                    octets[at] ^= 1 << random(8);
                }
                3 => {
                    let made_up: Vec<u8> = (0..random(300)).map(|_| random(256) as u8).collect();
                    let at = random(octets.len());
                    let kind = [20 + random(4) as u8, 3, 3, 0, random(256) as u8];
                    octets.splice(at..at, [&kind[..], &made_up].concat());
                }
                _ => {}
            }
            let piece = 1 + random(octets.len() + 1);
            take(&mut tls, &octets, piece, &mut Vec::new());
            tls.seal(&mut b"an answer".to_vec(), &mut Vec::new());
            let sealed = std::mem::take(tls.sealed());
            let _ = client.read_tls(&mut &sealed[..]).and_then(|_| {
                client.process_new_packets().map(drop).map_err(std::io::Error::other)
            });
        }
        tls.say_goodbye(&mut Vec::new());
        broken += usize::from(tls.failure().is_some());
    }
    assert!((100..600).contains(&broken), "{broken} of 600");
}

#[test]
fn a_client_that_shows_no_certificate_is_told_so() {
    let (mut tls, mut client) = pair_where(true);
    tls.put(&said(&mut client));
    assert_eq!(tls.open(&mut Vec::new()), Opened::Goes);
    assert!(heard(&mut client, &mut tls).is_empty() && !client.is_handshaking());
    tls.put(&said(&mut client));
    assert_eq!(tls.open(&mut Vec::new()), Opened::Broken);
    let sealed = std::mem::take(tls.sealed());
    client.read_tls(&mut &sealed[..]).expect("a slice");
    let told = client.process_new_packets().expect_err("an alert");
    assert!(told.to_string().contains("CertificateRequired"), "{told}");
}

/// Each new key costs as much as a dozen requests, and holds nothing.
#[test]
fn records_with_nothing_in_them_break_the_connection_and_honest_ones_never_do() {
    let (mut tls, mut client) = pair();
    shake_hands(&mut tls, &mut client, 1 << 20);
    let mut plain = Vec::new();
    // A letter a record, and a new key every now and then.
    for number in 0..5_000u32 {
        client.writer().write_all(b"x").expect("room");
        if number % 50 == 0 {
            client.refresh_traffic_keys().expect("a key");
        }
        let octets = said(&mut client);
        assert_eq!(take(&mut tls, &octets, 1 << 20, &mut plain), Opened::Goes, "{number}");
        tls.seal(&mut b"x".to_vec(), &mut plain);
        heard(&mut client, &mut tls);
    }
    let mut opened = Opened::Goes;
    let mut keys = 0;
    while opened == Opened::Goes && keys < 10_000 {
        if keys % 30 == 0 {
            client.writer().write_all(b"x").expect("room");
        }
        client.refresh_traffic_keys().expect("a key");
        keys += 1;
        opened = take(&mut tls, &said(&mut client), 1 << 20, &mut plain);
        tls.seal(&mut b"x".to_vec(), &mut plain);
        tls.sealed().clear();
    }
    assert_eq!((opened, tls.failure()), (Opened::Broken, Some(&Failure::Hollow)));
    assert!(keys < 1_000, "{keys} keys");
}

#[test]
fn a_changed_record_is_refused() {
    let (mut tls, mut client) = pair();
    shake_hands(&mut tls, &mut client, 1 << 20);
    client.writer().write_all(b"a word").expect("room");
    let mut octets = said(&mut client);
    *octets.last_mut().expect("an octet") ^= 1;
    let mut plain = Vec::new();
    assert_eq!(take(&mut tls, &octets, 1 << 20, &mut plain), Opened::Broken);
    assert!(plain.is_empty() && tls.sealed()[0] == 23, "a sealed alert");
}
