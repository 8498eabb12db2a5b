//! A QR code for a terminal and for a page. Which text it holds is others' business.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code (ISO/IEC 18004 section 9.1).
const QUIET: usize = 4;

/// A QR code with its quiet zone: rows of modules, `true` for dark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Qr(Vec<Vec<bool>>);

impl Qr {
    /// The code of a text; `None` when it is too long for one.
    pub(super) fn new(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
        let side = code.width();
        let colors = code.to_colors();
        let mut rows = vec![vec![false; side + 2 * QUIET]; side + 2 * QUIET];
        for (row, modules) in rows.iter_mut().skip(QUIET).zip(colors.chunks(side)) {
            for (module, color) in row.iter_mut().skip(QUIET).zip(modules) {
                *module = *color == Color::Dark;
            }
        }
        Some(Self(rows))
    }

    /// Two modules a character, one above the other, for a terminal that shows dark on light.
    pub(super) fn lines(&self) -> Vec<String> {
        let two = |rows: &[Vec<bool>]| -> String {
            let (above, below) = (rows.first(), rows.get(1));
            let modules = above.map_or(0, Vec::len);
            let is_dark = |row: Option<&Vec<bool>>, at| row.and_then(|row| row.get(at)).copied().unwrap_or(false);
            (0..modules)
                .map(|at| match (is_dark(above, at), is_dark(below, at)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                })
                .collect()
        };
        self.0.chunks(2).map(two).collect()
    }

    /// Columns that [`Qr::lines`] need.
    pub(super) fn side(&self) -> usize {
        self.0.len()
    }

    /// The data of an SVG path whose units are modules.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for (y, row) in self.0.iter().enumerate() {
            for (x, _) in row.iter().enumerate().filter(|(_, is_dark)| **is_dark) {
                path.push_str(&format!("M{x} {y}h1v1h-1z"));
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_fits_a_terminal_beside_its_explanation() {
        let code = Qr::new("http://[2001:db8:1111:2222:3333:4444:5555:6666]:65535/").expect("short");
        let lines = code.lines();
        assert!(code.side() <= 41 && lines.len() <= 21, "{} by {}", code.side(), lines.len());
        assert!(lines.iter().all(|line| line.chars().count() == code.side()));
        assert!(lines.iter().take(2).all(|line| line.trim().is_empty()), "a quiet zone");
        // A finder pattern: seven dark modules beside a light one.
        assert!(lines[2].starts_with("    █▀▀▀▀▀█ "), "{}", lines[2]);
        assert!(code.path().starts_with("M4 4h1v1h-1z"));
        assert_eq!(Qr::new(&"x".repeat(10_000)), None);
    }
}
