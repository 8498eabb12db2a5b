//! `doctor` on phones with which something is wrong: each is named, with the switch to flip, and nothing else is; and the phone is left
//! as it was.

use std::process::Stdio;

use serde_json::Value;

use crate::{
    rig::Lab,
    support::phone_lab::{Fault, Options},
};

/// What a look at a rig says: state and advice of each check.
struct Told {
    code: Option<i32>,
    checks: Vec<Value>,
    err: String,
}

impl Told {
    fn by(lab: &Lab) -> Self {
        Self::of(lab, &["doctor", "--format", "json"])
    }

    fn of(lab: &Lab, line: &[&str]) -> Self {
        let ended = lab.tattletale(line);
        let told: Value = serde_json::from_str(&ended.out).unwrap_or_else(|problem| panic!("{problem}: {ended:?}"));
        Self { code: ended.code, checks: told["checks"].as_array().expect("a list").clone(), err: ended.err }
    }

    /// Those that are not as they should be.
    fn amiss(&self) -> Vec<&str> {
        self.checks.iter().filter(|check| check["state"] != "ok").map(|check| check["check"].as_str().expect("a name")).collect()
    }

    fn text(&self, check: &str, key: &str) -> &str {
        let found = self.checks.iter().find(|known| known["check"] == check).unwrap_or_else(|| panic!("no {check}: {:?}", self.checks));
        found[key].as_str().expect("text")
    }
}

#[test]
fn a_phone_with_which_nothing_is_wrong_is_ready_and_is_left_as_it_was() {
    let Some(lab) = Lab::boot(&Options::default(), "system") else { return };
    lab.install("sim-1.0");
    let (before, certificates) = (lab.changeable(), lab.certificates());
    let told = Told::by(&lab);
    assert_eq!((told.code, told.amiss()), (Some(0), vec![]), "{:?}", told.checks);
    assert!(told.checks.iter().all(|check| check["ran"] != "" && check["read"] != ""), "{:?}", told.checks);
    assert!(told.text("a request of the phone's", "read").starts_with("it came to the proxy and was read there"), "{:?}", told.checks);
    assert_eq!(told.checks.iter().filter(|check| ["adb", "phone"].iter().any(|name| check["check"] == *name)).count(), 2, "each once");
    assert_eq!((lab.changeable(), lab.certificates()), (before, certificates));
    let table = lab.tattletale(&["doctor"]);
    assert!(table.code == Some(0) && table.out.contains("screen") && !table.out.contains("What to do"), "{table:?}");
    assert!(!table.out.contains(&lab.phone.serial()), "{table:?}");
}

#[test]
fn each_thing_that_is_wrong_is_named_with_its_switch_and_nothing_else_is() {
    let check = |options: &Options, ca: &str, names: &[&str], advice: &str| {
        let Some(lab) = Lab::boot(options, ca) else { return };
        lab.install("sim-1.0");
        let before = lab.changeable();
        let told = Told::by(&lab);
        assert_eq!((told.code, told.amiss()), (Some(3), names.to_vec()), "{options:?}: {:?}", told.checks);
        let help = told.text(names[0], "help");
        assert!(help.contains(advice), "{advice}: {help}");
        assert_eq!(lab.changeable(), before, "{options:?}");
    };
    let request = "a request of the phone's";
    let fault = |fault| Options { faults: vec![fault], ..Options::default() };
    let setting = |name, value: &str| Options { settings: vec![(name, value.to_owned())], ..Options::default() };
    check(&fault(Fault::InputRefused), "system", &["touching the screen"], "USB debugging (Security settings)");
    check(&fault(Fault::MockLocationRefused), "system", &["placing the phone"], "mock location app");
    check(&fault(Fault::NoTestProviders), "system", &["placing the phone"], "Android 12");
    check(&Options { clock_offset_s: 3600, ..Options::default() }, "system", &["clock"], "Set time automatically");
    check(&setting("global/low_power", "1"), "system", &["battery saver"], "Battery saver");
    check(&setting("global/http_proxy", "10.0.0.1:3128"), "system", &["proxy and tunnel"], "settings put global http_proxy :0");
    check(&setting("global/http_proxy", "127.0.0.1:40999"), "system", &["proxy and tunnel"], "tattletale restore");
    check(&setting("global/global_proxy_pac_url", "http://wpad.test/proxy.pac"), "system", &["proxy and tunnel"], "global_proxy_pac_url");
    check(&setting("global/global_http_proxy_host", "proxy.test"), "system", &["proxy and tunnel"], "device policy");
    check(&Options { root: "none", ..Options::default() }, "system", &["root", "certificates of the app", request], "rooted phone");
    check(&Options::default(), "user", &["certificates of the app", request], "phone: { ca: system }");
}

