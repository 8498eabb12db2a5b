//! What the stand-in app sends, call by call: pure functions from what the app knows to a request. When it sends what is `app`'s.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Profile,
    client::{Lane, Request},
    noise::Noise,
    uploads,
    versions::StandInVersion,
    vocabulary::Vocabulary,
};
use crate::{
    band::DeviceInfo,
    model::{Position, text::hex},
};

/// Hosts of the stand-in app. All end in `.test` (R17).
const DATA_HOST: &str = "api-mifit-de.huami.test";
const ACCOUNT_HOST: &str = "account.huami.test";
const USER_HOST: &str = "api-user.huami.test";
const ANALYTICS_HOST: &str = "api-analytics.huami.test";
const IMAGE_HOST: &str = "img-cdn.huami.test";
const TRACKER_HOST: &str = "tracker.test";

/// The stand-in's own ids: of no real app, and of nobody.
const PACKAGE: &str = "test.standin.health";
const APP_ID: &str = "100000000000000042";
const USER_ID: &str = "1000000001";
const PHONE_MODEL: &str = "Simulated One";

/// The key that encrypts uploads in a version that does so; built into the app, as such keys are.
const UPLOAD_KEY: [u8; 16] = *b"stand-in app key";

/// What one installation of the app knows, and forgets with its data.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    /// Id of the installation: the `r` of every query.
    pub(super) installation: String,
    /// Id that the app made up for the phone.
    pub(super) phone_id: String,
    /// What the login gave.
    pub(super) app_token: Option<String>,
    /// Until when the cloud has the band's data.
    pub(super) synced_until: Option<Timestamp>,
}

/// A call of the launch that some launches make and some do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Optional {
    Badge,
    Experiments,
    MessageCentre,
    NewsBanner,
    NewVersion,
}

impl Optional {
    pub(super) const ALL: [Self; 5] = [Self::Badge, Self::Experiments, Self::MessageCentre, Self::NewsBanner, Self::NewVersion];
}

/// What every call is made from.
pub(super) struct Caller<'a> {
    pub(super) version: &'static StandInVersion,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) stored: &'a Stored,
    pub(super) now: Timestamp,
}

type Pairs = Vec<(String, String)>;

