//! The stand-in companion app: one task that reads the band over its link and talks to the cloud through the phone's proxy. What
//! each call says is `calls`'; this file decides when it is made.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, tz::Offset};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    BandAccess, Place, Profile,
    calls::{Caller, Optional, Stored},
    client::{Answer, Client, Request},
    noise::Noise,
    uploads,
    versions::StandInVersion,
    vocabulary::Vocabulary,
};
use crate::{
    band::{self, Access, Band, BandError, DeviceInfo},
    clock::Hold,
    link::{Central, LinkError},
    model::Position,
};

/// What the person at the phone, or the phone itself, does to the app.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Command {
    /// Another app is in front now.
    Background,
    /// In front again; whether the position may be known is decided anew.
    Front {
        may_locate: MayLocate,
    },
    /// Whether the position may be known is decided anew.
    MayLocate(MayLocate),
    /// The phone has moved.
    Moved(Position),
    PullToRefresh,
    StartWorkout,
    StopWorkout,
}

/// Whether the app may know where the phone is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MayLocate {
    pub(super) in_front: bool,
    pub(super) in_background: bool,
}

/// A command on its way. Its hold keeps simulated time from jumping before the app has picked it up.
pub(super) struct Message {
    pub(super) command: Command,
    pub(super) hold: Hold,
}

/// The app and what it works with.
pub(super) struct StandIn {
    pub(super) hold: Hold,
    pub(super) client: Client,
    pub(super) central: Arc<dyn Central>,
    pub(super) band: BandAccess,
    pub(super) version: &'static StandInVersion,
    pub(super) vocabulary: Vocabulary,
    pub(super) profile: Profile,
    pub(super) place: Place,
    pub(super) stored: Arc<Mutex<Stored>>,
    pub(super) noise: Noise,
    pub(super) may_locate: MayLocate,
    /// Whether the phone's radios are off.
    pub(super) airplane: Arc<AtomicBool>,
}

/// What the app has in hand besides what it was started with.
struct Agenda {
    next_sync: Timestamp,
    /// While in the background.
    background: Option<Background>,
    workout: Option<Workout>,
    /// Requests to be sent again.
    later: Vec<Later>,
}

struct Background {
    next_heartbeat: Timestamp,
    next_weather: Timestamp,
}

struct Workout {
    began: Timestamp,
    track: Vec<Position>,
}

struct Later {
    at: Timestamp,
    request: Request,
    /// How often it may still fail before the app gives up.
    tries: u32,
}

const SYNC_EVERY: SignedDuration = SignedDuration::from_mins(30);
const HEARTBEAT_EVERY: SignedDuration = SignedDuration::from_mins(10);
const WEATHER_EVERY: SignedDuration = SignedDuration::from_mins(30);

/// A repeated event follows the first one after this time.
const REPEAT_AFTER: SignedDuration = SignedDuration::from_secs(1);

/// A failed upload is tried again after this time, this often.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(5);
const RETRIES: u32 = 2;

/// Requests waiting to be sent again; more are forgotten, as when there is no network for days.
const LATER_MAX: usize = 64;

/// Positions of one track; a day at one a second.
const TRACK_MAX: usize = 86_400;

/// Chance of an optional call at launch and of a repeated event, percent.
const OPTIONAL: u8 = 30;
const REPEATED: u8 = 20;

impl StandIn {
    /// Runs until the phone lets go of the commands' other end, or aborts the task.
    pub(super) async fn run(mut self, mut commands: UnboundedReceiver<Message>) {
        let mut agenda = Agenda { next_sync: after(self.now(), SYNC_EVERY), background: None, workout: None, later: Vec::new() };
        self.launch(&mut agenda).await;
        loop {
            self.do_what_is_due(&mut agenda).await;
            let wait = self.now().duration_until(agenda.next_due());
            let wait = Duration::try_from(wait).unwrap_or(Duration::ZERO);
            // A command ends the sleep: its hold keeps time from jumping, so a sleep through it would never end.
            tokio::select! {
                biased;
                message = commands.recv() => match message {
                    Some(Message { command, hold }) => {
                        self.obey(command, &mut agenda).await;
                        drop(hold);
                    }
                    None => return,
                },
                () = self.hold.sleep(wait) => {}
            }
        }
    }

