//! Files of planted values (`planted.yaml`, `planted.local.yaml`) to [`HeldValue`]s. What stands in such a file may be a real
//! person's, so no message shows it.

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use super::{Privacy, Problem, Problems, file_of, scenario::profile};
use crate::{
    model::{Category, Planted, PlantedSource, PlantedValue, Position},
    scenario::{
        forms,
        planted_file::HeldValue,
        spec::{Key, Kind, Need, Placed, Value, Values},
        steps::POSITION,
    },
};

/// Keys of a file of planted values.
pub const KEYS: &[Key] = &[
    Key {
        name: "confirmed",
        about: "Whether somebody looked, and found these values on the phone and the band; else a value that was not found is \"not \
                checked\", never \"not seen\"",
        kind: Kind::Flag,
        need: Need::Default("false"),
    },
    Key { name: "location", about: "Where the phone was, all the time", kind: Kind::Map(POSITION), need: Need::Optional },
    Key { name: "profile", about: "What the account says about its owner", kind: Kind::Map(PROFILE), need: Need::Default("") },
    Key { name: "band", about: "What the band is, and what it measured", kind: Kind::Map(BAND), need: Need::Default("") },
    Key { name: "values", about: "Any other values", kind: Kind::List { of: &Kind::Map(VALUE), least: 0 }, need: Need::Optional },
];

const PROFILE: &[Key] = &[
    Key { name: "nickname", about: "Display name", kind: Kind::Text(&forms::PRIVATE_TEXT), need: Need::Optional },
    Key { name: "birth", about: "Date of birth", kind: Kind::Text(&forms::PRIVATE_DATE), need: Need::Optional },
    Key { name: "height_cm", about: "Height in centimetres", kind: Kind::Number { least: 30.0, most: 272.0 }, need: Need::Optional },
    Key { name: "weight_kg", about: "Weight in kilograms", kind: Kind::Number { least: 2.0, most: 635.0 }, need: Need::Optional },
];

const BAND: &[Key] = &[
    Key { name: "mac", about: "Its Bluetooth address", kind: Kind::Text(&forms::PRIVATE_ADDRESS), need: Need::Optional },
    Key { name: "serial", about: "Its serial number", kind: Kind::Text(&forms::PRIVATE_TEXT), need: Need::Optional },
    Key { name: "heart_rate", about: "Heart rate minute by minute; 255 or 0 for no reading", kind: SERIES, need: Need::Optional },
    Key { name: "steps", about: "Steps minute by minute", kind: SERIES, need: Need::Optional },
];

const SERIES: Kind = Kind::Either(&[Kind::Text(&forms::SERIES), BYTES]);

const BYTES: Kind = Kind::List { of: &Kind::Whole { least: 0, most: 255 }, least: forms::SHORTEST_SERIES };

const VALUE: &[Key] = &[
    Key { name: "name", about: "What reports call it", kind: Kind::Text(&forms::VALUE_NAME), need: Need::Required },
    Key {
        name: "kind",
        about: "What it is, which decides the spellings it is searched in; an address is a postal one, a moment has a second and an offset",
        kind: Kind::Word(&["address", "date", "decimal", "integer", "mac", "moment", "position", "series", "text"]),
        need: Need::Required,
    },
    Key {
        name: "value",
        about: "The value: a position as { lat, lon }, a series as a list, as hex digits or as base64, anything else as text",
        kind: Kind::Either(&[Kind::Text(&forms::PRIVATE_VALUE), BYTES, Kind::Map(POSITION)]),
        need: Need::Required,
    },
    Key {
        name: "category",
        about: "What finding it means; when left out, its name and kind decide",
        kind: Kind::Text(&forms::NAME),
        need: Need::Optional,
    },
    Key { name: "confirmed", about: "As for the file, of this value alone", kind: Kind::Flag, need: Need::Optional },
    Key {
        name: "from",
        about: "Since when it is there: what was sent earlier is not searched for it",
        kind: Kind::Text(&forms::MOMENT),
        need: Need::Optional,
    },
    Key {
        name: "until",
        about: "Until when it was there: recordings that began later are not searched for it",
        kind: Kind::Text(&forms::MOMENT),
        need: Need::Optional,
    },
];

