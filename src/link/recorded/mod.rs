//! A conversation with a band, kept and played back: [`Recording`] writes a transcript around another central, [`Replaying`] answers
//! from one. What was said is compared byte by byte, so that a driver that changes its ways is found out where it does; what the bytes
//! mean is left to `band`.
//!
//! A transcript holds whatever went over the link: a person's heart rate and steps, the band's serial number, and the answers of an
//! authentication, from which a key of old firmware can be computed or tried. They are kept because a replay needs each of them.
//! So [`Recording::create`] makes a file that only its owner can read, no error message quotes a value, and a transcript of a real band
//! belongs in no repository.

mod recording;
mod replaying;
mod transcript;

pub use recording::Recording;
pub use replaying::Replaying;
pub use transcript::{FORMAT, Transcript, TranscriptError};
