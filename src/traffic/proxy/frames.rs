//! Listens to one direction of a WebSocket (RFC 6455) while its bytes pass unchanged: takes them in whatever pieces they come,
//! gives the messages, joined and unpacked (RFC 7692). Holds one message at most, and never more of it than [`LONGEST`].

use flate2::{Decompress, FlushDecompress, Status};

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A message, or as much of it as there was.
    Message(Said),
    /// What a control frame carries: a ping's or a pong's payload, the reason for closing.
    Control {
        /// What kind of frame.
        kind: Control,
        /// Its payload, without a closing frame's code.
        bytes: Vec<u8>,
    },
}

/// Frames that are no message (RFC 6455 section 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Close,
    Ping,
    Pong,
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Whether it says that it is text.
    pub(super) text: bool,
    /// What it carries, from its beginning.
    pub(super) bytes: Vec<u8>,
    /// How many bytes it carries.
    pub(super) length: u64,
    /// False when `bytes` is not all of it.
    pub(super) complete: bool,
}

/// One direction of a WebSocket.
pub(super) struct Frames {
    state: State,
    /// The message that is coming in.
    message: Option<Coming>,
    inflate: Option<Decompress>,
    /// Why the rest is not understood.
    flaw: Option<&'static str>,
}

enum State {
    Head { bytes: [u8; 14], count: usize },
    Payload(Frame),
}

/// A frame whose payload is coming.
#[derive(Clone)]
struct Frame {
    opcode: u8,
    last: bool,
    left: u64,
    mask: [u8; 4],
    at: usize,
    /// Payload of a control frame.
    control: Vec<u8>,
}

struct Coming {
    packed: bool,
    said: Said,
}

impl Frames {
    /// `deflate` says that permessage-deflate was agreed on.
    pub(super) fn new(deflate: bool) -> Self {
        Self { state: HEAD, message: None, inflate: deflate.then(|| Decompress::new(false)), flaw: None }
    }

    /// Why what passes is not understood any more; `None` as long as it is.
    pub(super) const fn flaw(&self) -> Option<&'static str> {
        self.flaw
    }

    /// Takes the next bytes, and gives what became complete with them.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        while self.flaw.is_none() && !bytes.is_empty() {
            let step = match &mut self.state {
                State::Head { bytes: head, count } => {
                    let (first, rest) = bytes.split_at(1);
                    head[*count] = first[0];
                    *count += 1;
                    bytes = rest;
                    let (head, count) = (*head, *count);
                    self.head(&head[..count], &mut heard)
                }
                State::Payload(frame) => {
                    let count = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len()).min(SLICE);
                    let (piece, rest) = bytes.split_at(count);
                    bytes = rest;
                    let mut plain = piece.to_vec();
                    for byte in &mut plain {
                        *byte ^= frame.mask[frame.at % 4];
                        frame.at += 1;
                    }
                    frame.left -= count as u64;
                    self.payload(&plain, &mut heard)
                }
            };
            if let Err(flaw) = step {
                self.flaw = Some(flaw);
                heard.extend(self.end());
            }
        }
        heard
    }

    /// The connection is over: what had come of a message.
    pub(super) fn end(&mut self) -> Option<Heard> {
        self.message.take().map(|coming| Heard::Message(Said { complete: false, ..coming.said }))
    }

    /// A frame's head (RFC 6455 section 5.2), if it is complete.
    fn head(&mut self, head: &[u8], heard: &mut Vec<Heard>) -> Result<(), &'static str> {
        let [first, second, ..] = *head else { return Ok(()) };
        let length_bytes = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let masked = second & 0x80 != 0;
        if head.len() < 2 + length_bytes + if masked { 4 } else { 0 } {
            return Ok(());
        }
        let length = match length_bytes {
            0 => u64::from(second & 0x7f),
            _ => head[2..2 + length_bytes].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        let mut mask = [0; 4];
        if masked {
            mask.copy_from_slice(&head[2 + length_bytes..6 + length_bytes]);
        }
        let (opcode, last, packed) = (first & 0x0f, first & 0x80 != 0, first & 0x40 != 0);
        let control = opcode >= 8;
        if first & 0x30 != 0 || packed && (self.inflate.is_none() || control || opcode == 0) {
            return Err("a frame has a bit set that nobody agreed on");
        }
        if length > i64::MAX as u64 {
            return Err("a frame's length is impossible");
        }
        match opcode {
            1 | 2 if self.message.is_some() => return Err("a message began in the middle of another"),
            1 | 2 => self.message = Some(Coming { packed, said: Said { text: opcode == 1, ..Said::default() } }),
            0 if self.message.is_none() => return Err("a message goes on that never began"),
            0 => {}
            8..=10 if !last || length > 125 => return Err("a control frame is too long or in pieces"),
            8..=10 => {}
            _ => return Err("a frame is of a kind that does not exist"),
        }
        self.state = State::Payload(Frame { opcode, last, left: length, mask, at: 0, control: Vec::new() });
        if length == 0 { self.payload(&[], heard) } else { Ok(()) }
    }

    /// A piece of a frame's payload, unmasked.
    fn payload(&mut self, plain: &[u8], heard: &mut Vec<Heard>) -> Result<(), &'static str> {
        let State::Payload(frame) = &mut self.state else { return Ok(()) };
        let done = frame.left == 0;
        if frame.opcode >= 8 {
            frame.control.extend_from_slice(plain);
            if done {
                let bytes = std::mem::take(&mut frame.control);
                let (kind, skip) = match frame.opcode {
                    8 => (Control::Close, 2),
                    9 => (Control::Ping, 0),
                    _ => (Control::Pong, 0),
                };
                heard.push(Heard::Control { kind, bytes: bytes.get(skip..).unwrap_or_default().to_vec() });
                self.state = HEAD;
            }
            return Ok(());
        }
        let last = done && frame.last;
        if done {
            self.state = HEAD;
        }
        let Some(coming) = &mut self.message else { return Ok(()) };
        match &mut self.inflate {
            Some(inflate) if coming.packed => {
                unpack(inflate, plain, &mut coming.said)?;
                if last {
                    // RFC 7692 section 7.2.2: what the sender took off.
                    unpack(inflate, &[0, 0, 0xff, 0xff], &mut coming.said)?;
                }
            }
            _ => coming.said.take(plain),
        }
        if last && let Some(Coming { mut said, .. }) = self.message.take() {
            said.complete = said.bytes.len() as u64 == said.length;
            heard.push(Heard::Message(said));
        }
        Ok(())
    }
}

