//! The citations of a source file.

use super::mentions;
use std::fs;
use std::path::{Path, PathBuf};

/// What a citation stands at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Use {
    /// Code that obeys the rule.
    Code,
    /// The test of this name, which shows it.
    Test(String),
    /// Neither: a helper of the tests, or nothing.
    Nothing,
}

/// One citation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Citation {
    /// The rule, or the clause that a comment names in passing.
    pub id: String,
    /// The file, below the root.
    pub place: String,
    /// The line, from 1.
    pub line: usize,
    /// What it stands at.
    pub at: Use,
    /// Whether it is a line of the fixed form.
    pub exact: bool,
}

/// Every Rust file of the programs, in order.
///
/// # Errors
/// One sentence: a directory that cannot be read.
pub fn sources(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for member in ["engine", "loadgen", "tests"] {
        walk(&root.join(member), &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let named = |error: std::io::Error| format!("{}: {error}", directory.display());
    for entry in fs::read_dir(directory).map_err(named)? {
        let path = entry.map_err(named)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                walk(&path, found)?;
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// The citations in the file at `place`. Only lines that are a comment and nothing else are looked
/// at.
pub fn citations(place: &str, text: &str) -> Vec<Citation> {
    let lines: Vec<&str> = text.lines().collect();
    let tests_from = tests_begin(place, &lines);
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(comment) = line.trim_start().strip_prefix("//") else { continue };
        let (ids, exact) = match comment.strip_prefix('=') {
            Some(id) => (vec![id.trim().to_owned()], true),
            None => (mentions(comment.trim_start_matches(['/', '!'])), false),
        };
        for id in ids {
            let at_what = if at < tests_from { Use::Code } else { test_at(&lines, at) };
            found.push(Citation { id, place: place.to_owned(), line: at + 1, at: at_what, exact });
        }
    }
    found
}

/// The line at which the tests of a file begin: its first, or that of its module of tests.
fn tests_begin(place: &str, lines: &[&str]) -> usize {
    if place.split('/').any(|part| part == "tests" || part == "tests.rs") {
        return 0;
    }
    let is_module =
        |pair: &[&str]| pair[0].trim() == "#[cfg(test)]" && pair[1].ends_with("mod tests {");
    lines.windows(2).position(is_module).unwrap_or(lines.len())
}

/// The test that the comment at `at` stands before or, failing that, in: what is further in belongs
/// to a function.
fn test_at(lines: &[&str], at: usize) -> Use {
    let is_beside = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("//") || line.starts_with("#[") || line.is_empty()
    };
    let margin = |line: &str| line.len() - line.trim_start().len();
    let is_around =
        |line: &&str| margin(line) < margin(lines[at]) && name_of_function(line).is_some();
    let next = lines[at..].iter().position(|line| !is_beside(line)).map(|skipped| at + skipped);
    let function = next
        .filter(|&next| name_of_function(lines[next]).is_some())
        .or_else(|| lines[..at].iter().rposition(is_around));
    let Some(function) = function else { return Use::Nothing };
    let mut attributes = lines[..function].iter().rev().take_while(|line| is_beside(line));
    match name_of_function(lines[function]) {
        Some(name) if attributes.any(|line| line.trim() == "#[test]") => Use::Test(name.to_owned()),
        _ => Use::Nothing,
    }
}

fn name_of_function(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("fn ")?;
    rest.split(|character: char| !(character.is_alphanumeric() || character == '_')).next()
}
