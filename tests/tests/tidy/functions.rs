//! Functions have at most 70 lines.

use tests::house::{Source, long_functions, sources};

const LINES_MAX: usize = 70;
const FOLDERS: [&str; 5] = ["engine", "loadgen", "bench", "tests", "examples"];

#[test]
fn no_function_has_more_than_seventy_lines() {
    let mut wrong = Vec::new();
    for source in sources(&FOLDERS) {
        for (line, length) in long_functions(&source, LINES_MAX) {
            wrong.push(format!("{}:{line} {length} lines", source.place));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_long_function_is_seen_and_a_short_one_is_not() {
    let function = |lines: usize| {
        format!(
            "impl X {{\n    pub fn f(\n        &self,\n    ) {{\n{}    }}\n}}\n",
            "        g();\n".repeat(lines)
        )
    };
    assert_eq!(long_functions(&Source::of("x.rs", &function(67)), LINES_MAX), [(2, 71)]);
    assert_eq!(long_functions(&Source::of("x.rs", &function(66)), LINES_MAX), []);
    for head in ["fn f() { // why", "pub(in crate::x) fn f() {", "#[inline] fn f() {"] {
        let text = format!("mod x {{\n    {head}\n{}    }}\n}}\n", "        g();\n".repeat(69));
        assert_eq!(long_functions(&Source::of("x.rs", &text), LINES_MAX), [(2, 71)], "{head}");
    }
    let declared = "trait X {\n    fn f(&self);\n}\n";
    assert_eq!(long_functions(&Source::of("x.rs", declared), 1), []);
}
