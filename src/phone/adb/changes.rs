//! Every change of the phone that has to be put back: noted in the journal with what was there before, on the disk before it is made,
//! read back after it, and undone from the last to the first. What is changed and why is others'.

use super::{
    super::PhoneError,
    client::{Adb, AdbProgram, QUERY},
    device,
    error::{AdbError, cut},
    frida,
    package::Package,
    repackage, screen, trust,
};
use crate::{
    clock::Clock,
    model::{AppVersion, Journal, JournalEntry, JournalPhone, PhoneChange, journal::JOURNAL_FORMAT, text::printable},
    store::{RigFolder, StoreError},
};

/// Changes of one phone, and their journal.
pub(super) struct Changes {
    pub(super) adb: Adb,
    folder: RigFolder,
    journal: Journal,
}

/// What became of one change that was to be put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// What, in words: `the setting global http_proxy`.
    pub what: String,
    /// What became of it.
    pub how: Undoing,
}

/// What became of a change that was to be put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undoing {
    /// It was as before already.
    AlreadyAsBefore,
    /// It is as before again, and the phone says so: as what.
    Back(String),
    /// It was not put back, and stays in the journal: why, and what to do.
    Failed {
        /// Why.
        why: String,
        /// What a person does about it; may be empty.
        help: String,
    },
    /// It stays as it is, and why: nobody asked for it to be put back, or somebody else has changed it since.
    Left(String),
}

impl Changes {
    /// The changes of a phone, with those that an earlier run could not put back.
    pub(super) fn of(adb: Adb, folder: RigFolder) -> Result<Self, StoreError> {
        let journal = match folder.journal()? {
            Some(journal) => journal,
            None => Journal {
                format: JOURNAL_FORMAT,
                tool: env!("CARGO_PKG_VERSION").to_owned(),
                phone: JournalPhone {
                    program: adb.program.program.display().to_string(),
                    port: adb.program.port,
                    serial: adb.serial.clone(),
                },
                entries: Vec::new(),
            },
        };
        Ok(Self { adb, folder, journal })
    }

    /// Notes a change that is about to be made.
    ///
    /// # Errors
    /// When it cannot be noted: then it must not be made.
    fn note(&mut self, change: PhoneChange) -> Result<(), PhoneError> {
        self.journal.entries.push(JournalEntry { at: Clock::real().now(), change });
        self.folder.keep_journal(&self.journal).map_err(|error| {
            self.journal.entries.pop();
            PhoneError::Failed(format!("note what is changed on it, so nothing was: {error}"))
        })
    }

    /// Notes a change that is made and read back by somebody else.
    ///
    /// # Errors
    /// As for every change: when it cannot be noted.
    pub(super) fn will(&mut self, change: PhoneChange) -> Result<(), PhoneError> {
        if self.journal.entries.iter().any(|entry| entry.change == change) { Ok(()) } else { self.note(change) }
    }

    /// Whether something is noted.
    pub(super) fn has(&self, is: impl Fn(&PhoneChange) -> bool) -> bool {
        self.journal.entries.iter().any(|entry| is(&entry.change))
    }

    /// Sets a system setting (`None` deletes it), and reads it back.
    ///
    /// # Errors
    /// When it cannot be noted, or did not become what it was to be.
    pub(super) async fn setting(&mut self, namespace: &str, key: &str, set: Option<&str>) -> Result<(), PhoneError> {
        let before = setting(&self.adb, namespace, key).await?;
        if before.as_deref() == set {
            return Ok(());
        }
        let set = set.map(str::to_owned);
        self.note(PhoneChange::Setting { namespace: namespace.into(), key: key.into(), before, set: set.clone() })?;
        Ok(put_setting(&self.adb, namespace, key, set.as_deref()).await?)
    }

    /// Grants or takes a permission, and reads it back. One that the app does not ask for cannot be granted, and is denied already.
    ///
    /// # Errors
    /// When it cannot be noted, or did not become what it was to be.
    pub(super) async fn permission(&mut self, package: &str, permission: &str, grant: bool) -> Result<(), PhoneError> {
        let Some(found) = Package::of(&self.adb, package).await? else { return Err(AdbError::AppNotInstalled(package.into()).into()) };
        let before = match found.granted.get(permission) {
            Some(before) => *before,
            None if !grant => return Ok(()),
            None if !found.requested.contains(permission) => return Err(AdbError::NotRequested(permission.into()).into()),
            None => false,
        };
        if before == grant {
            return Ok(());
        }
        self.note(PhoneChange::Permission { package: package.into(), permission: permission.into(), before })?;
        Ok(put_permission(&self.adb, package, permission, grant).await?)
    }