impl Caller<'_> {
    /// Asks for an access token with the account's password.
    pub(super) fn registration(&self, noise: &mut Noise) -> Request {
        let form = self.pairs(&[
            ("client_id", "StandIn"),
            ("password", "correct horse battery staple"),
            ("redirect_uri", "https://api-user.huami.test/successsignin.html"),
            ("token", "access"),
            ("state", "REDIRECTION"),
            ("country_code", "DE"),
            ("region", "eu-central-1"),
        ]);
        self.post_form(USER_HOST, "/registrations/nobody%40mail.test/tokens", form, Lane::Http2, noise)
    }

    /// Trades the access token for the app's.
    pub(super) fn login(&self, access: &str, noise: &mut Noise) -> Request {
        let version = self.version.name;
        let source = format!("{PACKAGE}:{version}:{}", self.version.code);
        let form = self.pairs(&[
            ("app_name", PACKAGE),
            ("app_version", version),
            ("code", access),
            ("country_code", "DE"),
            ("device_id", &self.stored.phone_id),
            ("device_id_type", "uuid"),
            ("device_model", "android_phone"),
            ("grant_type", "access_token"),
            ("third_name", "huami"),
            ("lang", "en"),
            ("os_version", "1.5.0"),
            ("source", &source),
            ("allow_registration", "false"),
        ]);
        self.post_form(ACCOUNT_HOST, "/v2/client/login", form, Lane::Http2, noise)
    }

    /// Tells the cloud which band belongs to which account, and what phone this is.
    pub(super) fn bind(&self, band: &DeviceInfo, key: [u8; 16], noise: &mut Noise) -> Request {
        let address = band.address.unwrap_or_default();
        let [a, b, c, d, e, f] = address;
        let mac = format!("{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{f:02X}");
        let app_time = self.now.as_second().to_string();
        let mut form = self.pairs(&[
            ("deviceid", &hex(&address).to_uppercase()),
            ("mac", &mac),
            ("sn", band.serial.as_deref().unwrap_or_default()),
            ("auth_key", &hex(&key)),
            ("fw_version", band.firmware.as_deref().unwrap_or_default()),
            ("hardwareVersion", "V0.18.4.3"),
            ("productId", "19"),
            ("productVersion", "256"),
            ("device_source", "24"),
            ("bind_timezone", "4"),
            ("activeStatus", "1"),
            ("brand", "Simulated"),
            ("sys_model", PHONE_MODEL),
            ("sys_version", "12"),
            ("app_time", &app_time),
            ("enableMultiDevice", "1"),
        ]);
        form.extend(self.common());
        self.post_form(DATA_HOST, "/v1/device/binds.json", form, Lane::Http1, noise)
    }

    /// Asks for the profile.
    pub(super) fn profile(&self, noise: &mut Noise) -> Request {
        self.get(USER_HOST, "/users/-/profile", self.common(), Lane::Http2, noise)
    }

    /// Saves the profile.
    pub(super) fn save_profile(&self, profile: &Profile, noise: &mut Noise) -> Request {
        let body = json!({
            "nickName": profile.nickname,
            "birthday": profile.birth.to_string(),
            "height": profile.height_cm,
            "weight": profile.weight_kg,
        });
        self.post_json(USER_HOST, "/users/-/profile", body, Lane::Http2, noise)
    }

    /// Tells the analytics host that something happened.
    pub(super) fn event(&self, name: &str, noise: &mut Noise) -> Request {
        let body = json!({
            "device": { "model": PHONE_MODEL, "os": "android_31", "id": self.stored.phone_id },
            "events": [{ "name": name, "time": self.milliseconds(noise), "session": noise.uuid() }],
        });
        self.post_json(ANALYTICS_HOST, "/api/v5/app/collect", body, self.analytics_lane(), noise)
    }

    /// A call that only some launches make.
    pub(super) fn optional(&self, call: Optional, noise: &mut Noise) -> Request {
        match call {
            Optional::Badge => self.get(DATA_HOST, "/badge/summary", self.common(), Lane::Http1, noise),
            Optional::MessageCentre => self.get(USER_HOST, "/users/messageCenter", self.common(), Lane::Http2, noise),
            Optional::NewVersion => {
                let query = [self.common(), self.pairs(&[("firmwareVersion", "V2.3.0.2"), ("deviceSource", "24")])].concat();
                self.get(DATA_HOST, "/devices/ALL/hasNewVersion", query, Lane::Http1, noise)
            }
            Optional::NewsBanner => {
                let query = self.pairs(&[("slot", "home"), ("density", "2.75")]);
                self.get(IMAGE_HOST, "/banner/home.json", query, Lane::Http2, noise)
            }
            Optional::Experiments => {
                let flags: serde_json::Map<String, Value> = (0..2).map(|_| (noise.experiment(), Value::Bool(noise.percent(50)))).collect();
                self.post_json(ANALYTICS_HOST, "/api/v5/app/experiments", json!({ "flags": flags }), self.analytics_lane(), noise)
            }
        }
    }

    /// Uploads days of minute data.
    pub(super) fn band_data(&self, days: Vec<Value>, address: [u8; 6], noise: &mut Noise) -> Request {
        let data_json = uploads::escaped_json(&Value::Array(days));
        let device = uploads::device_id(address);
        let synced_until = self.stored.synced_until.map_or(0, Timestamp::as_second).to_string();
        let mut form = self.pairs(&[
            ("userid", USER_ID),
            ("last_sync_data_time", &synced_until),
            ("device_type", "0"),
            ("last_deviceid", &device),
            ("data_json", &data_json),
        ]);
        // The band's kind stands where the phone's does in other calls, and the account is already there.
        form.extend(
            self.common().into_iter().filter(|(key, _)| ["userid", "device_type"].iter().all(|own| self.vocabulary.key(own) != *key)),
        );
        let mut request = self.post_form(DATA_HOST, "/v1/data/band_data.json", form, Lane::Http1, noise);
        if self.version.encrypted_uploads {
            request.body = uploads::encrypted(&request.body, UPLOAD_KEY, noise.bytes());
            request.headers.retain(|(name, _)| name != "content-type");
            request.headers.push(("content-type".to_owned(), "application/octet-stream".to_owned()));
            request.headers.push((self.vocabulary.key("x-hm-ekv"), "1".to_owned()));
        }
        request
    }

    /// Uploads a workout with the track that the phone walked.
    pub(super) fn track(&self, began: Timestamp, positions: &[Position], noise: &mut Noise) -> Request {
        let metres: f64 = positions.windows(2).map(|pair| pair[0].distance_m(pair[1])).sum();
        let seconds = self.now.as_second() - began.as_second();
        let trackid = began.as_second().to_string();
        let summary = self.vocabulary.json(json!({
            "trackid": trackid,
            "dis": format!("{metres:.1}"),
            "run_time": seconds.to_string(),
            "end_time": self.now.as_second().to_string(),
            "type": 1,
        }));
        let mut form = self.pairs(&[("trackid", &trackid), ("source", "run.24.huami.test"), ("summary", &summary.to_string())]);
        if let Some(first) = positions.first() {
            form.extend(self.pairs(&[
                ("longitude_latitude", &uploads::track(positions)),
                ("start_latitude", &first.lat.to_string()),
                ("start_longitude", &first.lon.to_string()),
            ]));
        }
        form.extend(self.common());
        self.post_form(DATA_HOST, "/v1/sport/run/track.json", form, Lane::Http1, noise)
    }

    /// Asks for the weather where the phone is, to three decimals (about 100 m).
    pub(super) fn weather(&self, position: Position, noise: &mut Noise) -> Request {
        let place = format!("{:.3},{:.3},xiaomi_accu:{}", position.lat, position.lon, place_number(position));
        let query =
            self.pairs(&[("locationKey", &place), ("days", "10"), ("isGlobal", "true"), ("locale", "en_US"), ("deviceSource", "24")]);
        self.get(DATA_HOST, "/weather/v2/forecast", query, Lane::Http1, noise)
    }

    /// Says that the app is still there.
    pub(super) fn heartbeat(&self, noise: &mut Noise) -> Request {
        self.get(DATA_HOST, "/v1/user/heartbeat.json", self.common(), Lane::Http1, noise)
    }

    /// Tells a third party about the phone.
    pub(super) fn tracker(&self, noise: &mut Noise) -> Request {
        let body = json!({
            "app": PACKAGE, "advertising_id": self.stored.phone_id, "model": PHONE_MODEL, "os": "Android 12",
            "timezone": "Europe/Berlin", "language": "en_US", "sent_at": self.milliseconds(noise),
        });
        let body = self.vocabulary.json(body).to_string().into_bytes();
        Request {
            method: Method::POST,
            host: self.vocabulary.host(TRACKER_HOST),
            path: "/collect".to_owned(),
            query: Vec::new(),
            headers: vec![("user-agent".to_owned(), user_agent(self.version)), ("content-type".to_owned(), "application/json".to_owned())],
            body,
            lane: Lane::Http2,
        }
    }

    const fn analytics_lane(&self) -> Lane {
        if self.version.pinned_analytics { Lane::Pinned } else { Lane::Http2 }
    }

    fn post_form(&self, host: &str, path: &str, form: Pairs, lane: Lane, noise: &mut Noise) -> Request {
        let body = uploads::form(form.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let mut request = self.request(Method::POST, host, path, Vec::new(), lane, noise);
        request.headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded; charset=UTF-8".to_owned()));
        request.body = body.into_bytes();
        request
    }

    fn post_json(&self, host: &str, path: &str, body: Value, lane: Lane, noise: &mut Noise) -> Request {
        let mut request = self.request(Method::POST, host, path, Vec::new(), lane, noise);
        request.headers.push(("content-type".to_owned(), "application/json; charset=UTF-8".to_owned()));
        request.body = self.vocabulary.json(body).to_string().into_bytes();
        request
    }

    fn get(&self, host: &str, path: &str, query: Pairs, lane: Lane, noise: &mut Noise) -> Request {
        self.request(Method::GET, host, path, query, lane, noise)
    }

    /// A request with what every call of the app carries: `r` and `t` in the query, and its headers.
    fn request(&self, method: Method, host: &str, path: &str, more_query: Pairs, lane: Lane, noise: &mut Noise) -> Request {
        let mut query = self.pairs(&[("r", &self.stored.installation), ("t", &self.milliseconds(noise).to_string())]);
        query.extend(more_query);
        let mut headers = vec![
            ("user-agent".to_owned(), user_agent(self.version)),
            ("accept-language".to_owned(), "en-US".to_owned()),
            ("accept-encoding".to_owned(), "identity".to_owned()),
        ];
        headers.extend(self.pairs(&[
            ("appname", PACKAGE),
            ("appplatform", "android_phone"),
            ("hm-privacy-diagnostics", "false"),
            ("hm-privacy-ceip", "true"),
            ("x-request-id", &noise.uuid()),
            ("country", "DE"),
            ("channel", "Normal"),
            ("cv", &build(self.version)),
            ("v", "2.0"),
            ("lang", "en_US"),
            ("timezone", "Europe/Berlin"),
        ]));
        if let Some(token) = &self.stored.app_token {
            headers.push((self.vocabulary.key("apptoken"), token.clone()));
        }
        Request { method, host: self.vocabulary.host(host), path: path.to_owned(), query, headers, body: Vec::new(), lane }
    }

    /// Parameters of nearly every call.
    fn common(&self) -> Pairs {
        let callid = self.now.as_millisecond().to_string();
        self.pairs(&[
            ("userid", USER_ID),
            ("appid", APP_ID),
            ("callid", &callid),
            ("channel", "Normal"),
            ("country", "DE"),
            ("cv", &build(self.version)),
            ("device", "android_31"),
            ("device_type", "android_phone"),
            ("lang", "en_US"),
            ("timezone", "Europe/Berlin"),
            ("v", "2.0"),
        ])
    }

    fn pairs(&self, pairs: &[(&str, &str)]) -> Pairs {
        pairs.iter().map(|(key, value)| (self.vocabulary.key(key), (*value).to_owned())).collect()
    }

    /// Milliseconds as this phone's clock has them: it runs a little off the rig's.
    fn milliseconds(&self, noise: &Noise) -> i64 {
        self.now.as_millisecond() + noise.clock_error_ms()
    }
}

