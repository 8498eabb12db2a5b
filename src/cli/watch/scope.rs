//! Which hosts `watch` reads: everything, or what a person named. What is outside is passed through unread; doing that is the
//! proxy's.

use std::net::IpAddr;

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

/// Reads a host that a person names into what [`Scope::reads`] compares with: lower case, an IPv6 literal without brackets.
///
/// # Errors
/// When no host could ever fit it: what is wrong, and what to type instead.
pub(super) fn pattern(text: &str) -> Result<String, String> {
    let host = text.trim().trim_end_matches('.').to_ascii_lowercase();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    // What would be right in its place, where that can be guessed.
    let instead = |text: &str| pattern(text).map(|host| format!(": {host}")).unwrap_or_default();
    if host.is_empty() {
        return Err("it names no host; type one, as in example.com or api*.example.com".to_owned());
    }
    if host.contains('/') {
        let rest = host.split_once("://").map_or(host.as_str(), |(_, rest)| rest);
        let host = rest.split('/').next().unwrap_or_default();
        return Err(format!("it is more than a host; type the host alone{}", instead(host)));
    }
    if let Some((host, _)) = host.rsplit_once(':') {
        return Err(match host.contains(':') && !host.ends_with(']') {
            true => "it is no IPv6 address, and nothing else holds two colons".to_owned(),
            false => format!("every port of a host is read; type the host alone{}", instead(host)),
        });
    }
    if host.starts_with('.') {
        let host = host.trim_start_matches('.');
        return Err(format!("every host below one is read too; type it without the dot in front{}", instead(host)));
    }
    if !host.is_ascii() {
        let wire = url::Host::parse(&host).map(|host| host.to_string()).unwrap_or_default();
        return Err(format!("on the network it has another name, in ASCII; type that one{}", instead(&wire)));
    }
    if host.contains("..") {
        return Err("two dots stand side by side; type it without one of them".to_owned());
    }
    if let Some(strange) = host.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_' | '*')) {
        return Err(format!("no host has {strange:?} in its name; type one host, and --only again for each other one"));
    }
    if host.contains(|c: char| c.is_ascii_digit()) && host.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '*')) {
        return Err("part of an address fits no host; type all of it, as in 192.0.2.1".to_owned());
    }
    Ok(host)
}

/// Whether a host fits a pattern, or is below one that does. An address is below nothing.
fn holds(pattern: &HostPattern, host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return pattern.0.parse() == Ok(address);
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
    fn what_could_fit_no_host_is_refused_with_what_to_type_instead() {
        for (text, want) in [
            ("band.test", Ok("band.test")),
            (" Band.TEST. ", Ok("band.test")),
            ("*.band.test", Ok("*.band.test")),
            ("*", Ok("*")),
            ("api*_1.band.test", Ok("api*_1.band.test")),
            ("163.com", Ok("163.com")),
            ("192.0.2.1", Ok("192.0.2.1")),
            ("[::1]", Ok("::1")),
            ("2001:DB8:0:0::1", Ok("2001:db8::1")),
            ("", Err("as in example.com")),
            (".", Err("as in example.com")),
            ("localhost:19000", Err("type the host alone: localhost")),
            ("[::1]:443", Err("type the host alone: ::1")),
            ("::1::2::3", Err("no IPv6 address")),
            ("https://localhost/", Err("type the host alone: localhost")),
            ("https://localhost:8443/a/b", Err("type the host alone")),
            ("band.test/v1", Err("type the host alone: band.test")),
            (".huami.com", Err("without the dot in front: huami.com")),
            ("bücher.de", Err("type that one: xn--bcher-kva.de")),
            ("a..test", Err("side by side")),
            ("one.test,two.test", Err("--only again for each other one")),
            ("192.0.2.*", Err("type all of it")),
        ] {
            match (pattern(text), want) {
                (Ok(host), Ok(want)) => {
                    assert_eq!(host, want, "{text}");
                    assert!(host.contains('*') || Scope::new(None, std::slice::from_ref(&host)).reads(&host), "{text}");
                }
                (Err(why), Err(want)) => assert!(why.contains(want), "{text}: {why}"),
                (given, want) => panic!("{text}: {given:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn an_address_is_the_same_however_it_is_written() {
        check(&["2001:db8::1"], "2001:db8:0:0::1", true);
        check(&["2001:db8::1"], "2001:db8::2", false);
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
