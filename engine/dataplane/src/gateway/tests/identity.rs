//! Codes 2001 to 2004, and the life of a snapshot.

use super::{NOW_MS, registration, xpid};
use crate::gateway::certificate::CertificateDigest;
use crate::gateway::registration::{Registration, RegistrationError};
use crate::gateway::registry::{Credential, Registry, identify, token_sha256};
use std::sync::Arc;
use wire::terms::code::Code;
use wire::terms::ids::Xpid;
use wire::terms::time::SteadyMs;
use wire::terms::time::WallMs;

fn with_token(number: u64, client: &str, token: &str) -> Registration {
    Registration {
        token_sha256: Some(token_sha256(token.as_bytes())),
        ..Registration::new(xpid(number), client)
    }
}

fn code_of(registry: &Registry, authorization: Option<&str>, xpid: Xpid, now_ms: u64) -> Code {
    let authorization = authorization.map(str::as_bytes);
    identify(registry, authorization, &mut Credential::new(), xpid, WallMs::new(now_ms))
        .err()
        .unwrap_or(Code::ACCEPTED)
}

#[test]
fn a_connection_is_known_from_a_request_on_that_a_registered_client_may_send() {
    let suspended = Registration { suspended: true, ..with_token(2, "fire", "f") };
    let registry = Registry::new(vec![with_token(1, "water", "w"), suspended]);
    let mut credential = Credential::new();
    let mut is_known = |authorization: Option<&str>, number| {
        let authorization = authorization.map(str::as_bytes);
        let now_ms = WallMs::new(NOW_MS);
        let _ = identify(&registry, authorization, &mut credential, xpid(number), now_ms);
        credential.is_known()
    };
    for (authorization, number) in
        [(None, 1), (Some("Bearer x"), 1), (Some("Bearer w"), 9), (Some("Bearer f"), 1)]
    {
        assert!(!is_known(authorization, number), "{authorization:?} for {number}");
    }
    assert!(is_known(Some("Bearer f"), 2), "its registration is not in force, and it is known");
    assert!(is_known(None, 9), "it stays so");
}

//= push right identity
#[test]
fn each_way_to_be_someone_else_has_its_code() {
    let suspended = Registration { suspended: true, ..with_token(4, "water", "w") };
    let term = Registration {
        valid_from_ms: WallMs::new(NOW_MS),
        valid_until_ms: WallMs::new(NOW_MS + 10),
        ..with_token(5, "water", "w5")
    };
    let registry = Registry::new(vec![
        with_token(1, "water", "w"),
        with_token(2, "fire", "f"),
        Registration::new(xpid(3), "open"),
        suspended,
        term,
    ]);
    assert_eq!(registry.refused(), []);
    for (authorization, number, code) in [
        (Some("Bearer w"), 1, Code::ACCEPTED),
        (Some("bearer  w "), 1, Code::ACCEPTED),
        (Some("Bearer w5"), 1, Code::ACCEPTED),
        (None, 1, Code::NOT_AUTHENTICATED),
        (Some("Bearer x"), 1, Code::NOT_AUTHENTICATED),
        (Some("Bearer"), 1, Code::NOT_AUTHENTICATED),
        (Some("Bearer w w"), 1, Code::NOT_AUTHENTICATED),
        (Some("Bearerw"), 1, Code::NOT_AUTHENTICATED),
        (Some("Basic dzp3"), 1, Code::NOT_AUTHENTICATED),
        (Some(""), 1, Code::NOT_AUTHENTICATED),
        (Some("Bearer x"), 9, Code::NOT_AUTHENTICATED),
        (Some("Bearer x"), 3, Code::NOT_AUTHENTICATED),
        (Some("Bearer w"), 9, Code::NOT_REGISTERED),
        (None, 9, Code::NOT_REGISTERED),
        (Some("Bearer f"), 1, Code::NOT_THIS_CLIENTS),
        (Some("Bearer w"), 3, Code::NOT_THIS_CLIENTS),
        (Some("Bearer f"), 4, Code::NOT_THIS_CLIENTS),
        (None, 3, Code::ACCEPTED),
        (Some("Bearer w"), 4, Code::SUSPENDED_CLIENT),
    ] {
        assert_eq!(
            code_of(&registry, authorization, xpid(number), NOW_MS),
            code,
            "{authorization:?} for {number}"
        );
    }
    for (now_ms, code) in [
        (NOW_MS - 1, Code::SUSPENDED_CLIENT),
        (NOW_MS, Code::ACCEPTED),
        (NOW_MS + 9, Code::ACCEPTED),
        (NOW_MS + 10, Code::SUSPENDED_CLIENT),
    ] {
        assert_eq!(code_of(&registry, Some("Bearer w"), xpid(5), now_ms), code);
    }
}

