//! Doing steps in order: what each gets, whoever holds it. What a run is around them is `run`'s.

use std::{fmt, time::Duration};

use super::{PlacedStep, Scenario, Secrets, rig::Stage, steps::StepError};
use crate::{
    model::{AttachmentKind, RunEvent, text::printable},
    phone::{Action, PhoneError, Route, Screen},
};

/// Pause after a step, on the rig's clock: the app takes notice of what was done before the next thing is done to it.
const BETWEEN_STEPS: Duration = Duration::from_millis(1);

/// A step that was not done, and where it stands.
#[derive(Debug)]
pub struct StepFailure {
    /// Where it stands, in words: `line 7`, `line 3 of parts/sign-in.yaml`.
    pub place: String,
    /// The step's name.
    pub step: &'static str,
    /// Why it was not done.
    pub error: StepError,
    /// What became of the look at the phone's screen afterwards.
    pub last_screen: LastScreen,
}

/// What became of the look at the phone's screen after a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastScreen {
    /// It is in these files of the capture.
    Kept(Vec<String>),
    /// It would say nothing: the step did not fail for what is on it, or the phone cannot show it.
    NotAsked,
    /// It could not be had, and why.
    Unknown(String),
}

impl Scenario {
    /// Does every step. A recording of the screen that is under way when one fails is kept as far as it got.
    ///
    /// # Errors
    /// The first step that was not done.
    pub async fn perform(&self, stage: &mut Stage<'_>) -> Result<(), StepFailure> {
        let done = perform(&self.steps, stage).await;
        if done.is_err() {
            // What it shows is help; that it cannot be had is no news beside the failure.
            let _ = keep_recording(stage).await;
        }
        done
    }
}

/// Does steps in order, up to the first that fails.
///
/// # Errors
/// That step. Its message holds no secret, and nothing of what the screen shows.
pub(super) async fn perform(steps: &[PlacedStep], stage: &mut Stage<'_>) -> Result<(), StepFailure> {
    for placed in steps {
        let file = placed.file.as_deref().map(str::to_owned);
        stage.log.write(RunEvent::StepBegan { step: placed.name.to_owned(), line: placed.line, file }).await;
        let done = match route(stage).await {
            Ok(()) => {
                if !placed.step.only_waits() {
                    stage.acted_at = stage.hold.clock().now();
                }
                placed.step.run(stage).await
            }
            Err(error) => Err(error),
        };
        match done {
            Ok(note) => {
                let note = stage.phone.remark().into_iter().fold(note, |note, remark| format!("{note}; {remark}"));
                stage.log.write(RunEvent::StepEnded { note: stage.course.secrets.mask(&note) }).await;
            }
            Err(error) => {
                let last_screen = if error.is_about_the_screen() { last_screen(placed.name, stage).await } else { LastScreen::NotAsked };
                return Err(StepFailure { place: placed.place(), step: placed.name, error, last_screen });
            }
        }
        stage.hold.sleep(BETWEEN_STEPS).await;
        (stage.course.after_step)(placed);
    }
    Ok(())
}

/// Ends the recording of the screen that is under way, and keeps it. Gives its place in the capture.
pub(super) async fn keep_recording(stage: &mut Stage<'_>) -> Result<Option<String>, PhoneError> {
    let Some(name) = stage.course.recording.take() else { return Ok(None) };
    let film = stage.phone.stop_recording().await?;
    Ok(stage.log.attach(AttachmentKind::Recording, &name, film).await)
}

/// Makes a picture of the screen and keeps it, unless a secret stands on it. Gives its place in the capture.
pub(super) async fn keep_picture(name: &str, stage: &mut Stage<'_>) -> Result<Option<String>, PhoneError> {
    if !stage.course.secrets.is_empty() {
        if !stage.phone.supports(Action::Screen) {
            return Err(PhoneError::Unsupported("whether a secret is on its screen cannot be told, so no picture is kept".to_owned()));
        }
        let screen = stage.phone.screen().await?;
        if screen.elements.iter().any(|element| [&element.text, &element.description].iter().any(|text| stage.course.secrets.is_in(text))) {
            return Err(PhoneError::Unsupported("a secret is on its screen, so no picture is kept".to_owned()));
        }
    }
    let picture = stage.phone.screenshot().await?;
    Ok(stage.log.attach(AttachmentKind::Screenshot, name, picture).await)
}

/// Whether the phone's traffic still comes to the proxy.
async fn route(stage: &mut Stage<'_>) -> Result<(), StepError> {
    match stage.phone.check_route().await? {
        Route::Whole => Ok(()),
        Route::Broken(why) => Err(StepError::Route(why)),
    }
}

/// Keeps what is on the screen, in words and as a picture, as far as the phone can.
async fn last_screen(step: &str, stage: &mut Stage<'_>) -> LastScreen {
    let name = format!("last-screen-{step}");
    let (mut kept, mut why) = (Vec::new(), None);
    if stage.phone.supports(Action::Screen) {
        match stage.phone.screen().await {
            Ok(screen) => {
                let words = in_full(&screen, stage.course.secrets).into_bytes();
                kept.extend(stage.log.attach(AttachmentKind::Screen, &name, words).await);
            }
            Err(error) => why = Some(error),
        }
    }
    if stage.phone.supports(Action::Screenshot) {
        match keep_picture(&name, stage).await {
            Ok(place) => kept.extend(place),
            Err(error) => why = Some(error),
        }
    }
    match (kept.is_empty(), why) {
        (false, _) => LastScreen::Kept(kept),
        (true, Some(error)) => LastScreen::Unknown(stage.course.secrets.mask(&error.to_string())),
        (true, None) => LastScreen::NotAsked,
    }
}

/// Everything on a screen but secrets, one thing a line: id, text, description, place.
fn in_full(screen: &Screen, secrets: &Secrets) -> String {
    let mut lines = "What was on the screen, from the top left: id, text, description, left top right bottom in pixels.\n".to_owned();
    for element in &screen.elements {
        let [left, top, right, bottom] = element.bounds;
        // Masked first: what is quoted is not what was typed.
        let [id, text, description] = [&element.id, &element.text, &element.description].map(|text| printable(&secrets.mask(text)));
        lines.push_str(&format!("{id:?} {text:?} {description:?} {left} {top} {right} {bottom}\n"));
    }
    if screen.elements.is_empty() {
        lines.push_str("nothing that has a text or an id\n");
    }
    lines
}

/// Reads after nothing: a whole sentence without its full stop.
impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}: failed to ", self.place, self.step)?;
        match &self.error {
            StepError::Phone(error) => f.write_str(&error.with_help())?,
            error => write!(f, "{error}")?,
        }
        match &self.last_screen {
            LastScreen::Kept(files) => write!(f, "; the last screen is kept in the capture's {}", files.join(" and ")),
            LastScreen::NotAsked => Ok(()),
            LastScreen::Unknown(why) => write!(f, "; there is no last screen: failed to {why}"),
        }
    }
}

impl std::error::Error for StepFailure {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::Element;

    #[test]
    fn a_secret_is_named_on_the_last_screen_whatever_stands_in_it() {
        let mut secrets = Secrets::default();
        secrets.insert("PASSWORD", r#"a"b\c'd"#.to_owned());
        let element = Element { text: r#"You typed a"b\c'd"#.to_owned(), ..Element::default() };
        let words = in_full(&Screen { elements: vec![element] }, &secrets);
        assert!(words.contains("You typed ${env:PASSWORD}") && !words.contains("c'd"), "{words}");
    }
}
