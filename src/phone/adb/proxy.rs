//! The phone's proxy: one setting that is asked for, and four that the system writes itself whenever that one changes
//! (`ProxyTracker` of Android's ConnectivityService). Reading, setting and putting back all five; noting them is the journal's.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    changes::Undoing,
    client::{Adb, QUERY},
    error::{AdbError, cut},
};
use crate::model::text::printable;

/// The settings that are set, by their keys in `global`.
pub(super) type Settings = BTreeMap<String, String>;

/// What the phone says of its proxy.
///
/// # Errors
/// When it does not answer, or not in a way that is understood.
pub(super) async fn read(adb: &Adb) -> Result<Settings, AdbError> {
    let what = "read the phone's proxy";
    let keys = KEYS.join(" ");
    let script = format!("for key in {keys}; do value=$(settings get global $key) || exit 9; echo \"$key=$value\"; done");
    let answer = adb.script(&script, what, QUERY).await?;
    if answer.status != 0 {
        return Err(AdbError::of_command(what, &answer.stdout, &answer.stderr));
    }
    parse(&answer.stdout).ok_or_else(|| AdbError::NotUnderstood { what: what.to_owned(), said: cut(&answer.stdout) })
}

fn parse(said: &str) -> Option<Settings> {
    let lines: Vec<&str> = said.trim_end_matches('\n').split('\n').collect();
    let values = lines.iter().zip(KEYS).map(|(line, key)| Some((key, line.strip_prefix(key)?.strip_prefix('=')?)));
    let values: Vec<(&str, &str)> = values.collect::<Option<_>>()?;
    // The program prints the same for what is not set and for the text `null`, which no setting of these has.
    let set = values.iter().filter(|(_, value)| *value != "null").map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    (lines.len() == KEYS.len()).then(|| set.collect())
}

/// Points the phone at a proxy, `host:port`, without a script and without exceptions, and reads it back.
///
/// # Errors
/// When it does not become that.
pub(super) async fn point(adb: &Adb, to: &str) -> Result<(), AdbError> {
    // A script that chooses proxies comes before the one that is set, and exceptions go past it, where the system does not clear them.
    let there = read(adb).await?;
    for key in [EXCEPTIONS, SCRIPT] {
        if there.get(key).is_some_and(|value| !value.is_empty()) {
            write(adb, key, None).await?;
        }
    }
    write(adb, PROXY, Some(to)).await?;
    let is = settled(adb, to).await?;
    match is.get(PROXY) {
        Some(is) if is == to => Ok(()),
        is => Err(read_back(to, is.map(String::as_str))),
    }
}

/// Puts back what was there before it was pointed at one of `set`, the last one last. What is neither ours, nor the system's own doing
/// with ours, nor as before, is somebody else's: then all of it is left.
///
/// # Errors
/// When it does not become that.
pub(super) async fn undo(adb: &Adb, before: &Settings, set: &[String]) -> Result<Undoing, AdbError> {
    let is = read(adb).await?;
    if is == *before {
        return Ok(Undoing::AlreadyAsBefore);
    }
    if let Some(key) = KEYS.into_iter().find(|key| !is_ours(key, is.get(*key), before, set)) {
        let found = shown(is.get(key).map(String::as_str));
        return Ok(Undoing::Left(format!("somebody else has set {key} to {found} since")));
    }
    let wanted = before.get(PROXY).map(String::as_str);
    if is.get(PROXY).map(String::as_str) != wanted {
        // What is deleted stays in use until the next start of the phone; what is set is used at once (appium/appium-adb #392).
        let effect = in_effect(before);
        write(adb, PROXY, Some(&effect)).await?;
        settled(adb, &effect).await?;
        if wanted != Some(&effect) {
            write(adb, PROXY, wanted).await?;
        }
    }
    let is = read(adb).await?;
    for key in &KEYS[1..] {
        if is.get(*key) != before.get(*key) {
            write(adb, key, before.get(*key).map(String::as_str)).await?;
        }
    }
    let is = read(adb).await?;
    if let Some(key) = KEYS.into_iter().find(|key| is.get(*key) != before.get(*key)) {
        let of = |settings: &Settings| format!("{key} {}", shown(settings.get(key).map(String::as_str)));
        return Err(AdbError::ReadBack { what: SET.to_owned(), wanted: of(before), found: of(&is) });
    }
    // The system reads these two at its start only; whoever manages the phone sets them in another way.
    let later: Vec<&str> = [(SCRIPT, "script"), (EXCEPTIONS, "exceptions")]
        .into_iter()
        .filter_map(|(key, name)| before.get(key).filter(|value| !value.is_empty()).map(|_| name))
        .collect();
    let later =
        if later.is_empty() { String::new() } else { format!("; its {} counts again when the phone is restarted", later.join(" and ")) };
    Ok(Undoing::Back(format!("{}{later}", shown(wanted))))
}

