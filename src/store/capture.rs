//! Capture folders: one a run, private to its owner, with an append-only, hash-chained log and the large bodies beside it.
//! What the events mean is the core's.
//!
//! ```text
//! runs/20260301T120000Z-mifit-sim-1.0-passive-sync-1/     0700
//!   events.jsonl    one event a line, each with the link of a hash chain
//!   bodies/<sha256> bodies over 64 KiB, once each
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::StoreError;
use crate::model::{BodyContent, Provenance, RunEnding, RunEvent};

mod body;
mod chain;
mod reader;
mod writer;

pub use body::{BodyWriter, MOST_INLINE};
pub use reader::{CaptureReader, Verified};
pub use writer::CaptureWriter;

/// The log's file name.
pub const LOG: &str = "events.jsonl";

/// The folder of large bodies.
const BODIES: &str = "bodies";

/// Longest line of a log, in bytes: two inline bodies, headers and a long URL fit many times over.
const MOST_LINE: usize = 64 * 1024 * 1024;

/// A capture among others.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredCapture {
    /// Its folder.
    pub folder: PathBuf,
    /// Its folder's name.
    pub name: String,
    /// Where it came from.
    pub provenance: Provenance,
    /// When the run's last event was written, by the file system's clock: a simulated rig's own clock says nothing about age.
    /// Purging keeps it.
    pub made: Timestamp,
    /// How its run ended; `None` when it never said so.
    pub ending: Option<RunEnding>,
    /// Bytes of its log and bodies.
    pub bytes: u64,
}

/// Whether a folder looks like a capture.
pub fn is_capture(folder: &Path) -> bool {
    folder.join(LOG).is_file()
}

/// Every capture directly inside a folder, by name (which is by time). A folder that is no readable capture is given with what
/// is wrong with it.
///
/// # Errors
/// [`StoreError::Io`] when the folder itself cannot be read. One that does not exist holds no captures.
pub fn list(runs: &Path) -> Result<(Vec<StoredCapture>, Vec<StoreError>), StoreError> {
    let entries = match fs::read_dir(runs) {
        Ok(entries) => entries,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
        Err(problem) => return Err(StoreError::of("read", runs, problem)),
    };
    let mut folders: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_capture(path)).collect();
    folders.sort();
    let (mut captures, mut problems) = (Vec::new(), Vec::new());
    for folder in folders {
        match stored(&folder) {
            Ok(capture) => captures.push(capture),
            Err(problem) => problems.push(problem),
        }
    }
    Ok((captures, problems))
}

/// Looks at one capture folder.
///
/// # Errors
/// Those of [`CaptureReader::open`] and [`CaptureReader::ending`].
pub fn stored(folder: &Path) -> Result<StoredCapture, StoreError> {
    use crate::model::Recording as _;
    let reader = CaptureReader::open(folder)?;
    let size = |path: &Path| path.symlink_metadata().map_or(0, |about| about.len());
    let bodies = fs::read_dir(folder.join(BODIES)).into_iter().flatten().filter_map(|entry| Some(size(&entry.ok()?.path())));
    let bytes = size(&folder.join(LOG)) + bodies.sum::<u64>();
    let provenance = reader.provenance().clone();
    let made = written_at(&folder.join(LOG)).and_then(|at| Timestamp::try_from(at).ok()).unwrap_or(provenance.started);
    Ok(StoredCapture { folder: folder.to_owned(), name: reader.name(), ending: reader.ending()?, provenance, made, bytes })
}

/// Removes a capture with everything in it.
///
/// # Errors
/// [`StoreError::NotACapture`] for anything else, which is left alone; [`StoreError::Io`] when it cannot be removed.
pub fn remove(folder: &Path) -> Result<(), StoreError> {
    refuse_strangers(folder)?;
    fs::remove_dir_all(folder).map_err(|problem| StoreError::of("remove", folder, problem))
}

