//! `hayauma sms`: the codec at the command line, to look into a TPDU, to make one, and to see why a
//! text costs as many short messages as it does.

mod decode;
mod encode;
mod input;
mod segments;

use std::process::ExitCode;

use serde::Serialize;

use super::output::Report;
use super::{CliError, Output};

/// What to do with short messages.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum SmsCommand {
    /// Print every field of a TPDU by its standard name.
    Decode(decode::DecodeArguments),
    /// Print the alphabet of a text, its number of segments and what each holds.
    Segments(segments::SegmentsArguments),
    /// Make TPDUs and print them in hexadecimal, one a line.
    #[command(subcommand)]
    Encode(encode::EncodeCommand),
}

/// Does it. Exit status 0: done; 1: something that was given is wrong, and one sentence on standard
/// error says how.
pub(super) fn run(command: SmsCommand, output: &mut Output<'_>) -> Result<ExitCode, CliError> {
    output.report_all("hayauma sms", |report| {
        let stdin = &mut std::io::stdin().lock();
        match command {
            SmsCommand::Decode(arguments) => decode::run(&arguments, stdin, report),
            SmsCommand::Segments(arguments) => {
                report(segments::run(&arguments, stdin));
            }
            SmsCommand::Encode(command) => {
                report(encode::run(&command, stdin));
            }
        }
    })
}

/// Octets from hexadecimal digits; blanks and colons between them do not matter, nor does a leading
/// `0x`.
pub(super) fn octets_of(hex: &str) -> Result<Vec<u8>, String> {
    let hex = hex.trim();
    let hex = without_prefix(hex);
    let digits = hex.chars().filter(|character| !character.is_whitespace() && *character != ':');
    let digits: Vec<u8> = digits
        .map(|digit| {
            let value = digit.to_digit(16).map(|value| value as u8);
            value.ok_or_else(|| format!("{digit:?} is not a hexadecimal digit"))
        })
        .collect::<Result<_, _>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(format!(
            "{} hexadecimal digits are no whole octets; give an even number",
            digits.len()
        ));
    }
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn without_prefix(hex: &str) -> &str {
    hex.strip_prefix("0x").or_else(|| hex.strip_prefix("0X")).unwrap_or(hex)
}

/// One octet, written as one or two hexadecimal digits, with or without `0x`.
fn octet_of(hex: &str) -> Result<u8, String> {
    let digits = without_prefix(hex);
    let legal =
        (1..=2).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16)
        .ok()
        .filter(|_| legal)
        .ok_or_else(|| format!("'{hex}' is not an octet in hexadecimal, 00 to FF"))
}

pub(super) fn hex_of(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

/// Text on one line: control characters, line ends and the backslash escaped, quotation marks as
/// they are.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for piece in text.split_inclusive(['"', '\'']) {
        let body = piece.trim_end_matches(['"', '\'']);
        shown.extend(body.escape_debug());
        shown.push_str(&piece[body.len()..]);
    }
    shown
}

pub(super) fn json_of(value: &impl Serialize) -> Result<String, String> {
    simd_json::serde::to_string(value)
        .map_err(|error| format!("the result cannot be written as JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_on_one_line_and_as_it_reads() {
        assert_eq!(shown("it's \"so\"\n\\ e\u{301}\u{7}"), "it's \"so\"\\n\\\\ e\u{301}\\u{7}");
        assert_eq!(shown("\"\"'"), "\"\"'");
        assert_eq!(shown(""), "");
    }

    #[test]
    fn hexadecimal_reads_with_blanks_and_refuses_the_rest() {
        assert_eq!(octets_of("00 fF\n1a"), Ok(vec![0x00, 0xff, 0x1a]));
        assert_eq!(octets_of("0x00:ff:1A"), Ok(vec![0x00, 0xff, 0x1a]));
        assert_eq!(octets_of(""), Ok(vec![]));
        assert!(octets_of("0").is_err());
        assert!(octets_of("0g").expect_err("refused").contains("'g'"));
        assert!(octets_of("00 x1").is_err());
        assert!(octets_of("００").expect_err("refused").contains('０'));
        assert_eq!(hex_of(&[0, 255]), "00FF");
        assert_eq!((octet_of("4"), octet_of("0xD3")), (Ok(4), Ok(0xd3)));
        for wrong in ["100", "", "0x", "+4", "g"] {
            assert!(octet_of(wrong).is_err(), "{wrong}");
        }
    }
}
