//! What a file of planted values says: values known to be on the phone or the band of an import, and when they held. Reading
//! the text is `parse`'s, putting them before what an import recorded is `cli`'s.

use jiff::Timestamp;

use crate::model::PlantedValue;

/// A value and when it held (R10).
#[derive(Clone, Debug, PartialEq)]
pub struct HeldValue {
    /// The value.
    pub value: PlantedValue,
    /// From when it was on the phone or the band: what was sent earlier is not searched for it. `None`: from the start.
    pub from: Option<Timestamp>,
    /// Until when: a recording that began then or later is not searched for it. `None`: it still is.
    pub until: Option<Timestamp>,
}
