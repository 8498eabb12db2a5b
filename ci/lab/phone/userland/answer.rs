//! What a program of the phone says before it ends: both its outputs and its exit code, in the forms that Android's have.

use std::{io::Write, process::ExitCode};

/// What is printed, and the exit code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: u8,
}

impl Answer {
    /// Nothing to say, and all went well.
    pub(crate) fn silent() -> Self {
        Self::default()
    }

    /// This on stdout, and all went well.
    pub(crate) fn said(out: impl Into<String>) -> Self {
        Self { out: out.into(), ..Self::default() }
    }

    /// This line on stdout, and all went well.
    pub(crate) fn line(out: impl std::fmt::Display) -> Self {
        Self::said(format!("{out}\n"))
    }

    /// This line on stdout, and an exit code.
    pub(crate) fn refused(code: u8, out: impl std::fmt::Display) -> Self {
        Self { code, ..Self::line(out) }
    }

    /// This line on stderr, and an exit code.
    pub(crate) fn failed(code: u8, err: impl std::fmt::Display) -> Self {
        Self { err: format!("{err}\n"), code, ..Self::default() }
    }

    /// How `cmd` tells that a service threw: exit code 255, the exception with the top of its stack on stderr.
    pub(crate) fn exception(command: &str, exception: impl std::fmt::Display, at: &str) -> Self {
        Self {
            err: format!(
                "\nException occurred while executing '{command}':\n{exception}\n\tat {at}\n\tat android.os.Binder.execTransact(Binder.java:1285)\n"
            ),
            code: 255,
            ..Self::default()
        }
    }

    /// How `cmd` tells that a service knows no such command.
    pub(crate) fn unknown_command(command: &str) -> Self {
        Self { code: 255, ..Self::line(format!("Unknown command: {command}")) }
    }

    /// Prints it.
    pub(crate) fn end(self) -> ExitCode {
        // Nobody is left to tell when the outputs are gone: the link was cut.
        let _ = std::io::stdout().write_all(self.out.as_bytes());
        let _ = std::io::stderr().write_all(self.err.as_bytes());
        ExitCode::from(self.code)
    }
}
