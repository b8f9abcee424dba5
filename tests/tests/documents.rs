//! The documents say what the program does: their tables equal the code's, their examples are
//! carried out, their links lead somewhere.

use hayauma::billing::EventKind;
use hayauma::control::admin::PATHS;
use hayauma::control::roles::Role;
use hayauma::journal::RecordKind;
use hayauma::smsc::state::State;
use hayauma::smsc::wait_reason::WaitReason;
use host::fatal::FatalReason;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use tests::house::sources;
use tests::push::Request;
use tests::seccomp;
use tests::site::Site;
use wire::terms::code::Code;
use wire::terms::domain::Domain;

/// Lines that README may have: one screen of what it is, one of how to try it.
const README_LINES_MAX: usize = 110;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The cells of each row of the table under `heading`, without its head.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let section = document.split(&format!("\n## {heading}\n")).nth(1);
    let section = section.unwrap_or_else(|| panic!("no section {heading}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let cells = row.trim_matches('|').replace("\\|", "\u{1}");
        cells.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
    })
    .collect()
}

/// The octets of the first fenced block behind `heading`.
fn first_block(document: &str, heading: &str) -> String {
    let section = document.split(&format!("\n## {heading}\n")).nth(1).expect("the section");
    section.split("```\n").nth(1).expect("a block").to_owned()
}

//= push code table
#[test]
fn the_interface_page_lists_every_code_with_its_meaning_and_status() {
    let rows = table(&read("docs/push-interface.md"), "Result codes");
    let documented: Vec<_> =
        rows.iter().map(|row| (&row[0][..], &row[1][..], &row[2][..])).collect();
    let texts: Vec<(String, &str, String)> = Code::ALL
        .iter()
        .map(|code| {
            let status = match code.http_status() {
                0 => "notification".to_owned(),
                status => status.to_string(),
            };
            (code.to_string(), code.meaning(), status)
        })
        .collect();
    let known: Vec<_> =
        texts.iter().map(|(code, meaning, status)| (&code[..], *meaning, &status[..])).collect();
    assert_eq!(documented, known, "what docs/push-interface.md says, and what the code says");
}

#[test]
fn the_interface_page_lists_every_element_that_the_scanner_takes() {
    let scanner = read("engine/wire/src/push/scan/fields.rs");
    let arms = scanner
        .lines()
        .filter_map(|line| line.trim().strip_prefix("b\"")?.split_once("\" => Self::"));
    let known: Vec<&str> = arms.map(|(name, _)| name).collect();
    assert!(known.len() > 10, "the scanner's names are found: {known:?}");
    let rows = table(&read("docs/push-interface.md"), "Elements of a push request");
    let documented: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(documented, known, "what docs/push-interface.md says, and what the scanner takes");
}

#[test]
fn the_operating_page_lists_every_exit_status() {
    let rows = table(&read("docs/operating.md"), "Exit statuses");
    let documented: BTreeSet<u8> = rows.iter().filter_map(|row| row[0].parse().ok()).collect();
    let of_the_command_line = 0..=2;
    let known =
        of_the_command_line.chain(FatalReason::ALL.iter().map(|reason| reason.exit_status()));
    assert_eq!(documented, known.collect::<BTreeSet<u8>>());
}

#[test]
fn the_operating_page_lists_every_request_of_the_admin_doors_with_the_role_it_takes() {
    let rows = table(&read("docs/operating.md"), "Requests of the admin doors");
    let documented: BTreeMap<String, String> = rows
        .iter()
        .flat_map(|row| {
            let requests = row[1].split('`').skip(1).step_by(2);
            requests.map(|request| (request.to_owned(), row[0].trim_matches('`').to_owned()))
        })
        .collect();
    let of_engine: BTreeMap<String, String> = PATHS
        .iter()
        .map(|rule| {
            let role = rule.needs.map_or("none", Role::word);
            (format!("{} {}", rule.method, rule.path), role.to_owned())
        })
        .collect();
    assert_eq!(documented, of_engine);
    // Who signs in, or out, has no role yet.
    let signs = |path: &str| ["/login", "/logout"].contains(&path);
    let mut orders = PATHS.iter().filter(|rule| rule.is_order() && !signs(rule.path));
    assert!(orders.all(|rule| ![None, Some(Role::Read)].contains(&rule.needs)));
}

