//! What `run`, `audit`, `report` and `show` share: recordings to observations, baseline and policy to an audit, and what comes
//! of it: a report that passed the leak gate, a snapshot that waits for a person, an exit code.

use std::path::PathBuf;

use clap::{Args, builder::PossibleValuesParser};
use jiff::civil::Date;

use super::{
    Exit, Failure, Surroundings, files,
    inputs::{AnyRecording, UNKNOWN_VERSION, groups},
    plant::Plant,
    progress::{Progress, Watched},
    sides,
    snapshots::{self, Placed},
};
use crate::{
    audit::{self, Audit, AuditInput, Subject},
    decode,
    diff::Counting,
    model::{App, LeakGate, Observations, Policy, RecordingError, Report, Snapshot, Target, Verdict, text::printable},
    report,
    scenario::Scenario,
    snapshot,
    store::Workspace,
};

/// How to judge, and how to tell.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Choices {
    /// Compare with this instead of the accepted snapshot: a version, a snapshot file, a capture or a folder of captures
    #[arg(long, value_name = "VERSION|PATH")]
    pub(crate) baseline: Option<String>,
    /// Policy file, instead of policy.yaml
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
}

/// The format of a report.
#[derive(Clone, Debug, Args)]
pub(crate) struct Format {
    /// How to print
    #[arg(long, default_value = "table", value_parser = PossibleValuesParser::new(report::FORMATS.iter().map(|format| format.name())))]
    pub(crate) format: String,
}

/// Whether a snapshot is written that waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pending {
    /// When a change counts.
    Write,
    /// Never: somebody only looks.
    Leave,
}

/// Words on the rig of a scenario of which no run was made.
const NOTHING_RUN: &str = "nothing was run";

/// One audit and what must not be written of it.
pub(crate) struct Audited {
    /// What it gave.
    pub(crate) audit: Audit,
    /// Captured values of its recordings.
    pub(crate) gate: LeakGate,
}

/// Audits recordings, imports with what is planted in them, group by group; prints the reports, writes pending snapshots, and gives the exit code of the worst.
pub(crate) fn conclude(
    recordings: Vec<AnyRecording>,
    plant: &Plant,
    choices: &Choices,
    format: &Format,
    pending: Pending,
    surroundings: &mut Surroundings,
) -> Result<Exit, Failure> {
    let audits = audits(recordings, plant, choices, surroundings)?;
    tell(&audits, format, pending, surroundings)
}

/// Prints the reports of audits, writes pending snapshots, and gives the exit code of the worst.
pub(crate) fn tell(audits: &[Audited], format: &Format, pending: Pending, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let text = rendered(audits, &format.format, surroundings)?;
    surroundings.print(&text)?;
    if pending == Pending::Write {
        for audited in audits {
            keep_pending(audited, surroundings)?;
        }
    }
    Ok(audits.iter().fold(Exit::Clean, |exit, audited| exit.worse(Exit::of(&audited.audit.report.verdict))))
}

/// Audits recordings, imports with what is planted in them, group by group.
pub(crate) fn audits(
    recordings: Vec<AnyRecording>,
    plant: &Plant,
    choices: &Choices,
    surroundings: &mut Surroundings,
) -> Result<Vec<Audited>, Failure> {
    let recordings = plant.before(recordings, surroundings)?;
    let workspace = surroundings.workspace();
    let policy = files::policy(&workspace, choices.policy.as_ref(), surroundings)?;
    groups(recordings).iter().map(|group| audit_group(group, &policy, plant, choices, &workspace, surroundings)).collect()
}

/// The audit of a scenario that was to be run, and of which no run was made: it cannot answer, whatever else was found.
pub(crate) fn not_made(target: &Target, scenario: &Scenario, today: Date) -> Audited {
    let subject = Subject {
        target: target.clone(),
        scenario_hash: Some(scenario.hash.clone()),
        captures: Vec::new(),
        planned: scenario.runs,
        rig: NOTHING_RUN.to_owned(),
        expectations: scenario.expect.clone(),
    };
    let mut audit = audit::audit(&AuditInput {
        observations: &Observations::default(),
        subject: &subject,
        about: &scenario.about,
        baseline: None,
        policy: &Policy::default(),
        today,
        counting: Counting::R7,
        tool: env!("CARGO_PKG_VERSION"),
    });
    let reasons = vec![format!("no run was made of {} planned: the runs before it broke off", scenario.runs)];
    audit.report.findings.clear();
    audit.report.doubts.clone_from(&reasons);
    audit.report.verdict = Verdict::Inconclusive { reasons };
    Audited { audit, gate: LeakGate::default() }
}

