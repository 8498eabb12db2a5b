//! Workouts as a band stores them, as pure functions between bytes and types: a summary in one of two layouts, and records of
//! eight bytes with track and heart rate. Numbers are little-endian. Layouts: `docs/protocols/huami-ble.md`, section 8.

use jiff::{SignedDuration, Timestamp};

use crate::band::{TrackPoint, Workout, WorkoutKind};

/// What a summary says that the records count on from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// Longitude in 1/3,000,000 of a degree.
    pub lon: i32,
    /// Latitude in 1/3,000,000 of a degree.
    pub lat: i32,
    /// Altitude in metres; [`NO_ALTITUDE`] when it is not known.
    pub altitude: i32,
}

/// What stands where no altitude is known.
pub const NO_ALTITUDE: i32 = -20_000;

/// Reads a summary; the workout has no track yet.
///
/// # Errors
/// In words, why it is none.
pub fn summary(bytes: &[u8]) -> Result<(Workout, Base), String> {
    let short = || format!("the summary of a workout has only {} bytes", bytes.len());
    let mut from = Reader { bytes, at: 0 };
    let version = from.u16().ok_or_else(short)?;
    let (kind, start, end) = (from.u16().ok_or_else(short)?, from.u32().ok_or_else(short)?, from.u32().ok_or_else(short)?);
    let time = |seconds: u32| Timestamp::from_second(i64::from(seconds)).map_err(|error| error.to_string());
    let base = Base { lon: from.i32().ok_or_else(short)?, lat: from.i32().ok_or_else(short)?, altitude: from.i32().ok_or_else(short)? };
    let body = match version {
        // Seen: 257 to 259 on an Amazfit Bip.
        0x0100..NEW_LAYOUT => old_body(&mut from),
        // Seen: 516, 518, 519.
        516 => {
            from.at += 4;
            new_body(&mut from)
        }
        519 => {
            from.at = 0x8c;
            new_body(&mut from)
        }
        NEW_LAYOUT..NEW_LAYOUT_END => new_body(&mut from),
        other => return Err(format!("the summary of a workout has layout {other}, which is not known")),
    };
    let Body { steps, metres, kilocalories, heart_rate } = body.ok_or_else(short)?;
    let workout = Workout {
        kind: kind_of(kind),
        start: time(start)?,
        end: time(end)?,
        steps: Some(steps),
        metres: Some(metres).filter(|metres| metres.is_finite()),
        kilocalories: Some(kilocalories).filter(|kilocalories| kilocalories.is_finite()),
        heart_rate: u8::try_from(heart_rate).ok().filter(|beats| !matches!(beats, 0 | 0xfe | 0xff)),
        track: Vec::new(),
        heart_rates: Vec::new(),
    };
    Ok((workout, base))
}

/// First version of the new layout, and the first that is something else again.
const NEW_LAYOUT: u16 = 512;
const NEW_LAYOUT_END: u16 = 0x0300;

/// What is read of the part in which the layouts differ.
struct Body {
    steps: u32,
    metres: f32,
    kilocalories: f32,
    heart_rate: u16,
}

fn old_body(from: &mut Reader<'_>) -> Option<Body> {
    let metres = from.f32()?;
    // Ascent, descent, lowest and highest altitude; highest and lowest latitude and longitude.
    from.skip(4 * 4 + 4 * 4)?;
    let steps = from.u32()?;
    // Active seconds.
    from.skip(4)?;
    let kilocalories = from.f32()?;
    // Highest speed, paces, stride; one that is not understood; times of ascent, descent and flat.
    from.skip(4 * 4 + 4 + 28)?;
    Some(Body { steps, metres, kilocalories, heart_rate: from.u16()? })
}

fn new_body(from: &mut Reader<'_>) -> Option<Body> {
    let steps = from.u32()?;
    // Active seconds; highest and lowest latitude and longitude.
    from.skip(4 + 4 * 4)?;
    let (kilocalories, metres) = (from.f32()?, from.f32()?);
    // Ascent, descent; altitudes, speeds, paces, cadences, strides, three each; distance of the track; one not understood.
    from.skip(2 * 4 + 15 * 4 + 4 + 4)?;
    Some(Body { steps, metres, kilocalories, heart_rate: from.u16()? })
}

