//! The commands over Bluetooth as a person gets it: the program itself, a band behind the stand-in for the Bluetooth service, and
//! every machine on which it cannot work, told with what to do.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;
use tattletale::{
    band::huami::{BandContents, Fault, SimulatedBand},
    link::{sig_uuid, simulated::Peripheral as _},
    model::text::hex,
};
use uuid::Uuid;

use crate::{
    fake::{Device, Fake, Service, World, service},
    harness::{Machine, alone},
};

const ADDRESS: &str = "C0:FF:EE:12:34:56";

/// No command may take longer: listening, finding and connecting have limits of their own.
const LIMIT: Duration = Duration::from_secs(100);

/// A Huami characteristic.
const fn huami(short: u16) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_3512_2118_0009_af10_0700 | (short as u128) << 96)
}

fn contents() -> BandContents {
    // Its days are those of its own clock.
    BandContents::invented(Timestamp::now().to_zoned(jiff::tz::Offset::constant(1).to_time_zone()).date())
}

fn services() -> Vec<Service> {
    let read: &[&'static str] = &["read"];
    vec![
        service(
            sig_uuid(0x180a),
            &[(sig_uuid(0x2a25), read), (sig_uuid(0x2a27), read), (sig_uuid(0x2a28), read), (sig_uuid(0x2a23), read)],
        ),
        service(sig_uuid(0x180d), &[(sig_uuid(0x2a37), &["notify"]), (sig_uuid(0x2a39), &["read", "write"])]),
        service(sig_uuid(0x1802), &[(sig_uuid(0x2a06), &["write-without-response"])]),
        service(
            sig_uuid(0xfee0),
            &[
                (sig_uuid(0x2a2b), &["read", "notify"]),
                (huami(4), &["write-without-response", "notify"]),
                (huami(5), &["notify"]),
                (huami(6), &["read", "notify"]),
                (huami(7), &["read", "notify"]),
            ],
        ),
        service(sig_uuid(0xfee1), &[(huami(9), &["read", "write-without-response", "notify"])]),
    ]
}

/// A machine with a Mi Band 3 in reach, and somebody's headphones.
fn with_a_band() -> Machine {
    with(SimulatedBand::new(contents()))
}

/// The same, with a band that hangs up for want of power when it is asked for its minutes.
fn with_a_flat_band() -> Machine {
    let mut band = SimulatedBand::new(contents());
    band.fault = Some(Fault::FlatBattery);
    with(band)
}

fn with(band: SimulatedBand) -> Machine {
    let address = contents().address;
    let advertisement = band.advertisement(Timestamp::now());
    let mut device = Device::new(address, band, services());
    (device.name, device.manufacturer_data) = (advertisement.name, advertisement.manufacturer_data);
    Machine::Whole(World::with_devices(vec![device, crate::echo::echo([2, 0, 0, 0, 0, 1])]))
}

/// What a command came to: code, standard output, standard error.
fn run(folder: &Path, key: Option<&str>, line: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tattletale"));
    command.args(line).current_dir(folder).env_remove("CI").env("NO_COLOR", "1").env("COLUMNS", "160").stdin(Stdio::null());
    if let Some(key) = key {
        command.env("BAND_KEY", key);
    }
    let began = Instant::now();
    let ended = command.output().expect("the program can be started");
    assert!(began.elapsed() < LIMIT, "{line:?} took {:?}", began.elapsed());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ended.status.code(), text(&ended.stdout), text(&ended.stderr))
}

const BAND: [&str; 6] = ["--model", "mi-band-3", "--address", ADDRESS, "--key-env", "BAND_KEY"];

