//! What the phone counts of an app's traffic: bytes over its networks, by the user id under which the app runs. What crosses the phone's
//! own loopback, as everything does that comes to the proxy by the tunnel, is not counted, so that each counted byte went another way;
//! over Wi-Fi what goes to the proxy is counted as well. A user id ends with its app: one that is installed anew counts from nothing.

use super::{client::Adb, error::AdbError, route::RouteKind};
use crate::phone::{Counted, Outside};

/// What was counted of the app since the route was made, whatever was installed and removed meanwhile.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// What was counted under user ids that are gone.
    gone: Counters,
    /// The user id under which the app runs, and what was counted of it when the tally began.
    current: Option<(u32, Counters)>,
    /// Why it is not all.
    gap: Option<String>,
}

/// What the phone has counted of one user id, ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    sent: Direction,
    received: Direction,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Direction {
    /// Bytes, with the headers of the network's packets.
    bytes: u64,
    packets: u64,
}

impl Tally {
    /// Begins to count, for an app with this user id; `None` when it is not there.
    pub(super) async fn begin(adb: &Adb, uid: Option<u32>) -> Self {
        let mut tally = Self::default();
        let Some(uid) = uid else { return tally };
        match of(adb, uid).await {
            Ok(now) => tally.current = Some((uid, now)),
            Err(error) => tally.gap = Some(unread(&error)),
        }
        tally
    }

    /// What was counted of the app that is about to be removed, to be given to [`Tally::removed`] when it is.
    pub(super) async fn removing(&self, adb: &Adb) -> Result<Counters, AdbError> {
        match self.current {
            Some((uid, before)) => Ok(since(before, of(adb, uid).await?).0),
            None => Ok(Counters::default()),
        }
    }

    /// The app is gone, and its counters with it.
    pub(super) fn removed(&mut self, counted: Result<Counters, AdbError>) {
        match counted {
            Ok(counted) => self.gone = self.gone.and(counted),
            Err(error) => self.gap = Some(unread(&error)),
        }
        self.current = None;
    }

    /// The app is there under this user id: it was installed, or still is.
    pub(super) fn is_under(&mut self, uid: u32) {
        match self.current {
            Some((known, _)) if known == uid => {}
            Some(_) => {
                self.gap = Some("the app was removed and installed again by somebody else, and its counters went with it".to_owned());
                self.current = Some((uid, Counters::default()));
            }
            None => self.current = Some((uid, Counters::default())),
        }
    }

    /// What was counted until now, of the app that has this user id now; `None` when it is not there any more.
    pub(super) async fn end(mut self, adb: &Adb, uid: Option<u32>, route: RouteKind) -> Outside {
        let mut total = self.gone;
        match uid {
            Some(uid) if self.gap.is_none() || self.current.is_some() => self.is_under(uid),
            None if self.current.take().is_some() => {
                self.gap = Some("the app was removed by somebody else, and its counters went with it".to_owned());
            }
            _ => {}
        }
        if let Some((uid, before)) = self.current {
            match of(adb, uid).await {
                Ok(now) => {
                    let (counted, is_all) = since(before, now);
                    total = total.and(counted);
                    if !is_all {
                        self.gap = Some("the phone's counters began anew meanwhile: it was restarted".to_owned());
                    }
                }
                Err(error) => self.gap = Some(unread(&error)),
            }
        }
        let with_proxied = route == RouteKind::Wifi;
        let bytes = if with_proxied { total.carried() } else { total.bytes() };
        Outside::Counted { bytes, with_proxied, gap: self.gap }
    }
}

impl Counters {
    const fn and(self, other: Self) -> Self {
        Self { sent: self.sent.and(other.sent), received: self.received.and(other.received) }
    }

    /// All bytes.
    const fn bytes(self) -> Counted {
        Counted { sent: self.sent.bytes, received: self.received.bytes }
    }

    /// What the packets carried, at least.
    const fn carried(self) -> Counted {
        Counted { sent: self.sent.carried(), received: self.received.carried() }
    }
}

impl Direction {
    const fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), packets: self.packets.saturating_add(other.packets) }
    }

    const fn carried(self) -> u64 {
        self.bytes.saturating_sub(self.packets.saturating_mul(LONGEST_HEADERS))
    }

    /// What was added; all there is, and false, where less is there than before.
    const fn since(self, before: Self) -> (Self, bool) {
        if self.bytes < before.bytes {
            return (self, false);
        }
        (Self { bytes: self.bytes - before.bytes, packets: self.packets.saturating_sub(before.packets) }, true)
    }
}