/// What is said of the numbers that have a name, in the order of the numbers.
fn numbered<T: std::fmt::Debug>(of: impl Fn(u8) -> Option<T>) -> String {
    let named = (0..=u8::MAX).filter_map(|number| Some(format!("{number} {:?}", of(number)?)));
    named.collect::<Vec<_>>().join(", ")
}

#[test]
fn the_format_page_has_every_number_that_journals_and_books_keep() {
    let page = read("engine/dataplane/src/journal/FORMAT.md");
    let kinds: Vec<String> = table(&page, "Bodies")
        .into_iter()
        .filter(|row| row.len() == 3 && row[1].chars().all(char::is_alphanumeric))
        .filter(|row| row[1].starts_with(char::is_uppercase))
        .map(|row| format!("{} {}", row[0], row[1]))
        .collect();
    assert_eq!(kinds.join(", "), numbered(RecordKind::from_number));
    let events = EventKind::ALL;
    let event = |number| events.into_iter().find(|kind| *kind as u8 == number);
    let state = |number| State::from_number(number).filter(|state| state.is_final());
    let expected = [
        ("final states", numbered(state)),
        ("domains", numbered(Domain::from_number)),
        ("what holds a push", numbered(WaitReason::from_number)),
        ("events of the books", numbered(event)),
    ];
    let said: Vec<(String, String)> =
        table(&page, "Numbers").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(said, expected.map(|(what, numbers)| (what.to_owned(), numbers)));
}

/// Every name of a test function in the sources.
fn test_names(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            test_names(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("readable");
            let tests = text.split("#[test]").skip(1);
            let names = tests
                .filter_map(|rest| Some(rest.split_once("fn ")?.1.split_once('(')?.0.to_owned()));
            found.extend(names);
        }
    }
}

#[test]
fn every_promise_of_the_security_page_names_tests_that_there_are() {
    let mut tests = BTreeSet::new();
    for directory in ["engine", "tests/tests", "loadgen"] {
        test_names(&root().join(directory), &mut tests);
    }
    assert!(tests.len() > 500, "the tests are found: {}", tests.len());
    let rows = table(&read("SECURITY.md"), "What is promised");
    assert!(rows.len() > 10);
    for row in rows {
        let named: Vec<&str> = row[1].split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{} is held by nothing", row[0]);
        for name in named {
            let is_file = root().join(name).exists() || name == "limits.rs";
            assert!(is_file || tests.contains(name), "{}: there is no test {name}", row[0]);
        }
    }
}

#[test]
fn the_first_push_of_readme_and_of_the_interface_page_is_accepted_and_known_again() {
    let page = read("docs/push-interface.md");
    let documented = first_block(&page, "A push in one request");
    let example = read("examples/text.xml");
    assert_eq!(documented, example, "the page shows examples/text.xml");
    assert!(read("README.md").contains("@examples/text.xml"), "and README sends it");
    let answer = page.split("```\n").nth(3).expect("the answer's block");
    let mut site = Site::new(tests::programs!());
    site.set("--demo", "true");
    // As a fresh host has it, and as most containers do.
    for profile in [None, Some("no-io-uring")] {
        let data = site.path(profile.unwrap_or("plain")).display().to_string();
        site.set("--data-dir", &data);
        let engine = profile.map_or_else(|| site.start(), |profile| site.start_without(profile));
        let ask = || engine.connect().ask(&Request::post(example.as_bytes()).octets());
        let first = ask();
        assert_eq!((first.status(), first.code()), (200, "0000".to_owned()), "{profile:?}");
        assert_eq!(first.text().replace("\r\n", "\n"), answer);
        assert_eq!(ask().code(), "0001", "{profile:?}");
        let said = fs::read_to_string(site.path("engine.out")).expect("what it said");
        let why = seccomp::why_without_io_uring(true).expect("a reason");
        let says_why = |line: &&str| line.starts_with("driver: poll") && line.contains(why);
        let told = said.lines().filter(says_why).count();
        // What both starts said stands in one file.
        let plain = seccomp::why_without_io_uring(false);
        let starts = usize::from(plain.is_some()) + usize::from(profile.is_some());
        assert_eq!(told, starts, "one line a start says what carries octets: {said}");
        engine.stop();
    }
}

