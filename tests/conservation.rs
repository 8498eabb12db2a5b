//! What became of what the band held, derived from the saved capture alone: of 1,200 readings 1,200, 600 or none, in whatever shape and
//! however many pieces they are uploaded, and never one by luck.

mod support;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};
use support::{
    Place,
    held::{Recorded, report, row, samples},
    shipped_app,
};
use tattletale::{
    band::Sample,
    model::{
        App, AppVersion, Body, CaptureSource, Captured, Category, ConservationRow, Exchange, ExchangeId, Held, Minutes, Planted,
        PlantedSource, PlantedValue, Platform, Provenance, Quantity, Recording, Request, Response, Rig, RunEnding, RunEvent, Target, Url,
    },
    run::{self, Order, SimulatedBench},
    scenario::{embedded, parse},
    store::CaptureReader,
};

fn beats(samples: &[Sample]) -> Vec<u8> {
    samples.iter().map(|sample| sample.heart_rate).collect()
}

/// What a day of samples from `FIRST` on plants: its minutes of two days.
fn planted(samples: &[Sample]) -> Vec<PlantedValue> {
    let value = |name: &str, category, quantity, day: &str, first, of: &[Sample], read: fn(&Sample) -> Option<u8>| PlantedValue {
        name: format!("band.{name}.{day}"),
        category,
        value: Planted::Minutes(Minutes { quantity, day: day.parse().expect("a date"), first, values: of.iter().map(read).collect() }),
        source: PlantedSource::Band,
        confirmed: true,
    };
    let (before, after) = samples.split_at(1440 - usize::from(FIRST));
    [("2026-03-13", FIRST, before), ("2026-03-14", 0, after)]
        .into_iter()
        .flat_map(|(day, first, of)| {
            [
                value("heart_rate", Category::HeartRateSeries, Quantity::HeartRate, day, first, of, |sample| sample.beats()),
                value("steps", Category::Steps, Quantity::Steps, day, first, of, |sample| Some(sample.steps)),
                value("activity_kind", Category::Steps, Quantity::ActivityKind, day, first, of, |sample| Some(sample.kind)),
            ]
        })
        .collect()
}

/// The two days that the values are of, one byte a minute, as an app uploads them.
fn days(values: &[u8], nothing: u8) -> [Vec<u8>; 2] {
    let (before, after) = values.split_at(1440 - usize::from(FIRST));
    let filled = |head: usize, middle: &[u8]| [vec![nothing; head], middle.to_vec(), vec![nothing; 1440 - head - middle.len()]].concat();
    [filled(FIRST.into(), before), filled(0, after)]
}

/// One o'clock.
const FIRST: u16 = 13 * 60;

/// A run in which these values were planted and these bodies were sent.
fn recorded(run: u32, values: Vec<PlantedValue>, bodies: &[Value]) -> Recorded {
    let provenance = Provenance {
        format: 2,
        tool: "test".into(),
        source: CaptureSource::Proxy,
        target: Target {
            app: "mifit".into(),
            platform: Platform::Simulated,
            version: AppVersion::named("sim-1.0"),
            scenario: "passive-sync".into(),
            claimed: false,
        },
        scenario_hash: None,
        run,
        runs: 1,
        rig: Rig::Simulated { seed: 1 },
        started: Timestamp::UNIX_EPOCH,
        planted: Vec::new(),
        expectations: Vec::new(),
        control: None,
    };
    let exchange = |(id, body): (u64, &Value)| {
        let url = Url { scheme: "https".into(), host: "api.test".into(), port: 443, path_and_query: Captured::new("/day".into()) };
        RunEvent::Exchange(Box::new(Exchange {
            id: ExchangeId(id),
            phase: "start".into(),
            tunnel: None,
            began: Timestamp::UNIX_EPOCH,
            ended: None,
            request: Request {
                method: "POST".into(),
                url,
                http_version: "HTTP/1.1".into(),
                headers: Vec::new(),
                body: Body::inline(body.to_string().into_bytes()),
                trailers: Vec::new(),
            },
            response: Some(Response {
                status: 200,
                http_version: "HTTP/1.1".into(),
                headers: Vec::new(),
                body: Body::default(),
                trailers: Vec::new(),
            }),
            error: None,
        }))
    };
    let mut events: Vec<RunEvent> = values.into_iter().map(RunEvent::Planted).collect();
    events.extend((1..).zip(bodies).map(exchange));
    events.push(RunEvent::RunEnded { ending: RunEnding::Complete });
    Recorded { provenance, events }
}

/// Of the readings that seed 1 plants, how many are found in these bodies.
fn found(bodies: &[Value]) -> u64 {
    let recording = recorded(1, planted(&samples(1)), bodies);
    let row = row(&report(&[&recording], &App::default()).conservation, Quantity::HeartRate);
    assert_eq!(row.held, Held::Minutes { values: 1200, zeros: 0, gaps: 240 });
    assert_eq!(row.found + row.probably + row.not_seen, 1200, "each in one column: {row:?}");
    assert_eq!((row.untold, row.not_checked), (0, 0), "{row:?}");
    row.found
}

