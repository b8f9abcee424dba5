use super::*;

fn xpid() -> Xpid {
    Xpid::parse(b"00100000001").expect("a legal XPID")
}

fn change(json: &str) -> ClientChange {
    simd_json::from_slice(&mut json.as_bytes().to_vec()).expect("a change")
}

#[test]
fn a_new_registration_takes_what_is_named_and_defaults_for_the_rest() {
    let registration = change(
        r#"{"client":"City of Ueda","token":"secret","classes":["urgent"],"kinds":["text"],
            "senders":["110","City"],"svcinst":"11111","notify_url":"http://127.0.0.1:9/n",
            "from":"2026-04-01","until":"20270331","rate_per_second":5}"#,
    )
    .create(xpid())
    .expect("valid");
    assert_eq!(registration.token_sha256, Some(token_sha256(b"secret")));
    assert_eq!(registration.classes.to_string(), "standard,urgent");
    assert_eq!(registration.kinds.to_string(), "text");
    let document = ClientDocument::of(&registration);
    assert_eq!(document.senders, ["110", "City"]);
    assert_eq!(document.svcinst, "11111");
    assert_eq!(document.notify_url.as_deref(), Some("http://127.0.0.1:9/n"));
    assert_eq!(
        (document.from.as_deref(), document.until.as_deref()),
        (Some("2026-04-01"), Some("2027-03-31"))
    );
    assert_eq!((document.rate_per_second, document.volume_per_day), (5, 0));
    assert!(document.segmentation && document.has_token);
}

#[test]
fn a_change_keeps_what_it_does_not_name_and_empty_text_takes_away() {
    let mut registration = change(
        r#"{"client":"A","token":"t","notify_url":"http://127.0.0.1:9/","until":"2030-01-01"}"#,
    )
    .create(xpid())
    .expect("valid");
    change(r#"{"suspended":true}"#).apply(&mut registration).expect("valid");
    assert!(
        registration.suspended
            && registration.token_sha256.is_some()
            && registration.notify_url.is_some()
    );
    change(r#"{"token":"","notify_url":"","until":""}"#).apply(&mut registration).expect("valid");
    assert!(registration.is_open());
    assert_eq!(registration.token_sha256, None);
    assert_eq!(registration.notify_url, None);
    assert_eq!(registration.valid_until_ms, WallMs::NEVER);
}

#[test]
fn a_token_follows_another_without_a_gap_and_networks_are_read() {
    let mut registration = change(r#"{"client":"A","token":"one"}"#).create(xpid()).expect("valid");
    let digests = |registration: &Registration| registration.tokens().collect::<Vec<_>>();
    change(r#"{"next_token":"two"}"#).apply(&mut registration).expect("a second");
    assert_eq!(digests(&registration), [token_sha256(b"one"), token_sha256(b"two")]);
    let refused =
        change(r#"{"next_token":"three"}"#).apply(&mut registration).expect_err("a third");
    assert!(refused.contains("--retire-token"), "{refused}");
    change(r#"{"retire_token":true,"next_token":"three"}"#)
        .apply(&mut registration)
        .expect("valid");
    assert_eq!(digests(&registration), [token_sha256(b"two"), token_sha256(b"three")]);
    change(r#"{"token":"four"}"#).apply(&mut registration).expect("in place of both");
    assert_eq!(digests(&registration), [token_sha256(b"four")]);
    assert!(change(r#"{"retire_token":true}"#).apply(&mut registration).is_err());
    let networks = r#"{"networks":["192.0.2.7/24","2001:db8::/32","10.0.0.1"],"token":""}"#;
    change(networks).apply(&mut registration).expect("valid");
    let document = ClientDocument::of(&registration);
    assert_eq!(document.networks, ["192.0.2.0/24", "2001:db8::/32", "10.0.0.1/32"]);
    assert!(!document.is_open && !document.has_token);
    let networks = r#"{"networks":["::ffff:192.0.2.0/120","::ffff:10.0.0.1"]}"#;
    change(networks).apply(&mut registration).expect("valid");
    let document = ClientDocument::of(&registration);
    assert_eq!(document.networks, ["192.0.2.0/24", "10.0.0.1/32"]);
    for wrong in ["10.0.0.0/33", "home", "10.0.0/8", ""] {
        let networks = format!(r#"{{"networks":["{wrong}"]}}"#);
        let refused = change(&networks).apply(&mut registration).expect_err(wrong);
        assert!(refused.contains("is no network"), "{refused}");
    }
}

#[test]
fn wrong_fields_are_refused_with_a_sentence() {
    for (json, hint) in [
        (r#"{}"#, "--client"),
        (r#"{"client":" "}"#, "name"),
        (r#"{"client":"A","classes":["high"]}"#, "high"),
        (r#"{"client":"A","classes":["urgent,emergency"]}"#, "urgent,emergency"),
        (r#"{"client":"A","volume_per_day":99999999999999}"#, "volume"),
        (r#"{"client":"A","broadcast_rate":1000001}"#, "rate"),
        (r#"{"client":"A","kinds":[]}"#, "kind"),
        (r#"{"client":"A","kinds":["voice"]}"#, "voice"),
        (r#"{"client":"A","senders":[]}"#, "senders"),
        (r#"{"client":"A","senders":["a b"]}"#, "sender"),
        (r#"{"client":"A","senders":["a","a"]}"#, "twice"),
        (r#"{"client":"A","senders":["123456789012"]}"#, "sender"),
        (r#"{"client":"A","svcinst":"00012"}"#, "00012"),
        (r#"{"client":"A","notify_url":"ftp://127.0.0.1/"}"#, "http"),
        (r#"{"client":"A","notify_connections":0}"#, "connections"),
        (r#"{"client":"A","notify_depth":1000}"#, "depth"),
        (r#"{"client":"A","from":"2026-13-01"}"#, "2026-13-01"),
        (r#"{"client":"A","from":"2026-02-02","until":"2026-02-01"}"#, "term"),
        (r#"{"client":"A","token":"a b"}"#, "token"),
        (r#"{"client":"A","certificates":["ab"]}"#, "64 hexadecimal digits"),
    ] {
        let sentence = change(json).create(xpid()).expect_err(json);
        assert!(sentence.contains(hint), "{json}: {sentence}");
    }
}

#[test]
fn an_unknown_field_is_refused() {
    let mut json = br#"{"client":"A","colour":"red"}"#.to_vec();
    let error = simd_json::from_slice::<ClientChange>(&mut json).expect_err("refused");
    assert!(error.to_string().contains("colour"), "{error}");
}
