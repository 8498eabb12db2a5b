//! GATT over this machine's Bluetooth adapter, by btleplug: it finds, connects, and says in plain words what is wrong. What bytes mean
//! is left to `band`. Pairing is not offered, because the bands' own key exchange needs none, and the adapter is never switched on.
//!
//! On Linux the stack is BlueZ. What it does that nobody would expect, and the test that provokes each of it, is listed in
//! `docs/protocols/bluez.md`.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use async_trait::async_trait;
use btleplug::api::{Central as _, Peripheral as _};
use tokio::time::{Instant, sleep};

use self::{
    connection::RadioLink,
    scan::Only,
    session::{Chosen, STACK_WITHIN, Session, stack},
};
use super::{Advertisement, Central, GattLink, LinkError, Presence};

mod connection;
mod notifications;
mod panics;
mod scan;
mod session;
mod words;

pub use panics::{hush_known_panics, hushed_panics};
pub use session::AdapterInfo;

/// While a device is being let go, its state is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A moment that far away is never.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// This machine's Bluetooth adapter. Clones share the connection to the Bluetooth service, which belongs to the runtime that it was
/// first used in; a radio that is used in another one afterwards makes itself a new connection.
#[derive(Clone, Debug, Default)]
pub struct Radio {
    adapter: Option<String>,
    limits: Limits,
    session: Arc<Session>,
}

/// How long a radio tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a device to show up before it counts as not advertising. Bands advertise every 1 to 2 s.
    pub find: Duration,
    /// For a device that was found to take a connection and tell its services, all tries together.
    pub connect: Duration,
    /// For a connected device to answer one read or write.
    pub answer: Duration,
    /// For a connection to end. BlueZ takes 2 s, by a timer of its own.
    pub let_go: Duration,
}

impl Default for Limits {
    /// 15 s to find, 15 s to connect, 10 s for an answer, 5 s to let go: a connect ends after some 40 s at the latest.
    fn default() -> Self {
        Self {
            find: Duration::from_secs(15),
            connect: Duration::from_secs(15),
            answer: Duration::from_secs(10),
            let_go: Duration::from_secs(5),
        }
    }
}

impl Radio {
    /// A radio over the adapter of this name (`hci0`) or address (`C0:FF:EE:12:34:56`); with `None`, over the first that is switched
    /// on. Nothing is asked of the system yet.
    pub fn new(adapter: Option<String>) -> Self {
        Self { adapter, ..Self::default() }
    }

    /// The same radio with other time limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The adapters of this machine, by name.
    ///
    /// # Errors
    /// [`LinkError::NoAdapter`] when there is no Bluetooth service to ask, [`LinkError::NoPermission`] when it may not be asked. No
    /// adapter is an empty list.
    pub async fn adapters(&self) -> Result<Vec<AdapterInfo>, LinkError> {
        Ok(self.session.adapters().await?.into_iter().map(|(info, _)| info).collect())
    }

    /// Waits until every link that was dropped has been ended, within the limit for letting go. To be called before the program
    /// ends: a connection outlives the program that made it, and the phone could not have its band back.
    pub async fn settle(&self) {
        self.session.settle(None).await;
    }

    /// Sees to it that nobody on this machine holds the device. One of our own links may be on its way out.
    async fn expect_free(&self, chosen: &Chosen, address: [u8; 6]) -> Result<(), LinkError> {
        self.session.settle(Some(address)).await;
        let until = after(self.limits.let_go);
        while self.is_held(chosen, address).await? {
            if Instant::now() >= until {
                return Err(LinkError::Held);
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Whether this machine is connected to the device now. Such a device does not advertise, and connecting to it again would share
    /// the connection, with all that somebody else has authenticated.
    async fn is_held(&self, chosen: &Chosen, address: [u8; 6]) -> Result<bool, LinkError> {
        let known = match stack(chosen.adapter.peripherals()).await {
            Ok(Ok(known)) => known,
            Ok(Err(error)) => return Err(words::of_setting_up(&error)),
            Err(_) => return Err(words::late(STACK_WITHIN)),
        };
        let Some(device) = known.into_iter().find(|device| device.address().into_inner() == address) else { return Ok(false) };
        Ok(matches!(stack(device.is_connected()).await, Ok(Ok(true))))
    }
}

#[async_trait]
impl Central for Radio {
    async fn scan_each(&self, listen_for: Duration, seen: &mut (dyn FnMut(Advertisement) + Send)) -> Result<(), LinkError> {
        let chosen = self.session.adapter(self.adapter.as_deref()).await?;
        scan::listen(&self.session, &chosen, listen_for, None, &mut |_, advertisement| {
            seen(advertisement.clone());
            ControlFlow::Continue(())
        })
        .await?;
        Ok(())
    }

    async fn listen_to(
        &self,
        address: [u8; 6],
        listen_for: Duration,
        heard: &mut (dyn FnMut(Advertisement) -> ControlFlow<()> + Send),
    ) -> Result<Presence, LinkError> {
        let chosen = self.session.adapter(self.adapter.as_deref()).await?;
        let only = Some(Only { address, heard_now: true });
        let mut presence = Presence::Silent;
        let listened = scan::listen(&self.session, &chosen, listen_for, only, &mut |_, advertisement| {
            if advertisement.address != address {
                return ControlFlow::Continue(());
            }
            presence = Presence::Heard;
            heard(advertisement.clone())
        })
        .await?;
        Ok(if presence == Presence::Silent && listened.remembered { Presence::Remembered } else { presence })
    }

    async fn connect(&self, address: [u8; 6]) -> Result<Box<dyn GattLink>, LinkError> {
        let chosen = self.session.adapter(self.adapter.as_deref()).await?;
        self.expect_free(&chosen, address).await?;
        let mut found = None;
        // What the stack only remembers may be there all the same: a try will tell.
        let only = Some(Only { address, heard_now: false });
        scan::listen(&self.session, &chosen, self.limits.find, only, &mut |peripheral, advertisement| {
            if advertisement.address != address {
                return ControlFlow::Continue(());
            }
            found = Some(peripheral.clone());
            ControlFlow::Break(())
        })
        .await?;
        let peripheral = found.ok_or(LinkError::NotFound)?;
        Ok(Box::new(RadioLink::open(Arc::clone(&self.session), chosen, peripheral, address, self.limits).await?))
    }
}

/// The moment after this time.
fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now + NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_without_bluetooth_is_told_so_in_a_sentence() {
        // An adapter of this name exists nowhere, so that the test holds on machines with Bluetooth, too.
        let radio = Radio::new(Some("no-such-adapter".into()));
        let Err(LinkError::NoAdapter(why)) = radio.scan(Duration::from_millis(10)).await else { panic!("there cannot be such an adapter") };
        assert!(["message bus", "Bluetooth service", "none named no-such-adapter"].iter().any(|words| why.contains(words)), "{why}");
        assert!(matches!(radio.connect([0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56]).await, Err(LinkError::NoAdapter(_))));
    }

    #[test]
    fn a_connect_ends_within_forty_seconds() {
        let limits = Limits::default();
        assert!(limits.let_go + limits.find + limits.connect + limits.let_go <= Duration::from_secs(40));
    }
}
