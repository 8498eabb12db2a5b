//! A band's advertisement as bluetoothd takes it. The legacy 31 bytes of a real band's advertisement and of its scan response are one
//! packet too small for bluetoothd, which puts all but the name into the first; so what does not fit goes out in turns.

use std::collections::BTreeMap;

use bluer::adv;
use tattletale::link::Advertisement;

/// Bytes of an advertisement that bluetoothd fills, after the three of the flags (Bluetooth Core, Vol 6, Part B, 2.3.1: 31).
const ROOM: usize = 31 - 3;

/// The advertisements that together say what this one does. Each carries the name, in the scan response.
pub(crate) fn in_turns(advertisement: &Advertisement) -> Vec<adv::Advertisement> {
    let mut turns = Vec::new();
    let mut turn = empty(advertisement);
    let mut used = 0;
    // A structure is its length, its type, the identifier (16 bits, as all here) and the data.
    let mut make_room = |turn: &mut adv::Advertisement, data: &[u8]| {
        let size = 4 + data.len();
        if used > 0 && used + size > ROOM {
            turns.push(std::mem::replace(turn, empty(advertisement)));
            used = 0;
        }
        used += size;
    };
    for (company, data) in &advertisement.manufacturer_data {
        make_room(&mut turn, data);
        turn.manufacturer_data.insert(*company, data.clone());
    }
    for (service, data) in &advertisement.service_data {
        make_room(&mut turn, data);
        turn.service_data.insert(*service, data.clone());
    }
    turns.push(turn);
    turns
}

fn empty(advertisement: &Advertisement) -> adv::Advertisement {
    adv::Advertisement {
        manufacturer_data: BTreeMap::new(),
        service_data: BTreeMap::new(),
        local_name: advertisement.name.clone(),
        discoverable: Some(true),
        ..adv::Advertisement::default()
    }
}
