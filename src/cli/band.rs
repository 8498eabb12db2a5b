//! `band`: a person's own fitness band. Finding it, reading it and finding its key are files of their own below this one.

use clap::{Args, Subcommand};

use super::{Exit, Failure, Surroundings};

mod info;
mod key;
mod pair;
mod plot;
mod read;
mod scan;
mod told;
mod which;
mod words;

pub(super) use which::{Mine, of_rig};

/// Arguments of `band`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the bands in reach: model, signal, the end of the address
    ///
    /// Other people's bands are none of our business. Of each band the last two bytes of its address are shown; its whole address,
    /// and the steps and the heart rate that it shouts in clear, only of a band that is yours: in rig.yaml, or named with --mine. Devices
    /// that are no bands are counted and not listed.
    Scan(scan::Arguments),
    /// Show what your band is, and what it tells to anyone in reach
    Info(info::Arguments),
    /// Read your band's minutes: the day's heart rate and steps
    ///
    /// With the key that band and phone app agreed on, everything is read; the app stays paired. Without one, only what anyone in
    /// reach can read. Nothing is written to the band and nothing on it is deleted.
    Read(read::Arguments),
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
        Command::Scan(arguments) => scan::execute(arguments, surroundings),
        Command::Info(arguments) => info::execute(arguments, surroundings),
        Command::Read(arguments) => read::execute(arguments, surroundings),
        Command::Key(arguments) => key::execute(arguments, surroundings),
    }
}

/// Text for people, or data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Text for a person
    #[default]
    Text,
    /// Data: `tattletale schema` describes it
    Json,
}
