//! A set of keys that is asked very often and answers "no" with one look at little memory; its "perhaps" is for the caller to check.

/// Says of most keys that they are not among some, with one look at little memory.
#[derive(Debug)]
pub(super) struct Filter {
    words: Vec<u64>,
    shift: u32,
}

impl Default for Filter {
    fn default() -> Self {
        Self { words: Vec::new(), shift: 63 }
    }
}

impl Filter {
    pub(super) fn new(keys: impl Iterator<Item = u64>) -> Self {
        let keys: Vec<u64> = keys.collect();
        if keys.is_empty() {
            return Self::default();
        }
        // Sixteen bits a key, two of them set, at most 256 KiB.
        let words = (keys.len() / 4).next_power_of_two().clamp(64, 1 << 15);
        let mut filter = Self { words: vec![0; words], shift: 64 - words.trailing_zeros() };
        for key in keys {
            let (word, bits) = filter.place(key);
            filter.words[word] |= bits;
        }
        filter
    }

    #[inline]
    pub(super) fn may_hold(&self, key: u64) -> bool {
        let (word, bits) = self.place(key);
        self.words.get(word).is_some_and(|word| word & bits == bits)
    }

    #[inline]
    fn place(&self, key: u64) -> (usize, u64) {
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The bits below those that chose the word.
        ((hash >> self.shift) as usize, 1 << (hash >> (self.shift - 6) & 63) | 1 << (hash >> (self.shift - 12) & 63))
    }
}