    /// Logs in, then makes the launch's calls in an order of this run's own. No time passes on the rig's clock meanwhile.
    async fn launch(&mut self, agenda: &mut Agenda) {
        if lock(&self.stored).app_token.is_none() {
            let registration = self.call(|caller, noise| caller.registration(noise));
            let access = self.client.send(registration).await.ok().as_ref().and_then(access_token).unwrap_or_default();
            let login = self.call(|caller, noise| caller.login(&access, noise));
            if let Some(token) = self.client.send(login).await.ok().as_ref().and_then(app_token) {
                lock(&self.stored).app_token = Some(token);
            }
        }
        let band = self.device_info().await.ok();
        for call in launch_plan(&mut self.noise, self.version) {
            let request = match (call, &band) {
                (LaunchCall::Bind, None) => continue,
                (LaunchCall::Bind, Some(band)) => {
                    // Who has no key has no band to bind.
                    let Access::Key(key) = &self.band.access else { continue };
                    let key = key.bytes();
                    self.call(|caller, noise| caller.bind(band, key, noise))
                }
                (LaunchCall::Profile, _) => self.call(|caller, noise| caller.profile(noise)),
                (LaunchCall::SaveProfile, _) => {
                    let profile = self.profile.clone();
                    self.call(|caller, noise| caller.save_profile(&profile, noise))
                }
                (LaunchCall::Tracker, _) => self.call(|caller, noise| caller.tracker(noise)),
                (LaunchCall::Optional(call), _) => self.call(|caller, noise| caller.optional(call, noise)),
            };
            // These calls are of no consequence to the app: what fails is not tried again.
            let _ = self.client.send(request).await;
        }
        self.report("launch", agenda).await;
    }

    async fn obey(&mut self, command: Command, agenda: &mut Agenda) {
        match command {
            Command::Background if agenda.background.is_none() => {
                let now = self.now();
                agenda.background =
                    Some(Background { next_heartbeat: after(now, HEARTBEAT_EVERY), next_weather: after(now, WEATHER_EVERY) });
                self.heartbeat().await;
                self.weather(agenda).await;
                self.report("background", agenda).await;
            }
            Command::Background => {}
            Command::Front { may_locate } => {
                self.may_locate = may_locate;
                agenda.background = None;
            }
            Command::MayLocate(may_locate) => self.may_locate = may_locate,
            Command::Moved(position) => {
                let may_locate = self.may_locate(agenda);
                if let Some(workout) = agenda.workout.as_mut().filter(|workout| may_locate && workout.track.len() < TRACK_MAX) {
                    workout.track.push(position);
                }
            }
            Command::PullToRefresh => self.sync(agenda).await,
            Command::StartWorkout => {
                agenda.workout = Some(Workout { began: self.now(), track: self.position(agenda).into_iter().collect() });
                self.report("workout", agenda).await;
            }
            Command::StopWorkout => {
                if let Some(workout) = agenda.workout.take() {
                    let request = self.call(|caller, noise| caller.track(workout.began, &workout.track, noise));
                    self.upload(request, RETRIES, agenda).await;
                    self.report("workout-end", agenda).await;
                }
            }
        }
    }

    async fn do_what_is_due(&mut self, agenda: &mut Agenda) {
        let now = self.now();
        let (due, later) = std::mem::take(&mut agenda.later).into_iter().partition(|later: &Later| later.at <= now);
        agenda.later = later;
        for Later { request, tries, .. } in due {
            self.upload(request, tries, agenda).await;
        }
        if agenda.next_sync <= now {
            self.sync(agenda).await;
        }
        if let Some(background) = &mut agenda.background {
            let heartbeat = due_again(&mut background.next_heartbeat, now, HEARTBEAT_EVERY);
            let weather = due_again(&mut background.next_weather, now, WEATHER_EVERY);
            if heartbeat {
                self.heartbeat().await;
            }
            if weather {
                self.weather(agenda).await;
            }
        }
    }

