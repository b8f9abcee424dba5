//! The house: its sources as text, its rooms with their floors, and who imports whom.
//!
//! It reads the tree as a newcomer would: paths in the code, no compiler. So a rule that it tells
//! broken names a file and a line.
//!
//! **Never here:** an assertion about the tree. Those stand in `tests/tidy`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The workspace's root.
///
/// # Panics
/// When the tests stand elsewhere than in a folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

/// A source file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its place below the workspace's root.
    pub place: String,
    /// What it holds.
    pub text: String,
}

impl Source {
    /// A source that is not a file, for tests of the rules.
    pub fn of(place: &str, text: &str) -> Self {
        Self { place: place.to_owned(), text: text.to_owned() }
    }

    /// Whether all of it is a test.
    pub fn is_test(&self) -> bool {
        ["/tests/", "/tests.rs", "/benches/", "/fuzz/", "/fake_engine.rs"]
            .iter()
            .any(|part| self.place.contains(part))
            || self.place.starts_with("tests/")
    }

    /// The lines of its code: comments and texts blanked, modules of tests left out.
    pub fn code(&self) -> Vec<String> {
        let mut lines = blanked(&self.text);
        if let Some(first) = lines.iter().position(|line| line.trim() == "mod tests {") {
            let end = lines[first..].iter().position(|line| line == "}");
            let end = end.map_or(lines.len(), |end| first + end + 1);
            lines[first..end].iter_mut().for_each(String::clear);
        }
        lines
    }

    /// Its module's path, from its crate's name on: `hayauma::smsc::core`.
    pub fn module(&self) -> Option<Vec<String>> {
        let (name, inside) =
            CRATES.iter().find_map(|(name, folder)| Some((name, self.place.strip_prefix(folder)?)))?;
        let mut path = vec![(*name).to_owned()];
        path.extend(inside.strip_suffix(".rs")?.split('/').map(str::to_owned));
        if path.last().is_some_and(|last| ["lib", "mod", "main"].contains(&last.as_str())) {
            path.pop();
        }
        Some(path)
    }
}

/// The crates that make up the engine, and where their sources stand.
const CRATES: [(&str, &str); 3] =
    [("hayauma", "engine/src/"), ("wire", "engine/wire/src/"), ("host", "engine/host/src/")];

/// Every source below these folders, in the order of their places.
///
/// # Panics
/// When a folder cannot be read.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &root, &mut found);
    }
    found.sort_by(|left, right| left.place.cmp(&right.place));
    found
}

fn collect(folder: &Path, root: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                collect(&path, root, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let place = path.strip_prefix(root).expect("below the root").to_string_lossy();
            let text = fs::read_to_string(&path).expect("readable");
            found.push(Source { place: place.into_owned(), text });
        }
    }
}

/// The text's lines, with comments and the insides of texts and characters blanked.
fn blanked(text: &str) -> Vec<String> {
    let (mut line, mut lines) = (String::new(), Vec::new());
    let mut rest = text.chars().peekable();
    let mut quoted = false;
    while let Some(character) = rest.next() {
        match character {
            '\n' => lines.push(std::mem::take(&mut line)),
            '\\' if quoted => {
                if rest.next() == Some('\n') {
                    lines.push(std::mem::take(&mut line));
                }
            }
            '"' => {
                quoted = !quoted;
                line.push('"');
            }
            _ if quoted => {}
            '/' if rest.peek() == Some(&'/') => {
                while rest.peek().is_some_and(|next| *next != '\n') {
                    rest.next();
                }
            }
            '\'' if is_character(&mut rest) => line.push('\''),
            other => line.push(other),
        }
    }
    lines.push(line);
    lines
}

/// Whether a quote begins a character, not a lifetime; reads the character if it does.
fn is_character(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    let mut ahead = rest.clone();
    let escaped = ahead.next() == Some('\\');
    if escaped {
        ahead.next();
    }
    if !escaped && ahead.next() != Some('\'') {
        return false;
    }
    if escaped {
        ahead.by_ref().find(|character| *character == '\'');
    }
    *rest = ahead;
    true
}

/// The room that a module's path belongs to: crates count as rooms, `wire` has three.
pub fn room_of(path: &[String]) -> Option<&str> {
    let inside = path.get(1).map(String::as_str);
    match path.first()?.as_str() {
        "hayauma" => inside,
        "wire" => Some(inside.filter(|room| ["terms", "sms"].contains(room)).unwrap_or("wire")),
        name => Some(name),
    }
}

/// A path in the code, resolved, and the line that it stands in (from 1 on).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Import {
    /// From the crate's name on.
    pub path: Vec<String>,
    /// The line.
    pub line: usize,
    /// Whether it only passes a name on (`pub use`).
    pub is_reexport: bool,
}

/// What a source of the engine names of its crates.
pub fn imports(source: &Source) -> Vec<Import> {
    let Some(module) = source.module() else { return Vec::new() };
    let lines = source.code();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim();
        let begins_use = line.starts_with("use ") || line.starts_with("pub") && line.contains(" use ");
        let first = at;
        let mut statement = lines[at].clone();
        while begins_use && !statement.contains(';') && at + 1 < lines.len() {
            at += 1;
            statement += &lines[at];
        }
        let is_reexport = begins_use && line.starts_with("pub");
        for written in paths(&statement) {
            if let Some(path) = resolved(&written, &module) {
                found.push(Import { path, line: first + 1, is_reexport });
            }
        }
        at += 1;
    }
    found
}

