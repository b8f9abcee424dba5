//! Rooms import downward only, in no circle, and ARCHITECTURE.md says who imports whom.

use std::collections::{BTreeMap, BTreeSet};
use tests::house::{Source, circles, floors, rooms, rooms_table, root, sources};

/// Imports that do not lead to a lower floor, each as `room -> room`.
fn upward(rooms: &BTreeMap<String, BTreeSet<String>>, floors: &[(String, u32)]) -> Vec<String> {
    let floor_of = |room: &str| floors.iter().find(|(name, _)| name == room).map(|(_, floor)| *floor);
    let mut wrong = Vec::new();
    for (room, named) in rooms {
        for other in named {
            if floor_of(other).is_none() || floor_of(other) >= floor_of(room) {
                wrong.push(format!("{room} -> {other}"));
            }
        }
    }
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
    assert_eq!(upward(&rooms, &floors), Vec::<String>::new(), "imports that lead upward");
}

#[test]
fn architecture_says_who_imports_whom() {
    let text = architecture();
    let table = rooms_table(&rooms(&sources(&["engine"])), &floors(&text));
    assert!(text.contains(&table), "the table of floors is not what `just rooms` prints:\n{table}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    assert_eq!(circles(&sources(&["engine"])), Vec::<Vec<String>>::new());
}

#[test]
fn no_file_stands_outside_a_room() {
    let loose: Vec<String> = sources(&["engine/src"])
        .into_iter()
        .map(|source| source.place)
        .filter(|place| place.matches('/').count() == 2)
        .collect();
    assert_eq!(loose, ["engine/src/lib.rs", "engine/src/main.rs"]);
}

#[test]
fn an_import_that_leads_upward_or_sideways_is_seen() {
    let floors = floors("| 0 | `terms` | |\n| 1 | `journal` | |\n| 1 | `smsc` | |\n");
    for (text, wrong) in [
        ("use crate::smsc::core::Core;", "journal -> smsc"),
        ("fn f() -> crate::smsc::X {}", "journal -> smsc"),
        ("use crate::unheard::{A, B};", "journal -> unheard"),
    ] {
        let source = Source::of("engine/src/journal/log.rs", text);
        assert_eq!(upward(&rooms(&[source]), &floors), [wrong], "{text}");
    }
    let harmless = "// use crate::smsc::X;\nuse wire::terms::Msn;\nuse super::frame;\n\
                    #[cfg(test)]\nmod tests {\n    use crate::smsc::X;\n}\n";
    let source = Source::of("engine/src/journal/log.rs", harmless);
    assert_eq!(upward(&rooms(&[source]), &floors), Vec::<String>::new());
}

#[test]
fn a_circle_of_files_is_seen() {
    let one = Source::of("engine/src/smsc/one.rs", "use super::two::Two;\n");
    let two = Source::of("engine/src/smsc/two.rs", "use crate::smsc::{three::Three};\n");
    let three = Source::of("engine/src/smsc/three.rs", "fn f(one: super::one::One) {}\n");
    let expected: Vec<String> = [&one, &three, &two].map(|source| source.place.clone()).to_vec();
    assert_eq!(circles(&[one.clone(), two.clone(), three]), [expected]);
    assert_eq!(circles(&[one, two]), Vec::<Vec<String>>::new());
}
