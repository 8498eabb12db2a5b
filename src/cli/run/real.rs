//! A rig with a real phone: which one, whom it is told to trust, where its requests go, and that nobody else uses it meanwhile.
//! Driving it is `phone`'s, and what is put back after a crash is told by `restore`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    super::{Failure, Surroundings, band, ca, restore},
    Arguments,
};
use crate::{
    model::{App, AppVersion, Captured, Platform, text::printable},
    phone::{
        PhoneError,
        adb::{self, AdbPhone, AdbProgram, AdbSetup, Repackaging, Replaced, Replaces, RouteKind, TrustMode, is_pending, undo_journal},
    },
    run::{AdbBench, RunError, authority, bench::lab_upstream},
    scenario::RigFile,
    store::{self, BeginJob, Job, RigFolder, RigJob, rig::RigInUse},
    traffic::proxy::Upstream,
};

/// A rig with a real phone, as its file describes it. Nothing has been asked of the phone yet.
pub(in crate::cli) struct Real {
    setup: AdbSetup,
    upstream: Upstream,
    control_time: Option<std::time::Duration>,
}

/// A rig that is ours until this is dropped.
pub(in crate::cli) struct Ours {
    _job: RigJob,
    /// Nobody else's rig uses its phone.
    _phone: Option<RigJob>,
    /// Nobody replaces its authority meanwhile.
    _authority: RigInUse,
}

impl Real {
    /// The rig of a file.
    pub(in crate::cli) fn of(
        path: &Path,
        rig: &RigFile,
        app: &App,
        folder: &RigFolder,
        surroundings: &Surroundings,
    ) -> Result<Self, Failure> {
        let beside = surroundings.path(path).parent().unwrap_or(Path::new(".")).to_owned();
        let android = &rig.phone.android;
        let program = match &android.program {
            // A bare name is looked for in PATH.
            Some(program) if program.components().count() > 1 => beside.join(program),
            Some(program) => program.clone(),
            None => AdbProgram::default().program,
        };
        let upstream = lab_of(path, rig, surroundings)?;
        let setup = AdbSetup {
            adb: AdbProgram { program, port: android.port, environment: Vec::new() },
            serial: rig.phone.serial.clone(),
            ids: android.package.iter().chain(&app.ids).cloned().collect(),
            packages: android.packages.as_ref().map(|packages| beside.join(packages)),
            trust: android.trust,
            repackaging: None,
            script: android.script.as_ref().map(|script| beside.join(script)),
            route: android.route,
            lab: rig.lab.is_some(),
            folder: folder.clone(),
        };
        Ok(Self { setup, upstream, control_time: rig.lab.as_ref().and_then(|lab| lab.control) })
    }

    /// Which phone, and how it is used.
    pub(in crate::cli) const fn setup(&self) -> &AdbSetup {
        &self.setup
    }

    /// What its runs are of.
    pub(super) const fn platform(&self) -> Platform {
        if self.setup.lab { Platform::Lab } else { Platform::Android }
    }

    /// Has the app rebuilt where the rig says so, and asks whether one that is in its way may be removed. Nothing on the phone is changed.
    pub(super) async fn make_app_ready(
        &mut self,
        version: &AppVersion,
        agreed: bool,
        surroundings: &mut Surroundings,
    ) -> Result<(), Failure> {
        if self.setup.trust != TrustMode::Repackaged {
            return Ok(());
        }
        let authority = authority::of_rig(&self.setup.folder, surroundings.now)?.authority;
        self.setup.repackaging = Some(Repackaging::of(&authority, false));
        let mut phone = AdbPhone::connect(self.setup.clone()).await?;
        let in_the_way = phone.in_the_way().await?;
        if let Some(Replaced { package, version: there }) = &in_the_way {
            let there = there.as_ref().map(|there| format!(" {}", printable(&there.to_string()))).unwrap_or_default();
            surroundings.warn(format_args!(
                "{package}{there} is installed as its vendor signed it. A rebuilt one can only take its place when it is removed with its \
                 data: its sign-in and its pairing are lost. Its package is kept with the rig; `tattletale restore --app` puts it back, \
                 without the data"
            ));
            let mut asked =
                || surroundings.interactive && surroundings.ask("remove it, with its data? (yes/no) ").as_deref() == Some("yes");
            if !(agreed || asked()) {
                return Err(Failure::usage(
                    format!("have {package} rebuilt: it would be removed with its data, and nobody agreed to that"),
                    "say --yes when its data may be lost; nothing was changed",
                ));
            }
        }
        surroundings.note(format_args!("rebuilding version {version} so that it trusts this rig; a large app takes minutes"));
        for lifted in phone.rebuild(version).await? {
            surroundings.warn(format_args!("  {}", printable(&lifted)));
        }
        self.setup.repackaging = Some(Repackaging::of(&authority, in_the_way.is_some()));
        Ok(())
    }

