//! `import`: a HAR or a flow file of another tool becomes a capture, private and hash-chained like every other. So does a capture
//! that was made elsewhere or broke off, which says what it lacks.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    Exit, Failure, Surroundings,
    inputs::{self, Claims},
};
use crate::{
    model::{Bodies, Body, BodyContent, RunEvent},
    store::{
        CaptureReader, CaptureWriter, StoreError,
        capture::{self, MOST_INLINE},
    },
};

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file: a HAR, packed (.zhar) or not, a mitmproxy flow file, or a capture's folder or log, also of a run that broke off
    file: PathBuf,
    #[command(flatten)]
    claims: Claims,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let path = surroundings.path(&arguments.file);
    if let Some(capture) = capture_at(&path) {
        return adopt(capture, surroundings);
    }
    if path.is_dir() {
        let problem = format!("import {}: it is a folder, and no capture", surroundings.shown(&path));
        return Err(Failure::usage(problem, "name a HAR, a mitmproxy flow file, or a capture"));
    }
    let recordings = inputs::recordings(&[path], &arguments.claims, surroundings)?;
    let recording = recordings.first().expect("one path that is a file gives one recording");
    let runs = surroundings.workspace().prepare_runs()?;
    let mut writer = CaptureWriter::create(&runs, recording.provenance(), surroundings.now)?;
    let (mut exchanges, mut messages, mut tunnels) = (0_u64, 0_u64, 0_u64);
    let mut failed: Option<StoreError> = None;
    let read = recording.replay(&mut |event, bodies| {
        // The writer has written where the capture is from; after a failure nothing more is taken.
        if failed.is_some() || matches!(event.event, RunEvent::RunStarted(_)) {
            return;
        }
        match &event.event {
            RunEvent::Exchange(_) => exchanges += 1,
            RunEvent::Message(_) => messages += 1,
            RunEvent::Tunnel(_) => tunnels += 1,
            _ => {}
        }
        let written = keep(&writer, &event.event, bodies).and_then(|kept| writer.append(event.at, &kept));
        failed = written.err();
    });
    let folder = writer.finish();
    if let Some(error) = failed {
        return Err(error.into());
    }
    let shown = surroundings.shown(&folder?);
    let more = [(messages, "messages"), (tunnels, "tunnels")];
    let more: String = more.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}")).collect();
    surroundings.note(format_args!("imported {exchanges} exchanges{more} into {shown}"));
    read?;
    surroundings.print(&format!("{shown}\n"))?;
    Ok(Exit::Clean)
}

/// The capture that a path names: its folder, also by the log in it; or a log that somebody gave another name.
fn capture_at(path: &Path) -> Option<&Path> {
    if capture::is_capture(path) {
        return Some(path);
    }
    let in_folder = path.parent().filter(|folder| path.file_name().is_some_and(|name| name == capture::LOG) && capture::is_capture(folder));
    in_folder.or_else(|| capture::is_log(path).then_some(path))
}

/// Takes a capture over, and says what it lacks. One that is among the captures already stays where it is.
fn adopt(from: &Path, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let runs = surroundings.workspace().prepare_runs()?;
    let here = |path: &Path| path.canonicalize().ok();
    let shown = surroundings.shown(from);
    if !from.is_dir() {
        surroundings.note(format_args!("{shown} is the log of a capture; large bodies are looked for in {}/ beside it", capture::BODIES));
    }
    let at_home = from.is_dir() && here(from).is_some_and(|folder| folder.parent().map(Path::to_owned) == here(&runs));
    let (kept, found) = if at_home {
        let found = CaptureReader::open(from)?.verify()?;
        surroundings.note(format_args!("{shown} is among the captures already"));
        (from.to_owned(), found)
    } else {
        capture::adopt(from, &runs, surroundings.now)?
    };
    for gap in found.gaps() {
        surroundings.warn(format_args!("{shown}: {gap}"));
    }
    let kept = surroundings.shown(&kept);
    surroundings.note(format_args!("{kept} holds {} events and {} large bodies as they were written", found.events, found.bodies));
    surroundings.print(&format!("{kept}\n"))?;
    Ok(Exit::Clean)
}

/// An event with its large bodies in files of their own.
fn keep(writer: &CaptureWriter, event: &RunEvent, bodies: &dyn Bodies) -> Result<RunEvent, StoreError> {
    let mut event = event.clone();
    match &mut event {
        RunEvent::Exchange(exchange) => {
            let response = exchange.response.as_mut().map(|response| &mut response.body);
            for body in std::iter::once(&mut exchange.request.body).chain(response) {
                *body = spill(writer, body, bodies)?;
            }
        }
        RunEvent::Message(message) => message.body = spill(writer, &message.body, bodies)?,
        _ => {}
    }
    Ok(event)
}

fn spill(writer: &CaptureWriter, body: &Body, bodies: &dyn Bodies) -> Result<Body, StoreError> {
    let complete = match &body.content {
        BodyContent::Empty | BodyContent::Absent(_) => return Ok(body.clone()),
        BodyContent::Inline(bytes) | BodyContent::Torn(bytes) if bytes.expose().len() <= MOST_INLINE => return Ok(body.clone()),
        BodyContent::Inline(_) | BodyContent::Spilled => true,
        BodyContent::Torn(_) | BodyContent::TornSpilled(_) => false,
    };
    let Ok(Some(mut source)) = body.open(bodies) else {
        return Ok(Body { content: BodyContent::Absent("the import could not read it".into()), ..body.clone() });
    };
    let mut kept = writer.body();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match source.read(&mut buffer) {
            // Of a body that the file holds in part, what was sent counts.
            Ok(0) => return kept.finish(complete).map(|kept| Body { bytes: kept.bytes.max(body.bytes), ..kept }),
            Ok(count) => kept.piece(buffer.get(..count).unwrap_or_default())?,
            Err(problem) if problem.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return kept.finish(false),
        }
    }
}