    /// Reads the band and uploads the days that the cloud does not have yet, today always.
    async fn sync(&mut self, agenda: &mut Agenda) {
        let now = self.now();
        agenda.next_sync = after(now, SYNC_EVERY);
        let Ok((info, mut history)) = self.read_band(now).await else {
            self.report("sync-failed", agenda).await;
            return;
        };
        uploads::keep(&mut history, self.version.heart_rate);
        let offset = Offset::from_seconds(history.utc_offset_s).unwrap_or(Offset::UTC);
        let synced_until = lock(&self.stored).synced_until;
        let mut days = uploads::days(&history, now);
        match synced_until {
            Some(until) => days.retain(|day| day.date >= offset.to_datetime(until).date()),
            None => drop(days.drain(..days.len().saturating_sub(FIRST_SYNC_DAYS))),
        }
        let location = if self.version.passive_location { self.position(agenda) } else { None };
        let address = info.address.unwrap_or(self.band.address);
        let device = uploads::device_id(address);
        let last = days.len().saturating_sub(1);
        let days: Vec<Value> = days
            .iter()
            .enumerate()
            .map(|(n, day)| {
                let summary = uploads::summary(day, info.serial.as_deref().unwrap_or_default(), location.filter(|_| n == last));
                uploads::day_json(day, &device, summary, &self.vocabulary)
            })
            .collect();
        let request = self.call(|caller, noise| caller.band_data(days, address, noise));
        if self.upload(request, RETRIES, agenda).await {
            lock(&self.stored).synced_until = Some(now);
        }
        self.report("sync", agenda).await;
    }

    async fn heartbeat(&mut self) {
        let request = self.call(|caller, noise| caller.heartbeat(noise));
        let _ = self.client.send(request).await;
    }

    /// Asks for the weather where the phone is, in a version that does so behind one's back.
    async fn weather(&mut self, agenda: &Agenda) {
        if let (true, Some(position)) = (self.version.passive_location, self.position(agenda)) {
            let request = self.call(|caller, noise| caller.weather(position, noise));
            let _ = self.client.send(request).await;
        }
    }

    /// Tells the analytics host; now and then the same again a moment later, as when an answer got lost.
    async fn report(&mut self, event: &str, agenda: &mut Agenda) {
        let request = self.call(|caller, noise| caller.event(event, noise));
        let _ = self.client.send(request.clone()).await;
        if self.noise.percent(REPEATED) {
            agenda.put_off(Later { at: after(self.now(), REPEAT_AFTER), request, tries: 0 });
        }
    }

    /// Sends a request that matters: what fails is tried again later, then given up. True when it has arrived.
    async fn upload(&self, request: Request, tries: u32, agenda: &mut Agenda) -> bool {
        let arrived = self.client.send(request.clone()).await.is_ok_and(|answer| answer.status < 400);
        if let (false, Some(tries)) = (arrived, tries.checked_sub(1)) {
            agenda.put_off(Later { at: after(self.now(), RETRY_AFTER), request, tries });
        }
        arrived
    }

    async fn open_band(&self) -> Result<Box<dyn Band>, BandError> {
        if self.airplane.load(Ordering::SeqCst) {
            return Err(LinkError::NotFound.into());
        }
        band::connect(&*self.central, self.band.model, self.band.address, &self.band.access).await
    }

    async fn device_info(&self) -> Result<DeviceInfo, BandError> {
        let mut band = self.open_band().await?;
        let info = band.device_info().await;
        band.release().await?;
        info
    }

    async fn read_band(&self, now: Timestamp) -> Result<(DeviceInfo, band::History), BandError> {
        let mut band = self.open_band().await?;
        let info = band.device_info().await?;
        let since = now.saturating_sub(SignedDuration::from_hours(24 * 2)).unwrap_or(now);
        let mut history = band::History::default();
        band.history(since, &mut history).await?;
        band.release().await?;
        Ok((info, history))
    }

    /// Where the phone is, if the app may know.
    fn position(&self, agenda: &Agenda) -> Option<Position> {
        self.may_locate(agenda).then(|| self.place.position()).flatten()
    }

    const fn may_locate(&self, agenda: &Agenda) -> bool {
        if agenda.background.is_some() { self.may_locate.in_background } else { self.may_locate.in_front }
    }

    fn now(&self) -> Timestamp {
        self.hold.clock().now()
    }

