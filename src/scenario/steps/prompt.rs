//! `prompt`: has a person do something, and looks whether it was done where there is something to look for.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Build, Step, StepError, StepKind, Takes,
    wait_for_quiet::elapsed,
    wait_for_upload::{Answers, WaitForUpload},
};
use crate::{
    phone::{
        Action, Target,
        operator::{Check, Look, NotDone, Task, have_done},
    },
    scenario::{
        forms,
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "prompt",
    about: "Have a person do something, and look whether it was done",
    takes: Takes::Map(&[
        Key { name: "name", about: "Its name, by which a rig file can confirm it", kind: Kind::Text(&forms::NAME), need: Need::Required },
        Key {
            name: "text",
            about: "What is to be done. ${env:NAME} is shown as it is written, and never what it stands for",
            kind: Kind::Text(&forms::TEXT),
            need: Need::Required,
        },
        Key { name: "within", about: "How long it may take, all tries together", kind: Kind::Duration, need: Need::Default("5m") },
        Key {
            name: "check",
            about: "By what it is seen that it was done; everything that is named has to be seen",
            kind: Kind::Map(&[
                Key {
                    name: "upload",
                    about: "A request that was answered with a status of 200 to 399",
                    kind: Kind::Map(UPLOAD),
                    need: Need::Optional,
                },
                Key {
                    name: "visible",
                    about: "A text on the screen, where the phone tells what is on it",
                    kind: Kind::Text(&forms::TEXT),
                    need: Need::Optional,
                },
            ]),
            need: Need::Optional,
        },
    ]),
    does: "Shows the text at the terminal, and waits until somebody presses Enter. With `check`, looks whether it was done, and asks again as \
           long as it was not. Without it, the step's note says that nobody checked. A rig file that `confirmed` has the name in is not \
           asked; what is to be checked is checked all the same. A run with nobody at a terminal, whose rig file does not confirm it, is \
           refused before it starts.",
    fails: "When nobody answers `within`, or what is to be checked was not seen by then.",
    example: "- prompt: { name: log-in, text: Log in as the test account, within: 5m, check: { upload: { path: /v1/login } } }",
    build,
};

const UPLOAD: &[Key] = &[
    Key { name: "host", about: "Hosts it may go to; any when left out", kind: Kind::Text(&forms::HOST), need: Need::Optional },
    Key { name: "path", about: "Its path, without the query", kind: Kind::Text(&forms::PATH), need: Need::Required },
    Key {
        name: "method",
        about: "Its method; any when left out",
        kind: Kind::Word(&["DELETE", "GET", "PATCH", "POST", "PUT"]),
        need: Need::Optional,
    },
    Key { name: "within", about: "How long to wait for it after each answer", kind: Kind::Duration, need: Need::Default("10s") },
];

#[derive(Debug)]
struct Prompt {
    name: String,
    text: String,
    within: Duration,
    upload: Option<WaitForUpload>,
    visible: Option<Target>,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let arguments = build.arguments;
    let check = arguments.map("check");
    let upload = match check.and_then(|check| check.map("upload")) {
        Some(upload) => Some(WaitForUpload::of(upload, build.app, Answers::Taken)?),
        None => None,
    };
    let visible = check.and_then(|check| check.text("visible")).map(|text| Target::Text(text.to_owned()));
    if check.is_some() && upload.is_none() && visible.is_none() {
        build.wrong("check", "check something".to_owned(), "by nothing", "name an upload or what is visible, or leave check out");
        return None;
    }
    Some(Box::new(Prompt {
        name: arguments.text("name")?.to_owned(),
        text: arguments.text("text")?.to_owned(),
        within: arguments.duration("within")?,
        upload,
        visible,
    }))
}

#[async_trait]
impl Step for Prompt {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let operator = stage.operator;
        let task = Task { name: &self.name, what: &self.text, within: self.within, word_counts: false };
        let mut check = Checks { prompt: self, began: stage.hold.clock().now(), stage, failed: None };
        let done = have_done(operator, &task, &mut check).await;
        if let Some(error) = check.failed {
            return Err(error);
        }
        done.map(|done| format!("{}: {}", self.name, done.in_words())).map_err(|error| self.timed_out(error))
    }

    fn asks_for(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn needs(&self) -> Option<Action> {
        self.visible.as_ref().map(|_| Action::Screen)
    }
}

impl Prompt {
    fn timed_out(&self, error: NotDone) -> StepError {
        let seen = match error {
            NotDone::NobodyThere { .. } => "nobody at a terminal, and the rig file does not confirm it".to_owned(),
            NotDone::NotSeen { seen, .. } => seen,
            NotDone::Unanswered { .. } => "no answer".to_owned(),
        };
        StepError::TimedOut { awaited: format!("the prompt {}", self.name), within: self.within, seen }
    }
}

/// Looks for everything that is to be seen.
struct Checks<'a, 'stage, 'rig> {
    prompt: &'a Prompt,
    /// On the rig's clock.
    began: Timestamp,
    stage: &'stage mut Stage<'rig>,
    /// What failed while looking; there is no point in asking again.
    failed: Option<StepError>,
}

