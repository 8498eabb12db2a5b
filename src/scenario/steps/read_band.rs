//! `readBand`: reads over Bluetooth what the band holds, before the phone gets it, so that its values are known (R10).

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp, civil::Date};

use super::{Build, KEEP, Step, StepError, StepKind, Takes};
use crate::{
    band::{self, BandError, History, Reading, Sample, Workout},
    model::{Category, Minutes, Planted, PlantedSource, PlantedValue, Quantity, RunEvent},
    scenario::{
        rig::Stage,
        spec::{Key, Kind, Need},
    },
};

const DAY_MINUTES: i64 = 24 * 60;

/// Time for some weeks of minutes over several connections. No default of the key: it would stand in the hash of scenarios that were written
/// before there was one.
const WITHIN: Duration = Duration::from_secs(15 * 60);

pub(super) const KIND: StepKind = StepKind {
    name: "readBand",
    about: "Read what the band holds, before the phone gets it",
    takes: Takes::Map(&[
        Key { name: "since", about: "How far back", kind: Kind::Duration, need: Need::Default("24h") },
        Key { name: "within", about: "How long the band may take: 15m where nothing is said", kind: Kind::Duration, need: Need::Optional },
        KEEP,
    ]),
    does: "Connects to the band over Bluetooth, reads its serial number, its address, its firmware and its minutes, and lets go of it. A \
           connection that breaks is made again, and reading goes on where it was. What the band holds becomes planted values: the harness \
           then knows byte for byte what an honest upload must contain. Of a workout these are its begin and end, its steps, metres and \
           kilocalories, and its heart rates; not its track. A band keeps local time: minutes from before its clock was set to another \
           offset (summer time, a journey) are found all the same, and named by the offset of now. What it tells in a form that is not \
           understood, and workouts that could not be read, are in the step's note. Nothing is written to the band and nothing on it is deleted. \
           Without a key in the rig file only what anyone in reach can read is read, which has no minutes; the step's note says which it \
           was. Put this step before launchApp: the phone app holds the band while it runs.",
    fails: "When the rig has no band, the band is out of reach or held by a phone, it knows another key, or it has not told all within the \
            time.",
    example: "- readBand: { since: 24h }",
    build,
};

#[derive(Debug)]
struct ReadBand {
    since: Duration,
    within: Duration,
    keep: bool,
}

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let (since, within) = (build.arguments.duration("since")?, build.arguments.duration("within").unwrap_or(WITHIN));
    Some(Box::new(ReadBand { since, within, keep: build.arguments.flag("keep").unwrap_or_default() }))
}

#[async_trait]
impl Step for ReadBand {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        let plan = stage.plan()?;
        let since = SignedDuration::try_from(self.since).unwrap_or_default();
        let since = stage.hold.clock().now().saturating_sub(since).unwrap_or(jiff::Timestamp::MIN);
        // Reading makes its own connections, so that it can go on over a new one.
        if stage.kept.is_some() {
            stage.let_go().await?;
        }
        let reading = band::read_history(stage.central, plan.model, plan.address, &plan.access, since, self.within).await;
        let reading = reading.map_err(|error| plan.failed(error))?;
        stage.heard_band();
        if self.keep {
            stage.use_band().await?;
        }
        let planted = planted(&reading, plan.address, &mut stage.course.workouts);
        let note = note(&reading, planted.len());
        for value in planted {
            stage.log.write(RunEvent::Planted(value)).await;
        }
        Ok(note)
    }

    fn needs_band(&self) -> bool {
        true
    }
}

/// What was read, and with which access that was in truth, without a value of it.
fn note(reading: &Reading, planted: usize) -> String {
    let access = if reading.is_authenticated { "with the band's key" } else { "without a key" };
    let what = match &reading.history {
        // The band keeps its own local time and one offset: when that last changed, it does not tell.
        Some(history) if !history.samples.is_empty() => {
            format!("read {} minutes, put by the offset that its clock has now, {access}", history.samples.len())
        }
        Some(_) => format!("read 0 minutes, {access}"),
        None if reading.needs_key => "read without a key: only what anyone in reach can read, which has no minutes".to_owned(),
        None => format!("read {access}; this model keeps no minutes"),
    };
    let connections = if reading.connections > 1 { format!(", over {} connections", reading.connections) } else { String::new() };
    format!("{what}{connections}; {planted} planted values{}", unread(reading))
}

