//! How far a response has arrived: what was seen of it once is not looked at again.
//!
//! A server may send a response octet by octet. [`read_response`](super::read_response) begins at
//! the start each time; asked at each arrival it would take the square of the octets. An
//! [`Arrival`] remembers where it stopped and says when asking pays.

use super::reader::{Chunk, Framing, framing, read_chunk};
use memchr::memchr;

/// The response at the start of a buffer that only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Arrival {
    stage: Stage,
    /// Where the part begins that has not arrived in whole.
    begins: usize,
    /// Up to where the part was looked through for its end.
    looked: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Stage {
    /// A head, interim or final.
    #[default]
    Head,
    /// A body that ends there.
    Until(usize),
    /// The chunks of a body.
    Chunks,
    /// The lines behind the last chunk.
    Trailer,
    /// A body that the end of the stream ends.
    UntilTheEnd,
    /// Nothing: it is there, or is none.
    Over,
}

impl Arrival {
    /// Whether `buffer` holds the whole response now, or octets that are none: it is time to read
    /// it. A body that the end of the stream ends is never whole before that.
    pub fn is_over(&mut self, buffer: &[u8]) -> bool {
        loop {
            let goes_on = match self.stage {
                Stage::Head => self.take_head(buffer),
                Stage::Chunks => self.take_chunk(buffer),
                Stage::Trailer => self.take_line(buffer),
                Stage::Until(end) if buffer.len() >= end => self.enter(Stage::Over, end),
                Stage::Until(_) | Stage::UntilTheEnd => false,
                Stage::Over => return true,
            };
            if !goes_on {
                return false;
            }
        }
    }

    /// The part before `begins` is there; true, so that the next one is looked at.
    fn enter(&mut self, stage: Stage, begins: usize) -> bool {
        (self.stage, self.begins, self.looked) = (stage, begins, begins);
        true
    }

    fn take_head(&mut self, buffer: &[u8]) -> bool {
        // Empty lines before a head are passed over.
        while self.looked == self.begins
            && buffer.get(self.begins).is_some_and(|octet| b"\r\n".contains(octet))
        {
            self.enter(Stage::Head, self.begins + 1);
        }
        while let Some(line_feed) = memchr(b'\n', &buffer[self.looked..]) {
            let line = buffer[self.looked..self.looked + line_feed].strip_suffix(b"\r");
            let is_empty = line.map_or(line_feed == 0, <[u8]>::is_empty);
            self.looked += line_feed + 1;
            if is_empty {
                let end = self.looked;
                return match framing(&buffer[self.begins..end]) {
                    Framing::Interim => self.enter(Stage::Head, end),
                    Framing::Length(octets) => {
                        self.enter(Stage::Until(end.saturating_add(octets)), end)
                    }
                    Framing::Chunked => self.enter(Stage::Chunks, end),
                    Framing::UntilTheEnd => self.enter(Stage::UntilTheEnd, end),
                    Framing::Malformed => self.enter(Stage::Over, end),
                };
            }
        }
        // A head that is wrong from its first line on has no end to wait for.
        let begun = &buffer[self.begins..buffer.len().min(self.begins + 5)];
        !b"HTTP/".starts_with(begun) && self.enter(Stage::Over, self.begins)
    }

    fn take_chunk(&mut self, buffer: &[u8]) -> bool {
        match read_chunk(&buffer[self.begins..]) {
            Chunk::Data { after, .. } => self.enter(Stage::Chunks, buffer.len() - after.len()),
            Chunk::Last { after } => self.enter(Stage::Trailer, buffer.len() - after.len()),
            Chunk::Partial => false,
            Chunk::Bad => self.enter(Stage::Over, self.begins),
        }
    }

    fn take_line(&mut self, buffer: &[u8]) -> bool {
        let rest = &buffer[self.looked..];
        let Some(line_feed) = memchr(b'\n', rest) else {
            self.looked = buffer.len();
            return false;
        };
        let end = self.looked + line_feed + 1;
        let line = &buffer[self.begins..end - 1];
        let is_empty = line.strip_suffix(b"\r").unwrap_or(line).is_empty();
        self.enter(if is_empty { Stage::Over } else { Stage::Trailer }, end)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ResponseOutcome, read_response};
    use super::*;

    const RESPONSES: [&[u8]; 14] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: y\r\n\r\nHTTP/1.1 304 z\r\n\
          Content-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n3;x=y\r\nbcd\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nTrailer: 1\r\n\
          Other: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"SSH-2.0-x\r\n",
    ];

    #[test]
    fn a_response_is_over_when_reading_it_would_find_it_whole_or_malformed() {
        for response in RESPONSES {
            let (mut arrival, mut over) = (Arrival::default(), false);
            for cut in 1..=response.len() {
                let read = read_response(&response[..cut], false);
                over = arrival.is_over(&response[..cut]);
                assert!(
                    !over || read != ResponseOutcome::Partial,
                    "{:?}",
                    String::from_utf8_lossy(&response[..cut])
                );
                // What is malformed may be found so only with the end of its head or chunk.
                let is_whole = matches!(read, ResponseOutcome::Complete(_));
                assert!(over || !is_whole, "{:?}", String::from_utf8_lossy(&response[..cut]));
            }
            assert!(over, "{:?}", String::from_utf8_lossy(response));
        }
        let until_the_end = b"HTTP/1.0 200 OK\r\n\r\nhello";
        assert!(!Arrival::default().is_over(until_the_end));
    }

    #[test]
    fn what_was_seen_once_is_not_looked_at_again() {
        let mut arrival = Arrival::default();
        let mut buffer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..1_000 {
            buffer.extend_from_slice(b"1\r\na\r\n");
            assert!(!arrival.is_over(&buffer));
            assert_eq!((arrival.stage, arrival.begins), (Stage::Chunks, buffer.len()));
        }
        let mut arrival = Arrival::default();
        buffer = b"HTTP/1.1 200 OK\r\n".to_vec();
        for number in 0..500 {
            buffer.extend_from_slice(format!("X-{number}: y\r\n").as_bytes());
            assert!(!arrival.is_over(&buffer));
            assert_eq!(arrival.looked, buffer.len());
        }
    }
}