fn hr(bytes: &[u8]) -> Value {
    json!({ "data_hr": STANDARD.encode(bytes) })
}

/// The heart rate in which these minutes only have their value.
fn only(keep: impl Fn(usize) -> bool) -> Vec<u8> {
    beats(&samples(1)).iter().enumerate().map(|(minute, value)| if keep(minute) { *value } else { 0xff }).collect()
}

fn count(keep: impl Fn(usize) -> bool) -> u64 {
    only(keep).iter().filter(|value| **value != 0xff).count() as u64
}

#[test]
fn a_read_over_midnight_is_found_whole_in_one_body_in_two_and_twice() {
    let [one, two] = days(&beats(&samples(1)), 0xff);
    assert_eq!(found(&[json!({ "days": [hr(&one), hr(&two)] })]), 1200);
    assert_eq!(found(&[hr(&one), hr(&two)]), 1200);
    assert_eq!(found(&[hr(&two), hr(&one), hr(&two), hr(&one)]), 1200, "each minute counts once");
    assert_eq!(found(&[hr(&one)]), count(|minute| minute < 1440 - usize::from(FIRST)));
    assert_eq!(found(&[hr(&beats(&samples(1)))]), 1200, "and as one piece that knows no midnight");
    // What is still to come, as apps write it.
    assert_eq!(found(&days(&beats(&samples(1)), 0xfe).map(|day| hr(&day))), 1200);
}

#[test]
fn half_of_it_is_half_of_it_whichever_half() {
    let sent = |keep: &dyn Fn(usize) -> bool| found(&days(&only(keep), 0xff).map(|day| hr(&day)));
    let reading = |minute: usize| minute - minute / 6;
    assert_eq!(sent(&|minute| reading(minute) % 2 == 0), 600, "every other reading");
    assert_eq!(sent(&|minute| reading(minute) % 2 == 1), 600, "the others");
    assert_eq!(sent(&|minute| minute >= 720), 600, "the later half");
    assert_eq!(sent(&|minute| minute < 720), 600, "the earlier half");
    let even = |minute: usize| minute.is_multiple_of(2);
    assert_eq!(sent(&even), count(even), "every other minute");
    let third = |minute: usize| minute.is_multiple_of(3);
    assert_eq!(sent(&third), count(third), "every third minute");
    let by_chance = |minute: usize| (minute.wrapping_mul(2_654_435_761) >> 7).is_multiple_of(2);
    assert_eq!(sent(&by_chance), count(by_chance), "some of them");
    let ten_of_an_hour = |minute: usize| minute % 60 < 10;
    assert_eq!(sent(&ten_of_an_hour), count(ten_of_an_hour), "ten minutes of every hour");
    let without_a_night = |minute: usize| !(300..900).contains(&minute);
    assert_eq!(sent(&without_a_night), count(without_a_night), "ten hours are missing in the middle");
}

#[test]
fn lists_of_what_was_kept_are_found_too() {
    let readings: Vec<(usize, u8)> = beats(&samples(1)).into_iter().enumerate().filter(|(_, value)| *value != 0xff).collect();
    let list = |step: usize, write: &dyn Fn(usize, u8) -> Value| json!({ "samples": readings.iter().step_by(step).map(|(minute, value)| write(*minute, *value)).collect::<Vec<_>>() });
    assert_eq!(found(&[list(1, &|_, value| json!(value))]), 1200);
    assert_eq!(found(&[list(2, &|_, value| json!(value))]), 600, "every other reading, without the gaps");
    assert_eq!(found(&[list(5, &|_, value| json!(value))]), 240);
    assert_eq!(found(&[list(2, &|minute, value| json!({ "t": 1_773_400_000 + 60 * minute, "bpm": value }))]), 600);
}

#[test]
fn another_day_and_what_repeats_itself_are_not_found() {
    let sent = |values: &[u8]| found(&days(values, 0xff).map(|day| hr(&day)));
    for seed in 2..12 {
        assert_eq!(sent(&beats(&samples(seed))), 0, "{seed}");
    }
    assert_eq!(sent(&[64; 1440]), 0);
    assert_eq!(sent(&[0xff; 1440]), 0);
    // Thirty minutes alike, as in the planted day, say nothing; nor do they when another day is around them.
    let mut still = beats(&samples(2));
    still[100..130].fill(beats(&samples(1))[100]);
    assert_eq!(sent(&still), 0);
}

#[test]
fn gaps_are_never_found() {
    // An app that makes up what the band did not measure.
    let made_up: Vec<u8> = beats(&samples(1))
        .iter()
        .scan(60, |last, value| {
            *last = if *value == 0xff { *last } else { *value };
            Some(*last)
        })
        .collect();
    assert_eq!(found(&days(&made_up, 0xff).map(|day| hr(&day))), 1200);
    // Eight hours of another day in the middle: what is the same there by chance is a minute or two at its edges.
    let (mut mixed, other) = (beats(&samples(1)), beats(&samples(7)));
    mixed[400..880].copy_from_slice(&other[400..880]);
    let kept = count(|minute| !(400..880).contains(&minute));
    let found = found(&days(&mixed, 0xff).map(|day| hr(&day)));
    assert!((kept..kept + 4).contains(&found), "{found} of {kept}");
}