    /// Sets what an app may do besides its permissions, and reads it back.
    ///
    /// # Errors
    /// When it cannot be noted, or did not become what it was to be.
    pub(super) async fn app_op(&mut self, package: &str, operation: &str, mode: &str) -> Result<(), PhoneError> {
        let before = app_op(&self.adb, package, operation).await?;
        if before == mode {
            return Ok(());
        }
        self.note(PhoneChange::AppOp { package: package.into(), operation: operation.into(), before })?;
        Ok(put_app_op(&self.adb, package, operation, mode).await?)
    }

    /// Switches the radios off or on, and reads it back.
    ///
    /// # Errors
    /// When it cannot be noted, or did not become what it was to be.
    pub(super) async fn airplane_mode(&mut self, on: bool) -> Result<(), PhoneError> {
        let before = airplane_mode(&self.adb).await?;
        if before == on {
            return Ok(());
        }
        self.note(PhoneChange::AirplaneMode { before })?;
        Ok(put_airplane_mode(&self.adb, on).await?)
    }

    /// Puts everything back, from the last change to the first. The app's version is left, unless `app`: whoever asked for a version
    /// wanted it, and removing it takes the app's data along. What cannot be put back stays in the journal.
    ///
    /// # Errors
    /// When the journal cannot be written: what was put back is then put back once more by the next one, which does no harm.
    pub(super) async fn undo(&mut self, app: bool) -> Result<Vec<Undone>, StoreError> {
        self.adb.settle().await;
        let mut told = Vec::new();
        for at in (0..self.journal.entries.len()).rev() {
            let change = self.journal.entries[at].change.clone();
            if matches!(change, PhoneChange::App { .. }) && !app {
                continue;
            }
            let how = undo(&self.adb, &self.folder, &change)
                .await
                .unwrap_or_else(|error| Undoing::Failed { why: error.to_string(), help: error.help().into() });
            if !matches!(how, Undoing::Failed { .. }) {
                self.journal.entries.remove(at);
                self.folder.keep_journal(&self.journal)?;
            }
            told.push(Undone { what: in_words(&change), how });
        }
        Ok(told)
    }

    /// Whether the journal is of the phone that is connected.
    pub(super) fn is_of_its_phone(&self) -> bool {
        self.journal.phone.serial == self.adb.serial
    }

    /// Takes out of the journal that these apps were installed: it turned out that they were not.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(super) fn forget_apps(&mut self, meant: impl Fn(&str) -> bool) -> Result<(), PhoneError> {
        let is_one = |change: &PhoneChange| matches!(change, PhoneChange::App { package, .. } if meant(package));
        if self.has(is_one) {
            self.journal.entries.retain(|entry| !is_one(&entry.change));
            self.folder.keep_journal(&self.journal).map_err(|error| PhoneError::Failed(error.to_string()))?;
        }
        Ok(())
    }
}

/// Whether a journal holds something that the next command has to put back: more than the app's version.
pub fn is_pending(journal: &Journal) -> bool {
    journal.entries.iter().any(|entry| !matches!(entry.change, PhoneChange::App { .. }))
}

/// Puts back what the journal of a rig holds; nothing when it holds nothing. `environment` is given to adb besides this program's own.
///
/// # Errors
/// When the journal cannot be read or written, or the phone cannot be reached: then everything is still in it.
pub async fn undo_journal(folder: &RigFolder, app: bool, environment: Vec<(String, String)>) -> Result<Vec<Undone>, PhoneError> {
    let failed = |error: StoreError| PhoneError::Failed(error.to_string());
    let Some(journal) = folder.journal().map_err(failed)? else { return Ok(Vec::new()) };
    if !(is_pending(&journal) || app) {
        return Ok(Vec::new());
    }
    let program = AdbProgram { program: journal.phone.program.into(), port: journal.phone.port, environment };
    let adb = device::choose(program, Some(&journal.phone.serial)).await?;
    Changes::of(adb, folder.clone()).map_err(failed)?.undo(app).await.map_err(failed)
}