/// Whether a value is as before, was set by us, or is what the system makes of one that we set.
fn is_ours(key: &str, value: Option<&String>, before: &Settings, set: &[String]) -> bool {
    let effect = in_effect(before);
    if value == before.get(key) {
        return true;
    }
    let ours = set.iter().map(String::as_str).chain([NONE, &effect]);
    match value {
        // We delete a script and exceptions before we set a proxy; nobody who takes the proxy away is ours.
        None => key != PROXY,
        Some(value) if key == PROXY => ours.into_iter().any(|ours| ours == value),
        Some(value) => ours.into_iter().filter_map(made_of).any(|made| made.get(key) == Some(value)),
    }
}

/// What to set so that the phone uses what it used with these settings, as far as it can be said in one.
fn in_effect(settings: &Settings) -> String {
    let filled = |key: &str| settings.get(key).filter(|value| !value.is_empty());
    match (filled(PROXY), filled(HOST), filled(PORT)) {
        (Some(proxy), ..) => proxy.clone(),
        (None, Some(host), Some(port)) if filled(SCRIPT).is_none() => format!("{host}:{port}"),
        _ => NONE.to_owned(),
    }
}

/// What the system makes of a proxy that is set, in the other settings; `None` where it does nothing
/// (`ProxyTracker.loadDeprecatedGlobalHttpProxy`, `setGlobalProxy`).
fn made_of(proxy: &str) -> Option<Settings> {
    let mut parts = proxy.split(':');
    let host = parts.next().filter(|_| !proxy.is_empty())?;
    let port = parts.next().map_or(Some(8080), |port| port.parse::<u16>().ok())?;
    let (host, port) = match (host, port) {
        ("", _) => ("", 0),
        (_, 0) => return None,
        given => given,
    };
    let port = port.to_string();
    Some([(HOST, host), (PORT, &port), (EXCEPTIONS, ""), (SCRIPT, "")].map(|(key, value)| (key.to_owned(), value.to_owned())).into())
}