/// What the band has and did not give: without these words, a table without workouts would read as a band without workouts.
fn unread(reading: &Reading) -> String {
    let odd = match reading.info.odd.as_slice() {
        [] => String::new(),
        odd => format!("; not understood: its {}", odd.join(", its ")),
    };
    odd + &match &reading.workouts {
        Ok(_) | Err(BandError::Unsupported(_) | BandError::NeedsKey) => String::new(),
        Err(error) => format!("; its workouts are not known: failed to {error}"),
    }
}

/// What was read of one day of the band's own calendar.
struct Day {
    date: Date,
    /// Minute of the day that the first sample is of.
    first: u16,
    samples: Vec<Sample>,
}

impl Day {
    /// One quantity of each minute; `None` where the band has no value.
    fn minutes(&self, quantity: Quantity, value: impl Fn(&Sample) -> Option<u8>) -> Planted {
        Planted::Minutes(Minutes { quantity, day: self.date, first: self.first, values: self.samples.iter().map(value).collect() })
    }
}

/// What is known of the band now. Minutes are put into days of the band's local time, as the app uploads them. The last day is
/// `band.heart_rate`, the one before it `band.heart_rate.1_day_before`. `known_workouts` are those of earlier readings, so that one workout
/// has one name in the run, and two have two.
fn planted(reading: &Reading, reached_at: [u8; 6], known_workouts: &mut Vec<Timestamp>) -> Vec<PlantedValue> {
    let known = |name: String, category, value| PlantedValue { name, category, value, source: PlantedSource::Band, confirmed: true };
    let info = &reading.info;
    let mut values: Vec<PlantedValue> = [
        ("band.serial", Category::BandSerial, info.serial.clone().map(Planted::Text)),
        ("band.mac", Category::BandMac, Some(Planted::Mac(info.address.unwrap_or(reached_at)))),
        ("band.firmware", Category::BandFirmware, info.firmware.clone().map(Planted::Text)),
        ("band.battery", Category::BandBattery, info.battery.map(|battery| Planted::Integer(battery.level.into()))),
    ]
    .into_iter()
    .filter_map(|(name, category, value)| Some(known(name.to_owned(), category, value?)))
    .collect();
    if info.address.is_some_and(|told| told != reached_at) {
        // It says another address of itself than the one at which it answers: an app may send either.
        values.push(known("band.mac_on_air".to_owned(), Category::BandMac, Planted::Mac(reached_at)));
    }
    for workout in reading.workouts.iter().flatten() {
        let number = known_workouts.iter().position(|known| *known == workout.start).unwrap_or_else(|| {
            known_workouts.push(workout.start);
            known_workouts.len() - 1
        });
        let name = format!("band.workout.{}", number + 1);
        values.extend(of_workout(workout).into_iter().map(|(part, value)| known(format!("{name}{part}"), Category::Workout, value)));
    }
    let Some(history) = &reading.history else { return values };
    let days = days(history);
    let last = days.keys().next_back().copied().unwrap_or_default();
    for (number, day) in days.iter().rev() {
        let when = match last - number {
            0 => String::new(),
            1 => ".1_day_before".to_owned(),
            n => format!(".{n}_days_before"),
        };
        for (name, category, minutes) in [
            ("heart_rate", Category::HeartRateSeries, day.minutes(Quantity::HeartRate, |sample| sample.beats())),
            ("steps", Category::Steps, day.minutes(Quantity::Steps, |sample| sample.is_counted().then_some(sample.steps))),
            ("activity_kind", Category::Steps, day.minutes(Quantity::ActivityKind, |sample| sample.is_counted().then_some(sample.kind))),
        ] {
            values.push(known(format!("band.{name}{when}"), category, minutes));
        }
        let total: i64 = day.samples.iter().map(|sample| i64::from(sample.steps)).sum();
        if total > 0 && day.first == 0 {
            values.push(known(format!("band.step_total{when}"), Category::Steps, Planted::Integer(total)));
        }
    }
    values
}

