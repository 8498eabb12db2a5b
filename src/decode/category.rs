//! What a field means: from the app file, from the words of its name, and from what its value looks like. Always the finest that
//! can be said. Planted values are `planted`'s.

mod lexicon;
mod plausible;
mod words;

use crate::model::{App, Category, FieldType, Part, PathTemplate, Reason};

use super::{
    adapter::{self, Claim},
    kind::Axis,
    leaf::{Expectation, Value},
    name,
};
use lexicon::Name;

/// Everything a name says, computed once a name.
#[derive(Clone, Debug, Default)]
pub(super) struct NameFacts {
    /// What the app file says: category and why.
    pub(super) known: Vec<(Category, String)>,
    /// What vendors' adapters say, where the app file says nothing.
    pub(super) claims: Vec<&'static Claim>,
    /// What words of the name say.
    pub(super) said: Vec<(Category, &'static str)>,
    /// Words of the last name in the path.
    pub(super) words: Vec<String>,
    /// It is an element of an array: one of many.
    pub(super) many: bool,
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

impl NameFacts {
    /// Whether the app file or the name speaks of a category, or of a member of a group.
    pub(super) fn says(&self, general: Category) -> bool {
        self.categories().any(|category| category.is_a(general))
    }

    /// Whether the app file or the name speaks of a category, or of its group without saying which member it is.
    pub(super) fn may_be(&self, category: Category) -> bool {
        self.categories().any(|said| said == category || said == category.group())
    }

    fn categories(&self) -> impl Iterator<Item = Category> + '_ {
        let known = self.known.iter().map(|(category, _)| *category);
        known.chain(self.said.iter().map(|(category, _)| *category))
    }
}

/// What the name of one field says. `template` is the endpoint's path template.
pub(super) fn name_facts(app: &App, template: &str, part: Part, path: &str) -> NameFacts {
    let mut facts = NameFacts { many: path.ends_with("[]"), ..NameFacts::default() };
    let names: Vec<Name> = name::segments(path).map(Name::new).collect();
    // The names of a path's variables are our own.
    let last = if part == Part::Path { None } else { names.last() };
    facts.words = last.map(|last| last.words.clone()).unwrap_or_default();
    if facts.words == ["id"] {
        // `device.id` is a device id.
        let parent = names.iter().rev().nth(1).map(|parent| parent.words.clone()).unwrap_or_default();
        facts.words.splice(0..0, parent);
    }
    for leaf in &app.leaves {
        let holds_here = leaf.endpoint.as_ref().is_none_or(|endpoint| fits(endpoint, template));
        if holds_here && names_leaf(&leaf.leaf, part, path) {
            facts.known.push((leaf.category, leaf.why.clone()));
        }
    }
    facts.said = lexicon::said(&names, last.is_some());
    // Google has a cookie SSID, which is no network.
    facts.said.retain(|(category, _)| part != Part::Cookie || *category != Category::WifiNetwork);
    facts.axis = match last {
        Some(last) if last.ends_in(words::LATITUDES) => Some(Axis::Latitude),
        Some(last) if last.ends_in(words::LONGITUDES) => Some(Axis::Longitude),
        _ => None,
    };
    let has = |list: &[&str]| facts.words.iter().any(|word| list.contains(&word.as_str()));
    let numbered = [Category::WifiNetwork, Category::CellTower];
    let categories: Vec<Category> = facts.categories().collect();
    let is_numbered = |category: &Category| numbered.contains(category);
    let place = categories.iter().any(|category| category.is_a(Category::Location) && !is_numbered(category));
    let identifier = categories.iter().any(|category| category.is_a(Category::Identifier) || is_numbered(category));
    let measured = categories.into_iter().any(Category::is_measured);
    facts.identifier = identifier || facts.words.last().is_some_and(|word| ["id", "ids", "code", "version"].contains(&word.as_str()));
    (facts.quantity, facts.hardware, facts.cipher) = (has(words::QUANTITIES), has(&["mac", "bssid", "bluetooth"]), has(words::CIPHERS));
    let expectation = if has(words::TOKENS) {
        Expectation::Token
    } else if measured {
        Expectation::Measurements
    } else {
        Expectation::Open
    };
    (facts.place, facts.expectation) = (place, expectation);
    facts
}

/// The same, with what vendors' adapters claim of the endpoint's leaves. A claim gives a category and nothing else: how a value is
/// peeled and what it looks like must not depend on which vendors are known.
pub(super) fn claimed_facts(app: &App, template: &str, claims: &[&'static Claim], part: Part, path: &str) -> NameFacts {
    let mut facts = name_facts(app, template, part, path);
    if facts.known.is_empty() {
        facts.claims = adapter::on(claims, part, path).collect();
    }
    facts
}

/// Whether a leaf's name in a file (`form data_json[].data_hr`, `apptoken`, `*.device.id`) means the leaf at a path of a part.
pub(super) fn names_leaf(leaf: &str, part: Part, path: &str) -> bool {
    let pattern = leaf.strip_prefix(part.word()).and_then(|rest| rest.strip_prefix(' ')).unwrap_or(leaf);
    glob(pattern.as_bytes(), path.as_bytes()) || leaf == part.word() && path.is_empty()
}

/// Categories of one value, each with its reason. A name alone counts only where the value could be what the name says, and says
/// nothing of a group where something finer is told.
pub(super) fn categories(name: &NameFacts, kind: &FieldType, value: &Value<'_>, out: &mut Vec<(Category, Reason)>) {
    for (category, why) in &name.known {
        out.push((*category, Reason::KnownLeaf { why: why.clone() }));
    }
    // A vendor's field that is there and empty, or holds what SDKs send for "nothing", tells nothing of anybody.
    for claim in name.claims.iter().filter(|claim| plausible::claimed(claim.category, kind, value)) {
        out.push((claim.category, Reason::Vendor { adapter: claim.adapter.to_owned(), why: claim.why.clone() }));
    }
    let named = name.said.iter().filter_map(|(category, word)| Some((plausible::meant(*category, word, name, kind, value)?, *word)));
    let named: Vec<(Category, &str)> = named.collect();
    let mut told: Vec<Category> = out.iter().map(|(category, _)| *category).collect();
    told.extend(named.iter().map(|(category, _)| *category));
    for &(category, word) in &named {
        if !(category.is_group() && told.iter().any(|finer| *finer != category && finer.is_a(category))) {
            out.push((category, Reason::Name { word: word.to_owned() }));
        }
    }
    if let Some((category, what)) = plausible::looks_like(name, kind, value) {
        out.push((category, Reason::Shape { what: what.to_owned() }));
    }
}

fn fits(endpoint: &PathTemplate, template: &str) -> bool {
    endpoint.0 == template || endpoint.matches(template)
}

/// `*` stands for any run of bytes. Patterns come from app.yaml and from adapters, so they are few and short.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        decode::kind,
        model::{KnownLeaf, category::keep_finest},
    };

