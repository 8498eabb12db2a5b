//! A phone in software, with the stand-in companion app and another app on it. All their traffic goes through the HTTP proxy that
//! the phone is pointed at; there is no other way out. The stand-in says nothing about any real app, and its versions are named so
//! that nobody takes them for one's.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::civil::Date;
use rustls::pki_types::CertificateDer;
use tokio::{
    sync::mpsc::{self, UnboundedSender},
    task::JoinHandle,
};

use self::{
    app::{Command, Message, StandIn},
    calls::Stored,
    client::{Client, Request},
    noise::Noise,
};
use super::{Action, Element, Key, Launch, Permission, Phone, PhoneError, Probed, Screen, Target};
use crate::{
    band::{Access, BandModel},
    clock::Clock,
    link::Central,
    model::{AppVersion, Platform, Position},
};

mod app;
mod calls;
mod client;
mod cloud;
mod noise;
mod other_app;
mod uploads;
mod versions;
mod vocabulary;

pub use cloud::{Cloud, CloudError, Received};
pub use versions::{Readings, StandInVersion, VERSIONS};
pub use vocabulary::Vocabulary;

/// What a simulated phone is made of.
pub struct SimulatedPhoneSetup {
    /// The rig's clock.
    pub clock: Clock,
    /// Where all noise is drawn from: the same seed sends the same requests.
    pub seed: u64,
    /// How the app reaches the band.
    pub central: Arc<dyn Central>,
    /// The band that the app is paired with.
    pub band: BandAccess,
    /// The HTTP proxy that the phone is pointed at.
    pub proxy: SocketAddr,
    /// The certificate authority that is installed on the phone: the proxy's, DER.
    pub trusted: CertificateDer<'static>,
    /// What an app that pins trusts instead: the cloud's own authority, DER.
    pub cloud_ca: CertificateDer<'static>,
    /// What the stand-in app calls its hosts and keys.
    pub vocabulary: Vocabulary,
    /// Whose profile the app uploads.
    pub profile: Profile,
}

/// A band that an app is paired with.
#[derive(Clone)]
pub struct BandAccess {
    /// Its model.
    pub model: &'static dyn BandModel,
    /// Device address, display order.
    pub address: [u8; 6],
    /// The key they agreed on; without one the app gets no further than anybody in reach.
    pub access: Access,
}

impl fmt::Debug for BandAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BandAccess(…)")
    }
}

/// The profile of the app's user. The default is nobody's.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Nickname.
    pub nickname: String,
    /// Date of birth.
    pub birth: Date,
    /// Height in centimetres.
    pub height_cm: u16,
    /// Weight in kilograms.
    pub weight_kg: f64,
}

impl Default for Profile {
    fn default() -> Self {
        Self { nickname: "Nobody".to_owned(), birth: Date::constant(1990, 5, 17), height_cm: 178, weight_kg: 72.5 }
    }
}

/// The simulated phone. Its apps are tasks that sleep on the rig's clock; dropping the phone ends them.
///
/// An action returns before the app has done what it leads to. The app does it without letting time pass, so that a caller who
/// sleeps on the clock, however shortly, finds it done.
pub struct SimulatedPhone {
    clock: Clock,
    central: Arc<dyn Central>,
    band: BandAccess,
    /// For each start of the app, connections of its own.
    connect: Box<dyn Fn() -> Result<Client, String> + Send + Sync>,
    vocabulary: Vocabulary,
    profile: Profile,
    noise: Noise,
    place: Place,
    stored: Arc<Mutex<Stored>>,
    version: &'static StandInVersion,
    app: Option<RunningApp>,
    other_app: Option<JoinHandle<()>>,
}

/// The app while it runs, as a person holding the phone sees it.
struct RunningApp {
    commands: UnboundedSender<Message>,
    task: JoinHandle<()>,
    in_front: bool,
    working_out: bool,
}

/// Where the phone is, known to everything on it.
#[derive(Clone, Debug, Default)]
struct Place(Arc<Mutex<Option<Position>>>);

impl Place {
    fn position(&self) -> Option<Position> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, position: Position) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(position);
    }
}

/// What can be tapped on.
const START_WORKOUT: &str = "Workout";
const STOP_WORKOUT: &str = "Stop";

