//! `hayauma sms`: the codec at the command line, to look into a TPDU, to make one, and to see why a text costs
//! as many short messages as it does.

mod decode;
mod encode;
mod segments;

use std::process::ExitCode;

use serde::Serialize;

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

/// Does it. Exit status 0: done; 1: what was given is wrong, and one sentence on standard error says how.
pub fn run(command: SmsCommand) -> ExitCode {
    let output = match command {
        SmsCommand::Decode(arguments) => decode::run(&arguments),
        SmsCommand::Segments(arguments) => segments::run(&arguments),
        SmsCommand::Encode(command) => encode::run(&command),
    };
    match output {
        Ok(text) => {
            println!("{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            eprintln!("hayauma sms: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Octets from hexadecimal digits; blanks between them do not matter.
fn octets_of(hex: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = hex.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(format!("{} hexadecimal digits are no whole octets; give an even number", digits.len()));
    }
    let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    pairs
        .iter()
        .map(|&[high, low]| match (value(high), value(low)) {
            (Some(high), Some(low)) => Ok(high << 4 | low),
            _ => Err(format!("'{}{}' is not hexadecimal", char::from(high), char::from(low))),
        })
        .collect()
}

/// One octet, written as two hexadecimal digits.
fn octet_of(hex: &str) -> Result<u8, String> {
    u8::from_str_radix(hex, 16).map_err(|_| format!("'{hex}' is not an octet in hexadecimal, 00 to FF"))
}

fn hex_of(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

fn json_of(value: &impl Serialize) -> Result<String, String> {
    simd_json::serde::to_string(value)
        .map_err(|error| format!("the result cannot be written as JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_reads_with_blanks_and_refuses_the_rest() {
        assert_eq!(octets_of("00 fF\n1a"), Ok(vec![0x00, 0xff, 0x1a]));
        assert!(octets_of("0").is_err());
        assert!(octets_of("0g").is_err());
        assert_eq!(hex_of(&[0, 255]), "00FF");
        assert_eq!(octet_of("4"), Ok(4));
        assert!(octet_of("100").is_err());
    }
}
