//! What a person sees who made a mistake in a file: the whole drawing, compared as text. And what is read of files without one.

use miette::{GraphicalReportHandler, GraphicalTheme};

use super::{Problems, app, policy, rig::rig_with, scenario};
use crate::{
    model::{App, Captured, Category, Expectation, Planted, Severity},
    phone::adb::TrustMode,
    scenario::{
        Scenario,
        rig_file::{PhoneKind, Secret},
    },
};

/// A scenario without mistakes.
const GOOD: &str = r#"name: walk
app: demo
about: A walk.
runs: 3
plant:
  location: { lat: 52.37403, lon: 4.88969 }
  profile: { nickname: Quillon, birth: 1984-03-07, height_cm: 171, weight_kg: 63.4 }
steps:
  - launchApp: { permissions: { location: allow } }
  - phase: { name: sync }
  - waitForUpload: { host: "api*.demo.test", path: /v1/data, within: 90s }
  - pressKey: home
  - waitForQuiet: { idle: 20s, max: 5m }
expect:
  - never: location
"#;

fn demo() -> App {
    App { name: "demo".into(), ..App::default() }
}

fn good(text: &str) -> Scenario {
    scenario("walk.yaml", "walk", text, &demo()).expect("the scenario is valid")
}

/// Everything that is wrong with a file, drawn.
fn check<T>(result: Result<T, Problems>, expected: &str) {
    let problems = result.err().expect("the file has a mistake");
    let mut drawing = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::none()).with_width(110);
    handler.render_report(&mut drawing, &problems).expect("a text can be written to");
    let drawing = drawing.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let (drawing, expected) = (drawing.trim_matches('\n'), expected.trim_matches('\n'));
    assert!(drawing == expected, "\n\nis:\n{drawing}\n");
}

/// One mistake in the good scenario: `from` is replaced by `to`.
fn check_scenario(from: &str, to: &str, expected: &str) {
    assert!(GOOD.contains(from), "{from}");
    check(scenario("walk.yaml", "walk", &GOOD.replacen(from, to, 1), &demo()), expected);
}

#[test]
fn what_is_written_is_what_is_read() {
    let scenario = good(GOOD);
    assert_eq!((scenario.name.as_str(), scenario.app.as_str(), scenario.runs), ("walk", "demo", 3));
    assert_eq!(scenario.location.map(|place| (place.lat, place.lon)), Some((52.37403, 4.88969)));
    let planted: Vec<_> = scenario.plant.iter().map(|value| (value.name.as_str(), value.value.clone())).collect();
    assert_eq!(
        planted,
        [
            ("profile.nickname", Planted::Text("Quillon".into())),
            ("profile.birth", Planted::Date(jiff::civil::date(1984, 3, 7))),
            ("profile.height_cm", Planted::Integer(171)),
            ("profile.weight_kg", Planted::Decimal("63.4".into())),
        ]
    );
    let steps: Vec<_> = scenario.steps.iter().map(|step| (step.line, step.name)).collect();
    assert_eq!(steps, [(9, "launchApp"), (10, "phase"), (11, "waitForUpload"), (12, "pressKey"), (13, "waitForQuiet")]);
    assert_eq!(scenario.expect, [Expectation::NeverCategory(Category::Location)]);
}

