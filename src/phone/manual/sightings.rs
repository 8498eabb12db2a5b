//! What the proxy and the record have seen of a phone that a person works, so that their word can be checked. A few facts with the
//! order in which they came; whoever makes a rig feeds them, and the capture keeps everything else.

use std::{collections::BTreeMap, time::Duration};

use tokio::sync::watch;

use crate::model::{App, text::printable};

/// What was seen so far, for as many runs as there are.
#[derive(Debug)]
pub struct Sightings {
    app: App,
    seen: watch::Sender<Seen>,
}

/// A moment between two sightings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u64);

/// What a person's word is checked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Somebody connected to one of the app's own hosts, or sent a request there.
    App,
    /// Something came by way of the proxy.
    ByProxy,
    /// The probe was read: the phone trusts the rig's authority.
    Trust,
}

/// Each fact with the number of its last sighting; 0 is never.
#[derive(Debug, Default)]
struct Seen {
    count: u64,
    by_proxy: u64,
    trust: u64,
    app: u64,
    app_host: String,
    /// How the probe's connection was left that could not be read.
    left: u64,
    left_how: String,
    /// Other hosts, for words.
    others: BTreeMap<String, u64>,
}

impl Sightings {
    /// Nothing seen yet of the phone with this app.
    pub fn new(app: App) -> Self {
        Self { app, seen: watch::Sender::default() }
    }

    /// Somebody connected to a host, or sent a request there, by way of the proxy.
    pub fn connected(&self, host: &str) {
        let is_own = self.app.first_party_pattern(host).is_some();
        self.saw(|seen, number| {
            seen.by_proxy = number;
            if is_own {
                seen.app = number;
                host.clone_into(&mut seen.app_host);
            } else if seen.others.len() < MOST_HOSTS || seen.others.contains_key(host) {
                seen.others.insert(host.to_owned(), number);
            }
        });
    }

    /// A page of our own was asked for by way of the proxy.
    pub fn came_by_proxy(&self) {
        self.saw(|seen, number| seen.by_proxy = number);
    }

    /// The probe was read inside a connection that was encrypted for us.
    pub fn read_the_probe(&self) {
        self.saw(|seen, number| (seen.by_proxy, seen.trust) = (number, number));
    }

    /// The probe's connection was left without a request that could be read; how, in words.
    pub fn left_the_probe(&self, how: &str) {
        self.saw(|seen, number| {
            (seen.by_proxy, seen.left) = (number, number);
            how.clone_into(&mut seen.left_how);
        });
    }

    /// Now.
    pub fn mark(&self) -> Mark {
        Mark(self.seen.borrow().count)
    }

    /// Waits until there was a fact after a mark, so long at most in real time. Gives the fact in words; what there was instead when
    /// there was none.
    ///
    /// # Errors
    /// What was seen after the mark, without captured values: numbers and hosts.
    pub async fn wait(&self, since: Mark, fact: Fact, at_most: Duration) -> Result<String, String> {
        let mut seen = self.seen.subscribe();
        let _ = tokio::time::timeout(at_most, seen.wait_for(|seen| seen.last(fact) > since.0)).await;
        let seen = seen.borrow();
        if seen.last(fact) > since.0 { Ok(seen.in_words(fact)) } else { Err(seen.instead(since)) }
    }

    fn saw(&self, note: impl FnOnce(&mut Seen, u64)) {
        self.seen.send_modify(|seen| {
            seen.count += 1;
            let number = seen.count;
            note(seen, number);
        });
    }
}

impl Seen {
    const fn last(&self, fact: Fact) -> u64 {
        match fact {
            Fact::App => self.app,
            Fact::ByProxy => self.by_proxy,
            Fact::Trust => self.trust,
        }
    }

    fn in_words(&self, fact: Fact) -> String {
        match fact {
            Fact::App => format!("traffic to {}", printable(&self.app_host)),
            Fact::ByProxy => "the phone sends through the proxy".to_owned(),
            Fact::Trust => "a request of the phone's was decrypted".to_owned(),
        }
    }

    fn instead(&self, since: Mark) -> String {
        if self.left > since.0 {
            return format!("a connection that could not be read: {}", self.left_how);
        }
        let hosts: Vec<&str> = self.others.iter().filter(|(_, last)| **last > since.0).map(|(host, _)| host.as_str()).collect();
        let more = hosts.len().saturating_sub(HOSTS_NAMED);
        match hosts.len() {
            0 if self.app > since.0 => "traffic to the app's own hosts only".to_owned(),
            0 if self.by_proxy > since.0 => "nothing but our own page by way of the proxy".to_owned(),
            0 => "nothing at all from the phone".to_owned(),
            _ if more > 0 => format!("traffic to {} and {more} other hosts", printable(&hosts[..HOSTS_NAMED].join(", "))),
            _ => format!("traffic to {} only", printable(&hosts.join(", "))),
        }
    }
}

/// A phone talks to some hundred. More are not told apart.
const MOST_HOSTS: usize = 4_096;
/// Hosts that a message names before it counts the rest.
const HOSTS_NAMED: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HostPattern;

    fn sightings() -> Sightings {
        Sightings::new(App { first_party: vec![HostPattern("api*.demo.test".into())], ..App::default() })
    }

    #[tokio::test]
    async fn only_what_came_after_the_mark_counts() {
        let sightings = sightings();
        let at_most = Duration::ZERO;
        sightings.connected("api-1.demo.test");
        let mark = sightings.mark();
        assert_eq!(sightings.wait(mark, Fact::App, at_most).await, Err("nothing at all from the phone".into()));
        sightings.connected("news.test");
        assert_eq!(sightings.wait(mark, Fact::App, at_most).await, Err("traffic to news.test only".into()));
        assert_eq!(sightings.wait(mark, Fact::ByProxy, at_most).await, Ok("the phone sends through the proxy".into()));
        sightings.connected("api-2.demo.test");
        assert_eq!(sightings.wait(mark, Fact::App, at_most).await, Ok("traffic to api-2.demo.test".into()));
    }

    #[tokio::test]
    async fn a_refused_certificate_is_what_there_was() {
        let sightings = sightings();
        let mark = sightings.mark();
        sightings.left_the_probe("the phone refused our certificate");
        let instead = sightings.wait(mark, Fact::Trust, Duration::ZERO).await.expect_err("it does not trust us");
        assert_eq!(instead, "a connection that could not be read: the phone refused our certificate");
        sightings.read_the_probe();
        sightings.wait(mark, Fact::Trust, Duration::ZERO).await.expect("now it does");
    }

    #[tokio::test]
    async fn what_comes_while_somebody_waits_is_seen_at_once() {
        let sightings = sightings();
        let mark = sightings.mark();
        let (fact, ()) =
            tokio::join!(sightings.wait(mark, Fact::App, Duration::from_secs(60)), async { sightings.connected("api.demo.test") });
        assert_eq!(fact, Ok("traffic to api.demo.test".into()));
    }

    #[tokio::test]
    async fn very_many_hosts_take_bounded_memory_and_hide_none_of_the_app() {
        let sightings = sightings();
        let mark = sightings.mark();
        for number in 0..10_000 {
            sightings.connected(&format!("host-{number}.test"));
        }
        assert_eq!(sightings.seen.borrow().others.len(), MOST_HOSTS);
        let instead = sightings.wait(mark, Fact::App, Duration::ZERO).await.expect_err("no host of the app");
        assert!(instead.ends_with("and 4091 other hosts"), "{instead}");
        sightings.connected("api.demo.test");
        sightings.wait(mark, Fact::App, Duration::ZERO).await.expect("it is seen");
    }
}