#[test]
fn a_credential_follows_its_header_and_its_snapshot() {
    let registry = Registry::new(vec![with_token(1, "water", "w"), with_token(2, "fire", "f")]);
    let mut credential = Credential::new();
    let mut code = |registry: &Registry, authorization: Option<&str>, number| {
        let authorization = authorization.map(str::as_bytes);
        identify(registry, authorization, &mut credential, xpid(number), WallMs::new(NOW_MS)).err()
    };
    for _ in 0..2 {
        assert_eq!(code(&registry, Some("Bearer w"), 1), None);
        assert_eq!(code(&registry, Some("Bearer w"), 2), Some(Code::NOT_THIS_CLIENTS));
    }
    assert_eq!(code(&registry, Some("Bearer f"), 2), None);
    assert_eq!(code(&registry, Some("Bearer x"), 2), Some(Code::NOT_AUTHENTICATED));
    assert_eq!(code(&registry, None, 2), Some(Code::NOT_AUTHENTICATED));
    assert_eq!(code(&registry, Some("Bearer f"), 2), None);
    // The token changes hands: what the connection proved is proof no more.
    let next = registry.succeed(vec![with_token(2, "fire", "g"), with_token(1, "water", "f")]);
    assert_eq!(code(&next, Some("Bearer f"), 2), Some(Code::NOT_THIS_CLIENTS));
    assert_eq!(code(&next, Some("Bearer f"), 1), None);
    let long = format!("Bearer {}", "x".repeat(2000));
    assert_eq!(code(&next, Some(&long), 1), Some(Code::NOT_AUTHENTICATED));
    assert_eq!(code(&next, Some("Bearer f"), 1), None);
}

#[test]
fn a_snapshot_finds_its_registrations_and_tokens() {
    let registrations: Vec<_> =
        (0..1000).map(|n| with_token(n * 7, &format!("c{n}"), &format!("t{n}"))).collect();
    let registry = Registry::new(registrations.clone());
    assert_eq!((registry.len(), registry.is_empty(), registry.refused()), (1000, false, &[][..]));
    for (position, registration) in registrations.iter().enumerate() {
        let found = registry.find(registration.xpid).expect("registered");
        assert_eq!((found.index as usize, &found.registration), (position, registration));
        assert_eq!(
            registry.client_of_token(format!("t{position}").as_bytes()),
            Some(registration.client.as_str())
        );
    }
    assert!(registry.find(xpid(1)).is_none() && registry.client_of_token(b"t1000").is_none());
    assert!(Registry::default().find(xpid(0)).is_none());
}

#[test]
fn a_bad_registration_is_left_out_and_named() {
    let bad = Registration { senders: vec!["no blank".into()], ..Registration::new(xpid(2), "b") };
    let registry = Registry::new(vec![
        with_token(1, "a", "t"),
        bad,
        with_token(3, "c", "t"),
        with_token(4, "a", "t"),
        Registration::new(xpid(1), "d"),
    ]);
    let refused = [
        (xpid(2), RegistrationError::Sender { sender: "no blank".into() }),
        (xpid(3), RegistrationError::TokenOfAnother { client: "a".into() }),
        (xpid(1), RegistrationError::XpidTwice),
    ];
    assert_eq!(registry.refused(), refused);
    assert_eq!(
        registry.iter().map(|one| one.registration.xpid.value()).collect::<Vec<_>>(),
        [1, 4]
    );
}

#[test]
fn a_clusters_node_lets_through_its_share_of_each_limit_and_something_of_every_one() {
    let limited = |number, rate_per_second, volume_per_day| Registration {
        rate_per_second,
        volume_per_day,
        ..Registration::new(xpid(number), "water")
    };
    let rows = Registration { broadcast_rate: 300, ..limited(1, 90, 100) };
    let registry = Registry::new(vec![rows, limited(2, 2, 2), limited(3, 0, 0)]);
    let (now, wall) = (SteadyMs::new(1_000_000), WallMs::new(1_795_354_470_000));
    let passed = |number, at: SteadyMs| {
        let meter = &registry.find(xpid(number)).expect("registered").meter;
        (0..1_000).filter(|_| meter.rate(at)).count()
    };
    registry.share_limits(16, 48);
    assert_eq!([passed(1, now), passed(2, now), passed(3, now)], [30, 1, 1_000]);
    let meter = &registry.find(xpid(1)).expect("registered").meter;
    let accepted = (0..200).take_while(|_| meter.has_volume(wall)).map(|_| meter.charge(wall));
    assert_eq!(accepted.count(), 34, "a third, rounded up");
    let of_broadcasts =
        |at: SteadyMs| -> u32 { (0..1_000).map(|ms| meter.take_rows(at + ms, 1_000)).sum() };
    let in_a_second = of_broadcasts(now + 60_000);
    assert!((100..=110).contains(&in_a_second), "{in_a_second} rows of broadcasts");
    // A node dies, and this one has half of all.
    registry.share_limits(24, 48);
    let later = now + 10_000;
    assert_eq!([passed(1, later), passed(2, later)], [45, 1]);
    // One that has nothing at the moment refuses what comes to it by itself, not by its limits.
    registry.share_limits(0, 48);
    assert_eq!(passed(1, later + 10_000), 1);
}

