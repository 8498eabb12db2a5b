//! Long messages in short frames, as the models of 2021 send them, encrypted or not: pure functions between messages and frames.
//! What the messages say is not looked at. Layout: `docs/protocols/huami-ble.md`, section 4.

use aes::{
    Aes128,
    cipher::{BlockCipherDecrypt, KeyInit},
};

use super::{authentication::encrypted, handshake::Session};
use crate::band::Key;

/// Payload of a value at the default MTU of 23.
pub const DEFAULT_VALUE_BYTES: usize = 20;

/// A message to or from an endpoint (`0082` authentication, `0029` battery, …).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which part of the band.
    pub endpoint: u16,
    /// What it says, in clear.
    pub payload: Vec<u8>,
}

/// The frames of a message. `handle` numbers messages; with a session the payload is encrypted, and the session counts on.
/// `value_bytes` is how long a value may be (MTU less 3), at least [`DEFAULT_VALUE_BYTES`].
pub fn frames(message: &Message, handle: u8, session: Option<&mut Session>, value_bytes: usize) -> Vec<Vec<u8>> {
    let kind = if session.is_some() { ENCRYPTED } else { 0 };
    let length = u32::try_from(message.payload.len()).unwrap_or(u32::MAX);
    let body = match session {
        Some(session) => sealed(&message.payload, handle, session),
        None => message.payload.clone(),
    };
    let head = [&length.to_le_bytes()[..], &message.endpoint.to_le_bytes()].concat();
    let room = value_bytes.max(DEFAULT_VALUE_BYTES) - HEADER;
    // The length and the endpoint go before the first frame's data, as if they were data.
    let body = [head, body].concat();
    let last = body.chunks(room).count() - 1;
    let mut frames = Vec::new();
    for (number, data) in body.chunks(room).enumerate() {
        let first = if number == 0 { FIRST } else { 0 };
        let last = if number == last { LAST | WANTS_ACKNOWLEDGEMENT } else { 0 };
        let [count, ..] = number.to_le_bytes();
        frames.push([&[CHUNKED, kind | first | last, 0x00, handle, count][..], data].concat());
    }
    frames
}

/// Whether a value is a frame of a message, and not the acknowledgement of one.
pub fn is_frame(value: &[u8]) -> bool {
    value.first() == Some(&CHUNKED)
}

/// What came of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The message, when this was its last frame.
    pub message: Option<Message>,
    /// What the other side wants to be told, that is written to [`super::characteristics::CHUNKS_FROM_BAND`].
    pub acknowledgement: Option<[u8; 5]>,
}

/// Why frames are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Neither first nor next frame, or none at all.
    #[error("a frame of a long message is missing")]
    Gap,
    /// Longer than anything a band says, or longer than it says itself.
    #[error("a long message is longer than can be")]
    TooLong,
    /// The checksum inside is wrong, or there is no session.
    #[error("an encrypted message cannot be decrypted")]
    Sealed,
}

/// Puts frames together, one message after the other.
#[derive(Debug, Default)]
pub struct Assembly {
    partial: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    handle: u8,
    next: u8,
    is_encrypted: bool,
    /// Length of the message in clear.
    length: usize,
    /// Length and endpoint, then what came.
    body: Vec<u8>,
}

impl Assembly {
    /// Takes the next frame. After an error it waits for the first frame of another message.
    ///
    /// # Errors
    /// When it does not fit, or the message cannot be read.
    pub fn take(&mut self, frame: &[u8], session: Option<&Session>) -> Result<Taken, FrameError> {
        let &[CHUNKED, flags, 0x00, handle, count, ref data @ ..] = frame else { return Err(FrameError::Gap) };
        let partial = self.partial.take();
        let mut partial = if flags & FIRST != 0 {
            let (length, _) = data.split_first_chunk::<4>().ok_or(FrameError::Gap)?;
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            if length > MESSAGE_MAX {
                return Err(FrameError::TooLong);
            }
            Partial { handle, next: count, is_encrypted: flags & ENCRYPTED != 0, length, body: Vec::new() }
        } else {
            partial.filter(|partial| partial.handle == handle && partial.next == count).ok_or(FrameError::Gap)?
        };
        partial.next = partial.next.wrapping_add(1);
        partial.body.extend_from_slice(data);
        let most = if partial.is_encrypted { (partial.length + 8).next_multiple_of(BLOCK) } else { partial.length };
        if partial.body.len() > HEAD + most {
            return Err(FrameError::TooLong);
        }
        let acknowledgement = (flags & WANTS_ACKNOWLEDGEMENT != 0).then_some([0x04, 0x00, handle, 0x01, count]);
        let message = if flags & LAST != 0 {
            Some(partial.finish(session)?)
        } else {
            self.partial = Some(partial);
            None
        };
        Ok(Taken { message, acknowledgement })
    }
}

