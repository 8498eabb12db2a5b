//! What a phone's app tells the band of its wearer. Nothing here writes it: the simulator reads it, so that an audit can say what
//! an app puts on a wrist. Layout: `docs/protocols/huami-ble.md`, section 5.

use jiff::civil::Date;

use crate::link::discreet;

/// The wearer, as an app writes it to the user settings.
#[derive(Clone, PartialEq, Eq)]
pub struct Wearer {
    /// Day of birth.
    pub birth: Date,
    /// Sex.
    pub sex: Sex,
    /// Height in centimetres.
    pub height_cm: u16,
    /// Weight in units of five grams (200 are a kilogram).
    pub weight_5g: u16,
    /// Number of the account.
    pub account: u32,
}

discreet!(Wearer);

/// Sex, as an app writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sex {
    /// 0.
    Male,
    /// 1.
    Female,
    /// 2, and whatever else may come.
    Other,
}

/// Reads a value of the user settings that tells the wearer (16 bytes): `4F 00 00`, year u16, month, day, sex, height u16, weight
/// u16, account u32. `None` when it is another setting.
pub fn wearer(value: &[u8]) -> Option<Wearer> {
    let &[0x4f, 0x00, 0x00, y0, y1, month, day, sex, h0, h1, w0, w1, ref account @ ..] = value else { return None };
    let part = |n: u8| i8::try_from(n).ok();
    Some(Wearer {
        birth: Date::new(i16::from_le_bytes([y0, y1]), part(month)?, part(day)?).ok()?,
        sex: match sex {
            0 => Sex::Male,
            1 => Sex::Female,
            _ => Sex::Other,
        },
        height_cm: u16::from_le_bytes([h0, h1]),
        weight_5g: u16::from_le_bytes([w0, w1]),
        account: u32::from_le_bytes(account.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_tells_the_band_who_wears_it() {
        let value = [0x4f, 0x00, 0x00, 0xc6, 0x07, 0x05, 0x11, 0x00, 0xb2, 0x00, 0xa4, 0x38, 0x01, 0xca, 0x9a, 0x3b];
        let told = Wearer {
            birth: "1990-05-17".parse().expect("a date"),
            sex: Sex::Male,
            height_cm: 178,
            weight_5g: 14_500,
            account: 1_000_000_001,
        };
        assert_eq!(wearer(&value), Some(told));
        assert_eq!(wearer(&value[..15]), None);
        assert_eq!(wearer(&[0x10, 0x00, 0x00, 0x40, 0x1f, 0x00, 0x00]), None, "the goal of the day");
        let mut no_day = value;
        no_day[5] = 13;
        assert_eq!(wearer(&no_day), None);
    }
}
