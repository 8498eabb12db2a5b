//! The schemas of what the `band` commands print as data.

use serde_json::{Value, json};

use super::shared::{
    Need::{self, Always, Maybe},
    count, document, flag, format_number, list, nullable, object, text, time, words,
};

/// Schema of `band scan --format json`.
pub(super) fn scan() -> Value {
    let band = object(&[
        ("model", Always, "As in a rig file; null when what it says does not tell", nullable(text())),
        ("address_end", Always, "The last two bytes of its address", text()),
        ("rssi_dbm", Always, "Signal; null when it was not told", nullable(integer())),
        ("mine", Always, "Whether its address is in rig.yaml or was named with --mine", flag()),
        ("address", Maybe, "Of one's own only", text()),
        ("steps", Maybe, "Steps of the day that it says in clear; of one's own only", nullable(count(0))),
        ("heart_rate", Maybe, "Last heart rate that it says in clear; of one's own only", nullable(count(0))),
    ]);
    let whole = object(&[
        ("format", Always, FORMAT_ABOUT, format_number(FORMAT)),
        ("bands", Always, "One's own first, then by model", list(band)),
        ("other_devices", Always, "Devices that are no bands: counted, and never listed", count(0)),
        ("disclaimer", Maybe, DISCLAIMER_ABOUT, text()),
    ]);
    document("tattletale band scan", "The bands in reach, as data: band scan --format json", whole, &[])
}

/// Schema of `band info --format json`.
pub(super) fn info() -> Value {
    let today = object(&[
        ("steps", Always, "", count(0)),
        ("metres", Always, "", nullable(count(0))),
        ("kilocalories", Always, "", nullable(count(0))),
    ]);
    let mut keys = told();
    keys.push((
        "today",
        Always,
        "What it counted since its own midnight; null when that needs a key, or the model does not count",
        nullable(today),
    ));
    document("tattletale band info", "What a band is and tells, as data: band info --format json", object(&keys), &[])
}

/// Schema of `band read --format json`.
pub(super) fn read() -> Value {
    let column = || list(nullable(count(0)));
    let minutes = object(&[
        ("start", Always, "Of the first minute; the others follow without a gap", time()),
        ("utc_offset_s", Always, "Of the band's local time, seconds east of UTC", integer()),
        ("kind", Always, "Kind of activity, a number of the model's; null where the band has nothing of a minute", column()),
        ("intensity", Always, "0 to 255, or null", column()),
        ("steps", Always, "Steps of the minute, or null", column()),
        ("heart_rate", Always, "Beats per minute; null also where there was no reading", column()),
    ]);
    let number = || json!({ "type": "number" });
    let point = object(&[
        ("at", Always, "", time()),
        ("lat", Always, "Degrees north", number()),
        ("lon", Always, "Degrees east", number()),
        ("altitude", Always, "Metres", nullable(number())),
    ]);
    let rate = object(&[("at", Always, "", time()), ("heart_rate", Always, "", count(0))]);
    let workout = object(&[
        ("kind", Always, "run, walk, cycle, …; other-N for a number that is not known", text()),
        ("start", Always, "", time()),
        ("end", Always, "", time()),
        ("steps", Always, "", nullable(count(0))),
        ("metres", Always, "", nullable(number())),
        ("kilocalories", Always, "", nullable(number())),
        ("heart_rate", Always, "On average", nullable(count(0))),
        ("track", Always, "Where it was, oldest first", list(point)),
        ("heart_rates", Always, "Oldest first", list(rate)),
    ]);
    let mut keys = told();
    keys.extend([
        ("since", Always, "From when on it was asked", time()),
        ("connections", Always, "How many connections it took", count(1)),
        (
            "minutes",
            Always,
            "Its minutes as columns; null when they need a key that was not given, or the model keeps none",
            nullable(minutes),
        ),
        ("workouts", Always, "Oldest first; null when they are not known", nullable(list(workout))),
        ("workouts_unread", Maybe, "Why they are not known, where the model has some and they could be asked for", text()),
    ]);
    document("tattletale band read", "What a band holds, as data: band read --format json", object(&keys), &[])
}

/// What both say of the band.
fn told() -> Vec<(&'static str, Need, &'static str, Value)> {
    let battery = object(&[("percent", Always, "", count(0)), ("charging", Always, "Null when the model does not say", nullable(flag()))]);
    let clock = object(&[("now", Always, "", time()), ("utc_offset_s", Always, "Seconds east of UTC", integer())]);
    let shouts = object(&[
        ("address", Always, "", text()),
        ("steps", Always, "Of the day", nullable(count(0))),
        ("heart_rate", Always, "The last one", nullable(count(0))),
    ]);
    vec![
        ("format", Always, FORMAT_ABOUT, format_number(FORMAT)),
        ("model", Always, "As in a rig file", text()),
        ("address", Always, "", text()),
        ("access", Always, "Whether the band took its key, or told what anyone in reach can read", words(["anyone", "key"])),
        ("serial", Always, "Null when it does not tell", nullable(text())),
        ("firmware", Always, "Null when it does not tell", nullable(text())),
        ("hardware", Always, "Null when it does not tell", nullable(text())),
        ("battery", Always, "Null when it does not tell", nullable(battery)),
        ("not_understood", Always, "What it told in a form that is not understood; null above", list(text())),
        ("clock", Always, "What its clock shows; null when it has none, or shows no time", nullable(clock)),
        ("shouts", Always, "What it says to anyone in reach without being asked; null when it was not heard", nullable(shouts)),
        ("disclaimer", Maybe, DISCLAIMER_ABOUT, text()),
    ]
}

fn integer() -> Value {
    json!({ "type": "integer" })
}

const FORMAT: u32 = 1;

const FORMAT_ABOUT: &str = "Raised when a reader of the old one would be wrong";

const DISCLAIMER_ABOUT: &str = "What must be said of a band that is simulated, or of a conversation that is played back";
