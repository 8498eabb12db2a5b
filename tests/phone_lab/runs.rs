//! Whole runs on the stand-in phone: the binary, the real adb, the real adbd, the app on OkHttp, the proxy in between. What is asked of
//! a real phone is asked here: the phone is left as it was found on every way out, and the next command says what it undid.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use crate::{
    rig::{Lab, PASSIVE_SYNC},
    support::phone_lab::{APP, Fault, OTHER_APP, Options, eventually},
};

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
    assert!(ended.err.contains("remove"), "how to take the certificate off again is told: {ended:?}");
    assert_eq!(lab.changeable(), before);
    // Asked for, it is run all the same: hosts are seen, and nothing inside.
    lab.write_rig("none");
    let ended = lab.tattletale(&["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1"]);
    assert!(matches!(ended.code, Some(3 | 4)), "{ended:?}");
    assert_eq!(lab.changeable(), before);
}

#[test]
fn a_permission_that_is_taken_takes_the_position_along() {
    let Some(lab) = Lab::boot(&odd(), "system") else { return };
    lab.install("sim-1.1");
    lab.place
        .write("scenarios/mifit/denied.yaml", PASSIVE_SYNC.replace("passive-sync", "denied").replace("location: allow", "location: deny"));
    let sends_a_position = |scenario: &str| {
        let (ended, report) = lab.json(&["run", scenario, "--rig", "rig.yaml", "--runs", "1", "--format", "json"]);
        let endpoints = &report["reports"][0]["endpoints"];
        assert!(endpoints.to_string().contains("band_data.json"), "{ended:?}");
        endpoints.to_string().contains("location")
    };
    assert!(sends_a_position("passive-sync"));
    assert!(!sends_a_position("denied"));
}

