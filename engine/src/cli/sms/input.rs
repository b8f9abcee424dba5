//! What `hayauma sms` reads from standard input, with bounds: hexadecimal lines and texts.

use std::io::{BufRead, Read};

/// Octets that a line of hexadecimal has at most: far above the two digits and a blank that each
/// octet of a TPDU takes.
pub(super) const LINE_OCTETS_MAX: usize = 4096;
/// Octets of a text: more than 255 segments hold in any alphabet.
pub(super) const TEXT_OCTETS_MAX: usize = 256 * 1024;

/// The argument that stands for standard input.
pub(super) const STANDARD_INPUT: &str = "-";

/// Hands out the lines of `input` that are not blank, each with its number from 1. A line that is
/// too long or no text is an error; what follows it is still read. Ends early when `handle` says
/// that nobody wants the next.
pub(super) fn for_each_line(
    mut input: impl BufRead,
    mut handle: impl FnMut(usize, Result<&str, String>) -> bool,
) {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let limit = LINE_OCTETS_MAX as u64 + 1;
        let goes_on = match input.by_ref().take(limit).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(octets) if octets > LINE_OCTETS_MAX && !line.ends_with(b"\n") => {
                handle(number, Err(format!("longer than {LINE_OCTETS_MAX} octets")))
                    && input.skip_until(b'\n').is_ok()
            }
            Ok(_) => match std::str::from_utf8(&line) {
                Ok(text) if text.trim().is_empty() => true,
                Ok(text) => handle(number, Ok(text.trim())),
                Err(_) => handle(number, Err("not hexadecimal".to_owned())),
            },
            Err(error) => {
                handle(number, Err(format!("standard input cannot be read: {error}")));
                return;
            }
        };
        if !goes_on {
            return;
        }
    }
}

/// `argument`, or for `-` the whole of `input` without the line end that a shell's `echo` puts
/// behind it.
pub(super) fn text_of(argument: &str, input: impl Read) -> Result<String, String> {
    if argument != STANDARD_INPUT {
        return Ok(argument.to_owned());
    }
    let mut octets = Vec::new();
    let limit = TEXT_OCTETS_MAX as u64 + 1;
    input
        .take(limit)
        .read_to_end(&mut octets)
        .map_err(|error| format!("standard input cannot be read: {error}"))?;
    if octets.len() > TEXT_OCTETS_MAX {
        return Err(format!("the text is longer than {TEXT_OCTETS_MAX} octets"));
    }
    let mut text =
        String::from_utf8(octets).map_err(|error| format!("the text is not UTF-8: {error}"))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_handed_out_with_their_numbers_and_long_ones_are_refused() {
        let long = "0".repeat(LINE_OCTETS_MAX + 1);
        let fits = "1".repeat(LINE_OCTETS_MAX);
        let input = format!("00\r\n\n  01 02 \n{long}\n{fits}\nff");
        let mut seen = Vec::new();
        for_each_line(input.as_bytes(), |number, line| {
            seen.push((number, line.map(str::to_owned).ok()));
            true
        });
        let expected = [
            (1, Some("00".to_owned())),
            (3, Some("01 02".to_owned())),
            (4, None),
            (5, Some(fits)),
            (6, Some("ff".to_owned())),
        ];
        assert_eq!(seen, expected);
        for_each_line(&b"\xff\n00\n"[..], |number, line| {
            assert!(number == 1 && line.is_err(), "nothing is read on");
            false
        });
    }

    #[test]
    fn a_text_is_the_argument_or_standard_input_without_its_last_line_end() {
        assert_eq!(text_of("hello", &b"other"[..]).as_deref(), Ok("hello"));
        assert_eq!(text_of("-", &b"one\ntwo\n"[..]).as_deref(), Ok("one\ntwo"));
        assert_eq!(text_of("-", &b""[..]).as_deref(), Ok(""));
        assert!(text_of("-", &b"\xff"[..]).is_err());
        assert!(text_of("-", &vec![b'x'; TEXT_OCTETS_MAX + 1][..]).is_err());
        assert!(text_of("-", &vec![b'x'; TEXT_OCTETS_MAX][..]).is_ok());
    }
}
