//! What a band of the family shouts, as pure functions between bytes and types: company data with the constant address and, in
//! its clear form, the last heart rate; service data with the steps of the day. Layouts: `docs/protocols/huami-ble.md`, section 2.

use super::characteristics::MAIN_SERVICE;
use crate::link::{Advertisement, discreet};

/// Company identifier of Anhui Huami in manufacturer data.
pub const COMPANY: u16 = 0x0157;

/// What an advertisement says in clear.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Device address, display order: the last six bytes of the company data.
    pub address: Option<[u8; 6]>,
    /// Last heart rate, beats per minute (clear form only).
    pub heart_rate: Option<u8>,
    /// Steps of the day.
    pub steps: Option<u32>,
}

discreet!(Told);

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

/// Company data in the clear form (24 bytes): last heart rate (`FF` is none) and the device address.
pub fn clear_form(heart_rate: u8, address: [u8; 6]) -> Vec<u8> {
    let mut data = vec![0xff; COMPANY_DATA_BYTES];
    data[..4].copy_from_slice(&[0x02, 0x02, 0x01, heart_rate]);
    data[17] = 0x03;
    data[18..].copy_from_slice(&address);
    data
}

/// Company data in the opaque form (24 bytes): sixteen bytes that change and that nobody reads, and the device address all the
/// same.
pub fn opaque_form(noise: [u8; 16], address: [u8; 6]) -> Vec<u8> {
    [&[0x00][..], &noise, &[0x01], &address].concat()
}

/// The two packets of an advertisement as they go over the air (Bluetooth Core, Vol 3, Part C, 11): flags and company data, then
/// the scan response with name, service and steps.
pub fn packets(advertisement: &Advertisement) -> (Vec<u8>, Vec<u8>) {
    let mut packet = vec![0x02, 0x01, 0x06];
    for (company, data) in &advertisement.manufacturer_data {
        structure(&mut packet, 0xff, &[&company.to_le_bytes()[..], data].concat());
    }
    let mut response = Vec::new();
    if let Some(name) = &advertisement.name {
        structure(&mut response, 0x09, name.as_bytes());
    }
    structure(&mut response, 0x02, &MAIN_SERVICE_SHORT);
    for (_, data) in &advertisement.service_data {
        structure(&mut response, 0x16, &[&MAIN_SERVICE_SHORT[..], data].concat());
    }
    (packet, response)
}

/// One structure: its length, its type, its data.
fn structure(packet: &mut Vec<u8>, kind: u8, data: &[u8]) {
    packet.extend(u8::try_from(data.len() + 1).into_iter().chain([kind]));
    packet.extend_from_slice(data);
}

/// Length of the company data of an advertisement, both forms.
const COMPANY_DATA_BYTES: usize = 24;

/// The main service's 16-bit UUID, as it goes over the air.
const MAIN_SERVICE_SHORT: [u8; 2] = [0xe0, 0xfe];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::hex;

    const ADDRESS: [u8; 6] = [0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56];

    fn told(company_data: &[u8], steps: &[u8]) -> Option<Told> {
        read(&advertisement(company_data, steps))
    }

    fn advertisement(company_data: &[u8], steps: &[u8]) -> Advertisement {
        Advertisement {
            address: [0; 6],
            name: Some("Mi Band 3".to_owned()),
            manufacturer_data: if company_data.is_empty() { Vec::new() } else { vec![(COMPANY, company_data.to_vec())] },
            service_data: if steps.is_empty() { Vec::new() } else { vec![(MAIN_SERVICE, steps.to_vec())] },
            rssi: None,
        }
    }

    #[test]
    fn strangers_hear_address_heart_rate_and_steps() {
        let clear = clear_form(72, ADDRESS);
        assert_eq!(hex(&clear), "02020148ffffffffffffffffffffffffff03c0ffee123456");
        let told_clear = Told { address: Some(ADDRESS), heart_rate: Some(72), steps: Some(900) };
        assert_eq!(told(&clear, &[0x84, 0x03, 0, 0]), Some(told_clear));
        let newer = [&[0x02, 0x0a, 0xff][..], &clear[3..]].concat();
        assert_eq!(told(&newer, &[]), Some(Told { steps: None, ..told_clear }));
        assert_eq!(told(&clear_form(0xff, ADDRESS), &[]), Some(Told { steps: None, heart_rate: None, ..told_clear }));
        let opaque = opaque_form([0x02; 16], ADDRESS);
        assert_eq!(told(&opaque, &[]), Some(Told { address: Some(ADDRESS), ..Told::default() }), "opaque bytes are no heart rate");
    }

    #[test]
    fn the_packets_are_those_on_the_air() {
        let (packet, response) = packets(&advertisement(&clear_form(72, ADDRESS), &900u32.to_le_bytes()));
        assert_eq!(hex(&packet), "0201061bff570102020148ffffffffffffffffffffffffff03c0ffee123456");
        assert_eq!(hex(&response), "0a094d692042616e6420330302e0fe0716e0fe84030000");
        assert_eq!(packet.len(), 31, "as much as fits");
    }

    #[test]
    fn what_is_of_somebody_else_says_nothing() {
        assert_eq!(told(&[], &[]), None);
        assert_eq!(told(&[0x02, 0x02, 0x01, 0x48], &[]), None, "too short to be theirs");
        assert_eq!(told(&[], &[1, 2]), Some(Told::default()), "their service, with data of another length");
    }
}