    /// Makes a request out of what the app knows now.
    fn call(&mut self, make: impl FnOnce(&Caller<'_>, &mut Noise) -> Request) -> Request {
        let stored = lock(&self.stored).clone();
        let caller = Caller { version: self.version, vocabulary: &self.vocabulary, stored: &stored, now: self.now() };
        make(&caller, &mut self.noise)
    }
}

impl Agenda {
    fn next_due(&self) -> Timestamp {
        let later = self.later.iter().map(|later| later.at).min();
        let background = self.background.as_ref().map(|background| background.next_heartbeat.min(background.next_weather));
        [later, background].into_iter().flatten().fold(self.next_sync, Timestamp::min)
    }

    fn put_off(&mut self, later: Later) {
        if self.later.len() < LATER_MAX {
            self.later.push(later);
        }
    }
}

/// A call of the launch, after the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LaunchCall {
    Bind,
    Optional(Optional),
    Profile,
    SaveProfile,
    Tracker,
}

/// Which calls this launch makes, and in which order.
fn launch_plan(noise: &mut Noise, version: &StandInVersion) -> Vec<LaunchCall> {
    let mut plan = vec![LaunchCall::Bind, LaunchCall::Profile, LaunchCall::SaveProfile];
    plan.extend(version.tracker.then_some(LaunchCall::Tracker));
    plan.extend(Optional::ALL.into_iter().filter(|_| noise.percent(OPTIONAL)).map(LaunchCall::Optional));
    noise.shuffle(&mut plan);
    plan
}

/// The access token in a redirect's address.
fn access_token(answer: &Answer) -> Option<String> {
    let location = url::Url::parse(answer.location.as_deref()?).ok()?;
    location.query_pairs().find(|(key, _)| key == "access").map(|(_, value)| value.into_owned())
}

/// The app's token in the answer to a login.
fn app_token(answer: &Answer) -> Option<String> {
    let value: Value = serde_json::from_slice(&answer.body).ok()?;
    value.pointer("/token_info/app_token")?.as_str().map(str::to_owned)
}

/// Whether something is due; if so, sets when it is due again.
fn due_again(next: &mut Timestamp, now: Timestamp, every: SignedDuration) -> bool {
    let due = *next <= now;
    if due {
        *next = after(now, every);
    }
    due
}

fn after(time: Timestamp, duration: SignedDuration) -> Timestamp {
    time.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Days that a fresh installation fetches from the band.
const FIRST_SYNC_DAYS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::simulated::versions::{VERSIONS, version};

    #[test]
    fn a_launch_varies_with_the_seed_only() {
        let plan = |seed| launch_plan(&mut Noise::new(seed, "app"), &VERSIONS[0]);
        assert_eq!(plan(1), plan(1));
        let plans: Vec<_> = (0..50).map(plan).collect();
        assert!(plans.iter().any(|other| *other != plans[0]), "order and choice vary");
        for call in [LaunchCall::Bind, LaunchCall::Profile, LaunchCall::SaveProfile] {
            assert!(plans.iter().all(|plan| plan.contains(&call)), "{call:?} is in every launch");
        }
        for call in Optional::ALL.map(LaunchCall::Optional) {
            let share = plans.iter().filter(|plan| plan.contains(&call)).count();
            assert!((5..28).contains(&share), "{call:?} in {share} of 50 launches");
        }
        assert!(plans.iter().all(|plan| !plan.contains(&LaunchCall::Tracker)));
        let newer = version("sim-1.1").expect("there is one");
        assert!((0..50).all(|seed| launch_plan(&mut Noise::new(seed, "app"), newer).contains(&LaunchCall::Tracker)));
    }

    #[test]
    fn tokens_are_found_in_answers_and_their_absence_is_no_drama() {
        let answer = |location: Option<&str>, body: &'static str| Answer {
            status: 200,
            location: location.map(str::to_owned),
            body: bytes::Bytes::from_static(body.as_bytes()),
        };
        assert_eq!(access_token(&answer(Some("https://a.test/?region=x&access=T1"), "")), Some("T1".to_owned()));
        assert_eq!(access_token(&answer(Some("https://a.test/?error=401"), "")), None);
        assert_eq!(access_token(&answer(Some("::"), "")), None);
        assert_eq!(app_token(&answer(None, r#"{"token_info":{"app_token":"A1"}}"#)), Some("A1".to_owned()));
        assert_eq!(app_token(&answer(None, "<html>")), None);
    }
}