    #[track_caller]
    fn check(path: &str, value: &str, want: &str) {
        let facts = name_facts(&App::default(), "/", Part::Json, path);
        let kind = kind::kind_of(&Value::Text(value), &facts);
        let mut found = Vec::new();
        categories(&facts, &kind, &Value::Text(value), &mut found);
        let mut categories: BTreeSet<Category> = found.iter().map(|(category, _)| *category).collect();
        keep_finest(&mut categories);
        let words: Vec<&str> = categories.iter().map(|category| category.word()).collect();
        assert_eq!(words.join(" "), want, "{path}={value} ({kind})");
    }

    #[test]
    fn names_of_places() {
        check("lat", "52.374", "precise-location");
        check("lat", "52.4", "coarse-location");
        check("lat", "523740000", "precise-location");
        check("lat", "true", "");
        check("position.longitude", "4.889", "precise-location");
        check("q", "52.374,4.889", "precise-location");
        check("locationKey", "52.4,4.9", "location");
        check("platform", "52.374", "");
        check("template", "1.25", "");
        check("location_enabled", "1", "");
        check("locationStatus", "allowed", "");
        check("location.name", "the office", "location");
        check("coordinates", "none at all", "");
        check("city", "Utrecht", "coarse-location");
        check("location.city", "Utrecht", "coarse-location");
        check("location.postal_code", "10115", "postal-address");
        check("zip", "not an address", "");
        check("street", "yes", "");
        check("city", "v2", "");
        check("city", "on", "");
        check("city", "Paris 15e", "coarse-location");
        check("address.street", "Oudegracht 12", "postal-address");
        check("location.count", "10115", "");
        check("location.timezone_name", "Europe/Berlin", "time-zone");
        check("gps_track", "5237403000,488969000;12,-7", "track");
        check("location.route", "_p~iF~ps|U_ulLnnqC", "track");
        check("route", "/v1/home", "");
        check("wifi.ssid", "Quillon's attic", "wifi-network");
        check("bssid", "c0:ff:ee:12:34:56", "wifi-network");
        check("bssid", "02:00:00:00:00:00", "");
        check("ssid", "<unknown ssid>", "");
        check("cell.lac", "40210", "cell-tower");
        check("window.location", "https://news.test/page?id=1", "");
    }