/// Reads a file of planted values. `label` names the file in messages. Values are in the order of location, profile, band, then
/// as the list has them.
///
/// # Errors
/// Every problem of the file; one that holds no value is wrong.
pub fn planted(label: &str, text: &str) -> Result<Vec<HeldValue>, Problems> {
    file_of(label, text, KEYS, Privacy::Numbers, |values, problems| {
        let confirmed = values.flag("confirmed").unwrap_or_default();
        let known = |name: &str, categories: &[&str], value| PlantedValue {
            name: name.to_owned(),
            category: first_known(categories).unwrap_or(Category::Identifier),
            value,
            source: PlantedSource::File,
            confirmed,
        };
        let mut found = Vec::new();
        if let Some(position) = values.map("location").and_then(position) {
            found.push(known("location", &["precise-location", "location"], Planted::Position(position)));
        }
        let profile = values.map("profile").map(profile).unwrap_or_default();
        found.extend(profile.into_iter().map(|value| PlantedValue { source: PlantedSource::File, confirmed, ..value }));
        if let Some(band) = values.map("band") {
            let mac = band.text("mac").and_then(forms::address).map(Planted::Mac);
            let serial = band.text("serial").map(|serial| Planted::Text(serial.to_owned()));
            let series = |key: &str| series(&band.0.get(key)?.value).map(Planted::Series);
            let of_band = [
                ("band.mac", &["band-mac", "identifier"][..], mac),
                ("band.serial", &["band-serial", "identifier"], serial),
                ("band.heart_rate", &["heart-rate-series", "heart-rate"], series("heart_rate")),
                ("band.steps", &["steps"], series("steps")),
            ];
            found.extend(of_band.into_iter().filter_map(|(name, categories, value)| Some(known(name, categories, value?))));
        }
        let mut found: Vec<HeldValue> = found.into_iter().map(|value| HeldValue { value, from: None, until: None }).collect();
        for item in values.list("values") {
            found.extend(item.value.as_map().and_then(|item| value(item, confirmed, problems)));
        }
        if found.is_empty() && values.list("values").is_empty() && problems.is_empty() {
            let problem = Problem::new(0..0, "find a value in the file", "nothing to search for");
            problems.push(problem.help("name a location, a profile, a band or values"));
        }
        Some(found)
    })
}

/// One item of the list.
fn value(item: &Values, confirmed: bool, problems: &mut Vec<Problem>) -> Option<HeldValue> {
    let (name, kind) = (item.text("name")?, item.text("kind")?);
    let placed = item.0.get("value")?;
    let planted = match planted_as(kind, placed) {
        Ok(planted) => Some(planted),
        Err(needed) => {
            let problem = Problem::new(placed.span.clone(), format!("read \"{name}\""), format!("this is no {kind}"));
            problems.push(problem.help(format!("it needs {needed}")));
            None
        }
    };
    let category = match item.text("category") {
        Some(word) => Category::parse(word).or_else(|| {
            let words: Vec<&str> = Category::ALL.iter().map(|category| category.word()).collect();
            let span = item.span("category").unwrap_or_default();
            let problem = Problem::new(span, format!("use the category \"{word}\""), "no such category");
            problems.push(problem.choices(word, "categories", &words));
            None
        }),
        None => category_of(name, kind).or_else(|| {
            let span = item.span("name").unwrap_or_default();
            let problem = Problem::new(span, format!("tell what \"{name}\" means"), "its name does not say");
            problems.push(problem.help("name its category, for example: category: identifier"));
            None
        }),
    };
    let (from, until) = (moment(item, "from", false), moment(item, "until", true));
    if from.zip(until).is_some_and(|(from, until)| from >= until) {
        let span = item.span("until").unwrap_or_default();
        let problem = Problem::new(span, format!("tell when \"{name}\" held"), "it ends before it begins");
        problems.push(problem.other(item.span("from").unwrap_or_default(), "begins here"));
        return None;
    }
    let confirmed = item.flag("confirmed").unwrap_or(confirmed);
    let value = PlantedValue { name: name.to_owned(), category: category?, value: planted?, source: PlantedSource::File, confirmed };
    Some(HeldValue { value, from, until })
}

/// The value of a kind; otherwise what it needs.
fn planted_as(kind: &str, placed: &Placed) -> Result<Planted, &'static str> {
    let text = placed.value.as_text();
    let (planted, needed) = match kind {
        "address" | "text" => (text.map(|text| Planted::Text(text.to_owned())), "some text"),
        "date" => {
            (text.and_then(|text| text.parse().ok()).filter(|_| text.is_some_and(forms::DATE.accepts)).map(Planted::Date), forms::DATE.what)
        }
        "decimal" => {
            (text.filter(|text| is_plain_decimal(text)).map(|text| Planted::Decimal(text.to_owned())), "a decimal number, like 63.4")
        }
        "integer" => (text.and_then(|text| text.parse().ok()).map(Planted::Integer), "a whole number"),
        "mac" => (text.and_then(forms::address).map(Planted::Mac), forms::ADDRESS.what),
        "moment" => {
            (text.and_then(|text| text.parse().ok()).map(Planted::Moment), "a moment with its offset, like 2026-03-14T18:02:31+01:00")
        }
        "position" => {
            let position = if let Value::Map(values) = &placed.value { position(values) } else { None };
            (position.map(Planted::Position), "a map with the keys lat, lon")
        }
        _ => (series(&placed.value).map(Planted::Series), forms::SERIES.what),
    };
    planted.ok_or(needed)
}

