//! One GATT connection to a band, and the central that opens it: over a radio, to the simulated band, or replayed from a record.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
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

    /// Connects to the band with this address.
    ///
    /// # Errors
    /// [`LinkError::NotFound`] when it does not advertise (somebody else may hold it).
    async fn connect(&self, address: [u8; 6]) -> Result<Box<dyn GattLink>, LinkError>;
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The characteristic.
    pub characteristic: Uuid,
    /// Its value.
    pub value: Vec<u8>,
}

/// What a band shouts to everyone in reach.
#[derive(Clone, Debug, PartialEq, Eq)]
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
