//! GATT without a radio: a central and its link over a peripheral that lives in the same process. What the peripheral answers
//! is left to the band's simulator.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Advertisement, Central, GattLink, LinkError, Notification, WriteKind};
use crate::clock::Clock;

/// The GATT server of a simulated device. It answers at once and keeps its notifications until they are fetched; every call
/// that can depend on time gets the rig's time.
pub trait Peripheral: Send {
    /// What it shouts while nobody is connected.
    fn advertisement(&self, now: Timestamp) -> Advertisement;

    /// A central connected.
    fn connect(&mut self, now: Timestamp);

    /// The central is gone: subscriptions and queued notifications go with it.
    fn disconnect(&mut self);

    /// Reads a characteristic.
    ///
    /// # Errors
    /// [`LinkError::Refused`], [`LinkError::NoCharacteristic`]; [`LinkError::Lost`] when it hangs up.
    fn read(&mut self, characteristic: Uuid, now: Timestamp) -> Result<Vec<u8>, LinkError>;

    /// Takes a written value.
    ///
    /// # Errors
    /// As [`Peripheral::read`].
    fn write(&mut self, characteristic: Uuid, value: &[u8], now: Timestamp) -> Result<(), LinkError>;

    /// Turns notifications of a characteristic on.
    ///
    /// # Errors
    /// As [`Peripheral::read`].
    fn subscribe(&mut self, characteristic: Uuid, now: Timestamp) -> Result<(), LinkError>;

    /// Turns notifications of a characteristic off; off already is no error. What is queued stays queued.
    ///
    /// # Errors
    /// As [`Peripheral::read`].
    fn unsubscribe(&mut self, characteristic: Uuid, now: Timestamp) -> Result<(), LinkError>;

    /// The oldest notification not fetched yet; `None` when nothing is due at this time.
    ///
    /// # Errors
    /// [`LinkError::Lost`] when it hangs up.
    fn notification(&mut self, now: Timestamp) -> Result<Option<Notification>, LinkError>;
}

/// A central with one simulated peripheral in reach. One central at a time: while somebody is connected the peripheral does not
/// advertise, so that a scan shows nothing and a second connect is [`LinkError::NotFound`]. Clones share the peripheral.
#[derive(Debug)]
pub struct SimulatedCentral<P> {
    air: Arc<Mutex<Air<P>>>,
    clock: Clock,
}

/// What central and link share.
#[derive(Debug)]
struct Air<P> {
    peripheral: P,
    /// Number of the connection that is up.
    connected: Option<u64>,
    connections: u64,
}

/// A connection to the simulated peripheral.
struct SimulatedLink<P: Peripheral> {
    air: Arc<Mutex<Air<P>>>,
    clock: Clock,
    /// Number of this connection. Once another number (or none) is up, this link is dead.
    number: u64,
}

impl<P> Clone for SimulatedCentral<P> {
    fn clone(&self) -> Self {
        Self { air: Arc::clone(&self.air), clock: self.clock.clone() }
    }
}

impl<P: Peripheral> SimulatedCentral<P> {
    /// A central with `peripheral` in reach, on the rig's clock.
    pub fn new(peripheral: P, clock: Clock) -> Self {
        Self { air: Arc::new(Mutex::new(Air { peripheral, connected: None, connections: 0 })), clock }
    }

    /// Looks at the peripheral, or changes it behind the central's back: for tests that plant values or ask for faults.
    pub fn with_peripheral<R>(&self, look: impl FnOnce(&mut P) -> R) -> R {
        look(&mut lock(&self.air).peripheral)
    }
}

#[async_trait]
impl<P: Peripheral + 'static> Central for SimulatedCentral<P> {
    /// Takes no time: what advertises is known at once.
    async fn scan_each(&self, _listen_for: Duration, seen: &mut (dyn FnMut(Advertisement) + Send)) -> Result<(), LinkError> {
        let advertisement = {
            let air = lock(&self.air);
            air.connected.is_none().then(|| air.peripheral.advertisement(self.clock.now()))
        };
        // The caller's code runs without the lock, so that it may ask for more.
        if let Some(advertisement) = advertisement {
            seen(advertisement);
        }
        Ok(())
    }

    async fn connect(&self, address: [u8; 6]) -> Result<Box<dyn GattLink>, LinkError> {
        let mut air = lock(&self.air);
        let now = self.clock.now();
        if air.connected.is_some() || air.peripheral.advertisement(now).address != address {
            return Err(LinkError::NotFound);
        }
        air.connections += 1;
        let number = air.connections;
        air.connected = Some(number);
        air.peripheral.connect(now);
        Ok(Box::new(SimulatedLink { air: Arc::clone(&self.air), clock: self.clock.clone(), number }))
    }
}

impl<P: Peripheral> SimulatedLink<P> {
    /// Asks the peripheral, if this link is still the one that is up; takes the link down when the peripheral hangs up.
    fn ask<R>(&self, question: impl FnOnce(&mut P, Timestamp) -> Result<R, LinkError>) -> Result<R, LinkError> {
        let mut air = lock(&self.air);
        if air.connected != Some(self.number) {
            return Err(LinkError::Lost);
        }
        let answer = question(&mut air.peripheral, self.clock.now());
        if matches!(answer, Err(LinkError::Lost)) {
            air.connected = None;
            air.peripheral.disconnect();
        }
        answer
    }

