//! A rig whose phone a person works: where its proxy listens, whom the phone is to trust, and that everybody who has to do something is
//! there before a run starts. Working it is `phone`'s.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use super::{
    super::{Failure, Surroundings, band, ca, watch::Onboarding},
    Plan, Planned,
    real::{begin_job, lab_of},
};
use crate::{
    model::{App, AppVersion, Platform, text::printable},
    phone::{
        Action,
        manual::{PREPARATIONS, System, task_of},
        operator::Operator,
    },
    run::{ManualBench, ManualParts, authority},
    scenario::{RigFile, Scenario},
    store::{RigFolder, RigJob, rig::RigInUse},
    traffic::proxy::Upstream,
};

/// A rig whose phone a person works, as its file describes it.
pub(super) struct ByHand {
    system: System,
    is_lab: bool,
    upstream: Upstream,
    control_time: Option<Duration>,
    folder: RigFolder,
}

/// A rig that is ours until this is dropped.
pub(super) struct Ours {
    _job: RigJob,
    /// Nobody replaces its authority meanwhile.
    _authority: RigInUse,
}

impl ByHand {
    /// The rig of a file.
    pub(super) fn of(path: &Path, rig: &RigFile, folder: &RigFolder, surroundings: &Surroundings) -> Result<Self, Failure> {
        let system = rig.phone.system.unwrap_or(System::Ios);
        let upstream = lab_of(path, rig, surroundings)?;
        let control_time = rig.lab.as_ref().and_then(|lab| lab.control);
        Ok(Self { system, is_lab: rig.lab.is_some(), upstream, control_time, folder: folder.clone() })
    }

    /// What its runs are of.
    pub(super) const fn platform(&self) -> Platform {
        match self.system {
            _ if self.is_lab => Platform::Lab,
            System::Android => Platform::Android,
            System::Ios => Platform::Ios,
        }
    }

    /// The version that a person says is on the phone: it does not tell.
    pub(super) fn version(named: Option<&str>) -> Result<AppVersion, Failure> {
        named.map(AppVersion::named).ok_or_else(|| {
            Failure::usage("tell which version of the app is on the phone", "say it with --app-version: a phone by hand does not tell")
        })
    }

    /// Where the proxy listens: nowhere but where the rig says so.
    pub(super) fn listen(said: Option<SocketAddr>) -> Result<SocketAddr, Failure> {
        said.ok_or_else(|| {
            Failure::usage(
                "tell where the phone reaches this computer",
                "say it in the rig file, proxy: { listen: \"192.0.2.10:8080\" }, or with --listen; each device has to enter a code there",
            )
        })
    }

    /// Makes the rig ours.
    pub(super) fn begin(&self, surroundings: &mut Surroundings) -> Result<Ours, Failure> {
        let job = begin_job(&self.folder, "run", surroundings)?;
        Ok(Ours { _job: job, _authority: self.folder.begin_use()? })
    }

    /// The bench, with the rig's authority.
    pub(super) fn bench(
        &self,
        app: &App,
        listen: SocketAddr,
        band: Option<&band::Mine>,
        operator: &Arc<dyn Operator>,
        surroundings: &mut Surroundings,
    ) -> Result<ManualBench, Failure> {
        let found = authority::of_rig(&self.folder, surroundings.now)?;
        if let Some(text) = ca::announcement(&found, surroundings) {
            surroundings.warn(text);
        }
        let onboarding = Onboarding::new(listen, &found.authority)?;
        let mut bench = ManualBench::new(ManualParts {
            platform: self.platform(),
            system: self.system,
            app: app.clone(),
            operator: Arc::clone(operator),
            authority: Arc::clone(&found.authority),
            upstream: self.upstream.clone(),
            listen,
            pages: onboarding.gate(),
            way: Box::new(move |address| onboarding.way(address)),
        });
        bench.band = band.map(|band| (band.plan.clone(), band.central()));
        bench.control_time = self.control_time;
        Ok(bench)
    }

    /// What a person should know before it begins.
    pub(super) fn in_words(&self) -> String {
        let phone = match self.system {
            System::Android => "Android phone",
            System::Ios => "iPhone",
        };
        format!("{phone} by hand: you are told what to do, and what can be seen of it is checked. Everything takes real time\n")
    }

    /// How to leave the phone, once everything is over.
    pub(super) fn afterwards(&self) -> Option<String> {
        let about = authority::about(&self.folder)?;
        Some(ca::removal_steps(&about.fingerprint, &about.name))
    }
}

/// Whether a person has to do something in these runs.
pub(super) fn asks_somebody(plan: &Plan) -> bool {
    plan.by_hand.is_some()
        || plan.scenarios.iter().any(|planned| planned.scenario.every_step().iter().any(|placed| placed.step.asks_for().is_some()))
}

/// Refuses runs in which something is to be done by a person, where nobody is at a terminal and the rig file does not confirm it.
pub(super) fn refuse_unattended(plan: &Plan, surroundings: &Surroundings) -> Result<(), Failure> {
    if surroundings.interactive {
        return Ok(());
    }
    let mut missing: Vec<String> = Vec::new();
    let mut need = |name: &str, place: String| {
        let words = format!("{name}{place}");
        if !plan.confirmed.iter().any(|confirmed| confirmed == name) && !missing.iter().any(|known| known.split(' ').next() == Some(name)) {
            missing.push(words);
        }
    };
    let close = task_of(Action::StopApp);
    for name in PREPARATIONS.into_iter().chain(close).filter(|_| plan.by_hand.is_some()) {
        need(name, " (before the runs)".to_owned());
    }
    for Planned { scenario, .. } in &plan.scenarios {
        for (place, name) in tasks(scenario, plan.by_hand.is_some()) {
            need(name, format!(" ({}, {place})", scenario.name));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(
        format!("have done what a person does, with nobody at a terminal: {}", printable(&missing.join(", "))),
        "run it at a terminal; or name what is done without asking in the rig file, confirmed: [...], and what can be checked still is",
    ))
}

/// What a person does in a scenario, with its place; what comes before the first step is on the first line.
fn tasks(scenario: &Scenario, by_hand: bool) -> Vec<(String, &str)> {
    let mut tasks: Vec<(String, &str)> = Vec::new();
    let of_phone = |action: Option<Action>| action.filter(|_| by_hand).and_then(task_of);
    tasks.extend(of_phone(scenario.location.map(|_| Action::SetLocation)).map(|name| ("line 1".to_owned(), name)));
    for placed in scenario.every_step() {
        tasks.extend(placed.step.asks_for().or_else(|| of_phone(placed.step.needs())).map(|name| (placed.place(), name)));
    }
    tasks
}
