use super::*;
use crate::push::limits::REQUEST_OCTETS_MAX;
use proptest::prelude::*;

const HEAD: &str = "POST /smsgw/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\
    Content-Type: text/xml; charset=UTF-8\r\nContent-Length: 5\r\n\r\n";

fn complete(head: &str) -> RequestHead<'_> {
    match read_head(head.as_bytes()) {
        HeadOutcome::Complete(head) => head,
        other => panic!("{other:?} for {head}"),
    }
}

fn refused(head: &str) -> HttpRefusal {
    match read_head(head.as_bytes()) {
        HeadOutcome::Refused(refusal) => refusal,
        other => panic!("{other:?} for {head}"),
    }
}

/// Code, status and whether the connection closes; checks that the rest of the refusal agrees with
/// them.
fn verdict(head: &str) -> (Code, u16, bool) {
    let refusal = refused(head);
    assert_eq!(refusal.skip_octets.is_none(), refusal.close, "{head}");
    assert_eq!(refusal.allow_post, refusal.status == 405, "{head}");
    (refusal.code, refusal.status, refusal.close)
}

fn with(from: &str, to: &str) -> String {
    assert!(HEAD.contains(from), "{from}");
    HEAD.replace(from, to)
}

#[test]
fn a_head_says_where_the_body_is() {
    let request = format!("{HEAD}12345POST");
    let head = complete(&request);
    assert_eq!((head.head_octets, head.body_octets), (HEAD.len(), 5));
    assert!(head.keep_alive && !head.expect_continue && !head.announce_keep_alive);
    assert_eq!(head.authorization, None);
    let head = with("Host:", "AUTHORIZATION: Bearer abc\r\nHost:");
    assert_eq!(complete(&head).authorization, Some(&b"Bearer abc"[..]));
}

#[test]
fn every_cut_of_a_head_is_partial() {
    for octets in 0..HEAD.len() {
        assert_eq!(read_head(&HEAD.as_bytes()[..octets]), HeadOutcome::Partial, "{octets} octets");
    }
}

#[test]
fn empty_lines_before_a_request_are_skipped() {
    let head = format!("\r\n\n{HEAD}");
    assert_eq!(complete(&head).head_octets, HEAD.len() + 3);
}

//= push http media type
#[test]
fn the_media_type_may_be_written_in_several_ways() {
    for value in [
        "text/xml",
        "Text/XML",
        "text/xml;charset=utf-8",
        "text/xml ; charset=\"UTF-8\"",
        "text/xml; Charset = Utf-8",
        "text/xml;",
        "text/xml;; charset=UTF-8;",
    ] {
        complete(&with("text/xml; charset=UTF-8", value));
    }
    for value in [
        "",
        "application/xml",
        "text/xmlx",
        "text/xml charset=UTF-8",
        "text/xml; charset=Shift_JIS",
        "text/xml; charset=",
        "text/xml; charset",
        "text/xml; boundary=x",
        "text/xml; charset=UTF-8; charset=UTF-8",
        "text/xml, text/xml",
        "text/xml; charset=\"UTF-8",
    ] {
        let head = with("text/xml; charset=UTF-8", value);
        assert_eq!(verdict(&head), (Code::MEDIA_TYPE, 415, false), "{value}");
        assert_eq!(refused(&head).skip_octets, Some(head.len() + 5));
    }
    assert_eq!(
        verdict(&with("Content-Type: text/xml; charset=UTF-8\r\n", "")),
        (Code::MEDIA_TYPE, 415, false)
    );
    let twice = with("Host:", "Content-Type: text/xml\r\nHost:");
    assert_eq!(verdict(&twice), (Code::MEDIA_TYPE, 415, false));
}

//= push http resource
#[test]
fn one_path_and_one_method() {
    for path in [
        "/",
        "/smsgw",
        "/smsgw/x",
        "/smsgw/?a",
        "/SMSGW/",
        "*",
        "http://h",
        "http://h/x",
        "https://h/smsgw/",
    ] {
        assert_eq!(verdict(&with("/smsgw/", path)), (Code::PATH_OR_METHOD, 404, false), "{path}");
    }
    for target in ["http://h/smsgw/", "HTTP://h:80/smsgw/"] {
        complete(&with("/smsgw/", target));
    }
    for method in ["GET", "HEAD", "PUT", "post", "OPTIONS"] {
        assert_eq!(verdict(&with("POST", method)), (Code::PATH_OR_METHOD, 405, false), "{method}");
    }
    // Without a length a request ends with its head.
    let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(verdict(get), (Code::PATH_OR_METHOD, 404, false));
    assert_eq!(refused(get).skip_octets, Some(get.len()));
    assert_eq!(verdict("GET /smsgw/ HTTP/1.1\r\nHost: h\r\n\r\n").1, 405);
}

