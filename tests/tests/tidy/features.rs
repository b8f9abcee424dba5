//! What both programs share is compiled with the same features for both: of README's commands
//! neither compiles again what the other has compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use tests::house::root;

/// Crates with their versions, and the features that each is compiled with: one text of them, or
/// two where a build script's differ.
type Features = BTreeMap<String, BTreeSet<String>>;

/// What `cargo tree` says of a package: a crate a line, its features behind a bar.
fn read(tree: &str) -> Features {
    let mut features = Features::new();
    for line in tree.lines() {
        // What was shown before ends so.
        let line = line.strip_suffix(" (*)").unwrap_or(line);
        if let Some((name, of)) = line.split_once('|') {
            features.entry(name.trim().to_owned()).or_default().insert(of.trim().to_owned());
        }
    }
    features
}

/// As `cargo run --release -p PACKAGE` compiles it.
fn features_of(package: &str) -> Features {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "--edges", "no-dev", "--prefix", "none"])
        .args(["--format", "{p}|{f}", "--package", package])
        .current_dir(root())
        .output()
        .expect("cargo");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    read(&String::from_utf8(tree.stdout).expect("names are ASCII"))
}

/// Crates of both that are compiled in another way for each.
fn differing<'a>(one: &'a Features, other: &Features) -> Vec<&'a str> {
    let differs =
        |(name, of): &(&String, &BTreeSet<String>)| other.get(*name).is_some_and(|its| its != *of);
    one.iter().filter(differs).map(|(name, _)| name.as_str()).collect()
}

#[test]
fn both_programs_are_compiled_with_the_same_features_of_what_they_share() {
    let (engine, load) = (features_of("hayauma"), features_of("loadgen"));
    let shared = engine.keys().filter(|name| load.contains_key(*name)).count();
    assert!(shared > 100, "the crates are found: {shared}");
    assert_eq!(differing(&engine, &load), Vec::<&str>::new(), "see engine/Cargo.toml");
}

#[test]
fn a_crate_that_the_other_program_has_with_another_feature_is_seen() {
    let engine = read("serde v1.0.2|derive,std\nhayauma v0.1.0 (/src)|default\nserde v1.0.2|std\n");
    let load = read("serde v1.0.2|std (*)\nserde v1.0.2|derive,std\nmio v1.0.0|net\n");
    assert_eq!(differing(&engine, &load), Vec::<&str>::new());
    let load = read("serde v1.0.2|derive,rc,std\nserde v1.0.2|std\n");
    assert_eq!(differing(&engine, &load), ["serde v1.0.2"]);
}
