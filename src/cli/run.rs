//! `tattletale run`: scenarios on a rig, then the audit of what was recorded.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use tokio::sync::watch;

use super::{
    Exit, Failure, Surroundings,
    auditing::{self, Choices, Format, Pending},
    band,
    files::{self, AppTexts},
    inputs::AnyRecording,
    operator::AtTheTerminal,
    plant::Plant,
    progress::RunProgress,
    signals::Signals,
};
use crate::{
    band::Access,
    model::{self, App, AppVersion, Platform, RunEnding, Target, text::printable},
    phone::{
        PhoneError,
        operator::{Nobody, Operator},
        simulated::VERSIONS,
    },
    run::{self, Bench, Fault, Order, Rig, RunError, RunOutcome, SimulatedBench},
    scenario::{PlacedStep, RigFile, Scenario, rig_file::PhoneKind},
    store::CaptureReader,
    traffic::TrafficError,
};

mod by_hand;
mod control;
mod real;

pub(super) use control::Shelf;
pub(super) use real::{Real, begin_job, begin_phone_job};

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Scenarios by name; all of the app's when none is given
    scenarios: Vec<String>,
    /// App to audit: a folder of scenarios/
    #[arg(long, default_value = "mifit")]
    app: String,
    /// App version to install; without one sim-1.0 on the simulated rig, and what is installed on a real phone
    #[arg(long, value_name = "VERSION")]
    app_version: Option<String>,
    /// Rig description; without one, the simulated rig
    #[arg(long, value_name = "FILE")]
    rig: Option<PathBuf>,
    /// Runs of each scenario, instead of what its file says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: Option<u32>,
    /// Seed of everything that varies on the simulated rig; the same seed repeats the runs
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    choices: Choices,
    #[command(flatten)]
    format: Format,
    /// Where the proxy listens, as 127.0.0.1:8080; port 0, or nothing here and in the rig file, takes any free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Agree beforehand to what would be asked: that an app is removed with its data, where a rebuilt one takes its place
    #[arg(long)]
    yes: bool,
    /// Make only the control run, the phone with the app stopped, and keep it with the rig for the runs to come
    #[arg(long, conflicts_with_all = ["scenarios", "runs", "baseline", "format", "policy", "break_proxy_after", "break_trust", "break_route"])]
    control: bool,
    /// Rehearse a failure: the proxy of each run dies after the step on this line of the scenario
    #[arg(long, value_name = "LINE", help_heading = "Rehearsal")]
    break_proxy_after: Option<u32>,
    /// Rehearse a failure: the phone does not trust the proxy's certificate
    #[arg(long, help_heading = "Rehearsal", conflicts_with = "break_proxy_after")]
    break_trust: bool,
    /// Rehearse a failure: the phone is not pointed at the proxy
    #[arg(long, help_heading = "Rehearsal", conflicts_with_all = ["break_proxy_after", "break_trust"])]
    break_route: bool,
}

impl Arguments {
    /// What is to break in each run.
    fn fault(&self) -> Option<Fault> {
        match (self.break_trust, self.break_route) {
            (true, _) => Some(Fault::PhoneDistrusts),
            (_, true) => Some(Fault::PhoneAstray),
            _ => self.break_proxy_after.map(|after_step| Fault::StopProxy { after_step }),
        }
    }
}

/// What is to be run, with everything checked that can be checked before.
struct Plan {
    app: App,
    /// Where the rig's control runs are kept.
    control: control::Shelf,
    scenarios: Vec<Planned>,
    version: AppVersion,
    seed: u64,
    /// Where the proxy listens.
    listen: SocketAddr,
    captures: PathBuf,
    /// A real band; `None` where the band is simulated, or the rig has none.
    band: Option<band::Mine>,
    /// A real phone; `None` on the simulated one.
    real: Option<real::Real>,
    /// A phone that a person works.
    by_hand: Option<by_hand::ByHand>,
    /// What a person is not asked for, because the rig file says that it is done.
    confirmed: Vec<String>,
}

impl Plan {
    /// What the runs are of.
    const fn platform(&self) -> Platform {
        match (&self.real, &self.by_hand) {
            (Some(real), _) => real.platform(),
            (None, Some(by_hand)) => by_hand.platform(),
            (None, None) => platform(self.band.is_some()),
        }
    }

