//! The heads of requests that a client's HTTP/2 begins, counted frame by frame: what the engine refuses for one stream alone is
//! told to nobody, and would be missing without a trace. What is in them is not looked at.

/// What a client's bytes are, from the first on.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    at: At,
    /// The highest stream that was begun.
    stream: u32,
    /// Heads that are whole.
    whole: u64,
    /// Bytes of one that is not, with its frames' headers.
    half: Option<u64>,
}

/// Where in them the next byte is.
#[derive(Debug)]
enum At {
    /// So many of the preface's have come.
    Preface(usize),
    /// They are no HTTP/2.
    Elsewhere,
    /// In a frame's header, of which so much has come.
    Header([u8; HEADER], usize),
    /// In its payload, of which so much is to come; a request's head ends with it, or does not.
    Payload { left: usize, ends_head: bool },
}

impl Default for At {
    fn default() -> Self {
        Self::Preface(0)
    }
}

impl Blocks {
    /// More has come.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            match &mut self.at {
                At::Elsewhere => return,
                At::Preface(come) => {
                    bytes = rest;
                    self.at = match PREFACE.get(*come) {
                        Some(expected) if expected != first => At::Elsewhere,
                        _ if *come + 1 == PREFACE.len() => At::Header([0; HEADER], 0),
                        _ => At::Preface(*come + 1),
                    };
                }
                At::Header(header, come) => {
                    bytes = rest;
                    header[*come] = *first;
                    *come += 1;
                    if *come == HEADER {
                        let header = *header;
                        self.frame(header);
                    }
                }
                At::Payload { left, ends_head } => {
                    let now = (*left).min(bytes.len());
                    bytes = &bytes[now..];
                    *left -= now;
                    if let Some(half) = &mut self.half {
                        *half += now as u64;
                    }
                    if *left == 0 {
                        let ends_head = *ends_head;
                        self.payload_ended(ends_head);
                    }
                }
            }
        }
    }

    /// Whether it is HTTP/2.
    pub(super) const fn is_http2(&self) -> bool {
        matches!(self.version(), Some(true))
    }

    /// Whether it is HTTP/2; `None` while that cannot be told.
    pub(super) const fn version(&self) -> Option<bool> {
        match self.at {
            At::Preface(_) => None,
            At::Elsewhere => Some(false),
            At::Header(..) | At::Payload { .. } => Some(true),
        }
    }

    /// How many heads have come whole.
    pub(super) const fn whole(&self) -> u64 {
        self.whole
    }

    /// How much has come of one that is not whole.
    pub(super) const fn half(&self) -> Option<u64> {
        self.half
    }

    /// A frame's header is complete: RFC 9113 section 4.1.
    fn frame(&mut self, header: [u8; HEADER]) {
        let [a, b, c, kind, flags, stream @ ..] = header;
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        // A second block on a stream is its trailers.
        if kind == HEADERS && stream > self.stream {
            self.stream = stream;
            self.half = Some(0);
        }
        if let Some(half) = &mut self.half {
            *half += HEADER as u64;
        }
        let ends_head = self.half.is_some() && matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0;
        let left = u32::from_be_bytes([0, a, b, c]) as usize;
        self.at = At::Payload { left, ends_head };
        if left == 0 {
            self.payload_ended(ends_head);
        }
    }

    fn payload_ended(&mut self, ends_head: bool) {
        self.at = At::Header([0; HEADER], 0);
        if ends_head {
            self.whole += 1;
            self.half = None;
        }
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's header.
const HEADER: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("a short frame");
        [&[0, 0, length, kind, flags, 0, 0, 0, stream][..], payload].concat()
    }

    fn check(frames: &[Vec<u8>], whole: u64, half: Option<u64>) {
        let bytes = [PREFACE, &frames.concat()].concat();
        for piece in [1, 7, bytes.len()] {
            let mut blocks = Blocks::default();
            bytes.chunks(piece).for_each(|piece| blocks.read(piece));
            assert!(blocks.is_http2());
            assert_eq!((blocks.whole(), blocks.half()), (whole, half), "{frames:?} by {piece}");
        }
    }

    #[test]
    fn heads_are_counted_however_they_come() {
        let settings = frame(4, 0, 0, &[]);
        let head = |stream| frame(HEADERS, END_HEADERS, stream, b"block");
        check(std::slice::from_ref(&settings), 0, None);
        check(&[settings.clone(), frame(2, 0, 3, &[0; 5]), frame(6, 0, 0, &[0; 8]), frame(8, 0, 0, &[0; 4])], 0, None);
        check(&[settings.clone(), head(1), frame(0, 1, 1, b"body"), head(3)], 2, None);
        check(&[settings.clone(), frame(HEADERS, 0, 1, b"bl"), frame(CONTINUATION, END_HEADERS, 1, b"ock")], 1, None);
        check(&[head(1), frame(0, 0, 1, b"body"), head(1)], 1, None);
        check(&[head(1), frame(HEADERS, 0, 3, b"half")], 1, Some(13));
        check(&[head(1), frame(HEADERS, 0, 3, b"half"), frame(CONTINUATION, 0, 3, b"")], 1, Some(22));
        check(&[head(1), head(3)[..12].to_vec()], 1, Some(12));
        check(&[frame(HEADERS, END_HEADERS, 1, b"")], 1, None);
    }

    #[test]
    fn what_is_no_http_2_is_none() {
        for bytes in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", b"PRI * HT"] {
            let mut blocks = Blocks::default();
            blocks.read(bytes);
            assert!(!blocks.is_http2());
            assert_eq!((blocks.whole(), blocks.half()), (0, None));
        }
    }
}