/// Takes every body out of a capture, large and small, and gives the number of bytes freed. The chain still verifies, because
/// it covers digests of bodies. URLs with their queries, headers, times, positions and planted values stay.
///
/// # Errors
/// [`StoreError::NotACapture`] for anything else, which is left alone; [`StoreError::Io`] when it cannot be rewritten. The
/// log is replaced as a whole or not at all.
pub fn purge(folder: &Path) -> Result<u64, StoreError> {
    refuse_strangers(folder)?;
    let log = folder.join(LOG);
    let before = log.metadata().map_or(0, |about| about.len());
    let written = written_at(&log);
    let mut lines = reader::Lines::open(folder)?;
    let mut kept = Purged::begin(&log)?;
    // A half line at the end goes too: it may hold half a body.
    while let reader::Line::Whole(line) = lines.next()? {
        kept.line(&chain::purge(line))?;
    }
    let after = kept.finish(&log, written)?;
    let mut freed = before.saturating_sub(after);
    let bodies = folder.join(BODIES);
    for entry in fs::read_dir(&bodies).into_iter().flatten().flatten() {
        let path = entry.path();
        freed += path.symlink_metadata().map_or(0, |about| about.len());
        fs::remove_file(&path).map_err(|problem| StoreError::of("remove", &path, problem))?;
    }
    Ok(freed)
}

/// A purged log on its way, which replaces the old one at the end.
struct Purged {
    path: PathBuf,
    file: io::BufWriter<fs::File>,
    length: u64,
}

impl Purged {
    fn begin(log: &Path) -> Result<Self, StoreError> {
        let path = log.with_extension("jsonl.purging");
        let _ = fs::remove_file(&path);
        let file = super::create_private_file(&path).map_err(|problem| StoreError::of("write", &path, problem))?;
        Ok(Self { path, file: io::BufWriter::new(file), length: 0 })
    }

    fn line(&mut self, line: &[u8]) -> Result<(), StoreError> {
        self.length += line.len() as u64 + 1;
        let written = io::Write::write_all(&mut self.file, line).and_then(|()| io::Write::write_all(&mut self.file, b"\n"));
        written.map_err(|problem| self.fail(problem))
    }

    fn finish(mut self, log: &Path, written: Option<std::time::SystemTime>) -> Result<u64, StoreError> {
        io::Write::flush(&mut self.file)
            .and_then(|()| written.map_or(Ok(()), |at| self.file.get_ref().set_modified(at)))
            .and_then(|()| self.file.get_ref().sync_data())
            .and_then(|()| fs::rename(&self.path, log))
            .map_err(|problem| self.fail(problem))?;
        Ok(self.length)
    }

    fn fail(&self, problem: io::Error) -> StoreError {
        let _ = fs::remove_file(&self.path);
        StoreError::of("write", &self.path, problem)
    }
}

/// Removing is for captures only: a folder without a log, or a link to somewhere else, is left alone.
fn refuse_strangers(folder: &Path) -> Result<(), StoreError> {
    let link = folder.symlink_metadata().is_ok_and(|about| about.file_type().is_symlink());
    if link || !is_capture(folder) {
        let problem = format!("it is no capture: there is no {LOG} in it; it was left alone");
        return Err(StoreError::NotACapture { path: folder.to_owned(), problem });
    }
    Ok(())
}

/// Digests of an event's bodies that are in files of their own.
fn spilled(event: &RunEvent) -> impl Iterator<Item = &str> {
    let bodies = match event {
        RunEvent::Exchange(exchange) => [Some(&exchange.request.body), exchange.response.as_ref().map(|response| &response.body)],
        RunEvent::Message(message) => [Some(&message.body), None],
        _ => [None, None],
    };
    bodies.into_iter().flatten().filter_map(|body| match &body.content {
        BodyContent::Spilled => body.sha256.as_deref(),
        BodyContent::TornSpilled(sha256) => Some(sha256.as_str()),
        _ => None,
    })
}

/// `<time>-<app>-<version>-<scenario>-<run>`, whatever the names hold.
fn folder_name(provenance: &Provenance, at: Timestamp) -> String {
    let target = &provenance.target;
    let time = at.strftime("%Y%m%dT%H%M%SZ");
    let [app, version, scenario] = [&target.app, &target.version.name, &target.scenario].map(|name| tame(name));
    format!("{time}-{app}-{version}-{scenario}-{}", provenance.run)
}

/// When a file was last written.
fn written_at(path: &Path) -> Option<std::time::SystemTime> {
    path.metadata().ok()?.modified().ok()
}

