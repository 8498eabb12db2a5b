//! A package that lies on this machine: which files it is, what its manifest says it is, and its digest. Nothing is asked of a phone, so
//! that what is not the app is refused before anything is installed.

use std::{
    fmt::Display,
    fs::File,
    io::{self, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use apk_info_axml::AXML;
use flate2::read::DeflateDecoder;
use sha2::{Digest as _, Sha256};

use super::super::PhoneError;
use crate::model::text::printable;

/// What a package says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PackageFile {
    /// Its files, the base first.
    pub(super) parts: Vec<PathBuf>,
    /// The app's package id.
    pub(super) id: String,
    /// The code of its version; `None` when it has none.
    pub(super) code: Option<u64>,
    /// SHA-256 of the base, 64 hex digits.
    pub(super) digest: String,
}

impl PackageFile {
    /// Reads a package, or a folder of the parts of one.
    ///
    /// # Errors
    /// When it cannot be read, or is no package.
    pub(super) fn read(place: &Path) -> Result<Self, PhoneError> {
        let fail = |problem: &dyn Display| unreadable(place, problem);
        let parts = parts(place)?;
        let mut file = File::open(&parts[0]).map_err(|problem| fail(&problem))?;
        let manifest = entry(&mut file, MANIFEST).map_err(|problem| fail(&problem))?;
        let manifest = AXML::new(&mut manifest.as_slice(), None).map_err(|_| fail(&"its manifest is no binary XML"))?;
        let said = |name: &str| manifest.get_attribute_value("manifest", name, None);
        let id = said("package").filter(|id| !id.is_empty()).ok_or_else(|| fail(&"its manifest names no package"))?;
        let code = said("versionCode").and_then(|code| code.parse().ok());
        let digest = sha256(&mut file).map_err(|problem| fail(&problem))?;
        Ok(Self { parts, id: printable(&id), code, digest })
    }
}

/// The file itself, or the parts in a folder, the base first: at least one.
///
/// # Errors
/// When the folder cannot be read, or holds no part.
pub(super) fn parts(place: &Path) -> Result<Vec<PathBuf>, PhoneError> {
    if !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let found = std::fs::read_dir(place).and_then(|found| found.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
    let mut parts = found.map_err(|problem| unreadable(place, &problem))?;
    parts.retain(|path| path.extension().is_some_and(|is| is == "apk"));
    parts.sort_by_key(|path| (path.file_name().is_none_or(|name| name != "base.apk"), path.clone()));
    if parts.is_empty() { Err(unreadable(place, &"no .apk file is in it")) } else { Ok(parts) }
}

fn unreadable(place: &Path, problem: &dyn Display) -> PhoneError {
    PhoneError::Failed(format!("read the package {}: {problem}", place.display()))
}

/// SHA-256 of a file, from its beginning, 64 hex digits.
pub(super) fn sha256(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let (mut digest, mut piece) = (Sha256::new(), vec![0; 256 * 1024]);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            count => digest.update(&piece[..count]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// One entry of a ZIP file by its name (PKWARE APPNOTE 6.3.10), as packages have them: stored or deflated, neither encrypted nor of more
/// than 4 GiB.
fn entry(file: &mut File, name: &str) -> io::Result<Vec<u8>> {
    let length = file.seek(SeekFrom::End(0))?;
    let tail = length.min(END_AT_MOST);
    let end = read_at(file, length - tail, tail)?;
    // Section 4.3.16: the last record is the end of the central directory, and only a comment follows it.
    let at = end.windows(4).rposition(|bytes| bytes == END).ok_or_else(|| broken("it is no ZIP file"))?;
    let end = end.get(at..at + 22).ok_or_else(|| broken("it is cut off"))?;
    let (size, start) = (number(end, 12, 4)?, number(end, 16, 4)?);
    if size > MOST || start.checked_add(size).is_none_or(|end| end > length) {
        return Err(broken("its directory is not understood"));
    }
    let directory = read_at(file, start, size)?;
    let mut at = 0;
    // Section 4.3.12: 46 bytes, then the name, extra fields and a comment.
    while let Some(head) = directory.get(at..at + 46).filter(|head| head.starts_with(ENTRY)) {
        let lengths = [number(head, 28, 2)?, number(head, 30, 2)?, number(head, 32, 2)?].map(|length| length as usize);
        if directory.get(at + 46..at + 46 + lengths[0]) == Some(name.as_bytes()) {
            let (method, packed, unpacked) = (number(head, 10, 2)?, number(head, 20, 4)?, number(head, 24, 4)?);
            if packed > MOST || unpacked > MOST {
                return Err(broken("its manifest is too long"));
            }
            // Section 4.3.7: the entry's own head is 30 bytes, and has its own name and extra fields.
            let place = number(head, 42, 4)?;
            let own = read_at(file, place, 30)?;
            let begin = place + 30 + number(&own, 26, 2)? + number(&own, 28, 2)?;
            let bytes = read_at(file, begin, packed)?;
            return match method {
                0 => Ok(bytes),
                8 => {
                    let mut whole = Vec::new();
                    DeflateDecoder::new(bytes.as_slice()).take(MOST).read_to_end(&mut whole)?;
                    Ok(whole)
                }
                _ => Err(broken("its manifest is packed in a way that is not known")),
            };
        }
        at += 46 + lengths.iter().sum::<usize>();
    }
    Err(broken("no manifest is in it"))
}

fn read_at(file: &mut File, start: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(broken("it is cut off")) }
}

/// A number of so many bytes, little-endian.
fn number(bytes: &[u8], at: usize, length: usize) -> io::Result<u64> {
    let bytes = bytes.get(at..at + length).ok_or_else(|| broken("it is cut off"))?;
    Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn broken(why: &'static str) -> io::Error {
    io::Error::other(why)
}

/// Where a package says what it is.
const MANIFEST: &str = "AndroidManifest.xml";
/// Signatures of the records of a ZIP file.
const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
/// The end of the central directory with the longest comment, bytes.
const END_AT_MOST: u64 = 22 + 65_535;
/// Longest directory and longest manifest that are read, bytes.
const MOST: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A ZIP file with one entry.
    fn zip(name: &str, method: u16, packed: &[u8], unpacked: usize) -> Vec<u8> {
        let length = |length: usize| u32::try_from(length).expect("short").to_le_bytes();
        let short = |length: usize| u16::try_from(length).expect("short").to_le_bytes();
        let about = [&method.to_le_bytes()[..], &[0; 8], &length(packed.len()), &length(unpacked), &short(name.len())].concat();
        let mut file = [&b"PK\x03\x04\x14\0\0\0"[..], &about, &short(3), name.as_bytes(), b"ext", packed].concat();
        let directory = [&b"PK\x01\x02\x14\0\x14\0\0\0"[..], &about, &[0; 16], name.as_bytes()].concat();
        let end = [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &length(directory.len()), &length(file.len()), &short(4), b"note"].concat();
        file.extend(directory);
        file.extend(end);
        file
    }

    fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("ours");
        entry(&mut file, MANIFEST).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_manifest_is_read_from_a_package_and_what_is_none_is_told() {
        assert_eq!(read(&zip(MANIFEST, 0, b"stored", 6)), Ok(b"stored".to_vec()));
        let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        deflate.write_all(&[7; 1000]).expect("ours");
        let deflated = zip(MANIFEST, 8, &deflate.finish().expect("ours"), 1000);
        assert_eq!(read(&deflated), Ok(vec![7; 1000]));
        let whole = zip(MANIFEST, 0, b"stored", 6);
        for (bytes, why) in [
            (zip("classes.dex", 0, b"stored", 6), "no manifest is in it"),
            (zip(MANIFEST, 99, b"stored", 6), "its manifest is packed in a way that is not known"),
            (Vec::new(), "it is no ZIP file"),
            (whole[whole.len() - 40..].to_vec(), "its directory is not understood"),
        ] {
            assert_eq!(read(&bytes), Err(why.to_owned()));
        }
        // Whatever is cut off or changed, nothing breaks.
        for at in 0..whole.len() {
            let _ = read(&whole[..at]);
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            let _ = read(&changed);
        }
    }

    #[test]
    fn a_file_that_is_no_package_is_told_by_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("6.14.0.apk");
        for (place, why) in [(file.as_path(), "its manifest is no binary XML"), (folder.path().join("none.apk").as_path(), "none.apk: ")] {
            std::fs::write(&file, zip(MANIFEST, 0, b"no XML", 6)).expect("ours");
            let error = PackageFile::read(place).expect_err("it is none").to_string();
            assert!(error.contains(why), "{error}");
        }
        std::fs::remove_file(&file).expect("ours");
        let error = PackageFile::read(folder.path()).expect_err("it is empty").to_string();
        assert!(error.ends_with("no .apk file is in it"), "{error}");
    }
}
