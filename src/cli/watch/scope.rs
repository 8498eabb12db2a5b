//! Which hosts `watch` reads: everything, or what a person named. What is outside is passed through unread; doing that is the
//! proxy's.

use crate::{
    decode::adapter,
    model::{App, HostPattern},
};

/// Which hosts are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every host.
    Everything,
    /// Hosts that fit one of these patterns, and every host below one.
    Only(Vec<HostPattern>),
}

impl Scope {
    /// The scope of an app: its own hosts, the receivers that its file names, and the services for measuring and crashes that an
    /// adapter knows. With none of the two, everything.
    ///
    /// What an app sends to such services is what a person wants to see of it. Hosts that serve a person's own chats and accounts
    /// as well are left out: whoever wants them read names them.
    pub(super) fn new(app: Option<&App>, only: &[String]) -> Self {
        let of_app = app.into_iter().flat_map(|app| {
            let own = app.first_party.iter().chain(app.receivers.iter().map(|(pattern, _)| pattern));
            let services = adapter::adapters().iter().flat_map(|adapter| &adapter.hosts);
            own.chain(services.filter(|pattern| !PERSONAL.contains(&pattern.0.as_str()))).cloned()
        });
        let named = only.iter().map(|pattern| HostPattern(pattern.trim().trim_end_matches('.').to_ascii_lowercase()));
        let patterns: Vec<HostPattern> = of_app.chain(named).collect();
        if app.is_none() && only.is_empty() { Self::Everything } else { Self::Only(patterns) }
    }

    /// Whether a host (lower case, an IPv6 literal without brackets) is read.
    pub(super) fn reads(&self, host: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(patterns) => patterns.iter().any(|pattern| holds(pattern, host.trim_end_matches('.'))),
        }
    }

    /// For a reader, after "reads".
    pub(super) fn in_words(&self, app: Option<&str>, only: &[String]) -> String {
        match (self, app, only) {
            (Self::Everything, ..) => "every host".to_owned(),
            (Self::Only(_), Some(app), []) => format!("the hosts of {app}, and services for measuring and crashes"),
            (Self::Only(_), Some(app), only) => {
                format!("the hosts of {app}, services for measuring and crashes, and {}", only.join(", "))
            }
            (Self::Only(_), None, only) => format!("only {}", only.join(", ")),
        }
    }
}

/// Whether a host fits a pattern, or is below one that does. An address is below nothing.
fn holds(pattern: &HostPattern, host: &str) -> bool {
    if host.parse::<std::net::IpAddr>().is_ok() {
        return pattern.0 == host;
    }
    let ends = std::iter::successors(Some(host), |rest| rest.split_once('.').map(|(_, rest)| rest));
    ends.take(MOST_LABELS).any(|end| pattern.matches(end))
}

/// Hosts of services for measuring by which a person's own messages and accounts go too.
const PERSONAL: [&str; 5] =
    ["graph.facebook.com", "*.graph.facebook.com", "www.facebook.com", "web.facebook.com", "android.clients.google.com"];
/// No host has more.
const MOST_LABELS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(only: &[&str], host: &str, want: bool) {
        let only: Vec<String> = only.iter().map(|pattern| (*pattern).to_owned()).collect();
        assert_eq!(Scope::new(None, &only).reads(host), want, "{only:?} {host}");
    }

    #[test]
    fn a_pattern_holds_for_itself_and_what_is_below_it() {
        check(&[], "bank.test", true);
        check(&["band.test"], "band.test", true);
        check(&["band.test"], "a.b.band.test", true);
        check(&["band.test"], "band.test.", true);
        check(&["band.test"], "otherband.test", false);
        check(&["band.test"], "band.test.bank.test", false);
        check(&["api*.band.test"], "api-de.band.test", true);
        check(&["api*.band.test"], "www.band.test", false);
        check(&["Band.TEST", "b.test"], "api.band.test", true);
        check(&["192.0.2.1"], "192.0.2.1", true);
        check(&["2.1"], "192.0.2.1", false);
        check(&["2001:db8::1"], "2001:db8::1", true);
    }

    #[test]
    fn an_apps_scope_is_its_hosts_its_receivers_and_the_services_that_adapters_know() {
        let app = App {
            first_party: vec![HostPattern("api*.band.test".into())],
            receivers: vec![(HostPattern("map.test".into()), "Map".into())],
            ..App::default()
        };
        let scope = Scope::new(Some(&app), &["extra.test".into()]);
        for (host, want) in [
            ("api-de.band.test", true),
            ("map.test", true),
            ("extra.test", true),
            ("app.adjust.com", true),
            ("bank.test", false),
            ("chat.test", false),
            ("graph.facebook.com", false),
        ] {
            assert_eq!(scope.reads(host), want, "{host}");
        }
        assert!(!Scope::new(Some(&App::default()), &[]).reads("bank.test"), "an app without hosts is no leave to read everything");
    }
}
