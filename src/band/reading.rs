//! Reading a band as a whole, over as many connections as it takes: a link that breaks is opened again, and the history goes on
//! where it was.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::{Access, Band, BandClock, BandError, BandModel, DeviceInfo, History, Workout, connect};
use crate::link::{Central, LinkError, discreet};

/// What was read of a band.
#[derive(Clone, PartialEq)]
pub struct Reading {
    /// What it says of itself.
    pub info: DeviceInfo,
    /// Whether the band took our key on the last connection. Without, all that is here is what it tells anyone.
    pub is_authenticated: bool,
    /// What its clock showed on the last connection; `None` for a model without one.
    pub clock: Option<BandClock>,
    /// Its minutes; `None` when the model keeps none, or gives them to nobody without a key.
    pub history: Option<History>,
    /// Whether minutes are missing because they need a key that was not given.
    pub needs_key: bool,
    /// Its workouts since the same time, or why they are not known.
    pub workouts: Result<Vec<Workout>, BandError>,
    /// How many connections it took.
    pub connections: u32,
}

discreet!(Reading);

/// Connects, reads from `since` on, and on a lost link connects again and goes on where it was. It gives up after three
/// connections in a row that brought nothing new, after [`CONNECTIONS_MAX`], and when the time `within` is over, however much the
/// band still says. It is let go on every way out.
///
/// With [`Access::Anyone`] only what anybody in reach can read is read.
///
/// # Errors
/// The last connection's, when it gives up; at once those that no new connection can mend; [`BandError::Unfinished`].
pub async fn read_history(
    central: &dyn Central,
    model: &dyn BandModel,
    address: [u8; 6],
    access: &Access,
    since: Timestamp,
    within: Duration,
) -> Result<Reading, BandError> {
    let until = Instant::now() + within.min(LONGEST);
    let mut progress = Progress { history: History { start: since, ..History::default() }, ..Progress::default() };
    let mut fruitless = 0;
    loop {
        progress.connections += 1;
        let before = progress.measure();
        let error = match once(central, model, address, access, since, until, &mut progress).await {
            Ok(Ok(workouts)) => return progress.finish(Ok(workouts)),
            Ok(Err(error)) => error,
            Err(Late) => {
                let minutes = progress.history.samples.len();
                return progress.finish(Err(BandError::Unfinished { within, minutes }));
            }
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

/// At this level, in percent, a band that falls silent may have gone off.
const FLAT: u8 = 5;

/// A limit that lies further ahead is none.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The time is over.
struct Late;

/// What was read so far, and stays when a link breaks.
#[derive(Default)]
struct Progress {
    connections: u32,
    info: Option<DeviceInfo>,
    is_authenticated: bool,
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
    /// It gives none to anyone without its key.
    Withheld,
    /// It keeps none.
    None,
}

impl Progress {
    /// Grows with all that is read.
    const fn measure(&self) -> (usize, bool, bool) {
        (self.history.samples.len(), self.info.is_some(), !matches!(self.minutes, Minutes::Torn))
    }

    /// The reading, if all but the workouts was read; else the error that stands where they should.
    fn finish(self, workouts: Result<Vec<Workout>, BandError>) -> Result<Reading, BandError> {
        match (self.info, self.minutes, workouts) {
            (Some(DeviceInfo { battery: Some(battery), .. }), Minutes::Torn, Err(BandError::Link(error)))
                if battery.level <= FLAT && is_silence(&error) =>
            {
                Err(BandError::Flat { level: battery.level, error })
            }
            (_, Minutes::Torn, Err(error)) | (None, _, Err(error)) => Err(error),
            (Some(info), minutes, workouts) if minutes != Minutes::Torn => Ok(Reading {
                info,
                is_authenticated: self.is_authenticated,
                clock: self.clock,
                history: (minutes == Minutes::Whole).then_some(self.history),
                needs_key: minutes == Minutes::Withheld,
                workouts,
                connections: self.connections,
            }),
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
    until: Instant,
    progress: &mut Progress,
) -> Result<Result<Vec<Workout>, BandError>, Late> {
    let mut band = match timeout_at(until, connect(central, model, address, access)).await {
        Ok(Ok(band)) => band,
        Ok(Err(error)) => return Ok(Err(error)),
        Err(_) => return Err(Late),
    };
    let read = timeout_at(until, read(band.as_mut(), since, progress)).await;
    // What was read is worth more than what letting go may add to it.
    let _ = band.release().await;
    read.map_err(|_| Late)
}

async fn read(band: &mut dyn Band, since: Timestamp, progress: &mut Progress) -> Result<Vec<Workout>, BandError> {
    progress.is_authenticated = band.is_authenticated();
    if progress.info.is_none() {
        progress.info = Some(band.device_info().await?);
    }
    progress.clock = match band.clock().await {
        Ok(clock) => Some(clock),
        // Without its key nothing that it tells depends on its clock; with it, the minutes say what is wrong.
        Err(BandError::Unsupported(_) | BandError::Garbled(_)) => None,
        Err(error) => return Err(error),
    };
    if progress.minutes == Minutes::Torn {
        progress.minutes = match band.history(since, &mut progress.history).await {
            Ok(()) => Minutes::Whole,
            Err(BandError::NeedsKey) => Minutes::Withheld,
            Err(BandError::Unsupported(_)) => Minutes::None,
            Err(error) => return Err(error),
        };
    }
    band.workouts(since).await
}

/// Whether a band that has gone off would look like this. What this machine's own Bluetooth lacks says nothing of the band.
const fn is_silence(error: &LinkError) -> bool {
    matches!(error, LinkError::Lost | LinkError::NotFound | LinkError::Silent(_) | LinkError::Unanswered { .. })
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
