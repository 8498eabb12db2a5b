//! `readBand`: reads over Bluetooth what the band holds, before the phone gets it, so that its values are known (R10).

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    band::{self, Band, DeviceInfo, History},
    model::{Category, Planted, PlantedSource, PlantedValue, RunEvent},
    scenario::{
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

const DAY_MINUTES: i64 = 24 * 60;

/// What a band stores for a minute without a reading (`docs/protocols/huami-ble.md`).
const NO_HEART_RATE: u8 = 255;

pub(super) const KIND: StepKind = StepKind {
    name: "readBand",
    about: "Read what the band holds, before the phone gets it",
    takes: Takes::Map(&[Key { name: "since", about: "How far back", kind: Kind::Duration, need: Need::Default("24h") }]),
    does: "Connects to the band over Bluetooth, reads its serial number, its address and its minutes, and lets go of it. What it holds \
           becomes planted values: the harness then knows byte for byte what an honest upload must contain. Nothing is written to the \
           band and nothing on it is deleted. Put this step before launchApp: the phone app holds the band while it runs.",
    fails: "When the rig has no band, the band is out of reach or held by a phone, or it knows another key.",
    example: "- readBand: { since: 24h }",
    build,
};

#[derive(Debug)]
struct ReadBand {
    since: Duration,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    Some(Box::new(ReadBand { since: build.arguments.duration("since")? }))
}

#[async_trait]
impl Step for ReadBand {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let Some(plan) = stage.band.clone() else { return Err(StepError::NoBand) };
        let since = jiff::SignedDuration::try_from(self.since).unwrap_or_default();
        let since = stage.hold.clock().now().saturating_sub(since).unwrap_or(jiff::Timestamp::MIN);
        let mut band = band::connect(stage.central, plan.model, plan.address, &plan.access).await?;
        let read = read(band.as_mut(), since).await;
        // The phone needs the band next, so it is let go whether or not it could be read.
        let released = band.release().await;
        let (info, history) = read?;
        released?;
        let minutes = history.samples.len();
        let planted = planted(&info, &history);
        let note = format!("read {minutes} minutes; {} planted values", planted.len());
        for value in planted {
            stage.log.write(RunEvent::Planted(value)).await;
        }
        Ok(note)
    }

    fn needs_band(&self) -> bool {
        true
    }
}

async fn read(band: &mut dyn Band, since: jiff::Timestamp) -> Result<(DeviceInfo, History), band::BandError> {
    let info = band.device_info().await?;
    let mut history = History { start: since, ..History::default() };
    band.history(since, &mut history).await?;
    Ok((info, history))
}

/// What one day of the band's own calendar holds.
struct Day {
    heart_rate: Vec<u8>,
    steps: Vec<u8>,
    /// Whether it was read from its first minute, so that its total can be known.
    from_midnight: bool,
}

/// What is known of the band now. Minutes are put into days of the band's local time, 1,440 values each, as the app uploads
/// them; minutes that were not read are "no reading". The last day is `band.heart_rate`, the one before it
/// `band.heart_rate.1_day_before`.
fn planted(info: &DeviceInfo, history: &History) -> Vec<PlantedValue> {
    let known = |name: String, category, value| PlantedValue { name, category, value, source: PlantedSource::Band, confirmed: true };
    let serial = info.serial.clone().map(|serial| known("band.serial".into(), Category::BandSerial, Planted::Text(serial)));
    let address = info.address.map(|address| known("band.mac".into(), Category::BandMac, Planted::Mac(address)));
    let mut values: Vec<PlantedValue> = serial.into_iter().chain(address).collect();
    let days = days(history);
    let last = days.keys().next_back().copied().unwrap_or_default();
    for (number, day) in days.into_iter().rev() {
        let when = match last - number {
            0 => String::new(),
            1 => ".1_day_before".to_owned(),
            n => format!(".{n}_days_before"),
        };
        let total: i64 = day.steps.iter().map(|steps| i64::from(*steps)).sum();
        if day.heart_rate.iter().any(|rate| *rate != NO_HEART_RATE) {
            values.push(known(format!("band.heart_rate{when}"), Category::HeartRateSeries, Planted::Series(day.heart_rate)));
        }
        if total > 0 {
            values.push(known(format!("band.steps{when}"), Category::Steps, Planted::Series(day.steps)));
            if day.from_midnight {
                values.push(known(format!("band.step_total{when}"), Category::Steps, Planted::Integer(total)));
            }
        }
    }
    values
}

