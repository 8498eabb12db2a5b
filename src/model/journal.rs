//! The journal of what was changed on a phone, each entry with what was there before, so that it can be put back: also by the next
//! command, after a crash. Plain data; writing it before each change, and undoing it, are others' business.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AppVersion, Captured};

/// Version of the format of a journal. Raised when a reader of the old one would be wrong.
pub const JOURNAL_FORMAT: u32 = 1;

/// What was changed on a phone and not put back yet: `rigs/<name>/journal.json`. It names the phone's serial number, so the file is
/// for its owner only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// [`JOURNAL_FORMAT`] when it was written.
    pub format: u32,
    /// Version of tattletale that wrote it.
    pub tool: String,
    /// The phone, and how it is reached.
    pub phone: JournalPhone,
    /// The changes, one for each thing that was changed, in the order in which they were first made. Undone from the last to the first.
    pub entries: Vec<JournalEntry>,
}

impl Journal {
    /// Notes a change. Of a thing that was changed before, what was there first is what goes back: only what it is set to is new. Gives
    /// whether there was anything to note.
    pub fn note(&mut self, at: Timestamp, change: PhoneChange) -> bool {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.change.is_of_the_same(&change)) else {
            self.entries.push(JournalEntry { at, change });
            return true;
        };
        match (&mut entry.change, change) {
            (PhoneChange::Setting { set: is, earlier, .. }, PhoneChange::Setting { set, .. }) if *is != set => {
                // Until the new one stands there, the old one does.
                *earlier = vec![std::mem::replace(is, set)];
            }
            (PhoneChange::Proxy { set: is, .. }, PhoneChange::Proxy { set, .. }) if is.last() != set.last() => {
                is.extend(set);
                is.drain(..is.len().saturating_sub(2));
            }
            _ => return false,
        }
        true
    }
}

/// The phone of a journal, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalPhone {
    /// The adb program.
    pub program: String,
    /// Port of the adb server on this machine; the usual one when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The phone's serial number, as adb lists it.
    pub serial: Captured<String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalEntry {
    /// When, on the wall clock.
    pub at: Timestamp,
    /// What.
    pub change: PhoneChange,
}

/// What was changed on a phone, and what was there before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what", deny_unknown_fields)]
pub enum PhoneChange {
    /// All radios were switched off, or on again.
    AirplaneMode {
        /// Whether they were off before.
        before: bool,
    },
    /// What an app may do besides its permissions (`appops`).
    AppOp {
        /// The package.
        package: String,
        /// The operation: `android:mock_location`.
        operation: String,
        /// Its mode before: `allow`, `default`.
        before: String,
    },
    /// A version of the app under audit was installed.
    App {
        /// The package.
        package: String,
        /// The version that was there before; `None` when the app was not there.
        before: Option<AppVersion>,
        /// Name of the folder with its files, in the rig's folder of packages, when it had to be removed for one that is signed by
        /// somebody else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        original: Option<String>,
    },
    /// A file is written on the phone: a certificate for a person to find, or what the screen shows, for as long as it takes to read it.
    /// There was none of its name.
    File {
        /// Where.
        path: String,
    },
    /// A permission of an app, that was granted or taken away.
    Permission {
        /// The package.
        package: String,
        /// Its full name.
        permission: String,
        /// Whether it was granted before.
        before: bool,
        /// What the phone had noted of its owner's decision before, in Android's words: `USER_SET`, `USER_FIXED`, `ONE_TIME`. `None`
        /// when that is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decided: Option<BTreeSet<String>>,
    },
    /// The proxy that the phone is pointed at.
    Proxy {
        /// Those of its five settings in `global` that were set before, by their keys.
        before: BTreeMap<String, String>,
        /// What `http_proxy` was set to, the last one last. Two at most: one of them stands there, when nobody else has changed it.
        set: Vec<String>,
    },
    /// A screen recording runs, and writes this file.
    Recording {
        /// The file on the phone.
        file: String,
    },
    /// A tunnel from a port of the phone to one of this machine.
    Reverse {
        /// Port of this machine; the phone's own was chosen by the phone.
        to: u16,
        /// Ports of the phone that led there before: somebody else's tunnels.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<u16>,
    },
    /// A program of this machine runs a script in an app.
    Script {
        /// Its process on this machine.
        pid: u32,
        /// The app's package.
        package: String,
    },
    /// A system setting.
    Setting {
        /// `global`, `secure` or `system`.
        namespace: String,
        /// Its key.
        key: String,
        /// Its value before; `None` when it was not set.
        before: Option<String>,
        /// What it was set to; `None` when it was deleted.
        set: Option<String>,
        /// What it was set to before that, if it was: it stands there when the last one was noted and not made.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        earlier: Vec<Option<String>>,
    },
    /// A source of positions was replaced by the test's own.
    TestProvider {
        /// Its name: `gps`.
        name: String,
    },
    /// An authority was put into the store that apps trust, in every mount namespace.
    Trust {
        /// Its file's name in the store: `779ebcb6.0`.
        file: String,
    },
}