/// A change, as what it was made to.
fn in_words(change: &PhoneChange) -> String {
    printable(&match change {
        PhoneChange::AirplaneMode { .. } => "airplane mode".to_owned(),
        PhoneChange::App { package, .. } => format!("the app {package}"),
        PhoneChange::AppOp { package, operation, .. } => format!("{operation} of {package}"),
        PhoneChange::Permission { package, permission, .. } => format!("{permission} of {package}"),
        PhoneChange::Recording { .. } => "the recording of the screen".to_owned(),
        PhoneChange::Reverse { to } => format!("the tunnel to port {to} of this computer"),
        PhoneChange::Script { package, .. } => format!("the script in the app {package}"),
        PhoneChange::Setting { namespace, key, .. } => format!("the setting {namespace} {key}"),
        PhoneChange::TestProvider { name } => format!("the position given in place of {name}"),
        PhoneChange::Trust { .. } => "the certificate in the phone's store".to_owned(),
    })
}

async fn undo(adb: &Adb, folder: &RigFolder, change: &PhoneChange) -> Result<Undoing, AdbError> {
    match change {
        PhoneChange::Setting { namespace, key, before, set } => {
            let is = setting(adb, namespace, key).await?;
            let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "not set".to_owned(), printable);
            if is == *before {
                Ok(Undoing::AlreadyAsBefore)
            } else if is != *set && !is_switched_off(key, is.as_deref()) {
                Ok(Undoing::Left(format!("somebody else has set it to {} since", shown(&is))))
            } else {
                put_setting(adb, namespace, key, before.as_deref()).await?;
                Ok(Undoing::Back(shown(before)))
            }
        }
        PhoneChange::Permission { package, permission, before } => {
            let Some(found) = Package::of(adb, package).await? else { return Ok(Undoing::Left("the app is gone".to_owned())) };
            match found.granted.get(permission) {
                None if !found.requested.contains(permission) => Ok(Undoing::Left("the app asks for it no more".to_owned())),
                is if is.copied().unwrap_or_default() == *before => Ok(Undoing::AlreadyAsBefore),
                _ => {
                    put_permission(adb, package, permission, *before).await?;
                    Ok(Undoing::Back(granted(*before).to_owned()))
                }
            }
        }
        PhoneChange::AppOp { package, operation, before } => {
            if app_op(adb, package, operation).await? == *before {
                return Ok(Undoing::AlreadyAsBefore);
            }
            put_app_op(adb, package, operation, before).await?;
            Ok(Undoing::Back(printable(before)))
        }
        PhoneChange::AirplaneMode { before } => {
            if airplane_mode(adb).await? == *before {
                return Ok(Undoing::AlreadyAsBefore);
            }
            put_airplane_mode(adb, *before).await?;
            Ok(Undoing::Back(on_or_off(*before).to_owned()))
        }
        PhoneChange::Reverse { to } => {
            let mut removed = false;
            for port in reversed_to(adb, *to).await? {
                let name = format!("tcp:{port}");
                adb.own(&["reverse".as_ref(), "--remove".as_ref(), name.as_ref()], "remove the tunnel", QUERY).await?;
                removed = true;
            }
            match reversed_to(adb, *to).await?.first() {
                Some(port) => {
                    Err(AdbError::ReadBack { what: "remove the tunnel".into(), wanted: "gone".into(), found: format!("at port {port}") })
                }
                None if removed => Ok(Undoing::Back("gone".to_owned())),
                None => Ok(Undoing::AlreadyAsBefore),
            }
        }
        PhoneChange::TestProvider { name } => {
            let what = "give the position back to the phone";
            if !is_mocked(adb, name).await? {
                return Ok(Undoing::AlreadyAsBefore);
            }
            adb.ask(&["cmd", "location", "providers", "remove-test-provider", name], what).await?;
            if is_mocked(adb, name).await? {
                return Err(AdbError::ReadBack { what: what.into(), wanted: "the phone's own".into(), found: "the test's".into() });
            }
            Ok(Undoing::Back("the phone's own".to_owned()))
        }
        PhoneChange::Recording { file } => {
            let what = "end the recording of the screen";
            if adb.shell(&["ls", file], what).await?.status != 0 {
                return Ok(Undoing::AlreadyAsBefore);
            }
            adb.script(screen::STOP_RECORDING, what, QUERY).await?;
            adb.ask(&["rm", "-f", file], what).await?;
            Ok(Undoing::Back("ended, and its file removed".to_owned()))
        }
        PhoneChange::Trust { file } => {
            if trust::withdraw(adb, file).await? {
                Ok(Undoing::Back("gone from every app's view".to_owned()))
            } else {
                Ok(Undoing::AlreadyAsBefore)
            }
        }
        PhoneChange::App { package, before: Some(before), original: Some(original) } => {
            repackage::put_back(adb, folder, package, before, original).await
        }
        PhoneChange::App { package, before, .. } => undo_app(adb, package, before.as_ref()).await,
        PhoneChange::Script { pid, package } => frida::end_left(*pid, package).await,
    }
}