impl Partial {
    fn finish(self, session: Option<&Session>) -> Result<Message, FrameError> {
        let (head, body) = self.body.split_first_chunk::<HEAD>().ok_or(FrameError::Gap)?;
        let endpoint = u16::from_le_bytes([head[4], head[5]]);
        let payload = if self.is_encrypted {
            session.and_then(|session| opened(body, self.length, self.handle, session)).ok_or(FrameError::Sealed)?
        } else if body.len() == self.length {
            body.to_vec()
        } else {
            return Err(FrameError::Gap);
        };
        Ok(Message { endpoint, payload })
    }
}

/// First byte of a frame.
const CHUNKED: u8 = 0x03;

/// Bits of the second byte.
const FIRST: u8 = 1;
const LAST: u8 = 2;
const WANTS_ACKNOWLEDGEMENT: u8 = 4;
const ENCRYPTED: u8 = 8;

/// Bytes before the data: kind, flags, a nought, handle, count.
const HEADER: usize = 5;

/// Bytes of length and endpoint in the first frame.
const HEAD: usize = 6;

/// Bytes of an AES block.
const BLOCK: usize = 16;

/// Longest message in clear: the longest seen are lists of apps and languages, some kilobytes.
const MESSAGE_MAX: usize = 64 * 1024;

/// Clear text, sequence number and CRC-32 of both, padded with noughts, encrypted block by block.
fn sealed(payload: &[u8], handle: u8, session: &mut Session) -> Vec<u8> {
    let mut clear = [payload, &session.sequence.to_le_bytes()].concat();
    clear.extend(crc32fast::hash(&clear).to_le_bytes());
    clear.resize(clear.len().next_multiple_of(BLOCK), 0);
    session.sequence = session.sequence.wrapping_add(1);
    let key = message_key(session, handle);
    clear.as_chunks::<BLOCK>().0.iter().flat_map(|block| encrypted(&key, *block)).collect()
}

/// The clear text of `length` bytes; `None` when the checksum is wrong.
fn opened(body: &[u8], length: usize, handle: u8, session: &Session) -> Option<Vec<u8>> {
    let (blocks, rest) = body.as_chunks::<BLOCK>();
    if !rest.is_empty() || body.len() != (length + 8).next_multiple_of(BLOCK) {
        return None;
    }
    let cipher = Aes128::new(&message_key(session, handle).bytes().into());
    let mut clear = Vec::with_capacity(body.len());
    for block in blocks {
        let mut block = (*block).into();
        cipher.decrypt_block(&mut block);
        clear.extend_from_slice(&block);
    }
    let (told, _) = clear.get(length + 4..)?.split_first_chunk::<4>()?;
    let is_whole = crc32fast::hash(&clear[..length + 4]) == u32::from_le_bytes(*told);
    clear.truncate(length);
    is_whole.then_some(clear)
}

