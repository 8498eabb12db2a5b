//! An Android phone over adb: the real `adb` is started for each thing, with a limit on its time, and everything that was written is
//! read back. What is changed is in the rig's journal first. Serial numbers stay out of every word.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use self::{changes::Changes, client::QUERY, counters::Tally, device::About, file::PackageFile, location::Told, package::Package};
use super::{
    Action, Key, Launch, Outside, Percent, Permission, PermissionChange, PermissionName, Phone, PhoneError, Probed, Route, RouteWatch,
    Screen, Swipe, Target,
};
use crate::{
    model::{
        Alteration, AppVersion, Captured, PhoneChange, Platform, Position,
        text::{printable, sha256_hex},
    },
    store::RigFolder,
    traffic::authority::Authority,
};

mod changes;
mod client;
mod compiled_xml;
mod counters;
mod declared;
mod device;
mod doctor;
mod error;
mod file;
mod foreign;
mod frida;
mod location;
mod network_security;
mod package;
mod programs;
mod proxy;
mod repackage;
mod route;
mod screen;
mod trust;

pub use changes::{Undoing, Undone, given_up, is_pending, serial, undo_journal};
pub use client::AdbProgram;
pub use doctor::{Reached, examine, reach};
pub use error::AdbError;
pub use repackage::{Repackaging, Replaced};
pub use route::{LOOK_EACH, RouteKind};

/// Which phone, and how it is used.
#[derive(Clone, Debug)]
pub struct AdbSetup {
    /// The adb program.
    pub adb: AdbProgram,
    /// The phone's serial number; the only one that is connected when `None`.
    pub serial: Option<Captured<String>>,
    /// Packages that the app may have, the likeliest first.
    pub ids: Vec<String>,
    /// Folder with the packages of the app's versions: `VERSION.apk`, something before it and a hyphen allowed, or a folder `VERSION`
    /// with the parts of one.
    pub packages: Option<PathBuf>,
    /// How the app is made to trust the proxy.
    pub trust: TrustMode,
    /// How the app is rebuilt; with [`TrustMode::Repackaged`].
    pub repackaging: Option<Repackaging>,
    /// The script that runs in the app; with [`TrustMode::Script`].
    pub script: Option<PathBuf>,
    /// How the phone gets to the proxy.
    pub route: RouteKind,
    /// Whether the phone is one of the lab's: then the platform is [`Platform::Lab`].
    pub lab: bool,
    /// Where the rig's journal is kept.
    pub folder: RigFolder,
}

/// How the app is made to trust the proxy's authority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustMode {
    /// Not at all: hosts, sizes and times are seen, and nothing inside.
    None,
    /// The app is rebuilt so that it trusts it, and signed anew. The phone's other apps do not.
    Repackaged,
    /// A script of the rig's owner sees to it, run in the app by the owner's frida program. The phone's other apps do not trust it.
    Script,
    /// Its certificate is put into the system's store. Needs root.
    System,
    /// A person has installed its certificate. Apps for Android 7 and later trust it only when they say so themselves.
    #[default]
    User,
}

impl TrustMode {
    /// Whether what any app of the phone sends can be read, not only what the app under audit does.
    pub const fn reads_any_app(self) -> bool {
        matches!(self, Self::System | Self::User)
    }
}

/// An Android phone over adb.
pub struct AdbPhone {
    setup: AdbSetup,
    about: About,
    changes: Changes,
    /// The app's package, once it is known to be there.
    package: Option<String>,
    /// Shared with who watches the route: a phone that takes no positions any more is no longer where the scenario says.
    told: Arc<Mutex<Option<Told>>>,
    route: Option<Arc<route::Made>>,
    /// The authority's file in the system's store, once it is there.
    trusted: Option<String>,
    /// What goes past the proxy, since the route was made.
    tally: Option<Tally>,
    recording: Option<screen::Recording>,
    /// SHA-256 of the app's main file.
    digest: Option<String>,
    /// What is known of the app as it was rebuilt.
    rebuilt: Option<repackage::Facts>,
    script: Option<frida::Script>,
    /// What scripts that are over have said.
    script_said: Vec<u8>,
    /// How the app was altered, as far as nobody was told yet.
    altered: Vec<Alteration>,
    /// The package that is being installed and was noted for it, with the version that was there before.
    installing: Option<(String, Option<AppVersion>)>,
}