fn position(values: &Values) -> Option<Position> {
    Position::new(values.number("lat")?, values.number("lon")?)
}

/// One value a minute: a list of numbers, hex digits or base64.
fn series(value: &Value) -> Option<Vec<u8>> {
    let series = match value {
        Value::List(items) => {
            items.iter().map(|item| if let Value::Whole(number) = item.value { u8::try_from(number).ok() } else { None }).collect()
        }
        other => other.as_text().and_then(forms::series),
    };
    series.filter(|series: &Vec<u8>| series.len() <= forms::LONGEST_SERIES)
}

/// Digits with one point between them, and perhaps a sign.
fn is_plain_decimal(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix('-').unwrap_or(text).split_once('.').is_some_and(|(whole, fraction)| digits(whole) && digits(fraction))
}

/// A date, UTC, or a moment. `until` a date means to its end.
fn moment(item: &Values, key: &str, to_its_end: bool) -> Option<Timestamp> {
    let text = item.text(key)?;
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    let date: Date = text.parse().ok()?;
    let date = if to_its_end { date.checked_add(1.day()).ok()? } else { date };
    date.to_zoned(TimeZone::UTC).ok().map(|midnight| midnight.timestamp())
}

/// What finding a value means, by the words of its name, else by its kind.
fn category_of(name: &str, kind: &str) -> Option<Category> {
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphabetic()).collect();
    let by_name = NAMES.iter().find(|(word, _)| word.split(' ').all(|word| words.contains(&word)));
    let by_kind = || match kind {
        "address" => Some(&["postal-address", "location"][..]),
        "mac" => Some(&["identifier"][..]),
        "position" => Some(&["precise-location", "location"][..]),
        _ => None,
    };
    by_name.map(|(_, categories)| *categories).or_else(by_kind).and_then(first_known)
}

/// The first of these words that is a category: the finest there is.
fn first_known(words: &[&str]) -> Option<Category> {
    words.iter().find_map(|word| Category::parse(word))
}

/// Words of a value's name, all of which must be in it, with what they mean, the finest category first. The first that fits counts.
const NAMES: &[(&str, &[&str])] = &[
    ("heart rate", &["heart-rate-series", "heart-rate"]),
    ("pulse", &["heart-rate-series", "heart-rate"]),
    ("steps", &["steps"]),
    ("step", &["steps"]),
    ("sleep", &["sleep"]),
    ("band mac", &["band-mac", "identifier"]),
    ("band serial", &["band-serial", "identifier"]),
    ("mac", &["identifier"]),
    ("serial", &["identifier"]),
    ("email", &["email-address", "identifier"]),
    ("mail", &["email-address", "identifier"]),
    ("telephone", &["phone-number", "identifier"]),
    ("ip", &["ip-address", "identifier"]),
    ("key", &["pairing-key", "identifier"]),
    ("token", &["access-token", "identifier"]),
    ("account", &["account-id", "identifier"]),
    ("user", &["account-id", "identifier"]),
    ("id", &["identifier"]),
    ("imei", &["phone-id", "identifier"]),
    ("uuid", &["identifier"]),
    ("nickname", &["person-name", "profile"]),
    ("name", &["person-name", "profile"]),
    ("birth", &["birth-date", "profile"]),
    ("birthday", &["birth-date", "profile"]),
    ("height", &["height", "profile"]),
    ("weight", &["weight", "profile"]),
    ("sex", &["sex", "profile"]),
    ("gender", &["sex", "profile"]),
    ("ssid", &["wifi-network", "location"]),
    ("bssid", &["wifi-network", "location"]),
    ("street", &["postal-address", "location"]),
    ("address", &["postal-address", "location"]),
    ("postcode", &["postal-address", "location"]),
    ("city", &["coarse-location", "location"]),
    ("location", &["precise-location", "location"]),
    ("position", &["precise-location", "location"]),
];

#[cfg(test)]
mod tests {
    use miette::{GraphicalReportHandler, GraphicalTheme};

    use super::*;

