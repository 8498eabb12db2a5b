//! A stand-in for BlueZ on a private bus: as much of `org.bluez` as a central uses, with devices that answer as a simulated
//! peripheral does, and faults on request. What a real stack does beyond that (the radio, pairing, its own timers) is left to the
//! lab's tests.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::CString,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use dbus::{
    Message, Path,
    arg::{PropMap, RefArg, Variant},
    channel::Channel,
    message::MessageType,
};
use jiff::Timestamp;
use tattletale::link::{LinkError, simulated::Peripheral};
use uuid::Uuid;

/// The bus name of the service.
const SERVICE: &str = "org.bluez";
const ADAPTER: &str = "org.bluez.Adapter1";
const DEVICE: &str = "org.bluez.Device1";
const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// What a piece of a value that is read in pieces holds at an ATT MTU of 23.
const PIECE: usize = 22;

/// The stand-in, at work in a thread of its own.
pub(crate) struct Fake {
    commands: mpsc::Sender<Command>,
}

type Command = Box<dyn FnOnce(&mut World) + Send>;

/// What there is.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) adapters: BTreeMap<String, Adapter>,
    pub(crate) devices: Vec<Device>,
    /// What goes wrong, the first that fits.
    pub(crate) faults: Vec<Fault>,
    /// Methods called, in order.
    pub(crate) calls: Vec<String>,
    later: Vec<(Instant, Command)>,
    out: Vec<Message>,
}

/// An adapter.
#[derive(Clone, Debug)]
pub(crate) struct Adapter {
    pub(crate) address: String,
    pub(crate) powered: bool,
    pub(crate) discovering: bool,
    /// Another program listens as well, so that what was heard keeps its strength when our scan stops.
    pub(crate) others_scan: bool,
}

/// A device in reach of an adapter.
pub(crate) struct Device {
    pub(crate) adapter: String,
    pub(crate) address: [u8; 6],
    pub(crate) name: Option<String>,
    pub(crate) rssi: i16,
    pub(crate) manufacturer_data: Vec<(u16, Vec<u8>)>,
    pub(crate) services: Vec<Service>,
    pub(crate) peripheral: Box<dyn Peripheral>,
    pub(crate) advertises: bool,
    /// Whether the service has heard of it.
    pub(crate) known: bool,
    /// Whether it was heard in the scan that is on.
    pub(crate) heard: bool,
    pub(crate) connected: bool,
    pub(crate) resolved: bool,
    /// Whether its services are ever told.
    pub(crate) resolves: bool,
    /// How often it hangs up before its services are told.
    pub(crate) hangs_up_early: u32,
    /// How long a disconnect takes: 2 s in BlueZ.
    pub(crate) lets_go_after: Duration,
}

/// A GATT service.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) uuid: String,
    pub(crate) characteristics: Vec<Characteristic>,
}

/// A characteristic.
#[derive(Clone)]
pub(crate) struct Characteristic {
    pub(crate) uuid: String,
    pub(crate) flags: Vec<&'static str>,
    pub(crate) notifying: bool,
}

/// Something that goes wrong with calls of a method.
pub(crate) struct Fault {
    pub(crate) method: &'static str,
    /// How often.
    pub(crate) times: usize,
    pub(crate) ends: Ending,
}

/// How a call ends that goes wrong.
#[derive(Clone, Copy)]
pub(crate) enum Ending {
    /// With an error: name after `org.bluez.Error.`, and words.
    Error(&'static str, &'static str),
    /// With the loss of the link before the answer.
    LostLink,
    /// With the loss of the objects alone.
    LostObjects,
    /// Never.
    Silence,
}

impl Fake {
    /// Begins to answer at the bus of this address.
    pub(crate) fn start(address: &str, world: World) -> Self {
        let mut channel = Channel::open_private(address).expect("the bus listens");
        channel.register().expect("the bus is open to us");
        let request = Message::call_with_args(
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "RequestName",
            (SERVICE, 4u32),
        );
        channel.send_with_reply_and_block(request, Duration::from_secs(20)).expect("the name is free");
        let (commands, orders) = mpsc::channel();
        thread::spawn(move || serve(&channel, world, &orders));
        Self { commands }
    }

