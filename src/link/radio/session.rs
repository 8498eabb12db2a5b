//! This process's connection to the Bluetooth service, and the adapter to use. Kept as long as it works: each connection costs one of
//! the few sockets that a message bus grants a user. What is said over it is left to the other files.

use std::{
    collections::BTreeMap,
    future::{Future, pending},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use btleplug::{
    api::{Central as _, CentralState, Manager as _},
    platform::{Adapter, Manager},
};
use tokio::{
    runtime::Handle,
    sync::oneshot,
    task::JoinHandle,
    time::{error::Elapsed, timeout},
};

use super::{super::LinkError, words};

/// How long the Bluetooth service may take for an answer that needs no radio.
pub(super) const STACK_WITHIN: Duration = Duration::from_secs(5);

/// Where Linux shows its kill switches.
const KILL_SWITCHES: &str = "/sys/class/rfkill";

/// What all clones of a radio share.
#[derive(Debug, Default)]
pub(super) struct Session {
    bus: tokio::sync::Mutex<Option<Bus>>,
    /// Held while a scan is on: the stack allows a process one at a time.
    pub(super) scanning: tokio::sync::Mutex<()>,
    links: Mutex<Links>,
}

#[derive(Debug)]
struct Bus {
    manager: Manager,
    /// A task of the runtime that the connection's own tasks run on. When that runtime has ended, so has this.
    runtime: JoinHandle<()>,
}

/// Which links are up, and which are being let go.
#[derive(Debug, Default)]
struct Links {
    last: u64,
    /// Number of the link that is up, by address.
    up: BTreeMap<[u8; 6], u64>,
    /// Tasks that end the connection of a dropped link.
    closing: Vec<([u8; 6], JoinHandle<()>)>,
}

/// An adapter of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Its name: `hci0` on Linux.
    pub name: String,
    /// Its own address, display order; not every system tells it.
    pub address: Option<[u8; 6]>,
    /// Whether it is switched on.
    pub powered: bool,
}

/// An adapter that can be used.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) adapter: Adapter,
    pub(super) name: String,
}

impl Session {
    /// The adapters there are, by name (`hci2` before `hci10`); the stack's own order is arbitrary.
    pub(super) async fn adapters(&self) -> Result<Vec<(AdapterInfo, Adapter)>, LinkError> {
        let mut all = Vec::new();
        for adapter in self.list().await? {
            // One that goes away meanwhile is not there.
            let Ok(Ok(info)) = stack(adapter.adapter_info()).await else { continue };
            let name = info.split_once(" (").map_or(info.as_str(), |(name, _)| name).to_owned();
            let address = stack(adapter.adapter_address()).await.ok().and_then(Result::ok).flatten();
            let off = matches!(stack(adapter.adapter_state()).await, Ok(Ok(CentralState::PoweredOff)));
            all.push((AdapterInfo { name, address: address.map(|address| address.into_inner()), powered: !off }, adapter));
        }
        all.sort_by(|(a, _), (b, _)| (a.name.len(), &a.name).cmp(&(b.name.len(), &b.name)));
        Ok(all)
    }

    /// The adapter wanted, or the first that is on.
    pub(super) async fn adapter(&self, wanted: Option<&str>) -> Result<Chosen, LinkError> {
        let (infos, mut adapters): (Vec<_>, Vec<_>) = self.adapters().await?.into_iter().unzip();
        let index = choose(&infos, wanted)?;
        Ok(Chosen { adapter: adapters.swap_remove(index), name: infos[index].name.clone() })
    }

    /// The stack's list of adapters. A connection that was good once may be dead by now, so it is tried again over a new one.
    async fn list(&self) -> Result<Vec<Adapter>, LinkError> {
        let mut bus = self.bus.lock().await;
        if let Some(known) = bus.as_ref().filter(|known| !known.runtime.is_finished())
            && let Ok(Ok(adapters)) = stack(known.manager.adapters()).await
        {
            return Ok(adapters);
        }
        let fresh = Bus { manager: manager().await?, runtime: tokio::spawn(pending()) };
        let adapters = match stack(fresh.manager.adapters()).await {
            Ok(Ok(adapters)) => adapters,
            Ok(Err(error)) => return Err(words::of_setting_up(&error)),
            Err(_) => return Err(words::late(STACK_WITHIN)),
        };
        *bus = Some(fresh);
        Ok(adapters)
    }

    /// A number for a new link to an address; any earlier link to it is void from now on.
    pub(super) fn begin_link(&self, address: [u8; 6]) -> u64 {
        let mut links = self.links();
        links.last += 1;
        let number = links.last;
        links.up.insert(address, number);
        number
    }

    /// Whether this link is still the one to its address.
    pub(super) fn is_up(&self, address: [u8; 6], number: u64) -> bool {
        self.links().up.get(&address) == Some(&number)
    }

    /// Takes a link down, whose connection is ended by `closing`. Whether it was still the one to its address.
    pub(super) fn end_link(&self, address: [u8; 6], number: u64) -> bool {
        let mut links = self.links();
        let current = links.up.get(&address) == Some(&number);
        if current {
            links.up.remove(&address);
        }
        current
    }

    /// Remembers a task that ends the connection of a dropped link.
    pub(super) fn closes(&self, address: [u8; 6], task: JoinHandle<()>) {
        let mut links = self.links();
        links.closing.retain(|(_, task)| !task.is_finished());
        links.closing.push((address, task));
    }

