//! `export`: a capture as a HAR, for other tools. It holds every captured value, so only its owner may read it.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;

use super::{Exit, Failure, Surroundings, captures, fields::latest};
use crate::{model::Recording as _, store::CaptureReader, traffic::har};

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The capture, by name or folder; the latest when none is named
    capture: Option<PathBuf>,
    /// File to write, which must not exist; `-` is standard output, and the capture's name with .har when none is named
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let folder = match &arguments.capture {
        Some(typed) => captures::named(typed, surroundings)?,
        None => latest(surroundings)?,
    };
    let reader = CaptureReader::open(&folder)?;
    if arguments.output.as_ref().is_some_and(|output| output.as_os_str() == "-") {
        return match har::write(&reader, &mut surroundings.stdout) {
            Err(problem) if problem.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::instrument(format!("write to standard output: {problem}"), ""))
            }
            _ => Ok(Exit::Clean),
        };
    }
    let path = surroundings.path(&arguments.output.clone().unwrap_or_else(|| format!("{}.har", reader.name()).into()));
    let shown = surroundings.shown(&path);
    let file = match private(&path) {
        Ok(file) => file,
        Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Failure::usage(format!("write {shown}: it is there already"), "name another file with --output"));
        }
        Err(problem) => return Err(Failure::instrument(format!("write {shown}: {problem}"), "")),
    };
    let mut file = io::BufWriter::new(file);
    if let Err(problem) = har::write(&reader, &mut file).and_then(|()| file.flush()) {
        // Half a HAR is no HAR.
        let _ = fs::remove_file(&path);
        return Err(Failure::instrument(format!("write {shown}: {problem}"), ""));
    }
    surroundings.note(format_args!("wrote {shown}: it holds every captured value, so keep it to yourself"));
    Ok(Exit::Clean)
}

/// A new file that only its owner may read.
fn private(path: &std::path::Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
