//! The cable and what hangs on it: the real adbd in a network of its own, links that are cut, tunnels that vanish.

use std::{fs, path::Path, process::Command};

use sha2::{Digest, Sha256};

use crate::{
    rig::descendants,
    support::phone_lab::{Fault, Options, Phone, eventually},
};

#[test]
fn the_daemon_is_the_packages_adbd_in_a_network_of_its_own() {
    let Some(phone) = Phone::boot(&Options::default()) else { return };
    let below = descendants(phone.process());
    let loaded = |process: &u32| fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
    let daemons: Vec<&u32> = below.iter().filter(|process| loaded(process).contains("/platform-tools/adbd")).collect();
    let [daemon] = daemons[..] else { panic!("one adbd, not {daemons:?}") };
    // What is mapped is read through the process's own view of its files.
    let program = fs::read(format!("/proc/{daemon}/root/apex/adbd/lib/android-sdk/platform-tools/adbd")).expect("its own program");
    let lab = std::env::var("TATTLETALE_PHONE_LAB").expect("we are in the lab");
    let packages = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/lab/phone/packages")).expect("it is committed");
    let pinned = packages.lines().find_map(|line| line.strip_prefix("adbd ")).expect("adbd is pinned");
    let sum = pinned.split(' ').nth(1).expect("a sum");
    let package = Path::new(&lab).join(format!("debs/adbd_{}.deb", &sum[..16]));
    assert_eq!(sha256(&fs::read(&package).expect("it was downloaded")), sum, "the package is the pinned one");
    let out = Command::new("dpkg-deb").arg("--fsys-tarfile").arg(&package).output().expect("dpkg-deb is there").stdout;
    let at = out.windows(program.len()).any(|window| window == program);
    assert!(at, "the program that runs is the package's");
    let network = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).expect("a network");
    assert_ne!(network(&daemon.to_string()), network("self"), "it is outside of our network");
}

#[test]
fn adb_gives_0_for_a_command_that_the_link_dropped() {
    let Some(mut phone) = Phone::boot(&Options::default()) else { return };
    let mut command = Command::new("adb");
    command.envs(phone.adb_env()).args(["-s", &phone.serial(), "shell", "echo on >/data/local/tmp/on; sleep 60; exit 5"]);
    let mut child = command.spawn().expect("adb is installed");
    let on = phone.folder().join("run/data/local/tmp/on");
    eventually("the command runs", || on.exists());
    phone.cut_link();
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "a torn command looks like one that went well");
    phone.reconnect();
    assert_eq!(phone.shell("exit 5").code, Some(5), "one that is whole does not");
}

#[test]
fn a_new_connection_has_no_tunnels_and_the_phone_keeps_its_proxy() {
    let Some(mut phone) = Phone::boot(&Options::default()) else { return };
    let port = phone.adb(&["reverse", "tcp:0", "tcp:1"]).out.trim().to_owned();
    assert!(port.parse::<u16>().is_ok_and(|port| port > 0), "the phone chooses a port: {port:?}");
    phone.says(&format!("settings put global http_proxy 127.0.0.1:{port}"));
    assert!(phone.adb(&["reverse", "--list"]).out.contains(&format!("tcp:{port}")));
    phone.cut_link();
    phone.reconnect();
    assert_eq!(phone.adb(&["reverse", "--list"]).out.trim(), "");
    assert_eq!(phone.setting("global", "http_proxy"), Some(format!("127.0.0.1:{port}")));
}

#[test]
fn a_tunnel_replaces_another_unless_told_not_to() {
    let Some(phone) = Phone::boot(&Options::default()) else { return };
    assert_eq!(phone.adb(&["reverse", "tcp:9000", "tcp:1"]).code, Some(0));
    assert_eq!(phone.adb(&["reverse", "tcp:9000", "tcp:2"]).code, Some(0));
    let refused = phone.adb(&["reverse", "--no-rebind", "tcp:9000", "tcp:3"]);
    assert!(refused.code == Some(1) && refused.err.contains("cannot rebind existing socket"), "{refused:?}");
    let list = phone.adb(&["reverse", "--list"]).out;
    assert!(list.contains("tcp:9000 tcp:2") && list.trim().lines().count() == 1, "{list}");
}

