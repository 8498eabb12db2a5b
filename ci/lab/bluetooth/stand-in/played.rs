//! The bands that can be played: a simulated band with its GATT services, and what can be changed behind the central's back.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use tattletale::{
    band::mi_band_3::{BandContents, Fault, JournalEntry, SimulatedMiBand3, Tap, messages},
    link::{sig_uuid, simulated::Peripheral},
};
use uuid::Uuid;

/// A band on the stage.
pub(crate) trait Played: Peripheral {
    /// Name as in rig.yaml.
    fn model(&self) -> &'static str;

    /// Its GATT services.
    fn services(&self) -> Vec<Service>;

    /// What it is and holds.
    fn contents(&self) -> Value;

    /// Every write, subscription and notification, oldest first.
    fn journal(&self) -> Value;

    /// What goes wrong from now on.
    fn set_fault(&mut self, name: Option<&str>) -> Result<(), String>;

    /// How full it is, in percent.
    fn set_battery(&mut self, level: u8) -> Result<(), String>;

    /// Whether the wearer taps when it asks.
    fn set_tap(&mut self, taps: bool) -> Result<(), String>;
}

/// A GATT service to offer.
pub(crate) struct Service {
    pub(crate) uuid: Uuid,
    pub(crate) characteristics: Vec<Characteristic>,
}

/// A characteristic to offer.
#[derive(Clone, Copy)]
pub(crate) struct Characteristic {
    pub(crate) uuid: Uuid,
    /// As in the specification's table of properties: R read, W write, w write without response, N notify; E: reading needs encryption.
    pub(crate) properties: &'static str,
}

impl Characteristic {
    /// Whether it has this property.
    pub(crate) fn has(&self, property: char) -> bool {
        self.properties.contains(property)
    }
}

/// The band of this model, with these contents or with invented ones of yesterday and today, at this address.
pub(crate) fn band(model: &str, address: [u8; 6], contents: Option<Value>, now: Timestamp) -> Result<Box<dyn Played>, String> {
    if contents.is_some() {
        return Err("this model holds invented contents only".to_owned());
    }
    match model {
        "mi-band-3" => {
            let mut contents = BandContents::invented(now.to_zoned(TimeZone::UTC).date());
            contents.address = address;
            Ok(Box::new(SimulatedMiBand3::new(contents)))
        }
        other => Err(format!("there is no band named {other}")),
    }
}

impl Played for SimulatedMiBand3 {
    fn model(&self) -> &'static str {
        "mi-band-3"
    }

    fn services(&self) -> Vec<Service> {
        let service = |uuid, characteristics: &[(Uuid, &'static str)]| Service {
            uuid,
            characteristics: characteristics.iter().map(|&(uuid, properties)| Characteristic { uuid, properties }).collect(),
        };
        vec![
            service(
                sig_uuid(0x180a),
                &[(messages::SERIAL, "R"), (messages::HARDWARE, "R"), (messages::FIRMWARE, "R"), (messages::SYSTEM_ID, "R")],
            ),
            service(sig_uuid(0x180d), &[(messages::HEART_RATE, "N"), (messages::HEART_RATE_CONTROL, "RW")]),
            service(sig_uuid(0x1802), &[(messages::ALERT_LEVEL, "w")]),
            service(
                messages::MAIN_SERVICE,
                &[
                    (messages::CURRENT_TIME, "RWN"),
                    (messages::FETCH_CONTROL, "wN"),
                    (messages::FETCH_DATA, "N"),
                    (messages::BATTERY, "RN"),
                    (messages::STEPS, "RN"),
                    (messages::EVENTS, "N"),
                ],
            ),
            service(sig_uuid(0xfee1), &[(messages::AUTHENTICATION, "RwWN")]),
        ]
    }

    fn contents(&self) -> Value {
        json!({ "start": self.contents.start.to_string(), "minutes": self.contents.samples.len() })
    }

    fn journal(&self) -> Value {
        let entry = |what: &str, at: &Timestamp, characteristic: &Uuid, value: Option<&[u8]>| json!({ "what": what, "at": at.to_string(), "characteristic": characteristic.to_string(), "value": value.map(hex) });
        self.journal
            .iter()
            .map(|event| match event {
                JournalEntry::Notified { at, characteristic, value } => entry("notified", at, characteristic, Some(value)),
                JournalEntry::Subscribed { at, characteristic } => entry("subscribed", at, characteristic, None),
                JournalEntry::Written { at, characteristic, value } => entry("written", at, characteristic, Some(value)),
            })
            .collect()
    }

    fn set_fault(&mut self, name: Option<&str>) -> Result<(), String> {
        self.fault = match name {
            None => None,
            Some("drop-mid-batch") => Some(Fault::DropMidBatch),
            Some("refuse-fetch") => Some(Fault::RefuseFetch),
            Some("silence") => Some(Fault::Silence),
            Some("skip-counter") => Some(Fault::SkipCounter),
            Some("wrong-checksum") => Some(Fault::WrongChecksum),
            Some(other) => return Err(format!("there is no fault named {other}")),
        };
        Ok(())
    }

    fn set_battery(&mut self, level: u8) -> Result<(), String> {
        self.battery = level;
        Ok(())
    }

    fn set_tap(&mut self, taps: bool) -> Result<(), String> {
        self.tap = if taps { Tap::AtOnce } else { Tap::Never };
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
