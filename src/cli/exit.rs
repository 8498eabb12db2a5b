//! Exit codes: part of the stable interface, and which one wins when several hold (R2).

use crate::model::Verdict;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: nothing new in what could be read; or the command did what it was told.
    Clean,
    /// 1: at least one finding at or above the fail level; for `diff`, at least one change that counts, or any where there
    /// are too few runs to tell.
    Finding,
    /// 2: wrong usage, or a wrong file.
    Usage,
    /// 3: an instrument failed: phone, band, proxy, disk.
    Failed,
    /// 4: the audit cannot answer.
    Inconclusive,
    /// 130: a person stopped it.
    Interrupted,
}

impl Exit {
    /// The code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Finding => 1,
            Self::Usage => 2,
            Self::Failed => 3,
            Self::Inconclusive => 4,
            Self::Interrupted => 130,
        }
    }

    /// The exit that says what a verdict says.
    pub const fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Clean => Self::Clean,
            Verdict::Finding { .. } => Self::Finding,
            Verdict::Inconclusive { .. } => Self::Inconclusive,
        }
    }

    /// The one that counts when both hold: 130, then 2, 1, 3, 4, 0.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        const ORDER: [Exit; 6] = [Exit::Interrupted, Exit::Usage, Exit::Finding, Exit::Failed, Exit::Inconclusive, Exit::Clean];
        ORDER.into_iter().find(|exit| *exit == self || *exit == other).unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_use_outranks_a_finding_and_a_finding_outranks_a_failure() {
        for (a, b, want) in [
            (Exit::Clean, Exit::Inconclusive, Exit::Inconclusive),
            (Exit::Inconclusive, Exit::Failed, Exit::Failed),
            (Exit::Failed, Exit::Finding, Exit::Finding),
            (Exit::Finding, Exit::Usage, Exit::Usage),
            (Exit::Usage, Exit::Interrupted, Exit::Interrupted),
            (Exit::Clean, Exit::Clean, Exit::Clean),
        ] {
            assert_eq!((a.worse(b), b.worse(a)), (want, want));
        }
    }
}