/// What installing a version would do to the one that is on the phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replaces {
    /// There is none, or this very file.
    Nothing,
    /// An older version: an update.
    Older(AppVersion),
    /// The same version by its name, out of another file.
    Same(AppVersion),
    /// A newer version: a downgrade.
    Newer(AppVersion),
}

/// Looks at the route, and at whether the position that was given is still taken.
struct Watch {
    route: Option<Arc<route::Made>>,
    told: Arc<Mutex<Option<Told>>>,
}

impl AdbPhone {
    /// The phone that is meant, connected and ready. Nothing on it is changed.
    ///
    /// # Errors
    /// [`PhoneError::Adb`] when it is not there, not ready, or not the only one; [`PhoneError::Failed`] when the rig's journal cannot
    /// be read, or is another phone's: that one has to be put back first.
    pub async fn connect(setup: AdbSetup) -> Result<Self, PhoneError> {
        let adb = device::choose(setup.adb.clone(), setup.serial.as_ref()).await?;
        let about = About::of(&adb).await?;
        let changes = Changes::of(adb, setup.folder.clone()).map_err(|error| PhoneError::Failed(error.to_string()))?;
        if !changes.is_of_its_phone() {
            let why = "the rig's journal holds changes of another phone: connect that one and put it back with `tattletale restore`, or let go of \
                       them with `tattletale restore --forget`";
            return Err(PhoneError::Failed(why.to_owned()));
        }
        Ok(Self {
            setup,
            about,
            changes,
            package: None,
            told: Arc::default(),
            route: None,
            trusted: None,
            tally: None,
            recording: None,
            digest: None,
            rebuilt: None,
            script: None,
            script_said: Vec::new(),
            altered: Vec::new(),
            installing: None,
        })
    }

    /// The version that is installed; `None` when the app is not there.
    ///
    /// # Errors
    /// When the phone does not answer.
    pub async fn installed_version(&mut self) -> Result<Option<AppVersion>, PhoneError> {
        Ok(self.installed().await?.and_then(|(_, package)| package.version))
    }

    /// What installing a version, out of its file in the folder of packages or as it is rebuilt, would do to the one that is on the phone.
    /// Nothing is done to the phone.
    ///
    /// # Errors
    /// [`PhoneError::NoSuchVersion`] when another one is there and the folder has none; when file or phone cannot be read.
    pub async fn replaces(&mut self, wanted: &AppVersion) -> Result<Replaces, PhoneError> {
        let Some((name, Package { version: Some(there), .. })) = self.installed().await? else { return Ok(Replaces::Nothing) };
        let is_it = there.name == wanted.name && wanted.code.is_none_or(|code| there.code == Some(code));
        let file = if self.setup.trust == TrustMode::Repackaged {
            // Its vendor's is removed for a rebuilt one, and what that costs is said where somebody is asked for it.
            if self.in_the_way().await?.is_some() {
                return Ok(Replaces::Nothing);
            }
            let original = self.original(wanted).await?;
            self.rebuilt_of(original).await?.0
        } else if is_it && wanted.code.is_some() {
            // What the phone itself told, with its code, is taken as it is. One that a person names is that of the file, where there is one.
            return Ok(Replaces::Nothing);
        } else {
            match self.files_of(wanted) {
                Err(PhoneError::NoSuchVersion { .. }) if is_it => return Ok(Replaces::Nothing),
                place => read_package(place?).await?,
            }
        };
        if file.id != name {
            return Ok(Replaces::Nothing);
        }
        let wanted = AppVersion { name: wanted.name.clone(), code: file.code };
        Ok(match wanted.cmp(&there) {
            _ if is_it && package::sha256(&self.changes.adb, &name).await? == file.digest => Replaces::Nothing,
            _ if is_it => Replaces::Same(there),
            std::cmp::Ordering::Less => Replaces::Newer(there),
            _ => Replaces::Older(there),
        })
    }

    /// The phone's own addresses in its networks: where its traffic over Wi-Fi comes from.
    ///
    /// # Errors
    /// When the phone does not answer.
    pub async fn addresses(&self) -> Result<Vec<IpAddr>, PhoneError> {
        Ok(route::addresses(&self.changes.adb).await?)
    }

    /// The app's package, and what the phone says of it.
    async fn installed(&mut self) -> Result<Option<(String, Package)>, AdbError> {
        let known = self.package.clone();
        for id in known.iter().chain(&self.setup.ids) {
            if let Some(package) = Package::of(&self.changes.adb, id).await? {
                self.package = Some(id.clone());
                return Ok(Some((id.clone(), package)));
            }
        }
        Ok(None)
    }

