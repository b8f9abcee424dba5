//! Numbers as people read them.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three significant digits and a unit: `871 µs`, `12.3 ms`, `4.56 s`.
pub(crate) fn time(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos() as f64;
    let (value, unit) = match duration.as_nanos() {
        0..999_500 => (nanoseconds / 1e3, "µs"),
        999_500..999_500_000 => (nanoseconds / 1e6, "ms"),
        _ => (nanoseconds / 1e9, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

/// Octets in the binary unit that fits: `412 MiB`.
pub(crate) fn octets(octets: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = octets as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{octets} B")
    } else {
        format!("{} {}", three_digits(value), UNITS[unit])
    }
}

/// At least three significant digits.
pub(crate) fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        absolute if absolute >= 99.95 => 0,
        absolute if absolute >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// `part` of `whole` in per cent with one decimal.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / whole.max(1) as f64)
}

/// `count` things per second of `within`.
pub(crate) fn per_second(count: u64, within: Duration) -> f64 {
    if within.is_zero() { 0.0 } else { count as f64 / within.as_secs_f64() }
}

/// Compact JSON on lines of its own, two blanks a level.
pub(crate) fn indented(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let mut level = 0;
    let (mut quoted, mut escaped) = (false, false);
    let new_line = |text: &mut String, level: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", level));
    };
    let mut characters = json.chars().peekable();
    while let Some(character) = characters.next() {
        if quoted {
            text.push(character);
            quoted = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        match character {
            '{' | '[' if characters.next_if(|next| matches!(next, '}' | ']')).is_some() => {
                text.push_str(if character == '{' { "{}" } else { "[]" });
            }
            '{' | '[' => {
                text.push(character);
                level += 1;
                new_line(&mut text, level);
            }
            '}' | ']' => {
                level -= 1;
                new_line(&mut text, level);
                text.push(character);
            }
            ',' => {
                text.push(character);
                new_line(&mut text, level);
            }
            ':' => text.push_str(": "),
            other => {
                quoted = other == '"';
                text.push(other);
            }
        }
    }
    text
}

/// Reads a time such as `5ms`, more than nothing and ten minutes at most; else a sentence.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let refuse = || format!("\"{text}\" is not a time: write a number and us, ms or s, e.g. 5ms.");
    let digits = text.find(|character: char| character.is_ascii_alphabetic()).ok_or_else(refuse)?;
    let value: f64 = text[..digits].parse().map_err(|_| refuse())?;
    let seconds = match &text[digits..] {
        "us" => value / 1e6,
        "ms" => value / 1e3,
        "s" => value,
        _ => return Err(refuse()),
    };
    if seconds > 0.0 && seconds <= 600.0 {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(refuse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators_units_and_three_digits() {
        assert_eq!(
            ["1", "999", "1,000", "1,234,567"].map(str::to_owned),
            [1, 999, 1_000, 1_234_567].map(grouped)
        );
        let times = [0, 870_600, 999_499, 999_500, 12_340_000, 999_600_000, 61_000_000_000]
            .map(Duration::from_nanos);
        assert_eq!(
            times.map(time),
            ["0.00 µs", "871 µs", "999 µs", "1.00 ms", "12.3 ms", "1.00 s", "61.0 s"]
        );
        assert_eq!([0, 1023, 432_013_312].map(octets), ["0 B", "1.00 KiB", "412 MiB"]);
        assert_eq!((percent(1, 3), percent(0, 0)), ("33.3 %".to_owned(), "0.0 %".to_owned()));
        assert_eq!(
            (per_second(10, Duration::from_millis(500)), per_second(1, Duration::ZERO)),
            (20.0, 0.0)
        );
    }

    #[test]
    fn json_is_indented_and_strings_are_left_alone() {
        let json = r#"{"a":[1,2],"b":{},"c":"x,{\"y:\\","d":[]}"#;
        let lines = [
            "{",
            "  \"a\": [",
            "    1,",
            "    2",
            "  ],",
            "  \"b\": {},",
            r#"  "c": "x,{\"y:\\","#,
            "  \"d\": []",
            "}",
        ];
        assert_eq!(indented(json), lines.join("\n"));
    }
}
