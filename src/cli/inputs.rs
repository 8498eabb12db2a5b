//! What a person names on the command line as recorded: a capture, a folder of captures, a HAR, a mitmproxy flow file; and
//! what they claim of it.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use sha2::{Digest as _, Sha256};

use super::{Failure, Surroundings};
use crate::{
    model::{
        AppVersion, Bodies, Body, CaptureSource, NumberedEvent, Platform, Provenance, Recording, RecordingError, Rig, RunEnding, RunEvent,
        Target,
        text::{hex, printable, sha256_hex},
    },
    run::CONTROL,
    store::{CaptureReader, capture},
    traffic::import::ImportedFile,
};

/// A recording that any thread may read.
pub(crate) type AnyRecording = Box<dyn Recording + Send + Sync>;

/// The version of a file of which nobody says one.
pub(super) const UNKNOWN_VERSION: &str = "unknown";

/// Kinds of captures that one message names.
const MOST_NAMED: usize = 8;

/// What an imported file is said to be of, printed as *claimed*; of captures, it chooses those that are of it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Claims {
    /// App, by the name of its folder
    #[arg(long)]
    pub(crate) app: Option<String>,
    /// Platform: android, ios, lab or simulated
    #[arg(long, value_parser = platform)]
    pub(crate) platform: Option<Platform>,
    /// Version of the app
    #[arg(long, value_name = "VERSION")]
    pub(crate) app_version: Option<String>,
    /// Scenario
    #[arg(long)]
    pub(crate) scenario: Option<String>,
}

impl Claims {
    /// Whether a target is what was asked for.
    pub(super) fn fit(&self, target: &Target) -> bool {
        self.app.as_ref().is_none_or(|app| *app == target.app)
            && self.platform.is_none_or(|platform| platform == target.platform)
            && self.app_version.as_ref().is_none_or(|version| *version == target.version.name)
            && self.scenario.as_ref().is_none_or(|scenario| *scenario == target.scenario)
    }

    /// The target a file is claimed to be of, when it does not say so itself.
    pub(super) fn target(&self) -> Target {
        let unknown = Target {
            app: "unknown-app".into(),
            platform: Platform::Android,
            version: AppVersion::named(UNKNOWN_VERSION),
            scenario: "unscripted".into(),
            claimed: true,
        };
        self.over(&unknown)
    }

    /// A target with everything that is claimed put in.
    fn over(&self, known: &Target) -> Target {
        Target {
            app: self.app.as_ref().unwrap_or(&known.app).clone(),
            platform: self.platform.unwrap_or(known.platform),
            version: self.app_version.as_ref().map_or_else(|| known.version.clone(), AppVersion::named),
            scenario: self.scenario.as_ref().unwrap_or(&known.scenario).clone(),
            claimed: true,
        }
    }
}

/// Every recording that the paths name and the claims fit, each once. Of a folder, control runs are left out: they were
/// recorded with the app stopped, so there is nothing of the app's in them to audit.
pub(super) fn recordings(paths: &[PathBuf], claims: &Claims, surroundings: &mut Surroundings) -> Result<Vec<AnyRecording>, Failure> {
    let mut found: Vec<AnyRecording> = Vec::new();
    let mut known = BTreeSet::new();
    let mut runs = Runs::default();
    for typed in paths {
        let path = surroundings.path(typed);
        let shown = surroundings.shown(&path);
        if capture::is_capture(&path) || capture::is_log(&path) {
            let reader = if path.is_dir() { CaptureReader::open(&path)? } else { CaptureReader::open_log(&path)? };
            if !claims.fit(&reader.provenance().target) {
                return Err(of_something_else(&shown, &[reader.provenance().target.clone()]));
            }
            if is_new(&path, &mut known) && runs.is_new(Identity::of_capture(&reader)?, &shown, surroundings) {
                found.push(Box::new(reader));
            }
        } else if path.is_dir() {
            for reader in of_folder(&path, &shown, claims, surroundings)? {
                let shown = surroundings.shown(reader.folder());
                if is_new(reader.folder(), &mut known) && runs.is_new(Identity::of_capture(&reader)?, &shown, surroundings) {
                    found.push(Box::new(reader));
                }
            }
        } else {
            if let Err(problem) = fs::File::open(&path) {
                return Err(Failure::usage(
                    format!("read {shown}: {problem}"),
                    "name a capture, a folder of captures, a HAR or a mitmproxy flow file",
                ));
            }
            let recording = imported(&path, claims)?;
            if is_new(&path, &mut known) && (paths.len() == 1 || runs.is_new(Identity::of_file(&recording)?, &shown, surroundings)) {
                for note in recording.notes() {
                    surroundings.note(format_args!("{shown}: {note}"));
                }
                found.push(Box::new(recording));
            }
        }
    }
    Ok(found)
}

