//! Plus codes (Open Location Code, github.com/google/open-location-code, specification 2019): full ones, of eight digits and a
//! plus. Short ones need to be told near which town they are.

use crate::model::{Certainty, Position};

use super::{
    Nearest, Places, Sight,
    geohash::{Cell, Near, near},
    size_m,
};

/// Looks for plus codes of cells near a held position, anywhere in a text. Eight digits of twenty are no chance.
pub(super) fn look(text: &str, places: &Places, nearest: &mut Nearest) {
    for (code, cell) in codes(text) {
        let Some(Near { held, distance_m, .. }) = near(cell, places) else { continue };
        nearest.add(Sight {
            position: cell.centre,
            held,
            distance_m,
            precision_m: size_m(cell.centre, cell.size.0, cell.size.1),
            notation: "plus code",
            how: format!("plus code of {} digits", code.len() - 1),
            certainty: Certainty::Certain,
            spelled: vec![code.to_owned()],
        });
    }
}

/// Every full plus code of a text, with its cell.
pub(super) fn codes(text: &str) -> impl Iterator<Item = (&str, Cell)> {
    let bytes = text.as_bytes();
    text.match_indices('+').filter_map(move |(at, _)| {
        let start = at.checked_sub(PAIRS)?;
        let digits = bytes[at + 1..].iter().take_while(|byte| digit(**byte).is_some()).count();
        let end = at + 1 + digits;
        let stuck = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'+');
        if stuck(start.checked_sub(1).and_then(|at| bytes.get(at))) || stuck(bytes.get(end)) || !(digits == 0 || (2..=7).contains(&digits))
        {
            return None;
        }
        let code = text.get(start..end)?;
        decode(code).map(|cell| (code, cell))
    })
}

/// The cell that a full code names.
fn decode(code: &str) -> Option<Cell> {
    let digits: Vec<f64> = code.bytes().filter(|byte| *byte != b'+').map(|byte| digit(byte).map(f64::from)).collect::<Option<_>>()?;
    let (mut lat, mut lon, mut size) = (-90.0, -180.0, (400.0, 400.0));
    for pair in digits[..digits.len().min(10)].chunks_exact(2) {
        size = (size.0 / 20.0, size.1 / 20.0);
        lat += pair[0] * size.0;
        lon += pair[1] * size.1;
    }
    for digit in digits.iter().skip(10) {
        // The rest divide a cell into five rows and four columns.
        size = (size.0 / 5.0, size.1 / 4.0);
        lat += (digit / 4.0).floor() * size.0;
        lon += (digit % 4.0) * size.1;
    }
    Position::new(lat + size.0 / 2.0, lon + size.1 / 2.0).map(|centre| Cell { centre, size })
}

fn digit(byte: u8) -> Option<u8> {
    let position = ALPHABET.iter().position(|known| *known == byte.to_ascii_uppercase())?;
    u8::try_from(position).ok()
}

const ALPHABET: &[u8; 20] = b"23456789CFGHJMPQRVWX";
/// Digits before the plus.
const PAIRS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples_decode() {
        // open-location-code, test_data/decoding.csv: 7FG49Q00+ is padded, so none of ours; 8FVC2222+22 is 47.0, 8.0.
        let centres: Vec<String> = ["8FVC2222+22", "4VCPPQGP+Q9", "62G20000+", "x8FVC2222+22", "8FVC2222+2"]
            .iter()
            .map(|text| codes(text).map(|(_, cell)| format!("{:.4} {:.4} {:.6}", cell.centre.lat, cell.centre.lon, cell.size.0)).collect())
            .collect();
        assert_eq!(centres, ["47.0001 8.0001 0.000125", "-41.2731 174.7859 0.000125", "", "", ""]);
    }
}
