//! Rooms import downward only, in no circle, and ARCHITECTURE.md says who imports whom.

use std::collections::{BTreeMap, BTreeSet};
use tests::house::{Source, circles, floors, paths, rooms, rooms_table, root, sources};

/// Imports that do not lead to a lower floor, each as `room -> room` and its place.
fn upward(
    rooms: &BTreeMap<String, BTreeMap<String, String>>,
    floors: &[(String, u32)],
) -> Vec<(String, String)> {
    let floor_of =
        |room: &str| floors.iter().find(|(name, _)| name == room).map(|(_, floor)| *floor);
    let mut wrong = Vec::new();
    for (room, named) in rooms {
        for (other, place) in named {
            if floor_of(other).is_none() || floor_of(other) >= floor_of(room) {
                wrong.push((format!("{room} -> {other}"), place.clone()));
            }
        }
    }
    wrong
}

/// Ways to name a room that would hide it from these rules: `place:line words`.
fn hidden(source: &Source) -> Vec<String> {
    const ROOTS: [&str; 7] = ["crate", "self", "super", "hayauma", "dataplane", "wire", "host"];
    let mut wrong = Vec::new();
    for named in paths(&source.code()) {
        let words = named.path.join("::");
        let is_root = |words: &[String]| words.iter().all(|word| ROOTS.contains(&word.as_str()));
        let renames = named.renamed.is_some() && is_root(&named.path);
        let takes_all = named.path.split_last().is_some_and(|(last, front)| {
            last == "*" && is_root(front) && front.first().is_some_and(|first| first != "super")
        });
        if renames || takes_all {
            wrong.push(format!("{}:{} {words}", source.place, named.line));
        }
    }
    let tokens = source.code();
    for pair in tokens.windows(2) {
        let words = format!("{} {}", pair[0], pair[1]);
        if words == "extern crate" || words.starts_with("# [path") || words.starts_with("include !")
        {
            wrong.push(format!("{}:{} {words}", source.place, pair[0].span().start().line));
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

fn architecture() -> String {
    std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map")
}

#[test]
fn no_room_imports_from_its_own_floor_or_above() {
    let rooms = rooms(&sources(&["engine"]));
    let floors = floors(&architecture());
    let named: BTreeSet<&str> = floors.iter().map(|(room, _)| room.as_str()).collect();
    let there: BTreeSet<&str> = rooms.keys().map(String::as_str).collect();
    assert_eq!(there, named, "the rooms that are there, and those of ARCHITECTURE.md");
    assert_eq!(upward(&rooms, &floors), [], "imports that lead upward");
}

#[test]
fn nothing_names_a_room_in_a_way_that_hides_it() {
    let wrong: Vec<String> = sources(&["engine"]).iter().flat_map(hidden).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

/// The table that a page should have and has not; `None`: it has it.
fn lacking_table(page: &str, sources: &[Source]) -> Option<String> {
    let table = rooms_table(&rooms(sources), &floors(page));
    (!page.contains(&table)).then_some(table)
}

#[test]
fn architecture_says_who_imports_whom() {
    let lacking = lacking_table(&architecture(), &sources(&["engine"]));
    assert_eq!(lacking, None, "the table of floors is not what `just rooms` prints");
}

#[test]
fn a_table_that_says_other_imports_than_there_are_is_seen() {
    let source = Source::of("engine/dataplane/src/journal/log.rs", "use wire::terms::ids::Msn;");
    let page = |imports: &str| {
        "| floor | room | imports |\n|---|---|---|\n| 0 | `terms` | nothing |\n".to_owned()
            + &format!("| 1 | `journal` | {imports} |\n")
    };
    let lacks = |imports: &str| lacking_table(&page(imports), std::slice::from_ref(&source));
    assert_eq!(lacks("terms"), None);
    assert_eq!(lacks("nothing"), Some(page("terms")));
    assert!(lacks("terms, host").is_some());
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    assert_eq!(circles(&sources(&["engine"])), Vec::<Vec<String>>::new());
}

/// Files that stand beside the rooms and not in one.
fn loose(sources: &[Source]) -> Vec<&str> {
    let places = sources.iter().map(|source| source.place.as_str());
    let is_loose = |place: &&str| {
        let folder = place.rsplit_once('/').map(|(folder, _)| folder);
        folder.is_some_and(|folder| folder.ends_with("/src"))
    };
    places.filter(is_loose).collect()
}

#[test]
fn no_file_stands_outside_a_room() {
    let sources = sources(&["engine/src", "engine/dataplane/src"]);
    let crates = ["engine/dataplane/src/lib.rs", "engine/src/lib.rs", "engine/src/main.rs"];
    assert_eq!(loose(&sources), crates);
}

#[test]
fn a_file_outside_of_every_room_is_seen() {
    let of = |place: &str| Source::of(place, "");
    let sources = [of("engine/src/clock.rs"), of("engine/src/start/config.rs")];
    assert_eq!(loose(&sources), ["engine/src/clock.rs"]);
}

#[test]
fn an_import_that_leads_upward_or_sideways_is_seen() {
    let floors = floors("| 0 | `terms` | |\n| 1 | `journal` | |\n| 1 | `smsc` | |\n");
    for (text, wrong) in [
        ("use crate::smsc::core::Core;", "journal -> smsc"),
        ("fn f() -> crate::smsc::X {}", "journal -> smsc"),
        ("use crate::unheard::{A, B};", "journal -> unheard"),
        ("use crate::{journal::{Kind, log}, smsc::Place};", "journal -> smsc"),
        ("use crate::smsc as center;", "journal -> smsc"),
        ("use crate::\n    smsc::X;", "journal -> smsc"),
        ("pub(crate) use super::super::smsc::X;", "journal -> smsc"),
        ("#[cfg(unix)] use crate::{\n    smsc::X,\n};", "journal -> smsc"),
        ("use ::wire::push::scan;", "journal -> wire"),
        ("const A: &str = r#\"a \" b\"#; use crate::smsc::X;", "journal -> smsc"),
        ("/* \" */ use crate::smsc::X;", "journal -> smsc"),
        ("fn f() { assert!(crate::smsc::X > 1) }", "journal -> smsc"),
    ] {
        let source = Source::of("engine/dataplane/src/journal/log.rs", text);
        let found = upward(&rooms(&[source]), &floors);
        assert_eq!(
            found.iter().map(|(rooms, _)| rooms.as_str()).collect::<Vec<_>>(),
            [wrong],
            "{text}"
        );
        assert!(found[0].1.starts_with("engine/dataplane/src/journal/log.rs:"), "{found:?}");
    }
    let harmless = "// use crate::smsc::X;\nuse wire::terms::Msn;\nuse super::frame;\n\
                    const A: &str = \"crate::smsc::X\";\n\
                    #[cfg(test)]\nmod tests {\n    use crate::smsc::X;\n}\n";
    let source = Source::of("engine/dataplane/src/journal/log.rs", harmless);
    assert_eq!(upward(&rooms(&[source]), &floors), []);
}

#[test]
fn what_speaks_to_nats_stands_above_the_room_whose_ports_it_has() {
    let floors = floors("| 2 | `cluster` | |\n| 4 | `nats` | |\n");
    let keeper = Source::of("engine/dataplane/src/cluster/keeper.rs", "use crate::nats::NatsLog;");
    let wrong = upward(&rooms(&[keeper]), &floors);
    assert_eq!(
        wrong.iter().map(|(rooms, _)| rooms.as_str()).collect::<Vec<_>>(),
        ["cluster -> nats"]
    );
    let log = Source::of("engine/src/nats/log.rs", "use crate::cluster::ports::LogNews;");
    assert_eq!(upward(&rooms(&[log]), &floors), []);
}

#[test]
fn a_room_that_is_hidden_is_seen() {
    for text in [
        "use crate as top;",
        "use super::super as top;",
        "use crate::*;",
        "use wire as w;",
        "extern crate self as me;",
        "#[path = \"../cli/place.rs\"]\nmod place;",
        "include!(\"../cli/place.rs\");",
    ] {
        assert!(
            !hidden(&Source::of("engine/dataplane/src/journal/log.rs", text)).is_empty(),
            "{text}"
        );
    }
    let harmless = "use std::io as io_words; use super::first_octet as bits; use super::*;";
    assert_eq!(
        hidden(&Source::of("engine/dataplane/src/journal/log.rs", harmless)),
        Vec::<String>::new()
    );
}

#[test]
fn a_circle_of_files_is_seen() {
    let one = Source::of("engine/dataplane/src/smsc/one.rs", "pub use super::two::Two;\n");
    let two = Source::of("engine/dataplane/src/smsc/two.rs", "use crate::smsc::{three::Three};\n");
    let three = Source::of("engine/dataplane/src/smsc/three.rs", "fn f(one: super::one::One) {}\n");
    let expected: Vec<String> = [&one, &three, &two].map(|source| source.place.clone()).to_vec();
    assert_eq!(circles(&[one.clone(), two.clone(), three]), [expected]);
    assert_eq!(circles(&[one, two]), Vec::<Vec<String>>::new());
}

#[test]
fn a_module_and_what_is_within_it_are_one() {
    let parent = Source::of("engine/dataplane/src/smsc/mod.rs", "mod one;\nuse one::One;\n");
    let child = Source::of("engine/dataplane/src/smsc/one.rs", "use super::Parent;\n");
    assert_eq!(circles(&[parent, child]), Vec::<Vec<String>>::new());
}
