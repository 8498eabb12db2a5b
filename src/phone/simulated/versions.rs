//! The stand-in app's versions, as data. Their names say that they are not the real app's.

/// One version of the stand-in app: what it does beyond the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandInVersion {
    /// Name (`sim-1.0`).
    pub name: &'static str,
    /// Ordering number.
    pub code: u64,
    /// Sends the phone's position when nobody works out: a weather request in the background, and with every sync.
    pub passive_location: bool,
    /// Tells a third party about the phone.
    pub tracker: bool,
    /// Encrypts the minute data itself.
    pub encrypted_uploads: bool,
    /// Trusts nobody's certificate but the cloud's on the analytics host.
    pub pinned_analytics: bool,
    /// Which of the band's heart-rate readings it uploads.
    pub heart_rate: Readings,
}

/// Which readings of the band an app uploads. The others' minutes look as if the band had none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readings {
    /// All.
    All,
    /// Every other one, from the first on.
    EveryOther,
    /// The later half.
    LaterHalf,
}

const BASELINE: StandInVersion = StandInVersion {
    name: "sim-1.0",
    code: 100,
    passive_location: false,
    tracker: false,
    encrypted_uploads: false,
    pinned_analytics: false,
    heart_rate: Readings::All,
};

/// Every version there is, oldest first.
pub const VERSIONS: &[StandInVersion] = &[
    BASELINE,
    StandInVersion { name: "sim-1.1", code: 101, passive_location: true, tracker: true, ..BASELINE },
    StandInVersion { name: "sim-1.2", code: 102, encrypted_uploads: true, pinned_analytics: true, ..BASELINE },
    StandInVersion { name: "sim-1.3", code: 103, heart_rate: Readings::EveryOther, ..BASELINE },
    StandInVersion { name: "sim-1.4", code: 104, heart_rate: Readings::LaterHalf, ..BASELINE },
];

/// The version with this name.
pub(super) fn version(name: &str) -> Option<&'static StandInVersion> {
    VERSIONS.iter().find(|version| version.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AppVersion;

    #[test]
    fn versions_are_in_the_order_that_an_audit_puts_them_in() {
        let by_name: Vec<AppVersion> = VERSIONS.iter().map(|version| AppVersion::named(version.name)).collect();
        assert!(by_name.is_sorted());
        assert!(VERSIONS.is_sorted_by_key(|version| version.code));
        assert!(by_name.iter().all(|version| version.name.starts_with("sim-")));
        assert_eq!(version("sim-1.1").map(|version| version.code), Some(101));
        assert_eq!(version("6.14.0"), None);
    }
}
