//! `waitForUpload`: waits until a matching request has been answered, or a message was sent over a connection that it became.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;

use super::{Build, POLL, Step, StepError, StepKind, Takes, wait_for_quiet::elapsed};
use crate::{
    model::{App, HostPattern, PathTemplate, text::printable},
    scenario::{
        forms,
        rig::{SeenRequest, Stage},
        spec::{Key, Kind, Need, Values},
    },
};

/// Hosts that a message names before it counts the rest.
const HOSTS_NAMED: usize = 5;

pub(super) const KIND: StepKind = StepKind {
    name: "waitForUpload",
    about: "Wait until a matching request has been answered, or a message was sent over a matching WebSocket",
    takes: Takes::Map(&[
        Key {
            name: "host",
            about: "Hosts it may go to; any when left out. Stand-in hosts of app.yaml count for the hosts they stand for",
            kind: Kind::Text(&forms::HOST),
            need: Need::Optional,
        },
        Key { name: "path", about: "Its path, without the query", kind: Kind::Text(&forms::PATH), need: Need::Required },
        Key {
            name: "method",
            about: "Its method; any when left out",
            kind: Kind::Word(&["DELETE", "GET", "PATCH", "POST", "PUT"]),
            need: Need::Optional,
        },
        Key { name: "within", about: "How long to wait at most", kind: Kind::Duration, need: Need::Required },
    ]),
    does: "Waits for a request that matches, began after the last step that did something, and was answered, with whatever status. Of a \
           WebSocket, whenever it was opened, a message counts that the app sent after that step.",
    fails: "When there is none within `within`. The message names the hosts that were seen instead, and how many requests each got.",
    example: "- waitForUpload: { host: \"api-mifit*.huami.com\", path: /v1/data/band_data.json, within: 90s }",
    build,
};

/// Waits for an upload; a `prompt` looks for one with it.
#[derive(Debug)]
pub(super) struct WaitForUpload {
    answers: Answers,
    /// The host as written, for messages.
    host: Option<String>,
    /// That pattern and those of its stand-ins; empty for any host.
    hosts: Vec<HostPattern>,
    path: PathTemplate,
    method: Option<String>,
    within: Duration,
}

/// Which answers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// Any: what was uploaded is uploaded, whatever the server makes of it.
    Any,
    /// Those with which a server takes a request, 200 to 399: one that refuses a password has logged nobody in.
    Taken,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(WaitForUpload::of(build.arguments, build.app, Answers::Any)?))
}

impl WaitForUpload {
    /// The wait that these arguments describe.
    pub(super) fn of(arguments: &Values, app: &App, answers: Answers) -> Option<Self> {
        let host = arguments.text("host").map(str::to_owned);
        Some(Self {
            answers,
            hosts: host.as_deref().map(|host| app.with_stand_ins(host)).unwrap_or_default(),
            host,
            path: PathTemplate(arguments.text("path")?.to_owned()),
            method: arguments.text("method").map(str::to_owned),
            within: arguments.duration("within")?,
        })
    }

    fn matches(&self, request: &SeenRequest) -> bool {
        (self.hosts.is_empty() || self.hosts.iter().any(|host| host.matches(&request.host)))
            && self.path.matches(&request.path)
            && self.method.as_ref().is_none_or(|method| *method == request.method)
    }

    fn awaited(&self) -> String {
        format!("{} {}{}", self.method.as_deref().unwrap_or("a request to"), self.host.as_deref().unwrap_or("any host"), self.path.0)
    }
}

#[async_trait]
impl Step for WaitForUpload {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let start = stage.hold.clock().now();
        loop {
            let now = stage.hold.clock().now();
            let mut requests = stage.log.requests();
            let said = |request: &SeenRequest| request.said.is_some_and(|said| said >= stage.acted_at);
            if requests.iter().any(|request| said(request) && self.matches(request)) {
                return Ok(format!("a message was sent over a WebSocket after {:?}", elapsed(start, now)));
            }
            requests.retain(|request| request.began >= stage.acted_at);
            let answered = self.statuses(&requests).find(|status| self.answers == Answers::Any || (200..400).contains(status));
            if let Some(status) = answered {
                return Ok(format!("answered with status {status} after {:?}", elapsed(start, now)));
            }
            if elapsed(start, now) >= self.within {
                let seen = self.seen(&requests);
                return Err(StepError::TimedOut { awaited: self.awaited(), within: self.within, seen });
            }
            stage.hold.sleep(POLL).await;
        }
    }

    fn only_waits(&self) -> bool {
        true
    }
}

impl WaitForUpload {
    /// With which statuses those that match were answered.
    fn statuses<'a>(&'a self, requests: &'a [SeenRequest]) -> impl Iterator<Item = u16> + 'a {
        requests.iter().filter(|request| self.matches(request)).filter_map(|request| request.ended?.1)
    }