#[test]
fn readme_fits_a_few_screens_and_names_both_commands() {
    let readme = read("README.md");
    assert!(readme.lines().count() <= README_LINES_MAX, "{} lines", readme.lines().count());
    for command in ["cargo run --release -p loadgen -- drill", "cargo test --workspace"] {
        assert!(readme.contains(command), "{command}");
    }
}

#[test]
fn the_glossary_is_in_order_and_says_each_name_once() {
    let text = read("docs/glossary.md");
    let names: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .filter_map(|line| line.split('|').nth(1))
        .map(|name| name.trim().to_lowercase())
        .collect();
    assert!(names.len() > 20);
    for pair in names.windows(2) {
        assert!(pair[0] < pair[1], "{} stands before {}", pair[0], pair[1]);
    }
}

/// The documents that the repository ships.
fn documents(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                documents(&path, found);
            }
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The targets of a document's links that are files of the repository.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    targets.map(|target| target.split('#').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_link_of_every_document_leads_to_a_file() {
    let mut found = Vec::new();
    documents(&root(), &mut found);
    assert!(found.len() > 5);
    for path in found {
        let text = fs::read_to_string(&path).expect("readable");
        for link in links(&text) {
            let target = path.parent().expect("a directory").join(&link);
            assert!(target.exists(), "{} links to {link}", path.display());
        }
    }
    assert_eq!(links("[a](b.md#c) [d](https://e) [f](#g)"), ["b.md"]);
}

/// Modules that there are, by their paths, with what each holds.
fn modules() -> Vec<(String, String)> {
    let sources = sources(&["engine", "loadgen", "bench", "tests/src"]);
    let path = |place: &str| {
        let words = place.trim_end_matches(".rs").split('/');
        let words = words.filter(|word| !["src", "lib", "main", "mod"].contains(word));
        words.map(|word| format!("::{word}")).collect::<String>()
    };
    sources.into_iter().map(|source| (path(&source.place), source.text)).collect()
}

/// Whether a source has a function, a type or a constant of that name.
fn has(text: &str, name: &str) -> bool {
    ["fn", "struct", "enum", "trait", "const", "type"].iter().any(|kind| {
        let begins = format!("{kind} {name}");
        let mut rests = text.split(&begins).skip(1);
        rests.any(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
    })
}

/// Whether there is a module of that path, or such a name within one.
fn is_there(modules: &[(String, String)], name: &str) -> bool {
    // It shows the data plane's rooms as its own.
    let name = format!("::{}", name.strip_prefix("hayauma::").unwrap_or(name));
    let (parent, last) = name.rsplit_once("::").unwrap_or_default();
    let within = format!("{parent}::");
    modules.iter().any(|(path, text)| {
        let is_within = !parent.is_empty() && format!("{path}::").contains(&within);
        path.ends_with(&name) || is_within && has(text, last)
    })
}

#[test]
fn every_module_that_a_document_names_is_there() {
    let (modules, mut found, mut named) = (modules(), Vec::new(), 0);
    documents(&root(), &mut found);
    // What is over is told by its name of that time.
    found.retain(|path| !path.ends_with("CHANGELOG.md"));
    let is_path = |name: &&str| {
        let is_word = |one: char| one.is_alphanumeric() || "_:".contains(one);
        name.contains("::") && name.starts_with(char::is_lowercase) && name.chars().all(is_word)
    };
    for path in found {
        let text = fs::read_to_string(&path).expect("readable");
        for name in text.split('`').skip(1).step_by(2).filter(is_path) {
            assert!(is_there(&modules, name), "{} names {name}", path.display());
            named += 1;
        }
    }
    assert!(named > 50, "names are found: {named}");
    for gone in ["io::rt", "gateway::mixing", "loadgen::ring"] {
        assert!(!is_there(&modules, gone), "{gone}");
    }
}
