//! What is refused before anybody reads it as an alert.

use super::*;

#[track_caller]
fn check_no_document(octets: &[u8], part: &str) {
    let refusal = refusal(octets);
    assert_eq!(refusal.kind, RefusalKind::Document, "{refusal}");
    assert!(refusal.sentence.contains(part), "{part:?} in {refusal}");
}

#[test]
fn a_document_type_is_refused_before_anything_is_read() {
    let external =
        "<?xml version=\"1.0\"?><!DOCTYPE alert [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>";
    let laughs = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>";
    for doctype in [external, laughs, "<!DOCTYPE alert>", "<!doctype alert>"] {
        let text = alert(&[("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", doctype)]);
        check_no_document(text.as_bytes(), "DOCTYPE");
    }
    let mentioned = draft(&alert(&[("土砂災害のおそれ", "<![CDATA[<!DOCTYPE>]]>のおそれ")]));
    assert!(mentioned.legs[0].variants[0].text.contains("DOCTYPE"), "in a text it is a word");
}

#[test]
fn an_entity_that_xml_does_not_have_is_refused() {
    check_no_document(alert(&[("土砂災害のおそれ", "&e;")]).as_bytes(), "&e;");
    let known = draft(&alert(&[("土砂災害のおそれ", "A&amp;B &#x6d77;&#28023;")]));
    assert!(known.legs[0].variants[0].text.starts_with("A&B 海海"));
}

#[test]
fn elements_nest_sixteen_deep_and_no_deeper() {
    let nested = |levels: usize| {
        let inner = "<x>".repeat(levels) + &"</x>".repeat(levels);
        alert(&[("<area>", &format!("{inner}<area>"))])
    };
    // The alert and the info stand around them.
    check_warned(&draft(&nested(14)), "no such element");
    check_no_document(nested(15).as_bytes(), "nest deeper than 16");
    check_no_document("<a>".repeat(1_000_000).as_bytes(), "nest deeper than 16");
    check_no_document(
        nested(14).replace("<x></x>", "<x><y/></x>").as_bytes(),
        "nest deeper than 16",
    );
}

#[test]
fn what_would_be_dear_to_parse_is_refused() {
    let too_long = vec![b' '; limits::DOCUMENT_OCTETS_MAX + 1];
    check_no_document(&too_long, "longer than 4 MiB");
    let attributes: String = (0..2_000).map(|number| format!(" a{number}=''")).collect();
    check_no_document(format!("<alert{attributes}/>").as_bytes(), "4096 octets");
    check_no_document(format!("<alert a='{}'/>", ">".repeat(5_000)).as_bytes(), "4096 octets");
    let namespaces = "<x xmlns:a='b'/>".repeat(65);
    check_no_document(
        alert(&[("<area>", &(namespaces + "<area>"))]).as_bytes(),
        "namespaces 66 times",
    );
    let many = "<x/>".repeat(210_000);
    check_no_document(alert(&[("<area>", &(many + "<area>"))]).as_bytes(), "200000 elements");
}

#[test]
fn what_is_cut_short_or_no_alert_is_refused() {
    let whole = alert(&[]);
    for length in [0, 10, 60, 200, whole.len() - 1] {
        let cut: String = whole.chars().take(length).collect();
        let cut = if length == whole.len() - 1 { whole[..length].to_owned() } else { cut };
        assert_eq!(refusal(cut.as_bytes()).kind, RefusalKind::Document, "{length}");
    }
    let other = alert(&[("emergency:cap:1.2", "emergency:cap:1.3")]);
    check_no_document(other.as_bytes(), "emergency:cap:1.3");
    check_no_document(b"<alert/>", "neither an alert");
    check_no_document(b"<html xmlns='urn:oasis:names:tc:emergency:cap:1.2'/>", "html");
    check_no_document(b"<!-- an alert", "a comment does not end");
    for namespace in ["urn:oasis:names:tc:emergency:cap:1.1", "http://www.incident.com/cap/1.0"] {
        draft(&alert(&[("urn:oasis:names:tc:emergency:cap:1.2", namespace)]));
    }
}

#[test]
fn five_encodings_are_read_and_what_is_not_in_its_own_is_refused() {
    let declared = |encoding: &str| alert(&[("UTF-8", encoding)]);
    let expected = draft(&alert(&[])).legs;
    for (encoding, by) in [("Shift_JIS", encoding_rs::SHIFT_JIS), ("EUC-JP", encoding_rs::EUC_JP)] {
        let text = declared(encoding);
        let octets = by.encode(&text).0;
        let read = check_xml(&octets, &rules()).expect("read");
        assert_eq!(read.legs, expected, "{encoding}");
        // The same octets, declared as what they are not.
        check_no_document(&by.encode(&alert(&[])).0, "not UTF-8");
    }
    for is_big in [false, true] {
        let units: Vec<u16> = format!("\u{feff}{}", declared("UTF-16")).encode_utf16().collect();
        let to_octets = |unit: u16| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        let octets: Vec<u8> = units.into_iter().flat_map(to_octets).collect();
        assert_eq!(check_xml(&octets, &rules()).expect("read").legs, expected);
        check_no_document(&octets[..octets.len() - 1], "UTF-16");
    }
    let marked = format!("\u{feff}{}", alert(&[]));
    assert_eq!(draft(&marked).legs, expected);
    check_no_document(format!("\u{feff}{}", declared("ISO-8859-1")).as_bytes(), "declares");
    check_no_document(
        declared("ISO-8859-1").as_bytes(),
        "declares the encoding iso-8859-1 and is UTF-8",
    );
    check_no_document(declared("Shift_JIS").as_bytes(), "declares the encoding Shift_JIS");
    check_no_document(declared("UTF-16").as_bytes(), "without the byte order mark");
    check_no_document(declared("KOI8-R").as_bytes(), "its encoding is koi8-r");
}

#[test]
fn a_text_in_latin_1_is_read_by_its_declaration() {
    let text = alert(&[("UTF-8", "ISO-8859-1"), ("<language>ja", "<language>fr")])
        .replace("土砂災害のおそれ", "Crue de la Rhône")
        .replace("崖から離れてください。", "Montez à l'étage")
        .replace("土砂災害", "crue")
        .replace("山里町", "Vallée");
    let mut octets: Vec<u8> =
        text.chars().map(|character| u8::try_from(character).expect("Latin-1")).collect();
    let read = check_xml(&octets, &rules()).expect("read");
    assert_eq!(read.legs[0].variants[0].text, "Crue de la Rhône Montez à l'étage");
    // What windows-1252 has where Latin-1 has nothing to show.
    let at = octets.iter().position(|octet| *octet == 0xe0).expect("an accent");
    octets[at] = 0x92;
    check_no_document(&octets, "windows-1252");
}

#[test]
fn no_cut_or_changed_document_panics() {
    let whole = alert(&[("<area>", "<area><polygon>35,139 35.5,139 35,140 35,139</polygon>")]);
    let octets = whole.as_bytes();
    for at in 0..octets.len() {
        let _ = check_xml(&octets[..at], &rules());
        for other in [b'<', b'>', b'&', b'"', 0, 0xff, b'9'] {
            let mut changed = octets.to_vec();
            changed[at] = other;
            let _ = check_xml(&changed, &rules());
        }
    }
}
