//! Words about bands that several commands say: an address in short, a model, a time.

use jiff::{Timestamp, tz::Offset};

use serde_json::Value;

use crate::{band::MODELS, model::text::thousands, report::escape_invisible, scenario::forms};

/// The last two bytes of an address, which tell a person's own bands apart and name nobody else's.
pub(super) fn tail(address: [u8; 6]) -> String {
    format!("…:{:02X}:{:02X}", address[4], address[5])
}

/// A whole address, for its owner.
pub(super) fn whole(address: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = address;
    format!("{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{f:02X}")
}

/// Data as it is printed. What a band or a stranger's device says may hold characters that a terminal obeys (R13).
pub(super) fn document(data: &Value) -> String {
    escape_invisible(&format!("{data:#}\n"))
}

/// Reads an address on the command line.
pub(super) fn address_of(text: &str) -> Result<[u8; 6], String> {
    forms::address(text).ok_or_else(|| "a Bluetooth address is six pairs of hex digits joined by colons: C0:FF:EE:12:34:56".to_owned())
}

/// Reads a model on the command line.
pub(super) fn model_of(text: &str) -> Result<&'static str, String> {
    let found = MODELS.iter().map(|model| model.name()).find(|name| *name == text);
    found.ok_or_else(|| format!("the models are {}", MODELS.iter().map(|model| model.name()).collect::<Vec<_>>().join(", ")))
}

/// One or several of something.
pub(super) fn count(number: usize, one: &str, several: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {several}", thousands(number as u64)) }
}

/// A moment as the band's own clock shows it.
pub(super) fn local(at: Timestamp, utc_offset_s: i32) -> jiff::civil::DateTime {
    Offset::from_seconds(utc_offset_s).unwrap_or(Offset::UTC).to_datetime(at)
}

/// An offset from UTC: `UTC+01:00`.
pub(super) fn offset(utc_offset_s: i32) -> String {
    let minutes = utc_offset_s.unsigned_abs() / 60;
    format!("UTC{}{:02}:{:02}", if utc_offset_s < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [count(1, "band", "bands"), count(0, "band", "bands"), count(1440, "minute", "minutes")],
            ["1 band", "0 bands", "1,440 minutes"]
        );
    }

    #[test]
    fn no_character_that_a_terminal_obeys_is_printed() {
        let said = "5b\u{202e}0c\u{9b}31m\u{7f}\u{1b}[2J";
        let printed = document(&serde_json::json!({ "serial": said }));
        assert!(printed.chars().all(|c| c == '\n' || !c.is_control()) && !printed.contains('\u{202e}'), "{printed:?}");
        let read: Value = serde_json::from_str(&printed).expect("still JSON");
        assert_eq!(read["serial"], said, "and nothing is lost");
    }

    #[test]
    fn offsets_have_a_sign() {
        assert_eq!([3600, -12_600, 0].map(offset), ["UTC+01:00", "UTC-03:30", "UTC+00:00"]);
    }
}
