//! An app version: the name people know and the code the store orders by.

use std::{cmp::Ordering, fmt};

use serde::{Deserialize, Serialize};

/// Version of the app under audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppVersion {
    /// Name, as the store shows it: `6.14.0`, `sim-1.0`.
    pub name: String,
    /// The platform's ordering number, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u64>,
}

impl AppVersion {
    /// A version known by name only.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), code: None }
    }

    /// Numbers inside the name, left to right: `sim-1.10` is `[1, 10]`.
    fn components(&self) -> Vec<u64> {
        self.name
            .split(|c: char| !c.is_ascii_digit())
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().unwrap_or(u64::MAX))
            .collect()
    }
}

impl fmt::Display for AppVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialOrd for AppVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Version code first where both have one, then components as numbers (6.9 < 6.10), then the name as text.
impl Ord for AppVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.code, other.code) {
            (Some(a), Some(b)) if a != b => return a.cmp(&b),
            _ => {}
        }
        self.components().cmp(&other.components()).then_with(|| self.name.cmp(&other.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_numbers() {
        assert!(AppVersion::named("6.9") < AppVersion::named("6.10"));
        assert!(AppVersion::named("sim-1.0") < AppVersion::named("sim-1.1"));
    }

    #[test]
    fn the_version_code_decides_before_the_name() {
        let old = AppVersion { name: "7.0".into(), code: Some(10) };
        let new = AppVersion { name: "6.0".into(), code: Some(11) };
        assert!(old < new);
    }
}
