//! The file descriptors of this program: each connection takes one on either side, each large body that is being recorded one more.
//! The system gives only so many. The last are for files, because what is recorded must not lack one for the sake of connections, and
//! some before those are for servers, because a client without one is of no use.

/// Raises this program's limit as far as the system lets it. A Mac gives 256 to begin with, which a phone with many apps reaches.
pub(super) fn raise_the_limit() {
    #[cfg(unix)]
    unix::raise_the_limit();
}

/// For what a descriptor is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Use {
    /// A connection of a client.
    Client,
    /// A connection to a server.
    Server,
}

/// Whether what was just opened has one of the descriptors that are kept for something else.
#[cfg(unix)]
pub(super) fn are_scarce(of: Use, opened: &impl std::os::fd::AsRawFd) -> bool {
    // The system gives the lowest number that is free, so that the number says how many there are.
    let number = u64::try_from(opened.as_raw_fd()).unwrap_or(0);
    unix::limit().is_some_and(|limit| number >= most(of, limit))
}

/// Whether what was just opened has one of the descriptors that are kept for something else: here, nobody counts them.
#[cfg(not(unix))]
pub(super) const fn are_scarce<O>(_of: Use, _opened: &O) -> bool {
    false
}

/// How many descriptors there may be, when one for this is opened, of so many.
#[cfg_attr(not(unix), allow(dead_code, reason = "nobody counts them there"))]
const fn most(of: Use, limit: u64) -> u64 {
    let files = if limit / 8 < MOST_FOR_FILES { limit / 8 } else { MOST_FOR_FILES };
    let connections = limit - files;
    match of {
        Use::Client => connections - connections / 4,
        Use::Server => connections,
    }
}

#[cfg(unix)]
mod unix {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    pub(super) fn raise_the_limit() {
        let limit = getrlimit(Resource::Nofile);
        let wanted = limit.maximum.map_or(WANTED, |most| most.min(WANTED));
        if limit.current.is_some_and(|now| now < wanted) {
            // Where the system does not let us, there are as many as before.
            let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
        }
    }

    pub(super) fn limit() -> Option<u64> {
        getrlimit(Resource::Nofile).current
    }

    /// As many as a Mac gives at most (`OPEN_MAX`), whatever it says.
    const WANTED: u64 = 10_240;
}

/// So many are for files, or an eighth of all.
#[cfg_attr(not(unix), allow(dead_code, reason = "nobody counts them there"))]
const MOST_FOR_FILES: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_servers_find_descriptors_when_clients_find_none() {
        for limit in [0, 1, 20, 64, 100, 256, 1024, 10_240, u64::MAX] {
            let [clients, servers] = [Use::Client, Use::Server].map(|of| most(of, limit));
            assert!(clients <= servers && servers <= limit, "{limit}");
            assert!(limit < 20 || (clients < servers && servers < limit && clients >= limit / 2), "{limit}: {clients}, {servers}");
        }
    }
}
