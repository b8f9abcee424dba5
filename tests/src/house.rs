//! The house: its sources as tokens, its rooms with their floors, and who imports whom.
//!
//! The sources are cut into tokens as the compiler does it, so comments, texts and macros cannot
//! hide a path or feign one. Modules of tests are left out.
//!
//! **Never here:** an assertion about the tree. Those stand in `tests/tidy`.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
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

/// The crates that make up the engine, and where their sources stand. The rooms of the data plane
/// are named by `hayauma`, which shows them all, so both crates are one name here.
const CRATES: [(&str, &str); 4] = [
    ("hayauma", "engine/src/"),
    ("hayauma", "engine/dataplane/src/"),
    ("wire", "engine/wire/src/"),
    ("host", "engine/host/src/"),
];

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

    /// All its tokens.
    ///
    /// # Panics
    /// When it is no Rust.
    pub fn tokens(&self) -> Vec<TokenTree> {
        let stream: Result<TokenStream, _> = self.text.parse();
        stream.unwrap_or_else(|error| panic!("{}: {error}", self.place)).into_iter().collect()
    }

    /// Its tokens without what is compiled for tests only.
    pub fn code(&self) -> Vec<TokenTree> {
        if self.is_test() { Vec::new() } else { without_tests(self.tokens()) }
    }

    /// Its module's path, from its crate's name on: `hayauma`, `smsc`, `core`.
    pub fn module(&self) -> Option<Vec<String>> {
        let (name, inside) = CRATES
            .iter()
            .rev()
            .find_map(|(name, folder)| Some((name, self.place.strip_prefix(folder)?)))?;
        let mut path = vec![(*name).to_owned()];
        path.extend(inside.strip_suffix(".rs")?.split('/').map(str::to_owned));
        if path.last().is_some_and(|last| ["lib", "mod", "main"].contains(&last.as_str())) {
            path.pop();
        }
        Some(path)
    }
}

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

/// The tokens without the items behind `#[cfg(test)]`.
fn without_tests(tokens: Vec<TokenTree>) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let attribute = rest.peek().map(ToString::to_string).unwrap_or_default();
        let is_test = is_mark(&token, '#') && attribute.replace(' ', "") == "[cfg(test)]";
        if !is_test {
            kept.push(token);
            continue;
        }
        for token in rest.by_ref() {
            let ends =
                matches!(&token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
            if ends || is_mark(&token, ';') {
                break;
            }
        }
    }
    kept
}

/// Whether the token is this punctuation mark.
pub fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// A path in the code, and the line that it stands in (from 1 on).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// Its words, as they are written or resolved.
    pub path: Vec<String>,
    /// The line.
    pub line: usize,
    /// The name that `as` gives it.
    pub renamed: Option<String>,
}

/// Every path in the tokens, those of a list in braces one by one; a single word counts where it
/// stands behind `use` or `crate`.
pub fn paths(tokens: &[TokenTree]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => {
                found.extend(paths(&group.stream().into_iter().collect::<Vec<_>>()));
                at += 1;
            }
            TokenTree::Ident(word) if !is_keyword(word) && !goes_on(tokens, at) => {
                let is_used = is_used(tokens, at);
                let before = found.len();
                at = chain(tokens, at, &[], &mut found);
                if !is_used {
                    // `x as u8` gives no name, and a word alone is no path.
                    found[before..].iter_mut().for_each(|named| named.renamed = None);
                    found.truncate(if found[before].path.len() == 1 {
                        before
                    } else {
                        found.len()
                    });
                }
            }
            _ => at += 1,
        }
    }
    found
}

fn is_word(token: &TokenTree, words: &[&str]) -> bool {
    matches!(token, TokenTree::Ident(word) if words.iter().any(|known| word == known))
}

/// Whether the word begins what a `use` or an `extern crate` names.
fn is_used(tokens: &[TokenTree], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|at| &tokens[at]);
    let is_use =
        |token: Option<&TokenTree>| token.is_some_and(|token| is_word(token, &["use", "crate"]));
    is_use(before(1)) || before(1).is_some_and(|token| is_mark(token, ':')) && is_use(before(3))
}