    #[test]
    fn names_of_what_is_measured() {
        check("data[].data_hr", "61", "heart-rate");
        check("heart_rates[]", "61", "heart-rate-series");
        check("summary.slp.rhr", "55", "resting-heart-rate sleep");
        check("heartRate.resting", "55", "resting-heart-rate");
        check("heartrate_variability", "48", "heart-rate-variability");
        check("rmssd", "48.5", "heart-rate-variability");
        check("heart_rate_unit", "bpm", "");
        check("hr_department", "sales", "");
        check("hr", "61 bpm", "heart-rate");
        check("hr", "61,62,64", "heart-rate");
        check("glucose", "5.4", "vitals");
        check("body_temperature", "36.7", "vitals");
        check("bodyTemp", "36.7", "vitals");
        // How much oxygen the body can take up: a vital sign, though a watch reckons it from the heart rate.
        check("vo2max", "44", "vitals");
        check("VO2Max", "44", "vitals");
        check("pregnant", "true", "menstrual-cycle");
        check("cycle_length", "28", "menstrual-cycle");
        check("billing_cycle_length", "30", "");
        check("cycle_length", "86400", "");
        check("lmp", "2026-03-14", "menstrual-cycle");
        check("lmp", "3", "");
        check("menstruation_start", "2026-03-14", "menstrual-cycle");
        check("SpO2", "97", "blood-oxygen");
        check("stress_level", "31", "stress");
        check("stress_test", "31", "");
        check("skinTemperature", "33.1", "skin-temperature");
        check("blood_pressure.systolic", "120", "vitals");
        check("ovulationDay", "14", "menstrual-cycle");
        check("summary.slp.st", "1773442800", "sleep");
        check("sleep.deep", "93", "sleep-stages");
        check("sleep.state", "deep", "sleep");
        check("deep", "93", "");
        check("summary.stp.ttl", "900", "steps");
        check("summary.stp.cal", "41", "calories");
        check("summary.stp.stage[].dis", "700", "distance");
        check("onboarding_step", "3", "");
        check("next_step", "3", "");
        check("wizard.step", "3", "");
        check("step", "payment", "");
        check("step_series", "10,20,31", "steps");
        check("thread.sleep", "250", "");
        check("sleep_ms", "250", "");
        check("sleep.duration_ms", "25200000", "sleep");
        check("distance", "12", "");
        check("walkingDistance", "1200", "distance");
        check("workoutType", "running", "workout");
        check("cal", "41", "");
    }

    #[test]
    fn names_of_a_person() {
        check("birthday", "1984-03-07", "birth-date");
        check("user.yob", "1984", "birth-date");
        check("height", "171", "height");
        check("user.height_cm", "171", "height");
        check("weight", "63.4", "weight");
        check("weight", "0", "");
        check("experiments[].weight", "0.5", "");
        check("screen_height", "1920", "");
        check("screen.size.height", "1920", "");
        check("documentHeight", "1920", "");
        check("font.weight", "400", "");
        check("view.height", "171", "");
        check("content.weight", "63.4", "weight");
        check("user.name", "Quillon", "person-name");
        check("app.name", "Quillon", "");
        check("gender", "female", "sex");
        check("gender_enabled", "1", "");
    }

