//! What a band of the family shouts, as pure functions between bytes and types: company data with the constant address and the
//! last heart rate, service data with the steps of the day. Layouts: `docs/protocols/huami-ble.md`, section 2.

use super::messages::{COMPANY, MAIN_SERVICE};
use crate::link::Advertisement;

/// What an advertisement says in clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Device address, display order: the last six bytes of the company data.
    pub address: Option<[u8; 6]>,
    /// Last heart rate, beats per minute (clear form only).
    pub heart_rate: Option<u8>,
    /// Steps of the day.
    pub steps: Option<u32>,
}

/// Reads what an advertisement says in clear; `None` when it is of no band of this family.
pub fn read(advertisement: &Advertisement) -> Option<Told> {
    let company = advertisement.manufacturer_data.iter().find(|(company, data)| *company == COMPANY && data.len() == COMPANY_DATA_BYTES);
    let service = advertisement.service_data.iter().find(|(service, _)| *service == MAIN_SERVICE);
    if company.is_none() && service.is_none() {
        return None;
    }
    let steps = service.and_then(|(_, data)| <[u8; 4]>::try_from(data.as_slice()).ok()).map(u32::from_le_bytes);
    let data = company.map(|(_, data)| data.as_slice()).unwrap_or_default();
    Some(Told { address: data.last_chunk::<6>().copied(), heart_rate: heart_rate(data), steps })
}

/// The last heart rate in company data of the clear form: `02 02 01 HR` or `02 0A FF HR`; `FF` is none.
const fn heart_rate(data: &[u8]) -> Option<u8> {
    match *data {
        [0x02, 0x02, 0x01, beats, ..] | [0x02, 0x0a, 0xff, beats, ..] if !matches!(beats, 0x00 | 0xfe | 0xff) => Some(beats),
        _ => None,
    }
}

/// Length of the company data of an advertisement, both forms.
const COMPANY_DATA_BYTES: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: [u8; 6] = [0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56];

    fn told(company_data: &str, steps: &[u8]) -> Option<Told> {
        let bytes: Vec<u8> = company_data.split(' ').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
        read(&Advertisement {
            address: [0; 6],
            name: None,
            manufacturer_data: if bytes.is_empty() { Vec::new() } else { vec![(COMPANY, bytes)] },
            service_data: if steps.is_empty() { Vec::new() } else { vec![(MAIN_SERVICE, steps.to_vec())] },
            rssi: None,
        })
    }

    #[test]
    fn strangers_hear_address_heart_rate_and_steps() {
        let clear = "02 02 01 48 FF FF FF FF FF FF FF FF FF FF FF FF FF 03 C0 FF EE 12 34 56";
        let told_clear = Told { address: Some(ADDRESS), heart_rate: Some(72), steps: Some(900) };
        assert_eq!(told(clear, &[0x84, 0x03, 0, 0]), Some(told_clear));
        assert_eq!(told(&clear.replace("02 02 01 48", "02 0A FF 48"), &[]), Some(Told { steps: None, ..told_clear }));
        assert_eq!(told(&clear.replace("01 48", "01 FF"), &[]), Some(Told { steps: None, heart_rate: None, ..told_clear }));
        let opaque = "00 02 01 48 15 16 17 18 19 1A 1B 1C 1D 1E 1F 20 21 01 C0 FF EE 12 34 56";
        assert_eq!(told(opaque, &[]), Some(Told { address: Some(ADDRESS), ..Told::default() }), "opaque bytes are no heart rate");
    }

    #[test]
    fn what_is_of_somebody_else_says_nothing() {
        assert_eq!(told("", &[]), None);
        assert_eq!(told("02 02 01 48", &[]), None, "too short to be theirs");
        assert_eq!(told("", &[1, 2]), Some(Told::default()), "their service, with data of another length");
    }
}