    /// Who is asked for what has to be done by hand. To be called once.
    fn operator(&self, surroundings: &mut Surroundings) -> Arc<dyn Operator> {
        if by_hand::asks_somebody(self) || self.real.as_ref().is_some_and(real::Real::may_ask) {
            AtTheTerminal::take(self.confirmed.clone(), surroundings)
        } else {
            Arc::new(Nobody)
        }
    }

    /// Where its rigs come from.
    async fn bench(&self, operator: &Arc<dyn Operator>, surroundings: &mut Surroundings) -> Result<Bench, Failure> {
        if let Some(by_hand) = &self.by_hand {
            return Ok(Bench::Manual(by_hand.bench(&self.app, self.listen, self.band.as_ref(), operator, surroundings)?));
        }
        if let Some(real) = &self.real {
            return Ok(Bench::Adb(real.bench(self.listen, self.band.as_ref(), surroundings)?));
        }
        let mut bench = SimulatedBench::start(self.listen, surroundings.now).await?;
        if let Some(band) = &self.band {
            bench.put_band(band.plan.clone(), band.central());
        }
        Ok(Bench::Simulated(bench))
    }
}

/// A simulated phone alone is the simulated rig; with a real band it is a test bench.
const fn platform(real_band: bool) -> Platform {
    if real_band { Platform::Lab } else { Platform::Simulated }
}

/// A scenario that is to be run.
struct Planned {
    scenario: Scenario,
    /// What its audit is of.
    target: Target,
    /// What its audit will be compared with.
    baseline: Option<String>,
}

/// What came of all runs.
struct Recorded {
    captures: Vec<PathBuf>,
    /// How many scenarios were begun, from the first.
    begun: usize,
    exit: Exit,
}

/// Runs scenarios, audits what they recorded, and gives the exit code of the worst.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let mut plan = plan(arguments, surroundings)?;
    if arguments.dry_run {
        surroundings.print(&plan_in_full(&plan, arguments, surroundings)?)?;
        return Ok(Exit::Clean);
    }
    by_hand::refuse_unattended(&plan, surroundings)?;
    tell_plan(&plan, arguments, surroundings);
    let runtime = runtime()?;
    // Until everything is said and done: what an earlier job left is put back first, and nobody else comes between.
    let _ours = match &plan.real {
        Some(real) => Some(runtime.block_on(real.begin("run", surroundings))?),
        None => None,
    };
    if let Some(real) = &mut plan.real {
        runtime.block_on(real.make_app_ready(&plan.version, arguments.yes, surroundings))?;
        if let Some(words) = runtime.block_on(real.replaces(&plan.version))? {
            surroundings.warn(words);
        }
    }
    let _held = plan.by_hand.as_ref().map(|by_hand| by_hand.begin(surroundings)).transpose()?;
    if arguments.control {
        let made = control::execute(&plan, arguments, surroundings);
        tell_afterwards(&plan, surroundings);
        return made;
    }
    // The runtime lives on while the audit works, so that Ctrl-C is still heard.
    let recorded = runtime.block_on(async {
        let presses = Presses::listen(surroundings.end_at_once)?;
        let recorded = record(&plan, arguments, &presses, surroundings).await;
        if let Some(band) = &plan.band {
            band.settle().await;
        }
        // A press that no run heard, because it came after the last one, is one all the same.
        match recorded {
            Ok(recorded) if presses.over() => Ok(Recorded { exit: Exit::Interrupted, ..recorded }),
            other => other,
        }
    });
    // Whatever became of the runs: the phone is in somebody's hand, and trusts us.
    tell_afterwards(&plan, surroundings);
    let recorded = recorded?;
    if recorded.exit == Exit::Interrupted {
        surroundings.warn("interrupted; what was recorded is kept: `tattletale captures list`");
        return Ok(Exit::Interrupted);
    }
    let recordings: Result<Vec<AnyRecording>, Failure> =
        recorded.captures.iter().map(|folder| Ok(Box::new(CaptureReader::open(folder)?) as AnyRecording)).collect();
    // Runs that broke off are no baseline for anything.
    let pending = if recorded.exit == Exit::Failed { Pending::Leave } else { Pending::Write };
    let mut audits = auditing::audits(recordings?, &Plant::default(), &arguments.choices, surroundings)?;
    // A scenario of which no run was made is not forgotten: nothing is known of it, and the report says so.
    audits.extend(
        plan.scenarios
            .iter()
            .skip(recorded.begun)
            .map(|planned| auditing::not_made(&planned.target, &planned.scenario, surroundings.today)),
    );
    let judged = auditing::tell(&audits, &arguments.format, pending, surroundings)?;
    if recorded.exit == Exit::Failed {
        // The report has scrolled the reason away.
        surroundings.warn("error: the runs broke off, as told before the report: it is of what was recorded until then");
    }
    Ok(recorded.exit.worse(judged))
}

