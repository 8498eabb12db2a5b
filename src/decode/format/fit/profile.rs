//! Names, scales and meanings of the FIT messages and fields that speak of a person, a place or a device (Garmin's FIT SDK, Profile).
//! What is not listed keeps its numbers and its raw value.

/// How a raw value is meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    /// As it is.
    Plain,
    /// Divided by the first, then less the second.
    Scaled(f64, f64),
    /// 2^31 of them are 180 degrees.
    Semicircles,
    /// Seconds since 1989-12-31T00:00:00Z.
    Time,
}

impl Meaning {
    /// The value as text: seconds since 1970, degrees, or what the scale gives.
    pub(super) fn spell(self, raw: i128) -> String {
        match self {
            // Smaller values are seconds since the watch was switched on (FIT SDK, type date_time).
            Self::Time if raw >= 0x1000_0000 => (raw + SECONDS_TO_1989).to_string(),
            Self::Plain | Self::Time => raw.to_string(),
            Self::Scaled(scale, offset) => format!("{:?}", raw as f64 / scale - offset),
            Self::Semicircles => format!("{:.7}", raw as f64 * 180.0 / 2_147_483_648.0),
        }
    }
}

/// The name of a message.
pub(super) fn message(number: u16) -> Option<&'static str> {
    MESSAGES.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// The name and meaning of a field of a message.
pub(super) fn field(message: u16, number: u8) -> Option<(&'static str, Meaning)> {
    let everywhere = EVERYWHERE.iter().find(|(known, ..)| *known == number).map(|(_, name, meaning)| (*name, *meaning));
    let here = || FIELDS.iter().find(|(of, known, ..)| (*of, *known) == (message, number)).map(|(_, _, name, meaning)| (*name, *meaning));
    everywhere.or_else(here)
}

use Meaning::{Plain, Scaled, Semicircles, Time};

const MESSAGES: &[(u16, &str)] = &[
    (0, "file_id"),
    (2, "device_settings"),
    (3, "user_profile"),
    (12, "sport"),
    (18, "session"),
    (19, "lap"),
    (20, "record"),
    (21, "event"),
    (23, "device_info"),
    (30, "weight_scale"),
    (34, "activity"),
    (49, "file_creator"),
    (55, "monitoring"),
    (78, "hrv"),
    (101, "length"),
    (103, "monitoring_info"),
    (132, "hr"),
    (206, "field_description"),
    (207, "developer_data_id"),
    (227, "stress_level"),
    (269, "spo2_data"),
    (275, "sleep_level"),
    (297, "respiration_rate"),
];

const EVERYWHERE: &[(u8, &str, Meaning)] = &[(253, "timestamp", Time), (254, "message_index", Plain)];

