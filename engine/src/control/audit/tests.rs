//! The chain on files: what is written is found intact, and every change to it is found.

use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::*;
use wire::terms::time::WallMs;

/// 1 November 2026, 12:00 in Japan, and a day.
const NOVEMBER_MS: u64 = 1_793_502_000_000;
const DAY_MS: u64 = 86_400_000;

/// Writes acts at these times and gives what the registry would know.
fn write(directory: &Path, head: Head, times_ms: &[u64]) -> Head {
    let mut log = AuditLog::open(directory, known(head)).expect("an audit");
    for time_ms in times_ms {
        append(&mut log, *time_ms);
    }
    log.head()
}

/// Writes an act; what the registry was told before.
fn append(log: &mut AuditLog, time_ms: u64) -> AuditKnown {
    let act = Act::new("client set 00100000001").before(&"a \"b\"\n").after(&[1, 2]);
    let next = log.next(WallMs::new(time_ms), "uid:ada", &act);
    let told = AuditKnown { head: log.head(), next_sha256: Some(next.head().last_sha256) };
    log.append(next).expect("room");
    told
}

fn known(head: Head) -> AuditKnown {
    AuditKnown { head, next_sha256: None }
}

fn faults(directory: &Path, head: Head) -> Vec<String> {
    verify(directory, known(head)).expect("readable").faults
}

#[test]
fn lines_carry_who_what_when_and_the_line_before_across_openings() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let head = write(path, Head::default(), &[NOVEMBER_MS, NOVEMBER_MS + 1]);
    let head = write(path, head, &[NOVEMBER_MS + 2]);
    let verdict = verify(path, known(head)).expect("readable");
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
    let told = |lines: &[&[u8]], what: String| {
        fs::write(path.join(FILE_NAME), lines.concat()).expect("writable");
        assert_ne!(faults(path, head), Vec::<String>::new(), "{what}");
    };
    for at in 0..lines.len() {
        for to in (0..=lines.len()).filter(|to| *to != at && *to != at + 1) {
            let mut moved = lines.clone();
            let line = moved.remove(at);
            moved.insert(if to > at { to - 1 } else { to }, line);
            told(&moved, format!("line {at} at {to}"));
        }
        for to in 0..=lines.len() {
            let mut twice = lines.clone();
            twice.insert(to, lines[at]);
            told(&twice, format!("line {at} again at {to}"));
        }
    }
    // Put in with the right number and the right hash, at the end too.
    for at in 0..=lines.len() {
        let previous: [u8; 32] = match at {
            0 => [0; 32],
            _ => Sha256::digest(&lines[at - 1][..lines[at - 1].len() - 1]).into(),
        };
        let line =
            Act::new("stop").line(at as u64 + 1, "2026-11-01 12:00", "eve", &previous) + "\n";
        let mut more = lines.clone();
        more.insert(at, line.as_bytes());
        told(&more, format!("a line at {at}"));
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
    let verdict = verify(path, known(head)).expect("readable");
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
    let verdict = verify(path, known(head)).expect("readable");
    assert_eq!(verdict, Verdict { lines: 7, files: 3, faults: Vec::new() });
    // A month that was put away and has no line behind it is over as well.
    fs::rename(path.join(FILE_NAME), path.join("audit-202701-7.jsonl")).expect("renamed");
    let head = write(path, head, &[december_ms]);
    let head = write(path, head, &[january_ms, january_ms + 31 * DAY_MS]);
    let verdict = verify(path, known(head)).expect("readable");
    assert_eq!(verdict, Verdict { lines: 10, files: 5, faults: Vec::new() });
}

#[test]
fn a_line_that_a_crash_left_uncounted_is_taken_in_as_one_whose_act_was_not_done() {
    for is_put_away in [false, true] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        let before = write(path, Head::default(), &[NOVEMBER_MS]);
        let mut log = AuditLog::open(path, known(before)).expect("an audit");
        let told = append(&mut log, NOVEMBER_MS);
        if is_put_away {
            let to = path.join("audit-202611-1.jsonl");
            fs::rename(path.join(FILE_NAME), to).expect("renamed");
        }
        let intact = verify(path, told).expect("readable").faults;
        assert_eq!(intact, Vec::<String>::new());
        let mut log = AuditLog::open(path, told).expect("an audit");
        assert_eq!(log.head().lines, 2);
        let undone = log.take_undone().expect("a line");
        assert_eq!((undone.number, log.take_undone()), (2, None));
        assert!(Act::undone(&undone).line(3, "t", "engine", &[0; 32]).contains("not done: client"));
        append(&mut log, NOVEMBER_MS + 31 * DAY_MS);
        assert_eq!((log.head().lines, faults(path, log.head())), (3, Vec::new()));
    }
}