#[test]
fn a_locked_screen_and_an_hour_too_much_are_both_named() {
    let Some(lab) = Lab::boot(&Options { locked: true, clock_offset_s: -3600, ..Options::default() }, "system") else { return };
    lab.install("sim-1.0");
    let told = Told::by(&lab);
    let amiss = told.amiss();
    assert!(told.code == Some(3) && amiss.contains(&"screen") && amiss.contains(&"clock"), "{:?}", told.checks);
    assert!(
        told.text("screen", "help").contains("unlock") && told.text("clock", "read").starts_with("1 h 0 min behind"),
        "{:?}",
        told.checks
    );
}

#[test]
fn a_phone_that_refuses_packages_names_its_switch() {
    let Some(mut lab) = Lab::boot(&Options::default(), "system") else { return };
    lab.install("sim-1.0");
    lab.phone.fault(Fault::InstallRefused);
    let told = Told::by(&lab);
    assert_eq!((told.code, told.amiss()), (Some(3), vec!["installing over USB"]), "{:?}", told.checks);
    assert!(told.text("installing over USB", "help").contains("Install via USB"));
}

#[test]
fn a_switch_that_is_not_told_is_neither_off_nor_on() {
    let Some(mut lab) = Lab::boot(&Options::default(), "system") else { return };
    lab.install("sim-1.0");
    // Another system on a phone of Xiaomi's has no such switch; their own has, and may not tell.
    lab.phone.property("ro.product.manufacturer", "Xiaomi");
    assert_eq!((Told::by(&lab).code, Told::by(&lab).amiss()), (Some(0), vec![]));
    lab.phone.property("ro.miui.ui.version.name", "V14");
    let told = Told::by(&lab);
    assert_eq!((told.code, told.amiss()), (Some(4), vec!["installing over USB"]), "{:?}", told.checks);
    lab.phone.property("persist.security.adbinstall", "1");
    assert_eq!(Told::by(&lab).code, Some(0));
}

#[test]
fn what_stands_between_the_phone_and_its_servers_is_told_both_at_once() {
    let Some(mut lab) = Lab::boot(&Options::default(), "system") else { return };
    lab.install("sim-1.0");
    lab.phone.property("debug.standin.wifi_proxy", "[192.0.2.9] 8080");
    lab.phone.property("debug.standin.vpn", "1");
    lab.phone.fault(Fault::InputRefused);
    let told = Told::by(&lab);
    let name = "VPN and networks' proxies";
    assert_eq!((told.code, told.amiss()), (Some(3), vec!["touching the screen", name]), "{:?}", told.checks);
    let (read, help) = (told.text(name, "read"), told.text(name, "help"));
    assert!(read.contains("a VPN is on") && read.contains("[192.0.2.9] 8080"), "{read}");
    assert!(help.contains("VPN") && help.contains("Wi-Fi"), "{help}");
}

#[test]
fn a_phone_that_cannot_be_reached_says_why() {
    let check = |line: &str, change: &dyn Fn(&mut Lab), advice: &str| {
        let Some(mut lab) = Lab::boot(&Options::default(), "system") else { return };
        change(&mut lab);
        let told = Told::by(&lab);
        let last = told.checks.last().expect("at least adb");
        let (read, help) = (last["read"].as_str().expect("text"), last["help"].as_str().expect("text"));
        assert!(
            told.code == Some(3) && last["state"] == "wrong" && read.contains(line) && help.contains(advice),
            "{line}: {:?}",
            told.checks
        );
    };
    check("not allowed this computer", &|lab| reconnected_with(lab, Fault::Unauthorized), "Allow USB debugging");
    check("offline", &|lab| reconnected_with(lab, Fault::Offline), "plug it in again");
    check("it is not connected", &|lab| lab.rewrite_rig(&lab.phone.serial(), "127.0.0.1:1"), "phone: { serial");
    check("start no-adb-here", &|lab| lab.rewrite_rig("adb: {", "adb: { program: no-adb-here,"), "apt install adb");
}

