//! The elliptic curve of the 2021 handshake, NIST B-163 (sect163r2): public keys and shared points. No library of this project
//! has the curve, and it is small. Everything here is arithmetic over GF(2^163); what is done with a shared point is `handshake`'s.
//! Source: SEC 2 version 2.0, section 3.2.2 (field and domain parameters); the byte order is the bands' own
//! (`docs/protocols/huami-ble.md`, section 3).

/// Bytes of a private key, little-endian. Only the low 162 bits count.
pub const PRIVATE_BYTES: usize = 24;

/// Bytes of a point: x, then y, 24 bytes each, little-endian.
pub const POINT_BYTES: usize = 48;

/// The public key of a private one. `None` for a private key of nought.
pub fn public_key(private: [u8; PRIVATE_BYTES]) -> Option<[u8; POINT_BYTES]> {
    Some(BASE.times(scalar(private))?.bytes())
}

/// The point that both sides of a key exchange arrive at. `None` when the other side's public key is no point of the curve, or
/// one of those few that would tell nothing.
pub fn shared_point(private: [u8; PRIVATE_BYTES], public: [u8; POINT_BYTES]) -> Option<[u8; POINT_BYTES]> {
    Some(Point::read(public)?.times(scalar(private))?.bytes())
}

/// An element of GF(2^163) as a polynomial over GF(2), lowest powers first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Element([u64; 3]);

/// A point of the curve y² + xy = x³ + x² + B, never the point at infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    x: Element,
    y: Element,
}

/// The curve's constant b.
const B: Element = Element([0x512f_7874_4a32_05fd, 0xb8c9_53ca_1481_eb10, 0x2_0a60_1907]);

/// The base point.
const BASE: Point = Point {
    x: Element([0xd499_4637_e834_3e36, 0x86a2_d57e_a099_1168, 0x3_f0eb_a162]),
    y: Element([0xb11c_5c0c_7973_24f1, 0x71a0_094f_a2cd_d545, 0xd51f_bc6c]),
};

/// Bits of an element.
const BITS: usize = 163;

/// The bits of the highest word that an element uses.
const TOP: u64 = (1 << (BITS - 128)) - 1;

const ZERO: Element = Element([0; 3]);
const ONE: Element = Element([1, 0, 0]);

impl Element {
    const fn plus(self, other: Self) -> Self {
        let (Self([a, b, c]), Self([d, e, f])) = (self, other);
        Self([a ^ d, b ^ e, c ^ f])
    }

    /// Product of polynomials, then the remainder modulo the field's polynomial.
    fn times(self, other: Self) -> Self {
        let mut product = [0u64; 6];
        let mut shifted = [self.0[0], self.0[1], self.0[2], 0];
        for bit in 0..64 {
            for (word, factor) in other.0.iter().enumerate() {
                let chosen = (factor >> bit & 1).wrapping_neg();
                for (sum, part) in product[word..].iter_mut().zip(shifted) {
                    *sum ^= part & chosen;
                }
            }
            shifted = [
                shifted[0] << 1,
                shifted[1] << 1 | shifted[0] >> 63,
                shifted[2] << 1 | shifted[1] >> 63,
                shifted[3] << 1 | shifted[2] >> 63,
            ];
        }
        Self::reduced(product)
    }

    fn square(self) -> Self {
        self.times(self)
    }

    /// The remainder modulo x^163 + x^7 + x^6 + x^3 + 1.
    fn reduced(mut product: [u64; 6]) -> Self {
        for word in (3..6).rev() {
            // x^(64 word) is x^(64 (word - 3) + 29) times x^163.
            let high = std::mem::take(&mut product[word]);
            for power in [0, 3, 6, 7] {
                product[word - 3] ^= high << (29 + power);
                product[word - 2] ^= high >> (64 - 29 - power);
            }
        }
        let high = product[2] >> (BITS - 128);
        product[2] &= TOP;
        product[0] ^= high ^ high << 3 ^ high << 6 ^ high << 7;
        Self([product[0], product[1], product[2]])
    }

    /// The inverse, as the power 2^163 - 2 (Fermat); nought for nought.
    fn inverse(self) -> Self {
        // 2^163 - 2 has 162 ones and a nought at its end.
        let ones = (1..BITS - 1).fold(self, |power, _| power.square().times(self));
        ones.square()
    }
}

impl Point {
    /// Reads a point. `None` when it is not on the curve, and for the point of order two, whose x is nought.
    fn read(bytes: [u8; POINT_BYTES]) -> Option<Self> {
        let word = |at: usize| bytes[at * 8..].first_chunk::<8>().map(|word| u64::from_le_bytes(*word));
        let element = |at: usize| {
            let words = [word(at)?, word(at + 1)?, word(at + 2)?];
            (words[2] <= TOP).then_some(Element(words))
        };
        let point = Self { x: element(0)?, y: element(3)? };
        (point.x != ZERO && point.is_on_curve()).then_some(point)
    }

