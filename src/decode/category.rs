//! What a field means: from the app file, from the words of its name, and from what its value looks like. Planted values are
//! `planted`'s.

use crate::model::{App, Category, FieldType, Part, PathTemplate, Reason};

use super::{
    kind::{self, Axis},
    leaf::{Expectation, Value},
    name,
};

/// Everything a name says, computed once a name.
#[derive(Clone, Debug, Default)]
pub(super) struct NameFacts {
    /// What the app file says: category and why.
    pub(super) known: Vec<(Category, String)>,
    /// What words of the name say.
    pub(super) said: Vec<(Category, &'static str)>,
    /// Words of the last name in the path.
    pub(super) words: Vec<String>,
    /// Which coordinate it names.
    pub(super) axis: Option<Axis>,
    /// It speaks of a place.
    pub(super) place: bool,
    /// It names a person, account or thing, so its numbers are no times.
    pub(super) identifier: bool,
    /// It names an amount, so its numbers are no times.
    pub(super) quantity: bool,
    /// It names a hardware address.
    pub(super) hardware: bool,
    /// It says that its value is encrypted.
    pub(super) cipher: bool,
    /// How its value may be read.
    pub(super) expectation: Expectation,
}

/// What the name of one field says. `template` is the endpoint's path template.
pub(super) fn name_facts(app: &App, template: &str, part: Part, path: &str) -> NameFacts {
    let mut facts = NameFacts::default();
    let last = if part == Part::Path { None } else { name::segments(path).last() };
    facts.words = last.map(name::words).unwrap_or_default();
    if facts.words == ["id"] {
        // `device.id` is a device id.
        let parent = name::segments(path).rev().nth(1).map(name::words).unwrap_or_default();
        facts.words.splice(0..0, parent);
    }
    for leaf in &app.leaves {
        let holds_here = leaf.endpoint.as_ref().is_none_or(|endpoint| fits(endpoint, template));
        let pattern = leaf.leaf.strip_prefix(part.word()).and_then(|rest| rest.strip_prefix(' ')).unwrap_or(&leaf.leaf);
        if holds_here && (glob(pattern.as_bytes(), path.as_bytes()) || leaf.leaf == part.word() && path.is_empty()) {
            facts.known.push((leaf.category, leaf.why.clone()));
        }
    }
    for segment in name::segments(path) {
        let words = name::words(segment);
        for (category, list) in ANYWHERE {
            if let Some(word) = list.iter().find(|word| holds(&words, word))
                && !(*category == Category::Steps && words.iter().any(|word| NO_STEPS.contains(&word.as_str())))
                && !(*category == Category::Location && words.iter().any(|word| NO_PLACE.contains(&word.as_str())))
            {
                facts.said.push((*category, word));
            }
        }
    }
    let words = &facts.words;
    if let Some(word) = IDENTIFIERS.iter().find(|word| ends(words, word)) {
        facts.said.push((Category::Identifier, word));
    }
    if let Some(word) = PROFILE.iter().find(|word| holds(words, word))
        && !words.iter().any(|word| SCREEN.contains(&word.as_str()))
    {
        facts.said.push((Category::Profile, word));
    }
    facts.said.sort_unstable();
    facts.said.dedup_by_key(|(category, _)| *category);
    facts.axis = if LATITUDES.iter().any(|word| ends(words, word)) {
        Some(Axis::Latitude)
    } else if LONGITUDES.iter().any(|word| ends(words, word)) {
        Some(Axis::Longitude)
    } else {
        None
    };
    let says = |category| facts.said.iter().any(|(said, _)| *said == category) || facts.known.iter().any(|(known, _)| *known == category);
    facts.place = says(Category::Location);
    facts.identifier = says(Category::Identifier) || ["id", "ids", "code", "version"].iter().any(|word| ends(words, word));
    facts.quantity = facts.words.iter().any(|word| QUANTITIES.contains(&word.as_str()));
    let words = &facts.words;
    facts.hardware = words.iter().any(|word| word == "mac" || word == "bssid" || word == "bluetooth");
    facts.cipher = words.iter().any(|word| CIPHERS.contains(&word.as_str()));
    facts.expectation = if words.iter().any(|word| TOKENS.contains(&word.as_str())) {
        Expectation::Token
    } else if [Category::HeartRate, Category::Sleep, Category::Steps].into_iter().any(says) {
        Expectation::Measurements
    } else {
        Expectation::Open
    };
    facts
}

/// Categories of one value, each with its reason. A name alone counts only where the value could be what the name says.
pub(super) fn categories(name: &NameFacts, kind: &FieldType, value: &Value<'_>, out: &mut Vec<(Category, Reason)>) {
    for (category, why) in &name.known {
        out.push((*category, Reason::KnownLeaf { why: why.clone() }));
    }
    for &(category, word) in &name.said {
        if plausible(category, word, name, kind, value) {
            out.push((category, Reason::Name { word: word.to_owned() }));
        }
    }
    match kind {
        FieldType::Coordinates => out.push((Category::Location, Reason::Shape { what: "a latitude and a longitude".to_owned() })),
        FieldType::Mac => out.push((Category::Identifier, Reason::Shape { what: "a hardware address".to_owned() })),
        FieldType::Text if value.as_text().is_some_and(kind::is_email) => {
            out.push((Category::Identifier, Reason::Shape { what: "an e-mail address".to_owned() }));
        }
        _ => {}
    }
}

/// Whether a value could be what its name says it is.
fn plausible(category: Category, word: &str, name: &NameFacts, kind: &FieldType, value: &Value<'_>) -> bool {
    use FieldType::{Boolean, Bytes, Coordinates, Date, Decimal, Empty, Integer, Latitude, Longitude, Mac, Text, Token, Uuid};
    let text = value.as_text().unwrap_or_default();
    match category {
        _ if matches!(kind, Empty | Boolean) => false,
        // A time zone beside a place says less than the place: half a continent.
        Category::Location if name.words.iter().any(|word| TIME_ZONES.contains(&word.as_str())) => false,
        Category::Location => match kind {
            Latitude | Longitude | Coordinates | Decimal => true,
            // Scaled integers (degrees × 10^5 or more) under a name that can only mean a coordinate.
            Integer if (LATITUDES.contains(&word) || LONGITUDES.contains(&word)) && text.len() >= 7 => true,
            // A postal code of digits names a street or a quarter.
            Integer => (4..=9).contains(&text.len()) && POSTAL_CODES.iter().any(|word| ends(&name.words, word)),
            Text | Token => text.bytes().any(|byte| byte.is_ascii_digit()) || PLACE_NAMES.contains(&word),
            _ => false,
        },
        Category::Identifier if SESSIONS.contains(&word) => matches!(kind, Uuid | Token),
        Category::Identifier if ADDRESSES.contains(&word) => text.parse::<core::net::IpAddr>().is_ok(),
        Category::Identifier => match kind {
            Integer => text.len() >= 5,
            Mac | Uuid | Token | Text => text.chars().count() >= 4,
            Bytes(_) => true,
            _ => false,
        },
        Category::Profile => !matches!(kind, Bytes(_) | Uuid | Mac),
        Category::HeartRate | Category::Sleep | Category::Steps => !matches!(kind, Uuid | Mac | Coordinates | Date),
    }
}

fn fits(endpoint: &PathTemplate, template: &str) -> bool {
    endpoint.0 == template || endpoint.matches(template)
}

/// `*` stands for any run of bytes. Patterns come from app.yaml, so they are few and short.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            p = at + 1;
            t = from + 1;
            star = Some((at, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Whether a phrase (`heart rate`) stands in a list of words.
fn holds(words: &[String], phrase: &str) -> bool {
    let count = phrase.split(' ').count();
    words.windows(count).any(|window| phrase.split(' ').eq(window.iter().map(String::as_str)))
}

/// Whether a list of words ends in a phrase.
fn ends(words: &[String], phrase: &str) -> bool {
    let count = phrase.split(' ').count();
    words.len() >= count && phrase.split(' ').eq(words[words.len() - count..].iter().map(String::as_str))
}

/// Words that speak for everything below them: `summary.slp.st` is about sleep. `slp`, `stp`, `hr` and `rhr` are Mi Fit's
/// (docs/protocols).
const ANYWHERE: &[(Category, &[&str])] = &[
    (Category::HeartRate, &["bpm", "heart", "heartbeat", "heartrate", "hr", "hrv", "pulse", "rhr"]),
    (
        Category::Location,
        &[
            "coord",
            "coordinate",
            "coordinates",
            "coords",
            "geo",
            "geoip",
            "geolocation",
            "geopoint",
            "gps",
            "lat",
            "latitude",
            "latlng",
            "latlon",
            "lng",
            "location",
            "locations",
            "lon",
            "longitude",
            "city",
            "thoroughfare",
            "postal code",
            "postcode",
            "zip",
            "zipcode",
            "street",
            "trackpoint",
            "trackpoints",
        ],
    ),
    (Category::Sleep, &["nap", "sleep", "slp"]),
    (Category::Steps, &["pedometer", "step", "stepcount", "steps", "stp"]),
];

/// `step` beside these is a stage of something, not a footfall.
const NO_STEPS: &[&str] = &["index", "name", "onboarding", "setup", "wizard"];

/// Beside these, a location word speaks of the permission or the sensor, not of a place.
const NO_PLACE: &[&str] = &[
    "accuracy",
    "authorization",
    "enabled",
    "mode",
    "permission",
    "permissions",
    "provider",
    "service",
    "services",
    "setting",
    "settings",
    "status",
];

/// Location words whose values may be names without a digit.
const PLACE_NAMES: &[&str] = &["city", "location", "street", "thoroughfare", "geo", "geolocation"];

/// A number under such a name is a place.
const POSTAL_CODES: &[&str] = &["postal code", "postalcode", "postcode", "zip", "zip code", "zipcode"];
const TIME_ZONES: &[&str] = &["timezone", "tz"];
/// Identifiers only where the value is a token or a UUID: a session may also be a number or a name.
const SESSIONS: &[&str] = &["session", "session id", "sessionid"];
/// Identifiers only where the value is an IP address.
const ADDRESSES: &[&str] = &["ip", "ip addr", "ip address"];
/// Phrases that a name of an identifier ends in.
const IDENTIFIERS: &[&str] = &[
    "aaid",
    "account id",
    "ad id",
    "adid",
    "advertiser id",
    "advertising id",
    "android id",
    "androidid",
    "anon id",
    "anonymous id",
    "apptoken",
    "auth key",
    "bssid",
    "client id",
    "clientid",
    "device id",
    "deviceid",
    "did",
    "email",
    "email address",
    "fingerprint",
    "fingerprint id",
    "gaid",
    "guid",
    "hardware id",
    "identity id",
    "idfa",
    "idfv",
    "imei",
    "imsi",
    "installation id",
    "instance id",
    "ip",
    "ip addr",
    "ip address",
    "login token",
    "mac",
    "mac addr",
    "mac address",
    "macaddress",
    "member id",
    "msisdn",
    "open id",
    "openid",
    "phone",
    "phone number",
    "phonenumber",
    "serial",
    "serial number",
    "serialnumber",
    "session",
    "session id",
    "sessionid",
    "sn",
    "ssid",
    "token",
    "udid",
    "uid",
    "user id",
    "userid",
    "uuid",
];

/// Phrases anywhere in the last name that speak of a person's profile.
const PROFILE: &[&str] = &[
    "birth",
    "birthdate",
    "birthday",
    "date of birth",
    "dob",
    "first name",
    "firstname",
    "full name",
    "fullname",
    "gender",
    "height",
    "last name",
    "lastname",
    "nick name",
    "nickname",
    "sex",
    "surname",
    "user name",
    "username",
    "weight",
];

/// Beside these, height and weight are a picture's or a font's.
const SCREEN: &[&str] = &[
    "content", "document", "line", "page", "row", "display", "font", "icon", "image", "picture", "pixel", "pixels", "px", "screen",
    "video", "view", "viewport", "window",
];

/// Words of amounts.
const QUANTITIES: &[&str] =
    &["bytes", "count", "disk", "duration", "length", "limit", "memory", "millis", "nanos", "size", "storage", "total", "usage"];

const LATITUDES: &[&str] = &["lat", "latitude"];
const LONGITUDES: &[&str] = &["lng", "lon", "longitude"];

/// Words whose values are random by purpose: never taken for base64 data.
const TOKENS: &[&str] = &[
    "apptoken",
    "auth",
    "authorization",
    "cookie",
    "digest",
    "hash",
    "jwt",
    "key",
    "md5",
    "nonce",
    "password",
    "secret",
    "session",
    "sha1",
    "sha256",
    "sig",
    "sign",
    "signature",
    "ticket",
    "token",
];

/// Words that say a value is encrypted by the app (`cipher_data`, docs/protocols).
const CIPHERS: &[&str] = &["cipher", "ciphertext", "encrypted", "cipherdata"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KnownLeaf;

    #[track_caller]
    fn check(path: &str, value: &str, want: &str) {
        let facts = name_facts(&App::default(), "/", Part::Json, path);
        let kind = kind::kind_of(&Value::Text(value), &facts);
        let mut found = Vec::new();
        categories(&facts, &kind, &Value::Text(value), &mut found);
        let mut words: Vec<&str> = found.iter().map(|(category, _)| category.word()).collect();
        words.dedup();
        assert_eq!(words.join(" "), want, "{path}={value}");
    }

    #[test]
    fn names_with_a_plausible_value_say_what_they_mean() {
        check("lat", "52.374", "location");
        check("lat", "true", "");
        check("platform", "52.374", "");
        check("template", "1.25", "");
        check("location_enabled", "1", "");
        check("locationStatus", "allowed", "");
        check("documentHeight", "1920", "");
        check("city", "Utrecht", "location");
        check("data[].data_hr", "61", "heart-rate");
        check("summary.slp.st", "1773442800", "sleep");
        check("summary.stp.ttl", "900", "steps");
        check("onboarding_step", "3", "");
        check("last_deviceid", "C0FFEEFFFE123456", "identifier");
        check("android_phone_model", "PHONE-1", "");
        check("phone", "+31600000000", "identifier");
        check("device.id", "0b7d0c1b2a3c4d5e", "identifier");
        check("device.id", "8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c", "identifier");
        check("events[].session", "8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c", "identifier");
        check("session_id", "1234567890123456789", "identifier");
        check("session", "12345", "");
        check("session", "morning workout", "");
        check("local_ip", "192.168.1.7", "identifier");
        check("zip", "not an address", "");
        check("ip", "fast", "");
        check("location.postal_code", "10115", "location");
        check("location.count", "10115", "");
        check("location.timezone_name", "Europe/Berlin", "");
        check("app.id", "com.example.app", "");
        check("sn", "3", "");
        check("sn", "563412eeffc0", "identifier");
        check("birthday", "1984-03-07", "profile");
        check("screen_height", "1920", "");
        check("height", "171", "profile");
        check("q", "52.374,4.889", "location");
        check("q", "someone@example.test", "identifier");
    }

    #[test]
    fn the_app_file_speaks_with_or_without_the_part() {
        let leaf = |endpoint: Option<&str>, leaf: &str| KnownLeaf {
            endpoint: endpoint.map(|template| PathTemplate(template.to_owned())),
            leaf: leaf.to_owned(),
            category: Category::Sleep,
            why: "somebody looked".to_owned(),
        };
        for (known, path, want) in [
            (leaf(None, "form a.b"), "a.b", true),
            (leaf(None, "a.b"), "a.b", true),
            (leaf(None, "a.*"), "a.b", true),
            (leaf(None, "json a.b"), "a.b", false),
            (leaf(Some("/users/{user}/x"), "a.b"), "a.b", true),
            (leaf(Some("/other"), "a.b"), "a.b", false),
        ] {
            let app = App { leaves: vec![known.clone()], ..App::default() };
            assert_eq!(!name_facts(&app, "/users/{id}/x", Part::Form, path).known.is_empty(), want, "{known:?}");
        }
    }
}
