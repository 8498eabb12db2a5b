//! The long run: very many small uploads and one very large one through our proxy, and what they leave in memory.

use std::{ffi::OsStr, net::SocketAddr, path::PathBuf};

use tattletale::{
    model::{Recording as _, RunEvent},
    store::CaptureReader,
};

use super::{
    Outcome, load, page,
    process::{Processor, Running},
    subject::Subject,
};

/// Peak memory above the start that a run of any length may come to, in MiB.
const BUDGET: f64 = 64.0;

/// What a peak may move by although nothing grows, in MiB: the allocator's and the kernel's grain.
const GRAIN: f64 = 4.0;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Small uploads
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    /// Length of the large one
    #[arg(long, default_value_t = 1024)]
    megabytes: u64,
    /// Page of which the section `soak` is written anew
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Folder for the capture, which takes some gigabytes; a temporary one when none is named
    #[arg(long, value_name = "FOLDER")]
    store: Option<PathBuf>,
}

pub(crate) fn soak(arguments: &Arguments) -> Outcome<()> {
    let machine = page::machine();
    let folder = tempfile::tempdir()?;
    let store = match &arguments.store {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let mut server = Running::role(Processor::First, &[OsStr::new("upstream"), folder.path().as_os_str()])?;
    let upstream = server.address()?;
    let proxy = Subject::Ours.start(upstream, folder.path(), store.path())?.ok_or("ours is a proxy")?;
    let start = proxy.process.memory("VmHWM")?;
    let mut rows = vec![format!("| before the first request | – | {start:.0} | – |")];
    let mut row = |what: String, seconds: f64| -> Outcome<f64> {
        let peak = proxy.process.memory("VmHWM")?;
        rows.push(format!("| {what} | {seconds:.0} s | {peak:.0} | {:.0} |", peak - start));
        Ok(peak)
    };
    let tenth = arguments.requests / 10;
    let first = load("small", tenth, upstream, proxy.address)?;
    row(format!("{tenth} uploads of 200 bytes on 32 connections"), first.seconds)?;
    let rest = load("small", arguments.requests - tenth, upstream, proxy.address)?;
    let many = row(format!("{} more", arguments.requests - tenth), rest.seconds)?;
    let large = load("large", arguments.megabytes, upstream, proxy.address)?;
    let huge = row(format!("an upload of {} MiB", arguments.megabytes), large.seconds)?;

    let capture = proxy.process.finish()?;
    server.finish()?;
    let reader = CaptureReader::open(capture.trim().as_ref())?;
    let (mut exchanges, mut longest) = (0, 0);
    reader.replay(&mut |event, _| {
        if let RunEvent::Exchange(exchange) = &event.event {
            exchanges += u64::from(exchange.error.is_none());
            longest = longest.max(exchange.request.body.bytes);
        }
    })?;
    let found = reader.verify()?;
    let text = format!(
        "{machine}.\n\n| after | took | peak MiB | above the start |\n|---|---|---|---|\n{}\n\n\
         The capture holds {exchanges} complete exchanges, the longest upload has {longest} bytes, and {} lines and {} large bodies are as \
         they were written.\n",
        rows.join("\n"),
        found.events,
        found.bodies
    );
    print!("{text}");
    if let Some(path) = &arguments.page {
        page::write(path, "soak", &text)?;
    }
    let mut wrong = Vec::new();
    if [&first, &rest, &large].iter().any(|result| result.errors > 0) {
        wrong.push("uploads failed".to_owned());
    }
    if exchanges != arguments.requests + 1 || longest != arguments.megabytes << 20 || !found.gaps().is_empty() {
        wrong.push(format!("the capture is not what was uploaded: {:?}", found.gaps()));
    }
    if many - start > BUDGET {
        wrong.push(format!("the peak is {:.0} MiB above the start, and may be {BUDGET}", many - start));
    }
    if huge - many > GRAIN {
        wrong.push(format!("the large upload raised the peak by {:.0} MiB", huge - many));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ").into()) }
}

fn load(workload: &str, requests: u64, upstream: SocketAddr, proxy: SocketAddr) -> Outcome<load::Result> {
    let arguments = [
        "load".to_owned(),
        workload.to_owned(),
        format!("--upstream={upstream}"),
        format!("--proxy={proxy}"),
        format!("--requests={requests}"),
    ];
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    let result: load::Result = serde_json::from_str(&Running::role(Processor::First, &arguments)?.finish()?)?;
    if let Some(problem) = &result.problem {
        return Err(format!("{} of {} uploads failed: {problem}", result.errors, result.all).into());
    }
    Ok(result)
}
