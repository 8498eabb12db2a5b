//! The models of the family, one row each: what sets one apart from the others. To add one: a row, an entry in the sorted list
//! of models, and its vectors in `conformance`. Sources: `docs/protocols/huami-ble.md`, section 9.

use super::fetch::SampleForm;

/// What sets a model apart from the others of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Name as in rig.yaml.
    pub name: &'static str,
    /// Name for people.
    pub label: &'static str,
    /// Complete local names that it advertises; some put a space and the last four hex digits of the address behind.
    pub names: &'static [&'static str],
    /// Which kind of device address it has.
    pub address_type: AddressType,
    /// How it knows its owner.
    pub authentication: Authentication,
    /// The flag byte of authentication version 1.
    pub flag: u8,
    /// How it spells a minute.
    pub sample_form: SampleForm,
    /// Ends a batch with a checksum.
    pub has_checksums: bool,
    /// Takes long messages of the older kind.
    pub has_old_chunks: bool,
    /// Shouts the steps of the day.
    pub shouts_steps: bool,
    /// Has the battery service of the Bluetooth SIG besides its own.
    pub has_battery_service: bool,
    /// In which layout it gives workouts; `None` when it has none, or none that is understood.
    pub workouts: Option<SportLayout>,
    /// Puts a byte more at the end of its answer to a fetch request.
    pub starts_with_a_byte_more: bool,
    /// A hardware revision as the model has them. Those of the Bip and the 7 are invented.
    pub hardware: &'static str,
    /// A firmware version as the model has them. That of the 7 is invented.
    pub firmware: &'static str,
    /// Product and version of its PnP id. The products of the Bip and the 7 are not known: 0.
    pub product: (u16, u16),
}

/// Kinds of device addresses (Bluetooth Core, Vol 6, Part B, 1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressType {
    /// Assigned to the maker.
    Public,
    /// Made up once; the two highest bits are set.
    RandomStatic,
}

/// How a model lays out the summary of a workout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SportLayout {
    /// Versions below 512.
    Old,
    /// Versions from 512 on.
    New,
}

/// How a model knows its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Version 1: it takes a key of one's choosing when the wearer taps.
    ChosenKey,
    /// Version 2: the vendor's server makes the key.
    ServerKey,
    /// The handshake of 2021 where the firmware has it, else version 2; the server makes the key.
    ServerKeyOrHandshake,
    /// The handshake of 2021; the server makes the key.
    Handshake,
}

impl Profile {
    /// Whether an advertised name is this model's.
    pub(super) fn is_named(&self, advertised: &str) -> bool {
        self.names.iter().any(|name| match advertised.strip_prefix(name).map(str::as_bytes) {
            Some([]) => true,
            Some([b' ', digits @ ..]) => digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit),
            _ => false,
        })
    }

    /// Whether it has the long messages of 2021, on its newest firmware.
    pub const fn has_new_chunks(&self) -> bool {
        matches!(self.authentication, Authentication::ServerKeyOrHandshake | Authentication::Handshake)
    }
}

/// Amazfit Bip.
pub const AMAZFIT_BIP: Profile = Profile {
    name: "amazfit-bip",
    label: "Amazfit Bip",
    names: &["Amazfit Bip Watch"],
    workouts: Some(SportLayout::Old),
    hardware: "V0.0.0.1",
    firmware: "V1.1.6.0",
    product: (0x0000, 0x0100),
    ..MI_BAND_3
};

/// Xiaomi Mi Band 2.
pub const MI_BAND_2: Profile = Profile {
    name: "mi-band-2",
    label: "Xiaomi Mi Band 2",
    names: &["MI Band 2", "Mi Band HRX", "Mi Band 2i"],
    flag: 0x08,
    has_checksums: false,
    has_old_chunks: false,
    shouts_steps: false,
    workouts: None,
    hardware: "V0.1.3.3",
    firmware: "V1.0.1.81",
    product: (0x0004, 0x0100),
    ..MI_BAND_3
};