#[test]
fn letters_of_the_path_may_be_encoded_and_nothing_else() {
    for path in ["/%73msgw/", "/%73%6D%73%67%77/", "/%73%6d%73gw/", "http://h:1/sms%67w/"] {
        complete(&with("/smsgw/", path));
    }
    for path in [
        "/%53msgw/",
        "%2Fsmsgw/",
        "/smsgw%2f",
        "/%7",
        "/%zzmsgw/",
        "/smsgw/%",
        "/smsgw/%73",
        "/%73msgw/x",
    ] {
        assert_eq!(verdict(&with("/smsgw/", path)), (Code::PATH_OR_METHOD, 404, false), "{path}");
    }
}

//= push http host
#[test]
fn a_request_names_one_host() {
    for value in ["h", "127.0.0.1:8080", "[::1]:8080", "a.example", "a-b_c.example:80"] {
        complete(&with("127.0.0.1", value));
    }
    for value in ["", " ", ":80", "a b", "a, b", "a/b", "u@h", "h\u{e9}"] {
        assert_eq!(
            verdict(&with("127.0.0.1", value)),
            (Code::NOT_FLAT_FORM, 400, true),
            "{value:?}"
        );
    }
    for second in ["127.0.0.1", "other"] {
        let twice = with("Content-Type", &format!("hOST: {second}\r\nContent-Type"));
        assert_eq!(verdict(&twice), (Code::NOT_FLAT_FORM, 400, true));
        assert_eq!(verdict(&twice.replace("HTTP/1.1", "HTTP/1.0")).1, 400);
    }
    let without = with("Host: 127.0.0.1\r\n", "");
    assert_eq!(verdict(&without), (Code::NOT_FLAT_FORM, 400, true));
    assert_eq!(verdict(&without.replace("/smsgw/", "/")).1, 400);
    complete(&without.replace("HTTP/1.1", "HTTP/1.0"));
    for target in ["http:///smsgw/", "http://:80/smsgw/", "http://"] {
        assert_eq!(verdict(&with("/smsgw/", target)), (Code::NOT_FLAT_FORM, 400, true), "{target}");
    }
}

#[test]
fn a_later_minor_version_counts_as_1_1() {
    for version in ["HTTP/1.2", "HTTP/1.9"] {
        let request = with("HTTP/1.1", version)
            .replace("Host:", "Authorization: Bearer abc\r\nHost:")
            + "12345";
        let head = complete(&request);
        assert!(head.keep_alive && !head.announce_keep_alive);
        assert_eq!((head.authorization, head.body_octets), (Some(&b"Bearer abc"[..]), 5));
        assert_eq!(head.head_octets, request.len() - 5);
        for octets in 0..head.head_octets {
            assert_eq!(
                read_head(&request.as_bytes()[..octets]),
                HeadOutcome::Partial,
                "{octets} octets"
            );
        }
        let mut memory = HeadMemory::new();
        for _ in 0..2 {
            assert_eq!(memory.read(request.as_bytes()), read_head(request.as_bytes()));
        }
        assert_eq!(verdict(&request.replace("/smsgw/", "/")), (Code::PATH_OR_METHOD, 404, false));
        let endless = format!("{}\r\nX: {}", &request[..21], "x".repeat(HEAD_OCTETS_MAX));
        assert_eq!(verdict(&endless).1, 400);
    }
    for version in ["HTTP/1.10", "HTTP/1.x", "HTTP/2.1", "HTTP/0.9", "http/1.2", "HTTP/1.2 "] {
        assert_eq!(
            verdict(&with("HTTP/1.1", version)),
            (Code::NOT_FLAT_FORM, 400, true),
            "{version}"
        );
    }
}

//= push http media type
#[test]
fn an_encoded_body_is_no_media_type_that_is_taken() {
    for coding in ["gzip", "br", "deflate, gzip", ""] {
        let head = with("Host:", &format!("content-encoding: {coding}\r\nHost:"));
        assert_eq!(verdict(&head), (Code::MEDIA_TYPE, 415, false), "{coding}");
    }
    complete(&with("Host:", "Content-Encoding: Identity\r\nHost:"));
}

