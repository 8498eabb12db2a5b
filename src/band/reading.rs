//! Reading a band as a whole, over as many connections as it takes: a link that breaks is opened again, and the history goes on
//! where it was.

use jiff::Timestamp;

use super::{Access, Band, BandClock, BandError, BandModel, DeviceInfo, History, Workout, connect};
use crate::link::{Central, LinkError};

/// What was read of a band.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What it says of itself.
    pub info: DeviceInfo,
    /// What its clock showed on the last connection.
    pub clock: BandClock,
    /// Its minutes; `None` when it was read without a key, or the model keeps none.
    pub history: Option<History>,
    /// Its workouts since the same time, or why they are not known.
    pub workouts: Result<Vec<Workout>, BandError>,
    /// How many connections it took.
    pub connections: u32,
}

/// Connects, reads from `since` on, and on a lost link connects again and goes on where it was. It gives up after three
/// connections in a row that brought nothing new, and after [`CONNECTIONS_MAX`] in any case. The band is let go on every way out.
///
/// With [`Access::Anyone`] only what anybody in reach can read is read.
///
/// # Errors
/// The last connection's, when it gives up; at once those that no new connection can mend.
pub async fn read_history(
    central: &dyn Central,
    model: &dyn BandModel,
    address: [u8; 6],
    access: &Access,
    since: Timestamp,
) -> Result<Reading, BandError> {
    let mut progress = Progress { history: History { start: since, ..History::default() }, ..Progress::default() };
    let mut fruitless = 0;
    loop {
        progress.connections += 1;
        let before = progress.measure();
        let error = match once(central, model, address, access, since, &mut progress).await {
            Ok(workouts) => return progress.finish(Ok(workouts)),
            Err(error) => error,
        };
        fruitless = if progress.measure() > before { 0 } else { fruitless + 1 };
        if !may_pass(&error, progress.connections) || fruitless == FRUITLESS_MAX || progress.connections == CONNECTIONS_MAX {
            return progress.finish(Err(error));
        }
    }
}

/// Connections for one reading at most.
pub const CONNECTIONS_MAX: u32 = 20;

/// Connections in a row that may bring nothing new.
const FRUITLESS_MAX: u32 = 3;

/// At this level, in percent, a band that goes off does so because of its battery.
const FLAT: u8 = 5;

/// What was read so far, and stays when a link breaks.
#[derive(Default)]
struct Progress {
    connections: u32,
    info: Option<DeviceInfo>,
    clock: Option<BandClock>,
    history: History,
    minutes: Minutes,
}

/// How far the minutes are.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Minutes {
    /// Not all of them are there.
    #[default]
    Torn,
    /// All are there.
    Whole,
    /// This band gives none, to us or to anybody.
    None,
}

impl Progress {
    /// Grows with all that is read.
    const fn measure(&self) -> (usize, bool, bool) {
        (self.history.samples.len(), self.info.is_some(), !matches!(self.minutes, Minutes::Torn))
    }

    /// The reading, if all but the workouts was read; else the error that stands where they should.
    fn finish(self, workouts: Result<Vec<Workout>, BandError>) -> Result<Reading, BandError> {
        match (self.info, self.clock, self.minutes, workouts) {
            (Some(DeviceInfo { battery: Some(battery), .. }), _, Minutes::Torn, Err(BandError::Link(_))) if battery.level <= FLAT => {
                Err(BandError::Flat(battery.level))
            }
            (_, _, Minutes::Torn, Err(error)) | (None, _, _, Err(error)) | (_, None, _, Err(error)) => Err(error),
            (Some(info), Some(clock), minutes, workouts) if minutes != Minutes::Torn => {
                let history = (minutes == Minutes::Whole).then_some(self.history);
                Ok(Reading { info, clock, history, workouts, connections: self.connections })
            }
            _ => Err(BandError::Garbled("it gave its workouts and nothing else".to_owned())),
        }
    }
}

/// One connection's part; what it gives are the workouts, all else is in `progress`.
async fn once(
    central: &dyn Central,
    model: &dyn BandModel,
    address: [u8; 6],
    access: &Access,
    since: Timestamp,
    progress: &mut Progress,
) -> Result<Vec<Workout>, BandError> {
    let mut band = connect(central, model, address, access).await?;
    let read = read(band.as_mut(), since, progress).await;
    // What was read is worth more than what letting go may add to it.
    let _ = band.release().await;
    read
}

async fn read(band: &mut dyn Band, since: Timestamp, progress: &mut Progress) -> Result<Vec<Workout>, BandError> {
    if progress.info.is_none() {
        progress.info = Some(band.device_info().await?);
    }
    progress.clock = Some(band.clock().await?);
    if progress.minutes == Minutes::Torn {
        progress.minutes = match band.history(since, &mut progress.history).await {
            Ok(()) => Minutes::Whole,
            Err(BandError::NeedsKey | BandError::Unsupported(_)) => Minutes::None,
            Err(error) => return Err(error),
        };
    }
    band.workouts(since).await
}

/// Whether another connection may do better: the air lost something. A band that was never found is not looked for again here:
/// the central has taken its time for that.
const fn may_pass(error: &BandError, connections: u32) -> bool {
    match error {
        BandError::Garbled(_) | BandError::Link(LinkError::Lost | LinkError::Silent(_)) => true,
        BandError::Link(LinkError::NotFound) => connections > 1,
        _ => false,
    }
}