/// By what a workout is known: when it began, which by itself says little, and beside it when it ended, its totals and its heart rates one
/// after the other. Each is looked for by itself, and those in one object together.
fn of_workout(workout: &Workout) -> Vec<(&'static str, Planted)> {
    let whole = |number: f32| Planted::Integer(number.round() as i64);
    let rates: Vec<u8> = workout.heart_rates.iter().map(|(_, beats)| *beats).collect();
    [
        ("", Some(Planted::Moment(workout.start))),
        (".end", (workout.end > workout.start).then_some(Planted::Moment(workout.end))),
        (".steps", workout.steps.filter(|steps| *steps > 0).map(|steps| Planted::Integer(steps.into()))),
        (".metres", workout.metres.filter(|metres| *metres >= 1.0).map(whole)),
        (".kilocalories", workout.kilocalories.filter(|energy| *energy >= 1.0).map(whole)),
        (".heart_rates", (!rates.is_empty()).then_some(Planted::Series(rates))),
    ]
    .into_iter()
    .filter_map(|(part, value)| Some((part, value?)))
    .collect()
}

/// Samples by local day (days since 1970-01-01).
fn days(history: &History) -> BTreeMap<i64, Day> {
    let first = (history.start.as_second() + i64::from(history.utc_offset_s)).div_euclid(60);
    let mut days: BTreeMap<i64, Day> = BTreeMap::new();
    for (minute, sample) in (first..).zip(&history.samples) {
        let number = minute.div_euclid(DAY_MINUTES);
        let day = days.entry(number).or_insert_with(|| Day {
            date: date_of(number),
            first: u16::try_from(minute.rem_euclid(DAY_MINUTES)).unwrap_or_default(),
            samples: Vec::new(),
        });
        day.samples.push(*sample);
    }
    days
}