#[async_trait]
impl Check for Checks<'_, '_, '_> {
    async fn look(&mut self) -> Look {
        let mut seen = Vec::new();
        if let Some(upload) = &self.prompt.upload {
            match upload.run(self.stage).await {
                Ok(note) => seen.push(note),
                Err(StepError::TimedOut { seen, .. }) => return self.not_seen(seen),
                Err(error) => return self.fail(error),
            }
        }
        if let Some(target) = &self.prompt.visible {
            match self.stage.phone.screen().await {
                Ok(screen) if screen.find(target).is_some() => seen.push(format!("{target} on the screen")),
                Ok(_) => {
                    // Time for what the person did to appear, also on a simulated clock.
                    self.stage.hold.sleep(super::POLL).await;
                    // What else is on a screen may be personal: it goes into no note.
                    return self.not_seen(format!("no {target} on the screen"));
                }
                Err(error) => return self.fail(error.into()),
            }
        }
        if seen.is_empty() { Look::Unknowable } else { Look::Seen(seen.join(", ")) }
    }
}

impl Checks<'_, '_, '_> {
    /// Not seen yet; or never, when a simulated clock, which no person's time moves, is past the limit already.
    fn not_seen(&mut self, seen: String) -> Look {
        let Prompt { name, within, .. } = self.prompt;
        if elapsed(self.began, self.stage.hold.clock().now()) < *within {
            return Look::NotSeen(seen);
        }
        self.fail(StepError::TimedOut { awaited: format!("the prompt {name}"), within: *within, seen })
    }

    /// Ends the asking: what it says is never shown, because the failure is.
    fn fail(&mut self, error: StepError) -> Look {
        self.failed = Some(error);
        Look::Unknowable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        phone::operator::scripted::Scripted,
        scenario::steps::fakes::{Fakes, request, step},
    };

    const LOG_IN: &str = "prompt: { name: log-in, text: \"Log in with ${env:SECRET}\", check: { upload: { path: /login } } }";

    fn fakes(operator: &Scripted) -> Fakes {
        let mut fakes = Fakes::new();
        fakes.operator = Box::new(operator.clone());
        fakes
    }

    #[tokio::test]
    async fn without_a_check_the_note_says_that_nobody_checked() {
        let operator = Scripted::default().then("", || {});
        let note = fakes(&operator).run(step("prompt: { name: log-in, text: Log in }")).await.expect("somebody answers");
        assert_eq!(note, "log-in: confirmed by the operator, not checked");
        assert!(operator.told().contains("log-in: Log in"), "{}", operator.told());
    }

    #[tokio::test]
    async fn a_check_that_fails_asks_again_and_secrets_stay_as_they_are_written() {
        let operator = Scripted::default().then("", || {}).then("", || {});
        let mut fakes = fakes(&operator);
        fakes.log.requests = vec![
            request(1, "POST", "api.test", "/other", 2, Some((3, Some(200)))),
            request(2, "POST", "api.test", "/login", 12, Some((13, Some(200)))),
        ];
        let note = fakes.run(step(LOG_IN)).await.expect("the second time it is seen");
        assert_eq!(note, "log-in: seen: answered with status 200 after 3s");
        let told = operator.told();
        assert!(told.contains("not seen yet, there was only other traffic: api.test (1)") && told.contains("${env:SECRET}"), "{told}");
        assert!(!told.contains("or type done"), "{told}");
    }

    #[tokio::test]
    async fn a_request_that_was_refused_is_none_that_was_done() {
        let operator = Scripted::default().then("", || {}).then("", || {});
        let mut fakes = fakes(&operator);
        fakes.log.requests = vec![
            request(1, "POST", "api.test", "/login", 2, Some((3, Some(401)))),
            request(2, "POST", "api.test", "/login", 12, Some((13, Some(302)))),
        ];
        let note = fakes.run(step(LOG_IN)).await.expect("the second password is right");
        assert_eq!(note, "log-in: seen: answered with status 302 after 3s");
        let told = operator.told();
        assert!(told.contains("not seen yet, there was an answer that refuses it, status 401"), "{told}");
    }

    #[tokio::test]
    async fn what_is_visible_counts() {
        let operator = Scripted::default().then("", || {}).then("", || {});
        let mut fakes = fakes(&operator);
        fakes.phone.screens = vec!["Sign in", "Home"];
        let note = fakes.run(step("prompt: { name: log-in, text: Log in, check: { visible: Home } }")).await.expect("it is seen");
        assert_eq!(note, "log-in: seen: \"Home\" on the screen");
        assert!(operator.told().contains("there was no \"Home\" on the screen"), "{}", operator.told());
        assert!(!operator.told().contains("Sign in"), "what else is on it may be personal");
    }

    #[tokio::test]
    async fn an_unanswered_prompt_fails_within_its_limit() {
        let began = tokio::time::Instant::now();
        let error = fakes(&Scripted::default())
            .run(step("prompt: { name: log-in, text: Log in, within: 50ms }"))
            .await
            .expect_err("nobody answers");
        assert_eq!(error.to_string(), "wait for the prompt log-in: within 50ms there was no answer");
        assert!(began.elapsed() >= Duration::from_millis(50));
    }

    #[tokio::test]
    async fn with_nobody_there_a_prompt_fails_at_once_unless_the_rig_file_confirms_it() {
        let error = Fakes::new().run(step("prompt: { name: log-in, text: Log in }")).await.expect_err("nobody is there");
        assert!(matches!(&error, StepError::TimedOut { seen, .. } if seen.starts_with("nobody at a terminal")), "{error}");
        let note = fakes(&Scripted::confirming(&["log-in"])).run(step("prompt: { name: log-in, text: Log in }")).await.expect("confirmed");
        assert_eq!(note, "log-in: confirmed by the rig file, not checked");
        let mut fakes = fakes(&Scripted::confirming(&["log-in"]));
        fakes.log.requests = vec![request(1, "POST", "api.test", "/login", 25, Some((26, Some(200))))];
        assert_eq!(
            fakes.run(step(LOG_IN)).await.expect("it is looked for all the same"),
            "log-in: seen: answered with status 200 after 6s"
        );
    }

    #[tokio::test]
    async fn what_is_never_seen_ends_by_the_clock_of_the_rig() {
        let mut fakes = fakes(&Scripted::confirming(&["log-in"]));
        let error = fakes.run(step(LOG_IN)).await.expect_err("nothing comes");
        assert_eq!(error.to_string(), "wait for the prompt log-in: within 300s there was no request at all");
        assert_eq!(fakes.seconds_passed(), 300);
    }

    #[test]
    fn a_check_has_to_check_something() {
        let app = crate::model::App { name: "demo".into(), ..Default::default() };
        let text = "name: one\napp: demo\nabout: A.\nsteps:\n  - prompt: { name: log-in, text: Log in, check: {} }\nexpect: []\n";
        let problems = crate::scenario::parse::scenario("one.yaml", "one", text, &app).expect_err("it checks nothing");
        assert!(format!("{problems:?}").contains("check something"), "{problems:?}");
        assert_eq!(step(LOG_IN).asks_for(), Some("log-in"));
        assert_eq!(step(LOG_IN).needs(), None);
    }
}
