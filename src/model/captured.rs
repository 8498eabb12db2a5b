//! A value out of somebody's traffic. It can be stored and searched, but it cannot slip into a log line, a panic message or
//! a report: only [`Captured::expose`] gives it out, and each caller says why it may.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value that was recorded, and may be a person's health data or identity. `Debug` and `Display` never show it.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Captured<T>(T);

impl<T> Captured<T> {
    /// Wraps a value that came out of traffic.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Every caller is a place where captured data could leave the capture; keep them few.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, by value.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Captured<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Captured(…)")
    }
}

impl<T> fmt::Display for Captured<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<T> From<T> for Captured<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_display_shows_the_value() {
        let secret = Captured::new("C0FFEE123456".to_owned());
        assert!(!format!("{secret:?} {secret}").contains("C0FFEE"));
        assert_eq!(secret.expose(), "C0FFEE123456");
    }
}
