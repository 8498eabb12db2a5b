//! GATT over this machine's Bluetooth adapter, by btleplug. Thin: it finds, connects, and translates errors; what bytes mean is
//! left to `band`. Pairing is not offered, because the bands' own key exchange needs none.

use std::{pin::Pin, time::Duration};

use async_trait::async_trait;
use btleplug::{
    api::{
        Central as _, CentralEvent, CentralState, Characteristic, Manager as _, Peripheral as _, PeripheralProperties, ScanFilter,
        ValueNotification, WriteType,
    },
    platform::{Adapter, Manager, Peripheral},
};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use super::{Advertisement, Central, GattLink, LinkError, Notification, WriteKind};

/// How long a device may take to show up before it counts as not advertising. Bands advertise every 1 to 2 s.
const FIND_WITHIN: Duration = Duration::from_secs(15);

/// BlueZ refuses a connect right after a disconnect with an input/output error; this pause cures it.
const BEFORE_RETRY: Duration = Duration::from_millis(200);

/// Connects tried before giving up.
const CONNECTS: u32 = 3;

/// A lost link does not end the notification stream, so while waiting the link's state is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Devices remembered from one scan: a crowded hall has hundreds, a hostile neighbour makes up more.
const DEVICES: usize = 4096;

/// BlueZ reports this strength when it knows none.
const RSSI_UNKNOWN: i16 = 127;

/// This machine's Bluetooth adapter.
#[derive(Clone, Debug, Default)]
pub struct Radio {
    /// Start of the adapter's name (`hci0`); the first one that there is when `None`. The order of several is arbitrary, so a
    /// machine with two should name one.
    pub adapter: Option<String>,
}

/// A connection over the radio.
struct RadioLink {
    peripheral: Peripheral,
    notifications: Pin<Box<dyn Stream<Item = ValueNotification> + Send>>,
}

impl Radio {
    /// Finds the adapter.
    async fn adapter(&self) -> Result<Adapter, LinkError> {
        let manager =
            Manager::new().await.map_err(|error| LinkError::NoAdapter(format!("the Bluetooth service does not answer ({error})")))?;
        let adapters =
            manager.adapters().await.map_err(|error| LinkError::NoAdapter(format!("the Bluetooth service has none to offer ({error})")))?;
        for adapter in adapters {
            let Some(wanted) = &self.adapter else { return Ok(adapter) };
            if adapter.adapter_info().await.map_err(stack)?.starts_with(wanted.as_str()) {
                return Ok(adapter);
            }
        }
        Err(LinkError::NoAdapter(match &self.adapter {
            Some(wanted) => format!("this machine has none named {wanted}"),
            None => "this machine has none".to_owned(),
        }))
    }

    /// Scans until `found` says so or time is up. The event stream is opened before the scan starts; it begins by repeating
    /// what the stack remembers, so every device is looked at afresh.
    async fn listen<R>(
        adapter: &Adapter,
        until: Instant,
        mut found: impl FnMut(&Peripheral, &PeripheralProperties) -> Option<R>,
    ) -> Result<Option<R>, LinkError> {
        let mut events = adapter.events().await.map_err(stack)?;
        adapter.start_scan(ScanFilter::default()).await.map_err(|error| match adapter_state_hint(&error) {
            Some(hint) => LinkError::NoAdapter(hint),
            None => stack(error),
        })?;
        let mut result = None;
        while let Ok(Some(event)) = timeout_at(until, events.next()).await {
            let id = match event {
                CentralEvent::DeviceDiscovered(id)
                | CentralEvent::DeviceUpdated(id)
                | CentralEvent::ManufacturerDataAdvertisement { id, .. }
                | CentralEvent::ServiceDataAdvertisement { id, .. }
                | CentralEvent::ServicesAdvertisement { id, .. } => id,
                CentralEvent::StateUpdate(CentralState::PoweredOff) => {
                    return Err(LinkError::NoAdapter("it was switched off".to_owned()));
                }
                _ => continue,
            };
            let Ok(peripheral) = adapter.peripheral(&id).await else { continue };
            let Ok(Some(properties)) = peripheral.properties().await else { continue };
            result = found(&peripheral, &properties);
            if result.is_some() {
                break;
            }
        }
        // A scan that cannot be stopped is no reason to throw away what it found.
        let _ = adapter.stop_scan().await;
        Ok(result)
    }
}

