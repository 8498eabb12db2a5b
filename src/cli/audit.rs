//! `audit`: what saved captures, or a HAR, say against the accepted snapshot.

use std::path::PathBuf;

use clap::Args;

use super::{
    Exit, Failure, Surroundings,
    auditing::{self, Choices, Format, Pending},
    inputs::{self, Claims},
    plant::Plant,
};

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Captures, folders of captures, HAR or mitmproxy flow files
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Write no snapshot that waits for review: only look
    #[arg(long)]
    no_snapshot: bool,
    #[command(flatten)]
    claims: Claims,
    #[command(flatten)]
    plant: Plant,
    #[command(flatten)]
    choices: Choices,
    #[command(flatten)]
    format: Format,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let recordings = inputs::recordings(&arguments.paths, &arguments.claims, surroundings)?;
    let pending = if arguments.no_snapshot { Pending::Leave } else { Pending::Write };
    auditing::conclude(recordings, &arguments.plant, &arguments.choices, &arguments.format, pending, surroundings)
}