/// Says how to leave a phone that a person works, or to which they have given the certificate.
fn tell_afterwards(plan: &Plan, surroundings: &mut Surroundings) {
    let by_hand = plan.by_hand.as_ref().and_then(by_hand::ByHand::afterwards);
    if let Some(words) = by_hand.or_else(|| plan.real.as_ref().and_then(real::Real::afterwards)) {
        surroundings.warn(format_args!("\n{words}"));
    }
}

/// What rigs and audits run on.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().map_err(|problem| Failure::instrument(format!("start the rig: {problem}"), ""))
}

fn plan(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Plan, Failure> {
    let rig = arguments.rig.as_ref().map(|path| described_rig(path, surroundings)).transpose()?;
    let band = rig.as_ref().and_then(|rig| rig.band.as_ref()).map(|described| band::of_rig(described, surroundings)).transpose()?;
    let workspace = surroundings.workspace();
    files::refuse_strays(&workspace, surroundings)?;
    let Some((app, texts)) = files::app(&workspace, &arguments.app, surroundings)? else {
        let known: Vec<String> = files::apps(&workspace, surroundings)?.into_iter().map(|app| app.name).collect();
        return Err(Failure::usage(format!("find the app {}", printable(&arguments.app)), format!("there is {}", known.join(", "))));
    };
    let rig = rig.as_ref();
    let control = control::Shelf::of(arguments.rig.as_deref().zip(rig), &workspace)?;
    let real = match arguments.rig.as_deref().zip(rig).filter(|(_, rig)| rig.phone.kind == PhoneKind::Android) {
        Some((path, rig)) => {
            real::refuse_simulated_only(arguments)?;
            Some(real::Real::of(path, rig, &app, control.folder(), surroundings)?)
        }
        None => None,
    };
    let by_hand = match arguments.rig.as_deref().zip(rig).filter(|(_, rig)| rig.phone.kind == PhoneKind::Manual) {
        Some((path, rig)) => {
            real::refuse_simulated_only(arguments)?;
            Some(by_hand::ByHand::of(path, rig, control.folder(), surroundings)?)
        }
        None => None,
    };
    let version = match (&real, arguments.app_version.as_deref()) {
        (None, named) if by_hand.is_some() => by_hand::ByHand::version(named)?,
        (None, named) => version(named)?,
        (Some(_), Some(named)) => AppVersion::named(named),
        (Some(real), None) => runtime()?.block_on(real.installed())?,
    };
    let on = match (&real, &by_hand) {
        (Some(real), _) => real.platform(),
        (None, Some(by_hand)) => by_hand.platform(),
        (None, None) => platform(band.is_some()),
    };
    let mut scenarios = if arguments.control { Vec::new() } else { scenarios(arguments, &app, &version, &texts, on, surroundings)? };
    if !arguments.dry_run {
        look_up_secrets(&mut scenarios, surroundings)?;
    }
    for planned in &mut scenarios {
        planned.scenario.runs = arguments.runs.unwrap_or(planned.scenario.runs);
        // Nobody but a person says which version is on a phone by hand.
        planned.target.claimed = by_hand.is_some();
    }
    if let Some(line) = arguments.break_proxy_after {
        refuse_no_step(line, &scenarios)?;
    }
    // The policy and the baselines are read again when they are needed; a mistake in them is told before anything is run.
    files::policy(&workspace, arguments.choices.policy.as_ref(), surroundings)?;
    for planned in &mut scenarios {
        planned.baseline = auditing::baseline_of(&planned.target, &Plant::default(), &arguments.choices, surroundings)?
            .map(|placed| format!("{} ({})", placed.snapshot.header.target.version, placed.place));
    }
    let seed = arguments.seed.or_else(|| rig?.seed).unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    let said = arguments.listen.or_else(|| rig?.listen);
    let listen = match said {
        None if by_hand.is_some() => by_hand::ByHand::listen(said)?,
        said => said.unwrap_or(ANY_PORT),
    };
    let confirmed = rig.map(|rig| rig.confirmed.clone()).unwrap_or_default();
    let captures = if arguments.dry_run { workspace.runs() } else { workspace.prepare_runs()? };
    Ok(Plan { app, control, scenarios, version, seed, listen, captures, band, real, by_hand, confirmed })
}

/// The rig that a file describes. An iPhone is worked by hand; the band may be a real one.
pub(super) fn described_rig(path: &Path, surroundings: &mut Surroundings) -> Result<RigFile, Failure> {
    let path = surroundings.path(path);
    let rig = files::rig(&path, surroundings)?;
    if rig.phone.kind != PhoneKind::Ios {
        return Ok(rig);
    }
    Err(Failure::usage(
        format!("use the rig of {}: no iPhone is driven over a cable", surroundings.shown(&path)),
        "write phone: { kind: manual, system: ios }: you are told what to do on it, and what can be seen of it is checked",
    ))
}

fn scenarios(
    arguments: &Arguments,
    app: &App,
    version: &AppVersion,
    texts: &AppTexts,
    platform: Platform,
    surroundings: &Surroundings,
) -> Result<Vec<Planned>, Failure> {
    let known = || texts.scenarios.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let names: Vec<&str> = if arguments.scenarios.is_empty() {
        texts.scenarios.iter().map(|(name, _)| name.as_str()).collect()
    } else {
        arguments.scenarios.iter().map(String::as_str).collect()
    };
    let mut found = Vec::new();
    for name in names {
        let missing = || Failure::usage(format!("find the scenario {}", printable(name)), format!("{} has {}", app.name, known()));
        let scenario = files::scenario(texts, name, app, surroundings)?.ok_or_else(missing)?;
        found.push(Planned { target: target(app, version, &scenario, platform), scenario, baseline: None });
    }
    if found.is_empty() {
        return Err(Failure::usage(format!("find a scenario of {}", app.name), "`tattletale init` writes some to start from"));
    }
    Ok(found)
}

/// A rehearsal that breaks nothing would be taken for a rig that holds.
fn refuse_no_step(line: u32, scenarios: &[Planned]) -> Result<(), Failure> {
    let own =
        |scenario: &Scenario| scenario.every_step().iter().filter(|step| step.file.is_none()).map(|step| step.line).collect::<Vec<_>>();
    let on_it = |planned: &Planned| own(&planned.scenario).contains(&line);
    match scenarios.iter().find(|planned| !on_it(planned)) {
        None => Ok(()),
        Some(Planned { scenario, .. }) => {
            let mut lines = own(scenario);
            lines.dedup();
            let lines: Vec<_> = lines.iter().map(u32::to_string).collect();
            Err(Failure::usage(
                format!("break the proxy after line {line}: no step of {} begins there", scenario.name),
                format!("name one scenario and a line of it; {} has steps on lines {}", scenario.name, lines.join(", ")),
            ))
        }
    }
}

fn version(named: Option<&str>) -> Result<AppVersion, Failure> {
    let known: Vec<&str> = VERSIONS.iter().map(|version| version.name).collect();
    let name = named.unwrap_or(known[0]);
    if !known.contains(&name) {
        return Err(Failure::usage(
            format!("install version {} on the simulated rig", printable(name)),
            format!("its stand-in app has {}, which are no versions of the real app", known.join(", ")),
        ));
    }
    Ok(AppVersion::named(name))
}

/// What an audit of the scenario will be of.
fn target(app: &App, version: &AppVersion, scenario: &Scenario, platform: Platform) -> Target {
    Target { app: app.name.clone(), platform, version: version.clone(), scenario: scenario.name.clone(), claimed: false }
}

fn tell_plan(plan: &Plan, arguments: &Arguments, surroundings: &mut Surroundings) {
    surroundings.note(head(plan, arguments, surroundings));
    for Planned { scenario, .. } in &plan.scenarios {
        surroundings.note(format_args!("  {} {}: {}", scenario.name, times(scenario.runs), printable(&scenario.about)));
    }
}

/// The plan with every step: what `--dry-run` prints.
fn plan_in_full(plan: &Plan, arguments: &Arguments, surroundings: &Surroundings) -> Result<String, Failure> {
    let control = plan.control.in_words(&arguments.app, arguments.control)?;
    let mut text = format!("{}\n\ncontrol run: {control}\n", head(plan, arguments, surroundings));
    for Planned { scenario, baseline, .. } in &plan.scenarios {
        let baseline = baseline.as_deref().map_or_else(|| "nothing: there is no accepted snapshot".to_owned(), printable);
        text.push_str(&format!("\n{} {}: {}\n", scenario.name, times(scenario.runs), printable(&scenario.about)));
        text.push_str(&format!("  compared with {baseline}\n"));
        tell_steps(&scenario.steps, 1, &mut text);
    }
    Ok(text)
}

/// Steps, one a line, and below each the steps that it holds.
fn tell_steps(steps: &[PlacedStep], depth: usize, text: &mut String) {
    for placed in steps {
        text.push_str(&format!("{}{}: {}\n", "  ".repeat(depth), placed.place(), placed.written));
        tell_steps(placed.step.inner().steps, depth + 1, text);
    }
}

/// Looks up what the scenarios name as `${env:NAME}`: all that are not set at once, before anything is done.
fn look_up_secrets(scenarios: &mut [Planned], surroundings: &Surroundings) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for Planned { scenario, .. } in scenarios {
        let name = scenario.name.clone();
        let found = scenario.look_up(|variable| (surroundings.environment)(variable));
        missing.extend(found.err().unwrap_or_default().into_iter().map(|missing| format!("{missing} ({name})")));
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(missing.join("; "), "set it for this command only: NAME=… tattletale run"))
}

