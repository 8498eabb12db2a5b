//! Looks at everything about a phone that makes a run fail or mislead, one check after another, each with its command and its answer.
//! An answer that is not understood is "cannot tell", never good. Nothing is left changed.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use super::{
    AdbSetup, TrustMode,
    changes::{self, Changes},
    client::Adb,
    declared::{self, Declared, FIRST_STRICT, Taken},
    device::{self, About},
    error::AdbError,
    foreign, frida,
    package::Package,
    repackage, trust,
};
use crate::{
    clock::Clock,
    model::{HostPattern, PhoneChange, text::printable},
    phone::{Check, PhoneError},
};

/// A phone that answers, to be looked at further.
pub struct Reached {
    adb: Adb,
    about: About,
}

/// Looks whether the phone that a rig means can be reached: what was looked at, and the phone, where it can. Nothing on it is changed.
pub async fn reach(setup: &AdbSetup) -> (Vec<Check>, Option<Reached>) {
    let mut checks = Vec::new();
    let reached = find(setup, &mut checks).await;
    (checks, reached)
}

/// Looks at a phone, and at the app on it, of which these hosts are its maker's. What it changes on the way is put back.
pub async fn examine(setup: &AdbSetup, Reached { adb, about }: &Reached, own: &[HostPattern]) -> Vec<Check> {
    let root = trust::has_root(adb).await;
    vec![
        install_switch(adb, about).await,
        input_switch(adb).await,
        screen_lock(adb).await,
        battery_saver(adb).await,
        clock(adb).await,
        foreign::proxy(adb).await,
        foreign::networks(adb).await,
        root_access(setup.trust, &root),
        app_trust(adb, setup, about, own, &root).await,
        mock_location(adb.clone(), setup, about).await,
    ]
}

/// The phone, if it can be reached.
async fn find(setup: &AdbSetup, checks: &mut Vec<Check>) -> Option<Reached> {
    let ran = "adb version";
    match setup.adb.run(&["version"], "ask adb for its version").await {
        Ok(said) => {
            let version = said.lines().find_map(|line| line.strip_prefix("Version "));
            checks.push(Check::good("adb", ran, version.unwrap_or_else(|| said.lines().next().unwrap_or_default()).trim()));
        }
        Err(error) => {
            checks.push(failed("adb", ran, &error));
            return None;
        }
    }
    let reached = match device::choose(setup.adb.clone(), setup.serial.as_ref()).await {
        Ok(adb) => About::of(&adb).await.map(|about| Reached { adb, about }),
        Err(error) => Err(error),
    };
    let ran = "adb devices -l; getprop";
    match &reached {
        Ok(Reached { about, .. }) => checks.push(Check::good("phone", ran, format!("{}; {}", about.in_words(), about.system()))),
        Err(error) => checks.push(failed("phone", ran, error)),
    }
    reached.ok()
}

/// Whether packages may be installed over USB: what the phone says when one is begun, and how the switch of Xiaomi's own system stands
/// (`persist.security.adbinstall`), which a package meets only at its end.
pub(super) async fn install_switch(adb: &Adb, about: &About) -> Check {
    let (name, ran) = ("installing over USB", "pm install-create; getprop persist.security.adbinstall");
    // A session that is begun and given up installs nothing.
    let answer = match adb.shell(&["pm", "install-create"], "begin to install something").await {
        Ok(answer) => answer,
        Err(error) => return failed(name, ran, &error),
    };
    let session = answer.stdout.split_once("created install session [").and_then(|(_, rest)| rest.split(']').next());
    let Some(session) = session else {
        let said = format!("{}{}", answer.stdout, answer.stderr);
        return match AdbError::of_install(&said) {
            Some(error @ AdbError::InstallRestricted) => failed(name, ran, &error),
            _ => Check::cannot_tell(name, ran, format!("not understood: {}", super::error::cut(&said)), ""),
        };
    };
    // One that stays is dropped by the phone itself at its next start.
    let _ = adb.shell(&["pm", "install-abandon", session], "give it up").await;
    match adb.ask(&["getprop", "persist.security.adbinstall"], "ask whether packages may be installed").await {
        Ok(switch) => of_switch(name, ran, switch.trim(), about),
        Err(error) => failed(name, ran, &error),
    }
}

