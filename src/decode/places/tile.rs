//! Map tiles: zoom, column and row of the web's Mercator grid (OpenStreetMap wiki, "Slippy map tilenames"), in a path, in three
//! siblings or as a quadkey (Microsoft, "Bing Maps Tile System"). Whoever fetches a map says where the map is.

use std::collections::VecDeque;

use crate::model::{Part, Position};

use super::{
    super::{category::NameFacts, leaf::RawLeaf},
    Nearest, Places, Sight,
    chance::{self, Family, Looked},
    geohash::{Cell, Near, near},
    size_m,
};

/// One tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tile {
    zoom: u32,
    column: u32,
    row: u32,
}

/// The last whole numbers of one group of siblings.
#[derive(Debug, Default)]
pub(super) struct Row {
    group: u32,
    numbers: VecDeque<(u32, (Part, String))>,
}

type Field = (Part, String);

impl Row {
    /// Looks at one more whole number, or at a path segment that begins with one (`10770.png`). Gives the position of a tile that
    /// it completes, with the fields of its row and its column.
    pub(super) fn look(
        &mut self,
        leaf: &RawLeaf<'_>,
        text: &str,
        name: &NameFacts,
        places: &Places,
        looked: &mut Looked,
    ) -> Option<(Sight, [Field; 2])> {
        let number = whole_number(text).filter(|number| places.tiles.hold(f64::from(*number)));
        if self.group != leaf.group || number.is_none() {
            self.group = leaf.group;
            self.numbers.clear();
        }
        let number = number?;
        if self.numbers.len() == 3 {
            self.numbers.pop_front();
        }
        self.numbers.push_back((number, (leaf.part, leaf.path.to_owned())));
        let [a, b, c] = [0, 1, 2].map(|at| self.numbers.get(at).map(|(number, _)| *number));
        let (a, b, c) = (a?, b?, c?);
        let tiles = ORDERS.iter().map(|order| (order, order.map(|at| [a, b, c][at])));
        let fitting: Vec<_> = tiles.filter(|(_, [zoom, column, row])| fits(*zoom, *column, *row)).collect();
        if fitting.is_empty() {
            return None;
        }
        looked.add(Family::Tiles);
        let named = name.words.iter().any(|word| word == "tile" || word == "zoom");
        let best = fitting.iter().filter_map(|(order, [zoom, column, row])| {
            let tile = Tile { zoom: *zoom, column: *column, row: *row };
            sight(tile, format!("{zoom}/{column}/{row}"), named, places, looked).map(|sight| (*order, sight))
        });
        let (order, sight) = best.min_by(|a, b| a.1.distance_m.total_cmp(&b.1.distance_m))?;
        let field = |at: usize| self.numbers.get(at).map(|(_, field)| field.clone());
        Some((sight, [field(order[2])?, field(order[1])?]))
    }
}

/// Looks for `zoom/column/row` in a text: the URL of a tile, or its name.
pub(super) fn in_text(text: &str, places: &Places, looked: &mut Looked, nearest: &mut Nearest) {
    if text.len() > LONGEST_TEXT || !text.contains('/') {
        return;
    }
    let pieces: Vec<&str> = text.split(['/', '?', '&', '=', ' ']).collect();
    for three in pieces.windows(3) {
        let digits = |text: &str| text.parse::<u32>().ok();
        let (Some(zoom), Some(column), Some(row)) = (digits(three[0]), digits(three[1]), whole_number(three[2])) else { continue };
        if fits(zoom, column, row) {
            looked.add(Family::Tiles);
            if let Some(sight) = sight(Tile { zoom, column, row }, three.join("/"), false, places, looked) {
                nearest.add(sight);
            }
        }
    }
}

/// Intervals of the numbers that a tile near a position is made of: zooms, columns, and rows from the north and from the south.
/// `reach` is in degrees of latitude and of longitude.
pub(super) fn numbers(position: Position, reach: (f64, f64)) -> Vec<(f64, f64)> {
    let mut intervals = vec![(f64::from(FARTHEST), f64::from(NEAREST))];
    for zoom in FARTHEST..=NEAREST {
        let across = f64::from(1_u32 << zoom);
        let column = |longitude: f64| (longitude + 180.0) / 360.0 * across;
        let row = |latitude: f64| (1.0 - latitude.to_radians().tan().asinh() / std::f64::consts::PI) / 2.0 * across;
        let columns = (column(position.lon - reach.1), column(position.lon + reach.1));
        let rows = (row(position.lat + reach.0), row(position.lat - reach.0));
        let from_south = (across - 1.0 - rows.1, across - 1.0 - rows.0);
        // One more to either side: a tile is as wide as that.
        intervals.extend([columns, rows, from_south].map(|(low, high)| (low - 1.0, high + 1.0)));
    }
    intervals
}

