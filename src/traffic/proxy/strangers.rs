//! Clients that are not admitted: how many connections they may have, and for how long, so that nobody on the network can use up
//! what the admitted ones need. Who is admitted is the gate's decision.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The connections of clients that are not admitted.
#[derive(Debug, Default)]
pub(super) struct Strangers(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    of: HashMap<IpAddr, usize>,
    all: usize,
}

/// A place for one connection, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    strangers: Arc<Strangers>,
    client: IpAddr,
}

/// A stranger's connection lasts this long at most: time enough to load a page and to send a code, each on a connection of its own.
pub(super) const VISIT: Duration = Duration::from_secs(30);
/// Connections of one address at once. A browser opens six.
const EACH: usize = 12;
/// Connections of all strangers at once.
const ALL: usize = 128;

impl Strangers {
    /// A place for a connection of a client; `None` when it has its share, or all strangers have theirs.
    pub(super) fn enter(self: &Arc<Self>, client: IpAddr) -> Option<Place> {
        let mut open = self.open();
        if open.all >= ALL || open.of.get(&client).is_some_and(|own| *own >= EACH) {
            return None;
        }
        open.all += 1;
        *open.of.entry(client).or_default() += 1;
        Some(Place { strangers: Arc::clone(self), client })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.strangers.open();
        open.all -= 1;
        if let Some(own) = open.of.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                open.of.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, number))
    }

    #[test]
    fn one_address_has_its_share_and_all_together_theirs() {
        let strangers = Arc::new(Strangers::default());
        let own: Vec<Place> = std::iter::from_fn(|| strangers.enter(address(1))).collect();
        assert_eq!(own.len(), EACH);
        let others: Vec<Place> =
            (2..=255).flat_map(|number| std::iter::from_fn(|| strangers.enter(address(number))).collect::<Vec<_>>()).collect();
        assert_eq!(own.len() + others.len(), ALL);
        drop(own);
        assert!(strangers.enter(address(255)).is_some(), "a place that is free is somebody else's");
        drop(others);
        assert!(strangers.open().of.is_empty() && strangers.open().all == 0, "and nobody is remembered");
    }
}
