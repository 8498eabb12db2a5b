//! `--plant`: values known to be on the phone or the band of an import, put before what it recorded (R10). Recordings of runs
//! hold their own. What the file says is read by `scenario::parse`.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use miette::MietteDiagnostic;

use super::{
    Failure, Surroundings,
    files::{self, Problem},
    inputs::AnyRecording,
};
use crate::{
    model::{Bodies, NumberedEvent, PlantedValue, Provenance, Recording, RecordingError, Rig, RunEvent, text::printable},
    scenario::{HeldValue, parse},
    store,
};

/// The file that is used without being named.
pub(super) const LOCAL: &str = "planted.local.yaml";

/// How the names of files end that hold a real person's values.
const PRIVATE: &str = ".local.yaml";

/// Values to search for in imports.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Plant {
    /// Values known to be on the phone or the band of an import, to be searched for in it; planted.local.yaml when it is there
    #[arg(long, value_name = "FILE")]
    plant: Option<PathBuf>,
}

impl Plant {
    /// Puts the values before what imports recorded. A recording of a run holds its own, and is left as it is.
    pub(super) fn before(&self, recordings: Vec<AnyRecording>, surroundings: &mut Surroundings) -> Result<Vec<AnyRecording>, Failure> {
        let Some((label, values)) = self.values(surroundings)? else { return Ok(recordings) };
        let mut planted_in = 0_usize;
        let mut all = Vec::new();
        for recording in recordings {
            if recording.provenance().rig != Rig::Imported {
                if self.plant.is_some() {
                    let name = printable(&recording.name());
                    surroundings.warn(format_args!("{name} holds its own planted values: those of {label} are for imports"));
                }
                all.push(recording);
                continue;
            }
            planted_in += 1;
            let planted = PlantedBefore::new(recording, &values);
            if planted.left_out > 0 {
                let (name, count) = (printable(&planted.name()), planted.left_out);
                surroundings.note(format_args!("{name}: not searched for {count} of the planted values, which no longer held"));
            }
            all.push(Box::new(planted));
        }
        if self.plant.is_none() && planted_in > 0 {
            let count = values.len();
            surroundings.note(format_args!("searched for {count} planted values of {label}"));
        }
        Ok(all)
    }

    /// The values of the file that was named, else of the one that is there, with what to call it.
    pub(super) fn values(&self, surroundings: &Surroundings) -> Result<Option<(String, Vec<HeldValue>)>, Failure> {
        let path = match &self.plant {
            Some(typed) => surroundings.path(typed),
            None => {
                let folders = [surroundings.working_directory.clone(), surroundings.workspace().root];
                match folders.iter().map(|folder| folder.join(LOCAL)).find(|path| path.is_file()) {
                    Some(path) => path,
                    None => return Ok(None),
                }
            }
        };
        let text = files::text(&path, surroundings)?;
        let mut problems: Vec<Problem> = exposed(&path, surroundings)?.into_iter().collect();
        match parse::planted(&text.label, &text.text) {
            Ok(values) if problems.is_empty() => return Ok(Some((text.label, values))),
            Ok(_) => {}
            Err(wrong) => problems.push(Box::new(wrong)),
        }
        Err(Failure::Files(problems))
    }
}

/// What is wrong with a file of a real person's values that others can read.
pub(super) fn exposed(path: &Path, surroundings: &Surroundings) -> Result<Option<Problem>, Failure> {
    if !path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(PRIVATE)) {
        return Ok(None);
    }
    let Some(mode) = store::open_to_others(path)? else { return Ok(None) };
    let shown = surroundings.shown(path);
    let what = format!("{shown} is open to other users of this machine (mode {mode:03o}): it holds a person's values");
    Ok(Some(Box::new(MietteDiagnostic::new(what).with_help(format!("run: chmod 600 {shown}")))))
}