#[async_trait]
impl Central for Radio {
    async fn scan(&self, listen_for: Duration) -> Result<Vec<Advertisement>, LinkError> {
        let adapter = self.adapter().await?;
        let mut seen: Vec<Advertisement> = Vec::new();
        Self::listen(&adapter, Instant::now() + listen_for, |peripheral, properties| {
            let advertisement = advertisement(peripheral, properties);
            let room = seen.len() < DEVICES;
            match seen.iter_mut().find(|known| known.address == advertisement.address) {
                Some(known) => *known = advertisement,
                None if room => seen.push(advertisement),
                None => {}
            }
            None::<()>
        })
        .await?;
        Ok(seen)
    }

    async fn connect(&self, address: [u8; 6]) -> Result<Box<dyn GattLink>, LinkError> {
        let adapter = self.adapter().await?;
        let peripheral = Self::listen(&adapter, Instant::now() + FIND_WITHIN, |peripheral, properties| {
            (advertisement(peripheral, properties).address == address).then(|| peripheral.clone())
        })
        .await?
        .ok_or(LinkError::NotFound)?;

        let mut tried = 1;
        while let Err(error) = peripheral.connect().await {
            if tried == CONNECTS {
                return Err(stack(error));
            }
            tried += 1;
            sleep(BEFORE_RETRY).await;
        }
        peripheral.discover_services().await.map_err(stack)?;
        let notifications = peripheral.notifications().await.map_err(stack)?;
        Ok(Box::new(RadioLink { peripheral, notifications }))
    }
}

impl RadioLink {
    fn characteristic(&self, uuid: Uuid) -> Result<Characteristic, LinkError> {
        self.peripheral.characteristics().into_iter().find(|known| known.uuid == uuid).ok_or(LinkError::NoCharacteristic(uuid))
    }

    async fn is_up(&mut self) -> bool {
        self.peripheral.is_connected().await.unwrap_or(false)
    }

    /// What an error means. After a loss the stack says that the object does not exist, not that the link is gone, so the state
    /// is asked for.
    async fn explain(&mut self, error: btleplug::Error) -> LinkError {
        match error {
            btleplug::Error::NotConnected | btleplug::Error::DeviceNotFound => LinkError::Lost,
            _ if !self.is_up().await => LinkError::Lost,
            btleplug::Error::PermissionDenied => LinkError::Refused(READ_NOT_PERMITTED),
            error => att_error(&error.to_string()).map_or_else(|| stack(error), LinkError::Refused),
        }
    }
}

#[async_trait]
impl GattLink for RadioLink {
    async fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, LinkError> {
        if !self.is_up().await {
            return Err(LinkError::Lost);
        }
        let characteristic = self.characteristic(characteristic)?;
        match self.peripheral.read(&characteristic).await {
            Ok(value) => Ok(value),
            Err(error) => Err(self.explain(error).await),
        }
    }

    async fn write(&mut self, characteristic: Uuid, value: &[u8], kind: WriteKind) -> Result<(), LinkError> {
        if !self.is_up().await {
            return Err(LinkError::Lost);
        }
        let characteristic = self.characteristic(characteristic)?;
        let kind = match kind {
            WriteKind::WithResponse => WriteType::WithResponse,
            WriteKind::WithoutResponse => WriteType::WithoutResponse,
        };
        match self.peripheral.write(&characteristic, value, kind).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explain(error).await),
        }
    }

    async fn subscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError> {
        if !self.is_up().await {
            return Err(LinkError::Lost);
        }
        let characteristic = self.characteristic(characteristic)?;
        match self.peripheral.subscribe(&characteristic).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explain(error).await),
        }
    }

    async fn notification(&mut self, within: Duration) -> Result<Notification, LinkError> {
        let deadline = Instant::now() + within;
        loop {
            let look = deadline.min(Instant::now() + LOOK_EVERY);
            match timeout_at(look, self.notifications.next()).await {
                Ok(Some(notification)) => return Ok(Notification { characteristic: notification.uuid, value: notification.value }),
                Ok(None) => return Err(LinkError::Lost),
                Err(_) if !self.is_up().await => return Err(LinkError::Lost),
                Err(_) if Instant::now() >= deadline => return Err(LinkError::Silent(within)),
                Err(_) => {}
            }
        }
    }

    async fn disconnect(&mut self) -> Result<(), LinkError> {
        if !self.is_up().await {
            return Ok(());
        }
        self.peripheral.disconnect().await.map_err(stack)
    }
}

