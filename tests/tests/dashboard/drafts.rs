//! A draft that is refused: nothing that was typed is lost, and the sentence stands where it helps.

use super::{Office, draft_fields, good};
use tests::broadcasts::{Broadcaster, rows};
use tests::browser::Browser;
use tests::html;
use tests::push::XPID;

#[test]
fn a_refused_draft_comes_back_as_it_was_typed_with_the_sentence_beside_its_field() {
    let office = Office::new();
    let people = Broadcaster::new(&office.site, 10);
    let silent = ["client", "add", "00100000077", "--client", "silent", "--sender", "Nobody"];
    office.site.must(&silent);
    let engine = office.site.start();
    let list = people.list(&rows(10));
    let mayor = Browser::signed_in(office.address, &office.author, "en");
    let new = good(mayor.see("/dashboard/new"));
    let wanted = format!("<option value=\"{XPID} Hayauma\">Hayauma</option>");
    assert!(new.text().contains(&wanted), "{}", new.text());
    assert!(!new.text().contains("00100000077"), "it may send no broadcasts");
    let typed: Vec<(&str, &str)> = draft_fields(&list, "02", "flood-1")
        .into_iter()
        .map(|(name, value)| if name == "areas" { (name, "13101, x9") } else { (name, value) })
        .collect();
    let refused = mayor.send(&new, "/dashboard/new", &typed);
    assert_eq!(refused.status, 422, "{}", refused.text());
    let text = refused.text();
    assert_eq!(html::faults(&text), Vec::<String>::new());
    for kept in [
        "value=\"02\" selected",
        "value=\"flood-1\"",
        "value=\"13101, x9\"",
        "高台へ避難してください</textarea>",
        "Go to &lt;b&gt;high&lt;/b&gt; ground &amp; stay</textarea>",
        "value=\"60\"",
        "value=\"400\"",
        &format!("value=\"{XPID} Hayauma\" selected"),
        &format!("value=\"{list}\" selected"),
        "id=\"areas-fault\">Areas: it is no code",
        "1 SMS",
    ] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
    assert!(!text.contains("/legs/0"), "no place of a manifest: {text}");
    assert_eq!(text.matches("aria-invalid").count(), 1, "{text}");
    // It is sent again as it stands, mended.
    let mended = draft_fields(&list, "02", "flood-1");
    let draft = good(mayor.send(&refused, "/dashboard/new", &mended));
    assert!(draft.path.starts_with("/dashboard/bc-"), "{}", draft.path);
    engine.stop();
}
