//! A rig with a stand-in phone as a person would have it: a folder with a rig file, the app's packages and scenarios, and the servers that
//! the app talks to.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::support::{
    Ended, Place, finish,
    phone_lab::{APP, LabCloud, Options, Phone, eventually},
};

/// A phone, the servers its app talks to, and a folder with a rig file and scenarios.
pub(crate) struct Lab {
    pub(crate) phone: Phone,
    pub(crate) cloud: LabCloud,
    pub(crate) place: Place,
}

impl Lab {
    pub(crate) fn boot(options: &Options, ca: &str) -> Option<Self> {
        let mut phone = Phone::boot(options)?;
        // The app syncs by itself more often than each half hour.
        phone.property("debug.standin.sync_every_s", "4");
        let cloud = LabCloud::start();
        let place = Place::empty();
        place.write("cloud.pem", cloud.authority_pem());
        for version in ["sim-1.0", "sim-1.1"] {
            place.write(&format!("packages/{version}.apk"), std::fs::read(phone.apk(version)).expect("the lab made it"));
        }
        let app = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/mifit/app.yaml");
        place.write("scenarios/mifit/app.yaml", std::fs::read(app).expect("it is shipped"));
        place.write("scenarios/mifit/passive-sync.yaml", PASSIVE_SYNC);
        place.write("scenarios/mifit/workout.yaml", WORKOUT);
        let lab = Self { phone, cloud, place };
        lab.write_rig(ca);
        Some(lab)
    }

    pub(crate) fn write_rig(&self, ca: &str) {
        let (serial, port, cloud) = (self.phone.serial(), self.phone.server_port(), self.cloud.address());
        let rig = format!(
            "consent: {{ owner: Nobody, date: 2026-03-14 }}\n\
             phone: {{ kind: android, serial: \"{serial}\", ca: {ca}, package: {APP}, packages: packages, adb: {{ port: {port} }} }}\n\
             lab: {{ cloud: \"{cloud}\", authority: cloud.pem, control: 2s }}\n"
        );
        let path = self.place.write("rig.yaml", rig);
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
    }

    /// Replaces words of the rig file.
    #[track_caller]
    pub(crate) fn rewrite_rig(&self, words: &str, by: &str) {
        let text = std::fs::read_to_string(self.place.path().join("rig.yaml")).expect("it was written");
        assert!(text.contains(words), "{words}: {text}");
        let path = self.place.write("rig.yaml", text.replace(words, by));
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
    }

    pub(crate) fn command(&self, line: &[&str]) -> Command {
        let mut command = self.place.command(line);
        command.envs(self.phone.adb_env());
        command
    }

    pub(crate) fn tattletale(&self, line: &[&str]) -> Ended {
        finish(self.command(line))
    }

    /// The same, with what it printed as JSON.
    pub(crate) fn json(&self, line: &[&str]) -> (Ended, Value) {
        let ended = self.tattletale(line);
        let json = serde_json::from_str(&ended.out).unwrap_or_else(|problem| panic!("{problem}: {ended:?}"));
        (ended, json)
    }

    /// What a run may change on the phone, but for the app itself.
    pub(crate) fn changeable(&self) -> Value {
        changeable(&self.phone)
    }

    /// The certificates of both stores, as the shell sees them.
    pub(crate) fn certificates(&self) -> String {
        self.phone.says("ls /apex/com.android.conscrypt/cacerts /system/etc/security/cacerts")
    }