#[test]
fn layout_comments_order_and_spelled_out_defaults_do_not_change_the_hash() {
    let hash = good(GOOD).hash;
    assert_eq!(hash.len(), 64);
    for (from, to) in [
        ("app: demo\nabout: A walk.\n", "about: Another walk.   # a comment\napp: 'demo'\n"),
        ("runs: 3\n", ""),
        ("runs: 3", "runs: 5"),
        ("{ lat: 52.37403, lon: 4.88969 }", "{ lon: 4.889690,\n    lat: 52.37403 }"),
        ("{ permissions: { location: allow } }", "{ clearState: false, permissions: { location: allow } }"),
        ("within: 90s", "within: 90000ms"),
        ("  - phase", "\r\n  # a comment\n  - phase"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        assert_eq!(good(&GOOD.replacen(from, to, 1)).hash, hash, "{to}");
    }
}

/// A hash that changes makes every accepted snapshot one of another scenario.
#[test]
fn what_a_text_to_tap_on_is_called_inside_does_not_reach_the_hash() {
    let tapped = |line: &str| good(&GOOD.replacen("pressKey: home", line, 1)).hash;
    let hash = tapped("tapOn: Workout");
    assert_eq!(hash, "2f8c43837d95b953bc64caf9c845ade06f4b56588510560ce2a1a7a6b7c0b5fb");
    assert_ne!(hash, tapped("tapOn: { id: Workout }"));
}

#[test]
fn whatever_the_scenario_does_differently_changes_the_hash() {
    let mut hashes = vec![good(GOOD).hash];
    for (from, to) in [
        ("4.88969", "4.88968"),
        ("Quillon", "Quilliam"),
        ("location: allow", "location: deny"),
        ("name: sync", "name: sync2"),
        ("{ name: sync }", "{ name: sync, explains: [location] }"),
        ("within: 90s", "within: 91s"),
        ("/v1/data", "/v1/date"),
        ("home", "back"),
        ("  - pressKey: home\n", ""),
        ("never: location", "never: latitude"),
        ("expect:\n  - never: location\n", ""),
    ] {
        assert!(GOOD.contains(from), "{from}");
        hashes.push(good(&GOOD.replacen(from, to, 1)).hash);
    }
    let count = hashes.len();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn no_expectation_and_an_empty_list_of_them_are_the_same() {
    let without = GOOD.replacen("expect:\n  - never: location\n", "", 1);
    assert_eq!(good(&without).hash, good(&format!("{without}expect: []\n")).hash);
}

#[test]
fn a_file_from_a_windows_editor_is_read() {
    let text = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    let scenario = good(&text);
    assert_eq!(scenario.hash, good(GOOD).hash);
    assert_eq!(scenario.steps[0].line, 9);
    let wrong = text.replacen("runs: 3", "runs: x", 1);
    let problems = super::scenario("walk.yaml", "walk", &wrong, &demo()).expect_err("runs is wrong");
    assert_eq!(problems.line_and_column(&problems.all()[0]), (4, 7));
}

#[test]
fn a_policy_is_read() {
    let text = "severity: { new-field: alarm }\naccepted:\n  - { finding: T1a2b3c4d, reason: agreed, expires: 2026-12-31 }\n";
    let policy = policy("policy.yaml", text, &["new-field"]).expect("the policy is valid");
    assert_eq!(policy.fail_level, Severity::Warning);
    assert_eq!(policy.severity.get("new-field"), Some(&Severity::Alarm));
    assert_eq!(policy.accepted[0].expires, jiff::civil::date(2026, 12, 31));
}

#[test]
fn a_rig_is_read() {
    let text = "consent: { owner: Quillon, date: 2026-03-14 }\nphone: { kind: android }\nproxy: { listen: 192.0.2.10:8080 }\n\
                band: { model: mi-band-3, address: C0:FF:EE:12:34:56, key: \"${env:BAND_KEY}\" }\n";
    let rig = rig_with("rig.yaml", text, &["mi-band-3"]).expect("the rig is valid");
    assert_eq!(rig.phone.kind, PhoneKind::Android);
    assert_eq!(rig.listen.map(|address| address.port()), Some(8080));
    let band = rig.band.expect("a band");
    assert_eq!(band.address, Captured::new([0xc0, 0xff, 0xee, 0x12, 0x34, 0x56]));
    assert_eq!((band.key, band.adapter), (Some(Secret::Environment("BAND_KEY".into())), None));
    // A band may be read without a key, too: what anybody in reach can read.
    let keyless = "consent: { owner: Quillon, date: 2026-03-14 }\nphone: { kind: simulated }\n\
                   band: { model: mi-band-3, address: C0:FF:EE:12:34:56, adapter: hci1 }\n";
    let band = rig_with("rig.yaml", keyless, &["mi-band-3"]).expect("the rig is valid").band.expect("a band");
    assert_eq!((band.key, band.adapter.as_deref()), (None, Some("hci1")));
    assert!(rig_with("rig.yaml", "phone: { kind: simulated }\nseed: 7\n", &[]).is_ok());
}

#[test]
fn a_rig_says_how_the_app_is_made_to_trust_it() {
    let of = |ca: &str| {
        let text = format!("consent: {{ owner: Quillon, date: 2026-03-14 }}\nphone: {{ kind: android, ca: {ca} }}\n");
        rig_with("rig.yaml", &text, &[]).map(|rig| (rig.phone.android.trust, rig.phone.android.script))
    };
    for (ca, want) in
        [("none", TrustMode::None), ("repackaged", TrustMode::Repackaged), ("system", TrustMode::System), ("user", TrustMode::User)]
    {
        assert_eq!(of(ca).expect(ca), (want, None), "{ca}");
    }
    assert_eq!(of("{ frida: trust.js }").expect("a script"), (TrustMode::Script, Some("trust.js".into())));
    for wrong in ["frida", "{ frida: }", "{ script: trust.js }", "[system]"] {
        assert!(of(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn an_app_counts_the_stand_ins_of_its_own_hosts_as_its_own() {
    let text = "name: demo\ntitle: Demo\nids: [com.demo.app]\nfirst_party: [\"api*.demo.example\"]\n\
                simulated: [{ host: \"api*.demo.test\", stands_for: \"api*.demo.example\" }]\n";
    let app = app("app.yaml", "demo", text).expect("the app is valid");
    assert!(app.first_party_pattern("api-de.demo.test").is_some());
    assert_eq!(app.with_stand_ins("api*.demo.example").len(), 2);
}

#[test]
fn an_app_names_the_messages_of_its_calls() {
    let text = "name: demo\ntitle: Demo\nids: [com.demo.app]\nfirst_party: [api.demo.example]\n\
                protobuf: [{ path: /v1/upload, message: demo.Upload, descriptors: upload.binpb }]\n";
    let app = app("app.yaml", "demo", text).expect("the app is valid");
    let call = &app.protobuf[0];
    assert_eq!((call.path.0.as_str(), call.message.as_str(), call.file.as_str()), ("/v1/upload", "demo.Upload", "upload.binpb"));
    for (right, wrong) in [("upload.binpb", "../upload.binpb"), ("upload.binpb", "upload.proto"), ("demo.Upload", "demo..Upload")] {
        assert!(super::app("app.yaml", "demo", &text.replace(right, wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn thousands_of_mistakes_are_counted() {
    let text = format!("name: walk\nsteps:\n{}", "  - nosuchstep\n".repeat(5_000));
    let problems = scenario("walk.yaml", "walk", &text, &demo()).expect_err("nothing is right");
    assert_eq!(problems.all().len() + problems.left_off(), 5_002);
}

#[test]
fn whatever_is_wrong_with_a_file_it_can_be_drawn() {
    let mut random = fastrand::Rng::with_seed(11);
    let alphabet: Vec<char> = "ab1:-?[]{}\"'|>&*!%@`,# \n\t\r~$\u{1b}\u{202e}\u{feff}猫".chars().collect();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::none());
    for _ in 0..500 {
        let mut text: Vec<char> = GOOD.chars().collect();
        for _ in 0..random.usize(1..6) {
            let (from, length) = (random.usize(..text.len()), random.usize(0..4));
            let to = (from + length).min(text.len());
            let new: Vec<char> = (0..random.usize(0..4)).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
            text.splice(from..to, new);
        }
        let text: String = text.into_iter().collect();
        if let Err(problems) = scenario("walk.yaml", "walk", &text, &demo()) {
            let mut drawing = String::new();
            handler.render_report(&mut drawing, &problems).expect("a text can be written to");
            assert!(!drawing.contains(['\u{1b}', '\u{202e}', '\r']), "{drawing:?}");
            assert!(!problems.all().is_empty());
        }
    }
}

#[test]
fn a_step_that_the_rig_cannot_do_is_known_before_the_run() {
    use crate::{phone::Action, scenario::steps::fakes::FakePhone};
    let scenario = good(&GOOD.replacen("- pressKey: home", "- readBand", 1));
    let lines = |has_band| scenario.impossible_on(&FakePhone::default(), has_band).into_iter().map(|is| is.place).collect::<Vec<_>>();
    assert_eq!((lines(true), lines(false)), (vec![], vec!["line 12".to_owned()]));
    // Where the phone is from the start is asked of it as well.
    let phone = FakePhone { lacks: vec![Action::SetLocation], ..FakePhone::default() };
    let told: Vec<String> = scenario.impossible_on(&phone, true).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["walk, plant, location"]);
}

#[test]
fn an_unknown_key_has_a_nearest() {
    check_scenario(
        "expect:",
        "exepct:",
        r#"
  x understand walk.yaml: one problem

Error:
  x use the key "exepct" in the file
    ,-[walk.yaml:14:1]
 13 |   - waitForQuiet: { idle: 20s, max: 5m }
 14 | exepct:
    : ^^^|^^
    :    `-- no such key
 15 |   - never: location
    `----
  help: did you mean "expect"? valid keys: name, app, about, runs, plant, steps, expect
"#,
    );
}

#[test]
fn an_unknown_step_lists_the_steps() {
    check_scenario(
        "pressKey: home",
        "pressKye: home",
        r#"
  x understand walk.yaml: one problem

Error:
  x use the step "pressKye"
    ,-[walk.yaml:12:5]
 11 |   - waitForUpload: { host: "api*.demo.test", path: /v1/data, within: 90s }
 12 |   - pressKye: home
    :     ^^^^|^^^
    :         `-- no such step
 13 |   - waitForQuiet: { idle: 20s, max: 5m }
    `----
  help: did you mean "pressKey"? valid steps: back, clearState, inputText, installApp, launchApp,
        measureHeartRate, phase, pressKey, prompt, pullToRefresh, readBand, releaseBand, repeat, retry,
        runScenario, screenshot, setAirplaneMode, setLocation, setPermissions, startRecording, stopApp,
        stopRecording, swipe, tapOn, travel, uninstallApp, vibrateBand, wait, waitForBand, waitForQuiet,
        waitForUpload, waitForVisible
"#,
    );
}

#[test]
fn a_list_is_no_number() {
    check_scenario(
        "runs: 3",
        "runs: [3]",
        r#"
  x understand walk.yaml: one problem

Error:
  x read "runs": it needs a whole number from 1 to 100
   ,-[walk.yaml:4:7]
 3 | about: A walk.
 4 | runs: [3]
   :       ^|^
   :        `-- this is a list
 5 | plant:
   `----
"#,
    );
}

#[test]
fn a_duration_needs_a_unit() {
    check_scenario(
        "within: 90s",
        "within: 90",
        r#"
  x understand walk.yaml: one problem

Error:
  x read "within" from "90"
    ,-[walk.yaml:11:70]
 10 |   - phase: { name: sync }
 11 |   - waitForUpload: { host: "api*.demo.test", path: /v1/data, within: 90 }
    :                                                                      ^|
    :                                                                       `-- wrong value
 12 |   - pressKey: home
    `----
  help: a duration needs a unit: 90s, 90m
"#,
    );
}

#[test]
fn a_duration_has_four_units() {
    check_scenario(
        "idle: 20s",
        "idle: 20sec",
        r#"
  x understand walk.yaml: one problem

Error:
  x read "idle" from "20sec"
    ,-[walk.yaml:13:27]
 12 |   - pressKey: home
 13 |   - waitForQuiet: { idle: 20sec, max: 5m }
    :                           ^^|^^
    :                             `-- wrong value
 14 | expect:
    `----
  help: "sec" is no unit; the units are ms, s, m and h
"#,
    );
}

#[test]
fn a_key_may_be_there_once() {
    check_scenario(
        "runs: 3",
        "runs: 3\nruns: 4",
        r#"
  x understand walk.yaml: one problem

Error:
  x use the key "runs" twice
   ,-[walk.yaml:5:1]
 3 | about: A walk.
 4 | runs: 3
   : ^^|^
   :   `-- first here
 5 | runs: 4
   : ^^|^
   :   `-- again here
 6 | plant:
   `----
  help: keep one of them
"#,
    );
}

#[test]
fn a_scenario_needs_an_app() {
    check_scenario(
        "app: demo\n",
        "",
        r#"
  x understand walk.yaml: one problem

Error:
  x find the key "app" in the file
   ,-[walk.yaml:1:1]
 1 | name: walk
   : ^^|^
   :   `-- missing here
 2 | about: A walk.
   `----
  help: app: The app it belongs to: the folder's name (a name of lower-case letters, digits and hyphens that
        begins with a letter)
"#,
    );
}

#[test]
fn a_step_needs_its_arguments() {
    check_scenario(
        "{ idle: 20s, max: 5m }",
        "{ idle: 20s }",
        r#"
  x understand walk.yaml: one problem

Error:
  x find the key "max" in waitForQuiet
    ,-[walk.yaml:13:19]
 12 |   - pressKey: home
 13 |   - waitForQuiet: { idle: 20s }
    :                   |
    :                   `-- missing here
 14 | expect:
    `----
  help: max: How long to wait for that at most (a duration with its unit, like 90s or 5m)
"#,
    );
}

#[test]
fn a_category_is_one_of_a_list() {
    check_scenario(
        "never: location",
        "never: locatoin",
        r#"
  x understand walk.yaml: one problem

Error:
  x read "never" from "locatoin"
    ,-[walk.yaml:15:12]
 14 | expect:
 15 |   - never: locatoin
    :            ^^^^|^^^
    :                `-- no such choice
    `----
  help: did you mean "location"? valid choices: access-token, account-id, activity-intensity, advertising-
        id, app-usage, band-battery, band-firmware, band-mac, band-serial, birth-date, blood-oxygen,
        calories, cell-tower, coarse-location, contacts, content, crash-report, device, device-model,
        distance, email-address, heart-rate, heart-rate-series, heart-rate-variability, height, identifier,
        installation-id, installed-apps, ip-address, locale, location, menstrual-cycle, messages, network-
        operator, os-version, pairing-key, person-name, phone-id, phone-number, photos, postal-address,
        precise-location, profile, respiration, resting-heart-rate, session-id, sex, skin-temperature,
        sleep, sleep-stages, steps, stress, time-zone, track, vitals, weight, wifi-network, workout,
        coordinates, latitude, longitude
"#,
    );
}

#[test]
fn a_host_is_no_address_of_a_page() {
    check_scenario(
        "api*.demo.test",
        "https://demo.test/",
        r#"
  x understand walk.yaml: one problem

Error:
  x read "host" from "https://demo.test/"
    ,-[walk.yaml:11:28]
 10 |   - phase: { name: sync }
 11 |   - waitForUpload: { host: "https://demo.test/", path: /v1/data, within: 90s }
    :                            ^^^^^^^^^^|^^^^^^^^^
    :                                      `-- wrong value
 12 |   - pressKey: home
    `----
  help: it needs a host pattern: lower-case labels joined by dots, with * inside a label, and none in the
        last two; for example: api-mifit*.huami.com
"#,
    );
}

#[test]
fn a_latitude_has_a_range() {
    check_scenario(
        "lat: 52.37403",
        "lat: 97",
        r#"
  x understand walk.yaml: one problem

Error:
  x read "lat" from "97"
   ,-[walk.yaml:6:20]
 5 | plant:
 6 |   location: { lat: 97, lon: 4.88969 }
   :                    ^|
   :                     `-- wrong value
 7 |   profile: { nickname: Quillon, birth: 1984-03-07, height_cm: 171, weight_kg: 63.4 }
   `----
  help: it needs a number from -90 to 90
"#,
    );
}

#[test]
fn an_audit_has_at_least_one_run() {
    check_scenario(
        "runs: 3",
        "runs: 0",
        r#"
  x understand walk.yaml: one problem

Error:
  x read "runs" from "0"
   ,-[walk.yaml:4:7]
 3 | about: A walk.
 4 | runs: 0
   :       |
   :       `-- wrong value
 5 | plant:
   `----
  help: it needs a whole number from 1 to 100
"#,
    );
}

#[test]
fn a_phase_has_a_name_of_its_own() {
    check_scenario(
        "- pressKey: home",
        "- phase: { name: sync }",
        r#"
  x understand walk.yaml: one problem

Error:
  x name a second phase "sync"
    ,-[walk.yaml:12:20]
  9 |   - launchApp: { permissions: { location: allow } }
 10 |   - phase: { name: sync }
    :                    ^^|^
    :                      `-- first here
 11 |   - waitForUpload: { host: "api*.demo.test", path: /v1/data, within: 90s }
 12 |   - phase: { name: sync }
    :                    ^^|^
    :                      `-- again here
 13 |   - waitForQuiet: { idle: 20s, max: 5m }
    `----
  help: give each phase a name of its own
"#,
    );
}

#[test]
fn some_names_of_phases_are_taken() {
    check_scenario(
        "name: sync",
        "name: start",
        r#"
  x understand walk.yaml: one problem

Error:
  x name a phase "start"
    ,-[walk.yaml:10:20]
  9 |   - launchApp: { permissions: { location: allow } }
 10 |   - phase: { name: start }
    :                    ^^|^^
    :                      `-- has a meaning of its own
 11 |   - waitForUpload: { host: "api*.demo.test", path: /v1/data, within: 90s }
    `----
  help: start is what comes before the first phase, unscripted is what was imported
"#,
    );
}

#[test]
fn a_phase_explains_categories() {
    check_scenario(
        "{ name: sync }",
        "{ name: sync, explains: [places] }",
        r#"
  x understand walk.yaml: one problem

Error:
  x read "explains" from "places"
    ,-[walk.yaml:10:37]
  9 |   - launchApp: { permissions: { location: allow } }
 10 |   - phase: { name: sync, explains: [places] }
    :                                     ^^^|^^
    :                                        `-- no such choice
 11 |   - waitForUpload: { host: "api*.demo.test", path: /v1/data, within: 90s }
    `----
  help: valid choices: access-token, account-id, activity-intensity, advertising-id, app-usage, band-
        battery, band-firmware, band-mac, band-serial, birth-date, blood-oxygen, calories, cell-tower,
        coarse-location, contacts, content, crash-report, device, device-model, distance, email-address,
        heart-rate, heart-rate-series, heart-rate-variability, height, identifier, installation-id,
        installed-apps, ip-address, locale, location, menstrual-cycle, messages, network-operator, os-
        version, pairing-key, person-name, phone-id, phone-number, photos, postal-address, precise-location,
        profile, respiration, resting-heart-rate, session-id, sex, skin-temperature, sleep, sleep-stages,
        steps, stress, time-zone, track, vitals, weight, wifi-network, workout
"#,
    );
}

#[test]
fn a_bracket_that_is_never_closed_is_shown() {
    check_scenario(
        "max: 5m }",
        "max: 5m",
        r#"
  x understand walk.yaml: one problem

Error:
  x read it as YAML: while parsing a flow mapping, did not find expected ',' or '}'
    ,-[walk.yaml:14:7]
 12 |   - pressKey: home
 13 |   - waitForQuiet: { idle: 20s, max: 5m
    :                   |
    :                   `-- opened here
 14 | expect:
    :       |
    :       `-- here
 15 |   - never: location
    `----
  help: close it with }
"#,
    );
}

#[test]
fn the_name_is_that_of_the_file() {
    check_scenario(
        "name: walk",
        "name: wlak",
        r#"
  x understand walk.yaml: one problem

Error:
  x use the name "wlak"
   ,-[walk.yaml:1:7]
 1 | name: wlak
   :       ^^|^
   :         `-- another name
 2 | app: demo
   `----
  help: the file's name is "walk": the two must be the same
"#,
    );
}

#[test]
fn the_app_is_that_of_the_folder() {
    check_scenario(
        "app: demo",
        "app: mifit",
        r#"
  x understand walk.yaml: one problem

Error:
  x use the app "mifit"
   ,-[walk.yaml:2:6]
 1 | name: walk
 2 | app: mifit
   :      ^^|^^
   :        `-- another name
 3 | about: A walk.
   `----
  help: the folder's name is "demo": the two must be the same
"#,
    );
}

#[test]
fn a_permission_is_allowed_or_denied() {
    check_scenario(
        "location: allow",
        "location: yes",
        r#"
  x understand walk.yaml: one problem

Error:
  x read "location" from "yes"
    ,-[walk.yaml:9:43]
  8 | steps:
  9 |   - launchApp: { permissions: { location: yes } }
    :                                           ^|^
    :                                            `-- no such choice
 10 |   - phase: { name: sync }
    `----
  help: valid choices: allow, deny
"#,
    );
}

#[test]
fn aliases_are_not_read() {
    check_scenario(
        "pressKey: home",
        "pressKey: *key",
        r#"
  x understand walk.yaml: one problem

Error:
  x use an alias
    ,-[walk.yaml:12:15]
 11 |   - waitForUpload: { host: "api*.demo.test", path: /v1/data, within: 90s }
 12 |   - pressKey: *key
    :               ^^|^
    :                 `-- an alias
 13 |   - waitForQuiet: { idle: 20s, max: 5m }
    `----
  help: anchors and aliases are not read here: write it out
"#,
    );
}

#[test]
fn anchors_are_not_read() {
    check_scenario(
        "app: demo",
        "app: &app demo",
        r#"
  x understand walk.yaml: one problem

Error:
  x use an anchor
   ,-[walk.yaml:2:6]
 1 | name: walk
 2 | app: &app demo
   :      ^^|^
   :        `-- an anchor
 3 | about: A walk.
   `----
  help: anchors and aliases are not read here: write it out
"#,
    );
}

#[test]
fn tags_are_not_read() {
    check_scenario(
        "runs: 3",
        "runs: !!int 3",
        r#"
  x understand walk.yaml: one problem

Error:
  x use a tag
   ,-[walk.yaml:4:7]
 3 | about: A walk.
 4 | runs: !!int 3
   :       ^^|^^
   :         `-- a tag
 5 | plant:
   `----
  help: values need no tags here: write the value alone
"#,
    );
}

#[test]
fn one_dash_one_step() {
    check_scenario(
        "- pressKey: home",
        "- pressKey: home\n    stopApp:",
        r#"
  x understand walk.yaml: one problem

Error:
  x read a step: it has two names
    ,-[walk.yaml:13:5]
 12 |   - pressKey: home
 13 |     stopApp:
    :     ^^^|^^^
    :        `-- another step
 14 |   - waitForQuiet: { idle: 20s, max: 5m }
    `----
  help: begin each step with a dash of its own
"#,
    );
}

#[test]
fn arguments_are_indented() {
    check_scenario(
        "- pressKey: home",
        "- waitForQuiet:\n    idle: 20s\n    max: 5m",
        r#"
  x understand walk.yaml: one problem

Error:
  x read a step: it has two names
    ,-[walk.yaml:13:5]
 12 |   - waitForQuiet:
 13 |     idle: 20s
    :     ^^|^
    :       `-- belongs to the step?
 14 |     max: 5m
    `----
  help: indent the step's arguments, or write { key: value } after its name
"#,
    );
}

#[test]
fn a_step_without_arguments_stands_alone() {
    check_scenario(
        "- pressKey: home",
        "- stopApp: now",
        r#"
  x understand walk.yaml: one problem

Error:
  x read the arguments of stopApp
    ,-[walk.yaml:12:14]
 11 |   - waitForUpload: { host: "api*.demo.test", path: /v1/data, within: 90s }
 12 |   - stopApp: now
    :              ^|^
    :               `-- not needed
 13 |   - waitForQuiet: { idle: 20s, max: 5m }
    `----
  help: stopApp stands alone
"#,
    );
}

#[test]
fn a_step_with_an_argument_needs_it() {
    check_scenario(
        "- pressKey: home",
        "- pressKey:",
        r#"
  x understand walk.yaml: one problem

Error:
  x read pressKey: it needs one of back, backspace, enter, home, lock, power, tab, volume down, volume up
    ,-[walk.yaml:12:5]
 11 |   - waitForUpload: { host: "api*.demo.test", path: /v1/data, within: 90s }
 12 |   - pressKey:
    :     ^^^^|^^^
    :         `-- this is nothing
 13 |   - waitForQuiet: { idle: 20s, max: 5m }
    `----
"#,
    );
}

#[test]
fn two_places_are_told_apart() {
    check_scenario(
        "- pressKey: home",
        "- setLocation: { lat: 52.38, lon: 4.88969 }",
        r#"
  x understand walk.yaml: one problem

Error:
  x tell two places apart
    ,-[walk.yaml:12:5]
  5 | plant:
  6 |   location: { lat: 52.37403, lon: 4.88969 }
    :             ^^^^^^^^^^^^^^^|^^^^^^^^^^^^^^^
    :                            `-- that place
  7 |   profile: { nickname: Quillon, birth: 1984-03-07, height_cm: 171, weight_kg: 63.4 }
  8 | steps:
  9 |   - launchApp: { permissions: { location: allow } }
 10 |   - phase: { name: sync }
 11 |   - waitForUpload: { host: "api*.demo.test", path: /v1/data, within: 90s }
 12 |   - setLocation: { lat: 52.38, lon: 4.88969 }
    :     ^^^^^|^^^^^
    :          `-- 664 m from an earlier place
 13 |   - waitForQuiet: { idle: 20s, max: 5m }
    `----
  help: put them at least 5 km apart, or use the very same position
"#,
    );
}

#[test]
fn a_date_has_one_form() {
    check_scenario(
        "1984-03-07",
        "07.03.1984",
        r#"
  x understand walk.yaml: one problem

Error:
  x read "birth" from "07.03.1984"
   ,-[walk.yaml:7:40]
 6 |   location: { lat: 52.37403, lon: 4.88969 }
 7 |   profile: { nickname: Quillon, birth: 07.03.1984, height_cm: 171, weight_kg: 63.4 }
   :                                        ^^^^^|^^^^
   :                                             `-- wrong value
 8 | steps:
   `----
  help: it needs a date: year-month-day; for example: 2026-03-14
"#,
    );
}

#[test]
fn a_wait_is_not_longer_than_its_limit() {
    check_scenario(
        "idle: 20s",
        "idle: 20m",
        r#"
  x understand walk.yaml: one problem

Error:
  x wait for quiet: max is shorter than idle
    ,-[walk.yaml:13:37]
 12 |   - pressKey: home
 13 |   - waitForQuiet: { idle: 20m, max: 5m }
    :                                     ^|
    :                                      `-- shorter than idle
 14 | expect:
    `----
  help: max must be at least idle
"#,
    );
}

#[test]
fn a_number_has_no_quotes() {
    check_scenario(
        "runs: 3",
        "runs: \"3\"",
        r#"
  x understand walk.yaml: one problem

Error:
  x read "runs" from "3"
   ,-[walk.yaml:4:7]
 3 | about: A walk.
 4 | runs: "3"
   :       ^|^
   :        `-- wrong value
 5 | plant:
   `----
  help: it needs a whole number from 1 to 100, without quotes
"#,
    );
}

#[test]
fn a_point_has_two_numbers() {
    check_scenario(
        "- pressKey: home",
        "- travel: { track: [[52.4, 4.9], [52.4]] }",
        r#"
  x understand walk.yaml: one problem

Error:
  x read "track": it needs a pair [latitude, longitude]
    ,-[walk.yaml:12:36]
 11 |   - waitForUpload: { host: "api*.demo.test", path: /v1/data, within: 90s }
 12 |   - travel: { track: [[52.4, 4.9], [52.4]] }
    :                                    ^^^|^^
    :                                       `-- this is a list
 13 |   - waitForQuiet: { idle: 20s, max: 5m }
    `----
"#,
    );
}

#[test]
fn a_path_has_no_query() {
    check_scenario(
        "/v1/data",
        "/v1/data?r=1",
        r#"
  x understand walk.yaml: one problem

Error:
  x read "path" from "/v1/data?r=1"
    ,-[walk.yaml:11:52]
 10 |   - phase: { name: sync }
 11 |   - waitForUpload: { host: "api*.demo.test", path: /v1/data?r=1, within: 90s }
    :                                                    ^^^^^^|^^^^^
    :                                                          `-- wrong value
 12 |   - pressKey: home
    `----
  help: it needs a path that begins with a slash, has no query, and may have {names} as whole segments; for
        example: /users/{id}/devices
"#,
    );
}

#[test]
fn a_second_document_is_not_read() {
    check_scenario(
        "  - never: location\n",
        "  - never: location\n---\nname: more\n",
        r#"
  x understand walk.yaml: one problem

Error:
  x read a second document
    ,-[walk.yaml:16:1]
 15 |   - never: location
 16 | ---
    : ^|^
    :  `-- begins here
 17 | name: more
    `----
  help: one file is one document: put it into a file of its own
"#,
    );
}

#[test]
fn wrong_indentation_is_told_where_it_is() {
    check_scenario(
        "about: A walk.",
        "about: A walk.\n  runs: 3",
        r#"
  x understand walk.yaml: one problem

Error:
  x read it as YAML: mapping values are not allowed in this context
   ,-[walk.yaml:4:7]
 3 | about: A walk.
 4 |   runs: 3
   :       |
   :       `-- here
 5 | runs: 3
   `----
"#,
    );
}

#[test]
fn control_characters_stay_harmless() {
    check_scenario(
        "never: location",
        "never: \u{202e}locat\u{9b}ion",
        r#"
  x understand walk.yaml: one problem

Error:
  x read it as YAML: unexpected character: `\u{9b}'
    ,-[walk.yaml:15:12]
 14 | expect:
 15 |   - never: �locat¿ion
    :            ^
    :            `-- here
    `----
"#,
    );
}

#[test]
fn all_problems_of_a_file_are_told_at_once() {
    check(
        scenario(
            "walk.yaml",
            "walk",
            "name: Walk\nabuot: x\nruns: many\nsteps:\n  - launchapp\n  - waitForUpload: { path: v1, within: 5 }\n  - tapOn: [x]\nexpect: location\n",
            &demo(),
        ),
        r#"
  x understand walk.yaml: 9 problems

Error:
  x find the key "app" in the file
   ,-[walk.yaml:1:1]
 1 | name: Walk
   : ^^|^
   :   `-- missing here
 2 | abuot: x
   `----
  help: app: The app it belongs to: the folder's name (a name of lower-case letters, digits and hyphens that
        begins with a letter)

Error:
  x read "name" from "Walk"
   ,-[walk.yaml:1:7]
 1 | name: Walk
   :       ^^|^
   :         `-- wrong value
 2 | abuot: x
   `----
  help: it needs a name of lower-case letters, digits and hyphens that begins with a letter; for example:
        passive-sync

Error:
  x use the key "abuot" in the file
   ,-[walk.yaml:2:1]
 1 | name: Walk
 2 | abuot: x
   : ^^|^^
   :   `-- no such key
 3 | runs: many
   `----
  help: did you mean "about"? valid keys: name, app, about, runs, plant, steps, expect

Error:
  x read "runs" from "many"
   ,-[walk.yaml:3:7]
 2 | abuot: x
 3 | runs: many
   :       ^^|^
   :         `-- wrong value
 4 | steps:
   `----
  help: it needs a whole number from 1 to 100

Error:
  x use the step "launchapp"
   ,-[walk.yaml:5:5]
 4 | steps:
 5 |   - launchapp
   :     ^^^^|^^^^
   :         `-- no such step
 6 |   - waitForUpload: { path: v1, within: 5 }
   `----
  help: did you mean "launchApp"? valid steps: back, clearState, inputText, installApp, launchApp,
        measureHeartRate, phase, pressKey, prompt, pullToRefresh, readBand, releaseBand, repeat, retry,
        runScenario, screenshot, setAirplaneMode, setLocation, setPermissions, startRecording, stopApp,
        stopRecording, swipe, tapOn, travel, uninstallApp, vibrateBand, wait, waitForBand, waitForQuiet,
        waitForUpload, waitForVisible

Error:
  x read "path" from "v1"
   ,-[walk.yaml:6:28]
 5 |   - launchapp
 6 |   - waitForUpload: { path: v1, within: 5 }
   :                            ^|
   :                             `-- wrong value
 7 |   - tapOn: [x]
   `----
  help: it needs a path that begins with a slash, has no query, and may have {names} as whole segments; for
        example: /users/{id}/devices

Error:
  x read "within" from "5"
   ,-[walk.yaml:6:40]
 5 |   - launchapp
 6 |   - waitForUpload: { path: v1, within: 5 }
   :                                        |
   :                                        `-- wrong value
 7 |   - tapOn: [x]
   `----
  help: a duration needs a unit: 5s, 5m

Error:
  x read tapOn: it needs some text; or a map with the keys text, id, point
   ,-[walk.yaml:7:12]
 6 |   - waitForUpload: { path: v1, within: 5 }
 7 |   - tapOn: [x]
   :            ^|^
   :             `-- this is a list
 8 | expect: location
   `----

Error:
  x read "expect": it needs a list (each item: a map with the keys never)
   ,-[walk.yaml:8:9]
 7 |   - tapOn: [x]
 8 | expect: location
   :         ^^^^|^^^
   :             `-- this is text
   `----
"#,
    );
}

#[test]
fn an_empty_file_says_so() {
    check(
        scenario("walk.yaml", "walk", "# nothing yet\n", &demo()),
        r#"
  x understand walk.yaml: one problem

Error:
  x find anything in the file
   ,-[walk.yaml:1:1]
 1 | # nothing yet
   : ^
   : `-- it is empty
   `----
  help: scenarios/README.md shows how one begins
"#,
    );
}

#[test]
fn a_file_that_is_no_map_says_so() {
    check(
        scenario("walk.yaml", "walk", "- name: walk\n", &demo()),
        r#"
  x understand walk.yaml: one problem

Error:
  x read the file: it needs a map with the keys name, app, about, runs, plant, steps, expect
   ,-[walk.yaml:1:1]
 1 | - name: walk
   : ^^^^^^|^^^^^
   :       `-- this is a list
   `----
"#,
    );
}

#[test]
fn an_app_file_is_checked() {
    check(
        app(
            "app.yaml",
            "demo",
            "name: demo\ntitle: Demo\nids: [demo]\nfirst_party: [\"*.demo.test\"]\nsimulated:\n  - { host: demo.example, stands_for: \"*.dmo.test\" }\nendpoints:\n  - { method: post, path: /x, about: y }\nleaves:\n  - { leaf: x, category: heart }\n",
        ),
        r#"
  x understand app.yaml: 6 problems

Error:
  x read "ids" from "demo"
   ,-[app.yaml:3:7]
 2 | title: Demo
 3 | ids: [demo]
   :       ^^|^
   :         `-- wrong value
 4 | first_party: ["*.demo.test"]
   `----
  help: it needs a package or bundle id: words joined by dots; for example: com.xiaomi.hm.health

Error:
  x use "demo.example" as a simulated host
   ,-[app.yaml:6:13]
 5 | simulated:
 6 |   - { host: demo.example, stands_for: "*.dmo.test" }
   :             ^^^^^^|^^^^^
   :                   `-- could be a real host
 7 | endpoints:
   `----
  help: hosts of the simulated rig end in .test, so that nothing can leave the machine

Error:
  x find "*.dmo.test" in first_party
   ,-[app.yaml:6:39]
 5 | simulated:
 6 |   - { host: demo.example, stands_for: "*.dmo.test" }
   :                                       ^^^^^^|^^^^^
   :                                             `-- not there
 7 | endpoints:
   `----
  help: did you mean "*.demo.test"? it has: *.demo.test

Error:
  x read "method" from "post"
   ,-[app.yaml:8:15]
 7 | endpoints:
 8 |   - { method: post, path: /x, about: y }
   :               ^^|^
   :                 `-- no such choice
 9 | leaves:
   `----
  help: did you mean "POST"? valid choices: DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT

Error:
  x find the key "why" in "leaves"
    ,-[app.yaml:10:5]
  9 | leaves:
 10 |   - { leaf: x, category: heart }
    :     |
    :     `-- missing here
    `----
  help: why: Why we say so (some text)

Error:
  x read "category" from "heart"
    ,-[app.yaml:10:26]
  9 | leaves:
 10 |   - { leaf: x, category: heart }
    :                          ^^|^^
    :                            `-- no such choice
    `----
  help: did you mean "heart-rate"? valid choices: access-token, account-id, activity-intensity, advertising-
        id, app-usage, band-battery, band-firmware, band-mac, band-serial, birth-date, blood-oxygen,
        calories, cell-tower, coarse-location, contacts, content, crash-report, device, device-model,
        distance, email-address, heart-rate, heart-rate-series, heart-rate-variability, height, identifier,
        installation-id, installed-apps, ip-address, locale, location, menstrual-cycle, messages, network-
        operator, os-version, pairing-key, person-name, phone-id, phone-number, photos, postal-address,
        precise-location, profile, respiration, resting-heart-rate, session-id, sex, skin-temperature,
        sleep, sleep-stages, steps, stress, time-zone, track, vitals, weight, wifi-network, workout
"#,
    );
}

#[test]
fn a_policy_is_checked() {
    check(
        policy(
            "policy.yaml",
            "fail_level: high\nseverity:\n  new-filed: note\naccepted:\n  - { finding: T1a2b3c4d, reason: known, expires: never }\n  - { finding: 1a2b3c4d, reason: known, expires: 2026-12-31 }\n",
            &["new-field", "new-host"],
        ),
        r#"
  x understand policy.yaml: 4 problems

Error:
  x read "fail_level" from "high"
   ,-[policy.yaml:1:13]
 1 | fail_level: high
   :             ^^|^
   :               `-- no such choice
 2 | severity:
   `----
  help: valid choices: alarm, note, warning

Error:
  x find the rule "new-filed"
   ,-[policy.yaml:3:3]
 2 | severity:
 3 |   new-filed: note
   :   ^^^^|^^^^
   :       `-- no such rule
 4 | accepted:
   `----
  help: did you mean "new-field"? valid rules: new-field, new-host

Error:
  x read "expires" from "never"
   ,-[policy.yaml:5:51]
 4 | accepted:
 5 |   - { finding: T1a2b3c4d, reason: known, expires: never }
   :                                                   ^^|^^
   :                                                     `-- wrong value
 6 |   - { finding: 1a2b3c4d, reason: known, expires: 2026-12-31 }
   `----
  help: it needs a date: year-month-day; for example: 2026-03-14

Error:
  x read "finding" from "1a2b3c4d"
   ,-[policy.yaml:6:16]
 5 |   - { finding: T1a2b3c4d, reason: known, expires: never }
 6 |   - { finding: 1a2b3c4d, reason: known, expires: 2026-12-31 }
   :                ^^^^|^^^
   :                    `-- wrong value
   `----
  help: it needs a finding's id as reports print it: T and eight hex digits; for example: T1a2b3c4d
"#,
    );
}

#[test]
fn a_real_rig_needs_consent() {
    check(
        rig_with(
            "rig.yaml",
            "phone: { kind: android }\nseed: 5\nband: { model: mi-band-4, address: C0:FF:EE:12:34, key: 0123456789 }\n",
            &["mi-band-3"],
        ),
        r#"
  x understand rig.yaml: 5 problems

Error:
  x find the consent of the owner
   ,-[rig.yaml:1:16]
 1 | phone: { kind: android }
   :                ^^^|^^^
   :                   `-- a real phone
 2 | seed: 5
   `----
  help: say whose phone, band and account these are: consent: { owner: …, date: 2026-03-14 }

Error:
  x use a seed on a real rig
   ,-[rig.yaml:2:7]
 1 | phone: { kind: android }
 2 | seed: 5
   :       |
   :       `-- a real rig has none
 3 | band: { model: mi-band-4, address: C0:FF:EE:12:34, key: ********** }
   `----
  help: leave it out

Error:
  x find the band model "mi-band-4"
   ,-[rig.yaml:3:16]
 2 | seed: 5
 3 | band: { model: mi-band-4, address: C0:FF:EE:12:34, key: ********** }
   :                ^^^^|^^^^
   :                    `-- no such model
   `----
  help: did you mean "mi-band-3"? valid models: mi-band-3

Error:
  x read "address" from "C0:FF:EE:12:34"
   ,-[rig.yaml:3:36]
 2 | seed: 5
 3 | band: { model: mi-band-4, address: C0:FF:EE:12:34, key: ********** }
   :                                    ^^^^^^^|^^^^^^
   :                                           `-- wrong value
   `----
  help: it needs a Bluetooth address: six pairs of hex digits joined by colons; for example:
        C0:FF:EE:12:34:56

Error:
  x read "key"
   ,-[rig.yaml:3:57]
 2 | seed: 5
 3 | band: { model: mi-band-4, address: C0:FF:EE:12:34, key: ********** }
   :                                                         ^^^^^|^^^^
   :                                                              `-- wrong value
   `----
  help: it needs a key of 32 hex digits, or ${env:NAME} for one that an environment variable holds; for
        example: ${env:BAND_KEY}
"#,
    );
}

#[test]
fn a_real_band_needs_consent_also_with_a_simulated_phone() {
    let text = "phone: { kind: simulated }\nband: { model: mi-band-3, address: C0:FF:EE:12:34:56, adapter: \"hci 0\" }\n";
    check(
        rig_with("rig.yaml", text, &["mi-band-3"]),
        r#"
  x understand rig.yaml: 2 problems

Error:
  x find the consent of the owner
   ,-[rig.yaml:2:16]
 1 | phone: { kind: simulated }
 2 | band: { model: mi-band-3, address: C0:FF:EE:12:34:56, adapter: "hci 0" }
   :                ^^^^|^^^^
   :                    `-- a real band
   `----
  help: say whose phone, band and account these are: consent: { owner: …, date: 2026-03-14 }

Error:
  x read "adapter" from "hci 0"
   ,-[rig.yaml:2:64]
 1 | phone: { kind: simulated }
 2 | band: { model: mi-band-3, address: C0:FF:EE:12:34:56, adapter: "hci 0" }
   :                                                                ^^^|^^^
   :                                                                   `-- wrong value
   `----
  help: it needs a Bluetooth adapter: its name, or its address; for example: hci0
"#,
    );
}
