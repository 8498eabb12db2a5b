//! A conversation with a band, kept and played back: [`Recording`] writes a transcript around another central, [`Replaying`] answers
//! from one. What was said is compared byte by byte, so that a driver that changes its ways is found out where it does; what the bytes
//! mean is left to `band`.
//!
//! A transcript holds what went over the link: a person's heart rate and steps, the band's serial number, the numbers of a handshake and
//! the answers of an authentication, against which a guess at a key can be tried. They are kept because a replay needs each of them.
//! So [`Recording::create`] makes a file that only its owner can read, no error message quotes a value, and a transcript of a real band
//! belongs in no repository. What no replay needs is left out ([`Discretion`]): what strangers' devices shout, and a key itself.

mod recording;
mod replaying;
mod transcript;

pub use recording::{Discretion, Recording};
pub use replaying::Replaying;
pub use transcript::{FORMAT, Transcript, TranscriptError};