/// A phone that begins to install what it is given, and its switch.
fn of_switch(name: &'static str, ran: &str, switch: &str, about: &About) -> Check {
    let help = AdbError::InstallRestricted.help();
    match switch {
        "0" | "false" => Check::wrong(name, ran, format!("the phone's switch says {switch}"), help),
        // Whoever made the phone: another system on it has no such switch.
        "" if about.xiaomi_system => {
            Check::cannot_tell(name, ran, "it begins to install what it is given, and does not say how its switch stands", help)
        }
        "" | "1" | "true" => Check::good(name, ran, "it begins to install what it is given"),
        other => Check::cannot_tell(name, ran, format!("its switch is not understood: {}", super::error::cut(other)), help),
    }
}

/// Whether the screen may be touched: a key that means nothing is pressed.
async fn input_switch(adb: &Adb) -> Check {
    let (name, ran) = ("touching the screen", "input keyevent 0");
    match adb.shell(&["input", "keyevent", "0"], "press a key that means nothing").await {
        Ok(answer) if answer.status == 0 && answer.stderr.trim().is_empty() && answer.stdout.trim().is_empty() => {
            Check::good(name, ran, "it takes a key that means nothing")
        }
        Ok(answer) => match AdbError::of_command("press a key", &answer.stdout, &answer.stderr) {
            error @ AdbError::InputForbidden => failed(name, ran, &error),
            error => Check::cannot_tell(name, ran, error.to_string(), error.help()),
        },
        Err(error) => failed(name, ran, &error),
    }
}

async fn screen_lock(adb: &Adb) -> Check {
    let (name, ran) = ("screen", "dumpsys window; dumpsys power");
    let window = match adb.ask(&["dumpsys", "window"], "ask whether the screen is locked").await {
        Ok(window) => window,
        Err(error) => return failed(name, ran, &error),
    };
    let power = match adb.ask(&["dumpsys", "power"], "ask whether the screen is on").await {
        Ok(power) => power,
        Err(error) => return failed(name, ran, &error),
    };
    let awake = power.lines().find_map(|line| line.trim().strip_prefix("mWakefulness="));
    match (is_locked(&window), awake) {
        (Some(true), _) => Check::wrong(name, ran, "it is locked", "unlock the phone, and keep it so: Developer options > Stay awake"),
        (Some(false), Some("Awake")) => Check::good(name, ran, "on and not locked"),
        (Some(false), Some("Asleep" | "Dozing")) => {
            Check::wrong(name, ran, "it is off", "switch the screen on, and keep it on: Developer options > Stay awake")
        }
        _ => Check::cannot_tell(name, ran, "the phone says neither that it is locked nor that it is not", "look at the phone"),
    }
}

/// What `dumpsys window` says of the lock; versions of Android say it under different names.
fn is_locked(dump: &str) -> Option<bool> {
    const NAMES: [&str; 4] = ["mDreamingLockscreen=", "mShowingLockscreen=", "isKeyguardShowing=", "mKeyguardShowing="];
    let words = || dump.split(|c: char| c.is_whitespace() || c == ',');
    let says = |value: &str| words().any(|word| NAMES.iter().any(|name| word.strip_prefix(name) == Some(value)));
    if says("true") { Some(true) } else { says("false").then_some(false) }
}

async fn battery_saver(adb: &Adb) -> Check {
    let (name, ran) = ("battery saver", "settings get global low_power");
    match changes::setting(adb, "global", "low_power").await {
        Ok(None) => Check::good(name, ran, "never switched on"),
        Ok(Some(value)) if value == "0" => Check::good(name, ran, "off"),
        Ok(Some(value)) if value == "1" => {
            Check::wrong(name, ran, "on: it keeps apps from syncing in the background", "switch off Settings > Battery > Battery saver")
        }
        Ok(Some(other)) => Check::cannot_tell(name, ran, format!("not understood: {}", printable(&other)), ""),
        Err(error) => failed(name, ran, &error),
    }
}

async fn clock(adb: &Adb) -> Check {
    let (name, ran) = ("clock", "date +%s");
    let clock = Clock::real();
    let before = clock.now();
    let said = match adb.ask(&["date", "+%s"], "ask the phone what time it is").await {
        Ok(said) => said,
        Err(error) => return failed(name, ran, &error),
    };
    let Some(phone) = said.trim().parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok()) else {
        return Check::cannot_tell(name, ran, format!("not understood: {}", super::error::cut(&said)), "");
    };
    let skew = skew(before, phone, clock.now());
    match skew.abs() > MOST_SKEW {
        false => Check::good(name, ran, "as this computer's"),
        true => Check::wrong(
            name,
            ran,
            format!("{} {} this computer's", in_words(skew.abs()), if skew.is_negative() { "behind" } else { "ahead of" }),
            "switch on Settings > Date & time > Set time automatically; certificates and the times in uploads depend on it",
        ),
    }
}

