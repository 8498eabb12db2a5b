//! Listening for advertisements through the stack's events. What is remembered from earlier is told from what is heard now, because
//! a device that was in reach yesterday must not be said to be here. Connecting is left to `connection`.

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    time::Duration,
};

use btleplug::{
    api::{Central as _, CentralEvent, CentralState, Peripheral as _, PeripheralProperties, ScanFilter},
    platform::{Adapter, Peripheral, PeripheralId},
};
use futures_util::StreamExt;
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use super::{
    super::{Advertisement, DEVICES_MAX, LinkError},
    session::{Chosen, STACK_WITHIN, Session, off_by_now, stack},
    words,
};

/// BlueZ reports this strength when it knows none.
const RSSI_UNKNOWN: i16 = 127;

/// A device that has told no name yet may tell it later, which the stack does not announce, so it is looked at again this often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Hears a device; `Break` ends the scan.
pub(super) type Heard<'a> = &'a mut (dyn FnMut(&Peripheral, &Advertisement) -> ControlFlow<()> + Send);

/// A scan that is on. Dropped, it is stopped too, later.
struct Scan {
    adapter: Adapter,
    runtime: Handle,
    on: bool,
}

/// A device heard in this scan.
struct Device {
    peripheral: Peripheral,
    advertisement: Advertisement,
    looked: Instant,
}

/// The one device that is listened for.
#[derive(Clone, Copy)]
pub(super) struct Only {
    pub(super) address: [u8; 6],
    /// Only what is heard now counts, not what the stack remembers because another program listens as well.
    pub(super) heard_now: bool,
}

/// How listening ended.
pub(super) struct Listened {
    /// The stack said that the device is there before this scan began, as it does while another program listens.
    pub(super) remembered: bool,
}

/// What an event says of a device.
enum Said {
    /// It is there, or was when the stack last looked.
    There,
    Strength(i16),
    Manufacturer(HashMap<u16, Vec<u8>>),
    Service(HashMap<Uuid, Vec<u8>>),
}

/// Listens until `heard` breaks or time is up. With `only`, devices that are known to have another address are not looked at, so that no
/// crowd, true or made up, keeps one device from being found.
pub(super) async fn listen(
    session: &Session,
    chosen: &Chosen,
    listen_for: Duration,
    only: Option<Only>,
    heard: Heard<'_>,
) -> Result<Listened, LinkError> {
    let _alone = session.scanning.lock().await;
    let until = super::after(listen_for);
    // The stream begins before the scan, so that nothing is missed in between.
    let mut events = match stack(chosen.adapter.events()).await {
        Ok(Ok(events)) => events,
        Ok(Err(error)) => return Err(words::of_setting_up(&error)),
        Err(_) => return Err(words::late(STACK_WITHIN)),
    };
    let remembered = match only {
        Some(only) if only.heard_now => remembered(&chosen.adapter, only.address).await,
        _ => None,
    };
    let mut scan = Scan::start(chosen).await?;
    let mut devices: BTreeMap<PeripheralId, Device> = BTreeMap::new();
    // The time is looked at here as well: a stream that never runs dry would otherwise never let it run out.
    while Instant::now() < until {
        let (id, said) = match timeout_at(until, events.next()).await {
            Err(_) => break,
            Ok(None) => return Err(LinkError::Stack("the Bluetooth service ended while it listened".to_owned())),
            Ok(Some(CentralEvent::StateUpdate(CentralState::PoweredOff))) => return Err(off_by_now(&chosen.name)),
            Ok(Some(event)) => match said(event) {
                Some(told) => told,
                None => continue,
            },
        };
        if only.is_some_and(|only| address_in(&id.to_string()).is_some_and(|address| address != only.address)) {
            continue;
        }
        // Of a device with a strength from before this scan, only what changes from now on was heard now.
        if matches!(said, Said::There) && remembered.as_ref() == Some(&id) {
            continue;
        }
        let Some((peripheral, advertisement)) = look(&chosen.adapter, &mut devices, id, said).await else { continue };
        if heard(&peripheral, &advertisement).is_break() {
            scan.stop().await;
            return Ok(Listened { remembered: remembered.is_some() });
        }
    }
    // A scan that something else ended was no scan until now.
    match scan.stop().await {
        None => Ok(Listened { remembered: remembered.is_some() }),
        Some(words) => Err(match chosen.trouble().await {
            Some(trouble) => trouble,
            None => LinkError::Stack(format!("the scan ended before its time: {words}")),
        }),
    }
}

