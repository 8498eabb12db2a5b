//! XML as packages hold it, compiled by `aapt`: elements with their attributes and their text, which the reader of manifests leaves out.
//! Texts are shared, so that a small file makes no large tree. Layout: `frameworks/base/libs/androidfw/include/androidfw/ResourceTypes.h`, little-endian throughout. What it means is others'.

use std::sync::Arc;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: Arc<str>,
    /// Names without namespaces, and values as they were written.
    pub(super) attributes: Vec<(Arc<str>, Arc<str>)>,
    /// Its own text, up to the first element in it.
    pub(super) text: Arc<str>,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }

    /// The elements of this name right below.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| *child.name == *name)
    }
}

/// Reads a file to its root element; `None` when it is none, or not whole.
pub(super) fn read(file: &[u8]) -> Option<Element> {
    if number16(file, 0)? != FILE || file.len() > LONGEST {
        return None;
    }
    let file = file.get(..usize::try_from(number32(file, 4)?).ok()?)?;
    let mut at = usize::from(number16(file, 2)?);
    let mut strings = Vec::new();
    // Those that are open, the root first; the one before the root takes what is closed.
    let mut open = vec![Element::default()];
    while at < file.len() {
        let rest = file.get(at..)?;
        let size = usize::try_from(number32(rest, 4)?).ok().filter(|size| *size >= 8)?;
        let (chunk, head) = (rest.get(..size)?, usize::from(number16(rest, 2)?));
        match number16(chunk, 0)? {
            STRINGS => strings = pool(chunk)?,
            START if open.len() > DEEPEST => return None,
            START => open.push(start(chunk.get(head..)?, &strings)?),
            TEXT => {
                let (into, text) = (open.last_mut()?, strings.get(index(chunk, head)?)?);
                if into.text.is_empty() && into.children.is_empty() {
                    into.text = Arc::clone(text);
                }
            }
            END => {
                let closed = open.pop()?;
                open.last_mut()?.children.push(closed);
            }
            // Namespaces, and the numbers of attributes' names.
            _ => {}
        }
        at += size;
    }
    let [root] = open.as_mut_slice() else { return None };
    root.children.pop()
}

/// `ResXMLTree_attrExt` and its attributes: namespace and name at 0 and 4, then where attributes begin, their size and their number, 16
/// bits each.
fn start(tag: &[u8], strings: &[Arc<str>]) -> Option<Element> {
    let (from, size, count) = (number16(tag, 8)?, number16(tag, 10)?, number16(tag, 12)?);
    let mut element = Element { name: strings.get(index(tag, 4)?)?.clone(), ..Element::default() };
    for number in 0..usize::from(count) {
        let attribute = tag.get(usize::from(from) + number * usize::from(size).max(ATTRIBUTE)..)?;
        // `ResXMLTree_attribute`: namespace, name, what was written, and as what that was understood: size, 0, kind, data.
        let (name, kind, data) = (strings.get(index(attribute, 4)?)?.clone(), *attribute.get(15)?, number32(attribute, 16)?);
        let value = match (strings.get(index(attribute, 8)?), kind) {
            (Some(written), _) => written.clone(),
            (None, STRING) => strings.get(usize::try_from(data).ok()?)?.clone(),
            (None, BOOLEAN) => (data != 0).to_string().into(),
            (None, REFERENCE) => format!("@{data:08x}").into(),
            (None, _) => data.to_string().into(),
        };
        element.attributes.push((name, value));
    }
    Some(element)
}

/// `ResStringPool_header`: how many strings at 8, flags at 16, where they begin at 20; then where each begins from there.
fn pool(chunk: &[u8]) -> Option<Vec<Arc<str>>> {
    let head = usize::from(number16(chunk, 2)?);
    let (count, from) = (index(chunk, 8)?, index(chunk, 20)?);
    let is_utf8 = number32(chunk, 16)? & UTF8 != 0;
    let offsets = chunk.get(head..)?.get(..count.checked_mul(4)?)?;
    let strings = chunk.get(from..)?;
    let one = |offset: &[u8]| {
        let text = strings.get(usize::try_from(number32(offset, 0)?).ok()?..)?;
        if is_utf8 { utf8(text) } else { utf16(text) }
    };
    // What many names share would be copied for each.
    let mut left = LONGEST;
    let mut texts = Vec::new();
    for offset in offsets.chunks_exact(4) {
        let text = one(offset)?;
        left = left.checked_sub(text.len())?;
        texts.push(text.into());
    }
    Some(texts)
}

/// Its length in characters and in bytes, each one byte or two, and its bytes.
fn utf8(text: &[u8]) -> Option<String> {
    let length = |text: &[u8]| match *text.first()? {
        byte @ 0..0x80 => Some((usize::from(byte), 1)),
        byte => Some((usize::from(byte & 0x7f) << 8 | usize::from(*text.get(1)?), 2)),
    };
    let text = text.get(length(text)?.1..)?;
    let (bytes, skip) = length(text)?;
    Some(String::from_utf8_lossy(text.get(skip..)?.get(..bytes)?).into_owned())
}

