//! What can be played: a simulated band, a strap of the standard services, or an odd device, with its GATT services and what can be changed behind the central's back.

use jiff::{Timestamp, tz};
use serde::Deserialize;
use serde_json::{Value, json};
use tattletale::{
    band::{
        Battery,
        huami::{BandContents, Fault, GattCharacteristic, GattService, PROFILES, SimulatedBand, Tap},
    },
    link::simulated::Peripheral,
};

use crate::{oddity::Oddity, strap::Strap};

/// A device on the stage.
pub(crate) trait Played: Peripheral {
    /// Name as in rig.yaml.
    fn model(&self) -> &'static str;

    /// Its GATT services.
    fn services(&self) -> Vec<GattService>;

    /// Whether a characteristic can only be read over an encrypted link.
    fn is_secret(&self, _characteristic: &GattCharacteristic) -> bool {
        false
    }

    /// What it is and holds.
    fn contents(&self) -> Value;

    /// Every write, subscription and notification, oldest first.
    fn journal(&self) -> Value;

    /// Changes something behind the central's back.
    fn set(&mut self, switch: Switch) -> Result<(), String>;
}

/// What can be changed while it plays.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Switch {
    /// From now on this goes wrong, or nothing.
    Fault(Option<Fault>),
    /// It goes wrong so many times only.
    FaultsLeft(u32),
    /// How full the battery is, in percent.
    Battery(u8),
    /// What the wearer does when the band asks to be tapped.
    Tap(Tap),
    /// Whether somebody wears it.
    Worn(bool),
}

/// The device of this name, at this address: with these contents, or with invented ones of yesterday and today.
pub(crate) fn device(name: &str, address: [u8; 6], contents: Option<Value>, now: Timestamp) -> Result<Box<dyn Played>, String> {
    if name == Oddity::NAME {
        return Ok(Box::new(Oddity::new(address)));
    }
    if name == Strap::NAME {
        return Ok(Box::new(Strap::new(address)));
    }
    let profile = PROFILES.iter().copied().find(|profile| profile.name == name).ok_or_else(|| format!("there is no band named {name}"))?;
    let contents = match contents {
        // Invented contents are of a wearer at UTC+1.
        None => BandContents::invented_for(profile, now.to_zoned(tz::offset(1).to_time_zone()).date()),
        Some(contents) => serde_json::from_value(contents).map_err(|error| format!("these contents are none: {error}"))?,
    };
    if contents.model.name != name {
        return Err(format!("these are contents of a {}", contents.model.name));
    }
    Ok(Box::new(SimulatedBand::new(BandContents { address, ..contents })))
}

impl Played for SimulatedBand {
    fn model(&self) -> &'static str {
        self.contents.model.name
    }

    fn services(&self) -> Vec<GattService> {
        self.gatt()
    }

    fn contents(&self) -> Value {
        json!(self.contents)
    }

    fn journal(&self) -> Value {
        json!(self.journal)
    }

    fn set(&mut self, switch: Switch) -> Result<(), String> {
        match switch {
            Switch::Fault(fault) => (self.fault, self.faults_left) = (fault, None),
            Switch::FaultsLeft(times) => self.faults_left = Some(times),
            Switch::Battery(level) => self.battery = Battery { level, ..self.battery },
            Switch::Tap(tap) => self.tap = tap,
            Switch::Worn(worn) => self.is_worn = worn,
        }
        Ok(())
    }
}