    /// Waits until dropped links to this address (to any, when `None`) have been let go. The tasks have a time limit of their own.
    pub(super) async fn settle(&self, address: Option<[u8; 6]>) {
        let tasks: Vec<_> = {
            let mut links = self.links();
            let (wanted, others) = links.closing.drain(..).partition(|(of, _)| address.is_none_or(|address| *of == address));
            links.closing = others;
            wanted
        };
        for (_, task) in tasks {
            // A task that panicked or went down with its runtime has ended as well.
            let _ = task.await;
        }
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.runtime.abort();
    }
}

impl Chosen {
    /// What is wrong with the adapter by now; `None` when nothing is.
    pub(super) async fn trouble(&self) -> Option<LinkError> {
        match stack(self.adapter.adapter_info()).await {
            Err(_) => Some(words::late(STACK_WITHIN)),
            Ok(Err(error)) => {
                let failure = words::Failure::of(&error);
                Some(if failure.is_of_a_vanished_object() {
                    words::no_adapter(format!("{} was taken out", self.name))
                } else {
                    // Whoever cannot be asked is no witness against the band.
                    failure.of_the_machine().unwrap_or(LinkError::Stack(failure.words))
                })
            }
            Ok(Ok(_)) => {
                let off = matches!(stack(self.adapter.adapter_state()).await, Ok(Ok(CentralState::PoweredOff)));
                off.then(|| off_by_now(&self.name))
            }
        }
    }
}

/// The adapter went off in the middle.
pub(super) fn off_by_now(name: &str) -> LinkError {
    words::no_adapter(format!("{name} went off while it was in use: {}", words::why_off(Path::new(KILL_SWITCHES), name)))
}

/// An answer of the stack that needs no radio.
pub(super) async fn stack<T>(answer: impl Future<Output = T>) -> Result<T, Elapsed> {
    timeout(STACK_WITHIN, answer).await
}

/// A connection to the bus. Connecting blocks its thread, for 25 s if the bus takes connections and says nothing, so it gets one of
/// its own, which does not keep the program from ending either.
async fn manager() -> Result<Manager, LinkError> {
    let (send, receive) = oneshot::channel();
    let runtime = Handle::current();
    thread::Builder::new()
        .name("bluetooth-bus".to_owned())
        .spawn(move || {
            let _ = send.send(runtime.block_on(Manager::new()));
        })
        .map_err(|error| LinkError::Stack(format!("no thread to connect with: {error}")))?;
    match timeout(STACK_WITHIN, receive).await {
        Ok(Ok(Ok(manager))) => Ok(manager),
        Ok(Ok(Err(error))) => Err(words::of_the_bus(&error)),
        Ok(Err(_)) => Err(LinkError::Stack("the thread that connects to the message bus ended".to_owned())),
        Err(_) => Err(words::no_adapter("the system's message bus (D-Bus) takes connections and does not answer")),
    }
}

/// The index of the adapter to use: the one with this name or address, or the first that is on.
fn choose(all: &[AdapterInfo], wanted: Option<&str>) -> Result<usize, LinkError> {
    let off = |info: &AdapterInfo| words::no_adapter(format!("{}: {}", info.name, words::why_off(Path::new(KILL_SWITCHES), &info.name)));
    match (wanted, all) {
        (None, []) => Err(words::no_adapter(words::NONE)),
        (None, [first, ..]) => all.iter().position(|info| info.powered).ok_or_else(|| off(first)),
        (Some(wanted), _) => {
            let named = |info: &AdapterInfo| info.name == wanted || info.address.is_some_and(|address| is_written(address, wanted));
            let index = all.iter().position(named).ok_or_else(|| {
                let there = all.iter().map(|info| info.name.as_str()).collect::<Vec<_>>().join(", ");
                words::no_adapter(format!(
                    "this machine has none named {wanted}; it has {}",
                    if there.is_empty() { "none" } else { &there }
                ))
            })?;
            if all[index].powered { Ok(index) } else { Err(off(&all[index])) }
        }
    }
}

/// Whether text is this address, with colons or dashes, in either case.
fn is_written(address: [u8; 6], text: &str) -> bool {
    let plain: String = text.chars().filter(|character| !matches!(character, ':' | '-')).collect();
    plain.len() == 12 && u64::from_str_radix(&plain, 16).is_ok_and(|number| number.to_be_bytes()[2..] == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapters() -> Vec<AdapterInfo> {
        [("hci0", 0x10, false), ("hci1", 0x11, true), ("hci10", 0x12, true)]
            .map(|(name, last, powered)| AdapterInfo { name: name.into(), address: Some([0xC0, 0xFF, 0xEE, 0, 0, last]), powered })
            .to_vec()
    }

    #[test]
    fn an_adapter_is_chosen_by_name_by_address_or_because_it_is_on() {
        let check = |wanted: Option<&str>, expected: Result<usize, &str>| match (choose(&adapters(), wanted), expected) {
            (Ok(index), Ok(expected)) => assert_eq!(index, expected, "{wanted:?}"),
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{wanted:?}: {error}"),
            (other, _) => panic!("{wanted:?}: {other:?}"),
        };
        check(None, Ok(1));
        check(Some("hci1"), Ok(1));
        check(Some("hci10"), Ok(2));
        check(Some("C0:FF:EE:00:00:12"), Ok(2));
        check(Some("c0-ff-ee-00-00-11"), Ok(1));
        check(Some("hci0"), Err("hci0: it is"));
        check(Some("hci"), Err("none named hci; it has hci0, hci1, hci10"));
        check(Some("C0:FF:EE:00:00:13"), Err("none named"));
        assert!(choose(&[], None).is_err_and(|error| error.to_string().contains("plug one in")));
        assert!(choose(&adapters()[..1], None).is_err_and(|error| error.to_string().contains("hci0: it is")));
    }
}
