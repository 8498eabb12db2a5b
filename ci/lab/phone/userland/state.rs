//! The phone's state: one JSON file, changed by one process at a time and replaced whole, so that a reader never sees half of it. The
//! app gets its own, smaller view beside it. Who changes what is left to the programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Everything that the phone remembers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct State {
    /// What `getprop` tells.
    pub(crate) properties: BTreeMap<String, String>,
    /// What `settings` tells: by namespace (`global`, `secure`, `system`), then by name.
    pub(crate) settings: BTreeMap<String, BTreeMap<String, String>>,
    /// Installed packages by name.
    pub(crate) packages: BTreeMap<String, Package>,
    /// Processes of packages: in the phone's own numbers.
    pub(crate) running: BTreeMap<String, u32>,
    /// Whose activity is in front; nobody's is the launcher.
    pub(crate) front: Option<String>,
    /// Whether the app's workout is on, which decides what its button says.
    pub(crate) workout: bool,
    /// What was typed into the app's one field.
    pub(crate) typed: String,
    /// What `appops` was told: by package, then by operation.
    pub(crate) app_ops: BTreeMap<String, BTreeMap<String, String>>,
    /// Test providers of positions.
    pub(crate) providers: BTreeMap<String, Provider>,
    /// The position that the phone's own receiver has, where no test provider stands in for it: latitude, longitude.
    pub(crate) receiver: Option<(f64, f64)>,
    /// The screen is on.
    pub(crate) screen_on: bool,
    /// The screen is locked.
    pub(crate) locked: bool,
    /// How `su` is spoken to, if there is one.
    pub(crate) root: Root,
    /// How far the phone's clock is off, seconds.
    pub(crate) clock_offset_s: i64,
    /// What goes wrong.
    pub(crate) faults: BTreeSet<Fault>,
    /// Installations that were begun, by session.
    pub(crate) sessions: BTreeMap<u32, Session>,
    /// How often something was installed: numbers are never used twice.
    pub(crate) installs: u32,
}

/// An installed package.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Package {
    pub(crate) version_name: String,
    pub(crate) version_code: u64,
    pub(crate) min_sdk: u32,
    pub(crate) target_sdk: u32,
    /// The activity that a launcher starts, in full.
    pub(crate) activity: Option<String>,
    pub(crate) uid: u32,
    /// Where its APKs lie, the base first.
    pub(crate) files: Vec<PathBuf>,
    /// Every permission that it requests, and whether it has it.
    pub(crate) permissions: BTreeMap<String, bool>,
    /// What is noted of its permissions: `USER_SET`, `USER_FIXED`, `ONE_TIME`.
    pub(crate) flags: BTreeMap<String, BTreeSet<String>>,
    /// SHA-256 of the certificate of who signed it.
    pub(crate) signer: String,
    /// Whether it trusts the user's certificates: since Android 7 only when it says so itself.
    pub(crate) trusts_user: bool,
    /// Part of the phone: cannot be uninstalled.
    pub(crate) system: bool,
    /// Seconds of the phone's clock.
    pub(crate) installed_at: i64,
}

/// A test provider of positions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Provider {
    pub(crate) enabled: bool,
    /// Latitude, longitude.
    pub(crate) position: Option<(f64, f64)>,
}

/// An installation that was begun.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Session {
    pub(crate) flags: Vec<String>,
    pub(crate) files: Vec<PathBuf>,
}

/// How a phone lets somebody be root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Root {
    /// Not at all.
    None,
    /// As Magisk does: `su -c COMMAND`.
    #[default]
    Magisk,
    /// As emulators and builds for developers do: `su root COMMAND`.
    Aosp,
}

/// What can go wrong on the phone or on its cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// Screens that rest only when all animations are off.
    Animated,
    /// The app sends past the proxy, too.
    Bypass,
    /// Events may not be injected, and permissions not granted: Xiaomi's second switch.
    InputRefused,
    /// Nothing may be installed over USB: Xiaomi's first switch.
    InstallRefused,
    /// File systems in memory take no file.
    MemoryFull,
    /// Nobody may mock positions, whatever `appops` was told.
    MockLocationRefused,
    /// No screen ever rests.
    NeverIdle,
    /// `cmd location` knows no test providers, as before Android 12.
    NoTestProviders,
    /// The cable says nothing.
    Offline,
    /// This computer's key was not accepted on the phone.
    Unauthorized,
}