/// What the phone has counted of a user id, ever.
///
/// # Errors
/// When the phone does not answer, or not in a way that is understood: then nothing is known.
async fn of(adb: &Adb, uid: u32) -> Result<Counters, AdbError> {
    let what = "read the phone's traffic counters";
    // Without `poll` the last half hour may still be missing.
    let dump = adb.ask(&["dumpsys", "netstats", "detail", "poll"], what).await?;
    parse(&dump, uid).ok_or_else(|| AdbError::NotUnderstood { what: what.to_owned(), said: super::error::cut(&dump) })
}

/// Sums the buckets of a user id in `UID stats`, of traffic without a tag: what has one is counted without it as well. `None` where
/// there is no such section: no traffic is another thing than no answer.
fn parse(dump: &str, uid: u32) -> Option<Counters> {
    let mut total = Counters::default();
    let (mut inside, mut ours, mut understood) = (false, false, false);
    for line in dump.lines() {
        let words = line.trim();
        if !line.starts_with(' ') && words.ends_with(':') {
            inside = words == "UID stats:";
            understood |= inside;
            ours = false;
            continue;
        }
        if !inside {
            continue;
        }
        let value = |name: &str| words.split([' ', ',', '{', '}']).find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        if words.starts_with("ident=") {
            ours = value("uid").is_some_and(|is| is.parse() == Ok(uid)) && value("tag") == Some("0x0");
        } else if ours && let (Some(received), Some(sent)) = (value("rb").or(value("rxBytes")), value("tb").or(value("txBytes"))) {
            let packets = |short: &str, long: &str| value(short).or(value(long)).and_then(|count| count.parse().ok()).unwrap_or_default();
            let received = Direction { bytes: received.parse().ok()?, packets: packets("rp", "rxPackets") };
            let sent = Direction { bytes: sent.parse().ok()?, packets: packets("tp", "txPackets") };
            total = total.and(Counters { sent, received });
        }
    }
    understood.then_some(total)
}

/// What was added since, and whether that is all: counters that went back have lost something.
fn since(before: Counters, now: Counters) -> (Counters, bool) {
    let ((sent, all_sent), (received, all_received)) = (now.sent.since(before.sent), now.received.since(before.received));
    (Counters { sent, received }, all_sent && all_received)
}

fn unread(error: &AdbError) -> String {
    format!("the phone's counters could not be read: failed to {error}")
}

/// Longest headers of a packet that carries a connection's bytes: IPv6 (RFC 8200 section 3), TCP with time stamps (RFC 9293 section 3.1,
/// RFC 7323 section 3).
const LONGEST_HEADERS: u64 = 40 + 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Captured, phone::adb::AdbProgram};

    /// As Android 13 prints it, shortened.
    const DUMP: &str = "\
Active interfaces:
  iface=wlan0 ident=[{type=1}]
Xt stats:
  Pending bytes: 0
  ident=[{type=1}] uid=-1 set=ALL tag=0x0
    NetworkStatsHistory: bucketDuration=3600
      st=1772438400 rb=999999 rp=1 tb=999999 tp=1 op=0
