//! What nobody can explain stays unexplained, whatever name it has, and is told as a blind spot.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{FORM, JSON, gzip, lines, minutes, observe_one, observe_with_profile, unexplained};
use crate::{
    decode::body_leaves,
    model::{BlindSpotKind, Observations, text::hex},
};

fn noise(count: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(count as u64);
    (0..count).map(|_| random.u8(..)).collect()
}

fn is_dark(seen: &Observations) -> bool {
    seen.coverage.blind_spots.iter().any(|spot| spot.kind == BlindSpotKind::BodyOpaque)
}

#[test]
fn a_planted_value_in_a_blob_does_not_explain_the_blob() {
    let mut blob = noise(200_000);
    blob.extend_from_slice(b"\0quillon@example.test\0");
    let text = STANDARD.encode(blob);
    let seen = observe_one("new.test/a", &[JSON], format!(r#"{{"blob":"{text}"}}"#).as_bytes());
    assert_eq!(unexplained(&seen, "/a"), text.len() as u64);
    assert!(is_dark(&seen) && seen.planted["account.email"].found_in == 1);
    // A short one is what was found in it.
    let short = STANDARD.encode(b"\0\x01quillon@example.test\0\x02\xff");
    let seen = observe_one("new.test/a", &[JSON], format!(r#"{{"blob":"{short}"}}"#).as_bytes());
    assert_eq!((unexplained(&seen, "/a"), is_dark(&seen)), (0, false));
}

#[test]
fn a_few_minutes_of_a_series_do_not_explain_what_they_stand_in() {
    let planted = |seen: &Observations| seen.planted["band.heart_rate"].found_in + seen.planted["band.heart_rate"].probably_in;
    // An hour of the day in twenty thousand random bytes, in a field and as the whole body.
    let mut blob = noise(20_000);
    blob[700..760].copy_from_slice(&minutes()[100..160]);
    let text = STANDARD.encode(&blob);
    let seen = observe_with_profile(&[JSON], format!(r#"{{"a1":"{text}"}}"#).as_bytes());
    assert_eq!((planted(&seen), unexplained(&seen, "/a"), is_dark(&seen)), (1, text.len() as u64, true));
    let seen = observe_with_profile(&[("content-type", "application/octet-stream")], &blob);
    assert_eq!((planted(&seen), unexplained(&seen, "/a"), is_dark(&seen)), (1, 20_000, true));
    // Most of what is there is the day; what has no reading is nothing else.
    let day = [&[0xff; 400][..], &minutes(), &noise(60), &[0; 900]].concat();
    let text = STANDARD.encode(day);
    let seen = observe_with_profile(&[JSON], format!(r#"{{"a1":"{text}"}}"#).as_bytes());
    assert_eq!((planted(&seen), seen.coverage.ledger.named, is_dark(&seen)), (1, text.len() as u64, false));
}

#[test]
fn of_a_list_of_numbers_only_the_minutes_are_named() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut numbers: Vec<u32> = (0..5_000).map(|_| random.u32(1_000..60_000)).collect();
    let hours = &minutes()[40..200];
    numbers.splice(992..1152, hours.iter().map(|minute| u32::from(*minute)));
    let digits: u64 = hours.iter().map(|minute| minute.to_string().len() as u64).sum();
    let written: Vec<String> = numbers.iter().map(u32::to_string).collect();
    let seen = observe_with_profile(&[JSON], format!(r#"{{"a1":[{}]}}"#, written.join(",")).as_bytes());
    assert_eq!(seen.coverage.ledger.named, digits);
    let seen = observe_with_profile(&[JSON], format!(r#"{{"a1":"{}"}}"#, written.join(",")).as_bytes());
    assert_eq!((seen.coverage.ledger.named, seen.planted["band.heart_rate"].found_in), (0, 1));
}

#[test]
fn no_name_makes_a_hundred_kilobytes_of_digits_a_token() {
    let (base64, digits) = (STANDARD.encode(noise(75_000)), hex(&noise(50_000)));
    let broken = format!("v1:{}", STANDARD.encode(noise(300)));
    for (name, text) in
        [("token", &base64), ("signature", &digits), ("access_token", &base64), ("comment", &broken), ("steps", &digits), ("note", &digits)]
    {
        let seen = observe_one("new.test/a", &[JSON], format!(r#"{{"{name}":"{text}"}}"#).as_bytes());
        assert_eq!((unexplained(&seen, "/a"), is_dark(&seen)), (text.len() as u64, true), "{name}");
    }
    let key = STANDARD.encode(noise(90));
    let seen = observe_one("new.test/a", &[JSON], format!(r#"{{"{key}":1}}"#).as_bytes());
    assert_eq!((unexplained(&seen, "/a"), is_dark(&seen)), (key.len() as u64, true));
}

#[test]
fn what_is_unexplained_is_a_blind_spot_wherever_it_stands() {
    let data = hex(&noise(400));
    let cookie = format!("a=1; sid={data}");
    for (url, headers, body) in [
        ("new.test/a".to_owned(), &[][..], data.as_str()),
        (format!("new.test/a?x={data}"), &[], ""),
        (format!("new.test/a/{data}"), &[], ""),
        ("new.test/a".to_owned(), &[("x-data", data.as_str())], ""),
        ("new.test/a".to_owned(), &[("If-Match", data.as_str())], ""),
        ("new.test/a".to_owned(), &[("Cookie", cookie.as_str())], ""),
        ("new.test/a".to_owned(), &[FORM], &format!("z={data}")),
    ] {
        let seen = observe_one(&url, headers, body.as_bytes());
        let told: u64 = seen.endpoints.values().map(|facts| facts.ledger.unexplained).sum();
        assert_eq!((told, is_dark(&seen)), (data.len() as u64, true), "{url:.40} {:?}", headers.first().map(|(name, _)| name));
    }
    let seen = observe_one("new.test/a", &[JSON, ("user-agent", "App/6.9 (Linux; Android 13; Pixel 7 Pro)")], br#"{"a":"hello there"}"#);
    assert_eq!((unexplained(&seen, "/a"), is_dark(&seen)), (0, false));
}

#[test]
fn base64_in_a_data_url_or_broken_by_blanks_is_peeled() {
    let json: String = (0..9).map(|at| format!(r#"{{"pulse{at}":{}}}"#, 60 + at)).collect::<Vec<_>>().join("\n");
    let text = STANDARD.encode(gzip(json.as_bytes()));
    let broken = |width| {
        let lines: Vec<&str> = text.as_bytes().chunks(width).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        lines.join(" ")
    };
    for (value, head) in
        [(format!("data:application/json;base64,{text}"), 1), (broken(76), 0), (broken(20), 0), (text.replace('+', " "), 0)]
    {
        let (leaves, _) = body_leaves(format!(r#"{{"v":"{value}"}}"#).as_bytes(), None);
        assert_eq!(leaves.len(), 9 + head, "{value}: {:?}", lines(&leaves));
        assert!(lines(&leaves).last().is_some_and(|line| line.ends_with("base64>gzip>json")), "{:?}", lines(&leaves));
    }
}
