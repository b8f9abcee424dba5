//! One meaning a name: no two types that a room shows to others have the same one.
//!
//! What stands within a room is the room's own affair. The codecs of SMS and SMPP name the things
//! of each standard as it does.

use proc_macro2::TokenTree;
use std::collections::{BTreeMap, BTreeSet};
use tests::house::{Source, sources};

/// The crates of the engine.
const FOLDERS: [&str; 4] =
    ["engine/src", "engine/dataplane/src", "engine/host/src", "engine/wire/src"];
/// Whose names are the standards'.
const CODECS: [&str; 2] = ["engine/wire/src/sms/", "engine/wire/src/smpp/"];

/// The types that a source shows to other rooms: `pub`, or `pub(crate)`.
fn shown(code: &[TokenTree]) -> Vec<String> {
    let mut found = Vec::new();
    let words: Vec<String> = code.iter().map(ToString::to_string).collect();
    for (at, token) in code.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            found.extend(shown(&group.stream().into_iter().collect::<Vec<_>>()));
        }
        let is_type = ["struct", "enum", "trait", "union"].contains(&words[at].as_str());
        let before = |back: usize| at.checked_sub(back).map_or("", |at| words[at].as_str());
        let is_shown = before(1) == "pub" || before(1) == "(crate)" && before(2) == "pub";
        if is_type
            && is_shown
            && let Some(name) = words.get(at + 1)
            // A macro's `$name` is none.
            && name != "$"
        {
            found.push(name.clone());
        }
    }
    found
}

/// Names that more than one source shows, with the places.
fn doubled(sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        for name in shown(&source.code()) {
            places.entry(name).or_default().insert(source.place.clone());
        }
    }
    places.retain(|_, places| places.len() > 1);
    places
}

#[test]
fn no_two_rooms_show_types_of_one_name() {
    let mut sources = sources(&FOLDERS);
    sources.retain(|source| !CODECS.iter().any(|codec| source.place.starts_with(codec)));
    assert!(sources.len() > 400, "the sources are there");
    assert_eq!(doubled(&sources), BTreeMap::new());
}

#[test]
fn a_name_with_two_meanings_is_seen() {
    let of = |texts: &[&str]| -> Vec<String> {
        let sources: Vec<Source> = texts
            .iter()
            .enumerate()
            .map(|(number, text)| Source::of(&format!("engine/src/{number}.rs"), text))
            .collect();
        doubled(&sources).into_keys().collect()
    };
    assert_eq!(of(&["pub struct A;", "pub enum A {}"]), ["A"]);
    assert_eq!(of(&["pub(crate) struct A;", "mod x { pub trait A {} }"]), ["A"]);
    assert!(of(&["pub struct A;", "struct A;"]).is_empty(), "a room's own");
    assert!(of(&["pub struct A;", "pub(super) struct A;"]).is_empty(), "a room's own");
    assert!(of(&["pub struct A;", "pub struct B;"]).is_empty());
    assert!(of(&["pub struct A;", "#[cfg(test)] mod tests { pub struct A; }"]).is_empty());
}
