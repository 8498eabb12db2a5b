//! One connection over the radio: how it is made, used and ended. Errors are explained by the state they leave behind, because the
//! stack's own words for a lost link are that something does not exist. Finding the device is left to `scan`.

use std::{collections::BTreeMap, future::Future, pin::pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use btleplug::{
    api::{Central as _, CentralEvent, Characteristic, Peripheral as _, WriteType},
    platform::Peripheral,
};
use futures_util::StreamExt as _;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use uuid::Uuid;

use super::{
    super::{GattLink, LinkError, Notification, WriteKind},
    Limits, after,
    notifications::Inbox,
    session::{Chosen, STACK_WITHIN, Session, stack},
    words::{self, Failure},
};

/// Tries before giving up: a first one fails often (edge 3 of `docs/protocols/bluez.md`), a third one seldom.
const TRIES: u32 = 3;

/// The pause before the second try; it doubles.
const BEFORE_RETRY: Duration = Duration::from_millis(250);

/// Nothing tells that a link was lost while one waits, so its state is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A connection over the radio.
pub(super) struct RadioLink {
    session: Arc<Session>,
    chosen: Chosen,
    peripheral: Peripheral,
    address: [u8; 6],
    /// Its number; void once the session knows another one for the address.
    number: u64,
    limits: Limits,
    runtime: Handle,
    /// By UUID. Of two with one UUID the stack shows one.
    characteristics: BTreeMap<Uuid, Characteristic>,
    /// Where notifications wait; `None` before the connection is up, and once it has ended.
    inbox: Option<Inbox>,
}

/// Why a try failed.
enum Miss {
    /// Another try may do better.
    Try(String),
    /// No try will.
    Final(LinkError),
}

impl RadioLink {
    /// Connects, in several tries within the limit, and finds out which characteristics there are.
    pub(super) async fn open(
        session: Arc<Session>,
        chosen: Chosen,
        peripheral: Peripheral,
        address: [u8; 6],
        limits: Limits,
    ) -> Result<Self, LinkError> {
        let number = session.begin_link(address);
        let runtime = Handle::current();
        // Made before there is a connection: dropped in the middle of a try, it takes back what was begun.
        let mut link =
            Self { session, chosen, peripheral, address, number, limits, runtime, characteristics: BTreeMap::new(), inbox: None };
        let until = after(limits.connect);
        let mut pause = BEFORE_RETRY;
        for tried in 1.. {
            let why = match link.attempt(until).await {
                Ok(()) => break,
                Err(Miss::Final(error)) => {
                    link.give_up().await;
                    return Err(error);
                }
                Err(Miss::Try(why)) => why,
            };
            tracing::debug!(tried, why, "a try to connect failed");
            if tried == TRIES || Instant::now() + pause >= until {
                link.give_up().await;
                return Err(LinkError::Unanswered { tries: tried, why });
            }
            // A connection half made would stand in the way of the next try.
            link.hang_up().await;
            sleep(pause).await;
            pause *= 2;
        }
        Ok(link)
    }

    /// One try.
    async fn attempt(&mut self, until: Instant) -> Result<(), Miss> {
        self.reach(until).await?;
        match timeout_at(until, self.peripheral.discover_services()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.miss(&error).await),
            Err(_) => return Err(Miss::Try("its services were not told in time".to_owned())),
        }
        let values = match stack(self.peripheral.notifications()).await {
            Ok(Ok(values)) => values,
            Ok(Err(error)) => return Err(self.miss(&error).await),
            Err(_) => return Err(Miss::Final(words::late(STACK_WITHIN))),
        };
        if !self.is_connected().await {
            return Err(Miss::Try("it hung up at once".to_owned()));
        }
        let mut characteristics = BTreeMap::new();
        for characteristic in self.peripheral.characteristics() {
            characteristics.entry(characteristic.uuid).or_insert(characteristic);
        }
        self.characteristics = characteristics;
        self.inbox = Some(Inbox::new(values, &self.runtime));
        Ok(())
    }

    /// Gets as far as connected, with services resolved. For those of a device that hung up meanwhile the stack would wait 30 s, so
    /// its events are watched beside: of a stream that begins now, since an older one may still tell of an earlier end.
    async fn reach(&self, until: Instant) -> Result<(), Miss> {
        let mut events = match stack(self.chosen.adapter.events()).await {
            Ok(Ok(events)) => events.fuse(),
            Ok(Err(error)) => return Err(self.miss(&error).await),
            Err(_) => return Err(Miss::Final(words::late(STACK_WITHIN))),
        };
        let id = self.peripheral.id();
        let mut connecting = pin!(self.peripheral.connect());
        loop {
            tokio::select! {
                biased;
                answer = &mut connecting => return match answer {
                    Ok(()) => Ok(()),
                    Err(error) => Err(self.miss(&error).await),
                },
                Some(event) = events.next() => {
                    if matches!(event, CentralEvent::DeviceDisconnected(gone) if gone == id) {
                        return Err(Miss::Try("it hung up while its services were asked for".to_owned()));
                    }
                }
                () = sleep_until(until) => {
                    let why = if self.is_connected().await { "it does not tell its services" } else { "it does not answer" };
                    return Err(Miss::Try(format!("{why} within {} s", self.limits.connect.as_secs_f32())));
                }
            }
        }
    }

    async fn miss(&self, error: &btleplug::Error) -> Miss {
        let failure = Failure::of(error);
        if let Some(trouble) = failure.of_the_machine() {
            // A time limit of the bus during a connect is the band's, not the service's.
            let late = matches!(&trouble, LinkError::NoAdapter(why) if why == words::STACK_SILENT);
            return if late { Miss::Try("it does not answer".to_owned()) } else { Miss::Final(trouble) };
        }
        if let Some(trouble) = self.chosen.trouble().await {
            return Miss::Final(trouble);
        }
        if matches!(error, btleplug::Error::DeviceNotFound) {
            return Miss::Final(LinkError::NotFound);
        }
        Miss::Try(failure.words)
    }

    /// Ends whatever there is of a connection, and waits no longer than needed.
    async fn hang_up(&mut self) {
        self.inbox = None;
        let _ = timeout(self.limits.let_go, self.peripheral.disconnect()).await;
    }

    /// Takes back what the tries began.
    async fn give_up(&mut self) {
        self.hang_up().await;
        self.session.end_link(self.address, self.number);
    }

    async fn is_connected(&self) -> bool {
        matches!(stack(self.peripheral.is_connected()).await, Ok(Ok(true)))
    }

    /// Whether this link has a connection of its own. Another link to the same address, or none, makes it void for good: what it
    /// would read is not its to read.
    fn is_void(&self) -> bool {
        self.inbox.is_none() || !self.session.is_up(self.address, self.number)
    }

    fn characteristic(&self, uuid: Uuid) -> Result<Characteristic, LinkError> {
        if self.is_void() {
            return Err(LinkError::Lost);
        }
        self.characteristics.get(&uuid).cloned().ok_or(LinkError::NoCharacteristic(uuid))
    }

    /// An answer of the band.
    async fn answer<T>(&self, answer: impl Future<Output = btleplug::Result<T>>) -> Result<T, LinkError> {
        match timeout(self.limits.answer, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.explain(&error).await),
            Err(_) if self.is_connected().await => Err(LinkError::Silent(self.limits.answer)),
            Err(_) => Err(self.loss().await),
        }
    }

    /// What an error means. After a loss the stack says that an object does not exist, not that the link is gone, so the state is
    /// asked for.
    async fn explain(&self, error: &btleplug::Error) -> LinkError {
        let failure = Failure::of(error);
        let lost = matches!(error, btleplug::Error::NotConnected | btleplug::Error::DeviceNotFound);
        if lost || failure.is_of_a_vanished_object() || !self.is_connected().await {
            return self.loss().await;
        }
        match failure.att_code().or_else(|| words::att_code_of(error)) {
            Some(code) => LinkError::Refused(code),
            None => failure.of_the_machine().unwrap_or(LinkError::Stack(failure.words)),
        }
    }

    /// Why the link is gone: because of this machine's adapter, or because of the band.
    async fn loss(&self) -> LinkError {
        self.chosen.trouble().await.unwrap_or(LinkError::Lost)
    }

    /// Ends the connection, if it is this link's to end.
    fn ending(&mut self) -> Option<Peripheral> {
        let ours = self.session.end_link(self.address, self.number);
        self.inbox = None;
        ours.then(|| self.peripheral.clone())
    }
}