fn head(plan: &Plan, arguments: &Arguments, surroundings: &Surroundings) -> String {
    let Plan { version, seed, .. } = plan;
    let disclaimer = plan.platform().disclaimer().map(|words| format!("{words}\n")).unwrap_or_default();
    let mut band = plan.band.as_ref().map(band_in_words).unwrap_or_default();
    let mut seed = format!(", seed {seed} (repeat with --seed {seed})");
    if let Some(by_hand) = &plan.by_hand {
        band = by_hand.in_words() + &plan.band.as_ref().map(|band| format!("{}, by radio\n", band.plan.about())).unwrap_or_default();
        seed.clear();
    }
    if let Some(real) = &plan.real {
        band = real.in_words() + &plan.band.as_ref().map(|band| format!("{}, by radio\n", band.plan.about())).unwrap_or_default();
        seed.clear();
    }
    let (captures, snapshots) =
        (surroundings.shown(&plan.captures), surroundings.shown(&surroundings.workspace().snapshots(surroundings.ci).path));
    format!("{disclaimer}{band}{} {version}{seed}\ncaptures go to {captures}, snapshots to {snapshots}", arguments.app)
}

/// A real band, and what it means for the runs.
fn band_in_words(band: &band::Mine) -> String {
    let about = band.plan.about();
    match band.plan.access {
        Access::Key(_) => format!("{about}, by radio; its key is given. Everything takes real time\n"),
        Access::Anyone => format!(
            "{about}, by radio; no key is given: only what anyone in reach can read. The stand-in app gets no minutes of it either. \
             Everything takes real time\n"
        ),
    }
}