#[test]
fn a_band_is_found_asked_and_read_with_its_key_and_without() {
    alone(with_a_band, async |fake| {
        let folder = tempfile::tempdir().expect("a folder");
        let key = hex(&contents().key.bytes());

        let (code, out, err) = run(folder.path(), None, &["band", "scan", "--for", "2s"]);
        assert_eq!(code, Some(0), "{err}");
        assert!(out.contains("Xiaomi Mi Band 3") && out.contains("…:34:56") && out.contains("1 band; 1 other device"), "{out}");
        assert!(!out.contains("C0:FF"), "{out}");

        let anyone = ["--model", "mi-band-3", "--address", ADDRESS];
        let (code, out, err) = run(folder.path(), None, &[&["band", "info"], &anyone[..]].concat());
        assert_eq!(code, Some(0), "{err}");
        assert!(out.contains("read without a key: what anyone in reach can read") && out.contains("5b0c44d17e2a"), "{out}");

        let (code, out, err) =
            run(folder.path(), Some(&key), &[&["band", "read", "--since", "24h", "--format", "json"], &BAND[..]].concat());
        assert_eq!(code, Some(0), "{err}");
        let data: Value = serde_json::from_str(&out).expect("JSON");
        let rates = data["minutes"]["heart_rate"].as_array().expect("minutes").len();
        // A minute or two more, because time goes on while the program listens and reads.
        assert!((1435..=1445).contains(&rates) && data["access"] == "key", "{rates}");
        assert!(!err.contains(&key) && !out.contains(&key));

        let (code, _, err) = run(folder.path(), Some(&"0".repeat(32)), &[&["band", "read"], &BAND[..]].concat());
        assert_eq!(code, Some(3), "{err}");
        assert!(
            err.contains("the band knows another key") && err.contains("Xiaomi Mi Band 3 …:34:56") && err.contains("band key --from"),
            "{err}"
        );
        // Whatever came of it, the band is free again.
        fake.until("the band is let go", |world| world.devices.iter().all(|device| !device.connected)).await;
    });
}

#[test]
fn a_band_of_no_family_is_heard_and_read_as_anyone_can() {
    alone(with_a_band, async |fake| {
        let folder = tempfile::tempdir().expect("a folder");
        let strap = ["--model", "generic", "--address", "02:00:00:00:00:01", "--key-env", "BAND_KEY"];
        for command in ["info", "read"] {
            let (code, out, err) = run(folder.path(), Some(&"a".repeat(32)), &[&["band", command], &strap[..]].concat());
            assert_eq!(code, Some(0), "{err}");
            assert!(out.contains("read without a key") && out.contains("87 %"), "{out}");
            assert!(out.contains("its address, 02:00:00:00:00:01") && !out.contains("not heard"), "{out}");
        }
        let (code, out, err) = run(folder.path(), None, &["band", "scan", "--for", "2s", "--mine", "02:00:00:00:00:01"]);
        assert!(code == Some(0) && out.contains("2 bands, 1 yours; 0 other devices"), "{out}{err}");
        fake.until("the band is let go", |world| world.devices.iter().all(|device| !device.connected)).await;
    });
}

#[test]
fn a_conversation_is_recorded_and_played_back_without_a_radio() {
    alone(with_a_band, async |fake| {
        let folder = tempfile::tempdir().expect("a folder");
        let key = hex(&contents().key.bytes());
        let read = |more: &[&str]| run(folder.path(), Some(&key), &[&["band", "read", "--format", "json"], &BAND[..], more].concat());
        let (code, out, err) = read(&["--record", "talk.jsonl"]);
        assert_eq!(code, Some(0), "{err}");
        let mut then: Value = serde_json::from_str(&out).expect("JSON");
        let talk = folder.path().join("talk.jsonl");
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&talk).expect("written").permissions()) & 0o777, 0o600);
        let text = fs::read_to_string(&talk).expect("written");
        for private in [key.as_str(), "02:00:00:00:00:01"] {
            assert!(!text.contains(private), "{private}");
        }
        let scans = fake.calls("StartDiscovery");
        let (code, out, err) = read(&["--replay", "talk.jsonl"]);
        assert_eq!(code, Some(0), "{err}");
        let now: Value = serde_json::from_str(&out).expect("JSON");
        let disclaimer = now["disclaimer"].as_str().expect("it is no band of now");
        assert!(
            disclaimer.starts_with("replay of a conversation recorded at") && disclaimer.contains("no band was asked now"),
            "{disclaimer}"
        );
        then["disclaimer"] = now["disclaimer"].clone();
        assert_eq!(now, then, "the same to the last minute");
        assert_eq!(fake.calls("StartDiscovery"), scans, "no radio was used");

        let (code, _, err) = read(&["--replay", "talk.jsonl", "--since", "3h"]);
        assert!(code == Some(3) && err.contains("--since of the recording"), "{err}");
        let (code, _, err) = read(&["--record", "talk.jsonl"]);
        assert!(code == Some(2) && err.contains("name a file that is not there yet"), "{err}");
    });
}

