//! An app that is altered so that it can be read: rebuilt with the rig's certificate in it, by the real apktool, zipalign and apksigner, or
//! with a script of the rig's owner in it, by a stand-in for frida. Whoever reads the report learns of it, and what made room is put back.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Stdio};

use serde_json::Value;

use crate::{
    rig::Lab,
    support::{
        Ended, finish,
        phone_lab::{APP, Fault, Options, eventually},
    },
};

const RUN: [&str; 6] = ["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1"];

/// Runs once, and gives the report.
fn report(lab: &Lab, more: &[&str]) -> (Ended, Value) {
    let (ended, told) = lab.json(&[&RUN[..], &["--format", "json"], more].concat());
    (ended, told["reports"][0].clone())
}

/// The sentences of blind spots of a kind.
fn spots(report: &Value, kind: &str) -> Vec<String> {
    let all = report["coverage"]["blind_spots"].as_array().expect("a list").iter();
    all.filter(|spot| spot["kind"] == kind).map(|spot| spot["sentence"].as_str().expect("text").to_owned()).collect()
}

fn is_read(report: &Value) -> bool {
    report["endpoints"].to_string().contains("band_data.json")
}

/// SHA-256 of the app's main file on the phone.
fn installed(lab: &Lab) -> String {
    let path = lab.phone.says(&format!("pm path {APP}"));
    lab.phone.says(&format!("sha256sum {}", path.lines().next().unwrap_or_default().trim_start_matches("package:")))[..64].to_owned()
}

fn sha256(path: &std::path::Path) -> String {
    tattletale::model::text::sha256_hex(&fs::read(path).expect("it is there"))
}

#[test]
fn a_rebuilt_app_is_read_the_reader_is_told_and_the_owner_s_comes_back() {
    let Some(mut lab) = Lab::boot(&Options { root: "none", ..Options::default() }, "user") else { return };
    // No version is at hand but the one that is on the phone.
    lab.rewrite_rig("packages: packages, ", "");
    lab.install("sim-1.1");
    let (settings, vendors) = (lab.changeable()[0].clone(), installed(&lab));
    let ended = lab.tattletale(&RUN);
    assert!(ended.code == Some(4) && ended.err.contains("refused its certificate"), "unaltered, it trusts nobody: {ended:?}");

    lab.rewrite_rig("ca: user", "ca: repackaged");
    lab.phone.fault(Fault::InstallRefused);
    let refused = lab.tattletale(&[&RUN[..], &["--yes"]].concat());
    assert!(refused.code == Some(3) && refused.err.contains("Install via USB"), "{refused:?}");
    assert_eq!(installed(&lab), vendors, "what cannot be replaced is not removed");
    lab.phone.mend(Fault::InstallRefused);
    let refused = lab.tattletale(&RUN);
    assert!(refused.code == Some(2) && refused.err.contains("--yes") && refused.err.contains("with its data"), "{refused:?}");
    assert_eq!(installed(&lab), vendors, "nobody agreed");

    let (ended, told) = report(&lab, &["--yes"]);
    assert!(is_read(&told), "{ended:?}");
    let altered = spots(&told, "app-altered");
    let ours = installed(&lab);
    assert!(ours != vendors && altered.len() == 1, "{altered:?}");
    for word in [ours.as_str(), vendors.as_str(), "signed anew", "Play Integrity"] {
        assert!(altered[0].contains(word), "{word}: {altered:?}");
    }
    assert!(!told["verdict"].to_string().contains("cannot be answered: part of what the app sent"), "{told:#}");
    assert_eq!(lab.changeable()[0], settings);
    let key = lab.place.path().join("rigs/rig/packages/signer.pk8");
    assert_eq!(fs::metadata(&key).expect("it is kept").permissions().mode() & 0o777, 0o600);

    // The same file again, and nothing is in its way.
    let (ended, told) = report(&lab, &[]);
    assert!(is_read(&told) && installed(&lab) == ours && !ended.err.contains("takes its place"), "{ended:?}");

    // Nor is it the vendor's for a run that rebuilds nothing.
    lab.rewrite_rig("ca: repackaged", "ca: none");
    let (ended, told) = report(&lab, &[]);
    assert!(spots(&told, "app-altered") == altered, "{ended:?}");

    let left = lab.tattletale(&["restore"]);
    assert!(left.code == Some(0) && left.err.contains("had version sim-1.1") && left.err.contains("without its data"), "{left:?}");
    let back = lab.tattletale(&["restore", "--app"]);
    assert!(back.code == Some(0) && back.err.contains("version sim-1.1"), "{back:?}");
    assert_eq!(installed(&lab), vendors);
    let nothing = lab.tattletale(&["restore", "--app"]);
    assert!(nothing.code == Some(0) && nothing.err.contains("nothing is left to put back"), "{nothing:?}");
}

