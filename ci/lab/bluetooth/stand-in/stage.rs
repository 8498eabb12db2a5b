//! What is going on: the band that is played, and the central that holds it. Everything here is synchronous; who connects, reads and
//! writes is the server's to find out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bluer::{Address, gatt::local::ReqError};
use jiff::Timestamp;
use serde_json::{Value, json};
use tattletale::link::{LinkError, Notification};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::played::Played;

/// The band and who holds it.
pub(crate) struct Stage {
    state: Mutex<State>,
    /// Something was asked, so something may be due.
    pub(crate) asked: Notify,
    /// The connection, or what is played, changed.
    pub(crate) changed: Notify,
}

struct State {
    band: Box<dyn Played>,
    connection: Connection,
    connections: u64,
    refused: u64,
    visible: bool,
    /// Hang up after this many more notifications.
    hang_up_after: Option<usize>,
}

/// Whether a central holds the band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// Nobody does: the band advertises.
    Free,
    /// This central does.
    Held(Address),
    /// The band has hung up on this central; bluetoothd takes two seconds for it.
    HangingUp(Address),
}

impl Stage {
    /// A free band that can be found.
    pub(crate) fn new(band: Box<dyn Played>) -> Self {
        let state = State { band, connection: Connection::Free, connections: 0, refused: 0, visible: true, hang_up_after: None };
        Self { state: Mutex::new(state), asked: Notify::new(), changed: Notify::new() }
    }

    /// Looks at the band, or changes it.
    pub(crate) fn with_band<R>(&self, look: impl FnOnce(&mut dyn Played) -> R) -> R {
        let result = look(&mut *self.lock().band);
        self.asked.notify_one();
        result
    }

    /// Plays another band from now on, one that nobody has talked to.
    pub(crate) fn replace(&self, band: Box<dyn Played>) {
        let mut state = self.lock();
        (state.band, state.connections, state.refused, state.hang_up_after) = (band, 0, 0, None);
    }

    /// Who holds the band.
    pub(crate) fn connection(&self) -> Connection {
        self.lock().connection
    }

    /// Whether the band is to advertise: nobody holds it, and it is in reach.
    pub(crate) fn advertises(&self) -> bool {
        let state = self.lock();
        state.visible && state.connection == Connection::Free
    }

    /// Takes the band out of reach of those who do not hold it, or brings it back.
    pub(crate) fn set_visible(&self, visible: bool) {
        self.lock().visible = visible;
        self.changed.notify_one();
    }

    /// What is to be told about the state of things.
    pub(crate) fn report(&self, address: Address) -> Value {
        let state = self.lock();
        let central = match state.connection {
            Connection::Free => None,
            Connection::Held(central) | Connection::HangingUp(central) => Some(central.to_string()),
        };
        json!({
            "model": state.band.model(),
            "address": address.to_string(),
            "visible": state.visible,
            "central": central,
            "connections": state.connections,
            "refused_centrals": state.refused,
        })
    }

    /// A central connected. False when another holds the band already: a band has one at a time.
    pub(crate) fn connected(&self, central: Address) -> bool {
        let mut state = self.lock();
        match state.connection {
            Connection::Free => {
                state.connection = Connection::Held(central);
                state.connections += 1;
                state.band.connect(Timestamp::now());
                self.changed.notify_one();
                true
            }
            Connection::Held(holder) | Connection::HangingUp(holder) => {
                state.refused += u64::from(holder != central);
                holder == central
            }
        }
    }

    /// A central is gone.
    pub(crate) fn disconnected(&self, central: Address) {
        let mut state = self.lock();
        if let Connection::Held(holder) | Connection::HangingUp(holder) = state.connection
            && holder == central
        {
            state.connection = Connection::Free;
            state.band.disconnect();
            self.changed.notify_one();
        }
    }

    /// Hangs up on the central that holds the band.
    pub(crate) fn hang_up(&self) {
        let mut state = self.lock();
        if let Connection::Held(central) = state.connection {
            state.connection = Connection::HangingUp(central);
            self.changed.notify_one();
        }
    }

    /// Hangs up once, after this many more notifications.
    pub(crate) fn hang_up_after(&self, notifications: usize) {
        self.lock().hang_up_after = Some(notifications);
    }

    /// Asks the band on behalf of a central. A first question may come before the news that it connected.
    pub(crate) fn ask<R>(
        &self,
        central: Address,
        question: impl FnOnce(&mut dyn Played, Timestamp) -> Result<R, LinkError>,
    ) -> Result<R, ReqError> {
        if !self.connected(central) {
            return Err(ReqError::NotAuthorized);
        }
        let mut state = self.lock();
        if state.connection != Connection::Held(central) {
            return Err(ReqError::Failed);
        }
        let answer = question(&mut *state.band, Timestamp::now());
        drop(state);
        self.asked.notify_one();
        answer.map_err(|error| match error {
            LinkError::Refused(code) => refusal(code),
            LinkError::NoCharacteristic(_) => ReqError::NotSupported,
            _ => {
                self.hang_up();
                ReqError::Failed
            }
        })
    }

    /// A central turned notifications of a characteristic off, unless it is gone anyway.
    pub(crate) fn unsubscribed(&self, central: Address, characteristic: Uuid) {
        let mut state = self.lock();
        if state.connection == Connection::Held(central) {
            // Nobody waits for an answer to this.
            let _ = state.band.unsubscribe(characteristic, Timestamp::now());
        }
    }

    /// The next notification that is due for the central that holds the band.
    pub(crate) fn due(&self) -> Option<Notification> {
        let mut state = self.lock();
        if !matches!(state.connection, Connection::Held(_)) {
            return None;
        }
        if state.hang_up_after == Some(0) {
            state.hang_up_after = None;
            drop(state);
            self.hang_up();
            return None;
        }
        match state.band.notification(Timestamp::now()) {
            Ok(Some(notification)) => {
                state.hang_up_after = state.hang_up_after.map(|left| left - 1);
                Some(notification)
            }
            Ok(None) => None,
            Err(_) => {
                drop(state);
                self.hang_up();
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name that bluetoothd turns into this ATT error code (Bluetooth Core, Vol 3, Part F, 3.4.1.1) on its way to the central.
fn refusal(code: u8) -> ReqError {
    match code {
        // Read Not Permitted, Write Not Permitted: which of them depends on what was asked.
        0x02 | 0x03 => ReqError::NotPermitted,
        0x08 => ReqError::NotAuthorized,
        0x07 => ReqError::InvalidOffset,
        0x0d => ReqError::InvalidValueLength,
        0x06 => ReqError::NotSupported,
        _ => ReqError::Failed,
    }
}