/// The captures in a folder that the claims fit, by what they are of.
fn of_folder(path: &Path, shown: &str, claims: &Claims, surroundings: &mut Surroundings) -> Result<Vec<CaptureReader>, Failure> {
    let (captures, problems) = capture::list(path)?;
    for problem in &problems {
        surroundings.warn(format_args!("left out: {}", printable(&problem.to_string())));
    }
    let readers: Vec<CaptureReader> = captures.iter().map(|capture| CaptureReader::open(&capture.folder)).collect::<Result<_, _>>()?;
    let wants_control = claims.scenario.as_deref() == Some(CONTROL);
    let (controls, mut readers): (Vec<_>, Vec<_>) =
        readers.into_iter().partition(|reader| reader.provenance().target.scenario == CONTROL && !wants_control);
    if readers.is_empty() {
        let (what, hint) = if !controls.is_empty() {
            ("there are only control runs in it, in which the app is stopped", "`tattletale run` records scenarios")
        } else if capture::list(&path.join("runs")).is_ok_and(|(captures, _)| !captures.is_empty()) {
            ("there is no capture in it", "there are captures in its folder runs: name that one")
        } else {
            ("there is no capture in it", "`tattletale captures list` names the saved captures")
        };
        return Err(Failure::usage(format!("find what to read in {shown}: {what}"), hint));
    }
    let all: Vec<Target> = readers.iter().map(|reader| reader.provenance().target.clone()).collect();
    readers.retain(|reader| claims.fit(&reader.provenance().target));
    if readers.is_empty() {
        return Err(of_something_else(shown, &all));
    }
    if !controls.is_empty() {
        let count = controls.len();
        let runs = if count == 1 { "run" } else { "runs" };
        surroundings.note(format_args!("{shown}: {count} control {runs} left out: the app is stopped in them"));
    }
    readers.sort_by_cached_key(|reader| {
        let Target { app, platform, version, scenario, .. } = &reader.provenance().target;
        (app.clone(), *platform, version.clone(), scenario.clone(), reader.name())
    });
    Ok(readers)
}

/// Captures are there, but none of what was asked for: tells what they are of.
fn of_something_else(shown: &str, targets: &[Target]) -> Failure {
    let mut words: Vec<String> =
        targets.iter().map(|target| format!("{} {} on {}, {}", target.app, target.version, target.platform, target.scenario)).collect();
    words.sort();
    words.dedup();
    let more = words.len().saturating_sub(MOST_NAMED);
    words.truncate(MOST_NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let captures = if targets.len() == 1 { "its capture is".to_owned() } else { format!("its {} captures are", targets.len()) };
    Failure::usage(
        format!("find what to read in {shown}: {captures} of something else"),
        format!("there is {}{more}; choose with --app, --platform, --app-version and --scenario", words.join("; ")),
    )
}

/// Whether a file or folder was not named before. Reading it twice would count its runs twice.
fn is_new(path: &Path, known: &mut BTreeSet<PathBuf>) -> bool {
    known.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()))
}

/// Runs that were named already. A copy of a capture, its export and its import are all the same run: counting it twice would
/// make what was seen once look like what is always there.
#[derive(Default)]
struct Runs(BTreeMap<Identity, String>);

/// What tells one run from another, wherever its recording was copied to.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    /// A run of ours: SHA-256 of its provenance, without what becomes of it by being exported, and of its ending.
    Run(String),
    /// A file of another program, packed or not, imported or exported again: SHA-256 of what was sent and answered.
    Traffic(String),
}

impl Runs {
    /// Whether a run was not named before; otherwise, a person is told that it is left out.
    fn is_new(&mut self, identity: Identity, shown: &str, surroundings: &mut Surroundings) -> bool {
        match self.0.entry(identity) {
            Entry::Vacant(place) => {
                place.insert(shown.to_owned());
                true
            }
            Entry::Occupied(first) => {
                surroundings.warn(format_args!("left out: {shown} is the same run as {}, which is counted once", first.get()));
                false
            }
        }
    }
}

impl Identity {
    fn of_capture(reader: &CaptureReader) -> Result<Self, Failure> {
        let provenance = reader.provenance();
        if provenance.rig == Rig::Imported {
            return Self::of_traffic(reader);
        }
        Ok(Self::of_run(provenance, reader.ending()?.as_ref()))
    }