/// A name as a part of a folder's name: letters, digits, dots and hyphens, the rest as hyphens; at most 60 bytes.
fn tame(name: &str) -> String {
    let tame: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).take(60).collect();
    if tame.is_empty() { "unnamed".to_owned() } else { tame }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{capture::CAPTURE_FORMAT, *};

    pub(super) fn provenance() -> Provenance {
        Provenance {
            format: CAPTURE_FORMAT,
            tool: "0.0.0".into(),
            source: CaptureSource::Proxy,
            target: Target {
                app: "mifit".into(),
                platform: Platform::Simulated,
                version: AppVersion::named("sim-1.0"),
                scenario: "passive-sync".into(),
                claimed: false,
            },
            scenario_hash: Some("ab".repeat(32)),
            run: 1,
            runs: 3,
            rig: Rig::Simulated { seed: 7 },
            started: "2026-03-01T12:00:00Z".parse().expect("a time"),
            planted: vec![],
            expectations: vec![Expectation::NeverCategory(Category::Location)],
            control: None,
        }
    }

    fn exchange(id: u64, body: Body) -> RunEvent {
        let began = provenance().started;
        let url = Url {
            scheme: "https".into(),
            host: "api-mifit-de.huami.test".into(),
            port: 443,
            path_and_query: Captured::new("/v1/data/band_data.json?t=1".into()),
        };
        let request = Request { method: "POST".into(), url, http_version: "HTTP/2".into(), headers: vec![], body, trailers: vec![] };
        RunEvent::Exchange(Box::new(Exchange {
            id: ExchangeId(id),
            phase: "sync".into(),
            tunnel: None,
            began,
            ended: Some(began),
            request,
            response: None,
            error: None,
        }))
    }

    /// A capture with one body of each kind.
    fn recorded(parent: &Path) -> (PathBuf, Vec<RunEvent>) {
        let provenance = provenance();
        let mut writer = CaptureWriter::create(parent, &provenance, provenance.started).expect("a capture");
        let body = |bytes: &[u8], complete| {
            let mut body = writer.body();
            bytes.chunks(1000).for_each(|piece| body.piece(piece).expect("there is room"));
            body.finish(complete).expect("there is room")
        };
        let large = vec![b'x'; MOST_INLINE + 1];
        let bodies =
            [body(b"", true), body(b"heart rate 61", true), body(b"torn h", false), body(&large, true), body(&large[1..], false), {
                body(&[&large[..], b"more"].concat(), false)
            }];
        drop(body(&large, true));
        let mut events: Vec<_> = bodies.into_iter().zip(1..).map(|(body, id)| exchange(id, body)).collect();
        events.push(RunEvent::RunEnded { ending: RunEnding::Complete });
        for event in &events {
            writer.append(provenance.started, event).expect("there is room");
        }
        (writer.finish().expect("there is room"), events)
    }

    fn replayed(folder: &Path) -> Vec<RunEvent> {
        let mut events = Vec::new();
        let reader = CaptureReader::open(folder).expect("a capture");
        reader.replay(&mut |event, _| events.push(event.event.clone())).expect("readable to its end");
        events
    }

    #[test]
    fn what_was_recorded_is_read_back_with_its_bodies() {
        let parent = tempfile::tempdir().expect("a folder");
        let (folder, events) = recorded(parent.path());
        assert_eq!(folder.file_name().expect("named").to_string_lossy(), "20260301T120000Z-mifit-sim-1.0-passive-sync-1");
        let read = replayed(&folder);
        assert_eq!(read.first(), Some(&RunEvent::RunStarted(Box::new(provenance()))));
        assert_eq!(read.get(1..), Some(&events[..]));
        let reader = CaptureReader::open(&folder).expect("a capture");
        let mut lengths = Vec::new();
        reader
            .replay(&mut |event, bodies| {
                if let RunEvent::Exchange(exchange) = &event.event {
                    let mut bytes = Vec::new();
                    if let Some(mut body) = exchange.request.body.open(bodies).expect("it is there") {
                        io::Read::read_to_end(&mut body, &mut bytes).expect("readable");
                    }
                    assert_eq!(bytes.len() as u64, exchange.request.body.bytes);
                    lengths.push(bytes.len());
                }
            })
            .expect("readable");
        assert_eq!(lengths, [0, 13, 6, MOST_INLINE + 1, MOST_INLINE, MOST_INLINE + 5]);
        let verified = reader.verify().expect("as written");
        assert_eq!((verified.events, verified.torn_bytes, verified.bodies, verified.missing_bodies), (8, 0, 2, 0));
        assert_eq!(reader.ending().expect("readable"), Some(RunEnding::Complete));
        let left: Vec<_> = fs::read_dir(folder.join(BODIES)).expect("there").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left.len(), 2, "equal bodies are one file and no temporary one is left: {left:?}");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_look() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().expect("a folder");
        let (folder, _) = recorded(parent.path());
        let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(BODIES)), mode(&folder.join(LOG))), (0o700, 0o700, 0o600));
        for body in fs::read_dir(folder.join(BODIES)).expect("there").flatten() {
            assert_eq!(mode(&body.path()), 0o600);
        }
    }

    #[test]
    fn two_captures_of_one_second_get_two_folders() {
        let parent = tempfile::tempdir().expect("a folder");
        let (first, _) = recorded(parent.path());
        let (second, _) = recorded(parent.path());
        assert_ne!(first, second);
        let (captures, problems) = list(parent.path()).expect("readable");
        assert_eq!((captures.len(), problems.len()), (2, 0));
    }

    #[test]
    fn a_torn_last_line_is_told_and_ignored() {
        let parent = tempfile::tempdir().expect("a folder");
        let (folder, _) = recorded(parent.path());
        let log = fs::read(folder.join(LOG)).expect("there");
        fs::write(folder.join(LOG), &log[..log.len() - 20]).expect("cut");
        assert_eq!(replayed(&folder).len(), 7);
        let reader = CaptureReader::open(&folder).expect("a capture");
        assert!(reader.verify().expect("whole lines are as written").torn_bytes > 0);
        assert_eq!(reader.ending().expect("readable"), None, "it no longer says how it ended");
    }

    #[test]
    fn a_changed_log_or_body_is_not_read_as_if_nothing_were() {
        let parent = tempfile::tempdir().expect("a folder");
        let (folder, _) = recorded(parent.path());
        let log = fs::read_to_string(folder.join(LOG)).expect("there");
        fs::write(folder.join(LOG), log.replacen("\"phase\":\"sync\"", "\"phase\":\"soon\"", 1)).expect("written");
        let reader = CaptureReader::open(&folder).expect("its first line is as it was");
        let mut given = 0;
        let error = reader.replay(&mut |_, _| given += 1).expect_err("line 2 was changed");
        assert!(error.to_string().contains("events.jsonl line 2") && given == 1, "{error}");

        fs::write(folder.join(LOG), log).expect("written");
        let body = fs::read_dir(folder.join(BODIES)).expect("there").flatten().next().expect("a body").path();
        let mut bytes = fs::read(&body).expect("there");
        bytes[7] ^= 1;
        fs::write(&body, bytes).expect("written");
        let mut problems = 0;
        let reader = CaptureReader::open(&folder).expect("a capture");
        reader
            .replay(&mut |event, bodies| {
                if let RunEvent::Exchange(exchange) = &event.event
                    && let Some(mut body) = exchange.request.body.open(bodies).expect("it is there")
                {
                    problems += usize::from(io::Read::read_to_end(&mut body, &mut Vec::new()).is_err());
                }
            })
            .expect("the log is as it was");
        assert!(problems > 0, "the changed body is an error at its end");
    }

    #[test]
    fn the_first_line_that_was_changed_moved_or_taken_out_is_named() {
        let parent = tempfile::tempdir().expect("a folder");
        let (folder, _) = recorded(parent.path());
        let log = fs::read_to_string(folder.join(LOG)).expect("text");
        let lines: Vec<_> = log.lines().collect();
        let check = |lines: Vec<String>, want: u64| {
            fs::write(folder.join(LOG), lines.join("\n") + "\n").expect("written");
            let error = CaptureReader::open(&folder).expect("a capture").verify().expect_err("not as written");
            assert!(matches!(error, StoreError::BadLine { line, .. } if line == want), "{error}");
        };
        let changed = |at: usize, from: &str, to: &str| {
            let mut lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
            assert!(lines[at].contains(from), "{}", lines[at]);
            lines[at] = lines[at].replace(from, to);
            lines
        };
        check(changed(1, "band_data", "band_date"), 2);
        check(changed(2, "aGVhcnQgcmF0ZSA2MQ==", "aGVhcnQgcmF0ZSA2Mg=="), 3);
        check(changed(3, "dG9ybiBo", "dG9ybiBp"), 4);
        let without: Vec<_> = lines.iter().enumerate().filter(|(at, _)| *at != 4).map(|(_, line)| (*line).to_owned()).collect();
        check(without, 5);
        let mut swapped: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
        swapped.swap(5, 6);
        check(swapped, 6);
    }

    #[test]
    fn a_body_file_that_was_changed_is_named() {
        let parent = tempfile::tempdir().expect("a folder");
        let (folder, _) = recorded(parent.path());
        let body = fs::read_dir(folder.join(BODIES)).expect("there").flatten().next().expect("one").path();
        fs::write(&body, "something else").expect("written");
        let error = CaptureReader::open(&folder).expect("a capture").verify().expect_err("not as written");
        assert!(matches!(&error, StoreError::NotACapture { path, .. } if *path == body), "{error}");
    }

    #[test]
    fn purging_takes_every_body_and_the_chain_still_holds() {
        let parent = tempfile::tempdir().expect("a folder");
        let (folder, _) = recorded(parent.path());
        let before = CaptureReader::open(&folder).expect("a capture").verify().expect("as written");
        let made = stored(&folder).expect("a capture").made;
        assert!(purge(&folder).expect("purged") > 2 * MOST_INLINE as u64);
        assert_eq!(stored(&folder).expect("a capture").made, made, "it is as old as it was");
        let text = fs::read_to_string(folder.join(LOG)).expect("text");
        assert!(!text.contains("aGVhcnQgcmF0ZSA2MQ==") && !text.contains("dG9ybiBo"), "no body is left");
        let reader = CaptureReader::open(&folder).expect("a capture");
        let after = reader.verify().expect("the chain covers digests");
        assert_eq!((after.link, after.events, after.missing_bodies), (before.link, before.events, 2));
        let absent = |event: &RunEvent| match event {
            RunEvent::Exchange(exchange) => matches!(&exchange.request.body.content, BodyContent::Absent(why) if why.starts_with("purged")),
            _ => false,
        };
        assert_eq!(replayed(&folder).iter().filter(|event| absent(event)).count(), 3);
    }

    #[test]
    fn what_is_no_capture_is_left_alone_and_what_is_newer_is_said_to_be() {
        let parent = tempfile::tempdir().expect("a folder");
        fs::write(parent.path().join("diary.txt"), "mine").expect("written");
        assert!(matches!(remove(parent.path()), Err(StoreError::NotACapture { .. })));
        assert!(matches!(purge(parent.path()), Err(StoreError::NotACapture { .. })));
        assert!(matches!(CaptureReader::open(parent.path()), Err(StoreError::NotACapture { .. })));
        let (folder, _) = recorded(parent.path());
        let text = fs::read_to_string(folder.join(LOG)).expect("text");
        fs::write(folder.join(LOG), text.replacen("\"format\":1", "\"format\":2", 1)).expect("written");
        assert!(matches!(CaptureReader::open(&folder), Err(StoreError::Format { found: 2, known: 1, .. })));
        for nonsense in ["", "\n", "{}\n", "not json", "\u{0}\u{0}\n", "{\"n\":1}\n"] {
            fs::write(folder.join(LOG), nonsense).expect("written");
            assert!(matches!(CaptureReader::open(&folder), Err(StoreError::NotACapture { .. })), "{nonsense:?}");
        }
        remove(&folder).expect("it is a capture's folder");
        assert!(!folder.exists() && parent.path().join("diary.txt").exists());
    }

    #[test]
    fn a_body_is_never_looked_for_outside_the_capture() {
        let parent = tempfile::tempdir().expect("a folder");
        let (folder, _) = recorded(parent.path());
        let reader = CaptureReader::open(&folder).expect("a capture");
        for name in ["", "../events.jsonl", &"A".repeat(64), &"../".repeat(22)] {
            assert!(Bodies::open(&reader, name).is_err(), "{name}");
        }
    }

    #[test]
    fn odd_names_become_tame_folders() {
        let mut provenance = provenance();
        provenance.target.app = "../../etc".into();
        provenance.target.version = AppVersion::named("6.14 (β)");
        let name = folder_name(&provenance, provenance.started);
        assert_eq!(name, "20260301T120000Z-..-..-etc-6.14-----passive-sync-1");
    }
}
