//! What the phone counts of an app's traffic: bytes over its networks. What crosses its own loopback, as everything does that comes to
//! the proxy by the tunnel, is not counted, so that each counted byte went another way.

use super::{client::Adb, error::AdbError};
use crate::phone::BytesOutside;

/// Bytes that an app sent and received over the phone's networks, ever.
///
/// # Errors
/// When the phone does not answer, or not in a way that is understood: then nothing is known.
pub(super) async fn of(adb: &Adb, uid: u32) -> Result<BytesOutside, AdbError> {
    let what = "read the phone's traffic counters";
    // Without `poll` the last half hour may still be missing.
    let dump = adb.ask(&["dumpsys", "netstats", "detail", "poll"], what).await?;
    parse(&dump, uid).ok_or_else(|| AdbError::NotUnderstood { what: what.to_owned(), said: super::error::cut(&dump) })
}

/// Sums the buckets of a user id in `UID stats`, of traffic without a tag: what has one is counted without it as well. `None` where
/// there is no such section: no traffic is another thing than no answer.
fn parse(dump: &str, uid: u32) -> Option<BytesOutside> {
    let mut total = BytesOutside::default();
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
            total.received = total.received.saturating_add(received.parse().ok()?);
            total.sent = total.sent.saturating_add(sent.parse().ok()?);
        }
    }
    understood.then_some(total)
}

/// What was added since; a phone that was restarted has not gone below what it kept.
pub(super) const fn since(before: BytesOutside, now: BytesOutside) -> BytesOutside {
    BytesOutside { sent: now.sent.saturating_sub(before.sent), received: now.received.saturating_sub(before.received) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(parse(DUMP, 10151), Some(BytesOutside { received: 1101, sent: 222 }));
        assert_eq!(parse(DUMP, 10999), Some(BytesOutside::default()), "no traffic");
        assert_eq!(parse("Permission Denial: can't dump", 10151), None, "nothing is known");
    }
}
