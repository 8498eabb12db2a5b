//! What the Bluetooth stack's errors mean. The stack tells them in words and names of its own; here they become a [`LinkError`] that
//! says who is at fault and what to do. Which question was asked is its callers'.

use std::{path::Path, time::Duration};

use super::super::LinkError;

/// ATT error codes (Bluetooth Core 5.4, volume 3, part F, 3.4.1.1) that BlueZ tells in words (`create_gatt_dbus_error` in its
/// `src/gatt-client.c`); all others it tells as "Operation failed with ATT error: 0x80". Checked in this order.
const ATT_WORDS: &[(&str, u8)] = &[
    ("read not permitted", READ_NOT_PERMITTED),
    ("write not permitted", 0x03),
    // Insufficient authentication, encryption or key size: BlueZ does not say which.
    ("not paired", 0x05),
    ("invalid offset", 0x07),
    ("not authorized", 0x08),
    ("invalid length", 0x0d),
    ("not permitted", READ_NOT_PERMITTED),
];

/// ATT "Read Not Permitted".
const READ_NOT_PERMITTED: u8 = 0x02;

/// ATT "Request Not Supported".
const NOT_SUPPORTED: u8 = 0x06;

/// An error of the stack, taken apart.
pub(super) struct Failure {
    /// Name of the D-Bus error (`org.bluez.Error.Failed`); empty on other systems, and for errors that are not the bus's.
    name: String,
    /// Its words.
    pub(super) words: String,
}

impl Failure {
    pub(super) fn of(error: &btleplug::Error) -> Self {
        Self { name: bus_name(error).unwrap_or_default(), words: error.to_string() }
    }

    /// Whether the name ends so: `is("AccessDenied")`.
    fn is(&self, last: &str) -> bool {
        self.name.rsplit('.').next() == Some(last)
    }

    /// Whether the object asked does not exist (any more).
    pub(super) fn is_of_a_vanished_object(&self) -> bool {
        self.is("UnknownObject") || self.is("UnknownMethod") || self.is("UnknownInterface") || self.is("DoesNotExist")
    }

    /// Whether notifications were on already, which BlueZ counts as a failure (and it turns them on again by itself when a known
    /// device reconnects).
    pub(super) fn is_already_notifying(&self) -> bool {
        self.words == "Already notifying"
    }

    /// What stands in the way of using Bluetooth at all; `None` when it is something else.
    pub(super) fn of_the_machine(&self) -> Option<LinkError> {
        let words = self.words.to_ascii_lowercase();
        if self.is("AccessDenied") || self.is("AuthFailed") || self.is("InteractiveAuthorizationRequired") {
            return Some(LinkError::NoPermission(
                "the message bus does not let this user speak to the Bluetooth service; on most systems membership of the group \
                 `bluetooth` allows it (usermod --append --groups bluetooth USER, then log in again)"
                    .to_owned(),
            ));
        }
        if self.is("ServiceUnknown") || self.is("NameHasNoOwner") || self.name.contains(".Error.Spawn.") {
            return Some(no_adapter(
                "the Bluetooth service is not running; install BlueZ (package bluez) and start it: systemctl start bluetooth",
            ));
        }
        if self.is("NoReply") || self.is("Timeout") || self.is("TimedOut") || words == "timeout waiting for reply" {
            return Some(no_adapter(STACK_SILENT));
        }
        if self.is("Disconnected") {
            return Some(no_adapter("the system's message bus ended; start it again, or the machine"));
        }
        if words.contains("rfkill") || words.contains("blocked") {
            return Some(no_adapter(BLOCKED));
        }
        (self.is("NotReady") || words.contains("not powered")).then(|| no_adapter(OFF))
    }

    /// The ATT error that the other side answered with.
    pub(super) fn att_code(&self) -> Option<u8> {
        att_code(&self.words).or_else(|| (self.name == "org.bluez.Error.NotSupported").then_some(NOT_SUPPORTED))
    }
}

/// The ATT error that a kind of error stands for, where the stack has kinds instead of words (macOS, Windows).
pub(super) fn att_code_of(error: &btleplug::Error) -> Option<u8> {
    match error {
        btleplug::Error::PermissionDenied => Some(READ_NOT_PERMITTED),
        btleplug::Error::NotSupported(_) => Some(NOT_SUPPORTED),
        _ => None,
    }
}

/// The Bluetooth service took longer than it should.
pub(super) const STACK_SILENT: &str = "the Bluetooth service does not answer; start it again: systemctl restart bluetooth";

/// The adapter is off. It stays off: a machine is left as it was found.
pub(super) const OFF: &str = "it is switched off; switch Bluetooth on in the system's settings, or: bluetoothctl power on";

/// The adapter is blocked.
pub(super) const BLOCKED: &str = "it is blocked; find out by what (rfkill list bluetooth) and end it: rfkill unblock bluetooth, or \
                                  the machine's own switch when it is hard blocked";

pub(super) fn no_adapter(why: impl Into<String>) -> LinkError {
    LinkError::NoAdapter(why.into())
}

/// A failure of setting up, before there is a connection.
pub(super) fn of_setting_up(error: &btleplug::Error) -> LinkError {
    match error {
        btleplug::Error::NoAdapterAvailable => return no_adapter(NONE),
        btleplug::Error::PermissionDenied => {
            return LinkError::NoPermission("the system does not let this program use Bluetooth; allow it in its settings".to_owned());
        }
        _ => {}
    }
    let failure = Failure::of(error);
    failure.of_the_machine().unwrap_or(LinkError::Stack(failure.words))
}