/// What came of a command that is sent a signal as soon as it holds the band.
async fn interrupted(fake: &Fake, folder: &Path, signal: &str, line: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tattletale"));
    command.args(line).current_dir(folder).env_remove("CI").env("NO_COLOR", "1").env("BAND_KEY", hex(&contents().key.bytes()));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program can be started");
    fake.until("the band is held", |world| world.devices.iter().any(|device| device.connected)).await;
    assert!(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().expect("kill is there").success());
    let began = Instant::now();
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output()).await.expect("no panic").expect("it ends");
    assert!(began.elapsed() < LIMIT, "{signal} took {:?}", began.elapsed());
    fake.until("the band is let go", |world| world.devices.iter().all(|device| !device.connected)).await;
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

#[test]
fn whatever_ends_a_command_lets_go_of_the_band() {
    let machine = || {
        let mut band = SimulatedBand::new(contents());
        band.fault = Some(Fault::Silence);
        with(band)
    };
    alone(machine, async |fake| {
        let folder = tempfile::tempdir().expect("a folder");
        write_rig(folder.path(), "  - measureHeartRate\n  - readBand: { since: 24h }\n");
        // Whoever runs these under `nohup` has the commands outlive their terminal, too.
        let ends: &[&str] = if outlives_its_terminal() { &["INT", "TERM"] } else { &["INT", "TERM", "HUP"] };
        for signal in ends {
            let (code, err) = interrupted(&fake, folder.path(), signal, &[&["band", "read"], &BAND[..]].concat()).await;
            assert_eq!(code, Some(130), "{signal}: {err}");
            let (code, err) = interrupted(&fake, folder.path(), signal, &["run", "--rig", "rig.yaml"]).await;
            assert!(code == Some(130) && err.contains("interrupted; what was recorded is kept"), "{signal}: {code:?} {err}");
        }
    });
}

#[test]
fn a_band_out_of_reach_is_told_with_what_to_do() {
    alone(with_a_band, async |fake| {
        fake.with(|world| world.devices.retain(|device| device.address[0] != 0xc0));
        let folder = tempfile::tempdir().expect("a folder");
        let (code, out, err) = run(folder.path(), Some(&"a".repeat(32)), &[&["band", "info"], &BAND[..]].concat());
        assert!(code == Some(3) && out.is_empty(), "{code:?} {out}");
        assert!(err.contains("it does not advertise") && err.contains("…:34:56") && err.contains("charge it"), "{err}");
    });
}

#[test]
fn a_flat_band_is_told_with_what_to_do() {
    alone(with_a_flat_band, async |_fake| {
        let folder = tempfile::tempdir().expect("a folder");
        let key = hex(&contents().key.bytes());
        let (code, out, err) = run(folder.path(), Some(&key), &[&["band", "read"], &BAND[..]].concat());
        assert!(code == Some(3) && out.is_empty(), "{code:?} {out}{err}");
        assert!(err.contains("2 %") && err.contains("…:34:56") && err.contains("charge it"), "{err}");
    });
}

