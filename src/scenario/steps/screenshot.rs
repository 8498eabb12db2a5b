//! `screenshot`: keeps a picture of the screen in the capture.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    phone::{Action, PhoneError},
    scenario::{
        forms,
        perform::keep_picture,
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "screenshot",
    about: "Keep a picture of the screen in the capture",
    takes: Takes::One(Key { name: "name", about: "A part of its file's name", kind: Kind::Text(&forms::NAME), need: Need::Required }),
    does: "Puts a picture (PNG) into the folder `attachments` of the capture, which only its owner can read: what a screen shows is a \
           person's. It is in no report, and goes when the capture is purged. In a run that types secrets, the screen is looked at first.",
    fails: "When the phone makes none, or a secret stands on the screen.",
    example: "- screenshot: after-login",
    build,
};

#[derive(Debug)]
struct Screenshot(String);

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(Screenshot(build.arguments.text("name")?.to_owned())))
}

#[async_trait]
impl Step for Screenshot {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        match keep_picture(&self.0, stage).await? {
            Some(place) => Ok(format!("kept in {place}")),
            None => Err(PhoneError::Failed("its picture could not be written".to_owned()).into()),
        }
    }

    fn only_waits(&self) -> bool {
        true
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::Screenshot)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        model::AttachmentKind,
        phone::{Element, Screen},
        scenario::steps::fakes::{Fakes, step},
    };

    #[tokio::test]
    async fn the_picture_lies_beside_the_record() {
        let mut fakes = Fakes::new();
        let note = fakes.run(step("screenshot: after-login")).await.expect("there is one");
        assert_eq!(note, "kept in attachments/1-after-login.png");
        assert_eq!(fakes.log.attached(), [(AttachmentKind::Screenshot, "after-login".to_owned(), b"PNG".to_vec())]);
    }

    #[tokio::test]
    async fn no_picture_shows_a_secret() {
        let mut fakes = Fakes::new();
        fakes.secrets.insert("ACCOUNT", "quillon@mail.test".into());
        fakes.run(step("screenshot: before")).await.expect("it is not there yet");
        let element = Element { text: "Signed in as quillon@mail.test".into(), ..Element::default() };
        fakes.phone.shows = vec![(0, Screen { elements: vec![element] })];
        let error = fakes.run(step("screenshot: after")).await.expect_err("it is there");
        assert_eq!(error.to_string(), "do that on this phone: a secret is on its screen, so no picture is kept");
        assert_eq!(fakes.log.attached().len(), 1);
    }
}
