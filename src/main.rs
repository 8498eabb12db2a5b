//! Arguments in, exit code out: the only place that reads environment, clock and terminal.

use std::{
    env,
    io::{self, BufReader, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser as _;
use jiff::{Timestamp, tz::TimeZone};
use tattletale::cli::{self, Args, Exit, Surroundings};
use tracing_subscriber::{EnvFilter, Layer as _, filter, filter::FilterExt as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Columns of a table that goes to a file or a pipe.
const PIPE_WIDTH: usize = 120;

fn main() -> ExitCode {
    let mut surroundings = surroundings();
    let log = variable("TATTLETALE_LOG");
    // Only our own log lines are ever shown: other crates' may quote what they carry.
    let ours = filter::filter_fn(|about| about.target().starts_with("tattletale"));
    let wanted = EnvFilter::try_new(log.as_deref().unwrap_or("off"));
    let misspelt = wanted.is_err();
    let stderr = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    tracing_subscriber::registry().with(stderr.with_filter(wanted.unwrap_or_else(|_| EnvFilter::new("off")).and(ours))).init();
    if misspelt {
        surroundings.warn("TATTLETALE_LOG is not understood, so nothing is logged; for example: TATTLETALE_LOG=debug");
    }
    tattletale::link::radio::hush_known_panics();
    let exit = match Args::try_parse_from(env::args_os()) {
        Ok(args) => cli::execute(args, &mut surroundings),
        Err(problem) if problem.use_stderr() => {
            surroundings.warn(problem.render());
            Exit::Usage
        }
        // Help and version are answers, not errors.
        Err(answer) => surroundings.print(&answer.render().to_string()).map_or(Exit::Failed, |()| Exit::Clean),
    };
    ExitCode::from(exit.code())
}

/// Everything a command may know of the world around it, read once.
fn surroundings() -> Surroundings {
    let now = Timestamp::now();
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let terminal = stdout.is_terminal();
    let columns = variable("COLUMNS").and_then(|columns| columns.parse().ok());
    let measured = || terminal_size::terminal_size_of(&stdout).map(|(width, _)| usize::from(width.0));
    let width = columns.or_else(measured).filter(|width| *width > 0).unwrap_or(PIPE_WIDTH);
    Surroundings {
        workers: std::thread::available_parallelism().map_or(1, usize::from),
        width,
        terminal,
        interactive: io::stdin().is_terminal() && stderr.is_terminal(),
        stderr_terminal: stderr.is_terminal(),
        colour: terminal && variable("NO_COLOR").is_none_or(|value| value.is_empty()),
        ci: variable("CI").is_some_and(|value| !matches!(value.as_str(), "" | "0" | "false")),
        quiet: false,
        now,
        today: now.to_zoned(TimeZone::UTC).date(),
        working_directory: env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        environment: Box::new(variable),
        end_at_once,
        stdin: Box::new(BufReader::new(io::stdin())),
        stdout: Box::new(stdout),
        stderr: Box::new(stderr),
    }
}

#[expect(clippy::exit, reason = "what still runs is what the person does not want to wait for")]
fn end_at_once(code: u8) {
    std::process::exit(code.into())
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}
