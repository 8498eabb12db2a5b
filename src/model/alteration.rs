//! What was done to the app under audit so that it could be read: another app is run than the vendor's, and whoever reads the result has to
//! know. Altering it is the phone's.

use serde::{Deserialize, Serialize};

/// Something that was done to the app under audit, or became of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
pub enum Alteration {
    /// The app's package was rebuilt so that it trusts the rig's authority, and signed anew.
    Repackaged {
        /// SHA-256 of the main file that it was made of, 64 hex digits.
        original: String,
        /// SHA-256 of the main file that is installed, 64 hex digits.
        repackaged: String,
        /// What of the app's own decisions about its connections does not hold any more, in words; none when all do.
        lifted: Vec<String>,
    },
    /// A script of the rig's owner runs in the app.
    Script {
        /// SHA-256 of the script, 64 hex digits.
        sha256: String,
    },
    /// That script, or the program that runs it, ended while the app was to be read.
    ScriptEnded {
        /// When and how, in words, without captured values.
        why: String,
    },
}

impl Alteration {
    /// A sentence for a reader of the report.
    pub fn sentence(&self) -> String {
        match self {
            Self::Repackaged { original, repackaged, lifted } => {
                let lifted: String = lifted.iter().map(|what| format!("; {what}")).collect();
                format!(
                    "the app was rebuilt and signed anew so that it trusts this rig's certificate (SHA-256 of its file {repackaged}, made of \
                     {original}){lifted}: it may behave otherwise than the vendor's, and what checks its signature (Google sign-in, maps, \
                     Play Integrity, the app itself) sees another app"
                )
            }
            Self::Script { sha256 } => {
                format!("a script of the rig's owner ran in the app (SHA-256 {sha256}): it may behave otherwise than without it")
            }
            Self::ScriptEnded { why } => format!(
                "the script in the app ended before the run did ({why}): what the app did from then on \
                                                  may not have been readable"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_told_both_files_and_what_it_breaks() {
        let altered =
            Alteration::Repackaged { original: "a1".repeat(32), repackaged: "b2".repeat(32), lifted: vec!["its pins of api.test".into()] };
        let sentence = altered.sentence();
        for word in ["a1a1", "b2b2", "its pins of api.test", "Google sign-in", "Play Integrity"] {
            assert!(sentence.contains(word), "{word}: {sentence}");
        }
        let text = serde_json::to_string(&altered).expect("plain data");
        assert!(text.starts_with("{\"how\":\"repackaged\""), "{text}");
        assert_eq!(serde_json::from_str::<Alteration>(&text).expect("its own"), altered);
    }
}
