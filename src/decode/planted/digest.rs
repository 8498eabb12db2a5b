//! Hash functions that trackers use on values of people, keyed and salted ones too, and the texts in which a digest is written.
//! Which values are hashed is `forms`'s and `keyed`'s.

use base64::{Engine, engine::general_purpose};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use twox_hash::{XxHash3_64, XxHash32, XxHash64};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Algorithm {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    /// Of 128 bits, the variant for 64-bit machines, seed 0.
    Murmur3x64,
    /// Of 32 bits, seed 0.
    Murmur3x32,
    Xx32,
    Xx64,
    Xx3,
    Crc32,
}

impl Algorithm {
    pub(super) const ALL: [Self; 12] = [
        Self::Md5,
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Murmur3x64,
        Self::Murmur3x32,
        Self::Xx32,
        Self::Xx64,
        Self::Xx3,
        Self::Crc32,
    ];
    /// Those that are used with a key or a salt.
    pub(super) const KEYED: [Self; 6] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512, Self::Sha224, Self::Sha384];

    /// Its name, as reports write it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Murmur3x64 => "murmur3 (128 bits)",
            Self::Murmur3x32 => "murmur3",
            Self::Xx32 => "xxhash32",
            Self::Xx64 => "xxhash64",
            Self::Xx3 => "xxhash3",
            Self::Crc32 => "crc32",
        }
    }

    /// Bytes of its digests.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Md5 | Self::Murmur3x64 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
            Self::Murmur3x32 | Self::Xx32 | Self::Crc32 => 4,
            Self::Xx64 | Self::Xx3 => 8,
        }
    }

    /// The digest, numbers big-endian.
    pub(super) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5 => Md5::digest(bytes).to_vec(),
            Self::Sha1 => Sha1::digest(bytes).to_vec(),
            Self::Sha224 => Sha224::digest(bytes).to_vec(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
            Self::Murmur3x64 => {
                let (first, second) = murmur3_x64_128(bytes);
                [first.to_be_bytes(), second.to_be_bytes()].concat()
            }
            Self::Murmur3x32 => murmur3_x86_32(bytes).to_be_bytes().to_vec(),
            Self::Xx32 => XxHash32::oneshot(0, bytes).to_be_bytes().to_vec(),
            Self::Xx64 => XxHash64::oneshot(0, bytes).to_be_bytes().to_vec(),
            Self::Xx3 => XxHash3_64::oneshot(bytes).to_be_bytes().to_vec(),
            Self::Crc32 => crc32fast::hash(bytes).to_be_bytes().to_vec(),
        }
    }

    /// RFC 2104; `None` for a function that nobody uses so.
    pub(super) fn hmac(self, key: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
        fn run<M: Mac + KeyInit>(key: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
            let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
            mac.update(bytes);
            Some(mac.finalize().into_bytes().to_vec())
        }
        match self {
            Self::Md5 => run::<Hmac<Md5>>(key, bytes),
            Self::Sha1 => run::<Hmac<Sha1>>(key, bytes),
            Self::Sha224 => run::<Hmac<Sha224>>(key, bytes),
            Self::Sha256 => run::<Hmac<Sha256>>(key, bytes),
            Self::Sha384 => run::<Hmac<Sha384>>(key, bytes),
            Self::Sha512 => run::<Hmac<Sha512>>(key, bytes),
            _ => None,
        }
    }
}

/// How a digest is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Hex digits of either case.
    Hex(String),
    /// 8-4-4-4-12 hex digits.
    Uuid(String),
    /// Without its padding, either alphabet.
    Base64(String),
    /// As it is; for numbers in either byte order.
    Raw(Vec<u8>),
    /// A decimal number, signed or not.
    Decimal(String),
}

impl Written {
    /// How a report says it.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Hex(_) => "as hex",
            Self::Uuid(_) => "as a UUID",
            Self::Base64(_) => "as base64",
            Self::Raw(_) => "as raw bytes",
            Self::Decimal(_) => "as a number",
        }
    }
}

/// Every way in which a digest of this function is written.
pub(super) fn written(algorithm: Algorithm, digest: &[u8]) -> Vec<Written> {
    let mut all = vec![Written::Hex(hex(digest)), Written::Raw(digest.to_vec())];
    let standard = general_purpose::STANDARD_NO_PAD.encode(digest);
    let url = general_purpose::URL_SAFE_NO_PAD.encode(digest);
    if url != standard {
        all.push(Written::Base64(url));
    }
    all.push(Written::Base64(standard));
    let reversed = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
    match algorithm {
        Algorithm::Md5 => {
            all.push(Written::Uuid(uuid(digest)));
            // RFC 9562, 5.3: the version in the seventh byte, the variant in the ninth. Java's `nameUUIDFromBytes` writes ids so.
            let mut named = digest.to_vec();
            named[6] = named[6] & 0x0f | 0x30;
            named[8] = named[8] & 0x3f | 0x80;
            all.push(Written::Uuid(uuid(&named)));
        }
        // The reference code gives the two halves as they lie in a little-endian memory.
        Algorithm::Murmur3x64 => {
            let little = [reversed(&digest[..8]), reversed(&digest[8..])].concat();
            all.extend([Written::Hex(hex(&little)), Written::Raw(little)]);
        }
        Algorithm::Murmur3x32 | Algorithm::Xx32 | Algorithm::Crc32 => {
            let number = digest.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
            all.push(Written::Raw(reversed(digest)));
            all.push(Written::Decimal(number.to_string()));
            if number > i32::MAX as u32 {
                let signed = number.cast_signed();
                all.push(Written::Decimal(signed.to_string()));
                // As Protocol Buffers write a negative number of 32 bits.
                all.push(Written::Decimal(i64::from(signed).cast_unsigned().to_string()));
            }
        }
        Algorithm::Xx64 | Algorithm::Xx3 => {
            let number = digest.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            all.push(Written::Raw(reversed(digest)));
            all.push(Written::Decimal(number.to_string()));
            if number > i64::MAX as u64 {
                all.push(Written::Decimal(number.cast_signed().to_string()));
            }
        }
        _ => {}
    }
    all
}

/// Lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).map(char::from).collect()
}

/// The bytes that hex digits of either case stand for; `None` for anything else.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let text = text.as_bytes();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// The bytes that base64 of either alphabet stands for, padded or not; `None` for anything else.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    general_purpose::STANDARD_NO_PAD.decode(text).or_else(|_| general_purpose::URL_SAFE_NO_PAD.decode(text)).ok()
}

fn uuid(bytes: &[u8]) -> String {
    let digits = hex(bytes);
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..32])
}

/// MurmurHash3, the 32-bit variant with seed 0 (Appleby, `MurmurHash3_x86_32`).
fn murmur3_x86_32(bytes: &[u8]) -> u32 {
    let scramble = |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (blocks, tail) = bytes.as_chunks::<4>();
    let mut hash = 0_u32;
    for block in blocks {
        hash = (hash ^ scramble(u32::from_le_bytes(*block))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    hash ^= scramble(tail.iter().rev().fold(0, |block, byte| block << 8 | u32::from(*byte)));
    hash ^= bytes.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

/// MurmurHash3, the 128-bit variant for 64-bit machines with seed 0 (Appleby, `MurmurHash3_x64_128`): its two halves.
fn murmur3_x64_128(bytes: &[u8]) -> (u64, u64) {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let first_half = |block: u64| block.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let second_half = |block: u64| block.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let (mut first, mut second) = (0_u64, 0_u64);
    let (blocks, tail) = bytes.as_chunks::<16>();
    for block in blocks {
        first = (first ^ first_half(number(&block[..8]))).rotate_left(27).wrapping_add(second);
        first = first.wrapping_mul(5).wrapping_add(0x52dc_e729);
        second = (second ^ second_half(number(&block[8..]))).rotate_left(31).wrapping_add(first);
        second = second.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let (low, high) = tail.split_at(tail.len().min(8));
    second ^= second_half(number(high));
    first ^= first_half(number(low));
    let finish = |mut hash: u64| {
        hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ hash >> 33
    };
    first ^= bytes.len() as u64;
    second ^= bytes.len() as u64;
    first = first.wrapping_add(second);
    second = second.wrapping_add(first);
    first = finish(first);
    second = finish(second);
    first = first.wrapping_add(second);
    (first, second.wrapping_add(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_published_ones() {
        use Algorithm::{Crc32, Md5, Murmur3x32, Murmur3x64, Sha1, Sha224, Sha256, Sha384, Sha512, Xx3, Xx32, Xx64};
        let fox = "The quick brown fox jumps over the lazy dog";
        for (algorithm, text, want) in [
            // RFC 1321, A.5.
            (Md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
            // FIPS 180-4 examples.
            (Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Sha224, "abc", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
            (Sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Sha384, "abc", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"),
            (
                Sha512,
                "abc",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            // The smhasher project's test of the sentence, and Wikipedia's table.
            (Murmur3x32, fox, "2e4ff723"),
            (Murmur3x32, "", "00000000"),
            (Murmur3x32, "test", "ba6bd213"),
            (Murmur3x64, fox, "e34bbc7bbc071b6c7a433ca9c49a9347"),
            (Murmur3x64, "", "00000000000000000000000000000000"),
            // The check value of CRC-32/ISO-HDLC.
            (Crc32, "123456789", "cbf43926"),
            // xxHash specification, empty input and seed 0.
            (Xx32, "", "02cc5d05"),
            (Xx64, "", "ef46db3751d8e999"),
            (Xx3, "", "2d06800538d394c2"),
        ] {
            assert_eq!(hex(&algorithm.digest(text.as_bytes())), want, "{} of {text}", algorithm.word());
            assert_eq!(algorithm.digest(text.as_bytes()).len(), algorithm.bytes());
        }
    }

    #[test]
    fn keyed_digests_are_the_published_ones() {
        // RFC 2202 and RFC 4231, test case 2.
        for (algorithm, want) in [
            (Algorithm::Md5, "750c783e6ab0b503eaa86e310a5db738"),
            (Algorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Algorithm::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ] {
            let mac = algorithm.hmac(b"Jefe", b"what do ya want for nothing?").expect("a keyed function");
            assert_eq!(hex(&mac), want);
        }
    }

    #[test]
    fn a_digest_is_written_in_every_usual_way() {
        let all = written(Algorithm::Crc32, &Algorithm::Crc32.digest(b"123456789"));
        for want in [
            Written::Hex("cbf43926".into()),
            Written::Base64("y/Q5Jg".into()),
            Written::Base64("y_Q5Jg".into()),
            Written::Raw(vec![0xcb, 0xf4, 0x39, 0x26]),
            Written::Raw(vec![0x26, 0x39, 0xf4, 0xcb]),
            Written::Decimal("3421780262".into()),
            Written::Decimal("-873187034".into()),
        ] {
            assert!(all.contains(&want), "{want:?} in {all:?}");
        }
        // Java: UUID.nameUUIDFromBytes("abc".getBytes()).
        let all = written(Algorithm::Md5, &Algorithm::Md5.digest(b"abc"));
        assert!(all.contains(&Written::Uuid("90015098-3cd2-3fb0-9696-3f7d28e17f72".into())), "{all:?}");
        assert_eq!(from_hex("C0ffEE"), Some(vec![0xc0, 0xff, 0xee]));
        assert_eq!((from_hex("abc"), from_hex("zz")), (None, None));
    }
}