    /// The version that is installed on the phone.
    pub(super) async fn installed(&self) -> Result<AppVersion, Failure> {
        let asked = async { AdbPhone::connect(self.setup.clone()).await?.installed_version().await };
        let ids = || self.setup.ids.join(" or ");
        asked.await.map_err(RunError::from)?.ok_or_else(|| {
            Failure::usage(
                format!("tell which version to audit: {} is not installed on the phone", ids()),
                "install it, or name one with --app-version and say where its package is (phone: { packages: FOLDER } in the rig file)",
            )
        })
    }

    /// What a person should know before a version is installed over the one that is on the phone: a newer one, or another build. `None`
    /// where neither is so.
    pub(super) async fn replaces(&self, wanted: &AppVersion) -> Result<Option<String>, Failure> {
        let asked = async { AdbPhone::connect(self.setup.clone()).await?.replaces(wanted).await };
        let version = printable(&wanted.to_string());
        Ok(match asked.await.map_err(RunError::from)? {
            Replaces::Nothing | Replaces::Older(_) => None,
            Replaces::Same(there) => {
                let other = match self.setup.trust {
                    TrustMode::Repackaged => "the one that is rebuilt now",
                    _ => "the file in the folder of packages",
                };
                Some(format!("the phone has another build of {there} than {other}: that one takes its place"))
            }
            Replaces::Newer(there) => Some(format!(
                "downgrade: {version} takes the place of the newer {there} that is on the phone. What the app has stored may be lost, and \
                 `restore` cannot bring {there} back; phones that are neither rooted nor emulated refuse it"
            )),
        })
    }

    /// Whether a person may have to have the phone trust the authority.
    pub(super) fn may_ask(&self) -> bool {
        self.setup.trust == TrustMode::User
    }

    /// How to leave the phone, once everything is over: what a person has put on it stays until they take it off.
    pub(super) fn afterwards(&self) -> Option<String> {
        let about = authority::about(&self.setup.folder).filter(|_| self.setup.trust == TrustMode::User)?;
        Some(ca::removal_steps(&about.fingerprint, &about.name))
    }

    /// Makes the rig ours, and puts back what an earlier job left changed on the phone.
    pub(in crate::cli) async fn begin(&self, command: &str, surroundings: &mut Surroundings) -> Result<Ours, Failure> {
        let folder = &self.setup.folder;
        let job = begin_job(folder, command, surroundings)?;
        let serial = adb::serial(&self.setup.adb, self.setup.serial.as_ref()).await.map_err(RunError::from)?;
        let _phone = begin_phone_job(&serial, command, surroundings)?;
        let _authority = folder.begin_use()?;
        if let Some(journal) = folder.journal()?.filter(|journal| journal.phone.serial != serial && !is_pending(journal)) {
            surroundings.warn(format_args!("rig {}: it has another phone now; what was noted of the last one is given up:", folder.name()));
            adb::given_up(&journal).iter().for_each(|given_up| surroundings.warn(format_args!("  {given_up}")));
            folder.forget_journal()?;
        }
        if folder.journal()?.as_ref().is_some_and(is_pending) {
            surroundings.warn("an earlier job on this rig left something changed on the phone:");
            let undone = undo_journal(folder, false, Vec::new()).await.map_err(RunError::from)?;
            if restore::tell(&undone, surroundings) {
                return Err(Failure::instrument("put the phone back as it was", "see above; nothing was run"));
            }
        }
        Ok(Ours { _job: job, _phone, _authority })
    }

    /// The bench, with the rig's authority.
    pub(in crate::cli) fn bench(
        &self,
        listen: std::net::SocketAddr,
        band: Option<&band::Mine>,
        surroundings: &mut Surroundings,
    ) -> Result<AdbBench, Failure> {
        let found = authority::of_rig(&self.setup.folder, surroundings.now)?;
        // Nobody has to install a certificate where only the app under audit trusts it.
        if self.setup.trust.reads_any_app()
            && let Some(text) = ca::announcement(&found, surroundings)
        {
            surroundings.warn(text);
        }
        Ok(AdbBench {
            setup: self.setup.clone(),
            authority: Arc::clone(&found.authority),
            upstream: self.upstream.clone(),
            listen,
            band: band.map(|band| (band.plan.clone(), band.central())),
            control_time: self.control_time,
        })
    }

