//! Pages from figures that nobody has to wait for: contrast, size, words.

use std::collections::BTreeMap;

use super::frame::{SCRIPT, STYLE};
use super::parts;
use super::tongue::Tongue;
use super::words;
use crate::broadcast::areas::AreaCatalogue;
use crate::broadcast::outcomes::{OUTCOMES, Outcome};
use crate::control::broadcasts::{
    ActLine, Breakdown, Mark, PaceFigures, PartFigures, RateFigures, ReachFigures, ReasonFigures,
    SNAPSHOT_OCTETS_MAX, Snapshot, TimeLeft,
};
use wire::terms::time::WallMs;

/// The colours of a block of the style sheet, by name.
fn colours(block: &str) -> BTreeMap<&str, [f64; 3]> {
    let mut found = BTreeMap::new();
    for line in block.lines().map(str::trim) {
        let Some((name, value)) = line.strip_prefix("--").and_then(|line| line.split_once(": #"))
        else {
            continue;
        };
        let channel = |at: usize| {
            let value = u8::from_str_radix(&value[at..at + 2], 16).expect("two digits");
            f64::from(value) / 255.0
        };
        found.insert(name, [channel(0), channel(2), channel(4)]);
    }
    found
}

/// Contrast by WCAG 2.2.
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let light = |colour: [f64; 3]| {
        let linear = colour.map(|part| {
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    };
    let (one, other) = (light(one), light(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn every_text_stands_out_from_what_is_behind_it_in_light_and_in_dark() {
    let blocks: Vec<&str> = STYLE.split(":root {").skip(1).take(2).collect();
    assert_eq!(blocks.len(), 2, "light, and dark");
    for block in blocks {
        let colours = colours(block.split('}').next().unwrap_or_default());
        assert!(colours.len() > 15, "{colours:?}");
        let of = |name: &str| *colours.get(name).unwrap_or_else(|| panic!("no {name}"));
        for (text, behind) in [
            ("ink", "paper"),
            ("ink", "card"),
            ("muted", "paper"),
            ("muted", "card"),
            ("link", "card"),
            ("link", "paper"),
            ("on-accent", "accent"),
            ("on-real", "real-fill"),
            ("on-drill", "drill-fill"),
            ("good", "card"),
            ("bad", "card"),
            ("card", "bad"),
            ("warn", "warn-soft"),
            ("warn", "card"),
            ("ink", "warn-soft"),
            ("ink", "bad-soft"),
            ("ink", "good-soft"),
            ("ink", "run-soft"),
            ("ink", "calm-soft"),
            ("real", "card"),
            ("real", "paper"),
            ("drill", "paper"),
        ] {
            let found = contrast(of(text), of(behind));
            assert!(found >= 4.5, "{text} on {behind}: {found:.2}");
        }
        // Lines and borders.
        for (line, behind) in [("muted", "card"), ("link", "card"), ("warn", "card")] {
            assert!(contrast(of(line), of(behind)) >= 3.0, "{line} on {behind}");
        }
    }
}

fn pace() -> PaceFigures {
    let limited_by = "network".to_owned();
    PaceFigures { per_second: 33_333, weight: 1, waves: (1, 1), limited_by }
}

fn lanes() -> BTreeMap<String, u64> {
    let classes = ["emergency", "urgent", "standard", "exercise"];
    classes.map(|class| (class.to_owned(), 10_000_000)).into()
}

/// A broadcast to ten million, with all that it can have.
fn full() -> Snapshot {
    let reason = |outcome: Outcome, code: usize| ReasonFigures {
        outcome: outcome.word().to_owned(),
        code: format!("{code:04}"),
        meaning: "may have arrived when the engine died; not sent again".to_owned(),
        rows: 123_456,
    };
    let part = |name: String| PartFigures {
        name,
        targeted: 1_234_567,
        delivered: 1_034_567,
        open: 100_000,
        lost: 100_000,
    };
    let after_ms = Some(123_456_789);
    let mark = |share: &str| Mark { share: share.to_owned(), after_ms, running_ms: after_ms };
    let marks: Vec<Mark> = ["50", "85", "90", "95", "99", "last"].map(mark).into();
    let words = OUTCOMES.into_iter().map(|outcome| (outcome.word().to_owned(), 123_456));
    let mut counts: BTreeMap<String, u64> = words.collect();
    counts.insert("delivered".to_owned(), 10_000_000 - 12 * 123_456);
    Snapshot {
        broadcast: "bc-01234567890123456789012345".to_owned(),
        at_ms: WallMs::new(1_796_000_000_000),
        state: "running".to_owned(),
        since_ms: Some(WallMs::new(1_796_000_000_000)),
        started_ms: Some(WallMs::new(1_796_000_000_000)),
        deadline_ms: Some(WallMs::new(1_796_000_000_000)),
        class: "03".to_owned(),
        digest: Some("0".repeat(64)),
        targeted: 10_000_000,
        counts,
        adds_up: true,
        rate: RateFigures { now: 655_000, mean: 655_000, shards: vec![32_000; 16] },
        pace: pace(),
        lanes: lanes(),
        retries_per_second: 655_000,
        goal_ms: Some(12_345_678),
        left: Some(TimeLeft { seconds: 62, least: 50, most: Some(80) }),
        reach: ReachFigures {
            curve: (0..64).map(|at| (at * 1_234_567, at * 94_650)).collect(),
            of_targeted: marks.clone(),
            of_reachable: marks,
            paused_ms: 123_456,
        },
        breakdown: Some(Breakdown {
            at_ms: WallMs::new(1_796_000_000_000),
            adds_up: true,
            held: (0..5).map(|code| reason(Outcome::Held, 6_005 + code)).collect(),
            failures: (0..8).map(|code| reason(Outcome::Failed, 6_000 + code)).collect(),
            areas: (0..20).map(|area| part(format!("{}", 13_101 + area))).collect(),
            areas_in_all: 1_741,
            languages: (0..8).map(|_| part("zh-Hans".to_owned())).collect(),
            segments: 12_345_678,
        }),
        doubts: 4_096,
        warnings: vec!["some recipients are of no known area".to_owned(); 3],
        stopped_by: Some("2003 the registration is suspended".to_owned()),
        acts: vec![
            ActLine {
                number: 123_456,
                time: "2026-11-29 18:27:54.123 +09:00".to_owned(),
                actor: "uid:somebody".to_owned(),
                act: "broadcast cancel bc-01234567890123456789012345".to_owned(),
                reason: Some("誤".repeat(40)),
            };
            4
        ],
    }
}

#[test]
fn a_snapshot_of_ten_million_fits_into_eight_kibibytes() {
    let text = simd_json::to_string(&full()).expect("a snapshot");
    assert!(text.len() <= SNAPSHOT_OCTETS_MAX, "{} octets", text.len());
}

#[test]
fn every_part_of_a_page_says_its_figures_in_both_languages_and_stays_in_one_line() {
    for tongue in Tongue::ALL {
        let live = parts::live(tongue, &full(), &AreaCatalogue::of_japan());
        assert!(!live.contains('\n'), "an event's data is one line");
        for figure in ["8,518,528", "10,000,000", "655,000", "85.18", "= "] {
            assert!(live.contains(figure), "{figure} in {live}");
        }
        for (place, part) in parts::all(tongue, &full(), &AreaCatalogue::default()) {
            assert!(!part.into_string().is_empty(), "{place}");
        }
    }
    let japanese = parts::live(Tongue::Japanese, &full(), &AreaCatalogue::of_japan());
    for word in ["到達率", "保留", "未達", "地域", "千代田区 (13101)"] {
        assert!(japanese.contains(word), "{word}");
    }
}

#[test]
fn figures_that_do_not_add_up_are_the_first_thing_that_a_page_says() {
    let broken = Snapshot { adds_up: false, ..full() };
    let all =
        |snapshot: &Snapshot| parts::all(Tongue::English, snapshot, &AreaCatalogue::default());
    let parts = all(&broken);
    assert!(parts::find(&parts, "p-notes").0.contains("report this"));
    assert!(!parts::find(&all(&full()), "p-notes").0.contains("report"));
}

#[test]
fn whoever_is_held_waits_for_the_phone_and_has_not_expired() {
    let held = ReasonFigures {
        outcome: "held".to_owned(),
        code: "6006".to_owned(),
        meaning: "expired absent".to_owned(),
        rows: 23,
    };
    let breakdown = Breakdown { held: vec![held.clone()], ..Breakdown::default() };
    let snapshot = Snapshot { breakdown: Some(breakdown), ..full() };
    let parts = parts::all(Tongue::English, &snapshot, &AreaCatalogue::default());
    let text = &parts::find(&parts, "p-held").0;
    assert!(text.contains("off or out of reach") && !text.contains("expired"), "{text}");
}

#[test]
fn the_area_under_a_short_curve_ends_where_the_curve_does() {
    let reach = ReachFigures { curve: vec![(0, 0), (80, 751)], ..ReachFigures::default() };
    let snapshot = Snapshot { reach, targeted: 751, ..full() };
    let picture = super::curve::picture(Tongue::English, &snapshot).0;
    assert!(picture.contains("L80 0.0L80 400L0 400Z"), "{picture}");
}

#[test]
fn an_act_says_why_it_was_done() {
    let parts = parts::all(Tongue::English, &full(), &AreaCatalogue::default());
    assert!(parts::find(&parts, "p-acts").0.contains("<q>誤誤"));
}

#[test]
fn states_and_outcomes_have_a_word_of_their_own_in_each_language() {
    for tongue in Tongue::ALL {
        let mut said: Vec<&str> =
            OUTCOMES.into_iter().map(|outcome| words::outcome(tongue, outcome)).collect();
        said.sort_unstable();
        said.dedup();
        assert_eq!(said.len(), OUTCOMES.len());
    }
    let states = ["draft", "checked", "approved", "holding", "running", "paused", "closing"];
    for state in states.into_iter().chain(["finished", "cancelled", "expired", "replaced"]) {
        assert_ne!(words::state(Tongue::English, state), words::state(Tongue::English, ""));
        assert!(STYLE.contains(".state"), "{state}");
    }
}

#[test]
fn the_script_asks_nothing_of_others_and_makes_no_code() {
    for word in ["http:", "https:", "eval(", "new Function", "document.write", "import("] {
        assert!(!SCRIPT.contains(word), "{word}");
    }
}