#[test]
fn what_a_crash_left_of_a_line_goes_and_a_cut_end_stays_seen() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let head = write(path, Head::default(), &[NOVEMBER_MS; 2]);
    let mut text = fs::read(path.join(FILE_NAME)).expect("readable");
    text.extend_from_slice(b"{\"number\":3,\"ti");
    fs::write(path.join(FILE_NAME), text).expect("writable");
    let head = write(path, head, &[NOVEMBER_MS]);
    assert_eq!((head.lines, faults(path, head)), (3, Vec::new()));
    // A cut end stays seen, whatever is written behind it.
    let text = fs::read_to_string(path.join(FILE_NAME)).expect("readable");
    let first = text.split_inclusive('\n').next().expect("a line");
    fs::write(path.join(FILE_NAME), first).expect("writable");
    let head = write(path, head, &[NOVEMBER_MS]);
    assert_eq!(head.lines, 4);
    assert!(faults(path, head)[0].contains("lines are missing"));
}

#[test]
fn an_audit_of_many_lines_is_opened_by_its_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let head = write(path, Head::default(), &[NOVEMBER_MS; 3]);
    // A month of lines that nobody could read one by one: a hole of 64 GiB.
    let text = fs::read(path.join(FILE_NAME)).expect("readable");
    let first = text.iter().position(|octet| *octet == b'\n').expect("a line") + 1;
    let last = text[..text.len() - 1].iter().rposition(|octet| *octet == b'\n').expect("lines") + 1;
    let file = fs::File::create(path.join(FILE_NAME)).expect("writable");
    std::os::unix::fs::FileExt::write_all_at(&file, &text[..first], 0).expect("writable");
    let hole = 1 << 36;
    std::os::unix::fs::FileExt::write_all_at(&file, b"\n", hole - 1).expect("writable");
    std::os::unix::fs::FileExt::write_all_at(&file, &text[last..], hole).expect("writable");
    let mut log = AuditLog::open(path, known(head)).expect("an audit");
    append(&mut log, NOVEMBER_MS);
    assert_eq!(log.head().lines, 4);
    assert!(fs::metadata(path.join(FILE_NAME)).expect("there").len() > hole);
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
        AuditLog::open(directory.path(), AuditKnown::default()).map(|_| ()).expect_err("no file");
    assert!(refused.to_string().contains("nothing is done without it"), "{refused}");
}

#[test]
fn a_copy_that_was_made_while_lines_were_written_ends_where_its_registry_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let heads = [2, 3].map(|lines| {
        let times: Vec<u64> = (0..lines).map(|at| NOVEMBER_MS + at * 31 * DAY_MS).collect();
        fs::remove_dir_all(path).expect("there");
        fs::create_dir(path).expect("made");
        write(path, Head::default(), &times)
    });
    let text = fs::read(path.join(FILE_NAME)).expect("readable");
    fs::write(path.join(FILE_NAME), [&text[..], b"{\"number\":4"].concat()).expect("writable");
    cut_behind(path, 3).expect("cut");
    assert_eq!(faults(path, heads[1]), Vec::<String>::new());
    cut_behind(path, 2).expect("cut");
    assert_eq!(faults(path, heads[0]), Vec::<String>::new());
    cut_behind(path, 0).expect("cut");
    assert_eq!(files(path).expect("readable").len(), 0);
}

#[test]
fn no_line_is_written_where_the_file_was_replaced_moved_or_cut_while_it_was_open() {
    let act = Act::new("pause");
    for harm in ["replaced", "moved", "cut"] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(FILE_NAME);
        let mut log = AuditLog::open(directory.path(), known(Head::default())).expect("an audit");
        append(&mut log, NOVEMBER_MS);
        append(&mut log, NOVEMBER_MS + 1);
        let whole = fs::read(&path).expect("readable");
        let aside = directory.path().join("aside");
        match harm {
            "replaced" => {
                fs::rename(&path, &aside).expect("its own");
                fs::write(&path, &whole).expect("writable");
            }
            "moved" => fs::rename(&path, &aside).expect("its own"),
            _ => {
                let file = fs::OpenOptions::new().write(true).open(&path).expect("its own");
                file.set_len(10).expect("writable");
            }
        }
        let head = log.head();
        // A copy that holds every line is as good as the file.
        for _ in 0..if harm == "replaced" { 1 } else { 2 } {
            let next = log.next(WallMs::new(NOVEMBER_MS + 2), "uid:ada", &act);
            let refused = log.append(next).expect_err(harm).to_string();
            assert!(refused.contains("nothing is done without it"), "{harm}: {refused}");
        }
        assert_eq!(log.head(), head, "{harm}");
        // Whoever opens it anew is told, and goes on from what the registry knows.
        let again = AuditLog::open(directory.path(), known(head)).expect("an audit");
        assert_eq!(again.is_broken_off(), harm != "replaced", "{harm}");
    }
}

#[test]
fn where_the_whole_directory_is_gone_acts_go_on_in_the_open_file() {
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().join("data");
    fs::create_dir(&directory).expect("writable");
    let mut log = AuditLog::open(&directory, known(Head::default())).expect("an audit");
    append(&mut log, NOVEMBER_MS);
    fs::remove_dir_all(&directory).expect("its own");
    append(&mut log, NOVEMBER_MS + 1);
    assert_eq!(log.head().lines, 2);
}
