//! The sample of the interface's description, octet by octet.

use super::{MSN, check_answer, is_http_date, site};
use tests::push::{Body, Request};
use tests::site::Site;

const REQUEST_BODY: &str = "<?xml version = \"1.0\" ?>\r\n\
    <fncid>0101</fncid>\r\n\
    <comway>1101</comway>\r\n\
    <msn>09012345678</msn>\r\n\
    <reqid>20261122223430-00000001</reqid>\r\n\
    <svcid>00100000001</svcid>\r\n\
    <lifetime>05</lifetime>\r\n\
    <ctrlflg>0</ctrlflg>\r\n\
    <data>FFFFFFFFFF</data>\r\n";

const ANSWER_BODY: &str = "<?xml version = \"1.0\" ?>\r\n\
    <msn>09012345678</msn>\r\n\
    <reqid>20261122223430-00000001</reqid>\r\n\
    <svcid>00100000001</svcid>\r\n\
    <sepmaxnum>1</sepmaxnum>\r\n\
    <code>0000</code>\r\n";

//= push answer octets
#[test]
fn the_sample_is_answered_with_200_and_exactly_163_octets() {
    let mut site = Site::new(tests::programs!());
    site.set("--demo", "true");
    let engine = site.start();
    let request = format!(
        "POST /smsgw/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml; charset=UTF-8\r\n\
         Content-Length: {}\r\n\r\n{REQUEST_BODY}",
        REQUEST_BODY.len()
    );
    let answer = engine.connect().ask(request.as_bytes());
    assert_eq!(answer.status_line, "HTTP/1.1 200 OK");
    let names: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Date", "Content-Type", "Content-Length"]);
    assert!(answer.header("Date").is_some_and(is_http_date));
    assert_eq!(answer.header("Content-Type"), Some("text/xml; charset=UTF-8"));
    assert_eq!(answer.header("Content-Length"), Some("163"));
    assert_eq!(answer.text(), ANSWER_BODY);
    engine.stop();
}

#[test]
fn the_example_file_is_answered_with_163_octets_too() {
    let mut site = Site::new(tests::programs!());
    site.set("--demo", "true");
    let engine = site.start();
    let body = include_bytes!("../../../examples/push.xml");
    let answer = engine.connect().ask(&Request::post(body).octets());
    check_answer("the example", &answer, 200, "0000");
    assert_eq!(answer.body.len(), 163);
    engine.stop();
}

#[test]
fn the_same_elements_in_every_allowed_form_are_the_same_request() {
    let site = site();
    let engine = site.start();
    let canonical = Body::push(MSN, "forms").octets();
    let text = String::from_utf8(canonical.clone()).expect("ASCII");
    let first = engine.connect().ask(&Request::post(&canonical).octets());
    assert_eq!(first.code(), "0000");
    let shuffled = Body::push(MSN, "forms").without("svcid").without("fncid");
    let shuffled = shuffled.with("fncid", "0101").with("svcid", tests::push::XPID).octets();
    for (name, body) in [
        ("LF", text.replace("\r\n", "\n").into_bytes()),
        ("no line ends", text.replace("\r\n", "").into_bytes()),
        ("no blanks", text.replace("version = \"1.0\" ?>", "version=\"1.0\"?>").into_bytes()),
        ("encoding", text.replace("\"1.0\" ?>", "\"1.0\" encoding=\"UTF-8\"?>").into_bytes()),
        ("another order", shuffled),
    ] {
        let answer = engine.connect().ask(&Request::post(&body).octets());
        assert_eq!(answer.code(), "0001", "{name}: {}", String::from_utf8_lossy(&body));
        assert_eq!(answer.body.len(), first.body.len(), "{name}");
    }
    engine.stop();
}