    /// One that does not answer, for tests without a service.
    pub(crate) fn absent() -> Self {
        Self { commands: mpsc::channel().0 }
    }

    /// Looks at what there is, or changes it.
    pub(crate) fn with<R: Send + 'static>(&self, look: impl FnOnce(&mut World) -> R + Send + 'static) -> R {
        let (send, receive) = mpsc::channel();
        self.commands.send(Box::new(move |world| drop(send.send(look(world))))).expect("it serves until the end");
        receive.recv().expect("it serves until the end")
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&mut World) -> bool + Clone + Send + 'static) {
        let began = Instant::now();
        while !self.with(holds.clone()) {
            assert!(began.elapsed() < Duration::from_secs(30), "{what} never came true");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How often a method was called.
    pub(crate) fn calls(&self, method: &'static str) -> usize {
        self.with(move |world| world.calls.iter().filter(|call| *call == method).count())
    }
}

/// Answers until the bus or the test ends.
fn serve(channel: &Channel, mut world: World, orders: &mpsc::Receiver<Command>) {
    loop {
        if channel.read_write(Some(Duration::from_millis(2))).is_err() {
            // The bus is gone; the test may want to look at what was.
            while let Ok(order) = orders.recv() {
                order(&mut world);
            }
            return;
        }
        while let Some(message) = channel.pop_message() {
            if message.msg_type() == MessageType::MethodCall {
                world.take(&message);
            }
        }
        loop {
            match orders.try_recv() {
                Ok(order) => order(&mut world),
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => return,
            }
        }
        let now = Instant::now();
        while let Some(index) = world.later.iter().position(|(due, _)| *due <= now) {
            let (_, command) = world.later.remove(index);
            command(&mut world);
        }
        for index in 0..world.devices.len() {
            // What a device says of its own accord.
            world.send_notifications(index);
        }
        for message in std::mem::take(&mut world.out) {
            let _ = channel.send(message);
        }
    }
}

impl World {
    /// An adapter that is on, and these devices in reach of it.
    pub(crate) fn with_devices(devices: Vec<Device>) -> Self {
        let mut world = Self { devices, ..Self::default() };
        world.add_adapter("hci0", "C0:FF:EE:00:00:10", true);
        world
    }

    pub(crate) fn add_adapter(&mut self, name: &str, address: &str, powered: bool) {
        self.adapters.insert(name.to_owned(), Adapter { address: address.to_owned(), powered, discovering: false, others_scan: false });
    }

    pub(crate) fn device(&mut self, address: [u8; 6]) -> &mut Device {
        self.devices.iter_mut().find(|device| device.address == address).expect("a device of this test")
    }

    /// Lets calls of a method go wrong.
    pub(crate) fn fail(&mut self, method: &'static str, times: usize, ends: Ending) {
        self.faults.push(Fault { method, times, ends });
    }

    /// Takes an adapter out, with all its devices.
    pub(crate) fn take_out(&mut self, name: &str) {
        self.adapters.remove(name);
        self.devices.retain(|device| device.adapter != name);
    }

    /// Switches an adapter off: its links end, and it says so.
    pub(crate) fn switch_off(&mut self, name: &str) {
        for index in 0..self.devices.len() {
            if self.devices[index].connected && self.devices[index].adapter == name {
                self.lose(index);
            }
        }
        let Some(adapter) = self.adapters.get_mut(name) else { return };
        (adapter.powered, adapter.discovering) = (false, false);
        self.changed(&format!("/org/bluez/{name}"), ADAPTER, map([("Powered", v(false)), ("Discovering", v(false))]));
    }

    /// The device hangs up.
    pub(crate) fn lose_link(&mut self, address: [u8; 6]) {
        let index = self.devices.iter().position(|device| device.address == address).expect("a device of this test");
        self.lose(index);
    }

    /// The device sends a notification, whoever subscribed to what.
    pub(crate) fn notify(&mut self, address: [u8; 6], characteristic: Uuid, value: impl RefArg + 'static) {
        let path = self.device(address).path_of(characteristic).expect("it has the characteristic");
        self.changed(&path, CHARACTERISTIC, map([("Value", v(value))]));
    }

    /// The service hears the device, which may be news or not.
    pub(crate) fn advertise(&mut self, address: [u8; 6]) {
        let index = self.devices.iter().position(|device| device.address == address).expect("a device of this test");
        self.hear(index);
    }

