//! A device that is no band: it has what Bluetooth stacks stumble over. No name, services and characteristics of one UUID, a value that
//! needs encryption, values longer than a packet, and as many notifications as somebody asks for.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use serde_json::{Value, json};
use tattletale::{
    band::huami::{GattCharacteristic, GattService},
    link::{Advertisement, LinkError, Notification, sig_uuid, simulated::Peripheral},
};
use uuid::Uuid;

use crate::played::{Played, Switch};

/// A value that is always there.
const PLAIN: Uuid = sig_uuid(0xff01);
/// In the first of two services of one UUID.
const TWIN_A: Uuid = sig_uuid(0xff02);
/// In the second of them.
const TWIN_B: Uuid = sig_uuid(0xff03);
/// Twice in one service.
const DOUBLE: Uuid = sig_uuid(0xff04);
/// Needs an encrypted link.
const SECRET: Uuid = sig_uuid(0xff05);
/// Keeps what is written, up to 512 bytes.
const KEPT: Uuid = sig_uuid(0xff06);
/// A little-endian number written here is how many notifications come of [`FLOOD`].
const ASK_FLOOD: Uuid = sig_uuid(0xff07);
/// Notifies with a little-endian number, counted from 0.
const FLOOD: Uuid = sig_uuid(0xff08);

/// The device.
pub(crate) struct Oddity {
    address: [u8; 6],
    kept: Vec<u8>,
    subscribed: BTreeSet<Uuid>,
    queue: VecDeque<Notification>,
    asked: Vec<Value>,
}

impl Oddity {
    /// How it is ordered.
    pub(crate) const NAME: &'static str = "oddity";

    /// A fresh one at this address.
    pub(crate) fn new(address: [u8; 6]) -> Self {
        Self { address, kept: Vec::new(), subscribed: BTreeSet::new(), queue: VecDeque::new(), asked: Vec::new() }
    }
}

impl Played for Oddity {
    fn model(&self) -> &'static str {
        Self::NAME
    }

    fn services(&self) -> Vec<GattService> {
        vec![
            service(0xff10, &[(PLAIN, "r"), (SECRET, "r"), (KEPT, "rw")]),
            service(0xff11, &[(TWIN_A, "r")]),
            service(0xff11, &[(TWIN_B, "r")]),
            service(0xff12, &[(DOUBLE, "r"), (DOUBLE, "r")]),
            service(0xff13, &[(ASK_FLOOD, "wc"), (FLOOD, "n")]),
        ]
    }

    fn is_secret(&self, characteristic: &GattCharacteristic) -> bool {
        characteristic.uuid == SECRET
    }

    fn contents(&self) -> Value {
        Value::Null
    }

    fn journal(&self) -> Value {
        json!(self.asked)
    }

    fn set(&mut self, switch: Switch) -> Result<(), String> {
        Err(format!("it has no switch for {switch:?}"))
    }
}

impl Peripheral for Oddity {
    fn advertisement(&self, _now: Timestamp) -> Advertisement {
        Advertisement { address: self.address, name: None, manufacturer_data: Vec::new(), service_data: Vec::new(), rssi: None }
    }

    fn connect(&mut self, _now: Timestamp) {}

    fn disconnect(&mut self) {
        self.subscribed.clear();
        self.queue.clear();
    }

    fn read(&mut self, characteristic: Uuid, _now: Timestamp) -> Result<Vec<u8>, LinkError> {
        self.asked.push(json!({ "what": "read", "characteristic": characteristic.to_string() }));
        Ok(match characteristic {
            PLAIN => b"plain".to_vec(),
            TWIN_A => b"a".to_vec(),
            TWIN_B => b"b".to_vec(),
            DOUBLE => b"double".to_vec(),
            SECRET => b"secret".to_vec(),
            KEPT => self.kept.clone(),
            other => return Err(LinkError::NoCharacteristic(other)),
        })
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8], _now: Timestamp) -> Result<(), LinkError> {
        match (characteristic, value) {
            (KEPT, _) => self.kept = value.to_vec(),
            (ASK_FLOOD, &[low, high]) if self.subscribed.contains(&FLOOD) => {
                let number = u16::from_le_bytes([low, high]);
                self.queue.extend((0..number).map(|n| Notification { characteristic: FLOOD, value: n.to_le_bytes().to_vec() }));
            }
            (ASK_FLOOD, _) => {}
            (other, _) => return Err(LinkError::NoCharacteristic(other)),
        }
        Ok(())
    }

    fn subscribe(&mut self, characteristic: Uuid, _now: Timestamp) -> Result<(), LinkError> {
        self.subscribed.insert(characteristic);
        Ok(())
    }

    fn unsubscribe(&mut self, characteristic: Uuid, _now: Timestamp) -> Result<(), LinkError> {
        self.subscribed.remove(&characteristic);
        Ok(())
    }

    fn notification(&mut self, _now: Timestamp) -> Result<Option<Notification>, LinkError> {
        Ok(self.queue.pop_front())
    }
}

/// A service; `r` read, `w` write, `c` write without response, `n` notify.
pub(crate) fn service(uuid: u16, characteristics: &[(Uuid, &str)]) -> GattService {
    let characteristics = characteristics.iter().map(|&(uuid, properties)| {
        let has = |letter: char| properties.contains(letter);
        GattCharacteristic { uuid, read: has('r'), write: has('w'), write_without_response: has('c'), notify: has('n') }
    });
    GattService { uuid: sig_uuid(uuid), characteristics: characteristics.collect() }
}
