//! Values known to be on the phone or the band before anything was recorded, to be searched for in every upload (R10).

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::{Category, Minutes, Position, Quantity};

/// A value known to be on the phone or the band.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlantedValue {
    /// Name used in reports: `band.mac`, `profile.nickname`, `location`.
    pub name: String,
    /// What finding it means.
    pub category: Category,
    /// The value.
    pub value: Planted,
    /// Who says so.
    pub source: PlantedSource,
    /// Whether the phone or band was asked and agreed. Not confirmed prints "not checked", never "not seen".
    pub confirmed: bool,
}

impl PlantedValue {
    /// What it is of what a band holds; `None` for what is on the phone, or what the scenario says.
    pub fn quantity(&self) -> Option<Quantity> {
        match (&self.value, self.source) {
            (Planted::Minutes(minutes), _) => Some(minutes.quantity),
            (_, PlantedSource::Band | PlantedSource::File) => {
                let group = if self.category.group() == Category::HeartRate { Category::HeartRate } else { self.category };
                Quantity::of(group).map(|(quantity, _)| quantity)
            }
            _ => None,
        }
    }
}

/// A planted value by kind. Kinds decide the spellings it is searched in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Planted {
    /// Calendar date.
    Date(Date),
    /// Number with a fraction, as text in plain decimal notation (`63.4`).
    Decimal(String),
    /// Whole number.
    Integer(i64),
    /// Bluetooth device address, display order.
    Mac([u8; 6]),
    /// What a band holds of one quantity on one of its days.
    Minutes(Minutes),
    /// A moment, to the second: when a workout began.
    Moment(Timestamp),
    /// Place where the phone was; when it was there is told by the phases of the run.
    Position(Position),
    /// One value a minute (heart rate in bpm, steps), of nobody knows which day.
    Series(Vec<u8>),
    /// Text: a serial number, a nickname.
    Text(String),
}

/// Where a planted value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlantedSource {
    /// Read from the band before the app got it.
    Band,
    /// A file of planted values, for an import: a person says so.
    File,
    /// Read from the phone.
    Phone,
    /// The rig's description.
    Rig,
    /// The scenario file.
    Scenario,
}