#[test]
fn versions_out_of_the_folder_of_packages_are_rebuilt_and_follow_each_other() {
    let Some(lab) = Lab::boot(&Options { root: "none", ..Options::default() }, "repackaged") else { return };
    // One of them in parts: all are signed anew.
    fs::remove_file(lab.place.path().join("packages/sim-1.1.apk")).expect("it was put there");
    for (part, apk) in [("base", "sim-1.1"), ("split_other", "weather-3.0")] {
        lab.place.write(&format!("packages/sim-1.1/{part}.apk"), fs::read(lab.phone.apk(apk)).expect("the lab made it"));
    }
    let mut files = Vec::new();
    for version in ["sim-1.0", "sim-1.1"] {
        let (ended, told) = report(&lab, &["--app-version", version]);
        assert!(is_read(&told), "{version}: {ended:?}");
        let altered = spots(&told, "app-altered").join("");
        assert!(altered.contains(&sha256(&lab.phone.apk(version))) && altered.contains(&installed(&lab)), "{version}: {altered}");
        files.push(installed(&lab));
        assert_eq!(lab.phone.state()["packages"][APP]["version_name"], version);
    }
    assert_ne!(files[0], files[1]);
    // What is there is compared with the rebuilt file, not with its vendor's.
    let (ended, told) = report(&lab, &["--app-version", "sim-1.1"]);
    assert!(is_read(&told) && installed(&lab) == files[1] && !ended.err.contains("takes its place"), "{ended:?}");
    // A file of another app is refused before anything has to make room for it.
    fs::copy(lab.phone.apk("weather-3.0"), lab.place.path().join("packages/sim-3.0.apk")).expect("the lab made it");
    let refused = lab.tattletale(&[&RUN[..], &["--yes", "--app-version", "sim-3.0"]].concat());
    assert!(refused.code == Some(3) && refused.err.contains("the app is") && installed(&lab) == files[1], "{refused:?}");
    let parts = lab.phone.state()["packages"][APP]["files"].as_array().map(Vec::len);
    assert_eq!(parts, Some(2));
    let rebuilt = fs::read_dir(lab.place.path().join("rigs/rig/packages/rebuilt")).expect("kept").flatten();
    let apks = rebuilt.flat_map(|folder| fs::read_dir(folder.path()).expect("a folder").flatten()).map(|file| file.path());
    let signers: Vec<String> = apks.filter(|path| path.extension().is_some_and(|is| is == "apk")).map(|apk| signer(&apk)).collect();
    assert!(signers.len() == 3 && signers.windows(2).all(|two| two[0] == two[1]), "{signers:?}");
    assert_ne!(signers[0], signer(&lab.phone.apk("sim-1.0")));
    let removed = lab.tattletale(&["restore", "--app"]);
    assert!(removed.code == Some(0) && lab.phone.state()["packages"][APP].is_null(), "{removed:?}");
}