/// What `doctor` says of the rig's radio and band: its exit code, and each check's name, state, what was read, and advice.
fn doctor() -> (Option<i32>, Vec<[String; 4]>) {
    let folder = tempfile::tempdir().expect("a folder");
    write_rig(folder.path(), QUICK);
    let (code, out, err) = run(folder.path(), Some(&"a".repeat(32)), &["doctor", "--format", "json"]);
    let told: Value = serde_json::from_str(&out).unwrap_or_else(|problem| panic!("{problem}: {out}{err}"));
    let text = |check: &Value, key: &str| check[key].as_str().expect("text").to_owned();
    let checks = told["checks"].as_array().expect("a list");
    (code, checks.iter().map(|check| ["check", "state", "read", "help"].map(|key| text(check, key))).collect())
}

/// That `doctor` finds these, and nothing else: name, state, a word of what was read, a word of what to do.
#[track_caller]
fn finds(code: i32, want: &[[&str; 4]]) {
    let (ended, told) = doctor();
    let fits = |told: &[String; 4], want: &[&str; 4]| {
        told[..2] == want[..2]
            && told[2].contains(want[2])
            && if want[3].is_empty() { told[3].is_empty() } else { told[3].contains(want[3]) }
    };
    assert!(told.len() == want.len() && told.iter().zip(want).all(|(told, want)| fits(told, want)), "{want:?}: {told:?}");
    assert_eq!(ended, Some(code), "{told:?}");
}

const ADAPTER: [&str; 4] = ["Bluetooth adapter", "ok", "hci0 is there, and switched on", ""];

#[test]
fn doctor_hears_a_band_in_reach_and_nobody_is_kept_from_it() {
    alone(with_a_band, async |fake| {
        finds(0, &[ADAPTER, ["band", "ok", "it advertises", ""]]);
        assert!(fake.with(|world| world.devices.iter().all(|device| !device.connected)), "nobody connected to it");
        fake.until("nobody listens", |world| world.adapters.values().all(|adapter| !adapter.discovering)).await;
    });
}

#[test]
fn doctor_names_a_band_out_of_reach() {
    alone(with_a_band, async |fake| {
        fake.with(|world| world.devices.retain(|device| device.address[0] != 0xc0));
        finds(3, &[ADAPTER, ["band", "wrong", "it was not heard", "bring it near and charge it"]]);
    });
}

#[test]
fn doctor_names_an_adapter_that_is_missing() {
    let missing = ["Bluetooth adapter", "wrong", "this machine has none", "plug an adapter in"];
    alone(|| Machine::Whole(World::default()), async |_fake| finds(3, &[missing]));
}

#[test]
fn doctor_names_an_adapter_that_is_switched_off_and_leaves_it_so() {
    let machine = || {
        let Machine::Whole(mut world) = with_a_band() else { unreachable!("it is whole") };
        world.switch_off("hci0");
        Machine::Whole(world)
    };
    alone(machine, async |fake| {
        finds(3, &[["Bluetooth adapter", "wrong", "switched off", "bluetoothctl power on"]]);
        assert!(!fake.with(|world| world.adapters["hci0"].powered));
    });
}

#[test]
fn doctor_names_a_service_that_does_not_run() {
    alone(|| Machine::NoService, async |_fake| finds(3, &[["Bluetooth adapter", "wrong", "", "bluetoothd"]]));
}

/// Whether this process, and so what it starts, ignores the end of its terminal: bit 0 of the mask of ignored signals (proc_pid_status(5)).
fn outlives_its_terminal() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("Linux tells it");
    u64::from_str_radix(mask.trim(), 16).expect("hex") & 1 == 1
}

fn lacks(words: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    for line in [&["band", "scan", "--for", "1s"][..], &["band", "info", "--model", "mi-band-3", "--address", ADDRESS]] {
        let (code, out, err) = run(folder.path(), None, line);
        assert!(code == Some(3) && out.is_empty(), "{line:?}: {code:?} {out}{err}");
        assert!(err.contains(words), "{line:?}: {err}");
    }
}

