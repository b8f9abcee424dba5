//! Replays the corpus of the fuzz targets, so that what they once found stays fixed without a
//! fuzzer.

#[path = "../../fuzz/src/checks.rs"]
#[allow(unreachable_pub)]
mod checks;

use std::path::PathBuf;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut replayed = 0;
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        let octets = std::fs::read(&path).expect("a readable file");
        println!("{}", path.display());
        check(&octets);
        replayed += 1;
    }
    assert!(replayed > 10, "the corpus of {target} is there: {replayed} files");
}

#[test]
fn tpdus_of_the_corpus_still_pass() {
    replay("tpdu", checks::check_tpdu);
}

#[test]
fn headers_of_the_corpus_still_pass() {
    replay("header", checks::check_header);
}

#[test]
fn texts_of_the_corpus_still_pass() {
    replay("alphabet", checks::check_alphabet);
}

#[test]
fn addresses_of_the_corpus_still_pass() {
    replay("address", checks::check_address);
}

#[test]
fn segments_of_the_corpus_still_open() {
    replay("segment_open", checks::check_segment);
}

#[test]
fn warnings_of_the_corpus_are_still_read_or_refused() {
    replay("warning", checks::check_warning);
}

#[test]
fn lists_of_the_corpus_are_still_accounted_for() {
    replay("list", checks::check_list);
}

#[test]
fn manifests_of_the_corpus_still_read_back() {
    replay("manifest", checks::check_manifest);
}
