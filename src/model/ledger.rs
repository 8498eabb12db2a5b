//! How much of what was uploaded is understood: every byte counted once, in one of four states.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// What is known of one uploaded byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It belongs to a field of a known category, for a reason.
    Named,
    /// It belongs to a field of a known type (a time, a counter, a UUID, a word) of which nobody knows what it means.
    Typed,
    /// It belongs to data of which nobody knows what it is: bytes, a long token, what could not be decoded or was not recorded.
    Unexplained,
}

/// Uploaded bytes by what is known of them. The four add up to [`super::Request::uploaded_bytes`], exactly.
///
/// Each byte is counted at its outermost layer, as it was sent: a field inside gzip inside base64 stands for its share of the
/// base64 text, in proportion to its share of what is inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Of fields with a category.
    pub named: u64,
    /// Of fields with a type only.
    pub typed: u64,
    /// Names, punctuation, fixed parts of paths, headers of the transport.
    pub structure: u64,
    /// Of what nobody can explain.
    pub unexplained: u64,
}

impl Ledger {
    /// All of it.
    pub const fn total(&self) -> u64 {
        self.named + self.typed + self.structure + self.unexplained
    }

    /// Adds bytes of a field.
    pub const fn add(&mut self, standing: Standing, bytes: u64) {
        match standing {
            Standing::Named => self.named += bytes,
            Standing::Typed => self.typed += bytes,
            Standing::Unexplained => self.unexplained += bytes,
        }
    }

    /// Turns bytes of this standing, as many as there are, into named ones: what they mean was found out later.
    pub fn name(&mut self, from: Standing, bytes: u64) {
        let pool = match from {
            Standing::Named => return,
            Standing::Typed => &mut self.typed,
            Standing::Unexplained => &mut self.unexplained,
        };
        let bytes = bytes.min(*pool);
        *pool -= bytes;
        self.named += bytes;
    }

    /// The same proportions over another number of bytes, rounded so that they still add up: what is lost by rounding down goes
    /// to the states with the largest remainders. Of nothing, everything is structure.
    #[must_use]
    pub fn scaled_to(self, bytes: u64) -> Self {
        let total = self.total();
        if total == bytes {
            return self;
        }
        let parts = [self.named, self.typed, self.structure, self.unexplained];
        if total == 0 {
            return Self { structure: bytes, ..Self::default() };
        }
        let exact = parts.map(|part| u128::from(part) * u128::from(bytes));
        // Each quotient is at most `bytes`.
        let mut scaled = exact.map(|product| (product / u128::from(total)) as u64);
        let mut order = [0, 1, 2, 3];
        order.sort_by_key(|&at| std::cmp::Reverse(exact[at] % u128::from(total)));
        let missing = bytes - scaled.iter().sum::<u64>();
        for &at in order.iter().cycle().take(usize::try_from(missing).unwrap_or_default()) {
            scaled[at] += 1;
        }
        let [named, typed, structure, unexplained] = scaled;
        Self { named, typed, structure, unexplained }
    }
}

impl AddAssign for Ledger {
    fn add_assign(&mut self, other: Self) {
        self.named += other.named;
        self.typed += other.typed;
        self.structure += other.structure;
        self.unexplained += other.unexplained;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naming_bytes_keeps_every_byte() {
        let mut ledger = Ledger { named: 7, typed: 2, structure: 3, unexplained: 1 };
        ledger.name(Standing::Typed, 1);
        ledger.name(Standing::Unexplained, 5);
        ledger.name(Standing::Named, 9);
        assert_eq!(ledger, Ledger { named: 9, typed: 1, structure: 3, unexplained: 0 });
    }

    #[test]
    fn scaling_keeps_every_byte() {
        let ledger = Ledger { named: 7, typed: 2, structure: 3, unexplained: 1 };
        for bytes in [0, 1, 2, 3, 4, 12, 13, 14, 1000, 1 << 40] {
            assert_eq!(ledger.scaled_to(bytes).total(), bytes, "{bytes}");
        }
        assert_eq!(ledger.scaled_to(26), Ledger { named: 14, typed: 4, structure: 6, unexplained: 2 });
        assert_eq!(Ledger::default().scaled_to(5), Ledger { structure: 5, ..Ledger::default() });
    }
}
