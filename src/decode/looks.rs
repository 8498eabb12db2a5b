//! Which kinds of bytes a value is made of, found in one pass: what most questions about a value can be answered by, without
//! looking at it again. What follows from it, decoders and types know.

/// A set of kinds of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Looks(u16);

impl Looks {
    /// None.
    pub(super) const NONE: Self = Self(0);
    /// `0` to `9`.
    pub(super) const DIGIT: Self = Self(1);
    /// `a` to `f`, of either case.
    pub(super) const HEX_LETTER: Self = Self(1 << 1);
    /// Any other ASCII letter.
    pub(super) const LETTER: Self = Self(1 << 2);
    /// `+` and `/`.
    pub(super) const PLUS_SLASH: Self = Self(1 << 3);
    /// `-` and `_`.
    pub(super) const DASH: Self = Self(1 << 4);
    /// `=`.
    pub(super) const EQUALS: Self = Self(1 << 5);
    /// `%`.
    pub(super) const PERCENT: Self = Self(1 << 6);
    /// `&`.
    pub(super) const AMPERSAND: Self = Self(1 << 7);
    /// `.`.
    pub(super) const DOT: Self = Self(1 << 8);
    /// Blank and tabulator.
    pub(super) const SPACE: Self = Self(1 << 9);
    /// Carriage return and line feed.
    pub(super) const LINE_END: Self = Self(1 << 10);
    /// Any other printable ASCII character.
    pub(super) const MARK: Self = Self(1 << 11);
    /// Any other control character.
    pub(super) const CONTROL: Self = Self(1 << 12);
    /// Bytes outside ASCII.
    pub(super) const HIGH: Self = Self(1 << 13);
    /// Letters and digits of ASCII.
    pub(super) const WORD: Self = Self(Self::DIGIT.0 | Self::HEX_LETTER.0 | Self::LETTER.0);
    /// Not the characters of a number, a hash, an id or base64.
    pub(super) const OF_TEXT: Self =
        Self(Self::PERCENT.0 | Self::AMPERSAND.0 | Self::SPACE.0 | Self::MARK.0 | Self::CONTROL.0 | Self::HIGH.0);

    /// The kinds of bytes in a value.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(0, |kinds, byte| kinds | KINDS[usize::from(*byte)]))
    }

    /// Both sets together.
    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of those is in this set.
    pub(super) const fn has_any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    /// Whether nothing but those is in this set.
    pub(super) const fn is_only(self, of: Self) -> bool {
        self.0 & !of.0 == 0
    }
}

static KINDS: [u16; 256] = kinds();

const fn kinds() -> [u16; 256] {
    let mut kinds = [0; 256];
    let mut byte = 0_u8;
    loop {
        kinds[byte as usize] = match byte {
            b'0'..=b'9' => Looks::DIGIT,
            b'a'..=b'f' | b'A'..=b'F' => Looks::HEX_LETTER,
            b'a'..=b'z' | b'A'..=b'Z' => Looks::LETTER,
            b'+' | b'/' => Looks::PLUS_SLASH,
            b'-' | b'_' => Looks::DASH,
            b'=' => Looks::EQUALS,
            b'%' => Looks::PERCENT,
            b'&' => Looks::AMPERSAND,
            b'.' => Looks::DOT,
            b' ' | b'\t' => Looks::SPACE,
            b'\r' | b'\n' => Looks::LINE_END,
            b'!'..=b'~' => Looks::MARK,
            0x80.. => Looks::HIGH,
            _ => Looks::CONTROL,
        }
        .0;
        if byte == u8::MAX {
            return kinds;
        }
        byte += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_of_one_kind() {
        for byte in 0..=u8::MAX {
            assert_eq!(Looks::of(&[byte]).0.count_ones(), 1, "{byte}");
        }
        assert!(Looks::of(b"C0FFEE123456").is_only(Looks::DIGIT.or(Looks::HEX_LETTER)));
        assert!(Looks::of(b"a=1&b=%20").has_any(Looks::PERCENT) && !Looks::of(b"a=1&b=%20").is_only(Looks::WORD));
        assert!(!Looks::of(b"plain text").has_any(Looks::CONTROL.or(Looks::HIGH)));
    }
}
