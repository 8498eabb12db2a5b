//! The words the stand-in app uses for its hosts and keys. A test renames them all, to show that findings do not hang on names.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Hosts and keys of the stand-in app: its own, or each renamed at random. Clones say the same words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary(Words);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Words {
    #[default]
    Own,
    Renamed(u64),
}

impl Vocabulary {
    /// Every host and key under a random name; the same seed gives the same names. Hosts still end in `.test`.
    pub const fn renamed(seed: u64) -> Self {
        Self(Words::Renamed(seed))
    }

    /// What a host is called.
    pub fn host(&self, host: &str) -> String {
        match self.0 {
            Words::Own => host.to_owned(),
            Words::Renamed(seed) => format!("{}.{}.test", word(seed, host), word(seed, "host")),
        }
    }

    /// What a query parameter, form field, JSON key or header of the app's own is called.
    pub fn key(&self, key: &str) -> String {
        match self.0 {
            Words::Own => key.to_owned(),
            Words::Renamed(seed) => word(seed, key),
        }
    }

    /// A JSON value with every key renamed, all the way down. Text that holds JSON is left alone.
    pub fn json(&self, value: Value) -> Value {
        if self.0 == Words::Own {
            return value;
        }
        match value {
            Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (self.key(&key), self.json(value))).collect()),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.json(item)).collect()),
            other => other,
        }
    }
}

/// Ten letters that stand for a name.
fn word(seed: u64, name: &str) -> String {
    let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name).finalize();
    digest.iter().take(10).map(|byte| char::from(b'a' + byte % 26)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn renaming_reaches_every_key_and_no_value() {
        let value = json!({ "a": [{ "b": "a" }], "c": 1 });
        assert_eq!(Vocabulary::default().json(value.clone()), value);
        let renamed = Vocabulary::renamed(7).json(value);
        let text = renamed.to_string();
        assert!(!text.contains("\"b\"") && !text.contains("\"c\""), "{text}");
        assert!(text.contains(":\"a\""), "{text}");
        assert_eq!(renamed, Vocabulary::renamed(7).json(json!({ "a": [{ "b": "a" }], "c": 1 })));
        let host = Vocabulary::renamed(7).host("tracker.test");
        assert!(host.ends_with(".test") && host != "tracker.test", "{host}");
    }
}