/// An event as what it says of which device; `None` when it says nothing of an advertisement.
fn said(event: CentralEvent) -> Option<(PeripheralId, Said)> {
    Some(match event {
        CentralEvent::DeviceDiscovered(id) | CentralEvent::DeviceUpdated(id) | CentralEvent::ServicesAdvertisement { id, .. } => {
            (id, Said::There)
        }
        CentralEvent::RssiUpdate { id, rssi } => (id, Said::Strength(rssi)),
        CentralEvent::ManufacturerDataAdvertisement { id, manufacturer_data } => (id, Said::Manufacturer(manufacturer_data)),
        CentralEvent::ServiceDataAdvertisement { id, service_data } => (id, Said::Service(service_data)),
        _ => return None,
    })
}

/// The device of an event, if the event tells something new of it. Its properties are asked for when it is new, and now and then
/// while it has no name; else the event tells all, which in a crowded hall is what keeps up. Once so many devices are remembered that
/// another one would be too many, it is told each time that it is heard.
async fn look(
    adapter: &Adapter,
    devices: &mut BTreeMap<PeripheralId, Device>,
    id: PeripheralId,
    said: Said,
) -> Option<(Peripheral, Advertisement)> {
    if let Some(device) = devices.get_mut(&id)
        && (device.advertisement.name.is_some() || device.looked.elapsed() < LOOK_AGAIN)
    {
        let before = device.advertisement.clone();
        match said {
            Said::There => {}
            Said::Strength(rssi) => device.advertisement.rssi = known_rssi(rssi),
            Said::Manufacturer(data) => device.advertisement.manufacturer_data = sorted(data),
            Said::Service(data) => device.advertisement.service_data = sorted(data),
        }
        let changed = device.advertisement != before;
        return changed.then(|| (device.peripheral.clone(), device.advertisement.clone()));
    }
    let peripheral = match devices.get(&id) {
        Some(device) => device.peripheral.clone(),
        None => stack(adapter.peripheral(&id)).await.ok()?.ok()?,
    };
    let properties = stack(peripheral.properties()).await.ok()?.ok()??;
    // The stack repeats what it remembers. What it does not hear now has no strength, not even an unknown one.
    if matches!(said, Said::There) && properties.rssi.is_none() {
        return None;
    }
    let advertisement = advertisement(&peripheral, properties);
    let known = devices.get(&id);
    let changed = known.is_none_or(|known| known.advertisement != advertisement);
    if known.is_some() || devices.len() < DEVICES_MAX {
        let device = Device { peripheral: peripheral.clone(), advertisement: advertisement.clone(), looked: Instant::now() };
        devices.insert(id, device);
    }
    changed.then_some((peripheral, advertisement))
}

/// The device with this address, if the stack says that it is in reach before anybody here listens: so it does while another program
/// listens, because it takes a strength back only when the last one stops.
async fn remembered(adapter: &Adapter, address: [u8; 6]) -> Option<PeripheralId> {
    // Only BlueZ takes strengths back, and so only there one that was not taken back says something.
    if !cfg!(target_os = "linux") {
        return None;
    }
    let known = stack(adapter.peripherals()).await.ok()?.ok()?;
    let device = known.into_iter().find(|device| device.address().into_inner() == address)?;
    let properties = stack(device.properties()).await.ok()?.ok()??;
    properties.rssi.map(|_| device.id())
}