/// How far the phone's whole second is off the time in which it was asked; nothing as long as it is within.
fn skew(before: Timestamp, phone: Timestamp, after: Timestamp) -> SignedDuration {
    let (early, late) = (phone.duration_since(before) + SignedDuration::from_secs(1), phone.duration_since(after));
    if late.is_positive() {
        late
    } else if early.is_negative() {
        early
    } else {
        SignedDuration::ZERO
    }
}

/// `1 h 0 min`, `4 min`.
fn in_words(duration: SignedDuration) -> String {
    // To the nearest: the phone says whole seconds.
    let minutes = (duration.as_secs() + 30) / 60;
    if minutes < 60 { format!("{minutes} min") } else { format!("{} h {} min", minutes / 60, minutes % 60) }
}

fn root_access(mode: TrustMode, root: &Result<bool, AdbError>) -> Check {
    let (name, ran) = ("root", "whoami; su -c whoami");
    match (root, mode) {
        (Ok(true), _) => Check::good(name, ran, "to be had"),
        (Ok(false), TrustMode::System) => {
            let error = AdbError::NoRoot(String::new());
            Check::wrong(name, ran, "not to be had, and phone: { ca: system } needs it", error.help())
        }
        (Ok(false), _) => Check::good(name, ran, "not to be had; this rig does not need it"),
        (Err(error), _) => failed(name, ran, error),
    }
}

/// Whether this app can be made to trust the proxy in the way that the rig says.
async fn app_trust(adb: &Adb, setup: &AdbSetup, about: &About, own: &[HostPattern], root: &Result<bool, AdbError>) -> Check {
    let name = "certificates of the app";
    let ran = "dumpsys package; unzip -p base.apk AndroidManifest.xml, its networkSecurityConfig";
    let mut found = None;
    for id in &setup.ids {
        match Package::of(adb, id).await {
            Ok(Some(package)) => found = found.or(Some((id, package))),
            Ok(None) => {}
            Err(error) => return failed(name, ran, &error),
        }
    }
    let Some((id, package)) = found else {
        let error = AdbError::AppNotInstalled(setup.ids.join(", "));
        return Check::cannot_tell(name, "dumpsys package", "the app is not installed, so that its files cannot be read", error.help());
    };
    match (setup.trust, root) {
        (TrustMode::None, _) => {
            Check::good(name, "dumpsys package", "not needed: phone: { ca: none } reads hosts, sizes and times, and no contents")
        }
        (TrustMode::Repackaged, _) => repackage::look(adb, setup, id, about.sdk).await,
        (TrustMode::Script, _) => frida::look(setup).await,
        (TrustMode::System, Ok(true)) => Check::good(
            name,
            "dumpsys package; whoami; su -c whoami",
            "there is the root by which the system's store is given the certificate; hosts that the app pins stay unread",
        ),
        (TrustMode::System, Ok(false)) => {
            let error = AdbError::NoRoot(String::new());
            Check::wrong(name, "dumpsys package; whoami; su -c whoami", "the system's store cannot be written without root", error.help())
        }
        (TrustMode::System, Err(error)) => failed(name, "dumpsys package; whoami; su -c whoami", error),
        // Before Android 7 nobody asks the app.
        (TrustMode::User, _) if about.sdk != 0 && about.sdk < FIRST_STRICT => Check::good(
            name,
            "getprop; dumpsys package",
            "on this version of Android every app trusts certificates that a person has installed",
        ),
        (TrustMode::User, _) => match declared::declared(adb, id).await {
            Ok(declared) => of_declared(name, ran, package.target_sdk, &declared, own, Clock::real().now().to_zoned(TimeZone::UTC).date()),
            Err(error) => Check::cannot_tell(name, ran, error.to_string(), NOT_TRUSTED),
        },
    }
}

