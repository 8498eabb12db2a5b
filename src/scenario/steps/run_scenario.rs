//! `runScenario`: does the steps of another scenario file.

use async_trait::async_trait;

use super::{Build, Inner, Step, StepError, StepKind, Takes};
use crate::scenario::{
    PlacedStep, forms,
    perform::perform,
    rig::Stage,
    spec::{Key, Kind, Need},
};

pub(super) const KIND: StepKind = StepKind {
    name: "runScenario",
    about: "Do the steps of another scenario file",
    takes: Takes::One(Key { name: "file", about: "The file", kind: Kind::Text(&forms::SCENARIO_FILE), need: Need::Required }),
    does: "Does the steps of a scenario of the same app, phases among them, as if they stood here. Its plant, runs and expect count only when \
           it is run by itself. It is read and checked together with this file, and a change of its steps makes this one another scenario. \
           A file in a folder below the app's, like `parts/`, is no scenario of its own.",
    fails: "With the first of its steps that fails.",
    example: "- runScenario: parts/sign-in.yaml",
    build,
};

#[derive(Debug)]
struct RunScenario {
    file: String,
    steps: Vec<PlacedStep>,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let steps = build.scenario("file")?;
    Some(Box::new(RunScenario { file: build.arguments.text("file")?.to_owned(), steps }))
}

#[async_trait]
impl Step for RunScenario {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        match perform(&self.steps, stage).await {
            Ok(()) => Ok(format!("did the steps of {}", self.file)),
            Err(failure) => Err(StepError::Inner { which: String::new(), failure: Box::new(failure) }),
        }
    }

    fn only_waits(&self) -> bool {
        true
    }

    fn inner(&self) -> Inner<'_> {
        Inner { steps: &self.steps, most_times: 1 }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        phone::PhoneError,
        scenario::steps::fakes::{Fakes, step},
    };

    #[tokio::test]
    async fn the_other_files_steps_are_done_and_a_failure_names_file_and_line() {
        let mut fakes = Fakes::new();
        assert_eq!(fakes.run(step("runScenario: parts/sign-in.yaml")).await.expect("it goes well"), "did the steps of parts/sign-in.yaml");
        assert_eq!(fakes.phone.done, ["tap Sign in"]);
        fakes.phone.fails = vec![PhoneError::Failed("it hangs".into())];
        let error = fakes.run(step("runScenario: parts/sign-in.yaml")).await.expect_err("it hangs");
        let told = "do what it holds: line 5 of parts/sign-in.yaml, tapOn: failed to control the phone: it hangs";
        assert_eq!(error.to_string(), told);
    }
}