fn times(runs: u32) -> String {
    if runs == 1 { "once".to_owned() } else { format!("{runs} times") }
}

/// What every run of a plan has in common, as of the first.
fn order<'a>(plan: &'a Plan, arguments: &'a Arguments) -> Order<'a> {
    Order {
        app: &arguments.app,
        version: Some(&plan.version),
        run: 1,
        runs: 1,
        control: None,
        captures: &plan.captures,
        watchers: Vec::new(),
    }
}

/// The control run, then every run of every scenario, one after the other.
async fn record(plan: &Plan, arguments: &Arguments, presses: &Presses, surroundings: &mut Surroundings) -> Result<Recorded, Failure> {
    let operator = plan.operator(surroundings);
    let bench = plan.bench(&operator, surroundings).await?;
    let mut order = order(plan, arguments);
    order.watchers.extend(bench.watcher());
    let mut recorded = Recorded { captures: Vec::new(), begun: 0, exit: Exit::Clean };
    let runs = plan.scenarios.iter().map(|planned| u64::from(planned.scenario.runs)).sum::<u64>();
    let progress = RunProgress::new(runs + 1, surroundings);

    let control = match control::obtain(plan, &bench, &operator, &order, presses, &progress, surroundings).await? {
        Ok(control) => control,
        Err(exit) => return Ok(Recorded { exit, ..recorded }),
    };
    order.control = Some(&control);

    for (at, Planned { scenario, .. }) in plan.scenarios.iter().enumerate() {
        for number in 1..=scenario.runs {
            if presses.have_come() {
                return Ok(Recorded { exit: Exit::Interrupted, ..recorded });
            }
            (order.run, order.runs) = (number, scenario.runs);
            let words = format!("{}: run {number} of {}", scenario.name, scenario.runs);
            order.watchers = progress.watcher(&words).into_iter().chain(bench.watcher()).collect();
            progress.begin(words, surroundings);
            let made = async {
                let rig = bench.rig(seed_of(plan.seed, &scenario.name, number), &scenario.plant, arguments.fault()).await?;
                let rig = Rig { operator: Arc::clone(&operator), ..seeded(rig, plan.seed) };
                run::run(rig, scenario, &order, presses.pressed(&progress, surroundings)).await
            };
            let outcome = match made.await {
                Ok(outcome) => outcome,
                Err(RunError::Interrupted) => return Ok(Recorded { exit: Exit::Interrupted, ..recorded }),
                Err(error) if recorded.captures.is_empty() => return Err(error.into()),
                Err(error) => {
                    // What was recorded before it is audited all the same.
                    progress.end();
                    surroundings.warn(format_args!("error: failed to {}", printable(&with_hint(&error))));
                    tell_left_out(plan, at, number - 1, surroundings);
                    return Ok(Recorded { exit: Exit::Failed, ..recorded });
                }
            };
            recorded.begun = at + 1;
            progress.advance();
            let exit = tell_outcome(&outcome, &progress, surroundings);
            recorded.exit = recorded.exit.worse(exit);
            recorded.captures.push(outcome.capture);
            let unreadable = matches!(outcome.ending, RunEnding::SelfCheckFailed { .. });
            if exit == Exit::Failed || unreadable {
                tell_left_out(plan, at, number, surroundings);
            }
            if matches!(exit, Exit::Interrupted | Exit::Failed) || unreadable {
                // What failed would fail again: what was recorded so far is audited, and says that it is not all.
                return Ok(recorded);
            }
        }
    }
    Ok(recorded)
}

