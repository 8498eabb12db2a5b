//! Which phones adb sees, which of them the rig means, and what it says of itself.

use std::net::IpAddr;

use super::{
    client::{Adb, AdbProgram, QUERY},
    error::AdbError,
};
use crate::model::{Captured, text::printable};

/// A line of `adb devices -l`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) serial: String,
    /// `device`, `offline`, `unauthorized`, `no permissions`, …
    pub(super) state: String,
    /// As the phone calls itself; empty when it does not say.
    pub(super) model: String,
}

/// What a phone says of itself, once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) manufacturer: String,
    pub(super) model: String,
    pub(super) release: String,
    pub(super) sdk: u32,
    pub(super) build: String,
    /// Whether positions can be set from the shell: Android 12 and later.
    pub(super) test_providers: bool,
    /// Whether the radios can be switched from the shell, and on again: Android 11 and later, unless adb itself comes by radio.
    pub(super) airplane_mode: bool,
    /// Whether it records its screen.
    pub(super) records: bool,
    /// Whether its system is Xiaomi's own: MIUI or HyperOS, which has switches of its own.
    pub(super) xiaomi_system: bool,
}

/// adb for the phone that is meant: the one with this serial number, else the only one.
///
/// # Errors
/// When it is not there, not ready, or not the only one.
pub(super) async fn choose(program: AdbProgram, serial: Option<&Captured<String>>) -> Result<Adb, AdbError> {
    let listed = parse(&program.run(&["devices", "-l"], "list the phones").await?);
    let serial = pick(&listed, serial.map(|serial| serial.expose().as_str()))?;
    Ok(Adb::new(program, Captured::new(serial)))
}

fn pick(listed: &[Listed], wanted: Option<&str>) -> Result<String, AdbError> {
    let there = || match listed {
        [] => "no phone at all".to_owned(),
        _ => listed.iter().map(Listed::in_words).collect::<Vec<_>>().join(", "),
    };
    let found = match wanted {
        Some(wanted) => listed.iter().find(|listed| listed.serial == wanted).ok_or_else(|| AdbError::NoSuchPhone { there: there() })?,
        None => match listed {
            [] => return Err(AdbError::NoPhone),
            [only] => only,
            // One that went away stays listed as offline: never guess which one was meant.
            _ => return Err(AdbError::SeveralPhones { there: there() }),
        },
    };
    match found.state.as_str() {
        "device" => Ok(found.serial.clone()),
        "unauthorized" | "authorizing" => Err(AdbError::Unauthorised),
        other => Err(AdbError::Offline(printable(other))),
    }
}

fn parse(text: &str) -> Vec<Listed> {
    let lines = text.lines().filter(|line| !line.starts_with("List of devices") && !line.starts_with('*'));
    let listed = lines.filter_map(|line| {
        let (serial, rest) = line.split_once(char::is_whitespace)?;
        let rest = rest.trim();
        let state = if rest.starts_with("no permissions") { "no permissions" } else { rest.split_whitespace().next()? };
        let model = rest.split_whitespace().find_map(|word| word.strip_prefix("model:")).unwrap_or_default();
        Some(Listed { serial: serial.to_owned(), state: state.to_owned(), model: model.replace('_', " ") })
    });
    listed.collect()
}

impl Listed {
    /// Model and the end of the serial number: enough for somebody who has the phones before them, and no more.
    fn in_words(&self) -> String {
        let end: String = self.serial.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
        let model = if self.model.is_empty() { "a phone" } else { &self.model };
        let state = if self.state == "device" { String::new() } else { format!(", {}", self.state) };
        printable(&format!("{model} (…{end}{state})"))
    }
}

impl About {
    /// Asks the phone.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) async fn of(adb: &Adb) -> Result<Self, AdbError> {
        let answer = adb.script(ASKED, "ask the phone what it is", QUERY).await?;
        let lines: Vec<&str> = answer.stdout.lines().collect();
        let [manufacturer, model, release, sdk, build, test_providers, airplane_mode, records, xiaomi_system] = lines[..] else {
            return Err(AdbError::NotUnderstood { what: "ask the phone what it is".to_owned(), said: super::error::cut(&answer.stdout) });
        };
        Ok(Self {
            manufacturer: printable(manufacturer),
            model: printable(model),
            release: printable(release),
            sdk: sdk.trim().parse().unwrap_or_default(),
            build: printable(build),
            test_providers: test_providers == "yes",
            // What cuts the phone off could not be put back.
            airplane_mode: airplane_mode == "yes" && !is_by_radio(adb.serial.expose()),
            records: records == "yes",
            xiaomi_system: xiaomi_system == "yes",
        })
    }

    /// Words for a reader.
    pub(super) fn in_words(&self) -> String {
        let Self { manufacturer, model, release, .. } = self;
        // Many models begin with their maker's name.
        let named = if model.to_lowercase().starts_with(&manufacturer.to_lowercase()) { String::new() } else { format!("{manufacturer} ") };
        format!("{named}{model}, Android {release}, over adb").trim().to_owned()
    }

    /// What tells whether its system has changed.
    pub(super) fn system(&self) -> String {
        let Self { release, sdk, build, .. } = self;
        format!("Android {release} (API {sdk}, {build})")
    }
}

