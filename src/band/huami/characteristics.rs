//! Where the bands of the family keep what: services and characteristics, by UUID, because handles differ between firmware
//! versions. Source: `docs/protocols/huami-ble.md`, section 1.

use uuid::Uuid;

use crate::link::sig_uuid;

/// Authentication, version 1 and 2: write without response, notify.
pub const AUTHENTICATION: Uuid = huami_uuid(0x0009);
/// Fetch control: write without response, notify.
pub const FETCH_CONTROL: Uuid = huami_uuid(0x0004);
/// Fetch data: notify.
pub const FETCH_DATA: Uuid = huami_uuid(0x0005);
/// Battery: read, notify.
pub const BATTERY: Uuid = huami_uuid(0x0006);
/// Steps of the day: read, notify; reading is refused before authentication.
pub const STEPS: Uuid = huami_uuid(0x0007);
/// User settings: write, notify. Nothing here writes it.
pub const USER_SETTINGS: Uuid = huami_uuid(0x0008);
/// Configuration: write without response, notify. Nothing here writes it.
pub const CONFIGURATION: Uuid = huami_uuid(0x0003);
/// Device events: notify.
pub const EVENTS: Uuid = huami_uuid(0x0010);
/// Long messages of the 2021 kind, to the band: write without response, notify.
pub const CHUNKS_TO_BAND: Uuid = huami_uuid(0x0016);
/// Long messages of the 2021 kind, from the band: write without response (for acknowledgements), notify.
pub const CHUNKS_FROM_BAND: Uuid = huami_uuid(0x0017);
/// Long messages of the older kind: write without response, notify.
pub const OLD_CHUNKS: Uuid = huami_uuid(0x0020);
/// Current time: read, write, notify. Nothing here writes it: the times of all later samples would move.
pub const CURRENT_TIME: Uuid = sig_uuid(0x2a2b);
/// Device name: read.
pub const DEVICE_NAME: Uuid = sig_uuid(0x2a00);
/// System id: read. The device address in another coat.
pub const SYSTEM_ID: Uuid = sig_uuid(0x2a23);
/// Serial number: read, text.
pub const SERIAL: Uuid = sig_uuid(0x2a25);
/// Hardware revision: read, text.
pub const HARDWARE: Uuid = sig_uuid(0x2a27);
/// Software revision: read, text. What people call the firmware version.
pub const FIRMWARE: Uuid = sig_uuid(0x2a28);
/// PnP id: read.
pub const PNP_ID: Uuid = sig_uuid(0x2a50);
/// Battery level of the Bluetooth SIG: read, notify.
pub const BATTERY_LEVEL: Uuid = sig_uuid(0x2a19);
/// Heart rate: notify.
pub const HEART_RATE: Uuid = sig_uuid(0x2a37);
/// Heart rate control: read, write; reading is refused before authentication.
pub const HEART_RATE_CONTROL: Uuid = sig_uuid(0x2a39);
/// Alert level: write without response. Vibrates.
pub const ALERT_LEVEL: Uuid = sig_uuid(0x2a06);
/// Firmware control: write, notify. Never written, and no part of what a simulated band takes.
pub const FIRMWARE_CONTROL: Uuid = huami_uuid(0x1531);
/// Firmware data: write without response. As [`FIRMWARE_CONTROL`].
pub const FIRMWARE_DATA: Uuid = huami_uuid(0x1532);

/// Device information.
pub const DEVICE_INFORMATION_SERVICE: Uuid = sig_uuid(0x180a);
/// Immediate alert.
pub const ALERT_SERVICE: Uuid = sig_uuid(0x1802);
/// Heart rate.
pub const HEART_RATE_SERVICE: Uuid = sig_uuid(0x180d);
/// Battery.
pub const BATTERY_SERVICE: Uuid = sig_uuid(0x180f);
/// The vendor's main service, under whose name the steps of the day are advertised.
pub const MAIN_SERVICE: Uuid = sig_uuid(0xfee0);
/// The vendor's service for authentication.
pub const AUTHENTICATION_SERVICE: Uuid = sig_uuid(0xfee1);
/// Firmware.
pub const FIRMWARE_SERVICE: Uuid = huami_uuid(0x1530);

/// Long form of a 16-bit UUID of the vendor (base `0000xxxx-0000-3512-2118-0009af100700`).
pub const fn huami_uuid(short: u16) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_3512_2118_0009_af10_0700 | (short as u128) << 96)
}
