//! One GATT connection to a band, and the central that opens it: over a radio, to the simulated band, or replayed from a record.

use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

use async_trait::async_trait;
use rustls::crypto::aws_lc_rs;
use uuid::Uuid;

#[doc(hidden)]
pub mod behaviour;
pub mod radio;
pub mod recorded;
pub mod simulated;

/// One GATT connection. Values are raw characteristic values; what they mean is `band`'s.
#[async_trait]
pub trait GattLink: Send {
    /// Reads a characteristic.
    ///
    /// # Errors
    /// [`LinkError::Refused`] when the band says no (not authenticated), else why the link is of no use.
    async fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, LinkError>;

    /// Writes a characteristic.
    ///
    /// # Errors
    /// As [`GattLink::read`].
    async fn write(&mut self, characteristic: Uuid, value: &[u8], kind: WriteKind) -> Result<(), LinkError>;

    /// Turns notifications of a characteristic on.
    ///
    /// # Errors
    /// As [`GattLink::read`].
    async fn subscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError>;

    /// Turns notifications of a characteristic off; off already is no error. What is on its way may still come.
    ///
    /// # Errors
    /// As [`GattLink::read`].
    async fn unsubscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError>;

    /// The next notification of any subscribed characteristic, in the order received.
    ///
    /// # Errors
    /// [`LinkError::Silent`] when none comes in time.
    async fn notification(&mut self, within: Duration) -> Result<Notification, LinkError>;

    /// Ends the connection. Dropping a link ends it too, later.
    ///
    /// # Errors
    /// Why it could not be ended in good order; it is gone all the same.
    async fn disconnect(&mut self) -> Result<(), LinkError>;

    /// Random bytes for what must differ in each conversation. They come from the link so that a recorded one can keep them: the
    /// same conversation can be had again only with the same numbers.
    ///
    /// # Errors
    /// [`LinkError::Stack`] when this machine has no randomness.
    fn random(&mut self, into: &mut [u8]) -> Result<(), LinkError> {
        let random = aws_lc_rs::default_provider().secure_random;
        random.fill(into).map_err(|_| LinkError::Stack("this machine has no randomness".to_owned()))
    }
}

/// Finds bands and connects to them (the GAP role "central").
#[async_trait]
pub trait Central: Send + Sync {
    /// Listens for advertisements and hands out each as it comes: a device again whenever what it says, or how strong, changed.
    ///
    /// # Errors
    /// [`LinkError::NoAdapter`] and the like.
    async fn scan_each(&self, listen_for: Duration, seen: &mut (dyn FnMut(Advertisement) + Send)) -> Result<(), LinkError>;

    /// Listens for advertisements: the last of each device, by address. A crowded hall has hundreds of devices, and a hostile
    /// neighbour makes up more: only the first [`DEVICES_MAX`] are kept.
    ///
    /// # Errors
    /// As [`Central::scan_each`].
    async fn scan(&self, listen_for: Duration) -> Result<Vec<Advertisement>, LinkError> {
        let mut devices = BTreeMap::new();
        self.scan_each(listen_for, &mut |advertisement| {
            if devices.len() < DEVICES_MAX || devices.contains_key(&advertisement.address) {
                devices.insert(advertisement.address, advertisement);
            }
        })
        .await?;
        Ok(devices.into_values().collect())
    }

    /// Listens for one device, and hands out what it shouts as it comes, until `heard` breaks or the time is over. No crowd, true or
    /// made up, keeps it from being heard.
    ///
    /// # Errors
    /// As [`Central::scan_each`].
    async fn listen_to(
        &self,
        address: [u8; 6],
        listen_for: Duration,
        heard: &mut (dyn FnMut(Advertisement) -> ControlFlow<()> + Send),
    ) -> Result<Presence, LinkError> {
        let (mut presence, mut over) = (Presence::Silent, false);
        self.scan_each(listen_for, &mut |advertisement| {
            if !over && advertisement.address == address {
                presence = Presence::Heard;
                over = heard(advertisement).is_break();
            }
        })
        .await?;
        Ok(presence)
    }

    /// Connects to the band with this address.
    ///
    /// # Errors
    /// [`LinkError::NotFound`] when it does not advertise (somebody else may hold it).
    async fn connect(&self, address: [u8; 6]) -> Result<Box<dyn GattLink>, LinkError>;
}

/// What listening for one device came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It was heard.
    Heard,
    /// It was not heard, and yet the system says that it is in reach: another program listens as well, and as long as one does, the
    /// system repeats what it heard earlier (edge 7 of `docs/protocols/bluez.md`). Whether it is there, nobody can tell.
    Remembered,
    /// It was not heard.
    Silent,
}

/// With or without an acknowledgement by the band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteKind {
    /// ATT Write Request.
    WithResponse,
    /// ATT Write Command.
    WithoutResponse,
}

/// One notification.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    /// The characteristic.
    pub characteristic: Uuid,
    /// Its value.
    pub value: Vec<u8>,
}

