//! What an advertisement says in clear, to everybody in reach, of a band that we know.

use super::{BandModel, MODELS, huami};
use crate::link::{Advertisement, discreet};

/// What a band shouts. Somebody else's band is none of our business: whoever shows these values first makes sure whose it is.
#[derive(Clone)]
pub struct Shouted {
    /// Which model, by its name; `None` for one of the family that is not in [`MODELS`].
    pub model: Option<&'static dyn BandModel>,
    /// Device address, display order, as it came over the air: constant for life in this family.
    pub address: [u8; 6],
    /// Steps of the day.
    pub steps: Option<u32>,
    /// Last heart rate, beats per minute.
    pub heart_rate: Option<u8>,
}

discreet!(Shouted);

/// What an advertisement says in clear of a band of ours; `None` when it is none.
pub fn shouts(advertisement: &Advertisement) -> Option<Shouted> {
    let model = advertisement.name.as_deref().and_then(|name| MODELS.iter().copied().find(|model| model.is_named(name)));
    let told = huami::advertisement::read(advertisement);
    if model.is_none() && told.is_none() {
        return None;
    }
    let told = told.unwrap_or_default();
    // Whose it is says the address on the air. The company data repeats it, and anybody can copy those bytes; where the stack hides the
    // true address, the link has put theirs in its place already.
    Some(Shouted { model, address: advertisement.address, steps: told.steps, heart_rate: told.heart_rate })
}