/// What the table says of the heart rate, and what all of the report's words are, when these bodies were sent.
fn told(values: Vec<PlantedValue>, bodies: &[Value]) -> (ConservationRow, Vec<(String, String)>) {
    let report = report(&[&recorded(1, values, bodies)], &App::default());
    (row(&report.conservation, Quantity::HeartRate), report.planted)
}

fn readings(seed: u64) -> Vec<u8> {
    beats(&samples(seed)).into_iter().filter(|value| *value != 0xff).collect()
}

#[test]
fn a_day_in_pieces_too_small_to_be_told_is_found_when_they_are_put_together() {
    let whole = beats(&samples(1));
    let in_pieces = |of: usize, write: &dyn Fn(&[u8]) -> Value| whole.chunks(of).map(write).collect::<Vec<Value>>();
    let json = |piece: &[u8]| json!({ "heart_rate": piece });
    for (of, bodies) in [
        (15, in_pieces(15, &json)),
        (7, in_pieces(7, &json)),
        (30, in_pieces(30, &json)),
        (15, in_pieces(15, &|piece| json!({ "heart_rate": STANDARD.encode(piece) }))),
        (5, in_pieces(5, &|piece| json!({ "heart_rate": STANDARD.encode(piece) }))),
        (15, in_pieces(15, &|piece| json!({ "heart_rate": piece.iter().map(u8::to_string).collect::<Vec<_>>().join(",") }))),
        // A name that says nothing makes no difference.
        (15, in_pieces(15, &|piece| json!({ "a": piece }))),
        (1, in_pieces(1, &|piece| json!({ "heart_rate": piece[0] }))),
        (1, readings(1).iter().map(|value| json!({ "heart_rate": value })).collect()),
        (12, readings(1).chunks(12).map(|piece| json!({ "heart_rate": piece })).collect()),
    ] {
        let (row, planted) = told(planted(&samples(1)), &bodies);
        assert_eq!((row.found, row.probably, row.not_seen, row.untold), (1200, 0, 0, 0), "in pieces of {of}: {}", bodies[0]);
        assert!(row.added.is_empty() && row.in_pieces.is_empty(), "{row:?}");
        let words = &planted.iter().find(|(name, _)| name == "band.heart_rate.2026-03-14").expect("planted").1;
        assert!(words.starts_with("found in "), "{words}");
    }
    // Each piece sent a second time, as after an answer that was lost.
    let twice: Vec<Value> = in_pieces(15, &json).into_iter().flat_map(|body| [body.clone(), body]).collect();
    assert_eq!(told(planted(&samples(1)), &twice).0.found, 1200);
}

#[test]
fn a_reading_in_five_minutes_an_hour_a_request_is_found() {
    let held: Vec<Sample> = (0..)
        .zip(samples(3))
        .map(|(minute, sample)| Sample { heart_rate: if minute % 5 == 0 { 60 + (sample.heart_rate % 40) } else { 0xff }, ..sample })
        .collect();
    let sent: Vec<(usize, u8)> = beats(&held).into_iter().enumerate().filter(|(_, value)| *value != 0xff).collect();
    let hours = |write: &dyn Fn(&(usize, u8)) -> Value| -> Vec<Value> {
        sent.chunks(12).map(|hour| json!({ "heart_rate": hour.iter().map(write).collect::<Vec<_>>() })).collect()
    };
    for bodies in [hours(&|(_, value)| json!(value)), hours(&|(minute, value)| json!({ "t": minute, "hr": value }))] {
        let (row, _) = told(planted(&held), &bodies);
        assert_eq!((row.held, row.found), (Held::Minutes { values: 288, zeros: 0, gaps: 1152 }, 288));
        assert_eq!(row.added, [""; 0], "the minute beside each reading is no heart rate");
    }
}

/// Another order, in which no two pieces stand beside the one that they stood beside.
fn shuffled<T: Clone>(pieces: &[T]) -> Vec<T> {
    (0..pieces.len()).map(|at| pieces[at * 37 % pieces.len()].clone()).collect()
}

#[test]
fn what_is_told_by_itself_hides_nothing_of_what_is_told_together_and_each_exchange_counts_once() {
    // Steps that say enough by themselves, and a heart rate that does not, in one request.
    let (whole, random) = (readings(1), &mut fastrand::Rng::with_seed(5));
    let steps: Vec<u8> = (0..1440).map(|_| random.u8(1..120)).collect();
    let held: Vec<Sample> = samples(1).into_iter().zip(&steps).map(|(sample, steps)| Sample { steps: *steps, ..sample }).collect();
    let both: Vec<Value> =
        steps.chunks(60).zip(whole.chunks(12)).map(|(steps, rates)| json!({ "steps": steps, "heart_rate": rates })).collect();
    assert_eq!(both.len(), 24);
    let (row, words) = told(planted(&held), &both);
    assert_eq!(row.found, 24 * 12, "{row:?}");
    let rates: Vec<&String> = words.iter().filter(|(name, _)| name.starts_with("band.heart_rate")).map(|(_, words)| words).collect();
    assert!(rates.iter().any(|words| *words == "found in 24 exchanges"), "{rates:?}");

    // The same pieces in two fields are in as many exchanges as there are.
    let twice: Vec<Value> = whole.chunks(15).map(|piece| json!({ "heart_rate": piece, "second": piece })).collect();
    let (row, words) = told(planted(&samples(1)), &twice);
    assert_eq!((row.found, twice.len()), (1200, 80));
    let counted = |words: &str| words.strip_prefix("found in ")?.strip_suffix(" exchanges")?.parse::<u64>().ok();
    let exchanges: u64 = words.iter().filter(|(name, _)| name.starts_with("band.heart_rate")).filter_map(|(_, words)| counted(words)).sum();
    // The piece over midnight is of both days.
    assert!((80..=81).contains(&exchanges), "{words:?}");
}

