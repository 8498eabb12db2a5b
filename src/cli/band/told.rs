//! What a band told, as a card for a person and as data: what it is, what it shouts, and with which access it was read.

use serde_json::{Value, json};

use super::words::{local, offset, whole};
use crate::{
    band::{ActivityToday, BandClock, DeviceInfo, Shouted},
    model::text::{printable, thousands},
    scenario::BandPlan,
};

/// What a band told of itself.
pub(super) struct Told<'a> {
    pub(super) plan: &'a BandPlan,
    /// What every output must say, if anything.
    pub(super) disclaimer: Option<&'a str>,
    /// What was heard of it before it was asked.
    pub(super) heard: Heard,
    /// Whether the band took our key.
    pub(super) is_authenticated: bool,
    pub(super) info: &'a DeviceInfo,
    /// `None` for a model without a clock.
    pub(super) clock: Option<BandClock>,
    /// What it counted today; `None` when that needs a key, or the model does not count.
    pub(super) today: Option<ActivityToday>,
}

/// What was heard of a band while this program listened.
#[derive(Clone, Default)]
pub(super) enum Heard {
    /// Nothing.
    #[default]
    Nothing,
    /// That it is there; what it says beside its address is of no family that is known.
    Address([u8; 6]),
    /// What it shouts.
    Shouted(Shouted),
}

impl Told<'_> {
    /// With which access it was read, in truth.
    pub(super) const fn access(&self) -> &'static str {
        if self.is_authenticated { "read with its key" } else { "read without a key: what anyone in reach can read" }
    }

    /// The card.
    pub(super) fn card(&self) -> String {
        let mut text = self.disclaimer.map(|words| format!("{words}\n")).unwrap_or_default();
        text += &format!("{}, {}\n\n", self.plan.model.label(), self.access());
        for (name, value) in self.rows() {
            text += &format!("{name:<9} {value}\n");
        }
        text
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let odd = |what: &str| if self.info.odd.contains(&what) { "told in a form that is not understood" } else { "not told" }.to_owned();
        let text = |text: &Option<String>, what| text.as_deref().map_or_else(|| odd(what), printable);
        let mut rows = vec![
            ("address", whole(self.info.address.unwrap_or(self.plan.address))),
            ("serial", text(&self.info.serial, "serial number")),
            ("firmware", text(&self.info.firmware, "firmware version")),
            ("hardware", text(&self.info.hardware, "hardware revision")),
        ];
        let battery = self.info.battery.map(|battery| {
            let charging = match battery.charging {
                Some(true) => ", charging",
                Some(false) => ", not charging",
                None => "",
            };
            format!("{} %{charging}", battery.level)
        });
        rows.push(("battery", battery.unwrap_or_else(|| odd("battery"))));
        if let Some(clock) = self.clock {
            let shown = local(clock.now, clock.utc_offset_s).strftime("%Y-%m-%d %H:%M:%S").to_string();
            rows.push(("clock", format!("{shown} ({})", offset(clock.utc_offset_s))));
        }
        if let Some(today) = &self.today {
            let metres = today.metres.map(|metres| format!(", {} m", thousands(metres.into())));
            let kilocalories = today.kilocalories.map(|energy| format!(", {} kcal", thousands(energy.into())));
            let words =
                format!("{} steps{}{}", thousands(today.steps.into()), metres.unwrap_or_default(), kilocalories.unwrap_or_default());
            rows.push(("today", words));
        }
        rows
    }

    /// What anybody in reach gets to know without asking and without a key, in words for a person.
    pub(super) fn in_clear(&self) -> String {
        let mut text = "What this band shouts to anyone in reach, without being asked:\n".to_owned();
        let shouted = match &self.heard {
            Heard::Nothing => {
                text += "  it was not heard while this program listened: a band is silent while somebody is connected to it\n";
                return text + &self.asked();
            }
            Heard::Address(address) => {
                text += &format!("  its address, {}; what else it says is in no form that is known here\n", whole(*address));
                return text + &self.asked();
            }
            Heard::Shouted(shouted) => shouted,
        };
        text += &format!(
            "  its address, {}, which stays the same for life: who has heard it once knows it again, anywhere\n",
            whole(shouted.address)
        );
        match shouted.steps {
            Some(steps) => text += &format!("  the steps of the day: {}\n", thousands(steps.into())),
            None => text += "  no steps were heard\n",
        }
        match shouted.heart_rate {
            Some(beats) => text += &format!("  the last heart rate: {beats}\n"),
            None => text += "  no heart rate was heard\n",
        }
        text + &self.asked()
    }

    fn asked(&self) -> String {
        let told = [
            ("serial number", self.info.serial.is_some()),
            ("firmware", self.info.firmware.is_some()),
            ("hardware", self.info.hardware.is_some()),
            ("battery", self.info.battery.is_some()),
            ("time of day", self.clock.is_some()),
        ];
        let told: Vec<&str> = told.into_iter().filter(|(_, told)| *told).map(|(name, _)| name).collect();
        match (told.is_empty(), self.is_authenticated) {
            (true, true) => "And asked, with its key, it told nothing of itself.\n".to_owned(),
            (true, false) => "And it tells nothing to anyone who connects without a key.\n".to_owned(),
            (false, true) => {
                format!("And asked, with its key, it told: {}. What it tells without one was not asked.\n", told.join(", "))
            }
            (false, false) => format!("And it tells anyone who connects, without a key: {}.\n", told.join(", ")),
        }
    }

    /// The same as data.
    pub(super) fn data(&self) -> Value {
        let mut data = json!({
            "format": BAND_FORMAT,
            "model": self.plan.model.name(),
            "address": whole(self.info.address.unwrap_or(self.plan.address)),
            "access": if self.is_authenticated { "key" } else { "anyone" },
            "serial": self.info.serial,
            "firmware": self.info.firmware,
            "hardware": self.info.hardware,
            "not_understood": self.info.odd,
            "battery": self.info.battery.map(|battery| json!({ "percent": battery.level, "charging": battery.charging })),
            "clock": self.clock.map(|clock| json!({ "now": clock.now, "utc_offset_s": clock.utc_offset_s })),
            "shouts": match &self.heard {
                Heard::Nothing => Value::Null,
                Heard::Address(address) => json!({ "address": whole(*address), "steps": null, "heart_rate": null }),
                Heard::Shouted(shouted) => {
                    json!({ "address": whole(shouted.address), "steps": shouted.steps, "heart_rate": shouted.heart_rate })
                }
            },
            "today": self.today.as_ref().map(|today| {
                json!({ "steps": today.steps, "metres": today.metres, "kilocalories": today.kilocalories })
            }),
        });
        if let Some(words) = self.disclaimer {
            data["disclaimer"] = json!(words);
        }
        data
    }
}

