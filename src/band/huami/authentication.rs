//! Authentication in its first two versions, as pure functions between bytes and types: a key that both sides know, a challenge,
//! and its answer. The handshake of 2021 is `handshake`'s. Layouts: `docs/protocols/huami-ble.md`, section 3.

use std::ops::Range;

use aes::{
    Aes128,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::characteristics::AUTHENTICATION;
use crate::band::Key;

/// Which of the two spellings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Version 1: commands `01` to `03`, each followed by this flag byte (`08` on a Mi Band 2, `00` later; a band takes both).
    One {
        /// The flag byte.
        flag: u8,
    },
    /// Version 2: the same commands with the highest bit set.
    Two,
}

/// A new key for the band (`01 FL` and the key), which it takes when the wearer taps. Version 1 only.
pub fn new_key(flag: u8, key: &Key) -> [u8; 18] {
    with_block(0x01, flag, key.bytes())
}

/// Where a value that is written holds a band's key as it is: in the message that gives it a new one. No other message has it.
pub fn secret_in(characteristic: Uuid, value: &[u8]) -> Option<Range<usize>> {
    let is_new_key = characteristic == AUTHENTICATION && matches!(value, [0x01, _, _, ..]);
    is_new_key.then_some(2..value.len())
}

/// "Give me a challenge": `02 FL`, or `82 00 02 01 00`.
pub fn ask_challenge(spelling: Spelling) -> Vec<u8> {
    match spelling {
        Spelling::One { flag } => vec![0x02, flag],
        Spelling::Two => vec![0x82, 0x00, 0x02, 0x01, 0x00],
    }
}

/// The answer to a challenge: `03 FL` or `83 00`, and the nonce encrypted with the key.
pub fn challenge_answer(spelling: Spelling, key: &Key, nonce: [u8; 16]) -> [u8; 18] {
    let (command, flag) = match spelling {
        Spelling::One { flag } => (0x03, flag),
        Spelling::Two => (0x83, 0x00),
    };
    with_block(command, flag, encrypted(key, nonce))
}

/// One block of AES-128, no padding.
pub fn encrypted(key: &Key, block: [u8; 16]) -> [u8; 16] {
    let mut block = block.into();
    Aes128::new(&key.bytes().into()).encrypt_block(&mut block);
    block.into()
}

/// The key that a band of version 2 and the vendor's server agree on at the first pairing: the first half of SHA-256 over the
/// address (display order) and the seed that the band gave. Whoever overhears the seed has the key (BreakMi, TCHES 2022).
pub fn server_key(address: [u8; 6], seed: [u8; 16]) -> Key {
    let digest: [u8; 32] = Sha256::new().chain_update(address).chain_update(seed).finalize().into();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    Key::new(key)
}

/// What a band of version 2 answers a probe with, after `10 01 81 01`: the same on every band, the hash of a public key.
pub const PUBLIC_KEY_HASH: [u8; 16] = [0x18, 0x63, 0xc2, 0xcc, 0xe5, 0xd1, 0x59, 0x41, 0x3b, 0xed, 0x92, 0xc4, 0xb1, 0x63, 0xc2, 0x79];

/// What the band says, in either spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `10 02 01` and 16 bytes to encrypt.
    Challenge([u8; 16]),
    /// `10 03 01`.
    Accepted,
    /// `10 01 01`: the wearer tapped.
    KeyTaken,
    /// `10 01` and another code: the wearer did not tap.
    KeyRefused,
    /// `10 03` and another code: the key is not the band's (`04`; `08` was seen on a Mi Band 4).
    WrongKey,
    /// Anything else, by its first three bytes.
    Other([u8; 3]),
}

/// Reads a notification of the authentication characteristic; `None` when it is too short to be one.
pub fn reply(value: &[u8]) -> Option<Reply> {
    let (&[answer, command, code], rest) = value.split_first_chunk::<3>()?;
    let known = match (answer, command & 0x7f, code) {
        (0x10, 0x01, 0x01) => Some(Reply::KeyTaken),
        (0x10, 0x01, _) => Some(Reply::KeyRefused),
        (0x10, 0x02, 0x01) => rest.first_chunk::<16>().map(|nonce| Reply::Challenge(*nonce)),
        (0x10, 0x03, 0x01) => Some(Reply::Accepted),
        (0x10, 0x03, _) => Some(Reply::WrongKey),
        _ => None,
    };
    Some(known.unwrap_or(Reply::Other([answer, command, code])))
}

fn with_block(command: u8, flag: u8, block: [u8; 16]) -> [u8; 18] {
    let mut value = [0; 18];
    value[..2].copy_from_slice(&[command, flag]);
    value[2..].copy_from_slice(&block);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::hex;

    const KEY: Key = Key::new([0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf]);
    const NONCE: [u8; 16] = [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f];

    #[test]
    fn a_challenge_is_answered_with_the_nonce_encrypted() {
        let one = Spelling::One { flag: 0x08 };
        assert_eq!(hex(&new_key(0x08, &KEY)), "0108a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
        assert_eq!(hex(&ask_challenge(one)), "0208");
        assert_eq!(hex(&challenge_answer(one, &KEY, NONCE)), "030884df9888447cac8d79ea123972a20a73");
        assert_eq!(hex(&ask_challenge(Spelling::Two)), "8200020100");
        assert_eq!(hex(&challenge_answer(Spelling::Two, &KEY, NONCE)), "830084df9888447cac8d79ea123972a20a73");
        let default_key = Key::new(*b"0123456789\x40\x41\x42\x43\x44\x45");
        assert_eq!(hex(&encrypted(&default_key, NONCE)), "1cfc00bf77f5767f6ffff6442a3c0658");
    }

    #[test]
    fn replies_read_the_same_in_both_spellings() {
        for high in [0x00, 0x80] {
            let challenge = [&[0x10, 0x02 | high, 0x01][..], &NONCE].concat();
            assert_eq!(reply(&challenge), Some(Reply::Challenge(NONCE)));
            assert_eq!(reply(&challenge[..18]), Some(Reply::Other([0x10, 0x02 | high, 0x01])), "half a nonce");
            assert_eq!(reply(&[0x10, 0x03 | high, 0x01]), Some(Reply::Accepted));
            assert_eq!(reply(&[0x10, 0x03 | high, 0x08]), Some(Reply::WrongKey));
        }
        assert_eq!(reply(&[0x10, 0x01, 0x01]), Some(Reply::KeyTaken));
        assert_eq!(reply(&[0x10, 0x01, 0x04]), Some(Reply::KeyRefused));
        assert_eq!(reply(&[0x10, 0x02, 0x04]), Some(Reply::Other([0x10, 0x02, 0x04])));
        assert_eq!(reply(&[0x10]), None);
    }

    #[test]
    fn the_server_s_key_is_made_of_address_and_seed() {
        let seed = [0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f];
        let key = server_key([0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56], seed);
        assert_eq!(hex(&key.bytes()), "e35a8186f79a21059ca350e8b0e514fd");
    }
}
