//! What an importer reads: a file, or bytes in memory, opened anew for each replay. A compressed one is read as what it holds.

use std::{
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::TrafficError;
use crate::model::Captured;

/// What an importer reads.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// Name for people: the file's.
    pub(super) name: String,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    File(PathBuf),
    Memory(Captured<Arc<[u8]>>),
}

/// Something that can be read from any place of it.
pub(super) trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// How the bytes of a file are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    None,
    Zlib,
}

impl Packing {
    /// By the first bytes: RFC 1952 section 2.3.1, RFC 1950 section 2.2.
    pub(super) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [method, flags, ..] if *method == 0x78 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0 => Self::Zlib,
            _ => Self::None,
        }
    }
}

impl Input {
    /// A file.
    pub(super) fn file(path: &Path) -> Self {
        let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        Self { name, place: Place::File(path.to_owned()) }
    }

    /// Bytes in memory, under a name.
    pub(super) fn memory(name: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.to_owned(), place: Place::Memory(Captured::new(bytes.into())) }
    }

    /// Opens it, as it is.
    pub(super) fn open(&self) -> io::Result<Box<dyn ReadSeek>> {
        Ok(match &self.place {
            Place::File(path) => Box::new(File::open(path)?),
            // Replays are given the bytes where they are.
            Place::Memory(bytes) => Box::new(Cursor::new(Arc::clone(bytes.expose()))),
        })
    }

    /// Opens it, unpacked.
    pub(super) fn unpacked(&self) -> io::Result<Box<dyn Read>> {
        let mut input = self.open()?;
        let start = start_of(&mut input, 2)?;
        input.seek(SeekFrom::Start(0))?;
        Ok(match Packing::of(&start) {
            Packing::Gzip => Box::new(MultiGzDecoder::new(io::BufReader::new(input))),
            Packing::None => Box::new(input),
            Packing::Zlib => Box::new(ZlibDecoder::new(io::BufReader::new(input))),
        })
    }

    /// The first bytes of what it holds, unpacked.
    pub(super) fn start(&self, most: u64) -> io::Result<(Packing, Vec<u8>)> {
        let packing = Packing::of(&start_of(&mut self.open()?, 2)?);
        Ok((packing, start_of(&mut self.unpacked()?, most)?))
    }

    /// An error about it.
    pub(super) fn refused(&self, problem: impl Into<String>) -> TrafficError {
        TrafficError::File { name: self.name.clone(), problem: problem.into() }
    }
}

fn start_of(input: &mut dyn Read, most: u64) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    input.take(most).read_to_end(&mut start)?;
    Ok(start)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn packed_bytes_are_read_as_what_they_hold() {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        zlib.write_all(b"{\"log\":1}").expect("memory");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"{\"log\":1}").expect("memory");
        let packed = [
            (Packing::Zlib, zlib.finish().expect("memory")),
            (Packing::Gzip, gzip.finish().expect("memory")),
            (Packing::None, b"{\"log\":1}".to_vec()),
        ];
        for (packing, bytes) in packed {
            let input = Input::memory("x", bytes);
            assert_eq!(input.start(99).expect("readable"), (packing, b"{\"log\":1}".to_vec()));
            assert_eq!(input.start(3).expect("readable").1, b"{\"l");
        }
        assert_eq!(Packing::of(b"x\x00"), Packing::None, "text may begin with an x");
    }
}