/// Waits until the system has done what it does with this proxy, and gives what is there: it would overwrite what is set meanwhile. A
/// system that does nothing is waited for in vain, and not long.
async fn settled(adb: &Adb, proxy: &str) -> Result<Settings, AdbError> {
    let Some(made) = made_of(proxy) else { return read(adb).await };
    let until = Instant::now() + SETTLES;
    loop {
        let is = read(adb).await?;
        if made.iter().all(|(key, value)| is.get(key) == Some(value)) || Instant::now() > until {
            return Ok(is);
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Sets one, or deletes it.
async fn write(adb: &Adb, key: &str, value: Option<&str>) -> Result<(), AdbError> {
    match value {
        Some(value) => adb.ask(&["settings", "put", "global", key, value], SET).await.map(drop),
        None => adb.ask(&["settings", "delete", "global", key], SET).await.map(drop),
    }
}

fn read_back(wanted: &str, found: Option<&str>) -> AdbError {
    AdbError::ReadBack { what: SET.to_owned(), wanted: printable(wanted), found: shown(found) }
}

fn shown(value: Option<&str>) -> String {
    value.map_or_else(|| "not set".to_owned(), printable)
}

/// The setting that points a phone at a proxy.
pub(super) const PROXY: &str = "http_proxy";
const HOST: &str = "global_http_proxy_host";
const PORT: &str = "global_http_proxy_port";
const EXCEPTIONS: &str = "global_http_proxy_exclusion_list";
const SCRIPT: &str = "global_proxy_pac_url";
/// All that say which proxy a phone uses, in `global`.
const KEYS: [&str; 5] = [PROXY, HOST, PORT, EXCEPTIONS, SCRIPT];
/// A proxy that is none: gone at once, where one that is deleted stays in use until the next start.
const NONE: &str = ":0";
const SET: &str = "set the phone's proxy";
/// The system has this long for its own settings.
const SETTLES: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(values: &[(&str, &str)]) -> Settings {
        values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_not_set_is_told_from_what_is_empty() {
        let said = "http_proxy=10.0.0.1:3128\nglobal_http_proxy_host=10.0.0.1\nglobal_http_proxy_port=3128\n\
                    global_http_proxy_exclusion_list=\nglobal_proxy_pac_url=null\n";
        let want = settings(&[(PROXY, "10.0.0.1:3128"), (HOST, "10.0.0.1"), (PORT, "3128"), (EXCEPTIONS, "")]);
        assert_eq!(parse(said), Some(want));
        for bad in ["", "http_proxy=1\n", &said.replace("_host=", "_host=a\nb"), &format!("{said}more\n")] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_system_s_own_settings_are_ours_and_another_s_are_not() {
        let before = settings(&[(EXCEPTIONS, "intranet.test"), (HOST, "10.0.0.1"), (PORT, "3128")]);
        let set = ["127.0.0.1:40001".to_owned(), "127.0.0.1:40002".to_owned()];
        for (key, value, want) in [
            (PROXY, Some("127.0.0.1:40002"), true),
            (PROXY, Some("127.0.0.1:40001"), true),
            (PROXY, Some(":0"), true),
            (PROXY, None, true),
            (PROXY, Some("192.0.2.1:8080"), false),
            (HOST, Some("127.0.0.1"), true),
            (HOST, Some("10.0.0.1"), true),
            (HOST, Some(""), true),
            (HOST, Some("192.0.2.1"), false),
            (PORT, Some("0"), true),
            (PORT, Some("8080"), false),
            (EXCEPTIONS, Some(""), true),
            (EXCEPTIONS, None, true),
            (EXCEPTIONS, Some("else.test"), false),
            (SCRIPT, Some(""), true),
            (SCRIPT, Some("http://wpad.test/"), false),
        ] {
            assert_eq!(is_ours(key, value.map(str::to_owned).as_ref(), &before, &set), want, "{key} {value:?}");
        }
        assert!(!is_ours(PROXY, None, &settings(&[(PROXY, "10.0.0.1:3128")]), &set), "somebody took it away");
        assert_eq!(in_effect(&before), "10.0.0.1:3128");
    }

    #[test]
    fn a_proxy_is_read_as_the_system_reads_it() {
        let check = |proxy: &str, want: Option<(&str, &str)>| {
            let made = made_of(proxy).map(|made| (made[HOST].clone(), made[PORT].clone()));
            assert_eq!(made, want.map(|(host, port)| (host.to_owned(), port.to_owned())), "{proxy}");
        };
        check("10.0.0.1:3128", Some(("10.0.0.1", "3128")));
        check("proxy.test", Some(("proxy.test", "8080")));
        check(":0", Some(("", "0")));
        check("proxy.test:0", None);
        check("proxy.test:many", None);
        check("", None);
    }
}