/// Tells which runs were not made, after run `number` of the scenario at `at` failed.
fn tell_left_out(plan: &Plan, at: usize, number: u32, surroundings: &mut Surroundings) {
    let mut left_out = Vec::new();
    for (place, Planned { scenario, .. }) in plan.scenarios.iter().enumerate().skip(at) {
        match if place == at { scenario.runs - number } else { scenario.runs } {
            0 => {}
            1 => left_out.push(format!("1 run of {}", scenario.name)),
            some => left_out.push(format!("{some} runs of {}", scenario.name)),
        }
    }
    if !left_out.is_empty() {
        surroundings.warn(format_args!("not made: {}", left_out.join(", ")));
    }
}

/// Tells what did not go as it should, and the exit it means.
fn tell_outcome(outcome: &RunOutcome, progress: &RunProgress, surroundings: &mut Surroundings) -> Exit {
    if outcome.not_restored.is_some() || outcome.ending != RunEnding::Complete {
        progress.end();
    }
    if let Some(error) = &outcome.not_restored {
        surroundings.warn(format_args!("warning: failed to put the phone back as it was: {}", printable(&error.with_help())));
    }
    match &outcome.ending {
        // The capture is whole, and somebody's phone is not as it was.
        RunEnding::Complete if outcome.not_restored.is_some() => Exit::Failed,
        RunEnding::Complete => Exit::Clean,
        RunEnding::Interrupted => Exit::Interrupted,
        RunEnding::InstrumentFailed { why } => {
            surroundings.warn(format_args!("error: an instrument failed: {}", printable(why)));
            let capture = surroundings.shown(&outcome.capture);
            surroundings.warn(format_args!("what was recorded until then is kept in {capture}"));
            Exit::Failed
        }
        RunEnding::SelfCheckFailed { why } => {
            surroundings.warn(format_args!("error: the phone's traffic cannot be read, so nothing was run: {}", printable(why)));
            Exit::Inconclusive
        }
        RunEnding::StepFailed { why } => {
            surroundings.warn(format_args!("error: the scenario did not happen as written: {}", printable(why)));
            surroundings.warn(format_args!("what was recorded until then is kept in {}", surroundings.shown(&outcome.capture)));
            Exit::Inconclusive
        }
    }
}