/// Whether the word goes on a path that began before it: not so behind a leading `::`.
fn goes_on(tokens: &[TokenTree], at: usize) -> bool {
    let is_joined = at >= 3 && is_mark(&tokens[at - 1], ':') && is_mark(&tokens[at - 2], ':');
    is_joined
        && match &tokens[at - 3] {
            TokenTree::Ident(word) => !is_keyword(word),
            before => is_mark(before, '>'),
        }
}

fn is_keyword(word: &Ident) -> bool {
    ["use", "in", "return", "as", "dyn", "impl", "mut", "ref", "match"]
        .iter()
        .any(|known| word == known)
}

/// Reads one path from `at` on, with what is in its braces; where it ends.
fn chain(tokens: &[TokenTree], mut at: usize, before: &[String], found: &mut Vec<Named>) -> usize {
    let mut path = before.to_vec();
    let line = tokens[at].span().start().line;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) => path.push(word.to_string()),
            Some(token) if is_mark(token, '*') => path.push("*".to_owned()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                list(&group.stream().into_iter().collect::<Vec<_>>(), &path, found);
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        let is_joined = tokens.get(at).is_some_and(|token| is_mark(token, ':'))
            && tokens.get(at + 1).is_some_and(|token| is_mark(token, ':'));
        if !is_joined {
            break;
        }
        at += 2;
    }
    let renamed = match (tokens.get(at), tokens.get(at + 1)) {
        (Some(word), Some(TokenTree::Ident(name))) if is_word(word, &["as"]) => {
            Some(name.to_string())
        }
        _ => None,
    };
    path.retain(|word| word != "self" || before.is_empty());
    found.push(Named { path, line, renamed });
    at
}

/// The members of a list in a `use`.
fn list(tokens: &[TokenTree], before: &[String], found: &mut Vec<Named>) {
    for member in tokens.split(|token| is_mark(token, ',')) {
        if !member.is_empty() {
            chain(member, 0, before, found);
        }
    }
}

/// The room that a module's path belongs to: crates count as rooms, and `wire` has three.
pub fn room_of(path: &[String]) -> Option<&str> {
    let inside = path.get(1).map(String::as_str);
    match path.first()?.as_str() {
        "hayauma" => inside,
        "wire" => Some(inside.filter(|room| ["terms", "sms"].contains(room)).unwrap_or("wire")),
        name => Some(name),
    }
}

/// The modules that there are, and their places.
pub fn modules(sources: &[Source]) -> BTreeMap<Vec<String>, String> {
    let code = sources.iter().filter(|source| !source.is_test());
    code.filter_map(|source| Some((source.module()?, source.place.clone()))).collect()
}

/// What a source names of the engine's crates, from the crate's name on.
pub fn imports(source: &Source, modules: &BTreeMap<Vec<String>, String>) -> Vec<Named> {
    let Some(module) = source.module() else { return Vec::new() };
    let mut named = paths(&source.code());
    named.retain_mut(|named| match resolved(&named.path, &module, modules) {
        Some(path) => {
            named.path = path;
            true
        }
        None => false,
    });
    named
}

/// A path as it is written in `module`, from its crate's name on; none for other crates' paths.
fn resolved(
    written: &[String],
    module: &[String],
    modules: &BTreeMap<Vec<String>, String>,
) -> Option<Vec<String>> {
    let first = written.first()?.as_str();
    let rest = &written[1..];
    let from = |base: &[String], rest: &[String]| Some(base.iter().chain(rest).cloned().collect());
    let child: Vec<String> = module.iter().cloned().chain([first.to_owned()]).collect();
    match first {
        "crate" => from(&module[..1], rest),
        "self" => from(module, rest),
        "super" => {
            let ups = written.iter().take_while(|name| *name == "super").count();
            from(module.get(..module.len().checked_sub(ups)?)?, &written[ups..])
        }
        "dataplane" => Some(["hayauma".to_owned()].iter().chain(rest).cloned().collect()),
        name if CRATES.iter().any(|(known, _)| *known == name) => Some(written.to_vec()),
        _ if written.len() > 1 && modules.contains_key(&child) => from(&child, rest),
        _ => None,
    }
}