#[test]
fn a_phone_that_went_away_stays_listed() {
    let Some(mut phone) = Phone::boot(&Options::default()) else { return };
    assert!(phone.adb_of_all(&["devices", "-l"]).out.contains("model:Stand_in_One"));
    phone.fault(Fault::Offline);
    eventually("it is listed as offline", || listed(&phone) == "offline");
    phone.mend(Fault::Offline);
    phone.reconnect();
    assert_eq!(listed(&phone), "device");
}

#[test]
fn a_phone_that_has_not_accepted_this_computer_is_unauthorized() {
    let Some(mut phone) = Phone::boot(&Options { faults: vec![Fault::Unauthorized], ..Options::default() }) else { return };
    phone.adb_of_all(&["connect", &phone.serial()]);
    eventually("it is listed as unauthorized", || listed(&phone) == "unauthorized");
    let refused = phone.shell("true");
    assert!(refused.code == Some(1) && refused.err.contains("unauthorized"), "{refused:?}");
    // Its owner taps on "allow".
    phone.mend(Fault::Unauthorized);
    eventually("it is there", || listed(&phone) == "device");
    assert_eq!(phone.says("getprop ro.product.model"), "Stand-in One");
}

#[test]
fn what_the_phone_says_can_be_cut_anywhere() {
    let Some(mut phone) = Phone::boot(&Options::default()) else { return };
    phone.cut_link_after(100_000);
    let torn = phone.adb(&["exec-out", "head -c 1000000 /dev/zero"]);
    assert!(torn.out.len() < 100_000, "{} bytes came through", torn.out.len());
    assert!(phone.is_cut());
    phone.reconnect();
    assert_eq!(phone.adb(&["exec-out", "head -c 1000000 /dev/zero"]).out.len(), 1_000_000);
}

#[test]
fn two_phones_on_one_computer_are_told_apart() {
    let (Some(phone), Some(other)) = (Phone::boot(&Options::default()), Phone::boot(&Options { sdk: 33, ..Options::default() })) else {
        return;
    };
    phone.adb_of_all(&["connect", &other.serial()]);
    eventually("both are there", || phone.adb_of_all(&["devices"]).out.matches("\tdevice").count() == 2);
    let nobody = phone.adb_of_all(&["shell", "true"]);
    assert!(nobody.code == Some(1) && nobody.err.contains("more than one device"), "{nobody:?}");
    assert_eq!(phone.says("getprop ro.build.version.sdk"), "34");
    assert_eq!(phone.adb_of_all(&["-s", &other.serial(), "shell", "getprop ro.build.version.sdk"]).out.trim(), "33");
}

#[test]
fn without_root_it_is_the_same_phone() {
    let Some(phone) = Phone::boot(&Options { user_namespace: true, ..Options::default() }) else { return };
    let installed = phone.adb(&["install", &phone.apk("sim-1.0").to_string_lossy()]);
    assert_eq!(installed.code, Some(0), "{installed:?}");
    assert_eq!(phone.shell("mount -t tmpfs tmpfs /system/etc/security/cacerts").code, Some(32));
    assert_eq!(phone.says("su -c 'mount -t tmpfs tmpfs /system/etc/security/cacerts; ls /system/etc/security/cacerts | wc -l'"), "0");
    assert_eq!(phone.adb(&["reverse", "tcp:0", "tcp:1"]).code, Some(0));
}

#[test]
fn whatever_ends_the_stand_in_ends_the_phone() {
    let Some(phone) = Phone::boot(&Options::default()) else { return };
    let processes = descendants(phone.process());
    assert!(processes.len() > 3, "{processes:?}");
    let killed = Command::new("kill").args(["-KILL", &phone.stand_in().to_string()]).status().expect("kill is there");
    assert!(killed.success());
    let is_there = |process: &u32| fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    eventually("nothing of it is left", || !processes.iter().any(is_there));
}

/// What adb says that the phone is.
fn listed(phone: &Phone) -> String {
    let (serial, list) = (phone.serial(), phone.adb_of_all(&["devices"]).out);
    list.lines().find_map(|line| line.strip_prefix(&serial)).unwrap_or("not listed").trim().to_owned()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
