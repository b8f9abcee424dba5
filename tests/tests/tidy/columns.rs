//! Lines end at column 100, in code as in comments; a table in a comment or a link may be as wide
//! as it is.

use tests::house::{Source, sources};

const COLUMNS_MAX: usize = 100;
const FOLDERS: [&str; 5] = ["engine", "loadgen", "bench", "tests", "examples"];

/// Lines that are too wide: `place:line`.
fn wide(source: &Source) -> Vec<String> {
    let lines = source.text.lines().enumerate();
    let wide = lines.filter(|(_, line)| line.chars().count() > COLUMNS_MAX && !may_be_wide(line));
    wide.map(|(at, _)| format!("{}:{}", source.place, at + 1)).collect()
}

/// A row of a table or a link, alone on its line of a comment.
fn may_be_wide(line: &str) -> bool {
    let comment = line.trim_start().strip_prefix("//");
    comment.is_some_and(|comment| {
        let words = comment.trim_start_matches(['/', '!']).trim_start();
        words.starts_with('|') || words.starts_with("http")
    })
}

#[test]
fn lines_end_at_column_one_hundred() {
    let wrong: Vec<String> = sources(&FOLDERS).iter().flat_map(wide).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_wide_line_is_seen() {
    let of = |text: String| wide(&Source::of("x.rs", &text)).len();
    assert_eq!(of(format!("    // {}", "a".repeat(94))), 1);
    assert_eq!(of(format!("//! {}", "a".repeat(97))), 1);
    assert_eq!(of(format!("//! {}", "早".repeat(96))), 0);
    assert_eq!(of(format!("//! | {} |", "a".repeat(100))), 0);
    assert_eq!(of(format!("// https://example.jp/{}", "a".repeat(100))), 0);
    assert_eq!(of(format!("let a = \"{}\";", "a".repeat(90))), 1);
    assert_eq!(of(format!("let a = \"{}\";", "a".repeat(89))), 0);
    assert_eq!(of(format!("let a = 1; // {}", "a".repeat(90))), 1);
    assert_eq!(of(format!("        r#\"{}\"#,", "a".repeat(100))), 1);
    assert_eq!(of(format!("let text = \"\n{}\n\";", "a".repeat(101))), 1);
}