/// The date of a day counted from 1970-01-01.
fn date_of(day: i64) -> Date {
    Date::constant(1970, 1, 1).saturating_add(SignedDuration::from_hours(24).saturating_mul(i32::try_from(day).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        band::{BandClock, DeviceInfo, WorkoutKind},
        scenario::steps::fakes::{Fakes, step},
    };

    fn history(start: &str, utc_offset_s: i32, samples: Vec<Sample>) -> History {
        History { start: start.parse().expect("a time"), utc_offset_s, samples }
    }

    fn reading(info: DeviceInfo, history: History) -> Reading {
        let clock = BandClock { now: history.start, utc_offset_s: history.utc_offset_s };
        Reading {
            info,
            is_authenticated: true,
            clock: Some(clock),
            history: Some(history),
            needs_key: false,
            workouts: Err(BandError::Unsupported("record workouts")),
            connections: 1,
        }
    }

    /// At which the fake band is reached.
    const MAC: [u8; 6] = [0; 6];

    fn sample(steps: u8, heart_rate: u8) -> Sample {
        Sample { kind: 1, intensity: 40, steps, heart_rate }
    }

    fn info() -> DeviceInfo {
        DeviceInfo { address: Some(MAC), serial: Some("0123456789ab".into()), firmware: Some("V0.0.0.1".into()), ..DeviceInfo::default() }
    }

    #[test]
    fn minutes_are_put_into_local_days() {
        // 22:58 UTC is 23:58 in the band's time: two minutes before midnight, then two after it.
        let history = history("2026-03-13T22:58:00Z", 3600, vec![sample(1, 60), sample(2, 61), sample(3, 62), sample(4, 255)]);
        let values = planted(&reading(info(), history), MAC, &mut Vec::new());
        let names: Vec<&str> = values.iter().map(|value| value.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "band.serial",
                "band.mac",
                "band.firmware",
                "band.heart_rate",
                "band.steps",
                "band.activity_kind",
                "band.step_total",
                "band.heart_rate.1_day_before",
                "band.steps.1_day_before",
                "band.activity_kind.1_day_before"
            ]
        );
        let minutes = |n: usize| if let Planted::Minutes(minutes) = &values[n].value { minutes.clone() } else { panic!("minutes") };
        let heart_rate =
            |day: &str, first, values| Minutes { quantity: Quantity::HeartRate, day: day.parse().expect("a date"), first, values };
        assert_eq!(minutes(3), heart_rate("2026-03-14", 0, vec![Some(62), None]));
        assert_eq!(minutes(7), heart_rate("2026-03-13", 1438, vec![Some(60), Some(61)]));
        assert_eq!(minutes(4).values, [Some(3), Some(4)]);
        assert_eq!((minutes(9).quantity, minutes(9).values), (Quantity::ActivityKind, vec![Some(1), Some(1)]));
        assert_eq!(values[6].value, Planted::Integer(7));
        assert!(values.iter().all(|value| value.confirmed && value.source == PlantedSource::Band));
    }

    #[test]
    fn an_empty_band_plants_only_what_names_it() {
        assert_eq!(planted(&reading(info(), history("2026-03-13T22:58:00Z", 0, Vec::new())), MAC, &mut Vec::new()).len(), 3);
    }

    #[test]
    fn the_address_at_which_a_band_is_reached_is_known_also_when_it_does_not_tell_it() {
        let addresses = |info: DeviceInfo| -> Vec<(String, Planted)> {
            let values = planted(&reading(info, History::default()), MAC, &mut Vec::new());
            values.into_iter().filter(|value| value.category == Category::BandMac).map(|value| (value.name, value.value)).collect()
        };
        assert_eq!(addresses(DeviceInfo::default()), [("band.mac".to_owned(), Planted::Mac(MAC))]);
        assert_eq!(addresses(info()), [("band.mac".to_owned(), Planted::Mac(MAC))]);
        let told = [2, 0, 0, 0, 0, 1];
        assert_eq!(
            addresses(DeviceInfo { address: Some(told), ..DeviceInfo::default() }),
            [("band.mac".to_owned(), Planted::Mac(told)), ("band.mac_on_air".to_owned(), Planted::Mac(MAC))]
        );
    }

    #[test]
    fn workouts_that_could_not_be_read_are_named_in_the_note() {
        let garbled = Reading { workouts: Err(BandError::Garbled("a torn summary".into())), ..reading(info(), History::default()) };
        assert!(
            note(&garbled, 3).ends_with("3 planted values; its workouts are not known: failed to understand the band: a torn summary"),
            "{}",
            note(&garbled, 3)
        );
        for none in [Ok(Vec::new()), Err(BandError::Unsupported("record workouts")), Err(BandError::NeedsKey)] {
            assert!(note(&Reading { workouts: none, ..reading(info(), History::default()) }, 3).ends_with("3 planted values"));
        }
    }

    fn workout(start: &str) -> Workout {
        let start: Timestamp = start.parse().expect("a time");
        Workout {
            kind: WorkoutKind::Run,
            start,
            end: start,
            steps: None,
            metres: None,
            kilocalories: None,
            heart_rate: None,
            track: Vec::new(),
            heart_rates: Vec::new(),
        }
    }

    #[test]
    fn a_workout_has_one_name_in_a_run_whatever_is_read_beside_it() {
        let mut known = Vec::new();
        let mut names = |starts: &[&str]| -> Vec<(String, Planted)> {
            let workouts = Ok(starts.iter().map(|start| workout(start)).collect());
            let values = planted(&Reading { workouts, ..reading(DeviceInfo::default(), History::default()) }, MAC, &mut known);
            let workouts = values.into_iter().filter(|value| value.quantity() == Some(Quantity::Workouts));
            workouts.map(|value| (value.name, value.value)).collect()
        };
        let (one, two) = ("2026-03-13T17:02:31Z", "2026-03-14T06:40:12Z");
        let named = |name: &str, start: &str| (name.to_owned(), Planted::Moment(start.parse().expect("a moment")));
        assert_eq!(names(&[one, two]), [named("band.workout.1", one), named("band.workout.2", two)]);
        assert_eq!(names(&[two]), [named("band.workout.2", two)], "the last hour holds the second only");
        assert_eq!(names(&["2026-03-14T09:00:00Z", two]), [named("band.workout.3", "2026-03-14T09:00:00Z"), named("band.workout.2", two)]);
    }

    #[test]
    fn what_a_workout_came_to_is_known_too() {
        let start = "2026-03-14T06:40:12Z";
        let end: Timestamp = "2026-03-14T07:12:49Z".parse().expect("a time");
        let rates = vec![(end, 131), (end, 132)];
        let ran = Workout { end, steps: Some(5_113), metres: Some(4_871.6), kilocalories: Some(0.2), heart_rates: rates, ..workout(start) };
        let read = Reading { workouts: Ok(vec![ran]), ..reading(DeviceInfo::default(), History::default()) };
        let told: Vec<_> = planted(&read, MAC, &mut Vec::new()).into_iter().skip(1).map(|value| (value.name, value.value)).collect();
        let named = |part: &str, value| (format!("band.workout.1{part}"), value);
        assert_eq!(
            told,
            [
                named("", Planted::Moment(start.parse().expect("a moment"))),
                named(".end", Planted::Moment(end)),
                named(".steps", Planted::Integer(5_113)),
                named(".metres", Planted::Integer(4_872)),
                named(".heart_rates", Planted::Series(vec![131, 132])),
            ]
        );
    }

    #[test]
    fn where_the_band_has_no_sample_there_is_no_value_of_any_kind() {
        let read = reading(info(), history("2026-03-14T08:00:00Z", 0, vec![sample(0, 255), Sample::NONE]));
        let values = planted(&read, MAC, &mut Vec::new());
        let minutes: Vec<_> =
            values.iter().filter_map(|value| if let Planted::Minutes(of) = &value.value { Some(of) } else { None }).collect();
        assert_eq!(
            minutes.iter().map(|minutes| minutes.values.clone()).collect::<Vec<_>>(),
            [vec![None, None], vec![Some(0), None], vec![Some(1), None]]
        );
        assert!(minutes.iter().all(|minutes| minutes.first == 480));
    }

    #[tokio::test]
    async fn the_band_is_read_and_let_go_and_no_value_is_in_the_note() {
        let mut fakes = Fakes::new();
        fakes.band.contents = Some((info(), history("2026-03-14T08:00:00Z", 3600, vec![sample(90, 72); 5])));
        let note = fakes.run(step("readBand")).await.expect("the band is there");
        assert_eq!(note, "read 5 minutes, put by the offset that its clock has now, with the band's key; 6 planted values");
        assert_eq!(fakes.band.journal(), ["open", "info", "history since 1969-12-31T00:00:00Z", "release"]);
        assert_eq!(fakes.log.written().len(), 6);
    }

    #[tokio::test]
    async fn without_a_key_what_anyone_can_read_is_read_and_the_note_says_so() {
        let mut fakes = Fakes::new();
        fakes.access = crate::band::Access::Anyone;
        fakes.band.contents = Some((info(), history("2026-03-14T08:00:00Z", 3600, vec![sample(90, 72); 5])));
        let note = fakes.run(step("readBand")).await.expect("the band is there");
        assert_eq!(note, "read without a key: only what anyone in reach can read, which has no minutes; 3 planted values");
        assert_eq!(fakes.band.journal(), ["open", "info", "release"]);
    }

    #[tokio::test]
    async fn a_key_that_the_band_has_no_use_for_was_not_used() {
        let mut fakes = Fakes::new();
        fakes.band.contents = Some((info(), History::default()));
        fakes.band.is_generic = true;
        let note = fakes.run(step("readBand")).await.expect("the band is there");
        assert_eq!(note, "read without a key; this model keeps no minutes; 3 planted values");
    }

    #[tokio::test]
    async fn a_band_that_talks_for_ever_is_let_go_at_the_limit() {
        let mut fakes = Fakes::new();
        fakes.band.contents = Some((info(), History::default()));
        fakes.band.never_ends = true;
        let error = fakes.run(step("readBand: { within: 1s }")).await.expect_err("it never ends");
        assert!(error.to_string().starts_with("read the band to the end within 1s: it had told 0 minutes by then"), "{error}");
        assert_eq!(fakes.band.journal().last().map(String::as_str), Some("release"));
    }

    #[tokio::test]
    async fn a_connection_that_breaks_is_made_again_and_goes_on_where_it_was() {
        let mut fakes = Fakes::new();
        fakes.band.contents = Some((info(), history("2026-03-14T08:00:00Z", 0, vec![sample(90, 72); 5])));
        fakes.band.breaks.store(true, std::sync::atomic::Ordering::SeqCst);
        let note = fakes.run(step("readBand: { since: 1h, keep: true }")).await.expect("the band is there");
        assert_eq!(
            note,
            "read 5 minutes, put by the offset that its clock has now, with the band's key, over 2 connections; 6 planted values"
        );
        let journal = fakes.band.journal();
        assert_eq!(journal[3..], ["release", "open", "history since 2026-03-14T08:01:00Z", "release", "open"], "kept at the end");
    }

    #[tokio::test]
    async fn a_band_that_hangs_up_is_let_go_all_the_same_and_named() {
        let mut fakes = Fakes::new();
        let error = fakes.run(step("readBand: { since: 1h }")).await.expect_err("nothing to read");
        assert_eq!(error.to_string(), "the band ended the connection (a fake band …:00:00)");
        assert_eq!(fakes.band.journal(), ["open", "info", "release"].repeat(3));
    }

    #[tokio::test]
    async fn a_rig_without_a_band_says_so() {
        let mut fakes = Fakes::new();
        fakes.no_band = true;
        let error = fakes.run(step("readBand")).await.expect_err("no band");
        assert_eq!(error.to_string(), "find the band: this rig has none");
    }
}
