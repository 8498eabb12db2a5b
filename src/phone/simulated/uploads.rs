//! The bodies of the stand-in app's uploads, encoded as the real app encodes them: form > percent-encoded JSON > JSON in a string >
//! base64 minute arrays. Pure functions; the layout of each is in `docs/protocols/huami-cloud.md`.

use aes::{
    Aes128,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{Timestamp, civil::Date, tz::Offset};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{versions::Readings, vocabulary::Vocabulary};
use crate::{
    band::{History, Sample},
    model::Position,
};

/// Minutes of a day.
const MINUTES: usize = 1440;

/// What stands in the arrays for minutes that are still to come.
const FUTURE_ACTIVITY: [u8; 3] = [0x7e, 0, 0];
const FUTURE_HEART_RATE: u8 = 0xfe;

/// What stands there for minutes that the band says nothing about.
const NO_HEART_RATE: u8 = 0xff;

/// Source code of the band (section 2).
const SOURCE: u32 = 24;

/// One local day of a band's samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Day {
    /// The day, local.
    pub(super) date: Date,
    /// Three bytes a minute: kind, intensity, steps. 4320 bytes.
    pub(super) activity: Vec<u8>,
    /// One byte a minute, beats. 1440 bytes.
    pub(super) heart_rate: Vec<u8>,
    /// Offset of local time, seconds east of UTC.
    pub(super) utc_offset_s: i32,
}

/// Leaves out of a history the readings that a version does not upload.
pub(super) fn keep(history: &mut History, readings: Readings) {
    let all = history.samples.iter().filter(|sample| sample.beats().is_some()).count();
    let readings_of = history.samples.iter_mut().filter(|sample| sample.beats().is_some()).enumerate();
    for (number, sample) in readings_of {
        let kept = match readings {
            Readings::All => true,
            Readings::EveryOther => number % 2 == 0,
            Readings::LaterHalf => number >= all / 2,
        };
        if !kept {
            sample.heart_rate = NO_HEART_RATE;
        }
    }
}

/// The local days that a history touches, with minutes after `now` marked as still to come.
pub(super) fn days(history: &History, now: Timestamp) -> Vec<Day> {
    let offset = Offset::from_seconds(history.utc_offset_s).unwrap_or(Offset::UTC);
    let local_minute = |time: Timestamp| (time.as_second() + i64::from(history.utc_offset_s)).div_euclid(60);
    let (first, now_minute) = (local_minute(history.start), local_minute(now));
    let mut days: Vec<Day> = Vec::new();
    for (n, sample) in (0i64..).zip(&history.samples) {
        let minute = first + n;
        let of_day = usize::try_from(minute.rem_euclid(MINUTES as i64)).unwrap_or(0);
        if days.is_empty() || of_day == 0 {
            let midnight = (minute - i64::try_from(of_day).unwrap_or(0)) * 60 - i64::from(history.utc_offset_s);
            let date = offset.to_datetime(Timestamp::from_second(midnight).unwrap_or(now)).date();
            let to_come = |minute: usize| minute as i64 + midnight.div_euclid(60) + i64::from(history.utc_offset_s) / 60 >= now_minute;
            days.push(Day {
                date,
                activity: (0..MINUTES).flat_map(|minute| if to_come(minute) { FUTURE_ACTIVITY } else { [0; 3] }).collect(),
                heart_rate: (0..MINUTES).map(|minute| if to_come(minute) { FUTURE_HEART_RATE } else { NO_HEART_RATE }).collect(),
                utc_offset_s: history.utc_offset_s,
            });
        }
        if let Some(day) = days.last_mut() {
            let Sample { kind, intensity, steps, heart_rate } = *sample;
            day.activity[of_day * 3..of_day * 3 + 3].copy_from_slice(&[kind, intensity, steps]);
            day.heart_rate[of_day] = heart_rate;
        }
    }
    days
}

