//! `hayauma client` and `hayauma contract` as an operator uses them, with the engine stopped and
//! with the engine running, which works by every change at once.

use std::fmt::Write as _;
use std::time::{Duration, Instant};
use tests::engine::{Engine, Finished};
use tests::push::{Body, XPID};
use tests::site::Site;

const MSN: &str = "09012345678";
const OTHER: &str = "00100000002";

#[track_caller]
fn code(engine: &Engine, xpid: &str, msn: &str, reqid: &str) -> String {
    engine.connect().ask(&Body::push(msn, reqid).with("svcid", xpid).request()).code()
}

#[track_caller]
fn check_refused(finished: &Finished, parts: &[&str]) {
    let refusal = finished.refusal();
    assert!(finished.status == Some(1) && refusal.starts_with("hayauma: "), "{finished:?}");
    for part in parts {
        assert!(refusal.contains(part), "{part:?} in {refusal}");
    }
}

#[test]
fn a_running_engine_works_by_every_change_at_once() {
    let mut site = Site::new(tests::programs!());
    let engine = site.shards(2).start();
    assert_eq!(code(&engine, XPID, MSN, "a"), "2002");
    site.add_client(XPID, &[]);
    assert_eq!(code(&engine, XPID, MSN, "a"), "2005");
    assert_eq!(
        site.must(&["contract", "add", XPID, MSN, "09000000000-09000000009"]),
        "added 11, already there 0\n"
    );
    assert_eq!(site.must(&["contract", "add", XPID, MSN]), "added 0, already there 1\n");
    assert_eq!(code(&engine, XPID, MSN, "a"), "0000");
    for (number, (change, expected)) in [
        (&["--suspended"][..], "2004"),
        (&["--resumed"], "0000"),
        (&["--token-file", &site.token_file("secret")], "2001"),
        (&["--no-token"], "0000"),
        (&["--until", "2020-01-01"], "2004"),
        (&["--until", "open"], "0000"),
        (&["--kind", "text"], "2006"),
        (&["--kind", "text", "--kind", "control"], "0000"),
        (&["--volume", "1"], "0000"),
    ]
    .into_iter()
    .enumerate()
    {
        site.must(&[&["client", "set", XPID], change].concat());
        assert_eq!(code(&engine, XPID, MSN, &format!("set-{number}")), expected, "{change:?}");
    }
    assert_eq!(code(&engine, XPID, MSN, "over"), "2007", "the volume counts from when it was set");
    site.must(&["client", "set", XPID, "--volume", "0"]);
    assert_eq!(
        site.must(&["contract", "remove", XPID, "09000000000-09000000004"]),
        "removed 5, not there 0\n"
    );
    for number in 0..10 {
        let expected = if number < 5 { "2005" } else { "0000" };
        assert_eq!(code(&engine, XPID, &format!("0900000000{number}"), "removed"), expected);
    }
    check_refused(&site.run(&["client", "remove", XPID]), &["contracts"]);
    assert_eq!(code(&engine, XPID, MSN, "still"), "0000");
    site.must(&["client", "remove", XPID, "--with-contracts"]);
    assert_eq!(code(&engine, XPID, MSN, "gone"), "2002");
    site.add_client(XPID, &[]);
    assert_eq!(code(&engine, XPID, MSN, "again"), "2005", "its contracts went with it");
    engine.stop();
}