#[test]
fn a_meter_outlives_its_snapshot_and_takes_the_new_limits() {
    let limited = |rate| Registration { rate_per_second: rate, ..registration() };
    let first = Registry::new(vec![limited(2)]);
    let meter = Arc::clone(&first.iter().next().expect("one").meter);
    let now = SteadyMs::new(NOW_MS);
    assert!(meter.rate(now) && meter.rate(now) && !meter.rate(now));
    let next = first.succeed(vec![limited(2), Registration::new(xpid(7), "new")]);
    let carried = &next.find(registration().xpid).expect("still there").meter;
    assert!(Arc::ptr_eq(carried, &meter) && !carried.rate(now));
    let last = next.succeed(vec![limited(0)]);
    assert!(last.find(registration().xpid).expect("still there").meter.rate(now));
    assert!(last.find(xpid(7)).is_none());
}

#[test]
fn a_guarded_registration_takes_pushes_from_its_networks_alone() {
    let mut guarded = Registration::new(xpid(1), "city");
    guarded.networks =
        vec!["192.0.2.0/24".parse().expect("a network"), "::1/128".parse().expect("one")];
    let mut both = Registration::new(xpid(2), "town");
    both.networks.clone_from(&guarded.networks);
    both.token_sha256 = Some(token_sha256(b"token"));
    let registry = Registry::new(vec![guarded, both, Registration::new(xpid(3), "open")]);
    let code = |peer: Option<&str>, authorization: Option<&[u8]>, number| {
        let peer = peer.map(|peer| peer.parse().expect("an address"));
        let mut credential = Credential::of_peer(peer);
        let found =
            identify(&registry, authorization, &mut credential, xpid(number), WallMs::new(NOW_MS));
        found.err().unwrap_or(Code::ACCEPTED)
    };
    for inside in ["192.0.2.1", "192.0.2.255", "::1", "::ffff:192.0.2.9"] {
        assert_eq!(code(Some(inside), None, 1), Code::ACCEPTED, "{inside}");
        assert_eq!(code(Some(inside), None, 2), Code::NOT_AUTHENTICATED, "{inside}");
        assert_eq!(code(Some(inside), Some(b"Bearer token"), 2), Code::ACCEPTED, "{inside}");
    }
    for outside in [Some("192.0.3.1"), Some("::2"), None] {
        assert_eq!(code(outside, None, 1), Code::NOT_THIS_CLIENTS, "{outside:?}");
        let with_token = code(outside, Some(b"Bearer token"), 2);
        assert_eq!(with_token, Code::NOT_THIS_CLIENTS, "{outside:?}: a stolen token is not enough");
        assert_eq!(code(outside, None, 3), Code::ACCEPTED, "nobody asks where it comes from");
    }
}

#[test]
fn both_tokens_of_a_registration_prove_its_client() {
    let mut registration = Registration::new(xpid(1), "city");
    registration.token_sha256 = Some(token_sha256(b"old"));
    registration.second_token_sha256 = Some(token_sha256(b"new"));
    let registry = Registry::new(vec![registration]);
    for (token, expected) in [
        (&b"Bearer old"[..], Code::ACCEPTED),
        (b"Bearer new", Code::ACCEPTED),
        (b"Bearer x", Code::NOT_AUTHENTICATED),
    ] {
        let found =
            identify(&registry, Some(token), &mut Credential::new(), xpid(1), WallMs::new(NOW_MS));
        assert_eq!(found.err().unwrap_or(Code::ACCEPTED), expected);
    }
}

fn with_certificates(number: u64, client: &str, certificates: &[&str]) -> Registration {
    let certificates =
        certificates.iter().map(|octets| CertificateDigest::of(octets.as_bytes())).collect();
    Registration { certificates, ..Registration::new(xpid(number), client) }
}