#[test]
fn the_answer_to_head_ends_with_its_head() {
    for head in [
        "HEAD /smsgw/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "HEAD / HTTP/1.0\r\n\r\n",
        "\r\nHEAD / HTTP/1.1\r\n\r\n",
    ] {
        assert!(refused(head).head_only, "{head}");
        assert!(refused(&head.replace("HTTP/1", "HTTP/7")).head_only, "{head}");
        assert!(!refused(&head.replace("HEAD", "GET")).head_only, "{head}");
    }
}

//= push http length
#[test]
fn the_length_must_be_plain_and_small() {
    assert_eq!(verdict(&with("Content-Length: 5\r\n", "")), (Code::NO_CONTENT_LENGTH, 411, true));
    assert_eq!(complete(&with("Length: 5", "Length: 0")).body_octets, 0);
    assert_eq!(complete(&with("Length: 5", "Length: 16384")).body_octets, BODY_OCTETS_MAX);
    assert_eq!(complete(&with("Length: 5", "Length: 0000000000000000000000005")).body_octets, 5);
    for large in ["16385", "99999", "18446744073709551616", "99999999999999999999999999"] {
        let head = with("Length: 5", &format!("Length: {large}"));
        assert_eq!(verdict(&head), (Code::TOO_LARGE, 413, true), "{large}");
    }
    for garbage in ["", "+5", "-5", "5 5", "5,5", "5, 5", "0x5", "5.0", "five", "５"] {
        let head = with("Length: 5", &format!("Length: {garbage}"));
        assert_eq!(verdict(&head), (Code::NOT_FLAT_FORM, 400, true), "{garbage}");
    }
    for second in ["5", "6"] {
        let head = with("Host:", &format!("content-length: {second}\r\nHost:"));
        assert_eq!(verdict(&head), (Code::NOT_FLAT_FORM, 400, true));
    }
}

//= push http chunks
#[test]
fn a_transfer_encoding_closes_whatever_else_is_said() {
    for value in ["chunked", "Chunked", "identity", "gzip, chunked", "xchunked", ""] {
        let head = with("Host:", &format!("Transfer-Encoding: {value}\r\nHost:"));
        assert_eq!(verdict(&head), (Code::NO_CONTENT_LENGTH, 411, true), "{value}");
        let elsewhere = head.replace("/smsgw/", "/");
        assert_eq!(verdict(&elsewhere), (Code::PATH_OR_METHOD, 404, true), "{value}");
    }
}

