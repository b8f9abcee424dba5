//! The chain on files: what is written is found intact, and every change to it is found.

use std::fs;
use std::path::Path;

use super::*;

/// 1 November 2026, 12:00 in Japan, and a day.
const NOVEMBER_MS: u64 = 1_793_502_000_000;
const DAY_MS: u64 = 86_400_000;

/// Writes acts at these times and gives what the registry would know.
fn write(directory: &Path, mut head: Head, times_ms: &[u64]) -> Head {
    let mut log = AuditLog::open(directory, head).expect("an audit");
    for time_ms in times_ms {
        let act = Act::new("client set 00100000001").before(&"a \"b\"\n").after(&[1, 2]);
        head = log.append(*time_ms, "uid:ada", &act).expect("room");
    }
    head
}

fn faults(directory: &Path, head: Head) -> Vec<String> {
    verify(directory, head).expect("readable").faults
}

#[test]
fn lines_carry_who_what_when_and_the_line_before_across_openings() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let head = write(path, Head::default(), &[NOVEMBER_MS, NOVEMBER_MS + 1]);
    let head = write(path, head, &[NOVEMBER_MS + 2]);
    let verdict = verify(path, head).expect("readable");
    assert_eq!(verdict, Verdict { lines: 3, files: 1, faults: Vec::new() });
    let text = fs::read_to_string(path.join(FILE_NAME)).expect("readable");
    let line = text.lines().next().expect("a line");
    for part in [
        r#"{"number":1,"time":"2026-11-01 "#,
        r#"+09:00","actor":"uid:ada","act":"client set 00100000001","before":"a \"b\"\n","after":"#,
        r#""after":[1,2],"previous":"0000"#,
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path.join(FILE_NAME)).expect("it stands").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn every_octet_that_is_changed_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let head = write(path, Head::default(), &[NOVEMBER_MS; 3]);
    let whole = fs::read(path.join(FILE_NAME)).expect("readable");
    for at in 0..whole.len() {
        for mask in [1, 0x20, 0xff] {
            let mut changed = whole.clone();
            changed[at] ^= mask;
            fs::write(path.join(FILE_NAME), &changed).expect("writable");
            assert_ne!(faults(path, head), Vec::<String>::new(), "octet {at} under {mask:#x}");
        }
    }
    for octets in 0..whole.len() {
        fs::write(path.join(FILE_NAME), &whole[..octets]).expect("writable");
        assert_ne!(faults(path, head), Vec::<String>::new(), "the first {octets} octets");
    }
    let lines: Vec<&[u8]> = whole.split_inclusive(|octet| *octet == b'\n').collect();
    for left_out in 0..lines.len() {
        let rest: Vec<u8> = (0..lines.len())
            .filter(|at| *at != left_out)
            .flat_map(|at| lines[at].to_vec())
            .collect();
        fs::write(path.join(FILE_NAME), rest).expect("writable");
        assert_ne!(faults(path, head), Vec::<String>::new(), "without line {left_out}");
    }
    fs::remove_file(path.join(FILE_NAME)).expect("it stands");
    assert!(faults(path, head)[0].contains("its end was cut"));
    fs::write(path.join(FILE_NAME), &whole).expect("writable");
    assert_eq!(faults(path, head), Vec::<String>::new());
}

#[test]
fn a_month_has_its_file_and_the_chain_goes_on_across_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let months = [NOVEMBER_MS, NOVEMBER_MS + 29 * DAY_MS, NOVEMBER_MS + 31 * DAY_MS];
    let head = write(path, Head::default(), &months);
    // A clock that is set back opens no month again.
    let head = write(path, head, &[NOVEMBER_MS + 2 * DAY_MS, NOVEMBER_MS + 65 * DAY_MS]);
    let names: Vec<String> = files(path)
        .expect("readable")
        .iter()
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["audit-202611-1.jsonl", "audit-202612-3.jsonl", "audit.jsonl"]);
    let verdict = verify(path, head).expect("readable");
    assert_eq!(verdict, Verdict { lines: 5, files: 3, faults: Vec::new() });
    for name in &names {
        let kept = fs::read(path.join(name)).expect("readable");
        fs::remove_file(path.join(name)).expect("it stands");
        assert_ne!(faults(path, head), Vec::<String>::new(), "without {name}");
        fs::write(path.join(name), kept).expect("writable");
    }
}