#[test]
fn pieces_of_one_request_are_put_together() {
    for write in [&|piece: &[u8]| json!(STANDARD.encode(piece)) as Value, &|piece: &[u8]| {
        json!(piece.iter().map(u8::to_string).collect::<Vec<_>>().join(","))
    }] as [&dyn Fn(&[u8]) -> Value; 2]
    {
        let blocks: Vec<Value> = readings(1).chunks(15).zip(0..).map(|(piece, n)| json!({ "n": n, "b": write(piece) })).collect();
        let (row, _) = told(planted(&samples(1)), &[json!({ "blocks": blocks })]);
        assert_eq!((row.found, row.not_seen), (1200, 0), "{blocks:?}");
    }
    // Where each is long enough by itself, nothing is left that nobody could tell.
    let list = |seed| readings(seed).iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let (row, _) = told(planted(&samples(1)), &[json!({ "days": [{ "heart_rate": list(2) }, { "heart_rate": list(3) }] })]);
    assert_eq!((row.found, row.not_seen, row.untold), (0, 1200, 0), "{row:?}");
}

#[test]
fn pieces_that_are_alike_because_nothing_changed_are_found_and_never_called_not_seen() {
    let mut night = readings(1);
    night[..360].fill(60);
    let held: Vec<Sample> = night.iter().map(|beats| Sample { heart_rate: *beats, ..samples(1)[0] }).collect();
    let sent: Vec<Value> = night.chunks(15).map(|piece| json!({ "heart_rate": piece })).collect();
    let (row, _) = told(planted(&held), &sent);
    assert_eq!((row.found, row.not_seen), (1200, 0), "{row:?}");
    let (row, _) = told(planted(&held), &shuffled(&sent));
    assert_eq!((row.not_seen, row.untold + row.found), (0, 1200), "{row:?}");
}

#[test]
fn half_a_day_of_which_a_piece_was_sent_twice_leaves_nothing_untold() {
    let mut pieces: Vec<Value> = readings(1)[..600].chunks(5).map(|piece| json!({ "heart_rate": piece })).collect();
    pieces.insert(60, pieces[59].clone());
    let (row, _) = told(planted(&samples(1)), &pieces);
    assert_eq!((row.found, row.not_seen, row.untold), (600, 600, 0), "{row:?}");
}

#[test]
fn pieces_of_no_telling_name_are_found_last_first_too_and_else_make_the_rest_untold() {
    let pieces: Vec<Value> = readings(1).chunks(15).map(|piece| json!({ "v": piece })).collect();
    let last_first: Vec<Value> = pieces.iter().rev().cloned().collect();
    let (row, _) = told(planted(&samples(1)), &last_first);
    assert_eq!((row.found, row.not_seen, row.untold), (1200, 0, 0), "{row:?}");

    let (row, words) = told(planted(&samples(1)), &shuffled(&pieces));
    assert_eq!((row.found, row.not_seen, row.untold), (0, 0, 1200), "{row:?}");
    assert_eq!(row.in_pieces, ["POST api.test/day json v[]"]);
    let words = &words.iter().find(|(name, _)| name == "band.heart_rate.2026-03-14").expect("planted").1;
    assert!(words.contains("in pieces too small"), "{words}");
    // Numbers of another size are none.
    let others: Vec<Value> = (0..400).map(|at| json!({ "v": at % 40 })).collect();
    let (row, _) = told(planted(&samples(1)), &others);
    assert_eq!((row.not_seen, row.untold), (1200, 0), "{row:?}");
}

#[test]
fn what_is_sent_in_pieces_that_nobody_can_tell_is_neither_called_not_seen_nor_added() {
    // In an order in which nothing fits together.
    let pieces: Vec<Value> = readings(1).chunks(6).map(|piece| json!({ "heart_rate": piece })).collect();
    let (row, planted_words) = told(planted(&samples(1)), &shuffled(&pieces));
    assert_eq!((row.found, row.not_seen, row.untold), (0, 0, 1200));
    assert!(row.added.is_empty(), "{row:?}");
    assert_eq!(row.in_pieces, ["POST api.test/day json heart_rate[]"]);
    let words = &planted_words.iter().find(|(name, _)| name == "band.heart_rate.2026-03-14").expect("planted").1;
    assert!(words.contains("in pieces too small"), "{words}");
    // One reading can be one minute of the band, and no more.
    let (row, _) = told(planted(&samples(1)), &[json!({ "heart_rate": 71 })]);
    assert_eq!((row.found, row.not_seen, row.untold, row.added.len()), (0, 1199, 1, 0));
    // Of a whole day in one piece it can be told that it is another.
    let (row, _) = told(planted(&samples(1)), &[json!({ "heart_rate": readings(2) })]);
    assert_eq!((row.found, row.not_seen, row.untold, row.added.len()), (0, 1200, 0, 1));
}