/// The address in BlueZ's name for a device (`hci0/dev_C0_FF_EE_12_34_56`). Other systems have other names.
fn address_in(id: &str) -> Option<[u8; 6]> {
    let (_, address) = id.rsplit_once("/dev_")?;
    let bytes: Vec<u8> = address.split('_').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>().ok()?;
    bytes.try_into().ok()
}

impl Scan {
    async fn start(chosen: &Chosen) -> Result<Self, LinkError> {
        // Made first, so that it is stopped on every way out, also when nobody waits for the answer any more.
        let mut scan = Self { adapter: chosen.adapter.clone(), runtime: Handle::current(), on: true };
        match stack(chosen.adapter.start_scan(ScanFilter::default())).await {
            Ok(Ok(())) => Ok(scan),
            Ok(Err(error)) => {
                scan.on = false;
                Err(words::of_setting_up(&error))
            }
            Err(_) => Err(words::late(STACK_WITHIN)),
        }
    }

    /// Stops it; the stack's words if it was not on any more.
    async fn stop(&mut self) -> Option<String> {
        let answer = stack(self.adapter.stop_scan()).await;
        self.on = false;
        match answer {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(words::STACK_SILENT.to_owned()),
        }
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        if self.on {
            let adapter = self.adapter.clone();
            self.runtime.spawn(async move {
                let _ = stack(adapter.stop_scan()).await;
            });
        }
    }
}

/// An advertisement as the stack gives it.
fn advertisement(peripheral: &Peripheral, properties: PeripheralProperties) -> Advertisement {
    let manufacturer_data = sorted(properties.manufacturer_data);
    Advertisement {
        address: address(peripheral.address().into_inner(), &manufacturer_data),
        name: name(properties.advertisement_name, properties.local_name),
        manufacturer_data,
        service_data: sorted(properties.service_data),
        rssi: properties.rssi.and_then(known_rssi),
    }
}

/// What the device calls itself. On Linux that is the advertisement name; the local name is the stack's alias for it, which is the
/// address when there is no name. Elsewhere there is only the local name.
fn name(advertisement_name: Option<String>, local_name: Option<String>) -> Option<String> {
    if cfg!(target_os = "linux") { advertisement_name } else { advertisement_name.or(local_name) }
}

/// The device address. macOS hides it (all zero); bands repeat it in the last six bytes of their manufacturer data.
fn address(told: [u8; 6], manufacturer_data: &[(u16, Vec<u8>)]) -> [u8; 6] {
    if told != [0; 6] {
        return told;
    }
    manufacturer_data.iter().find_map(|(_, data)| data.last_chunk::<6>()).copied().unwrap_or(told)
}

fn known_rssi(rssi: i16) -> Option<i16> {
    (rssi != RSSI_UNKNOWN).then_some(rssi)
}

fn sorted<K: Ord>(map: HashMap<K, Vec<u8>>) -> Vec<(K, Vec<u8>)> {
    let mut entries: Vec<_> = map.into_iter().collect();
    entries.sort();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_address_is_found_in_the_manufacturer_data() {
        let mac = [0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56];
        let data = vec![(0x0157, [vec![2, 2, 1, 72], mac.to_vec()].concat())];
        assert_eq!(address([0; 6], &data), mac);
        assert_eq!(address([1; 6], &data), [1; 6]);
        assert_eq!(address([0; 6], &[(0x0157, vec![2])]), [0; 6]);
    }

    #[test]
    fn a_device_tells_its_address_in_its_name_where_it_does() {
        for (id, address) in [
            ("hci0/dev_C0_FF_EE_12_34_56", Some([0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56])),
            ("hci0/dev_C0_FF_EE_12_34", None),
            ("hci0/dev_C0_FF_EE_12_34_5G", None),
            ("6e400001-b5a3-f393-e0a9-e50e24dcca9e", None),
        ] {
            assert_eq!(address_in(id), address, "{id}");
        }
    }

    #[test]
    fn an_unknown_strength_is_none() {
        assert_eq!((known_rssi(127), known_rssi(-60)), (None, Some(-60)));
    }
}