/// Reads the records of a workout into it. Each has eight bytes: type, seconds (one byte, counting round), six of data. Types
/// that say neither position nor heart rate are passed over, and so are heart rates of the older form, whose times are not
/// understood.
///
/// # Errors
/// In words, why they are none.
pub fn details(bytes: &[u8], base: Base, workout: &mut Workout) -> Result<(), String> {
    let (records, rest) = bytes.as_chunks::<RECORD>();
    if !rest.is_empty() {
        return Err(format!("the records of a workout are {} bytes, which is no whole number of records", bytes.len()));
    }
    let (mut lon, mut lat, mut altitude) = (i64::from(base.lon), i64::from(base.lat), i64::from(base.altitude));
    let (mut elapsed, mut last) = (0i64, 0u8);
    for &[kind, seconds, a, b, c, d, e, f] in records {
        elapsed += i64::from(seconds.wrapping_sub(last));
        last = seconds;
        let at = workout.start.checked_add(SignedDuration::from_secs(elapsed)).map_err(|error| error.to_string())?;
        match kind {
            POSITION => {
                lon += i64::from(i16::from_le_bytes([a, b]));
                lat += i64::from(i16::from_le_bytes([c, d]));
                if base.altitude != NO_ALTITUDE {
                    altitude += i64::from(i16::from_le_bytes([e, f]));
                }
                if lat.abs() > 90 * UNITS || lon.abs() > 180 * UNITS {
                    return Err("the track of a workout leaves the Earth".to_owned());
                }
                let altitude = (base.altitude != NO_ALTITUDE).then_some(altitude as f32);
                workout.track.push(TrackPoint { at, lat: degrees(lat), lon: degrees(lon), altitude });
            }
            HEART_RATE if [b, c, d, e, f] == [0; 5] && !matches!(a, 0 | 0xfe | 0xff) => workout.heart_rates.push((at, a)),
            _ => {}
        }
    }
    Ok(())
}

/// Writes a summary in the old layout (version 259), as an Amazfit Bip does: what [`Workout`] has, noughts for the rest.
pub fn old_summary(workout: &Workout) -> Vec<u8> {
    let mut bytes = head(259, workout);
    bytes.extend(workout.metres.unwrap_or(0.0).to_le_bytes());
    bytes.resize(bytes.len() + 32, 0);
    bytes.extend(workout.steps.unwrap_or(0).to_le_bytes());
    bytes.extend(seconds_of(workout).to_le_bytes());
    bytes.extend(workout.kilocalories.unwrap_or(0.0).to_le_bytes());
    bytes.resize(bytes.len() + 48, 0);
    bytes.extend(u16::from(workout.heart_rate.unwrap_or(0)).to_le_bytes());
    bytes.resize(bytes.len() + 4, 0);
    bytes
}

/// Writes a summary in the new layout (version 518): what [`Workout`] has, noughts for the rest.
pub fn new_summary(workout: &Workout) -> Vec<u8> {
    let mut bytes = head(518, workout);
    bytes.extend(workout.steps.unwrap_or(0).to_le_bytes());
    bytes.extend(seconds_of(workout).to_le_bytes());
    bytes.resize(bytes.len() + 16, 0);
    bytes.extend(workout.kilocalories.unwrap_or(0.0).to_le_bytes());
    bytes.extend(workout.metres.unwrap_or(0.0).to_le_bytes());
    bytes.resize(bytes.len() + 76, 0);
    bytes.extend(u16::from(workout.heart_rate.unwrap_or(0)).to_le_bytes());
    bytes.resize(bytes.len() + 6, 0);
    bytes
}

/// Writes the records of a workout: its positions and heart rates in the order of their times. Steps between two positions that
/// sixteen bits cannot hold (1.2 km) are cut.
pub fn records(workout: &Workout) -> Vec<u8> {
    let base = base_of(workout);
    let (mut lon, mut lat, mut altitude) = (i64::from(base.lon), i64::from(base.lat), i64::from(base.altitude));
    let position = |point: &TrackPoint| (point.at, Some(*point), 0);
    let mut moments: Vec<(Timestamp, Option<TrackPoint>, u8)> = workout.track.iter().map(position).collect();
    moments.extend(workout.heart_rates.iter().map(|(at, beats)| (*at, None, *beats)));
    moments.sort_by_key(|(at, ..)| *at);
    let mut bytes = Vec::new();
    let step = |from: &mut i64, to: i64| {
        let step = i16::try_from((to - *from).clamp(i64::from(i16::MIN), i64::from(i16::MAX))).unwrap_or(0);
        *from += i64::from(step);
        step.to_le_bytes()
    };
    for (at, point, beats) in moments {
        let [seconds, ..] = (at.as_second() - workout.start.as_second()).to_le_bytes();
        match point {
            Some(point) => {
                let data = [
                    step(&mut lon, units(point.lon)),
                    step(&mut lat, units(point.lat)),
                    step(&mut altitude, point.altitude.map_or(i64::from(base.altitude), |metres| metres.round() as i64)),
                ];
                bytes.extend([POSITION, seconds].into_iter().chain(data.into_iter().flatten()));
            }
            None => bytes.extend([HEART_RATE, seconds, beats, 0, 0, 0, 0, 0]),
        }
    }
    bytes
}

