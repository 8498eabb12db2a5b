//! `travel`: moves the phone along a track, point by point.

use std::time::Duration;

use async_trait::async_trait;

use super::{Build, Move, Step, StepError, StepKind, Takes, set_location::place};
use crate::{
    model::Position,
    phone::Action,
    scenario::{
        rig::Stage,
        spec::{Key, Kind, Need, Value},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "travel",
    about: "Move the phone along a track, point by point",
    takes: Takes::Map(&[
        Key {
            name: "track",
            about: "Positions as [latitude, longitude], in order",
            kind: Kind::List { of: &Kind::Point, least: 2 },
            need: Need::Required,
        },
        Key { name: "every", about: "Time from one point to the next", kind: Kind::Duration, need: Need::Default("10s") },
    ]),
    does: "Places the phone on each point in turn, as setLocation does, and waits `every` after each.",
    fails: "When the phone does not take a point, or says it is more than 100 m away from it.",
    example: "- travel: { track: [[52.52, 13.405], [52.52012, 13.40515]], every: 10s }",
    build,
};

#[derive(Debug)]
struct Travel {
    track: Vec<Position>,
    every: Duration,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let points = build.arguments.list("track").iter();
    let track = points.filter_map(|item| if let Value::Point(position) = item.value { Some(position) } else { None }).collect();
    Some(Box::new(Travel { track, every: build.arguments.duration("every")? }))
}

#[async_trait]
impl Step for Travel {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let mut metres = 0.0;
        for (n, position) in self.track.iter().enumerate() {
            place(stage, *position).await?;
            metres += n.checked_sub(1).and_then(|before| self.track.get(before)).map_or(0.0, |before| before.distance_m(*position));
            stage.hold.sleep(self.every).await;
        }
        Ok(format!("moved along {} points, {metres:.0} m", self.track.len()))
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::SetLocation)
    }

    fn moves(&self) -> Option<Move<'_>> {
        Some(Move::Along(&self.track))
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::steps::fakes::{Fakes, step};

    #[tokio::test]
    async fn every_point_takes_its_time_and_is_recorded() {
        let mut fakes = Fakes::new();
        let note = fakes.run(step("travel: { track: [[52.52, 13.405], [52.521, 13.405], [52.522, 13.405]], every: 5s }")).await;
        assert_eq!(note.expect("it moves"), "moved along 3 points, 222 m");
        assert_eq!((fakes.seconds_passed(), fakes.log.written().len()), (15, 3));
    }
}