#[async_trait]
impl GattLink for RadioLink {
    async fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, LinkError> {
        let asked = self.characteristic(characteristic)?;
        let mark = match &self.inbox {
            Some(inbox) if inbox.wants(characteristic) => Some(inbox.mark().await),
            _ => None,
        };
        let value = self.answer(self.peripheral.read(&asked)).await?;
        if let (Some(inbox), Some(mark)) = (&self.inbox, mark) {
            inbox.forget_read(characteristic, &value, mark).await;
        }
        Ok(value)
    }

    async fn write(&mut self, characteristic: Uuid, value: &[u8], kind: WriteKind) -> Result<(), LinkError> {
        let asked = self.characteristic(characteristic)?;
        let kind = match kind {
            WriteKind::WithResponse => WriteType::WithResponse,
            WriteKind::WithoutResponse => WriteType::WithoutResponse,
        };
        self.answer(self.peripheral.write(&asked, value, kind)).await
    }

    async fn subscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError> {
        let asked = self.characteristic(characteristic)?;
        let Some(inbox) = &self.inbox else { return Err(LinkError::Lost) };
        if inbox.wants(characteristic) {
            return Ok(());
        }
        // Wanted before it is asked for: the first notification may come before the answer.
        inbox.want(characteristic).await;
        let asking = async {
            match self.peripheral.subscribe(&asked).await {
                Err(error) if Failure::of(&error).is_already_notifying() => Ok(()),
                answer => answer,
            }
        };
        let answer = self.answer(asking).await;
        if answer.is_err() {
            inbox.refuse(characteristic).await;
        }
        answer
    }