#[test]
fn another_day_in_pieces_is_never_found() {
    for seed in 2..12 {
        let bodies: Vec<Value> = readings(seed).chunks(15).map(|piece| json!({ "heart_rate": piece })).collect();
        let (row, _) = told(planted(&samples(1)), &bodies);
        assert_eq!((row.found, row.probably, row.untold), (0, 0, 1200), "{seed}");
    }
    let still: Vec<Value> = (0..1200).map(|_| json!({ "heart_rate": 60 })).collect();
    assert_eq!(told(planted(&samples(1)), &still).0.found, 0);
}

#[test]
fn pieces_of_weeks_are_searched_in_windows_and_the_day_among_them_is_found() {
    let weeks: Vec<u8> = (20..34).flat_map(readings).chain(readings(1)).chain((40..47).flat_map(readings)).collect();
    let bodies: Vec<Value> = weeks.chunks(15).map(|piece| json!({ "heart_rate": piece })).collect();
    let (row, _) = told(planted(&samples(1)), &bodies);
    assert!((1198..=1200).contains(&row.found), "{row:?}");
    assert_eq!(row.found + row.probably + row.untold, 1200);
}

#[test]
fn what_was_sent_before_the_band_was_read_adds_nothing() {
    let mut recording = recorded(1, planted(&samples(1)), &[json!({ "pulse": readings(2) }), json!({ "heart_rate": readings(1) })]);
    let (reading, sent): (Vec<_>, Vec<_>) = recording.events.drain(..).partition(|event| matches!(event, RunEvent::Planted(_)));
    recording.events = [&sent[..1], &reading, &sent[1..]].concat();
    let row = row(&report(&[&recording], &App::default()).conservation, Quantity::HeartRate);
    assert_eq!((row.found, row.added), (1200, Vec::new()));
}

fn of_band(name: &str, category: Category, value: Planted) -> PlantedValue {
    PlantedValue { name: name.into(), category, value, source: PlantedSource::Band, confirmed: true }
}

/// A workout as `readBand` plants it under this name.
fn workout(name: &str, start: &str, end: &str, steps: i64, metres: i64) -> Vec<PlantedValue> {
    let moment = |text: &str| Planted::Moment(text.parse().expect("a moment"));
    let random = &mut fastrand::Rng::with_seed(steps.unsigned_abs());
    let rates = (0..200).map(|_| random.u8(95..175)).collect();
    [
        (String::new(), moment(start)),
        (".end".into(), moment(end)),
        (".steps".into(), Planted::Integer(steps)),
        (".metres".into(), Planted::Integer(metres)),
        (".heart_rates".into(), Planted::Series(rates)),
    ]
    .map(|(part, value)| of_band(&format!("{name}{part}"), Category::Workout, value))
    .into()
}

fn workouts(values: Vec<PlantedValue>, bodies: &[Value]) -> ConservationRow {
    row(&report(&[&recorded(1, values, bodies)], &App::default()).conservation, Quantity::Workouts)
}

#[test]
fn a_workout_is_found_by_what_it_came_to() {
    let held = || workout("band.workout.1", "2026-03-14T06:40:12Z", "2026-03-14T07:12:49Z", 5_113, 4_872);
    let (start, end) = (1_773_470_412, 1_773_472_369);
    let rates: Vec<u8> = match &held()[4].value {
        Planted::Series(rates) => rates.clone(),
        other => panic!("{other:?}"),
    };
    for (sent, found) in [
        (json!({ "trackid": start, "end": end, "dis": 4_872, "total": 5_113 }), 1),
        (json!({ "a": rates }), 1),
        // Written as people do, by the clock of any place on earth, it is probably this one.
        (json!({ "a": "2026-03-14T06:40:12Z", "b": "2026-03-14T07:12:49Z", "c": 4_872, "d": 5_113 }), 0),
        // Each by itself may be chance; so may they be in objects that have nothing to do with each other.
        (json!({ "trackid": start }), 0),
        (json!({ "a": { "x": start }, "b": { "x": end }, "c": { "x": 4_872 }, "d": { "x": 5_113 } }), 0),
        (json!({ "dis": 4_872, "total": 5_113 }), 0),
    ] {
        let row = workouts(held(), std::slice::from_ref(&sent));
        assert_eq!((row.held, row.found), (Held::Values { values: 1 }, found), "{sent}");
        assert_eq!(row.untold + row.probably, 1 - found, "{sent}: {row:?}");
    }
    // Thousands of other numbers make no workout.
    let random = &mut fastrand::Rng::with_seed(7);
    let others: Vec<Value> = (0..2_000)
        .map(|_| json!({ "at": 1_773_446_400 + random.u32(..86_400), "m": random.u32(1_000..9_999), "n": random.u32(1_000..9_999) }))
        .collect();
    assert_eq!(workouts(held(), &[json!({ "rows": others })]).found, 0);
}

