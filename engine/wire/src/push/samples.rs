//! Requests that tests of several rooms begin from.

/// The published sample's form: a control push, blanks in the declaration, CRLF line ends.
pub const CANONICAL: &[u8] = b"<?xml version = \"1.0\" ?>\r\n\
    <fncid>0101</fncid>\r\n\
    <comway>1101</comway>\r\n\
    <msn>09012345678</msn>\r\n\
    <reqid>20261122223430-00000001</reqid>\r\n\
    <svcid>00100000001</svcid>\r\n\
    <lifetime>05</lifetime>\r\n\
    <ctrlflg>0</ctrlflg>\r\n\
    <data>FFFFFFFFFF</data>\r\n";

/// The sample with `from` replaced by `to`, which must occur.
pub fn with(from: &str, to: &str) -> Vec<u8> {
    let sample = str::from_utf8(CANONICAL).expect("ASCII");
    assert!(sample.contains(from), "the sample has {from}");
    sample.replacen(from, to, 1).into_bytes()
}