impl SimulatedPhone {
    /// A phone that is switched on, with version sim-1.0 of the stand-in app installed and not running, and the other app at
    /// work. To be called inside a tokio runtime, and by somebody who holds the clock: the other app sleeps on it from now on, and
    /// time that nobody holds runs away from timer to timer.
    ///
    /// # Errors
    /// [`PhoneError::Failed`] when a certificate is unusable.
    pub fn new(setup: SimulatedPhoneSetup) -> Result<Self, PhoneError> {
        let SimulatedPhoneSetup { clock, seed, central, band, proxy, trusted, cloud_ca, vocabulary, profile } = setup;
        let connect = move || Client::new(proxy, &trusted, &cloud_ca);
        let client = connect().map_err(PhoneError::Failed)?;
        let place = Place::default();
        // The hold is taken here, not in the task: time must not jump before the task has begun.
        let other_app = tokio::spawn(other_app::run(clock.hold(), client, place.clone(), Noise::new(seed, "other app")));
        let mut noise = Noise::new(seed, "stand-in app");
        let stored = Arc::new(Mutex::new(Stored::fresh(&mut noise)));
        Ok(Self {
            clock,
            central,
            band,
            connect: Box::new(connect),
            vocabulary,
            profile,
            noise,
            place,
            stored,
            version: &VERSIONS[0],
            app: None,
            other_app: Some(other_app),
        })
    }

    /// Starts the app's task.
    fn start_app(&mut self, location: Permission) -> Result<(), PhoneError> {
        let client = (self.connect)().map_err(PhoneError::Failed)?;
        let (commands, queue) = mpsc::unbounded_channel();
        let stand_in = StandIn {
            hold: self.clock.hold(),
            client,
            central: Arc::clone(&self.central),
            band: self.band.clone(),
            version: self.version,
            vocabulary: self.vocabulary.clone(),
            profile: self.profile.clone(),
            place: self.place.clone(),
            stored: Arc::clone(&self.stored),
            // A stream of its own for each start: what one start drew does not shift the next.
            noise: Noise::new(self.noise.within(0..u64::MAX), "start"),
            may_locate: location == Permission::Allow,
        };
        self.app = Some(RunningApp { commands, task: tokio::spawn(stand_in.run(queue)), in_front: true, working_out: false });
        Ok(())
    }

    async fn end_app(&mut self) {
        if let Some(app) = self.app.take() {
            app.task.abort();
            let _ = app.task.await;
        }
    }

    fn app_in_front(&mut self) -> Result<&mut RunningApp, PhoneError> {
        match &mut self.app {
            Some(app) if app.task.is_finished() => Err(PhoneError::AppNotInFront("it has stopped by itself".to_owned())),
            Some(app) if app.in_front => Ok(app),
            Some(_) => Err(PhoneError::AppNotInFront("it is in the background; launch it again first".to_owned())),
            None => Err(PhoneError::AppNotInFront("it is not running; launch it first".to_owned())),
        }
    }

    /// Gives the running app a command, with a hold on the clock until it has picked it up.
    fn tell(&self, command: Command) {
        if let Some(app) = &self.app {
            // A finished app takes no commands; whoever needs it in front has been told so.
            let _ = app.commands.send(Message { command, hold: self.clock.hold() });
        }
    }
}

impl Drop for SimulatedPhone {
    fn drop(&mut self) {
        for task in self.app.iter().map(|app| &app.task).chain(&self.other_app) {
            task.abort();
        }
    }
}

#[async_trait]
impl Phone for SimulatedPhone {
    fn about(&self) -> String {
        "simulated phone with a stand-in app".to_owned()
    }

    fn platform(&self) -> Platform {
        Platform::Simulated
    }

    /// Its system is this program.
    async fn system(&mut self) -> Result<Option<String>, PhoneError> {
        Ok(Some(format!("simulated by tattletale {}", env!("CARGO_PKG_VERSION"))))
    }

    fn supports(&self, action: Action) -> bool {
        match action {
            Action::ClearState
            | Action::InstallApp
            | Action::LaunchApp
            | Action::PressKey
            | Action::PullToRefresh
            | Action::Screen
            | Action::SetLocation
            | Action::StopApp
            | Action::TapOn => true,
            Action::InputText
            | Action::Record
            | Action::Screenshot
            | Action::SetAirplaneMode
            | Action::SetPermissions
            | Action::Swipe
            | Action::UninstallApp => false,
        }
    }

