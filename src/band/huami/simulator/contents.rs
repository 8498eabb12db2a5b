//! What a simulated band is and holds, also as a small JSON file, so that a stand-in in another process can be given it.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    band::{
        Key, Sample, Workout,
        huami::profile::{PROFILES, Profile},
    },
    model::text::hex,
};

/// What a simulated band is and holds. In JSON it has the format number 1; an unknown key or a value that cannot be is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct BandContents {
    /// Which model it is.
    pub model: &'static Profile,
    /// Device address, display order.
    pub address: [u8; 6],
    /// The key that it knows.
    pub key: Key,
    /// Serial number, text.
    pub serial: String,
    /// Firmware version, text.
    pub firmware: String,
    /// Offset of its local time, seconds east of UTC.
    pub utc_offset_s: i32,
    /// Time of the first sample, a whole minute.
    pub start: Timestamp,
    /// Sample n is for `start` + n minutes. Minutes that are not over yet are never told.
    pub samples: Vec<Sample>,
    /// Workouts, oldest first; one that is not over yet is never told.
    pub workouts: Vec<Workout>,
}

/// The JSON of [`BandContents`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u32,
    model: String,
    /// `C0:FF:EE:12:34:56`.
    address: String,
    /// 32 hex digits.
    key: String,
    serial: String,
    firmware: String,
    utc_offset_s: i32,
    start: Timestamp,
    /// Base64 of four bytes a minute: kind, intensity, steps, heart rate.
    samples: String,
    #[serde(default)]
    workouts: Vec<Workout>,
}

const FORMAT: u32 = 1;

impl From<BandContents> for Written {
    fn from(contents: BandContents) -> Self {
        let BandContents { model, address, key, serial, firmware, utc_offset_s, start, samples, workouts } = contents;
        let minutes: Vec<u8> =
            samples.into_iter().flat_map(|Sample { kind, intensity, steps, heart_rate }| [kind, intensity, steps, heart_rate]).collect();
        Self {
            format: FORMAT,
            model: model.name.to_owned(),
            address: address.map(|byte| format!("{byte:02X}")).join(":"),
            key: hex(&key.bytes()),
            serial,
            firmware,
            utc_offset_s,
            start,
            samples: STANDARD.encode(minutes),
            workouts,
        }
    }
}

impl TryFrom<Written> for BandContents {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { format, model, address, key, serial, firmware, utc_offset_s, start, samples, workouts } = written;
        if format != FORMAT {
            return Err(format!("format {format} is not known, only {FORMAT}"));
        }
        let profile = PROFILES.iter().copied().find(|profile| profile.name == model);
        let minutes = STANDARD.decode(samples).map_err(|error| format!("samples: {error}"))?;
        let (minutes, rest) = minutes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err("samples: a minute has four bytes".to_owned());
        }
        if start.as_second() % 60 != 0 || utc_offset_s % 900 != 0 {
            return Err("start is a whole minute, and utc_offset_s whole quarters of an hour".to_owned());
        }
        Ok(Self {
            model: profile.ok_or_else(|| format!("there is no model {model}"))?,
            address: bytes(&address.replace(':', "")).filter(|_| address.len() == 17).ok_or("address: not like C0:FF:EE:12:34:56")?,
            key: bytes(&key).map(Key::new).ok_or("key: not 32 hex digits")?,
            serial,
            firmware,
            utc_offset_s,
            start,
            samples: minutes.iter().map(|&[kind, intensity, steps, heart_rate]| Sample { kind, intensity, steps, heart_rate }).collect(),
            workouts,
        })
    }
}

/// So many bytes in hex digits.
fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day() -> jiff::civil::Date {
        "2026-03-14".parse().expect("a date")
    }

    #[test]
    fn contents_of_every_model_come_back_from_their_file() {
        for model in PROFILES {
            let contents = BandContents::invented_for(model, day());
            let text = serde_json::to_string(&contents).expect("JSON");
            let mut read = serde_json::from_str::<BandContents>(&text).expect("as written");
            for (read, written) in read.workouts.iter_mut().zip(&contents.workouts) {
                for (read, written) in read.track.iter_mut().zip(&written.track) {
                    // A decimal number may come back with its last bit changed.
                    assert!((read.lat - written.lat).abs() < 1e-12 && (read.lon - written.lon).abs() < 1e-12);
                    *read = *written;
                }
            }
            assert!(read == contents, "{}", model.name);
        }
    }

    #[test]
    fn a_file_that_is_wrong_is_refused() {
        let contents = BandContents { samples: Vec::new(), workouts: Vec::new(), ..BandContents::invented(day()) };
        let good = serde_json::to_value(contents).expect("JSON");
        let check = |key: &str, value: serde_json::Value, words: &str| {
            let mut bad = good.clone();
            bad[key] = value;
            let error = serde_json::from_value::<BandContents>(bad).expect_err("wrong").to_string();
            assert!(error.contains(words), "{error}");
        };
        check("format", 2.into(), "format 2");
        check("model", "mi-band-9".into(), "no model mi-band-9");
        check("address", "C0FFEE123456".into(), "not like C0:FF:EE:12:34:56");
        check("address", "C0:FF:EE:12:34:5é".into(), "not like C0:FF:EE:12:34:56");
        check("key", "a0".into(), "32 hex digits");
        check("samples", "AAAA".into(), "four bytes");
        check("samples", "=".into(), "samples:");
        check("start", "2026-03-14T00:00:30Z".into(), "whole minute");
        check("wokouts", serde_json::json!([]), "unknown field");
        assert_eq!(serde_json::from_value::<BandContents>(good).expect("right").samples, []);
    }
}
