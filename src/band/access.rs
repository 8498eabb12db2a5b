//! What we may do on a band: the key that it was paired with, and what can be read without one.

use std::fmt;

/// A band's key, 16 bytes. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 16]);

impl Key {
    /// A key of these bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The key itself. Every caller is a place where it could leave the program; keep them few.
    pub const fn bytes(&self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What we may do on a band.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only what anybody in reach can read.
    Anyone,
    /// All that is read only, with the key that the band knows.
    Key(Key),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", Access::Key(Key::new([0xa7; 16]))), "Key(Key(…))");
    }
}
