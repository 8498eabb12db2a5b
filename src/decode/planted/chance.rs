//! How unlikely it is that something planted stands somewhere by chance: how much a form says, in bits, against the number of
//! places that were searched and of forms like it that were searched for. No list of "short" values: every one is judged.

use crate::model::Certainty;

/// What a form is written in, which says what else could have stood there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Alphabet {
    /// Words, numbers and marks, of either case.
    Text,
    Hex,
    Base64,
    Raw,
}

/// Bits that a form says: the logarithm of the number of equally likely things that could stand in its place. What only
/// repeats, alternates or counts on (`00000000`, `abababab`, `12345678`) says next to nothing.
pub(super) fn bits(form: &[u8], alphabet: Alphabet) -> f32 {
    let folded = |at: usize| match alphabet {
        Alphabet::Text | Alphabet::Hex => form[at].to_ascii_lowercase(),
        Alphabet::Base64 | Alphabet::Raw => form[at],
    };
    let step = |at: usize| folded(at).wrapping_sub(folded(at - 1));
    let goes_on = |at: usize| {
        (at >= 2 && step(at) == 0 && step(at - 1) == 0)
            || (at >= 3 && matches!(step(at), 1 | 255) && step(at) == step(at - 1) && step(at) == step(at - 2))
            || (at >= 4 && folded(at) == folded(at - 2) && folded(at - 1) == folded(at - 3) && folded(at) == folded(at - 4))
    };
    let fresh = |at: usize| match (alphabet, folded(at)) {
        (Alphabet::Hex, _) => 4.0,
        (Alphabet::Base64, _) => 6.0,
        (Alphabet::Raw, _) => 8.0,
        (Alphabet::Text, b'a'..=b'z') => LETTER,
        (Alphabet::Text, b'0'..=b'9') => DIGIT,
        // The two bytes of a letter with an accent say about as much as one letter.
        (Alphabet::Text, 0x80..) => LETTER / 2.0,
        (Alphabet::Text, _) => MARK,
    };
    (0..form.len()).map(|at| if goes_on(at) { GOES_ON } else { fresh(at) }).sum()
}

/// How certain a form is that would be found so many times by chance (the places searched, less by the bits that it says), when
/// so many forms like it were looked for; `None` when it may well be chance.
pub(super) fn judge(by_chance: f64, alike: u32) -> Option<Certainty> {
    let expected = by_chance * f64::from(alike.max(1));
    if expected < CERTAIN {
        Some(Certainty::Certain)
    } else if expected < LIKELY {
        Some(Certainty::Likely)
    } else {
        None
    }
}

/// Whether a form that says so many bits may be chance even alone in a request.
pub(super) fn is_short(bits: f32) -> bool {
    judge(expected(bits, 1.0), 1).is_none()
}

/// How often a form that says so many bits is found by chance in so many places.
pub(super) fn expected(bits: f32, places: f64) -> f64 {
    places.max(1.0) * f64::from(-bits).exp2()
}

/// The same for so many bytes of random data. A byte there says more than a character of what the form is written in.
pub(super) fn expected_in_noise(bits: f32, alphabet: Alphabet, bytes: f64) -> f64 {
    expected(if alphabet == Alphabet::Raw { bits } else { bits * BITS_IN_NOISE }, bytes)
}

/// Whether a form is certain in every request that can be.
pub(super) fn always_certain(bits: f32, alike: u32) -> bool {
    judge(expected(bits, MOST_PLACES), alike) == Some(Certainty::Certain)
}

/// How many of some bytes are text. Of random bytes, 96 of 256 look like it.
pub(super) fn text_bytes(bytes: &[u8]) -> f64 {
    let printable = bytes.iter().filter(|byte| matches!(byte, b' '..=b'~' | b'\n')).count() as f64;
    let by_chance = 96.0 / 256.0;
    ((printable - by_chance * bytes.len() as f64) / (1.0 - by_chance)).max(0.0)
}

/// Expected number of hits by chance in one request.
pub(super) const CERTAIN: f64 = 1e-9;
/// [`Certainty::Likely`] promises 10^-4 for a whole request, in which forms of some ten kinds are searched for.
pub(super) const LIKELY: f64 = 1e-5;
/// Under a name that speaks of the value, in a field that there are many of.
pub(super) const UNDER_A_NAME: f64 = 0.1;
/// A request of 64 MiB has no more places than bytes.
const MOST_PLACES: f64 = 67_108_864.0;

/// The logarithm of 26: case is folded.
const LETTER: f32 = 4.7;
const DIGIT: f32 = 3.32;
/// Separators stand where they are expected.
const MARK: f32 = 1.5;
const GOES_ON: f32 = 0.5;
/// A letter of either case is one of 128 bytes, a base64 character one of 256: at least a third more.
const BITS_IN_NOISE: f32 = 1.33;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_or_counts_on_says_little() {
        for (form, most) in
            [("00000000", 11.0), ("1111111111111111", 15.0), ("12345678", 13.0), ("abababab", 22.0), ("171", 10.0), ("63.4", 12.0)]
        {
            let says = bits(form.as_bytes(), Alphabet::Text);
            assert!(says < most, "{form}: {says}");
        }
        assert!(bits(b"e2fc714c4727ee9395f324cd2e7f331f", Alphabet::Hex) > 120.0);
        assert!(bits(b"C0FFEE123456", Alphabet::Hex) > 35.0);
    }

    #[test]
    fn the_same_form_is_certain_in_a_small_request_and_chance_in_a_large_one() {
        let judged = |bits, alike, places| judge(expected(bits, places), alike);
        let crc = bits(b"cbf43926", Alphabet::Hex);
        assert_eq!(judged(crc, 1, 10.0), Some(Certainty::Likely));
        assert_eq!(judged(crc, 1_000, 100.0), None);
        let md5 = bits(b"900150983cd24fb0d6963f7d28e17f72", Alphabet::Hex);
        assert!(always_certain(md5, 10_000));
        assert_eq!(judged(bits(b"171", Alphabet::Text), 1, 1.0), None);
        let name = bits(b"Quillon", Alphabet::Text);
        assert_eq!(judged(name, 1, 100.0), Some(Certainty::Likely));
        // The same seven bytes say more where any byte could stand.
        assert_eq!(judge(expected_in_noise(name, Alphabet::Text, 1e7), 1), Some(Certainty::Likely));
        assert_eq!(judged(name, 1, 1e7), None);
    }

    #[test]
    fn text_is_told_from_noise() {
        let noise: Vec<u8> = (0..=255).collect();
        assert!(text_bytes(&noise) < 2.0 && text_bytes(&[0; 100]) == 0.0 && text_bytes(b"a text, all of it") > 16.9);
    }
}
