//! Why a command could not do its work, and how that is told: a person's file with the place in it, anything else with what
//! to do next.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use super::{Exit, Surroundings};
use crate::{
    model::{Leak, RecordingError, text},
    scenario::parse::Problems,
    store::StoreError,
};

/// Why a command could not do its work.
#[derive(Debug)]
pub enum Failure {
    /// Files that a person wrote are wrong, each with every problem in it.
    Files(Vec<Box<dyn Diagnostic + Send + Sync>>),
    /// The world failed. `what` reads after "failed to".
    Instrument {
        /// What could not be done, and why.
        what: String,
        /// What to do next; may be empty.
        hint: String,
    },
    /// The command line asks for something that cannot be, or names a wrong file. `what` reads after "failed to".
    Usage {
        /// What could not be done, and why.
        what: String,
        /// What to do next; may be empty.
        hint: String,
    },
}

impl Failure {
    /// A wrong command line, or a wrong file. `what` reads after "failed to".
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), hint: hint.into() }
    }

    /// The world failed. `what` reads after "failed to".
    pub fn instrument(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Instrument { what: what.into(), hint: hint.into() }
    }

    /// The exit it ends in.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Files(_) | Self::Usage { .. } => Exit::Usage,
            Self::Instrument { .. } => Exit::Failed,
        }
    }

    /// Tells it on standard error.
    pub fn tell(&self, surroundings: &mut Surroundings) {
        match self {
            Self::Files(files) => {
                for problems in files {
                    surroundings.warn(rendered(problems.as_ref(), surroundings.width));
                }
            }
            Self::Instrument { what, hint } | Self::Usage { what, hint } => {
                surroundings.warn(format_args!("error: failed to {}", text_of_lines(what)));
                if !hint.is_empty() {
                    surroundings.warn(format_args!("hint: {}", text_of_lines(hint)));
                }
            }
        }
    }
}

/// A diagnostic with its carets. Without colour: it may go to a log.
fn rendered(problem: &dyn Diagnostic, width: usize) -> String {
    let mut out = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(width).with_links(false);
    match handler.render_report(&mut out, problem) {
        // The handler announces each problem of a file with an empty title.
        Ok(()) => out.replace("\n\nError: \n", "\n").replace("\nError: \n", "\n"),
        Err(_) => text::printable(&problem.to_string()),
    }
}

/// Lines stay lines, everything else that is no plain text is shown as what it is (R13).
fn text_of_lines(lines: &str) -> String {
    lines.lines().map(text::printable).collect::<Vec<_>>().join("\n")
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::Full { .. } => "free some space: `tattletale captures purge --older-than 30d` takes the bodies out of old captures",
            StoreError::InUse { .. } => "end it first (`q` or Ctrl-C in its terminal), then try again",
            StoreError::Exposed { .. } => {
                "take the key as known to others: `tattletale ca rotate` makes a new one, and says how to remove the old certificate from \
                 the phone"
            }
            StoreError::Io { problem, .. } if problem.kind() == std::io::ErrorKind::PermissionDenied => {
                "run it in a folder that you may write to, or name another one"
            }
            _ => "",
        };
        if error.is_wrong_file() { Self::usage(error.to_string(), hint) } else { Self::instrument(error.to_string(), hint) }
    }
}

impl From<RecordingError> for Failure {
    fn from(error: RecordingError) -> Self {
        Self::usage(error.to_string(), "")
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Files(vec![Box::new(problems)])
    }
}

impl From<Leak> for Failure {
    fn from(leak: Leak) -> Self {
        Self::instrument(
            format!("write the result: {leak}"),
            "this is a defect of tattletale: please report it with the rule's name, never with the capture",
        )
    }
}