/// Looks for quadkeys: twelve to twenty-three digits from 0 to 3, as a word of their own, also after one letter (`a120210233222`).
pub(super) fn quadkeys(text: &str, name: &NameFacts, places: &Places, looked: &mut Looked, nearest: &mut Nearest) {
    if !(FARTHEST as usize..=LONGEST_TEXT).contains(&text.len()) {
        return;
    }
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let digits = word.strip_prefix(|c: char| c.is_ascii_lowercase()).unwrap_or(word);
        let zooms = FARTHEST as usize..=NEAREST as usize;
        if !zooms.contains(&digits.len()) || !digits.bytes().all(|byte| (b'0'..=b'3').contains(&byte)) {
            continue;
        }
        looked.add(Family::Cells(digits.len()));
        let bit = |byte: u8, shift: u8| u32::from((byte - b'0') >> shift & 1);
        let (column, row) = digits.bytes().fold((0, 0), |(column, row), byte| (column << 1 | bit(byte, 0), row << 1 | bit(byte, 1)));
        let tile = Tile { zoom: digits.len() as u32, column, row };
        let cell = cell(tile);
        let Some(Near { held, distance_m, inside }) = near(cell, places) else { continue };
        let precision_m = size_m(cell.centre, cell.size.0, cell.size.1);
        let cells = if inside { 1.0 } else { 1.0 + std::f64::consts::PI * (distance_m / precision_m).powi(2) };
        // Digits of two bits each: numbers of such digits alone are rarer than their length says.
        let expected = cells / 4_f64.powi(digits.len() as i32) * looked.of(Family::Cells(digits.len())) * places.chances(distance_m);
        let named = name.words.iter().any(|word| word == "quadkey" || word == "tile");
        let Some(certainty) = chance::certainty(expected * if named { NAMED } else { 1.0 }) else { continue };
        nearest.add(Sight {
            position: cell.centre,
            held,
            distance_m,
            precision_m,
            notation: "quadkey",
            how: format!("quadkey, zoom {}", digits.len()),
            certainty,
            spelled: vec![word.to_owned()],
        });
    }
}

/// A tile near a held position, counted from the north as the web does, or from the south as TMS does.
fn sight(tile: Tile, spelled: String, named: bool, places: &Places, looked: &Looked) -> Option<Sight> {
    let mirrored = Tile { row: (1 << tile.zoom) - 1 - tile.row, ..tile };
    let found = [(tile, "map tile"), (mirrored, "map tile counted from the south")].into_iter().filter_map(|(tile, notation)| {
        let cell = cell(tile);
        near(cell, places).map(|near| (cell, notation, near))
    });
    let (cell, notation, Near { held, distance_m, inside }) = found.min_by(|a, b| a.2.distance_m.total_cmp(&b.2.distance_m))?;
    let precision_m = size_m(cell.centre, cell.size.0, cell.size.1);
    // Of unrelated numbers of this size, so many tiles to either side would do as well.
    let wide = if inside { 1.0 } else { 2.0 * (distance_m / precision_m).ceil() + 1.0 };
    let chance = |of: u32| (wide / (2.0 * f64::from(of.max(1)))).min(1.0);
    let orders = (ORDERS.len() * 2) as f64;
    let expected = chance(tile.column) * chance(tile.row) * orders * looked.of(Family::Tiles) * places.chances(distance_m.max(precision_m));
    let certainty = chance::certainty(expected * if named { NAMED } else { 1.0 })?;
    let how = format!("{notation}, zoom {}", tile.zoom);
    Some(Sight { position: cell.centre, held, distance_m, precision_m, notation, how, certainty, spelled: vec![spelled] })
}

/// Whether numbers can be a tile of a zoom at which it shows a town or less.
fn fits(zoom: u32, column: u32, row: u32) -> bool {
    (FARTHEST..=NEAREST).contains(&zoom) && column < 1 << zoom && row < 1 << zoom
}

fn cell(tile: Tile) -> Cell {
    let across = f64::from(1_u32 << tile.zoom);
    let latitude = |row: f64| (std::f64::consts::PI * (1.0 - 2.0 * row / across)).sinh().atan().to_degrees();
    let (north, south) = (latitude(f64::from(tile.row)), latitude(f64::from(tile.row) + 1.0));
    let width = 360.0 / across;
    let centre = Position { lat: f64::midpoint(north, south), lon: (f64::from(tile.column) + 0.5) * width - 180.0 };
    Cell { centre, size: (north - south, width) }
}

/// A whole number, with nothing after it but the ending of a file name.
fn whole_number(text: &str) -> Option<u32> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.get(digits..)?;
    let ending = rest.strip_prefix("@2x").unwrap_or(rest);
    (ending.is_empty() || ENDINGS.contains(&ending)).then(|| text.get(..digits)?.parse().ok()).flatten()
}

/// Where zoom, column and row are among three numbers in a row.
const ORDERS: &[[usize; 3]] = &[[0, 1, 2], [2, 0, 1], [0, 2, 1], [2, 1, 0]];
/// File endings of tiles: pictures and vectors.
const ENDINGS: &[&str] = &[".png", ".jpg", ".jpeg", ".webp", ".pbf", ".mvt", ".json"];
/// At zoom 12 a tile is ten kilometres wide at the equator, about a town.
const FARTHEST: u32 = 12;
const NEAREST: u32 = 23;
const LONGEST_TEXT: usize = 4096;
/// A name that says tile makes chance so much less likely.
const NAMED: f64 = 1e-4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples_decode() {
        // Bing Maps Tile System: tile (3, 5) at level 3 has the quadkey 213; OpenStreetMap wiki: 52.374, 4.8897 at zoom 15.
        let cell = cell(Tile { zoom: 3, column: 3, row: 5 });
        assert!((cell.centre.lon - -22.5).abs() < 1e-9 && cell.centre.lat < -40.0, "{cell:?}");
    }
}
