//! Commands: one file each, named as the stage. Reading arguments and telling failures is here; environment, clock and
//! terminal are read by `main`.

use clap::{Parser, Subcommand};

mod audit;
mod auditing;
mod band;
mod ca;
mod captures;
mod check;
mod diff;
mod doctor;
mod exit;
mod export;
mod failure;
mod fields;
mod files;
mod import;
mod init;
mod inputs;
mod operator;
mod plant;
mod progress;
mod report;
mod restore;
mod review;
mod run;
mod schema;
mod show;
mod sides;
mod signals;
mod snapshots;
mod surroundings;
mod table;
mod terminal;
mod watch;

pub use exit::Exit;
pub use failure::Failure;
pub use surroundings::{Environment, Surroundings};

/// What a fitness band's phone app uploads, recorded by script, decoded to the last field, compared across app versions.
#[derive(Debug, Parser)]
#[command(name = "tattletale", version, after_help = AFTER_HELP, max_term_width = 100, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, subcommand_required = true)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// No progress and no notes on standard error; errors are still told
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios on a rig, and audit what was recorded
    Run(run::Arguments),
    /// Check scenario, app, policy and rig files, all problems at once, without a rig
    Check(check::Arguments),
    /// Audit saved captures or a HAR: what is new, what a rule objects to
    Audit(audit::Arguments),
    /// List what was uploaded, field by field, without a value
    Fields(fields::Arguments),
    /// Compare two versions, snapshots, captures or HARs
    Diff(diff::Arguments),
    /// Show one exchange or one finding in full, with its values, at a terminal
    Show(show::Arguments),
    /// Look at, accept or reject snapshots that wait for a person
    Review(review::Arguments),
    /// Look at the phone, the radio and the band before a run, and name the switch to flip
    Doctor(doctor::Arguments),
    /// Put back what a run that crashed, or lost its phone, left changed there
    Restore(restore::Arguments),
    /// Write what an audit found, to be published
    Report(report::Arguments),
    /// Make a capture of a HAR or mitmproxy flow file that another tool recorded
    Import(import::Arguments),
    /// Write a capture as a HAR
    Export(export::Arguments),
    /// List, check, remove or empty saved captures
    Captures(captures::Arguments),
    /// The certificate authority that a phone has to trust: show, export, make anew, remove
    Ca(ca::Arguments),
    /// Set up a folder of your own: scenarios, policy, what git ignores
    Init(init::Arguments),
    /// Your own fitness band: find it, read it, find its key
    Band(band::Arguments),
    /// Print the JSON Schema of a format
    Schema(schema::Arguments),
    /// Use a phone by hand and see, live, what leaves it; ends in a capture
    Watch(watch::Arguments),
}

const AFTER_HELP: &str = "\
Exit codes:
  0    clean: nothing new in what could be read
  1    a finding at or above the fail level; for `diff`, a change that counts
  2    wrong usage, or a wrong file
  3    an instrument failed: phone, band, proxy, disk
  4    inconclusive: the audit cannot answer, and says why
  130  interrupted

Examples:
  tattletale run
      the shipped scenarios on the simulated rig: no phone and no band needed
  tattletale audit phone.har --app mifit --platform android --app-version 6.14.0
      what another tool recorded";

/// Does what the arguments ask for. Failures are told on standard error; the exit says which kind.
pub fn execute(args: Args, surroundings: &mut Surroundings) -> Exit {
    surroundings.quiet |= args.quiet;
    let done = match args.command {
        Command::Run(arguments) => run::execute(&arguments, surroundings),
        Command::Check(arguments) => check::execute(&arguments, surroundings),
        Command::Audit(arguments) => audit::execute(&arguments, surroundings),
        Command::Fields(arguments) => fields::execute(&arguments, surroundings),
        Command::Diff(arguments) => diff::execute(&arguments, surroundings),
        Command::Show(arguments) => show::execute(&arguments, surroundings),
        Command::Review(arguments) => review::execute(&arguments, surroundings),
        Command::Doctor(arguments) => doctor::execute(&arguments, surroundings),
        Command::Restore(arguments) => restore::execute(&arguments, surroundings),
        Command::Report(arguments) => report::execute(&arguments, surroundings),
        Command::Import(arguments) => import::execute(&arguments, surroundings),
        Command::Export(arguments) => export::execute(&arguments, surroundings),
        Command::Captures(arguments) => captures::execute(&arguments, surroundings),
        Command::Ca(arguments) => ca::execute(&arguments, surroundings),
        Command::Init(arguments) => init::execute(&arguments, surroundings),
        Command::Band(arguments) => band::execute(&arguments, surroundings),
        Command::Schema(arguments) => schema::execute(&arguments, surroundings),
        Command::Watch(arguments) => watch::execute(&arguments, surroundings),
    };
    done.unwrap_or_else(|failure| {
        failure.tell(surroundings);
        failure.exit()
    })
}

#[cfg(test)]
mod tests;
