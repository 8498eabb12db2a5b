//! `setLocation`: places the phone somewhere, at once.

use async_trait::async_trait;

use super::{Build, Move, Step, StepError, StepKind, Takes};
use crate::{
    model::{Position, RunEvent},
    phone::{Action, PhoneError},
    scenario::{
        parse::{LATITUDE, LONGITUDE},
        rig::Stage,
        spec::{Key, Need},
    },
};

/// How far off a phone may say it is. Mock positions come back rounded, a real receiver's jitter is larger: 100 m tells one place
/// from the next and both from 5 km (R5).
const TOLERANCE_M: f64 = 100.0;

/// Keys of a position.
pub(crate) const POSITION: &[Key] = &[
    Key { name: "lat", about: "Latitude in decimal degrees, WGS 84", kind: LATITUDE, need: Need::Required },
    Key { name: "lon", about: "Longitude in decimal degrees, WGS 84", kind: LONGITUDE, need: Need::Required },
];

pub(super) const KIND: StepKind = StepKind {
    name: "setLocation",
    about: "Place the phone somewhere, at once",
    takes: Takes::Map(POSITION),
    does: "Gives the phone a position of the test's own, and reads back where the phone says it is. That position is searched for in \
           every upload.",
    fails: "When the phone does not take it, or says it is more than 100 m away from it.",
    example: "- setLocation: { lat: 52.37403, lon: 4.88969 }",
    build,
};

#[derive(Debug)]
struct SetLocation(Position);

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(SetLocation(Position::new(build.arguments.number("lat")?, build.arguments.number("lon")?)?)))
}

#[async_trait]
impl Step for SetLocation {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        place(stage, self.0).await?;
        let confirmed = if stage.phone.is_by_hand() { "and nobody has read back where it is" } else { "and it says it is there" };
        Ok(format!("moved the phone, {confirmed}"))
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::SetLocation)
    }

    fn moves(&self) -> Option<Move<'_>> {
        Some(Move::To(self.0))
    }
}

/// Places the phone and records where it says it is.
///
/// # Errors
/// When the phone does not take it, or says it is more than 100 m away from it.
pub async fn place(stage: &mut Stage<'_>, position: Position) -> Result<(), StepError> {
    let says = stage.phone.set_location(position).await?;
    let off_by = says.distance_m(position);
    if off_by > TOLERANCE_M {
        return Err(PhoneError::Failed(format!("it says it is {off_by:.0} m away from where it was placed")).into());
    }
    let confirmed = !stage.phone.is_by_hand();
    stage.log.write(RunEvent::PhoneMoved { position: says, confirmed }).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn what_the_phone_says_is_recorded() {
        let mut fakes = Fakes::new();
        fakes.phone.off_by_degrees = 0.0001;
        fakes.run(step("setLocation: { lat: 52.5, lon: 4.5 }")).await.expect("it moves");
        let says = Position::new(52.5001, 4.5).expect("in range");
        assert_eq!(fakes.log.written(), [RunEvent::PhoneMoved { position: says, confirmed: true }]);
    }

    #[tokio::test]
    async fn where_a_person_took_the_phone_is_not_confirmed() {
        let mut fakes = Fakes::new();
        fakes.phone.by_hand = true;
        let note = fakes.run(step("setLocation: { lat: 52.5, lon: 4.5 }")).await.expect("it moves");
        assert_eq!(note, "moved the phone, and nobody has read back where it is");
        let position = Position::new(52.5, 4.5).expect("in range");
        assert_eq!(fakes.log.written(), [RunEvent::PhoneMoved { position, confirmed: false }]);
    }

    #[tokio::test]
    async fn a_phone_that_stays_where_it_was_is_an_error() {
        let mut fakes = Fakes::new();
        fakes.phone.off_by_degrees = 0.1;
        let error = fakes.run(step("setLocation: { lat: 52.5, lon: 4.5 }")).await.expect_err("it is 11 km off");
        assert_eq!(error.to_string(), "control the phone: it says it is 11120 m away from where it was placed");
        assert!(fakes.log.written().is_empty());
    }
}
