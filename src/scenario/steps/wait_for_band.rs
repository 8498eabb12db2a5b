//! `waitForBand`: waits until the band advertises, or until its silence says that somebody holds it.

use std::time::Duration;

use async_trait::async_trait;

use super::{Build, POLL, Step, StepError, StepKind, Takes, wait_for_quiet::elapsed};
use crate::scenario::{
    rig::Stage,
    spec::{Key, Kind, Need},
};

pub(super) const KIND: StepKind = StepKind {
    name: "waitForBand",
    about: "Wait until the band advertises, or until somebody holds it",
    takes: Takes::Map(&[
        Key {
            name: "is",
            about: "What it has to be: `advertising` (nobody holds it) or `connected` (somebody does)",
            kind: Kind::Word(&["advertising", "connected"]),
            need: Need::Required,
        },
        Key { name: "within", about: "How long to wait at most", kind: Kind::Duration, need: Need::Default("60s") },
    ]),
    does: "Listens for the band's advertisement. A band of this kind has one connection at a time and is silent while it lasts, so that its \
           silence tells that the phone has it; nobody can see with whom it is connected. `connected` is said when the band was heard or \
           read earlier in this run and then not for 10 seconds. It cannot be said of a band that was never heard: that may be out of \
           reach, or flat.",
    fails: "When the rig has no band, this rig itself keeps it, or it is not as awaited within the time.",
    example: "- waitForBand: { is: connected, within: 60s }",
    build,
};

/// Bands advertise every one or two seconds: one that was not heard for so long does not advertise.
const SILENCE: Duration = Duration::from_secs(10);

/// One look takes so long on a radio.
const LISTEN: Duration = Duration::from_secs(3);

#[derive(Debug)]
struct WaitForBand {
    awaited: Awaited,
    within: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Advertising,
    Connected,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let awaited = if build.arguments.text("is")? == "connected" { Awaited::Connected } else { Awaited::Advertising };
    let within = build.arguments.duration("within")?;
    if awaited == Awaited::Connected && within <= SILENCE {
        let message = format!("wait for the band's silence in {within:?}");
        build.wrong("within", message, "too short", "10 seconds of silence are needed to tell: within must be longer");
        return None;
    }
    Some(Box::new(WaitForBand { awaited, within }))
}

#[async_trait]
impl Step for WaitForBand {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let plan = stage.plan()?;
        if stage.kept.is_some() {
            return Err(StepError::BandKept);
        }
        let begun = stage.hold.clock().now();
        // Silence counts from here on: what the band did before, nobody listened to.
        let mut silent_since = begun;
        loop {
            let heard = stage.central.scan(LISTEN).await.map_err(|error| plan.failed(error.into()))?;
            let now = stage.hold.clock().now();
            if heard.iter().any(|advertisement| advertisement.address == plan.address) {
                stage.heard_band();
                silent_since = now;
                if self.awaited == Awaited::Advertising {
                    return Ok(format!("it advertises, after {}", seconds(elapsed(begun, now))));
                }
            }
            let silence = elapsed(silent_since, now);
            if self.awaited == Awaited::Connected && silence >= SILENCE && stage.band_heard.is_some() {
                return Ok(format!("somebody holds it: it is silent since {}, and was there before", seconds(silence)));
            }
            if elapsed(begun, now) >= self.within {
                let awaited = match self.awaited {
                    Awaited::Advertising => "the band's advertisement",
                    Awaited::Connected => "somebody to hold the band",
                };
                let seen = match (self.awaited, stage.band_heard) {
                    (Awaited::Connected, Some(_)) => "its advertisement",
                    (Awaited::Connected, None) => "silence from the beginning: held, out of reach or flat, nobody can tell",
                    (Awaited::Advertising, _) => "silence: a phone holds it, or it is out of reach or flat",
                };
                return Err(StepError::TimedOut { awaited: awaited.to_owned(), within: self.within, seen: seen.to_owned() });
            }
            stage.hold.sleep(POLL).await;
        }
    }

    fn only_waits(&self) -> bool {
        true
    }

    fn needs_band(&self) -> bool {
        true
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    /// A band that advertises during these seconds.
    fn fakes(advertises: std::ops::Range<i64>) -> Fakes {
        let mut fakes = Fakes::new();
        fakes.band.advertises = advertises;
        fakes
    }

    #[tokio::test]
    async fn a_band_that_advertises_is_free() {
        let mut fakes = fakes(7..100);
        let note = fakes.run(step("waitForBand: { is: advertising, within: 60s }")).await.expect("it will");
        assert_eq!((note.as_str(), fakes.seconds_passed()), ("it advertises, after 7 s", 7));
    }

    #[tokio::test]
    async fn silence_after_it_was_heard_says_that_somebody_holds_it() {
        let mut fakes = fakes(0..5);
        let note = fakes.run(step("waitForBand: { is: connected, within: 60s }")).await.expect("it falls silent");
        assert_eq!(note, "somebody holds it: it is silent since 10 s, and was there before");
        assert!((14..16).contains(&fakes.seconds_passed()), "{}", fakes.seconds_passed());
    }

    #[tokio::test]
    async fn a_band_that_was_read_before_counts_as_heard_and_one_that_never_was_does_not() {
        let mut known = fakes(0..0);
        known.run(step("vibrateBand")).await.expect("it is there");
        known.run(step("waitForBand: { is: connected, within: 60s }")).await.expect("it is silent now");
        let mut unknown = fakes(0..0);
        let error = unknown.run(step("waitForBand: { is: connected, within: 20s }")).await.expect_err("who knows");
        assert!(error.to_string().contains("silence from the beginning: held, out of reach or flat"), "{error}");
    }

    #[tokio::test]
    async fn what_does_not_come_ends_in_the_limit() {
        let mut free = fakes(0..1_000);
        let error = free.run(step("waitForBand: { is: connected, within: 20s }")).await.expect_err("it is free");
        assert_eq!(error.to_string(), "wait for somebody to hold the band: within 20s there was its advertisement");
        let mut gone = fakes(0..0);
        let error = gone.run(step("waitForBand: { is: advertising, within: 20s }")).await.expect_err("it is gone");
        assert!(error.to_string().contains("a phone holds it, or it is out of reach or flat"), "{error}");
        let mut kept = fakes(0..1_000);
        kept.run(step("vibrateBand: { keep: true }")).await.expect("it is there");
        let error = kept.run(step("waitForBand: { is: connected }")).await.expect_err("we hold it");
        assert_eq!(error.to_string(), "listen for the band: a step before this one keeps it; put releaseBand between them");
    }
}