    async fn unsubscribe(&mut self, characteristic: Uuid) -> Result<(), LinkError> {
        let asked = self.characteristic(characteristic)?;
        let Some(inbox) = &self.inbox else { return Err(LinkError::Lost) };
        if !inbox.wants(characteristic) {
            return Ok(());
        }
        let answer = self.answer(self.peripheral.unsubscribe(&asked)).await;
        inbox.refuse(characteristic).await;
        answer
    }

    async fn notification(&mut self, within: Duration) -> Result<Notification, LinkError> {
        if self.is_void() {
            return Err(LinkError::Lost);
        }
        let Some(inbox) = &self.inbox else { return Err(LinkError::Lost) };
        let until = after(within);
        loop {
            if let Some(next) = inbox.next(until.min(Instant::now() + LOOK_EVERY)).await? {
                return Ok(next);
            }
            if !self.is_connected().await {
                // What came before the loss was said, and is handed out first.
                return match inbox.last_call().await? {
                    Some(next) => Ok(next),
                    None => Err(self.loss().await),
                };
            }
            if Instant::now() >= until {
                return Err(LinkError::Silent(within));
            }
        }
    }

    async fn disconnect(&mut self) -> Result<(), LinkError> {
        let Some(peripheral) = self.ending() else { return Ok(()) };
        match timeout(self.limits.let_go, peripheral.disconnect()).await {
            Ok(Ok(())) => Ok(()),
            // Ending what has ended is no error.
            Ok(Err(_)) if !self.is_connected().await => Ok(()),
            Ok(Err(error)) => Err(words::of_setting_up(&error)),
            Err(_) => Err(LinkError::Stack(format!("ending the connection takes more than {} s", self.limits.let_go.as_secs_f32()))),
        }
    }
}

impl Drop for RadioLink {
    fn drop(&mut self) {
        let limit = self.limits.let_go;
        if let Some(peripheral) = self.ending() {
            let task = self.runtime.spawn(async move {
                let _ = timeout(limit, peripheral.disconnect()).await;
            });
            self.session.closes(self.address, task);
        }
    }
}