    /// A signal as it is.
    pub(crate) fn changed(&mut self, path: &str, interface: &str, properties: PropMap) {
        let signal = Message::new_signal(path, PROPERTIES, "PropertiesChanged").expect("valid names");
        self.out.push(signal.append3(interface, properties, Vec::<String>::new()));
    }

    fn hear(&mut self, index: usize) {
        let device = &mut self.devices[index];
        let news = !std::mem::replace(&mut device.known, true);
        device.heard = true;
        let path = device.path();
        if news {
            let interfaces = HashMap::from([(DEVICE.to_owned(), device.properties())]);
            let path = Path::new(path).expect("a path");
            let signal = Message::new_signal("/", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded").expect("valid names");
            self.out.push(signal.append2(path, interfaces));
        } else {
            let mut properties = map([("RSSI", v(device.rssi))]);
            if !device.manufacturer_data.is_empty() {
                properties.insert("ManufacturerData".to_owned(), device.manufacturer());
            }
            self.changed(&path, DEVICE, properties);
        }
    }

    /// Devices of an adapter that are free say that they are there.
    fn hear_all(&mut self, adapter: &str) {
        for index in 0..self.devices.len() {
            let device = &self.devices[index];
            if device.adapter == adapter && device.advertises && !device.connected {
                self.hear(index);
            }
        }
    }

    fn lose(&mut self, index: usize) {
        let device = &mut self.devices[index];
        device.peripheral.disconnect();
        (device.connected, device.resolved) = (false, false);
        for service in &mut device.services {
            for characteristic in &mut service.characteristics {
                characteristic.notifying = false;
            }
        }
        let (path, adapter) = (device.path(), device.adapter.clone());
        self.changed(&path, DEVICE, map([("ServicesResolved", v(false)), ("Connected", v(false))]));
        if self.adapters.get(&adapter).is_some_and(|adapter| adapter.discovering) {
            self.hear_all(&adapter);
        }
    }

    /// Takes a call and answers it, at once, later or never.
    fn take(&mut self, call: &Message) {
        let method = call.member().map(|member| member.to_string()).unwrap_or_default();
        self.calls.push(method.clone());
        let path = call.path().map(|path| path.to_string()).unwrap_or_default();
        if let Some(index) = self.faults.iter().position(|fault| fault.method == method) {
            let fault = &mut self.faults[index];
            let ends = fault.ends;
            fault.times -= 1;
            if fault.times == 0 {
                self.faults.remove(index);
            }
            match ends {
                Ending::Error(name, words) => return self.out.push(error(call, name, words)),
                Ending::Silence => return,
                Ending::LostLink => {
                    if let Some(index) = self.index_of(&path) {
                        self.lose(index);
                    }
                }
                Ending::LostObjects => {
                    if let Some(index) = self.index_of(&path) {
                        self.devices[index].resolved = false;
                    }
                }
            }
        }
        let answer = if path == "/" {
            self.objects(call)
        } else {
            let parts: Vec<&str> = path.strip_prefix("/org/bluez/").unwrap_or_default().split('/').collect();
            match parts[..] {
                [adapter] if self.adapters.contains_key(adapter) => self.adapter(call, adapter, &method),
                [_, _] if self.index_of(&path).is_some() => self.device_call(call, &path, &method),
                [_, _, ..] if self.index_of(&path).is_some_and(|index| self.devices[index].resolved) => self.gatt(call, &path, &method),
                _ => None,
            }
        };
        match answer {
            Some(Answer::Now(message)) => self.out.push(message),
            Some(Answer::Later) => {}
            // In BlueZ's words, which are libdbus's own.
            None => {
                let words = format!("Method \"{method}\" on interface of {path} doesn't exist");
                let name = "org.freedesktop.DBus.Error.UnknownMethod";
                self.out.push(call.error(&name.into(), &CString::new(words).expect("no zero in it")));
            }
        }
    }

    /// The device that a path leads to or into.
    fn index_of(&self, path: &str) -> Option<usize> {
        self.devices.iter().position(|device| device.known && (path == device.path() || path.starts_with(&(device.path() + "/"))))
    }

    fn objects(&self, call: &Message) -> Option<Answer> {
        let mut objects: HashMap<Path<'static>, HashMap<String, PropMap>> = HashMap::new();
        for (name, adapter) in &self.adapters {
            let path = Path::new(format!("/org/bluez/{name}")).expect("a path");
            objects.insert(path, HashMap::from([(ADAPTER.to_owned(), adapter.properties())]));
        }
        for device in self.devices.iter().filter(|device| device.known) {
            let path = Path::new(device.path()).expect("a path");
            objects.insert(path, HashMap::from([(DEVICE.to_owned(), device.properties())]));
        }
        now(call.method_return().append1(objects))
    }

    fn adapter(&mut self, call: &Message, name: &str, method: &str) -> Option<Answer> {
        let adapter = self.adapters.get_mut(name)?;
        match method {
            "GetAll" => now(call.method_return().append1(adapter.properties())),
            "Get" => property(call, &adapter.properties()),
            "Set" => {
                adapter.powered = true;
                now(call.method_return())
            }
            "SetDiscoveryFilter" => now(call.method_return()),
            "StartDiscovery" if !adapter.powered => now(error(call, "NotReady", "Resource Not Ready")),
            "StartDiscovery" if adapter.discovering => now(error(call, "InProgress", "Operation already in progress")),
            "StartDiscovery" => {
                adapter.discovering = true;
                self.out.push(call.method_return());
                self.hear_all(name);
                Some(Answer::Later)
            }
            "StopDiscovery" if !adapter.discovering => now(error(call, "Failed", "No discovery started")),
            "StopDiscovery" => {
                adapter.discovering = false;
                // BlueZ takes the strengths back when the last program that scans stops.
                if !adapter.others_scan {
                    for device in self.devices.iter_mut().filter(|device| device.adapter == name) {
                        device.heard = false;
                    }
                }
                now(call.method_return())
            }
            _ => None,
        }
    }

    fn device_call(&mut self, call: &Message, path: &str, method: &str) -> Option<Answer> {
        let index = self.index_of(path)?;
        let device = &mut self.devices[index];
        match method {
            "GetAll" => now(call.method_return().append1(device.properties())),
            "Get" => property(call, &device.properties()),
            "Introspect" => {
                let services = if device.resolved { device.services.len() } else { 0 };
                now(call.method_return().append1(nodes((0..services).map(service_node))))
            }
            "Connect" if device.connected => now(call.method_return()),
            "Connect" => {
                device.connected = true;
                device.peripheral.connect(Timestamp::now());
                self.changed(path, DEVICE, map([("Connected", v(true))]));
                self.out.push(call.method_return());
                let device = &mut self.devices[index];
                if device.hangs_up_early > 0 {
                    device.hangs_up_early -= 1;
                    self.lose(index);
                } else if device.resolves {
                    device.resolved = true;
                    self.changed(path, DEVICE, map([("ServicesResolved", v(true))]));
                }
                Some(Answer::Later)
            }
            "Disconnect" if !device.connected => now(error(call, "NotConnected", "Not Connected")),
            "Disconnect" => {
                let (address, answer) = (device.address, call.method_return());
                let ending = move |world: &mut Self| {
                    if let Some(index) = world.devices.iter().position(|device| device.address == address) {
                        world.lose(index);
                    }
                    world.out.push(answer);
                };
                self.later.push((Instant::now() + device.lets_go_after, Box::new(ending)));
                Some(Answer::Later)
            }
            _ => None,
        }
    }

    fn gatt(&mut self, call: &Message, path: &str, method: &str) -> Option<Answer> {
        let index = self.index_of(path)?;
        let device = &mut self.devices[index];
        let rest = path.strip_prefix(&(device.path() + "/"))?.to_owned();
        let (service, characteristic) = rest.split_once('/').map_or((rest.as_str(), None), |(service, rest)| (service, Some(rest)));
        let service_index = usize::from_str_radix(service.strip_prefix("service")?, 16).ok()?;
        let service = device.services.get_mut(service_index)?;
        let Some(characteristic) = characteristic else {
            let properties = map([("UUID", v(service.uuid.clone())), ("Primary", v(true))]);
            return match method {
                "Introspect" => now(call.method_return().append1(nodes((0..service.characteristics.len()).map(characteristic_node)))),
                "Get" => property(call, &properties),
                "GetAll" => now(call.method_return().append1(properties)),
                _ => None,
            };
        };
        let characteristic_index = usize::from_str_radix(characteristic.strip_prefix("char")?, 16).ok()?;
        let characteristic = service.characteristics.get_mut(characteristic_index)?;
        let flags: Vec<String> = characteristic.flags.iter().map(|flag| (*flag).to_owned()).collect();
        let properties = map([("UUID", v(characteristic.uuid.clone())), ("Flags", v(flags)), ("MTU", v(23u16))]);
        let uuid = Uuid::parse_str(&characteristic.uuid).unwrap_or_default();
        let at = Timestamp::now();
        let answer = match method {
            "Introspect" => return now(call.method_return().append1(nodes(std::iter::empty()))),
            "GetAll" => return now(call.method_return().append1(properties)),
            "Get" => return property(call, &properties),
            "ReadValue" => device.peripheral.read(uuid, at).map(Some),
            "WriteValue" => {
                let value: Vec<u8> = call.get1().unwrap_or_default();
                device.peripheral.write(uuid, &value, at).map(|()| None)
            }
            "StartNotify" if characteristic.notifying => return now(error(call, "Failed", "Already notifying")),
            "StartNotify" => {
                characteristic.notifying = true;
                device.peripheral.subscribe(uuid, at).map(|()| None)
            }
            "StopNotify" if !characteristic.notifying => return now(error(call, "Failed", "No notify session started")),
            "StopNotify" => {
                characteristic.notifying = false;
                device.peripheral.unsubscribe(uuid, at).map(|()| None)
            }
            _ => return None,
        };
        match answer {
            Ok(Some(value)) => {
                // BlueZ shows what is read as a change of the value, before the answer, and a long value piece by piece.
                for end in (PIECE..value.len()).step_by(PIECE).chain([value.len()]) {
                    self.changed(path, CHARACTERISTIC, map([("Value", v(value[..end].to_vec()))]));
                }
                self.out.push(call.method_return().append1(value));
            }
            Ok(None) => self.out.push(call.method_return()),
            Err(LinkError::Lost) => {
                self.lose(index);
                self.out.push(error(call, "Failed", "Operation failed with ATT error: 0x0e"));
            }
            Err(LinkError::Refused(2)) => self.out.push(error(call, "NotPermitted", "Read not permitted")),
            Err(LinkError::Refused(code)) => {
                let words = format!("Operation failed with ATT error: 0x{code:02x}");
                self.out.push(error(call, "Failed", &words));
            }
            Err(_) => self.out.push(error(call, "NotSupported", "Operation is not supported")),
        }
        self.send_notifications(index);
        Some(Answer::Later)
    }

    /// What the device has to say.
    fn send_notifications(&mut self, index: usize) {
        loop {
            let device = &mut self.devices[index];
            if !device.connected {
                return;
            }
            match device.peripheral.notification(Timestamp::now()) {
                Ok(Some(notification)) => {
                    if let Some(path) = device.path_of(notification.characteristic) {
                        self.changed(&path, CHARACTERISTIC, map([("Value", v(notification.value))]));
                    }
                }
                Ok(None) => return,
                Err(_) => return self.lose(index),
            }
        }
    }
}

/// An answer to a call.
enum Answer {
    Now(Message),
    /// It is sent already, or will be.
    Later,
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where there may be no answer")]
fn now(message: Message) -> Option<Answer> {
    Some(Answer::Now(message))
}

impl Adapter {
    fn properties(&self) -> PropMap {
        map([
            ("Address", v(self.address.clone())),
            ("AddressType", v("public".to_owned())),
            ("Name", v("stand-in".to_owned())),
            ("Alias", v("stand-in".to_owned())),
            ("Powered", v(self.powered)),
            ("Discovering", v(self.discovering)),
            ("Modalias", v("usb:v1D6Bp0246d0542".to_owned())),
        ])
    }
}

impl Device {
    /// A device that advertises and takes connections.
    pub(crate) fn new(address: [u8; 6], peripheral: impl Peripheral + 'static, services: Vec<Service>) -> Self {
        Self {
            adapter: "hci0".to_owned(),
            address,
            name: Some("Echo".to_owned()),
            rssi: -60,
            manufacturer_data: Vec::new(),
            services,
            peripheral: Box::new(peripheral),
            advertises: true,
            known: false,
            heard: false,
            connected: false,
            resolved: false,
            resolves: true,
            hangs_up_early: 0,
            lets_go_after: Duration::ZERO,
        }
    }

