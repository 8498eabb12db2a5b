//! The tests' hands in the Bluetooth lab: orders for the band stand-in, and commands for the guest that the Bluetooth stack runs in.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tattletale::{
    band::huami::{BandContents, JournalEntry},
    link::radio::{Limits, Radio},
};
use uuid::Uuid;

use crate::support::held::samples;

/// One guest serves all tests, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Longer than anything that the stand-in or the guest is asked for takes under load.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The lab, for one test at a time.
pub(crate) struct Lab {
    folder: PathBuf,
    contents: Option<BandContents>,
    _turn: MutexGuard<'static, ()>,
}

impl Lab {
    /// The lab with a fresh band of this model in it; `None`, and a word about it, when `ci/lab/bluetooth/run` did not start these tests.
    pub(crate) fn with(model: &str) -> Option<Self> {
        let Some(folder) = std::env::var_os("TATTLETALE_BLUETOOTH_LAB") else {
            skipped();
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lab = Self { folder: folder.into(), contents: None, _turn: turn };
        // While nothing advertises, so that nothing of the last test is learned anew.
        for order in ["drop", "hide"] {
            lab.order(json!({ "do": order }));
        }
        lab.forget();
        let played = lab.order(json!({ "do": "play", "model": model }));
        lab.contents = (!played.is_null()).then(|| serde_json::from_value(played).expect("what the band holds"));
        Some(lab)
    }

    /// The central that the tests are.
    pub(crate) fn radio(&self) -> Radio {
        Radio::new(Some("hci0".to_owned()))
    }

    /// The central that the tests are, when nothing is to be found, so that nobody waits for it long.
    pub(crate) fn impatient_radio(&self) -> Radio {
        impatient(self.radio())
    }

    /// Another central in the same room, when nothing is to be found.
    pub(crate) fn impatient_second_radio(&self) -> Radio {
        impatient(Radio::new(Some("hci2".to_owned())))
    }

    /// What the band holds.
    pub(crate) fn contents(&self) -> BandContents {
        self.contents.clone().expect("the model is a band")
    }

    /// Lets the band hold a day that ended just now: 1,200 readings and 240 gaps, no two half-hours alike.
    pub(crate) fn hold(&self, seed: u64) -> BandContents {
        let mut contents = self.contents();
        contents.samples = samples(seed);
        let minutes = i64::try_from(contents.samples.len()).expect("a day");
        let now = Timestamp::from_second(Timestamp::now().as_second().div_euclid(60) * 60).expect("in range");
        contents.start = now - SignedDuration::from_mins(minutes);
        // By the band's clock it is about noon: a piece of a day that is too short to be told from chance would count as nothing.
        let quarters = (12 * 3600 - now.as_second().rem_euclid(24 * 3600)) / 900;
        contents.utc_offset_s = i32::try_from(quarters * 900).expect("half a day at most");
        self.order(json!({ "do": "play", "model": "mi-band-3", "contents": contents }));
        contents
    }

    /// What is going on at the stand-in.
    #[track_caller]
    pub(crate) fn state(&self) -> Value {
        self.order(json!({ "do": "state" }))
    }

    /// The same, once no central holds the band.
    #[track_caller]
    pub(crate) fn freed(&self) -> Value {
        self.order(json!({ "do": "free" }))
    }

    /// Makes bluetoothd forget the band: what it has of it for half a minute, and the name that it keeps on disk for good.
    #[track_caller]
    pub(crate) fn forget(&self) {
        let device = format!("dev_{}", self.state()["address"].as_str().expect("it has one").replace(':', "_"));
        for adapter in ["hci0", "hci2"] {
            let remove = "dbus-send --system --print-reply --dest=org.bluez";
            // What it does not know it cannot forget.
            self.guest(&format!(
                "{remove} /org/bluez/{adapter} org.bluez.Adapter1.RemoveDevice objpath:/org/bluez/{adapter}/{device} || true"
            ));
        }
        self.guest("rm -rf /var/lib/bluetooth/*/cache");
    }

    /// The band's address.
    #[track_caller]
    pub(crate) fn address(&self) -> [u8; 6] {
        let state = self.state();
        let mut address = [0; 6];
        for (byte, text) in address.iter_mut().zip(state["address"].as_str().expect("it has one").split(':')) {
            *byte = u8::from_str_radix(text, 16).expect("a byte in hex");
        }
        address
    }

    /// The address of one of the guest's adapters.
    #[track_caller]
    pub(crate) fn address_of(&self, adapter: &str) -> String {
        let said = self.guest(&property(adapter, "Get", "Address"));
        said.split('"').nth(1).expect("a text").to_owned()
    }

    /// Switches one of the guest's adapters on or off.
    #[track_caller]
    pub(crate) fn power(&self, adapter: &str, on: bool) {
        self.guest(&format!("{} variant:boolean:{on}", property(adapter, "Set", "Powered")));
    }

    /// Every write, subscription and notification of the band, oldest first.
    #[track_caller]
    pub(crate) fn journal(&self) -> Vec<JournalEntry> {
        serde_json::from_value(self.order(json!({ "do": "journal" }))).expect("a journal")
    }

    /// What was written to the band, where.
    #[track_caller]
    pub(crate) fn written(&self) -> Vec<(Uuid, Vec<u8>)> {
        let written = self.journal().into_iter().filter_map(|entry| match entry {
            JournalEntry::Written { characteristic, value, .. } => Some((characteristic, value)),
            _ => None,
        });
        written.collect()
    }

    /// Changes something behind the central's back.
    #[track_caller]
    pub(crate) fn set(&self, switch: Value) {
        self.order(json!({ "do": "set", "switch": switch }));
    }

    /// Gives the stand-in an order, and returns its answer.
    #[track_caller]
    pub(crate) fn order(&self, order: Value) -> Value {
        let mut answer = String::new();
        let mut socket = connect(&self.folder.join("band"));
        writeln!(socket, "{order}").expect("the stand-in takes orders");
        BufReader::new(socket).read_line(&mut answer).expect("the stand-in answers");
        let mut answer: Value = serde_json::from_str(&answer).expect("an answer is JSON");
        assert_eq!(answer.get("error"), None, "the stand-in refuses {order}");
        answer["ok"].take()
    }

    /// Runs a command in the guest, and returns what it prints.
    #[track_caller]
    pub(crate) fn guest(&self, command: &str) -> String {
        let mut socket = connect(&self.folder.join("guest"));
        writeln!(socket, "{command}").expect("the guest takes commands");
        let mut said = String::new();
        for line in BufReader::new(socket).lines() {
            let line = line.expect("the guest answers");
            if let Some(status) = line.trim().strip_prefix("LAB DONE ") {
                assert_eq!(status, "0", "`{command}` in the guest: {said}");
                return said;
            }
            said += &line;
            said += "\n";
        }
        panic!("the guest ended in the middle of `{command}`: {said}");
    }
}

/// A call for a property of an adapter.
fn property(adapter: &str, verb: &str, name: &str) -> String {
    format!(
        "dbus-send --system --print-reply --dest=org.bluez /org/bluez/{adapter} org.freedesktop.DBus.Properties.{verb} \
         string:org.bluez.Adapter1 string:{name}"
    )
}

fn impatient(radio: Radio) -> Radio {
    radio.with_limits(Limits { find: Duration::from_secs(6), ..Limits::default() })
}

#[track_caller]
fn connect(path: &Path) -> UnixStream {
    let socket = UnixStream::connect(path).expect("the lab is up while its command runs");
    socket.set_read_timeout(Some(ANSWER_WITHIN)).expect("a limit can be set");
    socket
}

#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn skipped() {
    eprintln!("skipped: no lab (ci/bluetooth runs these tests in it)");
}
