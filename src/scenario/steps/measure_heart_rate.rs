//! `measureHeartRate`: one measurement on the band, so that a heart rate is known that can be nowhere yet.

use std::time::Duration;

use async_trait::async_trait;

use super::{Build, KEEP, Step, StepError, StepKind, Takes};
use crate::{
    model::{Category, Planted, PlantedSource, PlantedValue, RunEvent},
    scenario::{
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "measureHeartRate",
    about: "Measure the heart rate once, on the band",
    takes: Takes::Map(&[
        Key { name: "within", about: "How long the band may take", kind: Kind::Duration, need: Need::Default("60s") },
        KEEP,
    ]),
    does: "Connects to the band, measures the heart rate of whoever wears it, switches the sensor off again on every way out, and lets go of \
           the band. The result becomes a planted value. It is one small number, so that finding it in an upload proves little by itself: \
           a report says so.",
    fails: "When the rig has no band, the band is out of reach or held by a phone, it needs a key that the rig does not have, or it finds no \
            pulse within the time because nobody wears it.",
    example: "- measureHeartRate: { within: 60s }",
    build,
};

#[derive(Debug)]
struct MeasureHeartRate {
    within: Duration,
    keep: bool,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let within = build.arguments.duration("within")?;
    Some(Box::new(MeasureHeartRate { within, keep: build.arguments.flag("keep").unwrap_or_default() }))
}

#[async_trait]
impl Step for MeasureHeartRate {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let measured = stage.use_band().await?.measure_heart_rate(self.within).await;
        let beats = stage.give_back(self.keep, measured).await?;
        let planted = PlantedValue {
            name: "band.heart_rate_measured".to_owned(),
            category: Category::HeartRate,
            value: Planted::Integer(i64::from(beats)),
            source: PlantedSource::Band,
            confirmed: true,
        };
        stage.log.write(RunEvent::Planted(planted)).await;
        Ok("measured once; 1 planted value".to_owned())
    }

    fn needs_band(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        band::{DeviceInfo, History, Sample},
        model::{Planted, RunEvent},
        scenario::steps::fakes::{Fakes, step},
    };

    #[tokio::test]
    async fn what_is_measured_is_planted_and_not_in_the_note() {
        let mut fakes = Fakes::new();
        let samples = vec![Sample { heart_rate: 72, ..Sample::NONE }];
        fakes.band.contents = Some((DeviceInfo::default(), History { samples, ..History::default() }));
        let note = fakes.run(step("measureHeartRate: { within: 30s }")).await.expect("somebody wears it");
        assert!(!note.contains("72"), "{note}");
        assert_eq!(fakes.band.journal(), ["open", "measure heart rate", "release"]);
        let [RunEvent::Planted(value)] = &fakes.log.written()[..] else { panic!("one planted value") };
        assert_eq!((value.name.as_str(), &value.value), ("band.heart_rate_measured", &Planted::Integer(72)));
    }

    #[tokio::test]
    async fn a_measurement_that_is_broken_off_leaves_the_band_where_it_can_be_let_go() {
        let mut fakes = Fakes::new();
        fakes.band.contents = Some((DeviceInfo::default(), History::default()));
        fakes.band.never_ends = true;
        let broken_off = fakes.break_off(step("measureHeartRate")).await;
        assert!(broken_off, "it measures for ever");
        assert_eq!(fakes.band.journal(), ["open", "measure heart rate"]);
        fakes.kept().expect("whoever made the stage has it").release().await.expect("it is let go");
        assert_eq!(fakes.band.journal(), ["open", "measure heart rate", "release"]);
    }

    #[tokio::test]
    async fn a_band_that_nobody_wears_is_let_go_all_the_same() {
        let mut fakes = Fakes::new();
        fakes.band.contents = Some((DeviceInfo::default(), History::default()));
        let error = fakes.run(step("measureHeartRate: { within: 30s, keep: true }")).await.expect_err("no pulse");
        assert_eq!(error.to_string(), "get an answer from the band within 30s (a fake band …:00:00)");
        assert_eq!(fakes.band.journal(), ["open", "measure heart rate", "release"]);
        assert!(fakes.log.written().is_empty());
    }
}