#[test]
fn of_two_phones_and_no_name_neither_is_guessed() {
    let (Some(lab), Some(other)) = (Lab::boot(&Options::default(), "system"), crate::support::phone_lab::Phone::boot(&Options::default()))
    else {
        return;
    };
    // Both at one adb server.
    assert!(lab.phone.adb_of_all(&["connect", &other.serial()]).out.contains("connected"));
    lab.rewrite_rig(&format!("serial: \"{}\", ", lab.phone.serial()), "");
    let told = Told::by(&lab);
    assert_eq!((told.code, told.amiss()), (Some(3), vec!["phone"]), "{:?}", told.checks);
    assert!(
        told.text("phone", "read").contains("several are connected") && told.text("phone", "help").contains("serial"),
        "{:?}",
        told.checks
    );
}

#[test]
fn what_is_not_understood_is_not_taken_for_good() {
    let Some(mut lab) = Lab::boot(&Options::default(), "system") else { return };
    lab.phone.set("global", "low_power", Some("perhaps"));
    let told = Told::by(&lab);
    // Nor is an app that is not there.
    assert_eq!((told.code, told.amiss()), (Some(4), vec!["battery saver", "certificates of the app"]), "{:?}", told.checks);
    assert_eq!(told.text("battery saver", "state"), "cannot tell");
}

#[test]
fn an_app_that_says_that_it_trusts_its_person_is_believed() {
    let Some(lab) = Lab::boot(&Options::default(), "user") else { return };
    lab.install("sim-0.9");
    let told = Told::by(&lab);
    assert_eq!(told.text("certificates of the app", "state"), "ok", "{:?}", told.checks);
    assert!(told.amiss() == ["a request of the phone's"], "nobody has installed the certificate: {:?}", told.checks);
}

#[test]
fn what_a_killed_run_left_is_put_back_first() {
    let Some(lab) = Lab::boot(&Options::default(), "system") else { return };
    lab.install("sim-1.0");
    let before = lab.changeable();
    let line = ["run", "passive-sync", "--rig", "rig.yaml", "--runs", "1", "--quiet"];
    let mut child = lab.command(&line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    lab.wait_until_routed(None);
    child.kill().and_then(|()| child.wait()).expect("it ends");
    let told = Told::by(&lab);
    assert_eq!((told.code, told.amiss()), (Some(0), vec![]), "{:?}", told.checks);
    assert!(told.err.contains("put back: the setting global http_proxy"), "{}", told.err);
    assert_eq!(lab.changeable(), before);
}

#[test]
fn a_missing_radio_is_named() {
    let Some(mut lab) = Lab::boot(&Options::default(), "system") else { return };
    lab.install("sim-1.0");
    lab.rewrite_rig("lab:", "band: { model: mi-band-3, address: \"C0:FF:EE:12:34:56\" }\nlab:");
    let told = Told::by(&lab);
    assert_eq!((told.code, told.amiss()), (Some(3), vec!["Bluetooth adapter"]), "{:?} {}", told.checks, told.err);
    assert!(told.text("Bluetooth adapter", "help").contains("plug an adapter in"), "{:?}", told.checks);
    // Not instead of what is wrong with the phone.
    lab.phone.lock(true);
    let told = Told::by(&lab);
    let amiss = told.amiss();
    assert!(amiss.contains(&"screen") && amiss.contains(&"Bluetooth adapter"), "{:?}", told.checks);
}

/// The cable is pulled and comes back with something wrong.
fn reconnected_with(lab: &mut Lab, fault: Fault) {
    lab.phone.cut_link();
    lab.phone.fault(fault);
    lab.phone.reconnect_in_vain();
}