    /// What was seen instead: hosts and numbers only, because paths may be personal.
    fn seen(&self, requests: &[SeenRequest]) -> String {
        if let Some(status) = self.statuses(requests).last() {
            return format!("an answer that refuses it, status {status}");
        }
        let unanswered = requests.iter().filter(|request| self.matches(request)).count();
        if unanswered > 0 {
            return format!("no answer to the {unanswered} that began");
        }
        let mut hosts: BTreeMap<&str, usize> = BTreeMap::new();
        for request in requests {
            *hosts.entry(&request.host).or_default() += 1;
        }
        if hosts.is_empty() {
            return "no request at all".into();
        }
        let mut named: Vec<String> = hosts.iter().take(HOSTS_NAMED).map(|(host, count)| format!("{} ({count})", printable(host))).collect();
        if hosts.len() > HOSTS_NAMED {
            named.push(format!("and {} more hosts", hosts.len() - HOSTS_NAMED));
        }
        format!("only other traffic: {}", named.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::{
        model::{App, HostPattern, app::StandIn},
        scenario::rig::SeenRequest,
        scenario::steps::fakes::{Fakes, request, step, step_of},
    };

    const UPLOAD: &str = "waitForUpload: { host: \"api-mifit*.huami.com\", path: /v1/data/band_data.json, within: 90s }";

    fn app() -> App {
        let pattern = |text: &str| HostPattern(text.into());
        let stand_in = StandIn { host: pattern("api-mifit*.huami.test"), stands_for: pattern("api-mifit*.huami.com") };
        App { name: "demo".into(), stand_ins: vec![stand_in], ..App::default() }
    }

    #[tokio::test]
    async fn a_request_to_the_stand_in_host_counts_when_it_is_answered() {
        let mut fakes = Fakes::new();
        fakes.log.requests = vec![
            request(1, "POST", "api-mifit-de.huami.test", "/v1/data/band_data.json", 5, Some((6, None))),
            request(2, "POST", "api-mifit-de.huami.test", "/v1/data/band_data.json", 8, Some((9, Some(503)))),
        ];
        let note = fakes.run(step_of(UPLOAD, &app())).await.expect("it was uploaded");
        assert_eq!(note, "answered with status 503 after 9s");
    }

    #[tokio::test]
    async fn a_message_over_an_open_websocket_counts_when_it_was_sent_after_the_last_action() {
        let at = |second| Timestamp::from_second(second).ok();
        let socket = |said| SeenRequest { said, ..request(1, "GET", "api-mifit-de.huami.com", "/v1/data/band_data.json", -60, None) };
        let mut fakes = Fakes::new();
        fakes.log.requests = vec![socket(at(7))];
        let note = fakes.run(step_of(UPLOAD, &app())).await.expect("it was uploaded");
        assert_eq!(note, "a message was sent over a WebSocket after 7s");
        for said in [None, at(-5)] {
            let mut fakes = Fakes::new();
            fakes.log.requests = vec![socket(said)];
            fakes.run(step_of(UPLOAD, &app())).await.expect_err("nothing was sent since");
        }
        let mut fakes = Fakes::new();
        fakes.log.requests = vec![SeenRequest { host: "news.test".into(), ..socket(at(7)) }];
        fakes.run(step_of(UPLOAD, &app())).await.expect_err("that is another host");
    }

    #[tokio::test]
    async fn what_came_before_the_last_action_does_not_count() {
        let mut fakes = Fakes::new();
        fakes.log.requests = vec![request(1, "POST", "api-mifit-de.huami.com", "/v1/data/band_data.json", -5, Some((-4, Some(200))))];
        let error = fakes.run(step_of(UPLOAD, &app())).await.expect_err("that was an earlier one");
        assert_eq!(
            error.to_string(),
            "wait for a request to api-mifit*.huami.com/v1/data/band_data.json: within 90s there was no request at all"
        );
    }

    #[tokio::test]
    async fn a_timeout_names_hosts_and_numbers_and_no_paths() {
        let mut fakes = Fakes::new();
        fakes.log.requests = vec![
            request(1, "GET", "news.test", "/users/1000000001", 1, Some((2, Some(200)))),
            request(2, "GET", "news.test", "/", 2, Some((3, Some(200)))),
            request(3, "GET", "weather-widget\u{1b}[31m.test", "/", 3, None),
        ];
        let error = fakes.run(step("waitForUpload: { path: /x, method: POST, within: 10s }")).await.expect_err("nothing matches");
        assert_eq!(
            error.to_string(),
            "wait for POST any host/x: within 10s there was only other traffic: news.test (2), weather-widget\\u{1b}[31m.test (1)"
        );
    }
}
