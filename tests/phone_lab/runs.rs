//! Whole runs on the stand-in phone: the binary, the real adb, the real adbd, the app on OkHttp, the proxy in between. What is asked of
//! a real phone is asked here: the phone is left as it was found on every way out, and the next command says what it undid.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{
    Ended, Place, finish,
    phone_lab::{APP, Fault, LabCloud, Options, Phone, eventually},
};

/// A phone, the servers its app talks to, and a folder with a rig file and scenarios.
pub(crate) struct Lab {
    pub(crate) phone: Phone,
    cloud: LabCloud,
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

    /// What a run may change on the phone, but for the app itself, as the phone remembers it.
    pub(crate) fn changeable(&self) -> Value {
        let mut state = self.phone.state();
        if let Some(operations) = state["app_ops"].as_object_mut() {
            operations.retain(|_, modes| modes.as_object().is_some_and(|modes| !modes.is_empty()));
        }
        json!([state["settings"], state["app_ops"], state["providers"], state["packages"][APP]["permissions"]])
    }

    /// Puts the app on the phone as its owner has it, so that a run changes nothing that stays.
    pub(crate) fn install(&self, version: &str) {
        let ended = self.phone.adb(&["install", "-r", &self.phone.apk(version).to_string_lossy()]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }

    /// Whether a certificate that was not there from the beginning is in a store.
    pub(crate) fn certificates(&self) -> String {
        self.phone.says("ls /apex/com.android.conscrypt/cacerts /system/etc/security/cacerts")
    }

    /// Waits until a run has begun to drive the phone.
    pub(crate) fn wait_until_routed(&self, proxy_before: Option<&str>) {
        eventually("the phone is routed", || self.phone.setting("global", "http_proxy").as_deref() != proxy_before);
    }
}

/// Odd values, so that a restore of defaults would be seen.
fn odd() -> Options {
    let settings = vec![("global/http_proxy", "10.0.0.1:3128".to_owned()), ("global/animator_duration_scale", "0.5".to_owned())];
    Options { settings, ..Options::default() }
}

#[test]
fn an_update_that_sends_a_position_passively_is_found_and_the_phone_is_as_before() {
    let Some(lab) = Lab::boot(&odd(), "system") else { return };
    let (before, certificates) = (lab.changeable()[0].clone(), lab.certificates());
    let first = lab.tattletale(&["run", "passive-sync", "--rig", "rig.yaml", "--app-version", "sim-1.0"]);
    assert_eq!(first.code, Some(4), "there is no baseline yet: {first:?}");
    assert!(first.out.contains("test bench") && !first.out.contains("passive-location"), "{first:?}");
    assert_eq!((lab.changeable()[0].clone(), lab.certificates()), (before.clone(), certificates.clone()), "{first:?}");
    let accepted = lab.tattletale(&["review", "--accept"]);
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    let second = lab.tattletale(&["run", "passive-sync", "--rig", "rig.yaml", "--app-version", "sim-1.1"]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.out.contains("passive-location"), "{}", second.out);
    assert_eq!((lab.changeable()[0].clone(), lab.certificates()), (before, certificates));
    assert!(!lab.cloud.journal().is_empty());
    let left = lab.tattletale(&["restore"]);
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(left.err.contains("was not installed before") && left.err.contains("restore --app"), "{left:?}");
    let removed = lab.tattletale(&["restore", "--app"]);
    assert!(removed.code == Some(0) && lab.phone.state()["packages"][APP].is_null(), "{removed:?}");
}

#[test]
fn a_workout_explains_its_track() {
    let Some(lab) = Lab::boot(&odd(), "system") else { return };
    lab.install("sim-1.0");
    let before = lab.changeable();
    let ended = lab.tattletale(&["run", "workout", "--rig", "rig.yaml", "--runs", "1"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.out.contains("track.json") && !ended.out.contains("passive-location"), "{}", ended.out);
    assert_eq!(lab.changeable(), before);
}

#[test]
fn what_cannot_be_read_is_inconclusive_and_says_why() {
    let Some(lab) = Lab::boot(&odd(), "user") else { return };
    lab.install("sim-1.1");
    let before = lab.changeable();
    let ended = lab.tattletale(&["run", "passive-sync", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.err.contains("refused its certificate") && !ended.out.contains("verdict: clean"), "{ended:?}");
    assert_eq!(lab.changeable(), before);
    // Asked for, it is run all the same: hosts are seen, and nothing inside.
    lab.write_rig("none");
    let ended = lab.tattletale(&["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1"]);
    assert!(matches!(ended.code, Some(3 | 4)), "{ended:?}");
    assert_eq!(lab.changeable(), before);
}

#[test]
fn what_goes_past_the_proxy_is_a_blind_spot() {
    let Some(mut lab) = Lab::boot(&odd(), "system") else { return };
    lab.install("sim-1.0");
    lab.phone.fault(Fault::Bypass);
    let ended = lab.tattletale(&["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.out.contains("past the proxy"), "{}", ended.out);
}

#[test]
fn a_run_that_is_interrupted_or_killed_at_any_moment_leaves_the_phone_as_it_was() {
    let Some(lab) = Lab::boot(&odd(), "system") else { return };
    lab.install("sim-1.0");
    let (before, certificates) = (lab.changeable(), lab.certificates());
    let mut put_back = 0;
    for round in 0..6 {
        let line = ["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1", "--quiet"];
        let mut child = lab.command(&line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        lab.wait_until_routed(Some("10.0.0.1:3128"));
        let moment = Duration::from_millis(fastrand::u64(..4000));
        std::thread::sleep(moment);
        if round == 0 {
            interrupt(child.id());
            assert_eq!(child.wait().expect("it ends").code(), Some(130), "after {moment:?}");
        } else {
            child.kill().expect("it runs");
            child.wait().expect("it ends");
            let ended = lab.tattletale(&["restore"]);
            assert_eq!(ended.code, Some(0), "after {moment:?}: {ended:?}");
            // Between the control run and the run there is nothing to put back.
            let nothing = ended.err.contains("nothing is left to put back");
            let back = ended.err.contains("put back: the setting global http_proxy: 10.0.0.1:3128");
            assert!(back != nothing, "after {moment:?}: {ended:?}");
            put_back += u32::from(back);
        }
        assert_eq!((lab.changeable(), lab.certificates()), (before.clone(), certificates.clone()), "after {moment:?}");
        let nothing = lab.tattletale(&["restore"]);
        assert!(nothing.code == Some(0) && nothing.err.contains("nothing is left to put back"), "{nothing:?}");
    }
    assert!(put_back > 0, "no kill fell into a run");
}

#[test]
fn a_cable_that_is_pulled_is_told_and_the_next_command_puts_everything_back() {
    let Some(mut lab) = Lab::boot(&odd(), "system") else { return };
    lab.install("sim-1.0");
    let (before, certificates) = (lab.changeable(), lab.certificates());
    for _ in 0..5 {
        let line = ["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1"];
        let child = lab.command(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        lab.wait_until_routed(Some("10.0.0.1:3128"));
        let moment = Duration::from_millis(fastrand::u64(..4000));
        std::thread::sleep(moment);
        lab.phone.cut_link();
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "after {moment:?}: {said}");
        assert!(said.contains("put the phone back as it was"), "after {moment:?}: {said}");
        lab.phone.reconnect();
        let ended = lab.tattletale(&["restore"]);
        assert_eq!(ended.code, Some(0), "after {moment:?}: {ended:?}");
        assert_eq!((lab.changeable(), lab.certificates()), (before.clone(), certificates.clone()), "after {moment:?}: {ended:?}");
    }
}

#[test]
fn a_rig_runs_one_job_and_the_next_run_puts_back_what_the_last_one_left() {
    let Some(lab) = Lab::boot(&odd(), "system") else { return };
    lab.install("sim-1.0");
    let before = lab.changeable();
    let line = ["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1"];
    let mut child = lab.command(&line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    lab.wait_until_routed(Some("10.0.0.1:3128"));
    let busy = lab.tattletale(&line);
    assert_eq!(busy.code, Some(3), "{busy:?}");
    assert!(busy.err.contains(&format!("`tattletale run`, process {}", child.id())), "{busy:?}");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let next = lab.tattletale(&line);
    assert_eq!(next.code, Some(4), "{next:?}");
    for words in ["did not end as it should; the rig is taken over", "put back: the setting global http_proxy: 10.0.0.1:3128"] {
        assert!(next.err.contains(words), "{words}: {next:?}");
    }
    assert_eq!(lab.changeable(), before);
}

/// What Ctrl-C sends.
fn interrupt(process: u32) {
    let pid = rustix::process::Pid::from_raw(process.cast_signed()).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
}

/// The shipped scenario of this name with shorter waits, and without a band.
const PASSIVE_SYNC: &str = "\
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
