//! A simulated band's GATT server as plain data: services, characteristics, properties. A real GATT server can be built from it,
//! and the simulator answers by it. What the Bluetooth stack serves by itself (1800, 1801) is not in it.
//! Source: `docs/protocols/huami-ble.md`, section 1.

use uuid::Uuid;

use crate::{
    band::huami::{
        characteristics as own,
        profile::{Authentication, Profile},
    },
    link::sig_uuid,
};

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GattService {
    /// UUID.
    pub uuid: Uuid,
    /// Its characteristics.
    pub characteristics: Vec<GattCharacteristic>,
}

/// A characteristic and what may be done with it. One that notifies has a client characteristic configuration (2902).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GattCharacteristic {
    /// UUID.
    pub uuid: Uuid,
    /// It may be read.
    pub read: bool,
    /// It may be written with a response.
    pub write: bool,
    /// It may be written without a response.
    pub write_without_response: bool,
    /// It notifies.
    pub notify: bool,
}

/// The services of a model. `is_newest_firmware` tells the models apart that got the long messages of 2021 by an update.
pub(super) fn services(profile: &Profile, is_newest_firmware: bool) -> Vec<GattService> {
    let is_later = profile.has_old_chunks || profile.has_new_chunks();
    let has_new_chunks = match profile.authentication {
        Authentication::Handshake => true,
        Authentication::ServerKeyOrHandshake => is_newest_firmware,
        _ => false,
    };
    let mut main = vec![
        characteristic(own::CURRENT_TIME, "rwn"),
        characteristic(own::CONFIGURATION, "cn"),
        characteristic(own::FETCH_CONTROL, "cn"),
        characteristic(own::FETCH_DATA, "n"),
        characteristic(own::BATTERY, "rn"),
        characteristic(own::STEPS, "rn"),
        characteristic(own::USER_SETTINGS, "wn"),
        characteristic(own::EVENTS, "n"),
    ];
    if is_later {
        main.push(characteristic(own::huami_uuid(0x000f), "cn"));
    }
    if has_new_chunks {
        main.extend([characteristic(own::CHUNKS_TO_BAND, "cn"), characteristic(own::CHUNKS_FROM_BAND, "cn")]);
    }
    if profile.has_old_chunks {
        main.push(characteristic(own::OLD_CHUNKS, "cn"));
    }
    let information = [own::SERIAL, own::HARDWARE, own::FIRMWARE, own::SYSTEM_ID, own::PNP_ID];
    let mut services = vec![
        service(own::DEVICE_INFORMATION_SERVICE, information.map(|uuid| characteristic(uuid, "r")).to_vec()),
        service(own::FIRMWARE_SERVICE, vec![characteristic(own::FIRMWARE_CONTROL, "wn"), characteristic(own::FIRMWARE_DATA, "c")]),
        service(sig_uuid(0x1811), vec![characteristic(sig_uuid(0x2a46), "rw"), characteristic(sig_uuid(0x2a44), "rw")]),
        service(own::ALERT_SERVICE, vec![characteristic(own::ALERT_LEVEL, "c")]),
        service(own::HEART_RATE_SERVICE, vec![characteristic(own::HEART_RATE, "n"), characteristic(own::HEART_RATE_CONTROL, "rw")]),
        service(own::MAIN_SERVICE, main),
        service(own::AUTHENTICATION_SERVICE, vec![characteristic(own::AUTHENTICATION, if is_later { "rcn" } else { "cn" })]),
    ];
    if profile.has_battery_service {
        services.push(service(own::BATTERY_SERVICE, vec![characteristic(own::BATTERY_LEVEL, "rn")]));
    }
    services
}

const fn service(uuid: Uuid, characteristics: Vec<GattCharacteristic>) -> GattService {
    GattService { uuid, characteristics }
}

/// `r` read, `w` write, `c` write without response (a command), `n` notify.
fn characteristic(uuid: Uuid, properties: &str) -> GattCharacteristic {
    let has = |letter: char| properties.contains(letter);
    GattCharacteristic { uuid, read: has('r'), write: has('w'), write_without_response: has('c'), notify: has('n') }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::band::huami::profile::{MI_BAND_2, MI_BAND_3, MI_BAND_5, PROFILES};

    fn has(profile: &Profile, is_newest_firmware: bool, uuid: Uuid) -> bool {
        services(profile, is_newest_firmware).iter().flat_map(|service| &service.characteristics).any(|own| own.uuid == uuid)
    }

    #[test]
    fn a_uuid_stands_once_in_a_server() {
        for profile in PROFILES {
            let services = services(profile, true);
            let mut uuids: Vec<Uuid> = services.iter().flat_map(|service| &service.characteristics).map(|own| own.uuid).collect();
            uuids.extend(services.iter().map(|service| service.uuid));
            let all = uuids.len();
            uuids.sort();
            uuids.dedup();
            assert_eq!(uuids.len(), all, "{}", profile.name);
        }
    }

    #[test]
    fn models_differ_in_what_they_have() {
        assert!(!has(&MI_BAND_2, true, own::OLD_CHUNKS) && has(&MI_BAND_3, true, own::OLD_CHUNKS));
        assert!(!has(&MI_BAND_3, true, own::CHUNKS_TO_BAND));
        assert!(has(&MI_BAND_5, true, own::CHUNKS_TO_BAND) && !has(&MI_BAND_5, false, own::CHUNKS_TO_BAND));
        assert!(has(&MI_BAND_5, false, own::BATTERY_LEVEL) && !has(&MI_BAND_3, false, own::BATTERY_LEVEL));
    }
}