impl Said {
    fn take(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let room = LONGEST.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// Unpacks a piece of a message. What one message refers to may stand in those before it, so the state stays.
fn unpack(inflate: &mut Decompress, mut packed: &[u8], said: &mut Said) -> Result<(), &'static str> {
    let mut buffer = [0; 8 * 1024];
    loop {
        let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(packed, &mut buffer, FlushDecompress::Sync).map_err(|_| "a message cannot be unpacked")?;
        let taken = usize::try_from(inflate.total_in() - before_in).unwrap_or(usize::MAX).min(packed.len());
        let given = usize::try_from(inflate.total_out() - before_out).unwrap_or(usize::MAX).min(buffer.len());
        said.take(&buffer[..given]);
        packed = &packed[taken..];
        if said.length > MOST_UNPACKED {
            return Err("a message unpacks to more than is looked at");
        }
        match status {
            // A sender may end the stream with a message (RFC 7692 section 7.2.3.4); the next one begins anew.
            Status::StreamEnd => inflate.reset(false),
            _ if taken == 0 && given == 0 => return Ok(()),
            _ => {}
        }
        if packed.is_empty() && given < buffer.len() {
            return Ok(());
        }
    }
}

const HEAD: State = State::Head { bytes: [0; 14], count: 0 };
/// So much of a message is kept.
const LONGEST: usize = 4 * 1024 * 1024;
/// A message that unpacks to more is a bomb, or nothing that an app sends.
const MOST_UNPACKED: u64 = 256 * 1024 * 1024;
/// Payloads are unmasked in slices.
const SLICE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with a short payload, masked when there is a mask.
    fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
        let bit = if mask.is_some() { 0x80 } else { 0 };
        let mut frame = vec![first];
        match payload.len() {
            short @ ..126 => frame.push(bit | short as u8),
            medium @ ..0x1_0000 => {
                frame.push(bit | 126);
                frame.extend_from_slice(&(medium as u16).to_be_bytes());
            }
            long => {
                frame.push(bit | 127);
                frame.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        let mask = mask.inspect(|mask| frame.extend_from_slice(mask)).unwrap_or_default();
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    fn said(text: bool, bytes: &[u8]) -> Heard {
        Heard::Message(Said { text, bytes: bytes.to_vec(), length: bytes.len() as u64, complete: true })
    }

    /// Checks a stream in one piece and in every small size of pieces.
    fn check(deflate: bool, stream: &[u8], expected: &[Heard], flaw: Option<&str>) {
        for size in [stream.len().max(1), 1, 2, 3, 7, 1000] {
            let mut frames = Frames::new(deflate);
            let mut heard: Vec<Heard> = stream.chunks(size).flat_map(|piece| frames.take(piece)).collect();
            heard.extend(frames.end());
            assert_eq!(heard, expected, "in pieces of {size}");
            assert_eq!(frames.flaw(), flaw);
        }
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 100);
        let mut deflate = flate2::Compress::new(flate2::Compression::default(), false);
        deflate.compress_vec(text, &mut out, flate2::FlushCompress::Sync).expect("packed");
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        out
    }

    #[test]
    fn messages_are_heard_with_and_without_a_mask() {
        let mask = Some([1, 2, 3, 4]);
        check(false, &frame(0x81, None, b"hello"), &[said(true, b"hello")], None);
        check(false, &frame(0x82, mask, b"\x00\xff"), &[said(false, b"\x00\xff")], None);
        check(false, &frame(0x81, mask, b""), &[said(true, b"")], None);
        check(false, &frame(0x82, mask, &[7; 300]), &[said(false, &[7; 300])], None);
        check(false, &frame(0x82, mask, &[7; 70_000]), &[said(false, &[7; 70_000])], None);
    }

    #[test]
    fn pieces_are_joined_around_control_frames() {
        let mask = Some([9, 8, 7, 6]);
        let stream = [
            frame(0x01, mask, b"one "),
            frame(0x89, mask, b"ping"),
            frame(0x00, mask, b"two "),
            frame(0x80, mask, b"three"),
            frame(0x8a, mask, b""),
            frame(0x88, mask, b"\x03\xe8bye"),
        ]
        .concat();
        let control = |kind, bytes: &[u8]| Heard::Control { kind, bytes: bytes.to_vec() };
        let expected =
            [control(Control::Ping, b"ping"), said(true, b"one two three"), control(Control::Pong, b""), control(Control::Close, b"bye")];
        check(false, &stream, &expected, None);
    }

    #[test]
    fn packed_messages_are_unpacked_also_where_one_refers_to_another() {
        let mut deflate = flate2::Compress::new(flate2::Compression::default(), false);
        let mut stream = Vec::new();
        let text = b"{\"heart\":72,\"heart_rate\":72,\"steps\":1234}";
        for _ in 0..3 {
            let mut out = Vec::with_capacity(500);
            deflate.compress_vec(text, &mut out, flate2::FlushCompress::Sync).expect("packed");
            out.truncate(out.len() - 4);
            stream.extend(frame(0xc1, Some([1, 2, 3, 4]), &out));
        }
        stream.extend(frame(0x81, None, b"plain"));
        check(true, &stream, &[said(true, text), said(true, text), said(true, text), said(true, b"plain")], None);
        let whole = packed(text);
        let (first, rest) = whole.split_at(5);
        check(true, &[frame(0x42, None, first), frame(0x80, None, rest)].concat(), &[said(false, text)], None);
        check(true, &frame(0xc1, None, &[0]), &[said(true, b"")], None);
    }

    #[test]
    fn a_message_that_breaks_off_is_told_as_far_as_it_came() {
        let torn = |bytes: &[u8]| Heard::Message(Said { text: true, bytes: bytes.to_vec(), length: bytes.len() as u64, complete: false });
        let whole = frame(0x81, Some([1, 2, 3, 4]), b"hello");
        check(false, &whole[..whole.len() - 2], &[torn(b"hel")], None);
        check(false, &frame(0x01, None, b"part"), &[torn(b"part")], None);
        check(false, &whole[..4], &[], None);
    }

    #[test]
    fn of_a_long_message_the_beginning_is_kept() {
        let mut frames = Frames::new(false);
        let mut heard = frames.take(&frame(0x82, None, &vec![1; LONGEST + 10]));
        let Some(Heard::Message(said)) = heard.pop() else { panic!("a message") };
        assert_eq!((said.bytes.len(), said.length, said.complete), (LONGEST, LONGEST as u64 + 10, false));
    }

    #[test]
    fn a_message_that_unpacks_without_end_is_given_up() {
        let bomb = packed(&vec![0; 3 << 20]);
        let mut frames = Frames::new(true);
        let mut longest = 0;
        let mut first = 0x41;
        while frames.flaw().is_none() {
            frames.take(&frame(first, None, &bomb));
            longest += 3 << 20;
            first = 0;
            assert!(longest < MOST_UNPACKED + (8 << 20));
        }
    }

    #[test]
    fn what_is_no_websocket_is_said_to_be_none() {
        check(false, &frame(0xc1, None, b"x"), &[], Some("a frame has a bit set that nobody agreed on"));
        check(true, &frame(0xa1, None, b"x"), &[], Some("a frame has a bit set that nobody agreed on"));
        check(false, &frame(0x83, None, b"x"), &[], Some("a frame is of a kind that does not exist"));
        check(false, &frame(0x80, None, b"x"), &[], Some("a message goes on that never began"));
        check(false, &frame(0x89, None, &[0; 126]), &[], Some("a control frame is too long or in pieces"));
        check(false, &[0x81, 0x7f, 0xff, 0, 0, 0, 0, 0, 0, 0], &[], Some("a frame's length is impossible"));
        check(
            true,
            &frame(0xc1, None, b"\xff\xff\xff\xff"),
            &[Heard::Message(Said { text: true, ..Said::default() })],
            Some("a message cannot be unpacked"),
        );
        check(false, b"HTTP/1.1 200 OK\r\n", &[], Some("a frame has a bit set that nobody agreed on"));
    }

    #[test]
    fn any_bytes_are_taken_in_without_harm() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2000 {
            let bytes: Vec<u8> = (0..random.usize(..200)).map(|_| random.u8(..)).collect();
            let mut frames = Frames::new(random.bool());
            bytes.chunks(7).for_each(|piece| drop(frames.take(piece)));
            let _ = frames.end();
        }
    }
}
