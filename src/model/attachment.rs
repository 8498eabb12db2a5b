//! A file that lies beside a capture's log: a picture of the screen, a recording of it, what it showed in words, what a script in the app
//! said. Writing and checking it
//! is the store's.

use serde::{Deserialize, Serialize};

/// A file beside a capture's log. What is in it may show a person's values, so it is in no report: only its name is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// What it is.
    pub kind: AttachmentKind,
    /// Its name in the capture's folder `attachments`: lower-case letters, digits, hyphens and one dot.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, hex: through it, the hash chain covers the file.
    pub sha256: String,
}

/// What an attachment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachmentKind {
    /// A film of the screen, MP4.
    Recording,
    /// What was on the screen, in words: UTF-8 text.
    Screen,
    /// A picture of the screen, PNG.
    Screenshot,
    /// What a script in the app said: text, as it came.
    ScriptOutput,
}

impl AttachmentKind {
    /// Every kind, sorted by word.
    pub const ALL: [Self; 4] = [Self::Recording, Self::Screen, Self::Screenshot, Self::ScriptOutput];

    /// Its word in a capture.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Screen => "screen",
            Self::Screenshot => "screenshot",
            Self::ScriptOutput => "script-output",
        }
    }

    /// How the name of such a file ends, without the dot.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Recording => "mp4",
            Self::Screen | Self::ScriptOutput => "txt",
            Self::Screenshot => "png",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_log() {
        for kind in AttachmentKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a word"), kind.word());
        }
        assert!(AttachmentKind::ALL.is_sorted_by_key(|kind| kind.word()));
    }
}
