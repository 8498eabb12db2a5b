//! Half characters in JSON text. Programs written in JavaScript or Python write binary bodies with `\ud83d` alone, which no
//! Rust string can hold and which would make the whole file unreadable: each becomes U+FFFD, of the same length, so that
//! lines and columns in errors stay right.

use std::io;

/// Passes JSON through, with every lone surrogate escape replaced by `\ufffd`.
pub(super) struct WithoutLoneSurrogates<R> {
    input: R,
    piece: Box<[u8]>,
    /// What can be read.
    ready: Vec<u8>,
    taken: usize,
    /// The beginning of an escape or of a pair of them, 11 bytes at most.
    held: Vec<u8>,
}

impl<R: io::Read> WithoutLoneSurrogates<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, piece: vec![0; 64 * 1024].into(), ready: Vec::new(), taken: 0, held: Vec::with_capacity(12) }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.taken = 0;
        while self.ready.is_empty() {
            let length = self.input.read(&mut self.piece)?;
            if length == 0 {
                self.ready.append(&mut self.held);
                return Ok(());
            }
            let mut rest = &self.piece[..length];
            while let Some((first, tail)) = rest.split_first() {
                if self.held.is_empty() {
                    let plain = rest.iter().position(|byte| *byte == b'\\').unwrap_or(rest.len());
                    self.ready.extend_from_slice(&rest[..plain]);
                    if plain == rest.len() {
                        break;
                    }
                    self.held.push(b'\\');
                    rest = &rest[plain + 1..];
                } else {
                    step(&mut self.held, &mut self.ready, *first);
                    rest = tail;
                }
            }
        }
        Ok(())
    }
}

impl<R: io::Read> io::Read for WithoutLoneSurrogates<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.ready.len() {
            self.refill()?;
        }
        let length = buffer.len().min(self.ready.len() - self.taken);
        buffer[..length].copy_from_slice(&self.ready[self.taken..self.taken + length]);
        self.taken += length;
        Ok(length)
    }
}

/// One byte more of an escape that has begun.
fn step(held: &mut Vec<u8>, ready: &mut Vec<u8>, byte: u8) {
    let fits = match held.len() % 6 {
        0 => byte == b'\\',
        1 => byte == b'u',
        _ => byte.is_ascii_hexdigit(),
    };
    if !fits {
        // A high half before what is no second escape is alone; the rest is another escape, or wrong by itself.
        if held.len() >= 6 {
            ready.extend_from_slice(REPLACEMENT);
            held.drain(..6);
        }
        ready.append(held);
        ready.push(byte);
        return;
    }
    held.push(byte);
    match (held.len(), held.get(..6).map(half)) {
        (6, Some(Half::None)) => ready.append(held),
        (6, Some(Half::Low)) => {
            held.clear();
            ready.extend_from_slice(REPLACEMENT);
        }
        (12, _) => match half(&held[6..]) {
            Half::Low => ready.append(held),
            Half::High => {
                ready.extend_from_slice(REPLACEMENT);
                held.drain(..6);
            }
            Half::None => {
                ready.extend_from_slice(REPLACEMENT);
                ready.extend(held.drain(..).skip(6));
            }
        },
        _ => {}
    }
}

/// Which half of a character outside the basic plane an escape is (RFC 8259 section 7).
enum Half {
    None,
    High,
    Low,
}

fn half(escape: &[u8]) -> Half {
    match (escape.get(2).map(u8::to_ascii_lowercase), escape.get(3).map(u8::to_ascii_lowercase)) {
        (Some(b'd'), Some(b'8' | b'9' | b'a' | b'b')) => Half::High,
        (Some(b'd'), Some(b'c'..=b'f')) => Half::Low,
        _ => Half::None,
    }
}

const REPLACEMENT: &[u8] = br"\ufffd";

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Gives its text one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    fn check(text: &str, expected: &str) {
        for input in [Box::new(text.as_bytes()) as Box<dyn Read>, Box::new(Slow(text.as_bytes()))] {
            let mut out = String::new();
            WithoutLoneSurrogates::new(input).read_to_string(&mut out).expect("text");
            assert_eq!(out, expected, "{text}");
        }
    }

    #[test]
    fn lone_halves_are_replaced_and_all_else_passes() {
        check(r#""a\n\\ud83d \u00e9""#, r#""a\n\\ud83d \u00e9""#);
        check(r"\uD83D\uDE00", r"\uD83D\uDE00");
        check(r"\ud83d", r"\ud83d");
        check(r"\ud83d.", r"\ufffd.");
        check(r#"\ud83d\n\udc80""#, r#"\ufffd\n\ufffd""#);
        check(r"\ud83d\ud83d\ude00x", r"\ufffd\ud83d\ude00x");
        check(r"\ud83d\u0041", r"\ufffd\u0041");
        check(r"\ud83d\uzz", r"\ufffd\uzz");
        check(r"\ude00\ud83d\", r"\ufffd\ud83d\");
        check(r"\u12", r"\u12");
        check("", "");
    }
}
