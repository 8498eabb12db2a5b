//! One thing about a phone that was looked at before a run: what was asked, what it answered, and what to do about it. What is looked
//! at, and how, is a backend's.

use crate::model::text::printable;

/// Something that a run needs, and whether it is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, in a word or two: `screen lock`.
    pub about: &'static str,
    /// What came of it.
    pub state: CheckState,
    /// The command that was run, without a serial number; empty where none was needed.
    pub ran: String,
    /// What it answered, as a short sentence without a full stop.
    pub read: String,
    /// What a person does about it: the exact switch. Empty where there is nothing to do.
    pub help: String,
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckState {
    /// It is as a run needs it.
    Good,
    /// It was looked at, and what was seen says neither: never taken for good.
    CannotTell,
    /// It is not as a run needs it.
    Wrong,
}

impl CheckState {
    /// Its word in a table and in data.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::CannotTell => "cannot tell",
            Self::Wrong => "wrong",
        }
    }
}

impl Check {
    /// One that is as it should be.
    pub fn good(about: &'static str, ran: &str, read: impl Into<String>) -> Self {
        Self::of(about, CheckState::Good, ran, read, "")
    }

    /// One that is not as it should be, and what to do.
    pub fn wrong(about: &'static str, ran: &str, read: impl Into<String>, help: &str) -> Self {
        Self::of(about, CheckState::Wrong, ran, read, help)
    }

    /// One of which nothing can be said, and what may help.
    pub fn cannot_tell(about: &'static str, ran: &str, read: impl Into<String>, help: &str) -> Self {
        Self::of(about, CheckState::CannotTell, ran, read, help)
    }

    fn of(about: &'static str, state: CheckState, ran: &str, read: impl Into<String>, help: &str) -> Self {
        Self { about, state, ran: ran.to_owned(), read: printable(&read.into()), help: help.to_owned() }
    }
}