    fn of_file(recording: &ImportedFile) -> Result<Self, Failure> {
        match recording.own_ending() {
            Some(ending) => Ok(Self::of_run(recording.provenance(), ending)),
            None => Self::of_traffic(recording),
        }
    }

    /// Nothing tells two imports of another program's files apart but what is in them.
    fn of_traffic(recording: &dyn Recording) -> Result<Self, Failure> {
        let mut digest = Sha256::new();
        // A body is the same wherever it is kept.
        let body = |body: &Body| (body.bytes, body.sha256.clone());
        recording.replay(&mut |event, _| {
            let text = match &event.event {
                RunEvent::Exchange(exchange) => {
                    let request = &exchange.request;
                    let sent = (exchange.began, &request.method, request.url.to_text(), &request.headers, body(&request.body));
                    let answered = exchange.response.as_ref().map(|response| (response.status, &response.headers, body(&response.body)));
                    serde_json::to_vec(&(sent, answered))
                }
                RunEvent::Message(message) => serde_json::to_vec(&(message.exchange, message.number, message.sent, body(&message.body))),
                RunEvent::Tunnel(tunnel) => serde_json::to_vec(tunnel),
                _ => return,
            };
            digest.update(text.expect("traffic is plain data with text keys"));
        })?;
        Ok(Self::Traffic(hex(&digest.finalize())))
    }

    fn of_run(provenance: &Provenance, ending: Option<&RunEnding>) -> Self {
        let target = Target { claimed: false, ..provenance.target.clone() };
        let recorded = Provenance { source: CaptureSource::Proxy, target, ..provenance.clone() };
        let text = serde_json::to_vec(&(recorded, ending)).expect("provenance is plain data with text keys");
        Self::Run(sha256_hex(&text))
    }
}

/// A file of another program as a recording, or an export of ours, which says what it is of; claims are put over that.
fn imported(path: &Path, claims: &Claims) -> Result<ImportedFile, Failure> {
    let open = |target| {
        let hint = "HAR is what browsers and intercepting proxies export, flow files are what mitmproxy saves; a capture is a folder";
        ImportedFile::open(path, target).map_err(|error| Failure::usage(error.to_string(), hint))
    };
    match open(None) {
        Ok(own) if claims.fit(&own.provenance().target) => Ok(own),
        Ok(own) => open(Some(claims.over(&own.provenance().target))),
        Err(_) => open(Some(claims.target())),
    }
}

/// Recordings of one app, platform, version, scenario and scenario hash, in the order of their runs.
pub(crate) fn groups(recordings: Vec<AnyRecording>) -> Vec<Vec<AnyRecording>> {
    let mut groups: Vec<Vec<AnyRecording>> = Vec::new();
    for recording in recordings {
        let key = |recording: &AnyRecording| {
            let about = recording.provenance();
            (about.target.clone(), about.scenario_hash.clone())
        };
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| key(first) == key(&recording))) {
            Some(group) => group.push(recording),
            None => groups.push(vec![recording]),
        }
    }
    groups.into_iter().map(numbered).collect()
}

/// A group in the order of its runs. Where two runs bear the same number, because the scenario was run on several occasions,
/// all are counted anew in the order in which they were made, so that "run 2" names one recording.
fn numbered(mut group: Vec<AnyRecording>) -> Vec<AnyRecording> {
    let mut seen = BTreeSet::new();
    if group.iter().all(|recording| seen.insert(recording.provenance().run)) {
        group.sort_by_key(|recording| recording.provenance().run);
        return group;
    }
    group.sort_by_key(|recording| recording.name());
    let renumber = |(recording, run): (AnyRecording, u32)| -> AnyRecording {
        let provenance = Provenance { run, ..recording.provenance().clone() };
        Box::new(Renumbered { recording, provenance })
    };
    group.into_iter().zip(1..).map(renumber).collect()
}

/// A recording with another run number.
struct Renumbered {
    recording: AnyRecording,
    provenance: Provenance,
}

impl Recording for Renumbered {
    fn name(&self) -> String {
        self.recording.name()
    }

    fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    fn replay(&self, each: &mut dyn FnMut(&NumberedEvent, &dyn Bodies)) -> Result<(), RecordingError> {
        self.recording.replay(each)
    }
}

/// Reads a platform's word.
pub(super) fn platform(word: &str) -> Result<Platform, String> {
    Platform::parse(word).ok_or_else(|| {
        let words: Vec<_> = Platform::ALL.iter().map(|platform| platform.word()).collect();
        format!("platforms are {}", words.join(", "))
    })
}