    /// What a person should know before it begins.
    pub(super) fn in_words(&self) -> String {
        let trust = match self.setup.trust {
            TrustMode::None => "nothing inside its connections is read",
            TrustMode::Repackaged => "the app is rebuilt so that it trusts this rig's certificate, and is not the vendor's any more",
            TrustMode::Script => "your script runs in the app, started by your frida program",
            TrustMode::System => "its system's store is given this rig's certificate",
            TrustMode::User => "it has to trust this rig's certificate: you are told how where it does not",
        };
        let route = match self.setup.route {
            RouteKind::Reverse => "over the cable",
            RouteKind::Wifi => "over Wi-Fi",
        };
        format!("Android phone over adb, to the proxy {route}; {trust}. Everything takes real time\n")
    }
}

/// Where the requests of a rig go: to the internet, or to its lab.
pub(super) fn lab_of(path: &Path, rig: &RigFile, surroundings: &Surroundings) -> Result<Upstream, Failure> {
    let Some(lab) = &rig.lab else { return Ok(Upstream::System) };
    let beside = surroundings.path(path).parent().unwrap_or(Path::new(".")).to_owned();
    let file = beside.join(&lab.authority);
    let text = store::read_text(&file, MOST_AUTHORITY)?;
    Ok(lab_upstream(lab.cloud, &surroundings.shown(&file), &text)?)
}

/// Refuses what only the simulated rig has.
pub(super) fn refuse_simulated_only(arguments: &Arguments) -> Result<(), Failure> {
    for (given, name) in
        [(arguments.seed.is_some(), "--seed"), (arguments.break_trust, "--break-trust"), (arguments.break_route, "--break-route")]
    {
        if given {
            return Err(Failure::usage(format!("use {name} with a real phone"), "only the simulated rig has it: leave --rig or it out"));
        }
    }
    Ok(())
}

/// Begins a job on a rig, and says so when the last one crashed.
pub(in crate::cli) fn begin_job(folder: &RigFolder, command: &str, surroundings: &mut Surroundings) -> Result<RigJob, Failure> {
    let job = Job { pid: std::process::id(), command: command.to_owned(), since: surroundings.now };
    match folder.begin_job(&job)? {
        BeginJob::Begun { job, left_by: None } => Ok(job),
        BeginJob::Begun { job, left_by: Some(left) } => {
            let left = printable(&left.to_string());
            surroundings.note(format_args!("rig {}: {left}, did not end as it should; the rig is taken over", folder.name()));
            Ok(job)
        }
        BeginJob::Busy(who) => {
            let who = who.map_or_else(|| "another job".to_owned(), |who| printable(&who.to_string()));
            Err(Failure::instrument(format!("use the rig {}: {who} uses it", folder.name()), "wait until it has ended, or end it"))
        }
    }
}

/// Begins a job on a phone, which another rig or another folder may use; `None` where the user has no folder of their own.
pub(in crate::cli) fn begin_phone_job(
    serial: &Captured<String>,
    command: &str,
    surroundings: &mut Surroundings,
) -> Result<Option<RigJob>, Failure> {
    let of_user = |name: &str| (surroundings.environment)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let Some(cache) = of_user("LOCALAPPDATA").or_else(|| Some(of_user("HOME")?.join(".cache"))) else { return Ok(None) };
    let job = Job { pid: std::process::id(), command: command.to_owned(), since: surroundings.now };
    match store::begin_phone_job(&cache.join("tattletale"), serial, &job)? {
        BeginJob::Begun { job, .. } => Ok(Some(job)),
        BeginJob::Busy(who) => {
            let who = who.map_or_else(|| "another job".to_owned(), |who| printable(&who.to_string()));
            Err(Failure::instrument(format!("use the phone: {who} uses it, for another rig"), "wait until it has ended, or end it"))
        }
    }
}

impl From<PhoneError> for Failure {
    fn from(error: PhoneError) -> Self {
        RunError::from(error).into()
    }
}

/// Longest file of certificates that is read, bytes.
const MOST_AUTHORITY: u64 = 64 * 1024;