/// Xiaomi Mi Band 3.
pub const MI_BAND_3: Profile = Profile {
    name: "mi-band-3",
    label: "Xiaomi Mi Band 3",
    names: &["Mi Band 3", "Xiaomi Band 3"],
    address_type: AddressType::RandomStatic,
    authentication: Authentication::ChosenKey,
    flag: 0x00,
    sample_form: SampleForm::Four,
    has_checksums: true,
    has_old_chunks: true,
    shouts_steps: true,
    has_battery_service: false,
    workouts: Some(SportLayout::New),
    starts_with_a_byte_more: false,
    hardware: "V0.18.4.3",
    firmware: "V2.3.0.2",
    product: (0x0013, 0x0100),
};

/// Xiaomi Mi Smart Band 4.
pub const MI_BAND_4: Profile = Profile {
    name: "mi-band-4",
    label: "Xiaomi Mi Smart Band 4",
    names: &["Mi Smart Band 4"],
    address_type: AddressType::Public,
    authentication: Authentication::ServerKey,
    hardware: "V0.25.18.5",
    firmware: "V1.0.9.66",
    product: (0x0024, 0x0101),
    ..MI_BAND_3
};

/// Xiaomi Mi Smart Band 5.
pub const MI_BAND_5: Profile = Profile {
    name: "mi-band-5",
    label: "Xiaomi Mi Smart Band 5",
    names: &["Mi Smart Band 5"],
    authentication: Authentication::ServerKeyOrHandshake,
    sample_form: SampleForm::Eight,
    has_battery_service: true,
    hardware: "V0.44.18.2",
    firmware: "V1.0.2.24",
    product: (0x003d, 0x0101),
    ..MI_BAND_4
};

/// Xiaomi Mi Smart Band 6.
pub const MI_BAND_6: Profile = Profile {
    name: "mi-band-6",
    label: "Xiaomi Mi Smart Band 6",
    names: &["Mi Smart Band 6"],
    hardware: "V0.82.114.3",
    firmware: "V1.0.6.20",
    product: (0x005b, 0x0101),
    ..MI_BAND_5
};

/// Xiaomi Smart Band 7.
pub const MI_BAND_7: Profile = Profile {
    name: "mi-band-7",
    label: "Xiaomi Smart Band 7",
    names: &["Xiaomi Smart Band 7"],
    authentication: Authentication::Handshake,
    has_old_chunks: false,
    shouts_steps: false,
    workouts: None,
    starts_with_a_byte_more: true,
    hardware: "V0.0.0.1",
    firmware: "V1.0.0.1",
    product: (0x0000, 0x0101),
    ..MI_BAND_6
};

/// Every row, sorted by name.
pub const PROFILES: &[&Profile] = &[&AMAZFIT_BIP, &MI_BAND_2, &MI_BAND_3, &MI_BAND_4, &MI_BAND_5, &MI_BAND_6, &MI_BAND_7];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_model_s() {
        let of = |advertised: &str| {
            PROFILES.iter().filter(|profile| profile.is_named(advertised)).map(|profile| profile.name).collect::<Vec<_>>()
        };
        for (advertised, name) in [
            ("MI Band 2", "mi-band-2"),
            ("Mi Band 3", "mi-band-3"),
            ("Xiaomi Band 3", "mi-band-3"),
            ("Mi Smart Band 4", "mi-band-4"),
            ("Mi Smart Band 6", "mi-band-6"),
            ("Xiaomi Smart Band 7", "mi-band-7"),
            ("Xiaomi Smart Band 7 3F5A", "mi-band-7"),
            ("Amazfit Bip Watch", "amazfit-bip"),
        ] {
            assert_eq!(of(advertised), [name]);
        }
        for other in ["Xiaomi Smart Band 7 Pro", "Mi Band 3X", "mi band 3", "Amazfit Bip Lite", "Xiaomi Smart Band 7 Pro 3F5A", ""] {
            assert!(of(other).is_empty(), "{other}");
        }
    }

    #[test]
    fn rows_are_sorted() {
        assert!(PROFILES.is_sorted_by(|a, b| a.name < b.name));
    }
}