    fn bytes(self) -> [u8; POINT_BYTES] {
        let mut bytes = [0; POINT_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(self.x.0.into_iter().chain(self.y.0)) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn is_on_curve(self) -> bool {
        let Self { x, y } = self;
        let x_squared = x.square();
        y.square().plus(x.times(y)) == x_squared.times(x).plus(x_squared).plus(B)
    }

    /// The point added to itself so many times: Montgomery's ladder over x alone, and y at the end (López and Dahab 1999,
    /// algorithm 2P). Each bit costs the same whether it is set or not. `None` for the point at infinity.
    fn times(self, scalar: [u64; 3]) -> Option<Self> {
        let Self { x, y } = self;
        // x1/z1 is the x of n times this point, x2/z2 that of n + 1 times, beginning with n = 0.
        let (mut x1, mut z1, mut x2, mut z2) = (ONE, ZERO, x, ONE);
        for bit in (0..BITS).rev() {
            let is_set = scalar[bit / 64] >> (bit % 64) & 1 == 1;
            if is_set {
                (x1, z1, x2, z2) = (x2, z2, x1, z1);
            }
            let (left, right) = (x1.times(z2), x2.times(z1));
            let sum = left.plus(right).square();
            (x2, z2) = (x.times(sum).plus(left.times(right)), sum);
            let (x1_squared, z1_squared) = (x1.square(), z1.square());
            (x1, z1) = (x1_squared.square().plus(B.times(z1_squared.square())), x1_squared.times(z1_squared));
            if is_set {
                (x1, z1, x2, z2) = (x2, z2, x1, z1);
            }
        }
        if z1 == ZERO {
            return None;
        }
        if z2 == ZERO {
            // n + 1 times this point is infinity, so n times is its opposite.
            return Some(Self { x, y: x.plus(y) });
        }
        let x1 = x1.times(z1.inverse());
        let x2 = x2.times(z2.inverse());
        let (first, second) = (x1.plus(x), x2.plus(x));
        let slope = first.times(second).plus(x.square()).plus(y);
        Some(Self { x: x1, y: first.times(slope).times(x.inverse()).plus(y) })
    }
}

/// The low 162 bits of a private key.
fn scalar(private: [u8; PRIVATE_BYTES]) -> [u64; 3] {
    let mut words = [0; 3];
    for (word, bytes) in words.iter_mut().zip(private.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words[2] &= TOP >> 1;
    words
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, process::Command};

    use super::*;
    use crate::model::text::hex;

    /// The order of the base point.
    const ORDER: [u64; 3] = [0x77e7_0c12_a423_4c33, 0x2_92fe, 0x4_0000_0000];

    const PHONE: &str = "0102030405060708090a0b0c0d0e0f101112131400000000";
    const BAND: &str = "5152535455565758595a5b5c5d5e5f606162636400000000";
    const PHONE_POINT: &str = "4cb347e1f4b289b8d43c9a11496229d7d0e10965030000003ffee71db3ded7e66e183546e38051b950179a1806000000";
    const BAND_POINT: &str = "c1c88295fb9acb69b3870670bd49b00cff34869b0200000043ec2dc0e830dc3d94aea74a39b87984e37b0ec407000000";
    const SHARED_POINT: &str = "f5bebd9a01711cef90522811861076b524bf4ac0070000009ed120815174e96916e193a13a3fda8843ee103207000000";

    fn bytes<const N: usize>(digits: &str) -> [u8; N] {
        let mut bytes = [0; N];
        for (byte, digits) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).expect("ASCII"), 16).expect("hex digits");
        }
        bytes
    }

    #[test]
    fn both_sides_arrive_at_the_same_point() {
        assert_eq!(public_key(bytes(PHONE)).map(|point| hex(&point)).as_deref(), Some(PHONE_POINT));
        assert_eq!(public_key(bytes(BAND)).map(|point| hex(&point)).as_deref(), Some(BAND_POINT));
        assert_eq!(shared_point(bytes(PHONE), bytes(BAND_POINT)).map(|point| hex(&point)).as_deref(), Some(SHARED_POINT));
        assert_eq!(shared_point(bytes(BAND), bytes(PHONE_POINT)).map(|point| hex(&point)).as_deref(), Some(SHARED_POINT));
    }

    #[test]
    fn the_base_point_is_of_its_order() {
        let [low, middle, high] = ORDER;
        assert!(BASE.is_on_curve());
        assert_eq!(BASE.times(ORDER), None, "the point at infinity");
        assert_eq!(BASE.times([low - 1, middle, high]), Some(Point { x: BASE.x, y: BASE.x.plus(BASE.y) }), "its opposite");
        assert_eq!(BASE.times([low + 1, middle, high]), Some(BASE));
        assert_eq!(BASE.times([0; 3]), None);
    }

    #[test]
    fn only_points_of_the_curve_are_taken() {
        let mut point: [u8; POINT_BYTES] = bytes(BAND_POINT);
        point[0] ^= 1;
        assert_eq!(shared_point(bytes(PHONE), point), None, "beside the curve");
        assert_eq!(shared_point(bytes(PHONE), [0; POINT_BYTES]), None);
        assert_eq!(shared_point(bytes(PHONE), [0xff; POINT_BYTES]), None, "no elements of the field");
        let mut order_two = [0; POINT_BYTES];
        // The square root of b: squaring 162 times undoes one squaring.
        let root = (0..BITS - 1).fold(B, |root, _| root.square());
        for (place, word) in order_two[24..].chunks_exact_mut(8).zip(root.0) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        assert!(Point { x: ZERO, y: root }.is_on_curve());
        assert_eq!(shared_point(bytes(PHONE), order_two), None, "twice this point is nothing");
    }

    #[test]
    fn only_the_low_bits_of_a_private_key_count() {
        let mut private: [u8; PRIVATE_BYTES] = bytes(PHONE);
        private[20] |= 0xfc;
        private[23] = 0xff;
        assert_eq!(public_key(private).map(|point| hex(&point)).as_deref(), Some(PHONE_POINT));
    }

    #[test]
    fn openssl_arrives_at_the_same_points() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut random = fastrand::Rng::with_seed(163);
        for round in 0..8 {
            let mut keys = [[0; PRIVATE_BYTES]; 2];
            keys.iter_mut().for_each(|key| random.fill(&mut key[..20]));
            let points = keys.map(|key| public_key(key).expect("not nought"));
            let Some(theirs) = Openssl(folder.path()).public_key(&keys[0]) else {
                #[allow(clippy::print_stderr, reason = "a skipped test says so")]
                {
                    eprintln!("skipped: no openssl with the curve sect163r2");
                }
                assert_eq!(round, 0, "it knew the curve before");
                return;
            };
            assert_eq!(big_endian(&points[0]), theirs);
            let shared = shared_point(keys[0], points[1]).expect("on the curve");
            assert_eq!(big_endian(&shared)[..21], Openssl(folder.path()).shared_x(&keys[0], &keys[1]));
        }
    }

    /// x and y, 21 bytes each, highest first.
    fn big_endian(point: &[u8; POINT_BYTES]) -> Vec<u8> {
        point.chunks(24).flat_map(|element| element[..21].iter().rev().copied()).collect()
    }

    /// OpenSSL's program, with a folder for its files.
    struct Openssl<'a>(&'a Path);

    impl Openssl<'_> {
        /// The public key of a private one; `None` when there is no such program, or it does not know the curve.
        fn public_key(&self, private: &[u8; PRIVATE_BYTES]) -> Option<Vec<u8>> {
            self.write_private("own.der", private);
            let output =
                self.run(&["ec", "-inform", "DER", "-in", "own.der", "-pubout", "-outform", "DER", "-conv_form", "uncompressed"])?;
            Some(output[output.len() - 42..].to_vec())
        }

        fn shared_x(&self, own: &[u8; PRIVATE_BYTES], other: &[u8; PRIVATE_BYTES]) -> Vec<u8> {
            self.write_private("own.der", own);
            self.write_private("other.der", other);
            self.run(&["ec", "-inform", "DER", "-in", "other.der", "-pubout", "-outform", "DER", "-out", "other.pub"]).expect("as before");
            let derive = ["pkeyutl", "-derive", "-inkey", "own.der", "-keyform", "DER", "-peerkey", "other.pub", "-peerform", "DER"];
            self.run(&derive).expect("as before")
        }

        /// An ECPrivateKey (RFC 5915) without its public key, which OpenSSL then works out by itself.
        fn write_private(&self, name: &str, private: &[u8; PRIVATE_BYTES]) {
            // SEQUENCE { INTEGER 1, OCTET STRING (21), [0] { OID 1.3.132.0.15 } }
            let key: Vec<u8> = private[..21].iter().rev().copied().collect();
            let oid = [0xa0, 0x07, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0f];
            let der = [&[0x30, 0x23, 0x02, 0x01, 0x01, 0x04, 0x15][..], &key, &oid].concat();
            fs::write(self.0.join(name), der).expect("a folder to write to");
        }

        fn run(&self, arguments: &[&str]) -> Option<Vec<u8>> {
            let output = Command::new("openssl").args(arguments).current_dir(self.0).output().ok()?;
            output.status.success().then_some(output.stdout)
        }
    }
}