/// Types of records.
const POSITION: u8 = 0;
const HEART_RATE: u8 = 1;

/// Bytes of a record.
const RECORD: usize = 8;

/// Parts of a degree that a band counts in.
const UNITS: i64 = 3_000_000;

fn degrees(units: i64) -> f64 {
    units as f64 / UNITS as f64
}

fn units(degrees: f64) -> i64 {
    (degrees * UNITS as f64).round() as i64
}

/// Version, kind, start, end, base position: the same in both layouts.
fn head(version: u16, workout: &Workout) -> Vec<u8> {
    let Base { lon, lat, altitude } = base_of(workout);
    let second = |time: Timestamp| u32::try_from(time.as_second()).unwrap_or(0);
    let mut bytes = [version.to_le_bytes(), number_of(workout.kind).to_le_bytes()].concat();
    bytes.extend([second(workout.start), second(workout.end)].into_iter().flat_map(u32::to_le_bytes));
    bytes.extend([lon, lat, altitude].into_iter().flat_map(i32::to_le_bytes));
    bytes
}

/// The first position of the track.
fn base_of(workout: &Workout) -> Base {
    let unit = |degrees: f64| i32::try_from(units(degrees)).unwrap_or(0);
    workout.track.first().map_or(Base { altitude: NO_ALTITUDE, ..Base::default() }, |point| Base {
        lon: unit(point.lon),
        lat: unit(point.lat),
        altitude: point.altitude.map_or(NO_ALTITUDE, |metres| metres.round() as i32),
    })
}

fn seconds_of(workout: &Workout) -> u32 {
    u32::try_from(workout.end.as_second() - workout.start.as_second()).unwrap_or(0)
}

/// Kinds of workouts and their numbers.
const KINDS: &[(u16, WorkoutKind)] = &[
    (1, WorkoutKind::Run),
    (2, WorkoutKind::Treadmill),
    (3, WorkoutKind::Walk),
    (4, WorkoutKind::Cycle),
    (5, WorkoutKind::Exercise),
    (6, WorkoutKind::Swim),
    (8, WorkoutKind::IndoorCycle),
    (9, WorkoutKind::Elliptical),
    (10, WorkoutKind::Climb),
    (15, WorkoutKind::Hike),
];

fn kind_of(number: u16) -> WorkoutKind {
    KINDS.iter().find(|(known, _)| *known == number).map_or(WorkoutKind::Other(number), |(_, kind)| *kind)
}

fn number_of(kind: WorkoutKind) -> u16 {
    match kind {
        WorkoutKind::Other(number) => number,
        kind => KINDS.iter().find(|(_, known)| *known == kind).map_or(0, |(number, _)| *number),
    }
}

