//! What happened on a simulated band's link, so that a test can say what was asked, and in which order.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One thing that happened on the link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum JournalEntry {
    /// A central connected.
    Connected {
        /// When.
        at: Timestamp,
    },
    /// The central is gone.
    Disconnected,
    /// A notification was queued for the central.
    Notified {
        /// When.
        at: Timestamp,
        /// Characteristic.
        #[serde(with = "uuid_text")]
        characteristic: Uuid,
        /// Value.
        value: Vec<u8>,
    },
    /// The central subscribed.
    Subscribed {
        /// When.
        at: Timestamp,
        /// Characteristic.
        #[serde(with = "uuid_text")]
        characteristic: Uuid,
    },
    /// The central wrote, whatever came of it.
    Written {
        /// When.
        at: Timestamp,
        /// Characteristic.
        #[serde(with = "uuid_text")]
        characteristic: Uuid,
        /// Value.
        value: Vec<u8>,
    },
}

/// UUIDs as text.
mod uuid_text {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(uuid: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(uuid)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_from_its_text() {
        let at = "2026-03-14T09:00:00Z".parse().expect("a time");
        let entry = JournalEntry::Written { at, characteristic: crate::link::sig_uuid(0x2a06), value: vec![3] };
        let text = serde_json::to_string(&entry).expect("JSON");
        assert_eq!(
            text,
            r#"{"written":{"at":"2026-03-14T09:00:00Z","characteristic":"00002a06-0000-1000-8000-00805f9b34fb","value":[3]}}"#
        );
        assert_eq!(serde_json::from_str::<JournalEntry>(&text).expect("as written"), entry);
    }
}
