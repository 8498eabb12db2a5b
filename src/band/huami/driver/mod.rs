//! The central's side of a conversation with a band of the family, by profile. What it writes is all there is: the
//! authentication's messages, fetch requests, the heart-rate sensor's control, and the vibration. Never firmware, configuration,
//! alarms, the time, or the "drop what I acknowledged" byte.

use std::{
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    characteristics,
    curve::PRIVATE_BYTES,
    fetch::Stored,
    profile::{Authentication, Profile},
    sensors, sport,
    time::BandTime,
};
use crate::{
    band::{Access, ActivityToday, Band, BandClock, BandError, Battery, DeviceInfo, History, Key, Sample, Workout},
    link::{GattLink, LinkError, WriteKind},
};

mod authenticate;
mod fetch;

/// Makes a band of a connection, and authenticates with a key that the band already knows.
pub(super) async fn open(profile: &Profile, link: Box<dyn GattLink>, access: &Access) -> Result<Box<dyn Band>, BandError> {
    Conversation::new(profile, link).open(access).await
}

/// Gives the band a new key and authenticates with it; `is_sent` is set when the key is on its way.
pub(super) async fn pair(
    profile: &Profile,
    link: Box<dyn GattLink>,
    new_key: &Key,
    is_sent: &AtomicBool,
) -> Result<Box<dyn Band>, BandError> {
    let mut band = Conversation::new(profile, link);
    let authenticated = match profile.authentication {
        Authentication::ChosenKey => within(PAIRS_WITHIN, band.pair(new_key, is_sent)).await,
        _ => Err(BandError::Unsupported("take a key of one's own, its key comes from the vendor's server")),
    };
    band.opened(authenticated).await
}

/// A connected band.
struct Conversation {
    link: Box<dyn GattLink>,
    profile: Profile,
    is_authenticated: bool,
    /// Both fetch characteristics notify.
    is_fetching: bool,
    /// The heart-rate sensor may be on.
    is_measuring: bool,
    /// It may be vibrating.
    is_vibrating: bool,
    /// Our private key in a handshake, where it is known beforehand: for test vectors.
    private_key: Option<[u8; PRIVATE_BYTES]>,
}

impl Conversation {
    fn new(profile: &Profile, link: Box<dyn GattLink>) -> Self {
        Self {
            link,
            profile: *profile,
            is_authenticated: false,
            is_fetching: false,
            is_measuring: false,
            is_vibrating: false,
            private_key: None,
        }
    }

    async fn open(mut self, access: &Access) -> Result<Box<dyn Band>, BandError> {
        let authenticated = match access {
            Access::Anyone => Ok(()),
            Access::Key(key) => within(OPENS_WITHIN, self.authenticate(key)).await,
        };
        self.opened(authenticated).await
    }

    /// The band, or the reason why it is let go.
    async fn opened(mut self, authenticated: Result<(), BandError>) -> Result<Box<dyn Band>, BandError> {
        match authenticated {
            Ok(()) => Ok(Box::new(self)),
            Err(error) => {
                // The reason is worth more than what letting go may add to it.
                let _ = self.link.disconnect().await;
                Err(error)
            }
        }
    }

    /// Before anything that needs the key. What a caller began and did not wait for is ended here.
    async fn ready(&mut self) -> Result<(), BandError> {
        if !self.is_authenticated {
            return Err(BandError::NeedsKey);
        }
        self.quiet().await
    }

    /// Switches off what may still be on: the sensor, the vibration.
    async fn quiet(&mut self) -> Result<(), BandError> {
        let measuring = self.stop_measuring().await;
        let vibrating = self.stop_vibrating().await;
        measuring.and(vibrating)
    }

    async fn stop_vibrating(&mut self) -> Result<(), BandError> {
        if self.is_vibrating {
            self.send(characteristics::ALERT_LEVEL, &sensors::ALERT_OFF).await?;
            self.is_vibrating = false;
        }
        Ok(())
    }

    async fn send(&mut self, characteristic: Uuid, value: &[u8]) -> Result<(), BandError> {
        Ok(self.link.write(characteristic, value, WriteKind::WithoutResponse).await?)
    }

    /// The next notification of one of these characteristics; others are passed over.
    async fn next(&mut self, wanted: &[Uuid], within: Duration) -> Result<(Uuid, Vec<u8>), BandError> {
        let begun = Instant::now();
        for _ in 0..PATIENCE {
            // The limit is always the same, not what is left of it, so that a recorded conversation can be replayed.
            let notification = self.link.notification(within).await?;
            if wanted.contains(&notification.characteristic) {
                return Ok((notification.characteristic, notification.value));
            }
            if begun.elapsed() >= within {
                return Err(LinkError::Silent(within).into());
            }
        }
        Err(garbled(format!("it talked {PATIENCE} times of other things than it was asked")))
    }