    #[test]
    fn names_and_looks_of_identifiers() {
        check("last_deviceid", "C0FFEEFFFE123456", "identifier");
        check("device.id", "0b7d0c1b2a3c4d5e", "identifier");
        check("device.id", "8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c", "identifier");
        check("advertising_id", "8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c", "advertising-id");
        check("advertising_id", "00000000-0000-0000-0000-000000000000", "");
        check("ad_id", "12", "");
        check("android_id", "0b7d0c1b2a3c4d5e", "phone-id");
        check("push_token", "q7RtYu1oPaSdFgHjKlZxCvBnM", "installation-id");
        check("token", "q7RtYu1oPaSdFgHjKlZxCvBnM", "access-token");
        check("token", "none", "");
        check("authorization", "Bearer q7RtYu1oPaSdFgHjKlZxCvBnM", "access-token");
        check("userid", "1000000001", "account-id");
        check("band.mac", "c0:ff:ee:12:34:56", "band-mac");
        check("x", "c0:ff:ee:12:34:56", "identifier");
        check("watch.serial_number", "INV3NT3D0001", "band-serial");
        check("auth_key", "0b7d0c1b2a3c4d5e0b7d0c1b2a3c4d5e", "pairing-key");
        check("events[].session", "8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c", "session-id");
        check("session_id", "1234567890123456789", "session-id");
        check("session", "12345", "");
        check("session", "morning workout", "");
        check("app.id", "com.example.app", "");
        check("sn", "3", "");
        check("serialNo", "INV3NT3D0001", "identifier");
        check("wifi_mac", "c0:ff:ee:12:34:56", "phone-id");
        check("wifi_mac", "02:00:00:00:00:00", "");
        check("sn", "563412eeffc0", "identifier");
        check("q", "someone@example.test", "email-address");
        check("email", "someone@example.test", "email-address");
        check("email", "not given", "");
        check("local_ip", "192.168.1.7", "ip-address");
        check("ip", "fast", "");
        check("x", "192.168.1.7", "ip-address");
        check("x", "2001:db8::1:2", "ip-address");
        check("x", "14.7.1.2", "");
        check("browser", "131.0.0.0", "");
        check("driver_version", "31.0.101.4", "");
        check("x", "127.0.0.1", "");
        check("phone", "+31600000000", "phone-number");
        check("android_phone_model", "PHONE-1", "device-model");
        check("phone", "PHONE-1", "");
        check("x", "+31600000000", "phone-number");
        check("x", "+1200", "");
    }

    #[test]
    fn names_of_the_machine_and_of_what_is_on_it() {
        check("os_version", "14", "os-version");
        check("device.os", "Android 14", "os-version");
        check("device.model", "PHONE-1", "device-model");
        check("model", "linear", "");
        check("lang", "en_US", "locale");
        check("accept-language", "en-US,en;q=0.9", "locale");
        check("language", "Kotlin", "");
        check("timezone", "Europe/Amsterdam", "time-zone");
        check("bind_timezone", "4", "time-zone");
        check("mccmnc", "20408", "network-operator");
        check("battery_level", "81", "device");
        check("band.battery", "81", "band-battery");
        check("firmwareVersion", "1.3.0.86", "device");
        check("band.firmware", "1.3.0.86", "band-firmware");
        check("device", "android_31", "");
        check("installed_apps[]", "com.example.app", "installed-apps");
        check("installed_packages[]", "com.example.app", "installed-apps");
        check("packages[]", "com.example.app", "installed-apps");
        check("packages[].packageName", "com.example.app", "installed-apps");
        check("package", "com.example.app", "");
        check("contacts[]", "Quillon", "contacts");
        check("contacts", "31", "");
        check("stackTrace", "at com.example.app.Main", "crash-report");
        check("message", "hello", "");
        check("sms_permission", "granted", "");
    }

    #[test]
    fn names_in_other_languages() {
        check("Ruhepuls", "55", "resting-heart-rate");
        check("koerpergroesse", "171", "height");
        check("körpergröße", "171", "height");
        check("korpergrosse", "171", "height");
        check("größe", "171", "height");
        check("groesse", "1.71", "height");
        check("größe", "40960", "");
        check("größe", "XL", "");
        check("taille", "171", "height");
        check("taille", "12", "");
        check("Gewicht", "63.4", "weight");
        check("fréquence_cardiaque", "61", "heart-rate");
        check("frecuenciaCardiaca", "61", "heart-rate");
        check("sommeil.debut", "1773442800", "sleep");
        check("fecha_nacimiento", "1984-03-07", "birth-date");
        check("passos", "900", "steps");
        check("peso", "63.4", "weight");
        check("peso", "1999.99", "");
        check("cumpleaños", "1984-03-07", "birth-date");
        check("codice_postale", "00184", "postal-address");
        check("tętno", "61", "heart-rate");
        check("szerokosc_geograficzna", "52.374", "precise-location");
        check("пульс", "61", "heart-rate");
        check("心率", "61", "heart-rate");
        check("静息心率", "55", "resting-heart-rate");
        check("平均心率值", "61", "heart-rate");
        check("xinlv", "61", "heart-rate");
        check("歩数", "900", "steps");
        check("生年月日", "1984-03-07", "birth-date");
        check("纬度", "52.374", "precise-location");
        check("手机号", "+31600000000", "phone-number");
        // As a path spells it.
        check("\"\\u5fc3\\u7387\"", "61", "heart-rate");
        check("data.\"Gr\\u00f6\\u00dfe\"", "171", "height");
    }

