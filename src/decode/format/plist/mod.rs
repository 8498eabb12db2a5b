//! Apple's property lists: binary (`bplist00`, described in CoreFoundation's CFBinaryPList.c) and XML.

mod binary;
mod xml;

use crate::model::Encoding;

use super::{
    super::walker::{Place, Surface, Walker},
    Decoder,
};

pub(super) use self::{
    binary::is_binary,
    xml::{is_xml_plist, walk_xml_plist},
};

/// A binary property list. Those in XML are told from other XML by `xml`.
pub(super) struct Plist;

impl Decoder for Plist {
    fn peel(&self, bytes: &[u8], place: Place, _surface: Surface, walker: &mut Walker<'_>) -> bool {
        if !bytes.starts_with(b"bplist") || !walker.may_look(bytes.len() * 2) {
            return false;
        }
        let Some(objects) = binary::Objects::read(bytes) else { return false };
        walker.document(Encoding::Plist, bytes, place, |walker, place| objects.walk(place, walker));
        true
    }
}

/// A date as text: property lists count seconds from 2001-01-01T00:00:00Z.
fn date(seconds: f64) -> Option<String> {
    let whole = seconds.is_finite().then_some(seconds + SECONDS_TO_2001)?;
    // Years beyond those of a calendar end as numbers; the cast saturates.
    jiff::Timestamp::from_second(whole.floor() as i64).ok().map(|time| time.to_string())
}

/// From 1970 to 2001.
const SECONDS_TO_2001: f64 = 978_307_200.0;
