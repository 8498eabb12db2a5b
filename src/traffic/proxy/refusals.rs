//! Which hosts' clients refuse our certificate again and again, so that their tunnels are better passed on unread and the app
//! goes on working. Each client is judged by itself, and anew when it begins to trust us. Forgotten with the proxy, so that
//! nothing carries over into another run.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Refusals of one proxy's life.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By client and host.
    hosts: HashMap<(IpAddr, String), Standing>,
    /// Clients of which something encrypted was read.
    trusting: HashSet<IpAddr>,
}

#[derive(Clone, Copy, Debug)]
enum Standing {
    /// Refused so many times, and nothing was read.
    Refused(u32),
    /// A request was read: whoever refuses is not the only app of this client.
    Read,
}

impl Refusals {
    /// A client refused the certificate of a host.
    pub(super) fn refused(&self, client: IpAddr, host: &str) {
        self.note(client, host, |standing| match standing {
            Some(Standing::Refused(times)) => Standing::Refused(times.saturating_add(1)),
            Some(Standing::Read) => Standing::Read,
            None => Standing::Refused(1),
        });
    }

    /// A client's request to a host was read.
    pub(super) fn read(&self, client: IpAddr, host: &str) {
        self.note(client, host, |_| Standing::Read);
    }

    /// Something of a client was decrypted. The first time, what it refused before counts no more: our certificate was most
    /// likely not installed yet. Later refusals are an app's own.
    pub(super) fn trusts(&self, client: IpAddr) {
        let mut known = self.known();
        if known.trusting.len() < MOST && known.trusting.insert(client) {
            known.forget(client);
        }
    }

    /// A client has shown, on purpose, that it trusts us: it is judged anew.
    pub(super) fn forget(&self, client: IpAddr) {
        self.known().forget(client);
    }

    /// Whether there is no use in trying again.
    pub(super) fn gave_up(&self, client: IpAddr, host: &str) -> bool {
        // A key to look for needs no copy where nothing was ever refused, which is most of the time.
        let known = self.known();
        !known.hosts.is_empty()
            && matches!(known.hosts.get(&(client, host.to_owned())), Some(Standing::Refused(times)) if *times >= PATIENCE)
    }

    fn note(&self, client: IpAddr, host: &str, change: impl FnOnce(Option<Standing>) -> Standing) {
        let mut known = self.known();
        let key = (client, host.to_owned());
        let standing = known.hosts.get(&key).copied();
        if standing.is_some() || known.hosts.len() < MOST {
            known.hosts.insert(key, change(standing));
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn forget(&mut self, client: IpAddr) {
        self.hosts.retain(|(of, _), standing| *of != client || matches!(standing, Standing::Read));
    }
}

/// One refusal may be a connection that was not needed any more; three are none.
const PATIENCE: u32 = 3;
/// Hosts of clients remembered, and clients. A run meets some hundred.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8));

    fn check(story: &str, gave_up: bool) {
        let refusals = Refusals::default();
        for word in story.split(' ') {
            match word {
                "refused" => refusals.refused(PHONE, "a.test"),
                "read" => refusals.read(PHONE, "a.test"),
                "trusts" => refusals.trusts(PHONE),
                "checked" => refusals.forget(PHONE),
                "elsewhere" => refusals.refused(PHONE, "b.test"),
                "another" => refusals.refused(OTHER, "a.test"),
                "another-trusts" => refusals.trusts(OTHER),
                other => panic!("{other} is no word of a story"),
            }
        }
        assert_eq!(refusals.gave_up(PHONE, "a.test"), gave_up, "{story}");
    }

    #[test]
    fn three_refusals_and_nothing_read_is_enough() {
        check("refused refused", false);
        check("refused refused refused", true);
        check("refused refused elsewhere elsewhere", false);
        check("read refused refused refused refused", false);
        check("refused refused refused read", false);
    }

    #[test]
    fn one_client_is_not_judged_by_another() {
        check("another another another", false);
        check("refused refused another", false);
        check("refused refused refused another-trusts", true);
    }

    #[test]
    fn what_was_refused_before_the_certificate_was_installed_is_forgotten() {
        check("refused refused refused trusts", false);
        check("refused refused refused trusts refused refused", false);
        check("refused refused refused trusts refused refused refused", true);
        // An app that refuses goes on working, however much of the others is read.
        check("trusts refused refused refused trusts", true);
        check("trusts refused refused refused checked", false);
    }
}