#[test]
fn a_host_that_the_app_pins_is_reported_as_unread_and_never_as_clean() {
    let Some(lab) = Lab::boot(&odd(), "system") else { return };
    lab.install("sim-1.2");
    let (ended, report) = lab.json(&["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1", "--format", "json"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let spots = report["reports"][0]["coverage"]["blind_spots"].as_array().expect("blind spots").clone();
    let pinned = spots.iter().find(|spot| spot["host"] == "api-analytics.huami.test").unwrap_or_else(|| panic!("{spots:#?}"));
    assert!(pinned["sentence"].as_str().is_some_and(|said| said.contains("pin")), "{pinned:#}");
}

#[test]
fn what_another_app_on_the_phone_uploads_is_blamed_on_nobody() {
    let Some(mut lab) = Lab::boot(&odd(), "system") else { return };
    lab.install("sim-1.0");
    lab.install("weather-3.0");
    lab.phone.property("debug.standin.weather_every_s", "1");
    lab.phone.says(&format!("am start -n {OTHER_APP}/.MainActivity"));
    let (ended, report) = lab.json(&["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1", "--format", "json"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let report = &report["reports"][0];
    let others: Vec<_> =
        report["coverage"]["hosts"].as_object().expect("hosts").iter().filter(|(_, host)| host["origin"] == "phone").collect();
    assert!(others.iter().any(|(host, _)| host.contains("news.test")), "{:#}", report["coverage"]["hosts"]);
    assert!(!report["findings"].to_string().contains("news.test"), "{:#}", report["findings"]);
}

#[test]
fn an_app_that_the_phone_refused_is_nothing_to_put_back() {
    let Some(mut lab) = Lab::boot(&odd(), "system") else { return };
    lab.phone.fault(Fault::InstallRefused);
    let ended = lab.tattletale(&["run", "passive-sync", "--rig", "rig.yaml", "--app-version", "sim-1.0"]);
    assert!(ended.code == Some(3) && ended.err.contains("Install via USB"), "{ended:?}");
    lab.phone.mend(Fault::InstallRefused);
    // Its owner installs it: it is theirs.
    lab.install("sim-1.0");
    for line in [&["restore"][..], &["restore", "--app"]] {
        let ended = lab.tattletale(line);
        assert!(ended.code == Some(0) && ended.err.contains("nothing is left to put back"), "{ended:?}");
    }
    assert!(!lab.phone.state()["packages"][APP].is_null());
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
fn what_goes_past_the_proxy_is_counted_across_a_first_installation_and_of_a_run_that_broke_off() {
    let Some(mut lab) = Lab::boot(&odd(), "system") else { return };
    lab.install("sim-1.0");
    lab.phone.fault(Fault::Bypass);
    // What the app has sent in its life is more than a run can add.
    lab.phone.says(&format!("am start -n {APP}/.MainActivity"));
    eventually("it goes past the proxy", || lab.phone.app_log().contains(" udp 1200"));
    lab.phone.says(&format!("am force-stop {APP}"));
    let uid = lab.phone.state()["packages"][APP]["uid"].as_u64().expect("a number");
    std::fs::write(counters(lab.phone.folder(), &format!("bytes.{uid}")), "0 50000000\n").expect("ours");
    let anew = "\
name: anew
app: mifit
about: Install it for the first time.
runs: 1
steps:
  - uninstallApp
  - installApp: { version: sim-1.0 }
  - launchApp: { clearState: false, permissions: { location: allow } }
  - waitForUpload: { host: \"api-mifit*.huami.com\", path: /v1/data/band_data.json, within: 60s }
  - wait: { for: 1s }
  - waitForUpload: { host: \"nobody.test\", path: /, within: 1s }
expect: []
";
    lab.place.write("scenarios/mifit/anew.yaml", anew);
    let (ended, report) = lab.json(&["run", "anew", "--rig", "rig.yaml", "--format", "json"]);
    assert!(ended.code == Some(4) && ended.err.contains("did not happen as written"), "{ended:?}");
    let spots = report["reports"][0]["coverage"]["blind_spots"].to_string();
    assert!(spots.contains("bytes that the app sent past the proxy"), "{spots}");
    assert!(!spots.contains("outside-uncounted") && !spots.contains("50000000"), "{spots}");
}

#[test]
fn what_was_recorded_before_a_run_could_not_begin_is_audited() {
    let Some(lab) = Lab::boot(&odd(), "system") else { return };
    lab.install("sim-1.0");
    let before = lab.changeable()[0].clone();
    std::fs::remove_dir_all(lab.place.path().join("packages")).expect("ours");
    std::fs::create_dir(lab.place.path().join("packages")).expect("ours");
    let text = PASSIVE_SYNC.replace("expect:", "  - uninstallApp\nexpect:").replace("passive-sync", "removed");
    lab.place.write("scenarios/mifit/removed.yaml", text);
    let ended = lab.tattletale(&["run", "removed", "--rig", "rig.yaml", "--runs", "3"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains("install version sim-1.0") && ended.err.contains("not made: 2 runs of removed"), "{ended:?}");
    assert!(ended.out.contains("band_data.json"), "the first run is told: {}", ended.out);
    assert_eq!(lab.changeable()[0], before);
}

#[test]
fn a_phone_that_takes_no_positions_is_told_before_anything_is_done() {
    let Some(lab) = Lab::boot(&Options { sdk: 30, ..odd() }, "system") else { return };
    lab.install("sim-1.0");
    let ended = lab.tattletale(&["run", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    for words in
        ["passive-sync, plant, location", "passive-sync, line 14, setLocation", "workout, plant, location", "this rig cannot do that"]
    {
        assert!(ended.err.contains(words), "{words}: {ended:?}");
    }
    assert!(!ended.err.contains("a control run is made"), "{ended:?}");
    let routed = lab.phone.commands().iter().any(|words| words.join(" ").contains("settings put"));
    assert!(!routed, "{:?}", lab.phone.commands());
}

#[test]
fn a_position_that_is_taken_no_more_ends_the_run_while_it_waits() {
    let Some(mut lab) = Lab::boot(&odd(), "system") else { return };
    lab.install("sim-1.0");
    let text = "name: waits\napp: mifit\nabout: Waits.\nruns: 1\nplant:\n  location: { lat: 52.37403, lon: 4.88969 }\nsteps:\n  \
                - launchApp: { clearState: false, permissions: { location: allow } }\n  - wait: { for: 10m }\nexpect: []\n";
    lab.place.write("scenarios/mifit/waits.yaml", text);
    let child =
        lab.command(&["run", "waits", "--rig", "rig.yaml"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    eventually("the app is told where it is", || {
        let state = lab.phone.state();
        !state["providers"]["gps"]["position"].is_null() && state["front"] == APP
    });
    lab.phone.fault(Fault::MockLocationRefused);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("tell the phone where it is"), "{said}");
    lab.phone.mend(Fault::MockLocationRefused);
    let ended = lab.tattletale(&["restore"]);
    assert!(ended.code == Some(0) && lab.phone.state()["providers"] == serde_json::json!({}), "{ended:?}");
}

#[test]
fn which_file_is_installed_over_what_is_said_before_and_another_app_s_is_refused() {
    let Some(lab) = Lab::boot(&odd(), "system") else { return };
    let line = ["run", "passive-sync", "--rig", "rig.yaml", "--app-version", "sim-1.0", "--runs", "1"];
    let put = |name: &str, apk: &str| {
        lab.place.write(&format!("packages/{name}"), std::fs::read(lab.phone.apk(apk)).expect("the lab made it"));
    };
    // Another app's package.
    put("sim-1.0.apk", "weather-3.0");
    let ended = lab.tattletale(&line);
    assert!(ended.code == Some(3) && ended.err.contains("the file holds") && ended.err.contains("nothing was installed"), "{ended:?}");
    assert!(lab.phone.state()["packages"][OTHER_APP].is_null());
    let ended = lab.tattletale(&["restore"]);
    assert!(ended.err.contains("nothing is left to put back"), "{ended:?}");
    // Two for one version.
    put("sim-1.0.apk", "sim-1.0");
    put("play-sim-1.0.apk", "sim-1.0");
    let ended = lab.tattletale(&line);
    assert!(ended.code == Some(3) && ended.err.contains("there are play-sim-1.0.apk, sim-1.0.apk"), "{ended:?}");
    std::fs::remove_file(lab.place.path().join("packages/play-sim-1.0.apk")).expect("ours");
    // A newer version is there.
    lab.install("sim-1.1");
    let ended = lab.tattletale(&line);
    assert!(ended.code == Some(3) && ended.err.contains("downgrade: sim-1.0 takes the place of the newer sim-1.1"), "{ended:?}");
    assert!(ended.err.contains("VERSION_DOWNGRADE"), "{ended:?}");
    // The same version by its name, out of another file.
    lab.phone.says(&format!("pm uninstall {APP}"));
    lab.install("sim-1.0");
    put("sim-1.0.apk", "repackaged/sim-1.0");
    let ended = lab.tattletale(&line);
    assert!(ended.err.contains("the phone has another build of sim-1.0"), "{ended:?}");
}

#[test]
fn a_control_run_of_one_phone_is_none_of_another_of_its_make() {
    let Some(lab) = Lab::boot(&odd(), "system") else { return };
    lab.install("sim-1.0");
    let rig = std::fs::read_to_string(lab.place.path().join("rig.yaml")).expect("it was written");
    let made = lab.tattletale(&["run", "--control", "--rig", "rig.yaml"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let Some(other) = crate::support::phone_lab::Phone::boot(&odd()) else { return };
    assert_eq!(other.adb(&["install", "-r", &other.apk("sim-1.0").to_string_lossy()]).code, Some(0));
    // As in a rig file that names no phone: what is described stays the same, and another one is connected.
    let serial = |text: &str, phone: &crate::support::phone_lab::Phone| {
        text.replace(&format!("serial: \"{}\", ", lab.phone.serial()), "")
            .replace(&format!("port: {}", lab.phone.server_port()), &format!("port: {}", phone.server_port()))
    };
    let write = |phone| {
        let path = lab.place.write("rig.yaml", serial(&rig, phone));
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
    };
    write(&lab.phone);
    assert_eq!(lab.tattletale(&["run", "--control", "--rig", "rig.yaml"]).code, Some(0));
    let same = lab.tattletale(&["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1"]);
    assert!(same.err.contains("kept with rig"), "{same:?}");
    write(&other);
    let mut command = lab.place.command(&["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1"]);
    command.envs(other.adb_env());
    let another = crate::support::finish(command);
    assert!(another.err.contains("or another phone is connected"), "{another:?}");
}

#[test]
fn a_run_that_is_interrupted_or_killed_at_any_moment_leaves_the_phone_as_it_was() {
    let Some(lab) = Lab::boot(&odd(), "system") else { return };
    lab.install("sim-1.0");
    let (before, certificates) = (lab.changeable(), lab.certificates());
    let mut put_back = 0;
    for round in 0..=times("TATTLETALE_KILLS") {
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
            // Between the control run and the run there is nothing to put back; and while the run itself puts back, only what it had not
            // come to.
            let says = |words: &str| ended.err.contains(words);
            let back = says("put back: the setting global http_proxy: 10.0.0.1:3128");
            let rest = says("  put back: ") || says("  as before already: ");
            assert!(rest != says("nothing is left to put back"), "after {moment:?}: {ended:?}");
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
    let mut in_a_run = 0;
    for _ in 0..times("TATTLETALE_CUTS") {
        let line = ["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1"];
        let child = lab.command(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        lab.wait_until_routed(Some("10.0.0.1:3128"));
        let moment = Duration::from_millis(fastrand::u64(..4000));
        std::thread::sleep(moment);
        lab.phone.cut_link();
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "after {moment:?}: {said}");
        let told = said.contains("put the phone back as it was");
        lab.phone.reconnect();
        let ended = lab.tattletale(&["restore"]);
        assert_eq!(ended.code, Some(0), "after {moment:?}: {ended:?}");
        // Between the control run and the run there is nothing to put back, and nothing to tell.
        assert_eq!(told, !ended.err.contains("nothing is left to put back"), "after {moment:?}: {said}\n{ended:?}");
        in_a_run += u32::from(told);
        assert_eq!((lab.changeable(), lab.certificates()), (before.clone(), certificates.clone()), "after {moment:?}: {ended:?}");
    }
    assert!(in_a_run > 0, "no cut fell into a run");
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

/// The file of this name below a folder.
#[track_caller]
fn counters(folder: &Path, name: &str) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let kind = entry.file_type().expect("it is there");
            if kind.is_file() && entry.file_name() == name {
                return entry.path();
            }
            folders.extend(kind.is_dir().then(|| entry.path()));
        }
    }
    panic!("no {name}");
}

/// How often something is tried: five times, or as `ci/soak phone` says.
fn times(variable: &str) -> u32 {
    std::env::var(variable).map_or(5, |text| text.parse().expect("a number"))
}

/// What Ctrl-C sends.
fn interrupt(process: u32) {
    let pid = rustix::process::Pid::from_raw(process.cast_signed()).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
}
