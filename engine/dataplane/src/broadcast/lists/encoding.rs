//! A recipients' file as UTF-8, piece by piece: by its byte order mark, or as the importer says.

use encoding_rs::{
    CoderResult, Decoder, EUC_JP, Encoding, SHIFT_JIS, UTF_16BE, UTF_16LE, WINDOWS_1252,
};

/// Octets of text that are decoded at a time.
const DECODED_OCTETS: usize = 64 * 1024;
/// A byte order mark has two or three.
const MARK_OCTETS_MAX: usize = 3;

/// Encodings that a file may be said to be in; UTF-8 and UTF-16 are told by themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Charset {
    /// UTF-8, or UTF-16 with its mark.
    #[default]
    Unicode,
    /// Shift_JIS as Windows has it.
    ShiftJis,
    /// EUC-JP.
    EucJp,
    /// ISO-8859-1.
    Latin1,
}

impl Charset {
    /// Every one with its name.
    pub const ALL: [(&str, Self); 4] = [
        ("utf-8", Self::Unicode),
        ("shift_jis", Self::ShiftJis),
        ("euc-jp", Self::EucJp),
        ("iso-8859-1", Self::Latin1),
    ];

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, charset)| charset)
    }
}

enum State {
    /// The first octets, of which it cannot be told yet.
    Undecided(Vec<u8>),
    /// Handed on as they are; what is no UTF-8 is found in its line.
    AsItIs,
    Decoding {
        decoder: Box<Decoder>,
        text: String,
    },
}

/// Makes UTF-8 of a file.
pub(super) struct Transcoder {
    charset: Charset,
    state: State,
}

impl Transcoder {
    pub(super) fn new(charset: Charset) -> Self {
        Self { charset, state: State::Undecided(Vec::new()) }
    }

    /// Takes octets of the file; `is_last` when nothing follows. Hands out UTF-8, in pieces.
    pub(super) fn feed(&mut self, octets: &[u8], is_last: bool, mut out: impl FnMut(&[u8])) {
        if let State::Undecided(first) = &mut self.state {
            first.extend_from_slice(octets);
            if first.len() < MARK_OCTETS_MAX && !is_last {
                return;
            }
            let first = std::mem::take(first);
            let (encoding, mark) = self.decide(&first);
            self.state = match encoding {
                None => State::AsItIs,
                Some(encoding) => State::Decoding {
                    decoder: Box::new(encoding.new_decoder_without_bom_handling()),
                    text: String::with_capacity(DECODED_OCTETS),
                },
            };
            return self.convert(&first[mark..], is_last, &mut out);
        }
        self.convert(octets, is_last, &mut out);
    }

    /// The encoding, `None` for UTF-8, and the length of the mark.
    fn decide(&self, first: &[u8]) -> (Option<&'static Encoding>, usize) {
        match (first, self.charset) {
            ([0xef, 0xbb, 0xbf, ..], _) => (None, 3),
            ([0xff, 0xfe, ..], _) => (Some(UTF_16LE), 2),
            ([0xfe, 0xff, ..], _) => (Some(UTF_16BE), 2),
            (_, Charset::Unicode) => (None, 0),
            (_, Charset::ShiftJis) => (Some(SHIFT_JIS), 0),
            (_, Charset::EucJp) => (Some(EUC_JP), 0),
            // What it has beyond Latin-1 stands where that has nothing.
            (_, Charset::Latin1) => (Some(WINDOWS_1252), 0),
        }
    }

    fn convert(&mut self, mut octets: &[u8], is_last: bool, out: &mut impl FnMut(&[u8])) {
        let State::Decoding { decoder, text } = &mut self.state else { return out(octets) };
        // What means nothing becomes a sign of its own, by which its line is refused.
        loop {
            let (result, read, _) = decoder.decode_to_string(octets, text, is_last);
            out(text.as_bytes());
            text.clear();
            octets = &octets[read..];
            if result == CoderResult::InputEmpty {
                return;
            }
        }
    }
}