/// What the app makes of a day: sleep and steps. `location` is where the phone is, for a version that tells.
pub(super) fn summary(day: &Day, serial: &str, location: Option<Position>) -> Value {
    let kind = |minute: usize| day.activity[minute * 3] & 0x0f;
    let steps = |minute: usize| u32::from(day.activity[minute * 3 + 2]);
    let stages = stretches(MINUTES, |minute| match (day.activity[minute * 3], kind(minute)) {
        (0x7e, _) => None,
        (_, 9) => Some(4),
        (_, 11) => Some(5),
        _ => None,
    });
    // The night is what ends before noon.
    let night: Vec<_> = stages.iter().filter(|(_, stop, _)| *stop < MINUTES / 2).collect();
    let minutes_of = |mode: u8| night.iter().filter(|stage| stage.2 == mode).map(|(start, stop, _)| stop - start + 1).sum::<usize>();
    let epoch = |minute: usize| {
        let midnight =
            Offset::from_seconds(day.utc_offset_s).unwrap_or(Offset::UTC).to_timestamp(day.date.to_datetime(jiff::civil::Time::midnight()));
        midnight.unwrap_or_default().as_second() + minute as i64 * 60
    };
    let (slept_from, slept_to) = match (night.first(), night.last()) {
        (Some((start, ..)), Some((_, stop, _))) => (epoch(*start), epoch(stop + 1)),
        _ => (epoch(0), epoch(0)),
    };
    let walks = stretches(MINUTES, |minute| (kind(minute) == 1 && steps(minute) > 0).then_some(1));
    let total: u32 = (0..MINUTES).map(steps).sum();
    let mut summary = json!({
        "v": 6,
        "slp": {
            "st": slept_from, "ed": slept_to, "dp": minutes_of(5), "lt": minutes_of(4), "wk": 0, "usrSt": -1440, "usrEd": -1440,
            "wc": 0, "is": 8, "lb": 3, "to": 0, "dt": 0,
            // Left open, so that a heart rate is uploaded in one place only.
            "rhr": 0,
            "ss": (minutes_of(5) + minutes_of(4)).min(480) * 100 / 480,
            "stage": night.iter().map(|(start, stop, mode)| json!({
                "start": start + MINUTES, "stop": stop + MINUTES, "mode": mode
            })).collect::<Vec<_>>(),
        },
        "stp": {
            "ttl": total, "dis": metres(total), "cal": kilocalories(total),
            "wk": walks.iter().map(|(start, stop, _)| stop - start + 1).sum::<usize>(), "rn": 0, "runDist": 0, "runCal": 0,
            "stage": walks.iter().map(|(start, stop, mode)| {
                let taken: u32 = (*start..=*stop).map(steps).sum();
                json!({ "start": start, "stop": stop, "mode": mode, "dis": metres(taken), "cal": kilocalories(taken), "step": taken })
            }).collect::<Vec<_>>(),
        },
        "goal": 8000,
        "tz": day.utc_offset_s.to_string(),
        "sn": serial,
    });
    if let Some(position) = location {
        summary["location"] = json!({ "latitude": rounded(position.lat, 5), "longitude": rounded(position.lon, 5) });
    }
    summary
}

/// One day as it stands in `data_json`.
pub(super) fn day_json(day: &Day, device: &str, summary: Value, vocabulary: &Vocabulary) -> Value {
    vocabulary.json(json!({
        "data_hr": STANDARD.encode(&day.heart_rate),
        "date": day.date.to_string(),
        "data": [{
            "start": 0,
            "stop": MINUTES - 1,
            "value": STANDARD.encode(&day.activity),
            "tz": day.utc_offset_s / 900,
            "did": device,
            "src": SOURCE,
        }],
        "summary": vocabulary.json(summary).to_string(),
        "source": SOURCE,
        "type": 0,
    }))
}

/// Compact JSON with every slash written `\/`, as the app's serializer does.
pub(super) fn escaped_json(value: &Value) -> String {
    value.to_string().replace('/', "\\/")
}

/// A form body: everything but unreserved characters (RFC 3986, section 2.3) percent-encoded, upper-case hex.
pub(super) fn form<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{}={}", percent_encoded(key), percent_encoded(value))).collect();
    pairs.join("&")
}