UID stats:
  Pending bytes: 13288
  Complete history:
  ident=[{type=1, ratType=COMBINED, wifiNetworkKey=\"x\"}] uid=10151 set=DEFAULT tag=0x0
    NetworkStatsHistory: bucketDuration=7200
      st=1772438400 rb=100 rp=3 tb=20 tp=2 op=0
      st=1772445600 rb=1 rp=1 tb=2 tp=1 op=0
  ident=[{type=1}] uid=10151 set=FOREGROUND tag=0x0
    NetworkStatsHistory: bucketDuration=7200
      st=1772438400 rb=1000 rp=3 tb=200 tp=2 op=0
  ident=[{type=1}] uid=10151 set=DEFAULT tag=0x5
    NetworkStatsHistory: bucketDuration=7200
      st=1772438400 rb=7 rp=3 tb=7 tp=2 op=0
  ident=[{type=1}] uid=10152 set=DEFAULT tag=0x0
    NetworkStatsHistory: bucketDuration=7200
      st=1772438400 rb=5 rp=3 tb=5 tp=2 op=0
UID tag stats:
  ident=[{type=1}] uid=10151 set=DEFAULT tag=0x0
      st=1772438400 rb=5 rp=3 tb=5 tp=2 op=0
";

    #[test]
    fn an_app_s_bytes_are_counted_once() {
        let of = |dump, uid| parse(dump, uid).map(Counters::bytes);
        assert_eq!(of(DUMP, 10151), Some(Counted { received: 1101, sent: 222 }));
        assert_eq!(of(DUMP, 10999), Some(Counted::default()), "no traffic");
        assert_eq!(of("Permission Denial: can't dump", 10151), None, "nothing is known");
        assert_eq!(
            parse(DUMP, 10151).map(Counters::carried),
            Some(Counted { received: 1101 - 7 * 72, sent: 0 }),
            "without packets' headers"
        );
    }

    /// A phone whose counters say `BYTES UID…`, sent bytes of each.
    #[cfg(unix)]
    fn phone(folder: &std::path::Path) -> Adb {
        let program = folder.join("adb");
        std::fs::write(&program, "#!/bin/sh\nfor last; do :; done\ndumpsys() { cat \"${0%/*}/counters\"; }\neval \"$last\"\n")
            .expect("ours");
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("ours");
        Adb::new(AdbProgram { program, ..AdbProgram::default() }, Captured::new("INVENTED01".into()))
    }

    #[cfg(unix)]
    fn say(folder: &std::path::Path, counters: &[(u32, u64)]) {
        let mut dump = "UID stats:\n".to_owned();
        for (uid, sent) in counters {
            dump.push_str(&format!("  ident=[{{type=1}}] uid={uid} set=DEFAULT tag=0x0\n      st=1 rb=0 rp=0 tb={sent} tp=1 op=0\n"));
        }
        std::fs::write(folder.join("counters"), dump).expect("ours");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_was_sent_before_and_after_a_first_installation_is_counted_and_what_was_not_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let (adb, at) = (phone(folder.path()), folder.path());
        let sent = |bytes| Outside::Counted { bytes: Counted { sent: bytes, received: 0 }, with_proxied: false, gap: None };

        say(at, &[(10151, 500)]);
        let mut tally = Tally::begin(&adb, Some(10151)).await;
        say(at, &[(10151, 570)]);
        let counted = tally.removing(&adb).await;
        tally.removed(counted);
        say(at, &[(10152, 30)]);
        tally.is_under(10152);
        assert_eq!(tally.end(&adb, Some(10152), RouteKind::Reverse).await, sent(100), "70 of the first, 30 of the second");

        let tally = Tally::begin(&adb, None).await;
        assert_eq!(tally.end(&adb, Some(10152), RouteKind::Reverse).await, sent(30), "it was not there, and counts from nothing");

        let tally = Tally::begin(&adb, Some(10151)).await;
        let Outside::Counted { bytes, gap, .. } = tally.end(&adb, Some(10152), RouteKind::Reverse).await else { panic!("it counts") };
        assert!(bytes.sent == 30 && gap.is_some_and(|gap| gap.contains("installed again by somebody else")));

        let tally = Tally::begin(&adb, Some(10152)).await;
        let Outside::Counted { gap, .. } = tally.end(&adb, None, RouteKind::Reverse).await else { panic!("it counts") };
        assert!(gap.is_some_and(|gap| gap.contains("removed by somebody else")));

        let tally = Tally::begin(&adb, Some(10152)).await;
        say(at, &[(10152, 7)]);
        let Outside::Counted { bytes, gap, .. } = tally.end(&adb, Some(10152), RouteKind::Reverse).await else { panic!("it counts") };
        assert!(bytes.sent == 7 && gap.is_some_and(|gap| gap.contains("began anew")));

        std::fs::write(at.join("counters"), "Permission Denial: can't dump\n").expect("ours");
        let tally = Tally::begin(&adb, Some(10152)).await;
        let Outside::Counted { gap, .. } = tally.end(&adb, Some(10152), RouteKind::Reverse).await else { panic!("it counts") };
        assert!(gap.is_some_and(|gap| gap.contains("could not be read")), "what could not be read is not nothing");
    }
}
