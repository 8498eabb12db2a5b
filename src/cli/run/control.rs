//! The control run of `run` (R1): the one that is kept with the rig while it is true, else one that is made. And `run --control`,
//! which makes it anew and says what it saw. When a kept one is true is `run::control`'s business.

use std::{path::Path, sync::Arc};

use super::{Arguments, Exit, Failure, Plan, Presses, RunProgress, Surroundings, order, runtime, seed_of, seeded, tell_outcome};
use crate::{
    model::{ControlRun, text::printable},
    phone::operator::Operator,
    run::{
        self, Bench, Order, Rig, RunError,
        control::{self, Stale, USED_FOR},
    },
    scenario::RigFile,
    store::{RigFolder, Workspace},
};

/// Where the control runs of a rig are kept.
pub(in crate::cli) struct Shelf {
    folder: RigFolder,
    /// [`control::fingerprint`] of the rig.
    fingerprint: String,
    /// Whether a control run is kept without being asked for. The simulated rig that no file describes keeps none: it is made
    /// in no time, and would leave a folder wherever somebody tries the program.
    always: bool,
}

impl Shelf {
    /// That of the rig in a file, which bears the file's name without `.yaml`; or of the simulated rig that needs none.
    pub(in crate::cli) fn of(rig: Option<(&Path, &RigFile)>, workspace: &Workspace) -> Result<Self, Failure> {
        let name = rig.map_or(SIMULATED.into(), |(path, _)| path.file_stem().unwrap_or_default().to_string_lossy());
        let fingerprint = control::fingerprint(rig.map(|(_, file)| file));
        Ok(Self { folder: RigFolder::of(workspace, &name)?, fingerprint, always: rig.is_some() })
    }

    /// The rig's folder.
    pub(in crate::cli) const fn folder(&self) -> &RigFolder {
        &self.folder
    }

    /// What `--dry-run` says of the control run; `anew` when it is to be made whatever is kept.
    pub(super) fn in_words(&self, app: &str, anew: bool) -> Result<String, Failure> {
        let (rig, made) = (self.folder.name(), "the phone with the app stopped, to know other apps' traffic");
        Ok(match self.always || self.folder.control_file(app)?.exists() {
            _ if anew => format!("{made}; it will be kept with rig {rig}"),
            true => format!("the one kept with rig {rig} while it is true; else {made}"),
            false => made.to_owned(),
        })
    }
}