fn audit_group(
    group: &[AnyRecording],
    policy: &Policy,
    plant: &Plant,
    choices: &Choices,
    workspace: &Workspace,
    surroundings: &mut Surroundings,
) -> Result<Audited, Failure> {
    let subject = Subject::of(group.iter().map(|recording| (recording.name(), recording.provenance())))
        .expect("a group holds the recording that made it");
    let (app, about) = app_of(&subject.target, workspace, surroundings)?;
    let mut observations = observed(group, &app, surroundings)?;
    let baseline = baseline_of(&subject.target, plant, choices, surroundings)?;
    let audit = audit::audit(&AuditInput {
        observations: &observations,
        subject: &subject,
        about: &about,
        baseline: baseline.as_ref().map(|placed| (&placed.snapshot, placed.place.as_str())),
        policy,
        today: surroundings.today,
        counting: Counting::R7,
        tool: env!("CARGO_PKG_VERSION"),
    });
    let mut gate = std::mem::take(&mut observations.gate);
    allow(&mut gate, &audit.report);
    Ok(Audited { audit, gate })
}

/// The app of a target, and what its scenario is about. Without an app file no host is known to be the app's own, which the
/// audit then says.
pub(super) fn app_of(target: &Target, workspace: &Workspace, surroundings: &mut Surroundings) -> Result<(App, String), Failure> {
    match files::app(workspace, &target.app, surroundings)? {
        Some((app, texts)) => {
            let scenario = files::scenario(&texts, &target.scenario, &app, surroundings)?;
            Ok((app, scenario.map(|scenario| scenario.about).unwrap_or_default()))
        }
        None => {
            let name = printable(&target.app);
            surroundings.note(format_args!("no app file for {name}: no host is known to be the app's own"));
            Ok((App { name: target.app.clone(), title: target.app.clone(), ..App::default() }, String::new()))
        }
    }
}

/// What decoding sees in a group of recordings: each is read once, several at a time, and the result does not depend on how
/// many.
pub(super) fn observed(group: &[AnyRecording], app: &App, surroundings: &Surroundings) -> Result<Observations, Failure> {
    let progress = Progress::new("reading what was recorded", surroundings);
    let observe = |recording: &AnyRecording| -> Result<Observations, RecordingError> {
        audit::observe(&Watched { recording: recording.as_ref(), progress: &progress }, app)
    };
    let mut all: Option<Observations> = None;
    for some in group.chunks(surroundings.workers.max(1)) {
        let results: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = some.iter().map(|recording| scope.spawn(|| observe(recording))).collect();
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        for result in results {
            let observations = result?;
            match &mut all {
                None => all = Some(observations),
                Some(all) => decode::merge(all, observations),
            }
        }
    }
    Ok(all.unwrap_or_default())
}

/// The baseline of a target: the one that was asked for, else the accepted one (R8).
pub(super) fn baseline_of(
    target: &Target,
    plant: &Plant,
    choices: &Choices,
    surroundings: &mut Surroundings,
) -> Result<Option<Placed>, Failure> {
    match choices.baseline.as_deref() {
        None => snapshots::baseline(&surroundings.workspace().snapshots(surroundings.ci), target),
        Some(named) => named_baseline(named, target, plant, surroundings).map(Some),
    }
}

/// The baseline that was asked for.
fn named_baseline(named: &str, target: &Target, plant: &Plant, surroundings: &mut Surroundings) -> Result<Placed, Failure> {
    let wanted = super::inputs::Claims {
        app: Some(target.app.clone()),
        platform: Some(target.platform),
        scenario: Some(target.scenario.clone()),
        app_version: None,
    };
    let mut found = sides::side(named, &wanted, plant, surroundings)?;
    found.retain(|placed| snapshots::same_place(&placed.snapshot.header.target, target));
    if found.len() > 1 {
        return Err(Failure::usage(format!("choose a baseline: {named} names {} snapshots", found.len()), "name one snapshot file"));
    }
    found.pop().ok_or_else(|| {
        Failure::usage(
            format!("find the baseline {named} of {} on {} in {}", target.app, target.platform, target.scenario),
            "a baseline is a version with an accepted snapshot, a snapshot file, or captures, of the same app, platform and scenario",
        )
    })
}

