//! Looks at everything about a phone that makes a run fail or mislead, one check after another, each with its command and its answer.
//! An answer that is not understood is "cannot tell", never good. Nothing is left changed.

use jiff::{SignedDuration, Timestamp};

use super::{
    AdbSetup, TrustMode,
    changes::{self, Changes, PROXY},
    client::Adb,
    declared::{self, UserTrust},
    device::{self, About},
    error::AdbError,
    frida,
    package::Package,
    repackage, trust,
};
use crate::{
    clock::Clock,
    model::{PhoneChange, text::printable},
    phone::{Check, PhoneError},
};

/// Looks whether the phone that a rig means can be reached. Nothing on it is changed.
pub async fn examine_reach(setup: &AdbSetup) -> Vec<Check> {
    let mut checks = Vec::new();
    let _ = reach(setup, &mut checks).await;
    checks
}

/// Looks at the phone that a rig means, and at the app on it. Stops where nothing more can be asked.
pub async fn examine(setup: &AdbSetup) -> Vec<Check> {
    let mut checks = Vec::new();
    let Some((adb, about)) = reach(setup, &mut checks).await else { return checks };
    checks.push(install_switch(&adb, &about).await);
    checks.push(input_switch(&adb).await);
    checks.push(screen_lock(&adb).await);
    checks.push(battery_saver(&adb).await);
    checks.push(clock(&adb).await);
    checks.push(proxy(&adb).await);
    let root = trust::has_root(&adb).await;
    checks.push(root_access(setup.trust, &root));
    checks.push(app_trust(&adb, setup, &about, matches!(root, Ok(true))).await);
    checks.push(mock_location(adb, setup, &about).await);
    checks
}

/// The phone, if it can be reached.
async fn reach(setup: &AdbSetup, checks: &mut Vec<Check>) -> Option<(Adb, About)> {
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
        Ok(adb) => About::of(&adb).await.map(|about| (adb, about)),
        Err(error) => Err(error),
    };
    let ran = "adb devices -l; getprop";
    match &reached {
        Ok((_, about)) => checks.push(Check::good("phone", ran, format!("{}; {}", about.in_words(), about.system()))),
        Err(error) => checks.push(failed("phone", ran, error)),
    }
    reached.ok()
}

/// Whether packages may be installed over USB. Xiaomi's phones keep their switch in a property (`persist.security.adbinstall`).
pub(super) async fn install_switch(adb: &Adb, about: &About) -> Check {
    let (name, ran) = ("installing over USB", "getprop persist.security.adbinstall; pm install-create");
    let switch = match adb.ask(&["getprop", "persist.security.adbinstall"], "ask whether packages may be installed").await {
        Ok(said) => said.trim().to_owned(),
        Err(error) => return failed(name, ran, &error),
    };
    if is_off(&switch, about) {
        let said = if switch.is_empty() { "not set" } else { &switch };
        return Check::wrong(name, ran, format!("the phone's switch says {said}"), AdbError::InstallRestricted.help());
    }
    // A session that is begun and given up installs nothing.
    let answer = match adb.shell(&["pm", "install-create"], "begin to install something").await {
        Ok(answer) => answer,
        Err(error) => return failed(name, ran, &error),
    };
    let session = answer.stdout.split_once("created install session [").and_then(|(_, rest)| rest.split(']').next());
    if let Some(session) = session {
        // One that stays is dropped by the phone itself at its next start.
        let _ = adb.shell(&["pm", "install-abandon", session], "give it up").await;
        return Check::good(name, ran, "it begins to install what it is given");
    }
    let said = format!("{}{}", answer.stdout, answer.stderr);
    match AdbError::of_install(&said) {
        Some(error @ AdbError::InstallRestricted) => failed(name, ran, &error),
        _ => Check::cannot_tell(name, ran, format!("not understood: {}", super::error::cut(&said)), ""),
    }
}

