//! What became of what the band held: for each quantity, how much of it is in the uploads, what the app made of it, and what else
//! is there under its name. Facts of one run as decoding found them, and the table that a report shows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Category, MinuteSet};

/// Something that a band measures, or says of itself: one row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Beats per minute.
    HeartRate,
    /// Steps in a minute.
    Steps,
    /// What the band took the person to be doing, minute by minute: lying, walking, light or deep sleep.
    ActivityKind,
    /// Nights as a whole. No band of today's models keeps them: the app makes them out of minutes.
    Sleep,
    /// Workouts as a whole.
    Workouts,
    /// How full the band is.
    Battery,
    /// Serial number.
    Serial,
    /// Bluetooth address.
    Address,
    /// Version of the firmware.
    Firmware,
}

impl Quantity {
    /// Every quantity, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::HeartRate,
        Self::Steps,
        Self::ActivityKind,
        Self::Sleep,
        Self::Workouts,
        Self::Battery,
        Self::Serial,
        Self::Address,
        Self::Firmware,
    ];

    /// Its word in data.
    pub const fn word(self) -> &'static str {
        match self {
            Self::HeartRate => "heart-rate",
            Self::Steps => "steps",
            Self::ActivityKind => "activity-kind",
            Self::Sleep => "sleep",
            Self::Workouts => "workouts",
            Self::Battery => "battery",
            Self::Serial => "serial",
            Self::Address => "address",
            Self::Firmware => "firmware",
        }
    }

    /// What it is to a field of this category: the quantity itself, or something that an app can work out of it. `None`: neither.
    pub fn of(category: Category) -> Option<(Self, Role)> {
        Some(match category {
            Category::HeartRate | Category::HeartRateSeries => (Self::HeartRate, Role::Itself),
            Category::RestingHeartRate | Category::HeartRateVariability => (Self::HeartRate, Role::Derived),
            Category::Steps => (Self::Steps, Role::Itself),
            Category::Distance | Category::Calories => (Self::Steps, Role::Derived),
            Category::ActivityIntensity => (Self::ActivityKind, Role::Derived),
            Category::Sleep | Category::SleepStages => (Self::Sleep, Role::Derived),
            Category::Workout => (Self::Workouts, Role::Itself),
            Category::BandBattery => (Self::Battery, Role::Itself),
            Category::BandSerial => (Self::Serial, Role::Itself),
            Category::BandMac => (Self::Address, Role::Itself),
            Category::BandFirmware => (Self::Firmware, Role::Itself),
            _ => return None,
        })
    }
}

/// How a field that holds none of the band's values belongs to a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Of a kind that is not on the band and can be worked out of what is: a night's sleep, calories.
    Derived,
    /// Of the very kind that the band holds.
    Itself,
}

/// What one run shows of what its band held.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BandFacts {
    /// Which run.
    pub run: u32,
    /// Whether it ended as planned.
    pub complete: bool,
    /// Whether a request of the app, or of unknown origin, was read after the band was: else nothing could be found.
    pub searched: bool,
    /// Requests that were read before the band was, and so not searched for what it held.
    pub unsearched: u64,
    /// Whether a file says what the band held, and no run read it.
    pub by_file: bool,
    /// Minute series.
    pub series: BTreeMap<SeriesKey, SeriesFacts>,
    /// Single values, by name: the serial number, the address, a total.
    pub values: BTreeMap<String, ValueFacts>,
    /// Fields of uploads that hold none of the band's values, as endpoint and field: of requests in which these were looked for.
    pub fields: BTreeMap<(Quantity, Role), BTreeSet<String>>,
    /// Fields of uploads of which nobody can tell whether they hold the band's minutes.
    pub pieces: BTreeMap<Quantity, Pieces>,
}

/// Fields of one quantity, or that could be, which were sent in pieces that say too little, also together.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pieces {
    /// Readings in them that may be any minute of the band.
    pub readings: u64,
    /// Those in which no value of the band was found, as endpoint and field.
    pub fields: BTreeSet<String>,
}

/// What one series is of: a day that is read twice in a run is one series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeriesKey {
    /// A day of the band's calendar.
    Day(Quantity, Date),
    /// Planted without a day: its name and its values.
    Undated(Quantity, String, Vec<u8>),
}

impl SeriesKey {
    /// What was measured.
    pub const fn quantity(&self) -> Quantity {
        match self {
            Self::Day(quantity, _) | Self::Undated(quantity, ..) => *quantity,
        }
    }
}

/// What became of the minutes of one series.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesFacts {
    /// Minutes that the band was read for.
    pub read: MinuteSet,
    /// Those of them of which it holds something.
    pub held: MinuteSet,
    /// Those of them of which it holds that there was nothing: no step, the kind 0.
    pub zeros: MinuteSet,
    /// Those held whose value an upload has a place for: another means "no reading" there.
    pub findable: MinuteSet,
    /// Those whose value is in an upload, beyond chance.
    pub found: MinuteSet,
    /// Those whose value is in an upload probably.
    pub probably: MinuteSet,
    /// Whether the values are many and varied enough to be told from chance.
    pub can_be_told: bool,
    /// Whether phone or band confirmed them.
    pub confirmed: bool,
}

/// What became of one single value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueFacts {
    /// What it is of.
    pub quantity: Quantity,
    /// Whether it is counted: a total is worked out of minutes that are counted themselves.
    pub counts: bool,
    /// Whether it is in an upload, beyond chance.
    pub found: bool,
    /// Whether it is in an upload probably.
    pub probably: bool,
    /// Whether it is long enough to be told from chance wherever it stands.
    pub can_be_told: bool,
    /// Whether phone or band confirmed it.
    pub confirmed: bool,
}

/// The table of one run, or of several in which it is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conservation {
    /// The runs that it is of, from 1.
    pub runs: Vec<u32>,
    /// One row a quantity, in the order of [`Quantity::ALL`].
    pub rows: Vec<ConservationRow>,
    /// What has to be known to read it, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What became of one quantity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConservationRow {
    /// Which.
    pub quantity: Quantity,
    /// What the band held.
    pub held: Held,
    /// How many of the values held are in the uploads, beyond chance: each once, over all uploads together.
    pub found: u64,
    /// How many more are there probably.
    pub probably: u64,
    /// How many more were looked for and not seen in what could be read.
    pub not_seen: u64,
    /// How many more cannot be told from chance, so that they may have been sent unseen.
    pub untold: u64,
    /// How many more were not checked: nobody confirmed them, or nothing was read.
    pub not_checked: u64,
    /// Fields in uploads of a kind that is not on the band and can be worked out of what is.
    pub derived: Vec<String>,
    /// Fields in uploads of this very kind in which none of the band's values was found, though it could have been told.
    pub added: Vec<String>,
    /// Fields in uploads of this very kind, or of no telling name and of its numbers, that were sent in pieces which cannot be told from
    /// chance, also together.
    #[serde(default)]
    pub in_pieces: Vec<String>,
}

/// What a band held of a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Held {
    /// Not as such: what there is of it is in the activity kinds.
    InKinds,
    /// Minutes.
    Minutes {
        /// With a value.
        values: u64,
        /// With the value that there was nothing: no step, the kind 0.
        zeros: u64,
        /// Read, and without any value.
        gaps: u64,
    },
    /// Nothing is known of it: it was not read, or the band had none.
    NotKnown,
    /// Single values.
    Values {
        /// How many.
        values: u64,
    },
}