async fn undo_app(adb: &Adb, package: &str, before: Option<&AppVersion>) -> Result<Undoing, AdbError> {
    let is = Package::of(adb, package).await?;
    match (is.and_then(|is| is.version), before) {
        (None, None) => Ok(Undoing::AlreadyAsBefore),
        (Some(is), Some(before)) if is == *before => Ok(Undoing::AlreadyAsBefore),
        (Some(_), None) => {
            uninstall(adb, package).await?;
            Ok(Undoing::Back("not installed".to_owned()))
        }
        (is, Some(before)) => Ok(Undoing::Failed {
            why: format!(
                "{}version {before} was there before, and its package is not kept here",
                is.map(|is| format!("version {is} is installed; ")).unwrap_or_default()
            ),
            help: "install that version by hand; a downgrade takes the app's data along".to_owned(),
        }),
    }
}

/// Removes an app with its data, and reads back that it is gone. Removing what is not there is fine.
pub(super) async fn uninstall(adb: &Adb, package: &str) -> Result<(), AdbError> {
    let what = "remove the app";
    if Package::of(adb, package).await?.is_none() {
        return Ok(());
    }
    let answer = adb.shell(&["pm", "uninstall", package], what).await?;
    match Package::of(adb, package).await? {
        None => Ok(()),
        Some(_) => Err(AdbError::of_command(what, &answer.stdout, &answer.stderr)),
    }
}

/// Whether a setting is what the phone makes of a proxy that is switched off: deleting one takes two steps.
fn is_switched_off(key: &str, value: Option<&str>) -> bool {
    key == PROXY && value == Some(NO_PROXY)
}

/// A system setting; `None` when it is not set.
pub(super) async fn setting(adb: &Adb, namespace: &str, key: &str) -> Result<Option<String>, AdbError> {
    let value = adb.ask(&["settings", "get", namespace, key], &format!("read the setting {namespace} {key}")).await?;
    let value = value.trim_end_matches('\n');
    // The program prints the same for what is not set and for the text `null`, which no setting of ours has.
    Ok((value != "null").then(|| value.to_owned()))
}

async fn put_setting(adb: &Adb, namespace: &str, key: &str, value: Option<&str>) -> Result<(), AdbError> {
    let what = format!("set the setting {namespace} {key}");
    match value {
        Some(value) => drop(adb.ask(&["settings", "put", namespace, key, value], &what).await?),
        None => {
            if key == PROXY {
                // A proxy that is deleted stays in use until the next start of the phone; one that is set to this is gone at once
                // (appium/appium-adb #392).
                adb.ask(&["settings", "put", namespace, key, NO_PROXY], &what).await?;
            }
            adb.ask(&["settings", "delete", namespace, key], &what).await?;
        }
    }
    let found = setting(adb, namespace, key).await?;
    if found.as_deref() == value {
        return Ok(());
    }
    let shown = |value: Option<&str>| value.map_or_else(|| "not set".to_owned(), printable);
    Err(AdbError::ReadBack { what, wanted: shown(value), found: shown(found.as_deref()) })
}

async fn put_permission(adb: &Adb, package: &str, permission: &str, grant: bool) -> Result<(), AdbError> {
    let what = format!("{} {permission}", if grant { "grant" } else { "take back" });
    adb.ask(&["pm", if grant { "grant" } else { "revoke" }, package, permission], &what).await?;
    let found = Package::of(adb, package).await?.and_then(|package| package.granted.get(permission).copied()).unwrap_or_default();
    if found == grant {
        return Ok(());
    }
    Err(AdbError::ReadBack { what, wanted: granted(grant).into(), found: granted(found).into() })
}

const fn granted(is: bool) -> &'static str {
    if is { "granted" } else { "denied" }
}

async fn app_op(adb: &Adb, package: &str, operation: &str) -> Result<String, AdbError> {
    let what = format!("read {operation} of {package}");
    let answer = adb.ask(&["appops", "get", package, operation], &what).await?;
    parse_app_op(&answer).ok_or_else(|| AdbError::NotUnderstood { what, said: cut(&answer) })
}

/// `MOCK_LOCATION: allow; time=…`, or `No operations.` where nobody ever set it.
fn parse_app_op(answer: &str) -> Option<String> {
    if answer.trim_start().starts_with("No operations") {
        return Some("default".to_owned());
    }
    let line = answer.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("Uid mode"))?;
    let (_, mode) = line.split_once(": ")?;
    let mode = mode.split(|c: char| !c.is_ascii_alphabetic()).next()?;
    ["allow", "ask", "default", "deny", "foreground", "ignore"].contains(&mode).then(|| mode.to_owned())
}