/// Whether a phone of Xiaomi's says that a switch is off. Other makers' phones have no such property.
fn is_off(switch: &str, about: &About) -> bool {
    let xiaomi = ["xiaomi", "redmi", "poco"].contains(&about.manufacturer.to_lowercase().as_str());
    matches!(switch, "0" | "false") || xiaomi && switch.is_empty()
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

/// Whether something else's proxy is set, or one whose tunnel is gone.
async fn proxy(adb: &Adb) -> Check {
    let (name, ran) = ("proxy and tunnel", "settings get global http_proxy; adb reverse --list");
    let value = match changes::setting(adb, "global", PROXY).await {
        Ok(None) => return Check::good(name, ran, "none is set"),
        Ok(Some(value)) if value.is_empty() || value == ":0" => return Check::good(name, ran, "none is set"),
        Ok(Some(value)) => value,
        Err(error) => return failed(name, ran, &error),
    };
    let tunnels = match changes::reversed_ports(adb).await {
        Ok(tunnels) => tunnels,
        Err(error) => return failed(name, ran, &error),
    };
    let own = value.rsplit_once(':').filter(|(host, _)| matches!(*host, "127.0.0.1" | "localhost" | "[::1]"));
    let shown = printable(&value);
    match own.and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(port) if !tunnels.contains(&port) => Check::wrong(
            name,
            ran,
            format!("the phone is pointed at {shown}, and the tunnel that belongs there is gone: it has no network"),
            "`tattletale restore` undoes what a run left; of anybody else's, `adb shell settings put global http_proxy :0`",
        ),
        _ => Check::wrong(
            name,
            ran,
            format!("the phone is pointed at another proxy: {shown}"),
            "end what uses it, or take it out with `adb shell settings put global http_proxy :0`; a run puts it back afterwards",
        ),
    }
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
async fn app_trust(adb: &Adb, setup: &AdbSetup, about: &About, root: bool) -> Check {
    let (name, ran) = ("certificates of the app", "dumpsys package; unzip -p base.apk AndroidManifest.xml");
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
        return Check::cannot_tell(name, ran, "the app is not installed, so that its files cannot be read", error.help());
    };
    match setup.trust {
        TrustMode::None => Check::good(name, "", "not needed: phone: { ca: none } reads hosts, sizes and times, and no contents"),
        TrustMode::Repackaged => repackage::look(adb, setup, id, about.sdk).await,
        TrustMode::Script => frida::look(setup).await,
        TrustMode::System if root => Check::good(name, ran, "the system's store can be written; hosts that the app pins stay unread"),
        TrustMode::System => {
            Check::wrong(name, ran, "the system's store cannot be written without root", AdbError::NoRoot(String::new()).help())
        }
        TrustMode::User => {
            let target = package.target_sdk;
            match declared::user_trust(adb, id).await {
                Ok(trust) => of_user_trust(name, ran, about.sdk, target, trust),
                // What it is made for may decide already.
                Err(_) if about.sdk < FIRST_STRICT => of_user_trust(name, ran, about.sdk, target, UserTrust::Unsaid),
                Err(error) => Check::cannot_tell(name, ran, error.to_string(), NOT_TRUSTED),
            }
        }
    }
}

/// Android's rule: apps made for Android 7 and later trust what a person has installed only when they say so.
fn of_user_trust(name: &'static str, ran: &str, sdk: u32, target: Option<u32>, trust: UserTrust) -> Check {
    let made_for =
        || target.map_or_else(|| "it does not say for what it is made".to_owned(), |target| format!("it is made for API {target}"));
    let old = sdk != 0 && sdk < FIRST_STRICT || target.is_some_and(|target| target < FIRST_STRICT);
    match trust {
        UserTrust::Everywhere => Check::good(name, ran, "the app trusts certificates that a person has installed, and says so"),
        UserTrust::Unsaid if old => {
            Check::good(name, ran, format!("the app trusts certificates that a person has installed: {}", made_for()))
        }
        UserTrust::Unsaid if target.is_none() => Check::cannot_tell(name, ran, made_for(), NOT_TRUSTED),
        UserTrust::Unsaid => {
            Check::wrong(name, ran, format!("the app trusts no certificate that a person installs: {}", made_for()), NOT_TRUSTED)
        }
        UserTrust::SomeHosts => {
            Check::wrong(name, ran, "the app trusts certificates that a person has installed for some hosts only", NOT_TRUSTED)
        }
        UserTrust::Refused => {
            Check::wrong(name, ran, "the app says whom it trusts, and no certificate that a person installs is among them", NOT_TRUSTED)
        }
    }
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
fn failed(about: &'static str, ran: &str, error: &AdbError) -> Check {
    match error {
        AdbError::NotUnderstood { .. } | AdbError::Refused { .. } | AdbError::TimedOut { .. } | AdbError::TooLong { .. } => {
            Check::cannot_tell(about, ran, error.to_string(), error.help())
        }
        _ => Check::wrong(about, ran, error.to_string(), error.help()),
    }
}

/// First API level at which apps must say that they trust what a person installs.
const FIRST_STRICT: u32 = 24;
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
    fn xiaomis_switch_is_off_until_it_says_that_it_is_on() {
        let made_by = |manufacturer: &str| About { manufacturer: manufacturer.into(), ..About::default() };
        for (switch, maker, want) in [
            ("1", "Xiaomi", false),
            ("", "Xiaomi", true),
            ("0", "POCO", true),
            ("true", "Redmi", false),
            ("", "Fairphone", false),
            ("0", "Somebody", true),
        ] {
            assert_eq!(is_off(switch, &made_by(maker)), want, "{switch} {maker}");
        }
    }

    #[test]
    fn who_trusts_what_a_person_installs() {
        let check = |sdk, target, trust, want| {
            let check = of_user_trust("x", "y", sdk, target, trust);
            assert_eq!(check.state, want, "{sdk} {target:?} {trust:?}: {}", check.read);
        };
        check(34, Some(33), UserTrust::Unsaid, CheckState::Wrong);
        check(34, Some(23), UserTrust::Unsaid, CheckState::Good);
        check(23, Some(33), UserTrust::Unsaid, CheckState::Good);
        check(34, None, UserTrust::Unsaid, CheckState::CannotTell);
        check(34, Some(33), UserTrust::Everywhere, CheckState::Good);
        check(34, Some(33), UserTrust::SomeHosts, CheckState::Wrong);
        check(34, Some(23), UserTrust::Refused, CheckState::Wrong);
    }
}