/// Which rooms each room imports, itself left out, and where it does first.
pub fn rooms(sources: &[Source]) -> BTreeMap<String, BTreeMap<String, String>> {
    let modules = modules(sources);
    let mut rooms: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let Some(module) = source.module() else { continue };
        let Some(room) = room_of(&module) else { continue };
        let named = rooms.entry(room.to_owned()).or_default();
        for import in imports(source, &modules) {
            if let Some(other) = room_of(&import.path).filter(|other| *other != room) {
                let place = || format!("{}:{}", source.place, import.line);
                named.entry(other.to_owned()).or_insert_with(place);
            }
        }
    }
    rooms
}

/// Who imports whom as a table for ARCHITECTURE.md, the ground floor first.
pub fn rooms_table(
    rooms: &BTreeMap<String, BTreeMap<String, String>>,
    floors: &[(String, u32)],
) -> String {
    let mut table = String::from("| floor | room | imports |\n|---|---|---|\n");
    for (room, floor) in floors {
        let named: Vec<&str> = floors
            .iter()
            .map(|(other, _)| other.as_str())
            .filter(|other| rooms.get(room).is_some_and(|named| named.contains_key(*other)))
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

/// Files that import each other in a circle, each circle once. A module and the modules within it
/// are one thing here: what a child takes from its parent, or a parent from its child, is no
/// import.
pub fn circles(sources: &[Source]) -> Vec<Vec<String>> {
    let modules = modules(sources);
    let mut named: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in sources {
        let Some(module) = source.module() else { continue };
        for import in imports(source, &modules) {
            let ends = (1..=import.path.len()).rev();
            let target =
                ends.map(|end| &import.path[..end]).find(|path| modules.contains_key(*path));
            let Some(target) = target else { continue };
            if !target.starts_with(&module) && !module.starts_with(target) {
                named.entry(source.place.as_str()).or_default().insert(&modules[target]);
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
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        named.keys().map(|place| (*place, reach(place))).collect();
    let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
    for (place, far) in &reached {
        if far.contains(place) {
            let back = |other: &&&str| reached.get(**other).is_some_and(|far| far.contains(place));
            circles.insert(far.iter().filter(back).map(|other| (*other).to_owned()).collect());
        }
    }
    circles.into_iter().collect()
}

/// Functions that are longer than `lines_max`: the line where each begins, and its lines.
pub fn long_functions(source: &Source, lines_max: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    look_for_functions(&source.tokens(), lines_max, &mut found);
    found.sort_unstable();
    found
}

fn look_for_functions(tokens: &[TokenTree], lines_max: usize, found: &mut Vec<(usize, usize)>) {
    for (at, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            look_for_functions(&group.stream().into_iter().collect::<Vec<_>>(), lines_max, found);
        }
        // `fn` and a name: not the type of a function.
        let named = matches!(tokens.get(at + 1), Some(TokenTree::Ident(_)));
        if !is_word(token, &["fn"]) || !named {
            continue;
        }
        let body = tokens[at..].iter().find_map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(Some(group)),
            token if is_mark(token, ';') => Some(None),
            _ => None,
        });
        if let Some(Some(body)) = body {
            let first = token.span().start().line;
            let lines = body.span_close().end().line + 1 - first;
            if lines > lines_max {
                found.push((first, lines));
            }
        }
    }
}

/// The lines in which a word of the language or a name stands, as a token of its own.
pub fn lines_of(tokens: &[TokenTree], word: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                lines.extend(lines_of(&group.stream().into_iter().collect::<Vec<_>>(), word));
            }
            TokenTree::Ident(found) if found == word => lines.push(found.span().start().line),
            _ => {}
        }
    }
    lines
}
