//! `inputText`: types a text, secrets among it, and shows no secret anywhere.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    phone::{Action, PhoneError},
    scenario::{
        forms,
        rig::Stage,
        secrets::Text,
        spec::{Key, Kind, Need},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "inputText",
    about: "Type a text where the cursor is",
    takes: Takes::One(Key {
        name: "text",
        about: "The text; `${env:NAME}` in it stands for what the environment variable NAME holds",
        kind: Kind::Text(&forms::TYPED),
        need: Need::Required,
    }),
    does: "Types the text into the field that has the cursor: tap on it first. A password belongs into an environment variable: it is looked \
           up before the run begins, and its name stands for it in every note, message and capture. Neither a picture of the screen is kept \
           while it can be read there, nor is it typed while the screen is recorded, nor does a recording begin after it. On this \
           computer no text stands in a command line; on the phone Android's own `input` has it in one while it types, which the phone shows \
           to adb and to root alone (Android 7 and later). What the app sends of it is in the capture, as everything else that the app sends.",
    fails: "When the app is not in front; when an environment variable is not set, which is told before the run begins; or when the phone has \
            no key for a character.",
    example: "- inputText: test@account.test",
    build,
};

#[derive(Debug)]
struct InputText(Text);

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(InputText(Text::parse(build.arguments.text("text")?)?)))
}

#[async_trait]
impl Step for InputText {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        if stage.course.recording.is_some() && self.0.variables().next().is_some() {
            return Err(StepError::OnFilm);
        }
        let Some(text) = stage.course.secrets.fill_in(&self.0) else {
            return Err(PhoneError::Failed(format!("{}: not every variable was looked up", self.0)).into());
        };
        // Typing it is what it is for.
        stage.phone.input_text(text.expose()).await?;
        Ok(format!("typed {}", self.0))
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::InputText)
    }

    fn variables(&self) -> Vec<&str> {
        self.0.variables().collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn the_phone_gets_the_secret_and_the_note_its_name() {
        let mut fakes = Fakes::new();
        fakes.secrets.insert("PASSWORD", "hunter22".into());
        let note = fakes.run(step("inputText: \"${env:PASSWORD}\"")).await.expect("it types");
        assert_eq!(note, "typed ${env:PASSWORD}");
        assert_eq!(fakes.run(step("inputText: Quillon")).await.expect("it types"), "typed 7 characters");
        assert_eq!(fakes.phone.done, ["type hunter22", "type Quillon"]);
    }

    #[tokio::test]
    async fn no_secret_is_typed_on_film() {
        let mut fakes = Fakes::new();
        fakes.secrets.insert("PASSWORD", "hunter22".into());
        fakes.run(step("startRecording: film")).await.expect("it records");
        let error = fakes.run(step("inputText: \"${env:PASSWORD}\"")).await.expect_err("it would be seen");
        assert_eq!(error.to_string(), "type a secret: the screen is being recorded");
        fakes.run(step("inputText: Quillon")).await.expect("that is no secret");
    }

    #[test]
    fn a_step_names_its_variables() {
        assert_eq!(step("inputText: \"${env:A}@${env:B}.test\"").variables(), ["A", "B"]);
    }
}
