//! Every change of the phone that has to be put back: noted in the journal with what was there before, on the disk before it is made,
//! read back after it, and undone from the last to the first. What is changed and why is others'.

use std::collections::BTreeSet;

use super::{
    super::PhoneError,
    client::{Adb, AdbProgram, QUERY},
    device,
    error::{AdbError, cut},
    frida,
    package::{DECISIONS, Package},
    proxy, repackage, screen, trust,
};
use crate::{
    clock::Clock,
    model::{AppVersion, Captured, Journal, JournalPhone, PhoneChange, journal::JOURNAL_FORMAT, text::printable},
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
            // That an app was installed on another phone keeps nobody from using this one.
            Some(journal) if journal.phone.serial == adb.serial || is_pending(&journal) => journal,
            _ => Journal {
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

    /// Notes a change that is about to be made, by us or by somebody else who reads it back. One of a thing that was changed before
    /// leaves what was there first.
    ///
    /// # Errors
    /// When it cannot be noted: then it must not be made.
    pub(super) fn will(&mut self, change: PhoneChange) -> Result<(), PhoneError> {
        let kept = self.journal.entries.clone();
        if !self.journal.note(Clock::real().now(), change) {
            return Ok(());
        }
        self.folder.keep_journal(&self.journal).map_err(|error| {
            self.journal.entries = kept;
            PhoneError::Failed(format!("note what is changed on it, so nothing was: {error}"))
        })
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
        self.will(PhoneChange::Setting { namespace: namespace.into(), key: key.into(), before, set: set.clone(), earlier: Vec::new() })?;
        Ok(put_setting(&self.adb, namespace, key, set.as_deref()).await?)
    }

    /// Points the phone at a proxy, `host:port`, and reads it back.
    ///
    /// # Errors
    /// When it cannot be noted, or did not become what it was to be.
    pub(super) async fn proxy(&mut self, set: &str) -> Result<(), PhoneError> {
        let before = proxy::read(&self.adb).await?;
        self.will(PhoneChange::Proxy { before, set: vec![set.to_owned()] })?;
        Ok(proxy::point(&self.adb, set).await?)
    }

    /// Notes an app's permissions, because its state is about to be cleared and takes them along: those that it has, and those of which
    /// its owner has decided anything.
    ///
    /// # Errors
    /// When they cannot be read or noted.
    pub(super) async fn clears_permissions(&mut self, package: &str) -> Result<(), PhoneError> {
        let found = Package::of(&self.adb, package).await?.unwrap_or_default();
        for (permission, before) in &found.granted {
            if *before || found.decided.contains_key(permission) {
                self.will(of_permission(package, permission, *before, &found))?;
            }
        }
        Ok(())
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
        self.will(of_permission(package, permission, before, &found))?;
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
        self.will(PhoneChange::AppOp { package: package.into(), operation: operation.into(), before })?;
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
        self.will(PhoneChange::AirplaneMode { before })?;
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
            // Who may give positions is needed to take the test's own away again, the next time.
            let is_needed =
                matches!(change, PhoneChange::AppOp { .. }) && self.has(|change| matches!(change, PhoneChange::TestProvider { .. }));
            let how = match is_needed {
                true => Undoing::Failed { why: "put it back while the test's positions are still given".into(), help: String::new() },
                false => undo(&self.adb, &self.folder, &change)
                    .await
                    .unwrap_or_else(|error| Undoing::Failed { why: error.to_string(), help: error.help().into() }),
            };
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

/// The serial number of the phone that a rig means: the one in its file, else that of the only one that is connected.
///
/// # Errors
/// When it is not there, not ready, or not the only one.
pub async fn serial(program: &AdbProgram, wanted: Option<&Captured<String>>) -> Result<Captured<String>, PhoneError> {
    Ok(device::choose(program.clone(), wanted).await?.serial)
}

/// What is given up with a journal that is let go of: each change, and what was there before it.
pub fn given_up(journal: &Journal) -> Vec<String> {
    let one = |change: &PhoneChange| {
        let before = match change {
            PhoneChange::AirplaneMode { before } => on_or_off(*before).to_owned(),
            PhoneChange::App { before, .. } => {
                before.as_ref().map_or_else(|| "not installed".to_owned(), |version| format!("version {version}"))
            }
            PhoneChange::AppOp { before, .. } => before.clone(),
            PhoneChange::Permission { before, .. } => granted(*before).to_owned(),
            PhoneChange::Proxy { before, .. } => {
                let set: Vec<String> = before.iter().map(|(key, value)| format!("{key} {value}")).collect();
                if set.is_empty() { "not set".to_owned() } else { set.join(", ") }
            }
            PhoneChange::Setting { before, .. } => before.clone().unwrap_or_else(|| "not set".to_owned()),
            _ => "not there".to_owned(),
        };
        format!("{}: before, {}", in_words(change), printable(&before))
    };
    journal.entries.iter().map(|entry| one(&entry.change)).collect()
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

/// A permission, as it is now.
fn of_permission(package: &str, permission: &str, before: bool, found: &Package) -> PhoneChange {
    let decided = Some(found.decided.get(permission).cloned().unwrap_or_default());
    PhoneChange::Permission { package: package.to_owned(), permission: permission.to_owned(), before, decided }
}

/// A change, as what it was made to.
fn in_words(change: &PhoneChange) -> String {
    printable(&match change {
        PhoneChange::AirplaneMode { .. } => "airplane mode".to_owned(),
        PhoneChange::App { package, .. } => format!("the app {package}"),
        PhoneChange::AppOp { package, operation, .. } => format!("{operation} of {package}"),
        PhoneChange::File { path } => format!("the file {path}"),
        PhoneChange::Permission { package, permission, .. } => format!("{permission} of {package}"),
        PhoneChange::Recording { .. } => "the recording of the screen".to_owned(),
        PhoneChange::Proxy { .. } => format!("the setting global {}", proxy::PROXY),
        PhoneChange::Reverse { to, .. } => format!("the tunnel to port {to} of this computer"),
        PhoneChange::Script { package, .. } => format!("the script in the app {package}"),
        PhoneChange::Setting { namespace, key, .. } => format!("the setting {namespace} {key}"),
        PhoneChange::TestProvider { name } => format!("the position given in place of {name}"),
        PhoneChange::Trust { .. } => "the certificate in the phone's store".to_owned(),
    })
}

async fn undo(adb: &Adb, folder: &RigFolder, change: &PhoneChange) -> Result<Undoing, AdbError> {
    match change {
        PhoneChange::Proxy { before, set } => proxy::undo(adb, before, set).await,
        PhoneChange::Setting { namespace, key, before, set, earlier } => {
            let is = setting(adb, namespace, key).await?;
            let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "not set".to_owned(), printable);
            if is == *before {
                Ok(Undoing::AlreadyAsBefore)
            } else if is != *set && !earlier.contains(&is) {
                Ok(Undoing::Left(format!("somebody else has set it to {} since", shown(&is))))
            } else {
                put_setting(adb, namespace, key, before.as_deref()).await?;
                Ok(Undoing::Back(shown(before)))
            }
        }
        PhoneChange::Permission { package, permission, before, decided } => {
            undo_permission(adb, package, permission, *before, decided.as_ref()).await
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
        PhoneChange::Reverse { to, others } => {
            let ours = async || {
                Ok::<_, AdbError>(reversed_to(adb, *to).await?.into_iter().filter(|port| !others.contains(port)).collect::<Vec<_>>())
            };
            let mut removed = false;
            for port in ours().await? {
                let name = format!("tcp:{port}");
                adb.own(&["reverse".as_ref(), "--remove".as_ref(), name.as_ref()], "remove the tunnel", QUERY).await?;
                removed = true;
            }
            match ours().await?.first() {
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
            adb.script(&screen::stop_recording(file), what, QUERY).await?;
            adb.ask(&["rm", "-f", file], what).await?;
            Ok(Undoing::Back("ended, and its file removed".to_owned()))
        }
        PhoneChange::File { path } => {
            let what = "remove the file";
            if adb.shell(&["ls", path], what).await?.status != 0 {
                return Ok(Undoing::AlreadyAsBefore);
            }
            adb.ask(&["rm", "-f", path], what).await?;
            Ok(Undoing::Back("gone".to_owned()))
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

async fn undo_permission(
    adb: &Adb,
    package: &str,
    permission: &str,
    before: bool,
    decided: Option<&BTreeSet<String>>,
) -> Result<Undoing, AdbError> {
    let Some(found) = Package::of(adb, package).await? else { return Ok(Undoing::Left("the app is gone".to_owned())) };
    if !found.granted.contains_key(permission) && !found.requested.contains(permission) {
        return Ok(Undoing::Left("the app asks for it no more".to_owned()));
    }
    let is_as_before = found.granted.get(permission).copied().unwrap_or_default() == before;
    let now = found.decided.get(permission).cloned().unwrap_or_default();
    if is_as_before && decided.is_none_or(|decided| *decided == now) {
        return Ok(Undoing::AlreadyAsBefore);
    }
    if !is_as_before {
        put_permission(adb, package, permission, before).await?;
    }
    let Some(decided) = decided else { return Ok(Undoing::Back(granted(before).to_owned())) };
    // Since Android 12 a shell can set two of the flags; that something was for one time is between the phone and its owner.
    for (flag, name) in [("USER_SET", "user-set"), ("USER_FIXED", "user-fixed")] {
        let verb = if decided.contains(flag) { "set-permission-flags" } else { "clear-permission-flags" };
        adb.shell(&["pm", verb, package, permission, name], "put back what was decided of a permission").await?;
    }
    let found = Package::of(adb, package).await?.unwrap_or_default();
    let now = found.decided.get(permission).cloned().unwrap_or_default();
    if now == *decided {
        return Ok(Undoing::Back(granted(before).to_owned()));
    }
    let words = |decided: &BTreeSet<String>| match DECISIONS.map(|flag| decided.contains(flag)) {
        [true, ..] => "for one time, or asked for each time",
        [_, true, _] => "decided for good",
        [_, _, true] => "decided",
        _ => "never decided",
    };
    let (was, is) = (words(decided), words(&now));
    Ok(Undoing::Left(format!(
        "{} as before, but it was {was} and is now {is}; look at it in the app's settings on the phone",
        granted(before)
    )))
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
        None => drop(adb.ask(&["settings", "delete", namespace, key], &what).await?),
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