/// Format of the data.
const BAND_FORMAT: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::band::{Access, Key, generic::Generic};

    const ADDRESS: [u8; 6] = [0xc0, 0xff, 0xee, 0x12, 0x34, 0x56];

    fn in_clear(heard: Heard, is_authenticated: bool) -> (String, Value) {
        // A key is configured in any case: what is said is what happened with it.
        let plan = BandPlan { model: &Generic, address: ADDRESS, access: Access::Key(Key::new([1; 16])) };
        let info = DeviceInfo { serial: Some("S-1".into()), ..DeviceInfo::default() };
        let told = Told { plan: &plan, disclaimer: None, heard, is_authenticated, info: &info, clock: None, today: None };
        (told.card() + &told.in_clear(), told.data())
    }

    #[test]
    fn a_band_that_was_heard_was_heard_also_when_nobody_understands_it() {
        let (text, data) = in_clear(Heard::Address(ADDRESS), false);
        assert!(text.contains("its address, C0:FF:EE:12:34:56; what else it says is in no form that is known here"), "{text}");
        assert!(!text.contains("not heard") && data["shouts"]["address"] == "C0:FF:EE:12:34:56", "{text}");
        let (text, data) = in_clear(Heard::Nothing, false);
        assert!(text.contains("it was not heard") && data["shouts"].is_null(), "{text}");
    }

    #[test]
    fn the_access_is_what_happened_and_no_more_is_said_of_it() {
        let (text, data) = in_clear(Heard::Nothing, false);
        assert!(
            text.contains("read without a key") && text.contains("it tells anyone who connects, without a key: serial number."),
            "{text}"
        );
        assert_eq!(data["access"], "anyone");
        let (text, data) = in_clear(Heard::Nothing, true);
        assert!(text.contains("asked, with its key, it told: serial number. What it tells without one was not asked"), "{text}");
        assert!(!text.contains("anyone who connects") && data["access"] == "key", "{text}");
    }
}
