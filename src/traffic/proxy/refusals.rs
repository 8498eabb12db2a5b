//! Which hosts' clients refuse our certificate again and again, so that their tunnels are better passed on unread and the app
//! goes on working. Forgotten with the proxy, so that nothing carries over into another run.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Refusals of one proxy's life, by host.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<String, Standing>>);

#[derive(Clone, Copy, Debug)]
enum Standing {
    /// Refused so many times, and nothing was read.
    Refused(u32),
    /// A request was read: whoever refuses is not the only client.
    Read,
}

impl Refusals {
    /// A client refused the certificate of a host.
    pub(super) fn refused(&self, host: &str) {
        self.note(host, |standing| match standing {
            Some(Standing::Refused(times)) => Standing::Refused(times.saturating_add(1)),
            Some(Standing::Read) => Standing::Read,
            None => Standing::Refused(1),
        });
    }

    /// A request to a host was read.
    pub(super) fn read(&self, host: &str) {
        self.note(host, |_| Standing::Read);
    }

    /// Whether there is no use in trying again.
    pub(super) fn gave_up(&self, host: &str) -> bool {
        matches!(self.hosts().get(host), Some(Standing::Refused(times)) if *times >= PATIENCE)
    }

    fn note(&self, host: &str, change: impl FnOnce(Option<Standing>) -> Standing) {
        let mut hosts = self.hosts();
        let known = hosts.get(host).copied();
        if known.is_some() || hosts.len() < MOST {
            hosts.insert(host.to_owned(), change(known));
        }
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One refusal may be a connection that was not needed any more; three are none.
const PATIENCE: u32 = 3;
/// Hosts remembered. A run meets some hundred.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(story: &str, gave_up: bool) {
        let refusals = Refusals::default();
        for word in story.split(' ') {
            match word {
                "refused" => refusals.refused("a.test"),
                "read" => refusals.read("a.test"),
                _ => refusals.refused("b.test"),
            }
        }
        assert_eq!(refusals.gave_up("a.test"), gave_up, "{story}");
    }

    #[test]
    fn three_refusals_and_nothing_read_is_enough() {
        check("refused refused", false);
        check("refused refused refused", true);
        check("refused refused other other", false);
        check("read refused refused refused refused", false);
        check("refused refused refused read", false);
    }
}