    const GOOD: &str = r#"
confirmed: true
location: { lat: 52.37403, lon: 4.88969 }
profile: { nickname: Quillon, birth: 1984-03-07, height_cm: 171, weight_kg: 63.4 }
band:
  mac: C0:FF:EE:12:34:56
  heart_rate: 3e3f403e3f403e3f403e3f403e3f403e3f403e3f40
values:
  - { name: account.id, kind: text, value: 7f000001, confirmed: false }
  - { name: band.steps, kind: series, value: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9], from: 2026-03-01, until: 2026-03-01 }
  - { name: home, kind: address, value: "Quillonweg 4, 1016 Amsterdam" }
  - { name: work, kind: position, value: { lat: 52.3, lon: 4.9 }, from: "2026-03-01T08:00:00Z" }
  - { name: steps.total, kind: integer, value: 8123 }
  - { name: secret, kind: decimal, value: 12.25, category: profile }
"#;

    #[test]
    fn what_is_written_is_what_is_read() {
        let values = planted("planted.yaml", GOOD).expect("a file without mistakes");
        let told: Vec<String> = values
            .iter()
            .map(|HeldValue { value: PlantedValue { name, value, confirmed, source, .. }, from, until }| {
                assert_eq!(*source, PlantedSource::File);
                let length = if let Planted::Series(series) = value { series.len().to_string() } else { String::new() };
                let held = [from, until].map(|moment| moment.map(|moment| moment.to_string()).unwrap_or_default()).join(" to ");
                let held = if held == " to " { String::new() } else { format!(" {held}") };
                format!("{name}{}{length}{held}", if *confirmed { " " } else { "? " })
            })
            .collect();
        assert_eq!(
            told,
            [
                "location ",
                "profile.nickname ",
                "profile.birth ",
                "profile.height_cm ",
                "profile.weight_kg ",
                "band.mac ",
                "band.heart_rate 21",
                "account.id? ",
                "band.steps 20 2026-03-01T00:00:00Z to 2026-03-02T00:00:00Z",
                "home ",
                "work  2026-03-01T08:00:00Z to ",
                "steps.total ",
                "secret ",
            ]
        );
        let group = |word: &str| Category::parse(word).expect("a category");
        assert_eq!(values[11].value.category, group("steps"));
        assert_eq!(values[12].value.category, group("profile"));
        assert!(!planted("p", "profile: { nickname: Quillon }").expect("right")[0].value.confirmed);
    }

    fn drawn(text: &str) -> String {
        let problems = planted("planted.yaml", text).expect_err("the file has a mistake");
        let mut drawing = String::new();
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::none()).with_width(110);
        handler.render_report(&mut drawing, &problems).expect("a text can be written to");
        drawing
    }

    #[test]
    fn mistakes_are_told_with_their_place_and_no_value_is_shown() {
        for (text, words) in [
            ("profile: { nickname: Quillon, hieght_cm: 171 }", "did you mean \"height_cm\"?"),
            ("profile: { nickname: Quillon, birth: 7.3.1984 }", "it needs a date: year-month-day"),
            ("profile: { nickname: Quillon, height_cm: 1.71 }", "it needs a number from 30 to 272"),
            ("location: { lat: 52.37403, lon: 184.88969 }", "it needs a number from -180 to 180"),
            ("band: { mac: C0FFEE123456, serial: Quillon }", "it needs a Bluetooth address"),
            ("band: { heart_rate: [60, 61] }", "it needs at least 20 items"),
            ("band: { heart_rate: 60 }", "one value a minute"),
            ("values: [{ name: id, kind: text, value: [1, 2] }]", "at least 20 items"),
            ("values: [{ name: id, kind: integer, value: Quillon }]", "it needs a whole number"),
            ("values: [{ name: id, kind: decimal, value: 171 }]", "it needs a decimal number"),
            ("values: [{ name: id, kind: position, value: Quillon }]", "it needs a map with the keys lat, lon"),
            ("values: [{ name: id, kind: txet, value: Quillon }]", "did you mean \"text\"?"),
            ("values: [{ name: blob, kind: text, value: Quillon }]", "name its category"),
            ("values: [{ name: id, kind: text, value: Quillon, category: identifer }]", "did you mean \"identifier\"?"),
            ("values: [{ name: id, kind: text, value: Quillon, from: 2026-03-02, until: 2026-03-01 }]", "it ends before it begins"),
            ("values: [{ name: id, kind: text, value: Quillon, from: soon }]", "a date or a moment"),
            ("values: [{ name: id, kind: text }]", "find the key \"value\""),
            ("surprise: Quillon", "no such key"),
            ("profile: { nickname: Quillon", "read"),
            ("confirmed: true", "nothing to search for"),
            ("", "find anything in the file"),
        ] {
            let drawing = drawn(text);
            assert!(drawing.contains(words), "{text}:\n{drawing}");
            for value in ["Quillon", "1984", "171", "1.71", "52.37", "4.88969", "C0FFEE"] {
                assert!(!drawing.contains(value), "{text} shows {value}:\n{drawing}");
            }
        }
    }
}
