//! Reading bands through the whole stack, as a person with a laptop does.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tattletale::{
    band::{
        self, Access, BandError, BandModel, History, Key,
        huami::{BandContents, PROFILES, characteristics::FETCH_CONTROL, time::BandTime},
        read_history, shouts,
    },
    link::{Central, LinkError},
};

use crate::lab::Lab;

/// Far more than any reading here takes.
const WITHIN: Duration = Duration::from_secs(600);

/// Long enough to hear a free band, which says all it says within 4 s.
const LISTEN: Duration = Duration::from_secs(6);

fn mi_band_3() -> &'static dyn BandModel {
    band::named("mi-band-3").expect("it is in the list")
}

fn key(contents: &BandContents) -> Access {
    Access::Key(contents.key.clone())
}

fn a_day_ago() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second((now.as_second() - 24 * 3600).div_euclid(60) * 60).expect("in range")
}

/// Checks a history from `since` against what the band holds.
#[track_caller]
fn check(history: &History, since: Timestamp, contents: &BandContents) {
    assert_eq!((history.start, history.utc_offset_s), (since, contents.utc_offset_s));
    assert!((1440..1450).contains(&history.samples.len()), "a day and the minutes that passed meanwhile: {}", history.samples.len());
    let skip = usize::try_from((since.as_second() - contents.start.as_second()) / 60).expect("it holds the day before");
    assert!(history.samples == contents.samples[skip..skip + history.samples.len()], "minute by minute what the band holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_finds_the_band_and_hears_what_it_shouts() {
    let Some(lab) = Lab::with("mi-band-3") else { return };
    let contents = lab.contents();
    let seen = lab.radio().scan(LISTEN).await.expect("a scan works");
    let [advertisement] = &*seen else { panic!("one device is in reach: {}", seen.len()) };
    assert_eq!((advertisement.address, advertisement.name.as_deref()), (contents.address, Some("Mi Band 3")));
    let shouted = shouts(advertisement).expect("it is a band");
    assert_eq!(shouted.address, contents.address);
    assert_eq!(shouted.model.map(BandModel::name), Some("mi-band-3"));
    assert!(shouted.steps.is_some() && shouted.heart_rate.is_some(), "it tells strangers its steps and its heart rate");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_it_tells_who_it_is_and_nothing_else() {
    let Some(lab) = Lab::with("mi-band-3") else { return };
    let contents = lab.contents();
    let reading =
        read_history(&lab.radio(), mi_band_3(), contents.address, &Access::Anyone, a_day_ago(), WITHIN).await.expect("anyone may");
    assert_eq!(reading.info.address, Some(contents.address));
    assert_eq!((reading.info.serial, reading.info.firmware), (Some(contents.serial), Some(contents.firmware)));
    assert_eq!(reading.info.battery.map(|battery| battery.level), Some(87));
    let clock = reading.clock.expect("it has one");
    assert_eq!(clock.utc_offset_s, contents.utc_offset_s);
    assert!(clock.now.duration_since(Timestamp::now()).abs() < SignedDuration::from_mins(2), "its clock is right");
    assert_eq!((reading.history, reading.connections), (None, 1));

    let mut band = band::connect(&lab.radio(), mi_band_3(), contents.address, &Access::Anyone).await.expect("anyone may");
    assert!(!band.is_authenticated());
    assert_eq!(band.activity_today().await.err(), Some(BandError::NeedsKey));
    band.release().await.expect("a good link");
    let written = lab.written();
    assert!(written.is_empty(), "who only reads writes nothing: {written:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_key_opens_it_and_a_wrong_one_is_refused() {
    let Some(lab) = Lab::with("mi-band-3") else { return };
    let contents = lab.contents();
    let wrong = Access::Key(Key::new([0x5a; 16]));
    let refused = band::connect(&lab.radio(), mi_band_3(), contents.address, &wrong).await.err();
    assert_eq!(refused, Some(BandError::WrongKey));
    let mut band =
        band::connect(&lab.radio(), mi_band_3(), contents.address, &key(&contents)).await.expect("it was let go, and knows this key");
    assert!(band.is_authenticated());
    let today = band.activity_today().await.expect("the key allows it");
    assert!(today.steps < 20_000 && today.metres.is_some(), "{today:?}");
    band.release().await.expect("a good link");
    assert_eq!(lab.state()["connections"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_read_twice_the_same() {
    let Some(lab) = Lab::with("mi-band-3") else { return };
    let (contents, since) = (lab.contents(), a_day_ago());
    let mut histories = Vec::new();
    for _ in 0..2 {
        let reading = read_history(&lab.radio(), mi_band_3(), contents.address, &key(&contents), since, WITHIN).await.expect("a good link");
        assert_eq!(reading.connections, 1);
        let history = reading.history.expect("it was read with the key");
        check(&history, since, &contents);
        histories.push(history);
    }
    let both = histories[0].samples.len().min(histories[1].samples.len());
    assert!(histories[0].samples[..both] == histories[1].samples[..both], "reading changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_heart_rate_is_measured() {
    let Some(lab) = Lab::with("mi-band-3") else { return };
    let contents = lab.contents();
    let mut band = band::connect(&lab.radio(), mi_band_3(), contents.address, &key(&contents)).await.expect("a good link");
    let rate = band.measure_heart_rate(Duration::from_secs(20)).await.expect("somebody wears it");
    assert!(contents.samples.iter().any(|sample| sample.beats() == Some(rate)), "one of its own: {rate}");
    band.vibrate().await.expect("it can");
    band.release().await.expect("a good link");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_breaks_in_a_fetch_loses_no_minute_and_doubles_none() {
    let Some(lab) = Lab::with("mi-band-3") else { return };
    let (contents, since) = (lab.contents(), a_day_ago());
    // Two answers to authenticate; then each batch of 240 minutes is an announcement, 60 packets and an end. So this breaks in the third.
    lab.order(json!({ "do": "drop", "after": 2 + 2 * 62 + 30 }));
    let reading = read_history(&lab.radio(), mi_band_3(), contents.address, &key(&contents), since, WITHIN).await.expect("it goes on");
    assert_eq!(reading.connections, 2);
    check(&reading.history.expect("it was read with the key"), since, &contents);

    // Of all requests those for activity, as minutes after the first minute.
    let requests: Vec<i64> = lab
        .written()
        .iter()
        .filter(|(characteristic, value)| *characteristic == FETCH_CONTROL && value.starts_with(&[0x01, 0x01]))
        .map(|(_, value)| BandTime::from_short(&value[2..]).and_then(BandTime::timestamp).expect("a time"))
        .map(|time| (time.as_second() - since.as_second()) / 60)
        .collect();
    assert_eq!(requests[..3], [0, 240, 480], "the first connection");
    assert_eq!(requests[3], 480 + 29 * 4, "the second goes on with the minute after the last one that came");
    assert!(requests[3..].is_sorted_by(|a, b| a < b), "and never back: {requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_central_is_refused_while_the_band_is_held() {
    let Some(lab) = Lab::with("mi-band-3") else { return };
    let contents = lab.contents();
    let second = lab.impatient_second_radio();
    let mut band = band::connect(&lab.radio(), mi_band_3(), contents.address, &key(&contents)).await.expect("a good link");
    assert!(second.scan(LISTEN).await.expect("a scan works").is_empty(), "a band that is held does not advertise");
    assert_eq!(second.connect(contents.address).await.err(), Some(LinkError::NotFound));
    assert!(band.clock().await.is_ok(), "who holds it did not notice");
    band.release().await.expect("a good link");
    let mut band = band::connect(&second, mi_band_3(), contents.address, &key(&contents)).await.expect("it is free again");
    assert_eq!(lab.state()["central"], lab.address_of("hci2"), "now the other central holds it");
    band.release().await.expect("a good link");
    assert_eq!(lab.state()["refused_centrals"], 0, "nobody got through to a band that was held");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_band_is_read_again() {
    let Some(lab) = Lab::with("mi-band-3") else { return };
    let contents = lab.contents();
    for connections in 1..=3 {
        let mut band = band::connect(&lab.radio(), mi_band_3(), contents.address, &key(&contents)).await.expect("it is free");
        assert_eq!(band.device_info().await.expect("a good link").serial.as_ref(), Some(&contents.serial));
        band.release().await.expect("a good link");
        assert_eq!(lab.freed()["connections"], connections);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_band_out_of_reach_is_told_so_in_time() {
    let Some(lab) = Lab::with("mi-band-3") else { return };
    lab.order(json!({ "do": "hide" }));
    let (radio, asked) = (lab.impatient_radio(), Instant::now());
    let error = band::connect(&radio, mi_band_3(), lab.contents().address, &Access::Anyone).await.err();
    assert_eq!(error, Some(BandError::Link(LinkError::NotFound)));
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_band_that_falls_silent_is_told_so_in_time() {
    let Some(lab) = Lab::with("mi-band-3") else { return };
    let contents = lab.contents();
    lab.set(json!({ "fault": "silence" }));
    let mut band = band::connect(&lab.radio(), mi_band_3(), contents.address, &key(&contents)).await.expect("it talks at first");
    let asked = Instant::now();
    let mut history = History::default();
    let error = band.history(a_day_ago(), &mut history).await.err();
    assert!(matches!(error, Some(BandError::Link(LinkError::Silent(_)))), "{error:?}");
    assert!(asked.elapsed() < Duration::from_secs(40) && history.samples.is_empty());
    band.release().await.expect("the link is a good one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_band_of_the_standard_services_is_read_as_anyone_can() {
    let Some(lab) = Lab::with("generic") else { return };
    let (model, address, radio) = (band::named("generic").expect("it is in the list"), lab.address(), lab.radio());
    // A key is of no use here, and is not sent.
    let access = Access::Key(Key::new([0x5a; 16]));
    let reading = read_history(&radio, model, address, &access, a_day_ago(), WITHIN).await.expect("a good link");
    let info = reading.info;
    assert_eq!((info.serial.as_deref(), info.firmware.as_deref()), (Some("ST-0000001"), Some("1.2.3")));
    assert_eq!(info.battery.map(|battery| battery.level), Some(64));
    assert!(!reading.is_authenticated && !reading.needs_key && reading.clock.is_none() && reading.history.is_none());
    let mut band = band::connect(&radio, model, address, &access).await.expect("a good link");
    assert_eq!(band.measure_heart_rate(Duration::from_secs(30)).await, Ok(72));
    band.release().await.expect("a good link");
    assert!(lab.order(json!({ "do": "journal" })).as_array().is_some_and(Vec::is_empty), "nothing was written to it");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_are_read_each_in_its_own_dialect() {
    for profile in PROFILES {
        let name = profile.name;
        let Some(lab) = Lab::with(name) else { return };
        let (contents, since) = (lab.contents(), a_day_ago());
        let model = band::named(name).expect("it is in the list");
        let seen = lab.radio().scan(LISTEN).await.expect("a scan works");
        let heard: Vec<_> = seen.iter().filter_map(shouts).filter_map(|shouted| shouted.model).map(BandModel::name).collect();
        assert_eq!(heard, [name], "known by what it shouts");
        let refused = band::connect(&lab.radio(), model, contents.address, &Access::Key(Key::new([0x5a; 16]))).await.err();
        assert_eq!(refused, Some(BandError::WrongKey), "{name}");
        let reading = read_history(&lab.radio(), model, contents.address, &key(&contents), since, WITHIN).await.expect("a good link");
        assert_eq!((reading.info.serial.as_ref(), reading.connections), (Some(&contents.serial), 1), "{name}");
        check(&reading.history.expect("it was read with the key"), since, &contents);
        let mut band = band::connect(&lab.radio(), model, contents.address, &key(&contents)).await.expect("a good link");
        let rate = band.measure_heart_rate(Duration::from_secs(30)).await.expect("somebody wears it");
        assert!(contents.samples.iter().any(|sample| sample.beats() == Some(rate)), "{name}: {rate}");
        band.release().await.expect("a good link");
    }
}