async fn put_app_op(adb: &Adb, package: &str, operation: &str, mode: &str) -> Result<(), AdbError> {
    let what = format!("set {operation} of {package}");
    adb.ask(&["appops", "set", package, operation, mode], &what).await?;
    let found = app_op(adb, package, operation).await?;
    if found == mode { Ok(()) } else { Err(AdbError::ReadBack { what, wanted: mode.into(), found: printable(&found) }) }
}

async fn airplane_mode(adb: &Adb) -> Result<bool, AdbError> {
    match setting(adb, "global", "airplane_mode_on").await?.as_deref() {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => Err(AdbError::NotUnderstood { what: "read the airplane mode".into(), said: cut(other) }),
    }
}

async fn put_airplane_mode(adb: &Adb, on: bool) -> Result<(), AdbError> {
    let what = format!("switch airplane mode {}", on_or_off(on));
    adb.ask(&["cmd", "connectivity", "airplane-mode", if on { "enable" } else { "disable" }], &what).await?;
    let found = airplane_mode(adb).await?;
    if found == on { Ok(()) } else { Err(AdbError::ReadBack { what, wanted: on_or_off(on).into(), found: on_or_off(found).into() }) }
}

const fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// Ports of the phone that lead to this port of this machine.
pub(super) async fn reversed_to(adb: &Adb, to: u16) -> Result<Vec<u16>, AdbError> {
    Ok(tunnels(adb).await?.into_iter().filter(|(_, machine)| *machine == to).map(|(phone, _)| phone).collect())
}

/// Ports of the phone that lead to this machine.
pub(super) async fn reversed_ports(adb: &Adb) -> Result<Vec<u16>, AdbError> {
    Ok(tunnels(adb).await?.into_iter().map(|(phone, _)| phone).collect())
}

/// Tunnels from the phone: its port, and this machine's.
async fn tunnels(adb: &Adb) -> Result<Vec<(u16, u16)>, AdbError> {
    let what = "list the tunnels";
    let (good, said) = adb.own(&["reverse".as_ref(), "--list".as_ref()], what, QUERY).await?;
    if good { Ok(parse_reverse(&said)) } else { Err(AdbError::of_command(what, &said, "")) }
}

/// `UsbFfs tcp:40001 tcp:8080`: transport, port of the phone, port of this machine.
fn parse_reverse(said: &str) -> Vec<(u16, u16)> {
    let port = |word: &str| word.strip_prefix("tcp:").and_then(|port| port.parse::<u16>().ok());
    let of_line = |line: &str| {
        let mut words = line.split_whitespace().rev();
        let (machine, phone) = (port(words.next()?)?, port(words.next()?)?);
        Some((phone, machine))
    };
    said.lines().filter_map(of_line).collect()
}

/// Whether positions of this name are the test's own.
pub(super) async fn is_mocked(adb: &Adb, name: &str) -> Result<bool, AdbError> {
    let dump = adb.ask(&["dumpsys", "location"], "ask where positions come from").await?;
    Ok(dump.lines().any(|line| line.trim_start().starts_with(&format!("{name} provider")) && line.contains("[mock]")))
}

/// The setting that points a phone at a proxy.
pub(super) const PROXY: &str = "http_proxy";
/// Its value for none.
const NO_PROXY: &str = ":0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_in_every_way_they_are_printed() {
        for (answer, want) in [
            ("MOCK_LOCATION: allow; time=+1m2s ago\n", Some("allow")),
            ("MOCK_LOCATION: deny\n", Some("deny")),
            ("No operations.\nDefault mode: deny\n", Some("default")),
            ("Uid mode: FINE_LOCATION: foreground\nMOCK_LOCATION: default\n", Some("default")),
            ("Error: Unknown operation string: x\n", None),
            ("", None),
        ] {
            assert_eq!(parse_app_op(answer).as_deref(), want, "{answer:?}");
        }
    }

    #[test]
    fn a_tunnel_leads_from_a_port_of_the_phone_to_one_of_this_machine() {
        let said = "UsbFfs tcp:40001 tcp:8080\nhost-12 tcp:40002 tcp:9090\nhost-12 localabstract:chrome tcp:8080\n";
        assert_eq!(parse_reverse(said), [(40001, 8080), (40002, 9090)]);
        assert_eq!(parse_reverse(""), []);
    }
}