    fn path(&self) -> String {
        let [a, b, c, d, e, f] = self.address;
        format!("/org/bluez/{}/dev_{a:02X}_{b:02X}_{c:02X}_{d:02X}_{e:02X}_{f:02X}", self.adapter)
    }

    /// The path of the first characteristic with this UUID.
    fn path_of(&self, uuid: Uuid) -> Option<String> {
        let wanted = uuid.to_string();
        self.services.iter().enumerate().find_map(|(service, known)| {
            let characteristic = known.characteristics.iter().position(|known| known.uuid == wanted)?;
            Some(format!("{}/{}/{}", self.path(), service_node(service), characteristic_node(characteristic)))
        })
    }

    fn properties(&self) -> PropMap {
        let [a, b, c, d, e, f] = self.address;
        let dashed = format!("{a:02X}-{b:02X}-{c:02X}-{d:02X}-{e:02X}-{f:02X}");
        let mut properties = map([
            ("Address", v(dashed.replace('-', ":"))),
            ("AddressType", v("random".to_owned())),
            ("Alias", v(self.name.clone().unwrap_or(dashed))),
            ("Paired", v(false)),
            ("Trusted", v(false)),
            ("Blocked", v(false)),
            ("LegacyPairing", v(false)),
            ("Connected", v(self.connected)),
            ("ServicesResolved", v(self.resolved)),
            ("UUIDs", v(self.services.iter().map(|service| service.uuid.clone()).collect::<Vec<_>>())),
        ]);
        if let Some(name) = &self.name {
            properties.insert("Name".to_owned(), v(name.clone()));
        }
        if self.heard {
            properties.insert("RSSI".to_owned(), v(self.rssi));
        }
        if !self.manufacturer_data.is_empty() {
            properties.insert("ManufacturerData".to_owned(), self.manufacturer());
        }
        properties
    }