#[test]
fn a_clock_that_steps_back_and_forth_at_a_months_end_leaves_the_files_in_their_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let (december_ms, january_ms) = (NOVEMBER_MS + 31 * DAY_MS, NOVEMBER_MS + 62 * DAY_MS);
    let head = write(path, Head::default(), &[NOVEMBER_MS, december_ms]);
    let head = write(path, head, &[NOVEMBER_MS]);
    let head = write(path, head, &[december_ms, NOVEMBER_MS]);
    let head = write(path, head, &[december_ms, january_ms]);
    let verdict = verify(path, head).expect("readable");
    assert_eq!(verdict, Verdict { lines: 7, files: 3, faults: Vec::new() });
    // A month that was put away and has no line behind it is over as well.
    fs::rename(path.join(FILE_NAME), path.join("audit-202701-7.jsonl")).expect("renamed");
    let head = write(path, head, &[december_ms]);
    let head = write(path, head, &[january_ms, january_ms + 31 * DAY_MS]);
    let verdict = verify(path, head).expect("readable");
    assert_eq!(verdict, Verdict { lines: 10, files: 5, faults: Vec::new() });
}

#[test]
fn a_line_that_the_registry_does_not_know_counts_in_a_file_that_was_put_away_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let known = write(path, Head::default(), &[NOVEMBER_MS]);
    write(path, known, &[NOVEMBER_MS]);
    fs::rename(path.join(FILE_NAME), path.join("audit-202611-1.jsonl")).expect("renamed");
    let head = write(path, known, &[NOVEMBER_MS + 31 * DAY_MS]);
    assert_eq!((head.lines, faults(path, head)), (3, Vec::new()));
    // And further ones behind it.
    let head = write(path, known, &[NOVEMBER_MS + 31 * DAY_MS]);
    assert_eq!((head.lines, faults(path, head)), (4, Vec::new()));
}

#[test]
fn a_line_whose_time_is_none_is_passed_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let line = Act::new("stop").line(1, "\u{3042}\u{3042}\u{3042}\u{3042}", "ada", &[0; 32]);
    fs::write(path.join(FILE_NAME), line + "\n").expect("writable");
    let head = write(path, Head::default(), &[NOVEMBER_MS]);
    assert_eq!(head.lines, 2);
}

#[test]
fn what_a_crash_left_of_a_line_goes_and_a_line_that_the_registry_does_not_know_yet_counts() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let known = write(path, Head::default(), &[NOVEMBER_MS]);
    let ahead = write(path, known, &[NOVEMBER_MS]);
    let mut text = fs::read(path.join(FILE_NAME)).expect("readable");
    text.extend_from_slice(b"{\"number\":3,\"ti");
    fs::write(path.join(FILE_NAME), text).expect("writable");
    let head = write(path, known, &[NOVEMBER_MS]);
    assert_eq!((ahead.lines, head.lines), (2, 3));
    assert_eq!(faults(path, head), Vec::<String>::new());
    // A cut end stays seen, whatever is written behind it.
    let text = fs::read_to_string(path.join(FILE_NAME)).expect("readable");
    let first = text.split_inclusive('\n').next().expect("a line");
    fs::write(path.join(FILE_NAME), first).expect("writable");
    let head = write(path, head, &[NOVEMBER_MS]);
    assert_eq!(head.lines, 4);
    assert!(faults(path, head)[0].contains("lines are missing"));
}

#[test]
fn an_act_that_fails_says_so_and_a_file_that_cannot_be_written_refuses_it() {
    let act = Act::new("client remove 00100000001");
    let failed = act.failed("it has contracts").line(2, "t", "ada", &[0; 32]);
    assert!(failed.contains(r#""act":"not done: client remove 00100000001""#), "{failed}");
    assert!(failed.contains(r#""after":"it has contracts""#), "{failed}");
    let directory = tempfile::tempdir().expect("a directory");
    fs::create_dir(directory.path().join(FILE_NAME)).expect("writable");
    let refused =
        AuditLog::open(directory.path(), Head::default()).map(|_| ()).expect_err("no file");
    assert!(refused.to_string().contains("nothing is done without it"), "{refused}");
}