impl PhoneChange {
    /// Whether both are changes of the same thing.
    fn is_of_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::AirplaneMode { .. }, Self::AirplaneMode { .. }) | (Self::Proxy { .. }, Self::Proxy { .. }) => true,
            (Self::App { package: one, .. }, Self::App { package: other, .. }) => one == other,
            (Self::AppOp { package: one, operation, .. }, Self::AppOp { package: other, operation: others, .. }) => {
                (one, operation) == (other, others)
            }
            (Self::Permission { package: one, permission, .. }, Self::Permission { package: other, permission: others, .. }) => {
                (one, permission) == (other, others)
            }
            (Self::Reverse { to, .. }, Self::Reverse { to: other, .. }) => to == other,
            (Self::Setting { namespace: one, key, .. }, Self::Setting { namespace: other, key: others, .. }) => {
                (one, key) == (other, others)
            }
            // The others are what they are of, and nothing else.
            _ => self == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_that_is_changed_again_and_again_goes_back_to_what_it_was_first() {
        let at = Timestamp::UNIX_EPOCH;
        let phone = JournalPhone { program: "adb".into(), port: None, serial: Captured::new("INVENTED01".into()) };
        let mut journal = Journal { format: JOURNAL_FORMAT, tool: "0.0.0".into(), phone, entries: Vec::new() };
        let scale = |before: &str, set: &str| PhoneChange::Setting {
            namespace: "global".into(),
            key: "animator_duration_scale".into(),
            before: Some(before.into()),
            set: Some(set.into()),
            earlier: Vec::new(),
        };
        let proxy = |set: &str| PhoneChange::Proxy { before: BTreeMap::new(), set: vec![set.into()] };
        assert!(journal.note(at, scale("0.5", "0")) && journal.note(at, proxy("127.0.0.1:1")));
        for round in 0..10_000_u32 {
            let before = round % 2 == 1;
            assert_eq!(journal.note(at, PhoneChange::AirplaneMode { before }), round == 0, "what is noted already costs nothing");
            journal.note(at, proxy(&format!("127.0.0.1:{round}")));
        }
        assert!(journal.note(at, scale("0", "1")) && !journal.note(at, scale("0", "1")));
        let changes: Vec<&PhoneChange> = journal.entries.iter().map(|entry| &entry.change).collect();
        let PhoneChange::Setting { before: Some(before), set: Some(set), earlier, .. } = changes[0] else { panic!("{changes:?}") };
        assert_eq!((before.as_str(), set.as_str(), earlier.as_slice()), ("0.5", "1", &[Some("0".to_owned())][..]));
        let last = PhoneChange::Proxy { before: BTreeMap::new(), set: vec!["127.0.0.1:9998".into(), "127.0.0.1:9999".into()] };
        assert_eq!(changes[1..], [&last, &PhoneChange::AirplaneMode { before: false }]);
    }
}
