//! Browsers at the doors: sessions, forms that only their own pages can fill in, headers of pages.

use super::access::api_or_pages;
use super::lists::rows;
use super::*;
use crate::control::now::wall_now;
use std::collections::BTreeMap;

/// An answer with its headers.
struct Page {
    status: u16,
    headers: BTreeMap<String, Vec<String>>,
    text: String,
}

impl Page {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }
}

impl Port {
    fn browse(&self, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Page {
        let url = format!("http://{}{path}", self.address());
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.as_bytes().to_vec()).expect("a request");
        let config = self.agent.configure_request(request).max_redirects(0);
        let config = config.allow_non_standard_methods(true);
        let mut response = self.agent.run(config.build()).expect("an answer");
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in response.headers() {
            let value = value.to_str().expect("text").to_owned();
            found.entry(name.as_str().to_owned()).or_default().push(value);
        }
        let text = response.body_mut().read_to_string().expect("a body");
        Page { status: response.status().as_u16(), headers: found, text }
    }

    /// Signs in with the token of these tests; the session's cookie, as a browser sends it.
    fn signed_in(&self, secret: &str) -> String {
        let answer = self.browse("POST", "/login", &format!("token={secret}"), &[]);
        assert_eq!((answer.status, answer.header("location")), (303, "/dashboard"));
        let line = answer.header("set-cookie");
        for part in ["HttpOnly", "SameSite=Strict", "Max-Age=43200", "Path=/"] {
            assert!(line.contains(part), "{part} in {line}");
        }
        line.split(';').next().expect("a pair").to_owned()
    }

    fn form_word(&self, cookie: &str) -> String {
        let page = self.browse("GET", "/dashboard", "", &[("Cookie", cookie)]);
        let (_, rest) = page.text.split_once("name=\"word\" value=\"").expect("a form");
        rest.split('"').next().expect("a word").to_owned()
    }
}

#[test]
fn whoever_is_not_signed_in_is_led_to_the_sign_in_and_a_wrong_token_leads_nowhere() {
    let port = Port::open();
    for path in ["/dashboard", "/dashboard/new", "/dashboard/bc-1", "/broadcasts/bc-1/report"] {
        let answer = port.browse("GET", path, "", &[]);
        assert_eq!((answer.status, answer.header("location")), (303, "/login"), "{path}");
    }
    let posted = port.browse("POST", "/dashboard/bc-1/pause", "word=x", &[]);
    assert_eq!((posted.status, posted.header("location")), (303, "/login"));
    let wrong = port.browse("POST", "/login", "token=hayauma-0", &[]);
    assert_eq!((wrong.status, wrong.header("set-cookie")), (403, ""));
    assert!(wrong.text.contains("none of this engine"), "{}", wrong.text);
    assert!(!port.audit().contains("sign in"), "{}", port.audit());
    // A script at the same paths is told in its own words.
    assert_eq!(port.send_to(port.address(), "GET", "/broadcasts/bc-1/events", "", &[]).0, 401);
}