impl Stored {
    /// What a fresh installation knows.
    pub(super) fn fresh(noise: &mut Noise) -> Self {
        Self { installation: noise.uuid(), phone_id: noise.uuid(), app_token: None, synced_until: None }
    }
}

fn user_agent(version: &StandInVersion) -> String {
    format!("StandIn/{} ({PHONE_MODEL}; Android 12; Density/2.75)", version.name)
}

fn build(version: &StandInVersion) -> String {
    format!("{}_{}", version.code, version.name)
}

/// A made-up number of a made-up place, the same within a tenth of a degree.
fn place_number(position: Position) -> u32 {
    let cell = format!("{:.1}/{:.1}", position.lat, position.lon);
    STANDARD.encode(cell).bytes().fold(17u32, |number, byte| number.wrapping_mul(31).wrapping_add(u32::from(byte))) % 900_000 + 100_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::simulated::versions::version;

    fn text(request: &Request) -> String {
        format!("{request:?} {}", String::from_utf8_lossy(&request.body))
    }

    fn every_call(seed: u64, name: &str, vocabulary: &Vocabulary) -> Vec<Request> {
        let mut noise = Noise::new(seed, "test");
        let mut stored = Stored::fresh(&mut noise);
        stored.app_token = Some("Atoken".to_owned());
        let caller = Caller {
            version: version(name).expect("there is one"),
            vocabulary,
            stored: &stored,
            now: "2026-03-14T09:00:00Z".parse().expect("a time"),
        };
        let band = DeviceInfo {
            address: Some([0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56]),
            serial: Some("5b0c44d17e2a".into()),
            firmware: Some("V2.3.0.2".into()),
            ..DeviceInfo::default()
        };
        let position = Position { lat: 52.374_03, lon: 4.889_69 };
        let mut calls = vec![
            caller.registration(&mut noise),
            caller.login("access", &mut noise),
            caller.bind(&band, [0xa0; 16], &mut noise),
            caller.profile(&mut noise),
            caller.save_profile(&Profile::default(), &mut noise),
            caller.event("launch", &mut noise),
            caller.band_data(vec![json!({ "date": "2026-03-14" })], band.address.unwrap_or_default(), &mut noise),
            caller.track(caller.now, &[position], &mut noise),
            caller.weather(position, &mut noise),
            caller.heartbeat(&mut noise),
            caller.tracker(&mut noise),
        ];
        calls.extend(Optional::ALL.map(|call| caller.optional(call, &mut noise)));
        calls
    }

    #[test]
    fn the_same_seed_sends_the_same_bytes_and_another_does_not() {
        let own = Vocabulary::default();
        assert_eq!(every_call(1, "sim-1.2", &own), every_call(1, "sim-1.2", &own));
        for (a, b) in every_call(1, "sim-1.0", &own).iter().zip(every_call(2, "sim-1.0", &own)) {
            assert_ne!(text(a), text(&b), "ids and times are noise");
        }
    }

    #[test]
    fn every_host_ends_in_test_under_any_name() {
        for vocabulary in [Vocabulary::default(), Vocabulary::renamed(3)] {
            assert!(every_call(1, "sim-1.1", &vocabulary).iter().all(|request| request.host.ends_with(".test")));
        }
    }

    #[test]
    fn renamed_calls_keep_no_word_of_their_own() {
        for request in every_call(1, "sim-1.1", &Vocabulary::renamed(3)) {
            let text = text(&request);
            for word in ["data_json", "locationKey", "start_latitude", "apptoken", "huami.test\"", "tracker.test", "\"events\"", "auth_key"]
            {
                assert!(!text.contains(word), "{word} in {text}");
            }
        }
    }

    #[test]
    fn the_weather_is_asked_for_a_place_of_three_decimals() {
        let calls = every_call(1, "sim-1.1", &Vocabulary::default());
        let weather = calls.iter().find(|request| request.path == "/weather/v2/forecast").expect("there is one");
        let (_, place) = weather.query.iter().find(|(key, _)| key == "locationKey").expect("there is one");
        assert!(place.starts_with("52.374,4.890,xiaomi_accu:"), "{place}");
    }

    #[test]
    fn an_encrypted_upload_says_so_and_shows_nothing() {
        let calls = every_call(1, "sim-1.2", &Vocabulary::default());
        let upload = calls.iter().find(|request| request.path == "/v1/data/band_data.json").expect("there is one");
        assert!(upload.headers.contains(&("x-hm-ekv".to_owned(), "1".to_owned())));
        assert!(upload.headers.contains(&("content-type".to_owned(), "application/octet-stream".to_owned())));
        assert_eq!(upload.headers.iter().filter(|(name, _)| name == "content-type").count(), 1);
        assert!(!String::from_utf8_lossy(&upload.body).contains("data_json"));
        assert!(calls.iter().filter(|request| request.lane == Lane::Pinned).all(|request| request.host == ANALYTICS_HOST));
    }

    #[test]
    fn no_form_says_a_field_twice() {
        for request in every_call(1, "sim-1.0", &Vocabulary::default()) {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            let mut keys: Vec<String> = form_urlencoded::parse(body.as_bytes()).map(|(key, _)| key.into_owned()).collect();
            let all = keys.len();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), all, "{body}");
        }
    }
}
