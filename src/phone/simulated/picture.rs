//! A picture of the simulated screen: a PNG of grey and white, enough to be opened and looked at.

use std::io::Write as _;

use flate2::{Compression, write::ZlibEncoder};

/// Pixels of the screen for one of the picture, in each direction.
const SCALE: u32 = 10;

const GREY: u8 = 0x60;
const WHITE: u8 = 0xff;

/// A PNG (ISO/IEC 15948) of a screen of this width and height, a tenth in size, in eight bits of grey. What is inside the bounds (left,
/// top, right, bottom in pixels of the screen) is white.
pub(super) fn png([width, height]: [u32; 2], bounds: impl Iterator<Item = [i32; 4]>) -> Vec<u8> {
    let (width, height) = (width / SCALE, height / SCALE);
    let bounds: Vec<[u32; 4]> = bounds.map(|bounds| bounds.map(|side| side.unsigned_abs() / SCALE)).collect();
    let mut lines = Vec::new();
    for y in 0..height {
        // Each line says first how it is filtered: not at all.
        lines.push(0);
        lines.extend((0..width).map(|x| {
            let inside = |[left, top, right, bottom]: &[u32; 4]| (*left..*right).contains(&x) && (*top..*bottom).contains(&y);
            if bounds.iter().any(inside) { WHITE } else { GREY }
        }));
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    let pixels = packed.write_all(&lines).and_then(|()| packed.finish()).expect("a vector takes every byte");

    // Bits a sample, kind of colour (grey), and no choice of compression, filter and interlace.
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes()[..], &[8, 0, 0, 0, 0]].concat();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in [(b"IHDR", &header[..]), (b"IDAT", &pixels[..]), (b"IEND", &[])] {
        let named = [&name[..], data].concat();
        file.extend(u32::try_from(data.len()).expect("a small picture").to_be_bytes());
        file.extend(&named);
        file.extend(crc32fast::hash(&named).to_be_bytes());
    }
    file
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_picture_has_its_size_and_shows_where_things_are() {
        let picture = png([100, 50], std::iter::once([20, 10, 40, 30]));
        assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x0a\0\0\0\x05\x08\0\0\0\0"));
        assert!(picture.ends_with(b"\0\0\0\0IEND\xae\x42\x60\x82"), "its checksum is known");
        let data = picture.windows(4).position(|window| window == b"IDAT").expect("it has pixels") + 4;
        let mut lines = Vec::new();
        flate2::read::ZlibDecoder::new(&picture[data..]).read_to_end(&mut lines).expect("they are packed");
        let shown: Vec<String> =
            lines.chunks(11).map(|line| line[1..].iter().map(|grey| if *grey == WHITE { '#' } else { '.' }).collect()).collect();
        assert_eq!(shown, ["..........", "..##......", "..##......", "..........", ".........."]);
    }
}
