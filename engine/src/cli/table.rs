//! Aligned columns for a terminal.

/// Lays the rows out in columns, the first row being the heads; columns named in `right` are
/// aligned to the right.
pub(crate) fn render(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width_of = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width_of(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let padding = " ".repeat(widths[column] - cell.chars().count());
            if column > 0 {
                line.push_str("  ");
            }
            if right.contains(&column) {
                line.push_str(&padding);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&padding);
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `one` for 1, else `many`.
pub(crate) fn plural<'a>(number: u64, one: &'a str, many: &'a str) -> &'a str {
    if number == 1 { one } else { many }
}

/// The number with commas between groups of three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_thing_is_not_said_to_be_many() {
        let said = |number| format!("{number} {}", plural(number, "push waits", "pushes wait"));
        assert_eq!([0, 1, 2].map(said), ["0 pushes wait", "1 push waits", "2 pushes wait"]);
    }

    #[test]
    fn columns_are_aligned_and_lines_end_without_blanks() {
        let rows = [["NAME", "COUNT"], ["a", "1"], ["longer", "20"]]
            .map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(render(&rows, &[1]), "NAME    COUNT\na           1\nlonger     20\n");
        assert_eq!(render(&rows, &[]), "NAME    COUNT\na       1\nlonger  20\n");
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