impl Drop for RadioLink {
    fn drop(&mut self) {
        // Without a runtime there is nobody left who could disconnect; the stack does it when the program ends.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let peripheral = self.peripheral.clone();
            runtime.spawn(async move {
                let _ = peripheral.disconnect().await;
            });
        }
    }
}

/// An advertisement as the stack gives it.
fn advertisement(peripheral: &Peripheral, properties: &PeripheralProperties) -> Advertisement {
    let mut manufacturer_data: Vec<(u16, Vec<u8>)> = properties.manufacturer_data.iter().map(|(id, data)| (*id, data.clone())).collect();
    let mut service_data: Vec<(Uuid, Vec<u8>)> = properties.service_data.iter().map(|(id, data)| (*id, data.clone())).collect();
    manufacturer_data.sort();
    service_data.sort();
    Advertisement {
        address: address(peripheral.address().into_inner(), &manufacturer_data),
        // `local_name` may be the stack's own alias; `advertisement_name` is what the device said.
        name: properties.advertisement_name.clone().or_else(|| properties.local_name.clone()),
        manufacturer_data,
        service_data,
        rssi: properties.rssi.filter(|rssi| *rssi != RSSI_UNKNOWN),
    }
}

/// The device address. macOS hides it (all zero); bands repeat it in the last six bytes of their manufacturer data.
fn address(told: [u8; 6], manufacturer_data: &[(u16, Vec<u8>)]) -> [u8; 6] {
    if told != [0; 6] {
        return told;
    }
    manufacturer_data.iter().find_map(|(_, data)| data.last_chunk::<6>()).copied().unwrap_or(told)
}

/// The ATT error code in BlueZ's words for it: "Operation failed with ATT error: 0x02", "Read not permitted".
fn att_error(message: &str) -> Option<u8> {
    if let Some((_, code)) = message.split_once("ATT error: 0x") {
        return u8::from_str_radix(code.get(..2)?, 16).ok();
    }
    let message = message.to_ascii_lowercase();
    [
        ("read not permitted", READ_NOT_PERMITTED),
        ("write not permitted", 0x03),
        ("not authorized", 0x08),
        ("not permitted", READ_NOT_PERMITTED),
        ("invalid length", 0x0d),
    ]
    .into_iter()
    .find_map(|(words, code)| message.contains(words).then_some(code))
}

/// Words for a scan that did not start because the adapter is off or blocked.
fn adapter_state_hint(error: &btleplug::Error) -> Option<String> {
    let text = error.to_string().to_ascii_lowercase();
    (text.contains("not ready") || text.contains("blocked") || text.contains("powered"))
        .then(|| "it is switched off or blocked; switch Bluetooth on".to_owned())
}

fn stack(error: btleplug::Error) -> LinkError {
    match error {
        btleplug::Error::NoAdapterAvailable => LinkError::NoAdapter("this machine has none".to_owned()),
        error => LinkError::Stack(error.to_string()),
    }
}

/// ATT "Read Not Permitted" (Bluetooth Core, Vol 3, Part F, 3.4.1.1).
const READ_NOT_PERMITTED: u8 = 0x02;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_without_bluetooth_is_told_so_in_a_sentence() {
        // An adapter of this name exists nowhere, so that the test holds on machines with Bluetooth, too.
        let radio = Radio { adapter: Some("no-such-adapter".into()) };
        let Err(LinkError::NoAdapter(why)) = radio.scan(Duration::from_millis(10)).await else { panic!("there cannot be such an adapter") };
        assert!(why.contains("Bluetooth service") || why == "this machine has none named no-such-adapter", "{why}");
        assert!(matches!(radio.connect([0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56]).await, Err(LinkError::NoAdapter(_))));
    }

    #[test]
    fn a_hidden_address_is_found_in_the_manufacturer_data() {
        let mac = [0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56];
        let data = vec![(0x0157, [vec![2, 2, 1, 72], mac.to_vec()].concat())];
        assert_eq!(address([0; 6], &data), mac);
        assert_eq!(address([1; 6], &data), [1; 6]);
        assert_eq!(address([0; 6], &[(0x0157, vec![2])]), [0; 6]);
    }

    #[test]
    fn refusals_are_read_from_the_stacks_words() {
        for (message, code) in [
            ("Operation failed with ATT error: 0x80", Some(0x80)),
            ("Operation failed with ATT error: 0x", None),
            ("Read not permitted", Some(2)),
            ("Write not permitted", Some(3)),
            ("Not Authorized", Some(8)),
            ("Timeout waiting for reply", None),
        ] {
            assert_eq!(att_error(message), code, "{message}");
        }
    }
}