/// What an app says of itself, weighed for the hosts of its maker.
fn of_declared(name: &'static str, ran: &str, target: Option<u32>, declared: &Declared, own: &[HostPattern], today: Date) -> Check {
    let made_for = target.map_or_else(|| "it does not say for what it is made".to_owned(), |target| format!("it is made for API {target}"));
    if own.is_empty() && declared.has_rules() {
        let read = "it says whom it trusts host by host, and which hosts are its maker's is not known (first_party in app.yaml)";
        return Check::cannot_tell(name, ran, read, NOT_TRUSTED);
    }
    let mut answers: Vec<(&str, BTreeSet<Taken>)> =
        own.iter().map(|pattern| (pattern.0.as_str(), declared.of_hosts(pattern, target, today))).collect();
    if answers.is_empty() {
        answers.push(("any host", [declared.elsewhere(target)].into()));
    }
    let those = |is: &dyn Fn(&BTreeSet<Taken>) -> bool| -> Vec<&str> {
        answers.iter().filter(|(_, answers)| is(answers)).map(|(host, _)| *host).collect()
    };
    let yes = [Taken::Yes].into();
    let refused = those(&|is| !is.contains(&Taken::Yes) && !is.contains(&Taken::Unsaid));
    let unclear = those(&|is| *is != yes && (is.contains(&Taken::Yes) || is.contains(&Taken::Unsaid)));
    let pins = answers.iter().any(|(_, answers)| answers.contains(&Taken::Pinned));
    let pins = if pins { "; some it pins" } else { "" };
    if refused.len() == answers.len() {
        let why = if *declared == Declared::default() { made_for } else { "it says whom it trusts".to_owned() };
        return Check::wrong(name, ran, format!("the app trusts no certificate that a person installs: {why}{pins}"), NOT_TRUSTED);
    }
    if !refused.is_empty() {
        let read = format!("the app trusts no certificate that a person installs for {}{pins}", listed(&refused));
        return Check::wrong(name, ran, read, NOT_TRUSTED);
    }
    if !unclear.is_empty() {
        let why = if answers.iter().any(|(_, answers)| answers.contains(&Taken::Unsaid)) { made_for } else { "only some may".to_owned() };
        return Check::cannot_tell(name, ran, format!("of {}: {why}{pins}", listed(&unclear)), NOT_TRUSTED);
    }
    let others = if declared.elsewhere(target) == Taken::Yes { "" } else { ", for its maker's hosts; others stay unread" };
    let why = if *declared == Declared::default() { made_for } else { "it says so".to_owned() };
    Check::good(name, ran, format!("the app trusts certificates that a person has installed: {why}{others}"))
}

/// The first few, and how many more.
fn listed(hosts: &[&str]) -> String {
    const MOST: usize = 4;
    let more = if hosts.len() > MOST { format!(" and {} more", hosts.len() - MOST) } else { String::new() };
    format!("{}{more}", hosts[..hosts.len().min(MOST)].join(", "))
}

/// Whether positions can be given to the phone: a source of positions with a name of our own is made, and taken away.
async fn mock_location(adb: Adb, setup: &AdbSetup, about: &About) -> Check {
    let (name, ran) = ("placing the phone", "cmd location providers add-test-provider");
    if !about.test_providers {
        let help = "scenarios with setLocation or travel need Android 12 or later; others can run";
        return Check::wrong(name, "cmd location help", "this version of Android takes no positions from the shell", help);
    }
    match try_location(adb, setup).await {
        Ok(()) => Check::good(name, ran, "it takes positions"),
        Err(PhoneError::Adb(error @ AdbError::Refused { .. })) => Check::wrong(
            name,
            ran,
            error.to_string(),
            "switch on Developer options > Disable permission monitoring, where the phone has it, and take any app out of Developer options > \
             Select mock location app",
        ),
        Err(PhoneError::Adb(error)) => failed(name, ran, &error),
        Err(error) => Check::cannot_tell(name, ran, error.to_string(), ""),
    }
}

async fn try_location(adb: Adb, setup: &AdbSetup) -> Result<(), PhoneError> {
    let stored = |error: crate::store::StoreError| PhoneError::Failed(error.to_string());
    let mut changes = Changes::of(adb, setup.folder.clone()).map_err(stored)?;
    changes.app_op(super::location::SHELL, super::location::MOCK_LOCATION, "allow").await?;
    changes.will(PhoneChange::TestProvider { name: OWN_PROVIDER.to_owned() })?;
    let what = "put a source of positions of the test's own in place";
    let tried = changes.adb.ask(&["cmd", "location", "providers", "add-test-provider", OWN_PROVIDER], what).await;
    changes.undo(false).await.map_err(stored)?;
    Ok(tried.map(drop)?)
}

/// What an error means for a check: a phone that did not answer, or not as is known, is not a phone that is wrong.
pub(super) fn failed(about: &'static str, ran: &str, error: &AdbError) -> Check {
    match error {
        AdbError::NotUnderstood { .. } | AdbError::Refused { .. } | AdbError::TimedOut { .. } | AdbError::TooLong { .. } => {
            Check::cannot_tell(about, ran, error.to_string(), error.help())
        }
        _ => Check::wrong(about, ran, error.to_string(), error.help()),
    }
}

