//! A phone in software, with the stand-in companion app and another app on it. All their traffic goes through the HTTP proxy that
//! the phone is pointed at; there is no other way out. The stand-in says nothing about any real app, and its versions are named so
//! that nobody takes them for one's.

use std::{
    fmt,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use jiff::civil::Date;
use rustls::pki_types::CertificateDer;
use tokio::{
    sync::mpsc::{self, UnboundedSender},
    task::JoinHandle,
};

use self::{
    app::{Command, MayLocate, Message, StandIn},
    calls::Stored,
    client::{Client, Request},
    noise::Noise,
};
use super::{
    Action, Element, Key, Launch, Outside, Percent, Permission, PermissionChange, PermissionName, Phone, PhoneError, Probed, Screen, Swipe,
    Target,
};
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
mod picture;
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
    /// Whether the app is installed.
    installed: bool,
    may_locate: MayLocate,
    /// Whether the radios are off.
    airplane: Arc<AtomicBool>,
    /// Whether the screen is off; and if so, whether the app was in front.
    dark: Option<bool>,
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

/// Width and height of the screen, in pixels.
const SCREEN: [u32; 2] = [1080, 2340];

/// Where the one button is: left, top, right, bottom in pixels.
const BUTTON: [i32; 4] = [340, 1900, 740, 2060];

/// A finger that moves so far down pulls the list with it, in percent of the screen's height.
const PULLS_PERCENT: f64 = 30.0;

impl RunningApp {
    /// The one thing that can be tapped on.
    fn button(&self) -> Element {
        let text = if self.working_out { STOP_WORKOUT } else { START_WORKOUT };
        Element { text: text.to_owned(), id: "test.standin:id/workout".to_owned(), bounds: BUTTON, ..Element::default() }
    }
}

fn is_inside(element: &Element, at: Percent) -> bool {
    let [left, top, right, bottom] = element.bounds.map(f64::from);
    let (x, y) = (at.x / 100.0 * f64::from(SCREEN[0]), at.y / 100.0 * f64::from(SCREEN[1]));
    (left..right).contains(&x) && (top..bottom).contains(&y)
}

impl SimulatedPhone {
    /// A phone that is switched on, with version sim-1.0 of the stand-in app installed and not running, and the other app at
    /// work. To be called inside a tokio runtime, and by somebody who holds the clock: the other app sleeps on it from now on, and
    /// time that nobody holds runs away from timer to timer.
    ///
    /// # Errors
    /// [`PhoneError::Failed`] when a certificate is unusable.
    pub fn new(setup: SimulatedPhoneSetup) -> Result<Self, PhoneError> {
        let SimulatedPhoneSetup { clock, seed, central, band, proxy, trusted, cloud_ca, vocabulary, profile } = setup;
        let airplane = Arc::new(AtomicBool::new(false));
        let radio = Arc::clone(&airplane);
        let connect = move || Client::new(proxy, &trusted, &cloud_ca, Arc::clone(&radio));
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
            installed: true,
            may_locate: MayLocate::default(),
            airplane,
            dark: None,
            app: None,
            other_app: Some(other_app),
        })
    }

    /// Starts the app's task.
    fn start_app(&mut self) -> Result<(), PhoneError> {
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
            may_locate: self.may_locate,
            airplane: Arc::clone(&self.airplane),
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
            _ if self.dark.is_some() => Err(PhoneError::AppNotInFront("the screen is off".to_owned())),
            Some(app) if app.task.is_finished() => Err(PhoneError::AppNotInFront("it has stopped by itself".to_owned())),
            Some(app) if app.in_front => Ok(app),
            Some(_) => Err(PhoneError::AppNotInFront("it is in the background; launch it again first".to_owned())),
            None => Err(PhoneError::AppNotInFront("it is not running; launch it first".to_owned())),
        }
    }

    /// Sends the app to the background. Whether it was in front.
    fn leave_app(&mut self) -> bool {
        let Some(app) = self.app.as_mut().filter(|app| app.in_front) else { return false };
        app.in_front = false;
        self.tell(Command::Background);
        true
    }

    fn is_installed(&self) -> Result<(), PhoneError> {
        if self.installed { Ok(()) } else { Err(PhoneError::Failed("the app is not installed".to_owned())) }
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

    /// The stand-in app dials nobody but the proxy.
    async fn outside(&mut self) -> Outside {
        Outside::NoWay
    }

    fn supports(&self, action: Action) -> bool {
        match action {
            Action::ClearState
            | Action::InstallApp
            | Action::LaunchApp
            | Action::PressKey
            | Action::PullToRefresh
            | Action::Screen
            | Action::Screenshot
            | Action::SetAirplaneMode
            | Action::SetLocation
            | Action::SetPermissions
            | Action::StopApp
            | Action::Swipe
            | Action::TapOn
            | Action::UninstallApp => true,
            // The app has nothing to type into, and nothing moves on its screen.
            Action::InputText | Action::Record => false,
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
        self.installed = true;
        Ok(AppVersion { name: self.version.name.to_owned(), code: Some(self.version.code) })
    }

    /// A package of the stand-in app is a text file that holds the name of its version.
    async fn install_file(&mut self, file: &Path) -> Result<AppVersion, PhoneError> {
        let failed = |problem: &str| PhoneError::Failed(format!("{} is no package of the stand-in app: {problem}", file.display()));
        let about = std::fs::metadata(file).map_err(|problem| failed(&problem.to_string()))?;
        if !about.is_file() || about.len() > 100 {
            return Err(failed("such a package holds the name of a version, and no more"));
        }
        let name = std::fs::read_to_string(file).map_err(|problem| failed(&problem.to_string()))?;
        self.install(Some(&AppVersion::named(name.trim()))).await
    }

    async fn uninstall_app(&mut self) -> Result<(), PhoneError> {
        self.clear_state().await?;
        self.installed = false;
        Ok(())
    }

    /// Stand-in for a system that asks about positions only, as Android does: taking a permission away stops the app.
    async fn set_permissions(&mut self, changes: &[PermissionChange]) -> Result<(), PhoneError> {
        self.is_installed()?;
        let mut may_locate = self.may_locate;
        for PermissionChange { which, to } in changes {
            let allowed = *to == Permission::Allow;
            match which {
                PermissionName::Location => may_locate.in_front = allowed,
                PermissionName::BackgroundLocation => may_locate.in_background = allowed,
                PermissionName::Exact(name) => match name.as_str() {
                    "android.permission.ACCESS_COARSE_LOCATION" | "android.permission.ACCESS_FINE_LOCATION" => {
                        may_locate.in_front = allowed
                    }
                    "android.permission.ACCESS_BACKGROUND_LOCATION" => may_locate.in_background = allowed,
                    _ => return Err(PhoneError::Failed(format!("the app does not ask for {name}"))),
                },
            }
        }
        let takes = (self.may_locate.in_front && !may_locate.in_front) || (self.may_locate.in_background && !may_locate.in_background);
        self.may_locate = may_locate;
        if takes {
            self.end_app().await;
        } else {
            self.tell(Command::MayLocate(may_locate));
        }
        Ok(())
    }

    /// The app on it has no network then, and no band.
    async fn set_airplane_mode(&mut self, on: bool) -> Result<(), PhoneError> {
        self.airplane.store(on, Ordering::SeqCst);
        Ok(())
    }

    async fn launch_app(&mut self, launch: &Launch) -> Result<(), PhoneError> {
        self.is_installed()?;
        self.dark = None;
        let allowed = launch.location == Permission::Allow;
        let may_locate = MayLocate { in_front: allowed, in_background: allowed };
        let running = self.app.as_ref().is_some_and(|app| !app.task.is_finished());
        if running && !launch.clear_state {
            self.may_locate = may_locate;
            if let Some(app) = &mut self.app {
                app.in_front = true;
            }
            self.tell(Command::Front { may_locate });
            return Ok(());
        }
        self.end_app().await;
        if launch.clear_state {
            self.clear_state().await?;
        }
        self.may_locate = may_locate;
        self.start_app()
    }

    async fn clear_state(&mut self) -> Result<(), PhoneError> {
        self.end_app().await;
        self.may_locate = MayLocate::default();
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
        let button = app.button();
        match target {
            Target::Point(at) if !is_inside(&button, *at) => return Ok(()),
            Target::Point(_) => {}
            _ if Screen { elements: vec![button.clone()] }.find(target).is_some() => {}
            _ => return Err(PhoneError::AppNotInFront(format!("nothing in front is named {target}; there is {:?}", button.text))),
        }
        let command = if app.working_out { Command::StopWorkout } else { Command::StartWorkout };
        app.working_out = !app.working_out;
        self.tell(command);
        Ok(())
    }

    /// Far enough down, it pulls the app's list; otherwise there is nothing that would move.
    async fn swipe(&mut self, swipe: &Swipe) -> Result<(), PhoneError> {
        if swipe.to.y - swipe.from.y >= PULLS_PERCENT && self.app_in_front().is_ok() {
            self.tell(Command::PullToRefresh);
        }
        Ok(())
    }

    async fn press_key(&mut self, key: Key) -> Result<(), PhoneError> {
        match key {
            // The app has one screen, so that "back" leaves it, too.
            Key::Back | Key::Home => {
                self.leave_app();
                Ok(())
            }
            Key::Lock | Key::Power if self.dark.is_none() => {
                self.dark = Some(self.leave_app());
                Ok(())
            }
            Key::Power => {
                if self.dark.take() == Some(true)
                    && let Some(app) = &mut self.app
                {
                    app.in_front = true;
                    self.tell(Command::Front { may_locate: self.may_locate });
                }
                Ok(())
            }
            // The app has nothing to type into, and no sound.
            // It has no lock, and one that is dark stays so.
            Key::Backspace | Key::Enter | Key::Lock | Key::Tab | Key::VolumeDown | Key::VolumeUp => Ok(()),
        }
    }

    /// The one thing that can be tapped on, while the app is in front.
    async fn screen(&mut self) -> Result<Screen, PhoneError> {
        Ok(Screen { elements: self.app_in_front().map(|app| app.button()).into_iter().collect() })
    }

    /// Grey, with what can be tapped on in white.
    async fn screenshot(&mut self) -> Result<Vec<u8>, PhoneError> {
        let screen = self.screen().await?;
        Ok(picture::png(SCREEN, screen.elements.iter().map(|element| element.bounds)))
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
    async fn a_place_on_the_screen_and_an_id_are_the_same_button() {
        let (mut phone, _) = phone();
        phone.launch_app(&Launch::default()).await.expect("it starts");
        phone.tap_on(&Target::Id("workout".into())).await.expect("it is there");
        assert_eq!(phone.screen().await.expect("it shows").elements[0].text, "Stop");
        phone.tap_on(&Target::Point(Percent { x: 50.0, y: 10.0 })).await.expect("nothing is there");
        assert_eq!(phone.screen().await.expect("it shows").elements[0].text, "Stop");
        phone.tap_on(&Target::Point(Percent { x: 50.0, y: 85.0 })).await.expect("it is there");
        assert_eq!(phone.screen().await.expect("it shows").elements[0].text, "Workout");
        phone.press_key(Key::Power).await.expect("it goes dark");
        assert!(phone.screen().await.expect("it shows nothing").elements.is_empty());
        assert!(phone.pull_to_refresh().await.is_err(), "the screen is off");
        phone.press_key(Key::Power).await.expect("it is on again");
        phone.pull_to_refresh().await.expect("the app is in front again");
        assert!(phone.screenshot().await.expect("a picture").starts_with(b"\x89PNG\r\n"));
    }

    #[tokio::test]
    async fn an_app_that_is_removed_does_not_start_until_it_is_back() {
        let (mut phone, _) = phone();
        phone.uninstall_app().await.expect("it goes");
        phone.uninstall_app().await.expect("twice does no harm");
        let error = phone.launch_app(&Launch::default()).await.expect_err("there is none");
        assert_eq!(error.to_string(), "control the phone: the app is not installed");
        let folder = tempfile::tempdir().expect("a folder");
        let package = folder.path().join("1.1.standin");
        phone.install_file(&package).await.expect_err("there is no such file");
        std::fs::write(&package, "sim-1.1\n").expect("a file");
        assert_eq!(phone.install_file(&package).await.map(|version| version.code), Ok(Some(101)));
        phone.launch_app(&Launch::default()).await.expect("it is back");
    }

    #[tokio::test]
    async fn permissions_are_set_as_they_are_named_and_taking_one_away_stops_the_app() {
        let (mut phone, _) = phone();
        let change = |which, to| PermissionChange { which, to };
        phone.launch_app(&Launch::default()).await.expect("it starts");
        phone.set_permissions(&[change(PermissionName::Location, Permission::Allow)]).await.expect("it asks for it");
        phone.pull_to_refresh().await.expect("it still runs");
        assert_eq!(phone.may_locate, MayLocate { in_front: true, in_background: false });
        phone.set_permissions(&[change(PermissionName::Location, Permission::Deny)]).await.expect("it is taken away");
        assert!(phone.pull_to_refresh().await.is_err(), "it was stopped");
        let camera = change(PermissionName::Exact("android.permission.CAMERA".into()), Permission::Allow);
        let error = phone.set_permissions(&[change(PermissionName::Location, Permission::Allow), camera]).await.expect_err("never asked");
        assert_eq!(error.to_string(), "control the phone: the app does not ask for android.permission.CAMERA");
        assert_eq!(phone.may_locate, MayLocate::default(), "all or nothing");
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
