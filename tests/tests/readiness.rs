//! What `/readyz` and `/status` say is what push clients are answered, class by class.

use tests::engine::Engine;
use tests::push::Body;
use tests::site::Site;
use tests::wait;

const PLACES: u64 = 1_000;
const CLASSES: [(&str, &str); 4] =
    [("emergency", "1103"), ("urgent", "1102"), ("standard", "1101"), ("exercise", "1109")];

fn msn(number: u64) -> String {
    format!("{:011}", 9_000_000_000 + number)
}

/// A push that waits for an absent phone.
fn push(xpid: &str, comway: &str, number: u64) -> Body {
    Body::push(&msn(number), &format!("{comway}-{number}"))
        .with("svcid", xpid)
        .with("comway", comway)
        .with("lifetime", "72")
}

/// Pushes of a class until the client is refused; the code that refuses it.
fn push_until_refused(engine: &Engine, xpid: &str, comway: &str, first: &mut u64) -> String {
    let mut connection = engine.connect();
    loop {
        *first += 1;
        let code = connection.ask(&push(xpid, comway, *first).request()).code();
        if code != "0000" {
            return code;
        }
    }
}

/// `/readyz` and its answer for each class, and `/status`, once they say `taken`.
fn await_taken(engine: &Engine, taken: &[&str]) {
    let admin = engine.admin();
    wait::until_true("the classes that are taken", || admin.status().classes_taken == taken);
    for (class, _) in CLASSES {
        let told =
            admin.try_request("GET", &format!("/readyz?class={class}"), "").expect("an answer");
        let expected = if taken.contains(&class) { 200 } else { 503 };
        assert_eq!(told.status(), expected, "{class} while {taken:?} are taken: {}", told.text());
    }
}

#[test]
fn readiness_names_the_classes_that_are_taken_as_the_queue_fills_up() {
    let mut site = Site::new(tests::programs!());
    site.set("--pushes-max", &PLACES.to_string());
    // Several clients, because none of them gets all places that are left.
    let xpids: Vec<String> = (1..=8).map(|number| format!("{number:011}")).collect();
    for xpid in &xpids {
        let classes = ["--class", "emergency", "--class", "urgent", "--class", "exercise"];
        site.add_client(xpid, &classes);
        site.add_contracts(xpid, &["09000000000-09000009999"]);
    }
    site.set_lines(&[("09000000000-09000009999", "absent")]);
    let engine = site.start();
    let ready = || engine.admin().try_request("GET", "/readyz", "").expect("an answer");
    let mut number = 0;
    let words = CLASSES.map(|(class, _)| class);
    await_taken(&engine, &words);
    assert_eq!(ready().text(), "ready\n");
    for taken in (0..4).rev() {
        let (class, comway) = CLASSES[taken];
        for xpid in &xpids {
            assert_eq!(push_until_refused(&engine, xpid, comway, &mut number), "8003", "{class}");
        }
        await_taken(&engine, &words[..taken]);
        for (place, (class, comway)) in CLASSES.into_iter().enumerate().take(taken) {
            number += 1;
            let code = engine.connect().ask(&push(&xpids[7], comway, number).request()).code();
            assert_eq!(code, "0000", "{class} ({place}) while {taken} classes are taken");
        }
        match taken {
            0 => {
                let told = ready();
                assert!(
                    told.status() == 503 && told.text().contains("queue_full"),
                    "{}",
                    told.text()
                );
            }
            _ => {
                let expected = format!("ready for {} only\n", words[..taken].join(", "));
                assert_eq!((ready().status(), ready().text()), (200, expected));
            }
        }
    }
    engine.stop();
}