#[test]
fn registrations_are_the_same_whether_the_engine_runs_or_not() {
    let site = Site::new(tests::programs!());
    let token = site.token_file("secret-token");
    let steps = |round: &str| {
        let mut said = Vec::new();
        let arguments = [
            "--token-file",
            &token,
            "--class",
            "emergency",
            "--svcinst",
            "11111",
            "--until",
            "2030-12-31",
        ];
        site.add_client(OTHER, &arguments);
        said.push(site.must(&["client", "show", OTHER]));
        said.push(site.must(&["client", "show", OTHER, "--json"]));
        site.must(&[
            "client",
            "set",
            OTHER,
            "--rate",
            "50",
            "--notify-url",
            "http://127.0.0.1:9/x",
            "--national",
        ]);
        said.push(site.must(&["client", "show", OTHER]));
        said.push(site.must(&["client", "list"]));
        said.push(site.must(&["contract", "add", OTHER, MSN, "09000000000-09000000999"]));
        said.push(site.must(&["contract", "count"]));
        said.push(site.must(&["contract", "list", "--msn", MSN]));
        said.push(site.must(&["contract", "list", "--xpid", OTHER, "--limit", "3", "--json"]));
        check_refused(
            &site.run(&["client", "add", OTHER, "--client", "x", "--sender", "x"]),
            &[OTHER],
        );
        check_refused(&site.run(&["client", "show", "00199999999"]), &["00199999999"]);
        check_refused(&site.run(&["client", "set", OTHER]), &["nothing to change"]);
        check_refused(&site.run(&["client", "set", OTHER, "--svcinst", "2"]), &["00011"]);
        check_refused(
            &site.run(&["client", "set", OTHER, "--notify-url", "ftp://x/"]),
            &["http://"],
        );
        check_refused(&site.run(&["contract", "add", "00199999999", MSN]), &["00199999999"]);
        said.push(site.must(&["client", "remove", OTHER, "--with-contracts"]));
        assert_eq!(site.must(&["contract", "list"]), "", "{round}");
        said
    };
    let stopped = steps("stopped");
    let engine = site.start();
    let running = steps("running");
    engine.stop();
    assert_eq!(stopped, running);
    let shown = &stopped[0];
    for part in [OTHER, "tests", "required", "emergency", "Hayauma", "11111", "2030-12-31"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(stopped[4].contains("added 1,001"), "{}", stopped[4]);
    assert!(stopped[6] == format!("{MSN},{OTHER}\n"), "{}", stopped[6]);
    assert!(!stopped.concat().contains("secret-token"), "a token is never shown");
    let store = std::fs::read(site.data_dir().join("registry.sqlite")).expect("a registry");
    assert!(
        !store.windows(12).any(|octets| octets == b"secret-token"),
        "a token is not kept in clear"
    );
}

#[test]
fn an_import_names_the_lines_it_refuses_and_takes_the_others() {
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    for number in 0..11 {
        site.add_client(&format!("002000000{number:02}"), &[]);
    }
    // Ten XPIDs have this msn already.
    let full = "08000000000";
    for number in 0..10 {
        site.add_contracts(&format!("002000000{number:02}"), &[full]);
    }
    let path = site.path("contracts.csv");
    let text = format!(
        "msn,xpid\n09000000000,{XPID}\n0900000001,{XPID}\n19000000002,{XPID}\n\
         09000000003,0010000000x\n09000000004,00199999999\n09000000005\n\n09000000000,{XPID}\n\
         {full},{XPID}\n09000000006,{XPID},more\n09000000007,{XPID}"
    );
    std::fs::write(&path, text).expect("a writable directory");
    let shown = path.display().to_string();
    let errors = site.path("errors.csv").display().to_string();
    let import = |round: &str, imported: u64, already_there: u64| {
        let finished = site.run(&["contract", "import", &shown, "--errors", &errors, "--json"]);
        check_refused(&finished, &["7 lines were refused"]);
        for part in ["line 3:", "line 4:", "line 5:", "line 6:", "line 7:", "line 10:", "line 11:"]
        {
            assert!(finished.stderr.contains(part), "{round}: {part} in {}", finished.stderr);
        }
        for (line, part) in [("line 6:", "00199999999"), ("line 10:", "10")] {
            let named = finished.stderr.lines().find(|told| told.starts_with(line));
            assert!(
                named.is_some_and(|told| told.contains(part)),
                "{round}: {part} in {}",
                finished.stderr
            );
        }
        for part in
            [format!("\"imported\":{imported}"), format!("\"already_there\":{already_there}")]
        {
            assert!(finished.stdout.contains(&part), "{round}: {part} in {}", finished.stdout);
        }
        let named = std::fs::read_to_string(&errors).expect("the refused lines");
        assert_eq!(named.lines().count(), 8, "{round}: {named}");
        assert!(named.starts_with("line,reason\n3,\""), "{round}: {named}");
    };
    import("stopped", 2, 1);
    let engine = site.start();
    import("running", 0, 3);
    assert_eq!(code(&engine, XPID, "09000000007", "imported"), "0000");
    assert_eq!(code(&engine, XPID, "09000000006", "refused"), "2005");
    engine.stop();
    check_refused(
        &site.run(&["contract", "import", "no-such-file.csv"]),
        &["no-such-file.csv", "cannot be read"],
    );
}

#[test]
fn two_hundred_thousand_contracts_are_imported_in_seconds_and_listed_again() {
    const ROWS: u64 = 200_000;
    let mut site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    site.add_client(OTHER, &[]);
    let path = site.path("contracts.csv");
    let mut text = String::new();
    for number in 0..ROWS {
        let _ = writeln!(text, "{:011},{XPID}", 9_000_000_000 + number * 7);
    }
    std::fs::write(&path, &text).expect("a writable directory");
    let begun = Instant::now();
    let said = site.must(&["contract", "import", &path.display().to_string()]);
    let stopped_within = begun.elapsed();
    assert!(
        said.starts_with("imported 200,000, already there 0, refused 0 of 200,000 lines"),
        "{said}"
    );
    assert_eq!(
        site.must(&["contract", "list", "--limit", "0"]),
        text,
        "what is listed is what was imported"
    );
    std::fs::write(&path, text.replace(XPID, OTHER)).expect("a writable directory");
    let engine = site.shards(2).start();
    let begun = Instant::now();
    site.must(&["contract", "import", &path.display().to_string()]);
    let running_within = begun.elapsed();
    assert_eq!(code(&engine, OTHER, &text[text.len() - 24..][..11], "the-last"), "0000");
    assert_eq!(code(&engine, XPID, &text[..11], "the-first"), "0000");
    let counts = site.must(&["contract", "count"]);
    assert!(counts.matches("200,000").count() == 2 && counts.contains("400,000"), "{counts}");
    engine.stop();
    // A million in seconds, on an engine that is built for speed and a machine that does nothing
    // else.
    let limit = Duration::from_secs(20);
    assert!(
        stopped_within < limit && running_within < limit,
        "{stopped_within:?}, {running_within:?}"
    );
}

#[test]
fn commands_say_what_they_need() {
    let site = Site::new(tests::programs!());
    let help = Finished::of(site.command(&["--help"]), "help");
    assert_eq!(help.status, Some(0));
    for command in ["serve", "client", "contract", "billing", "doctor", "shield"] {
        assert!(help.stdout.contains(command), "{command} in {}", help.stdout);
    }
    assert_eq!(Finished::of(site.command(&["--version"]), "version").status, Some(0));
    for arguments in [&["client", "list"][..], &["contract", "list"], &["client", "show", XPID]] {
        check_refused(&site.run(arguments), &["no registry", "--data-dir"]);
    }
    for arguments in [&["push", "show", MSN][..], &["queue"]] {
        check_refused(
            &site.run(arguments),
            &["cannot be read", "name the engine's data directory"],
        );
    }
    assert!(!site.data_dir().exists(), "a look makes nothing");
    for arguments in [
        &["client", "add", "1"][..],
        &["fly"],
        &["contract", "add", XPID],
        &["billing", "day", "soon"],
    ] {
        let finished = site.run(arguments);
        assert_eq!(finished.status, Some(2), "{finished:?}");
        assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    }
    site.add_client(XPID, &[]);
    let doctor = site.run(&["doctor"]);
    assert_eq!(doctor.status, Some(0), "{doctor:?}");
}

#[test]
fn a_file_that_a_spreadsheet_saved_otherwise_is_refused_with_the_cause() {
    let mut site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    let rows = format!("msn,xpid\r\n{MSN},{XPID}\r\n09000000001,{XPID}\r\n");
    let utf16: Vec<u8> =
        std::iter::once(0xfeff).chain(rows.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let lone = rows.replace("\r\n", "\r");
    let files = [
        (utf16, "UTF-16"),
        (rows.replace(',', ";").into_bytes(), "semicolons"),
        (rows.replace(',', "\t").into_bytes(), "tabs"),
        (lone.repeat(50_000).into_bytes(), "CR alone"),
        (lone.into_bytes(), "CR alone"),
        (format!("sep=,\r\n{rows}").into_bytes(), "sep="),
        (format!("=\"{MSN}\",=\"{XPID}\"\r\n").into_bytes(), "formula"),
        (vec![0; 3 << 20], "has no end"),
    ];
    let check_all = |site: &Site, way: &str| {
        for (number, (file, cause)) in files.iter().enumerate() {
            let path = site.path(&format!("contracts-{number}.csv"));
            std::fs::write(&path, file).expect("a writable directory");
            let finished = site.run(&["contract", "import", &path.display().to_string()]);
            assert_eq!(finished.status, Some(1), "{cause}, {way}: {finished:?}");
            assert!(finished.stderr.contains(cause), "{cause}, {way}: {}", finished.stderr);
        }
    };
    check_all(&site, "stopped");
    let engine = site.shards(1).start();
    check_all(&site, "running");
    engine.stop();
}

#[test]
fn messages_are_looked_into_at_the_command_line() {
    let site = Site::new(tests::programs!());
    let sms = |arguments: &[&str]| {
        let finished = Finished::of(site.command(&[&["sms"], arguments].concat()), "sms");
        assert_eq!(finished.status, Some(0), "{finished:?}");
        finished.stdout
    };
    // Two parts of one message, as a modem prints them, their time stamps of no calendar.
    let part = |number: u8, text: &str| {
        let udl = 6 + text.len();
        let hex: String = text.bytes().map(|octet| format!("00{octet:02X}")).collect();
        let units = format!("05000307020{number}{hex}");
        format!(
            "0791180945123490440B818100551512F2000899999999999999{:02X}{units}",
            udl + text.len()
        )
    };
    let said = sms(&["decode", &part(2, "world"), &part(1, "hello ")]);
    assert!(said.contains("service centre +819054214309"), "{said}");
    assert!(said.ends_with("joined   2 parts, 18005551212\n  text     hello world\n"), "{said}");
    let said = sms(&["segments", &"Cafe\u{301} ".repeat(14)]);
    assert!(said.contains("with accents composed (Unicode NFC): GSM 7-bit"), "{said}");
}
