//! The journal of what was changed on a phone, each entry with what was there before, so that it can be put back: also by the next
//! command, after a crash. Plain data; writing it before each change, and undoing it, are others' business.

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
    /// The changes, in the order in which they were made. Undone from the last to the first.
    pub entries: Vec<JournalEntry>,
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
    /// A permission of an app.
    Permission {
        /// The package.
        package: String,
        /// Its full name.
        permission: String,
        /// Whether it was granted before.
        before: bool,
    },
    /// A screen recording runs, and writes this file.
    Recording {
        /// The file on the phone.
        file: String,
    },
    /// A tunnel from a port of the phone to one of this machine. There was none before.
    Reverse {
        /// Port of this machine; the phone's own was chosen by the phone.
        to: u16,
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
