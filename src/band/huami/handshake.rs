//! The handshake of 2021, as pure functions between bytes and types: both sides agree on a point of a curve, and mix it with the
//! key that they know into a session. `curve` has the arithmetic, `chunks` carries the messages.
//! Layouts: `docs/protocols/huami-ble.md`, section 3.

use super::{
    authentication::encrypted,
    curve::{POINT_BYTES, PRIVATE_BYTES, public_key, shared_point},
};
use crate::{band::Key, link::discreet};

/// Endpoint of the handshake's messages.
pub const ENDPOINT: u16 = 0x0082;

/// A key pair for one handshake.
#[derive(Clone)]
pub struct KeyPair {
    private: [u8; PRIVATE_BYTES],
    public: [u8; POINT_BYTES],
}

impl KeyPair {
    /// The pair of a private key, of which the low 162 bits count. `None` when these are nought.
    pub fn new(private: [u8; PRIVATE_BYTES]) -> Option<Self> {
        Some(Self { private, public: public_key(private)? })
    }

    /// The public key.
    pub const fn public(&self) -> [u8; POINT_BYTES] {
        self.public
    }

    /// What both sides know after the handshake. `None` when the other side's public key is none.
    pub fn session(&self, theirs: [u8; POINT_BYTES], key: &Key) -> Option<Session> {
        let shared = shared_point(self.private, theirs)?;
        let (sequence, rest) = shared.split_first_chunk::<4>()?;
        let mut mixed = *rest[4..].first_chunk::<16>()?;
        for (byte, own) in mixed.iter_mut().zip(key.bytes()) {
            *byte ^= own;
        }
        Some(Session { key: Key::new(mixed), sequence: u32::from_le_bytes(*sequence) })
    }
}

/// What both sides know after the handshake: what encrypted messages are made with.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Bytes 8 to 23 of the shared point, XOR the key. x has 21 bytes, so the last three are the key's own.
    pub key: Key,
    /// Number of the next encrypted message; it begins with bytes 0 to 3 of the shared point.
    pub sequence: u32,
}

discreet!(KeyPair, Session);

/// The phone's first message (52 bytes): `04 02 00 02` and its public key.
pub fn hello(public: [u8; POINT_BYTES]) -> Vec<u8> {
    [&[0x04, 0x02, 0x00, 0x02][..], &public].concat()
}

/// The phone's public key in its first message; `None` when it is none.
pub fn read_hello(message: &[u8]) -> Option<[u8; POINT_BYTES]> {
    message.strip_prefix(&[0x04, 0x02, 0x00, 0x02])?.try_into().ok()
}

/// The phone's second message (33 bytes): `05`, the nonce encrypted with the key, the nonce encrypted with the session's key.
pub fn answer(key: &Key, session: &Session, nonce: [u8; 16]) -> Vec<u8> {
    [&[0x05][..], &encrypted(key, nonce), &encrypted(&session.key, nonce)].concat()
}

/// The band's first message (67 bytes): `10 04 01`, a nonce, its public key.
pub fn challenge(nonce: [u8; 16], public: [u8; POINT_BYTES]) -> Vec<u8> {
    [&[0x10, 0x04, 0x01][..], &nonce, &public].concat()
}

/// What the band says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `10 04 01`, 16 bytes to encrypt, and the band's public key.
    Challenge([u8; 16], [u8; POINT_BYTES]),
    /// `10 05 01`.
    Accepted,
    /// `10 05` and another code (`25` was seen): the key is not the band's.
    WrongKey,
}

/// Reads a message of the band; `None` when it is none of the handshake.
pub fn reply(message: &[u8]) -> Option<Reply> {
    match *message {
        [0x10, 0x04, 0x01, ref rest @ ..] => {
            let (nonce, public) = rest.split_first_chunk::<16>()?;
            Some(Reply::Challenge(*nonce, public.try_into().ok()?))
        }
        [0x10, 0x05, 0x01] => Some(Reply::Accepted),
        [0x10, 0x05, _] => Some(Reply::WrongKey),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::hex;

    const KEY: Key = Key::new([0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf]);
    const NONCE: [u8; 16] = [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f];

    /// Twenty bytes that count up from `first`, then four noughts.
    fn pair(first: u8) -> KeyPair {
        let mut private = [0; PRIVATE_BYTES];
        private[..20].iter_mut().zip(first..).for_each(|(byte, value)| *byte = value);
        KeyPair::new(private).expect("not nought")
    }

    #[test]
    fn both_sides_have_the_same_session() {
        let (phone, band) = (pair(0x01), pair(0x51));
        let session = phone.session(band.public(), &KEY).expect("a point of the curve");
        assert_eq!(band.session(phone.public(), &KEY), Some(session.clone()));
        assert_eq!(hex(&session.sequence.to_le_bytes()), "f5bebd9a");
        assert_eq!(session.sequence, 0x9abd_bef5);
        assert_eq!(hex(&session.key.bytes()), "30f38ab222b5d0128c16e06babadaeaf");
        assert_eq!(session.key.bytes()[13..], KEY.bytes()[13..], "x has 21 bytes only");
        let proof = "0584df9888447cac8d79ea123972a20a732ddf2f263bba6ad4ff5b357a572355a8";
        assert_eq!(hex(&answer(&KEY, &session, NONCE)), proof);
        assert_eq!(phone.session([0; POINT_BYTES], &KEY), None);
    }

    #[test]
    fn messages_are_read_as_written() {
        let (phone, band) = (pair(0x01), pair(0x51));
        assert_eq!(read_hello(&hello(phone.public())), Some(phone.public()));
        assert_eq!(read_hello(&hello(phone.public())[..51]), None);
        let challenge = challenge(NONCE, band.public());
        assert_eq!(challenge.len(), 67);
        assert_eq!(reply(&challenge), Some(Reply::Challenge(NONCE, band.public())));
        assert_eq!(reply(&challenge[..66]), None);
        assert_eq!(reply(&[0x10, 0x05, 0x01]), Some(Reply::Accepted));
        assert_eq!(reply(&[0x10, 0x05, 0x25]), Some(Reply::WrongKey));
        assert_eq!(reply(&[]), None);
    }
}
