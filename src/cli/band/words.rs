//! Words about bands that several commands say: an address in short, a signal, a reading.

use crate::scenario::forms;

/// The last two bytes of an address, which tell a person's own bands apart and name nobody else's.
pub(super) fn tail(address: [u8; 6]) -> String {
    format!("…:{:02X}:{:02X}", address[4], address[5])
}

/// Reads an address on the command line.
pub(super) fn address_of(text: &str) -> Result<[u8; 6], String> {
    forms::address(text).ok_or_else(|| "a Bluetooth address is six pairs of hex digits joined by colons: C0:FF:EE:12:34:56".to_owned())
}