/// Its length, one unit or two, and its units.
fn utf16(text: &[u8]) -> Option<String> {
    let (length, skip) = match number16(text, 0)? {
        unit @ 0..0x8000 => (usize::from(unit), 2),
        unit => (usize::from(unit & 0x7fff) << 16 | usize::from(number16(text, 2)?), 4),
    };
    let units: Vec<u16> =
        text.get(skip..)?.get(..length.checked_mul(2)?)?.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    Some(String::from_utf16_lossy(&units))
}

fn number16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn number32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// The number of a string, or a place; one that is none (`0xffffffff`) is the number of no string.
fn index(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(number32(bytes, at)?).ok()
}

/// Kinds of chunks: `RES_XML_TYPE` and those in it.
const FILE: u16 = 0x0003;
const STRINGS: u16 = 0x0001;
const START: u16 = 0x0102;
const END: u16 = 0x0103;
const TEXT: u16 = 0x0104;
/// Kinds of values: `Res_value::dataType`.
const REFERENCE: u8 = 0x01;
const STRING: u8 = 0x03;
const BOOLEAN: u8 = 0x12;
/// Bytes of an attribute, at least.
const ATTRIBUTE: usize = 20;
/// A flag of a pool: its strings are UTF-8.
const UTF8: u32 = 1 << 8;
/// Longest file, and most text in one, bytes: such files have a few kilobytes.
const LONGEST: usize = 1024 * 1024;
/// Elements in each other: such files have five.
const DEEPEST: usize = 32;

#[cfg(test)]
pub(super) mod fixture {
    use std::io::Read as _;

    use base64::{Engine as _, engine::general_purpose::STANDARD};