const FIELDS: &[(u16, u8, &str, Meaning)] = &[
    (0, 0, "type", Plain),
    (0, 1, "manufacturer", Plain),
    (0, 2, "product", Plain),
    (0, 3, "serial_number", Plain),
    (0, 4, "time_created", Time),
    (0, 5, "number", Plain),
    (0, 8, "product_name", Plain),
    (3, 0, "friendly_name", Plain),
    (3, 1, "gender", Plain),
    (3, 2, "age", Plain),
    (3, 3, "height", Scaled(100.0, 0.0)),
    (3, 4, "weight", Scaled(10.0, 0.0)),
    (3, 5, "language", Plain),
    (3, 8, "resting_heart_rate", Plain),
    (3, 11, "default_max_heart_rate", Plain),
    (12, 0, "sport", Plain),
    (12, 1, "sub_sport", Plain),
    (12, 3, "name", Plain),
    (18, 0, "event", Plain),
    (18, 1, "event_type", Plain),
    (18, 2, "start_time", Time),
    (18, 3, "start_position_lat", Semicircles),
    (18, 4, "start_position_long", Semicircles),
    (18, 5, "sport", Plain),
    (18, 6, "sub_sport", Plain),
    (18, 7, "total_elapsed_time", Scaled(1000.0, 0.0)),
    (18, 8, "total_timer_time", Scaled(1000.0, 0.0)),
    (18, 9, "total_distance", Scaled(100.0, 0.0)),
    (18, 10, "total_cycles", Plain),
    (18, 11, "total_calories", Plain),
    (18, 14, "avg_speed", Scaled(1000.0, 0.0)),
    (18, 15, "max_speed", Scaled(1000.0, 0.0)),
    (18, 16, "avg_heart_rate", Plain),
    (18, 17, "max_heart_rate", Plain),
    (18, 18, "avg_cadence", Plain),
    (18, 19, "max_cadence", Plain),
    (18, 22, "total_ascent", Plain),
    (18, 23, "total_descent", Plain),
    (18, 29, "nec_lat", Semicircles),
    (18, 30, "nec_long", Semicircles),
    (18, 31, "swc_lat", Semicircles),
    (18, 32, "swc_long", Semicircles),
    (18, 38, "end_position_lat", Semicircles),
    (18, 39, "end_position_long", Semicircles),
    (19, 0, "event", Plain),
    (19, 1, "event_type", Plain),
    (19, 2, "start_time", Time),
    (19, 3, "start_position_lat", Semicircles),
    (19, 4, "start_position_long", Semicircles),
    (19, 5, "end_position_lat", Semicircles),
    (19, 6, "end_position_long", Semicircles),
    (19, 7, "total_elapsed_time", Scaled(1000.0, 0.0)),
    (19, 8, "total_timer_time", Scaled(1000.0, 0.0)),
    (19, 9, "total_distance", Scaled(100.0, 0.0)),
    (19, 10, "total_cycles", Plain),
    (19, 11, "total_calories", Plain),
    (19, 13, "avg_speed", Scaled(1000.0, 0.0)),
    (19, 14, "max_speed", Scaled(1000.0, 0.0)),
    (19, 15, "avg_heart_rate", Plain),
    (19, 16, "max_heart_rate", Plain),
    (20, 0, "position_lat", Semicircles),
    (20, 1, "position_long", Semicircles),
    (20, 2, "altitude", Scaled(5.0, 500.0)),
    (20, 3, "heart_rate", Plain),
    (20, 4, "cadence", Plain),
    (20, 5, "distance", Scaled(100.0, 0.0)),
    (20, 6, "speed", Scaled(1000.0, 0.0)),
    (20, 7, "power", Plain),
    (20, 13, "temperature", Plain),
    (20, 73, "enhanced_speed", Scaled(1000.0, 0.0)),
    (20, 78, "enhanced_altitude", Scaled(5.0, 500.0)),
    (21, 0, "event", Plain),
    (21, 1, "event_type", Plain),
    (21, 3, "data", Plain),
    (23, 0, "device_index", Plain),
    (23, 1, "device_type", Plain),
    (23, 2, "manufacturer", Plain),
    (23, 3, "serial_number", Plain),
    (23, 4, "product", Plain),
    (23, 5, "software_version", Scaled(100.0, 0.0)),
    (23, 6, "hardware_version", Plain),
    (23, 10, "battery_voltage", Scaled(256.0, 0.0)),
    (23, 11, "battery_status", Plain),
    (23, 27, "product_name", Plain),
    (30, 0, "weight", Scaled(100.0, 0.0)),
    (34, 0, "total_timer_time", Scaled(1000.0, 0.0)),
    (34, 1, "num_sessions", Plain),
    (34, 2, "type", Plain),
    (34, 3, "event", Plain),
    (34, 4, "event_type", Plain),
    (34, 5, "local_timestamp", Time),
    (49, 0, "software_version", Plain),
    (49, 1, "hardware_version", Plain),
    (55, 0, "device_index", Plain),
    (55, 1, "calories", Plain),
    (55, 2, "distance", Scaled(100.0, 0.0)),
    (55, 3, "cycles", Scaled(2.0, 0.0)),
    (55, 4, "active_time", Scaled(1000.0, 0.0)),
    (55, 5, "activity_type", Plain),
    (55, 26, "timestamp_16", Plain),
    (55, 27, "heart_rate", Plain),
    (78, 0, "time", Scaled(1000.0, 0.0)),
    (206, 0, "developer_data_index", Plain),
    (206, 1, "field_definition_number", Plain),
    (206, 2, "fit_base_type_id", Plain),
    (206, 3, "field_name", Plain),
    (206, 8, "units", Plain),
    (227, 0, "stress_level_value", Plain),
    (227, 1, "stress_level_time", Time),
    (269, 0, "reading_spo2", Plain),
    (275, 0, "sleep_level", Plain),
    (297, 0, "respiration_rate", Scaled(100.0, 0.0)),
];

/// From 1970 to 1989-12-31T00:00:00Z.
const SECONDS_TO_1989: i128 = 631_065_600;
