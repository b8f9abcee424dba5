//! Comments end at column 100; tables and links may be as wide as they are.

use tests::house::{Source, sources};

const COLUMNS_MAX: usize = 100;

/// Lines that are nothing but a comment and too wide: `place:line`.
fn wide(source: &Source) -> Vec<String> {
    let lines = source.text.lines().enumerate();
    let wide = lines.filter(|(_, line)| {
        let text = line.trim_start();
        let words = text.trim_start_matches(['/', '!']).trim_start();
        let may_be = words.starts_with('|') || words.starts_with("http");
        text.starts_with("//") && !may_be && line.chars().count() > COLUMNS_MAX
    });
    wide.map(|(at, _)| format!("{}:{}", source.place, at + 1)).collect()
}

#[test]
fn comments_end_at_column_one_hundred() {
    let sources = sources(&["engine", "loadgen", "bench", "tests"]);
    let wrong: Vec<String> = sources.iter().flat_map(wide).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_wide_comment_is_seen() {
    let of = |text: String| wide(&Source::of("x.rs", &text)).len();
    assert_eq!(of(format!("    // {}", "a".repeat(94))), 1);
    assert_eq!(of(format!("//! {}", "a".repeat(97))), 1);
    assert_eq!(of(format!("//! {}", "早".repeat(96))), 0);
    assert_eq!(of(format!("//! | {} |", "a".repeat(100))), 0);
    assert_eq!(of(format!("let a = \"{}\";", "a".repeat(100))), 0);
}