    /// The same file, compiled by `aapt` and by `aapt2`:
    ///
    /// ```xml
    /// <network-security-config>
    ///   <base-config cleartextTrafficPermitted="true">
    ///     <trust-anchors><certificates src="system" /><certificates src="user" /></trust-anchors>
    ///   </base-config>
    ///   <domain-config>
    ///     <domain includeSubdomains="true">maker.test</domain>
    ///     <trust-anchors><certificates src="system" /></trust-anchors>
    ///     <domain-config>
    ///       <domain>open.maker.test</domain>
    ///       <trust-anchors><certificates src="user" overridePins="true" /></trust-anchors>
    ///     </domain-config>
    ///     <domain-config>
    ///       <domain includeSubdomains="false">pinned.maker.test</domain>
    ///       <trust-anchors><certificates src="user" /></trust-anchors>
    ///       <pin-set expiration="2027-01-01"><pin digest="SHA-256">7HIpactkIAq2Y49orFOOQKurWxmmSFZhBCoQYcRhJ3Y=</pin></pin-set>
    ///     </domain-config>
    ///   </domain-config>
    ///   <debug-overrides><trust-anchors><certificates src="user" /></trust-anchors></debug-overrides>
    /// </network-security-config>
    /// ```
    pub(in super::super) fn files() -> [Vec<u8>; 2] {
        [AAPT, AAPT2].map(|packed| {
            let packed = STANDARD.decode(packed.replace('\n', "")).expect("Base64");
            let mut file = Vec::new();
            flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut file).expect("gzip");
            file
        })
    }

    const AAPT: &str = "\
H4sIAAAAAAACA51VS09TQRg9fVD6pLRQiloRlYULMVhf1cSFmBhQE8GaGNmVUqHBVu1DJXFh/AEujb/AlWt/gwtX/gTj2qVbPfN1RsbhjjS9N+feueee7zFn5rYRxPElAY
RQQiUCHMH+8cYal4kd4i3xjvhEfCa+Ed+Jn0Q6RB2xTGwQr4kPxEfiK/GD+EVMhIE54gxxjXhPFNFGAz28xFN0sItFdPlcR59PTfJ7ZOp818ZjPm9DdVrHE2pqVPR4f8Xr
A45rVChNHWtkO2hJvFJsMSqFTSpUbjdflJoO6zU4zuhxl/dF6tvU7khnXb6N8Nohwxnz2pD6TV2zJpWUKsbrnmRosAeVvy91O5J/i9laVDeZ2+0kJ6yaXZ+6Bqq8b/4TMc
hvM0BSxrtS4Zzuokc+S9UzPrXJBivSVLwQVnmtKq79rTLGrmrspCu+5JhJvWmLm758SVkNpeyIH02ZHTCuowdrO1CWsURcIbeE8/o6mJvywmSM6EiVo4oV3KCyjEu4TOYs
o1ewSkWNnvXYzyrfP+f7R7iIq7Jqt3CP5zruyH56yO5aPKvkN7iuy7hJ1Tr1ddzn821c4Pi6eKfc2GTUNiu6Lil/wqFJLKg78Vsf6nuZ5mkOpanILPY1Ya0JaY3iQloTB/
Ki0bmjVlzUk3vM0sQCco+Jd5I7ou4Rxs0GxJl8sSHyxXW+uJXPjTP8uDMHw8cdT8ycExaf8Mw5aWlSAT0mHT+jjCtZcWldH1Y/bk7TT2qINUiPuAZpj2cZp6bpZeIQbxZk
5x70xhzGB6PJBPiQ9fgweYgPd+VX4qAP4f/sHcVNOGtl+sh5vMl79tOU443pe3qI/VQYYj9ldY+2jyZuMsDHgsfHmSH2U3HEb7Do8Ww2YD9VMPjPN3w+oE5O+6rqTFlxR6
24QkDctJ6nipux/DJxxQC/3JyGP+b0aPiSs66GP+7ZB3MWP+v5dk4MsTbzI67NvGdtTnr28ymnX8Ofdv5v/gDsb9CoyAkAAA==";
    const AAPT2: &str = "\
H4sIAAAAAAACA51V3W7TMBR2mq4/abq0Y20pqtiEuGymUX4GEkgMpGoDpG5sEio3KE3cNuqaFMeB7gpegVtueQRegIfgAeA5uIBjGoNlxazU7TdbR+f7fPKdk05HBTQvIK
ShFvqmIdRAyYLzHP1dZcB9QBdwCnAB7wAfAB8BnwCfAV8AXwHfAT8YD3RagGuANuAhoAvoAV4BDKOz29mzd2/AF7XbeweHM8elk8P9153+rXsh6fZ6x09j8mI+nZ50X44f
PQ6P++7z8ZOb/Qconz852Lc7t++gUmngRNh2w2Doj5BpuphQf+i7DsURajbdM+wQiuf0lDhDCB9hMvUpxR6yLA8P4pEdvsGE+B5k53KeP8IRZYdw6vgBKpcXBy5vGHg+84
lD/TBA1aofuGexh0/iwSItgoSpM8FkhzKZRiPA9G1IJnaE3Zj49JzrWFY4w8GOkGuavI4jpqPrM7g+n4e/QKZwF5wC7IkUXY+IC7VG5xHFU6iVkjiithO445BEKJuNI0yg
D++1AnQaoYxWQdfZDviZLNbbTfjwxXLuwq4LOXqSoyU5LLaW7KC7wXaunRV4NYX2mpCTTdG+9DuGWM0623XgXU7hcb3cEnr1RK8u6Mk8HpefgcdlT/gzF4V4UfHMhpBTSK
mxJPmZBV5L4JnC+8jrkTV5PaUlemCu2ANT4Zl8J69l/QJvWI6V4g1f3Aees57ig6XwoXKBD89gr6b4kBF8sKS+/GueqgpvKop5kr3hdW8uMU+1/5gn0UfO20jxsabwsb7E
PDVWfAcbCs/qKfPE7mkK8WrKPUZyLixe1z+8KwKvksLLJ7+LjJcR/OI8LcUvWZPH5Rp5XO4rjxcVc3BViOcU787WEr3ZXrE324rebCnmWa6Xx+X/N78Au63MOHgIAAA=";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_attributes_and_text_come_back_from_either_compiler() {
        let [old, new] = fixture::files().map(|file| read(&file).expect("a file"));
        assert_eq!(&*old.name, "network-security-config");
        let names: Vec<&str> = old.children.iter().map(|child| &*child.name).collect();
        assert_eq!(names, ["base-config", "domain-config", "debug-overrides"]);
        for root in [&old, &new] {
            let strict = root.all("domain-config").next().expect("it is there");
            let domain = strict.all("domain").next().expect("it is there");
            assert_eq!((&*domain.text, domain.attribute("includeSubdomains")), ("maker.test", Some("true")));
            let pinned = strict.all("domain-config").nth(1).expect("it is there");
            let pins = pinned.all("pin-set").next().expect("they are there");
            assert_eq!((pins.attribute("expiration"), pins.all("pin").count()), (Some("2027-01-01"), 1));
        }
    }

    #[test]
    fn what_is_cut_off_or_flipped_is_no_file_and_does_no_harm() {
        for file in fixture::files() {
            for end in 0..file.len() {
                assert_eq!(read(&file[..end]), None, "cut off at {end}");
            }
            for at in 0..file.len() {
                for flip in [0x01, 0x80, 0xff] {
                    let mut file = file.clone();
                    file[at] ^= flip;
                    // Whatever it says then: it comes to an end.
                    let _ = read(&file);
                }
            }
        }
        assert_eq!(read(b"<network-security-config/>"), None);
    }
}
