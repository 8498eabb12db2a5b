//! A place on Earth, and how far two places are apart.

use serde::{Deserialize, Serialize};

/// WGS 84 position in decimal degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Latitude, −90 to 90.
    pub lat: f64,
    /// Longitude, −180 to 180.
    pub lon: f64,
}

impl Position {
    /// A position, or `None` when a coordinate is out of range or not a number.
    pub fn new(lat: f64, lon: f64) -> Option<Self> {
        ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some(Self { lat, lon })
    }

    /// Great-circle distance in metres on a sphere of the mean Earth radius 6,371,008.8 m (IUGG), by the haversine formula;
    /// within 0.6 % of the ellipsoid.
    pub fn distance_m(self, other: Self) -> f64 {
        let (phi_a, phi_b) = (self.lat.to_radians(), other.lat.to_radians());
        let d_phi = (other.lat - self.lat).to_radians() / 2.0;
        let d_lambda = (other.lon - self.lon).to_radians() / 2.0;
        let a = d_phi.sin().powi(2) + phi_a.cos() * phi_b.cos() * d_lambda.sin().powi(2);
        2.0 * 6_371_008.8 * a.sqrt().min(1.0).asin()
    }
}

/// A distance in metres, for a reader: `12 m`, `1.4 km`.
pub fn distance_words(metres: f64) -> String {
    if metres < 999.5 { format!("{metres:.0} m") } else { format!("{:.1} km", metres / 1000.0) }
}

/// How exact a position is, for a reader: `1 m or less`, `76 m`, `1.1 km`.
pub fn exactness_words(metres: f64) -> String {
    if metres < 1.5 { "1 m or less".to_owned() } else { distance_words(metres) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_of_latitude_is_about_a_nautical_mile() {
        let a = Position::new(52.0, 4.0).expect("in range");
        let b = Position::new(52.0 + 1.0 / 60.0, 4.0).expect("in range");
        assert!((a.distance_m(b) - 1853.0).abs() < 2.0);
    }

    #[test]
    fn distances_read_well() {
        assert_eq!([4.2, 999.4, 999.6, 12_345.0].map(distance_words), ["4 m", "999 m", "1.0 km", "12.3 km"]);
    }

    #[test]
    fn out_of_range_is_no_position() {
        assert!(Position::new(90.1, 0.0).is_none());
        assert!(Position::new(0.0, f64::NAN).is_none());
    }
}