/// The folder that holds the state: the phone's `/data/standin`.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// Seen from inside the phone.
    pub(crate) fn inside() -> Self {
        Self(PathBuf::from("/data/standin"))
    }

    /// Seen from outside: the phone's data lie in a run's folder.
    pub(crate) fn of_run(run: &Path) -> Self {
        Self(run.join("data/standin"))
    }

    /// A file of it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The state as it is now.
    pub(crate) fn read(&self) -> io::Result<State> {
        serde_json::from_slice(&fs::read(self.file("state.json"))?).map_err(io::Error::other)
    }

    /// Changes the state; nobody else does meanwhile.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> io::Result<T> {
        let lock = fs::File::create(self.file("lock"))?;
        lock.lock()?;
        let mut state = self.read()?;
        let result = change(&mut state);
        self.write(&state)?;
        Ok(result)
    }

    /// Makes this the state.
    pub(crate) fn write(&self, state: &State) -> io::Result<()> {
        let replace = |name: &str, content: &[u8]| {
            let new = self.file(&format!("{name}.new"));
            fs::write(&new, content).and_then(|()| fs::rename(&new, self.file(name)))
        };
        replace("view.properties", state.view().as_bytes())?;
        replace("state.json", &serde_json::to_vec_pretty(state).map_err(io::Error::other)?)
    }

    /// Writes down that a program was run, an array of its name and arguments a line.
    pub(crate) fn remember(&self, name: &str, arguments: &[String]) {
        use std::io::Write;
        let words: Vec<&str> = std::iter::once(name).chain(arguments.iter().map(String::as_str)).collect();
        let line = serde_json::json!(words).to_string();
        let commands = fs::File::options().append(true).create(true).open(self.file("commands"));
        // A phone whose notes are full works on.
        let _ = commands.and_then(|mut commands| commands.write_all(format!("{line}\n").as_bytes()));
    }

    /// Adds a line to what `logcat` tells.
    pub(crate) fn log(&self, tag: &str, line: &str) {
        use std::io::Write;
        let stamp = jiff::Timestamp::now();
        let process = std::process::id();
        let entry = format!("{}.{:03} {process} I {tag}: {line}\n", stamp.as_second(), stamp.subsec_millisecond());
        let log = fs::File::options().append(true).create(true).open(self.file("logcat"));
        // A phone whose log is full works on.
        let _ = log.and_then(|mut log| log.write_all(entry.as_bytes()));
    }
}

impl State {
    /// A property, empty when it is not set.
    pub(crate) fn property(&self, name: &str) -> &str {
        self.properties.get(name).map_or("", String::as_str)
    }

    /// Android's API level.
    pub(crate) fn sdk(&self) -> u32 {
        self.property("ro.build.version.sdk").parse().unwrap_or_default()
    }

    /// A setting.
    pub(crate) fn setting(&self, namespace: &str, name: &str) -> Option<&str> {
        self.settings.get(namespace)?.get(name).map(String::as_str)
    }

    /// Sets a setting. A proxy is taken at once, as [`State::take_proxy`] does.
    pub(crate) fn set(&mut self, namespace: &str, name: &str, value: &str) {
        self.put(namespace, name, value);
        if (namespace, name) == ("global", "http_proxy") {
            self.take_proxy();
        }
    }