/// What a push is answered on a connection that has this certificate.
fn code_by(
    registry: &Registry,
    certificate: Option<&str>,
    token: Option<&str>,
    number: u64,
) -> Code {
    let mut credential = Credential::new();
    credential.certify(certificate.map(|octets| CertificateDigest::of(octets.as_bytes())));
    let token = token.map(str::as_bytes);
    identify(registry, token, &mut credential, xpid(number), WallMs::new(NOW_MS))
        .err()
        .unwrap_or(Code::ACCEPTED)
}

//= push right identity
#[test]
fn a_registration_that_names_certificates_takes_pushes_with_one_of_them_alone() {
    let both = Registration {
        token_sha256: Some(token_sha256(b"w")),
        networks: vec!["192.0.2.0/24".parse().expect("a network")],
        ..with_certificates(4, "water", &["w1"])
    };
    let registry = Registry::new(vec![
        with_certificates(1, "water", &["w1", "w2"]),
        with_certificates(2, "fire", &["f1"]),
        Registration::new(xpid(3), "open"),
        both,
    ]);
    assert_eq!(registry.refused(), []);
    for (certificate, number, code) in [
        (Some("w1"), 1, Code::ACCEPTED),
        (Some("w2"), 1, Code::ACCEPTED),
        (Some("f1"), 2, Code::ACCEPTED),
        (None, 1, Code::NOT_AUTHENTICATED),
        (Some("unknown"), 1, Code::NOT_AUTHENTICATED),
        (Some("f1"), 1, Code::NOT_THIS_CLIENTS),
        (Some("w2"), 2, Code::NOT_THIS_CLIENTS),
        // Nothing is asked for there.
        (None, 3, Code::ACCEPTED),
        (Some("f1"), 3, Code::ACCEPTED),
        (Some("unknown"), 3, Code::ACCEPTED),
    ] {
        assert_eq!(code_by(&registry, certificate, None, number), code, "{certificate:?} {number}");
    }
    // All that is asked for has to be there.
    assert_eq!(code_by(&registry, Some("w1"), None, 4), Code::NOT_AUTHENTICATED);
    assert_eq!(code_by(&registry, None, Some("Bearer w"), 4), Code::NOT_AUTHENTICATED);
    assert_eq!(code_by(&registry, Some("w2"), Some("Bearer w"), 4), Code::NOT_THIS_CLIENTS);
    assert_eq!(code_by(&registry, Some("w1"), Some("Bearer w"), 4), Code::NOT_THIS_CLIENTS);
    let near = Credential::of_peer(Some([192, 0, 2, 7].into()));
    for (certificate, code) in [(Some("w1"), Code::ACCEPTED), (None, Code::NOT_AUTHENTICATED)] {
        let mut credential = near.clone();
        credential
            .certify(certificate.map(|octets: &str| CertificateDigest::of(octets.as_bytes())));
        let now_ms = WallMs::new(NOW_MS);
        let found = identify(&registry, Some(b"Bearer w"), &mut credential, xpid(4), now_ms);
        assert_eq!(found.err().unwrap_or(Code::ACCEPTED), code);
    }
}

#[test]
fn no_two_clients_have_one_certificate_and_one_that_is_left_out_proves_nobody() {
    let registry = Registry::new(vec![
        with_certificates(1, "water", &["w1"]),
        with_certificates(2, "water", &["w1"]),
        // Refused for the second of its proofs: the first is nobody's.
        with_certificates(3, "thief", &["t1", "w1"]),
        Registration {
            second_token_sha256: Some(token_sha256(b"w")),
            ..with_token(4, "water", "ww")
        },
        Registration {
            second_token_sha256: Some(token_sha256(b"w")),
            ..with_token(5, "thief", "t")
        },
        with_certificates(6, "next", &["n1"]),
        with_token(7, "next", "n"),
    ]);
    let water = |error: fn(String) -> RegistrationError| error("water".to_owned());
    assert_eq!(
        registry.refused(),
        [
            (xpid(3), water(|client| RegistrationError::CertificateOfAnother { client })),
            (xpid(5), water(|client| RegistrationError::TokenOfAnother { client })),
        ]
    );
    assert_eq!(code_by(&registry, Some("w1"), None, 2), Code::ACCEPTED);
    assert_eq!(code_by(&registry, Some("t1"), None, 6), Code::NOT_AUTHENTICATED);
    assert_eq!(registry.client_of_token(b"t"), None);
    assert_eq!(registry.client_of_token(b"n"), Some("next"));
}