/// Whether adb reaches the phone with this serial number over a network: an address that is not this computer's own, or a name by which
/// Android 11 and later tell theirs there (`adb-…._adb-tls-connect._tcp`).
fn is_by_radio(serial: &str) -> bool {
    if serial.contains("._adb") {
        return true;
    }
    let Some((host, port)) = serial.rsplit_once(':') else { return false };
    let is_own = || host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    port.parse::<u16>().is_ok() && !is_own()
}

/// One line an answer, so that one command asks everything.
const ASKED: &str = r#"one() { echo "$(getprop "$1")"; }
one ro.product.manufacturer; one ro.product.model; one ro.build.version.release; one ro.build.version.sdk; one ro.build.id
has() { case "$1" in *"$2"*) echo yes;; *) echo no;; esac; }
has "$(cmd location help 2>&1)" add-test-provider
has "$(cmd connectivity airplane-mode 2>&1)" abled
command -v screenrecord >/dev/null 2>&1 && echo yes || echo no
[ -n "$(getprop ro.miui.ui.version.name)$(getprop ro.mi.os.version.name)" ] && echo yes || echo no"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Vec<Listed> {
        parse(&format!("List of devices attached\n{text}\n\n"))
    }

    const ONE: &str = "INVENTED0001           device usb:1-1 product:standin model:Redmi_Note_12 device:standin transport_id:1";
    const GONE: &str = "127.0.0.1:40001 offline transport_id:2";

    #[test]
    fn a_phone_is_picked_by_serial_and_state_and_never_guessed() {
        assert_eq!(pick(&listed(ONE), None), Ok("INVENTED0001".into()));
        assert_eq!(pick(&listed(""), None), Err(AdbError::NoPhone));
        let two = format!("{ONE}\n{GONE}");
        assert_eq!(pick(&listed(&two), Some("INVENTED0001")), Ok("INVENTED0001".into()));
        assert_eq!(pick(&listed(&two), Some("127.0.0.1:40001")), Err(AdbError::Offline("offline".into())));
        let there = "Redmi Note 12 (…0001), a phone (…0001, offline)".to_owned();
        assert_eq!(pick(&listed(&two), None), Err(AdbError::SeveralPhones { there: there.clone() }));
        assert_eq!(pick(&listed(&two), Some("OTHER")), Err(AdbError::NoSuchPhone { there }));
        assert_eq!(pick(&listed("INVENTED0001 unauthorized usb:1-1"), None), Err(AdbError::Unauthorised));
        let unruly = "INVENTED0001\tno permissions (user in plugdev group; are your udev rules wrong?); see [http://example.test]";
        assert_eq!(pick(&listed(unruly), None), Err(AdbError::Offline("no permissions".into())));
        let starting = "* daemon not running; starting now at tcp:5037\n* daemon started successfully\n";
        assert_eq!(parse(&format!("{starting}List of devices attached\n{ONE}\n")).len(), 1);
    }

    #[test]
    fn no_serial_number_is_told() {
        let error = pick(&listed(&format!("{ONE}\n{GONE}")), Some("OTHER")).expect_err("not there");
        assert!(!error.to_string().contains("INVENTED") && !error.to_string().contains("127.0.0.1"), "{error}");
    }

    #[test]
    fn a_phone_that_is_reached_by_radio_keeps_its_radios() {
        for (serial, want) in [
            ("INVENTED0001", false),
            ("emulator-5554", false),
            ("127.0.0.1:40001", false),
            ("[::1]:5555", false),
            ("localhost:5555", false),
            ("192.0.2.5:5555", true),
            ("[2001:db8::7]:5555", true),
            ("phone.test:5555", true),
            ("adb-INVENTED0001-abcdef._adb-tls-connect._tcp", true),
            ("adb-INVENTED0001-abcdef._adb-tls-connect._tcp.", true),
        ] {
            assert_eq!(is_by_radio(serial), want, "{serial}");
        }
    }

    #[test]
    fn a_phone_is_named_once() {
        let about = |manufacturer: &str, model: &str| About {
            manufacturer: manufacturer.into(),
            model: model.into(),
            release: "13".into(),
            ..About::default()
        };
        assert_eq!(about("Xiaomi", "Redmi Note 12").in_words(), "Xiaomi Redmi Note 12, Android 13, over adb");
        assert_eq!(about("Fairphone", "fairphone 4").in_words(), "fairphone 4, Android 13, over adb");
    }
}