/// The control run for what is to be run. When it went wrong, which was told: with which exit.
pub(super) async fn obtain(
    plan: &Plan,
    bench: &Bench,
    operator: &Arc<dyn Operator>,
    order: &Order<'_>,
    presses: &Presses,
    progress: &RunProgress,
    surroundings: &mut Surroundings,
) -> Result<Result<ControlRun, Exit>, Failure> {
    let Shelf { folder, fingerprint, always } = &plan.control;
    let rig = seeded(bench.control_rig(seed_of(plan.seed, run::CONTROL, 0)).await?, plan.seed);
    let mut rig = Rig { operator: Arc::clone(operator), ..rig };
    // Before anything is done, for half an hour first of all.
    if let Err(error) = run::refuse_impossible(&rig, plan.scenarios.iter().map(|planned| &planned.scenario)) {
        rig.source.stop().await.map_err(RunError::from)?;
        return Err(error.into());
    }
    let keep = match control::kept(folder, &mut *rig.phone, fingerprint, order.app, surroundings.now).await? {
        Ok(control) => {
            // Its port is needed by the next one.
            rig.source.stop().await.map_err(run::RunError::from)?;
            let day = control.made.map(|made| made.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
            surroundings.note(format_args!("control run of {day}, kept with rig {}: {}", folder.name(), hosts(&control)));
            progress.advance();
            return Ok(Ok(control));
        }
        Err(Stale::Missing) if !always => false,
        Err(stale) => {
            surroundings.note(format_args!("a control run is made, because {}", printable(&stale.to_string())));
            true
        }
    };
    progress.begin("control run, app stopped".to_owned(), surroundings);
    let now = surroundings.now;
    let made = if keep {
        let is_own = |host: &str| plan.app.first_party_pattern(host).is_some();
        let made = control::renew(folder, rig, fingerprint, order, is_own, || now, presses.pressed(progress, surroundings)).await;
        made.map(|made| (made.outcome, made.control))
    } else {
        run::control_run(rig, order, presses.pressed(progress, surroundings)).await
    };
    let (outcome, control) = match made {
        Err(RunError::Interrupted) => return Ok(Err(Exit::Interrupted)),
        made => made?,
    };
    progress.advance();
    Ok(match tell_outcome(&outcome, progress, surroundings) {
        Exit::Clean => Ok(control),
        exit => Err(exit),
    })
}

/// `run --control`: makes the control run now, whatever is kept, and says what it saw.
pub(super) fn execute(plan: &Plan, arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let Shelf { folder, fingerprint, .. } = &plan.control;
    let is_own = |host: &str| plan.app.first_party_pattern(host).is_some();
    let made = runtime()?.block_on(async {
        let presses = Presses::listen(surroundings.end_at_once)?;
        let operator = plan.operator(surroundings);
        let bench = plan.bench(&operator, surroundings).await?;
        let mut order = order(plan, arguments);
        order.watchers.extend(bench.watcher());
        let progress = RunProgress::new(1, surroundings);
        progress.begin("control run, app stopped".to_owned(), surroundings);
        let rig = seeded(bench.control_rig(seed_of(plan.seed, run::CONTROL, 0)).await?, plan.seed);
        let rig = Rig { operator, ..rig };
        let now = surroundings.now;
        let interrupted = presses.pressed(&progress, surroundings);
        let made = match control::renew(folder, rig, fingerprint, &order, is_own, || now, interrupted).await {
            Err(RunError::Interrupted) => return Ok(None),
            made => made?,
        };
        progress.advance();
        let exit = tell_outcome(&made.outcome, &progress, surroundings);
        Ok::<_, Failure>(Some((made, exit, presses.over())))
    })?;
    let Some((made, exit, pressed)) = made else { return Ok(Exit::Interrupted) };
    let Some(kept) = made.kept else {
        let own: Vec<&str> = made.control.hosts.iter().map(String::as_str).filter(|host| is_own(host)).collect();
        if exit == Exit::Clean && own.is_empty() {
            surroundings.warn("not kept, because the phone does not tell whether its system has changed: `run` makes one each time");
        } else if exit == Exit::Clean {
            surroundings.warn(format_args!(
                "not kept, because it saw the app's own hosts ({}), so the app was not stopped: stop it for good, and make it again",
                printable(&own.join(", "))
            ));
        } else {
            surroundings.warn("not kept, because it did not end as it should");
        }
        return Ok(exit);
    };
    let day = |at: jiff::Timestamp| at.strftime("%Y-%m-%d").to_string();
    let until = kept.made.saturating_add(USED_FOR).map(day).unwrap_or_default();
    let lines = [
        ("rig", folder.name().to_owned()),
        ("app", printable(&kept.app)),
        ("phone", printable(&kept.phone)),
        ("made", format!("{}, used until {until}, or until the phone's system or the rig changes", day(kept.made))),
        ("watched", format!("{} minutes with the app stopped", kept.control.seconds / 60)),
        ("hosts", hosts(&kept.control)),
        ("kept in", surroundings.shown(&folder.control_file(&arguments.app)?)),
    ];
    surroundings.print(&lines.map(|(what, is)| format!("{what:<8} {is}\n")).concat())?;
    // It is whole and kept, but whoever pressed Ctrl-C just then wants the pipeline to stop.
    Ok(if pressed { Exit::Interrupted } else { exit })
}

/// The hosts that were seen.
fn hosts(control: &ControlRun) -> String {
    if control.hosts.is_empty() { "no host at all".to_owned() } else { printable(&control.hosts.join(", ")) }
}

/// Name of the simulated rig that no file describes.
const SIMULATED: &str = "simulated";

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use jiff::Timestamp;

    use super::*;
    use crate::{
        cli::surroundings::testing::command,
        model::{Recording as _, control::KeptControl},
        store::{CaptureReader, capture},
    };

    /// A time so many hours after the first. The whole week ends yesterday: the rig's certificates live on real time (R14).
    fn after(hours: i64) -> Timestamp {
        let today = Timestamp::now().as_second() / 86_400 * 86_400;
        Timestamp::from_second(today + (hours - 8 * 24) * 3600).expect("a time")
    }

    fn day(at: Timestamp) -> String {
        at.strftime("%Y-%m-%d").to_string()
    }

    /// A command line in a folder, so many hours after the first: exit, standard output, standard error.
    fn at(folder: &Path, hours: i64, line: &[&str]) -> (Exit, String, String) {
        command(folder, line, |surroundings| surroundings.now = after(hours))
    }

    fn kept(folder: &Path, rig: &str) -> KeptControl {
        let text = fs::read_to_string(folder.join(format!("rigs/{rig}/control/mifit.json"))).expect("it is kept");
        serde_json::from_str(&text).expect("JSON")
    }

    /// When the control runs were made that the captures of scenarios name; `None` for those that were not kept.
    fn used(folder: &Path) -> Vec<Option<Timestamp>> {
        let (captures, _) = capture::list(&folder.join("runs")).expect("readable");
        let of_scenarios = captures.iter().filter(|capture| capture.provenance.target.scenario != run::CONTROL);
        let control = |folder: &Path| CaptureReader::open(folder).expect("a capture").provenance().control.clone().expect("one was made");
        of_scenarios.map(|capture| control(&capture.folder).made).collect()
    }

    const RUN: [&str; 6] = ["run", "first-launch", "--runs", "1", "--seed", "7"];

    #[test]
    fn a_control_run_is_made_kept_and_used_by_the_runs_that_follow() {
        let folder = tempfile::tempdir().expect("a folder");
        let (exit, out, err) = at(folder.path(), 0, &["run", "--control", "--seed", "7"]);
        assert_eq!(exit, Exit::Clean, "{err}");
        for line in [
            "rig      simulated\n",
            "app      mifit\n",
            "phone    simulated by tattletale",
            "watched  30 minutes with the app stopped\n",
            "hosts    news.test, weather-widget.test\n",
            "kept in  rigs/simulated/control/mifit.json\n",
        ] {
            assert!(out.contains(line), "{line} is missing: {out}");
        }
        let (made, until) = (day(after(0)), day(after(7 * 24)));
        assert!(out.contains(&format!("made     {made}, used until {until}, or until the phone's system or the rig changes\n")), "{out}");
        let first = kept(folder.path(), "simulated");
        assert_eq!((first.made, first.control.hosts.len()), (after(0), 2));
        assert_eq!(used(folder.path()), [], "no scenario was run");

        let (_, _, err) = at(folder.path(), 3 * 24, &RUN);
        assert!(err.contains(&format!("control run of {made}, kept with rig simulated: news.test, weather-widget.test")), "{err}");
        assert!(!err.contains("control run, app stopped"), "{err}");
        assert_eq!(used(folder.path()), [Some(after(0))]);
        let (_, fields, err) = at(folder.path(), 0, &["audit", "runs"]);
        assert!(fields.contains("weather-widget.test"), "known from the control run, and named: {fields}{err}");

        // A week later it may no longer be true.
        let (_, _, err) = at(folder.path(), 7 * 24, &RUN);
        assert!(err.contains("a control run is made, because the kept one is 7 days old"), "{err}");
        assert_eq!(kept(folder.path(), "simulated").made, after(7 * 24));
        // Asked for, it is made whatever is kept.
        let (exit, out, err) = at(folder.path(), 7 * 24 + 1, &["run", "--control", "--quiet"]);
        assert_eq!((exit, kept(folder.path(), "simulated").made), (Exit::Clean, after(7 * 24 + 1)), "{out}{err}");
    }

    #[test]
    fn the_simulated_rig_without_a_file_keeps_nothing_unasked() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, _, err) = at(folder.path(), 0, &RUN);
        assert!(err.contains("control run, app stopped") && !err.contains("because"), "{err}");
        assert_eq!(used(folder.path()), [None]);
        assert!(!folder.path().join("rigs").exists());
    }

    #[test]
    fn a_rig_with_a_file_keeps_its_own_until_the_phone_or_the_rig_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bench.yaml");
        let write = |text: &str| {
            fs::write(&file, text).expect("ours");
            #[cfg(unix)]
            fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
        };
        write("phone: { kind: simulated }\n");
        let line = [&RUN[..], &["--rig", "bench.yaml"]].concat();
        let run = |hours| at(folder.path(), hours, &line).2;
        let err = run(0);
        assert!(err.contains("a control run is made, because this rig has none for this app yet"), "{err}");
        let first = kept(folder.path(), "bench");
        assert_eq!(first.made, after(0));
        assert!(run(1).contains(&format!("control run of {}, kept with rig bench", day(after(0)))));
        assert_eq!(kept(folder.path(), "bench"), first);
        let (_, dry, _) = at(folder.path(), 0, &[&line[..], &["--dry-run"]].concat());
        assert!(dry.contains("control run: the one kept with rig bench while it is true; else the phone with the app stopped"), "{dry}");

        // Another phone's system than the one that is there now.
        let path = folder.path().join("rigs/bench/control/mifit.json");
        let text = fs::read_to_string(&path).expect("there").replace(&first.phone, "Android 14 (AB1)");
        fs::write(&path, text).expect("ours");
        let err = run(2);
        assert!(err.contains("because the phone's system was Android 14 (AB1) and is simulated by tattletale"), "{err}");
        // Other devices than the file describes now.
        let other = kept(folder.path(), "bench");
        let text = fs::read_to_string(&path).expect("there").replace(&other.rig, &"0".repeat(64));
        fs::write(&path, text).expect("ours");
        let err = run(3);
        assert!(err.contains("because the rig file describes other devices than before"), "{err}");
        assert_eq!(kept(folder.path(), "bench").made, after(3));
        fs::write(&path, "half a").expect("ours");
        let err = run(4);
        assert!(err.contains("because the kept one cannot be read"), "{err}");
        assert!(!folder.path().join("rigs/simulated").exists(), "the rig of a file is not the rig of none");
    }
}