    /// The app's package name, which has to be there.
    async fn app(&mut self) -> Result<String, AdbError> {
        if let Some(package) = &self.package {
            return Ok(package.clone());
        }
        match self.installed().await? {
            Some((name, _)) => Ok(name),
            None => Err(AdbError::AppNotInstalled(self.setup.ids.join(", "))),
        }
    }

    /// The files of a version; the error says which versions there are.
    fn files_of(&self, version: &AppVersion) -> Result<PathBuf, PhoneError> {
        let no_such = |known: String| PhoneError::NoSuchVersion { wanted: version.name.clone(), known };
        let Some(folder) = &self.setup.packages else {
            return Err(no_such("no folder of packages in the rig file (phone: { packages: FOLDER })".to_owned()));
        };
        let entries = std::fs::read_dir(folder)
            .map_err(|problem| PhoneError::Failed(format!("read the folder of packages {}: {problem}", folder.display())))?;
        let (mut known, mut found) = (Vec::new(), Vec::new());
        for path in entries.flatten().map(|entry| entry.path()) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let stem = match name.strip_suffix(".apk") {
                Some(stem) => stem,
                None if path.is_dir() => name,
                None => continue,
            };
            if stem == version.name || stem.strip_suffix(&version.name).is_some_and(|before| before.ends_with('-')) {
                found.push(path);
            } else {
                known.push(stem.to_owned());
            }
        }
        // In the order of their names, which is the same on every machine.
        found.sort();
        if let [_, _, ..] = found[..] {
            let names: Vec<String> =
                found.iter().filter_map(|path| path.file_name()).map(|name| printable(&name.to_string_lossy())).collect();
            let (wanted, names) = (printable(&version.name), names.join(", "));
            return Err(PhoneError::Failed(format!("choose the package of version {wanted}: there are {names}; leave one of them there")));
        }
        if let Some(path) = found.pop() {
            return Ok(path);
        }
        known.sort();
        Err(no_such(if known.is_empty() { "no package there".to_owned() } else { known.join(", ") }))
    }

    /// Installs a package as it is.
    async fn install_package(&mut self, file: PackageFile) -> Result<AppVersion, PhoneError> {
        let version = |found: Option<Package>| found.and_then(|package| package.version);
        let before = version(Package::of(&self.changes.adb, &file.id).await?);
        // What was there first is what goes back.
        if !self.changes.has(|change| matches!(change, PhoneChange::App { package, .. } if *package == file.id)) {
            self.changes.will(PhoneChange::App { package: file.id.clone(), before: before.clone(), original: None })?;
            self.installing = Some((file.id.clone(), before));
        }
        if let Err(error) = self.changes.adb.install(&file.parts.iter().map(PathBuf::as_path).collect::<Vec<_>>()).await {
            self.forget_what_is_as_before().await?;
            return Err(error.into());
        }
        let read_back = |wanted: String, found: String| AdbError::ReadBack { what: "install the app".into(), wanted, found };
        let Some(Package { version: Some(version), uid, .. }) = Package::of(&self.changes.adb, &file.id).await? else {
            return Err(read_back(file.id, "nothing".into()).into());
        };
        let digest = package::sha256(&self.changes.adb, &file.id).await?;
        if digest != file.digest {
            return Err(read_back(format!("the file {}", file.digest), format!("the file {digest}")).into());
        }
        if let Some((tally, uid)) = self.tally.as_mut().zip(uid) {
            tally.is_under(uid);
        }
        (self.installing, self.package, self.digest) = (None, Some(file.id), Some(digest));
        Ok(version)
    }

    /// Installs a version out of its files, rebuilt where the rig says so, and reads back which one it is.
    async fn install_version(&mut self, wanted: &AppVersion) -> Result<AppVersion, PhoneError> {
        let is = if self.setup.trust == TrustMode::Repackaged {
            let original = self.original(wanted).await?;
            self.install_rebuilt(original).await?
        } else {
            self.install_file(&self.files_of(wanted)?).await?
        };
        if is.name != wanted.name {
            let (what, wanted) = ("install the app".to_owned(), printable(&wanted.name));
            return Err(AdbError::ReadBack { what, wanted, found: is.name }.into());
        }
        Ok(is)
    }

    /// Reads a package of the app on this machine. One of another app is refused before anything is done.
    async fn package_of_app(&self, place: PathBuf) -> Result<PackageFile, PhoneError> {
        let file = read_package(place).await?;
        if !self.setup.ids.contains(&file.id) {
            let (id, ids) = (&file.id, self.setup.ids.join(" or "));
            return Err(PhoneError::Failed(format!("install the app: the file holds {id}, and the app is {ids}; nothing was installed")));
        }
        Ok(file)
    }

    /// Stops an app and takes it off the phone. Its counters go with it: what it has sent until now is asked first, when it sends nothing
    /// any more.
    async fn take_off(&mut self, name: &str) -> Result<(), PhoneError> {
        self.stop_app().await?;
        let counted = match &self.tally {
            Some(tally) => Some(tally.removing(&self.changes.adb).await),
            None => None,
        };
        changes::uninstall(&self.changes.adb, name).await?;
        if let Some((tally, counted)) = self.tally.as_mut().zip(counted) {
            tally.removed(counted);
        }
        (self.package, self.digest) = (None, None);
        Ok(())
    }

    /// What was not installed after all need not be put back: a note of it would one day cost somebody an app of their own. Where the phone
    /// cannot say what is there, the note stays.
    async fn forget_what_is_as_before(&mut self) -> Result<(), PhoneError> {
        let Some((id, before)) = self.installing.take() else { return Ok(()) };
        match Package::of(&self.changes.adb, &id).await {
            Ok(is) if is.as_ref().and_then(|is| is.version.as_ref()) == before.as_ref() => {
                self.changes.forget_apps(|package| package == id)
            }
            _ => Ok(()),
        }
    }

    /// Grants or takes what a scenario calls location.
    async fn permit_location(&mut self, allow: bool) -> Result<(), PhoneError> {
        let app = self.app().await?;
        let Some(found) = Package::of(&self.changes.adb, &app).await? else { return Err(AdbError::AppNotInstalled(app).into()) };
        let asked: Vec<&str> = LOCATION.into_iter().filter(|permission| found.requested.contains(*permission)).collect();
        if allow && asked.is_empty() {
            return Err(AdbError::NotRequested("where the phone is".to_owned()).into());
        }
        // The background's goes after the others when granted, and before them when taken.
        let ordered: Vec<&str> = if allow { asked } else { asked.into_iter().rev().collect() };
        for permission in ordered {
            self.changes.permission(&app, permission, allow).await?;
        }
        Ok(())
    }

    /// Waits until the app runs, and gives its process.
    async fn process(&self, app: &str) -> Result<u32, AdbError> {
        let what = "start the app";
        let until = Instant::now() + STARTED_WITHIN;
        loop {
            let answer = self.changes.adb.shell(&["pidof", app], what).await?;
            if let Some(pid) = answer.stdout.split_whitespace().next().and_then(|pid| pid.parse().ok()) {
                return Ok(pid);
            }
            if Instant::now() > until {
                return Err(AdbError::TimedOut { what: what.to_owned(), within: STARTED_WITHIN });
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    async fn in_front(&mut self) -> Result<(), PhoneError> {
        let app = self.app().await?;
        let what = "ask which app is in front";
        let dump = self.changes.adb.ask(&["dumpsys", "activity", "activities"], what).await?;
        match front(&dump) {
            Some(is) if is == app => Ok(()),
            Some(other) => Err(PhoneError::AppNotInFront(format!("{} is in front; launch the app first", printable(other)))),
            None => Err(PhoneError::AppNotInFront("no app is in front; launch it first".to_owned())),
        }
    }
}

#[async_trait]
impl Phone for AdbPhone {
    fn about(&self) -> String {
        self.about.in_words()
    }

    fn platform(&self) -> Platform {
        if self.setup.lab { Platform::Lab } else { Platform::Android }
    }

    async fn system(&mut self) -> Result<Option<String>, PhoneError> {
        Ok(Some(self.about.system()))
    }

    fn identity(&self) -> Option<String> {
        // Exposed to be hashed: the digest says whether it is the same one, and nothing else.
        Some(sha256_hex(self.changes.adb.serial.expose().as_bytes()))
    }

    fn supports(&self, action: Action) -> bool {
        match action {
            Action::SetLocation => self.about.test_providers,
            Action::SetAirplaneMode => self.about.airplane_mode,
            Action::Record => self.about.records,
            Action::ClearState
            | Action::InputText
            | Action::InstallApp
            | Action::LaunchApp
            | Action::PressKey
            | Action::PullToRefresh
            | Action::Screen
            | Action::Screenshot
            | Action::SetPermissions
            | Action::StopApp
            | Action::Swipe
            | Action::TapOn
            | Action::UninstallApp => true,
        }
    }

    fn app_about(&self) -> Option<String> {
        let (package, digest) = self.package.as_ref().zip(self.digest.as_ref())?;
        let made_of = self.rebuilt.as_ref().map(|facts| format!(", rebuilt from one of {}", facts.original())).unwrap_or_default();
        Some(format!("{package}, SHA-256 of its file {digest}{made_of}"))
    }

    fn alterations(&mut self) -> Vec<Alteration> {
        self.script_ended();
        std::mem::take(&mut self.altered)
    }

    fn script_output(&mut self) -> Option<Vec<u8>> {
        let mut said = std::mem::take(&mut self.script_said);
        said.extend(self.script.as_mut().map(frida::Script::take_output).unwrap_or_default());
        (!said.is_empty()).then_some(said)
    }

    /// Without a version, what is installed. A version that is there already, out of the same file as far as there is one, is not
    /// installed again: the app keeps its state.
    async fn install(&mut self, wanted: Option<&AppVersion>) -> Result<AppVersion, PhoneError> {
        let there = self.installed().await?.and_then(|(_, package)| package.version);
        // Only what was rebuilt for this rig is left as it is; whether it is that is looked at where it is installed.
        let rebuilds = self.setup.trust == TrustMode::Repackaged;
        let version = match (wanted, there) {
            (None, None) => return Err(AdbError::AppNotInstalled(self.setup.ids.join(", ")).into()),
            (None, Some(there)) if !rebuilds => there,
            (None, Some(there)) => self.install_version(&there).await?,
            (Some(wanted), Some(there)) if !rebuilds && there.name == wanted.name && self.replaces(wanted).await? == Replaces::Nothing => {
                there
            }
            (Some(wanted), _) => self.install_version(wanted).await?,
        };
        if let Some(name) = &self.package {
            let digest = package::sha256(&self.changes.adb, name).await?;
            // One that an earlier run left is no less altered where nothing is rebuilt now.
            if !rebuilds {
                self.note_rebuilt(&digest);
            }
            self.digest = Some(digest);
        }
        Ok(version)
    }

    async fn install_file(&mut self, file: &Path) -> Result<AppVersion, PhoneError> {
        let file = self.package_of_app(file.to_owned()).await?;
        if self.setup.trust == TrustMode::Repackaged { self.install_rebuilt(file).await } else { self.install_package(file).await }
    }

    async fn uninstall_app(&mut self) -> Result<(), PhoneError> {
        let Some((name, package)) = self.installed().await? else { return Ok(()) };
        if !self.changes.has(|change| matches!(change, PhoneChange::App { .. })) {
            self.changes.will(PhoneChange::App { package: name.clone(), before: package.version, original: None })?;
        }
        self.take_off(&name).await
    }

    async fn clear_state(&mut self) -> Result<(), PhoneError> {
        let app = self.app().await?;
        let what = "clear the app's state";
        self.changes.clears_permissions(&app).await?;
        let answer = self.changes.adb.shell(&["pm", "clear", &app], what).await?;
        if answer.stdout.trim() == "Success" {
            return Ok(());
        }
        Err(AdbError::of_command(what, &answer.stdout, &answer.stderr).into())
    }

    async fn set_permissions(&mut self, changes: &[PermissionChange]) -> Result<(), PhoneError> {
        let app = self.app().await?;
        for PermissionChange { which, to } in changes {
            let grant = *to == Permission::Allow;
            let names: &[&str] = match which {
                PermissionName::Location => &LOCATION[..2],
                PermissionName::BackgroundLocation => &LOCATION[2..],
                PermissionName::Exact(name) => &[name.as_str()],
            };
            if *which == PermissionName::Location {
                // Old apps ask for the precise one alone, careful ones for the approximate one.
                let found = Package::of(&self.changes.adb, &app).await?.unwrap_or_default();
                let asked: Vec<&str> = names.iter().copied().filter(|name| found.requested.contains(*name)).collect();
                if grant && asked.is_empty() {
                    return Err(AdbError::NotRequested("where the phone is".to_owned()).into());
                }
                for name in asked {
                    self.changes.permission(&app, name, grant).await?;
                }
                continue;
            }
            for name in names {
                self.changes.permission(&app, name, grant).await?;
            }
        }
        Ok(())
    }

    async fn set_airplane_mode(&mut self, on: bool) -> Result<(), PhoneError> {
        self.changes.airplane_mode(on).await
    }

    async fn launch_app(&mut self, launch: &Launch) -> Result<(), PhoneError> {
        let app = self.app().await?;
        if launch.clear_state {
            self.clear_state().await?;
        }
        self.permit_location(launch.location == Permission::Allow).await?;
        if self.setup.trust == TrustMode::Script && self.launch_with_script(&app).await? {
            return Ok(());
        }
        let adb = &self.changes.adb;
        let what = "start the app";
        let resolve = ["cmd", "package", "resolve-activity", "--brief", "-c", "android.intent.category.LAUNCHER", &app];
        let answer = adb.ask(&resolve, what).await?;
        let component = answer.lines().map(str::trim).rfind(|line| line.starts_with(&format!("{app}/")));
        let component = component.ok_or_else(|| AdbError::NotUnderstood { what: what.to_owned(), said: error::cut(&answer) })?;
        let answer = adb.script(&format!("am start -W -n {}", client::quoted(component)), what, START).await?;
        if answer.status != 0 || complains(&answer.stdout) || complains(&answer.stderr) {
            return Err(AdbError::of_command(what, &answer.stdout, &answer.stderr).into());
        }
        let pid = self.process(&app).await?;
        if let Some(file) = self.trusted.clone()
            && !trust::is_seen_by(&self.changes.adb, &file, pid).await?
        {
            return Err(PhoneError::Failed("the app does not see the certificate in the phone's store".to_owned()));
        }
        Ok(())
    }

    async fn stop_app(&mut self) -> Result<(), PhoneError> {
        self.end_script().await;
        let Some((app, _)) = self.installed().await? else { return Ok(()) };
        self.changes.adb.ask(&["am", "force-stop", &app], "stop the app").await?;
        let pids = self.changes.adb.shell(&["pidof", &app], "stop the app").await?;
        if pids.stdout.trim().is_empty() {
            return Ok(());
        }
        Err(AdbError::ReadBack { what: "stop the app".into(), wanted: "gone".into(), found: "running".into() }.into())
    }

    async fn pull_to_refresh(&mut self) -> Result<(), PhoneError> {
        self.in_front().await?;
        Ok(screen::swipe(&self.changes.adb, &PULL).await?)
    }

    async fn tap_on(&mut self, target: &Target) -> Result<(), PhoneError> {
        self.in_front().await?;
        screen::tap(&mut self.changes, target).await
    }

    async fn swipe(&mut self, swipe: &Swipe) -> Result<(), PhoneError> {
        Ok(screen::swipe(&self.changes.adb, swipe).await?)
    }

    async fn input_text(&mut self, text: &str) -> Result<(), PhoneError> {
        self.in_front().await?;
        screen::text(&self.changes.adb, text).await
    }

    async fn press_key(&mut self, key: Key) -> Result<(), PhoneError> {
        Ok(screen::press(&self.changes.adb, key).await?)
    }

    async fn set_location(&mut self, position: Position) -> Result<Position, PhoneError> {
        if !self.about.test_providers {
            let why = format!("Android {} takes no positions from the shell: 12 and later do", self.about.release);
            return Err(PhoneError::Unsupported(why));
        }
        location::place(&mut self.changes, &mut *self.told.lock().await, position).await
    }

    async fn screen(&mut self) -> Result<Screen, PhoneError> {
        screen::look(&mut self.changes).await
    }

    async fn screenshot(&mut self) -> Result<Vec<u8>, PhoneError> {
        Ok(screen::picture(&self.changes.adb).await?)
    }

    async fn start_recording(&mut self) -> Result<(), PhoneError> {
        if self.recording.is_some() {
            return Err(PhoneError::Failed("it records its screen already".to_owned()));
        }
        self.changes.will(PhoneChange::Recording { file: RECORDING.to_owned() })?;
        self.recording = Some(screen::record(&self.changes.adb, RECORDING).await?);
        Ok(())
    }

    async fn stop_recording(&mut self) -> Result<Vec<u8>, PhoneError> {
        let recording = self.recording.take().ok_or_else(|| PhoneError::Failed("no recording was begun".to_owned()))?;
        Ok(screen::recorded(&self.changes.adb, RECORDING, recording).await?)
    }

    async fn route_through(&mut self, proxy: SocketAddr) -> Result<(), PhoneError> {
        self.route = Some(Arc::new(route::make(&mut self.changes, self.setup.route, proxy).await?));
        let installed = self.installed().await?;
        self.tally = Some(Tally::begin(&self.changes.adb, installed.and_then(|(_, package)| package.uid)).await);
        Ok(())
    }

    fn route_watch(&self) -> Option<Arc<dyn RouteWatch>> {
        Some(Arc::new(Watch { route: self.route.clone(), told: Arc::clone(&self.told) }))
    }

    /// Counts when the app is stopped: what it still sent would be in no count.
    async fn outside(&mut self) -> Outside {
        let Some(tally) = self.tally.take() else { return Outside::NotCounted("the phone was not brought to the proxy".to_owned()) };
        // Whether it can be stopped is told when the phone is put back.
        let _ = self.stop_app().await;
        match self.installed().await {
            Ok(Some((_, Package { uid: None, .. }))) => {
                Outside::NotCounted("the phone does not tell under which user id it counts the app".to_owned())
            }
            Ok(found) => tally.end(&self.changes.adb, found.and_then(|(_, package)| package.uid), self.setup.route).await,
            Err(error) => Outside::NotCounted(format!("the phone could not be asked: failed to {error}")),
        }
    }

    async fn trust(&mut self, authority: &Authority) -> Result<(), PhoneError> {
        if self.setup.trust == TrustMode::System {
            let file = authority.android_name();
            trust::needs_root(&self.changes.adb).await?;
            self.changes.will(PhoneChange::Trust { file: file.clone() })?;
            trust::install(&self.changes.adb, authority).await?;
            self.trusted = Some(file);
        }
        if self.setup.trust == TrustMode::Script { self.ready_script().await } else { Ok(()) }
    }

    /// Puts the certificate where the phone's settings look for one: no program may install it.
    async fn ask_for_trust(&mut self, authority: &Authority) -> Result<Option<String>, PhoneError> {
        if self.setup.trust != TrustMode::User {
            return Ok(None);
        }
        let what = "put the certificate on the phone";
        let name = format!("tattletale-{}.crt", authority.android_name().trim_end_matches(".0"));
        let path = format!("{DOWNLOADS}/{name}");
        if self.changes.adb.shell(&["ls", &path], what).await?.status != 0 {
            self.changes.will(PhoneChange::File { path: path.clone() })?;
            let script =
                format!("mkdir -p {DOWNLOADS} && cat > {} <<'END'\n{}\nEND", client::quoted(&path), authority.certificate_pem().trim_end());
            let answer = self.changes.adb.script(&script, what, QUERY).await?;
            if answer.status != 0 {
                return Err(AdbError::of_command(what, &answer.stdout, &answer.stderr).into());
            }
        }
        Ok(Some(format!(
            "The phone does not trust this rig's authority.\n  Its certificate is on the phone, in Download: {name}.\n  Settings > Security > More > \
             Encryption & credentials > Install a certificate > CA certificate, and choose it there."
        )))
    }

    /// By what opens web pages on this phone: an app like any other, that goes where the phone is pointed and trusts whom it trusts.
    async fn probe(&mut self, url: &str) -> Result<Probed, PhoneError> {
        let what = "have the phone send a request";
        let line = format!("am start -a android.intent.action.VIEW -d {}", client::quoted(url));
        let answer = self.changes.adb.script(&line, what, QUERY).await?;
        let said = format!("{}{}", answer.stdout, answer.stderr);
        if said.contains("unable to resolve Intent") || said.contains("No Activity found") {
            return Err(AdbError::NothingOpens("a web page".to_owned()).into());
        }
        if answer.status != 0 || complains(&said) {
            return Err(AdbError::of_command(what, &answer.stdout, &answer.stderr).into());
        }
        Ok(Probed::Sent)
    }

    async fn restore(&mut self) -> Result<(), PhoneError> {
        *self.told.lock().await = None;
        self.route = None;
        self.trusted = None;
        self.recording = None;
        // A start that was given up in its middle may come after the stop: then the app would run on when the proxy is gone.
        self.changes.adb.settle().await;
        let stopped = self.stop_app().await;
        let forgotten = self.forget_what_is_as_before().await;
        let undone = self.changes.undo(false).await.map_err(|error| PhoneError::Failed(error.to_string()))?;
        let failed: Vec<String> = undone
            .iter()
            .filter_map(|undone| match &undone.how {
                Undoing::Failed { why, .. } => Some(format!("{}: failed to {why}", undone.what)),
                _ => None,
            })
            .collect();
        if !failed.is_empty() {
            return Err(PhoneError::Failed(format!("{}; `tattletale restore` tries again", failed.join("; "))));
        }
        stopped.and(forgotten)
    }
}

#[async_trait]
impl RouteWatch for Watch {
    async fn check(&self) -> Result<Route, PhoneError> {
        if let Some(error) = self.told.lock().await.as_ref().and_then(Told::failed) {
            return Err(error.into());
        }
        match &self.route {
            Some(route) => route.check().await,
            None => Ok(Route::Whole),
        }
    }
}

/// Reads a package on this machine, off the tasks that drive the phone: it may have hundreds of megabytes.
async fn read_package(place: PathBuf) -> Result<PackageFile, PhoneError> {
    let read = tokio::task::spawn_blocking(move || PackageFile::read(&place)).await;
    read.unwrap_or_else(|problem| Err(PhoneError::Failed(format!("read a package: {problem}"))))
}

/// Whether `am` says that it did not do it. It repeats what it was asked for, so that only how a line begins counts.
fn complains(said: &str) -> bool {
    let words = ["Error:", "Error type", "Exception", "java.", "Status: timeout"];
    said.lines().any(|line| words.iter().any(|word| line.trim_start().starts_with(word)))
}

/// The package of the app in front: `…ResumedActivity: ActivityRecord{1a2b u0 com.example/.Main t12}`, in the words of several Androids.
fn front(dump: &str) -> Option<&str> {
    let line = dump.lines().find(|line| line.contains("ResumedActivity") && line.contains("ActivityRecord{"))?;
    let (_, record) = line.split_once("ActivityRecord{")?;
    record.split([' ', '}']).find_map(|word| Some(word.split_once('/')?.0))
}

/// Permissions to know where the phone is: precisely, approximately, and while the app is not in front.
const LOCATION: [&str; 3] = [
    "android.permission.ACCESS_FINE_LOCATION",
    "android.permission.ACCESS_COARSE_LOCATION",
    "android.permission.ACCESS_BACKGROUND_LOCATION",
];
/// Pulls a list down: from below its top to three quarters of the screen.
const PULL: Swipe = Swipe { from: Percent { x: 50.0, y: 30.0 }, to: Percent { x: 50.0, y: 75.0 }, takes: Duration::from_millis(400) };
/// Where a person finds files on the phone.
const DOWNLOADS: &str = "/sdcard/Download";
/// Where the phone keeps a recording until it is fetched.
const RECORDING: &str = "/data/local/tmp/tattletale-recording.mp4";
/// Starting an app takes this long at most: phones compile it first.
const START: Duration = Duration::from_secs(60);
/// An app that was started has its process within this time.
const STARTED_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_am_repeats_is_no_complaint() {
        let starts =
            "Starting: Intent { cmp=com.example.test/.ErrorReportingMainActivity }\nStatus: ok\nActivity: com.example.test/.Exception\n";
        assert!(!complains(starts));
        for said in [
            "Starting: Intent { cmp=a.test/.B }\nError type 3\nError: Activity class {a.test/.B} does not exist.\n",
            "Starting: Intent { cmp=a.test/.B }\nStatus: timeout\n",
            "\nException occurred while executing 'start':\njava.lang.SecurityException: not exported\n",
            "Error: Activity not started, unable to resolve Intent { act=android.intent.action.VIEW }\n",
        ] {
            assert!(complains(said), "{said}");
        }
    }

    #[test]
    fn the_app_in_front_is_named_in_the_words_of_several_androids() {
        for (line, want) in [
            ("    mResumedActivity: ActivityRecord{8a1b2c u0 com.example.test/.Main t12}", Some("com.example.test")),
            ("  ResumedActivity: ActivityRecord{8a1b2c u0 com.example.test/com.example.Main} t7}", Some("com.example.test")),
            ("  topResumedActivity=ActivityRecord{8a1b2c u0 com.android.launcher3/.Launcher t1}", Some("com.android.launcher3")),
            ("  mResumedActivity: null", None),
            ("", None),
        ] {
            assert_eq!(front(line), want, "{line}");
        }
    }
}