/// An import with values planted before what it recorded.
struct PlantedBefore {
    recording: AnyRecording,
    /// The import's own, with the values that held from the start.
    provenance: Provenance,
    /// Those that came later, in order.
    later: Vec<(Timestamp, PlantedValue)>,
    /// How many no longer held.
    left_out: usize,
}

impl PlantedBefore {
    fn new(recording: AnyRecording, values: &[HeldValue]) -> Self {
        let mut provenance = recording.provenance().clone();
        let (began, mut later, mut left_out) = (provenance.started, Vec::new(), 0);
        // Without a time nothing can be told to be too early or too late.
        let is_timed = began != Timestamp::UNIX_EPOCH;
        for held in values {
            if is_timed && held.until.is_some_and(|until| until <= began) {
                left_out += 1;
                continue;
            }
            match held.from.filter(|from| is_timed && *from > began) {
                Some(from) => later.push((from, held.value.clone())),
                None => provenance.planted.push(held.value.clone()),
            }
        }
        later.sort_by_key(|(from, _)| *from);
        Self { recording, provenance, later, left_out }
    }
}

impl Recording for PlantedBefore {
    fn name(&self) -> String {
        self.recording.name()
    }

    fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    fn replay(&self, each: &mut dyn FnMut(&NumberedEvent, &dyn Bodies)) -> Result<(), RecordingError> {
        let mut later = self.later.iter().peekable();
        self.recording.replay(&mut |event, bodies| {
            let began = match &event.event {
                RunEvent::RunStarted(_) => {
                    let started = RunEvent::RunStarted(Box::new(self.provenance.clone()));
                    return each(&NumberedEvent { event: started, ..*event }, bodies);
                }
                RunEvent::Exchange(exchange) => exchange.began,
                RunEvent::ExchangeBegan { .. } | RunEvent::Message(_) => event.at,
                _ => return each(event, bodies),
            };
            while let Some((_, value)) = later.next_if(|(from, _)| *from <= began) {
                // It bears the number of what it comes before: what an import recorded keeps its own.
                each(&NumberedEvent { n: event.n, at: began, event: RunEvent::Planted(value.clone()) }, bodies);
            }
            each(event, bodies);
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{Exit, surroundings::testing::command};

    /// A HAR with one request in the morning and one in the evening, each with a nickname.
    fn har() -> String {
        let entry = |hour: &str, nickname: &str| {
            format!(
                r#"{{"startedDateTime":"2026-03-01T{hour}:00:00Z","time":1,"request":{{"method":"POST","url":"https://a.test/{nickname}/x",
                "headers":[],"postData":{{"mimeType":"application/json","text":"{{\"a1\":\"{nickname}\"}}"}}}},"response":{{"status":200}}}}"#
            )
        };
        let entries = [entry("08", "Quillon"), entry("20", "Quillon")].join(",");
        format!(r#"{{"log":{{"version":"1.2","creator":{{"name":"test","version":"1"}},"entries":[{entries}]}}}}"#)
    }