#[test]
fn a_part_of_a_workout_counts_only_beside_another_part() {
    let random = &mut fastrand::Rng::with_seed(11);
    let mut held = Vec::new();
    for number in 1..=40 {
        let (begin, end) =
            (format!("2026-02-{:02}T06:{:02}:12Z", number % 28 + 1, number), format!("2026-02-{:02}T07:12:49Z", number % 28 + 1));
        held.extend(workout(&format!("band.workout.{number}"), &begin, &end, random.i64(1_000..6_000), random.i64(1_000..9_000)));
    }
    // Totals of hours that have nothing to do with any of them, under the very names.
    let totals: Vec<Value> =
        (0..300).map(|_| json!({ "steps": random.u32(1_000..6_000), "goal": { "metres": random.u32(1_000..9_000) } })).collect();
    let row = workouts(held, &totals);
    assert_eq!((row.found, row.probably, row.untold), (0, 0, 40), "{row:?}");

    // One number is one number, also where it is both.
    let held = |metres| workout("band.workout.1", "2026-03-14T06:40:12Z", "2026-03-14T07:12:49Z", 5_113, metres);
    let row = workouts(held(5_113), &[json!({ "id": 5_113, "b": "x" })]);
    assert_eq!((row.found, row.probably), (0, 0), "{row:?}");
    let row = workouts(held(5_113), &[json!({ "end": 1_773_472_369, "steps": 5_113, "metres": 5_113 })]);
    assert_eq!(row.found + row.probably, 1, "{row:?}");
}

#[test]
fn values_of_a_file_that_are_equal_keep_their_names() {
    let of_file = |name: &str| PlantedValue { source: PlantedSource::File, ..of_band(name, Category::Workout, Planted::Integer(50_123)) };
    let report = report(&[&recorded(1, vec![of_file("run.metres"), of_file("goal.metres")], &[json!({ "a": 1 })])], &App::default());
    assert_eq!(row(&report.conservation, Quantity::Workouts).held, Held::Values { values: 2 });
    let names: Vec<&str> = report.planted.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["goal.metres", "run.metres"]);
}

#[test]
fn two_workouts_of_two_readings_are_two_whatever_they_are_called() {
    let one = || workout("band.workout.1", "2026-03-13T17:02:31Z", "2026-03-13T17:42:03Z", 4_021, 3_377);
    let two = |name| workout(name, "2026-03-14T06:40:12Z", "2026-03-14T07:12:49Z", 5_113, 4_872);
    let sent = [json!({ "trackid": 1_773_470_412, "end": 1_773_472_369, "dis": 4_872, "total": 5_113 })];
    // As runs named them that counted the workouts of each reading by themselves: begin only, and the second as the first.
    let begin = |mut workout: Vec<PlantedValue>| workout.remove(0);
    let row = workouts(vec![begin(one()), begin(two("band.workout.2")), begin(two("band.workout.1"))], &sent);
    assert_eq!((row.held, row.found + row.probably + row.untold), (Held::Values { values: 2 }, 2), "{row:?}");
    let row = workouts(vec![begin(one()), begin(two("band.workout.1"))], &[json!({ "workout_start": 1_773_470_412 })]);
    assert_eq!((row.held, row.probably, row.untold), (Held::Values { values: 2 }, 1, 1), "one left, the other not: {row:?}");
    // And as they are named now.
    let row = workouts([one(), two("band.workout.2")].concat(), &sent);
    assert_eq!((row.held, row.found, row.probably, row.untold), (Held::Values { values: 2 }, 1, 0, 1));
}

#[test]
fn a_battery_that_was_read_twice_is_two_values() {
    let level = |level| of_band("band.battery", Category::BandBattery, Planted::Integer(level));
    let row = row(
        &report(&[&recorded(1, vec![level(87), level(86), level(87)], &[json!({ "a": 1 })])], &App::default()).conservation,
        Quantity::Battery,
    );
    assert_eq!((row.held, row.untold), (Held::Values { values: 2 }, 2));
}

/// Of these beats, how many are found where they are sent whole.
fn row_of(beats: &[u8]) -> ConservationRow {
    let held: Vec<Sample> = samples(1).into_iter().zip(beats).map(|(sample, beats)| Sample { heart_rate: *beats, ..sample }).collect();
    let recording = recorded(1, planted(&held), &days(beats, 0xff).map(|day| hr(&day)));
    row(&report(&[&recording], &App::default()).conservation, Quantity::HeartRate)
}

#[test]
fn what_cannot_be_told_from_chance_is_neither_found_nor_called_not_seen() {
    for even in [vec![60; 1440], (0..1440).map(|minute| if minute < 700 { 60 } else { 61 }).collect()] {
        let row = row_of(&even);
        assert_eq!((row.held, row.found, row.not_seen, row.untold), (Held::Minutes { values: 1440, zeros: 0, gaps: 0 }, 0, 0, 1440));
    }
    // A night of one beat within a day that can be told: it is where the day is.
    let mut day = beats(&samples(1));
    day[700..730].fill(58);
    assert_eq!(row_of(&day).found, day.iter().filter(|value| **value != 0xff).count() as u64);
}

