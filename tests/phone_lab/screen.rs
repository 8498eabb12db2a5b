//! What a run does on the phone's screen: typed, tapped, pictured and filmed by the real adb, with nothing of it left on the phone and
//! nothing of what is typed in any command line of this computer.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Stdio};

use crate::{
    rig::Lab,
    support::phone_lab::{Fault, Options},
};

/// A text with everything in it that a shell would make something of.
const SECRET: &str = "it's %s \"$HOME\" `id` \\n * &";

const HEAD: &str = "app: mifit\nabout: Do something on the screen.\nruns: 1\nsteps:\n  - launchApp\n";

/// Writes a scenario of these steps after the app's start.
fn scenario(lab: &Lab, steps: &str) {
    lab.place.write("scenarios/mifit/on-screen.yaml", format!("name: on-screen\n{HEAD}{steps}expect: []\n"));
}

const RUN: [&str; 6] = ["run", "on-screen", "--rig", "rig.yaml", "--runs", "1"];

/// A step that fails, after all that is of interest: what follows would be the same in each of these tests.
const END: &str = "  - waitForVisible: { text: Nowhere, within: 1s }\n";

/// Files that a run might have left on the phone.
fn left(lab: &Lab) -> String {
    lab.phone.says("ls /data/local/tmp")
}

/// What the capture keeps besides its log, name and beginning of each.
fn attachments(lab: &Lab) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> =
        lab.place.files("").into_iter().filter(|file| file.components().any(|part| part.as_os_str() == "attachments")).collect();
    files.sort();
    let name = |file: &std::path::Path| file.file_name().expect("a file").to_string_lossy().into_owned();
    files.iter().map(|file| (name(file), fs::read(file).expect("readable"))).collect()
}

#[test]
fn a_run_types_taps_pictures_and_films_and_leaves_nothing_on_the_phone() {
    let Some(mut lab) = Lab::boot(&Options { faults: vec![Fault::Animated], ..Options::default() }, "system") else { return };
    lab.install("sim-1.0");
    let (before, files) = (lab.changeable(), left(&lab));
    // Another one's film goes on, whatever becomes of ours.
    let mut theirs = std::process::Command::new("adb");
    theirs.envs(lab.phone.adb_env()).args(["-s", &lab.phone.serial(), "shell", "exec screenrecord --time-limit 170 /sdcard/theirs.mp4"]);
    let mut theirs = theirs.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("adb starts");
    crate::support::phone_lab::eventually("it films", || lab.phone.shell("[ -s /sdcard/theirs.mp4 ]").code == Some(0));
    scenario(
        &lab,
        &format!(
            "  - startRecording: film\n  - tapOn: {{ id: search }}\n  - inputText: \"Quillon & sons\"\n  - tapOn: Workout\n  \
             - waitForVisible: {{ text: Stop, within: 20s }}\n  - tapOn: {{ point: \"50%,84.5%\" }}\n  - stopRecording\n  \
             - screenshot: after\n{END}"
        ),
    );
    let ended = lab.tattletale(&RUN);
    assert!(ended.code == Some(4) && ended.err.contains("on-screen"), "{ended:?}");
    assert_eq!(lab.phone.state()["typed"], "Quillon & sons", "{ended:?}");
    assert_eq!(lab.phone.state()["workout"], false, "begun by its name, ended by its place");
    let kept = attachments(&lab);
    let kept: Vec<(&str, &[u8])> = kept.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let of = |name: &str| kept.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no {name}: {ended:?}")).1;
    assert!(of("1-film.mp4").windows(4).any(|word| word == b"ftyp") && of("2-after.png").starts_with(b"\x89PNG"));
    let screen = String::from_utf8_lossy(of("3-last-screen-waitforvisible.txt")).into_owned();
    assert!(screen.contains("Quillon & sons") && screen.contains("workout"), "{screen}");
    assert_eq!((lab.changeable(), left(&lab)), (before, files));
    assert_eq!(lab.phone.shell("pidof screenrecord").code, Some(0), "the other one films still");
    let _ = theirs.kill();
    let _ = theirs.wait();
    lab.phone.shell("kill $(pidof screenrecord); rm -f /sdcard/theirs.mp4");
    lab.phone.mend(Fault::Animated);
}

#[test]
fn what_is_typed_stands_in_no_command_line_of_this_computer_and_in_nothing_that_is_kept() {
    let Some(lab) = Lab::boot(&Options::default(), "system") else { return };
    lab.install("sim-1.0");
    // An adb that notes how it was called, and is the real one.
    let program = lab.place.write("bin/adb", "#!/bin/sh\nprintf '%s\\n' \"$*\" >> \"$ADB_CALLS\"\nexec adb \"$@\"\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("ours");
    lab.rewrite_rig("adb: {", "adb: { program: bin/adb,");
    scenario(&lab, &format!("  - tapOn: {{ id: search }}\n  - inputText: \"${{env:STAND_IN_SECRET}}\"\n{END}"));
    let calls = lab.place.path().join("calls");
    let mut command = lab.command(&RUN);
    command.env("STAND_IN_SECRET", SECRET).env("ADB_CALLS", &calls);
    let ended = crate::support::finish(command);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert_eq!(lab.phone.state()["typed"], SECRET, "{ended:?}");
    let calls = fs::read_to_string(calls).expect("adb was called");
    assert!(calls.contains("read -r text") && !calls.contains("it's"), "{calls}");
    let kept = attachments(&lab).into_iter().map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned());
    let logs = lab.place.files("events.jsonl").into_iter().map(|file| fs::read_to_string(file).expect("readable"));
    for text in kept.chain(logs).chain([ended.out, ended.err]) {
        assert!(!text.contains("it's") && !text.contains("\\\\n *"), "{text}");
    }
}

#[test]
fn nothing_is_typed_or_tapped_into_another_app() {
    let Some(lab) = Lab::boot(&Options::default(), "system") else { return };
    lab.install("sim-1.0");
    for step in ["inputText: Quillon", "tapOn: { point: \"50%,50%\" }"] {
        scenario(&lab, &format!("  - pressKey: home\n  - {step}\n"));
        let ended = lab.tattletale(&RUN);
        assert!(ended.code != Some(0) && ended.err.contains("launch the app first"), "{step}: {ended:?}");
        assert_eq!(lab.phone.state()["typed"], "", "{step}");
    }
}

#[test]
fn what_a_cut_leaves_of_a_look_at_the_screen_is_removed_by_the_next_command() {
    let Some(mut lab) = Lab::boot(&Options::default(), "system") else { return };
    lab.install("sim-1.0");
    let (before, files) = (lab.changeable(), left(&lab));
    // Long enough for the cable to be cut in the middle.
    lab.phone.property("debug.standin.slow.uiautomator", "3000");
    scenario(&lab, END);
    let child = lab.command(&RUN).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let looks = |lab: &Lab| lab.phone.commands().iter().any(|command| command[0] == "uiautomator");
    crate::support::phone_lab::eventually("it looks at the screen", || looks(&lab));
    lab.phone.cut_link();
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    let file = lab.phone.folder().join("run/data/local/tmp/tattletale-screen.xml");
    // Whether the phone writes it after all, or its shell went with the cable.
    if !file.exists() {
        fs::write(&file, "<hierarchy/>").expect("the lab's own");
    }
    lab.phone.reconnect();
    let ended = lab.tattletale(&["restore"]);
    assert!(ended.code == Some(0) && ended.err.contains("the file /data/local/tmp/tattletale-screen.xml"), "{ended:?}");
    assert!(!file.exists());
    assert_eq!((lab.changeable(), left(&lab)), (before, files));
}
