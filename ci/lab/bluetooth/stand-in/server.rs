//! The stage's way to the air: bluetoothd serves the band's characteristics, advertises it while it is free, and tells who connects.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bluer::{
    Adapter, AdapterEvent, Address, DeviceEvent, DeviceProperty, Session,
    adv::AdvertisementHandle,
    gatt::local::{
        Application, ApplicationHandle, Characteristic, CharacteristicNotifier, CharacteristicNotify, CharacteristicNotifyMethod,
        CharacteristicRead, CharacteristicReadRequest, CharacteristicWrite, CharacteristicWriteMethod, Service,
    },
};
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use serde_json::Value;
use tattletale::band::huami::GattCharacteristic;
use tokio::{
    sync::{Mutex, mpsc, watch},
    time::{sleep, timeout},
};
use uuid::Uuid;

use crate::{
    advertising, played,
    stage::{Connection, Stage},
};

/// How often the band is asked whether something is due by itself.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// An advertisement tells the heart rate and the steps, so it is made anew this often.
const ADVERTISE_ANEW: Duration = Duration::from_secs(60);

/// Notifications that go out in one go, and the pause after them: what a band gets through in a connection event or two. bluetoothd
/// gathers notifications for 10 ms and loses them all when a packet (24 of them) is full before.
const IN_ONE_GO: usize = 6;
const BETWEEN: Duration = Duration::from_millis(15);

/// How often bluetoothd is asked whether it is still there.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// How long bluetoothd may take to do what it was asked to.
const SETTLE_WITHIN: Duration = Duration::from_secs(20);

/// Controllers of the lab (`btvirt`) have addresses that begin so. They have no radio: nobody outside hears them.
const VIRTUAL: [u8; 3] = [0x00, 0xaa, 0x01];

/// A band on an adapter.
pub(crate) struct Server {
    adapter: Adapter,
    address: Address,
    stage: Arc<Stage>,
    application: Mutex<Option<ApplicationHandle>>,
    notifiers: mpsc::UnboundedSender<(Uuid, CharacteristicNotifier)>,
    on_air: watch::Receiver<Air>,
}

/// What bluetoothd does for the advertisement by now.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Air {
    Silent,
    Advertising,
    /// It was asked to advertise and would not.
    Failed(String),
}

impl Server {
    /// Plays a band on this adapter of bluetoothd.
    pub(crate) async fn start(adapter: &str, model: &str, own_test_account: bool) -> Result<Self, String> {
        let session = Session::new().await.map_err(|error| format!("reach bluetoothd: {error}"))?;
        let adapter = session.adapter(adapter).map_err(|error| format!("use the adapter: {error}"))?;
        let use_adapter = |error| format!("use the adapter {}: {error}", adapter.name());
        let address = adapter.address().await.map_err(use_adapter)?;
        let is_virtual = address.0[..3] == VIRTUAL;
        if !is_virtual && !own_test_account {
            return Err(format!(
                "play on {}: it is not the lab's. An app in reach would take this band for one, and send what it holds to its vendor as \
                 somebody's health data; with a phone and an account that are yours and for tests, say --own-test-account",
                adapter.name()
            ));
        }
        // The lab's own may be switched on; a real one is somebody's, and would stay on behind us.
        if is_virtual {
            adapter.set_powered(true).await.map_err(use_adapter)?;
        } else if !adapter.is_powered().await.map_err(use_adapter)? {
            return Err(format!("play on {}: it is switched off. Switch it on yourself, and off again when you are done", adapter.name()));
        }
        let stage = Arc::new(Stage::new(played::device(model, address.0, None, Timestamp::now())?));
        let (notifiers, new_notifiers) = mpsc::unbounded_channel();
        let (on_air, is_on_air) = watch::channel(Air::Silent);
        let server = Self {
            adapter: adapter.clone(),
            address,
            stage: Arc::clone(&stage),
            application: Mutex::new(None),
            notifiers,
            on_air: is_on_air,
        };
        server.serve().await?;
        tokio::spawn(notify(adapter.clone(), Arc::clone(&stage), new_notifiers));
        tokio::spawn(follow(adapter.clone(), Arc::clone(&stage)));
        tokio::spawn(manage(adapter, stage, on_air));
        server.settled().await?;
        Ok(server)
    }

