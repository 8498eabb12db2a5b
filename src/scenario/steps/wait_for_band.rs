//! `waitForBand`: waits until the band advertises, or until it has fallen silent, as it does while somebody holds it.

use std::{ops::ControlFlow, time::Duration};

use async_trait::async_trait;

use super::{Build, POLL, Step, StepError, StepKind, Takes, wait_for_quiet::elapsed};
use crate::{
    link::Presence,
    scenario::{
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "waitForBand",
    about: "Wait until the band advertises, or until it falls silent, as it does while somebody holds it",
    takes: Takes::Map(&[
        Key {
            name: "is",
            about: "What it has to be: `advertising` (nobody holds it) or `connected` (silent, as while somebody does)",
            kind: Kind::Word(&["advertising", "connected"]),
            need: Need::Required,
        },
        Key { name: "within", about: "How long to wait at most", kind: Kind::Duration, need: Need::Default("60s") },
    ]),
    does: "Listens for the band's advertisement. A band of this kind has one connection at a time and is silent while it lasts; nobody can \
           see with whom it is connected, or whether it is at all. `connected` ends when the band was heard or read within the last two \
           minutes and then not for 10 seconds: it is held, or it went out of reach or off in that moment, and the step's note says no \
           more than that. A band that was not heard for longer may be anywhere. While another program on this machine listens for devices, \
           too, the system repeats what it heard earlier: that counts neither as heard nor as silence, and the step waits for one of them. \
           Close Bluetooth settings and the like before a run.",
    fails: "When the rig has no band, this rig itself keeps it, or it is not as awaited within the time.",
    example: "- waitForBand: { is: connected, within: 60s }",
    build,
};

/// Bands advertise every one or two seconds: one that was not heard for so long does not advertise.
const SILENCE: Duration = Duration::from_secs(10);

/// Silence says something only of a band that was in reach so short a time before it.
const RECENT: Duration = Duration::from_secs(120);

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
            let listened = stage.central.listen_to(plan.address, LISTEN, &mut |_| ControlFlow::Break(())).await;
            let presence = listened.map_err(|error| plan.failed(error.into()))?;
            let now = stage.hold.clock().now();
            let was_remembered = presence == Presence::Remembered;
            match presence {
                Presence::Heard => {
                    stage.heard_band();
                    silent_since = now;
                    if self.awaited == Awaited::Advertising {
                        return Ok(format!("it advertises, after {}", seconds(elapsed(begun, now))));
                    }
                }
                // Neither: silence begins when the system remembers it no more.
                Presence::Remembered => silent_since = now,
                Presence::Silent => {}
            }
            let silence = elapsed(silent_since, now);
            let heard_before = stage.band_heard.map(|heard| elapsed(heard, now)).filter(|before| *before <= RECENT + silence);
            if self.awaited == Awaited::Connected
                && silence >= SILENCE
                && let Some(before) = heard_before
            {
                return Ok(format!(
                    "it has been silent for {}, and was in reach {} before: it is held, or gone since",
                    seconds(silence),
                    seconds(before)
                ));
            }
            if elapsed(begun, now) >= self.within {
                let awaited = match self.awaited {
                    Awaited::Advertising => "the band's advertisement",
                    Awaited::Connected => "the band to fall silent, as it does while somebody holds it",
                };
                let seen = if was_remembered {
                    "only what the system remembers of it, because another program listens for devices, too: close it"
                } else {
                    match (self.awaited, stage.band_heard) {
                        (Awaited::Connected, _) if silence < SILENCE => "its advertisement",
                        (Awaited::Connected, Some(_)) => {
                            "silence, and it was not heard lately: held, out of reach or flat, nobody can tell"
                        }
                        (Awaited::Connected, None) => "silence from the beginning: held, out of reach or flat, nobody can tell",
                        (Awaited::Advertising, _) => "silence: a phone holds it, or it is out of reach or flat",
                    }
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
        assert_eq!(note, "it has been silent for 10 s, and was in reach 10 s before: it is held, or gone since");
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
    async fn what_was_heard_long_ago_says_nothing_now() {
        let mut fakes = fakes(0..5);
        fakes.run(step("waitForBand: { is: advertising, within: 20s }")).await.expect("it is there");
        fakes.run(step("wait: { for: 10m }")).await.expect("time passes");
        let error = fakes.run(step("waitForBand: { is: connected, within: 20s }")).await.expect_err("it may be anywhere");
        assert!(error.to_string().contains("it was not heard lately: held, out of reach or flat, nobody can tell"), "{error}");
    }

    #[tokio::test]
    async fn what_is_only_remembered_is_neither_there_nor_silent() {
        let mut fakes = fakes(0..3);
        fakes.band.remembered = 3..40;
        let note = fakes.run(step("waitForBand: { is: connected, within: 90s }")).await.expect("it is forgotten in the end");
        assert!(fakes.seconds_passed() >= 49 && note.contains("silent for 10 s"), "{note} after {}", fakes.seconds_passed());
        for awaited in ["connected", "advertising"] {
            let mut fakes = self::fakes(0..0);
            fakes.band.remembered = 0..1_000;
            let error = fakes.run(step(&format!("waitForBand: {{ is: {awaited}, within: 20s }}"))).await.expect_err("nobody can tell");
            assert!(error.to_string().contains("another program listens for devices, too"), "{awaited}: {error}");
        }
    }

    #[tokio::test]
    async fn a_crowd_does_not_drown_the_band() {
        let mut fakes = fakes(0..100);
        fakes.band.crowd = crate::link::DEVICES_MAX + 10;
        fakes.run(step("waitForBand: { is: advertising, within: 5s }")).await.expect("it is heard in the crowd");
    }

    #[tokio::test]
    async fn what_does_not_come_ends_in_the_limit() {
        let mut free = fakes(0..1_000);
        let error = free.run(step("waitForBand: { is: connected, within: 20s }")).await.expect_err("it is free");
        assert_eq!(
            error.to_string(),
            "wait for the band to fall silent, as it does while somebody holds it: within 20s there was its advertisement"
        );
        let mut gone = fakes(0..0);
        let error = gone.run(step("waitForBand: { is: advertising, within: 20s }")).await.expect_err("it is gone");
        assert!(error.to_string().contains("a phone holds it, or it is out of reach or flat"), "{error}");
        let mut kept = fakes(0..1_000);
        kept.run(step("vibrateBand: { keep: true }")).await.expect("it is there");
        let error = kept.run(step("waitForBand: { is: connected }")).await.expect_err("we hold it");
        assert_eq!(error.to_string(), "listen for the band: a step before this one keeps it; put releaseBand between them");
    }
}