/// Text with everything but unreserved characters percent-encoded.
pub(super) fn percent_encoded(text: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The app's name for a device: its address with `FFFE` in the middle, upper-case hex.
pub(super) fn device_id([a, b, c, d, e, f]: [u8; 6]) -> String {
    format!("{a:02X}{b:02X}{c:02X}FFFE{d:02X}{e:02X}{f:02X}")
}

/// A track: latitude first, despite the field's name; hundred-millionths of a degree; the first pair absolute, the others
/// differences.
pub(super) fn track(positions: &[Position]) -> String {
    // Within ±1.8e10, far inside an i64 and exact in an f64.
    #[expect(clippy::cast_possible_truncation, reason = "a coordinate in these units is at most 1.8e10")]
    let units = |degrees: f64| (degrees * 1e8).round() as i64;
    let (mut lat, mut lon) = (0, 0);
    positions.iter().fold(String::new(), |mut text, position| {
        let (next_lat, next_lon) = (units(position.lat), units(position.lon));
        text.push_str(&format!("{},{};", next_lat - lat, next_lon - lon));
        (lat, lon) = (next_lat, next_lon);
        text
    })
}

/// AES-128-CBC with PKCS #7 padding, the initialisation vector in front.
pub(super) fn encrypted(plain: &[u8], key: [u8; 16], vector: [u8; 16]) -> Vec<u8> {
    let cipher = Aes128::new(&key.into());
    let padding = 16 - plain.len() % 16;
    let padded = plain.iter().copied().chain(std::iter::repeat_n(u8::try_from(padding).unwrap_or(16), padding)).collect::<Vec<u8>>();
    let (mut out, mut previous) = (vector.to_vec(), vector);
    for block in padded.as_chunks::<16>().0 {
        let mut mixed = [0; 16];
        for ((byte, plain), before) in mixed.iter_mut().zip(block).zip(previous) {
            *byte = plain ^ before;
        }
        let mut mixed = mixed.into();
        cipher.encrypt_block(&mut mixed);
        previous = mixed.into();
        out.extend_from_slice(&previous);
    }
    out
}

/// A number of degrees cut to some decimals.
pub(super) fn rounded(degrees: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (degrees * scale).round() / scale
}

/// Stretches of minutes with the same mode: first minute, last minute, mode.
fn stretches(minutes: usize, mode: impl Fn(usize) -> Option<u8>) -> Vec<(usize, usize, u8)> {
    let mut stretches: Vec<(usize, usize, u8)> = Vec::new();
    for minute in 0..minutes {
        match (mode(minute), stretches.last_mut()) {
            (Some(mode), Some(last)) if last.1 + 1 == minute && last.2 == mode => last.1 = minute,
            (Some(mode), _) => stretches.push((minute, minute, mode)),
            (None, _) => {}
        }
    }
    stretches
}

/// A step is about 0.71 m and 0.035 kcal.
const fn metres(steps: u32) -> u32 {
    steps * 71 / 100
}

const fn kilocalories(steps: u32) -> u32 {
    steps * 35 / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{band::huami::BandContents, model::text::sha256_hex};

    /// The invented day of `docs/protocols/huami-cloud.md`, section 5.
    fn fixture() -> Day {
        let mut activity = Vec::new();
        let mut heart_rate = vec![0xff; MINUTES];
        for minute in 0..MINUTES {
            activity.extend(match minute {
                0..=419 => [0x70, 5, 0],
                420..=479 => [0x50, 0x14, 0],
                480..=489 => [1, 0x28, 0x5a],
                490..=719 => [0x50, 0x0a, 0],
                _ => FUTURE_ACTIVITY,
            });
        }
        heart_rate[300] = 55;
        heart_rate[485] = 72;
        heart_rate[720..].fill(FUTURE_HEART_RATE);
        Day { date: "2026-03-14".parse().expect("a date"), activity, heart_rate, utc_offset_s: 3600 }
    }

    #[test]
    fn the_fixture_day_is_encoded_to_the_byte() {
        let day = fixture();
        assert_eq!(sha256_hex(&day.activity), "52f467ed0378e8541aca3851ef149625bc100e9a50505777311be1b6e6ae291c");
        assert_eq!(sha256_hex(&day.heart_rate), "a8e10f2871526bd46a1bdf60f4e520b83993a635907843add23b2ec7dffe3ac8");
        let summary = r#"{"v":6,"slp":{"st":1773442800,"ed":1773468000,"dp":95,"lt":325,"wk":0,"usrSt":-1440,"usrEd":-1440,"wc":0,"is":8,"lb":3,"to":0,"dt":0,"rhr":55,"ss":81,"stage":[{"start":1440,"stop":1534,"mode":5},{"start":1535,"stop":1859,"mode":4}]},"stp":{"ttl":900,"dis":640,"cal":31,"wk":10,"rn":0,"runDist":0,"runCal":0,"stage":[{"start":480,"stop":489,"mode":1,"dis":640,"cal":31,"step":900}]},"goal":8000,"tz":"3600","sn":"563412eeffc0"}"#;
        let device = device_id([0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56]);
        let summary = serde_json::from_str(summary).expect("JSON");
        let days = Value::Array(vec![day_json(&day, &device, summary, &Vocabulary::default())]);
        assert_eq!(sha256_hex(days.to_string().as_bytes()), "49a1378551130dc71e79a7c2193d8abc5890075d307c7d4542d336549056a94c");
        let escaped = escaped_json(&days);
        assert_eq!(escaped.len(), 9544);
        let body = form([
            ("userid", "1000000001"),
            ("last_sync_data_time", "1773486000"),
            ("device_type", "0"),
            ("last_deviceid", device.as_str()),
            ("data_json", escaped.as_str()),
        ]);
        assert_eq!(body.len(), 15_574);
        assert_eq!(sha256_hex(body.as_bytes()), "1d6e56f02d5401eae17de471de5f15f9b20d85baaf89f385bcf3ea183e780453");
    }

    fn history() -> History {
        let contents = BandContents::invented("2026-03-14".parse().expect("a date"));
        History { start: contents.start, utc_offset_s: contents.utc_offset_s, samples: contents.samples[..1440 + 600].to_vec() }
    }

    fn ten_o_clock() -> Timestamp {
        "2026-03-14T09:00:00Z".parse().expect("a time")
    }

    #[test]
    fn a_history_is_cut_at_local_midnights() {
        let days = days(&history(), ten_o_clock());
        assert_eq!(days.iter().map(|day| day.date.to_string()).collect::<Vec<_>>(), ["2026-03-13", "2026-03-14"]);
        assert!(days[0].heart_rate.iter().all(|rate| *rate != FUTURE_HEART_RATE));
        assert_ne!(days[1].heart_rate[599], FUTURE_HEART_RATE);
        assert_eq!(days[1].heart_rate[600..], [FUTURE_HEART_RATE; 840]);
        assert_eq!(days[1].activity[1800..1803], FUTURE_ACTIVITY);
        let steps: u32 = days[1].activity.iter().skip(2).step_by(3).map(|steps| u32::from(*steps)).sum();
        let summary = summary(&days[1], "5b0c44d17e2a", None);
        assert_eq!(summary["stp"]["ttl"], steps);
        assert!(summary["slp"]["dp"].as_u64() > Some(60), "{summary}");
        assert_eq!(summary.get("location"), None);
    }

    #[test]
    fn a_version_that_drops_half_of_the_readings_drops_half_of_them() {
        let readings = |history: &History| history.samples.iter().filter_map(|sample| sample.beats()).collect::<Vec<_>>();
        let all = readings(&history());
        let kept = |which| {
            let mut history = history();
            keep(&mut history, which);
            assert_eq!(history.samples.len(), 1440 + 600, "no minute is left out");
            readings(&history)
        };
        assert_eq!(kept(Readings::All), all);
        assert_eq!(kept(Readings::EveryOther), all.iter().copied().step_by(2).collect::<Vec<_>>());
        assert_eq!(kept(Readings::LaterHalf), all[all.len() / 2..]);
    }

    #[test]
    fn one_minute_of_heart_rate_is_one_byte_of_one_field() {
        let upload = |history: &History| {
            let day = days(history, ten_o_clock()).remove(1);
            let summary = summary(&day, "5b0c44d17e2a", None);
            day_json(&day, "C0FFEEFFFE123456", summary, &Vocabulary::default())
        };
        let mut other = history();
        other.samples[1440 + 485].heart_rate = 131;
        let (before, after) = (upload(&history()), upload(&other));
        let decoded = |value: &Value| STANDARD.decode(value["data_hr"].as_str().expect("text")).expect("base64");
        let differing: Vec<usize> =
            decoded(&before).iter().zip(decoded(&after)).enumerate().filter(|(_, (a, b))| **a != *b).map(|(minute, _)| minute).collect();
        assert_eq!(differing, [485]);
        let without = |mut value: Value| {
            value["data_hr"] = Value::Null;
            value
        };
        assert_eq!(without(before), without(after));
    }

    #[test]
    fn a_track_is_a_start_and_differences() {
        let positions = [(52.52, 13.405), (52.52012, 13.40515), (52.52025, 13.40526)].map(|(lat, lon)| Position { lat, lon });
        assert_eq!(track(&positions), "5252000000,1340500000;12000,15000;13000,11000;");
        assert_eq!(track(&[]), "");
    }

    #[test]
    fn a_position_in_a_summary_has_five_decimals() {
        let day = fixture();
        let told = summary(&day, "x", Position::new(52.374_031_9, 4.889_691_2));
        assert_eq!(told["location"], json!({ "latitude": 52.37403, "longitude": 4.88969 }));
    }

    #[test]
    fn encryption_is_cbc_with_its_vector_in_front() {
        // NIST SP 800-38A, F.2.1, first block; a second block of padding follows.
        let key = [0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c];
        let vector = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        let plain = [0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a];
        let out = encrypted(&plain, key, vector);
        assert_eq!(out.len(), 48);
        assert_eq!(out[..16], vector);
        assert_eq!(crate::model::text::hex(&out[16..32]), "7649abac8119b246cee98e9b12e9197d");
    }
}