#[test]
fn a_session_lasts_until_it_is_signed_out_or_its_token_is_removed() {
    let port = Port::open();
    let cookie = port.signed_in(SECRET);
    assert!(port.audit().contains(r#""actor":"tests","act":"sign in""#), "{}", port.audit());
    let see = |cookie: &str| port.browse("GET", "/dashboard", "", &[("Cookie", cookie)]).status;
    assert_eq!((see(&cookie), see("hayauma-session=x")), (200, 303));
    let out = port.browse("POST", "/logout", "", &[("Cookie", &cookie)]);
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{:?}", out.headers);
    assert_eq!(see(&cookie), 303);
    let (_, made) = port.send("POST", "/tokens", r#"{"name":"ada","roles":["read"]}"#);
    let secret = made.split('"').find(|part| part.starts_with("hayauma-")).expect("a token");
    let cookie = port.signed_in(secret);
    assert_eq!(see(&cookie), 200);
    assert_eq!(port.send("DELETE", "/tokens/ada", "").0, 200);
    assert_eq!(see(&cookie), 303);
}

#[test]
fn a_form_without_its_sessions_word_does_nothing() {
    let port = Port::open();
    let cookie = port.signed_in(SECRET);
    let word = port.form_word(&cookie);
    let other = port.form_word(&port.signed_in(SECRET));
    assert_ne!(word, other, "each session has its own");
    let post = |body: &str, headers: &[(&str, &str)]| {
        let headers = [&[("Cookie", cookie.as_str())], headers].concat();
        port.browse("POST", "/dashboard/bc-1/pause", body, &headers)
    };
    let before = port.audit();
    for body in ["", "word=", "word=x", &format!("word={other}")] {
        let answer = post(body, &[]);
        assert!(answer.status == 403, "{body}: {} {}", answer.status, answer.text);
    }
    let own = format!("word={word}");
    for foreign in [("Origin", "http://elsewhere.example"), ("Sec-Fetch-Site", "cross-site")] {
        assert_eq!(post(&own, &[foreign]).status, 403, "{foreign:?}");
    }
    for wrong in [format!("{own}&more=1"), format!("{own}&word={word}")] {
        assert_eq!(post(&wrong, &[]).status, 400, "{wrong}");
    }
    assert_eq!(port.audit(), before, "nothing was done");
    let done = post(&own, &[]);
    assert_eq!(done.status, 404, "there is no such broadcast: {}", done.text);
    assert!(port.audit().contains("broadcast pause bc-1"), "it was meant");
}

#[test]
fn a_forms_act_takes_the_role_that_it_takes_from_a_script() {
    let port = Port::open();
    let (_, made) = port.send("POST", "/tokens", r#"{"name":"eve","roles":["read"]}"#);
    let secret = made.split('"').find(|part| part.starts_with("hayauma-")).expect("a token");
    let cookie = port.signed_in(secret);
    let word = port.form_word(&cookie);
    for rule in api_or_pages().filter(|rule| rule.is_page && rule.is_order()) {
        let Some(needs) = rule.needs else { continue };
        let path = rule.path.replace("{broadcast}", "bc-1");
        let headers = [("Cookie", cookie.as_str())];
        let answer = port.browse("POST", &path, &format!("word={word}"), &headers);
        assert!(answer.status == 403 && answer.text.contains(needs.word()), "{path}");
    }
    let page = port.browse("GET", "/dashboard", "", &[("Cookie", &cookie)]);
    assert!(!page.text.contains("/dashboard/new"), "no button that it may not press");
}

#[test]
fn while_a_shard_stands_pages_come_and_show_what_stops_a_broadcast() {
    let port = Port::open();
    let list = port.list("news");
    port.fill(&list, "", &rows(10));
    let started = port.checked(&list, "a", "");
    assert_eq!(port.start(&started).0, 202);
    let cookie = port.signed_in(SECRET);
    let word = port.form_word(&cookie);
    port.engine.broadcasts.shards.lock().expect("no panic")[0].stands = true;
    let page = format!("/dashboard/{}", started.0);
    let see = |path: &str| port.browse("GET", path, "", &[("Cookie", &cookie)]);
    let seen = see(&page);
    assert_eq!(seen.status, 200, "{}", seen.text);
    assert!(seen.text.contains("confirm?act=cancel"), "{}", seen.text);
    let asked = see(&format!("{page}/confirm?act=cancel"));
    assert_eq!(asked.status, 200, "{}", asked.text);
    assert!(see("/dashboard").text.contains(&page));
    // It is told to the shard once that answers; what was ordered holds.
    let body = format!("word={word}&shown=&typed=&reason=x");
    port.browse("POST", &format!("{page}/cancel"), &body, &[("Cookie", &cookie)]);
    let untold = see(&page).text;
    assert!(untold.contains("not in every shard yet: "), "{untold}");
    assert!(!untold.contains("paused by itself"), "nobody has paused it: {untold}");
    let japanese = see(&format!("{page}?lang=ja")).text;
    assert!(japanese.contains("一部のシャードにまだ伝わっていません"), "{japanese}");
    port.engine.broadcasts.shards.lock().expect("no panic")[0].stands = false;
    let (status, text) = port.send("GET", &format!("/broadcasts/{}", started.0), "");
    assert_eq!(status, 200);
    assert!(text.contains(r#""life":"cancelled""#), "{text}");
}

#[test]
fn a_page_says_when_a_broadcast_starts_and_ends_and_what_would_hold_it_back() {
    let port = Port::open();
    let list = port.list("news");
    port.fill(&list, "", &rows(10));
    let due = wire::terms::calendar::jst_text(wall_now().ms() + 3_600_000);
    let (date, time) = (&due[..10], &due[11..19]);
    let more = format!(r#""start":"{date}T{time}+09:00","hold_seconds":90,"lifetime":7200,"#);
    let later = port.checked(&list, "later", &more);
    let cookie = port.signed_in(SECRET);
    let see = |path: &str| port.browse("GET", path, "", &[("Cookie", &cookie)]).text;
    let page = format!("/dashboard/{}", later.0);
    let before = see(&page);
    let moment = format!("{date} {time}");
    for wanted in ["Is to start at", &moment, "1 min 30 s", "2 h 00 min from its start"] {
        assert!(before.contains(wanted), "{wanted} in {before}");
    }
    let nobody = "nobody knows: nothing was sent without a pace within a day";
    assert!(before.contains("Held back by") && before.contains(nobody), "{before}");
    assert_eq!(port.start(&later).0, 202);
    let scheduled = see(&page);
    assert!(scheduled.contains("Starts at") && scheduled.contains(&moment), "{scheduled}");
    assert!(see("/dashboard").contains(&format!("starts at {moment}")));
}

#[test]
fn a_cookie_gives_orders_by_scripts_only_with_their_header() {
    let port = Port::open();
    let cookie = port.signed_in(SECRET);
    let order = |headers: &[(&str, &str)]| {
        let headers = [&[("Cookie", cookie.as_str())], headers].concat();
        port.browse("POST", "/broadcasts/bc-1/pause", "", &headers).status
    };
    assert_eq!((order(&[]), order(&[(ORDER_HEADER, "1")])), (403, 404));
}

#[test]
fn every_page_forbids_frames_foreign_things_and_scripts_of_its_own() {
    let port = Port::open();
    let cookie = port.signed_in(SECRET);
    for path in ["/login", "/dashboard", "/dashboard/new", "/dashboard/bc-1", "/dashboard/live.js"]
    {
        let page = port.browse("GET", path, "", &[("Cookie", &cookie)]);
        let policy = page.header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"] {
            assert!(policy.contains(part), "{part} at {path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        for inline in
            ["style=\"", "onclick", "onload=", "javascript:", "<style", "http://", "https://"]
        {
            assert!(path.ends_with(".js") || !page.text.contains(inline), "{inline} at {path}");
        }
    }
}
