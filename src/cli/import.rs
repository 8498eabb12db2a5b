//! `import`: a HAR or a flow file of another tool becomes a capture, private and hash-chained like every other.

use std::path::PathBuf;

use clap::Args;

use super::{
    Exit, Failure, Surroundings,
    inputs::{self, Claims},
};
use crate::{
    model::{Bodies, Body, BodyContent, RunEvent},
    store::{CaptureWriter, StoreError, capture::MOST_INLINE},
};

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file: a HAR, packed (.zhar) or not, or a mitmproxy flow file
    file: PathBuf,
    #[command(flatten)]
    claims: Claims,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let path = surroundings.path(&arguments.file);
    if path.is_dir() {
        return Err(Failure::usage(format!("import {}: it is a folder", surroundings.shown(&path)), "name a HAR or a mitmproxy flow file"));
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