/// Who has signed a package, as apksigner tells.
fn signer(apk: &std::path::Path) -> String {
    let mut command = std::process::Command::new("apksigner");
    command.args(["verify", "--min-sdk-version", "24", "--print-certs"]).arg(apk);
    let said = finish(command).out;
    said.lines().find(|line| line.contains("SHA-256")).unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[test]
fn a_tool_that_is_missing_is_named_before_anything_is_touched() {
    let Some(lab) = Lab::boot(&Options { root: "none", ..Options::default() }, "repackaged") else { return };
    lab.install("sim-1.0");
    let vendors = installed(&lab);
    let doctor = |lab: &Lab, path: Option<&PathBuf>| {
        let mut command = lab.command(&["doctor", "--format", "json"]);
        command.envs(path.map(|path| ("PATH", path)));
        let told: Value = serde_json::from_str(&finish(command).out).expect("JSON");
        let checks = told["checks"].as_array().expect("a list").clone();
        let check = |name: &str| checks.iter().find(|check| check["check"] == name).expect("it is looked at").clone();
        (check("certificates of the app"), check("a request of the phone's"))
    };
    let (check, request) = doctor(&lab, None);
    assert!(check["state"] == "ok" && check["read"].as_str().is_some_and(|read| read.contains("apktool")), "{check}");
    assert!(request["state"] == "ok" && !request["read"].as_str().is_some_and(|read| read.contains("was read")), "{request}");
    let bare = bare_path(&lab, &["adb", "java"]);
    let (check, _) = doctor(&lab, Some(&bare));
    assert!(check["state"] == "wrong" && check["read"].as_str().is_some_and(|read| read.contains("apt install apktool")), "{check}");
    let mut command = lab.command(&[&RUN[..], &["--yes"]].concat());
    command.env("PATH", &bare);
    let ended = finish(command);
    assert!(ended.code == Some(3) && ended.err.contains("apktool is not installed"), "{ended:?}");
    assert_eq!(installed(&lab), vendors);
}

/// A folder for `PATH` with these programs of this machine.
fn bare_path(lab: &Lab, programs: &[&str]) -> PathBuf {
    let folder = lab.place.path().join("bin");
    fs::create_dir_all(&folder).expect("ours");
    for name in programs {
        let found =
            std::env::var("PATH").expect("set").split(':').map(|folder| PathBuf::from(folder).join(name)).find(|path| path.exists());
        std::os::unix::fs::symlink(found.expect("the lab has it"), folder.join(name)).expect("ours");
    }
    folder
}

/// A lab with a stand-in for frida first in `PATH`: it has the app trust the certificate that the script names, starts it, and stays; or
/// it does with `FRIDA` what that says. Its process is in the file `frida.pid`.
fn with_frida() -> Option<(Lab, String)> {
    let lab = Lab::boot(&Options::default(), "{ frida: trust.js }")?;
    lab.install("sim-1.0");
    let exported = lab.tattletale(&["ca", "export", "-o", "ca.pem"]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    lab.place.write("trust.js", "trust(\"ca.pem\")");
    let here = lab.place.path().display().to_string();
    let frida = lab.place.write("with-frida/frida", FRIDA.replace("@HERE@", &here));
    fs::set_permissions(frida, fs::Permissions::from_mode(0o755)).expect("ours");
    let path = format!("{here}/with-frida:{}", std::env::var("PATH").expect("set"));
    Some((lab, path))
}

const FRIDA: &str = r#"#!/bin/bash
[[ $1 == --version ]] && { echo 17.2.0; exit 0; }
[[ $1 == -D && $3 == -f && $5 == -l ]] || { echo "usage: $*"; exit 2; }
[[ $(< "$6") == 'trust("ca.pem")' ]] || exit 2
echo $$ > @HERE@/frida.pid
[[ $FRIDA == refuses ]] && { echo 'Failed to spawn: unable to connect to remote frida-server'; exit 1; }
uploads() { adb -s "$2" shell 'su -c "cat /data/standin/app.log"' | grep -c band_data; }
before=$(uploads "$@")
cat @HERE@/ca.pem | adb -s "$2" shell "su -c 'mkdir -p /data/standin/anchors/$4; cat > /data/standin/anchors/$4/script.pem'"
adb -s "$2" shell am start -W -n "$4/.MainActivity"
echo hooked
if [[ $FRIDA == dies ]]; then
    until (($(uploads "$@") > before)); do :; done
    exit 7
fi
[[ $FRIDA == deaf ]] && while :; do sleep 1; done
cat > /dev/null
"#;

fn frida_is_gone(lab: &Lab) -> bool {
    let pid = fs::read_to_string(lab.place.path().join("frida.pid")).expect("it was started");
    // One that nobody has waited for is listed on, without its words.
    fs::read_to_string(format!("/proc/{}/cmdline", pid.trim())).map_or(true, |words| words.is_empty())
}

#[test]
fn a_script_of_the_owner_s_runs_in_the_app_and_ends_with_the_run() {
    let Some((lab, path)) = with_frida() else { return };
    let run = |how: &str| {
        let mut command = lab.command(&[&RUN[..], &["--format", "json"]].concat());
        let ended = finish({
            command.env("PATH", &path).env("FRIDA", how);
            command
        });
        let told: Value = serde_json::from_str(&ended.out).unwrap_or_else(|problem| panic!("{problem}: {ended:?}"));
        (ended, told["reports"][0].clone())
    };
    let before = lab.changeable();
    let (ended, told) = run("");
    assert!(is_read(&told), "{ended:?}");
    let script = sha256(&lab.place.path().join("trust.js"));
    assert!(spots(&told, "app-altered").iter().any(|said| said.contains(&script)), "{told:#}");
    assert!(spots(&told, "script-ended").is_empty() && frida_is_gone(&lab), "{told:#}");
    let said: Vec<_> = fs::read_dir(lab.place.path().join("runs")).expect("captures").flatten().collect();
    let said = said.iter().filter_map(|capture| fs::read_to_string(capture.path().join("attachments/1-script.txt")).ok());
    assert!(said.collect::<Vec<_>>().iter().any(|said| said.contains("hooked")), "what it says is kept beside the capture");

    let (ended, told) = run("dies");
    let over = spots(&told, "script-ended");
    assert!(over.iter().any(|said| said.contains("exit status: 7")) && ended.code == Some(4), "{ended:?}");

    let (ended, _) = run("refuses");
    assert!(ended.code == Some(3) && ended.err.contains("frida ended with exit status: 1"), "{ended:?}");
    assert!(ended.err.contains("unable to connect to remote frida-server"), "{ended:?}");
    assert_eq!(lab.changeable(), before);

    // Without frida nothing is begun.
    let ended = lab.tattletale(&RUN);
    assert!(ended.code == Some(3) && ended.err.contains("frida is not installed"), "{ended:?}");
}

#[test]
fn a_script_that_a_killed_run_left_is_ended_by_the_next_command() {
    let Some((lab, path)) = with_frida() else { return };
    let mut command = lab.command(&RUN);
    command.env("PATH", &path).env("FRIDA", "deaf").stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    let journal = lab.place.path().join("rigs/rig/journal.json");
    eventually("the script runs, and is noted", || fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"script\"")));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert!(!frida_is_gone(&lab), "nobody has ended it yet");
    let ended = lab.tattletale(&["restore"]);
    assert!(ended.code == Some(0) && ended.err.contains(&format!("put back: the script in the app {APP}: ended")), "{ended:?}");
    assert!(frida_is_gone(&lab));
}
