//! The device of these tests: it repeats what is written to it. What bands say is left to `band`.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use tattletale::link::{Advertisement, LinkError, Notification, sig_uuid, simulated::Peripheral};
use uuid::Uuid;

use crate::fake::{Device, Service, service};

pub(crate) const ADDRESS: [u8; 6] = [0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56];

/// Reads as 87, and notifies.
pub(crate) const BATTERY: Uuid = sig_uuid(0x2a19);
/// Notifies what is written to [`ECHO`].
pub(crate) const RATE: Uuid = sig_uuid(0x2a37);
/// Takes what is to be repeated. `ff` makes the device hang up; `fe` and a number make it repeat that often.
pub(crate) const ECHO: Uuid = sig_uuid(0x2a06);
/// Refuses to be read.
pub(crate) const REFUSED: Uuid = sig_uuid(0x2a39);
/// Reads as sixty bytes, and notifies.
pub(crate) const LONG: Uuid = sig_uuid(0x2a4d);

/// The device.
#[derive(Default)]
pub(crate) struct Echo {
    queue: VecDeque<Notification>,
    subscribed: BTreeSet<Uuid>,
}

/// A device at this address.
pub(crate) fn echo(address: [u8; 6]) -> Device {
    Device::new(address, Echo::default(), services())
}

/// What it has.
pub(crate) fn services() -> Vec<Service> {
    vec![
        service(sig_uuid(0x180f), &[(BATTERY, &["read", "notify"])]),
        service(sig_uuid(0x180d), &[(RATE, &["notify"]), (REFUSED, &["read"])]),
        service(sig_uuid(0x1802), &[(ECHO, &["write", "write-without-response"]), (LONG, &["read", "notify"])]),
    ]
}

impl Peripheral for Echo {
    fn advertisement(&self, _now: Timestamp) -> Advertisement {
        Advertisement { address: ADDRESS, name: None, manufacturer_data: Vec::new(), service_data: Vec::new(), rssi: None }
    }

    fn connect(&mut self, _now: Timestamp) {}

    fn disconnect(&mut self) {
        *self = Self::default();
    }

    fn read(&mut self, characteristic: Uuid, _now: Timestamp) -> Result<Vec<u8>, LinkError> {
        match characteristic {
            BATTERY => Ok(vec![87]),
            LONG => Ok((0..60).collect()),
            REFUSED => Err(LinkError::Refused(2)),
            other => Err(LinkError::NoCharacteristic(other)),
        }
    }

    fn write(&mut self, _characteristic: Uuid, value: &[u8], _now: Timestamp) -> Result<(), LinkError> {
        let times = match *value {
            [0xff] => return Err(LinkError::Lost),
            [0xee, code] => return Err(LinkError::Refused(code)),
            [0xfe, times, ..] => times.into(),
            _ => 1,
        };
        if self.subscribed.contains(&RATE) {
            self.queue.extend((0..times).map(|_| Notification { characteristic: RATE, value: value.to_vec() }));
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