    /// The band and who holds it.
    pub(crate) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The adapter's address, which is the band's.
    pub(crate) fn address(&self) -> Address {
        self.address
    }

    /// Plays another band from now on; a central that holds the one before is thrown out. Returns what the band holds.
    pub(crate) async fn play(&self, band: Box<dyn played::Played>) -> Result<Value, String> {
        self.stage.hang_up();
        self.stage.set_visible(false);
        self.settled().await?;
        self.stage.replace(band);
        self.serve().await?;
        self.stage.set_visible(true);
        self.settled().await?;
        Ok(self.stage.with_band(|band| band.contents()))
    }

    /// Waits until bluetoothd is gone, and returns what it says instead of an answer.
    pub(crate) async fn lost(&self) -> String {
        loop {
            sleep(ASK_EVERY).await;
            if let Err(error) = self.adapter.address().await {
                return format!("reach bluetoothd any longer: {error}");
            }
        }
    }

    /// Waits until no central holds the band.
    pub(crate) async fn freed(&self) -> Result<(), String> {
        let free = async {
            while self.stage.connection() != Connection::Free {
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(SETTLE_WITHIN, free).await.map_err(|_| "throw the central out".to_owned())
    }

    /// Waits until the band advertises if it is to, and is silent if not.
    pub(crate) async fn settled(&self) -> Result<(), String> {
        self.freed().await?;
        let mut on_air = self.on_air.clone();
        let settled = async {
            loop {
                match (&*on_air.borrow_and_update(), self.stage.advertises()) {
                    (Air::Failed(why), true) => return Err(format!("advertise: {why}")),
                    (Air::Advertising, true) | (Air::Silent | Air::Failed(_), false) => return Ok(()),
                    (Air::Silent, true) | (Air::Advertising, false) => {}
                }
                if on_air.changed().await.is_err() {
                    return Err("advertise: nobody does".to_owned());
                }
            }
        };
        timeout(SETTLE_WITHIN, settled).await.map_err(|_| "see bluetoothd advertise, or stop it".to_owned())?
    }

    /// Has bluetoothd serve the band's characteristics, instead of those of the band before.
    async fn serve(&self) -> Result<(), String> {
        let mut application = self.application.lock().await;
        drop(application.take());
        // Dropping only sends the request to forget them; bluetoothd answers in order, so after this it has forgotten.
        self.adapter.is_powered().await.map_err(|error| format!("ask bluetoothd: {error}"))?;
        let services = self.stage.with_band(|band| band.services());
        let services = services.into_iter().map(|service| Service {
            uuid: service.uuid,
            primary: true,
            characteristics: service.characteristics.iter().map(|plan| self.characteristic(plan)).collect(),
            ..Service::default()
        });
        let served = self.adapter.serve_gatt_application(Application { services: services.collect(), ..Application::default() });
        *application = Some(served.await.map_err(|error| format!("serve the band's characteristics: {error}"))?);
        Ok(())
    }

    fn characteristic(&self, plan: &GattCharacteristic) -> Characteristic {
        let uuid = plan.uuid;
        let read = plan.read.then(|| {
            let stage = Arc::clone(&self.stage);
            CharacteristicRead {
                read: true,
                encrypt_read: self.stage.with_band(|band| band.is_secret(plan)),
                fun: Box::new(move |request: CharacteristicReadRequest| {
                    let value = stage.ask(request.device_address, |band, now| band.read(uuid, now));
                    async move { value.map(|value| value.get(usize::from(request.offset)..).unwrap_or_default().to_vec()) }.boxed()
                }),
                ..CharacteristicRead::default()
            }
        });
        let write = (plan.write || plan.write_without_response).then(|| {
            let stage = Arc::clone(&self.stage);
            CharacteristicWrite {
                write: plan.write,
                write_without_response: plan.write_without_response,
                method: CharacteristicWriteMethod::Fun(Box::new(move |value, request| {
                    let taken = stage.ask(request.device_address, |band, now| band.write(uuid, &value, now));
                    async move { taken }.boxed()
                })),
                ..CharacteristicWrite::default()
            }
        });
        let notify = plan.notify.then(|| {
            let (stage, notifiers) = (Arc::clone(&self.stage), self.notifiers.clone());
            CharacteristicNotify {
                notify: true,
                method: CharacteristicNotifyMethod::Fun(Box::new(move |notifier| {
                    // bluetoothd does not say who subscribes; only who holds the band can.
                    if let Connection::Held(central) = stage.connection()
                        && stage.ask(central, |band, now| band.subscribe(uuid, now)).is_ok()
                    {
                        let (stage, stopped) = (Arc::clone(&stage), notifier.stopped());
                        tokio::spawn(async move {
                            stopped.await;
                            stage.unsubscribed(central, uuid);
                        });
                        // Without a receiver the stand-in is ending.
                        let _ = notifiers.send((uuid, notifier));
                    }
                    async {}.boxed()
                })),
                ..CharacteristicNotify::default()
            }
        });
        Characteristic { uuid, read, write, notify, ..Characteristic::default() }
    }
}

/// Sends what is due, in order, whatever the characteristic.
async fn notify(adapter: Adapter, stage: Arc<Stage>, mut new: mpsc::UnboundedReceiver<(Uuid, CharacteristicNotifier)>) {
    let mut notifiers = BTreeMap::new();
    loop {
        tokio::select! {
            () = stage.asked.notified() => {}
            () = sleep(LOOK_EVERY) => {}
        }
        while let Ok((uuid, notifier)) = new.try_recv() {
            notifiers.insert(uuid, notifier);
        }
        let mut sent = 0;
        while let Some(notification) = stage.due() {
            sent += 1;
            if sent % IN_ONE_GO == 0 {
                // The answer says that bluetoothd has them all, so that its 10 ms have begun.
                let _ = adapter.is_powered().await;
                sleep(BETWEEN).await;
            }
            if let Some(notifier) = notifiers.get_mut(&notification.characteristic) {
                // Who unsubscribed meanwhile gets nothing.
                let _ = notifier.notify(notification.value).await;
            }
        }
    }
}

/// Follows which centrals come and go.
async fn follow(adapter: Adapter, stage: Arc<Stage>) {
    let Ok(events) = adapter.events().await else { return };
    let mut events = std::pin::pin!(events);
    for address in adapter.device_addresses().await.unwrap_or_default() {
        tokio::spawn(follow_one(adapter.clone(), Arc::clone(&stage), address));
    }
    while let Some(event) = events.next().await {
        match event {
            AdapterEvent::DeviceAdded(address) => {
                tokio::spawn(follow_one(adapter.clone(), Arc::clone(&stage), address));
            }
            AdapterEvent::DeviceRemoved(address) => stage.disconnected(address),
            AdapterEvent::PropertyChanged(_) => {}
        }
    }
}

/// Follows one central until bluetoothd forgets it.
async fn follow_one(adapter: Adapter, stage: Arc<Stage>, address: Address) {
    let Ok(device) = adapter.device(address) else { return };
    let Ok(events) = device.events().await else { return };
    let mut events = std::pin::pin!(events);
    let mut state = device.is_connected().await.ok();
    loop {
        match state {
            // A second central: the advertisement was still on its way out when it came.
            Some(true) if !stage.connected(address) => {
                let _ = device.disconnect().await;
            }
            Some(false) => stage.disconnected(address),
            _ => {}
        }
        match events.next().await {
            Some(DeviceEvent::PropertyChanged(DeviceProperty::Connected(connected))) => state = Some(connected),
            Some(_) => state = None,
            None => return,
        }
    }
}

/// Advertises while the band is to be found, and hangs up when it wants to.
async fn manage(adapter: Adapter, stage: Arc<Stage>, on_air: watch::Sender<Air>) {
    let mut turns: Vec<AdvertisementHandle> = Vec::new();
    loop {
        if let Connection::HangingUp(central) = stage.connection()
            && let Ok(device) = adapter.device(central)
        {
            let _ = device.disconnect().await;
        }
        turns.clear();
        let mut air = Air::Silent;
        if stage.advertises() {
            for turn in advertising::in_turns(&stage.with_band(|band| band.advertisement(Timestamp::now()))) {
                match adapter.advertise(turn).await {
                    Ok(handle) => turns.push(handle),
                    Err(error) => air = Air::Failed(error.to_string()),
                }
            }
        } else {
            // The requests to forget are sent by now; bluetoothd answers in order.
            let _ = adapter.is_powered().await;
        }
        if !turns.is_empty() && air == Air::Silent {
            air = Air::Advertising;
        }
        on_air.send_replace(air);
        let _ = timeout(ADVERTISE_ANEW, stage.changed.notified()).await;
    }
}