    #[test]
    fn a_value_of_a_file_is_found_in_an_import_and_its_name_alone_is_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("a.har"), har()).expect("written");
        fs::write(folder.path().join("p.yaml"), "profile: { nickname: Quillon, birth: 1984-03-07 }").expect("written");
        let run = |line: &[&str]| command(folder.path(), line, |_| ());
        for line in
            [&["fields", "a.har"][..], &["audit", "a.har", "--no-snapshot"], &["report", "a.har"], &["show", "1", "--capture", "a.har"]]
        {
            let (_, out, err) = run(&[line, &["--plant", "p.yaml"]].concat());
            assert!(out.contains("profile.nickname") && !out.contains("Quillon"), "{line:?}: {out}{err}");
            assert!(!run(line).1.contains("profile.nickname"), "{line:?}");
        }
        let (_, out, _) = run(&["fields", "a.har", "--plant", "p.yaml"]);
        assert!(out.contains("planted profile.nickname: found in 2 exchanges"), "{out}");
        assert!(out.contains("planted profile.birth: not checked"), "{out}");
        fs::write(folder.path().join("p.yaml"), "confirmed: true\nprofile: { nickname: Quillon, birth: 1984-03-07 }").expect("written");
        assert!(run(&["fields", "a.har", "--plant", "p.yaml"]).1.contains("planted profile.birth: not seen"));
        fs::write(folder.path().join("none.har"), har().split("[{").next().expect("a beginning").to_owned() + "[]}}").expect("written");
        let (_, out, err) = run(&["fields", "none.har", "--plant", "p.yaml"]);
        assert!(out.contains("planted profile.birth: not checked: nothing was read"), "{out}{err}");
        let (exit, out, err) = run(&["diff", "a.har", "a.har", "--old-version", "1", "--new-version", "2", "--plant", "p.yaml"]);
        assert_eq!((exit, out.contains("No difference")), (Exit::Clean, true), "{out}{err}");
    }

    #[test]
    fn a_value_is_searched_for_while_it_held() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("a.har"), har()).expect("written");
        for (held, found, note) in [
            ("", "2 exchanges", ""),
            (", from: \"2026-03-01T12:00:00Z\"", "1 exchange", ""),
            (", from: 2026-03-02", "", ""),
            (", until: 2026-03-01", "2 exchanges", ""),
            (", until: 2026-02-28", "", "not searched for 1 of the planted values"),
        ] {
            let text = format!("values: [{{ name: nickname, kind: text, value: Quillon{held} }}]");
            fs::write(folder.path().join("p.yaml"), text).expect("written");
            let (_, out, err) = command(folder.path(), &["fields", "a.har", "--plant", "p.yaml"], |_| ());
            assert_eq!(out.contains("planted nickname: found in"), !found.is_empty(), "{held}: {out}");
            assert!(out.contains(found) && err.contains(note), "{held}: {out}{err}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_of_a_real_person_is_used_unnamed_and_refused_where_others_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("a.har"), har()).expect("written");
        let local = folder.path().join(super::LOCAL);
        fs::write(&local, "profile: { nickname: Quillon }").expect("written");
        let run = |mode: u32, line: &[&str]| {
            fs::set_permissions(&local, fs::Permissions::from_mode(mode)).expect("changed");
            command(folder.path(), line, |_| ())
        };
        let (exit, out, err) = run(0o600, &["fields", "a.har"]);
        assert!(exit == Exit::Clean && out.contains("found in 2 exchanges"), "{out}{err}");
        assert!(err.contains("searched for 1 planted values of planted.local.yaml"), "{err}");
        for line in [&["fields", "a.har"][..], &["fields", "a.har", "--plant", super::LOCAL], &["check", super::LOCAL]] {
            let (exit, out, err) = run(0o640, line);
            assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{line:?}");
            assert!(err.contains("chmod 600") && !err.contains("Quillon"), "{err}");
        }
        assert_eq!(run(0o600, &["check", super::LOCAL]).0, Exit::Clean);
    }

    #[test]
    fn a_single_body_is_searched_too() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("body"), r#"{"a1":"Quillon","a2":[{"b":1},{"b":2}],"a3":{"x":52.37404,"y":4.88968}}"#)
            .expect("written");
        let values = "profile: { nickname: Quillon }\nlocation: { lat: 52.37403, lon: 4.88969 }";
        fs::write(folder.path().join("p.yaml"), values).expect("written");
        let (exit, out, err) = command(folder.path(), &["fields", "--body", "body", "--plant", "p.yaml", "--format", "json"], |_| ());
        assert_eq!((exit, err.as_str()), (Exit::Clean, ""));
        let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        let fields = json["seen"][0]["fields"].as_array().expect("fields");
        let told: Vec<String> = fields.iter().map(|field| format!("{} {}", field["path"], field["reasons"][0]["name"])).collect();
        assert_eq!(told, [r#""a1" "profile.nickname""#, r#""a2[].b" null"#, r#""a3.x" "location""#, r#""a3.y" "location""#]);
        assert!(!out.contains("Quillon"));
    }
}