#[test]
fn a_machine_without_a_bus_is_told() {
    alone(|| Machine::NoBus, async |_fake| lacks("message bus (D-Bus), over which Bluetooth is used, is not there"));
}

#[test]
fn a_machine_without_the_service_is_told() {
    alone(|| Machine::NoService, async |_fake| lacks("systemctl start bluetooth"));
}

#[test]
fn a_machine_without_an_adapter_is_told() {
    alone(|| Machine::Whole(World::default()), async |_fake| lacks("this machine has none; plug one in"));
}

#[test]
fn a_user_who_may_not_is_told() {
    alone(|| Machine::Forbidden(World::default()), async |_fake| lacks("membership of the group `bluetooth`"));
}

/// A sync of the band, with everything that the rig does to the band itself before.
const QUICK: &str = "  - readBand: { since: 24h }
  - waitForBand: { is: advertising, within: 60s }
  - launchApp: { clearState: true }
  - pullToRefresh
  - waitForUpload: { host: \"api-mifit*.huami.com\", path: /v1/data/band_data.json, within: 90s }
  - waitForQuiet: { idle: 2s, max: 60s }
";

/// Writes a workspace with the band in its rig file, and a scenario of these steps.
fn write_rig(folder: &Path, steps: &str) {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("ours");
        fs::write(&path, text).expect("ours");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
    };
    let app = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/mifit/app.yaml")).expect("it is shipped");
    write("scenarios/mifit/app.yaml", &app);
    let head = "name: quick\napp: mifit\nabout: Do something with the band.\nruns: 1\nsteps:\n";
    write("scenarios/mifit/quick.yaml", &format!("{head}{steps}"));
    write(
        "rig.yaml",
        &format!(
            "consent: {{ owner: Nobody, date: 2026-03-14 }}\nphone: {{ kind: simulated }}\n\
             band: {{ model: mi-band-3, address: \"{ADDRESS}\", key: \"${{env:BAND_KEY}}\", adapter: hci0 }}\n"
        ),
    );
}

#[test]
fn a_scenario_runs_with_a_real_band_and_the_simulated_phone() {
    alone(with_a_band, async |fake| {
        let folder = tempfile::tempdir().expect("a folder");
        write_rig(folder.path(), QUICK);
        let key = hex(&contents().key.bytes());
        let (code, out, err) = run(folder.path(), Some(&key), &["run", "--rig", "rig.yaml", "--seed", "7"]);
        assert_eq!(code, Some(4), "one run and no baseline: {out}{err}");
        assert!(err.contains("Xiaomi Mi Band 3 …:34:56, by radio; its key is given"), "{err}");
        assert!(out.contains("test bench: says nothing about any real app"), "{out}");
        assert!(out.contains("Xiaomi Mi Band 3 by radio, its key is given"), "{out}");
        assert!(out.contains("band.serial") && out.contains("band.heart_rate"), "{out}");
        for secret in [key.as_str(), "5b0c44d17e2a", ADDRESS] {
            assert!(!out.contains(secret) && !err.contains(secret), "{secret}: {out}{err}");
        }
        let runs = fs::read_dir(folder.path().join("runs")).expect("captures").flatten();
        let logs: Vec<String> = runs.filter_map(|run| fs::read_to_string(run.path().join("events.jsonl")).ok()).collect();
        let log = logs.iter().find(|log| log.contains("\"quick\"")).expect("the run's capture");
        assert!(log.contains("\"platform\":\"lab\"") && log.contains("with the band's key"), "the capture says what it is of");
        for line in log.lines().filter(|line| line.contains(&key)) {
            assert!(line.contains("\"event\":{\"exchange\":{") && line.contains("auth_key"), "only what the app itself sent: {line}");
        }
        fake.until("the band is let go", |world| world.devices.iter().all(|device| !device.connected)).await;
    });
}