    fn manufacturer(&self) -> Variant<Box<dyn RefArg>> {
        let data: HashMap<u16, Variant<Box<dyn RefArg>>> =
            self.manufacturer_data.iter().map(|(company, data)| (*company, v(data.clone()))).collect();
        v(data)
    }
}

/// A service with these characteristics.
pub(crate) fn service(uuid: Uuid, characteristics: &[(Uuid, &[&'static str])]) -> Service {
    let characteristic =
        |(uuid, flags): &(Uuid, &[&'static str])| Characteristic { uuid: uuid.to_string(), flags: flags.to_vec(), notifying: false };
    Service { uuid: uuid.to_string(), characteristics: characteristics.iter().map(characteristic).collect() }
}

fn service_node(index: usize) -> String {
    format!("service{index:04x}")
}

fn characteristic_node(index: usize) -> String {
    format!("char{index:04x}")
}

fn nodes(names: impl Iterator<Item = String>) -> String {
    let nodes: String = names.map(|name| format!("<node name=\"{name}\"/>")).collect();
    format!("<node>{nodes}</node>")
}

/// The answer to a question for one property.
fn property(call: &Message, properties: &PropMap) -> Option<Answer> {
    let (_, name): (Option<&str>, Option<&str>) = call.get2();
    match properties.get(name?) {
        Some(Variant(value)) => now(call.method_return().append1(Variant(value.box_clone()))),
        None => now(error(call, "InvalidArgs", "No such property")),
    }
}

fn error(call: &Message, name: &str, words: &str) -> Message {
    call.error(&format!("org.bluez.Error.{name}").into(), &CString::new(words).expect("no zero in it"))
}

/// Properties by name.
pub(crate) fn map<const N: usize>(properties: [(&str, Variant<Box<dyn RefArg>>); N]) -> PropMap {
    properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A value of any type.
pub(crate) fn v(value: impl RefArg + 'static) -> Variant<Box<dyn RefArg>> {
    Variant(Box::new(value))
}