#[test]
fn kinds_and_steps_are_found_in_the_records_that_hold_both() {
    let samples = samples(1);
    let records = |read: fn(&Sample) -> u8| days(&samples.iter().map(read).collect::<Vec<_>>(), 0);
    let (kinds, strengths, steps) = (records(|sample| sample.kind), records(|sample| sample.intensity), records(|sample| sample.steps));
    let day = |day: usize| {
        let minutes = kinds[day].iter().zip(&strengths[day]).zip(&steps[day]);
        json!({ "value": STANDARD.encode(minutes.flat_map(|((kind, strength), steps)| [*kind, *strength, *steps]).collect::<Vec<_>>()) })
    };
    let recording = recorded(1, planted(&samples), &[day(0), day(1)]);
    let tables = report(&[&recording], &App::default()).conservation;
    let walked = samples.iter().filter(|sample| sample.steps > 0).count() as u64;
    let (steps, kinds) = (row(&tables, Quantity::Steps), row(&tables, Quantity::ActivityKind));
    assert_eq!((steps.held, steps.found), (Held::Minutes { values: walked, zeros: 1440 - walked, gaps: 0 }, walked));
    assert_eq!((kinds.held, kinds.found), (Held::Minutes { values: 1440, zeros: 0, gaps: 0 }, 1440));
    let beats = row(&tables, Quantity::HeartRate);
    assert_eq!((beats.found, beats.not_seen), (0, 1200), "that is not in them");
    assert_eq!(row(&tables, Quantity::Sleep).held, Held::InKinds);
    assert_eq!(row(&tables, Quantity::Workouts).held, Held::NotKnown);
}

#[test]
fn a_day_that_is_read_twice_is_one_day() {
    let samples = samples(1);
    let mut values = planted(&samples[..1000]);
    values.extend(planted(&samples));
    let recording = recorded(1, values, &days(&beats(&samples), 0xff).map(|day| hr(&day)));
    let row = row(&report(&[&recording], &App::default()).conservation, Quantity::HeartRate);
    assert_eq!((row.held, row.found), (Held::Minutes { values: 1200, zeros: 0, gaps: 240 }, 1200));
}

#[test]
fn runs_have_a_table_each_unless_they_are_equal_and_their_order_changes_nothing() {
    let whole = days(&beats(&samples(1)), 0xff).map(|day| hr(&day));
    let half = days(&only(|minute| minute < 720), 0xff).map(|day| hr(&day));
    let runs =
        [recorded(1, planted(&samples(1)), &whole), recorded(2, planted(&samples(1)), &half), recorded(3, planted(&samples(1)), &whole)];
    let tables = |order: [usize; 3]| report(&order.map(|at| &runs[at] as &dyn Recording), &App::default()).conservation;
    let told = tables([0, 1, 2]);
    let summed: Vec<(Vec<u32>, u64)> = told.iter().map(|table| (table.runs.clone(), table.rows[0].found)).collect();
    assert_eq!(summed, [(vec![1, 3], 1200), (vec![2], 600)]);
    for order in [[0, 2, 1], [1, 0, 2], [2, 1, 0]] {
        assert_eq!(tables(order), told, "{order:?}");
    }
}

#[test]
fn what_came_before_the_band_was_read_is_said_to_be_unsearched() {
    let whole = days(&beats(&samples(1)), 0xff).map(|day| hr(&day));
    // The band was read when everything was sent: nothing is looked for, so nothing is "not seen".
    let mut recording = recorded(1, planted(&samples(1)), &whole);
    let (reading, sent): (Vec<_>, Vec<_>) = recording.events.drain(..).partition(|event| matches!(event, RunEvent::Planted(_)));
    recording.events = [&sent[..2], &reading, &sent[2..]].concat();
    let tables = report(&[&recording], &App::default()).conservation;
    let row = row(&tables, Quantity::HeartRate);
    assert_eq!((row.found, row.not_seen, row.not_checked), (0, 0, 1200));
    assert_eq!(tables[0].notes, ["no request was read after the band was: nothing could be found"]);
    // Of what was sent before and after, what was sent before is not looked into.
    recording.events = [&sent[..1], &reading, &sent[1..]].concat();
    let tables = report(&[&recording], &App::default()).conservation;
    let second_day = count(|minute| minute >= 1440 - usize::from(FIRST));
    assert_eq!(self::row(&tables, Quantity::HeartRate).found, second_day);
    assert_eq!(tables[0].notes, ["1 request came before the band was read: what the band held was not looked for in it"]);
    assert_eq!(report(&[&recorded(1, Vec::new(), &whole)], &App::default()).conservation, [], "no band was read");
}

