//! The models of the family: one row each.

/// What sets a model apart from the others of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Name as in rig.yaml.
    pub name: &'static str,
    /// Name for people.
    pub label: &'static str,
    /// Complete local names that it advertises.
    pub names: &'static [&'static str],
}

/// Xiaomi Mi Band 3.
pub const MI_BAND_3: Profile = Profile { name: "mi-band-3", label: "Xiaomi Mi Band 3", names: &["Mi Band 3", "Xiaomi Band 3"] };