/// The paths of a statement; those of a list in braces one by one.
fn paths(statement: &str) -> Vec<Vec<String>> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut found = Vec::new();
    for (start, _) in statement.match_indices("::") {
        let head_start = statement[..start].rfind(|character: char| !is_word(character));
        let head_start = head_start.map_or(0, |at| at + 1);
        if statement[..head_start].ends_with("::") || head_start == start {
            continue;
        }
        let tail = &statement[head_start..];
        let end = tail.find(|character: char| !is_word(character) && character != ':');
        let (chain, behind) = tail.split_at(end.unwrap_or(tail.len()));
        let chain: Vec<String> =
            chain.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        match behind.strip_prefix('{').and_then(|list| list.split('}').next()) {
            Some(list) => found.extend(list.split(',').map(|name| {
                let name = name.split_whitespace().next().filter(|name| *name != "self");
                let names = name.into_iter().flat_map(|name| name.split("::")).map(str::to_owned);
                chain.iter().cloned().chain(names).collect()
            })),
            None => found.push(chain),
        }
    }
    found
}

/// A path as it is written in `module`, from its crate's name on; none for other crates' paths.
fn resolved(written: &[String], module: &[String]) -> Option<Vec<String>> {
    let first = written.first()?.as_str();
    let rest = &written[1..];
    let from = |base: &[String], rest: &[String]| Some(base.iter().chain(rest).cloned().collect());
    match first {
        "crate" => from(&module[..1], rest),
        "self" => from(module, rest),
        "super" => {
            let ups = written.iter().take_while(|name| *name == "super").count();
            from(module.get(..module.len().checked_sub(ups)?)?, &written[ups..])
        }
        name if CRATES.iter().any(|(known, _)| *known == name) => Some(written.to_vec()),
        _ => None,
    }
}

/// Which rooms each room imports, itself left out.
pub fn rooms(sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let Some(module) = source.module() else { continue };
        let Some(room) = room_of(&module) else { continue };
        let named = rooms.entry(room.to_owned()).or_default();
        let imports = imports(source);
        let others = imports.iter().filter_map(|import| room_of(&import.path));
        named.extend(others.filter(|other| *other != room).map(str::to_owned));
    }
    rooms
}

/// Who imports whom as a table for ARCHITECTURE.md, the ground floor first.
pub fn rooms_table(rooms: &BTreeMap<String, BTreeSet<String>>, floors: &[(String, u32)]) -> String {
    let mut table = String::from("| floor | room | imports |\n|---|---|---|\n");
    for (room, floor) in floors {
        let named: Vec<&str> = floors
            .iter()
            .map(|(other, _)| other.as_str())
            .filter(|other| rooms.get(room).is_some_and(|named| named.contains(*other)))
            .collect();
        let named = if named.is_empty() { "nothing".to_owned() } else { named.join(", ") };
        table += &format!("| {floor} | `{room}` | {named} |\n");
    }
    table
}

/// The rooms' floors, as ARCHITECTURE.md's table has them.
pub fn floors(architecture: &str) -> Vec<(String, u32)> {
    let rows = architecture.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let floor = cells.next()?.parse().ok()?;
        let room = cells.next()?.trim_matches('`').to_owned();
        Some((room, floor))
    });
    rows.collect()
}

/// Files of one room that import each other in a circle, each circle once.
pub fn circles(sources: &[Source]) -> Vec<Vec<String>> {
    let known: BTreeMap<Vec<String>, &str> = sources
        .iter()
        .filter(|source| !source.is_test())
        .filter_map(|source| Some((source.module()?, source.place.as_str())))
        .collect();
    let mut named: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        for import in imports(source).iter().filter(|import| !import.is_reexport) {
            let target = (1..=import.path.len()).rev().find_map(|end| known.get(&import.path[..end]));
            if let Some(target) = target.filter(|target| **target != source.place) {
                named.entry(source.place.as_str()).or_default().insert(target);
            }
        }
    }
    strongly_connected(&named)
}

/// The sets of places that reach each other.
fn strongly_connected(named: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<Vec<String>> {
    let reach = |from: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(place) = open.pop() {
            for next in named.get(place).into_iter().flatten().copied() {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = named.keys().map(|place| (*place, reach(place))).collect();
    let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
    for (place, far) in &reached {
        if far.contains(place) {
            let back = |other: &&&str| reached.get(**other).is_some_and(|far| far.contains(place));
            circles.insert(far.iter().filter(back).map(|other| (*other).to_owned()).collect());
        }
    }
    circles.into_iter().collect()
}

/// A function that is longer than `lines_max`: where it begins, and its lines.
pub fn long_functions(source: &Source, lines_max: usize) -> Vec<(usize, usize)> {
    let lines: Vec<String> = blanked(&source.text);
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words = line.split(|character: char| !character.is_alphanumeric());
        if !words.into_iter().any(|word| word == "fn") || !is_function(line.trim_start()) {
            continue;
        }
        let close = format!("{}}}", " ".repeat(indent));
        let open = lines[at..].iter().position(|line| line.ends_with(['{', ';', '}']));
        if open.is_some_and(|open| !lines[at + open].ends_with('{')) {
            continue;
        }
        let length = lines[at..].iter().position(|line| *line == close).map_or(0, |length| length + 1);
        if length > lines_max {
            found.push((at + 1, length));
        }
    }
    found
}

fn is_function(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().take_while(|word| *word != "fn").collect();
    let before = ["pub", "pub(crate)", "pub(super)", "const", "unsafe", "async", "extern", "\"\""];
    words.len() < line.split_whitespace().count() && words.iter().all(|word| before.contains(word))
}