    /// Sets a setting, and nobody has looked at it yet.
    pub(crate) fn put(&mut self, namespace: &str, name: &str, value: &str) {
        self.settings.entry(namespace.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
    }

    /// What ConnectivityService does when `http_proxy` changes: writes four settings of its own. Nothing for one that was deleted.
    pub(crate) fn take_proxy(&mut self) {
        let proxy = self.setting("global", "http_proxy").unwrap_or_default().to_owned();
        let mut parts = proxy.split(':');
        let host = parts.next().unwrap_or_default();
        let port = parts.next().map_or(Some(8080), |port| port.parse::<u16>().ok());
        let (host, port) = match (host, port) {
            _ if proxy.is_empty() => return,
            (_, None) => return,
            ("", _) => ("", 0),
            (_, Some(0)) => return,
            (host, Some(port)) => (host, port),
        };
        let names = ["global_http_proxy_host", "global_http_proxy_port", "global_http_proxy_exclusion_list", "global_proxy_pac_url"];
        for (name, value) in names.into_iter().zip([host, &port.to_string(), "", ""]) {
            self.put("global", name, value);
        }
    }

    /// Deletes a setting. False when there is none.
    pub(crate) fn delete(&mut self, namespace: &str, name: &str) -> bool {
        self.settings.get_mut(namespace).is_some_and(|settings| settings.remove(name).is_some())
    }

    /// Whether something goes wrong.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// Seconds since 1970 by the phone's clock.
    pub(crate) fn now(&self) -> i64 {
        jiff::Timestamp::now().as_second() + self.clock_offset_s
    }

    /// Whether positions may be had at all: `location_mode` is not off.
    pub(crate) fn locates(&self) -> bool {
        self.setting("secure", "location_mode").is_some_and(|mode| mode != "0")
    }

    /// Where the phone believes to be. What joins all sources (`fused`) is what apps ask: as long as nobody stands in for it, what the
    /// phone's own receiver has gets through, whatever stands in for `gps`.
    pub(crate) fn position(&self) -> Option<(f64, f64)> {
        let mocked = |name: &str| self.providers.get(name).filter(|provider| provider.enabled)?.position;
        let position = mocked("fused").or(self.receiver).or_else(|| mocked("gps")).or_else(|| mocked("network"));
        position.filter(|_| self.locates())
    }

    /// Where a package is told that the phone is: not at all without the permission, in the background only with a further one, and
    /// to about a kilometre with the coarse one alone.
    fn position_for(&self, name: &str, package: &Package) -> Option<(f64, f64)> {
        let has = |permission: &str| package.permissions.get(&format!("android.permission.{permission}")) == Some(&true);
        let seen = self.front.as_deref() == Some(name) && !self.locked;
        if !seen && package.target_sdk >= 29 && self.sdk() >= 29 && !has("ACCESS_BACKGROUND_LOCATION") {
            return None;
        }
        let (lat, lon) = self.position()?;
        let coarse = |degrees: f64| (degrees * 100.0).round() / 100.0;
        match (has("ACCESS_FINE_LOCATION"), has("ACCESS_COARSE_LOCATION")) {
            (true, _) => Some((lat, lon)),
            (false, true) => Some((coarse(lat), coarse(lon))),
            (false, false) => None,
        }
    }

    /// What apps see, as Java's properties.
    fn view(&self) -> String {
        let mut view = String::new();
        let mut put = |key: &str, value: &str| view.push_str(&format!("{key}={}\n", value.replace('\\', "\\\\").replace('\n', " ")));
        put("sdk", self.property("ro.build.version.sdk"));
        put("proxy", self.setting("global", "http_proxy").unwrap_or_default());
        put("airplane", self.setting("global", "airplane_mode_on").unwrap_or("0"));
        put("clock_offset_s", &self.clock_offset_s.to_string());
        put("bypass", if self.has(Fault::Bypass) { "1" } else { "0" });
        for (name, value) in self.properties.iter().filter_map(|(name, value)| Some((name.strip_prefix("debug.standin.")?, value))) {
            put(name, value);
        }
        for (name, package) in &self.packages {
            put(&format!("{name}.version"), &package.version_name);
            put(&format!("{name}.code"), &package.version_code.to_string());
            put(&format!("{name}.trusts_user"), if package.trusts_user { "1" } else { "0" });
            put(&format!("{name}.uid"), &package.uid.to_string());
            if let Some((lat, lon)) = self.position_for(name, package) {
                put(&format!("{name}.position"), &format!("{lat},{lon}"));
            }
        }
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_told_as_far_as_permissions_go() {
        let permission = |name: &str| (format!("android.permission.ACCESS_{name}_LOCATION"), true);
        let check = |permissions: &[&str], front: bool, want: Option<(f64, f64)>| {
            let package =
                Package { target_sdk: 33, permissions: permissions.iter().map(|name| permission(name)).collect(), ..Package::default() };
            let mut state = State { receiver: Some((52.374_03, 4.889_69)), ..State::default() };
            state.set("secure", "location_mode", "3");
            state.properties.insert("ro.build.version.sdk".to_owned(), "34".to_owned());
            state.front = front.then(|| "app".to_owned());
            assert_eq!(state.position_for("app", &package), want, "{permissions:?} {front}");
            state.set("secure", "location_mode", "0");
            assert_eq!(state.position_for("app", &package), None);
        };
        check(&[], true, None);
        check(&["FINE"], true, Some((52.374_03, 4.889_69)));
        check(&["FINE"], false, None);
        check(&["COARSE"], true, Some((52.37, 4.89)));
        check(&["FINE", "BACKGROUND"], false, Some((52.374_03, 4.889_69)));
    }

    #[test]
    fn the_phones_own_receiver_gets_through_unless_all_is_mocked() {
        let mut state = State::default();
        state.set("secure", "location_mode", "3");
        let provider = |lat| Provider { enabled: true, position: Some((lat, 0.0)) };
        state.providers.insert("gps".to_owned(), provider(1.0));
        assert_eq!(state.position(), Some((1.0, 0.0)), "nothing else is there");
        state.receiver = Some((9.0, 0.0));
        assert_eq!(state.position(), Some((9.0, 0.0)), "the real one gets through");
        state.providers.insert("fused".to_owned(), provider(2.0));
        assert_eq!(state.position(), Some((2.0, 0.0)));
    }
}