    /// Without a version the baseline is installed, not the newest: a plain run is one of the baseline. Installing stops the app.
    async fn install(&mut self, wanted: Option<&AppVersion>) -> Result<AppVersion, PhoneError> {
        self.version = match wanted {
            None => &VERSIONS[0],
            Some(wanted) => versions::version(&wanted.name).ok_or_else(|| PhoneError::NoSuchVersion {
                wanted: wanted.name.clone(),
                known: VERSIONS.iter().map(|version| version.name).collect::<Vec<_>>().join(", "),
            })?,
        };
        self.end_app().await;
        Ok(AppVersion { name: self.version.name.to_owned(), code: Some(self.version.code) })
    }

    async fn launch_app(&mut self, launch: &Launch) -> Result<(), PhoneError> {
        let running = self.app.as_ref().is_some_and(|app| !app.task.is_finished());
        if running && !launch.clear_state {
            if let Some(app) = &mut self.app {
                app.in_front = true;
            }
            self.tell(Command::Front { may_locate: launch.location == Permission::Allow });
            return Ok(());
        }
        self.end_app().await;
        if launch.clear_state {
            self.clear_state().await?;
        }
        self.start_app(launch.location)
    }

    async fn clear_state(&mut self) -> Result<(), PhoneError> {
        self.end_app().await;
        *self.stored.lock().unwrap_or_else(PoisonError::into_inner) = Stored::fresh(&mut self.noise);
        Ok(())
    }

    async fn stop_app(&mut self) -> Result<(), PhoneError> {
        self.end_app().await;
        Ok(())
    }

    async fn pull_to_refresh(&mut self) -> Result<(), PhoneError> {
        self.app_in_front()?;
        self.tell(Command::PullToRefresh);
        Ok(())
    }

    async fn tap_on(&mut self, target: &Target) -> Result<(), PhoneError> {
        let app = self.app_in_front()?;
        let (there, command) = if app.working_out { (STOP_WORKOUT, Command::StopWorkout) } else { (START_WORKOUT, Command::StartWorkout) };
        if *target != Target::Text(there.to_owned()) {
            return Err(PhoneError::AppNotInFront(format!("nothing in front is named {target}; there is {there:?}")));
        }
        app.working_out = !app.working_out;
        self.tell(command);
        Ok(())
    }

    async fn press_key(&mut self, key: Key) -> Result<(), PhoneError> {
        match key {
            // The app has one screen, so that "back" leaves it, too.
            Key::Back | Key::Home => {
                if let Some(app) = self.app.as_mut().filter(|app| app.in_front) {
                    app.in_front = false;
                    self.tell(Command::Background);
                }
                Ok(())
            }
            // The app has nothing to type into, and no sound.
            Key::Backspace | Key::Enter | Key::Tab | Key::VolumeDown | Key::VolumeUp => Ok(()),
            Key::Lock | Key::Power => Err(PhoneError::Unsupported("its screen is always on".to_owned())),
        }
    }

    /// The one thing that can be tapped on, while the app is in front.
    async fn screen(&mut self) -> Result<Screen, PhoneError> {
        let Ok(app) = self.app_in_front() else { return Ok(Screen::default()) };
        let there = if app.working_out { STOP_WORKOUT } else { START_WORKOUT };
        Ok(Screen { elements: vec![Element { text: there.to_owned(), ..Element::default() }] })
    }

    async fn set_location(&mut self, position: Position) -> Result<Position, PhoneError> {
        self.place.set(position);
        self.tell(Command::Moved(position));
        Ok(position)
    }

    /// With connections of its own, closed afterwards.
    async fn probe(&mut self, url: &str) -> Result<Probed, PhoneError> {
        let client = (self.connect)().map_err(PhoneError::Failed)?;
        let request = Request::get(url).map_err(PhoneError::Failed)?;
        Ok(match client.send(request).await {
            Ok(answer) => Probed::Answered(answer.status),
            Err(why) => Probed::Unanswered(why),
        })
    }