/// What there is besides `ca: user`.
const NOT_TRUSTED: &str = "use a rooted phone (phone: { ca: system } in the rig file), have the app rebuilt (phone: { ca: repackaged }), or phone: { ca: none }, \
                           which reads hosts, sizes and times only";
/// Times in uploads are compared with minutes of the band.
const MOST_SKEW: SignedDuration = SignedDuration::from_secs(60);
/// A source of positions that no phone has.
const OWN_PROVIDER: &str = "tattletale";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::CheckState;

    #[test]
    fn a_lock_is_read_under_each_of_its_names_and_silence_is_no_answer() {
        for (dump, want) in [
            ("  mDreamingLockscreen=true mDreamingSleepToken=null", Some(true)),
            ("  mDreamingLockscreen=false\n  isKeyguardShowing=true", Some(true)),
            ("    isKeyguardShowing=false, mOther=true", Some(false)),
            ("  mCurrentFocus=Window{1 u0 x}", None),
            ("", None),
        ] {
            assert_eq!(is_locked(dump), want, "{dump}");
        }
    }

    #[test]
    fn a_clock_is_off_when_its_second_is_outside_of_the_question() {
        let at = |second: i64| Timestamp::from_second(second).expect("in range");
        let check = |before, phone, after, want: &str| {
            let skew = skew(at(before), at(phone), at(after));
            assert_eq!(format!("{}{}", if skew.is_negative() { "-" } else { "" }, in_words(skew.abs())), want);
        };
        check(1_000, 1_000, 1_001, "0 min");
        check(1_000, 999, 1_000, "0 min");
        check(1_000, 4_601, 1_001, "1 h 0 min");
        check(10_000, 6_399, 10_000, "-1 h 0 min");
        check(10_000, 6_401, 10_003, "-1 h 0 min");
        check(10_000, 10_241, 10_001, "4 min");
    }

    #[test]
    fn a_switch_of_xiaomis_counts_where_its_system_is_and_silence_is_no_answer() {
        for (switch, xiaomi_system, want) in [
            ("1", true, CheckState::Good),
            ("true", true, CheckState::Good),
            ("", true, CheckState::CannotTell),
            ("0", true, CheckState::Wrong),
            ("0", false, CheckState::Wrong),
            // A Mi A1, or another system on a phone of theirs.
            ("", false, CheckState::Good),
            ("perhaps", false, CheckState::CannotTell),
        ] {
            let check = of_switch("x", "y", switch, &About { xiaomi_system, ..About::default() });
            assert_eq!(check.state, want, "{switch} {xiaomi_system}: {}", check.read);
        }
    }

    #[test]
    fn an_app_is_trusting_when_it_is_for_the_hosts_of_its_maker() {
        let declared = declared::fixture();
        let silent = Declared::default();
        let check = |declared: &Declared, target, own: &[&str], want, words: &str| {
            let own: Vec<HostPattern> = own.iter().map(|host| HostPattern((*host).to_owned())).collect();
            let check = of_declared("x", "y", target, declared, &own, jiff::civil::date(2026, 3, 14));
            assert!(check.state == want && check.read.contains(words), "{target:?} {own:?}: {check:?}");
        };
        check(&silent, Some(33), &["api.maker.test"], CheckState::Wrong, "made for API 33");
        check(&silent, Some(23), &["api.maker.test"], CheckState::Good, "made for API 23");
        check(&silent, Some(23), &[], CheckState::Good, "made for API 23");
        check(&silent, None, &["api.maker.test"], CheckState::CannotTell, "does not say for what it is made");
        // The common shape: whatever is trusted elsewhere, the maker's own hosts are strict.
        check(&declared, Some(33), &["api.maker.test"], CheckState::Wrong, "it says whom it trusts");
        check(&declared, Some(33), &["open.maker.test", "api.maker.test"], CheckState::Wrong, "installs for api.maker.test");
        check(&declared, Some(33), &["pinned.maker.test"], CheckState::Wrong, "some it pins");
        check(&declared, Some(33), &["open.maker.test", "o*.maker.test"], CheckState::CannotTell, "of o*.maker.test");
        check(&declared, Some(33), &["open.maker.test", "other.test"], CheckState::Good, "it says so");
        check(&declared, Some(33), &[], CheckState::CannotTell, "first_party");
    }
}
