//! `diff`: what differs between two versions, snapshots, captures, folders of captures or HARs. Gives 0 or 1 and no verdict.

use clap::Args;

use super::{
    Exit, Failure, Surroundings,
    inputs::Claims,
    plant::Plant,
    sides,
    snapshots::{Placed, same_place},
};
use crate::{
    diff::{self, Options},
    model::{Confidence, Target, snapshot::LEAST_OLD_RUNS, text::printable},
    report,
};

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The older one: a version, a snapshot file, a capture, a folder of captures or a HAR
    #[arg(value_name = "OLD")]
    old: String,
    /// The newer one
    #[arg(value_name = "NEW")]
    new: String,
    /// Version of the older one, where it does not say so itself: a HAR
    #[arg(long, value_name = "VERSION")]
    old_version: Option<String>,
    /// Version of the newer one, where it does not say so itself: a HAR
    #[arg(long, value_name = "VERSION")]
    new_version: Option<String>,
    #[command(flatten)]
    claims: Claims,
    #[command(flatten)]
    plant: Plant,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let claims = |version: &Option<String>| {
        let claims = arguments.claims.clone();
        Claims { app_version: version.clone().or_else(|| claims.app_version.clone()), ..claims }
    };
    let old = sides::side(&arguments.old, &claims(&arguments.old_version), &arguments.plant, surroundings)?;
    let new = sides::side(&arguments.new, &claims(&arguments.new_version), &arguments.plant, surroundings)?;
    let pairs: Vec<(&Placed, &Placed)> = match (&old[..], &new[..]) {
        ([old], [new]) => vec![(old, new)],
        _ => {
            let twin = |new: &Placed| old.iter().find(|old| same_place(&old.snapshot.header.target, &new.snapshot.header.target));
            new.iter().filter_map(|new| Some((twin(new)?, new))).collect()
        }
    };
    if pairs.is_empty() {
        let (old, new) = (&arguments.old, &arguments.new);
        return Err(Failure::usage(
            format!("compare {old} with {new}: they share no scenario"),
            "choose with --app, --platform and --scenario",
        ));
    }
    let mut exit = Exit::Clean;
    for (old, new) in pairs {
        let compared =
            diff::compare(&old.snapshot, &new.snapshot, Options::default()).map_err(|problem| Failure::usage(problem.to_string(), ""))?;
        let mut text = format!("{}\n{}\n", words("old", old), words("new", new));
        if let Some(disclaimer) = new.snapshot.header.target.platform.disclaimer() {
            text.push_str(&format!("{disclaimer}\n"));
        }
        for doubt in &compared.doubts {
            text.push_str(&format!("note: {}\n", printable(doubt)));
        }
        text.push('\n');
        if compared.changes.is_empty() {
            text.push_str("No difference in what could be read.\n");
        } else {
            let options = report::Options { width: surroundings.width, colour: surroundings.colour };
            text.push_str(&report::changes_table(&compared.changes, options));
            let counts = compared.changes.iter().any(|change| change.confidence == Confidence::Counts);
            let too_few = old.snapshot.header.runs.min(new.snapshot.header.runs) < LEAST_OLD_RUNS;
            if counts || too_few {
                exit = Exit::Finding;
            }
            if too_few && !counts {
                text.push_str(&format!(
                    "With fewer than {LEAST_OLD_RUNS} runs on a side no difference can be told from chance, so none is passed over.\n"
                ));
            }
        }
        surroundings.print(&text)?;
    }
    Ok(exit)
}

/// What a side is, and below it what it rests on.
///
/// ```text
/// old  mifit sim-1.0 on simulated, passive-sync: embedded
///      3 runs, 11 of 12 hosts read
/// ```
fn words(side: &str, placed: &Placed) -> String {
    let header = &placed.snapshot.header;
    let Target { app, platform, version, scenario, claimed } = &header.target;
    let claimed = if *claimed { " (claimed)" } else { "" };
    let coverage = if header.coverage_known { "" } else { "; it cannot tell what it missed" };
    let runs = if header.runs == 1 { "run" } else { "runs" };
    let is = printable(&format!("{side}  {app} {version} on {platform}{claimed}, {scenario}: {}", placed.place));
    format!("{is}\n     {} {runs}, {} of {} hosts read{coverage}", header.runs, header.hosts_read, header.hosts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::{
            snapshots::testing::{snapshot_of, write},
            surroundings::testing::command,
        },
        store::Standing,
    };

    #[test]
    fn versions_and_files_are_compared_and_the_exit_says_whether_they_differ() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &snapshot_of("1.0", &["a"]), Standing::Accepted);
        write(folder.path(), &snapshot_of("1.1", &["a", "lat"]), Standing::Pending);
        let run = |line: &[&str]| command(folder.path(), line, |_| ());
        let (exit, out, err) = run(&["diff", "1.0", "1.1"]);
        assert_eq!((exit, err.as_str()), (Exit::Finding, ""));
        assert!(
            out.starts_with(
                "old  mifit 1.0 on android, passive-sync: mifit/android/passive-sync@1.0.snap\n     3 runs, 1 of 1 hosts read\n"
            ),
            "{out}"
        );
        assert!(out.contains("waits for review") && out.contains("lat"), "{out}");
        // A field that comes and goes is no change, where there are runs enough to say so.
        let mut at_times = snapshot_of("1.2", &["a", "b"]);
        for field in at_times.endpoints.values_mut().flat_map(|endpoint| endpoint.fields.values_mut()).skip(1) {
            field.runs = 1;
        }
        write(folder.path(), &at_times, Standing::Accepted);
        let (exit, out, _) = run(&["diff", "1.0", "1.2"]);
        assert_eq!(exit, Exit::Clean, "{out}");
        assert!(out.contains("No change that counts."), "{out}");
        let file = "snapshots/mifit/android/passive-sync@1.0.snap";
        let (exit, out, _) = run(&["diff", file, "1.0"]);
        assert_eq!(exit, Exit::Clean);
        assert!(out.contains("No difference in what could be read."), "{out}");
        let (exit, _, err) = run(&["diff", "1.0", "2.0"]);
        assert_eq!(exit, Exit::Usage);
        assert!(err.contains("find 2.0") && err.contains("1.0"), "{err}");
        assert_eq!(run(&["diff", "1.0", "1.1", "--scenario", "workout"]).0, Exit::Usage);
    }
}
