//! `report`: what an audit found, to be published. Nothing is written that the leak gate finds a captured value in (R12).

use std::{fs, path::PathBuf};

use clap::Args;

use super::{
    Exit, Failure, Surroundings,
    auditing::{self, Choices, Format},
    inputs::{self, Claims},
    plant::Plant,
};

/// Arguments of `report`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Captures, folders of captures, HAR or mitmproxy flow files
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// File to write; standard output when none is named
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    claims: Claims,
    #[command(flatten)]
    plant: Plant,
    #[command(flatten)]
    choices: Choices,
    #[command(flatten)]
    format: Format,
}

/// Does it. A report that was written is a success, whatever it says: `audit` is for verdicts.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let recordings = inputs::recordings(&arguments.paths, &arguments.claims, surroundings)?;
    let audits = auditing::audits(recordings, &arguments.plant, &arguments.choices, surroundings)?;
    if arguments.output.is_some() {
        // A file is read anywhere: neither this terminal's width nor its colours belong in it.
        surroundings.colour = false;
        surroundings.width = 100;
    }
    let text = auditing::rendered(&audits, &arguments.format.format, surroundings)?;
    match &arguments.output {
        None => surroundings.print(&text)?,
        Some(typed) => {
            let path = surroundings.path(typed);
            let shown = surroundings.shown(&path);
            fs::write(&path, text).map_err(|problem| Failure::instrument(format!("write {shown}: {problem}"), ""))?;
            surroundings.note(format_args!("wrote {shown}"));
        }
    }
    Ok(Exit::Clean)
}
