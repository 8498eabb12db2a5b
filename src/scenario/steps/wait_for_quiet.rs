//! `waitForQuiet`: waits until the phone has said nothing for a while.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Build, POLL, Step, StepError, StepKind, Takes};
use crate::scenario::{
    rig::{SeenRequest, Stage},
    spec::{Key, Kind, Need},
};

pub(super) const KIND: StepKind = StepKind {
    name: "waitForQuiet",
    about: "Wait until no exchange began or ended for a while",
    takes: Takes::Map(&[
        Key { name: "idle", about: "How long it must be quiet", kind: Kind::Duration, need: Need::Required },
        Key { name: "max", about: "How long to wait for that at most", kind: Kind::Duration, need: Need::Required },
    ]),
    does: "Looks at every exchange that the proxy sees, of the app or not, and goes on when none has begun or ended for `idle`, counted \
           from the beginning of this step at the earliest. An exchange that stays open (a long poll) is no noise.",
    fails: "When it has not been quiet for `idle` within `max`. On a phone with much other traffic, choose a shorter `idle`.",
    example: "- waitForQuiet: { idle: 20s, max: 5m }",
    build,
};

#[derive(Debug)]
struct WaitForQuiet {
    idle: Duration,
    max: Duration,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let (idle, max) = (build.arguments.duration("idle")?, build.arguments.duration("max")?);
    if idle > max {
        build.wrong("max", "wait for quiet: max is shorter than idle".into(), "shorter than idle", "max must be at least idle");
        return None;
    }
    Some(Box::new(WaitForQuiet { idle, max }))
}

/// When a request last made itself heard.
fn heard(request: &SeenRequest) -> Timestamp {
    request.ended.map_or(request.began, |(ended, _)| ended.max(request.began))
}

#[async_trait]
impl Step for WaitForQuiet {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let start = stage.hold.clock().now();
        loop {
            let now = stage.hold.clock().now();
            let requests = stage.log.requests();
            let last = requests.iter().map(heard).max().map_or(start, |at| at.max(start));
            if elapsed(last, now) >= self.idle {
                let open = stage.log.in_flight();
                let open = if open == 0 { String::new() } else { format!("; {open} exchanges stay open") };
                return Ok(format!("quiet after {:?}{open}", elapsed(start, now)));
            }
            if elapsed(start, now) >= self.max {
                let during = requests.iter().filter(|request| heard(request) >= start).count();
                let seen = format!("no {:?} without traffic: {during} exchanges began or ended", self.idle);
                return Err(StepError::TimedOut { awaited: format!("{:?} of quiet", self.idle), within: self.max, seen });
            }
            stage.hold.sleep(POLL).await;
        }
    }

    fn only_waits(&self) -> bool {
        true
    }
}

/// Time from one moment to a later one; zero when it is not later.
pub(super) fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, request, step};

    #[tokio::test]
    async fn quiet_is_counted_from_the_last_thing_heard() {
        let mut fakes = Fakes::new();
        fakes.log.requests = vec![request(1, "POST", "a.test", "/x", 3, Some((7, Some(200))))];
        let note = fakes.run(step("waitForQuiet: { idle: 20s, max: 5m }")).await.expect("it becomes quiet");
        assert_eq!((note.as_str(), fakes.seconds_passed()), ("quiet after 27s", 27));
    }

    #[tokio::test]
    async fn noise_of_any_app_ends_in_the_limit() {
        let mut fakes = Fakes::new();
        fakes.log.requests = (0..60).map(|n| request(n, "GET", "news.test", "/", 5 * n as i64, None)).collect();
        let error = fakes.run(step("waitForQuiet: { idle: 20s, max: 1m }")).await.expect_err("there is always something");
        assert_eq!(error.to_string(), "wait for 20s of quiet: within 60s there was no 20s without traffic: 13 exchanges began or ended");
        assert_eq!(fakes.seconds_passed(), 60);
    }
}
