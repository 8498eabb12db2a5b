//! Phones: what a scenario does to the phone that runs the app under audit.

use async_trait::async_trait;

use crate::model::{AppVersion, Platform, Position};

pub mod simulated;

/// A phone with the app under audit. What a backend cannot do is an [`PhoneError::Unsupported`] that [`Phone::supports`] tells
/// before the run starts.
#[async_trait]
pub trait Phone: Send {
    /// Words for a reader: kind, model. Never a serial number.
    fn about(&self) -> String;

    /// Its platform.
    fn platform(&self) -> Platform;

    /// Its system, for telling whether it has changed: name, version, build; never a serial number. `None` when it does not
    /// tell (the default).
    ///
    /// # Errors
    /// [`PhoneError::Failed`] when the phone does not answer.
    async fn system(&mut self) -> Result<Option<String>, PhoneError> {
        Ok(None)
    }

    /// Whether it can do an action at all.
    fn supports(&self, action: Action) -> bool;

    /// Makes sure that this version of the app is installed and tells which one is.
    ///
    /// # Errors
    /// [`PhoneError::NoSuchVersion`] with the versions there are.
    async fn install(&mut self, version: Option<&AppVersion>) -> Result<AppVersion, PhoneError>;

    /// Starts the app, or brings it to the front.
    ///
    /// # Errors
    /// Why it did not start.
    async fn launch_app(&mut self, launch: &Launch) -> Result<(), PhoneError>;

    /// Stops the app. Stopping a stopped app is fine.
    ///
    /// # Errors
    /// Why it could not be stopped.
    async fn stop_app(&mut self) -> Result<(), PhoneError>;

    /// Pulls the app's main list down, so that it syncs the band.
    ///
    /// # Errors
    /// When the app is not in front.
    async fn pull_to_refresh(&mut self) -> Result<(), PhoneError>;

    /// Taps on what has this text.
    ///
    /// # Errors
    /// When nothing in front has this text; names what has one.
    async fn tap_on(&mut self, text: &str) -> Result<(), PhoneError>;

    /// Presses a key.
    ///
    /// # Errors
    /// When the phone does not answer.
    async fn press_key(&mut self, key: Key) -> Result<(), PhoneError>;

    /// Places the phone, and reads back where it says it is.
    ///
    /// # Errors
    /// When the phone does not take it.
    async fn set_location(&mut self, position: Position) -> Result<Position, PhoneError>;

    /// Fetches a URL as any app on the phone would that trusts whom the phone trusts: by the phone's own way to the network, without
    /// a cache. Any status is an answer. For the self-check, before the app is started.
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] when this phone cannot be made to fetch anything (the default), [`PhoneError::Failed`] when it
    /// could not be asked. A request that got no answer is no error: it is [`Probed::Unanswered`].
    async fn probe(&mut self, url: &str) -> Result<Probed, PhoneError> {
        Err(PhoneError::Unsupported(format!("it cannot be made to fetch {url}")))
    }

    /// Puts the phone back as it was found. Called on every way out; twice does no harm.
    ///
    /// # Errors
    /// What could not be put back.
    async fn restore(&mut self) -> Result<(), PhoneError>;
}

/// What can be asked of a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// [`Phone::launch_app`].
    LaunchApp,
    /// [`Phone::press_key`].
    PressKey,
    /// [`Phone::pull_to_refresh`].
    PullToRefresh,
    /// [`Phone::set_location`].
    SetLocation,
    /// [`Phone::stop_app`].
    StopApp,
    /// [`Phone::tap_on`].
    TapOn,
}

/// What a phone says of a fetch that it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// It was answered, with this status.
    Answered(u16),
    /// It was not, and why, in words.
    Unanswered(String),
}

/// How to start the app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// Forget everything the app has stored before starting it.
    pub clear_state: bool,
    /// Location permission: granted only when the scenario says so.
    pub location: Permission,
}

/// Whether a permission is granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permission {
    /// Granted.
    Allow,
    /// Denied.
    #[default]
    Deny,
}

/// Keys of a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Back.
    Back,
    /// Home: the app goes to the background.
    Home,
}

/// Why a phone did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhoneError {
    /// The app is not running, or not in front.
    #[error("reach the app: {0}")]
    AppNotInFront(String),
    /// The phone itself failed.
    #[error("control the phone: {0}")]
    Failed(String),
    /// There is no such version.
    #[error("install version {wanted}: there is {known}")]
    NoSuchVersion {
        /// What was asked for.
        wanted: String,
        /// What there is, as a list in words.
        known: String,
    },
    /// This phone cannot do that.
    #[error("do that on this phone: {0}")]
    Unsupported(String),
}
