//! `band`: a person's own fitness band. Finding it, reading it and finding its key are files of their own below this one.

use clap::{Args, Subcommand};

use super::{Exit, Failure, Surroundings};

mod key;
mod words;

/// Arguments of `band`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find a band's key in what you recorded of your own phone
    ///
    /// The maker's server tells the app which bands are on your account, each with the key that app and band agreed on. With it
    /// everything on the band can be read without pairing it anew. Shown is where the key was found; the key itself only with
    /// --show.
    Key(key::Arguments),
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Key(arguments) => key::execute(arguments, surroundings),
    }
}