/// What a person's Ctrl-C does, and any other [signal](Signals) that asks for the end: the first one ends what is being recorded in good order; the next one, or one when nothing is
/// being recorded, ends at once. They are heard from the beginning of the recording until the end of the program, without a gap.
struct Presses(Arc<watch::Sender<Heard>>);

/// What has been heard so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Nothing, while something is being recorded.
    Nothing,
    /// Ctrl-C, while something was being recorded.
    Once,
    /// Nothing is being recorded any more.
    Over,
}

impl Presses {
    /// Begins to listen. To be called inside the runtime.
    fn listen(end_at_once: fn(u8)) -> Result<Self, Failure> {
        let mut signals = Signals::listen().map_err(|problem| Failure::instrument(format!("listen for Ctrl-C: {problem}"), ""))?;
        let heard = Arc::new(watch::Sender::new(Heard::Nothing));
        let presses = Self(Arc::clone(&heard));
        tokio::spawn(async move {
            loop {
                signals.next().await;
                if !advance(&heard, Heard::Once) {
                    end_at_once(Exit::Interrupted.code());
                }
            }
        });
        Ok(presses)
    }

    /// Whether Ctrl-C was pressed while something was being recorded.
    fn have_come(&self) -> bool {
        *self.0.borrow() == Heard::Once
    }

    /// Nothing is recorded any more: from here on, Ctrl-C ends at once. Gives whether it was pressed before.
    fn over(&self) -> bool {
        !advance(&self.0, Heard::Over)
    }

    /// Resolves when the person has pressed Ctrl-C, now or earlier.
    async fn pressed(&self, progress: &RunProgress, surroundings: &mut Surroundings) {
        if self.0.subscribe().wait_for(|heard| *heard == Heard::Once).await.is_err() {
            // Nobody is left who could press: the run ends by itself.
            std::future::pending::<()>().await;
        }
        progress.end();
        surroundings.warn("stopping, and putting the phone back as it was; Ctrl-C again ends at once");
    }
}

/// Goes on from [`Heard::Nothing`]; false when that was over already.
fn advance(heard: &watch::Sender<Heard>, to: Heard) -> bool {
    heard.send_if_modified(|heard| {
        let first = *heard == Heard::Nothing;
        if first {
            *heard = to;
        }
        first
    })
}

/// A rig whose capture names the seed that a person can give again; scenario and number of the run, which the capture has too,
/// make the run's own of it. With a real band no seed repeats anything.
fn seeded(rig: Rig, seed: u64) -> Rig {
    match rig.kind {
        model::Rig::Simulated { .. } => Rig { kind: model::Rig::Simulated { seed }, ..rig },
        _ => rig,
    }
}

/// Each run's own seed, made of the one that is printed.
fn seed_of(seed: u64, scenario: &str, run: u32) -> u64 {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(run.to_le_bytes()).chain_update(scenario).finalize();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What a person does about a run that could not begin; empty where nothing can be said.
fn hint(error: &RunError) -> &'static str {
    match error {
        RunError::Traffic(TrafficError::PortInUse { .. }) => "leave --listen out to take any free port",
        RunError::Traffic(TrafficError::File { .. }) => {
            "`tattletale ca rotate` puts a new authority in its place, and says how to remove the old certificate from the phone"
        }
        RunError::Phone(error) => error.help(),
        RunError::NotRestored { why, .. } => hint(why),
        _ => "",
    }
}

/// Why a run could not begin, with what a person does about it.
fn with_hint(error: &RunError) -> String {
    let hint = hint(error);
    if hint.is_empty() { error.to_string() } else { format!("{error} ({hint})") }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let hint = hint(&error);
        match error {
            RunError::Phone(PhoneError::NoSuchVersion { .. }) | RunError::Traffic(TrafficError::File { .. }) => {
                Self::usage(error.to_string(), hint)
            }
            RunError::Store(error) => error.into(),
            _ => Self::instrument(error.to_string(), hint),
        }
    }
}

/// Where the proxy of a phone over the cable listens unless somebody says otherwise: at a free port, for this computer alone.
pub(super) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