    /// Puts the app on the phone as its owner has it, so that a run changes nothing that stays.
    pub(crate) fn install(&self, version: &str) {
        let ended = self.phone.adb(&["install", "-r", &self.phone.apk(version).to_string_lossy()]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }

    /// Waits until a run has begun to drive the phone.
    pub(crate) fn wait_until_routed(&self, proxy_before: Option<&str>) {
        eventually("the phone is routed", || self.phone.setting("global", "http_proxy").as_deref() != proxy_before);
    }
}

/// What a run may change on a phone, but for the app itself: what the phone remembers, the tunnels from it, what lies in the shell's
/// folder, and which certificates each mount namespace sees, by which mounts. All but the tunnels is read without adb.
pub(crate) fn changeable(phone: &Phone) -> Value {
    let mut state = phone.state();
    // An app of which nothing is said any more is as good as one of which nothing was ever said.
    if let Some(operations) = state["app_ops"].as_object_mut() {
        operations.retain(|_, modes| modes.as_object().is_some_and(|modes| !modes.is_empty()));
    }
    let app = &state["packages"][APP];
    let folder = names(&phone.folder().join("run/data/local/tmp"));
    let tunnels = phone.adb(&["reverse", "--list"]).out.trim().to_owned();
    json!([state["settings"], state["app_ops"], state["providers"], app["permissions"], app["flags"], folder, tunnels, stores(phone)])
}

/// What the phone's processes see of the stores of certificates: each way in which they are seen once.
pub(crate) fn stores(phone: &Phone) -> BTreeSet<String> {
    let mut namespaces = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for process in descendants(phone.process()) {
        let of = PathBuf::from(format!("/proc/{process}"));
        let (Ok(namespace), Ok(mounts)) = (fs::read_link(of.join("ns/mnt")), fs::read_to_string(of.join("mounts"))) else { continue };
        // The one that started the phone is outside of it.
        if process == phone.process() || !of.join("root/system/bin/stand-in").exists() || !namespaces.insert(namespace) {
            continue;
        }
        let store = |path: &str| names(&of.join("root").join(path)).join(" ");
        let ours = |line: &&str| line.contains("cacerts") || line.contains("tattletale");
        let mounts: Vec<&str> = mounts.lines().filter(ours).collect();
        let (old, module) = (store("system/etc/security/cacerts"), store("apex/com.android.conscrypt/cacerts"));
        // One that ended meanwhile sees nothing.
        if of.join("root/system/bin/stand-in").exists() {
            seen.insert(format!("{old} / {module} / {mounts:?}"));
        }
    }
    seen
}

/// The names in a folder; none when it is not there.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Every process below this one.
pub(crate) fn descendants(process: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let children: Vec<u32> = children.split_whitespace().filter_map(|child| child.parse().ok()).collect();
    children.iter().copied().chain(children.iter().flat_map(|child| descendants(*child))).collect()
}

/// The shipped scenario of this name with shorter waits, and without a band.
pub(crate) const PASSIVE_SYNC: &str = "\
name: passive-sync
app: mifit
about: Sync while standing still, then leave the app in the background.
runs: 3
plant:
  location: { lat: 52.37403, lon: 4.88969 }
steps:
  - launchApp: { clearState: false, permissions: { location: allow } }
  - waitForQuiet: { idle: 1s, max: 1m }
  - phase: { name: sync }
  - pullToRefresh
  - waitForUpload: { host: \"api-mifit*.huami.com\", path: /v1/data/band_data.json, within: 60s }
  - waitForQuiet: { idle: 1s, max: 1m }
  - setLocation: { lat: 52.15917, lon: 4.49306 }
  - phase: { name: background }
  - pressKey: home
  - wait: { for: 6s }
  - waitForQuiet: { idle: 1s, max: 1m }
expect:
  - never: location
";

/// The same of the other one.
const WORKOUT: &str = "\
name: workout
app: mifit
about: Sync, record a walk with its track, then leave the app in the background far away from it.
runs: 1
plant:
  location: { lat: 52.37403, lon: 4.88969 }
steps:
  - launchApp: { clearState: false, permissions: { location: allow } }
  - waitForQuiet: { idle: 1s, max: 1m }
  - setLocation: { lat: 52.09073, lon: 5.12142 }
  - phase: { name: workout, explains: [location] }
  - tapOn: \"Workout\"
  - travel:
      every: 1s
      track:
        - [52.09073, 5.12142]
        - [52.09091, 5.12163]
        - [52.09108, 5.12187]
        - [52.09121, 5.12214]
  - tapOn: \"Stop\"
  - waitForQuiet: { idle: 1s, max: 1m }
  - phase: { name: background }
  - setLocation: { lat: 51.92250, lon: 4.47917 }
  - pressKey: home
  - wait: { for: 6s }
  - waitForQuiet: { idle: 1s, max: 1m }
expect:
  - never: location
";