/// There is no adapter.
pub(super) const NONE: &str = "this machine has none; plug one in";

/// The bus itself could not be reached.
pub(super) fn of_the_bus(error: &btleplug::Error) -> LinkError {
    let failure = Failure::of(error);
    if failure.is("AccessDenied") || failure.is("AuthFailed") {
        return failure.of_the_machine().unwrap_or(LinkError::Stack(failure.words));
    }
    no_adapter(format!("the system's message bus (D-Bus), over which Bluetooth is used, is not there: {}", failure.words))
}

/// An answer that did not come.
pub(super) fn late(limit: Duration) -> LinkError {
    no_adapter(format!("{STACK_SILENT} (waited {} s)", limit.as_secs()))
}

/// Why an adapter is off: what the kernel's kill switches say of it (`/sys/class/rfkill/*/{name,soft,hard}`), else simply [`OFF`].
pub(super) fn why_off(switches: &Path, adapter: &str) -> String {
    let read =
        |folder: &Path, file: &str| std::fs::read_to_string(folder.join(file)).map(|text| text.trim().to_owned()).unwrap_or_default();
    let folders = std::fs::read_dir(switches).into_iter().flatten().flatten().take(SWITCHES_MAX);
    for folder in folders.map(|entry| entry.path()).filter(|folder| read(folder, "name") == adapter) {
        if read(&folder, "hard") == "1" {
            return "it is blocked by the machine's own switch or its firmware settings; flip that".to_owned();
        }
        if read(&folder, "soft") == "1" {
            return "it is blocked (aeroplane mode?); unblock it: rfkill unblock bluetooth".to_owned();
        }
    }
    OFF.to_owned()
}

/// Kill switches looked at; machines have two or three.
const SWITCHES_MAX: usize = 64;

/// The D-Bus name of an error. btleplug hands out the errors of bluez-async in a box.
#[cfg(target_os = "linux")]
fn bus_name(error: &btleplug::Error) -> Option<String> {
    let btleplug::Error::Other(inner) = error else { return None };
    match inner.downcast_ref::<bluez_async::BluetoothError>()? {
        bluez_async::BluetoothError::DbusError(error) => error.name().map(str::to_owned),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn bus_name(_error: &btleplug::Error) -> Option<String> {
    None
}

fn att_code(words: &str) -> Option<u8> {
    if let Some((_, code)) = words.split_once("ATT error: 0x") {
        return u8::from_str_radix(code.get(..2)?, 16).ok();
    }
    let words = words.to_ascii_lowercase();
    ATT_WORDS.iter().find_map(|(known, code)| words.contains(known).then_some(*code))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn refusals_are_read_from_the_stacks_words() {
        for (words, code) in [
            ("Operation failed with ATT error: 0x80", Some(0x80)),
            ("Operation failed with ATT error: 0x0e (Unlikely)", Some(0x0e)),
            ("Operation failed with ATT error: 0x", None),
            ("Operation failed with ATT error: 0xé", None),
            ("Read not permitted", Some(2)),
            ("Write not permitted", Some(3)),
            ("Not paired", Some(5)),
            ("Invalid offset", Some(7)),
            ("Not Authorized", Some(8)),
            ("Invalid Length", Some(13)),
            ("Timeout waiting for reply", None),
        ] {
            assert_eq!(att_code(words), code, "{words}");
        }
    }

    #[test]
    fn what_stands_in_the_way_is_told_by_the_errors_name() {
        let check = |name: &str, words: &str, expected: Option<&str>| {
            let told = Failure { name: name.to_owned(), words: words.to_owned() }.of_the_machine().map(|error| error.to_string());
            match (&told, expected) {
                (Some(told), Some(expected)) => assert!(told.contains(expected), "{name}: {told}"),
                (None, None) => {}
                _ => panic!("{name}: {told:?}"),
            }
        };
        check("org.freedesktop.DBus.Error.AccessDenied", "Rejected send message", Some("group `bluetooth`"));
        check("org.freedesktop.DBus.Error.ServiceUnknown", "The name org.bluez was not provided", Some("systemctl start bluetooth"));
        check("org.freedesktop.DBus.Error.NoReply", "Did not receive a reply", Some("systemctl restart bluetooth"));
        check("org.bluez.Error.NotReady", "Resource Not Ready", Some("bluetoothctl power on"));
        check("org.bluez.Error.Failed", "Blocked through rfkill", Some("rfkill unblock"));
        check("org.bluez.Error.Failed", "Input/output error", None);
        check("", "Service discovery timed out", None);
    }

    #[test]
    fn a_kill_switch_is_told_from_an_adapter_that_is_merely_off() {
        let folder = tempfile::tempdir().expect("a folder");
        for (switch, name, soft, hard) in
            [("rfkill0", "phy0", 1, 1), ("rfkill1", "hci0", 1, 0), ("rfkill2", "hci1", 1, 1), ("rfkill3", "hci2", 0, 0)]
        {
            let switch = folder.path().join(switch);
            fs::create_dir(&switch).expect("ours");
            for (file, text) in [("name", name.to_owned()), ("soft", soft.to_string()), ("hard", hard.to_string())] {
                fs::write(switch.join(file), text + "\n").expect("ours");
            }
        }
        for (adapter, words) in [("hci0", "rfkill unblock"), ("hci1", "own switch"), ("hci2", "switched off"), ("hci7", "switched off")] {
            let told = why_off(folder.path(), adapter);
            assert!(told.contains(words), "{adapter}: {told}");
        }
        assert_eq!(why_off(&folder.path().join("missing"), "hci0"), OFF);
    }
}
