//! A day of a band that can be told from any other, and what a recording's conservation table says of it.

use std::collections::BTreeSet;

use jiff::{Timestamp, civil::Date};
use tattletale::{
    audit::{self, AuditInput, Subject},
    band::Sample,
    decode,
    diff::Counting,
    model::{
        App, Bodies, Conservation, ConservationRow, NoBodies, NumberedEvent, Observations, Policy, Provenance, Quantity, Recording,
        RecordingError, Report, RunEvent,
    },
};

/// Of a day from one o'clock to the next: a reading in five of six minutes, a walk now and then, no two half-hours alike.
pub(crate) fn samples(seed: u64) -> Vec<Sample> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rate = 64_i32;
    let samples: Vec<Sample> = (0..1440_u32)
        .map(|minute| {
            rate = (rate + random.i32(-4..=4) + if random.u8(..) < 5 { random.i32(-18..=22) } else { 0 }).clamp(46, 168);
            let walks = minute % 200 > 150 && random.u8(..3) > 0;
            let asleep = (600..1000).contains(&minute);
            let (kind, steps) = match (walks && !asleep, asleep) {
                (true, _) => (1, random.u8(3..120)),
                (false, true) => (if minute % 90 > 55 { 0x7b } else { 0x79 }, 0),
                (false, false) => (0x50, 0),
            };
            let heart_rate = if minute % 6 == 5 { 0xff } else { u8::try_from(rate).expect("clamped") };
            Sample { kind, intensity: random.u8(1..60), steps, heart_rate }
        })
        .collect();
    let half_hours: Vec<Vec<u8>> = samples.chunks(30).map(|half| half.iter().map(|sample| sample.heart_rate).collect()).collect();
    assert_eq!(half_hours.iter().collect::<BTreeSet<_>>().len(), 48, "no two half-hours are alike");
    samples
}

/// A recording out of memory.
pub(crate) struct Recorded {
    pub(crate) provenance: Provenance,
    pub(crate) events: Vec<RunEvent>,
}

impl Recording for Recorded {
    fn name(&self) -> String {
        format!("run {}", self.provenance.run)
    }

    fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    fn replay(&self, each: &mut dyn FnMut(&NumberedEvent, &dyn Bodies)) -> Result<(), RecordingError> {
        for (n, event) in (1..).zip(&self.events) {
            each(&NumberedEvent { n, at: Timestamp::UNIX_EPOCH, event: event.clone() }, &NoBodies);
        }
        Ok(())
    }
}

/// The report on these recordings, without a baseline.
pub(crate) fn report(recordings: &[&dyn Recording], app: &App) -> Report {
    let mut observations = Observations::default();
    for recording in recordings {
        decode::merge(&mut observations, audit::observe(*recording, app).expect("readable"));
    }
    let subject = Subject::of(recordings.iter().map(|recording| (recording.name(), recording.provenance()))).expect("there are runs");
    audit::audit(&AuditInput {
        observations: &observations,
        subject: &subject,
        about: "",
        baseline: None,
        policy: &Policy::default(),
        today: Date::constant(2026, 11, 23),
        counting: Counting::R7,
        tool: "test",
    })
    .report
}

/// What the one table says of a quantity.
pub(crate) fn row(tables: &[Conservation], quantity: Quantity) -> ConservationRow {
    let [table] = tables else { panic!("one table: {tables:#?}") };
    table.rows.iter().find(|row| row.quantity == quantity).expect("every quantity has a row").clone()
}