/// A run of a version of the stand-in app on the simulated rig, with a band that holds what seed 1 makes, and its capture.
async fn simulated(version: &str, folder: &std::path::Path) -> (CaptureReader, App) {
    let (shipped, app) = (&embedded::apps()[0], shipped_app());
    let text = shipped.scenarios.iter().find(|(name, _)| *name == "passive-sync").expect("it is shipped").1;
    // The run begins up to four hours after the band's last minute.
    let text = text.replace("since: 24h", "since: 30h");
    let scenario = parse::scenario("passive-sync", "passive-sync", &text, &app).unwrap_or_else(|problems| panic!("{problems:?}"));
    let mut bench = SimulatedBench::start("127.0.0.1:0".parse().expect("an address"), Timestamp::now()).await.expect("the bench starts");
    bench.contents_mut().start = "2026-03-13T12:00:00Z".parse().expect("one o'clock by the band's time");
    bench.contents_mut().samples = samples(1);
    let version = AppVersion::named(version);
    let mut order =
        Order { app: &app.name, version: Some(&version), run: 1, runs: 1, control: None, captures: folder, watchers: Vec::new() };
    let rig = bench.rig(5, &[], None).await.expect("a rig");
    let (_, control) = run::control_run(rig, &order, std::future::pending()).await.expect("a control run");
    order.control = Some(&control);
    let rig = bench.rig(5, &scenario.plant, None).await.expect("a rig");
    let outcome = run::run(rig, &scenario, &order, std::future::pending()).await.expect("a run");
    assert_eq!(outcome.ending, RunEnding::Complete);
    (CaptureReader::open(&outcome.capture).expect("readable"), app)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_bands_readings_the_capture_of_a_run_holds_all_half_or_none() {
    for (version, want) in [("sim-1.0", 1200), ("sim-1.3", 600), ("sim-1.4", 600)] {
        let folder = tempfile::tempdir().expect("a folder");
        let (reader, app) = simulated(version, folder.path()).await;
        let tables = report(&[&reader], &app).conservation;
        let readings = row(&tables, Quantity::HeartRate);
        assert_eq!(readings.held, Held::Minutes { values: 1200, zeros: 0, gaps: 240 }, "{version}");
        assert_eq!((readings.found, readings.probably, readings.not_seen), (want, 0, 1200 - want), "{version}");
        let (steps, kinds) = (row(&tables, Quantity::Steps), row(&tables, Quantity::ActivityKind));
        assert_eq!((steps.not_seen + steps.untold, kinds.found), (0, 1440), "{version}: {steps:?}");
        for known in [Quantity::Serial, Quantity::Address] {
            assert_eq!(row(&tables, known).found, 1, "{version}");
        }
        let sleep = row(&tables, Quantity::Sleep);
        assert!(sleep.derived.iter().any(|field| field.contains("slp.st")), "{sleep:?}");
        assert_eq!(tables[0].notes, [""; 0]);
        if version != "sim-1.0" {
            continue;
        }
        // The same uploads, and a band that held another day.
        let mut events = Vec::new();
        reader.replay(&mut |event, _| events.push(event.event.clone())).expect("readable");
        let mut others = planted(&samples(9)).into_iter();
        events.retain_mut(|event| match event {
            RunEvent::Planted(PlantedValue { value: value @ Planted::Minutes(_), .. }) => match others.next() {
                Some(other) => {
                    *value = other.value;
                    true
                }
                None => false,
            },
            RunEvent::Planted(other) => other.source != PlantedSource::Band,
            _ => true,
        });
        let other = Recorded { provenance: reader.provenance().clone(), events };
        let readings = row(&report(&[&other], &app).conservation, Quantity::HeartRate);
        assert_eq!((readings.held, readings.found, readings.not_seen), (Held::Minutes { values: 1200, zeros: 0, gaps: 240 }, 0, 1200));
    }
}

#[test]
fn the_table_stands_in_every_format_and_fields_and_show_name_the_minutes() {
    let place = Place::empty();
    let table = place.run(&["run", "passive-sync", "--runs", "1"]);
    assert!(table.out.contains("WHAT BECAME OF WHAT THE BAND HELD"), "{table:?}");
    assert!(table.out.lines().any(|line| line.starts_with("heart rate ") && line.contains(" readings, ")), "{table:?}");
    let captures = place.path().join("runs");
    let mut entries = std::fs::read_dir(&captures).expect("captures").map(|entry| entry.expect("readable").path());
    let capture = entries.find(|path| path.is_dir() && path.to_string_lossy().contains("passive-sync")).expect("a capture");
    let capture = capture.to_str().expect("text");
    let markdown = place.run(&["audit", capture, "--format", "markdown"]);
    assert!(markdown.out.contains("## What became of what the band held") && markdown.out.contains("sleep, derived: "), "{markdown:?}");
    let (_, data) = place.json(&["audit", capture, "--format", "json"]);
    let rows = data["reports"][0]["conservation"][0]["rows"].as_array().expect("a table");
    let held = &rows.iter().find(|row| row["quantity"] == "heart-rate").expect("a row")["held"];
    assert!(held["values"].as_u64() > Some(200) && held["gaps"].as_u64() > Some(1000), "{held}");
    let fields = place.run(&["fields", capture, "--format", "json"]);
    assert!(fields.out.contains("(2026-03-14, 00:00 to "), "{}", fields.out);
}