//= push http kept
#[test]
fn what_is_not_http_is_refused_and_closed() {
    let long =
        format!("POST /smsgw/ HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(HEAD_OCTETS_MAX));
    let endless = "x".repeat(HEAD_OCTETS_MAX);
    let many: String = (0..=HEADERS_MAX).map(|n| format!("X-{n}: y\r\n")).collect();
    for head in [
        "hello\r\n\r\n",
        "POST /smsgw/\r\n\r\n",
        "POST /smsgw/ HTTP/2.0\r\n\r\n",
        "POST  /smsgw/ HTTP/1.1\r\n\r\n",
        &with("Host:", "Host :"),
        &with("Host:", "Host: a\r\n folded:"),
        &with("Host:", "\u{e9}:"),
        &with("Host: 127.0.0.1", "Host: 127\r0"),
        &with("Host:", "Authorization: Bearer a\r\nAuthorization: Bearer b\r\nHost:"),
        &with("Host:", &format!("{many}Host:")),
        &long,
        &endless,
        "\u{16}\u{3}\u{1}",
    ] {
        assert_eq!(verdict(head), (Code::NOT_FLAT_FORM, 400, true), "{head}");
    }
}

//= push http head
#[test]
fn the_limits_of_a_head_are_exact() {
    let filler = HEAD_OCTETS_MAX - HEAD.len() - "X: \r\n".len();
    let full = with("Host:", &format!("X: {}\r\nHost:", "x".repeat(filler)));
    assert_eq!(complete(&full).head_octets, HEAD_OCTETS_MAX);
    let over = with("Host:", &format!("X: {}\r\nHost:", "x".repeat(filler + 1)));
    assert_eq!(verdict(&over).1, 400);
    let many: String = (3..HEADERS_MAX).map(|n| format!("X-{n}: y\r\n")).collect();
    complete(&with("Host:", &format!("{many}Host:")));
    const { assert!(REQUEST_OCTETS_MAX == HEAD_OCTETS_MAX + BODY_OCTETS_MAX) };
}

//= push http kept
#[test]
fn connections_persist_as_their_version_and_tokens_say() {
    for (version, connection, keep_alive, announce) in [
        ("1.1", "", true, false),
        ("1.1", "Connection: keep-alive\r\n", true, false),
        ("1.1", "Connection: close\r\n", false, false),
        ("1.1", "Connection: upgrade, Close\r\n", false, false),
        ("1.1", "Connection: closed\r\n", true, false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false, false),
        ("1.0", "", false, false),
        ("1.0", "Connection: Keep-Alive\r\n", true, true),
        ("1.0", "Connection: x,keep-alive\r\n", true, true),
        ("1.0", "Connection: keep-alive, close\r\n", false, false),
    ] {
        let request = with("HTTP/1.1\r\n", &format!("HTTP/{version}\r\n{connection}"));
        let head = complete(&request);
        assert_eq!(
            (head.keep_alive, head.announce_keep_alive),
            (keep_alive, announce),
            "{version} {connection}"
        );
        // A refusal keeps the connection only if an accepted request would have kept it.
        let refusal = refused_elsewhere(&request);
        assert_eq!(
            (!refusal.close, refusal.announce_keep_alive),
            (keep_alive, announce),
            "{version} {connection}"
        );
    }
}

fn refused_elsewhere(head: &str) -> HttpRefusal {
    refused(&head.replace("/smsgw/", "/"))
}

#[test]
fn a_client_that_waits_to_be_told_is_told() {
    let waiting = with("Host:", "Expect: 100-Continue\r\nHost:");
    assert!(complete(&waiting).expect_continue);
    assert!(!complete(&waiting.replace("HTTP/1.1", "HTTP/1.0")).expect_continue);
    // Refused before it sent its body, it may send it or not: the connection closes.
    assert_eq!(verdict(&waiting.replace("/smsgw/", "/")), (Code::PATH_OR_METHOD, 404, true));
    let without_body = waiting.replace("Length: 5", "Length: 0").replace("/smsgw/", "/");
    assert_eq!(verdict(&without_body), (Code::PATH_OR_METHOD, 404, false));
    let other = with("Host:", "Expect: a-miracle\r\nHost:");
    assert_eq!(verdict(&other), (Code::NOT_FLAT_FORM, 417, true));
}

#[test]
fn a_remembered_head_is_recognised_with_another_length() {
    let head = |length: &str| {
        format!(
            "POST /smsgw/ HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\n\
             Content-Length: {length}\r\nAuthorization: Bearer abc\r\n\r\n"
        )
    };
    let mut memory = HeadMemory::new();
    for length in ["5", "163", "16384", "9", "0", "007"] {
        let request = head(length) + "body";
        assert_eq!(memory.read(request.as_bytes()), read_head(request.as_bytes()), "{length}");
    }
    for length in [
        "16385",
        "",
        "x",
        "99999999999999999999",
        "5\r\nContent-Length: 5",
        "5\r\nTransfer-Encoding: chunked",
    ] {
        let request = head(length);
        assert_eq!(memory.read(request.as_bytes()), read_head(request.as_bytes()), "{length}");
    }
    let zeros = head(&"0".repeat(HEAD_OCTETS_MAX));
    assert_eq!(memory.read(zeros.as_bytes()), read_head(zeros.as_bytes()));
    for octets in 0..head("5").len() {
        assert_eq!(memory.read(&head("5").as_bytes()[..octets]), HeadOutcome::Partial);
    }
}

/// One of a few heads, with its length and perhaps an octet changed.
fn similar_heads() -> impl Strategy<Value = Vec<u8>> {
    let base = prop::sample::select(vec![
        HEAD.to_owned(),
        with("Host:", "Authorization: Bearer abc\r\nHost:"),
        with("\r\n\r\n", "\r\nauthorization: Bearer abc\r\n\r\n"),
        with("Content-Length: 5", "Content-Length:5 "),
        with("HTTP/1.1", "HTTP/1.0"),
        with("Host:", "X-Content-Length: 7\r\nHost:"),
    ]);
    let length = prop::sample::select(vec!["5", "50", "16384", "16385", "", "0", "5x"]);
    let change = prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()));
    (base, length, change).prop_map(|(base, length, change)| {
        let mut head = base.replace("ength: 5", &format!("ength: {length}")).into_bytes();
        if let Some((index, octet)) = change {
            let at = index.index(head.len());
            head[at] = octet;
        }
        head
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_memory_answers_as_the_parser_does(heads in prop::collection::vec(similar_heads(), 1..8)) {
        let mut memory = HeadMemory::new();
        for head in &heads {
            prop_assert_eq!(memory.read(head), read_head(head));
        }
    }
}