/// Reads numbers one after the other.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(*taken)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.at += bytes;
        (self.at <= self.bytes.len()).then_some(())
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_le_bytes)
    }

    fn f32(&mut self) -> Option<f32> {
        self.take().map(f32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        let start: Timestamp = "2026-03-14T08:00:00Z".parse().expect("a time");
        start + SignedDuration::from_secs(seconds)
    }

    /// The track of the research: three points in Berlin, a minute and more apart.
    fn workout() -> Workout {
        let point = |seconds, lat, lon, altitude| TrackPoint { at: at(seconds), lat, lon, altitude: Some(altitude) };
        Workout {
            kind: WorkoutKind::Run,
            start: at(0),
            end: at(600),
            steps: Some(900),
            metres: Some(640.0),
            kilocalories: Some(31.5),
            heart_rate: Some(131),
            track: vec![point(0, 52.52, 13.405, 34.0), point(200, 52.520_12, 13.405_15, 35.0), point(400, 52.520_25, 13.405_26, 33.0)],
            heart_rates: vec![(at(1), 120), (at(300), 133)],
        }
    }

    #[test]
    fn positions_are_in_units_of_the_band() {
        let bytes = old_summary(&workout());
        let (_, base) = summary(&bytes).expect("a summary");
        assert_eq!((base.lon, base.lat), (40_215_000, 157_560_000));
        let records = records(&workout());
        let [position, beat, second, _, third] = records.as_chunks::<8>().0 else { panic!("{records:02x?}") };
        assert_eq!(*position, [0; 8], "the first is where it begins");
        assert_eq!(*beat, [1, 1, 120, 0, 0, 0, 0, 0]);
        assert_eq!(second[2..6], [450i16.to_le_bytes(), 360i16.to_le_bytes()].concat(), "to (40215450, 157560360)");
        assert_eq!(third[2..6], [330i16.to_le_bytes(), 390i16.to_le_bytes()].concat(), "to (40215780, 157560750)");
        assert_eq!(third[1], (400 % 256) as u8, "the seconds count round");
    }

    #[test]
    fn a_workout_comes_back_in_both_layouts() {
        for write in [old_summary, new_summary] {
            let (mut read, base) = summary(&write(&workout())).expect("a summary");
            details(&records(&workout()), base, &mut read).expect("whole records");
            let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
            for (point, wanted) in read.track.iter().zip(workout().track) {
                assert!(near(point.lat, wanted.lat) && near(point.lon, wanted.lon), "{point:?}");
                assert_eq!((point.at, point.altitude), (wanted.at, wanted.altitude));
            }
            let track = std::mem::take(&mut read.track);
            assert_eq!(track.len(), 3);
            assert_eq!(read, Workout { track: Vec::new(), ..workout() });
        }
        assert_eq!(old_summary(&workout()).len(), 126);
        assert_eq!(new_summary(&workout()).len(), 140);
    }

    #[test]
    fn later_layouts_begin_their_body_elsewhere() {
        let plain = new_summary(&workout());
        let moved = |version: u16, body_at: usize| {
            let mut bytes = [&version.to_le_bytes()[..], &plain[2..24]].concat();
            bytes.resize(body_at, 0);
            [&bytes[..], &plain[24..]].concat()
        };
        for (version, body_at) in [(516, 28), (518, 24), (519, 0x8c)] {
            let (read, _) = summary(&moved(version, body_at)).expect("a summary");
            assert_eq!((read.steps, read.metres, read.heart_rate), (Some(900), Some(640.0), Some(131)), "version {version}");
        }
    }

    #[test]
    fn without_an_altitude_none_is_made_up() {
        let mut workout = workout();
        workout.track.iter_mut().for_each(|point| point.altitude = None);
        let (mut read, base) = summary(&old_summary(&workout)).expect("a summary");
        details(&records(&workout), base, &mut read).expect("whole records");
        assert!(read.track.iter().all(|point| point.altitude.is_none()));
    }

    #[test]
    fn what_is_no_workout_is_refused() {
        let check = |bytes: &[u8], words: &str| {
            let error = summary(bytes).expect_err("no summary");
            assert!(error.contains(words), "{error}");
        };
        check(&[], "only 0 bytes");
        check(&old_summary(&workout())[..110], "only 110 bytes");
        check(&[&[0x00, 0x10][..], &[0; 200]].concat(), "layout 4096");
        let (mut read, base) = summary(&old_summary(&workout())).expect("a summary");
        assert!(details(&[0; 9], base, &mut read).is_err());
        let far = [0, 0, 0xff, 0x7f, 0xff, 0x7f, 0, 0].repeat(10_000);
        assert_eq!(details(&far, base, &mut read), Err("the track of a workout leaves the Earth".to_owned()));
    }

    #[test]
    fn records_that_are_not_understood_are_passed_over() {
        let (mut read, base) = summary(&old_summary(&workout())).expect("a summary");
        let bytes =
            [[2, 1, 0, 0, 0, 0, 0, 0], [1, 2, 5, 120, 10, 121, 15, 122], [9, 3, 1, 2, 3, 4, 5, 6], [1, 4, 99, 0, 0, 0, 0, 0]].concat();
        details(&bytes, base, &mut read).expect("whole records");
        assert_eq!((read.track.len(), read.heart_rates), (0, vec![(at(4), 99)]));
    }
}