/// Each message has a key of its own: every byte of the session's, XOR the handle.
fn message_key(session: &Session, handle: u8) -> Key {
    Key::new(session.key.bytes().map(|byte| byte ^ handle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{band::huami::handshake, model::text::hex};

    const PHONE_POINT: [u8; 48] = *b"\x4c\xb3\x47\xe1\xf4\xb2\x89\xb8\xd4\x3c\x9a\x11\x49\x62\x29\xd7\xd0\xe1\x09\x65\x03\x00\x00\x00\
        \x3f\xfe\xe7\x1d\xb3\xde\xd7\xe6\x6e\x18\x35\x46\xe3\x80\x51\xb9\x50\x17\x9a\x18\x06\x00\x00\x00";

    fn session() -> Session {
        let key = [0x30, 0xf3, 0x8a, 0xb2, 0x22, 0xb5, 0xd0, 0x12, 0x8c, 0x16, 0xe0, 0x6b, 0xab, 0xad, 0xae, 0xaf];
        Session { key: Key::new(key), sequence: 0x9abd_bef5 }
    }

    fn assembled(frames: &[Vec<u8>], session: Option<&Session>) -> Result<Option<Message>, FrameError> {
        let mut assembly = Assembly::default();
        frames.iter().try_fold(None, |_, frame| assembly.take(frame, session).map(|taken| taken.message))
    }

    #[test]
    fn a_hello_is_cut_into_frames() {
        let message = Message { endpoint: 0x0082, payload: handshake::hello(PHONE_POINT) };
        let frames = frames(&message, 1, None, DEFAULT_VALUE_BYTES);
        let expected = [
            "0301000100340000008200040200024cb347e1f4",
            "0300000101b289b8d43c9a11496229d7d0e10965",
            "0300000102030000003ffee71db3ded7e66e1835",
            "030600010346e38051b950179a1806000000",
        ];
        assert_eq!(frames.iter().map(|frame| hex(frame)).collect::<Vec<_>>(), expected);
        assert_eq!(assembled(&frames, None), Ok(Some(message)));
    }

    #[test]
    fn an_encrypted_message_is_cut_after_it_was_encrypted() {
        let message = Message { endpoint: 0x0029, payload: vec![0x03] };
        let mut sender = session();
        let frames = frames(&message, 3, Some(&mut sender), DEFAULT_VALUE_BYTES);
        let expected = ["0309000300010000002900c31cd0380627a011eb", "030e00030102e8be57d538c3"];
        assert_eq!(frames.iter().map(|frame| hex(frame)).collect::<Vec<_>>(), expected);
        assert_eq!(sender.sequence, 0x9abd_bef6, "it counts on");
        assert_eq!(assembled(&frames, Some(&session())), Ok(Some(message)));
        assert_eq!(assembled(&frames, None), Err(FrameError::Sealed));
        let mut torn = frames.clone();
        torn[1][6] ^= 1;
        assert_eq!(assembled(&torn, Some(&session())), Err(FrameError::Sealed));
    }

    #[test]
    fn messages_of_any_length_come_through_at_any_mtu() {
        for length in [0, 1, 8, 9, 10, 15, 16, 24, 200, 5000] {
            for value_bytes in [1, 20, 64, 244] {
                for encrypted in [false, true] {
                    let message = Message { endpoint: 0x1234, payload: (0..length).map(|n| n as u8).collect() };
                    let mut sender = session();
                    let frames = frames(&message, 0xfe, encrypted.then_some(&mut sender), value_bytes);
                    assert!(frames.iter().all(|frame| frame.len() <= value_bytes.max(20)));
                    assert_eq!(assembled(&frames, Some(&session())), Ok(Some(message)), "{length} {value_bytes} {encrypted}");
                }
            }
        }
    }

    #[test]
    fn only_the_last_frame_asks_for_an_acknowledgement() {
        let message = Message { endpoint: 1, payload: vec![7; 30] };
        let frames = frames(&message, 5, None, 20);
        let mut assembly = Assembly::default();
        let answers: Vec<_> = frames.iter().map(|frame| assembly.take(frame, None).expect("in order").acknowledgement).collect();
        assert_eq!(answers, [None, None, Some([0x04, 0x00, 5, 0x01, 2])]);
    }

    #[test]
    fn what_does_not_fit_is_no_message() {
        let message = Message { endpoint: 1, payload: vec![7; 30] };
        let good = frames(&message, 5, None, 20);
        let check = |frames: &[Vec<u8>], error| assert_eq!(assembled(frames, None), Err(error), "{frames:02x?}");
        check(&good[1..], FrameError::Gap);
        check(&[good[0].clone(), good[2].clone()], FrameError::Gap);
        check(&[good[0].clone(), frames(&message, 6, None, 20)[1].clone()], FrameError::Gap);
        check(&[vec![]], FrameError::Gap);
        check(&[vec![0x03, FIRST, 0, 1, 0, 9]], FrameError::Gap);
        check(&[vec![0x03, FIRST, 0, 1, 0, 0, 0, 0, 1, 0, 0]], FrameError::TooLong);
        check(&[vec![0x03, FIRST | LAST, 0, 1, 0, 9, 0, 0, 0, 1, 0]], FrameError::Gap);
        let mut assembly = Assembly::default();
        assert_eq!(assembly.take(&good[1], None), Err(FrameError::Gap));
        assert_eq!(good.iter().try_fold(None, |_, frame| assembly.take(frame, None).map(|taken| taken.message)), Ok(Some(message)));
    }

    #[test]
    fn frames_without_an_end_take_no_memory() {
        let mut assembly = Assembly::default();
        let first = [&[CHUNKED, FIRST, 0, 1, 0][..], &10u32.to_le_bytes(), &[0; 11]].concat();
        assembly.take(&first, None).expect("a first frame");
        let refused =
            (1..=u16::MAX).find(|count| assembly.take(&[&[CHUNKED, 0, 0, 1, *count as u8][..], &[0; 15]].concat(), None).is_err());
        assert_eq!(refused, Some(1), "more than it said it would be");
    }
}
