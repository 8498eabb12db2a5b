//! The way over Wi-Fi: the phone reaches the proxy at the computer's address in the network that both are in, and not by the cable. The
//! test runs itself once more in a network of its own, where it is the computer and nobody else is: what listens on the stand-in phone is an
//! open root shell.

use std::process::Command;

use serde_json::Value;

use crate::{
    rig::Lab,
    support::phone_lab::{APP, Options, Phone, skipped},
};

/// Set in the run that is in a network of its own.
const INSIDE: &str = "TATTLETALE_OWN_NETWORK";
/// The computer's address and the phone's, of those that documentation may use (RFC 5737).
const COMPUTER: &str = "198.51.100.1";
const PHONE: &str = "198.51.100.2";

#[test]
fn over_wifi_the_phone_reaches_the_proxy_at_the_computer_s_address() {
    if std::env::var_os("TATTLETALE_PHONE_LAB").is_none() {
        return skipped();
    }
    if std::env::var_os(INSIDE).is_none() {
        return once_more_in_a_network_of_its_own("wifi::over_wifi_the_phone_reaches_the_proxy_at_the_computer_s_address");
    }
    let Some(lab) = Lab::boot(&Options::default(), "system") else { return };
    join(&lab.phone);
    lab.install("sim-1.1");
    lab.rewrite_rig("phone: { kind: android,", &format!("proxy: {{ listen: \"{COMPUTER}:0\" }}\nphone: {{ kind: android, route: wifi,"));
    let (before, reversed) = (lab.changeable(), lab.phone.adb(&["reverse", "--list"]).out);
    let (ended, told) = lab.json(&["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1", "--format", "json"]);
    let told: &Value = &told["reports"][0];
    assert!(told["endpoints"].to_string().contains("band_data.json"), "{ended:?}");
    // It went nowhere else, and no counter says more than it can know.
    let pointed = lab.phone.commands().into_iter().filter(|words| words.starts_with(&["settings".into(), "put".into(), "global".into()]));
    let proxies: Vec<String> = pointed.filter(|words| words[3] == "http_proxy").map(|words| words[4].clone()).collect();
    assert!(proxies.iter().any(|proxy| proxy.starts_with(&format!("{COMPUTER}:"))), "{proxies:?}");
    assert!(!proxies.iter().any(|proxy| proxy.starts_with("127.0.0.1")), "{proxies:?}");
    assert!(!told["coverage"]["blind_spots"].to_string().contains("outside-proxy"), "{told:#}");
    assert_eq!((lab.changeable(), lab.phone.adb(&["reverse", "--list"]).out), (before, reversed));

    // Without an address of the network there is no way, and nothing is begun.
    lab.rewrite_rig(&format!("proxy: {{ listen: \"{COMPUTER}:0\" }}\n"), "");
    let refused = lab.tattletale(&["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1"]);
    assert!(refused.code == Some(3) && refused.err.contains("at which address of this computer it listens"), "{refused:?}");

    // Whoever leaves the network ends the run's way.
    lab.rewrite_rig("phone: { kind: android,", &format!("proxy: {{ listen: \"{COMPUTER}:0\" }}\nphone: {{ kind: android,"));
    in_the_phone_s_network(&lab.phone, &["link", "set", "wlan0", "down"]);
    let astray = lab.tattletale(&["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1"]);
    assert!(astray.code == Some(4) && astray.err.contains("nothing of its probe arrived"), "{astray:?}");
    assert!(!lab.phone.state()["packages"][APP].is_null());
}

/// Joins the phone and this test's network by two ends of a wire.
fn join(phone: &Phone) {
    let process = phone.process().to_string();
    ip(&["link", "add", "computer0", "type", "veth", "peer", "name", "wlan0", "netns", &process]);
    ip(&["address", "add", &format!("{COMPUTER}/24"), "dev", "computer0"]);
    ip(&["link", "set", "computer0", "up"]);
    in_the_phone_s_network(phone, &["address", "add", &format!("{PHONE}/24"), "dev", "wlan0"]);
    in_the_phone_s_network(phone, &["link", "set", "wlan0", "up"]);
}

#[track_caller]
fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("the lab has it");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

#[track_caller]
fn in_the_phone_s_network(phone: &Phone, arguments: &[&str]) {
    let network = format!("--net=/proc/{}/ns/net", phone.process());
    let output = Command::new("nsenter").args([&network, "ip"]).args(arguments).output().expect("the lab has it");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// Runs a test of this binary where there is no network but its own loopback, as root of a user namespace or of this machine.
fn once_more_in_a_network_of_its_own(test: &str) {
    let make = |flags: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(flags).args(["--net", "--", "sh", "-c"]);
        command
    };
    let wire = "ip link set lo up && ip link add type veth";
    let works = |flags: &&&[&str]| make(flags).arg(wire).output().is_ok_and(|output| output.status.success());
    let ways: [&[&str]; 2] = [&[], &["--map-root-user"]];
    let Some(flags) = ways.iter().find(works) else {
        assert!(std::env::var_os("TATTLETALE_NOTHING_MISSING").is_none(), "this machine's kernel joins no networks (veth)");
        return skipped();
    };
    let program = std::env::current_exe().expect("it runs");
    let mut command = make(flags);
    command.args(["ip link set lo up && exec \"$0\" \"$@\""]).arg(program).args([test, "--exact", "--nocapture"]).env(INSIDE, "1");
    let output = command.output().expect("it starts");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
