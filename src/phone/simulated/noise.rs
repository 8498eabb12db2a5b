//! What differs from run to run as it does in real apps, all drawn from the run's seed: ids, times, order, repeats, optional calls.

use sha2::{Digest, Sha256};

/// A stream of noise. The same seed and name give the same stream, whatever other streams are drawn.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    random: fastrand::Rng,
    clock_error_ms: i64,
}

/// Words for names of experiments, 400 in all.
const ADJECTIVES: [&str; 20] = [
    "amber", "brisk", "calm", "dusty", "eager", "faint", "gentle", "hollow", "idle", "jolly", "keen", "lively", "mellow", "noble", "odd",
    "plain", "quiet", "rapid", "sturdy", "tidy",
];
const NOUNS: [&str; 20] = [
    "acorn", "bridge", "candle", "dune", "ember", "ferry", "garden", "harbour", "island", "jetty", "kettle", "lantern", "meadow", "needle",
    "orchard", "pebble", "quarry", "ribbon", "saddle", "thicket",
];

impl Noise {
    /// The stream of this name.
    pub(super) fn new(seed: u64, name: &str) -> Self {
        let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name).finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        let mut random = fastrand::Rng::with_seed(u64::from_le_bytes(first));
        let clock_error_ms = random.i64(-900..900);
        Self { random, clock_error_ms }
    }

    /// How far this phone's clock is off, milliseconds.
    pub(super) const fn clock_error_ms(&self) -> i64 {
        self.clock_error_ms
    }

    /// A random (version 4) UUID.
    pub(super) fn uuid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid().to_string()
    }

    /// Sixteen bytes.
    pub(super) fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        bytes
    }

    /// True in so many percent of cases.
    pub(super) fn percent(&mut self, percent: u8) -> bool {
        self.random.u8(0..100) < percent
    }

    /// A number of a range.
    pub(super) fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        self.random.u64(range)
    }

    /// Puts things into another order.
    pub(super) fn shuffle<T>(&mut self, things: &mut [T]) {
        self.random.shuffle(things);
    }

    /// The name of an experiment.
    pub(super) fn experiment(&mut self) -> String {
        let adjective = ADJECTIVES[self.random.usize(..ADJECTIVES.len())];
        let noun = NOUNS[self.random.usize(..NOUNS.len())];
        format!("{adjective}_{noun}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_do_not_disturb_each_other() {
        let draw = |seed, name| {
            let mut noise = Noise::new(seed, name);
            (noise.uuid(), noise.experiment(), noise.within(0..1_000_000))
        };
        assert_eq!(draw(1, "app"), draw(1, "app"));
        assert_ne!(draw(1, "app"), draw(2, "app"));
        assert_ne!(draw(1, "app"), draw(1, "other app"));
    }

    #[test]
    fn percents_are_about_right() {
        let mut noise = Noise::new(7, "test");
        let hits = (0..10_000).filter(|_| noise.percent(30)).count();
        assert!((2_700..3_300).contains(&hits), "{hits}");
    }
}