    fn hang_up(&self) {
        let mut air = lock(&self.air);
        if air.connected == Some(self.number) {
            air.connected = None;
            air.peripheral.disconnect();
        }
    }
}

#[async_trait]
impl<P: Peripheral + 'static> GattLink for SimulatedLink<P> {
    async fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, LinkError> {
        self.ask(|peripheral, now| peripheral.read(characteristic, now))
    }

    async fn write(&mut self, characteristic: Uuid, value: &[u8], _kind: WriteKind) -> Result<(), LinkError> {
        self.ask(|peripheral, now| peripheral.write(characteristic, value, now))
    }

    async fn subscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError> {
        self.ask(|peripheral, now| peripheral.subscribe(characteristic, now))
    }

    async fn unsubscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError> {
        self.ask(|peripheral, now| peripheral.unsubscribe(characteristic, now))
    }

    /// Answers at once, with the oldest notification or with [`LinkError::Silent`]: a simulated peripheral has queued all that it
    /// will say by the time a write returns, so waiting could bring nothing. No simulated time passes either, because the
    /// caller keeps its own hold on the clock while it waits here.
    async fn notification(&mut self, within: Duration) -> Result<Notification, LinkError> {
        self.ask(Peripheral::notification)?.ok_or(LinkError::Silent(within))
    }

    async fn disconnect(&mut self) -> Result<(), LinkError> {
        self.hang_up();
        Ok(())
    }
}

impl<P: Peripheral> Drop for SimulatedLink<P> {
    fn drop(&mut self) {
        self.hang_up();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) use tests::Echo;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::link::{behaviour, sig_uuid};

    /// Echoes what is written to 2A06 as a notification of 2A37; 2A19 reads as 87; 2A39 is refused; `FF` makes it hang up.
    #[derive(Debug, Default)]
    pub(crate) struct Echo {
        queue: VecDeque<Notification>,
        subscribed: bool,
    }

    impl Echo {
        pub(crate) const ADDRESS: [u8; 6] = [0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56];

        pub(crate) fn expected() -> behaviour::Expected {
            behaviour::Expected {
                address: Self::ADDRESS,
                readable: (sig_uuid(0x2a19), vec![87]),
                refused: sig_uuid(0x2a39),
                missing: sig_uuid(0x1234),
                notifying: sig_uuid(0x2a37),
                provoked_by: (sig_uuid(0x2a06), vec![1]),
            }
        }
    }

    impl Peripheral for Echo {
        fn advertisement(&self, _now: Timestamp) -> Advertisement {
            Advertisement {
                address: Self::ADDRESS,
                name: Some("Echo".into()),
                manufacturer_data: Vec::new(),
                service_data: Vec::new(),
                rssi: None,
            }
        }
        fn connect(&mut self, _now: Timestamp) {}
        fn disconnect(&mut self) {
            *self = Self::default();
        }
        fn read(&mut self, characteristic: Uuid, _now: Timestamp) -> Result<Vec<u8>, LinkError> {
            match characteristic {
                c if c == sig_uuid(0x2a19) => Ok(vec![87]),
                c if c == sig_uuid(0x2a39) => Err(LinkError::Refused(2)),
                other => Err(LinkError::NoCharacteristic(other)),
            }
        }
        fn write(&mut self, _characteristic: Uuid, value: &[u8], _now: Timestamp) -> Result<(), LinkError> {
            if value == [0xff] {
                return Err(LinkError::Lost);
            }
            if self.subscribed {
                self.queue.push_back(Notification { characteristic: sig_uuid(0x2a37), value: value.to_vec() });
            }
            Ok(())
        }
        fn subscribe(&mut self, characteristic: Uuid, _now: Timestamp) -> Result<(), LinkError> {
            if characteristic != sig_uuid(0x2a37) {
                return Err(LinkError::NoCharacteristic(characteristic));
            }
            self.subscribed = true;
            Ok(())
        }
        fn unsubscribe(&mut self, _characteristic: Uuid, _now: Timestamp) -> Result<(), LinkError> {
            self.subscribed = false;
            Ok(())
        }
        fn notification(&mut self, _now: Timestamp) -> Result<Option<Notification>, LinkError> {
            Ok(self.queue.pop_front())
        }
    }

    fn central() -> SimulatedCentral<Echo> {
        SimulatedCentral::new(Echo::default(), Clock::simulated(Timestamp::UNIX_EPOCH))
    }

    #[tokio::test]
    async fn behaves_as_every_link_does() {
        behaviour::check(&central(), &Echo::expected()).await;
    }

    #[tokio::test]
    async fn a_link_that_the_band_ended_stays_dead_and_frees_the_band() {
        let central = central();
        let mut link = central.connect(Echo::ADDRESS).await.expect("it advertises");
        assert_eq!(link.write(sig_uuid(0x2a06), &[0xff], WriteKind::WithoutResponse).await, Err(LinkError::Lost));
        let mut second = central.connect(Echo::ADDRESS).await.expect("it advertises again");
        assert_eq!(link.read(sig_uuid(0x2a19)).await, Err(LinkError::Lost));
        link.disconnect().await.expect("a dead link can be let go");
        assert_eq!(second.read(sig_uuid(0x2a19)).await, Ok(vec![87]), "the old link must not end the new one");
    }
}
