//! A chest strap: the standard services and nothing else. It has no key, no clock and no memory, and what it says, it says to everybody.
//! Source: Device Information Service 1.1, Battery Service 1.0, Heart Rate Service 1.0.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde_json::{Value, json};
use tattletale::{
    band::huami::GattService,
    link::{Advertisement, LinkError, Notification, sig_uuid, simulated::Peripheral},
};
use uuid::Uuid;

use crate::{
    oddity::service,
    played::{Played, Switch},
};

const BATTERY_LEVEL: Uuid = sig_uuid(0x2a19);
const SERIAL: Uuid = sig_uuid(0x2a25);
const FIRMWARE: Uuid = sig_uuid(0x2a26);
const HEART_RATE: Uuid = sig_uuid(0x2a37);

/// The device.
pub(crate) struct Strap {
    address: [u8; 6],
    queue: VecDeque<Notification>,
    written: Vec<Value>,
}

impl Strap {
    /// How it is ordered: its model, as in a rig file.
    pub(crate) const NAME: &'static str = "generic";

    /// A fresh one at this address.
    pub(crate) fn new(address: [u8; 6]) -> Self {
        Self { address, queue: VecDeque::new(), written: Vec::new() }
    }
}

impl Played for Strap {
    fn model(&self) -> &'static str {
        Self::NAME
    }

    fn services(&self) -> Vec<GattService> {
        vec![
            service(0x180a, &[(SERIAL, "r"), (FIRMWARE, "r")]),
            service(0x180f, &[(BATTERY_LEVEL, "rn")]),
            service(0x180d, &[(HEART_RATE, "n")]),
        ]
    }

    fn contents(&self) -> Value {
        Value::Null
    }

    fn journal(&self) -> Value {
        json!(self.written)
    }

    fn set(&mut self, switch: Switch) -> Result<(), String> {
        Err(format!("it has no switch for {switch:?}"))
    }
}

impl Peripheral for Strap {
    fn advertisement(&self, _now: Timestamp) -> Advertisement {
        let (manufacturer_data, service_data) = (Vec::new(), Vec::new());
        Advertisement { address: self.address, name: Some("Strap".to_owned()), manufacturer_data, service_data, rssi: None }
    }

    fn connect(&mut self, _now: Timestamp) {}

    fn disconnect(&mut self) {
        self.queue.clear();
    }

    fn read(&mut self, characteristic: Uuid, _now: Timestamp) -> Result<Vec<u8>, LinkError> {
        match characteristic {
            BATTERY_LEVEL => Ok(vec![64]),
            SERIAL => Ok(b"ST-0000001".to_vec()),
            FIRMWARE => Ok(b"1.2.3".to_vec()),
            other => Err(LinkError::NoCharacteristic(other)),
        }
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8], _now: Timestamp) -> Result<(), LinkError> {
        self.written.push(json!({ "characteristic": characteristic.to_string(), "bytes": value.len() }));
        Err(LinkError::Refused(0x03))
    }

    /// At first it has no pulse, then it has.
    fn subscribe(&mut self, characteristic: Uuid, _now: Timestamp) -> Result<(), LinkError> {
        if characteristic == HEART_RATE {
            self.queue.extend([0, 72].map(|beats| Notification { characteristic, value: vec![0, beats] }));
        }
        Ok(())
    }

    fn unsubscribe(&mut self, _characteristic: Uuid, _now: Timestamp) -> Result<(), LinkError> {
        self.queue.clear();
        Ok(())
    }

    fn notification(&mut self, _now: Timestamp) -> Result<Option<Notification>, LinkError> {
        Ok(self.queue.pop_front())
    }
}