    #[test]
    fn a_vendors_claim_counts_only_where_the_value_could_be_that() {
        let check = |host: &str, path: &str, (part, leaf): (Part, &str), value: Value<'_>, want: &str| {
            let facts = claimed_facts(&App::default(), path, &adapter::claims(host, "POST", path), part, leaf);
            assert!(!facts.claims.is_empty(), "{leaf} of {host} is claimed");
            let kind = kind::kind_of(&value, &facts);
            let mut found = Vec::new();
            categories(&facts, &kind, &value, &mut found);
            let found: BTreeSet<Category> = found.iter().map(|(category, _)| *category).collect();
            let words: Vec<&str> = found.iter().map(|category| category.word()).collect();
            assert_eq!(words.join(" "), want, "{leaf}={value:?} ({kind})");
        };
        let zeros = Value::Text("00000000-0000-0000-0000-000000000000");
        let uuid = Value::Text("8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c");
        let branch = |leaf: &str, value: Value<'_>, want: &str| check("api2.branch.io", "/v1/open", (Part::Json, leaf), value, want);
        branch("google_advertising_id", zeros, "");
        branch("google_advertising_id", uuid, "advertising-id");
        branch("idfa", Value::Text("bnc_no_value"), "");
        branch("local_ip", Value::Text("unknown"), "");
        branch("local_ip", Value::Text("10.0.2.15"), "ip-address");
        branch("identity", Value::Text("-"), "");
        branch("identity", Value::Text("someone"), "account-id");
        branch("identity", Value::Number("1234"), "account-id");
        branch("identity", Value::Boolean(false), "");
        branch("device_carrier", Value::Text("N/A"), "");
        let facebook =
            |leaf: &str, value, want: &str| check("graph.facebook.com", "/v14.0/{id}/activities", (Part::Form, leaf), value, want);
        facebook("advertiser_id", zeros, "");
        facebook("advertiser_id", uuid, "advertising-id");
        // SHA-256.
        let digest = "0b7d0c1b2a3c4d5e0b7d0c1b2a3c4d5e0b7d0c1b2a3c4d5e0b7d0c1b2a3c4d5e";
        facebook("custom_events[].ud.ph", Value::Text(digest), "phone-number");
        let huami = |part, leaf: &str, value: &str, want: &str| {
            check("api-mifit.huami.com", "/v1/data/band_data.json", (part, leaf), Value::Text(value), want);
        };
        huami(Part::Form, "userid", "-1", "");
        huami(Part::Form, "userid", "0", "");
        huami(Part::Form, "userid", "1000000001", "account-id");
        huami(Part::Form, "data_json[].summary.sn", "unknown", "");
        huami(Part::Form, "data_json[].summary.sn", "INV3NT3D0001", "band-serial");
        huami(Part::Query, "r", "1", "");
        huami(Part::Query, "r", "8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c", "identifier");
        huami(Part::Form, "timezone", "Europe/Amsterdam", "time-zone");
        // What is measured may be nothing, and a day without a step is a day.
        huami(Part::Form, "data_json[].summary.stp.ttl", "0", "steps");
        huami(Part::Form, "data_json[].summary.stp.ttl", "null", "");
    }

    #[test]
    fn a_cookie_is_no_wifi_network() {
        let said = |part| name_facts(&App::default(), "/", part, "SSID").said;
        assert_eq!((said(Part::Cookie), said(Part::Query)), (vec![], vec![(Category::WifiNetwork, "ssid")]));
    }

    #[test]
    fn a_reason_names_the_word_and_a_group_is_silent_beside_its_member() {
        let facts = name_facts(&App::default(), "/", Part::Json, "heart_rate.resting");
        let mut found = Vec::new();
        categories(&facts, &FieldType::Integer, &Value::Number("55"), &mut found);
        assert_eq!(found, [(Category::RestingHeartRate, Reason::Name { word: "resting".into() })]);
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