/// What a band shouts to everyone in reach.
#[derive(Clone, PartialEq, Eq)]
pub struct Advertisement {
    /// Device address, display order.
    pub address: [u8; 6],
    /// Complete local name.
    pub name: Option<String>,
    /// Manufacturer data: company identifier and payload.
    pub manufacturer_data: Vec<(u16, Vec<u8>)>,
    /// Service data: 16-bit service UUIDs in their long form, and payload.
    pub service_data: Vec<(Uuid, Vec<u8>)>,
    /// Signal in dBm, when known.
    pub rssi: Option<i16>,
}

/// `Debug` that shows the name of a type and nothing of what is in it: what a band says is somebody's health, and an address is somebody.
/// One `{:?}` in a log or a panic must not print it.
macro_rules! discreet {
    ($($type:ident),+) => {
        $(impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        })+
    };
}
pub(crate) use discreet;

discreet!(Advertisement, Notification);

/// Why a link is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// A conversation that is played back went another way than the one recorded.
    #[error("go on with the recorded conversation: {0}")]
    Departed(String),
    /// More notifications came than anybody took.
    #[error("keep up with the band: {0} notifications wait and nobody takes them")]
    Flooded(usize),
    /// This machine is connected to the band already.
    #[error(
        "get hold of the band: this machine is connected to it already, for another program or since a run that was killed; \
             end that one, or switch Bluetooth off and on"
    )]
    Held,
    /// The band hung up, or went out of reach.
    #[error("the band ended the connection")]
    Lost,
    /// No Bluetooth on this machine.
    #[error("find a Bluetooth adapter: {0}")]
    NoAdapter(String),
    /// The band does not have this characteristic.
    #[error("find characteristic {0} on the band")]
    NoCharacteristic(Uuid),
    /// The band does not advertise.
    #[error("find the band: it does not advertise; a phone may hold it, or it is out of reach")]
    NotFound,
    /// The system does not let this user use Bluetooth.
    #[error("use Bluetooth: {0}")]
    NoPermission(String),
    /// The band refused (ATT error code).
    #[error("get an answer: the band refused it (ATT error 0x{0:02x})")]
    Refused(u8),
    /// Nothing came in time.
    #[error("get an answer from the band within {0:?}")]
    Silent(Duration),
    /// The operating system's Bluetooth stack failed.
    #[error("use the Bluetooth stack: {0}")]
    Stack(String),
    /// The band advertises and takes no connection.
    #[error(
        "connect: the band advertises, and {tries} tries came to nothing ({why}); bring it nearer or charge it, and see to it that \
             no phone takes it"
    )]
    Unanswered {
        /// Tries made.
        tries: u32,
        /// How the last one ended.
        why: String,
    },
}

/// Devices that one [`Central::scan`] remembers.
pub const DEVICES_MAX: usize = 4096;

/// Long form of a 16-bit UUID of the Bluetooth SIG (base `0000xxxx-0000-1000-8000-00805f9b34fb`).
pub const fn sig_uuid(short: u16) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_1000_8000_0080_5f9b_34fb | (short as u128) << 96)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hall with so many devices, each of which says two things.
    struct Hall(usize);

    #[async_trait]
    impl Central for Hall {
        async fn scan_each(&self, _: Duration, seen: &mut (dyn FnMut(Advertisement) + Send)) -> Result<(), LinkError> {
            for rssi in [-60, -50] {
                for device in 0..self.0 {
                    let [.., a, b, c] = device.to_be_bytes();
                    let (manufacturer_data, service_data) = (Vec::new(), Vec::new());
                    let address = [0xc0, 0xff, 0xee, a, b, c];
                    seen(Advertisement { address, name: None, manufacturer_data, service_data, rssi: Some(rssi) });
                }
            }
            Ok(())
        }

        async fn connect(&self, _: [u8; 6]) -> Result<Box<dyn GattLink>, LinkError> {
            Err(LinkError::NotFound)
        }
    }

    #[tokio::test]
    async fn a_scan_remembers_so_many_devices_and_of_each_what_it_said_last() {
        for (devices, remembered) in [(3, 3), (DEVICES_MAX, DEVICES_MAX), (DEVICES_MAX + 100, DEVICES_MAX)] {
            let seen = Hall(devices).scan(Duration::ZERO).await.expect("it listens");
            assert_eq!(seen.len(), remembered, "of {devices}");
            assert!(seen.iter().all(|device| device.rssi == Some(-50)), "what was said last");
        }
    }

    #[tokio::test]
    async fn one_device_is_heard_in_any_crowd_and_no_other() {
        let (hall, mut said) = (Hall(DEVICES_MAX + 100), Vec::new());
        let last = [0xc0, 0xff, 0xee, 0, 0x10, 0x63];
        let mut each = |device: Advertisement| {
            said.push((device.address, device.rssi));
            ControlFlow::Continue(())
        };
        assert_eq!(hall.listen_to(last, Duration::ZERO, &mut each).await, Ok(Presence::Heard));
        assert_eq!(said, [(last, Some(-60)), (last, Some(-50))]);
        let mut times = 0;
        let mut once = |_| {
            times += 1;
            ControlFlow::Break(())
        };
        assert_eq!(hall.listen_to(last, Duration::ZERO, &mut once).await, Ok(Presence::Heard));
        assert_eq!(hall.listen_to([1; 6], Duration::ZERO, &mut once).await, Ok(Presence::Silent));
        assert_eq!(times, 1, "who has heard enough hears no more");
    }
}