/// Samples by local day (days since 1970-01-01).
fn days(history: &History) -> BTreeMap<i64, Day> {
    let first = (history.start.as_second() + i64::from(history.utc_offset_s)).div_euclid(60);
    let mut days: BTreeMap<i64, Day> = BTreeMap::new();
    for (minute, sample) in (first..).zip(&history.samples) {
        let of_day = minute.rem_euclid(DAY_MINUTES) as usize;
        let day = days.entry(minute.div_euclid(DAY_MINUTES)).or_insert_with(|| Day {
            heart_rate: vec![NO_HEART_RATE; DAY_MINUTES as usize],
            steps: vec![0; DAY_MINUTES as usize],
            from_midnight: of_day == 0,
        });
        day.heart_rate[of_day] = sample.heart_rate;
        day.steps[of_day] = sample.steps;
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        band::Sample,
        scenario::steps::fakes::{Fakes, step},
    };

    fn history(start: &str, utc_offset_s: i32, samples: Vec<Sample>) -> History {
        History { start: start.parse().expect("a time"), utc_offset_s, samples }
    }

    fn sample(steps: u8, heart_rate: u8) -> Sample {
        Sample { kind: 1, intensity: 40, steps, heart_rate }
    }

    fn info() -> DeviceInfo {
        DeviceInfo {
            address: Some([0xc0, 0xff, 0xee, 0x12, 0x34, 0x56]),
            serial: Some("0123456789ab".into()),
            firmware: Some("V0.0.0.1".into()),
            ..DeviceInfo::default()
        }
    }

    #[test]
    fn minutes_are_put_into_local_days() {
        // 22:58 UTC is 23:58 in the band's time: two minutes before midnight, then two after it.
        let history = history("2026-03-13T22:58:00Z", 3600, vec![sample(1, 60), sample(2, 61), sample(3, 62), sample(4, 255)]);
        let values = planted(&info(), &history);
        let names: Vec<&str> = values.iter().map(|value| value.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "band.serial",
                "band.mac",
                "band.heart_rate",
                "band.steps",
                "band.step_total",
                "band.heart_rate.1_day_before",
                "band.steps.1_day_before"
            ]
        );
        let series = |n: usize| if let Planted::Series(series) = &values[n].value { series.clone() } else { panic!("a series") };
        assert_eq!((series(2)[0], series(2)[1], series(2)[2]), (62, 255, 255));
        assert_eq!((series(5)[1437], series(5)[1438], series(5)[1439]), (255, 60, 61));
        assert_eq!(values[4].value, Planted::Integer(7));
        assert!(values.iter().all(|value| value.confirmed && value.source == PlantedSource::Band));
    }

    #[test]
    fn an_empty_band_plants_only_what_names_it() {
        assert_eq!(planted(&info(), &history("2026-03-13T22:58:00Z", 0, Vec::new())).len(), 2);
    }

    #[tokio::test]
    async fn the_band_is_read_and_let_go_and_no_value_is_in_the_note() {
        let mut fakes = Fakes::new();
        fakes.band.contents = Some((info(), history("2026-03-14T08:00:00Z", 3600, vec![sample(90, 72); 5])));
        let note = fakes.run(step("readBand")).await.expect("the band is there");
        assert_eq!(note, "read 5 minutes; 4 planted values");
        assert_eq!(fakes.band.journal(), ["open", "info", "history since 1969-12-31T00:00:00Z", "release"]);
        assert_eq!(fakes.log.written().len(), 4);
    }

    #[tokio::test]
    async fn a_band_that_hangs_up_is_let_go_all_the_same() {
        let mut fakes = Fakes::new();
        let error = fakes.run(step("readBand: { since: 1h }")).await.expect_err("nothing to read");
        assert_eq!(error.to_string(), "the band ended the connection");
        assert_eq!(fakes.band.journal(), ["open", "info", "release"]);
    }

    #[tokio::test]
    async fn a_rig_without_a_band_says_so() {
        let mut fakes = Fakes::new();
        fakes.no_band = true;
        let error = fakes.run(step("readBand")).await.expect_err("no band");
        assert_eq!(error.to_string(), "read the band: this rig has none");
    }
}