    /// What it says of itself, as `read` understands it; `None` when it has none for us, and when that is in another form, which is noted as
    /// `what`. One thing that is odd costs none of the others.
    async fn told<T>(
        &mut self,
        characteristic: Uuid,
        (what, odd): (&'static str, &mut Vec<&'static str>),
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, BandError> {
        let Some(value) = self.said(characteristic).await?.filter(|value| !value.is_empty()) else { return Ok(None) };
        let understood = read(&value);
        if understood.is_none() {
            odd.push(what);
        }
        Ok(understood)
    }

    /// The value of a characteristic; `None` when the band does not have it, or does not tell us.
    async fn said(&mut self, characteristic: Uuid) -> Result<Option<Vec<u8>>, BandError> {
        match self.link.read(characteristic).await {
            Ok(value) => Ok(Some(value)),
            Err(LinkError::NoCharacteristic(_) | LinkError::Refused(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn battery(&mut self, odd: &mut Vec<&'static str>) -> Result<Option<Battery>, BandError> {
        const WHAT: &str = "battery";
        let battery = self.told(characteristics::BATTERY, (WHAT, &mut *odd), sensors::battery).await?;
        if battery.is_some() {
            return Ok(battery);
        }
        let level = self.told(characteristics::BATTERY_LEVEL, (WHAT, &mut *odd), sensors::battery_level).await?;
        // Said twice, it is odd when neither is understood, and then once.
        odd.retain(|what| *what != WHAT || level.is_none());
        odd.dedup();
        Ok(level)
    }

    /// The clock, without which a time that the band is asked for, or gives, means nothing.
    async fn times(&mut self) -> Result<BandClock, BandError> {
        match self.clock().await {
            Err(BandError::Unsupported(_)) => Err(garbled("it does not tell what time it is by its clock".to_owned())),
            clock => clock,
        }
    }

    async fn heart_rate_control(&mut self, value: &[u8]) -> Result<(), BandError> {
        Ok(self.link.write(characteristics::HEART_RATE_CONTROL, value, WriteKind::WithResponse).await?)
    }

    async fn stop_measuring(&mut self) -> Result<(), BandError> {
        if self.is_measuring {
            self.heart_rate_control(&sensors::MEASURE_OFF).await?;
            self.is_measuring = false;
        }
        Ok(())
    }

    /// Switches the sensor on and waits for the first pulse that it finds.
    async fn pulse(&mut self, within: Duration) -> Result<u8, BandError> {
        for value in [sensors::MEASURE_OFF, sensors::CONTINUOUS_OFF, sensors::MEASURE_ON] {
            self.heart_rate_control(&value).await?;
        }
        let begun = Instant::now();
        let (mut left, mut found_none) = (within, false);
        for _ in 0..PATIENCE {
            let slice = left.min(if found_none { STARTS_ANEW_AFTER } else { KEEP_ALIVE_EVERY });
            let silent = match self.next(&[characteristics::HEART_RATE], slice).await {
                Ok((_, value)) => match sensors::heart_rate(&value) {
                    Some(beats) => return Ok(beats),
                    None => false,
                },
                Err(BandError::Link(LinkError::Silent(_))) => true,
                Err(error) => return Err(error),
            };
            if silent {
                left = left.saturating_sub(slice);
            }
            if left.is_zero() || begun.elapsed() >= within {
                break;
            }
            // A value without a pulse: either it is still looking, and wants to know that somebody waits, or that was its last word.
            let over = silent && found_none;
            self.heart_rate_control(if over { &sensors::MEASURE_ON } else { &sensors::KEEP_ALIVE }).await?;
            found_none = !silent;
        }
        Err(LinkError::Silent(within).into())
    }

    /// What a batch of minutes adds to a history.
    fn append(&self, batch: &fetch::Batch, since: Timestamp, into: &mut History) -> Result<(), BandError> {
        let samples = self.profile.sample_form.read(&batch.payload);
        let samples = samples.ok_or_else(|| garbled("a sample is torn in two".to_owned()))?;
        let first = floor_to_minute(batch.first.timestamp().ok_or_else(|| garbled("a batch starts at no time at all".to_owned()))?);
        let next = into.end().unwrap_or(since);
        let gap = minutes_between(next, first);
        let gap = gap.ok_or_else(|| garbled(format!("asked for {next}, it sends a batch that starts at {first}")))?;
        if samples.is_empty() {
            return Ok(());
        }
        if into.samples.is_empty() {
            into.start = first;
        } else if into.samples.len() + gap + samples.len() > MINUTES_MAX {
            return Err(garbled(format!("after {next} it sends a batch that starts at {first}, longer after than it can hold")));
        } else {
            into.samples.extend(std::iter::repeat_n(Sample::NONE, gap));
        }
        into.samples.extend(samples);
        Ok(())
    }

    /// One workout that began at a time or later; `None` when there is none.
    async fn workout(&mut self, from: Timestamp, utc_offset_s: i32) -> Result<Option<Workout>, BandError> {
        let Some(batch) = self.whole_batch(Stored::SportSummary, BandTime::at(from, utc_offset_s)).await? else { return Ok(None) };
        let (mut workout, base) = sport::summary(&batch.payload).map_err(garbled)?;
        if workout.start < from {
            return Err(garbled(format!("asked for workouts from {from} on, it gives one of {}", workout.start)));
        }
        if let Some(batch) = self.whole_batch(Stored::SportDetails, BandTime::at(workout.start, utc_offset_s)).await? {
            sport::details(&batch.payload, base, &mut workout).map_err(garbled)?;
        }
        Ok(Some(workout))
    }
}

#[async_trait]
impl Band for Conversation {
    fn is_authenticated(&self) -> bool {
        self.is_authenticated
    }

    async fn device_info(&mut self) -> Result<DeviceInfo, BandError> {
        let odd = &mut Vec::new();
        let text = |value: &[u8]| std::str::from_utf8(value).ok().map(|text| text.trim_end_matches('\0').to_owned());
        let address = self.told(characteristics::SYSTEM_ID, ("address", &mut *odd), sensors::address_of_system_id).await?;
        let serial = self.told(characteristics::SERIAL, ("serial number", &mut *odd), text).await?;
        let hardware = self.told(characteristics::HARDWARE, ("hardware revision", &mut *odd), text).await?;
        let firmware = self.told(characteristics::FIRMWARE, ("firmware version", &mut *odd), text).await?;
        let battery = self.battery(odd).await?;
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (serial, hardware, firmware) = (some(serial), some(hardware), some(firmware));
        Ok(DeviceInfo { address, serial, hardware, firmware, battery, odd: std::mem::take(odd) })
    }

    async fn clock(&mut self) -> Result<BandClock, BandError> {
        let value = self.said(characteristics::CURRENT_TIME).await?.ok_or(BandError::Unsupported("tell us what time it is"))?;
        let time = BandTime::from_long(&value).and_then(|time| Some((time.timestamp()?, time.utc_offset_s())));
        let (now, utc_offset_s) = time.ok_or_else(|| garbled("its clock shows no time".to_owned()))?;
        Ok(BandClock { now, utc_offset_s })
    }

    async fn activity_today(&mut self) -> Result<ActivityToday, BandError> {
        self.ready().await?;
        let value = self.link.read(characteristics::STEPS).await?;
        sensors::activity_today(&value).ok_or_else(|| garbled("its steps of the day cannot be read".to_owned()))
    }

    async fn measure_heart_rate(&mut self, within: Duration) -> Result<u8, BandError> {
        self.ready().await?;
        self.link.subscribe(characteristics::HEART_RATE).await?;
        self.is_measuring = true;
        let measured = self.pulse(within).await;
        let stopped = self.stop_measuring().await;
        let beats = measured?;
        stopped?;
        Ok(beats)
    }

    async fn history(&mut self, since: Timestamp, into: &mut History) -> Result<(), BandError> {
        self.ready().await?;
        let since = floor_to_minute(since);
        let BandClock { now, utc_offset_s } = self.times().await?;
        if into.samples.is_empty() {
            *into = History { start: since, utc_offset_s, samples: Vec::new() };
        } else if into.utc_offset_s != utc_offset_s {
            return Err(garbled("its clock was set to another time zone while it was read".to_owned()));
        }
        // A batch is at least one minute, so this ends after MINUTES_MAX rounds at the latest; a real band needs a few.
        while into.samples.len() < MINUTES_MAX {
            let room = (MINUTES_MAX - into.samples.len()) * self.profile.sample_form.bytes();
            let next = into.end().unwrap_or(since);
            let batch = match self.batch(Stored::Activity, BandTime::at(next, utc_offset_s), room).await {
                Ok(Some(batch)) => batch,
                Ok(None) => break,
                // Asked for a minute that is not over by its own clock, a band may refuse: it has told all.
                Err(BandError::Refused(_)) if !into.samples.is_empty() && next >= floor_to_minute(now) => break,
                Err(error) => return Err(error),
            };
            self.append(&batch, since, into)?;
            if let Some(error) = batch.cut_by {
                return Err(error);
            }
            if batch.payload.is_empty() {
                break;
            }
        }
        Ok(())
    }

    async fn workouts(&mut self, since: Timestamp) -> Result<Vec<Workout>, BandError> {
        self.ready().await?;
        if self.profile.workouts.is_none() {
            return Err(BandError::Unsupported("give its workouts in a form that is understood"));
        }
        let utc_offset_s = self.times().await?.utc_offset_s;
        let mut workouts = Vec::new();
        // Requests are to the second.
        let mut from = Timestamp::from_second(since.as_second()).unwrap_or(since);
        while workouts.len() < WORKOUTS_MAX {
            let Some(workout) = self.workout(from, utc_offset_s).await? else { return Ok(workouts) };
            from = workout.start.checked_add(SignedDuration::from_secs(1)).map_err(|error| garbled(error.to_string()))?;
            workouts.push(workout);
        }
        Err(garbled(format!("it has more than {WORKOUTS_MAX} workouts")))
    }

    async fn vibrate(&mut self) -> Result<(), BandError> {
        self.ready().await?;
        self.is_vibrating = true;
        self.send(characteristics::ALERT_LEVEL, &sensors::ALERT_ON).await?;
        // Nothing is waited for but the time.
        let _ = self.next(&[], VIBRATES_FOR).await;
        self.stop_vibrating().await
    }

    async fn release(&mut self) -> Result<(), BandError> {
        let stopped = self.quiet().await;
        self.link.disconnect().await?;
        stopped
    }
}

/// What takes longer is given up.
async fn within(limit: Duration, work: impl Future<Output = Result<(), BandError>>) -> Result<(), BandError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(BandError::Link(LinkError::Silent(limit))))
}

/// How long showing the key may take in all, however much the band says meanwhile: three answers and what lies between.
const OPENS_WITHIN: Duration = Duration::from_secs(60);

/// The same, with a new key and a wearer who has to tap.
const PAIRS_WITHIN: Duration = Duration::from_secs(110);

/// How long the band may take to say the next thing.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The sensor stops by itself after twelve seconds without a sign of life.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(8);

/// After a value without a pulse, a sensor that is still looking says the next one in a second or so; one that is not has ended.
const STARTS_ANEW_AFTER: Duration = Duration::from_secs(3);

/// How long it vibrates when somebody looks for it.
const VIBRATES_FOR: Duration = Duration::from_secs(1);

/// Notifications of other characteristics that may come before the one waited for.
const PATIENCE: usize = 256;

/// Minutes a band can hold at most: the apps ask for a hundred days on the first sync, and no band of this family holds more.
const MINUTES_MAX: usize = 100 * 24 * 60;

/// Workouts that are read at most; bands of this family hold some dozens.
const WORKOUTS_MAX: usize = 1000;

fn garbled(what: String) -> BandError {
    BandError::Garbled(what)
}

fn floor_to_minute(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second().div_euclid(60) * 60).unwrap_or(time)
}

/// Whole minutes from one time to a later or equal one.
fn minutes_between(from: Timestamp, to: Timestamp) -> Option<usize> {
    usize::try_from((to.as_second() - from.as_second()).div_euclid(60)).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As [`open`], with a private key that is known beforehand.
    pub(in crate::band::huami) async fn open_with(
        profile: &Profile,
        link: Box<dyn GattLink>,
        key: Key,
        private_key: [u8; PRIVATE_BYTES],
    ) -> Result<Box<dyn Band>, BandError> {
        let mut band = Conversation::new(profile, link);
        band.private_key = Some(private_key);
        band.open(&Access::Key(key)).await
    }

    /// A band past its door, for those whose link opens none.
    pub(in crate::band::huami) fn inside(profile: &Profile, link: Box<dyn GattLink>) -> Box<dyn Band> {
        let mut band = Conversation::new(profile, link);
        band.is_authenticated = true;
        Box::new(band)
    }

    /// The minutes that a history may have at most.
    pub(in crate::band::huami) const MOST_MINUTES: usize = MINUTES_MAX;
}