/// The reports in a format, after the leak gate has searched them (R12).
pub(crate) fn rendered(audits: &[Audited], format: &str, surroundings: &Surroundings) -> Result<String, Failure> {
    for audited in audits {
        check_report(&audited.gate, &audited.audit.report)?;
    }
    let reports: Vec<Report> = audits.iter().map(|audited| audited.audit.report.clone()).collect();
    let format = report::format(format).ok_or_else(|| Failure::usage(format!("use the format {format}"), ""))?;
    Ok(format.render(&reports, report::Options { width: surroundings.width, colour: surroundings.colour }))
}

/// Writes the snapshot that waits for a person, when a change counts (R7); takes an older one away when none does.
fn keep_pending(audited: &Audited, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let (target, snapshot) = (&audited.audit.report.target, &audited.audit.snapshot);
    if target.claimed && target.version.name == UNKNOWN_VERSION {
        // Nobody said of which version it is, so there is nothing to compare it with later.
        return Ok(());
    }
    let folder = surroundings.workspace().snapshots(surroundings.ci);
    if !audited.audit.pending {
        folder.withdraw_pending(target)?;
        return Ok(());
    }
    let text = snapshot::print(snapshot, &source(target));
    check_snapshot(&audited.gate, snapshot)?;
    let path = folder.write_pending(target, &text)?;
    let shown = surroundings.shown(&path);
    let remark = target.platform.disclaimer().map(|words| format!("  ({words})")).unwrap_or_default();
    surroundings.note(format_args!("waits for `tattletale review`: {shown}{remark}"));
    Ok(())
}

/// The scenario file a snapshot names as its source.
fn source(target: &Target) -> String {
    format!("scenarios/{}/{}.yaml", target.app, target.scenario)
}

/// Words that a report may always show: what the person called things, and ids of our own making.
fn allow(gate: &mut LeakGate, report: &Report) {
    let target = &report.target;
    let named = [target.app.as_str(), &target.scenario, &target.version.name, &report.tool, &report.rig];
    let mut words: Vec<&str> = named.into_iter().chain(report.captures.iter().map(String::as_str)).collect();
    words.extend(report.about.split_whitespace());
    words.extend(report.findings.iter().map(|finding| finding.id.0.as_str()));
    words.iter().flat_map(|word| word.split_whitespace().chain([*word])).for_each(|word| gate.allow(word));
}

/// Searches every text of a report. Numbers of a report are counts and distances of our own, never captured.
fn check_report(gate: &LeakGate, report: &Report) -> Result<(), Failure> {
    let value = serde_json::to_value(report).expect("a report is plain data with text keys");
    check_texts(gate, &value, "report")
}

/// Searches what a snapshot says, header and body.
pub(super) fn check_snapshot(gate: &LeakGate, snapshot: &Snapshot) -> Result<(), Failure> {
    gate.check(&snapshot::body(snapshot))?;
    let value = serde_json::to_value(&snapshot.header).expect("a header is plain data with text keys");
    check_texts(gate, &value, "snapshot")
}

/// Searches every text of data that is about to be written; the place is named as keys and indices.
pub(super) fn check_texts(gate: &LeakGate, value: &serde_json::Value, place: &str) -> Result<(), Failure> {
    use serde_json::Value;
    let check = |text: &str, place: &str| {
        gate.check(text).map_err(|leak| match Failure::from(leak) {
            Failure::Instrument { what, hint } => Failure::Instrument { what: format!("{what} (at {place})"), hint },
            other => other,
        })
    };
    match value {
        Value::String(text) => check(text, place),
        Value::Array(values) => values.iter().enumerate().try_for_each(|(at, value)| check_texts(gate, value, &format!("{place}/{at}"))),
        Value::Object(map) => map.iter().enumerate().try_for_each(|(at, (key, value))| {
            // A key may itself be what leaks, so its place is its number.
            check(key, &format!("{place}/key {at}"))?;
            check_texts(gate, value, &format!("{place}/{key}"))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_captured_value_anywhere_in_a_report_stops_it_and_the_place_is_named() {
        let mut gate = LeakGate::default();
        gate.remember_secret("Quillon");
        let check = |value: serde_json::Value| check_texts(&gate, &value, "report");
        check(serde_json::json!({"findings": [{"sentence": "nothing"}], "bytes": 1234})).expect("nothing is captured");
        let leak = check(serde_json::json!({"findings": [{"sentence": "hello Quillon"}]})).expect_err("a captured value");
        let Failure::Instrument { what, .. } = &leak else { panic!("{leak:?}") };
        assert!(what.contains("report/findings/0/sentence") && !what.contains("Quillon"), "{what}");
        assert_eq!(leak.exit(), Exit::Failed);
        check(serde_json::json!({"hosts": {"Quillon": 1}})).expect_err("a captured value as a key");
    }
}