    /// Ends both apps: the phone is switched off, as it was before [`SimulatedPhone::new`].
    async fn restore(&mut self) -> Result<(), PhoneError> {
        self.end_app().await;
        if let Some(other_app) = self.other_app.take() {
            other_app.abort();
            let _ = other_app.await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        band::huami::{BandContents, MI_BAND_3, SimulatedBand},
        link::simulated::SimulatedCentral,
        traffic::authority::Authority,
    };

    /// A phone whose proxy is a port where nobody listens.
    fn phone() -> (SimulatedPhone, Clock) {
        let clock = Clock::simulated("2026-03-14T09:00:00Z".parse().expect("a time"));
        let contents = BandContents::invented("2026-03-14".parse().expect("a date"));
        let band = BandAccess { model: &MI_BAND_3, address: contents.address, access: Access::Key(contents.key.clone()) };
        let authority = Authority::generate("Test", jiff::Timestamp::now()).expect("a key");
        // Its port stays taken: a free one would be another test's soon.
        let nobody = Box::leak(Box::new(tokio::net::TcpSocket::new_v4().expect("a socket")));
        nobody.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let phone = SimulatedPhone::new(SimulatedPhoneSetup {
            clock: clock.clone(),
            seed: 1,
            central: Arc::new(SimulatedCentral::new(SimulatedBand::new(contents), clock.clone())),
            band,
            proxy: nobody.local_addr().expect("bound"),
            trusted: authority.certificate_der(),
            cloud_ca: authority.certificate_der(),
            vocabulary: Vocabulary::default(),
            profile: Profile::default(),
        });
        (phone.expect("good certificates"), clock)
    }

    #[tokio::test]
    async fn there_are_versions_and_no_others() {
        let (mut phone, _) = phone();
        assert_eq!(phone.install(None).await.map(|version| version.name), Ok("sim-1.0".to_owned()));
        assert_eq!(phone.install(Some(&AppVersion::named("sim-1.2"))).await.map(|version| version.code), Ok(Some(102)));
        let error = phone.install(Some(&AppVersion::named("6.14.0"))).await.expect_err("not the real app");
        assert_eq!(error.to_string(), "install version 6.14.0: there is sim-1.0, sim-1.1, sim-1.2, sim-1.3, sim-1.4");
    }

    #[tokio::test]
    async fn what_is_not_in_front_cannot_be_touched() {
        let (mut phone, _) = phone();
        assert!(matches!(phone.pull_to_refresh().await, Err(PhoneError::AppNotInFront(_))));
        phone.launch_app(&Launch::default()).await.expect("it starts");
        let error = phone.tap_on(&Target::Text("Stop".into())).await.expect_err("no workout is on");
        assert!(error.to_string().contains("\"Workout\""), "{error}");
        phone.tap_on(&Target::Text("Workout".into())).await.expect("it is there");
        phone.tap_on(&Target::Text("Stop".into())).await.expect("it is there now");
        phone.press_key(Key::Home).await.expect("it works always");
        assert!(matches!(phone.tap_on(&Target::Text("Workout".into())).await, Err(PhoneError::AppNotInFront(_))));
        phone.launch_app(&Launch::default()).await.expect("it comes back");
        phone.pull_to_refresh().await.expect("it is in front");
        phone.restore().await.expect("all ends");
        phone.restore().await.expect("twice does no harm");
    }

    #[tokio::test]
    async fn without_a_proxy_time_goes_on_and_nothing_hangs() {
        let (mut phone, clock) = phone();
        let mut hold = clock.hold();
        let start = clock.now();
        phone.launch_app(&Launch { clear_state: true, location: Permission::Allow }).await.expect("it starts");
        phone.set_location(Position { lat: 52.0, lon: 4.0 }).await.expect("it moves");
        hold.sleep(Duration::from_secs(1)).await;
        phone.pull_to_refresh().await.expect("it is in front");
        hold.sleep(Duration::from_secs(2 * 3600)).await;
        assert_eq!(clock.now().duration_since(start).as_secs(), 2 * 3600 + 1);
        phone.restore().await.expect("all ends");
        let before = clock.now();
        drop(hold);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(clock.now(), before, "nobody is left who could move the clock");
    }
}
